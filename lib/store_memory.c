/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * store_memory - the embedded store, for one relay and no other service beside it.
 *
 * It is put together from windows in a mapped file (store_windows), people's decisions in SQLite
 * (store_lasting) and keys known to be full (store_full); the judging of a message is
 * store_memory_judge.c. What is left for this file: opening and closing in the right order,
 * and looking into the windows.
 *
 * What is lost, and when: nothing by SIGKILL or a restart. When the machine itself
 * crashes, the counting that the kernel had not written back (about 30 s); suspensions and overrides never.
 */
#include "lib/store_memory.h"

#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"

#include "lib/banned.h"

#define MEMORY_TOP_MOST 10000u

static struct store_memory *
memory_of(struct store *s)
{
	return (struct store_memory *)s;
}

/* ---- opening ---- */

static void
store_memory_close(struct store *s)
{
	struct store_memory *m = memory_of(s);

	/* The windows hold the lock of both files: last. */
	store_lasting_close(&m->lasting);
	store_full_free(&m->full);
	windows_close(&m->windows);
	free(m);
}

static struct store *
store_memory_open(const struct store_settings *s, struct err *e)
{
	struct store_memory *m;

	if (s->file == NULL || *s->file == '\0') {
		(void)err_set(e, ERR_INPUT, "store.file: has to be set");
		return NULL;
	}
	m = store_alloc(sizeof(*m));
	m->store.driver = &store_memory_driver;
	m->windows = windows_open(s->file, s->memory, sizeof(*m) + store_full_bytes(), clock_now(), e);
	if (m->windows != NULL)
		m->lasting = store_lasting_open(s->file, s->relay, e);
	if (m->lasting == NULL) {
		store_memory_close(&m->store);
		return NULL;
	}
	m->full = store_full_new();
	return &m->store;
}

static void
store_memory_poll(struct store *s)
{
	struct store_memory *m = memory_of(s);
	uint64_t now = clock_now();

	windows_sweep(m->windows, now);
	store_lasting_poll(m->lasting, now);
}

static uint64_t
store_memory_over_until(struct store *s, const char *limit, const char *key, struct limit_ceiling *ceiling)
{
	return store_full_until(memory_of(s)->full, limit, key, clock_now(), ceiling);
}

static void
store_memory_forget_over(struct store *s)
{
	store_full_forget(memory_of(s)->full);
}

/* ---- suspensions and overrides ---- */

static int
store_memory_suspended(struct store *s, const char *kind, const char *subject, struct arena *a,
    struct store_suspension *to)
{
	return store_lasting_suspended(memory_of(s)->lasting, kind, subject, clock_now(), a, to);
}

static enum store_result
store_memory_suspend(struct store *s, const struct store_suspension *w, struct err *e)
{
	return store_lasting_suspend(memory_of(s)->lasting, w, e);
}

static enum store_result
store_memory_release(struct store *s, const char *kind, const char *subject, struct err *e)
{
	return store_lasting_release(memory_of(s)->lasting, kind, subject, clock_now(), e);
}

static int
store_memory_suspensions(struct store *s, struct arena *a, struct store_suspension **to, struct err *e)
{
	(void)e;
	return store_lasting_suspensions(memory_of(s)->lasting, clock_now(), a, to);
}

static enum store_result
store_memory_raise(struct store *s, const struct store_override *w, struct err *e)
{
	enum store_result result = store_lasting_raise(memory_of(s)->lasting, w, e);

	/* After it is in force: a refusal judged before bears the old generation. */
	store_full_forget(memory_of(s)->full);
	return result;
}

static enum store_result
store_memory_lower(struct store *s, const char *limit, const char *key, struct err *e)
{
	enum store_result result = store_lasting_lower(memory_of(s)->lasting, limit, key, clock_now(), e);

	store_full_forget(memory_of(s)->full);
	return result;
}

static int
store_memory_overrides(struct store *s, struct arena *a, struct store_override **to, struct err *e)
{
	(void)e;
	return store_lasting_overrides(memory_of(s)->lasting, clock_now(), a, to);
}

/* ---- looking into the windows ---- */

/* What a slot says, for people: windows without a ceiling are left out. True when something is used. */
static bool
memory_usage_fill(struct windows *w, struct windows_slot *s, uint64_t now, struct store_usage *to)
{
	bool used = false;
	unsigned i;

	windows_advance(w, s, now);
	to->n = 0;
	for (i = 0; i < s->n; i++) {
		if (s->part[i].most == 0)
			continue;
		to->at[to->n].length = s->part[i].window.length * UINT64_C(1000);
		to->at[to->n].used = limit_window_used(&s->part[i].window);
		to->at[to->n].most = s->part[i].most;
		used = used || to->at[to->n].used > 0;
		to->n++;
	}
	return used;
}

static int
store_memory_usage(struct store *s, struct arena *a, const char *limit, const char *key,
    struct store_usage *to, struct err *e)
{
	struct windows *w = memory_of(s)->windows;
	struct store_hash h = store_hash_pair(w->seed, limit, key);
	struct windows_stripe *t = &w->stripe[windows_stripe_of(h)];
	struct windows_slot *slot;
	int found = 0;

	(void)e;
	memset(to, 0, sizeof(*to));
	(void)pthread_mutex_lock(&t->lock);
	slot = windows_find(w, t, h);
	if (slot != NULL && memory_usage_fill(w, slot, clock_now(), to))
		found = 1;
	(void)pthread_mutex_unlock(&t->lock);
	to->limit = arena_strdup(a, limit);
	to->key = arena_strdup(a, key);
	return found;
}

