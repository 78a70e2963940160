/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One table of routes; a handler either looks (and answers with JSON) or sends a verb. struct call
 * carries the request through the callbacks and is freed when it was answered.
 */
#include "front/rest/rest_impl.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "front/caller.h"
#include "model/retcode.h"
#include "util/buf.h"
#include "util/num.h"
#include "util/vtime.h"

#define PREFIX "/api/v1"
#define SEGMENTS_MAX 4
#define EVENTS_DEFAULT 100
#define JOBS_PAGE_MAX 1000
#define LIST_MAX (64u << 20) /* bytes of one list */

struct call {
    const struct rest *rest;
    struct http_request *req;
    const struct route *route;
    char seg[SEGMENTS_MAX][VR_HOST_MAX];
    size_t nseg;
    struct api_verb verb;
};

struct route {
    const char *method;
    const char *path; /* '*' is one segment of any text */
    void (*run)(struct call *c);
    int verb; /* api_verb_kind, -1: none */
};

/* --- answers --- */

static void finish_text(struct call *c, unsigned status, const char *type, char *take_text)
{
    if (take_text) {
        http_reply(c->req, status, type, take_text, strlen(take_text));
    } else {
        http_reply_error(c->req, 500, "out of memory");
    }
    free(c);
}

static void finish(struct call *c, unsigned status, const char *type, json_t *take_json)
{
    char *text = NULL;
    if (take_json) {
        json_object_set_new(take_json, "schema", json_string(REST_SCHEMA));
        text = json_dumps(take_json, JSON_COMPACT);
        json_decref(take_json);
    }
    size_t len = text ? strlen(text) : 0;
    char *body = text ? realloc(text, len + 2) : NULL;
    if (body) {
        memcpy(body + len, "\n", 2);
    } else {
        free(text);
    }
    finish_text(c, status, type, body);
}

/* A list is written item by item: as text it takes a tenth of the memory that it takes as JSON
 * values, and a host may have thousands of relationships. */
static void list_begin(struct vr_buf *b, const char *name)
{
    vr_buf_init(b, LIST_MAX);
    vr_buf_printf(b, "{\"%s\":[", name);
}

static void list_add(struct vr_buf *b, json_t *take_json)
{
    char *text = take_json ? json_dumps(take_json, JSON_COMPACT) : NULL;
    if (!text) {
        b->failed = true;
    } else {
        vr_buf_text(b, b->data[b->len - 1] == '[' ? "" : ",");
        vr_buf_text(b, text);
    }
    free(text);
    json_decref(take_json);
}

static void list_finish(struct call *c, struct vr_buf *b)
{
    vr_buf_text(b, "],\"schema\":\"" REST_SCHEMA "\"}\n");
    finish_text(c, 200, "application/json", vr_buf_steal(b));
    vr_buf_deinit(b);
}

static void finish_ok(struct call *c, const char *name, json_t *take_json)
{
    json_t *o = json_object();
    json_object_set_new(o, name, take_json);
    finish(c, 200, "application/json", o);
}

static void finish_problem(struct call *c,
                           int kind,
                           uint32_t code,
                           const char *detail,
                           const char *member,
                           unsigned status)
{
    json_t *o = json_object();
    json_object_set_new(o, "type", json_string("about:blank"));
    json_object_set_new(o, "title", json_string(vr_kind_text(kind)));
    json_object_set_new(o, "status", json_integer((json_int_t)status));
    json_object_set_new(o, "detail", rest_json_text(detail));
    json_object_set_new(o, "kind", json_string(vr_kind_name(kind)));
    json_object_set_new(o, "code", json_integer((json_int_t)code));
    if (member && *member) {
        json_object_set_new(o, "member", json_string(member));
    }
    finish(c, status, "application/problem+json", o);
}

static void finish_error(struct call *c, int kind, const char *detail, const char *member)
{
    finish_problem(c, kind, vr_retcode_of_error(kind), detail, member,
                   (unsigned)vr_kind_http_status(kind));
}

/* --- looking --- */

