/* SPDX-License-Identifier: Apache-2.0 */
/* WQL: a table of queries against three instances, errors with their columns, limits. */
#include "cim/mof.h"
#include "cim/wql.h"
#include "tests/lib/check.h"
#include "util/buf.h"
#include "util/num.h"

static const char mof[] =
    "Qualifier Key : boolean, Scope(property); Qualifier EmbeddedInstance : string, "
    "Scope(property);\n"
    "class Base { [Key] string Id; string Name; uint16 State; sint32 Delta; boolean Up;\n"
    "  datetime At; datetime Long; uint16 List[]; uint64 Big; Base REF Peer;\n"
    "  [EmbeddedInstance(\"Base\")] string Inner; };\n"
    "class Sub : Base { };";

struct world {
    struct cim_schema *schema;
    struct cim_arena arena;
    struct cim_instance *i[3];
    struct cim_wql_env env;
};

static struct cim_value when(struct cim_arena *a, const char *text)
{
    struct cim_value v;
    assert_int_equal(cim_value_from_text(a, CIM_DATETIME, text, &v, NULL), 0);
    return v;
}

/* a is full, b has the least, c is a Sub without values. */
static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    struct vr_err err = VR_ERR_INIT;
    static struct cim_path peer = {.class_name = "Sub"};
    CHECK_OK(cim_mof_parse(mof, sizeof mof - 1, "t.mof", &w->schema, &err), &err);
    cim_arena_init(&w->arena, 1 << 20);
    const struct cim_class *base = cim_schema_class(w->schema, "Base");
    struct cim_instance *a = cim_instance_new(&w->arena, base);
    peer.nkeys = 0;
    cim_path_add_key(&peer, "Id", cim_str("c"));
    cim_set(a, "Id", cim_str("a"));
    cim_set(a, "Name", cim_str("Web 100% \xc3\xbc\\x"));
    cim_set(a, "State", cim_uint(CIM_UINT16, 3));
    cim_set(a, "Delta", (struct cim_value){.type = CIM_SINT32, .s = -5});
    cim_set(a, "Up", cim_bool(true));
    cim_set(a, "At", when(&w->arena, "20261121020000.000000+060"));
    cim_set(a, "Long", when(&w->arena, "00000000000500.000000:000"));
    cim_set(a, "List", cim_array1(&w->arena, cim_uint(CIM_UINT16, 2)));
    cim_set(a, "Big", cim_uint(CIM_UINT64, UINT64_MAX));
    cim_set(a, "Peer", cim_ref(&peer));
    w->i[0] = a;
    w->i[1] = cim_instance_new(&w->arena, base);
    cim_set(w->i[1], "Id", cim_str("b"));
    cim_set(w->i[1], "Name", cim_str("alpha"));
    cim_set(w->i[1], "State", cim_uint(CIM_UINT16, 10));
    cim_set(w->i[1], "Up", cim_bool(false));
    w->i[2] = cim_instance_new(&w->arena, cim_schema_class(w->schema, "Sub"));
    cim_set(w->i[2], "Id", cim_str("c"));
    cim_set(a, "Inner", cim_embedded(w->i[2]));
    for (int k = 0; k < 3; k++) {
        cim_instance_make_path(w->i[k], "root/x");
    }
    w->env = (struct cim_wql_env){.server = "ALPHA", .ns = "root/x", .schema = w->schema};
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    cim_arena_deinit(&w->arena);
    cim_schema_free(w->schema);
    free(w);
    return 0;
}

static int prepare(struct world *w, const char *text, struct cim_wql *q, struct vr_err *err)
{
    int r = cim_wql_parse(&w->arena, text, q, err);
    return r < 0 ? r : cim_wql_check(q, cim_schema_class(w->schema, "Base"), err);
}

static void selects(struct world *w, const char *where, const char *ids)
{
    char text[512], got[4] = "";
    struct cim_wql q;
    struct vr_err err = VR_ERR_INIT;
    snprintf(text, sizeof text, "SELECT * FROM Base WHERE %s", where);
    if (prepare(w, text, &q, &err) < 0) {
        fail_msg("%s: %s", where, vr_err_text(&err));
    }
    for (int k = 0, n = 0; k < 3; k++) {
        if (cim_wql_matches(&q, &w->env, w->i[k], &w->arena)) {
            got[n++] = (char)('a' + k);
        }
    }
    if (strcmp(got, ids) != 0) {
        fail_msg("%s: selects '%s', not '%s'", where, got, ids);
    }
}

