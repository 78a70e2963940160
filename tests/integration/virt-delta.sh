#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Cycles of a guest that writes: a disk whose image keeps track of changes is compared only where it changed, the others
# whole; what arrives is one instant of both; a guest that is killed, a bitmap that is lost, a libvirtd that restarts and
# a daemon that is killed cost a compare at most; and nothing of ours is left in libvirt when replication ends.
# shellcheck disable=SC2317 # scenarios are called by name
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/virtlab.sh
. "$(dirname "$0")/virtlab.sh"
need python3

VM=web
ID=8f3c2f0e-7a6b-4b57-9d0e-1f6a2b3c4d5e
CYCLES=${CYCLES:-50}
MIB=$((1024 * 1024))
virt_host a
A_MIB=96 B_MIB=16
records_and_data "$work/whole" $A_MIB
qemu-img convert -f raw -O qcow2 "$work/whole" "$work/$VM-a.qcow2"
rm "$work/whole"
qemu-img create -q -f raw "$work/$VM-b.raw" ${B_MIB}M
# Two disks that the guest leaves alone: one keeps track of changes, one is of a version that cannot.
C_MIB=16
random_disk "$work/whole" $C_MIB
qemu-img convert -f raw -O qcow2 "$work/whole" "$work/$VM-c.qcow2"
qemu-img convert -f raw -O qcow2 -o compat=0.10 "$work/whole" "$work/$VM-d.qcow2"
rm "$work/whole"

more_disk() { # LETTER
    echo "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='$work/$VM-$1.qcow2'/>" \
        "<target dev='vd$1' bus='virtio'/></disk>"
}

define_guest a $VM $ID 'vr.us=8000' "$(more_disk c)$(more_disk d)"
make_lab lab --no-replica
use_libvirt h1 a

checkpoints() {
    v a checkpoint-list $VM --name | grep -v '^$' || true
}

# The newest job that sent a delta; 0: none.
SENT='([.events[] | select(.id == "delta-sent") | .text | capture("^job (?<n>[0-9]+)").n | tonumber] | max // 0)'

