/* SPDX-License-Identifier: Apache-2.0 */
#include "inventory/backup_xml.h"
#include "tests/lib/check.h"

static struct vr_err err;

static void test_a_job(void **state)
{
    char *xml;
    const bool none[VR_DISKS_MAX] = {0};
    struct vr_vm vm = {.ndisks = 3};
    snprintf(vm.disks[0].name, VR_NAME_MAX, "vda");
    snprintf(vm.disks[1].name, VR_NAME_MAX, "vdb");
    snprintf(vm.disks[2].name, VR_NAME_MAX, "sdc");
    vm.disks[1].excluded = true;
    CHECK_OK(backup_xml_make(&vm, "/d/a&b's.sock", "/d/a&b's", "", none, &xml, &err), &err);
    assert_non_null(strstr(xml, "<domainbackup mode=\"pull\">"));
    assert_non_null(strstr(xml, "<server transport=\"unix\" socket=\"/d/a&amp;b's.sock\"/>"));
    assert_non_null(strstr(xml, "<disk name=\"vda\" backup=\"yes\" type=\"file\" "
                                "backupmode=\"full\"><scratch file=\"/d/a&amp;b's-vda.scratch\"/>"
                                "</disk><disk name=\"sdc\""));
    assert_null(strstr(xml, "vdb"));
    char socket[64];
    assert_true(backup_xml_socket(xml, socket, sizeof socket));
    assert_string_equal(socket, "/d/a&b's.sock");
    free(xml);
}

static void test_a_job_since_a_checkpoint(void **state)
{
    char *xml;
    const bool since[VR_DISKS_MAX] = {[1] = true};
    struct vr_vm vm = {.ndisks = 2};
    snprintf(vm.disks[0].name, VR_NAME_MAX, "vda");
    snprintf(vm.disks[1].name, VR_NAME_MAX, "vdb");
    CHECK_OK(backup_xml_make(&vm, "/d/s", "/d/x", "cp-1", since, &xml, &err), &err);
    assert_null(strstr(xml, "<incremental>"));
    assert_non_null(strstr(xml, "name=\"vda\" backup=\"yes\" type=\"file\" backupmode=\"full\">"));
    assert_non_null(strstr(xml, "name=\"vdb\" backup=\"yes\" type=\"file\" "
                                "backupmode=\"incremental\" incremental=\"cp-1\">"));
    free(xml);
}

static void test_a_checkpoint(void **state)
{
    char *xml;
    const bool tracked[VR_DISKS_MAX] = {[0] = true, [2] = true};
    const uint64_t size[VR_DISKS_MAX] = {1 << 20, 2 << 20, 123456789};
    uint64_t got = 0;
    struct vr_vm vm = {.ndisks = 3};
    snprintf(vm.disks[0].name, VR_NAME_MAX, "vda");
    snprintf(vm.disks[1].name, VR_NAME_MAX, "vdb");
    snprintf(vm.disks[2].name, VR_NAME_MAX, "a");
    CHECK_OK(checkpoint_xml_make(&vm, "vmreplica-x", tracked, size, &xml, &err), &err);
    assert_non_null(strstr(xml, "<domaincheckpoint><name>vmreplica-x</name><description>"));
    assert_non_null(strstr(xml, "<disk name=\"vdb\" checkpoint=\"no\"/>"));
    assert_true(checkpoint_xml_has(xml, "vda", &got));
    assert_int_equal(got, 1 << 20);
    assert_true(checkpoint_xml_has(xml, "a", &got));
    assert_int_equal(got, 123456789);
    assert_false(checkpoint_xml_has(xml, "vdb", &got));
    assert_false(checkpoint_xml_has(xml, "vdc", &got));
    free(xml);
}

static void test_one_bitmap_of_a_checkpoint(void **state)
{
    static const char xml[] =
        "<domaincheckpoint><name>x</name><parent><name>w</name></parent><creationTime>5</"
        "creationTime>"
        "<disks><disk name='vda' checkpoint='bitmap' bitmap='x'/><disk name='vdb' checkpoint='no'/>"
        "<disk name='vdc' checkpoint='bitmap' bitmap='x'/></disks></domaincheckpoint>";
    char *alone = NULL;
    assert_true(checkpoint_xml_alone(xml, 1, &alone));
    assert_non_null(strstr(alone, "<name>x</name><creationTime>5</creationTime>"));
    assert_non_null(strstr(alone, "<disk name=\"vda\" checkpoint=\"no\"/>"));
    assert_non_null(strstr(alone, "<disk name=\"vdc\" checkpoint=\"bitmap\" bitmap=\"x\"/>"));
    free(alone);
    assert_false(checkpoint_xml_alone(xml, 2, &alone));
    assert_false(checkpoint_xml_alone("<domaincheckpoint/>", 0, &alone));
    assert_false(checkpoint_xml_alone("", 0, &alone));
}

/* Without the size nobody knows what of the disk is new. */
static void test_checkpoints_of_others(void **state)
{
    static const char *const cases[] = {
        "",
        "<domaincheckpoint/>",
        "<domaincheckpoint><disks><disk name='vda' "
        "checkpoint='bitmap'/></disks></domaincheckpoint>",
        "<domaincheckpoint><description>x; vda=</description><disks><disk name='vda' "
        "checkpoint='bitmap'/></disks></domaincheckpoint>",
        "<domaincheckpoint><description>x; vda=0</description><disks><disk name='vda' "
        "checkpoint='bitmap'/></disks></domaincheckpoint>",
        "<domaincheckpoint><description>x; vda=99999999999999999999</description><disks><disk "
        "name='vda' checkpoint='bitmap'/></disks></domaincheckpoint>",
        "<domaincheckpoint><description>x; vda=5</description><disks><disk name='vda' "
        "checkpoint='no'/></disks></domaincheckpoint>",
        "<domaincheckpoint><description>x; vda=5</description></domaincheckpoint>",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t size;
        assert_false(checkpoint_xml_has(cases[i], "vda", &size));
    }
}

static void test_the_sockets_of_others(void **state)
{
    static const struct {
        const char *xml, *socket;
    } cases[] = {
        {"<domainbackup mode='pull'><server transport='unix' socket='/s'/></domainbackup>", "/s"},
        {"<domainbackup><server transport='tcp' name='h' port='1'/></domainbackup>", ""},
        {"<domainbackup mode='push'/>", ""},
        {"", ""},
        {"<domainbackup", ""},
        {"<!DOCTYPE d [<!ENTITY x 'y'>]><d><server socket='&x;'/></d>", ""},
        {"<d><server socket='/longer than sixteen bytes'/></d>", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char socket[16] = "";
        bool found = backup_xml_socket(cases[i].xml, socket, sizeof socket);
        assert_int_equal(found, cases[i].socket[0] != '\0');
        assert_string_equal(socket, cases[i].socket);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_a_job),
                                       T(test_a_job_since_a_checkpoint),
                                       T(test_a_checkpoint),
                                       T(test_one_bitmap_of_a_checkpoint),
                                       T(test_checkpoints_of_others),
                                       T(test_the_sockets_of_others)};
    return RUN(tests);
}
