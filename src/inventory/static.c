/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two passes: the lines fill entries and are checked one by one; then what concerns several lines
 * (missing uuid, excluded disk that does not exist, the same name, uuid or path twice) is checked
 * over the whole.
 */
#include "inventory/static.h"

#include "inventory/inifile.h"

struct entry {
    struct vr_vm vm;
    unsigned line, uuid_line, quiesced_line, exclude_line; /* 0: not seen */
    unsigned disk_line[VR_DISKS_MAX];
    char exclude[INI_LINE_MAX + 2];
};

struct inventory {
    char path[VR_PATH_MAX];
    struct entry *entries;
    size_t n, cap;
};

/* One thing that may exist only once, for sorting. */
struct unique {
    char text[VR_PATH_MAX];
    unsigned line;
};

static int new_entry(struct inventory *inv, struct vr_err *err)
{
    if (inv->n == INVENTORY_VMS_MAX) {
        return vr_fail(err, VR_E_LIMIT, "more than %d VMs", INVENTORY_VMS_MAX);
    }
    if (inv->n == inv->cap) {
        size_t cap = inv->cap ? inv->cap * 2 : 8;
        struct entry *more = realloc(inv->entries, cap * sizeof *more);
        if (!more) {
            return vr_fail_nomem(err);
        }
        inv->entries = more;
        inv->cap = cap;
    }
    memset(&inv->entries[inv->n++], 0, sizeof inv->entries[0]);
    return 0;
}

static int on_section(struct inventory *inv, unsigned line, const char *section, struct vr_err *err)
{
    const char *name = section + 3;
    if (strncmp(section, "vm ", 3) != 0) {
        return vr_fail(err, VR_E_INVALID, "unknown section '[%s]': use '[vm NAME]'", section);
    }
    if (!vr_name_ok(name)) {
        return vr_fail(err, VR_E_INVALID,
                       "bad VM name '%s': 1 to %d of A-Z a-z 0-9 . _ - and no dot first", name,
                       VR_NAME_MAX - 1);
    }
    int r = new_entry(inv, err);
    if (r < 0) {
        return r;
    }
    struct entry *e = &inv->entries[inv->n - 1];
    e->line = line;
    snprintf(e->vm.name, sizeof e->vm.name, "%s", name);
    return 0;
}

static bool format_known(const char *format, size_t n)
{
    static const char *const formats[] = {"raw", "qcow2", "vhdx", "vmdk", "vpc", "vdi", "qed"};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (strlen(formats[i]) == n && memcmp(formats[i], format, n) == 0) {
            return true;
        }
    }
    return false;
}

static int
on_disk(struct entry *e, unsigned line, const char *name, const char *value, struct vr_err *err)
{
    if (!vr_name_ok(name)) {
        return vr_fail(err, VR_E_INVALID, "bad disk name '%s'", name);
    }
    for (uint32_t i = 0; i < e->vm.ndisks; i++) {
        if (strcmp(e->vm.disks[i].name, name) == 0) {
            return vr_fail(err, VR_E_INVALID, "disk '%s' is already in line %u", name,
                           e->disk_line[i]);
        }
    }
    if (e->vm.ndisks == VR_DISKS_MAX) {
        return vr_fail(err, VR_E_INVALID, "more than %d disks", VR_DISKS_MAX);
    }
    size_t n = strcspn(value, ":");
    if (value[n] != ':' || !format_known(value, n)) {
        return vr_fail(err, VR_E_INVALID,
                       "'%s' is not FORMAT:PATH with a format of raw, qcow2, vhdx, vmdk, vpc, vdi, "
                       "qed",
                       value);
    }
    struct vr_disk *d = &e->vm.disks[e->vm.ndisks];
    int r = ini_path(value + n + 1, d->path, sizeof d->path, err);
    if (r < 0) {
        return r;
    }
    snprintf(d->name, sizeof d->name, "%s", name);
    snprintf(d->format, sizeof d->format, "%.*s", (int)n, value);
    e->disk_line[e->vm.ndisks++] = line;
    return 0;
}

static int once(unsigned *seen, unsigned line, const char *key, struct vr_err *err)
{
    if (*seen) {
        return vr_fail(err, VR_E_INVALID, "'%s' is already in line %u", key, *seen);
    }
    *seen = line;
    return 0;
}

static int on_uuid(struct entry *e, unsigned line, const char *value, struct vr_err *err)
{
    int r = once(&e->uuid_line, line, "uuid", err);
    if (r == 0 && (!vr_uuid_parse(value, &e->vm.id) || vr_uuid_is_nil(&e->vm.id))) {
        r = vr_fail(err, VR_E_INVALID, "'%s' is not a UUID of a VM", value);
    }
    return r;
}

static int on_line(void *ctx,
                   unsigned line,
                   const char *section,
                   const char *key,
                   const char *value,
                   struct vr_err *err)
{
    struct inventory *inv = ctx;
    if (!key) {
        return on_section(inv, line, section, err);
    }
    if (inv->n == 0) {
        return vr_fail(err, VR_E_INVALID, "'%s' before the first '[vm NAME]'", key);
    }
    struct entry *e = &inv->entries[inv->n - 1];
    if (strncmp(key, "disk.", 5) == 0) {
        return on_disk(e, line, key + 5, value, err);
    }
    if (strcmp(key, "uuid") == 0) {
        return on_uuid(e, line, value, err);
    }
    if (strcmp(key, "quiesced") == 0) {
        int r = once(&e->quiesced_line, line, key, err);
        return r < 0 ? r : ini_bool(value, &e->vm.quiesced, err);
    }
    if (strcmp(key, "exclude") == 0) {
        snprintf(e->exclude, sizeof e->exclude, "%s", value);
        return once(&e->exclude_line, line, key, err);
    }
    return vr_fail(err, VR_E_INVALID,
                   "unknown key '%s': known are uuid, quiesced, disk.NAME, exclude", key);
}

