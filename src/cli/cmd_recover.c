/* SPDX-License-Identifier: Apache-2.0 */
/* recover DIR: what the daemon does first thing when it starts, for one directory and without the
 * daemon. */
#include "cli/cli.h"

#include <poll.h>

#include "cli/show.h"
#include "resync/replica.h"
#include "util/vtime.h"

/* qemu-nbd's socket lives here for the moments it is needed. */
#define RUN_DIR "/tmp"

static const char *role_text(enum replica_role role)
{
    switch (role) {
    case REPLICA_ROLE_REPLICA:
        return "replica";
    case REPLICA_ROLE_PROMOTED:
        return "failed over: this is the living VM";
    case REPLICA_ROLE_RELEASED:
        return "belongs to no relationship any more";
    }
    return "unknown";
}

/* A daemon that was killed takes its qemu-nbd with it, which may last a moment longer. */
#define BUSY_WAIT_MS 5000
#define BUSY_STEP_MS 100

static int open_patiently(const char *dir, struct replica **ret, struct vr_err *err)
{
    uint64_t deadline_ms = vr_mono_ms() + BUSY_WAIT_MS;
    for (;;) {
        struct stor *stor;
        struct vr_err why = VR_ERR_INIT;
        int r = stor_dir_open(dir, false, RUN_DIR, &stor, &why);
        if (r == 0) {
            r = replica_open(stor, ret, &why);
        }
        if (r != -VR_E_BUSY || vr_mono_ms() >= deadline_ms) {
            *err = why;
            return r;
        }
        poll(NULL, 0, BUSY_STEP_MS);
    }
}

int cmd_recover(struct cli *cli)
{
    struct vr_err err = VR_ERR_INIT;
    _cleanup_(replica_closep) struct replica *replica = NULL;
    const char *dir = cli->args[0];
    int r = open_patiently(dir, &replica, &err);
    if (r == -VR_E_BUSY) {
        return cli_fail(vr_wrap(&err, r, "'%s' is in use (stop vmreplicad or the VM first)", dir),
                        &err);
    }
    if (r < 0) {
        return cli_fail(vr_wrap(&err, r, "cannot recover '%s'", dir), &err);
    }
    const struct vr_generation *g = replica_generation(replica);
    const struct vr_vm *vm = replica_vm(replica);
    char uuid[VR_UUID_TEXT_LEN];
    printf("%s: the replica of %s is whole; a begun commit, if there was one, is settled\n", dir,
           vm->name);
    if (replica_followed(replica)[0]) {
        printf("disks       %s\n", replica_followed(replica));
    }
    if (vr_uuid_is_nil(&g->uuid)) {
        printf("generation  none yet: no initial replication was completed\n");
    } else {
        printf("generation  %s, number %llu, epoch %u\n", vr_uuid_text(&g->uuid, uuid),
               (unsigned long long)g->sequence, g->epoch);
    }
    printf("role        %s\n", role_text(replica_role(replica)));
    for (uint32_t i = 0; i < vm->ndisks; i++) {
        char size[SHOW_MAX];
        printf("disk        %s/%s  %s  %s\n", dir, vm->disks[i].path, vm->disks[i].format,
               show_size(vm->disks[i].size_bytes, size));
    }
    if (replica_changed_alone(replica)) {
        printf("warning     the images were changed by something else since the last commit: "
               "resynchronize\n");
    }
    return 0;
}
