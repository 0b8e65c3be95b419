/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * signature_file - reads signatures.conf(5) into a set that signature.c can match.
 *
 * A line a statement, so that a pattern stands as it is, without quoting, and a mistake has a line and
 * ends with its own signature:
 *
 *     gatepost-signatures 1
 *     signature interspire
 *         title       Interspire Email Marketer
 *         kind        bulk
 *         confidence  98
 *         any   X-Mailer-LID  matches ^\d+
 *         none  In-Reply-To
 *
 * The lines of one signature are gathered in a draft; when the next begins, a draft without mistakes
 * joins the set and another is dropped. Of several files the strongest is read first, so that what a weaker
 * one says of the same name is passed over, and only then. It does not judge whether a signature is a good
 * one, and does not watch the files: a reload reads them again.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/mail.h"
#include "lib/signature_private.h"
#include "lib/str.h"

#include "lib/banned.h"

#define REPORTS_MAX 20u		/* mistakes told one by one */

struct draft_condition {
	enum signature_how how;
	enum signature_op op;
	char name[SIGNATURE_FIELD_NAME_MAX + 1], other[SIGNATURE_FIELD_NAME_MAX + 1];
	const char *text;	/* in the set's memory; NULL = none */
	struct pattern *pattern;
	unsigned line;
};

/* A name that a file has spoken of. */
struct taken {
	const char *name, *file;
};

struct reader {
	struct signature_set *set;
	const char *file;	/* in the set's memory */
	const struct table_report *report;
	unsigned line;
	struct taken *taken;	/* in the set's memory */
	size_t n_taken;
	unsigned mistakes;	/* told or counted */
	size_t bad;		/* signatures left out */
	bool format;		/* the first line of this file was seen */
	/* the draft */
	bool open, broken, off;
	struct signature_entry draft;
	struct draft_condition conditions[SIGNATURE_CONDITIONS_MAX];
};

/* ---- saying what is wrong ------------------------------------------------------ */

static void
reader_tell(const struct reader *r, unsigned line, const char *text)
{
	struct err e;
	char space[sizeof(e.text)];
	struct str safe = STR_IN(space);

	if (r->report == NULL || r->report->say == NULL)
		return;
	str_cat_safe(&safe, text);	/* the file may hold anything; this goes to a log or terminal */
	err_clear(&e);
	(void)err_set(&e, ERR_INPUT, "%s", safe.data);
	(void)err_at(&e, r->file, line);
	r->report->say(r->report->cookie, &e);
}

/* A mistake in the draft: it will be left out. */
static void __attribute__((format(printf, 3, 4)))
reader_wrong(struct reader *r, unsigned line, const char *fmt, ...)
{
	char text[400];
	va_list args;

	if (r->open)
		r->broken = true;
	if (++r->mistakes > REPORTS_MAX)
		return;
	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	reader_tell(r, line, text);
}

/* ---- the set grows --------------------------------------------------------------- */

/* Room for one more behind n in an array that doubles when n is a power of two; old room stays in the
 * arena. */
static void *
reader_grow(struct reader *r, void *old, size_t n, size_t size)
{
	void *bigger;

	if (n > 0 && (n & (n - 1)) != 0)
		return old;
	bigger = arena_alloc(r->set->memory, (n == 0 ? 1 : 2 * n) * size);
	if (n > 0)
		memcpy(bigger, old, n * size);
	return bigger;
}

static unsigned
reader_find_name(const struct reader *r, const char *text)
{
	unsigned i;

	for (i = 0; i < r->set->n_names && strcmp(r->set->names[i].text, text) != 0; i++)
		;
	return i;
}

static unsigned
reader_intern_name(struct reader *r, const char *text)
{
	struct signature_set *s = r->set;
	unsigned i = reader_find_name(r, text);
	struct signature_name *n;

	if (i < s->n_names)
		return i;
	s->names = reader_grow(r, s->names, s->n_names, sizeof(*s->names));
	n = &s->names[s->n_names++];
	*n = (struct signature_name){ .text = arena_strdup(s->memory, text), .length = strlen(text) };
	n->wild = strchr(text, '*') != NULL;
	return i;
}

