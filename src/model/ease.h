/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a guest's writes take long while its disks are read, reading gets slower, and faster again
 * when they do not. Pure: told once a second how many writes ended and how long they took. Each
 * level halves the part of the time in which is read; it rises at once and falls after a while of
 * calm, so that it does not swing.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define EASE_LEVEL_MAX 5u      /* a 32nd of the time */
#define EASE_FLOOR_US 5000u    /* writes this fast are good, whatever they were before */
#define EASE_WRITES_MIN 4u     /* fewer say nothing of a second */
#define EASE_CALM 3u           /* seconds until reading gets faster */
#define EASE_BASELINE_MIN 100u /* writes that make a baseline */

struct ease {
    uint32_t factor;      /* so many times the baseline is too long; 0: never slower */
    uint64_t baseline_us; /* the mean of before; 0: not known, then the floor alone counts */
    uint64_t latency_us;  /* the mean of the last second that said something */
    uint32_t level, calm;
    uint32_t times; /* the level rose */
};

/* writes, time_us: all there were before the disks were read. */
void ease_begin(struct ease *e, uint32_t factor, uint64_t writes, uint64_t time_us);
/* The last second's. */
void ease_look(struct ease *e, uint64_t writes, uint64_t time_us);
/* How long to rest after reading for took_us. */
uint64_t ease_rest_us(uint32_t level, uint64_t took_us);
