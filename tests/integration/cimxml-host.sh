#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The methods about the host and the statistics, over CIM-XML against real daemons: what they change holds, also after
# a kill; and the command line shows the same.
# shellcheck disable=SC2317 # scenarios are called by name
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/cimxml.sh
. "$(dirname "$0")/cimxml.sh"
need wbemcli openssl
make_lab lab
H2_PORT=${H2_PEER##*:}

# says CODE HOST ROLE METHOD PARAMETERS
says() {
    local password=${3^^}_PASSWORD answer
    answer=$(call "$2" "$3:${!password}" "$4" "$5")
    [ "$answer" = "$1" ] || die "$4 answers $answer, not $1: $(cat "$work/answer")"
}

service() { # HOST ROLE: what wbemcli takes
    echo "$(url_of "$1" "$2"):Msvm_ReplicationService.$(service_keys "$1" | sed 's/=\(.*\)/="\1"/' | paste -sd,)"
}

cm() { # CODE HOST ROLE METHOD[.PARAMETER=VALUE,...]: wbemcli's own method calls
    wbemcli cm "$(service "$2" "$3")" "$4" >"$work/out" 2>&1
    grep -qE "(: |=)$1\$" "$work/out" || die "wbemcli cm $4 says: $(cat "$work/out")"
}

out_xml() { # PARAMETER: the embedded instances of the last answer, one document
    echo '<all>'
    xpath "//PARAMVALUE[@NAME='$1']//VALUE/text()" | sed 's/&lt;/</g; s/&gt;/>/g; s/&quot;/"/g; s/&amp;/\&/g'
    echo '</all>'
}

of() { # FILE CLASS PROPERTY: of the first instance; "" is NULL
    xmllint --xpath "string((//INSTANCE[@CLASSNAME='$2'])[1]/PROPERTY[@NAME='$3']/VALUE)" "$1"
}

# --- settings ---

settings() { # PROPERTIES
    embedded SettingData Msvm_ReplicationServiceSettingData "$1"
}

setting() { # HOST PROPERTY VALUE
    wbemcli -nl ei "$(url_of "$1" viewer):Msvm_ReplicationServiceSettingData" >"$work/settings"
    grep -qx -- "-$2=$3" "$work/settings" || die "$2 is not $3: $(cat "$work/settings")"
}

settings_refused() {
    says 32769 h1 operator ModifyServiceSettings "$(settings "$(prop MonitoringInterval uint32 7200)")"
    says 32773 h1 admin ModifyServiceSettings \
        "$(settings "$(prop MonitoringInterval uint32 7200)$(prop MonitoringStartTime datetime 20260101000000.000000+000)")"
    says 32773 h1 admin ModifyServiceSettings "$(settings "$(prop MonitoringInterval uint32 60)")"
    says 32770 h1 admin ModifyServiceSettings "$(settings "$(prop AllowedAuthenticationType uint16 1)")"
    says 32770 h1 admin ModifyServiceSettings "$(settings "$(prop HttpsPort uint16 443)")"
    says 32773 h1 admin ModifyServiceSettings "$(settings "$(prop CertificateThumbPrint string 00)")"
    setting h1 MonitoringInterval 43200
}

settings_modified() { # wbemcli's mi
    local path
    path=$(wbemcli ein "$(url_of h1 viewer):Msvm_ReplicationServiceSettingData")
    path=${path#*v2:}
    wbemcli mi "$(url_of h1 operator):$path" MonitoringInterval=7200 >"$work/out" 2>&1 && die 'an operator changed it'
    wbemcli mi "$(url_of h1 admin):$path" MonitoringInterval=60 >"$work/out" 2>&1 && die '60 seconds were taken'
    wbemcli mi "$(url_of h1 admin):$path" Caption=mine >"$work/out" 2>&1 && die 'a caption was taken'
    grep -q 'Caption of .* cannot be changed' "$work/out"
    setting h1 MonitoringInterval 43200
    wbemcli mi "$(url_of h1 admin):$path" MonitoringInterval=10800
    setting h1 MonitoringInterval 10800
}

settings_hold() {
    local start=00000000103000.000000+000
    says 0 h1 admin ModifyServiceSettings \
        "$(settings "$(prop MonitoringInterval uint32 7200)$(prop MonitoringStartTime datetime "$start")")"
    host kill h1
    host start h1
    setting h1 MonitoringInterval 7200
    setting h1 MonitoringStartTime "$start"
    setting h1 HttpsPort "${H1_PEER##*:}"
    vr h1 settings | grep -q '10:30:00 UTC'
    vr h1 settings set --monitoring-start 09:00 --monitoring-interval 12h
    setting h1 MonitoringInterval 43200
    vr h1 events --limit 20 >"$work/out"
    grep -q service-settings-changed "$work/out"
    vr h1 settings set --monitoring-interval 1m >"$work/out" 2>&1 && die "1m was taken"
    grep -q 3600 "$work/out"
}

certificates() {
    local want
    want=$(openssl x509 -in "$L/h1/certs/cert.pem" -outform DER | base64 -w0)
    [ -n "$want" ]
    says 0 h1 viewer GetSystemCertificates ''
    [ "$(xpath 'string((//PARAMVALUE[@NAME="EncodedCertificates"]//VALUE)[1])')" = "$want" ]
    [ "$(grep -c 'PRIVATE KEY' "$work/answer")" = 0 ]
    want=$(openssl x509 -in "$L/h1/certs/cert.pem" -noout -fingerprint -sha1 | sed 's/.*=//; s/://g')
    setting h1 CertificateThumbPrint "\"$want\""
}

connection() {
    local args="RecoveryConnectionPoint=h2.localhost,RecoveryServerPortNumber=$H2_PORT"
    cm 0 h1 operator "TestReplicationConnection.$args,AuthenticationType=2"
    cm 32770 h1 operator "TestReplicationConnection.$args,AuthenticationType=1"
    cm 32777 h1 operator 'TestReplicationConnection.RecoveryConnectionPoint=h2.localhost,RecoveryServerPortNumber=1'
    cm 32769 h1 viewer "TestReplicationConnection.$args"
}

control() {
    cm 0 h1 admin StartService
    cm 1 h1 admin StopService
    cm 0 h1 admin RequestStateChange.RequestedState=2
    cm 1 h1 admin RequestStateChange.RequestedState=3
    [ "$(rel_get h1 .state)" = 3 ] # it still serves
}

# --- authorization ---

entry() { # HOST [TRUST-GROUP [STORAGE]]
    embedded AuthorizationEntry Msvm_ReplicationAuthorizationSettingData "$(prop AllowedPrimaryHostSystem string "$1")$(
        [ -z "${2:-}" ] || prop TrustGroup string "$2")$([ -z "${3:-}" ] || prop ReplicaStorageLocation string "$3")"
}

entries() {
    wbemcli ein "$(url_of h2 viewer):Msvm_ReplicationAuthorizationSettingData" | wc -l
}

authorization() {
    [ "$(entries)" = 1 ]
    says 32769 h2 operator AddAuthorizationEntry "$(entry '*.test' any "$L/h2/other")"
    says 32773 h2 admin AddAuthorizationEntry "$(entry '*' any "$L/h2/other")"
    says 32773 h2 admin AddAuthorizationEntry "$(entry '*.test' any)"
    says 32773 h2 admin AddAuthorizationEntry "$(entry '*.test' any "$L/h2/../h1")"
    says 0 h2 admin AddAuthorizationEntry "$(entry '*.test' any "$L/h2/other")"
    says 32773 h2 admin AddAuthorizationEntry "$(entry '*.TEST' any "$L/h2/other")"
    says 0 h2 admin ModifyAuthorizationEntry "$(entry '*.test' blue)"
    [ "$(vr h2 authorize list --json | jq -r '.authorizations[] | select(.host == "*.test") | .trust_group + .storage')" = \
        "blue$L/h2/other" ]
    cm 0 h2 admin 'RemoveAuthorizationEntry.AllowedPrimaryHostSystem=*.test'
    [ "$(entries)" = 1 ]
}

resync_h1() { # STATE [ERROR]: of its job
    vr h1 resync demo >"$work/out" 2>&1 || {
        grep -q "${2:-no error is expected}" "$work/out"
        return
    }
    await_end h1 "$(last_job h1)" "$1"
}

bound() {
    says 0 h2 admin AddAuthorizationEntry "$(entry '*.localhost' any "$L/h2/replicas")"
    says 32773 h2 admin SetAuthorizationEntry "$(vm_param)$(entry '*.test')"
    says 0 h2 admin SetAuthorizationEntry "$(vm_param)$(entry h1.localhost)"
    resync_h1 7
    host kill h2
    host start h2
    says 0 h2 admin RemoveAuthorizationEntry \
        '<PARAMVALUE NAME="AllowedPrimaryHostSystem" PARAMTYPE="string"><VALUE>h1.localhost</VALUE></PARAMVALUE>'
    resync_h1 10 'bound to' # *.localhost does not help
    says 0 h2 admin SetAuthorizationEntry "$(vm_param)$(entry '*.localhost')"
    resync_h1 7
}

closed_host() {
    says 0 h2 admin ModifyServiceSettings "$(settings "$(prop RecoveryServerEnabled boolean FALSE)")"
    setting h2 RecoveryServerEnabled FALSE
    cm 32768 h1 operator "TestReplicationConnection.RecoveryConnectionPoint=h2.localhost,RecoveryServerPortNumber=$H2_PORT"
    resync_h1 10 'RecoveryServerEnabled is false'
    host kill h2
    host start h2
    resync_h1 10 'RecoveryServerEnabled is false'
    vr h2 settings set --recovery-server on
    resync_h1 7
}

# --- statistics ---

statistics() { # [HOST [ROLE]]: to $work/stats and $work/issues
    says 0 "${1:-h1}" "${2:-viewer}" GetReplicationStatistics "$(vm_param)"
    out_xml ReplicationStatistics >"$work/stats"
    out_xml ReplicationHealthIssues >"$work/issues"
}

stat() { # PROPERTY
    of "$work/stats" Msvm_ReplicationStatistics "$1"
}

counted() {
    local before bytes
    statistics
    before=$(stat ReplicationSuccessCount) bytes=$(stat ReplicationSize)
    damage "$H2_DISK_0"
    resync_h1 7
    statistics
    [ "$(stat ReplicationSuccessCount)" = $((before + 1)) ]
    [ "$(stat ReplicationSize)" -gt "$bytes" ]
    [ "$(stat ReplicationHealth)" = 1 ]
    [ -z "$(stat PendingReplicationSize)" ]
    [ "$(xmllint --xpath 'count(//INSTANCE)' "$work/issues")" = 0 ]
    host kill h1
    host start h1
    statistics
    [ "$(stat ReplicationSuccessCount)" = $((before + 1)) ] # neither lost nor counted again
    [ "$(vr h1 stats demo --json | jq '.statistics[0].windows[0].successes')" = $((before + 1)) ]
    statistics h2
    [ "$(stat ReplicationSuccessCount)" -ge 1 ]
    [ -z "$(stat ReplicationSize)" ] # only the source sees it
}

missed() {
    host stop h2
    vr h1 resync demo --at +1s
    await_end h1 "$(last_job h1)" 10
    host start h2
    statistics
    [ "$(stat ReplicationMissCount)" = 1 ]
    vr h1 stats demo >"$work/out"
    grep -qE '^missed +1' "$work/out"
    grep -qE '^completed +[1-9]' "$work/out"
    vr h1 stats demo --reset
    says 32769 h1 viewer ResetReplicationStatistics "$(vm_param)"
    statistics
    [ "$(stat ReplicationMissCount)" = 0 ]
    [ "$(stat ReplicationSuccessCount)" = 0 ]
}

warning_ends_with_reset() {
    host stop h2
    vr h1 resync demo --at +1s
    await_end h1 "$(last_job h1)" 10
    host start h2
    statistics
    [ "$(stat ReplicationHealth)" = 2 ]
    [ "$(of "$work/issues" Msvm_Error PerceivedSeverity)" = 3 ]
    [[ $(of "$work/issues" Msvm_Error Message) = '1 of 1 replications'* ]]
    [ "$(rel_get h1 .health)" = 2 ]
    says 0 h1 operator ResetReplicationStatisticsEx "$(vm_param)$(embedded ReplicationRelationship \
        Msvm_ReplicationRelationship "$(prop InstanceID string "Microsoft:$VM_ID\\HVR\\0")")"
    [ "$(rel_get h1 .health)" = 1 ]
}

without_replication() {
    vr h1 disable demo
    says 32775 h1 viewer GetReplicationStatistics "$(vm_param)"
    says 32775 h1 operator ResetReplicationStatistics "$(vm_param)"
    vr h1 stats demo >"$work/out" 2>&1 && die "statistics without replication"
    grep -q 'not enabled' "$work/out"
}

scenario 'settings that are refused' settings_refused
scenario 'settings by ModifyInstance' settings_modified
scenario 'settings hold, also after a kill' settings_hold
scenario 'certificates' certificates
scenario 'the connection test' connection
scenario 'start and stop of the service' control
scenario 'authorization entries' authorization
scenario 'a replica bound to one entry' bound
scenario 'a host that accepts no replication' closed_host
scenario 'a transfer is counted once, also over a kill' counted
scenario 'a scheduled transfer that was missed' missed
scenario 'a warning by statistics ends with their reset' warning_ends_with_reset
scenario 'a VM without replication' without_replication
finish
