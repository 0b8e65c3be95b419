/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * test_spf_suite - the public RFC 7208 test suite (t/data/rfc7208-tests.txt, its own licence at its head),
 * every case, through the strict front and libspf2. Results must agree; explanations are not fetched here and
 * not compared.
 */
#include "lib/spf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "t/unit/dns_zone.h"

#include "lib/banned.h"

#define FIELDS 7
#define CASES 203u

static struct dns *dns;
static struct spf *spf;

/* \DDD becomes a byte, in place; returns the length. */
static size_t
unescape(char *text)
{
	char *from = text, *to = text;

	while (*from != '\0') {
		if (*from == '\\') {
			*to++ = (char)((from[1] - '0') * 100 + (from[2] - '0') * 10 + (from[3] - '0'));
			from += 4;
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
	return (size_t)(to - text);
}

static void
zone_line(char **f)
{
	char text[1024];

	if (strcmp(f[2], "TXT") == 0) {
		dns_zone_record(f[1], 300, DNS_TXT, 0, f[3], unescape(f[3]));
	} else if (strcmp(f[2], "A") == 0 && strchr(f[1], ' ') != NULL) {
		struct net_addr a;

		assert_int_equal(net_parse(f[3], &a), 1);
		dns_zone_record(f[1], 300, DNS_A, 0, a.byte, 4);
	} else {
		(void)snprintf(text, sizeof(text), "%s %s %s %s\n", f[1], f[2], f[3], f[4]);
		dns_zone_add(text);
	}
}

/* True when the result is one that is allowed. */
static bool
judge(char **f)
{
	struct arena *a = arena_new(ARENA_DEFAULT_CAP);
	struct spf_question q = { .sender = f[5], .helo = f[4] };
	struct spf_verdict v;
	char want[64], got[32];
	bool ok;

	assert_int_equal(net_parse(f[3], &q.client), 1);
	spf_check(spf, &q, clock_deadline(10000), a, &v);
	(void)snprintf(want, sizeof(want), ",%s,", f[6]);
	(void)snprintf(got, sizeof(got), ",%s,", spf_result_text(v.result));
	ok = strstr(want, got) != NULL;
	if (!ok)
		print_error("%s (%s): %s, wanted %s; %s; %s; %s\n", f[1], f[2], spf_result_text(v.result),
		    f[6], v.record == NULL ? "-" : v.record, v.decided, v.why);
	assert_non_null(v.domain);
	assert_non_null(v.decided);
	assert_true((v.result == SPF_IS_PERMERROR || v.result == SPF_IS_TEMPERROR) == (*v.why != '\0'));
	arena_free(&a);
	return ok;
}

static void
test_suite(void **state)
{
	char path[4096], line[2048], *f[FIELDS], *at;
	unsigned cases = 0, wrong = 0;
	const char *dir = getenv("GATEPOST_SRC");
	size_t n;
	FILE *in;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/t/data/rfc7208-tests.txt", dir == NULL ? "." : dir);
	in = fopen(path, "r");
	assert_non_null(in);
	while (fgets(line, sizeof(line), in) != NULL) {
		assert_non_null(strchr(line, '\n'));
		line[strcspn(line, "\n")] = '\0';
		for (at = line, n = 0; n < FIELDS; n++)
			f[n] = (at == NULL) ? (char *)(uintptr_t)"" : strsep(&at, "\t");
		if (strcmp(f[0], "S") == 0)
			dns_zone_set(NULL);
		else if (strcmp(f[0], "Z") == 0)
			zone_line(f);
		else if (strcmp(f[0], "T") == 0) {
			cases++;
			wrong += !judge(f);
		}
	}
	(void)fclose(in);
	assert_int_equal(cases, CASES);
	assert_int_equal(wrong, 0);
	assert_int_equal(dns_zone_asked(NULL, 0) > 0, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_suite) };
	int failed;

	dns = dns_open(&(struct dns_options){ 0 }, NULL);
	spf = spf_open(dns, NULL);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	spf_close(&spf);
	dns_close(&dns);
	return failed;
}
