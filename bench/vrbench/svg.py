# SPDX-License-Identifier: Apache-2.0
"""A bar chart of the wall times, by hand: one block a case, one bar a row, all to the same logarithmic scale."""
import math
from html import escape

GROUP = "lan"
COLOURS = {"vmreplica": "#0b6e4f", "floor": "#9aa5b1"}
OTHER = "#c8553d"
FLOORS = {"two cats", "both digested", "TLS transfer"}
PARTS = "differences"  # of no interest by themselves
LABEL, WIDTH, ROW, GAP = 250, 460, 17, 15


def chart(results, group=GROUP):
    rows = [(case, who, results.median(group, case, who, "wall")) for case, who in results.rows(group)]
    rows = [r for r in rows if r[2] and not r[1].startswith(PARTS)]
    low = min((r[2] for r in rows), default=1)
    high = max((r[2] for r in rows), default=1)
    start = math.floor(math.log10(low))
    span = max(math.ceil(math.log10(high)) - start, 1)
    parts, y, last = [], 34, None
    for case, who, wall in rows:
        if case != last:
            y += GAP
            parts.append(f'<text x="8" y="{y}" font-weight="bold">{escape(case)}</text>')
            y += 6
            last = case
        length = max((math.log10(wall) - start) / span * WIDTH, 1)
        colour = COLOURS["floor"] if who in FLOORS else COLOURS.get(who, OTHER)
        parts.append(f'<text x="{LABEL - 6}" y="{y + 12}" text-anchor="end">{escape(who)}</text>'
                     f'<rect x="{LABEL}" y="{y + 2}" width="{length:.1f}" height="{ROW - 4}" fill="{colour}"/>'
                     f'<text x="{LABEL + length + 5:.1f}" y="{y + 12}">{wall:.2f}</text>')
        y += ROW
    grid = []
    for i in range(span + 1):
        x = LABEL + i / span * WIDTH
        grid.append(f'<line x1="{x:.1f}" y1="30" x2="{x:.1f}" y2="{y + 4}" stroke="#dddddd"/>'
                    f'<text x="{x:.1f}" y="24" text-anchor="middle" fill="#555555">{10.0 ** (start + i):g} s</text>')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{LABEL + WIDTH + 70}" height="{y + 14}" '
            f'font-family="sans-serif" font-size="12">\n<rect width="100%" height="100%" fill="white"/>\n'
            + "\n".join(grid + parts) + "\n</svg>\n")
