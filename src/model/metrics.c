/* SPDX-License-Identifier: Apache-2.0 */
#include "model/metrics.h"

#define COUNTER true
#define GAUGE false
#define SECONDS true
#define NUMBER false

const struct vr_metric_info vr_metrics[VR_METRIC_COUNT] = {
#define X(id, name, type, unit, label, help, otherwise) {name, label, help, type, unit},
    VR_METRICS(X)
#undef X
};
