# SPDX-License-Identifier: Apache-2.0
"""Two network namespaces joined by a veth pair: the two hosts. Its counters are the bytes on the wire, packet headers
included (a large segment counts as one packet)."""
import os
import re
import subprocess

# The whole of it goes at the end; a prefix of this process, so that two suites do not meet.
ADDRESS = {1: "10.213.77.1", 2: "10.213.77.2"}
BURST_MS = 2        # of the token bucket
BURST_MIN = 65536 + 2048  # a segment as large as they get must fit
QUEUE_PACKETS = 20000  # of the delay line: more than window and delay can fill, so that nothing is dropped


def ip(*args, **kw):
    subprocess.run(["ip", *args], check=True, **kw)


class Link:
    def __init__(self):
        self.prefix = f"vrb{os.getpid() % 100000}n"
        self._holders = {}
        try:
            self._make()
        except BaseException:
            self.close()
            raise

    def _make(self):
        for side in (1, 2):
            ip("netns", "add", self.name(side))
            ip("-n", self.name(side), "link", "set", "lo", "up")
        ip("link", "add", "vrb0", "netns", self.name(1), "type", "veth", "peer", "name", "vrb0",
           "netns", self.name(2))
        for side in (1, 2):
            ip("-n", self.name(side), "addr", "add", ADDRESS[side] + "/24", "dev", "vrb0")
            ip("-n", self.name(side), "link", "set", "vrb0", "up")
            # Holds a /proc/PID/net of the namespace open, which is quick to read.
            self._holders[side] = subprocess.Popen(self.command(side, ["sleep", "infinity"]))

    def name(self, side):
        return f"{self.prefix}{side}"

    def address(self, side):
        return ADDRESS[side]

    def command(self, side, command):
        return ["ip", "netns", "exec", self.name(side), *command]

    def counters(self):
        """Bytes so far: (from side 1 to side 2, back)."""
        with open(f"/proc/{self._holders[1].pid}/net/dev", encoding="ascii") as f:
            fields = re.search(r"^\s*vrb0:\s*(.*)$", f.read(), re.M).group(1).split()
        return int(fields[8]), int(fields[0])

    def shape(self, mbit, rtt_ms):
        """Both directions get the rate, and half of the round trip each."""
        self.unshape()
        burst = max(int(mbit * 125 * BURST_MS), BURST_MIN)
        for side in (1, 2):
            tc = ["tc", "-n", self.name(side), "qdisc", "add", "dev", "vrb0"]
            subprocess.run([*tc, "root", "handle", "1:", "tbf", "rate", f"{mbit}mbit", "burst", str(burst),
                            "limit", "64mb"], check=True)
            subprocess.run([*tc, "parent", "1:1", "handle", "10:", "netem", "delay", f"{rtt_ms / 2}ms",
                            "limit", str(QUEUE_PACKETS)], check=True)

    def unshape(self):
        for side in (1, 2):
            subprocess.run(["tc", "-n", self.name(side), "qdisc", "del", "dev", "vrb0", "root"],
                           stderr=subprocess.DEVNULL, check=False)

    def close(self):
        for p in self._holders.values():
            p.kill()
            p.wait()
        self._holders = {}
        for side in (1, 2):
            subprocess.run(["ip", "netns", "del", self.name(side)], stderr=subprocess.DEVNULL, check=False)


class Loopback:
    """The same without root: no namespaces, and no counters but those the programs keep themselves."""

    prefix = None

    def address(self, side):
        return "127.0.0.1"

    def command(self, side, command):
        return command
