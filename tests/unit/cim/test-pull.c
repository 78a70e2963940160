/* SPDX-License-Identifier: Apache-2.0 */
/* Open enumerations: whose they are, how long they live, how many and how large they may be. */
#include "cim/mof.h"
#include "cim/pull.h"
#include "tests/lib/check.h"

static uint64_t now;

static uint64_t now_ms(void)
{
    return now;
}

static const char mof[] = "Qualifier Key : boolean, Scope(property);"
                          "class C { [Key] string Id; string Text; C REF Peer; string L[]; };";
static const struct cim_caller anna = {.user = "anna"}, bob = {.user = "bob"};

struct world {
    struct cim_schema *schema;
    struct cim_pulls *pulls;
    struct cim_arena arena;
    struct cim_status st;
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    struct vr_err err = VR_ERR_INIT;
    now = 5000;
    CHECK_OK(cim_mof_parse(mof, sizeof mof - 1, "t.mof", &w->schema, &err), &err);
    w->pulls = cim_pulls_new(now_ms);
    cim_arena_init(&w->arena, 64 << 20);
    assert_non_null(w->pulls);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    cim_arena_deinit(&w->arena);
    cim_pulls_free(w->pulls);
    cim_schema_free(w->schema);
    free(w);
    return 0;
}

static struct cim_instance *make(struct world *w, const char *id, const char *text)
{
    struct cim_instance *i = cim_instance_new(&w->arena, cim_schema_class(w->schema, "C"));
    cim_set(i, "Id", cim_str(cim_strdup(&w->arena, id)));
    cim_set(i, "Text", cim_str(text));
    cim_set(i, "L", cim_array1(&w->arena, cim_str("x")));
    cim_instance_make_path(i, "ns");
    cim_set(i, "Peer", cim_ref(&i->path));
    return i;
}

static struct cim_pull *open_one(struct world *w, const struct cim_caller *who)
{
    w->st.code = 0;
    return cim_pull_open(w->pulls, who, "root/x", CIM_PULL_WITH_PATH, NULL, &w->st);
}

static bool is_there(struct world *w, const struct cim_caller *who, const char *id, int kind)
{
    w->st.code = 0;
    struct cim_pull *p = cim_pull_find(w->pulls, who, "root/x", id, kind, &w->st);
    assert_int_equal(w->st.code, p ? 0 : CIM_ERR_INVALID_ENUMERATION_CONTEXT);
    return p != NULL;
}

/* What was added stays as it was, in order, when the original is gone. */
static void test_snapshot(void **state)
{
    struct world *w = *state;
    struct cim_pull *p = open_one(w, &anna);
    assert_true(cim_pull_add(p, make(w, "1", "one")) && cim_pull_add(p, make(w, "2", NULL)));
    assert_true(cim_pull_filled(p, &w->st));
    cim_arena_reset(&w->arena);
    assert_int_equal(cim_pull_left(p), 2);
    const struct cim_instance *first = cim_pull_peek(p);
    assert_int_equal(cim_pull_left(p), 2);
    const struct cim_instance *i = cim_pull_next(p);
    assert_ptr_equal(i, first);
    assert_string_equal(cim_get(i, "Text")->str, "one");
    assert_string_equal(cim_path_key(&i->path, "Id")->str, "1");
    assert_string_equal(cim_path_key(cim_get(i, "Peer")->ref, "Id")->str, "1");
    assert_string_equal(cim_get(i, "L")->items[0].str, "x");
    i = cim_pull_next(p);
    assert_true(cim_get(i, "Text")->is_null);
    assert_int_equal(cim_pull_left(p), 0);
    assert_null(cim_pull_peek(p));
    assert_null(cim_pull_next(p));
}

static void test_paths_only(void **state)
{
    struct world *w = *state;
    struct cim_pull *p = cim_pull_open(w->pulls, &anna, "root/x", CIM_PULL_PATHS, NULL, &w->st);
    assert_true(cim_pull_add(p, make(w, "1", "one")));
    const struct cim_instance *i = cim_pull_next(p);
    assert_null(i->values);
    assert_string_equal(cim_path_key(&i->path, "Id")->str, "1");
}

