/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * store_redis_book - this relay's copy of what people decided: suspensions and overrides.
 *
 * A book is made from one answer of Redis and never changes; another generation makes another
 * book. The judging script is told the generation, and refuses to judge by an old one: so the copy answers
 * without a round trip, and still Redis has the last word.
 */
#include "lib/store_redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/str.h"

#include "lib/banned.h"

#define BOOK_CAP ((size_t)256 << 20)
#define BOOK_EXEMPT "!"

struct book *
book_new(const char *generation, uint64_t seed)
{
	struct book *b = store_alloc(sizeof(*b));

	atomic_init(&b->refs, 1);
	b->arena = arena_new(BOOK_CAP);
	(void)str_copy(b->generation, sizeof(b->generation), generation);
	b->seed = seed;
	return b;
}

uint64_t
book_seed(const char *text)
{
	return strtoull(text, NULL, 10);
}

void
book_unref(struct book **b)
{
	if (*b != NULL && atomic_fetch_sub(&(*b)->refs, 1) == 1) {
		arena_free(&(*b)->arena);
		free((*b)->suspensions);
		free((*b)->overrides);
		free(*b);
	}
	*b = NULL;
}

/* ---- reading ---- */

/* The next text of a value whose texts have a NUL between them; "" when there is none. */
static const char *
book_next(const char **at, const char *end)
{
	const char *text = *at, *stop;

	if (text >= end)
		return "";
	stop = memchr(text, '\0', (size_t)(end - text));
	*at = stop == NULL ? end : stop + 1;
	return text;
}

static bool
book_read(struct arena *a, const struct redis_reply *name, const struct redis_reply *value, uint64_t now,
    uint64_t ours, struct book_entry *to)
{
	const char *at, *end;
	uint64_t until, since;

	if (name->text == NULL || value->text == NULL)
		return false;
	/* Replies have a NUL behind them, so every text ends. */
	at = name->text;
	end = at + name->n;
	to->one = arena_strdup(a, book_next(&at, end));
	to->two = arena_strdup(a, book_next(&at, end));
	at = value->text;
	end = at + value->n;
	until = strtoull(book_next(&at, end), NULL, 10);
	since = strtoull(book_next(&at, end), NULL, 10);
	to->action = arena_strdup(a, book_next(&at, end));
	to->by = arena_strdup(a, book_next(&at, end));
	to->reason = arena_strdup(a, book_next(&at, end));
	to->since = since - now + ours;
	to->until = until == 0 ? UINT64_MAX : until - now + ours;
	return *to->one != '\0' && *to->two != '\0' && *to->action != '\0' && (until == 0 || until > now);
}

static struct book_entry *
book_room(struct book_entry **list, size_t n)
{
	/* Grows by doubling: at every power of two. */
	if ((n & (n + 1)) == 0 || n == 0) {
		*list = realloc(*list, (n + 1) * 2 * sizeof(**list));
		if (*list == NULL)
			abort();
	}
	return &(*list)[n];
}

void
book_add(struct book *b, bool suspensions, const struct redis_reply *all, uint64_t now, uint64_t ours)
{
	struct book_entry **list = suspensions ? &b->suspensions : &b->overrides;
	size_t *n = suspensions ? &b->n_suspensions : &b->n_overrides, i;

	for (i = 0; all->type == REDIS_ARRAY && i + 1 < all->n; i += 2) {
		if (book_read(b->arena, all->at[i], all->at[i + 1], now, ours, book_room(list, *n)))
			(*n)++;
	}
}

void
book_add_suspension(struct book *b, const struct store_suspension *w)
{
	*book_room(&b->suspensions, b->n_suspensions) = (struct book_entry){
	    .one = arena_strdup(b->arena, w->kind), .two = arena_strdup(b->arena, w->subject),
	    .action = arena_strdup(b->arena, w->action), .by = arena_strdup(b->arena, w->by),
	    .reason = arena_strdup(b->arena, w->reason), .since = w->since, .until = w->until };
	b->n_suspensions++;
}

