/* SPDX-License-Identifier: Apache-2.0 */
/* The methods about the host and the statistics: what they read, refuse and change. */
#include "calls.h"

#include "core/auth.h"
#include "core/service.h"
#include "util/num.h"

#define SETTINGS "Msvm_ReplicationServiceSettingData"
#define ENTRY "Msvm_ReplicationAuthorizationSettingData"

static struct cim_value datetime(const char *text)
{
    return (struct cim_value){.type = CIM_DATETIME, .str = text};
}

static struct vr_service now(struct calls *t)
{
    struct vr_service s;
    core_service(t->f->c, &s);
    return s;
}

static int modify(struct calls *t, enum vr_role role, const char *property, struct cim_value v)
{
    calls_begin(t, VR_METHOD_ModifyServiceSettings, role);
    calls_instance(t, "SettingData", SETTINGS);
    if (property) {
        calls_set(t, property, v);
    }
    return calls_run(t);
}

static void test_settings(void **state)
{
    struct calls *t = *state;
    struct vr_service before = now(t);
    assert_int_equal(modify(t, VR_ROLE_OPERATOR, NULL, cim_null(CIM_STRING)), 32769);
    assert_int_equal(modify(t, VR_ROLE_ADMIN, NULL, cim_null(CIM_STRING)), 0);
    struct vr_service after = now(t);
    assert_memory_equal(&after, &before, sizeof(after)); /* NULL is no wish */
    assert_int_equal(modify(t, VR_ROLE_ADMIN, "RecoveryServerEnabled", cim_bool(false)), 0);
    assert_false(now(t).recovery_server_enabled);
    assert_int_equal(modify(t, VR_ROLE_ADMIN, "RecoveryServerEnabled", cim_bool(true)), 0);
    assert_int_equal(modify(t, VR_ROLE_ADMIN, "MonitoringInterval", cim_uint(CIM_UINT32, 7200)), 0);
    assert_int_equal(now(t).monitoring_interval_s, 7200);
    assert_int_equal(modify(t, VR_ROLE_ADMIN, "AllowedAuthenticationType", cim_uint(CIM_UINT16, 3)),
                     32770);
    assert_non_null(strstr(t->reason, "Kerberos"));
    assert_int_equal(modify(t, VR_ROLE_ADMIN, "HttpsPort", cim_uint(CIM_UINT16, 443)), 32770);
    assert_non_null(strstr(t->reason, "vmreplicad.conf"));
    assert_int_equal(modify(t, VR_ROLE_ADMIN, "CertificateThumbPrint", cim_str("AA")), 32773);
    assert_int_equal(modify(t, VR_ROLE_ADMIN, "InstanceID", cim_str("Microsoft:b.example\\x")),
                     32773);
    assert_non_null(strstr(t->reason, "Microsoft:a.example\\ReplicationServiceSettings"));
    char longest[200];
    memset(longest, 'A', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(modify(t, VR_ROLE_ADMIN, "CertificateThumbPrint", cim_str(longest)), 32773);
    assert_non_null(strstr(t->reason, "longer"));
}

static void test_monitoring_start(void **state)
{
    static const struct {
        const char *text;
        int code;
        uint32_t s;
    } rows[] = {
        {"00000000093001.000000+000", 0, 34201},
        {"00000000103001.000000+060", 0, 34201}, /* one hour east */
        {"00000000003000.000000+060", 0, 84600},
        {"00000000233000.000000-060", 0, 1800},
        {"00000000000000.000000+000", 0, 0},
        {"00000000060000.000000:000", 0, 21600},
        {"00000001000000.000000:000", 32773, 0},
        {"20260101093000.000000+000", 32773, 0},
        {"000000000930**.******+000", 32773, 0},
    };
    struct calls *t = *state;
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        int code = modify(t, VR_ROLE_ADMIN, "MonitoringStartTime", datetime(rows[i].text));
        assert_int_equal(code, rows[i].code);
        if (code == 0) {
            assert_int_equal(now(t).monitoring_start_s, rows[i].s);
        }
    }
}

