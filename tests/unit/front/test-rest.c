/* SPDX-License-Identifier: Apache-2.0 */
/*
 * REST without a server: this file gives the http_* functions REST is linked against, so a request
 * is a struct and an answer is what http_reply was given. Behind it stands a fake domain.
 */
#include "front/rest/rest.h"

#include <jansson.h>
#include <strings.h>

#include "tests/lib/check.h"
#include "util/num.h"

/* --- the fake server --- */

struct http_request {
    const char *method, *path, *body, *type;
    const char *query[4]; /* limit, after, since, vm */
    unsigned status;
    char answer[32768], answer_type[64], location[64], allow[64];
    int answers;
};

const char *http_method(const struct http_request *r)
{
    return r->method;
}

const char *http_path(const struct http_request *r)
{
    return r->path;
}

const char *http_header(const struct http_request *r, const char *name)
{
    return strcasecmp(name, "content-type") == 0 ? r->type : NULL;
}

const char *http_query(const struct http_request *r, const char *name)
{
    static const char *const names[] = {"limit", "after", "since", "vm"};
    for (size_t i = 0; i < VR_COUNT(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            return r->query[i];
        }
    }
    return NULL;
}

const char *http_body(const struct http_request *r, size_t *ret_len)
{
    *ret_len = r->body ? strlen(r->body) : 0;
    return r->body ? r->body : "";
}

const char *http_user(const struct http_request *r)
{
    return "alice";
}

enum vr_role http_role(const struct http_request *r)
{
    return VR_ROLE_OPERATOR;
}

const struct vr_scope *http_scope(const struct http_request *r)
{
    static const struct vr_scope one = {.limited = true, .n = 1, .vm = {{{0x11}}}};
    return &one;
}

void http_reply_header(struct http_request *r, const char *name, const char *value)
{
    char *dst = strcmp(name, "Location") == 0 ? r->location : r->allow;
    snprintf(dst, 64, "%s", value);
}

void http_reply(
    struct http_request *r, unsigned status, const char *content_type, char *take_body, size_t len)
{
    r->status = status;
    r->answers++;
    snprintf(r->answer_type, sizeof(r->answer_type), "%s", content_type);
    assert_true(len < sizeof(r->answer));
    memcpy(r->answer, take_body, len);
    r->answer[len] = '\0';
    free(take_body);
}

void http_reply_error(struct http_request *r, unsigned status, const char *detail)
{
    fail_msg("http_reply_error: %u %s", status, detail);
}

/* --- the fake domain --- */

#define ID1 "11111111-1111-1111-1111-111111111111"
#define ID2 "22222222-2222-2222-2222-222222222222"

static struct fake {
    struct vr_vm vms[3];
    struct vr_rel rel;
    struct vr_job job, more[5]; /* with njobs: copies with the next ids */
    size_t njobs;
    struct vr_auth_entry auth;
    struct api_verb verb;
    struct api_caller who;
    int verbs;
    struct api_answer answer;
    bool vms_gone; /* named, and gone when they are looked at */
    struct vr_event_query events_asked;
    struct api_caller entered;
} fake;

static const char *host_name(void *ctx)
{
    return "hv1.example";
}

static bool vm_next(void *ctx, size_t *at, struct api_vm_name *ret)
{
    if (*at >= VR_COUNT(fake.vms)) {
        return false;
    }
    ret->id = fake.vms[*at].id;
    memcpy(ret->name, fake.vms[*at].name, sizeof(ret->name));
    ++*at;
    return true;
}

static bool vm(void *ctx, const struct vr_uuid *id, struct vr_vm *ret)
{
    for (size_t i = 0; i < VR_COUNT(fake.vms); i++) {
        if (!fake.vms_gone && vr_uuid_eq(&fake.vms[i].id, id)) {
            *ret = fake.vms[i];
            return true;
        }
    }
    return false;
}

static void enter(void *ctx, const struct api_caller *who)
{
    fake.entered = *who;
}

