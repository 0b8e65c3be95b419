/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * conf_group - the settings that are more than a value: limits, plans, escalations,
 * and what is done about mailers.
 *
 * The members of a limit or an escalation are rows of a table of their own, so that an unknown
 * member, a wrong type and a default are treated as everywhere. What one limit can get wrong by
 * itself is told here; whether its plans exist is a question for conf_check.c.
 */
#include "lib/conf_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/signature.h"
#include "lib/trait.h"
#include "lib/banned.h"

/* ---- ceilings ------------------------------------------------------------------- */

/* Reads the ceilings of a limit or a plan; false when one of them was told as a mistake. */
static bool
ceilings_read(struct conf_reader *r, const struct conf_node *n, bool kib, struct limit_ceilings *to)
{
	const struct conf_node *element;
	struct limit_ceiling c;
	struct limit_ceilings all = { .n = 0 };
	char space[160];
	struct str found;
	size_t i, count;
	const char *wrong;
	bool ok = true;

	conf_elements(n, &element, &count);
	if (count == 0)
		conf_problem(r, n, "an empty list; allowed: 1 to %d ceilings such as \"500/1h\"",
		    LIMIT_WINDOWS_MAX);
	for (i = 0; i < count; i++) {
		wrong = NULL;
		if (element[i].kind != CONF_NODE_TEXT || limit_ceiling_parse(element[i].text, kib, &c) != 1)
			wrong = "is no ceiling";
		else if (all.n == LIMIT_WINDOWS_MAX)
			wrong = "is one ceiling too many";
		else if (!limit_ceilings_add(&all, &c))
			wrong = "is a second ceiling for the same time";
		if (wrong == NULL)
			continue;
		found = (struct str)STR_IN(space);
		conf_found(&element[i], &found);
		conf_problem(r, &element[i], "%s %s; allowed: COUNT/WINDOW such as %s, at most %d a limit",
		    space, wrong, kib ? "2G/1d" : "500/1h", LIMIT_WINDOWS_MAX);
		ok = false;
	}
	*to = all;
	return ok && count > 0;
}

static void
ceilings_write(struct str *to, const struct limit_ceilings *c, bool kib)
{
	char text[64], length[32];
	size_t i;

	str_cat(to, "[ ");
	for (i = 0; i < c->n; i++) {
		limit_ceiling_text(&c->at[i], text, sizeof(text));
		if (kib) {
			str_duration_text(c->at[i].length, length, sizeof(length));
			snprintf(text, sizeof(text), "%" PRIu32 "k/%s", c->at[i].most, length);
		}
		str_cat(to, i > 0 ? ", " : "");
		conf_quote(to, text);
	}
	str_cat(to, " ]");
}

/* ---- members of a limit: the field is the whole struct conf_limit ------------------ */

static void
limit_ceilings_read(struct conf_reader *r, const struct conf_rule *u, const struct conf_node *n, void *field)
{
	struct conf_limit *l = field;

	(void)u;
	l->by_plan = n->kind == CONF_NODE_TEXT && strcmp(n->text, "plan") == 0;
	if (!l->by_plan)
		(void)ceilings_read(r, n, l->count == CONF_COUNT_BYTES, &l->ceilings);
}

static void
limit_ceilings_write(struct str *to, const struct conf_rule *u, const void *field)
{
	const struct conf_limit *l = field;

	(void)u;
	if (l->by_plan)
		conf_quote(to, "plan");
	else
		ceilings_write(to, &l->ceilings, l->count == CONF_COUNT_BYTES);
}

const struct conf_type conf_type_ceilings = { limit_ceilings_read, limit_ceilings_write };

static bool
limit_is_per(const struct conf_limit *l, enum conf_per p)
{
	size_t i;

	for (i = 0; i < l->n_per; i++)
		if (l->per[i] == p)
			return true;
	return false;
}

