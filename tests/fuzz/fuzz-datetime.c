/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of values. The first byte picks the type; what was read is written and read again. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "cim/value.h"
#include "util/vtime.h"

/* What an instant or an interval that has no wildcards is written as, means the same. */
static void again(const struct cim_datetime *d)
{
    char text[CIM_DATETIME_LEN];
    struct cim_datetime back;
    const char *written =
        d->is_interval ? cim_interval_text(d->us, text) : cim_datetime_text(d->us, text);
    vr_assert(cim_datetime_parse(written, &back));
    vr_assert(back.is_interval == d->is_interval && !back.has_wildcard);
    /* west of the last hours of 9999 UTC is the year 10000 */
    vr_assert(back.us == d->us || strncmp(written, "99991231235959", 14) == 0);
}

static void value(struct cim_arena *a, enum cim_type type, const char *text)
{
    struct cim_value v, w;
    struct vr_err err = VR_ERR_INIT;
    char one[64], two[64];
    int r = cim_value_from_text(a, type, text, &v, &err);
    if (r < 0) {
        vr_assert(r == -VR_E_INVALID || r == -VR_E_NOMEM);
        return;
    }
    vr_assert(v.type == type && !v.is_array);
    const char *written = cim_value_text(&v, one, sizeof(one));
    if (cim_value_from_text(a, type, written, &w, &err) == 0) {
        vr_assert(strcmp(written, cim_value_text(&w, two, sizeof(two))) == 0);
    } else {
        vr_assert(cim_arena_failed(a));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const enum cim_type types[] = {CIM_BOOLEAN, CIM_UINT8,  CIM_UINT16,  CIM_UINT32,
                                          CIM_UINT64,  CIM_SINT8,  CIM_SINT16,  CIM_SINT32,
                                          CIM_SINT64,  CIM_STRING, CIM_DATETIME};
    if (n == 0) {
        return 0;
    }
    char *text = malloc(n);
    if (!text) {
        return 0;
    }
    memcpy(text, p + 1, n - 1);
    text[n - 1] = '\0';
    struct cim_arena a;
    cim_arena_init(&a, 1 << 20);
    struct cim_datetime d;
    if (cim_datetime_parse(text, &d) && !d.has_wildcard && (d.us || d.is_interval)) {
        again(&d);
    }
    if (p[0] < sizeof(types) / sizeof(types[0])) {
        value(&a, types[p[0]], text);
    }
    cim_arena_deinit(&a);
    free(text);
    return 0;
}
