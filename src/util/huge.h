/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for direct I/O. A request is handed to a device by the pages it consists of, where
 * neighbours in physical memory count as one: a virtio disk with a queue of 256 such parts has one
 * request of 1 MiB from small pages in flight, or all that we have from huge ones.
 */
#pragma once
#include <stddef.h>

/* Zeroed, aligned to a huge page and made of such ones where the kernel has them. Not inherited by
 * children. NULL: no memory. Given back by munmap of the same bytes. */
void *vr_huge_map(size_t bytes);
