#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Queries and pulled enumerations against a real daemon: wbemcli has no such commands, so curl sends what other clients
# send.
# shellcheck disable=SC2317 # scenarios are called by name
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/cimxml.sh
. "$(dirname "$0")/cimxml.sh"
make_lab lab

query() { # LANGUAGE QUERY: the answer is in $work/answer
    imethod ExecQuery "$(ivalue QueryLanguage "$1")$(ivalue Query "$2")"
}

by_name() {
    query WQL "SELECT * FROM Msvm_ComputerSystem WHERE Name = \"$VM_ID\""
    [ "$(count VALUE.OBJECTWITHPATH)" = 1 ]
    [ "$(property ReplicationState)" = 3 ]
}

not_the_host() { # as libvirt asks
    query WQL 'SELECT * FROM Msvm_ComputerSystem WHERE Name != __SERVER'
    [ "$(count VALUE.OBJECTWITHPATH)" = 1 ]
    [ "$(property Name)" = "$VM_ID" ]
}

selected() {
    query WQL "select ReplicationState from Msvm_ReplicationRelationship where InstanceID like 'microsoft:%\\\\hvr\\\\0'"
    [ "$(count INSTANCE)" = 1 ]
    [ "$(count PROPERTY)" = 1 ]
}

refused() {
    query DMTF:CQL 'SELECT * FROM Msvm_ComputerSystem'
    [ "$(error_code)" = 14 ]
    query WQL 'SELECT * FROM Msvm_ComputerSystem WHERE Name'
    [ "$(error_code)" = 15 ]
    grep -q 'column 45: expected a comparison' "$work/answer"
}

context() {
    xpath "string(//PARAMVALUE[@NAME='EnumerationContext']/VALUE)"
}

ended() {
    [ "$(xpath "string(//PARAMVALUE[@NAME='EndOfSequence']/VALUE)")" = TRUE ] && [ -z "$(context)" ]
}

pulled() { # both systems, one at a time; nobody else may
    local id
    imethod OpenEnumerateInstances "$(iclass ClassName CIM_ComputerSystem)$(ivalue MaxObjectCount 1)"
    [ "$(count VALUE.INSTANCEWITHPATH)" = 1 ]
    [ "$(property Caption)" = 'Hosting Computer System' ]
    id=$(context)
    imethod PullInstancesWithPath "$(ivalue EnumerationContext "$id")$(ivalue MaxObjectCount 1)" viewer
    [ "$(error_code)" = 21 ]
    imethod PullInstancesWithPath "$(ivalue EnumerationContext "$id")$(ivalue MaxObjectCount 5)"
    [ "$(property Name)" = "$VM_ID" ]
    ended
    imethod CloseEnumeration "$(ivalue EnumerationContext "$id")"
    [ "$(error_code)" = 21 ]
}

pulled_otherwise() {
    imethod OpenAssociatorInstancePaths "<IPARAMVALUE NAME=\"InstanceName\">$(vm_name "$VM_ID")</IPARAMVALUE>$(
        iclass ResultClass Msvm_ReplicationRelationship)$(ivalue MaxObjectCount 9)"
    [ "$(count INSTANCEPATH)" = 1 ]
    ended
    imethod OpenQueryInstances "$(ivalue FilterQueryLanguage WQL)$(
        ivalue FilterQuery 'SELECT Name FROM Msvm_ReplicationService')$(ivalue MaxObjectCount 9)"
    [ "$(property Name)" = replicasvc ]
    ended
}

scenario 'a VM by its name' by_name
scenario 'all but the host' not_the_host
scenario 'a property of those LIKE' selected
scenario 'other languages and broken queries' refused
scenario 'instances, pulled' pulled
scenario 'paths and a query, pulled' pulled_otherwise
finish
