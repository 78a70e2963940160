#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What scanners say of the management port's TLS, and of the peers': versions, ciphers, known weaknesses.
# shellcheck disable=SC2317 # scenarios are called by name
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
need testssl sslscan openssl
make_lab lab
PORT=${H1_CIMXML_TLS##*:}

# The hosts' own CA says nowhere what it revokes: a host's certificate is taken back by removing what names it.
OWN_CA='cert_revocation'

# testssl takes a client that ends without an error for one that renegotiated: `renegotiation` looks closer.
NOT_SO='secure_client_renego'

findings() { # FILE: those above LOW, other than these two
    jq -r '.[] | select(.severity == "MEDIUM" or .severity == "HIGH" or .severity == "CRITICAL") | "\(.id): \(.severity): \(.finding)"' \
        "$1" | grep -vE "^($OWN_CA|$NOT_SO)(:| )" || true
}

scan() { # HOST:PORT ARGUMENT...: testssl's findings as JSON in $work/testssl.json
    rm -f "$work/testssl.json"
    (cd "$work" && testssl --quiet --color 0 --warnings off --nodns none --openssl-timeout 30 \
        --add-ca "$H1_CA" --ip 127.0.0.1 --jsonfile "$work/testssl.json" "${@:2}" "$1") >"$work/testssl.txt" 2>&1 </dev/null || true
    jq -e 'length > 20' "$work/testssl.json" || die "$(tail -n 20 "$work/testssl.txt")"
}

management_testssl() {
    scan "h1.localhost:$PORT" --protocols --server-defaults --vulnerable --fs --server-preference --std
    findings "$work/testssl.json" >"$work/found"
    cat "$work/found"
    [ ! -s "$work/found" ]
    jq -r '.[] | "\(.id) \(.finding)"' "$work/testssl.json" >"$work/all"
    for old in SSLv2 SSLv3 TLS1 TLS1_1; do
        grep -q "^$old not offered" "$work/all"
    done
    grep -q '^TLS1_2 offered' "$work/all"
    grep -q '^TLS1_3 offered' "$work/all"
}

management_sslscan() {
    sslscan --no-colour --no-failed "--xml=$work/sslscan.xml" "localhost:$PORT" >"$work/sslscan.txt"
    cat "$work/sslscan.txt"
    local doc
    doc() { xmllint --xpath "$1" "$work/sslscan.xml"; }
    [ "$(doc 'string(//protocol[@type="ssl" and @version="2"]/@enabled)')" = 0 ]
    [ "$(doc 'string(//protocol[@type="ssl" and @version="3"]/@enabled)')" = 0 ]
    [ "$(doc 'string(//protocol[@type="tls" and @version="1.0"]/@enabled)')" = 0 ]
    [ "$(doc 'string(//protocol[@type="tls" and @version="1.1"]/@enabled)')" = 0 ]
    [ "$(doc 'string(//protocol[@type="tls" and @version="1.2"]/@enabled)')" = 1 ]
    [ "$(doc 'string(//protocol[@type="tls" and @version="1.3"]/@enabled)')" = 1 ]
    [ "$(doc 'count(//cipher)')" -gt 3 ]
    [ "$(doc 'count(//cipher[@strength != "strong" and @strength != "acceptable"])')" = 0 ]
    [ "$(doc 'count(//group[@strength = "weak"])')" = 0 ]
    [ "$(doc 'count(//heartbleed[@vulnerable="1"])')" = 0 ]
    [ "$(doc 'string(//compression/@supported)')" != 1 ]
    [ "$(doc 'count(//renegotiation[@supported="1" and @secure="0"])')" = 0 ]
}

# Whoever asks for another handshake loses the connection: it never takes place.
renegotiation() {
    (
        sleep 1
        echo R
        sleep 5
        echo R
        sleep 5
    ) | openssl s_client -connect "127.0.0.1:$PORT" -tls1_2 -CAfile "$H1_CA" >"$work/said" 2>&1 || true
    [ "$(grep -c '^RENEGOTIATING' "$work/said")" = 1 ]
    grep -q '^closed$' "$work/said"
    [ "$(grep -c '^depth=0' "$work/said")" -le 1 ]
}

# Whoever shows no certificate of the hosts' CA gets no further than the handshake; what it offers can be seen.
peers() {
    local version
    for version in ssl3 tls1 tls1_1 tls1_2; do
        ! openssl s_client -connect "127.0.0.1:${H1_PEER##*:}" -$version -cipher 'ALL:@SECLEVEL=0' </dev/null \
            >"$work/said" 2>&1
    done
    openssl s_client -connect "127.0.0.1:${H1_PEER##*:}" -tls1_3 -CAfile "$H1_CA" </dev/null >"$work/said" 2>&1 || true
    grep -q 'New, TLSv1.3, Cipher is TLS_' "$work/said"
}

scenario 'testssl finds nothing above LOW' management_testssl
scenario 'sslscan finds strong ciphers of TLS 1.2 and 1.3 only' management_sslscan
scenario 'nobody renegotiates' renegotiation
scenario 'peers speak TLS 1.3 only' peers
finish
