/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * One contract for every table type: what identity, ownership and limits rely on,
 * whatever the operator wrote before the ':'.
 *
 * Each type in table_types() is run through every case below with the help of a
 * struct backend that can fill, spoil and remove what the table reads. A type
 * without a backend fails the run: a new driver brings its own.
 */
#include "lib/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/banned.h"

#define PATH_SIZE 256
#define FOREVER UINT64_MAX

/* --- backends ------------------------------------------------------------ */

struct backend {
	const char *type;
	const char *known;		/* a key that fill() puts in, in lower case */
	const char *known_upper;	/* the same in capitals */
	const char *unknown;		/* a key of the right form that is not in */
	void (*more)(FILE *to, unsigned number);	/* writes one further entry */
	const char *bad;		/* a line that makes the whole bad */
};

static void
file_more(FILE *to, unsigned number)
{
	(void)fprintf(to, "more%u.example customer%u\n", number, number);
}

static void
cidr_more(FILE *to, unsigned number)
{
	(void)fprintf(to, "2001:db8:1:%x::/64 customer%u\n", number, number);
}

static const struct backend backends[] = {
	{
		.type = "file", .known = "acme.example", .known_upper = "ACME.Example",
		.unknown = "other.example", .more = file_more, .bad = "no-value-here\n",
	},
	{
		.type = "cidr", .known = "2001:db8::a", .known_upper = "2001:DB8::A",
		.unknown = "198.51.100.1", .more = cidr_more, .bad = "192.0.2.1/24 acme\n",
	},
};

static char folder[PATH_SIZE], path[PATH_SIZE + 16], spec[PATH_SIZE + 32];

/* Writes a new file and renames it, as the manual page asks for. */
static void
fill(const struct backend *b, const char *value, unsigned more, bool bad)
{
	char aside[sizeof(path) + 8];
	unsigned i;
	FILE *f;

	(void)snprintf(aside, sizeof(aside), "%s.new", path);
	f = fopen(aside, "w");
	assert_non_null(f);
	(void)fprintf(f, "# %s\n%s %s\n", b->type, b->known, value);
	for (i = 0; i < more; i++)
		b->more(f, i);
	if (bad)
		(void)fputs(b->bad, f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(rename(aside, path), 0);
}

/* --- what every test begins and ends with -------------------------------- */

static atomic_uint said;
static struct err last;

static void
hear(void *cookie, const struct err *e)
{
	(void)cookie;
	atomic_fetch_add(&said, 1);
	last = *e;
}

static const struct table_report report = { hear, NULL };
static struct arena *arena;

static int
setup(void **state)
{
	const struct backend *b = *state;
	const char *tmp = getenv("TMPDIR");

	(void)snprintf(folder, sizeof(folder), "%s/gatepost-contract.XXXXXX", tmp == NULL ? "/tmp" : tmp);
	if (mkdtemp(folder) == NULL)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/table", folder);
	(void)snprintf(spec, sizeof(spec), "%s:%s", b->type, path);
	arena = arena_new(ARENA_DEFAULT_CAP);
	atomic_store(&said, 0);
	fill(b, "acme", 10, false);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	arena_free(&arena);
	(void)unlink(path);
	return rmdir(folder);
}

static struct table *
opened(void)
{
	struct table *t = table_open(spec, &report);

	assert_non_null(t);
	assert_int_equal(said, 0);
	return t;
}

/* A change is taken up at the second poll that sees it. */
static int
poll_twice(struct table *t)
{
	int first = table_poll(t);

	return first != 0 ? first : table_poll(t);
}

static void
expect_found(struct table *t, const char *key, const char *value)
{
	const char *found;
	struct err e;

	assert_int_equal(table_lookup(t, key, arena, FOREVER, &found, &e), 1);
	assert_string_equal(found, value);
}

/* --- the contract -------------------------------------------------------- */

static void
found(void **state)
{
	const struct backend *b = *state;
	struct table *t = opened();

	expect_found(t, b->known, "acme");
	table_close(&t);
	assert_null(t);
}

static void
not_found(void **state)
{
	const struct backend *b = *state;
	struct table *t = opened();
	const char *value = "before";
	struct err e;

	assert_int_equal(table_lookup(t, b->unknown, arena, FOREVER, &value, &e), 0);
	assert_null(value);
	table_close(&t);
}

static void
case_is_no_difference(void **state)
{
	const struct backend *b = *state;
	struct table *t = opened();

	expect_found(t, b->known_upper, "acme");
	table_close(&t);
}

static void
empty_key_is_an_error(void **state)
{
	struct table *t = opened();
	const char *value;
	struct err e;

	(void)state;
	err_clear(&e);
	assert_int_equal(table_lookup(t, "", arena, FOREVER, &value, &e), -1);
	assert_int_equal(e.code, ERR_INPUT);
	err_clear(&e);
	assert_int_equal(table_lookup(t, NULL, arena, FOREVER, &value, &e), -1);
	assert_int_equal(e.code, ERR_INPUT);
	assert_int_equal(table_lookup(t, "", arena, FOREVER, &value, NULL), -1);
	table_close(&t);
}

static void
hostile_keys_are_not_found(void **state)
{
	static const char *const keys[] = {
		" ", "\t", "\n", "a\nb", "acme.example\n", "acme.example acme", "acme.example\r\n", "\x7f",
		"\x01", "\xff\xfe", "\xc3\xbc.example", "%s%n", "*", "'; --", "(*)", "../../etc/passwd",
		"\"", "\\", "#", ":", "/", "::/0", "0.0.0.0/0", "0", "1.2.3", "256.256.256.256",
	};
	struct table *t = opened();
	const char *value;
	struct err e;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		assert_int_equal(table_lookup(t, keys[i], arena, FOREVER, &value, &e), 0);
	table_close(&t);
}

static void
long_keys_are_not_found(void **state)
{
	static const size_t lengths[] = {
		45, 46, TABLE_KEY_MAX - 1, TABLE_KEY_MAX, TABLE_KEY_MAX + 1, 65536,
	};
	struct table *t = opened();
	const char *value;
	struct err e;
	char *key;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		key = malloc(lengths[i] + 1);
		assert_non_null(key);
		memset(key, 'a', lengths[i]);
		key[lengths[i]] = '\0';
		assert_int_equal(table_lookup(t, key, arena, FOREVER, &value, &e), 0);
		free(key);
	}
	table_close(&t);
}

