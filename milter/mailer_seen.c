/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * mailer_seen - pairs of customer and mailer that outlive configurations and restarts.
 *
 * A pair takes about 90 bytes: a quarter of a million of them 24 MB. Neither customers nor mailers are chosen
 * by whoever sends mail, so the table needs no guard against chosen keys.
 * In the store a pair is "CUSTOMER/MAILER" -> "FIRST LAST COUNT KIND". Relays that share one store add up
 * what each has counted; so a list for people is read there first.
 * Nothing here decides what a first use means.
 */
#include "milter/mailer_seen.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/signature.h"

#include "lib/banned.h"

#define SPACE "mailers"
#define KEY_MAX 400	/* a customer (at most 320 bytes as a limit's key), '/', a mailer */
#define SAVE_EVERY (60 * UINT64_C(1000))

struct pair {
	uint64_t hash;
	uint64_t first, last, count;	/* over all relays, as far as we know */
	uint64_t more;			/* of count, what the store has not heard of */
	uint64_t saved_at;		/* ms */
	const char *kind;
	char key[];
};

struct mailer_seen {
	struct store *store;
	unsigned refs;			/* under all_lock */
	struct mailer_seen *next;
	pthread_mutex_t lock;		/* of the following */
	struct pair **slots;		/* open addressing; a power of two, at most half full */
	size_t n_slots, n;
	bool full;
};

static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static struct mailer_seen *all;		/* under all_lock */

/* ---- the table -------------------------------------------------------------------- */

static uint64_t
hash_key(const char *key)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (; *key != '\0'; key++)
		h = (h ^ (unsigned char)*key) * UINT64_C(1099511628211);
	return h ^ h >> 32;
}

static struct pair **
slot_of(struct pair **slots, size_t n_slots, uint64_t hash, const char *key)
{
	size_t i = hash & (n_slots - 1);

	while (slots[i] != NULL && (slots[i]->hash != hash || strcmp(slots[i]->key, key) != 0))
		i = (i + 1) & (n_slots - 1);
	return &slots[i];
}

static void
slots_grow(struct mailer_seen *m)
{
	size_t n_slots = m->n_slots == 0 ? 1024 : 2 * m->n_slots, i;
	struct pair **slots = calloc(n_slots, sizeof(*slots));

	if (slots == NULL)
		abort();
	for (i = 0; i < m->n_slots; i++)
		if (m->slots[i] != NULL)
			*slot_of(slots, n_slots, m->slots[i]->hash, m->slots[i]->key) = m->slots[i];
	free(m->slots);
	m->slots = slots;
	m->n_slots = n_slots;
}

/* The pair, made when it is not there; NULL when there is no room. Under the lock. */
static struct pair *
find_or_add(struct mailer_seen *m, const char *key, bool *is_new)
{
	const uint64_t hash = hash_key(key);
	struct pair **slot, *p;

	*is_new = false;
	if (2 * (m->n + 1) > m->n_slots)
		slots_grow(m);
	slot = slot_of(m->slots, m->n_slots, hash, key);
	if (*slot != NULL || m->n >= MAILER_SEEN_MAX)
		return *slot;
	p = calloc(1, sizeof(*p) + strlen(key) + 1);
	if (p == NULL)
		abort();
	p->hash = hash;
	p->kind = "";
	memcpy(p->key, key, strlen(key) + 1);
	*slot = p;
	m->n++;
	*is_new = true;
	return p;
}

/* ---- the store ---------------------------------------------------------------------- */

static const char *
kind_of_text(const char *text)
{
	size_t i;

	for (i = 0; signature_kind(i) != NULL; i++)
		if (strcmp(signature_kind(i), text) == 0)
			return signature_kind(i);
	return "";
}

/* The next number of a value, 0 when there is none; *at goes behind it and the blank. */
static uint64_t
take_number(const char **at)
{
	char *end;
	uint64_t n = **at >= '0' && **at <= '9' ? strtoull(*at, &end, 10) : 0;

	if (**at >= '0' && **at <= '9')
		*at = *end == ' ' ? end + 1 : end;
	return n;
}

