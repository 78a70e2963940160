# SPDX-License-Identifier: Apache-2.0
"""Requests of management clients

One host with 1000 VMs; plain HTTP on loopback with Basic authentication, 4 connections kept open, asked by wrk, which has one thread on the same machine. Refused is a Resynchronize of a VM that is not replicated (32775); accepted is one with a StartTime (4096): each stores a job durably and supersedes the one before. The rows of WS-Man ask the same by envelopes at /wsman, the others CIM-XML. With 2000 slow connections of slowhttptest (headers, bodies, reads) a client beside them asks GetInstance 500 times on one connection: the 99th percentile, and by how much the daemon's resident memory grew."""
import base64
import http.client
import json
import os
import re
import shutil
import subprocess
import time

from vrbench import many
from vrbench.bench import Wrong

CONNECTIONS = 4
WAIT_S = 30  # for an answer: wrk's own 2 s are over beside others who make the disk busy
SLOW = 2000
NAMESPACE = ("root", "virtualization", "v2")
SERVICE = [("CreationClassName", "Msvm_ReplicationService"), ("Name", "replicasvc"),
           ("SystemCreationClassName", "Msvm_ComputerSystem"), ("SystemName", "h1.localhost")]


def cost(bench):
    return 40 if bench.quick else 165


def instance_name(cls, keys):
    bindings = "".join(f'<KEYBINDING NAME="{k}"><KEYVALUE VALUETYPE="string">{v}</KEYVALUE></KEYBINDING>'
                       for k, v in keys)
    return f'<INSTANCENAME CLASSNAME="{cls}">{bindings}</INSTANCENAME>'


def vm_keys(vm):
    return [("CreationClassName", "Msvm_ComputerSystem"), ("Name", vm)]


def system(vm):
    return instance_name("Msvm_ComputerSystem", vm_keys(vm))


class Request:
    """expect: what every answer has in it."""
    path = "/cimom"

    def __init__(self, method, call, target, cim_object, expect):
        spaces = "".join(f'<NAMESPACE NAME="{n}"/>' for n in NAMESPACE)
        namespace = f"<LOCALNAMESPACEPATH>{spaces}</LOCALNAMESPACEPATH>"
        inner = call.replace("<NS/>", namespace)
        self.expect = expect.encode()
        self.body = ('<?xml version="1.0" encoding="utf-8"?><CIM CIMVERSION="2.0" DTDVERSION="2.0">'
                     f'<MESSAGE ID="1" PROTOCOLVERSION="1.0"><SIMPLEREQ><{target} NAME="{method}">{inner}</{target}>'
                     '</SIMPLEREQ></MESSAGE></CIM>')
        self.headers = {"Content-Type": "application/xml; charset=utf-8", "CIMOperation": "MethodCall",
                        "CIMMethod": method, "CIMObject": cim_object}


class Envelope:
    path = "/wsman"
    S = "http://www.w3.org/2003/05/soap-envelope"
    A = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
    W = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
    URI = "http://schemas.microsoft.com/wbem/wsman/1/wmi/" + "/".join(NAMESPACE) + "/"

    def __init__(self, action, cls, keys, body, expect):
        self.expect = expect.encode()
        self.headers = {"Content-Type": "application/soap+xml;charset=UTF-8"}
        self.body = (f'<s:Envelope xmlns:s="{self.S}" xmlns:a="{self.A}" xmlns:w="{self.W}"><s:Header><a:To>/wsman</a:To>'
                     f'<w:ResourceURI s:mustUnderstand="true">{self.URI}{cls}</w:ResourceURI><a:ReplyTo><a:Address>{self.A}'
                     f'/role/anonymous</a:Address></a:ReplyTo><a:Action s:mustUnderstand="true">{action}</a:Action>'
                     '<a:MessageID>uuid:1</a:MessageID><w:OperationTimeout>PT60S</w:OperationTimeout>'
                     f'{self.selectors(keys)}</s:Header><s:Body>{body}</s:Body></s:Envelope>')

    @staticmethod
    def selectors(keys):
        return ("<w:SelectorSet>" + "".join(f'<w:Selector Name="{k}">{v}</w:Selector>' for k, v in keys)
                + "</w:SelectorSet>")

    @classmethod
    def get(cls, vm, expect):
        return cls("http://schemas.xmlsoap.org/ws/2004/09/transfer/Get", "Msvm_ComputerSystem", vm_keys(vm), "", expect)

    @classmethod
    def invoke(cls, vm, expect):
        service = cls.URI + "Msvm_ReplicationService"
        return cls(service + "/Resynchronize", "Msvm_ReplicationService", SERVICE,
                   f'<p:Resynchronize_INPUT xmlns:p="{service}"><p:ComputerSystem><a:Address>{cls.A}/role/anonymous'
                   f'</a:Address><a:ReferenceParameters><w:ResourceURI>{cls.URI}Msvm_ComputerSystem</w:ResourceURI>'
                   f'{cls.selectors(vm_keys(vm))}</a:ReferenceParameters></p:ComputerSystem></p:Resynchronize_INPUT>', expect)


