# SPDX-License-Identifier: Apache-2.0
"""Cold page cache

The page cache is dropped before each run. Both images are on one disk here, so both sides share what it gives; its
own rate is what fio gets for the data of both images at once, past the page cache, with buffers of huge pages, by the
best of a few settings. A disk that others use, too, is not equally fast at all times: fio runs right before and right
after ours, and what counts is the mean of these two times by ours, in each round."""
from vrbench import cache, floors, rivals
from vrbench.site import site

OURS = {"1 % in 64 KiB": 2, "1 % in 4 KiB": 2}
ORDER = ["0 %"] + list(OURS) + ["vmreplica", "rsync", "two cats", "storage"]


def cost(bench):
    return 20 + 110 * bench.mib / 8192


def run(bench):
    bench.need_root()
    cache.cold()  # or else it cannot be done here
    s = site(bench)
    bench.results.meta["order"][bench.group] = ORDER

    def ready(case):
        s.pair.set(case)
        cache.cold()

    def ours(case):
        ready(case)
        figures = s.lab.resync()
        s.pair.check(f"our resync, {case}, cold")
        return figures

    def rsync(case):
        ready(case)
        bench.add(case, "rsync", **rivals.rsync(bench, s))
        s.pair.check("rsync")

    def cats():
        ready("0 %")
        bench.add("0 %", "two cats", **floors.cats(s.source, s.replica))

    best = []

    def storage():
        """The settings that were best the first time are those of all others."""
        ready("0 %")
        wall, how = floors.storage(bench, [s.source, s.replica], *best)
        bench.add("0 %", "storage", wall=wall)
        if not best:
            best.append(how)
            bench.note(f"storage: fio, {how[0]}, O_DIRECT, {how[1] >> 10} KiB x {how[2]}, best of {len(floors.DIRECT)}")
        return wall

    def between():
        before = storage()
        figures = ours("0 %")
        figures["share"] = (before + storage()) / 2 / figures["wall"]
        bench.add("0 %", "vmreplica", **figures)

    tasks = [bench.task(3, "vmreplica", "0 %", between, ["storage"])]
    tasks += [bench.task(n, "vmreplica", c, lambda c=c: bench.add(c, "vmreplica", **ours(c))) for c, n in OURS.items()]
    tasks += [bench.task(1, "rsync", c, lambda c=c: rsync(c)) for c in ("0 %", "1 % in 64 KiB")]
    tasks += [bench.task(2, "two cats", "0 %", cats)]
    bench.interleave(tasks)
