/* SPDX-License-Identifier: Apache-2.0 */
/* Msvm_ReplicationAuthorizationSettingData: who may replicate to this host, one for each entry. */
#include <string.h>
#include <strings.h>

#include "provider/internal.h"

#define CLASS "Msvm_ReplicationAuthorizationSettingData"

/* Documented as NULL, which no key can be; AllowedPrimaryHostSystem tells the entries apart. */
struct cim_path *provider_ref_authorization(const struct provider *p,
                                            struct cim_arena *a,
                                            const struct vr_auth_entry *e)
{
    return provider_ref_id(
        a, CLASS,
        cim_printf(a, "Microsoft:%s\\ReplicationAuthorization\\%s", p->config.host_name, e->host));
}

static struct cim_instance *build(struct provider *p,
                                  const struct vr_auth_entry *e,
                                  const struct cim_class *cls,
                                  struct cim_arena *a)
{
    struct cim_instance *i = cim_instance_new(a, cls);
    struct cim_path *path = provider_ref_authorization(p, a, e);
    if (!i || !path) {
        return NULL;
    }
    cim_set(i, "InstanceID", *cim_path_key(path, "InstanceID"));
    cim_set(i, "ElementName", cim_str(cim_strdup(a, e->host)));
    cim_set(i, "AllowedPrimaryHostSystem", cim_str(cim_strdup(a, e->host)));
    cim_set(i, "TrustGroup", cim_str(e->trust_group[0] ? cim_strdup(a, e->trust_group) : NULL));
    cim_set(i, "ReplicaStorageLocation", cim_str(cim_strdup(a, e->storage)));
    cim_instance_make_path(i, CIM_NAMESPACE);
    return i;
}

/* The host is what follows the last backslash; who asks compares the rest. */
const struct vr_auth_entry *provider_find_authorization(const struct provider *p,
                                                        const struct cim_path *path)
{
    const char *id = provider_path_instance_id(path);
    const char *host = id ? strrchr(id, '\\') : NULL;
    const struct vr_auth_entry *e;
    for (size_t i = 0; host && (e = core_auth_at(p->core, i)); i++) {
        if (strcasecmp(e->host, host + 1) == 0) {
            return e;
        }
    }
    return NULL;
}

static struct cim_instance *get(struct provider *p,
                                const struct cim_class *cls,
                                const struct cim_path *path,
                                struct cim_arena *a)
{
    const struct vr_auth_entry *e = provider_find_authorization(p, path);
    return e ? build(p, e, cls, a) : NULL;
}

static void list(struct provider_list *l)
{
    const struct vr_auth_entry *e;
    bool more = true;
    for (size_t i = 0; more && (e = core_auth_at(l->p->core, i)); i++) {
        more = provider_list_one(l, build(l->p, e, l->cls, &l->arena));
    }
}

static const char *const settable[] = {"TrustGroup", "ReplicaStorageLocation", NULL};

static const struct provider_modify modify = {.method = "ModifyAuthorizationEntry",
                                              .parameter = "AuthorizationEntry",
                                              .identity = "AllowedPrimaryHostSystem",
                                              .settable = settable};

const struct provider_class provider_authorization = {.name = CLASS,
                                                      .source = "each authorization entry",
                                                      .get = get,
                                                      .list = list,
                                                      .modify = &modify};