static bool
reader_same_test(const struct signature_test *t, const struct draft_condition *c, unsigned other)
{
	return t->op == c->op && t->other == other &&
	    (t->text == NULL ? c->text == NULL : c->text != NULL && strcmp(t->text, c->text) == 0);
}

/* The test that a condition means; a pattern that is there already is not kept twice. */
static unsigned
reader_intern_test(struct reader *r, struct draft_condition *c)
{
	struct signature_set *s = r->set;
	unsigned name = reader_intern_name(r, c->name), other = 0;
	struct signature_name *n;
	struct signature_test *t;
	size_t i;

	if (*c->other != '\0')
		other = reader_intern_name(r, c->other);
	n = &s->names[name];
	for (i = 0; i < n->n_tests; i++)
		if (reader_same_test(&s->tests[n->tests[i]], c, other)) {
			pattern_free(&c->pattern);
			return n->tests[i];
		}
	s->tests = reader_grow(r, s->tests, s->n_tests, sizeof(*s->tests));
	t = &s->tests[s->n_tests];
	memset(t, 0, sizeof(*t));
	t->op = c->op;
	t->name = name;
	t->other = other;
	t->text = c->text;
	t->length = c->text == NULL ? 0 : strlen(c->text);
	t->pattern = c->pattern;
	t->owner = r->draft.name;
	t->file = r->file;
	t->line = c->line;
	c->pattern = NULL;
	n->tests = reader_grow(r, n->tests, n->n_tests, sizeof(*n->tests));
	n->tests[n->n_tests++] = (unsigned)s->n_tests;
	n->values |= c->op != SIGNATURE_PRESENT && c->op != SIGNATURE_BEFORE;
	return (unsigned)s->n_tests++;
}

static void
reader_intern_entry(struct reader *r)
{
	struct signature_set *s = r->set;
	struct signature_entry *e;
	size_t i;

	for (i = 0; i < r->draft.n; i++)
		r->draft.conditions[i] = (struct signature_condition){ reader_intern_test(r, &r->conditions[i]),
			r->conditions[i].how };
	s->entries = reader_grow(r, s->entries, s->n_entries, sizeof(*s->entries));
	e = &s->entries[s->n_entries++];
	*e = r->draft;
}

/* The file that speaks of a name, NULL when none does. */
static const char *
reader_taken(const struct reader *r, const char *name)
{
	size_t i;

	for (i = 0; i < r->n_taken; i++)
		if (strcmp(r->taken[i].name, name) == 0)
			return r->taken[i].file;
	return NULL;
}

static void
reader_take(struct reader *r, const char *name)
{
	if (reader_taken(r, name) != NULL)
		return;
	r->taken = reader_grow(r, r->taken, r->n_taken, sizeof(*r->taken));
	r->taken[r->n_taken++] = (struct taken){ name, r->file };
}

/* ---- a signature ends ---------------------------------------------------------------- */

/* Several signatures may bear one name: the shapes of one program. What the first says need not be said
 * again. */
static void
draft_inherit(struct reader *r)
{
	const struct signature_set *s = r->set;
	struct signature_entry *d = &r->draft;
	size_t i;

	for (i = 0; i < s->n_entries; i++)
		if (s->entries[i].file == r->file && strcmp(s->entries[i].name, d->name) == 0)
			break;
	if (i == s->n_entries)
		return;
	if (d->title == NULL)
		d->title = s->entries[i].title;
	if (d->kind == NULL)
		d->kind = s->entries[i].kind;
	else if (strcmp(d->kind, s->entries[i].kind) != 0)
		reader_wrong(r, d->line, "signature %s: kind %s here, %s in line %u", d->name, d->kind,
		    s->entries[i].kind, s->entries[i].line);
}

/* Names with '*' are compared with every field of every message, so there may be only so many. */
static bool
draft_wild_fits(const struct reader *r)
{
	size_t n = 0, i;

	for (i = 0; i < r->set->n_names; i++)
		n += r->set->names[i].wild;
	for (i = 0; i < r->draft.n; i++) {
		n += strchr(r->conditions[i].name, '*') != NULL &&
		    reader_find_name(r, r->conditions[i].name) == r->set->n_names;
		n += strchr(r->conditions[i].other, '*') != NULL &&
		    reader_find_name(r, r->conditions[i].other) == r->set->n_names;
	}
	return n <= SIGNATURE_WILD_MAX;
}

