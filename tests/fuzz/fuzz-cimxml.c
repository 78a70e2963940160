/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CIM-XML requests against the real schemas of two namespaces and a provider that has one of each
 * class, whatever its name. Byte 0 says what the headers are: right ones for some operation, or
 * none.
 */
#include "fuzz.h"

#include <stdlib.h>

#include "broker.h"
#include "front/cimxml/cimxml.h"
#include "util/num.h"

static void done(void *ctx, const struct cimxml_answer *answer)
{
    int *calls = ctx;
    vr_assert(answer->http_status >= 200 && answer->http_status < 600);
    free(answer->body);
    ++*calls;
}

#define RIGHT(method)                                                                              \
    {                                                                                              \
        .cim_operation = "MethodCall", .cim_method = (method),                                     \
        .cim_object = "root/virtualization/v2", .content_type = "text/xml"                         \
    }

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const struct cimxml_headers heads[] = {
        {.cim_operation = "MethodCall",
         .cim_method = "EnumerateInstances",
         .cim_object = "root%2Fvirtualization%2Fv2",
         .content_type = "application/xml; charset=utf-8"},
        {.content_type = "text/xml"},
        RIGHT("ExecQuery"),
        RIGHT("Associators"),
        RIGHT("OpenEnumerateInstances"),
        RIGHT("PullInstancesWithPath"),
        RIGHT("GetClass"),
        {.cim_operation = "MethodCall",
         .cim_method = "Resynchronize",
         .cim_object = "root/virtualization/v2:Msvm_ReplicationService.Name=\"replicasvc\"",
         .cim_protocol_version = "1.0",
         .content_type = "text/xml"},
        {.cim_operation = "MethodCall",
         .cim_method = "CreateReplicationRelationship",
         .cim_object = "root/virtualization/v2:Msvm_ReplicationService.Name=\"replicasvc\"",
         .content_type = "text/xml"},
        {.cim_operation = "MethodCall",
         .cim_method = "EnumerateInstances",
         .cim_object = "root/interop",
         .content_type = "text/xml"},
    };
    static const struct cim_caller caller = {"fuzz", 3};
    int calls = 0;
    if (n == 0) {
        return 0;
    }
    cimxml_handle(fuzz_broker(), &caller, &heads[p[0] % VR_COUNT(heads)], p + 1, n - 1, done,
                  &calls);
    vr_assert(calls == 1);
    return 0;
}
