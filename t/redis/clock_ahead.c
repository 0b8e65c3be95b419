/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * clock_ahead - see the header. Deadlines are on the true clock: only what time it is is wrong.
 */
#include "t/redis/clock_ahead.h"

#include <time.h>

#include "lib/banned.h"

int64_t clock_ahead;

static uint64_t
clock_read(clockid_t id, uint64_t per_second)
{
	struct timespec t;

	(void)clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * per_second + (uint64_t)t.tv_nsec / (1000000000 / per_second);
}

uint64_t
clock_now(void)
{
	return clock_read(CLOCK_REALTIME, 1000) + (uint64_t)clock_ahead;
}

uint64_t
clock_mono_us(void)
{
	return clock_read(CLOCK_BOOTTIME, 1000000);
}

uint64_t
clock_deadline(uint64_t ms)
{
	return clock_mono_us() + ms * 1000;
}

uint64_t
clock_left(uint64_t deadline)
{
	uint64_t now = clock_mono_us();

	return deadline <= now ? 0 : (deadline - now - 1) / 1000 + 1;
}
