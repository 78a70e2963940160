#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The first copy travels in a directory: exported on one host, carried, imported on the other, then resynchronized. What
# is altered, cut, killed or without room leaves no half of anything.
# shellcheck disable=SC2317 # scenarios are called by name
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
MIB=$((1024 * 1024))
SIZE_MIB=256

random_disk "$work/vda.img" $SIZE_MIB
qemu-img create -q -f qcow2 "$work/vdb.qcow2" 16M
qemu-io -f qcow2 -c 'write -q -P 0x31 3M 2M' "$work/vdb.qcow2"
make_lab lab --disk "$work/vda.img:raw" --disk "$work/vdb.qcow2:qcow2" --no-replica
vr h2 authorize list --json | jq -e '.authorizations | length > 0' >/dev/null ||
    vr h2 authorize add h1.localhost --storage "$L/h2/replicas"
replica=$L/h2/replicas/$VM_ID
mkdir "$work/out" "$work/medium"

same_disks() {
    qemu-img compare -f raw -F raw "$work/vda.img" "$replica/vda.raw"
    qemu-img compare -f qcow2 -F qcow2 "$work/vdb.qcow2" "$replica/vdb.qcow2"
}

again() { # the same VM from the beginning
    [ -z "$(rel_get h1 .state)" ] || vr h1 disable "$VM_NAME"
    rm -rf "$replica"
    vr h1 enable "$VM_NAME" --to "$H2_PEER" --no-start
}

export_to() { # DIR: says the job's id
    vr h1 start "$VM_NAME" --export "$1" --json | jq .job_id
}

export_whole() {
    again
    rm -rf "$work/out/$VM_ID"
    await_end h1 "$(export_to "$work/out")"
    rm -rf "$work/medium"
    cp -r --sparse=always "$work/out" "$work/medium"
}

holds_nothing() {
    [ "$(rel_get h2 .state)" = 2 ]
    [ ! -e "$replica/vda.raw" ]
}

refuses() { # WORD COMMAND...: it fails and says WORD
    local word=$1
    shift
    if "$@" >"$work/said" 2>&1; then
        die "it was not refused: $*"
    fi
    cat "$work/said"
    grep -q -e "$word" "$work/said"
}

location_param() { # NAME PATH
    printf '<PARAMVALUE NAME="InitialReplication%sLocation" PARAMTYPE="string"><VALUE>%s</VALUE></PARAMVALUE>' "$1" "$2"
}

carried() {
    local job sent
    again
    [ "$(call h1 "admin:$ADMIN_PASSWORD" StartReplication \
        "$(vm_param)<PARAMVALUE NAME=\"InitialReplicationType\" PARAMTYPE=\"uint16\"><VALUE>2</VALUE></PARAMVALUE>$(
            location_param Export "$work/out"
        )$(start_param 20010101000000.000000+000)")" = 4096 ]
    job=$(answered_job)
    await_cim_job h1 "$job"
    [ "$(cim_job h1 "$job" JobType)" = 118 ]
    [ "$(rel_get h1 .state)" = 2 ]
    [ "$(rel_get h1 .exported)" = true ]
    sha256sum "$work/out/$VM_ID/vda.sha256" | grep -q "^$(head -n 1 "$work/out/$VM_ID/vmreplica-export" |
        jq -r '.disks[0].sha256') "
    qemu-img compare -f raw -F raw "$work/vda.img" "$work/out/$VM_ID/vda.raw"
    qemu-img compare -f qcow2 -F raw "$work/vdb.qcow2" "$work/out/$VM_ID/vdb.raw"
    refuses 'not imported' vr h1 resync "$VM_NAME"
    rm -rf "$work/medium"
    cp -r --sparse=always "$work/out" "$work/medium"
    chmod -R a-w "$work/medium" # a medium that cannot be written
    [ "$(call h2 "admin:$ADMIN_PASSWORD" ImportInitialReplica "$(vm_param)$(location_param Import "$work/medium")")" = 4096 ]
    job=$(answered_job)
    await_cim_job h2 "$job"
    [ "$(cim_job h2 "$job" JobType)" = 95 ]
    chmod -R u+w "$work/medium"
    same_disks
    [ "$(rel_get h2 .state)" = 3 ]
    qemu-io -f raw -c 'write -q -P 0x41 5M 64k' "$work/vda.img"
    job=$(vr h1 resync "$VM_NAME" --json | jq .job_id)
    await_end h1 "$job"
    sent=$(job_get h1 "$job" .progress.bytes_sent)
    [ "$sent" -lt "$MIB" ] || die "sent $sent bytes"
    same_disks
    [ "$(rel_get h1 .state)" = 3 ]
    [ "$(rel_get h1 .generation.uuid)" = "$(rel_get h2 .generation.uuid)" ]
}

