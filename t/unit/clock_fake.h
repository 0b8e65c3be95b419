/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef T_UNIT_CLOCK_FAKE_H
#define T_UNIT_CLOCK_FAKE_H
/*
 * clock_fake - stands in for lib/clock.c in tests: time moves only when told to.
 *
 * It begins at CLOCK_FAKE_START. clock_mono_us() moves along with
 * every step forward and stands still on a step back. Callable from any thread.
 */
#include <stdint.h>

#include "lib/clock.h"

#define CLOCK_FAKE_START UINT64_C(1767225600000)	/* 2026-01-01 00:00:00 UTC */

void clock_fake_set(uint64_t ms);
void clock_fake_advance(uint64_t ms);

#endif