static void
limit_per_read(struct conf_reader *r, const struct conf_rule *u, const struct conf_node *n, void *field)
{
	struct conf_limit *l = field;
	const struct conf_node *element;
	size_t i, count;
	int v;

	conf_elements(n, &element, &count);
	if (count == 0)
		conf_refuse(r, u, n, "says nothing");
	for (i = 0; i < count; i++) {
		if (element[i].kind != CONF_NODE_TEXT || !conf_word_parse(u->words, element[i].text, &v))
			conf_refuse(r, u, &element[i], "is nothing to count for");
		else if (limit_is_per(l, (enum conf_per)v))
			conf_refuse(r, u, &element[i], "stands twice in this list");
		else if (l->n_per == CONF_PER_MAX)
			conf_refuse(r, u, &element[i], "is one too many");
		else
			l->per[l->n_per++] = (enum conf_per)v;
	}
}

static void
limit_per_write(struct str *to, const struct conf_rule *u, const void *field)
{
	const struct conf_limit *l = field;
	size_t i;

	str_cat(to, l->n_per == 1 ? "" : "[ ");
	for (i = 0; i < l->n_per; i++) {
		str_cat(to, i > 0 ? ", " : "");
		conf_quote(to, conf_word_text(u->words, (int)l->per[i]));
	}
	str_cat(to, l->n_per == 1 ? "" : " ]");
}

const struct conf_type conf_type_per = { limit_per_read, limit_per_write };

/* A duration that a suspension may last. */
static bool
suspend_time(const char *text, uint64_t *ms)
{
	return str_duration(text, ms) == 1 && *ms >= 1000 && *ms <= LIMIT_LENGTH_MAX;
}

static void
limit_action_read(struct conf_reader *r, const struct conf_rule *u, const struct conf_node *n, void *field)
{
	struct conf_limit *l = field;
	int v;

	if (n->kind == CONF_NODE_TEXT && strncmp(n->text, "suspend ", 8) == 0 &&
	    suspend_time(n->text + 8, &l->suspend))
		l->action = CONF_DEFER;
	else if (n->kind == CONF_NODE_TEXT && conf_word_parse(u->words, n->text, &v))
		l->action = (enum conf_action)v;
	else
		conf_refuse(r, u, n, "is no action of a limit");
}

static void
limit_action_write(struct str *to, const struct conf_rule *u, const void *field)
{
	const struct conf_limit *l = field;
	char time[32], text[48];

	str_duration_text(l->suspend, time, sizeof(time));
	snprintf(text, sizeof(text), "suspend %s", time);
	conf_quote(to, l->suspend > 0 ? text : conf_word_text(u->words, (int)l->action));
}

const struct conf_type conf_type_limit_action = { limit_action_read, limit_action_write };

/* "suspend account 24h"; the field is the whole struct conf_escalation. */
static void
suspend_read(struct conf_reader *r, const struct conf_rule *u, const struct conf_node *n, void *field)
{
	struct conf_escalation *e = field;

	if (n->kind == CONF_NODE_TEXT && strncmp(n->text, "suspend account ", 16) == 0 &&
	    suspend_time(n->text + 16, &e->suspend))
		e->customer = false;
	else if (n->kind == CONF_NODE_TEXT && strncmp(n->text, "suspend customer ", 17) == 0 &&
	    suspend_time(n->text + 17, &e->suspend))
		e->customer = true;
	else
		conf_refuse(r, u, n, "is no escalation");
}

static void
suspend_write(struct str *to, const struct conf_rule *u, const void *field)
{
	const struct conf_escalation *e = field;
	char time[32];

	(void)u;
	str_duration_text(e->suspend, time, sizeof(time));
	str_catf(to, "\"suspend %s %s\"", e->customer ? "customer" : "account", time);
}

const struct conf_type conf_type_suspend = { suspend_read, suspend_write };

/* ---- lists of groups -------------------------------------------------------------- */

/* True for a list whose groups can be read; elements that are none are told, and skipped by the caller. */
static bool
groups_of(struct conf_reader *r, const struct conf_rule *u, const struct conf_node *n)
{
	size_t i;

	if (n->kind != CONF_NODE_LIST) {
		conf_refuse(r, u, n, "is no list of groups");
		return false;
	}
	if (n->n > u->most) {
		conf_problem(r, n, "a list of %zu; allowed: at most %" PRIu64, n->n, u->most);
		return false;
	}
	for (i = 0; i < n->n; i++)
		if (n->child[i].kind != CONF_NODE_GROUP)
			conf_refuse(r, u, &n->child[i], "is no group");
	return true;
}

