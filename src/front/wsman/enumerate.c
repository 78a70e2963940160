/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Enumerate, Pull, Release on the store of open enumerations that CIM-XML has, too (cim/pull.h):
 * bounded, of one user, expiring. What a client asked for stays with the enumeration; its Pulls
 * may name another class, and some name no namespace. Without MaxElements an answer has one
 * object: clients were seen that read no more.
 */
#include <string.h>
#include <strings.h>

#include "cim/pull.h"
#include "cim/wql.h"
#include "front/wsman/internal.h"
#include "util/num.h"

#define DIALECT_WQL "http://schemas.microsoft.com/wbem/wsman/1/WQL"
#define DIALECT_SELECTOR "http://schemas.dmtf.org/wbem/wsman/1/wsman/SelectorFilter"
#define DIALECT_ASSOCIATION "http://schemas.dmtf.org/wbem/wsman/1/cimbinding/associationFilter"
#define TAIL_BYTES 512 /* context, closing tags */

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
    bool exact; /* only objects of the class itself */
    const char *class_name;
    /* SelectorFilter */
    const struct cim_path *wanted;
};

struct filling {
    struct cim_pull *pull;
    const struct listing *listing;
};

/* --- how much --- */

struct bounds {
    uint32_t items;
    size_t bytes; /* of the answer */
};

static bool read_number(struct wsman_call *c, const char *name, uint64_t *ret)
{
    const xmlNode *n = node_child(c->body, name);
    const char *s = n ? node_token(&c->arena, n) : NULL;
    if (n && (!s || !vr_parse_u64(s, 1, UINT64_MAX, ret))) {
        wsman_fail(c, WSF_SCHEMA_VALIDATION, NULL, "%s is no number from 1 on", name);
        return false;
    }
    return true;
}

static bool read_bounds(struct wsman_call *c, struct bounds *ret)
{
    uint64_t items = 1, chars = UINT64_MAX;
    if (!read_number(c, "MaxElements", &items) || !read_number(c, "MaxCharacters", &chars)) {
        return false;
    }
    ret->items = (uint32_t)VR_MIN(items, (uint64_t)WSMAN_ITEMS_MAX);
    ret->bytes = (size_t)VR_MIN(chars, (uint64_t)c->max_envelope);
    return true;
}

/* --- objects --- */

static void put_eprs(struct vr_buf *b, const struct listing *l, const struct cim_instance *i)
{
    vr_buf_text(b, "<a:EndpointReference>");
    put_epr(b, &l->names, &i->path);
    vr_buf_text(b, "</a:EndpointReference>");
}

static void put_item(struct vr_buf *b,
                     const struct listing *l,
                     struct wsman_form *form,
                     const struct cim_instance *i)
{
    if (l->mode == OBJECTS_AND_EPRS) {
        vr_buf_text(b, "<w:Item>");
    }
    if (l->mode != EPRS) {
        put_wsman_instance(b, &l->names, form, i);
    }
    if (l->mode != OBJECTS) {
        put_eprs(b, l, i);
    }
    if (l->mode == OBJECTS_AND_EPRS) {
        vr_buf_text(b, "</w:Item>");
    }
}

/* As many as there is room for. False: not even the first one fits, and a fault says so. */
static bool put_items(struct wsman_call *c,
                      struct vr_buf *b,
                      size_t used, /* of the answer, by what stands before */
                      struct cim_pull *p,
                      const struct bounds *bounds)
{
    const struct listing *l = cim_pull_data(p);
    struct wsman_form form = {.list = l->list, .nlist = l->nlist};
    const struct cim_instance *i;
    size_t room = c->max_envelope > used + TAIL_BYTES ? c->max_envelope - used - TAIL_BYTES : 0;
    size_t max = VR_MIN(bounds->bytes, room);
    uint32_t n = 0;
    for (; n < bounds->items && (i = cim_pull_peek(p)); n++) {
        size_t before = b->len;
        put_item(b, l, &form, i);
        if (b->failed || b->len > max) {
            b->len = before;
            break;
        }
        (void)cim_pull_next(p);
    }
    wsman_form_deinit(&form);
    if (b->failed || (n == 0 && cim_pull_left(p))) {
        wsman_fail(c, WSF_ENCODING_LIMIT, "MaxEnvelopeSize",
                   "one object is larger than the answer may be");
        return false;
    }
    return true;
}

static void put_context(struct vr_buf *b, const struct cim_pull *p)
{
    if (cim_pull_left(p)) {
        vr_buf_printf(b, "<n:EnumerationContext>uuid:%s</n:EnumerationContext>", cim_pull_id(p));
    } else {
        vr_buf_text(b, "<n:EnumerationContext/>");
    }
}

