/* SPDX-License-Identifier: Apache-2.0 */
/* Who may use a replica beside whom, on a real directory with a real sidecar. */
#include <fcntl.h>
#include <unistd.h>

#include "block/lock.h"
#include "daemon/replicas.h"
#include "resync/geometry.h"
#include "tests/lib/check.h"
#include "tests/lib/tmpdir.h"

static char dir[] = "/tmp/vr-replicas-XXXXXX";
static struct vr_err err;
static struct vr_rel rel;
static struct replicas *rs;
static unsigned preempted;

static void on_preempt(void *ctx, const struct vr_uuid *vm)
{
    assert_true(vr_uuid_eq(vm, &rel.vm_id));
    preempted++;
}

/* A replica of one raw disk in a directory of its own. */
static void fresh(uint32_t commit_wait_s)
{
    struct vr_peer_request req = {.op = VR_PEER_ENABLE, .ndisks = 1, .vm_name = "web-1"};
    struct stor *stor;
    memset(&rel, 0, sizeof rel);
    rel.vm_id = req.vm_id = vr_uuid_new();
    snprintf(rel.peer_identity, sizeof rel.peer_identity, "a.test");
    CHECK_OK(replicas_dir(dir, &rel.vm_id, rel.storage, &err), &err);
    snprintf(req.disks[0].name, sizeof req.disks[0].name, "vda");
    snprintf(req.disks[0].format, sizeof req.disks[0].format, "raw");
    req.disks[0].size_bytes = 1 << 20;
    CHECK_OK(stor_dir_open(rel.storage, true, dir, &stor, &err), &err);
    CHECK_OK(replica_create(stor, &rel, &req, NULL, REPLICA_IMAGES_REFUSED, &err), &err);
    stor_close(stor);
    CHECK_OK(replicas_new(dir, commit_wait_s, &rs, &err), &err);
    preempted = 0;
    replicas_on_preempt(rs, on_preempt, NULL);
}

/* Can somebody outside of the daemon read the image now? */
static bool outside_may_read(const struct vr_vm *images)
{
    char path[VR_PATH_MAX +
              16]; /* before its first generation an image is out of reach under another name */
    snprintf(path, sizeof path, "%s.unready", images->disks[0].path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        fail_msg("cannot open '%s'", path);
    }
    int r = image_lock(fd, IMAGE_LOCK_READ, "image", NULL);
    close(fd);
    return r == 0;
}

static void test_locks_live_as_long_as_any_use(void **state)
{
    struct replica_use *writer, *reader;
    struct vr_vm images;
    fresh(300);
    CHECK_OK(replicas_images(rs, &rel, &images, &err), &err);
    assert_true(outside_may_read(&images));
    CHECK_OK(replicas_read(rs, &rel, &images, &reader, &err), &err);
    assert_false(outside_may_read(&images));
    CHECK_OK(replicas_write(rs, &rel, true, 0, &writer, &err), &err);
    replica_use_end(reader);
    assert_false(outside_may_read(&images));
    replica_use_end(writer);
    assert_true(outside_may_read(&images));
    replicas_free(rs);
}

static void test_one_writer(void **state)
{
    struct replica_use *one, *two;
    fresh(300);
    CHECK_OK(replicas_write(rs, &rel, true, 0, &one, &err), &err);
    CHECK_FAILS(replicas_write(rs, &rel, false, 20, &two, &err), &err, VR_E_BUSY, "running");
    replica_use_end(one);
    CHECK_OK(replicas_write(rs, &rel, false, 0, &two, &err), &err);
    replica_use_end(two);
    replicas_free(rs);
}

static void test_commit_waits_for_readers(void **state)
{
    struct replica_use *writer, *reader, *late;
    struct vr_vm images;
    fresh(300);
    CHECK_OK(replicas_read(rs, &rel, &images, &reader, &err), &err);
    CHECK_OK(replicas_write(rs, &rel, true, 0, &writer, &err), &err);
    assert_false(replicas_commit_gate(writer));
    assert_false(replicas_commit_gate(writer));
    assert_int_equal(preempted, 0); /* five minutes have not passed */
    replica_use_end(reader);
    assert_true(replicas_commit_gate(writer));
    CHECK_FAILS(replicas_read(rs, &rel, &images, &late, &err), &err, VR_E_BUSY, "commit");
    replica_use_end(writer);
    CHECK_OK(replicas_read(rs, &rel, &images, &late, &err), &err);
    replica_use_end(late);
    replicas_free(rs);
}