static void test_where(void **state)
{
    static const char *const rows[][2] = {
        /* names and texts without case, both quotes, escapes */
        {"Name = 'ALPHA'", "b"},
        {"name = \"alpha\"", "b"},
        {"'alpha' = Name", "b"},
        {"Name != 'alpha'", "a"},
        {"nAmE <> 'alpha'", "a"},
        {"Name > 'alph'", "ab"},
        {"Name = 'web 100% \xc3\xbc\\\\X'", "a"},
        {"Name = 'web 100% \xc3\xbc\\x'", "a"},
        {"Id = 'a' or id = \"c\"", "ac"},
        {"Name = 'it\\'s'", ""},
        /* numbers: by value, not by text */
        {"State < 10", "a"},
        {"State >= 10", "b"},
        {"State = '3'", "a"},
        {"State <= 3.5 AND State > 2.25", "a"},
        {"10 > State", "a"},
        {"Delta = -5", "a"},
        {"Delta < +0", "a"},
        {"Delta > -5.1", "a"},
        {"Big = 18446744073709551615", "a"},
        {"Big < 18446744073709551616", "a"},
        {"State IN (1, 3, 10)", "ab"},
        {"State NOT IN (1, 3)", "b"},
        {"Id IN ('B')", "b"},
        /* booleans */
        {"Up = TRUE", "a"},
        {"Up = 'false'", "b"},
        {"Up <> 0", "a"},
        {"Up = 1", "a"},
        /* instants and lengths */
        {"At = '20261121010000.000000+000'", "a"},
        {"At < '20261121010000.000001+000'", "a"},
        {"At > '20261121010000.000000+000'", ""},
        {"Long >= '00000000000459.000000:000'", "a"},
        {"At > '00000000000459.000000:000'", ""},
        {"At = '20261121******.******+000'", ""},
        /* NULL: neither true nor false */
        {"Name IS NULL", "c"},
        {"Name IS NOT NULL", "ab"},
        {"Name = NULL", "c"},
        {"Name <> NULL", "ab"},
        {"NULL = Name", "c"},
        {"NOT Name = 'alpha'", "a"},
        {"NOT (State > 5 OR State <= 5)", ""},
        {"Name = 'x' OR Id = 'c'", "c"},
        {"NOT (Name = 'x' AND Id = 'z')", "abc"},
        {"List IS NOT NULL", "a"},
        /* LIKE */
        {"Name LIKE 'web%'", "a"},
        {"Name LIKE '%PH%'", "b"},
        {"Name NOT LIKE '%ph%'", "a"},
        {"Name LIKE 'alph_'", "b"},
        {"Name LIKE 'alpha_'", ""},
        {"Name LIKE '%[%] _\\\\x'", "a"},
        {"Name LIKE '[a-c]lpha'", "b"},
        {"Name LIKE '[^a-c]%'", "a"},
        {"State LIKE '1%'", "b"},
        {"NOT Name LIKE '%a%a'", "a"},
        /* ISA and the system properties */
        {"__THIS ISA 'sub'", "c"},
        {"__this ISA Base", "abc"},
        {"Inner ISA 'Base'", "a"},
        {"Inner ISA 'Nothing'", ""},
        {"Peer ISA 'Sub'", "a"},
        {"NOT Peer ISA 'Sub'", ""},
        {"__CLASS = 'sub'", "c"},
        {"__SUPERCLASS = 'base'", "c"},
        {"__SUPERCLASS IS NULL", "ab"},
        {"__SERVER = 'alpha'", "abc"},
        {"Name != __SERVER", "a"},
        {"__RELPATH = 'Base.Id=\"b\"'", "b"},
        {"__PATH LIKE '\\\\\\\\ALPHA\\\\root\\\\x:Sub.%'", "c"},
        {"__NAMESPACE = 'root\\x'", "abc"},
        {"Peer = 'Sub.Id=\"c\"'", "a"},
        {"Peer = \"\\\\\\\\alpha\\\\root\\\\x:Sub.Id='c'\"", "a"},
        {"Peer <> 'Sub.Id=\"d\"'", "a"},
        /* AND binds before OR, NOT before AND */
        {"Id = 'a' OR Id = 'b' AND State = 3", "a"},
        {"(Id = 'a' OR Id = 'b') AND State = 10", "b"},
        {"NOT Id = 'a' AND NOT Id = 'b'", "c"},
        {"((((Id='a'))))", "a"},
    };
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        selects(*state, rows[i][0], rows[i][1]);
    }
}

