/* SPDX-License-Identifier: Apache-2.0 */
#include "inventory/replica_xml.h"

#include <inttypes.h>
#include <string.h>

#include "inventory/domain.h"
#include "inventory/domxml.h"
#include "inventory/reach.h"
#include "util/num.h"

#define MARK "replica"
#define PREFIX "vmreplica"

struct work {
    const struct replica_xml_params *p;
    struct vr_definition_notes *notes;
    bool seen[VR_DISKS_MAX]; /* disks of the replica that the definition has */
    bool failed;             /* no memory */
};

static void note(struct work *w, enum vr_definition_note why, const char *what)
{
    vr_definition_note_add(w->notes, why, what ? what : "?");
}

static bool is(const char *value, const char *wanted)
{
    return value && strcmp(value, wanted) == 0;
}

static void set(struct work *w, xmlNode *n, const char *name, const char *value)
{
    w->failed = w->failed || !n || !xmlSetProp(n, (const xmlChar *)name, (const xmlChar *)value);
}

static void drop_child(xmlNode *parent, const char *name)
{
    for (xmlNode *n = domxml_child(parent, name); n; n = domxml_child(parent, name)) {
        domxml_drop(n);
    }
}

static void drop_attribute(xmlNode *n, const char *name)
{
    xmlAttr *a = xmlHasProp(n, (const xmlChar *)name);
    if (a) {
        (void)xmlRemoveProp(a);
    }
}

static xmlNode *add(struct work *w, xmlNode *parent, const char *name)
{
    xmlNode *n = xmlNewChild(parent, NULL, (const xmlChar *)name, NULL);
    w->failed = w->failed || !n;
    return n;
}

static xmlNode *child_or_new(struct work *w, xmlNode *parent, const char *name)
{
    xmlNode *n = domxml_child(parent, name);
    return n ? n : add(w, parent, name);
}

static const char *text_below(const xmlNode *parent, const char *name)
{
    const xmlNode *n = domxml_child(parent, name);
    return n ? domxml_text(n->children) : NULL;
}

/* --- disks --- */

static const struct vr_disk *disk_named(struct work *w, const char *name)
{
    const struct vr_vm *vm = w->p->images;
    for (uint32_t i = 0; name && i < vm->ndisks; i++) {
        if (strcmp(vm->disks[i].name, name) == 0) {
            w->seen[i] = true;
            return &vm->disks[i];
        }
    }
    return NULL;
}

static void drop_sources(xmlNode *disk)
{
    static const char *const names[] = {"source", "backingStore", "mirror", "auth", "encryption"};
    for (size_t i = 0; i < VR_COUNT(names); i++) {
        drop_child(disk, names[i]);
    }
}

static void remap(struct work *w, xmlNode *disk, const struct vr_disk *image)
{
    drop_sources(disk);
    drop_attribute(disk, "rawio"); /* rights on this host */
    drop_attribute(disk, "sgio");
    set(w, disk, "type", "file");
    xmlNode *driver = child_or_new(w, disk, "driver");
    set(w, driver, "name", "qemu");
    set(w, driver, "type", image->format);
    if (driver && strcmp(image->format, "qcow2") != 0) {
        drop_child(driver, "metadata_cache");
    }
    set(w, add(w, disk, "source"), "file", image->path);
}

static void one_disk(struct work *w, xmlNode *disk)
{
    const char *target = domxml_attribute(domxml_child(disk, "target"), "dev");
    const char *device = domxml_attribute(disk, "device");
    const struct vr_disk *image = disk_named(w, target);
    if (image) {
        remap(w, disk, image);
    } else if (is(device, "cdrom") || is(device, "floppy")) {
        if (domxml_child(disk, "source")) {
            note(w, VR_NOTE_MEDIUM, target);
        }
        drop_sources(disk);
        set(w, disk, "type", "file");
    } else {
        note(w, VR_NOTE_DISK, target);
        domxml_drop(disk);
    }
}

/* --- what belongs to a host --- */

static void one_interface(struct work *w, xmlNode *n)
{
    const struct replica_host *h = w->p->host;
    const char *type = domxml_attribute(n, "type");
    const xmlNode *source = domxml_child(n, "source");
    const char *network = domxml_attribute(source, "network");
    const char *bridge = domxml_attribute(source, "bridge"), *dev = domxml_attribute(source, "dev");
    if (is(type, "hostdev") || is(type, "vdpa")) {
        note(w, VR_NOTE_HOST_DEVICE, "network device");
        domxml_drop(n);
    } else if (is(type, "network") && network && !h->network(h->ctx, network)) {
        note(w, VR_NOTE_NETWORK, network);
    } else if (is(type, "bridge") && bridge && !h->device(h->ctx, bridge)) {
        note(w, VR_NOTE_BRIDGE, bridge);
    } else if (is(type, "direct") && dev && !h->device(h->ctx, dev)) {
        note(w, VR_NOTE_BRIDGE, dev);
    }
}

