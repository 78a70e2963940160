/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   LISTS    the files of digests are those of the manifest
 *   COPY     every node: read, checked, compared with the replica's, written where it differs
 *   FLUSH    images of our own were written directly, and so are flushed; else the run is whole
 *   GATE     nobody reads the replica's disks
 *   READBACK of what was written directly: every node once more, against its digest
 *   COMMIT   commit.c
 *
 * Images that we made are hidden and carry no generation, so they are written directly; images that
 * a person put there are changed by a staged commit only.
 */
#include "resync/import.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "resync/replica_priv.h"
#include "resync/span.h"
#include "util/num.h"

#define STEP_BYTES (4u << 20)
#define LEAF 4096u
#define LIST_BYTES (32u << 10) /* of digests read at a time */
#define SPACE_EVERY (16u << 20)

enum stage {
    LISTS,
    COPY,
    FLUSH,
    GATE,
    READBACK,
    COMMIT,
    DONE
};

struct importer {
    struct import_params p;
    struct manifest m;
    enum stage stage;
    bool direct;
    uint32_t disk;
    uint64_t off;
    struct stor_file *list; /* of the present disk */
    uint8_t digests[LIST_BYTES];
    uint64_t digests_at; /* the list's offset of what is in digests; UINT64_MAX: nothing */
    EVP_MD_CTX *sum;
    struct block_dev *from, *to; /* of the present disk */
    struct span_walk from_walk, to_walk;
    struct run_writer *writer;
    uint64_t staged, space_checked;
    struct commit *commit;
    uint8_t zero[MANIFEST_DIGEST];
    uint8_t *buf, *base;
    struct vr_progress progress;
};

int import_check(const struct replica *r, const struct manifest *m, struct vr_err *err)
{
    const struct sidecar *sc = &r->sc;
    if (sc->role == REPLICA_ROLE_RELEASED || !vr_uuid_is_nil(&sc->rel.generation.uuid)) {
        return vr_fail(err, VR_E_STATE, "%s",
                       sc->role == REPLICA_ROLE_RELEASED
                           ? "the replica's relationship was removed"
                           : "the replica holds a generation already: resynchronize it");
    }
    int x = replica_check_found(r, err);
    if (x < 0) {
        return x;
    }
    if (!vr_uuid_eq(&m->vm_id, &sc->rel.vm_id) || m->rel_number != sc->rel.number) {
        char vm[VR_UUID_TEXT_LEN];
        return vr_fail(err, VR_E_INVALID, "the export is of relationship %u of VM %s ('%.60s')",
                       m->rel_number, vr_uuid_text(&m->vm_id, vm), m->vm_name);
    }
    if (strcasecmp(m->host, sc->rel.peer_identity) != 0) {
        return vr_fail(err, VR_E_INVALID, "the export was made by %.100s, the replica is of %.100s",
                       m->host, sc->rel.peer_identity);
    }
    if (m->ndisks != sc->vm.ndisks) {
        return vr_fail(err, VR_E_INVALID, "the export has %u disks, the replica has %u",
                       (unsigned)m->ndisks, (unsigned)sc->vm.ndisks);
    }
    for (uint32_t i = 0; i < m->ndisks; i++) {
        const struct manifest_disk *theirs = &m->disks[i];
        const struct vr_disk *ours = &sc->vm.disks[i];
        if (strcmp(theirs->name, ours->name) != 0 || theirs->size_bytes != ours->size_bytes) {
            return vr_fail(
                err, VR_E_INVALID,
                "disk %u of the export is '%.60s' with %llu bytes, of the replica '%.60s' "
                "with %llu",
                (unsigned)i, theirs->name, (unsigned long long)theirs->size_bytes, ours->name,
                (unsigned long long)ours->size_bytes);
        }
    }
    return 0;
}

