/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/check.h"
#include "util/buf.h"
#include "util/spare.h"

static void test_kept_and_dropped(void **state)
{
    size_t cap;
    void *p = malloc(VR_SPARE_LEAST_BYTES), *small = malloc(100);
    assert_non_null(p);
    assert_null(vr_spare_take(&cap));
    assert_int_equal(cap, 0);
    vr_spare_give(small); /* freed: not worth keeping */
    vr_spare_give(NULL);
    assert_null(vr_spare_take(&cap));
    vr_spare_give(p);
    assert_true(vr_spare_drop()); /* it was given since */
    assert_ptr_equal(vr_spare_take(&cap), p);
    assert_true(cap >= VR_SPARE_LEAST_BYTES);
    vr_spare_give(p);
    assert_true(vr_spare_drop());  /* and taken since */
    assert_false(vr_spare_drop()); /* not any more: freed */
    assert_null(vr_spare_take(&cap));
    for (int i = 0; i < VR_SPARE_BLOCKS + 2; i++) {
        vr_spare_give(malloc(VR_SPARE_LEAST_BYTES)); /* two too many: freed */
    }
    vr_spare_give(malloc(VR_SPARE_MOST_BYTES + 4096)); /* too large: freed */
    (void)vr_spare_drop();
    assert_false(vr_spare_drop());
}

/* A buffer grows into what was kept, with its content, and within its limit. */
static void test_buffer(void **state)
{
    struct vr_buf b;
    char *kept = malloc(4 * VR_SPARE_LEAST_BYTES);
    assert_non_null(kept);
    vr_spare_give(kept);
    vr_buf_init_spare(&b, 3 * VR_SPARE_LEAST_BYTES);
    vr_buf_text(&b, "abc");
    assert_ptr_not_equal(b.data, kept);
    memset(vr_buf_room(&b, VR_SPARE_LEAST_BYTES), 'x', VR_SPARE_LEAST_BYTES);
    assert_ptr_equal(b.data, kept);
    assert_memory_equal(b.data, "abcx", 4);
    assert_null(vr_buf_room(&b, 2 * VR_SPARE_LEAST_BYTES));
    assert_true(b.failed);
    vr_buf_deinit(&b);
    /* one that is too small for what is needed is given up */
    vr_spare_give(malloc(VR_SPARE_LEAST_BYTES));
    vr_buf_init_spare(&b, 8 * VR_SPARE_LEAST_BYTES);
    memset(vr_buf_room(&b, 6 * VR_SPARE_LEAST_BYTES), 'y', 6 * VR_SPARE_LEAST_BYTES);
    assert_int_equal(b.len, 6 * VR_SPARE_LEAST_BYTES);
    vr_buf_deinit(&b);
    assert_false(vr_spare_drop());
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_kept_and_dropped), T(test_buffer)};
    return RUN(tests);
}
