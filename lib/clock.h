/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_CLOCK_H
#define LIB_CLOCK_H
/*
 * clock - the only source of time. Tests link clock_fake.c in its place.
 */
#include <stdint.h>

/* Milliseconds since 1970. Read once from the wall clock at the first call and
 * carried on by CLOCK_BOOTTIME, so that a step of the wall clock moves no window. */
uint64_t clock_now(void);
/* Microseconds of a clock that only grows: for durations and deadlines. */
uint64_t clock_mono_us(void);
/* The deadline (on clock_mono_us) that is ms from now. */
uint64_t clock_deadline(uint64_t ms);
/* Milliseconds until the deadline; 0 when it has passed. */
uint64_t clock_left(uint64_t deadline);

#endif