/* What a client reads it may send back. */
static void test_settings_as_they_were_read(void **state)
{
    struct calls *t = *state;
    struct cim_arena a;
    struct cim_status st = {0};
    struct cim_instance *i = NULL;
    struct vr_err err = VR_ERR_INIT;
    struct cim_path path;
    const struct cim_caller who = {.user = "anna", .role = VR_ROLE_ADMIN};
    cim_arena_init(&a, 1 << 20);
    CHECK_OK(cim_path_parse(&a,
                            ":" SETTINGS
                            ".InstanceID=\"Microsoft:a.example\\\\ReplicationServiceSettings\"",
                            &path, &err),
             &err);
    cim_broker_get_instance(provider_broker(t->p), &who, CIM_NAMESPACE, &path, &a, &i, &st);
    assert_int_equal(st.code, CIM_OK);
    struct vr_service before = now(t);
    calls_begin(t, VR_METHOD_ModifyServiceSettings, VR_ROLE_ADMIN);
    calls_param(t, "SettingData", cim_embedded(i));
    assert_int_equal(calls_run(t), 0);
    struct vr_service after = now(t);
    assert_memory_equal(&after, &before, sizeof(after));
    cim_arena_deinit(&a);
}

/* --- instances that are modified through these methods --- */

static struct cim_status modified;
static unsigned times;

static void on_modified(void *ctx, const struct cim_status *st)
{
    modified = *st;
    times++;
}

/* An instance with the keys of `path`, and one property of it set; *text of v NULL: without a
 * value. The status. */
static int put(struct calls *t,
               enum vr_role role,
               const char *class_name,
               const char *id,
               const char *property,
               struct cim_value v)
{
    const char *names[] = {"InstanceID", property};
    struct cim_status st = {0};
    struct cim_modify m = {.caller = {.user = "anna", .role = role},
                           .cls = cim_broker_class(provider_broker(t->p), CIM_NAMESPACE, class_name,
                                                   CIM_ERR_INVALID_CLASS, &st),
                           .names = names,
                           .nnames = property ? 2 : 1};
    struct cim_arena a;
    cim_arena_init(&a, 1 << 20);
    struct cim_instance *i = cim_instance_new(&a, m.cls);
    cim_set(i, "InstanceID", cim_str(id));
    if (property) {
        i->values[cim_class_prop(m.cls, property)] = v;
    }
    m.to = i;
    m.path.class_name = m.cls->name;
    assert_true(cim_path_add_key(&m.path, "InstanceID", cim_str(id)));
    unsigned before = times;
    cim_broker_modify_instance(provider_broker(t->p), &m, on_modified, NULL);
    assert_int_equal(times, before + 1);
    cim_arena_deinit(&a);
    return modified.code;
}

#define SETTINGS_ID "Microsoft:a.example\\ReplicationServiceSettings"

