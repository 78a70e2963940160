#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The inventory of libvirt: a real libvirtd's domains come, change and go; libvirtd is restarted; it is not there at all.
# shellcheck disable=SC2317 # scenarios are called by name
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/virtlab.sh
. "$(dirname "$0")/virtlab.sh"

ID=8f3c2f0e-7a6b-4b57-9d0e-1f6a2b3c4d5e
virt_host a
define_guest a web $ID 'vr.us=8000' "<disk type='file' device='cdrom'><driver name='qemu' type='raw'/>
  <target dev='hdc' bus='ide'/><readonly/></disk>"
make_lab lab --hosts 1 --no-replica
use_libvirt h1 a

vm() { # NAME JQ-FILTER
    vr h1 vms --json | jq -r --arg n "$1" ".vms[] | select(.name == \$n) | $2"
}

await_vm() { # NAME CONDITION
    local i
    for ((i = 0; i < JOB_S * 10; i++)); do
        [ "$(vm "$1" "$2")" != true ] || return 0
        sleep 0.1
    done
    vr h1 vms
    die "$1 never came to: $2"
}

await_event() { # ID COUNT
    local i
    for ((i = 0; i < JOB_S * 10; i++)); do
        [ "$(vr h1 events --json --limit 1000 | jq "[.events[] | select(.id == \"$1\")] | length")" -lt "$2" ] || return 0
        sleep 0.1
    done
    vr h1 events
    die "no event $1"
}

listed() {
    await_vm web '.driver == "libvirt" and (.running | not)'
    [ "$(vm web .id)" = ${ID^^} ]
    [ "$(vm web '[.disks[] | select(.excluded | not) | .name + ":" + .format] | join(" ")')" = 'vda:qcow2 vdb:raw' ]
    [ "$(vm web '.disks[0].size_bytes')" = $((64 << 20)) ]
    vr h1 vms | grep -E 'web +excluded +hdc .* a CD-ROM drive' || die "$(vr h1 vms)"
    [ "$(vm demo .driver)" = static ] # the file's are there, too
}

runs() {
    start_guest a web
    await_vm web .running
    v a suspend web
    await_vm web .running # a paused one may go on at any moment
    v a resume web
}

come_and_go() {
    define_guest a late 11111111-1111-4111-8111-111111111111
    await_vm late '.running | not'
    v a undefine late
    for ((i = 0; i < JOB_S * 10; i++)); do
        [ -n "$(vm late .id)" ] || return 0
        sleep 0.1
    done
    die 'it is still there'
}

owned_by_ovirt() {
    guest_xml a ovirt 22222222-2222-4222-8222-222222222222 |
        sed "s|<memory|<metadata><o:vm xmlns:o='http://ovirt.org/vm/1.0'/></metadata>&|" >"$work/ovirt.xml"
    v a define "$work/ovirt.xml"
    await_vm ovirt '.refused | test("oVirt")'
    if vr h1 enable ovirt --to localhost:1 >"$work/said" 2>&1; then
        die 'it was not refused'
    fi
    cat "$work/said"
    grep -q 'oVirt manages it' "$work/said"
    v a undefine ovirt
}

volumes() {
    mkdir "$work/pool"
    v a pool-create-as images dir --target "$work/pool"
    v a vol-create-as images disk.qcow2 8M --format qcow2
    guest_xml a vol 33333333-3333-4333-8333-333333333333 | sed "s|<disk type='file' device='disk'>|<disk type='volume' device='disk'>|
        s|<source file='[^']*a.qcow2'/>|<source pool='images' volume='disk.qcow2'/>|
        s|<source file='[^']*b.raw'/>|<source pool='images' volume='gone'/>|" >"$work/vol.xml"
    v a define "$work/vol.xml"
    await_vm vol '.disks[0].name == "vda"'
    [ "$(vm vol '.disks[0].path')" = "$work/pool/disk.qcow2" ]
    [ "$(vm vol '.disks[1].left_out')" = 'its volume is not found: is the storage pool active?' ]
    v a undefine vol
    v a pool-destroy images
}

attached() {
    qemu-img create -q -f raw "$work/late.raw" 8M
    v a attach-disk web "$work/late.raw" vdc --driver qemu --subdriver raw --live
    await_vm web '[.disks[] | select(.name == "vdc")] | length == 1'
    v a detach-disk web vdc --live
    await_vm web '[.disks[] | select(.name == "vdc")] | length == 0'
}

restarted() {
    virt_stop a
    await_event libvirt-lost 1
    [ "$(vm web .running)" = true ] # what was told stays
    virt_start a
    await_event libvirt-connected 2
    v a destroy web
    await_vm web '.running | not'
}

# A daemon that starts without libvirt knows the file's VMs, and the others as soon as there is somebody to ask.
late() {
    host stop h1
    virt_stop a
    host start h1
    [ "$(vm demo .driver)" = static ]
    [ -z "$(vm web .id)" ]
    if vr h1 enable $ID --to localhost:1 >"$work/said" 2>&1; then
        die 'a VM that nobody told of'
    fi
    virt_start a
    await_vm web '.driver == "libvirt"'
}

scenario "libvirt's VMs are listed" listed
scenario 'a VM that runs' runs
scenario 'a disk is attached and detached' attached
scenario 'disks that are volumes of a storage pool' volumes
scenario 'VMs come and go' come_and_go
scenario 'a VM of oVirt is refused' owned_by_ovirt
scenario 'libvirtd is restarted' restarted
scenario 'libvirtd comes late' late
finish
