/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * store_redis_judge - one message, by the script, in one round trip; together with those that wait.
 *
 * There are a few lanes (as many as connections). Who finds one free travels at once, alone: a shared
 * connection would cost more in handing over than it saves. Who finds none waits; when a lane comes home, the
 * first who waits takes it, and all others who wait with him, up to a bound: the script judges them in one
 * call.
 *
 *     lane     travels: groups what the messages ask by slot, one call for each (one in all, without slots);
 *              all calls at once, over all servers in parallel
 *     again    what the topology says is elsewhere, and a script that the server has not: the same call once
 *              more
 *     old      the copy of suspensions and overrides is older than the server's: nothing was judged (or it is
 *              given back); fetched, looked at again, once more
 *     answer   a message is refused when one of its slots refuses; what the others took is given back
 *
 * A message that cannot be judged before its deadline is judged alone (store_redis_local.c).
 */
#include "lib/store_redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/str.h"

#include "lib/banned.h"

#define JUDGE_TOGETHER 24u		/* messages of one trip */
#define JUDGE_TOGETHER_ITEMS 256u	/* of all of them, beyond the first's */
#define JUDGE_ROUNDS 6u			/* of AGAIN and old copies */
#define JUDGE_LATE 5u			/* ms */
#define JUDGE_CAP ((size_t)64 << 20)
#define JUDGE_GIVE_BACK 25000u		/* us */

enum judge_state { JUDGE_WAITS, JUDGE_DONE, JUDGE_OLD, JUDGE_FAILED };

/* A message on its way; lives on its thread's stack. */
struct waiting {
	struct waiting *next;
	struct store_request *r;
	uint64_t deadline;
	char generation[STORE_REDIS_GENERATION];	/* what the sender's suspensions were looked up in */
	struct packed_item *items;
	struct packed_part *parts;
	size_t n_parts;
	char digest[STORE_REDIS_DIGEST];
	unsigned flags;
	enum judge_state state;
	struct err why;
	pthread_cond_t wake;
	bool lead, home;		/* under lanes_lock */
	bool waited;
};

/* What one call holds: parts of messages that have the same slot. */
struct trip_call {
	unsigned slot;
	struct packed_part **parts;
	struct waiting **owners;
	size_t n;
	bool generation;
	bool failed, uncertain;
	const char **args;
	size_t *lens;
	size_t n_args;
};

struct judge_trip {
	struct store_redis *s;
	struct arena *a;
	struct waiting **w;
	size_t n;
	struct trip_call *calls;
	struct redis_call *wire;
	size_t n_calls;
	uint64_t deadline;
	const struct book *book;
	bool asks;			/* whether the copy is current */
	bool old;
};

/* ---- a message, prepared ---- */

static int
judge_twice(const struct store_request *r, struct err *e)
{
	struct store_hash few[64], *h = r->n <= 64 ? few : store_alloc(r->n * sizeof(*h));
	size_t i, k;
	int done = 1;

	for (i = 0; i < r->n && done == 1; i++) {
		h[i] = store_hash_pair(0, r->items[i].limit, r->items[i].key);
		for (k = 0; k < i && done == 1; k++) {
			if (store_hash_same(h[k], h[i]))
				done = err_set(e, ERR_INPUT, "store: limit %s twice for the same key",
				    r->items[i].limit);
		}
		if (done == 1 && strchr(r->items[i].limit, '}') != NULL)
			done = err_set(e, ERR_INPUT, "store: a limit's name may not hold '}'");
	}
	if (h != few)
		free(h);
	return done;
}

/* The items that live on one slot, as parts. Without slots there is one part. */
static void
judge_part_all(struct store_redis *s, struct waiting *w, struct arena *a)
{
	bool slotted = redis_topology_slotted(s->topology);
	struct packed_item *p;
	struct packed_part *part;
	char name[STORE_REDIS_NAME];
	size_t i, k, len;

	w->parts = arena_zalloc(a, (slotted ? w->r->n : 1) * sizeof(*w->parts));
	w->n_parts = 0;
	for (i = 0; i < w->r->n; i++) {
		p = &w->items[i];
		len = slotted ? store_redis_key(s, name, p->item->key, "w", p->item->limit) : 0;
		p->slot = slotted ? redis_slot(name, len) : 0;
		for (k = 0; k < w->n_parts && w->parts[k].slot != p->slot; k++)
			;
		part = &w->parts[k];
		if (k == w->n_parts) {
			w->n_parts++;
			part->slot = p->slot;
			part->digest = w->digest;
			part->tag = p->item->key;
			part->items = arena_alloc(a,
			    (slotted ? w->r->n - i : w->r->n) * sizeof(*part->items));
		}
		part->items[part->n++] = p;
	}
}

