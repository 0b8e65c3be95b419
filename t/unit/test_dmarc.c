/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * dmarc: which record holds, what it says, and what aligns with what - by RFC 7489 and the public suffix
 * list, and by the walk of RFC 9989, of which the worse counts. The DNS is t/unit/dns_zone.c.
 */
#include "lib/dmarc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "lib/dmarc_record.h"
#include "t/unit/dns_zone.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct dns *dns;
static struct dmarc *dmarc;
static struct arena *arena;

static int
begin(void **state)
{
	static const struct dns_options options;
	struct err e;

	(void)state;
	err_clear(&e);
	dns_zone_set("");
	dns = dns_open(&options, &e);
	dmarc = dmarc_open(dns, &e);
	arena = arena_new(ARENA_DEFAULT_CAP);
	return dns != NULL && dmarc != NULL ? 0 : -1;
}

static int
end(void **state)
{
	(void)state;
	arena_free(&arena);
	dmarc_close(&dmarc);
	dns_close(&dns);
	return 0;
}

/* ---- organisational domains ---------------------------------------------------------- */

static void
organisations(void **state)
{
	static const struct { const char *domain, *org; } cases[] = {
		{ "example.com", "example.com" }, { "a.b.example.com", "example.com" },
		{ "EXAMPLE.COM", "example.com" }, { "Mail.Example.Co.Uk", "example.co.uk" },
		{ "com", "com" }, { "co.uk", "co.uk" }, { "example.co.uk", "example.co.uk" },
		/* wildcard rules, and their exceptions */
		{ "foo.ck", "foo.ck" }, { "example.foo.ck", "example.foo.ck" },
		{ "mail.example.foo.ck", "example.foo.ck" }, { "www.ck", "www.ck" }, { "a.www.ck", "www.ck" },
		{ "city.kawasaki.jp", "city.kawasaki.jp" }, { "a.city.kawasaki.jp", "city.kawasaki.jp" },
		{ "example.foo.kawasaki.jp", "example.foo.kawasaki.jp" },
		{ "example.com.bd", "example.com.bd" }, { "a.example.com.bd", "example.com.bd" },
		{ "a.example.com.np", "example.com.np" }, { "a.example.com.mm", "example.com.mm" },
		{ "a.example.x.sch.uk", "example.x.sch.uk" }, { "example.foo.er", "example.foo.er" },
		/* letters of the world, as U-labels and as A-labels */
		{ "example.xn--55qx5d.cn", "example.xn--55qx5d.cn" },
		{ "a.example.xn--55qx5d.cn", "example.xn--55qx5d.cn" },
		{ "a.example.\xe5\x85\xac\xe5\x8f\xb8.cn", "example.xn--55qx5d.cn" },
		{ "a.example.xn--p1ai", "example.xn--p1ai" },
		{ "a.b\xc3\xbc" "cher.example", "xn--bcher-kva.example" },
		/* one-letter labels */
		{ "x.com", "x.com" }, { "a.x.com", "x.com" }, { "x.service.gov.uk", "x.service.gov.uk" },
		{ "a.x.service.gov.uk", "x.service.gov.uk" },
		/* private suffixes count */
		{ "github.io", "github.io" }, { "a.b.github.io", "b.github.io" },
		/* what the list does not know is a suffix */
		{ "a.acme.example", "acme.example" }, { "a.b.acme.test", "acme.test" },
		{ "acme.example.", "acme.example" }, { "localhost", "localhost" },
		{ "", NULL }, { "a..example", NULL }, { ".example", NULL }, { "a b.example", NULL },
	};
	const char *org;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		org = dmarc_org_domain(dmarc, cases[i].domain, arena);
		if ((org == NULL) != (cases[i].org == NULL) ||
		    (org != NULL && strcmp(org, cases[i].org) != 0))
			fail_msg("%s: %s, want %s", cases[i].domain, org, cases[i].org);
	}
}

