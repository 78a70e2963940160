# SPDX-License-Identifier: Apache-2.0
"""Warm page cache, a link as fast as the machine

Both images are in memory before each run. rsync, nbdcopy and qemu-img convert overwrite the replica as they go: cut
short, they leave neither the old state nor the new one. rsync without --fsync is not durable when it ends; the others
and we are. A full copy costs the same whatever differs, so it is measured once, at 100 %, and is a rival in every case.
qemu-img compare writes nothing, and reads the whole replica over the link. casync is at its nearest use: a chunk store
made of the source, the replica extracted as a new file with the old one as seed, all on one file system, and with the
first sixteenth of the disk only, since it takes minutes otherwise. "1 MiB, a hole" is a disk without data: the bytes
that a resynchronization costs whatever the size. Two cats, and what is called digested, packed, TLS
transfer or written, are floors: parts of the work, each by itself; the seconds of the differences are without reading
and without finding them."""
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
OPENING = "1 MiB, a hole"
ORDER = CASES + [OPENING] + ["vmreplica"] + [r[0] for r in RIVALS] + [
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

    def opening(self):
        """What every resynchronization sends, however small its disk is."""
        lab = self.bench.shared("opening", self.small_lab)
        self.bench.add(OPENING, "vmreplica", **lab.resync())

    def small_lab(self):
        disk = self.bench.path("opening.img")
        with open(disk, "wb") as f:
            f.truncate(1 << 20)
        lab = Lab(self.bench, "lab-opening", [f"{disk}:raw"], self.site.link)
        lab.resync()
        return lab

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
             bench.task(3, "vmreplica", OPENING, lan.opening)]
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
    bench.drop("opening")
