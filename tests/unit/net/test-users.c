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
    int role = 0;
    CHECK_OK(users_verify(u, "ann", "secret", &role, &err), &err);
    assert_int_equal(role, USERS_OPERATOR);
    CHECK_FAILS(users_verify(u, "ann", "Secret", &role, &err), &err, VR_E_AUTH, "wrong password");
    CHECK_FAILS(users_verify(u, "ann", "", &role, &err), &err, VR_E_AUTH, "wrong password");
    CHECK_FAILS(users_verify(u, "bob", "secret", &role, &err), &err, VR_E_AUTH, "no such user");
    CHECK_FAILS(users_verify(u, "ann:", "secret", &role, &err), &err, VR_E_AUTH, "no such user");
}

static void test_every_refusal_costs_a_hash(void **state)
{
    struct vr_err err;
    _cleanup_(users_freep) struct users *u = load_one();
    int role = 0;
    uint64_t hashed, remembered;
    char longest[USERS_PASSWORD_MAX + 2];
    memset(longest, 'p', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    CHECK_FAILS(users_verify(u, "nobody", "secret", &role, &err), &err, VR_E_AUTH, "");
    CHECK_FAILS(users_verify(u, "", "secret", &role, &err), &err, VR_E_AUTH, "");
    CHECK_FAILS(users_verify(u, "ann", longest, &role, &err), &err, VR_E_AUTH, "");
    CHECK_FAILS(users_verify(u, "ann", "wrong", &role, &err), &err, VR_E_AUTH, "");
    users_counters(u, &hashed, &remembered);
    assert_int_equal(hashed, 4);
    assert_int_equal(remembered, 0);
}

static void test_remembered_for_a_minute(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    _cleanup_(users_freep) struct users *u = load_one();
    int role = 0;
    uint64_t hashed, remembered;
    CHECK_OK(users_verify_at(u, "ann", "secret", 1000, &role, &err), &err);
    CHECK_OK(users_verify_at(u, "ann", "secret", 1000 + USERS_REMEMBER_MS - 1, &role, &err), &err);
    users_counters(u, &hashed, &remembered);
    assert_int_equal(hashed, 1);
    assert_int_equal(remembered, 1);
    CHECK_FAILS(users_verify_at(u, "ann", "wrong", 2000, &role, &err), &err, VR_E_AUTH, "");
    CHECK_OK(users_verify_at(u, "ann", "secret", 1000 + USERS_REMEMBER_MS, &role, &err), &err);
    users_counters(u, &hashed, &remembered);
    assert_int_equal(hashed, 3);
    assert_int_equal(remembered, 1);
}

static void test_recalled_for_an_hour(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    _cleanup_(users_freep) struct users *u = load_one();
    int role = 0;
    uint64_t hashed, remembered;
    CHECK_FAILS(users_recall(u, "ann", "secret", 1, &role, &err), &err, VR_E_AUTH, "lately");
    CHECK_OK(users_verify_at(u, "ann", "secret", 1000, &role, &err), &err);
    role = 0;
    CHECK_OK(users_recall(u, "ann", "secret", 999 + USERS_RECALL_MS, &role, &err), &err);
    assert_int_equal(role, USERS_OPERATOR);
    CHECK_FAILS(users_recall(u, "ann", "wrong", 1000, &role, &err), &err, VR_E_AUTH, "");
    CHECK_FAILS(users_recall(u, "bob", "secret", 1000, &role, &err), &err, VR_E_AUTH, "");
    CHECK_FAILS(users_recall(u, "ann", "", 1000, &role, &err), &err, VR_E_AUTH, "");
    CHECK_FAILS(users_recall(u, "ann", "secret", 1000 + USERS_RECALL_MS, &role, &err), &err,
                VR_E_AUTH, "");
    users_counters(u, &hashed, &remembered);
    assert_int_equal(hashed, 1);
}

static void *verify_main(void *arg)
{
    struct vr_err err;
    for (int i = 0, role; i < 5; i++) {
        if (users_verify(arg, "ann", i % 2 ? "wrong" : "secret", &role, &err) !=
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
    _cleanup_(users_freep) struct users *u = NULL;
    _cleanup_(vr_freep) char *text = NULL;
    unlink(file);
    CHECK_OK(users_add(file, "ann", USERS_VIEWER, "one", &err), &err);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    CHECK_OK(users_add(file, "bob", USERS_ADMINISTRATOR, "two", &err), &err);
    CHECK_OK(users_add(file, "ann", USERS_OPERATOR, "three", &err), &err); /* replaces */
    CHECK_OK(users_load(file, &u, &err), &err);
    assert_int_equal(users_count(u), 2);
    assert_string_equal(users_list(u, 0, &role), "bob");
    assert_int_equal(role, USERS_ADMINISTRATOR);
    assert_string_equal(users_list(u, 1, &role), "ann");
    assert_int_equal(role, USERS_OPERATOR);
    assert_null(users_list(u, 2, &role));
    CHECK_OK(users_verify(u, "ann", "three", &role, &err), &err);
    CHECK_FAILS(users_verify(u, "ann", "one", &role, &err), &err, VR_E_AUTH, "");
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
    CHECK_FAILS(users_add(file, "a:b", 1, "p", &err), &err, VR_E_INVALID, "name");
    CHECK_FAILS(users_add(file, "ann", 0, "p", &err), &err, VR_E_INVALID, "role");
    CHECK_FAILS(users_add(file, "ann", 4, "p", &err), &err, VR_E_INVALID, "role");
    CHECK_FAILS(users_add(file, "ann", 1, "", &err), &err, VR_E_INVALID, "password");
    CHECK_FAILS(users_add(file, "ann", 1, "p\nq", &err), &err, VR_E_INVALID, "password");
    CHECK_FAILS(users_add(file, "ann", 1, longest, &err), &err, VR_E_INVALID, "password");
    assert_int_equal(access(file, F_OK), -1);
    snprintf(text, sizeof text, "# kept\nann:viewer:%s\nbroken\n", hash);
    write_file(text, 0600);
    CHECK_FAILS(users_add(file, "bob", 1, "p", &err), &err, VR_E_INVALID, "users:3:");
    CHECK_FAILS(users_remove(file, "ann", &err), &err, VR_E_INVALID, "users:3:");
    CHECK_OK(vr_read_file(file, 10000, &after, NULL, &err), &err);
    assert_string_equal(after, text);
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
                                       T(test_add_refuses)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