static void
draft_check(struct reader *r)
{
	struct signature_entry *d = &r->draft;
	bool positive = false;
	size_t i;

	if (r->off) {
		if (d->n > 0 || d->kind != NULL)
			reader_wrong(r, d->line, "signature %s: \"off\" goes with nothing else", d->name);
		return;
	}
	draft_inherit(r);
	if (d->kind == NULL)
		reader_wrong(r, d->line, "signature %s: no kind", d->name);
	if (d->title == NULL)
		reader_wrong(r, d->line, "signature %s: no title", d->name);
	if (d->confidence == 0)
		reader_wrong(r, d->line, "signature %s: no confidence", d->name);
	for (i = 0; i < d->n; i++)
		positive |= r->conditions[i].how != SIGNATURE_NONE;
	if (!positive)
		reader_wrong(r, d->line,
		    "signature %s: no \"all\" or \"any\" line: it would match every message", d->name);
	if (!draft_wild_fits(r))
		reader_wrong(r, d->line, "signature %s: more than %u header names with '*' in the file",
		    d->name, SIGNATURE_WILD_MAX);
	if (r->set->n_entries == SIGNATURE_ENTRIES_MAX)
		reader_wrong(r, d->line, "signature %s: more than %u signatures", d->name,
		    SIGNATURE_ENTRIES_MAX);
}

static void
reader_finish_draft(struct reader *r)
{
	const char *by;
	size_t i;

	if (!r->open)
		return;
	by = reader_taken(r, r->draft.name);
	if (by == NULL || by == r->file) {	/* else a stronger file has replaced it, mistakes and all */
		if (!r->broken)
			draft_check(r);
		if (!r->broken)
			reader_take(r, r->draft.name);
		if (!r->broken && !r->off)
			reader_intern_entry(r);
		r->bad += r->broken;
	}
	for (i = 0; i < r->draft.n; i++)
		pattern_free(&r->conditions[i].pattern);
	memset(&r->draft, 0, sizeof(r->draft));
	r->open = r->broken = r->off = false;
}

/* ---- statements ------------------------------------------------------------------------- */

/* Takes the next word of *at, ended by blanks, and steps behind them. "" at the end. */
static char *
take_word(char **at)
{
	char *word = *at;

	*at += strcspn(*at, " \t");
	if (**at != '\0')
		*(*at)++ = '\0';
	*at += strspn(*at, " \t");
	return word;
}

static bool
draft_name_ok(const char *name)
{
	const size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.");

	return n > 0 && n <= SIGNATURE_NAME_MAX && name[n] == '\0' && *name != '-' && *name != '.';
}

static void
read_signature(struct reader *r, char *rest)
{
	reader_finish_draft(r);
	r->open = true;
	r->draft.file = r->file;
	r->draft.line = r->line;
	r->draft.name = arena_strdup(r->set->memory, rest);
	if (!draft_name_ok(rest))
		reader_wrong(r, r->line, "signature \"%.60s\": a name is 1 to %u of a-z, 0-9, '-', '.'", rest,
		    SIGNATURE_NAME_MAX);
	else if (signature_kind_known(rest))
		reader_wrong(r, r->line, "signature %s: that is the name of a kind", rest);
}

/* Titles go into replies. */
static void
read_title(struct reader *r, char *rest)
{
	const char *c;

	for (c = rest; *c >= 0x20 && *c < 0x7f; c++)
		;
	if (*rest == '\0' || *c != '\0' || strlen(rest) > SIGNATURE_TITLE_MAX)
		reader_wrong(r, r->line, "title: 1 to %u printable ASCII characters expected",
		    SIGNATURE_TITLE_MAX);
	r->draft.title = arena_strdup(r->set->memory, rest);
}

