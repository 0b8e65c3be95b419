/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * test_redis_slot - keys to slots as a real cluster has it (CLUSTER KEYSLOT), and redirections.
 */
#include "lib/redis_slot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/banned.h"

static void
test_slots(void **state)
{
	/* The slots are those that redis-server 7.0 names. */
	static const struct {
		const char *name, *key;
		unsigned slot;
	} cases[] = {
		{ "the check value of CRC16/XMODEM", "123456789", 0x31c3 },
		{ "empty", "", 0 },
		{ "plain", "foo", 12182 },
		{ "a tag alone counts", "a{foo}b", 12182 },
		{ "only the first tag counts", "{foo}{bar}", 12182 },
		{ "an empty tag is none", "foo{}{bar}", 8363 },
		{ "a tag begins at the first brace", "foo{{bar}}zap", 4015 },
		{ "an open tag is none", "{foo", 13308 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (redis_slot(cases[i].key, strlen(cases[i].key)) != cases[i].slot)
			fail_msg("%s: %u", cases[i].name, redis_slot(cases[i].key, strlen(cases[i].key)));
	}
	assert_int_not_equal(redis_slot("a\0b", 3), redis_slot("a\0c", 3));
}

static void
test_redirects(void **state)
{
	static const struct {
		const char *name, *text;
		enum redis_redirect kind;
		unsigned slot, port;
		const char *host;
	} cases[] = {
		{ "moved", "MOVED 3999 192.0.2.7:6381", REDIS_REDIRECT_MOVED, 3999, 6381, "192.0.2.7" },
		{ "ask", "ASK 0 192.0.2.7:1", REDIS_REDIRECT_ASK, 0, 1, "192.0.2.7" },
		{ "no host", "MOVED 16383 :6381", REDIS_REDIRECT_MOVED, 16383, 6381, "" },
		{ "a name", "MOVED 1 r1.example:6381", REDIS_REDIRECT_MOVED, 1, 6381, "r1.example" },
		{ "IPv6", "MOVED 1 2001:db8::1:6381", REDIS_REDIRECT_MOVED, 1, 6381, "2001:db8::1" },
		{ "IPv6 in brackets", "MOVED 1 [2001:db8::1]:65535", REDIS_REDIRECT_MOVED, 1, 65535,
		    "2001:db8::1" },
		{ "another error", "ERR wrong number of arguments", REDIS_REDIRECT_NONE, 0, 0, "" },
		{ "nothing", "", REDIS_REDIRECT_NONE, 0, 0, "" },
		{ "only the word", "MOVED ", REDIS_REDIRECT_NONE, 0, 0, "" },
		{ "no slot", "MOVED  192.0.2.7:6381", REDIS_REDIRECT_NONE, 0, 0, "" },
		{ "slot too large", "MOVED 16384 192.0.2.7:6381", REDIS_REDIRECT_NONE, 0, 0, "" },
		{ "slot of many digits", "MOVED 99999999999999999999 192.0.2.7:6381", REDIS_REDIRECT_NONE, 0, 0,
		    "" },
		{ "negative slot", "MOVED -1 192.0.2.7:6381", REDIS_REDIRECT_NONE, 0, 0, "" },
		{ "no address", "MOVED 1", REDIS_REDIRECT_NONE, 0, 0, "" },
		{ "no port", "MOVED 1 192.0.2.7", REDIS_REDIRECT_NONE, 0, 0, "" },
		{ "port too large", "MOVED 1 192.0.2.7:65536", REDIS_REDIRECT_NONE, 0, 0, "" },
		{ "port 0", "MOVED 1 192.0.2.7:0", REDIS_REDIRECT_NONE, 0, 0, "" },
		{ "more behind it", "MOVED 1 192.0.2.7:6381 x", REDIS_REDIRECT_NONE, 0, 0, "" },
		{ "small letters", "moved 1 192.0.2.7:6381", REDIS_REDIRECT_NONE, 0, 0, "" },
	};
	char host[REDIS_HOST_MAX], text[400];
	unsigned slot, port;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum redis_redirect kind = redis_redirect(cases[i].text, strlen(cases[i].text), &slot, host,
		    &port);

		if (kind != cases[i].kind)
			fail_msg("%s: %d", cases[i].name, (int)kind);
		if (kind != REDIS_REDIRECT_NONE &&
		    (slot != cases[i].slot || port != cases[i].port || strcmp(host, cases[i].host) != 0))
			fail_msg("%s: %u %s %u", cases[i].name, slot, host, port);
	}
	/* A host that does not fit is no host. */
	(void)snprintf(text, sizeof(text), "MOVED 1 %0300d:6381", 1);
	assert_int_equal(redis_redirect(text, strlen(text), &slot, host, &port), REDIS_REDIRECT_NONE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slots),
		cmocka_unit_test(test_redirects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
