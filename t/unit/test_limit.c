/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * test_limit - ceilings as text, and the promise of a window: in any stretch of its length never
 * more than the ceiling, and exactly the ceiling after a quiet one.
 *
 * The promise is checked against a log of every unit that was let through, by brute force, over
 * arrivals from a generator with fixed seeds.
 */
#include "lib/limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "lib/banned.h"

#define START UINT64_C(1767225600000)	/* 2026-01-01 00:00:00 UTC */
#define HOUR UINT64_C(3600000)
#define DAY (24 * HOUR)

/* ---- ceilings as text ---- */

static void
test_ceiling_parse(void **state)
{
	static const struct {
		const char *name, *text;
		bool kib;
		int want;
		uint32_t most;
		uint64_t length;
	} cases[] = {
		{ "hour", "500/1h", false, 1, 500, HOUR },
		{ "bare number is seconds", "7/60", false, 1, 7, 60000 },
		{ "shortest", "1/1s", false, 1, 1, 1000 },
		{ "longest", "1/366d", false, 1, 1, LIMIT_LENGTH_MAX },
		{ "largest count", "1000000000/1d", false, 1, LIMIT_CEILING_MAX, DAY },
		{ "whole seconds in milliseconds", "1/2000ms", false, 1, 1, 2000 },
		{ "size", "2G/1d", true, 1, 2097152, DAY },
		{ "size in small letters", "10m/1h", true, 1, 10240, HOUR },
		{ "bytes are rounded up", "1025/1h", true, 1, 2, HOUR },
		{ "one byte", "1/1h", true, 1, 1, HOUR },
		{ "count too large", "1000000001/1d", false, 0, 0, 0 },
		{ "count beyond 32 bits", "4294967297/1d", false, 0, 0, 0 },
		{ "count beyond 64 bits", "18446744073709551617/1d", false, 0, 0, 0 },
		{ "nothing may pass, or anything?", "0/1h", false, 0, 0, 0 },
		{ "size of nothing", "0k/1h", true, 0, 0, 0 },
		{ "size too large", "1024G/1d", true, 0, 0, 0 },
		{ "suffix where messages are counted", "2k/1h", false, 0, 0, 0 },
		{ "too long", "1/367d", false, 0, 0, 0 },
		{ "too short", "1/999ms", false, 0, 0, 0 },
		{ "not whole seconds", "1/1500ms", false, 0, 0, 0 },
		{ "no length", "500/", false, 0, 0, 0 },
		{ "no count", "/1h", false, 0, 0, 0 },
		{ "no slash", "500", false, 0, 0, 0 },
		{ "empty", "", false, 0, 0, 0 },
		{ "none", NULL, false, 0, 0, 0 },
		{ "negative", "-1/1h", false, 0, 0, 0 },
		{ "plus", "+1/1h", false, 0, 0, 0 },
		{ "blank before", " 1/1h", false, 0, 0, 0 },
		{ "blank in between", "1 /1h", false, 0, 0, 0 },
		{ "blank behind", "1/1h ", false, 0, 0, 0 },
		{ "hexadecimal", "0x10/1h", false, 0, 0, 0 },
		{ "fraction", "1.5/1h", false, 0, 0, 0 },
		{ "two slashes", "1/1h/1h", false, 0, 0, 0 },
		{ "endless digits", "1111111111111111111111111111111111111111111111/1h", false, 0, 0, 0 },
		{ "unknown unit", "1/1w", false, 0, 0, 0 },
	};
	struct limit_ceiling c;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		c = (struct limit_ceiling){ 0, 0 };
		if (limit_ceiling_parse(cases[i].text, cases[i].kib, &c) != cases[i].want ||
		    c.most != cases[i].most || c.length != cases[i].length)
			fail_msg("%s: %u per %llu ms", cases[i].name, c.most, (unsigned long long)c.length);
	}
}

