/* SPDX-License-Identifier: Apache-2.0 */
/* Files, names, and what a crash leaves of them. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/fs_int.h"
#include "util/num.h"

void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n); /* allocation failures are for the code under test */

void *fs_grow(void *p, size_t n)
{
    p = __real_realloc(p, n);
    if (!p) {
        abort();
    }
    return p;
}

void *fs_alloc(size_t n)
{
    void *p = fs_grow(NULL, n ? n : 1);
    memset(p, 0, n);
    return p;
}

void fs_init(struct fs *f, struct rng *rng)
{
    *f = (struct fs){.rng = rng};
}

void fs_deinit(struct fs *f)
{
    while (f->inodes) {
        struct fs_inode *n = f->inodes;
        f->inodes = n->next;
        for (size_t i = 0; i < n->nlog; i++) {
            free(n->log[i].buf);
        }
        free(n->log);
        free(n->data);
        free(n->hole);
        free(n->touched);
        free(n);
    }
    while (f->dirs) {
        struct fs_dir *d = f->dirs;
        f->dirs = d->next;
        free(d->ops);
        free(d);
    }
}

static int dead(struct vr_err *err)
{
    return vr_fail(err, VR_E_IO, "the host is dead");
}

int fs_gate(struct fs *f, enum fs_op op, bool *ret_apply, struct vr_err *err)
{
    *ret_apply = false;
    if (f->dead) {
        return dead(err);
    }
    f->ops++;
    f->op_seen[op]++;
    if (f->then.at && f->ops >= f->plan.at + VR_MAX(f->plan.for_ops, 1u)) {
        f->plan = f->then;
        f->plan.at += f->ops;
        f->then = (struct fs_plan){0};
    }
    const struct fs_plan *p = &f->plan;
    if (p->at == 0 || f->ops < p->at || f->ops >= p->at + VR_MAX(p->for_ops, 1u)) {
        *ret_apply = true;
        return 0;
    }
    f->injected[p->fault]++;
    switch (p->fault) {
    case FS_DIE_AFTER:
        *ret_apply = true;
        /* fall through */
    case FS_DIE_BEFORE:
        f->dead = true;
        f->died_in = op;
        return dead(err);
    case FS_EIO:
        /* The name may have been changed before the directory could be synced. */
        *ret_apply = op == FS_REPLACE && rng_chance(f->rng, 50);
        return vr_fail(err, VR_E_IO, "injected I/O error");
    case FS_NOSPACE:
        if (op == FS_APPEND || op == FS_WRITE || op == FS_RESERVE || op == FS_REPLACE ||
            op == FS_CREATE || op == FS_SAVE || op == FS_ZERO) {
            return vr_fail(err, VR_E_NOSPACE, "injected full disk");
        }
        break;
    default:
        break;
    }
    *ret_apply = true;
    return 0;
}

/* --- files --- */

struct fs_inode *fs_inode_new(struct fs *f, bool image, uint64_t size)
{
    struct fs_inode *n = fs_alloc(sizeof *n);
    n->fs = f;
    n->image = image;
    n->number = ++f->numbers;
    n->next = f->inodes;
    f->inodes = n;
    if (image) {
        n->size = n->room = size;
        n->data = __real_calloc(1, size);
        n->hole = fs_alloc(vr_div_up(size, FS_BLOCK));
        n->touched = fs_alloc(vr_div_up(size, FS_BLOCK));
        memset(n->hole, 1, vr_div_up(size, FS_BLOCK));
    }
    return n;
}

static void make_room(struct fs_inode *n, uint64_t size)
{
    if (size <= n->room) {
        return;
    }
    uint64_t room = VR_MAX(size, n->room * 2);
    n->data = fs_grow(n->data, room);
    memset(n->data + n->room, 0, room - n->room);
    if (n->image) {
        size_t had = vr_div_up(n->room, FS_BLOCK), has = vr_div_up(room, FS_BLOCK);
        n->hole = fs_grow(n->hole, has);
        n->touched = fs_grow(n->touched, has);
        memset(n->hole + had, 1, has - had);
        memset(n->touched + had, 0, has - had);
    }
    n->room = room;
}

