/* SPDX-License-Identifier: Apache-2.0 */
/* The instances of a host with a thousand VMs, over the real core: their values, and the links
 * between them. */
#include "core/service.h"
#include "provider/internal.h"
#include "tests/lib/check.h"
#include "util/num.h"

#define NOW 1900000000000000ull
#define VMS 1000     /* of the inventory; every second one is replicated */
#define REPLICAS 10  /* and those of others that this host holds */
#define AUTHS 40     /* authorization entries */
#define JOBS 600     /* three for each of the first 200 VMs */
#define FEW_LINKS 32 /* what is built for one VM, its relationships, settings and jobs */

static struct {
    struct core *core;
    struct provider *p;
    struct cim_broker *broker;
    struct cim_arena arena;
    uint64_t built;
} w;

static struct vr_uuid vm_id(unsigned n)
{
    struct vr_uuid id = {.b = {(uint8_t)(n >> 8), (uint8_t)n, 1, 2, 3, 4, 0x40, 0, 0x80}};
    return id;
}

/* --- the environment --- */

static uint64_t now_us(void *ctx)
{
    return NOW;
}

static void describe(unsigned n, struct vr_vm *ret)
{
    *ret = (struct vr_vm){.id = vm_id(n), .ndisks = 2};
    snprintf(ret->name, sizeof ret->name, "vm-%u", n);
    for (unsigned i = 0; i < ret->ndisks; i++) {
        struct vr_disk *d = &ret->disks[i];
        snprintf(d->name, sizeof d->name, "vd%c", 'a' + (int)i);
        snprintf(d->path, sizeof d->path, "/srv/vm-%u/vd%c.qcow2", n, 'a' + (int)i);
        snprintf(d->format, sizeof d->format, "qcow2");
    }
    ret->disks[0].size_bytes = 10737418240;
}

static int list_vms(void *ctx, provider_vm_cb cb, void *cb_ctx, struct vr_err *err)
{
    struct vr_vm vm;
    for (unsigned i = 0; i < VMS; i++) {
        describe(i, &vm);
        if (!cb(cb_ctx, &vm)) {
            break;
        }
    }
    return 0;
}

static unsigned number_of(const struct vr_uuid *id)
{
    unsigned n = (unsigned)id->b[0] << 8 | id->b[1];
    struct vr_uuid same = vm_id(n);
    return vr_uuid_eq(&same, id) ? n : VMS + REPLICAS;
}

static int find_vm(void *ctx, const struct vr_uuid *id, struct vr_vm *ret, struct vr_err *err)
{
    unsigned n = number_of(id);
    if (n >= VMS) {
        return vr_fail(err, VR_E_NOT_FOUND, "no such VM");
    }
    describe(n, ret);
    return 0;
}

static int replica_vm(void *ctx, const struct vr_rel *rel, struct vr_vm *ret, struct vr_err *err)
{
    describe(number_of(&rel->vm_id), ret);
    return 0;
}

static const struct provider_env_ops env = {
    .now_us = now_us, .list_vms = list_vms, .find_vm = find_vm, .replica_vm = replica_vm};

static void host_service(void *ctx, struct vr_service *ret)
{
    ret->allowed_authentication = VR_AUTHENTICATION_CERTIFICATE;
    ret->https_port = 8650;
    snprintf(ret->thumbprint, sizeof ret->thumbprint, "0123456789abcdef");
}

static const struct core_env_ops core_env = {.now_us = now_us, .host_service = host_service};

/* --- the world --- */

/* The first jobs failed, each in its own way; then two of an older version, without a kind. */
static void fail_some(unsigned i, struct vr_job *job)
{
    if (i > VR_E_AUTH + 1) {
        return;
    }
    bool older = i >= VR_E_AUTH;
    job->state = VR_JOB_EXCEPTION;
    job->started_us = NOW - 10000000;
    job->finished_us = NOW - 3000000;
    job->error_kind = older ? 0 : (uint8_t)(i + 1);
    job->error_code = i == VR_E_AUTH ? VR_RC_NOT_AVAILABLE
                      : older        ? VR_RC_FAILED
                                     : vr_retcode_of_error((int)i + 1);
    snprintf(job->error_text, sizeof job->error_text, "reason %u", i + 1);
}

