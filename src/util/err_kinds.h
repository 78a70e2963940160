/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kinds of error, once. X(name, number, text, CIM status, HTTP status, exit code, ErrorType,
 * ProbableCause, PerceivedSeverity, what to do) The number is what crosses the peer protocol and is
 * stored: never reuse one. A function returns -number. CIM status: DSP0200 table "CIM status
 * codes". ErrorType, ProbableCause and PerceivedSeverity: those of CIM_Error, for Msvm_Error.
 */
#define VR_ERR_KINDS(X)                                                                            \
    X(INVALID, 1, "invalid input", 4, 400, 2, 4, 8, 2,                                             \
      "correct what the message names and repeat the request")                                     \
    X(NOT_FOUND, 2, "not found", 6, 404, 4, 9, 57, 3,                                              \
      "bring back what the message names, or take it out of the inventory")                        \
    X(EXISTS, 3, "already exists", 11, 409, 5, 4, 8, 2, "remove or rename one of the two")         \
    X(BUSY, 4, "in use", 1, 409, 6, 9, 57, 3,                                                      \
      "wait until what the message names is free, then repeat the request")                        \
    X(DENIED, 5, "access denied", 2, 403, 7, 7, 65, 3,                                             \
      "ask an administrator for the role, the authorization entry or the file permission")         \
    X(LIMIT, 6, "limit reached", 27, 413, 8, 8, 44, 3,                                             \
      "remove what is no longer needed, then repeat the request")                                  \
    X(CANCELED, 7, "cancelled", 1, 409, 9, 1, 1, 2, "start it again when it is wanted")            \
    X(TIMEOUT, 8, "timed out", 1, 504, 10, 2, 111, 3,                                              \
      "check that the other host and the network answer, then repeat the request")                 \
    X(IO, 9, "input/output error", 1, 500, 11, 5, 24, 4,                                           \
      "check the disk or file that the message names; the kernel's log may say more")              \
    X(PEER, 10, "peer not available", 1, 502, 12, 2, 5, 3,                                         \
      "check that vmreplicad runs on the other host: vmreplica peer test HOST")                    \
    X(PROTOCOL, 11, "protocol error", 1, 502, 13, 2, 6, 4,                                         \
      "run versions of vmreplica on both hosts that know each other")                              \
    X(CORRUPT, 12, "corrupt data", 1, 500, 14, 5, 10, 4,                                           \
      "look for failing disks or memory on both hosts, then resynchronize")                        \
    X(NOMEM, 13, "out of memory", 1, 500, 15, 9, 33, 4,                                            \
      "free memory on the host, then repeat the request")                                          \
    X(UNSUPPORTED, 14, "not supported", 7, 501, 16, 10, 1, 2,                                      \
      "see the documentation for what is offered instead")                                         \
    X(INTERNAL, 15, "internal error", 1, 500, 17, 4, 47, 4,                                        \
      "report it, with the log of vmreplicad")                                                     \
    X(STATE, 16, "not possible in this state", 1, 409, 18, 1, 1, 2,                                \
      "see vmreplica status, and repeat the request when the state allows it")                     \
    X(NOSPACE, 17, "not enough space", 1, 507, 19, 9, 50, 4,                                       \
      "free space where the message says, then repeat the request")                                \
    X(LINEAGE, 18, "lineage conflict", 1, 409, 20, 1, 1, 4,                                        \
      "decide which copy counts: vmreplica adopt, or resync --force")                              \
    X(AUTH, 19, "not authenticated", 2, 401, 21, 7, 117, 3,                                        \
      "check the user and password, or the certificate")
