/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * test_store_redis - what the shared store adds to the contract: several relays, one set of limits; what
 * happens when the server goes, comes back, loses its keys or its scripts; that no key is without an end.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "lib/redis.h"
#include "lib/store_redis.h"

#include "t/unit/store_fixture.h"

#include "lib/banned.h"

#define HOUR UINT64_C(3600000)
#define WAIT_MS 8000u

static char prefix[32];
static unsigned serial;

static int
setup(void **state)
{
	static struct fixture f;
	struct fixture *p = &f;

	(void)snprintf(prefix, sizeof(prefix), "r%u", ++serial);
	(void)fixture_redis_server(NULL);
	fixture_open(p, "memory");	/* its directory, and its arena */
	*state = p;
	return 0;
}

static int
teardown(void **state)
{
	fixture_close(*state);
	return 0;
}

static struct redis_reply *
ask(size_t n, const char *const *args)
{
	const struct redis_settings s = { .connect_ms = 5000 };
	struct err e;
	struct redis_reply *r = redis_ask(&s, fixture_redis_server(NULL), args, n, &e);

	if (r == NULL)
		fail_msg("%s", e.text);
	return r;
}

#define ASK(...) ask(sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *), \
	(const char *const[]){ __VA_ARGS__ })

static void
tell(const char *one, const char *two)
{
	struct redis_reply *r = two != NULL ? ASK(one, two) : ASK(one);

	assert_true(r->type != REDIS_ERROR);
	redis_reply_free(&r);
}

static void
rest(void)
{
	static const struct timespec tick = { 0, 5000000 };

	(void)nanosleep(&tick, NULL);
}

/* Judges one unit, with so many ms for it; *local: alone. True when taken. */
static bool
take_within(uint64_t ms, struct store *s, const char *key, const char *ceilings, const char *message,
    bool *local)
{
	struct store_item i = fixture_item("customer", key, 1, ceilings);
	struct store_request r = { .items = &i, .n = 1, .message = message, .warn_at = 80 };
	struct err e;

	if (store_judge(s, &r, clock_deadline(ms), &e) != 1)
		fail_msg("%s", e.text);
	if (local != NULL)
		*local = r.local;
	return r.taken;
}

/* However slow the machine: how long it takes is measured elsewhere (t/e2e/redis-outage.t). */
static bool
take(struct store *s, const char *key, const char *ceilings, const char *message, bool *local)
{
	return take_within(WAIT_MS, s, key, ceilings, message, local);
}

static uint32_t
used(struct fixture *f, struct store *s, const char *key)
{
	struct store_usage u;
	struct err e;

	if (store_usage(s, f->arena, "customer", key, &u, &e) < 0)
		fail_msg("%s", e.text);
	return u.n > 0 ? u.at[0].used : 0;
}

static bool
suspended(struct fixture *f, struct store *s, const char *subject)
{
	struct store_suspension w;

	return store_suspended(s, "customer", subject, f->arena, &w) == 1;
}

static void
suspend(struct store *s, const char *subject, uint64_t time)
{
	struct store_suspension w = { .kind = "customer", .subject = subject, .action = "reject", .reason = "stolen",
	    .by = "uid 0", .until = time == UINT64_MAX ? time : clock_now() + time };

	assert_int_equal(store_suspend(s, &w, NULL), STORE_DONE);
}

static bool
degraded(struct store *s)
{
	struct store_health h;

	assert_true(store_health(s, &h));
	return h.degraded;
}

static void
until_degraded(struct store *s, bool want)
{
	uint64_t deadline = clock_deadline(WAIT_MS);

	while (degraded(s) != want && clock_left(deadline) > 0)
		rest();
	assert_true(degraded(s) == want);
}

static void
until_folded(struct store *s)
{
	uint64_t deadline = clock_deadline(WAIT_MS);
	struct store_health h;

	do {
		rest();
		assert_true(store_health(s, &h));
	} while ((h.waiting > 0 || h.degraded) && clock_left(deadline) > 0);
	assert_true(h.waiting == 0);
}

/* On a slow machine its word may come later. */
static void
until_relays(struct store *s, unsigned want)
{
	uint64_t deadline = clock_deadline(WAIT_MS);
	struct store_health h;

	do {
		assert_true(store_health(s, &h));
		rest();
	} while (h.relays < want && clock_left(deadline) > 0);
	assert_int_equal(h.relays, want);
}

