#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Disks: an excluded one is never opened, several get one generation, and images of other formats are replicated as
# what a guest would see.
# shellcheck disable=SC2317 # scenarios are called by name
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

qemu-img create -q -f raw "$work/a.img" 32M
qemu-img create -q -f raw "$work/swap.img" 32M
qemu-img create -q -f qcow2 "$work/c.qcow2" 32M
qemu-io -f raw -c 'write -q -P 0x31 1M 9M' "$work/a.img"
qemu-io -f qcow2 -c 'write -q -P 0x32 2M 9M' "$work/c.qcow2"
make_lab lab --no-replica --exclude vdb --disk "$work/a.img:raw" --disk "$work/swap.img:raw" --disk "$work/c.qcow2:qcow2"

watch_opens() { # HOST: its system calls are written down from now on
    local i
    strace -f -qq -e trace=open,openat,openat2,open_by_handle_at -o "$work/$1.trace" -p "$(hvar "$1" PID)" \
        >"$work/$1.strace" 2>&1 &
    remember $!
    echo $! >>"$work/tracers"
    for ((i = 0; i < JOB_S * 10; i++)); do
        vr "$1" vms >/dev/null
        ! grep -q "TracerPid:.*[1-9]" "/proc/$(hvar "$1" PID)/status" || return 0
        sleep 0.1
    done
    return 1
}

excluded() {
    watch_opens h1
    watch_opens h2
    vr h2 authorize add h1.localhost --storage "$L/h2/replicas"
    vr h1 enable "$VM_NAME" --to "$H2_PEER" --wait
    await_rel h1 '.state == 3 and .job == null'
    lab env "$L"
    # shellcheck source=/dev/null
    . "$L/env"
    [ "$(rel_get h1 '.excluded | join(" ")')" = vdb ] || [ "$(vr h1 vms --json | jq '[.vms[].disks[] | select(.excluded) | .name] | join(" ")' -r)" = vdb ]
    vr h1 resync "$VM_NAME" --wait
    vr h1 verify "$VM_NAME" --wait
    sleep 0.2
    grep -q "$work/a.img" "$work/h1.trace" || die 'the trace shows nothing at all'
    grep -q 'vmreplica.sidecar' "$work/h2.trace" || die 'the trace of h2 shows nothing at all'
    if grep swap.img "$work/h1.trace"; then
        die 'h1 opened it'
    fi
    if grep vdb "$work/h2.trace"; then
        die 'h2 has to do with it'
    fi
    ls "$L"/h2/replicas/*
    [ ! -e "$(echo "$L"/h2/replicas/*/vdb.raw)" ]
}

