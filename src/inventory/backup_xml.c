/* SPDX-License-Identifier: Apache-2.0 */
#include "inventory/backup_xml.h"

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <string.h>

#include "util/buf.h"
#include "util/cleanup.h"
#include "util/num.h"

#define JOB_XML_MAX (1u << 20)

static void free_doc(xmlDoc *doc)
{
    xmlFreeDoc(doc);
}
DEFINE_CLEANUP(xmlDoc *, free_doc)

static xmlNode *add(xmlNode *parent, const char *name)
{
    return xmlNewChild(parent, NULL, (const xmlChar *)name, NULL);
}

static bool set(xmlNode *n, const char *name, const char *value)
{
    return n && xmlNewProp(n, (const xmlChar *)name, (const xmlChar *)value);
}

static bool add_disk(xmlNode *disks, const char *name, const char *scratch, const char *base)
{
    char path[VR_PATH_MAX + VR_NAME_MAX];
    xmlNode *disk = add(disks, "disk");
    snprintf(path, sizeof path, "%s-%s.scratch", scratch, name);
    return set(disk, "name", name) && set(disk, "backup", "yes") && set(disk, "type", "file") &&
           set(disk, "backupmode", base ? "incremental" : "full") &&
           (!base || set(disk, "incremental", base)) && set(add(disk, "scratch"), "file", path);
}

struct job {
    const char *socket, *scratch, *base;
    const bool *since;
};

static bool fill(xmlNode *root, const struct vr_vm *vm, const struct job *j)
{
    xmlNode *server = add(root, "server");
    xmlNode *disks = add(root, "disks");
    bool ok = set(root, "mode", "pull") && set(server, "transport", "unix") &&
              set(server, "socket", j->socket) && disks;
    for (uint32_t i = 0; ok && i < vm->ndisks; i++) {
        ok = vm->disks[i].excluded ||
             add_disk(disks, vm->disks[i].name, j->scratch, j->since[i] ? j->base : NULL);
    }
    return ok;
}

static xmlDoc *new_doc(const char *root_name, xmlNode **ret_root)
{
    xmlDoc *doc = xmlNewDoc((const xmlChar *)"1.0");
    xmlNode *root = doc ? xmlNewNode(NULL, (const xmlChar *)root_name) : NULL;
    if (!root) {
        xmlFreeDoc(doc);
        return NULL;
    }
    (void)xmlDocSetRootElement(doc, root);
    *ret_root = root;
    return doc;
}

static int give_text(xmlDoc *doc, bool ok, char **ret, struct vr_err *err)
{
    xmlChar *text = NULL;
    int len = 0;
    if (ok) {
        xmlDocDumpMemory(doc, &text, &len);
    }
    if (!text) {
        return vr_fail_nomem(err);
    }
    *ret = (char *)text; /* libxml2's memory is malloc's */
    return 0;
}

int backup_xml_make(const struct vr_vm *vm,
                    const char *socket,
                    const char *scratch,
                    const char *base,
                    const bool since[VR_DISKS_MAX],
                    char **ret,
                    struct vr_err *err)
{
    xmlNode *root;
    const struct job j = {socket, scratch, base, since};
    _cleanup_(free_docp) xmlDoc *doc = new_doc("domainbackup", &root);
    return doc ? give_text(doc, fill(root, vm, &j), ret, err) : vr_fail_nomem(err);
}

/* --- checkpoints --- */

static bool add_text(xmlNode *parent, const char *name, const char *text)
{
    return xmlNewTextChild(parent, NULL, (const xmlChar *)name, (const xmlChar *)text) != NULL;
}

int checkpoint_xml_make(const struct vr_vm *vm,
                        const char *name,
                        const bool tracked[VR_DISKS_MAX],
                        const uint64_t size[VR_DISKS_MAX],
                        char **ret,
                        struct vr_err *err)
{
    xmlNode *root;
    struct vr_buf sizes;
    _cleanup_(free_docp) xmlDoc *doc = new_doc("domaincheckpoint", &root);
    if (!doc) {
        return vr_fail_nomem(err);
    }
    vr_buf_init(&sizes, 8192);
    vr_buf_text(&sizes, "vmreplica's;");
    for (uint32_t i = 0; i < vm->ndisks; i++) {
        if (tracked[i]) {
            vr_buf_printf(&sizes, " %s=%llu", vm->disks[i].name, (unsigned long long)size[i]);
        }
    }
    const char *text = vr_buf_cstr(&sizes);
    bool ok = text && add_text(root, "name", name) && add_text(root, "description", text);
    xmlNode *disks = add(root, "disks");
    for (uint32_t i = 0; ok && i < vm->ndisks; i++) {
        xmlNode *disk = add(disks, "disk");
        ok = set(disk, "name", vm->disks[i].name) &&
             set(disk, "checkpoint", tracked[i] ? "bitmap" : "no");
    }
    int r = give_text(doc, ok, ret, err);
    vr_buf_deinit(&sizes);
    return r;
}

