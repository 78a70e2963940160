#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The replica VM on the recovery host: defined from the primary's XML with its disks remapped, NVRAM carried along, what the
# host lacks reported; not startable while it is a replica; bootable from its last generation; its user's after a failover.
# shellcheck disable=SC2317 # scenarios are called by name
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/virtlab.sh
. "$(dirname "$0")/virtlab.sh"

VM=web
ID=8f3c2f0e-7a6b-4b57-9d0e-1f6a2b3c4d5e
EFI=efi
EFI_ID=7e3c2f0e-7a6b-4b57-9d0e-1f6a2b3c4d5e
virt_host a
virt_host b
virt_host c
# Behind the records lies what makes a transfer last.
random_disk "$work/$VM-b.raw" 64
head -c 8M /dev/zero | dd of="$work/$VM-b.raw" conv=notrunc status=none
define_guest a $VM $ID 'vr.us=8000'
make_lab lab --no-replica --hosts 3
use_libvirt h1 a
use_libvirt h2 b
use_libvirt h3 c
PLAIN_ID=6d3c2f0e-7a6b-4b57-9d0e-1f6a2b3c4d5e

replica() { # DISK [VM]
    echo "$L/h2/replicas/$(tr '[:lower:]' '[:upper:]' <<<"${2:-$ID}")/$1"
}

definition() { # JQ-FILTER [VM]
    vr h2 status "${2:-$VM}" --json | jq -r ".relationships[0].definition | $1"
}

await_definition() { # CONDITION [VM]
    local i
    for ((i = 0; i < JOB_S * 10; i++)); do
        [ "$(definition "$1" "${2:-$VM}")" != true ] || return 0
        sleep 0.1
    done
    definition . "${2:-$VM}"
    die "the definition never came to: $1"
}

# As its user would: no network that is not there, and a console of its own (both hosts have the same file system here).
made_startable() {
    v b detach-interface $VM network --config 2>/dev/null || true
    xml | sed "s,$work/virt-a/,$work/virt-b/," >"$work/own.xml"
    v b define "$work/own.xml"
}

xml() { # [NAME]
    v b dumpxml --inactive "${1:-$VM}"
}

refused_to_start() { # because of the lock, and of nothing else
    v b detach-interface $VM network --config 2>/dev/null || true
    ! v b start $VM >"$work/said" 2>&1 || die 'it started'
    grep -q 'lock' "$work/said" || die "not because of the lock: $(cat "$work/said")"
}

resync() { # [VM]
    await_end h1 "$(vr h1 resync "${1:-$VM}" --json | jq .job_id)"
}

event_on_h2() { # REGEX
    vr h2 events --json --limit 1000 | jq -r '.events[].text' | grep -q "$1" || die "no event '$1'"
}

defined() {
    start_guest a $VM
    # In the configuration only, as what a user will have at the next start.
    v a attach-interface $VM network gone --model virtio --config
    vr h2 authorize add h1.localhost --storage "$L/h2/replicas"
    vr h1 enable $VM --to "$H2_PEER" --wait
    VM_ID=${ID^^} await_rel h1 '.state == 3 and .job == null'
    await_definition '.state == 1'
    xml | tee "$work/$VM.defined"
    grep -q "<source file='$(replica vda.qcow2)'/>" "$work/$VM.defined" || die 'vda is not remapped'
    grep -q "<source file='$(replica vdb.raw)'/>" "$work/$VM.defined" || die 'vdb is not remapped'
    ! grep -q "$work/$VM-" "$work/$VM.defined" || die "a disk of the primary's is named"
    grep -q "urn:vmreplica:replica:1" "$work/$VM.defined" || die 'it has no mark'
    grep -q "<uuid>$ID</uuid>" "$work/$VM.defined" || die 'it has another UUID'
    [ "$(v b dominfo $VM | awk '/^Autostart/ { print $2 }')" = disable ] || die 'it would start with the host'
    [ "$(v b domstate $VM)" = 'shut off' ]
}

