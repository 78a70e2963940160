/* SPDX-License-Identifier: Apache-2.0 */
#include <crypt.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/users.h"
#include "tests/lib/check.h"
#include "tests/lib/tmpdir.h"
#include "util/fdio.h"

static char dir[] = "/tmp/vr-users-XXXXXX";
static char file[64];
static char hash[128]; /* of "secret", cheap */

static int setup(void **state)
{
    vr_assert(mkdtemp(dir));
    snprintf(file, sizeof file, "%s/users", dir);
    char salt[CRYPT_GENSALT_OUTPUT_SIZE];
    assert_non_null(crypt_gensalt_rn("$y$", 1, NULL, 0, salt, sizeof salt));
    snprintf(hash, sizeof hash, "%s", crypt("secret", salt));
    return 0;
}

static int teardown(void **state)
{
    tmpdir_remove(dir);
    return 0;
}

static void write_file(const char *text, mode_t mode)
{
    struct vr_err err = VR_ERR_INIT;
    CHECK_OK(vr_write_file_durable(file, text, strlen(text), mode, &err), &err);
}

static struct users *load_one(void)
{
    struct users *u = NULL;
    struct vr_err err = VR_ERR_INIT;
    char text[256];
    snprintf(text, sizeof text, "# managers\n\nann:operator:%s\n", hash);
    write_file(text, 0600);
    CHECK_OK(users_load(file, &u, &err), &err);
    return u;
}

static void test_verify(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    _cleanup_(users_freep) struct users *u = load_one();
    struct users_who who = {0};
    CHECK_OK(users_verify(u, "ann", "secret", &who, &err), &err);
    assert_int_equal(who.role, USERS_OPERATOR);
    CHECK_FAILS(users_verify(u, "ann", "Secret", &who, &err), &err, VR_E_AUTH, "wrong password");
    CHECK_FAILS(users_verify(u, "ann", "", &who, &err), &err, VR_E_AUTH, "wrong password");
    CHECK_FAILS(users_verify(u, "bob", "secret", &who, &err), &err, VR_E_AUTH, "no such user");
    CHECK_FAILS(users_verify(u, "ann:", "secret", &who, &err), &err, VR_E_AUTH, "no such user");
}

static void test_every_refusal_costs_a_hash(void **state)
{
    struct vr_err err;
    _cleanup_(users_freep) struct users *u = load_one();
    struct users_who who = {0};
    uint64_t hashed, remembered;
    char longest[USERS_PASSWORD_MAX + 2];
    memset(longest, 'p', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    CHECK_FAILS(users_verify(u, "nobody", "secret", &who, &err), &err, VR_E_AUTH, "");
    CHECK_FAILS(users_verify(u, "", "secret", &who, &err), &err, VR_E_AUTH, "");
    CHECK_FAILS(users_verify(u, "ann", longest, &who, &err), &err, VR_E_AUTH, "");
    CHECK_FAILS(users_verify(u, "ann", "wrong", &who, &err), &err, VR_E_AUTH, "");
    users_counters(u, &hashed, &remembered);
    assert_int_equal(hashed, 4);
    assert_int_equal(remembered, 0);
}

static void test_remembered_for_a_minute(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    _cleanup_(users_freep) struct users *u = load_one();
    struct users_who who = {0};
    uint64_t hashed, remembered;
    CHECK_OK(users_verify_at(u, "ann", "secret", 1000, &who, &err), &err);
    CHECK_OK(users_verify_at(u, "ann", "secret", 1000 + USERS_REMEMBER_MS - 1, &who, &err), &err);
    users_counters(u, &hashed, &remembered);
    assert_int_equal(hashed, 1);
    assert_int_equal(remembered, 1);
    CHECK_FAILS(users_verify_at(u, "ann", "wrong", 2000, &who, &err), &err, VR_E_AUTH, "");
    CHECK_OK(users_verify_at(u, "ann", "secret", 1000 + USERS_REMEMBER_MS, &who, &err), &err);
    users_counters(u, &hashed, &remembered);
    assert_int_equal(hashed, 3);
    assert_int_equal(remembered, 1);
}

static void test_recalled_for_an_hour(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    _cleanup_(users_freep) struct users *u = load_one();
    struct users_who who = {0};
    uint64_t hashed, remembered;
    CHECK_FAILS(users_recall(u, "ann", "secret", 1, &who, &err), &err, VR_E_AUTH, "lately");
    CHECK_OK(users_verify_at(u, "ann", "secret", 1000, &who, &err), &err);
    who.role = 0;
    CHECK_OK(users_recall(u, "ann", "secret", 999 + USERS_RECALL_MS, &who, &err), &err);
    assert_int_equal(who.role, USERS_OPERATOR);
    CHECK_FAILS(users_recall(u, "ann", "wrong", 1000, &who, &err), &err, VR_E_AUTH, "");
    CHECK_FAILS(users_recall(u, "bob", "secret", 1000, &who, &err), &err, VR_E_AUTH, "");
    CHECK_FAILS(users_recall(u, "ann", "", 1000, &who, &err), &err, VR_E_AUTH, "");
    CHECK_FAILS(users_recall(u, "ann", "secret", 1000 + USERS_RECALL_MS, &who, &err), &err,
                VR_E_AUTH, "");
    users_counters(u, &hashed, &remembered);
    assert_int_equal(hashed, 1);
}

static void *verify_main(void *arg)
{
    struct vr_err err;
    struct users_who who;
    for (int i = 0; i < 5; i++) {
        if (users_verify(arg, "ann", i % 2 ? "wrong" : "secret", &who, &err) !=
            (i % 2 ? -VR_E_AUTH : 0)) {
            return arg;
        }
    }
    return NULL;
}

static void test_threads(void **state)
{
    _cleanup_(users_freep) struct users *u = load_one();
    pthread_t t[4];
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&t[i], NULL, verify_main, u), 0);
    }
    for (int i = 0; i < 4; i++) {
        void *failed;
        pthread_join(t[i], &failed);
        assert_null(failed);
    }
}

