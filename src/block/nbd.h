/* SPDX-License-Identifier: Apache-2.0 */
/* Inside block/ only: what image.c and the tests need from the NBD driver beyond block/dev.h. */
#pragma once
#include "block/dev.h"

#define BLOCK_NBD_DEADLINE_MS                                                                      \
    30000u /* for one answer; a server that takes longer is taken for dead */

/* The default export behind a Unix socket, by path. */
VR_MUST_CHECK int block_nbd_open_unix(const char *socket_path,
                                      unsigned flags,
                                      unsigned deadline_ms,
                                      struct block_dev **ret_dev,
                                      struct vr_err *err);
/* Shortens or lengthens the deadline of every later wait. */
void block_nbd_set_deadline(struct block_dev *dev, unsigned deadline_ms);
