/* SPDX-License-Identifier: Apache-2.0 */
/* What a person may set about this host's replication service
 * (Msvm_ReplicationServiceSettingData), and what it says about itself beside that. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "util/err.h"

#define VR_THUMBPRINT_MAX 129 /* hexadecimal digits, with NUL */
#define VR_INTERVAL_MIN_S 3600
#define VR_INTERVAL_MAX_S 604800
#define VR_INTERVAL_DEFAULT_S 43200
#define VR_MONITOR_START_DEFAULT_S (9 * 3600)
#define VR_DAY_S 86400

enum vr_authentication {
    VR_AUTHENTICATION_NONE = 0,
    VR_AUTHENTICATION_KERBEROS = 1,
    VR_AUTHENTICATION_CERTIFICATE = 2,
    VR_AUTHENTICATION_BOTH = 3
};

struct vr_service {
    /* stored */
    bool recovery_server_enabled; /* false: no peer may replicate to this host */
    uint32_t monitoring_start_s;  /* time of day, UTC */
    uint32_t monitoring_interval_s;
    /* what the host is: of its certificate and configuration */
    enum vr_authentication allowed_authentication;
    uint16_t https_port; /* where it listens for peers */
    char thumbprint[VR_THUMBPRINT_MAX];
};

/* X(name, what it is called): the members a change may name. */
#define VR_SERVICE_FIELDS(X)                                                                       \
    X(RECOVERY, "RecoveryServerEnabled")                                                           \
    X(AUTHENTICATION, "AllowedAuthenticationType")                                                 \
    X(THUMBPRINT, "CertificateThumbPrint")                                                         \
    X(HTTPS_PORT, "HttpsPort")                                                                     \
    X(HTTP_PORT, "HttpPort")                                                                       \
    X(MONITORING_START, "MonitoringStartTime")                                                     \
    X(MONITORING_INTERVAL, "MonitoringInterval")

enum vr_service_field {
#define X(name, text) VR_SERVICE_##name,
    VR_SERVICE_FIELDS(X)
#undef X
};

struct vr_service_change {
    unsigned fields; /* bits 1 << VR_SERVICE_x: those of `to` that are meant */
    struct vr_service to;
    uint16_t http_port;
};

static inline bool vr_service_names(const struct vr_service_change *ch, enum vr_service_field f)
{
    return (ch->fields & (1u << f)) != 0;
}

/* As a host begins. */
struct vr_service vr_service_default(void);
/* May `now` become what the change asks for? INVALID, or UNSUPPORTED for what no version of us
 * does; the text names the member and what to do. *ret is the result. */
VR_MUST_CHECK int vr_service_apply(const struct vr_service *now,
                                   const struct vr_service_change *ch,
                                   struct vr_service *ret,
                                   struct vr_err *err);
