/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The definition of a virtual machine as a generation carries it to the replica: libvirt's XML of
 * it, without secrets, and what its NVRAM held; and what a recovery host has to say about it.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/uuid.h"

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

/*
 * What a recovery host says about the definition that it made of it: X(name, number, id, text).
 * Numbers and ids are never used again. docs/internals/replica-vm.md is checked against it.
 */
#define VR_DEFINITION_NOTES(X)                                                                     \
    X(NETWORK, 1, "network-missing", "a network is not defined on this host")                      \
    X(BRIDGE, 2, "bridge-missing", "a bridge or network device is missing on this host")           \
    X(HOST_DEVICE, 3, "host-device", "a device of the primary's host was left out")                \
    X(DISK, 4, "disk-not-replicated", "a disk that is not replicated was left out")                \
    X(DISK_UNKNOWN, 5, "disk-not-defined", "a replicated disk is not in the definition")           \
    X(MEDIUM, 6, "medium-removed", "a drive is empty, its medium stayed on the primary")           \
    X(NVRAM, 7, "nvram-missing", "the NVRAM was not carried")                                      \
    X(FILE, 8, "file-missing", "a file is missing on this host")                                   \
    X(EMULATOR, 9, "emulator-missing", "the emulator is missing, libvirt's own choice was taken")  \
    X(MACHINE, 10, "machine-unknown", "this host does not offer the kind of machine")              \
    X(CPU, 11, "cpu-incompatible", "this host cannot give the guest its CPU")                      \
    X(TPM, 12, "tpm-state", "the state of the TPM is not carried")                                 \
    X(OUTSIDE, 13, "reaches-out", "what would reach out of the VM into this host was left out")

enum vr_definition_note {
#define X(name, number, id, text) VR_NOTE_##name = (number),
    VR_DEFINITION_NOTES(X)
#undef X
};

#define VR_NOTES_MAX 32
#define VR_NOTE_WHAT_MAX 128

struct vr_definition_notes {
    uint32_t n;
    bool more; /* than there was room for */
    struct {
        uint8_t why; /* enum vr_definition_note */
        char what[VR_NOTE_WHAT_MAX];
    } note[VR_NOTES_MAX];
};

void vr_definition_note_add(struct vr_definition_notes *notes,
                            enum vr_definition_note why,
                            const char *what);
/* NULL: there is no such note. */
const char *vr_definition_note_id(unsigned why);
const char *vr_definition_note_text(unsigned why);
const char *vr_nvram_text(unsigned state);

/* What became of the definition of a replica VM: X(name, number, id, text). */
#define VR_DEFINED_STATES(X)                                                                       \
    X(NOT, 0, "none", "libvirt is not asked, or the primary told no definition")                   \
    X(DONE, 1, "defined", "the replica VM is defined in libvirt")                                  \
    X(USED, 2, "in-use", "it is in use, and left as it is")                                        \
    X(FAILED, 3, "failed", "it could not be defined")

enum vr_defined_state {
#define X(name, number, id, text) VR_DEFINED_##name = (number),
    VR_DEFINED_STATES(X)
#undef X
};

struct vr_defined {
    enum vr_defined_state state;
    bool running;   /* the replica VM, as last looked at */
    char text[256]; /* of FAILED and USED: why */
    struct vr_definition_notes notes;
};
const char *vr_defined_id(unsigned state);
