/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * conf_read - brings nodes and rows together: every setting in the file finds its
 * row in a table, gets read by the row's type, and what finds none is an unknown setting.
 *
 * Defaults are texts in the table and go through the same readers, so that what the
 * manual page says of a default is what happens. Rows are read in the table's order, not in
 * the file's: a limit's ceilings can be understood only when its count is known.
 *
 * Here, too, is the form of every message. It deliberately judges no value.
 */
#include "lib/conf_private.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/banned.h"

#define CONF_PROBLEMS_MAX 200u	/* told; a file that is no gatepost.conf at all would go on for pages */
#define CONF_HINT_MAX 40u	/* longest name that is compared for a near miss */

/* ---- messages ---------------------------------------------------------- */

static void
problem_path(const struct conf_node *n, struct str *to)
{
	if (n == NULL || n->parent == NULL)
		return;
	problem_path(n->parent, to);
	if (n->name == NULL) {
		str_catf(to, "[%u]", n->index);
		return;
	}
	if (to->len > 0)
		str_cat(to, ".");
	str_cat_safe(to, n->name);
}

struct conf_told {
	struct err e;
	bool warning;
	unsigned order;
	size_t number;		/* of its coming: keeps the order within a line */
};

static void
problem_keep(struct conf_reader *r, bool warning, struct conf_place place, const char *path, const char *fmt,
    va_list ap)
{
	char space[sizeof(((struct err *)0)->text)], text[sizeof(space)];
	struct str s = STR_IN(space);
	struct conf_told *t;

	r->mistakes += !warning;
	r->warnings += warning;
	if (r->n_told == CONF_PROBLEMS_MAX)
		return;
	if (r->told == NULL)
		r->told = arena_alloc(r->scratch, CONF_PROBLEMS_MAX * sizeof(*r->told));
	t = &r->told[r->n_told];
	*t = (struct conf_told){
		.warning = warning, .order = place.order == 0 ? UINT_MAX : place.order, .number = r->n_told++
	};

	vsnprintf(text, sizeof(text), fmt, ap);
	space[0] = '\0';
	if (path != NULL && path[0] != '\0')
		str_catf(&s, "%s: ", path);
	str_cat(&s, text);
	err_set(&t->e, ERR_INPUT, "%s", space);
	err_at(&t->e, place.file == NULL ? r->file : place.file, place.line);
}

void
conf_problem_at(struct conf_reader *r, struct conf_place place, const char *path, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	problem_keep(r, false, place, path, fmt, ap);
	va_end(ap);
}

void
conf_problem(struct conf_reader *r, const struct conf_node *n, const char *fmt, ...)
{
	char space[200];
	struct str path = STR_IN(space);
	va_list ap;

	space[0] = '\0';
	problem_path(n, &path);
	va_start(ap, fmt);
	problem_keep(r, false, n->place, space, fmt, ap);
	va_end(ap);
}

void
conf_warn_at(struct conf_reader *r, struct conf_place place, const char *path, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	problem_keep(r, true, place, path, fmt, ap);
	va_end(ap);
}

