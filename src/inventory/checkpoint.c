/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libvirt keeps a checkpoint in two places, its own record and a bitmap in the image, and either
 * may be lost. A guest that is killed leaves bitmaps that are inconsistent or were never written;
 * to begin a job with one fails, for all disks, and the error names one of them.
 */
#include "inventory/checkpoint.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inventory/backup_xml.h"
#include "util/num.h"

#define PREFIX "vmreplica-"
#define QCOW2_VERSION_AT 7u

static void free_checkpoint(virDomainCheckpointPtr cp)
{
    (void)virDomainCheckpointFree(cp);
}
DEFINE_CLEANUP(virDomainCheckpointPtr, free_checkpoint)

static void name_of(const struct vr_uuid *generation, char ret[CHECKPOINT_NAME_MAX])
{
    char id[VR_UUID_TEXT_LEN];
    snprintf(ret, CHECKPOINT_NAME_MAX, PREFIX "%s", vr_uuid_text(generation, id));
}

static bool is_ours(const char *name)
{
    struct vr_uuid id;
    return name && strncmp(name, PREFIX, strlen(PREFIX)) == 0 &&
           vr_uuid_parse(name + strlen(PREFIX), &id);
}

/* --- deleting --- */

static void forget(virDomainCheckpointPtr cp)
{
    (void)virDomainCheckpointDelete(cp, VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY);
}

/*
 * libvirt deletes all bitmaps of a checkpoint or, where one is missing, none: those that are left
 * would slow their disks down for ever, and nobody would know of them. So it is told of a
 * checkpoint that has one of them, and to delete that; for each.
 */
static void drop_one_by_one(virDomainPtr dom, virDomainCheckpointPtr cp)
{
    _cleanup_(vr_freep) char *xml =
        virDomainCheckpointGetXMLDesc(cp, VIR_DOMAIN_CHECKPOINT_XML_NO_DOMAIN);
    forget(cp);
    for (unsigned i = 0; xml && i < VR_DISKS_MAX; i++) {
        _cleanup_(vr_freep) char *alone = NULL;
        if (!checkpoint_xml_alone(xml, i, &alone)) {
            return;
        }
        _cleanup_(free_checkpointp) virDomainCheckpointPtr one =
            virDomainCheckpointCreateXML(dom, alone, VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE);
        if (one && virDomainCheckpointDelete(one, 0) < 0) {
            forget(one); /* this is the one that is missing */
        }
    }
}

static void drop(virDomainPtr dom, virDomainCheckpointPtr cp)
{
    if (virDomainCheckpointDelete(cp, 0) == 0) {
        return;
    }
    const virError *last = virGetLastError();
    /* Its domain is off, or busy: it is tried again. */
    bool later = last && (last->code == VIR_ERR_OPERATION_INVALID ||
                          last->code == VIR_ERR_OPERATION_TIMEOUT);
    if (!later) {
        drop_one_by_one(dom, cp);
    }
}

void checkpoint_drop(virDomainPtr dom, const char *name)
{
    _cleanup_(free_checkpointp) virDomainCheckpointPtr cp =
        virDomainCheckpointLookupByName(dom, name, 0);
    if (cp) {
        drop(dom, cp);
    }
}

/* Calls fn with each of ours; it may delete it. */
static size_t each_of_ours(virDomainPtr dom,
                           void (*fn)(void *ctx, virDomainCheckpointPtr cp, const char *name),
                           void *ctx)
{
    virDomainCheckpointPtr *all = NULL;
    size_t ours = 0;
    int n = virDomainListAllCheckpoints(dom, &all, 0);
    for (int i = 0; i < n; i++) {
        const char *name = virDomainCheckpointGetName(all[i]);
        if (is_ours(name)) {
            ours++;
            if (fn) {
                fn(ctx, all[i], name);
            }
        }
        free_checkpoint(all[i]);
    }
    free(all);
    return ours;
}

struct keeping {
    virDomainPtr dom;
    const struct instant_mark *mark;
};

static void drop_unless_kept(void *ctx, virDomainCheckpointPtr cp, const char *name)
{
    const struct keeping *k = ctx;
    char holds[CHECKPOINT_NAME_MAX], proposed[CHECKPOINT_NAME_MAX];
    name_of(&k->mark->holds, holds);
    name_of(&k->mark->proposed, proposed);
    if (strcmp(name, holds) != 0 && strcmp(name, proposed) != 0) {
        drop(k->dom, cp);
    }
}

struct dropping {
    virDomainPtr dom;
    void (*bitmap)(void *ctx, const char *name);
    void *ctx;
};

/* Started meanwhile, it is running, and tried again. */
static void drop_any(void *ctx, virDomainCheckpointPtr cp, const char *name)
{
    const struct dropping *d = ctx;
    if (virDomainIsActive(d->dom) != 0) {
        drop(d->dom, cp);
    } else if (d->bitmap) {
        d->bitmap(d->ctx, name);
        if (virDomainIsActive(d->dom) == 0) {
            forget(cp);
        }
    }
}

void checkpoint_drop_all(virDomainPtr dom, void (*bitmap)(void *ctx, const char *name), void *ctx)
{
    struct dropping d = {dom, bitmap, ctx};
    (void)each_of_ours(dom, drop_any, &d);
}

bool checkpoint_has_any(virDomainPtr dom)
{
    return each_of_ours(dom, NULL, NULL) > 0;
}

/* --- what there is --- */

