#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The replica's disks follow the primary's: they grow, shrink, are added and removed, over two hops; the replica's host
# dies in the middle, and its disks are those of the old generation or those of the new one, sizes included.
# shellcheck disable=SC2317 # scenarios are called by name
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

random_disk "$work/vda.img" 24
qemu-img create -q -f qcow2 "$work/vdb.qcow2" 24M
qemu-io -f qcow2 -c 'write -q -P 0x11 1M 9M' "$work/vdb.qcow2"
make_lab lab --hosts 3 --disk "$work/vda.img:raw" --disk "$work/vdb.qcow2:qcow2"
R2=$(dirname "$H2_DISK_0")
R3=$(dirname "$H3_DISK_0")

# The inventory's line of a disk comes or goes.
add_disk() { # NAME FORMAT FILE
    sed -i "/^disk\.vda = /i disk.$1 = $2:$3" "$L/h1/inventory.conf"
    host restart h1
}

remove_disk() { # NAME
    sed -i "/^disk\.$1 = /d" "$L/h1/inventory.conf"
    host restart h1
}

names_of() { # HOST: the VM's disks with their sizes as the host says them
    vr "$1" vms --json | jq -r --arg id "$VM_ID" '.vms[] | select(.id == $id) | .disks | sort_by(.name)[] |
        "\(.name) \(.size_bytes)"'
}

bytes_of() { # IMAGE
    qemu-img info -U --output json -f "$(format_of "$1")" "$1" | jq '."virtual-size"'
}

same() { # A B: equal, of the same size
    [ "$(bytes_of "$1")" = "$(bytes_of "$2")" ] &&
        qemu-img compare -U -q -f "$(format_of "$1")" -F "$(format_of "$2")" "$1" "$2"
}

resync() { # HOST
    vr "$1" resync "$VM_NAME" "${@:2}" --wait
}

both_hops() {
    resync h1
    await_rel h2 '.state == 3'
    vr h2 resync "$VM_NAME" --wait
}

grow() {
    qemu-img resize -q -f raw "$work/vda.img" +5M
    qemu-img resize -q -f qcow2 "$work/vdb.qcow2" +40M
    qemu-io -f raw -c 'write -q -P 0x21 26M 1M' "$work/vda.img"
    qemu-io -f qcow2 -c 'write -q -P 0x22 50M 3M' -c 'write -q -P 0x23 2M 64k' "$work/vdb.qcow2"
    both_hops
    local r
    for r in "$R2" "$R3"; do
        same "$work/vda.img" "$r/vda.raw"
        same "$work/vdb.qcow2" "$r/vdb.qcow2"
    done
    [ "$(rel_get h1 .state)" = 3 ]
    vr h2 events --json | jq -r '.events[].text' | grep 'vda has 30408704 bytes, it had 25165824'
}

added() {
    qemu-img create -q -f raw "$work/vdc.img" 6M
    qemu-io -f raw -c 'write -q -P 0x31 1M 2M' "$work/vdc.img"
    add_disk vdc raw "$work/vdc.img"
    both_hops
    same "$work/vdc.img" "$R2/vdc.raw"
    same "$work/vdc.img" "$R3/vdc.raw"
    same "$work/vda.img" "$R3/vda.raw"
    names_of h2 | grep '^vdc 6291456$'
}

shrunk() {
    qemu-img resize -q --shrink -f raw "$work/vda.img" 20000256
    qemu-img resize -q --shrink -f qcow2 "$work/vdb.qcow2" 50398208
    both_hops
    same "$work/vda.img" "$R3/vda.raw"
    same "$work/vdb.qcow2" "$R3/vdb.qcow2"
    # What was cut off is zeroes when they grow again.
    qemu-img resize -q -f raw "$work/vda.img" +4M
    qemu-img resize -q -f qcow2 "$work/vdb.qcow2" +4M
    both_hops
    same "$work/vda.img" "$R3/vda.raw"
    same "$work/vdb.qcow2" "$R3/vdb.qcow2"
}

removed() {
    cp "$R2/vdc.raw" "$work/vdc.kept"
    remove_disk vdc
    both_hops
    [ ! -e "$R2/vdc.raw" ]
    cmp "$work/vdc.kept" "$R2"/vdc.raw.removed-*
    [ ! -e "$R3/vdc.raw" ]
    vr h2 events --json | jq -r '.events[].text' | grep 'vdc was removed, its image is kept as vdc.raw.removed-'
    [ "$(names_of h2 | wc -l)" = 2 ]
}

