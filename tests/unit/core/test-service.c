/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of the service: all or nothing, durable before they hold, and what follows from them. */
#include "core/service.h"
#include "fake.h"
#include "util/num.h"

#define BIT(name) (1u << VR_SERVICE_##name)

static uint32_t set(struct fake *f, const struct core_caller *who, struct vr_service_change ch)
{
    f->answer.code = 1;
    core_service_set(f->c, who, &ch, fake_done, f);
    return f->answer.code;
}

static struct vr_service now(struct fake *f)
{
    struct vr_service s;
    core_service(f->c, &s);
    return s;
}

static void test_defaults(void **state)
{
    struct fake *f = fake_new();
    f->has_service = false; /* nothing was ever stored */
    fake_restart(f);
    struct vr_service s = now(f);
    assert_true(s.recovery_server_enabled);
    assert_int_equal(s.monitoring_start_s, 9 * 3600);
    assert_int_equal(s.monitoring_interval_s, 43200);
    assert_int_equal(s.allowed_authentication, VR_AUTHENTICATION_CERTIFICATE);
    assert_int_equal(s.https_port, 8650);
    assert_string_equal(s.thumbprint, "00FF");
    fake_free(f);
}

static void test_refusals_change_nothing(void **state)
{
    static const struct {
        struct vr_service_change ch;
        uint32_t code;
        const char *part;
    } rows[] = {
        {{.fields = BIT(AUTHENTICATION), .to.allowed_authentication = 1}, 32770, "Kerberos"},
        {{.fields = BIT(AUTHENTICATION), .to.allowed_authentication = 3}, 32770, "must be 2"},
        {{.fields = BIT(AUTHENTICATION), .to.allowed_authentication = 0}, 32770, "must be 2"},
        {{.fields = BIT(THUMBPRINT), .to.thumbprint = "00FE"}, 32773, "00FF"},
        {{.fields = BIT(HTTPS_PORT), .to.https_port = 443}, 32770, "[peer] port"},
        {{.fields = BIT(HTTP_PORT), .http_port = 80}, 32770, "TLS"},
        {{.fields = BIT(MONITORING_START), .to.monitoring_start_s = 86400}, 32773, "time of day"},
        {{.fields = BIT(MONITORING_INTERVAL), .to.monitoring_interval_s = 3599}, 32773, "3600"},
        {{.fields = BIT(MONITORING_INTERVAL), .to.monitoring_interval_s = 604801}, 32773, "604800"},
    };
    struct fake *f = fake_new();
    struct vr_service before = now(f);
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        struct vr_service_change ch = rows[i].ch;
        ch.fields |= BIT(RECOVERY); /* good by itself: it must not happen */
        assert_int_equal(set(f, &admin, ch), rows[i].code);
        assert_non_null(strstr(f->answer.text, rows[i].part));
        struct vr_service after = now(f);
        assert_memory_equal(&after, &before, sizeof(after));
    }
    struct vr_service_change off = {.fields = BIT(RECOVERY)};
    assert_int_equal(set(f, &operator_, off), 32769);
    assert_int_equal(f->saves, 0);
    f->fail_from = f->fail_count = 1;
    assert_int_equal(set(f, &admin, off), 32768); /* not durable: it does not hold */
    assert_int_equal(f->injected, 1);
    assert_true(now(f).recovery_server_enabled);
    assert_string_equal(f->events, "");
    fake_free(f);
}

static void test_what_confirms_is_no_change(void **state)
{
    struct fake *f = fake_new();
    struct vr_service_change ch = {
        .fields = BIT(AUTHENTICATION) | BIT(THUMBPRINT) | BIT(HTTPS_PORT) | BIT(HTTP_PORT),
        .to = {.allowed_authentication = 2, .https_port = 8650, .thumbprint = "00ff"},
    };
    assert_int_equal(set(f, &admin, ch), 0);
    assert_string_equal(f->events, "");
    fake_free(f);
}

static void test_settings_last(void **state)
{
    struct fake *f = fake_new();
    struct vr_service_change ch = {
        .fields = BIT(MONITORING_START) | BIT(MONITORING_INTERVAL),
        .to = {.monitoring_start_s = 3661, .monitoring_interval_s = 3600},
    };
    assert_int_equal(set(f, &admin, ch), 0);
    assert_non_null(strstr(f->events, "29330 service-settings-changed"));
    assert_non_null(strstr(f->events, "01:01:01"));
    fake_restart(f);
    assert_int_equal(now(f).monitoring_start_s, 3661);
    assert_int_equal(now(f).monitoring_interval_s, 3600);
    struct vr_service bad = now(f);
    struct vr_err err = VR_ERR_INIT;
    bad.monitoring_interval_s = 1;
    CHECK_FAILS(core_load_service(f->c, &bad, &err), &err, VR_E_INVALID, "stored settings");
    fake_free(f);
}

static int serve(struct fake *f, enum vr_peer_op op, const char *part)
{
    struct vr_peer_request req = {.op = op, .vm_id = f->vm.id, .ndisks = 1, .kind = 1};
    struct vr_peer_reply reply;
    core_serve_peer(f->c, "b.example", &req, &reply, NULL);
    assert_non_null(strstr(reply.text, part));
    return reply.result;
}

static void test_a_closed_host(void **state)
{
    struct fake *f = fake_new();
    struct vr_err err = VR_ERR_INIT;
    const struct vr_auth_entry e = {.host = "b.example", .storage = "/replicas"};
    CHECK_OK(core_load_auth(f->c, &e, &err), &err);
    fake_rel(f, 0, false, VR_REL_REPLICATING);
    fake_rel(f, 1, true, VR_REL_REPLICATING); /* of what it sends itself nothing ends */
    assert_int_equal(serve(f, VR_PEER_OPEN, ""), 0);
    assert_int_equal(set(f, &admin, (struct vr_service_change){.fields = BIT(RECOVERY)}), 0);
    assert_int_equal(f->ended_sessions, 1);
    for (int op = VR_PEER_TEST; op <= VR_PEER_ADOPT; op++) {
        if (op != VR_PEER_DISABLE) {
            assert_int_equal(serve(f, op, "RecoveryServerEnabled is false"), -VR_E_DENIED);
        }
    }
    fake_restart(f);
    CHECK_OK(core_load_auth(f->c, &e, &err), &err);
    assert_int_equal(serve(f, VR_PEER_OPEN, "RecoveryServerEnabled is false"), -VR_E_DENIED);
    struct vr_service_change on = {.fields = BIT(RECOVERY), .to.recovery_server_enabled = true};
    assert_int_equal(set(f, &admin, on), 0);
    assert_int_equal(serve(f, VR_PEER_OPEN, ""), 0);
    assert_int_equal(f->ended_sessions, 1);
    fake_free(f);
    f = fake_new(); /* forgetting is always possible */
    CHECK_OK(core_load_auth(f->c, &e, &err), &err);
    fake_rel(f, 0, false, VR_REL_REPLICATING);
    assert_int_equal(set(f, &admin, (struct vr_service_change){.fields = BIT(RECOVERY)}), 0);
    assert_int_equal(serve(f, VR_PEER_DISABLE, ""), 0);
    assert_null(core_rel_at(f->c, 0));
    fake_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_defaults),      T(test_refusals_change_nothing), T(test_what_confirms_is_no_change),
        T(test_settings_last), T(test_a_closed_host),
    };
    return RUN(tests);
}
