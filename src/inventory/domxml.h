/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside inventory/ only: reading the XML of domains within limits. The text comes from libvirt or
 * a peer, and in it is what users wrote: it is bounded, and entities and the network are out of
 * reach.
 */
#pragma once
#include <libxml/parser.h>
#include <libxml/tree.h>

#include "util/cleanup.h"
#include "util/err.h"

static inline void domxml_free(xmlDoc *doc)
{
    xmlFreeDoc(doc);
}
DEFINE_CLEANUP(xmlDoc *, domxml_free)

/* root: the name of the element that it is to be. INVALID: no XML, one with a DTD, or another. */
VR_MUST_CHECK int
domxml_read(const char *xml, size_t len, const char *root, xmlDoc **ret, struct vr_err *err);
bool domxml_is(const xmlNode *n, const char *name);
/* Takes the element out, with all that is below it. */
static inline void domxml_drop(xmlNode *n)
{
    xmlUnlinkNode(n);
    xmlFreeNode(n);
}
/* The first such element below; NULL: none, or no parent. */
xmlNode *domxml_child(const xmlNode *parent, const char *name);
/* The only text of an element or attribute; NULL: it has none, or something else in it. */
const char *domxml_text(const xmlNode *first);
const char *domxml_attribute(const xmlNode *n, const char *name);
