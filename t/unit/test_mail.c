/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * mail: From fields that try to be read as ours and shown as somebody else's, the
 * addresses that honest programs write, envelope addresses, domains, header text.
 */
#include "lib/mail.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "lib/str.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define ACME "bob@acme.example"
#define REFUSED NULL

static struct arena *arena;

static int
setup(void **state)
{
	(void)state;
	arena = arena_new(ARENA_DEFAULT_CAP);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

/* The keys of a field with ' ' between, or why it was refused. */
static void
read_field(const char *value, struct str *keys, struct mail_mailboxes *to)
{
	if (!mail_mailboxes_parse(arena, value, to)) {
		assert_non_null(to->why);
		assert_int_equal(to->n, 0);
		str_catf(keys, "refused: %s", to->why);
		return;
	}
	assert_null(to->why);
	for (size_t i = 0; i < to->n; i++)
		str_catf(keys, "%s%s", i == 0 ? "" : " ", to->at[i].text);
}

struct from_case {
	const char *name, *value, *want;	/* want: the keys, or REFUSED */
};

static void
run_from(const struct from_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char space[8192] = "";
		struct str keys = STR_IN(space);
		struct mail_mailboxes to;
		bool refused;

		read_field(cases[i].value, &keys, &to);
		refused = strncmp(space, "refused: ", 9) == 0;
		if (cases[i].want == REFUSED ? !refused : strcmp(space, cases[i].want) != 0)
			fail_msg("%s: %s", cases[i].name, space);
	}
}

static void
from_honest(void **state)
{
	static const struct from_case cases[] = {
		{ "address alone", ACME, ACME },
		{ "leading blank", " " ACME, ACME },
		{ "angle alone", "<" ACME ">", ACME },
		{ "display name", "Bob Smith <" ACME ">", ACME },
		{ "no blank before the angle", "Bob<" ACME ">", ACME },
		{ "upper case", "Bob <BOB@Acme.EXAMPLE>", ACME },
		{ "initials", "Bob Q. Smith, <x@acme.example>", REFUSED },
		{ "dots in the name", "Bob Q. Smith <" ACME ">", ACME },
		{ "apostrophe and ampersand", "O'Neil & Sons <" ACME ">", ACME },
		{ "brackets in the name", "[Shop] Bob <" ACME ">", ACME },
		{ "quoted comma", "\"Smith, Bob\" <" ACME ">", ACME },
		{ "quoted quotes", "\"Bob \\\"B\\\" Smith\" <" ACME ">", ACME },
		{ "quoted angle", "\"Bob <B>\" <" ACME ">", ACME },
		{ "empty quotes", "\"\" <" ACME ">", ACME },
		{ "two quoted words", "\"Bob\" \"Smith\" <" ACME ">", ACME },
		{ "comment for a name", ACME " (Bob)", ACME },
		{ "comment without blank", ACME "(Bob)", ACME },
		{ "comment in front", "(Bob) " ACME, ACME },
		{ "nested comment", ACME " (a (b) c)", ACME },
		{ "comments all around", "(a) Bob (b) <" ACME "> (c)", ACME },
		{ "quoted pair in a comment", ACME " (a \\) b)", ACME },
		{ "cron", "root@acme.example (Cron Daemon)", "root@acme.example" },
		{ "folded with a blank", "Bob\n <" ACME ">", ACME },
		{ "folded with a tab", "Bob\n\tSmith\n\t<" ACME ">", ACME },
		{ "folded at once", "\n " ACME, ACME },
		{ "folded inside the angle", "Bob <\n " ACME ">", ACME },
		{ "blanks inside the angle", "Bob < " ACME " >", ACME },
		{ "two mailboxes", "a@x.example, Bob <b@y.example>", "a@x.example b@y.example" },
		{ "no blank after the comma", "a@x.example,b@y.example", "a@x.example b@y.example" },
		{ "empty group", "Undisclosed recipients: ;", "" },
		{ "group of nothing at all", "A:;", "" },
		{ "group", "A: a@x.example, B <b@y.example>;", "a@x.example b@y.example" },
		{ "quoted group name", "\"A, B\": a@x.example;", "a@x.example" },
		{ "group among mailboxes", "a@x.example, G: b@y.example;, c@z.example",
		    "a@x.example b@y.example c@z.example" },
		{ "same address twice", ACME " <" ACME ">", ACME },
		{ "same address twice, other case", "Bob@Acme.example <" ACME ">", ACME },
		{ "same address twice in a list", ACME " <" ACME ">, a@x.example", ACME " a@x.example" },
		{ "encoded name", "=?utf-8?q?J=C3=BCrgen?= <" ACME ">", ACME },
		{ "encoded name without blank", "=?utf-8?B?SsO8cmdlbg==?=<" ACME ">", ACME },
		{ "encoded comma", "=?utf-8?q?M=C3=BCller=2C_Bob?= <" ACME ">", ACME },
		{ "encoded words folded", "=?utf-8?b?5pel?=\n =?utf-8?b?5pys?= <" ACME ">", ACME },
		{ "encoded within quotes", "\"=?utf-8?q?M=C3=BCller, Bob?=\" <" ACME ">", ACME },
		{ "encoded in a comment", ACME " (=?utf-8?q?J=C3=BCrgen?=)", ACME },
		{ "blanks in an encoded word", "=?utf-8?q?Bob Smith?= <" ACME ">", ACME },
		{ "quotes in an encoded word", "=?utf-8?q?\"J=C3=BCrgen_B\"?= <" ACME ">", ACME },
		{ "unknown character set", "=?x-none?q?Bob?= <" ACME ">", ACME },
		{ "UTF-8 by another name", "=?utf8?q?J=C3=BCrgen?= <" ACME ">", ACME },
		{ "cut in a character", "=?utf-8?q?J=C3?= <" ACME ">", ACME },
		{ "Japanese", "=?iso-2022-jp?b?GyRCRnxLXDhsGyhC?= <" ACME ">", ACME },
		{ "UTF-8 name", "J\xc3\xbcrgen M\xc3\xbcller <" ACME ">", ACME },
		{ "UTF-8 local part", "j\xc3\xbcrgen@acme.example", "j\xc3\xbcrgen@acme.example" },
		{ "UTF-8 local part, case and NFD", "JU\xcc\x88RGEN@acme.example",
		    "j\xc3\xbcrgen@acme.example" },
		{ "U-label", "bob@b\xc3\xbc" "cher.example", "bob@xn--bcher-kva.example" },
		{ "U-label, upper case", "bob@B\xc3\x9c" "CHER.Example", "bob@xn--bcher-kva.example" },
		{ "U-label, NFD", "bob@bu\xcc\x88" "cher.example", "bob@xn--bcher-kva.example" },
		{ "A-label", "bob@XN--BCHER-KVA.example", "bob@xn--bcher-kva.example" },
		{ "sharp s is not ss", "bob@fa\xc3\x9f.example", "bob@xn--fa-hia.example" },
		{ "Cherokee", "bob@xn--58d.example", "bob@xn--58d.example" },
		{ "homoglyph is another domain", "bob@\xd0\xb0" "cme.example", "bob@xn--cme-5cd.example" },
		{ "one trailing dot", "bob@acme.example.", ACME },
		{ "literal", "bob@[192.0.2.1]", "bob@[192.0.2.1]" },
		{ "IPv6 literal", "bob@[IPv6:2001:DB8:0::1]", "bob@[ipv6:2001:db8::1]" },
		{ "percent is no route", "a%bank.example@acme.example", "a%bank.example@acme.example" },
		{ "bang is no route", "bank!a@acme.example", "bank!a@acme.example" },
		{ "quoted local part", "\"john doe\"@acme.example", "\"john doe\"@acme.example" },
		{ "needless quotes", "\"bob\"@acme.example", ACME },
		{ "underscore host", "root@web_1.acme.example", "root@web_1.acme.example" },
		{ "bare host", "root@localhost", "root@localhost" },
		{ "hyphens", "a@r3---sn.acme-1.example", "a@r3---sn.acme-1.example" },
	};

	(void)state;
	run_from(cases, COUNT(cases));
}

