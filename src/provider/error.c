/* SPDX-License-Identifier: Apache-2.0 */
/* Msvm_Error: a failure, from the table of the kinds of error. Only ever embedded. */
#include "provider/internal.h"

#define ERROR_TYPE_OTHER 1
#define CIM_OBJECT_PATH 2 /* ErrorSourceFormat */

struct cim_instance *provider_error(struct provider *p,
                                    struct cim_arena *a,
                                    uint32_t code,
                                    int kind,
                                    const char *message,
                                    const struct cim_path *source)
{
    struct cim_instance *i = cim_instance_new(a, cim_schema_class(p->schema, "Msvm_Error"));
    kind = kind ? kind : vr_kind_of_retcode(code);
    struct vr_kind_advice advice = vr_kind_advice(kind);
    bool other = advice.error_type == ERROR_TYPE_OTHER;
    const char *what = kind ? vr_kind_text(kind) : vr_retcode_text(code);
    cim_set(i, "ErrorType", cim_uint(CIM_UINT16, (uint64_t)advice.error_type));
    cim_set(i, "OtherErrorType", cim_str(other ? what : NULL));
    cim_set(i, "OwningEntity", cim_str("vmreplica"));
    cim_set(i, "MessageID", cim_str(kind ? vr_kind_name(kind) : cim_printf(a, "%u", code)));
    cim_set(i, "Message", cim_str(message[0] ? cim_strdup(a, message) : what));
    cim_set(i, "PerceivedSeverity", cim_uint(CIM_UINT16, (uint64_t)advice.severity));
    cim_set(i, "ProbableCause", cim_uint(CIM_UINT16, (uint64_t)advice.probable_cause));
    cim_set(i, "ProbableCauseDescription", cim_str(what));
    if (advice.action[0]) {
        cim_set(i, "RecommendedActions", cim_array1(a, cim_str(advice.action)));
    }
    if (source) {
        cim_set(i, "ErrorSource", cim_str(cim_path_text(a, source)));
        cim_set(i, "ErrorSourceFormat", cim_uint(CIM_UINT16, CIM_OBJECT_PATH));
    }
    int status = kind ? vr_kind_cim_status(kind) : CIM_ERR_FAILED;
    cim_set(i, "CIMStatusCode", cim_uint(CIM_UINT32, (uint64_t)status));
    cim_set(i, "CIMStatusCodeDescription", cim_str(cim_code_text(status)));
    return i;
}
