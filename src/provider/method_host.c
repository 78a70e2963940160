/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The methods about this host: settings of the service, authorization, certificates, the connection
 * test, and the service's own control. What a client leaves NULL in an embedded instance stays as
 * it is.
 */
#include <string.h>
#include <strings.h>

#include "core/auth.h"
#include "core/service.h"
#include "provider/method.h"

#define CONTROL_NOT_SUPPORTED 1 /* RequestStateChange knows only this and 0 */
#define STATE_ENABLED 2

/* NULL: not given, or NULL. */
static const struct cim_value *member(const struct cim_value *instance, const char *name)
{
    const struct cim_value *v = cim_get(instance->instance, name);
    return v && !v->is_null ? v : NULL;
}

/* A text of the instance; dst stays as it is when there is none. */
static uint32_t read_text(struct provider_call *call,
                          const struct cim_value *instance,
                          const char *name,
                          char *dst,
                          size_t cap)
{
    const struct cim_value *v = member(instance, name);
    size_t n = v ? strlen(v->str) : 0;
    if (n >= cap) {
        return provider_refuse(call, VR_RC_INVALID_PARAMETER, "%s is longer than %zu bytes", name,
                               cap - 1);
    }
    if (v) {
        memcpy(dst, v->str, n + 1);
    }
    return 0;
}

/* --- settings of the service --- */

static void read_number(const struct cim_value *settings,
                        const char *name,
                        enum vr_service_field field,
                        struct vr_service_change *ch,
                        uint64_t *ret)
{
    const struct cim_value *v = member(settings, name);
    if (v) {
        ch->fields |= 1u << field;
        *ret = v->type == CIM_BOOLEAN ? v->b : v->u;
    }
}

/* A time of day without a date, in UTC; as an interval clients mean the same. */
static uint32_t read_monitoring_start(struct provider_call *call,
                                      const struct cim_value *settings,
                                      struct vr_service_change *ch)
{
    const struct cim_value *v = member(settings, "MonitoringStartTime");
    struct cim_datetime d;
    if (!v) {
        return 0;
    }
    if (!cim_datetime_parse(v->str, &d) || d.has_wildcard || !(d.has_no_date || d.is_interval) ||
        d.us >= VR_DAY_S * 1000000ull) {
        return provider_refuse(call, VR_RC_INVALID_PARAMETER,
                               "MonitoringStartTime must be a time of day in UTC without a date, "
                               "like 00000000090000.000000+000");
    }
    ch->fields |= 1u << VR_SERVICE_MONITORING_START;
    ch->to.monitoring_start_s = (uint32_t)(d.us / 1000000);
    return 0;
}

/* The settings may say whose they are. */
static uint32_t check_service(struct provider_call *call, const struct cim_value *settings)
{
    const struct cim_value *said = member(settings, "InstanceID");
    struct cim_arena a;
    cim_arena_init(&a, PROVIDER_INSTANCE_MAX_BYTES);
    const struct cim_path *path = provider_ref_service_settings(call->p, &a);
    const struct cim_value *ours = path ? cim_path_key(path, "InstanceID") : NULL;
    uint32_t code = 0;
    if (!ours) {
        code = provider_refuse(call, VR_RC_OUT_OF_MEMORY, "out of memory");
    } else if (said && said->str[0] && strcasecmp(said->str, ours->str) != 0) {
        code = provider_refuse(
            call, VR_RC_INVALID_PARAMETER,
            "the InstanceID of SettingData is not that of this service, '%.150s'", ours->str);
    }
    cim_arena_deinit(&a);
    return code;
}

static uint32_t read_settings(struct provider_call *call, struct vr_service_change *ch)
{
    const struct cim_value *settings = provider_param(call, "SettingData");
    uint32_t code = check_service(call, settings);
    if (code != 0) {
        return code;
    }
    uint64_t enabled = 0, authentication = 0, https = 0, http = 0, interval = 0;
    read_number(settings, "RecoveryServerEnabled", VR_SERVICE_RECOVERY, ch, &enabled);
    read_number(settings, "AllowedAuthenticationType", VR_SERVICE_AUTHENTICATION, ch,
                &authentication);
    read_number(settings, "HttpsPort", VR_SERVICE_HTTPS_PORT, ch, &https);
    read_number(settings, "HttpPort", VR_SERVICE_HTTP_PORT, ch, &http);
    read_number(settings, "MonitoringInterval", VR_SERVICE_MONITORING_INTERVAL, ch, &interval);
    ch->to.recovery_server_enabled = enabled != 0;
    ch->to.allowed_authentication = (enum vr_authentication)authentication;
    ch->to.https_port = (uint16_t)https;
    ch->http_port = (uint16_t)http;
    ch->to.monitoring_interval_s = (uint32_t)interval;
    if (member(settings, "CertificateThumbPrint")) {
        ch->fields |= 1u << VR_SERVICE_THUMBPRINT;
    }
    code = read_text(call, settings, "CertificateThumbPrint", ch->to.thumbprint,
                     sizeof ch->to.thumbprint);
    return code ? code : read_monitoring_start(call, settings, ch);
}

