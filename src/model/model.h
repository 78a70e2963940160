/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The domain's nouns as plain data: no pointers to free but where said, copied by assignment, no
 * I/O. Times are microseconds since 1970 UTC, 0 = never/none. Sizes are bytes.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/health.h"
#include "model/report.h"
#include "model/setting.h"
#include "model/states.h"
#include "model/stats.h"
#include "util/scope.h"
#include "util/uuid.h"

#define VR_NAME_MAX 128                /* a VM's or disk's name, with NUL */
#define VR_HOST_MAX 256                /* a connection point "name[:port]", with NUL */
#define VR_PATH_MAX 1024               /* a file's path, with NUL */
#define VR_NAMES_MAX 512               /* names of disks in one text (model/names.h), with NUL */
#define VR_FORMAT_MAX 16               /* "raw", "qcow2" ... with NUL */
#define VR_TEXT_MAX 256                /* a reason for a person, with NUL */
#define VR_DISKS_MAX 16                /* disks of one VM */
#define VR_DISK_BYTES_MAX (1ull << 50) /* of one disk */
#define VR_HISTORY_MAX 32              /* generations a source remembers of a relationship */
#define VR_PEER_PORT 8650
#define VR_STAMP_BYTES 32

/* Why the inventory leaves a disk out: X(name, number, text). Such a disk is `excluded`, too. */
#define VR_LEFT_OUTS(X)                                                                            \
    X(NOT, 0, "")                                                                                  \
    X(CDROM, 1, "a CD-ROM drive")                                                                  \
    X(FLOPPY, 2, "a floppy drive")                                                                 \
    X(READONLY, 3, "the guest may only read it")                                                   \
    X(SHAREABLE, 4, "other VMs write it, too")                                                     \
    X(TRANSIENT, 5, "its changes end with the guest")                                              \
    X(PASSTHROUGH, 6, "a device that is passed through to the guest")                              \
    X(NETWORK, 7, "network storage: only files, block devices and volumes are read")               \
    X(TYPE, 8, "not a file, block device or volume")                                               \
    X(EMPTY, 9, "it has no source")                                                                \
    X(FORMAT, 10, "its format is missing or none of raw, qcow2, vhdx, vmdk, vpc, vdi, qed")        \
    X(ENCRYPTED, 11, "it is encrypted by the host")                                                \
    X(SLICE, 12, "it is a part of its file")                                                       \
    X(PATH, 13, "its path is too long or not plain")                                               \
    X(VOLUME, 14, "its volume is not found: is the storage pool active?")                          \
    X(NAME, 15, "its target's name is not plain")

enum vr_left_out {
#define X(name, number, text) VR_LEFT_OUT_##name = (number),
    VR_LEFT_OUTS(X)
#undef X
};

struct vr_disk {
    char name[VR_NAME_MAX]; /* unique within the VM; [A-Za-z0-9._-], e.g. "vda" */
    char path[VR_PATH_MAX];
    char format[VR_FORMAT_MAX]; /* explicit, never probed */
    uint64_t size_bytes;        /* 0: not known yet */
    bool excluded;              /* never opened, on either side */
    uint8_t left_out;           /* enum vr_left_out: excluded by what it is, not by a person */
};

/* A virtual machine as this host's inventory or store knows it. */
struct vr_vm {
    struct vr_uuid id;
    char name[VR_NAME_MAX];
    bool quiesced;             /* nobody but QEMU-locking programs writes its block devices */
    bool is_replica;           /* known from the store, or marked as a replica VM in libvirt */
    bool from_libvirt;         /* it may run, and is read through libvirt then */
    bool running;              /* as last heard of libvirt; a paused one runs */
    char definition[48];       /* of a replica: names the definition it holds; "": none */
    char refused[VR_TEXT_MAX]; /* why it cannot be protected, and what to change; "": it can */
    uint32_t ndisks;
    struct vr_disk disks[VR_DISKS_MAX]; /* last: who keeps many keeps only ndisks of them */
};

/*
 * A generation of all disks of a VM. uuid is new with every commit; parent is what it was made
 * from; sequence counts commits; the epoch rises with every change of role, and an older epoch is
 * refused.
 */