static void
judge_prepare(struct store_redis *s, struct waiting *w, const struct book *book, struct arena *a)
{
	struct store_request *r = w->r;
	struct packed_item *p;
	uint64_t now = clock_now();
	size_t i;

	w->items = arena_zalloc(a, r->n * sizeof(*w->items));
	for (i = 0; i < r->n; i++) {
		p = &w->items[i];
		p->item = &r->items[i];
		p->ceilings = p->item->ceilings;
		book_apply(book, p->item->limit, p->item->key, now, &p->ceilings, &p->item->exempt);
		if (p->item->kind == STORE_DISTINCT)
			pack_values(a, p->item, book->seed, p);
	}
	w->digest[0] = '\0';
	if (r->message != NULL && r->n > 0)
		pack_digest(r->message, book->seed, w->digest);
	w->flags = r->dry ? PACK_DRY : 0;
	judge_part_all(s, w, a);
}

/* ---- the calls of a trip ---- */

static struct trip_call *
trip_call_for(struct judge_trip *t, unsigned slot, size_t most)
{
	struct trip_call *c;
	size_t i;

	for (i = 0; i < t->n_calls; i++) {
		if (t->calls[i].slot == slot && !t->calls[i].generation)
			return &t->calls[i];
	}
	c = &t->calls[t->n_calls++];
	*c = (struct trip_call){ .slot = slot };
	c->parts = arena_alloc(t->a, most * sizeof(*c->parts));
	c->owners = arena_alloc(t->a, most * sizeof(*c->owners));
	return c;
}

static void
trip_group(struct judge_trip *t)
{
	bool slotted = redis_topology_slotted(t->s->topology);
	struct trip_call *c;
	char name[STORE_REDIS_NAME];
	size_t i, k, all = 1;

	for (i = 0; i < t->n; i++)
		all += t->w[i]->n_parts;
	t->calls = arena_zalloc(t->a, all * sizeof(*t->calls));
	t->n_calls = 0;
	for (i = 0; i < t->n; i++) {
		for (k = 0; k < t->w[i]->n_parts; k++) {
			c = trip_call_for(t, t->w[i]->parts[k].slot, t->n);
			c->parts[c->n] = &t->w[i]->parts[k];
			c->owners[c->n++] = t->w[i];
		}
	}
	if (!t->asks)
		return;
	if (!slotted) {
		t->calls[0].generation = true;
	} else {
		c = &t->calls[t->n_calls++];
		*c = (struct trip_call){ .generation = true };
		c->slot = redis_slot(name, store_redis_key(t->s, name, "house", "generation", ""));
	}
}

static void
trip_arg(struct trip_call *c, const char *text, size_t len)
{
	c->args[c->n_args] = text;
	c->lens[c->n_args++] = len;
}

static void
trip_key(struct judge_trip *t, struct trip_call *c, const char *tag, const char *kind, const char *name)
{
	char key[STORE_REDIS_NAME];
	size_t len = store_redis_key(t->s, key, tag, kind, name);

	trip_arg(c, arena_strndup(t->a, key, len), len);
}

static void
trip_keys(struct judge_trip *t, struct trip_call *c)
{
	const struct packed_item *p;
	size_t i, k;

	if (c->generation)
		trip_key(t, c, "house", "generation", "");
	for (i = 0; i < c->n; i++) {
		/* With slots, it has to be where the windows are. */
		if (*c->parts[i]->digest != '\0' && redis_topology_slotted(t->s->topology))
			trip_key(t, c, c->parts[i]->tag, "m", c->parts[i]->digest);
		else if (*c->parts[i]->digest != '\0')
			trip_key(t, c, c->parts[i]->digest, "m", "");
		for (k = 0; k < c->parts[i]->n; k++) {
			p = c->parts[i]->items[k];
			trip_key(t, c, p->item->key, "w", p->item->limit);
			if (p->item->kind == STORE_DISTINCT)
				trip_key(t, c, p->item->key, "v", p->item->limit);
		}
	}
}