static void
read_kind(struct reader *r, char *rest)
{
	size_t i;

	for (i = 0; signature_kind(i) != NULL; i++)
		if (strcmp(signature_kind(i), rest) == 0) {
			r->draft.kind = signature_kind(i);
			return;
		}
	reader_wrong(r, r->line,
	    "kind \"%.60s\"; allowed: bulk, webshell, desktop, newsletter, crm, list, library", rest);
}

static void
read_confidence(struct reader *r, char *rest)
{
	const size_t n = strspn(rest, "0123456789");
	const long value = n > 0 && n <= 3 && rest[n] == '\0' ? strtol(rest, NULL, 10) : 0;

	if (value < 1 || value > 100)
		reader_wrong(r, r->line, "confidence \"%.60s\"; allowed: 1 to 100", rest);
	else
		r->draft.confidence = (unsigned)value;
}

/* Where it was seen: for the reader of the file. */
static void
read_seen(struct reader *r, char *rest)
{
	(void)r;
	(void)rest;
}

/* There is no such signature, whatever the files before this one say. */
static void
read_off(struct reader *r, char *rest)
{
	if (*rest != '\0')
		reader_wrong(r, r->line, "off: nothing may follow, but \"%.80s\" does", rest);
	r->off = true;
}

enum takes { TAKES_NOTHING, TAKES_TEXT, TAKES_PATTERN, TAKES_FIELD, TAKES_FIELD_PATTERN };

static const struct {
	const char *word;
	enum signature_op op;
	enum takes takes;
} signature_ops[] = {
	{ "present", SIGNATURE_PRESENT, TAKES_NOTHING },
	{ "is", SIGNATURE_IS, TAKES_TEXT },
	{ "starts", SIGNATURE_STARTS, TAKES_TEXT },
	{ "ends", SIGNATURE_ENDS, TAKES_TEXT },
	{ "contains", SIGNATURE_CONTAINS, TAKES_TEXT },
	{ "matches", SIGNATURE_MATCHES, TAKES_PATTERN },
	{ "repeats", SIGNATURE_REPEATS, TAKES_FIELD_PATTERN },
	{ "before", SIGNATURE_BEFORE, TAKES_FIELD },
	{ "differs", SIGNATURE_DIFFERS, TAKES_NOTHING },
	{ "twin", SIGNATURE_TWIN, TAKES_NOTHING },
};

const char *
signature_op_word(enum signature_op op)
{
	size_t i;

	for (i = 0; signature_ops[i].op != op; i++)
		;
	return signature_ops[i].word;
}

/* What can be asked of the start of a body. */
static void
read_body_op(struct reader *r, const struct draft_condition *c)
{
	if ((strcmp(c->name, "@body") != 0 || c->op == SIGNATURE_STARTS || c->op == SIGNATURE_CONTAINS ||
	    c->op == SIGNATURE_MATCHES) && strcmp(c->other, "@body") != 0)
		return;
	reader_wrong(r, r->line, "@body can only start with or contain a text, or match a pattern");
}

/* A header name: a group, or a name in which '*' stands for anything; what else is there must tell
 * something. */
static bool
read_field_name(struct reader *r, const char *word, char to[SIGNATURE_FIELD_NAME_MAX + 1])
{
	size_t stars = 0, i;

	if (!str_copy(to, SIGNATURE_FIELD_NAME_MAX + 1, word))
		*to = '\0';
	(void)str_lower(to);
	if (*to == '@') {
		if (strcmp(to, "@mailer") == 0 || strcmp(to, "@flood") == 0 || strcmp(to, "@body") == 0)
			return true;
		reader_wrong(r, r->line, "header \"%.60s\"; the groups are @mailer, @flood and @body", word);
		return false;
	}
	for (i = 0; to[i] != '\0'; i++)
		stars += to[i] == '*';
	if (!mail_header_name_ok(to)) {
		reader_wrong(r, r->line, "\"%.80s\" is no header name (write it without the colon)", word);
		return false;
	}
	if (stars > 2 || (stars > 0 && i - stars < 3)) {
		reader_wrong(r, r->line, "header \"%.60s\": at most two '*', and three other characters",
		    word);
		return false;
	}
	return true;
}

