#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Looking: verify finds damage and repairs nothing; report, events, jobs and status say what is so, for people, for
# scripts and for monitoring.
# shellcheck disable=SC2317 # scenarios are called by name
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
make_lab lab

exits() { # WANTED COMMAND...
    local r=0
    "${@:2}" || r=$?
    [ "$r" = "$1" ] || die "exit status $r instead of $1 of: ${*:2}"
}

verified() {
    vr h1 verify "$VM_NAME" --wait
    [ "$(job_get h1 "$(last_job h1)" .state)" = 7 ]
    [ "$(job_get h1 "$(last_job h1)" .type)" = 113 ]
    [ "$(rel_get h1 '.verified != null')" = true ]
}

damage_found() {
    local job
    damage "$H2_DISK_0"
    cp "$H2_DISK_0" "$work/before"
    job=$(vr h1 verify "$VM_NAME" --json | jq .job_id)
    await_job h1 "$job" .finished_state
    vr h1 report "$job"
    [ "$(vr h1 report "$job" --json | jq .report.equal)" = false ]
    cmp "$work/before" "$H2_DISK_0" || die 'verify repaired something'
    vr h1 events --json | jq -e '[.events[] | select(.text | test("differ"))] | length > 0'
}

shown_by_status() {
    [ "$(rel_get h1 .state)" = 9 ] || [ "$(rel_get h1 .health)" -ge 2 ] || die 'status says nothing of it'
}

repaired() {
    vr h1 resync "$VM_NAME" --wait
    equal_disks h1 h2
}

reported() {
    local job
    job=$(last_job h1)
    vr h1 report "$job" >"$work/report"
    grep -q 'equal' "$work/report"
    vr h1 report "$job" --json | jq -e '.schema == "vmreplica/1" and .report.equal and (.report.disks | length == 2)
        and all(.report.disks[]; .source_root == .target_root and (.source_root | test("^[0-9a-f]{64}$"))
                                  and .bytes_compared == .size_bytes)
        and ([.report.disks[].bytes_differing] | add > 0)'
    if vr h1 report 4711; then
        die 'a report of no job'
    fi
}

report_lasts() {
    local job
    job=$(last_job h1)
    host restart h1
    vr h1 report "$job" --json | jq -e .report.equal
}

json_everywhere() {
    local command
    for command in status vms jobs events 'authorize list'; do
        # shellcheck disable=SC2086 # two words
        vr h1 $command --json | jq -e '.schema == "vmreplica/1"' || die "$command"
    done
    vr h1 job "$(last_job h1)" --json | jq -e '.schema == "vmreplica/1" and .job.id > 0'
}

event_list() {
    vr h1 events >"$work/events"
    grep -q job-completed "$work/events"
    [ "$(vr h1 events --limit 2 --json | jq '.events | length')" = 2 ]
    cut -c1-19 "$work/events" >"$work/times"
    sort -c "$work/times" # newest last
    vr h1 events --json | jq -e '[.events[].seq] | . == (sort | reverse)'
}

# 29242 and 29244 are the numbers monitoring products know.
event_forms() {
    local n
    vr h1 events --vm "$VM_NAME" >"$work/events"
    grep -Eq "^[0-9-]{10} [0-9:]{8}  notice   29242  resync-compare-started  $VM_NAME: " "$work/events"
    grep -Eq "  notice   29244  resync-compare-ended    $VM_NAME: " "$work/events"
    vr h1 events --journal >"$work/events"
    grep -q "^<5>resync-compare-ended: event=29244 vm=\"$VM_NAME\" " "$work/events"
    [ -z "$(vr h1 events --vm nobody)" ]
    [ -n "$(vr h1 events --vm "$VM_ID")" ] || die 'a VM by its id'
    n=$(vr h1 events | wc -l)
    [ "$(vr h1 events --since 1h | wc -l)" = "$n" ] || die '--since shows another number'
    [ -z "$(vr h1 events --since 2099-01-01T00:00)" ]
    if vr h1 events --since yesterday; then
        die 'a time that is none'
    fi
}

# What happens while it looks, and after the daemon was restarted, is shown once, as lines of JSON.
event_follow() {
    local i pid
    vr h1 events --follow --json --since 0s >"$work/follow" &
    pid=$!
    remember $pid
    vr h1 verify "$VM_NAME" --wait
    host restart h1
    vr h1 resync "$VM_NAME" --wait
    for ((i = 0; i < JOB_S * 10; i++)); do
        [ "$(grep -c '"event_id":29244' "$work/follow")" -lt 2 ] || break
        sleep 0.1
    done
    kill $pid
    [ "$(grep -c '"event_id":29242' "$work/follow")" = 2 ]
    [ "$(grep -c '"event_id":29244' "$work/follow")" = 2 ]
    jq -es 'map(.seq) | . == (sort | unique)' "$work/follow"
}

monitored() {
    exits 0 vr h1 status
    exits 3 vmreplica status --socket "$work/nowhere.sock"
    vr h2 failover "$VM_NAME" --force
    if vr h1 resync "$VM_NAME"; then
        die 'it was let in'
    fi
    exits 2 vr h1 status
}

over_https() {
    (umask 077 && echo "$VIEWER_PASSWORD" >"$work/password")
    exits 0 vmreplica status --url "$H1_CIMXML_TLS" --user viewer --password-file "$work/password" --cacert "$H1_CA"
    echo wrong >"$work/password"
    exits 3 vmreplica status --url "$H1_CIMXML_TLS" --user viewer --password-file "$work/password" --cacert "$H1_CA"
}

scenario 'verify of equal disks' verified
scenario 'verify finds damage and repairs nothing' damage_found
scenario 'damage shows in status' shown_by_status
scenario 'resync repairs it' repaired
scenario 'the report' reported
scenario 'the report lasts' report_lasts
scenario 'json has its schema' json_everywhere
scenario 'events' event_list
scenario 'events as lines, since a time, of a VM' event_forms
scenario 'events, followed' event_follow
scenario 'status over HTTPS' over_https
scenario 'exit codes of status' monitored
finish
