/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The definition of a virtual machine as a generation carries it to the replica: libvirt's XML of
 * it, without secrets, and what its NVRAM held; and what a recovery host has to say about it.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VR_DEFINITION_XML_MAX (512u << 10) /* bytes */
#define VR_NVRAM_MAX (1u << 20)            /* bytes of an NVRAM file */

/* What became of the NVRAM: X(name, number, text). Numbers are stored and sent. */
#define VR_NVRAMS(X)                                                                               \
    X(NONE, 0, "it has none")                                                                      \
    X(CARRIED, 1, "carried")                                                                       \
    X(UNREADABLE, 2, "its file could not be read on the primary")                                  \
    X(TOO_LARGE, 3, "its file is larger than 1 MiB")

enum vr_nvram {
#define X(name, number, text) VR_NVRAM_##name = (number),
    VR_NVRAMS(X)
#undef X
};

/* Borrowed bytes. */
struct vr_definition {
    const char *xml; /* no NUL is inside or behind it */
    uint32_t xml_len;
    enum vr_nvram nvram_state;
    const uint8_t *nvram; /* with CARRIED */
    uint32_t nvram_len;
};
