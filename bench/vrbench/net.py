# SPDX-License-Identifier: Apache-2.0
"""Two network namespaces joined by a veth pair: the two hosts. Its counters are the bytes on the wire, packet headers
included (a large segment counts as one packet)."""
import os
import re
import subprocess

# The whole of it goes at the end; a prefix of this process, so that two suites do not meet.
NETWORK = "10.213.77.0/24"
ADDRESS = {1: "10.213.77.1", 2: "10.213.77.2"}
BURST_MS = 2        # of the token bucket
BURST_MIN = 65536 + 2048  # a segment as large as they get must fit
QUEUE_BYTES = 64 << 20   # of the token bucket, and
QUEUE_PACKETS = 20000    # of the device: more than windows can fill, so that nothing is dropped
LONG = "vrblong"
# Linux's own default. BBR, which some machines have instead, all but stops for a while every 10 s.
CONGESTION = "cubic"
AVAILABLE = "/proc/sys/net/ipv4/tcp_available_congestion_control"


def ip(*args, **kw):
    subprocess.run(["ip", *args], check=True, **kw)


class Link:
    def __init__(self):
        self.prefix = f"vrb{os.getpid() % 100000}n"
        self._holders, self._line = {}, None
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
            self._route(side, "replace", NETWORK, "vrb0")
            # Holds a /proc/PID/net of the namespace open, which is quick to read.
            self._holders[side] = subprocess.Popen(self.command(side, ["sleep", "infinity"]))

    def _route(self, side, verb, where, device):
        """A route and not a sysctl: in a namespace that may not choose what the machine does not allow everybody."""
        with open(AVAILABLE, encoding="ascii") as f:
            control = ["congctl", CONGESTION] if CONGESTION in f.read().split() else []
        ip("-n", self.name(side), "route", verb, where, "dev", device, "src", ADDRESS[side], *control)

    def name(self, side):
        return f"{self.prefix}{side}"

    def address(self, side):
        return ADDRESS[side]

    def command(self, side, command):
        return ["ip", "netns", "exec", self.name(side), *command]

    def counters(self):
        """Bytes so far: (from side 1 to side 2, back)."""
        with open(f"/proc/{self._holders[1].pid}/net/dev", encoding="ascii") as f:
            devices = [d.split() for d in re.findall(r"^\s*(?:vrb0|vrblong):\s*(.*)$", f.read(), re.M)]
        return sum(int(d[8]) for d in devices), sum(int(d[0]) for d in devices)

    def shape(self, delayline, mbit, rtt_ms):
        """A line of this rate and round trip, the same in both directions, instead of the fast one. delayline: the
        program. What was connected before stays there, but its packets take the new way."""
        self.unshape()
        self._line = subprocess.Popen([delayline, self.name(1), self.name(2), LONG, str(int(rtt_ms * 500))],
                                      stdout=subprocess.PIPE)
        if self._line.stdout.readline() != b"ready\n":
            self.unshape()
            raise RuntimeError("the delay line does not start")
        burst = max(int(mbit * 125 * BURST_MS), BURST_MIN)
        for side in (1, 2):
            ns = ["-n", self.name(side)]
            ip(*ns, "link", "set", LONG, "txqueuelen", str(QUEUE_PACKETS), "up")
            self._route(side, "add", ADDRESS[3 - side] + "/32", LONG)
            subprocess.run(["tc", *ns, "qdisc", "add", "dev", LONG, "root", "tbf", "rate", f"{mbit}mbit",
                            "burst", str(burst), "limit", str(QUEUE_BYTES)], check=True)

    def unshape(self):
        if self._line:
            self._line.kill()  # its devices go with it, and with them their routes
            self._line.wait()
            self._line.stdout.close()
            self._line = None

    def close(self):
        self.unshape()
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

    def close(self):
        pass