static void load(void)
{
    struct vr_err err = VR_ERR_INIT;
    for (unsigned i = 0; i < VMS + REPLICAS; i++) {
        struct vr_rel rel = {.vm_id = vm_id(i),
                             .is_source = i < VMS,
                             .state = VR_REL_REPLICATING,
                             .health = VR_HEALTH_OK,
                             .created_us = NOW - 1000000,
                             .last_sync_us = NOW};
        snprintf(rel.peer_identity, sizeof rel.peer_identity, "beta.example");
        if (i == 6) {
            snprintf(rel.excluded, sizeof rel.excluded, "vda");
        }
        if (i >= VMS || i % 2 == 0) {
            CHECK_OK(core_load_rel(w.core, &rel, &err), &err);
        }
    }
    for (unsigned i = 0; i < AUTHS; i++) {
        struct vr_auth_entry e = {.storage = "/srv/replicas"};
        snprintf(e.host, sizeof e.host, "primary-%u.example", i);
        snprintf(e.trust_group, sizeof e.trust_group, "%s", i % 2 ? "group" : "");
        CHECK_OK(core_load_auth(w.core, &e, &err), &err);
    }
    for (unsigned i = 0; i < JOBS; i++) {
        struct vr_job job = {.id = i + 1,
                             .uuid = {.b = {9, (uint8_t)(i >> 8), (uint8_t)i}},
                             .vm_id = vm_id(i / 3),
                             .type = VR_JOBTYPE_RESYNC,
                             .state = VR_JOB_COMPLETED};
        if (i != JOBS - 2) {
            snprintf(job.vm_name, sizeof job.vm_name, "vm-%u", i / 3);
        }
        snprintf(job.initiator, sizeof job.initiator, "anna");
        fail_some(i, &job);
        CHECK_OK(core_load_job(w.core, &job, &err), &err);
    }
}

static int setup(void **state)
{
    static const struct core_config cc = {.host_name = "alpha", .transfers_max = 1};
    const struct vr_service service = {.recovery_server_enabled = true,
                                       .monitoring_start_s = 9 * 3600 + 30 * 60 + 5,
                                       .monitoring_interval_s = 7200};
    static const struct provider_config pc = {.host_name = "alpha", .job_keep_us = 600000000};
    struct vr_err err = VR_ERR_INIT;
    CHECK_OK(core_new(&cc, &core_env, NULL, &w.core, &err), &err);
    CHECK_OK(provider_new(&pc, w.core, &env, NULL, &w.p, &err), &err);
    w.broker = provider_broker(w.p);
    load();
    CHECK_OK(core_load_service(w.core, &service, &err), &err);
    return 0;
}

static int teardown(void **state)
{
    core_free(w.core);
    provider_free(w.p);
    return 0;
}

static int begin(void **state)
{
    cim_arena_init(&w.arena, 16 << 20);
    return 0;
}

static int end(void **state)
{
    cim_arena_deinit(&w.arena);
    return 0;
}

static const struct cim_caller who = {.user = "anna", .role = VR_ROLE_VIEWER};

static struct cim_path *at(const char *fmt, ...)
{
    char text[512];
    struct vr_err err = VR_ERR_INIT;
    struct cim_path *p = cim_alloc(&w.arena, sizeof *p);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    CHECK_OK(cim_path_parse(&w.arena, text, p, &err), &err);
    return p;
}

static const char *vm_text(unsigned n)
{
    static char text[VR_UUID_TEXT_LEN];
    struct vr_uuid id = vm_id(n);
    return vr_uuid_text(&id, text);
}

static struct cim_path *vm_at(unsigned n)
{
    return at(":Msvm_ComputerSystem.CreationClassName=\"Msvm_ComputerSystem\",Name=\"%s\"",
              vm_text(n));
}

static struct cim_path *rel_at(unsigned n, const char *cls)
{
    return at(":%s.InstanceID=\"Microsoft:%s\\\\HVR\\\\0\"", cls, vm_text(n));
}

static struct cim_path *vssd_at(unsigned n)
{
    return at(":Msvm_VirtualSystemSettingData.InstanceID=\"Microsoft:%s\"", vm_text(n));
}

static struct cim_path *disk_at(unsigned n, const char *disk)
{
    return at(":Msvm_StorageAllocationSettingData.InstanceID=\"Microsoft:%s\\\\%s\"", vm_text(n),
              disk);
}

static struct cim_path *host_at(void)
{
    return at(":Msvm_ComputerSystem.CreationClassName=\"Msvm_ComputerSystem\",Name=\"alpha\"");
}

static struct cim_path *service_at(void)
{
    return at(":Msvm_ReplicationService.SystemCreationClassName=\"Msvm_ComputerSystem\",SystemName="
              "\"alpha\",CreationClassName=\"Msvm_ReplicationService\",Name=\"replicasvc\"");
}

