/* SPDX-License-Identifier: Apache-2.0 */
/* Deltas: what a hint restricts, when it is not used, what it never hides. */
#include "resync/replica_priv.h"
#include "tests/unit/resync/fixture.h"

#define SIZE_ALL (SIZE_A + SIZE_B)
#define NODE_A5 (4096 + 512) /* bytes of the short last node of vda */

static void random_bytes(void *ctx, void *p, size_t n)
{
    vr_random(p, n);
}

static struct hint *new_hint(const struct fixture *f)
{
    struct vr_err err = VR_ERR_INIT;
    struct hint *h;
    CHECK_OK(hint_new(&f->req, &h, &err), &err);
    return h;
}

static void begin(struct fixture *f)
{
    setup(f, false);
    fill(f->src[0], 2 * VR_MIB, VR_MIB, 7);
    fill(f->src[1], 0, 3 * VR_MIB, 8);
    initial(f);
    f->hint = new_hint(f);
}

static void end(struct fixture *f)
{
    hint_free(f->hint);
    teardown(f);
}

static uint64_t compared(const struct fixture *f)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < f->report.ndisks; i++) {
        n += f->report.disks[i].bytes_compared;
    }
    return n;
}

static void must_complete(struct fixture *f)
{
    struct vr_err err = VR_ERR_INIT;
    bool done = false;
    CHECK_OK(transfer(f, VR_TRANSFER_RESYNC, 100000, &done, &err), &err);
    assert_true(done);
}

static void test_only_what_is_named_is_compared(void **state)
{
    struct fixture f;
    begin(&f);
    fill(f.src[0], VR_MIB + 8192, 5000, 20);
    fill(f.src[0], SIZE_A - 100, 100, 21); /* the short last node */
    fill(f.src[1], 2 * VR_MIB, 4096, 22);
    hint_mark(f.hint, 0, VR_MIB + 8192, 5000);
    hint_mark(f.hint, 0, SIZE_A - 100, 100000);
    hint_mark(f.hint, 1, 2 * VR_MIB, 1);
    f.by_flights = true;
    must_complete(&f);
    assert_int_equal(compared(&f), 2 * VR_MIB + NODE_A5);
    assert_int_equal(f.report.disks[0].bytes_compared, VR_MIB + NODE_A5);
    const struct vr_flow *flow = &f.progress.flow;
    assert_int_equal(flow->unchanged_bytes, SIZE_A + SIZE_B - compared(&f));
    assert_int_equal(flow->read_bytes, compared(&f));
    assert_int_equal(flow->peer_read_bytes, compared(&f));
    assert_int_equal(flow->zero_bytes, 0);
    assert_int_equal(flow->raw_bytes, f.differing);
    assert_string_equal(f.report.outcome, "equal where it may have changed");
    assert_int_equal(f.differing, 8192 + 512 + 4096);
    assert_int_equal(f.flights, 5); /* as without a hint */
    check_equal(&f);
    end(&f);
}

static void test_nothing_changed(void **state)
{
    struct fixture f;
    begin(&f);
    f.by_flights = true;
    must_complete(&f);
    assert_int_equal(compared(&f), 0);
    assert_int_equal(f.in.frames[MSG_DIGESTS] + f.in.frames[MSG_ZEROES], 0);
    assert_int_equal(f.in.frames[MSG_SKIPPED], 2);
    assert_int_equal(f.flights, 3);
    check_equal(&f);
    struct replica *r = open_replica(&f);
    assert_int_equal(replica_generation(r)->sequence, 2); /* a later instant of the same bytes */
    replica_close(r);
    end(&f);
}

/* A wrong hint leaves the replica different: this is what nothing but a compare finds. */
static void test_a_resynchronization_finds_what_a_hint_hides(void **state)
{
    struct fixture f;
    begin(&f);
    fill(f.src[1], VR_MIB, 4096, 30);
    hint_mark(f.hint, 0, 0, 1);
    must_complete(&f);
    assert_int_equal(f.differing, 0);
    struct hint *h = TAKE_PTR(f.hint);
    must_complete(&f);
    assert_int_equal(f.differing, 4096);
    assert_int_equal(compared(&f), SIZE_ALL);
    assert_string_equal(f.report.outcome, "equal");
    check_equal(&f);
    f.hint = h;
    end(&f);
}

/* A verification of what the hint names: a dry run. It asks for no generation, and leaves nothing
 * behind. */
