/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/wire.h"

#include <errno.h>
#include <grp.h>

#include "daemon/disks.h"
#include "daemon/gate.h"
#include "daemon/hostinfo.h"
#include "daemon/peer_certs.h"
#include "front/cimxml/http.h"
#include "front/front.h"
#include "front/metrics.h"
#include "front/rest/rest.h"
#include "front/wsman/http.h"
#include "provider/api.h"
#include "provider/provider.h"
#include "util/fdio.h"
#include "util/vtime.h"
#include "vr_config.h"

#define PEM_MAX (256u << 10)

struct wire {
    struct daemon *d;
    struct provider_api api;
    struct rest rest;
    struct metrics metrics;
    struct provider *cim;
    struct gate *gate;
    struct front *front;
    int plain, tls; /* index of the listener, -1: none */
};

/* --- what the provider asks --- */

static void api_vm_name(void *ctx, const struct vr_rel *rel, char ret[static VR_NAME_MAX])
{
    struct daemon *d = ctx;
    const char *name = inventory_name(d->inventory, &rel->vm_id);
    const struct vr_rel *held = core_rel(d->core, &rel->vm_id, 0);
    if (rel->is_source && held && !held->is_source) {
        rel = held; /* what is sent on is the replica that is here */
    }
    if (!name && !rel->is_source && !rel->vm_name[0]) {
        vr_uuid_text(&rel->vm_id, ret); /* its name is in the sidecar that could not be read */
        return;
    }
    snprintf(ret, VR_NAME_MAX, "%s", name ? name : rel->is_source ? "" : rel->vm_name);
}

/* *at counts the inventory's VMs, then the relationships. */
static bool api_vm_next(void *ctx, size_t *at, struct api_vm_name *ret)
{
    struct daemon *d = ctx;
    size_t n = inventory_count(d->inventory);
    const struct vr_uuid *id = inventory_id_at(d->inventory, *at);
    if (id) {
        ret->id = *id;
        snprintf(ret->name, sizeof ret->name, "%s", inventory_name(d->inventory, id));
        ++*at;
        return true;
    }
    const struct vr_rel *rel;
    while ((rel = core_rel_at(d->core, *at - n))) {
        ++*at;
        if (!rel->is_source && !inventory_name(d->inventory, &rel->vm_id)) {
            ret->id = rel->vm_id;
            api_vm_name(d, rel, ret->name);
            return true;
        }
    }
    return false;
}

static bool api_vm(void *ctx, const struct vr_uuid *id, struct vr_vm *ret)
{
    struct daemon *d = ctx;
    if (inventory_find(d->inventory, id, ret)) {
        disks_guess_sizes(ret);
        return true;
    }
    for (uint8_t number = 0; number <= 1; number++) {
        const struct vr_rel *rel = core_rel(d->core, id, number);
        if (!rel || rel->is_source) {
            continue;
        }
        if (replicas_images(d->replicas, rel, ret, NULL) < 0) {
            *ret = (struct vr_vm){.id = *id, .is_replica = true};
            api_vm_name(d, rel, ret->name);
        }
        return true;
    }
    return false;
}

static uint64_t api_peer_cert_end_us(void *ctx, const struct vr_rel *rel)
{
    return peer_certs_end_us(rel->peer_identity);
}

static struct api_staging api_staging(void *ctx, const struct vr_rel *rel)
{
    struct daemon *d = ctx;
    struct api_staging none = {0};
    return rel->is_source || !d->targets ? none
                                         : targets_staging(d->targets, &rel->vm_id, rel->number);
}

static struct api_limit api_limit(void *ctx, const struct vr_rel *rel)
{
    struct daemon *d = ctx;
    return rel->is_source ? lanes_limit(d->lanes, rel) : (struct api_limit){0};
}

static struct vr_defined api_defined(void *ctx, const struct vr_rel *rel)
{
    struct daemon *d = ctx;
    struct vr_defined none = {0};
    return rel->is_source ? none : definitions_said(d->definitions, &rel->vm_id);
}

static void api_report(void *ctx, uint64_t job_id, api_report_done done, void *arg)
{
    struct daemon *d = ctx;
    struct vr_err err = VR_ERR_INIT;
    struct vr_report report;
    int r = store_find_report(d->store, job_id, &report, &err);
    done(arg, r, &err, r < 0 ? NULL : &report);
}

