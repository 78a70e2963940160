/* SPDX-License-Identifier: Apache-2.0 */
/*
 * XML for the front-ends that speak it: a document from outside is measured before libxml2 sees it
 * (scan.c), read as nodes (node.c), and written as text (text.c). No network, no entities, no DTD.
 */
#pragma once
#include <libxml/tree.h>

#include "cim/arena.h"
#include "front/xml/limits.h"
#include "util/buf.h"

/* --- in --- */

/* Length of the UTF-8 character at p that XML 1.0 allows, 0 when there is none. */
size_t xml_char_len(const unsigned char *p, const unsigned char *end);

/*
 * Counts before anything is built. LIMIT (size, depth, attributes, elements), INVALID (not UTF-8, a
 * foreign encoding declared, a DOCTYPE or other declaration, unbalanced). *p and *n lose a byte
 * order mark.
 */
VR_MUST_CHECK int xml_scan(const char **p, size_t *n, struct vr_err *err);

/* A text that is one XML document of our limits; free with xmlFreeDoc. */
VR_MUST_CHECK int xml_read(const char *p, size_t n, xmlDoc **ret, struct vr_err *err);

bool node_is(const xmlNode *n, const char *name);
xmlNode *node_first(const xmlNode *n); /* first child element */
xmlNode *node_next(const xmlNode *n);  /* next sibling element */
/* The only child element, or NULL. */
xmlNode *node_only(const xmlNode *n);
/* NULL: no such attribute. */
const char *node_attr(struct cim_arena *a, const xmlNode *n, const char *name);
/* NULL: it has elements inside. */
const char *node_text(struct cim_arena *a, const xmlNode *n);

/* --- out: what XML 1.0 cannot carry is written as U+FFFD --- */

void put_escaped(struct vr_buf *b, const char *s);
void put_open(struct vr_buf *b, const char *tag); /* without '>', for attributes to follow */
void put_close(struct vr_buf *b, const char *tag);
void put_attr(struct vr_buf *b, const char *name, const char *value); /* ' name="value"' */