static void test_a_sample_is_compared(void **state)
{
    struct fixture f;
    struct vr_err err = VR_ERR_INIT;
    bool done = false;
    begin(&f);
    struct layout layout;
    layout_init(&layout, &f.req);
    fill(f.src[1], VR_MIB, 4096, 30);
    fill(f.src[1], 2 * VR_MIB, 8192, 31); /* not in the sample */
    damage(&f, "vda", VR_MIB + 5, "written by somebody");
    hint_mark(f.hint, 0, VR_MIB, 1);
    hint_mark(f.hint, 1, VR_MIB, 1);
    f.history[0] = vr_uuid_new(); /* the replica is at another one */
    f.req.force = true;
    CHECK_OK(transfer(&f, VR_TRANSFER_VERIFY, 100000, &done, &err), &err);
    assert_true(done);
    assert_int_equal(compared(&f), 2 * VR_MIB);
    assert_int_equal(f.differing, 2 * 4096);
    assert_int_equal(f.out.frames[MSG_DATA] + f.out.frames[MSG_ZERO], 0);
    assert_string_equal(f.report.outcome, "a sample was compared");
    const struct vr_forecast *c = &f.report.forecast;
    assert_int_equal(c->sampled_bytes, 2 * VR_MIB);
    assert_int_equal(c->differing_bytes, layout.nodes * 4096);
    assert_true(c->margin_bytes == 0); /* both nodes are alike */
    assert_true(c->wire_bytes > 0 && c->wire_bytes <= layout.nodes * 4096);
    struct replica *r = open_replica(&f);
    assert_int_equal(replica_generation(r)->sequence, 1);
    struct run_name runs[RUNS_MAX];
    size_t nruns;
    CHECK_OK(replica_runs(r, runs, &nruns, &err), &err);
    assert_int_equal(nruns, 0);
    replica_close(r);
    end(&f);
}

static void forget_flag(uint8_t type, uint8_t *head, size_t len);

/* It would compare everything, which nobody asked for. */
static void test_an_older_replica_host_samples_nothing(void **state)
{
    struct fixture f;
    struct vr_err err = VR_ERR_INIT;
    bool done = false;
    begin(&f);
    hint_mark(f.hint, 0, VR_MIB, 1);
    f.forge = forget_flag;
    assert_int_equal(transfer(&f, VR_TRANSFER_VERIFY, 100000, &done, &err), -VR_E_UNSUPPORTED);
    assert_false(done);
    assert_non_null(strstr(vr_err_text(&err), "cannot compare a sample"));
    end(&f);
}

static void test_a_replica_that_changed_alone_is_compared(void **state)
{
    struct fixture f;
    begin(&f);
    damage(&f, "vdb", VR_MIB + 5, "written by somebody");
    must_complete(&f);
    assert_int_equal(f.differing, 4096);
    assert_int_equal(compared(&f), SIZE_ALL);
    check_equal(&f);
    end(&f);
}

/* The hint is about another generation than the replica's. */
static void test_another_base_is_compared(void **state)
{
    struct fixture f;
    begin(&f);
    fill(f.src[1], VR_MIB, 4096, 30);
    f.history[1] = f.history[0];
    f.history[0] = vr_uuid_new();
    f.nhistory = 2;
    must_complete(&f);
    assert_int_equal(f.differing, 4096);
    assert_int_equal(compared(&f), SIZE_ALL);
    check_equal(&f);
    end(&f);
}

static void test_force_compares(void **state)
{
    struct fixture f;
    begin(&f);
    fill(f.src[1], VR_MIB, 4096, 30);
    f.req.force = true;
    must_complete(&f);
    assert_int_equal(compared(&f), SIZE_ALL);
    check_equal(&f);
    end(&f);
}

/* As a version that does not know of hints: the flag means nothing to it, frames are skipped. */
static void forget_flag(uint8_t type, uint8_t *head, size_t len)
{
    if (type == MSG_REQUEST) {
        head[len - 32 - 32 - 1] &= (uint8_t)~4u;
    }
}

static void test_an_older_replica_host_compares(void **state)
{
    struct fixture f;
    begin(&f);
    fill(f.src[1], VR_MIB, 4096, 30);
    f.forge = forget_flag;
    must_complete(&f);
    assert_true(f.out.frames[MSG_HINT] > 0);
    assert_int_equal(f.in.frames[MSG_SKIPPED], 0);
    assert_int_equal(compared(&f), SIZE_ALL);
    check_equal(&f);
    end(&f);
}

/* A transfer that was cut staged blocks which the next hint does not name: since they would be
 * written, they are compared; and the source has gone back to what it was. */