/* ---- several relays ---- */

struct shooter {
	pthread_t thread;
	struct store *store;
	unsigned passed, alone;
};

static void *
shoot(void *cookie)
{
	struct shooter *s = cookie;
	bool local;
	int i;

	for (i = 0; i < 60; i++) {
		s->passed += take(s->store, "acme", "100/1h 1000/1d", NULL, &local);
		s->alone += local;
	}
	return NULL;
}

static void
test_exactly_n_over_relays(void **state)
{
	enum { RELAYS = 3, THREADS = 12 };
	struct store *relay[RELAYS];
	struct shooter s[THREADS];
	unsigned passed = 0, alone = 0, i;
	char name[16];

	for (i = 0; i < RELAYS; i++) {
		(void)snprintf(name, sizeof(name), "out%u", i);
		relay[i] = fixture_redis_relay(*state, prefix, name);
	}
	for (i = 0; i < THREADS; i++) {
		s[i] = (struct shooter){ .store = relay[i % RELAYS] };
		assert_int_equal(pthread_create(&s[i].thread, NULL, shoot, &s[i]), 0);
	}
	for (i = 0; i < THREADS; i++) {
		(void)pthread_join(s[i].thread, NULL);
		passed += s[i].passed;
		alone += s[i].alone;
	}
	assert_int_equal(alone, 0);
	assert_int_equal(passed, 100);
	assert_int_equal(used(*state, relay[0], "acme"), 100);
	for (i = 0; i < RELAYS; i++)
		store_close(&relay[i]);
}

static void
test_suspended_everywhere(void **state)
{
	struct store *one = fixture_redis_relay(*state, prefix, "out1");
	struct store *two = fixture_redis_relay(*state, prefix, "out2");
	uint64_t deadline;

	suspend(one, "acme", UINT64_MAX);
	assert_true(suspended(*state, one, "acme"));
	deadline = clock_deadline(1000);
	while (!suspended(*state, two, "acme") && clock_left(deadline) > 0)
		rest();
	assert_true(suspended(*state, two, "acme"));
	assert_int_equal(store_release(two, "customer", "acme", NULL), STORE_DONE);
	deadline = clock_deadline(1000);
	while (suspended(*state, one, "acme") && clock_left(deadline) > 0)
		rest();
	assert_false(suspended(*state, one, "acme"));
	store_close(&one);
	store_close(&two);
}

struct looking {
	struct fixture *f;
	struct store *store;
	unsigned asked;
};

static bool
look_again(void *cookie)
{
	struct looking *l = cookie;

	l->asked++;
	return suspended(l->f, l->store, "acme");
}

/* No news is needed: the script has the last word. */
static void
test_a_message_is_not_judged_by_an_old_copy(void **state)
{
	struct store *one = fixture_redis_relay(*state, prefix, "out1");
	struct store *two = fixture_redis_relay(*state, prefix, "out2");
	struct looking l = { *state, two, 0 };
	struct store_item i = fixture_item("customer", "acme", 1, "10/1h");
	struct store_request r = { .items = &i, .n = 1, .recheck = look_again, .cookie = &l };

	suspend(one, "acme", HOUR);
	assert_int_equal(store_judge(two, &r, clock_deadline(2000), NULL), 1);
	assert_true(r.withdrawn);
	assert_true(l.asked > 0);
	assert_int_equal(used(*state, one, "acme"), 0);
	store_close(&one);
	store_close(&two);
}

static void
test_overrides_hold_everywhere(void **state)
{
	struct store *one = fixture_redis_relay(*state, prefix, "out1");
	struct store *two = fixture_redis_relay(*state, prefix, "out2");
	struct store_override o = { .limit = "customer", .key = "acme", .ceilings = fixture_ceilings("3/1h"),
	    .until = clock_now() + HOUR };

	assert_true(take(two, "acme", "1/1h", NULL, NULL));
	assert_false(take(two, "acme", "1/1h", NULL, NULL));
	assert_true(store_over_until(two, "customer", "acme", NULL) > 0);
	assert_int_equal(store_raise(one, &o, NULL), STORE_DONE);
	assert_true(take(two, "acme", "1/1h", NULL, NULL));
	assert_true(take(two, "acme", "1/1h", NULL, NULL));
	assert_false(take(two, "acme", "1/1h", NULL, NULL));
	store_close(&one);
	store_close(&two);
}

