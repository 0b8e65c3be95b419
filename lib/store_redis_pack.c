/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * store_redis_pack - what the judging script is told of a message, and what it answers.
 *
 * Numbers are little-endian. Told: flags (1 byte), number of items (2), with PACK_UNDO the time that was
 * answered when it was taken (6), with PACK_FORCE how many ms ago it passed (6); then for each item flags (1:
 * distinct, 2: soft, 4: always, 8: exempt), number of ceilings (1), amount or number of values (4); for each
 * ceiling its length in seconds (4) and its most (4); the values, 12 bytes each, with PACK_UNDO and what was
 * told of each.
 *
 * Answered: 1 byte (1: taken, 2: repeated); for each item and ceiling what was used (4) and what is added
 * (4); then, when the item is over, for a sum its windows as they are kept (2 bytes of length before them),
 * for distinct values a double for each ceiling: in how many ms it fits, -1 never. With PACK_TELL, a double
 * for each value: when it was seen before, 0 = never.
 *
 * Windows as they are kept: kind (1: sum, 2: distinct), number of windows (1), the time in ms (6); for each
 * its length in seconds (4), its ceiling (4; 0 = none any more), its sum (4), its newest slice (4), and a
 * byte of length before the ten older slices of 1, 2 or 4 bytes each, the newest first. Distinct: slice is
 * the epoch, and instead of older slices stands when the window began, as a double.
 *
 * The script decides what is refused; why, and until when, is worked out here with limit.c, of which it is
 * the mirror.
 */
#include "lib/store_redis.h"

#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"

#include "lib/banned.h"

#define PACK_HEAD 3u
#define PACK_TIME 6u
#define PACK_BEFORE 8u
#define PACK_ITEM 6u
#define PACK_CEILING 8u
#define PACK_SUM 1u
#define PACK_DISTINCT 2u

/* ---- what it is told ---- */

static char *
pack_number(char *to, uint64_t value, unsigned bytes)
{
	unsigned i;

	for (i = 0; i < bytes; i++)
		*to++ = (char)(value >> 8 * i & 0xff);
	return to;
}

static char *
pack_item(char *to, const struct packed_item *p, bool undo)
{
	const struct store_item *item = p->item;
	bool distinct = item->kind == STORE_DISTINCT;
	size_t i;

	to = pack_number(to, (distinct ? 1u : 0u) | (item->soft ? 2u : 0u) | (item->always ? 4u : 0u) |
	    (item->exempt ? 8u : 0u), 1);
	to = pack_number(to, p->ceilings.n, 1);
	to = pack_number(to, distinct ? p->n_values : item->amount, 4);
	for (i = 0; i < p->ceilings.n; i++) {
		to = pack_number(to, p->ceilings.at[i].length / 1000, 4);
		to = pack_number(to, p->ceilings.at[i].most, 4);
	}
	for (i = 0; distinct && i < p->n_values; i++) {
		memcpy(to, p->values + i * STORE_REDIS_VALUE, STORE_REDIS_VALUE);
		to += STORE_REDIS_VALUE;
		if (undo) {
			memcpy(to, p->before + i * PACK_BEFORE, PACK_BEFORE);
			to += PACK_BEFORE;
		}
	}
	return to;
}

char *
pack_part(struct arena *a, const struct packed_part *p, unsigned flags, size_t *len)
{
	size_t i, size = PACK_HEAD + PACK_TIME;
	char *text, *at;

	for (i = 0; i < p->n; i++)
		size += PACK_ITEM + p->items[i]->ceilings.n * PACK_CEILING +
		    p->items[i]->n_values * (STORE_REDIS_VALUE + PACK_BEFORE);
	at = text = arena_alloc(a, size);
	at = pack_number(at, flags | (*p->digest != '\0' ? PACK_DIGEST : 0), 1);
	at = pack_number(at, p->n, 2);
	if ((flags & PACK_UNDO) != 0)
		at = pack_number(at, p->taken, PACK_TIME);
	else if ((flags & PACK_FORCE) != 0)
		at = pack_number(at, p->age, PACK_TIME);
	for (i = 0; i < p->n; i++)
		at = pack_item(at, p->items[i], (flags & PACK_UNDO) != 0);
	*len = (size_t)(at - text);
	return text;
}

static int
pack_value_order(const void *a, const void *b)
{
	return memcmp(a, b, STORE_REDIS_VALUE);
}

