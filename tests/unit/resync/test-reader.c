/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block/file_map.h"
#include "resync/reader.h"
#include "tests/lib/check.h"
#include "util/num.h"

#define SIZE (9 * VR_MIB + 5000) /* the last node, chunk and block are short ones */
#define NODES 10
#define VIEWS 25 /* the chunks that are data as a whole */

/* A filter that shows what the reader does with views, and spoils them. */
struct spy {
    struct block_dev dev;
    struct block_dev *next;
    const char *path;
    unsigned views, lost, reads;
    unsigned spoil_at;    /* the n-th view shows rubbish and is taken back, */
    unsigned spoil_more;  /* and as many after it */
    unsigned truncate_at; /* the file ends where the n-th view begins, once that was made */
    bool none;            /* as a device that has no views */
    uint64_t announced;   /* up to there */
};

static uint8_t rubbish[BLOCK_IO_MAX];
static char path[] = "/tmp/vr-reader-XXXXXX";

static struct spy *spy_of(struct block_dev *dev)
{
    return (struct spy *)dev;
}

static int spy_read(struct block_dev *dev, void *buf, size_t len, uint64_t off, struct vr_err *err)
{
    spy_of(dev)->reads++;
    return block_read(spy_of(dev)->next, buf, len, off, err);
}

static int spy_extents(struct block_dev *dev,
                       uint64_t off,
                       uint64_t len,
                       struct block_extent *ret,
                       size_t max,
                       size_t *ret_n,
                       struct vr_err *err)
{
    return block_extents(spy_of(dev)->next, off, len, ret, max, ret_n, err);
}

static bool is_spoilt(const struct spy *s)
{
    return s->views >= s->spoil_at && s->views - s->spoil_at <= s->spoil_more && s->spoil_at;
}

static const uint8_t *spy_map(struct block_dev *dev, uint64_t off, size_t len)
{
    struct spy *s = spy_of(dev);
    const uint8_t *p = s->none ? NULL : block_map(s->next, off, len);
    file_map_guard(); /* before cmocka's handler */
    if (!p) {
        return NULL;
    }
    s->views++;
    if (s->views == s->truncate_at) {
        assert_int_equal(truncate(s->path, (off_t)off), 0);
    }
    return is_spoilt(s) ? rubbish : p;
}

static bool spy_map_end(struct block_dev *dev, uint64_t off, size_t len)
{
    struct spy *s = spy_of(dev);
    bool whole = block_map_end(s->next, off, len) && !is_spoilt(s);
    s->lost += !whole;
    return whole;
}

static void spy_unmap(struct block_dev *dev)
{
    block_unmap(spy_of(dev)->next);
}

static void spy_prefetch(struct block_dev *dev, uint64_t off, uint64_t len)
{
    spy_of(dev)->announced = VR_MAX(spy_of(dev)->announced, off + len);
}

static void spy_close(struct block_dev *dev)
{
    block_close(spy_of(dev)->next);
}

static const struct block_ops spy_ops = {.name = "spy",
                                         .read = spy_read,
                                         .extents = spy_extents,
                                         .map = spy_map,
                                         .map_end = spy_map_end,
                                         .unmap = spy_unmap,
                                         .prefetch = spy_prefetch,
                                         .close = spy_close};

static void write_at(int fd, uint64_t off, size_t len)
{
    uint8_t *p = malloc(len);
    for (size_t i = 0; i < len; i++) {
        p[i] = (uint8_t)((off + i) * 2654435761u >> 13);
    }
    assert_int_equal(pwrite(fd, p, len, (off_t)off), len);
    free(p);
}

/* Data, holes on and off the borders of chunks and nodes, and a short end. */
static int fresh(void **state)
{
    int fd = mkstemp(memcpy(path, "/tmp/vr-reader-XXXXXX", sizeof path));
    if (fd < 0 || ftruncate(fd, SIZE) < 0) {
        return -1;
    }
    write_at(fd, 0, 3 * VR_MIB);
    write_at(fd, 4 * VR_MIB + 300 * VR_KIB, 64 * VR_KIB);
    write_at(fd, 6 * VR_MIB, SIZE - 6 * VR_MIB);
    close(fd);
    return 0;
}

static int gone(void **state)
{
    return unlink(path);
}

static void spy_open(struct spy *s)
{
    struct vr_err err = VR_ERR_INIT;
    static uint8_t all[SIZE];
    CHECK_OK(block_file_open(path, BLOCK_READ_ONLY, &s->next, &err), &err);
    CHECK_OK(block_read(s->next, all, SIZE, 0, &err), &err); /* now it is cached */
    s->dev = *s->next;
    s->dev.ops = &spy_ops;
    s->path = path;
    memset(rubbish, 0x55, sizeof rubbish);
}

