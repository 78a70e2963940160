/* SPDX-License-Identifier: Apache-2.0 */
/* Authorization entries: what one may say, who may change them, and whose replication they end. */
#include "core/auth.h"
#include "fake.h"
#include "util/num.h"

static uint32_t put(struct fake *f, enum core_auth_how how, const char *host, const char *storage)
{
    struct vr_auth_entry e = {0};
    snprintf(e.host, sizeof(e.host), "%s", host);
    snprintf(e.storage, sizeof(e.storage), "%s", storage);
    f->answer.code = 1;
    core_auth_put(f->c, &admin, how, &e, fake_done, f);
    return f->answer.code;
}

static uint32_t add(struct fake *f, const char *host)
{
    return put(f, CORE_AUTH_ADD, host, "/replicas");
}

static uint32_t take(struct fake *f, const char *host)
{
    core_auth_remove(f->c, &admin, host, fake_done, f);
    return f->answer.code;
}

static uint32_t bind(struct fake *f, const struct core_caller *who, const char *host)
{
    core_auth_bind(f->c, who, &f->vm.id, host, fake_done, f);
    return f->answer.code;
}

static int open_session(struct fake *f)
{
    struct vr_peer_request req = {.op = VR_PEER_PREFLIGHT, .vm_id = f->vm.id, .ndisks = 1};
    struct vr_peer_reply reply;
    core_serve_peer(f->c, "b.example", &req, &reply, NULL);
    return reply.result;
}

/* A replica of b.example. */
static struct fake *replica(void)
{
    struct fake *f = fake_new();
    fake_rel(f, 0, false, VR_REL_REPLICATING);
    f->replica_generation = (struct vr_generation){.uuid = uuid_of(0x10), .sequence = 1};
    return f;
}

static void test_names(void **state)
{
    static const char *const good[] = {"b",           "b.example",     "*.example",
                                       "*.b.example", "x-1.b.example", "192.0.2.7"};
    static const char *const bad[] = {
        "",           "*",  "*.",         "*example", "b.*", "*.*.com", "-b.example", "b-.example",
        "b..example", ".b", "b.example.", "bad host", "b_c", "b:8650",  "[::1]",      "b\texample"};
    struct fake *f = fake_new();
    for (size_t i = 0; i < VR_COUNT(good); i++) {
        assert_int_equal(add(f, good[i]), 0);
    }
    char label[80];
    memset(label, 'x', 64);
    label[64] = '\0';
    assert_int_equal(add(f, label), 32773);
    assert_int_equal(add(f, label + 1), 0);
    f->saves = 0;
    for (size_t i = 0; i < VR_COUNT(bad); i++) {
        assert_int_equal(add(f, bad[i]), 32773);
    }
    assert_int_equal(f->saves, 0);
    fake_free(f);
}

static void test_storage(void **state)
{
    static const char *const bad[] = {"",    "relative", "/a/../b", "/..",       "/a/.",
                                      "/./", "~/x",      "/a\nb",   "/a/b/../.."};
    struct fake *f = fake_new();
    for (size_t i = 0; i < VR_COUNT(bad); i++) {
        assert_int_equal(put(f, CORE_AUTH_ADD, "b.example", bad[i]), 32773);
    }
    assert_int_equal(f->saves, 0);
    assert_int_equal(put(f, CORE_AUTH_ADD, "b.example", "/srv/..x/.y/replicas/"), 0);
    fake_free(f);
}