static void
read_pattern(struct reader *r, struct draft_condition *c, const char *text)
{
	struct err e;

	c->text = signature_plain(r->set->memory, text);
	err_clear(&e);
	c->pattern = pattern_new(c->text, &e);
	if (c->pattern == NULL)
		reader_wrong(r, r->line, "%s", e.text);
	else if (c->op == SIGNATURE_REPEATS && pattern_parts(c->pattern) == 0)
		reader_wrong(r, r->line,
		    "repeats: the pattern needs (parentheses) around the part that is repeated");
}

static void
read_argument(struct reader *r, struct draft_condition *c, const char *word, enum takes takes, char *rest)
{
	if ((takes == TAKES_FIELD || takes == TAKES_FIELD_PATTERN) &&
	    !read_field_name(r, take_word(&rest), c->other))
		return;
	if ((takes == TAKES_NOTHING || takes == TAKES_FIELD) && *rest != '\0')
		reader_wrong(r, r->line, "%s: nothing may follow, but \"%.80s\" does", word, rest);
	else if (takes == TAKES_TEXT && *rest == '\0')
		reader_wrong(r, r->line, "%s: a text must follow", word);
	else if ((takes == TAKES_PATTERN || takes == TAKES_FIELD_PATTERN) && *rest == '\0')
		reader_wrong(r, r->line, "%s: a pattern must follow", word);
	else if (takes == TAKES_TEXT)
		c->text = str_lower(signature_plain(r->set->memory, rest));
	else if (*rest != '\0')
		read_pattern(r, c, rest);
}

static void
read_condition(struct reader *r, enum signature_how how, char *rest)
{
	struct draft_condition *c;
	const char *word;
	size_t i;

	if (r->draft.n == SIGNATURE_CONDITIONS_MAX) {
		reader_wrong(r, r->line, "more than %u conditions", SIGNATURE_CONDITIONS_MAX);
		return;
	}
	c = &r->conditions[r->draft.n++];
	*c = (struct draft_condition){ .how = how, .op = SIGNATURE_PRESENT, .line = r->line };
	if (!read_field_name(r, take_word(&rest), c->name))
		return;
	if (*rest == '\0') {
		read_body_op(r, c);
		return;
	}
	word = take_word(&rest);
	for (i = 0; i < sizeof(signature_ops) / sizeof(signature_ops[0]); i++)
		if (strcmp(signature_ops[i].word, word) == 0) {
			c->op = signature_ops[i].op;
			if (c->op != SIGNATURE_PRESENT && strcmp(c->name, "@flood") == 0)
				reader_wrong(r, r->line, "@flood can only be present");
			read_argument(r, c, word, signature_ops[i].takes, rest);
			read_body_op(r, c);
			return;
		}
	reader_wrong(r, r->line, "\"%.60s\"; allowed: present, is, starts, ends, contains, matches, repeats, "
	    "before, differs, twin", word);
}

static void
read_all(struct reader *r, char *rest)
{
	read_condition(r, SIGNATURE_ALL, rest);
}

static void
read_any(struct reader *r, char *rest)
{
	read_condition(r, SIGNATURE_ANY, rest);
}

static void
read_none(struct reader *r, char *rest)
{
	read_condition(r, SIGNATURE_NONE, rest);
}

static const struct {
	const char *word;
	void (*read)(struct reader *r, char *rest);
} statements[] = {
	{ "signature", read_signature },
	{ "title", read_title },
	{ "kind", read_kind },
	{ "confidence", read_confidence },
	{ "seen", read_seen },
	{ "all", read_all },
	{ "any", read_any },
	{ "none", read_none },
	{ "off", read_off },
};

static void
read_statement(struct reader *r, char *line)
{
	const char *word = take_word(&line);
	size_t i;

	for (i = 0; i < sizeof(statements) / sizeof(statements[0]); i++) {
		if (strcmp(statements[i].word, word) != 0)
			continue;
		if (!r->open && statements[i].read != read_signature)
			reader_wrong(r, r->line, "\"%s\" before the first \"signature NAME\"", word);
		else
			statements[i].read(r, line);
		return;
	}
	reader_wrong(r, r->line,
	    "\"%.60s\"; allowed: signature, title, kind, confidence, seen, all, any, none, off", word);
}

