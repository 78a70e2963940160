/* SPDX-License-Identifier: Apache-2.0 */
/* Two namespaces with a class of the same name in each: every call keeps to its own. */
#include "cim/broker.h"
#include "cim/mof.h"
#include "cim/wql.h"
#include "tests/lib/check.h"

#define QUALIFIERS                                                                                 \
    "Qualifier Key : boolean, Scope(property, reference);"                                         \
    "Qualifier Association : boolean, Scope(association);"
static const char mof_a[] = QUALIFIERS "class C { [Key] string Id; };"
                                       "class OnlyA : C { uint32 Run(); };";
static const char mof_b[] =
    QUALIFIERS "class C { [Key] string Id; };"
               "[Association] class Link { [Key] C REF From; [Key] C REF To; };";

struct world {
    struct cim_broker broker; /* first: the ops get it back */
    struct cim_schema *a, *b;
    struct cim_arena arena;
    struct cim_status st;
    char seen[64]; /* namespaces and classes of what was given */
};

static const struct cim_caller anna = {.user = "anna"};

static struct cim_instance *make(struct cim_arena *a, const struct cim_class *cls, const char *id)
{
    struct cim_instance *i = cim_instance_new(a, cls);
    cim_set(i, "Id", cim_str(id));
    cim_instance_make_path(i, cls->schema->ns);
    return i;
}

static void get_c(struct cim_broker *b,
                  const struct cim_caller *who,
                  const struct cim_class *cls,
                  const struct cim_path *path,
                  struct cim_arena *a,
                  struct cim_instance **ret,
                  struct cim_status *st)
{
    *ret = make(a, cls, cim_path_key(path, "Id")->str);
}

static void enum_c(struct cim_broker *b,
                   const struct cim_caller *who,
                   const struct cim_class *cls,
                   cim_instance_cb cb,
                   void *ctx,
                   struct cim_status *st)
{
    struct cim_arena *a = &((struct world *)b)->arena;
    if (strcmp(cls->name, "Link") != 0) {
        cb(ctx, make(a, cls, "1"));
        return;
    }
    const struct cim_class *c = cim_schema_class(cls->schema, "C");
    struct cim_instance *i = cim_instance_new(a, cls);
    cim_set(i, "From", cim_ref(&make(a, c, "1")->path));
    cim_set(i, "To", cim_ref(&make(a, c, "2")->path));
    cim_instance_make_path(i, cls->schema->ns);
    cb(ctx, i);
}

static const struct cim_broker_ops ops = {
    .name = "test", .get_instance = get_c, .enum_instances = enum_c};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    struct vr_err err = VR_ERR_INIT;
    CHECK_OK(cim_mof_parse(mof_a, sizeof mof_a - 1, "a.mof", &w->a, &err), &err);
    CHECK_OK(cim_mof_parse(mof_b, sizeof mof_b - 1, "b.mof", &w->b, &err), &err);
    w->a->ns = "root/a";
    w->b->ns = "root/b";
    w->a->next = w->b;
    w->broker = (struct cim_broker){.ops = &ops, .schema = w->a, .server = "host"};
    cim_arena_init(&w->arena, 1 << 20);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    cim_arena_deinit(&w->arena);
    cim_schema_free(w->a);
    cim_schema_free(w->b);
    free(w);
    return 0;
}

static bool see(void *ctx, const struct cim_instance *i)
{
    struct world *w = ctx;
    size_t n = strlen(w->seen);
    snprintf(w->seen + n, sizeof w->seen - n, "%s:%s ", i->path.ns, i->path.class_name);
    return true;
}

static void begin(struct world *w)
{
    w->seen[0] = '\0';
    w->st = (struct cim_status){0};
}

static void ended(struct world *w, int code, const char *seen)
{
    assert_int_equal(w->st.code, code);
    assert_string_equal(w->seen, seen);
}