static void one_hostdev(struct work *w, xmlNode *n)
{
    const xmlNode *source = domxml_child(n, "source"), *a = domxml_child(source, "address");
    const char *type = domxml_attribute(n, "type"), *bus = domxml_attribute(a, "bus");
    const char *slot = domxml_attribute(a, "slot");
    char what[VR_NOTE_WHAT_MAX];
    snprintf(what, sizeof what, "%.30s%s%.30s%s%.30s", type ? type : "device", bus ? " bus " : "",
             bus ? bus : "", slot ? " slot " : "", slot ? slot : "");
    note(w, VR_NOTE_HOST_DEVICE, what);
    domxml_drop(n);
}

static void one_tpm(struct work *w, xmlNode *n)
{
    const char *type = domxml_attribute(domxml_child(n, "backend"), "type");
    if (is(type, "emulator")) {
        note(w, VR_NOTE_TPM, "emulator");
    } else {
        note(w, VR_NOTE_HOST_DEVICE, "TPM");
        domxml_drop(n);
    }
}

static void need_file(struct work *w, const char *path)
{
    if (path && !w->p->host->file(w->p->host->ctx, path)) {
        note(w, VR_NOTE_FILE, path);
    }
}

static void one_share(struct work *w, xmlNode *n)
{
    need_file(w, domxml_attribute(domxml_child(n, "source"), "dir"));
}

static void one_emulator(struct work *w, xmlNode *n)
{
    const char *path = domxml_text(n->children);
    if (path && !w->p->host->file(w->p->host->ctx, path)) {
        note(w, VR_NOTE_EMULATOR, path);
        domxml_drop(n);
    }
}

static void all_devices(struct work *w, const xmlNode *devices)
{
    static const struct {
        const char *name;
        void (*fn)(struct work *w, xmlNode *n);
    } kinds[] = {{"disk", one_disk},       {"interface", one_interface},
                 {"hostdev", one_hostdev}, {"filesystem", one_share},
                 {"tpm", one_tpm},         {"emulator", one_emulator}};
    for (xmlNode *n = devices ? devices->children : NULL, *next; n; n = next) {
        next = n->next;
        for (size_t i = 0; i < VR_COUNT(kinds); i++) {
            if (domxml_is(n, kinds[i].name)) {
                kinds[i].fn(w, n);
                break;
            }
        }
    }
}

/* --- firmware --- */

/* Always in the replica's directory: what libvirt would make there from a template is the replica's
 * own. */
static void nvram(struct work *w, xmlNode *os)
{
    const struct vr_definition *d = w->p->definition;
    xmlNode *n = domxml_child(os, "nvram");
    char path[VR_PATH_MAX + 16];
    if (d->nvram_state != VR_NVRAM_CARRIED && d->nvram_state != VR_NVRAM_NONE) {
        note(w, VR_NOTE_NVRAM, vr_nvram_text(d->nvram_state));
    }
    if (!n) {
        return;
    }
    const struct replica_host *h = w->p->host;
    const char *template = domxml_attribute(n, "template");
    if (template && !h->allowed(h->ctx, template)) {
        if (d->nvram_state != VR_NVRAM_CARRIED) {
            note(w, VR_NOTE_OUTSIDE, template);
        }
        drop_attribute(n, "template");
    } else if (template && !h->file(h->ctx, template)) {
        if (d->nvram_state != VR_NVRAM_CARRIED) {
            note(w, VR_NOTE_FILE, template);
        }
        drop_attribute(n, "template");
    }
    drop_attribute(n, "type");
    snprintf(path, sizeof path, "%s/nvram", w->p->directory);
    xmlNodeSetContent(n, NULL); /* and what is below it */
    xmlNodeAddContent(n, (const xmlChar *)path);
    w->failed = w->failed || !n->children;
}

static void firmware(struct work *w, xmlNode *os)
{
    static const char *const files[] = {"loader", "kernel", "initrd", "dtb"};
    for (size_t i = 0; i < VR_COUNT(files); i++) {
        need_file(w, text_below(os, files[i]));
    }
    nvram(w, os);
}

/* --- machine and CPU --- */

static char *dump(xmlNode *n)
{
    xmlBuffer *b = xmlBufferCreate();
    char *text = NULL;
    if (b && n && xmlNodeDump(b, n->doc, n, 0, 0) > 0) {
        text = strdup((const char *)xmlBufferContent(b));
    }
    xmlBufferFree(b);
    return text;
}

static void machine(struct work *w, const xmlNode *domain)
{
    const struct replica_host *h = w->p->host;
    const xmlNode *type = domxml_child(domxml_child(domain, "os"), "type");
    xmlNode *cpu = domxml_child(domain, "cpu");
    struct replica_machine m = {.emulator = text_below(domxml_child(domain, "devices"), "emulator"),
                                .arch = domxml_attribute(type, "arch"),
                                .machine = domxml_attribute(type, "machine"),
                                .type = domxml_attribute(domain, "type")};
    if (!h->machine(h->ctx, &m)) {
        char what[VR_NOTE_WHAT_MAX];
        snprintf(what, sizeof what, "%.40s %.40s (%.20s)", m.arch ? m.arch : "?",
                 m.machine ? m.machine : "?", m.type ? m.type : "?");
        note(w, VR_NOTE_MACHINE, what);
        return;
    }
    const char *mode = domxml_attribute(cpu, "mode");
    if (!cpu || is(mode, "host-passthrough") || is(mode, "maximum") || is(mode, "host-model")) {
        return;
    }
    _cleanup_(vr_freep) char *xml = dump(cpu);
    if (xml && !h->cpu(h->ctx, &m, xml)) {
        const char *model = text_below(cpu, "model");
        note(w, VR_NOTE_CPU, model ? model : "of the definition");
    }
}