/* What is kept joins what is known; a value that cannot be read still says that the pair was seen. */
static void
take_kept(void *cookie, const char *name, const char *value)
{
	const uint64_t first = take_number(&value);
	uint64_t last = take_number(&value), count = take_number(&value);
	struct mailer_seen *m = cookie;
	struct pair *p;
	bool is_new;

	if (last < first)	/* the first alone: as it was kept before there was more to say */
		last = first;
	if (count == 0)
		count = 1;
	(void)pthread_mutex_lock(&m->lock);
	p = find_or_add(m, name, &is_new);
	if (p != NULL) {
		p->first = is_new || (first > 0 && first < p->first) ? first : p->first;
		p->last = last > p->last ? last : p->last;
		if (count + p->more > p->count)
			p->count = count + p->more;
		if (*p->kind == '\0')
			p->kind = kind_of_text(value);
	}
	(void)pthread_mutex_unlock(&m->lock);
}

static void
keep(struct store *s, const char *key, const struct store_tally *t)
{
	struct err e;

	err_clear(&e);
	if (s != NULL && store_tally(s, SPACE, key, t, &e) != STORE_DONE)
		log_printf(LOG_LEVEL_WARNING, "mailers: a use cannot be kept and may be told again: %s", e.text);
}

/* Marks the pair as saved. Under the lock; what it returns is kept without it. */
static struct store_tally
to_tally(struct pair *p, uint64_t now)
{
	const struct store_tally t = { .first = p->first, .last = p->last, .count = p->count, .more = p->more,
		.rest = p->kind };

	p->more = 0;
	p->saved_at = now;
	return t;
}

/* ---- opening and closing --------------------------------------------------------------- */

static struct mailer_seen *
find_or_make(struct store *s)
{
	struct mailer_seen *m;

	(void)pthread_mutex_lock(&all_lock);
	for (m = all; m != NULL && m->store != s; m = m->next)
		;
	if (m == NULL) {
		m = calloc(1, sizeof(*m));
		if (m == NULL || pthread_mutex_init(&m->lock, NULL) != 0)
			abort();
		m->store = s;
		m->next = all;
		all = m;
	}
	m->refs++;
	(void)pthread_mutex_unlock(&all_lock);
	return m;
}

static void
read_kept(struct mailer_seen *m)
{
	struct err e;

	err_clear(&e);
	if (m->store != NULL && store_kept(m->store, SPACE, take_kept, m, &e) < 0)
		log_printf(LOG_LEVEL_WARNING, "mailers: what was seen before cannot be read, first uses may be "
		    "told again: %s", e.text);
}

struct mailer_seen *
mailer_seen_open(struct store *s)
{
	struct mailer_seen *m = find_or_make(s);

	/* Read at each reload too: what another relay has remembered meanwhile comes along. */
	read_kept(m);
	return m;
}

/* Nobody else has it any more. */
static void
end_memory(struct mailer_seen *m)
{
	struct store_tally t;
	size_t i;

	for (i = 0; i < m->n_slots; i++) {
		if (m->slots[i] == NULL)
			continue;
		if (m->slots[i]->more > 0) {
			t = to_tally(m->slots[i], 0);
			keep(m->store, m->slots[i]->key, &t);
		}
		free(m->slots[i]);
	}
	(void)pthread_mutex_destroy(&m->lock);
	free(m->slots);
	free(m);
}

void
mailer_seen_close(struct mailer_seen **m)
{
	struct mailer_seen *it = *m, **at;
	bool last;

	*m = NULL;
	if (it == NULL)
		return;
	(void)pthread_mutex_lock(&all_lock);
	last = --it->refs == 0;
	for (at = &all; last && *at != it; at = &(*at)->next)
		;
	if (last)
		*at = it->next;
	(void)pthread_mutex_unlock(&all_lock);
	if (last)
		end_memory(it);
}

/* ---- counting ------------------------------------------------------------------------------ */

