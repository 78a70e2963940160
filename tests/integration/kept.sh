#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A transfer uses the connection of the question before it, and gets another when that one ends.
exec python3 "$(dirname "$0")/faults/kept.py" "$@"
