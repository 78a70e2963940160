/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>

#include "util/err.h"

#define VR_THREAD_STACK_DEFAULT 0u

/* Starts a thread that nobody joins, with all signals blocked: they are the control thread's.
 * stack: bytes, or VR_THREAD_STACK_DEFAULT. LIMIT: the system starts no more. */
VR_MUST_CHECK int
vr_thread_start(void *(*fn)(void *arg), void *arg, size_t stack, struct vr_err *err);
