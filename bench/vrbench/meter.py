# SPDX-License-Identifier: Apache-2.0
"""What the two sides of a run use: time, processor, memory, disk, wire.

A side is a set of processes with all their descendants: daemons that were there before, and commands that the run
starts. Side 1 has the source, side 2 the replica."""
import os
import re
import subprocess
import threading
import time

TICK = os.sysconf("SC_CLK_TCK")
SAMPLE_S = 0.05


def read(path):
    try:
        with open(path, encoding="ascii", errors="replace") as f:
            return f.read()
    except (OSError, ProcessLookupError):  # it ended meanwhile
        return ""


def tree(pid):
    """pid and its descendants."""
    found = [int(pid)]
    for p in found:
        try:
            tasks = os.listdir(f"/proc/{p}/task")
        except OSError:
            continue
        for t in tasks:
            found += [int(c) for c in read(f"/proc/{p}/task/{t}/children").split()]
    return found


def cpu_s(pids):
    """Processor seconds so far, with those of children that ended and were waited for."""
    total = 0
    for root in pids:
        for p in tree(root):
            fields = read(f"/proc/{p}/stat").rpartition(")")[2].split()
            if fields:
                total += sum(int(x) for x in fields[11:15])
    return total / TICK


def written(pids):
    """Bytes that the processes, and children that ended, caused to be written to storage; None when it may not be read,
    as of a daemon of which no core may be dumped, by anybody but root."""
    total = 0
    for root in pids:
        for p in tree(root):
            m = re.search(r"^write_bytes: (\d+)", read(f"/proc/{p}/io"), re.M)
            if not m:
                return None
            total += int(m.group(1))
    return total


def memory(pids):
    """(peak of the whole resident set, own pages now): bytes, summed over the processes. The first has file-mapped
    pages in it, program text for one; the second is anonymous and shared memory."""
    peak = own = 0
    for root in pids:
        for p in tree(root):
            status = dict(re.findall(r"^(VmHWM|RssAnon|RssShmem):\s+(\d+)", read(f"/proc/{p}/status"), re.M))
            peak += int(status.get("VmHWM", 0)) << 10
            own += int(status.get("RssAnon", 0)) + int(status.get("RssShmem", 0)) << 10
    return peak, own


def reset_peak(pids):
    for root in pids:
        for p in tree(root):
            try:
                with open(f"/proc/{p}/clear_refs", "w", encoding="ascii") as f:
                    f.write("5")
            except OSError:
                pass


class Meter:
    """with Meter(side1, side2, link) as m: m.run(1, [...]); then m.figures()."""

    def __init__(self, side1=(), side2=(), link=None):
        self.roots = {1: list(side1), 2: list(side2)}
        self.link = link
        self.ended_cpu = {1: 0.0, 2: 0.0}
        self.peaks = {1: [0, 0], 2: [0, 0]}
        self.wall = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self):
        for side in (1, 2):
            reset_peak(self.roots[side])
        self._cpu = {s: cpu_s(self.roots[s]) for s in (1, 2)}
        self._written = written(self.roots[2])
        self._wire = self.link.counters() if self.link else None
        self._thread.start()
        self._start = time.monotonic()
        return self

    def __exit__(self, *_):
        if self.wall is None:
            self.wall = time.monotonic() - self._start
        self._stop.set()
        self._thread.join()
        self._look()
        self.cpu = {s: cpu_s(self.roots[s]) - self._cpu[s] + self.ended_cpu[s] for s in (1, 2)}
        after = written(self.roots[2])
        self.disk = None if after is None or self._written is None else after - self._written
        if self.link:
            self.wire = [b - a for a, b in zip(self._wire, self.link.counters())]

    def _look(self):
        for side in (1, 2):
            for i, v in enumerate(memory(list(self.roots[side]))):
                self.peaks[side][i] = max(self.peaks[side][i], v)

    def _sample(self):
        while not self._stop.wait(SAMPLE_S):
            self._look()

    def start(self, side, command, **kw):
        p = subprocess.Popen(command, **{"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, **kw})
        self.roots[side].append(p.pid)
        return p

    def finish(self, side, p, ok=(0,)):
        _, status, used = os.wait4(p.pid, 0)
        p.returncode = os.waitstatus_to_exitcode(status)
        self.roots[side].remove(p.pid)
        self.ended_cpu[side] += used.ru_utime + used.ru_stime
        if p.returncode not in ok:
            raise subprocess.CalledProcessError(p.returncode, p.args)

    def run(self, side, command, ok=(0,), **kw):
        self.finish(side, self.start(side, command, **kw), ok)

    def run_both(self, first, second):
        """Two commands at the same time, one a side."""
        procs = [(1, self.start(1, first)), (2, self.start(2, second))]
        for side, p in procs:
            self.finish(side, p)

    def figures(self):
        f = {"wall": self.wall, "cpu1": self.cpu[1], "cpu2": self.cpu[2], "disk": self.disk,
             "peak1": self.peaks[1][0], "peak2": self.peaks[2][0], "anon1": self.peaks[1][1],
             "anon2": self.peaks[2][1]}
        if self.link:
            f["out"], f["back"] = self.wire
        return f