static struct cim_path *service_settings_at(void)
{
    return at(":Msvm_ReplicationServiceSettingData.InstanceID=\"Microsoft:alpha\\\\"
              "ReplicationServiceSettings\"");
}

static struct cim_path *auth_at(const char *host)
{
    return at(":Msvm_ReplicationAuthorizationSettingData.InstanceID=\"Microsoft:alpha\\\\"
              "ReplicationAuthorization\\\\%s\"",
              host);
}

static struct cim_path *job_at(unsigned n)
{
    struct vr_uuid id = {.b = {9, (uint8_t)(n >> 8), (uint8_t)n}};
    char text[VR_UUID_TEXT_LEN];
    return at(":Msvm_ConcreteJob.InstanceID=\"vmreplica:%s\"", vr_uuid_text(&id, text));
}

/* --- links --- */

struct count {
    const struct cim_path *of;
    unsigned links, built;
};

static bool count_link(void *ctx, const struct cim_instance *i)
{
    struct count *c = ctx;
    bool refers = false;
    for (uint32_t k = 0; k < i->cls->nprops; k++) {
        const struct cim_value *v = &i->values[k];
        refers = refers || (v->type == CIM_REFERENCE && cim_path_eq(v->ref, c->of));
    }
    c->built++;
    c->links += refers;
    return true;
}

/* What is built for one object, over all association classes: no more than `most`; and no link that
 * the whole list has is left out. */
static void check_links(const struct cim_path *of, unsigned links, unsigned most)
{
    struct count few = {.of = of}, all = {.of = of};
    struct cim_status st = {0};
    for (const struct cim_class *c = w.broker->schema->first; c; c = c->next) {
        const struct cim_qualifier *q = cim_qualifier(c->quals, c->nquals, "Association");
        if (q && q->value.b && !cim_class_is_abstract(c)) {
            w.broker->ops->enum_links(w.broker, &who, c, of, count_link, &few, &st);
            w.broker->ops->enum_instances(w.broker, &who, c, count_link, &all, &st);
            assert_int_equal(st.code, 0);
        }
    }
    if (few.links != links || all.links != links || few.built > most) {
        fail_msg("%s: %u links of %u, wanted %u; %u built, wanted at most %u",
                 cim_path_text(&w.arena, of), few.links, all.links, links, few.built, most);
    }
}

static void test_links_of_a_vm(void **state)
{
    check_links(vm_at(4), 7, FEW_LINKS); /* service, relationship, two settings, three jobs */
    check_links(vm_at(5), 6, FEW_LINKS); /* not replicated: no relationship */
    check_links(vm_at(VMS - 1), 3, FEW_LINKS);
    check_links(vm_at(VMS + 3), 4, FEW_LINKS); /* a replica */
    check_links(vm_at(VMS + REPLICAS), 0, FEW_LINKS);
    check_links(rel_at(4, "Msvm_ReplicationRelationship"), 2, FEW_LINKS);
    check_links(rel_at(4, "Msvm_ReplicationSettingData"), 2, FEW_LINKS);
    check_links(rel_at(5, "Msvm_ReplicationSettingData"), 1, FEW_LINKS);
    check_links(vssd_at(4), 3, FEW_LINKS); /* the VM, two disks */
    check_links(disk_at(4, "vdb"), 1, FEW_LINKS);
    check_links(disk_at(4, "vdc"), 0, FEW_LINKS);
    check_links(vssd_at(VMS + REPLICAS), 0, FEW_LINKS);
}

static void test_links_of_the_service(void **state)
{
    check_links(job_at(7), 2, FEW_LINKS);
    check_links(job_at(JOBS), 0, FEW_LINKS);
    check_links(host_at(), 1, FEW_LINKS);
    check_links(service_settings_at(), 1, FEW_LINKS);
    check_links(auth_at("primary-7.example"), 1, FEW_LINKS);
    check_links(auth_at("nobody.example"), 0, FEW_LINKS);
    unsigned all = 1 + VMS + REPLICAS + JOBS + 1 + AUTHS;
    check_links(service_at(), all, all);
}

/* --- values --- */

static struct cim_instance *fetch(struct cim_path *path)
{
    struct cim_instance *i = NULL;
    struct cim_status st = {0};
    cim_broker_get_instance(w.broker, &who, CIM_NAMESPACE, path, &w.arena, &i, &st);
    assert_int_equal(st.code, i ? CIM_OK : CIM_ERR_NOT_FOUND);
    return i;
}

