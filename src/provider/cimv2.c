/* SPDX-License-Identifier: Apache-2.0 */
/*
 * root/cimv2: this host, as management clients ask before they ask for anything else. What the
 * environment does not know is NULL, and "" where it is a key.
 */
#include <stdio.h>
#include <string.h>

#include "provider/internal.h"
#include "util/num.h"

#define SYSTEM_CLASS "Win32_ComputerSystem"
#define PROCESSOR_CLASS "Win32_Processor"
#define OSTYPE_LINUX 36
#define AVAILABILITY_RUNNING 3
#define STATUS_INFO_ENABLED 3
#define CPU_ENABLED 1
#define CENTRAL_PROCESSOR 3
#define NO_VALUE UINT16_MAX

/* Numbers of Win32_Processor.Architecture, and what else follows from what uname says. */
static const struct machine {
    const char *name;
    uint16_t architecture; /* NO_VALUE: it has none for this */
    uint16_t bits;
    const char *system_type;
} machines[] = {
    {"x86_64", 9, 64, "x64-based PC"},
    {"i686", 0, 32, "x86-based PC"},
    {"aarch64", 12, 64, "ARM64-based PC"},
    {"armv7l", 5, 32, "ARM-based PC"},
    {"ppc64le", 3, 64, NULL},
    {"s390x", NO_VALUE, 64, NULL},
    {"riscv64", NO_VALUE, 64, NULL},
    {"loongarch64", NO_VALUE, 64, NULL},
};

static const struct vr_host *host_of(const struct provider_list *l)
{
    static const struct vr_host silent;
    return l->p->env->host ? l->p->env->host(l->p->env_ctx) : &silent;
}

static const struct machine *machine_of(const struct vr_host *h)
{
    for (size_t i = 0; i < VR_COUNT(machines); i++) {
        if (strcmp(machines[i].name, h->machine) == 0) {
            return &machines[i];
        }
    }
    return NULL;
}

static void set_text(struct cim_instance *i, const char *name, const char *text)
{
    cim_set(i, name, cim_str(text && *text ? text : NULL));
}

static void set_number(struct cim_instance *i, const char *name, enum cim_type t, uint64_t n)
{
    cim_set(i, name, n ? cim_uint(t, n) : cim_null(t));
}

static struct cim_value sint16(int16_t n)
{
    return (struct cim_value){.type = CIM_SINT16, .s = n};
}

/* --- Win32_OperatingSystem --- */

/* The kernel's number, "6.1.0" of "6.1.0-18-amd64": clients read three numbers. */
static const char *version_of(struct cim_arena *a, const struct vr_host *h)
{
    size_t n = strspn(h->kernel_release, "0123456789.");
    while (n && h->kernel_release[n - 1] == '.') {
        n--;
    }
    return n ? cim_strndup(a, h->kernel_release, n) : NULL;
}

static void set_memory(struct cim_instance *i, const struct vr_host *h)
{
    if (h->memory_known) {
        cim_set(i, "FreePhysicalMemory", cim_uint(CIM_UINT64, h->memory_free_kib));
        cim_set(i, "TotalVisibleMemorySize", cim_uint(CIM_UINT64, h->memory_kib));
    }
    if (h->swap_known) {
        cim_set(i, "FreeSpaceInPagingFiles", cim_uint(CIM_UINT64, h->swap_free_kib));
        cim_set(i, "SizeStoredInPagingFiles", cim_uint(CIM_UINT64, h->swap_kib));
    }
    if (h->memory_known && h->swap_known) {
        cim_set(i, "FreeVirtualMemory",
                cim_uint(CIM_UINT64, h->memory_free_kib + h->swap_free_kib));
        cim_set(i, "TotalVirtualMemorySize", cim_uint(CIM_UINT64, h->memory_kib + h->swap_kib));
    }
}