static void
trip_build(struct judge_trip *t, struct trip_call *c)
{
	char number[24];
	const char *text;
	size_t i, most = 8, len;

	for (i = 0; i < c->n; i++)
		most += 2 + 2 * c->parts[i]->n;
	c->args = arena_alloc(t->a, most * sizeof(*c->args));
	c->lens = arena_alloc(t->a, most * sizeof(*c->lens));
	c->n_args = 0;
	trip_arg(c, "EVALSHA", 7);
	trip_arg(c, store_redis_judge_script.digest, 40);
	trip_arg(c, "", 0);
	trip_keys(t, c);
	(void)snprintf(number, sizeof(number), "%zu", c->n_args - 3);
	c->args[2] = arena_strdup(t->a, number);
	c->lens[2] = strlen(number);
	store_redis_now(t->s, number);
	trip_arg(c, arena_strdup(t->a, number), strlen(number));
	text = c->generation ? t->book->generation : "";
	trip_arg(c, text, strlen(text));
	for (i = 0; i < c->n; i++) {
		text = pack_part(t->a, c->parts[i], c->owners[i]->flags |
		    (redis_topology_slotted(t->s->topology) ? PACK_TELL : 0), &len);
		trip_arg(c, text, len);
	}
}

/* ---- travelling ---- */

static void
trip_failed(struct trip_call *c, const struct redis_call *wire)
{
	c->failed = true;
	c->uncertain = c->uncertain || wire->result == REDIS_UNCERTAIN;
}

/* A script that the server does not know was not run: its text instead. */
static bool
trip_noscript(struct trip_call *c, struct redis_call *wire)
{
	if (wire->reply == NULL || !redis_reply_is_error(wire->reply, "NOSCRIPT"))
		return false;
	c->args[0] = "EVAL";
	c->lens[0] = 4;
	c->args[1] = store_redis_judge_script.text;
	c->lens[1] = strlen(store_redis_judge_script.text);
	redis_reply_free(&wire->reply);
	return true;
}

/* True when a call has to be made once more. */
static bool
trip_again(struct judge_trip *t, struct trip_call *c, struct redis_call *wire)
{
	if (trip_noscript(c, wire))
		return true;
	switch (redis_topology_answer(t->s->topology, c->slot, wire)) {
	case REDIS_TAKE:
		return false;
	case REDIS_AGAIN:
		return true;
	default:
		trip_failed(c, wire);
		return false;
	}
}

/* All calls at once, and those that have to be made again; answers are in wire[].reply. */
static void
trip_travel(struct judge_trip *t)
{
	struct redis_call *now = arena_alloc(t->a, t->n_calls * sizeof(*now));
	size_t *which = arena_alloc(t->a, t->n_calls * sizeof(*which)), n = t->n_calls, left, i;
	unsigned round;

	for (i = 0; i < n; i++) {
		which[i] = i;
		now[i] = (struct redis_call){ .node = redis_topology_node(t->s->topology, t->calls[i].slot),
		    .args = t->calls[i].args, .lens = t->calls[i].lens, .n = t->calls[i].n_args };
	}
	for (round = 0; n > 0 && round < JUDGE_ROUNDS; round++) {
		(void)redis_calls(now, n, t->deadline);
		for (i = 0, left = 0; i < n; i++) {
			if (trip_again(t, &t->calls[which[i]], &now[i])) {
				which[left] = which[i];
				now[left++] = now[i];
			} else {
				t->wire[which[i]] = now[i];
			}
		}
		n = left;
	}
	for (i = 0; i < n; i++)
		t->calls[which[i]].failed = true;
}

static void
trip_read(struct judge_trip *t, struct trip_call *c, const struct redis_reply *r)
{
	bool tell = redis_topology_slotted(t->s->topology);
	uint64_t now;
	size_t i;

	if (r == NULL || r->type != REDIS_ARRAY || r->n == 0 || r->at[0]->type != REDIS_INTEGER) {
		c->failed = true;
		if (r != NULL && r->type == REDIS_ERROR && c->n > 0)
			(void)err_set(&c->owners[0]->why, ERR_GONE, "Redis: %.200s", r->text);
		return;
	}
	now = (uint64_t)r->at[0]->integer;
	if (now == 0) {
		t->old = true;
		return;
	}
	if (r->n != c->n + 1) {
		c->failed = true;
		return;
	}
	for (i = 0; i < c->n; i++)
		c->failed = !pack_answer(c->parts[i], r->at[i + 1], now, tell) || c->failed;
}

