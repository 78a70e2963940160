#!/bin/bash
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/virtlab.sh"
VM=web
ID=8f3c2f0e-7a6b-4b57-9d0e-1f6a2b3c4d5e
virt_host a
random_disk "$work/$VM-b.raw" 256
head -c 8M /dev/zero | dd of="$work/$VM-b.raw" conv=notrunc status=none
qemu-img create -q -f qcow2 "$work/$VM-a.qcow2" 64M
define_guest a $VM $ID 'vr.us=3000'
make_lab lab --no-replica
use_libvirt h1 a
start_guest a $VM
vr h2 authorize add h1.localhost --storage "$L/h2/replicas"
vr h1 enable $VM --to "$H2_PEER" --wait >/dev/null
con=$work/virt-a/$VM.console
lines() { tr -d '\r' <"$con" | grep -a -c '^SEQ'; }
since() { tr -d '\r' <"$con" | grep -a '^SEQ' | tail -n +$(($1 + 2)); }
for round in 1 2 3 4 5 6; do
    a=$(lines); sleep 12; since "$a" >>"$work/without"
    replica=$(echo "$L"/h2/replicas/*/vdb.raw)
    dd if=/dev/urandom of="$replica" bs=1M seek=16 count=64 conv=notrunc status=none
    a=$(lines); end=$((SECONDS + 12)); n=0
    while [ $SECONDS -lt $end ]; do
        vr h1 resync $VM --wait >/dev/null 2>&1; n=$((n+1))
    done
    since "$a" >>"$work/with"
    echo "round $round: $n resyncs" >>/tmp/gl.out
done
cp "$work/with" /tmp/gl.with; cp "$work/without" /tmp/gl.without
