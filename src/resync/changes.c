/* SPDX-License-Identifier: Apache-2.0 */
#include "resync/changes.h"

#include <stdlib.h>
#include <string.h>

#include "resync/digest.h"
#include "resync/manifest.h"
#include "transport/msg.h"
#include "util/buf.h"
#include "util/num.h"

#define MAGIC 0x48435256u /* "VRCH" */
#define HEAD_MAX (128u + VR_DISKS_MAX * (VR_NAME_MAX + 16u))
#define FILE_MAX (HEAD_MAX + MSG_HINT_NODES_MAX / 8 + VR_DISKS_MAX + MANIFEST_DIGEST)
#define LISTED_MAX 256u /* names looked at by one prune: more are left to the next */
#define SEQUENCE_DIGITS 16u

struct changes {
    struct vr_peer_request of; /* vm_id, rel_number, and the disks with names and sizes */
    struct vr_generation generation;
    struct layout layout;
    struct hint *nodes;
};

const char *changes_name(const struct vr_generation *g, char buf[CHANGES_NAME_MAX])
{
    char uuid[VR_UUID_TEXT_LEN];
    snprintf(buf, CHANGES_NAME_MAX, CHANGES_PREFIX "%016llx-%s", (unsigned long long)g->sequence,
             vr_uuid_text(&g->uuid, uuid));
    return buf;
}

/* The nodes of disks that are named already. */
static int make_nodes(struct changes *c, struct vr_err *err)
{
    layout_init(&c->layout, &c->of);
    return hint_new(&c->of, &c->nodes, err);
}

int changes_new(const struct vr_uuid *vm,
                uint8_t number,
                const struct vr_generation *g,
                const struct vr_disk *disks,
                uint32_t ndisks,
                struct changes **ret,
                struct vr_err *err)
{
    vr_assert(ndisks > 0 && ndisks <= VR_DISKS_MAX);
    _cleanup_(changes_freep) struct changes *c = calloc(1, sizeof *c);
    if (!c) {
        return vr_fail_nomem(err);
    }
    c->of.vm_id = *vm;
    c->of.rel_number = number;
    c->of.ndisks = ndisks;
    c->generation = *g;
    for (uint32_t i = 0; i < ndisks; i++) {
        memcpy(c->of.disks[i].name, disks[i].name, sizeof c->of.disks[i].name);
        c->of.disks[i].size_bytes = disks[i].size_bytes;
    }
    int r = make_nodes(c, err);
    if (r == 0) {
        *ret = TAKE_PTR(c);
    }
    return r;
}

void changes_free(struct changes *c)
{
    if (c) {
        hint_free(c->nodes);
        free(c);
    }
}

void changes_mark(struct changes *c, uint16_t disk, uint64_t off, uint64_t len)
{
    hint_mark(c->nodes, disk, off, len);
}

/* --- the file --- */

static uint64_t nodes_of(const struct changes *c, uint32_t disk)
{
    return vr_div_up(c->layout.size[disk], DIGEST_NODE);
}

static void put_disk(const struct changes *c, uint32_t disk, struct vr_buf *b)
{
    uint64_t n = nodes_of(c, disk), first = c->layout.first[disk];
    vr_buf_str(b, c->of.disks[disk].name);
    vr_buf_u64(b, c->of.disks[disk].size_bytes);
    uint8_t *bits = vr_buf_room(b, (size_t)vr_div_up(n, 8));
    if (!bits) {
        return; /* the buffer failed */
    }
    memset(bits, 0, (size_t)vr_div_up(n, 8));
    for (uint64_t i = 0; i < n; i++) {
        bits[i / 8] |= (uint8_t)(hint_has(c->nodes, first + i) << (i % 8));
    }
}

