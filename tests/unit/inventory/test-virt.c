/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Against libvirt's test driver: a second connection of this process shares its domains, so what is
 * done there arrives as events.
 */
#include "inventory/virt.h"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "inventory/virt_conn.h"
#include "inventory/vmset.h"
#include "tests/lib/check.h"
#include "util/fdio.h"

#define WAIT_MS 60000 /* for what takes milliseconds */

static struct vr_err err;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct vmset *seen; /* under lock, as what follows */
static unsigned ups, downs;
static char text[256];

static void on_vm(void *ctx, const struct vr_vm *vm)
{
    pthread_mutex_lock(&lock);
    assert_int_equal(vmset_put(seen, vm, NULL, &err), 0);
    pthread_mutex_unlock(&lock);
}

static void on_gone(void *ctx, const struct vr_uuid *id)
{
    pthread_mutex_lock(&lock);
    assert_true(vmset_remove(seen, id));
    pthread_mutex_unlock(&lock);
}

static void on_state(void *ctx, bool up, const char *why)
{
    pthread_mutex_lock(&lock);
    ups += up;
    downs += !up;
    snprintf(text, sizeof text, "%s", why);
    pthread_mutex_unlock(&lock);
}

static struct virt *start(const char *uri)
{
    struct virt *v;
    struct virt_watcher w = {.vm = on_vm, .gone = on_gone, .state = on_state};
    snprintf(w.uri, sizeof w.uri, "%s", uri);
    ups = downs = 0;
    CHECK_OK(vmset_new(&seen, &err), &err);
    CHECK_OK(virt_start(&w, &v, &err), &err);
    return v;
}

static void end(struct virt *v)
{
    virt_stop(v);
    for (int i = 0; i < WAIT_MS && !virt_ended(v); i++) {
        poll(NULL, 0, 1);
    }
    assert_true(virt_ended(v));
    virt_free(v);
    vmset_free(seen);
}

enum what {
    UP,
    DOWN,
    RUNS,
    OFF,
    GONE
};

static bool holds(enum what what, const char *name)
{
    struct vr_vm vm;
    bool found = false;
    if (what == UP || what == DOWN) {
        return what == UP ? ups > 0 : downs > 0;
    }
    for (size_t i = 0; !found && i < vmset_count(seen); i++) {
        (void)vmset_find(seen, vmset_id_at(seen, i), &vm);
        found = strcmp(vm.name, name) == 0;
    }
    return what == GONE ? !found : found && vm.running == (what == RUNS);
}

static void await(enum what what, const char *name)
{
    bool ok = false;
    for (int i = 0; i < WAIT_MS && !ok; i++) {
        pthread_mutex_lock(&lock);
        ok = holds(what, name);
        pthread_mutex_unlock(&lock);
        poll(NULL, 0, ok ? 0 : 1);
    }
    if (!ok) {
        fail_msg("never came to %d of '%s'; last said: %s", (int)what, name, text);
    }
}

static void test_domains_come_run_and_go(void **state)
{
    static const char xml[] =
        "<domain type='test'><name>new</name><memory>1024</memory><os><type>hvm</type></os>"
        "<devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
        "<source file='/d'/><target dev='vda' bus='virtio'/></disk></devices></domain>";
    virConnectPtr conn;
    virDomainPtr dom;
    struct virt *v = start("test:///default");
    await(UP, "");
    await(RUNS, "test");
    CHECK_OK(virt_connect("test:///default", &conn, &err), &err);
    dom = virDomainDefineXML(conn, xml);
    assert_non_null(dom);
    await(OFF, "new");
    assert_int_equal(virDomainCreate(dom), 0);
    await(RUNS, "new");
    assert_int_equal(virDomainSuspend(dom), 0);
    await(RUNS, "new"); /* a paused one runs, for us */
    assert_int_equal(virDomainDestroy(dom), 0);
    await(OFF, "new");
    assert_int_equal(virDomainUndefine(dom), 0);
    await(GONE, "new");
    virt_domain_free(dom);
    virt_disconnect(conn);
    end(v);
}

static void test_a_prepared_node(void **state)
{
    static const char xml[] =
        "<node><domain type='test'><name>a</name><uuid>8f3c2f0e-7a6b-4b57-9d0e-1f6a2b3c4d5e</uuid>"
        "<memory>1024</memory><os><type>hvm</type></os><devices><disk type='file' device='disk'>"
        "<driver name='qemu' type='raw'/><source file='/vm/a'/><target dev='vda' bus='virtio'/>"
        "</disk><disk type='file' device='cdrom'><driver name='qemu' type='raw'/>"
        "<source file='/iso'/><target dev='hdc' bus='ide'/></disk></devices></domain></node>";
    char path[] = "/tmp/vr-node-XXXXXX", uri[64];
    struct vr_vm vm;
    close(mkstemp(path));
    CHECK_OK(vr_write_file_durable(path, xml, strlen(xml), 0600, &err), &err);
    snprintf(uri, sizeof uri, "test://%s", path);
    struct virt *v = start(uri);
    await(UP, "");
    await(RUNS, "a");
    assert_true(vmset_find(seen, vmset_id_at(seen, 0), &vm));
    assert_int_equal(vmset_count(seen), 1);
    assert_int_equal(vm.ndisks, 2);
    assert_string_equal(vm.disks[0].path, "/vm/a");
    assert_false(vm.disks[0].excluded);
    assert_int_equal(vm.disks[1].left_out, VR_LEFT_OUT_CDROM);
    end(v);
    unlink(path);
}

static void test_nobody_answers(void **state)
{
    struct virt *v = start("qemu:///system?socket=/nonexistent/libvirt-sock");
    await(DOWN, "");
    pthread_mutex_lock(&lock);
    assert_non_null(strstr(text, "cannot connect"));
    assert_int_equal(downs, 1);
    pthread_mutex_unlock(&lock);
    end(v);
}

static void test_versions(void **state)
{
    CHECK_OK(virt_check_version("libvirt", 7006000, VIRT_LIBVIRT_MIN, &err), &err);
    CHECK_FAILS(virt_check_version("libvirt", 7005012, VIRT_LIBVIRT_MIN, &err), &err,
                VR_E_UNSUPPORTED, "libvirt 7.5.12 is too old: 7.6.0 or later is needed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_domains_come_run_and_go), T(test_a_prepared_node),
                                       T(test_nobody_answers), T(test_versions)};
    return RUN(tests);
}
