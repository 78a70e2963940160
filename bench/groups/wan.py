# SPDX-License-Identifier: Apache-2.0
"""Slower and longer links

The hosts are joined by a delay line of half the round trip in each direction (bench/delayline.c between two tun
devices; it drops nothing) behind a token bucket of the rate (tbf, a burst of 2 ms but at least 66 KiB, a queue of
64 MiB), with the kernel's own socket buffer limits and CUBIC, Linux's default for congestion control, whatever this
machine's is. The case is 1 % in 64 KiB unless another is named: at 1 Gbit/s
reading both disks takes longer than sending 1 %, so that only 10 % fills the link. "Link busy" is what the token bucket
let through between 2 and 98 % of the bytes, of what it could have: looked at ten times a second or more often. "One TCP
stream" is a floor: as many bytes as we send, from memory to nowhere, over one connection made for it, whose send buffer
is as large as ours. What it takes more with the delay is TCP's slow start; the same case with ten times the bytes tells
what is paid once from what each byte pays.
"Paused at half" is a transfer that was paused when half of its bytes had been sent, then resumed; "sent again" is what
it took more than the one that was not. "1 % of 40 GiB" is a thin disk: its source gets another percent of data in 64 KiB
before each run. At 100 Mbit/s that takes half a minute, so that what the delay costs once, 0.8 s by the arithmetic of
docs/internals/long-lines.md, is a few percent; it is a fifth of the 4 s that 1 % of 8 GiB take."""
import json
import os
import subprocess
import threading
import time

from vrbench import cache, floors, images, rivals
from vrbench.bench import Missing
from vrbench.lab import VM, Lab
from vrbench.net import LONG
from vrbench.site import site

CASE, MORE = "1 % in 64 KiB", "10 % in 64 KiB"
# Mbit/s, ms of a round trip, case, rounds, rounds of rsync
ROWS = [(mbit, rtt, CASE, 2, 1) for mbit in (100, 1000) for rtt in (0, 20, 100)] + [
    (1000, rtt, MORE, 1, 0) for rtt in (0, 20, 100)]
STREAMS = [(100, 0, CASE), (100, 100, CASE), (1000, 0, MORE), (1000, 100, MORE)]
THIN, THIN_GIB = "1 % of 40 GiB", 40
THIN_ROWS = [(100, 0, THIN), (100, 100, THIN)]
PAUSED = (100, 20, CASE)
SAMPLE_S = 0.05
FIRST, LAST = 0.02, 0.98


def cost(bench):
    return 50 + 560 * bench.mib / 8192


def name(mbit, rtt, case):
    return f"{mbit} Mbit/s, {rtt} ms" + {CASE: "", MORE: ", 10 %", THIN: ", " + THIN}[case]


class Bucket(threading.Thread):
    """Samples how many bytes the token bucket of the source's side let through: with the headers of every packet of
    a large segment, which the device's own counter has once."""

    def __init__(self, link):
        super().__init__(daemon=True)
        self.command = ["tc", "-s", "-j", "-n", link.name(1), "qdisc", "show", "dev", LONG, "root"]
        self.samples, self.stop = [], threading.Event()

    def look(self):
        out = subprocess.run(self.command, stdout=subprocess.PIPE, text=True, check=True).stdout
        self.samples.append((time.monotonic(), json.loads(out)[0]["bytes"]))

    def run(self):
        while not self.stop.wait(SAMPLE_S):
            self.look()

    def __enter__(self):
        self.look()
        self.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.join()
        self.look()

    def when(self, share):
        """The time by which that share of the bytes was through, between two samples in proportion."""
        base, end = self.samples[0][1], self.samples[-1][1]
        want = base + share * (end - base)
        for (t0, b0), (t1, b1) in zip(self.samples, self.samples[1:]):
            if b1 >= want and b1 > b0:
                return t0 + (t1 - t0) * (want - b0) / (b1 - b0)
        return self.samples[-1][0]

    def busy(self, mbit):
        total = self.samples[-1][1] - self.samples[0][1]
        took = self.when(LAST) - self.when(FIRST)
        return total * (LAST - FIRST) / (took * mbit * 125000) if took > 0 else None


