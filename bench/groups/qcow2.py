# SPDX-License-Identifier: Apache-2.0
"""qcow2 on both sides, warm page cache

The daemons read and write qcow2 through qemu-nbd. "nbdcopy to null:" reads the same images the same way and throws
them away: the source's alone, and both at once, which is what a compare of two disks does on this one machine."""
import os
import random
import subprocess
import time

from vrbench import cache, images
from vrbench.bench import Wrong
from vrbench.lab import Lab
from vrbench.meter import Meter
from vrbench.site import link

CASES = {"0 %": 3, "1 % in 64 KiB": 2, "1 % in 4 KiB": 2}
ORDER = list(CASES) + ["vmreplica", "qemu-img compare", "nbdcopy to null:, source alone",
                       "nbdcopy to null:, both at once"]
START_S = 20


def cost(bench):
    return 20 + 120 * bench.mib / 8192


class QemuNbd:
    """with QemuNbd(bench, file) as s: s.uri, s.pid. As the daemon starts it, for reading."""

    def __init__(self, bench, path):
        self.socket = bench.path(f"nbd{abs(hash(path)) % 10000}.sock")
        self.command = ["qemu-nbd", "-r", "-t", "-e", "1", "-k", self.socket, "-f", "qcow2", path]
        self.uri = f"nbd+unix:///?socket={self.socket}"

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL)
        self.pid = self.process.pid
        end = time.monotonic() + START_S
        while not os.path.exists(self.socket):
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("qemu-nbd did not start")
            time.sleep(0.01)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        if os.path.exists(self.socket):
            os.unlink(self.socket)


class Qcow2:
    def __init__(self, bench):
        self.bench = bench
        raw, self.source = bench.path("forqcow2.img"), bench.path("src.qcow2")
        images.create(bench, raw, bench.mib)
        subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, self.source], check=True)
        os.unlink(raw)
        self.lab = Lab(bench, "lab-qcow2", [f"{self.source}:qcow2"], link(bench))
        self.replica = self.lab.disk(2)
        cache.warm(self.source, self.replica)
        self.lab.resync()

    def close(self):
        self.lab.close()
        os.unlink(self.source)

    def set(self, case):
        """Random writes by qemu-io; it knows one byte value at a time, so a unit is all one value."""
        permille, unit, seed = images.CASES[case]
        rnd = random.Random(seed)
        units = (self.bench.mib << 20) // unit
        script = "".join(f"write -q -P {rnd.randrange(1, 256)} {u * unit} {unit}\n"
                         for u in sorted(rnd.sample(range(units), units * permille // 1000)))
        if script:
            subprocess.run(["qemu-io", "-f", "qcow2", self.replica], input=script, text=True, check=True,
                           stdout=subprocess.DEVNULL)

    def ready(self, case):
        self.set(case)
        cache.warm(self.source, self.replica)

    def ours(self, case):
        self.ready(case)
        self.bench.add(case, "vmreplica", **self.lab.resync())
        code = subprocess.run(["qemu-img", "compare", "-q", "-f", "qcow2", "-F", "qcow2", self.source,
                               self.replica], check=False).returncode
        if code == 1:
            raise Wrong(f"the qcow2 replica differs from the source after our resync, {case}")
        if code:
            raise RuntimeError("qemu-img cannot compare the qcow2 images")

    def compare(self):
        self.ready("0 %")
        with Meter() as m:
            m.run(1, ["qemu-img", "compare", "-q", "-f", "qcow2", "-F", "qcow2", self.source, self.replica])
        self.bench.add("0 %", "qemu-img compare", **m.figures())

    def alone(self):
        self.ready("0 %")
        with QemuNbd(self.bench, self.source) as a, Meter([a.pid]) as m:
            m.run(1, ["nbdcopy", a.uri, "null:"])
        self.bench.add("0 %", "nbdcopy to null:, source alone", **m.figures())

    def both(self):
        self.ready("0 %")
        with QemuNbd(self.bench, self.source) as a, QemuNbd(self.bench, self.replica) as b:
            with Meter([a.pid], [b.pid]) as m:
                m.run_both(["nbdcopy", a.uri, "null:"], ["nbdcopy", b.uri, "null:"])
        self.bench.add("0 %", "nbdcopy to null:, both at once", **m.figures())


def run(bench):
    bench.need("qemu-img", "qemu-nbd", "qemu-io")
    q = bench.shared("qcow2", lambda: Qcow2(bench))
    bench.results.meta["order"][bench.group] = ORDER

    def nbdcopy(function):
        bench.need("nbdcopy")
        function()

    tasks = [bench.task(n, "vmreplica", c, lambda c=c: q.ours(c)) for c, n in CASES.items()]
    tasks += [bench.task(2, "qemu-img compare", "0 %", q.compare),
              bench.task(3, "nbdcopy to null:, source alone", "0 %", lambda: nbdcopy(q.alone)),
              bench.task(3, "nbdcopy to null:, both at once", "0 %", lambda: nbdcopy(q.both))]
    bench.interleave(tasks)
    bench.drop("qcow2")  # its images are as large as all others together
