/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * net: one client has one name; nothing but an address is an address.
 */
#include "lib/net.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void
addresses(void **state)
{
	static const struct { const char *text, *want; } cases[] = {
		{ "192.0.2.7", "192.0.2.7" }, { "[192.0.2.7]", "192.0.2.7" },
		{ "::ffff:192.0.2.7", "192.0.2.7" },
		{ "::ffff:c000:207", "192.0.2.7" }, { "IPv6:::ffff:192.0.2.7", "192.0.2.7" },
		{ "2001:DB8:0:0:0:0:0:1", "2001:db8::1" }, { "[2001:db8::1]", "2001:db8::1" },
		{ "IPv6:2001:db8::1", "2001:db8::1" }, { "[ipv6:2001:db8::1]", "2001:db8::1" },
		{ "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1" }, { "::", "::" }, { "", NULL },
		{ "[]", NULL },
		{ "IPv6:", NULL }, { "IPv6:192.0.2.7", NULL }, { "192.0.2", NULL }, { "192.0.2.256", NULL },
		{ "192.0.2.07", NULL }, { "0xc0.0.2.7", NULL }, { "3221225991", NULL },
		{ " 192.0.2.7", NULL },
		{ "192.0.2.7 ", NULL }, { "192.0.2.7/32", NULL }, { "fe80::1%eth0", NULL },
		{ "[192.0.2.7", NULL },
		{ "2001:db8::1::", NULL }, { "unknown", NULL }, { "host.example", NULL },
		{ "2001:0db8:0000:0000:0000:0000:0000:0001:0000:0000:0000:0000:0000", NULL }
	};
	struct net_addr a;
	char text[NET_TEXT];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		if (net_parse(cases[i].text, &a) != (cases[i].want != NULL))
			fail_msg("\"%s\"", cases[i].text);
		net_text(&a, text);
		assert_string_equal(text, cases[i].want != NULL ? cases[i].want : "");
	}
	assert_int_equal(net_parse(NULL, &a), 0);
}

static void
prefixes(void **state)
{
	static const struct { const char *text; int ok; unsigned length; } cases[] = {
		{ "192.0.2.0/24", 1, 24 }, { "192.0.2.7", 1, 32 }, { "0.0.0.0/0", 1, 0 },
		{ "2001:db8::/32", 1, 32 },
		{ "[2001:db8::]/32", 1, 32 }, { "2001:db8::1", 1, 128 }, { "::ffff:192.0.2.0/120", 1, 24 },
		{ "::ffff:192.0.2.7", 1, 32 }, { "::ffff:0.0.0.0/96", 1, 0 }, { "::ffff:0.0.0.0/95", 0, 0 },
		{ "192.0.2.7/24", 0, 0 }, { "192.0.2.0/33", 0, 0 }, { "192.0.2.0/", 0, 0 },
		{ "192.0.2.0/024", 0, 0 },
		{ "192.0.2.0/+24", 0, 0 }, { "192.0.2.0/24x", 0, 0 }, { "192.0.2.0/24/24", 0, 0 },
		{ "192.0.2.0/4294967320", 0, 0 }, { "2001:db8::1/64", 0, 0 }, { "2001:db8::/129", 0, 0 },
		{ "/24", 0, 0 },
		{ "", 0, 0 }
	};
	struct net_addr a;
	unsigned length;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		if (net_parse_prefix(cases[i].text, &a, &length) != cases[i].ok)
			fail_msg("\"%s\"", cases[i].text);
		if (cases[i].ok)
			assert_int_equal(length, cases[i].length);
	}
}

static void
membership(void **state)
{
	static const struct { const char *address, *prefix; bool in; } cases[] = {
		{ "192.0.2.7", "192.0.2.0/24", true }, { "192.0.3.7", "192.0.2.0/24", false },
		{ "192.0.2.7", "192.0.2.6/31", true }, { "192.0.2.5", "192.0.2.6/31", false },
		{ "203.0.113.9", "0.0.0.0/0", true }, { "2001:db8::1", "0.0.0.0/0", false },
		{ "192.0.2.7", "::/0", false }, { "::ffff:192.0.2.7", "192.0.2.0/24", true },
		{ "2001:db8:1::1", "2001:db8::/32", true }, { "2001:db9::1", "2001:db8::/32", false },
		{ "2001:db8::1", "2001:db8::1", true }, { "2001:db8::2", "2001:db8::1", false }
	};
	struct net_addr a, prefix;
	unsigned length;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		assert_int_equal(net_parse(cases[i].address, &a), 1);
		assert_int_equal(net_parse_prefix(cases[i].prefix, &prefix, &length), 1);
		if (net_in(&a, &prefix, length) != cases[i].in)
			fail_msg("%s in %s", cases[i].address, cases[i].prefix);
	}
	memset(&a, 0, sizeof(a));
	assert_false(net_in(&a, &a, 0));
}

static void
keys(void **state)
{
	static const struct { const char *address, *network, *host; } cases[] = {
		{ "192.0.2.7", "192.0.2.0/24", "192.0.2.7" },
		{ "::ffff:192.0.2.7", "192.0.2.0/24", "192.0.2.7" },
		{ "2001:db8:1:2:3:4:5:6", "2001:db8:1::/48", "2001:db8:1:2::/64" }
	};
	struct net_addr a;
	char text[NET_PREFIX_TEXT];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		assert_int_equal(net_parse(cases[i].address, &a), 1);
		net_network_text(&a, text);
		assert_string_equal(text, cases[i].network);
		net_host_text(&a, text);
		assert_string_equal(text, cases[i].host);
	}
	memset(&a, 0, sizeof(a));
	net_network_text(&a, text);
	assert_string_equal(text, "");
	net_host_text(&a, text);
	assert_string_equal(text, "");
}

static void
socket_addresses(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct net_addr a, b;

	(void)state;
	assert_int_equal(inet_pton(AF_INET, "192.0.2.7", &in.sin_addr), 1);
	assert_int_equal(inet_pton(AF_INET6, "::ffff:192.0.2.7", &in6.sin6_addr), 1);
	assert_true(net_from_sockaddr((struct sockaddr *)&in, &a));
	assert_true(net_from_sockaddr((struct sockaddr *)&in6, &b));
	assert_true(net_eq(&a, &b));
	assert_false(net_from_sockaddr((struct sockaddr *)&un, &a));
	assert_int_equal(a.bits, 0);
	assert_false(net_from_sockaddr(NULL, &a));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(prefixes),
		cmocka_unit_test(membership),
		cmocka_unit_test(keys),
		cmocka_unit_test(socket_addresses),
	};

	return cmocka_run_group_tests_name("net", tests, NULL, NULL);
}
