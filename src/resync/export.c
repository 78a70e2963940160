/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CLEAR marks the directory as ours and removes an older export of the same relationship, its
 * manifest first. COPY writes images and digests; SYNC makes them durable; PROPOSE waits until the
 * caller remembers the generation, so that a replica which imports it is recognized whatever
 * happens to this host afterwards; MANIFEST writes the manifest. A crash anywhere leaves no
 * manifest or a whole export.
 */
#include "resync/export.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "resync/span.h"
#include "util/num.h"

#define MARKER MANIFEST_NAME ".part" /* what lies beside it is ours to remove */
#define STEP_BYTES (4u << 20)
#define PIECE (64u << 10)      /* of zeroes: not written, so that the image keeps its holes */
#define LIST_BYTES (32u << 10) /* of digests, before they are appended */

enum stage {
    CLEAR,
    COPY,
    SYNC,
    PROPOSE,
    MANIFEST,
    DONE
};

struct exporter {
    struct export_params p;
    struct manifest m;
    enum stage stage;
    bool made; /* something was written */
    bool wants_saved, saved;
    uint32_t disk;
    uint64_t off;
    struct span_walk from;
    struct block_dev *image; /* of the present disk */
    struct stor_file *list;
    EVP_MD_CTX *sum; /* over the present list */
    uint8_t digests[LIST_BYTES];
    size_t ndigests; /* bytes */
    uint8_t zero[MANIFEST_DIGEST];
    uint8_t *buf;
    struct vr_progress progress;
};

static bool
is_same(const struct manifest *m, const struct vr_uuid *vm, uint8_t rel_number, const char *host)
{
    return vr_uuid_eq(&m->vm_id, vm) && m->rel_number == rel_number && strcmp(m->host, host) == 0;
}

static void count_name(const char *name, void *ctx)
{
    ++*(size_t *)ctx;
}

/* Without a manifest: nothing is there, or what an export that did not end has left. */
static int may_be_filled(struct stor *stor, struct vr_err *err)
{
    size_t n = 0;
    int r = stor_exists(stor, MARKER) ? 0 : stor_list(stor, count_name, &n, err);
    return r < 0 || n == 0 ? r
                           : vr_fail(err, VR_E_EXISTS,
                                     "there are files that are no export: take another directory");
}

int export_may_go(struct stor *stor,
                  const struct vr_uuid *vm,
                  uint8_t rel_number,
                  const char *host,
                  struct vr_err *err)
{
    struct manifest *m = malloc(sizeof *m);
    struct vr_err why = VR_ERR_INIT;
    if (!m) {
        return vr_fail_nomem(err);
    }
    int r = manifest_read(stor, m, &why);
    bool same = r == 0 && is_same(m, vm, rel_number, host);
    free(m);
    if (r == -VR_E_NOT_FOUND || same) {
        return same ? 0 : may_be_filled(stor, err);
    }
    return r < 0
               ? vr_fail(err, VR_E_EXISTS, "there is an export already: %.160s", vr_err_text(&why))
               : vr_fail(err, VR_E_EXISTS,
                         "the export of another relationship is there already: take another "
                         "directory, or remove it");
}

int export_new(const struct export_params *p, struct exporter **ret, struct vr_err *err)
{
    _cleanup_(export_freep) struct exporter *e = calloc(1, sizeof *e);
    if (!e) {
        return vr_fail_nomem(err);
    }
    e->p = *p;
    e->m = p->manifest;
    e->buf = aligned_alloc(4096, MANIFEST_NODE);
    e->sum = EVP_MD_CTX_new();
    if (!e->buf || !e->sum) {
        return vr_fail_nomem(err);
    }
    e->progress.phase = VR_PHASE_COMPARE;
    for (uint32_t i = 0; i < e->m.ndisks; i++) {
        int r = manifest_name_files(&e->m.disks[i], err);
        if (r < 0) {
            return r;
        }
        e->progress.bytes_total += e->m.disks[i].size_bytes;
    }
    memset(e->buf, 0, MANIFEST_NODE);
    int r = manifest_sha256(e->buf, MANIFEST_NODE, e->zero, err);
    if (r < 0) {
        return r;
    }
    *ret = TAKE_PTR(e);
    return 0;
}

static void close_disk(struct exporter *e)
{
    block_close(TAKE_PTR(e->image));
    stor_file_close(TAKE_PTR(e->list));
}

