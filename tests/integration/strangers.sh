#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Who and what is refused: hosts that were not asked in, files that others can read, a second daemon, a configuration
# with mistakes, a database from the future, disks that cannot be a replica.
# shellcheck disable=SC2317 # scenarios are called by name
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
need openssl sqlite3

make_lab other --hosts 2 # another site: another CA
STRANGER=$H2_PEER
make_lab lab --hosts 3
qemu-img create -q -f raw "$work/lone.img" 1M
cat >>"$L/h1/inventory.conf" <<EOF
[vm lone]
uuid = 11111111-1111-4111-8111-111111111111
disk.vda = raw:$work/lone.img
EOF
host restart h1 || exit 1

# Starts a daemon that must not start, and give this reason.
refuses_to_start() { # CONFIGURATION REASON
    local r=0
    timeout 60 vmreplicad --config "$1" >"$work/said" 2>&1 || r=$?
    cat "$work/said"
    [[ $r != 0 && $r != 124 ]] || die "exit status $r"
    grep -q -- "$2" "$work/said" || die "it did not say: $2"
}

peer_says() { # REASON COMMAND...: on h1, fails
    if vr h1 "${@:2}" >"$work/said" 2>&1; then
        cat "$work/said"
        die 'it was accepted'
    fi
    cat "$work/said"
    grep -qi -- "$1" "$work/said" || die "it did not say: $1"
}

no_certificate() {
    local i
    openssl s_client -connect "127.0.0.1:${H2_PEER##*:}" -servername h2.localhost -CAfile "$H1_CA" -tls1_3 \
        >"$work/said" 2>&1 </dev/null || true
    openssl s_client -connect "127.0.0.1:${H2_PEER##*:}" -servername h2.localhost -tls1_2 >"$work/said2" 2>&1 \
        </dev/null && die 'TLS 1.2 was accepted'
    # In TLS 1.3 the refusal comes after the handshake: the daemon's log has it.
    for ((i = 0; i < JOB_S * 5; i++)); do
        ! grep -qi 'certificate' "$L/h2/log" || return 0
        sleep 0.2
    done
    die 'nothing in the log'
}

strange_ca() {
    peer_says 'certificate\|trust\|refused us' peer test "$STRANGER"
}

another_name() { # the certificate is good, but for another host
    peer_says 'name\|certificate' peer test "other.localhost:${H2_PEER##*:}"
}

not_authorized() { # h3 has no entry for h1
    peer_says 'authoriz\|may not' enable lone --to "$H3_PEER" --wait
}

# h3 may replicate to h2, but the VM's relationship there is h1's.
of_another_host() {
    vr h2 authorize add h3.localhost --storage "$L/h2/replicas"
    qemu-img create -q -f raw "$work/a.img" 32M
    qemu-img create -q -f qcow2 "$work/b.qcow2" 32M
    make_thief
    if vr h3 enable thief --to "$H2_PEER" --wait >"$work/said" 2>&1; then
        die 'the replica was given away'
    fi
    cat "$work/said"
    vr h3 jobs
    vr h3 jobs --json | jq -r '.jobs[].error_text' | cat - "$work/said" | grep -qi 'another host\|belongs'
    vr h1 resync "$VM_NAME" --wait
    equal_disks h1 h2
}

make_thief() {
    cat >"$L/h3/inventory.conf" <<EOF
[vm thief]
uuid = $VM_ID
disk.vda = raw:$work/a.img
disk.vdb = qcow2:$work/b.qcow2
EOF
    host restart h3
}

# --- starting ---

copy_conf() { # a host of its own that may be broken; its configuration is $C
    C=$work/broken/vmreplicad.conf
    rm -rf "$work/broken"
    mkdir -p "$work/broken"
    cp -r "$L/h1/certs" "$L/h1/users" "$work/broken/"
    : >"$work/broken/inventory.conf"
    sed "s|$L/h1|$work/broken|g; s/^port = .*/port = 0/; s/^tls_port = .*/tls_port = 0/" "$L/h1/vmreplicad.conf" >"$C"
    sed -i '/^\[http\]/,/^\[/s/^port = .*/port = '"$(spare_port)/" "$C"
}

