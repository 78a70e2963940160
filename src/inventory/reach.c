/* SPDX-License-Identifier: Apache-2.0 */
#include "inventory/reach.h"

#include <string.h>

#include "inventory/domxml.h"
#include "util/num.h"

#define MAX_TYPES 8

bool reach_allows(const char *dirs, const char *path)
{
    size_t len = strlen(path), n;
    if (path[0] != '/' || strstr(path, "/../") || (len > 2 && strcmp(path + len - 3, "/..") == 0)) {
        return false;
    }
    for (const char *dir = dirs; *dir; dir += n + (dir[n] == ':')) {
        n = strcspn(dir, ":");
        if (n > 1 && strncmp(path, dir, n) == 0 && path[n] == '/' && path[n + 1]) {
            return true;
        }
    }
    return false;
}

struct limits {
    const struct replica_host *host;
    struct vr_definition_notes *notes;
};

static bool is_one_of(const char *s, const char *const *list, size_t n)
{
    for (size_t i = 0; s && i < n && list[i]; i++) {
        if (strcmp(s, list[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void leave_out(const struct limits *l, xmlNode *n, const char *what)
{
    char text[VR_NOTE_WHAT_MAX];
    snprintf(text, sizeof text, "%.30s%s%.90s", (const char *)n->name, what ? " " : "",
             what ? what : "");
    vr_definition_note_add(l->notes, VR_NOTE_OUTSIDE, text);
    domxml_drop(n);
}

static bool is_random_device(const char *path)
{
    static const char *const names[] = {"/dev/urandom", "/dev/random", "/dev/hwrng"};
    return is_one_of(path, names, VR_COUNT(names));
}

/* Does the value name something of the host that the definition may not have? What begins with a
 * slash does, whatever it is there for; attributes that hold paths do without one, too. */
static bool reaches_out(const struct limits *l, const char *attribute, const char *value)
{
    static const char *const paths[] = {"path",    "file",       "socket", "tap",   "vhost",
                                        "logFile", "rendernode", "xauth",  "script"};
    return value && *value && (value[0] == '/' || is_one_of(attribute, paths, VR_COUNT(paths))) &&
           !is_random_device(value) && !l->host->allowed(l->host->ctx, value);
}

static const char *bad_attribute(const struct limits *l, const xmlNode *n)
{
    for (const xmlAttr *a = n->properties; a; a = a->next) {
        const char *value = domxml_text(a->children);
        if (a->ns || (a->children && !value) || reaches_out(l, (const char *)a->name, value)) {
            return value ? value : (const char *)a->name;
        }
    }
    return NULL;
}

/* The first thing in the element, or below it, that it may not have; NULL: nothing. As deep as
 * libxml2 reads, which is bounded. */
static const char *bad_part(const struct limits *l, const xmlNode *n)
{
    const char *bad = n->ns ? (const char *)n->name : bad_attribute(l, n);
    for (const xmlNode *c = n->children; c && !bad; c = c->next) {
        if (c->type == XML_TEXT_NODE) {
            const char *text = (const char *)c->content;
            text += strspn(text, " \t\r\n");
            bad = reaches_out(l, NULL, text) ? text : NULL;
        } else if (c->type == XML_ELEMENT_NODE) {
            bad = bad_part(l, c);
        } else if (c->type != XML_COMMENT_NODE) {
            bad = (const char *)n->name; /* nothing that libvirt writes */
        }
    }
    return bad;
}

/* --- devices --- */

static const struct kind {
    const char *name;
    const char *attribute; /* whose value is one of: NULL: any */
    const char *const values[MAX_TYPES];
} kinds[] = {
    {"controller", NULL, {NULL}},
    {"interface", "type", {"network", "bridge", "direct", "user", "null", "internal"}},
    {"serial", "type", {"pty", "null", "vc", "spicevmc", "spiceport", "unix", "file"}},
    {"parallel", "type", {"pty", "null", "vc", "unix", "file"}},
    {"console", "type", {"pty", "null", "vc", "spicevmc", "spiceport", "unix", "file"}},
    {"channel", "type", {"pty", "null", "spicevmc", "spiceport", "unix", "qemu-vdagent"}},
    {"redirdev", "type", {"spicevmc"}},
    {"redirfilter", NULL, {NULL}},
    {"graphics", "type", {"vnc", "spice", "egl-headless"}},
    {"video", NULL, {NULL}},
    {"sound", NULL, {NULL}},
    {"audio", "type", {"none", "spice"}},
    {"input", "type", {"mouse", "tablet", "keyboard"}},
    {"watchdog", NULL, {NULL}},
    {"memballoon", NULL, {NULL}},
    {"panic", NULL, {NULL}},
    {"rng", NULL, {NULL}},
    {"tpm", NULL, {NULL}},
    {"hub", NULL, {NULL}},
    {"vsock", NULL, {NULL}},
    {"iommu", NULL, {NULL}},
    {"memory", "model", {"dimm", "virtio-mem"}},
    {"filesystem", "type", {"mount"}},
    {"nvram", NULL, {NULL}},
    {"vmcoreinfo", NULL, {NULL}},
    {"crypto", "type", {"qemu"}},
};

static bool is_known(const xmlNode *n)
{
    for (size_t i = 0; i < VR_COUNT(kinds); i++) {
        const struct kind *k = &kinds[i];
        if (domxml_is(n, k->name)) {
            return !k->attribute ||
                   is_one_of(domxml_attribute(n, k->attribute), k->values, MAX_TYPES);
        }
    }
    return false;
}

/* QEMU as a distribution installs it; anything else would be a program of the primary's choice. */
static bool is_qemu(const char *path)
{
    static const char *const whole[] = {"/usr/bin/kvm", "/usr/bin/qemu-kvm",
                                        "/usr/libexec/qemu-kvm"};
    static const char system[] = "/usr/bin/qemu-system-";
    return is_one_of(path, whole, VR_COUNT(whole)) ||
           (path && strncmp(path, system, sizeof system - 1) == 0 &&
            !strchr(path + sizeof system - 1, '/'));
}

/* Helpers of network devices: without them the device is as any other. */
static void limit_interface(const struct limits *l, xmlNode *n)
{
    static const char *const helpers[] = {"script", "downscript", "backend"};
    for (size_t i = 0; i < VR_COUNT(helpers); i++) {
        xmlNode *c = domxml_child(n, helpers[i]);
        if (c) {
            leave_out(l, c, bad_part(l, c));
        }
    }
}

/* A sound card names its backend by number, so the backend stays, as one that is silent. */
static void limit_audio(xmlNode *n)
{
    if (is_known(n)) {
        return;
    }
    xmlNodeSetContent(n, NULL);
    (void)xmlSetProp(n, (const xmlChar *)"type", (const xmlChar *)"none");
}

static void limit_device(const struct limits *l, xmlNode *n)
{
    const char *type = domxml_attribute(n, "type"), *bad;
    bool hosts_own = domxml_is(n, "interface") && type &&
                     (strcmp(type, "hostdev") == 0 || strcmp(type, "vdpa") == 0);
    if (domxml_is(n, "disk") || domxml_is(n, "hostdev") || hosts_own) {
        return; /* replica_xml's */
    }
    if (domxml_is(n, "emulator")) {
        const char *path = domxml_text(n->children);
        if (!is_qemu(path)) {
            leave_out(l, n, path);
        }
        return;
    }
    if (domxml_is(n, "interface") && is_known(n)) {
        limit_interface(l, n);
    } else if (domxml_is(n, "audio")) {
        limit_audio(n);
    }
    bad = is_known(n) ? bad_part(l, n) : type ? type : "";
    if (bad) {
        leave_out(l, n, *bad ? bad : NULL);
    }
}

/* --- the domain --- */

static void
limit_below(const struct limits *l, xmlNode *parent, void (*fn)(const struct limits *l, xmlNode *n))
{
    for (xmlNode *n = parent->children, *next; n; n = next) {
        next = n->next;
        if (n->type == XML_ELEMENT_NODE) {
            fn(l, n);
        }
    }
}

static void limit_os(const struct limits *l, xmlNode *n)
{
    const char *bad = domxml_is(n, "nvram") || domxml_is(n, "cmdline") ? NULL : bad_part(l, n);
    if (bad) {
        leave_out(l, n, bad);
    }
}

static void limit_child(const struct limits *l, xmlNode *n)
{
    static const char *const texts[] = {"name", "uuid", "title", "description", "metadata"};
    static const char *const known[] = {"genid",
                                        "memory",
                                        "currentMemory",
                                        "maxMemory",
                                        "memoryBacking",
                                        "memtune",
                                        "vcpu",
                                        "vcpus",
                                        "iothreads",
                                        "iothreadids",
                                        "cputune",
                                        "numatune",
                                        "blkiotune",
                                        "features",
                                        "defaultiothread",
                                        "cpu",
                                        "clock",
                                        "pm",
                                        "perf",
                                        "on_poweroff",
                                        "on_reboot",
                                        "on_crash",
                                        "sysinfo",
                                        "on_lockfailure",
                                        "launchSecurity",
                                        "keywrap",
                                        "throttlegroups"};
    static const char *const labels[] = {"seclabel", "resource"}; /* this host has its own */
    const char *name = (const char *)n->name;
    if (!n->ns && is_one_of(name, texts, VR_COUNT(texts))) {
        return;
    }
    if (is_one_of(name, labels, VR_COUNT(labels))) {
        domxml_drop(n);
        return;
    }
    if (!n->ns && strcmp(name, "devices") == 0) {
        limit_below(l, n, limit_device);
    } else if (!n->ns && strcmp(name, "os") == 0) {
        limit_below(l, n, limit_os);
    } else {
        const char *bad = bad_part(l, n);
        if (bad || !is_one_of(name, known, VR_COUNT(known))) {
            leave_out(l, n, bad && bad != name ? bad : NULL);
        }
    }
}

void reach_limit(xmlNode *domain,
                 const struct replica_host *host,
                 struct vr_definition_notes *notes)
{
    const struct limits l = {host, notes};
    limit_below(&l, domain, limit_child);
}
