/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * test_message_file - saved messages become the fields that a milter would get.
 */
#include "milter/message_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/str.h"

#define WITH(text) text, sizeof(text) - 1

/* fields: each as name:value; with '/' after it. */
static const struct {
	const char *name, *data;
	size_t size;
	const char *fields, *body;
} cases[] = {
	{ "LF", WITH("From: a@acme.example\nTo: b@example.com\n\nbody\n"),
	    "From:a@acme.example;To:b@example.com;", "body\n" },
	{ "CRLF", WITH("From: a@acme.example\r\nX: y\r\n\r\nbody\r\n"), "From:a@acme.example;X:y;",
	    "body\r\n" },
	{ "mbox line", WITH("From a@b.example Sat Jan 31 12:00:00 2026\nTo: c\n\nbody"), "To:c;", "body" },
	{ "a From field with a blank before its colon", WITH("From : a\n\n"), "From:a;", "" },
	{ "fold keeps its blanks", WITH("S: a\n\tb\r\n  c\nT: d\n\n"), "S:a\n\tb\n  c;T:d;", "" },
	{ "folded at once", WITH("S:\n a\n\n"), "S:\n a;", "" },
	{ "one blank after the colon goes, a tab stays", WITH("S:  a\nT:\tb\nU:c\n\n"), "S: a;T:\tb;U:c;",
	    "" },
	{ "empty value", WITH("S:\nT: \n\n"), "S:;T:;", "" },
	{ "stray CR is a blank", WITH("S: a\rb\r\n\rc\n\n"), "S:a b\n c;", "" },
	{ "a name that ends in a stray CR", WITH("From\r: a\n\n"), "From:a;", "" },
	{ "a line ends at NUL", WITH("S: a\0b\n c\0d\nT: e\n\n"), "S:a\n c;T:e;", "" },
	{ "no body", WITH("S: a\n"), "S:a;", "" },
	{ "no line end", WITH("S: a"), "S:a;", "" },
	{ "no headers", WITH("\nbody"), "", "body" },
	{ "no header line begins the body", WITH("S: a\nhello world\nT: b\n"), "S:a;",
	    "hello world\nT: b\n" },
	{ "8-bit name begins the body", WITH("S: a\nT\xe9: b\n"), "S:a;", "T\xe9: b\n" },
	{ "8-bit value stays", WITH("S: \xe9\n\n"), "S:\xe9;", "" },
	{ "a fold first belongs to nothing", WITH(" a\nS: b\n"), "", " a\nS: b\n" },
	{ "repeated", WITH("From: a\nfrom: b\nFROM: c\n\n"), "From:a;from:b;FROM:c;", "" },
	{ "nothing", WITH(""), "", "" },
};

static void
fields(void **state)
{
	size_t i, k;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct arena *a = arena_new(ARENA_DEFAULT_CAP);
		struct message_file m;
		char space[500] = "";
		struct str s = STR_IN(space);

		print_message("%s\n", cases[i].name);
		message_file_parse(a, cases[i].data, cases[i].size, &m);
		for (k = 0; k < m.n; k++)
			str_catf(&s, "%s:%s;", m.fields[k].name, m.fields[k].value);
		assert_string_equal(space, cases[i].fields);
		assert_int_equal(cases[i].size - m.body, strlen(cases[i].body));
		assert_memory_equal(cases[i].data + m.body, cases[i].body, cases[i].size - m.body);
		arena_free(&a);
	}
}

static void
header_size(void **state)
{
	(void)state;
	assert_int_equal(message_file_header_size(WITH("S: a\n\nbody")), 6);
	assert_int_equal(message_file_header_size(WITH("S: a\r\n\r\nbody")), 8);
	assert_int_equal(message_file_header_size(WITH("\nbody")), 1);
	assert_int_equal(message_file_header_size(WITH("S: a\n")), 0);
	assert_int_equal(message_file_header_size(WITH("S: a\n\r")), 0);
	assert_int_equal(message_file_header_size(WITH("")), 0);
}

/* A megabyte of folds or of one-letter fields must not take long: each byte is looked at a few times. */
static void
large(void **state)
{
	static const char *const pattern[] = { "S: a\n", "S:\n", "\n", " \n", "\r", "a", ":" };
	size_t size = 1 << 20, i, n;
	char *data = malloc(size);
	struct message_file m;

	(void)state;
	assert_non_null(data);
	for (i = 0; i < sizeof(pattern) / sizeof(pattern[0]); i++) {
		struct arena *a = arena_new(ARENA_DEFAULT_CAP);

		memcpy(data, "X: y\n", 5);
		for (n = 5; n < size; n++)
			data[n] = pattern[i][(n - 5) % strlen(pattern[i])];
		message_file_parse(a, data, size, &m);
		assert_true(m.n >= 1 && m.body <= size);
		assert_true(arena_used(a) < 64 * size);
		arena_free(&a);
	}
	free(data);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields),
		cmocka_unit_test(header_size),
		cmocka_unit_test(large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
