# SPDX-License-Identifier: Apache-2.0
"""Memory, whatever the size of the disk

A raw disk that is one hole but for a window of data in its middle; a tenth of the window differs in scattered 4 KiB. 16 TiB less 4 KiB is the largest file that ext4 takes."""
import os
import random

from vrbench import many
from vrbench.bench import Missing, Wrong

UNIT = 4096
SIZES = {"64 GiB": 64 << 30, "16 TiB": (16 << 40) - UNIT}


def cost(bench):
    return 20 if bench.quick else 60


def fill(path, at, mib):
    rng = random.Random(7)
    with open(path, "r+b") as f:
        f.seek(at)
        for _ in range(mib):
            f.write(rng.randbytes(many.MIB))


def damage(path, at, mib, seed):
    rng = random.Random(seed)
    units = mib * many.MIB // UNIT
    with open(path, "r+b", buffering=0) as f:
        for unit in rng.sample(range(units), units // 10):
            f.seek(at + unit * UNIT)
            f.write(rng.randbytes(UNIT))


def same(first, second, at, mib):
    with open(first, "rb") as a, open(second, "rb") as b:
        a.seek(at)
        b.seek(at)
        return all(a.read(many.MIB) == b.read(many.MIB) for _ in range(mib))


def run(bench):
    mib = 64 if bench.quick else 2048
    lab = many.lab(bench, "memory")
    for case, size in SIZES.items():
        disk, vm, at = bench.path("huge.img"), "huge" + case[:2], size // 2 // UNIT * UNIT
        try:
            lab.sparse(disk, size)
        except OSError as e:
            raise Missing(f"no file of {case}: {e.strerror}") from e
        fill(disk, at, mib)
        lab.add({vm: disk})
        lab.enable([vm])
        lab.await_jobs(3600)
        replica = lab.replica(vm)
        for number in range(bench.rounds(3)):
            damage(replica, at, mib, number)
            os.sync()
            with many.meter(lab) as m:
                lab.resync([vm])
                jobs = lab.await_jobs(3600)
            bench.add(case, "vmreplica", **many.sent([jobs[vm]], m))
            if not same(disk, replica, at, mib):
                raise Wrong(f"the replica of {case} differs")
        lab.inventory.pop()
        os.unlink(disk)
        os.unlink(replica)
    bench.drop("memory")
