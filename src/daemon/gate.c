/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/gate.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "net/gss.h"
#include "net/tls_front.h"
#include "net/users.h"
#include "util/cleanup.h"
#include "util/vtime.h"

/* What was loaded at one time. Never changes; counted, because checks of passwords take a while. */
struct gate_set {
    atomic_uint refs;
    struct users *users;      /* NULL: nobody */
    struct tls_front *tls;    /* NULL: no HTTPS */
    struct gss_acceptor *gss; /* NULL: tickets count for nothing */
};

struct gate {
    pthread_mutex_t lock;
    struct gate_set *now; /* under lock */
    bool takes_certificates, takes_tickets;
};

static void set_unref(struct gate_set *s)
{
    if (!s || atomic_fetch_sub(&s->refs, 1) != 1) {
        return;
    }
    users_free(s->users);
    tls_front_unref(s->tls);
    gss_acceptor_free(s->gss);
    free(s);
}
DEFINE_CLEANUP(struct gate_set *, set_unref)

static struct gate_set *set_now(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    struct gate_set *s = g->now;
    atomic_fetch_add(&s->refs, 1);
    pthread_mutex_unlock(&g->lock);
    return s;
}

static int load_gss(const struct daemon_config *c, struct gate_set *s, struct vr_err *err)
{
    char cache[VR_PATH_MAX + 16];
    snprintf(cache, sizeof cache, "%s/krb5.rcache", c->state_dir);
    return c->http_keytab[0] ? gss_acceptor_new(c->http_keytab, cache, &s->gss, err) : 0;
}

static int set_load(const struct daemon_config *c, struct gate_set **ret, struct vr_err *err)
{
    _cleanup_(set_unrefp) struct gate_set *s = calloc(1, sizeof *s);
    int r = 0;
    if (!s) {
        return vr_fail_nomem(err);
    }
    atomic_init(&s->refs, 1);
    if (c->http_users[0]) {
        r = users_load(c->http_users, &s->users, err);
    }
    if (r == 0 && c->https_port) {
        r = tls_front_load(c->http_cert, c->http_key, c->http_client_ca, c->peer_ca, &s->tls, err);
    }
    r = r < 0 ? r : load_gss(c, s, err);
    if (r < 0) {
        return r;
    }
    *ret = TAKE_PTR(s);
    return 0;
}

int gate_check(const struct daemon_config *config, struct vr_err *err)
{
    _cleanup_(set_unrefp) struct gate_set *s = NULL;
    return set_load(config, &s, err);
}

int gate_new(const struct daemon_config *config, struct gate **ret, struct vr_err *err)
{
    struct gate *g = calloc(1, sizeof *g);
    if (!g) {
        return vr_fail_nomem(err);
    }
    int r = set_load(config, &g->now, err);
    if (r < 0) {
        free(g);
        return r;
    }
    pthread_mutex_init(&g->lock, NULL);
    g->takes_certificates = config->http_client_ca[0] != '\0';
    g->takes_tickets = config->http_keytab[0] != '\0';
    *ret = g;
    return 0;
}

int gate_reload(struct gate *g, const struct daemon_config *config, struct vr_err *err)
{
    struct gate_set *fresh;
    int r = set_load(config, &fresh, err);
    if (r < 0) {
        return r;
    }
    pthread_mutex_lock(&g->lock);
    struct gate_set *old = g->now;
    g->now = fresh;
    pthread_mutex_unlock(&g->lock);
    set_unref(old);
    return 0;
}

void gate_free(struct gate *g)
{
    if (g) {
        set_unref(g->now);
        pthread_mutex_destroy(&g->lock);
        free(g);
    }
}

/* --- what the HTTP server asks --- */

static void fill(const struct users_who *from, struct http_who *ret)
{
    *ret = (struct http_who){.role = (enum vr_role)from->role, /* the same numbers: net/users.h */
                             .scope = from->scope};
    snprintf(ret->user, sizeof ret->user, "%s", from->name);
}

