/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An embedded Msvm_ReplicationSettingData as what core is asked for. What is NULL was not said.
 * Accepted and not looked at, as documented for a provider that has no such thing:
 * CertificateThumbPrint, RootCertificateThumbPrint, BypassProxyServer, ReplicateHostKvpItems,
 * LogDataRoot, names that follow from others (ElementName), and the names of hosts that only we can
 * know (PrimaryConnectionPoint, PrimaryHostSystem, RecoveryHostSystem).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "provider/method.h"
#include "util/cleanup.h"

#define SETTING "ReplicationSettingData"

/* NULL: not said. */
static const struct cim_value *said(const struct cim_instance *i, const char *name)
{
    const struct cim_value *v = cim_get(i, name);
    return v && !v->is_null ? v : NULL;
}

static const struct cim_value *
field(const struct cim_instance *i, const char *name, struct vr_setting_change *ch, unsigned f)
{
    const struct cim_value *v = said(i, name);
    ch->fields |= v ? 1u << f : 0;
    return v;
}

/* A time of day as an interval. */
static uint32_t read_day(struct provider_call *call, const struct cim_value *v, uint32_t *ret_s)
{
    struct cim_datetime d;
    if (!cim_datetime_parse(v->str, &d) || !d.is_interval || d.has_wildcard) {
        return provider_refuse(call, VR_RC_INVALID_PARAMETER,
                               SETTING ": the window of automatic resynchronization is given as "
                                       "two intervals");
    }
    uint64_t s = d.us / 1000000;
    *ret_s = s < UINT32_MAX ? (uint32_t)s : UINT32_MAX;
    return 0;
}

static uint32_t
read_change(struct provider_call *call, const struct cim_instance *i, struct vr_setting_change *ch)
{
    const struct cim_value *v;
    uint32_t code = 0;
    if ((v = field(i, "CompressionEnabled", ch, VR_SETTING_COMPRESSION))) {
        ch->to.compression = v->b;
    }
    if ((v = field(i, "ReplicationInterval", ch, VR_SETTING_INTERVAL))) {
        ch->to.interval_s = (uint32_t)v->u;
    }
    if ((v = field(i, "AutoResynchronizeEnabled", ch, VR_SETTING_AUTO_RESYNC))) {
        ch->to.auto_resync = v->b;
    }
    if ((v = field(i, "AutoResynchronizeIntervalStart", ch, VR_SETTING_AUTO_START))) {
        code = read_day(call, v, &ch->to.auto_start_s);
    }
    if (code == 0 && (v = field(i, "AutoResynchronizeIntervalEnd", ch, VR_SETTING_AUTO_END))) {
        code = read_day(call, v, &ch->to.auto_end_s);
    }
    if ((v = field(i, "RecoveryHistory", ch, VR_SETTING_HISTORY))) {
        ch->recovery_history = (uint32_t)v->u;
    }
    if ((v = field(i, "ApplicationConsistentSnapshotInterval", ch, VR_SETTING_APP_CONSISTENT))) {
        ch->app_consistent_h = (uint32_t)v->u;
    }
    if ((v = field(i, "AuthenticationType", ch, VR_SETTING_AUTHENTICATION))) {
        ch->authentication = (uint32_t)v->u;
    }
    if ((v = field(i, "EnableWriteOrderPreservationAcrossDisks", ch, VR_SETTING_WRITE_ORDER))) {
        ch->write_order = v->b;
    }
    if ((v = field(i, "AdditionalSettings", ch, VR_SETTING_ADDITIONAL))) {
        ch->additional = v->str[0] != '\0';
    }
    if ((v = field(i, "ReplicationProvider", ch, VR_SETTING_PROVIDER))) {
        ch->our_provider = v->str[0] == '\0' || provider_names_builtin(v->str);
    }
    return code;
}

/* Host and port in one text, as core knows a connection point; "": not said. Of one that is there
 * already, now, what is not said stays. */
static uint32_t read_peer(struct provider_call *call,
                          const struct cim_instance *i,
                          const char *now,
                          char ret[static VR_HOST_MAX])
{
    const struct cim_value *point = said(i, "RecoveryConnectionPoint");
    const struct cim_value *port = said(i, "RecoveryServerPortNumber");
    char now_host[VR_HOST_MAX] = "";
    uint16_t now_port = 0;
    ret[0] = '\0';
    if (!point && !port) {
        return 0;
    }
    if (now && !vr_host_split(now, now_host, sizeof now_host, &now_port)) {
        now_host[0] = '\0';
    }
    const char *host = point ? point->str : now_host;
    unsigned number = port ? (unsigned)port->u : strcasecmp(host, now_host) == 0 ? now_port : 0;
    if (!host[0]) {
        return 0;
    }
    bool bare_v6 = strchr(host, ':') && strchr(host, ':') != strrchr(host, ':') && host[0] != '[';
    int n = number ? snprintf(ret, VR_HOST_MAX, bare_v6 ? "[%s]:%u" : "%s:%u", host, number)
                   : snprintf(ret, VR_HOST_MAX, bare_v6 ? "[%s]" : "%s", host);
    return n < VR_HOST_MAX ? 0
                           : provider_refuse(call, VR_RC_INVALID_PARAMETER,
                                             "RecoveryConnectionPoint is too long");
}

