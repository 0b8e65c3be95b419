/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * test_signature - the format of signatures.conf, the matcher, and the file that is shipped.
 *
 * t/unit/signatures/ holds headers as the programs write them: NAME.eml or NAME_what.eml must be
 * recognised as NAME, and ordinary_what.eml as nothing but a library or a list. Each shipped signature
 * must be met by a sample of its name, and each name must have a near miss. The sources are looked for in
 * $srcdir.
 */
#include "lib/signature.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <dirent.h>
#include <pthread.h>
#include <sys/stat.h>

#include "lib/clock.h"
#include "lib/signature_private.h"
#include "lib/str.h"

#define FIELDS_MAX 6000
#define FORMAT "gatepost-signatures 1\n"

struct said {
	unsigned n;
	char text[2000];	/* "where: text\n" of each report */
};

static void
say(void *cookie, const struct err *e)
{
	struct said *s = cookie;
	const size_t used = strlen(s->text);

	s->n++;
	(void)snprintf(s->text + used, sizeof(s->text) - used, "%s: %s\n", e->where, e->text);
}

static const char *
source_path(char *to, size_t size, const char *name)
{
	const char *dir = getenv("GATEPOST_SRC") != NULL ? getenv("GATEPOST_SRC") : getenv("srcdir");

	(void)snprintf(to, size, "%s/%s", dir == NULL ? "." : dir, name);
	return to;
}

static char *
read_file(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = calloc(1, 1 << 20);

	assert_non_null(text);
	if (f == NULL)
		fail_msg("cannot open %s", path);
	(void)fread(text, 1, (1 << 20) - 1, f);
	(void)fclose(f);
	return text;
}

static struct signature_set *
shipped(void)
{
	struct said said = { 0 };
	struct table_report report = { say, &said };
	struct signature_set *s;
	char path[400];
	size_t bad;

	s = signature_load(source_path(path, sizeof(path), "etc/signatures.conf"), &report, &bad);
	assert_string_equal(said.text, "");
	assert_non_null(s);
	assert_int_equal(bad, 0);
	return s;
}

static struct signature_set *
parse(const char *text, struct said *said, size_t *bad)
{
	struct table_report report = { say, said };

	said->n = 0;
	*said->text = '\0';
	return signature_parse("sig", text, strlen(text), &report, bad);
}

/* Cuts the header of a message into fields, as a milter sees them. Changes text. */
static size_t
split(char *text, struct signature_header *to)
{
	char *at = text, *end, *colon;
	size_t n = 0;

	while (*at != '\0' && *at != '\n' && n < FIELDS_MAX) {
		for (end = strchr(at, '\n'); end != NULL && (end[1] == ' ' || end[1] == '\t');)
			end = strchr(end + 1, '\n');
		assert_non_null(end);
		*end = '\0';
		colon = strchr(at, ':');
		assert_non_null(colon);
		*colon = '\0';
		to[n].name = at;
		to[n++].value = colon[1] == ' ' ? colon + 2 : colon + 1;
		at = end + 1;
	}
	return n;
}

/* ---- the shipped file and the samples ---------------------------------------------- */

static void
sample_name(const char *file, char *to, size_t size)
{
	(void)str_copy(to, size, file);
	to[strcspn(to, "_")] = '\0';
	if (strlen(to) > 4 && strcmp(to + strlen(to) - 4, ".eml") == 0)
		to[strlen(to) - 4] = '\0';
}

/* Calls each() with the fields of every sample of that name, NULL = of all. */
static unsigned
each_sample(const char *only, void (*each)(void *cookie, const char *file, const char *name,
    const struct signature_header *h, size_t n),
    void *cookie)
{
	static struct signature_header fields[FIELDS_MAX];
	char path[800], dir[400], name[200];
	struct dirent *e;
	unsigned seen = 0;
	char *text;
	size_t n;
	DIR *d;

	d = opendir(source_path(dir, sizeof(dir), "t/unit/signatures"));
	assert_non_null(d);
	while ((e = readdir(d)) != NULL) {
		if (strstr(e->d_name, ".eml") == NULL)
			continue;
		sample_name(e->d_name, name, sizeof(name));
		if (only != NULL && strcmp(only, name) != 0)
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		text = read_file(path);
		n = split(text, fields);
		each(cookie, e->d_name, name, fields, n);
		free(text);
		seen++;
	}
	(void)closedir(d);
	return seen;
}

static void
check_sample(void *cookie, const char *file, const char *name, const struct signature_header *h, size_t n)
{
	const bool ordinary = strcmp(name, "ordinary") == 0;
	struct arena *a = arena_new(ARENA_DEFAULT_CAP);
	struct signature_match m[8];
	size_t found = signature_match(cookie, h, n, a, m, 8), i;

	if (!ordinary && (found == 0 || strcmp(m[0].name, name) != 0))
		fail_msg("%s: %s (%s)", file, found == 0 ? "nothing found" : m[0].name, found == 0 ? "" : m[0].evidence);
	for (i = ordinary ? 0 : 1; i < found; i++)
		if (strcmp(m[i].kind, "library") != 0 && strcmp(m[i].kind, "list") != 0 &&
		    (ordinary || strcmp(m[i].name, "unnamed-newsletter") != 0) &&
		    (ordinary || strcmp(m[i].name, "php-odd-path") != 0) &&
		    strcmp(file, "smart-send_second-field.eml") != 0)
			fail_msg("%s: also %s (%s)", file, m[i].name, m[i].evidence);
	if (found > 0 && *m[0].evidence == '\0')
		fail_msg("%s: no evidence", file);
	arena_free(&a);
}

static void
samples_match_their_signature_only(void **unused)
{
	struct signature_set *s = shipped();

	(void)unused;
	assert_true(each_sample(NULL, check_sample, s) > 100);
	assert_true(signature_count(s) >= 60);
	signature_unref(&s);
	assert_null(s);
}

/* Cuts a block off the near misses: its name, its fields. Returns the rest, NULL at the end. Changes text. */
static char *
near_block(char *text, const char **name, char **lines)
{
	char *next;

	text = strncmp(text, "--- ", 4) == 0 ? text : strstr(text, "\n--- ");
	if (text == NULL)
		return NULL;
	text += *text == '\n';
	*name = text + 4;
	*lines = strchr(text, '\n') + 1;
	(*lines)[-1] = '\0';
	next = strstr(*lines, "\n--- ");
	if (next == NULL)
		return *lines + strlen(*lines);
	*next = '\0';
	return next + 1;
}

static bool
is_named(const struct signature_set *s, const char *name)
{
	size_t i;

	for (i = 0; i < s->n_entries; i++)
		if (strcmp(s->entries[i].name, name) == 0)
			return true;
	return false;
}

/* Every name has one, and nothing of them is taken for it. */
static void
near_misses_are_missed(void **unused)
{
	static struct signature_header h[50];
	char path[400], lines[2000], *text, *at, *block;
	struct signature_set *s = shipped();
	struct signature_match m[8];
	bool *seen = calloc(s->n_entries, sizeof(*seen));
	const char *name;
	struct arena *a;
	size_t found, i;

	(void)unused;
	assert_non_null(seen);
	text = at = read_file(source_path(path, sizeof(path), "t/unit/signatures/near-misses"));
	while ((at = near_block(at, &name, &block)) != NULL) {
		if (!is_named(s, name))
			fail_msg("near miss %s: no such signature", name);
		(void)snprintf(lines, sizeof(lines), "%s\n", block);
		a = arena_new(ARENA_DEFAULT_CAP);
		found = signature_match(s, h, split(lines, h), a, m, 8);
		for (i = 0; i < found; i++)
			if (strcmp(m[i].name, name) == 0)
				fail_msg("near miss %s: met at %s (%s)", name, m[i].where, m[i].evidence);
		for (i = 0; i < s->n_entries; i++)
			seen[i] |= strcmp(s->entries[i].name, name) == 0;
		arena_free(&a);
	}
	for (i = 0; i < s->n_entries; i++)
		if (!seen[i])
			fail_msg("signature %s has no near miss", s->entries[i].name);
	free(text);
	free(seen);
	signature_unref(&s);
}