static void test_what_is_staged_is_compared(void **state)
{
    struct fixture f;
    struct vr_err err = VR_ERR_INIT;
    struct hint *h;
    uint8_t was[200000];
    begin(&f);
    h = TAKE_PTR(f.hint);
    CHECK_OK(block_read(f.src[1], was, sizeof was, VR_MIB, &err), &err);
    fill(f.src[1], VR_MIB, sizeof was, 40);
    size_t runs = 0;
    for (int steps = 3; runs == 0; steps++) {
        struct run_name names[RUNS_MAX];
        bool done = false;
        CHECK_OK(transfer(&f, VR_TRANSFER_RESYNC, steps, &done, &err), &err);
        assert_false(done);
        struct replica *r = open_replica(&f);
        CHECK_OK(replica_runs(r, names, &runs, &err), &err);
        replica_close(r);
    }
    CHECK_OK(block_write(f.src[1], was, sizeof was, VR_MIB, &err), &err);
    f.hint = h;
    hint_mark(f.hint, 0, 0, 1);
    must_complete(&f);
    assert_int_equal(compared(&f), 2 * VR_MIB); /* what is named, and what is staged */
    check_equal(&f);
    end(&f);
}

static void skip_first_hint(uint8_t type, uint8_t *head, size_t len)
{
    if (type == MSG_HINT) {
        head[0] ^= 1;
    }
}

static void test_hints_out_of_order_end_the_session(void **state)
{
    struct fixture f;
    struct vr_err err = VR_ERR_INIT;
    bool done = false;
    begin(&f);
    f.forge = skip_first_hint;
    CHECK_FAILS(transfer(&f, VR_TRANSFER_RESYNC, 100000, &done, &err), &err, VR_E_PROTOCOL,
                "out of order");
    end(&f);
}

/* --- a replica host that cheats --- */

static void put_reply(struct link *l, const struct vr_peer_reply *reply)
{
    struct vr_buf b;
    vr_buf_init(&b, 4096);
    msg_put_reply(&b, reply);
    assert_int_equal(link_send(l, MSG_REPLY, b.data, b.len, NULL, 0, NULL), 0);
    vr_buf_deinit(&b);
}

static void put_skipped(struct link *l, uint64_t first, uint64_t count)
{
    struct msg_range m = {first, count};
    struct vr_buf b;
    vr_buf_init(&b, 64);
    msg_put_range(&b, &m);
    assert_int_equal(link_send(l, MSG_SKIPPED, b.data, b.len, NULL, 0, NULL), 0);
    vr_buf_deinit(&b);
}

/* The source's answer to a REPLY and one SKIPPED. */
static int cheat(struct fixture *f,
                 const struct vr_peer_reply *reply,
                 uint64_t first,
                 uint64_t count,
                 struct vr_err *err)
{
    struct link *a, *b;
    struct source *s;
    struct source_params p = {
        .random = random_bytes, .ndisks = 2, .disks = {f->src[0], f->src[1]}, .hint = f->hint};
    struct msg_hello hello = {MSG_MAGIC, MSG_MAJOR, MSG_MINOR, MSG_FEATURES, "b"};
    struct vr_buf buf;
    enum lane_status status = LANE_AGAIN;
    uint32_t wait_ms;
    p.open = f->req;
    p.open.kind = VR_TRANSFER_RESYNC;
    memcpy(p.open.history, f->history, sizeof f->history);
    p.open.nhistory = f->nhistory;
    *err = (struct vr_err)VR_ERR_INIT;
    CHECK_OK(link_loop_new(&a, &b, err), err);
    CHECK_OK(source_new(&p, a, &s, err), err);
    vr_buf_init(&buf, 4096);
    msg_put_hello(&buf, &hello);
    CHECK_OK(link_send(b, MSG_HELLO, buf.data, buf.len, NULL, 0, err), err);
    vr_buf_deinit(&buf);
    put_reply(b, reply);
    put_skipped(b, first, count);
    int r = 0;
    for (int i = 0; r == 0 && i < 10; i++) {
        r = source_step(s, 1000, &status, &wait_ms, err);
    }
    source_free(s);
    link_close(a);
    link_close(b);
    return r;
}

