/* SPDX-License-Identifier: Apache-2.0 */
/* Forecasts: the sample, and whether what they say is true as often as they say. */
#include "resync/digest.h"
#include "resync/forecast.h"
#include "tests/lib/check.h"
#include "util/num.h"

#define MIB (1ull << 20)

static uint64_t seed = 88172645463325252ull;

static uint64_t next(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void random_bytes(void *ctx, void *p, size_t n)
{
    uint64_t v = next();
    assert_int_equal(n, sizeof v);
    memcpy(p, &v, n);
}

static struct vr_peer_request disks(uint64_t a, uint64_t b)
{
    struct vr_peer_request o = {.ndisks = 2};
    memcpy(o.disks[0].name, "vda", 4);
    memcpy(o.disks[1].name, "vdb", 4);
    o.disks[0].size_bytes = a;
    o.disks[1].size_bytes = b;
    return o;
}

static void test_how_many(void **state)
{
    assert_int_equal(forecast_nodes(0), 0);
    assert_int_equal(forecast_nodes(1), 1);
    assert_int_equal(forecast_nodes(32), 32);
    assert_int_equal(forecast_nodes(100), 32);
    assert_int_equal(forecast_nodes(4000), 500);
    assert_int_equal(forecast_nodes(1 << 20), FORECAST_NODES_MAX);
    assert_int_equal(forecast_nodes(1ull << 27), FORECAST_NODES_MAX);
}

/* One node of each stretch, so as many as were wanted, over both disks; and not the same twice. */
static void test_draw(void **state)
{
    struct vr_peer_request o = disks(300 * MIB, 100 * MIB - 4096);
    struct vr_err err = VR_ERR_INIT;
    unsigned differs = 0;
    for (unsigned turn = 0; turn < 2; turn++) {
        struct hint *h, *again;
        CHECK_OK(forecast_draw(&o, random_bytes, NULL, &h, &err), &err);
        CHECK_OK(forecast_draw(&o, random_bytes, NULL, &again, &err), &err);
        uint64_t n = forecast_nodes(400), in = 0;
        for (uint64_t i = 0; i < 400; i++) {
            in += hint_has(h, i);
            differs += hint_has(h, i) != hint_has(again, i);
        }
        assert_int_equal(in, n);
        for (uint64_t i = 0; i < n; i++) {
            assert_true(hint_has_any(h, 400 * i / n, 400 * (i + 1) / n - 400 * i / n));
        }
        hint_free(h);
        hint_free(again);
    }
    assert_true(differs > 0);
}

static void test_numbers(void **state)
{
    struct forecast_sample s = {.nodes = 1000,
                                .sampled = 100,
                                .node_bytes = DIGEST_NODE,
                                .differing = 10 * MIB,
                                .squares = 10 * MIB * MIB, /* ten nodes, wholly */
                                .packed = 5 * MIB,
                                .took_us = 2000000};
    struct vr_forecast f;
    forecast_of(&s, &f);
    assert_int_equal(f.sampled_bytes, 100 * MIB);
    assert_int_equal(f.differing_bytes, 100 * MIB);
    assert_int_equal(f.wire_bytes, 50 * MIB);
    assert_int_equal(f.time_us, 20000000);
    /* 1.96 * 1000 * sqrt(0.1 * 0.9 / 99 * 0.9) = 56.06 */
    assert_true(f.margin_bytes > 56 * MIB && f.margin_bytes < 57 * MIB);
    s.limit_bytes_s = MIB;
    forecast_of(&s, &f);
    assert_int_equal(f.limit_bytes_s, MIB);
    assert_int_equal(f.time_us, 50000000);
    s.sampled = s.nodes; /* then it is no guess */
    forecast_of(&s, &f);
    assert_int_equal(f.margin_bytes, 0);
    assert_int_equal(f.differing_bytes, 10 * MIB);
    s = (struct forecast_sample){.nodes = 1000, .sampled = 100, .node_bytes = DIGEST_NODE};
    forecast_of(&s, &f); /* none seen: fewer than 3 of 100 */
    assert_int_equal(f.differing_bytes, 0);
    assert_int_equal(f.margin_bytes, 30 * MIB);
    s.sampled = s.nodes = 0;
    forecast_of(&s, &f);
    assert_int_equal(f.sampled_bytes, 0);
}

/* 2000 disks, of which a known part differs: the truth is within the margin about 95 times of 100.
 */
static void test_margin_holds(void **state)
{
    enum {
        NODES = 4000,
        DISKS = 2000
    };
    static uint32_t differing[NODES];
    unsigned held = 0;
    for (unsigned d = 0; d < DISKS; d++) {
        uint64_t truth = 0, n = forecast_nodes(NODES);
        for (size_t i = 0; i < NODES; i++) {
            differing[i] = next() % 10 == 0 ? 4096 * (1 + (uint32_t)(next() % 256)) : 0;
            truth += differing[i];
        }
        struct forecast_sample s = {.nodes = NODES, .sampled = n, .node_bytes = DIGEST_NODE};
        for (uint64_t i = 0; i < n; i++) {
            uint64_t from = NODES * i / n, to = NODES * (i + 1) / n;
            uint64_t bytes = differing[from + next() % (to - from)];
            s.differing += bytes;
            s.squares += bytes * bytes;
        }
        struct vr_forecast f;
        forecast_of(&s, &f);
        uint64_t off =
            truth > f.differing_bytes ? truth - f.differing_bytes : f.differing_bytes - truth;
        held += off <= f.margin_bytes;
    }
    assert_true(held > DISKS * 92 / 100 && held < DISKS * 99 / 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_how_many), T(test_draw), T(test_numbers),
                                       T(test_margin_holds)};
    return RUN(tests);
}
