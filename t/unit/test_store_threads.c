/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * test_store_threads - many threads at one store: exactly the ceiling passes, keys taken in any
 * order do not block each other for ever, and people's hands work in the middle of it. Meant to be built
 * with the thread sanitizer as well.
 */
#include "lib/store.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "t/unit/clock_fake.h"
#include "t/unit/store_fixture.h"

#include "lib/banned.h"

#define THREADS 64
#define HOUR UINT64_C(3600000)

static struct fixture fixture;
static pthread_barrier_t barrier;
static atomic_uint passed, wrong;
static atomic_bool stop;

static int
setup(void **state)
{
	(void)state;
	clock_fake_set(CLOCK_FAKE_START);
	fixture_open(&fixture, "memory");
	atomic_store(&passed, 0);
	atomic_store(&wrong, 0);
	atomic_store(&stop, false);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	fixture_close(&fixture);
	return 0;
}

static void
run(unsigned n, void *(*body)(void *))
{
	static unsigned numbers[THREADS];
	pthread_t threads[THREADS];
	unsigned i;

	assert_int_equal(pthread_barrier_init(&barrier, NULL, n), 0);
	for (i = 0; i < n; i++) {
		numbers[i] = i;
		assert_int_equal(pthread_create(&threads[i], NULL, body, &numbers[i]), 0);
	}
	for (i = 0; i < n; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	(void)pthread_barrier_destroy(&barrier);
	assert_int_equal(atomic_load(&wrong), 0);
}

/* As fixture_judge(), for threads: cmocka's assertions belong to the main one. */
static bool
judge(struct store_item *items, size_t n, const char *message)
{
	struct store_request r = { .items = items, .n = n, .message = message, .warn_at = 80 };

	if (store_judge(fixture.store, &r, UINT64_MAX, NULL) != 1) {
		(void)atomic_fetch_add(&wrong, 1);
		return false;
	}
	return r.taken;
}

/* ---- one limit ---- */

static void *
hammer_one(void *cookie)
{
	struct store_item i = fixture_item("customer", "acme", 1, "1000/1h 5000/1d");
	int n;

	(void)cookie;
	(void)pthread_barrier_wait(&barrier);
	for (n = 0; n < 50; n++)
		(void)atomic_fetch_add(&passed, judge(&i, 1, NULL));
	return NULL;
}

static void
test_exactly_a_thousand(void **state)
{
	int round;

	(void)state;
	for (round = 0; round < 5; round++) {
		atomic_store(&passed, 0);
		run(THREADS, hammer_one);
		assert_int_equal(atomic_load(&passed), 1000);
		assert_int_equal(fixture_used(&fixture, "customer", "acme", HOUR), 1000);
		clock_fake_advance(HOUR + HOUR / 10);
	}
	assert_int_equal(fixture_used(&fixture, "customer", "acme", 24 * HOUR), 5000);
}

/* Amounts that do not divide the ceiling, while time goes by slowly: the last units are not overshot. */
static void *
hammer_amounts(void *cookie)
{
	unsigned me = *(unsigned *)cookie;
	struct store_item i = fixture_item("customer", "acme", me % 7 + 1, "1000/1h");
	int n;

	(void)pthread_barrier_wait(&barrier);
	for (n = 0; n < 50; n++) {
		if (judge(&i, 1, NULL))
			(void)atomic_fetch_add(&passed, i.amount);
		if (me == 0)
			clock_fake_advance(60000);	/* 50 minutes in all */
	}
	return NULL;
}

static void
test_amounts(void **state)
{
	(void)state;
	run(THREADS, hammer_amounts);
	assert_in_range(atomic_load(&passed), 994, 1000);
	assert_int_equal(fixture_used(&fixture, "customer", "acme", HOUR), atomic_load(&passed));
}

/* ---- many keys ---- */

/* Each message takes six keys of twenty, in an order of its own; everything or nothing. */
static void *
mix_keys(void *cookie)
{
	static const char *const names[] = { "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m",
		"n", "o", "p", "q", "r", "s", "t" };
	unsigned me = *(unsigned *)cookie, step = me % 2 == 0 ? 3 : 17, n, i;
	struct store_item items[6];

	(void)pthread_barrier_wait(&barrier);
	for (n = 0; n < 200; n++) {
		for (i = 0; i < 6; i++)
			items[i] = fixture_item("customer", names[(me + n + i * step) % 20], 1, "1500/1h");
		if (judge(items, 6, NULL))
			(void)atomic_fetch_add(&passed, 6);
	}
	return NULL;
}

static void
test_keys_in_opposite_orders(void **state)
{
	static const char *const names[] = { "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m",
		"n", "o", "p", "q", "r", "s", "t" };
	uint32_t sum = 0, used;
	size_t i;

	(void)state;
	run(THREADS, mix_keys);
	for (i = 0; i < 20; i++) {
		used = fixture_used(&fixture, "customer", names[i], HOUR);
		assert_true(used <= 1500);
		sum += used;
	}
	assert_int_equal(sum, atomic_load(&passed));
}

/* ---- one message, many attempts at once ---- */

static void *
same_messages(void *cookie)
{
	struct store_item i = fixture_item("customer", "acme", 1, "100000/1h");
	char message[32];
	int n;

	(void)cookie;
	(void)pthread_barrier_wait(&barrier);
	for (n = 0; n < 100; n++) {
		(void)snprintf(message, sizeof(message), "m%d", n);
		(void)judge(&i, 1, message);
	}
	return NULL;
}

static void
test_same_message_from_all_sides(void **state)
{
	(void)state;
	run(6, same_messages);		/* once, and five times free */
	assert_int_equal(fixture_used(&fixture, "customer", "acme", HOUR), 100);
}

/* ---- distinct values ---- */

static void *
distinct_values(void *cookie)
{
	unsigned me = *(unsigned *)cookie, n, k;
	char text[8][16];
	const char *values[8];
	struct store_item i;

	(void)pthread_barrier_wait(&barrier);
	for (n = 0; n < 100; n++) {
		for (k = 0; k < 8; k++) {
			(void)snprintf(text[k], sizeof(text[k]), "v%u", (me * 7 + n + k * 11) % 400);
			values[k] = text[k];
		}
		i = fixture_distinct("spread", "acme", values, 8, "300/1h");
		(void)judge(&i, 1, NULL);
	}
	return NULL;
}

static void
test_distinct_values(void **state)
{
	struct store_numbers n;

	(void)state;
	run(32, distinct_values);
	store_numbers(fixture.store, &n);
	assert_true(fixture_used(&fixture, "spread", "acme", HOUR) <= 300);
	assert_true(fixture_used(&fixture, "spread", "acme", HOUR) == n.values);
}

/* ---- everything at once, at the cap ---- */

static void *
everything(void *cookie)
{
	unsigned me = *(unsigned *)cookie, n;
	struct store_suspension s, *list;
	struct store_override o, *overrides;
	struct store_usage *top;
	struct store_numbers numbers;
	struct store_item items[2];
	struct arena *a = arena_new(ARENA_DEFAULT_CAP);
	const char *values[3];
	char key[32], message[32];

	(void)pthread_barrier_wait(&barrier);
	if (me == 0) {
		for (n = 0; n < 40; n++) {
			s = (struct store_suspension){ .kind = "customer", .subject = "bad", .action = "hold",
			    .until = UINT64_MAX };
			o = (struct store_override){ .limit = "customer", .key = "k1", .until = UINT64_MAX,
			    .ceilings = fixture_ceilings("20/1h") };
			(void)store_suspend(fixture.store, &s, NULL);
			(void)store_raise(fixture.store, &o, NULL);
			(void)store_keep(fixture.store, "alerts", "a", "b", NULL);
			(void)store_top(fixture.store, a, NULL, 10, &top, NULL);
			(void)store_suspensions(fixture.store, a, &list, NULL);
			(void)store_overrides(fixture.store, a, &overrides, NULL);
			(void)store_reset(fixture.store, "customer", "k2", NULL);
			(void)store_lower(fixture.store, "customer", "k1", NULL);
			(void)store_release(fixture.store, "customer", "bad", NULL);
		}
		atomic_store(&stop, true);
	}
	for (n = 0; me != 0 && !atomic_load(&stop); n++) {
		(void)snprintf(key, sizeof(key), "k%u", (n * 31 + me) % 20000);
		(void)snprintf(message, sizeof(message), "m%u-%u", me, n);
		values[0] = key;
		values[1] = message;
		values[2] = "same";
		items[0] = fixture_item("customer", key, 1, "10/1h");
		items[1] = fixture_distinct("spread", key, values, 3, "10/1h 20/1d");
		(void)judge(items, 2, message);
		(void)store_over_until(fixture.store, "customer", key, NULL);
		(void)store_suspended(fixture.store, "customer", "bad", a, &s);
		if (n % 64 == me) {
			store_poll(fixture.store);
			store_numbers(fixture.store, &numbers);
			if (numbers.bytes > numbers.bytes_most)
				(void)atomic_fetch_add(&wrong, 1);
			clock_fake_advance(1000);
		}
	}
	arena_free(&a);
	return NULL;
}

static void
test_everything_at_once(void **state)
{
	(void)state;
	fixture.settings.memory = 4 << 20;
	fixture_reopen(&fixture);
	run(8, everything);
}

#define THREADED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		THREADED(test_exactly_a_thousand),
		THREADED(test_amounts),
		THREADED(test_keys_in_opposite_orders),
		THREADED(test_same_message_from_all_sides),
		THREADED(test_distinct_values),
		THREADED(test_everything_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
