/* SPDX-License-Identifier: Apache-2.0 */
#include "inventory/virt_conn.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "util/thread.h"

#define KEEPALIVE_S 5
#define KEEPALIVE_COUNT 6

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool loop_runs;

/* What goes wrong is told by return values; by itself libvirt would write it on stderr, too. */
static void say_nothing(void *ctx, virErrorPtr error)
{
}

static void *run_loop(void *arg)
{
    for (;;) {
        (void)virEventRunDefaultImpl();
    }
    return NULL;
}

static void start_loop(void)
{
    if (virInitialize() < 0 || virEventRegisterDefaultImpl() < 0) {
        return;
    }
    virSetErrorFunc(NULL, say_nothing);
    loop_runs = vr_thread_start(run_loop, NULL, VR_THREAD_STACK_DEFAULT, NULL) == 0;
}

static enum vr_err_kind kind_of(int code)
{
    switch (code) {
    case VIR_ERR_NO_DOMAIN:
    case VIR_ERR_NO_STORAGE_POOL:
    case VIR_ERR_NO_STORAGE_VOL:
        return VR_E_NOT_FOUND;
    case VIR_ERR_OPERATION_TIMEOUT:
        return VR_E_BUSY;
    case VIR_ERR_OPERATION_INVALID:
        return VR_E_STATE;
    case VIR_ERR_AUTH_FAILED:
    case VIR_ERR_AUTH_CANCELLED:
    case VIR_ERR_AUTH_UNAVAILABLE:
    case VIR_ERR_ACCESS_DENIED:
    case VIR_ERR_OPERATION_DENIED:
        return VR_E_DENIED;
    case VIR_ERR_NO_SUPPORT:
    case VIR_ERR_OPERATION_UNSUPPORTED:
    case VIR_ERR_CONFIG_UNSUPPORTED:
    case VIR_ERR_ARGUMENT_UNSUPPORTED:
        return VR_E_UNSUPPORTED;
    case VIR_ERR_NO_CONNECT:
    case VIR_ERR_RPC:
    case VIR_ERR_SYSTEM_ERROR:
        return VR_E_TIMEOUT;
    case VIR_ERR_NO_MEMORY:
        return VR_E_NOMEM;
    default:
        return VR_E_IO;
    }
}

int virt_fail(struct vr_err *err, const char *fmt, ...)
{
    char what[160];
    va_list ap;
    const virError *last = virGetLastError();
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    return vr_fail(err, last ? kind_of(last->code) : VR_E_IO, "%.120s: libvirt: %.120s", what,
                   last && last->message ? last->message : "no reason given");
}

int virt_check_version(const char *what, unsigned long have, unsigned long need, struct vr_err *err)
{
    if (have >= need) {
        return 0;
    }
    return vr_fail(err, VR_E_UNSUPPORTED,
                   "%s %lu.%lu.%lu is too old: %lu.%lu.%lu or later is needed", what,
                   have / 1000000, have / 1000 % 1000, have % 1000, need / 1000000,
                   need / 1000 % 1000, need % 1000);
}

/* Other hypervisors than QEMU have no disks that we could read while a VM runs; libvirt's test
 * driver has none at all, and is there for tests. */
static int check_versions(virConnectPtr conn, struct vr_err *err)
{
    unsigned long libvirt, qemu;
    const char *type = virConnectGetType(conn);
    if (type && strcmp(type, "TEST") == 0) {
        return 0;
    }
    if (!type || strcmp(type, "QEMU") != 0) {
        return vr_fail(err, VR_E_UNSUPPORTED,
                       "libvirt's driver '%.40s' is not supported: QEMU's is", type ? type : "?");
    }
    if (virConnectGetLibVersion(conn, &libvirt) < 0 || virConnectGetVersion(conn, &qemu) < 0) {
        return virt_fail(err, "cannot ask for the version");
    }
    int r = virt_check_version("libvirt", libvirt, VIRT_LIBVIRT_MIN, err);
    return r < 0 || qemu == 0 ? r : virt_check_version("QEMU", qemu, VIRT_QEMU_MIN, err);
}

int virt_connect(const char *uri, virConnectPtr *ret, struct vr_err *err)
{
    pthread_once(&once, start_loop);
    if (!loop_runs) {
        return vr_fail(err, VR_E_INTERNAL, "libvirt's event loop cannot be started");
    }
    _cleanup_(virt_disconnectp) virConnectPtr conn = virConnectOpen(uri);
    if (!conn) {
        return virt_fail(err, "cannot connect to '%s'", uri);
    }
    (void)virConnectSetKeepAlive(conn, KEEPALIVE_S,
                                 KEEPALIVE_COUNT); /* drivers without a link: no */
    int r = check_versions(conn, err);
    if (r < 0) {
        return r;
    }
    *ret = TAKE_PTR(conn);
    return 0;
}

void virt_disconnect(virConnectPtr conn)
{
    (void)virConnectClose(conn);
}
