# SPDX-License-Identifier: Apache-2.0
"""The two hosts that most groups share: a link, a pair of raw images, daemons."""
import os
import subprocess

from vrbench import cache, images, net
from vrbench.lab import Lab


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
