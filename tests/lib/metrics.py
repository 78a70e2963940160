#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads Prometheus' text from stdin with Prometheus' own parser and says what is in it.

    metrics.py NAMES                      every name of the file is a family, and nothing else; no series twice
    metrics.py NAMES 'NAME{a="b"}'...     and one value a line, "-" where there is none; labels may be left out

NAMES is docs/metrics.md."""
import re
import sys

from prometheus_client.parser import text_string_to_metric_families


def main():
    with open(sys.argv[1], encoding='utf-8') as f:
        names = set(re.findall(r'^\| `(\w+)` \|', f.read(), re.M))
    text = sys.stdin.read()
    families = list(text_string_to_metric_families(text))
    # The parser takes the "_total" off a counter's family.
    found = {f.name + ('_total' if f.type == 'counter' else '') for f in families}
    if found != names or len(families) != len(names):
        sys.exit(f'not as documented: {sorted(found ^ names)}, {len(families)} families')
    samples = [s for f in families for s in f.samples]
    seen = {(s.name, tuple(sorted(s.labels.items()))) for s in samples}
    if len(seen) != len(samples):
        sys.exit('a series is there twice')
    if any(not f.documentation for f in families):
        sys.exit('a family has no HELP')
    for wanted in sys.argv[2:]:
        name, _, labels = wanted.partition('{')
        labels = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        values = [s.value for s in samples if s.name == name and labels.items() <= s.labels.items()]
        print(' '.join(f'{v:.17g}' for v in values) or '-')


if __name__ == '__main__':
    main()