static void refuse(const char *text, enum vr_err_kind kind, const char *why)
{
    struct users *u = NULL;
    struct vr_err err;
    write_file(text, 0600);
    CHECK_FAILS(users_load(file, &u, &err), &err, kind, why);
    assert_null(u);
}

static void test_bad_files(void **state)
{
    struct users *u = NULL;
    struct vr_err err;
    char text[512];
    write_file("", 0640);
    CHECK_FAILS(users_load(file, &u, &err), &err, VR_E_DENIED, "chmod 600");
    write_file("", 0604);
    CHECK_FAILS(users_load(file, &u, &err), &err, VR_E_DENIED, "chmod 600");
    refuse("# c\nann\n", VR_E_INVALID, "users:2: must be name:role:hash");
    refuse("ann:viewer\n", VR_E_INVALID, "users:1: must be name:role:hash");
    refuse("ann:viewer:plain\n", VR_E_INVALID, "users:1: the hash");
    refuse("ann:viewer:$6$salt$hash\n", VR_E_INVALID, "users:1: the hash");
    refuse("ann:viewer:$y$\n", VR_E_INVALID, "users:1: the hash");
    snprintf(text, sizeof text, "ann:viewer:%s\nann:viewer:%s\n", hash, hash);
    refuse(text, VR_E_INVALID, "users:2: there is a user 'ann'");
    snprintf(text, sizeof text, "ann:king:%s\n", hash);
    refuse(text, VR_E_INVALID, "users:1: the role");
    snprintf(text, sizeof text, "a nn:viewer:%s\n", hash);
    refuse(text, VR_E_INVALID, "users:1: a name");
    snprintf(text, sizeof text, "%0*d:viewer:%s\n", USERS_NAME_MAX + 1, 1, hash);
    refuse(text, VR_E_INVALID, "users:1: a name");
    char *big = calloc(1, USERS_FILE_MAX + 2);
    memset(big, '\n', USERS_FILE_MAX + 1);
    refuse(big, VR_E_LIMIT, "larger than");
    big[0] = '\0';
    for (size_t i = 0, at = 0; i < USERS_MAX + 1; i++) {
        at += (size_t)snprintf(big + at, USERS_FILE_MAX - at, "u%zu:viewer:%s\n", i, hash);
    }
    refuse(big, VR_E_LIMIT, "users:257: more than 256");
    free(big);
    unlink(file);
    CHECK_FAILS(users_load(file, &u, &err), &err, VR_E_NOT_FOUND, "users");
}