/* ---- what is done to hide ------------------------------------------------------------- */

/* Each changes one field as somebody would who does not want to be recognised; texts into the arena. False
 * when there is nothing to change. */
static bool
hide_small_name(struct arena *a, struct signature_header *h)
{
	h->name = str_lower(arena_strdup(a, h->name));
	return true;
}

static bool
hide_capital_name(struct arena *a, struct signature_header *h)
{
	char *name = arena_strdup(a, h->name), *c;

	for (c = name; *c != '\0'; c++)
		if (*c >= 'a' && *c <= 'z')
			*c = (char)(*c - 32);
	h->name = name;
	return true;
}

static bool
hide_blank_before_colon(struct arena *a, struct signature_header *h)
{
	h->name = arena_printf(a, "%s \t", h->name);
	return true;
}

static bool
hide_fold_in_front(struct arena *a, struct signature_header *h)
{
	h->value = arena_printf(a, "\n\t %s \t ", h->value);
	return true;
}

/* At the first blank, or in the middle of what stands in <>. */
static bool
hide_fold_inside(struct arena *a, struct signature_header *h)
{
	const char *at = strchr(h->value, '<'), *end = at == NULL ? NULL : strchr(at, '>');

	if (end != NULL && end - at > 4)
		at += (end - at) / 2;
	else if ((at = strchr(h->value, ' ')) == NULL)
		return false;
	h->value = arena_printf(a, "%.*s\n %s", (int)(at - h->value), h->value, at);
	return true;
}

static bool
hide_encoded(struct arena *a, struct signature_header *h)
{
	char *to = arena_alloc(a, 3 * strlen(h->value) + 20), *end = to;
	const char *c;

	if (strstr(h->value, "=?") != NULL || strcasecmp(h->name, "From") == 0 || strcasecmp(h->name, "To") == 0)
		return false;
	for (c = h->value; *c != '\0'; c++)
		if (*c != '\n')
			end += snprintf(end, 4, "=%02X", (unsigned)(unsigned char)*c);
	h->value = arena_printf(a, "=?utf-8?Q?%s?=", to);
	return true;
}

static bool
hide_name_again(struct arena *a, struct signature_header *h)
{
	if (strcasecmp(h->name, "X-Mailer") != 0)
		return false;
	h->value = arena_printf(a, "X-Mailer: : %s", h->value);
	return true;
}

static bool
hide_moved(struct arena *a, struct signature_header *h)
{
	(void)a;
	if (strcasecmp(h->name, "X-Mailer") != 0 || strcasestr(h->value, "thunderbird") != NULL)
		return false;
	h->name = "User-Agent";
	return true;
}

static bool
hide_unseen(struct arena *a, struct signature_header *h)
{
	if (*h->value == '\0' || (unsigned char)h->value[0] >= 0x80 || strstr(h->value, "=?") != NULL)
		return false;
	h->value = arena_printf(a, "%c\xe2\x80\x8b%s", *h->value, h->value + 1);
	return true;
}

static const struct {
	const char *name;
	bool (*hide)(struct arena *a, struct signature_header *h);
} hidings[] = {
	{ "small letters", hide_small_name }, { "capitals", hide_capital_name },
	{ "a blank before the colon", hide_blank_before_colon }, { "a fold in front", hide_fold_in_front },
	{ "a fold inside", hide_fold_inside }, { "encoded", hide_encoded }, { "its name again", hide_name_again },
	{ "moved to User-Agent", hide_moved }, { "a zero width space", hide_unseen },
};

static void
hide_sample(void *cookie, const char *file, const char *name, const struct signature_header *h, size_t n)
{
	static struct signature_header hidden[FIELDS_MAX];
	struct signature_match m;
	struct arena *a;
	size_t i, k, changed;

	if (strcmp(name, "ordinary") == 0 || strcmp(name, "header-flood") == 0)
		return;
	for (i = 0; i < sizeof(hidings) / sizeof(hidings[0]); i++) {
		a = arena_new(ARENA_DEFAULT_CAP);
		memcpy(hidden, h, n * sizeof(*h));
		for (changed = 0, k = 0; k < n; k++)
			changed += hidings[i].hide(a, &hidden[k]);
		if (changed > 0 && (signature_match(cookie, hidden, n, a, &m, 1) != 1 || strcmp(m.name, name) != 0))
			fail_msg("%s with %s is not recognised", file, hidings[i].name);
		arena_free(&a);
	}
}

static void
samples_cannot_hide(void **unused)
{
	struct signature_set *s = shipped();

	(void)unused;
	assert_true(each_sample(NULL, hide_sample, s) > 100);
	signature_unref(&s);
}

struct one_shape {
	struct signature_set *set;
	bool met;
};

static void
meet_shape(void *cookie, const char *file, const char *name, const struct signature_header *h, size_t n)
{
	struct one_shape *one = cookie;
	struct arena *a = arena_new(ARENA_DEFAULT_CAP);
	struct signature_match m;

	(void)file;
	(void)name;
	if (signature_match(one->set, h, n, a, &m, 1) == 1 && m.confidence == 101)
		one->met = true;
	arena_free(&a);
}

/* Each shape in turn is lifted above all others of its name, so that no other answers for it. */
static void
every_shipped_signature_has_a_sample(void **unused)
{
	struct signature_set *s = shipped();
	struct one_shape one = { s, false };
	unsigned confidence;
	size_t i;

	(void)unused;
	for (i = 0; i < s->n_entries; i++) {
		confidence = s->entries[i].confidence;
		s->entries[i].confidence = 101;
		one.met = false;
		(void)each_sample(s->entries[i].name, meet_shape, &one);
		s->entries[i].confidence = confidence;
		if (!one.met)
			fail_msg("signature %s, line %u: no sample", s->entries[i].name, s->entries[i].line);
	}
	signature_unref(&s);
}

/* ---- the format ---------------------------------------------------------------------- */

#define GOOD "signature good\ntitle Good\nkind bulk\nconfidence 90\nall X-Good\n"
#define HEAD "signature bad\ntitle Bad\nkind bulk\nconfidence 90\n"