# Lets cycles run until one has sent something that began after now; then its job's number is in JOB.
next_delta() {
    local before image
    before=$(vr h1 events --json --limit 1000 | jq "$SENT")
    vr h1 resume $VM >/dev/null 2>&1 || true # it may not be paused
    JOB=$(keep_asking h1 events --limit 50 | jq -n "first(inputs | $SENT | select(. > $before))")
    [ -n "$JOB" ] || {
        vr h1 status $VM
        vr h1 events --limit 20
        die 'no cycle sent anything'
    }
    vr h1 pause $VM >/dev/null
    VM_ID=${ID^^} await_rel h1 '.job == null'
    for image in "$L"/h2/replicas/*/vd?.{qcow2,raw}; do
        [ ! -e "$image" ] || await_readable "$image"
    done
}

report() { # JQ-FILTER: of JOB
    vr h1 report "$JOB" --json | jq -r ".report | $1"
}

compared() { # DISK: bytes, of JOB
    report ".disks[] | select(.name == \"$1\") | .bytes_compared"
}

mib_of() { # IMAGE
    echo $(($(qemu-img info -U --output json -f "$(format_of "$1")" "$1" | jq '."virtual-size"') / MIB))
}

is_whole() { # DISK FILE: were all its bytes compared?
    [ "$(compared "$1")" = $(($(mib_of "$work/$VM-$2") * MIB)) ]
}

only_changes() {
    local n
    n=$(compared vda)
    [ "$n" -le $((12 * MIB)) ] || die "$n bytes of vda were compared: $(report .outcome)"
    is_whole vdb b.raw
    is_whole vdd d.qcow2
}

whole() { # REASON: of vda
    is_whole vda a.qcow2 || die "only $(compared vda) bytes of vda were compared"
    report .outcome | grep -q "vda: .*$1" || die "the reason: $(report .outcome)"
}

initial() {
    start_guest a $VM
    vr h2 authorize add h1.localhost --storage "$L/h2/replicas"
    vr h1 enable $VM --to "$H2_PEER" --wait
    VM_ID=${ID^^} await_rel h1 '.state == 3 and .job == null'
    good_replica
    [ -z "$(checkpoints)" ] || die 'a checkpoint that no cycle will ask for'
    vr h1 pause $VM # no cycle before somebody looks
    vr h1 set $VM --every 30s
    every_second h1
}

first() {
    next_delta
    whole 'no checkpoint'
    vr h1 events --json | jq -r '.events[] | select(.id == "compared-whole") | .text' | tee "$work/said" | grep 'vdb: .*keeps no track'
    grep 'vdd: a qcow2 image of version 2 keeps no track' "$work/said" || die 'no reason for version 2'
    [ "$(checkpoints | wc -l)" = 1 ]
    good_replica
}

fifty() {
    local i last='' now
    for ((i = 1; i <= CYCLES; i++)); do
        next_delta
        only_changes
        now=$(good_replica) || die "$now"
        [ "$now" != "$last" ] || die 'nothing new arrived'
        last=$now
        [ "$(checkpoints | wc -l)" -le 2 ] || die "checkpoints: $(checkpoints)"
    done
    echo "$now, $(compared vda) bytes of vda compared"
    nothing_left
}

restarted_libvirtd() {
    virt_stop a
    virt_start a
    await_records a $VM 10
    next_delta
    only_changes
    good_replica
}

# A repeated Resynchronize asks no bitmap, and the next cycle knows what changed since.
resync() {
    local job
    job=$(vr h1 resync $VM --json | jq .job_id)
    await_end h1 "$job"
    JOB=$job
    is_whole vda a.qcow2
    [ "$(report .outcome)" = equal ]
    next_delta
    only_changes
    good_replica
}

write_as_guest() { # DISK-NUMBER PATTERN MIB COUNT: through the VM's device, as its guest would
    v a qemu-monitor-command $VM --hmp \
        "qemu-io -d /machine/peripheral/virtio-disk$1/virtio-backend \"write -P $2 $3M $4M\""
}

replica_has() { # DISK PATTERN MIB COUNT
    local image said
    image=$(replica "$1")
    said=$(qemu-io -U -r -f "$(format_of "$image")" -c "read -P $2 $3M $4M" "$image")
    ! grep -q 'verification failed' <<<"$said" || die "$1 of the replica has something else: $said"
}

# What a bitmap does not cover yet is compared, and deltas go on.
resized() {
    local n
    v a blockresize $VM vda $((A_MIB + 4))M
    v a blockresize $VM vdb $((B_MIB + 4))M
    v a blockresize $VM vdd $((C_MIB + 2))M
    write_as_guest 0 0x61 $((A_MIB + 1)) 2
    write_as_guest 1 0x62 $((B_MIB + 1)) 2
    next_delta
    good_replica
    [ "$(mib_of "$(replica vda.qcow2)")" = $((A_MIB + 4)) ]
    [ "$(mib_of "$(replica vdb.raw)")" = $((B_MIB + 4)) ]
    [ "$(mib_of "$(replica vdd.qcow2)")" = $((C_MIB + 2)) ]
    replica_has vda.qcow2 0x61 $((A_MIB + 1)) 2
    replica_has vdb.raw 0x62 $((B_MIB + 1)) 2
    n=$(compared vda)
    [ "$n" -le $((18 * MIB)) ] || die "$n bytes of vda were compared: $(report .outcome)"
    [ "$(vr h1 status $VM --json | jq '.relationships[0].reason')" = '"paused by a person"' ]
    vr h2 events --json --limit 1000 | jq -r '.events[].text' | grep "vda has $(((A_MIB + 4) * MIB)) bytes"
    # The bitmap knows of what was added, too.
    write_as_guest 0 0x63 $((A_MIB + 3)) 1
    next_delta
    only_changes
    replica_has vda.qcow2 0x63 $((A_MIB + 3)) 1
    good_replica
    [ "$(checkpoints | wc -l)" -le 2 ] || die "checkpoints: $(checkpoints)"
}

attached() {
    random_disk "$work/whole" 8
    qemu-img convert -f raw -O qcow2 "$work/whole" "$work/$VM-e.qcow2"
    rm "$work/whole"
    v a attach-disk $VM "$work/$VM-e.qcow2" vde --targetbus virtio --subdriver qcow2 --live --config
    next_delta
    report .outcome | grep 'vde: ' || die "no reason: $(report .outcome)"
    [ "$(compared vde)" = $((8 * MIB)) ]
    only_changes
    good_replica
    qemu-img compare -U -f qcow2 -F qcow2 "$work/$VM-e.qcow2" "$(replica vde.qcow2)"
    vr h2 events --json --limit 1000 | jq -r '.events[].text' | grep 'vde was added'
    write_as_guest 4 0x64 3 2
    next_delta
    only_changes
    [ "$(compared vde)" = $((2 * MIB)) ] || die "$(compared vde) bytes of vde were compared"
    replica_has vde.qcow2 0x64 3 2
}

await_detached() {
    local i
    for ((i = 0; i < JOB_S * 10; i++)); do
        v a domblklist $VM | grep -q vde || return 0
        sleep 0.1
    done
    die 'the guest does not give the disk back'
}

detached() {
    local kept
    v a detach-disk $VM vde --live --config
    await_detached
    next_delta
    only_changes
    good_replica
    [ -z "$(compared vde)" ] || die 'vde is in the report'
    [ ! -e "$(replica vde.qcow2)" ]
    kept=$(echo "$L"/h2/replicas/*/vde.qcow2.removed-*)
    qemu-img compare -f qcow2 -F qcow2 "$work/$VM-e.qcow2" "$kept"
    next_delta
    only_changes
    [ "$(checkpoints | wc -l)" -le 2 ] || die "checkpoints: $(checkpoints)"
}

