/* SPDX-License-Identifier: Apache-2.0 */
/* The namespaces beside the one of the product: over no core, nobody asks it here. */
#include "cim/broker.h"
#include "cim/wql.h"
#include "model/model.h"
#include "provider/provider.h"
#include "tests/lib/check.h"
#include "util/num.h"

#define INTEROP "root/interop"
#define CIMV2 "root/cimv2"
#define NOW UINT64_C(1700000000000000)

struct fixture {
    struct provider *p;
    struct cim_broker *b;
    struct cim_arena arena;
    struct cim_status st;
    struct cim_caller who;
    struct cim_instance *last; /* of what was listed */
    unsigned n;
    char names[512]; /* Name of each */
};

/* --- the environment --- */

static struct vr_host host;

static const struct vr_host *the_host(void *ctx)
{
    return &host;
}

static uint64_t now_us(void *ctx)
{
    return NOW;
}

static struct provider_env_ops env = {.now_us = now_us, .host = the_host};

static void fill_host(void)
{
    host = (struct vr_host){.dns_name = "alpha.example",
                            .kernel_name = "Linux",
                            .kernel_release = "6.1.0-18-amd64",
                            .machine = "x86_64",
                            .os_name = "Debian GNU/Linux 12 (bookworm)",
                            .os_version = "12 (bookworm)",
                            .boot_us = NOW - 1000000,
                            .utc_offset_min = -90,
                            .memory_known = true,
                            .swap_known = true,
                            .memory_kib = 1000,
                            .memory_free_kib = 300,
                            .swap_kib = 50,
                            .swap_free_kib = 20,
                            .vendor = "QEMU",
                            .product = "Standard PC",
                            .version = "pc-q35",
                            .serial = "S1",
                            .npackages = 2};
    vr_uuid_parse("00112233-4455-6677-8899-aabbccddeeff", &host.uuid);
    host.packages[0] = (struct vr_package){.name = "Xeon",
                                           .vendor = "GenuineIntel",
                                           .has_signature = true,
                                           .family = 6,
                                           .model = 85,
                                           .stepping = 7,
                                           .cores = 4,
                                           .threads = 8,
                                           .mhz = 2100,
                                           .max_mhz = 3200};
    host.packages[1] = host.packages[0];
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct provider_config config = {.host_name = "alpha"};
    struct vr_err err = VR_ERR_INIT;
    cim_arena_init(&f->arena, 1 << 20);
    fill_host();
    env.host = the_host;
    f->who = (struct cim_caller){.user = "anna", .role = VR_ROLE_VIEWER};
    CHECK_OK(provider_new(&config, NULL, &env, NULL, &f->p, &err), &err);
    f->b = provider_broker(f->p);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    provider_free(f->p);
    cim_arena_deinit(&f->arena);
    free(f);
    return 0;
}

static bool see(void *ctx, const struct cim_instance *i)
{
    struct fixture *f = ctx;
    const struct cim_value *name = cim_get(i, "Name");
    size_t n = strlen(f->names);
    f->n++;
    f->last = cim_instance_copy(&f->arena, i);
    if (name && !name->is_null) {
        snprintf(f->names + n, sizeof f->names - n, "%s ", name->str);
    }
    return true;
}

static void enumerate(struct fixture *f, const char *ns, const char *cls)
{
    f->n = 0;
    f->last = NULL;
    f->names[0] = '\0';
    f->st = (struct cim_status){0};
    cim_broker_enum_instances(f->b, &f->who, ns, cls, see, f, &f->st);
}

static const char *text_of(struct fixture *f, const char *prop)
{
    const struct cim_value *v = cim_get(f->last, prop);
    assert_non_null(v);
    return v->is_null ? "(NULL)" : v->str;
}

static uint64_t number_of(struct fixture *f, const char *prop)
{
    const struct cim_value *v = cim_get(f->last, prop);
    assert_non_null(v);
    assert_false(v->is_null);
    return cim_type_is_signed(v->type) ? (uint64_t)v->s : v->u;
}

static bool is_null(struct fixture *f, const char *prop)
{
    return cim_get(f->last, prop)->is_null;
}

/* Every instance of a namespace is found by the path it is listed with, and its path is whole. */
static void all_by_path(struct fixture *f, const char *ns)
{
    const struct cim_schema *s = cim_broker_schema(f->b, ns, &f->st);
    unsigned found = 0;
    assert_non_null(s);
    for (const struct cim_class *c = s->first; c; c = c->next) {
        if (cim_class_is_abstract(c)) {
            continue;
        }
        enumerate(f, ns, c->name);
        assert_int_equal(f->st.code, CIM_OK);
        if (f->n) {
            struct cim_instance *i = NULL;
            assert_string_equal(f->last->path.ns, ns);
            for (uint32_t k = 0; k < f->last->path.nkeys; k++) {
                assert_false(f->last->path.keys[k].value.is_null);
            }
            cim_broker_get_instance(f->b, &f->who, ns, &f->last->path, &f->arena, &i, &f->st);
            assert_int_equal(f->st.code, CIM_OK);
            assert_true(cim_path_eq(&i->path, &f->last->path));
            struct cim_path other = f->last->path;
            other.keys[0].value = cim_str("another");
            cim_broker_get_instance(f->b, &f->who, ns, &other, &f->arena, &i, &f->st);
            assert_int_equal(f->st.code, CIM_ERR_NOT_FOUND);
            found++;
        }
    }
    assert_true(found >= 2);
}