static void test_add_modify_put(void **state)
{
    struct fake *f = fake_new();
    struct vr_auth_entry e = {.host = "b.example", .storage = "/r", .trust_group = "a\tb"};
    core_auth_put(f->c, &operator_, CORE_AUTH_ADD, &e, fake_done, f);
    assert_int_equal(f->answer.code, 32769);
    core_auth_put(f->c, &admin, CORE_AUTH_ADD, &e, fake_done, f);
    assert_int_equal(f->answer.code, 32773);
    assert_int_equal(put(f, CORE_AUTH_MODIFY, "b.example", ""), 32773);
    assert_non_null(strstr(f->answer.text, "no authorization entry"));
    assert_int_equal(add(f, "B.example"), 0);
    assert_int_equal(add(f, "b.EXAMPLE"), 32773); /* the same one */
    assert_non_null(strstr(f->answer.text, "already"));
    assert_int_equal(put(f, CORE_AUTH_MODIFY, "b.example", "/other"), 0);
    assert_string_equal(core_auth(f->c, "b.example")->storage, "/other");
    assert_int_equal(put(f, CORE_AUTH_PUT, "b.example", "/third"), 0);
    assert_null(core_auth_at(f->c, 1));
    f->saves = f->injected = 0;
    f->fail_from = f->fail_count = 1;
    assert_int_equal(put(f, CORE_AUTH_MODIFY, "b.example", "/fourth"), 32768);
    assert_int_equal(f->injected, 1);
    assert_string_equal(core_auth(f->c, "b.example")->storage, "/third");
    assert_non_null(strstr(f->events, "29319 authorization-changed"));
    fake_free(f);
}

static void test_remove(void **state)
{
    struct fake *f = replica();
    add(f, "*.example");
    add(f, "b.example");
    assert_int_equal(open_session(f), 0);
    core_auth_remove(f->c, &operator_, "b.example", fake_done, f);
    assert_int_equal(f->answer.code, 32769);
    assert_int_equal(take(f, "b.example"), 0);
    assert_int_equal(f->ended_sessions, 0); /* *.example still allows it */
    assert_int_equal(take(f, "*.example"), 0);
    assert_int_equal(f->ended_sessions, 1);
    assert_int_equal(open_session(f), -VR_E_DENIED);
    assert_int_equal(take(f, "*.example"), 32773);
    fake_free(f);
}

static void test_bound_to_one_entry(void **state)
{
    struct fake *f = replica();
    add(f, "*.example");
    add(f, "b.example");
    add(f, "c.example");
    assert_int_equal(bind(f, &operator_, "b.example"), 32769);
    assert_int_equal(bind(f, &admin, "d.example"), 32773); /* no such entry */
    assert_int_equal(bind(f, &admin, "c.example"), 32773); /* it allows another host */
    assert_string_equal(fake_get(f, 0)->auth_host, "");
    assert_int_equal(bind(f, &admin, "B.EXAMPLE"), 0);
    assert_string_equal(f->rels[0].auth_host, "b.example"); /* stored */
    assert_int_equal(open_session(f), 0);
    assert_int_equal(take(f, "b.example"), 0);
    assert_int_equal(f->ended_sessions, 1); /* although *.example would allow it */
    assert_int_equal(open_session(f), -VR_E_DENIED);
    assert_int_equal(bind(f, &admin, "*.example"), 0);
    assert_int_equal(open_session(f), 0);
    assert_int_equal(take(f, "c.example"), 0);
    assert_int_equal(f->ended_sessions, 1);
    fake_free(f);
}

static void test_bind_needs_a_replica(void **state)
{
    struct fake *f = fake_new();
    add(f, "*.example");
    assert_int_equal(bind(f, &admin, "*.example"), 32775); /* not replicated */
    fake_rel(f, 0, true, VR_REL_REPLICATING);
    assert_int_equal(bind(f, &admin, "*.example"), 32775); /* its source */
    fake_free(f);
    f = fake_new();
    add(f, "*.example");
    fake_rel(f, 1, false, VR_REL_REPLICATING); /* the extended replica */
    assert_int_equal(bind(f, &admin, "*.example"), 0);
    assert_string_equal(fake_get(f, 1)->auth_host, "*.example");
    fake_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_names),
        T(test_storage),
        T(test_add_modify_put),
        T(test_remove),
        T(test_bound_to_one_entry),
        T(test_bind_needs_a_replica),
    };
    return RUN(tests);
}
