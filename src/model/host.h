/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a host says of itself: its system, memory and processors. Plain data. "", 0, false and a nil
 * UUID stand for "it does not say", but where another member tells what is known.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "model/model.h"

#define VR_HOST_TEXT_MAX 128
#define VR_PACKAGES_MAX 64

/* A processor as it is bought: a socket full of cores. */
struct vr_package {
    uint32_t id;
    char name[VR_HOST_TEXT_MAX], vendor[VR_HOST_TEXT_MAX];
    bool has_signature; /* x86: family, model and stepping are known */
    uint16_t family, model, stepping;
    uint32_t cores, threads;
    uint32_t mhz, max_mhz;
};

struct vr_host {
    char dns_name[VR_HOST_MAX];
    char kernel_name[VR_HOST_TEXT_MAX],
        kernel_release[VR_HOST_TEXT_MAX]; /* Linux, 6.1.0-18-amd64 */
    char machine[VR_HOST_TEXT_MAX];       /* as uname says: x86_64 */
    char os_name[VR_HOST_TEXT_MAX];       /* of a person: "Debian GNU/Linux 12 (bookworm)" */
    char os_version[VR_HOST_TEXT_MAX], os_vendor[VR_HOST_TEXT_MAX];
    uint64_t boot_us;
    int16_t utc_offset_min;
    bool memory_known, swap_known;
    uint64_t memory_kib, memory_free_kib, swap_kib, swap_free_kib;
    bool has_hypervisor; /* runs one, or in one */
    /* as the firmware says */
    char vendor[VR_HOST_TEXT_MAX], product[VR_HOST_TEXT_MAX], version[VR_HOST_TEXT_MAX];
    char serial[VR_HOST_TEXT_MAX], sku[VR_HOST_TEXT_MAX], family[VR_HOST_TEXT_MAX];
    struct vr_uuid uuid;
    uint32_t npackages;
    struct vr_package packages[VR_PACKAGES_MAX];
};