void provider_modify_service(struct provider_call *call, const struct provider_args *args)
{
    struct vr_service_change ch = {0};
    uint32_t code = read_settings(call, &ch);
    if (code != 0) {
        provider_return(call, code);
        return;
    }
    struct core_caller who = provider_caller(call);
    void *wait = provider_wait(call);
    if (wait) {
        core_service_set(call->p->core, &who, &ch, provider_on_core, wait);
    }
}

/* --- authorization --- */

static uint32_t read_host(struct provider_call *call, struct vr_auth_entry *e)
{
    const struct cim_value *entry = provider_param(call, "AuthorizationEntry");
    if (!member(entry, "AllowedPrimaryHostSystem")) {
        return provider_refuse(call, VR_RC_INVALID_PARAMETER,
                               "AllowedPrimaryHostSystem is missing in AuthorizationEntry");
    }
    return read_text(call, entry, "AllowedPrimaryHostSystem", e->host, sizeof e->host);
}

static uint32_t read_rest(struct provider_call *call, struct vr_auth_entry *e)
{
    const struct cim_value *entry = provider_param(call, "AuthorizationEntry");
    uint32_t code = read_text(call, entry, "TrustGroup", e->trust_group, sizeof e->trust_group);
    return code ? code
                : read_text(call, entry, "ReplicaStorageLocation", e->storage, sizeof e->storage);
}

void provider_put_authorization(struct provider_call *call, const struct provider_args *args)
{
    struct core *core = call->p->core;
    bool modify = args->method == VR_METHOD_ModifyAuthorizationEntry;
    struct vr_auth_entry e = {0};
    uint32_t code = read_host(call, &e);
    const struct vr_auth_entry *old = code == 0 && modify ? core_auth(core, e.host) : NULL;
    if (old) {
        e = *old;
    }
    code = code ? code : read_rest(call, &e);
    if (code != 0) {
        provider_return(call, code);
        return;
    }
    struct core_caller who = provider_caller(call);
    void *wait = provider_wait(call);
    if (wait) {
        core_auth_put(core, &who, modify ? CORE_AUTH_MODIFY : CORE_AUTH_ADD, &e, provider_on_core,
                      wait);
    }
}

void provider_remove_authorization(struct provider_call *call, const struct provider_args *args)
{
    char host[VR_HOST_MAX];
    const struct cim_value *v = provider_param(call, "AllowedPrimaryHostSystem");
    if (strlen(v->str) >= sizeof host) {
        provider_return(call, provider_refuse(call, VR_RC_INVALID_PARAMETER,
                                              "AllowedPrimaryHostSystem is too long"));
        return;
    }
    memcpy(host, v->str, strlen(v->str) + 1);
    struct core_caller who = provider_caller(call);
    void *wait = provider_wait(call);
    if (wait) {
        core_auth_remove(call->p->core, &who, host, provider_on_core, wait);
    }
}

/* Binds; an entry is not changed on the way. */
void provider_set_authorization(struct provider_call *call, const struct provider_args *args)
{
    struct core *core = call->p->core;
    struct vr_auth_entry e = {0};
    uint32_t code = read_host(call, &e);
    const struct vr_auth_entry *old = code == 0 ? core_auth(core, e.host) : NULL;
    if (old) {
        e = *old;
    }
    code = code ? code : read_rest(call, &e);
    if (code == 0 && old &&
        (strcmp(e.trust_group, old->trust_group) != 0 || strcmp(e.storage, old->storage) != 0)) {
        code = provider_refuse(call, VR_RC_INVALID_PARAMETER,
                               "the entry of %.128s says otherwise: change it with "
                               "ModifyAuthorizationEntry first",
                               e.host);
    }
    if (code != 0) {
        provider_return(call, code);
        return;
    }
    struct core_caller who = provider_caller(call);
    void *wait = provider_wait(call);
    if (wait) {
        core_auth_bind(core, &who, &args->vm_id, e.host, provider_on_core, wait);
    }
}

