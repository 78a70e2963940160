#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# wbemcli, the CIM client of Debian, does the main job; then it reads what there is to read.
# shellcheck disable=SC2317 # scenarios are called by name
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
need wbemcli
make_lab lab
URL=$(url_of h1 operator)
VM_REF="Msvm_ComputerSystem.CreationClassName=\"Msvm_ComputerSystem\",Name=\"$VM_ID\""

service() {
    local path
    path=$(wbemcli ein "$URL:Msvm_ReplicationService")
    echo "$URL:${path##*:}"
}

# Damages both disks, calls with these arguments, follows the job, compares.
resync_with() { # ARGUMENTS
    local answer job
    damage "$H2_DISK_0"
    damage "$H2_DISK_1"
    ! equal_disks h1 h2 || die 'no damage was done'
    answer=$(wbemcli cm "$(service)" "Resynchronize.$1")
    echo "$answer"
    [[ $answer = *' Resynchronize: 4096, Job (reference): '*Msvm_ConcreteJob.InstanceID=* ]]
    job=${answer##*InstanceID=\"}
    job=${job%\"}
    await_cim_job h1 "$job"
    [ "$(cim_job h1 "$job" JobType)" = 107 ]
    [ "$(cim_job h1 "$job" PercentComplete)" = 100 ]
    [ "$(cim_job h1 "$job" ErrorCode)" = 0 ]
    equal_disks h1 h2
    [ "$(rel_get h1 .state)" = 3 ]
}

in_two_seconds() {
    local before
    before=$(date +%s%N)
    resync_with "StartTime=$(cim_time '+3 seconds'),ComputerSystem=$VM_REF"
    (($(date +%s%N) - before > 1000000000)) || die 'it did not wait'
}

bad_start() {
    local answer
    answer=$(wbemcli cm "$(service)" "Resynchronize.StartTime=soon,ComputerSystem=$VM_REF")
    [[ $answer = *' Resynchronize: 32776' ]]
}

over_tls() {
    local out
    out=$(wbemcli -cacert "$H1_CA" ein "https://$VIEWER_USER:$VIEWER_PASSWORD@${H1_CIMXML_TLS#https://}/$NS:Msvm_ReplicationService")
    [[ $out = *'Msvm_ReplicationService.'* ]]
}

strange_ca() {
    local out
    openssl req -x509 -newkey rsa:2048 -nodes -keyout /dev/null -out "$work/strange.pem" -subj /CN=x -days 1
    if out=$(wbemcli -cacert "$work/strange.pem" ein "https://$VIEWER_USER:$VIEWER_PASSWORD@${H1_CIMXML_TLS#https://}/$NS:Msvm_ReplicationService" 2>&1); then
        die "accepted: $out"
    fi
}

names() { # CLASS HOW MANY: enumerates names, and gets each instance
    local n=0 path
    wbemcli ein "$URL:$1" >"$work/names"
    while read -r path; do
        wbemcli gi "$URL:${path#*:*:}" >"$work/instance"
        [ -s "$work/instance" ]
        n=$((n + 1))
    done <"$work/names"
    [ "$n" = "$2" ] || die "$n instances of $1 instead of $2"
}

relationship() {
    wbemcli -nl ei "$URL:Msvm_ReplicationRelationship" >"$work/rel"
    grep -q "^-InstanceID=\"Microsoft:$VM_ID.*HVR.*0\"" "$work/rel"
    grep -qx -- '-ReplicationState=3' "$work/rel"
    grep -qx -- '-ReplicationHealth=1' "$work/rel"
}

class() {
    wbemcli gc "$URL:Msvm_ReplicationService" >"$work/class"
    grep -q Msvm_ReplicationService "$work/class"
    wbemcli gc "$URL:Msvm_Nothing" >"$work/class" 2>&1 || true
    grep -q 'CIM_ERR_NOT_FOUND\|CIM_ERR_INVALID_CLASS' "$work/class"
}

no_class() {
    wbemcli ei "$URL:Msvm_Nothing" >"$work/out" 2>&1 || true
    grep -q CIM_ERR_INVALID_CLASS "$work/out"
}

scenario 'Resynchronize without StartTime' resync_with "ComputerSystem=$VM_REF"
scenario 'Resynchronize with StartTime NULL' resync_with "StartTime=,ComputerSystem=$VM_REF"
scenario 'Resynchronize with a StartTime' in_two_seconds
scenario 'Resynchronize with a StartTime that is none' bad_start
scenario 'names and instances of systems' names Msvm_ComputerSystem 2
scenario 'names and instances of the service' names Msvm_ReplicationService 1
scenario 'names and instances of relationships' names Msvm_ReplicationRelationship 1
scenario 'names and instances of jobs' names Msvm_ConcreteJob 5
scenario 'a relationship, read' relationship
scenario 'classes' class
scenario 'no such class' no_class
scenario 'over TLS' over_tls
scenario 'over TLS with a strange CA' strange_ca
finish