static void list_os(struct provider_list *l)
{
    const struct vr_host *h = host_of(l);
    const struct machine *m = machine_of(h);
    struct cim_arena *a = &l->arena;
    struct cim_instance *i = cim_instance_new(a, l->cls);
    const char *name = h->os_name[0] ? h->os_name : h->kernel_name;
    set_text(i, "Caption", name);
    cim_set(i, "Name", cim_str(name));
    cim_set(i, "Status", cim_str("OK"));
    cim_set(i, "CreationClassName", cim_str("Win32_OperatingSystem"));
    cim_set(i, "CSCreationClassName", cim_str(SYSTEM_CLASS));
    cim_set(i, "CSName", cim_str(l->p->config.host_name));
    cim_set(i, "CurrentTimeZone", sint16(h->utc_offset_min));
    cim_set(i, "Distributed", cim_bool(false));
    set_memory(i, h);
    cim_set(i, "LastBootUpTime", cim_time(a, h->boot_us));
    cim_set(i, "LocalDateTime", cim_time(a, l->p->env->now_us(l->p->env_ctx)));
    cim_set(i, "OSType", cim_uint(CIM_UINT16, OSTYPE_LINUX));
    set_text(i, "OtherTypeDescription", h->os_version);
    set_text(i, "Version", version_of(a, h));
    set_text(i, "BuildNumber", h->kernel_release);
    set_text(i, "Manufacturer", h->os_vendor);
    set_text(i, "OSArchitecture", !m ? NULL : m->bits == 64 ? "64-bit" : "32-bit");
    cim_set(i, "Primary", cim_bool(true));
    cim_instance_make_path(i, PROVIDER_NS_CIMV2);
    provider_list_one(l, i);
}

/* --- Win32_ComputerSystem, Win32_ComputerSystemProduct --- */

static void list_system(struct provider_list *l)
{
    const struct vr_host *h = host_of(l);
    const struct machine *m = machine_of(h);
    struct cim_instance *i = cim_instance_new(&l->arena, l->cls);
    uint32_t threads = 0;
    for (uint32_t k = 0; k < h->npackages; k++) {
        threads += h->packages[k].threads;
    }
    cim_set(i, "Caption", cim_str(l->p->config.host_name));
    cim_set(i, "Name", cim_str(l->p->config.host_name));
    cim_set(i, "Status", cim_str("OK"));
    cim_set(i, "CreationClassName", cim_str(SYSTEM_CLASS));
    cim_set(i, "CurrentTimeZone", sint16(h->utc_offset_min));
    set_text(i, "DNSHostName", h->dns_name);
    cim_set(i, "HypervisorPresent", h->has_hypervisor ? cim_bool(true) : cim_null(CIM_BOOLEAN));
    set_text(i, "Manufacturer", h->vendor);
    set_text(i, "Model", h->product);
    set_number(i, "NumberOfLogicalProcessors", CIM_UINT32, threads);
    set_number(i, "NumberOfProcessors", CIM_UINT32, h->npackages);
    set_text(i, "SystemFamily", h->family);
    set_text(i, "SystemSKUNumber", h->sku);
    set_text(i, "SystemType", m ? m->system_type : NULL);
    set_number(i, "TotalPhysicalMemory", CIM_UINT64, h->memory_kib * 1024);
    cim_instance_make_path(i, PROVIDER_NS_CIMV2);
    provider_list_one(l, i);
}

static void list_product(struct provider_list *l)
{
    const struct vr_host *h = host_of(l);
    struct cim_instance *i = cim_instance_new(&l->arena, l->cls);
    char uuid[VR_UUID_TEXT_LEN];
    cim_set(i, "Caption", cim_str("Computer System Product"));
    cim_set(i, "Description", cim_str("Computer System Product"));
    cim_set(i, "IdentifyingNumber", cim_str(h->serial));
    cim_set(i, "Name", cim_str(h->product));
    set_text(i, "SKUNumber", h->sku);
    set_text(i, "Vendor", h->vendor);
    cim_set(i, "Version", cim_str(h->version));
    /* all zeroes when it is not known: so this class says it, and clients parse it */
    cim_set(i, "UUID", cim_str(cim_strdup(&l->arena, vr_uuid_text(&h->uuid, uuid))));
    cim_instance_make_path(i, PROVIDER_NS_CIMV2);
    provider_list_one(l, i);
}

/* --- Win32_Processor --- */

static const char *device_id(struct cim_arena *a, uint32_t n)
{
    return cim_printf(a, "CPU%u", n);
}

static void set_signature(struct cim_instance *i,
                          struct cim_arena *a,
                          const struct vr_host *h,
                          const struct vr_package *p)
{
    const char *text = cim_printf(a, "%s Family %u Model %u Stepping %u", h->machine, p->family,
                                  p->model, p->stepping);
    cim_set(i, "Caption", cim_str(text));
    cim_set(i, "Description", cim_str(text));
    cim_set(i, "Level", cim_uint(CIM_UINT16, p->family));
    cim_set(i, "Stepping", cim_str(cim_printf(a, "%u", p->stepping)));
    cim_set(i, "Revision", cim_uint(CIM_UINT16, (p->model & 0xffu) << 8 | (p->stepping & 0xffu)));
}

