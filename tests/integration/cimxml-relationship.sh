#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A relationship's whole life over CIM-XML: created, changed, filled, removed; and what is refused on the way.
# shellcheck disable=SC2317,SC2119 # scenarios are called by name; vm_param's arguments are optional
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/cimxml.sh
. "$(dirname "$0")/cimxml.sh"
need wbemcli xmllint
make_lab lab --no-replica
H2_PORT=${H2_PEER##*:}

settings() { # PROPERTIES
    embedded ReplicationSettingData Msvm_ReplicationSettingData "$1"
}

relationship() { # NUMBER
    embedded ReplicationRelationship Msvm_ReplicationRelationship \
        "$(prop InstanceID string "Microsoft:$VM_ID\\HVR\\$1")"
}

to_h2=$(prop RecoveryConnectionPoint string h2.localhost)$(prop RecoveryServerPortNumber uint16 "$H2_PORT")

no_disks='<PROPERTY.ARRAY NAME="IncludedDisks" TYPE="string"><VALUE.ARRAY></VALUE.ARRAY></PROPERTY.ARRAY>'

# says CODE ROLE METHOD PARAMETERS
says() {
    local password=${2^^}_PASSWORD answer
    answer=$(call h1 "$2:${!password}" "$3" "$4")
    [ "$answer" = "$1" ] || die "$3 answers $answer, not $1: $(cat "$work/answer")"
}

# The same; the job ends in STATE and is of this type.
job_of() { # TYPE STATE METHOD PARAMETERS
    local job
    says 4096 admin "$3" "$4"
    job=$(answered_job)
    await_cim_job h1 "$job" "$2"
    [ "$(cim_job h1 "$job" JobType)" = "$1" ]
    wbemcli -nl ain "$(url_of h1 admin):Msvm_ConcreteJob.InstanceID=\"$job\"" >"$work/ends"
    grep -q "Msvm_ComputerSystem.*$VM_ID" "$work/ends"
    grep -q Msvm_ReplicationService "$work/ends"
    echo "$job" >"$work/job"
}

setting() { # PROPERTY VALUE: of the relationship, as wbemcli prints it
    wbemcli -nl ei "$(url_of h1 viewer):Msvm_ReplicationSettingData" >"$work/settings"
    grep -qx -- "-$1=$2" "$work/settings" || die "$1 is not $2: $(cat "$work/settings")"
}

none() { # HOST
    [ "$(vr "$1" status --json | jq '.relationships | length')" = 0 ]
}

refused() {
    local why
    says 32769 operator CreateReplicationRelationship "$(vm_param)$(settings "$to_h2")"
    says 32773 admin CreateReplicationRelationship "$(vm_param)$(settings "$to_h2$(prop Colour string red)")"
    says 32773 admin CreateReplicationRelationship "$(vm_param)$(settings '')"
    says 32773 admin CreateReplicationRelationship "$(vm_param)"
    says 32773 admin CreateReplicationRelationship "$(vm_param)$(relationship 0 | sed s/ReplicationRelationship/ReplicationSettingData/)"
    says 32776 admin CreateReplicationRelationship "$(vm_param)$(settings "$to_h2$(prop RecoveryHistory string 1)")"
    says 32770 admin CreateReplicationRelationship "$(vm_param)$(settings "$to_h2$(prop RecoveryHistory uint16 1)")"
    says 32773 admin CreateReplicationRelationship "$(vm_param)$(settings "$to_h2$(prop ReplicationInterval uint16 29)")"
    says 32773 admin CreateReplicationRelationship "$(vm_param)$(settings "$to_h2$no_disks")"
    says 32775 admin ModifyReplicationSettings "$(vm_param)$(settings '')"
    says 32775 admin RemoveReplicationRelationship "$(vm_param)"
    says 32770 admin CommitFailover "$(vm_param)"
    why=$(curl -s -o /dev/null -D - -u "admin:$ADMIN_PASSWORD" -H 'Content-Type: application/xml' -H 'CIMOperation: MethodCall' \
        -H 'CIMMethod: CommitFailover' -H "CIMObject: $NS:Msvm_ReplicationService.$(service_keys h1 | sed 's/=\(.*\)/="\1"/' | paste -sd,)" \
        --data-binary @- "$H1_CIMXML/cimom" < <(method_xml h1 CommitFailover "$(vm_param)"))
    [[ $why = *'VMReplica-Reason: CommitFailover is not offered'* ]] || die "no reason: $why"
    none h1
}

nobody_there() {
    job_of 91 10 CreateReplicationRelationship \
        "$(vm_param)$(settings "$(prop RecoveryConnectionPoint string h2.localhost)$(prop RecoveryServerPortNumber uint16 1)")"
    cim_job h1 "$(cat "$work/job")" ErrorDescription >"$work/said"
    [ "$(grep -o h2.localhost "$work/said" | wc -l)" = 1 ] || die "it is named once: $(cat "$work/said")"
    none h1
}

not_allowed() {
    job_of 91 10 CreateReplicationRelationship "$(vm_param)$(settings "$to_h2")"
    [[ $(cim_job h1 "$(cat "$work/job")" ErrorDescription) = *'no authorization entry'* ]]
    none h1
    none h2
}

create() {
    vr h2 authorize add h1.localhost --storage "$L/h2/replicas"
    job_of 91 7 CreateReplicationRelationship "$(vm_param)$(settings "$to_h2$(prop ReplicationInterval uint16 900)")"
    [ "$(rel_get h1 .state)" = 1 ]
    setting ReplicationInterval 900
    setting CompressionEnabled TRUE
    setting RecoveryServerPortNumber "$H2_PORT"
    says 32775 admin CreateReplicationRelationship "$(vm_param)$(settings "$to_h2")"
}

modify() {
    job_of 92 7 ModifyReplicationSettings "$(vm_param)$(settings "$(prop CompressionEnabled boolean FALSE)")"
    setting CompressionEnabled FALSE
    setting ReplicationInterval 900
    host restart h1
    setting CompressionEnabled FALSE
}

transfer() {
    vr h1 enable "$VM_NAME" --to "$H2_PEER" --wait
    setting ReplicationInterval 900
    equal_disks h1 h2
    [ "$(rel_get h1 .state)" = 3 ]
}

remove() {
    says 32773 admin RemoveReplicationRelationshipEx "$(vm_param)"
    says 32775 admin RemoveReplicationRelationshipEx "$(vm_param)$(relationship 1)"
    job_of 93 7 RemoveReplicationRelationshipEx "$(vm_param)$(relationship 0)"
    none h1
    none h2
    says 32775 admin RemoveReplicationRelationshipEx "$(vm_param)$(relationship 0)"
}

start_type() { # TYPE
    printf '<PARAMVALUE NAME="InitialReplicationType" PARAMTYPE="uint16"><VALUE>%s</VALUE></PARAMVALUE>' "$1"
}

images() {
    (cd "$L/h2/replicas/$VM_ID" && find . -type f ! -name '*.sidecar' ! -name '*.unready' -exec sha256sum {} + | sort)
}

again() { # the host still has the images: they are used when that is said, and not overwritten otherwise
    local before
    before=$(images)
    [ -n "$before" ]
    if vr h1 enable "$VM_NAME" --to "$H2_PEER" --no-start >"$work/said" 2>&1; then
        die 'nobody asked for the images'
    fi
    grep -q 'enable seeded' "$work/said"
    none h1
    job_of 91 7 CreateReplicationRelationship "$(vm_param)$(settings "$to_h2")"
    [ "$(rel_get h1 .state)" = 1 ]
    host restart h2
    says 32775 operator StartReplication "$(vm_param)$(start_type 1)"
    if vr h1 enable "$VM_NAME" --to "$H2_PEER" --wait >"$work/said" 2>&1; then
        die 'nobody asked for the images'
    fi
    grep -q unasked "$work/said"
    await_rel h1 '.state == 1 and .job == null'
    [ "$(images)" = "$before" ]
    job_of 117 7 StartReplication "$(vm_param)$(start_type 3)"
    equal_disks h1 h2
    [ "$(rel_get h1 .state)" = 3 ]
    [ "$(job_get h1 "$(last_job h1)" .progress.bytes_sent)" -lt 65536 ]
}

scenario 'what is refused, with a reason' refused
scenario 'a host that is not there: the job fails' nobody_there
scenario 'a host that does not allow it: the job fails' not_allowed
scenario 'CreateReplicationRelationship' create
scenario 'ModifyReplicationSettings' modify
scenario 'the initial replication of what was created' transfer
scenario 'RemoveReplicationRelationshipEx' remove
scenario 'to the same host again, seeded with what it kept' again
finish
