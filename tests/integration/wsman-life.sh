#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The life of a replica over WS-Management alone: three hosts that know nothing of each other, and nothing but envelopes
# asks them for anything. The disks are compared with qemu-img.
# shellcheck disable=SC2317 # scenarios are called by name
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/soap.sh
. "$(dirname "$0")/soap.sh"
make_lab lab --hosts 3 --no-replica
V2=$WMI/root/virtualization/v2

vm_reference() {
    printf '<p:ComputerSystem><a:Address>%s</a:Address><a:ReferenceParameters><w:ResourceURI>%s</w:ResourceURI>' \
        "$ANONYMOUS" "$V2/Msvm_ComputerSystem"
    printf '<w:SelectorSet>%s</w:SelectorSet></a:ReferenceParameters></p:ComputerSystem>' \
        "$(selectors CreationClassName Msvm_ComputerSystem Name "$VM_ID")"
}

instance() { # PARAMETER CLASS NAME VALUE...: an embedded instance, in elements
    local parameter=$1 class=$2 text=''
    shift 2
    while [ $# -gt 1 ]; do
        text+="<e:$1>$2</e:$1>"
        shift 2
    done
    printf '<p:%s xmlns:e="%s" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="e:%s_Type">%s</p:%s>' \
        "$parameter" "$V2/$class" "$class" "$text" "$parameter"
}

invoke() { # HOST USER METHOD PARAMETERS
    local class=$V2/Msvm_ReplicationService
    envelope "$class/$3" "$class" "$(selectors CreationClassName Msvm_ReplicationService)" \
        "<p:$3_INPUT xmlns:p=\"$class\">$4</p:$3_INPUT>" | ask "$2" "$1"
}

answers() { # CODE HOST METHOD PARAMETERS: as administrator
    invoke "$2" admin "$3" "$4"
    [ "$(status) $(value ReturnValue)" = "200 $1" ] ||
        die "$3 on $2: $(status) $(value ReturnValue) instead of $1: $(cat "$work/answer")"
}

get() { # HOST CLASS SELECTORS
    envelope "$TRANSFER/Get" "$V2/$2" "$3" '' | ask viewer "$1"
}

# All objects of a class, in one answer.
list() { # HOST CLASS
    envelope "$WSEN/Enumerate" "$V2/$2" '' \
        '<n:Enumerate><w:OptimizeEnumeration/><w:MaxElements>100</w:MaxElements></n:Enumerate>' | ask viewer "$1"
    [ "$(status)" = 200 ]
}

count() { # of the objects in the answer
    xpath "count(//*[local-name()='Items']/*)"
}

finished() { # HOST: the job of the last answer, to its end, which must be good
    local id i
    id=$(xpath "string(//*[local-name()='Job']//*[@Name='InstanceID'])")
    for ((i = 0; i < JOB_S * 5; i++)); do
        get "$1" Msvm_ConcreteJob "$(selectors InstanceID "$id")"
        [ "$(status)" = 200 ] || die "job $id cannot be read"
        if [ "$(value JobState)" -ge 7 ]; then
            [ "$(value JobState)" = 7 ] && return
            die "JobState $(value JobState): $(value ErrorDescription)"
        fi
        sleep 0.2
    done
    die "job $id did not end"
}

does() { # HOST METHOD PARAMETERS: it starts a job, which ends well
    answers 4096 "$@"
    finished "$1"
}

state_of() { # HOST: of the VM
    get "$1" Msvm_ComputerSystem "$(selectors Name "$VM_ID")"
    value ReplicationState
}

await_state() { # HOST STATE
    local i
    for ((i = 0; i < JOB_S * 5; i++)); do
        [ "$(state_of "$1")" != "$2" ] || return 0
        sleep 0.2
    done
    die "the VM on $1 is in state $(state_of "$1") instead of $2"
}

authorize() { # FROM-HOST TO-HOST
    local storage=$L/$2/by-wsman
    mkdir "$storage"
    list "$2" Msvm_ReplicationAuthorizationSettingData
    [ "$(count)" = 0 ] # nobody is let in before
    answers 0 "$2" AddAuthorizationEntry "$(instance AuthorizationEntry Msvm_ReplicationAuthorizationSettingData \
        AllowedPrimaryHostSystem "$1.localhost" TrustGroup lab ReplicaStorageLocation "$storage")"
    list "$2" Msvm_ReplicationAuthorizationSettingData
    [ "$(count) $(value AllowedPrimaryHostSystem)" = "1 $1.localhost" ]
}

create() { # FROM-HOST TO-HOST
    local peer
    peer=$(hvar "$2" PEER)
    does "$1" CreateReplicationRelationship "$(vm_reference)$(instance ReplicationSettingData Msvm_ReplicationSettingData \
        RecoveryConnectionPoint "${peer%:*}" RecoveryServerPortNumber "${peer##*:}")"
}

# Where a host keeps the images is what it says of the VM's disks: lines of variables for the scenarios to come.
images() { # HOST
    local i name=${1^^}_DISK_
    list "$1" Msvm_StorageAllocationSettingData
    for ((i = 0; i < 2; i++)); do
        echo "$name$i=$(xpath "string((//*[local-name()='HostResource'])[$((i + 1))])")"
    done >>"$work/images"
    # shellcheck source=/dev/null
    . "$work/images"
}

created() {
    create h1 h2
    await_state h1 1 # ready for initial replication
}

started() {
    does h1 StartReplication "<p:InitialReplicationType>1</p:InitialReplicationType>$(vm_reference)"
    await_state h1 3
    await_state h2 3
    images h2
    equal_disks h1 h2
}

repaired() {
    # shellcheck source=/dev/null
    . "$work/images"
    damage "$H2_DISK_0"
    damage "$H2_DISK_1"
    ! equal_disks h1 h2 || die 'no damage was done'
    does h1 Resynchronize "$(vm_reference)"
    equal_disks h1 h2
    await_state h1 3
}

counted() {
    answers 0 h1 GetReplicationStatistics "$(vm_reference)"
    xpath "string((//*[local-name()='ReplicationStatistics'])[1])" >"$work/one.xml" # an INSTANCE as text
    statistic() {
        xmllint --xpath "string(//PROPERTY[@NAME='$1']/VALUE)" "$work/one.xml"
    }
    [ "$(statistic ReplicationSuccessCount)" = 2 ] || die "ReplicationSuccessCount $(statistic ReplicationSuccessCount)"
    [ "$(statistic ReplicationFailureCount)" = 0 ]
    [ "$(statistic ReplicationHealth)" = 1 ]
    [ "$(statistic ReplicationSize)" -gt 0 ]
}

extended() {
    authorize h2 h3
    create h2 h3
    does h2 StartReplication "<p:InitialReplicationType>1</p:InitialReplicationType>$(vm_reference)"
    images h3
    equal_disks h1 h3
    damage "$H3_DISK_0"
    does h2 Resynchronize "$(vm_reference)"
    equal_disks h1 h3
}

not_everybody() {
    invoke h1 operator RemoveReplicationRelationship "$(vm_reference)"
    [ "$(status) $(value ReturnValue)" = '200 32769' ]
    invoke h2 viewer RemoveAuthorizationEntry \
        '<p:AllowedPrimaryHostSystem>h1.localhost</p:AllowedPrimaryHostSystem>'
    [ "$(status) $(value ReturnValue)" = '200 32769' ]
    [ "$(state_of h1)" = 3 ]
}

removed() {
    local id h
    # shellcheck source=/dev/null
    . "$work/images"
    list h2 Msvm_ReplicationRelationship
    id=$(xpath "string(//*[local-name()='InstanceID'][substring(., string-length(.)) = '1'])")
    does h2 RemoveReplicationRelationshipEx "$(vm_reference)$(instance ReplicationRelationship \
        Msvm_ReplicationRelationship InstanceID "$id")"
    does h1 RemoveReplicationRelationship "$(vm_reference)"
    await_state h1 0
    for h in h1 h2 h3; do
        list "$h" Msvm_ReplicationRelationship
        [ "$(count)" = 0 ]
    done
    equal_disks h1 h2 # the images stay
    equal_disks h1 h3
    answers 0 h2 RemoveAuthorizationEntry '<p:AllowedPrimaryHostSystem>h1.localhost</p:AllowedPrimaryHostSystem>'
    list h2 Msvm_ReplicationAuthorizationSettingData
    [ "$(count)" = 0 ]
}

scenario 'an authorization entry is made' authorize h1 h2
scenario 'a relationship is created' created
scenario 'the initial replication is started' started
scenario 'a damaged replica is resynchronized' repaired
scenario 'the statistics are read' counted
scenario 'an extended replica: entry, relationship, start, Resynchronize' extended
scenario 'roles' not_everybody
scenario 'the relationships and the entry are removed' removed
finish
