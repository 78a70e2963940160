/* SPDX-License-Identifier: Apache-2.0 */
#include "cimxml_fake.h"

#include <libxml/parser.h>
#include <libxml/valid.h>

#include "cim/mof.h"
#include "cim/pull.h"

static struct cim_schema *schema, *other;

static void fill(struct cim_instance *i)
{
    cim_set(i, "CreationClassName", cim_str("Msvm_ComputerSystem"));
    cim_set(i, "Name", cim_str(VM_ID));
    cim_set(i, "ElementName", cim_str("a<b>&\"c\x01 \xff"));
    cim_set(i, "EnabledState", cim_uint(CIM_UINT16, 2));
    cim_instance_make_path(i, i->cls->schema->ns);
}

static void fill_service(struct cim_instance *i)
{
    cim_set(i, "SystemCreationClassName", cim_str("Msvm_ComputerSystem"));
    cim_set(i, "SystemName", cim_str("host"));
    cim_set(i, "CreationClassName", cim_str("Msvm_ReplicationService"));
    cim_set(i, "Name", cim_str("replicasvc"));
    cim_instance_make_path(i, CIM_NAMESPACE);
}

/* The one association: the service manages the VM. */
static void fill_link(struct cim_arena *a, struct cim_instance *i)
{
    struct cim_instance *vm = cim_instance_new(a, cim_schema_class(schema, "Msvm_ComputerSystem"));
    struct cim_instance *service =
        cim_instance_new(a, cim_schema_class(schema, "Msvm_ReplicationService"));
    fill(vm);
    fill_service(service);
    cim_set(i, "AffectedElement", cim_ref(&vm->path));
    cim_set(i, "AffectingElement", cim_ref(&service->path));
    cim_instance_make_path(i, CIM_NAMESPACE);
}

static void fake_get(struct cim_broker *b,
                     const struct cim_caller *who,
                     const struct cim_class *cls,
                     const struct cim_path *path,
                     struct cim_arena *a,
                     struct cim_instance **ret,
                     struct cim_status *st)
{
    const struct cim_value *name = cim_path_key(path, "name");
    bool is_service = strcmp(cls->name, "Msvm_ReplicationService") == 0;
    if (!name || strcmp(name->str, is_service ? "replicasvc" : VM_ID) != 0) {
        cim_fail(st, CIM_ERR_NOT_FOUND, "no such instance");
        return;
    }
    *ret = cim_instance_new(a, cls);
    if (is_service) {
        fill_service(*ret);
    } else {
        fill(*ret);
    }
    if (((struct fixture *)b)->arrays) {
        struct cim_value *items = cim_alloc(a, 2 * sizeof *items);
        items[0] = cim_uint(CIM_UINT16, 2);
        items[1] = cim_uint(CIM_UINT16, 32768);
        cim_set(
            *ret, "OperationalStatus",
            (struct cim_value){.type = CIM_UINT16, .is_array = true, .count = 2, .items = items});
    }
}

static void
fake_modify(struct cim_broker *b, const struct cim_modify *m, cim_modify_done done, void *ctx)
{
    struct fixture *f = (struct fixture *)b;
    struct cim_status st = {0};
    char num[32];
    f->changes[0] = '\0';
    for (uint32_t i = 0; i < m->nnames; i++) {
        const struct cim_value *v = cim_get(m->to, m->names[i]);
        size_t n = strlen(f->changes);
        snprintf(f->changes + n, sizeof f->changes - n, "%s=%s ", m->names[i],
                 v->is_null ? "NULL" : cim_value_text(v, num, sizeof num));
    }
    f->modified++;
    if (f->modify_code) {
        cim_fail(&st, f->modify_code, "not like this");
    }
    done(ctx, &st);
}