static bool rel_next(void *ctx, size_t *at, const struct vr_uuid *id, struct api_rel *ret)
{
    size_t i = (*at)++;
    *ret = (struct api_rel){.rel = fake.rel,
                            .mode = VR_MODE_PRIMARY,
                            .job = &fake.job,
                            .vm_name = "db01",
                            .stats.now.successes = 5};
    return i == 0 && (!id || vr_uuid_eq(id, &fake.rel.vm_id));
}

static const struct vr_job *job_next(void *ctx, size_t *at)
{
    size_t i = (*at)++;
    fake.more[i % VR_COUNT(fake.more)] = fake.job;
    fake.more[i % VR_COUNT(fake.more)].id = fake.job.id + i;
    return i == 0 ? &fake.job : i < fake.njobs ? &fake.more[i] : NULL;
}

static const struct vr_job *job(void *ctx, uint64_t id)
{
    return id == fake.job.id ? &fake.job : NULL;
}

static const struct vr_auth_entry *auth_at(void *ctx, size_t i)
{
    return i == 0 ? &fake.auth : NULL;
}

static void settings(void *ctx, struct vr_service *ret)
{
    *ret = vr_service_default();
    ret->https_port = 8650;
    snprintf(ret->thumbprint, sizeof(ret->thumbprint), "00FF");
}

static enum vr_mode vm_mode(void *ctx, const struct vr_uuid *vm)
{
    return VR_MODE_PRIMARY;
}

static void report(void *ctx, uint64_t job_id, api_report_done done, void *arg)
{
    struct vr_err err = VR_ERR_INIT;
    if (job_id != fake.job.id) {
        int r = vr_fail(&err, VR_E_NOT_FOUND, "job %d has no report", (int)job_id);
        done(arg, r, &err, NULL);
        return;
    }
    struct vr_report rep = {.job_id = job_id, .ndisks = 1, .equal = true};
    rep.disks[0].source_root[0] = 0xab;
    done(arg, 0, NULL, &rep);
}

static void events(void *ctx, const struct vr_event_query *q, api_events_done done, void *arg)
{
    struct vr_event e = {.seq = 9, .time_us = 1, .text = "bad \xff byte"};
    fake.events_asked = *q;
    done(arg, 0, NULL, &e, 1);
}

static void
verb(void *ctx, const struct api_caller *who, const struct api_verb *v, api_done done, void *arg)
{
    fake.verb = *v;
    fake.who = *who;
    fake.verbs++;
    done(arg, &fake.answer);
}

static const struct api_ops ops = {.name = "fake",
                                   .host_name = host_name,
                                   .vm_next = vm_next,
                                   .vm = vm,
                                   .enter = enter,
                                   .rel_next = rel_next,
                                   .job_next = job_next,
                                   .job = job,
                                   .auth_at = auth_at,
                                   .settings = settings,
                                   .vm_mode = vm_mode,
                                   .report = report,
                                   .events = events,
                                   .verb = verb};

static int setup(void **state)
{
    static const char *const names[] = {"db01", "twin", "twin"};
    memset(&fake, 0, sizeof(fake));
    for (size_t i = 0; i < 3; i++) {
        memset(fake.vms[i].id.b, 0x11 * (int)(i + 1), 16);
        snprintf(fake.vms[i].name, VR_NAME_MAX, "%s", names[i]);
    }
    fake.vms[0].ndisks = 1;
    snprintf(fake.vms[0].disks[0].name, VR_NAME_MAX, "vda");
    fake.vms[0].disks[0].size_bytes = 1ull << 50;
    fake.rel.vm_id = fake.vms[0].id;
    fake.rel.state = VR_REL_RESYNCHRONIZING;
    fake.job.id = 7;
    fake.job.type = VR_JOBTYPE_RESYNC;
    fake.job.state = VR_JOB_RUNNING;
    fake.answer = (struct api_answer){.code = 4096, .job_id = 7};
    return 0;
}

