#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# embed.py FILE OUT NAME: the file as a C array, so that the daemon never serves a schema other than its own.
import sys

data = open(sys.argv[1], 'rb').read()
rows = [', '.join(str(b) for b in data[i:i + 20]) for i in range(0, len(data), 20)]
with open(sys.argv[2], 'w') as out:
    out.write('/* made from %s */\n#include "provider/internal.h"\n' % sys.argv[1].split('/')[-1])
    out.write('const unsigned char %s[] = {\n%s};\n' % (sys.argv[3], ',\n'.join(rows)))
    out.write('const size_t %s_len = sizeof %s;\n' % (sys.argv[3], sys.argv[3]))
