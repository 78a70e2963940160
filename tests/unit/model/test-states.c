/* SPDX-License-Identifier: Apache-2.0 */
/* The life cycles, move by move: what is listed here is possible, everything else is refused. */
#include "model/retcode.h"
#include "model/states.h"
#include "tests/lib/check.h"
#include "util/num.h"

/* Rows: event in the order of VR_REL_EVENTS; columns: state 0..11; -1 refused. */
static const int rel_want[][12] = {
    /*                  0   1   2   3   4   5   6   7   8   9  10  11 */
    /* START_INITIAL */ {-1, 2, -1, -1, -1, -1, -1, -1, 2, -1, -1, -1},
    /* START_RESYNC  */ {-1, -1, 10, 10, -1, -1, -1, 10, 10, 10, -1, 10},
    /* RESYNC_DONE   */ {-1, -1, 3, -1, -1, 3, -1, -1, 3, -1, 3, -1},
    /* RESYNC_FAILED */ {-1, -1, 1, -1, -1, -1, -1, -1, -1, -1, 9, -1},
    /* PROOF_FAILED  */ {-1, -1, 8, 8, -1, -1, -1, 8, 8, 8, 8, 8},
    /* PAUSE         */ {-1, -1, 1, 7, -1, -1, -1, -1, -1, -1, 11, -1},
    /* RESUME        */ {-1, -1, -1, -1, -1, -1, -1, 3, -1, -1, -1, 10},
    /* CANCEL        */ {-1, -1, 1, -1, -1, -1, -1, -1, -1, -1, 9, 9},
    /* CANCEL_EQUAL  */ {-1, -1, 1, -1, -1, -1, -1, -1, -1, -1, 3, 3},
    /* CHANGED_ALONE */ {-1, 1, -1, 9, -1, -1, -1, 9, -1, 9, -1, -1},
    /* LOST_TRACK    */ {-1, -1, -1, 9, -1, -1, -1, -1, -1, -1, -1, -1},
    /* FAILOVER      */ {-1, -1, 5, 5, -1, -1, -1, 5, 5, -1, -1, -1},
    /* ADOPT         */ {-1, -1, -1, -1, -1, -1, -1, -1, 9, -1, -1, -1},
};

static void test_rel(void **state)
{
    assert_int_equal(VR_COUNT(rel_want), VR_REV_ADOPT + 1);
    for (int e = 0; e <= VR_REV_ADOPT; e++) {
        for (int s = 0; s <= 11; s++) {
            enum vr_rel_state next = (enum vr_rel_state)99;
            bool may = vr_rel_next((enum vr_rel_state)s, (enum vr_rel_event)e, &next);
            int got = may ? (int)next : -1;
            if (got != rel_want[e][s] || (!may && (int)next != 99)) {
                fail_msg("'%s' in state %d: %d, wanted %d", vr_rel_event_text(e), s, got,
                         rel_want[e][s]);
            }
        }
    }
}

/* Columns: job states 0..12. */
static const int job_want[][13] = {
    /*             0   1   2   3   4   5   6   7   8   9  10  11  12 */
    /* DUE      */ {-1, -1, 3, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1},
    /* START    */ {-1, -1, -1, 4, -1, -1, -1, -1, -1, -1, -1, -1, -1},
    /* SUSPEND  */ {-1, -1, -1, 5, 5, -1, -1, -1, -1, -1, -1, -1, -1},
    /* RESUME   */ {-1, -1, -1, -1, -1, 3, -1, -1, -1, -1, -1, -1, -1},
    /* COMPLETE */ {-1, -1, -1, -1, 7, -1, -1, -1, -1, -1, -1, -1, -1},
    /* CANCEL   */ {-1, -1, 8, 8, 8, 8, -1, -1, -1, -1, -1, -1, -1},
    /* FAIL     */ {-1, -1, 10, 10, 10, 10, -1, -1, -1, -1, -1, -1, -1},
    /* REQUEUE  */ {-1, -1, -1, -1, 3, -1, -1, -1, -1, -1, -1, -1, -1},
};

static void test_job(void **state)
{
    assert_int_equal(VR_COUNT(job_want), VR_JEV_REQUEUE + 1);
    for (int e = 0; e <= VR_JEV_REQUEUE; e++) {
        for (int s = 0; s <= 12; s++) {
            enum vr_job_state next = (enum vr_job_state)99;
            bool may = vr_job_next((enum vr_job_state)s, (enum vr_job_event)e, &next);
            int got = may ? (int)next : -1;
            if (got != job_want[e][s] || (!may && (int)next != 99)) {
                fail_msg("'%s' in job state %d: %d, wanted %d", vr_job_event_text(e), s, got,
                         job_want[e][s]);
            }
            assert_false(may && vr_job_is_final((enum vr_job_state)s));
        }
    }
}

static void test_texts(void **state)
{
    assert_string_equal(vr_rel_state_text(9), "resynchronization required");
    assert_string_equal(vr_job_type_text(107), "Resynchronizing");
    assert_string_equal(vr_mode_text(4), "extended replica");
    assert_string_equal(vr_health_text(3), "critical");
    assert_string_equal(vr_rel_state_text(99), "unknown");
}

/* A code that comes from one kind says which. */
static void test_kind_of_retcode(void **state)
{
    for (int k = VR_E_INVALID; k <= VR_E_AUTH; k++) {
        int back = vr_kind_of_retcode(vr_retcode_of_error(k));
        assert_true(back == k || back == VR_E_NONE);
    }
    assert_int_equal(vr_kind_of_retcode(VR_RC_NOT_AVAILABLE), VR_E_PEER);
    assert_int_equal(vr_kind_of_retcode(VR_RC_IN_USE), VR_E_BUSY);
    assert_int_equal(vr_kind_of_retcode(VR_RC_FAILED), VR_E_NONE);
    assert_int_equal(vr_kind_of_retcode(0), VR_E_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_rel), T(test_job), T(test_texts),
                                       T(test_kind_of_retcode)};
    return RUN(tests);
}
