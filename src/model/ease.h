/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a guest's writes take long while its disks are read, reading gets slower, and faster again
 * when they do not. Pure: told four times a second how many writes ended and how long they took.
 * Each level halves the part of the time in which is read; it rises at once and falls after a while
 * of calm, so that it does not swing. Of a guest that writes, reading begins slow.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define EASE_LOOK_MS 250u
#define EASE_LEVEL_MAX 5u      /* a 32nd of the time */
#define EASE_LEVEL_FIRST 2u    /* of a guest that writes */
#define EASE_FLOOR_US 1000u    /* writes this fast are good, whatever they were before */
#define EASE_WRITES_MANY 16u   /* so many are judged at once, */
#define EASE_LOOKS 4u          /* fewer when a second is over, */
#define EASE_WRITES_MIN 4u     /* and fewer than that say nothing */
#define EASE_CALM 12u          /* looks until reading gets faster */
#define EASE_BASELINE_MIN 100u /* writes that make a baseline */

struct ease {
    uint32_t factor;          /* at so many times the baseline it is too late; 0: never slower */
    uint64_t baseline_us;     /* the mean of before; 0: not known, then the floor alone counts */
    uint64_t latency_us;      /* the mean of the last second that said something */
    uint64_t writes, time_us; /* not judged yet, */
    uint32_t looks;           /* of so many looks */
    uint32_t level, calm;
    uint32_t times; /* the level rose */
    bool gentle;    /* the guest writes: little is read at a time */
};

/* writes, time_us: all there were before the disks were read. */
void ease_begin(struct ease *e, uint32_t factor, uint64_t writes, uint64_t time_us);
/* Reading begins, and the guest wrote just now. */
void ease_start_slow(struct ease *e);
/* Since the last look. */
void ease_look(struct ease *e, uint64_t writes, uint64_t time_us);
/* How long to rest after reading for took_us. */
uint64_t ease_rest_us(uint32_t level, uint64_t took_us);
