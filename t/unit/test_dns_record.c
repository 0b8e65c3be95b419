/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * test_dns_record - names as they are asked, and packets as they are understood: what may be in a record,
 * what makes an answer no answer.
 */
#include "lib/dns_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/banned.h"

/* ---- names ---- */

#define L63 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff123"
#define N251 L63 "." L63 "." L63 "." "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff"

static const struct {
	const char *name, *plain;	/* NULL: no name */
} names[] = {
	{ "acme.example", "acme.example" },
	{ "ACME.Example.", "acme.example" },
	{ "_spf.a-b.example", "_spf.a-b.example" },
	{ "example", "example" },
	{ "*.example", "*.example" },
	{ "a b\\.example", "a b\\.example" },
	{ "\303\211.example", "\303\211.example" },
	{ L63 ".example", L63 ".example" },
	{ N251 "b", N251 "b" },
	{ N251 "b.", N251 "b" },
	{ "", NULL },
	{ ".", NULL },
	{ "..", NULL },
	{ ".example", NULL },
	{ "a..example", NULL },
	{ "example..", NULL },
	{ L63 "4.example", NULL },
	{ N251 "bc", NULL },
	{ N251 "b..", NULL },
	{ N251 "b.c", NULL },
};

static void
test_names(void **state)
{
	char plain[DNS_NAME_MAX + 1], escaped[DNS_NAME_ESCAPED], all[DNS_NAME_MAX + 1];
	size_t i;

	(void)state;
	assert_int_equal(strlen(N251), 252);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		bool ok = dns_name_plain(names[i].name, plain);

		if (ok != (names[i].plain != NULL) || (ok && strcmp(plain, names[i].plain) != 0))
			fail_msg("%s: %s", names[i].name, ok ? plain : "no name");
	}
	dns_name_escape("a b\\c_d-1/2.ex\377mple", escaped);
	assert_string_equal(escaped, "a\\032b\\092c_d-1/2.ex\\255mple");
	memset(all, ' ', DNS_NAME_MAX);
	all[DNS_NAME_MAX] = '\0';
	dns_name_escape(all, escaped);
	assert_int_equal(strlen(escaped), 4 * DNS_NAME_MAX);
}

/* ---- packets ---- */

struct packet {
	uint8_t data[70000];
	size_t n;
};

static struct packet packet;

static void
put(const char *data, size_t n)
{
	assert_true(packet.n + n <= sizeof(packet.data));
	memcpy(packet.data + packet.n, data, n);
	packet.n += n;
}

/* An answer's head with the question acme.example (at offset 12; "example" is at 17). */
static void
head(unsigned rcode, unsigned answers, unsigned authority)
{
	const char h[12] = { 1, 2, (char)0x81, (char)(0x80 | rcode), 0, 1, (char)(answers >> 8),
	    (char)answers, 0, (char)authority, 0, 0 };

	packet.n = 0;
	put(h, 12);
	put("\4AcMe\7example\0\0\20\0\1", 18);
}

static void
record(const char *owner, size_t owner_size, unsigned type, uint32_t ttl, const char *data, size_t n)
{
	const char fixed[10] = { (char)(type >> 8), (char)type, 0, 1, (char)(ttl >> 24), (char)(ttl >> 16),
	    (char)(ttl >> 8), (char)ttl, (char)(n >> 8), (char)n };

	put(owner, owner_size);
	put(fixed, 10);
	put(data, n);
}

#define OWN(type, ttl, data) record("\300\14", 2, type, ttl, data, sizeof(data) - 1)

static struct dns_said *
read_as(enum dns_type type)
{
	return dns_said_read(packet.data, packet.n, "acme.example", type, false);
}