# A kill that met no job, since it had just ended, is tried again.
killed_daemon() {
    local i tries
    vr h1 bandwidth $VM 100K >/dev/null
    vr h1 resume $VM >/dev/null
    for ((tries = 0; tries < 20; tries++)); do
        for ((i = 0; i < JOB_S * 100; i++)); do
            ! v a backup-dumpxml $VM >/dev/null 2>&1 || break
            sleep 0.02
        done
        host kill h1
        ! v a backup-dumpxml $VM >/dev/null 2>&1 || break
        host start h1
    done
    [ $tries -lt 20 ] || die 'no kill met a job'
    host start h1
    vr h1 bandwidth $VM 0 >/dev/null
    next_delta
    good_replica
    nothing_left
    [ "$(checkpoints | wc -l)" -le 2 ] || die "checkpoints: $(checkpoints)"
    next_delta
    only_changes
}

no_checkpoints() {
    local i
    for ((i = 0; i < JOB_S * 10; i++)); do
        [ -n "$(checkpoints)" ] || return 0
        sleep 0.1
    done
    die "checkpoints: $(checkpoints)"
}

switched_off() {
    [ -n "$(checkpoints)" ]
    vr h1 set $VM --every off
    no_checkpoints
    vr h1 set $VM --every 30s
    every_second h1
    next_delta
    whole 'no checkpoint'
    next_delta
    only_changes
}

killed_guest() {
    kill -KILL "$(cat "$work/virt-a/run/qemu/$VM.pid")"
    await_state a $VM 'shut off'
    start_guest a $VM
    next_delta
    whole 'bitmap is missing or inconsistent'
    good_replica
    next_delta
    only_changes
    good_replica
    [ "$(checkpoints | wc -l)" -le 2 ] || die "checkpoints: $(checkpoints)"
}

# Of two disks that keep track of changes one loses its bitmap: that one alone is compared whole.
one_lost() {
    local bitmap n=0
    v a shutdown $VM
    await_state a $VM 'shut off'
    for bitmap in $(qemu-img info --output=json "$work/$VM-c.qcow2" |
        jq -r '."format-specific".data.bitmaps[]?.name'); do
        qemu-img bitmap --remove -f qcow2 "$work/$VM-c.qcow2" "$bitmap"
        n=$((n + 1))
    done
    [ $n -gt 0 ] || die 'there was no bitmap to lose'
    start_guest a $VM
    next_delta
    only_changes
    [ "$(compared vdc)" = $((C_MIB * MIB)) ] || die "only $(compared vdc) bytes of vdc were compared"
    report .outcome | grep 'vdc: .*bitmap is missing or inconsistent'
    ! report .outcome | grep 'vda:' || die 'vda is not to be compared whole'
    good_replica
    next_delta
    only_changes
    [ "$(compared vdc)" = 0 ] || die "$(compared vdc) bytes of vdc were compared"
}

shut_down() {
    v a shutdown $VM
    await_state a $VM 'shut off'
    next_delta
    good_replica --frozen
    whole 'is off'
    start_guest a $VM
    next_delta
    whole 'no checkpoint'
    next_delta
    only_changes
    good_replica
}

# While the guest is off libvirt deletes no bitmap, and undefines no domain with checkpoints.
ended() {
    local image
    v a shutdown $VM
    await_state a $VM 'shut off'
    [ -n "$(checkpoints)" ]
    vr h1 disable $VM
    no_checkpoints
    # libvirt deletes a checkpoint's bitmaps all or none; where one was lost, the others went one by one.
    for image in "$work/$VM-a.qcow2" "$work/$VM-c.qcow2"; do
        qemu-img info --output=json "$image" | jq -e '[."format-specific".data.bitmaps[]?.name] == []' >/dev/null ||
            die "a bitmap is left in $image"
    done
    v a undefine $VM
}

scenario 'the first copy, by no checkpoint' initial
scenario 'the first cycle compares whole and says why' first
scenario "$CYCLES cycles of a guest that writes" fifty
scenario 'libvirtd is restarted between cycles' restarted_libvirtd
scenario 'Resynchronize compares everything' resync
scenario 'disks of a running guest grow' resized
scenario 'a disk is attached to a running guest' attached
scenario 'a disk is detached from a running guest' detached
scenario 'the daemon is killed in a cycle' killed_daemon
scenario 'cycles are switched off, and on again' switched_off
scenario 'the guest is killed, and its bitmaps are lost' killed_guest
scenario 'one of two bitmaps is lost' one_lost
scenario 'the guest is off, and runs again' shut_down
scenario 'nothing is left in libvirt' ended
finish
