/* SPDX-License-Identifier: Apache-2.0 */
#include "inventory/signs.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "inventory/virt_conn.h"

struct signs {
    atomic_uint refs, seen;
};

struct signs *signs_new(void)
{
    struct signs *s = calloc(1, sizeof *s);
    if (s) {
        atomic_init(&s->refs, 1);
    }
    return s;
}

void signs_unref(void *signs)
{
    struct signs *s = signs;
    if (s && atomic_fetch_sub(&s->refs, 1) == 1) {
        free(s);
    }
}

static void on_lifecycle(virConnectPtr conn, virDomainPtr dom, int event, int detail, void *arg)
{
    struct signs *s = arg;
    if (event == VIR_DOMAIN_EVENT_STARTED) {
        atomic_fetch_or(&s->seen, SIGN_STARTED);
    } else if (event == VIR_DOMAIN_EVENT_STOPPED || event == VIR_DOMAIN_EVENT_CRASHED) {
        atomic_fetch_or(&s->seen, SIGN_STOPPED);
    } else if (event == VIR_DOMAIN_EVENT_SUSPENDED &&
               detail == VIR_DOMAIN_EVENT_SUSPENDED_IOERROR) {
        atomic_fetch_or(&s->seen, SIGN_STUCK);
    }
}

static void on_close(virConnectPtr conn, int reason, void *arg)
{
    struct signs *s = arg;
    atomic_fetch_or(&s->seen, SIGN_LOST);
}

int signs_watch(
    struct signs *s, virConnectPtr conn, virDomainPtr dom, int *ret_event, struct vr_err *err)
{
    atomic_fetch_add(&s->refs, 1);
    *ret_event =
        virConnectDomainEventRegisterAny(conn, dom, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                         VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle), s, signs_unref);
    if (*ret_event < 0) {
        signs_unref(s);
        return virt_fail(err, "no events of the VM");
    }
    (void)virConnectRegisterCloseCallback(conn, on_close, s, NULL); /* as in virt.c */
    return 0;
}

void signs_unwatch(virConnectPtr conn, int *event)
{
    if (*event >= 0) {
        (void)virConnectDomainEventDeregisterAny(conn, *event);
    }
    *event = -1;
    (void)virConnectUnregisterCloseCallback(conn, on_close);
}

bool signs_saw(const struct signs *s, unsigned which)
{
    return atomic_load(&s->seen) & which;
}
