/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * test_spf - what the public suite (test_spf_suite.c) leaves out: records that crash Debian's libspf2 or that
 * it judges wrongly, limits over several records, macros, what the verdict tells people, hostile TXT records,
 * threads.
 */
#include "lib/spf.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "lib/str.h"
#include "t/unit/dns_zone.h"

#include "lib/banned.h"

static struct dns *dns;
static struct spf *spf;
static struct arena *arena;
static struct spf_verdict verdict;

static void
check(const char *from, const char *helo, const char *ip)
{
	struct spf_question q = { .sender = from, .helo = helo };

	arena_free(&arena);
	arena = arena_new(ARENA_DEFAULT_CAP);
	assert_int_equal(net_parse(ip, &q.client), 1);
	spf_check(spf, &q, clock_deadline(10000), arena, &verdict);
	assert_non_null(verdict.domain);
	assert_non_null(verdict.decided);
	assert_true((verdict.result == SPF_IS_PERMERROR || verdict.result == SPF_IS_TEMPERROR) ==
	    (*verdict.why != '\0'));
	assert_true(verdict.ttl <= 3600);
}

/* ---- single evaluations ---- */

#define FROM "bob@acme.example"
#define HELO "out1.host.example"
#define IP4 "192.0.2.7"
#define IP6 "2001:db8::7"

struct one {
	const char *name, *zone;
	enum spf_result want;
	const char *decided;		/* NULL = not compared */
	const char *from, *helo, *ip;	/* NULL = FROM, HELO, IP4 */
};

static void
judge(const struct one *c, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		dns_zone_set(c[i].zone);
		check(c[i].from == NULL ? FROM : c[i].from, c[i].helo == NULL ? HELO : c[i].helo,
		    c[i].ip == NULL ? IP4 : c[i].ip);
		if (verdict.result != c[i].want ||
		    (c[i].decided != NULL && strcmp(c[i].decided, verdict.decided) != 0))
			fail_msg("%s: %s, [%s] %s", c[i].name, spf_result_text(verdict.result),
			    verdict.decided, verdict.why);
	}
}

#define SPF(text) "acme.example TXT \"v=spf1 " text "\"\n"

static void
test_grammar(void **state)
{
	static const struct one cases[] = {
		{ "upper case", SPF("IP4:192.0.2.7 -ALL"), .want = SPF_IS_PASS, "IP4:192.0.2.7" },
		{ "mixed case of a domain", SPF("A:Mail.ACME.example -all") "mail.acme.example A 192.0.2.7\n",
		    .want = SPF_IS_PASS, "A:Mail.ACME.example" },
		{ "dot at the end of a domain",
		    SPF("include:_spf.acme.example. -all")
		    "_spf.acme.example TXT \"v=spf1 a:%{d}\"\n_spf.acme.example A 192.0.2.7\n",
		    .want = SPF_IS_PASS, "a:%{d} (include _spf.acme.example.)" },
		{ "dot at the end of the sender's domain", SPF("ip4:192.0.2.7"), .want = SPF_IS_PASS,
		    "ip4:192.0.2.7", .from = "bob@acme.example." },
		{ "no terms", "acme.example TXT \"v=spf1\"\n", .want = SPF_IS_NEUTRAL, "no term matched" },
		{ "blanks alone", "acme.example TXT \"v=spf1   \"\n", .want = SPF_IS_NEUTRAL,
		    "no term matched" },
		{ "a tab", SPF("a\\009-all"), .want = SPF_IS_PERMERROR, "the record breaks the grammar" },
		{ "NUL at the end", SPF("+all\\000"), .want = SPF_IS_PERMERROR },
		{ "NUL behind the version", "acme.example TXT \"v=spf1\\000 +all\"\n", .want = SPF_IS_NONE },
		{ "NUL hides the rest", SPF("+all \\000-all"), .want = SPF_IS_PERMERROR },
		{ "DEL", SPF("a:x\\127.example -all"), .want = SPF_IS_PERMERROR },
		{ "UTF-8", SPF("a:b\\195\\188.example -all"), .want = SPF_IS_PERMERROR },
		{ "a word processor's dash", SPF("mx \\226\\128\\147all"), .want = SPF_IS_PERMERROR },
		{ "an error behind a match", SPF("ip4:192.0.2.7 -all:x"), .want = SPF_IS_PERMERROR },
		{ "two qualifiers", SPF("--all"), .want = SPF_IS_PERMERROR },
		{ "a qualifier alone", SPF("- all"), .want = SPF_IS_PERMERROR },
		{ "a modifier with a qualifier", SPF("-redirect=x.example"), .want = SPF_IS_PERMERROR },
		{ "unknown modifier", SPF("x-y.z_1=a:b/c ~all"), .want = SPF_IS_SOFTFAIL, "~all" },
		{ "unknown modifier, empty", SPF("x= ~all"), .want = SPF_IS_SOFTFAIL, "~all" },
		{ "unknown modifier twice", SPF("x=1 x=2 ~all"), .want = SPF_IS_SOFTFAIL, "~all" },
		{ "unknown modifier, bad macro", SPF("x=%{q} ~all"), .want = SPF_IS_PERMERROR },
		{ "redirect beside all", SPF("redirect=x.example -all"), .want = SPF_IS_FAIL, "-all" },
		{ "prefix of 0 and an address in it", SPF("ip4:0.0.0.0/0 -all"), .want = SPF_IS_PASS,
		    "ip4:0.0.0.0/0" },
		{ "prefix with host bits", SPF("ip4:192.0.2.99/24 -all"), .want = SPF_IS_PASS,
		    "ip4:192.0.2.99/24" },
		{ "IPv6 prefix of no whole byte", SPF("ip6:2001:db8::8/125 -all"), .want = SPF_IS_FAIL,
		    "-all", .ip = IP6 },
		{ "IPv6 prefix that holds it", SPF("ip6:2001:db8::/125 -all"), .want = SPF_IS_PASS,
		    .ip = IP6 },
		{ "prefix of nothing", SPF("ip4:192.0.2.0/ -all"), .want = SPF_IS_PERMERROR },
		{ "a prefix of many digits", SPF("ip4:192.0.2.0/4294967320 -all"), .want = SPF_IS_PERMERROR },
		{ "three slashes", SPF("a///64 -all"), .want = SPF_IS_PERMERROR },
		{ "v6 length first", SPF("a//64/24 -all"), .want = SPF_IS_PERMERROR },
		{ "a length behind a macro", SPF("a:%{d}/24 -all") "acme.example A 192.0.2.200\n",
		    .want = SPF_IS_PASS, "a:%{d}/24" },
		{ "an unclosed macro", SPF("a:%{d -all"), .want = SPF_IS_PERMERROR },
		{ "macro of zero parts", SPF("a:%{d0}.example -all"), .want = SPF_IS_PERMERROR },
		{ "top-level name of digits and a dash", SPF("a:x.1-2 -all"), .want = SPF_IS_FAIL, "-all" },
		{ "literal behind a macro without a dot", SPF("a:%{d}x -all"), .want = SPF_IS_PERMERROR },
	};

	(void)state;
	judge(cases, sizeof(cases) / sizeof(cases[0]));
}

