/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * store_windows - keys and records in their stripes: found, made, given up.
 *
 * A stripe has an index for keys and one for records. The records of a key (its distinct values)
 * stand in the key's stripe, so that one lock covers a limit whatever it counts. The places
 * themselves come from two pools that all stripes share.
 *
 * Whoever needs a place when there is none lets go of its locks and makes room first: so a key that
 * somebody is just judging is never given up under him.
 *
 * This file knows nothing of the meaning of windows (store_memory_judge.c) nor of the file's
 * head and chunks (store_windows_file.c).
 */
#include "lib/store_windows.h"

#include <stdlib.h>
#include <string.h>

#include "lib/store_private.h"

#include "lib/banned.h"

#define INDEX_MIN 16u			/* entries */
#define EVICT_SAMPLE 16u
#define SWEEP_STRIPES 8u		/* a poll */
#define SWEEP_HOLD 512u			/* entries looked at under one lock */

/* ---- index ---- */

static uint32_t
index_tag(struct store_hash h)
{
	return (uint32_t)(h.hi >> 32);
}

static uint64_t
index_entry(struct store_hash h, uint32_t number)
{
	return (uint64_t)index_tag(h) << 32 | (number + 1);
}

static size_t
index_size(const struct windows_index *ix)
{
	return ix->at != NULL ? (size_t)ix->mask + 1 : 0;
}

static void
index_put(struct windows_index *ix, uint64_t entry)
{
	uint32_t i = (uint32_t)(entry >> 32) & ix->mask;

	while (ix->at[i] != 0)
		i = (i + 1) & ix->mask;
	ix->at[i] = entry;
	ix->n++;
}

/* Entries behind the hole move up, unless that would put them before their own place. */
static void
index_take_at(struct windows_index *ix, uint32_t hole)
{
	uint32_t i = hole, home;

	for (;;) {
		i = (i + 1) & ix->mask;
		if (ix->at[i] == 0)
			break;
		home = (uint32_t)(ix->at[i] >> 32) & ix->mask;
		if (((i - home) & ix->mask) >= ((i - hole) & ix->mask)) {
			ix->at[hole] = ix->at[i];
			hole = i;
		}
	}
	ix->at[hole] = 0;
	ix->n--;
}

static void
index_take(struct windows_index *ix, uint64_t entry)
{
	uint32_t i = (uint32_t)(entry >> 32) & ix->mask;

	while (ix->at[i] != entry)
		i = (i + 1) & ix->mask;
	index_take_at(ix, i);
}

static bool
windows_take_bytes(struct windows *w, uint64_t n)
{
	uint64_t have = atomic_load(&w->bytes);

	do {
		if (n > w->cap || have > w->cap - n)
			return false;
	} while (!atomic_compare_exchange_weak(&w->bytes, &have, have + n));
	return true;
}

static bool
index_resize(struct windows *w, struct windows_index *ix, size_t size)
{
	struct windows_index to = { .mask = (uint32_t)(size - 1) };
	size_t old = index_size(ix), i;

	if (!windows_take_bytes(w, size * sizeof(*to.at)))
		return false;
	to.at = store_alloc(size * sizeof(*to.at));
	for (i = 0; i < old; i++) {
		if (ix->at[i] != 0)
			index_put(&to, ix->at[i]);
	}
	free(ix->at);
	(void)atomic_fetch_sub(&w->bytes, old * sizeof(*to.at));
	*ix = to;
	return true;
}

static bool
index_room(struct windows *w, struct windows_index *ix, size_t extra)
{
	size_t size = index_size(ix), need = ix->n + extra;

	if (extra == 0 || need * 8 <= size * 7)
		return true;
	size = size == 0 ? INDEX_MIN : size;
	while (need * 8 > size * 7)
		size *= 2;
	return index_resize(w, ix, size);
}

bool
windows_index_room(struct windows *w, struct windows_stripe *t, size_t keys, size_t records)
{
	return index_room(w, &t->keys, keys) && index_room(w, &t->records, records);
}

static void
index_shrink(struct windows *w, struct windows_index *ix)
{
	size_t size = index_size(ix);

	while (size > INDEX_MIN && (size_t)ix->n * 4 < size)
		size /= 2;
	if (size < index_size(ix) / 2)
		(void)index_resize(w, ix, size);
}

/* ---- finding ---- */

