/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * preflight: what is kept and for how long, that one deadline holds for all questions together, and what is known of signing;
 * drift: what has moved away since it was good.
 */
#include "milter/preflight.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "milter/check.h"
#include "milter/drift.h"
#include "milter/resolver.h"
#include "t/unit/clock_fake.h"
#include "t/unit/dns_zone.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define START UINT64_C(1780000000000)

static const char *egress[] = { "192.0.2.7", "2001:db8::7" }, *own[] = { "own" }, *selectors[] = { "a", "b" };
static char dir[64];
static struct conf conf;
static struct services services;
static struct arena *arena;
static struct preflight *preflight;
static struct err e;

static const char zone[] =
    "acme.example 600 TXT \"v=spf1 include:_spf.host.example -all\"\n"
    "_spf.host.example 300 TXT \"v=spf1 ip4:192.0.2.7 ip6:2001:db8::7 -all\"\n"
    "_dmarc.acme.example 600 TXT \"v=DMARC1; p=reject\"\n"
    "a._domainkey.acme.example 600 TXT \"v=DKIM1; p=MIGf\"\n"
    "fail.example 3600 TXT \"v=spf1 -all\"\n"
    "personal.example 600 TXT \"v=spf1 exists:%{l}._spf.personal.example -all\"\n"
    "bob._spf.personal.example A 127.0.0.2\n"
    "slow.example TIMEOUT\n";

