/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * store_redis_local - when Redis does not answer in time: a message is judged by this relay alone, and what
 * it let through is folded back in when Redis is there again.
 *
 * Each relay has its share of every ceiling: ceiling / relays that were alive. So all relays together let
 * through no more than one ceiling besides what Redis had counted (and one unit for each relay where the
 * share would be less), however often Redis goes and comes within the window: the embedded store keeps these
 * windows. A message that is larger than the share, but not than the ceiling, fits an empty window.
 *
 * What is folded back bears the message's digest: a question that went to Redis and was judged there after
 * all, too late for us, left the same digest, and the message is not charged twice. It is charged to the
 * slices of the time when it passed; what has left a window meanwhile is not charged there.
 *
 * The list is bounded; when Redis is gone for so long that it is full, the oldest messages are given up and
 * counted in `lost`. It does not outlive the process.
 */
#include "lib/store_redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/str.h"

#include "lib/banned.h"

#define LOCAL_MOST ((size_t)64 << 20)	/* bytes of what waits to be folded back */
#define LOCAL_TOGETHER 32u
#define LOCAL_CAP ((size_t)64 << 20)

struct local {
	pthread_mutex_t lock;		/* all that follows */
	struct local_entry *first, **last;
	size_t bytes;
	uint64_t waiting, folded, lost;
};

struct local *
local_new(void)
{
	struct local *l = store_alloc(sizeof(*l));

	(void)pthread_mutex_init(&l->lock, NULL);
	l->last = &l->first;
	return l;
}

void
local_free(struct local **l)
{
	struct local_entry *next;

	if (*l == NULL)
		return;
	for (; (*l)->first != NULL; (*l)->first = next) {
		next = (*l)->first->next;
		free((*l)->first);
	}
	(void)pthread_mutex_destroy(&(*l)->lock);
	free(*l);
	*l = NULL;
}

void
local_numbers(struct local *l, uint64_t *waiting, uint64_t *folded, uint64_t *lost)
{
	(void)pthread_mutex_lock(&l->lock);
	*waiting = l->waiting;
	*folded = l->folded;
	*lost = l->lost;
	(void)pthread_mutex_unlock(&l->lock);
}

/* ---- what has to be folded back ---- */

/* Under the lock. */
static struct local_entry *
local_pop(struct local *l)
{
	struct local_entry *e = l->first;

	if (e == NULL)
		return NULL;
	l->first = e->next;
	if (l->first == NULL)
		l->last = &l->first;
	l->bytes -= e->bytes;
	return e;
}

static void
local_add(struct local *l, struct local_entry *take_e)
{
	struct local_entry *old;

	(void)pthread_mutex_lock(&l->lock);
	while (l->bytes + take_e->bytes > LOCAL_MOST && (old = local_pop(l)) != NULL) {
		free(old);
		l->waiting--;
		l->lost++;
	}
	take_e->next = NULL;
	*l->last = take_e;
	l->last = &take_e->next;
	l->bytes += take_e->bytes;
	l->waiting++;
	(void)pthread_mutex_unlock(&l->lock);
}

static bool
local_is_charged(const struct store_request *r, const struct store_item *i)
{
	if (i->kind == STORE_SUM ? i->amount == 0 : i->n_values == 0)
		return false;
	return i->always || (r->taken && !i->over);
}

static char *
local_copy(char **at, const void *from, size_t n)
{
	char *to = *at;

	if (n > 0)
		memcpy(to, from, n);
	*at += n;
	return to;
}

static void
local_write_item(struct local_item *to, const struct packed_item *from, char **at)
{
	const struct store_item *item = from->item;

	to->limit = local_copy(at, item->limit, strlen(item->limit) + 1);
	to->key = local_copy(at, item->key, strlen(item->key) + 1);
	to->kind = item->kind;
	to->amount = item->amount;
	to->ceilings = from->ceilings;
	to->n_values = from->n_values;
	to->values = local_copy(at, from->values, from->n_values * STORE_REDIS_VALUE);
}

/* The message as it has to be charged; ceilings are those of the whole. */
static void
local_write_down(struct store_redis *s, const struct book *b, const struct store_request *r,
    const struct limit_ceilings *ceilings)
{
	struct arena *a = arena_new(LOCAL_CAP);
	struct packed_item *p = arena_zalloc(a, r->n * sizeof(*p));
	struct local_entry *e;
	size_t i, n = 0, bytes = sizeof(*e);
	char *at;

	for (i = 0; i < r->n; i++) {
		if (!local_is_charged(r, &r->items[i]))
			continue;
		p[n] = (struct packed_item){ .item = &r->items[i], .ceilings = ceilings[i] };
		if (p[n].item->kind == STORE_DISTINCT)
			pack_values(a, p[n].item, b->seed, &p[n]);
		bytes += sizeof(e->items[0]) + strlen(p[n].item->limit) + strlen(p[n].item->key) + 2 +
		    p[n].n_values * STORE_REDIS_VALUE;
		n++;
	}
	if (n > 0) {
		e = store_alloc(bytes);
		e->bytes = bytes;
		e->n = n;
		e->at = clock_now();
		pack_digest(r->message, b->seed, e->digest);
		at = (char *)&e->items[n];
		for (i = 0; i < n; i++)
			local_write_item(&e->items[i], &p[i], &at);
		local_add(s->local, e);
	}
	arena_free(&a);
}

