/* SPDX-License-Identifier: Apache-2.0 */
/* Views that are copied, and which way is taken. Mapped ones: test-file_map.c. */
#include <fcntl.h>
#include <unistd.h>

#include "block/dev.h"
#include "block/file_view.h"
#include "tests/lib/check.h"
#include "tests/unit/block/patterned.h"
#include "util/num.h"
#include "util/vtime.h"

#define FILE_BYTES (2 * FILE_VIEW_STRETCH)
#define VIEW FILE_VIEW_COPY_MAX

static char path[] = "/tmp/vr-fview-XXXXXX";
static uint8_t buf[VIEW];

static int fresh(void **state)
{
    file_view_only = FILE_VIEW_WAYS;
    return make_patterned(memcpy(path, "/tmp/vr-fview-XXXXXX", sizeof path), FILE_BYTES, buf, VIEW);
}

static int gone(void **state)
{
    return unlink(path);
}

static struct block_dev *open_it(void)
{
    struct vr_err err = VR_ERR_INIT;
    struct block_dev *dev = NULL;
    CHECK_OK(block_file_open(path, BLOCK_READ_ONLY, &dev, &err), &err);
    return dev;
}

static void test_copies_show_what_is_there(void **state)
{
    static const struct {
        uint64_t off;
        size_t len;
    } views[] = {{0, VIEW},
                 {FILE_BYTES - VIEW, VIEW},
                 {VR_MIB + 1, 1},
                 {FILE_BYTES - 1, 1},
                 {20 * VR_MIB + 4095, 4098}};
    file_view_only = FILE_VIEW_COPY;
    struct block_dev *dev = open_it();
    for (size_t i = 0; i < VR_COUNT(views); i++) {
        const uint8_t *p = block_map(dev, views[i].off, views[i].len);
        assert_non_null(p);
        fill_patterned(buf, views[i].off, views[i].len);
        assert_memory_equal(p, buf, views[i].len);
        assert_true(block_map_end(dev, views[i].off, views[i].len));
    }
    block_unmap(dev);
    const uint8_t *p = block_map(dev, 0, VIEW);
    assert_non_null(p);
    assert_int_equal(p[5000], byte_at(5000));
    assert_true(block_map_end(dev, 0, VIEW));
    block_close(dev);
}

/* A copy is the bytes of one moment; what is cut off before it is no view, and an error to read. */
static void test_a_file_that_is_cut(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    file_view_only = FILE_VIEW_COPY;
    struct block_dev *dev = open_it();
    const uint8_t *p = block_map(dev, 0, VIEW);
    assert_non_null(p);
    assert_int_equal(truncate(path, 2 * VIEW - 100), 0); /* what follows was just seen as cached */
    fill_patterned(buf, 0, VIEW);
    assert_memory_equal(p, buf, VIEW);
    assert_true(block_map_end(dev, 0, VIEW));
    assert_null(block_map(dev, VIEW, VIEW));
    CHECK_FAILS(block_read(dev, buf, VIEW, VIEW, &err), &err, VR_E_IO, "");
    block_close(dev);
}

/* --- which way --- */

static void burn(uint64_t ns)
{
    for (uint64_t since = vr_thread_cpu_ns(); vr_thread_cpu_ns() - since < ns;) {
    }
}

/* One stretch; the way it went. A view of the way `dear` costs the caller so much more. */
static enum file_view_way
stretch(struct file_view *v, int fd, enum file_view_way dear, uint64_t more_ns)
{
    enum file_view_way way = v->way;
    for (uint64_t off = 0; off < FILE_VIEW_STRETCH; off += VIEW) {
        assert_int_equal(v->way, way);
        assert_non_null(file_view_begin(v, fd, FILE_BYTES, off, VIEW));
        assert_int_equal(v->copied, way == FILE_VIEW_COPY);
        burn(way == dear ? more_ns : 0);
        assert_true(file_view_end(v, fd, off, VIEW));
        assert_true(!v->copied || !v->map.base);
    }
    return way;
}

static void test_the_cheaper_way_is_taken_and_the_other_tried_again(void **state)
{
    struct file_view v = {0};
    int fd = open(path, O_RDONLY);
    const uint64_t map_ns = 500000, copy_ns = 4 * map_ns;
    assert_int_equal(stretch(&v, fd, FILE_VIEW_MAP, map_ns), FILE_VIEW_MAP);
    assert_null(v.map.base); /* given back with its stretch */
    for (unsigned trials = 0; trials < 2; trials++) {
        for (unsigned i = trials; i < FILE_VIEW_TRIAL; i++) {
            assert_int_equal(stretch(&v, fd, FILE_VIEW_MAP, map_ns), FILE_VIEW_COPY);
        }
        assert_int_equal(stretch(&v, fd, FILE_VIEW_MAP, map_ns), FILE_VIEW_MAP);
    }
    /* Copying becomes dearer than mapping was: no trial is waited for. */
    assert_int_equal(stretch(&v, fd, FILE_VIEW_COPY, copy_ns), FILE_VIEW_COPY);
    for (unsigned i = 0; i < FILE_VIEW_TRIAL / 2; i++) {
        assert_int_equal(stretch(&v, fd, FILE_VIEW_COPY, copy_ns), FILE_VIEW_MAP);
    }
    file_view_release(&v);
    assert_null(v.buf);
    close(fd);
}

static void test_where_nothing_can_be_mapped_all_is_copied(void **state)
{
    struct file_view v = {.map.refused = true};
    int fd = open(path, O_RDONLY);
    for (uint64_t off = 0; off < FILE_BYTES; off += VIEW) {
        const uint8_t *p = file_view_begin(&v, fd, FILE_BYTES, off, VIEW);
        assert_non_null(p);
        fill_patterned(buf, off, VIEW);
        assert_memory_equal(p, buf, VIEW);
        assert_true(file_view_end(&v, fd, off, VIEW));
    }
    assert_null(file_view_begin(&v, fd, FILE_BYTES, 0, VIEW + 1)); /* the buffer's size */
    file_view_release(&v);
    close(fd);
}

#define TF(f) cmocka_unit_test_setup_teardown(f, fresh, gone)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TF(test_copies_show_what_is_there),
        TF(test_a_file_that_is_cut),
        TF(test_the_cheaper_way_is_taken_and_the_other_tried_again),
        TF(test_where_nothing_can_be_mapped_all_is_copied),
    };
    return RUN(tests);
}