static struct http_request *ask(const char *method, const char *path, const char *body)
{
    static const struct rest rest = {.ops = &ops, .version = "1.2.3"};
    static struct http_request r;
    r = (struct http_request){
        .method = method, .path = path, .body = body, .type = body ? "application/json" : NULL};
    rest_handle((void *)(uintptr_t)&rest, &r);
    assert_int_equal(r.answers, 1);
    assert_non_null(strstr(r.answer, "\"schema\":\"vmreplica/1\""));
    json_error_t bad;
    json_t *j = json_loads(r.answer, 0, &bad);
    assert_non_null(j);
    json_decref(j);
    if (r.status >= 400) {
        assert_string_equal(r.answer_type, "application/problem+json");
    }
    return &r;
}

static void test_looks(void **state)
{
    static const struct {
        const char *path;
        unsigned status;
        const char *part;
    } rows[] = {
        {"/api/v1", 200, "\"version\":\"1.2.3\""},
        {"/api/v1/", 200, "\"host\":\"hv1.example\""},
        {"/api/v1/vms", 200, "\"size_bytes\":1125899906842624"},
        {"/api/v1/vms/db01", 200, "\"state_text\":\"resynchronizing\""},
        {"/api/v1/vms/" ID2, 200, "\"name\":\"twin\""},
        {"/api/v1/vms/twin", 409, "several VMs have this name"},
        {"/api/v1/vms/none", 404, "no such VM"},
        {"/api/v1/relationships", 200, "\"vm_name\":\"db01\""},
        {"/api/v1/jobs", 200, "\"jobs\":[{\"id\":7"},
        {"/api/v1/jobs/7", 200, "\"type_text\":\"Resynchronizing\""},
        {"/api/v1/jobs/8", 404, "no such job"},
        {"/api/v1/jobs/x", 404, "a job's id is a number"},
        {"/api/v1/jobs/-7", 404, "a job's id is a number"},
        {"/api/v1/jobs/7/report", 200, "\"source_root\":\"ab00"},
        {"/api/v1/jobs/8/report", 404, "job 8 has no report"},
        {"/api/v1/jobs/x/report", 404, "a job's id"},
        {"/api/v1/events", 200, "bad ? byte"},
        {"/api/v1/authorizations", 200, "\"authorizations\":[{"},
        {"/api/v1/settings", 200, "\"monitoring_start\":\"09:00:00\""},
        {"/api/v1/vms/db01/statistics", 200, "\"successes\":5"},
        {"/api/v1/vms/nobody/statistics", 404, "no such VM"},
        {"/api/v1/nothing", 404, "no such resource"},
        {"/api/v2/vms", 404, "no such resource"},
        {"/api/v1/vms//x", 404, "no such resource"},
        {"/api/v1/a/b/c/d/e", 404, "no such resource"},
    };
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        struct http_request *r = ask("GET", rows[i].path, NULL);
        if (r->status != rows[i].status || !strstr(r->answer, rows[i].part)) {
            fail_msg("%s: %u %s", rows[i].path, r->status, r->answer);
        }
    }
    assert_int_equal(fake.events_asked.limit, 100);
    assert_int_equal(fake.verbs, 0);
}

/* Pages of jobs, and what is none. */
static void test_jobs_by_page(void **state)
{
    static const struct {
        const char *limit, *after;
        unsigned status;
        const char *first;
        size_t n;
    } rows[] = {
        {NULL, NULL, 200, "\"id\":7,", 5},  {"2", NULL, 200, "\"id\":10,", 2},
        {"9", NULL, 200, "\"id\":7,", 5},   {"2", "7", 200, "\"id\":8,", 2},
        {"2", "10", 200, "\"id\":11,", 1},  {NULL, "9", 200, "\"id\":10,", 2},
        {"2", "11", 200, "\"jobs\":[]", 0}, {"0", NULL, 400, "'limit' must be", 0},
        {"1001", NULL, 400, "'limit'", 0},  {"2", "x", 400, "'after' must be", 0},
    };
    static const struct rest rest = {.ops = &ops, .version = "1"};
    fake.njobs = 5;
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        static struct http_request r;
        r = (struct http_request){.method = "GET", .path = "/api/v1/jobs"};
        r.query[0] = rows[i].limit;
        r.query[1] = rows[i].after;
        rest_handle((void *)(uintptr_t)&rest, &r);
        size_t n = 0;
        for (const char *p = r.answer; (p = strstr(p, "\"uuid\":")); p++) {
            n++;
        }
        if (r.status != rows[i].status || n != rows[i].n || !strstr(r.answer, rows[i].first)) {
            fail_msg("row %zu: %u, %zu jobs: %s", i, r.status, n, r.answer);
        }
    }
}