static void
test_sender(void **state)
{
	static const struct one cases[] = {
		{ "null sender",
		    "out1.host.example TXT \"v=spf1 exists:%{l}.%{o} -all\"\n"
		    "postmaster.out1.host.example A 127.0.0.2\n",
		    .want = SPF_IS_PASS, "exists:%{l}.%{o}", .from = "" },
		{ "no record", "acme.example A 192.0.2.7\n", .want = SPF_IS_NONE, "no SPF record" },
		{ "no name", "", .want = SPF_IS_NONE, "no SPF record" },
		{ "address literal", "", .want = SPF_IS_NONE, "no domain", .from = "bob@[192.0.2.7]" },
		{ "an address", "", .want = SPF_IS_NONE, "no domain", .from = "bob@192.0.2.7" },
		{ "one label", "", .want = SPF_IS_NONE, "no domain", .from = "bob@localhost" },
		{ "nothing behind the @", "", .want = SPF_IS_NONE, "no domain", .from = "bob@" },
		{ "dots", "", .want = SPF_IS_NONE, "no domain", .from = "bob@.." },
		{ "U-label", "xn--bcher-kva.example TXT \"v=spf1 ip4:192.0.2.7 -all\"\n", .want = SPF_IS_PASS,
		    "ip4:192.0.2.7",
		    .from = "bob@B\xc3\xbc"
		    "cher.example" },
		{ "bad UTF-8", "", .want = SPF_IS_NONE, "no domain", .from = "bob@b\xfc.example" },
		{ "a backslash", "", .want = SPF_IS_NONE, "no domain", .from = "bob@a\\046b.example" },
		{ "quoted local part", SPF("exists:%{l}.x.example -all") "\"a@b\".x.example A 127.0.0.2\n",
		    .want = SPF_IS_PASS, .from = "\"a@b\"@acme.example" },
		{ "no HELO", SPF("exists:%{h}.x.example -all") "unknown.x.example A 127.0.0.2\n",
		    .want = SPF_IS_PASS, .helo = "" },
		{ "mapped client", SPF("ip4:192.0.2.7 -all"), .want = SPF_IS_PASS, "ip4:192.0.2.7",
		    .ip = "::ffff:192.0.2.7" },
		{ "loopback passes only where it is listed",
		    SPF("ip4:192.0.2.7 a -all") "acme.example A 127.0.0.2\n", .want = SPF_IS_FAIL, "-all",
		    .ip = "127.0.0.1" },
		{ "loopback that is listed", SPF("a/8 -all") "acme.example A 127.9.0.2\n",
		    .want = SPF_IS_PASS, "a/8", .ip = "127.0.0.1" },
		{ "IPv6 loopback", SPF("a -all") "acme.example AAAA ::1\n", .want = SPF_IS_PASS, "a",
		    .ip = "::1" },
		{ "IPv6 loopback that is not", SPF("-all"), .want = SPF_IS_FAIL, "-all", .ip = "::1" },
		{ "255.x is not taken for loopback", SPF("-all"), .want = SPF_IS_FAIL, "-all",
		    .ip = "255.1.2.3" },
	};

	(void)state;
	judge(cases, sizeof(cases) / sizeof(cases[0]));
}

