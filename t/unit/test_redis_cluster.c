/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * test_redis_cluster - maps of a Cluster, from good replies and from odd ones.
 */
#include "lib/redis_cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/banned.h"

/* ---- replies in few letters ---- */

/* Reads "[0 100 ['192.0.2.1' 6379 'id']]": lists, numbers, texts, _ for nil. */
static struct redis_reply *
reply(const char **at)
{
	struct redis_reply *r = calloc(1, sizeof(*r)), **more;
	const char *end;
	char *rest;

	assert_non_null(r);
	*at += strspn(*at, " ");
	if (**at == '[') {
		r->type = REDIS_ARRAY;
		for (++*at; *(*at += strspn(*at, " ")) != ']';) {
			more = realloc(r->at, (r->n + 1) * sizeof(struct redis_reply *));
			assert_non_null(more);
			r->at = more;
			r->at[r->n++] = reply(at);
		}
		++*at;
	} else if (**at == '\'') {
		end = strchr(++*at, '\'');
		r->type = REDIS_STRING;
		r->n = (size_t)(end - *at);
		r->text = strndup(*at, r->n);
		*at = end + 1;
	} else if (**at == '_') {
		r->type = REDIS_NIL;
		++*at;
	} else {
		r->type = REDIS_INTEGER;
		r->integer = strtoll(*at, &rest, 10);
		assert_ptr_not_equal(rest, *at);
		*at = rest;
	}
	return r;
}

static int
read_map(const char *text, const char *asked, struct redis_cluster_map *to)
{
	struct err e = { .text = "" };
	struct redis_reply *r = reply(&text);
	int found = redis_cluster_read(r, asked, to, &e);

	assert_true(found == 1 || e.text[0] != '\0');
	redis_reply_free(&r);
	return found;
}

static struct redis_cluster_map map;

static const char *
owner(unsigned slot)
{
	return map.owner[slot] == 0 ? "" : map.address[map.owner[slot] - 1];
}

/* ---- tests ---- */

static void
test_three_masters(void **state)
{
	(void)state;
	assert_int_equal(read_map("[[0 5460 ['192.0.2.1' 7000 'a' []] ['192.0.2.4' 7003 'd' []]]"
	    "[5461 10922 ['192.0.2.2' 7001 'b' []] ['192.0.2.5' 7004 'e' []]]"
	    "[10923 16383 ['2001:db8::3' 7002 'c' []]]]", "inet:1@192.0.2.9", &map), 1);
	assert_int_equal(map.n, 5);
	assert_int_equal(map.owned, REDIS_SLOTS);
	assert_string_equal(owner(0), "inet:7000@192.0.2.1");
	assert_string_equal(owner(5460), "inet:7000@192.0.2.1");
	assert_string_equal(owner(5461), "inet:7001@192.0.2.2");
	assert_string_equal(owner(16383), "inet6:7002@2001:db8::3");
	assert_true(map.master[0]);
	assert_false(map.master[1]);
}

/* One node has several ranges, and some slots nobody. */
static void
test_gaps(void **state)
{
	(void)state;
	assert_int_equal(read_map("[[0 0 ['192.0.2.1' 7000]] [2 3 ['192.0.2.2' 7000]] [5 5 ['192.0.2.1' 7000]]]",
	    "inet:1@192.0.2.9", &map), 1);
	assert_int_equal(map.n, 2);
	assert_int_equal(map.owned, 4);
	assert_string_equal(owner(1), "");
	assert_string_equal(owner(5), "inet:7000@192.0.2.1");
	assert_int_equal(read_map("[]", "inet:1@192.0.2.9", &map), 1);
	assert_int_equal(map.owned, 0);
}

/* A node that does not know its name means the one that it was asked by. */
static void
test_unknown_name(void **state)
{
	static const struct {
		const char *name, *host, *asked, *address;
	} cases[] = {
		{ "empty", "''", "inet:7009@r1.example", "inet:7000@r1.example" },
		{ "nil", "_", "inet:7009@192.0.2.1", "inet:7000@192.0.2.1" },
		{ "question mark", "'?'", "inet:7009@192.0.2.1", "inet:7000@192.0.2.1" },
		{ "IPv6", "''", "inet6:7009@[2001:db8::1]", "inet6:7000@2001:db8::1" },
		{ "by a socket", "''", "unix:/run/a@b", NULL },
	};
	char text[200];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		(void)snprintf(text, sizeof(text), "[[0 16383 [%s 7000 'a']]]", cases[i].host);
		if (read_map(text, cases[i].asked, &map) != (cases[i].address != NULL ? 1 : -1))
			fail_msg("%s", cases[i].name);
		if (cases[i].address != NULL && strcmp(owner(7), cases[i].address) != 0)
			fail_msg("%s: %s", cases[i].name, owner(7));
	}
}

static void
test_odd(void **state)
{
	static const char *const cases[] = {
		"7", "'text'", "_", "[7]", "[[]]", "[[0 1]]", "[[0 1 7]]", "[[0 1 []]]", "[[0 1 ['192.0.2.1']]]",
		"[[0 1 [7 7000]]]", "[[0 1 ['192.0.2.1' '7000']]]", "[[0 1 ['192.0.2.1' 0]]]",
		"[[0 1 ['192.0.2.1' 65536]]]", "[[0 1 ['192.0.2.1' -1]]]", "[[-1 1 ['192.0.2.1' 7000]]]",
		"[[1 0 ['192.0.2.1' 7000]]]", "[[0 16384 ['192.0.2.1' 7000]]]", "[['0' 1 ['192.0.2.1' 7000]]]",
		"[[0 9223372036854775807 ['192.0.2.1' 7000]]]", "[[0 1 ['192.0.2.1' 7000] 7]]",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (read_map(cases[i], "inet:1@192.0.2.9", &map) != -1)
			fail_msg("%s", cases[i]);
	}
}

static void
test_too_many(void **state)
{
	static char text[REDIS_CLUSTER_NODES * 64];
	size_t n = 0;
	unsigned i;

	(void)state;
	text[n++] = '[';
	for (i = 0; i <= REDIS_CLUSTER_NODES; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "[%u %u ['192.0.2.1' %u]]", i, i, 7000 + i);
	text[n++] = ']';
	assert_int_equal(read_map(text, "inet:1@192.0.2.9", &map), -1);
	(void)snprintf(text, sizeof(text), "[[0 1 ['%0400d' 7000]]]", 1);
	assert_int_equal(read_map(text, "inet:1@192.0.2.9", &map), -1);
}

/* "This instance has cluster support disabled" */
static void
test_error(void **state)
{
	char words[] = "ERR This instance has cluster support disabled";
	struct redis_reply r = { .type = REDIS_ERROR, .text = words, .n = sizeof(words) - 1 };
	struct err e = { .text = "" };

	(void)state;
	assert_int_equal(redis_cluster_read(&r, "inet:1@192.0.2.9", &map, &e), -1);
	assert_non_null(strstr(e.text, "disabled"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_three_masters),
		cmocka_unit_test(test_gaps),
		cmocka_unit_test(test_unknown_name),
		cmocka_unit_test(test_odd),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