static void
expect(enum dns_type type, enum dns_answer answer, uint32_t ttl, const char *all)
{
	struct dns_said *s = read_as(type);
	char text[1000] = "";
	unsigned i;
	size_t n = 0;

	for (i = 0; i < s->n && n < sizeof(text); i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%u:%s(%u)", i > 0 ? " " : "",
		    s->at[i].preference, s->bytes + s->at[i].at, s->at[i].size);
	if (s->answer != answer || s->ttl != ttl || strcmp(text, all) != 0)
		fail_msg("answer %u, ttl %u, %s", s->answer, s->ttl, text);
	dns_said_unref(&s);
}

static void
expect_failed(enum dns_type type, const char *why)
{
	struct dns_said *s = read_as(type);

	assert_int_equal(s->answer, DNS_FAILED);
	assert_string_equal(s->bytes, why);
	assert_int_equal(s->n, 0);
	dns_said_unref(&s);
}

static void
test_records(void **state)
{
	(void)state;
	head(0, 2, 0);
	OWN(DNS_TXT, 300, "\6v=spf1\5 -all");
	OWN(DNS_TXT, 200, "\0\1b");
	expect(DNS_TXT, DNS_FOUND, 200, "0:b(1) 0:v=spf1 -all(11)");
	head(0, 3, 0);
	OWN(DNS_MX, 300, "\0\24\1B\300\21");
	OWN(DNS_MX, 300, "\0\12\1z\300\14");
	OWN(DNS_MX, 300, "\0\12\1Y\7Example\0");
	expect(DNS_MX, DNS_FOUND, 300, "10:y.example(9) 10:z.acme.example(14) 20:b.example(9)");
	head(0, 1, 0);
	OWN(DNS_MX, 300, "\0\0\0");
	expect(DNS_MX, DNS_FOUND, 300, "0:(0)");
	head(0, 1, 0);
	OWN(DNS_PTR, 300, "\4Host\300\14");
	expect(DNS_PTR, DNS_FOUND, 300, "0:host.acme.example(17)");
	head(0, 1, 0);
	OWN(DNS_A, UINT32_MAX, "abcd");
	expect(DNS_A, DNS_FOUND, 0, "0:abcd(4)");
	head(0, 1, 0);
	OWN(DNS_AAAA, 5, "abcdefghijklmnop");
	expect(DNS_AAAA, DNS_FOUND, 5, "0:abcdefghijklmnop(16)");
	/* A NUL is a byte like others; who reads records looks at the size. */
	head(0, 1, 0);
	OWN(DNS_TXT, 5, "\3a\0b");
	expect(DNS_TXT, DNS_FOUND, 5, "0:a(3)");
}

static void
test_aliases(void **state)
{
	unsigned i;

	(void)state;
	head(0, 2, 0);
	record("\3www\300\21", 6, DNS_A, 50, "abcd", 4);
	OWN(5, 70, "\3WWW\300\21");
	expect(DNS_A, DNS_FOUND, 50, "0:abcd(4)");
	/* To nothing: the alias' own ttl counts as well. */
	head(3, 1, 1);
	OWN(5, 20, "\3www\300\21");
	record("\300\21", 2, 6, 100, "\0\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\132", 22);
	expect(DNS_A, DNS_NO_NAME, 20, "");
	head(0, 1, 0);
	OWN(5, 20, "\300\14");
	expect_failed(DNS_A, "aliases in a loop");
	head(0, 20, 0);
	OWN(5, 20, "\1a\300\21");
	for (i = 0; i < 19; i++) {
		const char owner[4] = { 1, (char)('a' + i), (char)0xc0, 17 };
		const char target[4] = { 1, (char)('b' + i), (char)0xc0, 17 };

		record(owner, 4, 5, 20, target, 4);
	}
	expect_failed(DNS_A, "aliases in a loop");
	/* What is said of others does not count. */
	head(0, 1, 0);
	record("\300\21", 2, DNS_A, 50, "abcd", 4);
	expect(DNS_A, DNS_NO_DATA, 60, "");
	head(0, 1, 0);
	record("\4acme\7ex.mple\0", 14, DNS_A, 50, "abcd", 4);
	expect(DNS_A, DNS_NO_DATA, 60, "");
	head(0, 1, 0);
	record("\14acme.example\0", 14, DNS_A, 50, "abcd", 4);
	expect(DNS_A, DNS_NO_DATA, 60, "");
}

