/* SPDX-License-Identifier: Apache-2.0 */
#include "inventory/writes.h"

#include <stdlib.h>

#include "util/cleanup.h"
#include "util/num.h"

/* Over all disks ("" is all of them); false: they are not counted, or not told now. */
static bool read_counters(virDomainPtr dom, uint64_t *ret_n, uint64_t *ret_us, uint64_t *ret_bytes)
{
    int n = 0;
    long long writes = 0, time_ns = 0, bytes = 0;
    if (virDomainBlockStatsFlags(dom, "", NULL, &n, 0) < 0 || n <= 0) {
        return false;
    }
    virTypedParameterPtr params = calloc((size_t)n, sizeof *params);
    bool ok = params && virDomainBlockStatsFlags(dom, "", params, &n, 0) == 0 &&
              virTypedParamsGetLLong(params, n, VIR_DOMAIN_BLOCK_STATS_WRITE_REQ, &writes) == 1 &&
              virTypedParamsGetLLong(params, n, VIR_DOMAIN_BLOCK_STATS_WRITE_TOTAL_TIMES,
                                     &time_ns) == 1 &&
              virTypedParamsGetLLong(params, n, VIR_DOMAIN_BLOCK_STATS_WRITE_BYTES, &bytes) == 1 &&
              writes >= 0 && time_ns >= 0 && bytes >= 0;
    virTypedParamsFree(params, params ? n : 0);
    *ret_n = (uint64_t)writes;
    *ret_us = (uint64_t)time_ns / 1000;
    *ret_bytes = (uint64_t)bytes;
    return ok;
}

void writes_begin(struct writes *w,
                  virDomainPtr dom,
                  const struct vr_uuid *vm,
                  struct quiet *quiet,
                  uint32_t factor)
{
    w->quiet = quiet;
    w->vm = *vm;
    w->start = (int)virDomainGetID(dom);
    w->known = read_counters(dom, &w->n, &w->time_us, &w->bytes);
    atomic_store(&w->counted, w->known);
    ease_begin(&w->ease, factor, w->known ? quiet_end(quiet, vm, w->start, w->n, w->time_us) : 0);
}

void writes_end(struct writes *w, virDomainPtr dom)
{
    uint64_t n = w->n, time_us = w->time_us, bytes;
    if (dom && w->known && !read_counters(dom, &n, &time_us, &bytes)) {
        n = w->n;
        time_us = w->time_us;
    }
    if (w->known) {
        quiet_begin(w->quiet, &w->vm, w->start, n, time_us);
    }
}

/* A guest that was reset counts anew. */
static void count_bytes(struct writes *w, uint64_t bytes)
{
    atomic_fetch_add(&w->written, bytes >= w->bytes ? bytes - w->bytes : bytes);
    w->bytes = bytes;
}

static void publish(struct writes *w)
{
    atomic_store(&w->level, w->ease.level);
    atomic_store(&w->times, w->ease.times);
    atomic_store(&w->latency_us, w->ease.latency_us);
    atomic_store(&w->gentle, w->ease.gentle);
}

void writes_start(struct writes *w, virDomainPtr dom)
{
    uint64_t n, time_us, bytes;
    if (!w->known || !read_counters(dom, &n, &time_us, &bytes)) {
        return;
    }
    count_bytes(w, bytes);
    if (n != w->n) {
        ease_start_slow(&w->ease);
    }
    w->n = n;
    w->time_us = time_us;
    publish(w);
}

void writes_look(struct writes *w, virDomainPtr dom)
{
    uint64_t n, time_us, bytes;
    if (!w->known || !read_counters(dom, &n, &time_us, &bytes)) {
        return;
    }
    if (n >= w->n && time_us >= w->time_us) { /* a guest that was reset counts anew */
        ease_look(&w->ease, n - w->n, time_us - w->time_us);
    }
    count_bytes(w, bytes);
    w->n = n;
    w->time_us = time_us;
    publish(w);
}

struct vr_ease writes_ease(const struct writes *w, bool runs)
{
    return (struct vr_ease){.level = atomic_load(&w->level),
                            .times = atomic_load(&w->times),
                            .latency_us = atomic_load(&w->latency_us),
                            .gentle = atomic_load(&w->gentle),
                            .counted = !runs || atomic_load(&w->counted),
                            .written_bytes = atomic_load(&w->written)};
}