static void get_root(struct call *c)
{
    json_t *o = json_object();
    json_object_set_new(o, "version", rest_json_text(c->rest->version));
    json_object_set_new(o, "host", rest_json_text(c->rest->ops->host_name(c->rest->ops_ctx)));
    json_object_set_new(o, "user", rest_json_text(http_user(c->req)));
    json_object_set_new(o, "role", json_string(vr_role_text((int)http_role(c->req))));
    finish(c, 200, "application/json", o);
}

static void get_vms(struct call *c)
{
    const struct api_ops *ops = c->rest->ops;
    void *ctx = c->rest->ops_ctx;
    struct vr_vm *vm = malloc(sizeof(*vm)); /* some KiB: not for the stack */
    struct api_vm_name known;
    struct vr_buf list;
    list_begin(&list, "vms");
    for (size_t at = 0; vm && ops->vm_next(ctx, &at, &known);) {
        if (ops->vm(ctx, &known.id, vm)) {
            list_add(&list, rest_json_vm(vm, ops->vm_mode(ctx, &known.id)));
        }
    }
    list.failed = list.failed || !vm;
    free(vm);
    list_finish(c, &list);
}

static void get_relationships(struct call *c)
{
    struct api_rel *rel = malloc(sizeof(*rel)); /* some KiB: not for the stack */
    struct vr_buf list;
    list_begin(&list, "relationships");
    for (size_t i = 0; rel && c->rest->ops->rel_next(c->rest->ops_ctx, &i, NULL, rel);) {
        list_add(&list, rest_json_rel(rel));
    }
    list.failed = list.failed || !rel;
    free(rel);
    list_finish(c, &list);
}

static size_t count_jobs(const struct call *c)
{
    size_t n = 0;
    for (size_t i = 0; c->rest->ops->job_next(c->rest->ops_ctx, &i);) {
        n++;
    }
    return n;
}

/* By their ids: all, the newest `limit`, or the next `limit` after one. */
static void get_jobs(struct call *c)
{
    struct vr_buf list;
    const struct vr_job *job;
    const char *text = http_query(c->req, "limit"), *from = http_query(c->req, "after");
    uint64_t limit = UINT64_MAX, after = 0;
    if (text && !vr_parse_u64(text, 1, JOBS_PAGE_MAX, &limit)) {
        finish_error(c, VR_E_INVALID, "'limit' must be a number from 1 to 1000", "limit");
        return;
    }
    if (from && !vr_parse_u64(from, 0, INT64_MAX, &after)) {
        finish_error(c, VR_E_INVALID, "'after' must be a job's id", "after");
        return;
    }
    size_t all = text && !from ? count_jobs(c) : 0, skip = all > limit ? all - (size_t)limit : 0;
    list_begin(&list, "jobs");
    for (size_t i = 0, n = 0; n < limit && (job = c->rest->ops->job_next(c->rest->ops_ctx, &i));) {
        if (skip > 0) {
            skip--;
        } else if (job->id > after) {
            list_add(&list, rest_json_job(job));
            n++;
        }
    }
    list_finish(c, &list);
}

static bool job_id(struct call *c, uint64_t *ret)
{
    if (vr_parse_u64(c->seg[1], 1, INT64_MAX, ret)) {
        return true;
    }
    finish_error(c, VR_E_NOT_FOUND, "a job's id is a number", NULL);
    return false;
}

static void get_job(struct call *c)
{
    uint64_t id;
    if (!job_id(c, &id)) {
        return;
    }
    const struct vr_job *job = c->rest->ops->job(c->rest->ops_ctx, id);
    if (!job) {
        finish_error(c, VR_E_NOT_FOUND, "no such job; finished jobs are forgotten after a while",
                     NULL);
        return;
    }
    finish_ok(c, "job", rest_json_job(job));
}

static void report_known(void *arg, int r, const struct vr_err *err, const struct vr_report *report)
{
    struct call *c = arg;
    if (r < 0) {
        finish_error(c, r, vr_err_text(err), NULL);
        return;
    }
    finish_ok(c, "report", rest_json_report(report));
}

static void get_report(struct call *c)
{
    uint64_t id;
    if (job_id(c, &id)) {
        c->rest->ops->report(c->rest->ops_ctx, id, report_known, c);
    }
}