int changes_write(struct stor *stor, const struct changes *c, struct vr_err *err)
{
    char name[CHANGES_NAME_MAX];
    uint8_t sum[MANIFEST_DIGEST];
    struct vr_buf b;
    vr_buf_init(&b, FILE_MAX);
    vr_buf_u32(&b, MAGIC);
    vr_buf_u32(&b, CHANGES_VERSION);
    vr_buf_bytes(&b, c->of.vm_id.b, sizeof c->of.vm_id.b);
    vr_buf_u8(&b, c->of.rel_number);
    vr_buf_bytes(&b, c->generation.uuid.b, sizeof c->generation.uuid.b);
    vr_buf_bytes(&b, c->generation.parent.b, sizeof c->generation.parent.b);
    vr_buf_u64(&b, c->generation.sequence);
    vr_buf_u32(&b, c->of.ndisks);
    for (uint32_t i = 0; i < c->of.ndisks; i++) {
        put_disk(c, i, &b);
    }
    int r = vr_buf_check(&b, err);
    r = r < 0 ? r : manifest_sha256(b.data, b.len, sum, err);
    if (r == 0) {
        vr_buf_bytes(&b, sum, sizeof sum);
        r = vr_buf_check(&b, err);
    }
    r = r < 0 ? r : stor_replace(stor, changes_name(&c->generation, name), b.data, b.len, err);
    vr_buf_deinit(&b);
    return r;
}

static int damaged(struct vr_err *err, const char *how)
{
    return vr_fail(err, VR_E_CORRUPT, "the record of changes is damaged (%s)", how);
}

/* Names and sizes first, since the nodes are of all disks; *ret_bits: where each disk's are. */
static bool get_disks(struct changes *c, struct vr_rd *rd, const uint8_t *ret_bits[VR_DISKS_MAX])
{
    uint64_t nodes = 0;
    for (uint32_t i = 0; i < c->of.ndisks; i++) {
        struct vr_disk *d = &c->of.disks[i];
        vr_rd_str(rd, d->name, sizeof d->name);
        d->size_bytes = vr_rd_u64(rd);
        uint64_t n = vr_div_up(d->size_bytes, DIGEST_NODE);
        if (rd->failed || d->size_bytes == 0 || d->size_bytes > INT64_MAX ||
            n > MSG_HINT_NODES_MAX - nodes) {
            return false;
        }
        nodes += n;
        ret_bits[i] = vr_rd_bytes(rd, (size_t)vr_div_up(n, 8));
    }
    return vr_rd_done(rd);
}

static void take_bits(struct changes *c, const uint8_t *const bits[VR_DISKS_MAX])
{
    for (uint32_t i = 0; i < c->of.ndisks; i++) {
        for (uint64_t n = 0; n < nodes_of(c, i); n++) {
            if (bits[i][n / 8] >> (n % 8) & 1) {
                hint_add(c->nodes, c->layout.first[i] + n, 1);
            }
        }
    }
}

static int decode(struct changes *c, const uint8_t *p, size_t len, struct vr_err *err)
{
    const uint8_t *bits[VR_DISKS_MAX];
    struct vr_rd rd = vr_rd_init(p, len);
    if (vr_rd_u32(&rd) != MAGIC || vr_rd_u32(&rd) != CHANGES_VERSION) {
        return damaged(err, "of another version");
    }
    vr_rd_copy(&rd, c->of.vm_id.b, sizeof c->of.vm_id.b);
    c->of.rel_number = vr_rd_u8(&rd);
    vr_rd_copy(&rd, c->generation.uuid.b, sizeof c->generation.uuid.b);
    vr_rd_copy(&rd, c->generation.parent.b, sizeof c->generation.parent.b);
    c->generation.sequence = vr_rd_u64(&rd);
    c->of.ndisks = vr_rd_u32(&rd);
    if (rd.failed || c->of.ndisks == 0 || c->of.ndisks > VR_DISKS_MAX || !get_disks(c, &rd, bits)) {
        return damaged(err, "out of range");
    }
    int r = make_nodes(c, err);
    if (r == 0) {
        take_bits(c, bits);
    }
    return r;
}

static int check_sum(const uint8_t *p, size_t len, struct vr_err *err)
{
    uint8_t sum[MANIFEST_DIGEST];
    if (len <= sizeof sum) {
        return damaged(err, "cut short");
    }
    int r = manifest_sha256(p, len - sizeof sum, sum, err);
    if (r == 0 && memcmp(sum, p + len - sizeof sum, sizeof sum) != 0) {
        r = damaged(err, "checksum");
    }
    return r;
}

