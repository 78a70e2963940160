/* SPDX-License-Identifier: Apache-2.0 */
/* What relationships do by themselves; part of core/internal.h. */
#pragma once
#include "core/core.h"

struct call;
struct rel_entry;

/* --- cycle.c, auto.c --- */
/* When is this relationship to be looked at next? After every change of it. */
void cycle_plan(struct core *c, struct rel_entry *e);
void cycle_tick(struct core *c, uint64_t now);
void cycle_reply(struct core *c, const struct call *call, const struct vr_peer_reply *reply);
/* A cycle failed: counts the try, plans the next; to state 9 when it lasts too long. next: a copy
 * that the caller saves. */
void cycle_failed(struct core *c, struct rel_entry *e, struct vr_rel *next, const char *text);
/* It could not begin, or its disks were taken from it: no failure, but told, once. */
void cycle_missed(
    struct core *c, struct rel_entry *e, struct vr_rel *next, uint64_t n, const char *text);
/* A cycle went through. */
void cycle_done(struct core *c, struct rel_entry *e, struct vr_rel *next);
/* 0: no automatic resynchronization is planned. */
uint64_t auto_wish(struct core *c, const struct rel_entry *e, uint64_t now);
/* When it begins by itself, for people; 0: that is not planned. */
uint64_t cycle_next(struct core *c, const struct rel_entry *e);
uint64_t auto_next(struct core *c, const struct rel_entry *e, uint64_t now);
void auto_start(struct core *c, struct rel_entry *e, uint64_t now);
/* Is it wanted, and the window open? */
bool auto_may(struct core *c, const struct rel_entry *e, uint64_t now);
