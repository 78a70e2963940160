#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What people see: status as a table and in detail, on terminals and elsewhere; watch.
# shellcheck disable=SC2317 # scenarios are called by name
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
make_lab lab

terminal() { # [OPTION]... SIZE COMMAND...
    TERM=xterm python3 "$root/tests/lib/terminal.py" "$@"
}

# What was drawn, without what steers a terminal.
plain() {
    sed -e 's/\x1b\[[0-9;?]*[A-Za-z]//g' -e 's/\r//g' "$1"
}

narrower_than() { # COLUMNS FILE
    ! plain "$2" | grep -E "^.{$(($1 + 1)),}$" || die "a line longer than $1"
}

one_line_each() {
    vr h1 status >"$work/all"
    [ "$(wc -l <"$work/all")" = 2 ]
    [ "$(head -1 "$work/all" | tr -s ' ')" = 'VM ROLE PEER STATE HEALTH RECOVERABLE LAG/RPO PENDING RATE RESYNC NEXT VERIFIED CERT REASON' ]
    [[ $(tail -1 "$work/all" | tr -s ' ') == "$VM_NAME primary $H2_PEER replicating ok "*' 729d -' ]] || {
        cat "$work/all"
        die 'not as expected'
    }
}

on_terminals() {
    local width
    for width in 40 60 80 120 200; do
        terminal "${width}x24" vmreplica status --socket "$H1_SOCKET" >"$work/screen"
        narrower_than $width "$work/screen"
        plain "$work/screen" | grep -q 'STATE *HEALTH'
        terminal "${width}x24" vmreplica status "$VM_NAME" --socket "$H1_SOCKET" >"$work/screen"
        narrower_than $width "$work/screen"
    done
    plain "$work/screen" | grep -q '^safe now  *failover goes to '
}

codes() {
    local code=0
    vr h1 status "$VM_NAME"
    vr h1 status nobody && die 'nobody is no VM'
    vr h1 status "$VM_NAME" --json | jq -e '.schema == "vmreplica/1" and (.relationships | length == 1)
        and (.relationships[0] | .state == 3 and .verify_text == "not verified" and .wait == null
             and .peer_certificate_end != null and .last_success != null and .last_job.state == 7)'
    vmreplica status --socket "$work/nothing" || code=$?
    [ $code = 3 ]
}

transfer() {
    local job
    head -c 24M /dev/urandom | dd of="$H1_DISK_0" bs=1M conv=notrunc status=none
    vr h1 bandwidth "$VM_NAME" 300K # long enough for a busy machine to look
    job=$(vr h1 resync "$VM_NAME" --json | jq .job_id)
    await_job h1 "$job" '.progress.bytes_sent > 500000 and .progress.bytes_compared > 2000000'
    vr h1 status >"$work/all" || true
    grep -Eq ' resynchronizing +WARN .* [0-9.]+ [KM]iB/s +[0-9]+% eta [0-9.]+[ms]' "$work/all"
    vr h1 status "$VM_NAME" >"$work/detail" || true
    vr h1 job "$job" >>"$work/detail"
    cat "$work/detail"
    [ "$(grep -Ec '^compare +\[#*\.+\] [0-9]+%  [0-9.]+ [KM]iB of 64.0 MiB  [0-9.]+ [KM]iB/s  eta [0-9]' "$work/detail")" = 2 ]
    [ "$(grep -Ec '^reads +this host ([0-9.]+ [KM]iB/s|is through), the other ([0-9.]+ [KM]iB/s|is through)$' "$work/detail")" = 2 ]
    grep -Eq '^sent .* on the line; compressed 1\.0:1 from [0-9.]+ [KM]iB; [0-9.]+ [KM]iB/s$' "$work/detail"
    grep -Eq "^commit +waits until all is proven; the replica's host has staged [0-9.]+ [KM]iB, and [0-9.]+ [KMGT]iB free" "$work/detail"
    vr h1 status "$VM_NAME" --json | jq -e '.relationships[0].job.progress | .bytes_read > 0 and .peer_bytes_read > 0
        and .counted_since != null and .peer_space.staged_bytes > 0 and .bytes_raw >= .bytes_sent * 0.9 and .bytes_unchanged == 0'
    grep -Eq '^differing +[0-9.]+ [KM]iB so far$' "$work/detail"
    grep -Eq "^do .*vmreplica pause $VM_NAME" "$work/detail"
    await_rel h2 '.staging.bytes > 500000'
    vr h2 status "$VM_NAME" | grep -Eq '^staging +[0-9.]+ [KM]iB'
    vr h1 pause "$VM_NAME"
    await_job h1 "$job" '.state == 5'
    vr h1 status "$VM_NAME" >"$work/detail" || true
    grep -Eq '^waits for +somebody to resume it$' "$work/detail"
    grep -Eq "^do +vmreplica resume $VM_NAME goes on" "$work/detail"
    [[ $(vr h1 status | tail -1) == *'resync paused'*' paused '* ]]
    vr h1 bandwidth "$VM_NAME" 0
    vr h1 resume "$VM_NAME"
    await_end h1 "$job"
    await_rel h1 '.state == 3'
}