struct vr_generation {
    struct vr_uuid uuid, parent;
    uint64_t sequence;
    uint32_t epoch;
};

/* INV-1: at most one relationship (vm, number) on a host; number 0 = primary->replica, 1 =
 * replica->extended. */
struct vr_rel {
    struct vr_uuid vm_id;
    uint8_t number;
    bool is_source; /* this host sends (primary of 0, replica of 1) */
    enum vr_rel_state state;
    enum vr_health health;
    char reason[VR_TEXT_MAX];    /* why the state or health is what it is; "" = nothing to say */
    enum vr_health_reason cause; /* state 9: why; it decides whether it may be left unasked */
    char peer[VR_HOST_MAX];      /* connection point of the other host */
    char peer_identity[VR_HOST_MAX]; /* SAN dNSName its certificate must carry */
    char storage[VR_PATH_MAX];       /* directory of the replica's images; replica side only */
    /* replica side only, not stored: from its sidecar */
    char vm_name[VR_NAME_MAX];
    bool released;    /* it belongs to no relationship any more: a removal was cut off */
    bool not_defined; /* libvirt did not take the replica VM */
    /* replica side: the authorization entry that alone allows it; "": any that allows its peer */
    char auth_host[VR_HOST_MAX];
    char excluded[VR_NAMES_MAX];     /* disks (model/names.h); source side only */
    struct vr_generation generation; /* what the replica holds, as last known here */
    struct vr_uuid proposed;         /* sent with COMMIT, not yet acknowledged; nil = none */
    uint64_t proposed_job; /* the job that sent it, 0 = not known; stays when it is acknowledged */
    uint64_t proposed_us;  /* of when its contents are, 0 = not known */
    uint8_t proposed_consistency; /* enum vr_consistency of them */
    /* of an extended replica: which generations of the one here these are; nil = not known */
    struct vr_uuid proposed_from, made_from;
    /* source: former generations of the replica, newest first */
    struct vr_uuid history[VR_HISTORY_MAX];
    uint32_t nhistory;
    uint64_t created_us, last_sync_us; /* last_sync: of when the replica's contents are */
    uint8_t consistency;               /* enum vr_consistency of these contents */
    uint64_t verified_us;              /* end of the last verification that compared both sides */
    enum vr_verify verify;             /* what the last one said, or could not say */
    uint64_t bandwidth_bytes_s;        /* 0 = no limit */
    struct vr_setting setting;         /* source side only */
    /* state 8 because of lineage: only force or adopt goes on */
    bool needs_decision;
    /* source, state 2: the first generation was exported (it is `proposed`), and waits to be
     * imported */
    bool exported;
    /* source, state 3: replication by itself (setting.interval_s) */
    uint64_t cycle_us;             /* when the last cycle was due; 0: none yet */
    uint8_t stamp[VR_STAMP_BYTES]; /* of its disks at last_sync_us; zeroes: not known */
    uint32_t failing;              /* not stored: tries in a row that failed */
    struct vr_stats stats;
};

struct vr_progress {
    enum vr_phase phase;
    uint64_t bytes_total, bytes_compared; /* total: of the included disks */
    uint64_t bytes_differing;             /* found so far */
    uint64_t bytes_sent;                  /* payload put on the wire, compressed */
    uint64_t bytes_written;               /* committed to the replica so far */
    uint64_t bytes_to_write;              /* known at commit */
    uint64_t bytes_staged;                /* kept from an earlier try */
    uint64_t wire_out, wire_in;           /* bytes of the session, frames and TLS included */
    uint64_t started_us, updated_us;
    struct vr_ease ease; /* not stored, as what follows */
    struct vr_taken taken;
    struct vr_flow flow;
    struct vr_space space;
};

struct vr_wait {
    enum vr_waiting why;
    uint64_t since_us, until_us; /* until 0: not known, or until a person says so */
    uint32_t tries;              /* that were made in vain */
};

