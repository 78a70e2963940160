/* SPDX-License-Identifier: Apache-2.0 */
#include "calls.h"

#include "core/service.h"
#include "util/num.h"

static uint64_t now_us(void *ctx)
{
    return ((struct fake *)ctx)->now;
}

static int list_vms(void *ctx, provider_vm_cb cb, void *cb_ctx, struct vr_err *err)
{
    cb(cb_ctx, &((struct fake *)ctx)->vm);
    return 0;
}

static int find_vm(void *ctx, const struct vr_uuid *id, struct vr_vm *ret, struct vr_err *err)
{
    struct fake *f = ctx;
    if (!vr_uuid_eq(id, &f->vm.id)) {
        return vr_fail(err, VR_E_NOT_FOUND, "no such VM");
    }
    *ret = f->vm;
    return 0;
}

static int replica_vm(void *ctx, const struct vr_rel *rel, struct vr_vm *ret, struct vr_err *err)
{
    *ret = ((struct fake *)ctx)->vm;
    return 0;
}

static const char *certificate(void *ctx, size_t i)
{
    static const char *const chain[] = {"b3du", "Y2E="};
    return i < VR_COUNT(chain) ? chain[i] : NULL;
}

static const struct provider_env_ops env = {.now_us = now_us,
                                            .list_vms = list_vms,
                                            .find_vm = find_vm,
                                            .replica_vm = replica_vm,
                                            .certificate = certificate};

int calls_setup(void **state)
{
    struct calls *t = calloc(1, sizeof(*t));
    struct provider_config config = {.host_name = "a.example", .job_keep_us = 5 * MIN};
    struct vr_err err = VR_ERR_INIT;
    t->f = fake_new();
    cim_arena_init(&t->arena, 1 << 20);
    CHECK_OK(provider_new(&config, t->f->c, &env, t->f, &t->p, &err), &err);
    *state = t;
    return 0;
}

int calls_teardown(void **state)
{
    struct calls *t = *state;
    struct fake *f = t->f;
    cim_arena_deinit(&t->arena);
    provider_free(t->p);
    fake_free(f);
    free(t);
    return 0;
}

static void on_done(void *ctx, const struct cim_invoke_result *res)
{
    struct calls *t = ctx;
    t->answered++;
    t->status = res->status;
    t->code = (uint32_t)res->value.u;
    snprintf(t->reason, sizeof(t->reason), "%s", res->reason);
    if (t->look && res->status.code == CIM_OK && t->code == 0) {
        t->look(t, res);
    }
}

void calls_begin(struct calls *t, enum vr_method m, enum vr_role role)
{
    static const char path[] =
        ":Msvm_ReplicationService.SystemCreationClassName=\"Msvm_ComputerSystem\",SystemName="
        "\"a.example\",CreationClassName=\"Msvm_ReplicationService\",Name=\"replicasvc\"";
    struct cim_status st = {0};
    struct vr_err err = VR_ERR_INIT;
    cim_arena_reset(&t->arena);
    t->in = (struct cim_invoke){.caller = {.user = "anna", .role = (int)role}};
    CHECK_OK(cim_path_parse(&t->arena, path, &t->in.path, &err), &err);
    t->in.method = cim_broker_method(provider_broker(t->p), CIM_NAMESPACE, &t->in.path,
                                     vr_method_rule(m)->name, &t->in.cls, &st);
    assert_non_null(t->in.method);
}

void calls_param(struct calls *t, const char *name, struct cim_value v)
{
    t->in.params[t->in.nparams++] = (struct cim_param){.name = name, .value = v};
}

void calls_vm(struct calls *t)
{
    struct vr_err err = VR_ERR_INIT;
    struct cim_path *p = cim_alloc(&t->arena, sizeof(*p));
    CHECK_OK(cim_path_parse(&t->arena,
                            ":Msvm_ComputerSystem.CreationClassName=\"Msvm_ComputerSystem\","
                            "Name=\"01010101-0101-0101-0101-010101010101\"",
                            p, &err),
             &err);
    calls_param(t, "ComputerSystem", cim_ref(p));
}

void calls_instance(struct calls *t, const char *param, const char *class_name)
{
    const struct cim_class *cls = cim_schema_class(provider_broker(t->p)->schema, class_name);
    assert_non_null(cls);
    t->embedded = cim_instance_new(&t->arena, cls);
    calls_param(t, param, cim_embedded(t->embedded));
}

void calls_set(struct calls *t, const char *property, struct cim_value v)
{
    cim_set(t->embedded, property, v);
}

int calls_run(struct calls *t)
{
    unsigned before = t->answered;
    cim_broker_invoke(provider_broker(t->p), &t->in, on_done, t);
    assert_int_equal(t->answered, before + 1);
    if (t->status.code == CIM_OK && t->code != 0 && t->code != VR_RC_JOB_STARTED) {
        assert_true(t->reason[0] != '\0'); /* a refusal says why */
    }
    return t->status.code ? -t->status.code : (int)t->code;
}

const struct cim_value *calls_out(const struct cim_invoke_result *res, const char *name)
{
    for (uint32_t i = 0; i < res->nout; i++) {
        if (strcmp(res->out[i].name, name) == 0) {
            return &res->out[i].value;
        }
    }
    fail_msg("no out parameter %s", name);
    return NULL;
}