static struct http_request *ask_events(const char *const query[4])
{
    static const struct rest rest = {.ops = &ops, .version = "1"};
    static struct http_request r;
    r = (struct http_request){.method = "GET", .path = "/api/v1/events"};
    memcpy(r.query, query, sizeof(r.query));
    rest_handle((void *)(uintptr_t)&rest, &r);
    return &r;
}

static void test_events(void **state)
{
    static char name[VR_NAME_MAX + 1];
    static const struct {
        const char *query[4], *member;
    } bad[] = {{{"0"}, "limit"},
               {{"1001"}, "limit"},
               {{"x"}, "limit"},
               {{""}, "limit"},
               {{"-1"}, "limit"},
               {{NULL, "x"}, "after"},
               {{NULL, "-1"}, "after"},
               {{NULL, NULL, "yesterday"}, "since"},
               {{NULL, NULL, ""}, "since"},
               {{NULL, NULL, NULL, ""}, "vm"},
               {{NULL, NULL, NULL, name}, "vm"}};
    memset(name, 'x', sizeof(name) - 1);
    for (size_t i = 0; i < VR_COUNT(bad); i++) {
        char want[32];
        const struct http_request *r = ask_events(bad[i].query);
        snprintf(want, sizeof(want), "\"member\":\"%s\"", bad[i].member);
        assert_int_equal(r->status, 400);
        assert_non_null(strstr(r->answer, want));
    }
    const struct vr_event_query *q = &fake.events_asked;
    assert_int_equal(ask_events((const char *[4]){"1000"})->status, 200);
    assert_int_equal(q->limit, 1000);
    assert_true(!q->oldest_first && !q->after_seq && !q->since_us && !q->vm[0][0]);
    ask_events((const char *[4]){NULL, "0", "1970-01-01T00:00:01Z", "web"});
    assert_int_equal(q->limit, 100);
    assert_true(q->oldest_first && q->after_seq == 0 && q->since_us == 1000000);
    assert_string_equal(q->vm[0], "web");
    assert_string_equal(q->vm[1], "");
    ask_events((const char *[4]){NULL, "7", NULL, ID1});
    assert_true(q->oldest_first && q->after_seq == 7);
    assert_string_equal(q->vm[0], ID1);
    assert_string_equal(q->vm[1], "db01");
}

static void test_vms_gone(void **state)
{
    fake.vms_gone = true;
    assert_non_null(strstr(ask("GET", "/api/v1/vms", NULL)->answer, "{\"vms\":[],"));
    assert_int_equal(ask("GET", "/api/v1/vms/db01", NULL)->status, 404);
    /* what is protected is shown all the same */
    assert_non_null(strstr(ask("GET", "/api/v1/relationships", NULL)->answer, "\"vm_id\":\"" ID1));
}

