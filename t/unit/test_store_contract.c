/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * test_store_contract - what every store driver keeps to. All tests run against every driver that
 * store_types() names; a new driver passes them unchanged (store_fixture.c opens it).
 */
#include "lib/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "t/unit/clock_fake.h"
#include "t/unit/store_fixture.h"

#include "lib/banned.h"

#define MINUTE UINT64_C(60000)
#define HOUR UINT64_C(3600000)
#define DAY (24 * HOUR)


/* Its detector of deadlocks knows 64 locks a thread; a message of 300 keys takes more. The order of locks
 * is what test_store_threads.c is for. */
const char *__tsan_default_options(void);

const char *
__tsan_default_options(void)
{
	return "detect_deadlocks=0";
}

static int
setup(void **state)
{
	static struct fixture f;

	clock_fake_set(CLOCK_FAKE_START);
	fixture_open(&f, *state);	/* the driver under test */
	*state = &f;
	return 0;
}

static int
teardown(void **state)
{
	fixture_close(*state);
	return 0;
}

/* ---- opening ---- */

static void
test_unknown_type(void **state)
{
	struct store_settings s = { .type = "etcd", .file = "/nonexistent/state.db", .memory = 64 << 20 };
	struct err e = { .text = "" };

	(void)state;
	assert_null(store_open(&s, &e));
	assert_non_null(strstr(e.text, "etcd"));
	assert_non_null(strstr(e.text, store_types()));
	s.type = NULL;
	assert_null(store_open(&s, &e));
}

static void
test_close_nothing(void **state)
{
	struct store *none = NULL;

	(void)state;
	store_close(&none);
	assert_null(none);
}

/* ---- sums ---- */

static void
test_exactly_n(void **state)
{
	int i;

	for (i = 0; i < 500; i++)
		assert_true(fixture_take(*state, "customer", "acme", 1, "500/1h"));
	assert_false(fixture_take(*state, "customer", "acme", 1, "500/1h"));
	assert_true(fixture_take(*state, "customer", "other", 1, "500/1h"));
	assert_true(fixture_take(*state, "burst", "acme", 1, "500/1h"));
	clock_fake_advance(HOUR + 6 * MINUTE);
	for (i = 0; i < 500; i++)
		assert_true(fixture_take(*state, "customer", "acme", 1, "500/1h"));
	assert_false(fixture_take(*state, "customer", "acme", 1, "500/1h"));
}

static void
test_over_the_borders(void **state)
{
	int i;

	/* The last second of an hour and of a day, and the first of the next. */
	clock_fake_set(CLOCK_FAKE_START + DAY - 1000);
	for (i = 0; i < 60; i++)
		assert_true(fixture_take(*state, "customer", "acme", 1, "100/1h 100/1d"));
	clock_fake_advance(1500);
	for (i = 0; i < 40; i++)
		assert_true(fixture_take(*state, "customer", "acme", 1, "100/1h 100/1d"));
	assert_false(fixture_take(*state, "customer", "acme", 1, "100/1h 100/1d"));
	clock_fake_advance(HOUR - 1000);
	assert_false(fixture_take(*state, "customer", "acme", 1, "100/1h"));
	clock_fake_advance(7 * MINUTE);
	assert_true(fixture_take(*state, "customer", "acme", 100, "100/1h"));
	assert_false(fixture_take(*state, "customer", "acme", 1, "100/1h 100/1d"));
}

static void
test_refused_is_not_charged(void **state)
{
	assert_true(fixture_take(*state, "customer", "acme", 90, "100/1h"));
	assert_false(fixture_take(*state, "customer", "acme", 200, "100/1h"));
	assert_false(fixture_take(*state, "customer", "acme", 11, "100/1h"));
	assert_int_equal(fixture_used(*state, "customer", "acme", HOUR), 90);
	assert_true(fixture_take(*state, "customer", "acme", 10, "100/1h"));
	assert_int_equal(fixture_used(*state, "customer", "acme", HOUR), 100);
}

static void
test_all_or_nothing(void **state)
{
	struct store_item items[3] = {
		fixture_item("customer", "acme", 5, "100/1h 1000/1d"),
		fixture_item("burst", "bob@acme.example", 1, "60/1m"),
		fixture_item("visitor", "203.0.113.9", 1, "1/10m 40/1d"),
	};

	assert_true(fixture_judge(*state, items, 3, NULL));
	assert_false(fixture_judge(*state, items, 3, NULL));
	assert_false(items[0].over);
	assert_false(items[1].over);
	assert_true(items[2].over);
	assert_int_equal(fixture_used(*state, "customer", "acme", HOUR), 5);
	assert_int_equal(fixture_used(*state, "customer", "acme", DAY), 5);
	assert_int_equal(fixture_used(*state, "burst", "bob@acme.example", MINUTE), 1);
	assert_int_equal(fixture_used(*state, "visitor", "203.0.113.9", DAY), 1);
}

/* A window of the same limit that refuses holds the others back too. */
static void
test_windows_of_one_limit(void **state)
{
	int i;

	for (i = 0; i < 3; i++) {
		assert_true(fixture_take(*state, "customer", "acme", 10, "10/1m 30/1h"));
		assert_false(fixture_take(*state, "customer", "acme", 1, "10/1m 30/1h"));
		clock_fake_advance(MINUTE + MINUTE / 10);
	}
	assert_false(fixture_take(*state, "customer", "acme", 1, "10/1m 30/1h"));
	assert_int_equal(fixture_used(*state, "customer", "acme", MINUTE), 0);
	assert_int_equal(fixture_used(*state, "customer", "acme", HOUR), 30);
}

static void
test_answers(void **state)
{
	struct store_item i = fixture_item("customer", "acme", 30, "50/1h 200/1d");

	assert_true(fixture_judge(*state, &i, 1, NULL));
	assert_int_equal(i.tight, 0);
	assert_int_equal(i.used, 30);
	assert_int_equal(i.ceiling.most, 50);
	assert_true(i.ceiling.length == HOUR);
	clock_fake_advance(HOUR * 2);
	assert_true(fixture_judge(*state, &i, 1, NULL));	/* 30 of 50, 60 of 200 */
	clock_fake_advance(HOUR * 2);
	i.amount = 50;
	assert_true(fixture_judge(*state, &i, 1, NULL));	/* 50 of 50, 110 of 200 */
	clock_fake_advance(HOUR * 2);
	i.amount = 41;
	assert_true(fixture_judge(*state, &i, 1, NULL));	/* 41 of 50, 151 of 200 */
	assert_int_equal(i.tight, 0);
	clock_fake_advance(HOUR * 2);
	i.amount = 1;
	assert_true(fixture_judge(*state, &i, 1, NULL));	/* 1 of 50, 152 of 200 */
	assert_int_equal(i.tight, 1);
	assert_int_equal(i.used, 152);
	i.amount = 49;
	assert_false(fixture_judge(*state, &i, 1, NULL));	/* fits the hour, not the day */
	assert_int_equal(i.tight, 1);
	assert_int_equal(i.used, 152);
	assert_true(i.over);
	/* Units of midnight go in the eleventh slice of 2.4 h: 26.4 h later. */
	assert_true(i.retry_at == CLOCK_FAKE_START + DAY / 10 * 11);
	clock_fake_set(i.retry_at - 1);
	assert_false(fixture_judge(*state, &i, 1, NULL));
	clock_fake_advance(1);
	assert_true(fixture_judge(*state, &i, 1, NULL));
	assert_false(i.over);
	assert_true(i.retry_at == 0);
}