static void
a_passed_deadline_is_no_not_found(void **state)
{
	const struct backend *b = *state;
	struct table *t = opened();
	const char *value;
	struct err e;
	int result = table_lookup(t, b->known, arena, 0, &value, &e);

	if (result == 1)
		assert_string_equal(value, "acme");
	else
		assert_true(result == -1 && e.code == ERR_TIMEOUT);
	table_close(&t);
}

static void
the_value_belongs_to_the_arena(void **state)
{
	const struct backend *b = *state;
	struct table *t = opened();
	const char *value;
	struct err e;

	assert_int_equal(table_lookup(t, b->known, arena, FOREVER, &value, &e), 1);
	fill(b, "a-different-one", 500, false);
	assert_int_equal(poll_twice(t), 1);
	assert_string_equal(value, "acme");
	table_close(&t);
	assert_string_equal(value, "acme");
}

static void
says_what_it_is(void **state)
{
	struct table *t = opened();
	size_t bytes = table_bytes(t);

	assert_string_equal(table_spec(t), spec);
	assert_int_equal(table_entries(t), 11);
	assert_in_range(bytes, 1, 1 << 20);
	fill(*state, "acme", 5000, false);
	assert_int_equal(poll_twice(t), 1);
	assert_int_equal(table_entries(t), 5001);
	assert_true(table_bytes(t) > bytes);
	table_close(&t);
}

static void
count_key(void *cookie, const char *key, const char *value)
{
	assert_true(*key != '\0' && *value != '\0');
	++*(size_t *)cookie;
}

static void
is_walked_through_or_says_that_it_cannot(void **state)
{
	struct table *t = opened();
	size_t n = 0;
	struct err e;

	(void)state;
	err_clear(&e);
	if (table_each(t, count_key, &n, &e) == 1)
		assert_int_equal(n, table_entries(t));
	else
		assert_true(n == 0 && strstr(e.text, "cannot be walked through") != NULL);
	table_close(&t);
}