static void
test_ceiling_text(void **state)
{
	static const struct {
		struct limit_ceiling c;
		const char *want;
	} cases[] = {
		{ { 500, HOUR }, "500/1h" },
		{ { 40, DAY }, "40/1d" },
		{ { 8, 90000 }, "8/90s" },
		{ { LIMIT_CEILING_MAX, LIMIT_LENGTH_MAX }, "1000000000/366d" },
	};
	struct limit_ceiling back;
	char text[48], small[4];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		limit_ceiling_text(&cases[i].c, text, sizeof(text));
		assert_string_equal(text, cases[i].want);
		assert_int_equal(limit_ceiling_parse(text, false, &back), 1);
		assert_int_equal(back.most, cases[i].c.most);
		assert_true(back.length == cases[i].c.length);
	}
	limit_ceiling_text(&cases[0].c, small, sizeof(small));
	assert_string_equal(small, "500");
}

static void
test_ceilings_add(void **state)
{
	struct limit_ceilings all = { .n = 0 };
	struct limit_ceiling c = { 1, HOUR };
	unsigned i;

	(void)state;
	assert_true(limit_ceilings_add(&all, &c));
	c.most = 2;
	assert_false(limit_ceilings_add(&all, &c));	/* the length is there */
	for (i = 1; i < LIMIT_WINDOWS_MAX; i++) {
		c.length += HOUR;
		assert_true(limit_ceilings_add(&all, &c));
	}
	c.length += HOUR;
	assert_false(limit_ceilings_add(&all, &c));	/* full */
	assert_int_equal(all.n, LIMIT_WINDOWS_MAX);
	assert_int_equal(all.at[0].most, 1);
}

/* ---- one window ---- */

/* Judges one unit as a store does. */
static bool
take(struct limit_window *w, uint64_t now, uint32_t most)
{
	limit_window_advance(w, now);
	if (limit_window_used(w) >= most)
		return false;
	limit_window_add(w, now, 1);
	return true;
}

static void
test_exactly_n(void **state)
{
	static const struct {
		const char *name;
		uint64_t start;		/* after START */
		uint64_t step;		/* between tries, all within one window */
		uint32_t length, most;
	} cases[] = {
		{ "all at once", 0, 0, 3600, 500 },
		{ "over the border of an hour", HOUR - 30, 1, 3600, 100 },
		{ "over the border of a day", DAY - 250, 5, 86400, 100 },
		{ "over the border of a slice", 359990, 1, 3600, 30 },
		{ "in the last millisecond of a slice", 359999, 0, 3600, 30 },
		{ "slowly", 12345, 20000, 3600, 100 },
		{ "shortest window", 99, 18, 1, 3 },
		{ "longest window", 7, 1000000, 366 * 86400, 1000 },
		{ "a ceiling of one", 1, 0, 60, 1 },
	};
	struct limit_window w;
	uint32_t passed, tries;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(&w, 0, sizeof(w));
		w.length = cases[i].length;
		for (passed = tries = 0; tries < cases[i].most + 50; tries++)
			passed += take(&w, START + cases[i].start + tries * cases[i].step, cases[i].most);
		if (passed != cases[i].most)
			fail_msg("%s: %u instead of %u", cases[i].name, passed, cases[i].most);
	}
}

static void
test_quiet_time_frees_all(void **state)
{
	struct limit_window w = { .length = 3600 };
	uint64_t phase;
	int i;

	(void)state;
	for (phase = 0; phase < 2 * HOUR / 10; phase += 7919) {
		memset(w.slice, 0, sizeof(w.slice));
		for (i = 0; i < 10; i++)
			assert_true(take(&w, START + phase, 10));
		assert_false(take(&w, START + phase + HOUR, 10)); /* exactly as old as the window: inside */
		/* A window and a slice later all of it is free again, whatever the phase. */
		for (i = 0; i < 10; i++)
			assert_true(take(&w, START + phase + HOUR + HOUR / 10, 10));
		assert_false(take(&w, START + phase + HOUR + HOUR / 10, 10));
	}
}