static bool keep_one(void *ctx, const struct cim_instance *i)
{
    struct count *c = ctx;
    c->built++;
    c->of = cim_path_copy(&w.arena, &i->path);
    return true;
}

/* How many instances a class has; the last one's path; that it can be got by it. */
static const struct cim_path *enumerate(const char *cls, unsigned n)
{
    struct count c = {0};
    struct cim_status st = {0};
    cim_broker_enum_instances(w.broker, &who, CIM_NAMESPACE, cls, keep_one, &c, &st);
    assert_int_equal(st.code, 0);
    assert_int_equal(c.built, n);
    assert_true(!c.of || fetch(cim_path_copy(&w.arena, c.of)) != NULL);
    return c.of;
}

/* Associations by their path: as many as there are, and one that is none. */
static void test_get_links(void **state)
{
    enumerate("Msvm_HostedService", 1);
    enumerate("Msvm_ServiceAffectsElement", VMS + REPLICAS);
    enumerate("Msvm_SystemReplicationRelationship", VMS / 2 + REPLICAS);
    enumerate("Msvm_AffectedJobElement", JOBS);
    enumerate("Msvm_OwningJobElement", JOBS);
    enumerate("Msvm_SettingsDefineState", VMS + REPLICAS + VMS / 2 + 2 * (VMS / 2 + REPLICAS));
    enumerate("Msvm_VirtualSystemSettingDataComponent", 2 * (VMS + REPLICAS));
    enumerate("Msvm_ElementSettingData", 1 + AUTHS);
    enumerate("Msvm_ReplicaSystemDependency", 0);
    enumerate("Msvm_EthernetPortFailoverSettingDataComponent", 0);
    struct cim_path *const systems[] = {vm_at(4), vm_at(VMS + REPLICAS), host_at()};
    for (size_t k = 0; k < VR_COUNT(systems); k++) {
        struct cim_path p = {.class_name = "msvm_serviceaffectselement"};
        cim_path_add_key(&p, "AffectedElement", cim_ref(systems[k]));
        cim_path_add_key(&p, "AffectingElement", cim_ref(service_at()));
        struct cim_instance *i = fetch(&p);
        assert_int_equal(i != NULL, k == 0);
        assert_int_equal(i ? cim_get(i, "ElementEffects")->items[0].u : 5, 5);
    }
}

static void has(const struct cim_instance *i, const char *name, const char *value)
{
    char num[32];
    const struct cim_value *v = cim_get(i, name);
    const char *text = v->is_null ? "NULL" : cim_value_text(v, num, sizeof num);
    if (strcmp(text, value) != 0) {
        fail_msg("%s is '%s', wanted '%s'", name, text, value);
    }
}

static void test_provider(void **state)
{
    const char *id = "Microsoft:alpha\\ReplicationProvider\\22391CDC-272C-4DDF-BA88-9BEFB1A0975C";
    enumerate("Msvm_ReplicationProvider", 1);
    struct cim_instance *i = fetch(
        at(":Msvm_ReplicationProvider.Name=\"22391CDC-272C-4DDF-BA88-9BEFB1A0975C\",InstanceID="
           "\"Microsoft:alpha\\\\ReplicationProvider\\\\22391CDC-272C-4DDF-BA88-9BEFB1A0975C\""));
    has(i, "InstanceID", id);
    has(i, "ElementName", "Virtual machine replication provider to Hyper-V host");
    has(i, "InstallDate", "NULL");
    assert_int_equal(cim_get(i, "OperationalStatus")->items[0].u, 2);
    /* the settings of a relationship say which it is */
    struct cim_instance *s = fetch(rel_at(4, "Msvm_ReplicationSettingData"));
    struct cim_path *named = at("%s", cim_get(s, "ReplicationProvider")->str);
    assert_true(cim_path_eq(named, &i->path));
    assert_null(fetch(at(":Msvm_ReplicationProvider.InstanceID=\"x\",Name=\"y\"")));
}

static bool keep_path(void *ctx, const struct cim_instance *i)
{
    struct count *c = ctx;
    c->links++;
    c->of = cim_path_copy(&w.arena, &i->path);
    return true;
}

/* Follows one step: how many are there, and the last one's path. */
static const struct cim_path *
follow(const struct cim_path *from, const char *assoc, const char *result, unsigned n)
{
    struct count c = {0};
    struct cim_status st = {0};
    struct cim_related r = {.path = *from, .assoc_class = assoc, .result_class = result};
    cim_broker_related(w.broker, &who, CIM_NAMESPACE, &r, true, keep_path, &c, &st);
    if (st.code || c.links != n) {
        fail_msg("%s -> %s: CIM %d, %u found, wanted %u", cim_path_text(&w.arena, from), result,
                 st.code, c.links, n);
    }
    return c.of;
}

