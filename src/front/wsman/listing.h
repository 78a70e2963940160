/* SPDX-License-Identifier: Apache-2.0 */
/* What an enumeration lists: shared by enumerate.c, which answers, and filter.c, which fills it. */
#pragma once
#include "cim/pull.h"
#include "front/wsman/internal.h"

enum mode {
    OBJECTS,
    EPRS,
    OBJECTS_AND_EPRS
};

/* Of the enumeration; in its arena. */
struct listing {
    struct wsman_names names;
    enum mode mode;
    const char *const *list; /* of properties; nlist 0: all */
    uint32_t nlist;
    bool exact;   /* only objects of the class itself */
    bool classes; /* each object stands for its class */
    struct wsman_class_form class_form;
    const char *class_name;
    /* SelectorFilter */
    const struct cim_path *wanted;
};

struct filling {
    struct cim_pull *pull;
    const struct listing *listing;
};

/* All objects, or those of the body's Filter. The call may get a fault. */
void wsman_run_filter(struct wsman_call *c, struct listing *l, struct filling *f);
