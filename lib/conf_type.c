/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * conf_type - the types of settings: how each is read from a node, and how it is
 * written back as it would stand in the file.
 *
 * A reader that finds a mistake tells it and leaves the field at its default, so
 * that what follows is judged on sane ground and one mistake makes one message.
 * Lists of groups are read in conf_group.c, what a text may say is judged in conf_word.c.
 */
#include "lib/conf_private.h"

#include <inttypes.h>
#include <string.h>

#include "lib/banned.h"

/* `FOUND WRONG; allowed: ...`: the one form of a refused value. */
void
conf_refuse(struct conf_reader *r, const struct conf_rule *u, const struct conf_node *n, const char *wrong)
{
	char space[160];
	struct str found = STR_IN(space);

	conf_found(n, &found);
	conf_problem(r, n, "%s %s; allowed: %s", space, wrong, u->row.allowed);
}

void
conf_quote(struct str *to, const char *text)
{
	const char *p;

	str_cat(to, "\"");
	for (p = text; *p != '\0'; p++) {
		if (*p == '"' || *p == '\\')
			str_cat(to, "\\");
		str_catn(to, p, 1);
	}
	str_cat(to, "\"");
}

const char *
conf_word_text(const struct conf_word *words, int value)
{
	for (; words->text != NULL; words++)
		if (words->value == value)
			return words->text;
	return "?";
}

bool
conf_word_parse(const struct conf_word *words, const char *text, int *value)
{
	for (; words->text != NULL; words++) {
		if (strcmp(words->text, text) == 0) {
			*value = words->value;
			return true;
		}
	}
	return false;
}

/* ---- texts ------------------------------------------------------------------ */

const char *
conf_text(struct conf_reader *r, const struct conf_rule *u, const struct conf_node *n)
{
	char space[240];
	struct str why = STR_IN(space);
	const unsigned char *p;

	if (n->kind != CONF_NODE_TEXT) {
		conf_refuse(r, u, n, "is no text in quotes");
		return NULL;
	}
	for (p = (const unsigned char *)n->text; *p != '\0'; p++) {
		if (*p < 0x20 || *p == 0x7f) {
			conf_refuse(r, u, n, "holds a control character");
			return NULL;
		}
	}
	space[0] = '\0';
	if (u->check != NULL && !u->check(n->text, &why)) {
		conf_refuse(r, u, n, space);
		return NULL;
	}
	return arena_strdup(r->keep, n->text);
}

static void
text_read(struct conf_reader *r, const struct conf_rule *u, const struct conf_node *n, void *field)
{
	const char *text = conf_text(r, u, n);

	if (text != NULL)
		*(const char **)field = text;
}

static void
text_write(struct str *to, const struct conf_rule *u, const void *field)
{
	(void)u;
	conf_quote(to, *(const char *const *)field);
}

const struct conf_type conf_type_text = { text_read, text_write };

void
conf_elements(const struct conf_node *n, const struct conf_node **at, size_t *count)
{
	*at = n->kind == CONF_NODE_LIST ? n->child : n;
	*count = n->kind == CONF_NODE_LIST ? n->n : 1;
}

static bool
texts_hold(const struct conf_strings *s, const char *text)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (strcmp(s->at[i], text) == 0)
			return true;
	return false;
}

static void
texts_read(struct conf_reader *r, const struct conf_rule *u, const struct conf_node *n, void *field)
{
	const struct conf_node *element;
	struct conf_strings s = { 0, NULL };
	const char *text;
	size_t i, count;

	conf_elements(n, &element, &count);
	if (count < u->least || count > u->most) {
		conf_problem(r, n, "a list of %zu; allowed: %" PRIu64 " to %" PRIu64 " of: %s", count,
		    u->least, u->most, u->row.allowed);
		return;
	}
	s.at = arena_alloc(r->keep, count * sizeof(*s.at));
	for (i = 0; i < count; i++) {
		text = conf_text(r, u, &element[i]);
		if (text == NULL)
			continue;
		if (texts_hold(&s, text))
			conf_refuse(r, u, &element[i], "stands twice in this list");
		else
			s.at[s.n++] = text;
	}
	*(struct conf_strings *)field = s;
}

static void
texts_write(struct str *to, const struct conf_rule *u, const void *field)
{
	const struct conf_strings *s = field;
	size_t i;

	(void)u;
	str_cat(to, "[ ");
	for (i = 0; i < s->n; i++) {
		str_cat(to, i > 0 ? ", " : "");
		conf_quote(to, s->at[i]);
	}
	str_cat(to, s->n > 0 ? " ]" : "]");
}

const struct conf_type conf_type_texts = { texts_read, texts_write };

/* ---- one of a few words -------------------------------------------------------- */

static bool
word_of(struct conf_reader *r, const struct conf_rule *u, const struct conf_node *n, int *value)
{
	if (n->kind == CONF_NODE_TEXT && conf_word_parse(u->words, n->text, value))
		return true;
	conf_refuse(r, u, n, n->kind == CONF_NODE_TEXT ? "is not known here" : "is no text in quotes");
	return false;
}

