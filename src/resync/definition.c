/* SPDX-License-Identifier: Apache-2.0 */
#include "resync/definition.h"

#include <stdlib.h>
#include <string.h>

#include "resync/digest.h"
#include "resync/replica_priv.h"
#include "transport/msg.h"
#include "util/num.h"

void definition_free(struct definition *d)
{
    if (d) {
        free(d->bytes);
        free(d);
    }
}

static bool is_of(const char *name, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncmp(name, prefix, n) == 0 && strlen(name) == n + DEFINITION_SUM &&
           strspn(name + n, "0123456789abcdef") == DEFINITION_SUM;
}

bool definition_name_ok(const char *name)
{
    return is_of(name, DEFINITION_PREFIX);
}

static int name_of(const void *p, size_t n, char ret[DEFINITION_NAME_MAX], struct vr_err *err)
{
    char hex[65];
    int r = digest_sha256_hex(p, n, hex, err);
    if (r == 0) {
        snprintf(ret, DEFINITION_NAME_MAX, DEFINITION_PREFIX "%.*s", DEFINITION_SUM, hex);
    }
    return r;
}

static const char *nvram_name(const char *definition, char buf[DEFINITION_NAME_MAX])
{
    snprintf(buf, DEFINITION_NAME_MAX, DEFINITION_NVRAM_PREFIX "%s",
             definition + strlen(DEFINITION_PREFIX));
    return buf;
}

/* Are these the file's bytes? */
static bool holds(struct stor *stor, const char *name, const void *p, size_t n)
{
    _cleanup_(vr_freep) char *have = NULL;
    size_t len;
    return stor_exists(stor, name) &&
           stor_read(stor, name, MSG_DEFINITION_MAX, &have, &len, NULL) == 0 && len == n &&
           memcmp(have, p, n) == 0;
}

int definition_store(struct stor *stor,
                     const void *p,
                     size_t n,
                     char ret_name[DEFINITION_NAME_MAX],
                     struct vr_err *err)
{
    struct vr_definition d;
    char nvram[DEFINITION_NAME_MAX];
    int r = msg_get_definition_body(p, n, &d, err);
    r = r < 0 ? r : name_of(p, n, ret_name, err);
    if (r == 0 && !holds(stor, ret_name, p, n)) {
        r = stor_replace(stor, ret_name, p, n, err);
    }
    if (r == 0 && d.nvram_len && !holds(stor, DEFINITION_NVRAM, d.nvram, d.nvram_len)) {
        r = stor_replace(stor, nvram_name(ret_name, nvram), d.nvram, d.nvram_len, err);
    }
    return vr_wrap(err, r, "the virtual machine's definition");
}

int definition_load(struct stor *stor,
                    const char *name,
                    struct definition **ret,
                    struct vr_err *err)
{
    _cleanup_(definition_freep) struct definition *d = calloc(1, sizeof *d);
    char is[DEFINITION_NAME_MAX];
    if (!d) {
        return vr_fail_nomem(err);
    }
    int r = stor_read(stor, name, MSG_DEFINITION_MAX, &d->bytes, &d->len, err);
    r = r < 0 ? r : name_of(d->bytes, d->len, is, err);
    if (r == 0 &&
        (strcmp(is, name) != 0 || msg_get_definition_body(d->bytes, d->len, &d->d, NULL) < 0)) {
        r = vr_fail(err, VR_E_CORRUPT, "'%s' is damaged: the next transfer brings it anew", name);
    }
    if (r == 0) {
        *ret = TAKE_PTR(d);
    }
    return r;
}

int replica_definition(struct stor *stor, struct definition **ret, struct vr_err *err)
{
    _cleanup_(vr_freep) struct sidecar *sc = calloc(1, sizeof *sc);
    int r = sc ? sidecar_read(stor, sc, err) : vr_fail_nomem(err);
    if (r == 0 && !sc->definition[0]) {
        r = vr_fail(err, VR_E_NOT_FOUND, "the primary told no definition of its virtual machine");
    }
    return r < 0 ? r : definition_load(stor, sc->definition, ret, err);
}

const char *replica_definition_name(const struct replica *r)
{
    return r->sc.definition;
}

int replica_was_promoted(struct stor *stor, bool *ret, struct vr_err *err)
{
    _cleanup_(vr_freep) struct sidecar *sc = calloc(1, sizeof *sc);
    int r = sc ? sidecar_read(stor, sc, err) : vr_fail_nomem(err);
    if (r == 0) {
        *ret = sc->promoted_us != 0;
    }
    return r;
}

/* --- of a replica --- */

int replica_show_nvram(struct replica *r, struct vr_err *err)
{
    char next[DEFINITION_NAME_MAX];
    if (!r->sc.definition[0] || !stor_exists(r->stor, nvram_name(r->sc.definition, next))) {
        return 0;
    }
    int x = stor_rename(r->stor, next, DEFINITION_NVRAM, err);
    return x < 0 ? x : stor_sync_dir(r->stor, err);
}

#define DROP_MAX 16

struct drop {
    const struct replica *r;
    char name[DROP_MAX][DEFINITION_NAME_MAX];
    size_t n;
};

/* What finds no place is dropped the next time. */
static void look(const char *name, void *ctx)
{
    struct drop *d = ctx;
    char nvram[DEFINITION_NAME_MAX] = "";
    const char *ours = d->r->sc.definition;
    if (d->n == DROP_MAX ||
        (!is_of(name, DEFINITION_PREFIX) && !is_of(name, DEFINITION_NVRAM_PREFIX))) {
        return;
    }
    if (ours[0] && (strcmp(name, ours) == 0 || strcmp(name, nvram_name(ours, nvram)) == 0)) {
        return;
    }
    snprintf(d->name[d->n++], DEFINITION_NAME_MAX, "%s", name);
}

int replica_drop_definitions(struct replica *r, struct vr_err *err)
{
    struct drop d = {.r = r};
    vr_assert(!r->sc.intent);
    int x = stor_list(r->stor, look, &d, err);
    for (size_t i = 0; x == 0 && i < d.n; i++) {
        x = stor_unlink(r->stor, d.name[i], err);
    }
    return x;
}
