/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is it worth compressing? Yes, unless the link takes everything at once and compressing is what
 * the transfer spends its time with. Decided window by window of raw bytes; in one that is not
 * compressed, the cost is taken to be what it was in the last one that was. Pure; times are
 * arguments.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define SQUEEZE_WINDOW (64u << 20) /* raw bytes: shorter transfers are always compressed */
#define SQUEEZE_COSTLY 4u          /* costly: it takes more than this part of the window's time */

struct squeeze {
    bool off, begun;
    bool backlog; /* within this window something else than compressing held us up */
    uint64_t raw, spent_us, since_us;
    uint64_t cost_us; /* of a window, when one was last compressed */
};

/* Is the next message to be compressed? */
bool squeeze_wanted(const struct squeeze *q);
/* One message went out: its raw bytes, and the time compressing it took (0: it was not). */
void squeeze_sent(struct squeeze *q, uint64_t raw, uint64_t spent_us, uint64_t now_us);
/* The link, or a limit, does not take what there is: then fewer bytes are faster. */
void squeeze_held_up(struct squeeze *q);
