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
#include "front/wsman/listing.h"
#include "util/num.h"

#define TAIL_BYTES 512 /* context, closing tags */

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

/* MaxTime: an answer never waits for objects, so it only has to be a duration. */
static bool read_max_time(struct wsman_call *c)
{
    const xmlNode *n = node_child(c->body, "MaxTime");
    const char *s = n ? node_token(&c->arena, n) : NULL;
    uint64_t us;
    if (n && (!s || !wsman_duration(s, &us))) {
        wsman_fail(c, WSF_SCHEMA_VALIDATION, NULL, "MaxTime is no duration, like PT30S");
        return false;
    }
    return true;
}

static bool read_bounds(struct wsman_call *c, struct bounds *ret)
{
    uint64_t items = 1, chars = UINT64_MAX;
    if (!read_number(c, "MaxElements", &items) || !read_number(c, "MaxCharacters", &chars) ||
        !read_max_time(c)) {
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
    if (l->classes) {
        put_wsman_class(b, i->cls, &l->class_form);
        return;
    }
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

/* Of classes there is one mode, and no filter. */
static void check_classes(struct wsman_call *c, const struct listing *l)
{
    if (l->mode != OBJECTS) {
        wsman_fail(c, WSF_UNSUPPORTED_FEATURE, "EnumerationMode",
                   "classes come as they are: EnumerateObject");
    }
    if (node_child(c->body, "Filter")) {
        wsman_fail(c, WSF_CANNOT_PROCESS_FILTER, NULL,
                   "classes are not filtered: the selector ClassName says which");
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

/* How long it stays open without being asked for. */
static void put_lease(struct vr_buf *b, const struct cim_pull *p, bool with_context)
{
    vr_buf_printf(b, "<n:Expires>PT%uS</n:Expires>", cim_pull_timeout_s(p));
    if (with_context) {
        vr_buf_printf(b, "<n:EnumerationContext>uuid:%s</n:EnumerationContext>", cim_pull_id(p));
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
    if (node_child(c->body, "Expires")) {
        put_lease(b, p, false);
    }
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

/* What is asked for goes into the enumeration. */
static void fill(struct wsman_call *c, const struct cim_schema *schema, struct filling *f)
{
    struct cim_status st = {0};
    struct listing *l = cim_alloc(cim_pull_arena(f->pull), sizeof *l);
    if (l) {
        l->names = c->names;
        l->class_name = c->target.class_name;
        l->classes = c->names.classes;
        l->class_form = c->class_form;
        f->listing = l;
        cim_pull_set_data(f->pull, l);
        read_mode(c, l);
        if (l->classes) {
            check_classes(c, l);
        }
        if (c->fault == WSF_NONE && l->classes) {
            wsman_list_classes(c, f->pull, schema);
        } else if (c->fault == WSF_NONE) {
            wsman_run_filter(c, l, f);
        }
        l->class_name = NULL; /* of the request, which goes */
    }
    if (c->fault == WSF_NONE && !cim_pull_filled(f->pull, &st)) {
        wsman_fail_cim(c, &st);
    }
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
    fill(c, schema, &f);
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

void wsman_renew(struct wsman_call *c, struct vr_buf *b)
{
    uint32_t seconds;
    struct cim_pull *p = find(c, "Renew");
    if (p && read_expires(c, &seconds)) {
        cim_pull_renew(c->broker->pulls, p, seconds);
        wsman_begin(c, b, NS_N "/RenewResponse", -1);
        vr_buf_text(b, "<n:RenewResponse>");
        put_lease(b, p, true);
        vr_buf_text(b, "</n:RenewResponse>");
    }
}

void wsman_get_status(struct wsman_call *c, struct vr_buf *b)
{
    struct cim_pull *p = find(c, "GetStatus");
    if (p) {
        wsman_begin(c, b, NS_N "/GetStatusResponse", -1);
        vr_buf_text(b, "<n:GetStatusResponse>");
        put_lease(b, p, false);
        vr_buf_text(b, "</n:GetStatusResponse>");
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