static void begin(struct spy *s, struct digest **ret_d, struct reader **ret_r)
{
    static const uint8_t key[32] = {1};
    struct vr_err err = VR_ERR_INIT;
    struct vr_uuid id = {{1}};
    CHECK_OK(digest_new(DIGEST_UMAC96, key, key, key, &id, &id, 0, ret_d, &err), &err);
    CHECK_OK(reader_new(&s->dev, 0, *ret_d, NULL, ret_r, &err), &err);
}

/* The node tags of the whole disk; a zero stretch leaves zeroes. */
static int read_all(struct spy *s, uint8_t ret[NODES][DIGEST_TAG], struct vr_err *err)
{
    static struct node_tags tags;
    struct digest *d;
    struct reader *r;
    begin(s, &d, &r);
    int x = 0;
    while (x == 0 && reader_pos(r) < SIZE) {
        struct reader_item item;
        size_t node = reader_pos(r) / DIGEST_NODE;
        x = reader_next(r, &item, &tags, err);
        if (x == 0 && !item.zero) {
            memcpy(ret[node], tags.node, DIGEST_TAG);
        }
    }
    reader_free(r);
    digest_free(d);
    return x;
}

static void need_views(struct spy *s)
{
    if (s->views == 0) {
        s->dev.ops->close(&s->dev);
        skip(); /* before Linux 5.14 */
    }
}

static void test_views_and_reads_give_the_same_tags(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    struct spy a = {0}, b = {.none = true};
    uint8_t by_view[NODES][DIGEST_TAG] = {0}, by_read[NODES][DIGEST_TAG] = {0};
    spy_open(&a);
    spy_open(&b);
    CHECK_OK(read_all(&a, by_view, &err), &err);
    CHECK_OK(read_all(&b, by_read, &err), &err);
    need_views(&a);
    assert_memory_equal(by_view, by_read, sizeof by_view);
    assert_int_equal(a.views, VIEWS);
    assert_int_equal(a.reads, 1);
    assert_int_equal(b.views, 0);
    assert_true(b.reads > a.views);
    block_close(&a.dev);
    block_close(&b.dev);
}

static void test_a_view_that_was_lost_is_read_instead(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    struct spy a = {0}, b = {.none = true};
    uint8_t by_view[NODES][DIGEST_TAG] = {0}, by_read[NODES][DIGEST_TAG] = {0};
    spy_open(&b);
    CHECK_OK(read_all(&b, by_read, &err), &err);
    block_close(&b.dev);
    for (unsigned i = 1; i <= VIEWS; i++) { /* one is lost, or the one after it, too */
        unsigned more = i % 2 && i < VIEWS;
        a = (struct spy){.spoil_at = i, .spoil_more = more};
        spy_open(&a);
        CHECK_OK(read_all(&a, by_view, &err), &err);
        need_views(&a);
        assert_int_equal(a.lost, 1 + more);
        assert_int_equal(a.reads, 1 + a.lost);
        assert_memory_equal(by_view, by_read, sizeof by_view);
        block_close(&a.dev);
    }
}

static void test_a_file_that_is_cut_while_looked_at_is_an_error(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    uint8_t tags[NODES][DIGEST_TAG];
    for (unsigned i = 1; i <= VIEWS; i++) {
        struct spy s = {.truncate_at = i};
        uint64_t faults = file_map_faults();
        spy_open(&s);
        CHECK_FAILS(read_all(&s, tags, &err), &err, VR_E_IO, "");
        /* A large folio across the new end may still count as cached: then a view is lost again. */
        assert_true(s.lost >= 1);
        assert_int_equal(s.views, i - 1 + s.lost);
        assert_int_equal(file_map_faults(), faults + s.lost);
        block_close(&s.dev);
        assert_int_equal(gone(NULL), 0);
        assert_int_equal(fresh(NULL), 0);
    }
}

/* A device that waits for the reader behind every hole is idle while the reader is. */
static void test_what_is_behind_a_hole_is_announced_before_it(void **state)
{
    static struct node_tags tags;
    struct vr_err err = VR_ERR_INIT;
    struct spy s = {0};
    struct digest *d;
    struct reader *r;
    struct reader_item item;
    int fd = open(path, O_RDWR);
    assert_int_equal(ftruncate(fd, 6 * VR_MIB), 0);
    assert_int_equal(ftruncate(fd, 40 * VR_MIB), 0);
    write_at(fd, 24 * VR_MIB, VR_MIB);
    close(fd);
    spy_open(&s);
    begin(&s, &d, &r);
    CHECK_OK(reader_next(r, &item, &tags, &err), &err);
    assert_int_equal(reader_pos(r), VR_MIB);
    assert_true(s.announced >= 25 * VR_MIB);
    reader_free(r);
    digest_free(d);
    block_close(&s.dev);
}

#define TF(f) cmocka_unit_test_setup_teardown(f, fresh, gone)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TF(test_views_and_reads_give_the_same_tags),
        TF(test_a_view_that_was_lost_is_read_instead),
        TF(test_a_file_that_is_cut_while_looked_at_is_an_error),
        TF(test_what_is_behind_a_hole_is_announced_before_it),
    };
    return RUN(tests);
}