static void test_interop(void **state)
{
    struct fixture *f = *state;
    enumerate(f, INTEROP, "CIM_ObjectManager");
    assert_int_equal(f->n, 1);
    assert_string_equal(text_of(f, "ElementName"), "vmreplica");
    assert_non_null(strstr(text_of(f, "Description"), " version 0."));
    assert_string_equal(text_of(f, "Name"), "vmreplica:alpha");
    assert_string_equal(text_of(f, "SystemName"), "alpha");
    enumerate(f, INTEROP, "CIM_RegisteredProfile");
    assert_int_equal(f->st.code, CIM_OK);
    assert_int_equal(f->n, 0);
    all_by_path(f, INTEROP);
}

/* It names what is served, no more and no less. */
static void test_namespaces(void **state)
{
    struct fixture *f = *state;
    char names[sizeof f->names];
    enumerate(f, INTEROP, "CIM_Namespace");
    assert_string_equal(f->names, "root/virtualization/v2 root/interop root/cimv2 ");
    snprintf(names, sizeof names, "%s", f->names);
    char *save = NULL;
    for (char *ns = strtok_r(names, " ", &save); ns; ns = strtok_r(NULL, " ", &save)) {
        assert_non_null(cim_broker_schema(f->b, ns, &f->st));
    }
    enumerate(f, "root/virtualization/v2", "CIM_Namespace");
    assert_int_equal(f->st.code, CIM_ERR_INVALID_CLASS);
    enumerate(f, INTEROP, "Msvm_ComputerSystem");
    assert_int_equal(f->st.code, CIM_ERR_INVALID_CLASS);
}

static void test_operating_system(void **state)
{
    struct fixture *f = *state;
    enumerate(f, CIMV2, "CIM_OperatingSystem");
    assert_int_equal(f->n, 1);
    assert_string_equal(f->last->cls->name, "Win32_OperatingSystem");
    assert_string_equal(text_of(f, "Caption"), "Debian GNU/Linux 12 (bookworm)");
    assert_string_equal(text_of(f, "Version"), "6.1.0");
    assert_string_equal(text_of(f, "BuildNumber"), "6.1.0-18-amd64");
    assert_string_equal(text_of(f, "OSArchitecture"), "64-bit");
    assert_string_equal(text_of(f, "CSName"), "alpha");
    assert_string_equal(text_of(f, "LocalDateTime"), "20231114221320.000000+000");
    assert_string_equal(text_of(f, "LastBootUpTime"), "20231114221319.000000+000");
    assert_int_equal((int64_t)number_of(f, "CurrentTimeZone"), -90);
    assert_int_equal(number_of(f, "OSType"), 36);
    assert_int_equal(number_of(f, "TotalVisibleMemorySize"), 1000);
    assert_int_equal(number_of(f, "FreeVirtualMemory"), 320);
    assert_true(is_null(f, "Manufacturer") && is_null(f, "ProductType"));
}

static void test_system_and_product(void **state)
{
    struct fixture *f = *state;
    enumerate(f, CIMV2, "CIM_ComputerSystem");
    assert_int_equal(f->n, 1);
    assert_string_equal(text_of(f, "Name"), "alpha");
    assert_int_equal(f->last->path.nkeys, 1); /* "Win32_ComputerSystem.Name='...'" */
    assert_string_equal(text_of(f, "DNSHostName"), "alpha.example");
    assert_string_equal(text_of(f, "SystemType"), "x64-based PC");
    assert_int_equal(number_of(f, "TotalPhysicalMemory"), 1000 * 1024);
    assert_int_equal(number_of(f, "NumberOfProcessors"), 2);
    assert_int_equal(number_of(f, "NumberOfLogicalProcessors"), 16);
    assert_true(is_null(f, "HypervisorPresent"));
    enumerate(f, CIMV2, "CIM_Product");
    assert_int_equal(f->n, 1);
    assert_string_equal(text_of(f, "UUID"), "00112233-4455-6677-8899-AABBCCDDEEFF");
    assert_string_equal(text_of(f, "IdentifyingNumber"), "S1");
    assert_int_equal(f->last->path.nkeys, 3);
}

static void run_query(struct fixture *f, const char *text)
{
    struct cim_wql q;
    f->n = 0;
    f->names[0] = '\0';
    f->st = (struct cim_status){0};
    cim_broker_query(f->b, CIMV2, "WQL", text, &f->arena, &q, &f->st);
    if (f->st.code == CIM_OK) {
        cim_broker_run_query(f->b, &f->who, CIMV2, &q, see, f, &f->st);
    }
    if (f->st.code) {
        fail_msg("%s: %s", text, f->st.text);
    }
}

