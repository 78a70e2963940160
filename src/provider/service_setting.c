/* SPDX-License-Identifier: Apache-2.0 */
/* Msvm_ReplicationServiceSettingData: one, what ModifyServiceSettings changes and what the host is.
 * HttpPort is NULL: replication runs over TLS only. */
#include "core/service.h"
#include "provider/internal.h"

#define CLASS "Msvm_ReplicationServiceSettingData"

struct cim_path *provider_ref_service_settings(const struct provider *p, struct cim_arena *a)
{
    return provider_ref_id(
        a, CLASS, cim_printf(a, "Microsoft:%s\\ReplicationServiceSettings", p->config.host_name));
}

/* A time of day without a date: such are the documented values. */
static struct cim_value time_of_day(struct cim_arena *a, uint32_t s)
{
    return (struct cim_value){.type = CIM_DATETIME,
                              .str = cim_printf(a, "00000000%02u%02u%02u.000000+000", s / 3600 % 24,
                                                s / 60 % 60, s % 60)};
}

struct cim_instance *provider_service_settings(const struct provider *p,
                                               const struct vr_service *s,
                                               const struct cim_class *cls,
                                               struct cim_arena *a)
{
    struct cim_instance *i = cim_instance_new(a, cls);
    struct cim_path *path = provider_ref_service_settings(p, a);
    if (!i || !path) {
        return NULL;
    }
    const char *name = "Replication Service Settings";
    cim_set(i, "InstanceID", *cim_path_key(path, "InstanceID"));
    cim_set(i, "Caption", cim_str(name));
    cim_set(i, "Description", cim_str("Virtual Machine Replication Service Settings Data"));
    cim_set(i, "ElementName", cim_str(name));
    cim_set(i, "RecoveryServerEnabled", cim_bool(s->recovery_server_enabled));
    cim_set(i, "AllowedAuthenticationType", cim_uint(CIM_UINT16, s->allowed_authentication));
    cim_set(i, "CertificateThumbPrint",
            cim_str(s->thumbprint[0] ? cim_strdup(a, s->thumbprint) : NULL));
    cim_set(i, "HttpsPort", cim_uint(CIM_UINT16, s->https_port));
    cim_set(i, "MonitoringStartTime", time_of_day(a, s->monitoring_start_s));
    cim_set(i, "MonitoringInterval", cim_uint(CIM_UINT32, s->monitoring_interval_s));
    cim_instance_make_path(i, CIM_NAMESPACE);
    return i;
}

static struct cim_instance *
build(struct provider *p, const struct cim_class *cls, struct cim_arena *a)
{
    struct vr_service s;
    core_service(p->core, &s);
    return provider_service_settings(p, &s, cls, a);
}

static struct cim_instance *get(struct provider *p,
                                const struct cim_class *cls,
                                const struct cim_path *path,
                                struct cim_arena *a)
{
    return build(p, cls, a);
}

static void list(struct provider_list *l)
{
    provider_list_one(l, build(l->p, l->cls, &l->arena));
}

static const char *const settable[] = {"RecoveryServerEnabled",
                                       "AllowedAuthenticationType",
                                       "CertificateThumbPrint",
                                       "HttpPort",
                                       "HttpsPort",
                                       "MonitoringStartTime",
                                       "MonitoringInterval",
                                       NULL};

static const struct provider_modify modify = {.method = "ModifyServiceSettings",
                                              .parameter = "SettingData",
                                              .identity = "InstanceID",
                                              .settable = settable};

const struct provider_class provider_service_setting = {
    .name = CLASS,
    .source = "one: what is stored, and the host's certificate and port",
    .get = get,
    .list = list,
    .modify = &modify};
