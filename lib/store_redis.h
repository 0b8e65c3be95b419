/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_STORE_REDIS_H
#define LIB_STORE_REDIS_H
/*
 * store_redis - the store that relays share, put together from its parts. Seen only by its own files.
 *
 *     store_redis.c         opening, closing, the thread that keeps house; the list of what it can do
 *     store_redis_judge.c   a message: together with those that wait, one script, one round trip
 *     store_redis_pack.c    what the script is told of a message, and what it answers
 *     store_redis_local.c   when Redis does not answer: judged alone, and folded back in later
 *     store_redis_book.c    the copy of suspensions and overrides
 *     store_redis_keep.c    small things that last
 *     store_redis_desk.c    what people decide and look at; what relays tell of themselves
 *
 * Times: Redis' clock is the only one that counts. What is told to it is "in so many ms" or "so many ms ago",
 * what it answers is put on this relay's clock (clock_now) at once: relays may differ by minutes.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/redis_topology.h"
#include "lib/store_full.h"
#include "lib/store_hash.h"
#include "lib/store_private.h"

#define STORE_REDIS_PREFIX 64u		/* bytes of the prefix, with its NUL */
#define STORE_REDIS_NAME (STORE_REDIS_PREFIX + STORE_KEY_MAX + STORE_LIMIT_MAX + 32)	/* of a key */
#define STORE_REDIS_DESK_MS 2000u	/* people wait for so long */
#define STORE_REDIS_ALIVE UINT64_C(10000)	/* ms: a relay heard of since is alive */
#define STORE_REDIS_BEAT UINT64_C(1000)
#define STORE_REDIS_SETTLED UINT64_C(5000)	/* ms: who lives has been heard of by then */
#define STORE_REDIS_GENERATION 24u
#define STORE_REDIS_VALUE 12u		/* bytes that stand for a distinct value */
#define STORE_REDIS_DIGEST 24u		/* text that stands for a message, with its NUL */

/* ---- the copy of what people decided: store_redis_book.c ------------------------ */

struct book_entry {
	const char *one, *two;		/* kind and subject, or limit and key */
	const char *action;		/* of a suspension; or the ceilings, "!" = exempt */
	const char *by, *reason;
	uint64_t since, until;		/* our clock; until UINT64_MAX = until it is taken back */
};

/* What was true at one moment; never changes, counted. */
struct book {
	atomic_uint refs;
	struct arena *arena;
	char generation[STORE_REDIS_GENERATION];	/* "" = from the file of last time, unconfirmed */
	uint64_t seed;
	struct book_entry *suspensions, *overrides;	/* sorted by name */
	size_t n_suspensions, n_overrides;
};

struct book *book_new(const char *generation, uint64_t seed);
uint64_t book_seed(const char *text);
void book_unref(struct book **b);
/* Adds from a reply of HGETALL; now is the server's, ours the same moment on our clock. Unreadable ones are
 * left out. */
void book_add(struct book *b, bool suspensions, const struct redis_reply *all, uint64_t now, uint64_t ours);
void book_add_suspension(struct book *b, const struct store_suspension *w);
void book_sort(struct book *b);
const struct book_entry *book_find(const struct book_entry *list, size_t n, const char *one, const char *two);
/* What an override says of a key: exempt, or other ceilings. */
void book_apply(const struct book *b, const char *limit, const char *key, uint64_t now,
    struct limit_ceilings *ceilings, bool *exempt);
void book_to_suspension(struct arena *a, const struct book_entry *e, struct store_suspension *to);
bool book_to_override(struct arena *a, const struct book_entry *e, struct store_override *to);
/* The rest of a decision as Redis keeps it, behind until and since: action, by, reason with NULs between. */
size_t book_pack(char *to, size_t size, const char *action, const char *by, const char *reason);
void book_override_text(const struct store_override *w, char *to, size_t size);

/* ---- the store ------------------------------------------------------------------- */

struct waiting;
struct local;
struct keep_waiting;

struct store_redis {
	struct store store;
	struct redis_topology *topology;
	struct redis_listener *listener;
	struct store *alone;		/* an embedded one: judges when Redis cannot, remembers suspensions */
	struct store_full *full;
	struct local *local;
	char prefix[STORE_REDIS_PREFIX];
	char relay[128], version[64];
	char channel[STORE_REDIS_PREFIX + 16];
	bool own_clock;
	char **texts;			/* copies of settings that the topology holds on to */
	size_t n_texts;

