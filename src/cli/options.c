/* SPDX-License-Identifier: Apache-2.0 */
/* Options, from the table in cli.h by getopt_long; times as people write them. */
#include "cli/cli.h"

#include <ctype.h>
#include <getopt.h>
#include <string.h>
#include <time.h>

#include "util/num.h"
#include "util/vtime.h"

const struct cli_option_info cli_options[OPT_COUNT] = {
#define X(name, word, arg, help) {word, arg, help},
    CLI_OPTIONS(X)
#undef X
};

#define FIRST_CODE 1000
#define DAY_US 86400000000

static size_t build_options(const struct cli_command *c, struct option *ret)
{
    size_t n = 0;
    for (int o = 0; o < OPT_COUNT; o++) {
        if ((c->options | O_COMMON) & ((uint64_t)1 << o)) {
            ret[n++] = (struct option){
                .name = cli_options[o].word,
                .has_arg = cli_options[o].arg ? required_argument : no_argument,
                .val = FIRST_CODE + o,
            };
        }
    }
    ret[n] = (struct option){0};
    return n;
}

static int
take_many(const char **list, size_t *n, size_t max, const char *value, struct vr_err *err)
{
    if (*n == max) {
        return vr_fail(err, VR_E_LIMIT, "an option was given more than %zu times", max);
    }
    list[(*n)++] = value;
    return 0;
}

static int take_option(struct cli *cli, enum cli_option o, const char *value, struct vr_err *err)
{
    cli->value[o] = value ? value : "";
    switch (o) {
    case OPT_EXCLUDE:
        return take_many(cli->exclude, &cli->nexclude, CLI_EXCLUDES_MAX, value, err);
    case OPT_NAME:
        return take_many(cli->names, &cli->nnames, CLI_NAMES_MAX, value, err);
    case OPT_ATTRIBUTE:
        return take_many(cli->attributes, &cli->nattributes, CLI_ATTRIBUTES_MAX, value, err);
    default:
        return 0;
    }
}

int cli_parse(
    const struct cli_command *c, int argc, char **argv, struct cli *ret, struct vr_err *err)
{
    struct option options[OPT_COUNT + 1];
    build_options(c, options);
    *ret = (struct cli){0};
    optind = 0; /* glibc: start anew, with its permutation of arguments */
    opterr = 0;
    int code;
    while ((code = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        if (code == ':') {
            return vr_fail(err, VR_E_INVALID, "option %s needs a value; see 'vmreplica %s --help'",
                           argv[optind - 1], c->name);
        }
        if (code == '?') {
            return vr_fail(err, VR_E_INVALID,
                           "'%s' is no option of '%s'; see 'vmreplica %s --help'", argv[optind - 1],
                           c->name, c->name);
        }
        int r = take_option(ret, (enum cli_option)(code - FIRST_CODE), optarg, err);
        if (r < 0) {
            return r;
        }
    }
    ret->args = argv + optind;
    ret->nargs = argc - optind;
    if (cli_has(ret, OPT_HELP)) {
        return 0;
    }
    if (ret->nargs < c->min_args || ret->nargs > c->max_args) {
        return vr_fail(err, VR_E_INVALID, "usage: vmreplica %s%s%s [OPTION]...", c->name,
                       *c->args ? " " : "", c->args);
    }
    return 0;
}

/* --- times --- */

static bool parse_offset(const char *text, uint64_t *ret_s)
{
    static const struct {
        char unit;
        uint64_t seconds;
    } units[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};
    uint64_t sum = 0;
    size_t next = 0;
    do {
        size_t digits = strspn(text, "0123456789");
        char number[8];
        uint64_t v;
        if (digits == 0 || digits >= sizeof(number)) {
            return false;
        }
        memcpy(number, text, digits);
        number[digits] = '\0';
        text += digits;
        while (next < VR_COUNT(units) && units[next].unit != *text) {
            next++;
        }
        if (next == VR_COUNT(units) || !vr_parse_u64(number, 0, 9999999, &v)) {
            return false;
        }
        sum += v * units[next++].seconds;
        text++;
    } while (*text);
    *ret_s = sum;
    return true;
}

static bool local_to_us(struct tm tm, uint64_t *ret_us)
{
    struct tm want = tm;
    tm.tm_isdst = -1;
    time_t t = mktime(&tm);
    /* mktime turns 30 February into 1 March: that is a mistake here */
    if (t < 0 || tm.tm_mday != want.tm_mday || tm.tm_mon != want.tm_mon) {
        return false;
    }
    *ret_us = (uint64_t)t * 1000000;
    return true;
}

static bool parse_local(const char *text, uint64_t now_us, uint64_t *ret_us)
{
    static const char *const forms[] = {"%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M",
                                        "%Y-%m-%d %H:%M:%S"};
    for (size_t i = 0; i < VR_COUNT(forms); i++) {
        struct tm tm = {0};
        const char *end = strptime(text, forms[i], &tm);
        if (end && !*end) {
            return local_to_us(tm, ret_us);
        }
    }
    time_t now = (time_t)(now_us / 1000000);
    struct tm tm;
    localtime_r(&now, &tm);
    tm.tm_sec = 0;
    const char *end = strptime(text, "%H:%M", &tm);
    if (!end || *end || !local_to_us(tm, ret_us)) {
        return false;
    }
    if (*ret_us >= now_us) {
        return true;
    }
    now += 86400; /* passed today: tomorrow */
    struct tm day;
    localtime_r(&now, &day);
    day.tm_hour = tm.tm_hour;
    day.tm_min = tm.tm_min;
    day.tm_sec = 0;
    return local_to_us(day, ret_us);
}

bool cli_parse_at(const char *text, uint64_t now_us, uint64_t *ret_us)
{
    uint64_t s;
    if (*text == '+') {
        if (!parse_offset(text + 1, &s)) {
            return false;
        }
        *ret_us = now_us + s * 1000000;
        return true;
    }
    return vr_parse_iso_time(text, ret_us) || parse_local(text, now_us, ret_us);
}

bool cli_parse_since(const char *text, uint64_t now_us, uint64_t *ret_us)
{
    uint64_t s;
    if (parse_offset(*text == '-' ? text + 1 : text, &s)) {
        *ret_us = s * 1000000 < now_us ? now_us - s * 1000000 : 1;
        return true;
    }
    /* the next 22:00 after this time yesterday is the one that was */
    return vr_parse_iso_time(text, ret_us) || parse_local(text, now_us - DAY_US, ret_us);
}