refused() { # what is wrong with a directory is said at once
    again
    refuses none vr h1 start "$VM_NAME" --export "$work/none"
    refuses 'no directory' vr h1 start "$VM_NAME" --export "$work/vda.img"
    refuses 'no export' vr h1 start "$VM_NAME" --export "$L/h2/replicas" # files of that name are there
    [ -f "$replica/vda.raw.unready" ]
    refuses 'no directory' vr h2 import "$VM_ID" "$work/vda.img"
    mkdir -p "$work/empty"
    refuses 'no export' vr h2 import "$VM_ID" "$work/empty"
    [ "$(rel_get h1 .state)" = 1 ]
    holds_nothing
}

altered() {
    local file job injected=0
    export_whole
    for file in vda.raw vdb.raw vda.sha256 vmreplica-export; do
        cp "$work/medium/$VM_ID/$file" "$work/kept"
        printf X | dd of="$work/medium/$VM_ID/$file" bs=1 seek=100 conv=notrunc status=none
        injected=$((injected + 1))
        job=$(vr h2 import "$VM_ID" "$work/medium" --json | jq .job_id)
        await_end h2 "$job" 10
        job_get h2 "$job" .error_text | grep -E "'($file|vmreplica-export)'.*(altered|damaged)"
        holds_nothing
        cp --sparse=always "$work/kept" "$work/medium/$VM_ID/$file"
    done
    truncate -s 100M "$work/medium/$VM_ID/vda.raw"
    job=$(vr h2 import "$VM_ID" "$work/medium" --json | jq .job_id)
    await_end h2 "$job" 10
    job_get h2 "$job" .error_text | grep "ends at offset 104857600"
    holds_nothing
    truncate -s ${SIZE_MIB}M "$work/medium/$VM_ID/vda.raw"
    job=$(vr h2 import "$VM_ID" "$work/medium" --json | jq .job_id)
    await_end h2 "$job" 10 # what was cut is zeroes now
    cp --sparse=always "$work/out/$VM_ID/vda.raw" "$work/medium/$VM_ID/vda.raw"
    await_end h2 "$(vr h2 import "$VM_ID" "$work/medium" --json | jq .job_id)"
    same_disks
    [ $injected = 4 ]
}

killed_exporting() {
    local i job injected=0
    for i in 0.05 0.2 0.5; do
        again
        rm -rf "$work/out/$VM_ID"
        job=$(export_to "$work/out")
        sleep $i
        host kill h1
        [ "$(ls "$work/out/$VM_ID")" = '' ] || injected=$((injected + 1))
        host start h1
        if [ "$(job_get h1 "$job" .state)" = 7 ]; then
            continue # it was done
        fi
        [ "$(job_get h1 "$job" .state)" = 10 ]
        [ "$(rel_get h1 .state)" = 1 ]
        await_end h1 "$(export_to "$work/out")"
        await_end h2 "$(vr h2 import "$VM_ID" "$work/out" --json | jq .job_id)"
        same_disks
    done
    ((injected > 0)) || die 'nothing was killed in the middle'
}