missing_network() {
    [ "$(definition '[.notes[] | select(.id == "network-missing") | .what] | join(",")')" = gone ] || definition .
    vr h2 status $VM | grep 'a network is not defined on this host: gone'
    event_on_h2 'a network is not defined on this host: gone'
    v b dumpxml --inactive $VM | grep -q "network='gone'" || die 'it is not named any more'
    [ "$(vr h2 status $VM --json | jq '.relationships[0].health')" = 1 ] || die 'a missing network is no failure'
}

shown_once() { # as a replica, and not as a VM that could be enabled
    [ "$(vr h2 vms --json | jq '[.vms[] | select(.name == "web")] | length')" = 1 ]
    ! vr h2 enable $VM --to "$H1_PEER" >"$work/said" 2>&1 || die 'it was enabled'
    cat "$work/said"
}

not_while_idle() {
    refused_to_start
    [ "$(rel_get_h2 .state)" = 3 ]
}

rel_get_h2() {
    vr h2 status $VM --json | jq ".relationships[0] | $1"
}

not_while_written() {
    local job
    vr h1 bandwidth $VM 300K >/dev/null
    job=$(vr h1 resync $VM --json | jq .job_id)
    await_job h1 "$job" '.progress.bytes_sent > 100000'
    refused_to_start
    vr h1 bandwidth $VM 0 >/dev/null
    await_end h1 "$job"
    refused_to_start
}

# A VM of its own on overlays of the replica's images.
boots() {
    local before disk newest sums
    await_records a $VM 100
    resync
    before=$(check_records "$(replica vda.qcow2)" "$(replica vdb.raw)")
    sums=$(sha256sum "$(replica vda.qcow2)" "$(replica vdb.raw)")
    qemu-img create -q -f qcow2 -F qcow2 -b "$(replica vda.qcow2)" "$work/try-a.qcow2"
    qemu-img create -q -f qcow2 -F raw -b "$(replica vdb.raw)" "$work/try-b.qcow2"
    python3 - "$work" "$(replica '')" "$work/virt-b/try.console" <<'PYTHON' >"$work/try.xml"
import re, subprocess, sys
work, directory, console = sys.argv[1:]
text = open(f'{work}/web.defined', encoding='utf-8').read()
text = re.sub(r"<disk type='file' device='disk'>(?:(?!</disk>).)*?</disk>",
              lambda m: re.sub(r"type='(raw|qcow2)'", "type='qcow2'", m.group(0), count=1), text, flags=re.S)
text = text.replace(f'{directory}vda.qcow2', f'{work}/try-a.qcow2').replace(f'{directory}vdb.raw', f'{work}/try-b.qcow2')
text = re.sub(r"<interface type='network'>.*?</interface>", '', text, flags=re.S)
text = re.sub(r"<metadata>.*?</metadata>", '', text, flags=re.S)
text = re.sub(r"<uuid>.*?</uuid>", '', text).replace('<name>web</name>', '<name>try</name>')
text = re.sub(r"/[^']*/web\.console", console, text)
print(text)
PYTHON
    v b create "$work/try.xml"
    await_records b try 100
    newest=$(newest_seq b try)
    v b shutdown try
    for ((i = 0; i < JOB_S * 10; i++)); do
        v b domstate try >/dev/null 2>&1 || break
        sleep 0.1
    done
    check_records --frozen "$work/try-a.qcow2" "$work/try-b.qcow2"
    echo "replica: $before; the overlay went on to $newest"
    disk=$(sha256sum "$(replica vda.qcow2)" "$(replica vdb.raw)")
    [ "$disk" = "$sums" ] || die 'the replica was written'
    # It went on from what the replica held, and did not begin anew.
    [ "$newest" -gt "$(grep -oE '[0-9]+' <<<"$before" | sort -n | tail -n 1)" ] || die 'it did not go on'
    resync
}