static void
trip_make(struct judge_trip *t)
{
	size_t i;

	for (i = 0; i < t->n_calls; i++)
		trip_build(t, &t->calls[i]);
	t->wire = arena_zalloc(t->a, t->n_calls * sizeof(*t->wire));
	trip_travel(t);
	for (i = 0; i < t->n_calls; i++) {
		if (!t->calls[i].failed)
			trip_read(t, &t->calls[i], t->wire[i].reply);
	}
}

/* ---- giving back ---- */

/* What was charged to a part's items, as a part to be taken back. */
static struct packed_part *
undo_part(struct arena *a, const struct packed_part *p)
{
	struct packed_part *u = arena_zalloc(a, sizeof(*u));
	size_t i;

	u->slot = p->slot;
	u->taken = p->taken;
	u->digest = p->digest;
	u->tag = p->tag;
	u->items = arena_alloc(a, p->n * sizeof(*u->items));
	for (i = 0; i < p->n; i++) {
		if (p->items[i]->item->over || p->items[i]->item->always)
			continue;
		u->items[u->n++] = p->items[i];
	}
	return u;
}

static void
trip_undo(struct judge_trip *t, struct waiting **owners, struct packed_part **parts, size_t n)
{
	struct judge_trip back = { .s = t->s, .a = t->a, .deadline = t->deadline };
	size_t i;

	if (n == 0)
		return;
	/* The answer is known, and waits for this: a little beyond the deadline, no more. */
	if (back.deadline < UINT64_MAX - JUDGE_GIVE_BACK)
		back.deadline += JUDGE_GIVE_BACK;
	back.calls = arena_zalloc(t->a, n * sizeof(*back.calls));
	back.n_calls = n;
	for (i = 0; i < n; i++) {
		back.calls[i] = (struct trip_call){ .slot = parts[i]->slot, .parts = &parts[i],
		    .owners = &owners[i], .n = 1 };
		owners[i]->flags = PACK_UNDO;
		trip_build(&back, &back.calls[i]);
	}
	back.wire = arena_zalloc(t->a, n * sizeof(*back.wire));
	trip_travel(&back);
	redis_calls_free(back.wire, n);
}

/* ---- answers ---- */

static void
judge_verdict(struct waiting *w, bool failed, bool old)
{
	bool refused = false, repeated = w->n_parts > 0;
	size_t k;

	for (k = 0; k < w->n_parts; k++) {
		refused = refused || (w->parts[k].done && w->parts[k].refused);
		repeated = repeated && w->parts[k].repeated;
	}
	/* What one has refused is refused, whatever the others would have said. */
	w->state = old ? JUDGE_OLD : failed && !refused ? JUDGE_FAILED : JUDGE_DONE;
	w->r->taken = !refused;
	w->r->repeated = repeated;
}

/* A part that was taken, of a message that is refused, or is to be judged once more. */
static bool
judge_gives_back(const struct waiting *w, const struct packed_part *p)
{
	if (w->r->dry || !p->done || p->refused || p->repeated)
		return false;
	return w->state == JUDGE_OLD || (w->state == JUDGE_DONE && !w->r->taken);
}

static void
trip_settle(struct judge_trip *t)
{
	struct packed_part **parts;
	struct waiting **owners;
	size_t i, k, n = 0, all = 0;
	bool generation_failed = false;

	for (i = 0; i < t->n_calls; i++)
		generation_failed = generation_failed || (t->calls[i].generation && t->calls[i].failed);
	for (i = 0; i < t->n; i++) {
		bool failed = generation_failed;

		for (k = 0; k < t->w[i]->n_parts && !t->old; k++)
			failed = failed || !t->w[i]->parts[k].done;
		judge_verdict(t->w[i], failed, t->old);
		all += t->w[i]->n_parts;
	}
	if (!redis_topology_slotted(t->s->topology))
		return;
	parts = arena_alloc(t->a, all * sizeof(*parts));
	owners = arena_alloc(t->a, all * sizeof(*owners));
	for (i = 0; i < t->n; i++) {
		for (k = 0; k < t->w[i]->n_parts; k++) {
			if (!judge_gives_back(t->w[i], &t->w[i]->parts[k]))
				continue;
			owners[n] = t->w[i];
			parts[n++] = undo_part(t->a, &t->w[i]->parts[k]);
		}
	}
	trip_undo(t, owners, parts, n);
}