static void
test_macros(void **state)
{
	static const struct one cases[] = {
		/* libspf2 loses the first character where as many parts are kept as there are, or more. */
		{ "as many labels as there are",
		    "email.acme.example TXT \"v=spf1 exists:%{d3}.x.example -all\"\n"
		    "email.acme.example.x.example A 127.0.0.2\nmail.acme.example.x.example A 127.0.0.2\n",
		    .want = SPF_IS_PASS, .from = "bob@email.acme.example" },
		{ "... and nothing else",
		    "email.acme.example TXT \"v=spf1 exists:%{d3}.x.example -all\"\n"
		    "mail.acme.example.x.example A 127.0.0.2\n",
		    .want = SPF_IS_FAIL, .from = "bob@email.acme.example" },
		{ "more labels than there are",
		    "email.acme.example TXT \"v=spf1 exists:%{d4}.x.example -all\"\n"
		    "email.acme.example.x.example A 127.0.0.2\n",
		    .want = SPF_IS_PASS, .from = "bob@email.acme.example" },
		{ "l1r- without a dash", SPF("exists:%{l1r-}.x.example -all") "bob.x.example A 127.0.0.2\n",
		    .want = SPF_IS_PASS },
		{ "l1r- with one", SPF("exists:%{l1r-}.x.example -all") "line.x.example A 127.0.0.2\n",
		    .want = SPF_IS_PASS, .from = "line-bob@acme.example" },
		{ "d4 of two labels",
		    SPF("exists:%{d4}.x.example -all") "acme.example.x.example A 127.0.0.2\n",
		    .want = SPF_IS_PASS },
		{ "d1r", SPF("exists:%{d1r}.x.example -all") "acme.x.example A 127.0.0.2\n",
		    .want = SPF_IS_PASS },
		{ "huge number of parts",
		    SPF("exists:%{d99999999999}.x.example -all") "acme.example.x.example A 127.0.0.2\n",
		    .want = SPF_IS_PASS },
		{ "i", SPF("exists:%{i}.x.example -all") "192.0.2.7.x.example A 127.0.0.2\n",
		    .want = SPF_IS_PASS },
		{ "ir and v",
		    SPF("exists:%{ir}.%{v}.x.example -all") "7.2.0.192.in-addr.x.example A 127.0.0.2\n",
		    .want = SPF_IS_PASS },
		{ "ir of IPv6",
		    SPF("exists:%{ir}.%{v}.x.example -all")
		    "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0"
		    ".2.ip6.x.example A 127.0.0.2\n",
		    .want = SPF_IS_PASS, .ip = IP6 },
		{ "h", SPF("exists:%{h}.x.example -all") "out1.host.example.x.example A 127.0.0.2\n",
		    .want = SPF_IS_PASS },
		{ "o and d within an include",
		    SPF("include:inc.example -all") "inc.example TXT \"v=spf1 exists:%{o}.%{d}\"\n"
		    "acme.example.inc.example A 127.0.0.2\n",
		    .want = SPF_IS_PASS },
		{ "s", SPF("exists:%{s}.x.example -all") "bob@acme.example.x.example A 127.0.0.2\n",
		    .want = SPF_IS_PASS },
		{ "S", SPF("exists:%{S}.x.example -all") "bob%40acme.example.x.example A 127.0.0.2\n",
		    .want = SPF_IS_PASS },
		{ "all delimiters",
		    SPF("exists:%{l.-+,/_=}.x.example -all") "a.b.c.d.e.f.g.x.example A 127.0.0.2\n",
		    .want = SPF_IS_PASS, .from = "a.b-c+d,e/f_g@acme.example" },
		{ "capital R", SPF("exists:%{lR-}.x.example -all") "b.a.x.example A 127.0.0.2\n",
		    .want = SPF_IS_PASS, .from = "a-b@acme.example" },
		{ "empty parts", SPF("exists:x%{l1r+}.x.example -all") "x.x.example A 127.0.0.2\n",
		    .want = SPF_IS_PASS, .from = "+b@acme.example" },
		{ "p that is the domain",
		    SPF("exists:%{p}.x.example -all") "7.2.0.192.in-addr.arpa PTR acme.example\n"
		    "7.2.0.192.in-addr.arpa PTR a.acme.example\nacme.example A 192.0.2.7\n"
		    "a.acme.example A 192.0.2.7\n"
		    "acme.example.x.example A 127.0.0.2\n",
		    .want = SPF_IS_PASS },
		{ "p below the domain",
		    SPF("exists:%{p}.x.example -all") "7.2.0.192.in-addr.arpa PTR a.other.example\n"
		    "7.2.0.192.in-addr.arpa PTR b.acme.example\na.other.example A 192.0.2.7\n"
		    "b.acme.example A 192.0.2.7\n"
		    "b.acme.example.x.example A 127.0.0.2\n",
		    .want = SPF_IS_PASS },
		{ "p that does not lead back",
		    SPF("exists:%{p}.x.example -all") "7.2.0.192.in-addr.arpa PTR acme.example\n"
		    "acme.example A 192.0.2.8\nunknown.x.example A 127.0.0.2\n",
		    .want = SPF_IS_PASS },
		{ "p of a client without a name",
		    SPF("exists:%{p}.x.example -all") "unknown.x.example A 127.0.0.2\n",
		    .want = SPF_IS_PASS },
		{ "p when the DNS fails",
		    SPF("exists:%{p}.x.example -all") "7.2.0.192.in-addr.arpa SERVFAIL\n"
		    "unknown.x.example A 127.0.0.2\n",
		    .want = SPF_IS_PASS },
		{ "include by macro", SPF("include:%{l}.%{d} -all") "bob.acme.example TXT \"v=spf1 +all\"\n",
		    .want = SPF_IS_PASS, "+all (include %{l}.%{d})" },
		{ "include that becomes no name", SPF("include:%{h} -all"), .want = SPF_IS_PERMERROR,
		    "include:%{h}", .helo = "b\303\274.example" },
		{ "include of a local part beyond ASCII", SPF("include:%{l}.%{d} ip4:192.0.2.7 -all"),
		    .want = SPF_IS_PASS, "ip4:192.0.2.7", .from = "b\303\274@acme.example" },
		{ "redirect to one", SPF("redirect=%{l}.%{d}"), .want = SPF_IS_NEUTRAL,
		    .from = "b\303\274@acme.example" },
		{ "a local part beyond ASCII matches nothing",
		    SPF("exists:%{l}.x.example -all") "b\xc3\xbc.x.example A 127.0.0.2\n",
		    .want = SPF_IS_FAIL, "-all", .from = "b\xc3\xbc@acme.example" },
		{ "... nor in URL escapes",
		    SPF("exists:%{L}.x.example -all")
		    "b%C3%BC.x.example A 127.0.0.2\n", .want = SPF_IS_FAIL,
		    "-all", .from = "b\xc3\xbc@acme.example" },
		{ "... and is no trouble elsewhere",
		    SPF("exists:%{d}.x.example -all") "acme.example.x.example A 127.0.0.2\n",
		    .want = SPF_IS_PASS, .from = "b\xc3\xbc@acme.example" },
	};

	(void)state;
	judge(cases, sizeof(cases) / sizeof(cases[0]));
}

/* Labels at the left go until 253 characters remain. */
static void
test_macro_cut(void **state)
{
	char helo[300], name[300];
	size_t i;

	(void)state;
	/* 50 labels of "zzzz." and ".x.example" are 260 characters: two labels must go. */
	for (i = 0; i < 250; i++)
		helo[i] = i % 5 == 4 ? '.' : 'z';
	helo[249] = '\0';
	(void)snprintf(name, sizeof(name), "%s.x.example", helo + 10);
	assert_int_equal(strlen(name), 249);
	dns_zone_set(SPF("exists:%{h}.x.example -all"));
	dns_zone_record(name, 300, DNS_A, 0, "\x7f\0\0\2", 4);
	check(FROM, helo, IP4);
	assert_int_equal(verdict.result, SPF_IS_PASS);
	/* A name without a dot that is too long is no name: no match, no question, no void look-up. */
	memset(helo, 'z', 299);
	helo[299] = '\0';
	dns_zone_set(SPF("exists:%{h} -all"));
	check(FROM, helo, IP4);
	assert_int_equal(verdict.result, SPF_IS_FAIL);
}