static void
test_fits_at(void **state)
{
	struct limit_window w = { .length = 600 };	/* slices of a minute */

	(void)state;
	assert_true(limit_window_fits_at(&w, START, 10, 10) == START);
	assert_true(limit_window_fits_at(&w, START, 10, 11) == UINT64_MAX);
	limit_window_add(&w, START + 5000, 4);		/* slice 0, gone at minute 11 */
	limit_window_add(&w, START + 65000, 6);		/* slice 1, gone at minute 12 */
	assert_true(limit_window_fits_at(&w, START + 70000, 12, 2) == START + 70000);
	assert_true(limit_window_fits_at(&w, START + 70000, 12, 3) == START + 660000);
	assert_true(limit_window_fits_at(&w, START + 70000, 12, 6) == START + 660000);
	assert_true(limit_window_fits_at(&w, START + 70000, 12, 7) == START + 720000);
	assert_true(limit_window_fits_at(&w, START + 70000, 12, 12) == START + 720000);
	assert_true(limit_window_fits_at(&w, START + 70000, 0, 1) == UINT64_MAX);
	/* Used is beyond a ceiling that was lowered. */
	assert_true(limit_window_fits_at(&w, START + 70000, 3, 1) == START + 720000);
	/* It tells the truth: not a millisecond earlier, and then indeed. */
	limit_window_advance(&w, START + 659999);
	assert_int_equal(limit_window_used(&w), 10);
	limit_window_advance(&w, START + 660000);
	assert_int_equal(limit_window_used(&w), 6);
	limit_window_advance(&w, START + 720000);
	assert_int_equal(limit_window_used(&w), 0);
}

static void
test_saturates(void **state)
{
	struct limit_window w = { .length = 60 };

	(void)state;
	limit_window_add(&w, START, UINT32_MAX - 1);
	limit_window_add(&w, START, 5);
	assert_true(limit_window_used(&w) == UINT32_MAX);
	limit_window_add(&w, START + 6000, UINT32_MAX);
	assert_true(limit_window_used(&w) == UINT32_MAX);
	assert_true(limit_window_fits_at(&w, START + 6000, 10, 10) == START + 72000);
}

static void
test_unused_window(void **state)
{
	struct limit_window w;

	(void)state;
	memset(&w, 0, sizeof(w));
	limit_window_advance(&w, START);
	limit_window_add(&w, START, 3);
	assert_int_equal(limit_window_used(&w), 0);
	assert_true(limit_window_fits_at(&w, START, 3, 3) == START);
}

/* Slice numbers of a window of one second pass 2^32 in 1983, 1997, 2010, 2024... */
static void
test_number_wraps(void **state)
{
	struct limit_window w = { .length = 1 };
	uint64_t wrap = (UINT64_C(4) << 32) * 100, now;

	(void)state;
	for (now = wrap - 1000; now < wrap + 1000; now += 50)
		limit_window_add(&w, now, 1);
	assert_int_equal(limit_window_used(&w), 22);	/* two in each of eleven slices */
	limit_window_advance(&w, now + 1100);
	assert_int_equal(limit_window_used(&w), 0);
}

/* ---- a clock that is set ---- */

static void
test_clock_set_back(void **state)
{
	static const uint64_t steps[] = { 1, 30000, 60000, 61000, 10 * 60000, 11 * 60000, HOUR, 400 * DAY };
	struct limit_window w;
	uint64_t back, now;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		memset(&w, 0, sizeof(w));
		w.length = 600;
		limit_window_add(&w, START + 10000, 3);
		limit_window_add(&w, START + 310000, 4);
		back = START + 310000 - steps[i];
		limit_window_advance(&w, back);
		assert_int_equal(limit_window_used(&w), 7);
		/* What had 300 s to live leaves no sooner, and all is gone a window and two slices later. */
		limit_window_advance(&w, back + 299999);
		assert_int_equal(limit_window_used(&w), 7);
		now = back + 600000 + 120000;
		limit_window_advance(&w, now);
		assert_int_equal(limit_window_used(&w), 0);
	}
}

