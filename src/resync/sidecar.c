/* SPDX-License-Identifier: Apache-2.0 */
#include "resync/sidecar.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "resync/digest.h"
#include "util/buf.h"

/* --- writing --- */

static json_t *uuid_json(const struct vr_uuid *u)
{
    char text[VR_UUID_TEXT_LEN];
    return json_string(vr_uuid_text(u, text));
}

static json_t *generation_json(const struct vr_generation *g)
{
    return json_pack("{s:o, s:o, s:I, s:I}", "uuid", uuid_json(&g->uuid), "parent",
                     uuid_json(&g->parent), "sequence", (json_int_t)g->sequence, "epoch",
                     (json_int_t)g->epoch);
}

static json_t *disks_json(const struct sidecar *s)
{
    json_t *disks = json_array();
    for (uint32_t i = 0; i < s->vm.ndisks; i++) {
        const struct vr_disk *d = &s->vm.disks[i];
        char stamp[24];
        snprintf(stamp, sizeof stamp, "%016llx", (unsigned long long)s->stamp[i]);
        json_array_append_new(disks, json_pack("{s:s, s:s, s:s, s:I, s:s}", "name", d->name, "file",
                                               d->path, "format", d->format, "size",
                                               (json_int_t)d->size_bytes, "stamp", stamp));
    }
    return disks;
}

static json_t *intent_json(const struct sidecar *s)
{
    if (!s->intent) {
        return json_null();
    }
    json_t *runs = json_array();
    for (uint32_t i = 0; i < s->nruns; i++) {
        json_array_append_new(runs, json_pack("{s:s, s:I}", "file", s->runs[i].name, "bytes",
                                              (json_int_t)s->runs[i].bytes));
    }
    return json_pack("{s:o, s:o}", "generation", generation_json(&s->next), "runs", runs);
}

int sidecar_write(struct stor *stor, const struct sidecar *s, struct vr_err *err)
{
    _cleanup_(json_decrefp) json_t *root = json_pack(
        "{s:s, s:i, s:o, s:s, s:i, s:i, s:I, s:s, s:s, s:o, s:I, s:b, s:o, s:o}", "format",
        "vmreplica-sidecar", "version", SIDECAR_VERSION, "vm", uuid_json(&s->rel.vm_id), "vm_name",
        s->vm.name, "relationship", (int)s->rel.number, "role", (int)s->role, "promoted_us",
        (json_int_t)s->promoted_us, "peer", s->rel.peer, "peer_identity", s->rel.peer_identity,
        "generation", generation_json(&s->rel.generation), "created_us",
        (json_int_t)s->rel.created_us, "own_images", (int)s->own_images, "disks", disks_json(s),
        "intent", intent_json(s));
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
    vr_buf_init(&b, SIDECAR_MAX_BYTES);
    vr_buf_printf(&b, "%s\nsha256 %s\n", line, hex);
    r = vr_buf_check(&b, err);
    if (r == 0) {
        r = stor_replace(stor, REPLICA_SIDECAR, b.data, b.len, err);
    }
    vr_buf_deinit(&b);
    return vr_wrap(err, r, "cannot write the sidecar");
}

/* --- reading: every member must be there, of its type, within its limit --- */

static bool get_text(const json_t *o, const char *key, char *dst, size_t cap)
{
    const char *s = json_string_value(json_object_get(o, key));
    if (!s || strlen(s) >= cap) {
        return false;
    }
    memcpy(dst, s, strlen(s) + 1);
    return true;
}

static bool get_uint(const json_t *o, const char *key, uint64_t max, uint64_t *ret)
{
    const json_t *v = json_object_get(o, key);
    if (!json_is_integer(v) || json_integer_value(v) < 0 || (uint64_t)json_integer_value(v) > max) {
        return false;
    }
    *ret = (uint64_t)json_integer_value(v);
    return true;
}

static bool get_uuid(const json_t *o, const char *key, struct vr_uuid *ret)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s && vr_uuid_parse(s, ret);
}

static bool get_generation(const json_t *o, struct vr_generation *g)
{
    uint64_t epoch;
    if (!get_uuid(o, "uuid", &g->uuid) || !get_uuid(o, "parent", &g->parent) ||
        !get_uint(o, "sequence", INT64_MAX, &g->sequence) ||
        !get_uint(o, "epoch", UINT32_MAX, &epoch)) {
        return false;
    }
    g->epoch = (uint32_t)epoch;
    return true;
}

/* A file name within the directory: what vr_name_ok allows is never a path. */
static bool get_disk(const json_t *o, struct vr_disk *d, uint64_t *stamp)
{
    const char *hex = json_string_value(json_object_get(o, "stamp"));
    if (!hex || strlen(hex) != 16 || !get_text(o, "name", d->name, sizeof d->name) ||
        !get_text(o, "file", d->path, sizeof d->path) ||
        !get_text(o, "format", d->format, sizeof d->format) ||
        !get_uint(o, "size", INT64_MAX, &d->size_bytes)) {
        return false;
    }
    *stamp = strtoull(hex, NULL, 16);
    return vr_name_ok(d->name) && vr_name_ok(d->path) && block_format_known(d->format);
}

