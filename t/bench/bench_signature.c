/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * What matching signatures costs a message: ordinary mail of 20 and 30 headers, mail that is recognised,
 * headers made to cost as much as they can, and ordinary mail again under files of 60, 600 and 2,000
 * signatures: the shipped ones in part or whole, and the rest made up, half of them about headers that the
 * message has.
 *
 *     bench_signature etc/signatures.conf
 */
#include "lib/signature.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/signature_private.h"

#include "lib/banned.h"

#define RUN_US 1000000u		/* how long each case runs at least */

/* Processor time: other work on the machine is not ours. */
static uint64_t
spent_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static const struct signature_header ordinary[] = {
	{ "Received", "from [192.0.2.7] (dsl-7.example [192.0.2.7])\n"
	    "\tby out1.host.example (Postfix) with ESMTPSA id 4XyZ\n\t"
	    "for <bob@recipient.example>; Mon,  2 Mar 2026 08:12:10 +0100 (CET)" },
	{ "Message-ID", "<0f8fad5b-d9cb-469f-a165-70867728950e@acme.example>" },
	{ "Date", "Mon, 2 Mar 2026 08:12:09 +0100" },
	{ "MIME-Version", "1.0" },
	{ "User-Agent", "Mozilla Thunderbird" },
	{ "Subject", "=?UTF-8?Q?Re=3A_Angebot_f=C3=BCr_den_M=C3=A4rz?=" },
	{ "Content-Language", "de-DE" },
	{ "To", "Bob Builder <bob@recipient.example>, \"Carol, the other\" <carol@recipient.example>" },
	{ "Cc", "dave@recipient.example" },
	{ "References", "<77@recipient.example> <78@recipient.example>" },
	{ "In-Reply-To", "<78@recipient.example>" },
	{ "From", "Ann Archer <ann@acme.example>" },
	{ "Organization", "Acme Ltd" },
	{ "Autocrypt", "addr=ann@acme.example; keydata=xjMEYjEkVRYJKwYBBAHaRw8BAQdA" },
	{ "X-Priority", "3" },
	{ "Content-Type", "multipart/alternative;\n boundary=\"------------0M8bq3jzGkF4k1PzXc0aRq2L\"" },
	{ "X-Spam-Status", "No, score=-1.2 required=5.0" },
	{ "Reply-To", "ann@acme.example" },
	{ "X-Originating-IP", "192.0.2.7" },
	{ "Return-Receipt-To", "ann@acme.example" },
};

static const struct signature_header recognised[] = {
	{ "From", "Promo <promo@acme.example>" },
	{ "To", "bob@recipient.example" },
	{ "Subject", "Spring sale" },
	{ "Message-ID", "<0cc175b9c0f1b6a831c399e269772661@acme.example>" },
	{ "X-Mailer-LID", "12,14" },
	{ "X-Mailer-RecptId", "88123" },
	{ "X-Mailer-SID", "301" },
	{ "X-Mailer-Sent-By", "1" },
	{ "List-Unsubscribe",
	    "<http://news.example/unsubscribe.php?M=88123&C=0cc175b9c0f1b6a831c399e269772661&L=12&N=301>" },
	{ "Content-Type", "multipart/alternative; boundary=\"b1_0cc175b9c0f1b6a831c399e269772661\"" },
};

static void
run(const char *what, const struct signature_set *s, const struct signature_header *h, size_t n)
{
	struct signature_match m[4];
	size_t rounds = 0, found = 0;
	struct arena *a;
	uint64_t from = spent_us(), took;
	struct err e;

	do {
		a = arena_new(ARENA_DEFAULT_CAP);
		found = signature_match(s, h, n, a, m, 1);
		arena_free(&a);
		rounds++;
	} while ((took = spent_us() - from) < RUN_US);
	(void)printf("%-48s %12.0f ns a message  (%zu headers, %s)\n", what, (double)took * 1000 / (double)rounds, n,
	    found == 0 ? "no match" : "match");
	while (signature_slow((struct signature_set *)(uintptr_t)s, &e) == 1)
		(void)printf("    %s: %s\n", e.where, e.text);
}