static void
events_known(void *arg, int r, const struct vr_err *err, const struct vr_event *events, size_t n)
{
    struct call *c = arg;
    if (r < 0) {
        finish_error(c, r, vr_err_text(err), NULL);
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(list, rest_json_event(&events[i]));
    }
    finish_ok(c, "events", list);
}

/* A VM by its id stands in its events with its name, when that was known. */
static void events_of_vm(const struct call *c, const char *name, struct vr_event_query *q)
{
    struct vr_uuid id;
    struct vr_vm *vm = vr_uuid_parse(name, &id) ? calloc(1, sizeof(*vm)) : NULL;
    snprintf(q->vm[0], sizeof(q->vm[0]), "%s", name);
    if (vm && c->rest->ops->vm(c->rest->ops_ctx, &id, vm)) {
        snprintf(q->vm[1], sizeof(q->vm[1]), "%s", vm->name);
    }
    free(vm);
}

static void get_events(struct call *c)
{
    struct vr_event_query q = {0};
    uint64_t limit = EVENTS_DEFAULT;
    const char *text = http_query(c->req, "limit"), *since = http_query(c->req, "since");
    const char *after = http_query(c->req, "after"), *vm = http_query(c->req, "vm");
    if (text && !vr_parse_u64(text, 1, API_EVENTS_MAX, &limit)) {
        finish_error(c, VR_E_INVALID, "'limit' must be a number from 1 to 1000", "limit");
        return;
    }
    if (after && !vr_parse_u64(after, 0, INT64_MAX, &q.after_seq)) {
        finish_error(c, VR_E_INVALID, "'after' must be an event's number", "after");
        return;
    }
    if (since && !vr_parse_iso_time(since, &q.since_us)) {
        finish_error(c, VR_E_INVALID, "'since' must be a time like 2026-11-21T02:00:00Z", "since");
        return;
    }
    if (vm && (*vm == '\0' || strlen(vm) >= VR_NAME_MAX)) {
        finish_error(c, VR_E_INVALID, "'vm' must be a VM's name or id", "vm");
        return;
    }
    if (vm) {
        events_of_vm(c, vm, &q);
    }
    q.limit = (uint32_t)limit;
    q.oldest_first = after != NULL;
    c->rest->ops->events(c->rest->ops_ctx, &q, events_known, c);
}

static void get_authorizations(struct call *c)
{
    json_t *list = json_array();
    const struct vr_auth_entry *e;
    for (size_t i = 0; (e = c->rest->ops->auth_at(c->rest->ops_ctx, i)); i++) {
        json_array_append_new(list, rest_json_auth(e));
    }
    finish_ok(c, "authorizations", list);
}

/* The VM a path names, by id or by a name only one VM has; false: the call was answered. */
static bool find_vm(struct call *c, struct vr_uuid *ret)
{
    struct api_vm_name vm;
    bool found = false;
    for (size_t at = 0; c->rest->ops->vm_next(c->rest->ops_ctx, &at, &vm);) {
        if (strcmp(vm.name, c->seg[1]) != 0) {
            continue;
        }
        if (found && !vr_uuid_eq(ret, &vm.id)) {
            finish_error(c, VR_E_EXISTS, "several VMs have this name: give the VM's id", NULL);
            return false;
        }
        *ret = vm.id;
        found = true;
    }
    if (!found) {
        finish_error(c, VR_E_NOT_FOUND, "no such VM on this host; 'vmreplica vms' lists them",
                     NULL);
    }
    return found;
}

static void get_settings(struct call *c)
{
    struct vr_service s = {0};
    c->rest->ops->settings(c->rest->ops_ctx, &s);
    finish_ok(c, "settings", rest_json_settings(&s));
}

static json_t *relationships(const struct call *c, const struct vr_uuid *vm)
{
    const struct api_ops *ops = c->rest->ops;
    json_t *list = json_array();
    struct api_rel *rel = malloc(sizeof(*rel));
    for (size_t i = 0; rel && ops->rel_next(c->rest->ops_ctx, &i, vm, rel);) {
        json_t *o = rest_json_rel(rel);
        json_object_set_new(o, "last_job", rel->last ? rest_json_job(rel->last) : json_null());
        json_array_append_new(list, o);
    }
    free(rel);
    return list;
}

