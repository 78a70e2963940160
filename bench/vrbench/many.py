# SPDX-License-Identifier: Apache-2.0
"""Labs with many VMs: what the tests of scale use, with figures."""
import os
import sys
from datetime import datetime

from vrbench.bench import ROOT
from vrbench.meter import Meter

sys.path.insert(0, os.path.join(ROOT, "tests", "lib"))

from manyvms import MIB, ManyLab, Refused  # noqa: E402,F401


def lab(bench, name, config=()):
    return bench.shared(name, lambda: ManyLab(bench.build, bench.folder(name), config))


def meter(many):
    return Meter([many.process(1).pid], [many.process(2).pid])


def moment(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def sent(jobs, m):
    """Figures of a Meter that watched these jobs; wall is from the first submission to the last end."""
    m.wall = max(moment(j["finished"]) for j in jobs) - min(moment(j["submitted"]) for j in jobs)
    figures = m.figures()
    figures.update(out=sum(j["progress"]["wire_out"] for j in jobs), back=sum(j["progress"]["wire_in"] for j in jobs),
                   differing=sum(j["progress"]["bytes_differing"] for j in jobs))
    return figures
