#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What Prometheus is told: by the ways it may ask, in a form it can read, and true.
# shellcheck disable=SC2317 # scenarios are called by name
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
/usr/bin/python3 -c "import prometheus_client" 2>/dev/null || {
    echo 'skip metrics: no python3-prometheus-client here'
    exit 77
}
make_lab lab

by_socket() { # HOST
    curl -sf --unix-socket "$(hvar "$1" SOCKET)" http://localhost/metrics
}

read_metrics() { # NAME...: from stdin
    /usr/bin/python3 "$root/tests/lib/metrics.py" "$root/docs/metrics.md" "$@"
}

value() { # HOST NAME
    by_socket "$1" | read_metrics "$2"
}

await_value() { # HOST NAME VALUE
    local i
    for ((i = 0; i < JOB_S * 10; i++)); do
        [ "$(value "$1" "$2")" != "$3" ] || return 0
        sleep 0.1
    done
    by_socket "$1" | grep "^${2%%\{*}"
    die "$2 never became $3"
}

every_name() {
    by_socket h1 | read_metrics
    by_socket h2 | read_metrics
    [ "$(value h1 "repl_state{vm=\"$VM_NAME\",peer=\"h2.localhost\",relationship=\"0\",vm_id=\"$VM_ID\"}")" = 3 ]
    [ "$(value h2 "repl_state{vm=\"$VM_NAME\",peer=\"h1.localhost\",relationship=\"0\"}")" = 3 ]
    [ "$(value h1 repl_health)" = 1 ]
    [ "$(value h1 'repl_cycles_total{result="success"}')" = 1 ]
    [ "$(value h2 'repl_cycles_total{result="success"}')" = 1 ]
    [ "$(value h2 repl_sent_bytes_total)" = 0 ]
    [ "$(value h1 repl_points)" = 1 ]
    [ "$(value h1 repl_rpo_seconds)" = -1 ]
    vr h1 set "$VM_NAME" --every 12h
    [ "$(value h1 repl_rpo_seconds)" = 43200 ]
    [ "$(value h1 repl_next_run_timestamp_seconds)" != 0 ]
    vr h1 status "$VM_NAME" | grep 'replicates  *every 12h'
    vr h1 set "$VM_NAME" --every off
    vr h1 status "$VM_NAME" | grep 'replicates  *only when asked'
    [ "$(value h1 repl_verify_state)" = 2 ]
    [ "$(value h1 repl_build_info | wc -l)" = 1 ]
}

answer_of() { # CURL-ARGUMENT...: the HTTP status
    curl -s -o "$work/answer" -w '%{http_code}' "$@"
}

who_may() {
    local http=${H1_REST%/api/v1} tls=$H1_CIMXML_TLS type
    [ "$(answer_of "$http/metrics")" = 401 ]
    [ "$(answer_of -u "viewer:$ADMIN_PASSWORD" "$http/metrics")" = 401 ]
    [ "$(answer_of -u "viewer:$VIEWER_PASSWORD" "$http/metrics")" = 200 ]
    read_metrics <"$work/answer"
    [ "$(answer_of --cacert "$H1_CA" -u "viewer:$VIEWER_PASSWORD" "$tls/metrics")" = 200 ]
    read_metrics <"$work/answer"
    [ "$(answer_of -0 -u "viewer:$VIEWER_PASSWORD" "$http/metrics")" = 200 ] # HTTP/1.0
    read_metrics <"$work/answer"
    [ "$(answer_of -X POST -d '' -u "admin:$ADMIN_PASSWORD" "$http/metrics")" = 405 ]
    [ "$(answer_of -I -u "viewer:$VIEWER_PASSWORD" "$http/metrics")" = 200 ] # HEAD
    type=$(curl -s -D - -o /dev/null -u "viewer:$VIEWER_PASSWORD" "$http/metrics" | grep -i '^content-type:')
    [[ $type = *'text/plain; version=0.0.4; charset=utf-8'* ]]
}

# The certificate the peer showed is the peer's.
certificate() {
    local end
    end=$(date -d "$(openssl x509 -in "$L/h2/certs/cert.pem" -noout -enddate | cut -d= -f2)" +%s)
    [ "$(value h1 repl_peer_cert_expiry_timestamp_seconds)" = "$end" ]
    [ "$(value h2 repl_peer_cert_expiry_timestamp_seconds)" -gt "$(date +%s)" ]
}

# A transfer slow enough to be looked at, on both sides.
transfer() {
    local job sent differing
    head -c 24M /dev/urandom | dd of="$H1_DISK_0" bs=1M conv=notrunc status=none
    sent=$(value h1 repl_sent_bytes_total)
    vr h1 bandwidth "$VM_NAME" 300K # long enough for a busy machine to look
    job=$(vr h1 resync "$VM_NAME" --json | jq .job_id)
    await_value h1 repl_state 10
    await_value h1 repl_resync_phase 2
    await_job h1 "$job" '.progress.bytes_sent > 500000'
    differing=$(value h1 repl_resync_differing_bytes)
    [ "${differing%%.*}" -ge 500000 ]
    [ "$(value h1 repl_resync_total_bytes)" = 67108864 ]
    await_rel h2 '.staging.bytes > 1000000 and .staging.limit_bytes > 0'
    [ "$(value h2 repl_staging_bytes)" -gt 1000000 ]
    [ "$(value h2 repl_staging_limit_bytes)" -gt "$(value h2 repl_staging_bytes)" ]
    vr h1 pause "$VM_NAME"
    await_job h1 "$job" '.state == 5'
    [ "$(value h1 'repl_queue_wait_seconds{reason="slot"}')" = 0 ]
    [ "$(value h1 'repl_queue_wait_seconds{reason="paused"}')" != 0 ]
    [ "$(value h1 repl_resync_phase)" = 0 ]
    [ "$(value h2 repl_staging_bytes)" = 0 ] # nobody counts it while it lies
    vr h1 bandwidth "$VM_NAME" 0
    vr h1 resume "$VM_NAME"
    await_end h1 "$job"
    await_value h1 repl_state 3
    [ "$(value h1 'repl_cycles_total{result="success"}')" = 2 ]
    [ "$(value h1 repl_sent_bytes_total)" -gt $((sent + 24000000)) ]
    [ "$(value h1 repl_resync_total_bytes)" = 0 ]
    [ "$(value h1 repl_cycle_duration_seconds)" != -1 ]
}

verified() {
    vr h1 verify "$VM_NAME" --wait
    [ "$(value h1 repl_verify_state)" = 0 ]
    damage "$H2_DISK_1"
    vr h1 verify "$VM_NAME" --wait
    [ "$(value h1 repl_verify_state)" = 1 ]
    [ "$(value h1 'repl_resync_required{reason="replica-differs"}')" = 1 ]
    [ "$(value h1 'repl_resync_required{reason="replica-changed"}')" = 0 ]
    [ "$(value h1 repl_health)" = 3 ]
    host restart h1 # what lasts, and what begins anew
    [ "$(value h1 repl_verify_state)" = 1 ]
    [ "$(value h1 'repl_cycles_total{result="success"}')" = 0 ]
    [ "$(value h1 repl_last_success_timestamp_seconds)" != 0 ]
    vr h1 resync "$VM_NAME" --wait
    [ "$(value h1 repl_verify_state)" = 2 ]
    [ "$(value h1 'repl_resync_required{reason="replica-differs"}')" = 0 ]
}

planned() {
    local at
    at=$(date -d '+3 hours' +%s)
    vr h1 resync "$VM_NAME" --at "$(date -u -d "@$at" +%FT%TZ)"
    [ "$(value h1 repl_next_run_timestamp_seconds)" = "$at" ]
    [ "$(value h1 'repl_queue_wait_seconds{reason="schedule"}')" != 0 ]
    vr h1 cancel "$VM_NAME"
    [ "$(value h1 repl_next_run_timestamp_seconds)" = 0 ]
}

lost_link() {
    host stop h2
    vr h1 resync "$VM_NAME" && die 'the peer is gone'
    vr h1 resync "$VM_NAME" --at "$(date -u -d '+4 seconds' +%FT%TZ)" # not over yet when it is heard
    await_value h1 'repl_cycles_total{result="miss"}' 1
    host start h2
    vr h1 cancel "$VM_NAME" || true
}

scenario 'every name is there, and a parser reads it' every_name
scenario 'who may read it, and how' who_may
scenario "the peer's certificate" certificate
scenario 'a transfer, on both sides' transfer
scenario 'a verification and what it found last' verified
scenario 'a planned run' planned
scenario 'a run that was missed' lost_link
finish
