/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The formats of disks are those of the XML, never probed: a guest could write a header that looks
 * like another format.
 */
#include "inventory/domain.h"

#include <ctype.h>
#include <string.h>

#include "inventory/domxml.h"
#include "util/cleanup.h"
#include "util/num.h"

typedef const xmlNode *node;

static bool is(const char *value, const char *wanted)
{
    return value && strcmp(value, wanted) == 0;
}

/* --- disks --- */

static bool path_ok(const char *path)
{
    bool ok = path[0] == '/' && strlen(path) < VR_PATH_MAX;
    for (const char *p = path; ok && *p; p++) {
        ok = !iscntrl((unsigned char)*p);
    }
    return ok;
}

/* What makes it a disk of no interest, whatever lies below it. */
static enum vr_left_out kind_of(node disk)
{
    static const struct {
        const char *device;
        enum vr_left_out why;
    } devices[] = {{"cdrom", VR_LEFT_OUT_CDROM},
                   {"floppy", VR_LEFT_OUT_FLOPPY},
                   {"lun", VR_LEFT_OUT_PASSTHROUGH}};
    static const struct {
        const char *element;
        enum vr_left_out why;
    } elements[] = {{"readonly", VR_LEFT_OUT_READONLY},
                    {"shareable", VR_LEFT_OUT_SHAREABLE},
                    {"transient", VR_LEFT_OUT_TRANSIENT},
                    {"encryption", VR_LEFT_OUT_ENCRYPTED}};
    const char *device = domxml_attribute(disk, "device");
    for (size_t i = 0; i < VR_COUNT(devices); i++) {
        if (is(device, devices[i].device)) {
            return devices[i].why;
        }
    }
    for (size_t i = 0; i < VR_COUNT(elements); i++) {
        if (domxml_child(disk, elements[i].element)) {
            return elements[i].why;
        }
    }
    return device && !is(device, "disk") ? VR_LEFT_OUT_TYPE : VR_LEFT_OUT_NOT;
}

static enum vr_left_out source_of(node disk, const struct domain_rules *rules, struct vr_disk *ret)
{
    node source = domxml_child(disk, "source");
    const char *type = domxml_attribute(disk, "type"), *path = NULL;
    if (domxml_child(source, "encryption")) {
        return VR_LEFT_OUT_ENCRYPTED;
    }
    if (domxml_child(source, "slices")) {
        return VR_LEFT_OUT_SLICE;
    }
    if (is(type, "volume")) {
        const char *pool = domxml_attribute(source, "pool"),
                   *volume = domxml_attribute(source, "volume");
        bool found = pool && volume && rules->volume &&
                     rules->volume(rules->ctx, pool, volume, ret->path, sizeof ret->path);
        return !found               ? VR_LEFT_OUT_VOLUME
               : path_ok(ret->path) ? VR_LEFT_OUT_NOT
                                    : VR_LEFT_OUT_PATH;
    }
    if (is(type, "file")) {
        path = domxml_attribute(source, "file");
    } else if (is(type, "block")) {
        path = domxml_attribute(source, "dev");
    } else {
        return is(type, "network") ? VR_LEFT_OUT_NETWORK : VR_LEFT_OUT_TYPE;
    }
    if (!path) {
        return VR_LEFT_OUT_EMPTY;
    }
    if (!path_ok(path)) {
        return VR_LEFT_OUT_PATH;
    }
    snprintf(ret->path, sizeof ret->path, "%s", path);
    return VR_LEFT_OUT_NOT;
}

static enum vr_left_out format_of(node disk, struct vr_disk *ret)
{
    const char *format = domxml_attribute(domxml_child(disk, "driver"), "type");
    if (!format || !vr_format_known(format, strlen(format))) {
        return VR_LEFT_OUT_FORMAT;
    }
    snprintf(ret->format, sizeof ret->format, "%s", format);
    return VR_LEFT_OUT_NOT;
}

static void read_disk(node disk, const struct domain_rules *rules, struct vr_disk *ret)
{
    const char *target = domxml_attribute(domxml_child(disk, "target"), "dev");
    bool named = target && vr_name_ok(target);
    enum vr_left_out why = kind_of(disk), source = source_of(disk, rules, ret);
    enum vr_left_out format = format_of(disk, ret);
    snprintf(ret->name, sizeof ret->name, "%s", named ? target : "?");
    why = why ? why : source;
    why = why ? why : format;
    why = why ? why : named ? VR_LEFT_OUT_NOT : VR_LEFT_OUT_NAME;
    ret->left_out = (uint8_t)why;
    ret->excluded = why != VR_LEFT_OUT_NOT;
}

