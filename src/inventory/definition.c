/* SPDX-License-Identifier: Apache-2.0 */
#include "inventory/definition.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inventory/domain.h"
#include "inventory/domxml.h"
#include "inventory/reach.h"
#include "inventory/replica_xml.h"
#include "inventory/virt_conn.h"
#include "util/fdio.h"

#define READS_MAX 3 /* of an NVRAM that a guest writes */

/* --- reading --- */

void read_definition_free(struct read_definition *d)
{
    free(d->xml);
    free(d->nvram);
    *d = (struct read_definition){0};
}

static bool same_times(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* One that was not made yet is none: libvirt makes it when the VM starts. */
static void read_nvram(const char *path, struct read_definition *d)
{
    struct stat before, after;
    d->d.nvram_state = VR_NVRAM_UNREADABLE;
    _cleanup_(vr_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        d->d.nvram_state = errno == ENOENT ? VR_NVRAM_NONE : VR_NVRAM_UNREADABLE;
        return;
    }
    for (int i = 0; i < READS_MAX; i++) {
        if (fstat(fd, &before) < 0 || !S_ISREG(before.st_mode) || before.st_size == 0) {
            return;
        }
        if (before.st_size > (off_t)VR_NVRAM_MAX) {
            d->d.nvram_state = VR_NVRAM_TOO_LARGE;
            return;
        }
        size_t n = (size_t)before.st_size;
        free(d->nvram);
        d->nvram = malloc(n);
        if (!d->nvram || pread(fd, d->nvram, n, 0) != (ssize_t)n) {
            return;
        }
        d->d.nvram = d->nvram;
        d->d.nvram_len = (uint32_t)n;
        if (fstat(fd, &after) == 0 && same_times(&before, &after)) {
            break;
        }
    }
    d->d.nvram_state = VR_NVRAM_CARRIED;
}

static void find_nvram(struct read_definition *d)
{
    _cleanup_(domxml_freep) xmlDoc *doc = NULL;
    if (domxml_read(d->xml, d->d.xml_len, "domain", &doc, NULL) < 0) {
        return;
    }
    const xmlNode *nvram = domxml_child(domxml_child(xmlDocGetRootElement(doc), "os"), "nvram");
    const char *path = nvram ? domxml_text(nvram->children) : NULL;
    if (nvram && !path) {
        path = domxml_attribute(domxml_child(nvram, "source"), "file");
    }
    if (path && path[0] == '/') {
        read_nvram(path, d);
    }
    if (d->d.nvram_state != VR_NVRAM_CARRIED) {
        d->d.nvram = NULL;
        d->d.nvram_len = 0;
    }
}

int definition_read(const char *uri,
                    const struct vr_uuid *vm,
                    struct read_definition *ret,
                    struct vr_err *err)
{
    _cleanup_(virt_disconnectp) virConnectPtr conn = NULL;
    struct read_definition d = {0};
    int r = virt_connect(uri, &conn, err);
    if (r < 0) {
        return r;
    }
    _cleanup_(virt_domain_freep) virDomainPtr dom = virDomainLookupByUUID(conn, vm->b);
    d.xml = dom ? virDomainGetXMLDesc(dom, VIR_DOMAIN_XML_INACTIVE) : NULL;
    if (!d.xml) {
        return virt_fail(err, "cannot ask for the definition of the VM");
    }
    size_t len = strlen(d.xml);
    if (len > VR_DEFINITION_XML_MAX) {
        free(d.xml);
        return vr_fail(err, VR_E_LIMIT, "the definition of the VM has more than %u bytes",
                       VR_DEFINITION_XML_MAX);
    }
    d.d.xml = d.xml;
    d.d.xml_len = (uint32_t)len;
    find_nvram(&d);
    *ret = d;
    return 0;
}

/* --- what this host has --- */

struct definer {
    virConnectPtr conn;
    char dirs[VR_PATH_MAX]; /* colons between them */
};

static bool has_network(void *ctx, const char *name)
{
    const struct definer *d = ctx;
    virNetworkPtr n = virNetworkLookupByName(d->conn, name);
    if (n) {
        (void)virNetworkFree(n);
    }
    return n != NULL;
}

static bool has_device(void *ctx, const char *name)
{
    char path[64 + 32];
    int n = snprintf(path, sizeof path, "/sys/class/net/%.64s", name);
    return n < (int)sizeof path && !strchr(name, '/') && access(path, F_OK) == 0;
}

static bool has_file(void *ctx, const char *path)
{
    return path[0] == '/' && access(path, F_OK) == 0;
}

static bool is_allowed(void *ctx, const char *path)
{
    const struct definer *d = ctx;
    return reach_allows(d->dirs, path);
}

/* What a driver cannot tell is not missing. */
static bool cannot_tell(void)
{
    const virError *last = virGetLastError();
    return last && last->code == VIR_ERR_NO_SUPPORT;
}

static bool has_machine(void *ctx, const struct replica_machine *m)
{
    const struct definer *d = ctx;
    _cleanup_(vr_freep) char *caps =
        virConnectGetDomainCapabilities(d->conn, m->emulator, m->arch, m->machine, m->type, 0);
    return caps || cannot_tell();
}

static bool has_cpu(void *ctx, const struct replica_machine *m, const char *cpu_xml)
{
    const struct definer *d = ctx;
    int r = virConnectCompareHypervisorCPU(d->conn, m->emulator, m->arch, m->machine, m->type,
                                           cpu_xml, 0);
    return r == VIR_CPU_COMPARE_IDENTICAL || r == VIR_CPU_COMPARE_SUPERSET ||
           (r < 0 && cannot_tell());
}

/* --- defining --- */

int definer_open(const char *uri, const char *dirs, struct definer **ret, struct vr_err *err)
{
    struct definer *d = calloc(1, sizeof *d);
    if (!d) {
        return vr_fail_nomem(err);
    }
    snprintf(d->dirs, sizeof d->dirs, "%s", dirs);
    int r = virt_connect(uri, &d->conn, err);
    if (r < 0) {
        free(d);
        return r;
    }
    *ret = d;
    return 0;
}

void definer_close(struct definer *d)
{
    if (d) {
        virt_disconnect(d->conn);
        free(d);
    }
}

/* The domain of this UUID; NULL with 0: there is none. */
static int find(struct definer *d, const struct vr_uuid *vm, virDomainPtr *ret, struct vr_err *err)
{
    *ret = virDomainLookupByUUID(d->conn, vm->b);
    const virError *last = *ret ? NULL : virGetLastError();
    if (*ret || (last && last->code == VIR_ERR_NO_DOMAIN)) {
        return 0;
    }
    return virt_fail(err, "cannot look for a domain");
}

static bool read_mark(virDomainPtr dom, struct replica_mark *ret)
{
    _cleanup_(vr_freep) char *element = virDomainGetMetadata(
        dom, VIR_DOMAIN_METADATA_ELEMENT, DOMAIN_REPLICA_NS, VIR_DOMAIN_AFFECT_CONFIG);
    return element && replica_mark_read(element, ret);
}

static void VR_PRINTF(2, 3) fail(struct vr_defined *ret, const char *fmt, ...)
{
    va_list ap;
    ret->state = VR_DEFINED_FAILED;
    va_start(ap, fmt);
    vsnprintf(ret->text, sizeof ret->text, fmt, ap);
    va_end(ap);
}

/* May this be defined? Another domain is never overwritten. 0 with a state of FAILED: no. */
static int check_foreign(struct definer *d,
                         const struct define_params *p,
                         virDomainPtr dom,
                         bool ours,
                         struct vr_defined *ret,
                         struct vr_err *err)
{
    if (dom && !ours) {
        fail(ret,
             "domain '%.100s' of the same UUID is defined here and is none of vmreplica's: "
             "undefine it, or keep it and define the replica by hand",
             virDomainGetName(dom));
        return 0;
    }
    struct vr_vm *vm = calloc(1, sizeof *vm);
    const struct domain_rules rules = {.foreign = true};
    _cleanup_(vr_freep) char *xml = strndup(p->definition->xml, p->definition->xml_len);
    int r = vm && xml ? domain_parse(xml, &rules, vm, err) : vr_fail_nomem(err);
    _cleanup_(virt_domain_freep) virDomainPtr named =
        r == 0 ? virDomainLookupByName(d->conn, vm->name) : NULL;
    struct vr_uuid id;
    if (named && virDomainGetUUID(named, id.b) == 0 && !vr_uuid_eq(&id, &p->vm)) {
        fail(ret, "another domain here has the name '%.100s': rename one of them",
             virDomainGetName(named));
    }
    free(vm);
    return r;
}

static bool runs(virDomainPtr dom)
{
    return dom && virDomainIsActive(dom) == 1;
}

static int define(struct definer *d, const char *xml, struct vr_defined *ret, struct vr_err *err)
{
    _cleanup_(virt_domain_freep) virDomainPtr dom = virDomainDefineXML(d->conn, xml);
    if (!dom) {
        struct vr_err why = VR_ERR_INIT;
        int r = virt_fail(&why, "it cannot be defined");
        if (r == -VR_E_TIMEOUT && virConnectIsAlive(d->conn) != 1) {
            *err = why;
            return r;
        }
        fail(ret, "%.250s", vr_err_text(&why));
        return 0;
    }
    (void)virDomainSetAutostart(dom, 0); /* whoever lets it start says so after a failover */
    ret->state = VR_DEFINED_DONE;
    return 0;
}

int definer_define(struct definer *d,
                   const struct define_params *p,
                   struct vr_defined *ret,
                   struct vr_err *err)
{
    const struct replica_host host = {.network = has_network,
                                      .device = has_device,
                                      .file = has_file,
                                      .allowed = is_allowed,
                                      .machine = has_machine,
                                      .cpu = has_cpu,
                                      .ctx = d};
    const struct replica_xml_params xp = {p->vm,     p->number,     p->directory,
                                          p->images, p->definition, &host};
    _cleanup_(virt_domain_freep) virDomainPtr dom = NULL;
    _cleanup_(vr_freep) char *xml = NULL;
    struct replica_mark have, want;
    struct vr_err bad = VR_ERR_INIT;
    memset(ret, 0, sizeof *ret);
    if (replica_xml(&xp, &xml, &want, &ret->notes, &bad) < 0) {
        fail(ret, "%.250s", vr_err_text(&bad));
        return 0;
    }
    int r = find(d, &p->vm, &dom, err);
    bool ours = r == 0 && dom && read_mark(dom, &have);
    r = r < 0 ? r : check_foreign(d, p, dom, ours, ret, err);
    if (r < 0 || ret->state == VR_DEFINED_FAILED) {
        return r;
    }
    ret->running = runs(dom);
    if (ret->running) {
        ret->state = VR_DEFINED_USED;
        snprintf(ret->text, sizeof ret->text, "the replica VM runs: it is not defined anew");
        return 0;
    }
    if (ours && have.number == want.number && have.text == want.text &&
        strcmp(have.directory, want.directory) == 0) {
        ret->state = VR_DEFINED_DONE;
        return 0;
    }
    return define(d, xml, ret, err);
}

int definer_look(struct definer *d,
                 const struct vr_uuid *vm,
                 bool *ret_ours,
                 bool *ret_running,
                 char ret_directory[VR_PATH_MAX],
                 struct vr_err *err)
{
    _cleanup_(virt_domain_freep) virDomainPtr dom = NULL;
    struct replica_mark have = {0};
    int r = find(d, vm, &dom, err);
    if (r == 0) {
        *ret_ours = dom && read_mark(dom, &have);
        *ret_running = runs(dom);
        snprintf(ret_directory, VR_PATH_MAX, "%s", have.directory);
    }
    return r;
}

int definer_remove(
    struct definer *d, const struct vr_uuid *vm, bool keep, bool *ret_kept, struct vr_err *err)
{
    _cleanup_(virt_domain_freep) virDomainPtr dom = NULL;
    struct replica_mark have;
    int r = find(d, vm, &dom, err);
    *ret_kept = dom != NULL;
    if (r < 0 || !dom || !read_mark(dom, &have)) {
        return r;
    }
    bool running = runs(dom);
    if (keep || running || virDomainHasManagedSaveImage(dom, 0) > 0) {
        unsigned flags = VIR_DOMAIN_AFFECT_CONFIG | (running ? VIR_DOMAIN_AFFECT_LIVE : 0);
        return virDomainSetMetadata(dom, VIR_DOMAIN_METADATA_ELEMENT, NULL, NULL, DOMAIN_REPLICA_NS,
                                    flags) < 0
                   ? virt_fail(err, "cannot take the mark from the replica VM")
                   : 0;
    }
    /* Drivers do not have all of these. */
    if (virDomainUndefineFlags(dom, VIR_DOMAIN_UNDEFINE_KEEP_NVRAM |
                                        VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA |
                                        VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA) < 0 &&
        (virGetLastError()->code != VIR_ERR_INVALID_ARG || virDomainUndefine(dom) < 0)) {
        return virt_fail(err, "cannot undefine the replica VM");
    }
    *ret_kept = false;
    return 0;
}
