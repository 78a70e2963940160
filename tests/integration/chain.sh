#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Three hosts in a row, each sending by itself: what the last one holds, and of when it says that it is.
# shellcheck disable=SC2317 # scenarios are called by name
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
make_lab lab --hosts 3

# Every host tells the time at which h1's disks were so.
one_instant() {
    damage "$H1_DISK_0"
    vr h1 resync "$VM_NAME" --wait
    local instant
    instant=$(rel_get h1 .last_sync)
    [ "$(rel_get h2 .last_sync)" = "$instant" ]
    sleep 1.1 # whatever is told from now on is another second
    vr h2 resync "$VM_NAME" --extended --wait
    equal_disks h1 h3
    [ "$(rel_get h2 .last_sync 1)" = "$instant" ]
    [ "$(rel_get h3 .last_sync 1)" = "$instant" ]
}

after_restarts() {
    local instant
    instant=$(rel_get h1 .last_sync)
    host restart h2
    host restart h3
    [ "$(rel_get h2 .last_sync)" = "$instant" ]
    [ "$(rel_get h3 .last_sync 1)" = "$instant" ]
}

# The record is made again from the sidecar.
lost_database() {
    local instant
    instant=$(rel_get h1 .last_sync)
    host stop h3
    rm -f "$L"/h3/state/vmreplica.db*
    host start h3
    vr h3 authorize add h2.localhost --storage "$L/h3/replicas"
    host restart h3
    [ "$(rel_get h3 .last_sync 1)" = "$instant" ]
}

scenario 'one instant along the chain' one_instant
scenario 'the instant outlives restarts' after_restarts
scenario 'the instant outlives the database' lost_database
finish
