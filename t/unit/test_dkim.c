/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * dkim: what OpenDKIM's files say is what it would sign; a field says whose signature it is; a key record
 * is there or not.
 */
#include "lib/dkim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "t/unit/dns_zone.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static char dir[64], said[2000];
static struct arena *arena;

static int
begin(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/gatepost-dkim.XXXXXX");
	said[0] = '\0';
	arena = arena_new(ARENA_DEFAULT_CAP);
	return mkdtemp(dir) == NULL ? -1 : 0;
}

static const char *
path(const char *name)
{
	return arena_printf(arena, "%s/%s", dir, name);
}

static int
end(void **state)
{
	static const char *const names[] = { "conf", "signing", "keys", "domains" };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(names); i++)
		(void)unlink(path(names[i]));
	arena_free(&arena);
	return rmdir(dir);
}

/* "@" in text stands for the directory. */
static void
write_file(const char *name, const char *text)
{
	FILE *f = fopen(path(name), "w");

	assert_non_null(f);
	for (; *text != '\0'; text++)
		if (text[0] == '@' && text[1] == '/')
			fputs(dir, f);
		else
			fputc(*text, f);
	assert_int_equal(fclose(f), 0);
}

static void
say(void *cookie, const struct err *e)
{
	size_t n = strlen(said);

	(void)cookie;
	snprintf(said + n, sizeof(said) - n, "%s: %s\n", e->where, e->text);
}

/* "d:s d:s", or "" */
static const char *
answer(struct dkim_opendkim *o, const char *local, const char *domain)
{
	struct dkim_signer *list;
	size_t n = dkim_opendkim_ask(o, local, domain, arena, &list), i;
	const char *text = "";

	for (i = 0; i < n; i++)
		text = arena_printf(arena, "%s%s%s:%s", text, i == 0 ? "" : " ", list[i].domain,
		    list[i].selector);
	return text;
}

struct question { const char *local, *domain, *want; };

static void
ask_all(const struct question *q, size_t n)
{
	struct dkim_opendkim *o = dkim_opendkim_open(path("conf"), say, NULL);
	const char *got;
	size_t i;

	if (o == NULL)
		fail_msg("%s", said);
	for (i = 0; i < n; i++) {
		got = answer(o, q[i].local, q[i].domain);
		if (strcmp(got, q[i].want) != 0)
			fail_msg("%s@%s: \"%s\", want \"%s\"", q[i].local, q[i].domain, got, q[i].want);
	}
	dkim_opendkim_close(&o);
	assert_null(o);
}

static const char keys[] =
    "# name  domain:selector:file\n"
    "acme   acme.example:2026a:/etc/dkim/a#1.private\n"
    "shop   Shop.Example:s.2:/etc/dkim/shop\n"
    "any    %:default:/etc/dkim/any\n"
    "host.example  host.example:h:/k\n";

static void
plain_table(void **state)
{
	static const struct question q[] = {
		{ "bob", "acme.example", "shop.example:s.2" },		/* the address before the domain */
		{ "BOB", "acme.example", "shop.example:s.2" },
		{ "alice", "acme.example", "acme.example:2026a" },
		{ "alice", "a.b.acme.example", "acme.example:2026a" },	/* .domain */
		{ "root", "x.beta.example", "x.beta.example:default" },	/* user@.domain */
		{ "root", "host.example", "host.example:h" },		/* '%' is the From domain */
		{ "news", "other.example", "other.example:default" },	/* user@* */
		{ "bob", "other.example", "" },
	};
	(void)state;
	write_file("conf", "Syslog yes\nMode sv\nSigningTable file:@/signing\nKeyTable @/keys\n");
	write_file("keys", keys);
	write_file("signing",
	    "bob@acme.example shop:bob@shop.example\nacme.example\tacme\n.acme.example acme\n"
	    "root@.beta.example any\nhost.example %\nnews@* any\n  # comment\n\n");
	ask_all(q, COUNT(q));
}

static void
pattern_table(void **state)
{
	static const struct question q[] = {
		{ "bob", "acme.example", "acme.example:2026a" },
		{ "bob", "mail.acme.example", "mail.acme.example:default" },
		{ "sales", "acme.example", "acme.example:2026a" },	/* the first in the file wins */
		{ "sales", "beta.example", "shop.example:s.2" },
		{ "salesman", "beta.example", "" },
		{ "x", "shop.example", "shop.example:s.2" },
		{ "x", "notacme.example", "" },
		{ "x", "gone.example", "" },				/* its key is not in the KeyTable */
	};

	(void)state;
	write_file("conf", "SigningTable refile:@/signing\nKeyTable file:@/keys\n");
	write_file("keys", keys);
	write_file("signing", "*@ACME.example acme\n*@*.acme.example any\nsales@* shop\n*@shop.example shop\n"
	    "*@gone.example nokey\n");
	ask_all(q, COUNT(q));
}

