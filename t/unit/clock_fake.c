/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * clock_fake - the functions of lib/clock.h over a time that a test sets. Linked
 * instead of lib/clock.c; the linker is the seam.
 */
#include "t/unit/clock_fake.h"

#include <pthread.h>

static pthread_mutex_t fake_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t fake_now = CLOCK_FAKE_START;	/* ms; fake_lock */
static uint64_t fake_mono = 1000000;		/* us; fake_lock */

void
clock_fake_set(uint64_t ms)
{
	(void)pthread_mutex_lock(&fake_lock);
	if (ms > fake_now)
		fake_mono += (ms - fake_now) * 1000;
	fake_now = ms;
	(void)pthread_mutex_unlock(&fake_lock);
}

void
clock_fake_advance(uint64_t ms)
{
	(void)pthread_mutex_lock(&fake_lock);
	fake_mono += ms * 1000;
	fake_now += ms;
	(void)pthread_mutex_unlock(&fake_lock);
}

uint64_t
clock_now(void)
{
	uint64_t now;

	(void)pthread_mutex_lock(&fake_lock);
	now = fake_now;
	(void)pthread_mutex_unlock(&fake_lock);
	return now;
}

uint64_t
clock_mono_us(void)
{
	uint64_t mono;

	(void)pthread_mutex_lock(&fake_lock);
	mono = fake_mono;
	(void)pthread_mutex_unlock(&fake_lock);
	return mono;
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

	return deadline <= now ? 0 : (deadline - now - 1) / 1000 + 1;
}
