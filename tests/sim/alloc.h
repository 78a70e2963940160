/* SPDX-License-Identifier: Apache-2.0 */
/* Fails the n-th allocation of the code under test. The linker sends malloc and its kin through
 * here (--wrap). */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct sim_alloc {
    bool armed;       /* only while a step of a lane or a session runs */
    uint64_t fail_at; /* counts down; 0: never */
    uint64_t injected;
};
extern struct sim_alloc sim_alloc;