static void
test_larger_than_the_ceiling(void **state)
{
	struct store_item i = fixture_item("customer", "acme", 101, "100/1h 100/1d");

	assert_false(fixture_judge(*state, &i, 1, NULL));
	assert_true(i.over);
	assert_true(i.retry_at == UINT64_MAX);
	assert_true(store_over_until(((struct fixture *)*state)->store, "customer", "acme", NULL) == 0);
	i.amount = UINT32_MAX;
	assert_false(fixture_judge(*state, &i, 1, NULL));
	assert_true(fixture_take(*state, "customer", "acme", 100, "100/1h"));
}

static void
test_only_judged(void **state)
{
	struct store_item i = fixture_item("customer", "acme", 0, "10/1h");

	assert_true(fixture_judge(*state, &i, 1, NULL));
	assert_int_equal(fixture_used(*state, "customer", "acme", HOUR), 0);
	assert_true(fixture_take(*state, "customer", "acme", 9, "10/1h"));
	assert_true(fixture_judge(*state, &i, 1, NULL));
	assert_int_equal(i.used, 9);
	assert_true(fixture_take(*state, "customer", "acme", 1, "10/1h"));
	assert_false(fixture_judge(*state, &i, 1, NULL));
	assert_true(i.over);
	assert_true(i.retry_at == CLOCK_FAKE_START + HOUR / 10 * 11);
	assert_int_equal(fixture_used(*state, "customer", "acme", HOUR), 10);
}

static void
test_soft(void **state)
{
	struct store_item items[2] = {
		fixture_item("tagged", "acme", 6, "10/1h"),
		fixture_item("customer", "acme", 6, "100/1h"),
	};

	items[0].soft = true;
	assert_true(fixture_judge(*state, items, 2, NULL));
	assert_false(items[0].over);
	assert_true(fixture_judge(*state, items, 2, NULL));
	assert_true(items[0].over);
	assert_false(items[1].over);
	assert_int_equal(fixture_used(*state, "tagged", "acme", HOUR), 6);
	assert_int_equal(fixture_used(*state, "customer", "acme", HOUR), 12);
	/* It refuses nothing, so nothing is refused at MAIL either. */
	items[0].amount = 4;
	assert_true(fixture_judge(*state, items, 2, NULL));
	assert_true(fixture_judge(*state, items, 2, NULL));
	assert_true(items[0].over);
	assert_true(store_over_until(((struct fixture *)*state)->store, "tagged", "acme", NULL) == 0);
}

static void
test_always(void **state)
{
	struct store_item i = fixture_item("refusals", "acme", 1, "3/1h");
	struct store_item items[2] = {
		fixture_item("refusals", "acme", 1, "3/1h"),
		fixture_item("customer", "acme", 1, "100/1h"),
	};
	int n;

	i.always = items[0].always = true;
	for (n = 0; n < 3; n++)
		assert_true(fixture_judge(*state, &i, 1, NULL));
	assert_false(fixture_judge(*state, &i, 1, NULL));
	assert_true(i.over);
	assert_int_equal(fixture_used(*state, "refusals", "acme", HOUR), 4);
	/* It refuses the others, and is charged itself. */
	assert_false(fixture_judge(*state, items, 2, NULL));
	assert_int_equal(fixture_used(*state, "refusals", "acme", HOUR), 5);
	assert_int_equal(fixture_used(*state, "customer", "acme", HOUR), 0);
	items[0].soft = true;
	assert_true(fixture_judge(*state, items, 2, NULL));
	assert_true(items[0].over);
	assert_int_equal(fixture_used(*state, "refusals", "acme", HOUR), 6);
	assert_int_equal(fixture_used(*state, "customer", "acme", HOUR), 1);
}

static void
test_warned_once(void **state)
{
	struct store_item i = fixture_item("customer", "acme", 1, "10/1h 1000/1d");
	int n, warned = 0, at = 0;

	for (n = 1; n <= 12; n++) {
		(void)fixture_judge(*state, &i, 1, NULL);
		if (i.warned) {
			warned++;
			at = n;
		}
	}
	assert_int_equal(warned, 1);
	assert_int_equal(at, 8);
	/* Once more after the window emptied; and in one leap over the line. */
	clock_fake_advance(2 * HOUR);
	i.amount = 10;
	assert_true(fixture_judge(*state, &i, 1, NULL));
	assert_true(i.warned);
	i.amount = 1;
	assert_false(fixture_judge(*state, &i, 1, NULL));
	assert_false(i.warned);
}

/* ---- retries ---- */

static void
test_retries_are_free(void **state)
{
	struct fixture *f = *state;
	struct store_item i = fixture_item("customer", "acme", 10, "100/1h");
	struct store_request r = { .items = &i, .n = 1, .message = "bob@acme.example <1@acme.example>" };
	unsigned n;

	assert_int_equal(store_judge(f->store, &r, UINT64_MAX, NULL), 1);
	assert_true(r.taken);
	assert_false(r.repeated);
	for (n = 0; n < STORE_RETRIES_MAX; n++) {
		assert_int_equal(store_judge(f->store, &r, UINT64_MAX, NULL), 1);
		assert_true(r.taken);
		assert_true(r.repeated);
		assert_int_equal(i.used, 10);
	}
	assert_int_equal(fixture_used(f, "customer", "acme", HOUR), 10);
	/* A bounded number of times, then it is a new message. */
	assert_int_equal(store_judge(f->store, &r, UINT64_MAX, NULL), 1);
	assert_true(r.taken);
	assert_false(r.repeated);
	assert_int_equal(fixture_used(f, "customer", "acme", HOUR), 20);
	assert_int_equal(store_judge(f->store, &r, UINT64_MAX, NULL), 1);
	assert_true(r.repeated);
	/* Another message is another message. */
	r.message = "bob@acme.example <2@acme.example>";
	assert_int_equal(store_judge(f->store, &r, UINT64_MAX, NULL), 1);
	assert_false(r.repeated);
	assert_int_equal(fixture_used(f, "customer", "acme", HOUR), 30);
}

static void
test_retry_after_an_hour(void **state)
{
	struct store_item i = fixture_item("customer", "acme", 1, "100/1d");

	assert_true(fixture_judge(*state, &i, 1, "m"));
	clock_fake_advance(HOUR - 1);
	assert_true(fixture_judge(*state, &i, 1, "m"));
	assert_int_equal(fixture_used(*state, "customer", "acme", DAY), 1);
	clock_fake_advance(1);
	assert_true(fixture_judge(*state, &i, 1, "m"));
	assert_int_equal(fixture_used(*state, "customer", "acme", DAY), 2);
}