static void
test_claims(void **state)
{
	struct store *one = fixture_redis_relay(*state, prefix, "out1");
	struct store *two = fixture_redis_relay(*state, prefix, "out2");

	assert_int_equal(store_claim(one, "alerts", "limit.exceeded acme", HOUR, NULL, NULL), 1);
	assert_int_equal(store_claim(two, "alerts", "limit.exceeded acme", HOUR, NULL, NULL), 0);
	assert_int_equal(store_claim(one, "alerts", "limit.exceeded acme", HOUR, NULL, NULL), 1);
	assert_int_equal(store_claim(two, "alerts", "limit.exceeded other", HOUR, NULL, NULL), 1);
	store_close(&one);
	store_close(&two);
}

static void
test_relays_know_each_other(void **state)
{
	struct fixture *f = *state;
	struct store *two = fixture_redis_relay(f, prefix, "out2"), *one = fixture_redis_relay(f, prefix, "out1");
	struct store_health h;
	struct store_relay *r;

	assert_true(take(one, "acme", "10/1h", NULL, NULL));
	assert_int_equal(store_relays(one, f->arena, &r, NULL), 2);
	assert_string_equal(r[0].name, "out1");
	assert_string_equal(r[0].version, "1.0");
	assert_true(r[0].judged == 1);
	assert_string_equal(r[1].name, "out2");
	assert_true(clock_now() - r[1].seen < 5000);
	assert_true(store_health(one, &h));
	assert_int_equal(h.relays, 2);
	store_close(&one);
	store_close(&two);
}

/* ---- a server that loses things ---- */

static void
test_scripts_are_lost(void **state)
{
	struct store *s = fixture_redis_relay(*state, prefix, "out1");
	bool local;

	assert_true(take(s, "acme", "10/1h", NULL, &local));
	tell("SCRIPT", "FLUSH");
	assert_true(take(s, "acme", "10/1h", NULL, &local));
	assert_false(local);
	assert_int_equal(used(*state, s, "acme"), 2);
	store_close(&s);
}

static void
test_keys_are_lost(void **state)
{
	struct store *s = fixture_redis_relay(*state, prefix, "out1");
	struct store_suspension *all;
	struct fixture *f = *state;

	suspend(s, "acme", UINT64_MAX);
	suspend(s, "other", HOUR);
	tell("FLUSHALL", NULL);
	assert_true(take(s, "third", "10/1h", NULL, NULL));
	assert_true(suspended(f, s, "acme"));
	assert_int_equal(store_suspensions(s, f->arena, &all, NULL), 2);
	/* In Redis too: another relay finds them. */
	store_close(&s);
	s = fixture_redis_relay(f, prefix, "out9");
	assert_true(suspended(f, s, "acme"));
	assert_true(suspended(f, s, "other"));
	assert_int_equal(store_release(s, "customer", "acme", NULL), STORE_DONE);
	assert_false(suspended(f, s, "acme"));
	store_close(&s);
}

/* The first who notices is somebody who decides: what he does not know of is put back all the same. */
static void
test_keys_are_lost_before_a_decision(void **state)
{
	struct fixture *f = *state;
	struct store *s = fixture_redis_relay(f, prefix, "out1");

	suspend(s, "acme", UINT64_MAX);
	suspend(s, "third", UINT64_MAX);
	tell("FLUSHALL", NULL);
	suspend(s, "other", HOUR);
	assert_true(suspended(f, s, "acme"));
	tell("FLUSHALL", NULL);
	assert_int_equal(store_release(s, "customer", "third", NULL), STORE_DONE);
	assert_true(suspended(f, s, "acme"));
	assert_true(suspended(f, s, "other"));
	assert_false(suspended(f, s, "third"));
	store_close(&s);
}

static uint64_t
seed(struct store *s)
{
	struct book *b = store_redis_book(store_redis_of(s));
	uint64_t value = b->seed;

	book_unref(&b);
	return value;
}

