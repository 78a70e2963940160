#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The replica's file system runs full: nothing is lost, and with space it goes on.
if ! command -v unshare >/dev/null || ! unshare -m true 2>/dev/null; then
    echo 'skip diskfull: no mount namespace can be made here'
    exit 77
fi
exec python3 "$(dirname "$0")/faults/diskfull.py" "$@"
