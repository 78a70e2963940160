/* SPDX-License-Identifier: Apache-2.0 */
/* Definitions of replica VMs, against libvirt's test driver: connections of this process share its
 * domains. */
#include "inventory/definition.h"

#include <fcntl.h>
#include <unistd.h>

#include "inventory/virt_conn.h"
#include "tests/lib/check.h"
#include "tests/lib/tmpdir.h"
#include "util/fdio.h"

#define URI "test:///default"
#define ID "8f3c2f0e-7a6b-4b57-9d0e-1f6a2b3c4d5e"
#define XML(name, uuid, os, memory)                                                                \
    "<domain type='test'><name>" name "</name><uuid>" uuid "</uuid>"                               \
    "<memory unit='MiB'>" memory "</memory><os><type>hvm</type>" os "</os><devices>"               \
    "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/p/a'/>"        \
    "<target dev='vda' bus='virtio'/></disk>"                                                      \
    "<interface type='network'><source network='gone'/></interface>"                               \
    "<graphics type='vnc' passwd='secret'/></devices></domain>"

static struct vr_err err;
static struct definer *definer;
static virConnectPtr conn;
static struct vr_vm images = {
    .ndisks = 1, .disks = {{.name = "vda", .format = "qcow2", .path = "/r/vda.qcow2"}}};
static struct vr_defined said;

static int start(void **state)
{
    CHECK_OK(definer_open(URI, "/usr/share:/boot", &definer, &err), &err);
    CHECK_OK(virt_connect(URI, &conn, &err), &err);
    return 0;
}

static int stop(void **state)
{
    definer_close(definer);
    virt_disconnect(conn);
    return 0;
}

static void define(const char *xml)
{
    const struct vr_definition d = {.xml = xml, .xml_len = (uint32_t)strlen(xml)};
    struct define_params p = {.number = 0, .directory = "/r", .images = &images, .definition = &d};
    assert_true(vr_uuid_parse(ID, &p.vm));
    CHECK_OK(definer_define(definer, &p, &said, &err), &err);
}

static char *xml_of(const char *name)
{
    _cleanup_(virt_domain_freep) virDomainPtr dom = virDomainLookupByName(conn, name);
    return dom ? virDomainGetXMLDesc(dom, VIR_DOMAIN_XML_INACTIVE) : NULL;
}

static void has(const char *part, bool want)
{
    _cleanup_(vr_freep) char *xml = xml_of("web");
    assert_non_null(xml);
    assert_int_equal(strstr(xml, part) != NULL, want);
}

static void remove_it(bool keep, bool want_kept)
{
    struct vr_uuid id;
    bool kept;
    assert_true(vr_uuid_parse(ID, &id));
    CHECK_OK(definer_remove(definer, &id, keep, &kept, &err), &err);
    assert_int_equal(kept, want_kept);
    char *xml = xml_of("web");
    assert_int_equal(xml != NULL, want_kept);
    free(xml);
}

static void undefine(const char *name)
{
    _cleanup_(virt_domain_freep) virDomainPtr dom = virDomainLookupByName(conn, name);
    assert_non_null(dom);
    (void)virDomainDestroy(dom);
    assert_int_equal(virDomainUndefine(dom), 0);
}

static void test_defined_and_removed(void **state)
{
    bool ours, running;
    char directory[VR_PATH_MAX];
    struct vr_uuid id;
    assert_true(vr_uuid_parse(ID, &id));
    define(XML("web", ID, "", "64"));
    assert_int_equal(said.state, VR_DEFINED_DONE);
    assert_int_equal(said.notes.n, 1);
    assert_int_equal(said.notes.note[0].why, VR_NOTE_NETWORK);
    has("<source file='/r/vda.qcow2'/>", true);
    has("urn:vmreplica:replica:1", true);
    CHECK_OK(definer_look(definer, &id, &ours, &running, directory, &err), &err);
    assert_true(ours && !running);
    assert_string_equal(directory, "/r");
    remove_it(false, false);
    remove_it(false, false);
    CHECK_OK(definer_look(definer, &id, &ours, &running, directory, &err), &err);
    assert_true(!ours && !running);
}

/* What a person changed stays, until the primary's definition changes. */
static void test_changes_of_a_person(void **state)
{
    define(XML("web", ID, "", "64"));
    char *xml = xml_of("web"), *at = strstr(xml, "vda.qcow2");
    assert_non_null(at);
    memcpy(at, "own.qcow2", 9);
    virDomainPtr dom = virDomainDefineXML(conn, xml);
    assert_non_null(dom);
    virt_domain_free(dom);
    free(xml);
    define(XML("web", ID, "", "64"));
    has("own.qcow2", true);
    define(XML("web", ID, "", "128"));
    has("own.qcow2", false);
    remove_it(false, false);
}