static void
test_refused_is_not_remembered(void **state)
{
	struct store_item i = fixture_item("customer", "acme", 10, "10/1h");

	assert_true(fixture_judge(*state, &i, 1, "first"));
	assert_false(fixture_judge(*state, &i, 1, "second"));
	assert_false(fixture_judge(*state, &i, 1, "second"));
	/* The first is free although the limit is full. */
	assert_true(fixture_judge(*state, &i, 1, "first"));
	assert_false(i.over);
	clock_fake_advance(HOUR + HOUR / 10);
	assert_true(fixture_judge(*state, &i, 1, "second"));
	assert_int_equal(fixture_used(*state, "customer", "acme", HOUR), 10);
}

static void
test_dry(void **state)
{
	struct fixture *f = *state;
	struct store_item i = fixture_item("customer", "acme", 8, "10/1h");
	struct store_request r = { .items = &i, .n = 1, .message = "m", .warn_at = 80, .dry = true };

	assert_int_equal(store_judge(f->store, &r, UINT64_MAX, NULL), 1);
	assert_true(r.taken);
	assert_true(i.warned);
	assert_int_equal(i.used, 8);
	assert_int_equal(fixture_used(f, "customer", "acme", HOUR), 0);
	r.dry = false;
	assert_int_equal(store_judge(f->store, &r, UINT64_MAX, NULL), 1);
	assert_false(r.repeated);
	r.dry = true;
	r.message = "n";
	i.amount = 10;
	assert_int_equal(store_judge(f->store, &r, UINT64_MAX, NULL), 1);
	assert_false(r.taken);
	assert_true(i.over);
	assert_int_equal(fixture_used(f, "customer", "acme", HOUR), 8);
	/* A dry look at a repeated one uses up none of its repeats. */
	r.message = "m";
	assert_int_equal(store_judge(f->store, &r, UINT64_MAX, NULL), 1);
	assert_true(r.repeated);
}

/* ---- distinct values ---- */

static void
test_distinct(void **state)
{
	static const char *const some[] = { "a@x.example", "b@x.example", "a@x.example" };
	static const char *const others[] = { "b@x.example", "c@x.example" };
	static const char *const more[] = { "d@x.example" };
	struct store_item i = fixture_distinct("spread", "acme", some, 3, "3/1h");

	assert_true(fixture_judge(*state, &i, 1, NULL));
	assert_int_equal(i.used, 2);
	assert_true(fixture_judge(*state, &i, 1, NULL));	/* all known */
	assert_int_equal(i.used, 2);
	i = fixture_distinct("spread", "acme", others, 2, "3/1h");
	assert_true(fixture_judge(*state, &i, 1, NULL));
	assert_int_equal(i.used, 3);
	i = fixture_distinct("spread", "acme", more, 1, "3/1h");
	assert_false(fixture_judge(*state, &i, 1, NULL));
	assert_int_equal(i.used, 3);
	/* A known one passes at the ceiling, and the key is not noted as full. */
	i = fixture_distinct("spread", "acme", some, 3, "3/1h");
	assert_true(fixture_judge(*state, &i, 1, NULL));
	assert_true(store_over_until(((struct fixture *)*state)->store, "spread", "acme", NULL) == 0);
	/* The refused value was not kept: it is new to another key and to this one. */
	i = fixture_distinct("spread", "other", more, 1, "3/1h");
	assert_true(fixture_judge(*state, &i, 1, NULL));
	assert_int_equal(i.used, 1);
}

static void
test_distinct_seen_again_stays(void **state)
{
	static const char *const a[] = { "192.0.2.0/24" }, *const b[] = { "198.51.100.0/24" };
	struct store_item one = fixture_distinct("spread", "acme", a, 1, "1/1h");
	struct store_item two = fixture_distinct("spread", "acme", b, 1, "1/1h");
	int i;

	/* For three hours the same network, every half hour: never another one beside it. */
	for (i = 0; i < 6; i++) {
		assert_true(fixture_judge(*state, &one, 1, NULL));
		assert_int_equal(one.used, 1);
		assert_false(fixture_judge(*state, &two, 1, NULL));
		clock_fake_advance(HOUR / 2);
	}
	clock_fake_advance(HOUR / 2 + HOUR / 10);
	assert_true(fixture_judge(*state, &two, 1, NULL));
	assert_int_equal(two.used, 1);
}

static void
test_distinct_over_two_windows(void **state)
{
	static const char *const a[] = { "a" }, *const b[] = { "b" }, *const c[] = { "c" };
	static const char *const abc[] = { "a", "b", "c" };
	struct store_item i = fixture_distinct("spread", "acme", a, 1, "2/1h 3/1d");

	assert_true(fixture_judge(*state, &i, 1, NULL));
	clock_fake_advance(2 * HOUR);
	i.values = b;
	assert_true(fixture_judge(*state, &i, 1, NULL));
	clock_fake_advance(2 * HOUR);
	i.values = c;
	assert_true(fixture_judge(*state, &i, 1, NULL));
	assert_int_equal(fixture_used(*state, "spread", "acme", HOUR), 1);
	assert_int_equal(fixture_used(*state, "spread", "acme", DAY), 3);
	/* All are known to the day; three in the hour would be too many. */
	i.values = abc;
	i.n_values = 3;
	assert_false(fixture_judge(*state, &i, 1, NULL));
	assert_int_equal(i.tight, 0);
	i.n_values = 1;		/* a again: the hour has c, the day moves a */
	assert_true(fixture_judge(*state, &i, 1, NULL));
	assert_int_equal(fixture_used(*state, "spread", "acme", HOUR), 2);
	assert_int_equal(fixture_used(*state, "spread", "acme", DAY), 3);
}

static void
test_distinct_many_at_once(void **state)
{
	enum { MANY = 3000 };
	static char text[MANY][24];
	const char *values[MANY * 2];
	struct store_item i;
	int n;

	for (n = 0; n < MANY; n++) {
		(void)snprintf(text[n], sizeof(text[n]), "r%d@x.example", n);
		values[n] = values[MANY + n] = text[n];
	}
	i = fixture_distinct("spread", "acme", values, (size_t)MANY * 2, "3000/1h");
	assert_true(fixture_judge(*state, &i, 1, NULL));
	assert_int_equal(i.used, MANY);
	assert_true(fixture_judge(*state, &i, 1, NULL));
	assert_int_equal(i.used, MANY);
	values[0] = "new@x.example";
	i.n_values = MANY;
	assert_false(fixture_judge(*state, &i, 1, NULL));
	assert_true(i.retry_at == CLOCK_FAKE_START + HOUR / 10 * 11);
}

static void
test_distinct_reset(void **state)
{
	struct fixture *f = *state;
	static const char *const ab[] = { "a", "b" };
	struct store_item i = fixture_distinct("spread", "acme", ab, 2, "2/1h 2/1d");
	int n;

	for (n = 0; n < 3; n++) {
		assert_true(fixture_judge(f, &i, 1, NULL));
		assert_int_equal(fixture_used(f, "spread", "acme", HOUR), 2);
		assert_int_equal(store_reset(f->store, "spread", "acme", NULL), STORE_DONE);
		assert_int_equal(fixture_used(f, "spread", "acme", HOUR), 0);
	}
	i.n_values = 1;
	assert_true(fixture_judge(f, &i, 1, NULL));
	assert_int_equal(fixture_used(f, "spread", "acme", DAY), 1);
}

