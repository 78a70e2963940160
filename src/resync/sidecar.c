/* SPDX-License-Identifier: Apache-2.0 */
#include "resync/sidecar.h"

#include <stdlib.h>
#include <string.h>

#include "resync/record.h"

/* --- writing --- */

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

/* A sidecar without a plan is one of version 1. */
static int put_plan(const struct sidecar *s, json_t *root, struct vr_err *err)
{
    json_t *disks = s->nplan ? json_array() : NULL;
    for (uint32_t i = 0; i < s->nplan; i++) {
        const struct vr_disk *d = &s->plan[i];
        json_array_append_new(disks,
                              json_pack("{s:s, s:s, s:s, s:I}", "name", d->name, "file", d->path,
                                        "format", d->format, "size", (json_int_t)d->size_bytes));
    }
    if (s->nplan &&
        (json_array_size(disks) != s->nplan || json_object_set_new(root, "plan", disks) < 0)) {
        return vr_fail_nomem(err);
    }
    return 0;
}

const struct vr_disk *sidecar_next_disks(const struct sidecar *s, uint32_t *ret_n)
{
    *ret_n = s->nplan ? s->nplan : s->vm.ndisks;
    return s->nplan ? s->plan : s->vm.disks;
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
    return json_pack("{s:o, s:o, s:s, s:I, s:i}", "generation", record_generation(&s->next), "runs",
                     runs, "definition", s->next_definition, "instant_us",
                     (json_int_t)s->next_instant_us, "consistency", (int)s->next_consistency);
}

int sidecar_write(struct stor *stor, const struct sidecar *s, struct vr_err *err)
{
    _cleanup_(json_decrefp) json_t *root = json_pack(
        "{s:s, s:i, s:o, s:s, s:i, s:i, s:I, s:s, s:s, s:o, s:I, s:b, s:b, s:o, s:s, s:I, s:i, "
        "s:o}",
        "format", "vmreplica-sidecar", "version", s->nplan ? SIDECAR_VERSION_PLAN : SIDECAR_VERSION,
        "vm", record_uuid(&s->rel.vm_id), "vm_name", s->vm.name, "relationship", (int)s->rel.number,
        "role", (int)s->role, "promoted_us", (json_int_t)s->promoted_us, "peer", s->rel.peer,
        "peer_identity", s->rel.peer_identity, "generation", record_generation(&s->rel.generation),
        "created_us", (json_int_t)s->rel.created_us, "own_images", (int)s->own_images,
        "found_images", (int)s->found_images, "disks", disks_json(s), "definition", s->definition,
        "instant_us", (json_int_t)s->rel.last_sync_us, "consistency", (int)s->rel.consistency,
        "intent", intent_json(s));
    int r = root ? put_plan(s, root, err) : 0;
    r = r < 0 ? r : record_write(stor, REPLICA_SIDECAR, root, SIDECAR_MAX_BYTES, err);
    return vr_wrap(err, r, "cannot write the sidecar");
}

/* --- reading: every member must be there, of its type, within its limit --- */

/* A file name within the directory: what vr_name_ok allows is never a path. */
static bool get_disk(const json_t *o, struct vr_disk *d)
{
    return record_get_text(o, "name", d->name, sizeof d->name) &&
           record_get_text(o, "file", d->path, sizeof d->path) &&
           record_get_text(o, "format", d->format, sizeof d->format) &&
           record_get_uint(o, "size", INT64_MAX, &d->size_bytes) && vr_name_ok(d->name) &&
           vr_name_ok(d->path) && block_format_known(d->format);
}

static bool get_stamp(const json_t *o, uint64_t *ret)
{
    const char *hex = json_string_value(json_object_get(o, "stamp"));
    bool ok = hex && strlen(hex) == 16;
    *ret = ok ? strtoull(hex, NULL, 16) : 0;
    return ok;
}

static bool get_disks(const json_t *array, struct sidecar *s)
{
    size_t n = json_array_size(array);
    if (!json_is_array(array) || n == 0 || n > VR_DISKS_MAX) {
        return false;
    }
    s->vm.ndisks = (uint32_t)n;
    for (size_t i = 0; i < n; i++) {
        const json_t *o = json_array_get(array, i);
        if (!get_disk(o, &s->vm.disks[i]) || !get_stamp(o, &s->stamp[i])) {
            return false;
        }
    }
    return true;
}