static const struct {
	const char *name, *text;	/* behind FORMAT */
	size_t good, bad;
	const char *says;		/* part of what is reported; NULL = nothing */
} format_cases[] = {
	{ "nothing", "", 0, 0, NULL },
	{ "comments and blank lines", "# a\n\n   \t\n" GOOD "  # b\n", 1, 0, NULL },
	{ "no newline at the end", "signature good\ntitle G\nkind list\nconfidence 1\nall X-G is #1", 1, 0, NULL },
	{ "carriage returns", "signature good\r\ntitle G\r\nkind list\r\nconfidence 1\r\nall X-G\r\n", 1, 0, NULL },
	{ "two", GOOD "signature other\ntitle O\nkind crm\nconfidence 100\nany X-O\nany X-P\nnone X-Q\n", 2, 0,
	    NULL },
	{ "shapes of one name", GOOD "signature good\nconfidence 60\nall X-Other\n", 2, 0, NULL },
	{ "kinds of one name differ", GOOD "signature good\nkind crm\nconfidence 60\nall X-Other\n", 1, 1,
	    "sig:7: signature good: kind crm here, bulk in line 2" },
	{ "statement before a signature", "title x\n" GOOD, 1, 0, "sig:2: \"title\" before the first" },
	{ "unknown statement", HEAD "all X-B\ncolour red\n" GOOD, 1, 1, "sig:7: \"colour\"; allowed: signature, " },
	{ "unknown operator", HEAD "all X-B like x\n" GOOD, 1, 1, "sig:6: \"like\"; allowed: present, is, " },
	{ "unknown kind", "signature bad\ntitle B\nkind spam\nconfidence 9\nall X-B\n" GOOD, 1, 1,
	    "sig:4: kind \"spam\"; allowed: bulk" },
	{ "no kind", "signature bad\ntitle B\nconfidence 9\nall X-B\n" GOOD, 1, 1, "sig:2: signature bad: no kind" },
	{ "no title", "signature bad\nkind bulk\nconfidence 9\nall X-B\n" GOOD, 1, 1,
	    "sig:2: signature bad: no title" },
	{ "no confidence", "signature bad\ntitle B\nkind bulk\nall X-B\n" GOOD, 1, 1,
	    "sig:2: signature bad: no conf" },
	{ "confidence 0", "signature bad\ntitle B\nkind bulk\nconfidence 0\nall X-B\n", 0, 1, "allowed: 1 to 100" },
	{ "confidence 101", "signature bad\ntitle B\nkind bulk\nconfidence 101\nall X-B\n", 0, 1,
	    "allowed: 1 to 100" },
	{ "confidence with a word", "signature bad\ntitle B\nkind bulk\nconfidence 50%\nall X-B\n", 0, 1, "50%" },
	{ "no condition", HEAD GOOD, 1, 1, "would match every message" },
	{ "only none", HEAD "none X-B\n" GOOD, 1, 1, "would match every message" },
	{ "name with a blank", "signature a b\ntitle B\nkind bulk\nconfidence 9\nall X-B\n", 0, 1, "\"a b\"" },
	{ "name with capitals", "signature Bad\ntitle B\nkind bulk\nconfidence 9\nall X-B\n", 0, 1, "a name is" },
	{ "name of a kind", "signature bulk\ntitle B\nkind bulk\nconfidence 9\nall X-B\n", 0, 1, "name of a kind" },
	{ "no name", "signature\ntitle B\nkind bulk\nconfidence 9\nall X-B\n", 0, 1, "a name is" },
	{ "long name", "signature aaaaaaaaaabbbbbbbbbbccccccccccddd\ntitle B\nkind bulk\nconfidence 9\n"
	    "all X-B\n", 0, 1,
	    "a name is" },
	{ "title of other letters", "signature bad\ntitle B\xc3\xbc\nkind bulk\nconfidence 9\nall X-B\n", 0, 1,
	    "ASCII" },
	{ "header with a colon", HEAD "all X-B: present\n", 0, 1, "without the colon" },
	{ "no header", HEAD "all\n", 0, 1, "is no header name" },
	{ "unknown group", HEAD "all @words\n", 0, 1, "@mailer, @flood and @body" },
	{ "body is not", HEAD "all @body is x\n", 0, 1, "@body can only start with" },
	{ "body is there", HEAD "all @body\n", 0, 1, "@body can only start with" },
	{ "body repeats", HEAD "all X-B repeats @body (abc)\n", 0, 1, "@body can only start with" },
	{ "off", GOOD "signature gone\noff\n", 1, 0, NULL },
	{ "off and more", "signature bad\noff\nall X-B\n" GOOD, 1, 1, "\"off\" goes with nothing else" },
	{ "off with a word", "signature bad\noff now\n" GOOD, 1, 1, "nothing may follow" },
	{ "only stars", HEAD "all ** is x\n", 0, 1, "three other characters" },
	{ "three stars", HEAD "all X-*a*b*\n", 0, 1, "at most two" },
	{ "text missing", HEAD "all X-B is\n", 0, 1, "sig:6: is: a text must follow" },
	{ "pattern missing", HEAD "all X-B matches\n", 0, 1, "sig:6: matches: a pattern must follow" },
	{ "pattern wrong", HEAD "all X-B matches a(b\n" GOOD, 1, 1, "sig:6: the pattern is wrong at its byte 4" },
	{ "pattern with UTF", HEAD "all X-B matches (*UTF)a\n", 0, 1, "sig:6: the pattern is wrong" },
	{ "repeats without parentheses", HEAD "all X-B repeats From abc\n", 0, 1, "needs (parentheses)" },
	{ "repeats without a pattern", HEAD "all X-B repeats From\n", 0, 1, "a pattern must follow" },
	{ "before nothing", HEAD "all X-B before\n", 0, 1, "is no header name" },
	{ "too much behind before", HEAD "all X-B before X-C x\n", 0, 1, "nothing may follow" },
	{ "too much behind present", HEAD "all X-B present x\n", 0, 1, "nothing may follow" },
	{ "flood with a value", HEAD "all @flood is x\n", 0, 1, "only be present" },
	{ "control characters in a mistake", HEAD "all X-B \x1b[2J\n", 0, 1, "\\x1b" },
	{ "seventeen conditions", HEAD "any A1x\nany A2x\nany A3x\nany A4x\nany A5x\nany A6x\nany A7x\n"
	    "any A8x\nany A9x\n"
	    "any B1x\nany B2x\nany B3x\nany B4x\nany B5x\nany B6x\nany B7x\nany B8x\n" GOOD, 1, 1, "more than 16" },
	{ "one bad does not take the next along",
	    HEAD "all X-B matches (\nall X-C like\n" GOOD HEAD "all X-D what\n", 1, 2,
	    "sig:7" },
};

static void
format_is_read_line_by_line(void **unused)
{
	char text[3000];
	struct signature_set *s;
	struct said said;
	size_t i, bad;

	(void)unused;
	for (i = 0; i < sizeof(format_cases) / sizeof(format_cases[0]); i++) {
		(void)snprintf(text, sizeof(text), FORMAT "%s", format_cases[i].text);
		s = parse(text, &said, &bad);
		if (s == NULL || signature_count(s) != format_cases[i].good || bad != format_cases[i].bad)
			fail_msg("%s: %zu good, %zu bad\n%s", format_cases[i].name, signature_count(s), bad, said.text);
		if (format_cases[i].says == NULL ? said.n != 0 : strstr(said.text, format_cases[i].says) == NULL)
			fail_msg("%s: said: %s", format_cases[i].name, said.text);
		signature_unref(&s);
	}
}

static void
mistakes_are_told_twenty_times_and_counted(void **unused)
{
	char text[4000] = FORMAT;
	struct signature_set *s;
	struct said said;
	size_t i, bad;

	(void)unused;
	for (i = 0; i < 30; i++)
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "signature b%zu\nconfidence x\n", i);
	s = parse(text, &said, &bad);
	assert_int_equal(bad, 30);
	assert_int_equal(said.n, 21);
	assert_non_null(strstr(said.text, "and 10 mistakes more"));
	signature_unref(&s);
}

static void
bounds_of_the_file_hold(void **unused)
{
	const size_t room = 1 << 20;
	char *text = calloc(1, room);
	struct signature_set *s;
	struct said said;
	size_t i, bad, used;

	(void)unused;
	assert_non_null(text);
	used = (size_t)snprintf(text, room, FORMAT);
	for (i = 0; i < SIGNATURE_ENTRIES_MAX + 5; i++)
		used += (size_t)snprintf(text + used, room - used, "signature s%zu\ntitle S\nkind bulk\nconfidence 60\n"
		    "all X-Mailer contains name%zu\n", i, i);
	s = parse(text, &said, &bad);
	assert_int_equal(signature_count(s), SIGNATURE_ENTRIES_MAX);
	assert_int_equal(bad, 5);
	signature_unref(&s);

	used = (size_t)snprintf(text, room, FORMAT);
	for (i = 0; i < SIGNATURE_WILD_MAX + 1; i++)
		used += (size_t)snprintf(text + used, room - used, "signature s%zu\ntitle S\nkind bulk\nconfidence 60\n"
		    "all X-*-w%zu\n", i, i);
	s = parse(text, &said, &bad);
	assert_int_equal(signature_count(s), SIGNATURE_WILD_MAX);
	assert_non_null(strstr(said.text, "header names with '*'"));
	signature_unref(&s);

	memset(text, 0, room);
	used = (size_t)snprintf(text, room, FORMAT HEAD "all X-B is ");
	memset(text + used, 'x', SIGNATURE_LINE_MAX);
	s = parse(text, &said, &bad);
	assert_int_equal(signature_count(s), 0);
	assert_non_null(strstr(said.text, "sig:6: the line is longer"));
	signature_unref(&s);
	free(text);
}