static void test_owner_and_kind(void **state)
{
    struct world *w = *state;
    const char *id = cim_pull_id(open_one(w, &anna));
    assert_true(is_there(w, &anna, id, CIM_PULL_WITH_PATH) && is_there(w, &anna, id, -1));
    assert_false(is_there(w, &bob, id, -1));
    assert_false(is_there(w, &anna, id, CIM_PULL_PATHS));
    assert_false(is_there(w, &anna, "", -1));
    assert_null(cim_pull_find(w->pulls, &anna, "root/y", id, -1, &w->st));
    assert_non_null(cim_pull_find(w->pulls, &anna, NULL, id, -1, &w->st));
    struct cim_pull *p = cim_pull_find(w->pulls, &anna, "Root\\X", id, -1, &w->st);
    char copy[64];
    snprintf(copy, sizeof copy, "%s", id);
    cim_pull_close(w->pulls, p);
    assert_false(is_there(w, &anna, copy, -1));
}

/* Each call gives it its whole time again. */
static void test_expiry(void **state)
{
    struct world *w = *state;
    uint32_t seconds = 10;
    char id[64];
    struct cim_pull *p =
        cim_pull_open(w->pulls, &anna, "root/x", CIM_PULL_WITH_PATH, &seconds, &w->st);
    snprintf(id, sizeof id, "%s", cim_pull_id(p));
    now += 9999;
    assert_true(is_there(w, &anna, id, -1));
    now += 9999;
    assert_true(is_there(w, &anna, id, -1));
    now += 10000;
    assert_false(is_there(w, &anna, id, -1));
    static const uint32_t bad[] = {0, CIM_PULL_TIMEOUT_MAX_S + 1};
    for (int i = 0; i < 2; i++) {
        assert_null(cim_pull_open(w->pulls, &anna, "root/x", CIM_PULL_PATHS, &bad[i], &w->st));
        assert_int_equal(w->st.code, CIM_ERR_INVALID_OPERATION_TIMEOUT);
    }
}

static void test_numbers(void **state)
{
    struct world *w = *state;
    struct cim_pull *last = NULL;
    for (int i = 0; i < CIM_PULLS_USER_MAX; i++) {
        last = open_one(w, &anna);
        assert_non_null(last);
    }
    assert_null(open_one(w, &anna));
    assert_int_equal(w->st.code, CIM_ERR_SERVER_LIMITS_EXCEEDED);
    assert_non_null(open_one(w, &bob));
    cim_pull_close(w->pulls, last);
    assert_non_null(open_one(w, &anna));
    for (int i = CIM_PULLS_USER_MAX + 1; i < CIM_PULLS_MAX; i++) {
        char name[16];
        snprintf(name, sizeof name, "u%d", i);
        struct cim_caller who = {.user = name};
        assert_non_null(open_one(w, &who));
    }
    struct cim_caller one_more = {.user = "late"};
    assert_null(open_one(w, &one_more));
    now += CIM_PULL_TIMEOUT_S * 1000; /* who leaves them makes room */
    assert_non_null(open_one(w, &one_more));
}

/* One that is too large is refused; so is one more when all together are. */
static void test_memory(void **state)
{
    struct world *w = *state;
    char *text = cim_alloc(&w->arena, 4 << 20);
    memset(text, 'x', (4 << 20) - 1);
    struct cim_instance *large = make(w, "1", text);
    for (int k = 0; k < CIM_PULLS_MAX_BYTES / CIM_PULL_MAX_BYTES; k++) {
        struct cim_pull *p = open_one(w, &anna);
        assert_non_null(p);
        for (int i = 0; i < 7; i++) {
            assert_true(cim_pull_add(p, large));
        }
        assert_true(cim_pull_filled(p, &w->st));
    }
    struct cim_pull *p = open_one(w, &anna);
    while (cim_pull_add(p, large)) {
    }
    assert_true(cim_pull_left(p) <= CIM_PULLS_MAX_BYTES / (4 << 20) / 8);
    assert_false(cim_pull_filled(p, &w->st));
    assert_int_equal(w->st.code, CIM_ERR_SERVER_LIMITS_EXCEEDED);
}

#define S(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {S(test_snapshot), S(test_paths_only), S(test_owner_and_kind),
                                       S(test_expiry),   S(test_numbers),    S(test_memory)};
    return RUN(tests);
}
