/* SPDX-License-Identifier: Apache-2.0 */
/* Prints docs/cim.md: every class of every schema, and where its instances come from. Fails when a
 * class has no instances and nothing here says why, or when the provider has one that no schema
 * declares. */
#include "tests/static/gen-cim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cim/mof.h"
#include "provider/internal.h"
#include "util/num.h"

/* Concrete classes without instances of their own. */
static const struct {
    const char *name, *why;
} without[] = {
    {"Msvm_Error", "embedded in what GetError and GetErrorEx of a job return"},
    {"Msvm_ReplicationStatistics", "embedded in what GetReplicationStatistics returns"},
    {"Msvm_FailoverNetworkAdapterSettingData", "a guest's network is not changed at a failover"},
    {"Msvm_EthernetPortFailoverSettingDataComponent", "as the class before"},
    {"Msvm_ReplicaSystemDependency", "there are no test replicas"},
    {"CIM_RegisteredProfile", "no profile is implemented as a whole"},
};

static const char *const notes =
    "\n## Where this differs from Hyper-V\n\n"
    "- A property that nobody here knows is NULL: firmware, memory and power of a virtual machine\n"
    "  are the hypervisor's. `EnabledState` of a VM is 0 (unknown).\n"
    "- `Msvm_ReplicationAuthorizationSettingData.InstanceID` is documented as NULL, which no key "
    "can\n"
    "  be. Here it is `Microsoft:HOST\\ReplicationAuthorization\\ALLOWED-HOST`; what tells "
    "entries\n"
    "  apart is `AllowedPrimaryHostSystem`.\n"
    "- `Msvm_StorageAllocationSettingData.InstanceID` is `Microsoft:VM-ID\\DISK`, with the disk's "
    "name\n"
    "  from the inventory: there are no controllers to number. `HostResource` is the image's "
    "path,\n"
    "  on the replica's host the replica's.\n"
    "- `Msvm_ReplicationSettingData.IncludedDisks` has object paths of these.\n"
    "- A VM that is not replicated has an `Msvm_ReplicationSettingData`, too: what a relationship\n"
    "  would begin with. Clients fetch it from the VM, fill in where to, and pass it to\n"
    "  `CreateReplicationRelationship`. It has no `Msvm_ReplicationRelationship`.\n"
    "- `Msvm_ReplicationServiceSettingData.HttpPort` is NULL: replication runs over TLS only.\n\n"
    "## From one object to others\n\n"
    "| from | through | to |\n|---|---|---|\n"
    "| service | `Msvm_ElementSettingData` | its settings, the authorization entries |\n"
    "| service | `Msvm_ServiceAffectsElement` | the VMs |\n"
    "| service | `Msvm_OwningJobElement` | the jobs |\n"
    "| VM | `Msvm_SystemReplicationRelationship` | its relationships: `...\\HVR\\0`, `...\\HVR\\1` "
    "|\n"
    "| VM, relationship | `Msvm_SettingsDefineState` | `Msvm_ReplicationSettingData` |\n"
    "| VM | `Msvm_SettingsDefineState` | `Msvm_VirtualSystemSettingData` |\n"
    "| `Msvm_VirtualSystemSettingData` | `Msvm_VirtualSystemSettingDataComponent` | the disks |\n"
    "| VM | `Msvm_AffectedJobElement` | its jobs |\n\n"
    "What one object is linked to is found from its own id, not by listing all: a VM of a host "
    "with\n"
    "thousands costs as much as one of three.";

static bool failed;

static bool is_association(const struct cim_class *c)
{
    const struct cim_qualifier *q = cim_qualifier(c->quals, c->nquals, "Association");
    return q && q->value.b;
}

static const struct provider_class *provided(const struct provider_space *s, const char *name)
{
    for (size_t i = 0; i < s->nclasses; i++) {
        if (strcmp(s->classes[i]->name, name) == 0) {
            return s->classes[i];
        }
    }
    for (size_t i = 0; i < s->nmore; i++) {
        if (strcmp(s->more[i].name, name) == 0) {
            return &s->more[i];
        }
    }
    return NULL;
}

