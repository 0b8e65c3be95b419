/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * store_redis - the store that relays share: opened, kept, closed. Its parts are told in the header.
 *
 * The house is a thread of its own: it tells the other relays that we live, fetches the copy of what people
 * decided when another generation is in force, writes suspensions into the embedded store (so that a relay
 * which starts without Redis knows them), and folds back what was let through alone. No message waits for any
 * of it.
 */
#include "lib/store_redis.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/str.h"
#include "lib/store_redis_desk_lua.h"
#include "lib/store_redis_judge_lua.h"

#include "lib/banned.h"

#define HOUSE_TICK 100			/* ms */
#define HOUSE_BEAT 10u			/* ticks */
#define HOUSE_CLEAN 600u
#define HOUSE_FOLD 500u			/* ms at a stretch */
#define OPEN_WAIT 2000u			/* ms for servers at the start */
#define ALIVE_SLOWLY UINT64_C(60000000)	/* us */
#define PROBE_ANSWER 1000u		/* ms */
#define CONNECT_TIME 1000u

struct store_redis_script store_redis_judge_script = { store_redis_judge_text, STORE_REDIS_JUDGE_SHA1 };
struct store_redis_script store_redis_desk_script = { store_redis_desk_text, STORE_REDIS_DESK_SHA1 };

/* ---- names ---- */

/* For every limit of every message: no formatting. */
static char *
key_put(char *to, const char *text)
{
	size_t n = strlen(text);

	memcpy(to, text, n + 1);
	return to + n;
}

size_t
store_redis_key(const struct store_redis *s, char to[STORE_REDIS_NAME], const char *tag, const char *kind,
    const char *name)
{
	char *at = key_put(to, s->prefix);

	at = key_put(at, ":{");
	at = key_put(at, tag);
	at = key_put(at, "}");
	at = key_put(at, kind);
	at = key_put(at, "1:");
	at = key_put(at, name);
	return (size_t)(at - to);
}

void
store_redis_now(const struct store_redis *s, char to[24])
{
	(void)snprintf(to, 24, "%llu", s->own_clock ? (unsigned long long)clock_now() : 0ull);
}

/* ---- the copy ---- */

struct book *
store_redis_book(struct store_redis *s)
{
	struct book *b;

	(void)pthread_rwlock_rdlock(&s->book_lock);
	b = s->book;
	(void)atomic_fetch_add(&b->refs, 1);
	(void)pthread_rwlock_unlock(&s->book_lock);
	return b;
}

static void
store_redis_take_book(struct store_redis *s, struct book *take_b)
{
	struct book *old;

	(void)pthread_rwlock_wrlock(&s->book_lock);
	old = s->book;
	s->book = take_b;
	(void)pthread_rwlock_unlock(&s->book_lock);
	/* What was refused by other ceilings is known no more. */
	store_full_forget(s->full);
	atomic_store(&s->mirror_old, true);
	book_unref(&old);
}

/* ours: the seed that we go by, so that it is put back should it be lost; 0 = none yet. */
static struct redis_reply *
sync_fetch(struct store_redis *s, uint64_t ours, uint64_t deadline, struct err *e)
{
	char seed[24];
	const char *args[] = { seed };
	struct desk_call c = { .keys = { "generation", "suspensions", "overrides", "seed" }, .n_keys = 4,
	    .args = args, .n_args = 1, .deadline = deadline };
	struct redis_reply *r;

	(void)snprintf(seed, sizeof(seed), "%llu",
	    (unsigned long long)(ours != 0 ? ours : store_hash_random()));
	r = store_redis_desk(s, "decisions", &c, e);
	if (r != NULL && (r->n != 5 || r->at[1]->text == NULL || r->at[4]->text == NULL))
		redis_reply_free(&r);
	return r;
}

static struct book *
sync_read(const struct redis_reply *r)
{
	struct book *b = book_new(r->at[1]->text, book_seed(r->at[4]->text));
	uint64_t now = (uint64_t)r->at[0]->integer, ours = clock_now();

	book_add(b, true, r->at[2], now, ours);
	book_add(b, false, r->at[3], now, ours);
	book_sort(b);
	return b;
}

