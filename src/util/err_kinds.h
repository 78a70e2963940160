/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kinds of error, once. X(name, number, text, CIM status, HTTP status, exit code) The number is
 * what crosses the peer protocol and is stored: never reuse one. A function returns -number. CIM
 * status: DSP0200 table "CIM status codes".
 */
#define VR_ERR_KINDS(X)                                                                            \
    X(INVALID, 1, "invalid input", 4, 400, 2)                                                      \
    X(NOT_FOUND, 2, "not found", 6, 404, 4)                                                        \
    X(EXISTS, 3, "already exists", 11, 409, 5)                                                     \
    X(BUSY, 4, "in use", 1, 409, 6)                                                                \
    X(DENIED, 5, "access denied", 2, 403, 7)                                                       \
    X(LIMIT, 6, "limit reached", 27, 413, 8)                                                       \
    X(CANCELED, 7, "cancelled", 1, 409, 9)                                                         \
    X(TIMEOUT, 8, "timed out", 1, 504, 10)                                                         \
    X(IO, 9, "input/output error", 1, 500, 11)                                                     \
    X(PEER, 10, "peer not available", 1, 502, 12)                                                  \
    X(PROTOCOL, 11, "protocol error", 1, 502, 13)                                                  \
    X(CORRUPT, 12, "corrupt data", 1, 500, 14)                                                     \
    X(NOMEM, 13, "out of memory", 1, 500, 15)                                                      \
    X(UNSUPPORTED, 14, "not supported", 7, 501, 16)                                                \
    X(INTERNAL, 15, "internal error", 1, 500, 17)                                                  \
    X(STATE, 16, "not possible in this state", 1, 409, 18)                                         \
    X(NOSPACE, 17, "not enough space", 1, 507, 19)                                                 \
    X(LINEAGE, 18, "lineage conflict", 1, 409, 20)                                                 \
    X(AUTH, 19, "not authenticated", 2, 401, 21)