static void
from_doubtful(void **state)
{
	static const struct from_case cases[] = {
		{ "empty", "", REFUSED },
		{ "blank", " \t", REFUSED },
		{ "comment only", "(bob)", REFUSED },
		{ "name only", "Bob", REFUSED },
		{ "no domain", "Bob <bob>", REFUSED },
		{ "nothing behind the at", "bob@", REFUSED },
		{ "nothing before the at", "@acme.example", REFUSED },
		{ "null address", "Bob <>", REFUSED },
		{ "another address before the angle", "ceo@bank.example <" ACME ">", REFUSED },
		{ "another address of ours before the angle", "ann@acme.example <" ACME ">", REFUSED },
		{ "address and comment before the angle", "ceo@bank.example (x) <" ACME ">", REFUSED },
		{ "two angles", "<" ACME "> <ceo@bank.example>", REFUSED },
		{ "address behind the angle", "<" ACME "> ceo@bank.example", REFUSED },
		{ "junk behind the angle", "Bob <" ACME "> x", REFUSED },
		{ "junk behind the address", ACME " x", REFUSED },
		{ "two ats", "bob@acme.example@bank.example", REFUSED },
		{ "at in the name", "Bob @ Acme <" ACME ">", REFUSED },
		{ "at in an unquoted word", "ceo@bank.example Bob <" ACME ">", REFUSED },
		{ "words before a bare address", "Bob " ACME, REFUSED },
		{ "quoted name before a bare address", "\"Bob\" " ACME, REFUSED },
		{ "quoted piece of a local part", "a.\"b\"@acme.example", REFUSED },
		{ "unquoted comma", "Smith, Bob <" ACME ">", REFUSED },
		{ "semicolon for a comma", ACME "; ceo@bank.example", REFUSED },
		{ "empty member", ACME ", , ceo@bank.example", REFUSED },
		{ "trailing comma", ACME ",", REFUSED },
		{ "leading comma", "," ACME, REFUSED },
		{ "angle open", "Bob <" ACME, REFUSED },
		{ "angle closed twice", "Bob <" ACME ">>", REFUSED },
		{ "angle in angle", "Bob <<" ACME ">>", REFUSED },
		{ "two addresses in the angle", "Bob <" ACME ",ceo@bank.example>", REFUSED },
		{ "quote open", "\"Bob <" ACME ">", REFUSED },
		{ "quote open behind", "Bob <" ACME "> \"x", REFUSED },
		{ "comment open", "Bob (x <" ACME ">", REFUSED },
		{ "comment closed twice", "Bob (x)) <" ACME ">", REFUSED },
		{ "comment ends in a backslash", ACME " (x\\", REFUSED },
		{ "quotes end in a backslash", "\"x\\", REFUSED },
		{ "backslash in a name", "Bob \\< ceo <" ACME ">", REFUSED },
		{ "angle address in a comment", "(<ceo@bank.example>) " ACME, REFUSED },
		{ "hidden angle address in a comment", "(<ceo\\@bank.example>) " ACME, REFUSED },
		{ "comment before the at", "bob(x)@acme.example", REFUSED },
		{ "comment behind the at", "ceo@(x)acme.example", REFUSED },
		{ "comment in the domain", "ceo@bank.example(x).acme.example", REFUSED },
		{ "comment in the angle", "<(ceo@bank.example)" ACME ">", REFUSED },
		{ "blank before the at", "bob @acme.example", REFUSED },
		{ "blank in the domain", "ceo@bank.example .acme.example", REFUSED },
		{ "fold in the domain", "<ceo@bank.example\n .acme.example>", REFUSED },
		{ "source route", "<@bank.example:" ACME ">", REFUSED },
		{ "long source route", "<@a.example,@b.example:" ACME ">", REFUSED },
		{ "group open", "A: " ACME, REFUSED },
		{ "group in a group", "A: B: " ACME ";;", REFUSED },
		{ "group without name", ": " ACME ";", REFUSED },
		{ "comma before a group's end", "A: " ACME ",;", REFUSED },
		{ "comma and blank before a group's end", "A: " ACME ", ;", REFUSED },
		{ "text behind a group", "A: ; ceo@bank.example", REFUSED },
		{ "at in a group's name", "ceo@bank.example: " ACME ";", REFUSED },
		{ "blank line in a fold", "Bob\n \n <" ACME ">", REFUSED },
		{ "blank line at the end", ACME "\n ", REFUSED },
		{ "line break", ACME "\nceo@bank.example", REFUSED },
		{ "line break at the end", ACME "\n", REFUSED },
		{ "CR", "Bob\r<" ACME ">", REFUSED },
		{ "escape", "B\x1bob <" ACME ">", REFUSED },
		{ "backspace", "\"Bob\x08\" <" ACME ">", REFUSED },
		{ "delete", "Bob\x7f <" ACME ">", REFUSED },
		{ "C1 control", "Bob\xc2\x85 <" ACME ">", REFUSED },
		{ "line separator", "Bob\xe2\x80\xa8 <" ACME ">", REFUSED },
		{ "right to left", "\"\xe2\x80\xaeknab\" <" ACME ">", REFUSED },
		{ "not UTF-8", "J\xfcrgen <" ACME ">", REFUSED },
		{ "overlong UTF-8", "\xc0\xbc <" ACME ">", REFUSED },
		{ "quoted local part with an address", "\"ceo@bank.example\"@acme.example", REFUSED },
		{ "quoted local part with a quote", "\"a\\\"@bank.example\"@acme.example", REFUSED },
		{ "quoted local part with an angle", "\"<ceo\"@acme.example", REFUSED },
		{ "empty local part in quotes", "\"\"@acme.example", REFUSED },
		{ "dot in front", ".bob@acme.example", REFUSED },
		{ "dot behind", "bob.@acme.example", REFUSED },
		{ "two dots", "b..b@acme.example", REFUSED },
		{ "full width at in the local part", "ceo\xef\xbc\xa0" "bank.example@acme.example", REFUSED },
		{ "small at in the local part", "ceo\xef\xb9\xab" "bank.example@acme.example", REFUSED },
		{ "zero width space in the local part", "b\xe2\x80\x8bob@acme.example", REFUSED },
		{ "encoded word is the local part", "=?utf-8?q?ceo=40bank.example?=@acme.example", REFUSED },
		{ "encoded word in the angle", "Bob <=?utf-8?q?ceo=40bank.example=00?=@acme.example>",
		    REFUSED },
		{ "encoded word in a quoted local part", "\"=?utf-8?q?ceo?=\"@acme.example", REFUSED },
		{ "encoded word is the domain", "ceo@=?utf-8?q?bank.example?=", REFUSED },
		{ "encoded address only", "=?utf-8?q?Bob_=3Cbob=40acme.example=3E?=", REFUSED },
		{ "encoded angle address", "=?utf-8?q?=3Cceo=40bank.example=3E?= <" ACME ">", REFUSED },
		{ "the same, base64", "=?utf-8?b?PGNlb0BiYW5rLmV4YW1wbGU+?= <" ACME ">", REFUSED },
		{ "the same, in two words", "=?utf-8?q?=3Cceo?= =?utf-8?q?=40bank.example=3E?= <" ACME ">",
		    REFUSED },
		{ "the same, in UTF-7", "=?utf-7?q?+ADw-ceo+AEA-bank.example+AD4-?= <" ACME ">", REFUSED },
		{ "the same, in quotes", "\"=?utf-8?q?=22_=3Cceo=40bank.example=3E?=\" <" ACME ">", REFUSED },
		{ "the same, in a comment", ACME " (=?utf-8?q?=29_=3Cceo=40bank.example=3E?=)", REFUSED },
		{ "encoded list", "=?utf-8?q?ceo=40bank.example=2C?= <" ACME ">", REFUSED },
		{ "encoded list with a comment",
		    "=?utf-8?q?ceo=40bank.example?= (x) =?utf-8?q?=2C?= <" ACME ">", REFUSED },
		{ "encoded quote opens a quoted name",
		    "=?utf-8?q?=22?= \"ceo@bank.example, \" <" ACME ">", REFUSED },
		{ "encoded quotes around a mailbox", "=?utf-8?q?=22?= <" ACME ">, \"ceo@bank.example\" "
		    "=?utf-8?q?=22?= <" ACME ">", REFUSED },
		{ "the same, in UTF-7 by another name",
		    "=?unicode-1-1-utf-7?q?+ADw-ceo+AEA-bank.example+AD4-?= <" ACME ">", REFUSED },
		{ "8-bit text of an unknown character set",
		    "=?cp037?q?=83=85=96=7C=82?= <" ACME ">", REFUSED },
		{ "UTF-16", "=?utf-16be?q?=00@=00b?= <" ACME ">", REFUSED },
		{ "encoded NUL", "=?utf-8?q?ceo=40bank.example=00?= <" ACME ">", REFUSED },
		{ "encoded line break", "=?utf-8?q?a=0D=0AFrom:_b?= <" ACME ">", REFUSED },
		{ "encoded right to left", "=?utf-8?q?=E2=80=AEknab?= <" ACME ">", REFUSED },
		{ "encoded words around quotes",
		    "=?utf-8?q?\"?= <ceo@bank.example>, =?utf-8?q?\"?= <" ACME ">", REFUSED },
		{ "encoded word from quotes to quotes",
		    "\"=?utf-8?q?\" <ceo@bank.example>, \"?=\" <" ACME ">", REFUSED },
		{ "encoded word from a comment on", ACME " (=?utf-8?q?) , <ceo@bank.example> (?=)", REFUSED },
		{ "one quote in an encoded word", "=?utf-8?q?\"Bob?= <" ACME ">", REFUSED },
		{ "angle address in quotes in an encoded word",
		    "=?utf-8?q?\"<ceo@bank.example>\"?= <" ACME ">", REFUSED },
		{ "encoded word without end", "=?utf-8?q?Bob <" ACME ">", REFUSED },
		{ "encoded word behind a group", "A: ; (=?utf-8?q?=00?=)", REFUSED },
		{ "A-label of nothing", "bob@xn--zzzzzz99.example", REFUSED },
		{ "A-label of ASCII", "bob@xn--acme-.example", REFUSED },
		{ "A-label of an upper case letter", "bob@xn--bcher-kva8445foa.example", REFUSED },
		{ "ideographic dot", "bob@acme\xe3\x80\x82" "example", REFUSED },
		{ "full width letters", "bob@\xef\xbd\x81" "cme.example", REFUSED },
		{ "full width at in the domain", "bob@bank.example\xef\xbc\xa0" "acme.example", REFUSED },
		{ "zero width space in the domain", "bob@ac\xe2\x80\x8bme.example", REFUSED },
		{ "soft hyphen in the domain", "bob@ac\xc2\xadme.example", REFUSED },
		{ "account-of sign", "bob@\xe2\x84\x80.acme.example", REFUSED },
		{ "two trailing dots", "bob@acme.example..", REFUSED },
		{ "dot before the domain", "bob@.acme.example", REFUSED },
		{ "two dots in the domain", "bob@acme..example", REFUSED },
		{ "hyphen before the domain", "bob@-acme.example", REFUSED },
		{ "hyphen behind a label", "bob@acme-.example", REFUSED },
		{ "slash in the domain", "bob@bank.example/.acme.example", REFUSED },
		{ "percent in the domain", "bob@bank%acme.example", REFUSED },
		{ "literal that is no address", "bob@[999.0.2.1]", REFUSED },
		{ "literal with junk", "bob@[192.0.2.1]acme.example", REFUSED },
		{ "literal open", "bob@[192.0.2.1", REFUSED },
		{ "literal with a blank", "bob@[192.0.2. 1]", REFUSED },
		{ "empty literal", "bob@[]", REFUSED },
	};

	(void)state;
	run_from(cases, COUNT(cases));
}

