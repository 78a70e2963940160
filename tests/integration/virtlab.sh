# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For scripts that need real guests, after lib.sh: libvirt hosts of their own, each in its own mounts and network, and VMs
# whose only program writes checksummed records to two disks (tests/guest). Software emulation only: what /dev/kvm
# offers differs from machine to machine.
[ "$(id -u)" = 0 ] || {
    echo "skip $(basename "$0" .sh): libvirt hosts need root"
    exit 77
}
need libvirtd virsh qemu-system-x86_64 unshare nsenter cpio
unshare -m -n true 2>/dev/null || {
    echo "skip $(basename "$0" .sh): no namespaces of its own here"
    exit 77
}
"$root/tests/guest/make-guest" "$build" >"$work/guest.log" 2>&1 || {
    echo "skip $(basename "$0" .sh): $(tail -n 1 "$work/guest.log")"
    exit 77
}
export LIBVIRT_DEFAULT_URI=none:/// # nothing here may reach the machine's own libvirt

virt_cleanup() {
    local dir pid file
    for dir in "$work"/virt-*; do
        [ -d "$dir" ] || continue
        virt_stop "${dir##*/virt-}" >/dev/null 2>&1
        for file in "$dir"/run/qemu/*.pid; do
            [ ! -f "$file" ] || kill -KILL "$(cat "$file")" 2>/dev/null
        done
        pid=$(cat "$dir/holder" 2>/dev/null) && kill "$pid" 2>/dev/null
    done
}
trap 'virt_cleanup; cleanup' EXIT

virt_uri() { # HOST
    echo "qemu:///system?socket=$work/virt-$1/run/libvirt-sock"
}

v() { # HOST COMMAND...: virsh there
    local host=$1
    shift
    virsh -q -c "$(virt_uri "$host")" "$@"
}

# A libvirt host. Its namespaces are held by a process that sleeps, so that libvirtd can be restarted in them.
virt_host() { # HOST
    local dir=$work/virt-$1
    mkdir -p "$dir"/{run,lib,etc,cache,log,backup}
    cat >"$dir/etc/qemu.conf" <<EOF
security_driver = "none"
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
namespaces = [ ]
cgroup_controllers = [ ]
stdio_handler = "file"
EOF
    cat >"$dir/etc/libvirtd.conf" <<EOF
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_rw_perms = "0700"
host_uuid = "$(cat /proc/sys/kernel/random/uuid)"
log_outputs = "3:file:$dir/log/libvirtd.log"
EOF
    setsid unshare -m -n --propagation private sh -c '
        mkdir -p /run/libvirt
        mount --bind "$0/run" /run/libvirt && mount --bind "$0/lib" /var/lib/libvirt &&
            mount --bind "$0/etc" /etc/libvirt && mount --bind "$0/cache" /var/cache/libvirt &&
            mount --bind "$0/log" /var/log/libvirt && echo $$ >"$0/holder" && exec sleep 86400' "$dir" \
        >"$dir/log/holder" 2>&1 </dev/null &
    until [ -s "$dir/holder" ]; do
        kill -0 $! || die "no namespaces: $(cat "$dir/log/holder")"
        sleep 0.05
    done
    # What QEMU can do is asked once for all hosts: it takes seconds.
    [ ! -d "$work/virt-cache" ] || cp -r "$work/virt-cache/." "$dir/cache"
    virt_start "$1"
    [ -d "$work/virt-cache" ] || { v "$1" domcapabilities >/dev/null && cp -r "$dir/cache" "$work/virt-cache"; }
}

# A host of the lab gets the VMs of a libvirt host, and gives way to none of them: what these tests wait for is not to
# depend on how busy the machine is.
use_libvirt() { # HOST LIBVIRT-HOST
    cat >>"$L/$1/vmreplicad.conf" <<EOF
[inventory]
driver = both
uri = $(virt_uri "$2")
scratch_dir = $work/virt-$2/backup
scratch_reserve = 16M
definition_dirs = /usr/share:$build:$work
EOF
    set_conf "$1" limits write_latency "${WRITE_LATENCY:-0}"
    host restart "$1"
}

virt_start() { # HOST
    local dir=$work/virt-$1 i
    setsid nsenter -t "$(cat "$dir/holder")" -m -n libvirtd -f /etc/libvirt/libvirtd.conf -p "$dir/run/libvirtd.pid" \
        >>"$dir/log/stderr" 2>&1 </dev/null &
    echo $! >"$dir/libvirtd"
    for ((i = 0; i < JOB_S * 10; i++)); do
        ! v "$1" uri >/dev/null 2>&1 || return 0
        sleep 0.1
    done
    die "libvirtd does not answer: $(tail -n 3 "$dir/log/stderr" "$dir/log/libvirtd.log")"
}

virt_stop() { # HOST: its guests go on
    local pid i
    pid=$(cat "$work/virt-$1/libvirtd") || return 0
    kill "$pid" || return 0
    for ((i = 0; i < JOB_S * 10; i++)); do
        kill -0 "$pid" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -KILL "$pid"
}

# The XML of a VM with a qcow2 and a raw disk (made here when they are not there), which logs to NAME.console. Nothing here
# cuts power, so what the guest wrote need not be on the disk: else its flushes are what the tests beside it wait for.
# GUEST_CACHE=writeback where the time a write takes is looked at.
guest_xml() { # HOST NAME UUID [KERNEL-OPTIONS [MORE-DEVICES]]
    local dir=$work/virt-$1
    [ -f "$work/$2-a.qcow2" ] || qemu-img create -q -f qcow2 "$work/$2-a.qcow2" 64M
    [ -f "$work/$2-b.raw" ] || qemu-img create -q -f raw "$work/$2-b.raw" 64M
    cat <<EOF
<domain type='qemu'>
  <name>$2</name><uuid>$3</uuid><memory unit='MiB'>128</memory><vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>$build/guest/vmlinuz</kernel><initrd>$build/guest/initrd</initrd>
    <cmdline>console=ttyS0 quiet panic=-1 vr.slots=2048 ${4:-}</cmdline>
  </os>
  <features><acpi/></features>
  <on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot><on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' cache='${GUEST_CACHE:-unsafe}'/><source file='$work/$2-a.qcow2'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw' cache='${GUEST_CACHE:-unsafe}'/><source file='$work/$2-b.raw'/>
      <target dev='vdb' bus='virtio'/>
    </disk>
    <serial type='file'><source path='$dir/$2.console'/></serial>
    <memballoon model='none'/>
    ${5:-}
  </devices>
</domain>
EOF
}

define_guest() { # as guest_xml
    guest_xml "$@" >"$work/$2.xml"
    v "$1" define "$work/$2.xml"
}

AGENT_CHANNEL='<channel type="unix"><target type="virtio" name="org.qemu.guest_agent.0"/></channel>'

newest_seq() { # HOST NAME: the record it told of last
    local seq
    seq=$(tail -c 16K "$work/virt-$1/$2.console" | sed -n 's/^\r*SEQ \([0-9]*\) .*/\1/p')
    echo "$((${seq##*$'\n'} + 0))"
}

