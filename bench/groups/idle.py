# SPDX-License-Identifier: Apache-2.0
"""Thousands of relationships, idle

Each VM has one disk of 1 MiB. Started anew, nothing to do; looked at for ten seconds. A request has a connection of its own."""
import os
import statistics
import time

from vrbench import many

IDLE_S = 10
LOOKS = 200


def cost(bench):
    return 20 if bench.quick else 180


def run(bench):
    count, idle_s = (100, 2) if bench.quick else (5000, IDLE_S)
    lab = many.lab(bench, "idle", ["limits.transfers=8"])
    disks = {f"vm{i:04}": bench.path(f"vm{i:04}.img") for i in range(count)}
    for path in disks.values():
        lab.sparse(path, many.MIB)
    lab.add(disks)
    lab.enable(disks)
    lab.await_jobs(3600)
    for host in (1, 2):
        lab.restart(host)
    before = {h: lab.process(h).cpu_s() for h in (1, 2)}
    time.sleep(idle_s)
    names = list(disks)
    for host, role in ((1, "primary"), (2, "replica")):
        p = lab.process(host)
        bench.add(f"{count} relationships", role, rss=p.rss(), threads=p.threads(), fds=len(p.fds()),
                  cpu_rate=(p.cpu_s() - before[host]) / idle_s)
        bench.add("one VM by its name", role,
                  latency=statistics.median(lab.latencies(host, lambda i: "vms/" + names[i * 37 % count], LOOKS)))
        bench.add("all relationships", role,
                  latency=statistics.median(lab.latencies(host, lambda i: "relationships", 3)))
    bench.drop("idle")
    for path in disks.values():
        os.unlink(path)