static void
test_absence(void **state)
{
	static const char soa[] = "\0\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\132";	/* minimum 90 */

	(void)state;
	head(3, 0, 0);
	expect(DNS_TXT, DNS_NO_NAME, 60, "");
	head(0, 0, 1);
	OWN(6, 3600, "\0\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\132");
	expect(DNS_TXT, DNS_NO_DATA, 90, "");
	head(3, 0, 1);
	record("\0", 1, 6, 40, soa, sizeof(soa) - 1);
	expect(DNS_TXT, DNS_NO_NAME, 40, "");
	head(3, 0, 1);
	record("\0", 1, 6, 40, soa, 8);
	expect(DNS_TXT, DNS_NO_NAME, 60, "");
}

/* Names that no host can have are left out; the others stand. */
static void
test_odd_targets(void **state)
{
	(void)state;
	head(0, 4, 0);
	OWN(DNS_MX, 300, "\0\1\3a.b\300\21");
	OWN(DNS_MX, 300, "\0\2\3a\0b\300\21");
	OWN(DNS_MX, 300, "\0\3\3a\nb\300\21");
	OWN(DNS_MX, 300, "\0\4\3a_b\300\21");
	expect(DNS_MX, DNS_FOUND, 300, "4:a_b.example(11)");
	head(0, 1, 0);
	OWN(DNS_PTR, 300, "\2\303\251\300\21");
	expect(DNS_PTR, DNS_NO_DATA, 60, "");
}

static const struct {
	const char *name;
	enum dns_type type;
	const char *data;
	size_t n;
} broken[] = {
	{ "an A of three bytes", DNS_A, "abc", 3 },
	{ "an A of five", DNS_A, "abcde", 5 },
	{ "an AAAA of four", DNS_AAAA, "abcd", 4 },
	{ "TXT without a string", DNS_TXT, "", 0 },
	{ "TXT that says to be longer", DNS_TXT, "\5abcd", 5 },
	{ "TXT whose second string does", DNS_TXT, "\1a\2b", 4 },
	{ "MX without a name", DNS_MX, "\0\1", 2 },
	{ "MX of one byte", DNS_MX, "\0", 1 },
	{ "MX with more behind the name", DNS_MX, "\0\1\1a\0b", 6 },
	{ "MX whose name does not end", DNS_MX, "\0\1\1a", 4 },
	{ "PTR that points to itself", DNS_PTR, "\300\52", 2 },
	{ "PTR that points ahead", DNS_PTR, "\300\377", 2 },
	{ "PTR with a label of an unknown kind", DNS_PTR, "\101a\0", 3 },
	{ "an empty PTR", DNS_PTR, "", 0 },
};

static void
test_broken_records(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		struct dns_said *s;

		head(0, 1, 0);
		record("\300\14", 2, broken[i].type, 300, broken[i].data, broken[i].n);
		s = read_as(broken[i].type);
		if (s->answer != DNS_FAILED)
			fail_msg("%s: answer %u", broken[i].name, s->answer);
		dns_said_unref(&s);
	}
}

