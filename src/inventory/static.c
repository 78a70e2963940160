/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two passes: the lines fill entries and are checked one by one; then what concerns several lines
 * (missing uuid, excluded disk that does not exist, the same name, uuid or path twice) is checked
 * over the whole. A struct vr_vm has room for the longest of everything, 18 KiB; an entry keeps
 * only what is there, some hundred bytes, since a host may have thousands.
 */
#include "inventory/static.h"

#include "inventory/inifile.h"

struct disk {
    char *name, *path;
    char format[VR_FORMAT_MAX];
    bool excluded;
    unsigned line;
};

struct entry {
    struct vr_uuid id;
    char *name, *exclude; /* exclude: the line's text, NULL: none */
    bool quiesced;
    struct disk *disks;
    uint32_t ndisks;
    unsigned line, uuid_line, quiesced_line, exclude_line; /* 0: not seen */
};

struct static_vms {
    char path[VR_PATH_MAX];
    struct entry *entries;
    size_t n, cap;
    uint32_t *by_id; /* places in entries, in the order of the ids */
};

/* One thing that may exist only once, for sorting. */
struct unique {
    const char *what, *text; /* text NULL: the id */
    const struct vr_uuid *id;
    unsigned line;
};

static int keep_text(char **ret, const char *text, struct vr_err *err)
{
    char *copy = strdup(text);
    if (!copy) {
        return vr_fail_nomem(err);
    }
    free(*ret);
    *ret = copy;
    return 0;
}