/* ---- overrides ---- */

static enum store_result
raise_to(struct fixture *f, const char *limit, const char *key, const char *ceilings, uint64_t ms)
{
	struct store_override o = { .limit = limit, .key = key, .exempt = ceilings == NULL,
	    .reason = "newsletter", .by = "uid 0", .since = clock_now(), .until = clock_now() + ms };

	if (ceilings != NULL)
		o.ceilings = fixture_ceilings(ceilings);
	return store_raise(f->store, &o, NULL);
}

static void
test_raise_falls_back(void **state)
{
	struct store_item i = fixture_item("customer", "acme", 1, "10/1h 1000/1d");

	assert_true(fixture_take(*state, "customer", "acme", 10, "10/1h 1000/1d"));
	assert_false(fixture_judge(*state, &i, 1, NULL));
	/* A length that the limit does not have adds none. */
	assert_int_equal(raise_to(*state, "customer", "acme", "30/1h 1/1m", 3 * HOUR), STORE_DONE);
	assert_true(fixture_judge(*state, &i, 1, NULL));
	assert_int_equal(i.ceiling.most, 30);
	assert_false(i.exempt);
	i.amount = 20;
	assert_false(fixture_judge(*state, &i, 1, NULL));
	i.amount = 19;
	assert_true(fixture_judge(*state, &i, 1, NULL));
	assert_false(fixture_take(*state, "customer", "other", 11, "10/1h"));
	clock_fake_advance(3 * HOUR);
	store_poll(((struct fixture *)*state)->store);
	i.amount = 11;
	assert_false(fixture_judge(*state, &i, 1, NULL));
	i.amount = 10;
	assert_true(fixture_judge(*state, &i, 1, NULL));
}

static void
test_lower(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(raise_to(f, "customer", "acme", "30/1h", HOUR), STORE_DONE);
	assert_true(fixture_take(f, "customer", "acme", 20, "10/1h"));
	assert_int_equal(store_lower(f->store, "customer", "acme", NULL), STORE_DONE);
	assert_false(fixture_take(f, "customer", "acme", 1, "10/1h"));
	assert_int_equal(store_lower(f->store, "customer", "acme", NULL), STORE_REFUSED);
	assert_int_equal(raise_to(f, "customer", "acme", "30/1h", HOUR), STORE_DONE);
	clock_fake_advance(HOUR);
	assert_int_equal(store_lower(f->store, "customer", "acme", NULL), STORE_REFUSED); /* it was over */
}

static void
test_exempt(void **state)
{
	struct fixture *f = *state;
	struct store_item items[2] = {
		fixture_item("customer", "acme", 50, "10/1h"),
		fixture_item("burst", "acme", 50, "10/1m"),
	};

	assert_int_equal(raise_to(f, "customer", "acme", NULL, HOUR), STORE_DONE);
	assert_true(fixture_judge(f, items, 1, NULL));
	assert_true(items[0].exempt);
	assert_false(items[0].over);
	assert_false(items[0].warned);
	assert_int_equal(fixture_used(f, "customer", "acme", HOUR), 50);	/* counted all the same */
	assert_false(fixture_judge(f, items, 2, NULL));
	assert_int_equal(raise_to(f, "*", "acme", NULL, HOUR), STORE_DONE);
	assert_true(fixture_judge(f, items, 2, NULL));
	assert_true(items[1].exempt);
	assert_int_equal(store_lower(f->store, "customer", "acme", NULL), STORE_DONE);
	assert_true(fixture_judge(f, items, 2, NULL));
	assert_int_equal(store_lower(f->store, "*", "acme", NULL), STORE_DONE);
	assert_false(fixture_judge(f, items, 2, NULL));
	assert_false(items[0].exempt);
}

static void
test_overrides_listed(void **state)
{
	struct fixture *f = *state;
	struct store_override *all;

	assert_int_equal(store_overrides(f->store, f->arena, &all, NULL), 0);
	assert_int_equal(raise_to(f, "customer", "acme", "30/1h 300/1d", 5 * HOUR), STORE_DONE);
	clock_fake_advance(1000);
	assert_int_equal(raise_to(f, "*", "other", NULL, HOUR), STORE_DONE);
	assert_int_equal(store_overrides(f->store, f->arena, &all, NULL), 2);
	assert_string_equal(all[0].key, "other");
	assert_string_equal(all[0].limit, "*");
	assert_true(all[0].exempt);
	assert_string_equal(all[1].limit, "customer");
	assert_string_equal(all[1].key, "acme");
	assert_false(all[1].exempt);
	assert_int_equal(all[1].ceilings.n, 2);
	assert_int_equal(all[1].ceilings.at[1].most, 300);
	assert_true(all[1].ceilings.at[1].length == DAY);
	assert_string_equal(all[1].reason, "newsletter");
	assert_string_equal(all[1].by, "uid 0");
	assert_true(all[1].until == CLOCK_FAKE_START + 5 * HOUR);
	clock_fake_advance(2 * HOUR);
	assert_int_equal(store_overrides(f->store, f->arena, &all, NULL), 1);
}

static void
test_raise_input(void **state)
{
	struct fixture *f = *state;
	struct store_override o = { .limit = "customer", .key = "acme", .until = clock_now() + HOUR };
	struct err e = { .text = "" };

	assert_int_equal(store_raise(f->store, &o, &e), STORE_FAILED);		/* to nothing */
	o.ceilings = fixture_ceilings("10/1h");
	o.limit = "*";
	assert_int_equal(store_raise(f->store, &o, &e), STORE_FAILED);		/* of every limit */
	o.limit = "customer";
	o.until = clock_now();
	assert_int_equal(store_raise(f->store, &o, &e), STORE_FAILED);		/* over already */
	o.until = UINT64_MAX;
	o.key = "";
	assert_int_equal(store_raise(f->store, &o, &e), STORE_FAILED);
	o.key = "acme";
	assert_int_equal(store_raise(f->store, &o, &e), STORE_DONE);
	o.ceilings.at[0].most = 0;
	assert_int_equal(store_raise(f->store, &o, &e), STORE_FAILED);
}

/* ---- known to be full ---- */

