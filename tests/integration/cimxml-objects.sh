#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# wbemcli's other commands: classes, properties, and what is refused because only methods change anything.
# shellcheck disable=SC2317 # scenarios are called by name
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/cimxml.sh
. "$(dirname "$0")/cimxml.sh"
need wbemcli
make_lab lab
URL=$(url_of h1 operator)
VM="$URL:Msvm_ComputerSystem.CreationClassName=\"Msvm_ComputerSystem\",Name=\"$VM_ID\""

classes() {
    wbemcli ecn "$URL:CIM_Service" >"$work/out"
    grep -q ':Msvm_ReplicationService' "$work/out"
    [ -z "$(sed -n '/:CIM_Job/p' "$work/out")" ]
    wbemcli ec "$URL:CIM_Service" >"$work/out"
    grep -q ':Msvm_ReplicationService ' "$work/out"
    imethod EnumerateClassNames "$(iclass ClassName CIM_LogicalElement)$(ivalue DeepInheritance FALSE)"
    [ "$(count CLASSNAME)" = 2 ]
}

properties() {
    wbemcli -nl gi "$VM" ElementName,ReplicationState >"$work/out"
    [ "$(grep -c '^-' "$work/out")" = 2 ]
    grep -qx -- '-ReplicationState=3' "$work/out"
    wbemcli gp "$VM" ReplicationState >"$work/out" 2>&1
    grep -q '\b3\b' "$work/out"
    wbemcli gp "$VM" Nothing >"$work/out" 2>&1 || true
    grep -q 'CIM_ERR_NO_SUCH_PROPERTY' "$work/out"
}

refused() { # COMMAND ARGUMENT...
    wbemcli "$@" >"$work/out" 2>&1 || true
    grep -q CIM_ERR_NOT_SUPPORTED "$work/out"
}

changes() {
    refused di "$VM"
    refused mi "$VM" ElementName=other
    refused sp "$VM" ElementName=other
    refused ci "$VM" CreationClassName=Msvm_ComputerSystem,Name=x
    refused dc "$URL:CIM_Job"
    wbemcli -nl gi "$VM" ElementName >"$work/out"
    grep -qx -- '-ElementName="demo"' "$work/out"
}

qualifiers() {
    imethod EnumerateQualifiers ''
    [ "$(count QUALIFIER.DECLARATION)" -ge 12 ]
    imethod GetQualifier "$(ivalue QualifierName Key)"
    [ "$(xpath 'string(//QUALIFIER.DECLARATION/@OVERRIDABLE)')" = false ]
    imethod GetQualifier "$(ivalue QualifierName Nothing)"
    [ "$(error_code)" = 6 ]
    imethod DeleteQualifier "$(ivalue QualifierName Key)"
    [ "$(error_code)" = 7 ]
}

associations() {
    wbemcli ain "$VM" >"$work/out"
    grep -q ':Msvm_ReplicationRelationship.InstanceID="Microsoft:' "$work/out"
    grep -q ':Msvm_ReplicationService\.' "$work/out"
    wbemcli -ac Msvm_SystemReplicationRelationship -nl ai "$VM" >"$work/out"
    grep -qx -- '-ReplicationState=3' "$work/out"
    [ "$(grep -c '^-InstanceID=' "$work/out")" = 1 ]
    wbemcli -arc CIM_Service ain "$VM" >"$work/out"
    [ "$(wc -l <"$work/out")" = 1 ]
    wbemcli rin "$VM" >"$work/out"
    grep -q ':Msvm_ServiceAffectsElement\.' "$work/out"
    wbemcli -ar Dependent rin "$VM" >"$work/out" 2>&1
    [ -z "$(sed -n /Msvm_SystemReplicationRelationship/p "$work/out")" ]
    wbemcli ri "$VM" >"$work/out"
    grep -q 'Msvm_AffectedJobElement' "$work/out"
}

settings() {
    wbemcli -arc Msvm_ReplicationSettingData -nl ai "$VM" >"$work/out"
    grep -qx -- '-AuthenticationType=2' "$work/out"
    grep -qx -- "-VirtualSystemIdentifier=\"$VM_ID\"" "$work/out"
    grep -qx -- '-ElementName="demo"' "$work/out"
    wbemcli ein "$URL:Msvm_ReplicationSettingData" >"$work/out"
    [ "$(wc -l <"$work/out")" = 1 ]
}

scenario 'classes below others' classes
scenario 'from a VM to its relationship, service and jobs' associations
scenario 'from a VM to its settings' settings
scenario 'some properties, and one' properties
scenario 'what only methods change' changes
scenario 'declarations of qualifiers' qualifiers
finish
