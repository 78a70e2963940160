#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The bench suite, small and once: every group that this machine can do measures something, every replica is right.
set -u
build=$(realpath "$1") || exit 1
cd "$(dirname "$0")/../.." || exit 1
results=$build/bench/results.json
# Not --quick, which measures all rows at once: first those of the bars, then the group's others.
if bench/run "$build" --only qcow2 --mib 16 --rounds 1 >"$build/test-logs/bench-parts"; then
    echo "ok a group is measured in two parts"
else
    cat "$build/test-logs/bench-parts"
    echo "not ok a group is measured in two parts"
    exit 1
fi
rm -f "$results"
if ! bench/run "$build" --quick >"$build/test-logs/bench-tables" || [ ! -s "$results" ]; then
    cat "$build/test-logs/bench-tables"
    # Once more at the end, where a log that is cut in its middle still has it.
    jq -r '.notes[] | "bench: \(.group): \(.text)"' "$results"
    jq -r '.left_out[] | "bench: \(.group): left out: \(.what): \(.why)"' "$results"
    echo "not ok the suite ends well"
    exit 1
fi
echo "ok the suite ends well"
code=0
for group in $(jq -r '[.samples[].group, .left_out[].group] | unique[]' "$results"); do
    if jq -e --arg g "$group" '[.samples[] | select(.group == $g)] | length > 0' "$results" >/dev/null; then
        echo "ok $group"
    elif jq -e --arg g "$group" '[.left_out[] | select(.group == $g and .what == "the group")] | length > 0' \
        "$results" >/dev/null; then
        echo "skip $group"
    else
        echo "not ok $group: nothing was measured"
        code=1
    fi
done
# A bar that names what no group measures would never be met nor missed.
if jq -e '.left_out == []' "$results" >/dev/null; then
    if grep -n 'not measured' "$build/test-logs/bench-tables"; then
        echo "not ok every bar is measured"
        code=1
    else
        echo "ok every bar is measured"
    fi
fi
exit $code
