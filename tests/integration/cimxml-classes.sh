#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The classes of the replication service with wbemcli: the ways that the public samples for Hyper-V Replica walk between
# them, every instance by its name, and what their properties say.
# shellcheck disable=SC2317 # scenarios are called by name
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/cimxml.sh
. "$(dirname "$0")/cimxml.sh"
need wbemcli
make_lab lab --hosts 3 --exclude vdb
URL=$(url_of h1 operator)
VM="$URL:Msvm_ComputerSystem.CreationClassName=\"Msvm_ComputerSystem\",Name=\"$VM_ID\""

on() { # HOST: what is asked goes there
    URL=$(url_of "$1" operator)
    VM="$URL:Msvm_ComputerSystem.CreationClassName=\"Msvm_ComputerSystem\",Name=\"$VM_ID\""
    SERVICE="$URL:Msvm_ReplicationService.$(service_keys "$1" | sed 's/=\(.*\)/="\1"/' | paste -sd,)"
}

paths() { # wbemcli ARGUMENT...: the names in $work/names, as wbemcli takes them
    wbemcli "$@" | sed "s|^[^=]*:\(Msvm_[A-Za-z]*\.\)|$URL:\1|" >"$work/names"
}

related() { # CLASS FROM: the instances in $work/out, one property a line
    wbemcli -nl -arc "$1" ai "$2" >"$work/out"
}

has() { # PROPERTY=VALUE
    grep -qxF -- "-$1" "$work/out" || {
        cat "$work/out"
        die "no $1"
    }
}

howmany() { # CLASS NUMBER: of the names
    [ "$(grep -c ":$1\." "$work/names")" = "$2" ] || {
        cat "$work/names"
        die "not $2 of $1"
    }
}

service_by_query() {
    imethod ExecQuery "$(ivalue QueryLanguage WQL)$(ivalue Query 'select * from Msvm_ReplicationService')"
    [ "$(count VALUE.OBJECTWITHPATH)" = 1 ]
    [ "$(property Name)" = replicasvc ]
}

vm_by_query() {
    imethod ExecQuery "$(ivalue QueryLanguage WQL)$(ivalue Query 'select * from Msvm_ComputerSystem where ElementName="demo"')"
    [ "$(count VALUE.OBJECTWITHPATH)" = 1 ]
    [ "$(property Name)" = "$VM_ID" ]
    [ "$(property Caption)" = 'Virtual Machine' ]
}

service_settings() {
    on h2
    related Msvm_ReplicationServiceSettingData "$SERVICE"
    has RecoveryServerEnabled=TRUE
    has AllowedAuthenticationType=2
    has MonitoringInterval=43200
    grep -qx -- '-MonitoringStartTime=00000000[0-9]\{6\}\.000000+000' "$work/out"
    grep -qx -- "-HttpsPort=$(hvar h2 PEER | sed 's/.*://')" "$work/out"
    grep -qx -- '-CertificateThumbPrint="[0-9A-Fa-f]\{40,64\}"' "$work/out"
    grep -qx -- '-HttpPort=' "$work/out"
}

authorizations() {
    on h2
    related Msvm_ReplicationAuthorizationSettingData "$SERVICE"
    has 'AllowedPrimaryHostSystem="h1.localhost"'
    grep -q -- '^-ReplicaStorageLocation="/' "$work/out"
    on h1
    related Msvm_ReplicationAuthorizationSettingData "$SERVICE"
    [ ! -s "$work/out" ]
}

settings_of_vm() {
    related Msvm_ReplicationSettingData "$VM"
    [ "$(grep -c '^-InstanceID=' "$work/out")" = 1 ]
    grep -q '^-ReplicationProvider=.*22391CDC-272C-4DDF-BA88-9BEFB1A0975C' "$work/out"
    grep '^-IncludedDisks=' "$work/out" | grep -q 'vda'
    ! grep '^-IncludedDisks=' "$work/out" | grep -q 'vdb' || die 'vdb is excluded'
}

