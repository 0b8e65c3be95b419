/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * cache: what is kept comes back until it expires, what was not asked for longest goes first, and memory
 * has a bound, whatever threads do at the same time.
 */
#include "lib/cache.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "t/unit/clock_fake.h"

static const char *
get(struct cache *c, const char *key, struct arena *a)
{
	return cache_get(c, key, strlen(key), a);
}

static void
put(struct cache *c, const char *key, const char *value, uint32_t ttl)
{
	cache_put(c, key, strlen(key), value, strlen(value) + 1, ttl);
}

static void
keeps_and_expires(void **state)
{
	struct cache *c = cache_open(1 << 20);
	struct arena *a = arena_new(ARENA_DEFAULT_CAP);

	(void)state;
	clock_fake_set(1780000000000ull);
	assert_null(get(c, "a", a));
	put(c, "a", "one", 60);
	put(c, "b", "two", 120);
	put(c, "never", "x", 0);
	assert_string_equal(get(c, "a", a), "one");
	put(c, "a", "three", 60);
	assert_string_equal(get(c, "a", a), "three");
	assert_null(get(c, "never", a));
	assert_null(cache_get(c, "a\0", 2, a));
	clock_fake_advance(60000);
	assert_null(get(c, "a", a));
	assert_string_equal(get(c, "b", a), "two");
	clock_fake_advance(60000);
	assert_null(get(c, "b", a));
	arena_free(&a);
	cache_close(&c);
	assert_null(c);
	cache_close(&c);
}

static void
bounded(void **state)
{
	static char value[1000], big[200000];
	struct cache *c = cache_open(1 << 20);
	struct arena *a = arena_new(64 << 20);
	struct cache_counts n;
	char key[32];
	int i;

	(void)state;
	clock_fake_set(1780000000000ull);
	for (i = 0; i < 20000; i++) {
		snprintf(key, sizeof(key), "key-%d", i);
		cache_put(c, key, strlen(key), value, sizeof(value), 3600);
		/* One that is asked for all the time stays. */
		put(c, "first", "kept", 3600);
		assert_non_null(get(c, "first", a));
	}
	cache_count(c, &n);
	assert_true(n.bytes <= 1 << 20);
	assert_true(n.entries > 500 && n.entries < 1100);
	assert_true(n.evicted > 18000);
	assert_non_null(cache_get(c, "key-19999", 9, a));
	assert_null(cache_get(c, "key-1", 5, a));
	cache_put(c, "big", 3, big, sizeof(big), 60);
	assert_null(get(c, "big", a));
	cache_put(c, big, sizeof(big), "x", 2, 60);
	assert_null(cache_get(c, big, sizeof(big), a));
	arena_free(&a);
	cache_close(&c);
}

static void *
hammer(void *arg)
{
	struct cache *c = arg;
	struct arena *a = arena_new(ARENA_DEFAULT_CAP);
	const char *value;
	char key[32];
	int i;

	for (i = 0; i < 20000; i++) {
		snprintf(key, sizeof(key), "key-%d", i * 7 % 500);
		value = get(c, key, a);
		if (value != NULL && strcmp(value, key) != 0)
			abort();
		put(c, key, key, 60);
	}
	arena_free(&a);
	return NULL;
}

static void
threads(void **state)
{
	struct cache *c = cache_open(64 << 10);
	pthread_t t[4];
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, hammer, c), 0);
	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_join(t[i], NULL), 0);
	cache_close(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_and_expires),
		cmocka_unit_test(bounded),
		cmocka_unit_test(threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
