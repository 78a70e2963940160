# SPDX-License-Identifier: Apache-2.0
"""Two real daemons: a lab of tools/lab."""
import json
import os
import subprocess
import time
from datetime import datetime

from vrbench.bench import ROOT
from vrbench.meter import Meter

VM = "bench"
POLL_S = 0.02


def moment(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class Lab:
    """disks: "FILE:FORMAT". link: where the hosts are, a net.Link or net.Loopback."""

    def __init__(self, bench, name, disks, link, config=()):
        self.bench, self.link, self.dir = bench, link, bench.folder(name)
        command = [os.path.join(ROOT, "tools/lab"), "up", self.dir, "--hosts", "2", "--vm", VM]
        for d in disks:
            command += ["--disk", d]
        for c in config:
            command += ["--config", c]
        if link.prefix:
            command += ["--netns", link.prefix]
        self._lab(command)
        self.env = {}
        with open(os.path.join(self.dir, "env"), encoding="utf-8") as f:
            for line in f:
                key, _, value = line.strip().partition("=")
                self.env[key] = value.strip("'\"")

    def _lab(self, command):
        # A file and not a pipe: the daemons inherit it, and a pipe would have no end until theirs.
        with open(self.bench.path("lab.log"), "a+", encoding="utf-8") as log:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                  check=False, env=dict(os.environ, VMREPLICA_BUILD=self.bench.build))
            if done.returncode:
                log.seek(0)
                raise RuntimeError(f"tools/lab {command[1]} failed: {log.read()[-600:]}")

    def close(self):
        self._lab([os.path.join(ROOT, "tools/lab"), "down", self.dir])

    def pid(self, host):
        return int(self.env[f"H{host}_PID"])

    def disk(self, host, number=0):
        return self.env[f"H{host}_DISK_{number}"]

    def cli(self, host, *args):
        done = subprocess.run([self.bench.program("vmreplica"), *args], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
                              env=dict(os.environ, VMREPLICA_SOCKET=self.env[f"H{host}_SOCKET"]))
        if done.returncode:
            raise RuntimeError(f"vmreplica {' '.join(args)}: {done.stderr.strip()[-300:]}")
        return done.stdout

    def last_job(self):
        return max(json.loads(self.cli(1, "jobs", "--json"))["jobs"], key=lambda j: j["id"])

    def await_end(self, limit_s=3600):
        """The last job, when it has ended."""
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            job = self.last_job()
            if job["finished_state"]:
                if job["state_text"] != "completed":
                    raise RuntimeError(f"job {job['id']} ended {job['state_text']}: {job['error_text']}")
                return job
            time.sleep(POLL_S)
        raise RuntimeError(f"no end after {limit_s} s")

    def meter(self):
        return Meter([self.pid(1)], [self.pid(2)], self.link if self.link.prefix else None)

    def resync(self, *options):
        """Figures of one resync. Wall: from its submission to the daemon's record of its end; the client's own
        waiting looks only every 100 ms."""
        with self.meter() as m:
            self.cli(1, "resync", VM, "--wait", *options)
        job = self.last_job()
        if job["state_text"] != "completed":
            raise RuntimeError(f"job {job['id']} ended {job['state_text']}: {job['error_text']}")
        m.wall = moment(job["finished"]) - moment(job["submitted"])
        figures = m.figures()
        if "out" not in figures:
            figures.update(out=job["progress"]["wire_out"], back=job["progress"]["wire_in"])
        return figures