/* Redis has no generation at all where there was one: its keys were lost (FLUSHALL, a server that came up
 * empty), not taken back, for that bears another. They are put back from our copy. */
static bool
sync_is_lost(const struct book *had, const struct redis_reply *r)
{
	return redis_reply_is(r->at[1], "0") &&
	    *had->generation != '\0' && strcmp(had->generation, "0") != 0 &&
	    had->n_suspensions + had->n_overrides > 0;
}

static void
sync_restore_entry(struct arena *a, const struct book_entry *e, uint64_t shift, const char **args,
    size_t *lens)
{
	char rest[4096], times[64];
	size_t n = book_pack(rest, sizeof(rest), e->action, e->by, e->reason), one = strlen(e->one) + 1, len;
	char *text;

	len = (size_t)snprintf(times, sizeof(times), "%llu%c%llu",
	    e->until == UINT64_MAX ? 0ull : (unsigned long long)e->until + shift, 0,
	    (unsigned long long)e->since + shift) + 1;
	text = arena_alloc(a, one + strlen(e->two) + 1);
	memcpy(text, e->one, one);
	memcpy(text + one, e->two, strlen(e->two) + 1);
	args[0] = text;
	lens[0] = one + strlen(e->two);
	text = arena_alloc(a, len + n);
	memcpy(text, times, len);
	memcpy(text + len, rest, n);
	args[1] = text;
	lens[1] = len + n;
}

static void
sync_restore(struct store_redis *s, const struct book *b, const struct redis_reply *r, uint64_t deadline)
{
	struct arena *a = arena_new(ARENA_DEFAULT_CAP);
	size_t n = b->n_suspensions + b->n_overrides, i;
	const char **args = arena_alloc(a, (3 + 2 * n) * sizeof(*args));
	size_t *lens = arena_alloc(a, (3 + 2 * n) * sizeof(*lens));
	uint64_t shift = (uint64_t)r->at[0]->integer - clock_now();
	struct desk_call c = { .keys = { "generation", "suspensions", "overrides" }, .n_keys = 3,
	    .args = args, .lens = lens, .n_args = 3 + 2 * n, .deadline = deadline };
	struct redis_reply *done;

	args[0] = s->channel;
	args[1] = b->generation;
	args[2] = arena_printf(a, "%zu", b->n_suspensions);
	for (i = 0; i < 3; i++)
		lens[i] = strlen(args[i]);
	for (i = 0; i < n; i++)
		sync_restore_entry(a, i < b->n_suspensions ? &b->suspensions[i] :
		    &b->overrides[i - b->n_suspensions], shift, &args[3 + 2 * i], &lens[3 + 2 * i]);
	done = store_redis_desk(s, "restore", &c, NULL);
	if (done != NULL)
		log_printf(LOG_LEVEL_WARNING,
		    "store: Redis had lost its keys; %zu suspensions and %zu overrides "
		    "are put back", b->n_suspensions, b->n_overrides);
	redis_reply_free(&done);
	arena_free(&a);
}

static int
sync_now(struct store_redis *s, const char *known, uint64_t deadline, struct err *e)
{
	struct book *had = store_redis_book(s);
	struct redis_reply *r;
	int done = -1;

	atomic_store(&s->book_old, false);
	if (known != NULL && strcmp(had->generation, known) != 0) {
		book_unref(&had);
		return 1;
	}
	r = sync_fetch(s, had->seed, deadline, e);
	if (r != NULL && sync_is_lost(had, r)) {
		sync_restore(s, had, r, deadline);
		redis_reply_free(&r);
		r = sync_fetch(s, had->seed, deadline, e);
	}
	if (r != NULL) {
		/* The news of what we did ourselves: what we have learnt since stays known. */
		if (!redis_reply_is(r->at[1], had->generation) || book_seed(r->at[4]->text) != had->seed)
			store_redis_take_book(s, sync_read(r));
		done = 1;
	} else {
		atomic_store(&s->book_old, true);
	}
	redis_reply_free(&r);
	book_unref(&had);
	return done;
}

