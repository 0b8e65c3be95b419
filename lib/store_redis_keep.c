/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * store_redis_keep - small things that last, for all relays: such as which customer was seen with which
 * mailer.
 *
 * A message's thread may want to keep something, and never waits for it: it is written to the embedded store
 * at once, which waits for no disk, and told to Redis by the house, in the order in which it came. While
 * Redis does not answer it waits, the oldest is given up when it is too much, and the embedded store answers
 * what is known.
 *
 * A relay's incidents are its own: they stay with it, also while Redis is gone, and no other takes them up.
 * That one relay of many tells is the claim's.
 */
#include "lib/store_redis.h"

#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/str.h"

#include "lib/banned.h"

#define KEEP_WAITING_MOST 20000u
#define KEEP_MS 1000u
#define KEPT_PAGE "1000"		/* names at a time: messages are judged in between */
#define KEPT_MS 20000u

struct keep_waiting {
	struct keep_waiting *next;
	const char *space, *name, *value;	/* value NULL: forget it */
	bool add;			/* a tally: joins what is there */
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
keep_add(struct store_redis *s, const char *space, const char *name, const char *value, bool add)
{
	struct keep_waiting *w = store_alloc(sizeof(*w) + strlen(space) + strlen(name) + 3 +
	    (value != NULL ? strlen(value) : 0)), *old = NULL;
	char *at = w->data;

	w->space = keep_copy(&at, space);
	w->name = keep_copy(&at, name);
	w->value = value != NULL ? keep_copy(&at, value) : NULL;
	w->add = add;
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
		keep_add(s, space, name, value, false);
	return result;
}

/* Told is what came since; an answer that is lost may count that twice. */
enum store_result
store_redis_tally(struct store *store, const char *space, const char *name, const struct store_tally *t,
    struct err *e)
{
	struct store_redis *s = store_redis_of(store);
	enum store_result result = store_tally(s->alone, space, name, t, e);
	char value[STORE_TALLY];

	if (store_tally_text(t, t->more, value))
		keep_add(s, space, name, value, true);
	return result;
}

/* ---- told to Redis ---- */

static bool
keep_tell(struct store_redis *s, const struct keep_waiting *w)
{
	char key[STORE_REDIS_NAME];
	const char *args[] = { w->name, w->value, "+" };
	struct desk_call c = { .keys = { key }, .n_keys = 1, .args = args,
	    .n_args = w->value == NULL ? 1 : w->add ? 3 : 2,
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
	const char *name, *value;	/* in a page */
};

struct keep_all {
	struct redis_reply **pages;
	size_t n_pages;
	struct keep_pair *pairs;
	size_t n, room;
};

static int
keep_pair_order(const void *a, const void *b)
{
	return strcmp(((const struct keep_pair *)a)->name, ((const struct keep_pair *)b)->name);
}

static void
keep_take_page(struct keep_all *all, struct redis_reply *take_r)
{
	const struct redis_reply *page = take_r->at[2];
	size_t i;

	all->pages = realloc(all->pages, (all->n_pages + 1) * sizeof(*all->pages));
	if (all->pages == NULL)
		abort();
	all->pages[all->n_pages++] = take_r;
	if (all->pairs == NULL || all->n + page->n / 2 > all->room) {
		all->room = (all->n + page->n / 2) * 2 + 16;
		all->pairs = realloc(all->pairs, all->room * sizeof(*all->pairs));
		if (all->pairs == NULL)
			abort();
	}
	for (i = 0; i + 1 < page->n; i += 2) {
		if (page->at[i]->text != NULL && page->at[i + 1]->text != NULL)
			all->pairs[all->n++] = (struct keep_pair){ page->at[i]->text, page->at[i + 1]->text };
	}
}

static int
keep_read(struct store_redis *s, const char *space, struct keep_all *all, struct err *e)
{
	char key[STORE_REDIS_NAME], cursor[24] = "0";
	const char *args[] = { cursor, KEPT_PAGE };
	struct desk_call c = { .keys = { key }, .n_keys = 1, .args = args, .n_args = 2, .whole = true };
	uint64_t deadline = clock_deadline(KEPT_MS);
	struct redis_reply *r;

	(void)store_redis_key(s, key, "house", "kept", space);
	do {
		c.deadline = clock_deadline(STORE_REDIS_DESK_MS);
		r = store_redis_desk(s, "kept", &c, e);
		if (r == NULL)
			return -1;
		if (r->n < 3 || r->at[1]->text == NULL || r->at[2]->type != REDIS_ARRAY) {
			redis_reply_free(&r);
			return err_set(e, ERR_GONE, "Redis: an answer that cannot be read");
		}
		(void)str_copy(cursor, sizeof(cursor), r->at[1]->text);
		keep_take_page(all, r);
	} while (strcmp(cursor, "0") != 0 && clock_left(deadline) > 0);
	return strcmp(cursor, "0") == 0 ? 1 : err_set(e, ERR_TIMEOUT, "Redis: too much is kept to read it in time");
}

static int
keep_each(struct keep_all *all, void (*each)(void *, const char *, const char *), void *cookie)
{
	int told = 0;
	size_t i;

	if (all->pairs == NULL)
		return 0;
	qsort(all->pairs, all->n, sizeof(*all->pairs), keep_pair_order);
	for (i = 0; i < all->n; i++) {
		/* What moves while it is read may come twice. */
		if (i > 0 && strcmp(all->pairs[i - 1].name, all->pairs[i].name) == 0)
			continue;
		each(cookie, all->pairs[i].name, all->pairs[i].value);
		told++;
	}
	return told;
}

int
store_redis_kept(struct store *store, const char *space, void (*each)(void *, const char *, const char *),
    void *cookie, struct err *e)
{
	struct store_redis *s = store_redis_of(store);
	struct keep_all all = { .n = 0 };
	size_t i;
	int told;

	/* What the others have not heard of is known to us in any case. */
	if (keep_is_own(space) || !store_redis_keep_some(s) || !redis_topology_up(s->topology))
		return store_kept(s->alone, space, each, cookie, e);
	told = keep_read(s, space, &all, e);
	if (told == 1)
		told = keep_each(&all, each, cookie);
	for (i = 0; i < all.n_pages; i++)
		redis_reply_free(&all.pages[i]);
	free(all.pages);
	free(all.pairs);
	return told;
}