killed_importing() {
    local i job injected=0
    export_whole
    for i in 0.05 0.2 0.4 0.6; do
        job=$(vr h2 import "$VM_ID" "$work/medium" --json | jq .job_id)
        sleep $i
        host kill h2
        host start h2
        if [ "$(rel_get h2 .state)" = 3 ]; then
            break
        fi
        injected=$((injected + 1))
        [ "$(job_get h2 "$job" .state)" = 10 ]
        holds_nothing
    done
    ((injected > 0)) || die 'nothing was killed in the middle'
    [ "$(rel_get h2 .state)" = 3 ] || await_end h2 "$(vr h2 import "$VM_ID" "$work/medium" --json | jq .job_id)"
    same_disks
    vr h1 resync "$VM_NAME" --wait
    [ "$(rel_get h1 .state)" = 3 ]
}

cancelled() {
    local job
    again
    rm -rf "$work/out/$VM_ID"
    set_conf h1 limits read_rate 20M
    host restart h1
    job=$(export_to "$work/out")
    await_job h1 "$job" '.progress.bytes_compared > 0'
    vr h1 cancel "$VM_NAME"
    [ "$(job_get h1 "$job" .state)" = 8 ]
    [ "$(rel_get h1 .state)" = 1 ]
    [ "$(ls "$work/out/$VM_ID")" = '' ]
    set_conf h1 limits read_rate 0
    host restart h1
}

no_room() {
    local dir=$work/small
    again
    mkdir -p "$dir"
    mount -t tmpfs -o size=64m none "$dir"
    trap 'umount -l "$work/small" 2>/dev/null || true' EXIT
    refuses 'MiB are free' vr h1 start "$VM_NAME" --export "$dir"
    umount "$dir"
    [ "$(rel_get h1 .state)" = 1 ]
}

filled() { # somebody else takes the room meanwhile
    local dir=$work/small job began_s
    again
    set_conf h1 limits read_rate 10M
    host restart h1
    mount -t tmpfs -o size=300m none "$dir"
    trap 'umount -l "$work/small" 2>/dev/null || true' EXIT
    began_s=$(date +%s)
    job=$(export_to "$dir")
    await_job h1 "$job" '.progress.bytes_compared > 0'
    dd if=/dev/zero of="$dir/others" bs=1M 2>/dev/null || true
    await_end h1 "$job" 10
    [ "$(job_get h1 "$job" .error_code)" = 32778 ]
    # No more than the rate lets it, and a first piece that it need not wait for.
    [ "$(job_get h1 "$job" .progress.bytes_compared)" -le $(((2 + $(date +%s) - began_s) * 10 * MIB)) ]
    [ "$(ls "$dir/$VM_ID")" = '' ]
    umount "$dir"
    [ "$(rel_get h1 .state)" = 1 ]
    set_conf h1 limits read_rate 0
    host restart h1
}

full_replica() { # the file system of the replica is full
    local job
    export_whole
    host stop h2
    mkdir -p "$work/keep"
    cp -a "$L/h2/replicas/." "$work/keep/"
    mount -t tmpfs -o size=100m none "$L/h2/replicas"
    trap 'umount -l "$L/h2/replicas" 2>/dev/null || true' EXIT
    cp -a --sparse=always "$work/keep/." "$L/h2/replicas/"
    host start h2
    job=$(vr h2 import "$VM_ID" "$work/medium" --json | jq .job_id)
    await_end h2 "$job" 10
    [ "$(job_get h2 "$job" .error_code)" = 32778 ]
    holds_nothing
    mount -o remount,size=600m "$L/h2/replicas"
    await_end h2 "$(vr h2 import "$VM_ID" "$work/medium" --json | jq .job_id)"
    same_disks
    host stop h2
    umount "$L/h2/replicas"
}

scenario 'exported, carried, imported, resynchronized' carried
scenario 'directories that will not do' refused
scenario 'what is altered or cut is named and refused' altered
scenario 'killed while it exports' killed_exporting
scenario 'killed while it imports' killed_importing
scenario 'a cancelled export leaves nothing' cancelled
if mkdir "$work/try" && mount -t tmpfs -o size=1m none "$work/try" 2>/dev/null; then
    umount "$work/try"
    scenario 'no room for an export' no_room
    scenario 'the room for an export goes away' filled
    scenario 'no room for an import' full_replica
else
    skip 'no room for an export' 'this user cannot mount'
fi
finish
