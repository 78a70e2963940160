# SPDX-License-Identifier: Apache-2.0
"""The two hosts that most groups share: a link, a pair of raw images, daemons."""
import os
import subprocess

from vrbench import cache, floors, images, net
from vrbench.lab import Lab


NODE = 1 << 20  # what has one digest


def nodes_with_data(path):
    """Each of them costs a digest on the wire, however much of it is a hole."""
    seen, last = 0, -1
    for at, n in floors.extents(path):
        first, end = max(at // NODE, last + 1), (at + n - 1) // NODE
        seen += end - first + 1
        last = end
    return seen


def make_link(bench):
    if bench.root:
        try:
            return net.Link()
        except (OSError, subprocess.CalledProcessError) as e:  # root of a container, perhaps
            bench.note(f"no network namespaces, hence loopback: {e}")
    return net.Loopback()


def link(bench):
    """Namespaces as root, loopback otherwise."""
    return bench.shared("link", lambda: make_link(bench))


class Site:
    def __init__(self, bench):
        self.bench, self.link = bench, link(bench)
        source = bench.path("src.img")
        images.create(bench, source, bench.mib)
        bench.results.meta["disks_in_a_tib"] = 2**40 / (NODE * nodes_with_data(source))
        self.lab = Lab(bench, "lab", [f"{source}:raw"], self.link)
        self.pair = images.Pair(bench, source, self.lab.disk(2))
        self.source, self.replica = source, self.pair.replica
        self.warm_up()

    def warm_up(self):
        """Memory that the machine touches for the first time costs several times as much: touch it before."""
        self.pair.check("the initial replication")
        cache.warm(self.source, self.replica)
        self.pair.set("1 % in 64 KiB")
        self.lab.resync()
        self.pair.check("the warm-up")

    def close(self):
        self.lab.close()
        os.unlink(self.source)


def site(bench):
    return bench.shared("site", lambda: Site(bench))