/* --- Enumerate --- */

static bool fill(void *ctx, const struct cim_instance *i)
{
    const struct filling *f = ctx;
    const struct listing *l = f->listing;
    if (l->exact && strcasecmp(i->cls->name, l->class_name) != 0) {
        return true;
    }
    for (uint32_t k = 0; l->wanted && k < l->wanted->nkeys; k++) {
        char num[32];
        const struct cim_value *v = cim_get(i, l->wanted->keys[k].name);
        bool scalar =
            v && !v->is_null && !v->is_array && v->type != CIM_REFERENCE && v->type != CIM_INSTANCE;
        if (!scalar ||
            strcasecmp(cim_value_text(v, num, sizeof num), l->wanted->keys[k].value.str) != 0) {
            return true;
        }
    }
    return cim_pull_add(f->pull, i);
}

static void read_mode(struct wsman_call *c, struct listing *l)
{
    static const char *const modes[] = {[OBJECTS] = "EnumerateObject",
                                        [EPRS] = "EnumerateEPR",
                                        [OBJECTS_AND_EPRS] = "EnumerateObjectAndEPR"};
    static const char *const poly[] = {"None", "IncludeSubClassProperties",
                                       "ExcludeSubClassProperties"};
    const xmlNode *n = node_child(c->body, "EnumerationMode");
    const xmlNode *p = node_child(c->body, "PolymorphismMode");
    const char *mode = n ? node_token(&c->arena, n) : modes[OBJECTS];
    const char *how = p ? node_token(&c->arena, p) : poly[1];
    size_t i = 0;
    while (mode && i < VR_COUNT(modes) && strcmp(mode, modes[i]) != 0) {
        i++;
    }
    l->mode = (enum mode)i;
    bool none = how && strcmp(how, poly[0]) == 0;
    l->exact = none && strcmp(l->class_name, "*") != 0;
    if (!mode || i == VR_COUNT(modes)) {
        wsman_fail(c, WSF_UNSUPPORTED_FEATURE, "EnumerationMode",
                   "EnumerationMode is EnumerateObject, EnumerateEPR or EnumerateObjectAndEPR");
    }
    if (!how || (!none && strcmp(how, poly[1]) != 0)) {
        wsman_fail(c, WSF_UNSUPPORTED_FEATURE, "PolymorphismModeNotSupported",
                   "PolymorphismMode is None or IncludeSubClassProperties");
    }
}

static bool read_expires(struct wsman_call *c, uint32_t *ret_s)
{
    const xmlNode *n = node_child(c->body, "Expires");
    const char *s = n ? node_token(&c->arena, n) : NULL;
    uint64_t us;
    *ret_s = CIM_PULL_TIMEOUT_S;
    if (!n) {
        return true;
    }
    if (!s || !wsman_duration(s, &us)) {
        wsman_fail(c, WSF_EXPIRATION_TYPE, NULL, "Expires must be a duration");
        return false;
    }
    if (us == 0) {
        wsman_fail(c, WSF_EXPIRATION_TIME, NULL, "Expires is over already");
        return false;
    }
    *ret_s = (uint32_t)VR_MIN(vr_div_up(us, 1000000), (uint64_t)CIM_PULL_TIMEOUT_MAX_S);
    return true;
}

/* Its objects go into the enumeration; the query itself goes with the request. */
static void run_wql(struct wsman_call *c,
                    const char *text,
                    struct listing *l,
                    struct filling *f,
                    struct cim_status *st)
{
    struct cim_wql q;
    cim_broker_query(c->broker, c->names.ns, "WQL", text, &c->arena, &q, st);
    if (st->code != CIM_OK) {
        return;
    }
    struct cim_arena *a = cim_pull_arena(f->pull);
    const char **list = q.nprops ? cim_alloc(a, q.nprops * sizeof *list) : NULL;
    for (uint32_t i = 0; list && i < q.nprops; i++) {
        list[i] = cim_strdup(a, q.props[i].text);
    }
    l->list = list;
    l->nlist = list ? q.nprops : 0;
    cim_broker_run_query(c->broker, &c->caller, c->names.ns, &q, fill, f, st);
}

static const char *token_of(struct wsman_call *c, const xmlNode *n, const char *name)
{
    const char *s = node_token(&c->arena, node_child(n, name));
    return s && *s ? s : NULL;
}

