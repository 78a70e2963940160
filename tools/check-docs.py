#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Do the documents say what the programs do, and nothing else? Both directions.

    tools/check-docs.py ROOT BUILD      exit 1 with what differs
    tools/check-docs.py --self-test     proves that differences are found

Compared: options in --help with the man pages; keys and defaults of src/daemon/config.c and keys of
src/inventory/static.c with vmreplicad.conf(5); frame types and limits of src/transport/msg.h with the protocol's two
descriptions; numbered invariants (INV-n) in src/ with docs/on-disk.md; paths and links in the *.md files with the tree;
the cases docs/cim-xml.md and docs/wsman.md name with the tests; CIM namespaces with docs/namespaces.md and the man page,
and the properties of root/cimv2 that are filled with that page.
"""
import os
import re
import subprocess
import sys

OPTION = re.compile(r'(?<![\w-])--[a-z][a-z0-9-]*')
KEY_ROW = re.compile(r'\bK\(\s*"([^"]+)",\s*"([^"]+)".*?,\s*(NULL|"[^"]*")\s*\)', re.S)
FRAME = re.compile(r'^\s*X\(([A-Z]+),\s*(\d+)\)', re.M)
WINDOW = re.compile(r'^#define (MSG_(?:WINDOW|DATA|DIGESTS|DETAIL)\w*(?:_MAX|_NODES|_DATA))\b', re.M)
LINK = re.compile(r'\[[^\]]*\]\(([^)#\s]+)[^)]*\)')
PATH = re.compile(r'`((?:src|tests|bench|docs|tools|man|schema)/[\w./-]+)`')
INVARIANT = re.compile(r'\bINV-\d+')


def read(path):
    with open(path, encoding='utf-8') as f:
        return f.read()


def unroff(text):
    """A man page's text without its markup."""
    text = re.sub(r'\\f[BIRP]|\\&|\\c', '', text)
    text = re.sub(r'^\.\\".*$', '', text, flags=re.M)
    return text.replace('\\-', '-').replace('\\(aq', "'").replace('\\e', '\\')


def unquoted(text):
    """What a man page says of its own program: without the examples between .Bd and .Ed."""
    return re.sub(r'^\.Bd\b.*?^\.Ed$', '', text, flags=re.M | re.S)


def two_ways(what, code, code_name, doc, doc_name):
    problems = [f'{doc_name}: does not tell {what} {x} of {code_name}' for x in sorted(code - doc)]
    return problems + [f'{doc_name}: tells {what} {x}, which {code_name} does not have'
                       for x in sorted(doc - code)]


def options_of_help(text):
    return set(OPTION.findall(text))


def commands_of_help(text):
    """The command words of `vmreplica --help`: lines of its "commands:" part."""
    part = text.partition('commands:\n')[2].split('\n\n')[0]
    found = []
    for line in part.split('\n'):
        m = re.match(r'  ([a-z][a-z ]*[a-z])(?=\s|$)', line)
        if m:
            # Lower-case words up to the arguments (upper case) or the summary (two blanks).
            found.append(re.split(r'\s{2,}', m.group(1))[0])
    return found


def keys_of_config(text):
    """{(section, key): default or None}"""
    rows = KEY_ROW.findall(text[text.index('keys[] = {'):])
    return {(s, k): None if d == 'NULL' else d.strip('"') for s, k, d in rows}


def keys_of_man(text):
    """Of vmreplicad.conf.5: .Ss [section], then .It Cm key, and in its text "Default: value."."""
    keys, section, key = {}, None, None
    lines = unroff(text).split('\n')
    for line in lines:
        m = re.match(r'\.Ss \[(\w+)\]', line)
        if m:
            section, key = m.group(1), None
        elif re.match(r'\.S[hs]\b', line):
            section = key = None
        elif section and line.startswith('.It Cm '):
            key = (section, line.split()[2])
            keys[key] = None
        elif key:
            m = re.search(r'Default: (\S+?)\.?$', line)
            if m:
                keys[key] = m.group(1)
    return keys


def inventory_keys(text):
    m = re.search(r'known are ([^"]+)"', text)
    return set(re.split(r',\s*', m.group(1))) if m else set()


def run(command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=20, check=False)
    if done.returncode != 0:
        sys.exit(f'{" ".join(command)}: exit status {done.returncode}: {done.stderr.strip()}')
    return done.stdout


def check_program(root, build, name, man):
    program = os.path.join(build, name)
    page = os.path.join(root, 'man', man)
    if not os.path.exists(program):
        return [f'{program} is not built']
    if not os.path.exists(page):
        return [f'man/{man} is missing']
    man_text = unroff(unquoted(read(page)))
    help_text = run([program, '--help'])
    options = options_of_help(help_text) | {'--help'}
    if '--version' in man_text and run([program, '--version']):
        options.add('--version')
    problems = []
    for command in commands_of_help(help_text):
        options |= options_of_help(run([program, *command.split(), '--help']))
        if not re.search(r'\b' + re.escape(command) + r'\b', man_text):
            problems.append(f'man/{man}: does not tell command "{command}"')
    return problems + two_ways('option', options, name + ' --help', options_of_help(man_text),
                               'man/' + man)