static void test_vm_settings(void **state)
{
    enumerate("Msvm_VirtualSystemSettingData", VMS + REPLICAS);
    struct cim_instance *i = fetch(vssd_at(5));
    has(i, "VirtualSystemType", "Microsoft:Hyper-V:System:Realized");
    has(i, "VirtualSystemIdentifier", vm_text(5));
    has(i, "ElementName", "vm-5");
    has(i, "BIOSGUID", "NULL");
    has(i, "AutomaticStartupAction", "NULL");
    has(fetch(vssd_at(VMS)), "ElementName", "vm-1000");
    assert_null(fetch(vssd_at(VMS + REPLICAS)));
    assert_null(
        fetch(at(":Msvm_VirtualSystemSettingData.InstanceID=\"Microsoft:%s\\\\vda\"", vm_text(5))));
    const struct cim_path *settings =
        follow(vm_at(5), "Msvm_SettingsDefineState", "Msvm_VirtualSystemSettingData", 1);
    assert_true(cim_path_eq(settings, vssd_at(5)));
    assert_true(cim_path_eq(follow(settings, NULL, "CIM_ComputerSystem", 1), vm_at(5)));
}

static void test_disks(void **state)
{
    enumerate("Msvm_StorageAllocationSettingData", 2 * (VMS + REPLICAS));
    struct cim_instance *i = fetch(disk_at(5, "vda"));
    has(i, "ResourceType", "31");
    has(i, "ResourceSubType", "Microsoft:Hyper-V:Virtual Hard Disk");
    has(i, "ElementName", "vda");
    has(i, "VirtualQuantity", "10737418240");
    has(i, "VirtualQuantityUnits", "byte");
    has(i, "PoolID", "NULL");
    assert_string_equal(cim_get(i, "HostResource")->items[0].str, "/srv/vm-5/vda.qcow2");
    has(fetch(disk_at(5, "vdb")), "VirtualQuantity", "NULL"); /* nobody looked yet */
    assert_non_null(fetch(disk_at(VMS, "vdb")));
    assert_null(fetch(disk_at(5, "vdc")));
    assert_null(fetch(disk_at(VMS + REPLICAS, "vda")));
    const char *class = "Msvm_StorageAllocationSettingData";
    follow(vssd_at(5), "Msvm_VirtualSystemSettingDataComponent", class, 2);
    follow(vssd_at(5), NULL, "CIM_ResourceAllocationSettingData", 2);
    assert_true(cim_path_eq(follow(disk_at(5, "vda"), NULL, "CIM_VirtualSystemSettingData", 1),
                            vssd_at(5)));
}

/* The forms in which clients name a disk. */
static void test_disk_names(void **state)
{
#define VM "00050102-0304-4000-8000-000000000000"
    static const char *const good[] = {
        "Microsoft:" VM "\\vda.1",
        "microsoft:" VM "\\\\vda.1",
        "root/virtualization/v2:Msvm_StorageAllocationSettingData.InstanceID=\"Microsoft:" VM
        "\\\\vda.1\"",
        "\\\\HOST.example\\root\\virtualization\\v2:msvm_storageallocationsettingdata.InstanceID="
        "\"Microsoft:" VM "\\\\vda.1\"",
    };
    static const char *const bad[] = {
        "",
        "vda.1",
        "Microsoft:" VM,
        "Microsoft:" VM "\\",
        "Microsoft:" VM "\\..",
        "Microsoft:" VM "\\a\\b",
        "Microsoft:0005\\vda",
        "root/virtualization/v2:Msvm_StorageAllocationSettingData.Name=\"vda\"",
        "root/virtualization/v2:Msvm_StorageAllocationSettingData.InstanceID=",
        "root/virtualization/v2:Msvm_ComputerSystem.InstanceID=\"Microsoft:" VM "\\\\vda\"",
    };
    for (size_t i = 0; i < VR_COUNT(good) + VR_COUNT(bad); i++) {
        bool is_good = i < VR_COUNT(good);
        struct vr_uuid id, want = vm_id(5);
        char disk[VR_NAME_MAX] = "";
        const char *text = is_good ? good[i] : bad[i - VR_COUNT(good)];
        if (provider_disk_parse(text, &id, disk) != is_good) {
            fail_msg("'%s'", text);
        }
        assert_true(!is_good || (vr_uuid_eq(&id, &want) && strcmp(disk, "vda.1") == 0));
    }
}

