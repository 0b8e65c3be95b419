/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * store_redis_keep - small things that last, for all relays: such as which customer was seen with which mailer.
 *
 * A message's thread may want to keep something, and never waits for it: it is written to the embedded store at
 * once, which waits for no disk, and told to Redis by the house, in the order in which it came. While Redis
 * does not answer it waits, the oldest is given up when it is too much, and the embedded store answers what is
 * known.
 *
 * A relay's incidents are its own: they stay with it, also while Redis is gone, and no other takes them up. That
 * one relay of many tells is the claim's.
 */
#include "lib/store_redis.h"

#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"

#include "lib/banned.h"

#define KEEP_WAITING_MOST 20000u
#define KEEP_MS 1000u

struct keep_waiting {
	struct keep_waiting *next;
	const char *space, *name, *value;	/* value NULL: forget it */
	char data[];
};

static bool
keep_is_own(const char *space)
{
	return strcmp(space, "incidents") == 0;
}

static const char *
keep_copy(char **at, const char *text)
{
	size_t n = strlen(text) + 1;
	char *to = *at;

	memcpy(to, text, n);
	*at += n;
	return to;
}

static void
keep_add(struct store_redis *s, const char *space, const char *name, const char *value)
{
	struct keep_waiting *w = store_alloc(sizeof(*w) + strlen(space) + strlen(name) + 3 +
	    (value != NULL ? strlen(value) : 0)), *old = NULL;
	char *at = w->data;

	w->space = keep_copy(&at, space);
	w->name = keep_copy(&at, name);
	w->value = value != NULL ? keep_copy(&at, value) : NULL;
	(void)pthread_mutex_lock(&s->keep_lock);
	if (s->n_keep >= KEEP_WAITING_MOST) {
		old = s->keep_first;
		s->keep_first = old->next;
		s->n_keep--;
	}
	*s->keep_last = w;
	s->keep_last = &w->next;
	s->n_keep++;
	(void)pthread_mutex_unlock(&s->keep_lock);
	free(old);
}

enum store_result
store_redis_keep(struct store *store, const char *space, const char *name, const char *value, struct err *e)
{
	struct store_redis *s = store_redis_of(store);
	enum store_result result = store_keep(s->alone, space, name, value, e);

	if (!keep_is_own(space))
		keep_add(s, space, name, value);
	return result;
}

/* ---- told to Redis ---- */

static bool
keep_tell(struct store_redis *s, const struct keep_waiting *w)
{
	char key[STORE_REDIS_NAME];
	const char *args[] = { w->name, w->value };
	struct desk_call c = { .keys = { key }, .n_keys = 1, .args = args, .n_args = w->value != NULL ? 2 : 1,
	    .whole = true, .deadline = clock_deadline(KEEP_MS) };
	struct redis_reply *r;
	bool told;

	(void)store_redis_key(s, key, "house", "kept", w->space);
	r = store_redis_desk(s, "keep", &c, NULL);
	told = r != NULL;
	redis_reply_free(&r);
	return told;
}

static struct keep_waiting *
keep_take(struct store_redis *s)
{
	struct keep_waiting *w;

	(void)pthread_mutex_lock(&s->keep_lock);
	w = s->keep_first;
	if (w != NULL) {
		s->keep_first = w->next;
		s->n_keep--;
		if (s->keep_first == NULL)
			s->keep_last = &s->keep_first;
	}
	(void)pthread_mutex_unlock(&s->keep_lock);
	return w;
}

static void
keep_put_back(struct store_redis *s, struct keep_waiting *w)
{
	(void)pthread_mutex_lock(&s->keep_lock);
	w->next = s->keep_first;
	if (s->keep_first == NULL)
		s->keep_last = &w->next;
	s->keep_first = w;
	s->n_keep++;
	(void)pthread_mutex_unlock(&s->keep_lock);
}

bool
store_redis_keep_some(struct store_redis *s)
{
	struct keep_waiting *w;
	bool told = true;

	/* One tells at a time, or what came first would be told last. */
	(void)pthread_mutex_lock(&s->keep_told_lock);
	while (told && (w = keep_take(s)) != NULL) {
		told = keep_tell(s, w);
		if (told)
			free(w);
		else
			keep_put_back(s, w);
	}
	(void)pthread_mutex_unlock(&s->keep_told_lock);
	return told;
}

void
store_redis_keep_free(struct store_redis *s)
{
	struct keep_waiting *w;

	while ((w = keep_take(s)) != NULL)
		free(w);
	(void)pthread_mutex_destroy(&s->keep_lock);
	(void)pthread_mutex_destroy(&s->keep_told_lock);
}

/* ---- what is known ---- */

struct keep_pair {
	const char *name, *value;
};

static int
keep_pair_order(const void *a, const void *b)
{
	return strcmp(((const struct keep_pair *)a)->name, ((const struct keep_pair *)b)->name);
}

int
store_redis_kept(struct store *store, const char *space, void (*each)(void *, const char *, const char *),
    void *cookie, struct err *e)
{
	struct store_redis *s = store_redis_of(store);
	char key[STORE_REDIS_NAME];
	struct desk_call c = { .keys = { key }, .n_keys = 1, .whole = true,
	    .deadline = clock_deadline(STORE_REDIS_DESK_MS) };
	const struct redis_reply *all;
	struct keep_pair *pairs;
	struct redis_reply *r;
	size_t i, n = 0;

	if (keep_is_own(space))
		return store_kept(s->alone, space, each, cookie, e);
	/* What the others have not heard of is known to us in any case. */
	if (!store_redis_keep_some(s) || !redis_topology_up(s->topology))
		return store_kept(s->alone, space, each, cookie, e);
	(void)store_redis_key(s, key, "house", "kept", space);
	r = store_redis_desk(s, "kept", &c, e);
	if (r == NULL)
		return -1;
	all = r->n >= 2 ? r->at[1] : NULL;
	pairs = store_alloc((all != NULL ? all->n / 2 + 1 : 1) * sizeof(*pairs));
	for (i = 0; all != NULL && all->type == REDIS_ARRAY && i + 1 < all->n; i += 2) {
		if (all->at[i]->text != NULL && all->at[i + 1]->text != NULL)
			pairs[n++] = (struct keep_pair){ all->at[i]->text, all->at[i + 1]->text };
	}
	if (n > 0)
		qsort(pairs, n, sizeof(*pairs), keep_pair_order);
	for (i = 0; i < n; i++)
		each(cookie, pairs[i].name, pairs[i].value);
	free(pairs);
	redis_reply_free(&r);
	return (int)n;
}
