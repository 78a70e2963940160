/* SPDX-License-Identifier: Apache-2.0 */
/* A world for core/ in memory: one clock, a store that counts and can fail, peers that answer by
 * script. */
#pragma once
#include "core/core.h"
#include "core/initial.h"
#include "tests/lib/check.h"

#define FAKE_MAX 64

struct fake {
    uint64_t now;
    uint8_t seed;
    struct core *c;
    /* store */
    struct vr_rel rels[FAKE_MAX];
    struct vr_job jobs[FAKE_MAX];
    size_t nrels, njobs;
    struct vr_service service; /* when has_service */
    bool has_service;
    /* saves number fail_from.. fail; 0 = none */
    unsigned saves, reports, fail_from, fail_count, injected;
    char log[8192]; /* what was asked of the world, in order: "save_job 1;start 1;..." */
    char events[8192];
    char event_vm[VR_NAME_MAX]; /* of the latest event */
    /* inventory and disks */
    struct vr_vm vm;
    int find_result, disks_result, replica_vm_result;
    uint8_t stamp;    /* of the disks, all bytes of it; 0: not known */
    uint32_t day_off; /* local time is so many seconds ahead of UTC */
    /* peers */
    uint64_t call_id;
    struct vr_peer_request req;
    char point[VR_HOST_MAX]; /* whom we asked last */
    bool hold_replies;       /* the test answers with fake_reply */
    struct vr_peer_reply reply;
    unsigned calls;
    /* lanes */
    int start_result;
    struct core_transfer started;
    int offline_result;
    struct core_offline offline; /* the last started */
    unsigned starts;
    /* replica side */
    int create_result, inspect_result;
    bool released; /* what the sidecar says */
    struct vr_generation replica_generation;
    uint64_t replica_instant_us;
    uint8_t replica_consistency;
    bool changed_alone; /* the replica here */
    unsigned ended_sessions;
    uint64_t sync_wait_us, retry_first_us; /* taken at the next fake_restart */
    /* the last verb's answer */
    struct core_answer answer;
    unsigned answers;
};

#define T0 ((uint64_t)1800000000 * 1000000)
#define SEC ((uint64_t)1000000)
#define MIN (60 * SEC)

extern const struct core_caller admin, operator_, viewer, nobody;

struct fake *fake_new(void); /* one VM with two disks, core started, nothing enabled */
void fake_free(struct fake *f);
/* Throws core away and builds it from the store, as a restart does. */
void fake_restart(struct fake *f);
/* A relationship of the VM in this state, in core and store, before core_start. */
void fake_rel(struct fake *f, uint8_t number, bool is_source, enum vr_rel_state state);
void fake_done(void *ctx, const struct core_answer *a); /* ctx = fake */
uint32_t fake_resync(struct fake *f, const struct core_caller *who, uint64_t start_us);
uint32_t fake_state(struct fake *f, uint16_t requested);
void fake_reply(struct fake *f);
/* The lane of this job ends. */
void fake_end(struct fake *f, uint64_t job, int result, const char *text);
void fake_end_done(struct fake *f, uint64_t job, struct vr_uuid generation);
const struct vr_job *fake_job(struct fake *f, uint64_t id);
const struct vr_rel *fake_get(struct fake *f, uint8_t number);
struct vr_uuid uuid_of(uint8_t n);
