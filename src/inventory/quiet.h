/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long the writes of VMs take between transfers, for the transfers to come (struct ease_quiet
 * of each). Of QUIET_MAX VMs; one more takes the place of the one whose transfer is longest ago.
 * Any thread.
 */
#pragma once
#include <stdint.h>

#include "util/err.h"
#include "util/uuid.h"

#define QUIET_MAX 512

struct quiet;

VR_MUST_CHECK int quiet_new(struct quiet **ret, struct vr_err *err);
void quiet_free(struct quiet *q);
/* As ease_quiet_begin and ease_quiet_end. */
void quiet_begin(
    struct quiet *q, const struct vr_uuid *vm, int start, uint64_t writes, uint64_t time_us);
uint64_t
quiet_end(struct quiet *q, const struct vr_uuid *vm, int start, uint64_t writes, uint64_t time_us);