static void
polling_without_a_change_does_nothing(void **state)
{
	struct table *t = opened();

	(void)state;
	assert_int_equal(table_poll(t), 0);
	assert_int_equal(table_poll(t), 0);
	assert_int_equal(table_poll(t), 0);
	assert_int_equal(said, 0);
	table_close(&t);
}

static void
a_change_is_reread(void **state)
{
	const struct backend *b = *state;
	struct table *t = opened();

	fill(b, "zenith", 0, false);
	assert_int_equal(poll_twice(t), 1);
	expect_found(t, b->known, "zenith");
	assert_int_equal(table_entries(t), 1);
	assert_int_equal(table_poll(t), 0);
	assert_int_equal(said, 0);
	table_close(&t);
}

static void
a_bad_change_is_said_once_and_not_taken(void **state)
{
	const struct backend *b = *state;
	struct table *t = opened();
	unsigned heard;

	fill(b, "zenith", 0, true);
	assert_int_equal(poll_twice(t), -1);
	heard = said;
	assert_in_range(heard, 1, 3);
	assert_true(last.text[0] != '\0');
	assert_int_equal(table_poll(t), 0);
	assert_int_equal(table_poll(t), 0);
	assert_int_equal(said, heard);
	expect_found(t, b->known, "acme");
	assert_int_equal(table_entries(t), 11);

	fill(b, "zenith", 3, false);
	assert_int_equal(poll_twice(t), 1);
	expect_found(t, b->known, "zenith");
	assert_int_equal(said, heard);
	table_close(&t);
}

static void
what_vanished_stays_in_force(void **state)
{
	const struct backend *b = *state;
	struct table *t = opened();
	const char *value;
	struct err e;
	unsigned heard;

	assert_int_equal(unlink(path), 0);
	assert_int_equal(poll_twice(t), -1);
	heard = said;
	assert_in_range(heard, 1, 2);
	assert_int_equal(table_poll(t), 0);
	assert_int_equal(said, heard);
	if (table_lookup(t, b->known, arena, FOREVER, &value, &e) == 1)
		assert_string_equal(value, "acme");
	assert_int_not_equal(table_lookup(t, b->known, arena, FOREVER, &value, &e), 0);

	fill(b, "back", 0, false);
	assert_int_equal(poll_twice(t), 1);
	expect_found(t, b->known, "back");
	table_close(&t);
}

static void
what_is_bad_at_the_start_does_not_open(void **state)
{
	struct table *t;

	fill(*state, "acme", 0, true);
	t = table_open(spec, &report);
	assert_null(t);
	assert_int_equal(said, 1);
	assert_int_equal(last.code, ERR_INPUT);
	assert_non_null(strstr(last.where, ":3"));
	assert_null(table_open(spec, NULL));
	assert_int_equal(unlink(path), 0);
	assert_null(table_open(spec, &report));
	assert_int_equal(said, 2);
	assert_int_equal(last.code, ERR_SYSTEM);
	table_close(&t);
	table_close(NULL);
}

static void
two_of_the_same_are_independent(void **state)
{
	const struct backend *b = *state;
	struct table *one = opened(), *two = opened();

	fill(b, "zenith", 0, false);
	assert_int_equal(poll_twice(one), 1);
	expect_found(one, b->known, "zenith");
	expect_found(two, b->known, "acme");
	table_close(&one);
	expect_found(two, b->known, "acme");
	assert_int_equal(poll_twice(two), 1);
	expect_found(two, b->known, "zenith");
	table_close(&two);
}

/* --- threads ------------------------------------------------------------- */

#define ASKERS 3
#define REREADS 25

struct asker {
	struct table *t;
	const struct backend *b;
	atomic_bool *stop;
	atomic_uint *wrong, *asked;
};