changed_by_the_primary() {
    v b desc $VM --config --title 'mine' >/dev/null
    resync
    await_definition '.state == 1'
    xml | grep -q '<title>mine</title>' || die 'what a person changed was overwritten, with nothing new to say'
    v a setmaxmem $VM 144M --config
    resync
    for ((i = 0; i < JOB_S * 10; i++)); do
        ! xml | grep -q "<memory unit='KiB'>147456</memory>" || break
        sleep 0.1
    done
    xml | grep "<memory unit='KiB'>147456</memory>" || die 'the new definition did not come'
    ! xml | grep -q '<title>mine</title>' || die 'it was not defined anew'
}

# Firmware that nobody starts here: what is carried are the bytes of its variables.
nvram() {
    head -c 131072 /dev/urandom >"$work/code.fd"
    head -c 131072 /dev/urandom >"$work/vars.fd"
    guest_xml a $EFI $EFI_ID | sed "s,<kernel>.*</initrd>,<loader readonly='yes' type='pflash'>$work/code.fd</loader><nvram>$work/vars.fd</nvram>,; /<cmdline>/d" >"$work/$EFI.xml"
    v a define "$work/$EFI.xml"
    vr h1 enable $EFI --to "$H2_PEER" --wait
    VM_ID=${EFI_ID^^} await_rel h1 '.state == 3 and .job == null'
    await_definition '.state == 1' $EFI
    cmp "$work/vars.fd" "$(replica nvram $EFI_ID)"
    xml $EFI | tee /dev/stderr | grep -q "$(replica nvram $EFI_ID)</nvram>" || die 'it has another NVRAM'
    head -c 131072 /dev/urandom >"$work/vars.fd"
    ! cmp -s "$work/vars.fd" "$(replica nvram $EFI_ID)"
    resync $EFI
    cmp "$work/vars.fd" "$(replica nvram $EFI_ID)"
}

removed() {
    vr h1 disable $EFI
    for ((i = 0; i < JOB_S * 10; i++)); do
        v b dominfo $EFI >/dev/null 2>&1 || break
        sleep 0.1
    done
    ! v b dominfo $EFI 2>/dev/null || die 'it is still defined'
    [ -f "$(replica vda.qcow2 $EFI_ID)" ] && [ -f "$(replica nvram $EFI_ID)" ] || die 'its files are gone'
}

# A domain of somebody else with its UUID is not touched, and fails nothing.
foreign() {
    guest_xml b $EFI $EFI_ID >"$work/foreign.xml"
    sed -i "s,$work/$EFI-,$work/foreign-," "$work/foreign.xml"
    v b define "$work/foreign.xml"
    vr h1 enable $EFI --to "$H2_PEER" --seeded --wait
    VM_ID=${EFI_ID^^} await_rel h1 '.state == 3 and .job == null'
    await_definition '.state == 3' $EFI
    vr h2 status $EFI | grep 'none of vmreplica'
    [ "$(vr h2 status $EFI --json | jq '.relationships[0].health')" = 2 ] || die 'no warning'
    xml $EFI | grep -q "$work/foreign-" || die 'it was overwritten'
    event_on_h2 "none of vmreplica's"
    v b undefine $EFI
    await_definition '.state == 1' $EFI
    [ "$(vr h2 status $EFI --json | jq '.relationships[0].health')" = 1 ] || die 'still a warning'
}

# Neither the daemon's death nor libvirt's leaves the replica VM as it should not be.
restarts() {
    host kill h2
    v b undefine $VM
    host start h2
    await_definition '.state == 1'
    refused_to_start
    virt_stop b
    resync
    virt_start b
    await_definition '.state == 1'
    refused_to_start
}

times_told_started() {
    vr h2 events --json --limit 1000 | jq '[.events[] | select(.text | test("somebody runs the replica VM"))] | length'
}