static bool has_disk(const struct vr_vm *vm, const char *name)
{
    for (uint32_t i = 0; i < vm->ndisks; i++) {
        if (strcmp(vm->disks[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* The first reason counts. */
static void refuse(struct vr_vm *vm, const char *why)
{
    if (!vm->refused[0]) {
        snprintf(vm->refused, sizeof vm->refused, "%s", why);
    }
}

/* Those that take part (left_out false) or those that do not. What finds no place among the latter
 * is of no consequence. */
static void
add_disks(node devices, const struct domain_rules *rules, bool left_out, struct vr_vm *vm)
{
    for (node n = devices ? devices->children : NULL; n; n = n->next) {
        struct vr_disk d = {0};
        if (!domxml_is(n, "disk")) {
            continue;
        }
        read_disk(n, rules, &d);
        if (d.excluded != left_out) {
            continue;
        }
        if (vm->ndisks == VR_DISKS_MAX && !left_out) {
            refuse(vm, "it has more than 16 disks that would be replicated: split the VM");
        }
        if (vm->ndisks == VR_DISKS_MAX) {
            return;
        }
        if (!left_out && has_disk(vm, d.name)) {
            refuse(vm, "two of its disks have the same target: give each its own");
        }
        vm->disks[vm->ndisks++] = d;
    }
}

/* --- the VM --- */

static const struct manager {
    const char *ns, *why;
} managers[] = {
    {"http://ovirt.org/vm/",
     "oVirt manages it, and its disks with it: set foreign = yes in [inventory] only when it does "
     "not any more"},
    {"http://openstack.org/xmlns/libvirt/nova/",
     "OpenStack manages it, and its disks with it: set foreign = yes in [inventory] only when it "
     "does not any more"},
};

static bool is_in_ns(node n, const char *prefix)
{
    return n->type == XML_ELEMENT_NODE && n->ns && n->ns->href &&
           strncmp((const char *)n->ns->href, prefix, strlen(prefix)) == 0;
}

static void judge_metadata(node domain, const struct domain_rules *rules, struct vr_vm *vm)
{
    node metadata = domxml_child(domain, "metadata");
    for (node n = metadata ? metadata->children : NULL; n; n = n->next) {
        if (is_in_ns(n, DOMAIN_REPLICA_NS)) {
            vm->is_replica = true;
            refuse(vm, "it is a replica that vmreplica defined");
        }
        for (size_t i = 0; !rules->foreign && i < VR_COUNT(managers); i++) {
            if (is_in_ns(n, managers[i].ns)) {
                refuse(vm, managers[i].why);
            }
        }
    }
}

static int read_identity(node domain, struct vr_vm *vm, struct vr_err *err)
{
    node uuid = domxml_child(domain, "uuid"), name = domxml_child(domain, "name");
    const char *id = uuid ? domxml_text(uuid->children) : NULL;
    const char *text = name ? domxml_text(name->children) : NULL;
    if (!id || !vr_uuid_parse(id, &vm->id) || vr_uuid_is_nil(&vm->id)) {
        return vr_fail(err, VR_E_INVALID, "the domain has no UUID");
    }
    if (!text || !*text) {
        return vr_fail(err, VR_E_INVALID, "the domain has no name");
    }
    size_t n = 0;
    for (; text[n] && n < VR_NAME_MAX - 1; n++) {
        vm->name[n] = iscntrl((unsigned char)text[n]) ? '?' : text[n];
    }
    if (text[n]) {
        refuse(vm, "its name is longer than 127 bytes: rename it");
    }
    return 0;
}

static int
read_domain(node root, const struct domain_rules *rules, struct vr_vm *vm, struct vr_err *err)
{
    int r = read_identity(root, vm, err);
    if (r < 0) {
        return r;
    }
    vm->from_libvirt = true;
    judge_metadata(root, rules, vm);
    add_disks(domxml_child(root, "devices"), rules, false, vm);
    if (vm->ndisks == 0) {
        refuse(vm, "it has no disk that can be replicated");
    }
    add_disks(domxml_child(root, "devices"), rules, true, vm);
    return 0;
}

int domain_parse(const char *xml,
                 const struct domain_rules *rules,
                 struct vr_vm *ret,
                 struct vr_err *err)
{
    size_t len = strnlen(xml, DOMAIN_XML_MAX + 1);
    if (len > DOMAIN_XML_MAX) {
        return vr_fail(err, VR_E_LIMIT, "the XML of a domain is larger than %u bytes",
                       DOMAIN_XML_MAX);
    }
    _cleanup_(domxml_freep) xmlDoc *doc = NULL;
    int r = domxml_read(xml, len, "domain", &doc, err);
    if (r < 0) {
        return r;
    }
    _cleanup_(vr_freep) struct vr_vm *vm = calloc(1, sizeof *vm);
    if (!vm) {
        return vr_fail_nomem(err);
    }
    r = read_domain(xmlDocGetRootElement(doc), rules, vm, err);
    if (r == 0) {
        memcpy(ret, vm, sizeof *vm);
    }
    return r;
}