static int new_entry(struct static_vms *inv, struct vr_err *err)
{
    if (inv->n == STATIC_VMS_MAX) {
        return vr_fail(err, VR_E_LIMIT, "more than %d VMs", STATIC_VMS_MAX);
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

static int
on_section(struct static_vms *inv, unsigned line, const char *section, struct vr_err *err)
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
    return keep_text(&e->name, name, err);
}

static struct disk *find_disk(const struct entry *e, const char *name, size_t n)
{
    for (uint32_t i = 0; i < e->ndisks; i++) {
        if (strlen(e->disks[i].name) == n && memcmp(e->disks[i].name, name, n) == 0) {
            return &e->disks[i];
        }
    }
    return NULL;
}

static int
on_disk(struct entry *e, unsigned line, const char *name, const char *value, struct vr_err *err)
{
    if (!vr_name_ok(name)) {
        return vr_fail(err, VR_E_INVALID, "bad disk name '%s'", name);
    }
    const struct disk *same = find_disk(e, name, strlen(name));
    if (same) {
        return vr_fail(err, VR_E_INVALID, "disk '%s' is already in line %u", name, same->line);
    }
    if (e->ndisks == VR_DISKS_MAX) {
        return vr_fail(err, VR_E_INVALID, "more than %d disks", VR_DISKS_MAX);
    }
    size_t n = strcspn(value, ":");
    if (value[n] != ':' || !vr_format_known(value, n)) {
        return vr_fail(err, VR_E_INVALID,
                       "'%s' is not FORMAT:PATH with a format of raw, qcow2, vhdx, vmdk, vpc, vdi, "
                       "qed",
                       value);
    }
    char path[VR_PATH_MAX];
    int r = ini_path(value + n + 1, path, sizeof path, err);
    if (r < 0) {
        return r;
    }
    struct disk *more = realloc(e->disks, (e->ndisks + 1) * sizeof *more);
    if (!more) {
        return vr_fail_nomem(err);
    }
    e->disks = more;
    struct disk *d = &e->disks[e->ndisks++];
    *d = (struct disk){.line = line};
    snprintf(d->format, sizeof d->format, "%.*s", (int)n, value);
    r = keep_text(&d->name, name, err);
    return r < 0 ? r : keep_text(&d->path, path, err);
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
    if (r == 0 && (!vr_uuid_parse(value, &e->id) || vr_uuid_is_nil(&e->id))) {
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
    struct static_vms *inv = ctx;
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
        return r < 0 ? r : ini_bool(value, &e->quiesced, err);
    }
    if (strcmp(key, "exclude") == 0) {
        int r = once(&e->exclude_line, line, key, err);
        return r < 0 ? r : keep_text(&e->exclude, value, err);
    }
    return vr_fail(err, VR_E_INVALID,
                   "unknown key '%s': known are uuid, quiesced, disk.NAME, exclude", key);
}

static int check_entry(const struct static_vms *inv, struct entry *e, struct vr_err *err)
{
    if (!e->uuid_line) {
        return vr_fail(err, VR_E_INVALID, "%s:%u: VM '%s' has no uuid", inv->path, e->line,
                       e->name);
    }
    for (const char *p = e->exclude; p && *p;) {
        p += strspn(p, ", \t");
        size_t n = strcspn(p, ", \t");
        struct disk *d = find_disk(e, p, n);
        if (n && !d) {
            return vr_fail(err, VR_E_INVALID, "%s:%u: VM '%s' has no disk '%.*s' to exclude",
                           inv->path, e->exclude_line, e->name, (int)n, p);
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
    int c = strcmp(x->what, y->what);
    if (c == 0) {
        c = x->id ? memcmp(x->id, y->id, sizeof *x->id) : strcmp(x->text, y->text);
    }
    return c ? c : (x->line > y->line) - (x->line < y->line);
}

static bool is_same(const struct unique *x, const struct unique *y)
{
    return strcmp(x->what, y->what) == 0 &&
           (x->id ? vr_uuid_eq(x->id, y->id) : strcmp(x->text, y->text) == 0);
}

static int check_unique(const struct static_vms *inv, struct vr_err *err)
{
    size_t max = 0;
    for (size_t i = 0; i < inv->n; i++) {
        max += 2 + inv->entries[i].ndisks;
    }
    _cleanup_(vr_freep) struct unique *all = calloc(max + 1, sizeof *all);
    if (!all) {
        return vr_fail_nomem(err);
    }
    struct unique *at = all;
    for (size_t i = 0; i < inv->n; i++) {
        const struct entry *e = &inv->entries[i];
        *at++ = (struct unique){"VM", e->name, NULL, e->line};
        *at++ = (struct unique){"uuid", NULL, &e->id, e->uuid_line};
        for (uint32_t d = 0; d < e->ndisks; d++) {
            *at++ = (struct unique){"disk image", e->disks[d].path, NULL, e->disks[d].line};
        }
    }
    qsort(all, max, sizeof *all, by_text);
    for (size_t i = 1; i < max; i++) {
        if (is_same(&all[i - 1], &all[i])) {
            char id[VR_UUID_TEXT_LEN];
            return vr_fail(err, VR_E_INVALID, "%s:%u: %s '%s' is already in line %u", inv->path,
                           all[i].line, all[i].what,
                           all[i].id ? vr_uuid_text(all[i].id, id) : all[i].text, all[i - 1].line);
        }
    }
    return 0;
}

static int by_id(const void *a, const void *b, void *ctx)
{
    const struct entry *entries = ctx;
    return memcmp(&entries[*(const uint32_t *)a].id, &entries[*(const uint32_t *)b].id,
                  sizeof entries->id);
}

static int sort(struct static_vms *inv, struct vr_err *err)
{
    inv->by_id = calloc(inv->n + 1, sizeof *inv->by_id);
    if (!inv->by_id) {
        return vr_fail_nomem(err);
    }
    for (uint32_t i = 0; i < inv->n; i++) {
        inv->by_id[i] = i;
    }
    qsort_r(inv->by_id, inv->n, sizeof *inv->by_id, by_id, inv->entries);
    return 0;
}

static int load(struct static_vms *inv, struct vr_err *err)
{
    int r = ini_read(inv->path, on_line, inv, err);
    for (size_t i = 0; r == 0 && i < inv->n; i++) {
        r = check_entry(inv, &inv->entries[i], err);
    }
    r = r < 0 ? r : check_unique(inv, err);
    return r < 0 ? r : sort(inv, err);
}

int static_load(const char *path, struct static_vms **ret, struct vr_err *err)
{
    if (strlen(path) >= VR_PATH_MAX) {
        return vr_fail(err, VR_E_INVALID, "path of the inventory longer than %d", VR_PATH_MAX - 1);
    }
    _cleanup_(static_freep) struct static_vms *inv = calloc(1, sizeof *inv);
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

int static_reload(struct static_vms *inv, struct vr_err *err)
{
    struct static_vms *fresh;
    int r = static_load(inv->path, &fresh, err);
    if (r < 0) {
        return r;
    }
    struct static_vms old = *inv;
    *inv = *fresh;
    *fresh = old;
    static_free(fresh);
    return 0;
}

static void free_entry(struct entry *e)
{
    for (uint32_t i = 0; i < e->ndisks; i++) {
        free(e->disks[i].name);
        free(e->disks[i].path);
    }
    free(e->disks);
    free(e->name);
    free(e->exclude);
}

void static_free(struct static_vms *inv)
{
    if (!inv) {
        return;
    }
    for (size_t i = 0; i < inv->n; i++) {
        free_entry(&inv->entries[i]);
    }
    free(inv->entries);
    free(inv->by_id);
    free(inv);
}

static void fill(const struct entry *e, struct vr_vm *ret)
{
    *ret = (struct vr_vm){.id = e->id, .ndisks = e->ndisks, .quiesced = e->quiesced};
    snprintf(ret->name, sizeof ret->name, "%s", e->name);
    for (uint32_t i = 0; i < e->ndisks; i++) {
        const struct disk *from = &e->disks[i];
        struct vr_disk *d = &ret->disks[i];
        snprintf(d->name, sizeof d->name, "%s", from->name);
        snprintf(d->path, sizeof d->path, "%s", from->path);
        memcpy(d->format, from->format, sizeof d->format);
        d->excluded = from->excluded;
    }
}

static const struct entry *find(const struct static_vms *inv, const struct vr_uuid *id)
{
    size_t lo = 0, hi = inv->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const struct entry *e = &inv->entries[inv->by_id[mid]];
        int c = memcmp(&e->id, id, sizeof *id);
        if (c == 0) {
            return e;
        }
        lo = c < 0 ? mid + 1 : lo;
        hi = c < 0 ? hi : mid;
    }
    return NULL;
}

bool static_find(const struct static_vms *inv, const struct vr_uuid *id, struct vr_vm *ret)
{
    const struct entry *e = find(inv, id);
    if (e) {
        fill(e, ret);
    }
    return e;
}

const char *static_name(const struct static_vms *inv, const struct vr_uuid *id)
{
    const struct entry *e = find(inv, id);
    return e ? e->name : NULL;
}

size_t static_count(const struct static_vms *inv)
{
    return inv->n;
}

const struct vr_uuid *static_id_at(const struct static_vms *inv, size_t i)
{
    return i < inv->n ? &inv->entries[i].id : NULL;
}