# libvirt says that a VM is active while its QEMU does not have its disks yet.
only_starting() {
    local i pid before
    printf '#!/bin/sh\nwhile [ -f %s ]; do sleep 0.1; done\nexec /usr/bin/qemu-system-x86_64 "$@"\n' "$work/stay" \
        >"$work/slow-qemu"
    chmod +x "$work/slow-qemu"
    made_startable
    xml | tee "$work/own.xml" | sed "s,<emulator>.*</emulator>,<emulator>$work/slow-qemu</emulator>," >"$work/slow.xml"
    v b define "$work/slow.xml"
    before=$(times_told_started)
    touch "$work/stay"
    v b start $VM >"$work/said" 2>&1 &
    pid=$!
    for ((i = 0; i < JOB_S * 10; i++)); do
        [ -z "$(v b list --name)" ] || break
        sleep 0.1
    done
    [ "$(v b list --name)" = $VM ] || die "it was not about to start: $(cat "$work/said")"
    host restart h2 # it looks at each, and sees one that is active
    await_definition '.state == 2'
    [ "$(definition .running)" = false ] || die 'it does not run yet'
    rm "$work/stay"
    ! wait $pid || die 'it started'
    grep -q 'lock' "$work/said" || die "not because of the lock: $(cat "$work/said")"
    await_definition '.state == 1'
    [ "$(times_told_started)" = "$before" ] || die 'an event says that it runs'
    v b define "$work/own.xml"
}

rel_of_vm() { # JQ-FILTER: on h1
    vr h1 status $VM --json | jq -r ".relationships[0] | $1"
}

# With nobody there to hold it, it starts. What it wrote is not overwritten unasked, not even where resynchronizing by
# itself is allowed: a person says so.
started_alone() {
    local i newest
    host kill h2
    made_startable
    start_guest b $VM
    host start h2
    event_on_h2 'somebody runs the replica VM'
    await_records b $VM 20
    newest=$(newest_seq b $VM)
    vr h1 set $VM --every 30s --auto-resync on
    every_second h1
    sleep 2 # cycles while it runs; whatever they come to, they write nothing
    v b shutdown $VM
    await_state b $VM 'shut off'
    for ((i = 0; i < JOB_S * 10; i++)); do
        [ "$(rel_of_vm .state)" != 9 ] || break
        sleep 0.1
    done
    [ "$(rel_of_vm .state)" = 9 ] || die "$(vr h1 status $VM)"
    vr h1 status $VM | grep "the replica's disks changed without us"
    [ "$(rel_of_vm '[.issues[].name] | index("replica-changed") != null')" = true ] || rel_of_vm .issues
    sleep 3 # more than automatic resynchronization would wait
    [ "$(rel_of_vm .state)" = 9 ]
    [ "$(rel_of_vm .job)" = null ]
    check_records "$(replica vda.qcow2)" "$(replica vdb.raw)" | tee "$work/said"
    [ "$(grep -oE '[0-9]+' "$work/said" | head -n 1)" -ge "$newest" ] || die 'what it wrote is gone'
    vr h1 resync $VM --wait
    vr h1 set $VM --every off --auto-resync off
    VM_ID=${ID^^} await_rel h1 '.job == null and .state == 3'
    check_records "$(replica vda.qcow2)" "$(replica vdb.raw)"
    await_definition '.state == 1 and (.running | not)'
    refused_to_start
}

failed_over() {
    v a destroy $VM
    vr h2 failover $VM --force
    await_definition '.state == 2'
    made_startable
    start_guest b $VM
    await_records b $VM 100
    await_definition '.running'
    # Its relationship goes; it is a VM like any other, and runs on.
    vr h2 disable $VM
    for ((i = 0; i < JOB_S * 10; i++)); do
        xml | grep -q 'urn:vmreplica:replica:1' || break
        sleep 0.1
    done
    ! xml | grep 'urn:vmreplica:replica:1' || die 'it is still marked'
    [ "$(v b domstate $VM)" = running ]
    await_records b $VM 50
    for ((i = 0; i < JOB_S * 10; i++)); do
        ! vr h2 vms | grep -q $VM || break
        sleep 0.1
    done
    vr h2 vms | grep $VM || die 'the inventory does not know it'
}