static void
test_over_until(void **state)
{
	struct fixture *f = *state;
	struct limit_ceiling c = { 0, 0 };

	assert_true(store_over_until(f->store, "customer", "acme", &c) == 0);
	assert_true(fixture_take(f, "customer", "acme", 9, "10/1h 100/1d"));
	assert_false(fixture_take(f, "customer", "acme", 2, "10/1h 100/1d"));
	/* There is room for one: a smaller message may pass. */
	assert_true(store_over_until(f->store, "customer", "acme", &c) == 0);
	assert_true(fixture_take(f, "customer", "acme", 1, "10/1h 100/1d"));
	/* Full, but nobody was refused. */
	assert_true(store_over_until(f->store, "customer", "acme", &c) == 0);
	assert_false(fixture_take(f, "customer", "acme", 3, "10/1h 100/1d"));
	assert_true(store_over_until(f->store, "customer", "acme", &c) == CLOCK_FAKE_START + HOUR / 10 * 11);
	assert_int_equal(c.most, 10);
	assert_true(c.length == HOUR);
	assert_true(store_over_until(f->store, "customer", "other", &c) == 0);
	assert_true(store_over_until(f->store, "burst", "acme", &c) == 0);
	clock_fake_set(CLOCK_FAKE_START + HOUR / 10 * 11 - 1);
	assert_true(store_over_until(f->store, "customer", "acme", &c) != 0);
	clock_fake_advance(1);
	assert_true(store_over_until(f->store, "customer", "acme", &c) == 0);
	assert_true(fixture_take(f, "customer", "acme", 1, "10/1h 100/1d"));
}

static void
test_over_is_forgotten(void **state)
{
	struct fixture *f = *state;
	int i;

	for (i = 0; i < 5; i++) {
		(void)fixture_take(f, "customer", "acme", 10, "10/1h");
		assert_false(fixture_take(f, "customer", "acme", 1, "10/1h"));
		assert_true(store_over_until(f->store, "customer", "acme", NULL) != 0);
		switch (i) {
		case 0:
			store_forget_over(f->store);
			break;
		case 1:
			assert_int_equal(raise_to(f, "customer", "acme", "20/1h", 1000), STORE_DONE);
			assert_int_equal(store_lower(f->store, "customer", "acme", NULL), STORE_DONE);
			break;
		case 2:
			assert_int_equal(raise_to(f, "customer", "acme", NULL, 1000), STORE_DONE);
			assert_int_equal(store_lower(f->store, "customer", "acme", NULL), STORE_DONE);
			break;
		case 3:
			assert_int_equal(raise_to(f, "*", "acme", NULL, 1000), STORE_DONE);
			assert_int_equal(store_lower(f->store, "*", "acme", NULL), STORE_DONE);
			break;
		default:
			assert_int_equal(store_reset(f->store, "customer", "acme", NULL), STORE_DONE);
		}
		assert_true(store_over_until(f->store, "customer", "acme", NULL) == 0);
	}
	assert_true(fixture_take(f, "customer", "acme", 10, "10/1h"));
}

/* ---- suspensions ---- */

static enum store_result
suspend(struct fixture *f, const char *kind, const char *subject, const char *action, uint64_t until)
{
	struct store_suspension w = { .kind = kind, .subject = subject, .action = action,
	    .reason = "stolen password", .by = "escalation", .since = clock_now(), .until = until };

	return store_suspend(f->store, &w, NULL);
}

static void
test_suspend_and_release(void **state)
{
	struct fixture *f = *state;
	struct store_suspension s;

	assert_int_equal(store_suspended(f->store, "account", "bob@acme.example", f->arena, &s), 0);
	assert_int_equal(store_release(f->store, "account", "bob@acme.example", NULL), STORE_REFUSED);
	assert_int_equal(suspend(f, "account", "Bob@Acme.example", "reject", UINT64_MAX), STORE_DONE);
	assert_int_equal(store_suspended(f->store, "account", "bob@acme.example", f->arena, &s), 1);
	assert_string_equal(s.kind, "account");
	assert_string_equal(s.subject, "bob@acme.example");
	assert_string_equal(s.action, "reject");
	assert_string_equal(s.reason, "stolen password");
	assert_string_equal(s.by, "escalation");
	assert_true(s.since == CLOCK_FAKE_START);
	assert_true(s.until == UINT64_MAX);
	assert_int_equal(store_suspended(f->store, "account", "BOB@ACME.EXAMPLE", f->arena, &s), 1);
	assert_int_equal(store_suspended(f->store, "customer", "bob@acme.example", f->arena, &s), 0);
	assert_int_equal(store_suspended(f->store, "account", "bob@acme.exampl", f->arena, &s), 0);
	/* Again: the newer one counts. */
	assert_int_equal(suspend(f, "account", "bob@acme.example", "hold", clock_now() + HOUR), STORE_DONE);
	assert_int_equal(store_suspended(f->store, "account", "bob@acme.example", f->arena, &s), 1);
	assert_string_equal(s.action, "hold");
	assert_int_equal(store_release(f->store, "account", "BOB@acme.example", NULL), STORE_DONE);
	assert_int_equal(store_suspended(f->store, "account", "bob@acme.example", f->arena, &s), 0);
	assert_int_equal(store_release(f->store, "account", "bob@acme.example", NULL), STORE_REFUSED);
}

static void
test_suspension_expires(void **state)
{
	struct fixture *f = *state;
	struct store_suspension s, *all;
	struct store_numbers n;

	assert_int_equal(suspend(f, "customer", "acme", "defer", clock_now() + HOUR), STORE_DONE);
	clock_fake_advance(HOUR - 1);
	assert_int_equal(store_suspended(f->store, "customer", "acme", f->arena, &s), 1);
	clock_fake_advance(1);
	assert_int_equal(store_suspended(f->store, "customer", "acme", f->arena, &s), 0);
	assert_int_equal(store_suspensions(f->store, f->arena, &all, NULL), 0);
	assert_int_equal(store_release(f->store, "customer", "acme", NULL), STORE_REFUSED);
	assert_int_equal(suspend(f, "customer", "acme", "defer", clock_now() + HOUR), STORE_DONE);
	clock_fake_advance(HOUR);
	store_poll(f->store);
	store_numbers(f->store, &n);
	assert_true(n.suspensions == 0);
}

static void
test_suspensions_listed(void **state)
{
	struct fixture *f = *state;
	struct store_suspension *all;
	char subject[32];
	int i;

	for (i = 0; i < 200; i++) {
		(void)snprintf(subject, sizeof(subject), "c%d", i);
		assert_int_equal(suspend(f, "customer", subject, "reject", UINT64_MAX), STORE_DONE);
		clock_fake_advance(1);
	}
	assert_int_equal(store_suspensions(f->store, f->arena, &all, NULL), 200);
	for (i = 0; i < 200; i++) {
		(void)snprintf(subject, sizeof(subject), "c%d", 199 - i);
		assert_string_equal(all[i].subject, subject);
	}
}

