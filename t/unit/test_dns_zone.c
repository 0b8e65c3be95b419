/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * test_dns_zone - the zone that stands in for the DNS in other tests says what its text says.
 */
#include "t/unit/dns_zone.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "t/unit/clock_fake.h"

#include "lib/banned.h"

static const char text[] =
    "; a zone\n"
    "acme.example.        TXT  \"v=spf1 ip4:192.0.2.7 \" \"-all\" ; joined\n"
    "ACME.example    60   MX   20 Second.acme.example.\n"
    "acme.example    5    MX   10 first.acme.example\n"
    "www.acme.example     CNAME alias.example\n"
    "alias.example        CNAME acme.example\n"
    "loop.example         CNAME loop.example\n"
    "dangling.example     CNAME nowhere.example\n"
    "a.b.deep.example     A    192.0.2.1\n"
    "a.b.deep.example     AAAA 2001:db8::1\n"
    "slow.example         TIMEOUT\n"
    "slow.example         A    192.0.2.2\n"
    "broken.example  TXT  SERVFAIL\n"
    "\n"
    "odd.example          TXT  \"a\\\"b\\\\c\\000d\\255\"\n"
    "null.example         MX   0 .\n"
    "_x.a-b.example       PTR  Host.Example.";

static const struct {
	const char *name;
	enum dns_type type;
	enum dns_answer answer;
	size_t n;
	uint32_t ttl;
	const char *data;	/* of the first */
	size_t size;
} cases[] = {
	{ "acme.example", DNS_TXT, DNS_FOUND, 1, 300, "v=spf1 ip4:192.0.2.7 -all", 25 },
	{ "Acme.Example.", DNS_MX, DNS_FOUND, 2, 30, "first.acme.example", 18 },
	{ "www.acme.example", DNS_TXT, DNS_FOUND, 1, 300, "v=spf1 ip4:192.0.2.7 -all", 25 },
	{ "acme.example", DNS_A, DNS_NO_DATA, 0, 300, NULL, 0 },
	{ "loop.example", DNS_A, DNS_FAILED, 0, 15, NULL, 0 },
	{ "dangling.example", DNS_A, DNS_NO_NAME, 0, 300, NULL, 0 },
	{ "a.b.deep.example", DNS_A, DNS_FOUND, 1, 300, "\300\0\2\1", 4 },
	{ "a.b.deep.example", DNS_AAAA, DNS_FOUND, 1, 300, " \1\r\270\0\0\0\0\0\0\0\0\0\0\0\1", 16 },
	{ "b.deep.example", DNS_A, DNS_NO_DATA, 0, 300, NULL, 0 },
	{ "nothing.example", DNS_A, DNS_NO_NAME, 0, 300, NULL, 0 },
	{ "slow.example", DNS_TXT, DNS_LATE, 0, 0, NULL, 0 },
	{ "slow.example", DNS_A, DNS_FOUND, 1, 300, "\300\0\2\2", 4 },
	{ "broken.example", DNS_TXT, DNS_FAILED, 0, 15, NULL, 0 },
	{ "broken.example", DNS_A, DNS_NO_DATA, 0, 300, NULL, 0 },
	{ "odd.example", DNS_TXT, DNS_FOUND, 1, 300, "a\"b\\c\0d\377", 8 },
	{ "null.example", DNS_MX, DNS_FOUND, 1, 300, "", 0 },
	{ "_X.a-b.example", DNS_PTR, DNS_FOUND, 1, 300, "host.example", 12 },
	{ "", DNS_A, DNS_NO_NAME, 0, 300, NULL, 0 },
	{ "a..example", DNS_A, DNS_NO_NAME, 0, 300, NULL, 0 },
};

static void
test_answers(void **state)
{
	struct arena *a = arena_new(ARENA_DEFAULT_CAP);
	struct dns *d = dns_open(&(struct dns_options){ 0 }, NULL);
	size_t i;

	(void)state;
	dns_zone_set(text);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct dns_records r;

		dns_ask(d, cases[i].name, cases[i].type, UINT64_MAX, a, &r);
		if (r.answer != cases[i].answer || r.n != cases[i].n || r.ttl != cases[i].ttl)
			fail_msg("%s %u: answer %u, %zu records, ttl %u", cases[i].name, cases[i].type,
			    r.answer, r.n, r.ttl);
		if (r.n > 0) {
			assert_int_equal(r.at[0].size, cases[i].size);
			assert_memory_equal(r.at[0].data, cases[i].data, cases[i].size + 1);
		}
	}
	assert_int_equal(dns_zone_asked("ACME.example", DNS_MX), 1);
	dns_zone_set(NULL);
	dns_close(&d);
	arena_free(&a);
}

static void
let_time_pass(void *cookie, const char *name, enum dns_type type)
{
	(void)cookie;
	(void)name;
	(void)type;
	clock_fake_advance(60);
}

static void
test_deadline(void **state)
{
	struct arena *a = arena_new(ARENA_DEFAULT_CAP);
	struct dns *d = dns_open(&(struct dns_options){ 0 }, NULL);
	struct dns_records r;
	uint64_t deadline = clock_deadline(100);

	(void)state;
	dns_zone_set(text);
	dns_zone_hook(let_time_pass, NULL);
	dns_zone_record("more.example", 4000, DNS_TXT, 0, "\0\1", 2);
	dns_ask(d, "more.example", DNS_TXT, deadline, a, &r);
	assert_int_equal(r.answer, DNS_FOUND);
	assert_int_equal(r.ttl, 3600);
	dns_ask(d, "more.example", DNS_TXT, deadline, a, &r);
	assert_int_equal(r.answer, DNS_LATE);
	assert_int_equal(dns_zone_asked(NULL, DNS_A), 2);
	dns_zone_set(NULL);
	dns_close(&d);
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_deadline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
