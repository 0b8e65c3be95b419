/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * arena and err: alignment, large and many allocations, the soft cap; texts that do not fit.
 */
#include "lib/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "lib/err.h"

static void
allocations_are_aligned_and_apart(void **state)
{
	struct arena *a = arena_new(ARENA_DEFAULT_CAP);
	unsigned char *p[400];
	size_t n[400], i, j;

	(void)state;
	for (i = 0; i < 400; i++) {
		n[i] = i * 37 % 9000;
		p[i] = arena_alloc(a, n[i]);
		assert_non_null(p[i]);
		assert_int_equal((uintptr_t)p[i] % _Alignof(max_align_t), 0);
		memset(p[i], (int)(i & 0xff), n[i]);
	}
	for (i = 0; i < 400; i++)
		for (j = 0; j < n[i]; j++)
			assert_int_equal(p[i][j], i & 0xff);
	assert_false(arena_over(a));
	arena_free(&a);
	assert_null(a);
	arena_free(&a);
}

static void
the_cap_is_soft(void **state)
{
	struct arena *a = arena_new(1000);

	(void)state;
	memset(arena_alloc(a, 1000), 1, 1000);
	assert_false(arena_over(a));
	assert_int_equal(arena_used(a), 1000);
	memset(arena_alloc(a, 65536), 1, 65536);
	assert_true(arena_over(a));
	assert_int_equal(arena_used(a), 66536);
	arena_free(&a);
}

static void
copies(void **state)
{
	struct arena *a = arena_new(ARENA_DEFAULT_CAP);
	char longer[3000], *text;
	const unsigned char *zero;
	size_t i;

	(void)state;
	assert_string_equal(arena_strdup(a, "abc"), "abc");
	assert_string_equal(arena_strdup(a, ""), "");
	assert_null(arena_strdup(a, NULL));
	assert_null(arena_strndup(a, NULL, 4));
	assert_string_equal(arena_strndup(a, "abcdef", 3), "abc");
	assert_string_equal(arena_strndup(a, "ab\0cd", 5), "ab");
	assert_string_equal(arena_printf(a, "%s=%d", "x", 7), "x=7");
	memset(longer, 'y', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	text = arena_printf(a, "<%s>", longer);
	assert_int_equal(strlen(text), sizeof(longer) + 1);
	assert_int_equal(text[sizeof(longer)], '>');
	zero = arena_zalloc(a, 10000);
	for (i = 0; i < 10000; i++)
		assert_int_equal(zero[i], 0);
	arena_free(&a);
}

static void
errors_are_whole_texts(void **state)
{
	struct err e;
	char longer[600];

	(void)state;
	assert_int_equal(err_set(&e, ERR_INPUT, "bad %s", "line"), -1);
	assert_int_equal(err_at(&e, "/etc/gatepost/accounts", 12), -1);
	assert_int_equal(e.code, ERR_INPUT);
	assert_string_equal(e.text, "bad line");
	assert_string_equal(e.where, "/etc/gatepost/accounts:12");

	/* A text may be wrapped in itself; its place belonged to the old one. */
	(void)err_set(&e, ERR_GONE, "table accounts: %s", e.text);
	assert_string_equal(e.text, "table accounts: bad line");
	assert_string_equal(e.where, "");

	memset(longer, 'p', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	(void)err_set(&e, ERR_INPUT, "%s", longer);
	assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
	(void)err_at(&e, longer, UINT32_MAX);
	assert_string_equal(strchr(e.where, ':'), ":4294967295");
	(void)err_at(&e, "file", 0);
	assert_string_equal(e.where, "file");
	(void)err_at(&e, NULL, 3);
	assert_string_equal(e.where, "");
	err_clear(&e);
	assert_int_equal(e.code, ERR_NONE);
	assert_string_equal(e.text, "");
	assert_int_equal(err_set(NULL, ERR_INPUT, "x"), -1);
	assert_int_equal(err_at(NULL, "x", 1), -1);
	err_clear(NULL);
}

static void
deadlines(void **state)
{
	uint64_t d = clock_deadline(60000), now = clock_now();

	(void)state;
	assert_in_range(clock_left(d), 50000, 60000);
	assert_int_equal(clock_left(clock_mono_us()), 0);
	assert_int_equal(clock_left(0), 0);
	assert_int_equal(clock_deadline(UINT64_MAX), UINT64_MAX);
	assert_true(now > UINT64_C(1700000000000) && now < UINT64_C(9000000000000));
	assert_true(clock_now() >= now);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(allocations_are_aligned_and_apart),
		cmocka_unit_test(the_cap_is_soft),
		cmocka_unit_test(copies),
		cmocka_unit_test(errors_are_whole_texts),
		cmocka_unit_test(deadlines),
	};

	return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
