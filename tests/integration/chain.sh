#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Three hosts in a row, each sending by itself: what the last one holds, and of when it says that it is.
# shellcheck disable=SC2317 # scenarios are called by name
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
make_lab lab --hosts 3

# Every host tells the time at which h1's disks were so.
one_instant() {
    damage "$H1_DISK_0"
    vr h1 resync "$VM_NAME" --wait
    local instant
    instant=$(rel_get h1 .last_sync)
    [ "$(rel_get h2 .last_sync)" = "$instant" ]
    sleep 1.1 # whatever is told from now on is another second
    vr h2 resync "$VM_NAME" --extended --wait
    equal_on_h3
    [ "$(rel_get h2 .last_sync 1)" = "$instant" ]
    [ "$(rel_get h3 .last_sync 1)" = "$instant" ]
}

after_restarts() {
    local instant
    instant=$(rel_get h1 .last_sync)
    host restart h2
    host restart h3
    [ "$(rel_get h2 .last_sync)" = "$instant" ]
    [ "$(rel_get h3 .last_sync 1)" = "$instant" ]
}

# The record is made again from the sidecar.
lost_database() {
    local instant
    instant=$(rel_get h1 .last_sync)
    host stop h3
    rm -f "$L"/h3/state/vmreplica.db*
    host start h3
    vr h3 authorize add h2.localhost --storage "$L/h3/replicas"
    host restart h3
    [ "$(rel_get h3 .last_sync 1)" = "$instant" ]
}

change() { # MIB PATTERN: of h1's first disk; h2 has it afterwards
    qemu-io -f "$(format_of "$H1_DISK_0")" -c "write -q -P $2 $1M 4k" "$H1_DISK_0"
    vr h1 resync "$VM_NAME" --wait
}

cycles() { # rare | second: of h2 to h3
    vr h2 set "$VM_NAME" --every 5m --extended
    [ "$1" != second ] || every_second h2
}

# Cycles go on meanwhile, and hold the images' locks now and then.
equal_on_h3() {
    local i
    for ((i = 0; i < JOB_S * 10; i++)); do
        ! equal_disks h1 h3 >"$work/said" 2>&1 || return 0
        grep -q ' lock' "$work/said" || break
        sleep 0.1
    done
    cat "$work/said"
    die 'h3 is not what h1 is'
}

# Waits until h3 has what h2 has; then the report of what brought it is in $work/report.
caught_up() {
    local instant i job
    instant=$(rel_get h2 .last_sync)
    for ((i = 0; i < JOB_S * 10; i++)); do
        [ "$(rel_get h3 .last_sync 1)" != "$instant" ] || break
        sleep 0.1
    done
    await_rel h2 '.job == null'
    # Cycles after it may have found nothing.
    job=$(vr h2 events --json --limit 1000 | jq '[.events[] | select(.id == "delta-sent") | .text |
        capture("^job (?<n>[0-9]+): [1-9]").n | tonumber] | max')
    vr h2 report "$job" --json >"$work/report"
    equal_on_h3
}

report() { # JQ-FILTER
    jq -r ".report | $1" "$work/report"
}

SIZE=$((32 * 1024 * 1024))

# What the commits on h2 wrote down is all that the second hop looks at, also of several at once.
by_what_changed() {
    cycles second
    change 3 0xe1
    caught_up
    report '.disks[] | "\(.name) \(.bytes_compared)"'
    [ "$(report '[.disks[].bytes_compared] | add')" = $((1024 * 1024)) ]
    cycles rare
    change 4 0xe2
    change 9 0xe3
    cycles second
    caught_up
    [ "$(report '[.disks[].bytes_compared] | add')" = $((2 * 1024 * 1024)) ]
    report .outcome | grep 'equal where it may have changed'
}

record_of_last() {
    find "$L/h2/replicas/$VM_ID" -name 'changes-*' | sort | tail -n 1
}

without_record() { # damaged | gone
    local file
    cycles rare
    change 5 "$2"
    file=$(record_of_last)
    case $1 in
    damaged) printf X | dd of="$file" bs=1 seek=60 conv=notrunc status=none ;;
    gone) rm "$file" ;;
    esac
    cycles second
    caught_up
    [ "$(report '[.disks[].bytes_compared] | add')" = $((2 * SIZE)) ]
    report .outcome
    report .outcome | grep "$3"
    change 6 "$2" # and all is well again
    caught_up
    [ "$(report '[.disks[].bytes_compared] | add')" = $((1024 * 1024)) ]
    cycles rare
}

# An explicit call looks at everything: h3 was changed by somebody.
repaired() {
    change 7 0xe6
    damage "$H3_DISK_0"
    vr h2 resync "$VM_NAME" --extended --wait
    equal_on_h3
}

scenario 'one instant along the chain' one_instant
scenario 'the second hop sends what commits changed' by_what_changed
scenario 'a damaged record of a commit' without_record damaged 0xe4 'damaged'
scenario 'a missing record of a commit' without_record gone 0xe5 'did not tell what it changed'
scenario 'Resynchronize on the second repairs the third' repaired
scenario 'the instant outlives restarts' after_restarts
scenario 'the instant outlives the database' lost_database
finish
