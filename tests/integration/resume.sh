#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What was staged before an interruption is not sent again.
exec python3 "$(dirname "$0")/faults/resume.py" "$@"