/* ---- the file ------------------------------------------------------------------------------ */

/* The first statement tells a signature file from any other, and its format from later ones. */
static bool
read_format(struct reader *r, const char *line)
{
	static const char word[] = "gatepost-signatures";
	const size_t n = sizeof(word) - 1;

	if (strncmp(line, word, n) != 0 || (line[n] != ' ' && line[n] != '\t')) {
		reader_wrong(r, r->line, "no signature file: its first line must be \"%s 1\"", word);
		return false;
	}
	if (strcmp(line + n + strspn(line + n, " \t"), "1") != 0) {
		reader_wrong(r, r->line, "\"%.60s\": this version reads format 1", line);
		return false;
	}
	r->format = true;
	return true;
}

/* False when this is no signature file. */
static bool
read_line(struct reader *r, const char *text, size_t n)
{
	char line[SIGNATURE_LINE_MAX + 1];

	while (n > 0 && (*text == ' ' || *text == '\t')) {
		text++;
		n--;
	}
	while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\t' || text[n - 1] == '\r'))
		n--;
	if (n == 0 || *text == '#')
		return true;
	if (n > SIGNATURE_LINE_MAX || memchr(text, '\0', n) != NULL) {
		reader_wrong(r, r->line, n > SIGNATURE_LINE_MAX ? "the line is longer than %u bytes" :
		    "a NUL byte (lines have at most %u bytes)", SIGNATURE_LINE_MAX);
		return r->format;
	}
	memcpy(line, text, n);
	line[n] = '\0';
	if (!r->format)
		return read_format(r, line);
	read_statement(r, line);
	return true;
}

static bool
read_lines(struct reader *r, const char *text, size_t n)
{
	const char *end;
	size_t length;

	while (n > 0) {
		end = memchr(text, '\n', n);
		length = end == NULL ? n : (size_t)(end - text);
		r->line++;
		if (!read_line(r, text, length))
			return false;
		length += end != NULL;
		text += length;
		n -= length;
	}
	reader_finish_draft(r);
	if (!r->format)
		reader_wrong(r, 0, "no signature file: it is empty");
	return r->format;
}

static struct reader *
reader_new(struct arena *memory, const struct table_report *report)
{
	struct reader *r = arena_zalloc(memory, sizeof(*r));
	struct arena *keep = arena_new(ARENA_DEFAULT_CAP);

	r->report = report;
	r->set = arena_zalloc(keep, sizeof(*r->set));
	atomic_init(&r->set->refs, 1);
	r->set->memory = keep;
	return r;
}

/* False when this is no signature file. */
static bool
reader_read(struct reader *r, const char *file, const char *text, size_t n)
{
	r->file = arena_strdup(r->set->memory, file);
	r->line = 0;
	r->format = false;
	return read_lines(r, text, n);
}

/* The set, ready; NULL unless ok. */
static struct signature_set *
reader_end(struct reader *r, bool ok, size_t *bad)
{
	struct signature_set *s = r->set;
	char more[60];

	(void)snprintf(more, sizeof(more), "and %u mistakes more",
	    r->mistakes > REPORTS_MAX ? r->mistakes - REPORTS_MAX : 0);
	if (r->mistakes > REPORTS_MAX)
		reader_tell(r, 0, more);
	if (bad != NULL)
		*bad = r->bad;
	if (ok)
		signature_index(s);
	else
		signature_unref(&s);
	return s;
}

struct signature_set *
signature_parse(const char *file, const char *text, size_t n, const struct table_report *report, size_t *bad)
{
	struct arena *memory = arena_new(ARENA_DEFAULT_CAP);
	struct reader *r = reader_new(memory, report);
	struct signature_set *s = reader_end(r, reader_read(r, file, text, n), bad);

	arena_free(&memory);
	return s;
}

