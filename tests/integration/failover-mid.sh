#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Failover in the middle of a resync; a repair of the extended replica beside one.
exec python3 "$(dirname "$0")/faults/failover_mid.py" "$@"