/* Nobody decided anything, so that no generation tells; still all relays name things alike. */
static void
test_the_seed_is_lost(void **state)
{
	struct fixture *f = *state;
	struct store *one = fixture_redis_relay(f, prefix, "out1"), *nine;
	uint64_t deadline = clock_deadline(WAIT_MS);

	tell("FLUSHALL", NULL);
	nine = fixture_redis_relay(f, prefix, "out9");
	while (seed(one) != seed(nine) && clock_left(deadline) > 0)
		rest();
	assert_true(seed(one) == seed(nine));
	assert_true(take(one, "acme", "10/1h", "m1", NULL));
	assert_true(take(nine, "acme", "10/1h", "m1", NULL));
	assert_int_equal(used(f, one, "acme"), 1);
	store_close(&one);
	store_close(&nine);
}

static void
test_every_key_has_an_end(void **state)
{
	static const char *const values[] = { "a", "b" };
	struct store *s = fixture_redis_relay(*state, prefix, "out1");
	struct store_item i = fixture_distinct("spread", "acme", values, 2, "3/1h");
	struct store_request r = { .items = &i, .n = 1, .message = "m" };
	struct store_override o = { .limit = "customer", .key = "acme", .exempt = true, .until = UINT64_MAX };
	struct redis_reply *keys, *left;
	size_t n;

	assert_true(take(s, "acme", "10/1h 100/1d", "m1", NULL));
	assert_int_equal(store_judge(s, &r, clock_deadline(WAIT_MS), NULL), 1);
	suspend(s, "acme", UINT64_MAX);
	assert_int_equal(store_raise(s, &o, NULL), STORE_DONE);
	assert_int_equal(store_keep(s, "mailers", "acme", "1", NULL), STORE_DONE);
	assert_int_equal(store_claim(s, "alerts", "x", HOUR, NULL, NULL), 1);
	keys = ASK("KEYS", "*");
	assert_true(keys->n >= 10);
	for (n = 0; n < keys->n; n++) {
		left = ASK("PTTL", keys->at[n]->text);
		if (left->integer <= 0)
			fail_msg("%s has no end", keys->at[n]->text);
		redis_reply_free(&left);
	}
	redis_reply_free(&keys);
	store_close(&s);
}

/* ---- a server that is gone ---- */

static void
test_judged_alone_and_folded_back(void **state)
{
	struct store *one = fixture_redis_relay(*state, prefix, "out1");
	struct store *two = fixture_redis_relay(*state, prefix, "out2");
	char message[16];
	bool local;
	int i;

	until_relays(two, 2);
	fixture_redis_kill();
	/* Two relays: half of the ceiling each. */
	for (i = 0; i < 10; i++) {
		(void)snprintf(message, sizeof(message), "m%d", i);
		assert_int_equal(take(two, "acme", "10/1h", message, &local), i < 5);
		assert_true(local);
	}
	/* A retry is free here too. */
	assert_true(take(two, "acme", "10/1h", "m0", &local));
	until_degraded(two, true);
	fixture_redis_again();
	until_folded(two);
	until_degraded(two, false);
	assert_int_equal(used(*state, two, "acme"), 5);
	/* What was let through alone is known by its digest. */
	assert_true(take(two, "acme", "10/1h", "m0", &local));
	assert_false(local);
	assert_int_equal(used(*state, two, "acme"), 5);
	store_close(&one);
	store_close(&two);
}

/* The question goes out, the answer comes when nobody waits any more: once, not twice. */
static void
test_an_answer_that_comes_too_late(void **state)
{
	struct store *s = fixture_redis_relay(*state, prefix, "out1");
	uint64_t before;
	pid_t server;
	bool local;

	(void)fixture_redis_server(&server);
	assert_true(take(s, "acme", "10/1h", "first", &local));
	assert_false(local);
	assert_int_equal(kill(server, SIGSTOP), 0);
	before = clock_mono_us();
	assert_true(take_within(500, s, "acme", "10/1h", "second", &local));
	assert_true(local);
	assert_true(clock_mono_us() - before < 2000000);
	/* The next ones do not wait. */
	before = clock_mono_us();
	assert_true(take(s, "acme", "10/1h", "third", &local));
	assert_true(local);
	assert_true(clock_mono_us() - before < 2000000);
	assert_int_equal(kill(server, SIGCONT), 0);
	until_folded(s);
	assert_int_equal(used(*state, s, "acme"), 3);
	store_close(&s);
}