static void
test_dns(void **state)
{
	static const struct one cases[] = {
		{ "the record fails", "acme.example TXT SERVFAIL\n", .want = SPF_IS_TEMPERROR,
		    "the DNS failed" },
		{ "the record is late", "acme.example TIMEOUT\n", .want = SPF_IS_TEMPERROR,
		    "the DNS did not answer in time" },
		{ "an address fails", SPF("a:x.example +all") "x.example SERVFAIL\n",
		    .want = SPF_IS_TEMPERROR },
		{ "behind a match nothing is asked",
		    SPF("ip4:192.0.2.7 a:x.example +all") "x.example SERVFAIL\n", .want = SPF_IS_PASS },
		{ "an exchanger's address fails",
		    SPF("mx +all") "acme.example MX 5 m.example\nm.example SERVFAIL\n",
		    .want = SPF_IS_TEMPERROR },
		{ "an exchanger before the one that fails",
		    SPF("mx -all") "acme.example MX 9 m.example\nm.example SERVFAIL\n"
		    "acme.example MX 5 n.example\nn.example A 192.0.2.7\n",
		    .want = SPF_IS_PASS, "mx" },
		{ "an include fails", SPF("include:x.example +all") "x.example TIMEOUT\n",
		    .want = SPF_IS_TEMPERROR },
		{ "a redirect fails", SPF("redirect=x.example") "x.example TXT SERVFAIL\n",
		    .want = SPF_IS_TEMPERROR },
		{ "the client's name fails", SPF("ptr ?all") "7.2.0.192.in-addr.arpa SERVFAIL\n",
		    .want = SPF_IS_NEUTRAL, "?all" },
		{ "one of the client's names fails",
		    SPF("ptr -all") "7.2.0.192.in-addr.arpa PTR a.acme.example\n"
		    "7.2.0.192.in-addr.arpa PTR b.acme.example\na.acme.example SERVFAIL\n"
		    "b.acme.example A 192.0.2.7\n",
		    .want = SPF_IS_PASS, "ptr" },
		{ "an alias", SPF("a:x.example -all") "x.example CNAME y.example\ny.example A 192.0.2.7\n",
		    .want = SPF_IS_PASS },
		{ "aliases in a loop",
		    SPF("a:x.example -all") "x.example CNAME y.example\ny.example CNAME x.example\n",
		    .want = SPF_IS_TEMPERROR },
		{ "an include without a record", SPF("include:x.example -all") "x.example A 192.0.2.7\n",
		    .want = SPF_IS_PERMERROR, "include:x.example" },
		{ "an include of a missing name", SPF("include:x.example -all"), .want = SPF_IS_PERMERROR },
		{ "a redirect without a record", SPF("redirect=x.example"), .want = SPF_IS_PERMERROR },
		{ "an include of two records",
		    SPF("include:x.example -all") "x.example TXT \"v=spf1 +all\"\n"
		    "x.example TXT \"V=SPF1 -all\"\n",
		    .want = SPF_IS_PERMERROR, "several SPF records" },
		{ "other records beside it",
		    "acme.example TXT \"v=spf10 +all\"\nacme.example TXT \"v=spf1+all\"\n"
		    "acme.example TXT \" v=spf1 +all\"\nacme.example TXT \"v=spf1 -all\"\n",
		    .want = SPF_IS_FAIL, "-all" },
		{ "no exchangers, not even the domain", SPF("mx ?all") "acme.example A 192.0.2.7\n",
		    .want = SPF_IS_NEUTRAL },
		{ "no mail here (RFC 7505)", SPF("mx ?all") "acme.example MX 0 .\n", .want = SPF_IS_NEUTRAL },
		{ "a host that looks like our names",
		    SPF("mx -all") "acme.example MX 0 t1.gp\nt1.gp A 192.0.2.7\n", .want = SPF_IS_PASS,
		    "mx" },
		{ "an include that looks like them",
		    SPF("include:t0.gp -all") "t0.gp TXT \"v=spf1 ip4:192.0.2.7\"\n", .want = SPF_IS_PASS },
		{ "mx with a prefix of 0",
		    SPF("mx/0 -all") "acme.example MX 0 m.example\nm.example A 203.0.113.1\n",
		    .want = SPF_IS_PASS, "mx/0" },
		{ "a prefix of 0 without addresses", SPF("a//0 -all") "acme.example A 203.0.113.1\n",
		    .want = SPF_IS_FAIL, "-all", .ip = IP6 },
		{ "ptr of a sister domain",
		    SPF("ptr:acme.example -all") "7.2.0.192.in-addr.arpa PTR evilacme.example\n"
		    "evilacme.example A 192.0.2.7\n",
		    .want = SPF_IS_FAIL, "-all" },
		{ "ptr, IPv6",
		    SPF("ptr -all")
		    "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"
		    " PTR x.acme.example\nx.acme.example AAAA 2001:db8::7\n",
		    .want = SPF_IS_PASS, "ptr", .ip = IP6 },
	};

	(void)state;
	judge(cases, sizeof(cases) / sizeof(cases[0]));
}

/* ---- includes, redirects, limits ---- */