static void fake_enum(struct cim_broker *b,
                      const struct cim_caller *who,
                      const struct cim_class *cls,
                      cim_instance_cb cb,
                      void *ctx,
                      struct cim_status *st)
{
    struct cim_arena a;
    bool is_link = strcmp(cls->name, "Msvm_ServiceAffectsElement") == 0;
    bool is_service =
        ((struct fixture *)b)->lists_service && strcmp(cls->name, "Msvm_ReplicationService") == 0;
    if (!is_link && !is_service && strcmp(cls->name, "Msvm_ComputerSystem") != 0) {
        return;
    }
    cim_arena_init(&a, 1 << 20);
    struct cim_instance *i = cim_instance_new(&a, cls);
    if (is_link) {
        fill_link(&a, i);
    } else if (is_service) {
        fill_service(i);
    } else {
        fill(i);
    }
    unsigned copies = is_link || is_service ? 1 : ((struct fixture *)b)->copies;
    for (unsigned n = 0; n < (copies ? copies : 1) && cb(ctx, i); n++) {
    }
    cim_arena_deinit(&a);
}

void reply(cim_invoke_done done, void *ctx)
{
    static struct cim_invoke_result res;
    static struct cim_path job = {.ns = CIM_NAMESPACE, .class_name = "Msvm_ConcreteJob"};
    job.nkeys = 0;
    cim_path_add_key(&job, "InstanceID", cim_str("vmreplica:1"));
    res = (struct cim_invoke_result){.value = cim_uint(CIM_UINT32, 4096), .nout = 1};
    res.out[0] = (struct cim_param){.name = "Job", .value = cim_ref(&job)};
    done(ctx, &res);
}

static void
fake_invoke(struct cim_broker *b, const struct cim_invoke *call, cim_invoke_done done, void *ctx)
{
    struct fixture *f = (struct fixture *)b;
    f->invoked++;
    f->nparams = call->nparams;
    memcpy(f->params, call->params, sizeof f->params);
    snprintf(f->user, sizeof f->user, "%s", call->caller.user);
    const struct cim_param *cs = cim_invoke_param(call, "ComputerSystem");
    if (cs && !cs->value.is_null) {
        const struct cim_value *name = cim_path_key(cs->value.ref, "NAME");
        snprintf(f->ref_class, sizeof f->ref_class, "%s", cs->value.ref->class_name);
        snprintf(f->ref_name, sizeof f->ref_name, "%s", name ? name->str : "");
        f->ref_has_ns = cs->value.ref->ns != NULL;
    }
    const struct cim_param *t = cim_invoke_param(call, "StartTime");
    if (t && !t->value.is_null) {
        snprintf(f->text, sizeof f->text, "%s", t->value.str);
    }
    if (f->look) {
        f->look(f, call);
    }
    if (f->reason) {
        struct cim_invoke_result no = {.value = cim_uint(CIM_UINT32, 32773)};
        snprintf(no.reason, sizeof no.reason, "%s", f->reason);
        done(ctx, &no);
        return;
    }
    if (f->later) {
        f->done = done;
        f->done_ctx = ctx;
        return;
    }
    reply(done, ctx);
}

static const struct cim_broker_ops fake = {.name = "fake",
                                           .get_instance = fake_get,
                                           .enum_instances = fake_enum,
                                           .invoke = fake_invoke,
                                           .modify_instance = fake_modify};

/* With CIMXML_DTD in the environment, a file, every answer must be valid against it. */
static void validate(xmlDoc *doc, const char *text)
{
    static xmlDtd *dtd;
    const char *file = getenv("CIMXML_DTD");
    if (!file) {
        return;
    }
    dtd = dtd ? dtd : xmlParseDTD(NULL, (const xmlChar *)file);
    assert_non_null(dtd);
    xmlValidCtxt *v = xmlNewValidCtxt();
    if (xmlValidateDtd(v, doc, dtd) != 1) {
        fail_msg("not valid: %s", text);
    }
    xmlFreeValidCtxt(v);
}