int changes_read(struct stor *stor,
                 const struct vr_generation *g,
                 struct changes **ret,
                 struct vr_err *err)
{
    char name[CHANGES_NAME_MAX];
    _cleanup_(vr_freep) char *text = NULL;
    size_t len;
    int r = stor_read(stor, changes_name(g, name), FILE_MAX, &text, &len, err);
    if (r < 0) {
        return r;
    }
    _cleanup_(changes_freep) struct changes *c = calloc(1, sizeof *c);
    if (!c) {
        return vr_fail_nomem(err);
    }
    r = check_sum((const uint8_t *)text, len, err);
    r = r < 0 ? r : decode(c, (const uint8_t *)text, len - MANIFEST_DIGEST, err);
    if (r == 0 &&
        (!vr_uuid_eq(&c->generation.uuid, &g->uuid) || c->generation.sequence != g->sequence)) {
        r = damaged(err, "of another generation");
    }
    if (r == 0) {
        *ret = TAKE_PTR(c);
    }
    return r;
}

/* --- which are kept --- */

struct listed {
    const struct vr_generation *now;
    char name[LISTED_MAX][CHANGES_NAME_MAX];
    size_t n;
};

static bool is_kept(const struct vr_generation *now, const char *name)
{
    char digits[SEQUENCE_DIGITS + 1], own[CHANGES_NAME_MAX];
    snprintf(digits, sizeof digits, "%s", name + strlen(CHANGES_PREFIX));
    uint64_t sequence = strtoull(digits, NULL, 16);
    if (sequence == now->sequence) {
        return strcmp(name, changes_name(now, own)) == 0;
    }
    return sequence < now->sequence && now->sequence - sequence < CHANGES_KEPT;
}

static void collect_old(const char *name, void *ctx)
{
    struct listed *l = ctx;
    bool ours = strncmp(name, CHANGES_PREFIX, strlen(CHANGES_PREFIX)) == 0;
    if (ours && l->n < LISTED_MAX && strlen(name) < CHANGES_NAME_MAX && !is_kept(l->now, name)) {
        snprintf(l->name[l->n++], CHANGES_NAME_MAX, "%s", name);
    }
}

int changes_prune(struct stor *stor, const struct vr_generation *now, struct vr_err *err)
{
    struct listed l = {.now = now};
    int r = stor_list(stor, collect_old, &l, err);
    for (size_t i = 0; r == 0 && i < l.n; i++) {
        r = stor_unlink(stor, l.name[i], err);
    }
    return r;
}

int changes_forget(struct stor *stor, const struct vr_generation *g, struct vr_err *err)
{
    char name[CHANGES_NAME_MAX];
    if (!stor_exists(stor, changes_name(g, name))) {
        return 0;
    }
    int r = stor_unlink(stor, name, err);
    return r < 0 ? r : stor_sync_dir(stor, err);
}

/* --- all of them since a generation --- */

bool changes_untouched(struct stor *stor, const struct sidecar *sc)
{
    bool whole = sc->role == REPLICA_ROLE_REPLICA && !sc->intent &&
                 !vr_uuid_is_nil(&sc->rel.generation.uuid);
    for (uint32_t i = 0; whole && i < sc->vm.ndisks; i++) {
        uint64_t now;
        whole = sc->stamp[i] && stor_image_stamp(stor, sc->vm.disks[i].path, &now, NULL) == 0 &&
                now == sc->stamp[i];
    }
    return whole;
}

static uint32_t find_disk(const struct changes *c, const char *name)
{
    uint32_t i = 0;
    while (i < c->of.ndisks && strcmp(c->of.disks[i].name, name) != 0) {
        i++;
    }
    return i;
}

/* All that one commit changed of one of the disks that are sent. */
static void
add_disk(const struct changes *c, uint32_t from, struct hint *h, uint16_t to, uint64_t size)
{
    uint64_t first = c->layout.first[from], end = first + nodes_of(c, from);
    for (uint64_t n = first, run; n < end; n += run) {
        run = hint_run(c->nodes, n, end);
        if (hint_has(c->nodes, n)) {
            hint_mark(h, to, (n - first) * DIGEST_NODE, run * DIGEST_NODE);
        }
    }
    if (size > c->layout.size[from]) { /* grown later, which that commit's own file says, too */
        hint_mark(h, to, c->layout.size[from], size - c->layout.size[from]);
    }
}