static void
a_nul_byte_spoils_its_signature(void **unused)
{
	static const char text[] = FORMAT HEAD "all X-B is a\0b\n" GOOD;
	struct signature_set *s;
	size_t bad;

	(void)unused;
	s = signature_parse("sig", text, sizeof(text) - 1, NULL, &bad);
	assert_int_equal(signature_count(s), 1);
	assert_int_equal(bad, 1);
	signature_unref(&s);
}

static const struct {
	const char *name, *text, *says;
} strangers[] = {
	{ "empty", "", "it is empty" },
	{ "only comments", "# a\n", "it is empty" },
	{ "another file", "listen = \"unix:/x\";\n", "sig:1: no signature file" },
	{ "another format", "gatepost-signatures 2\n" GOOD, "this version reads format 1" },
	{ "a longer word", "gatepost-signatures1\n" GOOD, "no signature file" },
	{ "binary", "\x7f" "ELF\x02\x01", "no signature file" },
};

static void
what_is_no_signature_file_is_refused(void **unused)
{
	struct signature_set *s;
	struct said said;
	size_t i;

	(void)unused;
	for (i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++) {
		s = parse(strangers[i].text, &said, NULL);
		if (s != NULL || strstr(said.text, strangers[i].says) == NULL)
			fail_msg("%s: %s", strangers[i].name, said.text);
	}
}

