/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * customer - reads a row of the customers table: `plan=standard since=2026-01-31 name="Acme Ltd"`.
 *
 * A row with a mistake in it never makes a customer unlimited or unknown: what can be read
 * counts, the rest falls back on the default plan, and the problem is handed to the caller to tell.
 */
#include "milter/customer.h"

#include <string.h>

#include "lib/date.h"
#include "milter/check.h"

#include "lib/banned.h"

static void
judge_plan(const struct conf *c, struct arena *a, struct customer *to)
{
	const struct conf_plan *plan;

	if (to->row_plan == NULL)
		return;
	plan = conf_plan_find(c, to->row_plan);
	if (plan != NULL)
		to->plan = plan->name;
	else
		to->problem = arena_printf(a, "plan %.60s is not configured; using %s", to->row_plan,
		    c->default_plan);
}

static void
judge_probation(const struct conf *c, struct arena *a, uint64_t now, struct customer *to)
{
	uint64_t since, until;

	if (to->since == NULL)
		return;
	if (date_parse(to->since, strlen(to->since), &since) != 1) {
		to->problem = arena_printf(a, "since=%.40s is no date YYYY-MM-DD", to->since);
		return;
	}
	until = since + (uint64_t)c->probation.days * DATE_DAY_MS;
	if (c->probation.days == 0 || now >= until)
		return;
	to->probation = true;
	to->probation_until = until;
	to->plan = c->probation.plan;
}

int
customer_read(const struct services *s, const char *name, uint64_t now, struct arena *a, uint64_t deadline,
    struct customer *to, struct err *e)
{
	const char *row;
	int r;

	memset(to, 0, sizeof(*to));
	to->plan = s->conf->default_plan;
	if (s->customers == NULL)
		return 0;
	r = table_lookup(s->customers, name, a, deadline, &row, e);
	if (r <= 0)
		return r;
	if (table_attribute(a, row, "plan", &to->row_plan) < 0 ||
	    table_attribute(a, row, "since", &to->since) < 0 ||
	    table_attribute(a, row, "name", &to->name) < 0 ||
	    table_attribute(a, row, "contact", &to->contact) < 0) {
		to->row_plan = to->since = to->name = to->contact = NULL;
		to->problem = "the customers table's value is not attribute=value ...";
		return 1;
	}
	judge_plan(s->conf, a, to);
	judge_probation(s->conf, a, now, to);
	return 1;
}
