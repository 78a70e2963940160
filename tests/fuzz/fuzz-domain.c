/* SPDX-License-Identifier: Apache-2.0 */
/* The XML of libvirt's domains and backup jobs. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "inventory/backup_xml.h"
#include "inventory/domain.h"

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
    if (backup_xml_socket(xml, socket, sizeof socket)) {
        vr_assert(strlen(socket) < sizeof socket);
    }
    free(xml);
    return 0;
}