void
pack_values(struct arena *a, const struct store_item *item, uint64_t seed, struct packed_item *to)
{
	char *all = arena_alloc(a, item->n_values * STORE_REDIS_VALUE);
	struct store_hash h;
	size_t i, n = 0;

	for (i = 0; i < item->n_values; i++) {
		h = store_hash_text(seed, item->values[i]);
		(void)pack_number(pack_number(all + i * STORE_REDIS_VALUE, h.lo, 8), h.hi, 4);
	}
	if (item->n_values > 1)
		qsort(all, item->n_values, STORE_REDIS_VALUE, pack_value_order);
	for (i = 0; i < item->n_values; i++) {
		if (i > 0 && memcmp(all + (n - 1) * STORE_REDIS_VALUE, all + i * STORE_REDIS_VALUE,
		    STORE_REDIS_VALUE) == 0)
			continue;
		memmove(all + n++ * STORE_REDIS_VALUE, all + i * STORE_REDIS_VALUE, STORE_REDIS_VALUE);
	}
	to->values = all;
	to->n_values = n;
}

/* 128 bits in 22 characters that no key has trouble with. */
void
pack_digest(const char *message, uint64_t seed, char to[STORE_REDIS_DIGEST])
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	struct store_hash h = store_hash_text(seed, message);
	unsigned i;

	for (i = 0; i < 11; i++) {
		to[i] = digits[h.lo >> 6 * i & (i < 10 ? 63 : 15)];
		to[11 + i] = digits[h.hi >> 6 * i & (i < 10 ? 63 : 15)];
	}
	to[22] = '\0';
	/* No message that anybody knows: see store_redis_judge(). */
	if (*message == '~')
		to[0] = '~';
}

/* ---- what it answers ---- */

struct packed_read {
	const unsigned char *at, *end;
	bool bad;
};

static const unsigned char *
read_bytes(struct packed_read *r, size_t n)
{
	const unsigned char *at = r->at;

	if (r->bad || (size_t)(r->end - r->at) < n) {
		r->bad = true;
		return NULL;
	}
	r->at += n;
	return at;
}

static uint64_t
read_number(struct packed_read *r, unsigned bytes)
{
	const unsigned char *at = read_bytes(r, bytes);
	uint64_t value = 0;
	unsigned i;

	for (i = 0; at != NULL && i < bytes; i++)
		value |= (uint64_t)at[i] << 8 * i;
	return value;
}

