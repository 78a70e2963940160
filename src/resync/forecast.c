/* SPDX-License-Identifier: Apache-2.0 */
#include "resync/forecast.h"

#include <math.h>

#include "resync/digest.h"
#include "util/num.h"

#define Z_95 1.96        /* 95 of 100 samples are no further off */
#define NONE_SEEN_95 3.0 /* of n of which none differed: fewer than 3 of n do, so sure */

uint64_t forecast_nodes(uint64_t nodes)
{
    uint64_t n = VR_MIN(nodes / FORECAST_PART, (uint64_t)FORECAST_NODES_MAX);
    n = VR_MAX(n, (uint64_t)FORECAST_NODES_MIN);
    return VR_MIN(nodes, n);
}

int forecast_draw(const struct vr_peer_request *open,
                  void (*random)(void *ctx, void *p, size_t n),
                  void *ctx,
                  struct hint **ret,
                  struct vr_err *err)
{
    struct layout layout;
    layout_init(&layout, open);
    uint64_t n = forecast_nodes(layout.nodes);
    int r = hint_new(open, ret, err);
    for (uint64_t i = 0; r == 0 && i < n; i++) {
        uint64_t from = layout.nodes * i / n, to = layout.nodes * (i + 1) / n, at;
        random(ctx, &at, sizeof at);
        hint_add(*ret, from + at % (to - from), 1);
    }
    return r;
}

static uint64_t whole(double v)
{
    return v <= 0 ? 0 : v >= 1e18 ? (uint64_t)1e18 : (uint64_t)(v + 0.5);
}

/* Half of the interval that holds the truth 95 times of 100; of all nodes: they are the truth. */
static double margin(const struct forecast_sample *s)
{
    double n = (double)s->sampled, all = (double)s->nodes, sum = (double)s->differing;
    if (s->sampled == s->nodes) {
        return 0;
    }
    if (s->differing == 0) {
        return fmin(all, all * NONE_SEEN_95 / n) * (double)s->node_bytes;
    }
    double variance = n > 1 ? fmax(0, (double)s->squares - sum * sum / n) / (n - 1) : sum * sum;
    return Z_95 * all * sqrt(variance / n * (1 - n / all));
}

void forecast_of(const struct forecast_sample *s, struct vr_forecast *ret)
{
    *ret = (struct vr_forecast){0};
    if (s->sampled == 0) {
        return;
    }
    double scale = (double)s->nodes / (double)s->sampled;
    double sending = s->limit_bytes_s ? (double)s->packed * scale / (double)s->limit_bytes_s : 0;
    ret->sampled_bytes = s->sampled * s->node_bytes;
    ret->differing_bytes = whole((double)s->differing * scale);
    ret->margin_bytes = whole(margin(s));
    ret->wire_bytes = whole((double)s->packed * scale);
    ret->limit_bytes_s = s->limit_bytes_s;
    ret->time_us = whole(fmax((double)s->took_us * scale, sending * 1e6));
}