static void
unreadable_files_are_told(void **unused)
{
	char dir[300], path[340];
	struct said said = { 0 };
	struct table_report report = { say, &said };
	const char *tmp = getenv("TMPDIR");
	size_t bad = 7;

	(void)unused;
	(void)snprintf(dir, sizeof(dir), "%s/signature.XXXXXX", tmp == NULL ? "/tmp" : tmp);
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/none", dir);
	assert_null(signature_load(path, &report, &bad));
	assert_int_equal(bad, 0);
	assert_non_null(strstr(said.text, "cannot be read: No such file"));
	assert_null(signature_load(dir, &report, NULL));
	assert_non_null(strstr(said.text, "must be an ordinary file"));
	(void)snprintf(path, sizeof(path), "%s/fifo", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_null(signature_load(path, &report, NULL));	/* and does not wait for a writer */
	assert_int_equal(said.n, 3);
	assert_null(signature_load(path, NULL, NULL));
	(void)unlink(path);
	(void)rmdir(dir);
}

/* ---- files of the operator's own ------------------------------------------------------------ */

static const struct {
	const char *name, *text;
} own_files[] = {
	{ "shipped", FORMAT "signature a\ntitle Shipped A\nkind bulk\nconfidence 60\nall X-A\n"
	    "signature a\nconfidence 60\nall X-A2\n"
	    "signature b\ntitle Shipped B\nkind bulk\nconfidence 60\nall X-B\n"
	    "signature c\ntitle Shipped C\nkind bulk\nconfidence 60\nall X-C\n"
	    "signature d\ntitle Shipped D\nkind bulk\nconfidence 60\nall X-D\n"
	    "signature e\ntitle Shipped E\nkind bulk\nconfidence 60\nall X-E\n" },
	{ "10.conf", FORMAT "signature a\ntitle Own A\nkind crm\nconfidence 70\nall X-Own-A\n"
	    "signature c\ntitle First C\nkind bulk\nconfidence 60\nall X-C\n"
	    "signature d\ntitle Own D\nkind bulk\nconfidence 60\nall X-D matches (\n" },
	{ "20.conf", FORMAT "signature c\ntitle Second C\nkind bulk\nconfidence 60\nall X-C\n"
	    "signature b\noff\nsignature new\ntitle New\nkind bulk\nconfidence 60\nall X-E\n" },
	{ "30.conf", "listen = 1;\n" },
	{ "40.conf.bak", "this is not read\n" },
	{ ".50.conf", "nor is this\n" },
};

static const struct {
	const char *name, *header;
	const char *title;		/* NULL = nothing is found */
} own_cases[] = {
	{ "replaced with all its shapes", "X-A", NULL },
	{ "and the second shape too", "X-A2", NULL },
	{ "by what the operator says", "X-Own-A", "Own A" },
	{ "turned off", "X-B", NULL },
	{ "the last file wins", "X-C", "Second C" },
	{ "one with a mistake replaces nothing", "X-D", "Shipped D" },
	{ "of equals the operator's", "X-E", "New" },
};

static void
own_files_replace_and_add(void **unused)
{
	char dir[300], path[400], shipped_path[400];
	const char *tmp = getenv("TMPDIR");
	struct said said = { 0 };
	struct table_report report = { say, &said };
	struct signature_set *s;
	size_t i, bad;
	FILE *f;

	(void)unused;
	(void)snprintf(dir, sizeof(dir), "%s/signature.XXXXXX", tmp == NULL ? "/tmp" : tmp);
	assert_non_null(mkdtemp(dir));
	for (i = 0; i < sizeof(own_files) / sizeof(own_files[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, own_files[i].name);
		f = fopen(path, "w");
		assert_non_null(f);
		(void)fputs(own_files[i].text, f);
		assert_int_equal(fclose(f), 0);
	}
	(void)snprintf(shipped_path, sizeof(shipped_path), "%s/shipped", dir);
	s = signature_load_all(shipped_path, dir, &report, &bad);
	assert_non_null(s);
	assert_int_equal(bad, 2);		/* a signature and a file */
	assert_int_equal(said.n, 2);
	assert_non_null(strstr(said.text, "/30.conf:1: no signature file"));
	assert_non_null(strstr(said.text, "/10.conf:16: the pattern is wrong"));
	for (i = 0; i < sizeof(own_cases) / sizeof(own_cases[0]); i++) {
		const struct signature_header h = { own_cases[i].header, "1" };
		struct arena *a = arena_new(ARENA_DEFAULT_CAP);
		struct signature_match m;
		const size_t n = signature_match(s, &h, 1, a, &m, 1);

		if (own_cases[i].title == NULL ? n != 0 : n != 1 || strcmp(m.title, own_cases[i].title) != 0)
			fail_msg("%s: %s", own_cases[i].name, n == 0 ? "nothing" : m.title);
		if (n > 0)
			assert_non_null(strstr(m.where, strcmp(m.title, "Shipped D") == 0 ? "/shipped:" : "0.conf:"));
		arena_free(&a);
	}
	signature_unref(&s);
	for (i = 0; i < sizeof(own_files) / sizeof(own_files[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, own_files[i].name);
		if (i > 0)
			(void)unlink(path);
	}
	(void)snprintf(path, sizeof(path), "%s/none", dir);
	said.n = 0;
	s = signature_load_all(shipped_path, path, &report, &bad);	/* need not be there */
	assert_int_equal(signature_count(s), 6);
	assert_int_equal(said.n + bad, 0);
	signature_unref(&s);
	s = signature_load_all(shipped_path, shipped_path, &report, &bad);	/* is no directory */
	assert_int_equal(signature_count(s), 6);
	assert_int_equal(bad, 1);
	signature_unref(&s);
	assert_null(signature_load_all(path, dir, &report, &bad));	/* without the shipped one there is none */
	(void)unlink(shipped_path);
	(void)rmdir(dir);
}

/* ---- the body, and what came closest ------------------------------------------------------------ */

static const struct {
	const char *name, *condition, *body;
	bool holds;
} body_cases[] = {
	{ "contains", "all @body contains PIXEL.gif", "<img src=\"http://a/pixel.gif\">", true },
	{ "contains, not", "all @body contains pixel.gif", "<img>", false },
	{ "starts", "all @body starts --b1_", "--b1_0cc1\r\n", true },
	{ "matches a line", "all @body matches (?m)^X: \\d+\\r?$", "a\r\nX: 12\r\nb", true },
	{ "quoted-printable", "all @body contains ?m=12&c=3", "href=3D\"http://a/?m=\r\n=3D12&c=3D3\"", true },
	{ "an equals sign stays", "all @body contains a=b =c=", "a=b =c=", true },
	{ "with a header", "all @body contains x\nall X-A", "x", false },
	{ "none", "all X-None\nnone @body contains x", "x", false },
};

static void
body_is_read_when_asked_for(void **unused)
{
	static const struct signature_header h = { "Subject", "x" };
	char text[600], big[SIGNATURE_BODY_MAX + 10];
	struct signature_message m = { .headers = &h, .n = 1 };
	struct signature_match found;
	struct signature_set *s;
	struct said said;
	struct arena *a;
	size_t i;

	(void)unused;
	for (i = 0; i < sizeof(body_cases) / sizeof(body_cases[0]); i++) {
		(void)snprintf(text, sizeof(text), FORMAT HEAD "%s\n", body_cases[i].condition);
		s = parse(text, &said, NULL);
		if (!signature_wants_body(s))
			fail_msg("%s: %s", body_cases[i].name, said.text);
		m.body = body_cases[i].body;
		m.body_bytes = strlen(m.body);
		a = arena_new(ARENA_DEFAULT_CAP);
		if ((signature_match_message(s, &m, a, &found, 1) == 1) != body_cases[i].holds)
			fail_msg("%s", body_cases[i].name);
		m.body = NULL;
		assert_int_equal(signature_match_message(s, &m, a, &found, 1), 0);
		arena_free(&a);
		signature_unref(&s);
	}
	/* A header of that name is none, a NUL hides nothing, and what is beyond the bound is not read. */
	s = parse(FORMAT HEAD "all @body contains b c\n", &said, NULL);
	a = arena_new(ARENA_DEFAULT_CAP);
	m = (struct signature_message){ .headers = &(struct signature_header){ "@body", "a b c" }, .n = 1 };
	assert_int_equal(signature_match_message(s, &m, a, &found, 1), 0);
	m.body = "a\0b\0c";
	m.body_bytes = 5;
	assert_int_equal(signature_match_message(s, &m, a, &found, 1), 1);
	memset(big, 'x', sizeof(big));
	memcpy(big + SIGNATURE_BODY_MAX - 1, "b c", 3);
	m.body = big;
	m.body_bytes = sizeof(big);
	assert_int_equal(signature_match_message(s, &m, a, &found, 1), 0);
	arena_free(&a);
	signature_unref(&s);
	s = shipped();
	assert_false(signature_wants_body(s));
	assert_false(signature_wants_body(NULL));
	signature_unref(&s);
}

static const struct {
	const char *name, *header;
	const char *closest, *has, *missing;	/* closest NULL = none */
} near_cases[] = {
	{ "one half", "X-Two-A: 1\n", "two", "X-Two-A: 1", "x-two-b" },
	{ "one half, and another value", "X-Two-A: 1\nX-Two-B: 9\n", "two", "X-Two-A: 1",
	    "x-two-b matches ^[0-4]$" },
	{ "only another value", "X-One: 9\n", "one", "", "x-one is 1" },
	{ "any of some", "X-Any-C: 1\n", "any", "X-Any-C: 1", "x-any-a, or x-any-b starts q" },
	{ "what must not be there", "X-Not: 1\nX-Answer: 1\n", "not", "X-Not: 1", "no x-answer" },
	{ "the nearer one", "X-Two-A: 1\nX-Three-A: 1\n", "two", "X-Two-A: 1", "x-two-b" },
	{ "nothing in common", "X-Else: 1\n", NULL, NULL, NULL },
	{ "a field that every message has", "From: bob@acme.example\n", NULL, NULL, NULL },
};

static void
the_closest_signature_is_told(void **unused)
{
	static const char text[] = FORMAT
	    "signature three\ntitle Three\nkind bulk\nconfidence 90\nall X-Three-A\nall X-Three-B\nall X-Three-C\n"
	    "signature two\ntitle Two\nkind bulk\nconfidence 90\nall X-Two-A\nall X-Two-B matches ^[0-4]$\n"
	    "signature one\ntitle One\nkind bulk\nconfidence 90\nall X-One is 1\n"
	    "signature any\ntitle Any\nkind bulk\nconfidence 90\nall X-Any-C\nany X-Any-A\nany X-Any-B starts q\n"
	    "signature not\ntitle Not\nkind bulk\nconfidence 90\nall X-Not\nnone X-Answer\n"
	    "signature from\ntitle From\nkind bulk\nconfidence 90\nall From starts __\n";
	struct signature_header h[10];
	struct signature_message m = { .headers = h };
	struct signature_near near;
	struct signature_set *s;
	struct said said;
	struct arena *a;
	char lines[200];
	size_t i;
	bool found;

	(void)unused;
	s = parse(text, &said, NULL);
	assert_int_equal(signature_count(s), 6);
	for (i = 0; i < sizeof(near_cases) / sizeof(near_cases[0]); i++) {
		(void)str_copy(lines, sizeof(lines), near_cases[i].header);
		m.n = split(lines, h);
		a = arena_new(ARENA_DEFAULT_CAP);
		found = signature_closest(s, &m, a, &near);
		if (found != (near_cases[i].closest != NULL) || (found && strcmp(near.it.name, near_cases[i].closest) != 0))
			fail_msg("%s: %s", near_cases[i].name, found ? near.it.name : "none");
		if (found && (strcmp(near.it.evidence, near_cases[i].has) != 0 ||
		    strncmp(near.missing, near_cases[i].missing, strlen(near_cases[i].missing)) != 0))
			fail_msg("%s: has %s; missing %s", near_cases[i].name, near.it.evidence, near.missing);
		arena_free(&a);
	}
	a = arena_new(ARENA_DEFAULT_CAP);
	assert_false(signature_closest(NULL, &m, a, &near));
	arena_free(&a);
	signature_unref(&s);
}

/* ---- the index ------------------------------------------------------------------------------------ */

/* Every condition is found among so many others that each stands in every part of the index. */
static void
the_index_finds_what_a_walk_would(void **unused)
{
	static const char *const conditions[] = { "is name%zu", "starts name%zu", "contains %zu-in", "ends %zu-out",
		"matches ^Name%zu(?:a|b)", "matches (?i)^name%zu", "matches %zu[-]x|never", "matches (?:a|%zu)y",
		"matches \\bz%zu\\b", "matches q%zu?r" };
	static const char *const values[] = { "NAME%zu", "Name%zu more", "a %zu-IN b", "a %zu-out", "Name%zub",
		"NAME%zu",
		"%zu-x", "%zuy", "a z%zu b", "q%zur" };
	const size_t n = sizeof(conditions) / sizeof(conditions[0]), each = 40;
	char *text = calloc(1, 1 << 18), value[60], name[40];
	struct signature_header h = { "X-Mailer", value };
	size_t i, k, used;
	struct signature_set *s;
	struct said said;

	(void)unused;
	assert_non_null(text);
	used = (size_t)snprintf(text, 1 << 18, FORMAT);
	for (i = 0; i < n; i++)
		for (k = 10; k < 10 + each; k++) {
			used += (size_t)snprintf(text + used, (1 << 18) - used,
			    "signature s%zu-%zu\ntitle S\nkind bulk\nconfidence 60\nall @mailer ", i, k);
			used += (size_t)snprintf(text + used, (1 << 18) - used, conditions[i], k);
			used += (size_t)snprintf(text + used, (1 << 18) - used, "\n");
		}
	s = parse(text, &said, NULL);
	assert_int_equal(signature_count(s), n * each);
	for (i = 0; i < n; i++)
		for (k = 10; k < 10 + each; k++) {
			struct arena *a = arena_new(ARENA_DEFAULT_CAP);
			struct signature_match m[20];
			size_t found, j;

			(void)snprintf(value, sizeof(value), values[i], k);
			(void)snprintf(name, sizeof(name), "s%zu-%zu", i, k);
			found = signature_match(s, &h, 1, a, m, 20);
			for (j = 0; j < found && strcmp(m[j].name, name) != 0; j++)
				;
			if (j == found)
				fail_msg("%s does not match \"%s\"", name, value);
			arena_free(&a);
		}
	signature_unref(&s);
	free(text);
}

/* ---- conditions ---------------------------------------------------------------------------- */

static const struct {
	const char *name, *conditions, *header;
	bool holds;
} condition_cases[] = {
	{ "present", "all X-Any", "X-ANY: \n", true },
	{ "not present", "all X-Any", "X-Anyone: 1\n", false },
	{ "is, without case", "all X-A is One Two", "X-A: oNE tWO\n", true },
	{ "is, not more", "all X-A is One", "X-A: One 1\n", false },
	{ "is, not less", "all X-A is One 1", "X-A: One\n", false },
	{ "starts", "all X-A starts one", "X-A: One 1\n", true },
	{ "starts, not inside", "all X-A starts one", "X-A: A One\n", false },
	{ "ends", "all X-A ends .example>", "X-A: <a@b.EXAMPLE>\n", true },
	{ "ends, not inside", "all X-A ends .example", "X-A: a.example b\n", false },
	{ "contains", "all X-A contains mass mail", "X-A: the Mass Mailer\n", true },
	{ "contains, not", "all X-A contains mass mail", "X-A: the mass of mail\n", false },
	{ "matches, with case", "all X-A matches ^[A-Z]\\d$", "X-A: Q7\n", true },
	{ "matches, case counts", "all X-A matches ^[A-Z]\\d$", "X-A: q7\n", false },
	{ "matches, a hash in a pattern is no comment", "all X-A matches ^#1$", "X-A: #1\n", true },
	{ "all needs all", "all X-A\nall X-B", "X-A: 1\n", false },
	{ "all has all", "all X-A\nall X-B", "X-B: 1\nX-A: 1\n", true },
	{ "any needs one", "any X-A\nany X-B", "X-B: 1\n", true },
	{ "any has none", "any X-A\nany X-B", "X-C: 1\n", false },
	{ "any and all", "all X-A\nany X-B\nany X-C", "X-A: 1\nX-C: 1\n", true },
	{ "any and all, one missing", "all X-A\nany X-B\nany X-C", "X-A: 1\n", false },
	{ "none", "all X-A\nnone X-B", "X-A: 1\n", true },
	{ "none, but it is there", "all X-A\nnone X-B", "X-A: 1\nX-B: \n", false },
	{ "none of a value", "all X-A\nnone X-A is 2", "X-A: 1\n", true },
	{ "none of a value, second field", "all X-A\nnone X-A is 2", "X-A: 1\nX-A: 2\n", false },
	{ "second field", "all X-A is two", "X-A: one\nX-A: two\n", true },
	{ "two fields for two conditions", "all X-A is one\nall X-A is two", "X-A: one\nX-A: two\n", true },
	{ "star in front", "all *Campaign-Uid is 1", "X-Foo-Campaign-Uid: 1\n", true },
	{ "star inside", "all X-*-Uid is 1", "x-foo-uid: 1\n", true },
	{ "star inside, no match", "all X-*-Uid is 1", "x-uid: 1\n", false },
	{ "two stars", "all X-*foo*d is 1", "X-Afoobard: 1\n", true },
	{ "star at the end", "all X-Foo* is 1", "X-Foo: 1\n", true },
	{ "mailer: X-Mailer", "all @mailer is a", "X-Mailer: a\n", true },
	{ "mailer: User-Agent", "all @mailer is a", "User-Agent: a\n", true },
	{ "mailer: neither", "all X-A\nnone @mailer", "X-A: 1\n", true },
	{ "mailer: one of them", "all X-A\nnone @mailer", "X-A: 1\nuser-agent: b\n", false },
	{ "mailer and X-Mailer", "all @mailer is a\nall X-Mailer is a", "X-Mailer: a\n", true },
	{ "repeats", "all To repeats From <([^>]+)>", "To: R <a@b.example>\nFrom: A@B.example\n", true },
	{ "repeats, different", "all To repeats From <([^>]+)>", "To: R <a@b.example>\nFrom: c@b.example\n", false },
	{ "repeats, other is missing", "all To repeats From <([^>]+)>", "To: R <a@b.example>\n", false },
	{ "repeats, too short a part", "all To repeats From <(..)>", "To: R <ab>\nFrom: ab\n", false },
	{ "repeats, empty part", "all To repeats From (x?)", "To: R <ab>\nFrom: ab\n", false },
	{ "repeats its own name", "all X-A repeats X-A (abc)", "X-A: abc\n", false },
	{ "repeats its own name twice", "all X-A repeats X-A (abc)", "X-A: abc\nX-A: abcd\n", true },
	{ "before", "all X-A before X-B", "X-A: 1\nX-C: 1\nX-B: 1\n", true },
	{ "before, but after", "all X-A before X-B", "X-B: 1\nX-A: 1\n", false },
	{ "before, other is missing", "all X-A before X-B", "X-A: 1\n", false },
	{ "differs", "all X-A differs", "X-A: 1\nX-A: 2\n", true },
	{ "differs, same", "all X-A differs", "X-A: a\nx-a: A\n", false },
	{ "differs, one", "all X-A differs", "X-A: a\n", false },
	{ "twin", "all X-A twin", "X-A: Qwe7\nX-qWE7: 1\n", true },
	{ "twin, none", "all X-A twin", "X-A: Qwe7\nX-qWE: 1\n", false },
	{ "twin, empty value", "all X-A twin", "X-A: \nX-: 1\n", false },
	{ "flood, none", "all @flood", "X-A: 1\n", false },
	{ "blank before the colon", "all X-A is 1", "X-A : 1\n", true },
	{ "folded value", "all X-A is one two", "X-A: one\n\t  two\n", true },
	{ "folded before the value", "all X-A is one", "X-A:\n one\n", true },
	{ "runs of blanks", "all X-A is one two", "X-A: one  \t two  \n", true },
	{ "encoded words", "all X-A is Smart Send", "X-A: =?utf-8?q?Sma?= =?us-ascii?B?cnQgU2VuZA==?=\n", true },
	{ "Latin-1 to UTF-8", "all X-A is b\xc3\xbcro", "X-A: =?iso-8859-1?q?b=FCro?=\n", true },
	{ "alike letters", "all X-A is Smart Send", "X-A: Sm\xd0\xb0rt S\xd0\xb5nd\n", true },
	{ "alike letters in a pattern's subject", "all X-A matches ^Smart", "X-A: \xd0\x85m\xce\xb1rt\n", true },
	{ "alike letters in the signature", "all X-A is \xd0\xa0\xd0\xbe\xd1\x81\xd1\x8b\xd0\xbb",
	    "X-A: \xd0\xa0\xd0\xbe\xd1\x81\xd1\x8b\xd0\xbb\n", true },
	{ "unseen characters", "all X-A is Smart Send",
	    "X-A: S\xc2\xadm\xe2\x80\x8b" "art S\xef\xbb\xbf" "end\n", true },
	{ "unseen, encoded", "all X-A is Smart", "X-A: =?utf-8?q?Sm=E2=80=8Bart?=\n", true },
	{ "full width", "all X-A is Smart 1", "X-A: \xef\xbc\xb3mart\xe3\x80\x80\xef\xbc\x91\n", true },
	{ "mathematical", "all X-A is Ab0", "X-A: \xf0\x9d\x90\x80\xf0\x9d\x92\xb7\xf0\x9d\x9f\x8e\n", true },
	{ "invalid UTF-8 stays", "all X-A matches ^a\\xff\\xc3b$", "X-A: a\xff\xc3" "b\n", true },
	{ "own name again", "all X-A is one", "X-A: X-a: one\n", true },
	{ "own name again and again", "all X-A is one", "X-A: X-A: X-A : : one\n", true },
	{ "a name that only begins so", "all X-A is x-ab: one", "X-A: x-ab: one\n", true },
	{ "blanks in brackets", "all X-A is <https://a.example/b>", "X-A: <https://a.example/\n b>\n", true },
	{ "percent in a URL", "all X-A is <https://a.example/?a=b&c=d>",
	    "X-A: <https://a.example/%3Fa%3Db%26c%3Dd>\n", true },
	{ "percent stays outside", "all X-A is 100%25", "X-A: 100%25\n", true },
	{ "percent of a control character stays", "all X-A is <a:%00%0a%zz%4>", "X-A: <a:%00%0A%zz%4>\n", true },
};

static bool
condition_holds(const char *conditions, const char *header, bool *read)
{
	char text[600], copy[600];
	struct signature_header fields[20];
	struct signature_match m;
	struct signature_set *s;
	struct arena *a = arena_new(ARENA_DEFAULT_CAP);
	struct said said;
	size_t n;

	(void)snprintf(text, sizeof(text), FORMAT "signature it\ntitle It\nkind bulk\nconfidence 77\n%s\n",
	    conditions);
	(void)str_copy(copy, sizeof(copy), header);
	s = parse(text, &said, NULL);
	*read = signature_count(s) == 1;
	n = signature_match(s, fields, split(copy, fields), a, &m, 1);
	signature_unref(&s);
	arena_free(&a);
	return n == 1;
}

static void
conditions_hold_or_not(void **unused)
{
	bool holds, read;
	size_t i;

	(void)unused;
	for (i = 0; i < sizeof(condition_cases) / sizeof(condition_cases[0]); i++) {
		holds = condition_holds(condition_cases[i].conditions, condition_cases[i].header, &read);
		if (!read)
			fail_msg("%s: not read", condition_cases[i].name);
		if (holds != condition_cases[i].holds)
			fail_msg("%s: %s", condition_cases[i].name, holds ? "holds" : "does not hold");
	}
}

static void
best_comes_first_and_names_once(void **unused)
{
	static const char text[] = FORMAT "signature low\ntitle Low\nkind library\nconfidence 20\nall X-A\n"
	    "signature two\ntitle Two\nkind bulk\nconfidence 70\nall X-A\n"
	    "signature high\ntitle High\nkind webshell\nconfidence 90\nall X-A\n"
	    "signature two\nconfidence 80\nall X-A is x\n"
	    "signature equal\ntitle Equal\nkind list\nconfidence 80\nall X-A\n";
	const struct signature_header h[] = { { "X-A", " x\033]0;\n\ty" }, { "X-A", "x" } };
	struct arena *a = arena_new(ARENA_DEFAULT_CAP);
	struct signature_match m[8];
	struct signature_set *s, *same;
	struct said said;

	(void)unused;
	s = parse(text, &said, NULL);
	assert_int_equal(signature_match(s, h, 2, a, m, 8), 4);
	assert_string_equal(m[0].name, "high");
	assert_string_equal(m[0].kind, "webshell");
	assert_string_equal(m[0].title, "High");
	assert_int_equal(m[0].confidence, 90);
	assert_string_equal(m[0].evidence, "X-A: x\\x1b]0; y");
	assert_string_equal(m[1].name, "two");
	assert_int_equal(m[1].confidence, 80);
	assert_string_equal(m[1].title, "Two");
	assert_string_equal(m[2].name, "equal");
	assert_string_equal(m[3].name, "low");
	assert_int_equal(signature_match(s, h, 2, a, m, 2), 2);
	assert_int_equal(signature_match(s, h, 2, a, m, 0), 0);
	assert_int_equal(signature_match(s, h, 0, a, m, 8), 0);
	assert_int_equal(signature_match(NULL, h, 2, a, m, 8), 0);
	same = signature_ref(s);
	signature_unref(&s);
	assert_int_equal(signature_count(same), 5);
	signature_unref(&same);
	arena_free(&a);
}

static void
wanted_names_are_known(void **unused)
{
	static const char text[] = FORMAT HEAD "any X-One is 1\nany @mailer is 1\nany X-*-Uid\n"
	    "any X-Two repeats X-Three (abc)\n";
	struct said said;
	struct signature_set *s = parse(text, &said, NULL);
	char longname[200];

	(void)unused;
	memset(longname, 'x', sizeof(longname) - 1);
	longname[sizeof(longname) - 1] = '\0';
	assert_true(signature_wants(s, "x-oNE"));
	assert_true(signature_wants(s, "X-One \t"));
	assert_true(signature_wants(s, "User-Agent"));
	assert_true(signature_wants(s, "X-Foo-Uid"));
	assert_true(signature_wants(s, "X-Three"));
	assert_false(signature_wants(s, "Subject"));
	assert_false(signature_wants(s, ""));
	assert_false(signature_wants(s, "@mailer"));
	assert_false(signature_wants(s, "@flood"));
	assert_false(signature_wants(s, longname));
	assert_false(signature_wants(NULL, "X-One"));
	signature_unref(&s);
}

static void
kinds_are_listed(void **unused)
{
	size_t n;

	(void)unused;
	for (n = 0; signature_kind(n) != NULL; n++)
		assert_true(signature_kind_known(signature_kind(n)));
	assert_int_equal(n, 7);
	assert_false(signature_kind_known("spam"));
	assert_false(signature_kind_known(""));
}

/* ---- hostile messages ----------------------------------------------------------------------- */

#define FLOOD "signature flood\ntitle Flood\nkind bulk\nconfidence 30\nall @flood\n"

static bool
finds(const struct signature_set *s, const struct signature_header *h, size_t n, const char *name)
{
	struct arena *a = arena_new(ARENA_DEFAULT_CAP);
	struct signature_match m[8];
	size_t found = signature_match(s, h, n, a, m, 8), i;
	bool yes = false;

	for (i = 0; i < found; i++)
		yes |= strcmp(m[i].name, name) == 0;
	arena_free(&a);
	return yes;
}

static void
a_flood_shows(void **unused)
{
	static struct signature_header h[FIELDS_MAX];
	static char names[FIELDS_MAX][16], big[70000];
	struct signature_set *s;
	struct said said;
	size_t i;

	(void)unused;
	s = parse(FORMAT GOOD FLOOD "signature v\ntitle V\nkind bulk\nconfidence 60\nany X-W* is one\n"
	    "any X-V is one\n"
	    "any To is one\n", &said, NULL);
	memset(big, 'a', sizeof(big) - 1);
	for (i = 0; i < FIELDS_MAX; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "X-W%zu", i);
		h[i] = (struct signature_header){ "Subject", "x" };
	}
	h[FIELDS_MAX - 1] = (struct signature_header){ "X-Good", "1" };
	assert_true(finds(s, h, FIELDS_MAX, "good"));	/* fields that nobody wants cost nothing */
	assert_false(finds(s, h, FIELDS_MAX, "flood"));
	for (i = 0; i < FIELDS_MAX - 1; i++)
		h[i].name = names[i];
	assert_false(finds(s, h, FIELDS_MAX, "good"));
	assert_true(finds(s, h, FIELDS_MAX, "flood"));
	for (i = 0; i < FIELDS_MAX - 1; i++)		/* one name over and over leaves room for others */
		h[i] = (struct signature_header){ "X-V", "x" };
	assert_true(finds(s, h, 200, "flood"));
	h[100] = (struct signature_header){ "X-Good", "1" };
	assert_true(finds(s, h, 200, "good"));
	h[0] = (struct signature_header){ "X-V", big };
	h[1] = (struct signature_header){ "To", big };
	assert_true(finds(s, h, 1, "flood"));
	assert_false(finds(s, h + 1, 1, "flood"));	/* many recipients are none */
	signature_unref(&s);
}

static void
a_slow_pattern_is_given_up_and_told_once(void **unused)
{
	static struct signature_header h[40];
	static char value[8001];
	uint64_t from;
	struct signature_set *s;
	struct said said;
	struct err e;
	size_t i;

	(void)unused;
	memset(value, 'a', sizeof(value) - 1);
	for (i = 0; i < 40; i++)
		h[i] = (struct signature_header){ i % 2 == 0 ? "X-A" : "X-B", value };
	s = parse(FORMAT FLOOD "signature slow\ntitle Slow\nkind bulk\nconfidence 60\nany X-A matches ^(?:a+)+[xy]\n"
	    "any X-B matches (a*)*(a*)*[bc]\n", &said, NULL);
	assert_int_equal(signature_count(s), 2);
	assert_int_equal(signature_slow(s, &e), 0);
	from = clock_mono_us();
	assert_false(finds(s, h, 40, "slow"));
	assert_true(clock_mono_us() - from < 2000000);	/* about 10 ms; without limits it would not end */
	assert_true(finds(s, h, 40, "flood"));
	assert_int_equal(signature_slow(s, &e), 1);
	assert_string_equal(e.where, "sig:11");
	assert_non_null(strstr(e.text, "signature slow: a pattern ran into its limit"));
	while (signature_slow(s, &e) == 1)
		;
	assert_true(finds(s, h, 40, "flood"));
	assert_int_equal(signature_slow(s, &e), 0);
	assert_int_equal(signature_slow(NULL, &e), 0);
	signature_unref(&s);
}

static void
the_shipped_file_bears_hostile_values(void **unused)
{
	static const char *const parts[] = { "1,", "<", "__aTag", "{{a", "%%a", "##a", "Ab1",
	    "<https://a/?M=1&C=", "mail.a",
	    ": ", "=?utf-8?q?=41?= ", "%3C", "\xd0\xb0", "X-Mailer: ", "/lists/ab123k3x9zfff/", "bcdfg", " ",
	    "\n " };
	static const char *const names[] = { "X-Mailer", "User-Agent", "List-Unsubscribe", "Message-ID", "To",
	    "From",
	    "Content-Type", "X-Mailer-LID", "X-PHP-Originating-Script", "X-PHP-Script", "X-Report-Abuse", "Subject",
	    "X-CiviMail-Bounce", "X-CampTrackID", "X-Foo-Campaign-Uid", "Feedback-ID" };
	static char value[9000];
	struct signature_header h[16];
	struct signature_set *s = shipped();
	struct err e;
	size_t i, k, used;
	char part[32];

	(void)unused;
	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		for (used = 0; used + 40 < sizeof(value); used += strlen(parts[i]))
			memcpy(value + used, parts[i], strlen(parts[i]) + 1);
		for (k = 0; k < 16; k++)
			h[k] = (struct signature_header){ names[k], value };
		(void)str_copy(part, sizeof(part), parts[i]);
		(void)finds(s, h, 16, "");
		if (signature_slow(s, &e))
			fail_msg("%s: %s %s", part, e.where, e.text);
	}
	signature_unref(&s);
}

static void
odd_names_do_no_harm(void **unused)
{
	static char name[5000];
	const struct signature_header h[] = { { "", "x" }, { " ", "x" }, { name, "x" }, { "@mailer",
	    "Smart_Send_1" },
		{ "\xff\xfe", "\xff" }, { "X-Mailer", "" }, { "*", "*" }, { "x", NULL } };
	struct signature_set *s = shipped();
	struct arena *a = arena_new(ARENA_DEFAULT_CAP);
	struct signature_match m;

	(void)unused;
	memset(name, '*', sizeof(name) - 1);
	assert_int_equal(signature_match(s, h, 7, a, &m, 1), 0);
	arena_free(&a);
	signature_unref(&s);
}

/* ---- threads -------------------------------------------------------------------------------- */

static void *
match_often(void *cookie)
{
	struct signature_set *s = cookie;	/* a reference of our own */
	const struct signature_header h[] = { { "X-Mailer", "Smart_Send_4_4_2" }, { "X-A",
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" } };
	struct err e;
	int i;

	for (i = 0; i < 300; i++) {
		if (!finds(s, h, 2, "send"))
			return "no match";
		(void)signature_slow(s, &e);
	}
	signature_unref(&s);
	return NULL;
}

static void
a_set_is_matched_from_many_threads(void **unused)
{
	struct said said;
	struct signature_set *s = parse(FORMAT "signature send\ntitle Send\nkind bulk\nconfidence 90\n"
	    "all @mailer matches ^Smart_Send_\nsignature slow\ntitle S\nkind bulk\nconfidence 60\n"
	    "all X-A matches ^(?:a+)+[xy]\n",
	    &said, NULL);
	pthread_t thread[4];
	void *problem;
	size_t i;

	(void)unused;
	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, match_often, signature_ref(s)), 0);
	signature_unref(&s);
	for (i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(thread[i], &problem), 0);
		assert_null(problem);
	}
}