static int
book_order(const void *a, const void *b)
{
	const struct book_entry *x = a, *y = b;
	int by_one = strcmp(x->one, y->one);

	return by_one != 0 ? by_one : strcmp(x->two, y->two);
}

void
book_sort(struct book *b)
{
	if (b->n_suspensions > 0)
		qsort(b->suspensions, b->n_suspensions, sizeof(*b->suspensions), book_order);
	if (b->n_overrides > 0)
		qsort(b->overrides, b->n_overrides, sizeof(*b->overrides), book_order);
}

/* ---- finding ---- */

const struct book_entry *
book_find(const struct book_entry *list, size_t n, const char *one, const char *two)
{
	const struct book_entry key = { .one = one, .two = two };

	return n == 0 ? NULL : bsearch(&key, list, n, sizeof(*list), book_order);
}

static bool
book_ceilings(const char *text, struct limit_ceilings *to)
{
	struct limit_ceiling c;
	char copy[256], *word, *rest = NULL;

	to->n = 0;
	if (!str_copy(copy, sizeof(copy), text))
		return false;
	for (word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
		if (limit_ceiling_parse(word, false, &c) != 1 || !limit_ceilings_add(to, &c))
			return false;
	}
	return to->n > 0;
}

static bool
book_exempt(const struct book_entry *e, uint64_t now)
{
	return e != NULL && e->until > now && strcmp(e->action, BOOK_EXEMPT) == 0;
}

void
book_apply(const struct book *b, const char *limit, const char *key, uint64_t now,
    struct limit_ceilings *ceilings, bool *exempt)
{
	const struct book_entry *own, *all;
	struct limit_ceilings raised;
	size_t i, k;

	*exempt = false;
	if (b->n_overrides == 0)
		return;
	own = book_find(b->overrides, b->n_overrides, limit, key);
	all = book_find(b->overrides, b->n_overrides, "*", key);
	*exempt = book_exempt(own, now) || book_exempt(all, now);
	if (own == NULL || own->until <= now || !book_ceilings(own->action, &raised))
		return;
	for (i = 0; i < ceilings->n; i++) {
		for (k = 0; k < raised.n; k++) {
			if (raised.at[k].length == ceilings->at[i].length)
				ceilings->at[i].most = raised.at[k].most;
		}
	}
}

void
book_to_suspension(struct arena *a, const struct book_entry *e, struct store_suspension *to)
{
	*to = (struct store_suspension){
	    .kind = arena_strdup(a, e->one), .subject = arena_strdup(a, e->two),
	    .action = arena_strdup(a, e->action), .reason = arena_strdup(a, e->reason),
	    .by = arena_strdup(a, e->by), .since = e->since, .until = e->until };
}

bool
book_to_override(struct arena *a, const struct book_entry *e, struct store_override *to)
{
	*to = (struct store_override){
	    .limit = arena_strdup(a, e->one), .key = arena_strdup(a, e->two),
	    .exempt = strcmp(e->action, BOOK_EXEMPT) == 0, .reason = arena_strdup(a, e->reason),
	    .by = arena_strdup(a, e->by), .since = e->since, .until = e->until };
	return to->exempt || book_ceilings(e->action, &to->ceilings);
}

/* ---- writing ---- */

size_t
book_pack(char *to, size_t size, const char *action, const char *by, const char *reason)
{
	const char *const texts[] = { action, by, reason };
	size_t at = 0, i, n;

	for (i = 0; i < 3; i++) {
		n = strlen(texts[i]) + 1;
		if (n > size - at)
			n = size - at;
		memcpy(to + at, texts[i], n);
		at += n;
	}
	return at - 1;
}

void
book_override_text(const struct store_override *w, char *to, size_t size)
{
	struct str s = { to, 0, size, false };
	char one[48];
	size_t i;

	to[0] = '\0';
	if (w->exempt) {
		str_cat(&s, BOOK_EXEMPT);
		return;
	}
	for (i = 0; i < w->ceilings.n; i++) {
		limit_ceiling_text(&w->ceilings.at[i], one, sizeof(one));
		str_catf(&s, "%s%s", i > 0 ? " " : "", one);
	}
}