static void
test_chains(void **state)
{
	static const struct one cases[] = {
		{ "include, then on",
		    SPF("include:x.example ip4:192.0.2.7 -all") "x.example TXT \"v=spf1 -all\"\n",
		    .want = SPF_IS_PASS, "ip4:192.0.2.7" },
		{ "include that refuses",
		    SPF("-include:x.example ~all") "x.example TXT \"v=spf1 ip4:192.0.2.0/24\"\n",
		    .want = SPF_IS_FAIL, "ip4:192.0.2.0/24 (-include x.example)" },
		{ "three deep",
		    SPF("include:x.example -all") "x.example TXT \"v=spf1 include:y.example -all\"\n"
		    "y.example TXT \"v=spf1 redirect=z.example\"\nz.example TXT \"v=spf1 ip4:192.0.2.7\"\n",
		    .want = SPF_IS_PASS,
		    "ip4:192.0.2.7 (redirect z.example of include y.example of include x.example)" },
		{ "redirect's all does not end the parent of an include",
		    SPF("include:x.example a -all")
		    "acme.example A 192.0.2.7\nx.example TXT \"v=spf1 redirect=y.example\"\n"
		    "y.example TXT \"v=spf1 -all\"\n",
		    .want = SPF_IS_PASS, "a" },
		{ "a falls off the end of a redirect",
		    SPF("redirect=x.example") "x.example TXT \"v=spf1 ip4:203.0.113.1\"\n",
		    .want = SPF_IS_NEUTRAL, "no term matched" },
		{ "include of itself", SPF("include:acme.example -all"), .want = SPF_IS_PERMERROR,
		    "more than 10 terms ask the DNS" },
		{ "redirect to itself", SPF("redirect=acme.example"), .want = SPF_IS_PERMERROR,
		    "more than 10 terms ask the DNS" },
		{ "include that goes round",
		    SPF("include:x.example -all") "x.example TXT \"v=spf1 redirect=acme.example\"\n",
		    .want = SPF_IS_PERMERROR, "more than 10 terms ask the DNS" },
		{ "a match before the loop", SPF("ip4:192.0.2.7 include:acme.example -all"),
		    .want = SPF_IS_PASS },
		{ "syntax error in an include",
		    SPF("include:x.example -all") "x.example TXT \"v=spf1 foo\"\n",
		    .want = SPF_IS_PERMERROR },
		{ "ten terms", SPF("a a a a a a a a a a ip4:192.0.2.7 -all") "acme.example A 203.0.113.1\n",
		    .want = SPF_IS_PASS },
		{ "eleven terms",
		    SPF("a a a a a a a a a a a ip4:192.0.2.7 -all") "acme.example A 203.0.113.1\n",
		    .want = SPF_IS_PERMERROR, "more than 10 terms ask the DNS" },
		{ "ten terms and a redirect",
		    SPF("a a a a a a a a a a redirect=x.example") "acme.example A 203.0.113.1\n"
		    "x.example TXT \"v=spf1 +all\"\n",
		    .want = SPF_IS_PERMERROR, "more than 10 terms ask the DNS" },
		{ "two voids", SPF("a:x.example exists:y.example ip4:192.0.2.7"), .want = SPF_IS_PASS },
		{ "three voids", SPF("a:x.example exists:y.example mx ip4:192.0.2.7"),
		    .want = SPF_IS_PERMERROR, "more than 2 look-ups find nothing" },
		{ "voids add up over includes",
		    SPF("include:x.example a:v2.example ip4:192.0.2.7")
		    "x.example TXT \"v=spf1 a:v0.example a:v1.example\"\n",
		    .want = SPF_IS_PERMERROR, "more than 2 look-ups find nothing" },
		{ "ptr without a name is a void", SPF("a:x.example a:y.example ptr ip4:192.0.2.7"),
		    .want = SPF_IS_PERMERROR, "more than 2 look-ups find nothing" },
		{ "hosts of an mx are not counted",
		    SPF("mx ip4:192.0.2.7") "acme.example MX 1 a.example\nacme.example MX 2 b.example\n"
		    "acme.example MX 3 c.example\nacme.example MX 4 d.example\n",
		    .want = SPF_IS_PASS },
	};

	(void)state;
	judge(cases, sizeof(cases) / sizeof(cases[0]));
}

/* 10 includes in each record, five levels deep: 11,111 look-ups if counting began anew in each. */
static void
test_tree(void **state)
{
	char line[400];
	struct str s;
	int level, i;

	(void)state;
	dns_zone_set(NULL);
	for (level = 0; level < 6; level++) {
		s = (struct str)STR_IN(line);
		str_catf(&s, "l%d.example TXT \"v=spf1", level);
		for (i = 0; level < 5 && i < 10; i++)
			str_catf(&s, " include:l%d.example", level + 1);
		str_cat(&s, " ?all\"\n");
		assert_false(s.cut);
		dns_zone_add(line);
	}
	check("bob@l0.example", HELO, IP4);
	assert_int_equal(verdict.result, SPF_IS_PERMERROR);
	assert_int_equal(verdict.terms, 11);
	assert_in_range(verdict.lookups, 1, 11);
}

/* The order of MX and PTR records changes nothing. */
static void
test_order(void **state)
{
	char line[200];
	int from, i;

	(void)state;
	for (from = 0; from < 11; from++) {
		dns_zone_set(SPF("mx -all"));
		for (i = 0; i < 11; i++) {
			(void)snprintf(line, sizeof(line),
		    "acme.example MX 10 m%d.example\nm%d.example A 192.0.2.%d\n", (from + i) % 11, i,
			    i);
			dns_zone_add(line);
		}
		check(FROM, HELO, IP4);
		assert_int_equal(verdict.result, SPF_IS_PERMERROR);
		assert_string_equal(verdict.decided, "more than 10 mail exchangers");
		dns_zone_set(SPF("ptr:m3.example -all"));
		for (i = 0; i < 11; i++) {
			(void)snprintf(line, sizeof(line),
		    "7.2.0.192.in-addr.arpa PTR m%d.example\nm%d.example A 192.0.2.7\n",
			    (from + i) % 11, i);
			dns_zone_add(line);
		}
		check(FROM, HELO, IP4);
		assert_int_equal(verdict.result, SPF_IS_PASS);
		assert_int_equal(verdict.lookups, 12);
	}
}

/* Of two hosts with one preference, the one that fails is asked first or last: not as the answer came. */
static void
test_order_of_failing(void **state)
{
	static const char *const first[] = { "a", "b" }, *const second[] = { "b", "a" };
	char text[300];
	int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		(void)snprintf(text, sizeof(text), SPF("mx -all") "acme.example MX 10 %s.example\n"
		    "acme.example MX 10 %s.example\na.example A 192.0.2.7\nb.example SERVFAIL\n", first[i],
		    second[i]);
		dns_zone_set(text);
		check(FROM, HELO, IP4);
		assert_int_equal(verdict.result, SPF_IS_PASS);
	}
}

/* Ten mx of ten hosts each are right by the RFC. */
static void
test_most_lookups(void **state)
{
	char line[200];
	int i, k;

	(void)state;
	dns_zone_set(
	    "acme.example TXT \"v=spf1 mx:m0.example mx:m1.example mx:m2.example mx:m3.example "
	    "mx:m4.example mx:m5.example "
	    "mx:m6.example mx:m7.example mx:m8.example mx:m9.example -all\"\n");
	for (i = 0; i < 10; i++)
		for (k = 0; k < 10; k++) {
			(void)snprintf(line, sizeof(line),
		    "m%d.example MX 10 h%d%d.example\nh%d%d.example A 203.0.113.1\n", i, i, k, i, k);
			dns_zone_add(line);
		}
	check(FROM, HELO, IP4);
	assert_int_equal(verdict.result, SPF_IS_FAIL);
	assert_int_equal(verdict.terms, 10);
	assert_int_equal(verdict.lookups, 111);
}