	pthread_rwlock_t book_lock;	/* the pointer */
	struct book *book;
	pthread_mutex_t sync_lock;	/* the following: one fetches the book at a time */
	pthread_cond_t sync_done;
	bool sync_busy;
	atomic_bool book_old;		/* news came, or a connection was made: fetch it */

	pthread_mutex_t lanes_lock;	/* the following: who travels */
	unsigned lanes, busy;
	struct waiting *first, **last;

	pthread_t house;
	pthread_mutex_t house_lock;	/* wakes the house */
	pthread_cond_t house_wake;
	bool house_runs, stopping, wanted;
	atomic_bool mirror_old;		/* the embedded store has other suspensions than the book */

	pthread_mutex_t relays_lock;	/* how things are */
	unsigned alive;			/* relays that share the ceilings */
	unsigned alive_least, rank;	/* the setting; how many come before us by name */
	char present[512], missing[512];	/* as in struct store_health */
	uint64_t up_since;		/* clock_mono_us */
	uint64_t alive_until;		/* clock_mono_us: not fewer before */
	bool degraded;
	uint64_t degraded_since, degraded_total;	/* on clock_mono_us; ms */
	uint64_t degraded_wall;
	uint64_t lag;
	char why[256];

	pthread_mutex_t keep_lock;	/* the following: what is to be kept in Redis */
	struct keep_waiting *keep_first, **keep_last;
	size_t n_keep;
	pthread_mutex_t keep_told_lock;	/* one tells Redis at a time; taken before keep_lock */

	pthread_mutex_t numbers_lock;
	uint64_t numbers_at;		/* clock_mono_us; 0 = never */
	struct store_numbers numbers;
	atomic_uint_fast64_t judged, taken, refused, judged_alone;
};

static inline struct store_redis *
store_redis_of(struct store *s)
{
	return (struct store_redis *)s;
}

/* So many relays are heard of, rank of them before us by name: takes it for true, at once when they are more,
 * after a while when they are fewer. */
void store_redis_alive(struct store_redis *s, unsigned alive, unsigned rank);
struct book *store_redis_book(struct store_redis *s);
/* Fetches the book when another generation is in force than `known` (NULL: in any case). 1, or -1. */
int store_redis_sync(struct store_redis *s, const char *known, uint64_t deadline, struct err *e);
void store_redis_wake(struct store_redis *s);
/* PREFIX:{tag}kind1:name; the parts of a window's key. Returns the length. */
size_t store_redis_key(const struct store_redis *s, char to[STORE_REDIS_NAME], const char *tag,
    const char *kind, const char *name);
/* The time for ARGV: "0", or our own in tests. */
void store_redis_now(const struct store_redis *s, char to[24]);

/* ---- scripts ------------------------------------------------------------------------ */

struct store_redis_script {
	const char *text;
	char digest[41];
};
extern struct store_redis_script store_redis_judge_script, store_redis_desk_script;
void store_redis_scripts(void);

/* One call of the desk's script at the node of its first key (or at `node`), tried again as the topology
 * says. The first of argv is the verb; the time is put in. NULL with e; *result says whether it may have been
 * done. */
struct desk_call {
	struct redis_node *node;	/* NULL: by keys[0] */
	const char *keys[5];		/* names behind PREFIX:, or whole ones with `whole` */
	size_t n_keys;
	const char *const *args;	/* behind the time */
	const size_t *lens;		/* NULL: texts */
	size_t n_args;
	bool whole;
	uint64_t deadline;
	enum store_result result;	/* when NULL: FAILED or UNCERTAIN */
};
struct redis_reply *store_redis_desk(struct store_redis *s, const char *verb, struct desk_call *c,
    struct err *e);
/* What a relay tells: heard, and alive counted. */
int store_redis_beat(struct store_redis *s, bool clean, struct err *e);

/* ---- packed messages: store_redis_pack.c -------------------------------------------------- */

/* An item on its way. */
struct packed_item {
	struct store_item *item;
	struct limit_ceilings ceilings;	/* overrides applied */
	unsigned slot;
	const char *values;		/* n_values of STORE_REDIS_VALUE bytes, each once */
	size_t n_values;
	/* answered by the script */
	uint32_t used[LIMIT_WINDOWS_MAX], add[LIMIT_WINDOWS_MAX];
	const unsigned char *before;	/* eight bytes a value: when it was seen before; Cluster only; in the
					 * reply */
	bool charged;
	uint64_t full_until;
	struct limit_ceiling full;
};