/* The same of what has no name: no Message-ID, a refusal. */
static void
test_a_nameless_answer_that_comes_too_late(void **state)
{
	struct store *s = fixture_redis_relay(*state, prefix, "out1");
	pid_t server;
	bool local;

	(void)fixture_redis_server(&server);
	assert_true(take(s, "acme", "10/1h", NULL, &local));
	assert_int_equal(kill(server, SIGSTOP), 0);
	assert_true(take_within(500, s, "acme", "10/1h", NULL, &local));
	assert_true(local);
	assert_int_equal(kill(server, SIGCONT), 0);
	until_folded(s);
	assert_int_equal(used(*state, s, "acme"), 2);
	/* Two without a name are two. */
	assert_true(take(s, "acme", "10/1h", NULL, &local));
	assert_true(take(s, "acme", "10/1h", NULL, &local));
	assert_int_equal(used(*state, s, "acme"), 4);
	store_close(&s);
}

/* What passed two hours ago weighs on the day, not on the hour. */
static void
test_folded_back_to_its_time(void **state)
{
	struct fixture *f = *state;
	struct store *s = fixture_redis_relay(f, prefix, "out1");
	struct local_entry *e = calloc(1, sizeof(*e) + sizeof(e->items[0]));
	struct store_usage u;
	int i;

	assert_non_null(e);
	assert_true(take(s, "acme", "1000/1h 1000/1d", NULL, NULL));
	e->n = 1;
	e->at = clock_now() - 2 * HOUR;
	e->items[0] = (struct local_item){ .limit = "customer", .key = "acme", .kind = STORE_SUM, .amount = 300,
	    .ceilings = fixture_ceilings("1000/1h 1000/1d") };
	(void)snprintf(e->digest, sizeof(e->digest), "%s", "abc");
	/* Told twice: counted once. */
	for (i = 0; i < 2; i++)
		assert_true(store_redis_fold(store_redis_of(s), &e, 1, clock_deadline(1000)));
	assert_int_equal(store_usage(s, f->arena, "customer", "acme", &u, NULL), 1);
	assert_int_equal(u.at[0].used, 1);
	assert_int_equal(u.at[1].used, 301);
	free(e);
	store_close(&s);
}

/* A relay that starts while Redis is gone. */
static void
test_suspended_although_nobody_answers(void **state)
{
	struct fixture *f = *state;
	struct store *s = fixture_redis_relay(f, prefix, "out1");
	struct store_suspension w = { .kind = "customer", .subject = "b", .action = "hold", .until = UINT64_MAX };
	const char *servers[] = { fixture_redis_server(NULL) };
	struct err e = { .text = "" };
	char file[400];
	struct store_settings settings = { .type = "redis", .memory = 64 << 20, .relay = "out1", .file = file,
	    .redis = { .servers = servers, .n_servers = 1, .kind = "single", .prefix = prefix, .connections = 2,
	    .user = "gatepost", .password = FIXTURE_PASSWORD } };
	bool local;

	suspend(s, "acme", UINT64_MAX);
	store_close(&s);
	fixture_redis_kill();
	(void)snprintf(file, sizeof(file), "%s/out1.db", f->dir);
	s = store_open(&settings, &e);
	assert_non_null(s);
	assert_true(suspended(f, s, "acme"));
	assert_true(take(s, "other", "10/1h", NULL, &local));
	assert_true(local);
	assert_int_equal(store_suspend(s, &w, &e), STORE_FAILED);
	assert_true(*e.text != '\0');
	until_degraded(s, true);
	store_close(&s);
	fixture_redis_again();
}

static void
each_kept(void *cookie, const char *name, const char *value)
{
	bool *found = cookie;

	*found = *found || (strcmp(name, "acme/x") == 0 && strcmp(value, "1 2 3") == 0);
}

/* From a message's thread, while the server stands still. */
static void
test_keeping_waits_for_nobody(void **state)
{
	struct store *one = fixture_redis_relay(*state, prefix, "out1");
	struct store *two = fixture_redis_relay(*state, prefix, "out2");
	static const struct timespec tick = { 0, 20000000 };
	bool found = false;
	uint64_t before;
	pid_t server;
	int left;

	(void)fixture_redis_server(&server);
	(void)kill(server, SIGSTOP);
	before = clock_mono_us();
	assert_int_equal(store_keep(one, "mailers", "acme/x", "1 2 3", NULL), STORE_DONE);
	assert_true(clock_mono_us() - before < 500000);
	/* Known here in any case. */
	until_degraded(one, true);
	assert_int_equal(store_kept(one, "mailers", each_kept, &found, NULL), 1);
	assert_true(found);
	(void)kill(server, SIGCONT);
	for (found = false, left = 500; !found && left > 0; left--) {
		(void)store_kept(two, "mailers", each_kept, &found, NULL);
		(void)nanosleep(&tick, NULL);
	}
	assert_true(found);
	store_close(&one);
	store_close(&two);
}

