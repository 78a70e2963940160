/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RESERVE: what a commit can lack is found before its intent. Only the runs' indexes are read:
 * where something will be written says enough. When a person forced the transfer, what will be
 * overwritten is saved, too.
 */
#include <string.h>

#include "resync/commit_priv.h"
#include "util/num.h"

#define BALLAST_STEP (64u << 20)
#define TABLES_BYTES (4u << 20)
#define TABLES_PART (32u << 20) /* qcow2: 8 bytes for each 512 MiB, twice while they move */

static bool is_raw(const struct commit *c, uint16_t disk)
{
    return strcmp(commit_disk(c, disk)->format, "raw") == 0;
}

bool commit_needs_ballast(const struct commit *c, uint16_t disk, const struct walk_stretch *s)
{
    return !is_raw(c, disk) || s->off + s->len > c->base_bytes[disk];
}

static int
save_old(struct commit *c, uint16_t disk, const struct walk_stretch *s, struct vr_err *err)
{
    if (!c->safety) {
        uint8_t key[32];
        char name[32], uuid[VR_UUID_TEXT_LEN];
        vr_random(key, sizeof key);
        vr_uuid_text(&c->base.uuid, uuid);
        snprintf(name, sizeof name, "safety-%.8s", uuid);
        /* A try before this one may have left it: nothing was overwritten yet, so it says nothing
         * that the images do not. */
        int x = stor_unlink(c->r->stor, name, err);
        if (x == 0) {
            x = run_writer_new(c->r->stor, name, key, &c->base.uuid, &c->safety, err);
        }
        if (x < 0) {
            return x;
        }
    }
    uint32_t len = (uint32_t)VR_MIN((uint64_t)s->len, c->base_bytes[disk] - s->off);
    int x = block_read(c->dev[disk], c->buf, len, s->off, err);
    struct run_record rec = {RUN_DATA, disk, s->off, len, c->buf};
    return x < 0 ? x : run_writer_add(c->safety, &rec, err);
}

/* An extent is asked for once, to its end: an image without holes costs one question. */
static int
reserve_raw(struct commit *c, uint16_t disk, const struct walk_stretch *s, struct vr_err *err)
{
    struct block_extent *k = &c->known[disk];
    if (s->off < k->off || s->off >= k->off + k->len) {
        size_t n;
        int x =
            block_extents(c->dev[disk], s->off, c->dev[disk]->size_bytes - s->off, k, 1, &n, err);
        if (x < 0) {
            k->len = 0;
            return x;
        }
        c->stats.extents++;
    }
    if (k->kind == BLOCK_DATA && s->off + s->len <= k->off + k->len) {
        return 0;
    }
    return block_reserve(c->dev[disk], s->off, s->len, err);
}

static int
reserve_stretch(struct commit *c, uint16_t disk, const struct walk_stretch *s, struct vr_err *err)
{
    if (c->changes) {
        changes_mark(c->changes, disk, s->off, s->len);
    }
    if (s->state == LEAF_REVERT) {
        return 0;
    }
    if (c->keep_old && s->off < c->base_bytes[disk]) {
        int x = save_old(c, disk, s, err);
        if (x < 0) {
            return x;
        }
    }
    if (s->state != LEAF_DATA) {
        return 0;
    }
    if (!commit_needs_ballast(c, disk, s)) {
        return reserve_raw(c, disk, s, err);
    }
    /* A format allocates clusters; where a raw image has to grow there is nothing to take yet. */
    c->need[disk] += vr_round_up(s->len, DIGEST_MID);
    return 0;
}

/* A file system has a largest file. */
static int try_sizes(struct commit *c, struct vr_err *err)
{
    int x = 0;
    for (uint32_t i = 0; x == 0 && i < commit_ndisks(c); i++) {
        const struct vr_disk *d = commit_disk(c, i);
        if (is_raw(c, (uint16_t)i) && d->size_bytes > c->base_bytes[i]) {
            x = stor_file_truncate(c->ballast, d->size_bytes, err);
            x = vr_wrap(err, x, "disk '%s' of %llu bytes", d->name,
                        (unsigned long long)d->size_bytes);
        }
    }
    return x < 0 ? x : stor_file_truncate(c->ballast, 0, err);
}

