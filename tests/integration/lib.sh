# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For the scripts of this folder: real daemons made by tools/lab, in a temporary folder that goes away again.
#
# A script says what it needs, makes a lab and runs scenarios: functions of which every command must succeed. Each
# prints "ok NAME" or, with what it said, "not ok NAME". A scenario is a subshell: what a later one needs is in files.
set -u
build=$(cd "${1:?give the build folder}" && pwd) || exit 1
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd) || exit 1
export VMREPLICA_BUILD=$build PATH=$build:$root/tools:/usr/sbin:$PATH LC_ALL=C.UTF-8
unset VMREPLICA_SOCKET
failed=0
L=/nonexistent
NS=root/virtualization/v2
JOB_S=90 # a bound, for what ends soon

need() { # TOOL...
    local tool
    for tool in "$@"; do
        command -v "$tool" >/dev/null && continue
        echo "skip $(basename "$0" .sh): no $tool here"
        exit 77
    done
}
need qemu-img qemu-io jq curl xmllint

# Short: sockets are in there.
work=$(mktemp -d /tmp/vrt.XXXXXX) || exit 1
touch "$work/pids"
cleanup() {
    local pid hosts
    while read -r pid; do
        kill -CONT "$pid" 2>/dev/null
        kill "$pid" 2>/dev/null
    done <"$work/pids"
    for hosts in "$work"/*/hosts; do
        [ ! -f "$hosts" ] || lab down "${hosts%/hosts}"
    done
    [ -n "${KEEP:-}" ] || rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

remember() { # PID: ends with the script
    echo "$1" >>"$work/pids"
}

# What a scenario says when it gives up; the last line tells where.
die() {
    echo "$*"
    caller 1
    exit 1
}

scenario() { # NAME COMMAND...
    local name=$1 r
    shift
    (
        # shellcheck source=/dev/null
        [ ! -f "$L/env" ] || . "$L/env" # a scenario before may have restarted a host
        set -eE
        trap 'echo "failed: $BASH_COMMAND (line $LINENO)" >&2' ERR
        "$@"
    ) >"$work/log" 2>&1 </dev/null
    r=$?
    if [ $r = 0 ]; then
        echo "ok $name"
        return
    fi
    failed=1
    echo "not ok $name"
    sed 's/^/    /' "$work/log" | tail -n 30
    tail -qn 4 "$work"/*/h?/log 2>/dev/null | cut -c1-250 | sed 's/^/    log: /'
}

# skip NAME WHY: this machine cannot show it
skip() {
    echo "skip $1: $2"
}

# Whatever the scenarios saw: no daemon may have ended by an assertion or under a sanitizer.
finish() {
    local hosts
    for hosts in "$work"/*/hosts; do
        [ ! -f "$hosts" ] || lab down "${hosts%/hosts}"
    done
    if grep -E 'AddressSanitizer|LeakSanitizer|runtime error:|broken invariant' "$work"/*/h?/log; then
        echo 'not ok daemons end in peace'
        failed=1
    fi
    exit $failed
}

# make_lab NAME ARGUMENT...: a lab and its variables; without it nothing can be shown
make_lab() {
    local name=$1
    shift
    if ! lab up "$work/$name" "$@" >"$work/log" 2>&1; then
        echo "not ok $name: no lab"
        sed 's/^/    /' "$work/log"
        exit 1
    fi
    use_lab "$name"
}

use_lab() { # NAME
    L=$work/$1
    # shellcheck source=/dev/null
    . "$L/env"
}

# A host's verb, and the variables (a pid) anew.
host() { # start|stop|kill|restart HOST
    lab "$1" "$L" "$2"
    # shellcheck source=/dev/null
    . "$L/env"
}

vr() { # HOST COMMAND...: the command line on that host
    local socket=${1^^}_SOCKET
    shift
    vmreplica "$@" --socket "${!socket}"
}

hvar() { # HOST NAME
    local name=${1^^}_$2
    echo "${!name}"
}

set_conf() { # HOST SECTION KEY VALUE
    sed -i "/^\[$2\]/,/^\[/{/^$3 = /d}" "$L/$1/vmreplicad.conf"
    sed -i "s/^\[$2\]\$/&\n$3 = $4/" "$L/$1/vmreplicad.conf"
}

# --- jobs ---

job_get() { # HOST ID JQ-FILTER
    vr "$1" job "$2" --json | jq -r ".job | $3"
}

