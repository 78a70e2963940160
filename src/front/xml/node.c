/* SPDX-License-Identifier: Apache-2.0 */
#include <libxml/parser.h>
#include <string.h>

#include "front/xml/xml.h"

bool node_is(const xmlNode *n, const char *name)
{
    return n && n->type == XML_ELEMENT_NODE && strcmp((const char *)n->name, name) == 0;
}

static xmlNode *element_from(xmlNode *n)
{
    while (n && n->type != XML_ELEMENT_NODE) {
        n = n->next;
    }
    return n;
}

xmlNode *node_first(const xmlNode *n)
{
    return element_from(n->children);
}

xmlNode *node_next(const xmlNode *n)
{
    return element_from(n->next);
}

xmlNode *node_only(const xmlNode *n)
{
    xmlNode *first = node_first(n);
    return first && !node_next(first) ? first : NULL;
}

static const char *adopt(struct cim_arena *a, xmlChar *s)
{
    const char *copy = cim_strdup(a, (const char *)s);
    xmlFree(s);
    return copy;
}

const char *node_attr(struct cim_arena *a, const xmlNode *n, const char *name)
{
    return adopt(a, xmlGetNoNsProp(n, (const xmlChar *)name));
}

const char *node_text(struct cim_arena *a, const xmlNode *n)
{
    if (node_first(n)) {
        return NULL;
    }
    xmlChar *s = xmlNodeGetContent(n);
    if (!s) {
        return "";
    }
    return adopt(a, s);
}

int xml_read(const char *p, size_t n, xmlDoc **ret, struct vr_err *err)
{
    int r = xml_scan(&p, &n, err);
    if (r < 0) {
        return r;
    }
    int options = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA;
    xmlDoc *doc = xmlReadMemory(p, (int)n, NULL, "UTF-8", options);
    if (!doc || !xmlDocGetRootElement(doc)) {
        xmlFreeDoc(doc);
        return vr_fail(err, VR_E_INVALID, "XML: not well-formed");
    }
    *ret = doc;
    return 0;
}
