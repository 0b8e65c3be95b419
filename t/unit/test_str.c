/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * str: values that try to forge a key, text that does not fit, numbers at their limits.
 */
#include "lib/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void
pairs(void **state)
{
	static const struct { const char *name, *value, *want; } cases[] = {
		{ "plain", "acme", "k=acme" },
		{ "an address", "bob+x@acme.example", "k=bob+x@acme.example" },
		{ "a message id", "<1.2@acme.example>", "k=<1.2@acme.example>" },
		{ "nothing", "", "" },
		{ "no value", NULL, "" },
		{ "blank", "a b", "k=\"a b\"" },
		{ "another key", "a customer=evil", "k=\"a customer\\x3devil\"" },
		{ "a key without blank", "a=b", "k=\"a=b\"" },
		{ "quote", "a\" customer=\"evil", "k=\"a\\\" customer\\x3d\\\"evil\"" },
		{ "backslash", "a\\", "k=\"a\\\\\"" },
		{ "backslash and quote", "a\\\" b=c", "k=\"a\\\\\\\" b\\x3dc\"" },
		{ "new line", "a\nb", "k=\"a\\x0ab\"" },
		{ "escape as text", "a\\x0a", "k=\"a\\\\x0a\"" },
		{ "terminal", "\x1b[2J", "k=\"\\x1b[2J\"" },
		{ "delete", "a\x7f", "k=\"a\\x7f\"" },
		{ "UTF-8", "m\xc3\xbcller", "k=\"m\xc3\xbcller\"" },
		{ "C1 control", "a\xc2\x9b" "b", "k=\"a\\xc2\\x9bb\"" },
		{ "line separator", "a\xe2\x80\xa8" "b", "k=\"a\\xe2\\x80\\xa8b\"" },
		{ "right to left", "a\xe2\x80\xae" "b", "k=\"a\\xe2\\x80\\xaeb\"" },
		{ "bad UTF-8", "a\xff\xc3(", "k=\"a\\xff\\xc3(\"" },
		{ "overlong slash", "\xc0\xaf", "k=\"\\xc0\\xaf\"" },
		{ "surrogate", "\xed\xa0\x80", "k=\"\\xed\\xa0\\x80\"" },
		{ "cut character", "\xe2\x82", "k=\"\\xe2\\x82\"" }
	};
	char space[256];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		struct str s = STR_IN(space);

		space[0] = '\0';
		str_kv(&s, "k", cases[i].value);
		if (strcmp(space, cases[i].want) != 0)
			fail_msg("%s: %s, not %s", cases[i].name, space, cases[i].want);
		assert_int_equal(s.len, strlen(cases[i].want));
		assert_false(s.cut);
	}
}

static void
pairs_in_a_row(void **state)
{
	char space[64];
	struct str s = STR_IN(space);

	(void)state;
	str_kv(&s, "customer", "acme");
	str_kv(&s, "account", "");
	str_kvu(&s, "used", 501);
	str_kvu(&s, "most", UINT64_MAX);
	assert_string_equal(space, "customer=acme used=501 most=18446744073709551615");
}

static void
a_pair_is_whole_or_absent(void **state)
{
	char space[16];
	size_t size;

	(void)state;
	for (size = 0; size <= sizeof(space); size++) {
		struct str s = { space, 0, size, false };

		space[0] = '\0';
		str_kv(&s, "key", "a b");	/* key="a b": 9 bytes */
		assert_string_equal(space, size >= 10 ? "key=\"a b\"" : "");
		assert_int_equal(s.cut, size < 10);
	}
}

static void
a_long_value_is_shortened(void **state)
{
	char value[2000], space[4096];
	struct str s = STR_IN(space);

	(void)state;
	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	str_kv(&s, "k", value);
	assert_int_equal(s.len, 2 + 256 + 3);
	assert_string_equal(space + 2 + 255, "v...");

	/* The worst value: every byte becomes four. */
	s = (struct str)STR_IN(space);
	memset(value, '\x01', sizeof(value) - 1);
	str_kv(&s, "k", value);
	assert_int_equal(s.len, 2 + 1 + 4 * 256 + 3 + 1);
	assert_string_equal(space + s.len - 8, "\\x01...\"");

	/* Not in the middle of a character. */
	s = (struct str)STR_IN(space);
	memset(value, 'v', sizeof(value) - 1);
	memcpy(value + 255, "\xc3\xbc", 2);
	str_kv(&s, "k", value);
	assert_string_equal(space + 2 + 254, "v...");
}