# Waits until a guest has written so many records more than now.
await_records() { # HOST NAME COUNT
    local i want
    want=$(($(newest_seq "$1" "$2") + $3))
    for ((i = 0; i < JOB_S * 4; i++)); do
        [ "$(newest_seq "$1" "$2")" -lt "$want" ] || return 0
        sleep 0.25
    done
    tail -n 5 "$work/virt-$1/$2.console"
    die "$2 wrote no $3 records more"
}

await_state() { # HOST NAME STATE
    local i
    for ((i = 0; i < JOB_S * 10; i++)); do
        [ "$(v "$1" domstate "$2")" != "$3" ] || return 0
        sleep 0.1
    done
    die "$2 is $(v "$1" domstate --reason "$2"), not $3"
}

start_guest() { # HOST NAME
    rm -f "$work/virt-$1/$2.console"
    v "$1" start "$2"
    await_records "$1" "$2" 1
}

# A session that is just about to end still holds the image's lock, under which nobody else reads.
await_readable() { # IMAGE...
    local image i
    for image in "$@"; do
        for ((i = 0; i < JOB_S * 10; i++)); do
            ! qemu-io -U -r -f "$(format_of "$image")" -c quit "$image" >"$work/locked" 2>&1 || break
            sleep 0.1
        done
        [ $i -lt $((JOB_S * 10)) ] || die "$image cannot be read: $(cat "$work/locked")"
    done
}

# Are two images an instant of what the guest writes? Its records are in the first 8 MiB.
check_records() { # [--frozen] A B
    local options=()
    [ "$1" != --frozen ] || { options=(--frozen) && shift; }
    await_readable "$1" "$2"
    rm -f "$work"/check-?.raw
    qemu-img dd -U -f "$(format_of "$1")" -O raw bs=1M count=8 if="$1" of="$work/check-a.raw"
    qemu-img dd -U -f "$(format_of "$2")" -O raw bs=1M count=8 if="$2" of="$work/check-b.raw"
    "$build/tests/guest/check-records" ${options[@]+"${options[@]}"} "$work/check-a.raw" "$work/check-b.raw"
}

# --- one guest, $VM of libvirt host a, that h1 replicates to h2 ---

replica() { # DISK
    echo "$L"/h2/replicas/*/"$1"
}

good_replica() { # [--frozen]
    check_records "$@" "$(replica vda.qcow2)" "$(replica vdb.raw)"
}

# Records take the first 8 MiB of a disk; behind them is what makes a transfer last.
records_and_data() { # FILE MIB
    random_disk "$1" "$2"
    head -c 8M /dev/zero | dd of="$1" conv=notrunc status=none
}

nothing_left() {
    local i
    for ((i = 0; i < JOB_S * 10; i++)); do
        if ! v a backup-dumpxml $VM >/dev/null 2>&1 && [ -z "$(ls "$work/virt-a/backup")" ]; then
            return 0
        fi
        sleep 0.1
    done
    v a backup-dumpxml $VM
    ls -l "$work/virt-a/backup"
    die 'a backup job or its files are left'
}

no_write_error() {
    if grep -a 'WRITE ERROR' "$work/virt-a/$VM.console"; then
        die 'the guest saw an error'
    fi
}

# A transfer that is slow enough for something to happen meanwhile; then its job's id.
slow_resync() {
    vr h1 bandwidth $VM 300K >/dev/null
    dd if=/dev/urandom of="$(replica vdb.raw)" bs=1M seek=16 count=16 conv=notrunc status=none # something to send
    local job
    job=$(vr h1 resync $VM --json | jq .job_id)
    [ -n "$job" ] || die 'it was refused' >&2
    await_job h1 "$job" '.progress.bytes_sent > 100000' >&2
    echo "$job"
}