/* Every field that the shipped file reads, many times, full of what its patterns want to begin with. */
static void
run_hostile(const struct signature_set *s, const char *what, const char *part)
{
	static const char *const names[] = { "X-Mailer", "User-Agent", "List-Unsubscribe", "Message-ID", "To",
	    "From",
	    "Content-Type", "X-PHP-Originating-Script", "X-PHP-Script", "Subject", "List-ID", "Reply-To" };
	static char value[8200];
	static struct signature_header h[2000];
	size_t i, used;

	for (used = 0; used + strlen(part) < 8192; used += strlen(part))
		memcpy(value + used, part, strlen(part) + 1);
	for (i = 0; i < 2000; i++)
		h[i] = (struct signature_header){ names[i % 12], value };
	run(what, s, h, 2000);
}

/* A word in every character set that costs something to convert. */
static const char *
charsets_text(void)
{
	static const char *const names[] = { "iso-8859-1", "iso-8859-2", "iso-8859-3", "iso-8859-4", "iso-8859-5",
		"iso-8859-6", "iso-8859-7", "iso-8859-8", "iso-8859-9", "iso-8859-10", "iso-8859-13", "iso-8859-14",
		"iso-8859-15", "iso-8859-16", "windows-874", "windows-1250", "windows-1251", "windows-1253",
		"windows-1254", "windows-1255", "windows-1256", "windows-1257", "windows-1258", "ibm850", "cp866",
		"koi8-r", "koi8-u", "macintosh", "gb2312", "big5", "euc-tw", "iso-2022-jp", "shift_jis", "euc-jp",
		"iso-2022-kr", "euc-kr", "utf-7", "iso-2022-jp-2" };
	static char text[2000];
	size_t i, used = 0;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "=?%s?q?=E9=E8?= ", names[i]);
	return text;
}

/* The first of the shipped signatures, as many as are wanted, and made up ones behind them. */
static struct signature_set *
set_of(const char *file, size_t shipped, size_t wanted)
{
	const size_t room = SIGNATURE_FILE_MAX;
	char *text = calloc(1, room), *at;
	struct signature_set *s;
	size_t used, i, have = 0;
	FILE *f = fopen(file, "r");

	if (text == NULL || f == NULL)
		abort();
	used = fread(text, 1, room / 2, f);
	(void)fclose(f);
	for (at = text; (at = strstr(at, "\nsignature ")) != NULL; at++)
		if (have++ == shipped) {
			have--;
			used = (size_t)(at + 1 - text);
			break;
		}
	for (i = have; i < wanted; i++) {
		used += (size_t)snprintf(text + used, room - used,
		    "signature extra%zu\ntitle Extra\nkind bulk\nconfidence 60\n", i);
		switch (i % 6) {
		case 0:
			used += (size_t)snprintf(text + used, room - used, "all @mailer starts Blaster%zu\n", i);
			break;
		case 1:
			used += (size_t)snprintf(text + used, room - used, "all @mailer contains Sender %zu\n", i);
			break;
		case 2:
			used += (size_t)snprintf(text + used, room - used, "all List-Unsubscribe matches /out%zu[?]n=[0-9]+\n", i);
			break;
		default:
			used += (size_t)snprintf(text + used, room - used,
			    "all X-Extra-%zu matches ^[0-9]+$\nany X-Extra-Id-%zu\nany Precedence is bulk\n", i, i);
		}
	}
	s = signature_parse(file, text, used, NULL, NULL);
	free(text);
	return s;
}

static const struct signature_header more[] = {
	{ "X-Mailer", "Microsoft Outlook 16.0" }, { "Thread-Index", "AdxPq8zvYk7+1TtTRy2lT1sJ0mQp3g==" },
	{ "List-Unsubscribe", "<https://acme.example/u?id=1>, <mailto:out@acme.example>" },
	{ "List-Id", "Acme news <news.acme.example>" }, { "Precedence", "list" }, { "Importance", "normal" },
	{ "Sender", "ann@acme.example" }, { "X-PHP-Originating-Script", "33:class-phpmailer.php" },
	{ "Feedback-ID", "1:acme" }, { "List-Post", "<mailto:news@acme.example>" },
};