static void
what_does_not_fit_is_left_out(void **state)
{
	char space[8];
	struct str s = STR_IN(space);

	(void)state;
	str_cat(&s, "abc");
	str_catf(&s, "%d", 12);
	assert_string_equal(space, "abc12");
	assert_false(s.cut);
	str_catf(&s, "%s", "3456");
	assert_string_equal(space, "abc1234");
	assert_true(s.cut);

	s = (struct str)STR_IN(space);
	str_cat(&s, "abcde\xe2\x82\xac");
	assert_string_equal(space, "abcde");
	assert_true(s.cut);
	s = (struct str)STR_IN(space);
	str_catf(&s, "%s", "abcdef\xc3\xbc");
	assert_string_equal(space, "abcdef");
	s = (struct str)STR_IN(space);
	str_catn(&s, "abcdefgh", 7);
	assert_string_equal(space, "abcdefg");
	assert_false(s.cut);
	str_cat(&s, NULL);
	str_cat(&s, "");
	assert_false(s.cut);
}

static void
safe_text(void **state)
{
	char space[64], tiny[6];
	struct str s = STR_IN(space), t = STR_IN(tiny);

	(void)state;
	str_cat_safe(&s, "a \"b\"\r\n\xc3\xbc\xff");
	assert_string_equal(space, "a \"b\"\\x0d\\x0a\xc3\xbc\\xff");
	str_cat_safe(&t, "abc\ndef");
	assert_string_equal(tiny, "abc");
	assert_true(t.cut);
}

static void
letter_case(void **state)
{
	char text[] = "ABC\xc3\x84z@[`{";

	(void)state;
	assert_string_equal(str_lower(text), "abc\xc3\x84z@[`{");
	assert_true(str_ieq("From", "FROM"));
	assert_true(str_ieq("", ""));
	assert_false(str_ieq("From", "Fro"));
	assert_false(str_ieq("Fro", "From"));
	assert_false(str_ieq("@", "`"));
	assert_false(str_ieq("[", "{"));
}

static void
copying(void **state)
{
	char to[5];

	(void)state;
	assert_true(str_copy(to, sizeof(to), "abcd"));
	assert_string_equal(to, "abcd");
	assert_false(str_copy(to, sizeof(to), "abcde"));
	assert_string_equal(to, "abcd");
	assert_false(str_copy(to, sizeof(to), "abc\xc3\xbc"));
	assert_string_equal(to, "abc");
	assert_true(str_copy(to, sizeof(to), NULL));
	assert_string_equal(to, "");
	assert_false(str_copy(to, 0, "a"));
}

static void
durations(void **state)
{
	static const struct { const char *text; int ok; uint64_t ms; const char *back; } cases[] = {
		{ "90s", 1, 90000, "90s" }, { "15m", 1, 900000, "15m" }, { "2h", 1, 7200000, "2h" },
		{ "7d", 1, 604800000, "7d" }, { "400d", 1, UINT64_C(34560000000), "400d" },
		{ "50ms", 1, 50, "50ms" },
		{ "30", 1, 30000, "30s" }, { "60", 1, 60000, "1m" }, { "24h", 1, 86400000, "1d" },
		{ "0", 1, 0, "0s" },
		{ "1500ms", 1, 1500, "1500ms" }, { "", 0, 0, NULL }, { "s", 0, 0, NULL },
		{ "-1s", 0, 0, NULL },
		{ "+1s", 0, 0, NULL }, { "1 s", 0, 0, NULL }, { " 1s", 0, 0, NULL }, { "1.5h", 0, 0, NULL },
		{ "1w", 0, 0, NULL }, { "1M", 0, 0, NULL }, { "1hh", 0, 0, NULL }, { "1h30m", 0, 0, NULL },
		{ "18446744073709551615ms", 1, UINT64_MAX, "18446744073709551615ms" },
		{ "18446744073709551616ms", 0, 0, NULL }, { "18446744073709551615d", 0, 0, NULL },
		{ "213503982335d", 0, 0, NULL }, { NULL, 0, 0, NULL }
	};
	char back[32];
	uint64_t ms;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		ms = 0;
		if (str_duration(cases[i].text, &ms) != cases[i].ok || ms != cases[i].ms)
			fail_msg("\"%s\" gave %lu", cases[i].text, (unsigned long)ms);
		if (cases[i].back != NULL) {
			str_duration_text(ms, back, sizeof(back));
			assert_string_equal(back, cases[i].back);
		}
	}
}