static int
problem_compare(const void *a, const void *b)
{
	const struct conf_told *x = a, *y = b;

	if (x->order != y->order)
		return x->order < y->order ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

void
conf_tell(struct conf_reader *r)
{
	bool warnings = r->mistakes == 0;
	void (*say)(void *, const struct err *) = warnings ? r->p->warn : r->p->say;
	struct err more = { .code = ERR_NONE };
	size_t i;

	r->p->count += r->mistakes;
	r->p->warnings += warnings ? r->warnings : 0;
	if (say == NULL || r->n_told == 0)
		return;
	qsort(r->told, r->n_told, sizeof(*r->told), problem_compare);
	for (i = 0; i < r->n_told; i++)
		if (r->told[i].warning == warnings)
			say(r->p->cookie, &r->told[i].e);
	if (r->mistakes + r->warnings <= CONF_PROBLEMS_MAX)
		return;
	err_set(&more, ERR_INPUT, "there are more than the %u told", CONF_PROBLEMS_MAX);
	err_at(&more, r->file, 0);
	say(r->p->cookie, &more);
}

void
conf_found(const struct conf_node *n, struct str *to)
{
	char space[120];
	struct str text = STR_IN(space);

	switch (n->kind) {
	case CONF_NODE_GROUP:
		str_cat(to, "a group");
		return;
	case CONF_NODE_LIST:
		str_cat(to, n->n == 0 ? "an empty list" : "a list");
		return;
	case CONF_NODE_NUMBER:
		str_catf(to, "the number %lld", (long long)n->number);
		return;
	case CONF_NODE_DECIMAL:
		str_catf(to, "the number %g", n->decimal);
		return;
	case CONF_NODE_BOOL:
		str_cat(to, n->number ? "true" : "false");
		return;
	case CONF_NODE_TEXT:
		space[0] = '\0';
		str_cat_safe(&text, n->text);
		str_catf(to, "\"%s%s\"", space, text.cut ? "..." : "");
		return;
	}
}

/* ---- unknown settings ---------------------------------------------------- */

/* Levenshtein distance of two short names; more than 2 is as good as any. */
static unsigned
hint_distance(const char *a, const char *b)
{
	unsigned row[CONF_HINT_MAX + 1], i, j, diagonal, above, best;
	size_t n = strlen(a), m = strlen(b);

	if (n > CONF_HINT_MAX || m > CONF_HINT_MAX)
		return 3;
	for (j = 0; j <= m; j++)
		row[j] = j;
	for (i = 1; i <= n; i++) {
		diagonal = row[0];
		row[0] = i;
		for (j = 1; j <= m; j++) {
			above = row[j];
			best = diagonal + (a[i - 1] != b[j - 1]);
			if (above + 1 < best)
				best = above + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
			diagonal = above;
		}
	}
	return row[m];
}

/* The name that a rule has within the group at path ("" = the top): its next component; false when it is not
 * in there. */
static bool
rule_within(const struct conf_table *t, const struct conf_rule *u, const char *path, char *name, size_t size)
{
	const char *rest = u->row.path + strlen(t->prefix);
	size_t n = strlen(path);

	if (n > 0) {
		if (strncmp(rest, path, n) != 0 || rest[n] != '.')
			return false;
		rest += n + 1;
	}
	n = strcspn(rest, ".");
	if (n >= size)
		return false;
	memcpy(name, rest, n);
	name[n] = '\0';
	return true;
}

/* A sibling that differs by a slip of the finger, or the one row elsewhere with this very name. */
static bool
hint_find(const struct conf_table *t, const char *path, const char *wrong, char *to, size_t size)
{
	unsigned best = 3, d, elsewhere = 0;
	char name[CONF_HINT_MAX + 1];
	const char *last, *found = NULL;
	size_t i;

	for (i = 0; i < t->n; i++) {
		if (rule_within(t, &t->rules[i], path, name, sizeof(name))) {
			d = hint_distance(wrong, name);
			if (d < best && d < strlen(name)) {
				best = d;
				str_copy(to, size, name);
			}
		}
		last = strrchr(t->rules[i].row.path, '.');
		if (last != NULL && strcmp(last + 1, wrong) == 0) {
			elsewhere++;
			found = t->rules[i].row.path + strlen(t->prefix);
		}
	}
	if (best < 3)
		return true;
	return elsewhere == 1 && str_copy(to, size, found);
}

static void
read_unknown(struct conf_reader *r, const struct conf_table *t, const char *path, const struct conf_node *n)
{
	char hint[100], space[360], name[CONF_HINT_MAX + 1], before[CONF_HINT_MAX + 1] = "";
	struct str names = STR_IN(space);
	size_t i;

	if (hint_find(t, path, n->name, hint, sizeof(hint))) {
		conf_problem(r, n, "unknown setting; did you mean %s?", hint);
		return;
	}
	space[0] = '\0';
	for (i = 0; i < t->n; i++) {
		if (!rule_within(t, &t->rules[i], path, name, sizeof(name)) || strcmp(name, before) == 0)
			continue;
		str_catf(&names, "%s%s", names.len > 0 ? ", " : "", name);
		memcpy(before, name, sizeof(before));
	}
	conf_problem(r, n, "unknown setting; allowed: %s%s", space, names.cut ? "..." : "");
}

/* ---- reading --------------------------------------------------------------- */

struct reading {
	struct conf_reader *r;
	const struct conf_table *table;
	const struct conf_node *at[CONF_RULES_MAX];	/* of each rule */
};

/* Index of the rule with this path within the table; SIZE_MAX: none, but *group says whether some rule lies
 * below it. */
static size_t
read_find(const struct conf_table *t, const char *path, bool *group)
{
	size_t i, n = strlen(path);
	const char *rest;

	*group = false;
	for (i = 0; i < t->n; i++) {
		rest = t->rules[i].row.path + strlen(t->prefix);
		if (strcmp(rest, path) == 0)
			return i;
		if (strncmp(rest, path, n) == 0 && rest[n] == '.')
			*group = true;
	}
	return SIZE_MAX;
}

/* Finds each setting's rule, in this group and those within. */
static void
read_assign(struct reading *g, const struct conf_node *group, const char *path)
{
	const struct conf_node *n;
	char space[120];
	struct str s;
	size_t i, rule;
	bool is_group;

	for (i = 0; i < group->n; i++) {
		n = &group->child[i];
		s = (struct str)STR_IN(space);
		str_catf(&s, "%s%s%s", path, path[0] == '\0' ? "" : ".", n->name);
		rule = s.cut ? SIZE_MAX : read_find(g->table, space, &is_group);
		if (rule != SIZE_MAX) {
			g->at[rule] = n;
		} else if (s.cut || !is_group) {
			read_unknown(g->r, g->table, path, n);
		} else if (n->kind != CONF_NODE_GROUP) {
			s = (struct str)STR_IN(space);
			conf_found(n, &s);
			conf_problem(g->r, n, "%s is no group of settings; allowed: { ... }", space);
		} else {
			read_assign(g, n, space);
		}
	}
}

/* Fills base from the texts of the table's defaults. */
static void
read_defaults(struct conf_reader *r, const struct conf_table *t, void *base)
{
	struct conf_source s;
	const struct conf_node *root;
	size_t i, space = 1, len = 0;
	char *text;

	for (i = 0; i < t->n; i++)
		space += strlen(t->rules[i].row.def) + 32;
	text = arena_alloc(r->scratch, space);
	for (i = 0; i < t->n; i++)
		len += (size_t)snprintf(text + len, space - len, "d%zu = %s;\n", i,
		    t->rules[i].row.def[0] == '\0' ? "( )" : t->rules[i].row.def);
	root = conf_source_bytes(r, &s, text, len) ? conf_parse(r, &s) : NULL;
	conf_source_free(&s);
	for (i = 0; root != NULL && i < root->n; i++)
		if (t->rules[i].row.def[0] != '\0')
			t->rules[i].type->read(r, &t->rules[i], &root->child[i],
			    (char *)base + t->rules[i].at);
}

void
conf_read_group(struct conf_reader *r, const struct conf_table *table, const struct conf_node *group,
    void *base, struct conf_place *place)
{
	struct reading g = { .r = r, .table = table };
	const struct conf_rule *u;
	size_t i;

	read_defaults(r, table, base);
	if (group == NULL)
		return;
	read_assign(&g, group, "");
	for (i = 0; i < table->n; i++) {
		u = &table->rules[i];
		if (g.at[i] == NULL) {
			if (u->row.def[0] == '\0')
				conf_problem(r, group, "%s is missing; allowed: %s",
				    u->row.path + strlen(table->prefix), u->row.allowed);
			continue;
		}
		u->type->read(r, u, g.at[i], (char *)base + u->at);
		if (place != NULL)
			place[i] = g.at[i]->place;
	}
}
