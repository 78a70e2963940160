/* SPDX-License-Identifier: Apache-2.0 */
/* Request bodies, strictly: one table says which member a verb takes, of which type, and where it
 * goes. */
#include "front/rest/rest_impl.h"

#include <string.h>

#include "util/cleanup.h"
#include "util/num.h"
#include "util/vtime.h"

enum member_type {
    M_BOOL,
    M_TEXT,
    M_HOST,
    M_PATTERN,
    M_PATH,
    M_TIME,
    M_U64,
    M_NAMES,
    M_INTERVAL,
    M_SECONDS,
    M_TIME_OF_DAY,
    M_EXTENDED
};

#define B(verb) (1u << API_##verb)
#define OFF(m) offsetof(struct api_verb, m), sizeof(((struct api_verb *)NULL)->m)

static const struct member {
    const char *name;
    enum member_type type;
    unsigned verbs, required;
    size_t off, cap;
} members[] = {
    {"at", M_TIME, B(RESYNC) | B(ENABLE) | B(START), 0, OFF(start_us)},
    {"force", M_BOOL, B(RESYNC) | B(FAILOVER), 0, OFF(force)},
    {"restart", M_BOOL, B(RESYNC), 0, OFF(restart)},
    {"dry_run", M_BOOL, B(RESYNC), 0, OFF(dry_run)},
    {"extended", M_EXTENDED,
     B(RESYNC) | B(VERIFY) | B(START) | B(DISABLE) | B(PAUSE) | B(RESUME) | B(CANCEL) | B(ADOPT) |
         B(BANDWIDTH) | B(STATS_RESET) | B(REL_SETTINGS),
     0, OFF(rel_number)},
    {"to", M_HOST, B(ENABLE), B(ENABLE), OFF(host)},
    {"exclude", M_NAMES, B(ENABLE), 0, OFF(excluded)},
    {"seeded", M_BOOL, B(ENABLE) | B(START), 0, OFF(seeded)},
    {"export", M_PATH, B(START), 0, OFF(location)},
    {"from", M_PATH, B(IMPORT), B(IMPORT), OFF(location)},
    {"no_start", M_BOOL, B(ENABLE), 0, OFF(no_start)},
    {"bandwidth", M_U64, B(ENABLE) | B(BANDWIDTH), B(BANDWIDTH), OFF(bandwidth_bytes_s)},
    {"host", M_PATTERN, B(AUTH_ADD), B(AUTH_ADD), OFF(auth.host)},
    {"trust_group", M_TEXT, B(AUTH_ADD), 0, OFF(auth.trust_group)},
    {"storage", M_PATH, B(AUTH_ADD), B(AUTH_ADD), OFF(auth.storage)},
    {"recovery_server", M_BOOL, B(SETTINGS), 0, OFF(settings.to.recovery_server_enabled)},
    {"monitoring_start", M_TIME_OF_DAY, B(SETTINGS), 0, OFF(settings.to.monitoring_start_s)},
    {"monitoring_interval_s", M_INTERVAL, B(SETTINGS), 0, OFF(settings.to.monitoring_interval_s)},
    {"compression", M_BOOL, B(REL_SETTINGS), 0, OFF(setting.to.compression)},
    {"interval_s", M_SECONDS, B(ENABLE) | B(REL_SETTINGS), 0, OFF(setting.to.interval_s)},
    {"auto_resync", M_BOOL, B(REL_SETTINGS), 0, OFF(setting.to.auto_resync)},
    {"auto_start", M_TIME_OF_DAY, B(REL_SETTINGS), 0, OFF(setting.to.auto_start_s)},
    {"auto_end", M_TIME_OF_DAY, B(REL_SETTINGS), 0, OFF(setting.to.auto_end_s)},
    {"host", M_HOST, B(PEER_TEST), B(PEER_TEST), OFF(host)},
};

static int wrong(const struct member *m, const char *wanted, struct vr_err *err)
{
    return vr_fail(err, VR_E_INVALID, "'%s' must be %s", m->name, wanted);
}