static enum store_result
store_memory_reset(struct store *s, const char *limit, const char *key, struct err *e)
{
	struct windows *w = memory_of(s)->windows;
	struct store_hash h = store_hash_pair(w->seed, limit, key);
	struct windows_stripe *t = &w->stripe[windows_stripe_of(h)];
	enum store_result result = STORE_REFUSED;
	struct store_usage usage;
	struct windows_slot *slot;

	(void)e;
	(void)pthread_mutex_lock(&t->lock);
	slot = windows_find(w, t, h);
	if (slot != NULL) {
		result = memory_usage_fill(w, slot, clock_now(), &usage) ? STORE_DONE : STORE_REFUSED;
		windows_drop(w, t, slot);
	}
	(void)pthread_mutex_unlock(&t->lock);
	store_full_forget(memory_of(s)->full);
	return result;
}

/* The fullest keys seen so far, fullest first. */
struct memory_top {
	size_t n, most;
	struct memory_top_key {
		uint32_t fill;
		struct windows_slot slot;
	} **at;
};

/* Takes the slot in when it belongs among the fullest; the last gives up its place. */
static void
memory_top_offer(struct memory_top *top, const struct windows_slot *s, uint32_t fill)
{
	struct memory_top_key *key;
	size_t i;

	if (fill == 0 || (top->n == top->most && fill <= top->at[top->n - 1]->fill))
		return;
	if (top->n < top->most)
		top->at[top->n++] = store_alloc(sizeof(*key));
	key = top->at[top->n - 1];
	key->fill = fill;
	key->slot = *s;
	for (i = top->n - 1; i > 0 && top->at[i - 1]->fill < fill; i--)
		top->at[i] = top->at[i - 1];
	top->at[i] = key;
}

static bool
memory_is_limit(struct windows_slot *s, const char *limit)
{
	return limit == NULL ? memchr(windows_text(s), '.', s->limit_len) == NULL :
	    strlen(limit) == s->limit_len && memcmp(windows_text(s), limit, s->limit_len) == 0;
}

static void
memory_top_stripe(struct windows *w, struct windows_stripe *t, const char *limit, struct memory_top *top)
{
	struct windows_slot *s;
	uint64_t now;
	size_t i;

	(void)pthread_mutex_lock(&t->lock);
	now = clock_now();
	for (i = 0; t->keys.n > 0 && i <= t->keys.mask; i++) {
		if (t->keys.at[i] == 0)
			continue;
		s = windows_slot_at(w, (uint32_t)t->keys.at[i] - 1);
		if (memory_is_limit(s, limit))
			memory_top_offer(top, s, windows_fill(w, s, now));
	}
	(void)pthread_mutex_unlock(&t->lock);
}

static int
store_memory_top(struct store *s, struct arena *a, const char *limit, size_t n, struct store_usage **to,
    struct err *e)
{
	struct windows *w = memory_of(s)->windows;
	struct memory_top top = { .most = n < MEMORY_TOP_MOST ? n : MEMORY_TOP_MOST };
	struct windows_slot *slot;
	size_t i;

	(void)e;
	top.at = store_alloc(top.most * sizeof(struct memory_top_key *));
	for (i = 0; i < WINDOWS_STRIPES; i++)
		memory_top_stripe(w, &w->stripe[i], limit, &top);
	*to = arena_zalloc(a, top.n * sizeof(**to));
	for (i = 0; i < top.n; i++) {
		slot = &top.at[i]->slot;
		(void)memory_usage_fill(w, slot, clock_now(), &(*to)[i]);
		(*to)[i].limit = arena_strndup(a, windows_text(slot), slot->limit_len);
		(*to)[i].key = arena_printf(a, "%.*s%s", slot->key_len, windows_text(slot) + slot->limit_len,
		    slot->cut ? "..." : "");
		free(top.at[i]);
	}
	free(top.at);
	return (int)top.n;
}

static void
store_memory_numbers(struct store *s, struct store_numbers *to)
{
	struct store_memory *m = memory_of(s);
	struct windows_stripe *t;
	unsigned i;

	for (i = 0; i < WINDOWS_STRIPES; i++) {
		t = &m->windows->stripe[i];
		(void)pthread_mutex_lock(&t->lock);
		to->keys += t->keys.n;
		to->values += t->records.n - t->messages;
		to->digests += t->messages;
		to->judged += t->taken + t->refused;
		to->taken += t->taken;
		to->refused += t->refused;
		(void)pthread_mutex_unlock(&t->lock);
	}
	to->bytes = atomic_load(&m->windows->bytes);
	to->bytes_most = m->windows->cap;
	to->evicted = atomic_load(&m->windows->evicted);
	store_lasting_numbers(m->lasting, &to->suspensions, &to->overrides);
}

/* ---- small things that last ---- */

static enum store_result
store_memory_keep(struct store *s, const char *space, const char *name, const char *value, struct err *e)
{
	return store_lasting_keep(memory_of(s)->lasting, space, name, value, e);
}

static int
store_memory_kept(struct store *s, const char *space, void (*each)(void *, const char *, const char *),
    void *cookie, struct err *e)
{
	return store_lasting_kept(memory_of(s)->lasting, space, each, cookie, e);
}

const struct store_driver store_memory_driver = {
	.type = "memory",
	.open = store_memory_open,
	.close = store_memory_close,
	.poll = store_memory_poll,
	.judge = store_memory_judge,
	.over_until = store_memory_over_until,
	.forget_over = store_memory_forget_over,
	.suspended = store_memory_suspended,
	.suspend = store_memory_suspend,
	.release = store_memory_release,
	.suspensions = store_memory_suspensions,
	.raise = store_memory_raise,
	.lower = store_memory_lower,
	.overrides = store_memory_overrides,
	.reset = store_memory_reset,
	.top = store_memory_top,
	.usage = store_memory_usage,
	.numbers = store_memory_numbers,
	.keep = store_memory_keep,
	.kept = store_memory_kept,
};