static void on_answer(void *ctx, const struct cimxml_answer *a)
{
    struct fixture *f = ctx;
    f->answered++;
    f->http = a->http_status;
    free(f->body);
    f->body = a->body ? a->body : strdup("");
    assert_int_equal(strlen(f->body), a->len);
    f->cim_error[0] = f->reason_header[0] = '\0';
    for (size_t i = 0; i < a->nheaders; i++) {
        if (strcmp(a->headers[i].name, "CIMError") == 0) {
            snprintf(f->cim_error, sizeof f->cim_error, "%s", a->headers[i].value);
        }
        if (strcmp(a->headers[i].name, CIMXML_REASON_HEADER) == 0) {
            snprintf(f->reason_header, sizeof f->reason_header, "%s", a->headers[i].value);
        }
    }
    if (a->http_status == 200) { /* whatever we answer is well-formed */
        xmlDoc *d = xmlReadMemory(a->body, (int)a->len, NULL, NULL, XML_PARSE_NONET);
        assert_non_null(d);
        validate(d, f->body);
        xmlFreeDoc(d);
    }
}

static uint64_t now;

static uint64_t now_ms(void)
{
    return now;
}

void fixture_deinit(struct fixture *f)
{
    cim_pulls_free(f->pulls);
    free(f->body);
}

struct cim_broker *fixture_broker(struct fixture *f)
{
    f->broker = (struct cim_broker){.ops = &fake, .schema = schema, .server = "alpha"};
    now = f->now_ms;
    if (!f->pulls) {
        f->pulls = cim_pulls_new(now_ms);
        assert_non_null(f->pulls);
    }
    f->broker.pulls = f->no_pulls ? NULL : f->pulls;
    return &f->broker;
}

void send_raw(struct fixture *f, const struct cimxml_headers *h, const char *body, size_t len)
{
    struct cim_caller who = {.user = f->as_user ? f->as_user : "anna", .role = 2};
    unsigned before = f->answered;
    struct cim_broker *broker = fixture_broker(f);
    f->ref_class[0] = f->ref_name[0] = f->text[0] = '\0';
    f->nparams = 0;
    cimxml_handle(broker, &who, h, body, len, on_answer, f);
    assert_int_equal(f->answered, before + (f->later ? 0 : 1));
}

void post(struct fixture *f, const char *method, const char *object, const char *body)
{
    struct cimxml_headers h = {.cim_operation = "MethodCall",
                               .cim_method = method,
                               .cim_object = object,
                               .content_type = "application/xml; charset=\"utf-8\""};
    send_raw(f, &h, body, strlen(body));
}

void expect_http(struct fixture *f, int http, const char *cim_error)
{
    if (f->http != http || strcmp(f->cim_error, cim_error) != 0) {
        fail_msg("HTTP %d '%s', wanted %d '%s'; body %s", f->http, f->cim_error, http, cim_error,
                 f->body);
    }
}

void expect_part(struct fixture *f, const char *part)
{
    expect_http(f, 200, "");
    if (!strstr(f->body, part)) {
        fail_msg("no '%s' in %s", part, f->body);
    }
}

void expect_code(struct fixture *f, int code)
{
    char part[32];
    snprintf(part, sizeof part, "<ERROR CODE=\"%d\"", code);
    expect_part(f, part);
}

int load_schema(void **state)
{
    static char text[CIM_MOF_MAX_BYTES];
    FILE *file = fopen(SCHEMA_MOF, "re");
    size_t n = file ? fread(text, 1, sizeof text, file) : 0;
    if (file) {
        fclose(file);
    }
    if (cim_mof_parse(text, n, "schema", &schema, NULL) < 0) {
        return 1;
    }
    schema->ns = CIM_NAMESPACE;
    return !schema->first;
}

void add_namespace(const char *ns, const char *mof)
{
    struct vr_err err = VR_ERR_INIT;
    assert_null(other);
    CHECK_OK(cim_mof_parse(mof, strlen(mof), ns, &other, &err), &err);
    other->ns = ns;
    schema->next = other;
}

int free_schema(void **state)
{
    cim_schema_free(schema);
    cim_schema_free(other);
    xmlCleanupParser();
    return 0;
}
