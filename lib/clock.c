/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * clock - the only source of time (log.c alone asks the wall clock itself, for the
 * time stamps people read).
 *
 * The wall clock is read once. From then on CLOCK_BOOTTIME carries it: it is
 * slewed by NTP like the wall clock but never stepped, and it counts while the machine
 * is suspended. A windowed limit therefore never empties or locks up because
 * somebody set the date.
 */
#include "lib/clock.h"

#include <pthread.h>
#include <time.h>

#include "lib/banned.h"

static pthread_once_t clock_once = PTHREAD_ONCE_INIT;
static int64_t clock_offset_us;	/* wall clock - boot time at the first call; written once, under clock_once */

static int64_t
clock_read_us(clockid_t id)
{
	struct timespec t = { 0, 0 };

	(void)clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void
clock_start(void)
{
	clock_offset_us = clock_read_us(CLOCK_REALTIME) - clock_read_us(CLOCK_BOOTTIME);
}

uint64_t
clock_now(void)
{
	(void)pthread_once(&clock_once, clock_start);
	return (uint64_t)(clock_read_us(CLOCK_BOOTTIME) + clock_offset_us) / 1000;
}

uint64_t
clock_mono_us(void)
{
	return (uint64_t)clock_read_us(CLOCK_MONOTONIC);
}

uint64_t
clock_deadline(uint64_t ms)
{
	uint64_t now = clock_mono_us();

	return ms > (UINT64_MAX - now) / 1000 ? UINT64_MAX : now + ms * 1000;
}

uint64_t
clock_left(uint64_t deadline)
{
	uint64_t now = clock_mono_us();

	/* Rounded up: a deadline is not over before it is. */
	return deadline <= now ? 0 : (deadline - now - 1) / 1000 + 1;
}