/* `{ name = "x"; ... }` */
static void
group_write(struct str *to, const struct conf_table *t, const void *base)
{
	const struct conf_rule *u;
	size_t i;

	str_cat(to, "{ ");
	for (i = 0; i < t->n; i++) {
		u = &t->rules[i];
		/* "when.mailer" and "when.sender" stand within a group of their own */
		if (strstr(u->row.path, ".when.mailer") != NULL)
			str_cat(to, "when = { mailer");
		else
			str_cat(to, strrchr(u->row.path, '.') + 1);
		str_cat(to, " = ");
		u->type->write(to, u, (const char *)base + u->at);
		str_cat(to, strstr(u->row.path, ".when.sender") != NULL ? "; }; " : "; ");
	}
	str_cat(to, "}");
}

/* What the members of one limit forbid each other. */
static void
limit_check(struct conf_reader *r, const struct conf_node *n, const struct conf_limit *l)
{
	if (l->by_plan && l->n_per > 0 && !limit_is_per(l, CONF_PER_CUSTOMER))
		conf_problem(r, n,
		    "ceilings by plan need a customer; allowed: per with \"customer\" in it, or ceilings of "
		    "its own");
	if (l->by_plan && l->count == CONF_COUNT_BYTES)
		conf_problem(r, n,
		    "plans count messages or recipients, not bytes; allowed: ceilings of its own");
	if (l->suspend > 0 && l->n_per > 0 && !limit_is_per(l, CONF_PER_CUSTOMER) &&
	    !limit_is_per(l, CONF_PER_ACCOUNT))
		conf_problem(r, n,
		    "nobody to suspend; allowed: per with \"account\" or \"customer\" in it, or another "
		    "action");
}

static void
limits_read(struct conf_reader *r, const struct conf_rule *u, const struct conf_node *n, void *field)
{
	struct conf *c = field;
	struct conf_limit *l;
	size_t i, j;

	if (!groups_of(r, u, n))
		return;
	c->limits = arena_zalloc(r->keep, n->n * sizeof(*c->limits));
	c->n_limits = n->n;
	for (i = 0; i < n->n; i++) {
		l = &c->limits[i];
		l->name = "";
		l->line = n->child[i].place.line;
		if (n->child[i].kind != CONF_NODE_GROUP)
			continue;
		conf_read_group(r, u->members, &n->child[i], l, NULL);
		limit_check(r, &n->child[i], l);
		for (j = 0; j < i && l->name[0] != '\0'; j++)
			if (strcmp(c->limits[j].name, l->name) == 0)
				conf_problem(r, &n->child[i],
				    "the name \"%s\" is taken by limits[%zu]; allowed: each name once",
				    l->name, j);
	}
}

static void
limits_write(struct str *to, const struct conf_rule *u, const void *field)
{
	const struct conf *c = field;
	size_t i;

	str_cat(to, "( ");
	for (i = 0; i < c->n_limits; i++) {
		str_cat(to, i > 0 ? ", " : "");
		group_write(to, u->members, &c->limits[i]);
	}
	str_cat(to, c->n_limits > 0 ? " )" : ")");
}

const struct conf_type conf_type_limits = { limits_read, limits_write };

static void
escalate_read(struct conf_reader *r, const struct conf_rule *u, const struct conf_node *n, void *field)
{
	struct conf *c = field;
	size_t i;

	if (!groups_of(r, u, n))
		return;
	c->alerts.escalate = arena_zalloc(r->keep, n->n * sizeof(*c->alerts.escalate));
	c->alerts.n_escalate = n->n;
	for (i = 0; i < n->n; i++) {
		c->alerts.escalate[i].when = "";
		if (n->child[i].kind == CONF_NODE_GROUP)
			conf_read_group(r, u->members, &n->child[i], &c->alerts.escalate[i], NULL);
	}
}