static const char *why_not(const char *name)
{
    for (size_t i = 0; i < VR_COUNT(without); i++) {
        if (strcmp(without[i].name, name) == 0) {
            return without[i].why;
        }
    }
    return NULL;
}

static bool has_subclass(const struct cim_schema *schema, const struct cim_class *of)
{
    for (const struct cim_class *c = schema->first; c; c = c->next) {
        if (c->super == of) {
            return true;
        }
    }
    return false;
}

static void keys(const struct cim_class *c)
{
    const char *before = "";
    for (uint32_t i = 0; i < c->nprops; i++) {
        if (cim_feature_has(&c->props[i], "Key")) {
            printf("%s%s", before, c->props[i].name);
            before = ", ";
        }
    }
}

static void row(const struct provider_space *s, const struct cim_class *c)
{
    const struct provider_class *p = provided(s, c->name);
    const char *why = p ? p->source : why_not(c->name);
    if (!why) {
        fprintf(stderr, "gen-docs: %s: no instances, and tests/static/gen-cim.c does not say why\n",
                c->name);
        failed = true;
        return;
    }
    printf("| `%s` | %s | ", c->name, c->super ? c->super->name : "");
    keys(c);
    printf(" | %s%s |\n", p ? "" : "none: ", why);
}

static void table(const struct provider_space *s, const struct cim_schema *schema, bool assocs)
{
    puts(assocs ? "\n| association | below | roles | instances |\n|---|---|---|---|"
                : "\n| class | below | keys | instances |\n|---|---|---|---|");
    for (const struct cim_class *c = schema->first; c; c = c->next) {
        bool inner = cim_class_is_abstract(c) || (has_subclass(schema, c) && !provided(s, c->name));
        if (!inner && is_association(c) == assocs) {
            row(s, c);
        }
    }
}

static void superclasses(const struct provider_space *s, const struct cim_schema *schema)
{
    const char *before = "\nSuperclasses without instances of their own:\n";
    unsigned n = 0;
    for (const struct cim_class *c = schema->first; c; c = c->next) {
        if (cim_class_is_abstract(c) || (has_subclass(schema, c) && !provided(s, c->name))) {
            printf("%s%s", before, c->name);
            before = ++n % 4 ? ", " : ",\n";
        }
    }
    puts(".");
}

/* What the provider has and no client can see. */
static void check_declared(const struct provider_space *s, const struct cim_schema *schema)
{
    for (size_t i = 0; i < s->nclasses + s->nmore; i++) {
        const struct provider_class *p =
            i < s->nclasses ? s->classes[i] : &s->more[i - s->nclasses];
        if (!cim_schema_class(schema, p->name)) {
            fprintf(stderr, "gen-docs: %s is not declared in %s\n", p->name, s->mof_name);
            failed = true;
        }
    }
}

static void space(const struct provider_space *s)
{
    struct cim_schema *schema = NULL;
    struct vr_err err = VR_ERR_INIT;
    if (cim_mof_parse((const char *)s->mof, *s->mof_bytes, s->mof_name, &schema, &err) < 0) {
        fprintf(stderr, "gen-docs: %s\n", vr_err_text(&err));
        failed = true;
        return;
    }
    bool assocs = false;
    for (const struct cim_class *c = schema->first; c; c = c->next) {
        assocs = assocs || is_association(c);
    }
    printf("\n## %s\n\nSchema: `schema/%s`.\n", s->ns, s->mof_name);
    table(s, schema, false);
    if (assocs) {
        table(s, schema, true);
    }
    superclasses(s, schema);
    check_declared(s, schema);
    cim_schema_free(schema);
}

bool cim_document(void)
{
    puts(
        "<!-- Made by tools/gen-docs from schema/ and src/provider: do not edit. -->\n"
        "# Classes over CIM\n\n"
        "What a CIM client sees on a host, a namespace after the other. Names, types and keys are\n"
        "those of the DMTF and Msvm classes. Objects are changed by methods only:\n"
        "[return-codes.md](return-codes.md) has what these return, [cim-xml.md](cim-xml.md) the\n"
        "operations.");
    for (size_t i = 0; i < PROVIDER_SPACES; i++) {
        space(&provider_spaces[i]);
    }
    puts(notes);
    return !failed;
}
