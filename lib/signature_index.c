/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * signature_index - finds, for a field that is there, the few conditions that are worth trying.
 *
 * Three things make the cost of a message follow its own fields, and not the number of signatures:
 * names are hashed; under one name, conditions that begin with a fixed text are found by its first byte, and
 * others that hold a fixed text are passed over when the value lacks three of its pairs of letters; and a
 * signature is looked at only when the rarest of the conditions that it must have holds.
 *
 * Made once when a set is loaded, read by signature.c. It judges nothing.
 */
#include "lib/signature_private.h"

#include <stdlib.h>
#include <string.h>

#include "lib/str.h"

#include "lib/banned.h"

/* ---- what a value must hold ------------------------------------------------------ */

/* Where a class in [brackets] ends. */
static const char *
need_skip_class(const char *p)
{
	p += p[1] == '^' ? 2 : 1;
	if (*p == ']')
		p++;
	for (; *p != '\0' && *p != ']'; p++)
		if (*p == '\\' && p[1] != '\0')
			p++;
	return p;
}

/* True when the pattern has alternatives on its top level, or is written in a way that is not looked into. */
static bool
need_unclear(const char *p)
{
	int depth = 0;

	if (strstr(p, "\\Q") != NULL || strstr(p, "(*") != NULL || strstr(p, "(?x") != NULL)
		return true;
	for (; *p != '\0'; p++) {
		if (*p == '\\' && p[1] != '\0')
			p++;
		else if (*p == '[' && *(p = need_skip_class(p)) == '\0')
			return true;
		else if (*p == '(')
			depth++;
		else if (*p == ')')
			depth--;
		else if (*p == '|' && depth == 0)
			return true;
	}
	return false;
}

