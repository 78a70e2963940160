# SPDX-License-Identifier: Apache-2.0
"""What was measured: samples, what was left out and why, and facts about the machine. Kept as one JSON file."""
import json
import os
import statistics


class Results:
    def __init__(self, meta=None):
        self.meta = meta or {}
        self.samples = []   # {"group", "case", "who", figure: number, ...}
        self.left_out = []  # {"group", "what", "why"}
        self.notes = []     # {"group", "text"}
        self._older = set()  # rows of an earlier run: they go when they are measured anew

    def add(self, group, case, who, **figures):
        if (group, case, who) in self._older:
            self._older.discard((group, case, who))
            self.samples = [s for s in self.samples if (s["group"], s["case"], s["who"]) != (group, case, who)]
        self.samples.append({"group": group, "case": case, "who": who,
                             **{k: v for k, v in figures.items() if v is not None}})

    def values(self, group, case, who, figure):
        return [s[figure] for s in self.samples
                if (s["group"], s["case"], s["who"]) == (group, case, who) and figure in s]

    def median(self, group, case, who, figure):
        """None when nothing was measured."""
        v = self.values(group, case, who, figure)
        return statistics.median(v) if v else None

    def fresh(self, group, case, who):
        """Was the row measured by this run?"""
        row = (group, case, who)
        return row not in self._older and any((s["group"], s["case"], s["who"]) == row for s in self.samples)

    def groups(self):
        return list(dict.fromkeys(x["group"] for x in self.samples + self.left_out + self.notes))

    def rows(self, group):
        """(case, who) in the order they came first; a group that wants another order sets meta["order"]."""
        seen = dict.fromkeys((s["case"], s["who"]) for s in self.samples if s["group"] == group)
        order = self.meta.get("order", {}).get(group, [])
        place = {name: i for i, name in enumerate(order)}
        return sorted(seen, key=lambda r: (place.get(r[0], 999), place.get(r[1], 999)))

    def save(self, path):
        """Whole or not at all: a run may be ended at any time."""
        with open(path + ".new", "w", encoding="utf-8") as f:
            json.dump({k: v for k, v in vars(self).items() if not k.startswith("_")}, f, indent=1)
            f.write("\n")
        os.replace(path + ".new", path)

    def merge(self, older, names):
        """Takes the rows of an earlier run, each until it is measured anew, and what it said of groups not in names."""
        for fact in ("mib", "quick", "cpu", "cpus"):
            if older.meta.get(fact) != self.meta.get(fact):
                raise ValueError(f"its {fact} is {older.meta.get(fact)}, ours {self.meta.get(fact)}")
        before = [{k: older.meta[k] for k in ("date", "command", "kernel")}]
        self.meta = {**older.meta, **self.meta, "order": dict(older.meta["order"]),
                     "earlier": older.meta.get("earlier", []) + before}
        self.samples = list(older.samples)
        self._older = {(s["group"], s["case"], s["who"]) for s in older.samples}
        self.left_out = [x for x in older.left_out if x["group"] not in names]
        self.notes = [x for x in older.notes if x["group"] not in names]

    @classmethod
    def load(cls, path):
        results = cls()
        with open(path, encoding="utf-8") as f:
            vars(results).update(json.load(f))
        return results
