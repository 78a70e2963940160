/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/provider.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cim/mof.h"
#include "cim/pull.h"
#include "provider/internal.h"
#include "util/cleanup.h"
#include "util/num.h"
#include "util/vtime.h"

DEFINE_CLEANUP(struct provider *, provider_free)

struct wait {
    struct provider *p;
    cim_invoke_done done;
    void *ctx;
};

static const struct provider_class *const classes[] = {
    &provider_service,         &provider_system,        &provider_relationship, &provider_job,
    &provider_setting,         &provider_builtin,       &provider_vssd,         &provider_storage,
    &provider_service_setting, &provider_authorization,
};

const struct provider_space provider_spaces[PROVIDER_SPACES] = {
    {CIM_NAMESPACE, "WindowsVirtualization.V2.mof", provider_schema, &provider_schema_len, classes,
     VR_COUNT(classes), provider_assocs, PROVIDER_ASSOCS},
    {PROVIDER_NS_INTEROP, "Interop.mof", provider_schema_interop, &provider_schema_interop_len,
     NULL, 0, provider_interop, PROVIDER_INTEROP_CLASSES},
    {PROVIDER_NS_CIMV2, "CIMV2.mof", provider_schema_cimv2, &provider_schema_cimv2_len, NULL, 0,
     provider_cimv2, PROVIDER_CIMV2_CLASSES},
};

static const struct provider_space *find_space(const struct provider *p,
                                               const struct cim_schema *schema)
{
    size_t i = 0;
    while (i < PROVIDER_SPACES && p->schemas[i] != schema) {
        i++;
    }
    vr_assert(i < PROVIDER_SPACES);
    return &provider_spaces[i];
}

static const struct provider_class *find_class(const struct provider *p,
                                               const struct cim_class *cls)
{
    const struct provider_space *s = find_space(p, cls->schema);
    for (size_t i = 0; i < s->nclasses; i++) {
        if (strcasecmp(s->classes[i]->name, cls->name) == 0) {
            return s->classes[i];
        }
    }
    for (size_t i = 0; i < s->nmore; i++) {
        if (strcasecmp(s->more[i].name, cls->name) == 0) {
            return &s->more[i];
        }
    }
    return NULL;
}

static bool may_read(const struct cim_caller *who, struct cim_status *st)
{
    if (who->role < VR_ROLE_VIEWER) {
        cim_fail(st, CIM_ERR_ACCESS_DENIED, "user '%.60s' has no role here", who->user);
    }
    return st->code == CIM_OK;
}

struct search {
    const struct cim_path *path;
    struct cim_arena *arena;
    struct cim_instance *found;
};

static bool is_it(void *ctx, const struct cim_instance *i)
{
    struct search *s = ctx;
    if (cim_path_eq(&i->path, s->path)) {
        s->found = cim_instance_copy(s->arena, i);
    }
    return !s->found;
}

static struct cim_instance *get_from_list(const struct provider_class *c,
                                          struct provider *p,
                                          const struct cim_class *cls,
                                          const struct cim_path *path,
                                          struct cim_arena *a)
{
    struct cim_status st = {0};
    struct search s = {.path = path, .arena = a};
    struct provider_list l = {.p = p, .cls = cls, .cb = is_it, .ctx = &s, .st = &st};
    cim_arena_init(&l.arena, PROVIDER_INSTANCE_MAX_BYTES);
    c->list(&l);
    cim_arena_deinit(&l.arena);
    return s.found;
}

static struct cim_instance *get(struct provider *p,
                                const struct cim_class *cls,
                                const struct cim_path *path,
                                struct cim_arena *a)
{
    const struct provider_class *c = find_class(p, cls);
    struct cim_instance *i = !c       ? NULL
                             : c->get ? c->get(p, cls, path, a)
                                      : get_from_list(c, p, cls, path, a);
    return i && cim_path_eq(&i->path, path) ? i : NULL;
}

/* From here to `leave` there is only what this caller may see. */
static const struct vr_scope *enter(struct provider *p, const struct cim_caller *who)
{
    const struct vr_scope *before = p->scope;
    p->scope = who->scope;
    return before;
}

static void leave(struct provider *p, const struct vr_scope *before)
{
    p->scope = before;
}

