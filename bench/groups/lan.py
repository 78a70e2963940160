# SPDX-License-Identifier: Apache-2.0
"""Warm page cache, a link as fast as the machine

Both images are in memory before each run. rsync, nbdcopy and qemu-img convert overwrite the replica as they go: cut
short, they leave neither the old state nor the new one. rsync without --fsync is not durable when it ends; the others
and we are. A full copy costs the same whatever differs, so it is measured once, at 100 %, and is a rival in every case.
qemu-img compare writes nothing, and reads the whole replica over the link. casync is at its nearest use: a chunk store
made of the source, the replica extracted as a new file with the old one as seed, all on one file system, and with the
first sixteenth of the disk only, since it takes minutes otherwise. "4 KiB in each MiB" is a disk of
64 GiB with as much data as says its name, equal on both sides: the bytes on the wire that a large disk costs when all its digests are
told. Two cats, and what is called digested, packed, TLS
transfer or written, are floors: parts of the work, each by itself; the seconds of the differences are without reading
and without finding them."""
import os

from vrbench import cache, floors, images, rivals
from vrbench.lab import Lab
from vrbench.site import site

CASES = list(images.CASES)
# who, function, {case: rounds}; a case that takes minutes gets one round.
RIVALS = [
    ("rsync", rivals.rsync, {c: 2 if c[:3] in ("0 %", "0.1") or c == "1 % in 64 KiB" else 1 for c in CASES}),
    ("rsync --fsync", rivals.rsync_fsync, {c: 1 for c in CASES if not c.startswith("10")}),
    ("nbdcopy --flush", rivals.nbdcopy, {"100 %": 2}),
    ("nbdcopy --flush, TLS", rivals.nbdcopy_tls, {"100 %": 2}),
    ("qemu-img convert", rivals.convert, {"100 %": 2}),
    ("qemu-img compare", rivals.compare, {"0 %": 2}),
    ("casync (1/16 of the disk)", rivals.casync, {"1 % in 64 KiB": 1}),
]
CHANGES_NOTHING = ("qemu-img compare", "casync (1/16 of the disk)")
THIN, THIN_GIB, UNIT = "4 KiB in each MiB", 64, 4096
ORDER = CASES + [THIN] + ["vmreplica"] + [r[0] for r in RIVALS] + [
    "two cats", "both digested", "differences packed", "TLS transfer", "differences written once",
    "differences written twice"]


def cost(bench):
    return 60 + 880 * bench.mib / 8192


class Lan:
    def __init__(self, bench):
        self.bench, self.site = bench, site(bench)
        self.pair = self.site.pair

    def ready(self, case):
        self.pair.set(case)
        cache.warm(self.pair.source, self.pair.replica)

    def ours(self, case):
        self.ready(case)
        self.bench.add(case, "vmreplica", **self.site.lab.resync())
        self.pair.check(f"our resync, {case}")

    def thin(self):
        lab = self.bench.shared("thin", self.thin_lab)
        self.bench.add(THIN, "vmreplica", **lab.resync())

    def thin_lab(self):
        nodes = 256 if self.bench.quick else THIN_GIB << 10
        disk, unit = self.bench.path("thin.img"), bytearray(os.urandom(UNIT))
        with open(disk, "wb", buffering=0) as f:
            f.truncate(nodes << 20)
            for node in range(nodes):
                unit[:8] = node.to_bytes(8, "little")
                f.seek((node << 20) + node * 7919 % 256 * UNIT)
                f.write(unit)
        return Lab(self.bench, "lab-thin", [f"{disk}:raw"], self.site.link)

    def rival(self, who, function, case):
        self.ready(case)
        self.bench.add(case, who, **function(self.bench, self.site))
        if who not in CHANGES_NOTHING:
            self.pair.check(who)

    def cats(self):
        self.ready("0 %")
        self.bench.add("0 %", "two cats", **floors.cats(self.pair.source, self.pair.replica))
        self.bench.add("0 %", "both digested", **floors.digests(self.bench, self.pair.source, self.pair.replica))

    def differences(self, case):
        self.ready(case)
        if case == "100 %":
            self.bench.add(case, "both digested", **floors.digests(self.bench, self.pair.source, self.pair.replica))
        packed = floors.differences(self.bench, self.pair, case)["packed"]
        if case == "100 %":
            self.bench.add(case, "TLS transfer", **floors.tls_transfer(self.bench, self.site, packed))


def run(bench):
    lan = Lan(bench)
    bench.results.meta["order"][bench.group] = ORDER
    tasks = [bench.task(5, "two cats", "0 %", lan.cats, ["both digested"]),
             bench.task(1, "vmreplica", THIN, lan.thin)._replace(rounds=1)]  # bytes do not vary
    for case in CASES:
        tasks.append(bench.task(3, "vmreplica", case, lambda c=case: lan.ours(c)))
        if case != "0 %":
            tasks.append(bench.task(2, "differences packed", case, lambda c=case: lan.differences(c),
                                    ["differences written once", "differences written twice"]
                                    + (["both digested", "TLS transfer"] if case == "100 %" else [])))
    for who, function, cases in RIVALS:
        for case, usual in cases.items():
            tasks.append(bench.task(usual, who, case, lambda w=who, f=function, c=case: lan.rival(w, f, c)))
    bench.interleave(tasks)
    bench.drop("thin")
