/* SPDX-License-Identifier: Apache-2.0 */
#include "inventory/backup_xml.h"

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <string.h>

#include "util/cleanup.h"

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

static bool add_disk(xmlNode *disks, const char *name, const char *scratch)
{
    char path[VR_PATH_MAX + VR_NAME_MAX];
    xmlNode *disk = add(disks, "disk");
    snprintf(path, sizeof path, "%s-%s.scratch", scratch, name);
    return set(disk, "name", name) && set(disk, "backup", "yes") && set(disk, "type", "file") &&
           set(disk, "backupmode", "full") && set(add(disk, "scratch"), "file", path);
}

static bool fill(xmlNode *root, const struct vr_vm *vm, const char *socket, const char *scratch)
{
    xmlNode *server = add(root, "server");
    xmlNode *disks = add(root, "disks");
    bool ok = set(root, "mode", "pull") && set(server, "transport", "unix") &&
              set(server, "socket", socket) && disks;
    for (uint32_t i = 0; ok && i < vm->ndisks; i++) {
        ok = vm->disks[i].excluded || add_disk(disks, vm->disks[i].name, scratch);
    }
    return ok;
}

int backup_xml_make(
    const struct vr_vm *vm, const char *socket, const char *scratch, char **ret, struct vr_err *err)
{
    _cleanup_(free_docp) xmlDoc *doc = xmlNewDoc((const xmlChar *)"1.0");
    xmlNode *root = xmlNewNode(NULL, (const xmlChar *)"domainbackup");
    xmlChar *text = NULL;
    int len = 0;
    if (!doc || !root) {
        xmlFreeNode(root);
        return vr_fail_nomem(err);
    }
    (void)xmlDocSetRootElement(doc, root);
    if (fill(root, vm, socket, scratch)) {
        xmlDocDumpMemory(doc, &text, &len);
    }
    if (!text) {
        return vr_fail_nomem(err);
    }
    *ret = (char *)text; /* libxml2's memory is malloc's */
    return 0;
}

bool backup_xml_socket(const char *xml, char *ret, size_t cap)
{
    size_t len = strnlen(xml, JOB_XML_MAX + 1);
    _cleanup_(free_docp) xmlDoc *doc =
        len > JOB_XML_MAX
            ? NULL
            : xmlReadMemory(xml, (int)len, NULL, NULL,
                            XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    xmlNode *root = doc && !doc->intSubset ? xmlDocGetRootElement(doc) : NULL;
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
