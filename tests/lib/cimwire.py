#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""CIM-XML byte by byte against a running daemon: what clients send that no client of Debian sends, and what is wrong.

    cimwire.py ENV      the file of variables that tools/lab writes; VMREPLICA_BUILD is the build folder

Prints "ok NAME" or "not ok NAME" for each case. docs/cim-xml.md numbers them; a case's name begins with its number.
With CIMXML_DTD in the environment (a file), every answer must be valid against it.
"""
import base64
import os
import re
import socket
import subprocess
import sys
import tempfile

XML = "application/xml; charset=utf-8"
NS = '<LOCALNAMESPACEPATH><NAMESPACE NAME="root"/><NAMESPACE NAME="virtualization"/><NAMESPACE NAME="v2"/></LOCALNAMESPACEPATH>'
OBJECT = "root/virtualization/v2"
LONG = '<LOCALNAMESPACEPATH>\n<NAMESPACE NAME="root"></NAMESPACE><NAMESPACE NAME="virtualization"></NAMESPACE>' \
       '<NAMESPACE NAME="v2"></NAMESPACE>\n</LOCALNAMESPACEPATH>'
env = {}
cases = []


class Failed(Exception):
    pass


def case(name):
    def add(fn):
        cases.append((name, fn))
        return fn
    return add


# --- requests ---

def key(name, value, attributes='VALUETYPE="string"'):
    return f'<KEYBINDING NAME="{name}"><KEYVALUE {attributes}>{value}</KEYVALUE></KEYBINDING>'


def vm(attributes='VALUETYPE="string"'):
    return ('<INSTANCENAME CLASSNAME="Msvm_ComputerSystem">' + key("CreationClassName", "Msvm_ComputerSystem", attributes)
            + key("Name", env["VM_ID"], attributes) + '</INSTANCENAME>')


KEYS = [("CreationClassName", "Msvm_ReplicationService"), ("Name", "replicasvc"),
        ("SystemCreationClassName", "Msvm_ComputerSystem"), ("SystemName", "h1.localhost")]


def service():
    return '<INSTANCENAME CLASSNAME="Msvm_ReplicationService">' + "".join(key(k, v) for k, v in KEYS) + '</INSTANCENAME>'


def service_object(escape=lambda text: text, keys=KEYS):
    return escape(OBJECT + ":Msvm_ReplicationService." + ",".join(f'{k}="{v}"' for k, v in keys))


def all_escaped(text):
    return "".join(c if c.isalnum() or c in "_-" else f"%{ord(c):02X}" for c in text)


def message(inner, mid="1", cim="2.0", dtd="2.0", protocol="1.0"):
    return (f'<?xml version="1.0" encoding="utf-8"?>\n<CIM CIMVERSION="{cim}" DTDVERSION="{dtd}">'
            f'<MESSAGE ID="{mid}" PROTOCOLVERSION="{protocol}">{inner}</MESSAGE></CIM>')


def icall(name, params="", namespace=NS, **more):
    return message(f'<SIMPLEREQ><IMETHODCALL NAME="{name}">{namespace}{params}</IMETHODCALL></SIMPLEREQ>', **more)


def mcall(name, params, target=None):
    target = target or f"<LOCALINSTANCEPATH>{NS}{service()}</LOCALINSTANCEPATH>"
    return message(f'<SIMPLEREQ><METHODCALL NAME="{name}">{target}{params}</METHODCALL></SIMPLEREQ>')


def iparam(name, value):
    return f'<IPARAMVALUE NAME="{name}">{value}</IPARAMVALUE>'


def a_class(name="CIM_Job", long_form=False):
    return iparam("ClassName", f'<CLASSNAME NAME="{name}"' + ("></CLASSNAME>" if long_form else "/>"))


def get_class(**more):
    return icall("GetClass", a_class(), **more)


def get_vm(**more):
    return icall("GetInstance", iparam("InstanceName", vm()), **more)


class Headers(dict):
    """Of a request for an intrinsic method; keywords replace (None: leave out), "Name" as it is sent."""

    def __init__(self, method="GetClass", object=OBJECT, **more):
        super().__init__({"Host": "h", "Authorization": basic("viewer"), "Content-Type": XML, "CIMOperation": "MethodCall",
                          "CIMMethod": method, "CIMObject": object})
        for name, value in more.items():
            name = name.replace("_", "-")
            if value is None:
                del self[name]
            else:
                self[name] = value


def basic(role, password=None):
    password = password or env[role.upper() + "_PASSWORD"]
    return "Basic " + base64.b64encode(f"{role}:{password}".encode()).decode()


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def error(self):
        m = re.search(rb'<ERROR CODE="(\d+)"', self.body)
        return int(m.group(1)) if m else 0


class Connection:
    def __init__(self):
        host, _, port = env["H1_CIMXML"].partition("//")[2].partition(":")
        self.sock = socket.create_connection((host, int(port)), timeout=20)
        self.left = b""

    def close(self):
        self.sock.close()

    def send(self, body, headers, method="POST", path="/cimom", length="Content-Length", chunks=None):
        body = body.encode() if isinstance(body, str) else body
        lines = [f"{method} {path} HTTP/1.1"] + [f"{k}: {v}" for k, v in headers.items()]
        if chunks:
            lines.append("Transfer-Encoding: chunked")
            parts = [body[i:i + chunks] for i in range(0, len(body), chunks)] + [b""]
            data = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in parts)
        else:
            lines.append(f"{length}: {len(body)}" if ":" not in length else length)
            data = body
        self.sock.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + data)

    def until(self, end):
        while end not in self.left:
            more = self.sock.recv(65536)
            if not more:
                raise Failed(f"closed after {self.left[-200:]!r}")
            self.left += more
        head, _, self.left = self.left.partition(end)
        return head

    def receive(self):
        lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        status = int(lines[0].split()[1])
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        if status == 100:
            return self.receive()
        size = int(headers["content-length"])  # never chunked: nobody said that trailers are welcome
        while len(self.left) < size:
            more = self.sock.recv(65536)
            if not more:
                raise Failed("closed within a body")
            self.left += more
        body, self.left = self.left[:size], self.left[size:]
        if status == 200:
            well_formed(body)
        return Answer(status, headers, body)


def well_formed(body):
    dtd = os.environ.get("CIMXML_DTD")
    with tempfile.NamedTemporaryFile(suffix=".xml") as f:
        f.write(body)
        f.flush()
        done = subprocess.run(["xmllint", "--noout", "--nonet"] + (["--dtdvalid", dtd] if dtd else []) + [f.name],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode:
            raise Failed(f"not valid: {done.stdout[-300:]!r} {body[:300]!r}")


def ask(body, headers=None, **how):
    c = Connection()
    try:
        c.send(body, headers or Headers(), **how)
        return c.receive()
    finally:
        c.close()


def fine(answer, part=b"", cim=0):
    part = part.encode() if isinstance(part, str) else part
    if answer.status != 200 or answer.error() != cim or part not in answer.body:
        raise Failed(f"{answer.status} {answer.headers.get('cimerror')} {answer.body[:400]!r}, wanted CIM {cim} {part!r}")


def refused(answer, status, cim_error=None):
    if answer.status != status or answer.headers.get("cimerror") != cim_error:
        raise Failed(f"{answer.status} {answer.headers.get('cimerror')}, wanted {status} {cim_error}")


CLASS = '<CLASS NAME="CIM_Job"'


# --- 1 to 8: the message ---

@case("1: any path, M-POST with its own prefix")
def _():
    for path in ("/cimom", "/", "/any/where?x=y", "*"):
        fine(ask(get_class(), path=path), CLASS)
    headers = Headers(CIMOperation=None, CIMMethod=None, CIMObject=None)
    headers.update({"Man": "http://www.dmtf.org/cim/mapping/http/v1.0;ns=73", "73-CIMOperation": "MethodCall",
                    "73-CIMMethod": "GetClass", "73-CIMObject": OBJECT, "73-CIMProtocolVersion": "1.0"})
    answer = ask(get_class(), headers, method="M-POST")
    fine(answer, CLASS)
    if answer.headers.get("73-cimoperation") != "MethodResponse" or "ext" not in answer.headers:
        raise Failed(str(answer.headers))


@case("2: header names in any case and order")
def _():
    headers = Headers()
    swapped = {k.lower() if i % 2 else k.upper(): v for i, (k, v) in enumerate(reversed(headers.items()))}
    fine(ask(get_class(), swapped), CLASS)
    fine(ask(get_class(), Headers(CIMProtocolVersion="1.0")), CLASS)
    fine(ask(get_class(), Headers(CIMProtocolVersion="1.4")), CLASS)


@case("3: CIMObject raw, partly and fully escaped, keys in any order")
def _():
    params = '<PARAMVALUE NAME="ComputerSystem"/>'
    forms = [service_object(), service_object(all_escaped), service_object(keys=KEYS[::-1]),
             service_object(lambda t: t.replace("/", "%2F").replace(":", "%3a")),
             service_object(lambda t: t.replace('"', "%22")), service_object().upper().replace("REPLICASVC", "replicasvc")
             .replace("H1.LOCALHOST", "h1.localhost")]
    for form in forms:
        fine(ask(mcall("Resynchronize", params), Headers("Resynchronize", form)), "<VALUE>32773</VALUE>")
    fine(ask(get_class(), Headers(CIMObject=all_escaped(OBJECT))), CLASS)


@case("3: what CIMMethod and CIMObject say is what the body says")
def _():
    for headers in (Headers("GetInstance"), Headers(CIMObject="root/cimv2"), Headers(CIMObject=OBJECT + ":CIM_Job"),
                    Headers(CIMObject=""), Headers(CIMMethod=None), Headers(CIMObject=None)):
        refused(ask(get_class(), headers), 400, "header-mismatch")
    other = service_object(keys=KEYS[:3] + [("SystemName", "elsewhere")])
    refused(ask(mcall("Resynchronize", ""), Headers("Resynchronize", other)), 400, "header-mismatch")
    refused(ask(mcall("Resynchronize", ""), Headers("Resynchronize", OBJECT)), 400, "header-mismatch")


@case("4: content types")
def _():
    for good in ("application/xml", "text/xml", "Application/XML;charset=UTF-8", 'text/xml; charset="utf-8"',
                 "text/xml ; charset=utf-8", 'application/xml; charset="UTF-8"; x=y'):
        fine(ask(get_class(), Headers(Content_Type=good)), CLASS)
    for bad in ("text/plain", "application/xmlx", "application/json", "text/xml; charset=iso-8859-1",
                "application/xml; charset=utf-16", "multipart/form-data"):
        refused(ask(get_class(), Headers(Content_Type=bad)), 415)


@case("4: lengths with zeros before, requests in chunks, answers never in chunks")
def _():
    body = get_class()
    fine(ask(body, length=f"content-length: {len(body):010}"), CLASS)
    for size in (1, 7, 4096):
        fine(ask(body, chunks=size), CLASS)
    for te in ("trailers", "chunked, trailers"):
        fine(ask(body, Headers(TE=te)), CLASS)
    for bad in ("-1", "0x10", "12a", "1,2", ""):
        answer = ask(b"", length="Content-Length: " + bad)
        if answer.status not in (400, 413):
            raise Failed(f"Content-Length '{bad}': {answer.status}")


@case("5: refused before the call")
def _():
    refused(ask(get_class(), Headers(Host=None)), 400)
    refused(ask(get_class(), Headers(CIMOperation="Nothing")), 400, "unsupported-operation")
    refused(ask(get_class(), Headers(CIMOperation=None)), 400, "unsupported-operation")
    refused(ask(get_class(), Headers(CIMBatch="CIMBatch", CIMOperation=None)), 501, "multiple-requests-unsupported")
    refused(ask(message("<MULTIREQ><SIMPLEREQ/><SIMPLEREQ/></MULTIREQ>")), 501, "multiple-requests-unsupported")
    refused(ask("<CIM"), 400, "request-not-well-formed")
    refused(ask(get_class() + "<X/>"), 400, "request-not-well-formed")
    refused(ask("<CIM/>"), 400, "request-not-valid")
    refused(ask(message("<SIMPLEREQ/>")), 400, "request-not-valid")
    for version in ("3.0", "1.9", "20.0", ""):
        refused(ask(get_class(cim=version)), 501, "unsupported-cim-version")
        refused(ask(get_class(dtd=version)), 501, "unsupported-dtd-version")
    for version in ("2.0", "0.9", "10.0", ""):
        refused(ask(get_class(protocol=version)), 501, "unsupported-protocol-version")
    refused(ask(get_class(), Headers(CIMProtocolVersion="2.0")), 501, "unsupported-protocol-version")
    for version in ("2.0", "2.3.1", "2.9"):
        fine(ask(get_class(cim=version, dtd=version)), CLASS)


@case("6: without a password, with a wrong one, and then on the same connection")
def _():
    c = Connection()
    for authorization in (None, basic("viewer", "wrong"), basic("nobody", "x"), "Basic %%%", "Bearer x", "Basic "):
        c.send(get_class(), Headers(Authorization=authorization))
        answer = c.receive()
        refused(answer, 401)
        if not answer.headers.get("www-authenticate", "").startswith("Basic realm=") or len(answer.body) > 512:
            raise Failed(str(answer.headers))
    c.send(get_class(), Headers())
    fine(c.receive(), CLASS)
    c.close()


@case("7: the message's id and name come back, errors are HTTP 200")
def _():
    for mid in ("4711", "1-6b00f0", "", "&lt;&amp;&quot;&#252;", "x" * 5000):
        answer = ask(get_class(mid=mid))
        fine(answer, CLASS)
        want = mid.replace("&#252;", "\u00fc")
        if f'<MESSAGE ID="{want}" PROTOCOLVERSION="1.0">'.encode() not in answer.body:
            raise Failed(repr(answer.body[:300]))
    answer = ask(icall("getclass", a_class("Nope")), Headers("getclass"))
    fine(answer, '<IMETHODRESPONSE NAME="getclass"><ERROR CODE="6" DESCRIPTION="', cim=6)
    if answer.headers.get("cimoperation") != "MethodResponse":
        raise Failed(str(answer.headers))


@case("8: many requests on a connection, at once and after a refusal; Expect")
def _():
    c = Connection()
    for _ in range(20):
        c.send(get_class(), Headers())
    for _ in range(20):
        fine(c.receive(), CLASS)
    c.send("<CIM", Headers())
    refused(c.receive(), 400, "request-not-well-formed")
    c.send(get_class(), Headers(Expect="100-continue"))
    fine(c.receive(), CLASS)
    c.close()


# --- 10 to 18: the calls ---

@case("10: operations that are not offered")
def _():
    for name in ("CreateInstance", "DeleteInstance", "SetProperty", "CreateClass", "DeleteClass",
                 "SetQualifier", "DeleteQualifier", "Frobnicate", "x" * 2000):
        fine(ask(icall(name), Headers(name)), cim=7)


@case("11: codes")
def _():
    value = "<VALUE>{}</VALUE>".format
    rows = [
        (3, "GetClass", "root/nowhere", icall("GetClass", a_class(), '<LOCALNAMESPACEPATH><NAMESPACE NAME="root"/>'
                                              '<NAMESPACE NAME="nowhere"/></LOCALNAMESPACEPATH>')),
        (4, "GetClass", OBJECT, icall("GetClass")),
        (4, "GetClass", OBJECT, icall("GetClass", a_class() + a_class())),
        (5, "EnumerateInstances", OBJECT, icall("EnumerateInstances", a_class("Nope"))),
        (6, "GetClass", OBJECT, icall("GetClass", a_class("Nope"))),
        (6, "GetInstance", OBJECT, icall("GetInstance", iparam("InstanceName", vm().replace(env["VM_ID"], "x")))),
        (12, "GetProperty", OBJECT, icall("GetProperty", iparam("InstanceName", vm())
                                          + iparam("PropertyName", value("Nope")))),
        (14, "ExecQuery", OBJECT, icall("ExecQuery", iparam("QueryLanguage", value("SQL")) + iparam("Query", value("x")))),
        (15, "ExecQuery", OBJECT, icall("ExecQuery", iparam("QueryLanguage", value("WQL")) + iparam("Query", value("x")))),
        (21, "PullInstancePaths", OBJECT, icall("PullInstancePaths", iparam("EnumerationContext", value("x"))
                                                + iparam("MaxObjectCount", value("1")))),
        (22, "OpenEnumerateInstances", OBJECT, icall("OpenEnumerateInstances", a_class()
                                                     + iparam("OperationTimeout", value("4000000000")))),
        (25, "OpenEnumerateInstances", OBJECT, icall("OpenEnumerateInstances", a_class()
                                                     + iparam("FilterQueryLanguage", value("DMTF:FQL"))
                                                     + iparam("FilterQuery", value("x")))),
        (26, "OpenEnumerateInstances", OBJECT, icall("OpenEnumerateInstances", a_class()
                                                     + iparam("ContinueOnError", value("TRUE")))),
        (17, "Frobnicate", service_object(), mcall("Frobnicate", "")),
        (4, "Resynchronize", service_object(), mcall("Resynchronize", '<PARAMVALUE NAME="Nope"/>')),
    ]
    for code, method, target, body in rows:
        fine(ask(body, Headers(method, target)), cim=code)
    wrong = KEYS[:1] + [("Name", "other")] + KEYS[2:]
    path = f'<LOCALINSTANCEPATH>{NS}{service().replace("replicasvc", "other")}</LOCALINSTANCEPATH>'
    fine(ask(mcall("Resynchronize", "", path), Headers("Resynchronize", service_object(keys=wrong))), cim=6)


@case("13: references in every form")
def _():
    host = "<HOST>who knows</HOST>"
    forms = [f"<INSTANCEPATH><NAMESPACEPATH>{host}{LONG}</NAMESPACEPATH>{vm()}</INSTANCEPATH>",
             f"<LOCALINSTANCEPATH>{NS}{vm()}</LOCALINSTANCEPATH>", vm(), vm('VALUETYPE="string" TYPE="string"'),
             vm('TYPE="string"')]
    for form in forms:
        params = (f'<PARAMVALUE NAME="ComputerSystem"><VALUE.REFERENCE>{form}</VALUE.REFERENCE></PARAMVALUE>'
                  '<PARAMVALUE NAME="StartTime"><VALUE>19700101000000.000000+000</VALUE></PARAMVALUE>')
        answer = ask(mcall("Resynchronize", params),
                     Headers("Resynchronize", service_object(), Authorization=basic("operator")))
        fine(answer, '<RETURNVALUE PARAMTYPE="uint32"><VALUE>32773</VALUE></RETURNVALUE>')  # that was long ago
        if b"StartTime" not in answer.body + str(answer.headers).encode():
            raise Failed(f"refused for something else: {answer.headers}")


def start(text, attributes='PARAMTYPE="datetime"'):
    params = (f'<PARAMVALUE NAME="ComputerSystem"><VALUE.REFERENCE>{vm()}</VALUE.REFERENCE></PARAMVALUE>'
              f'<PARAMVALUE NAME="StartTime" {attributes}>{text}</PARAMVALUE>')
    return ask(mcall("Resynchronize", params), Headers("Resynchronize", service_object()))  # a viewer may not: 32769


@case("15: datetimes and their absence")
def _():
    for text in ("<VALUE>20991231235959.999999+000</VALUE>", "<VALUE>20261121020000.000000-840</VALUE>"):
        code = re.search(rb"<VALUE>(\d+)</VALUE>", start(text).body).group(1)
        if code not in (b"32769", b"32773"):
            raise Failed(f"{text}: {code}")
    for text in ("", "<VALUE></VALUE>", "<VALUE/>"):
        fine(start(text), "<VALUE>32769</VALUE>")
        fine(start(text, ""), "<VALUE>32769</VALUE>")
    for text in ("soon", "20261121020000", "20261121020000.000000+0000", "20261321020000.000000+000",
                 "20261121020000.000000Z", "20261121 20000.000000+000", "2026112102****.000000+000", "-0261121020000.000000+000"):
        fine(start(f"<VALUE>{text}</VALUE>"), "<VALUE>32776</VALUE>")
    fine(start("<VALUE>20991231235959.999999+000</VALUE>", 'PARAMTYPE="string"'), "<VALUE>32776</VALUE>")


@case("15: booleans in any case, keys with types, arrays with NULL, a property list that is empty")
def _():
    for text in ("TRUE", "true", "True", "FALSE", "false", "fAlSe"):
        answer = ask(icall("GetClass", a_class() + iparam("LocalOnly", f"<VALUE>{text}</VALUE>")))
        fine(answer, CLASS)
        if (b"ElementName" in answer.body) != (text.lower() == "false"):
            raise Failed(f"LocalOnly {text}")
    for text in ("1", "yes", "T", ""):
        answer = ask(icall("GetClass", a_class() + iparam("LocalOnly", f"<VALUE>{text}</VALUE>")))
        if answer.status != 200 or (text and answer.error() != 4):
            raise Failed(f"LocalOnly '{text}': {answer.error()}")
    for attributes in ('VALUETYPE="string"', 'VALUETYPE="string" TYPE="string"', 'TYPE="string"', ""):
        fine(ask(icall("GetInstance", iparam("InstanceName", vm(attributes))), Headers("GetInstance")), env["VM_ID"])
    names = "<VALUE.ARRAY><VALUE>Name</VALUE></VALUE.ARRAY>"
    answer = ask(icall("GetInstance", iparam("PropertyList", names) + iparam("InstanceName", vm())), Headers("GetInstance"))
    fine(answer, env["VM_ID"])
    if answer.body.count(b"<PROPERTY") != 1:
        raise Failed("the list was not heeded")
    empty = iparam("InstanceName", vm()) + iparam("PropertyList", "<VALUE.ARRAY/>")
    answer = ask(icall("GetInstance", empty), Headers("GetInstance"))
    fine(answer)
    if b"<PROPERTY" in answer.body:
        raise Failed("an empty list is no property")
    null = iparam("PropertyList", "<VALUE.ARRAY><VALUE.NULL/></VALUE.ARRAY>")
    fine(ask(icall("GetInstance", iparam("InstanceName", vm()) + null), Headers("GetInstance")), cim=4)


@case("16: a method that is not static, called on a class")
def _():
    target = f'<LOCALCLASSPATH>{NS}<CLASSNAME NAME="Msvm_ReplicationService"/></LOCALCLASSPATH>'
    target_object = OBJECT + ":Msvm_ReplicationService"
    fine(ask(mcall("Resynchronize", "", target), Headers("Resynchronize", target_object)), "no static method", cim=16)
    fine(ask(mcall("Frobnicate", "", target), Headers("Frobnicate", target_object)), cim=17)
    nowhere = target.replace("Msvm_ReplicationService", "Nope")
    fine(ask(mcall("Resynchronize", "", nowhere), Headers("Resynchronize", OBJECT + ":Nope")), cim=5)


@case("17: exported indications")
def _():
    body = message('<SIMPLEEXPREQ><EXPMETHODCALL NAME="ExportIndication"/></SIMPLEEXPREQ>')
    headers = Headers(CIMOperation=None, CIMMethod=None, CIMObject=None)
    headers.update({"CIMExport": "MethodRequest", "CIMExportMethod": "ExportIndication"})
    refused(ask(body, headers), 400, "unsupported-operation")
    refused(ask(body), 400, "request-not-valid")


@case("18: namespaces are found")
def _():
    interop = '<LOCALNAMESPACEPATH><NAMESPACE NAME="{}"/></LOCALNAMESPACEPATH>'.format
    fine(ask(icall("EnumerateInstanceNames", a_class("CIM_Namespace"), interop("nope")),
             Headers("EnumerateInstanceNames", "nope")), cim=3)
    both = '<LOCALNAMESPACEPATH><NAMESPACE NAME="root"/><NAMESPACE NAME="interop"/></LOCALNAMESPACEPATH>'
    for cls in ("CIM_Namespace", "CIM_ObjectManager", "CIM_RegisteredProfile"):
        answer = ask(icall("EnumerateInstances", a_class(cls), both), Headers("EnumerateInstances", "root/interop"))
        fine(answer, OBJECT if cls == "CIM_Namespace" else b"")


# --- clients, as they were seen ---

@case("clients: the headers and encodings of six of them")
def _():
    plain = Headers("GetInstance")
    forms = {
        "wbemcli": ({"Host": "h", "Content-Type": 'application/xml; charset="utf-8"', "Authorization": plain["Authorization"],
                     "Connection": "Keep-Alive, TE", "CIMProtocolVersion": "1.0", "CIMOperation": "MethodCall",
                     "CIMMethod": "GetInstance", "CIMObject": "root%2Fvirtualization%2Fv2"},
                    get_vm(mid="4711", namespace=LONG), {}),
        "pywbem": ({"Host": "h", "Content-type": 'application/xml; charset="utf-8"', "Accept-Encoding": "gzip, deflate",
                    "CIMOperation": "MethodCall", "CIMMethod": "GetInstance", "CIMObject": OBJECT,
                    "Authorization": plain["Authorization"], "Connection": "keep-alive"}, get_vm(mid="1001"), {}),
        "cimcli": ({"HOST": "h", "Content-Type": XML, "TE": "chunked, trailers", "CIMOperation": "MethodCall",
                    "CIMMethod": "GetInstance", "CIMObject": "root%2Fvirtualization%2Fv2",
                    "Authorization": plain["Authorization"]}, get_vm(mid="1000").replace("><", ">\n<"),
                   {"length": "content-length: {:010}"}),
        "Java": ({"Host": "h", "Content-Type": XML, "Accept-Language": "en-US", "Content-Language": "en-US",
                  "TE": "trailers", "CIMProtocolVersion": "1.0", "CIMOperation": "MethodCall", "CIMMethod": "GetInstance",
                  "CIMObject": OBJECT, "Authorization": plain["Authorization"]}, get_vm(mid="7"), {}),
        "Go": ({"Host": "h", "Content-Type": 'application/xml; charset="utf-8"', "Cimmethod": "GetInstance",
                "Cimobject": OBJECT, "Cimoperation": "MethodCall", "Cimprotocolversion": "1.0",
                "Authorization": plain["Authorization"]}, get_vm(mid="1-6b00c0ffee", namespace=LONG), {}),
        "C library": ({"Host": "h", "Content-Type": 'application/xml; charset="utf-8"', "CIMOperation": "MethodCall",
                       "CIMProtocolVersion": "1.0", "CIMMethod": "GetInstance", "CIMObject": "root%2Fvirtualization%2Fv2",
                       "Authorization": plain["Authorization"]}, get_vm(mid="4711", namespace=LONG), {}),
    }
    for client, (headers, body, how) in forms.items():
        how = {k: v.format(len(body.encode())) for k, v in how.items()}
        answer = ask(body, headers, **how)
        try:
            fine(answer, env["VM_ID"])
        except Failed as e:
            raise Failed(f"{client}: {e}") from e
    typed = icall("GetClass", a_class(long_form=True))
    fine(ask(typed), CLASS)


# --- what is wrong ---

def not_well_formed(body):
    refused(ask(body), 400, "request-not-well-formed")


@case("bad: other encodings")
def _():
    text = get_class()
    fine(ask(b"\xef\xbb\xbf" + text.encode()), CLASS)  # UTF-8 may say so
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-7"):
        raw = text.replace("utf-8", encoding).encode(encoding)
        not_well_formed(raw)
    for name in ("utf-16", "UTF-7", "iso-8859-1", "ebcdic-cp-us", "us-ascii", "x"):
        not_well_formed(text.replace("utf-8", name))
    for raw in (b"\xc0\xbc", b"\xe0\x80\xbc", b"\xf0\x80\x80\xbc", b"\xed\xa0\x80", b"\xff", b"\xf4\x90\x80\x80",
                b"\xc3", b"\xef\xbf\xbe", b"\x00", b"\x01", b"\x0c", b"\x1f"):
        not_well_formed(text.encode().replace(b"CIM_Job", b"CIM_" + raw + b"Job"))
    for entity in ("&#0;", "&#1;", "&#xD800;", "&#x110000;", "&#xFFFF;", "&nbsp;", "&;", "&#;", "&"):
        not_well_formed(text.replace("CIM_Job", f"CIM_{entity}Job"))


@case("bad: bombs")
def _():
    bomb = '<!DOCTYPE b [<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {chr(98 + i)} "{("&" + chr(97 + i) + ";") * 10}">' for i in range(9)) + "]>"
    for doctype in (bomb, '<!DOCTYPE CIM SYSTEM "file:///etc/passwd">', '<!DOCTYPE CIM PUBLIC "x" "http://127.0.0.1/x">',
                    '<!DOCTYPE CIM [<!ENTITY % p SYSTEM "http://127.0.0.1/"> %p;]>', "<!DOCTYPE CIM>",
                    '<!DOCTYPE CIM [<!ATTLIST CIM CIMVERSION CDATA "2.0">]>', '<!ELEMENT CIM ANY>'):
        not_well_formed(get_class().replace("?>", "?>" + doctype))
        not_well_formed(get_class().replace("</CIM>", doctype + "</CIM>"))


@case("bad: floods")
def _():
    flood = 60000
    not_well_formed("<CIM " + " ".join(f'a{i}=""' for i in range(flood)) + "/>")
    not_well_formed("<CIM " + " ".join(f'xmlns:a{i}="u{i}"' for i in range(flood // 2)) + "/>")
    not_well_formed("<CIM " + 'a="" ' * 40 + "/>")
    not_well_formed('<CIM a="" a=""/>')
    not_well_formed("<a>" * flood + "</a>" * flood)
    not_well_formed("<a>" * 65 + "</a>" * 65)
    not_well_formed("<CIM>" + "<a/>" * 200000 + "</CIM>")
    not_well_formed("<CIM>" + "<?a?>" * 150000 + "</CIM>")
    not_well_formed("<CIM>" + "<!---->" * 120000 + "</CIM>")
    not_well_formed(f'<{"n" * 900000}/>')
    not_well_formed("<!--" + "x" * 900000)
    not_well_formed("<![CDATA[" * 1000)
    refused(ask(b"", length="Content-Length: 1048577"), 413)
    fine(ask(icall("GetClass", a_class("x" * 900000))), cim=6)
    fine(ask(icall("GetClass", a_class() + "".join(iparam(f"P{i}", "<VALUE/>") for i in range(5000)))), cim=4)
    refused(ask(message("<SIMPLEREQ/>", mid="x" * 900000)), 400, "request-not-valid")
    keys = "".join(key(f"K{i}", "v") for i in range(9))
    fine(ask(icall("GetInstance", iparam("InstanceName", f'<INSTANCENAME CLASSNAME="X">{keys}</INSTANCENAME>')),
             Headers("GetInstance")), cim=4)


@case("bad: it still serves, and its memory is what it was")
def _():
    def rss():
        with open(f'/proc/{env["H1_PID"]}/status', encoding="ascii") as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))
    flood = "<CIM>" + "<a/>" * 200000 + "</CIM>"
    for _ in range(3):
        not_well_formed(flood)
    before = rss()
    for _ in range(30):
        not_well_formed(flood)
        not_well_formed("<CIM>" + "x" * 1000000)
    with open(os.path.join(os.environ["VMREPLICA_BUILD"], "vmreplicad"), "rb") as f:
        sanitized = b"__asan_" in f.read()  # keeps what was freed for a while
    if not sanitized and rss() > before + 16384:
        raise Failed(f"{before} KiB became {rss()} KiB")
    fine(ask(get_vm(), Headers("GetInstance")), env["VM_ID"])


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        env.update(line.strip().replace("'", "").split("=", 1) for line in f)
    bad = 0
    for name, fn in cases:
        try:
            fn()
        except (Failed, OSError, ValueError, KeyError, AttributeError) as e:
            bad += 1
            print(f"not ok {name}\n    {type(e).__name__} {str(e)[:600]}")
        else:
            print(f"ok {name}")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