static struct fs_write *log_add(struct fs_inode *n)
{
    if (n->nlog == n->log_room) {
        n->log_room = n->log_room ? n->log_room * 2 : 16;
        n->log = fs_grow(n->log, n->log_room * sizeof n->log[0]);
    }
    struct fs_write *w = &n->log[n->nlog++];
    *w = (struct fs_write){.old_size = n->size, .new_size = n->size};
    return w;
}

static void mark_data(struct fs_inode *n, uint64_t off, uint64_t len, bool hole)
{
    uint64_t from = off / FS_BLOCK, to = vr_div_up(off + len, FS_BLOCK);
    if (n->image && hole) { /* only whole blocks become holes */
        from = vr_div_up(off, FS_BLOCK);
        to = off + len == n->size ? to : (off + len) / FS_BLOCK;
    }
    if (n->image && from < to) {
        memset(n->hole + from, hole, to - from);
    }
}

void fs_change(struct fs_inode *n, uint64_t off, const void *p, uint64_t len)
{
    struct fs_write *w = log_add(n);
    w->off = off;
    w->len = len;
    w->new_size = VR_MAX(n->size, off + len);
    make_room(n, w->new_size);
    w->buf = fs_grow(NULL, len ? len : 1);
    n->size = w->new_size;
    if (len > 0) { /* an empty file may have no data to point to */
        memcpy(w->buf, n->data + off, len);
        if (p) {
            memcpy(n->data + off, p, len);
        } else {
            memset(n->data + off, 0, len);
        }
    }
    mark_data(n, off, len, !p);
    n->version++;
}

void fs_resize(struct fs_inode *n, uint64_t size)
{
    if (size < n->size) {
        fs_change(n, size, NULL, n->size - size); /* what is cut off is zero when it comes back */
    }
    struct fs_write *w = log_add(n);
    w->whole = true;
    w->new_size = size;
    make_room(n, size);
    n->size = size;
    n->version++;
}

void fs_synced(struct fs_inode *n)
{
    bool doubt = false;
    for (size_t i = 0; i < n->nlog; i++) {
        doubt = doubt || n->log[i].in_doubt;
    }
    for (size_t i = 0; i < n->nlog; i++) {
        n->log[i].durable = !n->log[i].in_doubt;
        if (!doubt) {
            free(n->log[i].buf);
        }
    }
    n->nlog = doubt ? n->nlog : 0;
}

void fs_sync_failed(struct fs_inode *n)
{
    for (size_t i = 0; i < n->nlog; i++) {
        n->log[i].in_doubt = !n->log[i].durable;
    }
}

static void swap_bytes(struct fs_inode *n, struct fs_write *w)
{
    for (uint64_t i = 0; i < w->len; i++) {
        uint8_t x = n->data[w->off + i];
        n->data[w->off + i] = w->buf[i];
        w->buf[i] = x;
    }
}

/* Sectors of a torn write reach the disk or not, each by itself. */
static void apply_torn(struct fs_inode *n, const struct fs_write *w)
{
    for (uint64_t at = 0; at < w->len;) {
        uint64_t len = VR_MIN(512 - (w->off + at) % 512, w->len - at);
        if (rng_chance(n->fs->rng, 50)) {
            memcpy(n->data + w->off + at, w->buf + at, len);
        }
        at += len;
    }
}

static void undo_all(struct fs_inode *n)
{
    for (size_t i = n->nlog; i-- > 0;) {
        struct fs_write *w = &n->log[i];
        swap_bytes(n, w);
        n->size = w->old_size;
    }
}

void fs_drop_cache(struct fs_inode *n)
{
    size_t kept = 0, doubts = 0;
    for (size_t i = 0; i < n->nlog; i++) {
        doubts += n->log[i].in_doubt;
    }
    if (doubts == 0) {
        return;
    }
    undo_all(n);
    for (size_t i = 0; i < n->nlog; i++) {
        struct fs_write w = n->log[i];
        bool dirty = !w.durable && !w.in_doubt;
        if (dirty || w.durable) {
            w.old_size = n->size;
            swap_bytes(n, &w);
            n->size = w.whole ? w.new_size : VR_MAX(n->size, w.new_size);
        } else if (rng_chance(n->fs->rng, 50)) {
            apply_torn(n, &w);
            n->size = w.whole ? w.new_size : VR_MAX(n->size, w.new_size);
        }
        mark_data(n, w.off, w.len, false);
        if (dirty) {
            n->log[kept++] = w;
        } else {
            free(w.buf);
        }
    }
    n->nlog = kept;
}