void
windows_prefetch_index(const struct windows_stripe *t, struct store_hash h)
{
	if (t->keys.at != NULL)
		__builtin_prefetch(&t->keys.at[index_tag(h) & t->keys.mask]);
}

/* The first slot with this tag is nearly always the one. */
void
windows_prefetch_slot(const struct windows *w, const struct windows_stripe *t, struct store_hash h)
{
	const struct windows_index *ix = &t->keys;
	uint32_t tag = index_tag(h), i = tag & ix->mask;
	const char *slot;
	size_t line;

	while (ix->at != NULL && ix->at[i] != 0 && ix->at[i] >> 32 != tag)
		i = (i + 1) & ix->mask;
	if (ix->at == NULL || ix->at[i] == 0)
		return;
	slot = (const char *)windows_slot_at(w, (uint32_t)ix->at[i] - 1);
	for (line = 0; line < WINDOWS_SLOT - sizeof(struct windows_part); line += 64)
		__builtin_prefetch(slot + line);
}

struct windows_slot *
windows_find(const struct windows *w, const struct windows_stripe *t, struct store_hash h)
{
	const struct windows_index *ix = &t->keys;
	uint32_t tag = index_tag(h), i = tag & ix->mask;
	struct windows_slot *s;

	if (ix->at == NULL)
		return NULL;
	for (; ix->at[i] != 0; i = (i + 1) & ix->mask) {
		if (ix->at[i] >> 32 != tag)
			continue;
		s = windows_slot_at(w, (uint32_t)ix->at[i] - 1);
		if (store_hash_same(s->hash, h))
			return s;
	}
	return NULL;
}

struct windows_record *
windows_find_record(const struct windows *w, const struct windows_stripe *t, struct store_hash h)
{
	const struct windows_index *ix = &t->records;
	uint32_t tag = index_tag(h), i = tag & ix->mask;
	struct windows_record *r;

	if (ix->at == NULL)
		return NULL;
	for (; ix->at[i] != 0; i = (i + 1) & ix->mask) {
		if (ix->at[i] >> 32 != tag)
			continue;
		r = windows_record_at(w, (uint32_t)ix->at[i] - 1);
		if (store_hash_same(r->hash, h))
			return r;
	}
	return NULL;
}

struct store_hash
windows_value_name(uint64_t salt, struct store_hash value)
{
	struct store_hash h = { value.lo ^ salt, value.hi + salt * UINT64_C(0x9e3779b97f4a7c15) };

	if (h.lo == 0 && h.hi == 0)
		h.lo = 1;
	return h;
}