static xmlDoc *parse(const char *xml)
{
    size_t len = strnlen(xml, JOB_XML_MAX + 1);
    xmlDoc *doc = len > JOB_XML_MAX
                      ? NULL
                      : xmlReadMemory(xml, (int)len, NULL, NULL,
                                      XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    if (doc && doc->intSubset) {
        xmlFreeDoc(doc);
        return NULL;
    }
    return doc;
}

static xmlNode *child(xmlNode *parent, const char *name)
{
    xmlNode *n = parent ? parent->children : NULL;
    while (n && (n->type != XML_ELEMENT_NODE || strcmp((const char *)n->name, name) != 0)) {
        n = n->next;
    }
    return n;
}

static bool is(xmlNode *n, const char *attribute, const char *value)
{
    xmlChar *have =
        n->type == XML_ELEMENT_NODE ? xmlGetNoNsProp(n, (const xmlChar *)attribute) : NULL;
    bool same = have && strcmp((const char *)have, value) == 0;
    xmlFree(have);
    return same;
}

/* " vda=123" */
static bool size_in(const char *text, const char *disk, uint64_t *ret)
{
    char key[VR_NAME_MAX + 4], digits[24];
    snprintf(key, sizeof key, " %s=", disk);
    const char *at = strstr(text, key);
    if (!at) {
        return false;
    }
    at += strlen(key);
    snprintf(digits, sizeof digits, "%.*s", (int)strspn(at, "0123456789"), at);
    return vr_parse_u64(digits, 1, INT64_MAX, ret);
}

bool checkpoint_xml_has(const char *xml, const char *disk, uint64_t *ret_size)
{
    _cleanup_(free_docp) xmlDoc *doc = parse(xml);
    xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
    xmlNode *disks = child(root, "disks"), *description = child(root, "description");
    xmlChar *text = description ? xmlNodeGetContent(description) : NULL;
    bool found = false;
    for (xmlNode *n = disks ? disks->children : NULL; n && !found; n = n->next) {
        found = is(n, "name", disk) && is(n, "checkpoint", "bitmap");
    }
    found = found && text && size_in((const char *)text, disk, ret_size);
    xmlFree(text);
    return found;
}

/* The nth disk that has a bitmap keeps it, the others have none. */
static bool leave_one(xmlNode *disks, unsigned nth)
{
    unsigned seen = 0;
    bool found = false;
    for (xmlNode *n = disks ? disks->children : NULL; n; n = n->next) {
        if (is(n, "checkpoint", "bitmap")) {
            bool leave = seen++ == nth;
            found = found || leave;
            if (!leave) {
                (void)xmlSetProp(n, (const xmlChar *)"checkpoint", (const xmlChar *)"no");
                (void)xmlUnsetProp(n, (const xmlChar *)"bitmap");
            }
        }
    }
    return found;
}

bool checkpoint_xml_alone(const char *xml, unsigned nth, char **ret)
{
    _cleanup_(free_docp) xmlDoc *doc = parse(xml);
    xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
    xmlNode *parent = child(root, "parent"); /* which may be gone */
    if (parent) {
        xmlUnlinkNode(parent);
        xmlFreeNode(parent);
    }
    return leave_one(child(root, "disks"), nth) && give_text(doc, true, ret, NULL) == 0;
}

/* --- jobs of others --- */

bool backup_xml_socket(const char *xml, char *ret, size_t cap)
{
    _cleanup_(free_docp) xmlDoc *doc = parse(xml);
    xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
    bool found = false;
    for (xmlNode *n = root ? root->children : NULL; n && !found; n = n->next) {
        if (n->type != XML_ELEMENT_NODE || strcmp((const char *)n->name, "server") != 0) {
            continue;
        }
        xmlChar *socket = xmlGetNoNsProp(n, (const xmlChar *)"socket");
        found = socket && strlen((const char *)socket) < cap;
        if (found) {
            snprintf(ret, cap, "%s", (const char *)socket);
        }
        xmlFree(socket);
    }
    return found;
}
