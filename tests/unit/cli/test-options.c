/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <time.h>

#include "tests/lib/check.h"
#include "util/fdio.h"
#include "util/num.h"
#include "util/vtime.h"

static const struct cli_command *find(const char *a, const char *b)
{
    const char *words[] = {a, b};
    int n;
    return cli_find_command(b ? 2 : 1, (char **)(uintptr_t)words, &n);
}

static int
parse(const struct cli_command *c, struct cli *cli, struct vr_err *err, int n, const char **args)
{
    static const char *argv[16];
    argv[0] = "x";
    for (int i = 0; i < n; i++) {
        argv[i + 1] = args[i];
    }
    return cli_parse(c, n + 1, (char **)(uintptr_t)argv, cli, err);
}
#define PARSE(c, cli, err, ...)                                                                    \
    parse(c, cli, err, (int)VR_COUNT(((const char *[]){__VA_ARGS__})),                             \
          (const char *[]){__VA_ARGS__})

static void test_find(void **state)
{
    int words;
    const char *two[] = {"authorize", "add", "hv1"};
    const struct cli_command *c = cli_find_command(3, (char **)(uintptr_t)two, &words);
    assert_non_null(c);
    assert_string_equal(c->name, "authorize add");
    assert_int_equal(words, 2);
    assert_string_equal(find("status", NULL)->name, "status");
    assert_string_equal(find("job", "5")->name, "job");
    assert_null(find("authorize", NULL));
    assert_null(find("authorize", "nobody"));
    assert_null(find("stat", NULL));
    assert_null(find("authorize add", NULL));
}

static void test_parse(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    struct cli cli;
    const struct cli_command *enable = find("enable", NULL);
    /* options and arguments in any order */
    CHECK_OK(PARSE(enable, &cli, &err, "--to", "hv2:8651", "db01", "--exclude=swap", "--exclude",
                   "tmp", "--seeded"),
             &err);
    assert_int_equal(cli.nargs, 1);
    assert_string_equal(cli.args[0], "db01");
    assert_string_equal(cli.value[OPT_TO], "hv2:8651");
    assert_int_equal(cli.nexclude, 2);
    assert_string_equal(cli.exclude[0], "swap");
    assert_string_equal(cli.exclude[1], "tmp");
    assert_true(cli_has(&cli, OPT_SEEDED));
    assert_false(cli_has(&cli, OPT_NO_START));
    CHECK_OK(PARSE(enable, &cli, &err, "--to", "h", "--", "--odd-name"), &err);
    assert_string_equal(cli.args[0], "--odd-name");
    CHECK_OK(PARSE(enable, &cli, &err, "--help"), &err);
}

static void test_refusals(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    struct cli cli;
    const struct cli_command *enable = find("enable", NULL);
    CHECK_FAILS(PARSE(enable, &cli, &err, "--to"), &err, VR_E_INVALID, "--to needs a value");
    CHECK_FAILS(PARSE(enable, &cli, &err, "db01", "--force"), &err, VR_E_INVALID,
                "'--force' is no option of 'enable'");
    CHECK_FAILS(PARSE(enable, &cli, &err, "--to", "h"), &err, VR_E_INVALID,
                "usage: vmreplica enable VM");
    CHECK_FAILS(PARSE(enable, &cli, &err, "a", "b"), &err, VR_E_INVALID, "usage:");
    CHECK_FAILS(PARSE(find("status", NULL), &cli, &err, "db01", "db02"), &err, VR_E_INVALID,
                "usage:");
    CHECK_FAILS(PARSE(find("status", NULL), &cli, &err, "-x"), &err, VR_E_INVALID, "no option");
    const char *many[2 * 15];
    for (size_t i = 0; i < VR_COUNT(many); i++) {
        many[i] = "--exclude=d";
    }
    assert_true(VR_COUNT(many) > CLI_EXCLUDES_MAX);
    const char *argv[VR_COUNT(many) + 1] = {"x"};
    memcpy(argv + 1, many, sizeof(many));
    CHECK_FAILS(cli_parse(enable, (int)VR_COUNT(argv), (char **)(uintptr_t)argv, &cli, &err), &err,
                VR_E_LIMIT, "more than 16 times");
}

static char *text_of(void (*print)(const struct cli_command *c, FILE *f),
                     const struct cli_command *c)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    assert_non_null(f);
    if (c) {
        print(c, f);
    } else {
        cli_help(f);
    }
    fclose(f);
    return text;
}

static void test_help_lists_all(void **state)
{
    char *all = text_of(NULL, NULL);
    assert_true(cli_ncommands >= 25);
    for (size_t i = 0; i < cli_ncommands; i++) {
        const struct cli_command *c = &cli_commands[i];
        assert_non_null(strstr(all, c->name));
        assert_non_null(strstr(all, c->summary));
        assert_non_null(c->run);
        char *one = text_of(cli_command_help, c);
        assert_non_null(strstr(one, c->name));
        for (int o = 0; o < OPT_COUNT; o++) {
            char word[64];
            snprintf(word, sizeof(word), "  --%s ", cli_options[o].word);
            bool listed = strstr(one, word) != NULL;
            bool taken = ((c->options | O_COMMON) >> o) & 1;
            assert_int_equal(listed, taken);
        }
        free(one);
    }
    free(all);
}

