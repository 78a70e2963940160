#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The first copy of a VM that was only set up: over the network, at a time, or seeded with a copy that somebody put there.
# shellcheck disable=SC2317 # scenarios are called by name
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
MIB=$((1024 * 1024))

random_disk "$work/vda.img" 32
qemu-img create -q -f qcow2 "$work/vdb.qcow2" 16M
qemu-io -f qcow2 -c 'write -q -P 0x31 3M 2M' "$work/vdb.qcow2"
make_lab lab --disk "$work/vda.img:raw" --disk "$work/vdb.qcow2:qcow2" --no-replica
vr h2 authorize list --json | jq -e '.authorizations | length > 0' >/dev/null ||
    vr h2 authorize add h1.localhost --storage "$L/h2/replicas"
replica=$L/h2/replicas/$VM_ID

start_param_type() { # TYPE
    printf '<PARAMVALUE NAME="InitialReplicationType" PARAMTYPE="uint16"><VALUE>%s</VALUE></PARAMVALUE>' "$1"
}

start_call() { # HOST TYPE [MORE-PARAMS]
    call "$1" "operator:$OPERATOR_PASSWORD" StartReplication "$(vm_param)$(start_param_type "$2")${3:-}"
}

same_disks() {
    qemu-img compare -f raw -F raw "$work/vda.img" "$replica/vda.raw"
    qemu-img compare -f qcow2 -F qcow2 "$work/vdb.qcow2" "$replica/vdb.qcow2"
}

set_up() {
    if vr h1 enable "$VM_NAME" --to "$H2_PEER" --no-start --every 29s; then
        die 'an interval of 29 s'
    fi
    vr h1 enable "$VM_NAME" --to "$H2_PEER" --no-start --every 12h
    [ "$(rel_get h1 .setting.interval_s)" = 43200 ]
    vr h1 set "$VM_NAME" --every off
    [ "$(rel_get h1 .state)" = 1 ]
    [ "$(rel_get h2 .state)" = 2 ]
    [ -f "$replica/vda.raw.unready" ]
}

again() { # the same VM from the beginning
    vr h1 disable "$VM_NAME"
    rm -rf "$replica"
    set_up
}

refused_without_a_copy() {
    set_up
    if vr h1 start "$VM_NAME" --seeded --wait >"$work/said" 2>&1; then
        die 'there was nothing to compare with'
    fi
    cat "$work/said"
    grep -q vda.raw "$work/said"
    [ "$(rel_get h1 .state)" = 1 ]
    [ "$(start_call h1 3)" = 32779 ]
    [ "$(start_call h1 4)" = 32773 ]
    [ "$(start_call h2 1)" = 32775 ]
}

network() {
    [ "$(start_call h1 1)" = 4096 ]
    await_cim_job h1 "$(answered_job)"
    [ "$(job_get h1 "$(last_job h1)" .type)" = 94 ]
    await_rel h1 '.state == 3 and .job == null'
    [ "$(rel_get h2 .state)" = 3 ]
    same_disks
    [ "$(start_call h1 1)" = 32775 ]
}

seeded() {
    local job
    again
    cp "$work/vda.img" "$replica/vda.raw"
    cp "$work/vdb.qcow2" "$replica/vdb.qcow2"
    qemu-io -f raw -c 'write -q -P 0x41 5M 64k' "$work/vda.img"
    job=$(vr h1 start "$VM_NAME" --seeded --json | jq .job_id)
    await_end h1 "$job"
    [ "$(job_get h1 "$job" .type)" = 117 ]
    [ "$(job_get h1 "$job" .progress.bytes_sent)" -lt "$MIB" ]
    same_disks
    [ ! -e "$replica/vda.raw.unready" ]
    [ "$(rel_get h2 .state)" = 3 ]
}

scheduled() { # and the host ends before its time
    local job
    again
    job=$(vr h1 start "$VM_NAME" --at "$(date -u -d '+4 seconds' +%FT%TZ)" --json | jq .job_id)
    [ "$(job_get h1 "$job" .state)" = 2 ]
    [ "$(rel_get h1 .state)" = 1 ]
    host restart h1
    await_end h1 "$job"
    same_disks
}

scenario 'a seeded start without a copy' refused_without_a_copy
scenario 'StartReplication over the network' network
scenario 'a seeded start sends what differs' seeded
scenario 'a scheduled start survives a restart' scheduled
finish
