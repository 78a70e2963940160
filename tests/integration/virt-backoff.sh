#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A transfer gives way to a guest whose writes take long, and goes on when they do not.
# shellcheck disable=SC2317 # scenarios are called by name
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/virtlab.sh
. "$(dirname "$0")/virtlab.sh"

VM=busy
ID=8f3c2f0e-7a6b-4b57-9d0e-1f6a2b3c4d61
virt_host a
GUEST_CACHE=writeback define_guest a $VM $ID 'vr.us=1000'
make_lab lab --no-replica
# Far above what the machine's other work does to the guest, far below what is done to it here.
WRITE_LATENCY=20 use_libvirt h1 a
vr h2 authorize add h1.localhost --storage "$L/h2/replicas" >/dev/null

metric() { # NAME: its value
    curl -sS --unix-socket "$L/h1/run/vmreplicad.sock" http://localhost/metrics | grep "^$1{" | sed 's/.* //'
}

slow_guest() { # IOPS of each disk; 0: as fast as it can
    v a blkdeviotune $VM vda --total-iops-sec "$1" --live
    v a blkdeviotune $VM vdb --total-iops-sec "$1" --live
}

gives_way() {
    local job
    start_guest a $VM
    vr h1 enable $VM --to "$H2_PEER" --wait
    VM_ID=${ID^^} await_rel h1 '.state == 3 and .job == null'
    await_records a $VM 500 # a baseline
    [ "$(metric repl_guest_write_latency_seconds)" = -1 ]
    vr h1 bandwidth $VM 100K
    dd if=/dev/urandom of="$L/h2/replicas/${ID^^}/vdb.raw" bs=1M seek=16 count=16 conv=notrunc status=none # something to send
    job=$(vr h1 resync $VM --json | jq .job_id)
    await_job h1 "$job" '.progress.guest_write_latency_us > 0'
    slow_guest 10
    await_job h1 "$job" '.progress.backoff_level > 2' # it begins with 2
    [ "$(metric repl_read_backoff_level)" -gt 0 ]
    vr h1 status $VM >"$work/said" || true
    grep "^gives way  *reads 1/[0-9]* of the time: the guest's writes take " "$work/said"
    slow_guest 0
    await_job h1 "$job" '.progress.backoff_level == 0'
    vr h1 bandwidth $VM 0
    await_end h1 "$job"
    [ "$(metric repl_read_backoffs_total)" -gt 1 ]
    [ "$(metric repl_read_backoff_level)" = 0 ]
    check_records "$L/h2/replicas/${ID^^}"/vda.* "$L/h2/replicas/${ID^^}"/vdb.*
}

export_gives_way() {
    local job before
    vr h1 disable $VM
    rm -rf "$L/h2/replicas/${ID^^}"
    vr h1 enable $VM --to "$H2_PEER" --no-start
    set_conf h1 limits read_rate 1M # so that there is time
    host restart h1
    slow_guest 10
    mkdir "$work/out"
    before=$(metric repl_read_backoffs_total)
    job=$(vr h1 start $VM --export "$work/out" --json | jq .job_id)
    await_job h1 "$job" '.progress.backoff_level > 2'
    vr h1 cancel $VM
    slow_guest 0
    [ "$(metric repl_read_backoffs_total)" -gt "${before:-0}" ]
}

scenario 'a transfer gives way to its guest' gives_way
scenario 'and so does an export' export_gives_way
finish
