#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Guests that run, under write load: what arrives is one instant of both disks, whatever happens to guest, libvirtd and
# daemon meanwhile; and nothing of ours is left in libvirt.
# shellcheck disable=SC2317 # scenarios are called by name
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/virtlab.sh
. "$(dirname "$0")/virtlab.sh"

VM=web
ID=8f3c2f0e-7a6b-4b57-9d0e-1f6a2b3c4d5e
virt_host a
records_and_data "$work/$VM-b.raw" 64
# The other disk has a backing file, with data behind the records, too.
qemu-img create -q -f qcow2 "$work/$VM-base.qcow2" 64M
qemu-io -f qcow2 -c 'write -q -P 0x61 32M 3M' "$work/$VM-base.qcow2"
qemu-img create -q -f qcow2 -F qcow2 -b "$work/$VM-base.qcow2" "$work/$VM-a.qcow2"
define_guest a $VM $ID 'vr.us=8000'
make_lab lab --no-replica
use_libvirt h1 a

runs() { # whatever a scenario before came to
    [ "$(v a domstate $VM)" = running ] || start_guest a $VM
}

fast() {
    vr h1 bandwidth $VM 0 >/dev/null
}

initial() {
    start_guest a $VM
    vr h2 authorize add h1.localhost --storage "$L/h2/replicas"
    vr h1 enable $VM --to "$H2_PEER" --wait
    VM_ID=${ID^^} await_rel h1 '.state == 3 and .job == null'
    good_replica
    nothing_left
    v a domblkinfo $VM vda | head -n 1
}

resync() {
    local job before
    before=$(good_replica)
    await_records a $VM 300
    job=$(vr h1 resync $VM --json | jq .job_id)
    await_end h1 "$job"
    good_replica
    [ "$before" != "$(good_replica)" ] || die 'nothing new arrived'
    [ "$(vr h1 report "$job" --json | jq -r .report.consistency_text)" = crash-consistent ]
    nothing_left
    no_write_error
}

verify_sees_the_guest() {
    await_records a $VM 100
    vr h1 verify $VM --wait --json | tee "$work/said"
    nothing_left
}

off() {
    local job
    runs
    v a shutdown $VM
    await_state a $VM 'shut off'
    job=$(vr h1 resync $VM --json | jq .job_id)
    await_end h1 "$job"
    qemu-img compare -f qcow2 -F qcow2 "$work/$VM-a.qcow2" "$(replica vda.qcow2)"
    qemu-img compare -f raw -F raw "$work/$VM-b.raw" "$(replica vdb.raw)"
    [ "$(vr h1 report "$job" --json | jq -r .report.consistency_text)" = application-consistent ]
    good_replica --frozen
}

# The user's VM is never kept from starting; what was read until then is of no use.
started_meanwhile() {
    local job
    job=$(slow_resync)
    start_guest a $VM
    fast
    await_end h1 "$job"
    vr h1 events --json --limit 1000 | jq -r '.events[].text' | grep 'it is read again as it runs'
    good_replica
    nothing_left
    no_write_error
}

shut_down_meanwhile() {
    local job
    runs
    job=$(slow_resync)
    v a shutdown $VM
    await_state a $VM 'shut off'
    fast
    await_end h1 "$job"
    vr h1 events --json --limit 1000 | jq -r '.events[].text' >"$work/texts"
    grep 'the VM ended while it was read' "$work/texts" || die "$(grep "^job $job:" "$work/texts")"
    good_replica --frozen
    nothing_left
}

killed_guest() {
    local job
    runs
    job=$(slow_resync)
    kill -KILL "$(cat "$work/virt-a/run/qemu/$VM.pid")"
    await_state a $VM 'shut off'
    fast
    await_end h1 "$job"
    good_replica
    [ "$(vr h1 report "$job" --json | jq -r .report.consistency_text)" = crash-consistent ]
    nothing_left
}

# As when QEMU quits: the job is gone a while before libvirt knows that the VM is off.
job_then_guest() {
    local job
    runs
    job=$(slow_resync)
    v a "domjobabort $VM; event --event lifecycle --timeout 1; destroy $VM" # a second apart
    fast
    await_end h1 "$job"
    vr h1 job "$job"
    vr h1 events --json --limit 50 | jq -r --arg job "job $job:" '.events[].text | select(startswith($job))' >"$work/texts"
    grep 'the VM ended while it was read' "$work/texts" || die "$(cat "$work/texts")"
    good_replica
    nothing_left
}

killed_daemon() {
    local job
    runs
    job=$(slow_resync)
    v a backup-dumpxml $VM >/dev/null || die 'no backup job'
    host kill h1
    v a backup-dumpxml $VM >/dev/null || die 'the job should be an orphan now'
    host start h1
    vr h1 events --json --limit 1000 | jq -r '.events[].text' | grep '1 backup jobs that a vmreplicad left behind'
    fast
    await_end h1 "$job"
    good_replica
    nothing_left
    no_write_error
}

restarted_libvirtd() {
    local job
    runs
    job=$(slow_resync)
    virt_stop a
    virt_start a
    fast
    await_end h1 "$job"
    good_replica
    nothing_left
    no_write_error
}

# libvirtd is away when the transfer ends, so the job cannot be ended; when it is back, that is made good.
ended_without_libvirtd() {
    local job
    runs
    job=$(slow_resync)
    virt_stop a
    fast
    await_end h1 "$job"
    good_replica
    virt_start a
    nothing_left
}

foreign_job() {
    local job
    runs
    cat >"$work/foreign.xml" <<EOF
<domainbackup mode='pull'><server transport='unix' socket='$work/foreign.sock'/><disks>
  <disk name='vda' backup='yes' type='file'><scratch file='$work/foreign.scratch'/></disk></disks></domainbackup>
EOF
    v a backup-begin $VM "$work/foreign.xml"
    job=$(vr h1 resync $VM --json | jq .job_id)
    await_job h1 "$job" '(.status | test("is waited for"))'
    v a backup-dumpxml $VM | grep -q foreign.sock || die 'the job of another program was ended'
    v a domjobabort $VM
    await_end h1 "$job"
    good_replica
    nothing_left
}

aborted_by_somebody() {
    local job
    runs
    job=$(slow_resync)
    v a domjobabort $VM
    fast
    await_end h1 "$job"
    good_replica
    nothing_left
}

paused_guest() {
    local job
    runs
    v a suspend $VM
    job=$(vr h1 resync $VM --json | jq .job_id)
    await_end h1 "$job"
    [ "$(v a domstate $VM)" = paused ] || die 'it runs, and its user did not want it to'
    good_replica
    v a resume $VM
    await_records a $VM 100
    nothing_left
}

scenario 'the first copy of a guest that writes' initial
scenario 'a resynchronization under write load' resync
scenario 'a verification under write load' verify_sees_the_guest
scenario 'a paused guest' paused_guest
scenario 'the daemon is killed in a backup job' killed_daemon
scenario 'libvirtd is restarted meanwhile' restarted_libvirtd
scenario 'the transfer ends while libvirtd is away' ended_without_libvirtd
scenario 'a backup job of somebody else is waited for' foreign_job
scenario 'somebody ends our backup job' aborted_by_somebody
scenario 'the guest is shut down meanwhile' shut_down_meanwhile
scenario 'the guest is killed meanwhile' killed_guest
scenario 'its backup job ends right before the guest' job_then_guest
scenario 'a guest that is off' off
scenario 'a guest that is off is started meanwhile' started_meanwhile
finish