/* A display name that is an address is no doubt about the mailbox, but somebody wants to know. */
static void
from_display_address(void **state)
{
	static const struct { const char *name, *value, *want; } cases[] = {
		{ "none", "Bob <" ACME ">", NULL },
		{ "quoted", "\"ceo@bank.example\" <" ACME ">", "ceo@bank.example" },
		{ "with more text", "\"The CEO, ceo@bank.example.\" <" ACME ">", "ceo@bank.example" },
		{ "in angle brackets", "\"CEO <ceo@Bank.example>\" <" ACME ">", "ceo@bank.example" },
		{ "escaped", "\"ceo\\@bank.example\" <" ACME ">", "ceo@bank.example" },
		{ "in pieces", "ceo\"@\"bank.example <" ACME ">", "ceo@bank.example" },
		{ "encoded", "=?utf-8?q?ceo=40bank=2Eexample?= <" ACME ">", "ceo@bank.example" },
		{ "encoded in quotes", "\"=?utf-8?b?Y2VvQGJhbmsuZXhhbXBsZQ==?=\" <" ACME ">",
		    "ceo@bank.example" },
		{ "encoded, in two words", "=?utf-8?q?ceo=40?= =?utf-8?q?bank.example?= <" ACME ">",
		    "ceo@bank.example" },
		{ "in a comment", ACME " (ceo@bank.example)", "ceo@bank.example" },
		{ "full width", "\"ceo\xef\xbc\xa0" "bank.example\" <" ACME ">", "ceo@bank.example" },
		{ "full width, unquoted", "ceo\xef\xbc\xa0" "bank.example <" ACME ">", "ceo@bank.example" },
		{ "second of two", "a <" ACME ">, \"ceo@bank.example\" <" ACME ">", "ceo@bank.example" },
		{ "name of a group", "\"ceo@bank.example\": " ACME ";", "ceo@bank.example" },
		{ "own address", "\"" ACME "\" <" ACME ">", NULL },
		{ "own domain", "\"ann@acme.example\" <" ACME ">", NULL },
		{ "own subdomain", "\"ann@mail.acme.example\" <" ACME ">", NULL },
		{ "domain that ends like ours", "\"a@badacme.example\" <" ACME ">", "a@badacme.example" },
		{ "no address", "\"Bob @ Acme\" <" ACME ">", NULL },
		{ "no dot", "\"Bob@Acme\" <" ACME ">", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct mail_mailboxes to;

		if (!mail_mailboxes_parse(arena, cases[i].value, &to))
			fail_msg("%s: %s", cases[i].name, to.why);
		if (cases[i].want == NULL ? to.display_address != NULL :
		    to.display_address == NULL || strcmp(to.display_address, cases[i].want) != 0)
			fail_msg("%s: %s", cases[i].name, to.display_address == NULL ? "none" :
			    to.display_address);
	}
}

/* before, n times unit, after. The caller frees it. */
static char *
repeat(const char *before, const char *unit, size_t n, const char *after)
{
	const size_t unit_n = strlen(unit), before_n = strlen(before), after_n = strlen(after);
	char *text = malloc(before_n + n * unit_n + after_n + 1), *p = text;

	assert_non_null(text);
	memcpy(p, before, before_n);
	p += before_n;
	for (size_t i = 0; i < n; i++, p += unit_n)
		memcpy(p, unit, unit_n);
	memcpy(p, after, after_n + 1);
	return text;
}

static uint64_t
cpu_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* What Postfix lets through at most is 60,000 bytes. None of it may cost more than a moment, sanitizers
 * included. */
static void
from_bounded(void **state)
{
	static const struct {
		const char *name, *before, *unit;
		size_t n;
		const char *after;
		int want;
	} cases[] = {
		{ "100 mailboxes", "a@x.example", ",a@x.example", 99, "", 1 },
		{ "101 mailboxes", "a@x.example", ",a@x.example", 100, "", 0 },
		{ "1,000 mailboxes", "a@x.example", ",a@x.example", 999, "", 0 },
		{ "1,000 in a group", "A: a@x.example", ",a@x.example", 999, ";", 0 },
		{ "100 groups", "A:;", ",A:;", 99, "", 1 },
		{ "101 groups", "A:;", ",A:;", 100, "", 0 },
		{ "10,000 groups", "A:;", ",A:;", 9999, "", 0 },
		{ "commas", "", "a,", 30000, ACME, 0 },
		{ "only commas", "", ",", 60000, "", 0 },
		{ "long comment", "(", "x", 60000, ") " ACME, 1 },
		{ "long quotes", "\"", "@", 60000, "\" <" ACME ">", 1 },
		{ "addresses in quotes", "\"", "a@b.c,", 10000, "\" <" ACME ">", 1 },
		{ "many words", "", "a ", 30000, "<" ACME ">", 1 },
		{ "many comments", "", "(a)", 20000, ACME, 1 },
		{ "20 comments deep", "((((((((((((((((((((x))))))))))))))))))))", "", 0, ACME, 1 },
		{ "21 comments deep", "(((((((((((((((((((((x)))))))))))))))))))))", "", 0, ACME, 0 },
		{ "60,000 comments deep", "", "(", 60000, "", 0 },
		{ "folds", "", "x\n ", 20000, "<" ACME ">", 1 },
		{ "encoded words", "", "=?koi8-r?q?a?= ", 4000, "<" ACME ">", 1 },
		{ "encoded words that never end", "", "=?a?q?", 10000, "<" ACME ">", 0 },
		{ "one that never ends", "=?a?q?", "=", 59000, "<" ACME ">", 0 },
		{ "one that cannot be decoded", "=?a?b?", "=", 59000, "!?= <" ACME ">", 1 },
		{ "beginnings", "", "=?", 30000, " <" ACME ">", 1 },
		{ "colons", "", "A:", 30000, "", 0 },
		{ "angles", "", "<", 60000, "", 0 },
		{ "backslashes", "\"", "\\", 60000, "\" <" ACME ">", 1 },
		{ "ats", "", "@", 60000, "", 0 },
		{ "long local part", "", "x", 60000, "@acme.example", 0 },
		{ "long domain", "a@", "x", 60000, "", 0 },
		{ "long label", "a@", "x", 64, ".example", 0 },
		{ "longest label", "a@", "x", 63, ".example", 1 },
		{ "longest domain", "a@", "a.", 126, "b", 1 },
		{ "domain too long", "a@", "a.", 126, "bc", 0 },
		{ "long literal", "a@[", "1", 60000, "]", 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char *value = repeat(cases[i].before, cases[i].unit, cases[i].n, cases[i].after);
		const uint64_t began = cpu_ms();
		struct mail_mailboxes to;

		if (mail_mailboxes_parse(arena, value, &to) != cases[i].want)
			fail_msg("%s: %s", cases[i].name, to.why == NULL ? "was read" : to.why);
		(void)mail_header_text(arena, value, SIZE_MAX);
		if (cpu_ms() - began > 1000)
			fail_msg("%s: took %ju ms", cases[i].name, (uintmax_t)(cpu_ms() - began));
		free(value);
	}
}

static void
envelope(void **state)
{
	static const struct { const char *name, *text, *local, *key, *base; } cases[] = {
		{ "angle brackets", "<" ACME ">", "bob", ACME, ACME },
		{ "none, as from pickup", ACME, "bob", ACME, ACME },
		{ "case", "<Bob@ACME.Example>", "Bob", ACME, ACME },
		{ "quoted local part", "<\"John Doe\"@acme.example>", "John Doe", "\"john doe\"@acme.example",
		    "\"john doe\"@acme.example" },
		{ "needless quotes", "<\"Bob\"@acme.example>", "Bob", ACME, ACME },
		{ "needless backslash", "<\"b\\ob\"@acme.example>", "bob", ACME, ACME },
		{ "an at in quotes", "<\"a@b\"@acme.example>", "a@b", "\"a@b\"@acme.example",
		    "\"a@b\"@acme.example" },
		{ "a quote in quotes", "<\"a\\\"@evil.example\"@acme.example>", "a\"@evil.example",
		    "\"a\\\"@evil.example\"@acme.example", "\"a\\\"@evil.example\"@acme.example" },
		{ "a plus in quotes", "<\"a +b\"@acme.example>", "a +b", "\"a +b\"@acme.example",
		    "\"a +b\"@acme.example" },
		{ "SMTPUTF8", "<J\xc3\x9crgen@b\xc3\xbc" "cher.example>", "J\xc3\x9crgen",
		    "j\xc3\xbcrgen@xn--bcher-kva.example", "j\xc3\xbcrgen@xn--bcher-kva.example" },
		{ "literal", "<bob@[192.0.2.1]>", "bob", "bob@[192.0.2.1]", "bob@[192.0.2.1]" },
		{ "trailing dot", "<bob@acme.example.>", "bob", ACME, ACME },
		{ "careless dots", "<b..b.@acme.example>", "b..b.", "b..b.@acme.example",
		    "b..b.@acme.example" },
		{ "percent", "<a%b@acme.example>", "a%b", "a%b@acme.example", "a%b@acme.example" },
		{ "bang", "<b!a@acme.example>", "b!a", "b!a@acme.example", "b!a@acme.example" },
		{ "detail", "<Bob+Shop@acme.example>", "Bob+Shop", "bob+shop@acme.example", ACME },
		{ "only detail", "<+shop@acme.example>", "+shop", "+shop@acme.example",
		    "+shop@acme.example" },
		{ "VERP", "<list-bounces+user=dest.example@acme.example>", "list-bounces+user=dest.example",
		    "list-bounces+user=dest.example@acme.example", "list-bounces@acme.example" },
		{ "BATV", "<prvs=1234abcdef=bob@acme.example>", "prvs=1234abcdef=bob",
		    "prvs=1234abcdef=bob@acme.example", ACME },
		{ "BATV and detail", "<PRVS=1234ABCDEF=bob+x@acme.example>", "PRVS=1234ABCDEF=bob+x",
		    "prvs=1234abcdef=bob+x@acme.example", ACME },
		{ "BATV without local part", "<prvs=1234abcdef=@acme.example>", "prvs=1234abcdef=",
		    "prvs=1234abcdef=@acme.example", "prvs=1234abcdef=@acme.example" },
		{ "BATV without tag", "<prvs==bob@acme.example>", "prvs==bob", "prvs==bob@acme.example",
		    "prvs==bob@acme.example" },
		{ "SRS0", "<SRS0=ab+c=de=dest.example=u@acme.example>", "SRS0=ab+c=de=dest.example=u",
		    "srs0=ab+c=de=dest.example=u@acme.example", "srs0=ab+c=de=dest.example=u@acme.example" },
		{ "SRS1", "<srs1+x=h.example==ab=cd=d.example=u@acme.example>",
		    "srs1+x=h.example==ab=cd=d.example=u",
		    "srs1+x=h.example==ab=cd=d.example=u@acme.example",
		    "srs1+x=h.example==ab=cd=d.example=u@acme.example" },
		{ "nothing that srs names", "<srs0x+y@acme.example>", "srs0x+y", "srs0x+y@acme.example",
		    "srs0x@acme.example" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct mail_address to;

		if (!mail_address_parse(arena, cases[i].text, &to))
			fail_msg("%s: refused", cases[i].name);
		if (to.null || strcmp(to.local, cases[i].local) != 0 || strcmp(to.text, cases[i].key) != 0 ||
		    strcmp(to.base, cases[i].base) != 0)
			fail_msg("%s: local %s, text %s, base %s", cases[i].name, to.local, to.text, to.base);
		assert_string_equal(to.domain, strrchr(to.text, '@') + 1);
	}
}

static void
envelope_null(void **state)
{
	static const char *const texts[] = { "<>", "" };

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct mail_address to;

		assert_int_equal(mail_address_parse(arena, texts[i], &to), 1);
		assert_true(to.null);
		assert_string_equal(to.text, "");
		assert_string_equal(to.base, "");
		assert_null(to.local);
		assert_null(to.domain);
	}
}

static void
envelope_refused(void **state)
{
	static const struct { const char *name, *text; } cases[] = {
		{ "no domain", "<bob>" }, { "empty domain", "<bob@>" },
		{ "empty local part", "<@acme.example>" },
		{ "empty quotes", "<\"\"@acme.example>" },
		{ "source route", "<@r.example:bob@acme.example>" },
		{ "two ats", "<a@b.example@acme.example>" }, { "blank", "<a b@acme.example>" },
		{ "blank around", " <bob@acme.example> " }, { "angle open", "<bob@acme.example" },
		{ "angle closed", "bob@acme.example>" }, { "two angles", "<<bob@acme.example>>" },
		{ "blank in the domain", "<bob@acme .example>" }, { "quote open", "<\"bob@acme.example>" },
		{ "text behind quotes", "<\"a\"b@acme.example>" },
		{ "backslash open", "<\"a\\\"@acme.example>" },
		{ "control", "<b\nob@acme.example>" }, { "control in quotes", "<\"b\x01ob\"@acme.example>" },
		{ "line break in quotes", "<\"b\\\nob\"@acme.example>" },
		{ "delete", "<b\x7f@acme.example>" },
		{ "not UTF-8", "<j\xfcrgen@acme.example>" }, { "domain not UTF-8", "<bob@\xfc.example>" },
		{ "C1 control", "<b\xc2\x85@acme.example>" }, { "bad A-label", "<bob@xn--zzzzzz99.example>" },
		{ "emoji domain", "<bob@\xf0\x9f\x92\xa9.example>" }, { "comment", "<bob(x)@acme.example>" },
		{ "list", "<a@acme.example,b@acme.example>" }, { "null with junk", "<>x" },
		{ "parameters", "<bob@acme.example> SIZE=1" },
	};
	char *text = repeat("", "x", MAIL_ADDRESS_MAX - 12, "@acme.example");
	struct mail_address to;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		if (mail_address_parse(arena, cases[i].text, &to))
			fail_msg("%s: read as %s", cases[i].name, to.text);
	}
	assert_int_equal(strlen(text), MAIL_ADDRESS_MAX + 1);
	assert_int_equal(mail_address_parse(arena, text, &to), 0);
	assert_int_equal(mail_address_parse(arena, text + 1, &to), 1);
	free(text);
}

static void
domains(void **state)
{
	static const struct { const char *name, *text, *want; } cases[] = {
		{ "plain", "acme.example", "acme.example" }, { "case", "ACME.Example", "acme.example" },
		{ "dot", "acme.example.", "acme.example" }, { "single label", "localhost", "localhost" },
		{ "U-label", "\xd0\xbf\xd1\x80\xd0\xb8\xd0\xbc\xd0\xb5\xd1\x80.example",
		    "xn--e1afmkfd.example" },
		{ "A-label", "xn--e1afmkfd.example", "xn--e1afmkfd.example" },
		{ "dotless i", "\xc4\xb0.example", NULL }, { "circled letter", "\xe2\x93\x90.example", NULL },
		{ "empty", "", NULL }, { "nothing", NULL, NULL }, { "only a dot", ".", NULL },
		{ "leading dot", ".acme.example", NULL }, { "blank", "acme example", NULL },
		{ "address", "bob@acme.example", NULL }, { "literal", "[192.0.2.1]", NULL },
		{ "wildcard", "*.acme.example", NULL }, { "emoji", "\xf0\x9f\x92\xa9.example", NULL },
		{ "fake prefix by mapping", "\xef\xbd\x98n--e1afmkfd.example", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *got = mail_domain(arena, cases[i].text);

		if (cases[i].want == NULL ? got != NULL : got == NULL || strcmp(got, cases[i].want) != 0)
			fail_msg("%s: %s", cases[i].name, got == NULL ? "none" : got);
	}
}

static void
header_text(void **state)
{
	static const struct { const char *name, *value, *want; } cases[] = {
		{ "plain", "PHPMailer 6.9.1", "PHPMailer 6.9.1" }, { "nothing", NULL, "" },
		{ "empty", "", "" },
		{ "blanks", " \t Smart \t  Send \t", "Smart Send" },
		{ "folded", "Leaf\n PHPMailer\n\t 2.7", "Leaf PHPMailer 2.7" },
		{ "folded at once", "\n\tLeaf", "Leaf" },
		{ "CRLF", "Leaf\r\n PHPMailer", "Leaf PHPMailer" },
		{ "Q", "=?utf-8?q?Leaf_PHPMailer=202.7?=", "Leaf PHPMailer 2.7" },
		{ "B", "=?UTF-8?B?TGVhZiBQSFBNYWlsZXI=?=", "Leaf PHPMailer" },
		{ "B without padding", "=?utf-8?b?TGVhZiBQSFBNYWlsZXI?=", "Leaf PHPMailer" },
		{ "adjacent words", "=?utf-8?q?Le?= \n =?utf-8?q?af?=", "Leaf" },
		{ "adjacent words without blank", "=?utf-8?q?Le?==?utf-8?q?af?=", "Leaf" },
		{ "adjacent words, B and Q", "=?utf-8?b?TGU=?= =?utf-8?q?af?=", "Leaf" },
		{ "adjacent words, other character sets", "=?utf-8?q?L=C3=A9?= =?iso-8859-1?q?=E9?=",
		    "L\xc3\xa9\xc3\xa9" },
		{ "word and text", "=?utf-8?q?Le?= af", "Le af" },
		{ "text around", "x=?utf-8?q?Leaf?=y", "xLeafy" },
		{ "split character", "=?utf-8?b?5g==?= =?utf-8?b?l6U=?=", "\xe6\x97\xa5" },
		{ "blanks in a word", "=?utf-8?q?Leaf   PHP?=", "Leaf PHP" },
		{ "blanks that a word decodes to", "=?utf-8?q?Leaf=09=0A__PHP_?= ", "Leaf PHP" },
		{ "NUL", "=?utf-8?q?Leaf=00PHP?=", "Leaf PHP" },
		{ "language", "=?utf-8*en?q?Leaf?=", "Leaf" },
		{ "longer than 75",
		    "=?utf-8?q?aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=2D?=",
		    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-" },
		{ "unknown character set", "=?x-none?q?Le=61f=E9?=", "Leaf\xe9" },
		{ "unknown encoding", "=?utf-8?x?Leaf?=", "=?utf-8?x?Leaf?=" },
		{ "bad Q", "=?utf-8?q?Le=GGaf?=", "=?utf-8?q?Le=GGaf?=" },
		{ "cut Q", "=?utf-8?q?Leaf=4?=", "=?utf-8?q?Leaf=4?=" },
		{ "bad B", "=?utf-8?b?TG!h?= x", "=?utf-8?b?TG!h?= x" },
		{ "good and bad", "=?utf-8?q?Leaf?= =?utf-8?x?y?=", "Leaf =?utf-8?x?y?=" },
		{ "no end", "=?utf-8?q?Leaf", "=?utf-8?q?Leaf" },
		{ "nearly", "=? ?= =?= =?" "?=", "=? ?= =?= =?" "?=" },
		{ "empty word", "a =?utf-8?q?" "?= b", "a b" },
		{ "latin1 is windows-1252", "=?ISO-8859-1?Q?Caf=E9_=80?=", "Caf\xc3\xa9 \xe2\x82\xac" },
		{ "Japanese", "=?iso-2022-jp?b?GyRCRnxLXBsoQg==?=", "\xe6\x97\xa5\xe6\x9c\xac" },
		{ "Chinese", "=?gb2312?b?1tDOxA==?=", "\xe4\xb8\xad\xe6\x96\x87" },
		{ "Russian", "=?koi8-r?q?=D0=D2?=", "\xd0\xbf\xd1\x80" },
		{ "UTF-7", "=?utf-7?q?+AEw-eaf?=", "Leaf" },
		{ "Vietnamese letter held back", "=?windows-1258?q?a=CC?=", "\xc3\xa0" },
		{ "not of its character set", "=?euc-jp?q?a=FF?=", "a\xff" },
		{ "cut in a character", "=?shift_jis?q?a=83?=", "a\x83" },
		{ "invisible characters", "Le\xe2\x80\x8b" "a\xc2\xad" "f\xef\xbb\xbf", "Leaf" },
		{ "invisible characters, encoded", "=?utf-8?q?Le=E2=80=8Baf?=", "Leaf" },
		{ "blanks of other widths", "\xe3\x80\x80Leaf\xc2\xa0 \xe2\x80\x83PHP\xc2\xa0", "Leaf PHP" },
		{ "8-bit", "Caf\xe9 \xff", "Caf\xe9 \xff" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *got = mail_header_text(arena, cases[i].value, 8192);

		if (strcmp(got, cases[i].want) != 0)
			fail_msg("%s: %s", cases[i].name, got);
	}
	assert_string_equal(mail_header_text(arena, "Leaf PHPMailer", 4), "Leaf");
	assert_string_equal(mail_header_text(arena, "Leaf", 0), "");
	assert_string_equal(mail_header_text(arena, "=?utf-8?q?Leaf?= x", 12), "=?utf-8?q?Le");
}

static void
header_names(void **state)
{
	static const struct { const char *name; bool want; } cases[] = {
		{ "X-Customer-ID", true }, { "X", true }, { "!x~", true }, { "", false }, { NULL, false },
		{ "X:", false },
		{ "X Y", false }, { "X\n", false }, { "X\xc3\xa9", false }, { "X\x7f", false },
	};
	char *name = repeat("", "x", 77, "");

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(mail_header_name_ok(cases[i].name), cases[i].want);
	assert_false(mail_header_name_ok(name));
	assert_true(mail_header_name_ok(name + 1));
	free(name);
}

static void *
parse_often(void *wrong)
{
	static const char value[] = "=?iso-8859-2?q?B=F3b?= <bob@b\xc3\xbc" "cher.example>, G: a@x.example;";

	for (int i = 0; i < 300; i++) {
		struct arena *a = arena_new(ARENA_DEFAULT_CAP);
		struct mail_mailboxes to;
		struct mail_address address;

		if (!mail_mailboxes_parse(a, value, &to) ||
		    to.n != 2 || strcmp(to.at[0].text, "bob@xn--bcher-kva.example") != 0 ||
		    !mail_address_parse(a, "<a@x.example>", &address))
			*(bool *)wrong = true;
		arena_free(&a);
	}
	return NULL;
}

static void
threads(void **state)
{
	pthread_t thread[4];
	bool wrong[4] = { false };

	(void)state;
	for (size_t i = 0; i < COUNT(thread); i++)
		assert_int_equal(pthread_create(&thread[i], NULL, parse_often, &wrong[i]), 0);
	for (size_t i = 0; i < COUNT(thread); i++) {
		assert_int_equal(pthread_join(thread[i], NULL), 0);
		assert_false(wrong[i]);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		/* First, so that its threads race for the set-up of the library. */
		cmocka_unit_test_setup_teardown(threads, setup, teardown),
		cmocka_unit_test_setup_teardown(from_honest, setup, teardown),
		cmocka_unit_test_setup_teardown(from_doubtful, setup, teardown),
		cmocka_unit_test_setup_teardown(from_display_address, setup, teardown),
		cmocka_unit_test_setup_teardown(from_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(envelope, setup, teardown),
		cmocka_unit_test_setup_teardown(envelope_null, setup, teardown),
		cmocka_unit_test_setup_teardown(envelope_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(domains, setup, teardown),
		cmocka_unit_test_setup_teardown(header_text, setup, teardown),
		cmocka_unit_test_setup_teardown(header_names, setup, teardown),
	};

	return cmocka_run_group_tests_name("mail", tests, NULL, NULL);
}
