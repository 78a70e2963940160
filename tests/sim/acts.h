/* SPDX-License-Identifier: Apache-2.0 */
/* The single acts of scenarios: a person's verbs (at 0: on h1), guest's writes, fate's faults. */
#pragma once
#include "core/initial.h"
#include "tests/sim/world.h"

extern const struct core_caller admin;
void answered(void *ctx, const struct core_answer *a);
void run_some(struct world *w, uint64_t events);
void run_to_rest(struct world *w); /* where something is done by itself: for two hours */
void run_for(struct world *w, uint64_t us);
/* Replication and resynchronization by itself of the host's relationship; interval 0, window false:
 * off. */
void by_itself(struct world *w, int at, uint32_t interval_s, bool window);
/* Somebody frees space on every disk that was full. */
void make_room(struct world *w);
bool is_by_itself(struct world *w);
void enable(struct world *w, int at);
void create(struct world *w, int at); /* the relationship as a job; nothing is sent yet */
void start(struct world *w, int at, enum core_start_type type, uint64_t start_us);
void import(struct world *w, int at);       /* at the replica's host */
void stop_offline(struct world *w, int at); /* the export or import that runs there */
void modify(struct world *w, int at);
void forget(struct world *w, int at); /* removes the relationship as a job */
void resync(struct world *w, int at, uint64_t start_us, bool force, bool restart);
void change_state(struct world *w, int at, uint16_t to);
void scribble(struct world *w);
void scribble_much(struct world *w);
bool source_locked(struct world *w);
struct fs_inode *source_disk(struct world *w, uint32_t i);
void source_changed(struct world *w); /* what reads it now has no instant any more */
/* reshape.c: a disk grows, shrinks, comes or goes. */
void reshape(struct world *w);
void guest_writes(struct world *w);
void damage(struct world *w);
void cut_link(struct world *w);
void vm_stops(struct world *w);
void person_acts(struct world *w);
void fate_acts(struct world *w);
void failover(struct world *w);
/* cycles.c: what happens by itself */
void cycles_off(struct world *w);
void cycles_must_catch_up(struct world *w);
void cycles_with_trouble(struct world *w);
void hour_of_chain(struct world *w);
void wait_for_window(struct world *w);
void churn(struct world *w);