/* --- the mark --- */

static uint64_t sum_of(const char *text)
{
    uint64_t h = 14695981039346656037ull; /* FNV-1a: it finds changes, and is no protection */
    for (const char *p = text; *p; p++) {
        h = (h ^ (uint8_t)*p) * 1099511628211ull;
    }
    return h;
}

static void drop_marks(xmlNode *metadata)
{
    for (xmlNode *n = metadata->children, *next; n; n = next) {
        next = n->next;
        if (n->type == XML_ELEMENT_NODE && n->ns && n->ns->href &&
            strcmp((const char *)n->ns->href, DOMAIN_REPLICA_NS) == 0) {
            domxml_drop(n);
        }
    }
}

static void mark(struct work *w, xmlNode *domain, struct replica_mark *ret)
{
    char text[24];
    xmlNode *metadata = child_or_new(w, domain, "metadata");
    if (metadata) {
        drop_marks(metadata);
    }
    _cleanup_(vr_freep) char *whole = dump(domain);
    xmlNode *n = metadata ? add(w, metadata, MARK) : NULL;
    xmlNs *ns = n ? xmlNewNs(n, (const xmlChar *)DOMAIN_REPLICA_NS, (const xmlChar *)PREFIX) : NULL;
    w->failed = w->failed || !ns || !whole;
    if (w->failed) {
        return;
    }
    xmlSetNs(n, ns);
    *ret = (struct replica_mark){.number = w->p->number, .text = sum_of(whole)};
    snprintf(ret->directory, sizeof ret->directory, "%s", w->p->directory);
    snprintf(text, sizeof text, "%u", (unsigned)ret->number);
    set(w, n, "relationship", text);
    set(w, n, "directory", ret->directory);
    snprintf(text, sizeof text, "%016" PRIx64, ret->text);
    set(w, n, "text", text);
}

bool replica_mark_read(const char *element, struct replica_mark *ret)
{
    _cleanup_(domxml_freep) xmlDoc *doc = NULL;
    size_t len = strnlen(element, DOMAIN_XML_MAX + 1);
    if (len > DOMAIN_XML_MAX || domxml_read(element, len, MARK, &doc, NULL) < 0) {
        return false;
    }
    const xmlNode *n = xmlDocGetRootElement(doc);
    const char *number = domxml_attribute(n, "relationship");
    const char *directory = domxml_attribute(n, "directory"), *text = domxml_attribute(n, "text");
    uint64_t v;
    if (!number || !vr_parse_u64(number, 0, 1, &v) || !directory || directory[0] != '/' ||
        strlen(directory) >= sizeof ret->directory || !text) {
        return false;
    }
    ret->number = (uint8_t)v;
    snprintf(ret->directory, sizeof ret->directory, "%s", directory);
    ret->text = strtoull(text, NULL, 16);
    return true;
}

/* --- the whole --- */

static int check_identity(struct work *w, const xmlNode *domain, struct vr_err *err)
{
    const char *text = text_below(domain, "uuid"), *name = text_below(domain, "name");
    struct vr_uuid id;
    if (!text || !vr_uuid_parse(text, &id) || !vr_uuid_eq(&id, &w->p->vm) || !name || !*name) {
        return vr_fail(err, VR_E_INVALID, "the definition that came is of another virtual machine");
    }
    return 0;
}

int replica_xml(const struct replica_xml_params *p,
                char **ret,
                struct replica_mark *ret_mark,
                struct vr_definition_notes *notes,
                struct vr_err *err)
{
    struct work w = {.p = p, .notes = notes};
    _cleanup_(domxml_freep) xmlDoc *doc = NULL;
    memset(notes, 0, sizeof *notes);
    int r = domxml_read(p->definition->xml, p->definition->xml_len, "domain", &doc, err);
    xmlNode *domain = r == 0 ? xmlDocGetRootElement(doc) : NULL;
    if (domain) {
        reach_limit(domain, p->host, notes);
    }
    r = r < 0 ? r : check_identity(&w, domain, err); /* of what is left */
    if (r < 0) {
        return r;
    }
    drop_attribute(domain, "id");
    all_devices(&w, domxml_child(domain, "devices"));
    for (uint32_t i = 0; i < p->images->ndisks; i++) {
        if (!w.seen[i]) {
            note(&w, VR_NOTE_DISK_UNKNOWN, p->images->disks[i].name);
        }
    }
    xmlNode *os = domxml_child(domain, "os");
    if (os) {
        firmware(&w, os);
    }
    machine(&w, domain);
    mark(&w, domain, ret_mark);
    *ret = w.failed ? NULL : dump(domain);
    return *ret ? 0 : vr_fail_nomem(err);
}