static int verify(void *ctx, const char *user, const char *password, struct http_who *ret)
{
    _cleanup_(set_unrefp) struct gate_set *s = set_now(ctx);
    struct users_who who;
    int r = s->users ? users_verify(s->users, user, password, &who, NULL) : -VR_E_AUTH;
    if (r == 0) {
        fill(&who, ret);
    }
    return r;
}

static int recall(void *ctx, const char *user, const char *password, struct http_who *ret)
{
    _cleanup_(set_unrefp) struct gate_set *s = set_now(ctx);
    struct users_who who;
    int r =
        s->users ? users_recall(s->users, user, password, vr_mono_ms(), &who, NULL) : -VR_E_AUTH;
    if (r == 0) {
        fill(&who, ret);
    }
    return r;
}

static int nobody(struct vr_err *err, const char *what, const char *name)
{
    return vr_fail(err, VR_E_AUTH, "%s %.120s is nobody's in the file of users", what, name);
}

/* A certificate of which one address is somebody's and another somebody else's says nothing. */
static int by_email(const struct users *u,
                    const struct tls_client *client,
                    struct users_who *ret,
                    struct vr_err *err)
{
    bool found = false;
    for (unsigned i = 0; i < client->nemails; i++) {
        struct users_who who;
        if (!users_known_by(u, USERS_EMAIL, client->email[i], &who)) {
            continue;
        }
        if (found && strcmp(who.name, ret->name) != 0) {
            return vr_fail(err, VR_E_AUTH, "the addresses in certificate %s are of several users",
                           client->sha256);
        }
        *ret = who;
        found = true;
    }
    return found ? 0 : nobody(err, "certificate", client->sha256);
}

static int certificate(void *ctx, void *tls_session, struct http_who *ret, struct vr_err *err)
{
    _cleanup_(set_unrefp) struct gate_set *s = set_now(ctx);
    struct tls_client client;
    struct users_who who;
    if (!s->tls || !s->users) {
        return vr_fail(err, VR_E_NOT_FOUND, "certificates count for nothing");
    }
    int r = tls_front_client(s->tls, tls_session, &client, err);
    if (r < 0) {
        return r;
    }
    if (!users_known_by(s->users, USERS_CERT, client.sha256, &who)) {
        r = by_email(s->users, &client, &who, err);
    }
    if (r == 0) {
        fill(&who, ret);
    }
    return r;
}

static int
ticket(void *ctx, const char *token, struct http_who *ret, char **ret_reply, struct vr_err *err)
{
    _cleanup_(set_unrefp) struct gate_set *s = set_now(ctx);
    _cleanup_(vr_freep) char *reply = NULL;
    char principal[GSS_PRINCIPAL_MAX];
    struct users_who who;
    if (!s->gss || !s->users) {
        return vr_fail(err, VR_E_AUTH, "tickets count for nothing");
    }
    int r = gss_accept(s->gss, token, principal, &reply, err);
    if (r < 0) {
        return r;
    }
    if (!users_known_by(s->users, USERS_PRINCIPAL, principal, &who)) {
        return nobody(err, "principal", principal);
    }
    fill(&who, ret);
    *ret_reply = TAKE_PTR(reply);
    return 0;
}

/* The session keeps the set's certificate for as long as it lives. */
static bool tls_begin(void *ctx, void *tls_session, void **ret_held)
{
    _cleanup_(set_unrefp) struct gate_set *s = set_now(ctx);
    if (!s->tls || tls_front_begin(s->tls, tls_session, NULL) < 0) {
        return false;
    }
    *ret_held = tls_front_ref(s->tls);
    return true;
}

static void tls_end(void *ctx, void *held)
{
    tls_front_unref(held);
}

void gate_serve(struct gate *g, struct http_config *hc)
{
    hc->verify_ctx = g;
    hc->verify = verify;
    hc->recall = recall;
    hc->certificate = g->takes_certificates ? certificate : NULL;
    hc->ticket = g->takes_tickets ? ticket : NULL;
    hc->tls_begin = tls_begin;
    hc->tls_end = tls_end;
}