last_job() { # HOST
    vr "$1" jobs --json | jq '[.jobs[].id] | max'
}

# Asks until nobody reads the answers any more. One jq for all of them: to start one takes three times as long as to ask.
keep_asking() { # HOST COMMAND...
    local i answer
    for ((i = 0; i < JOB_S * 10; i++)); do
        answer=$(vr "$@" --json) || : # it may be starting, or say by its exit status how things are
        echo "$answer" || return
        sleep 0.1
    done
}

# Waits until a jq condition on the job holds.
await_job() { # HOST ID CONDITION
    local came
    came=$(keep_asking "$1" job "$2" |
        jq -n "first(inputs | .job | select(($3) or .finished_state) | ($3))")
    [ "$came" != true ] || return 0
    vr "$1" job "$2"
    die "job $2 on $1 never came to: $3"
}

await_end() { # HOST ID [STATE]
    await_job "$1" "$2" .finished_state
    [ "$(job_get "$1" "$2" .state)" = "${3:-7}" ] || {
        vr "$1" job "$2"
        die "job $2 did not end with state ${3:-7}"
    }
}

rel_get() { # HOST JQ-FILTER [NUMBER]
    vr "$1" status --json | jq -r --arg id "$VM_ID" --argjson n "${3:-0}" \
        ".relationships[] | select(.vm_id == \$id and .number == \$n) | $2"
}

await_rel() { # HOST CONDITION
    local came
    came=$(keep_asking "$1" status | jq -n --arg id "$VM_ID" "first(inputs | .relationships[] |
        select(.vm_id == \$id and .number == 0) | select($2) | true)")
    [ "$came" != true ] || return 0
    vr "$1" status
    die "the relationship on $1 never came to: $2"
}

# --- disks ---

format_of() { # IMAGE
    case $1 in
    *.qcow2) echo qcow2 ;;
    *.vhdx) echo vhdx ;;
    *) echo raw ;;
    esac
}

equal_disks() { # FROM-HOST TO-HOST [HOW MANY]
    local i a b
    for ((i = 0; i < ${3:-2}; i++)); do
        a=$(hvar "$1" "DISK_$i") b=$(hvar "$2" "DISK_$i")
        qemu-img compare -f "$(format_of "$a")" -F "$(format_of "$b")" "$a" "$b" || return 1
    done
}

# Intervals are at least 30 s; nobody wants to wait that long for each cycle.
every_second() { # HOST: whatever has an interval there
    host stop "$1"
    python3 -c 'import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("UPDATE rel SET interval_s = 1 WHERE interval_s > 0")
db.commit()' "$L/$1/state/vmreplica.db"
    host start "$1"
}

damage() { # IMAGE: a few stray writes
    qemu-io -f "$(format_of "$1")" -c 'write -q -P 0xd1 512k 8k' -c 'write -q -P 0xd2 7M 65k' \
        -c 'write -q -P 0 1M 64k' "$1"
}

random_disk() { # FILE MIB: raw, nothing compresses and nothing is alike
    head -c "$2M" /dev/urandom >"$1"
}

# --- CIM-XML by hand ---

url_of() { # HOST ROLE: what wbemcli takes, up to the class
    local http password=${2^^}_PASSWORD
    http=$(hvar "$1" CIMXML)
    echo "http://$2:${!password}@${http#http://}/$NS"
}

ref_xml() { # CLASS NAME: a reference's value
    printf '<VALUE.REFERENCE><INSTANCENAME CLASSNAME="%s">' "$1"
    printf '<KEYBINDING NAME="CreationClassName"><KEYVALUE VALUETYPE="string">Msvm_ComputerSystem</KEYVALUE></KEYBINDING>'
    printf '<KEYBINDING NAME="Name"><KEYVALUE VALUETYPE="string">%s</KEYVALUE></KEYBINDING>' "$2"
    printf '</INSTANCENAME></VALUE.REFERENCE>'
}

vm_param() { # [NAME [CLASS]]
    printf '<PARAMVALUE NAME="ComputerSystem" PARAMTYPE="reference">%s</PARAMVALUE>' \
        "$(ref_xml "${2:-Msvm_ComputerSystem}" "${1:-$VM_ID}")"
}

start_param() { # TEXT [PARAMTYPE]
    printf '<PARAMVALUE NAME="StartTime" PARAMTYPE="%s"><VALUE>%s</VALUE></PARAMVALUE>' "${2:-datetime}" "$1"
}