/* Which disks take part; what a VM has that is not replicated. */
static void test_replication_settings(void **state)
{
    const char *class = "Msvm_ReplicationSettingData";
    enumerate(class, VMS + REPLICAS);
    const struct cim_value *disks = cim_get(fetch(rel_at(4, class)), "IncludedDisks");
    assert_int_equal(disks->count, 2);
    assert_true(cim_path_eq(at("%s", disks->items[1].str), disk_at(4, "vdb")));
    disks = cim_get(fetch(rel_at(6, class)), "IncludedDisks");
    assert_int_equal(disks->count, 1);
    assert_true(cim_path_eq(at("%s", disks->items[0].str), disk_at(6, "vdb")));
    disks = cim_get(fetch(rel_at(VMS, class)), "IncludedDisks");
    assert_int_equal(disks->count, 2);
    struct cim_instance *i = fetch(rel_at(5, class));
    assert_int_equal(cim_get(i, "IncludedDisks")->count, 2);
    has(i, "RecoveryConnectionPoint", "NULL");
    has(i, "CreationTime", "NULL");
    has(i, "PrimaryHostSystem", "alpha");
    assert_null(fetch(rel_at(VMS + REPLICAS, class)));
    assert_null(fetch(at(":%s.InstanceID=\"Microsoft:%s\\\\HVR\\\\1\"", class, vm_text(5))));
    assert_null(fetch(rel_at(5, "Msvm_ReplicationRelationship")));
    /* as the way of the public samples: from the VM, whether it is replicated or not */
    follow(vm_at(4), NULL, class, 1);
    follow(vm_at(5), NULL, class, 1);
    follow(vm_at(5), NULL, "Msvm_ReplicationRelationship", 0);
}

static void test_service_settings(void **state)
{
    const char *class = "Msvm_ReplicationServiceSettingData";
    enumerate(class, 1);
    struct cim_instance *i = fetch(service_settings_at());
    has(i, "Caption", "Replication Service Settings");
    has(i, "Description", "Virtual Machine Replication Service Settings Data");
    has(i, "RecoveryServerEnabled", "TRUE");
    has(i, "AllowedAuthenticationType", "2");
    has(i, "CertificateThumbPrint", "0123456789abcdef");
    has(i, "HttpsPort", "8650");
    has(i, "HttpPort", "NULL");
    has(i, "MonitoringStartTime", "00000000093005.000000+000");
    has(i, "MonitoringInterval", "7200");
    assert_true(cim_path_eq(follow(service_at(), NULL, class, 1), service_settings_at()));
    follow(service_settings_at(), "Msvm_ElementSettingData", NULL, 1);
}

static void test_authorizations(void **state)
{
    const char *class = "Msvm_ReplicationAuthorizationSettingData";
    enumerate(class, AUTHS);
    struct cim_instance *i = fetch(auth_at("primary-7.example"));
    has(i, "AllowedPrimaryHostSystem", "primary-7.example");
    has(i, "ElementName", "primary-7.example");
    has(i, "TrustGroup", "group");
    has(i, "ReplicaStorageLocation", "/srv/replicas");
    has(i, "Caption", "NULL");
    has(fetch(auth_at("primary-8.example")), "TrustGroup", "NULL");
    assert_null(fetch(auth_at("nobody.example")));
    follow(service_at(), NULL, class, AUTHS);
    follow(service_at(), "Msvm_ElementSettingData", NULL, AUTHS + 1);
    assert_true(cim_path_eq(follow(auth_at("primary-7.example"), NULL, NULL, 1), service_at()));
}

static void keep_errors(void *ctx, const struct cim_invoke_result *res)
{
    const struct cim_instance **ret = ctx;
    assert_int_equal(res->status.code, 0);
    assert_int_equal(res->value.u, 0);
    const struct cim_value *v = &res->out[0].value;
    assert_true(v->is_null || (v->is_array && v->count == 1));
    *ret = v->is_null ? NULL : cim_instance_copy(&w.arena, v->items[0].instance);
}

static const struct cim_instance *errors_of(unsigned job)
{
    struct cim_status st = {0};
    struct cim_invoke in = {.caller = who, .path = *job_at(job)};
    const struct cim_instance *error = NULL;
    in.method = cim_broker_method(w.broker, CIM_NAMESPACE, &in.path, "GetErrorEx", &in.cls, &st);
    cim_broker_invoke(w.broker, &in, keep_errors, &error);
    return error;
}