static void test_verbs_by_name_and_id(void **state)
{
    static const char *const words[] = {
#define X(name, word) word,
        API_VM_VERBS(X)
#undef X
    };
    for (size_t i = 0; i < VR_COUNT(words); i++) {
        char path[128];
        const char *body = i == API_ENABLE      ? "{\"to\":\"hv2\"}"
                           : i == API_BANDWIDTH ? "{\"bandwidth\":0}"
                           : i == API_IMPORT    ? "{\"from\":\"/mnt\"}"
                                                : NULL;
        snprintf(path, sizeof(path), "/api/v1/vms/db01/%s", words[i]);
        struct http_request *r = ask("POST", path, body);
        assert_int_equal(r->status, 202);
        assert_string_equal(r->location, "/api/v1/jobs/7");
        assert_int_equal(fake.verbs, (int)(2 * i + 1));
        assert_int_equal(fake.verb.kind, (int)i);
        assert_int_equal(fake.verb.rel_number, -1);
        assert_true(vr_uuid_eq(&fake.verb.vm_id, &fake.vms[0].id));
        assert_string_equal(fake.who.user, "alice");
        assert_int_equal(fake.who.role, VR_ROLE_OPERATOR);
        snprintf(path, sizeof(path), "/api/v1/vms/" ID2 "/%s", words[i]);
        assert_int_equal(ask("POST", path, body)->status, 202);
        assert_true(vr_uuid_eq(&fake.verb.vm_id, &fake.vms[1].id));
        r = ask("GET", path, NULL);
        assert_int_equal(r->status, 405);
        assert_string_equal(r->allow, "POST");
    }
    int before = fake.verbs;
    assert_int_equal(ask("POST", "/api/v1/vms/twin/resync", NULL)->status, 409);
    assert_int_equal(ask("POST", "/api/v1/vms/none/resync", NULL)->status, 404);
    assert_int_equal(ask("POST", "/api/v1/vms/db01/explode", NULL)->status, 404);
    assert_int_equal(fake.verbs, before);
}

