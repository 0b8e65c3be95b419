/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * dns - who asks, who waits, and for how long.
 *
 * The cache answers nearly always. What it does not know becomes a question, one for all who ask the same,
 * and an asker waits for it until its own deadline and no longer. The question goes on without it: its answer
 * is in the cache for the next message. Questions are bounded in number and in age, so that a dead resolver
 * costs neither memory nor threads, and each message at most its deadline.
 *
 * An answer that has outlived its ttl is asked for again, and given when the resolver fails or is too slow;
 * once it has been too slow for one asker, the next ones do not wait for that question.
 *
 * How libunbound is driven is in dns_resolver.c, what is kept and when it ages in dns_cache.c.
 */
#include "lib/dns.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/dns_private.h"

#include "lib/banned.h"

#define BUCKETS 256

struct dns {
	struct dns_cache *cache;
	struct dns_resolver *resolver;
	uint32_t least, most;		/* ttl */
	unsigned waiting;
	pthread_mutex_t lock;		/* guards the questions under way, with what is dns.c's in them */
	struct dns_question *bucket[BUCKETS];
	unsigned under_way;
	atomic_ullong asked, hits, sent, failed, late, stale;
};

static void
count(atomic_ullong *n)
{
	(void)atomic_fetch_add_explicit(n, 1, memory_order_relaxed);
}

/* ---- questions, with the lock held ---- */

static struct dns_question **
bucket_of(struct dns *d, const struct dns_key *k)
{
	return &d->bucket[k->hash.lo % BUCKETS];
}

static struct dns_question *
question_find(struct dns *d, const struct dns_key *k)
{
	struct dns_question *q;

	for (q = *bucket_of(d, k); q != NULL; q = q->next)
		if (store_hash_same(q->key.hash, k->hash) && q->key.size == k->size &&
		    memcmp(q->key.text, k->text, k->size) == 0)
			return q;
	return NULL;
}

static struct dns_question *
question_new(struct dns *d, const struct dns_key *k, enum dns_type type)
{
	struct dns_question *q = calloc(1, sizeof(*q)), **at = bucket_of(d, k);
	pthread_condattr_t attr;

	if (q == NULL)
		abort();
	q->key = *k;
	q->type = type;
	q->refs = 1;
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&q->ready, &attr);
	(void)pthread_condattr_destroy(&attr);
	q->next = *at;
	*at = q;
	d->under_way++;
	return q;
}

static void
question_unref(struct dns_question *q)
{
	if (--q->refs > 0)
		return;
	dns_said_unref(&q->said);
	(void)pthread_cond_destroy(&q->ready);
	free(q);
}

static void
question_out(struct dns *d, struct dns_question *q)
{
	struct dns_question **at = bucket_of(d, &q->key);

	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
	d->under_way--;
}

/* ---- the answer comes, in the resolver's thread ---- */

static void
answered(void *cookie, struct dns_question *q, struct dns_said *said)
{
	struct dns *d = cookie;

	dns_said_clamp(said, d->least, d->most);
	/* First kept, then no longer under way: whoever asks in between finds the one or the other. */
	dns_cache_put(d->cache, &q->key, clock_mono_us(), said);
	(void)pthread_mutex_lock(&d->lock);
	question_out(d, q);
	q->said = said;
	q->done = true;
	(void)pthread_cond_broadcast(&q->ready);
	question_unref(q);
	(void)pthread_mutex_unlock(&d->lock);
}

static void
recovered(void *cookie)
{
	struct dns *d = cookie;

	dns_cache_forgive(d->cache, clock_mono_us());
}

/* ---- the asker ---- */

enum ask { ASK_KNOWN, ASK_UNDER_WAY, ASK_FULL };

/* Gets the question under way, one that is there or a new one, with a reference when q is not NULL. KNOWN:
 * the answer came in the meantime and is in out. */
static enum ask
question_get(struct dns *d, const struct dns_key *k, enum dns_type type, struct arena *a,
    struct dns_records *out, struct dns_question **q)
{
	struct dns_question *found, *fresh = NULL;
	struct dns_said *old = NULL;
	enum ask r = ASK_UNDER_WAY;

	(void)pthread_mutex_lock(&d->lock);
	found = question_find(d, k);
	if (found == NULL && q != NULL) {
		enum dns_get got = dns_cache_get(d->cache, k, clock_mono_us(), a, out, &old);

		dns_said_unref(&old);
		if (got != DNS_GET_NOTHING && got != DNS_GET_STALE)
			r = ASK_KNOWN;
	}
	if (r == ASK_UNDER_WAY && found == NULL) {
		if (d->under_way >= d->waiting)
			r = ASK_FULL;
		else
			found = fresh = question_new(d, k, type);
	}
	if (r == ASK_UNDER_WAY && q != NULL) {
		found->refs++;
		*q = found;
	}
	(void)pthread_mutex_unlock(&d->lock);
	if (fresh != NULL) {
		count(&d->sent);
		dns_resolver_ask(d->resolver, fresh);
	}
	return r;
}

