#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SIGKILL at any moment: the replica is exactly the old or exactly the new generation.
exec python3 "$(dirname "$0")/faults/kill.py" "$@"
