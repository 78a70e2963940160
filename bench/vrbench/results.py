# SPDX-License-Identifier: Apache-2.0
"""What was measured: samples, what was left out and why, and facts about the machine. Kept as one JSON file."""
import json
import statistics


class Results:
    def __init__(self, meta=None):
        self.meta = meta or {}
        self.samples = []   # {"group", "case", "who", figure: number, ...}
        self.left_out = []  # {"group", "what", "why"}
        self.notes = []     # {"group", "text"}

    def add(self, group, case, who, **figures):
        self.samples.append({"group": group, "case": case, "who": who,
                             **{k: v for k, v in figures.items() if v is not None}})

    def values(self, group, case, who, figure):
        return [s[figure] for s in self.samples
                if (s["group"], s["case"], s["who"]) == (group, case, who) and figure in s]

    def median(self, group, case, who, figure):
        """None when nothing was measured."""
        v = self.values(group, case, who, figure)
        return statistics.median(v) if v else None

    def groups(self):
        return list(dict.fromkeys(x["group"] for x in self.samples + self.left_out + self.notes))

    def rows(self, group):
        """(case, who) in the order they came first; a group that wants another order sets meta["order"]."""
        seen = dict.fromkeys((s["case"], s["who"]) for s in self.samples if s["group"] == group)
        order = self.meta.get("order", {}).get(group, [])
        place = {name: i for i, name in enumerate(order)}
        return sorted(seen, key=lambda r: (place.get(r[0], 999), place.get(r[1], 999)))

    def save(self, path):
        with open(path, "w", encoding="utf-8") as f:
            json.dump(vars(self), f, indent=1)
            f.write("\n")

    @classmethod
    def load(cls, path):
        results = cls()
        with open(path, encoding="utf-8") as f:
            vars(results).update(json.load(f))
        return results