static int take_text(const struct member *m, const json_t *v, char *dst, struct vr_err *err)
{
    const char *text = json_string_value(v);
    char host[VR_HOST_MAX];
    uint16_t port;
    if (!text || strlen(text) >= m->cap) {
        return wrong(m, "a text of acceptable length", err);
    }
    for (const char *p = text; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f) {
            return wrong(m, "free of control characters", err);
        }
    }
    if (m->type == M_HOST && !vr_host_split(text, host, sizeof(host), &port)) {
        return wrong(m, "a host name or address, with :port if it is not the usual one", err);
    }
    const char *name = strncmp(text, "*.", 2) == 0 ? text + 2 : text;
    if (m->type == M_PATTERN &&
        (strchr(name, ':') || !vr_host_split(name, host, sizeof(host), &port))) {
        return wrong(m, "the name in the host's certificate, or *.domain", err);
    }
    if (m->type == M_PATH && text[0] != '/') {
        return wrong(m, "an absolute path", err);
    }
    snprintf(dst, m->cap, "%s", text);
    return 0;
}

static int
take_names(const struct member *m, const json_t *v, struct api_verb *verb, struct vr_err *err)
{
    size_t n = json_array_size(v);
    if (!json_is_array(v) || n > VR_DISKS_MAX) {
        return wrong(m, "an array of at most 16 disk names", err);
    }
    for (size_t i = 0; i < n; i++) {
        const char *name = json_string_value(json_array_get(v, i));
        if (!name || !vr_name_ok(name)) {
            return wrong(m, "an array of disk names", err);
        }
        snprintf(verb->excluded[i], sizeof(verb->excluded[i]), "%s", name);
    }
    verb->nexcluded = (uint32_t)n;
    return 0;
}

/* The members of the settings, as the bits of a change. */
static unsigned settings_bit(const struct member *m)
{
    switch (m->type) {
    case M_INTERVAL:
        return 1u << VR_SERVICE_MONITORING_INTERVAL;
    case M_TIME_OF_DAY:
        return 1u << VR_SERVICE_MONITORING_START;
    default:
        return 1u << VR_SERVICE_RECOVERY;
    }
}

/* So the members of a relationship's. */
static unsigned setting_bit(const struct member *m)
{
    static const struct {
        const char *name;
        enum vr_setting_field field;
    } bits[] = {{"compression", VR_SETTING_COMPRESSION},
                {"interval_s", VR_SETTING_INTERVAL},
                {"auto_resync", VR_SETTING_AUTO_RESYNC},
                {"auto_start", VR_SETTING_AUTO_START},
                {"auto_end", VR_SETTING_AUTO_END}};
    for (size_t i = 0; i < VR_COUNT(bits); i++) {
        if (strcmp(m->name, bits[i].name) == 0) {
            return 1u << bits[i].field;
        }
    }
    return 0; /* no setting */
}

/* "09:00" or "09:00:30" */
static int
take_time_of_day(const struct member *m, const json_t *v, uint32_t *ret, struct vr_err *err)
{
    const char *text = json_string_value(v);
    char part[3] = "";
    uint64_t n[3] = {0};
    static const uint64_t max[] = {23, 59, 59};
    size_t len = text ? strlen(text) : 0;
    bool ok = len == 5 || len == 8;
    for (size_t i = 0; ok && 3 * i < len; i++) {
        memcpy(part, text + 3 * i, 2);
        ok = vr_parse_u64(part, 0, max[i], &n[i]) && (i == 0 || text[3 * i - 1] == ':');
    }
    if (!ok) {
        return wrong(m, "a time of day like 09:00", err);
    }
    *ret = (uint32_t)((n[0] * 60 + n[1]) * 60 + n[2]);
    return 0;
}