static void get_instance(struct cim_broker *b,
                         const struct cim_caller *who,
                         const struct cim_class *cls,
                         const struct cim_path *path,
                         struct cim_arena *a,
                         struct cim_instance **ret,
                         struct cim_status *st)
{
    if (!may_read(who, st)) {
        return;
    }
    struct cim_path named = *path;
    named.class_name = cls->name;
    const struct vr_scope *before = enter((struct provider *)b, who);
    *ret = get((struct provider *)b, cls, &named, a);
    leave((struct provider *)b, before);
    if (cim_arena_failed(a)) {
        cim_fail(st, CIM_ERR_FAILED, "out of memory");
    } else if (!*ret) {
        cim_fail(st, CIM_ERR_NOT_FOUND, "no such instance of %s", cls->name);
    }
}

bool provider_list_one(struct provider_list *l, struct cim_instance *i)
{
    if (l->stopped) {
        return false;
    }
    if (!i || cim_arena_failed(&l->arena)) {
        cim_fail(l->st, CIM_ERR_FAILED, "out of memory");
        l->stopped = true;
    } else {
        l->stopped = !l->cb(l->ctx, i);
        cim_arena_reset(&l->arena);
    }
    return !l->stopped;
}

static void enum_links(struct cim_broker *b,
                       const struct cim_caller *who,
                       const struct cim_class *cls,
                       const struct cim_path *of,
                       cim_instance_cb cb,
                       void *ctx,
                       struct cim_status *st)
{
    const struct provider_class *c = find_class((struct provider *)b, cls);
    struct provider_list l = {
        .p = (struct provider *)b, .cls = cls, .cb = cb, .ctx = ctx, .st = st, .of = of};
    if (!may_read(who, st) || !c) {
        return;
    }
    cim_arena_init(&l.arena, PROVIDER_INSTANCE_MAX_BYTES);
    const struct vr_scope *before = enter(l.p, who);
    c->list(&l);
    leave(l.p, before);
    cim_arena_deinit(&l.arena);
}

static void enum_instances(struct cim_broker *b,
                           const struct cim_caller *who,
                           const struct cim_class *cls,
                           cim_instance_cb cb,
                           void *ctx,
                           struct cim_status *st)
{
    enum_links(b, who, cls, NULL, cb, ctx, st);
}

static bool path_exists(struct provider *p, const struct cim_invoke *in)
{
    struct cim_arena a;
    struct cim_path named = in->path;
    named.class_name = in->cls->name;
    cim_arena_init(&a, PROVIDER_INSTANCE_MAX_BYTES);
    bool found = get(p, in->cls, &named, &a) != NULL;
    cim_arena_deinit(&a);
    return found;
}

static void
invoke(struct cim_broker *b, const struct cim_invoke *in, cim_invoke_done done, void *ctx)
{
    struct provider *provider = (struct provider *)b; /* `in` is gone once it was answered */
    struct provider_call call = {.p = provider, .in = in, .done = done, .ctx = ctx};
    const struct provider_class *c = find_class(call.p, in->cls);
    const struct vr_scope *before = enter(call.p, &in->caller);
    if (in->caller.role < VR_ROLE_VIEWER) {
        provider_fail(&call, CIM_ERR_ACCESS_DENIED, "this user has no role here");
    } else if (!c || !path_exists(call.p, in)) {
        provider_fail(&call, CIM_ERR_NOT_FOUND, "the object path names no instance of this host");
    } else if (!c->invoke) {
        provider_fail(&call, CIM_ERR_METHOD_NOT_AVAILABLE, "the class has no methods");
    } else {
        c->invoke(&call);
    }
    leave(provider, before);
}

static void
modify_instance(struct cim_broker *b, const struct cim_modify *m, cim_modify_done done, void *ctx)
{
    struct provider *p = (struct provider *)b;
    const struct provider_class *c = find_class(p, m->cls);
    struct cim_status st = {0};
    if (may_read(&m->caller, &st) && c && c->modify) {
        const struct vr_scope *before = enter(p, &m->caller);
        provider_modify(p, c, m, done, ctx);
        leave(p, before);
        return;
    }
    if (st.code == CIM_OK) {
        cim_fail(&st, CIM_ERR_NOT_SUPPORTED,
                 "instances of %s are not modified: the methods of Msvm_ReplicationService change "
                 "what they show",
                 m->cls->name);
    }
    done(ctx, &st);
}

static const struct cim_broker_ops broker_ops = {.name = "vmreplica",
                                                 .get_instance = get_instance,
                                                 .enum_instances = enum_instances,
                                                 .enum_links = enum_links,
                                                 .invoke = invoke,
                                                 .modify_instance = modify_instance};

/* --- answers --- */

void provider_return_params(const struct provider_call *call,
                            uint32_t code,
                            const struct cim_param *out,
                            uint32_t n)
{
    struct cim_invoke_result res = {.value = cim_uint(CIM_UINT32, code), .nout = n};
    vr_assert(n <= VR_COUNT(res.out));
    memcpy(res.reason, call->why, sizeof res.reason);
    for (uint32_t i = 0; i < n; i++) {
        res.out[i] = out[i];
    }
    call->done(call->ctx, &res);
}