struct vr_job {
    uint64_t id; /* host-local, never reused */
    struct vr_uuid uuid, vm_id;
    char vm_name[VR_NAME_MAX];
    uint8_t rel_number;
    enum vr_job_type type;
    enum vr_job_state state;
    char status[VR_TEXT_MAX]; /* JobStatus */
    uint32_t error_code;      /* vr_retcode, 0 = none */
    uint8_t error_kind;       /* VR_E_x; 0 with an error_code: not known */
    char error_text[VR_TEXT_MAX];
    char initiator[VR_NAME_MAX]; /* user, or "schedule" */
    char why[VR_TEXT_MAX]; /* the relationship's reason when it was asked for; "": it had none */
    uint64_t submitted_us, scheduled_us, started_us, finished_us, changed_us;
    bool force, restart, cancellable;
    bool automatic;      /* nobody asked: gives way to what people ask for */
    bool seeded;         /* initial replication compares with images that were there already */
    bool user_suspended; /* paused by a person: not resumed by itself */
    struct vr_progress progress;
    struct vr_forecast forecast; /* of a dry run that completed; stored in its report */
};

/* The record of a finished transfer. root: HMAC-SHA-256 over the digest tree, one per disk. */
struct vr_report {
    uint64_t job_id;
    struct vr_uuid vm_id;
    struct vr_uuid instant_id;
    uint64_t instant_us;
    uint32_t consistency; /* enum vr_consistency */
    struct vr_generation generation;
    uint32_t ndisks;
    struct vr_report_disk {
        char name[VR_NAME_MAX];
        uint64_t size_bytes;
        uint64_t bytes_compared, bytes_differing, bytes_sent, bytes_written;
        uint64_t ranges; /* in which it differed: of adjoining 4 KiB blocks */
        uint8_t source_root[32], target_root[32];
    } disks[VR_DISKS_MAX];
    uint64_t duration_us;
    char initiator[VR_NAME_MAX];
    char outcome[VR_TEXT_MAX];
    bool equal;                  /* verify: nothing differed; resync: proven equal */
    struct vr_forecast forecast; /* of a dry run */
};

/* Who may replicate to this host (Msvm_ReplicationAuthorizationSettingData). */
struct vr_auth_entry {
    char host[VR_HOST_MAX]; /* dNSName, or "*.domain" for one label */
    char trust_group[VR_NAME_MAX];
    char storage[VR_PATH_MAX];
};

struct vr_event {
    uint64_t seq;
    uint64_t time_us;
    int priority; /* syslog */
    uint32_t event_id;
    char id[48];          /* stable text id */
    struct vr_uuid vm_id; /* nil: of no VM, or of one that was not known then */
    char vm_name[VR_NAME_MAX];
    char text[VR_TEXT_MAX];
};

/* Which events. */
struct vr_event_query {
    uint32_t limit;
    bool oldest_first; /* the first `limit`, oldest first; else the newest, newest first */
    uint64_t after_seq, since_us; /* only later ones; 0: all */
    char vm[2][VR_NAME_MAX];      /* only those with one of these names; "": all */
    const struct vr_scope *scope; /* only those of these VMs; NULL: all */
};

/* A name that may become part of a path: 1..127 of [A-Za-z0-9._-], not starting with a dot. */
bool vr_name_ok(const char *name);
/* One of the formats of disk images: raw, qcow2, vhdx, vmdk, vpc, vdi, qed. */
bool vr_format_known(const char *format, size_t len);
/* The text of enum vr_consistency. */
const char *vr_consistency_text(int consistency);
/* The text of enum vr_left_out; "" for a disk that takes part. */
const char *vr_left_out_text(int left_out);
/* "host" or "host:port" or "[v6]:port". False: not of that form. *ret_port is VR_PEER_PORT when
 * none is given. */
bool vr_host_split(const char *point, char *ret_host, size_t cap, uint16_t *ret_port);
/* Does SAN name `name` match pattern (a name, or "*." + domain: exactly one label)?
 * Case-insensitive. */
bool vr_host_matches(const char *pattern, const char *name);
/* What may stand in an authorization entry: a name of letters, digits and hyphens in labels of 1 to
 * 63, or "*." and such a name. */
bool vr_host_pattern_ok(const char *pattern);
/* Total bytes of the disks that take part. */
uint64_t vr_vm_bytes(const struct vr_vm *vm);
