# SPDX-License-Identifier: Apache-2.0
"""Twenty VMs at once beside one with as many bytes

Every byte of the replicas differs. The twenty are resynchronized by one call each, all at once; two transfers run at one time, the default."""
import os
import random

from vrbench import many
from vrbench.bench import Wrong

VMS = 20


def cost(bench):
    return 20 if bench.quick else 70


def fill(path, mib, rng):
    with open(path, "wb") as f:
        for _ in range(mib):
            f.write(rng.randbytes(many.MIB))


def run(bench):
    each = 4 if bench.quick else 64
    rng = random.Random(11)
    lab = many.lab(bench, "storm")
    cases = {f"{VMS} x {each} MiB": {f"vm{i}": bench.path(f"vm{i}.img") for i in range(VMS)},
             f"1 x {VMS * each} MiB": {"big": bench.path("big.img")}}
    disks = {vm: path for vms in cases.values() for vm, path in vms.items()}
    for vm, path in disks.items():
        fill(path, VMS * each if vm == "big" else each, rng)
    lab.add(disks)
    lab.enable(disks)
    lab.await_jobs(3600)
    replicas = {vm: lab.replica(vm) for vm in disks}

    def one(case):
        for vm, path in cases[case].items():
            fill(replicas[vm], os.path.getsize(path) // many.MIB, rng)
        os.sync()
        with many.meter(lab) as m:
            lab.resync(cases[case])
            jobs = lab.await_jobs(3600)
        bench.add(case, "vmreplica", **many.sent([jobs[vm] for vm in cases[case]], m))
        for vm, path in cases[case].items():
            with open(path, "rb") as a, open(replicas[vm], "rb") as b:
                if any(a.read(many.MIB) != b.read(many.MIB) for _ in range(os.path.getsize(path) // many.MIB)):
                    raise Wrong(f"the replica of {vm} differs")

    bench.interleave([bench.task(3, "vmreplica", case, lambda case=case: one(case)) for case in cases])
    bench.drop("storm")
    for path in disks.values():
        os.unlink(path)