spare_port() {
    local port
    for ((port = 33000 + RANDOM % 2000; port < 36000; port++)); do
        if ! (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$port"
            return
        fi
    done
}

loose_key() {
    copy_conf
    chmod 640 "$work/broken/certs/key.pem"
    refuses_to_start "$C" key.pem
}

loose_users() {
    copy_conf
    chmod 644 "$work/broken/users"
    refuses_to_start "$C" users
}

second_daemon() {
    copy_conf
    sed -i "s|^state_dir = .*|state_dir = $L/h1/state|" "$C"
    refuses_to_start "$C" "another vmreplicad uses '$L/h1/state'"
    vr h1 status
}

from_the_future() {
    copy_conf
    mkdir -p "$work/broken/state"
    host stop h1
    cp "$L/h1/state/vmreplica.db" "$work/broken/state/"
    host start h1
    sqlite3 "$work/broken/state/vmreplica.db" 'pragma user_version = 9999'
    refuses_to_start "$C" 'newer\|9999'
}

no_database() { # garbage instead of one
    copy_conf
    mkdir -p "$work/broken/state"
    head -c 100k /dev/urandom >"$work/broken/state/vmreplica.db"
    refuses_to_start "$C" vmreplica.db
}

bad_line() { # SECTION LINE REASON
    copy_conf
    sed -i "/^\[$1\]/a $2" "$C"
    local n
    n=$(grep -nF "$2" "$C" | head -n 1 | cut -d: -f1)
    refuses_to_start "$C" "$C:$n: .*$3"
}

bad_lines() {
    bad_line daemon 'colour = blue' "unknown key 'colour'"
    bad_line daemon 'state_dir = var/lib' state_dir
    bad_line peer 'listen = everywhere' 'not a numeric address'
    bad_line limits 'transfers = 0' 'not between'
    bad_line limits 'bandwidth = fast' 'not a size'
    copy_conf
    printf '[inventory]\ndefinition_dirs = /boot:usr/share\n' >>"$C"
    refuses_to_start "$C" "$C:$(wc -l <"$C"): .*absolute directories"
    copy_conf
    echo '[colours]' >>"$C"
    refuses_to_start "$C" "$C:$(wc -l <"$C"): unknown section"
    copy_conf
    printf '[vm x]\nuuid = 1\n' >"$work/broken/inventory.conf"
    refuses_to_start "$C" "inventory.conf:2: "
}

plain_beyond_loopback() {
    copy_conf
    sed -i '/^\[http\]/,/^\[/s/^listen = .*/listen = 0.0.0.0/' "$C"
    refuses_to_start "$C" "$C:[0-9]*: .*plain"
}

reload_says() { # REASON
    local i
    kill -HUP "$H1_PID"
    for ((i = 0; i < JOB_S * 10; i++)); do
        ! tail -n 1 "$L/h1/log" | grep -q "$1" || return 0
        sleep 0.1
    done
    die "the log does not say: $1"
}

own_disks() {
    cat >>"$L/h1/inventory.conf" <<EOF
[vm twin]
uuid = 44444444-4444-4444-8444-444444444444
disk.vda = raw:$H1_DISK_0
EOF
    reload_says 'reload-failed.*already'
    sed -i '/^\[vm twin\]/,$d' "$L/h1/inventory.conf"
    reload_says 'reloaded'
}

wrong_password() {
    local path code
    for path in cimom api/v1/vms api/v1/relationships; do
        code=$(curl -s -o /dev/null -w '%{http_code}' -u "$ADMIN_USER:wrong" "${H1_REST%/api/v1}/$path")
        [ "$code" = 401 ] || die "$path: $code"
    done
    code=$(curl -s -o /dev/null -w '%{http_code}' -H 'Content-Type: application/json' -d '{}' -u "$VIEWER_USER:$VIEWER_PASSWORD" \
        "$H1_REST/vms/$VM_ID/resync")
    [ "$code" = 403 ] || die "a viewer: $code"
}

scenario 'no certificate, or an old TLS' no_certificate
scenario "a host of a stranger's CA" strange_ca
scenario 'a host under another name' another_name
scenario 'a host without authorization' not_authorized
scenario "another host's relationship" of_another_host
scenario 'a key that others can read' loose_key
scenario 'a users file that others can read' loose_users
scenario 'a second daemon on one state directory' second_daemon
scenario 'a database from the future' from_the_future
scenario 'a database that is none' no_database
scenario 'mistakes in the configuration, with file:line' bad_lines
scenario 'passwords in plain text beyond loopback' plain_beyond_loopback
scenario 'one image as disk of two VMs' own_disks
scenario 'wrong passwords and roles over HTTP' wrong_password
finish