static void
test_suspend_input(void **state)
{
	struct fixture *f = *state;
	struct store_suspension s;
	char subject[400];

	assert_int_equal(suspend(f, "account", "", "reject", UINT64_MAX), STORE_FAILED);
	assert_int_equal(suspend(f, "", "bob", "reject", UINT64_MAX), STORE_FAILED);
	assert_int_equal(suspend(f, "account", NULL, "reject", UINT64_MAX), STORE_FAILED);
	assert_int_equal(suspend(f, "account", "bob", "explode", UINT64_MAX), STORE_FAILED);
	assert_int_equal(suspend(f, "account", "bob", NULL, UINT64_MAX), STORE_FAILED);
	assert_int_equal(suspend(f, "account", "bob", "reject", clock_now()), STORE_FAILED);
	memset(subject, 'x', sizeof(subject));
	subject[321] = '\0';
	assert_int_equal(suspend(f, "account", subject, "reject", UINT64_MAX), STORE_FAILED);
	subject[320] = '\0';
	assert_int_equal(suspend(f, "account", subject, "reject", UINT64_MAX), STORE_DONE);
	assert_int_equal(store_suspended(f->store, "account", subject, f->arena, &s), 1);
	subject[319] = '\0';
	assert_int_equal(store_suspended(f->store, "account", subject, f->arena, &s), 0);
	assert_int_equal(
	    suspend(f, "account", "'; DROP TABLE suspensions; --\n\xff", "reject", UINT64_MAX), STORE_DONE);
	assert_int_equal(
	    store_suspended(f->store, "account", "'; drop table suspensions; --\n\xff", f->arena, &s), 1);
}

/* ---- looking ---- */

static void
test_usage(void **state)
{
	struct fixture *f = *state;
	struct store_usage u;

	assert_int_equal(store_usage(f->store, f->arena, "customer", "acme", &u, NULL), 0);
	assert_true(fixture_take(f, "customer", "acme", 7, "10/1h 100/1d"));
	assert_int_equal(store_usage(f->store, f->arena, "customer", "acme", &u, NULL), 1);
	assert_string_equal(u.limit, "customer");
	assert_string_equal(u.key, "acme");
	assert_int_equal(u.n, 2);
	assert_true(u.at[0].length == HOUR);
	assert_int_equal(u.at[0].used, 7);
	assert_int_equal(u.at[0].most, 10);
	assert_int_equal(u.at[1].most, 100);
	clock_fake_advance(2 * DAY);
	assert_int_equal(store_usage(f->store, f->arena, "customer", "acme", &u, NULL), 0);
	assert_int_equal(store_usage(f->store, f->arena, "customer", "", &u, NULL), -1);
}

static void
test_top(void **state)
{
	struct fixture *f = *state;
	struct store_usage *top;
	char key[32];
	uint32_t i;

	assert_int_equal(store_top(f->store, f->arena, NULL, 10, &top, NULL), 0);
	for (i = 1; i <= 50; i++) {
		(void)snprintf(key, sizeof(key), "c%u", i);
		assert_true(fixture_take(f, "customer", key, i, "100/1h 10000/1d"));
	}
	assert_true(fixture_take(f, "burst", "c7", 9, "10/1m"));
	/* No limit of anybody's: only who names it is shown it. */
	assert_true(fixture_take(f, "own.count", "c0", 1, "1/1d"));
	assert_int_equal(store_top(f->store, f->arena, "own.count", 3, &top, NULL), 1);
	assert_int_equal(store_top(f->store, f->arena, NULL, 3, &top, NULL), 3);
	assert_string_equal(top[0].limit, "burst");
	assert_string_equal(top[0].key, "c7");
	assert_string_equal(top[1].key, "c50");
	assert_int_equal(top[1].at[0].used, 50);
	assert_string_equal(top[2].key, "c49");
	assert_int_equal(store_top(f->store, f->arena, "customer", 100, &top, NULL), 50);
	assert_string_equal(top[0].key, "c50");
	assert_string_equal(top[49].key, "c1");
	assert_int_equal(store_top(f->store, f->arena, "none", 100, &top, NULL), 0);
	assert_int_equal(store_top(f->store, f->arena, NULL, 0, &top, NULL), 0);
	clock_fake_advance(2 * MINUTE);
	assert_int_equal(store_top(f->store, f->arena, NULL, 1, &top, NULL), 1);
	assert_string_equal(top[0].key, "c50");		/* the burst has gone by */
}

static void
test_reset(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(store_reset(f->store, "customer", "acme", NULL), STORE_REFUSED);
	assert_true(fixture_take(f, "customer", "acme", 10, "10/1h"));
	assert_true(fixture_take(f, "customer", "other", 10, "10/1h"));
	assert_int_equal(store_reset(f->store, "customer", "acme", NULL), STORE_DONE);
	assert_int_equal(store_reset(f->store, "customer", "acme", NULL), STORE_REFUSED);
	assert_true(fixture_take(f, "customer", "acme", 10, "10/1h"));
	assert_false(fixture_take(f, "customer", "other", 1, "10/1h"));
}

static void
test_numbers(void **state)
{
	struct fixture *f = *state;
	static const char *const values[] = { "a", "b", "c" };
	struct store_item i = fixture_distinct("spread", "acme", values, 3, "3/1h");
	struct store_numbers n;

	assert_true(fixture_judge(f, &i, 1, "m"));
	assert_true(fixture_take(f, "customer", "acme", 10, "10/1h"));
	assert_false(fixture_take(f, "customer", "acme", 10, "10/1h"));
	assert_int_equal(suspend(f, "customer", "acme", "reject", UINT64_MAX), STORE_DONE);
	assert_int_equal(raise_to(f, "customer", "acme", "30/1h", HOUR), STORE_DONE);
	store_numbers(f->store, &n);
	assert_true(n.keys == 2);
	assert_true(n.values == 3);
	assert_true(n.digests == 1);
	assert_true(n.judged == 3);
	assert_true(n.taken == 2);
	assert_true(n.refused == 1);
	assert_true(n.evicted == 0);
	assert_true(n.suspensions == 1);
	assert_true(n.overrides == 1);
	assert_true(n.bytes <= n.bytes_most);
}

/* ---- changed configuration ---- */

static void
test_ceilings_change(void **state)
{
	assert_true(fixture_take(*state, "customer", "acme", 40, "50/1h 200/1d"));
	/* A larger plan of the same windows keeps the counts. */
	assert_false(fixture_take(*state, "customer", "acme", 211, "250/1h 2000/1d"));
	assert_true(fixture_take(*state, "customer", "acme", 210, "250/1h 2000/1d"));
	/* A smaller one is full at once. */
	assert_false(fixture_take(*state, "customer", "acme", 1, "50/1h 200/1d"));
	/* Other windows begin empty; sessions of before are still judged by theirs, with nothing missing. */
	assert_true(fixture_take(*state, "customer", "acme", 20, "30/1m 300/7d"));
	assert_false(fixture_take(*state, "customer", "acme", 2000 - 269, "5000/1h 2000/1d"));
	assert_true(fixture_take(*state, "customer", "acme", 2000 - 270, "5000/1h 2000/1d"));
	assert_int_equal(fixture_used(*state, "customer", "acme", DAY), 2000);
	/* A fifth length takes the place of one that is not asked for any more. */
	assert_true(fixture_take(*state, "customer", "acme", 1, "5000/1h 5000/1d 10/2h"));
	assert_true(fixture_take(*state, "customer", "acme", 1, "5000/1h 5000/1d 10/2h 10/3h"));
	assert_int_equal(fixture_used(*state, "customer", "acme", 2 * HOUR), 2);
	assert_int_equal(fixture_used(*state, "customer", "acme", 3 * HOUR), 1);
}

