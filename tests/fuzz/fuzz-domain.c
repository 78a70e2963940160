/* SPDX-License-Identifier: Apache-2.0 */
/* The XML of libvirt's domains and backup jobs. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "inventory/backup_xml.h"
#include "inventory/domain.h"
#include "inventory/replica_xml.h"

static bool maybe(void *ctx, const char *name)
{
    return (strlen(name) & 1) == 0;
}

static bool machine(void *ctx, const struct replica_machine *m)
{
    return m->machine != NULL;
}

static bool cpu(void *ctx, const struct replica_machine *m, const char *xml)
{
    return (strlen(xml) & 1) == 0;
}

/* What a peer sends as its definition; what comes out can be read again. */
static void as_replica(const char *xml, size_t n, const struct vr_vm *vm)
{
    static const struct replica_host host = {maybe, maybe, maybe, maybe, machine, cpu, NULL};
    const struct vr_definition d = {.xml = xml, .xml_len = (uint32_t)n};
    const struct replica_xml_params p = {vm->id, 0, "/srv/r", vm, &d, &host};
    struct vr_definition_notes notes;
    struct replica_mark mark;
    struct vr_vm back;
    char *text;
    if (replica_xml(&p, &text, &mark, &notes, NULL) < 0) {
        return;
    }
    const struct domain_rules rules = {.foreign = true};
    vr_assert(notes.n <= VR_NOTES_MAX);
    vr_assert(domain_parse(text, &rules, &back, NULL) == 0 && vr_uuid_eq(&back.id, &vm->id));
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const struct domain_rules rules;
    static struct vr_vm vm;
    char socket[108], *xml = malloc(n + 1);
    if (!xml) {
        return 0;
    }
    memcpy(xml, p, n);
    xml[n] = '\0';
    if (domain_parse(xml, &rules, &vm, NULL) == 0) {
        vr_assert(vm.ndisks <= VR_DISKS_MAX && vm.name[0] && !vr_uuid_is_nil(&vm.id));
        for (uint32_t i = 0; i < vm.ndisks; i++) {
            const struct vr_disk *d = &vm.disks[i];
            vr_assert(d->excluded == (d->left_out != VR_LEFT_OUT_NOT));
            vr_assert(d->excluded || (vr_name_ok(d->name) && d->path[0] == '/'));
            vr_assert(d->excluded || vr_format_known(d->format, strlen(d->format)));
        }
    }
    as_replica(xml, strlen(xml), &vm);
    if (backup_xml_socket(xml, socket, sizeof socket)) {
        vr_assert(strlen(socket) < sizeof socket);
    }
    free(xml);
    return 0;
}
