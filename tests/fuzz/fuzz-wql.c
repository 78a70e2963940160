/* SPDX-License-Identifier: Apache-2.0 */
/* A query against the real schema and two instances: one full, one of NULLs. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "cim/mof.h"
#include "cim/wql.h"
#include "util/fdio.h"

static struct cim_schema *load(void)
{
    struct cim_schema *schema;
    struct vr_err err = VR_ERR_INIT;
    char *text;
    size_t n;
    vr_assert(vr_read_file(FUZZ_SCHEMA, CIM_MOF_MAX_BYTES, &text, &n, &err) == 0);
    vr_assert(cim_mof_parse(text, n, "schema", &schema, &err) == 0);
    free(text);
    return schema;
}

static void run(const struct cim_wql *q, const struct cim_schema *schema, struct cim_arena *a)
{
    struct cim_wql_env env = {.server = "alpha", .ns = "root/virtualization/v2", .schema = schema};
    struct vr_err err = VR_ERR_INIT;
    const struct cim_class *cls = cim_schema_class(schema, "Msvm_ComputerSystem");
    if (cim_wql_check(q, cls, &err) < 0) {
        vr_assert(strncmp(vr_err_text(&err), "column ", 7) == 0);
        return;
    }
    struct cim_instance *full = cim_instance_new(a, cls), *empty = cim_instance_new(a, cls);
    cim_set(full, "Name", cim_str("00000001-0000-4000-8000-000000000000"));
    cim_set(full, "ElementName", cim_str("web \xc3\xbc"));
    cim_set(full, "OnTimeInMilliseconds", cim_uint(CIM_UINT64, UINT64_MAX));
    cim_set(full, "InstallDate", cim_time(a, 1800000000000000));
    cim_instance_make_path(full, env.ns);
    cim_instance_make_path(empty, env.ns);
    if (full && empty && !cim_arena_failed(a)) {
        bool first = cim_wql_matches(q, &env, full, a);
        vr_assert(cim_arena_failed(a) || first == cim_wql_matches(q, &env, full, a) ||
                  cim_arena_failed(a));
        (void)cim_wql_matches(q, &env, empty, a);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static struct cim_schema *schema;
    struct cim_arena a;
    struct cim_wql q;
    struct vr_err err = VR_ERR_INIT;
    schema = schema ? schema : load();
    char *text = malloc(n + 1);
    if (!text) {
        return 0;
    }
    memcpy(text, p, n);
    text[n] = '\0';
    cim_arena_init(&a, 4 << 20);
    int r = cim_wql_parse(&a, text, &q, &err);
    vr_assert(r == 0 || r == -VR_E_INVALID || r == -VR_E_LIMIT || r == -VR_E_NOMEM);
    if (r == 0 && q.kind == WQL_SELECT) {
        run(&q, schema, &a);
    }
    cim_arena_deinit(&a);
    free(text);
    return 0;
}
