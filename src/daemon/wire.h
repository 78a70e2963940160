/* SPDX-License-Identifier: Apache-2.0 */
/* Inside daemon/: the management side: HTTP front, REST and CIM on the control thread. */
#pragma once
#include "daemon/daemon.h"

struct wire;

/* Loads users and certificate, makes the handlers and opens the listeners. */
VR_MUST_CHECK int wire_start(struct daemon *d, struct wire **ret, struct vr_err *err);
/* Users, certificates and keytab anew; on an error everything stays as it was. Open connections go
 * on. */
VR_MUST_CHECK int wire_reload(struct wire *w, struct vr_err *err);
/* Ports of plain and TLS listener; 0: none. */
void wire_ports(const struct wire *w, uint16_t *ret_plain, uint16_t *ret_tls);
/* No request comes in any more; those that wait are refused. */
void wire_stop(struct wire *w);
void wire_free(struct wire *w); /* after the mailbox was drained */