int import_new(const struct import_params *p, struct importer **ret, struct vr_err *err)
{
    vr_assert(p->replica->locked);
    int r = import_check(p->replica, &p->manifest, err);
    if (r < 0) {
        return r;
    }
    _cleanup_(import_freep) struct importer *i = calloc(1, sizeof *i);
    if (!i) {
        return vr_fail_nomem(err);
    }
    i->p = *p;
    i->m = p->manifest;
    i->buf = aligned_alloc(4096, MANIFEST_NODE);
    i->base = aligned_alloc(4096, MANIFEST_NODE);
    i->sum = EVP_MD_CTX_new();
    i->digests_at = UINT64_MAX;
    if (!i->buf || !i->base || !i->sum) {
        return vr_fail_nomem(err);
    }
    memset(i->buf, 0, MANIFEST_NODE);
    r = manifest_sha256(i->buf, MANIFEST_NODE, i->zero, err);
    if (r == 0) {
        r = replica_take_seeds(p->replica, err);
    }
    i->direct = p->replica->sc.own_images;
    if (r == 0) { /* what an interrupted transfer or import has left says nothing about this one */
        r = i->direct ? replica_repair_images(p->replica, err)
                      : replica_discard_staging(p->replica, err);
    }
    if (r < 0) {
        return r;
    }
    i->progress.phase = VR_PHASE_COMPARE;
    for (uint32_t k = 0; k < i->m.ndisks; k++) {
        i->progress.bytes_total += i->m.disks[k].size_bytes;
    }
    *ret = TAKE_PTR(i);
    return 0;
}

static void close_disk(struct importer *i)
{
    stor_file_close(TAKE_PTR(i->list));
    block_close(TAKE_PTR(i->from));
    block_close(TAKE_PTR(i->to));
    i->digests_at = UINT64_MAX;
}

void import_free(struct importer *i)
{
    if (!i) {
        return;
    }
    close_disk(i);
    commit_free(i->commit);
    run_writer_free(i->writer);
    EVP_MD_CTX_free(i->sum);
    free(i->buf);
    free(i->base);
    free(i);
}

/* --- digests --- */

static int open_list(struct importer *i, struct vr_err *err)
{
    const struct manifest_disk *d = &i->m.disks[i->disk];
    uint64_t want = manifest_nodes(d->size_bytes) * MANIFEST_DIGEST;
    int r = stor_open(i->p.stor, d->digests, false, &i->list, err);
    if (r < 0) {
        return r;
    }
    uint64_t size = stor_file_size(i->list);
    i->digests_at = UINT64_MAX;
    return size == want
               ? 0
               : vr_fail(err, VR_E_CORRUPT,
                         "'%s' has %llu bytes instead of %llu: it is not what was exported",
                         d->digests, (unsigned long long)size, (unsigned long long)want);
}

/* The list's part around `at` into i->digests; *ret_n: bytes of it. */
static int read_list(struct importer *i, uint64_t at, size_t *ret_n, struct vr_err *err)
{
    const struct manifest_disk *d = &i->m.disks[i->disk];
    uint64_t size = manifest_nodes(d->size_bytes) * MANIFEST_DIGEST;
    size_t want = (size_t)VR_MIN((uint64_t)LIST_BYTES, size - at), got = 0;
    int r = stor_file_read(i->list, i->digests, want, at, &got, err);
    if (r == 0 && got != want) {
        r = vr_fail(err, VR_E_CORRUPT, "'%s' ends at offset %llu", d->digests,
                    (unsigned long long)(at + got));
    }
    i->digests_at = r == 0 ? at : UINT64_MAX;
    *ret_n = got;
    return r;
}

static int digest_at(struct importer *i, uint64_t off, const uint8_t **ret, struct vr_err *err)
{
    uint64_t at = off / MANIFEST_NODE * MANIFEST_DIGEST, part = at - at % LIST_BYTES;
    size_t n;
    int r = i->digests_at == part ? 0 : read_list(i, part, &n, err);
    *ret = i->digests + at % LIST_BYTES;
    return r;
}