static bool get_disks(const json_t *array, struct sidecar *s)
{
    size_t n = json_array_size(array);
    if (!json_is_array(array) || n == 0 || n > VR_DISKS_MAX) {
        return false;
    }
    s->vm.ndisks = (uint32_t)n;
    for (size_t i = 0; i < n; i++) {
        if (!get_disk(json_array_get(array, i), &s->vm.disks[i], &s->stamp[i])) {
            return false;
        }
    }
    return true;
}

static bool get_intent(const json_t *o, struct sidecar *s)
{
    if (json_is_null(o)) {
        return true;
    }
    const json_t *runs = json_object_get(o, "runs");
    size_t n = json_array_size(runs);
    if (!get_generation(json_object_get(o, "generation"), &s->next) || !json_is_array(runs) ||
        n > RUNS_MAX) {
        return false;
    }
    s->intent = true;
    s->nruns = (uint32_t)n;
    for (size_t i = 0; i < n; i++) {
        const json_t *run = json_array_get(runs, i);
        if (!get_text(run, "file", s->runs[i].name, sizeof s->runs[i].name) ||
            !vr_name_ok(s->runs[i].name) || !get_uint(run, "bytes", INT64_MAX, &s->runs[i].bytes)) {
            return false;
        }
    }
    return true;
}

static bool decode(const json_t *o, struct sidecar *s)
{
    uint64_t number, role;
    const char *format = json_string_value(json_object_get(o, "format"));
    if (!format || strcmp(format, "vmreplica-sidecar") != 0 || !get_uuid(o, "vm", &s->rel.vm_id) ||
        !get_text(o, "vm_name", s->vm.name, sizeof s->vm.name) ||
        !get_uint(o, "relationship", 1, &number) || !get_uint(o, "role", 3, &role) || role < 1 ||
        !get_uint(o, "promoted_us", INT64_MAX, &s->promoted_us) ||
        !get_text(o, "peer", s->rel.peer, sizeof s->rel.peer) ||
        !get_text(o, "peer_identity", s->rel.peer_identity, sizeof s->rel.peer_identity) ||
        !get_uint(o, "created_us", INT64_MAX, &s->rel.created_us) ||
        !get_generation(json_object_get(o, "generation"), &s->rel.generation) ||
        !get_disks(json_object_get(o, "disks"), s) ||
        !get_intent(json_object_get(o, "intent"), s)) {
        return false;
    }
    s->rel.number = (uint8_t)number;
    s->role = (enum replica_role)role;
    s->own_images = json_is_true(json_object_get(o, "own_images"));
    s->vm.id = s->rel.vm_id;
    s->vm.is_replica = true;
    return true;
}

static int damaged(struct vr_err *err, const char *how)
{
    return vr_fail(err, VR_E_CORRUPT,
                   "the sidecar is damaged (%s): the images are left alone; restore the file "
                   "from a backup of this directory, or remove the directory and enable anew",
                   how);
}

static int parse(char *text, size_t len, struct sidecar *ret, struct vr_err *err)
{
    char *nl = memchr(text, '\n', len);
    char hex[65];
    if (!nl || strlen(text) != len) {
        return damaged(err, "cut short");
    }
    *nl = '\0';
    int r = digest_sha256_hex(text, (size_t)(nl - text), hex, err);
    if (r < 0) {
        return r;
    }
    if (strncmp(nl + 1, "sha256 ", 7) != 0 || strncmp(nl + 8, hex, 64) != 0) {
        return damaged(err, "checksum");
    }
    json_error_t je;
    _cleanup_(json_decrefp) json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &je);
    uint64_t version;
    if (!root || !get_uint(root, "version", INT32_MAX, &version)) {
        return damaged(err, "no JSON");
    }
    if (version != SIDECAR_VERSION) {
        return vr_fail(err, VR_E_CORRUPT,
                       "the sidecar is of version %llu, this program knows %d: use the newer "
                       "vmreplica",
                       (unsigned long long)version, SIDECAR_VERSION);
    }
    memset(ret, 0, sizeof *ret);
    return decode(root, ret) ? 0 : damaged(err, "a member is missing or out of range");
}

int sidecar_read(struct stor *stor, struct sidecar *ret, struct vr_err *err)
{
    _cleanup_(vr_freep) char *text = NULL;
    size_t len;
    int r = stor_read(stor, REPLICA_SIDECAR, SIDECAR_MAX_BYTES, &text, &len, err);
    if (r < 0) {
        return vr_wrap(err, r, "cannot read the sidecar");
    }
    return parse(text, len, ret, err);
}
