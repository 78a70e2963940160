# SPDX-License-Identifier: Apache-2.0
"""Pairs of images that differ in a known way: the same bytes in every run of the suite."""
import json
import os
import subprocess

from vrbench.bench import Wrong

SEED = 42
# name: permille of the units that differ, bytes of a unit, seed. None: the replica is empty.
CASES = {
    "0 %": (0, 65536, 0),
    "0.1 % in 64 KiB": (1, 65536, 11),
    "1 % in 64 KiB": (10, 65536, 12),
    "10 % in 64 KiB": (100, 65536, 13),
    "0.1 % in 4 KiB": (1, 4096, 14),
    "1 % in 4 KiB": (10, 4096, 15),
    "10 % in 4 KiB": (100, 4096, 16),
    "100 %": None,
}


def create(bench, path, mib, seed=SEED):
    subprocess.run([bench.program("mkimg"), "create", path, str(mib), str(seed)], check=True)


class Pair:
    """Two raw images: set() makes the replica differ, check() sees that it does not any more."""

    def __init__(self, bench, source, replica):
        self.bench, self.source, self.replica = bench, source, replica
        self.equal = False

    def set(self, case):
        what = CASES[case]
        if not self.equal:  # the run before changed nothing, or failed
            self.mend()
        self.equal = what is not None and what[0] == 0
        self.floor("holes")
        if what is None:
            size = os.path.getsize(self.source)
            os.truncate(self.replica, 0)
            os.truncate(self.replica, size)
        elif what[0]:
            subprocess.run([self.bench.program("mkimg"), "alter", self.replica, *(str(x) for x in what)], check=True)

    def floor(self, verb, *more):
        """What bench-floor says of the pair."""
        done = subprocess.run([self.bench.program("floor"), verb, self.source, self.replica, *more],
                              stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode not in (0, 1):
            raise RuntimeError(f"bench-floor {verb} failed")
        return json.loads(done.stdout)

    def check(self, who):
        n = self.floor("differ")["differing"]
        if n:
            raise Wrong(f"the replica differs from the source in {n} bytes after {who}")
        self.equal = True

    def mend(self):
        """Makes them equal by writing what differs; what bench-floor says of that."""
        said = self.floor("place")
        self.equal = True
        return said
