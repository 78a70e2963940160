#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# CIM-XML byte by byte: the cases of docs/cim-xml.md that need a daemon. See tests/lib/cimwire.py.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
need python3
make_lab lab
python3 "$root/tests/lib/cimwire.py" "$L/env" || failed=1
finish
