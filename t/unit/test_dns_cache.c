/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * test_dns_cache - how long what the DNS said serves: fresh, ageing, stale, failed, forgiven, pushed out.
 */
#include "lib/dns_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/banned.h"

#define S UINT64_C(1000000)
#define START (1000 * S)

static struct dns_cache *cache;
static struct arena *arena;
static uint64_t now;

static int
setup(void **state)
{
	(void)state;
	cache = dns_cache_new(DNS_BYTES_LEAST, 86400);
	arena = arena_new(ARENA_DEFAULT_CAP);
	now = START;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	dns_cache_free(&cache);
	arena_free(&arena);
	return 0;
}

static struct dns_key
key(const char *name, enum dns_type type)
{
	struct dns_key k;

	assert_true(dns_key_make(&k, dns_cache_seed(cache), name, type));
	return k;
}

/* One TXT record of n bytes, or an absence. */
static struct dns_said *
said(enum dns_answer answer, uint32_t ttl, size_t n)
{
	size_t size = sizeof(struct dns_said) + sizeof(struct dns_kept) + n + 1;
	struct dns_said *s = calloc(1, size);

	assert_non_null(s);
	atomic_init(&s->refs, 1);
	s->answer = answer;
	s->ttl = ttl;
	s->n = answer == DNS_FOUND;
	s->size = size;
	s->bytes = (char *)(s->at + s->n);
	s->at[0].size = (uint32_t)n;
	if (n > 0)
		memset(s->bytes, 'x', n);
	return s;
}

static void
put(const char *name, enum dns_answer answer, uint32_t ttl, size_t n)
{
	struct dns_key k = key(name, DNS_TXT);
	struct dns_said *s = answer == DNS_FAILED ? dns_said_failed("SERVFAIL") : said(answer, ttl, n);

	dns_cache_put(cache, &k, now, s);
	dns_said_unref(&s);
}

/* What an asker at START + at seconds gets. */
static enum dns_get
get_at(double at, const char *name, struct dns_records *out)
{
	struct dns_key k = key(name, DNS_TXT);
	struct dns_said *old;
	enum dns_get r;

	now = START + (uint64_t)(at * 1e6);
	memset(out, 0, sizeof(*out));
	r = dns_cache_get(cache, &k, now, arena, out, &old);
	assert_int_equal(r == DNS_GET_STALE, old != NULL);
	if (r == DNS_GET_FRESH || r == DNS_GET_AGEING || r == DNS_GET_HELD)
		assert_true(out->cached);
	dns_said_unref(&old);
	return r;
}

static void
test_life(void **state)
{
	struct dns_records r;

	(void)state;
	assert_int_equal(get_at(0, "acme.example", &r), DNS_GET_NOTHING);
	put("acme.example", DNS_FOUND, 100, 5);
	assert_int_equal(get_at(0, "ACME.example.", &r), DNS_GET_FRESH);
	assert_int_equal(r.answer, DNS_FOUND);
	assert_int_equal(r.n, 1);
	assert_int_equal(r.at[0].size, 5);
	assert_string_equal((const char *)r.at[0].data, "xxxxx");
	assert_int_equal(r.ttl, 100);
	assert_int_equal(get_at(79.9, "acme.example", &r), DNS_GET_FRESH);
	assert_int_equal(r.ttl, 21);
	assert_int_equal(get_at(80, "acme.example", &r), DNS_GET_AGEING);
	assert_int_equal(get_at(80, "acme.example", &r), DNS_GET_FRESH);
	assert_int_equal(get_at(99.9, "acme.example", &r), DNS_GET_FRESH);
	assert_int_equal(r.ttl, 1);
	assert_false(r.stale);
	assert_int_equal(get_at(100, "acme.example", &r), DNS_GET_STALE);
	assert_int_equal(get_at(100 + 86399, "acme.example", &r), DNS_GET_STALE);
	assert_int_equal(get_at(100 + 86400, "acme.example", &r), DNS_GET_NOTHING);
}

static void
test_absence_and_types(void **state)
{
	struct dns_records r;
	struct dns_key k = key("gone.example", DNS_A);
	struct dns_said *old;

	(void)state;
	put("gone.example", DNS_NO_NAME, 60, 0);
	assert_int_equal(get_at(1, "gone.example", &r), DNS_GET_FRESH);
	assert_int_equal(r.answer, DNS_NO_NAME);
	assert_int_equal(r.n, 0);
	assert_int_equal(r.ttl, 59);
	assert_int_equal(dns_cache_get(cache, &k, now, arena, &r, &old), DNS_GET_NOTHING);
	put("gone.example", DNS_FOUND, 30, 3);
	assert_int_equal(get_at(2, "gone.example", &r), DNS_GET_FRESH);
	assert_int_equal(r.answer, DNS_FOUND);
}