/* libspf2 compiles a record to at most 511 bytes and drops the rest without a word: 64 ip4, 26 ip6. */
static void
test_long_records(void **state)
{
	char text[40000];
	struct str s;
	size_t n, i;

	(void)state;
	for (n = 1; n < 1000; n = n * 2 + 1) {
		s = (struct str)STR_IN(text);
		str_cat(&s, "v=spf1");
		for (i = 0; i < n; i++)
			str_catf(&s, " ip4:203.0.%zu.%zu ip6:2001:db8:1::%zx", i / 256, i % 256, i);
		str_cat(&s, " ip4:192.0.2.7 -all");
		assert_false(s.cut);
		dns_zone_set(NULL);
		dns_zone_record("acme.example", 300, DNS_TXT, 0, text, s.len);
		check(FROM, HELO, IP4);
		assert_int_equal(verdict.result, SPF_IS_PASS);
		assert_string_equal(verdict.decided, "ip4:192.0.2.7");
		check(FROM, HELO, IP6);
		assert_int_equal(verdict.result, SPF_IS_FAIL);
		assert_string_equal(verdict.decided, "-all");
	}
	/* Long names too: each in place, none dropped. */
	dns_zone_set(
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.example "
	    "A 192.0.2.7\nx.example A 203.0.113.1\n");
	s = (struct str)STR_IN(text);
	str_cat(&s,
	    "v=spf1 a:x.example/28//64 a:x.example/28//64 a:x.example/28//64 a:x.example/28//64 "
	    "a:x.example/28//64 a:x.example/28//64 a:x.example/28//64 a:x.example/28//64 "
	    "mx:%{l}%{l}%{l}%{l}%{l}%{l}%{l}%{l}%{l}%{l}%{l}%{l}%{l}.example "
	    "a:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.example "
	    "-all");
	dns_zone_record("acme.example", 300, DNS_TXT, 0, text, s.len);
	check(FROM, HELO, IP4);
	assert_int_equal(verdict.result, SPF_IS_PASS);
}

/* ---- what crashes Debian's libspf2 ---- */

/* n times part, then many of the letter, into one term at the front of a record. */
static void
hostile(const char *before, const char *part, size_t n, size_t letters, const char *after)
{
	static char text[65536];
	struct str s = STR_IN(text);

	str_cat(&s, before);
	while (n-- > 0)
		str_cat(&s, part);
	while (letters-- > 0)
		str_cat(&s, "A");
	str_cat(&s, after);
	assert_false(s.cut);
	dns_zone_record("acme.example", 300, DNS_TXT, 0, text, s.len);
}

static void
test_crashes(void **state)
{
	static const size_t letters[] = { 0, 1, 4, 100, 960, 2400, 4000, 6000, 60000 };
	char local[70];
	size_t i;

	(void)state;
	/* CVE-2023-42118: 127 macros, then a literal, at each of its three doors; from 4000 letters on it
	 * smashes the stack of libspf2 1.2.10-7.2. */
	for (i = 0; i < sizeof(letters) / sizeof(letters[0]); i++) {
		dns_zone_set(NULL);
		hostile("v=spf1 a:", "%{d}", 127, letters[i], ".example -all");
		check(FROM, HELO, IP4);
		assert_int_equal(verdict.result, letters[i] > 980 ? SPF_IS_PERMERROR : SPF_IS_FAIL);
		dns_zone_set(NULL);
		hostile("v=spf1 x=", "%{d}", 127, letters[i], " ~all");
		check(FROM, HELO, IP4);
		assert_int_equal(verdict.result, letters[i] > 980 ? SPF_IS_PERMERROR : SPF_IS_SOFTFAIL);
		dns_zone_set(SPF("exp=why.example -all"));
		hostile("", "%{d}", 127, letters[i], "");
		dns_zone_add("why.example CNAME acme.example\n");
		check(FROM, HELO, IP4);
		assert_int_equal(verdict.result, SPF_IS_FAIL);
		assert_int_equal(dns_zone_asked("why.example", DNS_TXT), 0);
	}
	/* CVE-2021-20314 (a long explanation), 2021-33912 (a high byte, URL-escaped), 2021-33913 (reversed
	 * and cut). */
	dns_zone_set(SPF("exp=%{L}.why.example -all"));
	check("b\xff\xfe@acme.example", HELO, IP4);
	assert_int_equal(verdict.result, SPF_IS_FAIL);
	memset(local, 0xff, sizeof(local) - 1);
	local[sizeof(local) - 1] = '\0';
	dns_zone_set(NULL);
	hostile("v=spf1 exists:", "%{L}%{S}", 100, 10, ".example -all");
	check(local, HELO, IP4);
	assert_int_equal(verdict.result, SPF_IS_NONE);
	memcpy(local + 50, "@acme.example", 14);
	check(local, HELO, IP4);
	assert_int_equal(verdict.result, SPF_IS_FAIL);
	dns_zone_set(NULL);
	hostile("v=spf1 exists:", "%{d1r}%{h2r.-}%{d128r}", 30, 500, ".example -all");
	check(FROM, "a.-.b-c.example.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	    IP4);
	assert_int_equal(verdict.result, SPF_IS_FAIL);
}

static void
test_long_senders(void **state)
{
	char from[4096];

	(void)state;
	dns_zone_set(SPF("exists:%{s}%{l}.x.example ~all"));
	memset(from, '-', sizeof(from));
	memcpy(from + 300, "@acme.example", 14);
	check(from, HELO, IP4);
	assert_int_equal(verdict.result, SPF_IS_SOFTFAIL);
	memset(from, '.', sizeof(from));
	memcpy(from + 4000, "@acme.example", 14);
	check(from, HELO, IP4);
	assert_int_equal(verdict.result, SPF_IS_NONE);
	memset(from, 'h', 4000);
	from[4000] = '\0';
	dns_zone_set(SPF("exists:%{h}.x.example ~all"));
	check(FROM, from, IP4);
	assert_int_equal(verdict.result, SPF_IS_SOFTFAIL);
}

/* ---- what a verdict tells ---- */

static void
test_verdict(void **state)
{
	struct spf_question q = { .sender = FROM, .helo = HELO };

	(void)state;
	dns_zone_set("acme.example 900 TXT \"v=spf1 a:x.example \" \"-all\"\nx.example 60 A 203.0.113.1\n");
	check(FROM, HELO, IP4);
	assert_string_equal(verdict.domain, "acme.example");
	assert_string_equal(verdict.record, "v=spf1 a:x.example -all");
	assert_int_equal(verdict.ttl, 60);
	assert_int_equal(verdict.terms, 1);
	assert_int_equal(verdict.voids, 0);
	assert_int_equal(verdict.lookups, 2);
	assert_false(verdict.personal);
	assert_string_equal(verdict.why, "");

	dns_zone_set(SPF("foo\\127\\000\\255\\\"bar -all"));
	check("bob@ACME.example", HELO, IP4);
	assert_string_equal(verdict.domain, "acme.example");
	assert_string_equal(verdict.record, "v=spf1 foo\\x7f\\x00\\xff\"bar -all");
	assert_string_equal(verdict.why,
	    "acme.example: the term \"foo\\x7f\\x00\\xff\"bar\": only visible ASCII characters may "
	    "stand in a record");
	assert_int_equal(verdict.ttl, 300);

	dns_zone_set(SPF("exists:%{d}.x.example exists:%{l}.x.example ~all"));
	check(FROM, HELO, IP4);
	assert_true(verdict.personal);
	dns_zone_set(SPF("ip4:192.0.2.7 exists:%{l}.x.example ~all"));
	check(FROM, HELO, IP4);
	assert_false(verdict.personal);

	dns_zone_set("acme.example TXT SERVFAIL\n");
	check(FROM, HELO, IP4);
	assert_string_equal(verdict.why, "acme.example TXT: SERVFAIL");
	assert_in_range(verdict.ttl, 0, 30);
	assert_null(verdict.record);

	check("bob@a\x1b[1m.example", HELO, IP4);
	assert_string_equal(verdict.domain, "a\\x1b[1m.example");
	assert_int_equal(verdict.ttl, 3600);

	/* A deadline that has passed. */
	dns_zone_set(SPF("-all"));
	assert_int_equal(net_parse(IP4, &q.client), 1);
	spf_check(spf, &q, 1, arena, &verdict);
	assert_int_equal(verdict.result, SPF_IS_TEMPERROR);
	assert_string_equal(verdict.decided, "the DNS did not answer in time");
	/* No address. */
	q.client.bits = 0;
	spf_check(spf, &q, clock_deadline(1000), arena, &verdict);
	assert_int_equal(verdict.result, SPF_IS_PERMERROR);
}

static void
test_result_text(void **state)
{
	(void)state;
	assert_string_equal(spf_result_text(SPF_IS_NONE), "none");
	assert_string_equal(spf_result_text(SPF_IS_PERMERROR), "permerror");
	assert_string_equal(spf_result_text((enum spf_result)99), "?");
}

/* ---- threads ---- */

static void *
ask_often(void *number)
{
	const unsigned k = (unsigned)(uintptr_t)number;
	struct spf_question q = { .helo = HELO };
	struct spf_verdict v;
	enum spf_result want;
	struct arena *a;
	char from[64];
	unsigned i;

	(void)net_parse(k % 2 == 0 ? IP4 : IP6, &q.client);
	for (i = 0; i < 200; i++) {
		a = arena_new(ARENA_DEFAULT_CAP);
		(void)snprintf(
		    from, sizeof(from), "user%u@%s", k, i % 2 == 0 ? "acme.example" : "many.example");
		q.sender = from;
		spf_check(spf, &q, clock_deadline(10000), a, &v);
		want = k == 2 || k == 3 ? SPF_IS_PASS : SPF_IS_FAIL;
		if (v.result != (i % 2 == 1 ? SPF_IS_PERMERROR : want))
			return number;
		arena_free(&a);
	}
	return NULL;
}

static void
test_threads(void **state)
{
	pthread_t thread[4];
	void *wrong;
	uintptr_t i;

	(void)state;
	dns_zone_set(SPF("exists:%{l}.x.example a mx -all")
	    "acme.example A 203.0.113.1\nacme.example MX 1 acme.example\n"
		    "user2.x.example A 127.0.0.2\nuser3.x.example A 127.0.0.2\n"
		    "many.example TXT \"v=spf1 include:many.example -all\"\n");
	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, ask_often, (void *)i), 0);
	for (i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(thread[i], &wrong), 0);
		assert_null(wrong);
	}
}

