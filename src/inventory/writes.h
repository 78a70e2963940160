/* SPDX-License-Identifier: Apache-2.0 */
/* Inside inventory/ only: how long the writes of a running domain take, as QEMU counts them. */
#pragma once
#include <stdatomic.h>

#include "inventory/quiet.h"
#include "inventory/virt_conn.h"
#include "model/ease.h"
#include "model/report.h"

struct writes {
    struct ease ease;
    struct quiet *quiet;
    struct vr_uuid vm;
    int start;                /* which start of the guest: libvirt's number of it */
    uint64_t n, time_us;      /* the counters at the last look */
    bool known;               /* this domain has them */
    atomic_uint level, times; /* of ease, for other threads */
    _Atomic uint64_t latency_us;
    atomic_bool gentle;
    uint64_t bytes; /* the counter at the last look */
    atomic_bool counted;
    _Atomic uint64_t written; /* since the beginning */
};

/* Before its disks are read, and before what that needs is set up. factor as in struct ease; quiet
 * is borrowed. */
void writes_begin(struct writes *w,
                  virDomainPtr dom,
                  const struct vr_uuid *vm,
                  struct quiet *quiet,
                  uint32_t factor);
/* Now they are. */
void writes_start(struct writes *w, virDomainPtr dom);
/* Every EASE_LOOK_MS. */
void writes_look(struct writes *w, virDomainPtr dom);
/* They are read no more. dom may be NULL: then the last look counts. */
void writes_end(struct writes *w, virDomainPtr dom);
/* What came of it; a domain that does not run writes nothing. Any thread. */
struct vr_ease writes_ease(const struct writes *w, bool runs);