/* The ceiling of which the greatest part is used. */
static size_t
judge_fullest(const struct packed_item *p)
{
	size_t c, best = 0;
	uint64_t used, best_used;

	for (c = 1; c < p->ceilings.n; c++) {
		used = (uint64_t)p->used[c] + p->add[c];
		best_used = (uint64_t)p->used[best] + p->add[best];
		if (used * p->ceilings.at[best].most > best_used * p->ceilings.at[c].most)
			best = c;
	}
	return best;
}

static bool
judge_is_warned(const struct packed_item *p, unsigned warn_at)
{
	uint64_t before, line;
	size_t c;

	if (warn_at == 0 || p->item->exempt)
		return false;
	for (c = 0; c < p->ceilings.n; c++) {
		before = (uint64_t)p->used[c] * 100;
		line = (uint64_t)p->ceilings.at[c].most * warn_at;
		if (before < line && before + (uint64_t)p->add[c] * 100 >= line)
			return true;
	}
	return false;
}

static void
judge_answer(struct waiting *w, struct packed_item *p)
{
	struct store_item *item = p->item;
	uint32_t add;

	if (!item->over)
		item->tight = judge_fullest(p);
	add = p->add[item->tight];
	item->ceiling = p->ceilings.at[item->tight];
	item->used = p->used[item->tight];
	if (!item->over)
		item->used = add > UINT32_MAX - item->used ? UINT32_MAX : item->used + add;
	p->charged = !w->r->repeated && (item->kind == STORE_SUM ? item->amount : p->n_values) > 0 &&
	    (item->always || (w->r->taken && !item->over));
	item->warned = p->charged && judge_is_warned(p, w->r->warn_at);
}

/* What the thread that asked is told, and what is remembered for MAIL. */
static void
judge_answers(struct store_redis *s, struct waiting *w, uint32_t generation)
{
	struct packed_item *p;
	size_t i;

	for (i = 0; i < w->r->n; i++) {
		p = &w->items[i];
		judge_answer(w, p);
		if (p->item->over && !p->item->soft && p->full_until > 0 && !w->r->dry)
			store_full_add(s->full, generation, p->item->limit, p->item->key, p->full_until,
			    &p->full);
	}
}

/* Not if one of its servers is known not to answer: the others would be charged for nothing. */
static bool
judge_is_reachable(struct store_redis *s, const struct waiting *w)
{
	struct redis_node *node;
	size_t k;

	for (k = 0; k < w->n_parts; k++) {
		node = redis_topology_node(s->topology, w->parts[k].slot);
		if (node == NULL || !redis_node_up(node))
			return false;
	}
	return true;
}

/* It waited for a lane until there is no time to travel: the server is not to be blamed for that, and those
 * who travel with it are not to be hurried. */
static bool
judge_is_late(const struct waiting *w)
{
	return w->waited && w->deadline != UINT64_MAX && clock_left(w->deadline) < JUDGE_LATE;
}

static void
judge_travel(struct store_redis *s, struct waiting **w, size_t n)
{
	struct judge_trip t = { .s = s, .a = arena_new(JUDGE_CAP), .deadline = UINT64_MAX, .asks = true };
	uint32_t generation = store_full_generation(s->full);
	struct book *book = store_redis_book(s);
	size_t i;

	t.book = book;
	t.w = arena_alloc(t.a, n * sizeof(struct waiting *));
	t.n = 0;
	for (i = 0; i < n; i++) {
		judge_prepare(s, w[i], book, t.a);
		w[i]->state = strcmp(w[i]->generation, book->generation) != 0 ? JUDGE_OLD :
		    judge_is_reachable(s, w[i]) && !judge_is_late(w[i]) ? JUDGE_WAITS : JUDGE_FAILED;
		if (w[i]->state != JUDGE_WAITS)
			continue;
		t.w[t.n++] = w[i];
		if (w[i]->deadline < t.deadline)
			t.deadline = w[i]->deadline;
	}
	if (t.n > 0) {
		trip_group(&t);
		trip_make(&t);
		trip_settle(&t);
		redis_calls_free(t.wire, t.n_calls);
	}
	for (i = 0; i < t.n; i++) {
		if (t.w[i]->state == JUDGE_DONE)
			judge_answers(s, t.w[i], generation);
	}
	arena_free(&t.a);
	book_unref(&book);
}

