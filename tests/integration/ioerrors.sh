#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# System calls fail: every error has its end, with the reason, and the replica is whole.
exec python3 "$(dirname "$0")/faults/ioerrors.py" "$@"
