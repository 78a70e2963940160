/* SPDX-License-Identifier: Apache-2.0 */
#include "resync/manifest.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "resync/record.h"

static json_t *disks_json(const struct manifest *m)
{
    json_t *disks = json_array();
    for (uint32_t i = 0; i < m->ndisks; i++) {
        const struct manifest_disk *d = &m->disks[i];
        char hex[2 * MANIFEST_DIGEST + 1];
        for (size_t k = 0; k < MANIFEST_DIGEST; k++) {
            snprintf(hex + 2 * k, 3, "%02x", d->sha256[k]);
        }
        json_array_append_new(disks, json_pack("{s:s, s:s, s:s, s:I, s:s}", "name", d->name, "file",
                                               d->file, "digests", d->digests, "size",
                                               (json_int_t)d->size_bytes, "sha256", hex));
    }
    return disks;
}

int manifest_write(struct stor *stor, const struct manifest *m, struct vr_err *err)
{
    _cleanup_(json_decrefp) json_t *root = json_pack(
        "{s:s, s:i, s:o, s:s, s:i, s:s, s:o, s:I, s:i, s:o, s:o}", "format", MANIFEST_NAME,
        "version", MANIFEST_VERSION, "vm", record_uuid(&m->vm_id), "vm_name", m->vm_name,
        "relationship", (int)m->rel_number, "host", m->host, "instant", record_uuid(&m->instant),
        "instant_us", (json_int_t)m->instant_us, "consistency", (int)m->consistency, "generation",
        record_generation(&m->generation), "disks", disks_json(m));
    int r = record_write(stor, MANIFEST_NAME, root, MANIFEST_MAX_BYTES, err);
    return vr_wrap(err, r, "cannot write the manifest");
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool get_sha256(const json_t *o, uint8_t ret[MANIFEST_DIGEST])
{
    const char *hex = json_string_value(json_object_get(o, "sha256"));
    if (!hex || strlen(hex) != (size_t)2 * MANIFEST_DIGEST) {
        return false;
    }
    for (size_t i = 0; i < MANIFEST_DIGEST; i++) {
        int hi = hex_digit(hex[2 * i]), lo = hex_digit(hex[2 * i + 1]);
        if (hi < 0 || lo < 0) {
            return false;
        }
        ret[i] = (uint8_t)(hi << 4 | lo);
    }
    return true;
}

/* File names follow from the disk's: a manifest never leads to another file. */
static bool get_disk(const json_t *o, struct manifest_disk *d)
{
    struct manifest_disk named;
    if (!record_get_text(o, "name", d->name, sizeof d->name) || !vr_name_ok(d->name) ||
        !record_get_text(o, "file", d->file, sizeof d->file) ||
        !record_get_text(o, "digests", d->digests, sizeof d->digests) ||
        !record_get_uint(o, "size", INT64_MAX, &d->size_bytes) || d->size_bytes == 0 ||
        !get_sha256(o, d->sha256)) {
        return false;
    }
    named = *d;
    return manifest_name_files(&named, NULL) == 0 && strcmp(named.file, d->file) == 0 &&
           strcmp(named.digests, d->digests) == 0;
}

static bool get_disks(const json_t *array, struct manifest *m)
{
    size_t n = json_array_size(array);
    if (!json_is_array(array) || n == 0 || n > VR_DISKS_MAX) {
        return false;
    }
    m->ndisks = (uint32_t)n;
    for (size_t i = 0; i < n; i++) {
        if (!get_disk(json_array_get(array, i), &m->disks[i])) {
            return false;
        }
        for (size_t k = 0; k < i; k++) {
            if (strcmp(m->disks[k].name, m->disks[i].name) == 0) {
                return false;
            }
        }
    }
    return true;
}

static bool decode(const json_t *o, struct manifest *m)
{
    uint64_t number;
    const char *format = json_string_value(json_object_get(o, "format"));
    if (!format || strcmp(format, MANIFEST_NAME) != 0 || !record_get_uuid(o, "vm", &m->vm_id) ||
        !record_get_text(o, "vm_name", m->vm_name, sizeof m->vm_name) ||
        !record_get_uint(o, "relationship", 1, &number) ||
        !record_get_text(o, "host", m->host, sizeof m->host) ||
        !record_get_uuid(o, "instant", &m->instant) ||
        !record_get_uint(o, "instant_us", INT64_MAX, &m->instant_us) ||
        !record_get_consistency(o, &m->consistency) ||
        !record_get_generation(json_object_get(o, "generation"), &m->generation) ||
        vr_uuid_is_nil(&m->generation.uuid) || !get_disks(json_object_get(o, "disks"), m)) {
        return false;
    }
    m->rel_number = (uint8_t)number;
    return true;
}

static int damaged(struct vr_err *err, const char *how)
{
    return vr_fail(err, VR_E_CORRUPT,
                   "the manifest '%s' is damaged (%s): export again, or copy the directory again",
                   MANIFEST_NAME, how);
}

int manifest_read(struct stor *stor, struct manifest *ret, struct vr_err *err)
{
    _cleanup_(vr_freep) char *text = NULL;
    _cleanup_(json_decrefp) json_t *root = NULL;
    const char *why = NULL;
    size_t len;
    uint64_t version;
    int r = stor_read(stor, MANIFEST_NAME, MANIFEST_MAX_BYTES, &text, &len, err);
    if (r < 0) {
        return r == -VR_E_LIMIT ? damaged(err, "too large")
                                : vr_wrap(err, r, "cannot read the manifest");
    }
    r = record_parse(text, len, &root, &why, err);
    if (r < 0) {
        return why ? damaged(err, why) : r;
    }
    if (!record_get_uint(root, "version", INT32_MAX, &version)) {
        return damaged(err, "no JSON");
    }
    if (version != MANIFEST_VERSION) {
        return vr_fail(err, VR_E_CORRUPT,
                       "the manifest is of version %llu, this program knows %d: use the newer "
                       "vmreplica",
                       (unsigned long long)version, MANIFEST_VERSION);
    }
    memset(ret, 0, sizeof *ret);
    return decode(root, ret) ? 0 : damaged(err, "a member is missing or out of range");
}

int manifest_name_files(struct manifest_disk *d, struct vr_err *err)
{
    int a = snprintf(d->file, sizeof d->file, "%.*s.raw", (int)sizeof d->name, d->name);
    int b = snprintf(d->digests, sizeof d->digests, "%.*s.sha256", (int)sizeof d->name, d->name);
    if (a < 0 || b < 0 || (size_t)a >= sizeof d->file || (size_t)b >= sizeof d->digests) {
        return vr_fail(err, VR_E_INVALID, "the name of disk '%.60s' is too long to be exported",
                       d->name);
    }
    return 0;
}

uint64_t manifest_nodes(uint64_t size_bytes)
{
    return size_bytes / MANIFEST_NODE + (size_bytes % MANIFEST_NODE != 0);
}

bool manifest_is_zero(const void *p, size_t n)
{
    const uint8_t *b = p;
    return n == 0 || (b[0] == 0 && memcmp(b, b + 1, n - 1) == 0);
}

int manifest_sha256(const void *p, size_t n, uint8_t ret[MANIFEST_DIGEST], struct vr_err *err)
{
    return EVP_Digest(p, n, ret, NULL, EVP_sha256(), NULL) == 1
               ? 0
               : vr_fail(err, VR_E_INTERNAL, "libcrypto has no SHA-256");
}
