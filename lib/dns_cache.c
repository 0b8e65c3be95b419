/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * dns_cache - what the DNS said, by name and type, until it is too old.
 *
 * Every message asks here for each record, so that a hit is one hash, one short lock and one copy. The
 * cache is cut into shards, each with a lock, a hash table and a list by last use; what exceeds the shard's
 * share of the memory leaves from that list's end.
 *
 * An entry is fresh until its ttl; from 80 % of it on, one asker is told to ask again, so that names in use
 * never make a message wait. Then it is stale, and serves only while the resolver fails, until the stale time
 * is over as well. A failure is an entry too, for some seconds; over a stale answer it only holds back the
 * next question.
 *
 * It does not read the clock, asks nothing and waits for nothing.
 */
#include "lib/dns_private.h"

#include <stdlib.h>
#include <string.h>

#include "lib/banned.h"

#define SHARDS 16
#define BUCKETS_FIRST 64
#define HEAP 16			/* what malloc itself takes for a piece, roughly */
#define SECOND UINT64_C(1000000)

struct entry {
	struct entry *next;		/* in the bucket */
	struct entry *newer, *older;	/* by last use */
	struct store_hash hash;
	struct dns_said *said;
	uint64_t ages, ends;		/* when to ask again; when no longer fresh */
	uint64_t failed, held;		/* the last failure since it was said; no question before this */
	size_t key_size;
	char key[];
};
struct shard {
	pthread_mutex_t lock;		/* guards all of this */
	struct entry **bucket;
	size_t n_buckets, n, bytes;
	struct entry *newest, *oldest;
} __attribute__((aligned(64)));		/* a cache line of the processor to itself */
struct dns_cache {
	struct shard shard[SHARDS];
	uint64_t seed;
	uint64_t stale;
	size_t share;			/* bytes of a shard */
	atomic_ullong forgiven;		/* failures of before this count no more */
};

static void *
cache_alloc(size_t n)
{
	void *p = calloc(1, n);

	/* The MTA's default action speaks for a process without memory. */
	if (p == NULL)
		abort();
	return p;
}

bool
dns_key_make(struct dns_key *k, uint64_t seed, const char *name, enum dns_type type)
{
	/* "A" to "]": types are few. */
	k->text[0] = (char)('A' + (int)type);
	if (!dns_name_plain(name, &k->text[1]))
		return false;
	k->size = strlen(k->text) + 1;
	k->hash = store_hash_text(seed, k->text);
	return true;
}

struct dns_cache *
dns_cache_new(size_t bytes, uint32_t stale)
{
	struct dns_cache *c = aligned_alloc(64, sizeof(*c));
	unsigned i;

	if (c == NULL)
		abort();
	memset(c, 0, sizeof(*c));
	c->seed = store_hash_random();
	c->stale = stale * SECOND;
	c->share = bytes / SHARDS;
	atomic_init(&c->forgiven, 0);
	for (i = 0; i < SHARDS; i++) {
		struct shard *s = &c->shard[i];

		(void)pthread_mutex_init(&s->lock, NULL);
		s->n_buckets = BUCKETS_FIRST;
		s->bucket = cache_alloc(s->n_buckets * sizeof(struct entry *));
		s->bytes = s->n_buckets * sizeof(struct entry *);
	}
	return c;
}

uint64_t
dns_cache_seed(const struct dns_cache *c)
{
	return c->seed;
}

/* ---- inside a shard, with its lock held ---- */

static size_t
entry_bytes(const struct entry *e)
{
	return sizeof(*e) + e->key_size + e->said->size + 2 * HEAP;
}

static struct shard *
shard_of(struct dns_cache *c, const struct dns_key *k)
{
	return &c->shard[k->hash.hi % SHARDS];
}

static struct entry **
bucket_of(struct shard *s, struct store_hash h)
{
	return &s->bucket[h.lo & (s->n_buckets - 1)];
}

static struct entry *
find(struct shard *s, const struct dns_key *k)
{
	struct entry *e;

	for (e = *bucket_of(s, k->hash); e != NULL; e = e->next)
		if (store_hash_same(e->hash, k->hash) && e->key_size == k->size &&
		    memcmp(e->key, k->text, k->size) == 0)
			return e;
	return NULL;
}

static void
list_out(struct shard *s, struct entry *e)
{
	*(e->newer != NULL ? &e->newer->older : &s->newest) = e->older;
	*(e->older != NULL ? &e->older->newer : &s->oldest) = e->newer;
}

static void
list_in(struct shard *s, struct entry *e)
{
	e->newer = NULL;
	e->older = s->newest;
	*(s->newest != NULL ? &s->newest->newer : &s->oldest) = e;
	s->newest = e;
}

static void
used_now(struct shard *s, struct entry *e)
{
	if (s->newest == e)
		return;
	list_out(s, e);
	list_in(s, e);
}

static void
drop(struct shard *s, struct entry *e)
{
	struct entry **at = bucket_of(s, e->hash);

	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	list_out(s, e);
	s->n--;
	s->bytes -= entry_bytes(e);
	dns_said_unref(&e->said);
	free(e);
}

static void
grow(struct shard *s)
{
	struct entry **old = s->bucket;
	size_t n = s->n_buckets, i;

	s->n_buckets = n * 2;
	s->bucket = cache_alloc(s->n_buckets * sizeof(struct entry *));
	s->bytes += n * sizeof(struct entry *);
	for (i = 0; i < n; i++)
		while (old[i] != NULL) {
			struct entry *e = old[i], **to = bucket_of(s, e->hash);

			old[i] = e->next;
			e->next = *to;
			*to = e;
		}
	free(old);
}

