/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/resync/fixture.h"

#include <unistd.h>

#include "util/uuid.h"

static void test_random(void *ctx, void *p, size_t n)
{
    vr_random(p, n);
}

void fill(struct block_dev *d, uint64_t off, size_t len, uint8_t seed)
{
    struct vr_err err = VR_ERR_INIT;
    uint8_t *p = malloc(len);
    uint32_t x = seed * 2654435761u + 1;
    for (size_t i = 0; i < len; i++) {
        x = x * 1664525u + 1013904223u;
        p[i] = (uint8_t)(x >> 24);
    }
    CHECK_OK(block_write(d, p, len, off, &err), &err);
    free(p);
}

struct replica *open_replica(struct fixture *f)
{
    struct vr_err err = VR_ERR_INIT;
    struct stor *s;
    struct replica *r;
    CHECK_OK(stor_dir_open(f->dir, true, f->dir, &s, &err), &err);
    CHECK_OK(replica_open(s, &r, &err), &err);
    return r;
}

static void setup_disks(struct fixture *f, bool seeded, const uint64_t *sizes, uint32_t n)
{
    struct vr_err err = VR_ERR_INIT;
    memset(f, 0, sizeof *f);
    f->now_us = 1000000;
    snprintf(f->dir, sizeof f->dir, "/tmp/vr-lane-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->req.vm_id = f->rel.vm_id = vr_uuid_new();
    snprintf(f->req.vm_name, sizeof f->req.vm_name, "vm1");
    snprintf(f->rel.peer, sizeof f->rel.peer, "h1");
    snprintf(f->rel.peer_identity, sizeof f->rel.peer_identity, "h1");
    f->req.ndisks = n;
    for (uint32_t i = 0; i < n; i++) {
        snprintf(f->req.disks[i].name, VR_NAME_MAX, "vd%c", 'a' + i);
        snprintf(f->req.disks[i].format, VR_FORMAT_MAX, "raw");
        f->req.disks[i].size_bytes = sizes[i];
        CHECK_OK(block_mem_new(sizes[i], &f->src[i], &err), &err);
    }
    struct stor *s;
    CHECK_OK(stor_dir_open(f->dir, true, f->dir, &s, &err), &err);
    CHECK_OK(replica_create(s, &f->rel, &f->req, NULL,
                            seeded ? REPLICA_IMAGES_SEEDED : REPLICA_IMAGES_REFUSED, &err),
             &err);
    stor_close(s);
}

void setup(struct fixture *f, bool seeded)
{
    const uint64_t sizes[] = {SIZE_A, SIZE_B};
    setup_disks(f, seeded, sizes, 2);
}

void setup_one(struct fixture *f, uint64_t size)
{
    setup_disks(f, false, &size, 1);
}

void teardown(struct fixture *f)
{
    char cmd[128];
    for (size_t i = 0; i < VR_COUNT(f->src); i++) {
        block_close(f->src[i]);
    }
    snprintf(cmd, sizeof cmd, "rm -rf %s", f->dir);
    assert_int_equal(system(cmd), 0);
}

/* --- a link that counts, and breaks what it is told to --- */

struct tap {
    struct link link;
    struct link *next;
    struct fixture *f;
};

static void count(struct traffic *t, uint8_t type, size_t len)
{
    t->frames[type]++;
    t->bytes += 5 + len;
}

static int tap_send(struct link *l,
                    uint8_t type,
                    const void *head,
                    size_t head_len,
                    const void *body,
                    size_t body_len,
                    struct vr_err *err)
{
    struct tap *t = (struct tap *)l;
    count(&t->f->out, type, head_len + body_len);
    uint8_t forged[1 + VR_DISKS_MAX * 32];
    if (t->f->forge && head_len && head_len <= sizeof forged) {
        head = memcpy(forged, head, head_len);
        t->f->forge(type, forged, head_len);
    }
    int r = link_send(t->next, type, head, head_len, body, body_len, err);
    return r == 0 && type == MSG_DEFINITION && t->f->definition_twice
               ? link_send(t->next, type, head, head_len, body, body_len, err)
               : r;
}

static int tap_recv(struct link *l,
                    uint8_t *ret_type,
                    const uint8_t **ret_data,
                    size_t *ret_len,
                    struct vr_err *err)
{
    struct tap *t = (struct tap *)l;
    int r = link_recv(t->next, ret_type, ret_data, ret_len, err);
    if (r > 0) {
        count(&t->f->in, *ret_type, *ret_len);
        assert_true(*ret_type != MSG_REPLY ||
                    msg_get_reply(*ret_data, *ret_len, &t->f->reply, NULL) == 0);
    }
    return r;
}

static int tap_flush(struct link *l, struct vr_err *err)
{
    return link_flush(((struct tap *)l)->next, err);
}

static size_t tap_pending(struct link *l)
{
    return link_pending(((struct tap *)l)->next);
}

static int tap_wait(struct link *l, int wake_fd, int timeout_ms, struct vr_err *err)
{
    return link_wait(((struct tap *)l)->next, wake_fd, timeout_ms, err);
}

static void tap_counters(struct link *l, uint64_t *ret_out, uint64_t *ret_in)
{
    link_counters(((struct tap *)l)->next, ret_out, ret_in);
}

static void tap_close(struct link *l)
{
    struct tap *t = (struct tap *)l;
    link_close(t->next);
    free(t);
}

static struct link *tap_over(struct fixture *f, struct link *next)
{
    static const struct link_ops ops = {"tap",       tap_send, tap_recv,     tap_flush,
                                        tap_pending, tap_wait, tap_counters, tap_close};
    struct tap *t = calloc(1, sizeof *t);
    assert_non_null(t);
    t->link.ops = &ops;
    t->next = next;
    t->f = f;
    memset(&f->out, 0, sizeof f->out);
    memset(&f->in, 0, sizeof f->in);
    f->flights = 0;
    return &t->link;
}

struct ends {
    struct fixture *f;
    struct source *s;
    struct target *t;
    struct link *b; /* the target's end */
    enum lane_status ss, ts;
};

static int step_source(struct ends *e, struct vr_err *err)
{
    struct vr_uuid proposed;
    uint32_t w;
    uint64_t before = e->f->out.bytes;
    int r = e->ss == LANE_DONE ? 0 : source_step(e->s, e->f->now_us, &e->ss, &w, err);
    if (r == 0 && source_wants_proposed(e->s, &proposed)) {
        source_proposed_saved(e->s);
        e->ss = LANE_AGAIN;
    }
    e->f->out.bursts += e->f->out.bytes != before;
    return r;
}

static void step_target(struct ends *e)
{
    struct vr_err err = VR_ERR_INIT;
    uint64_t before, after, in;
    uint32_t w;
    link_counters(e->b, &before, &in);
    before += link_pending(e->b);
    if (e->ts != LANE_DONE && target_step(e->t, e->f->now_us, &e->ts, &w, &err) < 0) {
        e->ts = LANE_DONE;
    }
    link_counters(e->b, &after, &in);
    after += link_pending(e->b);
    e->f->in.bursts += after != before;
}

/* Each side goes on until it has to wait for the other. */
static int run_flight(struct ends *e, struct vr_err *err)
{
    uint64_t out = e->f->out.bursts, in = e->f->in.bursts;
    int r;
    do {
        r = step_source(e, err);
    } while (r == 0 && e->ss == LANE_AGAIN);
    e->f->flights += e->f->out.bursts != out;
    do {
        step_target(e);
    } while (e->ts == LANE_AGAIN);
    e->f->flights += e->f->in.bursts != in;
    return r;
}

static int run_ends(struct ends *e, int max_steps, struct vr_err *err)
{
    int idle = 0;
    for (int i = 0; i < max_steps && (e->ss != LANE_DONE || e->ts != LANE_DONE); i++) {
        e->f->now_us += e->f->tick_us ? e->f->tick_us : 1000;
        int r = e->f->by_flights ? run_flight(e, err) : step_source(e, err);
        if (r < 0) {
            return r;
        }
        if (!e->f->by_flights) {
            step_target(e);
        }
        idle = e->ss == LANE_WAIT && e->ts == LANE_WAIT ? idle + 1 : 0;
        assert_true(idle < (e->f->bandwidth ? 100000 : 3)); /* a deadlock */
    }
    return 0;
}

int transfer(struct fixture *f,
             enum vr_transfer_kind kind,
             int max_steps,
             bool *ret_completed,
             struct vr_err *err)
{
    struct link *a, *b;
    struct source *s;
    struct target *t = NULL;
    struct target_params tp = {.random = test_random};
    struct source_params sp = {.random = test_random,
                               .ndisks = f->req.ndisks,
                               .disks = {f->src[0], f->src[1], f->src[2], f->src[3]}};
    f->req.op = VR_PEER_OPEN;
    f->req.kind = kind;
    f->req.job = vr_uuid_new();
    f->req.instant = vr_uuid_new();
    memcpy(f->req.history, f->history, sizeof f->history);
    f->req.nhistory = f->nhistory;
    sp.open = f->req;
    sp.open.umac = f->umac_here;
    sp.bandwidth_bytes_s = f->bandwidth;
    sp.uncompressed = f->uncompressed;
    sp.definition = f->definition;
    sp.definition_len = f->definition_len;
    sp.hint = f->hint;
    struct replica *rep = open_replica(f);
    CHECK_OK(link_loop_new(&a, &b, err), err);
    a = tap_over(f, a);
    CHECK_OK(source_new(&sp, a, &s, err), err);
    int r = replica_lock(rep, err);
    if (r == 0) {
        r = replica_check(rep, &f->req, &tp.reply, err);
    }
    if (r < 0) {
        goto out;
    }
    /* the daemon's part: HELLO and REQUEST */
    uint8_t type;
    const uint8_t *p;
    size_t n;
    struct vr_peer_request got;
    assert_int_equal(link_recv(b, &type, &p, &n, err), 1);
    assert_int_equal(type, MSG_HELLO);
    CHECK_OK(link_send(b, MSG_HELLO, p, n, NULL, 0, err), err);
    assert_int_equal(link_recv(b, &type, &p, &n, err), 1);
    CHECK_OK(msg_get_request(p, n, &got, err), err);
    tp.open = got;
    tp.replica = rep;
    tp.umac = f->umac_there;
    CHECK_OK(target_new(&tp, b, &t, err), err);
    struct ends e = {f, s, t, b, LANE_AGAIN, LANE_AGAIN};
    r = run_ends(&e, max_steps, err);
    const struct source_outcome *o = source_outcome(s);
    *ret_completed = o->completed;
    f->report = o->report;
    f->sent = source_progress(s)->bytes_sent;
    f->progress = *source_progress(s);
    f->differing = source_progress(s)->bytes_differing;
    if (o->completed && kind != VR_TRANSFER_VERIFY) {
        memmove(f->history + 1, f->history, sizeof f->history - sizeof f->history[0]);
        f->history[0] = o->generation.uuid;
        f->nhistory = VR_MIN(f->nhistory + 1, 8u);
    }
out:
    source_free(s);
    target_free(t);
    link_close(a);
    link_close(b);
    replica_close(rep);
    return r;
}

void check_equal(struct fixture *f)
{
    struct vr_err err = VR_ERR_INIT;
    for (uint32_t d = 0; d < f->req.ndisks; d++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%.20s.raw", f->dir, f->req.disks[d].name);
        struct block_dev *dev;
        CHECK_OK(block_file_open(path, BLOCK_READ_ONLY, &dev, &err), &err);
        size_t n = f->src[d]->size_bytes;
        assert_int_equal(dev->size_bytes, n);
        uint8_t *x = malloc(n), *y = malloc(n);
        for (size_t off = 0; off < n; off += VR_MIB) {
            size_t m = VR_MIN(VR_MIB, n - off);
            CHECK_OK(block_read(dev, x + off, m, off, &err), &err);
            CHECK_OK(block_read(f->src[d], y + off, m, off, &err), &err);
        }
        assert_memory_equal(x, y, n);
        free(x);
        free(y);
        block_close(dev);
    }
}

void damage(struct fixture *f, const char *disk, uint64_t off, const char *bytes)
{
    char path[128];
    struct vr_err err = VR_ERR_INIT;
    struct block_dev *dev;
    snprintf(path, sizeof path, "%s/%s.raw", f->dir, disk);
    CHECK_OK(block_file_open(path, 0, &dev, &err), &err);
    CHECK_OK(block_write(dev, bytes, strlen(bytes), off, &err), &err);
    block_close(dev);
}

void initial(struct fixture *f)
{
    struct vr_err err = VR_ERR_INIT;
    bool done = false;
    fill(f->src[0], 0, 100000, 1);
    fill(f->src[0], SIZE_A - 5000, 5000, 2);
    fill(f->src[1], VR_MIB, VR_MIB, 3);
    CHECK_OK(transfer(f, VR_TRANSFER_INITIAL, 100000, &done, &err), &err);
    assert_true(done);
    check_equal(f);
}
