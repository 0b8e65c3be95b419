/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_DNS_PRIVATE_H
#define LIB_DNS_PRIVATE_H
/*
 * dns_private - what dns.c (who asks, who waits), dns_record.c (names and answers), dns_cache.c (what is
 * kept) and dns_resolver.c (libunbound and its thread) share.
 *
 * A question goes: dns_ask -> dns_cache_get; a miss -> one dns_question for all who ask the same ->
 * dns_resolver_ask -> libunbound -> dns_said_read -> dns_cache_put -> the askers that still wait.
 *
 * A struct dns_said is one answer as it is kept: one piece of memory, never changed once it is shared,
 * counted references.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/arena.h"
#include "lib/dns.h"
#include "lib/err.h"
#include "lib/store_hash.h"

#define DNS_FORWARDERS_MAX 8
#define DNS_TTL_LEAST 30	/* seconds, all of these */
#define DNS_TTL_MOST 3600
#define DNS_TTL_NEGATIVE 300	/* most for no data and no name */
#define DNS_TTL_UNTOLD 60	/* of those without a SOA beside them */
#define DNS_TTL_FAILED 15
#define DNS_STALE 86400
#define DNS_BYTES ((size_t)32 << 20)
#define DNS_BYTES_LEAST ((size_t)1 << 20)
#define DNS_WAITING 512
#define DNS_WAITING_MOST 4096
#define DNS_LONGEST UINT64_C(10000000)	/* us that a question may be under way */

/* ---- names and answers: dns_record.c ---- */

/* The name as it is asked and kept: lower case, no dot at the end. false: no name. */
bool dns_name_plain(const char *name, char to[DNS_NAME_MAX + 1]);
/* As libunbound reads it: what is no letter, digit, "-", "_", "/" or "." becomes \DDD. */
#define DNS_NAME_ESCAPED (4 * DNS_NAME_MAX + 1)
void dns_name_escape(const char *plain, char to[DNS_NAME_ESCAPED]);

struct dns_kept {
	uint32_t at;		/* where in the bytes its data begin; a NUL follows them there */
	uint32_t size;
	uint16_t preference;
};
struct dns_said {
	atomic_uint refs;
	enum dns_answer answer;	/* never DNS_LATE */
	uint32_t ttl;
	bool secure;
	unsigned n;		/* records; 0 when not found */
	size_t size;		/* of this piece of memory */
	char *bytes;		/* the records' data; of failed: why */
	struct dns_kept at[];
};

/* What a packet says of the name (plain) and type, as libunbound hands it over; aliases are followed in it.
 * Records come sorted by preference and data. What cannot be read is DNS_FAILED, never a part. ttl is the
 * least of all records on the way, or of the SOA. */
struct dns_said *dns_said_read(const uint8_t *packet, size_t n, const char *name, enum dns_type type,
    bool secure);
struct dns_said *dns_said_failed(const char *why);
/* Sets ttl within the bounds for its answer. Before it is shared. */
void dns_said_clamp(struct dns_said *s, uint32_t least, uint32_t most);
struct dns_said *dns_said_ref(struct dns_said *s);
void dns_said_unref(struct dns_said **s);
/* Into an asker's arena; all of out is written. */
void dns_said_give(const struct dns_said *s, struct arena *a, struct dns_records *out);

/* ---- what is kept: dns_cache.c ---- */

struct dns_key {
	char text[DNS_NAME_MAX + 2];	/* a letter for the type, then the plain name */
	size_t size;			/* with the NUL */
	struct store_hash hash;
};
/* false: no name. */
bool dns_key_make(struct dns_key *k, uint64_t seed, const char *name, enum dns_type type);
static inline const char *
dns_key_name(const struct dns_key *k)
{
	return k->text + 1;
}

enum dns_get {
	DNS_GET_NOTHING,
	DNS_GET_FRESH,		/* out is the answer */
	DNS_GET_AGEING,		/* the same, and the caller should ask again, without waiting. Said once */
	DNS_GET_STALE,		/* outlived: ask; *old is a reference that serves if the resolver fails */
	DNS_GET_HELD		/* outlived, and the resolver failed a moment ago: out is the old answer */
};
struct dns_cache;
/* stale: seconds that an outlived answer is kept. */
struct dns_cache *dns_cache_new(size_t bytes, uint32_t stale);
void dns_cache_free(struct dns_cache **c);
uint64_t dns_cache_seed(const struct dns_cache *c);
/* now is on clock_mono_us. Thread safe, as all of these. */
enum dns_get dns_cache_get(struct dns_cache *c, const struct dns_key *k, uint64_t now, struct arena *a,
    struct dns_records *out, struct dns_said **old);
/* Takes a reference of its own. A failure does not replace an older answer that may still serve. */
void dns_cache_put(struct dns_cache *c, const struct dns_key *k, uint64_t now, struct dns_said *s);
/* Failures of before this moment count no more: the resolver is back. */
void dns_cache_forgive(struct dns_cache *c, uint64_t now);
void dns_cache_size(struct dns_cache *c, size_t *entries, size_t *bytes);

/* ---- the question under way, and libunbound: dns_resolver.c ---- */

struct dns_question {
	struct dns_key key;
	enum dns_type type;
	/* dns.c's, under its lock */
	struct dns_question *next;	/* with the same bucket */
	unsigned refs;			/* askers that wait, and one while it is under way */
	bool done, slow;		/* slow: it has outlived an asker's deadline */
	struct dns_said *said;		/* when done */
	pthread_cond_t ready;
	/* the resolver's */
	struct dns_question *queue;
	struct dns_question *before, *after;
	uint64_t since;
	int id;				/* libunbound's, when given */
	bool given;			/* it will answer, unless that is cancelled */
	void *resolver;
};

struct dns_resolver;
struct dns_resolver_options {
	const char *const *forwarders;
	size_t n_forwarders;
	const char *trust_anchor;
	unsigned waiting;
	uint64_t longest;		/* us that a question may be under way */
	/* Called by the resolver's thread, once for each question. Takes over the answer. */
	void (*answered)(void *cookie, struct dns_question *q, struct dns_said *take_said);
	/* Called by it when the forwarder is heard again after some failures in a row. */
	void (*recovered)(void *cookie);
	void *cookie;
};
/* Starts the thread. NULL with e. */
struct dns_resolver *dns_resolver_start(const struct dns_resolver_options *o, struct err *e);
/* Ends the thread; questions that it has are not answered. */
void dns_resolver_stop(struct dns_resolver **r);
void dns_resolver_ask(struct dns_resolver *r, struct dns_question *q);

#endif
