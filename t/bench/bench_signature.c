/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * What matching signatures costs a message: ordinary mail of 20 headers, mail that is recognised,
 * headers made to cost as much as they can, and ordinary mail again under a file of 2,000 signatures.
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
	static char value[SIGNATURE_VALUE_MAX + 100];
	static struct signature_header h[2000];
	size_t i, used;

	for (used = 0; used + strlen(part) < SIGNATURE_VALUE_MAX; used += strlen(part))
		memcpy(value + used, part, strlen(part) + 1);
	for (i = 0; i < 2000; i++)
		h[i] = (struct signature_header){ names[i % 12], value };
	run(what, s, h, 2000);
}

static struct signature_set *
large_set(const char *file)
{
	const size_t room = SIGNATURE_FILE_MAX;
	char *text = calloc(1, room);
	struct signature_set *s;
	size_t used, i;
	FILE *f = fopen(file, "r");

	if (text == NULL || f == NULL)
		abort();
	used = fread(text, 1, room / 2, f);
	(void)fclose(f);
	for (i = 0; i < SIGNATURE_ENTRIES_MAX; i++)
		used += (size_t)snprintf(text + used, room - used,
		    "signature extra%zu\ntitle Extra\nkind bulk\nconfidence 60\n"
		    "all X-Extra-%zu matches ^[0-9]+$\nany X-Extra-Id-%zu\nany Precedence is bulk\n", i, i, i);
	s = signature_parse(file, text, used, NULL, NULL);
	free(text);
	return s;
}

int
main(int argc, char **argv)
{
	struct signature_set *s = argc == 2 ? signature_load(argv[1], NULL, NULL) : NULL;
	uint64_t from;

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
	run_hostile(s, "hostile: look-alikes", "\xd0\xb0\xf0\x9d\x90\x80");
	signature_unref(&s);
	from = spent_us();
	s = large_set(argv[1]);
	(void)printf("%zu signatures loaded in %.0f ms\n", signature_count(s), (double)(spent_us() - from) / 1000);
	run("ordinary, 2,000 signatures", s, ordinary, sizeof(ordinary) / sizeof(ordinary[0]));
	signature_unref(&s);
	return 0;
}
