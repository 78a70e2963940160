/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Return codes of Msvm_ReplicationService methods, once. X(name, value, text)
 * The rows of RESYNC_CONDITIONS are the conditions of Resynchronize in the order in which they are
 * judged: where several hold, the first wins. X(condition, code, what a person reads). Tests walk
 * this table; docs are made from it.
 */
#pragma once
#include <stdint.h>

#define VR_RETCODES(X)                                                                             \
    X(COMPLETED, 0, "Completed with No Error")                                                     \
    X(JOB_STARTED, 4096, "Method Parameters Checked - Job Started")                                \
    X(FAILED, 32768, "Failed")                                                                     \
    X(ACCESS_DENIED, 32769, "Access Denied")                                                       \
    X(NOT_SUPPORTED, 32770, "Not Supported")                                                       \
    X(STATUS_UNKNOWN, 32771, "Status is unknown")                                                  \
    X(TIMEOUT, 32772, "Timeout")                                                                   \
    X(INVALID_PARAMETER, 32773, "Invalid parameter")                                               \
    X(IN_USE, 32774, "System is in use")                                                           \
    X(INVALID_STATE, 32775, "Invalid state for this operation")                                    \
    X(WRONG_TYPE, 32776, "Incorrect data type")                                                    \
    X(NOT_AVAILABLE, 32777, "System is not available")                                             \
    X(OUT_OF_MEMORY, 32778, "Out of memory")                                                       \
    X(FILE_NOT_FOUND, 32779, "File not found")

enum vr_retcode {
#define X(name, value, text) VR_RC_##name = (value),
    VR_RETCODES(X)
#undef X
};

#define VR_RESYNC_CONDITIONS(X)                                                                    \
    X(TYPE, WRONG_TYPE, "a parameter has the wrong type")                                          \
    X(PARAMETER, INVALID_PARAMETER,                                                                \
      "a parameter is missing, names no such VM, or StartTime is out of range")                    \
    X(ROLE, ACCESS_DENIED, "the caller's role may not do this")                                    \
    X(NO_DISKS, NOT_SUPPORTED, "the host itself, or a VM none of whose disks can be replicated")   \
    X(UNKNOWN, STATUS_UNKNOWN,                                                                     \
      "the relationship's state cannot be determined; see vmreplica adopt")                        \
    X(STATE, INVALID_STATE, "replication is not enabled, or its state does not allow this")        \
    X(BUSY, IN_USE, "a job is running on the VM, or somebody else owns its disks")                 \
    X(MISSING_FILE, FILE_NOT_FOUND, "a disk image is missing")                                     \
    X(SPACE, OUT_OF_MEMORY, "not enough memory or staging space")                                  \
    X(PEER, NOT_AVAILABLE, "no session with the peer host is possible")                            \
    X(DEADLINE, TIMEOUT, "the peer host did not answer in time")                                   \
    X(OTHER, FAILED, "failed; the error text has the reason")

enum vr_resync_condition {
#define X(name, code, text) VR_COND_##name,
    VR_RESYNC_CONDITIONS(X)
#undef X
};

const char *vr_retcode_text(uint32_t code); /* "" for an unknown code */
/* The return code an error kind (VR_E_*, either sign) becomes, at the method call and as a job's
 * ErrorCode. */
uint32_t vr_retcode_of_error(int r);
/* A kind that becomes this code; where several do, the code says too little: VR_E_NONE. */
int vr_kind_of_retcode(uint32_t code);
uint32_t vr_condition_code(enum vr_resync_condition c);
const char *vr_condition_text(enum vr_resync_condition c);