static void test_commit_preempts_after_its_wait(void **state)
{
    struct replica_use *writer, *reader, *late;
    struct vr_vm images;
    fresh(0);
    CHECK_OK(replicas_read(rs, &rel, &images, &reader, &err), &err);
    CHECK_OK(replicas_write(rs, &rel, true, 0, &writer, &err), &err);
    assert_false(replicas_commit_gate(writer)); /* the wait begins */
    assert_false(replicas_commit_gate(writer));
    assert_false(replicas_commit_gate(writer));
    assert_int_equal(preempted, 1); /* told once */
    CHECK_FAILS(replicas_read(rs, &rel, &images, &late, &err), &err, VR_E_BUSY, "commit");
    replica_use_end(reader);
    assert_true(replicas_commit_gate(writer));
    replica_use_end(writer);
    replicas_free(rs);
}

static void test_refusals(void **state)
{
    struct replica_use *use;
    struct vr_rel other;
    fresh(300);
    other = rel;
    other.vm_id = vr_uuid_new();
    CHECK_FAILS(replicas_write(rs, &other, true, 0, &use, &err), &err, VR_E_CORRUPT, "another VM");
    snprintf(other.storage, sizeof other.storage, "%s/none", dir);
    CHECK_FAILS(replicas_write(rs, &other, true, 0, &use, &err), &err, VR_E_NOT_FOUND, "none");
    replicas_free(rs); /* a failed use left nothing behind */
}