/* --- certificates and connection --- */

#define CERTIFICATES_MAX 8

void provider_certificates(struct provider_call *call, const struct provider_args *args)
{
    struct cim_arena a;
    struct cim_value items[CERTIFICATES_MAX];
    uint32_t n = 0;
    const char *text;
    cim_arena_init(&a, PROVIDER_INSTANCE_MAX_BYTES);
    while (n < CERTIFICATES_MAX && (text = call->p->env->certificate(call->p->env_ctx, n))) {
        items[n++] = cim_str(cim_strdup(&a, text));
    }
    const struct cim_value all = {.type = CIM_STRING, .is_array = true, .count = n, .items = items};
    if (cim_arena_failed(&a)) {
        provider_return(call, VR_RC_OUT_OF_MEMORY);
    } else {
        provider_return_out(call, VR_RC_COMPLETED, "EncodedCertificates", all);
    }
    cim_arena_deinit(&a);
}

static uint32_t read_point(struct provider_call *call, char *ret, size_t cap)
{
    const struct cim_value *point = provider_param(call, "RecoveryConnectionPoint");
    const struct cim_value *port = provider_param(call, "RecoveryServerPortNumber");
    char host[VR_HOST_MAX];
    uint16_t n;
    if (strlen(point->str) >= VR_HOST_MAX || !vr_host_split(point->str, host, sizeof host, &n)) {
        return provider_refuse(call, VR_RC_INVALID_PARAMETER,
                               "RecoveryConnectionPoint must be the name or address of a host");
    }
    n = port && port->u ? (uint16_t)port->u : n;
    int len = snprintf(ret, cap, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, n);
    return len > 0 && (size_t)len < cap ? 0
                                        : provider_refuse(call, VR_RC_INVALID_PARAMETER,
                                                          "RecoveryConnectionPoint is too long");
}

static uint32_t check_authentication(struct provider_call *call)
{
    const struct cim_value *type = provider_param(call, "AuthenticationType");
    const struct cim_value *thumb = provider_param(call, "CertificateThumbPrint");
    struct vr_service s;
    core_service(call->p->core, &s);
    if (type && type->u != VR_AUTHENTICATION_CERTIFICATE) {
        return provider_refuse(call, VR_RC_NOT_SUPPORTED,
                               "AuthenticationType must be 2 (certificate): hosts know each other "
                               "by certificates alone");
    }
    if (thumb && thumb->str[0] && strcasecmp(thumb->str, s.thumbprint) != 0) {
        return provider_refuse(call, VR_RC_INVALID_PARAMETER,
                               "CertificateThumbPrint must be that of this host's certificate, "
                               "%.128s",
                               s.thumbprint);
    }
    return 0; /* BypassProxyServer: there is no proxy that could be used */
}

void provider_test_connection(struct provider_call *call, const struct provider_args *args)
{
    char point[VR_HOST_MAX];
    uint32_t code = check_authentication(call);
    code = code ? code : read_point(call, point, sizeof point);
    if (code != 0) {
        provider_return(call, code);
        return;
    }
    struct core_caller who = provider_caller(call);
    void *wait = provider_wait(call);
    if (wait) {
        core_peer_test(call->p->core, &who, point, provider_on_core, wait);
    }
}

/* --- control of the service --- */

static bool asks_for_timeout(const struct cim_value *t)
{
    struct cim_datetime d;
    return t && (!cim_datetime_parse(t->str, &d) || !d.is_interval || d.has_wildcard || d.us);
}

/* It answers, so it is enabled; no other state can be had from here. */
void provider_change_service(struct provider_call *call, const struct provider_args *args)
{
    const struct cim_value *state = provider_param(call, "RequestedState");
    if (asks_for_timeout(provider_param(call, "TimeoutPeriod"))) {
        provider_return(
            call, provider_refuse(call, CONTROL_NOT_SUPPORTED, "TimeoutPeriod is not supported"));
    } else if (!state || state->u != STATE_ENABLED) {
        provider_return(call, provider_refuse(call, CONTROL_NOT_SUPPORTED,
                                              "the service can only be asked to be enabled (2); "
                                              "to stop it is " VR_NO_STOP));
    } else {
        provider_return(call, 0);
    }
}

void provider_start_service(struct provider_call *call, const struct provider_args *args)
{
    provider_return(call, 0); /* it answers, so it is started */
}