static int
take_member(const struct member *m, const json_t *v, struct api_verb *verb, struct vr_err *err)
{
    void *dst = (char *)verb + m->off;
    switch (m->type) {
    case M_BOOL:
    case M_EXTENDED:
        if (!json_is_boolean(v)) {
            return wrong(m, "true or false", err);
        }
        if (m->type == M_BOOL) {
            *(bool *)dst = json_is_true(v);
        } else {
            *(int *)dst = json_is_true(v) ? 1 : -1;
        }
        return 0;
    case M_TIME:
        if (!json_is_string(v) || !vr_parse_iso_time(json_string_value(v), dst)) {
            return wrong(m, "a time like 2026-12-01T02:00:00Z", err);
        }
        return 0;
    case M_U64:
        if (!json_is_integer(v) || json_integer_value(v) < 0) {
            return wrong(m, "a whole number, not negative", err);
        }
        *(uint64_t *)dst = (uint64_t)json_integer_value(v);
        return 0;
    case M_INTERVAL:
        if (!json_is_integer(v) || json_integer_value(v) < 0 ||
            json_integer_value(v) > VR_INTERVAL_MAX_S) {
            return wrong(m, "a number of seconds, 604800 at most", err);
        }
        *(uint32_t *)dst = (uint32_t)json_integer_value(v);
        return 0;
    case M_SECONDS:
        if (!json_is_integer(v) || json_integer_value(v) < 0 ||
            json_integer_value(v) > UINT32_MAX) {
            return wrong(m, "a number of seconds", err);
        }
        *(uint32_t *)dst = (uint32_t)json_integer_value(v);
        return 0;
    case M_TIME_OF_DAY:
        return take_time_of_day(m, v, dst, err);
    case M_NAMES:
        return take_names(m, v, verb, err);
    default:
        return take_text(m, v, dst, err);
    }
}

static const struct member *find(const char *name, enum api_verb_kind kind)
{
    for (size_t i = 0; i < VR_COUNT(members); i++) {
        if ((members[i].verbs & (1u << kind)) && strcmp(members[i].name, name) == 0) {
            return &members[i];
        }
    }
    return NULL;
}

/* The table's own name where there is one: the caller keeps it longer than the JSON. */
static const char *lasting_name(const char *name)
{
    for (size_t i = 0; i < VR_COUNT(members); i++) {
        if (strcmp(members[i].name, name) == 0) {
            return members[i].name;
        }
    }
    return "";
}

static int
take_object(json_t *o, struct api_verb *verb, const char **ret_member, struct vr_err *err)
{
    const char *name;
    json_t *v;
    json_object_foreach(o, name, v)
    {
        const struct member *m = find(name, verb->kind);
        *ret_member = lasting_name(name);
        if (!m) {
            return vr_fail(err, VR_E_INVALID, "'%.64s' is not known here", name);
        }
        int r = take_member(m, v, verb, err);
        if (r < 0) {
            return r;
        }
        verb->settings.fields |= verb->kind == API_SETTINGS ? settings_bit(m) : 0;
        bool of_rel = verb->kind == API_REL_SETTINGS || verb->kind == API_ENABLE;
        verb->setting.fields |= of_rel ? setting_bit(m) : 0;
    }
    for (size_t i = 0; i < VR_COUNT(members); i++) {
        *ret_member = members[i].name;
        if ((members[i].required & (1u << verb->kind)) && !json_object_get(o, members[i].name)) {
            return vr_fail(err, VR_E_INVALID, "'%s' is missing", members[i].name);
        }
    }
    if (verb->dry_run && (verb->start_us || verb->force || verb->restart)) {
        *ret_member = lasting_name("dry_run");
        return vr_fail(err, VR_E_INVALID, "'dry_run' goes with none of at, force and restart");
    }
    *ret_member = "";
    return 0;
}

int rest_read_body(const char *text,
                   size_t len,
                   struct api_verb *verb,
                   const char **ret_member,
                   struct vr_err *err)
{
    json_error_t bad;
    *ret_member = "";
    verb->rel_number = -1;
    if (len == 0) {
        text = "{}";
        len = 2;
    }
    _cleanup_(json_decrefp) json_t *o = json_loadb(text, len, JSON_REJECT_DUPLICATES, &bad);
    if (!o) {
        return vr_fail(err, VR_E_INVALID, "the body is not JSON: line %d: %s", bad.line, bad.text);
    }
    if (!json_is_object(o)) {
        return vr_fail(err, VR_E_INVALID, "the body must be a JSON object");
    }
    return take_object(o, verb, ret_member, err);
}
