#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# resync --dry-run: what it foretells is what then happens, and it changes nothing.
# shellcheck disable=SC2317 # scenarios are called by name
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
make_lab lab

state_of() { # what a dry run must not change
    rel_get h1 '[.state, .health, .generation, .last_sync, .verified, .verify, .reason]'
    rel_get h2 '[.state, .health, .generation, .last_sync, .reason]'
    find "$(dirname "$H2_DISK_0")" -type f -printf '%p %s %T@ %C@\n' | sort
}

planned() {
    vr h1 status "$VM_NAME" --json | jq -e --slurpfile f "$work/forecast" '.relationships[0].plan as $p | $f[0].report | .forecast as $f
        | $p.basis_text == "by the sample of" and $p.job_id == .job_id and $p.differing_bytes == $f.differing_bytes
          and $p.margin_bytes == $f.margin_bytes and $p.wire_bytes == $f.wire_bytes and $p.time_us == $f.time_us and $p.total_bytes == 67108864'
}

about() { # WHAT IS EXPECTED PERCENT
    (($2 * 100 >= $3 * (100 - $4) && $2 * 100 <= $3 * (100 + $4))) || die "$1: $2, but it was $3"
}

# A stretch of 16 of 64 MiB: every stretch of the sample lies wholly in or out of it, so it is no matter of luck.
comes_true() {
    local before job said
    head -c 16M /dev/urandom | dd of="$H1_DISK_0" bs=1M conv=notrunc status=none
    before=$(state_of)
    vr h1 resync "$VM_NAME" --dry-run --json >"$work/forecast"
    [ "$(state_of)" = "$before" ]
    cat "$work/forecast"
    forecast() { jq -r ".report.forecast.$1" "$work/forecast"; }
    [ "$(forecast sampled_bytes)" = 33554432 ]
    [ "$(forecast differing_bytes)" = 16777216 ]
    [ "$(forecast margin_bytes)" -gt 0 ]
    planned
    host restart h1 # what it found is in its report
    planned
    job=$(new_job resync "$VM_NAME")
    await_end h1 "$job"
    about differing "$(forecast differing_bytes)" "$(job_get h1 "$job" .progress.bytes_differing)" 1
    about 'to send' "$(forecast wire_bytes)" "$(job_get h1 "$job" .progress.wire_out)" 3
    equal_disks h1 h2
    said=$(jq -r .report.job_id "$work/forecast")
    [ "$(job_get h1 "$said" .type)" = 200 ]
    vr h1 report "$said" | grep 'differing  *about 16.0 MiB, more or less'
}

new_job() { # VERB...: the number of the job
    vr h1 "$@" --json | jq .job_id
}

# Random 4 KiB blocks: within four margins, which is sure, and the limit counts.
scattered() {
    local i differing
    for i in $(shuf -i 0-8191 -n 800); do
        head -c 4096 /dev/urandom | dd of="$H1_DISK_0" bs=4096 seek="$i" conv=notrunc status=none
    done
    vr h1 bandwidth "$VM_NAME" 1M
    vr h1 resync "$VM_NAME" --dry-run --json >"$work/forecast"
    vr h1 bandwidth "$VM_NAME" 0
    cat "$work/forecast"
    [ "$(jq -r .report.forecast.limit_bytes_s "$work/forecast")" = 1048576 ]
    jq -e '.report.forecast | .time_us * 1.01 >= .wire_bytes * 1000000 / 1048576' "$work/forecast"
    differing=$((800 * 4096))
    jq -e ".report.forecast | (.differing_bytes - $differing) as \$d | \$d * \$d <= .margin_bytes * .margin_bytes * 16" "$work/forecast"
    vr h1 resync "$VM_NAME" --dry-run >"$work/said"
    cat "$work/said"
    grep '^sampled  *32.0 MiB of 64.0 MiB, drawn at random$' "$work/said"
    grep '^differing  *about .* more or less .* (95 times of 100)$' "$work/said"
    grep '^to send ' "$work/said"
    grep '^time  *about ' "$work/said"
}

# Also where a resynchronization is required, which stays so.
required() {
    local before
    vr h1 resync "$VM_NAME" --wait
    damage "$H2_DISK_0"
    vr h1 verify "$VM_NAME" --wait
    [ "$(rel_get h1 .state)" = 9 ]
    before=$(state_of)
    vr h1 resync "$VM_NAME" --dry-run
    [ "$(state_of)" = "$before" ]
    vr h1 resync "$VM_NAME" --wait
    vr h1 resync "$VM_NAME" --dry-run >"$work/said"
    cat "$work/said"
    grep '^differing  *none seen: less than ' "$work/said"
}

refused() {
    local opt
    for opt in --force --restart '--at +1h'; do
        # shellcheck disable=SC2086 # --at has a value
        if vr h1 resync "$VM_NAME" --dry-run $opt 2>"$work/said"; then
            die "$opt"
        fi
        grep 'goes with none of' "$work/said"
    done
    [ "$(curl -s -o "$work/answer" -w '%{http_code}' -u "admin:$ADMIN_PASSWORD" -H 'Content-Type: application/json' \
        -d '{"dry_run":true,"force":true}' "$H1_REST/vms/$VM_ID/resync")" = 400 ]
    grep dry_run "$work/answer"
}

scenario 'a forecast comes true, and changes nothing' comes_true
scenario 'scattered blocks, and a limit' scattered
scenario 'where a resynchronization is required' required
scenario 'what makes no sense' refused
finish