static void
write_domains(const char *text)
{
	char path[100];
	FILE *f;

	snprintf(path, sizeof(path), "%s/domains", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int
begin(void **state)
{
	static const struct dns_options options;
	char spec[100];

	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/gatepost-preflight.XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	clock_fake_set(START);
	write_domains("acme.example acme\nfail.example acme\nslow.example acme\npersonal.example acme\n"
	    "bob@box.example beta\n.sub.example acme\n");
	snprintf(spec, sizeof(spec), "file:%s/domains", dir);
	memset(&conf, 0, sizeof(conf));
	conf.ownership.subdomains = true;
	conf.preflight.helo = "out1.host.example";
	conf.preflight.egress = (struct conf_strings){ 2, egress };
	conf.preflight.signing = (struct conf_strings){ 1, own };
	conf.preflight.selectors = (struct conf_strings){ 2, selectors };
	conf.preflight.is_signed = CONF_SIGNED_EXPECTED;
	err_clear(&e);
	memset(&services, 0, sizeof(services));
	services.conf = &conf;
	services.dns = dns_open(&options, &e);
	services.spf = spf_open(services.dns, &e);
	services.dmarc = dmarc_open(services.dns, &e);
	services.domains = table_open(spec, NULL);
	preflight = preflight_open(&services, NULL, 1 << 20, &e);
	arena = arena_new(ARENA_DEFAULT_CAP);
	dns_zone_set(zone);
	return services.domains != NULL && preflight != NULL ? 0 : -1;
}

static int
end(void **state)
{
	char path[100];

	(void)state;
	preflight_close(&preflight);
	table_close(&services.domains);
	dmarc_close(&services.dmarc);
	spf_close(&services.spf);
	dns_close(&services.dns);
	arena_free(&arena);
	snprintf(path, sizeof(path), "%s/domains", dir);
	(void)unlink(path);
	snprintf(path, sizeof(path), "%s/drift", dir);
	(void)unlink(path);
	return rmdir(dir);
}

/* One message with that return-path and From; returns how many questions it asked. */
static unsigned
ask(const char *sender, const char *from, const char *signature, struct preflight_answer *to)
{
	struct mail_address s, f;
	unsigned before = dns_zone_asked(NULL, DNS_TXT);
	struct preflight_question q = { .n_signatures = signature != NULL, .signatures = &signature, .n_from = 1,
		.from = &f, .deadline = clock_deadline(200) };

	assert_int_equal(mail_address_parse(arena, sender, &s), 1);
	assert_int_equal(mail_address_parse(arena, from, &f), 1);
	q.sender = s.text;
	q.domain = s.domain;
	assert_int_equal(preflight_ask(preflight, &q, arena, to, &e), 0);
	return dns_zone_asked(NULL, DNS_TXT) - before;
}

static void
verdicts_are_kept(void **state)
{
	struct preflight_answer a;

	(void)state;
	assert_true(ask("bob@acme.example", "bob@acme.example", NULL, &a) > 0);
	assert_int_equal(a.of[SPF_IS_PASS], 2);
	assert_true(a.from[0].by_spf && a.from[0].by_dkim);
	assert_non_null(a.spf_full);
	assert_int_equal(ask("alice@acme.example", "sales@acme.example", NULL, &a), 0);
	assert_int_equal(a.of[SPF_IS_PASS], 2);
	assert_true(a.from[0].by_spf && a.from[0].by_dkim);
	assert_null(a.spf_full);
	assert_null(a.from[0].verdict);
	/* the shortest TTL of the records, and five minutes of what the tables say */
	clock_fake_advance(301000);
	assert_true(ask("bob@acme.example", "bob@acme.example", NULL, &a) > 0);
}

/* Who mends a record wants to see it mended. */
static void
failures_are_kept_shorter(void **state)
{
	struct preflight_answer a;

	(void)state;
	assert_true(ask("bob@fail.example", "bob@fail.example", NULL, &a) > 0);
	assert_int_equal(a.of[SPF_IS_FAIL], 2);
	assert_int_equal(ask("bob@fail.example", "bob@fail.example", NULL, &a), 0);
	clock_fake_advance(301000);
	assert_true(ask("bob@fail.example", "bob@fail.example", NULL, &a) > 0);
	assert_true(ask("bob@slow.example", "bob@acme.example", NULL, &a) > 0);
	assert_int_equal(a.of[SPF_IS_TEMPERROR], 2);
	clock_fake_advance(11000);
	assert_true(ask("bob@slow.example", "bob@acme.example", NULL, &a) > 0);
}

static void
personal_records_are_not_kept(void **state)
{
	struct preflight_answer a;

	(void)state;
	(void)ask("bob@personal.example", "bob@acme.example", NULL, &a);
	assert_int_equal(a.of[SPF_IS_PASS], 2);
	(void)ask("alice@personal.example", "bob@acme.example", NULL, &a);
	assert_int_equal(a.of[SPF_IS_FAIL], 2);
	(void)ask("bob@personal.example", "bob@acme.example", NULL, &a);
	assert_int_equal(a.of[SPF_IS_PASS], 2);
}

static void
take_60_ms(void *cookie, const char *name, enum dns_type type)
{
	(void)cookie;
	(void)name;
	(void)type;
	clock_fake_advance(60);
}

/* Every question takes its time, and there are many: the deadline is that of all of them. */
static void
one_deadline(void **state)
{
	struct preflight_answer a;
	uint64_t from = clock_now();

	(void)state;
	dns_zone_hook(take_60_ms, NULL);
	(void)ask("bob@acme.example", "bob@acme.example", NULL, &a);
	dns_zone_hook(NULL, NULL);
	/* Past it no question waits; this clock goes on with each that is asked all the same. */
	assert_true(clock_now() - from < 1000);
	assert_true(a.from[0].policy == DMARC_UNSURE || a.from[0].unsure || a.from[0].aligned);
}

static void
signing(void **state)
{
	static const struct {
		const char *from, *field;
		enum preflight_signing signing;
		bool ours, aligned;
		enum dkim_key key;
	} cases[] = {
		{ "bob@acme.example", NULL, PREFLIGHT_CERTAIN, true, true, DKIM_KEY_THERE },
		/* a subdomain is signed as the entry that it falls under */
		{ "bob@shop.acme.example", NULL, PREFLIGHT_CERTAIN, true, true, DKIM_KEY_THERE },
		{ "bob@fail.example", NULL, PREFLIGHT_CERTAIN, true, false, DKIM_KEY_MISSING },
		{ "bob@foreign.example", NULL, PREFLIGHT_CERTAIN, false, false, DKIM_KEY_THERE },
		{ "bob@foreign.example", "d=acme.example; s=a", PREFLIGHT_CERTAIN, false, false, DKIM_KEY_THERE },
		{ "bob@foreign.example", "d=foreign.example; s=none", PREFLIGHT_CERTAIN, false, false,
		    DKIM_KEY_THERE },
		{ "bob@box.example", NULL, PREFLIGHT_CERTAIN, false, false, DKIM_KEY_THERE },
		{ "bob@x.sub.example", NULL, PREFLIGHT_CERTAIN, true, false, DKIM_KEY_MISSING },
	};
	struct preflight_answer a;
	const struct preflight_from *f;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		(void)ask("bob@fail.example", cases[i].from, cases[i].field, &a);
		f = &a.from[0];
		if (f->signing != cases[i].signing || f->ours != cases[i].ours || f->by_dkim != cases[i].aligned ||
		    f->key != cases[i].key)
			fail_msg("%s, %s: signing %s, ours %d, aligned %d, key %s (%s)", cases[i].from,
			    cases[i].field, preflight_signing_text(f->signing), f->ours, f->by_dkim,
			    dkim_key_text(f->key), f->key_name);
	}
}

/* The sender writes these fields: they must not make us ask many questions, nor whom he likes. */
static void
signing_by_many_fields(void **state)
{
	static const char *fields[16];
	char text[16][64];
	struct mail_address f;
	struct preflight_question q = { .sender = "bob@acme.example", .domain = "acme.example", .n_from = 1, .from = &f,
		.signatures = fields, .n_signatures = COUNT(fields) };
	struct preflight_answer a;
	size_t i;

	(void)state;
	assert_int_equal(mail_address_parse(arena, "bob@foreign.example", &f), 1);
	for (i = 0; i < COUNT(fields); i++) {
		snprintf(text[i], sizeof(text[i]), "d=%sforeign.example; s=x%zu", i % 2 == 0 ? "not" : "", i);
		fields[i] = text[i];
	}
	q.deadline = clock_deadline(200);
	assert_int_equal(preflight_ask(preflight, &q, arena, &a, &e), 0);
	assert_int_equal(a.from[0].n_signers, 4);
	for (i = 0; i < 4; i++)
		assert_string_equal(a.from[0].signers[i].domain, "foreign.example");
	assert_int_equal(dns_zone_asked("x0._domainkey.notforeign.example", DNS_TXT), 0);
}

static void
signing_unknown(void **state)
{
	struct preflight_answer a;

	(void)state;
	conf.preflight.signing.n = 0;
	(void)ask("bob@fail.example", "bob@acme.example", NULL, &a);
	assert_int_equal(a.from[0].signing, PREFLIGHT_UNKNOWN);
	assert_false(a.from[0].aligned);
	(void)ask("bob@fail.example", "bob@acme.example", "v=1; d=acme.example; s=a", &a);
	assert_int_equal(a.from[0].signing, PREFLIGHT_EXPECTED);
	assert_true(a.from[0].by_dkim);
	preflight_close(&preflight);
	conf.preflight.is_signed = CONF_SIGNED_IGNORE;
	preflight = preflight_open(&services, NULL, 0, &e);
	(void)ask("bob@fail.example", "bob@acme.example", "v=1; d=acme.example; s=a", &a);
	assert_int_equal(a.from[0].signing, PREFLIGHT_UNKNOWN);
	assert_false(a.from[0].aligned);
	conf.preflight.is_signed = CONF_SIGNED_CERTAIN;
	(void)ask("bob@fail.example", "bob@acme.example", NULL, &a);
	assert_int_equal(a.from[0].signing, PREFLIGHT_CERTAIN);
}

/* Tables of the operator: the domain, then its parents with a dot before them. */
static void
signing_by_table(void **state)
{
	static const char *tables[1];
	char spec[120], path[100];
	struct preflight_answer a;
	FILE *f;

	(void)state;
	snprintf(path, sizeof(path), "%s/drift", dir);	/* end() takes it away */
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("fail.example acme.example:a\n.fail.example fail.example:a acme.example\n", f);
	fclose(f);
	snprintf(spec, sizeof(spec), "file:%s", path);
	tables[0] = spec;
	conf.preflight.signing = (struct conf_strings){ 1, tables };
	assert_true(preflight_signing_open(&services, &conf, &(struct table_report){ NULL, NULL }));
	(void)ask("bob@fail.example", "bob@fail.example", NULL, &a);
	assert_int_equal(a.from[0].n_signers, 1);
	assert_string_equal(a.from[0].signers[0].domain, "acme.example");
	assert_int_equal(a.from[0].keys[0].key, DKIM_KEY_THERE);
	assert_false(a.from[0].by_dkim);
	(void)ask("bob@fail.example", "bob@x.fail.example", NULL, &a);
	assert_int_equal(a.from[0].n_signers, 3);
	(void)ask("bob@fail.example", "bob@acme.example", NULL, &a);
	assert_int_equal(a.from[0].n_signers, 0);
	assert_int_equal(a.from[0].signing, PREFLIGHT_CERTAIN);
	preflight_signing_close(&services);
}

/* A reload keeps what is known of the DNS, unless it has another resolver or trust anchor. */
static void
resolvers(void **state)
{
	struct resolver *one, *two, *three;
	char path[100];
	FILE *f;

	(void)state;
	snprintf(path, sizeof(path), "%s/drift", dir);	/* end() takes it away */
	conf.preflight.dns.trust_anchor = path;
	one = resolver_get(&conf, &e);
	two = resolver_get(&conf, &e);
	assert_ptr_equal(one, two);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("another key\n", f);
	fclose(f);
	three = resolver_get(&conf, &e);
	assert_non_null(three);
	assert_ptr_not_equal(one, three);
	resolver_unref(&one);
	resolver_unref(&two);
	resolver_unref(&three);
}

/* ---- drift -------------------------------------------------------------------------------- */

static void
drift_lists_domains(void **state)
{
	static const char *const want[] = { "acme.example", "box.example", "fail.example", "personal.example",
		"slow.example" };
	struct drift_domain *list;
	size_t i;

	(void)state;
	assert_int_equal(drift_domains(&services, arena, &list, &e), COUNT(want));
	for (i = 0; i < COUNT(want); i++)
		assert_string_equal(list[i].domain, want[i]);
	assert_string_equal(list[0].customer, "acme");
}

static void
drift_remembers(void **state)
{
	static const char *const ours[] = { ".host.example" };
	struct drift_domain d = { .domain = "acme.example", .mx = "", .problem = "" };
	struct drift_memory *m;
	char file[100];

	(void)state;
	snprintf(file, sizeof(file), "%s/drift", dir);
	conf.preflight.drift.mx = (struct conf_strings){ 1, (const char **)(uintptr_t)ours };
	dns_zone_add("acme.example MX 10 mx1.host.example\n");
	m = drift_memory_load(file);
	drift_look(&services, &d, clock_deadline(1000), arena);
	assert_true(d.spf_passes && d.mx_ours && *d.problem == '\0');
	drift_compare(m, &d, START);
	assert_false(d.mx_news || d.spf_news);
	assert_int_equal(drift_memory_save(m, file, true, &e), 0);
	drift_memory_free(&m);
	/* it moves away: news once, and listed as long as it is so */
	dns_zone_set("acme.example TXT \"v=spf1 -all\"\nacme.example MX 10 mx.elsewhere.example\n");
	m = drift_memory_load(file);
	drift_look(&services, &d, clock_deadline(1000), arena);
	assert_true(!d.spf_passes && !d.mx_ours && *d.problem != '\0');
	drift_compare(m, &d, START + 1000);
	assert_true(d.mx_news && d.spf_news);
	assert_int_equal(drift_memory_save(m, file, true, &e), 0);
	drift_memory_free(&m);
	m = drift_memory_load(file);
	drift_compare(m, &d, START + 2000);
	assert_false(d.mx_news || d.spf_news);
	assert_int_equal(d.mx_lost, START + 1000);
	/* what the DNS does not say changes nothing */
	dns_zone_set("acme.example SERVFAIL\n");
	drift_look(&services, &d, clock_deadline(1000), arena);
	assert_true(d.unsure);
	drift_compare(m, &d, START + 3000);
	assert_int_equal(d.spf_lost, START + 1000);
	/* and back */
	dns_zone_set(zone);
	dns_zone_add("acme.example MX 10 mx1.host.example\n");
	drift_look(&services, &d, clock_deadline(1000), arena);
	drift_compare(m, &d, START + 4000);
	assert_int_equal(d.mx_lost, 0);
	assert_int_equal(d.spf_lost, 0);
	drift_memory_free(&m);
	drift_memory_free(&m);
}

static void
drift_tells_an_outage(void **state)
{
	static const struct drift_domain dead = { .domain = "dead.example", .mx = "", .problem = "" };
	static const struct drift_domain fine = { .domain = "acme.example", .mx = "", .problem = "" };
	struct drift_domain list[8];
	size_t i;

	(void)state;
	dns_zone_add("dead.example SERVFAIL\n_dmarc.dead.example SERVFAIL\n");
	for (i = 0; i < COUNT(list); i++)
		list[i] = dead;
	assert_true(drift_dns_is_away(&services, list, COUNT(list), 7, arena));
	assert_true(drift_dns_is_away(&services, list, 1, 0, arena));
	list[(7 + 6) % 8] = fine;	/* the last that is tried */
	assert_false(drift_dns_is_away(&services, list, COUNT(list), 7, arena));
}

static void
drift_reads_anything(void **state)
{
	static const char text[] = "acme.example\t1\t1\t0\t0\nno tabs\n\t1\t1\t0\t0\nx.example\t1\n"
	    "y.example\t1\t1\tx\t0\nz.example\t1\t1\t99999999999999999999999\t-1\n\xff\xfe\t1\t1\t0\t0\n";
	struct drift_domain d = { .domain = "acme.example", .problem = "gone", .mx = "" };
	struct drift_memory *m;
	char file[100];
	FILE *f;

	(void)state;
	snprintf(file, sizeof(file), "%s/drift", dir);
	f = fopen(file, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	m = drift_memory_load(file);
	drift_compare(m, &d, START);
	assert_true(d.spf_news);
	d.domain = "y.example";
	drift_compare(m, &d, START);
	assert_false(d.spf_news);
	assert_int_equal(drift_memory_save(m, "/nonexistent/drift", true, &e), -1);
	drift_memory_free(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(verdicts_are_kept, begin, end),
		cmocka_unit_test_setup_teardown(failures_are_kept_shorter, begin, end),
		cmocka_unit_test_setup_teardown(personal_records_are_not_kept, begin, end),
		cmocka_unit_test_setup_teardown(one_deadline, begin, end),
		cmocka_unit_test_setup_teardown(signing, begin, end),
		cmocka_unit_test_setup_teardown(signing_by_many_fields, begin, end),
		cmocka_unit_test_setup_teardown(signing_unknown, begin, end),
		cmocka_unit_test_setup_teardown(signing_by_table, begin, end),
		cmocka_unit_test_setup_teardown(resolvers, begin, end),
		cmocka_unit_test_setup_teardown(drift_lists_domains, begin, end),
		cmocka_unit_test_setup_teardown(drift_remembers, begin, end),
		cmocka_unit_test_setup_teardown(drift_tells_an_outage, begin, end),
		cmocka_unit_test_setup_teardown(drift_reads_anything, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