static void set_widths(struct cim_instance *i, const struct machine *m)
{
    cim_set(i, "AddressWidth", cim_uint(CIM_UINT16, m->bits));
    cim_set(i, "DataWidth", cim_uint(CIM_UINT16, m->bits));
    if (m->architecture != NO_VALUE) {
        cim_set(i, "Architecture", cim_uint(CIM_UINT16, m->architecture));
    }
}

static struct cim_instance *
build_processor(struct provider_list *l, const struct vr_host *h, uint32_t n)
{
    const struct vr_package *p = &h->packages[n];
    const struct machine *m = machine_of(h);
    struct cim_arena *a = &l->arena;
    struct cim_instance *i = cim_instance_new(a, l->cls);
    if (p->has_signature) {
        set_signature(i, a, h, p);
    }
    if (m) {
        set_widths(i, m);
    }
    set_text(i, "Name", p->name);
    cim_set(i, "Status", cim_str("OK"));
    cim_set(i, "Availability", cim_uint(CIM_UINT16, AVAILABILITY_RUNNING));
    cim_set(i, "CreationClassName", cim_str(PROCESSOR_CLASS));
    cim_set(i, "DeviceID", cim_str(device_id(a, n)));
    cim_set(i, "StatusInfo", cim_uint(CIM_UINT16, STATUS_INFO_ENABLED));
    cim_set(i, "SystemCreationClassName", cim_str(SYSTEM_CLASS));
    cim_set(i, "SystemName", cim_str(l->p->config.host_name));
    set_number(i, "CurrentClockSpeed", CIM_UINT32, p->mhz);
    set_number(i, "MaxClockSpeed", CIM_UINT32, p->max_mhz);
    cim_set(i, "Role", cim_str("CPU"));
    cim_set(i, "CpuStatus", cim_uint(CIM_UINT16, CPU_ENABLED));
    set_text(i, "Manufacturer", p->vendor);
    set_number(i, "NumberOfCores", CIM_UINT32, p->cores);
    set_number(i, "NumberOfEnabledCore", CIM_UINT32, p->cores);
    set_number(i, "NumberOfLogicalProcessors", CIM_UINT32, p->threads);
    cim_set(i, "ProcessorType", cim_uint(CIM_UINT16, CENTRAL_PROCESSOR));
    set_number(i, "ThreadCount", CIM_UINT32, p->threads);
    cim_instance_make_path(i, PROVIDER_NS_CIMV2);
    return i;
}

static void list_processors(struct provider_list *l)
{
    const struct vr_host *h = host_of(l);
    bool more = true;
    for (uint32_t n = 0; more && n < h->npackages; n++) {
        more = provider_list_one(l, build_processor(l, h, n));
    }
}

static struct cim_path *
new_path(struct cim_arena *a, const char *class_name, const char *key, const char *value)
{
    struct cim_path *p = cim_alloc(a, sizeof *p);
    if (p && value) {
        *p = (struct cim_path){.ns = PROVIDER_NS_CIMV2, .class_name = class_name};
        vr_assert(cim_path_add_key(p, key, cim_str(value)));
    }
    return p;
}

static void list_system_processors(struct provider_list *l)
{
    const struct vr_host *h = host_of(l);
    struct cim_arena *a = &l->arena;
    bool more = true;
    for (uint32_t n = 0; more && n < h->npackages; n++) {
        struct cim_instance *i = cim_instance_new(a, l->cls);
        cim_set(i, "GroupComponent",
                cim_ref(new_path(a, SYSTEM_CLASS, "Name", l->p->config.host_name)));
        cim_set(i, "PartComponent",
                cim_ref(new_path(a, PROCESSOR_CLASS, "DeviceID", device_id(a, n))));
        cim_instance_make_path(i, PROVIDER_NS_CIMV2);
        more = provider_list_one(l, i);
    }
}

#define SOURCE "/proc, /sys, /etc/os-release, uname"
const struct provider_class provider_cimv2[PROVIDER_CIMV2_CLASSES] = {
    {.name = "Win32_OperatingSystem", .source = SOURCE, .list = list_os},
    {.name = SYSTEM_CLASS, .source = SOURCE, .list = list_system},
    {.name = "Win32_ComputerSystemProduct", .source = "/sys/class/dmi/id", .list = list_product},
    {.name = PROCESSOR_CLASS, .source = SOURCE, .list = list_processors},
    {.name = "Win32_ComputerSystemProcessor", .source = SOURCE, .list = list_system_processors},
};