static void inode_power(struct fs_inode *n)
{
    undo_all(n);
    unsigned mood = (unsigned)rng_below(n->fs->rng, 4); /* mostly lost, mostly kept, or any */
    for (size_t i = 0; i < n->nlog; i++) {
        struct fs_write *w = &n->log[i];
        unsigned dice = (unsigned)rng_below(n->fs->rng, 100);
        dice = mood == 0 ? dice / 3 : mood == 1 ? 66 + dice / 3 : dice;
        bool keep = w->durable || dice >= 66;
        bool torn = !keep && dice >= 33;
        n->fs->dropped += !keep && !torn;
        n->fs->torn += torn;
        if (keep && w->len) {
            memcpy(n->data + w->off, w->buf, w->len);
        } else if (torn && w->len) {
            apply_torn(n, w);
        }
        if (keep || torn) {
            n->size = w->whole ? w->new_size : VR_MAX(n->size, w->new_size);
        }
        if (n->image) {
            mark_data(n, w->off, w->len, false);
        }
        free(w->buf);
    }
    n->nlog = 0;
    if (n->data &&
        n->room > n->size) { /* what lies behind the end is zero when the file grows again */
        memset(n->data + n->size, 0, n->room - n->size);
    }
}

/* --- names --- */

struct fs_inode *names_find(const struct fs_names *t, const char *name)
{
    for (size_t i = 0; i < t->n; i++) {
        if (strcmp(t->e[i].name, name) == 0) {
            return t->e[i].inode;
        }
    }
    return NULL;
}

static void names_set(struct fs_names *t, const char *name, struct fs_inode *inode)
{
    size_t i = 0;
    while (i < t->n && strcmp(t->e[i].name, name) != 0) {
        i++;
    }
    if (!inode) {
        if (i < t->n) {
            t->e[i] = t->e[--t->n];
        }
        return;
    }
    vr_assert(i < VR_COUNT(t->e));
    snprintf(t->e[i].name, FS_NAME, "%s", name);
    t->e[i].inode = inode;
    t->n = VR_MAX(t->n, i + 1);
}

static void names_apply(struct fs_names *t, const struct fs_dirop *op)
{
    if (op->to[0]) {
        struct fs_inode *inode = names_find(t, op->name);
        names_set(t, op->name, NULL);
        names_set(t, op->to, inode);
        return;
    }
    names_set(t, op->name, op->inode);
}

void dir_op(struct fs_dir *d, const char *name, const char *to, struct fs_inode *inode)
{
    if (d->nops == d->ops_room) {
        d->ops_room = d->ops_room ? d->ops_room * 2 : 8;
        d->ops = fs_grow(d->ops, d->ops_room * sizeof d->ops[0]);
    }
    struct fs_dirop *op = &d->ops[d->nops++];
    *op = (struct fs_dirop){.inode = inode};
    vr_assert(strlen(name) < FS_NAME && (!to || strlen(to) < FS_NAME));
    snprintf(op->name, FS_NAME, "%s", name);
    snprintf(op->to, FS_NAME, "%s", to ? to : "");
    names_apply(&d->cur, op);
}

struct fs_dir *fs_dir_of(struct fs *f, const char *path, bool create)
{
    for (struct fs_dir *d = f->dirs; d; d = d->next) {
        if (strcmp(d->path, path) == 0) {
            return d;
        }
    }
    if (!create) {
        return NULL;
    }
    struct fs_dir *d = fs_alloc(sizeof *d);
    d->fs = f;
    snprintf(d->path, sizeof d->path, "%s", path);
    d->next = f->dirs;
    return f->dirs = d;
}

uint64_t fs_used(struct fs *f)
{
    uint64_t used = 0;
    for (struct fs_dir *d = f->dirs; d; d = d->next) {
        for (size_t i = 0; i < d->cur.n; i++) {
            used += d->cur.e[i].inode->image ? 0 : d->cur.e[i].inode->size;
        }
    }
    return used;
}