static void *
ask(void *cookie)
{
	struct asker *k = cookie;
	const char *value;
	struct err e;

	while (!atomic_load(k->stop)) {
		struct arena *a = arena_new(ARENA_DEFAULT_CAP);

		if (table_lookup(k->t, k->b->known, a, FOREVER, &value, &e) != 1 ||
		    (strcmp(value, "odd") != 0 && strcmp(value, "even") != 0))
			atomic_fetch_add(k->wrong, 1);
		if (table_lookup(k->t, k->b->unknown, a, FOREVER, &value, &e) != 0)
			atomic_fetch_add(k->wrong, 1);
		if (table_entries(k->t) == 0 || table_bytes(k->t) == 0)
			atomic_fetch_add(k->wrong, 1);
		atomic_fetch_add(k->asked, 1);
		arena_free(&a);
	}
	return NULL;
}

/* Lookups go on through rereads, good and bad, and always find one content or the next. */
static void
lookups_during_rereads(void **state)
{
	const struct backend *b = *state;
	atomic_bool stop = false;
	atomic_uint wrong = 0, asked = 0;
	pthread_t threads[ASKERS];
	struct asker asker = { .b = b, .stop = &stop, .wrong = &wrong, .asked = &asked };
	unsigned i;

	fill(b, "even", 200, false);
	asker.t = opened();
	for (i = 0; i < ASKERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask, &asker), 0);
	for (i = 0; i < REREADS || atomic_load(&asked) < 100; i++) {
		bool bad = i % 5 == 4;

		fill(b, i % 2 == 0 ? "odd" : "even", 200 + i % 7, bad);
		assert_int_equal(poll_twice(asker.t), bad ? -1 : 1);
	}
	atomic_store(&stop, true);
	for (i = 0; i < ASKERS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(wrong, 0);
	table_close(&asker.t);
}

/* --- running it ---------------------------------------------------------- */

struct contract {
	const char *name;
	CMUnitTestFunction run;
};

static const struct contract contracts[] = {
	{ "found", found },
	{ "not found", not_found },
	{ "case is no difference", case_is_no_difference },
	{ "empty key is an error", empty_key_is_an_error },
	{ "hostile keys are not found", hostile_keys_are_not_found },
	{ "long keys are not found", long_keys_are_not_found },
	{ "a passed deadline is no 'not found'", a_passed_deadline_is_no_not_found },
	{ "the value belongs to the arena", the_value_belongs_to_the_arena },
	{ "says what it is", says_what_it_is },
	{ "is walked through or says that it cannot", is_walked_through_or_says_that_it_cannot },
	{ "polling without a change does nothing", polling_without_a_change_does_nothing },
	{ "a change is reread", a_change_is_reread },
	{ "a bad change is said once and not taken", a_bad_change_is_said_once_and_not_taken },
	{ "what vanished stays in force", what_vanished_stays_in_force },
	{ "what is bad at the start does not open", what_is_bad_at_the_start_does_not_open },
	{ "two of the same are independent", two_of_the_same_are_independent },
	{ "lookups during rereads", lookups_during_rereads },
};

#define CONTRACTS (sizeof(contracts) / sizeof(contracts[0]))
#define TYPES_MAX 16

static struct CMUnitTest tests[TYPES_MAX * CONTRACTS];
static char names[TYPES_MAX * CONTRACTS][80];

static const struct backend *
backend_of(const char *type, size_t n)
{
	size_t i;

	for (i = 0; i < sizeof(backends) / sizeof(backends[0]); i++)
		if (strlen(backends[i].type) == n && memcmp(backends[i].type, type, n) == 0)
			return &backends[i];
	return NULL;
}

int
main(void)
{
	const char *types = table_types();
	size_t n = 0, i, len;

	for (; *types != '\0'; types += len + strspn(types + len, ", ")) {
		const struct backend *b;

		len = strcspn(types, ", ");
		b = backend_of(types, len);
		if (b == NULL || n + CONTRACTS > sizeof(tests) / sizeof(tests[0])) {
			(void)fprintf(stderr, "no backend for table type %.*s\n", (int)len, types);
			return 1;
		}
		for (i = 0; i < CONTRACTS; i++, n++) {
			(void)snprintf(names[n], sizeof(names[n]), "%s: %s", b->type, contracts[i].name);
			tests[n] = (struct CMUnitTest){ names[n], contracts[i].run, setup, teardown,
			    (void *)(uintptr_t)b };
		}
	}
	/* Unused places at the end have no name: cmocka passes over them. */
	return cmocka_run_group_tests_name("table contract", tests, NULL, NULL);
}