def check_config(root):
    code = keys_of_config(read(os.path.join(root, 'src/daemon/config.c')))
    page = read(os.path.join(root, 'man/vmreplicad.conf.5'))
    man = keys_of_man(page)
    if not code:
        return ['src/daemon/config.c: found no keys: has the table changed its form?']
    say = lambda keys: {f'[{s}] {k}' for s, k in keys}  # noqa: E731
    problems = two_ways('key', say(code), 'config.c', say(man), 'man/vmreplicad.conf.5')
    for key in sorted(set(code) & set(man)):
        if code[key] is not None and code[key] != man[key]:
            problems.append(f'man/vmreplicad.conf.5: [{key[0]}] {key[1]}: default is {code[key]}, '
                            f'the page says {man[key]}')
    inventory = inventory_keys(read(os.path.join(root, 'src/inventory/static.c')))
    if not inventory:
        problems.append('src/inventory/static.c: found no keys: has its message changed?')
    for key in sorted(inventory):
        if not re.search(r'^\.It Cm ' + re.escape(key), unroff(page),
                         re.M):
            problems.append(f'man/vmreplicad.conf.5: does not tell key {key} of the inventory')
    return problems


def check_protocol(root):
    header = read(os.path.join(root, 'src/transport/msg.h'))
    frames = {f'{name} {number}' for name, number in FRAME.findall(header)}
    windows = set(WINDOW.findall(header))
    problems = [] if frames and windows else ['src/transport/msg.h: found no frames or windows']
    text = read(os.path.join(root, 'docs/protocol.md'))
    told = {f'{name} {number}' for number, name in re.findall(r'^\| (\d+) \| ([A-Z]+) \|', text, re.M)}
    problems += two_ways('frame', frames, 'msg.h', told, 'docs/protocol.md')
    problems += [f'docs/protocol.md: does not tell {w}' for w in sorted(windows) if w not in text]
    page = unroff(read(os.path.join(root, 'man/vmreplica-protocol.7')))
    return problems + [f'man/vmreplica-protocol.7: does not tell frame {f.split()[0]}'
                       for f in sorted(frames) if not re.search(rf'\b{f.split()[0]}\b', page)]


def check_definition(root):
    header = read(os.path.join(root, 'src/model/definition.h')).replace('\\\n', ' ')
    row = r'X\(\w+, (\d+), "([\w-]+)",\s+"([^"]+)"\)'
    code = {' '.join(r) for r in re.findall(row, header.partition('VR_DEFINITION_NOTES(X)')[2].partition('#define')[0])}
    problems = [] if code else ['src/model/definition.h: found no notes']
    text = read(os.path.join(root, 'docs/internals/replica-vm.md'))
    told = {' '.join(r) for r in re.findall(r'^\| (\d+) \| `([\w-]+)` \| (.*) \|$', text, re.M)}
    return problems + two_ways('note', code, 'src/model/definition.h', told, 'docs/internals/replica-vm.md')


def check_namespaces(root):
    source = read(os.path.join(root, 'src/cim/broker.h')) + read(os.path.join(root, 'src/provider/internal.h'))
    code = set(re.findall(r'^#define (?:CIM_NAMESPACE|PROVIDER_NS_\w+) "([^"]+)"', source, re.M))
    problems = [] if code else ['src/provider/internal.h: found no namespaces']
    for path, row in (('docs/namespaces.md', r'^\| `(root/[\w/]+)` \|'), ('man/vmreplicad.8', r'^\.It Pa (root/\S+)$')):
        told = set(re.findall(row, read(os.path.join(root, path)), re.M))
        problems += two_ways('namespace', code, 'the source', told, path)
    filled = set(re.findall(r'\(i, "(\w+)"', read(os.path.join(root, 'src/provider/cimv2.c'))))
    part = read(os.path.join(root, 'docs/namespaces.md')).partition('\n## root/cimv2\n')[2]
    rows = [line.split('|')[2] for line in part.split('\n') if line.startswith('| ')]
    told = set(re.findall(r'`(\w+)`', ' '.join(rows)))
    return problems + two_ways('property', filled, 'src/provider/cimv2.c', told, 'docs/namespaces.md')


def cited(root, top):
    found = set()
    for where, _, names in os.walk(os.path.join(root, top)):
        for name in names:
            if name.endswith(('.c', '.h', '.sh')):
                found |= set(INVARIANT.findall(read(os.path.join(where, name))))
    return found