static void
test_broken_packets(void **state)
{
	size_t i, whole;

	(void)state;
	head(0, 1, 0);
	OWN(DNS_MX, 300, "\0\24\1B\300\21");
	whole = packet.n;
	for (i = 0; i < whole; i++) {
		/* An own piece of memory: what reads beyond it is seen by the sanitizer. */
		struct dns_said *s;
		uint8_t *piece = test_malloc(i + 1);

		memcpy(piece, packet.data, i);
		s = dns_said_read(piece, i, "acme.example", DNS_MX, true);
		assert_int_equal(s->answer, DNS_FAILED);
		assert_false(s->secure);
		dns_said_unref(&s);
		test_free(piece);
	}
	head(0, 1, 0);
	packet.data[2] = 1;
	expect_failed(DNS_A, "the answer cannot be read");
	head(2, 0, 0);
	expect_failed(DNS_A, "SERVFAIL");
	head(5, 0, 0);
	expect_failed(DNS_A, "REFUSED");
	head(15, 0, 0);
	expect_failed(DNS_A, "an error code that is unknown");
	head(0, 65535, 0);
	expect_failed(DNS_A, "too many records");
}

static void
test_many(void **state)
{
	unsigned i;
	struct dns_said *s;

	(void)state;
	head(0, DNS_RECORDS_MAX, 0);
	for (i = 0; i < DNS_RECORDS_MAX; i++) {
		const char data[4] = { 1, 2, (char)(i / 16), (char)(255 - i) };

		record("\300\14", 2, DNS_A, 300, data, 4);
	}
	s = read_as(DNS_A);
	assert_int_equal(s->answer, DNS_FOUND);
	assert_int_equal(s->n, DNS_RECORDS_MAX);
	for (i = 1; i < s->n; i++)
		assert_true(memcmp(s->bytes + s->at[i - 1].at, s->bytes + s->at[i].at, 4) < 0);
	dns_said_unref(&s);
	head(0, DNS_RECORDS_MAX + 1, 0);
	for (i = 0; i <= DNS_RECORDS_MAX; i++)
		OWN(DNS_A, 300, "abcd");
	expect_failed(DNS_A, "too many records");
}

static void
test_clamp_and_give(void **state)
{
	static const struct {
		unsigned rcode;
		uint32_t ttl, clamped;
	} cases[] = { { 0, 5, 30 }, { 0, 500, 500 }, { 0, 100000, 3600 }, { 3, 5, 30 }, { 3, 89, 89 } };
	struct arena *a = arena_new(ARENA_DEFAULT_CAP);
	struct dns_records r;
	struct dns_said *s;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		head(cases[i].rcode, cases[i].rcode == 0, cases[i].rcode == 3);
		if (cases[i].rcode == 0)
			OWN(DNS_A, cases[i].ttl, "abcd");
		else
			OWN(6, cases[i].ttl, "\0\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\132");
		s = read_as(DNS_A);
		dns_said_clamp(s, DNS_TTL_LEAST, DNS_TTL_MOST);
		assert_int_equal(s->ttl, cases[i].clamped);
		dns_said_unref(&s);
	}
	head(0, 2, 0);
	OWN(DNS_MX, 300, "\0\24\1B\300\21");
	OWN(DNS_MX, 300, "\0\12\0");
	s = dns_said_read(packet.data, packet.n, "acme.example", DNS_MX, true);
	dns_said_give(s, a, &r);
	dns_said_unref(&s);
	assert_int_equal(r.answer, DNS_FOUND);
	assert_int_equal(r.n, 2);
	assert_true(r.secure);
	assert_int_equal(r.at[0].preference, 10);
	assert_string_equal((const char *)r.at[0].data, "");
	assert_string_equal((const char *)r.at[1].data, "b.example");
	s = dns_said_failed("SERVFAIL");
	dns_said_give(s, a, &r);
	dns_said_unref(&s);
	assert_int_equal(r.answer, DNS_FAILED);
	assert_string_equal(r.why, "SERVFAIL");
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names), cmocka_unit_test(test_records), cmocka_unit_test(test_aliases),
		cmocka_unit_test(test_absence), cmocka_unit_test(test_odd_targets),
		cmocka_unit_test(test_broken_records), cmocka_unit_test(test_broken_packets),
		cmocka_unit_test(test_many), cmocka_unit_test(test_clamp_and_give),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