/* ---- counted over relays ---- */

static void
each_text(void *cookie, const char *name, const char *value)
{
	if (strcmp(name, "acme/x") == 0)
		(void)snprintf(cookie, 64, "%s", value);
}

static void
test_tallies_add_up(void **state)
{
	struct store *one = fixture_redis_relay(*state, prefix, "out1");
	struct store *two = fixture_redis_relay(*state, prefix, "out2");
	const struct store_tally first = { 100, 200, 5, 5, "bulk" }, second = { 50, 300, 2, 2, "bulk" },
	    third = { 100, 400, 8, 3, "bulk" };
	char text[64] = "";

	assert_int_equal(store_tally(one, "mailers", "acme/x", &first, NULL), STORE_DONE);
	assert_int_equal(store_kept(one, "mailers", each_text, text, NULL), 1);
	assert_string_equal(text, "100 200 5 bulk");
	assert_int_equal(store_tally(two, "mailers", "acme/x", &second, NULL), STORE_DONE);
	assert_int_equal(store_kept(two, "mailers", each_text, text, NULL), 1);
	assert_string_equal(text, "50 300 7 bulk");
	assert_int_equal(store_tally(one, "mailers", "acme/x", &third, NULL), STORE_DONE);
	assert_int_equal(store_kept(one, "mailers", each_text, text, NULL), 1);
	assert_string_equal(text, "50 400 10 bulk");
	store_close(&one);
	store_close(&two);
}

/* More than one page, and each name once. */
static void
each_counted(void *cookie, const char *name, const char *value)
{
	unsigned *n = cookie;

	assert_string_equal(value, "x");
	assert_int_equal(strtoul(name, NULL, 10), 10000 + *n);
	(*n)++;
}

static void
test_much_is_kept(void **state)
{
	struct store *s = fixture_redis_relay(*state, prefix, "out1");
	unsigned n = 0, i;
	char name[16];

	for (i = 0; i < 2500; i++) {
		(void)snprintf(name, sizeof(name), "%u", 10000 + i);
		assert_int_equal(store_keep(s, "many", name, "x", NULL), STORE_DONE);
	}
	assert_int_equal(store_kept(s, "many", each_counted, &n, NULL), 2500);
	assert_int_equal(n, 2500);
	store_close(&s);
}

static void
test_settings_that_cannot_be(void **state)
{
	const char *bad[] = { "redis.example", "inet:x@host", "inet:0@host", "inet:6379@", "unix:relative",
	    "tls:6379@host", "rediss://host" };
	const char *good[] = { "inet:6379@192.0.2.1", "inet6:6379@[2001:db8::1]", "inet6:6379@2001:db8::1",
	    "unix:/run/redis.sock", "inet:1@redis.example" };
	struct err e;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(redis_address_check(bad[i], &e), -1);
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(redis_address_check(good[i], &e), 1);
	(void)redis_address_check("tls:6379@host", &e);
	assert_non_null(strstr(e.text, "stunnel"));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(test_exactly_n_over_relays),
		CASE(test_suspended_everywhere),
		CASE(test_a_message_is_not_judged_by_an_old_copy),
		CASE(test_overrides_hold_everywhere),
		CASE(test_claims),
		CASE(test_keeping_waits_for_nobody),
		CASE(test_relays_know_each_other),
		CASE(test_scripts_are_lost),
		CASE(test_keys_are_lost),
		CASE(test_keys_are_lost_before_a_decision),
		CASE(test_the_seed_is_lost),
		CASE(test_every_key_has_an_end),
		CASE(test_judged_alone_and_folded_back),
		CASE(test_an_answer_that_comes_too_late),
		CASE(test_a_nameless_answer_that_comes_too_late),
		CASE(test_folded_back_to_its_time),
		CASE(test_suspended_although_nobody_answers),
		CASE(test_tallies_add_up),
		CASE(test_much_is_kept),
		CASE(test_settings_that_cannot_be),
	};

	return cmocka_run_group_tests_name("store_redis", tests, NULL, NULL);
}