class ThinDisk:
    """Two hosts of their own with a large disk that is nearly empty."""

    def __init__(self, bench, link):
        self.bench, self.disk, self.seed = bench, bench.path("long.img"), 100
        with open(self.disk, "wb") as f:
            f.truncate((THIN_GIB << 30) // (64 if bench.quick else 1))
        self.change()
        self.lab = Lab(bench, "lab-long", [f"{self.disk}:raw"], link)
        self.pair = images.Pair(bench, self.disk, self.lab.disk(2))

    def change(self):
        """Another percent of the source's regions, as good as all of them holes so far, becomes data."""
        self.seed += 1
        subprocess.run([self.bench.program("mkimg"), "alter", self.disk, "10", "65536", str(self.seed)], check=True)
        os.sync()

    def close(self):
        self.lab.close()
        os.unlink(self.disk)


class Wan:
    def __init__(self, bench):
        self.bench, self.site = bench, site(bench)

    def ready(self, mbit, rtt, case):
        self.site.pair.set(case)
        cache.warm(self.site.source, self.site.replica)
        self.site.link.shape(self.bench.program("delayline"), mbit, rtt)

    def try_line(self):
        """A kernel without tun or tbf has no slow link."""
        try:
            self.site.link.shape(self.bench.program("delayline"), 1000, 1)
        except (RuntimeError, subprocess.CalledProcessError) as e:
            raise Missing(f"no slow link: {e}") from e

    def ours(self, mbit, rtt, case):
        self.ready(mbit, rtt, case)
        with Bucket(self.site.link) as bucket:
            figures = self.site.lab.resync()
        self.bench.add(name(mbit, rtt, case), "vmreplica", busy=bucket.busy(mbit), **figures)
        self.site.pair.check(f"our resync, {name(mbit, rtt, case)}")

    def thin_disk(self):
        self.site.link.unshape()
        return ThinDisk(self.bench, self.site.link)

    def thin(self, mbit, rtt, case):
        thin = self.bench.shared("long", self.thin_disk)
        thin.change()
        self.site.link.shape(self.bench.program("delayline"), mbit, rtt)
        with Bucket(self.site.link) as bucket:
            figures = thin.lab.resync()
        self.bench.add(name(mbit, rtt, case), "vmreplica", busy=bucket.busy(mbit), **figures)
        thin.pair.check(f"our resync, {name(mbit, rtt, case)}")

    def rsync(self, mbit, rtt, case):
        self.ready(mbit, rtt, case)
        with Bucket(self.site.link) as bucket:
            figures = rivals.rsync(self.bench, self.site)
        self.bench.add(name(mbit, rtt, case), "rsync", busy=bucket.busy(mbit), **figures)
        self.site.pair.check("rsync")

    def stream(self, mbit, rtt, case):
        """After ours: as many bytes."""
        size = self.bench.results.median(self.bench.group, name(mbit, rtt, case), "vmreplica", "out")
        if size is None:
            raise Missing("our row was not measured")
        self.site.link.shape(self.bench.program("delayline"), mbit, rtt)
        self.bench.add(name(mbit, rtt, case), "one TCP stream", wall=floors.stream(self.site.link, int(size)), out=size)

    def paused(self, mbit, rtt, case):
        """After the others: it needs to know how many bytes there are."""
        whole = self.bench.results.median(self.bench.group, name(mbit, rtt, case), "vmreplica", "out")
        self.ready(mbit, rtt, case)
        lab, link = self.site.lab, self.site.link
        with lab.meter() as m:
            before = link.counters()[0]
            lab.cli(1, "resync", VM)
            while link.counters()[0] - before < whole / 2 and not lab.last_job()["finished_state"]:
                time.sleep(0.01)
            self.pause()
            try:
                self.await_suspended()
            finally:
                lab.cli(1, "resume", VM)  # the relationship, when the job had ended before it could be paused
            lab.await_end()
        figures = m.figures()
        self.bench.add(name(mbit, rtt, case), "vmreplica, paused at half", extra=figures["out"] - whole, **figures)
        self.site.pair.check("a paused and resumed resync")

    def pause(self):
        try:
            self.site.lab.cli(1, "pause", VM)
        except RuntimeError as e:
            if "too late" in str(e) or self.site.lab.last_job()["finished_state"]:
                raise Missing("the transfer was over before it could be paused") from e
            raise

    def await_suspended(self):
        end = time.monotonic() + 120
        while (job := self.site.lab.last_job())["state_text"] != "suspended":
            if job["state_text"] == "completed":
                raise Missing("the transfer was over before it could be paused")
            if job["finished_state"] or time.monotonic() > end:
                raise RuntimeError(f"job {job['id']} did not pause: it is {job['state_text']}")
            time.sleep(0.02)


def run(bench):
    bench.need_root()
    bench.need("tc")
    w = Wan(bench)
    if not w.site.link.prefix:
        raise Missing("no network namespaces")
    tasks = []
    for *row, ours, theirs in ROWS:
        tasks.append(bench.task(ours, "vmreplica", name(*row), lambda r=row: w.ours(*r)))
        if theirs:
            tasks.append(bench.task(theirs, "rsync", name(*row), lambda r=row: w.rsync(*r)))
    tasks += [bench.task(2, "vmreplica", name(*row), lambda r=row: w.thin(*r)) for row in THIN_ROWS]
    bench.results.meta["order"][bench.group] = [name(*row[:3]) for row in ROWS + THIN_ROWS] + [
        "vmreplica", "vmreplica, paused at half", "rsync", "one TCP stream"]
    try:
        w.try_line()
        bench.interleave(tasks)
        bench.interleave([bench.task(3, "one TCP stream", name(*r), lambda r=r: w.stream(*r)) for r in STREAMS])
        bench.interleave([bench.task(1, "vmreplica, paused at half", name(*PAUSED), lambda: w.paused(*PAUSED))])
    finally:
        w.site.link.unshape()
        bench.drop("long")