static void test_put_settings(void **state)
{
    struct calls *t = *state;
    struct vr_service before = now(t);
    struct cim_value interval = cim_uint(CIM_UINT32, 7200);
#define PUT_SETTING(role, property, v) put(t, role, SETTINGS, SETTINGS_ID, property, v)
    assert_int_equal(PUT_SETTING(VR_ROLE_OPERATOR, "MonitoringInterval", interval),
                     CIM_ERR_ACCESS_DENIED);
    assert_int_equal(PUT_SETTING(VR_ROLE_NONE, "MonitoringInterval", interval),
                     CIM_ERR_ACCESS_DENIED);
    /* as it is: no change, which needs no role */
    assert_int_equal(PUT_SETTING(VR_ROLE_VIEWER, NULL, interval), CIM_OK);
    assert_int_equal(PUT_SETTING(VR_ROLE_VIEWER, "HttpPort", cim_null(CIM_UINT16)), CIM_OK);
    assert_int_equal(PUT_SETTING(VR_ROLE_VIEWER, "MonitoringInterval",
                                 cim_uint(CIM_UINT32, before.monitoring_interval_s)),
                     CIM_OK);
    /* what is no setting, or cannot be without a value, or cannot be had */
    assert_int_equal(PUT_SETTING(VR_ROLE_ADMIN, "Caption", cim_str("mine")),
                     CIM_ERR_INVALID_PARAMETER);
    assert_non_null(strstr(modified.text, "Caption"));
    assert_int_equal(PUT_SETTING(VR_ROLE_ADMIN, "MonitoringInterval", cim_null(CIM_UINT32)),
                     CIM_ERR_INVALID_PARAMETER);
    assert_int_equal(PUT_SETTING(VR_ROLE_ADMIN, "HttpsPort", cim_uint(CIM_UINT16, 443)),
                     CIM_ERR_NOT_SUPPORTED);
    assert_non_null(strstr(modified.text, "vmreplicad.conf"));
    assert_int_equal(PUT_SETTING(VR_ROLE_ADMIN, "CertificateThumbPrint", cim_str("AA")),
                     CIM_ERR_INVALID_PARAMETER);
    assert_int_equal(put(t, VR_ROLE_ADMIN, SETTINGS, "other", "MonitoringInterval", interval),
                     CIM_ERR_NOT_FOUND);
    assert_int_equal(put(t, VR_ROLE_ADMIN, "Msvm_ReplicationRelationship", "x", NULL, interval),
                     CIM_ERR_NOT_SUPPORTED);
    struct vr_service after = now(t);
    assert_memory_equal(&after, &before, sizeof(after));
    assert_int_equal(PUT_SETTING(VR_ROLE_ADMIN, "MonitoringInterval", interval), CIM_OK);
    assert_int_equal(now(t).monitoring_interval_s, 7200);
    assert_int_equal(
        PUT_SETTING(VR_ROLE_ADMIN, "MonitoringStartTime", datetime("00000000093001.000000+000")),
        CIM_OK);
    assert_int_equal(now(t).monitoring_start_s, 34201);
}

/* --- authorization --- */

static int entry(struct calls *t,
                 enum vr_method m,
                 enum vr_role role,
                 const char *host,
                 const char *group,
                 const char *storage)
{
    calls_begin(t, m, role);
    if (m == VR_METHOD_SetAuthorizationEntry) {
        calls_vm(t);
    }
    calls_instance(t, "AuthorizationEntry", ENTRY);
    calls_set(t, "AllowedPrimaryHostSystem", cim_str(host));
    calls_set(t, "TrustGroup", cim_str(group));
    calls_set(t, "ReplicaStorageLocation", cim_str(storage));
    return calls_run(t);
}

static void test_put_authorization(void **state)
{
    struct calls *t = *state;
    static const char id[] = "Microsoft:a.example\\ReplicationAuthorization\\b.example";
    assert_int_equal(
        entry(t, VR_METHOD_AddAuthorizationEntry, VR_ROLE_ADMIN, "b.example", "lab", "/srv/old"),
        0);
    assert_int_equal(put(t, VR_ROLE_OPERATOR, ENTRY, id, "TrustGroup", cim_str("x")),
                     CIM_ERR_ACCESS_DENIED);
    assert_int_equal(put(t, VR_ROLE_ADMIN, ENTRY, id, "AllowedPrimaryHostSystem", cim_str("c")),
                     CIM_ERR_INVALID_PARAMETER);
    assert_int_equal(put(t, VR_ROLE_ADMIN, ENTRY, id, "ReplicaStorageLocation", cim_str("here")),
                     CIM_ERR_INVALID_PARAMETER);
    assert_string_equal(core_auth(t->f->c, "b.example")->storage, "/srv/old");
    assert_int_equal(put(t, VR_ROLE_ADMIN, ENTRY, id, "ReplicaStorageLocation", cim_str("/srv/b")),
                     CIM_OK);
    assert_string_equal(core_auth(t->f->c, "b.example")->storage, "/srv/b");
    assert_string_equal(core_auth(t->f->c, "b.example")->trust_group, "lab");
}