static void
alignment(void **state)
{
	static const struct { const char *from, *with; bool relaxed, strict; } cases[] = {
		{ "example.com", "example.com", true, true },
		{ "example.com", "mail.example.com", true, false },
		{ "example.com", "aa.bb.example.com", true, false },
		{ "mail.example.com", "example.com", true, false },
		{ "mail.example.com", "bounce.example.com", true, false },
		{ "Example.COM", "eXample.com", true, true },
		{ "example.com", "example.net", false, false },
		{ "example.com", "notexample.com", false, false },
		{ "x.com", "y.com", false, false }, { "x.com", "example.com", false, false },
		{ "a.example.com", "b.example.com", true, false },
		{ "x.com", "a.x.com", true, false },
		{ "example.com", "com", false, false }, { "com", "example.com", false, false },
		{ "example.co.uk", "co.uk", false, false }, { "a.github.io", "github.io", false, false },
		{ "a.github.io", "b.github.io", false, false }, { "github.io", "github.io", true, true },
		{ "a.foo.ck", "b.foo.ck", false, false }, { "x.a.foo.ck", "a.foo.ck", true, false },
		{ "a.www.ck", "www.ck", true, false },
		{ "a.b\xc3\xbc" "cher.example", "xn--bcher-kva.example", true, false },
		{ "b\xc3\xbc" "cher.example", "xn--bcher-kva.example", true, true },
		{ "acme.example", "acme.example.", true, true },
		{ "acme.example", "", false, false }, { "acme.example", "a..acme.example", false, false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		if (dmarc_aligned(dmarc, cases[i].from, cases[i].with, false, arena) != cases[i].relaxed)
			fail_msg("%s with %s, relaxed", cases[i].from, cases[i].with);
		if (dmarc_aligned(dmarc, cases[i].from, cases[i].with, true, arena) != cases[i].strict)
			fail_msg("%s with %s, strict", cases[i].from, cases[i].with);
	}
}

/* ---- what a record says ------------------------------------------------------------------ */

static void
records(void **state)
{
	static const struct {
		const char *text;
		bool is, valid;
		enum dmarc_policy p, sp, np;
		bool strict_dkim, strict_spf;
		unsigned pct;
		bool testing;
	} cases[] = {
#define NONE DMARC_NONE
#define REJECT DMARC_REJECT
#define QUARANTINE DMARC_QUARANTINE
		{ "v=DMARC1; p=reject", true, true, REJECT, REJECT, REJECT, false, false, 100, false },
		{ "v=DMARC1;p=reject;", true, true, REJECT, REJECT, REJECT, false, false, 100, false },
		{ "v = DMARC1 ; p = quarantine ; sp = none", true, true, QUARANTINE, NONE, NONE, false,
		    false, 100,
		    false },
		{ "v=DMARC1; p=none; sp=quarantine; np=reject; adkim=s; aspf=S; pct=30; t=y", true, true,
		    NONE,
		    QUARANTINE, REJECT, true, true, 30, true },
		{ "v=DMARC1; P=Reject; SP=None", true, true, REJECT, NONE, NONE, false, false, 100, false },
		/* the traps of libopendmarc */
		{ "v=DMARC1; p=r", true, false, NONE, NONE, NONE, false, false, 100, false },
		{ "v=DMARC1; p=r; rua=mailto:a@acme.example", true, true, NONE, NONE, NONE, false, false, 100,
		    false },
		{ "v=DMARC1; p=reject; sp=bogus", true, false, NONE, NONE, NONE, false, false, 100, false },
		{ "v=DMARC1; p=reject; p=none", true, false, REJECT, REJECT, REJECT, false, false, 100,
		    false },
		{ "v=DMARC1; p=reject; rf=iodef; aspf=r", true, true, REJECT, REJECT, REJECT, false, false,
		    100,
		    false },
		{ "v=DMARC1; p=reject; adkim=strict; aspf=", true, true, REJECT, REJECT, REJECT, false,
		    false, 100,
		    false },
		{ "v=DMARC1; p=reject; pct=101; x-y=z; fo=1:d:s; ri=86400", true, true, REJECT, REJECT,
		    REJECT, false,
		    false, 100, false },
		{ "v=DMARC1; p=reject; pct=0", true, true, REJECT, REJECT, REJECT, false, false, 0, false },
		{ "v=DMARC1; p=reject; pct=99999999999999999999", true, true, REJECT, REJECT, REJECT, false,
		    false,
		    100, false },
		{ "v=DMARC1; p=reject; rua=mailto:a@acme.example!10m,mailto:b@acme.example", true, true,
		    REJECT,
		    REJECT, REJECT, false, false, 100, false },
		{ "v=DMARC1", true, false, NONE, NONE, NONE, false, false, 100, false },
		{ "v=DMARC1; rua=mailto:a@acme.example", true, true, NONE, NONE, NONE, false, false, 100,
		    false },
		{ "v=DMARC1; rua=acme.example", true, false, NONE, NONE, NONE, false, false, 100, false },
		{ "v=DMARC1; p=reject\xff", true, false, NONE, NONE, NONE, false, false, 100, false },
		{ "v=DMARC1; ; ;p=reject;;", true, true, REJECT, REJECT, REJECT, false, false, 100, false },
		{ "v=DMARC1 p=reject", false, false, NONE, NONE, NONE, false, false, 100, false },
		{ "v=DMARC10; p=reject", false, false, NONE, NONE, NONE, false, false, 100, false },
		{ "v=dmarc1; p=reject", false, false, NONE, NONE, NONE, false, false, 100, false },
		{ "x v=DMARC1; p=reject", false, false, NONE, NONE, NONE, false, false, 100, false },
		{ " v=DMARC1; p=reject", false, false, NONE, NONE, NONE, false, false, 100, false },
		{ "p=reject; v=DMARC1", false, false, NONE, NONE, NONE, false, false, 100, false },
		{ "", false, false, NONE, NONE, NONE, false, false, 100, false },
		{ "v", false, false, NONE, NONE, NONE, false, false, 100, false },
	};
	struct dmarc_record r;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		const uint8_t *data = (const uint8_t *)cases[i].text;
		size_t n = strlen(cases[i].text);

		if (dmarc_record_is(data, n) != cases[i].is)
			fail_msg("\"%s\" is a record?", cases[i].text);
		if (!cases[i].is)
			continue;
		dmarc_record_read(arena, data, n, &r);
		if (r.valid != cases[i].valid || r.p != cases[i].p || r.sp != cases[i].sp ||
		    r.np != cases[i].np || r.strict_dkim != cases[i].strict_dkim ||
		    r.strict_spf != cases[i].strict_spf || r.pct != cases[i].pct ||
		    r.testing != cases[i].testing)
			fail_msg("\"%s\": valid %d p %s sp %s np %s adkim %d aspf %d pct %u t %d: %s",
			    cases[i].text, r.valid, dmarc_policy_text(r.p), dmarc_policy_text(r.sp),
			    dmarc_policy_text(r.np), r.strict_dkim, r.strict_spf, r.pct, r.testing, r.why);
		if (r.valid == (*r.why != '\0') && !r.valid)
			fail_msg("\"%s\": no reason", cases[i].text);
	}
}

