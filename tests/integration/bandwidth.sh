#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Windows of bandwidth: what is refused, that they count for transfers that run, and that they are seen.
# shellcheck disable=SC2317 # scenarios are called by name
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
make_lab lab

conf=$L/h1/vmreplicad.conf
cp "$conf" "$work/conf"

windows() { # WINDOW...: in the place of those before, and the daemon is told
    local w
    {
        cat "$work/conf"
        echo '[bandwidth]'
        for w in "$@"; do
            echo "window = $w"
        done
    } >"$conf"
    kill -HUP "$H1_PID"
}

await_limit() { # BYTES
    await_rel h1 ".limit.bytes_s == $1"
}

refused() {
    windows 'mon-fri 08:00-18:00 1M' 'fri 17:00-19:00 2M'
    if vmreplicad --check-config --config "$conf" 2>"$work/said"; then
        die 'two windows for one time'
    fi
    cat "$work/said"
    grep -q "vmreplicad.conf:$(wc -l <"$conf"): window: 'fri 17:00-19:00 2M' overlaps 'mon-fri 08:00-18:00 1M'" "$work/said"
    for ((i = 0; i < 300; i++)); do
        ! grep -q 'reload-failed.*overlaps' "$L/h1/log" || break
        sleep 0.1
    done
    grep -q 'reload-failed.*overlaps' "$L/h1/log"
    [ "$(rel_get h1 .limit.window)" = null ] # as it was
}

# 24 MiB at 100 KiB/s would take four minutes.
counts_at_once() {
    local job
    head -c 24M /dev/urandom | dd of="$H1_DISK_0" bs=1M conv=notrunc status=none
    windows 'daily 00:00-24:00 100K'
    await_limit 102400
    job=$(vr h1 resync "$VM_NAME" --json | jq .job_id)
    await_job h1 "$job" '.progress.bytes_sent > 0'
    vr h1 status >"$work/said" || true # the exit code is the health
    grep '^at most 100 KiB/s for all transfers of this host until 00:00$' "$work/said"
    vr h1 status "$VM_NAME" >"$work/said" || true
    grep '^limit  *100 KiB/s; all transfers of this host 100 KiB/s until 00:00 (window daily 00:00-24:00 100K)$' "$work/said"
    vr h1 bandwidth "$VM_NAME" 20K # the lower one
    await_limit 20480
    vr h1 bandwidth "$VM_NAME" 10M
    await_limit 102400
    vr h1 bandwidth "$VM_NAME" 0
    await_limit 102400
    [ "$(job_get h1 "$job" .state)" = 4 ]
    windows 'daily 00:00-24:00 unlimited'
    await_limit 0
    await_end h1 "$job"
    equal_disks h1 h2
    vr h1 status >"$work/said" || true
    ! grep 'at most' "$work/said"
    [ "$(rel_get h1 .limit.window)" = 'daily 00:00-24:00 unlimited' ]
}

# What the clock on the wall says decides: a window that is not now does nothing.
not_now() {
    local now
    now=$(date +%s)
    windows "daily $(date -d "@$((now - 7200))" +%H:00)-$(date -d "@$((now - 3600))" +%H:00) 100K"
    await_rel h1 '.limit.window == null and .limit.bytes_s == 0'
    host restart h1
    [ "$(rel_get h1 .limit.window)" = null ]
}

scenario 'windows that overlap are refused' refused
scenario 'a window counts for a transfer that runs' counts_at_once
scenario 'a window that is not now' not_now
finish
