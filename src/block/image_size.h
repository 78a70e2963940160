/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How large the disk in an image is, from what lies there: a few short reads of the file itself,
 * without qemu-nbd and without a lock, for whoever may not wait. What such a size is used for must
 * stand that it is wrong; the image itself is opened by block_image_open (block/dev.h).
 */
#pragma once
#include <stdint.h>

/* 0: the file is no image of this format, or cannot be read. */
uint64_t image_size_peek(int fd, const char *format);
