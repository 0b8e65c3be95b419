/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * limit - ceilings as people write them, and the arithmetic of a window.
 *
 * Slice number = time / slice length, counted from 1970, so that a daemon that
 * restarts (and a second relay) finds the same borders. A slice that is only partly inside
 * the window counts in full: at any time t in slice k the ring holds the slices k-10 ... k,
 * which reach back to at least t - length. The sum is therefore never smaller than what
 * passed in any window that ends now.
 *
 * Numbers are kept modulo 2^32 (a window of one second passes that after 13 years); the place
 * of a slice in the ring comes from the full number, which now and the difference
 * give back.
 *
 * This file keeps no state, takes no locks and asks no clock: stores do.
 */
#include "lib/limit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/str.h"

#include "lib/banned.h"

#define LIMIT_RING (LIMIT_SLICES + 1)

/* ---- ceilings as text ---- */

static int
limit_count_parse(const char *text, bool kib, uint64_t *to)
{
	if (!kib)
		return strspn(text, "0123456789") == strlen(text) ? str_size(text, to) : 0;
	if (str_size(text, to) != 1)
		return 0;
	*to = *to / 1024 + (*to % 1024 != 0);
	return 1;
}

int
limit_ceiling_parse(const char *text, bool kib, struct limit_ceiling *to)
{
	char count[32];
	const char *slash = text != NULL ? strchr(text, '/') : NULL;
	uint64_t most, length;
	size_t n;

	if (slash == NULL)
		return 0;
	n = (size_t)(slash - text);
	if (n == 0 || n >= sizeof(count))
		return 0;
	memcpy(count, text, n);
	count[n] = '\0';
	if (limit_count_parse(count, kib, &most) != 1 || str_duration(slash + 1, &length) != 1)
		return 0;
	/* Nothing per hour: some mean "none", some "no limit". Neither is guessed. */
	if (most == 0 || most > LIMIT_CEILING_MAX)
		return 0;
	if (length < LIMIT_LENGTH_MIN || length > LIMIT_LENGTH_MAX || length % 1000 != 0)
		return 0;
	to->most = (uint32_t)most;
	to->length = length;
	return 1;
}

void
limit_ceiling_text(const struct limit_ceiling *c, char *to, size_t size)
{
	char length[32];

	str_duration_text(c->length, length, sizeof(length));
	(void)snprintf(to, size, "%" PRIu32 "/%s", c->most, length);
}

bool
limit_ceilings_add(struct limit_ceilings *to, const struct limit_ceiling *c)
{
	size_t i;

	for (i = 0; i < to->n; i++) {
		if (to->at[i].length == c->length)
			return false;
	}
	if (to->n >= LIMIT_WINDOWS_MAX)
		return false;
	to->at[to->n++] = *c;
	return true;
}

/* ---- the ring ---- */

static uint64_t
limit_slice_ms(const struct limit_window *w)
{
	return (uint64_t)w->length * (1000 / LIMIT_SLICES);
}

/* The clock was set back by more than the slice. How old the units are cannot be known
 * to less than a slice, so the two newest slices become now's and the others move up behind them: nothing
 * leaves before its time, and nothing stays longer than a slice beyond it. */
static void
limit_window_back(struct limit_window *w, uint64_t newest, uint64_t number)
{
	uint32_t old[LIMIT_RING];
	uint64_t sum;
	unsigned i;

	for (i = 0; i < LIMIT_RING; i++)
		old[i] = w->slice[(newest - i) % LIMIT_RING];
	sum = (uint64_t)old[0] + old[1];
	memset(w->slice, 0, sizeof(w->slice));
	w->slice[number % LIMIT_RING] = sum > UINT32_MAX ? UINT32_MAX : (uint32_t)sum;
	for (i = 2; i < LIMIT_RING; i++)
		w->slice[(number - i + 1) % LIMIT_RING] = old[i];
}

void
limit_window_advance(struct limit_window *w, uint64_t now)
{
	uint64_t number, i;
	int32_t ahead;

	if (w->length == 0)
		return;
	number = now / limit_slice_ms(w);
	ahead = (int32_t)((uint32_t)number - w->newest);
	if (ahead == 0)
		return;
	if (ahead < 0) {
		/* Numbers below the ring's size exist only in 1970. */
		if (number >= LIMIT_RING)
			limit_window_back(w, number + (uint64_t)-(int64_t)ahead, number);
	} else if (ahead >= LIMIT_RING) {
		memset(w->slice, 0, sizeof(w->slice));
	} else {
		for (i = 0; i < (uint64_t)ahead; i++)
			w->slice[(number - i) % LIMIT_RING] = 0;
	}
	w->newest = (uint32_t)number;
}

uint32_t
limit_window_used(const struct limit_window *w)
{
	uint64_t sum = 0;
	unsigned i;

	for (i = 0; i < LIMIT_RING; i++)
		sum += w->slice[i];
	return sum > UINT32_MAX ? UINT32_MAX : (uint32_t)sum;
}

void
limit_window_add(struct limit_window *w, uint64_t now, uint32_t amount)
{
	uint32_t *slice;

	if (w->length == 0)
		return;
	limit_window_advance(w, now);
	slice = &w->slice[now / limit_slice_ms(w) % LIMIT_RING];
	*slice = amount > UINT32_MAX - *slice ? UINT32_MAX : *slice + amount;
}

uint64_t
limit_window_fits_at(const struct limit_window *w, uint64_t now, uint32_t most, uint32_t amount)
{
	struct limit_window ring = *w;
	uint64_t number, used = 0;
	unsigned i;

	if (amount > most)
		return UINT64_MAX;
	if (ring.length == 0)
		return now;
	limit_window_advance(&ring, now);
	number = now / limit_slice_ms(&ring);
	for (i = 0; i < LIMIT_RING; i++)
		used += ring.slice[i];
	if (used + amount <= most)
		return now;
	/* Oldest first: a slice leaves when the ring's size has passed since it began. */
	for (i = LIMIT_RING - 1; ; i--) {
		used -= ring.slice[(number - i) % LIMIT_RING];
		if (used + amount <= most || i == 0)
			return (number - i + LIMIT_RING) * limit_slice_ms(&ring);
	}
}