static void
long_record(void **state)
{
	static char text[70000] = "v=DMARC1; p=reject; ";
	struct dmarc_record r;

	(void)state;
	memset(text + strlen(text), ';', sizeof(text) - strlen(text) - 1);
	dmarc_record_read(arena, (const uint8_t *)text, strlen(text), &r);
	assert_false(r.valid);
	memset(text + 20, 'x', 5000);
	dmarc_record_read(arena, (const uint8_t *)text, strlen(text), &r);
	assert_false(r.valid);
}

/* ---- the verdict --------------------------------------------------------------------------- */

static const char zone[] =
    "_dmarc.acme.example TXT \"v=DMARC1; p=reject; sp=quarantine\"\n"
    "_dmarc.strict.example TXT \"v=DMARC1; p=reject; aspf=s; adkim=s\"\n"
    "_dmarc.two.example TXT \"v=DMARC1; p=reject\"\n"
    "_dmarc.two.example TXT \"v=DMARC1; p=none\"\n"
    "_dmarc.mixed.example TXT \"google-site-verification=1\"\n"
    "_dmarc.mixed.example TXT \"v=DMARC1; \" \"p=reject\"\n"
    "_dmarc.half.example TXT \"v=DMARC1; p=reject; pct=50\"\n"
    "_dmarc.test.example TXT \"v=DMARC1; p=quarantine; t=y\"\n"
    "_dmarc.np.example TXT \"v=DMARC1; p=none; np=reject\"\n"
    "there.np.example A 192.0.2.1\n"
    "_dmarc.broken.example TXT SERVFAIL\n"
    "_dmarc.slow.example TIMEOUT\n"
    "_dmarc.bad.example TXT \"v=DMARC1; p=rejekt\"\n"
    "_dmarc.loose.example TXT \"v=DMARC1; p=rejekt; rua=mailto:a@loose.example\"\n"
    /* the tree: an organisation below another, and a suffix that speaks for itself */
    "_dmarc.tree.example TXT \"v=DMARC1; p=none\"\n"
    "_dmarc.dept.tree.example TXT \"v=DMARC1; p=reject; psd=n\"\n"
    "_dmarc.registry.example TXT \"v=DMARC1; p=reject; psd=y\"\n"
    "_dmarc.mid.deep.example TXT \"v=DMARC1; p=reject\"\n"
    "_dmarc.deep.example TXT \"v=DMARC1; p=none\"\n";