replica_of() { # NAME: its image on h2
    echo "$L"/h2/replicas/*/"$1"
}

one_generation() {
    local before job
    before=$(rel_get h1 .generation.sequence)
    qemu-io -f raw -c 'write -q -P 0x41 5M 1M' "$work/a.img"
    qemu-io -f qcow2 -c 'write -q -P 0x42 5M 1M' "$work/c.qcow2"
    job=$(vr h1 resync "$VM_NAME" --json | jq .job_id)
    await_end h1 "$job"
    [ "$(rel_get h1 .generation.sequence)" = $((before + 1)) ]
    [ "$(rel_get h1 .generation.uuid)" = "$(rel_get h2 .generation.uuid)" ]
    [ "$(vr h1 report "$job" --json | jq -r .report.generation.uuid)" = "$(rel_get h1 .generation.uuid)" ]
    qemu-img compare -f raw -F raw "$work/a.img" "$(replica_of vda.raw)"
    qemu-img compare -f qcow2 -F qcow2 "$work/c.qcow2" "$(replica_of vdc.qcow2)"
}

# A VM with one disk of a format: initial replication, damage on both sides, resynchronization.
format() { # FORMAT
    local image=$work/f.$1 id replica
    qemu-img create -q -f "$1" "$image" 24M
    qemu-io -f "$1" -c 'write -q -P 0x21 0 1M' -c 'write -q -P 0x22 11M 3M' "$image"
    id=$(cat /proc/sys/kernel/random/uuid)
    printf '[vm f-%s]\nuuid = %s\ndisk.vda = %s:%s\n' "$1" "$id" "$1" "$image" >>"$L/h1/inventory.conf"
    host restart h1
    # Told before anything was opened: from the header, as qemu-img reads it.
    [ "$(vr h1 vms --json | jq --arg n "f-$1" '.vms[] | select(.name == $n).bytes')" = "$(qemu-img info -f "$1" --output=json "$image" | jq '."virtual-size"')" ]
    vr h1 enable "f-$1" --to "$H2_PEER" --wait
    VM_ID=${id^^}
    await_rel h1 '.state == 3 and .job == null'
    replica=$(echo "$L/h2/replicas/$VM_ID"/vda.*)
    qemu-img info -f "$1" "$replica" | grep "file format: $1"
    qemu-img compare -f "$1" -F "$1" "$image" "$replica"
    qemu-io -f "$1" -c 'write -q -P 0x23 12M 65k' "$image"
    qemu-io -f "$1" -c 'write -q -P 0x24 20M 65k' "$replica"
    vr h1 resync "f-$1" --wait
    qemu-img compare -f "$1" -F "$1" "$image" "$replica"
}

# A qemu-nbd that is slow holds up its own transfer, and nobody else.
slow_child() {
    local real
    real=$(command -v qemu-nbd)
    mkdir "$work/bin"
    printf '#!/bin/sh\nwhile [ -e "%s" ]; do sleep 0.1; done\nexec "%s" "$@"\n' "$work/hold" "$real" >"$work/bin/qemu-nbd"
    chmod +x "$work/bin/qemu-nbd"
    qemu-img create -q -f vdi "$work/slow.vdi" 4M
    printf '[vm slow]\nuuid = %s\ndisk.vda = vdi:%s\n' 77777777-7777-4777-8777-777777777777 "$work/slow.vdi" >>"$L/h1/inventory.conf"
    PATH=$work/bin:$PATH host restart h1
    : >"$work/hold"
    vr h1 enable slow --to "$H2_PEER"
    vr h1 vms | grep -q slow
    vr h1 status slow | grep -q '^state .*initial'
    [ -e "$work/hold" ]
    rm "$work/hold"
    VM_ID=77777777-7777-4777-8777-777777777777
    await_rel h1 '.state == 3 and .job == null'
}

# What the guest zeroed takes no space on the replica, as it takes none at the source.
thin() { # FORMAT
    local image=$work/f.$1 replica before
    VM_ID=$(vr h1 vms --json | jq -r --arg n "f-$1" '.vms[] | select(.name == $n) | .id')
    replica=$(echo "$L/h2/replicas/$VM_ID"/vda.*)
    before=$(stat -c %b "$replica")
    qemu-io -f "$1" -c 'write -q -z -u 11M 3M' "$image"
    vr h1 resync "f-$1" --wait
    qemu-img compare -f "$1" -F "$1" "$image" "$replica"
    echo "blocks: source $(stat -c %b "$image"), replica $before, then $(stat -c %b "$replica")"
    [ "$(stat -c %b "$replica")" -le $((before - 3 * 2048 + 256)) ]
    [ "$(stat -c %b "$replica")" -le $(($(stat -c %b "$image") + 512)) ]
}

# The directory of a replica leads to the disks of the VM itself.
led_astray() {
    printf '[vm astray]\nuuid = 66666666-6666-4666-8666-666666666666\ndisk.vda = raw:%s\n' "$work/try/vda.raw" \
        >>"$L/h1/inventory.conf"
    mkdir "$work/try"
    qemu-img create -q -f raw "$work/try/vda.raw" 1M
    cp "$work/try/vda.raw" "$work/before"
    ln -s "$work/try" "$L/h2/replicas/66666666-6666-4666-8666-666666666666"
    host restart h1
    if vr h1 enable astray --to "$H2_PEER" --wait >"$work/said" 2>&1; then
        die 'it was followed'
    fi
    cat "$work/said"
    cmp "$work/try/vda.raw" "$work/before"
    [ "$(ls "$work/try")" = vda.raw ]
}

# Images of a relationship that was removed are in the way, until somebody says that they are the seed.
seeded() {
    local replica
    vr h1 disable f-raw
    VM_ID=$(vr h1 vms --json | jq -r '.vms[] | select(.name == "f-raw") | .id')
    replica=$L/h2/replicas/$VM_ID/vda.raw
    [ -f "$replica" ] || die 'the images are gone'
    damage "$replica"
    if vr h1 enable f-raw --to "$H2_PEER" --wait >"$work/said" 2>&1; then
        die 'images were overwritten that nobody gave away'
    fi
    cat "$work/said"
    grep -q seeded "$work/said"
    vr h1 enable f-raw --to "$H2_PEER" --seeded --wait
    await_rel h1 '.state == 3 and .job == null'
    qemu-img compare -f raw -F raw "$work/f.raw" "$replica"
}

if command -v strace >/dev/null && strace -o /dev/null true 2>/dev/null; then
    scenario 'an excluded disk is not opened on either side' excluded
    scenario 'several disks get one generation' one_generation
    # A daemon that ends while it is traced cannot look for leaks.
    while read -r pid; do
        kill "$pid"
    done <"$work/tracers"
else
    skip 'an excluded disk is not opened on either side' 'no strace here'
fi
vr h2 authorize list --json | jq -e '.authorizations | length > 0' >/dev/null ||
    vr h2 authorize add h1.localhost --storage "$L/h2/replicas"
for f in raw qcow2 vhdx vmdk vdi vpc qed; do
    if qemu-img create -q -f $f "$work/try.$f" 1M 2>/dev/null && vmreplicad --help >/dev/null; then
        scenario "format $f" format $f
    else
        skip "format $f" "this qemu-img does not write it"
    fi
done
scenario 'a slow qemu-nbd holds up nobody else' slow_child
scenario 'zeroes take no space: raw' thin raw
scenario 'zeroes take no space: qcow2' thin qcow2
scenario 'images of a removed relationship' seeded
scenario 'a directory that leads elsewhere' led_astray
finish