static void
run_related(struct wsman_call *c, const xmlNode *filter, struct filling *f, struct cim_status *st)
{
    const xmlNode *n = node_only(filter);
    bool associators = node_is(n, "AssociatedInstances");
    if (!associators && !node_is(n, "AssociationInstances")) {
        wsman_fail(c, WSF_CANNOT_PROCESS_FILTER, NULL,
                   "the filter is neither AssociatedInstances nor AssociationInstances");
        return;
    }
    const xmlNode *object = node_child(n, "Object");
    struct cim_related rel = {.result_class = token_of(c, n, "ResultClassName"),
                              .role = token_of(c, n, "Role")};
    if (associators) {
        rel.assoc_class = token_of(c, n, "AssociationClassName");
        rel.result_role = token_of(c, n, "ResultRole");
    }
    if (!object || !wsman_read_epr(&c->arena, object, 0, &rel.path)) {
        wsman_fail(c, WSF_CANNOT_PROCESS_FILTER, NULL,
                   "the filter's Object is no endpoint reference");
        return;
    }
    cim_broker_related(c->broker, &c->caller, c->names.ns, &rel, associators, fill, f, st);
}

static void
run_selectors(struct wsman_call *c, const xmlNode *filter, struct listing *l, struct filling *f)
{
    const xmlNode *set = node_child(filter, "SelectorSet");
    struct cim_path *wanted = cim_alloc(&c->arena, sizeof *wanted);
    const char *ns = NULL;
    const char *wrong =
        set && wanted ? wsman_read_selectors(&c->arena, set, 0, wanted, &ns) : "no SelectorSet";
    const struct cim_class *cls = wrong ? NULL : wsman_class(c);
    for (uint32_t i = 0; cls && i < wanted->nkeys; i++) {
        if (cim_class_prop(cls, wanted->keys[i].name) < 0 ||
            wanted->keys[i].value.type != CIM_STRING) {
            wrong = "a selector names no property of the class";
        }
    }
    if (wrong) {
        wsman_fail(c, WSF_CANNOT_PROCESS_FILTER, NULL, "%s", wrong);
    } else if (cls) {
        struct cim_status st = {0};
        l->wanted = wanted;
        cim_broker_enum_instances(c->broker, &c->caller, c->names.ns, cls->name, fill, f, &st);
        l->wanted = NULL;
        if (st.code != CIM_OK) {
            wsman_fail_cim(c, &st);
        }
    }
}

/* Fills the enumeration. A class and a query that names one are too much, as on Windows. */
static void run_filter(struct wsman_call *c, struct listing *l, struct filling *f)
{
    struct cim_status st = {0};
    const xmlNode *filter = node_child(c->body, "Filter");
    const char *dialect = filter ? node_attr(&c->arena, filter, "Dialect") : NULL;
    bool any = strcmp(c->target.class_name, "*") == 0;
    if (!filter && any) {
        wsman_fail(c, WSF_CANNOT_PROCESS_FILTER, NULL,
                   "a resource URI of all classes wants a filter");
    } else if (!filter) {
        cim_broker_enum_instances(c->broker, &c->caller, c->names.ns, c->target.class_name, fill, f,
                                  &st);
    } else if (dialect && strcasecmp(dialect, DIALECT_WQL) == 0) {
        const char *text = node_token(&c->arena, filter);
        if (!any || !text) {
            wsman_fail(c, WSF_CANNOT_PROCESS_FILTER, NULL,
                       "a query in WQL wants a resource URI that ends with /*");
        } else {
            run_wql(c, text, l, f, &st);
        }
    } else if (dialect && strcasecmp(dialect, DIALECT_ASSOCIATION) == 0) {
        run_related(c, filter, f, &st);
    } else if (dialect && strcasecmp(dialect, DIALECT_SELECTOR) == 0 && !any) {
        run_selectors(c, filter, l, f);
    } else {
        wsman_fail(c, WSF_FILTER_DIALECT, NULL,
                   "filters are in WQL, SelectorFilter or "
                   "associationFilter");
    }
    if (st.code != CIM_OK) {
        wsman_fail_cim(c, &st);
    }
}

/* The answer to Enumerate, of an enumeration that is filled. */
static void answer_open(struct wsman_call *c, struct vr_buf *b, struct cim_pull *p)
{
    bool optimised = node_child(c->body, "OptimizeEnumeration") != NULL;
    struct bounds bounds;
    struct vr_buf items;
    if (!read_bounds(c, &bounds)) {
        return;
    }
    wsman_begin(c, b, NS_N "/EnumerateResponse", c->want_total ? (int64_t)cim_pull_left(p) : -1);
    vr_buf_text(b, "<n:EnumerateResponse>");
    if (!optimised) {
        /* an enumeration of nothing is open, too, until its first Pull */
        vr_buf_printf(b, "<n:EnumerationContext>uuid:%s</n:EnumerationContext>", cim_pull_id(p));
    } else {
        vr_buf_init_spare(&items, WSMAN_BUFFER_MAX);
        if (put_items(c, &items, b->len, p, &bounds)) {
            put_context(b, p);
            vr_buf_text(b, "<w:Items>");
            vr_buf_bytes(b, items.data, items.len);
            vr_buf_text(b, cim_pull_left(p) ? "</w:Items>" : "</w:Items><w:EndOfSequence/>");
        }
        vr_buf_deinit(&items);
    }
    vr_buf_text(b, "</n:EnumerateResponse>");
}