static void test_add_list_remove(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    struct stat st;
    int role = 0;
    struct users_who who;
    _cleanup_(users_freep) struct users *u = NULL;
    _cleanup_(vr_freep) char *text = NULL;
    unlink(file);
    CHECK_OK(users_add(file, "ann", USERS_VIEWER, "one", NULL, &err), &err);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    CHECK_OK(users_add(file, "bob", USERS_ADMINISTRATOR, "two", NULL, &err), &err);
    CHECK_OK(users_add(file, "ann", USERS_OPERATOR, "three", NULL, &err), &err); /* replaces */
    CHECK_OK(users_load(file, &u, &err), &err);
    assert_int_equal(users_count(u), 2);
    assert_string_equal(users_list(u, 0, &role), "bob");
    assert_int_equal(role, USERS_ADMINISTRATOR);
    assert_string_equal(users_list(u, 1, &role), "ann");
    assert_int_equal(role, USERS_OPERATOR);
    assert_null(users_list(u, 2, &role));
    CHECK_OK(users_verify(u, "ann", "three", &who, &err), &err);
    CHECK_FAILS(users_verify(u, "ann", "one", &who, &err), &err, VR_E_AUTH, "");
    CHECK_OK(users_remove(file, "bob", &err), &err);
    CHECK_FAILS(users_remove(file, "bob", &err), &err, VR_E_NOT_FOUND, "'bob'");
    CHECK_OK(vr_read_file(file, 10000, &text, NULL, &err), &err);
    assert_memory_equal(text, "ann:operator:$y$", 16);
}