/* The whole file, for free(); NULL with e filled. */
static char *
file_read(const char *file, size_t *n, struct err *e)
{
	/* O_NONBLOCK: a FIFO must not hang a reload. */
	const int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	char *text = NULL;
	ssize_t got = 0;

	*n = 0;
	if (fd < 0 || fstat(fd, &st) != 0) {
		(void)err_set(e, ERR_SYSTEM, "cannot be read: %s", strerror(errno));
	} else if (!S_ISREG(st.st_mode) || (size_t)st.st_size > SIGNATURE_FILE_MAX) {
		(void)err_set(e, ERR_INPUT, "must be an ordinary file of at most %zu bytes",
		    SIGNATURE_FILE_MAX);
	} else if ((text = malloc(SIGNATURE_FILE_MAX + 1)) == NULL) {
		abort();
	} else {
		while (*n <= SIGNATURE_FILE_MAX &&
		    ((got = read(fd, text + *n, SIGNATURE_FILE_MAX + 1 - *n)) > 0 ||
		    (got < 0 && errno == EINTR)))
			*n += got > 0 ? (size_t)got : 0;
		if (got < 0)
			(void)err_set(e, ERR_SYSTEM, "cannot be read: %s", strerror(errno));
		else if (*n > SIGNATURE_FILE_MAX)
			(void)err_set(e, ERR_INPUT, "is longer than %zu bytes", SIGNATURE_FILE_MAX);
	}
	if (text != NULL && (got < 0 || *n > SIGNATURE_FILE_MAX)) {
		free(text);
		text = NULL;
	}
	if (fd >= 0)
		(void)close(fd);
	return text;
}

/* False after it was told that the file cannot be read or is none. */
static bool
load_file(struct reader *r, const char *file)
{
	struct err e;
	bool ok;
	char *text;
	size_t n;

	err_clear(&e);
	text = file_read(file, &n, &e);
	if (text == NULL) {
		r->file = arena_strdup(r->set->memory, file);
		reader_tell(r, 0, e.text);
		return false;
	}
	ok = reader_read(r, file, text, n);
	free(text);
	return ok;
}

/* ---- the operator's own files ----------------------------------------------------------------- */

/* NAME.conf; what an editor or a package manager leaves beside it is none. */
static int
own_file(const struct dirent *e)
{
	const size_t n = strlen(e->d_name);

	return *e->d_name != '.' && n > 5 && strcmp(e->d_name + n - 5, ".conf") == 0;
}

static int
own_order(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);	/* the same in every locale */
}

/* The last one first: it is the strongest. */
static void
load_directory(struct reader *r, const char *directory)
{
	struct dirent **list = NULL;
	int n = scandir(directory, &list, own_file, own_order), i;

	if (n < 0) {
		r->file = arena_strdup(r->set->memory, directory);
		if (errno != ENOENT) {
			reader_tell(r, 0, arena_printf(r->set->memory, "cannot be read: %s", strerror(errno)));
			r->bad++;
		}
		return;
	}
	for (i = n - 1; i >= 0; i--) {
		if ((unsigned)i < SIGNATURE_FILES_MAX &&
		    !load_file(r, arena_printf(r->set->memory, "%s/%s", directory, list[i]->d_name)))
			r->bad++;
		free(list[i]);
	}
	free(list);
	if ((unsigned)n <= SIGNATURE_FILES_MAX)
		return;
	r->file = arena_strdup(r->set->memory, directory);
	reader_tell(r, 0, arena_printf(r->set->memory, "holds %d files: only the first %u are read", n,
	    SIGNATURE_FILES_MAX));
	r->bad += (unsigned)n - SIGNATURE_FILES_MAX;
}

struct signature_set *
signature_load_all(const char *file, const char *directory, const struct table_report *report, size_t *bad)
{
	struct arena *memory = arena_new(ARENA_DEFAULT_CAP);
	struct reader *r = reader_new(memory, report);
	struct signature_set *s;
	bool ok;

	if (*directory != '\0')
		load_directory(r, directory);
	ok = load_file(r, file);
	s = reader_end(r, ok, bad);
	arena_free(&memory);
	return s;
}

struct signature_set *
signature_load(const char *file, const struct table_report *report, size_t *bad)
{
	return signature_load_all(file, "", report, bad);
}
