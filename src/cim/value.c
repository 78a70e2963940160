/* SPDX-License-Identifier: Apache-2.0 */
#include "cim/value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "util/num.h"

static const char *const type_texts[] = {[CIM_NONE] = "",
#define X(name, text) [CIM_##name] = (text),
                                         CIM_TYPES(X)
#undef X
};

const char *cim_type_text(enum cim_type t)
{
    return type_texts[t];
}

enum cim_type cim_type_parse(const char *text)
{
    for (int t = CIM_BOOLEAN; t <= CIM_DATETIME; t++) {
        if (strcasecmp(type_texts[t], text) == 0) {
            return (enum cim_type)t;
        }
    }
    return CIM_NONE;
}

bool cim_type_is_unsigned(enum cim_type t)
{
    return t >= CIM_UINT8 && t <= CIM_UINT64;
}

bool cim_type_is_signed(enum cim_type t)
{
    return t >= CIM_SINT8 && t <= CIM_SINT64;
}

struct cim_value cim_null(enum cim_type t)
{
    return (struct cim_value){.type = t, .is_null = true};
}

struct cim_value cim_bool(bool b)
{
    return (struct cim_value){.type = CIM_BOOLEAN, .b = b};
}

struct cim_value cim_uint(enum cim_type t, uint64_t u)
{
    return (struct cim_value){.type = t, .u = u};
}

struct cim_value cim_str(const char *s)
{
    return (struct cim_value){.type = CIM_STRING, .is_null = !s, .str = s};
}

struct cim_value cim_ref(const struct cim_path *p)
{
    return (struct cim_value){.type = CIM_REFERENCE, .is_null = !p, .ref = p};
}

struct cim_value cim_embedded(const struct cim_instance *i)
{
    return (struct cim_value){.type = CIM_INSTANCE, .is_null = !i, .instance = i};
}

static struct cim_value datetime_value(struct cim_arena *a, const char *text)
{
    const char *copy = cim_strdup(a, text);
    return (struct cim_value){.type = CIM_DATETIME, .is_null = !copy, .str = copy};
}

struct cim_value cim_time(struct cim_arena *a, uint64_t wall_us)
{
    char buf[CIM_DATETIME_LEN];
    return wall_us ? datetime_value(a, cim_datetime_text(wall_us, buf)) : cim_null(CIM_DATETIME);
}

struct cim_value cim_interval(struct cim_arena *a, uint64_t us)
{
    char buf[CIM_DATETIME_LEN];
    return datetime_value(a, cim_interval_text(us, buf));
}

struct cim_value cim_array1(struct cim_arena *a, struct cim_value v)
{
    struct cim_value *item = cim_alloc(a, sizeof *item);
    if (item) {
        *item = v;
    }
    return (struct cim_value){
        .type = v.type, .is_array = true, .is_null = !item, .count = 1, .items = item};
}

static uint64_t unsigned_max(enum cim_type t)
{
    static const uint64_t max[] = {UINT8_MAX, UINT16_MAX, UINT32_MAX, UINT64_MAX};
    return max[t - CIM_UINT8];
}

static bool signed_from_text(enum cim_type t, const char *text, int64_t *ret)
{
    static const uint64_t max[] = {INT8_MAX, INT16_MAX, INT32_MAX, INT64_MAX};
    bool minus = *text == '-';
    uint64_t u, limit = max[t - CIM_SINT8] + (minus ? 1 : 0);
    if (!vr_parse_u64(text + ((minus || *text == '+') ? 1 : 0), 0, limit, &u)) {
        return false;
    }
    *ret = minus ? (int64_t)(0 - u) : (int64_t)u;
    return true;
}

int cim_value_from_text(struct cim_arena *a,
                        enum cim_type t,
                        const char *text,
                        struct cim_value *ret,
                        struct vr_err *err)
{
    struct cim_value v = {.type = t};
    struct cim_datetime dt;
    bool ok = true;
    if (t == CIM_STRING) {
        v.str = cim_strdup(a, text);
    } else if (t == CIM_BOOLEAN) {
        v.b = strcasecmp(text, "true") == 0;
        ok = v.b || strcasecmp(text, "false") == 0;
    } else if (t == CIM_DATETIME) {
        ok = cim_datetime_parse(text, &dt);
        v.str = ok ? cim_strdup(a, text) : NULL;
    } else if (cim_type_is_unsigned(t)) {
        ok = vr_parse_u64(text + (*text == '+' ? 1 : 0), 0, unsigned_max(t), &v.u);
    } else {
        ok = cim_type_is_signed(t) && signed_from_text(t, text, &v.s);
    }
    if (!ok) {
        return vr_fail(err, VR_E_INVALID, "'%.40s' is not of type %s", text, cim_type_text(t));
    }
    if (cim_arena_failed(a)) {
        return vr_fail_nomem(err);
    }
    *ret = v;
    return 0;
}

/* At the end of buf: the digits come from the last to the first. */
static const char *unsigned_text(uint64_t u, char *buf, size_t cap)
{
    char *p = buf + cap;
    vr_assert(cap > 20);
    *--p = '\0';
    do {
        *--p = (char)('0' + u % 10);
        u /= 10;
    } while (u);
    return p;
}

const char *cim_value_text(const struct cim_value *v, char *buf, size_t cap)
{
    if (v->is_null || v->is_array) {
        return "";
    }
    if (v->type == CIM_BOOLEAN) {
        return v->b ? "TRUE" : "FALSE";
    }
    if (cim_type_is_unsigned(v->type)) {
        return unsigned_text(v->u, buf, cap);
    }
    if (cim_type_is_signed(v->type)) {
        snprintf(buf, cap, "%" PRId64, v->s);
        return buf;
    }
    return v->type == CIM_STRING || v->type == CIM_DATETIME ? v->str : "";
}