static int do_lists(struct importer *i, struct vr_err *err)
{
    const struct manifest_disk *d = &i->m.disks[i->disk];
    uint64_t size = manifest_nodes(d->size_bytes) * MANIFEST_DIGEST;
    uint8_t sum[MANIFEST_DIGEST];
    int r = i->list ? 0 : open_list(i, err);
    if (r == 0 && i->off == 0 && EVP_DigestInit_ex(i->sum, EVP_sha256(), NULL) != 1) {
        r = vr_fail(err, VR_E_INTERNAL, "libcrypto has no SHA-256");
    }
    for (int k = 0; r == 0 && k < 32 && i->off < size; k++) {
        size_t n;
        r = read_list(i, i->off, &n, err);
        if (r == 0 && EVP_DigestUpdate(i->sum, i->digests, n) != 1) {
            r = vr_fail(err, VR_E_INTERNAL, "libcrypto failed");
        }
        i->off += r == 0 ? n : 0;
    }
    if (r < 0 || i->off < size) {
        return r;
    }
    if (EVP_DigestFinal_ex(i->sum, sum, NULL) != 1 || memcmp(sum, d->sha256, sizeof sum) != 0) {
        return vr_fail(err, VR_E_CORRUPT, "'%s' was altered: the manifest has another digest of it",
                       d->digests);
    }
    close_disk(i);
    i->off = 0;
    i->disk++;
    if (i->disk == i->m.ndisks) {
        i->disk = 0;
        i->stage = COPY;
    }
    return 0;
}

/* --- writing --- */

static int check_space(struct importer *i, struct vr_err *err)
{
    uint64_t free_bytes;
    if (i->direct || i->staged < i->space_checked) {
        return 0;
    }
    int r = stor_free_bytes(i->p.replica->stor, &free_bytes, err);
    uint64_t need = i->p.staging_reserve_bytes + SPACE_EVERY;
    if (r == 0 && free_bytes < need) {
        r = vr_fail(err, VR_E_NOSPACE,
                    "%llu MiB are free on the replica's file system, %llu MiB must stay free",
                    (unsigned long long)(free_bytes >> 20), (unsigned long long)(need >> 20));
    }
    i->space_checked = i->staged + SPACE_EVERY;
    return r;
}

static int ensure_writer(struct importer *i, struct vr_err *err)
{
    char name[32];
    uint8_t key[32];
    if (i->writer) {
        return 0;
    }
    i->p.random(i->p.ctx, key, sizeof key);
    replica_next_run_name(NULL, 0, name, sizeof name);
    return run_writer_new(i->p.replica->stor, name, key, &i->p.replica->sc.rel.generation.uuid,
                          &i->writer, err);
}

/* p NULL: zeroes. */
static int put(struct importer *i, uint64_t off, uint64_t len, const uint8_t *p, struct vr_err *err)
{
    if (i->direct) {
        i->progress.bytes_written += len;
        return p ? block_write(i->to, p, (size_t)len, off, err) : block_zero(i->to, off, len, err);
    }
    int r = check_space(i, err);
    r = r < 0 ? r : ensure_writer(i, err);
    for (uint64_t at = 0; r == 0 && at < len;) {
        uint64_t n = p ? VR_MIN(len - at, (uint64_t)RUN_DATA_MAX) : len;
        struct run_record rec = {p ? RUN_DATA : RUN_ZERO, (uint16_t)i->disk, off + at, n,
                                 p ? p + at : NULL};
        r = run_writer_add(i->writer, &rec, err);
        i->staged += p ? n : 0;
        at += n;
    }
    i->progress.bytes_staged = i->staged;
    return r;
}

/* A node of the export against the same of the replica, leaf by leaf. */
static int put_differing(struct importer *i, uint64_t off, size_t len, struct vr_err *err)
{
    size_t from = 0, at = 0;
    int r = 0;
    while (r == 0 && at < len) {
        size_t n = VR_MIN((size_t)LEAF, len - at);
        bool same = memcmp(i->buf + at, i->base + at, n) == 0;
        if (same && at > from) {
            r = put(i, off + from, at - from, i->buf + from, err);
        }
        at += n;
        from = same ? at : from;
    }
    return r == 0 && at > from ? put(i, off + from, at - from, i->buf + from, err) : r;
}

static int read_base(struct importer *i, uint64_t off, size_t len, struct vr_err *err)
{
    bool zero;
    int r = span_is_zero(&i->to_walk, off, len, &zero, err);
    if (r == 0 && zero) {
        memset(i->base, 0, len);
        return 0;
    }
    return r < 0 ? r : block_read(i->to, i->base, len, off, err);
}

static int altered(struct importer *i, uint64_t off, struct vr_err *err)
{
    return vr_fail(err, VR_E_CORRUPT,
                   "'%s' was altered: from offset %llu on, 1 MiB is not what was exported",
                   i->m.disks[i->disk].file, (unsigned long long)off);
}