struct event_list {
    struct vr_event *events;
    size_t n, max;
};

static int add_event(void *ctx, const struct vr_event *event, struct vr_err *err)
{
    struct event_list *list = ctx;
    if (list->n < list->max) {
        list->events[list->n++] = *event;
    }
    return 0;
}

static void api_events(void *ctx, const struct vr_event_query *q, api_events_done done, void *arg)
{
    struct daemon *d = ctx;
    struct vr_err err = VR_ERR_INIT;
    struct event_list list = {.max = q->limit < API_EVENTS_MAX ? q->limit : API_EVENTS_MAX};
    list.events = calloc(list.max + 1, sizeof *list.events);
    int r =
        list.events ? store_load_events(d->store, q, add_event, &list, &err) : vr_fail_nomem(&err);
    done(arg, r, &err, list.events, r < 0 ? 0 : list.n);
    free(list.events);
}

static const struct provider_api_env api_env = {.vm_next = api_vm_next,
                                                .vm = api_vm,
                                                .report = api_report,
                                                .events = api_events,
                                                .vm_name = api_vm_name,
                                                .peer_cert_end_us = api_peer_cert_end_us,
                                                .staging = api_staging,
                                                .limit = api_limit,
                                                .defined = api_defined};

static uint64_t cim_now_us(void *ctx)
{
    return vr_wall_us();
}

static int cim_list_vms(void *ctx, provider_vm_cb cb, void *cb_ctx, struct vr_err *err)
{
    struct daemon *d = ctx;
    const struct vr_uuid *id;
    _cleanup_(vr_freep) struct vr_vm *vm = malloc(sizeof *vm);
    if (!vm) {
        return vr_fail_nomem(err);
    }
    for (size_t i = 0; (id = inventory_id_at(d->inventory, i)); i++) {
        if (!inventory_find(d->inventory, id, vm) || !cb(cb_ctx, vm)) {
            break;
        }
    }
    return 0;
}

static int cim_find_vm(void *ctx, const struct vr_uuid *id, struct vr_vm *ret, struct vr_err *err)
{
    struct daemon *d = ctx;
    return inventory_find(d->inventory, id, ret)
               ? 0
               : vr_fail(err, VR_E_NOT_FOUND, "no such VM in the inventory");
}

static int
cim_replica_vm(void *ctx, const struct vr_rel *rel, struct vr_vm *ret, struct vr_err *err)
{
    struct daemon *d = ctx;
    return replicas_images(d->replicas, rel, ret, err);
}

static const struct vr_host *cim_host(void *ctx)
{
    struct daemon *d = ctx;
    return hostinfo_now(d->hostinfo, vr_mono_ms());
}

static const char *cim_certificate(void *ctx, size_t i)
{
    struct daemon *d = ctx; /* only this thread replaces them */
    return tls_creds_certificate(d->creds, i);
}

static const struct provider_env_ops cim_env = {.now_us = cim_now_us,
                                                .list_vms = cim_list_vms,
                                                .find_vm = cim_find_vm,
                                                .replica_vm = cim_replica_vm,
                                                .certificate = cim_certificate,
                                                .host = cim_host};

static int start_cim(struct wire *w, struct vr_err *err)
{
    struct provider_config pc = {.job_keep_us = JOB_KEEP_US};
    snprintf(pc.host_name, sizeof pc.host_name, "%s", w->d->host_name);
    return provider_new(&pc, w->d->core, &cim_env, w->d, &w->cim, err);
}

/* --- listeners --- */

static bool post(void *ctx, void (*fn)(void *arg), void *arg)
{
    return control_post(ctx, fn, arg);
}

static int socket_group(const struct daemon_config *c, gid_t *ret, struct vr_err *err)
{
    *ret = (gid_t)-1;
    if (!c->socket_group[0]) {
        return 0;
    }
    struct group gr, *found = NULL;
    char buf[4096];
    int e = getgrnam_r(c->socket_group, &gr, buf, sizeof buf, &found);
    if (e || !found) {
        return vr_fail(err, VR_E_INVALID, "[socket] group '%s': no such group", c->socket_group);
    }
    *ret = found->gr_gid;
    return 0;
}