/* ---- the manual page ------------------------------------------------------------------------ */

/* The lines between .Bd and .Ed of the page, the n-th such block, as mandoc would show them. */
static bool
page_block(const char *page, size_t n, char *to, size_t size)
{
	const char *at = page, *end, *line;
	struct str s = { to, 0, size, false };

	do {
		at = strstr(at, "\n.Bd ");
		if (at == NULL)
			return false;
		at = strchr(at + 1, '\n') + 1;
	} while (n-- > 0);
	end = strstr(at, "\n.Ed");
	assert_non_null(end);
	for (line = at; line <= end; line++)
		if (line[0] == '\\' && line[1] == 'e')
			str_catn(&s, "\\", 1), line++;
		else if (line[0] != '\\' || line[1] != '&')
			str_catn(&s, line, 1);
		else
			line++;
	assert_false(s.cut);
	return true;
}

static void
examples_of_the_manual_page_work(void **unused)
{
	const struct signature_header first[] = { { "X-Mailer", "Acme Blaster 3.1" }, { "X-Blast-Id", "4-77" } };
	const struct signature_header answer[] = { { "X-Mailer", "Acme Blaster 3.1" }, { "In-Reply-To",
	    "<1@a.example>" } };
	const struct signature_header second[] = { { "Message-ID", "<8812.44@blast.acme.example>" }, { "From",
	    "a@acme.example" },
		{ "List-Unsubscribe", "<https://acme.example/out%3Fblast=9>" } };
	char path[400], block[4000];
	struct signature_set *s;
	struct said said;
	size_t n, bad, loaded = 0;
	char *page;

	(void)unused;
	page = read_file(source_path(path, sizeof(path), "etc/gatepost-signatures.5"));
	for (n = 0; page_block(page, n, block, sizeof(block)); n++) {
		if (strncmp(block, "gatepost-signatures", 19) != 0)
			continue;
		s = parse(block, &said, &bad);
		assert_string_equal(said.text, "");
		assert_int_equal(bad, 0);
		if (strstr(block, "\toff\n") != NULL) {	/* takes one of the shipped ones out */
			assert_int_equal(signature_count(s), 0);
			signature_unref(&s);
			continue;
		}
		assert_int_equal(signature_count(s), 2);
		assert_true(finds(s, first, 2, "acme-blaster"));
		assert_false(finds(s, answer, 2, "acme-blaster"));
		assert_true(finds(s, second, 3, "acme-blaster"));
		signature_unref(&s);
		loaded++;
	}
	assert_int_equal(loaded, 1);
	free(page);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples_match_their_signature_only),
		cmocka_unit_test(every_shipped_signature_has_a_sample),
		cmocka_unit_test(near_misses_are_missed),
		cmocka_unit_test(samples_cannot_hide),
		cmocka_unit_test(format_is_read_line_by_line),
		cmocka_unit_test(mistakes_are_told_twenty_times_and_counted),
		cmocka_unit_test(bounds_of_the_file_hold),
		cmocka_unit_test(a_nul_byte_spoils_its_signature),
		cmocka_unit_test(what_is_no_signature_file_is_refused),
		cmocka_unit_test(unreadable_files_are_told),
		cmocka_unit_test(own_files_replace_and_add),
		cmocka_unit_test(body_is_read_when_asked_for),
		cmocka_unit_test(the_closest_signature_is_told),
		cmocka_unit_test(the_index_finds_what_a_walk_would),
		cmocka_unit_test(conditions_hold_or_not),
		cmocka_unit_test(best_comes_first_and_names_once),
		cmocka_unit_test(wanted_names_are_known),
		cmocka_unit_test(kinds_are_listed),
		cmocka_unit_test(a_flood_shows),
		cmocka_unit_test(a_slow_pattern_is_given_up_and_told_once),
		cmocka_unit_test(the_shipped_file_bears_hostile_values),
		cmocka_unit_test(odd_names_do_no_harm),
		cmocka_unit_test(a_set_is_matched_from_many_threads),
		cmocka_unit_test(examples_of_the_manual_page_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