def check_invariants(root):
    code, doc = cited(root, 'src'), set(INVARIANT.findall(read(os.path.join(root, 'docs/on-disk.md'))))
    problems = two_ways('invariant', code, 'src/', doc, 'docs/on-disk.md')
    if os.path.isdir(os.path.join(root, 'tests/sim')):
        problems += [f'tests/: no test cites {x}' for x in sorted(code - cited(root, 'tests'))]
    return problems


def cases_of_doc(text):
    """Of tables whose last column is "cases": what stands there in backticks."""
    found, inside = set(), False
    for line in text.split('\n'):
        cells = [c.strip() for c in line.strip().strip('|').split('|')]
        if not line.startswith('|'):
            inside = False
        elif cells[-1] == 'cases':
            inside = True
        elif inside:
            found |= set(re.findall(r'`([^`]+)`', cells[-1]))
    return found


def check_cases(root):
    tests = ''
    for where, _, names in os.walk(os.path.join(root, 'tests')):
        tests += ''.join(read(os.path.join(where, n)) for n in names if n.endswith(('.c', '.sh', '.py')))
    problems, all_cases = [], set()
    for doc in ('docs/cim-xml.md', 'docs/wsman.md'):
        cases = cases_of_doc(read(os.path.join(root, doc)))
        known = {c for c in cases if re.search(r'\bvoid ' + re.escape(c) + r'\(', tests)
                 or f"scenario '{c}'" in tests or f'@case("{c}")' in tests}
        problems += [] if cases else [f'{doc}: found no cases: has the table changed its form?']
        problems += [f'{doc}: no test has the case "{c}"' for c in sorted(cases - known)]
        all_cases |= cases
    numbered = set(re.findall(r'@case\("(\d+: [^"]+)"\)', tests))
    return problems + [f'docs/cim-xml.md: does not tell case "{c}"' for c in sorted(numbered - all_cases)]


def markdown(root):
    for where, folders, names in os.walk(root):
        folders[:] = [d for d in folders if not d.startswith(('.', 'build')) and d != 'corpus']
        for name in names:
            if name.endswith('.md'):
                yield os.path.join(where, name)


def check_links(root):
    problems = []
    for path in markdown(root):
        text, name = read(path), os.path.relpath(path, root)
        for link in LINK.findall(text):
            if not re.match(r'\w+:', link) and not os.path.exists(
                    os.path.join(os.path.dirname(path), link)):
                problems.append(f'{name}: link to {link}, which does not exist')
        for mentioned in PATH.findall(text):
            if not os.path.exists(os.path.join(root, mentioned)):
                problems.append(f'{name}: mentions {mentioned}, which does not exist')
    return problems


def self_test():
    page = '.Ss [a]\n.It Cm one Ar n\nText.\nDefault: 5.\n.It Cm two\nText.\n.Sh NEXT\n.It Cm three\n'
    tests = [
        (keys_of_man(page), {('a', 'one'): '5', ('a', 'two'): None}),
        (keys_of_config('keys[] = {\n K("a", "one", T, m, 0, 0, "5"),\n K("a", "two", T, m, 0,\n 0, NULL),'),
         {('a', 'one'): '5', ('a', 'two'): None}),
        (options_of_help('  -c, --config FILE  x\n  --check-config  --'), {'--config', '--check-config'}),
        (commands_of_help('x\n\ncommands:\n  status   what is\n  peer test HOST  y\n\nend'),
         ['status', 'peer test']),
        (two_ways('o', {'x', 'y'}, 'c', {'y', 'z'}, 'd'),
         ['d: does not tell o x of c', 'd: tells o z, which c does not have']),
        (options_of_help(unroff(unquoted('.Cm \\-\\-json\n.Bd -literal\nls --all\n.Ed\n'))), {'--json'}),
        (cases_of_doc('| a | cases |\n|---|---|\n| `x` | `y`, `1: z` |\n\n| a | b |\n| `v` | `w` |'), {'y', '1: z'}),
        (inventory_keys('known are uuid, disk.NAME",'), {'uuid', 'disk.NAME'}),
    ]
    for got, want in tests:
        if got != want:
            sys.exit(f'self-test: got {got}, wanted {want}')
    print(f'self-test: {len(tests)} cases')


def main():
    if sys.argv[1:] == ['--self-test']:
        return self_test()
    root, build = map(os.path.abspath, sys.argv[1:3])
    problems = check_program(root, build, 'vmreplica', 'vmreplica.1')
    problems += check_program(root, build, 'vmreplicad', 'vmreplicad.8')
    problems += check_config(root) + check_protocol(root) + check_definition(root)
    problems += check_invariants(root) + check_links(root) + check_cases(root)
    problems += check_namespaces(root)
    for p in problems:
        print(p)
    sys.exit(1 if problems else 0)


if __name__ == '__main__':
    main()