static void enumerate(struct world *w, const char *ns, const char *cls)
{
    begin(w);
    cim_broker_enum_instances(&w->broker, &anna, ns, cls, see, w, &w->st);
}

static void test_enumerate(void **state)
{
    struct world *w = *state;
    enumerate(w, "root/a", "C");
    ended(w, CIM_OK, "root/a:C root/a:OnlyA ");
    enumerate(w, "\\ROOT\\B\\", "c");
    ended(w, CIM_OK, "root/b:C ");
    enumerate(w, "root/b", "OnlyA");
    ended(w, CIM_ERR_INVALID_CLASS, "");
    enumerate(w, "root/c", "C");
    ended(w, CIM_ERR_INVALID_NAMESPACE, "");
    assert_string_equal(w->st.text, "no namespace 'root/c' here, only root/a, root/b");
}

static void test_get_and_method(void **state)
{
    struct world *w = *state;
    const struct cim_class *cls = NULL;
    struct cim_instance *i = NULL;
    struct cim_path p = {.class_name = "C"};
    assert_true(cim_path_add_key(&p, "Id", cim_str("1")));
    begin(w);
    cim_broker_get_instance(&w->broker, &anna, "root/b", &p, &w->arena, &i, &w->st);
    ended(w, CIM_OK, "");
    assert_ptr_equal(i->cls, cim_schema_class(w->b, "C"));
    p.class_name = "OnlyA";
    assert_non_null(cim_broker_method(&w->broker, "root/a", &p, "Run", &cls, &w->st));
    assert_null(cim_broker_method(&w->broker, "root/b", &p, "Run", &cls, &w->st));
    ended(w, CIM_ERR_INVALID_CLASS, "");
}

static void test_related(void **state)
{
    struct world *w = *state;
    struct cim_related f = {.path = {.class_name = "C"}};
    assert_true(cim_path_add_key(&f.path, "Id", cim_str("1")));
    begin(w);
    cim_broker_related(&w->broker, &anna, "root/b", &f, true, see, w, &w->st);
    ended(w, CIM_OK, "root/b:C ");
    begin(w);
    cim_broker_related(&w->broker, &anna, "root/a", &f, true, see, w, &w->st);
    ended(w, CIM_OK, "");
    f.assoc_class = "Link";
    cim_broker_related(&w->broker, &anna, "root/a", &f, true, see, w, &w->st);
    ended(w, CIM_ERR_INVALID_PARAMETER, "");
}

static void query(struct world *w, const char *ns, const char *text)
{
    struct cim_wql q;
    begin(w);
    cim_broker_query(&w->broker, ns, "WQL", text, &w->arena, &q, &w->st);
    if (w->st.code == CIM_OK) {
        cim_broker_run_query(&w->broker, &anna, ns, &q, see, w, &w->st);
    }
}

static void test_query(void **state)
{
    struct world *w = *state;
    query(w, "root/b", "SELECT * FROM C WHERE __NAMESPACE = 'root\\\\b'");
    ended(w, CIM_OK, "root/b:C ");
    query(w, "root/a", "SELECT * FROM C WHERE __NAMESPACE = 'root\\\\b'");
    ended(w, CIM_OK, "");
    query(w, "root/b", "SELECT * FROM OnlyA");
    ended(w, CIM_ERR_INVALID_QUERY, "");
    query(w, "root/b", "ASSOCIATORS OF {root\\b:C.Id='1'}");
    ended(w, CIM_OK, "root/b:C ");
    query(w, "root/b", "ASSOCIATORS OF {root\\a:C.Id='1'}");
    ended(w, CIM_ERR_INVALID_QUERY, "");
    query(w, "root/c", "SELECT * FROM C");
    ended(w, CIM_ERR_INVALID_NAMESPACE, "");
}

#define S(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {S(test_enumerate), S(test_get_and_method), S(test_related),
                                       S(test_query)};
    return RUN(tests);
}
