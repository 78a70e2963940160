#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sizes and surface of every C file below src/, tests/ and bench/: lines of files and functions, SPDX, tabs, columns.

    tools/check-size.py [ROOT]      prints breaches as file:line, warnings with "note:"; exit 1 at a breach
    tools/check-size.py --self-test proves that breaches are found
"""
import os
import re
import sys

SOURCE_SOFT, TEST_SOFT, SOURCE_HARD = 600, 800, 1000
HEADER_SOFT, HEADER_HARD = 150, 250
FUNCTION_SOFT, FUNCTION_HARD = 50, 100
COLUMNS = 100
SPDX = '/* SPDX-License-Identifier: Apache-2.0 */'

# Files longer than the limit, with the lines they may have. This list may only shrink: split the file instead.
ALLOWED = {
    'src/core/core.h': 201,
}


def functions(lines):
    """(line number, name, lines) of each function of clang-formatted C: '{' and '}' alone in column 1."""
    start = None
    for number, line in enumerate(lines, 1):
        if line == '{' and start is None:
            start = number
        elif line == '}' and start is not None:
            head = start - 1
            while head > 1 and lines[head - 2] and lines[head - 2][-1] not in ';}/':
                head -= 1
            m = re.search(r'(\w+)\s*\(', ' '.join(lines[head - 1:start - 1]))
            yield start, m.group(1) if m else '?', number - start + 1
            start = None


def check_text(name, text):
    """(breaches, notes)"""
    lines = text.split('\n')
    if lines and lines[-1] == '':
        lines.pop()
    bad, notes = [], []
    header = name.endswith('.h')
    soft = HEADER_SOFT if header else TEST_SOFT if name.startswith(('tests/', 'bench/')) else SOURCE_SOFT
    hard = max(HEADER_HARD, ALLOWED.get(name, 0)) if header else SOURCE_HARD
    if not lines or lines[0] != SPDX:
        bad.append(f'{name}:1: the first line is not "{SPDX}"')
    if not text.endswith('\n'):
        bad.append(f'{name}:{len(lines)}: no newline at the end')
    if len(lines) > hard:
        bad.append(f'{name}: {len(lines)} lines, at most {hard}')
    elif len(lines) > soft and header:
        notes.append(f'{name}: note: {len(lines)} lines, better at most {soft}')
    elif len(lines) > max(soft, ALLOWED.get(name, 0)):
        bad.append(f'{name}: {len(lines)} lines, at most {max(soft, ALLOWED.get(name, 0))}: split it')
    for number, line in enumerate(lines, 1):
        if '\t' in line:
            bad.append(f'{name}:{number}: a tab')
        if len(line) > COLUMNS:
            bad.append(f'{name}:{number}: {len(line)} columns, at most {COLUMNS}')
        if line != line.rstrip():
            bad.append(f'{name}:{number}: blanks at the end of the line')
    for number, function, count in functions(lines):
        if count > FUNCTION_HARD:
            bad.append(f'{name}:{number}: {function} has {count} lines, at most {FUNCTION_HARD}')
        elif count > FUNCTION_SOFT:
            notes.append(f'{name}:{number}: note: {function} has {count} lines')
    return bad, notes


def check(root):
    bad, notes, seen = [], [], set()
    for top in ('src', 'tests', 'bench'):
        for where, _, names in os.walk(os.path.join(root, top)):
            for file in sorted(names):
                if not file.endswith(('.c', '.h')):
                    continue
                path = os.path.join(where, file)
                name = os.path.relpath(path, root)
                with open(path, encoding='utf-8') as f:
                    text = f.read()
                seen.add(name)
                b, n = check_text(name, text)
                bad += b
                notes += n
                if name in ALLOWED and text.count('\n') + 10 < ALLOWED[name]:
                    bad.append(f'tools/check-size.py: {name} shrank to {text.count(chr(10))}: so must '
                               'its row in ALLOWED')
    for name in sorted(set(ALLOWED) - seen):
        bad.append(f'tools/check-size.py: {name} is gone: take it out of ALLOWED')
    return bad, notes, len(seen)


def self_test():
    body = SPDX + '\n'
    function = 'int f(int a,\n      int b)\n{\n' + '    a = b;\n' * 99 + '}\n'
    cases = [
        ('a.c', 'int x;\n', 'the first line is not'),
        ('a.c', body + '\tint x;\n', 'a tab'),
        ('a.c', body + 'int ' + 'x' * 100 + ';\n', 'columns'),
        ('a.c', body + 'int x; \n', 'blanks'),
        ('a.c', body + 'int x;', 'no newline'),
        ('a.c', body + 'int x;\n' * 600, 'split it'),
        ('a.c', body + 'int x;\n' * 1000, 'at most 1000'),
        ('a.h', body + 'int x;\n' * 250, 'at most 250'),
        ('a.c', body + function, 'f has 101 lines'),
        ('a.c', body + function.replace('    a = b;\n', '', 1), None),
    ]
    for name, text, want in cases:
        bad, _ = check_text(name, text)
        if want is None and bad:
            sys.exit(f'self-test: fine, yet {bad}')
        if want is not None and not any(want in b for b in bad):
            sys.exit(f'self-test: "{want}" was not found: {bad}')
    print(f'self-test: {len(cases)} cases')


def main():
    args = [a for a in sys.argv[1:] if not a.startswith('-')]
    if '--self-test' in sys.argv:
        return self_test()
    root = os.path.abspath(args[0] if args else os.path.join(os.path.dirname(__file__), '..'))
    bad, notes, files = check(root)
    if not files:
        sys.exit('check-size: found no file to check')
    for line in notes + bad:
        print(line)
    sys.exit(1 if bad else 0)


if __name__ == '__main__':
    main()