static struct vr_disk *find_disk(struct vr_vm *vm, const char *name, size_t n)
{
    for (uint32_t i = 0; i < vm->ndisks; i++) {
        if (strlen(vm->disks[i].name) == n && memcmp(vm->disks[i].name, name, n) == 0) {
            return &vm->disks[i];
        }
    }
    return NULL;
}

static int check_entry(const struct inventory *inv, struct entry *e, struct vr_err *err)
{
    if (!e->uuid_line) {
        return vr_fail(err, VR_E_INVALID, "%s:%u: VM '%s' has no uuid", inv->path, e->line,
                       e->vm.name);
    }
    for (const char *p = e->exclude; *p;) {
        p += strspn(p, ", \t");
        size_t n = strcspn(p, ", \t");
        struct vr_disk *d = find_disk(&e->vm, p, n);
        if (n && !d) {
            return vr_fail(err, VR_E_INVALID, "%s:%u: VM '%s' has no disk '%.*s' to exclude",
                           inv->path, e->exclude_line, e->vm.name, (int)n, p);
        }
        if (d) {
            d->excluded = true;
        }
        p += n;
    }
    return 0;
}

static int by_text(const void *a, const void *b)
{
    const struct unique *x = a, *y = b;
    int c = strcmp(x->text, y->text);
    return c ? c : (x->line > y->line) - (x->line < y->line);
}

static void put(struct unique **at, const char *what, const char *text, unsigned line)
{
    snprintf((*at)->text, sizeof(*at)->text, "%s '%s'", what, text);
    (*at)->line = line;
    (*at)++;
}

static int check_unique(const struct inventory *inv, struct vr_err *err)
{
    size_t max = 0;
    for (size_t i = 0; i < inv->n; i++) {
        max += 2 + inv->entries[i].vm.ndisks;
    }
    _cleanup_(vr_freep) struct unique *all = calloc(max + 1, sizeof *all);
    if (!all) {
        return vr_fail_nomem(err);
    }
    struct unique *at = all;
    for (size_t i = 0; i < inv->n; i++) {
        const struct entry *e = &inv->entries[i];
        char uuid[VR_UUID_TEXT_LEN];
        put(&at, "VM", e->vm.name, e->line);
        put(&at, "uuid", vr_uuid_text(&e->vm.id, uuid), e->uuid_line);
        for (uint32_t d = 0; d < e->vm.ndisks; d++) {
            put(&at, "disk image", e->vm.disks[d].path, e->disk_line[d]);
        }
    }
    qsort(all, max, sizeof *all, by_text);
    for (size_t i = 1; i < max; i++) {
        if (strcmp(all[i - 1].text, all[i].text) == 0) {
            return vr_fail(err, VR_E_INVALID, "%s:%u: %s is already in line %u", inv->path,
                           all[i].line, all[i].text, all[i - 1].line);
        }
    }
    return 0;
}

static int load(struct inventory *inv, struct vr_err *err)
{
    int r = ini_read(inv->path, on_line, inv, err);
    for (size_t i = 0; r == 0 && i < inv->n; i++) {
        r = check_entry(inv, &inv->entries[i], err);
    }
    return r < 0 ? r : check_unique(inv, err);
}

int inventory_load(const char *path, struct inventory **ret, struct vr_err *err)
{
    if (strlen(path) >= VR_PATH_MAX) {
        return vr_fail(err, VR_E_INVALID, "path of the inventory longer than %d", VR_PATH_MAX - 1);
    }
    _cleanup_(inventory_freep) struct inventory *inv = calloc(1, sizeof *inv);
    if (!inv) {
        return vr_fail_nomem(err);
    }
    snprintf(inv->path, sizeof inv->path, "%s", path);
    int r = load(inv, err);
    if (r < 0) {
        return vr_wrap(err, r, "inventory");
    }
    *ret = TAKE_PTR(inv);
    return 0;
}

int inventory_reload(struct inventory *inv, struct vr_err *err)
{
    struct inventory *fresh;
    int r = inventory_load(inv->path, &fresh, err);
    if (r < 0) {
        return r;
    }
    struct inventory old = *inv;
    *inv = *fresh;
    *fresh = old;
    inventory_free(fresh);
    return 0;
}

void inventory_free(struct inventory *inv)
{
    if (inv) {
        free(inv->entries);
        free(inv);
    }
}

const struct vr_vm *inventory_find(const struct inventory *inv, const struct vr_uuid *id)
{
    for (size_t i = 0; i < inv->n; i++) {
        if (vr_uuid_eq(&inv->entries[i].vm.id, id)) {
            return &inv->entries[i].vm;
        }
    }
    return NULL;
}

const struct vr_vm *inventory_at(const struct inventory *inv, size_t i)
{
    return i < inv->n ? &inv->entries[i].vm : NULL;
}
