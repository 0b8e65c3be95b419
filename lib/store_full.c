/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * store_full - keys that are known to be full: a table of sets of four entries, like a
 * processor's cache. When a set is full the entry that ends first gives way.
 *
 * An entry is never more than a note of what the store said; it is right as long as its
 * generation is the current one, because a full window cannot empty before `until` by itself.
 *
 * Deliberately in memory only: after a restart the first message of such a sender asks the store again.
 */
#include "lib/store_full.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "lib/store_hash.h"
#include "lib/store_private.h"

#include "lib/banned.h"

#define FULL_WAYS 4u
#define FULL_SETS 4096u
#define FULL_LOCKS 64u

struct full_entry {
	struct store_hash key;
	uint64_t until;			/* ms; 0 = free */
	uint64_t length;		/* of the ceiling */
	uint32_t most;
	uint32_t generation;
};

struct store_full {
	uint64_t seed;
	_Atomic uint32_t generation;
	_Atomic uint64_t latest;	/* no entry lasts longer: spares the lock while nobody is over */
	union {
		pthread_mutex_t lock;	/* guards the sets whose number % FULL_LOCKS is this */
		char line[64];		/* no two in one cache line */
	} locks[FULL_LOCKS];
	struct full_entry sets[FULL_SETS][FULL_WAYS];
};

struct store_full *
store_full_new(void)
{
	struct store_full *f = store_alloc(sizeof(*f));
	unsigned i;

	f->seed = store_hash_random();
	for (i = 0; i < FULL_LOCKS; i++)
		(void)pthread_mutex_init(&f->locks[i].lock, NULL);
	return f;
}

void
store_full_free(struct store_full **f)
{
	unsigned i;

	if (*f == NULL)
		return;
	for (i = 0; i < FULL_LOCKS; i++)
		(void)pthread_mutex_destroy(&(*f)->locks[i].lock);
	free(*f);
	*f = NULL;
}

size_t
store_full_bytes(void)
{
	return sizeof(struct store_full);
}

uint32_t
store_full_generation(struct store_full *f)
{
	return atomic_load(&f->generation);
}

void
store_full_forget(struct store_full *f)
{
	(void)atomic_fetch_add(&f->generation, 1);
	atomic_store(&f->latest, 0);
}

static unsigned
full_set(struct store_hash key)
{
	return (unsigned)(key.lo % FULL_SETS);
}

/* The entry of this key, else the one that gives way: of an older generation, else the first to end. */
static struct full_entry *
full_choose(struct full_entry *set, struct store_hash key, uint32_t generation)
{
	struct full_entry *best = NULL;
	uint64_t best_until = 0, until;
	unsigned i;

	for (i = 0; i < FULL_WAYS; i++) {
		if (store_hash_same(set[i].key, key))
			return &set[i];
		until = set[i].generation == generation ? set[i].until : 0;
		if (best == NULL || until < best_until) {
			best = &set[i];
			best_until = until;
		}
	}
	return best;
}

void
store_full_add(struct store_full *f, uint32_t generation, const char *limit, const char *key, uint64_t until,
    const struct limit_ceiling *ceiling)
{
	struct store_hash h = store_hash_pair(f->seed, limit, key);
	unsigned set = full_set(h);
	pthread_mutex_t *lock = &f->locks[set % FULL_LOCKS].lock;
	uint64_t latest;

	if (until == 0 || until == UINT64_MAX || generation != atomic_load(&f->generation))
		return;
	(void)pthread_mutex_lock(lock);
	*full_choose(f->sets[set], h, generation) = (struct full_entry){ .key = h, .until = until,
	    .length = ceiling->length, .most = ceiling->most, .generation = generation };
	(void)pthread_mutex_unlock(lock);
	latest = atomic_load(&f->latest);
	while (latest < until && !atomic_compare_exchange_weak(&f->latest, &latest, until))
		;
}

uint64_t
store_full_until(struct store_full *f, const char *limit, const char *key, uint64_t now,
    struct limit_ceiling *ceiling)
{
	struct store_hash h;
	const struct full_entry *e;
	pthread_mutex_t *lock;
	uint64_t until = 0;
	unsigned set, i;

	if (now >= atomic_load_explicit(&f->latest, memory_order_relaxed))
		return 0;
	h = store_hash_pair(f->seed, limit, key);
	set = full_set(h);
	lock = &f->locks[set % FULL_LOCKS].lock;
	(void)pthread_mutex_lock(lock);
	for (i = 0; i < FULL_WAYS; i++) {
		e = &f->sets[set][i];
		if (!store_hash_same(e->key, h) || e->until <= now ||
		    e->generation != atomic_load(&f->generation))
			continue;
		until = e->until;
		if (ceiling != NULL)
			*ceiling = (struct limit_ceiling){ e->most, e->length };
	}
	(void)pthread_mutex_unlock(lock);
	return until;
}
