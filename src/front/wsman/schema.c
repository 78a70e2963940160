/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Classes as such: Get and Enumerate of the resource URI .../cim-xml/2/cim-schema/2/CLASS, or with
 * a star and the selector ClassName, as Get-CimClass asks. What comes back is the CLASS of CIM-XML.
 */
#include <string.h>
#include <strings.h>

#include "cim/pull.h"
#include "front/cimxml/internal.h"
#include "front/wsman/internal.h"

void put_wsman_class(struct vr_buf *b,
                     const struct cim_class *cls,
                     const struct wsman_class_form *f)
{
    const struct cimxml_options o = {
        .qualifiers = !f->no_qualifiers, .local_only = f->local_only, .origin = f->origin};
    put_class(b, cls, &o);
}

/* The name that the URI or a selector says; NULL: none, or the call has a fault. */
static const char *wanted(struct wsman_call *c)
{
    const char *name = strcmp(c->target.class_name, "*") != 0 ? c->target.class_name : NULL;
    for (uint32_t i = 0; i < c->target.nkeys; i++) {
        const struct cim_key *k = &c->target.keys[i];
        if (strcasecmp(k->name, "ClassName") != 0 || k->value.type != CIM_STRING) {
            wsman_fail(c, WSF_INVALID_SELECTORS, "UnexpectedSelectors",
                       "the selectors of classes are ClassName and __cimnamespace");
            return NULL;
        }
        if (name && strcasecmp(name, k->value.str) != 0) {
            wsman_fail(c, WSF_INVALID_SELECTORS, "UnexpectedSelectors",
                       "ClassName and the resource URI name different classes");
            return NULL;
        }
        name = k->value.str;
    }
    return name;
}

static const struct cim_class *find(struct wsman_call *c, const char *name)
{
    struct cim_status st = {0};
    const struct cim_class *cls =
        cim_broker_class(c->broker, c->names.ns, name, CIM_ERR_NOT_FOUND, &st);
    if (!cls) {
        wsman_fail_cim(c, &st);
    }
    return cls;
}

void wsman_get_class(struct wsman_call *c, struct vr_buf *b)
{
    const char *name = wanted(c);
    if (!name) {
        wsman_fail(c, WSF_INVALID_SELECTORS, "InsufficientSelectors",
                   "the selector ClassName is missing");
        return;
    }
    const struct cim_class *cls = find(c, name);
    if (cls) {
        wsman_begin(c, b, NS_X "/GetResponse", -1);
        put_wsman_class(b, cls, &c->class_form);
    }
}

void wsman_list_classes(struct wsman_call *c,
                        struct cim_pull *pull,
                        const struct cim_schema *schema)
{
    struct cim_arena a;
    const char *name = wanted(c);
    if (c->fault != WSF_NONE || (name && !find(c, name))) {
        return;
    }
    cim_arena_init(&a, CIM_INSTANCE_MAX_BYTES);
    for (const struct cim_class *cls = schema->first; cls; cls = cls->next) {
        if (name && !cim_class_is_a(cls, name)) {
            continue;
        }
        /* an enumeration holds instances: one without values stands for its class */
        const struct cim_instance *i = cim_instance_new(&a, cls);
        if (!i || !cim_pull_add(pull, i)) {
            break;
        }
        cim_arena_reset(&a);
    }
    if (cim_arena_failed(&a)) {
        wsman_fail(c, WSF_QUOTA_LIMIT, NULL, "the request needs too much memory");
    }
    cim_arena_deinit(&a);
}
