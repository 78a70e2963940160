/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmreplicad.conf as plain data. Every mistake (unknown section or key, a value out of range, a
 * relative path, a combination that must not be) is INVALID and says file:line. Defaults are in the
 * table in config.c.
 */
#pragma once
#include "inventory/instant.h"
#include "model/bandwidth.h"
#include "model/model.h"
#include "util/err.h"
#include "util/log.h"

#define CONFIG_PATH "/etc/vmreplica/vmreplicad.conf"
#define CONFIG_ADDRESS_MAX 64 /* a numeric address, with NUL */

/* Where VMs come from. */
enum config_driver {
    CONFIG_STATIC = 1,
    CONFIG_LIBVIRT = 2,
    CONFIG_BOTH = CONFIG_STATIC | CONFIG_LIBVIRT
};

/* Of which format the images of a new replica are. */
enum config_format {
    CONFIG_AS_PRIMARY,
    CONFIG_RAW,
    CONFIG_QCOW2
};

struct daemon_config {
    /* [daemon] */
    char state_dir[VR_PATH_MAX], run_dir[VR_PATH_MAX], inventory[VR_PATH_MAX];
    char host_name[VR_HOST_MAX]; /* "": the certificate's first SAN dNSName */
    uint32_t replica_format;     /* enum config_format */
    uint32_t log_level;          /* enum vr_log_level */
    /* [inventory] */
    uint32_t inventory_driver; /* enum config_driver */
    char libvirt_uri[VR_PATH_MAX], definition_dirs[VR_PATH_MAX];
    bool foreign, freeze;
    char scratch_dir[INSTANT_DIR_MAX], qemu_user[VR_NAME_MAX];
    uint64_t scratch_reserve_bytes;
    uint32_t freeze_s;
    /* [peer] */
    char peer_listen[CONFIG_ADDRESS_MAX];
    uint32_t peer_port;
    char peer_cert[VR_PATH_MAX], peer_key[VR_PATH_MAX], peer_ca[VR_PATH_MAX];
    /* [http] */
    char http_listen[CONFIG_ADDRESS_MAX];
    uint32_t http_port, https_port; /* 0: not served */
    char http_cert[VR_PATH_MAX], http_key[VR_PATH_MAX], http_users[VR_PATH_MAX];
    char http_client_ca[VR_PATH_MAX], http_keytab[VR_PATH_MAX]; /* "": not used */
    bool allow_plain_remote;
    /* [socket] */
    char socket_path[VR_PATH_MAX]; /* default: RUN_DIR/vmreplicad.sock */
    char socket_group[VR_NAME_MAX];
    /* [limits] */
    uint32_t transfers;
    uint64_t bandwidth_bytes_s; /* of each transfer without an own limit; 0 = none */
    uint64_t staging_reserve_bytes;
    uint32_t commit_wait_s;
    uint64_t read_rate_bytes_s;  /* of each source disk; 0 = none */
    uint32_t write_latency;      /* so many times what it was: reading gets slower; 0: never */
    uint32_t sync_wait_s;        /* Resynchronize waits so long for the end before it answers */
    struct vr_bandwidth windows; /* [bandwidth]: of all transfers together */
    uint32_t retry_first_s;      /* a lost link is tried again this soon, then after minutes */
};

VR_MUST_CHECK int config_load(const char *path, struct daemon_config *ret, struct vr_err *err);