void fs_crash(struct fs *f, bool power)
{
    vr_assert(f->live_handles == 0);
    f->dead = false;
    f->plan = f->then = (struct fs_plan){0};
    for (struct fs_inode *n = f->inodes; n; n = n->next) {
        n->readers = 0;
        n->owned = false;
        if (power) {
            inode_power(n);
        }
    }
    for (struct fs_dir *d = f->dirs; power && d; d = d->next) {
        size_t keep = rng_below(f->rng, d->nops + 1);
        f->lost_names += d->nops - keep;
        for (size_t i = 0; i < keep; i++) {
            names_apply(&d->dur, &d->ops[i]);
        }
        d->cur = d->dur;
        d->nops = 0;
    }
}

/* --- for the world --- */

struct fs_inode *fs_lookup(struct fs *f, const char *path, const char *name)
{
    struct fs_dir *d = fs_dir_of(f, path, false);
    return d ? names_find(&d->cur, name) : NULL;
}

const uint8_t *fs_bytes(const struct fs_inode *n, uint64_t *ret_size)
{
    *ret_size = n->size;
    return n->data;
}

void fs_poke(struct fs_inode *n, uint64_t off, const void *p, size_t len)
{
    vr_assert(off + len <= n->size);
    if (n->nlog) { /* a later crash must not undo it */
        fs_change(n, off, p, len);
        n->log[n->nlog - 1].durable = true;
        return;
    }
    memcpy(n->data + off, p, len);
    mark_data(n, off, len, false);
    n->version++;
}

void fs_set_size(struct fs_inode *n, uint64_t size)
{
    vr_assert(n->nlog == 0);
    fs_resize(n, size);
    fs_synced(n);
}

void fs_remove(struct fs *f, const char *path, const char *name)
{
    struct fs_dir *d = fs_dir_of(f, path, true);
    dir_op(d, name, NULL, NULL);
    d->dur = d->cur;
    d->nops = 0;
}

void fs_punch(struct fs_inode *n, uint64_t off, uint64_t len)
{
    memset(n->data + off, 0, len);
    mark_data(n, off, len, true);
    n->version++;
}

struct fs_inode *fs_make(struct fs *f, const char *path, const char *name, uint64_t size)
{
    struct fs_dir *d = fs_dir_of(f, path, true);
    struct fs_inode *n = fs_inode_new(f, true, size);
    dir_op(d, name, NULL, n);
    d->dur = d->cur;
    d->nops = 0;
    return n;
}

size_t fs_copy_dir(struct fs *from, struct fs *to, const char *path)
{
    const struct fs_dir *src = fs_dir_of(from, path, false);
    if (!src || src->cur.n == 0) {
        return 0;
    }
    struct fs_dir *dst = fs_dir_of(to, path, true);
    dst->cur.n = 0;
    for (size_t i = 0; i < src->cur.n; i++) {
        const struct fs_inode *n = src->cur.e[i].inode;
        struct fs_inode *copy = fs_inode_new(to, n->image, n->image ? n->size : 0);
        fs_change(copy, 0, n->data, n->size);
        fs_synced(copy);
        dir_op(dst, src->cur.e[i].name, NULL, copy);
    }
    dst->dur = dst->cur;
    dst->nops = 0;
    return src->cur.n;
}

void fs_spoil_dir(struct fs *f, const char *path)
{
    struct fs_dir *d = fs_dir_of(f, path, true);
    size_t i = rng_below(f->rng, d->cur.n);
    struct fs_inode *n = d->cur.e[i].inode;
    if (n->size == 0 || rng_chance(f->rng, 25)) {
        dir_op(d, d->cur.e[i].name, NULL, NULL);
        d->dur = d->cur;
        d->nops = 0;
        return;
    }
    uint64_t at = rng_below(f->rng, n->size);
    uint8_t byte = n->data[at] ^ (uint8_t)(1u << rng_below(f->rng, 8));
    fs_change(n, at, &byte, 1);
    fs_synced(n);
}

bool fs_locked(const struct fs_inode *n)
{
    return n->owned || n->seized || n->readers;
}

bool fs_seize(struct fs_inode *n)
{
    bool got = !fs_locked(n);
    n->seized = n->seized || got;
    return got;
}

void fs_release(struct fs_inode *n)
{
    n->seized = false;
}

bool fs_touched(const struct fs_inode *n, uint64_t block)
{
    return n->touched[block];
}

void fs_forget_touched(struct fs_inode *n)
{
    memset(n->touched, 0, vr_div_up(n->room, FS_BLOCK));
}