struct packed_part {			/* of a message: what goes to one slot */
	struct packed_item **items;
	size_t n;
	unsigned slot;
	const char *digest;		/* "" = none */
	const char *tag;		/* beside which windows the digest is kept */
	bool refused, repeated, done;
	uint64_t age;			/* PACK_FORCE: how long ago it passed (ms) */
	uint64_t taken;			/* answered: the server's time; what PACK_UNDO needs */
};

#define PACK_DRY 1u
#define PACK_FORCE 2u
#define PACK_DIGEST 4u
#define PACK_UNDO 8u
#define PACK_TELL 16u

/* The packed text of a part; *len its length. */
char *pack_part(struct arena *a, const struct packed_part *p, unsigned flags, size_t *len);
/* Reads the answer into the items; false when it cannot be read. now: the server's. */
bool pack_answer(struct packed_part *p, const struct redis_reply *r, uint64_t now, bool tell);
/* Windows as they are kept: into usage (now: the server's); counts of distinct windows or NULL. False:
 * unreadable. */
bool pack_usage(const struct redis_reply *value, const struct redis_reply *counts, uint64_t now,
    struct store_usage *to);
void pack_values(struct arena *a, const struct store_item *item, uint64_t seed, struct packed_item *to);
void pack_digest(const char *message, uint64_t seed, char to[STORE_REDIS_DIGEST]);

/* ---- a message: store_redis_judge.c ---------------------------------------------------------- */

int store_redis_judge(struct store *s, struct store_request *r, uint64_t deadline, struct err *e);
/* Charges what was let through; n messages in one go, each once by its digest. The number of those that need
 * not be tried again: 0 or n. */
struct local_entry;
bool store_redis_fold(struct store_redis *s, struct local_entry **list, size_t n, uint64_t deadline);

/* ---- people: store_redis_desk.c ---- */
enum store_result store_redis_suspend(struct store *, const struct store_suspension *, struct err *);
enum store_result store_redis_release(struct store *, const char *, const char *, struct err *);
int store_redis_suspensions(struct store *, struct arena *, struct store_suspension **, struct err *);
enum store_result store_redis_raise(struct store *, const struct store_override *, struct err *);
enum store_result store_redis_lower(struct store *, const char *, const char *, struct err *);
int store_redis_overrides(struct store *, struct arena *, struct store_override **, struct err *);
enum store_result store_redis_reset(struct store *, const char *, const char *, struct err *);
int store_redis_top(struct store *, struct arena *, const char *, size_t, struct store_usage **,
    struct err *);
int store_redis_usage(struct store *, struct arena *, const char *, const char *, struct store_usage *,
    struct err *);
void store_redis_numbers(struct store *, struct store_numbers *);
int store_redis_claim(struct store *, const char *, const char *, uint64_t, char note[STORE_NOTE],
    struct err *);
void store_redis_leave(struct store *);
int store_redis_relays(struct store *, struct arena *, struct store_relay **, struct err *);

/* ---- small things that last: store_redis_keep.c ---- */
enum store_result store_redis_keep(struct store *, const char *, const char *, const char *, struct err *);
enum store_result store_redis_tally(struct store *, const char *, const char *, const struct store_tally *,
    struct err *);
int store_redis_kept(struct store *, const char *, void (*)(void *, const char *, const char *), void *,
    struct err *);
/* Tells Redis what waits to be kept; true when nothing is left. */
bool store_redis_keep_some(struct store_redis *s);
void store_redis_keep_free(struct store_redis *s);

/* ---- alone: store_redis_local.c ------------------------------------------------------------------ */

struct local_item {
	const char *limit, *key;
	enum store_kind kind;
	uint32_t amount;
	const char *values;		/* STORE_REDIS_VALUE bytes each */
	size_t n_values;
	struct limit_ceilings ceilings;
};

struct local_entry {			/* one allocation */
	struct local_entry *next;
	uint64_t at;			/* clock_now() when it passed */
	size_t bytes;
	char digest[STORE_REDIS_DIGEST];
	size_t n;
	struct local_item items[];
};

struct local *local_new(void);
void local_free(struct local **l);
/* Judges by our share of the ceilings, and writes down what has to be folded back in. */
int store_redis_alone(struct store_redis *s, struct store_request *r, uint64_t deadline, struct err *e);
/* Folds back for at most ms; true when nothing is left. */
bool store_redis_fold_some(struct store_redis *s, uint64_t ms);
void local_numbers(struct local *l, uint64_t *waiting, uint64_t *folded, uint64_t *lost);

#endif