/* ---- the record that mends ---- */

static void
test_suggest(void **state)
{
	static const char host[] =
	    "_spf.host.example TXT \"v=spf1 ip4:198.51.100.0/24 ip6:2001:db8::/32 ~all\"\n"
	    "broken.host.example TXT \"v=spf1 ip4:198.51.100.1\"\nx.example A 203.0.113.1\n";
	static const struct {
		const char *name, *zone, *include, *want, *says;	/* says: part of why */
		bool proven;
	} cases[] = {
		{ "right already", SPF("include:_spf.host.example -all"), "_spf.host.example", NULL, "",
		    true },
		{ "none", "", "_spf.host.example", "v=spf1 include:_spf.host.example ~all", "A first record",
		    true },
		{ "none, no include", "", "", "v=spf1 ip4:198.51.100.7 ip6:2001:db8::7 ~all",
		    "A first record", true },
		{ "before all", SPF("mx ip4:203.0.113.0/24 -all") "acme.example MX 1 x.example\n",
		    "_spf.host.example", "v=spf1 mx ip4:203.0.113.0/24 include:_spf.host.example -all", "",
		    true },
		{ "softens nothing", SPF("?all"), NULL, "v=spf1 ip4:198.51.100.7 ip6:2001:db8::7 ?all", "",
		    true },
		{ "before redirect", SPF("redirect=x.example") "x.example TXT \"v=spf1 -all\"\n",
		    "_spf.host.example", "v=spf1 include:_spf.host.example redirect=x.example", "", true },
		{ "only what fails", SPF("ip4:198.51.100.7 -all"), NULL,
		    "v=spf1 ip4:198.51.100.7 ip6:2001:db8::7 -all", "", true },
		{ "exp and others stay", SPF("op=x exp=e.example -all"), "_spf.host.example",
		    "v=spf1 include:_spf.host.example -all exp=e.example op=x", "", true },
		{ "several", SPF("a:x.example ~all") SPF("include:_spf.host.example -all"),
		    "_spf.host.example", "v=spf1 a:x.example include:_spf.host.example -all",
		    "2 SPF records become one", true },
		{ "several with a redirect",
		    SPF("redirect=x.example") SPF("~all") "x.example TXT \"v=spf1 ip4:203.0.113.1 -all\"\n",
		    "_spf.host.example", "v=spf1 include:x.example include:_spf.host.example ~all",
		    "becomes an include", true },
		{ "slips",
		    SPF("ipv4:203.0.113.7 a:203.0.113.8, include: _spf.host.example 2001:db8:1::/48 foo "
		    "-all."),
		    "_spf.host.example",
		    "v=spf1 ip4:203.0.113.7 ip4:203.0.113.8 include:_spf.host.example ip6:2001:db8:1::/48 "
		    "-all",
		    "Taken out", true },
		{ "a slip is not the whole world", SPF("all. mx"), "_spf.host.example",
		    "v=spf1 mx include:_spf.host.example ~all", "", true },
		{ "a blank too many", SPF("include: _spf.host.example -all"), "_spf.host.example",
		    "v=spf1 include:_spf.host.example -all", "No blank", true },
		{ "behind one that is dead", SPF("include:nowhere.example include:_spf.host.example -all"),
		    "_spf.host.example", "v=spf1 include:_spf.host.example include:nowhere.example -all",
		    "stands first", true },
		{ "quotation marks", SPF("-all") "acme.example TXT \"\\\"v=spf1 mx\\\"\"\n", "_spf.host.example",
		    "v=spf1 include:_spf.host.example -all", "not read as an SPF record", true },
		{ "a modifier by mistake", SPF("include=_spf.host.example -all"), "_spf.host.example",
		    "v=spf1 include:_spf.host.example -all", "is written as", true },
		{ "a word processor's dash", SPF("\\226\\128\\147all"), "_spf.host.example",
		    "v=spf1 include:_spf.host.example -all", "", true },
		{ "the whole world", SPF("+all"), "_spf.host.example", NULL, "lets the whole world", true },
		{ "refused on purpose", SPF("-ip4:198.51.100.0/24 -ip6:2001:db8::/32 ~all"),
		    "_spf.host.example",
		    "v=spf1 include:_spf.host.example -ip4:198.51.100.0/24 -ip6:2001:db8::/32 ~all",
		    "stands first", true },
		{ "too many terms",
		    SPF("include:b.example include:b.example a a:x.example -all")
		    "b.example TXT \"v=spf1 a:x.example a:x.example a:x.example a:x.example a:x.example "
		    "a:x.example a:x.example "
		    "a:x.example a:x.example a:x.example ~all\"\n",
		    "_spf.host.example",
		    "v=spf1 include:_spf.host.example include:b.example a a:x.example -all",
		    "include:b.example 11 or more", true },
		{ "the host's own record is wrong", SPF("-all"), "broken.host.example",
		    "v=spf1 ip4:198.51.100.7 ip6:2001:db8::7 -all", "mend that record first", true },
		{ "the host's own record is not there", SPF("-all"), "nowhere.example",
		    "v=spf1 ip4:198.51.100.7 ip6:2001:db8::7 -all", "mend that record first", true },
		{ "DNS fails", "acme.example SERVFAIL\n", "_spf.host.example", NULL, "did not say", false },
		{ "nearly one", "acme.example TXT \"v=spf2.0/pra -all\"\n", "_spf.host.example",
		    "v=spf1 include:_spf.host.example ~all", "not read as an SPF record", true },
		{ "NUL and control characters", SPF("a:x.example\\000-all\\009~all"), "_spf.host.example",
		    "v=spf1 a:x.example include:_spf.host.example -all", "behind", true },
	};
	struct net_addr egress[2];
	struct spf_repair r;
	size_t i;

	(void)state;
	assert_int_equal(net_parse("198.51.100.7", &egress[0]), 1);
	assert_int_equal(net_parse(IP6, &egress[1]), 1);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		arena_free(&arena);
		arena = arena_new(ARENA_DEFAULT_CAP);
		dns_zone_set(cases[i].zone);
		dns_zone_add(host);
		spf_suggest(
		    spf, "Acme.example", HELO, egress, 2, cases[i].include, clock_deadline(10000), arena, &r);
		if ((r.record == NULL) != (cases[i].want == NULL) ||
		    (r.record != NULL && strcmp(r.record, cases[i].want) != 0) ||
		    r.proven != cases[i].proven || strstr(r.why, cases[i].says) == NULL)
			fail_msg("%s: %s; %s (%d)", cases[i].name, r.record == NULL ? "-" : r.record, r.why,
			    r.proven);
		if (r.record != NULL)
			assert_memory_equal(r.zone, "\"v=spf1", 7);
	}
	spf_suggest(spf, "192.0.2.1", HELO, egress, 2, NULL, clock_deadline(10000), arena, &r);
	assert_null(r.record);
}