static void
run_sizes(const char *file)
{
	static const struct { size_t shipped, all; } sizes[] = { { 60, 60 }, { 60, 600 }, { SIZE_MAX, 0 },
		{ SIZE_MAX, 600 }, { SIZE_MAX, 2000 } };
	struct signature_header h[30];
	struct signature_set *s;
	char what[60];
	size_t i;

	memcpy(h, ordinary, sizeof(ordinary));
	memcpy(h + 20, more, sizeof(more));
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		s = set_of(file, sizes[i].shipped, sizes[i].all);
		(void)snprintf(what, sizeof(what), "%zu signatures, %s shipped", signature_count(s),
		    sizes[i].shipped == 60 ? "60 of them" : "all of the");
		run(what, s, h, 30);
		signature_unref(&s);
	}
}

/* Values made to cost, one name over and over, and a pattern of an operator's that is a slow one. */
static void
run_values(const struct signature_set *s)
{
	static const char slow[] = "gatepost-signatures 1\n"
	    "signature a\ntitle A\nkind bulk\nconfidence 60\nany X-Mailer matches ^(?:a+)+[xy]\n"
	    "any X-Mailer matches (a*)*(a*)*[bc]\nany X-Mailer matches (?:a|aa|aaa)+$\n";
	static struct signature_header h[500];
	static char huge[100001], words[4001];
	struct signature_set *bad;
	size_t i;

	memset(huge, 'a', sizeof(huge) - 1);
	for (i = 0; i + 40 < sizeof(words); i += 29)
		memcpy(words + i, "=?utf-8?q?=ZZ?= =?x?b?%%%?=\n ", 30);
	for (i = 0; i < 500; i++)
		h[i] = (struct signature_header){ "X-Mailer", huge };
	run("hostile: an X-Mailer of 100 kB", s, h, 1);
	run("hostile: 500 X-Mailers of 100 kB", s, h, 500);
	for (i = 0; i < 500; i++)
		h[i].value = words;
	run("hostile: 500 X-Mailers, invalid encoded words", s, h, 500);
	for (i = 0; i < 500; i++)
		h[i].value = "Blaster 1";
	run("hostile: 500 short X-Mailers", s, h, 500);
	for (i = 0; i < 500; i++)
		h[i].value = huge + sizeof(huge) - 4001;
	bad = signature_parse("slow", slow, sizeof(slow) - 1, NULL, NULL);
	run("hostile: slow patterns", bad, h, 500);
	signature_unref(&bad);
}

int
main(int argc, char **argv)
{
	struct signature_set *s = argc == 2 ? signature_load(argv[1], NULL, NULL) : NULL;

	if (s == NULL) {
		(void)fprintf(stderr, "usage: bench_signature FILE\n");
		return 2;
	}
	(void)printf("%zu signatures, %zu conditions, %zu header names, %zu bytes without patterns\n",
	    signature_count(s),
	    s->n_tests, s->n_names, arena_used(s->memory));
	run("ordinary", s, ordinary, sizeof(ordinary) / sizeof(ordinary[0]));
	run("recognised", s, recognised, sizeof(recognised) / sizeof(recognised[0]));
	run_hostile(s, "hostile: 2,000 headers of 8 kB, letters", "aB3");
	run_hostile(s, "hostile: open brackets", "<https://a/?M=1&C=");
	run_hostile(s, "hostile: merge tags that do not end", "__aTag1{{a%%a##a");
	run_hostile(s, "hostile: encoded words", "=?utf-8?b?0JDQkdCS?= ");
	run_hostile(s, "hostile: 38 character sets", charsets_text());
	run_hostile(s, "hostile: look-alikes", "\xd0\xb0\xf0\x9d\x90\x80");
	run_values(s);
	signature_unref(&s);
	run_sizes(argv[1]);
	return 0;
}