static void
verdicts(void **state)
{
	static const struct {
		const char *from, *spf, *dkim;
		enum dmarc_policy policy, published;
		bool aligned, by_spf, differ;
	} cases[] = {
#define NO_RECORD DMARC_NO_RECORD
#define UNSURE DMARC_UNSURE
		{ "acme.example", "acme.example", NULL, REJECT, REJECT, true, true, false },
		{ "acme.example", "bounce.acme.example", NULL, REJECT, REJECT, true, true, false },
		{ "acme.example", NULL, "acme.example", REJECT, REJECT, true, false, false },
		{ "acme.example", NULL, "other.example", REJECT, REJECT, false, false, false },
		{ "acme.example", "other.example", NULL, REJECT, REJECT, false, false, false },
		{ "acme.example", NULL, NULL, REJECT, REJECT, false, false, false },
		{ "ACME.Example", NULL, NULL, REJECT, REJECT, false, false, false },
		{ "shop.acme.example", NULL, NULL, QUARANTINE, QUARANTINE, false, false, false },
		{ "a.b.shop.acme.example", "acme.example", NULL, QUARANTINE, QUARANTINE, true, true, false },
		{ "strict.example", "bounce.strict.example", "mail.strict.example", REJECT, REJECT, false,
		    false,
		    false },
		{ "strict.example", NULL, "strict.example", REJECT, REJECT, true, false, false },
		{ "a.strict.example", "strict.example", NULL, REJECT, REJECT, false, false, false },
		{ "two.example", NULL, NULL, NO_RECORD, NO_RECORD, false, false, false },
		{ "mixed.example", NULL, NULL, REJECT, REJECT, false, false, false },
		{ "half.example", NULL, NULL, QUARANTINE, REJECT, false, false, false },
		{ "test.example", NULL, NULL, NONE, QUARANTINE, false, false, false },
		{ "nowhere.example", NULL, NULL, NO_RECORD, NO_RECORD, false, false, false },
		{ "nowhere.example", "nowhere.example", NULL, NO_RECORD, NO_RECORD, true, true, false },
		{ "bad.example", NULL, NULL, NO_RECORD, NO_RECORD, false, false, false },
		{ "loose.example", NULL, NULL, NONE, NONE, false, false, false },
		{ "broken.example", "broken.example", NULL, UNSURE, UNSURE, false, false, false },
		{ "slow.example", NULL, NULL, UNSURE, UNSURE, false, false, false },
		{ "www.slow.example", NULL, NULL, UNSURE, UNSURE, false, false, false },
		/* np holds for names that are not there, by RFC 9989 alone */
		{ "gone.np.example", NULL, NULL, REJECT, REJECT, false, false, true },
		{ "there.np.example", NULL, NULL, NONE, NONE, false, false, false },
		/* by the list these align; by the walk dept.tree.example is an organisation of its own */
		{ "dept.tree.example", "tree.example", NULL, REJECT, REJECT, false, false, true },
		{ "dept.tree.example", "a.dept.tree.example", NULL, REJECT, REJECT, true, true, false },
		{ "a.dept.tree.example", NULL, NULL, REJECT, REJECT, false, false, true },
		{ "shop.registry.example", "other.registry.example", NULL, REJECT, REJECT, false, false,
		    true },
		{ "shop.registry.example", "a.shop.registry.example", NULL, REJECT, REJECT, true, true,
		    false },
		/* the walk reads a record between; the list does not */
		{ "x.mid.deep.example", NULL, NULL, NONE, NONE, false, false, false },
		{ "com", NULL, NULL, NO_RECORD, NO_RECORD, false, false, false },
		{ "not..a.domain", NULL, NULL, NO_RECORD, NO_RECORD, false, false, false },
	};
	struct dmarc_verdict v;
	size_t i;

	(void)state;
	dns_zone_set(zone);
	for (i = 0; i < COUNT(cases); i++) {
		const struct dmarc_question q = { .from = cases[i].from, .spf_domain = cases[i].spf,
			.dkim = &cases[i].dkim, .n_dkim = cases[i].dkim != NULL };

		dmarc_check(dmarc, &q, clock_deadline(1000), arena, &v);
		if (v.policy != cases[i].policy || v.published != cases[i].published ||
		    v.aligned != cases[i].aligned || v.by_spf != cases[i].by_spf ||
		    v.methods_differ != cases[i].differ)
			fail_msg("%s spf=%s dkim=%s: %s (%s), aligned %d, by SPF %d, differ %d: %s",
			    cases[i].from,
			    cases[i].spf, cases[i].dkim, dmarc_policy_text(v.policy),
			    dmarc_policy_text(v.published), v.aligned, v.by_spf, v.methods_differ, v.why);
		if (!v.aligned && *v.why == '\0')
			fail_msg("%s: no reason", cases[i].from);
	}
}