void export_free(struct exporter *e)
{
    if (!e) {
        return;
    }
    close_disk(e);
    EVP_MD_CTX_free(e->sum);
    free(e->buf);
    free(e);
}

static int remove_files(struct stor *stor, const struct manifest *m, struct vr_err *err)
{
    int r = stor_unlink(stor, MANIFEST_NAME, err);
    if (r == 0) {
        r = stor_sync_dir(stor, err);
    }
    for (uint32_t i = 0; r == 0 && i < m->ndisks; i++) {
        r = stor_unlink(stor, m->disks[i].file, err);
        if (r == 0) {
            r = stor_unlink(stor, m->disks[i].digests, err);
        }
    }
    return r;
}

static int do_clear(struct exporter *e, struct vr_err *err)
{
    int r = export_may_go(e->p.stor, &e->m.vm_id, e->m.rel_number, e->m.host, err);
    if (r < 0) {
        return r;
    }
    struct manifest *old = malloc(sizeof *old);
    if (!old) {
        return vr_fail_nomem(err);
    }
    r = stor_replace(e->p.stor, MARKER, "", 0, err);
    if (r == 0 && manifest_read(e->p.stor, old, NULL) == 0) {
        r = remove_files(e->p.stor, old, err);
    }
    free(old);
    if (r == 0) {
        e->made = true;
        r = remove_files(e->p.stor, &e->m, err); /* of an export that did not end */
    }
    e->stage = COPY;
    return r;
}

/* --- copying --- */

static int open_disk(struct exporter *e, struct vr_err *err)
{
    struct manifest_disk *d = &e->m.disks[e->disk];
    int r = stor_create_image(e->p.stor, d->file, "raw", d->size_bytes, err);
    if (r == 0) {
        r = stor_open_image(e->p.stor, d->file, "raw", 0, &e->image, err);
    }
    if (r == 0) {
        r = stor_open(e->p.stor, d->digests, true, &e->list, err);
    }
    if (r == 0 && EVP_DigestInit_ex(e->sum, EVP_sha256(), NULL) != 1) {
        r = vr_fail(err, VR_E_INTERNAL, "libcrypto has no SHA-256");
    }
    e->from = (struct span_walk){.dev = e->p.disks[e->disk]};
    e->off = 0;
    return r;
}

static int flush_list(struct exporter *e, struct vr_err *err)
{
    size_t n = e->ndigests;
    e->ndigests = 0;
    return n ? stor_file_append(e->list, e->digests, n, err) : 0;
}

static int put_digest(struct exporter *e, const uint8_t digest[MANIFEST_DIGEST], struct vr_err *err)
{
    memcpy(e->digests + e->ndigests, digest, MANIFEST_DIGEST);
    e->ndigests += MANIFEST_DIGEST;
    if (EVP_DigestUpdate(e->sum, digest, MANIFEST_DIGEST) != 1) {
        return vr_fail(err, VR_E_INTERNAL, "libcrypto failed");
    }
    return e->ndigests == LIST_BYTES ? flush_list(e, err) : 0;
}

static int put_zeroes(struct exporter *e, uint64_t len, struct vr_err *err)
{
    uint8_t digest[MANIFEST_DIGEST];
    size_t tail = (size_t)(len % MANIFEST_NODE);
    int r = 0;
    for (uint64_t i = 0; r == 0 && i < len / MANIFEST_NODE; i++) {
        r = put_digest(e, e->zero, err);
    }
    if (r == 0 && tail) {
        memset(e->buf, 0, tail);
        r = manifest_sha256(e->buf, tail, digest, err);
        r = r < 0 ? r : put_digest(e, digest, err);
    }
    return r;
}

/* Writes what is not zero, in as few pieces as there are. */
static int write_node(struct exporter *e, uint64_t off, size_t len, struct vr_err *err)
{
    size_t from = 0, at = 0;
    int r = 0;
    while (r == 0 && at < len) {
        size_t n = VR_MIN((size_t)PIECE, len - at);
        bool zero = manifest_is_zero(e->buf + at, n);
        if (zero && at > from) {
            r = block_write(e->image, e->buf + from, at - from, off + from, err);
        }
        at += n;
        from = zero ? at : from;
    }
    return r == 0 && at > from ? block_write(e->image, e->buf + from, at - from, off + from, err)
                               : r;
}