# The service's key bindings, one a line.
service_keys() { # HOST [NAME]
    printf '%s\n' CreationClassName=Msvm_ReplicationService "Name=${2:-replicasvc}" \
        SystemCreationClassName=Msvm_ComputerSystem "SystemName=$1.localhost"
}

method_xml() { # HOST METHOD PARAMS [SERVICE-NAME]
    local key value
    printf '<?xml version="1.0" encoding="utf-8"?><CIM CIMVERSION="2.0" DTDVERSION="2.0">'
    printf '<MESSAGE ID="1" PROTOCOLVERSION="1.0"><SIMPLEREQ><METHODCALL NAME="%s"><LOCALINSTANCEPATH>' "$2"
    printf '<LOCALNAMESPACEPATH><NAMESPACE NAME="root"/><NAMESPACE NAME="virtualization"/><NAMESPACE NAME="v2"/>'
    printf '</LOCALNAMESPACEPATH><INSTANCENAME CLASSNAME="Msvm_ReplicationService">'
    while IFS='=' read -r key value; do
        printf '<KEYBINDING NAME="%s"><KEYVALUE VALUETYPE="string">%s</KEYVALUE></KEYBINDING>' "$key" "$value"
    done < <(service_keys "$1" "${4:-}")
    printf '</INSTANCENAME></LOCALINSTANCEPATH>%s</METHODCALL></SIMPLEREQ></MESSAGE></CIM>' "$3"
}

# With CIMXML_DTD in the environment (a file), answers must be valid against it.
valid_answer() {
    [ -z "${CIMXML_DTD:-}" ] || xmllint --noout --nonet --dtdvalid "$CIMXML_DTD" "$work/answer"
}

# Calls a method of a host's service; says "HTTP n", "CIM n" or the return value. The answer stays in $work/answer.
call() { # HOST USER:PASSWORD METHOD PARAMS [SERVICE-NAME]
    local http object
    object=$(service_keys "$1" "${5:-}" | sed 's/=\(.*\)/="\1"/' | paste -sd,)
    http=$(curl -s -o "$work/answer" -w '%{http_code}' ${2:+-u "$2"} -H 'Content-Type: application/xml; charset=utf-8' \
        -H 'CIMOperation: MethodCall' -H "CIMMethod: $3" -H "CIMObject: $NS:Msvm_ReplicationService.$object" \
        --data-binary @- "$(hvar "$1" CIMXML)/cimom" < <(method_xml "$1" "${@:3}")) || http=000
    if [ "$http" = 200 ] && ! valid_answer >&2; then
        echo "not valid"
    elif [ "$http" != 200 ]; then
        echo "HTTP $http"
    elif grep -q '<ERROR ' "$work/answer"; then
        echo "CIM $(xmllint --xpath 'string(//ERROR/@CODE)' "$work/answer")"
    else
        xmllint --xpath 'string(//RETURNVALUE/VALUE)' "$work/answer"
    fi
}

resync_call() { # HOST ROLE PARAMS
    local password=${2^^}_PASSWORD
    call "$1" "$2:${!password}" Resynchronize "$3"
}

# The InstanceID of the job the last call started.
answered_job() {
    xmllint --xpath 'string(//PARAMVALUE[@NAME="Job"]//KEYVALUE)' "$work/answer"
}

cim_job() { # HOST INSTANCE-ID PROPERTY
    wbemcli -nl gi "$(url_of "$1" admin):Msvm_ConcreteJob.InstanceID=\"$2\"" "$3" | sed -n "s/^-$3=\"\{0,1\}\([^\"]*\).*/\1/p"
}

await_cim_job() { # HOST INSTANCE-ID [STATE]
    local i state
    for ((i = 0; i < JOB_S * 5; i++)); do
        state=$(cim_job "$1" "$2" JobState)
        [ -n "$state" ] || die "job $2 cannot be read"
        if [ "$state" -ge 7 ]; then
            [ "$state" = "${3:-7}" ] && return 0
            die "JobState $state, ErrorCode $(cim_job "$1" "$2" ErrorCode): $(cim_job "$1" "$2" ErrorDescription)"
        fi
        sleep 0.2
    done
    die "job $2 did not end"
}

cim_time() { # OFFSET (date -d)
    date -u -d "$1" +%Y%m%d%H%M%S.000000+000
}