/* Of a format's own tables, which it makes in RESIZE already where the size is another. */
static uint64_t tables_of(const struct commit *c, uint32_t disk)
{
    uint64_t size = commit_disk(c, disk)->size_bytes;
    bool fits = !c->follows || size == c->base_bytes[disk];
    return (fits || is_raw(c, (uint16_t)disk)) && !c->need[disk]
               ? 0
               : TABLES_BYTES + (fits ? 0 : size / TABLES_PART);
}

/* Formats that allocate while they are written cannot reserve: space is held in a file and given
 * back piecewise. */
static int take_ballast(struct commit *c, struct vr_err *err)
{
    uint64_t need = 0;
    for (uint32_t i = 0; i < commit_ndisks(c); i++) {
        c->tables_bytes += tables_of(c, i);
        need += VR_MIN(c->need[i], commit_disk(c, i)->size_bytes);
    }
    need += c->tables_bytes;
    if (need == 0 && !c->follows) {
        return 0;
    }
    int x = stor_open(c->r->stor, BALLAST_NAME, true, &c->ballast, err);
    x = x < 0 || !c->follows ? x : try_sizes(c, err);
    if (x == 0 && need) {
        x = stor_file_reserve(c->ballast, need, err);
    }
    c->ballast_bytes = need;
    return vr_wrap(err, x, "%llu bytes must be free for the commit", (unsigned long long)need);
}

/* What is given back is always ahead of what was written. */
int commit_release_ballast(struct commit *c, uint64_t bytes, struct vr_err *err)
{
    if (!c->ballast || c->ballast_bytes == 0) {
        return 0;
    }
    c->taken_bytes = bytes == UINT64_MAX ? UINT64_MAX : c->taken_bytes + bytes;
    if (c->taken_bytes <= c->given_bytes) {
        return 0;
    }
    uint64_t ahead = VR_MAX(c->taken_bytes - c->given_bytes, (uint64_t)BALLAST_STEP);
    uint64_t give = VR_MIN(c->ballast_bytes, ahead);
    c->given_bytes += give;
    c->ballast_bytes -= give;
    return stor_file_truncate(c->ballast, c->ballast_bytes, err);
}

/* What the commit writes at most. */
static uint64_t staged_bytes(const struct commit *c)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < c->nruns; i++) {
        sum += c->runs[i].bytes;
    }
    return sum;
}

/* Before anything of ours can change an image's times. What cannot be told is compared, no more. */
static void begin_changes(struct commit *c)
{
    const struct sidecar *sc = &c->r->sc;
    uint32_t n;
    const struct vr_disk *disks = sidecar_next_disks(sc, &n);
    bool exact = c->tells && changes_untouched(c->r->stor, sc);
    c->tells = false;
    if (!exact ||
        changes_new(&sc->rel.vm_id, sc->rel.number, &c->next, disks, n, &c->changes, NULL) < 0) {
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        changes_mark(c->changes, (uint16_t)i, c->base_bytes[i],
                     disks[i].size_bytes - c->base_bytes[i]);
    }
}

int commit_do_reserve(struct commit *c, struct vr_err *err)
{
    if (c->tells) {
        begin_changes(c);
    }
    int x = commit_open_disks(c, c->nruns ? 0 : BLOCK_READ_ONLY, err);
    if (x < 0) {
        return x;
    }
    c->stats.staged_bytes = staged_bytes(c);
    x = commit_walk_some(c, OVERLAY_STRICT | OVERLAY_INDEX, reserve_stretch, err);
    if (x == -VR_E_NOSPACE) {
        return vr_wrap(err, x, "the commit needs up to %llu MiB of free space",
                       (unsigned long long)(staged_bytes(c) >> 20) + 1);
    }
    if (x != 0) {
        return x < 0 ? vr_wrap(err, x, "cannot make room for the commit") : 0;
    }
    x = take_ballast(c, err);
    if (x == 0 && c->safety) {
        x = run_writer_sync(c->safety, err);
    }
    if (x == 0) {
        c->stage = SYNC;
    }
    return x;
}