static bool outside_may(const struct vr_vm *images, enum image_lock_mode mode)
{
    int fd = open(images->disks[0].path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    int r = image_lock(fd, mode, "image", NULL);
    close(fd);
    return r == 0;
}

/* Before its first generation it is out of reach under another name. */
static void make_public(struct vr_vm *images)
{
    char hidden[VR_PATH_MAX + 16];
    CHECK_OK(replicas_images(rs, &rel, images, &err), &err);
    snprintf(hidden, sizeof hidden, "%s.unready", images->disks[0].path);
    assert_int_equal(rename(hidden, images->disks[0].path), 0);
}

/* A defined replica VM cannot be started while it is nobody's turn here, but it can be read. */
static void test_a_guard_holds_between_uses(void **state)
{
    struct replica_use *use;
    struct vr_vm images;
    fresh(300);
    assert_false(replicas_guard(rs, &rel, true)); /* out of reach: nothing to hold */
    make_public(&images);
    assert_true(outside_may(&images, IMAGE_LOCK_EXCLUSIVE));
    replicas_guard(rs, &rel, true);
    assert_false(outside_may(&images, IMAGE_LOCK_EXCLUSIVE));
    assert_true(outside_may(&images, IMAGE_LOCK_READ));
    CHECK_OK(replicas_images(rs, &rel, &images, &err), &err); /* who looks changes nothing */
    assert_false(outside_may(&images, IMAGE_LOCK_EXCLUSIVE));
    CHECK_OK(replicas_write(rs, &rel, true, 0, &use, &err), &err);
    assert_false(outside_may(&images, IMAGE_LOCK_READ));
    replica_use_end(use);
    assert_false(outside_may(&images, IMAGE_LOCK_EXCLUSIVE));
    assert_true(outside_may(&images, IMAGE_LOCK_READ));
    replicas_guard(rs, &rel, false);
    assert_true(outside_may(&images, IMAGE_LOCK_EXCLUSIVE));
    replicas_guard(rs, &rel, true);
    CHECK_OK(replicas_write(rs, &rel, true, 0, &use, &err), &err);
    CHECK_OK(replica_release(replica_use_replica(use), &err), &err);
    replica_use_end(use);
    assert_true(outside_may(&images, IMAGE_LOCK_EXCLUSIVE)); /* it is no replica any more */
    replicas_free(rs);
}

/* Somebody writes already: that is found by whoever looks next, and no use fails. */
static void test_a_guard_comes_too_late(void **state)
{
    struct vr_vm images;
    fresh(300);
    make_public(&images);
    int fd = open(images.disks[0].path, O_RDWR | O_CLOEXEC);
    CHECK_OK(image_lock(fd, IMAGE_LOCK_EXCLUSIVE, "image", &err), &err);
    assert_false(replicas_guard(rs, &rel, true));
    close(fd);
    assert_true(outside_may(&images, IMAGE_LOCK_EXCLUSIVE));
    assert_true(replicas_guard(rs, &rel, true));
    assert_false(outside_may(&images, IMAGE_LOCK_EXCLUSIVE));
    replicas_free(rs);
}

/* Whoever reads the image is in the way of a use, and the use that failed leaves it guarded. */
static void test_a_guard_outlives_a_failed_use(void **state)
{
    struct replica_use *use;
    struct vr_vm images;
    fresh(300);
    make_public(&images);
    assert_true(replicas_guard(rs, &rel, true));
    int fd = open(images.disks[0].path, O_RDWR | O_CLOEXEC);
    CHECK_OK(image_lock(fd, IMAGE_LOCK_READ, "image", &err), &err);
    CHECK_FAILS(replicas_write(rs, &rel, true, 0, &use, &err), &err, VR_E_BUSY, "in use");
    close(fd);
    assert_false(outside_may(&images, IMAGE_LOCK_EXCLUSIVE));
    replicas_free(rs);
}

/* Commits until it is done, or until there is no way back. */
static void commit(struct replica *r, bool whole)
{
    struct commit *c;
    struct vr_generation next = {vr_uuid_new(), r->sc.rel.generation.uuid, 1, 1};
    bool done = false;
    CHECK_OK(replica_lock(r, &err), &err);
    CHECK_OK(commit_new(r, &next, NULL, 0, false, &c, &err), &err);
    while (!done && (whole || !commit_has_begun(c))) {
        CHECK_OK(commit_step(c, 0, &done, &err), &err);
    }
    commit_free(c);
    replica_unlock(r);
}

static char followed[VR_TEXT_MAX];
static unsigned nfollowed;

static void on_followed(void *ctx, const struct replica *r)
{
    assert_string_equal(replica_vm(r)->name, "web-1");
    snprintf(followed, sizeof followed, "%s", replica_followed(r));
    nfollowed++;
}

/* Who committed died: whoever opens the replica tells what has become of its disks, once. */
static void test_a_commit_that_recovery_finished(void **state)
{
    struct vr_peer_request req = {.op = VR_PEER_OPEN, .ndisks = 1};
    struct stor *stor;
    struct replica *r;
    struct vr_vm images;
    fresh(300);
    CHECK_OK(stor_dir_open(rel.storage, false, dir, &stor, &err), &err);
    CHECK_OK(replica_open(stor, &r, &err), &err);
    commit(r, true);
    req.disks[0] = r->sc.vm.disks[0];
    req.disks[0].size_bytes += 4096;
    CHECK_OK(replica_lock(r, &err), &err);
    CHECK_OK(replica_follow(r, &req, NULL, &err), &err);
    commit(r, false);
    replica_close(r);
    replicas_on_followed(rs, on_followed, NULL);
    CHECK_OK(replicas_images(rs, &rel, &images, &err), &err);
    assert_int_equal(images.disks[0].size_bytes, (1 << 20) + 4096);
    assert_int_equal(nfollowed, 1);
    assert_string_equal(followed, "vda has 1052672 bytes, it had 1048576");
    CHECK_OK(replicas_images(rs, &rel, &images, &err), &err);
    assert_int_equal(nfollowed, 1);
    replicas_free(rs);
}

int main(void)
{
    vr_assert(mkdtemp(dir));
    const struct CMUnitTest tests[] = {T(test_locks_live_as_long_as_any_use),
                                       T(test_one_writer),
                                       T(test_commit_waits_for_readers),
                                       T(test_commit_preempts_after_its_wait),
                                       T(test_refusals),
                                       T(test_a_guard_holds_between_uses),
                                       T(test_a_guard_comes_too_late),
                                       T(test_a_guard_outlives_a_failed_use),
                                       T(test_a_commit_that_recovery_finished)};
    int r = RUN(tests);
    tmpdir_remove(dir);
    return r;
}