def intrinsic(method, params, expect):
    return Request(method, "<NS/>" + params, "IMETHODCALL", "/".join(NAMESPACE), expect)


def resynchronize(vm, start, expect):
    params = f'<PARAMVALUE NAME="ComputerSystem" PARAMTYPE="reference"><VALUE.REFERENCE>{system(vm)}</VALUE.REFERENCE></PARAMVALUE>'
    if start:
        params += f'<PARAMVALUE NAME="StartTime" PARAMTYPE="datetime"><VALUE>{start}</VALUE></PARAMVALUE>'
    path = ",".join(f'{k}="{v}"' for k, v in SERVICE)
    name = instance_name("Msvm_ReplicationService", SERVICE)
    return Request("Resynchronize", f"<LOCALINSTANCEPATH><NS/>{name}</LOCALINSTANCEPATH>{params}", "METHODCALL",
                   "/".join(NAMESPACE) + ":Msvm_ReplicationService." + path, expect)


class Server:
    def __init__(self, env):
        self.host = env["H1_CIMXML"].partition("//")[2]
        secret = f'{env["OPERATOR_USER"]}:{env["OPERATOR_PASSWORD"]}'.encode()
        self.basic = "Basic " + base64.b64encode(secret).decode()

    def headers(self, request):
        return dict(request.headers, Authorization=self.basic)

    def check(self, request):
        """One answer, as it must be."""
        connection = http.client.HTTPConnection(self.host, timeout=30)
        connection.request("POST", request.path, request.body, self.headers(request))
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        if answer.status != 200 or request.expect not in text:
            raise Wrong(f"{request.path}: {answer.status} {text[-400:]}")

    def rate(self, bench, request, seconds):
        """{rate, latency}: requests a second, and the median seconds of one."""
        script = bench.path("wrk.lua")
        with open(script, "w", encoding="utf-8") as f:
            f.write(f"wrk.method = 'POST'\nwrk.body = {json.dumps(request.body)}\n")
            for name, value in self.headers(request).items():
                f.write(f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}\n")
            f.write("done = function(s, l, r)\n io.write(string.format('@ %d %d %f %f\\n', s.requests,\n"
                    " s.errors.connect + s.errors.read + s.errors.write + s.errors.status + s.errors.timeout,\n"
                    " s.duration, l:percentile(50)))\nend\n")
        self.check(request)
        done = subprocess.run(["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", f"--timeout={WAIT_S}s", "-s", script,
                               f"http://{self.host}{request.path}"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False, timeout=seconds + 2 * WAIT_S)
        self.check(request)
        m = re.search(r"^@ (\d+) (\d+) ([\d.]+) ([\d.]+)", done.stdout, re.M)
        if not m or int(m.group(2)):
            raise Wrong(f"wrk: {done.stdout[-400:]}")
        return {"rate": int(m.group(1)) / float(m.group(3)) * 1e6, "latency": float(m.group(4)) / 1e6}


    def beside_slow(self, bench, request, mode, pid):
        """{p99, grown}: of a client while slowhttptest holds its connections."""
        before = resident(pid)
        slow = subprocess.Popen(["slowhttptest", *mode, "-c", str(SLOW), "-r", str(SLOW), "-i", "3", "-l", "60", "-p", "5",
                                 "-u", f"http://{self.host}{request.path}"], stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            give_up = time.monotonic() + 30
            while sockets(pid) < SLOW * 0.9:
                if time.monotonic() > give_up or slow.poll() is not None:
                    raise Wrong(f"slowhttptest {mode[0]}: {sockets(pid)} connections, not {SLOW}")
                time.sleep(0.1)
            times = self.ask_often(request, 500)
            grown = max(resident(pid) - before, 0)
        finally:
            slow.kill()
            slow.wait()
        self.check(request)
        return {"p99": times[int(len(times) * 0.99)], "grown": grown}

    def ask_often(self, request, n):
        """The seconds of each request on one connection, sorted."""
        connection = http.client.HTTPConnection(self.host, timeout=30)
        times = []
        for _ in range(n):
            begin = time.monotonic()
            connection.request("POST", request.path, request.body, self.headers(request))
            answer = connection.getresponse()
            text = answer.read()
            times.append(time.monotonic() - begin)
            if answer.status != 200 or request.expect not in text:
                raise Wrong(f"{request.path}: {answer.status} {text[-400:]}")
        connection.close()
        return sorted(times)


def resident(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(re.search(r"^VmRSS:\s+(\d+) kB", f.read(), re.M).group(1)) * 1024


def sockets(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


SLOW_MODES = {"headers": ["-H"], "bodies": ["-B", "-s", "8192"], "reads": ["-X", "-w", "1", "-y", "2", "-n", "5", "-z", "1"]}


def slow_rows(bench, server, request, pid):
    if not shutil.which("slowhttptest"):
        bench.leave_out("slow connections", "no slowhttptest")
        return
    for name, mode in SLOW_MODES.items():
        case = f"beside {SLOW} slow {name}"

        def one(case=case, mode=mode):
            bench.add(case, "vmreplica", **server.beside_slow(bench, request, mode, pid))
        bench.interleave([bench.task(1, "vmreplica", case, one)])


def run(bench):
    bench.need("wrk")
    count = 50 if bench.quick else 1000
    seconds = 1 if bench.quick else 5
    lab = many.lab(bench, "management")
    disks = {f"vm{i:04}": bench.path(f"vm{i:04}.img") for i in range(count)}
    for path in disks.values():
        lab.sparse(path, many.MIB)
    lab.add(disks)
    names = list(disks)
    lab.enable(names[:1])
    lab.await_jobs(60)
    ids = {v["name"]: v["id"] for v in lab.ask(1, "GET", "vms")["vms"]}
    later = time.strftime("%Y%m%d%H%M%S.000000+000", time.gmtime(time.time() + 86400))
    cases = {
        "GetInstance": intrinsic("GetInstance", f'<IPARAMVALUE NAME="InstanceName">{system(ids[names[7]])}</IPARAMVALUE>',
                                 f"<VALUE>{names[7]}</VALUE>"),
        "Resynchronize, refused": resynchronize(ids[names[7]], None, "<VALUE>32775</VALUE>"),
        "Resynchronize, accepted": resynchronize(ids[names[0]], later, "<VALUE>4096</VALUE>"),
        f"EnumerateInstances of {count}": intrinsic(
            "EnumerateInstances", '<IPARAMVALUE NAME="ClassName"><CLASSNAME NAME="Msvm_ComputerSystem"/></IPARAMVALUE>',
            f"<VALUE>{names[-1]}</VALUE>"),
        "WS-Man Get": Envelope.get(ids[names[7]], f":ElementName>{names[7]}<"),
        "WS-Man Invoke, refused": Envelope.invoke(ids[names[7]], ":ReturnValue>32775<"),
    }
    server = Server(lab.env)

    def one(case, request):
        bench.add(case, "vmreplica", **server.rate(bench, request, seconds))

    bench.interleave([bench.task(3, "vmreplica", case, lambda case=case, request=request: one(case, request))
                      for case, request in cases.items()])
    slow_rows(bench, server, cases["GetInstance"], int(lab.env["H1_PID"]))
    bench.drop("management")
    for path in disks.values():
        os.unlink(path)
