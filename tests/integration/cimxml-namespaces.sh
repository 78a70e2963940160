#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The namespaces of a daemon, each with wbemcli's reading commands, and as clients find them.
# shellcheck disable=SC2317 # scenarios are called by name
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/cimxml.sh
. "$(dirname "$0")/cimxml.sh"
need wbemcli
make_lab lab

# CLASS SUPERCLASS: one with an instance. Whatever wbemcli lists it can get, and the class is there with its keys.
walk() {
    local url path
    url=$(url_of h1 viewer)
    wbemcli ecn "$url:$2" >"$work/out"
    wbemcli -nl gc "$url:$1" >"$work/class"
    grep -q '^-' "$work/class"
    wbemcli ec "$url:$2" >"$work/out"
    wbemcli ein "$url:$2" >"$work/names"
    grep -q ":$1\\." "$work/names"
    wbemcli -nl ei "$url:$1" >"$work/out"
    grep -q '^-' "$work/out"
    while IFS= read -r path; do
        wbemcli -nl gi "${url%"/$NS"}/${path#*/}" >"$work/one"
        grep -q '^-' "$work/one"
    done <"$work/names"
}

interop() {
    NS=root/interop
    walk CIM_ObjectManager CIM_Service
    wbemcli -nl ei "$(url_of h1 viewer):CIM_ObjectManager" ElementName >"$work/out"
    grep -qx -- '-ElementName="vmreplica"' "$work/out"
    walk CIM_Namespace CIM_ManagedElement
    wbemcli -nl ei "$(url_of h1 viewer):CIM_RegisteredProfile" >"$work/out" 2>&1
    [ ! -s "$work/out" ]
}

cimv2() {
    NS=root/cimv2
    walk Win32_OperatingSystem CIM_OperatingSystem
    walk Win32_ComputerSystem CIM_ComputerSystem
    walk Win32_ComputerSystemProduct CIM_Product
    walk Win32_Processor CIM_LogicalDevice
    walk Win32_ComputerSystemProcessor CIM_Component
}

value() { # CLASS PROPERTY: of its first instance
    wbemcli -nl ei "$(url_of h1 viewer):$1" "$2" | sed -n "s/^-$2=\"\{0,1\}\([^\"]*\)\"\{0,1\}$/\1/p" | head -n 1
}

# What is served is what the system says.
true_values() {
    NS=root/cimv2
    [ "$(value Win32_OperatingSystem BuildNumber)" = "$(uname -r)" ]
    [ "$(value Win32_OperatingSystem Caption)" = "$(sed -n 's/^PRETTY_NAME="\(.*\)"$/\1/p' /etc/os-release)" ]
    [ "$(value Win32_OperatingSystem TotalVisibleMemorySize)" = "$(awk '/^MemTotal:/ {print $2}' /proc/meminfo)" ]
    [ "$(value Win32_OperatingSystem LastBootUpTime | cut -c1-8)" = "$(date -u -d "$(uptime -s)" +%Y%m%d)" ]
    [ "$(value Win32_ComputerSystem DNSHostName)" = "$(uname -n)" ]
    [ "$(value Win32_ComputerSystem NumberOfLogicalProcessors)" = "$(grep -c '^processor' /proc/cpuinfo)" ]
}

query() { # TEXT
    imethod ExecQuery "$(ivalue QueryLanguage WQL)$(ivalue Query "$1")" viewer
}