/* Every kind of error, as the job that failed of it tells it. */
static void test_errors(void **state)
{
    for (int k = VR_E_INVALID; k <= VR_E_AUTH; k++) {
        const struct cim_instance *e = errors_of((unsigned)k - 1);
        struct vr_kind_advice advice = vr_kind_advice(k);
        char text[32];
        snprintf(text, sizeof text, "reason %d", k);
        has(e, "Message", text);
        has(e, "MessageID", vr_kind_name(k));
        has(e, "OwningEntity", "vmreplica");
        has(e, "ProbableCauseDescription", vr_kind_text(k));
        has(e, "CIMStatusCodeDescription", cim_code_text(vr_kind_cim_status(k)));
        assert_string_not_equal(cim_get(e, "CIMStatusCodeDescription")->str, "");
        has(e, "OtherErrorType", advice.error_type == 1 ? vr_kind_text(k) : "NULL");
        has(e, "ErrorSourceFormat", "2");
        has(e, "OtherErrorSourceFormat", "NULL");
        assert_true(cim_path_eq(at("%s", cim_get(e, "ErrorSource")->str), job_at((unsigned)k - 1)));
        assert_int_equal(cim_get(e, "ErrorType")->u, advice.error_type);
        assert_int_equal(cim_get(e, "ProbableCause")->u, advice.probable_cause);
        assert_int_equal(cim_get(e, "PerceivedSeverity")->u, advice.severity);
        assert_int_equal(cim_get(e, "CIMStatusCode")->u, vr_kind_cim_status(k));
        assert_string_equal(cim_get(e, "RecommendedActions")->items[0].str, advice.action);
    }
    has(errors_of(VR_E_AUTH), "MessageID", "PEER"); /* the code says it */
    const struct cim_instance *e = errors_of(VR_E_AUTH + 1);
    has(e, "MessageID", "32768");
    has(e, "ErrorType", "0");
    assert_true(cim_get(e, "RecommendedActions")->is_null);
    assert_null(errors_of(JOBS - 1));
}

/* What a host and a VM say of themselves, and what nobody knows. */
static void test_systems(void **state)
{
    static const struct {
        const char *name, *host, *vm, *replica;
    } rows[] = {
        {"Caption", "Hosting Computer System", "Virtual Machine", "Virtual Machine"},
        {"Description", "Microsoft Hosting Computer System", "Microsoft Virtual Computer System",
         "Microsoft Virtual Computer System"},
        {"ElementName", "alpha", "vm-5", "vm-1000"},
        {"EnabledState", "2", "0", "0"},
        {"RequestedState", "12", "12", "12"},
        {"HealthState", "5", "5", "5"},
        {"ResetCapability", "1", "1", "1"},
        {"InstallDate", "NULL", "NULL", "NULL"},
        {"OnTimeInMilliseconds", "NULL", "NULL", "NULL"},
        {"ProcessID", "NULL", "NULL", "NULL"},
        {"NumberOfNumaNodes", "NULL", "NULL", "NULL"},
        {"LastSuccessfulBackupTime", "NULL", "NULL", "NULL"},
        {"ReplicationMode", "0", "0", "2"},
        {"ReplicationState", "0", "0", "3"},
        {"ReplicationHealth", "0", "0", "1"},
        {"LastReplicationType", "0", "0", "1"},
        {"FailedOverReplicationType", "0", "0", "0"},
        {"LastReplicationTime", "NULL", "NULL", "20300317174640.000000+000"},
    };
    enumerate("Msvm_ComputerSystem", 1 + VMS + REPLICAS);
    const struct cim_instance *host = fetch(host_at()), *vm = fetch(vm_at(5)),
                              *replica = fetch(vm_at(VMS));
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        has(host, rows[i].name, rows[i].host);
        has(vm, rows[i].name, rows[i].vm);
        has(replica, rows[i].name, rows[i].replica);
    }
}

/* What the schema calls a value of a property; NULL: it does not say. */
static const char *value_name(const char *cls, const char *name, int value)
{
    const struct cim_class *c = cim_schema_class(w.broker->schema, cls);
    const struct cim_feature *f = &c->props[cim_class_prop(c, name)];
    const struct cim_qualifier *map = cim_qualifier(f->quals, f->nquals, "ValueMap");
    const struct cim_qualifier *names = cim_qualifier(f->quals, f->nquals, "Values");
    char text[16];
    assert_true(map && names && map->value.count == names->value.count);
    snprintf(text, sizeof text, "%d", value);
    for (uint32_t i = 0; i < map->value.count; i++) {
        if (strcmp(map->value.items[i].str, text) == 0) {
            return names->value.items[i].str;
        }
    }
    return NULL;
}