/* The man page is written by hand: it must know every command and option, and none that is not
 * there. */
static void test_man_page(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    char *man = NULL, word[96];
    CHECK_OK(vr_read_file(MAN_PAGE, 1 << 20, &man, NULL, &err), &err);
    for (size_t i = 0; i < cli_ncommands; i++) {
        snprintf(word, sizeof(word), "Cm %s", cli_commands[i].name);
        if (!strstr(man, word)) {
            fail_msg("the man page lacks command '%s'", cli_commands[i].name);
        }
    }
    for (int o = 0; o < OPT_COUNT; o++) {
        snprintf(word, sizeof(word), "--%s", cli_options[o].word);
        if (!strstr(man, word)) {
            fail_msg("the man page lacks option '%s'", word);
        }
    }
    for (const char *p = man; (p = strstr(p, " --")); p += 3) {
        size_t n = strspn(p + 3, "abcdefghijklmnopqrstuvwxyz-");
        bool known = n == 0 || strncmp(p + 3, "version", n) == 0;
        for (int o = 0; o < OPT_COUNT && !known; o++) {
            known = strlen(cli_options[o].word) == n && strncmp(cli_options[o].word, p + 3, n) == 0;
        }
        if (!known) {
            fail_msg("the man page has option '%.*s'", (int)n + 2, p + 1);
        }
    }
    free(man);
}

static void test_at(void **state)
{
    uint64_t now, us;
    setenv("TZ", "Europe/Berlin", 1);
    tzset();
    assert_true(vr_parse_iso_time("2026-11-20T21:30:00Z", &now)); /* 22:30 local */
    static const struct {
        const char *text, *utc;
    } good[] = {
        {"2026-12-01T02:00Z", "2026-12-01T02:00:00Z"},
        {"2026-12-01T02:00:30+05:30", "2026-11-30T20:30:30Z"},
        {"2026-12-01T02:00", "2026-12-01T01:00:00Z"},    /* winter */
        {"2026-07-01T02:00:15", "2026-07-01T00:00:15Z"}, /* summer */
        {"2026-12-01 02:00", "2026-12-01T01:00:00Z"},
        {"23:15", "2026-11-20T22:15:00Z"}, /* still today */
        {"02:00", "2026-11-21T01:00:00Z"}, /* tomorrow */
        {"+2h", "2026-11-20T23:30:00Z"},
        {"+1d2h3m4s", "2026-11-21T23:33:04Z"},
        {"+0s", "2026-11-20T21:30:00Z"},
    };
    for (size_t i = 0; i < VR_COUNT(good); i++) {
        uint64_t want;
        assert_true(vr_parse_iso_time(good[i].utc, &want));
        if (!cli_parse_at(good[i].text, now, &us) || us != want) {
            fail_msg("%s", good[i].text);
        }
    }
    static const char *const bad[] = {"",
                                      "+",
                                      "+2",
                                      "+h",
                                      "+2x",
                                      "+3m2h",
                                      "+2h2h",
                                      "+99999999s",
                                      "tomorrow",
                                      "2026-02-30T00:00",
                                      "2026-12-01",
                                      "25:00",
                                      "2026-12-01T02:00X",
                                      "+ 2h",
                                      "+-2h",
                                      "02:00pm"};
    for (size_t i = 0; i < VR_COUNT(bad); i++) {
        if (cli_parse_at(bad[i], now, &us)) {
            fail_msg("'%s' was taken", bad[i]);
        }
    }
}

static void test_since(void **state)
{
    uint64_t now, us;
    setenv("TZ", "Europe/Berlin", 1);
    tzset();
    assert_true(vr_parse_iso_time("2026-11-20T21:30:00Z", &now)); /* 22:30 local */
    static const struct {
        const char *text, *utc;
    } good[] = {
        {"2026-11-19T02:00Z", "2026-11-19T02:00:00Z"},
        {"2026-11-19 02:00", "2026-11-19T01:00:00Z"},
        {"22:00", "2026-11-20T21:00:00Z"},
        {"23:15", "2026-11-19T22:15:00Z"},
        {"2h", "2026-11-20T19:30:00Z"},
        {"-1d30s", "2026-11-19T21:29:30Z"},
        {"0s", "2026-11-20T21:30:00Z"},
    };
    for (size_t i = 0; i < VR_COUNT(good); i++) {
        uint64_t want;
        assert_true(vr_parse_iso_time(good[i].utc, &want));
        if (!cli_parse_since(good[i].text, now, &us) || us != want) {
            fail_msg("%s", good[i].text);
        }
    }
    static const char *const bad[] = {"", "-", "yesterday", "+2h", "--2h", "2", "25:00", "2h2h"};
    for (size_t i = 0; i < VR_COUNT(bad); i++) {
        if (cli_parse_since(bad[i], now, &us)) {
            fail_msg("'%s' was taken", bad[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_find),           T(test_parse), T(test_refusals),
                                       T(test_help_lists_all), T(test_at),    T(test_since),
                                       T(test_man_page)};
    return RUN(tests);
}