/* As libvirt asks, and what it reads. */
static void test_processors(void **state)
{
    struct fixture *f = *state;
    run_query(f, "SELECT * FROM Win32_Processor");
    assert_int_equal(f->n, 2);
    assert_string_equal(text_of(f, "DeviceID"), "CPU1");
    assert_string_equal(text_of(f, "Caption"), "x86_64 Family 6 Model 85 Stepping 7");
    assert_string_equal(text_of(f, "Manufacturer"), "GenuineIntel");
    assert_int_equal(number_of(f, "MaxClockSpeed"), 3200);
    assert_int_equal(number_of(f, "CurrentClockSpeed"), 2100);
    assert_int_equal(number_of(f, "NumberOfCores"), 4);
    assert_int_equal(number_of(f, "NumberOfLogicalProcessors"), 8);
    assert_int_equal(number_of(f, "Architecture"), 9);
    assert_int_equal(number_of(f, "Revision"), 85 << 8 | 7);
    run_query(f, "ASSOCIATORS OF {Win32_ComputerSystem.Name='ALPHA'} "
                 "WHERE AssocClass = Win32_ComputerSystemProcessor ResultClass = Win32_Processor");
    assert_string_equal(f->names, "Xeon Xeon ");
    run_query(f, "ASSOCIATORS OF {Win32_Processor.DeviceID='CPU1'}");
    assert_string_equal(f->names, "alpha ");
    run_query(f, "SELECT * FROM Win32_ComputerSystem ");
    assert_int_equal(f->n, 1);
}

/* What the host does not say is NULL, keys are empty, and every instance is still there. */
static void test_silent_host(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 2; i++) {
        host = (struct vr_host){.kernel_name = "Linux", .npackages = 1};
        enumerate(f, CIMV2, "Win32_OperatingSystem");
        assert_string_equal(text_of(f, "Name"), env.host ? "Linux" : "");
        assert_true(is_null(f, "Version") && is_null(f, "OSArchitecture"));
        assert_true(is_null(f, "TotalVisibleMemorySize") && is_null(f, "LastBootUpTime"));
        assert_true(is_null(f, "FreeVirtualMemory") && is_null(f, "SizeStoredInPagingFiles"));
        enumerate(f, CIMV2, "Win32_ComputerSystem");
        assert_true(is_null(f, "TotalPhysicalMemory") && is_null(f, "Manufacturer"));
        assert_true(is_null(f, "NumberOfLogicalProcessors") && is_null(f, "SystemType"));
        enumerate(f, CIMV2, "Win32_ComputerSystemProduct");
        assert_string_equal(text_of(f, "IdentifyingNumber"), "");
        assert_string_equal(text_of(f, "UUID"), "00000000-0000-0000-0000-000000000000");
        assert_true(is_null(f, "Vendor"));
        enumerate(f, CIMV2, "Win32_Processor");
        assert_int_equal(f->n, env.host ? 1 : 0);
        env.host = NULL;
    }
}

static void test_cimv2_paths(void **state)
{
    all_by_path(*state, CIMV2);
}

/* Superclass, keys, and how many properties, inherited ones included, as documented. */
static void test_classes(void **state)
{
    static const struct {
        const char *name, *super, *keys;
        unsigned nprops;
    } rows[] = {
        {"Win32_OperatingSystem", "CIM_OperatingSystem", "Name ", 66},
        {"Win32_ComputerSystem", "CIM_UnitaryComputerSystem", "Name ", 64},
        {"Win32_ComputerSystemProduct", "CIM_Product", "IdentifyingNumber Name Version ", 8},
        {"Win32_Processor", "CIM_Processor", "DeviceID ", 57},
        {"Win32_ComputerSystemProcessor", "Win32_SystemDevices", "GroupComponent PartComponent ",
         2},
    };
    struct fixture *f = *state;
    const struct cim_schema *s = cim_broker_schema(f->b, CIMV2, &f->st);
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        const struct cim_class *c = cim_schema_class(s, rows[i].name);
        char keys[64] = "";
        assert_non_null(c);
        for (uint32_t k = 0; k < c->nprops; k++) {
            size_t n = strlen(keys);
            if (cim_feature_has(&c->props[k], "Key")) {
                snprintf(keys + n, sizeof keys - n, "%s ", c->props[k].name);
            }
        }
        assert_string_equal(c->super->name, rows[i].super);
        assert_string_equal(keys, rows[i].keys);
        assert_int_equal(c->nprops, rows[i].nprops);
    }
}

static void test_no_role(void **state)
{
    struct fixture *f = *state;
    f->who.role = VR_ROLE_NONE;
    enumerate(f, INTEROP, "CIM_Namespace");
    assert_int_equal(f->st.code, CIM_ERR_ACCESS_DENIED);
    assert_int_equal(f->n, 0);
    enumerate(f, CIMV2, "Win32_OperatingSystem");
    assert_int_equal(f->st.code, CIM_ERR_ACCESS_DENIED);
}

#define S(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {S(test_interop),          S(test_namespaces),
                                       S(test_operating_system), S(test_system_and_product),
                                       S(test_processors),       S(test_silent_host),
                                       S(test_cimv2_paths),      S(test_classes),
                                       S(test_no_role)};
    return RUN(tests);
}
