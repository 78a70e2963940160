/* SPDX-License-Identifier: Apache-2.0 */
/* Inside block/ only: what headers of qcow2 images say (QEMU's docs/interop/qcow2.txt). */
#pragma once
#include "util/err.h"

/*
 * Does each image of the chain from path on say of which format its backing file is? Where one does
 * not, QEMU looks at the backing file's first bytes, and a guest that once had it as a raw disk
 * wrote them: they could name any file of this host as the next one. UNSUPPORTED: the text names
 * the image and what to do. LIMIT: more than QCOW2_CHAIN_MAX images. What cannot be read, or is no
 * qcow2 image, is left to QEMU, which says it better.
 */
VR_MUST_CHECK int qcow2_check_chain(const char *path, struct vr_err *err);