static void test_members(void **state)
{
    struct http_request *r = ask("POST", "/api/v1/vms/db01/resync",
                                 "{\"at\":\"2026-12-01T02:00:00+01:00\",\"force\":true,"
                                 "\"restart\":true,\"extended\":true}");
    assert_int_equal(r->status, 202);
    assert_true(fake.verb.force && fake.verb.restart);
    assert_int_equal(fake.verb.rel_number, 1);
    assert_int_equal(fake.verb.start_us, 1796086800000000ull);
    r = ask("POST", "/api/v1/vms/db01/enable",
            "{\"to\":\"hv2:8651\",\"exclude\":[\"swap\",\"tmp\"],\"seeded\":true,"
            "\"no_start\":false,\"bandwidth\":9007199254740993,\"interval_s\":300}");
    assert_int_equal(r->status, 202);
    assert_int_equal(fake.verb.setting.fields, 1u << VR_SETTING_INTERVAL);
    assert_int_equal(fake.verb.setting.to.interval_s, 300);
    assert_string_equal(fake.verb.host, "hv2:8651");
    assert_int_equal(fake.verb.nexcluded, 2);
    assert_string_equal(fake.verb.excluded[1], "tmp");
    assert_true(fake.verb.seeded && !fake.verb.no_start);
    assert_true(fake.verb.bandwidth_bytes_s == 9007199254740993ull);
    r = ask("POST", "/api/v1/vms/db01/start",
            "{\"at\":\"2026-12-01T02:00:00+01:00\",\"seeded\":true,\"extended\":true}");
    assert_int_equal(r->status, 202);
    assert_int_equal(fake.verb.kind, API_START);
    assert_true(fake.verb.seeded && fake.verb.rel_number == 1);
    assert_int_equal(fake.verb.start_us, 1796086800000000ull);
    ask("POST", "/api/v1/vms/db01/start", "{\"export\":\"/mnt/disk\"}");
    assert_string_equal(fake.verb.location, "/mnt/disk");
    ask("POST", "/api/v1/vms/db01/import", "{\"from\":\"/mnt/disk\"}");
    assert_int_equal(fake.verb.kind, API_IMPORT);
    assert_string_equal(fake.verb.location, "/mnt/disk");
    r = ask("POST", "/api/v1/authorizations",
            "{\"host\":\"*.example\",\"trust_group\":\"g\",\"storage\":\"/srv/r\"}");
    assert_int_equal(fake.verb.kind, API_AUTH_ADD);
    assert_string_equal(fake.verb.auth.host, "*.example");
    assert_string_equal(fake.verb.auth.storage, "/srv/r");
    ask("POST", "/api/v1/settings", "{\"recovery_server\":false,\"monitoring_start\":\"10:30\"}");
    assert_int_equal(fake.verb.kind, API_SETTINGS);
    assert_int_equal(fake.verb.settings.fields,
                     1u << VR_SERVICE_RECOVERY | 1u << VR_SERVICE_MONITORING_START);
    assert_false(fake.verb.settings.to.recovery_server_enabled);
    assert_int_equal(fake.verb.settings.to.monitoring_start_s, 37800);
    ask("POST", "/api/v1/settings", "{\"monitoring_interval_s\":7200}");
    assert_int_equal(fake.verb.settings.fields, 1u << VR_SERVICE_MONITORING_INTERVAL);
    assert_int_equal(fake.verb.settings.to.monitoring_interval_s, 7200);
    ask("POST", "/api/v1/vms/db01/settings",
        "{\"interval_s\":300,\"auto_resync\":true,\"auto_start\":\"18:30\",\"extended\":true}");
    assert_int_equal(fake.verb.kind, API_REL_SETTINGS);
    assert_int_equal(fake.verb.rel_number, 1);
    assert_int_equal(fake.verb.setting.fields, 1u << VR_SETTING_INTERVAL |
                                                   1u << VR_SETTING_AUTO_RESYNC |
                                                   1u << VR_SETTING_AUTO_START);
    assert_int_equal(fake.verb.setting.to.interval_s, 300);
    assert_true(fake.verb.setting.to.auto_resync);
    assert_int_equal(fake.verb.setting.to.auto_start_s, 66600);
    ask("POST", "/api/v1/vms/db01/settings", "{\"compression\":false,\"auto_end\":\"06:00\"}");
    assert_int_equal(fake.verb.setting.fields,
                     1u << VR_SETTING_COMPRESSION | 1u << VR_SETTING_AUTO_END);
    assert_int_equal(fake.verb.setting.to.auto_end_s, 21600);
    ask("POST", "/api/v1/vms/db01/statistics/reset", "{\"extended\":true}");
    assert_int_equal(fake.verb.kind, API_STATS_RESET);
    assert_int_equal(fake.verb.rel_number, 1);
    ask("DELETE", "/api/v1/authorizations/*.example", NULL);
    assert_int_equal(fake.verb.kind, API_AUTH_REMOVE);
    assert_string_equal(fake.verb.host, "*.example");
    ask("POST", "/api/v1/peers/test", "{\"host\":\"hv2\"}");
    assert_int_equal(fake.verb.kind, API_PEER_TEST);
    assert_string_equal(fake.verb.host, "hv2");
}