# The primary's are a qcow2 and a raw one.
format_by_policy() {
    local id=$PLAIN_ID
    set_conf h2 daemon replica_format raw
    host restart h2
    define_guest a plain $id
    vr h1 enable plain --to "$H2_PEER" --wait
    await_definition '.state == 1' plain
    [ "$(xml plain | grep -c "<driver name='qemu' type='raw'")" = 2 ] || die 'not two raw disks'
    qemu-img compare -U -f qcow2 -F raw "$work/plain-a.qcow2" "$(replica vda.raw $id)"
}

await_xml() { # LIBVIRT-HOST TEXT: of plain
    local i
    for ((i = 0; i < JOB_S * 10; i++)); do
        ! v "$1" dumpxml --inactive plain 2>/dev/null | grep -q "$2" || return 0
        sleep 0.1
    done
    v "$1" dumpxml --inactive plain
    vr h2 status plain
    die "no '$2' on $1"
}

# A third host with a libvirt of its own: what is defined there is of the first host's XML, on the third host's images.
extended() {
    local dir=$L/h3/replicas/${PLAIN_ID^^}
    vr h3 authorize add h2.localhost --storage "$L/h3/replicas"
    vr h2 enable plain --to "$H3_PEER" --wait
    await_xml c "<source file='$dir/vda.raw'/>"
    v c dumpxml --inactive plain >"$work/plain.c"
    grep -q "<source file='$dir/vdb.raw'/>" "$work/plain.c"
    ! grep -q "$L/h2\|$work/plain-" "$work/plain.c" || die 'it names disks of other hosts'
    grep -q "<uuid>$PLAIN_ID</uuid>" "$work/plain.c"
    grep -q 'urn:vmreplica:replica:1' "$work/plain.c"
    [ "$(grep -c "<driver name='qemu' type='raw'" "$work/plain.c")" = 2 ] || die 'not two raw disks'
    qemu-img compare -U -f qcow2 -F raw "$work/plain-a.qcow2" "$dir/vda.raw"
    if v c start plain >"$work/said" 2>&1; then
        die 'it started'
    fi
    grep -q 'lock' "$work/said"
}

# No disk changes: on the second hop nothing would be sent.
definition_follows() {
    vr h1 set plain --every 30s
    vr h2 set plain --every 5m --extended
    every_second h1
    every_second h2
    v a desc plain --config --title first
    await_xml b '<title>first</title>'
    await_xml c '<title>first</title>'
    sleep 3 # cycles of unchanged disks, whose times have settled
    v a setvcpus plain 2 --config --maximum
    v a desc plain --config --title second
    await_xml b '<title>second</title>'
    await_xml c '<title>second</title>'
    v c dumpxml --inactive plain | grep '<vcpu.*>2</vcpu>'
    vr h1 set plain --every off
    vr h2 set plain --every off --extended
}

scenario 'the replica VM is defined after the first copy' defined
scenario 'a network that is missing is reported, and fails nothing' missing_network
scenario 'it is shown once, as a replica' shown_once
scenario 'it does not start while nothing is written' not_while_idle
scenario 'it does not start while a transfer writes' not_while_written
scenario 'it boots from the last generation, on overlays' boots
scenario 'a changed definition comes with the next generation' changed_by_the_primary
scenario 'the NVRAM is carried along' nvram
scenario 'it is undefined with its relationship' removed
scenario 'a foreign domain of its UUID is left alone' foreign
scenario 'daemon and libvirt away meanwhile' restarts
scenario 'one that is only starting is held' only_starting
scenario 'started behind our back' started_alone
scenario 'its user has it after a failover' failed_over
scenario 'the images are of the format that the host wants' format_by_policy
scenario 'a third host defines it, too' extended
scenario 'a changed definition follows without changed disks' definition_follows
finish
