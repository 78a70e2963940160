# SPDX-License-Identifier: Apache-2.0
"""Warm page cache, a link as fast as the machine

The images are read before each run, so that both are in memory."""
from vrbench import cache, images
from vrbench.meter import Meter
from vrbench.site import site

CASES = list(images.CASES)


def cost(bench):
    return 60 + 1000 * bench.mib / 8192


def run(bench):
    s = site(bench)
    bench.results.meta["order"]["lan"] = CASES + ["vmreplica"]

    def ours(case):
        s.pair.set(case)
        cache.warm(s.source, s.replica)
        bench.add(case, "vmreplica", **s.lab.resync())
        s.pair.check(f"our resync, {case}")

    def cats():
        cache.warm(s.source, s.replica)
        with Meter() as m:
            m.run_both(["cat", s.source], ["cat", s.replica])
        bench.add("0 %", "two cats", **m.figures())

    tasks = [(bench.rounds(3), f"vmreplica, {c}", lambda c=c: ours(c)) for c in CASES]
    tasks.append((bench.rounds(5), "two cats", cats))
    bench.interleave(tasks)