static void
house_time(uint64_t ms, struct timespec *until)
{
	(void)clock_gettime(CLOCK_MONOTONIC, until);
	until->tv_sec += (time_t)(ms / 1000);
	until->tv_nsec += (long)(ms % 1000) * 1000000;
	if (until->tv_nsec >= 1000000000) {
		until->tv_sec++;
		until->tv_nsec -= 1000000000;
	}
}

int
store_redis_sync(struct store_redis *s, const char *known, uint64_t deadline, struct err *e)
{
	struct timespec until;
	bool ours;
	int done;

	house_time(deadline == UINT64_MAX ? STORE_REDIS_DESK_MS : clock_left(deadline), &until);
	(void)pthread_mutex_lock(&s->sync_lock);
	while (s->sync_busy && pthread_cond_timedwait(&s->sync_done, &s->sync_lock, &until) == 0)
		;
	ours = !s->sync_busy;
	s->sync_busy = true;
	(void)pthread_mutex_unlock(&s->sync_lock);
	if (!ours)
		return err_set(e, ERR_TIMEOUT, "the copy of suspensions is being fetched");
	done = sync_now(s, known, deadline, e);
	(void)pthread_mutex_lock(&s->sync_lock);
	s->sync_busy = false;
	(void)pthread_cond_signal(&s->sync_done);
	(void)pthread_mutex_unlock(&s->sync_lock);
	return done;
}

/* ---- the embedded store remembers suspensions ---- */

static void
mirror_write(struct store_redis *s, const struct book *b, struct arena *a)
{
	struct store_suspension w, *had = NULL;
	const struct book_entry *e;
	size_t i;
	int n, k;

	n = store_suspensions(s->alone, a, &had, NULL);
	for (k = 0; k < n; k++) {
		if (book_find(b->suspensions, b->n_suspensions, had[k].kind, had[k].subject) == NULL)
			(void)store_release(s->alone, had[k].kind, had[k].subject, NULL);
	}
	for (i = 0; i < b->n_suspensions; i++) {
		e = &b->suspensions[i];
		book_to_suspension(a, e, &w);
		for (k = 0; k < n && (strcmp(had[k].kind, w.kind) != 0 ||
		    strcmp(had[k].subject, w.subject) != 0 || strcmp(had[k].action, w.action) != 0); k++)
			;
		if (k == n || had[k].until + 1000 < w.until || w.until + 1000 < had[k].until)
			(void)store_suspend(s->alone, &w, NULL);
	}
}

static void
mirror(struct store_redis *s)
{
	struct arena *a = arena_new(ARENA_DEFAULT_CAP);
	struct book *b = store_redis_book(s);

	if (*b->generation != '\0')
		mirror_write(s, b, a);
	book_unref(&b);
	arena_free(&a);
}

/* What was in force when we last ran; unconfirmed. */
static void
mirror_read(struct store_redis *s)
{
	struct arena *a = arena_new(ARENA_DEFAULT_CAP);
	struct store_suspension *had = NULL;
	int n = store_suspensions(s->alone, a, &had, NULL), i;

	s->book = book_new("", 0);
	for (i = 0; i < n; i++)
		book_add_suspension(s->book, &had[i]);
	book_sort(s->book);
	arena_free(&a);
}

/* ---- how many relays share ---- */

/* After trouble, or a loss of all keys, the others are not heard of yet. Who took himself for the only one
 * then, and lost Redis once more, would let through a whole ceiling. */
void
store_redis_alive(struct store_redis *s, unsigned alive, unsigned rank)
{
	uint64_t now = clock_mono_us();
	char text[16];
	bool new;

	(void)pthread_mutex_lock(&s->relays_lock);
	alive = alive > s->alive_least ? alive : s->alive_least;
	if (alive < s->alive && now < s->alive_until) {
		alive = s->alive;
		rank = rank > s->rank ? rank : s->rank;
	} else {
		s->alive_until = now + ALIVE_SLOWLY;
	}
	new = alive > 0 && (alive != s->alive || rank != s->rank);
	if (new) {
		s->alive = alive;
		s->rank = rank;
	}
	(void)pthread_mutex_unlock(&s->relays_lock);
	/* For a start at which Redis does not answer. */
	(void)snprintf(text, sizeof(text), "%u %u", alive, rank);
	if (new)
		(void)store_keep(s->alone, "redis", "relays", text, NULL);
}