static void test_a_replica_host_leaves_out_nothing_else(void **state)
{
    struct fixture f;
    struct vr_err err = VR_ERR_INIT;
    struct vr_peer_reply good = {.hinted = true}, reply;
    begin(&f);
    good.generation.uuid = f.history[0];
    hint_mark(f.hint, 0, 2 * VR_MIB, 1);
    CHECK_OK(cheat(&f, &good, 0, 2, &err), &err);
    CHECK_FAILS(cheat(&f, &good, 0, 3, &err), &err, VR_E_PROTOCOL, "may have changed");
    CHECK_FAILS(cheat(&f, &good, 1, 1, &err), &err, VR_E_PROTOCOL, "out of order");
    CHECK_FAILS(cheat(&f, &good, 0, 100, &err), &err, VR_E_PROTOCOL, "out of order");
    reply = good;
    reply.hinted = false;
    CHECK_FAILS(cheat(&f, &reply, 0, 2, &err), &err, VR_E_PROTOCOL, "unexpected SKIPPED");
    reply = good;
    reply.generation.uuid = vr_uuid_new();
    CHECK_FAILS(cheat(&f, &reply, 0, 2, &err), &err, VR_E_PROTOCOL, "must not");
    reply = good;
    reply.changed_alone = true;
    CHECK_FAILS(cheat(&f, &reply, 0, 2, &err), &err, VR_E_PROTOCOL, "must not");
    reply = good;
    reply.umac = true; /* which the source did not ask for */
    CHECK_FAILS(cheat(&f, &reply, 0, 2, &err), &err, VR_E_PROTOCOL, "tags");
    struct hint *h = TAKE_PTR(f.hint);
    CHECK_FAILS(cheat(&f, &good, 0, 2, &err), &err, VR_E_PROTOCOL, "must not");
    f.hint = h;
    end(&f);
}

/* --- the hint itself --- */

static void take_all(struct link *from, struct hint *to)
{
    uint8_t type;
    const uint8_t *p;
    size_t n;
    bool whole = false;
    struct vr_err err = VR_ERR_INIT;
    while (link_recv(from, &type, &p, &n, NULL) > 0) {
        assert_false(whole);
        assert_int_equal(type, MSG_HINT);
        CHECK_OK(hint_take(to, p, n, &whole, &err), &err);
    }
    assert_true(whole);
}

static void test_a_hint_crosses_the_wire(void **state)
{
    struct vr_peer_request open = {.ndisks = 2};
    struct vr_err err = VR_ERR_INIT;
    struct hint *h, *got;
    struct link *a, *b;
    uint64_t out, in;
    open.disks[0].size_bytes = 200000 * VR_MIB + 1;
    open.disks[1].size_bytes = 3 * VR_MIB;
    const uint64_t nodes = 200001 + 3;
    CHECK_OK(hint_new(&open, &h, &err), &err);
    CHECK_OK(hint_new(&open, &got, &err), &err);
    CHECK_OK(link_loop_new(&a, &b, &err), &err);
    hint_mark(h, 0, 63 * VR_MIB, 2 * VR_MIB);
    hint_mark(h, 0, 70000 * VR_MIB, 90000 * VR_MIB); /* more than one frame */
    hint_mark(h, 0, 200000 * VR_MIB, 100);
    hint_mark(h, 0, 200001 * VR_MIB, 100); /* beyond the end: nothing */
    hint_mark_disk(h, 1);
    assert_int_equal(hint_run(h, 0, nodes), 63);
    assert_int_equal(hint_run(h, 63, nodes), 2);
    assert_int_equal(hint_run(h, 65, nodes), 70000 - 65);
    assert_int_equal(hint_run(h, 70000, 80000), 10000);
    assert_int_equal(hint_run(h, 70000, nodes), 90000);
    assert_int_equal(hint_run(h, 200000, nodes), 4);
    assert_true(hint_has_any(h, 0, 64));
    assert_false(hint_has_any(h, 0, 63));
    CHECK_OK(hint_send(h, a, &err), &err);
    link_counters(a, &out, &in);
    assert_true(out + link_pending(a) < 14000); /* of 25 KB of bits */
    take_all(b, got);
    for (uint64_t i = 0; i < nodes; i++) {
        assert_int_equal(hint_has(got, i), hint_has(h, i));
    }
    link_close(a);
    link_close(b);
    hint_free(h);
    hint_free(got);
}

static void test_disks_beyond_the_limit_have_none(void **state)
{
    struct vr_peer_request open = {.ndisks = 1};
    struct vr_err err = VR_ERR_INIT;
    struct hint *h;
    open.disks[0].size_bytes = MSG_HINT_NODES_MAX * VR_MIB + 1;
    CHECK_FAILS(hint_new(&open, &h, &err), &err, VR_E_LIMIT, "too large");
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_only_what_is_named_is_compared),
                                       T(test_nothing_changed),
                                       T(test_a_resynchronization_finds_what_a_hint_hides),
                                       T(test_a_sample_is_compared),
                                       T(test_an_older_replica_host_samples_nothing),
                                       T(test_a_replica_that_changed_alone_is_compared),
                                       T(test_another_base_is_compared),
                                       T(test_force_compares),
                                       T(test_an_older_replica_host_compares),
                                       T(test_what_is_staged_is_compared),
                                       T(test_hints_out_of_order_end_the_session),
                                       T(test_a_replica_host_leaves_out_nothing_else),
                                       T(test_a_hint_crosses_the_wire),
                                       T(test_disks_beyond_the_limit_have_none)};
    return RUN(tests);
}