static int copy_node(struct importer *i, const struct span *s, struct vr_err *err)
{
    const uint8_t *want = NULL;
    uint8_t got[MANIFEST_DIGEST];
    size_t len = (size_t)s->len;
    int r = block_read(i->from, i->buf, len, s->off, err);
    if (r == 0) {
        r = manifest_sha256(i->buf, len, got, err);
    }
    if (r == 0) {
        r = digest_at(i, s->off, &want, err);
    }
    if (r == 0 && memcmp(got, want, sizeof got) != 0) {
        r = altered(i, s->off, err);
    }
    if (r == 0) {
        r = read_base(i, s->off, len, err);
    }
    return r < 0 ? r : put_differing(i, s->off, len, err);
}

/* A hole must be one of the source's, too: a copy that lost data has holes there. */
static int check_zeroes(struct importer *i, const struct span *s, struct vr_err *err)
{
    for (uint64_t off = s->off; off < s->off + s->len; off += MANIFEST_NODE) {
        size_t len = (size_t)VR_MIN((uint64_t)MANIFEST_NODE, s->off + s->len - off);
        const uint8_t *want = NULL;
        uint8_t tail[MANIFEST_DIGEST];
        int r = digest_at(i, off, &want, err);
        if (r == 0 && len < MANIFEST_NODE) {
            memset(i->buf, 0, len);
            r = manifest_sha256(i->buf, len, tail, err);
        }
        if (r < 0) {
            return r;
        }
        if (memcmp(want, len < MANIFEST_NODE ? tail : i->zero, MANIFEST_DIGEST) != 0) {
            return altered(i, off, err);
        }
    }
    return 0;
}

static int copy_zeroes(struct importer *i, const struct span *s, struct vr_err *err)
{
    int r = check_zeroes(i, s, err);
    for (uint64_t off = s->off; r == 0 && off < s->off + s->len;) {
        struct span there;
        r = span_at(&i->to_walk, off, &there, err);
        if (r < 0) {
            return r;
        }
        there.len = VR_MIN(there.len, s->off + s->len - off);
        if (!there.zero) {
            size_t len = (size_t)there.len;
            memset(i->buf, 0, len);
            r = block_read(i->to, i->base, len, off, err);
            r = r < 0 || manifest_is_zero(i->base, len) ? r : put(i, off, len, NULL, err);
        }
        off += there.len;
    }
    return r;
}

static int open_disk(struct importer *i, bool source, unsigned flags, struct vr_err *err)
{
    const struct manifest_disk *d = &i->m.disks[i->disk];
    int r = open_list(i, err);
    if (r == 0 && source) {
        r = stor_open_image(i->p.stor, d->file, "raw", BLOCK_READ_ONLY, &i->from, err);
        i->from_walk = (struct span_walk){.dev = i->from};
    }
    if (r == 0 && source && i->from->size_bytes != d->size_bytes) {
        r = vr_fail(err, VR_E_CORRUPT, "'%s' ends at offset %llu, the exported one at %llu",
                    d->file, (unsigned long long)i->from->size_bytes,
                    (unsigned long long)d->size_bytes);
    }
    if (r == 0) {
        r = replica_open_disk(i->p.replica, &i->p.replica->sc.vm.disks[i->disk], flags, &i->to,
                              err);
    }
    if (r == 0) {
        i->to_walk = (struct span_walk){.dev = i->to};
        block_drop_cache(i->to); /* an earlier flush may have failed */
    }
    return r;
}

static void next_disk(struct importer *i, enum stage after)
{
    close_disk(i);
    i->off = 0;
    i->disk++;
    if (i->disk == i->m.ndisks) {
        i->disk = 0;
        i->stage = after;
    }
}

static int do_copy(struct importer *i, struct vr_err *err)
{
    uint64_t size = i->m.disks[i->disk].size_bytes, done = 0;
    int r = i->to ? 0 : open_disk(i, true, i->direct ? 0 : BLOCK_READ_ONLY, err);
    while (r == 0 && i->off < size && done < STEP_BYTES) {
        struct span s;
        r = span_at(&i->from_walk, i->off, &s, err);
        if (r == 0) {
            r = s.zero ? copy_zeroes(i, &s, err) : copy_node(i, &s, err);
        }
        if (r == 0) {
            i->off += s.len;
            i->progress.bytes_compared += s.len;
            done += s.zero ? STEP_BYTES : s.len;
        }
    }
    if (r == 0 && i->off == size) {
        r = i->direct ? block_flush(i->to, err) : 0;
        if (r == 0) {
            next_disk(i, FLUSH);
        }
    }
    return r;
}

