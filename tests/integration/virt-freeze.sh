#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The guest's agent: one that freezes, one that hangs, none; and a daemon that is killed while a guest is frozen.
# shellcheck disable=SC2317 # scenarios are called by name
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/virtlab.sh
. "$(dirname "$0")/virtlab.sh"

GOOD=8f3c2f0e-7a6b-4b57-9d0e-1f6a2b3c4d5e
HANGS=8f3c2f0e-7a6b-4b57-9d0e-1f6a2b3c4d5f
NONE=8f3c2f0e-7a6b-4b57-9d0e-1f6a2b3c4d60
virt_host a
define_guest a good $GOOD 'vr.us=8000' "$AGENT_CHANNEL"
define_guest a hangs $HANGS 'vr.us=8000 vr.agent=hang' "$AGENT_CHANNEL"
define_guest a none $NONE 'vr.us=8000'
make_lab lab --no-replica
use_libvirt h1 a
printf 'freeze = yes\nfreeze_s = 5\n' >>"$L/h1/vmreplicad.conf"
host restart h1
vr h2 authorize add h1.localhost --storage "$L/h2/replicas" >/dev/null

agent_said() { # VM WORD
    grep -ac "AGENT $2" "$work/virt-a/$1.console"
}

await_agent() { # VM WORD COUNT
    local i
    for ((i = 0; i < JOB_S * 10; i++)); do
        [ "$(agent_said "$1" "$2")" -lt "$3" ] || return 0
        sleep 0.1
    done
    grep -a AGENT "$work/virt-a/$1.console"
    die "the agent of $1 never said '$2' $3 times"
}

consistency_of_last() {
    vr h1 report "$(last_job h1)" --json | jq -r .report.consistency_text
}

metric() { # NAME VM: its value
    curl -sS --unix-socket "$L/h1/run/vmreplicad.sock" http://localhost/metrics |
        grep "^$1{" | grep "vm=\"$2\"" | sed 's/.* //'
}

copy() { # VM UUID
    vr h1 enable "$1" --to "$H2_PEER" --wait
    VM_ID=${2^^} await_rel h1 '.state == 3 and .job == null'
}

frozen() {
    local i job
    start_guest a good
    await_agent good ready 1
    copy good $GOOD
    [ "$(consistency_of_last)" = file-system-consistent ]
    [ "$(VM_ID=${GOOD^^} rel_get h2 .consistency)" = file-system-consistent ]
    check_records --frozen "$L/h2/replicas/${GOOD^^}"/vda.* "$L/h2/replicas/${GOOD^^}"/vdb.*
    for i in 1 2 3; do
        await_records a good 200
        job=$(vr h1 resync good --json | jq .job_id)
        await_end h1 "$job"
        [ "$(consistency_of_last)" = file-system-consistent ]
        check_records --frozen "$L/h2/replicas/${GOOD^^}"/vda.* "$L/h2/replicas/${GOOD^^}"/vdb.*
    done
    [ "$(agent_said good frozen)" = 4 ]
    await_agent good thawed 4
    await_records a good 100
    [ "$(metric repl_freeze_failures_total good)" = 0 ]
    metric repl_freeze_seconds good | grep -E '^[0-5]\.[0-9]+$'
    [ -z "$(ls "$work/virt-a/backup")" ] || die "$(ls "$work/virt-a/backup")"
}

# The transfer waits for the bound, not for the agent.
hanging() {
    local began=$SECONDS
    start_guest a hangs
    await_agent hangs ready 1
    copy hangs $HANGS
    echo "took $((SECONDS - began)) s"
    await_agent hangs hangs 1
    vr h1 events --json --limit 1000 | jq -r '.events[] | select(.id == "not-frozen") | .text' | grep 'crash-consistent'
    [ "$(consistency_of_last)" = crash-consistent ]
    check_records "$L/h2/replicas/${HANGS^^}"/vda.* "$L/h2/replicas/${HANGS^^}"/vdb.*
    await_records a hangs 100
    [ "$(metric repl_freeze_failures_total hangs)" = 1 ]
    [ "$(metric repl_freeze_seconds hangs)" = 0 ]
}

without_agent() {
    start_guest a none
    copy none $NONE
    [ "$(consistency_of_last)" = crash-consistent ]
    [ "$(metric repl_freeze_failures_total none)" = 1 ]
    check_records "$L/h2/replicas/${NONE^^}"/vda.* "$L/h2/replicas/${NONE^^}"/vdb.*
}

export_without_agent() {
    vr h1 disable none
    rm -rf "$L/h2/replicas/${NONE^^}"
    vr h1 enable none --to "$H2_PEER" --no-start
    mkdir "$work/out"
    await_end h1 "$(vr h1 start none --export "$work/out" --json | jq .job_id)"
    [ "$(metric repl_freeze_failures_total none)" = 1 ]
    [ "$(vr h1 events --json --limit 1000 | jq '[.events[] | select(.id == "not-frozen" and .vm_name == "none")] | length')" = 2 ]
    await_end h2 "$(vr h2 import "$NONE" "$work/out" --json | jq .job_id)"
    [ "$(VM_ID=${NONE^^} rel_get h2 .consistency)" = crash-consistent ]
    check_records "$L/h2/replicas/${NONE^^}"/vda.* "$L/h2/replicas/${NONE^^}"/vdb.*
}

# What a daemon leaves that is killed between freeze and thaw.
left_frozen() {
    host kill h1
    v a domfsfreeze good
    await_agent good frozen 5
    : >"$work/virt-a/backup/frozen-${GOOD^^}"
    host start h1
    await_agent good thawed 5
    await_records a good 100
    [ ! -e "$work/virt-a/backup/frozen-${GOOD^^}" ]
}

scenario 'an agent freezes: both disks at the same record' frozen
scenario 'a guest that was left frozen is thawed' left_frozen
scenario 'a guest without an agent' without_agent
scenario 'an export of one' export_without_agent
scenario 'an agent that hangs' hanging
finish