static int take(struct calls *t, enum vr_role role, const char *host)
{
    calls_begin(t, VR_METHOD_RemoveAuthorizationEntry, role);
    calls_param(t, "AllowedPrimaryHostSystem", cim_str(host));
    return calls_run(t);
}

static void test_authorization(void **state)
{
    struct calls *t = *state;
    const enum vr_method add = VR_METHOD_AddAuthorizationEntry,
                         mod = VR_METHOD_ModifyAuthorizationEntry;
    assert_int_equal(entry(t, add, VR_ROLE_OPERATOR, "b.example", NULL, "/r"), 32769);
    assert_int_equal(entry(t, add, VR_ROLE_ADMIN, NULL, NULL, "/r"), 32773);
    assert_non_null(strstr(t->reason, "missing"));
    assert_int_equal(entry(t, add, VR_ROLE_ADMIN, "*", NULL, "/r"), 32773);
    assert_int_equal(entry(t, add, VR_ROLE_ADMIN, "b.example", NULL, NULL), 32773);
    assert_int_equal(entry(t, add, VR_ROLE_ADMIN, "b.example", "blue", "/r"), 0);
    assert_int_equal(entry(t, add, VR_ROLE_ADMIN, "B.EXAMPLE", NULL, "/r"), 32773);
    assert_non_null(strstr(t->reason, "already"));
    assert_int_equal(entry(t, mod, VR_ROLE_ADMIN, "c.example", NULL, "/r"), 32773);
    assert_int_equal(entry(t, mod, VR_ROLE_ADMIN, "b.example", NULL, "/s"), 0);
    assert_string_equal(core_auth(t->f->c, "b.example")->trust_group, "blue"); /* as it was */
    assert_string_equal(core_auth(t->f->c, "b.example")->storage, "/s");
    assert_int_equal(take(t, VR_ROLE_OPERATOR, "b.example"), 32769);
    assert_int_equal(take(t, VR_ROLE_ADMIN, "c.example"), 32773);
    assert_int_equal(take(t, VR_ROLE_ADMIN, "b.example"), 0);
    assert_null(core_auth_at(t->f->c, 0));
    assert_int_equal(take(t, VR_ROLE_ADMIN, "b.example"), 32773);
}

static void test_set_authorization(void **state)
{
    struct calls *t = *state;
    const enum vr_method set = VR_METHOD_SetAuthorizationEntry;
    entry(t, VR_METHOD_AddAuthorizationEntry, VR_ROLE_ADMIN, "b.example", "blue", "/r");
    assert_int_equal(entry(t, set, VR_ROLE_ADMIN, "b.example", NULL, NULL), 32775); /* no replica */
    fake_rel(t->f, 0, false, VR_REL_REPLICATING);
    assert_int_equal(entry(t, set, VR_ROLE_OPERATOR, "b.example", NULL, NULL), 32769);
    assert_int_equal(entry(t, set, VR_ROLE_ADMIN, "c.example", NULL, NULL), 32773);
    assert_int_equal(entry(t, set, VR_ROLE_ADMIN, "b.example", NULL, "/other"), 32773);
    assert_non_null(strstr(t->reason, "ModifyAuthorizationEntry"));
    assert_string_equal(fake_get(t->f, 0)->auth_host, "");
    assert_int_equal(entry(t, set, VR_ROLE_ADMIN, "b.example", "blue", "/r"), 0);
    assert_string_equal(fake_get(t->f, 0)->auth_host, "b.example");
}

/* --- certificates, connection, control --- */

static void look_certificates(struct calls *t, const struct cim_invoke_result *res)
{
    const struct cim_value *v = calls_out(res, "EncodedCertificates");
    assert_true(v->is_array);
    assert_int_equal(v->count, 2);
    assert_string_equal(v->items[0].str, "b3du");
    assert_string_equal(v->items[1].str, "Y2E=");
    t->look = NULL;
}