static void
test_kind_changes(void **state)
{
	static const char *const values[] = { "a", "b" };
	struct store_item i = fixture_distinct("spread", "acme", values, 2, "2/1h");

	assert_true(fixture_take(*state, "spread", "acme", 2, "2/1h"));
	assert_true(fixture_judge(*state, &i, 1, NULL));
	assert_int_equal(i.used, 2);
	assert_true(fixture_take(*state, "spread", "acme", 1, "2/1h"));
}

static void
test_distinct_window_added(void **state)
{
	static const char *const ab[] = { "a", "b" }, *const a[] = { "a" };
	struct store_item i = fixture_distinct("spread", "acme", ab, 2, "5/1h");

	assert_true(fixture_judge(*state, &i, 1, NULL));
	i = fixture_distinct("spread", "acme", a, 1, "5/1h 5/1d");
	assert_true(fixture_judge(*state, &i, 1, NULL));
	assert_int_equal(fixture_used(*state, "spread", "acme", HOUR), 2);
	assert_int_equal(fixture_used(*state, "spread", "acme", DAY), 1);
	i.values = ab;
	i.n_values = 2;
	assert_true(fixture_judge(*state, &i, 1, NULL));
	assert_int_equal(fixture_used(*state, "spread", "acme", HOUR), 2);
	assert_int_equal(fixture_used(*state, "spread", "acme", DAY), 2);
}

/* ---- hostile and wrong input ---- */

static void
test_keys_of_all_kinds(void **state)
{
	static char a[321], b[321];
	const char *keys[] = { "a", "A", "a ", " a", "a\n", "a\x01", "\xff\xfe", "ä@x.example", "a|b", "%00",
		"*", "a' OR '1'='1", "../../etc", a, b };
	size_t i;

	memset(a, 'k', 320);
	memset(b, 'k', 320);
	b[319] = 'j';
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		assert_true(fixture_take(*state, "customer", keys[i], 10, "10/1h"));
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		assert_false(fixture_take(*state, "customer", keys[i], 1, "10/1h"));
	/* Two names joined in another place are another key. */
	assert_true(fixture_take(*state, "customera", "b", 10, "10/1h"));
	assert_true(fixture_take(*state, "customer", "ab", 10, "10/1h"));
}

static int
judge_one(struct fixture *f, struct store_item *i, size_t n)
{
	struct store_request r = { .items = i, .n = n };
	struct err e = { .text = "" };
	int done = store_judge(f->store, &r, UINT64_MAX, &e);

	assert_true(done == 1 || e.text[0] != '\0');
	assert_true(done == 1 || !r.taken);
	return done;
}

static void
test_wrong_input(void **state)
{
	static const char *const none[] = { "a", NULL };
	char longer[322];
	struct store_item i = fixture_item("customer", "", 1, "10/1h"), two[2], *many;
	size_t n;

	assert_int_equal(judge_one(*state, &i, 1), -1);
	i.key = NULL;
	assert_int_equal(judge_one(*state, &i, 1), -1);
	memset(longer, 'k', 321);
	longer[321] = '\0';
	i.key = longer;
	assert_int_equal(judge_one(*state, &i, 1), -1);
	i = fixture_item(longer, "acme", 1, "10/1h");
	assert_int_equal(judge_one(*state, &i, 1), -1);
	i = fixture_item("", "acme", 1, "10/1h");
	assert_int_equal(judge_one(*state, &i, 1), -1);
	i = fixture_item("customer", "acme", 1, "");
	assert_int_equal(judge_one(*state, &i, 1), -1);
	i = fixture_item("customer", "acme", 1, "10/1h");
	i.ceilings.at[0].length = 1500;
	assert_int_equal(judge_one(*state, &i, 1), -1);
	i.ceilings.n = 5;
	assert_int_equal(judge_one(*state, &i, 1), -1);
	i = fixture_distinct("spread", "acme", none, 2, "10/1h");
	assert_int_equal(judge_one(*state, &i, 1), -1);
	two[0] = two[1] = fixture_item("customer", "acme", 1, "10/1h");
	assert_int_equal(judge_one(*state, two, 2), -1);
	assert_int_equal(fixture_used(*state, "customer", "acme", HOUR), 0);
	many = calloc(5000, sizeof(*many));
	assert_non_null(many);
	for (n = 0; n < 5000; n++)
		many[n] = two[0];
	assert_int_equal(judge_one(*state, many, 5000), -1);
	free(many);
	assert_int_equal(judge_one(*state, two, 0), 1);
}

static void
test_many_items(void **state)
{
	enum { MANY = 300 };
	static char keys[MANY][32];
	static struct store_item items[MANY];
	int i;

	for (i = 0; i < MANY; i++) {
		(void)snprintf(keys[i], sizeof(keys[i]), "d%d.example", i);
		items[i] = fixture_item("domain", keys[i], 1, "2/1h 5/1d");
	}
	assert_true(fixture_judge(*state, items, MANY, "m1"));
	assert_true(fixture_judge(*state, items, MANY, "m2"));
	assert_false(fixture_judge(*state, items, MANY, "m3"));
	for (i = 0; i < MANY; i++) {
		assert_true(items[i].over);
		assert_int_equal(items[i].used, 2);
	}
}

/* ---- small things that last ---- */

struct seen {
	int n;
	char text[1000];
};

static void
see(void *cookie, const char *name, const char *value)
{
	struct seen *s = cookie;
	size_t at = strlen(s->text);

	s->n++;
	(void)snprintf(s->text + at, sizeof(s->text) - at, "%s=%s;", name, value);
}

static void
test_keep(void **state)
{
	struct fixture *f = *state;
	struct seen s = { 0, "" };

	assert_int_equal(store_keep(f->store, "alerts", "a", "1", NULL), STORE_DONE);
	assert_int_equal(store_keep(f->store, "alerts", "b", "two\nlines", NULL), STORE_DONE);
	assert_int_equal(store_keep(f->store, "other", "a", "3", NULL), STORE_DONE);
	assert_int_equal(store_keep(f->store, "alerts", "a", "4", NULL), STORE_DONE);
	assert_true(store_kept(f->store, "alerts", see, &s, NULL) >= 0);
	assert_int_equal(s.n, 2);
	assert_string_equal(s.text, "a=4;b=two\nlines;");
	assert_int_equal(store_keep(f->store, "alerts", "b", NULL, NULL), STORE_DONE);
	assert_int_equal(store_keep(f->store, "alerts", "none", NULL, NULL), STORE_DONE);
	fixture_reopen(f);
	s = (struct seen){ 0, "" };
	assert_true(store_kept(f->store, "alerts", see, &s, NULL) >= 0);
	assert_string_equal(s.text, "a=4;");
	assert_int_equal(store_keep(f->store, "", "a", "1", NULL), STORE_FAILED);
	assert_int_equal(store_keep(f->store, "alerts", "", "1", NULL), STORE_FAILED);
}

/* ---- the promise ---- */

static uint64_t
random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

struct passed {
	uint64_t at;
	uint32_t amount;
};