static void test_one_that_runs_is_left_alone(void **state)
{
    define(XML("web", ID, "", "64"));
    virDomainPtr dom = virDomainLookupByName(conn, "web");
    assert_int_equal(virDomainCreate(dom), 0);
    define(XML("web", ID, "", "128"));
    assert_int_equal(said.state, VR_DEFINED_USED);
    assert_true(said.running);
    remove_it(false, true); /* only the mark goes */
    has("urn:vmreplica:replica:1", false);
    virt_domain_free(dom);
    undefine("web");
}

static void test_kept_after_a_failover(void **state)
{
    define(XML("web", ID, "", "64"));
    remove_it(true, true);
    has("urn:vmreplica:replica:1", false);
    remove_it(false, true); /* it is none of ours any more */
    define(XML("web", ID, "", "64"));
    assert_int_equal(said.state, VR_DEFINED_FAILED);
    assert_non_null(strstr(said.text, "of the same UUID"));
    undefine("web");
}

static void test_foreign_domains(void **state)
{
    virDomainPtr dom =
        virDomainDefineXML(conn, XML("web", "7f3c2f0e-7a6b-4b57-9d0e-1f6a2b3c4d5e", "", "64"));
    assert_non_null(dom);
    define(XML("web", ID, "", "64"));
    assert_int_equal(said.state, VR_DEFINED_FAILED);
    assert_non_null(strstr(said.text, "has the name 'web'"));
    has("7f3c2f0e", true);
    virt_domain_free(dom);
    undefine("web");
    define(XML("web", "7f3c2f0e-7a6b-4b57-9d0e-1f6a2b3c4d5e", "", "64"));
    assert_int_equal(said.state, VR_DEFINED_FAILED);
    assert_non_null(strstr(said.text, "another virtual machine"));
}

/* What libvirt does not take is told, and is no error. */
static void test_libvirt_refuses(void **state)
{
    define("<domain type='test'><name>web</name><uuid>" ID "</uuid><os><type>hvm</type></os>"
           "<devices><disk type='file' device='disk'><target dev='vda' bus='no'/></disk></devices>"
           "</domain>");
    assert_int_equal(said.state, VR_DEFINED_FAILED);
    assert_non_null(strstr(said.text, "cannot be defined"));
}

/* --- reading --- */

static void read_one(const char *nvram, enum vr_nvram want, uint32_t len)
{
    struct read_definition d;
    char xml[2048];
    struct vr_uuid id;
    assert_true(vr_uuid_parse(ID, &id));
    snprintf(xml, sizeof xml, XML("web", ID, "%s", "64"), nvram);
    virDomainPtr dom = virDomainDefineXML(conn, xml);
    assert_non_null(dom);
    virt_domain_free(dom);
    CHECK_OK(definition_read(URI, &id, &d, &err), &err);
    assert_int_equal(d.d.nvram_state, want);
    assert_int_equal(d.d.nvram_len, len);
    assert_int_equal(d.d.xml_len, strlen(d.xml));
    assert_null(strstr(d.xml, "secret"));
    read_definition_free(&d);
    undefine("web");
}

static void test_reading(void **state)
{
    char dir[64], path[80], nvram[256];
    struct read_definition d;
    struct vr_uuid id;
    snprintf(dir, sizeof dir, "/tmp/vr-definer-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/vars", dir);
    snprintf(nvram, sizeof nvram,
             "<loader readonly='yes' type='pflash'>/fw</loader><nvram>%s</nvram>", path);
    read_one("", VR_NVRAM_NONE, 0);
    read_one(nvram, VR_NVRAM_NONE, 0); /* it never started */
    CHECK_OK(vr_write_file_durable(path, "variables", 9, 0600, &err), &err);
    read_one(nvram, VR_NVRAM_CARRIED, 9);
    assert_int_equal(truncate(path, VR_NVRAM_MAX), 0);
    read_one(nvram, VR_NVRAM_CARRIED, VR_NVRAM_MAX);
    assert_int_equal(truncate(path, VR_NVRAM_MAX + 1), 0);
    read_one(nvram, VR_NVRAM_TOO_LARGE, 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    read_one(nvram, VR_NVRAM_UNREADABLE, 0);
    tmpdir_remove(dir);
    assert_true(vr_uuid_parse(ID, &id));
    CHECK_FAILS(definition_read(URI, &id, &d, &err), &err, VR_E_NOT_FOUND, "definition of the VM");
    CHECK_FAILS(definition_read("test:///none", &id, &d, &err), &err, VR_E_IO, "");
}

int main(void)
{
#define S(t) cmocka_unit_test_setup_teardown(t, start, stop)
    const struct CMUnitTest tests[] = {S(test_defined_and_removed),
                                       S(test_changes_of_a_person),
                                       S(test_one_that_runs_is_left_alone),
                                       S(test_kept_after_a_failover),
                                       S(test_foreign_domains),
                                       S(test_libvirt_refuses),
                                       S(test_reading)};
    return RUN(tests);
}