static void test_certificates(void **state)
{
    struct calls *t = *state;
    calls_begin(t, VR_METHOD_GetSystemCertificates, VR_ROLE_VIEWER);
    t->look = look_certificates;
    assert_int_equal(calls_run(t), 0);
    assert_null(t->look); /* it looked */
}

static int test_peer(struct calls *t, const char *point, int port, int type, const char *thumb)
{
    calls_begin(t, VR_METHOD_TestReplicationConnection, VR_ROLE_OPERATOR);
    calls_param(t, "RecoveryConnectionPoint", cim_str(point));
    if (port >= 0) {
        calls_param(t, "RecoveryServerPortNumber", cim_uint(CIM_UINT16, (uint64_t)port));
    }
    if (type >= 0) {
        calls_param(t, "AuthenticationType", cim_uint(CIM_UINT16, (uint64_t)type));
    }
    calls_param(t, "CertificateThumbPrint", cim_str(thumb));
    calls_param(t, "BypassProxyServer", cim_bool(false));
    return calls_run(t);
}

static void test_connection(void **state)
{
    struct calls *t = *state;
    assert_int_equal(test_peer(t, "b.example", 99, 2, "00ff"), 0);
    assert_string_equal(t->f->point, "b.example:99");
    assert_int_equal(test_peer(t, "b.example", -1, -1, NULL), 0);
    assert_string_equal(t->f->point, "b.example:8650");
    assert_int_equal(test_peer(t, "[::1]:77", 0, 2, NULL), 0);
    assert_string_equal(t->f->point, "[::1]:77");
    assert_int_equal(test_peer(t, "b.example", 99, 1, NULL), 32770);
    assert_int_equal(test_peer(t, "b.example", 99, 3, NULL), 32770);
    assert_int_equal(test_peer(t, "b.example", 99, 2, "00FE"), 32773);
    assert_int_equal(test_peer(t, "b example", 99, 2, NULL), 32773);
    assert_int_equal(test_peer(t, "", 99, 2, NULL), 32773);
    t->f->reply.result = -VR_E_PEER;
    assert_int_equal(test_peer(t, "b.example", 99, 2, NULL), 32777);
    t->f->reply.result = -VR_E_TIMEOUT;
    assert_int_equal(test_peer(t, "b.example", 99, 2, NULL), 32772);
}

static int change(struct calls *t, uint16_t wanted, const char *timeout)
{
    calls_begin(t, VR_METHOD_RequestStateChange, VR_ROLE_ADMIN);
    calls_param(t, "RequestedState", cim_uint(CIM_UINT16, wanted));
    if (timeout) {
        calls_param(t, "TimeoutPeriod", datetime(timeout));
    }
    return calls_run(t);
}

static void test_control(void **state)
{
    struct calls *t = *state;
    assert_int_equal(change(t, 2, NULL), 0);
    assert_int_equal(change(t, 2, "00000000000000.000000:000"), 0);
    assert_int_equal(change(t, 2, "00000000000010.000000:000"), 1);
    for (uint16_t wanted = 3; wanted < 12; wanted++) {
        assert_int_equal(change(t, wanted, NULL), 1);
    }
    calls_begin(t, VR_METHOD_StartService, VR_ROLE_ADMIN);
    assert_int_equal(calls_run(t), 0);
    calls_begin(t, VR_METHOD_StartService, VR_ROLE_OPERATOR);
    assert_int_equal(calls_run(t), -CIM_ERR_ACCESS_DENIED);
    calls_begin(t, VR_METHOD_StopService, VR_ROLE_ADMIN);
    assert_int_equal(calls_run(t), 1);
    assert_non_null(strstr(t->reason, "RecoveryServerEnabled"));
}

/* --- statistics --- */

static struct {
    uint32_t windows, issues;
    uint64_t successes, misses, bytes, latency, health;
    bool bytes_null, pending_null;
    uint64_t pending;
    char message[VR_TEXT_MAX], action[VR_TEXT_MAX];
} got;

