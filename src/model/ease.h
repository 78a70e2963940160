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
    uint64_t baseline_us;     /* what they take else; 0: not known, then the floor alone counts */
    uint64_t latency_us;      /* the mean of the last second that said something */
    uint64_t writes, time_us; /* not judged yet, */
    uint32_t looks;           /* of so many looks */
    uint32_t level, calm;
    uint32_t times; /* the level rose */
    bool gentle;    /* the guest writes: little is read at a time */
};

void ease_begin(struct ease *e, uint32_t factor, uint64_t baseline_us);
/* Reading begins, and the guest wrote just now. */
void ease_start_slow(struct ease *e);
/* Since the last look. */
void ease_look(struct ease *e, uint64_t writes, uint64_t time_us);
/* How long to rest after reading for took_us. */
uint64_t ease_rest_us(uint32_t level, uint64_t took_us);

/*
 * How long a guest's writes take while nothing is read: what its counters, which begin with each
 * start of it, tell of the periods between transfers. It follows a faster period at once and a
 * slower one by an eighth, since what else a period was disturbed by is not known. All zeroes to
 * begin with; then the first period is all since the guest was started.
 */
struct ease_quiet {
    int start;                  /* which start of the guest */
    uint64_t writes, time_us;   /* the counters when the period began */
    uint64_t short_n, short_us; /* of periods that said too little */
    uint64_t latency_us;        /* 0: not known */
};

/* A transfer ended at these counters: a period begins. */
void ease_quiet_begin(struct ease_quiet *q, int start, uint64_t writes, uint64_t time_us);
/* It ends, since the next transfer begins: the baseline for that. */
uint64_t ease_quiet_end(struct ease_quiet *q, int start, uint64_t writes, uint64_t time_us);