static void
sizes(void **state)
{
	static const struct { const char *text; int ok; uint64_t bytes; } cases[] = {
		{ "10k", 1, 10240 }, { "64M", 1, 67108864 }, { "2G", 1, UINT64_C(2147483648) },
		{ "12", 1, 12 },
		{ "1g", 1, 1073741824 }, { "1T", 0, 0 }, { "1kB", 0, 0 }, { "", 0, 0 }, { "-1", 0, 0 },
		{ "18446744073709551615k", 0, 0 }
	};
	uint64_t bytes;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		bytes = 0;
		if (str_size(cases[i].text, &bytes) != cases[i].ok || bytes != cases[i].bytes)
			fail_msg("\"%s\" gave %lu", cases[i].text, (unsigned long)bytes);
	}
}

static void
waits_for_people(void **state)
{
	static const struct { uint64_t ms; const char *want; } cases[] = {
		{ 0, "1 s" }, { 1, "1 s" }, { 44001, "45 s" }, { 59000, "59 s" }, { 59001, "1 min" },
		{ 60000, "1 min" }, { 65001, "66 s" }, { 119000, "119 s" }, { 119001, "2 min" },
		{ 360001, "7 min" }, { 3599000, "60 min" }, { 3600000, "1 h" }, { 5400000, "90 min" },
		{ 5400001, "2 h" },
		{ 7200000, "2 h" }, { 172800000, "48 h" }, { 172800001, "3 d" },
		{ UINT64_MAX, "213503982335 d" }
	};
	char text[32];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		str_wait_text(cases[i].ms, text, sizeof(text));
		assert_string_equal(text, cases[i].want);
	}
}

static void
utf8(void **state)
{
	static const struct { const char *name, *text; bool ok; } cases[] = {
		{ "ASCII", "abc", true }, { "two", "\xc3\xbc", true }, { "three", "\xe2\x82\xac", true },
		{ "four", "\xf0\x9f\x98\x80", true }, { "last", "\xf4\x8f\xbf\xbf", true },
		{ "beyond the last", "\xf4\x90\x80\x80", false }, { "overlong two", "\xc1\xbf", false },
		{ "overlong three", "\xe0\x9f\xbf", false }, { "overlong four", "\xf0\x8f\xbf\xbf", false },
		{ "surrogate", "\xed\xbf\xbf", false }, { "alone", "\x80", false },
		{ "cut", "\xe2\x82", false },
		{ "five bytes", "\xf8\x88\x80\x80\x80", false }
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++)
		if (str_utf8(cases[i].text, strlen(cases[i].text)) != cases[i].ok)
			fail_msg("%s", cases[i].name);
	assert_true(str_utf8("", 0));
	assert_true(str_utf8("a\0b", 3));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pairs),
		cmocka_unit_test(pairs_in_a_row),
		cmocka_unit_test(a_pair_is_whole_or_absent),
		cmocka_unit_test(a_long_value_is_shortened),
		cmocka_unit_test(what_does_not_fit_is_left_out),
		cmocka_unit_test(safe_text),
		cmocka_unit_test(letter_case),
		cmocka_unit_test(copying),
		cmocka_unit_test(durations),
		cmocka_unit_test(sizes),
		cmocka_unit_test(waits_for_people),
		cmocka_unit_test(utf8),
	};

	return cmocka_run_group_tests_name("str", tests, NULL, NULL);
}