static void test_bad_bodies(void **state)
{
    static const struct {
        const char *path, *body, *part;
    } rows[] = {
        {"vms/db01/resync", "{\"at\":5}", "\"member\":\"at\""},
        {"vms/db01/resync", "{\"at\":\"tomorrow\"}", "\"member\":\"at\""},
        {"vms/db01/resync", "{\"at\":\"2026-02-30T00:00:00Z\"}", "\"member\":\"at\""},
        {"vms/db01/resync", "{\"at\":null}", "\"member\":\"at\""},
        {"vms/db01/resync", "{\"force\":1}", "\"member\":\"force\""},
        {"vms/db01/resync", "{\"restart\":\"yes\"}", "\"member\":\"restart\""},
        {"vms/db01/resync", "{\"extended\":0}", "\"member\":\"extended\""},
        {"vms/db01/resync", "{\"to\":\"hv2\"}", "'to' is not known here"},
        {"vms/db01/resync", "{\"Force\":true}", "'Force' is not known here"},
        {"vms/db01/resync", "{\"force\":true,\"force\":false}", "duplicate"},
        {"vms/db01/resync", "[]", "must be a JSON object"},
        {"vms/db01/resync", "{", "is not JSON"},
        {"vms/db01/resync", "{} x", "is not JSON"},
        {"vms/db01/resync", "{\"a\\u0000\":1}", "is not JSON"},
        {"vms/db01/resync", "{\"dry_run\":true,\"force\":true}", "\"member\":\"dry_run\""},
        {"vms/db01/resync", "{\"dry_run\":true,\"restart\":true}", "goes with none of"},
        {"vms/db01/resync", "{\"at\":\"2026-12-01T02:00:00Z\",\"dry_run\":true}", "dry_run"},
        {"vms/db01/verify", "{\"dry_run\":true}", "is not known here"},
        {"vms/db01/enable", "{}", "'to' is missing"},
        {"vms/db01/enable", "{\"to\":\"\"}", "\"member\":\"to\""},
        {"vms/db01/enable", "{\"to\":\"a b\"}", "\"member\":\"to\""},
        {"vms/db01/enable", "{\"to\":\"hv2:99999\"}", "\"member\":\"to\""},
        {"vms/db01/enable", "{\"to\":\"hv2\",\"exclude\":\"vda\"}", "\"member\":\"exclude\""},
        {"vms/db01/enable", "{\"to\":\"hv2\",\"exclude\":[1]}", "\"member\":\"exclude\""},
        {"vms/db01/enable", "{\"to\":\"hv2\",\"exclude\":[\"../x\"]}", "\"member\":\"exclude\""},
        {"vms/db01/enable",
         "{\"to\":\"h\",\"exclude\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"a\","
         "\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\"]}",
         "\"member\":\"exclude\""},
        {"vms/db01/enable", "{\"to\":\"hv2\",\"seeded\":1}", "\"member\":\"seeded\""},
        {"vms/db01/enable", "{\"to\":\"hv2\",\"no_start\":1}", "\"member\":\"no_start\""},
        {"vms/db01/enable", "{\"to\":\"hv2\",\"bandwidth\":-1}", "\"member\":\"bandwidth\""},
        {"vms/db01/enable", "{\"to\":\"hv2\",\"bandwidth\":1.5}", "\"member\":\"bandwidth\""},
        {"vms/db01/enable", "{\"to\":\"hv2\",\"extended\":true}", "not known here"},
        {"vms/db01/start", "{\"seeded\":\"yes\"}", "\"member\":\"seeded\""},
        {"vms/db01/start", "{\"to\":\"hv2\"}", "not known here"},
        {"vms/db01/start", "{\"export\":\"mnt\"}", "\"member\":\"export\""},
        {"vms/db01/import", "{}", "'from' is missing"},
        {"vms/db01/bandwidth", "{}", "'bandwidth' is missing"},
        {"vms/db01/bandwidth", "{\"bandwidth\":\"1M\"}", "\"member\":\"bandwidth\""},
        {"vms/db01/failover", "{\"force\":\"true\"}", "\"member\":\"force\""},
        {"vms/db01/verify", "{\"at\":\"2026-12-01T00:00:00Z\"}", "not known here"},
        {"vms/db01/pause", "{\"force\":true}", "not known here"},
        {"settings", "{\"monitoring_start\":\"9:00\"}", "\"member\":\"monitoring_start\""},
        {"settings", "{\"monitoring_start\":\"24:00\"}", "time of day"},
        {"settings", "{\"monitoring_start\":\"09:00:\"}", "time of day"},
        {"settings", "{\"monitoring_start\":\"09-00\"}", "time of day"},
        {"settings", "{\"monitoring_interval_s\":604801}", "604800"},
        {"settings", "{\"monitoring_interval_s\":-1}", "604800"},
        {"vms/db01/settings", "{\"interval_s\":-1}", "seconds"},
        {"vms/db01/settings", "{\"interval_s\":4294967296}", "seconds"},
        {"vms/db01/settings", "{\"auto_end\":\"24:00\"}", "time of day"},
        {"vms/db01/settings", "{\"monitoring_start\":\"09:00\"}", "not known here"},
        {"settings", "{\"recovery_server\":\"off\"}", "true or false"},
        {"settings", "{\"peer_port\":1}", "not known"},
        {"authorizations", "{\"storage\":\"/x\"}", "'host' is missing"},
        {"authorizations", "{\"host\":\"h\"}", "'storage' is missing"},
        {"authorizations", "{\"host\":\"h\",\"storage\":\"x\"}", "\"member\":\"storage\""},
        {"authorizations", "{\"host\":\"*\",\"storage\":\"/x\"}", "\"member\":\"host\""},
        {"authorizations", "{\"host\":\"h:1\",\"storage\":\"/x\"}", "\"member\":\"host\""},
        {"authorizations", "{\"host\":\"h\",\"storage\":\"/x\\n\"}", "\"member\":\"storage\""},
        {"authorizations", "{\"host\":\"h\",\"storage\":\"/x\",\"trust_group\":1}", "trust_group"},
        {"peers/test", "{}", "'host' is missing"},
        {"peers/test", "{\"host\":7}", "\"member\":\"host\""},
    };
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        char path[128];
        snprintf(path, sizeof(path), "/api/v1/%s", rows[i].path);
        struct http_request *r = ask("POST", path, rows[i].body);
        if (r->status != 400 || !strstr(r->answer, rows[i].part) ||
            !strstr(r->answer, "\"kind\":\"INVALID\"")) {
            fail_msg("%s %s: %u %s", path, rows[i].body, r->status, r->answer);
        }
    }
    assert_int_equal(fake.verbs, 0);
}

