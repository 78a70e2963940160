#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What huge disks and hundreds of relationships cost.
exec python3 "$(dirname "$0")/faults/scale.py" "$@"
