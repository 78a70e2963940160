/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks and instants. Wall time: microseconds since 1970 UTC. Deadlines: monotonic milliseconds.
 * */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint64_t vr_wall_us(void);
uint64_t vr_mono_ms(void);
uint64_t vr_mono_us(void);
/* Nanoseconds of processor time that this thread has used. */
uint64_t vr_thread_cpu_ns(void);

/* "2026-11-20T21:04:05.123456Z"; buf of at least VR_ISO_TIME_LEN. 0 gives "-". */
#define VR_ISO_TIME_LEN 32
const char *vr_iso_time(uint64_t wall_us, char *buf, size_t cap);
/* RFC 3339 "YYYY-MM-DDThh:mm[:ss[.ffffff]](Z|+hh:mm|-hh:mm)". False: not of that form or no such
 * date. */
bool vr_parse_iso_time(const char *text, uint64_t *ret_wall_us);
/* Civil date to microseconds; false when there is no such date. month 1..12, day 1..31, second
 * 0..60 */
bool vr_civil_to_us(int year,
                    int month,
                    int day,
                    int hour,
                    int minute,
                    int second,
                    uint32_t us,
                    uint64_t *ret_wall_us);
