#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The life of a replica, by CIM clients alone: three hosts that know nothing of each other; wbemcli where it can say the
# call, CIM-XML by curl where a parameter is an instance, which wbemcli cannot send.
# shellcheck disable=SC2317 # scenarios are called by name
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
need wbemcli
make_lab lab --hosts 3 --no-replica
VM_REF="Msvm_ComputerSystem.CreationClassName=\"Msvm_ComputerSystem\",Name=\"$VM_ID\""

instance() { # PARAMETER CLASS NAME=TYPE=VALUE...: an embedded instance
    local parameter=$1 class=$2 text='' one name type
    shift 2
    for one in "$@"; do
        name=${one%%=*} one=${one#*=}
        type=${one%%=*}
        text+="<PROPERTY NAME=\"$name\" TYPE=\"$type\"><VALUE>${one#*=}</VALUE></PROPERTY>"
    done
    printf '<PARAMVALUE NAME="%s" PARAMTYPE="string" EmbeddedObject="instance"><VALUE>' "$parameter"
    printf '<![CDATA[<INSTANCE CLASSNAME="%s">%s</INSTANCE>]]></VALUE></PARAMVALUE>' "$class" "$text"
}

answers() { # CODE HOST METHOD PARAMETERS: by curl, as administrator
    local got
    got=$(call "$2" "admin:$ADMIN_PASSWORD" "$3" "$4")
    [ "$got" = "$1" ] || die "$3 on $2: $got instead of $1: $(cat "$work/answer")"
}

wbem() { # HOST METHOD ARGUMENTS: by wbemcli, as administrator; says what it printed
    local path
    path=$(wbemcli ein "$(url_of "$1" admin):Msvm_ReplicationService")
    wbemcli cm "$(url_of "$1" admin):${path##*:}" "$2.$3"
}

wbem_job() { # HOST METHOD ARGUMENTS: it must start a job, which must end well
    local answer job
    answer=$(wbem "$@")
    [[ $answer = *" $2: 4096, "*Msvm_ConcreteJob.InstanceID=* ]] || die "$2 on $1: $answer"
    job=${answer##*InstanceID=\"}
    await_cim_job "$1" "${job%%\"*}"
}

answered() { # HOST: the job of the last answer by curl
    await_cim_job "$1" "$(answered_job)"
}

state_of() { # HOST: of the VM
    wbemcli -nl gi "$(url_of "$1" viewer):$VM_REF" ReplicationState | sed -n 's/^-ReplicationState=//p'
}

await_state() { # HOST STATE
    local i
    for ((i = 0; i < JOB_S * 5; i++)); do
        [ "$(state_of "$1")" != "$2" ] || return 0
        sleep 0.2
    done
    die "$VM_REF on $1 is in state $(state_of "$1") instead of $2"
}

# FROM-HOST TO-HOST
authorize() {
    local storage=$L/$2/by-cim
    mkdir "$storage"
    # nobody is let in before
    [ -z "$(wbemcli ein "$(url_of "$2" viewer):Msvm_ReplicationAuthorizationSettingData" 2>/dev/null)" ]
    answers 0 "$2" AddAuthorizationEntry "$(instance AuthorizationEntry Msvm_ReplicationAuthorizationSettingData \
        "AllowedPrimaryHostSystem=string=$1.localhost" TrustGroup=string=lab "ReplicaStorageLocation=string=$storage")"
    wbemcli -nl ei "$(url_of "$2" viewer):Msvm_ReplicationAuthorizationSettingData" >"$work/entries"
    grep -qx -- "-AllowedPrimaryHostSystem=\"$1.localhost\"" "$work/entries"
}

create() { # FROM-HOST TO-HOST
    local peer
    peer=$(hvar "$2" PEER)
    answers 4096 "$1" CreateReplicationRelationship "$(vm_param)$(
        instance ReplicationSettingData Msvm_ReplicationSettingData "RecoveryConnectionPoint=string=${peer%:*}" \
            "RecoveryServerPortNumber=uint16=${peer##*:}")"
    answered "$1"
}

start() { # HOST
    wbem_job "$1" StartReplication "InitialReplicationType=1,ComputerSystem=$VM_REF"
}

created() {
    create h1 h2
    await_state h1 1 # ready for initial replication
}

started() {
    start h1
    await_state h1 3
    await_state h2 3
    replicas h2
    equal_disks h1 h2
}

# Where the replica's images are is what its host says of the VM's disks.
replicas() { # HOST
    local i name=${1^^}_DISK_
    for ((i = 0; i < 2; i++)); do
        vr "$1" vms --json | jq -r --arg id "$VM_ID" --argjson i $i \
            '.vms[] | select(.id == $id) | "'"$name$i"'=\(.disks[$i].path)"'
    done >>"$work/replicas"
    # shellcheck source=/dev/null
    . "$work/replicas"
}

repaired() {
    # shellcheck source=/dev/null
    . "$work/replicas"
    damage "$H2_DISK_0"
    damage "$H2_DISK_1"
    ! equal_disks h1 h2 || die 'no damage was done'
    wbem_job h1 Resynchronize "ComputerSystem=$VM_REF"
    equal_disks h1 h2
    await_state h1 3
}

statistic() { # NAME: of the first instance in the last answer
    xmllint --xpath 'string(//PARAMVALUE[@NAME="ReplicationStatistics"]//VALUE[1])' "$work/answer" >"$work/one.xml"
    xmllint --xpath "string(//PROPERTY[@NAME='$1']/VALUE)" "$work/one.xml"
}

counted() {
    answers 0 h1 GetReplicationStatistics "$(vm_param)"
    [ "$(statistic ReplicationSuccessCount)" = 2 ] || die "ReplicationSuccessCount $(statistic ReplicationSuccessCount)"
    [ "$(statistic ReplicationFailureCount)" = 0 ]
    [ "$(statistic ReplicationHealth)" = 1 ]
    [ "$(statistic ReplicationSize)" -gt 0 ]
}

extended() {
    authorize h2 h3
    create h2 h3
    start h2
    replicas h3
    equal_disks h1 h3
    damage "$H3_DISK_0"
    wbem_job h2 Resynchronize "ComputerSystem=$VM_REF"
    equal_disks h1 h3
    [ "$(rel_get h2 .vm_name 1)" = "$VM_NAME" ] || die "the host in the middle calls it $(rel_get h2 .vm_name 1)"
}

# The way a client that may do less fares.
not_everybody() {
    local got
    got=$(call h1 "operator:$OPERATOR_PASSWORD" RemoveReplicationRelationship "$(vm_param)")
    [ "$got" = 32769 ] || die "an operator removed it: $got"
    got=$(call h2 "viewer:$VIEWER_PASSWORD" RemoveAuthorizationEntry \
        '<PARAMVALUE NAME="AllowedPrimaryHostSystem"><VALUE>h1.localhost</VALUE></PARAMVALUE>')
    [ "$got" = 32769 ] || die "a viewer removed it: $got"
    [ "$(state_of h1)" = 3 ]
}

removed() {
    # shellcheck source=/dev/null
    . "$work/replicas"
    answers 4096 h2 RemoveReplicationRelationshipEx "$(vm_param)$(instance ReplicationRelationship \
        Msvm_ReplicationRelationship "InstanceID=string=$(wbemcli -nl ei "$(url_of h2 viewer):Msvm_ReplicationRelationship" \
            InstanceID | sed -n 's/^-InstanceID="\(.*1\)"$/\1/p')")"
    answered h2
    wbem_job h1 RemoveReplicationRelationship "ComputerSystem=$VM_REF"
    await_state h1 0
    [ -z "$(wbemcli ein "$(url_of h1 viewer):Msvm_ReplicationRelationship" 2>/dev/null)" ]
    [ -z "$(wbemcli ein "$(url_of h2 viewer):Msvm_ReplicationRelationship" 2>/dev/null)" ]
    [ -z "$(wbemcli ein "$(url_of h3 viewer):Msvm_ReplicationRelationship" 2>/dev/null)" ]
    equal_disks h1 h2 # the images stay
    equal_disks h1 h3
}

told() { # the log of all that
    vr h1 events --limit 1000 >"$work/events"
    [ "$(grep -c '  29242  ' "$work/events")" = 2 ]
    [ "$(grep -c '  29244  ' "$work/events")" = 2 ]
    grep -q '  29312  replication-disabled ' "$work/events"
}

scenario 'an authorization entry is made' authorize h1 h2
scenario 'a relationship is created' created
scenario 'the initial replication is started' started
scenario 'a damaged replica is resynchronized' repaired
scenario 'the statistics are read' counted
scenario 'an extended replica: entry, relationship, start, Resynchronize' extended
scenario 'roles' not_everybody
scenario 'the relationships are removed' removed
scenario 'the events tell of it' told
finish