static int add_listeners(struct wire *w, struct http_config *hc, struct vr_err *err)
{
    const struct daemon_config *c = &w->d->config;
    gid_t group;
    int r = socket_group(c, &group, err);
    if (r < 0) {
        return r;
    }
    hc->listens[hc->nlistens++] =
        (struct http_listen){.kind = HTTP_UNIX, .address = c->socket_path, .group = group};
    w->plain = w->tls = -1;
    if (c->http_port) {
        w->plain = (int)hc->nlistens;
        hc->listens[hc->nlistens++] = (struct http_listen){
            .kind = HTTP_PLAIN, .address = c->http_listen, .port = (uint16_t)c->http_port};
    }
    if (c->https_port) {
        w->tls = (int)hc->nlistens;
        hc->listens[hc->nlistens++] = (struct http_listen){
            .kind = HTTP_TLS, .address = c->http_listen, .port = (uint16_t)c->https_port};
    }
    return 0;
}

/* What HTTPS begins with; gate.c gives each connection the certificate of then. */
struct pair {
    char *cert, *key;
};

static void pair_deinit(struct pair *p)
{
    if (p->key) {
        explicit_bzero(p->key, strlen(p->key));
    }
    free(p->key);
    free(p->cert);
}

static int read_pair(const struct daemon_config *c, struct pair *p, struct vr_err *err)
{
    int r = vr_read_file(c->http_cert, PEM_MAX, &p->cert, NULL, err);
    return r < 0 ? r : vr_read_secret_file(c->http_key, PEM_MAX, &p->key, NULL, err);
}

static int open_front(struct wire *w, struct vr_err *err)
{
    struct daemon *d = w->d;
    _cleanup_(pair_deinit) struct pair pair = {0};
    int r = d->config.https_port ? read_pair(&d->config, &pair, err) : 0;
    struct http_config hc = {.plain_anywhere = d->config.allow_plain_remote,
                             .tls_cert_pem = pair.cert,
                             .tls_key_pem = pair.key,
                             .post = post,
                             .post_ctx = d->control,
                             .open = &wsman_http_identify};
    struct front_handlers handlers = {.rest = rest_handle,
                                      .rest_ctx = &w->rest,
                                      .metrics = metrics_handle,
                                      .metrics_ctx = &w->metrics,
                                      .cimxml = cimxml_http_handle,
                                      .cimxml_ctx = provider_broker(w->cim),
                                      .wsman = wsman_http_handle,
                                      .wsman_ctx = provider_broker(w->cim)};
    gate_serve(w->gate, &hc);
    r = r < 0 ? r : add_listeners(w, &hc, err);
    return r < 0 ? r : front_start(&hc, &handlers, &w->front, err);
}

int wire_start(struct daemon *d, struct wire **ret, struct vr_err *err)
{
    struct wire *w = calloc(1, sizeof *w);
    if (!w) {
        return vr_fail_nomem(err);
    }
    w->d = d;
    w->api = (struct provider_api){
        .core = d->core, .host_name = d->host_name, .env = &api_env, .env_ctx = d};
    w->rest = (struct rest){.ops = &provider_api_ops, .ops_ctx = &w->api, .version = VR_VERSION};
    w->metrics = (struct metrics){
        .ops = &provider_api_ops, .ops_ctx = &w->api, .version = VR_VERSION, .now_us = vr_wall_us};
    int r = start_cim(w, err);
    if (r == 0) {
        r = gate_new(&d->config, &w->gate, err);
    }
    if (r == 0) {
        r = open_front(w, err);
    }
    if (r < 0) {
        wire_free(w);
        return vr_wrap(err, r, "management");
    }
    *ret = w;
    return 0;
}

int wire_reload(struct wire *w, struct vr_err *err)
{
    return gate_reload(w->gate, &w->d->config, err);
}

void wire_ports(const struct wire *w, uint16_t *ret_plain, uint16_t *ret_tls)
{
    *ret_plain = w->plain < 0 ? 0 : front_port(w->front, (size_t)w->plain);
    *ret_tls = w->tls < 0 ? 0 : front_port(w->front, (size_t)w->tls);
}

void wire_stop(struct wire *w)
{
    if (w->front) {
        front_stop(w->front);
        w->front = NULL;
    }
}

void wire_free(struct wire *w)
{
    if (w) {
        wire_stop(w);
        gate_free(w->gate);
        provider_free(w->cim);
        free(w);
    }
}
