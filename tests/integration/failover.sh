#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The primary dies in the middle of a transfer, its replica takes over, and the old primary learns of it. Then a
# primary that goes on by itself: an administrator's force, and only that, brings the two together.
# shellcheck disable=SC2317 # scenarios are called by name
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

random_disk "$work/vda.img" 48
qemu-img create -q -f qcow2 "$work/vdb.qcow2" 16M
make_lab lab --disk "$work/vda.img:raw" --disk "$work/vdb.qcow2:qcow2"
cp "$H1_DISK_0" "$work/generation.raw"
cp "$H1_DISK_1" "$work/generation.qcow2"

# A host's disks are what was replicated last. Of copies: a transfer holds the locks that qemu-img asks for.
is_generation() { # HOST
    cp "$(hvar "$1" DISK_0)" "$work/now.raw"
    cp "$(hvar "$1" DISK_1)" "$work/now.qcow2"
    qemu-img compare -f raw -F raw "$work/generation.raw" "$work/now.raw" || return 1
    qemu-img compare -f qcow2 -F qcow2 "$work/generation.qcow2" "$work/now.qcow2"
}

dies_half_way() {
    local job
    head -c 32M /dev/urandom | dd of="$H1_DISK_0" bs=1M conv=notrunc status=none
    qemu-io -f qcow2 -c 'write -q -P 0x77 0 4M' "$H1_DISK_1"
    vr h1 bandwidth "$VM_NAME" 8M
    job=$(vr h1 resync "$VM_NAME" --json | jq .job_id)
    await_job h1 "$job" '.progress.bytes_sent >= 16000000'
    is_generation h2 || die 'the replica was touched before the commit'
    host kill h1
}

takes_over() {
    if vr h2 failover "$VM_NAME"; then
        die 'without --force'
    fi
    vr h2 failover "$VM_NAME" --force
    [ "$(rel_get h2 .state)" = 5 ]
    is_generation h2
    # It is free: QEMU gets its locks.
    qemu-io -f raw -c 'write -q -P 0x66 1M 64k' "$H2_DISK_0"
    qemu-io -f raw -c 'write -q -P 0x66 1M 64k' "$work/generation.raw"
}

is_shut_out() {
    local answer
    host start h1
    await_rel h1 .needs_decision
    answer=$(resync_call h1 operator "$(vm_param "$VM_ID")")
    [ "$answer" = 32771 ] || die "the answer is $answer"
    if vr h1 resync "$VM_NAME" >"$work/said" 2>&1; then
        die 'the old primary was let in'
    fi
    cat "$work/said"
    grep -qi 'failed over\|decide' "$work/said"
    [ "$(rel_get h1 .health)" = 3 ]
    is_generation h2
}

stays_so() {
    host restart h2
    host restart h1
    [ "$(resync_call h1 operator "$(vm_param "$VM_ID")")" = 32771 ]
    [ "$(rel_get h2 .state)" = 5 ]
    is_generation h2
}

only_force() {
    local password=$OPERATOR_PASSWORD code
    code=$(curl -s -o /dev/null -w '%{http_code}' -u "$OPERATOR_USER:$password" -H 'Content-Type: application/json' \
        -d '{"force": true}' "$H1_REST/vms/$VM_ID/resync")
    [ "$code" = 403 ] || die "HTTP $code for an operator"
    is_generation h2
    vr h1 bandwidth "$VM_NAME" 0
    vr h1 resync "$VM_NAME" --force --wait
    equal_disks h1 h2
    [ "$(rel_get h1 .state)" = 3 ]
}

scenario 'the primary is killed half way; the replica is as it was' dies_half_way
scenario 'failover brings the last generation to life' takes_over
scenario 'the old primary is refused, with the reason' is_shut_out
scenario 'still after both hosts restarted' stays_so
scenario 'an administrator forces the old primary back' only_force
finish