static void
alive_read(void *cookie, const char *name, const char *value)
{
	struct store_redis *s = cookie;
	char *rest;
	unsigned long alive = strtoul(value, &rest, 10), rank = strtoul(rest, NULL, 10);

	if (strcmp(name, "relays") != 0 || alive == 0 || alive >= 10000 || rank >= alive)
		return;
	s->alive = alive > s->alive_least ? (unsigned)alive : s->alive_least;
	s->rank = (unsigned)rank;
}

/* ---- the house ---- */

void
store_redis_wake(struct store_redis *s)
{
	(void)pthread_mutex_lock(&s->house_lock);
	s->wanted = true;
	(void)pthread_cond_signal(&s->house_wake);
	(void)pthread_mutex_unlock(&s->house_lock);
}

static void
house_back(struct store_redis *s, uint64_t since)
{
	uint64_t waiting, folded, lost;

	local_numbers(s->local, &waiting, &folded, &lost);
	log_printf(LOG_LEVEL_NOTICE, "store: Redis answers again after %llu ms; %llu messages judged alone "
	    "wait to be counted", (unsigned long long)since, (unsigned long long)waiting);
}

/* Notes when Redis goes and comes; true when it is there. */
static bool
house_look(struct store_redis *s)
{
	bool up = redis_topology_up(s->topology), told;
	uint64_t now = clock_mono_us() / 1000, since = 0;
	struct err e = { .text = "" };

	if (!up)
		redis_topology_why(s->topology, &e);
	(void)pthread_mutex_lock(&s->relays_lock);
	told = s->degraded == up;
	if (!up && !s->degraded) {
		s->degraded_since = now;
		s->degraded_wall = clock_now();
	}
	if (up && (s->degraded || s->up_since == 0))
		s->up_since = clock_mono_us();
	if (up && s->degraded) {
		since = now - s->degraded_since;
		s->degraded_total += since;
	}
	s->degraded = !up;
	if (!up)
		(void)str_copy(s->why, sizeof(s->why), e.text);
	(void)pthread_mutex_unlock(&s->relays_lock);
	if (told && up)
		house_back(s, since);
	if (told && !up)
		log_printf(LOG_LEVEL_WARNING, "store: Redis does not answer (%s); judging alone", e.text);
	return up;
}

static void
house_tick(struct store_redis *s, unsigned ticks, bool woken)
{
	struct err e = { .text = "" };

	if (!house_look(s))
		return;
	if (atomic_load(&s->book_old))
		(void)store_redis_sync(s, NULL, clock_deadline(STORE_REDIS_DESK_MS), &e);
	if (!woken && ticks % HOUSE_BEAT == 0)
		(void)store_redis_beat(s, ticks % HOUSE_CLEAN == 0, &e);
	(void)store_redis_fold_some(s, HOUSE_FOLD);
	(void)store_redis_keep_some(s);
	if (atomic_exchange(&s->mirror_old, false))
		mirror(s);
}

static void *
house(void *cookie)
{
	struct store_redis *s = cookie;
	struct timespec until;
	unsigned ticks = 0;
	bool woken, stop = false;

	while (!stop) {
		house_time(HOUSE_TICK, &until);
		(void)pthread_mutex_lock(&s->house_lock);
		while (!s->stopping && !s->wanted &&
		    pthread_cond_timedwait(&s->house_wake, &s->house_lock, &until) != ETIMEDOUT)
			;
		woken = s->wanted;
		s->wanted = false;
		stop = s->stopping;
		(void)pthread_mutex_unlock(&s->house_lock);
		if (!stop)
			house_tick(s, ticks, woken);
		ticks += !woken;
	}
	return NULL;
}

