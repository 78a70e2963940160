#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Who comes in over the network, against a real daemon: with a password, a client certificate, a Kerberos ticket of a
# real KDC on loopback; and that without any of them nothing does. Then users limited to some VMs, over every protocol,
# and certificates and users that are taken anew while connections are open.
# shellcheck disable=SC2317 # scenarios are called by name
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
need openssl python3
make_lab lab
VM_OTHER=11111111-1111-4111-8111-111111111111
NEVER=22222222-2222-4222-8222-222222222222
qemu-img create -q -f raw "$work/other.img" 1M
cat >>"$L/h1/inventory.conf" <<END
[vm other-name]
uuid = $VM_OTHER
disk.vda = raw:$work/other.img
END

TLS=https://h1.localhost:${H1_CIMXML_TLS##*:}
K=$work/krb
mkdir "$K"

# --- certificates ---

make_ca() { # NAME
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/$1-key.pem" -out "$work/$1.pem" \
        -days 2 -subj "/CN=$1" -addext basicConstraints=critical,CA:true
}

make_client() { # NAME CA DAYS EXTENSION...
    local name=$1 ca=$2 days=$3
    shift 3
    printf '%s\n' "$@" >"$work/ext"
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/$name-key.pem" -out "$work/csr" \
        -subj "/CN=$name"
    openssl x509 -req -in "$work/csr" -CA "$work/$ca.pem" -CAkey "$work/$ca-key.pem" -days "$days" -extfile "$work/ext" \
        -out "$work/$name.pem"
}

sha256_of() { # NAME
    openssl x509 -in "$work/$1.pem" -noout -fingerprint -sha256 | sed 's/.*=//'
}

certificates() {
    make_ca clients
    make_ca strangers
    make_client ann clients 2 extendedKeyUsage=clientAuth subjectAltName=email:ann@lab.test
    make_client pinned clients 2 extendedKeyUsage=clientAuth
    make_client unknown clients 2 subjectAltName=email:nobody@lab.test
    make_client forged strangers 2 subjectAltName=email:ann@lab.test
    make_client server clients 2 extendedKeyUsage=serverAuth subjectAltName=email:ann@lab.test
    make_client both clients 2 subjectAltName=email:ann@lab.test,email:eve@lab.test
    make_client old clients -1 subjectAltName=email:ann@lab.test
    user ann --role operator --no-password --attribute email=ann@lab.test --attribute principal=ann@LAB.TEST
    user pinned --no-password --attribute "cert=$(sha256_of pinned)"
    user eve --no-password --attribute email=eve@lab.test
    user foreign --no-password --attribute principal=ann@OTHER.TEST
    user limited --role admin --password-file "$L/admin.password" --attribute "vm=$VM_ID"
}

user() { # NAME ARGUMENT...
    vmreplica user add "$@" --file "$L/h1/users"
}

# --- Kerberos: two realms, one KDC ---

make_realm() { # REALM PRINCIPAL...
    local realm=$1 principal
    shift
    kdb5_util create -r "$realm" -s -P secret
    for principal; do
        kadmin.local -r "$realm" addprinc -pw secret "$principal@$realm"
    done
}

kdc() {
    local port=$((21000 + RANDOM % 10000)) realm
    for realm in lab other; do
        cat >"$K/$realm.conf" <<END
[libdefaults]
default_realm = ${realm^^}.TEST
dns_lookup_kdc = false
dns_lookup_realm = false
dns_canonicalize_hostname = false
rdns = false
[realms]
LAB.TEST = {
 kdc = 127.0.0.1:$port
}
OTHER.TEST = {
 kdc = 127.0.0.1:$port
}
[domain_realm]
h1.localhost = ${realm^^}.TEST
END
    done
    cat >"$K/kdc.conf" <<END
[kdcdefaults]
kdc_listen = 127.0.0.1:$port
kdc_tcp_listen = 127.0.0.1:$port
[realms]
LAB.TEST = {
 database_name = $K/lab
 key_stash_file = $K/lab.stash
}
OTHER.TEST = {
 database_name = $K/other
 key_stash_file = $K/other.stash
}
END
    export KRB5_CONFIG=$K/lab.conf KRB5_KDC_PROFILE=$K/kdc.conf
    make_realm LAB.TEST ann bob HTTP/h1.localhost host/h1.localhost
    make_realm OTHER.TEST ann HTTP/h1.localhost
    kadmin.local -r LAB.TEST ktadd -k "$K/keytab" HTTP/h1.localhost host/h1.localhost
    krb5kdc -n -r LAB.TEST -r OTHER.TEST >"$K/kdc.log" 2>&1 &
    remember $!
    local i
    for ((i = 0; i < JOB_S * 5; i++)); do
        ! login lab ann || return 0
        sleep 0.2
    done
    cat "$K/kdc.log"
    die 'the KDC does not answer'
}

