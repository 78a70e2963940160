/* SPDX-License-Identifier: Apache-2.0 */
/* A host made of files, the host of the test itself, and one that says nothing. */
#include "daemon/hostinfo.h"
#include "tests/lib/check.h"
#include "tests/lib/tmpdir.h"
#include "util/fdio.h"

static char root[64];

static int setup(void **state)
{
    snprintf(root, sizeof root, "/tmp/test-hostinfo-XXXXXX");
    return !mkdtemp(root);
}

static int teardown(void **state)
{
    tmpdir_remove(root);
    return 0;
}

static void put(const char *path, const char *text)
{
    struct vr_err err = VR_ERR_INIT;
    char full[256];
    snprintf(full, sizeof full, "%s%s", root, path);
    char *slash = strrchr(full, '/');
    *slash = '\0';
    CHECK_OK(vr_mkdirs(full, 0700, &err), &err);
    *slash = '/';
    FILE *f = fopen(full, "we");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static struct hostinfo *start(const char *in)
{
    struct hostinfo *h = NULL;
    struct vr_err err = VR_ERR_INIT;
    CHECK_OK(hostinfo_new(in, &h, &err), &err);
    return h;
}

#define THREAD(n, package, cores)                                                                  \
    "processor\t: " n "\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 85\n"              \
    "model name\t: Intel(R) Xeon(R) CPU @ 2.10GHz\nstepping\t: 7\ncpu MHz\t\t: 2099.998\n"         \
    "physical id\t: " package "\ncpu cores\t: " cores "\nflags\t\t: fpu vme hypervisor lm\n\n"

static void test_processors(void **state)
{
    put("/proc/cpuinfo", THREAD("0", "0", "2") THREAD("1", "0", "2") THREAD("2", "3", "1"));
    put("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", "3200000\n");
    struct hostinfo *h = start(root);
    const struct vr_host *host = hostinfo_now(h, 5);
    assert_int_equal(host->npackages, 2);
    assert_int_equal(host->packages[0].threads, 2);
    assert_int_equal(host->packages[0].cores, 2);
    assert_int_equal(host->packages[1].id, 3);
    assert_int_equal(host->packages[1].threads, 1);
    assert_string_equal(host->packages[0].name, "Intel(R) Xeon(R) CPU @ 2.10GHz");
    assert_string_equal(host->packages[1].vendor, "GenuineIntel");
    assert_true(host->packages[0].has_signature);
    assert_int_equal(host->packages[0].model, 85);
    assert_int_equal(host->packages[0].mhz, 2099);
    assert_int_equal(host->packages[0].max_mhz, 3200);
    assert_true(host->has_hypervisor);
    hostinfo_free(h);
}

/* As arm64 lists them: no packages, no cores, no names. */
static void test_processors_without_packages(void **state)
{
    put("/proc/cpuinfo",
        "processor\t: 0\nBogoMIPS\t: 50.00\n\nprocessor\t: 1\nBogoMIPS\t: 50.00\n");
    put("/sys/devices/system/cpu/cpu0/topology/thread_siblings_list", "0-1\n");
    put("/sys/devices/system/cpu/cpu1/topology/thread_siblings_list", "0-1\n");
    struct hostinfo *h = start(root);
    const struct vr_host *host = hostinfo_now(h, 0);
    assert_int_equal(host->npackages, 1);
    assert_int_equal(host->packages[0].threads, 2);
    assert_int_equal(host->packages[0].cores, 1);
    assert_false(host->packages[0].has_signature || host->has_hypervisor);
    assert_string_equal(host->packages[0].name, "");
    hostinfo_free(h);
}

static void test_more_packages_than_there_may_be(void **state)
{
    static char text[VR_PACKAGES_MAX * 64];
    size_t n = 0;
    for (int i = 0; i <= VR_PACKAGES_MAX; i++) {
        n += (size_t)snprintf(text + n, sizeof text - n, "processor: %d\nphysical id: %d\n", i, i);
        assert_true(n < sizeof text);
    }
    put("/proc/cpuinfo", text);
    struct hostinfo *h = start(root);
    assert_int_equal(hostinfo_now(h, 0)->npackages, VR_PACKAGES_MAX);
    hostinfo_free(h);
}

static void test_firmware(void **state)
{
    put("/sys/class/dmi/id/sys_vendor", "  QEMU \n");
    put("/sys/class/dmi/id/product_name", "Standard PC\x01\n");
    put("/sys/class/dmi/id/product_uuid", "00112233-4455-6677-8899-aabbccddeeff\n");
    struct hostinfo *h = start(root);
    const struct vr_host *host = hostinfo_now(h, 0);
    char text[VR_UUID_TEXT_LEN];
    assert_string_equal(host->vendor, "QEMU");
    assert_string_equal(host->product, "Standard PC");
    assert_string_equal(host->serial, "");
    assert_string_equal(vr_uuid_text(&host->uuid, text), "00112233-4455-6677-8899-AABBCCDDEEFF");
    hostinfo_free(h);
}

static void test_os_release(void **state)
{
    put("/etc/os-release",
        "# a comment\nPRETTY_NAME=\"A \\\"quoted\\\" system\"\nVERSION='12 (x=y)'\n"
        "VENDOR_NAME=Example\nID=debian");
    struct hostinfo *h = start(root);
    const struct vr_host *host = hostinfo_now(h, 0);
    assert_string_equal(host->os_name, "A \"quoted\" system");
    assert_string_equal(host->os_version, "12 (x=y)");
    assert_string_equal(host->os_vendor, "Example");
    hostinfo_free(h);
}

/* Read again after a second, not before; and what is gone is not known any more. */
static void test_refresh(void **state)
{
    char path[128];
    put("/proc/meminfo", "MemTotal:       1000 kB\nMemAvailable:    300 kB\nSwapTotal:  0 kB\n");
    struct hostinfo *h = start(root);
    const struct vr_host *host = hostinfo_now(h, 100);
    assert_int_equal(host->memory_kib, 1000);
    assert_int_equal(host->memory_free_kib, 300);
    assert_true(host->memory_known && host->swap_known);
    assert_int_equal(host->swap_kib, 0);
    put("/proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 200 kB\n");
    assert_int_equal(hostinfo_now(h, 100 + HOSTINFO_REFRESH_MS - 1)->memory_free_kib, 300);
    assert_int_equal(hostinfo_now(h, 100 + HOSTINFO_REFRESH_MS)->memory_free_kib, 200);
    assert_false(hostinfo_now(h, 100 + HOSTINFO_REFRESH_MS)->swap_known);
    snprintf(path, sizeof path, "%s/proc/meminfo", root);
    assert_int_equal(remove(path), 0);
    assert_false(hostinfo_now(h, 100 + 2 * HOSTINFO_REFRESH_MS)->memory_known);
    hostinfo_free(h);
}

static void test_nothing_to_read(void **state)
{
    struct hostinfo *h = start(root);
    const struct vr_host *host = hostinfo_now(h, 0);
    assert_false(host->memory_known || host->swap_known);
    assert_string_equal(host->os_name, "");
    assert_string_equal(host->vendor, "");
    assert_true(vr_uuid_is_nil(&host->uuid));
    assert_int_equal(host->npackages, 1);
    assert_true(host->packages[0].threads > 0); /* the C library knows */
    assert_int_equal(host->packages[0].cores, 0);
    hostinfo_free(h);
}

/* A file larger than its limit is not read at all. */
static void test_too_large(void **state)
{
    static char text[HOSTINFO_FILE_MAX_BYTES + 2];
    memset(text, ' ', sizeof text - 1);
    memcpy(text, "MemTotal: 5 kB\n", 15);
    put("/proc/meminfo", text);
    struct hostinfo *h = start(root);
    assert_false(hostinfo_now(h, 0)->memory_known);
    hostinfo_free(h);
}

static void test_this_host(void **state)
{
    struct hostinfo *h = start("");
    const struct vr_host *host = hostinfo_now(h, 0);
    assert_string_equal(host->kernel_name, "Linux");
    assert_true(host->kernel_release[0] && host->machine[0] && host->dns_name[0]);
    assert_true(host->memory_known && host->memory_kib > host->memory_free_kib);
    assert_true(host->npackages >= 1 && host->packages[0].threads >= 1);
    uint64_t boot_us = host->boot_us;
    assert_true(boot_us > 0 && boot_us % 1000000 == 0);
    for (uint64_t ms = 1; ms < 20; ms++) {
        assert_true(hostinfo_now(h, ms * HOSTINFO_REFRESH_MS)->boot_us == boot_us);
    }
    hostinfo_free(h);
}

#define S(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {S(test_processors),
                                       S(test_processors_without_packages),
                                       S(test_more_packages_than_there_may_be),
                                       S(test_firmware),
                                       S(test_os_release),
                                       S(test_refresh),
                                       S(test_nothing_to_read),
                                       S(test_too_large),
                                       S(test_this_host)};
    return RUN(tests);
}
