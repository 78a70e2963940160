#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Do the tests exist and run that docs/threats.md and docs/internals/running-vms.md name?

    tools/check-threats.py ROOT         exit 1 with what is missing
    tools/check-threats.py --self-test  proves that what is missing is found
"""
import os
import re
import sys

DOCS = ['docs/threats.md', 'docs/internals/running-vms.md']
NAME = re.compile(r'`([\w-]+/[\w-]+\.c):(test_\w+)`')
SCENARIO = re.compile(r'`([\w-]+\.sh):([^`]+)`')


def problems_of(doc, text, sources):
    """sources: path below tests/unit, or name of a script -> text."""
    found = [] if NAME.search(text) else [f'{doc}: names no test']
    for path, test in NAME.findall(text):
        source = sources.get(path)
        if source is None:
            found.append(f'{doc}: there is no tests/unit/{path}')
        elif len(re.findall(rf'\b{test}\b', source)) < 2:
            found.append(f'{doc}: tests/unit/{path} does not define and run {test}')
    for script, scenario in SCENARIO.findall(text):
        called = re.escape(scenario)
        if not re.search(rf'^ *scenario [\'"]{called}[\'"]', sources.get(script, ''), re.M):
            found.append(f'{doc}: tests/integration/{script} has no scenario "{scenario}"')
    return found


def read_all(root):
    top = os.path.join(root, 'tests/unit')
    found = {}
    scripts = os.path.join(root, 'tests/integration')
    for name in os.listdir(scripts):
        if name.endswith('.sh'):
            with open(os.path.join(scripts, name), encoding='utf-8') as f:
                found[name] = f.read()
    for folder, _, files in os.walk(top):
        for name in files:
            if name.endswith('.c'):
                path = os.path.join(folder, name)
                with open(path, encoding='utf-8') as f:
                    found[os.path.relpath(path, top)] = f.read()
    return found


def self_test():
    sources = {'a/test-b.c': 'void test_c(void)\n{T(test_c)}\nvoid test_d(void)',
               's.sh': "scenario 'it works' f\n# scenario 'it fails' g\n"}
    good = '`a/test-b.c:test_c`'
    assert problems_of('d', good, sources) == []
    assert problems_of('d', good + '`s.sh:it works`', sources) == []
    for bad in ['`s.sh:it fails`', '`s.sh:it`', '`t.sh:it works`']:
        assert len(problems_of('d', good + bad, sources)) == 1, bad
    assert len(problems_of('d', '`a/test-b.c:test_d` `a/x.c:test_c` `a/test-b.c:test_e`', sources)) == 3
    assert problems_of('d', 'nothing', sources)


def main():
    if sys.argv[1:] == ['--self-test']:
        self_test()
        return 0
    found, sources = [], read_all(sys.argv[1])
    for doc in DOCS:
        with open(os.path.join(sys.argv[1], doc), encoding='utf-8') as f:
            found += problems_of(doc, f.read(), sources)
    print('\n'.join(found))
    return 1 if found else 0


sys.exit(main())
