#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every answer Resynchronize can give, brought about by its real condition: three hosts, and VMs on h1 that lack
# something. What ends a replica comes last.
# shellcheck disable=SC2317 # scenarios are called by name
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
need wbemcli qemu-nbd
BIG_MIB=48
LONE=11111111-1111-4111-8111-111111111111
BARE=22222222-2222-4222-8222-222222222222

random_disk "$work/vda.img" $BIG_MIB
qemu-img create -q -f qcow2 "$work/vdb.qcow2" 16M
make_lab lab --hosts 3 --disk "$work/vda.img:raw" --disk "$work/vdb.qcow2:qcow2"
cp "$work/vda.img" "$work/lone.img"
cp "$work/vda.img" "$work/bare.img"
cat >>"$L/h1/inventory.conf" <<EOF
[vm lone]
uuid = $LONE
disk.vda = raw:$work/lone.img
[vm bare]
uuid = $BARE
disk.vda = raw:$work/bare.img
exclude = vda
EOF
host restart h1 || exit 1

# says WANTED HOST ROLE PARAMS
says() {
    local got
    got=$(resync_call "$2" "$3" "$4")
    [ "$got" = "$1" ] || {
        cat "$work/answer"
        die "the answer was '$got', not $1"
    }
}

calls() { # WANTED USER:PASSWORD METHOD PARAMS [SERVICE-NAME]
    local got
    got=$(call h1 "${@:2}")
    [ "$got" = "$1" ] || {
        cat "$work/answer"
        die "the answer was '$got', not $1"
    }
}

admin() { # WANTED METHOD PARAMS [SERVICE-NAME]
    calls "$1" "$ADMIN_USER:$ADMIN_PASSWORD" "${@:2}"
}

case_of() { # NAME WANTED PARAMS: the operator calls h1
    scenario "$2: $1" says "$2" h1 operator "$3"
}

# --- who ---
wrong_password() {
    calls 'HTTP 401' '' Resynchronize "$(vm_param)"
    calls 'HTTP 401' "$ADMIN_USER:wrong" Resynchronize "$(vm_param)"
    calls 'HTTP 401' "nobody:$ADMIN_PASSWORD" Resynchronize "$(vm_param)"
}
scenario 'HTTP 401: no or wrong password' wrong_password
scenario '32769: a viewer' says 32769 h1 viewer "$(vm_param)"

# --- the call ---
scenario 'CIM 4: unknown parameter' admin 'CIM 4' Resynchronize "$(vm_param)<PARAMVALUE NAME=\"Force\" PARAMTYPE=\"boolean\"><VALUE>TRUE</VALUE></PARAMVALUE>"
scenario 'CIM 4: parameter given twice' admin 'CIM 4' Resynchronize "$(vm_param)$(vm_param)"
scenario 'CIM 6: no such service' admin 'CIM 6' Resynchronize "$(vm_param)" other
scenario 'CIM 17: no such method' admin 'CIM 17' Resynchronise "$(vm_param)"

# --- types ---
case_of 'StartTime is no datetime' 32776 "$(start_param 'next tuesday')$(vm_param)"
case_of 'StartTime said to be a number' 32776 "$(start_param 20301121020000.000000+000 uint32)$(vm_param)"
case_of 'ComputerSystem as text' 32776 "<PARAMVALUE NAME=\"ComputerSystem\" PARAMTYPE=\"string\"><VALUE>$VM_ID</VALUE></PARAMVALUE>"

# --- values ---
case_of 'no ComputerSystem' 32773 ''
case_of 'ComputerSystem is NULL' 32773 '<PARAMVALUE NAME="ComputerSystem" PARAMTYPE="reference"/>'
case_of 'no such VM' 32773 "$(vm_param 33333333-3333-4333-8333-333333333333)"
case_of 'not a GUID' 32773 "$(vm_param web-1)"
case_of 'another class' 32773 "$(vm_param "$VM_ID" Msvm_ConcreteJob)"
case_of 'StartTime is an interval' 32773 "$(start_param 00000000000500.000000:000)$(vm_param)"
case_of 'StartTime with wildcards' 32773 "$(start_param 20301121******.******+000)$(vm_param)"
case_of 'StartTime an hour ago' 32773 "$(start_param "$(cim_time '-1 hour')")$(vm_param)"
case_of 'StartTime in eight days' 32773 "$(start_param "$(cim_time '+8 days')")$(vm_param)"

# --- what it is about ---
case_of 'the host itself' 32770 "$(vm_param h1.localhost)"
case_of 'a VM without disks to replicate' 32770 "$(vm_param $BARE)"
case_of 'a VM that is not replicated' 32775 "$(vm_param $LONE)"
scenario '32775: a replica without extended replica' says 32775 h3 operator "$(vm_param)"