# The name is taken: nothing of it is overwritten, and the text says what to do.
in_the_way() {
    add_disk vdc raw "$work/vdc.img"
    echo precious >"$R2/vdc.raw"
    if vr h1 resync "$VM_NAME" --wait >"$work/said" 2>&1; then
        die 'somebody else'"'"'s file was overwritten'
    fi
    cat "$work/said"
    grep -q 'move it away' "$work/said"
    [ "$(cat "$R2/vdc.raw")" = precious ]
    rm "$R2/vdc.raw"
    resync h1
    same "$work/vdc.img" "$R2/vdc.raw"
}

# QEMU resizes no image of version 2 with snapshots: that is said before anything is committed.
keeps_its_size() {
    local image=$R2/vdb.qcow2
    qemu-img convert -f qcow2 -O qcow2 -o compat=0.10 "$image" "$work/old.qcow2"
    qemu-img snapshot -c kept "$work/old.qcow2"
    mv "$work/old.qcow2" "$image"
    resync h1
    qemu-img resize -q -f qcow2 "$work/vdb.qcow2" +2M
    qemu-img resize -q -f raw "$work/vda.img" +1M
    cp "$R2/vda.raw" "$work/vda.old"
    if vr h1 resync "$VM_NAME" --wait >"$work/said" 2>&1; then
        die 'it was resized'
    fi
    cat "$work/said"
    grep -q 'compat=1.1' "$work/said"
    cmp "$work/vda.old" "$R2/vda.raw"
    vmreplica recover "$R2"
    qemu-img amend -f qcow2 -o compat=1.1 "$image"
    resync h1
    same "$work/vda.img" "$R2/vda.raw"
    same "$work/vdb.qcow2" "$image"
    qemu-img snapshot -l "$image" | grep kept
}

# Old or new: all disks alike, and sizes with them.
generation_of_replica() {
    local name seen=
    for name in vda.raw vdb.qcow2; do
        if same "$work/old/$name" "$R2/$name"; then
            seen+=old
        elif same "$work/${name/raw/img}" "$R2/$name"; then
            seen+=new
        else
            qemu-img info -U "$R2/$name"
            die "$name is neither"
        fi
    done
    case $seen in
    oldold) [ ! -e "$R2/vdd.raw" ] && generation=old ;;
    newnew) same "$work/vdd.img" "$R2/vdd.raw" && generation=new ;;
    *) die "$seen" ;;
    esac
    [ -z "$(find "$R2" -name '*.unready' -o -name ballast)" ] || die "left: $(ls "$R2")"
}

until_commit() {
    local i
    for ((i = 0; i < 400000; i++)); do
        [ -e "$R2/vda.raw" ] || return 0
    done
    die 'no commit was seen'
}

killed() { # MS: so long after a commit began, or (negative) after the request
    local job generation=''
    remove_disk vdd
    [ ! -e "$R2/vdd.raw" ] || resync h1
    rm -rf "$work/old" && mkdir "$work/old"
    cp "$R2"/vd[ab].* "$work/old"
    qemu-img resize -q -f raw "$work/vda.img" +3M
    qemu-img resize -q -f qcow2 "$work/vdb.qcow2" +3M
    head -c 8M /dev/urandom >"$work/tail" && dd if="$work/tail" of="$work/vda.img" bs=1M seek=20 conv=notrunc status=none
    qemu-io -f qcow2 -c "write -q -P $((RANDOM % 255 + 1)) 1M 40M" "$work/vdb.qcow2"
    random_disk "$work/vdd.img" 8
    add_disk vdd raw "$work/vdd.img"
    job=$(vr h1 resync "$VM_NAME" --json | jq .job_id)
    if [ "$1" -ge 0 ]; then
        until_commit
        sleep "$(printf '0.%03d' "$1")"
    else
        sleep "$(printf '0.%03d' $((-$1)))"
    fi
    host kill h2
    ls -s "$R2"
    vmreplica recover "$R2"
    generation_of_replica
    echo "$generation" >>"$work/seen"
    host start h2
    await_end h1 "$job"
    generation_of_replica
    [ "$generation" = new ]
}

both_seen() {
    cat "$work/seen"
    grep -qx old "$work/seen"
    grep -qx new "$work/seen"
}

scenario 'disks grow, raw and qcow2, on both hops' grow
scenario 'a disk is added' added
scenario 'disks shrink, and grow again' shrunk
scenario 'a disk is removed: its image is kept' removed
scenario 'a file in the place of a new image' in_the_way
scenario 'an image that cannot be resized' keeps_its_size
scenario 'the replica dies before the commit' killed -60
for ms in 0 60; do
    scenario "the replica dies $ms ms into the commit" killed $ms
done
scenario 'old and new generations were seen' both_seen
finish
