# SPDX-License-Identifier: Apache-2.0
"""Judges results by bench/bars.json: its first entry tells the form."""
import json
import os

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Unknown(Exception):
    pass


def value(results, term):
    if isinstance(term, (int, float)):
        return term
    if isinstance(term, list):
        return value(results, term[0]) * value(results, term[1])
    path = term.split("|")
    found = results.meta.get(path[1]) if path[0] == "meta" else results.median(*path)
    if found is None:
        raise Unknown(term.replace("|", ", "))
    return found


def rivals(results, bar):
    """Every case of the bar: (case, ours, the best rival's, its name)."""
    group, figure, us = bar["group"], bar["figure"], bar.get("us", "vmreplica")
    for case in bar["cases"]:
        ours = results.median(group, case, us, figure)
        best = []
        for who in bar["rivals"]:
            also = [] if who in bar.get("not_also", []) else bar.get("also", [])
            best += [(v, who) for where in [case] + also
                     if (v := results.median(group, where, who, figure)) is not None]
        if ours is not None and best:
            least, who = min(best)
            yield case, ours, least, who


def strings(term):
    return [term] if isinstance(term, str) else [s for t in term for s in strings(t)] if isinstance(term, list) else []


def rows():
    """(group, case, who) of every row that a bar depends on."""
    found = set()
    for bar in load():
        for side in ("left", "right", "base", "beside"):
            for term in strings(bar.get(side, [])):
                path = term.split("|")
                found |= {tuple(path[:3])} if len(path) == 4 else set()
        for who in bar.get("rivals", []):
            also = [] if who in bar.get("not_also", []) else bar.get("also", [])
            found |= {(bar["group"], c, who) for c in bar["cases"] + also}
        found |= {(bar["group"], c, bar.get("us", "vmreplica")) for c in bar.get("cases", [])}
    return found


def judge(results, bar):
    """{"name", "measured", "limit", "met", "detail"}; met is None when it was not measured."""
    out = {"name": bar["name"], "met": None, "measured": "", "limit": "", "detail": bar.get("says", "")}
    unit = bar.get("unit", "")
    if bar.get("full") and results.meta["quick"]:
        out["detail"] = "sizes of a full run only"
        return out
    if "rivals" in bar:
        seen = list(rivals(results, bar))
        bad = [s for s in seen if not s[1] < s[2]]
        if seen:
            case, ours, least, who = max(bad or seen, key=lambda s: s[1] / s[2])
            out.update(met=not bad, measured=show(ours, unit), limit=f"< {show(least, unit)}",
                       detail=f"closest: {case}, {who}" if not bad else "lost: " + ", ".join(
                           f"{c} to {w}" for c, _, _, w in bad))
        return out
    try:
        left = sum(value(results, t) for t in bar["left"])
        right = sum(value(results, t) for t in bar["right"])
    except Unknown as e:
        out["detail"] = f"not measured: {e}"
        return out
    sign = bar.get("sign", "<=")
    out["met"] = left <= right if sign == "<=" else left >= right
    out["measured"], out["limit"] = show(left, unit), f"{sign} {show(right, unit)}"
    if "beside" in bar:
        try:
            beside = show(sum(value(results, t) for t in bar["beside"]), unit)
        except Unknown:
            beside = "?"
        out["detail"] = out["detail"].replace("{beside}", beside)
    if bar.get("base"):
        base = sum(value(results, t) for t in bar["base"])
        if base:
            out["detail"] = f"{left / base:.2f} x, bar {right / base:.2f} x" + (
                f", goal {bar['goal']} x" if "goal" in bar else "") + (f"; {out['detail']}" if out["detail"] else "")
    return out


def show(x, unit):
    scale = {"MB": 1e6, "MiB": 1 << 20, "%": 0.01}.get(unit, 1)
    return f"{x / scale:.{1 if unit in ('MB', 'MiB', '%') else 2}f} {unit}".rstrip()


def load():
    with open(os.path.join(HERE, "bars.json"), encoding="utf-8") as f:
        return [b for b in json.load(f) if "name" in b]


def judge_all(results):
    return [judge(results, b) for b in load()]


def grid(judged):
    words = {True: "met", False: "MISSED", None: "-"}
    return (["bar", "", "measured", "bar is", "how"],
            [[j["name"], words[j["met"]], j["measured"], j["limit"], j["detail"]] for j in judged])