/* ---- lanes ---- */

/* Those who wait, as many as may travel together; the first is there already. Under the lock. */
static size_t
lane_fill(struct store_redis *s, struct waiting **w)
{
	size_t n = 1, items = 0;

	while (n < JUDGE_TOGETHER && s->first != NULL && items + s->first->r->n <= JUDGE_TOGETHER_ITEMS) {
		w[n] = s->first;
		items += w[n]->r->n;
		s->first = w[n]->next;
		if (s->first == NULL)
			s->last = &s->first;
		/* Looked up in another copy: it looks again before it travels. */
		if (strcmp(w[n]->generation, w[0]->generation) != 0) {
			w[n]->state = JUDGE_OLD;
			w[n]->home = true;
			(void)pthread_cond_signal(&w[n]->wake);
			continue;
		}
		n++;
	}
	return n;
}

/* The lane comes home: all are told, and the next who waits takes it. Under the lock. */
static void
lane_home(struct store_redis *s, struct waiting **w, size_t n)
{
	size_t i;

	for (i = 1; i < n; i++) {
		w[i]->home = true;
		(void)pthread_cond_signal(&w[i]->wake);
	}
	if (s->first == NULL) {
		s->busy--;
		return;
	}
	w[0] = s->first;
	s->first = w[0]->next;
	if (s->first == NULL)
		s->last = &s->first;
	w[0]->lead = true;
	(void)pthread_cond_signal(&w[0]->wake);
}

/* Waits for a lane, or to be taken along. False: the time is over, and nobody has it any more. Under the
 * lock. */
static bool
lane_wait(struct store_redis *s, struct waiting *w)
{
	struct waiting **at;
	struct timespec until;
	uint64_t left = w->deadline == UINT64_MAX ? 3600000 : clock_left(w->deadline);
	int ms = left > 3600000 ? 3600000 : (int)left;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	while (!w->lead && !w->home) {
		if (pthread_cond_timedwait(&w->wake, &s->lanes_lock, &until) == 0)
			continue;
		for (at = &s->first; *at != NULL && *at != w; at = &(*at)->next)
			;
		/* On its way: the trip ends by the deadline, and holds on to us until then. */
		if (*at == NULL) {
			while (!w->lead && !w->home)
				(void)pthread_cond_wait(&w->wake, &s->lanes_lock);
			break;
		}
		*at = w->next;
		if (s->last == &w->next)
			s->last = at;
		return false;
	}
	return true;
}

static void
judge_go(struct store_redis *s, struct waiting *w)
{
	struct waiting *all[JUDGE_TOGETHER] = { w };
	size_t n;

	w->state = JUDGE_WAITS;
	w->lead = w->home = false;
	w->next = NULL;
	(void)pthread_mutex_lock(&s->lanes_lock);
	if (s->busy < s->lanes) {
		s->busy++;
		w->lead = true;
	} else {
		w->waited = true;
		*s->last = w;
		s->last = &w->next;
		if (!lane_wait(s, w)) {
			(void)pthread_mutex_unlock(&s->lanes_lock);
			w->state = JUDGE_FAILED;
			return;
		}
	}
	if (w->lead) {
		n = lane_fill(s, all);
		(void)pthread_mutex_unlock(&s->lanes_lock);
		judge_travel(s, all, n);
		(void)pthread_mutex_lock(&s->lanes_lock);
		lane_home(s, all, n);
	}
	(void)pthread_mutex_unlock(&s->lanes_lock);
}

/* ---- the whole ---- */

/* Looks whether it is suspended by now, and what copy that was looked up in. True: it is. */
static bool
judge_look_again(struct store_redis *s, struct waiting *w)
{
	struct book *b = store_redis_book(s);
	bool any = b->n_suspensions > 0;

	(void)str_copy(w->generation, sizeof(w->generation), b->generation);
	book_unref(&b);
	if (!any || w->r->recheck == NULL || !w->r->recheck(w->r->cookie))
		return false;
	w->r->withdrawn = true;
	return true;
}