static uint64_t number(const struct cim_instance *i, const char *name)
{
    const struct cim_value *v = cim_get(i, name);
    assert_non_null(v);
    return v->is_null ? 0 : v->u;
}

static void look_statistics(struct calls *t, const struct cim_invoke_result *res)
{
    const struct cim_value *all = calls_out(res, "ReplicationStatistics");
    const struct cim_value *issues = calls_out(res, "ReplicationHealthIssues");
    assert_true(all->is_array && issues->is_array && all->count > 0);
    const struct cim_instance *i = all->items[0].instance;
    memset(&got, 0, sizeof(got));
    got.windows = all->count;
    got.issues = issues->count;
    got.successes = number(i, "ReplicationSuccessCount");
    got.misses = number(i, "ReplicationMissCount");
    got.bytes = number(i, "ReplicationSize");
    got.bytes_null = cim_get(i, "ReplicationSize")->is_null;
    got.latency = number(i, "ReplicationLatency");
    got.health = number(i, "ReplicationHealth");
    got.pending = number(i, "PendingReplicationSize");
    got.pending_null = cim_get(i, "PendingReplicationSize")->is_null;
    assert_true(cim_get(i, "ApplicationConsistentSnapshotFailureCount")->is_null);
    assert_true(cim_get(i, "LastTestFailoverTime")->is_null);
    assert_false(cim_get(i, "StartStatisticTime")->is_null);
    assert_false(cim_get(i, "EndStatisticTime")->is_null);
    if (got.issues) {
        const struct cim_instance *e = issues->items[0].instance;
        assert_string_equal(e->cls->name, "Msvm_Error");
        snprintf(got.message, sizeof(got.message), "%s", cim_get(e, "Message")->str);
        snprintf(got.action, sizeof(got.action), "%s",
                 cim_get(e, "RecommendedActions")->items[0].str);
        assert_non_null(strstr(cim_get(e, "ErrorSource")->str, "\\\\HVR\\\\")); /* escaped */
    }
}

static int statistics(struct calls *t, enum vr_method m, const char *id, enum vr_role role)
{
    calls_begin(t, m, role);
    calls_vm(t);
    if (id) {
        calls_instance(t, "ReplicationRelationship", "Msvm_ReplicationRelationship");
        calls_set(t, "InstanceID", cim_str(id));
    }
    bool get = m == VR_METHOD_GetReplicationStatistics || m == VR_METHOD_GetReplicationStatisticsEx;
    t->look = get ? look_statistics : NULL;
    int code = calls_run(t);
    t->look = NULL;
    return code;
}

static int get(struct calls *t)
{
    return statistics(t, VR_METHOD_GetReplicationStatistics, NULL, VR_ROLE_VIEWER);
}

static void test_statistics(void **state)
{
    struct calls *t = *state;
    struct fake *f = t->f;
    assert_int_equal(get(t), 32775); /* without replication */
    fake_rel(f, 0, true, VR_REL_REPLICATING);
    assert_int_equal(get(t), 0);
    assert_int_equal(got.windows, 1);
    assert_int_equal(got.issues, 0);
    assert_true(got.pending_null); /* what the guest wrote is not known */
    assert_int_equal(fake_resync(f, &operator_, 0), 4096);
    uint64_t job = f->answer.job_id;
    struct vr_progress p = {.phase = VR_PHASE_COMMIT, .wire_out = 123};
    core_on_progress(f->c, job, &p);
    assert_int_equal(get(t), 0);
    assert_false(got.pending_null); /* all is at the replica */
    assert_int_equal(got.pending, 0);
    assert_int_equal(got.issues, 1); /* it is resynchronizing: Warning */
    f->now += 2 * SEC + SEC / 2;
    fake_end_done(f, job, uuid_of(0x11));
    assert_int_equal(get(t), 0);
    assert_int_equal(got.successes, 1);
    assert_int_equal(got.bytes, 123);
    assert_int_equal(got.latency, 3); /* seconds, rounded */
    assert_int_equal(got.health, VR_HEALTH_OK);
    assert_int_equal(got.issues, 0);
    f->now = vr_window_end(&f->service, f->now) + SEC;
    core_tick(f->c);
    assert_int_equal(get(t), 0);
    assert_int_equal(got.windows, 2);
    assert_int_equal(got.successes, 0);
}

