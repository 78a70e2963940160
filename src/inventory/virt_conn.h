/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside inventory/ only: connections to libvirt. libvirt blocks, so none of this is called on the
 * control thread. Any other thread may; events and keep-alive run on one more thread, which
 * virt_connect starts with the first connection and which lives as long as the process.
 */
#pragma once
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include "util/cleanup.h"
#include "util/err.h"

/* What the backup jobs of running VMs need. */
#define VIRT_LIBVIRT_MIN 7006000ul
#define VIRT_QEMU_MIN 6000000ul

/* UNSUPPORTED: libvirt or QEMU too old, the text names both versions. TIMEOUT: it does not answer.
 */
VR_MUST_CHECK int virt_connect(const char *uri, virConnectPtr *ret, struct vr_err *err);
void virt_disconnect(virConnectPtr conn);
DEFINE_CLEANUP(virConnectPtr, virt_disconnect)

/* The calling thread's last error of libvirt as ours, behind a text: NOT_FOUND (no such domain),
 * BUSY (another job has the domain), STATE, DENIED, UNSUPPORTED, TIMEOUT (no connection), else IO.
 */
int virt_fail(struct vr_err *err, const char *fmt, ...) VR_PRINTF(2, 3);

static inline void virt_domain_free(virDomainPtr dom)
{
    (void)virDomainFree(dom);
}
DEFINE_CLEANUP(virDomainPtr, virt_domain_free)

/* For the unit tests: is this version at least what is needed? */
VR_MUST_CHECK int
virt_check_version(const char *what, unsigned long have, unsigned long need, struct vr_err *err);
