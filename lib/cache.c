/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * cache - a hash table in sixteen parts, each with a lock and a list by last use.
 *
 * Milter threads ask for different domains at the same time: with one lock they would queue for it. Each
 * part owns a sixteenth of the memory. The hash is seeded at random, since senders choose the keys. Expired
 * entries are dropped when they are met; those that nobody asks for go when room is needed.
 */
#include "lib/cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <xxhash.h>

#include "lib/clock.h"

#include "lib/banned.h"

#define PARTS 16u
#define BYTES_AN_ENTRY 512u	/* guessed, for the number of buckets */

struct entry {
	struct entry *next;			/* in its bucket */
	struct entry *newer, *older;		/* by last use */
	uint64_t hash, until;			/* us of clock_mono_us */
	uint32_t key, value;			/* bytes of each, in data one after the other */
	unsigned char data[];
};

struct part {
	pthread_mutex_t lock;			/* guards all below */
	struct entry **buckets;
	struct entry *newest, *oldest;
	size_t entries, bytes;
	uint64_t hits, misses, evicted;
};

struct cache {
	uint64_t seed;
	size_t bytes, buckets;			/* of one part */
	struct part part[PARTS];
};

struct cache *
cache_open(size_t bytes)
{
	struct cache *c = calloc(1, sizeof(*c));
	size_t i;

	if (c == NULL)
		abort();
	if (getrandom(&c->seed, sizeof(c->seed), GRND_NONBLOCK) != (ssize_t)sizeof(c->seed))
		c->seed = (uint64_t)(uintptr_t)c ^ clock_mono_us();
	c->bytes = bytes / PARTS;
	for (c->buckets = 16; c->buckets < c->bytes / BYTES_AN_ENTRY; c->buckets *= 2)
		;
	for (i = 0; i < PARTS; i++) {
		pthread_mutex_init(&c->part[i].lock, NULL);
		c->part[i].buckets = calloc(c->buckets, sizeof(struct entry *));
		if (c->part[i].buckets == NULL)
			abort();
	}
	return c;
}

void
cache_close(struct cache **c)
{
	struct entry *e, *older;
	size_t i;

	if (*c == NULL)
		return;
	for (i = 0; i < PARTS; i++) {
		for (e = (*c)->part[i].newest; e != NULL; e = older) {
			older = e->older;
			free(e);
		}
		free((*c)->part[i].buckets);
		pthread_mutex_destroy(&(*c)->part[i].lock);
	}
	free(*c);
	*c = NULL;
}

/* ---- one part; its lock is held ------------------------------------------------------ */

static size_t
weight(const struct entry *e)
{
	return sizeof(*e) + e->key + e->value + 16;	/* 16: what malloc keeps beside it */
}

static void
list_remove(struct part *p, struct entry *e)
{
	*(e->newer == NULL ? &p->newest : &e->newer->older) = e->older;
	*(e->older == NULL ? &p->oldest : &e->older->newer) = e->newer;
}

static void
list_add(struct part *p, struct entry *e)
{
	e->newer = NULL;
	e->older = p->newest;
	*(p->newest == NULL ? &p->oldest : &p->newest->newer) = e;
	p->newest = e;
}

static struct entry **
find(const struct cache *c, struct part *p, uint64_t hash, const void *key, size_t n)
{
	struct entry **at = &p->buckets[(hash >> 8) & (c->buckets - 1)];

	while (*at != NULL && ((*at)->hash != hash || (*at)->key != n || memcmp((*at)->data, key, n) != 0))
		at = &(*at)->next;
	return at;
}

static void
drop(struct part *p, struct entry **at)
{
	struct entry *e = *at;

	if (e == NULL)
		return;		/* never: callers found it */
	*at = e->next;
	list_remove(p, e);
	p->entries--;
	p->bytes -= weight(e);
	free(e);
}

/* ---- asking --------------------------------------------------------------------------- */

void *
cache_get(struct cache *c, const void *key, size_t n, struct arena *a)
{
	uint64_t hash = XXH3_64bits_withSeed(key, n, c->seed);
	struct part *p = &c->part[hash % PARTS];
	struct entry **at;
	void *value = NULL;

	pthread_mutex_lock(&p->lock);
	at = find(c, p, hash, key, n);
	if (*at != NULL && (*at)->until <= clock_mono_us())
		drop(p, at);
	else if (*at != NULL) {
		if (p->newest != *at) {
			list_remove(p, *at);
			list_add(p, *at);
		}
		value = arena_alloc(a, (*at)->value);
		memcpy(value, (*at)->data + n, (*at)->value);
	}
	*(value == NULL ? &p->misses : &p->hits) += 1;
	pthread_mutex_unlock(&p->lock);
	return value;
}

void
cache_put(struct cache *c, const void *key, size_t n, const void *value, size_t size, uint32_t ttl)
{
	uint64_t hash = XXH3_64bits_withSeed(key, n, c->seed);
	struct part *p = &c->part[hash % PARTS];
	struct entry *e, **at;

	if (ttl == 0 || n > CACHE_KEY_MAX || size > c->bytes || sizeof(*e) + n + size + 16 > c->bytes)
		return;
	e = malloc(sizeof(*e) + n + size);
	if (e == NULL)
		abort();
	e->hash = hash;
	e->until = clock_mono_us() + (uint64_t)ttl * 1000000;
	e->key = (uint32_t)n;
	e->value = (uint32_t)size;
	memcpy(e->data, key, n);
	memcpy(e->data + n, value, size);
	pthread_mutex_lock(&p->lock);
	at = find(c, p, hash, key, n);
	if (*at != NULL)
		drop(p, at);
	for (; p->bytes + weight(e) > c->bytes && p->oldest != NULL; p->evicted++)
		drop(p, find(c, p, p->oldest->hash, p->oldest->data, p->oldest->key));
	/* The eviction may have changed the chain. */
	at = &p->buckets[(hash >> 8) & (c->buckets - 1)];
	e->next = *at;
	*at = e;
	list_add(p, e);
	p->entries++;
	p->bytes += weight(e);
	pthread_mutex_unlock(&p->lock);
}

void
cache_count(struct cache *c, struct cache_counts *to)
{
	size_t i;

	memset(to, 0, sizeof(*to));
	for (i = 0; i < PARTS; i++) {
		struct part *p = &c->part[i];

		pthread_mutex_lock(&p->lock);
		to->hits += p->hits;
		to->misses += p->misses;
		to->evicted += p->evicted;
		to->entries += p->entries;
		to->bytes += p->bytes;
		pthread_mutex_unlock(&p->lock);
	}
}
