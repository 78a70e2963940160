# SPDX-License-Identifier: Apache-2.0
"""What a group gets: the arguments, the results, and a few things that every group does."""
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import namedtuple

SLOW_S = 8
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Wrong(Exception):
    """A replica is not what it must be: the one thing that makes the suite fail."""


class Missing(Exception):
    """Something this machine does not have; the rows that need it are left out."""


class Task(namedtuple("Task", "rounds title function rows")):
    """What gives some rows: function() measures them once. rows: (case, who) of each."""


class Bench:
    """build, dir: folders, the second is this run's own and goes at the end. mib: size of a disk. quick: sizes and
    rounds that only show that everything works. group: the name of the group that runs."""

    def __init__(self, build, folder, mib, rounds, quick, results):
        self.build, self.dir, self.mib, self.quick, self.results = build, folder, mib, quick, results
        self._rounds = rounds
        self.group = None
        self.deadline = float("inf")  # of the group: no round but the first begins a task after it
        self.root = os.geteuid() == 0
        self.failed = False  # a group ended by something unforeseen
        self.wants = None  # (group, case, who) -> bool: rows for which it is false are not measured; None: all are
        self.start = time.monotonic()
        self.save = lambda: None  # called after each row
        self._shared = {}

    # --- what groups record ---

    def add(self, case, who, **figures):
        self.results.add(self.group, case, who, **figures)

    def leave_out(self, what, why):
        self.say(f"left out: {what}: {why}")
        self.results.left_out.append({"group": self.group, "what": what, "why": why})

    def note(self, text):
        self.results.notes.append({"group": self.group, "text": text})

    def say(self, text):
        seconds = int(time.monotonic() - self.start)
        print(f"bench: {seconds // 60}:{seconds % 60:02}: {self.group + ': ' if self.group else ''}{text}", file=sys.stderr,
              flush=True)

    # --- what groups need ---

    def set_rounds(self, rounds):
        self._rounds = rounds

    def rounds(self, usual):
        """How often a row is measured: --rounds, or what is usual for it."""
        return self._rounds or (1 if self.quick else usual)

    def task(self, usual, who, case, function, also=()):
        """A task whose row is (case, who); also: others of the case that it gives."""
        return Task(self.rounds(usual), f"{who}, {case}", function, [(case, who)] + [(case, w) for w in also])

    def wanted(self, task):
        return self.wants is None or any(self.wants(self.group, *row) for row in task.rows)

    def slow(self, task):
        """A row of many seconds that is none of ours has been measured, by an earlier run perhaps: once is enough."""
        walls = [self.results.median(self.group, *row, "wall") for row in task.rows if row[1] != "vmreplica"]
        return self.wants is not None and len(walls) == len(task.rows) and None not in walls and sum(walls) > SLOW_S

    def need(self, *tools):
        for tool in tools:
            if not shutil.which(tool):
                raise Missing(f"no {tool}")

    def need_root(self):
        if not self.root:
            raise Missing("needs root")

    def program(self, name):
        return os.path.join(self.build, name if name.startswith("vmreplica") else "bench/bench-" + name)

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def folder(self, name):
        """A new one, empty: a group may run twice."""
        return tempfile.mkdtemp(prefix=name + ".", dir=self.dir)

    def shared(self, name, make):
        """What several groups use is made once, and closed at the end: make() returns it, it has close()."""
        if name not in self._shared:
            self._shared[name] = make()
        return self._shared[name]

    def drop(self, name):
        thing = self._shared.pop(name, None)
        if thing:
            thing.close()

    def close(self):
        for name in reversed(list(self._shared)):
            try:
                self.drop(name)
            except (OSError, subprocess.SubprocessError) as e:
                print(f"bench: {name}: {e}", file=sys.stderr)

    def interleave(self, tasks):
        """Every round of tasks in an order of its own, the same in every run of the suite. A task that fails is left
        out from then on; when the group's time is up, the first round is the last."""
        tasks = [t for t in tasks if self.wanted(t)]
        last = max((t.rounds for t in tasks), default=0)
        out = set()
        for number in range(last):
            batch = [t for t in tasks if t.rounds > number and t.title not in out and not self.slow(t)]
            random.Random(1000 + number).shuffle(batch)
            for task in batch:
                if number and time.monotonic() > self.deadline:
                    self.note(f"time was up in round {number + 1} of {last}: n is how often each row was measured")
                    return
                try:
                    self.measure(task, f"round {number + 1} of {last}")
                except (Missing, OSError, subprocess.SubprocessError, RuntimeError) as e:
                    out.add(task.title)
                    self.leave_out(task.title, str(e))
                    self.failed = self.failed or not isinstance(e, Missing)

    def measure(self, task, when):
        start = time.monotonic()
        task.function()
        walls = [self.results.values(self.group, *row, "wall")[-1:] for row in task.rows]
        self.say(f"{when}: {task.title}: " + ", ".join(f"{w[0]:.2f} s" for w in walls if w)
                 + f" ({time.monotonic() - start:.0f} s in all)")
        self.save()