static int copy_node(struct exporter *e, const struct span *s, struct vr_err *err)
{
    uint8_t digest[MANIFEST_DIGEST];
    size_t len = (size_t)s->len;
    int r = block_read(e->p.disks[e->disk], e->buf, len, s->off, err);
    if (r == 0) {
        r = manifest_sha256(e->buf, len, digest, err);
    }
    if (r == 0) {
        r = put_digest(e, digest, err);
    }
    if (r == 0) {
        r = write_node(e, s->off, len, err);
        e->progress.bytes_written += len;
    }
    return r;
}

/* All of the disk is there: what must be durable is made so before the next one is begun. */
static int finish_disk(struct exporter *e, struct vr_err *err)
{
    int r = flush_list(e, err);
    if (r == 0) {
        r = block_flush(e->image, err);
    }
    if (r == 0) {
        r = stor_file_sync(e->list, err);
    }
    if (r == 0 && EVP_DigestFinal_ex(e->sum, e->m.disks[e->disk].sha256, NULL) != 1) {
        r = vr_fail(err, VR_E_INTERNAL, "libcrypto failed");
    }
    if (r < 0) {
        return r;
    }
    close_disk(e);
    e->disk++;
    e->stage = e->disk == e->m.ndisks ? SYNC : COPY;
    return 0;
}

static int do_copy(struct exporter *e, struct vr_err *err)
{
    int r = e->image ? 0 : open_disk(e, err);
    uint64_t size = e->m.disks[e->disk].size_bytes, done = 0;
    while (r == 0 && e->off < size && done < STEP_BYTES) {
        struct span s;
        r = span_at(&e->from, e->off, &s, err);
        if (r == 0) {
            r = s.zero ? put_zeroes(e, s.len, err) : copy_node(e, &s, err);
        }
        if (r == 0) {
            e->off += s.len;
            e->progress.bytes_compared += s.len;
            done += s.zero ? STEP_BYTES : s.len;
        }
    }
    if (r == 0 && e->off == size) {
        r = finish_disk(e, err);
    }
    return r < 0 ? vr_wrap(err, r, "export of disk '%s'", e->m.disks[e->disk].name) : 0;
}

static int do_sync(struct exporter *e, struct vr_err *err)
{
    uint8_t random[16];
    int r = stor_sync_dir(e->p.stor, err);
    if (r == 0 && e->p.instant_check) {
        r = vr_wrap(err, e->p.instant_check(e->p.ctx, err), "the source did not stay as it was");
    }
    if (r < 0) {
        return r;
    }
    e->p.random(e->p.ctx, random, sizeof random);
    e->m.generation.uuid = vr_uuid_from_random(random);
    e->m.generation.parent = (struct vr_uuid){{0}};
    e->m.generation.sequence = 1;
    e->wants_saved = true;
    e->stage = PROPOSE;
    e->progress.phase = VR_PHASE_PROVE;
    return 0;
}

int export_step(struct exporter *e, enum lane_status *ret_status, struct vr_err *err)
{
    int r = 0;
    *ret_status = LANE_AGAIN;
    switch (e->stage) {
    case CLEAR:
        r = do_clear(e, err);
        break;
    case COPY:
        r = do_copy(e, err);
        break;
    case SYNC:
        r = do_sync(e, err);
        break;
    case PROPOSE:
        e->stage = e->saved ? MANIFEST : PROPOSE;
        *ret_status = e->saved ? LANE_AGAIN : LANE_WAIT;
        break;
    case MANIFEST:
        e->progress.phase = VR_PHASE_COMMIT;
        r = manifest_write(e->p.stor, &e->m, err);
        if (r < 0) {
            break;
        }
        (void)!stor_unlink(e->p.stor, MARKER, NULL);
        e->stage = DONE;
        e->progress.phase = VR_PHASE_DONE;
        /* fall through */
    case DONE:
        *ret_status = LANE_DONE;
        break;
    }
    return r;
}

bool export_wants_saved(struct exporter *e, struct vr_uuid *ret)
{
    bool wants = e->wants_saved;
    e->wants_saved = false;
    *ret = e->m.generation.uuid;
    return wants;
}

void export_generation_saved(struct exporter *e)
{
    e->saved = true;
}

const struct vr_progress *export_progress(const struct exporter *e)
{
    return &e->progress;
}

const struct manifest *export_manifest(const struct exporter *e)
{
    return &e->m;
}

void export_discard(struct exporter *e)
{
    close_disk(e);
    if (e->made && e->stage != DONE) {
        int r = remove_files(e->p.stor, &e->m, NULL);
        r = r < 0 ? r : stor_unlink(e->p.stor, MARKER, NULL);
        (void)r;
    }
}