newest_jobs() {
    local newest code=0
    newest=$(vr h1 jobs --json | jq '[.jobs[].id] | max')
    [ "$(vr h1 jobs --limit 1 --json | jq -c '[.jobs[].id]')" = "[$newest]" ]
    [ "$(vr h1 jobs --limit 1 | wc -l)" = 2 ]
    vr h1 jobs --limit 0 || code=$?
    [ $code = 2 ]
}

# Every look follows the one before in place; the screen is given back; another size is used at once.
watched() { # SIGNAL
    terminal --looks 2 --then 50x8 --signal "$1" 80x24 vmreplica watch --interval 1 --socket "$H1_SOCKET" >"$work/screen"
    grep -q $'^\033\\[?1049h\033\\[?25l\033\\[H' "$work/screen"
    [ "$(tail -c 14 "$work/screen")" = $'\033[?25h\033[?1049l' ]
    narrower_than 80 "$work/screen"
    plain "$work/screen" | grep -q "^$VM_NAME .* replicating  *ok"
    sed 's/\x1b\[H/\n&/g' "$work/screen" | tail -n 3 >"$work/last"
    narrower_than 50 "$work/last"
}

watched_by_a_program() {
    local pid i code=0
    : >"$work/watch"
    vmreplica watch "$VM_NAME" --interval 1 --socket "$H1_SOCKET" >>"$work/watch" &
    pid=$!
    remember $pid
    for ((i = 0; i < JOB_S * 10; i++)); do
        [ "$(grep -c '^safe now' "$work/watch")" -lt 2 ] || break
        sleep 0.1
    done
    kill -TERM $pid
    wait $pid || code=$?
    [ $code = 0 ] || die "it ended with $code"
    [ "$(grep -c '^safe now' "$work/watch")" -ge 2 ]
    ! grep -q $'\033' "$work/watch"
}

# It says so while the daemon is down, and goes on.
watched_over_restart() {
    local pid i
    : >"$work/watch"
    vmreplica watch --interval 1 --socket "$H1_SOCKET" >>"$work/watch" &
    pid=$!
    remember $pid
    seen() { # TEXT
        for ((i = 0; i < JOB_S * 10; i++)); do
            ! grep -q "$1" "$work/watch" || return 0
            sleep 0.1
        done
        die "never: $1"
    }
    seen replicating
    host stop h1
    seen 'cannot reach vmreplicad'
    host start h1
    : >"$work/watch"
    seen ' replicating '
    kill -INT $pid # ignored by what a shell without job control starts, but watch asks for it
    wait $pid
}

watch_refuses() {
    local code=0 interval
    for interval in 0 x 1.5 3601; do
        vr h1 watch --interval $interval || code=$?
        [ $code = 2 ] || die "--interval $interval: $code"
    done
    vmreplica watch --socket "$work/nothing" || code=$?
    [ $code = 12 ]
    code=0
    vr h1 watch nobody || code=$?
    [ $code = 4 ]
}

scenario 'one relationship, one line' one_line_each
scenario 'tables and details fit the terminal' on_terminals
scenario 'one VM, and exit codes' codes
scenario 'a transfer in detail' transfer
scenario 'the newest jobs' newest_jobs
scenario 'watch on a terminal ends with Ctrl-C' watched SIGINT
scenario 'watch on a terminal ends when that goes away' watched SIGHUP
scenario 'watch elsewhere' watched_by_a_program
scenario 'watch over a restart of the daemon' watched_over_restart
scenario 'watch refuses' watch_refuses
finish
