/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A few large blocks of memory, used again: the kernel clears every page it gives, which costs more
 * than filling it. Any thread. What nobody uses for some seconds vr_spare_drop gives back.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#define VR_SPARE_BLOCKS 4
#define VR_SPARE_LEAST_BYTES (256u << 10) /* smaller ones are not worth it */
#define VR_SPARE_MOST_BYTES (8u << 20)    /* larger ones would keep too much */

/* A malloc'd block that was given here, or NULL; *ret_cap: its size. */
void *vr_spare_take(size_t *ret_cap);
/* Takes a malloc'd block, to keep or to free. */
void vr_spare_give(void *take_p);
/* Frees what was not taken since the last call; false: nothing is left. */
bool vr_spare_drop(void);
