#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who may include whom: folders of src/ by tools/layers.txt, libraries by LIBRARIES below.

    tools/check-layering.py [ROOT]      prints every breach as file:line, exit 1 if there is one
    tools/check-layering.py --self-test proves that breaches are found
"""
import os
import re
import sys
import tempfile

# The first part of an included name -> the folders that may use that library.
LIBRARIES = {
    'gnutls/': {'net'},
    'gssapi/': {'net'},
    'sqlite3.h': {'store'},
    'libnbd.h': {'block'},
    'liburing.h': {'block'},
    'microhttpd.h': {'front'},
    'libxml/': {'front', 'inventory'},
    'jansson.h': {'front', 'resync', 'cli'},
    'openssl/': {'resync', 'net'},
    'curl/': {'cli'},
    'ini.h': {'inventory', 'daemon'},
    'zstd.h': {'resync'},
    'crypt.h': {'net'},
    'libvirt/': {'inventory'},
}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def read_layers(path):
    """{folder: set of folders it may include, or None for every folder}"""
    allowed = {}
    with open(path, encoding='utf-8') as f:
        for number, line in enumerate(f, 1):
            line = line.split('#')[0].strip()
            if not line:
                continue
            folder, colon, rest = line.partition(':')
            if not colon:
                sys.exit(f'{path}:{number}: no colon')
            words = rest.split()
            allowed[folder.strip()] = None if words == ['*'] else set(words)
    return allowed


def check_order(allowed):
    """Layers must not include each other in a circle."""
    problems, done = [], set()

    def visit(folder, way):
        if folder in way:
            problems.append('layers.txt: circle ' + ' -> '.join(way + [folder]))
        elif folder not in done:
            for below in sorted(allowed.get(folder) or ()):
                visit(below, way + [folder])
            done.add(folder)

    for folder in allowed:
        visit(folder, [])
    return problems


def library_of(name):
    for prefix, owners in LIBRARIES.items():
        if name == prefix or (prefix.endswith('/') and name.startswith(prefix)):
            return owners
    return None


def check_file(path, root, allowed, folders):
    problems = []
    folder = os.path.relpath(path, os.path.join(root, 'src')).split(os.sep)[0]
    with open(path, encoding='utf-8') as f:
        for number, line in enumerate(f, 1):
            m = INCLUDE.match(line)
            if not m:
                continue
            where = f'{os.path.relpath(path, root)}:{number}'
            name = m.group(2)
            owners = library_of(name)
            if owners is not None and folder not in owners:
                who = ', '.join(sorted(owners)) or 'no folder yet'
                problems.append(f'{where}: <{name}> is used by {who} only')
            if m.group(1) != '"':
                continue
            first, slash, _ = name.partition('/')
            if not slash:
                if name != 'vr_config.h':
                    problems.append(f'{where}: "{name}": write it from src/, "folder/name.h"')
                continue
            if first not in folders:
                problems.append(f'{where}: "{name}": there is no folder src/{first}')
            elif not os.path.exists(os.path.join(root, 'src', name)):
                problems.append(f'{where}: "{name}" does not exist')
            elif first != folder and allowed[folder] is not None and first not in allowed[folder]:
                problems.append(f'{where}: {folder} may not include {first} (tools/layers.txt)')
    return problems


def check(root):
    allowed = read_layers(os.path.join(root, 'tools', 'layers.txt'))
    src = os.path.join(root, 'src')
    folders = {d for d in os.listdir(src) if os.path.isdir(os.path.join(src, d))}
    problems = check_order(allowed)
    for folder in sorted(folders - set(allowed)):
        problems.append(f'tools/layers.txt: src/{folder} is not listed')
    files = 0
    for where, _, names in os.walk(src):
        for name in sorted(names):
            path = os.path.join(where, name)
            folder = os.path.relpath(path, src).split(os.sep)[0]
            if name.endswith(('.c', '.h')) and folder in allowed:
                files += 1
                problems += check_file(path, root, allowed, folders)
    return problems, files


def self_test():
    cases = [
        ('util/a.c', '#include "model/m.h"\n', 'util may not include model'),
        ('model/a.c', '#include <sqlite3.h>\n', 'is used by store only'),
        ('model/b.c', '#include <gnutls/x509.h>\n', 'is used by net only'),
        ('model/c.c', '#include "nowhere/m.h"\n', 'there is no folder'),
        ('model/d.c', '#include "m.h"\n', 'write it from src/'),
        ('model/e.c', '#include "util/gone.h"\n', 'does not exist'),
        ('model/f.c', '#include "util/u.h"\n#include <stdio.h>\n', None),
        ('top/g.c', '#include "util/u.h"\n#include "model/m.h"\n', None),
    ]
    for name, text, want in cases:
        with tempfile.TemporaryDirectory() as root:
            for folder in ('util', 'model', 'top'):
                os.makedirs(os.path.join(root, 'src', folder))
            os.makedirs(os.path.join(root, 'tools'))
            for path, body in (('tools/layers.txt', 'util:\nmodel: util\ntop: *\n'),
                               ('src/util/u.h', ''), ('src/model/m.h', ''), ('src/' + name, text)):
                with open(os.path.join(root, path), 'w', encoding='utf-8') as f:
                    f.write(body)
            problems, _ = check(root)
            if want is None and problems:
                sys.exit(f'self-test: {name} is fine, yet: {problems}')
            if want is not None and not any(want in p for p in problems):
                sys.exit(f'self-test: {name}: "{want}" was not found: {problems}')
    if not check_order({'a': {'b'}, 'b': {'a'}}):
        sys.exit('self-test: a circle was not found')
    print(f'self-test: {len(cases) + 1} cases')


def main():
    if sys.argv[1:] == ['--self-test']:
        return self_test()
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), '..')
    problems, files = check(os.path.abspath(root))
    if not files:
        sys.exit('check-layering: found no file to check')
    for p in problems:
        print(p)
    sys.exit(1 if problems else 0)


if __name__ == '__main__':
    main()