static void test_add_refuses(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    char text[256], longest[USERS_PASSWORD_MAX + 2];
    _cleanup_(vr_freep) char *after = NULL;
    memset(longest, 'p', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    unlink(file);
    CHECK_FAILS(users_add(file, "a:b", 1, "p", NULL, &err), &err, VR_E_INVALID, "name");
    CHECK_FAILS(users_add(file, "ann", 0, "p", NULL, &err), &err, VR_E_INVALID, "role");
    CHECK_FAILS(users_add(file, "ann", 4, "p", NULL, &err), &err, VR_E_INVALID, "role");
    CHECK_FAILS(users_add(file, "ann", 1, "", NULL, &err), &err, VR_E_INVALID, "password");
    CHECK_FAILS(users_add(file, "ann", 1, "p\nq", NULL, &err), &err, VR_E_INVALID, "password");
    CHECK_FAILS(users_add(file, "ann", 1, longest, NULL, &err), &err, VR_E_INVALID, "password");
    assert_int_equal(access(file, F_OK), -1);
    snprintf(text, sizeof text, "# kept\nann:viewer:%s\nbroken\n", hash);
    write_file(text, 0600);
    CHECK_FAILS(users_add(file, "bob", 1, "p", NULL, &err), &err, VR_E_INVALID, "users:3:");
    CHECK_FAILS(users_remove(file, "ann", &err), &err, VR_E_INVALID, "users:3:");
    CHECK_OK(vr_read_file(file, 10000, &after, NULL, &err), &err);
    assert_string_equal(after, text);
}

static int add(const char *name, const char *password, const char *const *words, size_t n)
{
    struct vr_err err = VR_ERR_INIT;
    const struct users_attributes a = {n, words};
    return users_add(file, name, USERS_VIEWER, password, words ? &a : NULL, &err);
}

#define CERT "AB0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCD"
#define VM "5B5A1A3E-3C62-4A0B-9A1F-0A1D9B1F7C11"

static void test_attributes(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    struct users_who who;
    struct vr_uuid vm, other = vr_uuid_new();
    const char *key;
    static const char *const words[] = {
        "cert=ab:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd",
        "email=ann@example.org", "principal=ann@EXAMPLE.ORG", "vm=" VM};
    _cleanup_(users_freep) struct users *u = NULL;
    _cleanup_(vr_freep) char *text = NULL;
    unlink(file);
    assert_true(vr_uuid_parse(VM, &vm));
    assert_int_equal(add("ann", NULL, words, 4), 0);
    assert_int_equal(add("bob", "pw", NULL, 0), 0);
    assert_int_equal(add("ann", NULL, NULL, 0), 0); /* a new role or password takes nothing away */
    CHECK_OK(vr_read_file(file, 10000, &text, NULL, &err), &err);
    assert_non_null(strstr(text, "ann:viewer:-:cert=" CERT
                                 ":email=ann@example.org:principal=ann@EXAMPLE.ORG:vm=" VM "\n"));
    CHECK_OK(users_load(file, &u, &err), &err);
    assert_true(users_known_by(u, USERS_CERT, CERT, &who));
    assert_string_equal(who.name, "ann");
    assert_true(who.scope.limited);
    assert_true(vr_scope_has(&who.scope, &vm));
    assert_false(vr_scope_has(&who.scope, &other));
    assert_true(users_known_by(u, USERS_EMAIL, "ann@example.org", &who));
    assert_false(users_known_by(u, USERS_EMAIL, "Ann@example.org", &who));
    assert_true(users_known_by(u, USERS_PRINCIPAL, "ann@EXAMPLE.ORG", &who));
    assert_false(users_known_by(u, USERS_PRINCIPAL, "ann@example.org", &who));
    assert_false(users_known_by(u, USERS_PRINCIPAL, "", &who));
    assert_false(users_known_by(u, USERS_VM, VM, &who)); /* no name of anybody */
    CHECK_OK(users_verify(u, "bob", "pw", &who, &err), &err);
    assert_false(who.scope.limited);
    assert_true(vr_scope_has(&who.scope, &other));
    size_t ann = strcmp(users_list(u, 0, &who.role), "ann") == 0 ? 0 : 1;
    assert_string_equal(users_attribute(u, ann, 3, &key), VM);
    assert_string_equal(key, "vm");
    assert_null(users_attribute(u, ann, 4, &key));
    assert_null(users_attribute(u, 1 - ann, 0, &key));
}

/* '-' is no hash: neither an empty password nor '-' nor any other opens it. */
static void test_no_password(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    struct users_who who;
    static const char *const tries[] = {"", "-", "*", "secret"};
    _cleanup_(users_freep) struct users *u = NULL;
    unlink(file);
    assert_int_equal(add("ann", NULL, NULL, 0), 0);
    CHECK_OK(users_load(file, &u, &err), &err);
    for (size_t i = 0; i < 4; i++) {
        CHECK_FAILS(users_verify(u, "ann", tries[i], &who, &err), &err, VR_E_AUTH, "no such user");
        CHECK_FAILS(users_recall(u, "ann", tries[i], 1, &who, &err), &err, VR_E_AUTH, "");
    }
    uint64_t hashed, remembered;
    users_counters(u, &hashed, &remembered);
    assert_int_equal(hashed, 4); /* it takes as long as with a password */
}

static void test_bad_attributes(void **state)
{
    static const char *const bad[] = {"vm=",
                                      "vm=web1",
                                      "vm=00000000-0000-0000-0000-000000000000",
                                      "cert=AB",
                                      "cert=" CERT "0",
                                      "cert=G" CERT,
                                      "email=ann",
                                      "email=@x",
                                      "email=a@b@c",
                                      "email=ann@x y",
                                      "principal=ann",
                                      "principal=ann@",
                                      "group=x",
                                      "vm",
                                      "",
                                      "=x"};
    char text[600], vms[VR_SCOPE_MAX + 1][48];
    const char *words[VR_SCOPE_MAX + 1];
    _cleanup_(vr_freep) char *after = NULL;
    unlink(file);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(add("ann", "pw", &bad[i], 1), -VR_E_INVALID);
        snprintf(text, sizeof text, "ann:viewer:-:%s\n", bad[i]);
        refuse(text, VR_E_INVALID, "users:1: ");
        unlink(file);
    }
    snprintf(text, sizeof text, "ann:viewer:-:principal=%0*d@X\n", USERS_VALUE_MAX, 1);
    refuse(text, VR_E_INVALID, "users:1: principal=");
    refuse("ann:viewer:-:email=a@b\nbob:viewer:-:email=a@b\n", VR_E_INVALID,
           "users:2: somebody is known by");
    refuse("ann:viewer:-:\n", VR_E_INVALID, "users:1: behind the hash");
    struct vr_err err = VR_ERR_INIT;
    write_file("ann:viewer:-:email=a@b\n", 0600);
    const char *same = "email=a@b";
    assert_int_equal(add("bob", "pw", &same, 1), -VR_E_INVALID);
    for (size_t i = 0; i <= VR_SCOPE_MAX; i++) {
        struct vr_uuid id = vr_uuid_new();
        char uuid[VR_UUID_TEXT_LEN];
        snprintf(vms[i], sizeof vms[i], "vm=%s", vr_uuid_text(&id, uuid));
        words[i] = vms[i];
    }
    assert_int_equal(add("bob", "pw", words, VR_SCOPE_MAX + 1), -VR_E_INVALID);
    CHECK_OK(vr_read_file(file, 10000, &after, NULL, &err), &err);
    assert_string_equal(after, "ann:viewer:-:email=a@b\n");
    assert_int_equal(add("bob", "pw", words, VR_SCOPE_MAX), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_verify),
                                       T(test_every_refusal_costs_a_hash),
                                       T(test_remembered_for_a_minute),
                                       T(test_recalled_for_an_hour),
                                       T(test_threads),
                                       T(test_bad_files),
                                       T(test_add_list_remove),
                                       T(test_add_refuses),
                                       T(test_attributes),
                                       T(test_no_password),
                                       T(test_bad_attributes)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
