/* SPDX-License-Identifier: Apache-2.0 */
/* Which settings a relationship may have. */
#include "model/setting.h"

#include "tests/lib/check.h"
#include "util/num.h"

static void test_defaults(void **state)
{
    struct vr_setting s = vr_setting_default();
    assert_true(s.compression);
    assert_false(s.auto_resync);
    assert_int_equal(s.interval_s, 0); /* nothing is sent unasked */
    assert_int_equal(s.auto_start_s, 66600);
    assert_int_equal(s.auto_end_s, 21600);
}

#define F(name) (1u << VR_SETTING_##name)

static void test_each_member(void **state)
{
    static const struct {
        struct vr_setting_change ch;
        uint8_t number;
        int result;
        const char *text;
    } rows[] = {
        {{0}, 0, 0, ""},
        {{.fields = F(INTERVAL), .to.interval_s = 30}, 0, 0, ""},
        {{.fields = F(INTERVAL), .to.interval_s = 900}, 1, 0, ""},
        {{.fields = F(INTERVAL), .to.interval_s = 30}, 1, -VR_E_INVALID, "extended"},
        {{.fields = F(INTERVAL), .to.interval_s = 299}, 1, -VR_E_INVALID, "300 to 43200"},
        {{.fields = F(INTERVAL), .to.interval_s = 300}, 1, 0, ""},
        {{.fields = F(INTERVAL), .to.interval_s = 43200}, 0, 0, ""},
        {{.fields = F(INTERVAL), .to.interval_s = 43201}, 0, -VR_E_INVALID, "30 to 43200"},
        {{.fields = F(INTERVAL), .to.interval_s = 29}, 0, -VR_E_INVALID, "30 to 43200"},
        {{.fields = F(INTERVAL)}, 0, 0, ""},
        {{.fields = F(INTERVAL)}, 1, 0, ""},
        {{.fields = F(AUTO_START), .to.auto_start_s = 86399}, 0, 0, ""},
        {{.fields = F(AUTO_START), .to.auto_start_s = 86400}, 0, -VR_E_INVALID, "24 hours"},
        {{.fields = F(AUTO_END), .to.auto_end_s = 86400}, 0, -VR_E_INVALID, "24 hours"},
        {{.fields = F(AUTO_RESYNC)}, 0, 0, ""},
        {{.fields = F(AUTO_RESYNC), .to.auto_resync = true}, 0, 0, ""},
        {{.fields = F(HISTORY)}, 0, 0, ""},
        {{.fields = F(HISTORY), .recovery_history = 1}, 0, -VR_E_UNSUPPORTED, "latest point"},
        {{.fields = F(HISTORY), .recovery_history = 24}, 0, -VR_E_UNSUPPORTED, "latest point"},
        {{.fields = F(HISTORY), .recovery_history = 25}, 0, -VR_E_INVALID, "0 to 24"},
        {{.fields = F(APP_CONSISTENT)}, 0, 0, ""},
        {{.fields = F(APP_CONSISTENT), .app_consistent_h = 12}, 0, -VR_E_UNSUPPORTED, "points"},
        {{.fields = F(APP_CONSISTENT), .app_consistent_h = 13}, 0, -VR_E_INVALID, "12 hours"},
        {{.fields = F(AUTHENTICATION), .authentication = 2}, 0, 0, ""},
        {{.fields = F(AUTHENTICATION), .authentication = 1}, 0, -VR_E_UNSUPPORTED, "Kerberos"},
        {{.fields = F(AUTHENTICATION), .authentication = 3}, 0, -VR_E_INVALID, "certificate"},
        {{.fields = F(WRITE_ORDER), .write_order = true}, 0, 0, ""},
        {{.fields = F(WRITE_ORDER)}, 0, -VR_E_UNSUPPORTED, "one instant"},
        {{.fields = F(PROVIDER), .our_provider = true}, 0, 0, ""},
        {{.fields = F(PROVIDER)}, 0, -VR_E_UNSUPPORTED, "built-in"},
        {{.fields = F(ADDITIONAL)}, 0, 0, ""},
        {{.fields = F(ADDITIONAL), .additional = true}, 0, -VR_E_UNSUPPORTED, "must be empty"},
    };
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        struct vr_setting now = vr_setting_default(), next = {.interval_s = 7};
        struct vr_err err = VR_ERR_INIT;
        int r = vr_setting_apply(&now, &rows[i].ch, rows[i].number, &next, &err);
        if (r != rows[i].result || !strstr(r ? vr_err_text(&err) : "", rows[i].text)) {
            fail_msg("row %zu: %d '%s'", i, r, r ? vr_err_text(&err) : "");
        }
        assert_true(r == 0 || next.interval_s == 7); /* refused: nothing is written */
    }
}

static void test_only_what_is_named(void **state)
{
    struct vr_setting now = vr_setting_default(), next;
    struct vr_err err = VR_ERR_INIT;
    struct vr_setting_change ch = {.fields = F(COMPRESSION) | F(AUTO_END)};
    ch.to = (struct vr_setting){.compression = false, .interval_s = 900, .auto_end_s = 60};
    CHECK_OK(vr_setting_apply(&now, &ch, 0, &next, &err), &err);
    assert_false(next.compression);
    assert_int_equal(next.interval_s, 0);
    assert_false(next.auto_resync);
    assert_int_equal(next.auto_start_s, 66600);
    assert_int_equal(next.auto_end_s, 60);
}

static void test_window(void **state)
{
    static const struct {
        uint32_t start, end, at;
        bool in;
    } rows[] = {
        {0, 86399, 0, true},
        {0, 86399, 86398, true},
        {0, 86399, 86399, false},
        {3600, 7200, 3599, false},
        {3600, 7200, 3600, true},
        {3600, 7200, 7199, true},
        {3600, 7200, 7200, false},
        {66600, 21600, 66599, false},
        {66600, 21600, 66600, true},
        {66600, 21600, 86399, true},
        {66600, 21600, 0, true},
        {66600, 21600, 21599, true},
        {66600, 21600, 21600, false},
        {5, 5, 5, true},
        {5, 5, 4, true},
    };
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        struct vr_setting s = {.auto_start_s = rows[i].start, .auto_end_s = rows[i].end};
        if (vr_setting_in_window(&s, rows[i].at) != rows[i].in) {
            fail_msg("row %zu", i);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults), cmocka_unit_test(test_each_member),
        cmocka_unit_test(test_only_what_is_named), cmocka_unit_test(test_window)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
