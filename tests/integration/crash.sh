#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The replica's host dies at any moment of a transfer, again and again: what is on its disks afterwards is the old or
# the new generation, of both disks alike, and the job goes on by itself. And a link that is cut.
# shellcheck disable=SC2317 # scenarios are called by name
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
need socat

random_disk "$work/vda.img" 48
qemu-img create -q -f qcow2 "$work/vdb.qcow2" 48M
make_lab lab --disk "$work/vda.img:raw" --disk "$work/vdb.qcow2:qcow2"
touch "$work/old.raw" "$work/old.qcow2"

same() { # FORMAT A B
    qemu-img compare -q -f "$1" -F "$1" "$2" "$3"
}

# Which generation do the replica's disks hold? Both the same, or the test fails.
generation_of_replica() {
    local raw=none qcow2=none
    ! same raw "$work/old.raw" "$H2_DISK_0" || raw=old
    ! same raw "$H1_DISK_0" "$H2_DISK_0" || raw=new
    ! same qcow2 "$work/old.qcow2" "$H2_DISK_1" || qcow2=old
    ! same qcow2 "$H1_DISK_1" "$H2_DISK_1" || qcow2=new
    [[ $raw = "$qcow2" && $raw != none ]] || die "raw: $raw, qcow2: $qcow2"
    generation=$raw
}

pause_ms() {
    sleep "$(printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)))"
}

# While a commit is replayed the images are out of reach under another name.
until_commit() {
    local i
    for ((i = 0; i < 400000; i++)); do
        [ -e "$H2_DISK_0" ] || return 0
    done
    die 'no commit was seen'
}

crash_after() { # MS [commit]: MS after the beginning, or after the commit's
    local job generation=''
    cp "$H1_DISK_0" "$work/old.raw"
    cp "$H1_DISK_1" "$work/old.qcow2"
    head -c 32M /dev/urandom | dd of="$H1_DISK_0" bs=1M seek=8 conv=notrunc status=none
    qemu-io -f qcow2 -c "write -q -P $((RANDOM % 255 + 1)) 1M 40M" "$H1_DISK_1"
    job=$(vr h1 resync "$VM_NAME" --json | jq .job_id)
    [ "${2:-}" != commit ] || until_commit
    pause_ms "$1"
    host kill h2
    [ "${2:-}" != commit ] || ls "$(dirname "$H2_DISK_0")"
    vr h1 job "$job" | grep -E 'state|written'
    vmreplica recover "$(dirname "$H2_DISK_0")"
    generation_of_replica
    echo "$generation" >>"$work/seen"
    host start h2
    await_end h1 "$job"
    equal_disks h1 h2
    [ "$(rel_get h1 .generation.uuid)" = "$(rel_get h2 .generation.uuid)" ]
}

# Killed in a commit, it is the new one when the intent was written down; before anything, the old one.
both_seen() {
    cat "$work/seen"
    grep -qx old "$work/seen"
    grep -qx new "$work/seen"
}

# The connection goes through a relay that is ended in the middle of a transfer.
make_relay() {
    local port=$((33000 + RANDOM % 3000))
    socat "TCP-LISTEN:$port,bind=127.0.0.1,fork,reuseaddr" "TCP:127.0.0.1:${H2_PEER##*:}" 2>/dev/null &
    echo $! >"$work/relay"
    remember $!
    echo "$port" >"$work/relay-port"
}

cut_link() {
    local job relay cut=0 pid
    make_relay
    relay=$(cat "$work/relay")
    qemu-img create -q -f raw "$work/l.img" 48M
    head -c 40M /dev/urandom | dd of="$work/l.img" bs=1M conv=notrunc status=none
    VM_ID=55555555-5555-4555-8555-555555555555
    printf '[vm linked]\nuuid = %s\ndisk.vda = raw:%s\n' "$VM_ID" "$work/l.img" >>"$L/h1/inventory.conf"
    host restart h1
    VM_ID=55555555-5555-4555-8555-555555555555
    vr h1 enable linked --to "h2.localhost:$(cat "$work/relay-port")" --wait
    await_rel h1 '.state == 3 and .job == null'
    head -c 40M /dev/urandom | dd of="$work/l.img" bs=1M conv=notrunc status=none
    vr h1 bandwidth linked 10M
    job=$(vr h1 resync linked --json | jq .job_id)
    await_job h1 "$job" '.progress.bytes_sent > 10000000'
    for pid in $(pgrep -P "$relay"); do
        kill "$pid"
        cut=$((cut + 1))
    done
    [ "$cut" -gt 0 ] || die 'nothing was cut'
    vr h1 bandwidth linked 0
    await_end h1 "$job"
    cmp "$work/l.img" "$L/h2/replicas/$VM_ID/vda.raw"
    # What had arrived was not sent again, but for what was on its way.
    [ "$(job_get h1 "$job" .progress.bytes_sent)" -le $((40 * 1048576 + 17 * 1048576)) ]
}

for ms in 60 180 320; do
    scenario "the replica's host is killed $ms ms after the beginning" crash_after $ms
done
for ms in 0 4 15; do
    scenario "the replica's host is killed $ms ms into the commit" crash_after $ms commit
done
scenario 'crashes before and after the intent' both_seen
scenario 'a cut link is taken up again' cut_link
finish