# --- it starts ---
started() { # HOST JOBTYPE PARAMS
    local job
    says 4096 "$1" operator "$3"
    job=$(answered_job)
    await_cim_job "$1" "$job"
    [ "$(cim_job "$1" "$job" JobType)" = "$2" ]
}
scenario '4096: job of type 107' started h1 107 "$(vm_param)"
scenario '4096: class CIM_ComputerSystem, name in lower case' started h1 107 "$(vm_param "${VM_ID,,}" CIM_ComputerSystem)"
scenario '4096: StartTime as an empty VALUE' started h1 107 "$(start_param '')$(vm_param)"
scenario '4096: job of type 121 on a replica' started h2 121 "$(vm_param)"
scenario '4096: equal after all' equal_disks h1 h3

waits() {
    set_conf h1 limits sync_wait_s 20
    host restart h1
    says 0 h1 operator "$(vm_param)"
    ! grep -q 'NAME="Job"' "$work/answer" || die 'a Job although it is done'
    set_conf h1 limits sync_wait_s 0
    host restart h1
}
scenario '0: done before the answer was due' waits

not_authorized() {
    vr h2 authorize remove h1.localhost
    says 32768 h1 operator "$(vm_param)"
    vr h2 authorize add h1.localhost --storage "$L/h2/replicas"
    started h1 107 "$(vm_param)"
}
scenario '32768: anything else, here a host that is not authorized any more' not_authorized

# --- the VM is in use ---
second_job() {
    local job
    vr h1 bandwidth "$VM_NAME" 1M
    head -c 16M /dev/urandom >"$work/noise"
    dd if="$work/noise" of="$H2_DISK_0" bs=1M conv=notrunc status=none
    says 4096 h1 operator "$(vm_param)"
    job=$(answered_job)
    says 32774 h1 operator "$(vm_param)"
    vr h1 bandwidth "$VM_NAME" 0
    await_cim_job h1 "$job"
}
scenario '32774: a job is running' second_job

writer() {
    local i
    qemu-nbd --persistent --format raw --socket "$work/nbd" "$H1_DISK_0" &
    remember $!
    for ((i = 0; i < JOB_S * 10; i++)); do # until it answers: its socket is there before it has the lock
        ! qemu-img info "nbd+unix:///?socket=$work/nbd" >/dev/null 2>&1 || break
        sleep 0.1
    done
    says 32774 h1 operator "$(vm_param)"
    kill $!
    wait $! || true
    started h1 107 "$(vm_param)"
}
scenario '32774: somebody else writes to a disk' writer

# --- what is missing ---
moved_away() {
    mv "$H1_DISK_0" "$work/away"
    says 32779 h1 operator "$(vm_param)"
    mv "$work/away" "$H1_DISK_0"
    started h1 107 "$(vm_param)"
}
scenario '32779: a disk image is missing' moved_away

no_space() {
    set_conf h2 limits staging_reserve 512T
    host restart h2
    says 32778 h1 operator "$(vm_param)"
    set_conf h2 limits staging_reserve 16M
    host restart h2
    started h1 107 "$(vm_param)"
}
scenario '32778: no staging space' no_space

peer_stopped() {
    host stop h2
    says 32777 h1 operator "$(vm_param)"
    host start h2
    started h1 107 "$(vm_param)"
}
scenario '32777: the other host is down' peer_stopped

peer_silent() {
    kill -STOP "$H2_PID"
    says 32772 h1 operator "$(vm_param)"
    kill -CONT "$H2_PID"
    started h1 107 "$(vm_param)"
}
scenario '32772: the other host does not answer' peer_silent

# What a call would have been answered with ends the job when it was scheduled.
late() {
    local job
    says 4096 h1 operator "$(start_param "$(cim_time '+2 seconds')")$(vm_param)"
    job=$(answered_job)
    [ "$(cim_job h1 "$job" JobState)" = 2 ]
    host stop h2
    await_cim_job h1 "$job" 10
    [ "$(cim_job h1 "$job" ErrorCode)" = 32777 ]
    [ -n "$(cim_job h1 "$job" ErrorDescription)" ]
    host start h2
    started h1 107 "$(vm_param)"
}
scenario '32777: as ErrorCode of a scheduled job' late

failed_over() {
    vr h2 failover "$VM_NAME" --force
    says 32771 h1 operator "$(vm_param)"
    [ "$(rel_get h1 .needs_decision)" = true ]
    says 32771 h1 operator "$(vm_param)"
}
scenario '32771: the replica was failed over' failed_over
finish