static void test_select_list(void **state)
{
    struct world *w = *state;
    struct cim_wql q;
    struct vr_err err = VR_ERR_INIT;
    CHECK_OK(prepare(w, " select\tName , __PATH,\nid from  base ", &q, &err), &err);
    assert_int_equal(q.nprops, 3);
    assert_string_equal(q.props[1].text, "__PATH");
    assert_string_equal(q.class_name, "base");
    assert_null(q.where);
    assert_true(cim_wql_matches(&q, &w->env, w->i[0], &w->arena));
}

static void test_related(void **state)
{
    struct world *w = *state;
    struct cim_wql q;
    struct vr_err err = VR_ERR_INIT;
    CHECK_OK(cim_wql_parse(&w->arena,
                           "Associators of {\\\\S\\root\\x:C.K=\"}\",N='a\\'b'} where "
                           "AssocClass = AC ResultClass=RC Role=R ResultRole = RR ClassDefsOnly "
                           "RequiredQualifier=Q RequiredAssocQualifier=AQ",
                           &q, &err),
             &err);
    assert_int_equal(q.kind, WQL_ASSOCIATORS);
    assert_string_equal(q.path.class_name, "C");
    assert_string_equal(cim_path_key(&q.path, "k")->str, "}");
    assert_string_equal(cim_path_key(&q.path, "n")->str, "a'b");
    assert_string_equal(q.assoc_class, "AC");
    assert_string_equal(q.result_class, "RC");
    assert_string_equal(q.role, "R");
    assert_string_equal(q.result_role, "RR");
    assert_string_equal(q.required_qualifier, "Q");
    assert_string_equal(q.required_assoc_qualifier, "AQ");
    assert_true(q.class_defs_only && !q.keys_only && !q.schema_only);
    CHECK_OK(cim_wql_parse(&w->arena, "REFERENCES OF {C.K=1} WHERE Role=R", &q, &err), &err);
    assert_int_equal(q.kind, WQL_REFERENCES);
    assert_string_equal(q.role, "R");
    assert_null(q.result_class);
}

static void test_errors(void **state)
{
    static const struct {
        const char *text, *part;
    } rows[] = {
        {"", "column 1: expected SELECT, ASSOCIATORS or REFERENCES, found the end"},
        {"DELETE", "column 1: expected SELECT"},
        {"SELECT", "column 7: expected * or a property"},
        {"SELECT * Base", "column 10: expected FROM, found 'Base'"},
        {"SELECT a b FROM Base", "column 10: expected , or FROM"},
        {"SELECT * FROM", "column 14: expected the name of a class, found the end"},
        {"SELECT * FROM where", "column 15: expected the name of a class"},
        {"SELECT * FROM Base x", "column 20: expected WHERE or the end, found 'x'"},
        {"SELECT * FROM Base WHERE", "column 25: expected a property or a value, found the end"},
        {"SELECT * FROM Base WHERE Id", "column 28: expected a comparison, found the end"},
        {"SELECT * FROM Base WHERE Id = ", "column 31: expected a property or a value"},
        {"SELECT * FROM Base WHERE Id == 'a'", "column 30: expected a property or a value"},
        {"SELECT * FROM Base WHERE Id = 'a", "column 31: expected a closing '"},
        {"SELECT * FROM Base WHERE Id = \"a", "column 31: expected a closing \""},
        {"SELECT * FROM Base WHERE (Id = 'a'", "column 35: expected AND, OR or ), found the end"},
        {"SELECT * FROM Base WHERE Id = 'a')", "column 34: expected AND, OR or the end, found ')'"},
        {"SELECT * FROM Base WHERE Id LIKE 5", "column 34: expected a pattern in quotes"},
        {"SELECT * FROM Base WHERE Id NOT = 5", "column 33: expected LIKE or IN"},
        {"SELECT * FROM Base WHERE Id IS 5", "column 32: expected NULL or NOT NULL"},
        {"SELECT * FROM Base WHERE Id < NULL", "column 31: expected a value, found 'NULL'"},
        {"SELECT * FROM Base WHERE State = 3x", "column 34: expected a number, found '3x'"},
        {"SELECT * FROM Base WHERE State = 3.", "column 34: expected a number"},
        {"SELECT * FROM Base WHERE State = 1.2.3", "column 34: expected a number"},
        {"SELECT * FROM Base WHERE Id ; 1", "column 29: expected a name, a value or an operator"},
        {"SELECT * FROM Base WHERE Id IN 1", "column 32: expected ("},
        {"SELECT * FROM Base WHERE Id IN (Name)", "column 33: expected a value"},
        {"SELECT * FROM Base WHERE Id IN ('a' 'b')", "column 37: expected , or )"},
        {"SELECT * FROM Base WHERE What = 1", "column 26: expected a property of Base"},
        {"SELECT What FROM Base", "column 8: expected a property of Base, found 'What'"},
        {"SELECT * FROM Base WHERE 1 = What", "column 30: expected a property of Base"},
        {"SELECT * FROM Base WHERE State = 'x'", "column 34: expected a value of type uint16"},
        {"SELECT * FROM Base WHERE At > 'now'", "column 31: expected a value of type datetime"},
        {"SELECT * FROM Base WHERE Up = 'maybe'", "column 31: expected a value of type boolean"},
        {"SELECT * FROM Base WHERE 2 = List", "column 26: expected a value of type uint16[]"},
        {"ASSOCIATORS {C.K=1}", "column 13: expected OF"},
        {"ASSOCIATORS OF C.K=1", "column 16: expected an object path in braces, found 'C'"},
        {"ASSOCIATORS OF {C.K=1", "column 16: expected a closing }"},
        {"ASSOCIATORS OF {C.K=}", "column 16: expected an object path, found 'C.K='"},
        {"ASSOCIATORS OF {C.K=1} Role=a", "column 24: expected WHERE or the end"},
        {"ASSOCIATORS OF {C.K=1} WHERE Role=a Role=b", "column 37: expected a filter"},
        {"ASSOCIATORS OF {C.K=1} WHERE Role a", "column 35: expected ="},
        {"REFERENCES OF {C.K=1} WHERE AssocClass=a", "column 29: expected a filter"},
    };
    struct vr_err err;
    struct cim_wql q;
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        CHECK_FAILS(prepare(*state, rows[i].text, &q, &err), &err, VR_E_INVALID, rows[i].part);
    }
}