/* One byte of the pattern that stands for itself: its length in the pattern, 0 when it does not. */
static size_t
need_plain(const char *p, char *c)
{
	const bool escaped = *p == '\\';

	*c = p[escaped];
	if ((*c >= '0' && *c <= '9') || (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z'))
		return escaped ? 0 : 1;		/* \d is no d */
	if ((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f)
		return 0;
	if (escaped)
		return 2;
	return strchr("^$.[|()?*+{", *c) == NULL ? 1 : 0;
}

/* What every match of a pattern begins with, as far as it is plain text. */
static void
need_of_pattern(struct signature_test *t)
{
	const char *p = t->text;
	size_t step;
	char c;

	if (strncmp(p, "(?i)", 4) == 0)
		p += 4;
	t->need_first = *p == '^';
	p += t->need_first;
	if (strncmp(p, "\\b", 2) == 0)
		p += 2;
	if (need_unclear(p))
		return;
	while (t->n_need < SIGNATURE_NEED_MAX && (step = need_plain(p, &c)) > 0) {
		p += step;
		if (*p == '?' || *p == '*' || *p == '{')
			break;
		t->need[t->n_need++] = c;
		if (*p == '+')
			break;
	}
}

static void
need_of(struct signature_test *t)
{
	size_t i, at;

	switch (t->op) {
	case SIGNATURE_IS:
	case SIGNATURE_STARTS:
		t->need_first = true;
		/* fall through */
	case SIGNATURE_ENDS:
	case SIGNATURE_CONTAINS:
		t->n_need = (uint8_t)(t->length < SIGNATURE_NEED_MAX ? t->length : SIGNATURE_NEED_MAX);
		memcpy(t->need, t->text, t->n_need);
		break;
	case SIGNATURE_MATCHES:
	case SIGNATURE_REPEATS:
		need_of_pattern(t);
		break;
	default:
		break;
	}
	if (!t->need_first && t->n_need < 2)
		t->n_need = 0;
	t->need_first &= t->n_need > 0;
	(void)str_lower(t->need);
	for (i = 0; i < SIGNATURE_NEED_PAIRS && !t->need_first && t->n_need >= 2; i++) {
		at = i * (size_t)(t->n_need - 2) / (SIGNATURE_NEED_PAIRS - 1);
		t->pairs[i] = (uint16_t)signature_pair((unsigned char)t->need[at], (unsigned char)t->need[at + 1]);
	}
}

/* ---- names --------------------------------------------------------------------------- */

/* Fields in which a program says what it is. Those who are recognised by one move to the other. */
static const char *const signature_mailer_fields[] = { "x-mailer", "user-agent" };

uint64_t
signature_hash(const char *text, size_t n)
{
	uint64_t h = UINT64_C(14695981039346656037);
	size_t i;

	for (i = 0; i < n; i++)
		h = (h ^ (unsigned char)text[i]) * UINT64_C(1099511628211);
	return h ^ h >> 32;	/* the index takes the low bits */
}

struct signature_slot *
signature_slot(const struct signature_set *s, const char *text, uint64_t hash)
{
	size_t i = hash & (s->n_slots - 1);

	while (s->slots[i].n > 0 && (s->slots[i].hash != hash || strcmp(s->slots[i].text, text) != 0))
		i = (i + 1) & (s->n_slots - 1);
	return &s->slots[i];
}

static void
signature_slot_add(struct signature_set *s, const char *text, unsigned name)
{
	const uint64_t hash = signature_hash(text, strlen(text));
	struct signature_slot *slot = signature_slot(s, text, hash);

	slot->text = text;
	slot->hash = hash;
	slot->names[slot->n++] = name;
}

struct index_row {
	unsigned group, key, test;
};

static int
index_order(const void *a, const void *b)
{
	const struct index_row *x = a, *y = b;

	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->test < y->test ? -1 : x->test > y->test;
}

/* Of the pairs of letters in what a test must hold, the one that the fewest others of its name hold. */
static unsigned
index_rarest_pair(const struct signature_test *t, const unsigned *count)
{
	unsigned best = t->pairs[0];
	size_t i;

	for (i = 1; i < SIGNATURE_NEED_PAIRS; i++)
		if (count[t->pairs[i]] < count[best])
			best = t->pairs[i];
	return best;
}

/* Puts the tests of one name in the order of struct signature_name. */
static void
index_tests(struct signature_set *s, struct signature_name *n)
{
	struct index_row *rows = calloc(n->n_tests + 1, sizeof(*rows));
	unsigned count[SIGNATURE_PAIRS] = { 0 };
	const struct signature_test *t;
	size_t i, k;

	if (rows == NULL)
		abort();
	for (i = 0; i < n->n_tests; i++)
		for (k = 0; k < SIGNATURE_NEED_PAIRS; k++)
			count[s->tests[n->tests[i]].pairs[k]]++;
	for (i = 0; i < n->n_tests; i++) {
		t = &s->tests[n->tests[i]];
		rows[i].test = n->tests[i];
		rows[i].group = t->n_need == 0 ? 0 : t->need_first ? 2 : 1;
		rows[i].key = t->need_first ? (unsigned char)t->need[0] : index_rarest_pair(t, count);
	}
	qsort(rows, n->n_tests, sizeof(*rows), index_order);
	n->key = arena_alloc(s->memory, (n->n_tests + 1) * sizeof(*n->key));
	n->pairs = arena_zalloc(s->memory, SIGNATURE_PAIRS / 8);
	n->n_free = n->n_held = 0;
	for (i = 0; i < n->n_tests; i++) {
		n->tests[i] = rows[i].test;
		n->key[i] = (uint16_t)rows[i].key;
		n->n_free += rows[i].group == 0;
		n->n_held += rows[i].group < 2;
		if (rows[i].group == 1)
			n->pairs[rows[i].key / 64] |= UINT64_C(1) << rows[i].key % 64;
	}
	free(rows);
}

static void
index_add_entry(struct signature_set *s, struct signature_test *t, unsigned entry)
{
	unsigned *bigger;

	if (t->n_entries > 0 && t->entries[t->n_entries - 1] == entry)
		return;
	if ((t->n_entries & (t->n_entries - 1)) == 0) {		/* 0, or a power of two: full */
		bigger = arena_alloc(s->memory, (t->n_entries == 0 ? 1 : 2 * t->n_entries) * sizeof(*bigger));
		if (t->n_entries > 0)
			memcpy(bigger, t->entries, t->n_entries * sizeof(*bigger));
		t->entries = bigger;
	}
	t->entries[t->n_entries++] = entry;
}

/* Hangs a signature on the test that few others need, if there is one that it must have; else on each of
 * those of which it needs one. */
static void
index_entry(struct signature_set *s, unsigned number)
{
	const struct signature_entry *e = &s->entries[number];
	struct signature_test *rarest = NULL, *t;
	size_t i;

	for (i = 0; i < e->n; i++) {
		t = &s->tests[e->conditions[i].test];
		if (e->conditions[i].how == SIGNATURE_ALL && (rarest == NULL || t->uses < rarest->uses))
			rarest = t;
	}
	if (rarest != NULL) {
		index_add_entry(s, rarest, number);
		return;
	}
	for (i = 0; i < e->n; i++)
		if (e->conditions[i].how == SIGNATURE_ANY)
			index_add_entry(s, &s->tests[e->conditions[i].test], number);
}

static void
index_names(struct signature_set *s)
{
	size_t i, k;

	s->flood = s->body = -1;
	for (s->n_slots = 16; s->n_slots < 2 * (s->n_names + 2); s->n_slots *= 2)
		;
	s->slots = arena_zalloc(s->memory, s->n_slots * sizeof(*s->slots));
	s->wild = arena_alloc(s->memory, (s->n_names + 1) * sizeof(*s->wild));
	for (i = 0; i < s->n_names; i++) {
		if (s->names[i].wild) {
			s->names[i].tail = strlen(strrchr(s->names[i].text, '*') + 1);
			s->wild[s->n_wild++] = (unsigned)i;
		} else if (strcmp(s->names[i].text, "@flood") == 0) {
			s->flood = (int)i;
		} else if (strcmp(s->names[i].text, "@body") == 0) {
			s->body = (int)i;
		} else if (strcmp(s->names[i].text, "@mailer") == 0) {
			for (k = 0; k < 2; k++)
				signature_slot_add(s, signature_mailer_fields[k], (unsigned)i);
		} else {
			signature_slot_add(s, s->names[i].text, (unsigned)i);
		}
	}
}

void
signature_index(struct signature_set *s)
{
	size_t i, k;

	for (i = 0; i < s->n_tests; i++)
		need_of(&s->tests[i]);
	index_names(s);
	for (i = 0; i < s->n_names; i++)
		index_tests(s, &s->names[i]);
	for (i = 0; i < s->n_entries; i++)
		for (k = 0; k < s->entries[i].n; k++)
			s->tests[s->entries[i].conditions[k].test].uses +=
			    s->entries[i].conditions[k].how != SIGNATURE_NONE;
	for (i = 0; i < s->n_entries; i++)
		index_entry(s, (unsigned)i);
}

bool
signature_wants_body(const struct signature_set *s)
{
	return s != NULL && s->body >= 0;
}

/* Compares with "x-*-campaign-uid"; at most two '*' (signature_file.c), so this is short. */
bool
signature_wild(const struct signature_name *n, const char *name, size_t length)
{
	const char *pattern = n->text, *star = NULL, *retry = NULL;

	/* Nearly all names differ at the end already. */
	if (length < n->tail || memcmp(name + length - n->tail, n->text + n->length - n->tail, n->tail) != 0)
		return false;
	while (*name != '\0') {
		if (*pattern == '*') {
			star = ++pattern;
			retry = name;
		} else if (*pattern == *name) {
			pattern++;
			name++;
		} else if (star != NULL) {
			pattern = star;
			name = ++retry;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

/* A field name in lower case, without the blanks that obsolete syntax allows before the colon (RFC 5322 4.5).
 * Returns its length, 0 when it is none that a signature can name. */
size_t
signature_lower_name(const char *name, char to[SIGNATURE_FIELD_NAME_MAX + 1])
{
	size_t n = 0;

	while (*name == ' ' || *name == '\t')
		name++;
	for (; name[n] != '\0'; n++) {
		if (n == SIGNATURE_FIELD_NAME_MAX)
			return 0;
		to[n] = name[n];
	}
	while (n > 0 && (to[n - 1] == ' ' || to[n - 1] == '\t'))
		n--;
	to[n] = '\0';
	(void)str_lower(to);
	return n;
}

bool
signature_wants(const struct signature_set *s, const char *name)
{
	char lower[SIGNATURE_FIELD_NAME_MAX + 1];
	size_t n, i;

	if (s == NULL || (n = signature_lower_name(name, lower)) == 0)
		return false;
	if (signature_slot(s, lower, signature_hash(lower, n))->n > 0)
		return true;
	for (i = 0; i < s->n_wild; i++)
		if (signature_wild(&s->names[s->wild[i]], lower, n))
			return true;
	return false;
}