static void test_issues_and_reset(void **state)
{
    struct calls *t = *state;
    struct fake *f = t->f;
    fake_rel(f, 0, true, VR_REL_REPLICATING);
    f->reply.result = -VR_E_PEER;
    assert_int_equal(fake_resync(f, &operator_, f->now + MIN), 4096);
    f->now += MIN;
    core_tick(f->c);
    assert_int_equal(get(t), 0);
    assert_int_equal(got.misses, 1);
    assert_int_equal(got.health, VR_HEALTH_WARNING);
    assert_int_equal(got.issues, 1);
    assert_non_null(strstr(got.message, "1 of 1 replications"));
    assert_non_null(strstr(got.action, "ResetReplicationStatistics"));
    const enum vr_method reset = VR_METHOD_ResetReplicationStatistics;
    assert_int_equal(statistics(t, reset, NULL, VR_ROLE_VIEWER), 32769);
    assert_int_equal(statistics(t, reset, NULL, VR_ROLE_OPERATOR), 0);
    assert_int_equal(get(t), 0);
    assert_int_equal(got.misses, 0);
    assert_int_equal(got.issues, 0);
    assert_int_equal(got.health, VR_HEALTH_OK);
}

static void test_the_named_relationship(void **state)
{
    static const char zero[] = "Microsoft:01010101-0101-0101-0101-010101010101\\HVR\\0";
    static const char one[] = "Microsoft:01010101-0101-0101-0101-010101010101\\HVR\\1";
    static const char other[] = "Microsoft:02020202-0101-0101-0101-010101010101\\HVR\\0";
    struct calls *t = *state;
    struct fake *f = t->f;
    struct core_transfer_result res = {.generation = {.uuid = uuid_of(0x31), .sequence = 2}};
    const enum vr_method ex = VR_METHOD_GetReplicationStatisticsEx;
    fake_rel(f, 0, false, VR_REL_REPLICATING);
    fake_rel(f, 1, true, VR_REL_REPLICATING); /* the new generation of 0 leaves it behind */
    core_on_target_end(f->c, &f->vm.id, 0, &res);
    assert_int_equal(statistics(t, ex, zero, VR_ROLE_VIEWER), 0);
    assert_int_equal(got.successes, 1);
    assert_true(got.bytes_null); /* only its source sees them */
    assert_int_equal(got.issues, 0);
    assert_int_equal(statistics(t, ex, NULL, VR_ROLE_VIEWER), 0);
    assert_int_equal(got.successes, 1);
    assert_int_equal(statistics(t, ex, one, VR_ROLE_VIEWER), 0);
    assert_int_equal(got.successes, 0);
    assert_false(got.bytes_null);
    assert_int_equal(got.issues, 1);
    assert_int_equal(statistics(t, ex, other, VR_ROLE_VIEWER), 32773);
    assert_int_equal(statistics(t, VR_METHOD_ResetReplicationStatisticsEx, zero, VR_ROLE_OPERATOR),
                     0);
    assert_int_equal(statistics(t, ex, zero, VR_ROLE_VIEWER), 0);
    assert_int_equal(got.successes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CALLS_TEST(test_settings),
        CALLS_TEST(test_monitoring_start),
        CALLS_TEST(test_settings_as_they_were_read),
        CALLS_TEST(test_put_settings),
        CALLS_TEST(test_put_authorization),
        CALLS_TEST(test_authorization),
        CALLS_TEST(test_set_authorization),
        CALLS_TEST(test_certificates),
        CALLS_TEST(test_connection),
        CALLS_TEST(test_control),
        CALLS_TEST(test_statistics),
        CALLS_TEST(test_issues_and_reset),
        CALLS_TEST(test_the_named_relationship),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