/* Waits for it and gives the reference back. NULL: too late, or impatient and it is slow already. */
static struct dns_said *
question_wait(struct dns *d, struct dns_question *q, uint64_t deadline, bool impatient)
{
	struct timespec t = { (time_t)(deadline / 1000000), (long)(deadline % 1000000) * 1000 };
	struct dns_said *said = NULL;

	(void)pthread_mutex_lock(&d->lock);
	while (!q->done && !(impatient && q->slow))
		if (pthread_cond_timedwait(&q->ready, &d->lock, &t) == ETIMEDOUT) {
			q->slow = true;
			break;
		}
	if (q->done)
		said = dns_said_ref(q->said);
	question_unref(q);
	(void)pthread_mutex_unlock(&d->lock);
	return said;
}

static void
give_late(struct dns_records *out, const char *why)
{
	*out = (struct dns_records){ .answer = DNS_LATE };
	(void)snprintf(out->why, sizeof(out->why), "%s", why);
}

static void
ask_resolver(struct dns *d, const struct dns_key *k, enum dns_type type, uint64_t deadline,
    struct dns_said *old, struct arena *a, struct dns_records *out)
{
	struct dns_question *q = NULL;
	struct dns_said *said = NULL;
	enum ask r = question_get(d, k, type, a, out, &q);

	if (r == ASK_KNOWN)
		return;
	if (r == ASK_UNDER_WAY)
		said = question_wait(d, q, deadline, old != NULL);
	if (said != NULL && (said->answer != DNS_FAILED || old == NULL))
		dns_said_give(said, a, out);
	else if (old != NULL) {
		dns_said_give(old, a, out);
		out->stale = true;
		out->ttl = DNS_TTL_FAILED;
	} else
		give_late(out, r == ASK_FULL ? "too many questions under way" : "no answer in time");
	dns_said_unref(&said);
}

void
dns_ask(struct dns *d, const char *name, enum dns_type type, uint64_t deadline, struct arena *a,
    struct dns_records *out)
{
	struct dns_said *old;
	struct dns_key k;

	count(&d->asked);
	if (!dns_key_make(&k, dns_cache_seed(d->cache), name, type)) {
		*out = (struct dns_records){ .answer = DNS_NO_NAME, .ttl = DNS_TTL_NEGATIVE };
		return;
	}
	switch (dns_cache_get(d->cache, &k, clock_mono_us(), a, out, &old)) {
	case DNS_GET_AGEING:
		(void)question_get(d, &k, type, a, out, NULL);
		break;
	case DNS_GET_FRESH:
	case DNS_GET_HELD:
		break;
	case DNS_GET_NOTHING:
	case DNS_GET_STALE:
		ask_resolver(d, &k, type, deadline, old, a, out);
		dns_said_unref(&old);
		break;
	}
	if (out->cached)
		count(&d->hits);
	if (out->stale)
		count(&d->stale);
	if (out->answer == DNS_FAILED)
		count(&d->failed);
	else if (out->answer == DNS_LATE)
		count(&d->late);
}

void
dns_want(struct dns *d, const char *name, enum dns_type type, struct arena *a)
{
	struct dns_records out;
	struct dns_said *old = NULL;
	struct dns_key k;

	if (!dns_key_make(&k, dns_cache_seed(d->cache), name, type))
		return;
	switch (dns_cache_get(d->cache, &k, clock_mono_us(), a, &out, &old)) {
	case DNS_GET_FRESH:
	case DNS_GET_HELD:
		break;
	case DNS_GET_AGEING:
	case DNS_GET_NOTHING:
	case DNS_GET_STALE:
		(void)question_get(d, &k, type, a, &out, NULL);
		break;
	}
	dns_said_unref(&old);
}

void
dns_count(struct dns *d, struct dns_counts *to)
{
	*to = (struct dns_counts){
		.asked = atomic_load(&d->asked), .hits = atomic_load(&d->hits), .sent = atomic_load(&d->sent),
		.failed = atomic_load(&d->failed), .late = atomic_load(&d->late),
		.stale = atomic_load(&d->stale)
	};
	dns_cache_size(d->cache, &to->entries, &to->bytes);
	(void)pthread_mutex_lock(&d->lock);
	to->under_way = d->under_way;
	(void)pthread_mutex_unlock(&d->lock);
}

/* ---- opening and closing ---- */