/* The schema's names of values and the tables of the domain agree. */
static void test_value_names(void **state)
{
#define X(name, value, text) value,
    static const int types[] = {VR_JOB_TYPES(X)}, jobs[] = {VR_JOB_STATES(X)},
                     states[] = {VR_REL_STATES(X)}, healths[] = {VR_HEALTHS(X)},
                     modes[] = {VR_MODES(X)};
#undef X
    for (size_t i = 0; i < VR_COUNT(types); i++) {
        const char *name = value_name("Msvm_ConcreteJob", "JobType", types[i]);
        if (types[i] == VR_JOBTYPE_FORECAST) { /* ours: in the range that the class leaves open */
            assert_null(name);
            continue;
        }
        assert_string_equal(name, vr_job_type_text(types[i]));
    }
    for (size_t i = 0; i < VR_COUNT(jobs); i++) {
        assert_non_null(value_name("Msvm_ConcreteJob", "JobState", jobs[i]));
    }
    for (size_t i = 0; i < VR_COUNT(states); i++) {
        assert_non_null(value_name("Msvm_ComputerSystem", "ReplicationState", states[i]));
        assert_non_null(value_name("Msvm_ReplicationRelationship", "ReplicationState", states[i]));
    }
    for (size_t i = 0; i < VR_COUNT(healths); i++) {
        const char *name = value_name("Msvm_ComputerSystem", "ReplicationHealth", healths[i]);
        assert_int_equal(strcasecmp(name, vr_health_text(healths[i])), 0);
    }
    for (size_t i = 0; i < VR_COUNT(modes); i++) {
        const char *name = value_name("Msvm_ComputerSystem", "ReplicationMode", modes[i]);
        assert_int_equal(strcasecmp(name, vr_mode_text(modes[i])), 0);
    }
    assert_null(value_name("Msvm_ConcreteJob", "JobType", 126));
}

/* All that a job says, while it failed, and of one that was never begun. */
static void test_job(void **state)
{
    static const struct {
        const char *name, *failed, *done;
    } rows[] = {
        {"Name", "Resynchronizing", "Resynchronizing"},
        {"Caption", "Resynchronizing", "Resynchronizing"},
        {"ElementName", "Resynchronizing", "Resynchronizing"},
        {"Description", "Resynchronizing, VM 'vm-0'", "Resynchronizing, VM 'vm-199'"},
        {"JobType", "107", "107"},
        {"JobState", "10", "7"},
        {"PercentComplete", "0", "100"},
        {"JobRunTimes", "1", "1"},
        {"LocalOrUtcTime", "2", "2"},
        {"ErrorCode", "32773", "0"},
        {"ErrorDescription", "reason 1", "NULL"},
        {"ErrorSummaryDescription", "reason 1", "NULL"},
        {"HealthState", "20", "5"},
        {"ElapsedTime", "00000000000007.000000:000", "00000000000000.000000:000"},
        {"StartTime", "20300317174630.000000+000", "NULL"},
        {"TimeBeforeRemoval", "00000000001000.000000:000", "00000000001000.000000:000"},
        {"DeleteOnCompletion", "TRUE", "TRUE"},
        {"Cancellable", "FALSE", "FALSE"},
        {"Owner", "anna", "anna"},
        {"Priority", "NULL", "NULL"},
        {"RunMonth", "NULL", "NULL"},
        {"UntilTime", "NULL", "NULL"},
        {"Notify", "NULL", "NULL"},
        {"RecoveryAction", "NULL", "NULL"},
    };
    enumerate("Msvm_ConcreteJob", JOBS);
    const struct cim_instance *failed = fetch(job_at(0)), *done = fetch(job_at(JOBS - 1));
    has(fetch(job_at(JOBS - 2)), "Description", "Resynchronizing"); /* of no VM by name */
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        has(failed, rows[i].name, rows[i].failed);
        has(done, rows[i].name, rows[i].done);
    }
}

#define S(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {S(test_links_of_a_vm),
                                       S(test_links_of_the_service),
                                       S(test_get_links),
                                       S(test_provider),
                                       S(test_vm_settings),
                                       S(test_disks),
                                       S(test_disk_names),
                                       S(test_replication_settings),
                                       S(test_service_settings),
                                       S(test_authorizations),
                                       S(test_errors),
                                       S(test_systems),
                                       S(test_job),
                                       S(test_value_names)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