/* head, n times unit, tail: fine up to max, one more is refused. */
static void limit(struct world *w, const char *head, const char *unit, const char *tail, int max)
{
    struct vr_err err = VR_ERR_INIT;
    struct cim_wql q;
    for (int n = max; n <= max + 1; n++) {
        struct vr_buf b;
        vr_buf_init(&b, 1 << 20);
        vr_buf_text(&b, head);
        for (int i = 0; i < n; i++) {
            vr_buf_text(&b, unit);
        }
        vr_buf_text(&b, tail);
        if (n == max) {
            /* only what closes may be missing */
            int r = cim_wql_parse(&w->arena, vr_buf_cstr(&b), &q, &err);
            assert_true(r == 0 || (r == -VR_E_INVALID && strstr(vr_err_text(&err), "the end")));
        } else {
            CHECK_FAILS(cim_wql_parse(&w->arena, vr_buf_cstr(&b), &q, &err), &err, VR_E_LIMIT,
                        "column ");
        }
        vr_buf_deinit(&b);
    }
}

#define FROM "SELECT * FROM B WHERE "

static void test_limits(void **state)
{
    limit(*state, FROM, "(", "", CIM_WQL_DEPTH_MAX);
    limit(*state, FROM, "NOT ", "a=1", CIM_WQL_DEPTH_MAX);
    limit(*state, FROM "a = 1", " or a=1", "", (CIM_WQL_TOKENS_MAX - 8) / 4);
    limit(*state, FROM "a IN (0", ",1", ")", CIM_WQL_IN_MAX - 1);
    limit(*state, "SELECT a", ",a", " FROM b", CIM_WQL_SELECT_MAX - 1);
    limit(*state, FROM "a LIKE '", "%", "'", CIM_WQL_PATTERN_MAX);
    limit(*state, "SELECT * FROM b", " ", "", CIM_WQL_MAX_BYTES - 15);
}

/* What takes exponential time elsewhere: this test would not end. */
static void test_like_is_bounded(void **state)
{
    char text[4096], pattern[1024];
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = '\0';
    for (size_t i = 0; i + 3 < sizeof pattern; i += 2) {
        memcpy(pattern + i, "%a", 3);
    }
    assert_true(cim_wql_like(text, pattern));
    pattern[strlen(pattern) - 1] = 'b';
    assert_false(cim_wql_like(text, pattern));
    assert_true(cim_wql_like("[x", "[X"));
    assert_true(cim_wql_like("]", "[]]"));
    assert_true(cim_wql_like("", "%%"));
    assert_false(cim_wql_like("", "_"));
    assert_true(cim_wql_like("\xff\xfe", "__"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_where, setup, teardown),
        cmocka_unit_test_setup_teardown(test_select_list, setup, teardown),
        cmocka_unit_test_setup_teardown(test_related, setup, teardown),
        cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
        T(test_like_is_bounded)};
    return RUN(tests);
}
