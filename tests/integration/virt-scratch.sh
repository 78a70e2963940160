#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The scratch space of a running guest's transfer: too little to begin with, used up meanwhile, and so fast that QEMU stops
# the guest. The guest goes on, and sees no error.
# shellcheck disable=SC2317 # scenarios are called by name
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/virtlab.sh
. "$(dirname "$0")/virtlab.sh"

VM=web
ID=8f3c2f0e-7a6b-4b57-9d0e-1f6a2b3c4d5e
BACKUP=$work/virt-a/backup
mkdir -p "$BACKUP"
mount -t tmpfs -o size=48m vrt-scratch "$BACKUP" 2>/dev/null || {
    echo 'skip virt-scratch: no mount here'
    exit 77
}
virt_host a # with mounts of its own, so after that one
trap 'virt_cleanup; umount -l "$BACKUP"; cleanup' EXIT
records_and_data "$work/$VM-b.raw" 64
define_guest a $VM $ID 'vr.us=8000'
make_lab lab --no-replica
use_libvirt h1 a

texts() {
    vr h1 events --json --limit 1000 | jq -r '.events[].text'
}

use_up() { # MIB that stay free
    local free
    free=$(df --output=avail -B1M "$BACKUP" | tail -n 1)
    head -c $((free - $1 + ($1 == 0)))M /dev/zero >"$BACKUP/ballast" || [ "$1" = 0 ]
}

first_copy() {
    start_guest a $VM
    vr h2 authorize add h1.localhost --storage "$L/h2/replicas"
    vr h1 enable $VM --to "$H2_PEER" --wait
    VM_ID=${ID^^} await_rel h1 '.state == 3 and .job == null'
}

ends_well() { # JOB [by-itself]
    rm "$BACKUP/ballast"
    vr h1 bandwidth $VM 0 >/dev/null
    [ "${2:-}" ] || vr h1 resume $VM
    JOB_S=180 await_end h1 "$1" # by itself within a minute
    check_records "$(replica vda.qcow2)" "$(replica vdb.raw)"
    [ "$(v a domstate $VM)" = running ]
    await_records a $VM 100
    no_write_error
}

too_little() {
    local job
    use_up 8
    job=$(vr h1 resync $VM --json | jq .job_id)
    await_job h1 "$job" '.state == 5'
    job_get h1 "$job" .status | grep 'MiB are free in scratch_dir .* 16 MiB must stay free'
    ends_well "$job" by-itself
}

used_up() {
    local job
    job=$(slow_resync)
    use_up 8
    await_job h1 "$job" '.state == 5'
    if v a backup-dumpxml $VM; then
        die 'the job runs still'
    fi
    ends_well "$job"
}

# Nothing is free at all, and nobody looks: the guest's next write stops it, until our job is gone.
full() {
    local job
    sed -i 's/^scratch_reserve = .*/scratch_reserve = 0/' "$L/h1/vmreplicad.conf"
    host restart h1
    job=$(slow_resync)
    use_up 0
    await_job h1 "$job" '.state == 5'
    job_get h1 "$job" .status | grep 'QEMU stopped the guest'
    await_state a $VM running
    ends_well "$job"
}

scenario 'the first copy' first_copy
scenario 'too little space to begin' too_little
scenario 'space is used up by others' used_up
scenario 'no space is left at all' full
finish