static void
escalate_write(struct str *to, const struct conf_rule *u, const void *field)
{
	const struct conf *c = field;
	size_t i;

	str_cat(to, "( ");
	for (i = 0; i < c->alerts.n_escalate; i++) {
		str_cat(to, i > 0 ? ", " : "");
		group_write(to, u->members, &c->alerts.escalate[i]);
	}
	str_cat(to, c->alerts.n_escalate > 0 ? " )" : ")");
}

const struct conf_type conf_type_escalate = { escalate_read, escalate_write };

/* ---- groups whose names are free ----------------------------------------------------- */

static bool
is_group(struct conf_reader *r, const struct conf_rule *u, const struct conf_node *n)
{
	if (n->kind == CONF_NODE_GROUP && n->n <= u->most)
		return true;
	conf_refuse(r, u, n, n->kind == CONF_NODE_GROUP ? "has too many members" : "is no group");
	return false;
}

static void
plans_read(struct conf_reader *r, const struct conf_rule *u, const struct conf_node *n, void *field)
{
	struct conf *c = field;
	struct conf_plan *p;
	size_t i;

	if (!is_group(r, u, n))
		return;
	c->plans = arena_zalloc(r->keep, n->n * sizeof(*c->plans));
	c->n_plans = n->n;
	for (i = 0; i < n->n; i++) {
		p = &c->plans[i];
		p->name = arena_strdup(r->keep, n->child[i].name);
		if (!conf_name_ok(p->name))
			conf_problem(r, &n->child[i],
			    "is no name of a plan; allowed: 1 to %u characters of a-z 0-9 -", CONF_NAME_MAX);
		(void)ceilings_read(r, &n->child[i], false, &p->ceilings);
	}
}

static void
plans_write(struct str *to, const struct conf_rule *u, const void *field)
{
	const struct conf *c = field;
	size_t i;

	(void)u;
	str_cat(to, "{ ");
	for (i = 0; i < c->n_plans; i++) {
		str_catf(to, "%s = ", c->plans[i].name);
		ceilings_write(to, &c->plans[i].ceilings, false);
		str_cat(to, "; ");
	}
	str_cat(to, "}");
}

const struct conf_type conf_type_plans = { plans_read, plans_write };

/* ---- what is told to others under their names -------------------------------------------- */

static void
also_read(struct conf_reader *r, const struct conf_rule *u, const struct conf_node *n, void *field)
{
	struct conf *c = field;
	char space[160];
	struct str why = STR_IN(space);
	size_t i;
	int v;

	if (!is_group(r, u, n))
		return;
	c->trace.also = arena_zalloc(r->keep, n->n * sizeof(*c->trace.also));
	c->trace.n_also = 0;
	for (i = 0; i < n->n; i++) {
		why = (struct str)STR_IN(space);
		if (!conf_check_header(n->child[i].name, &why)) {
			conf_problem(r, &n->child[i],
			    "%s; allowed: a header name of your own, such as X-Example",
			    space);
			continue;
		}
		if (n->child[i].kind != CONF_NODE_TEXT ||
		    !conf_word_parse(conf_words_also, n->child[i].text, &v)) {
			why = (struct str)STR_IN(space);
			conf_found(&n->child[i], &why);
			conf_problem(r, &n->child[i], "%s is nothing that we could say; allowed: %s", space,
			    u->row.allowed);
			continue;
		}
		c->trace.also[c->trace.n_also].name = arena_strdup(r->keep, n->child[i].name);
		c->trace.also[c->trace.n_also++].what = (enum conf_also)v;
	}
}

static void
also_write(struct str *to, const struct conf_rule *u, const void *field)
{
	const struct conf *c = field;
	size_t i;

	(void)u;
	str_cat(to, "{ ");
	for (i = 0; i < c->trace.n_also; i++) {
		str_catf(to, "%s = ", c->trace.also[i].name);
		conf_quote(to, conf_word_text(conf_words_also, (int)c->trace.also[i].what));
		str_cat(to, "; ");
	}
	str_cat(to, "}");
}

const struct conf_type conf_type_also = { also_read, also_write };

/* ---- what is done about mailers --------------------------------------------------------- */