void provider_return_out(const struct provider_call *call,
                         uint32_t code,
                         const char *name,
                         struct cim_value value)
{
    const struct cim_param out = {.name = name, .value = value};
    provider_return_params(call, code, &out, name ? 1 : 0);
}

void provider_return(const struct provider_call *call, uint32_t code)
{
    provider_return_out(call, code, NULL, cim_null(CIM_STRING));
}

uint32_t provider_refuse(struct provider_call *call, uint32_t code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(call->why, sizeof call->why, fmt, ap);
    va_end(ap);
    return code;
}

void provider_fail(const struct provider_call *call, int cim_code, const char *text)
{
    struct cim_invoke_result res = {0};
    cim_fail(&res.status, cim_code, "%s", text);
    call->done(call->ctx, &res);
}

void *provider_wait(const struct provider_call *call)
{
    struct wait *w = malloc(sizeof *w);
    if (!w) {
        provider_return(call, VR_RC_OUT_OF_MEMORY);
        return NULL;
    }
    *w = (struct wait){.p = call->p, .done = call->done, .ctx = call->ctx};
    return w;
}

void provider_on_core(void *ctx, const struct core_answer *answer)
{
    struct wait *w = ctx;
    struct provider_call call = {.p = w->p, .done = w->done, .ctx = w->ctx};
    const struct vr_job *job =
        answer->code == VR_RC_JOB_STARTED ? core_job(w->p->core, answer->job_id) : NULL;
    free(w);
    if (!job) {
        bool fine = answer->code == VR_RC_COMPLETED;
        snprintf(call.why, sizeof call.why, "%s", fine ? "" : answer->text);
        provider_return(&call, answer->code);
        return;
    }
    char id[sizeof JOB_ID_PREFIX + VR_UUID_TEXT_LEN], uuid[VR_UUID_TEXT_LEN];
    struct cim_path path = {.ns = CIM_NAMESPACE, .class_name = "Msvm_ConcreteJob"};
    snprintf(id, sizeof id, "%s%s", JOB_ID_PREFIX, vr_uuid_text(&job->uuid, uuid));
    vr_assert(cim_path_add_key(&path, "InstanceID", cim_str(id)));
    provider_return_out(&call, answer->code, "Job", cim_ref(&path));
}

struct core_caller provider_caller(const struct provider_call *call)
{
    struct core_caller who = {.role = (enum vr_role)call->in->caller.role};
    snprintf(who.user, sizeof who.user, "%s", call->in->caller.user);
    return who;
}

/* --- life --- */

static int load_schemas(struct provider *p, struct vr_err *err)
{
    for (size_t i = 0; i < PROVIDER_SPACES; i++) {
        int r = cim_mof_parse((const char *)provider_spaces[i].mof, *provider_spaces[i].mof_bytes,
                              provider_spaces[i].mof_name, &p->schemas[i], err);
        if (r < 0) {
            return r;
        }
        p->schemas[i]->ns = provider_spaces[i].ns;
        if (i) {
            p->schemas[i - 1]->next = p->schemas[i];
        }
    }
    p->schema = p->schemas[0];
    return 0;
}

int provider_new(const struct provider_config *config,
                 struct core *core,
                 const struct provider_env_ops *ops,
                 void *ctx,
                 struct provider **ret,
                 struct vr_err *err)
{
    _cleanup_(provider_freep) struct provider *p = calloc(1, sizeof *p);
    if (!p) {
        return vr_fail_nomem(err);
    }
    *p = (struct provider){.config = *config, .core = core, .env = ops, .env_ctx = ctx};
    int r = load_schemas(p, err);
    if (r < 0) {
        return r;
    }
    p->broker = (struct cim_broker){.ops = &broker_ops,
                                    .schema = p->schema,
                                    .server = p->config.host_name,
                                    .pulls = cim_pulls_new(vr_mono_ms)};
    if (!p->broker.pulls) {
        return vr_fail_nomem(err);
    }
    *ret = TAKE_PTR(p);
    return 0;
}

void provider_free(struct provider *p)
{
    if (p) {
        cim_pulls_free(p->broker.pulls);
        for (size_t i = 0; i < PROVIDER_SPACES; i++) {
            cim_schema_free(p->schemas[i]);
        }
        free(p);
    }
}

struct cim_broker *provider_broker(struct provider *p)
{
    return &p->broker;
}