static struct entry *
add(struct shard *s, const struct dns_key *k, struct dns_said *said)
{
	struct entry *e = cache_alloc(sizeof(*e) + k->size), **at;

	if (s->n >= s->n_buckets)
		grow(s);
	e->hash = k->hash;
	e->key_size = k->size;
	memcpy(e->key, k->text, k->size);
	e->said = dns_said_ref(said);
	at = bucket_of(s, k->hash);
	e->next = *at;
	*at = e;
	list_in(s, e);
	s->n++;
	s->bytes += entry_bytes(e);
	return e;
}

/* ---- asked from anywhere ---- */

static bool
forgiven(struct dns_cache *c, uint64_t failed)
{
	return failed < atomic_load_explicit(&c->forgiven, memory_order_relaxed);
}

static enum dns_get
judge(struct dns_cache *c, struct shard *s, struct entry *e, uint64_t now)
{
	if (e->said->answer == DNS_FAILED) {
		if (now < e->ends && !forgiven(c, e->failed))
			return DNS_GET_FRESH;
		drop(s, e);
		return DNS_GET_NOTHING;
	}
	if (now >= e->ends) {
		if (now >= e->ends + c->stale) {
			drop(s, e);
			return DNS_GET_NOTHING;
		}
		return now < e->held && !forgiven(c, e->failed) ? DNS_GET_HELD : DNS_GET_STALE;
	}
	if (now < e->ages || (now < e->held && !forgiven(c, e->failed)))
		return DNS_GET_FRESH;
	/* One asker asks again; should that come to nothing, the next does at the end. */
	e->ages = e->ends;
	return DNS_GET_AGEING;
}

static uint32_t
left(uint64_t end, uint64_t now)
{
	return end <= now ? 1 : (uint32_t)((end - now - 1) / SECOND + 1);
}

enum dns_get
dns_cache_get(struct dns_cache *c, const struct dns_key *k, uint64_t now, struct arena *a,
    struct dns_records *out, struct dns_said **old)
{
	struct shard *s = shard_of(c, k);
	enum dns_get got = DNS_GET_NOTHING;
	struct entry *e;

	*old = NULL;
	(void)pthread_mutex_lock(&s->lock);
	e = find(s, k);
	if (e != NULL)
		got = judge(c, s, e, now);
	if (got == DNS_GET_STALE)
		*old = dns_said_ref(e->said);
	else if (got != DNS_GET_NOTHING) {
		dns_said_give(e->said, a, out);
		out->cached = true;
		out->stale = got == DNS_GET_HELD;
		out->ttl = left(got == DNS_GET_HELD ? e->held : e->ends, now);
		used_now(s, e);
	}
	(void)pthread_mutex_unlock(&s->lock);
	return got;
}

/* A failure over an answer that may still serve leaves it there. */
static bool
held_by_failure(struct dns_cache *c, struct entry *e, uint64_t now, const struct dns_said *said)
{
	if (said->answer != DNS_FAILED || e->said->answer == DNS_FAILED || now >= e->ends + c->stale)
		return false;
	e->failed = now;
	e->held = now + said->ttl * SECOND;
	/* Still fresh: the next try ahead of time is when the hold is over. */
	if (e->ages > e->held || e->ages == e->ends)
		e->ages = e->held < e->ends ? e->held : e->ends;
	return true;
}

void
dns_cache_put(struct dns_cache *c, const struct dns_key *k, uint64_t now, struct dns_said *said)
{
	struct shard *s = shard_of(c, k);
	uint64_t life = said->ttl * SECOND;
	struct entry *e;

	(void)pthread_mutex_lock(&s->lock);
	e = find(s, k);
	if (e != NULL && held_by_failure(c, e, now, said)) {
		(void)pthread_mutex_unlock(&s->lock);
		return;
	}
	if (e != NULL)
		drop(s, e);
	/* One answer never takes the place of many. */
	if (sizeof(*e) + k->size + said->size <= c->share / 4) {
		e = add(s, k, said);
		e->ends = now + life;
		e->ages = said->answer == DNS_FAILED ? e->ends : now + life / 5 * 4;
		e->failed = now;
		while (s->bytes > c->share && s->oldest != e)
			drop(s, s->oldest);
	}
	(void)pthread_mutex_unlock(&s->lock);
}

void
dns_cache_forgive(struct dns_cache *c, uint64_t now)
{
	atomic_store_explicit(&c->forgiven, now, memory_order_relaxed);
}

void
dns_cache_size(struct dns_cache *c, size_t *entries, size_t *bytes)
{
	unsigned i;

	*entries = *bytes = 0;
	for (i = 0; i < SHARDS; i++) {
		struct shard *s = &c->shard[i];

		(void)pthread_mutex_lock(&s->lock);
		*entries += s->n;
		*bytes += s->bytes;
		(void)pthread_mutex_unlock(&s->lock);
	}
}

void
dns_cache_free(struct dns_cache **c)
{
	unsigned i;

	if (*c == NULL)
		return;
	for (i = 0; i < SHARDS; i++) {
		struct shard *s = &(*c)->shard[i];
		struct entry *e, *older;

		for (e = s->newest; e != NULL; e = older) {
			older = e->older;
			dns_said_unref(&e->said);
			free(e);
		}
		free(s->bucket);
		(void)pthread_mutex_destroy(&s->lock);
	}
	free(*c);
	*c = NULL;
}
