# SPDX-License-Identifier: Apache-2.0
"""Results as tables: text for a terminal, Markdown for docs/performance.md."""
import statistics

MB, MIB = 1e6, 1 << 20

# figure, heading, divisor, digits. A column is shown when one row of its group has the figure.
COLUMNS = [
    ("wall", "wall s", 1, 2),
    ("cpu1", "CPU s, source", 1, 2),
    ("cpu2", "CPU s, replica", 1, 2),
    ("out", "MB to replica", MB, 1),
    ("back", "MB back", MB, 1),
    ("disk", "MB written", MB, 0),
    ("differing", "MB differing", MB, 1),
    ("anon1", "MiB own, source", MIB, 0),
    ("anon2", "MiB own, replica", MIB, 0),
    ("peak1", "MiB peak, source", MIB, 0),
    ("peak2", "MiB peak, replica", MIB, 0),
    ("busy", "link busy %", 0.01, 1),
    ("share", "% of the storage's rate", 0.01, 1),
    ("extra", "MB sent again", MB, 2),
    ("rss", "MiB RSS", MIB, 1),
    ("threads", "threads", 1, 0),
    ("fds", "fds", 1, 0),
    ("cpu_rate", "CPU % idle", 0.01, 2),
    ("latency", "ms, one request", 0.001, 2),
    ("rate", "requests/s", 1, 0),
    ("p99", "ms, 99 of 100", 0.001, 1),
    ("grown", "MiB grown", MIB, 1),
    ("p50", "ms, median", 0.001, 2),
    ("longest", "ms, longest", 0.001, 1),
    ("ratio", "ratio", 1, 2),
]


def grid(results, group):
    """(headings, rows of text)"""
    rows = results.rows(group)
    samples = [s for s in results.samples if s["group"] == group]
    columns = [c for c in COLUMNS if any(c[0] in s for s in samples)]
    heads = ["case", "who", "n"]
    for name, head, _, _ in columns:
        heads += [head] + (["min-max"] if name == "wall" else [])
    lines = []
    for case, who in rows:
        count = sum(1 for s in samples if (s["case"], s["who"]) == (case, who))
        line = [case, who, str(count)]
        for name, _, unit, digits in columns:
            v = [x / unit for x in results.values(group, case, who, name)]
            line.append(f"{statistics.median(v):.{digits}f}" if v else "")
            if name == "wall":
                line.append(f"{min(v):.{digits}f}-{max(v):.{digits}f}" if v else "")
        lines.append(line)
    return heads, lines


def text(heads, lines, left=(0, 1)):
    """left: the columns that are words."""
    wide = [max(len(r[i]) for r in [heads] + lines) for i in range(len(heads))]
    out = []
    for r in [heads] + lines:
        cells = [c.ljust(w) if i in left else c.rjust(w) for i, (c, w) in enumerate(zip(r, wide))]
        out.append("  ".join(cells).rstrip())
    return "\n".join(out)


def markdown(heads, lines, left=(0, 1)):
    rule = ["---" if i in left else "--:" for i in range(len(heads))]
    return "\n".join("| " + " | ".join(c.replace("|", "\\|") for c in r) + " |" for r in [heads, rule] + lines)