/* Strings of at most 255 bytes, broken behind a blank. */
static void
test_suggest_long(void **state)
{
	char text[8000];
	struct str s = STR_IN(text);
	struct net_addr egress;
	struct spf_repair r;
	size_t i, length = 0, strings = 0;
	bool in = false;

	(void)state;
	str_cat(&s, "v=spf1");
	for (i = 0; i < 60; i++)
		str_catf(&s, " ip4:203.0.113.%zu", i);
	str_cat(&s, " -all");
	dns_zone_set(NULL);
	dns_zone_record("acme.example", 300, DNS_TXT, 0, text, s.len);
	assert_int_equal(net_parse(IP4, &egress), 1);
	arena_free(&arena);
	arena = arena_new(ARENA_DEFAULT_CAP);
	spf_suggest(spf, "acme.example", HELO, &egress, 1, NULL, clock_deadline(10000), arena, &r);
	assert_true(r.proven);
	assert_non_null(strstr(r.why, "long"));
	for (i = 0; r.zone[i] != '\0'; i++) {
		if (r.zone[i] == '"') {
			assert_true(length <= 255);
			assert_true(in || strings == 0 || r.zone[i - 1] == ' ');
			strings += !in;
			in = !in;
			length = 0;
		} else if (in) {
			length++;
		}
	}
	assert_int_equal(strings, (strlen(r.record) + 254) / 255);
	assert_false(in);
}

static int
teardown(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grammar),
		cmocka_unit_test(test_sender),
		cmocka_unit_test(test_macros),
		cmocka_unit_test(test_macro_cut),
		cmocka_unit_test(test_dns),
		cmocka_unit_test(test_chains),
		cmocka_unit_test(test_tree),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_order_of_failing),
		cmocka_unit_test(test_most_lookups),
		cmocka_unit_test(test_long_records),
		cmocka_unit_test(test_crashes),
		cmocka_unit_test(test_long_senders),
		cmocka_unit_test(test_verdict),
		cmocka_unit_test(test_result_text),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_suggest),
		cmocka_unit_test(test_suggest_long),
	};
	int failed;

	dns = dns_open(&(struct dns_options){ 0 }, NULL);
	spf = spf_open(dns, NULL);
	failed = cmocka_run_group_tests(tests, NULL, teardown);
	dns_zone_set(NULL);
	spf_close(&spf);
	dns_close(&dns);
	return failed;
}