static void
test_failure_alone(void **state)
{
	struct dns_records r;

	(void)state;
	put("broken.example", DNS_FAILED, 0, 0);
	assert_int_equal(get_at(14.9, "broken.example", &r), DNS_GET_FRESH);
	assert_int_equal(r.answer, DNS_FAILED);
	assert_string_equal(r.why, "SERVFAIL");
	assert_int_equal(r.ttl, 1);
	assert_int_equal(get_at(15, "broken.example", &r), DNS_GET_NOTHING);
	put("broken.example", DNS_FAILED, 0, 0);
	dns_cache_forgive(cache, now + 1);
	assert_int_equal(get_at(15.1, "broken.example", &r), DNS_GET_NOTHING);
}

static void
test_failure_over_stale(void **state)
{
	struct dns_records r;

	(void)state;
	put("acme.example", DNS_FOUND, 100, 5);
	assert_int_equal(get_at(120, "acme.example", &r), DNS_GET_STALE);
	put("acme.example", DNS_FAILED, 0, 0);
	assert_int_equal(get_at(130, "acme.example", &r), DNS_GET_HELD);
	assert_int_equal(r.answer, DNS_FOUND);
	assert_true(r.stale);
	assert_int_equal(r.ttl, 5);
	assert_int_equal(get_at(135, "acme.example", &r), DNS_GET_STALE);
	put("acme.example", DNS_FAILED, 0, 0);
	assert_int_equal(get_at(136, "acme.example", &r), DNS_GET_HELD);
	dns_cache_forgive(cache, now);
	assert_int_equal(get_at(137, "acme.example", &r), DNS_GET_STALE);
	put("acme.example", DNS_FOUND, 100, 6);
	assert_int_equal(get_at(138, "acme.example", &r), DNS_GET_FRESH);
	assert_false(r.stale);
	/* The last failure of all: the old answer is too old to serve. */
	(void)get_at(238 + 86400, "acme.example", &r);
	put("acme.example", DNS_FAILED, 0, 0);
	assert_int_equal(get_at(239 + 86400, "acme.example", &r), DNS_GET_FRESH);
	assert_int_equal(r.answer, DNS_FAILED);
}

/* Asking ahead of time came to nothing: the answer stays, and is asked for again when the failure is over. */
static void
test_failure_while_fresh(void **state)
{
	struct dns_records r;

	(void)state;
	put("acme.example", DNS_FOUND, 100, 5);
	assert_int_equal(get_at(80, "acme.example", &r), DNS_GET_AGEING);
	put("acme.example", DNS_FAILED, 0, 0);
	assert_int_equal(get_at(94, "acme.example", &r), DNS_GET_FRESH);
	assert_int_equal(r.answer, DNS_FOUND);
	assert_int_equal(get_at(95, "acme.example", &r), DNS_GET_AGEING);
	assert_int_equal(get_at(95, "acme.example", &r), DNS_GET_FRESH);
	put("acme.example", DNS_FAILED, 0, 0);
	assert_int_equal(get_at(99, "acme.example", &r), DNS_GET_FRESH);
	assert_int_equal(get_at(101, "acme.example", &r), DNS_GET_HELD);
	assert_int_equal(get_at(110, "acme.example", &r), DNS_GET_STALE);
}

static void
test_bounded(void **state)
{
	struct dns_records r;
	size_t entries, bytes;
	char name[64];
	unsigned i;

	(void)state;
	put("used.example", DNS_FOUND, 3600, 100);
	for (i = 0; i < 30000; i++) {
		(void)snprintf(name, sizeof(name), "n%u.example", i);
		put(name, DNS_FOUND, 3600, 40 + i % 200);
		assert_int_equal(get_at(1, "used.example", &r), DNS_GET_FRESH);
		if (i % 1000 == 999) {
			arena_free(&arena);
			arena = arena_new(ARENA_DEFAULT_CAP);
			dns_cache_size(cache, &entries, &bytes);
			assert_true(bytes <= DNS_BYTES_LEAST);
			assert_true(entries > 900);
		}
	}
	assert_int_equal(get_at(1, "n0.example", &r), DNS_GET_NOTHING);
	assert_int_equal(get_at(1, name, &r), DNS_GET_FRESH);
	/* One that would take the place of many is not kept. */
	put("huge.example", DNS_FOUND, 3600, 60000);
	assert_int_equal(get_at(1, "huge.example", &r), DNS_GET_NOTHING);
	assert_int_equal(get_at(1, "used.example", &r), DNS_GET_FRESH);
}

static void
test_empties(void **state)
{
	size_t entries, bytes, before;
	struct dns_records r;
	char name[64];
	unsigned i;

	(void)state;
	dns_cache_size(cache, &entries, &before);
	assert_int_equal(entries, 0);
	for (i = 0; i < 50; i++) {
		(void)snprintf(name, sizeof(name), "n%u.example", i);
		put(name, DNS_FOUND, 30, i);
	}
	for (i = 0; i < 50; i++) {
		(void)snprintf(name, sizeof(name), "n%u.example", i);
		assert_int_equal(get_at(90000, name, &r), DNS_GET_NOTHING);
	}
	dns_cache_size(cache, &entries, &bytes);
	assert_int_equal(entries, 0);
	assert_int_equal(bytes, before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_life, setup, teardown),
		cmocka_unit_test_setup_teardown(test_absence_and_types, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failure_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failure_over_stale, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failure_while_fresh, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_empties, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