static bool is_version_2(const char *path)
{
    uint8_t head[QCOW2_VERSION_AT + 1];
    _cleanup_(vr_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    return fd < 0 || pread(fd, head, sizeof head, 0) != sizeof head ||
           memcmp(head, "QFI\xfb", 4) != 0 || head[QCOW2_VERSION_AT] < 3;
}

static uint64_t size_now(virDomainPtr dom, const char *disk)
{
    virDomainBlockInfo info;
    return virDomainGetBlockInfo(dom, disk, &info, 0) == 0 ? info.capacity : 0;
}

static void look_at_disks(virDomainPtr dom, const struct vr_vm *vm, struct checkpoint *c)
{
    for (uint32_t i = 0; i < vm->ndisks; i++) {
        const struct vr_disk *d = &vm->disks[i];
        if (d->excluded) {
            continue;
        }
        bool qcow2 = strcmp(d->format, "qcow2") == 0, old = qcow2 && is_version_2(d->path);
        c->size[i] = size_now(dom, d->name); /* what grows until the job begins is compared */
        c->tracked[i] = qcow2 && !old && c->size[i];
        c->why[i] = !qcow2           ? CHECKPOINT_FORMAT
                    : !c->tracked[i] ? CHECKPOINT_VERSION
                                     : CHECKPOINT_NO_CHECKPOINT;
    }
}

static void look_at_base(virDomainPtr dom, const struct vr_vm *vm, struct checkpoint *c)
{
    _cleanup_(free_checkpointp) virDomainCheckpointPtr cp =
        virDomainCheckpointLookupByName(dom, c->base, 0);
    _cleanup_(vr_freep) char *xml =
        cp ? virDomainCheckpointGetXMLDesc(cp, VIR_DOMAIN_CHECKPOINT_XML_NO_DOMAIN) : NULL;
    bool any = false;
    for (uint32_t i = 0; xml && i < vm->ndisks; i++) {
        if (c->tracked[i]) {
            bool in = checkpoint_xml_has(xml, vm->disks[i].name, &c->base_size[i]);
            c->why[i] = !in                            ? CHECKPOINT_NOT_IN_IT
                        : c->size[i] < c->base_size[i] ? CHECKPOINT_SHRUNK
                                                       : CHECKPOINT_KNOWN;
            any = any || c->why[i] == CHECKPOINT_KNOWN;
        }
    }
    if (!any) {
        c->base[0] = '\0';
    }
}

void checkpoint_prepare(virDomainPtr dom,
                        const struct vr_vm *vm,
                        const struct instant_mark *mark,
                        struct checkpoint *ret)
{
    bool any = false;
    struct keeping k = {dom, mark};
    *ret = (struct checkpoint){0};
    for (uint32_t i = 0; i < VR_DISKS_MAX; i++) {
        ret->why[i] = CHECKPOINT_UNASKED;
    }
    if (!mark->wanted) {
        return;
    }
    (void)each_of_ours(dom, drop_unless_kept, &k);
    look_at_disks(dom, vm, ret);
    for (uint32_t i = 0; i < vm->ndisks; i++) {
        any = any || ret->tracked[i];
    }
    if (any) {
        name_of(&mark->makes, ret->made);
    }
    if (mark->since) {
        name_of(&mark->holds, ret->base);
        look_at_base(dom, vm, ret);
    }
}

/* --- when it does not go --- */

static bool is_about_checkpoints(const virError *e)
{
    switch (e ? e->code : VIR_ERR_OK) {
    case VIR_ERR_CHECKPOINT_INCONSISTENT:
    case VIR_ERR_NO_DOMAIN_CHECKPOINT:
    case VIR_ERR_INVALID_DOMAIN_CHECKPOINT:
    case VIR_ERR_CONFIG_UNSUPPORTED:
    case VIR_ERR_OPERATION_UNSUPPORTED:
    case VIR_ERR_OPERATION_FAILED:
    case VIR_ERR_INTERNAL_ERROR:
        return true;
    default:
        return false;
    }
}

/* Those whose names the error has in quotes; all, when it has none. */
static void give_up_bitmaps(struct checkpoint *c, const struct vr_vm *vm, const char *text)
{
    char quoted[VR_NAME_MAX + 4];
    bool named = false, any = false;
    for (int all = 0; all < 2 && !named; all++) {
        for (uint32_t i = 0; i < vm->ndisks; i++) {
            snprintf(quoted, sizeof quoted, "'%s'", vm->disks[i].name);
            if (c->why[i] == CHECKPOINT_KNOWN && (all || strstr(text, quoted))) {
                c->why[i] = CHECKPOINT_BROKEN;
                named = true;
            }
        }
    }
    for (uint32_t i = 0; i < vm->ndisks; i++) {
        any = any || (c->tracked[i] && c->why[i] == CHECKPOINT_KNOWN);
    }
    if (!any) {
        c->base[0] = '\0';
    }
}

bool checkpoint_give_way(struct checkpoint *c, const struct vr_vm *vm)
{
    const virError *last = virGetLastError();
    if (!is_about_checkpoints(last)) {
        return false;
    }
    if (c->base[0]) {
        give_up_bitmaps(c, vm, last->message ? last->message : "");
        return true;
    }
    bool made = c->made[0] != '\0';
    c->made[0] = '\0';
    return made;
}

const char *checkpoint_why_text(enum checkpoint_why why)
{
    static const char *const texts[] = {
#define X(name, text) text,
        CHECKPOINT_WHYS(X)
#undef X
    };
    return texts[why];
}