/* RFC 9989 section 4.10: eight questions at most, whatever the length of the name. */
static void
long_names(void **state)
{
	const struct dmarc_question q = { .from = "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.acme.example" };
	struct dmarc_verdict v;

	(void)state;
	dns_zone_set("_dmarc.acme.example TXT \"v=DMARC1; p=reject\"\n");
	dmarc_check(dmarc, &q, clock_deadline(1000), arena, &v);
	assert_int_equal(v.policy, DMARC_REJECT);
	assert_true(dns_zone_asked(NULL, DNS_TXT) <= 10);
}

static void
mends(void **state)
{
	static const struct { const char *from, *name, *mend; } cases[] = {
		{ "nowhere.example", "_dmarc.nowhere.example",
		    "v=DMARC1; p=none; rua=mailto:postmaster@nowhere.example" },
		{ "www.nowhere.example", "_dmarc.nowhere.example",
		    "v=DMARC1; p=none; rua=mailto:postmaster@nowhere.example" },
		{ "two.example", "_dmarc.two.example", "v=DMARC1; p=none" },
		{ "loose.example", "_dmarc.loose.example", "v=DMARC1; p=none; rua=mailto:a@loose.example" },
		{ "acme.example", NULL, NULL },
		/* nobody's to publish */
		{ "co.uk", NULL, NULL },
		{ "localhost", NULL, NULL },
	};
	struct dmarc_verdict v;
	size_t i;

	(void)state;
	dns_zone_set(zone);
	for (i = 0; i < COUNT(cases); i++) {
		dmarc_check(dmarc, &(struct dmarc_question){ .from = cases[i].from }, clock_deadline(1000),
		    arena,
		    &v);
		if (cases[i].mend == NULL) {
			assert_null(v.mend);
			continue;
		}
		assert_non_null(v.mend);
		assert_string_equal(v.mend, cases[i].mend);
		assert_string_equal(v.mend_name, cases[i].name);
	}
}

static void
escaping(void **state)
{
	static const char hostile[] = "v=DMARC1; p=reject; x=\033[2J\0hidden";
	struct dmarc_verdict v;

	(void)state;
	dns_zone_set("");
	dns_zone_record("_dmarc.evil.example", 300, DNS_TXT, 0, hostile, sizeof(hostile) - 1);
	dmarc_check(dmarc, &(struct dmarc_question){ .from = "evil.example" }, clock_deadline(1000), arena,
	    &v);
	assert_non_null(v.record);
	assert_null(strchr(v.record, '\033'));
	assert_non_null(strstr(v.record, "hidden"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(organisations, begin, end),
		cmocka_unit_test_setup_teardown(alignment, begin, end),
		cmocka_unit_test_setup_teardown(records, begin, end),
		cmocka_unit_test_setup_teardown(long_record, begin, end),
		cmocka_unit_test_setup_teardown(verdicts, begin, end),
		cmocka_unit_test_setup_teardown(long_names, begin, end),
		cmocka_unit_test_setup_teardown(mends, begin, end),
		cmocka_unit_test_setup_teardown(escaping, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
