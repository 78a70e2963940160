#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Replication by itself between real daemons: a cycle sends what changed, sends nothing when nothing did, leaves damage
# of the replica to a person, and ends when it is switched off. Cycles are at least 30 s apart: this one takes time.
# shellcheck disable=SC2317 # scenarios are called by name
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
make_lab lab

deltas() {
    vr h1 events --json | jq '[.events[] | select(.id == "delta-sent")] | length'
}

await_deltas() { # N
    local i
    for ((i = 0; i < 300; i++)); do
        [ "$(deltas)" -ge "$1" ] && return
        sleep 1
    done
    die "no $1 cycles that sent something"
}

refused() {
    if vr h1 set "$VM_NAME" --every 29s; then
        die 'an interval of 29 s'
    fi
    if vr h1 set "$VM_NAME" --auto-window 06:00; then
        die 'a window without an end'
    fi
    [ "$(rel_get h1 .setting.interval_s)" = 0 ]
}

sent() {
    vr h1 set "$VM_NAME" --every 30s --auto-resync on --auto-window 00:00-00:00
    [ "$(rel_get h1 .setting.interval_s)" = 30 ]
    damage "$H1_DISK_0"
    await_deltas 1
    equal_disks h1 h2
    [ "$(rel_get h1 .state)" = 3 ]
}

unchanged() {
    local before
    before=$(rel_get h1 .last_sync)
    await_rel h1 ".last_sync != \"$before\""
    [ "$(deltas)" = 1 ] || die 'a cycle sent what had not changed'
}

left_to_a_person() {
    damage "$H2_DISK_0"
    await_rel h1 '.state == 9'
    [ "$(rel_get h1 '.issues[0].id')" = replica-changed ]
    sleep 3 # its window is open, and nothing begins
    [ "$(rel_get h1 .state)" = 9 ]
    vr h1 resync "$VM_NAME" --wait
    equal_disks h1 h2
}

switched_off() {
    vr h1 set "$VM_NAME" --every off --auto-resync off
    [ "$(rel_get h1 .setting.interval_s)" = 0 ]
}

scenario 'what is refused' refused
scenario 'a cycle sends what changed' sent
scenario 'a cycle sends nothing when nothing changed' unchanged
scenario 'a replica that changed waits for a person' left_to_a_person
scenario 'switched off' switched_off
finish
