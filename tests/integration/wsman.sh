#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# WS-Management against a real daemon: wsl, the client of Debian; and by hand what libvirt's hyperv driver, omicli and
# go-wsman send, none of which Debian has.
# shellcheck disable=SC2317 # scenarios are called by name
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/soap.sh
. "$(dirname "$0")/soap.sh"
make_lab lab

wql() { # NAMESPACE QUERY: and its first Pull
    envelope "$WSEN/Enumerate" "$WMI/$1/*" '' "<n:Enumerate><w:Filter Dialect=\"$WQL\">$2</w:Filter></n:Enumerate>" | ask
    [ "$(status)" = 200 ]
    envelope "$WSEN/Pull" "$WMI/$1/${3:-*}" '' \
        "<n:Pull><n:EnumerationContext>$(value EnumerationContext)</n:EnumerationContext></n:Pull>" | ask
    [ "$(status)" = 200 ]
}

IDENTIFY='<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"
 xmlns:i="http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"><s:Header/><s:Body><i:Identify/></s:Body></s:Envelope>'

identified() {
    ask viewer <<<"$IDENTIFY"
    [ "$(status)" = 200 ]
    [ "$(value ProtocolVersion)" = http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd ]
}

# nobody BODY [HEADER]: without a password; its status
nobody() {
    curl -sS -o "$work/answer" -w '%{http_code}' ${2:+-H "$2"} -H 'Content-Type: application/soap+xml' \
        --data "$1" "$(hvar h1 CIMXML)/wsman"
}

no_password() {
    [ "$(nobody "$IDENTIFY" 'WSMANIDENTIFY: unauthenticated')" = 200 ] # as Test-WSMan asks
    [ "$(value ProductVersion)" = 'OS: 0.0.0 SP: 0.0 Stack: 3.0' ]
    ! grep -qi 'localhost\|h1' "$work/answer" || die 'it tells whose answer it is'
    [ "$(nobody "$IDENTIFY")" = 401 ]
    [ "$(nobody "$(envelope "$TRANSFER/Get" "$WMI/root/virtualization/v2/Msvm_ComputerSystem" \
        "$(selectors Name "$VM_ID")" '')" 'WSMANIDENTIFY: unauthenticated')" = 401 ]
}