relationships() { # the middle of the chain has both; a client picks one by the end of its InstanceID
    on h2
    paths -arc Msvm_ReplicationRelationship ain "$VM"
    howmany Msvm_ReplicationRelationship 2
    [ "$(grep -c 'HVR.*0"$' "$work/names")" = 1 ]
    wbemcli -nl gi "$(grep 'HVR.*1"$' "$work/names")" >"$work/out"
    has 'ElementName="Extended Replication Relationship"'
    on h3
    paths -arc Msvm_ReplicationRelationship ain "$VM"
    howmany Msvm_ReplicationRelationship 1
}

disks() { # HOST: from the VM to its settings, from these to the disks that have ResourceType 31
    on "$1"
    paths -ac Msvm_SettingsDefineState -arc Msvm_VirtualSystemSettingData -ar ManagedElement -arr SettingData ain "$VM"
    howmany Msvm_VirtualSystemSettingData 1
    local settings
    settings=$(cat "$work/names")
    wbemcli -nl gi "$settings" >"$work/out"
    has 'VirtualSystemType="Microsoft:Hyper-V:System:Realized"'
    has 'ElementName="demo"'
    wbemcli -nl -ac Msvm_VirtualSystemSettingDataComponent -arc Msvm_StorageAllocationSettingData ai "$settings" >"$work/out"
    has ResourceType=31
    has 'ElementName="vda"'
    [ "$(grep -c '^-ResourceType=31' "$work/out")" = "$2" ]
    while read -r image; do
        [ -e "$image" ] || die "no image $image"
    done < <(sed -n 's/^-HostResource="\(.*\)"$/\1/p' "$work/out")
    [ "$(grep -c '^-HostResource="/' "$work/out")" = "$2" ]
}

source_disks() {
    disks h1 2
}

replica_disks() { # the excluded one was never sent
    disks h2 1
}

every_instance() { # of every class: got again by its name
    local class all=0 path
    for class in CIM_ManagedElement Msvm_HostedService Msvm_ServiceAffectsElement Msvm_SystemReplicationRelationship \
        Msvm_SettingsDefineState Msvm_ElementSettingData Msvm_VirtualSystemSettingDataComponent; do
        imethod EnumerateInstanceNames "$(iclass ClassName "$class")"
        [ "$(count INSTANCENAME)" -gt 0 ] || die "no $class"
        cp "$work/answer" "$work/all"
        all=$(xmllint --xpath 'count(//IRETURNVALUE/INSTANCENAME)' "$work/all")
        for ((path = 1; path <= all; path++)); do
            imethod GetInstance "<IPARAMVALUE NAME=\"InstanceName\">$(xmllint --xpath \
                "//IRETURNVALUE/INSTANCENAME[$path]" "$work/all")</IPARAMVALUE>"
            [ "$(count INSTANCE)" = 1 ] || die "$class, the ${path}th"
        done
    done
}

no_instances() { # declared, so that clients know them
    local class
    for class in Msvm_FailoverNetworkAdapterSettingData Msvm_ReplicationStatistics Msvm_ReplicaSystemDependency \
        Msvm_EthernetPortFailoverSettingDataComponent; do
        wbemcli gc "$URL:$class" >"$work/out"
        grep -q "$class" "$work/out"
        wbemcli ei "$URL:$class" >"$work/out"
        [ ! -s "$work/out" ] || die "instances of $class"
    done
}

value_names() { # what a number means is in the class
    wbemcli gc "$URL:Msvm_ConcreteJob" >"$work/out"
    grep -q Msvm_ConcreteJob "$work/out"
    imethod GetClass "$(iclass ClassName Msvm_ConcreteJob)$(ivalue LocalOnly FALSE)"
    [ "$(xpath "count(//PROPERTY[@NAME='JobType']/QUALIFIER[@NAME='Values']//VALUE)")" -gt 30 ]
    xpath "//PROPERTY[@NAME='JobState']/QUALIFIER[@NAME='Values']" | grep -q '<VALUE>Exception</VALUE>'
}

links_by_name() {
    on h2
    paths rin "$SERVICE"
    howmany Msvm_HostedService 1
    howmany Msvm_ElementSettingData 2
    wbemcli -arc Msvm_ElementSettingData ri "$SERVICE" >"$work/out"
    grep -q 'IsCurrent=1' "$work/out"
}

failed_job() { # what a job says of its failure
    local job
    lab stop "$L" h2
    resync_call h1 operator "$(vm_param "$VM_ID")$(start_param "$(cim_time '+2 seconds')")" >"$work/code"
    [ "$(cat "$work/code")" = 4096 ]
    job=$(answered_job)
    await_cim_job h1 "$job" 10
    method_of_job "$job" GetErrorEx
    error_has MessageID PEER
    error_has ProbableCause 5
    error_has PerceivedSeverity 3
    error_has ErrorType 2
    grep -q 'vmreplica peer test HOST' "$work/answer"
}

not_replicated() { # what a client fetches, fills in and passes to CreateReplicationRelationship
    on h1
    related Msvm_ReplicationSettingData "$VM"
    [ "$(grep -c '^-InstanceID=' "$work/out")" = 1 ]
    has "VirtualSystemIdentifier=\"$VM_ID\""
    has 'RecoveryConnectionPoint='
    grep '^-IncludedDisks=' "$work/out" | grep -q 'vda.*vdb'
    paths -arc Msvm_ReplicationRelationship ain "$VM"
    [ ! -s "$work/names" ]
}

# The embedded instance is text inside the answer: as text it is looked at.
error_has() { # PROPERTY VALUE
    sed 's/&lt;/</g; s/&gt;/>/g; s/&quot;/"/g' "$work/answer" |
        grep -q "<PROPERTY NAME=\"$1\" TYPE=\"[a-z0-9]*\"[^>]*><VALUE>$2</VALUE>" || die "no $1=$2"
}

method_of_job() { # INSTANCE-ID METHOD
    local password=${OPERATOR_PASSWORD}
    {
        printf '<?xml version="1.0" encoding="utf-8"?><CIM CIMVERSION="2.0" DTDVERSION="2.0">'
        printf '<MESSAGE ID="1" PROTOCOLVERSION="1.0"><SIMPLEREQ><METHODCALL NAME="%s"><LOCALINSTANCEPATH>' "$2"
        printf '<LOCALNAMESPACEPATH><NAMESPACE NAME="root"/><NAMESPACE NAME="virtualization"/><NAMESPACE NAME="v2"/>'
        printf '</LOCALNAMESPACEPATH><INSTANCENAME CLASSNAME="Msvm_ConcreteJob">%s' "$(key InstanceID "$1")"
        printf '</INSTANCENAME></LOCALINSTANCEPATH></METHODCALL></SIMPLEREQ></MESSAGE></CIM>'
    } >"$work/request"
    curl -sS --max-time 20 -u "operator:$password" -H 'Content-Type: application/xml; charset=utf-8' \
        -H 'CIMOperation: MethodCall' -H "CIMMethod: $2" \
        -H "CIMObject: $NS:Msvm_ConcreteJob.InstanceID=\"$1\"" --data-binary @"$work/request" \
        "$(hvar h1 CIMXML)/cimom" >"$work/answer"
    [ "$(xpath 'string(//RETURNVALUE/VALUE)')" = 0 ]
}

scenario 'select * from Msvm_ReplicationService' service_by_query
scenario 'select * from Msvm_ComputerSystem where ElementName' vm_by_query
scenario 'service -> Msvm_ReplicationServiceSettingData' service_settings
scenario 'service -> Msvm_ReplicationAuthorizationSettingData' authorizations
scenario 'VM -> Msvm_ReplicationSettingData' settings_of_vm
scenario 'VM -> Msvm_ReplicationRelationship, 0 and 1' relationships
scenario 'VM -> settings -> disks of ResourceType 31' source_disks
scenario 'the same on the replica' replica_disks
scenario 'every instance by its name' every_instance
scenario 'classes without instances' no_instances
scenario 'what a number means' value_names
scenario 'links by their names' links_by_name
scenario 'a failed job says what to do' failed_job
make_lab alone --no-replica
scenario 'a VM that is not replicated -> Msvm_ReplicationSettingData' not_replicated
finish