static double
read_double(struct packed_read *r)
{
	uint64_t bits = read_number(r, 8);
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* A kept window: its ceiling, its ring. */
struct kept_window {
	uint32_t most;
	struct limit_window window;
};

struct kept {
	bool distinct;
	size_t n;
	struct kept_window at[LIMIT_WINDOWS_MAX];
};

static void
read_window(struct packed_read *r, uint64_t time, struct kept_window *to)
{
	uint64_t number, width;
	unsigned i;

	memset(to, 0, sizeof(*to));
	to->window.length = (uint32_t)read_number(r, 4);
	to->most = (uint32_t)read_number(r, 4);
	(void)read_number(r, 4);
	if (to->window.length == 0) {
		r->bad = true;
		return;
	}
	number = time / (to->window.length * UINT64_C(100));
	to->window.newest = (uint32_t)number;
	to->window.slice[number % (LIMIT_SLICES + 1)] = (uint32_t)read_number(r, 4);
	width = read_number(r, 1);
	/* Distinct: when it began. */
	if (width == 8) {
		(void)read_number(r, 8);
		return;
	}
	if (width != 10 && width != 20 && width != 40)
		r->bad = true;
	for (i = 1; !r->bad && i <= LIMIT_SLICES; i++)
		to->window.slice[(number + LIMIT_SLICES + 1 - i) % (LIMIT_SLICES + 1)] =
		    (uint32_t)read_number(r, (unsigned)width / 10);
}

static bool
read_kept(struct packed_read *r, struct kept *to)
{
	uint64_t kind = read_number(r, 1), time;
	size_t i;

	to->distinct = kind == PACK_DISTINCT;
	to->n = read_number(r, 1);
	time = read_number(r, 6);
	if (to->n > LIMIT_WINDOWS_MAX || (kind != PACK_SUM && kind != PACK_DISTINCT))
		r->bad = true;
	for (i = 0; !r->bad && i < to->n; i++)
		read_window(r, time, &to->at[i]);
	return !r->bad;
}

/* The same as in the script. */
static bool
packed_is_over(const struct packed_item *p, size_t c)
{
	if (p->item->kind == STORE_SUM && p->add[c] == 0)
		return p->used[c] >= p->ceilings.at[c].most;
	return (uint64_t)p->used[c] + p->add[c] > p->ceilings.at[c].most;
}

static const struct limit_window *
kept_find(const struct kept *k, uint64_t length)
{
	static const struct limit_window empty;
	size_t i;

	for (i = 0; i < k->n; i++) {
		if (k->at[i].window.length == length / 1000)
			return &k->at[i].window;
	}
	return &empty;
}

/* From the server's clock to ours. */
static uint64_t
packed_time(uint64_t at, uint64_t now)
{
	return at == UINT64_MAX ? UINT64_MAX : at - now + clock_now();
}

/* It does not fit this ceiling: of several the one that takes longest is told. */
static void
packed_over(struct packed_item *p, size_t c, uint64_t at)
{
	if (!p->item->over || at > p->item->retry_at) {
		p->item->tight = c;
		p->item->retry_at = at;
	}
	p->item->over = true;
}

static void
packed_over_sum(struct packed_item *p, const struct kept *k, uint64_t now)
{
	const struct limit_window *w;
	const struct limit_ceiling *ceiling;
	uint64_t at;
	size_t c;

	for (c = 0; c < p->ceilings.n; c++) {
		if (!packed_is_over(p, c))
			continue;
		ceiling = &p->ceilings.at[c];
		w = kept_find(k, ceiling->length);
		at = limit_window_fits_at(w, now, ceiling->most, p->add[c] == 0 ? 1 : p->add[c]);
		packed_over(p, c, packed_time(at, now));
		if (p->used[c] < ceiling->most)
			continue;
		at = packed_time(limit_window_fits_at(w, now, ceiling->most, 1), now);
		if (at > p->full_until) {
			p->full_until = at;
			p->full = *ceiling;
		}
	}
}

static void
packed_over_distinct(struct packed_item *p, struct packed_read *r)
{
	double wait;
	size_t c;

	for (c = 0; c < p->ceilings.n; c++) {
		wait = read_double(r);
		if (packed_is_over(p, c))
			packed_over(p, c,
			    wait >= 0 && wait < 1e15 ? clock_now() + (uint64_t)wait : UINT64_MAX);
	}
}

static void
answer_over(struct packed_item *p, struct packed_read *r, uint64_t now)
{
	bool over = false;
	struct kept k;
	size_t c;

	for (c = 0; c < p->ceilings.n; c++)
		over = over || packed_is_over(p, c);
	if (!over)
		return;
	if (p->item->kind == STORE_DISTINCT) {
		packed_over_distinct(p, r);
		return;
	}
	(void)read_number(r, 2);
	if (read_kept(r, &k))
		packed_over_sum(p, &k, now);
}

bool
pack_answer(struct packed_part *part, const struct redis_reply *r, uint64_t now, bool tell)
{
	struct packed_read in = { .bad = r->type != REDIS_STRING };
	struct packed_item *p;
	uint64_t flags;
	size_t i, c;

	if (in.bad)
		return false;
	in.at = (const unsigned char *)r->text;
	in.end = in.at + r->n;
	flags = read_number(&in, 1);
	part->refused = (flags & 1) == 0;
	part->repeated = (flags & 2) != 0;
	for (i = 0; i < part->n; i++) {
		p = part->items[i];
		p->item->over = false;
		p->full_until = 0;
		for (c = 0; c < p->ceilings.n; c++) {
			p->used[c] = (uint32_t)read_number(&in, 4);
			p->add[c] = (uint32_t)read_number(&in, 4);
			if (part->repeated)
				p->add[c] = 0;
		}
		if (!part->repeated && !p->item->exempt)
			answer_over(p, &in, now);
		if (tell && p->item->kind == STORE_DISTINCT)
			p->before = read_bytes(&in, p->n_values * PACK_BEFORE);
	}
	part->taken = now;
	part->done = !in.bad;
	return !in.bad;
}

/* ---- for people ---- */

bool
pack_usage(const struct redis_reply *value, const struct redis_reply *counts, uint64_t now,
    struct store_usage *to)
{
	struct packed_read in = { .bad = value->type != REDIS_STRING };
	struct kept k;
	uint32_t used;
	size_t i;

	to->n = 0;
	if (in.bad)
		return false;
	in.at = (const unsigned char *)value->text;
	in.end = in.at + value->n;
	if (!read_kept(&in, &k))
		return false;
	for (i = 0; i < k.n; i++) {
		if (k.at[i].most == 0)
			continue;
		limit_window_advance(&k.at[i].window, now);
		used = limit_window_used(&k.at[i].window);
		if (k.distinct)
			used = counts != NULL && i < counts->n ? (uint32_t)counts->at[i]->integer : 0;
		to->at[to->n].length = k.at[i].window.length * UINT64_C(1000);
		to->at[to->n].used = used;
		to->at[to->n].most = k.at[i].most;
		to->n++;
	}
	return true;
}