static uint64_t
most_in_any(const struct passed *p, size_t n, uint64_t length)
{
	uint64_t sum = 0, most = 0;
	size_t first = 0, i;

	for (i = 0; i < n; i++) {
		sum += p[i].amount;
		for (; p[i].at - p[first].at > length; first++)
			sum -= p[first].amount;
		most = sum > most ? sum : most;
	}
	return most;
}

/* A customer and a visitor, three windows each, amounts of 1 to 9; what passed is checked by brute force. */
static void
test_promise_of_sums(void **state)
{
	enum { TRIES = 6000 };
	static struct passed customer[TRIES], visitor[TRIES];
	struct store_item items[2];
	uint64_t seed, rng;
	size_t n;
	int i;

	for (seed = 1; seed <= 3; seed++) {
		char c[16], v[16];

		(void)snprintf(c, sizeof(c), "c%d", (int)seed);
		(void)snprintf(v, sizeof(v), "v%d", (int)seed);
		rng = seed * 99991;
		for (i = 0, n = 0; i < TRIES; i++) {
			clock_fake_advance(random_next(&rng) % 16 == 0 ? random_next(&rng) % HOUR :
			    random_next(&rng) % 2000);
			items[0] = fixture_item("customer", c, (uint32_t)(random_next(&rng) % 9 + 1),
			    "50/1m 250/1h 2000/1d");
			items[1] = fixture_item("visitor", v, 1, "10/1m 60/1h 900/1d");
			if (!fixture_judge(*state, items, 2, NULL))
				continue;
			customer[n] = (struct passed){ clock_now(), items[0].amount };
			visitor[n++] = (struct passed){ clock_now(), 1 };
		}
		assert_true(n > 500);
		assert_true(most_in_any(customer, n, MINUTE) <= 50);
		assert_true(most_in_any(customer, n, HOUR) <= 250);
		assert_true(most_in_any(customer, n, DAY) <= 2000);
		assert_true(most_in_any(visitor, n, MINUTE) <= 10);
		assert_true(most_in_any(visitor, n, HOUR) <= 60);
		assert_true(most_in_any(visitor, n, DAY) <= 900);
	}
}

/* How many of the values passed in (at - length, at]. */
static unsigned
distinct_in(const struct passed *p, size_t n, uint64_t length)
{
	bool seen[64] = { false };
	unsigned count = 0;
	size_t i;

	for (i = n; i > 0 && p[n - 1].at - p[i - 1].at <= length; i--) {
		if (seen[p[i - 1].amount])
			continue;
		seen[p[i - 1].amount] = true;
		count++;
	}
	return count;
}

/* The store's figure is never below the truth, nor above what the slices allow for. */
static void
test_promise_of_distinct(void **state)
{
	enum { TRIES = 8000 };
	static struct passed p[TRIES];
	char text[8];
	const char *values[1] = { text };
	uint64_t rng = 4242;
	struct store_item item;
	size_t n = 0;
	int i;

	for (i = 0; i < TRIES; i++) {
		uint32_t v = (uint32_t)(random_next(&rng) % 40);

		clock_fake_advance(random_next(&rng) % (random_next(&rng) % 30 == 0 ? HOUR : 9000));
		(void)snprintf(text, sizeof(text), "%u", v);
		item = fixture_distinct("spread", "acme", values, 1, "6/1m 15/1h 30/1d");
		if (!fixture_judge(*state, &item, 1, NULL))
			continue;
		p[n++] = (struct passed){ clock_now(), v };
		assert_true(distinct_in(p, n, MINUTE) <= 6);
		assert_true(distinct_in(p, n, HOUR) <= 15);
		assert_true(distinct_in(p, n, DAY) <= 30);
		assert_true(fixture_used(*state, "spread", "acme", MINUTE) >= distinct_in(p, n, MINUTE));
		assert_true(fixture_used(*state, "spread", "acme", HOUR) >= distinct_in(p, n, HOUR));
		assert_true(fixture_used(*state, "spread", "acme", DAY) >= distinct_in(p, n, DAY));
		assert_true(
		    fixture_used(*state, "spread", "acme", HOUR) <= distinct_in(p, n, HOUR / 10 * 11));
	}
	assert_true(n > 1000);
}

#define DRIVERS_MOST 4
#define CONTRACT(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		CONTRACT(test_unknown_type),
		CONTRACT(test_close_nothing),
		CONTRACT(test_exactly_n),
		CONTRACT(test_over_the_borders),
		CONTRACT(test_refused_is_not_charged),
		CONTRACT(test_all_or_nothing),
		CONTRACT(test_windows_of_one_limit),
		CONTRACT(test_answers),
		CONTRACT(test_larger_than_the_ceiling),
		CONTRACT(test_only_judged),
		CONTRACT(test_soft),
		CONTRACT(test_always),
		CONTRACT(test_warned_once),
		CONTRACT(test_retries_are_free),
		CONTRACT(test_retry_after_an_hour),
		CONTRACT(test_refused_is_not_remembered),
		CONTRACT(test_dry),
		CONTRACT(test_distinct),
		CONTRACT(test_distinct_seen_again_stays),
		CONTRACT(test_distinct_over_two_windows),
		CONTRACT(test_distinct_many_at_once),
		CONTRACT(test_distinct_reset),
		CONTRACT(test_raise_falls_back),
		CONTRACT(test_lower),
		CONTRACT(test_exempt),
		CONTRACT(test_overrides_listed),
		CONTRACT(test_raise_input),
		CONTRACT(test_over_until),
		CONTRACT(test_over_is_forgotten),
		CONTRACT(test_suspend_and_release),
		CONTRACT(test_suspension_expires),
		CONTRACT(test_suspensions_listed),
		CONTRACT(test_suspend_input),
		CONTRACT(test_usage),
		CONTRACT(test_top),
		CONTRACT(test_reset),
		CONTRACT(test_numbers),
		CONTRACT(test_ceilings_change),
		CONTRACT(test_kind_changes),
		CONTRACT(test_distinct_window_added),
		CONTRACT(test_keys_of_all_kinds),
		CONTRACT(test_wrong_input),
		CONTRACT(test_many_items),
		CONTRACT(test_keep),
		CONTRACT(test_promise_of_sums),
		CONTRACT(test_promise_of_distinct),
	};
	enum { TESTS = sizeof(tests) / sizeof(tests[0]) };
	static struct CMUnitTest all[TESTS * DRIVERS_MOST];
	static char names[TESTS * DRIVERS_MOST][80];
	char types[128], *type, *rest = NULL;
	size_t n = 0, i;

	(void)snprintf(types, sizeof(types), "%s", store_types());
	for (type = strtok_r(types, " ,", &rest); type != NULL && n < TESTS * DRIVERS_MOST;
	    type = strtok_r(NULL, " ,", &rest)) {
		for (i = 0; i < TESTS; i++, n++) {
			all[n] = tests[i];
			(void)snprintf(names[n], sizeof(names[n]), "%s: %s", type, tests[i].name);
			all[n].name = names[n];
			all[n].initial_state = type;
		}
	}
	/* One group: TAP knows one plan a program. */
	return _cmocka_run_group_tests("contract", all, n, NULL, NULL);
}
