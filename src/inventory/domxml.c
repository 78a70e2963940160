/* SPDX-License-Identifier: Apache-2.0 */
#include "inventory/domxml.h"

#include <string.h>

bool domxml_is(const xmlNode *n, const char *name)
{
    return n->type == XML_ELEMENT_NODE && strcmp((const char *)n->name, name) == 0;
}

xmlNode *domxml_child(const xmlNode *parent, const char *name)
{
    for (xmlNode *n = parent ? parent->children : NULL; n; n = n->next) {
        if (domxml_is(n, name)) {
            return n;
        }
    }
    return NULL;
}

const char *domxml_text(const xmlNode *first)
{
    return first && !first->next && first->type == XML_TEXT_NODE ? (const char *)first->content
                                                                 : NULL;
}

const char *domxml_attribute(const xmlNode *n, const char *name)
{
    for (const xmlAttr *a = n ? n->properties : NULL; a; a = a->next) {
        if (strcmp((const char *)a->name, name) == 0) {
            return domxml_text(a->children);
        }
    }
    return NULL;
}

int domxml_read(const char *xml, size_t len, const char *root, xmlDoc **ret, struct vr_err *err)
{
    _cleanup_(domxml_freep) xmlDoc *doc = xmlReadMemory(
        xml, (int)len, NULL, NULL,
        XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA);
    if (!doc) {
        return vr_fail(err, VR_E_INVALID, "the XML of a domain cannot be read");
    }
    if (doc->intSubset) {
        return vr_fail(err, VR_E_INVALID, "the XML of a domain has a DTD");
    }
    const xmlNode *is = xmlDocGetRootElement(doc);
    if (!is || !domxml_is(is, root)) {
        return vr_fail(err, VR_E_INVALID, "not the XML of a %s", root);
    }
    *ret = TAKE_PTR(doc);
    return 0;
}