uint64_t
windows_new_salt(struct windows *w)
{
	uint64_t z = atomic_fetch_add(&w->next_salt, UINT64_C(0x9e3779b97f4a7c15));

	/* The finish of splitmix64: neighbours look unrelated. */
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* ---- places ---- */

static bool
pool_has(struct windows *w, struct windows_pool *p, size_t n)
{
	while (p->left - p->reserved < n) {
		if (!windows_grow(w, p))
			return false;
	}
	return true;
}

bool
windows_reserve(struct windows *w, size_t slots, size_t records)
{
	bool has;

	if (slots == 0 && records == 0)
		return true;
	(void)pthread_mutex_lock(&w->pool_lock);
	has = pool_has(w, &w->slots, slots) && pool_has(w, &w->records, records);
	if (has) {
		w->slots.reserved += slots;
		w->records.reserved += records;
	}
	(void)pthread_mutex_unlock(&w->pool_lock);
	return has;
}

struct windows_slot *
windows_make(struct windows *w)
{
	struct windows_slot *s;

	(void)pthread_mutex_lock(&w->pool_lock);
	if (w->slots.free_head != 0) {
		s = windows_slot_at(w, w->slots.free_head - 1);
		w->slots.free_head = (uint32_t)s->salt;
	} else {
		s = windows_slot_at(w, w->slots.fresh++);
	}
	w->slots.left--;
	w->slots.reserved--;
	(void)pthread_mutex_unlock(&w->pool_lock);
	memset(s, 0, sizeof(*s));
	return s;
}

struct windows_record *
windows_make_record(struct windows *w)
{
	struct windows_record *r;

	(void)pthread_mutex_lock(&w->pool_lock);
	if (w->records.free_head != 0) {
		r = windows_record_at(w, w->records.free_head - 1);
		w->records.free_head = (uint32_t)r->seen;
	} else {
		r = windows_record_at(w, w->records.fresh++);
	}
	w->records.left--;
	w->records.reserved--;
	(void)pthread_mutex_unlock(&w->pool_lock);
	memset(r, 0, sizeof(*r));
	return r;
}

static uint32_t
windows_number(const struct windows *w, const struct windows_slot *s)
{
	return (uint32_t)((size_t)((const unsigned char *)s - w->base) / WINDOWS_SLOT);
}

static uint32_t
windows_record_number(const struct windows *w, const struct windows_record *r)
{
	return (uint32_t)((size_t)((const unsigned char *)r - w->base) / WINDOWS_RECORD);
}

/* The hash comes last: a process killed before leaves a free place, not half a key. */
void
windows_publish(struct windows *w, struct windows_stripe *t, struct windows_slot *s, struct store_hash h)
{
	atomic_signal_fence(memory_order_seq_cst);
	s->hash = h;
	index_put(&t->keys, index_entry(h, windows_number(w, s)));
}

void
windows_publish_record(struct windows *w, struct windows_stripe *t, struct windows_record *r,
    struct store_hash h)
{
	atomic_signal_fence(memory_order_seq_cst);
	r->hash = h;
	index_put(&t->records, index_entry(h, windows_record_number(w, r)));
	t->messages += r->kind == WINDOWS_MESSAGE;
}

void
windows_give_back(struct windows *w, uint32_t number)
{
	struct windows_slot *s = windows_slot_at(w, number);

	s->hash = (struct store_hash){ 0, 0 };
	(void)pthread_mutex_lock(&w->pool_lock);
	s->salt = w->slots.free_head;
	w->slots.free_head = number + 1;
	w->slots.left++;
	(void)pthread_mutex_unlock(&w->pool_lock);
}

void
windows_give_back_record(struct windows *w, uint32_t number)
{
	struct windows_record *r = windows_record_at(w, number);

	r->hash = (struct store_hash){ 0, 0 };
	(void)pthread_mutex_lock(&w->pool_lock);
	r->seen = w->records.free_head;
	w->records.free_head = number + 1;
	w->records.left++;
	(void)pthread_mutex_unlock(&w->pool_lock);
}

void
windows_drop(struct windows *w, struct windows_stripe *t, struct windows_slot *s)
{
	uint32_t number = windows_number(w, s);

	index_take(&t->keys, index_entry(s->hash, number));
	windows_give_back(w, number);
}

static void
windows_drop_record(struct windows *w, struct windows_stripe *t, struct windows_record *r)
{
	uint32_t number = windows_record_number(w, r);

	t->messages -= r->kind == WINDOWS_MESSAGE;
	index_take(&t->records, index_entry(r->hash, number));
	windows_give_back_record(w, number);
}

bool
windows_adopt(struct windows *w, uint32_t number)
{
	struct store_hash h = windows_slot_at(w, number)->hash;
	struct windows_stripe *t = &w->stripe[windows_stripe_of(h)];

	if (windows_find(w, t, h) != NULL || !index_room(w, &t->keys, 1))
		return false;
	index_put(&t->keys, index_entry(h, number));
	return true;
}

bool
windows_adopt_record(struct windows *w, uint32_t number)
{
	const struct windows_record *r = windows_record_at(w, number);
	struct windows_stripe *t = &w->stripe[r->stripe];

	if (windows_find_record(w, t, r->hash) != NULL || !index_room(w, &t->records, 1))
		return false;
	index_put(&t->records, index_entry(r->hash, number));
	t->messages += r->kind == WINDOWS_MESSAGE;
	return true;
}

/* ---- a slot's parts ---- */

void
windows_write_text(struct windows_slot *s, const char *limit, const char *key)
{
	size_t room = windows_text_room(s->n), n = strlen(limit), m = strlen(key);
	char *to = windows_text(s);

	s->cut = n + m > room || m > UINT8_MAX;
	if (n + m > room)
		m = room - n;		/* the shortest room is longer than the longest limit */
	if (m > UINT8_MAX)
		m = UINT8_MAX;
	memcpy(to, limit, n);
	memcpy(to + n, key, m);
	s->limit_len = (uint8_t)n;
	s->key_len = (uint8_t)m;
}

/* Values are placed by when they were seen, which a window that was moved back knows no more: they are
 * forgotten (counted again when seen again) and what was counted stays until it leaves. */
static bool
windows_is_ahead(const struct limit_window *w, uint64_t now)
{
	return (int32_t)((uint32_t)(now / (w->length * UINT64_C(1000) / LIMIT_SLICES)) - w->newest) < 0;
}

void
windows_advance(struct windows *w, struct windows_slot *s, uint64_t now)
{
	unsigned i;

	for (i = 0; i < s->n; i++) {
		if (s->kind == STORE_DISTINCT && windows_is_ahead(&s->part[i].window, now))
			s->salt = windows_new_salt(w);
		limit_window_advance(&s->part[i].window, now);
	}
}

uint32_t
windows_fill(struct windows *w, struct windows_slot *s, uint64_t now)
{
	uint64_t fill = 0, one;
	unsigned i;

	windows_advance(w, s, now);
	for (i = 0; i < s->n; i++) {
		if (s->part[i].most == 0)
			continue;
		one = (uint64_t)limit_window_used(&s->part[i].window) * 1000 / s->part[i].most;
		fill = one > fill ? one : fill;
	}
	return fill > UINT32_MAX ? UINT32_MAX : (uint32_t)fill;
}

/* ---- giving up ---- */

static bool
windows_record_over(const struct windows_record *r, uint64_t now)
{
	return r->seen + r->keep * UINT64_C(1000) <= now;
}

/* One key of the stripe, when it has at least so many: the first of a sample that is over, else the least
 * filled. */
static bool
windows_evict(struct windows *w, struct windows_stripe *t, uint64_t least, uint64_t now)
{
	const struct windows_index *ix = &t->keys;
	struct windows_slot *s, *victim = NULL;
	uint32_t fill, lowest = 0, i, looked = 0, seen = 0;

	if (ix->n == 0 || ix->n < least)
		return false;
	for (i = (uint32_t)windows_new_salt(w); looked <= ix->mask && seen < EVICT_SAMPLE; i++, looked++) {
		if (ix->at[i & ix->mask] == 0)
			continue;
		seen++;
		s = windows_slot_at(w, (uint32_t)ix->at[i & ix->mask] - 1);
		if (s->expires <= now) {
			windows_drop(w, t, s);
			return true;
		}
		fill = windows_fill(w, s, now);
		if (victim == NULL || fill < lowest || (fill == lowest && s->expires < victim->expires)) {
			victim = s;
			lowest = fill;
		}
	}
	if (victim == NULL)
		return false;
	windows_drop(w, t, victim);
	(void)atomic_fetch_add(&w->evicted, 1);
	return true;
}

/* One record: over, else a message before a value (it may be charged twice; a value that is forgotten makes
 * its limit stricter), else the one not seen for longest. */
static bool
windows_evict_record(struct windows *w, struct windows_stripe *t, uint64_t least, uint64_t now)
{
	const struct windows_index *ix = &t->records;
	struct windows_record *r, *victim = NULL;
	uint32_t i, looked = 0, seen = 0;

	if (ix->n == 0 || ix->n < least)
		return false;
	for (i = (uint32_t)windows_new_salt(w); looked <= ix->mask && seen < EVICT_SAMPLE; i++, looked++) {
		if (ix->at[i & ix->mask] == 0)
			continue;
		seen++;
		r = windows_record_at(w, (uint32_t)ix->at[i & ix->mask] - 1);
		if (windows_record_over(r, now)) {
			windows_drop_record(w, t, r);
			return true;
		}
		if (victim == NULL || r->kind > victim->kind ||
		    (r->kind == victim->kind && r->seen < victim->seen))
			victim = r;
	}
	if (victim == NULL)
		return false;
	windows_drop_record(w, t, victim);
	(void)atomic_fetch_add(&w->evicted, 1);
	return true;
}

typedef bool windows_evict_fn(struct windows *, struct windows_stripe *, uint64_t, uint64_t);

/* Whether the pool is short of n places, 1, or 0; -1 when it will never have them. How many are used of an
 * average stripe. */
static int
windows_pool_short(struct windows *w, const struct windows_pool *p, size_t n, uint64_t *average)
{
	int is_short;

	(void)pthread_mutex_lock(&w->pool_lock);
	is_short = p->left - p->reserved < n;
	if (p->places < n)
		is_short = -1;
	*average = (p->places - p->left) / WINDOWS_STRIPES;
	(void)pthread_mutex_unlock(&w->pool_lock);
	return is_short;
}

/* Stripe after stripe, one key or record each, until there are n free or two rounds found none. Stripes below
 * the average are spared: by and by chance would leave one with a few keys only, and no choice among them. */
static bool
windows_evict_until(struct windows *w, const struct windows_pool *p, size_t n, windows_evict_fn *evict,
    uint64_t now)
{
	struct windows_stripe *t;
	uint64_t average;
	unsigned idle = 0;
	int is_short = 1;

	while (idle < 2 * WINDOWS_STRIPES && (is_short = windows_pool_short(w, p, n, &average)) > 0) {
		t = &w->stripe[atomic_fetch_add(&w->next_victim, 1) % WINDOWS_STRIPES];
		(void)pthread_mutex_lock(&t->lock);
		idle = evict(w, t, average, now) ? 0 : idle + 1;
		(void)pthread_mutex_unlock(&t->lock);
	}
	return is_short >= 0;
}

/* Of one stripe, for room in its indexes. */
static void
windows_evict_some(struct windows *w, struct windows_stripe *t, size_t slots, size_t records, uint64_t now)
{
	size_t i;

	(void)pthread_mutex_lock(&t->lock);
	for (i = 0; i < slots && windows_evict(w, t, 0, now); i++)
		;
	for (i = 0; i < records && windows_evict_record(w, t, 0, now); i++)
		;
	(void)pthread_mutex_unlock(&t->lock);
}

bool
windows_make_room(struct windows *w, size_t slots, size_t records, int stripe, uint64_t now)
{
	if (stripe >= 0)
		windows_evict_some(w, &w->stripe[stripe], slots, records, now);
	/* The pool may still grow. */
	if (!windows_reserve(w, slots, records))
		return windows_evict_until(w, &w->slots, slots, windows_evict, now) &&
		    windows_evict_until(w, &w->records, records, windows_evict_record, now);
	(void)pthread_mutex_lock(&w->pool_lock);
	w->slots.reserved -= slots;
	w->records.reserved -= records;
	(void)pthread_mutex_unlock(&w->pool_lock);
	return true;
}

/* ---- sweeping ---- */

static void
windows_sweep_keys(struct windows *w, struct windows_stripe *t, uint64_t now)
{
	struct windows_slot *s;
	uint32_t i = 0, n;
	bool more;

	do {
		(void)pthread_mutex_lock(&t->lock);
		for (n = 0; i < index_size(&t->keys) && n < SWEEP_HOLD; n++) {
			s = t->keys.at[i] != 0 ? windows_slot_at(w, (uint32_t)t->keys.at[i] - 1) : NULL;
			if (s != NULL && s->expires <= now)
				windows_drop(w, t, s);	/* another may have moved here */
			else
				i++;
		}
		more = i < index_size(&t->keys);
		if (!more)
			index_shrink(w, &t->keys);
		(void)pthread_mutex_unlock(&t->lock);
	} while (more);
}

static void
windows_sweep_records(struct windows *w, struct windows_stripe *t, uint64_t now)
{
	struct windows_record *r;
	uint32_t i = 0, n;
	bool more;

	do {
		(void)pthread_mutex_lock(&t->lock);
		for (n = 0; i < index_size(&t->records) && n < SWEEP_HOLD; n++) {
			r = NULL;
			if (t->records.at[i] != 0)
				r = windows_record_at(w, (uint32_t)t->records.at[i] - 1);
			if (r != NULL && windows_record_over(r, now))
				windows_drop_record(w, t, r);
			else
				i++;
		}
		more = i < index_size(&t->records);
		if (!more)
			index_shrink(w, &t->records);
		(void)pthread_mutex_unlock(&t->lock);
	} while (more);
}

void
windows_sweep(struct windows *w, uint64_t now)
{
	struct windows_stripe *t;
	unsigned i;

	for (i = 0; i < SWEEP_STRIPES; i++) {
		t = &w->stripe[atomic_fetch_add(&w->sweep_next, 1) % WINDOWS_STRIPES];
		windows_sweep_keys(w, t, now);
		windows_sweep_records(w, t, now);
	}
	(void)pthread_mutex_lock(&w->pool_lock);
	w->disk_full = false;
	(void)pthread_mutex_unlock(&w->pool_lock);
}