login() { # CONFIG PRINCIPAL: its tickets are in $K/cc-CONFIG-PRINCIPAL
    echo secret | KRB5_CONFIG=$K/$1.conf kinit -c "$K/cc-$1-$2" "$2@${1^^}.TEST" >/dev/null
}

# --- requests ---

call() { # CLASS: enumerates its names
    cat <<END
<?xml version="1.0" encoding="utf-8"?><CIM CIMVERSION="2.0" DTDVERSION="2.0"><MESSAGE ID="1" PROTOCOLVERSION="1.0">
<SIMPLEREQ><IMETHODCALL NAME="EnumerateInstanceNames"><LOCALNAMESPACEPATH><NAMESPACE NAME="root"/>
<NAMESPACE NAME="virtualization"/><NAMESPACE NAME="v2"/></LOCALNAMESPACEPATH><IPARAMVALUE NAME="ClassName">
<CLASSNAME NAME="$1"/></IPARAMVALUE></IMETHODCALL></SIMPLEREQ></MESSAGE></CIM>
END
}

# cim CLASS CURL-ARGUMENT...: status; the answer is in $work/answer
cim() {
    call "$1" >"$work/request"
    shift
    curl -sS --max-time 60 --cacert "$H1_CA" -o "$work/answer" -D "$work/headers" -w '%{http_code}' \
        -H 'Content-Type: application/xml' -H 'CIMOperation: MethodCall' -H 'CIMMethod: EnumerateInstanceNames' \
        -H 'CIMObject: root/virtualization/v2' --data-binary @"$work/request" "$@"
}

answered() { # CURL-ARGUMENT...: the same CIM call works
    [ "$(cim Msvm_ComputerSystem "$@" "$TLS/cimom")" = 200 ] || die "$(cat "$work/headers")"
    grep -q "$VM_ID" "$work/answer"
}

refused() { # CURL-ARGUMENT...: and does not
    local status
    status=$(cim Msvm_ComputerSystem "$@" "$TLS/cimom")
    [ "$status" = 401 ] || die "status $status: $(cat "$work/headers")"
    ! grep -q "$VM_ID" "$work/answer"
}

certificate() { # NAME
    echo "--cert $work/$1.pem --key $work/$1-key.pem"
}

ticket() { # CONFIG PRINCIPAL CURL-ARGUMENT...
    KRB5_CONFIG=$K/$1.conf KRB5CCNAME=$K/cc-$1-$2 "${@:3}"
}

# A fresh token for the host, as curl makes it, caught by somebody else who is called the same.
token() { # CONFIG PRINCIPAL [CURL-ARGUMENT...]
    local port=$((32000 + RANDOM % 800)) pid
    python3 - "$port" >"$work/token" <<'END' &
import http.server, sys
class Catch(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        token = self.headers.get("Authorization", "")
        if token: # before the answer: whoever gets that kills this
            print(token.split()[1], flush=True)
        self.send_response(200 if token else 401)
        self.send_header("WWW-Authenticate", "Negotiate")
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *a):
        pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Catch).serve_forever()
END
    pid=$!
    ticket "$1" "$2" curl -s --retry 60 --retry-delay 1 --retry-all-errors --retry-connrefused -o /dev/null \
        --negotiate -u : "${@:3}" "http://h1.localhost:$port/"
    kill $pid
    wait $pid 2>/dev/null || true
    head -n 1 "$work/token" | grep .
}

with_token() { # TOKEN
    printf 'header = "Authorization: Negotiate %s"\n' "$1" >"$work/curlrc"
    echo "-K $work/curlrc"
}

noted() { # TEXT: the log says it, if not now then with the next refusal that is noted
    grep -q "$1" "$L/h1/log"
}

# --- scenarios ---

passwords() {
    answered -u "viewer:$VIEWER_PASSWORD"
    refused -u "viewer:wrong"
    refused -u 'ann:-' # who has no password has none
    refused -u 'ann:'
}