static void
judge_count(struct store_redis *s, const struct store_request *r)
{
	if (r->dry)
		return;
	(void)atomic_fetch_add(&s->judged, 1);
	(void)atomic_fetch_add(r->taken ? &s->taken : &s->refused, 1);
}

static int
judge_shared(struct store_redis *s, struct waiting *w)
{
	unsigned round;

	for (round = 0; round < JUDGE_ROUNDS; round++) {
		if (judge_look_again(s, w))
			return 1;
		/* Never compared with Redis' yet. */
		if (*w->generation == '\0') {
			if (store_redis_sync(s, w->generation, w->deadline, &w->why) != 1)
				return 0;
			continue;
		}
		judge_go(s, w);
		if (w->state != JUDGE_OLD)
			return w->state == JUDGE_DONE;
		if (store_redis_sync(s, w->generation, w->deadline, &w->why) != 1)
			return 0;
	}
	return 0;
}

/* By Redis, or else alone. */
static int
judge_anywhere(struct store_redis *s, struct waiting *w, struct err *e)
{
	int done = judge_shared(s, w);

	if (done == 1 || w->r->withdrawn)
		return 1;
	return store_redis_alone(s, w->r, w->deadline, e);
}

int
store_redis_judge(struct store *store, struct store_request *r, uint64_t deadline, struct err *e)
{
	struct store_redis *s = store_redis_of(store);
	struct waiting w = { .r = r, .deadline = deadline };
	const char *message = r->message;
	pthread_condattr_t attr;
	char name[48];
	int done;

	if (judge_twice(r, e) != 1)
		return -1;
	if (r->n == 0) {
		r->taken = true;
		return 1;
	}
	/* What has no name of its own (no Message-ID, a refusal) is counted once as well, should its answer be
	 * lost: it gets one for this call. The ~ keeps it out of the number of messages known. */
	(void)snprintf(name, sizeof(name), "~%llu %llu", (unsigned long long)store_hash_random(),
	    (unsigned long long)clock_now());
	if (message == NULL && !r->dry)
		r->message = name;
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&w.wake, &attr);
	(void)pthread_condattr_destroy(&attr);
	done = judge_anywhere(s, &w, e);
	(void)pthread_cond_destroy(&w.wake);
	r->message = message;
	if (done == 1 && !r->withdrawn)
		judge_count(s, r);
	return done;
}

/* ---- folding back ---- */

static struct waiting *
fold_prepare(struct store_redis *s, struct arena *a, const struct local_entry *entry)
{
	struct waiting *w = arena_zalloc(a, sizeof(*w));
	uint64_t now = clock_now(), age = now > entry->at ? now - entry->at : 0;
	const struct local_item *from;
	struct store_item *item;
	size_t i;

	w->r = arena_zalloc(a, sizeof(*w->r));
	w->r->n = entry->n;
	w->r->items = arena_zalloc(a, entry->n * sizeof(*w->r->items));
	w->items = arena_zalloc(a, entry->n * sizeof(*w->items));
	for (i = 0; i < entry->n; i++) {
		from = &entry->items[i];
		item = &w->r->items[i];
		*item = (struct store_item){ .limit = from->limit, .key = from->key, .kind = from->kind,
		    .amount = from->amount, .exempt = true };
		w->items[i] = (struct packed_item){ .item = item, .ceilings = from->ceilings,
		    .values = from->values, .n_values = from->n_values };
	}
	(void)str_copy(w->digest, sizeof(w->digest), entry->digest);
	w->flags = PACK_FORCE;
	judge_part_all(s, w, a);
	for (i = 0; i < w->n_parts; i++)
		w->parts[i].age = age;
	return w;
}

bool
store_redis_fold(struct store_redis *s, struct local_entry **list, size_t n, uint64_t deadline)
{
	struct judge_trip t = { .s = s, .a = arena_new(JUDGE_CAP), .n = n, .deadline = deadline };
	bool done = true;
	size_t i;

	t.w = arena_alloc(t.a, n * sizeof(struct waiting *));
	for (i = 0; i < n; i++)
		t.w[i] = fold_prepare(s, t.a, list[i]);
	trip_group(&t);
	trip_make(&t);
	for (i = 0; i < t.n_calls; i++)
		done = done && !t.calls[i].failed;
	redis_calls_free(t.wire, t.n_calls);
	arena_free(&t.a);
	return done;
}