static void
many_signatures(void **state)
{
	static const struct question q[] = {
		{ "bob", "acme.example", "acme.example:2026a shop.example:s.2" },
	};

	(void)state;
	write_file("conf", "SigningTable refile:@/signing\nKeyTable @/keys\nMultipleSignatures yes\n");
	write_file("keys", keys);
	write_file("signing", "*@acme.example acme\nb*@acme.* shop\n");
	ask_all(q, COUNT(q));
}

static void
domain_and_selector(void **state)
{
	static const struct question q[] = {
		{ "bob", "acme.example", "acme.example:2026a" }, { "bob", "x.acme.example", "" },
		{ "bob", "beta.example", "beta.example:2026a" }, { "bob", "example", "" },
	};
	static const struct question below[] = {
		{ "bob", "a.x.acme.example", "acme.example:2026a" }, { "bob", "other.example", "" },
	};
	static const struct question none[] = { { "bob", "acme.example", "" } };

	(void)state;
	write_file("conf", "Domain acme.example, beta.example\nSelector 2026a\nKeyFile /k\n");
	ask_all(q, COUNT(q));
	write_file("domains", "acme.example\n");
	write_file("conf", "Domain @/domains\nSelector 2026a\nSubDomains yes\n");
	ask_all(below, COUNT(below));
	write_file("conf", "Domain acme.example\nSelector 2026a\nMode v\n");
	ask_all(none, COUNT(none));
}

static void
mistakes(void **state)
{
	static const struct { const char *conf, *say; } cases[] = {
		{ "SigningTable dsn:mysql://x\nKeyTable @/keys\n", "only files can be read" },
		{ "SigningTable @/signing\n", "no KeyTable" },
		{ "SigningTable @/nothere\nKeyTable @/keys\n", "No such file" },
		{ "SigningTable @/\nKeyTable @/keys\n", "no file" },
		{ "Selector x\n", "neither" },
	};
	struct dkim_opendkim *o = NULL;
	size_t i;

	(void)state;
	write_file("keys", keys);
	write_file("signing", "x acme\n");
	for (i = 0; i < COUNT(cases); i++) {
		said[0] = '\0';
		write_file("conf", cases[i].conf);
		o = dkim_opendkim_open(path("conf"), say, NULL);
		if (o != NULL || strstr(said, cases[i].say) == NULL)
			fail_msg("\"%s\": %s", cases[i].conf, said);
	}
	write_file("conf", "SigningTable @/signing\nKeyTable @/keys\n");
	write_file("signing", "acme.example\n");
	said[0] = '\0';
	assert_null(dkim_opendkim_open(path("conf"), say, NULL));
	assert_non_null(strstr(said, "signing:1"));
	assert_null(dkim_opendkim_open("/nonexistent/opendkim.conf", NULL, NULL));
	dkim_opendkim_close(&o);
}

static void
rereading(void **state)
{
	struct dkim_opendkim *o;

	(void)state;
	write_file("conf", "SigningTable @/signing\nKeyTable @/keys\n");
	write_file("keys", keys);
	write_file("signing", "acme.example acme\n");
	o = dkim_opendkim_open(path("conf"), say, NULL);
	assert_non_null(o);
	assert_int_equal(dkim_opendkim_poll(o, say, NULL), 0);
	write_file("signing", "acme.example acme\nnew.example any\n");
	assert_int_equal(dkim_opendkim_poll(o, say, NULL), 1);
	assert_string_equal(answer(o, "x", "new.example"), "new.example:default");
	assert_int_equal(dkim_opendkim_entries(o), 2);
	/* what cannot be read leaves the old in force, and is told once */
	(void)unlink(path("keys"));
	assert_int_equal(dkim_opendkim_poll(o, say, NULL), -1);
	assert_int_equal(dkim_opendkim_poll(o, say, NULL), 0);
	assert_string_equal(answer(o, "x", "new.example"), "new.example:default");
	write_file("keys", "any %:second:/k\n");
	assert_int_equal(dkim_opendkim_poll(o, say, NULL), 1);
	assert_string_equal(answer(o, "x", "new.example"), "new.example:second");
	dkim_opendkim_close(&o);
}

