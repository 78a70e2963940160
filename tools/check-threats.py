#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Do the tests that docs/threats.md names exist and run?

    tools/check-threats.py ROOT         exit 1 with what is missing
    tools/check-threats.py --self-test  proves that what is missing is found
"""
import os
import re
import sys

NAME = re.compile(r'`([\w-]+/[\w-]+\.c):(test_\w+)`')


def problems_of(doc, sources):
    """sources: path below tests/unit -> text."""
    names = NAME.findall(doc)
    found = [] if names else ['docs/threats.md: names no test']
    for path, test in names:
        text = sources.get(path)
        if text is None:
            found.append(f'docs/threats.md: there is no tests/unit/{path}')
        elif len(re.findall(rf'\b{test}\b', text)) < 2:
            found.append(f'docs/threats.md: tests/unit/{path} does not define and run {test}')
    return found


def read_all(root):
    top = os.path.join(root, 'tests/unit')
    found = {}
    for folder, _, files in os.walk(top):
        for name in files:
            if name.endswith('.c'):
                path = os.path.join(folder, name)
                with open(path, encoding='utf-8') as f:
                    found[os.path.relpath(path, top)] = f.read()
    return found


def self_test():
    sources = {'a/test-b.c': 'void test_c(void)\n{T(test_c)}\nvoid test_d(void)'}
    assert problems_of('`a/test-b.c:test_c`', sources) == []
    assert len(problems_of('`a/test-b.c:test_d` `a/x.c:test_c` `a/test-b.c:test_e`', sources)) == 3
    assert problems_of('nothing', sources)


def main():
    if sys.argv[1:] == ['--self-test']:
        self_test()
        return 0
    with open(os.path.join(sys.argv[1], 'docs/threats.md'), encoding='utf-8') as f:
        found = problems_of(f.read(), read_all(sys.argv[1]))
    print('\n'.join(found))
    return 1 if found else 0


sys.exit(main())