/* `{ NAME = "ACTION"; ... }` with names of which known() speaks; the others are told as wrong. */
static void
list_read(struct conf_reader *r, const struct conf_rule *u, const struct conf_node *n,
    bool (*known)(const char *name), const char *wrong, struct conf_mailer_action **to, size_t *count)
{
	const struct conf_node *k;
	char space[160];
	struct str found;
	size_t i;
	int v;

	*to = arena_zalloc(r->keep, n->n * sizeof(**to));
	*count = 0;
	for (i = 0; i < n->n; i++) {
		k = &n->child[i];
		if (!known(k->name)) {
			conf_problem(r, k, "%s; allowed: %s", wrong, u->row.allowed);
			continue;
		}
		if (k->kind != CONF_NODE_TEXT || !conf_word_parse(conf_words_action, k->text, &v)) {
			found = (struct str)STR_IN(space);
			conf_found(k, &found);
			conf_problem(r, k,
			    "%s is no action; allowed: accept, tag, slow, hold, defer or reject", space);
			continue;
		}
		(*to)[*count].kind = arena_strdup(r->keep, k->name);
		(*to)[(*count)++].action = (enum conf_action)v;
	}
}

static void
list_write(struct str *to, const struct conf_mailer_action *list, size_t n)
{
	size_t i;

	str_cat(to, "{ ");
	for (i = 0; i < n; i++)
		str_catf(to, "%s = \"%s\"; ", list[i].kind, conf_action_text(list[i].action));
	str_cat(to, "}");
}

static void
actions_read(struct conf_reader *r, const struct conf_rule *u, const struct conf_node *n, void *field)
{
	struct conf *c = field;

	if (is_group(r, u, n))
		list_read(r, u, n, signature_kind_known, "is no kind of mailer", &c->mailers.actions,
		    &c->mailers.n_actions);
}

static void
actions_write(struct str *to, const struct conf_rule *u, const void *field)
{
	const struct conf *c = field;

	(void)u;
	list_write(to, c->mailers.actions, c->mailers.n_actions);
}

const struct conf_type conf_type_actions = { actions_read, actions_write };

static void
traits_read(struct conf_reader *r, const struct conf_rule *u, const struct conf_node *n, void *field)
{
	struct conf *c = field;

	if (is_group(r, u, n))
		list_read(r, u, n, trait_known, "is no trait", &c->mailers.traits, &c->mailers.n_traits);
}

static void
traits_write(struct str *to, const struct conf_rule *u, const void *field)
{
	const struct conf *c = field;

	(void)u;
	list_write(to, c->mailers.traits, c->mailers.n_traits);
}

const struct conf_type conf_type_traits = { traits_read, traits_write };

/* That the plans exist is conf_check.c's business. */
static void
mailer_plans_read(struct conf_reader *r, const struct conf_rule *u, const struct conf_node *n, void *field)
{
	struct conf *c = field;
	struct conf_mailer_plan *p;
	size_t i;

	if (!is_group(r, u, n))
		return;
	c->mailers.plans = arena_zalloc(r->keep, n->n * sizeof(*c->mailers.plans));
	c->mailers.n_plans = n->n;
	for (i = 0; i < n->n; i++) {
		p = &c->mailers.plans[i];
		p->plan = arena_strdup(r->keep, n->child[i].name);
		if (is_group(r, u, &n->child[i]))
			list_read(r, u, &n->child[i], signature_kind_known, "is no kind of mailer", &p->actions,
			    &p->n_actions);
	}
}

static void
mailer_plans_write(struct str *to, const struct conf_rule *u, const void *field)
{
	const struct conf *c = field;
	size_t i;

	(void)u;
	str_cat(to, "{ ");
	for (i = 0; i < c->mailers.n_plans; i++) {
		str_catf(to, "%s = ", c->mailers.plans[i].plan);
		list_write(to, c->mailers.plans[i].actions, c->mailers.plans[i].n_actions);
		str_cat(to, "; ");
	}
	str_cat(to, "}");
}

const struct conf_type conf_type_mailer_plans = { mailer_plans_read, mailer_plans_write };