# shellcheck disable=SC2046 # words on purpose
client_certificates() {
    answered $(certificate ann)
    answered $(certificate pinned)
    for name in unknown forged server both old; do
        refused $(certificate $name)
    done
    refused --cert "$L/h1/certs/cert.pem" --key "$L/h1/certs/key.pem" # a host is no user
    refused $(certificate ann) -u viewer:wrong                        # what is said counts, not what is shown besides
}

tickets() {
    ticket lab ann answered --negotiate -u :
    grep -qi '^WWW-Authenticate: Negotiate [A-Za-z0-9+/=]\{20,\}' "$work/headers" # the host proves itself, too
    grep -qi '^Persistent-Auth: false' "$work/headers"
    # two requests on one connection: each has a ticket of its own
    ticket lab ann curl -sS --cacert "$H1_CA" --negotiate -u : -o /dev/null -o /dev/null -w '%{http_code}\n' \
        "$TLS/api/v1/" "$TLS/api/v1/" >"$work/said"
    [ "$(tr '\n' ' ' <"$work/said")" = '200 200 ' ]
    [ "$(ticket lab ann curl -sS --negotiate -u : -o /dev/null -w '%{http_code}' "http://h1.localhost:${H1_CIMXML##*:}/api/v1/")" = 200 ]
}

# shellcheck disable=SC2046
wrong_tickets() {
    local good
    good=$(token lab ann)
    answered $(with_token "$good")
    refused $(with_token "$good") # once is enough
    good=$(token lab ann)
    refused $(with_token "${good:0:200}")
    refused $(with_token "${good:0:400}AAAA${good:404}")
    refused $(with_token 'TlRMTVNTUAABAAAAB4IIAAAAAAAAAAAAAAAAAAAAAAA=') # NTLM
    refused $(with_token '!')
    refused -H 'Authorization: Negotiate'
    refused $(with_token "$(head -c 7000 /dev/zero | base64 -w 0)")
    answered $(with_token "$good") # nothing of this has used it up
    login lab bob
    ticket lab bob refused --negotiate -u : # known to the realm, not to us
    login other ann
    good=$(token other ann)
    refused $(with_token "$good") # another realm's key
    good=$(token lab ann --service-name host)
    refused $(with_token "$good")
}

expired_ticket() {
    local good
    echo secret | KRB5_CONFIG=$K/lab.conf kinit -l 4s -c "$K/cc-lab-ann" ann@LAB.TEST >/dev/null
    good=$(token lab ann)
    sed 's/^\[libdefaults\]/&\nclockskew = 1/' "$K/lab.conf" >"$K/strict.conf"
    KRB5_CONFIG=$K/strict.conf host restart h1
    sleep 7
    # shellcheck disable=SC2046
    refused $(with_token "$good")
    KRB5_CONFIG=$K/lab.conf host restart h1
    login lab ann
}

nothing_without() {
    local path method
    : >"$work/request"
    for path in / /cimom /wsman /api/v1/ /api/v1/vms /api/v1/jobs/1 /metrics /api/v1/../../etc/passwd; do
        for method in GET POST PUT DELETE HEAD OPTIONS M-POST; do
            [ "$(curl -sS --max-time 60 --cacert "$H1_CA" --path-as-is -o /dev/null -X $method -w '%{http_code}' \
                $([ $method != HEAD ] || echo --head) "$TLS$path")" = 401 ] || die "$method $path"
        done
    done
    refused
    grep -q '^WWW-Authenticate: Negotiate' "$work/headers"
    grep -q '^WWW-Authenticate: Basic' "$work/headers"
}

# --- a user limited to one VM ---

limited() { # PATH: the answer and its status
    curl -sS --max-time 60 --cacert "$H1_CA" -u "limited:$ADMIN_PASSWORD" -w '\n%{http_code}\n' "${@:2}" "$TLS$1"
}

# The answer about the hidden VM must be the one about a VM that never was.
same_answer() { # PATH-WITH-@ CURL-ARGUMENT...
    local path=$1
    shift
    limited "${path//@/$VM_OTHER}" "${@//@/$VM_OTHER}" | sed "s/$VM_OTHER/@/Ig" >"$work/hidden"
    limited "${path//@/$NEVER}" "${@//@/$NEVER}" | sed "s/$NEVER/@/Ig" >"$work/never"
    diff "$work/hidden" "$work/never" >&2
    ! tail -n 1 "$work/never" | grep -q '^2' || [[ $path == *events* ]]
}

limited_over_rest() {
    local path verb
    vr h1 resync other-name >/dev/null 2>&1 || true
    for path in vms relationships jobs events '' metrics; do
        limited "/api/v1/$path" >"$work/said"
        ! grep -qi "$VM_OTHER\|other-name" "$work/said"
    done
    limited /metrics >"$work/said"
    ! grep -qi "$VM_OTHER\|other-name" "$work/said"
    limited /api/v1/vms | grep -q "$VM_ID"
    vr h1 vms | grep -q other-name
    same_answer /api/v1/vms/@
    same_answer /api/v1/vms/@/statistics
    same_answer "/api/v1/events?vm=@"
    for verb in resync verify disable pause resume cancel failover adopt statistics/reset; do
        same_answer "/api/v1/vms/@/$verb" -X POST -H 'Content-Type: application/json' -d '{}'
    done
    same_answer /api/v1/vms/@/enable -X POST -H 'Content-Type: application/json' -d "{\"host\":\"$H2_PEER\"}"
    [ "$(limited /api/v1/vms/other-name | tail -n 1)" = 404 ]
    [ "$(limited /api/v1/authorizations/h2.localhost -X DELETE | tail -n 1)" = 403 ]
}

limited_over_cim() {
    local cls
    for cls in Msvm_ComputerSystem Msvm_ReplicationRelationship Msvm_ConcreteJob Msvm_VirtualSystemSettingData \
        Msvm_ServiceAffectsElement Msvm_SettingsDefineState Msvm_VirtualSystemSettingDataComponent \
        Msvm_StorageAllocationSettingData Msvm_ReplicationSettingData; do
        [ "$(cim "$cls" -u "limited:$ADMIN_PASSWORD" "$TLS/cimom")" = 200 ]
        grep -q '<IMETHODRESPONSE' "$work/answer"
        ! grep -qi "$VM_OTHER" "$work/answer"
    done
    [ "$(cim Msvm_VirtualSystemSettingData -u "admin:$ADMIN_PASSWORD" "$TLS/cimom")" = 200 ]
    grep -qi "$VM_OTHER" "$work/answer"
}

limited_over_wsman() {
    local a=http://schemas.xmlsoap.org/ws/2004/08/addressing wmi=http://schemas.microsoft.com/wbem/wsman/1/wmi
    local en=http://schemas.xmlsoap.org/ws/2004/09/enumeration id
    cat >"$work/request" <<END
<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="$a" xmlns:n="$en"
 xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"><s:Header><a:To>x</a:To>
<w:ResourceURI>$wmi/root/virtualization/v2/*</w:ResourceURI><a:ReplyTo><a:Address>$a/role/anonymous</a:Address></a:ReplyTo>
<a:Action>$en/Enumerate</a:Action><a:MessageID>uuid:7C942A82-60B9-0006-0000-000000010000</a:MessageID></s:Header><s:Body>
<n:Enumerate><w:OptimizeEnumeration/><w:MaxElements>100</w:MaxElements>
<w:Filter Dialect="http://schemas.microsoft.com/wbem/wsman/1/WQL">SELECT * FROM Msvm_ComputerSystem</w:Filter>
</n:Enumerate></s:Body></s:Envelope>
END
    for id in "limited" admin; do
        curl -sS --max-time 60 --cacert "$H1_CA" -u "$id:$ADMIN_PASSWORD" -o "$work/$id.xml" --data-binary @"$work/request" \
            -H 'Content-Type: application/soap+xml;charset=UTF-8' "$TLS/wsman"
        grep -qi "$VM_ID" "$work/$id.xml"
    done
    grep -qi "$VM_OTHER" "$work/admin.xml"
    ! grep -qi "$VM_OTHER" "$work/limited.xml"
}

# --- reload ---

# An open connection keeps its certificate and goes on; a new one gets the new certificate; a user who was taken out is
# out at his next request, on an open connection, too.
reloaded() {
    local before after i
    before=$(openssl x509 -in "$L/h1/certs/cert.pem" -noout -fingerprint -sha256)
    python3 - "${H1_CIMXML_TLS##*:}" "$H1_CA" "$work" <<'END' &
import hashlib, http.client, os, ssl, sys, time
port, ca, work = int(sys.argv[1]), sys.argv[2], sys.argv[3]
ctx = ssl.create_default_context(cafile=ca)
ctx.load_cert_chain(work + "/ann.pem", work + "/ann-key.pem")
def dial():
    c = http.client.HTTPSConnection("localhost", port, context=ctx, timeout=60)
    c.connect()
    return c
def ask(c):
    c.request("GET", "/api/v1/")
    r = c.getresponse()
    r.read()
    return r.status
def shown(c):
    return hashlib.sha256(c.sock.getpeercert(True)).hexdigest()
def step(name):
    open(work + "/py-" + name, "w").close()
    while not os.path.exists(work + "/sh-" + name):
        time.sleep(0.05)
        assert ask(old) in (200, 401)  # keeps it alive meanwhile
old = dial()
first = shown(old)
assert ask(old) == 200
step("renewed")
assert ask(old) == 200, "the open connection goes on"
assert shown(old) == first
new = dial()
assert shown(new) != first, "a new one gets the new certificate"
assert ask(new) == 200
step("removed")
assert ask(old) == 401 and ask(new) == 401, "who was taken out is out"
print("well")
END
    local pid=$!
    remember $pid
    await "$work/py-renewed" $pid
    vmreplica certs request --dir "$L/h1/certs" --name h1.localhost --name localhost
    vmreplica certs sign "$L/h1/certs/request.pem" --ca-dir "$L/ca" --out "$work/renewed.pem"
    vmreplica certs install "$work/renewed.pem" "$L/ca/ca.pem" --dir "$L/h1/certs"
    after=$(openssl x509 -in "$L/h1/certs/cert.pem" -noout -fingerprint -sha256)
    [ "$before" != "$after" ]
    reload
    touch "$work/sh-renewed"
    await "$work/py-removed" $pid
    vmreplica user remove ann --file "$L/h1/users"
    reload
    touch "$work/sh-removed"
    wait $pid
}

await() { # FILE PID
    while [ ! -e "$1" ]; do
        kill -0 "$2" || die 'the client ended'
        sleep 0.05
    done
}

reload() {
    local n i
    n=$(grep -c ' reloaded\| reload-failed' "$L/h1/log" || true)
    kill -HUP "$H1_PID"
    for ((i = 0; i < JOB_S * 10; i++)); do
        [ "$(grep -c ' reloaded\| reload-failed' "$L/h1/log")" = "$n" ] || return 0
        sleep 0.1
    done
    die 'no word of a reload'
}

bad_files() {
    cp "$L/h1/users" "$work/users.kept"
    echo 'broken' >>"$L/h1/users"
    reload
    grep -q 'reload-failed.*must be name:role:hash' "$L/h1/log"
    answered -u "viewer:$VIEWER_PASSWORD" # what was wrong stays as it was
    cp "$work/users.kept" "$L/h1/users"
    cat "$L/ca/ca.pem" >>"$work/clients.pem"
    ! vmreplicad --check-config --config "$L/h1/vmreplicad.conf" 2>"$work/said"
    grep -q 'holds a CA of the hosts, too' "$work/said"
}

no_secrets_in_the_log() {
    ! grep -q "$ADMIN_PASSWORD\|$VIEWER_PASSWORD\|YII[A-Za-z0-9+/]\{40\}" "$L/h1/log"
}

scenario 'certificates and users are made' certificates
set_conf h1 http client_ca "$(sed 's/\//\\\//g' <<<"$work/clients.pem")"
if command -v krb5kdc kadmin.local kinit >/dev/null && curl -V | grep -q SPNEGO; then
    scenario 'a KDC on loopback' kdc
    set_conf h1 http keytab "$(sed 's/\//\\\//g' <<<"$K/keytab")"
    export KRB5_CONFIG=$K/lab.conf
else
    skip 'Kerberos' 'no krb5kdc, kadmin.local, kinit, or a curl without SPNEGO'
fi
host restart h1 || exit 1
TLS=https://h1.localhost:${H1_CIMXML_TLS##*:}
scenario 'a password opens a CIM call' passwords
scenario 'a client certificate opens the same call' client_certificates
if [ -f "$K/keytab" ]; then
    scenario 'a Kerberos ticket opens the same call' tickets
    scenario 'tickets that are used, cut, of another realm, service or principal' wrong_tickets
    scenario 'an expired ticket' expired_ticket
    TLS=https://h1.localhost:${H1_CIMXML_TLS##*:}
    scenario 'without any of them nothing opens' nothing_without
fi
scenario 'a limited user over REST' limited_over_rest
scenario 'a limited user over CIM-XML' limited_over_cim
scenario 'a limited user over WS-Management' limited_over_wsman
scenario 'certificates and users are taken anew, connections go on' reloaded
scenario 'what is wrong is not taken' bad_files
scenario 'no password and no token in the log' no_secrets_in_the_log
finish
