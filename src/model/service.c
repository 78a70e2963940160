/* SPDX-License-Identifier: Apache-2.0 */
#include "model/service.h"

#include <string.h>
#include <strings.h>

struct vr_service vr_service_default(void)
{
    return (struct vr_service){
        .recovery_server_enabled = true,
        .monitoring_start_s = VR_MONITOR_START_DEFAULT_S,
        .monitoring_interval_s = VR_INTERVAL_DEFAULT_S,
        .allowed_authentication = VR_AUTHENTICATION_CERTIFICATE,
    };
}

/* What the host is, and a change can only confirm. */
static int
check_fixed(const struct vr_service *now, const struct vr_service_change *ch, struct vr_err *err)
{
    const struct vr_service *to = &ch->to;
    if (vr_service_names(ch, VR_SERVICE_AUTHENTICATION) &&
        to->allowed_authentication != now->allowed_authentication) {
        return vr_fail(
            err, VR_E_UNSUPPORTED,
            "AllowedAuthenticationType must be 2 (certificate): hosts know each other by "
            "certificates alone; there is no Kerberos here");
    }
    if (vr_service_names(ch, VR_SERVICE_THUMBPRINT) && to->thumbprint[0] &&
        strcasecmp(to->thumbprint, now->thumbprint) != 0) {
        return vr_fail(err, VR_E_INVALID,
                       "CertificateThumbPrint must be that of this host's certificate, %.128s: to "
                       "change the certificate, install another (vmreplica certs install)",
                       now->thumbprint);
    }
    if (vr_service_names(ch, VR_SERVICE_HTTPS_PORT) && to->https_port != now->https_port) {
        return vr_fail(err, VR_E_UNSUPPORTED,
                       "HttpsPort is %u, from the configuration file: change [peer] port in "
                       "vmreplicad.conf and restart vmreplicad",
                       now->https_port);
    }
    if (vr_service_names(ch, VR_SERVICE_HTTP_PORT) && ch->http_port != 0) {
        return vr_fail(err, VR_E_UNSUPPORTED,
                       "HttpPort cannot be set: replication always runs over TLS (HttpsPort)");
    }
    return 0;
}

int vr_service_apply(const struct vr_service *now,
                     const struct vr_service_change *ch,
                     struct vr_service *ret,
                     struct vr_err *err)
{
    struct vr_service next = *now;
    int r = check_fixed(now, ch, err);
    if (r < 0) {
        return r;
    }
    if (vr_service_names(ch, VR_SERVICE_RECOVERY)) {
        next.recovery_server_enabled = ch->to.recovery_server_enabled;
    }
    if (vr_service_names(ch, VR_SERVICE_MONITORING_START)) {
        next.monitoring_start_s = ch->to.monitoring_start_s;
    }
    if (vr_service_names(ch, VR_SERVICE_MONITORING_INTERVAL)) {
        next.monitoring_interval_s = ch->to.monitoring_interval_s;
    }
    if (next.monitoring_start_s >= VR_DAY_S) {
        return vr_fail(err, VR_E_INVALID,
                       "MonitoringStartTime must be a time of day: before 24:00, without a date");
    }
    if (next.monitoring_interval_s < VR_INTERVAL_MIN_S ||
        next.monitoring_interval_s > VR_INTERVAL_MAX_S) {
        return vr_fail(err, VR_E_INVALID, "MonitoringInterval must be %d to %d seconds",
                       VR_INTERVAL_MIN_S, VR_INTERVAL_MAX_S);
    }
    *ret = next;
    return 0;
}
