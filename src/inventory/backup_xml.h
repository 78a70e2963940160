/* SPDX-License-Identifier: Apache-2.0 */
/* Inside inventory/ only: the XML of libvirt's backup jobs. Pure. */
#pragma once
#include "model/model.h"
#include "util/err.h"

/*
 * A job in pull mode over the Unix socket for exactly the disks of `vm` that are not excluded. Each
 * disk's export has its name, and its scratch file is SCRATCH-NAME.scratch. Every disk says its
 * mode and its type: libvirt's defaults would take in other disks, or fail with a message that
 * misleads. since[i]: the export of the i-th disk tells what changed since the checkpoint `base`.
 * free() it.
 */
VR_MUST_CHECK int backup_xml_make(const struct vr_vm *vm,
                                  const char *socket,
                                  const char *scratch,
                                  const char *base,
                                  const bool since[VR_DISKS_MAX],
                                  char **ret,
                                  struct vr_err *err);
/* A checkpoint of the disks whose `tracked` is set, with their sizes in its description. free() it.
 */
VR_MUST_CHECK int checkpoint_xml_make(const struct vr_vm *vm,
                                      const char *name,
                                      const bool tracked[VR_DISKS_MAX],
                                      const uint64_t size[VR_DISKS_MAX],
                                      char **ret,
                                      struct vr_err *err);
/* Has this disk a bitmap in the checkpoint, and does its description say of which size it was? */
bool checkpoint_xml_has(const char *xml, const char *disk, uint64_t *ret_size);
/* A checkpoint's description as if of the disks that have a bitmap in it only the nth had one, and
 * as if it followed no other. False: there are no more, or no memory. free() it. */
bool checkpoint_xml_alone(const char *xml, unsigned nth, char **ret);
/* The Unix socket of a job that libvirt describes; false: it has none, or this is no such XML. */
bool backup_xml_socket(const char *xml, char *ret, size_t cap);
