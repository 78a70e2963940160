/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this host says of itself, read from /proc, /sys, /etc/os-release and uname. What cannot be
 * read is not said. Processors and firmware are read once; the rest again when it is asked for, but
 * at most once a second. One thread.
 */
#pragma once
#include "model/host.h"
#include "util/err.h"

#define HOSTINFO_REFRESH_MS 1000
#define HOSTINFO_CPUINFO_MAX_BYTES (16 * 1024 * 1024) /* of /proc/cpuinfo: thousands of threads */
#define HOSTINFO_FILE_MAX_BYTES (64 * 1024)

struct hostinfo;

/* root: "", or a folder to find /proc, /sys and /etc in. Fails only for want of memory. */
VR_MUST_CHECK int hostinfo_new(const char *root, struct hostinfo **ret, struct vr_err *err);
void hostinfo_free(struct hostinfo *h);
/* Borrowed until the next call. */
const struct vr_host *hostinfo_now(struct hostinfo *h, uint64_t mono_ms);
