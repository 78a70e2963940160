/* SPDX-License-Identifier: Apache-2.0 */
#include "inventory/backup_xml.h"
#include "tests/lib/check.h"

static struct vr_err err;

static void test_a_job(void **state)
{
    char *xml;
    struct vr_vm vm = {.ndisks = 3};
    snprintf(vm.disks[0].name, VR_NAME_MAX, "vda");
    snprintf(vm.disks[1].name, VR_NAME_MAX, "vdb");
    snprintf(vm.disks[2].name, VR_NAME_MAX, "sdc");
    vm.disks[1].excluded = true;
    CHECK_OK(backup_xml_make(&vm, "/d/a&b's.sock", "/d/a&b's", &xml, &err), &err);
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
    const struct CMUnitTest tests[] = {T(test_a_job), T(test_the_sockets_of_others)};
    return RUN(tests);
}