/* ---- judging alone ---- */

static void
local_share(struct store_item *i, unsigned relays)
{
	uint32_t share, amount;
	size_t c;

	for (c = 0; c < i->ceilings.n; c++) {
		share = i->ceilings.at[c].most / relays;
		amount = i->kind == STORE_SUM ? i->amount : (uint32_t)i->n_values;
		if (share < amount && amount <= i->ceilings.at[c].most)
			share = amount;
		i->ceilings.at[c].most = share > 0 ? share : 1;
	}
}

static void
local_answers(struct store_request *to, const struct store_request *from)
{
	struct store_item *item;
	size_t i;

	for (i = 0; i < to->n; i++) {
		item = &to->items[i];
		item->exempt = from->items[i].exempt;
		item->over = from->items[i].over && !item->exempt;
		item->warned = from->items[i].warned && !item->exempt;
		item->tight = from->items[i].tight;
		item->ceiling = from->items[i].ceiling;
		item->used = from->items[i].used;
		item->retry_at = item->over ? from->items[i].retry_at : 0;
	}
	to->taken = from->taken;
	to->repeated = from->repeated;
	to->local = true;
}

int
store_redis_alone(struct store_redis *s, struct store_request *r, uint64_t deadline, struct err *e)
{
	struct store_request alone = *r;
	struct limit_ceilings *whole = store_alloc(r->n * sizeof(*whole));
	struct book *b = store_redis_book(s);
	struct store_item *i;
	bool *exempt = store_alloc(r->n * sizeof(*exempt));
	unsigned relays;
	size_t n;
	int done;

	(void)pthread_mutex_lock(&s->relays_lock);
	relays = s->alive > 0 ? s->alive : 1;
	(void)pthread_mutex_unlock(&s->relays_lock);
	alone.items = store_alloc(r->n * sizeof(*alone.items));
	for (n = 0; n < r->n; n++) {
		i = &alone.items[n];
		*i = r->items[n];
		book_apply(b, i->limit, i->key, clock_now(), &i->ceilings, &exempt[n]);
		whole[n] = i->ceilings;
		local_share(i, relays);
		/* Counted, and refused by nothing. */
		i->soft = i->soft || exempt[n];
		i->always = i->always || exempt[n];
	}
	done = s->alone->driver->judge(s->alone, &alone, deadline, e);
	for (n = 0; n < r->n; n++)
		alone.items[n].exempt = exempt[n];
	if (done == 1) {
		local_answers(r, &alone);
		(void)atomic_fetch_add(&s->judged_alone, !r->dry);
		if (!r->dry && !r->repeated)
			local_write_down(s, b, r, whole);
	}
	free(alone.items);
	free(exempt);
	free(whole);
	book_unref(&b);
	return done;
}

/* ---- folding back ---- */

/* Those at the head, before anybody else's. */
static void
local_put_back(struct local *l, struct local_entry **list, size_t n)
{
	(void)pthread_mutex_lock(&l->lock);
	while (n > 0) {
		list[--n]->next = l->first;
		if (l->first == NULL)
			l->last = &list[n]->next;
		l->first = list[n];
		l->bytes += list[n]->bytes;
	}
	(void)pthread_mutex_unlock(&l->lock);
}

/* The next so many; waiting counts them until they are folded back. */
static size_t
local_take(struct local *l, struct local_entry **list)
{
	size_t n = 0;

	(void)pthread_mutex_lock(&l->lock);
	while (n < LOCAL_TOGETHER && (list[n] = local_pop(l)) != NULL)
		n++;
	(void)pthread_mutex_unlock(&l->lock);
	return n;
}

bool
store_redis_fold_some(struct store_redis *s, uint64_t ms)
{
	struct local_entry *list[LOCAL_TOGETHER + 1];
	uint64_t deadline = clock_deadline(ms);
	size_t n, i;

	while ((n = local_take(s->local, list)) > 0) {
		if (!store_redis_fold(s, list, n, clock_deadline(1000))) {
			local_put_back(s->local, list, n);
			return false;
		}
		for (i = 0; i < n; i++)
			free(list[i]);
		(void)pthread_mutex_lock(&s->local->lock);
		s->local->folded += n;
		s->local->waiting -= n;
		(void)pthread_mutex_unlock(&s->local->lock);
		if (clock_left(deadline) == 0)
			return false;
	}
	return true;
}
