# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# CIM-XML by hand, for what no client of Debian does. Sourced after lib.sh.

escape() { # TEXT
    local t=${1//&/"&amp;"} # quoted: a bare & is what was matched, from bash 5.2 on
    t=${t//</"&lt;"}
    echo "${t//>/"&gt;"}"
}

ivalue() { # NAME TEXT
    echo "<IPARAMVALUE NAME=\"$1\"><VALUE>$(escape "$2")</VALUE></IPARAMVALUE>"
}

iclass() { # NAME CLASS
    echo "<IPARAMVALUE NAME=\"$1\"><CLASSNAME NAME=\"$2\"/></IPARAMVALUE>"
}

key() { # NAME VALUE
    echo "<KEYBINDING NAME=\"$1\"><KEYVALUE VALUETYPE=\"string\">$2</KEYVALUE></KEYBINDING>"
}

vm_name() { # VM
    echo "<INSTANCENAME CLASSNAME=\"Msvm_ComputerSystem\">$(key CreationClassName Msvm_ComputerSystem)$(key Name "$1")</INSTANCENAME>"
}

# imethod NAME PARAMETERS [USER]: of host h1, in the namespace $NS; the answer goes to $work/answer and must be
# well-formed
imethod() {
    local user=${3:-operator} url ns
    ns="<NAMESPACE NAME=\"${NS//\//\"/><NAMESPACE NAME=\"}\"/>"
    url=$(url_of h1 "$user")
    {
        echo '<?xml version="1.0" encoding="utf-8"?><CIM CIMVERSION="2.0" DTDVERSION="2.0">'
        echo "<MESSAGE ID=\"1\" PROTOCOLVERSION=\"1.0\"><SIMPLEREQ><IMETHODCALL NAME=\"$1\">"
        echo "<LOCALNAMESPACEPATH>$ns</LOCALNAMESPACEPATH>$2</IMETHODCALL></SIMPLEREQ></MESSAGE></CIM>"
    } >"$work/request"
    curl -sS --max-time 20 -H 'Content-Type: application/xml; charset=utf-8' -H 'CIMOperation: MethodCall' \
        -H "CIMMethod: $1" -H "CIMObject: ${NS//\//%2F}" --data-binary @"$work/request" \
        "${url%"/$NS"}/cimom" >"$work/answer"
    xmllint --noout "$work/answer"
    valid_answer
}

xpath() { # EXPRESSION: of the answer
    xmllint --xpath "$1" "$work/answer" 2>/dev/null
}

count() { # ELEMENT
    xpath "count(//*[local-name()='$1'])"
}

property() { # NAME: its value, of the first instance that has one
    xpath "string((//PROPERTY[@NAME='$1']/VALUE)[1])"
}

error_code() {
    xpath 'string(//ERROR/@CODE)'
}

# --- embedded instances ---

prop() { # NAME TYPE VALUE
    echo "<PROPERTY NAME=\"$1\" TYPE=\"$2\"><VALUE>$3</VALUE></PROPERTY>"
}

embedded() { # PARAMETER CLASS PROPERTIES
    echo "<PARAMVALUE NAME=\"$1\" PARAMTYPE=\"string\" EmbeddedObject=\"instance\"><VALUE>$(
        escape "<INSTANCE CLASSNAME=\"$2\">$3</INSTANCE>")</VALUE></PARAMVALUE>"
}