static void
topology_changed(void *cookie)
{
	struct store_redis *s = cookie;

	atomic_store(&s->book_old, true);
	store_redis_wake(s);
}

/* ---- news ---- */

static bool
news_address(void *cookie, char to[REDIS_ADDRESS])
{
	struct store_redis *s = cookie;
	struct redis_node *n;
	char name[STORE_REDIS_NAME];

	n = redis_topology_node(s->topology,
	    redis_slot(name, store_redis_key(s, name, "house", "generation", "")));
	return n != NULL && redis_node_up(n) && str_copy(to, REDIS_ADDRESS, redis_node_address(n));
}

static void
news_connected(void *cookie)
{
	topology_changed(cookie);
}

static void
news_message(void *cookie, const char *channel, const char *text, size_t n)
{
	struct store_redis *s = cookie;
	struct book *b = store_redis_book(s);
	bool known = strcmp(b->generation, text) == 0;

	(void)channel;
	(void)n;
	book_unref(&b);
	if (!known)
		topology_changed(s);
}

/* ---- opening and closing ---- */

static const char *
open_text(struct store_redis *s, const char *text)
{
	char *copy = strdup(text != NULL ? text : "");

	s->texts = realloc(s->texts, (s->n_texts + 1) * sizeof(*s->texts));
	if (copy == NULL || s->texts == NULL)
		abort();
	s->texts[s->n_texts++] = copy;
	return copy;
}

static int
open_check(const struct store_settings *s, struct err *e)
{
	const struct store_redis_settings *r = &s->redis;
	struct err why;
	size_t i;

	if (r->n_servers == 0)
		return err_set(e, ERR_INPUT,
		    "store.servers: has to name a server; for example [ \"inet:6379@127.0.0.1\" ]");
	for (i = 0; i < r->n_servers; i++) {
		if (redis_address_check(r->servers[i], &why) != 1)
			return err_set(e, ERR_INPUT, "store.servers: \"%s\" %s", r->servers[i], why.text);
	}
	if (r->prefix == NULL || *r->prefix == '\0' || strlen(r->prefix) >= STORE_REDIS_PREFIX - 2 ||
	    strpbrk(r->prefix, "{}*?[]\\ ") != NULL)
		return err_set(e, ERR_INPUT, "store.prefix: 1 to %u characters, none of {}*?[]\\ and blank",
		    STORE_REDIS_PREFIX - 3);
	return 1;
}

static void
open_init(struct store_redis *s, const struct store_settings *from)
{
	pthread_condattr_t attr;

	s->store.driver = &store_redis_driver;
	(void)pthread_rwlock_init(&s->book_lock, NULL);
	(void)pthread_mutex_init(&s->sync_lock, NULL);
	(void)pthread_mutex_init(&s->lanes_lock, NULL);
	(void)pthread_mutex_init(&s->house_lock, NULL);
	(void)pthread_mutex_init(&s->relays_lock, NULL);
	(void)pthread_mutex_init(&s->numbers_lock, NULL);
	(void)pthread_mutex_init(&s->keep_lock, NULL);
	(void)pthread_mutex_init(&s->keep_told_lock, NULL);
	s->keep_last = &s->keep_first;
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&s->house_wake, &attr);
	(void)pthread_cond_init(&s->sync_done, &attr);
	(void)pthread_condattr_destroy(&attr);
	s->last = &s->first;
	s->lanes = from->redis.connections > 0 ? from->redis.connections : 1;
	s->alive = s->alive_least = from->redis.relays_least > 0 ? from->redis.relays_least : 1;
	s->own_clock = from->redis.own_clock;
	(void)str_copy(s->prefix, sizeof(s->prefix), from->redis.prefix);
	(void)str_copy(s->relay, sizeof(s->relay), from->relay != NULL ? from->relay : "");
	(void)str_copy(s->version, sizeof(s->version), from->version != NULL ? from->version : "");
	(void)snprintf(s->channel, sizeof(s->channel), "%s:changed1", s->prefix);
	s->full = store_full_new();
	s->local = local_new();
}