static void
word_read(struct conf_reader *r, const struct conf_rule *u, const struct conf_node *n, void *field)
{
	int value;

	if (word_of(r, u, n, &value))
		memcpy(field, &value, sizeof(value));	/* an enum or an int */
}

static void
word_write(struct str *to, const struct conf_rule *u, const void *field)
{
	int value;

	memcpy(&value, field, sizeof(value));
	conf_quote(to, conf_word_text(u->words, value));
}

const struct conf_type conf_type_word = { word_read, word_write };

_Static_assert(sizeof(enum conf_action) == sizeof(int) && sizeof(enum conf_mode) == sizeof(int) &&
    sizeof(enum conf_form) == sizeof(int) && sizeof(enum conf_count) == sizeof(int),
    "word_read writes an int");

static void
word_bool_read(struct conf_reader *r, const struct conf_rule *u, const struct conf_node *n, void *field)
{
	int value;

	if (word_of(r, u, n, &value))
		*(bool *)field = value != 0;
}

static void
word_bool_write(struct str *to, const struct conf_rule *u, const void *field)
{
	conf_quote(to, conf_word_text(u->words, *(const bool *)field));
}

const struct conf_type conf_type_word_bool = { word_bool_read, word_bool_write };

/* A word that is kept as text. */
static void
choice_read(struct conf_reader *r, const struct conf_rule *u, const struct conf_node *n, void *field)
{
	int value;

	if (word_of(r, u, n, &value))
		*(const char **)field = conf_word_text(u->words, value);
}

const struct conf_type conf_type_choice = { choice_read, text_write };

static void
bool_read(struct conf_reader *r, const struct conf_rule *u, const struct conf_node *n, void *field)
{
	if (n->kind == CONF_NODE_BOOL)
		*(bool *)field = n->number != 0;
	else
		conf_refuse(r, u, n, "is neither true nor false");
}

static void
bool_write(struct str *to, const struct conf_rule *u, const void *field)
{
	(void)u;
	str_cat(to, *(const bool *)field ? "true" : "false");
}

const struct conf_type conf_type_bool = { bool_read, bool_write };

/* ---- quantities ------------------------------------------------------------------ */

static void
number_read(struct conf_reader *r, const struct conf_rule *u, const struct conf_node *n, void *field)
{
	if (n->kind != CONF_NODE_NUMBER)
		conf_refuse(r, u, n, "is no whole number");
	else if (n->number < 0 || (uint64_t)n->number < u->least || (uint64_t)n->number > u->most)
		conf_refuse(r, u, n, "is out of range");
	else
		*(unsigned *)field = (unsigned)n->number;
}

static void
number_write(struct str *to, const struct conf_rule *u, const void *field)
{
	(void)u;
	str_catf(to, "%u", *(const unsigned *)field);
}

const struct conf_type conf_type_number = { number_read, number_write };

/* Text with a unit, or a number in the base unit. */
static void
quantity_read(struct conf_reader *r, const struct conf_rule *u, const struct conf_node *n, void *field,
    int (*parse)(const char *, uint64_t *), uint64_t unit, const char *wrong)
{
	uint64_t v = 0;
	bool ok = false;

	if (n->kind == CONF_NODE_TEXT)
		ok = parse(n->text, &v) == 1;
	else if (n->kind == CONF_NODE_NUMBER && n->number >= 0 && (uint64_t)n->number <= UINT64_MAX / unit) {
		v = (uint64_t)n->number * unit;
		ok = true;
	}
	if (!ok)
		conf_refuse(r, u, n, wrong);
	else if (v < u->least || v > u->most)
		conf_refuse(r, u, n, "is out of range");
	else
		*(uint64_t *)field = v;
}

static void
duration_read(struct conf_reader *r, const struct conf_rule *u, const struct conf_node *n, void *field)
{
	quantity_read(r, u, n, field, str_duration, 1000, "is no duration");
}

static void
duration_write(struct str *to, const struct conf_rule *u, const void *field)
{
	char text[32];

	(void)u;
	str_duration_text(*(const uint64_t *)field, text, sizeof(text));
	conf_quote(to, text);
}

const struct conf_type conf_type_duration = { duration_read, duration_write };

static void
size_read(struct conf_reader *r, const struct conf_rule *u, const struct conf_node *n, void *field)
{
	quantity_read(r, u, n, field, str_size, 1, "is no size");
}

static void
size_write(struct str *to, const struct conf_rule *u, const void *field)
{
	static const char units[] = "kMG";
	uint64_t v = *(const uint64_t *)field;
	int i = -1;

	(void)u;
	while (v >= 1024 && v % 1024 == 0 && i < 2) {
		v /= 1024;
		i++;
	}
	str_catf(to, "\"%" PRIu64 "%.*s\"", v, i < 0 ? 0 : 1, i < 0 ? "" : &units[i]);
}

const struct conf_type conf_type_size = { size_read, size_write };
