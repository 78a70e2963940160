/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The faults of SOAP, WS-Addressing, WS-Enumeration and WS-Management (DSP0226, chapter 14), once.
 * X(name, subcode with our prefix or NULL, code, whose action, Code of Microsoft's wsmanfault).
 * Those codes are what Windows clients look at; where none of WinRM's own is known it is the
 * general Win32 one.
 */
#pragma once

#define WSMAN_FAULTS(X)                                                                            \
    X(MUST_UNDERSTAND, NULL, "s:MustUnderstand", WSMAN, 2147500033u)                               \
    X(VERSION_MISMATCH, NULL, "s:VersionMismatch", WSMAN, 2147500033u)                             \
    X(ACTION_NOT_SUPPORTED, "a:ActionNotSupported", "s:Sender", ADDRESSING, 2147500033u)           \
    X(DESTINATION_UNREACHABLE, "a:DestinationUnreachable", "s:Sender", ADDRESSING, 2150858752u)    \
    X(HEADER_REQUIRED, "a:MessageInformationHeaderRequired", "s:Sender", ADDRESSING, 2147942487u)  \
    X(INVALID_HEADER, "a:InvalidMessageInformationHeader", "s:Sender", ADDRESSING, 2147942487u)    \
    X(ACCESS_DENIED, "w:AccessDenied", "s:Sender", WSMAN, 5u)                                      \
    X(ENCODING_LIMIT, "w:EncodingLimit", "s:Sender", WSMAN, 2147942487u)                           \
    X(INTERNAL_ERROR, "w:InternalError", "s:Receiver", WSMAN, 2147500037u)                         \
    X(INVALID_OPTIONS, "w:InvalidOptions", "s:Sender", WSMAN, 2147942487u)                         \
    X(INVALID_REPRESENTATION, "x:InvalidRepresentation", "s:Sender", TRANSFER, 2147942487u)        \
    X(INVALID_PARAMETER, "w:InvalidParameter", "s:Sender", WSMAN, 2147942487u)                     \
    X(INVALID_SELECTORS, "w:InvalidSelectors", "s:Sender", WSMAN, 2150858813u)                     \
    X(QUOTA_LIMIT, "w:QuotaLimit", "s:Sender", WSMAN, 2147942414u)                                 \
    X(SCHEMA_VALIDATION, "w:SchemaValidationError", "s:Sender", WSMAN, 2150858817u)                \
    X(UNSUPPORTED_FEATURE, "w:UnsupportedFeature", "s:Sender", WSMAN, 2147500033u)                 \
    X(FRAGMENT_DIALECT, "w:FragmentDialectNotSupported", "s:Sender", WSMAN, 2147500033u)           \
    X(CANNOT_PROCESS_FILTER, "n:CannotProcessFilter", "s:Sender", ENUMERATION, 2147942487u)        \
    X(FILTER_DIALECT, "n:FilterDialectRequestedUnavailable", "s:Sender", ENUMERATION, 2147500033u) \
    X(INVALID_CONTEXT, "n:InvalidEnumerationContext", "s:Receiver", ENUMERATION, 2147942487u)      \
    X(EXPIRATION_TYPE, "n:UnsupportedExpirationType", "s:Sender", ENUMERATION, 2147500033u)        \
    X(EXPIRATION_TIME, "n:InvalidExpirationTime", "s:Sender", ENUMERATION, 2147942487u)

enum wsman_fault_kind {
    WSF_NONE,
#define X(name, ...) WSF_##name,
    WSMAN_FAULTS(X)
#undef X
};