static int
open_alone(struct store_redis *s, const struct store_settings *from, struct err *e)
{
	struct store_settings alone = *from;
	char file[4096];

	if (from->file == NULL || *from->file == '\0')
		return err_set(e, ERR_INPUT, "store.file: has to be set");
	(void)snprintf(file, sizeof(file), "%s-local", from->file);
	alone.type = "memory";
	alone.file = file;
	s->alone = store_memory_driver.open(&alone, e);
	return s->alone == NULL ? -1 : 1;
}

static enum redis_kind
open_kind(const char *kind)
{
	if (kind != NULL && strcmp(kind, "sentinel") == 0)
		return REDIS_SENTINEL;
	return kind != NULL && strcmp(kind, "cluster") == 0 ? REDIS_CLUSTER : REDIS_SINGLE;
}

static int
open_topology(struct store_redis *s, const struct store_redis_settings *from, struct err *e)
{
	char name[STORE_REDIS_NAME];
	const char **servers = store_alloc(from->n_servers * sizeof(*servers)),
	    **probe = store_alloc(5 * sizeof(*probe));
	struct redis_topology_settings t = { .kind = open_kind(from->kind), .servers = servers,
	    .n_servers = from->n_servers, .changed = topology_changed, .cookie = s };
	size_t i;

	for (i = 0; i < from->n_servers; i++)
		servers[i] = open_text(s, from->servers[i]);
	(void)store_redis_key(s, name, "probe", "probe", s->relay);
	probe[0] = "SET";
	probe[1] = open_text(s, name);
	probe[2] = "1";
	probe[3] = "PX";
	probe[4] = "60000";
	t.master = open_text(s, from->master);
	/* One connection more than lanes, for the house and for people. */
	t.node = (struct redis_settings){ .user = open_text(s, from->user),
	    .password = open_text(s, from->password), .database = from->database,
	    .connections = s->lanes + 1, .connect_ms = CONNECT_TIME,
	    .answer_ms = PROBE_ANSWER, .probe = probe, .n_probe = 5, .name = "gatepost" };
	t.sentinel = (struct redis_settings){ .user = open_text(s, from->sentinel_user),
	    .password = open_text(s, from->sentinel_password), .connections = 1, .connect_ms = CONNECT_TIME,
	    .answer_ms = PROBE_ANSWER, .name = "gatepost" };
	s->topology = redis_topology_open(&t, OPEN_WAIT, e);
	s->texts = realloc(s->texts, (s->n_texts + 2) * sizeof(*s->texts));
	if (s->texts == NULL)
		abort();
	s->texts[s->n_texts++] = (char *)(void *)servers;
	s->texts[s->n_texts++] = (char *)(void *)probe;
	if (s->topology == NULL)
		return -1;
	{
		const char *channels[] = { s->channel };
		const struct redis_news news = { news_address, news_connected, news_message, s };

		s->listener = redis_listener_new(&t.node, channels, 1, &news);
	}
	return 1;
}

static void
store_redis_close(struct store *store)
{
	struct store_redis *s = store_redis_of(store);
	size_t i;

	if (s->house_runs) {
		(void)pthread_mutex_lock(&s->house_lock);
		s->stopping = true;
		(void)pthread_cond_signal(&s->house_wake);
		(void)pthread_mutex_unlock(&s->house_lock);
		(void)pthread_join(s->house, NULL);
		/* What can still be told is told. */
		if (redis_topology_up(s->topology))
			(void)store_redis_fold_some(s, 1000);
		if (redis_topology_up(s->topology))
			(void)store_redis_keep_some(s);
		store_redis_leave(store);
		if (atomic_exchange(&s->mirror_old, false))
			mirror(s);
	}
	redis_listener_free(&s->listener);
	redis_topology_close(&s->topology);
	store_close(&s->alone);
	local_free(&s->local);
	store_redis_keep_free(s);
	store_full_free(&s->full);
	book_unref(&s->book);
	for (i = 0; i < s->n_texts; i++)
		free(s->texts[i]);
	free(s->texts);
	(void)pthread_cond_destroy(&s->house_wake);
	(void)pthread_cond_destroy(&s->sync_done);
	free(s);
}

