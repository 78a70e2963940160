/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who comes in at the management ports: users, the certificate shown to them, the clients' CA and
 * the Kerberos keytab. gate_reload replaces all of them at once, or none: connections go on, and
 * whoever is not in the new files is not known at his next request. All but new, reload and free
 * are called by the HTTP threads; ctx of the callbacks is the gate.
 */
#pragma once
#include "daemon/config.h"
#include "front/http.h"

struct gate;

VR_MUST_CHECK int
gate_new(const struct daemon_config *config, struct gate **ret, struct vr_err *err);
/* On failure everything stays as it was. */
VR_MUST_CHECK int
gate_reload(struct gate *g, const struct daemon_config *config, struct vr_err *err);
/* No HTTP server may be left that uses it. */
void gate_free(struct gate *g);
/* Reads the files and forgets them again. */
VR_MUST_CHECK int gate_check(const struct daemon_config *config, struct vr_err *err);

/* The callbacks of http_config. */
void gate_serve(struct gate *g, struct http_config *hc);
