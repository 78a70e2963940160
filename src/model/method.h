/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The methods of Msvm_ReplicationService and what each one needs, once; the two state changes of
 * Msvm_ComputerSystem by the state they ask for. X(name, least role, which relationship, modes,
 * states, job type, why not)
 *
 * modes and states allow it: the VM's replication mode on this host, and the state of the
 * relationship the method acts on (DISABLED: there is none). Elsewhere the answer is 32775. Which
 * relationship: HOST none, the method is about this host; SENT the one this host sends (a primary's
 * 0, a replica's 1); HELD the one it holds the replica of; FIRST number 0; NAMED the one a
 * parameter names, else 0; NEW the one that does not exist yet (0, on a replica 1); VM none, the
 * method is about the virtual machine. job: the type of the job that 4096 names, NONE = it never
 * answers 4096. Not "" in the last column: not offered, and why; the answer is 32770.
 *
 * Tests walk these tables; docs/return-codes.md is made from them.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "model/states.h"

#define VR_M(mode) (1u << VR_MODE_##mode)
#define VR_S(state) (1u << VR_REL_##state)
#define VR_M_SOURCE (VR_M(PRIMARY) | VR_M(REPLICA)) /* where a relationship may be sent */
#define VR_M_REPLICA (VR_M(REPLICA) | VR_M(EXTENDED))
#define VR_M_HERE (VR_M(PRIMARY) | VR_M_REPLICA)
#define VR_M_NEW (VR_M(NONE) | VR_M(REPLICA)) /* where one may be made */
#define VR_M_ANY (VR_M(NONE) | VR_M_HERE)
#define VR_S_ANY 0xfffu /* DISABLED too */
#define VR_S_ENABLED (VR_S_ANY & ~VR_S(DISABLED))
/* 10: because a job runs it answers 32774. Not here: 2, after an export, which core
 * judges; see docs/return-codes.md. */
#define VR_S_RESYNC                                                                                \
    (VR_S(REPLICATING) | VR_S(SUSPENDED) | VR_S(CRITICAL) | VR_S(RESYNC_REQUIRED) |                \
     VR_S(RESYNCHRONIZING) | VR_S(RESYNC_SUSPENDED))

#define VR_S_CANCEL (VR_S_ENABLED & ~(VR_S(RECOVERED) | VR_S(COMMITTED)))

#define VR_LATER "not offered yet"
#define VR_NO_STOP                                                                                 \
    "not offered: stop vmreplicad on its host; to accept no more replication set "                 \
    "RecoveryServerEnabled to false"
#define VR_NO_FAILBACK                                                                             \
    "not offered: a failover here is final (vmreplica failover --force), nothing is undone"

/* clang-format off */
#define VR_METHODS(X) \
    X(Resynchronize, OPERATOR, SENT, VR_M_SOURCE, VR_S_RESYNC, RESYNC, "") \
    X(StartReplication, OPERATOR, SENT, VR_M_SOURCE, VR_S(READY), INITIAL, "") \
    X(ImportInitialReplica, ADMIN, HELD, VR_M_REPLICA, VR_S(INITIAL), IMPORT, "") \
    X(CreateReplicationRelationship, ADMIN, NEW, VR_M_NEW, VR_S(DISABLED), ENABLE, "") \
    X(ModifyReplicationSettings, ADMIN, SENT, VR_M_SOURCE, VR_S_ENABLED, MODIFY, "") \
    X(RemoveReplicationRelationship, ADMIN, FIRST, VR_M_SOURCE, VR_S_ENABLED, DISABLE, "") \
    X(RemoveReplicationRelationshipEx, ADMIN, NAMED, VR_M_HERE, VR_S_ENABLED, DISABLE, "") \
    X(ReverseReplicationRelationship, ADMIN, HELD, VR_M_REPLICA, VR_S(COMMITTED), NONE, VR_LATER) \
    X(ChangeReplicationModeToPrimary, ADMIN, NAMED, VR_M_REPLICA, VR_S(COMMITTED), NONE, VR_LATER) \
    X(InitiateFailover, ADMIN, HELD, VR_M_REPLICA, VR_S(REPLICATING), NONE, VR_NO_FAILBACK) \
    X(RevertFailover, ADMIN, HELD, VR_M_REPLICA, VR_S(RECOVERED), NONE, VR_NO_FAILBACK) \
    X(CommitFailover, ADMIN, HELD, VR_M_REPLICA, VR_S(RECOVERED), NONE, VR_NO_FAILBACK) \
    X(InitiateFailback, ADMIN, HELD, VR_M_REPLICA, VR_S(RECOVERED), NONE, VR_NO_FAILBACK) \
    X(TestReplicaSystem, ADMIN, HELD, VR_M_REPLICA, VR_S(REPLICATING), NONE, VR_LATER) \
    X(SetFailoverNetworkAdapterSettings, ADMIN, VM, VR_M_ANY, VR_S_ANY, MODIFY, VR_LATER) \
    X(GetReplicationStatistics, VIEWER, FIRST, VR_M_SOURCE, VR_S_ENABLED, NONE, "") \
    X(GetReplicationStatisticsEx, VIEWER, NAMED, VR_M_HERE, VR_S_ENABLED, NONE, "") \
    X(ResetReplicationStatistics, OPERATOR, FIRST, VR_M_SOURCE, VR_S_ENABLED, NONE, "") \
    X(ResetReplicationStatisticsEx, OPERATOR, NAMED, VR_M_HERE, VR_S_ENABLED, NONE, "") \
    X(ModifyServiceSettings, ADMIN, HOST, VR_M_ANY, VR_S_ANY, NONE, "") \
    X(AddAuthorizationEntry, ADMIN, HOST, VR_M_ANY, VR_S_ANY, NONE, "") \
    X(ModifyAuthorizationEntry, ADMIN, HOST, VR_M_ANY, VR_S_ANY, NONE, "") \
    X(RemoveAuthorizationEntry, ADMIN, HOST, VR_M_ANY, VR_S_ANY, NONE, "") \
    X(SetAuthorizationEntry, ADMIN, VM, VR_M_REPLICA, VR_S_ANY, NONE, "") \
    X(GetSystemCertificates, VIEWER, HOST, VR_M_ANY, VR_S_ANY, NONE, "") \
    X(TestReplicationConnection, OPERATOR, HOST, VR_M_ANY, VR_S_ANY, NONE, "") \
    X(RequestStateChange, ADMIN, HOST, VR_M_ANY, VR_S_ANY, NONE, "") \
    X(StartService, ADMIN, HOST, VR_M_ANY, VR_S_ANY, NONE, "") \
    X(StopService, ADMIN, HOST, VR_M_ANY, VR_S_ANY, NONE, VR_NO_STOP)

/* X(requested state, states it may be asked in, what it does, why not) */
#define VR_STATE_CHANGES(X) \
    X(READY, VR_S(READY) | VR_S(INITIAL), "cancel the initial replication", "") \
    X(INITIAL, VR_S(READY), "go on with a paused initial replication", "") \
    X(REPLICATING, VR_S(READY) | VR_S(SUSPENDED) | VR_S(RESYNC_SUSPENDED), "resume", "") \
    X(SYNCED, 0, "prepare a planned failover", VR_LATER) \
    X(SUSPENDED, VR_S(INITIAL) | VR_S(REPLICATING) | VR_S(RESYNCHRONIZING), "pause", "") \
    X(RESYNC_REQUIRED, VR_S_CANCEL, "cancel what runs, is paused or is scheduled", "")
/* clang-format on */

enum vr_method {
#define X(name, role, which, modes, states, job, why) VR_METHOD_##name,
    VR_METHODS(X)
#undef X
    VR_METHOD_COUNT
};

enum vr_method_which {
    VR_WHICH_HOST,
    VR_WHICH_VM,
    VR_WHICH_SENT,
    VR_WHICH_HELD,
    VR_WHICH_FIRST,
    VR_WHICH_NAMED,
    VR_WHICH_NEW
};

struct vr_method_rule {
    const char *name;
    enum vr_role least;
    enum vr_method_which which;
    unsigned modes, states; /* bits of enum vr_mode and enum vr_rel_state */
    enum vr_job_type job;
    const char *refusal; /* "": offered */
};

struct vr_state_change_rule {
    enum vr_rel_state wanted;
    unsigned states;
    const char *text, *refusal;
};

const struct vr_method_rule *vr_method_rule(enum vr_method m);
/* Without case. -1: there is no such method. */
int vr_method_find(const char *name);
bool vr_method_allows(const struct vr_method_rule *rule,
                      enum vr_mode mode,
                      enum vr_rel_state state);
/* The i-th; NULL past the end. */
const struct vr_state_change_rule *vr_state_change_at(unsigned i);
/* NULL: no such state can be asked for. */
const struct vr_state_change_rule *vr_state_change_rule(unsigned wanted);
