/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * mailer_seen - a set of (customer, mailer) pairs that outlives configurations and restarts.
 *
 * Of each pair 8 bytes are kept, a hash: half a million pairs take 8 MB. Two pairs with one hash would
 * cost one alert; neither customers nor mailers are chosen by whoever sends mail.
 * Nothing here decides what a first use means.
 */
#include "milter/mailer_seen.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"

#include "lib/banned.h"

#define SPACE "mailers"
#define KEY_MAX 400	/* a customer (at most 320 bytes as a limit's key), '/', a mailer */

struct mailer_seen {
	struct store *store;
	unsigned refs;			/* under all_lock */
	struct mailer_seen *next;
	pthread_mutex_t lock;		/* of the following */
	uint64_t *slots;		/* open addressing, 0 = free; a power of two, at most half full */
	size_t n_slots, n;
	bool full;
};

static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static struct mailer_seen *all;		/* under all_lock */

static uint64_t
hash_key(const char *key)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (; *key != '\0'; key++)
		h = (h ^ (unsigned char)*key) * UINT64_C(1099511628211);
	h ^= h >> 32;
	return h == 0 ? 1 : h;
}

static bool
slots_put(uint64_t *slots, size_t n_slots, uint64_t h)
{
	size_t i = h & (n_slots - 1);

	while (slots[i] != 0 && slots[i] != h)
		i = (i + 1) & (n_slots - 1);
	if (slots[i] == h)
		return false;
	slots[i] = h;
	return true;
}

static void
slots_grow(struct mailer_seen *m)
{
	size_t n_slots = m->n_slots == 0 ? 1024 : 2 * m->n_slots, i;
	uint64_t *slots = calloc(n_slots, sizeof(*slots));

	if (slots == NULL)
		abort();
	for (i = 0; i < m->n_slots; i++)
		if (m->slots[i] != 0)
			(void)slots_put(slots, n_slots, m->slots[i]);
	free(m->slots);
	m->slots = slots;
	m->n_slots = n_slots;
}

/* True when it is new. */
static bool
remember(struct mailer_seen *m, const char *key)
{
	bool is_new = false, say = false;

	(void)pthread_mutex_lock(&m->lock);
	if (m->n >= MAILER_SEEN_MAX) {
		say = !m->full;
		m->full = true;
	} else {
		if (2 * (m->n + 1) > m->n_slots)
			slots_grow(m);
		is_new = slots_put(m->slots, m->n_slots, hash_key(key));
		m->n += is_new;
	}
	(void)pthread_mutex_unlock(&m->lock);
	if (say)
		log_printf(LOG_LEVEL_WARNING, "mailers: %u pairs of customer and mailer are known; further "
		    "first uses are not told", MAILER_SEEN_MAX);
	return is_new;
}

static void
remember_kept(void *cookie, const char *name, const char *value)
{
	(void)value;
	(void)remember(cookie, name);
}

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

struct mailer_seen *
mailer_seen_open(struct store *s)
{
	struct mailer_seen *m = find_or_make(s);
	struct err e;

	err_clear(&e);
	/* Read at each reload too: what another relay has remembered meanwhile comes along. */
	if (s != NULL && store_kept(s, SPACE, remember_kept, m, &e) < 0)
		log_printf(LOG_LEVEL_WARNING, "mailers: what was seen before cannot be read, first uses may "
		    "be told again: %s", e.text);
	return m;
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
	if (!last)
		return;
	(void)pthread_mutex_destroy(&it->lock);
	free(it->slots);
	free(it);
}

bool
mailer_seen_first(struct mailer_seen *m, const char *customer, const char *mailer)
{
	char key[KEY_MAX], now[24];
	struct err e;

	if (snprintf(key, sizeof(key), "%s/%s", customer, mailer) >= (int)sizeof(key) || !remember(m, key))
		return false;
	(void)snprintf(now, sizeof(now), "%llu", (unsigned long long)clock_now());
	err_clear(&e);
	if (m->store != NULL && store_keep(m->store, SPACE, key, now, &e) != STORE_DONE)
		log_printf(LOG_LEVEL_WARNING, "mailers: a first use cannot be kept and may be told again: %s",
		    e.text);
	return true;
}