bool
mailer_seen_first(struct mailer_seen *m, const char *customer, const char *mailer, const char *kind)
{
	const uint64_t now = clock_now();
	struct store_tally t = { .count = 0 };
	bool is_new, full = false;
	char key[KEY_MAX];
	struct pair *p;

	if (snprintf(key, sizeof(key), "%s/%s", customer, mailer) >= (int)sizeof(key))
		return false;
	(void)pthread_mutex_lock(&m->lock);
	p = find_or_add(m, key, &is_new);
	if (p == NULL) {
		full = !m->full;
		m->full = true;
	} else {
		p->first = is_new ? now : p->first;
		p->last = now;
		p->count++;
		p->more++;
		p->kind = kind;
		if (is_new || now - p->saved_at >= SAVE_EVERY)
			t = to_tally(p, now);
	}
	(void)pthread_mutex_unlock(&m->lock);
	if (t.count > 0)
		keep(m->store, key, &t);
	if (full)
		log_printf(LOG_LEVEL_WARNING, "mailers: %u pairs of customer and mailer are known; further first uses "
		    "are not told", MAILER_SEEN_MAX);
	return is_new;
}

/* ---- looking --------------------------------------------------------------------------------- */

/* The latest first, then by name. */
static int
by_last(const void *a, const void *b)
{
	const struct mailer_sighting *x = a, *y = b;
	int order;

	if (x->last != y->last)
		return x->last > y->last ? -1 : 1;
	order = strcmp(x->customer, y->customer);
	return order != 0 ? order : strcmp(x->mailer, y->mailer);
}

/* "CUSTOMER/MAILER": no mailer has a '/' in its name. */
static bool
is_wanted(const struct pair *p, const char *customer, const char *mailer)
{
	const char *slash = strrchr(p->key, '/');
	size_t n;

	if (slash == NULL)
		return false;
	n = (size_t)(slash - p->key);
	return (customer == NULL || (strlen(customer) == n && memcmp(customer, p->key, n) == 0)) &&
	    (mailer == NULL || strcmp(mailer, slash + 1) == 0);
}

static size_t
list_pairs(struct mailer_seen *m, const char *customer, const char *mailer, struct arena *a,
    struct mailer_sighting **to)
{
	struct mailer_sighting *list;
	const struct pair *p;
	const char *slash;
	size_t n = 0, i;

	(void)pthread_mutex_lock(&m->lock);
	for (i = 0; i < m->n_slots; i++)
		n += m->slots[i] != NULL && is_wanted(m->slots[i], customer, mailer);
	*to = list = arena_alloc(a, (n + 1) * sizeof(*list));
	for (n = 0, i = 0; i < m->n_slots; i++) {
		p = m->slots[i];
		if (p == NULL || !is_wanted(p, customer, mailer))
			continue;
		slash = strrchr(p->key, '/');
		list[n++] = (struct mailer_sighting){ arena_strndup(a, p->key, (size_t)(slash - p->key)),
			arena_strdup(a, slash + 1), p->kind, p->first, p->last, p->count };
	}
	(void)pthread_mutex_unlock(&m->lock);
	return n;
}

size_t
mailer_seen_list(struct store *s, const char *customer, const char *mailer, struct arena *a,
    struct mailer_sighting **to)
{
	struct store_health health;
	struct mailer_seen *m;
	size_t n;

	/* The check's own memory when there is one, and what other relays have told; else what the store has. */
	(void)pthread_mutex_lock(&all_lock);
	for (m = all; m != NULL && m->store != s; m = m->next)
		;
	if (m != NULL)
		m->refs++;
	(void)pthread_mutex_unlock(&all_lock);
	if (m == NULL)
		m = mailer_seen_open(s);
	else if (s != NULL && store_health(s, &health))
		read_kept(m);
	n = list_pairs(m, customer, mailer, a, to);
	mailer_seen_close(&m);
	if (n > 1)
		qsort(*to, n, sizeof(**to), by_last);
	return n;
}