void wsman_enumerate(struct wsman_call *c, struct vr_buf *b)
{
    struct cim_status st = {0};
    struct filling f = {0};
    uint32_t seconds;
    const struct cim_schema *schema = cim_broker_schema(c->broker, c->names.ns, &st);
    if (!schema || !c->broker->pulls || !node_is(c->body, "Enumerate")) {
        if (schema && c->broker->pulls) {
            wsman_fail(c, WSF_SCHEMA_VALIDATION, NULL, "the body is no Enumerate");
        } else if (schema) {
            cim_fail(&st, CIM_ERR_NOT_SUPPORTED, "enumerations are not supported");
        }
        wsman_fail_cim(c, &st);
        return;
    }
    c->names.ns = schema->ns;
    if (!read_expires(c, &seconds)) {
        return;
    }
    f.pull = cim_pull_open(c->broker->pulls, &c->caller, schema->ns, CIM_PULL_WSMAN, &seconds, &st);
    if (!f.pull) {
        wsman_fail_cim(c, &st);
        return;
    }
    struct listing *l = cim_alloc(cim_pull_arena(f.pull), sizeof *l);
    if (l) {
        l->names = c->names;
        l->class_name = c->target.class_name;
        f.listing = l;
        cim_pull_set_data(f.pull, l);
        read_mode(c, l);
        if (c->fault == WSF_NONE) {
            run_filter(c, l, &f);
        }
        l->class_name = NULL; /* of the request, which goes */
    }
    if (c->fault == WSF_NONE && !cim_pull_filled(f.pull, &st)) {
        wsman_fail_cim(c, &st);
    }
    if (c->fault == WSF_NONE) {
        answer_open(c, b, f.pull);
    }
    bool open = c->fault == WSF_NONE &&
                (cim_pull_left(f.pull) || !node_child(c->body, "OptimizeEnumeration"));
    if (!open) {
        cim_pull_close(c->broker->pulls, f.pull);
    }
}

/* --- what is open --- */

static struct cim_pull *find(struct wsman_call *c, const char *what)
{
    struct cim_status st = {0};
    const char *id = node_token(&c->arena, node_child(c->body, "EnumerationContext"));
    if (!node_is(c->body, what) || !id) {
        wsman_fail(c, WSF_SCHEMA_VALIDATION, NULL, "the body is no %s with an EnumerationContext",
                   what);
        return NULL;
    }
    id += strncasecmp(id, "uuid:", 5) == 0 ? 5 : 0;
    if (!c->broker->pulls) {
        wsman_fail(c, WSF_INVALID_CONTEXT, NULL, "enumerations are not supported");
        return NULL;
    }
    struct cim_pull *p = cim_pull_find(c->broker->pulls, &c->caller, NULL, id, CIM_PULL_WSMAN, &st);
    if (!p) {
        wsman_fail_cim(c, &st);
    }
    return p;
}

void wsman_pull(struct wsman_call *c, struct vr_buf *b)
{
    struct bounds bounds;
    struct vr_buf items;
    struct cim_pull *p = find(c, "Pull");
    if (!p || !read_bounds(c, &bounds)) {
        return;
    }
    wsman_begin(c, b, NS_N "/PullResponse", c->want_total ? (int64_t)cim_pull_left(p) : -1);
    vr_buf_text(b, "<n:PullResponse>");
    vr_buf_init_spare(&items, WSMAN_BUFFER_MAX);
    bool ok = put_items(c, &items, b->len, p, &bounds);
    bool more = cim_pull_left(p) > 0;
    if (ok) {
        if (more) {
            put_context(b, p);
        }
        vr_buf_text(b, "<n:Items>");
        vr_buf_bytes(b, items.data, items.len);
        vr_buf_text(b, more ? "</n:Items>" : "</n:Items><n:EndOfSequence/>");
    }
    vr_buf_text(b, "</n:PullResponse>");
    vr_buf_deinit(&items);
    if (!more) {
        cim_pull_close(c->broker->pulls, p);
    }
}

void wsman_release(struct wsman_call *c, struct vr_buf *b)
{
    struct cim_pull *p = find(c, "Release");
    if (p) {
        cim_pull_close(c->broker->pulls, p);
        wsman_begin(c, b, NS_N "/ReleaseResponse", -1);
    }
}