static void test_content_type(void **state)
{
    static const struct rest rest = {.ops = &ops, .version = "1"};
    static struct http_request r;
    r = (struct http_request){
        .method = "POST", .path = "/api/v1/vms/db01/pause", .type = "text/plain"};
    rest_handle((void *)(uintptr_t)&rest, &r);
    assert_int_equal(r.status, 415);
    r = (struct http_request){.method = "POST", .path = "/api/v1/vms/db01/pause", .body = "{}"};
    rest_handle((void *)(uintptr_t)&rest, &r);
    assert_int_equal(r.status, 415);
    r = (struct http_request){.method = "POST",
                              .path = "/api/v1/vms/db01/pause",
                              .body = "{}",
                              .type = "application/json; charset=utf-8"};
    rest_handle((void *)(uintptr_t)&rest, &r);
    assert_int_equal(r.status, 202);
}

static void test_refusals(void **state)
{
    fake.answer = (struct api_answer){.code = 32775, .kind = -VR_E_STATE, .text = "not enabled"};
    struct http_request *r = ask("POST", "/api/v1/vms/db01/resync", NULL);
    assert_int_equal(r->status, 409);
    assert_non_null(strstr(r->answer, "\"detail\":\"not enabled\""));
    assert_non_null(strstr(r->answer, "\"kind\":\"STATE\",\"code\":32775"));
    fake.answer = (struct api_answer){.code = 32769, .kind = VR_E_DENIED, .text = "no"};
    assert_int_equal(ask("POST", "/api/v1/vms/db01/resync", NULL)->status, 403);
    fake.answer = (struct api_answer){.code = 32768, .kind = 0, .text = "odd"};
    assert_int_equal(ask("POST", "/api/v1/vms/db01/resync", NULL)->status, 500);
    fake.answer = (struct api_answer){.code = 0};
    r = ask("POST", "/api/v1/vms/db01/resync", NULL);
    assert_int_equal(r->status, 200);
    assert_string_equal(r->location, "");
}

#define TS(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {

        TS(test_looks),
        TS(test_jobs_by_page),
        TS(test_events),
        TS(test_vms_gone),
        TS(test_members),
        TS(test_bad_bodies),
        TS(test_verbs_by_name_and_id),
        TS(test_refusals),
        TS(test_content_type),
    };
    return RUN(tests);
}