static void add_commit(const struct changes *c, const struct vr_peer_request *open, struct hint *h)
{
    for (uint16_t i = 0; i < open->ndisks; i++) {
        uint32_t from = find_disk(c, open->disks[i].name);
        if (from == c->of.ndisks) { /* that generation had no such disk */
            hint_mark_disk(h, i);
        } else {
            add_disk(c, from, h, i, open->disks[i].size_bytes);
        }
    }
}

/* One commit's part, and which generation was before it. What cannot be read: *ret_why. */
static int add_link(struct stor *stor,
                    struct vr_generation *at,
                    const struct vr_peer_request *open,
                    struct hint *h,
                    const char **ret_why,
                    struct vr_err *err)
{
    _cleanup_(changes_freep) struct changes *c = NULL;
    int r = changes_read(stor, at, &c, err);
    if (!c) {
        *ret_why = r == -VR_E_NOT_FOUND
                       ? "a commit since the last one that was sent did not tell what it changed"
                       : "the record of what a commit changed is damaged or cannot be read";
        return r == -VR_E_NOMEM ? r : 0;
    }
    if (!vr_uuid_eq(&c->of.vm_id, &open->vm_id) || c->of.rel_number != 0 || at->sequence == 0) {
        *ret_why = "the record of what a commit changed is of another replica";
        return 0;
    }
    add_commit(c, open, h);
    *at = (struct vr_generation){.uuid = c->generation.parent, .sequence = at->sequence - 1};
    return 0;
}

static int add_all(struct stor *stor,
                   const struct vr_uuid *from,
                   const struct vr_generation *now,
                   const struct vr_peer_request *open,
                   struct hint *h,
                   const char **ret_why,
                   struct vr_err *err)
{
    struct vr_generation at = *now;
    int r = 0;
    for (uint32_t n = 0; r == 0 && !*ret_why && !vr_uuid_eq(&at.uuid, from); n++) {
        if (n == CHANGES_KEPT) {
            *ret_why = "too many commits since the last one that was sent";
            return 0;
        }
        r = add_link(stor, &at, open, h, ret_why, err);
    }
    return r;
}

/* NULL: the replica is what `held` says. */
static const char *not_as_held(struct stor *stor, const struct vr_uuid *held, struct sidecar *ret)
{
    if (sidecar_read(stor, ret, NULL) < 0) {
        return "the replica's sidecar cannot be read";
    }
    if (!vr_uuid_eq(&ret->rel.generation.uuid, held)) {
        return "the replica is at another generation";
    }
    return changes_untouched(stor, ret) ? NULL
                                        : "the replica's disks may not be as the last commit left "
                                          "them";
}

int changes_since(struct stor *stor,
                  const struct vr_uuid *from,
                  const struct vr_uuid *held,
                  const struct vr_peer_request *open,
                  struct hint **ret,
                  char ret_why[VR_TEXT_MAX],
                  struct vr_err *err)
{
    _cleanup_(hint_freep) struct hint *h = NULL;
    _cleanup_(vr_freep) struct sidecar *sc = calloc(1, sizeof *sc);
    *ret = NULL;
    ret_why[0] = '\0';
    if (!sc) {
        return vr_fail_nomem(err);
    }
    const char *why = vr_uuid_is_nil(from)
                          ? "it is not known which generation the extended replica was made of"
                          : not_as_held(stor, held, sc);
    int r = why ? 0 : hint_new(open, &h, err);
    if (r == -VR_E_LIMIT) {
        why = "the disks are too large";
        r = 0;
    }
    if (r == 0 && !why) {
        r = add_all(stor, from, &sc->rel.generation, open, h, &why, err);
    }
    if (why) {
        snprintf(ret_why, VR_TEXT_MAX, "all disks: %s", why);
    } else if (r == 0) {
        *ret = TAKE_PTR(h);
    }
    return r;
}
