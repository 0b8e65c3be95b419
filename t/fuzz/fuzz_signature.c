/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * fuzz_signature - input that begins with 'h' is a header (the lines behind it), matched against the
 * shipped file in $srcdir/etc/signatures.conf: matches are well formed, and no pattern of that file ever
 * runs into its limit. Any other input is a signature file: it is read or refused, each mistake told with
 * its line, and what was read is matched against a fixed header.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/signature_private.h"

#define FIELDS 400

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct signature_set *shipped;

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static void
say(void *cookie, const struct err *e)
{
	const char *c;

	++*(unsigned *)cookie;
	must(*e->text != '\0');
	for (c = e->text; *c != '\0'; c++)
		must((unsigned char)*c >= 0x20 && *c != 0x7f);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *dir = getenv("srcdir");
	char path[400];

	(void)argc;
	(void)argv;
	(void)snprintf(path, sizeof(path), "%s/etc/signatures.conf", dir == NULL ? "." : dir);
	shipped = signature_load(path, NULL, NULL);
	if (shipped == NULL)
		(void)fprintf(stderr, "%s: not there; set srcdir\n", path);
	must(shipped != NULL);
	return 0;
}

static void
match(struct signature_set *s, const struct signature_header *h, size_t n, const char *body)
{
	const struct signature_message q = { h, n, body, strlen(body) };
	struct arena *a = arena_new(ARENA_DEFAULT_CAP);
	struct signature_match m[4];
	struct signature_near near;
	size_t found = signature_match_message(s, &q, a, m, 4), i;
	const char *c;

	if (signature_closest(s, &q, a, &near)) {
		must(*near.missing != '\0' && strlen(near.missing) < 400);
		for (c = near.missing; *c != '\0'; c++)
			must((unsigned char)*c >= 0x20 && *c != 0x7f);
	}
	must(found <= 4);
	for (i = 0; i < found; i++) {
		must(signature_kind_known(m[i].kind) && *m[i].name != '\0' && *m[i].title != '\0');
		must(m[i].confidence >= 1 && m[i].confidence <= 100);
		must(i == 0 || m[i].confidence <= m[i - 1].confidence);
		must(*m[i].evidence != '\0' && strlen(m[i].evidence) < 400);
		for (c = m[i].evidence; *c != '\0'; c++)
			must((unsigned char)*c >= 0x20 && *c != 0x7f);
	}
	arena_free(&a);
}

/* Lines, with folds; what has no colon is a name without a value. */
static size_t
split(char *text, struct signature_header *to)
{
	char *end, *colon;
	size_t n = 0;

	while (*text != '\0' && n < FIELDS) {
		for (end = strchr(text, '\n'); end != NULL && (end[1] == ' ' || end[1] == '\t');)
			end = strchr(end + 1, '\n');
		if (end != NULL)
			*end = '\0';
		colon = strchr(text, ':');
		if (colon != NULL)
			*colon = '\0';
		to[n++] = (struct signature_header){ text, colon == NULL ? "" : colon + 1 };
		if (end == NULL)
			break;
		text = end + 1;
	}
	return n;
}

static void
try_header(const char *data, size_t n)
{
	static struct signature_header h[FIELDS];
	char *text = strndup(data, n);
	struct err e;

	must(text != NULL);
	match(shipped, h, split(text, h), text);
	must(signature_slow(shipped, &e) == 0);
	free(text);
}

/* What the index takes a pattern to need is in whatever the pattern matches. */
static void
check_needs(const struct signature_set *s, const char *value, size_t n)
{
	struct pattern_work *w = pattern_work_new();
	const struct signature_test *t;
	char *text = strndup(value, n);
	size_t i;

	must(text != NULL);
	for (i = 0; s != NULL && i < s->n_tests; i++) {
		t = &s->tests[i];
		if (t->pattern == NULL || t->n_need == 0 || pattern_match(t->pattern, w, text, strlen(text), NULL) != 1)
			continue;
		must(t->need_first ? strncasecmp(text, t->need, t->n_need) == 0 : strcasestr(text, t->need) != NULL);
	}
	free(text);
	pattern_work_free(&w);
}

static void
try_file(const char *data, size_t n)
{
	static const struct signature_header h[] = { { "X-Mailer", "Acme 1.2" }, { "From",
	    "\"A\" <ann@acme.example>" },
		{ "To", "<ann@acme.example>" }, { "X-Acme", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 12" }, { "User-Agent", "" },
		{ "X-A-Uid", "=?utf-8?q?=D0=B0?=" }, { "X-Mailer", "1" } };
	unsigned told = 0;
	struct table_report report = { say, &told };
	struct signature_set *s;
	struct err e;
	size_t bad, i;

	s = signature_parse("f", data, n, &report, &bad);
	must(told <= 21 && (told > 0 || (s != NULL && bad == 0)));
	must(signature_count(s) <= SIGNATURE_ENTRIES_MAX);
	match(s, h, sizeof(h) / sizeof(h[0]), "--b1\r\n<a href=3D\"http://acme.example/?m=3D1\">");
	for (i = 0; i < sizeof(h) / sizeof(h[0]); i++)
		check_needs(s, h[i].value, strlen(h[i].value));
	for (i = 1; i <= 64 && i <= n; i *= 2)
		check_needs(s, data + n - i, i);
	for (i = 0; i < 7; i++)
		(void)signature_wants(s, h[i].name);
	while (signature_slow(s, &e) == 1)
		;
	signature_unref(&s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n > 0 && data[0] == 'h')
		try_header((const char *)data + 1, n - 1);
	else
		try_file((const char *)data, n);
	return 0;
}