static int
open_all(struct store_redis *s, const struct store_settings *from, struct err *e)
{
	sigset_t all, old;
	int started;

	if (open_alone(s, from, e) != 1)
		return -1;
	mirror_read(s);
	(void)store_kept(s->alone, "redis", alive_read, s, NULL);
	if (open_topology(s, &from->redis, e) != 1)
		return -1;
	if (redis_topology_up(s->topology)) {
		(void)store_redis_sync(s, NULL, clock_deadline(STORE_REDIS_DESK_MS), NULL);
		(void)store_redis_beat(s, true, NULL);
	}
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	started = pthread_create(&s->house, NULL, house, s);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	s->house_runs = started == 0;
	return started == 0 ? 1 : err_set(e, ERR_SYSTEM, "no thread: %s", strerror(started));
}

static struct store *
store_redis_open(const struct store_settings *from, struct err *e)
{
	struct store_redis *s;

	if (open_check(from, e) != 1)
		return NULL;
	s = store_alloc(sizeof(*s));
	open_init(s, from);
	if (open_all(s, from, e) != 1) {
		store_redis_close(&s->store);
		return NULL;
	}
	return &s->store;
}

static void
store_redis_poll(struct store *store)
{
	store_poll(store_redis_of(store)->alone);
}

/* ---- what needs no round trip ---- */

static uint64_t
store_redis_over_until(struct store *s, const char *limit, const char *key, struct limit_ceiling *ceiling)
{
	return store_full_until(store_redis_of(s)->full, limit, key, clock_now(), ceiling);
}

static void
store_redis_forget_over(struct store *s)
{
	store_full_forget(store_redis_of(s)->full);
}

static int
store_redis_suspended(struct store *s, const char *kind, const char *subject, struct arena *a,
    struct store_suspension *to)
{
	struct book *b = store_redis_book(store_redis_of(s));
	const struct book_entry *e = book_find(b->suspensions, b->n_suspensions, kind, subject);
	int found = e != NULL && e->until > clock_now();

	if (found)
		book_to_suspension(a, e, to);
	book_unref(&b);
	return found;
}

static bool
store_redis_health(struct store *store, struct store_health *to)
{
	struct store_redis *s = store_redis_of(store);

	local_numbers(s->local, &to->waiting, &to->folded, &to->lost);
	to->local = atomic_load(&s->judged_alone);
	(void)pthread_mutex_lock(&s->relays_lock);
	to->degraded = s->degraded;
	to->since = s->degraded ? s->degraded_wall : 0;
	to->relays = s->alive;
	to->rank = s->rank;
	(void)str_copy(to->alive, sizeof(to->alive), s->present);
	(void)str_copy(to->missing, sizeof(to->missing), s->missing);
	to->settled = !s->degraded && s->up_since > 0 &&
	    clock_mono_us() - s->up_since > STORE_REDIS_SETTLED * 1000;
	(void)str_copy(to->why, sizeof(to->why), s->degraded ? s->why : "");
	(void)pthread_mutex_unlock(&s->relays_lock);
	return true;
}

const struct store_driver store_redis_driver = {
	.type = "redis",
	.open = store_redis_open,
	.close = store_redis_close,
	.poll = store_redis_poll,
	.judge = store_redis_judge,
	.over_until = store_redis_over_until,
	.forget_over = store_redis_forget_over,
	.suspended = store_redis_suspended,
	.suspend = store_redis_suspend,
	.release = store_redis_release,
	.suspensions = store_redis_suspensions,
	.raise = store_redis_raise,
	.lower = store_redis_lower,
	.overrides = store_redis_overrides,
	.reset = store_redis_reset,
	.top = store_redis_top,
	.usage = store_redis_usage,
	.numbers = store_redis_numbers,
	.keep = store_redis_keep,
	.kept = store_redis_kept,
	.tally = store_redis_tally,
	.claim = store_redis_claim,
	.relays = store_redis_relays,
	.health = store_redis_health,
	.leave = store_redis_leave,
};