static bool get_plan(const json_t *array, struct sidecar *s)
{
    size_t n = json_array_size(array);
    if (!array) {
        return true;
    }
    if (!json_is_array(array) || n == 0 || n > VR_DISKS_MAX) {
        return false;
    }
    s->nplan = (uint32_t)n;
    for (size_t i = 0; i < n; i++) {
        if (!get_disk(json_array_get(array, i), &s->plan[i]) || s->plan[i].size_bytes == 0) {
            return false;
        }
    }
    return true;
}

/* Sidecars of before there were definitions have no such member. */
static bool get_definition(const json_t *o, char *ret)
{
    const json_t *v = json_object_get(o, "definition");
    return !v || (record_get_text(o, "definition", ret, DEFINITION_NAME_MAX) &&
                  (!ret[0] || definition_name_ok(ret)));
}

/* Nor these, those of before it was kept: then it is not known. */
static bool get_instant(const json_t *o, uint64_t *ret_us, uint8_t *ret_consistency)
{
    *ret_us = 0;
    return record_get_consistency(o, ret_consistency) &&
           (!json_object_get(o, "instant_us") ||
            record_get_uint(o, "instant_us", INT64_MAX, ret_us));
}

static bool get_intent(const json_t *o, struct sidecar *s)
{
    if (json_is_null(o)) {
        return true;
    }
    const json_t *runs = json_object_get(o, "runs");
    size_t n = json_array_size(runs);
    if (!record_get_generation(json_object_get(o, "generation"), &s->next) ||
        !get_definition(o, s->next_definition) ||
        !get_instant(o, &s->next_instant_us, &s->next_consistency) || !json_is_array(runs) ||
        n > RUNS_MAX) {
        return false;
    }
    s->intent = true;
    s->nruns = (uint32_t)n;
    for (size_t i = 0; i < n; i++) {
        const json_t *run = json_array_get(runs, i);
        if (!record_get_text(run, "file", s->runs[i].name, sizeof s->runs[i].name) ||
            !vr_name_ok(s->runs[i].name) ||
            !record_get_uint(run, "bytes", INT64_MAX, &s->runs[i].bytes)) {
            return false;
        }
    }
    return true;
}

static bool decode(const json_t *o, struct sidecar *s)
{
    uint64_t number, role;
    const char *format = json_string_value(json_object_get(o, "format"));
    if (!format || strcmp(format, "vmreplica-sidecar") != 0 ||
        !record_get_uuid(o, "vm", &s->rel.vm_id) ||
        !record_get_text(o, "vm_name", s->vm.name, sizeof s->vm.name) ||
        !record_get_uint(o, "relationship", 1, &number) || !record_get_uint(o, "role", 3, &role) ||
        role < 1 || !record_get_uint(o, "promoted_us", INT64_MAX, &s->promoted_us) ||
        !record_get_text(o, "peer", s->rel.peer, sizeof s->rel.peer) ||
        !record_get_text(o, "peer_identity", s->rel.peer_identity, sizeof s->rel.peer_identity) ||
        !record_get_uint(o, "created_us", INT64_MAX, &s->rel.created_us) ||
        !record_get_generation(json_object_get(o, "generation"), &s->rel.generation) ||
        !get_disks(json_object_get(o, "disks"), s) || !get_plan(json_object_get(o, "plan"), s) ||
        !get_definition(o, s->definition) ||
        !get_instant(o, &s->rel.last_sync_us, &s->rel.consistency) ||
        !get_intent(json_object_get(o, "intent"), s)) {
        return false;
    }
    s->rel.number = (uint8_t)number;
    s->role = (enum replica_role)role;
    s->own_images = json_is_true(json_object_get(o, "own_images"));
    s->found_images = json_is_true(json_object_get(o, "found_images")); /* of version 1, later */
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
    _cleanup_(json_decrefp) json_t *root = NULL;
    const char *why = NULL;
    uint64_t version;
    int r = record_parse(text, len, &root, &why, err);
    if (r < 0) {
        return why ? damaged(err, why) : r;
    }
    if (!record_get_uint(root, "version", INT32_MAX, &version)) {
        return damaged(err, "no JSON");
    }
    if (version < SIDECAR_VERSION || version > SIDECAR_VERSION_PLAN) {
        return vr_fail(err, VR_E_CORRUPT,
                       "the sidecar is of version %llu, this program knows %d: use the newer "
                       "vmreplica",
                       (unsigned long long)version, SIDECAR_VERSION_PLAN);
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
