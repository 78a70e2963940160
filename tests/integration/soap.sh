# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# WS-Management by hand. Sourced after lib.sh.

WMI=http://schemas.microsoft.com/wbem/wsman/1/wmi
DMTF=http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2
WSEN=http://schemas.xmlsoap.org/ws/2004/09/enumeration
TRANSFER=http://schemas.xmlsoap.org/ws/2004/09/transfer
ANONYMOUS=http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous
WQL=http://schemas.microsoft.com/wbem/wsman/1/WQL

selectors() { # NAME VALUE...
    while [ $# -gt 1 ]; do
        printf '<w:Selector Name="%s">%s</w:Selector>' "$1" "$2"
        shift 2
    done
}

envelope() { # ACTION RESOURCE-URI SELECTORS BODY [HEADERS]
    cat <<END
<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"
 xmlns:n="$WSEN" xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"><s:Header>
<a:To>HTTP://elsewhere:5985/wsman/</a:To><w:ResourceURI s:mustUnderstand="true">$2</w:ResourceURI>
<a:ReplyTo><a:Address s:mustUnderstand="true">$ANONYMOUS</a:Address></a:ReplyTo>
<a:Action s:mustUnderstand="true">$1</a:Action><w:MaxEnvelopeSize s:mustUnderstand="true">102400</w:MaxEnvelopeSize>
<a:MessageID>uuid:7C942A82-60B9-0006-0000-000000010000</a:MessageID><w:OperationTimeout>PT1M30S</w:OperationTimeout>
<w:OptionSet s:mustUnderstand="true"></w:OptionSet><w:SelectorSet>$3</w:SelectorSet>${5-}</s:Header><s:Body>$4</s:Body></s:Envelope>
END
}

# ask [USER [HOST]]: what stands on stdin; the answer, well-formed, in $work/answer, its status in $work/status
ask() {
    local user=${1:-operator} password
    password=${user^^}_PASSWORD
    cat >"$work/request"
    curl -sS --max-time 20 -u "$user:${!password}" -H 'Content-Type: application/soap+xml;charset=UTF-8' \
        -o "$work/answer" -w '%{http_code}\n' --data-binary @"$work/request" "$(hvar "${2:-h1}" CIMXML)/wsman/" >"$work/status"
    xmllint --noout "$work/answer"
}

status() {
    cat "$work/status"
}

xpath() { # EXPRESSION: of the answer
    xmllint --xpath "$1" "$work/answer" 2>/dev/null
}

value() { # ELEMENT
    xpath "string((//*[local-name()='$1'])[1])"
}