# The queries of libvirt's Hyper-V driver when it connects and for `virsh nodeinfo`, and what it reads.
libvirt() {
    local name
    NS=root/cimv2
    query 'SELECT * FROM Win32_ComputerSystemProduct '
    [[ "$(property UUID)" =~ ^[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$ ]]
    query 'SELECT * FROM Win32_OperatingSystem '
    [[ "$(property Version)" =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]]
    query 'SELECT * FROM Win32_ComputerSystem '
    name=$(property Name)
    [ -n "$(property DNSHostName)" ]
    [ "$(property TotalPhysicalMemory)" -gt 0 ]
    query "ASSOCIATORS OF {Win32_ComputerSystem.Name='$name'} WHERE AssocClass = Win32_ComputerSystemProcessor ResultClass = Win32_Processor"
    [ "$(count VALUE.OBJECTWITHPATH)" -ge 1 ]
    [ "$(property NumberOfCores)" -ge 1 ]
    [ "$(property NumberOfLogicalProcessors)" -ge 1 ]
    [ $(($(count PROPERTY) + $(count PROPERTY.ARRAY))) -ge 57 ] # all of the class, NULL or not
}

# Each of those listed is there and has classes.
listed() {
    local ns
    NS=root/interop
    wbemcli -nl ei "$(url_of h1 viewer):CIM_Namespace" Name | sed -n 's/^-Name="\(.*\)"$/\1/p' >"$work/spaces"
    grep -qx root/interop "$work/spaces"
    grep -qx root/virtualization/v2 "$work/spaces"
    grep -qx root/cimv2 "$work/spaces"
    while IFS= read -r ns; do
        NS=$ns
        imethod EnumerateClassNames ''
        [ "$(count CLASSNAME)" -ge 1 ]
    done <"$work/spaces"
}

# As pywbem's WBEMServer looks for the interop namespace: 3 sends it to the next name.
searched() {
    NS=interop
    imethod EnumerateInstanceNames "$(iclass ClassName CIM_Namespace)" viewer
    [ "$(error_code)" = 3 ]
    NS=root/interop
    imethod EnumerateInstanceNames "$(iclass ClassName CIM_Namespace)" viewer
    [ "$(count INSTANCENAME)" = "$(wc -l <"$work/spaces")" ]
}

virtualization() {
    walk Msvm_ReplicationService CIM_Service
    walk Msvm_ComputerSystem CIM_System
}

# A class of one namespace is not in another; a pulled enumeration stays in its own.
apart() {
    local id
    NS=root/interop
    imethod EnumerateInstances "$(iclass ClassName Msvm_ComputerSystem)"
    [ "$(error_code)" = 5 ]
    imethod GetClass "$(iclass ClassName Msvm_ComputerSystem)"
    [ "$(error_code)" = 6 ]
    imethod OpenEnumerateInstances "$(iclass ClassName CIM_Namespace)$(ivalue MaxObjectCount 1)"
    id=$(xpath "string(//PARAMVALUE[@NAME='EnumerationContext']/VALUE)")
    [ -n "$id" ]
    NS=root/virtualization/v2
    imethod PullInstancesWithPath "$(ivalue EnumerationContext "$id")$(ivalue MaxObjectCount 1)"
    [ "$(error_code)" = 21 ]
    NS=root/interop
    imethod PullInstancesWithPath "$(ivalue EnumerationContext "$id")$(ivalue MaxObjectCount 1)"
    [ "$(count VALUE.INSTANCEWITHPATH)" = 1 ]
    imethod CloseEnumeration "$(ivalue EnumerationContext "$id")"
}

unknown() {
    local op
    NS=root/nothing
    for op in gc ec ecn ei ein; do
        wbemcli "$op" "$(url_of h1 viewer):CIM_Service" >"$work/out" 2>&1 || true
        grep -q CIM_ERR_INVALID_NAMESPACE "$work/out"
    done
    wbemcli gi "$(url_of h1 viewer):CIM_Service.Name=\"x\"" >"$work/out" 2>&1 || true
    grep -q CIM_ERR_INVALID_NAMESPACE "$work/out"
}

strangers() {
    local who http
    http=$(hvar h1 CIMXML)
    NS=root/interop
    imethod EnumerateInstances "$(iclass ClassName CIM_Namespace)" viewer
    [ "$(count VALUE.NAMEDINSTANCE)" -ge 2 ]
    for who in nobody: viewer:wrong; do
        curl -s --max-time 20 -o "$work/answer" -w '%{http_code}' -u "$who" -H 'CIMOperation: MethodCall' \
            -H 'Content-Type: application/xml' -H 'CIMMethod: EnumerateInstances' -H 'CIMObject: root/interop' \
            --data-binary @"$work/request" "$http/cimom" >"$work/code"
        [ "$(cat "$work/code")" = 401 ]
        [ -z "$(sed -n /CIM_Namespace/p "$work/answer")" ]
    done
}

scenario 'root/virtualization/v2' virtualization
scenario 'root/interop' interop
scenario 'root/cimv2' cimv2
scenario 'root/cimv2 says what the host says' true_values
scenario 'the queries of libvirt' libvirt
scenario 'CIM_Namespace names what there is' listed
scenario 'the interop namespace is found as pywbem looks for it' searched
scenario 'namespaces are apart' apart
scenario 'a namespace that is not there' unknown
scenario 'nobody without a password' strangers
finish
