# SPDX-License-Identifier: Apache-2.0
"""What a running guest feels

A guest by software emulation writes 4 KiB to one of its two disks after the other, each write durable before the next, with a
millisecond between pairs, and counts itself how long each took. Alone and while resynchronizations run one after the other, in
turn; then while cycles of 30 s run. "apart": the replica is in memory and its daemon gets the processors that nobody wants,
as if it had a machine of its own; "beside": it shares the guest's disk and processors, which no two hosts do.
"ratio" is of the 99th percentiles, to alone in the same round."""
import os
import subprocess
from collections import Counter

from vrbench.bench import Missing, ROOT

PLACES = {"apart": "the replica apart", "beside": "the replica beside it"}
SKIPPED = 77


def cost(bench):
    return 30 if bench.quick else 200


def percentile(hist, part):
    left = part * sum(hist.values())
    for us in sorted(hist):
        left -= hist[us]
        if left <= 0:
            return us / 1e6
    raise RuntimeError("the guest wrote nothing")


def figures(hist):
    return {"p50": percentile(hist, 0.5), "p99": percentile(hist, 0.99), "longest": max(hist) / 1e6}


def phases(text):
    """[(case, how many resyncs or cycles, Counter of microseconds)]"""
    out = []
    for line in text.splitlines():
        words = line.split()
        if words[0] == "phase":
            out.append((words[1], int(words[2]), Counter()))
        else:
            for word in words:
                us, _, n = word.partition(":")
                out[-1][2][int(us)] += int(n)
    return out


def measure(bench, place, rounds):
    mib, seconds = (64, 3) if bench.quick else (min(bench.mib, 1024), 15)
    done = subprocess.run([os.path.join(ROOT, "bench/guestlab"), bench.build, str(mib), str(seconds), str(rounds), place],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode == SKIPPED:
        raise Missing(done.stdout.strip())
    if done.returncode:
        raise RuntimeError(f"guestlab: {(done.stderr or done.stdout).strip()[-300:]}")
    alone = None
    for case, runs, hist in phases(done.stdout):
        row = figures(hist)
        if case == "alone":
            alone = row["p99"]
        elif runs == 0:
            raise RuntimeError(f"nothing ran in the phase {case}")
        bench.add(f"{case}, {PLACES[place]}", "guest", **row, ratio=row["p99"] / alone)


def run(bench):
    bench.need_root()
    for place in PLACES:
        if bench.quick and place != "apart":
            continue
        task = bench.task(3, "guest", f"resync, {PLACES[place]}", lambda p=place: measure(bench, p, bench.rounds(3)))
        if bench.wanted(task):
            bench.measure(task, "all rounds")
