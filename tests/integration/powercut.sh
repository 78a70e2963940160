#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The replica's host loses power: what was reported as completed is there.
if ! command -v unshare >/dev/null || ! unshare -m true 2>/dev/null; then
    echo 'skip powercut: no mount namespace can be made here'
    exit 77
fi
exec python3 "$(dirname "$0")/faults/powercut.py" "$@"