static void get_vm(struct call *c)
{
    const struct api_ops *ops = c->rest->ops;
    struct vr_uuid id;
    if (!vr_uuid_parse(c->seg[1], &id) && !find_vm(c, &id)) {
        return;
    }
    struct vr_vm *vm = malloc(sizeof(*vm));
    if (vm && ops->vm(c->rest->ops_ctx, &id, vm)) {
        json_t *o = rest_json_vm(vm, ops->vm_mode(c->rest->ops_ctx, &id));
        json_object_set_new(o, "relationships", relationships(c, &id));
        finish_ok(c, "vm", o);
    } else {
        finish_error(c, vm ? VR_E_NOT_FOUND : VR_E_NOMEM,
                     vm ? "no such VM on this host; 'vmreplica vms' lists them" : "out of memory",
                     NULL);
    }
    free(vm);
}

static void get_statistics(struct call *c)
{
    const struct api_ops *ops = c->rest->ops;
    struct vr_uuid id;
    if (!vr_uuid_parse(c->seg[1], &id) && !find_vm(c, &id)) {
        return;
    }
    json_t *list = json_array();
    struct api_rel *rel = malloc(sizeof(*rel));
    for (size_t i = 0; rel && ops->rel_next(c->rest->ops_ctx, &i, &id, rel);) {
        json_array_append_new(list, rest_json_stats(rel));
    }
    free(rel);
    if (json_array_size(list) == 0) {
        json_decref(list);
        finish_error(c, VR_E_STATE, "replication is not enabled for this virtual machine", NULL);
        return;
    }
    finish_ok(c, "statistics", list);
}

/* --- verbs --- */

static void verb_done(void *arg, const struct api_answer *a)
{
    struct call *c = arg;
    if (a->code != VR_RC_COMPLETED && a->code != VR_RC_JOB_STARTED) {
        int kind = a->kind ? a->kind : VR_E_INTERNAL;
        finish_problem(c, kind, a->code, a->text, NULL, (unsigned)vr_kind_http_status(kind));
        return;
    }
    json_t *o = json_object();
    json_object_set_new(o, "code", json_integer((json_int_t)a->code));
    json_object_set_new(o, "text", rest_json_text(a->text));
    if (a->code == VR_RC_JOB_STARTED) {
        char location[64];
        snprintf(location, sizeof(location), PREFIX "/jobs/%llu", (unsigned long long)a->job_id);
        http_reply_header(c->req, "Location", location);
        json_object_set_new(o, "job_id", json_integer((json_int_t)a->job_id));
    }
    finish(c, a->code == VR_RC_JOB_STARTED ? 202 : 200, "application/json", o);
}

static void send_verb(struct call *c)
{
    struct api_caller who = front_caller(c->req);
    c->rest->ops->verb(c->rest->ops_ctx, &who, &c->verb, verb_done, c);
}

static bool is_json(const char *type)
{
    size_t n = strcspn(type, "; \t");
    return n == strlen("application/json") && strncasecmp(type, "application/json", n) == 0;
}

/* Reads the body; false: the call was answered. */
static bool take_body(struct call *c)
{
    size_t len;
    const char *body = http_body(c->req, &len), *type = http_header(c->req, "Content-Type");
    const char *member = "";
    struct vr_err err = VR_ERR_INIT;
    if (type ? !is_json(type) : len > 0) {
        finish_problem(c, VR_E_INVALID, vr_retcode_of_error(VR_E_INVALID),
                       "the body must be sent as Content-Type: application/json", NULL, 415);
        return false;
    }
    c->verb.kind = (enum api_verb_kind)c->route->verb;
    int r = rest_read_body(body, len, &c->verb, &member, &err);
    if (r < 0) {
        finish_error(c, r, vr_err_text(&err), member);
        return false;
    }
    return true;
}

static void post_vm_verb(struct call *c)
{
    if (!take_body(c)) {
        return;
    }
    /* by id, core judges whether there is such a VM, in its own order */
    if (vr_uuid_parse(c->seg[1], &c->verb.vm_id) || find_vm(c, &c->verb.vm_id)) {
        send_verb(c);
    }
}