static bool same_text(const struct cim_value *v, const struct vr_uuid *vm)
{
    struct vr_uuid id;
    return vr_uuid_parse(v->str, &id) && vr_uuid_eq(&id, vm);
}

/* The settings may say whose they are; number -1: of a relationship that is not there yet. */
static uint32_t check_owner(struct provider_call *call,
                            const struct cim_instance *i,
                            const struct vr_uuid *vm,
                            int number)
{
    const struct cim_value *id = said(i, "InstanceID"), *vs = said(i, "VirtualSystemIdentifier");
    struct vr_uuid of;
    uint8_t said_number;
    bool id_said = id && id->str[0];
    bool id_ok =
        !id_said || (provider_rel_id_parse(id->str, &of, &said_number) && vr_uuid_eq(&of, vm));
    bool vs_ok = !vs || !vs->str[0] || same_text(vs, vm);
    if (!id_ok || !vs_ok) {
        return provider_refuse(call, VR_RC_INVALID_PARAMETER,
                               SETTING " is that of another virtual machine");
    }
    if (id_said && number >= 0 && said_number != number) {
        return provider_refuse(call, VR_RC_INVALID_PARAMETER,
                               SETTING " is that of relationship %u; what this host sends is "
                                       "relationship %d",
                               said_number, number);
    }
    return 0;
}

/* --- disks --- */

/* One of IncludedDisks, by InstanceID, object path or instance: its place in the VM, or -1. */
static int find_disk(const struct cim_value *v, const struct vr_vm *vm)
{
    struct vr_uuid of;
    char name[VR_NAME_MAX];
    const struct cim_value *id = v;
    if (v->type == CIM_INSTANCE && !v->is_null) {
        id = cim_get(v->instance, "InstanceID");
    }
    if (!id || id->type != CIM_STRING || id->is_null || !provider_disk_parse(id->str, &of, name) ||
        !vr_uuid_eq(&of, &vm->id)) {
        return -1;
    }
    for (uint32_t i = 0; i < vm->ndisks; i++) {
        if (strcmp(vm->disks[i].name, name) == 0) {
            return vm->disks[i].excluded ? -1 : (int)i;
        }
    }
    return -1;
}

static uint32_t read_disks(struct provider_call *call,
                           const struct cim_instance *i,
                           const struct vr_uuid *id,
                           struct provider_settings *ret)
{
    const struct cim_value *v = said(i, "IncludedDisks");
    bool included[VR_DISKS_MAX] = {0};
    if (!v) {
        return 0;
    }
    if (v->count == 0) {
        return provider_refuse(call, VR_RC_INVALID_PARAMETER,
                               "IncludedDisks is empty: name the disks that take part, or leave it "
                               "out for all of them");
    }
    _cleanup_(vr_freep) struct vr_vm *vm = calloc(1, sizeof *vm);
    if (!vm) {
        return provider_refuse(call, VR_RC_OUT_OF_MEMORY, "out of memory");
    }
    bool known = provider_find_vm(call->p, id, vm);
    for (uint32_t k = 0; k < v->count; k++) {
        int at = known ? find_disk(&v->items[k], vm) : -1;
        if (at < 0) {
            return provider_refuse(
                call, VR_RC_INVALID_PARAMETER,
                "IncludedDisks[%u] names no disk of this virtual machine that can "
                "take part",
                k);
        }
        included[at] = true;
    }
    ret->says_disks = true;
    for (uint32_t k = 0; k < vm->ndisks; k++) {
        if (!included[k] && !vm->disks[k].excluded) {
            memcpy(ret->excluded[ret->nexcluded++], vm->disks[k].name, VR_NAME_MAX);
        }
    }
    return 0;
}

uint32_t provider_read_settings(struct provider_call *call, struct provider_args *args)
{
    const struct cim_instance *i = provider_param(call, SETTING)->instance;
    struct provider_settings *s = &args->settings;
    const struct vr_rel *rel = provider_rel(call->p, &args->vm_id, args->number);
    struct vr_setting now = rel ? rel->setting : vr_setting_default(), next;
    struct vr_err err = VR_ERR_INIT;
    bool modify = args->method == VR_METHOD_ModifyReplicationSettings;
    uint32_t code = check_owner(call, i, &args->vm_id, modify ? args->number : -1);
    code = code ? code : read_change(call, i, &s->change);
    code = code ? code : read_peer(call, i, modify && rel ? rel->peer : NULL, s->peer);
    code = code ? code : read_disks(call, i, &args->vm_id, s);
    if (code) {
        return code;
    }
    /* what no version of us does is core's answer, after the role */
    if (vr_setting_apply(&now, &s->change, args->number, &next, &err) == -VR_E_INVALID) {
        return provider_refuse(call, VR_RC_INVALID_PARAMETER, "%s", vr_err_text(&err));
    }
    if (args->method == VR_METHOD_CreateReplicationRelationship && !s->peer[0]) {
        return provider_refuse(call, VR_RC_INVALID_PARAMETER,
                               "RecoveryConnectionPoint must name the host to replicate to");
    }
    return 0;
}
