/* SPDX-License-Identifier: Apache-2.0 */
#include "resync/record.h"

#include <stdlib.h>
#include <string.h>

#include "resync/digest.h"
#include "util/buf.h"

json_t *record_uuid(const struct vr_uuid *u)
{
    char text[VR_UUID_TEXT_LEN];
    return json_string(vr_uuid_text(u, text));
}

json_t *record_generation(const struct vr_generation *g)
{
    return json_pack("{s:o, s:o, s:I, s:I}", "uuid", record_uuid(&g->uuid), "parent",
                     record_uuid(&g->parent), "sequence", (json_int_t)g->sequence, "epoch",
                     (json_int_t)g->epoch);
}

int record_write(
    struct stor *stor, const char *name, const json_t *root, size_t max, struct vr_err *err)
{
    _cleanup_(vr_freep) char *line = root ? json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    if (!line) {
        return vr_fail_nomem(err);
    }
    char hex[65];
    int r = digest_sha256_hex(line, strlen(line), hex, err);
    if (r < 0) {
        return r;
    }
    struct vr_buf b;
    vr_buf_init(&b, max);
    vr_buf_printf(&b, "%s\nsha256 %s\n", line, hex);
    r = vr_buf_check(&b, err);
    if (r == 0) {
        r = stor_replace(stor, name, b.data, b.len, err);
    }
    vr_buf_deinit(&b);
    return r;
}

int record_parse(char *text, size_t len, json_t **ret, const char **ret_why, struct vr_err *err)
{
    char *nl = memchr(text, '\n', len);
    char hex[65];
    if (!nl || strlen(text) != len) {
        *ret_why = "cut short";
        return vr_fail(err, VR_E_CORRUPT, "cut short");
    }
    *nl = '\0';
    int r = digest_sha256_hex(text, (size_t)(nl - text), hex, err);
    if (r < 0) {
        return r;
    }
    if (strncmp(nl + 1, "sha256 ", 7) != 0 || strncmp(nl + 8, hex, 64) != 0) {
        *ret_why = "checksum";
        return vr_fail(err, VR_E_CORRUPT, "checksum");
    }
    json_error_t je;
    *ret = json_loads(text, JSON_REJECT_DUPLICATES, &je);
    if (!*ret) {
        *ret_why = "no JSON";
        return vr_fail(err, VR_E_CORRUPT, "no JSON");
    }
    return 0;
}

bool record_get_text(const json_t *o, const char *key, char *dst, size_t cap)
{
    const char *s = json_string_value(json_object_get(o, key));
    if (!s || strlen(s) >= cap) {
        return false;
    }
    memcpy(dst, s, strlen(s) + 1);
    return true;
}

bool record_get_uint(const json_t *o, const char *key, uint64_t max, uint64_t *ret)
{
    const json_t *v = json_object_get(o, key);
    if (!json_is_integer(v) || json_integer_value(v) < 0 || (uint64_t)json_integer_value(v) > max) {
        return false;
    }
    *ret = (uint64_t)json_integer_value(v);
    return true;
}

bool record_get_consistency(const json_t *o, uint8_t *ret)
{
    uint64_t v = VR_CONSISTENCY_UNKNOWN;
    bool ok = !json_object_get(o, "consistency") ||
              record_get_uint(o, "consistency", VR_CONSISTENCY_APPLICATION, &v);
    *ret = (uint8_t)v;
    return ok;
}

bool record_get_uuid(const json_t *o, const char *key, struct vr_uuid *ret)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s && vr_uuid_parse(s, ret);
}

bool record_get_generation(const json_t *o, struct vr_generation *g)
{
    uint64_t epoch;
    if (!record_get_uuid(o, "uuid", &g->uuid) || !record_get_uuid(o, "parent", &g->parent) ||
        !record_get_uint(o, "sequence", INT64_MAX, &g->sequence) ||
        !record_get_uint(o, "epoch", UINT32_MAX, &epoch)) {
        return false;
    }
    g->epoch = (uint32_t)epoch;
    return true;
}
