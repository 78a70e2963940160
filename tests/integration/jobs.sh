#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A job's life beside "start and wait": scheduled, superseded, paused, resumed, cancelled, slowed down.
# shellcheck disable=SC2317 # scenarios are called by name
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
MIB=$((1024 * 1024))
DIFFER_MIB=48
SPEED=12M
WINDOW=$((16 * MIB)) # what a source may have on its way to the other side

random_disk "$work/vda.img" 64
qemu-img create -q -f qcow2 "$work/vdb.qcow2" 16M
make_lab lab --disk "$work/vda.img:raw" --disk "$work/vdb.qcow2:qcow2"

at() { # OFFSET
    date -u -d "$1" +%FT%TZ
}

new_job() { # COMMAND...: on h1; says the job's id
    vr h1 "$@" --json | jq .job_id
}

overwrite() { # IMAGE: new random data in its first DIFFER_MIB
    head -c "${DIFFER_MIB}M" /dev/urandom | dd of="$1" bs=1M conv=notrunc status=none
}

survives_restart() {
    local job lead due state
    for lead in 4 20 60; do # on a busy machine its time may come before the restart is over
        damage "$H2_DISK_1"
        due=$(($(date +%s) + lead))
        job=$(new_job resync "$VM_NAME" --at "$(at "@$due")")
        host restart h1
        state=$(job_get h1 "$job" .state)
        (($(date +%s) >= due)) || break
        await_end h1 "$job"
    done
    [ "$state" = 2 ] || die 'it is not waiting any more'
    await_end h1 "$job"
    equal_disks h1 h2
}

missed() { # its time comes while the daemon is down
    local job
    damage "$H2_DISK_1"
    job=$(new_job resync "$VM_NAME" --at "$(at '+1 second')")
    host kill h1
    sleep 1.5
    host start h1
    await_end h1 "$job"
    equal_disks h1 h2
}

superseded() {
    local first second
    first=$(new_job resync "$VM_NAME" --at "$(at '+1 hour')")
    second=$(new_job resync "$VM_NAME" --at "$(at '+2 hours')")
    [ "$(job_get h1 "$first" .state)" = 8 ]
    [[ $(job_get h1 "$first" .status) = *superseded* ]]
    [ "$(job_get h1 "$second" .state)" = 2 ]
    vr h1 cancel "$VM_NAME"
    [ "$(job_get h1 "$second" .state)" = 8 ]
    [ "$(rel_get h1 .state)" = 3 ]
}

slow_job() { # starts one with DIFFER_MIB to send; its id is in $job
    vr h1 bandwidth "$VM_NAME" "$SPEED"
    job=$(new_job resync "$VM_NAME")
    [ "$job" != null ]
}

sent_at_least() { # BYTES
    await_job h1 "$job" ".progress.bytes_sent >= $1"
}

limited() {
    local job began
    overwrite "$H2_DISK_0"
    began=$(date +%s%N)
    slow_job
    await_end h1 "$job"
    # 48 MiB at 12 MiB/s; a window may go without waiting
    (($(date +%s%N) - began > 2500000000)) || die 'too fast for its limit'
    equal_disks h1 h2
}

pause_and_resume() {
    local job sent_before sent
    overwrite "$H2_DISK_0"
    slow_job
    sent_at_least $((16 * MIB))
    vr h1 pause "$VM_NAME"
    await_job h1 "$job" '.state == 5'
    [ "$(rel_get h1 .state)" = 11 ]
    sent_before=$(job_get h1 "$job" .progress.wire_out)
    vr h1 bandwidth "$VM_NAME" 0
    vr h1 resume "$VM_NAME"
    await_end h1 "$job"
    equal_disks h1 h2
    sent=$(job_get h1 "$job" .progress.wire_out)
    echo "$sent_before bytes sent before, $sent in all"
    # Only what was under way may be sent again, whether or not the counter begins anew.
    [ "$sent" -ge "$sent_before" ] || sent=$((sent + sent_before))
    [ "$sent" -le $((DIFFER_MIB * MIB + sent_before / 100 + WINDOW + MIB)) ] || die 'it was sent again'
}

changed_meanwhile() {
    local job
    overwrite "$H2_DISK_0"
    slow_job
    sent_at_least $((16 * MIB))
    vr h1 pause "$VM_NAME"
    await_job h1 "$job" '.state == 5'
    # What was staged, what was not yet, and what was equal.
    qemu-io -f raw -c 'write -q -P 0x51 0 2M' -c 'write -q -P 0x52 40M 2M' -c 'write -q -P 0x53 60M 1M' "$H1_DISK_0"
    qemu-io -f qcow2 -c 'write -q -P 0x54 1M 1M' "$H1_DISK_1"
    vr h1 bandwidth "$VM_NAME" 0
    vr h1 resume "$VM_NAME"
    await_end h1 "$job"
    equal_disks h1 h2
}

paused_over_restart() {
    local job
    overwrite "$H2_DISK_0"
    slow_job
    sent_at_least $((16 * MIB))
    vr h1 pause "$VM_NAME"
    await_job h1 "$job" '.state == 5'
    host restart h1
    host restart h2
    [ "$(job_get h1 "$job" .state)" = 5 ]
    vr h1 bandwidth "$VM_NAME" 0
    vr h1 resume "$VM_NAME"
    await_end h1 "$job"
    equal_disks h1 h2
}

cancelled() {
    local job
    overwrite "$H2_DISK_0"
    cp "$H2_DISK_0" "$work/before"
    slow_job
    sent_at_least $((4 * MIB))
    vr h1 cancel "$VM_NAME"
    await_end h1 "$job" 8
    await_rel h1 '.state == 9'
    cmp "$work/before" "$H2_DISK_0" || die 'the replica was written to'
    ls -I "changes-*" "$(dirname "$H2_DISK_0")" >"$work/files"
    [ "$(wc -l <"$work/files")" = 3 ] || {
        cat "$work/files"
        die 'something staged is left'
    }
    vr h1 bandwidth "$VM_NAME" 0
    job=$(new_job resync "$VM_NAME")
    await_end h1 "$job"
    equal_disks h1 h2
}

killed() { # HOST: SIGKILL in the middle; the job goes on by itself
    local job
    overwrite "$H2_DISK_0"
    slow_job
    sent_at_least $((8 * MIB))
    host kill "$1"
    sleep 0.3
    host start "$1"
    await_end h1 "$job"
    equal_disks h1 h2
}

scenario 'a scheduled start survives a restart' survives_restart
scenario 'a start that was missed is made good' missed
scenario 'a new call supersedes the scheduled one' superseded
scenario 'a bandwidth limit holds' limited
scenario 'resume sends only what is left' pause_and_resume
scenario 'resume after the source changed' changed_meanwhile
scenario 'resume after both hosts restarted' paused_over_restart
scenario 'cancel leaves the replica alone' cancelled
scenario 'the source is killed' killed h1
scenario 'the target is killed' killed h2
finish