/* "address" or "address@port"; whether it is an address, libunbound says. */
static int
forwarder_ok(const char *text, struct err *e)
{
	const char *port = strchr(text, '@');
	char *end;
	unsigned long n;

	if (port == NULL)
		return 0;
	n = strtoul(port + 1, &end, 10);
	if (port[1] < '0' || port[1] > '9' || *end != '\0' || n == 0 || n > UINT16_MAX)
		return err_set(e, ERR_INPUT, "%s: a port is 1 to 65535", text);
	return 0;
}

struct servers {
	char text[DNS_FORWARDERS_MAX][64];
	const char *at[DNS_FORWARDERS_MAX];
	size_t n;
};

/* The "nameserver" lines of resolv.conf(5); without one, it is this host. */
static int
read_resolv_conf(const char *path, struct servers *to, struct err *e)
{
	FILE *f = fopen(path, "re");
	char line[512], word[64];

	if (f == NULL)
		return err_set(e, ERR_SYSTEM, "%s: %s", path, strerror(errno));
	to->n = 0;
	while (to->n < DNS_FORWARDERS_MAX && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, " nameserver %63[^ \t\r\n;#]", word) == 1)
			(void)snprintf(to->text[to->n++], sizeof(to->text[0]), "%s", word);
	(void)fclose(f);
	if (to->n == 0)
		(void)snprintf(to->text[to->n++], sizeof(to->text[0]), "127.0.0.1");
	return 0;
}

static int
find_forwarders(const struct dns_options *o, struct servers *s, struct dns_resolver_options *to,
    struct err *e)
{
	size_t i;

	if (o->n_forwarders > DNS_FORWARDERS_MAX)
		return err_set(e, ERR_INPUT, "at most %d resolvers", DNS_FORWARDERS_MAX);
	for (i = 0; i < o->n_forwarders; i++)
		if (forwarder_ok(o->forwarders[i], e) < 0)
			return -1;
	to->forwarders = o->forwarders;
	to->n_forwarders = o->n_forwarders;
	if (o->n_forwarders > 0)
		return 0;
	if (read_resolv_conf(o->resolv_conf == NULL ? "/etc/resolv.conf" : o->resolv_conf, s, e) < 0)
		return -1;
	for (i = 0; i < s->n; i++)
		s->at[i] = s->text[i];
	to->forwarders = s->at;
	to->n_forwarders = s->n;
	return 0;
}

static int
options_ok(const struct dns_options *o, struct err *e)
{
	uint32_t least = o->ttl_least == 0 ? DNS_TTL_LEAST : o->ttl_least;
	uint32_t most = o->ttl_most == 0 ? DNS_TTL_MOST : o->ttl_most;

	if (o->cache_bytes != 0 && o->cache_bytes < DNS_BYTES_LEAST)
		return err_set(e, ERR_INPUT, "the cache of records wants 1 MiB at least");
	if (least > most)
		return err_set(e, ERR_INPUT, "the least ttl is more than the most");
	if (o->waiting > DNS_WAITING_MOST)
		return err_set(e, ERR_INPUT, "at most %d questions under way", DNS_WAITING_MOST);
	return 0;
}

static struct dns *
dns_new(const struct dns_options *o)
{
	struct dns *d = calloc(1, sizeof(*d));

	if (d == NULL)
		abort();
	(void)pthread_mutex_init(&d->lock, NULL);
	d->least = o->ttl_least == 0 ? DNS_TTL_LEAST : o->ttl_least;
	d->most = o->ttl_most == 0 ? DNS_TTL_MOST : o->ttl_most;
	d->waiting = o->waiting == 0 ? DNS_WAITING : o->waiting;
	d->cache = dns_cache_new(o->cache_bytes == 0 ? DNS_BYTES : o->cache_bytes,
	    o->stale == 0 ? DNS_STALE : o->stale);
	return d;
}

struct dns *
dns_open(const struct dns_options *o, struct err *e)
{
	struct dns_resolver_options r = { .trust_anchor = o->trust_anchor, .answered = answered,
	    .recovered = recovered, .longest = DNS_LONGEST };
	struct servers s = { .n = 0 };
	struct dns *d;

	if (options_ok(o, e) < 0 || find_forwarders(o, &s, &r, e) < 0)
		return NULL;
	d = dns_new(o);
	r.waiting = d->waiting;
	r.cookie = d;
	d->resolver = dns_resolver_start(&r, e);
	if (d->resolver == NULL)
		dns_close(&d);
	return d;
}

void
dns_close(struct dns **d)
{
	struct dns_question *q, *next;
	size_t i;

	if (*d == NULL)
		return;
	dns_resolver_stop(&(*d)->resolver);
	/* Questions that were never answered, and that nobody waits for. */
	for (i = 0; i < BUCKETS; i++)
		for (q = (*d)->bucket[i]; q != NULL; q = next) {
			next = q->next;
			question_unref(q);
		}
	dns_cache_free(&(*d)->cache);
	(void)pthread_mutex_destroy(&(*d)->lock);
	free(*d);
	*d = NULL;
}