static void
test_clock_set_forward(void **state)
{
	struct limit_window w = { .length = 600 };

	(void)state;
	limit_window_add(&w, START, 5);
	limit_window_advance(&w, START + 400 * DAY);
	assert_int_equal(limit_window_used(&w), 0);
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

#define LOG_MOST 20000

/* Bursts, trickles and pauses of a sender; a unit each. */
static uint64_t
next_arrival(uint64_t now, uint64_t length, uint64_t *rng)
{
	switch (random_next(rng) % 8) {
	case 0:
		return now + random_next(rng) % (length * 3 / 2);
	case 1:
	case 2:
		return now + random_next(rng) % (length / 20);
	case 3:
		return now - now % (length / 10) + length / 10 - 1;	/* the last millisecond of a slice */
	case 4:
		return now - now % (length / 10) + length / 10;
	default:
		return now + random_next(rng) % 3;
	}
}

/* By true time: the greatest number let through in any closed stretch of the length. */
static uint32_t
most_in_any(const uint64_t *at, size_t n, uint64_t length)
{
	size_t first = 0, i, most = 0;

	for (i = 0; i < n; i++) {
		while (at[i] - at[first] > length)
			first++;
		most = i - first + 1 > most ? i - first + 1 : most;
	}
	return (uint32_t)most;
}

static void
check_promise(uint32_t length, uint32_t most, uint64_t seed, bool steps)
{
	static uint64_t passed[LOG_MOST];
	struct limit_window w = { .length = length };
	uint64_t rng = seed, now = START + seed % DAY, clock_off = 0;
	size_t n = 0;
	int i;

	for (i = 0; i < LOG_MOST; i++) {
		now = next_arrival(now, length * UINT64_C(1000), &rng);
		/* The clock is set back; true time goes on. */
		if (steps && random_next(&rng) % 500 == 0)
			clock_off += random_next(&rng) % (length * UINT64_C(2000));
		if (take(&w, now - clock_off, most))
			passed[n++] = now;
	}
	if (most_in_any(passed, n, length * UINT64_C(1000)) > most)
		fail_msg("%u/%us, seed %llu: %u passed in one window", most, length, (unsigned long long)seed,
		    most_in_any(passed, n, length * UINT64_C(1000)));
	assert_true(n > most);
}

static void
test_promise(void **state)
{
	static const uint32_t lengths[] = { 1, 60, 3600, 86400 }, mosts[] = { 1, 2, 7, 100, 500 };
	size_t i, k;
	uint64_t seed;

	(void)state;
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		for (k = 0; k < sizeof(mosts) / sizeof(mosts[0]); k++) {
			for (seed = 1; seed <= 3; seed++) {
				check_promise(lengths[i], mosts[k], seed * 7777777, false);
				check_promise(lengths[i], mosts[k], seed * 7777777, true);
			}
		}
	}
}

/* A sender who always tries gets at least ten elevenths of the ceiling over time. */
static void
test_not_too_strict(void **state)
{
	struct limit_window w = { .length = 3600 };
	uint64_t now;
	uint32_t passed = 0;

	(void)state;
	for (now = START; now < START + 20 * HOUR; now += 1000)
		passed += take(&w, now, 110);
	assert_true(passed >= 20 * 100);
	assert_true(passed <= 21 * 110);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ceiling_parse),
		cmocka_unit_test(test_ceiling_text),
		cmocka_unit_test(test_ceilings_add),
		cmocka_unit_test(test_exactly_n),
		cmocka_unit_test(test_quiet_time_frees_all),
		cmocka_unit_test(test_fits_at),
		cmocka_unit_test(test_saturates),
		cmocka_unit_test(test_unused_window),
		cmocka_unit_test(test_number_wraps),
		cmocka_unit_test(test_clock_set_back),
		cmocka_unit_test(test_clock_set_forward),
		cmocka_unit_test(test_promise),
		cmocka_unit_test(test_not_too_strict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