static void
lists(void **state)
{
	static const char *const two[] = { "a", "b" };
	struct dkim_signer *list;

	(void)state;
	assert_int_equal(dkim_signers_parse(arena, "Acme.example:s1, other.example  bad..name", two, 2,
	    &list), 3);
	assert_string_equal(list[0].domain, "acme.example");
	assert_string_equal(list[0].selector, "s1");
	assert_string_equal(list[2].selector, "b");
	assert_int_equal(dkim_signers_parse(arena, "acme.example", NULL, 0, &list), 1);
	assert_null(list[0].selector);
	assert_int_equal(dkim_signers_parse(arena, "", NULL, 0, &list), 0);
}

static void
fields(void **state)
{
	static const struct { const char *value, *domain, *selector; } cases[] = {
		{ "v=1; a=rsa-sha256; d=Acme.Example; s=2026a; h=from:to; bh=x; b=y", "acme.example",
		    "2026a" },
		{ "v=1;\n\td = acme.\n\t example ;s\n =\t2026a;", "acme.example", "2026a" },
		{ "d=acme.example", "acme.example", NULL },
		{ "xd=evil.example; d=acme.example; s=", "acme.example", "" },
		{ "b=d=evil.example", NULL, NULL }, { "", NULL, NULL }, { ";;;=;d", NULL, NULL },
		{ "d=..", NULL, NULL }, { "d=a b.example", "ab.example", NULL },
	};
	struct dkim_signer s;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		if (dkim_field_parse(arena, cases[i].value, &s) != (cases[i].domain != NULL))
			fail_msg("\"%s\"", cases[i].value);
		if (cases[i].domain != NULL)
			assert_string_equal(s.domain, cases[i].domain);
		if (cases[i].domain != NULL && cases[i].selector != NULL)
			assert_string_equal(s.selector, cases[i].selector);
	}
}

static void
key_records(void **state)
{
	static const struct { const char *selector; enum dkim_key want; } cases[] = {
		{ "good", DKIM_KEY_THERE }, { "bare", DKIM_KEY_THERE }, { "folded", DKIM_KEY_THERE },
		{ "revoked", DKIM_KEY_REVOKED }, { "nop", DKIM_KEY_BAD }, { "version", DKIM_KEY_BAD },
		{ "garbage", DKIM_KEY_BAD }, { "gone", DKIM_KEY_MISSING }, { "fails", DKIM_KEY_UNSURE },
		{ "slow", DKIM_KEY_UNSURE }, { "two", DKIM_KEY_THERE }, { "sub.sel", DKIM_KEY_THERE },
	};
	static const struct dns_options options;
	struct dns *d = dns_open(&options, NULL);
	struct dkim_key_answer a;
	size_t i;

	(void)state;
	dns_zone_set(
	    "good._domainkey.acme.example TXT \"v=DKIM1; k=rsa; p=MIGfMA0GCSq+/=\"\n"
	    "bare._domainkey.acme.example TXT \"p=MIGf\"\n"
	    "folded._domainkey.acme.example TXT \"v=DKIM1; p=MI\" \" Gf\"\n"
	    "revoked._domainkey.acme.example TXT \"v=DKIM1; p=\"\n"
	    "nop._domainkey.acme.example TXT \"v=DKIM1; k=rsa\"\n"
	    "version._domainkey.acme.example TXT \"v=DKIM2; p=MIGf\"\n"
	    "garbage._domainkey.acme.example TXT \"v=DKIM1; p=<paste the key here>\"\n"
	    "fails._domainkey.acme.example SERVFAIL\nslow._domainkey.acme.example TIMEOUT\n"
	    "two._domainkey.acme.example TXT \"unrelated\"\n"
	    "two._domainkey.acme.example TXT \"v=DKIM1; p=MIGf\"\n"
	    "sub.sel._domainkey.acme.example TXT \"v=DKIM1; p=MIGf\"\n");
	for (i = 0; i < COUNT(cases); i++) {
		const struct dkim_signer s = { "acme.example", cases[i].selector };

		dkim_key(d, &s, clock_deadline(1000), arena, &a);
		if (a.key != cases[i].want)
			fail_msg("%s: %s", cases[i].selector, dkim_key_text(a.key));
	}
	assert_string_equal(a.name, "sub.sel._domainkey.acme.example");
	dns_close(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(plain_table, begin, end),
		cmocka_unit_test_setup_teardown(pattern_table, begin, end),
		cmocka_unit_test_setup_teardown(many_signatures, begin, end),
		cmocka_unit_test_setup_teardown(domain_and_selector, begin, end),
		cmocka_unit_test_setup_teardown(mistakes, begin, end),
		cmocka_unit_test_setup_teardown(rereading, begin, end),
		cmocka_unit_test_setup_teardown(lists, begin, end),
		cmocka_unit_test_setup_teardown(fields, begin, end),
		cmocka_unit_test_setup_teardown(key_records, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