static void post_verb(struct call *c)
{
    if (take_body(c)) {
        send_verb(c);
    }
}

static void delete_authorization(struct call *c)
{
    c->verb.kind = API_AUTH_REMOVE;
    c->verb.rel_number = -1;
    snprintf(c->verb.host, sizeof(c->verb.host), "%s", c->seg[1]);
    send_verb(c);
}

/* --- routes --- */

static const struct route routes[] = {{"GET", "", get_root, -1},
                                      {"GET", "vms", get_vms, -1},
                                      {"GET", "vms/*", get_vm, -1},
                                      {"GET", "relationships", get_relationships, -1},
                                      {"GET", "jobs", get_jobs, -1},
                                      {"GET", "jobs/*", get_job, -1},
                                      {"GET", "jobs/*/report", get_report, -1},
                                      {"GET", "events", get_events, -1},
                                      {"GET", "authorizations", get_authorizations, -1},
                                      {"POST", "authorizations", post_verb, API_AUTH_ADD},
                                      {"DELETE", "authorizations/*", delete_authorization, -1},
                                      {"POST", "peers/test", post_verb, API_PEER_TEST},
                                      {"GET", "settings", get_settings, -1},
                                      {"POST", "settings", post_verb, API_SETTINGS},
                                      {"GET", "vms/*/statistics", get_statistics, -1},
#define X(name, word) {"POST", "vms/*/" word, post_vm_verb, API_##name},
                                      API_VM_VERBS(X)
#undef X
};

static bool split_path(struct call *c, const char *path)
{
    while (*path) {
        size_t n = strcspn(path, "/");
        if (c->nseg == SEGMENTS_MAX || n >= sizeof(c->seg[0]) || n == 0) {
            return false;
        }
        memcpy(c->seg[c->nseg], path, n);
        c->seg[c->nseg++][n] = '\0';
        path += n;
        path += *path == '/';
    }
    return true;
}

static bool path_matches(const struct call *c, const char *pattern)
{
    size_t i = 0;
    while (*pattern) {
        size_t n = strcspn(pattern, "/");
        bool any = n == 1 && *pattern == '*';
        if (i == c->nseg ||
            (!any && (strlen(c->seg[i]) != n || memcmp(c->seg[i], pattern, n) != 0))) {
            return false;
        }
        i++;
        pattern += n;
        pattern += *pattern == '/';
    }
    return i == c->nseg;
}

static void dispatch(struct call *c)
{
    const char *allow = NULL;
    for (size_t i = 0; i < VR_COUNT(routes); i++) {
        if (!path_matches(c, routes[i].path)) {
            continue;
        }
        if (strcmp(routes[i].method, http_method(c->req)) == 0) {
            c->route = &routes[i];
            routes[i].run(c);
            return;
        }
        allow = allow ? "GET, POST" : routes[i].method; /* no path has more than these two */
    }
    if (!allow) {
        finish_error(c, VR_E_NOT_FOUND, "no such resource below /api/v1/", NULL);
        return;
    }
    http_reply_header(c->req, "Allow", allow);
    finish_problem(c, VR_E_UNSUPPORTED, vr_retcode_of_error(VR_E_UNSUPPORTED),
                   "the resource does not have this method", NULL, 405);
}

void rest_handle(void *ctx, struct http_request *r)
{
    const char *path = http_path(r);
    struct call *c = calloc(1, sizeof(*c));
    if (!c) {
        http_reply_error(r, 500, "out of memory");
        return;
    }
    c->rest = ctx;
    c->req = r;
    size_t n = strlen(PREFIX);
    struct api_caller who = front_caller(r);
    c->rest->ops->enter(c->rest->ops_ctx, &who);
    bool ours = strncmp(path, PREFIX, n) == 0 && (path[n] == '/' || path[n] == '\0');
    if (!ours || !split_path(c, path + n + (path[n] == '/'))) {
        finish_error(c, VR_E_NOT_FOUND, "no such resource below /api/v1/", NULL);
        return;
    }
    dispatch(c);
}