as_libvirt() { # what its hyperv driver asks first
    wql root/cimv2 'SELECT * FROM Win32_ComputerSystemProduct'
    [ -n "$(value UUID)" ]
    wql root/cimv2 'SELECT * FROM Win32_OperatingSystem'
    [ -n "$(value Caption)" ]
    wql root/virtualization/v2 'SELECT * FROM Msvm_ComputerSystem WHERE Name != __SERVER' Msvm_ComputerSystem
    [ "$(value Name)" = "$VM_ID" ]
    [ "$(xpath "count(//*[local-name()='Items']/*)")" = 1 ]
}

as_omicli() { # the other URIs, and the namespace in a selector
    envelope "$TRANSFER/Get" "$DMTF/Msvm_ComputerSystem" \
        "$(selectors __cimnamespace root/virtualization/v2 CreationClassName Msvm_ComputerSystem Name "$VM_ID")" '' | ask
    [ "$(status)" = 200 ]
    [ "$(value ElementName)" = "$VM_NAME" ]
    [ "$(value RelatesTo)" = uuid:7C942A82-60B9-0006-0000-000000010000 ]
    envelope "$WSEN/Enumerate" "$DMTF/Msvm_ComputerSystem" "$(selectors __cimnamespace root/virtualization/v2)" \
        '<n:Enumerate><w:OptimizeEnumeration/><w:MaxElements>1000</w:MaxElements></n:Enumerate>' | ask
    [ "$(xpath "count(//*[local-name()='Items']/*)")" = 2 ] # the host is one, too
    [ "$(xpath "count(//*[local-name()='EndOfSequence'])")" = 1 ]
}

# resync [START-TIME] [USER]: as go-wsman, the service by one of its keys
resync() {
    local class=$WMI/root/virtualization/v2/Msvm_ReplicationService
    envelope "$class/Resynchronize" "$class" "$(selectors CreationClassName Msvm_ReplicationService)" \
        "<p:Resynchronize_INPUT xmlns:p=\"$class\"><p:ComputerSystem><a:EndpointReference><a:Address>$ANONYMOUS</a:Address><a:ReferenceParameters><w:ResourceURI>$WMI/root/virtualization/v2/Msvm_ComputerSystem</w:ResourceURI><w:SelectorSet>$(
            selectors CreationClassName Msvm_ComputerSystem Name "$VM_ID")</w:SelectorSet></a:ReferenceParameters></a:EndpointReference></p:ComputerSystem>$(
            [ -z "${1-}" ] || echo "<p:StartTime>$1</p:StartTime>")</p:Resynchronize_INPUT>" | ask "${2-}"
    [ "$(status)" = 200 ]
}

job_state() { # INSTANCE-ID
    wql root/virtualization/v2 "SELECT * FROM Msvm_ConcreteJob WHERE InstanceID = '$1'" Msvm_ConcreteJob
    value JobState
}

resynchronized() {
    local job i
    damage "$H2_DISK_0"
    ! equal_disks h1 h2 || die 'no damage was done'
    resync "$(date -u -d '+1 second' +%Y-%m-%dT%H:%M:%SZ)"
    [ "$(value ReturnValue)" = 4096 ]
    job=$(xpath "string(/*[local-name()='Envelope']/*[local-name()='Body']/*/*[local-name()='Job']//*[@Name='InstanceID'])")
    for ((i = 0; i < JOB_S * 5; i++)); do
        [ "$(job_state "$job")" -lt 7 ] || break
        sleep 0.2
    done
    [ "$(job_state "$job")" = 7 ]
    equal_disks h1 h2
}

refused() {
    resync soon
    [ "$(value ReturnValue)" = 32776 ]
    resync '' viewer
    [ "$(value ReturnValue)" = 32769 ]
    envelope "$TRANSFER/Get" "$WMI/root/virtualization/v2/Msvm_Nothing" "$(selectors Name x)" '' | ask
    [ "$(status)" = 500 ]
    [ "$(xpath "string(//*[local-name()='Subcode']/*)")" = a:DestinationUnreachable ]
}

fragment() { # XPATH: a header
    echo "<w:FragmentTransfer s:mustUnderstand=\"true\">$1</w:FragmentTransfer>"
}

SETTINGS=$WMI/root/virtualization/v2/Msvm_ReplicationServiceSettingData

interval() { # as the command line knows it
    vr h1 settings --json | jq .settings.monitoring_interval_s
}

put() {
    local id before whole
    before=$(interval)
    envelope "$WSEN/Enumerate" "$SETTINGS" '' '<n:Enumerate><w:OptimizeEnumeration/></n:Enumerate>' | ask admin
    id=$(value InstanceID)
    # what was read, with one value changed, is put back
    whole=$(xpath "//*[local-name()='Items']/*" | sed "s|>$before<|>7200<|; s|^<p:[A-Za-z_]*|& xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:cim=\"http://schemas.dmtf.org/wbem/wscim/1/common\"|")
    envelope "$TRANSFER/Put" "$SETTINGS" "$(selectors InstanceID "$id")" "$whole" | ask operator
    [ "$(status) $(xpath "string(//*[local-name()='Subcode']/*)")" = '500 w:AccessDenied' ]
    [ "$(interval)" = "$before" ]
    envelope "$TRANSFER/Put" "$SETTINGS" "$(selectors InstanceID "$id")" "$whole" | ask admin
    [ "$(status) $(value MonitoringInterval) $(interval)" = '200 7200 7200' ]
    envelope "$TRANSFER/Put" "$SETTINGS" "$(selectors InstanceID "$id")" \
        '<w:XmlFragment>10800</w:XmlFragment>' "$(fragment "MonitoringInterval/text()")" | ask admin
    [ "$(status) $(value XmlFragment) $(interval)" = '200 10800 10800' ]
    envelope "$TRANSFER/Get" "$SETTINGS" "$(selectors InstanceID "$id")" '' "$(fragment MonitoringInterval)" | ask
    [ "$(status) $(xpath "string(//*[local-name()='XmlFragment']/*)")" = '200 10800' ]
    # out of range, no setting, no such class of settings: nothing changes
    envelope "$TRANSFER/Put" "$SETTINGS" "$(selectors InstanceID "$id")" \
        '<w:XmlFragment>1</w:XmlFragment>' "$(fragment "MonitoringInterval/text()")" | ask admin
    [ "$(status) $(xpath "string(//*[local-name()='Subcode']/*)")" = '500 x:InvalidRepresentation' ]
    envelope "$TRANSFER/Put" "$SETTINGS" "$(selectors InstanceID "$id")" \
        '<w:XmlFragment>mine</w:XmlFragment>' "$(fragment "Caption/text()")" | ask admin
    [ "$(status) $(xpath "string(//*[local-name()='Subcode']/*)")" = '500 x:InvalidRepresentation' ]
    envelope "$TRANSFER/Put" "$WMI/root/virtualization/v2/Msvm_ComputerSystem" "$(selectors Name "$VM_ID")" \
        '<p:Msvm_ComputerSystem xmlns:p="x"><p:ElementName>y</p:ElementName></p:Msvm_ComputerSystem>' | ask admin
    [ "$(status) $(xpath "string(//*[local-name()='Subcode']/*)")" = '500 a:ActionNotSupported' ]
    [ "$(interval)" = 10800 ]
}

class_schema() {
    envelope "$TRANSFER/Get" 'http://schemas.dmtf.org/wbem/cim-xml/2/cim-schema/2/*' \
        "$(selectors __cimnamespace root/virtualization/v2 ClassName Msvm_ReplicationService)" '' | ask viewer
    [ "$(status)" = 200 ]
    [ "$(xpath 'string(//CLASS/METHOD[@NAME="Resynchronize"]/PARAMETER[@NAME="StartTime"]/@TYPE)')" = datetime ]
    envelope "$TRANSFER/Get" 'http://schemas.dmtf.org/wbem/cim-xml/2/cim-schema/2/*' \
        "$(selectors ClassName Win32_OperatingSystem)" '' | ask viewer
    [ "$(xpath 'string(//CLASS/@NAME)')" = Win32_OperatingSystem ]
}

many() { # HOW-MANY TEXT
    head -c "$1" /dev/zero | sed "s|\x00|$2|g"
}

# limit HTTP TEXT: what the body on stdin gets, and is told
limit() {
    envelope "$TRANSFER/Get" "$WMI/root/virtualization/v2/Msvm_ComputerSystem" "$(selectors Name "$VM_ID")" "$(cat)" >"$work/big"
    curl -sS --max-time 60 -u "operator:$OPERATOR_PASSWORD" -H 'Content-Type: application/soap+xml' -o "$work/answer" \
        -w '%{http_code}\n' --data-binary @"$work/big" "$(hvar h1 CIMXML)/wsman" >"$work/status"
    [ "$(status)" = "$1" ]
    grep -q "$2" "$work/answer"
}

beyond() {
    { many 100 '<x>' && many 100 '</x>'; } | limit 500 'deeper than'
    { echo '<x '; seq -f 'a%g=""' 40; echo '/>'; } | limit 500 'more than 32 attributes'
    { echo '<x>'; many 100001 '<y/>'; echo '</x>'; } | limit 500 'more than 100000 elements'
    many 1100000 x | limit 413 'larger than 1 MiB'
    printf '<x>\xff</x>' | limit 500 'not UTF-8'
    as_omicli # and it answers as before
}

wsl_client() { # ROLE COMMAND ARGUMENT...: its answer
    local role=$1 password=${1^^}_PASSWORD
    shift
    mkdir -p "$work/wsl"
    (
        cd "$work/wsl" || exit 1
        HOME=$work/wsl OUTPREFIX=$work/wsl KEEPHISTORY=0 OUTLEVEL=0 WSAUTOMATED=1 WSDONTASK=y WSNOSSL=1 \
            WSENDPOINT=$(hvar h1 CIMXML | sed 's|http://||') WSUSER=$role WSPASS=${!password} "$@"
    )
    cp "$work/wsl/response.xml" "$work/answer"
}

by_wsl() {
    local v2=$WMI/root/virtualization/v2
    wsl_client operator wslid check
    [ "$(value ProductVendor)" = vmreplica ]
    wsl_client operator wslget "$v2/Msvm_ComputerSystem" CreationClassName=Msvm_ComputerSystem Name="$VM_ID"
    [ "$(value ElementName)" = "$VM_NAME" ]
    wsl_client operator wslenum "$v2/Msvm_ReplicationRelationship"
    [ "$(value ReplicationState)" = 3 ]
    wsl_client operator wslenum "$v2/Msvm_ComputerSystem" -filter "SELECT * FROM Msvm_ComputerSystem WHERE Name = '$VM_ID'"
    [ "$(xpath "count(//*[local-name()='Items']/*)") $(value Name)" = "1 $VM_ID" ]
}

# It pastes references into an envelope of its own, with other prefixes: they come from files that have these.
epr_file() { # FILE QUERY
    envelope "$WSEN/Enumerate" "$WMI/root/virtualization/v2/*" '' "<n:Enumerate><w:OptimizeEnumeration/><w:EnumerationMode>EnumerateEPR</w:EnumerationMode><w:Filter Dialect=\"$WQL\">$2</w:Filter></n:Enumerate>" | ask
    mkdir -p "$work/wsl"
    xmllint --format "$work/answer" | sed 's|\(</\{0,1\}\)a:|\1wsa:|g; s|\(</\{0,1\}\)w:|\1wsman:|g' >"$work/wsl/$1"
}

wsl_invokes() {
    local service=$WMI/root/virtualization/v2/Msvm_ReplicationService
    epr_file vm.xml "SELECT * FROM Msvm_ComputerSystem WHERE Name = '$VM_ID'"
    epr_file service.xml 'SELECT * FROM Msvm_ReplicationService'
    wsl_client operator wslinvoke "$service" Resynchronize -inst service.xml ComputerSystem=FILE:vm.xml StartTime=soon
    [ "$(value ReturnValue)" = 32776 ]
    wsl_client operator wslinvoke "$service" Resynchronize -inst service.xml ComputerSystem=FILE:vm.xml \
        StartTime="$(date -u -d '+1 hour' +%Y-%m-%dT%H:%M:%SZ)"
    [ "$(value ReturnValue)" = 4096 ]
    wsl_client viewer wslinvoke "$service" Resynchronize -inst service.xml ComputerSystem=FILE:vm.xml
    [ "$(value ReturnValue)" = 32769 ]
}

scenario 'identify' identified
scenario 'without a password: a masked Identify and nothing else' no_password
scenario 'libvirt: queries, one object a Pull' as_libvirt
scenario 'omicli: the URIs of the DMTF, __cimnamespace' as_omicli
scenario 'go-wsman: Resynchronize, the job to its end, equal disks' resynchronized
scenario 'refusals are return values, the rest are faults' refused
scenario 'Put of the settings of the service, whole and by a fragment' put
scenario 'the schema of a class' class_schema
scenario 'envelopes beyond the limits' beyond
if command -v wslget >/dev/null && command -v uuidgen >/dev/null; then
    scenario 'wsl of Debian: Identify, Get, Enumerate' by_wsl
    scenario 'wsl of Debian: Invoke' wsl_invokes
else
    skip 'wsl of Debian' 'no wsl and uuidgen here'
fi
finish