static int do_flush(struct importer *i, struct vr_err *err)
{
    int r = i->writer ? run_writer_settle(i->writer, err) : 0;
    i->stage = GATE;
    i->progress.phase = VR_PHASE_PROVE;
    return r;
}

static int begin_commit(struct importer *i, struct vr_err *err)
{
    struct run_name run = {"", 0};
    size_t n = 0;
    if (i->writer) {
        snprintf(run.name, sizeof run.name, "%s", run_writer_name(i->writer));
        run.bytes = run_writer_bytes(i->writer);
        run_writer_free(TAKE_PTR(i->writer));
        n = 1;
    }
    i->stage = COMMIT;
    i->progress.phase = VR_PHASE_COMMIT;
    i->progress.bytes_to_write = i->direct ? i->progress.bytes_written : i->staged;
    int r = commit_new(i->p.replica, &i->m.generation, &run, n, false, &i->commit, err);
    if (r == 0) {
        commit_set_instant(i->commit, i->m.instant_us, i->m.consistency);
    }
    return r;
}

static int do_readback(struct importer *i, struct vr_err *err)
{
    uint64_t size = i->m.disks[i->disk].size_bytes;
    int r = i->to ? 0 : open_disk(i, false, BLOCK_READ_ONLY, err);
    for (int k = 0; r == 0 && k < 4 && i->off < size; k++) {
        uint8_t got[MANIFEST_DIGEST];
        const uint8_t *want = NULL;
        size_t len = (size_t)VR_MIN((uint64_t)MANIFEST_NODE, size - i->off);
        r = read_base(i, i->off, len, err);
        if (r == 0) {
            r = manifest_sha256(i->base, len, got, err);
        }
        if (r == 0) {
            r = digest_at(i, i->off, &want, err);
        }
        if (r == 0 && memcmp(got, want, sizeof got) != 0) {
            r = vr_fail(
                err, VR_E_IO,
                "replica disk '%s' gives back other bytes than were written at offset %llu: "
                "replace the device",
                i->m.disks[i->disk].name, (unsigned long long)i->off);
        }
        i->off += len;
    }
    if (r == 0 && i->off >= size) {
        next_disk(i, COMMIT);
        r = i->stage == COMMIT ? begin_commit(i, err) : 0;
    }
    return r;
}

static int do_commit(struct importer *i, uint64_t now_us, struct vr_err *err)
{
    bool done;
    int r = commit_step(i->commit, now_us, &done, err);
    if (r < 0) {
        return r;
    }
    i->progress.phase = commit_phase(i->commit);
    if (!i->direct) {
        i->progress.bytes_written = 0;
        for (uint32_t k = 0; k < i->m.ndisks; k++) {
            i->progress.bytes_written += commit_written(i->commit, k);
        }
    }
    if (done) {
        i->stage = DONE;
    }
    return 0;
}

int import_step(struct importer *i,
                uint64_t now_us,
                enum lane_status *ret_status,
                struct vr_err *err)
{
    int r = 0;
    *ret_status = LANE_AGAIN;
    switch (i->stage) {
    case LISTS:
        r = do_lists(i, err);
        break;
    case COPY:
        r = do_copy(i, err);
        break;
    case FLUSH:
        r = do_flush(i, err);
        break;
    case GATE:
        if (i->p.commit_gate && !i->p.commit_gate(i->p.ctx)) {
            *ret_status = LANE_WAIT;
            break;
        }
        i->stage = READBACK;
        r = i->direct ? 0 : begin_commit(i, err);
        break;
    case READBACK:
        i->progress.phase = VR_PHASE_READBACK;
        r = do_readback(i, err);
        break;
    case COMMIT:
        r = do_commit(i, now_us, err);
        break;
    case DONE:
        break;
    }
    *ret_status = r == 0 && i->stage == DONE ? LANE_DONE : *ret_status;
    return r;
}

const struct vr_progress *import_progress(const struct importer *i)
{
    return &i->progress;
}

bool import_is_committing(const struct importer *i)
{
    return i->commit != NULL;
}
