/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * api_limits - one limit for one subject: what is used and left, where the ceiling comes from, who raised it.
 *
 * Puts together what three places know: the configuration (limit, plan), the customers table (plan,
 * probation) and the store (windows, overrides). Changes nothing.
 */
#include "milter/api_private.h"

#include <string.h>

#include <jansson.h>

#include "lib/str.h"

#include "lib/banned.h"

int
api_limit_ceilings(struct api_request *r, const struct conf_limit *l, struct api_subject *s,
    struct limit_ceilings *to, const char **from, struct err *e)
{
	const struct conf_plan *plan;
	const char *customer;

	if (!l->by_plan) {
		*to = l->ceilings;
		*from = "limit";
		return 1;
	}
	if (!s->read) {
		customer = str_lower(arena_strdup(r->arena, s->parts.customer));
		if (customer_read(r->services, customer, r->now, r->arena, r->deadline, &s->customer, e) < 0)
			return -1;
		s->read = true;
	}
	plan = s->customer.plan == NULL ? NULL : conf_plan_find(r->conf, s->customer.plan);
	if (plan == NULL)
		return err_set(e, ERR_INPUT, "the plan of customer %.100s is not configured",
		    s->parts.customer);
	*to = plan->ceilings;
	*from = arena_printf(r->arena, "%s %s", s->customer.probation ? "probation" : "plan", plan->name);
	return 1;
}

bool
api_limit_matches(const struct conf_limit *l, const struct api_subject *s, bool exact)
{
	size_t i;

	for (i = 0; i < l->n_per; i++)
		if (l->per[i] == CONF_PER_EVERYONE ? !s->everyone :
		    limit_key_part(&s->parts, l->per[i]) == NULL)
			return false;
	return !exact || l->n_per == s->n;
}

const char *
api_limit_per(struct arena *a, const struct conf_limit *l)
{
	const char *text = "";
	size_t i;

	for (i = 0; i < l->n_per; i++)
		text = arena_printf(a, "%s%s%s", text, i == 0 ? "" : " and ", conf_per_text(l->per[i]));
	return text;
}

const char *
api_limit_names(const struct api_request *r, bool all)
{
	const char *text = all ? "all" : "";
	size_t i;

	for (i = 0; i < r->conf->n_limits; i++)
		text = arena_printf(r->arena, "%s%s%s", text, *text == '\0' ? "" : " ",
		    r->conf->limits[i].name);
	return text;
}

bool
api_limit_monitor(const struct conf *c, const struct conf_limit *l)
{
	return c->mode == CONF_MONITOR || c->limits_mode == CONF_MONITOR || l->mode == CONF_MONITOR;
}

/* ---- one row ------------------------------------------------------------------------------ */

struct row {
	const struct conf_limit *limit;
	const char *key;
	struct limit_ceilings ceilings;
	const struct store_override *raised, *exempt;	/* NULL = not */
	struct store_usage usage;			/* n = 0 when nothing is used */
};

static json_t *
override_json(struct arena *a, const struct store_override *w)
{
	json_t *j = json_object();

	api_put(j, "until", api_json_time(w->until));
	api_put(j, "by", api_json_text(a, w->by));
	api_put(j, "reason", api_json_text(a, w->reason));
	return j;
}

static uint32_t
raised_most(const struct row *row, const struct limit_ceiling *c)
{
	size_t i;

	if (row->raised != NULL)
		for (i = 0; i < row->raised->ceilings.n; i++)
			if (row->raised->ceilings.at[i].length == c->length)
				return row->raised->ceilings.at[i].most;
	return c->most;
}

static uint32_t
used_in(const struct row *row, uint64_t length)
{
	size_t i;

	for (i = 0; i < row->usage.n; i++)
		if (row->usage.at[i].length == length)
			return row->usage.at[i].used;
	return 0;
}

static json_t *
windows_json(const struct row *row)
{
	json_t *list = json_array(), *j;
	char text[32];
	size_t i;

	for (i = 0; i < row->ceilings.n; i++) {
		const struct limit_ceiling *c = &row->ceilings.at[i];
		uint32_t most = raised_most(row, c), used = used_in(row, c->length);

		j = json_object();
		str_duration_text(c->length, text, sizeof(text));
		api_put(j, "window", json_string(text));
		api_put(j, "length", json_integer((json_int_t)c->length));
		api_put(j, "used", json_integer(used));
		api_put(j, "ceiling", json_integer(most));
		api_put(j, "configured", json_integer(c->most));
		api_put(j, "left", json_integer(used >= most ? 0 : most - used));
		json_array_append_new(list, j);
	}
	return list;
}

/* When a full window has room for one unit again: asked of the store as a message of nothing. */
static void
put_full_until(struct api_request *r, const struct row *row, json_t *j)
{
	struct store_item item = { .limit = row->limit->name, .key = row->key, .ceilings = row->ceilings };
	struct store_request q = { .items = &item, .n = 1, .warn_at = 100, .dry = true };
	struct err e;

	item.kind = row->limit->count == CONF_COUNT_DISTINCT || row->limit->count == CONF_COUNT_NETWORKS ?
	    STORE_DISTINCT : STORE_SUM;
	if (store_judge(r->store, &q, r->deadline, &e) == 1 && item.over)
		api_put(j, "full_until", api_json_time(item.retry_at));
}

static json_t *
row_json(struct api_request *r, const struct row *row, const char *from)
{
	const struct conf_limit *l = row->limit;
	json_t *j = json_object();
	char text[32];

	api_put(j, "limit", json_string(l->name));
	api_put(j, "per", json_string(api_limit_per(r->arena, l)));
	api_put(j, "key", api_json_text(r->arena, row->key));
	api_put(j, "unit", json_string(l->count == CONF_COUNT_BYTES ? "KiB" : conf_count_text(l->count)));
	api_put(j, "action", json_string(conf_action_text(l->action)));
	if (l->suspend > 0) {
		str_duration_text(l->suspend, text, sizeof(text));
		api_put(j, "suspend", json_string(text));
	}
	api_put(j, "mode", json_string(api_limit_monitor(r->conf, l) ? "monitor" : "enforce"));
	api_put(j, "from", api_json_text(r->arena, from));
	api_put(j, "windows", windows_json(row));
	if (row->raised != NULL)
		api_put(j, "raised", override_json(r->arena, row->raised));
	if (row->exempt != NULL)
		api_put(j, "exempt", override_json(r->arena, row->exempt));
	else
		put_full_until(r, row, j);
	return j;
}

static void
find_overrides(struct row *row, const struct store_override *list, int n)
{
	int i;

	for (i = 0; i < n; i++) {
		const struct store_override *w = &list[i];

		if (strcmp(w->key, row->key) != 0 ||
		    (strcmp(w->limit, row->limit->name) != 0 && !(w->exempt && strcmp(w->limit, "*") == 0)))
			continue;
		if (w->exempt)
			row->exempt = w;
		else
			row->raised = w;
	}
}

struct json_t *
api_limits(struct api_request *r, struct api_subject *s, struct err *e)
{
	struct store_override *overrides = NULL;
	int n = store_overrides(r->store, r->arena, &overrides, e);
	json_t *list = json_array();
	size_t i;

	for (i = 0; n >= 0 && i < r->conf->n_limits; i++) {
		struct row row = { .limit = &r->conf->limits[i] };
		char key[LIMIT_KEY_SIZE];
		const char *from = NULL;

		if (!api_limit_matches(row.limit, s, false) ||
		    !limit_key(row.limit, &s->parts, key, sizeof(key)))
			continue;
		row.key = key;
		find_overrides(&row, overrides, n);
		if (api_limit_ceilings(r, row.limit, s, &row.ceilings, &from, e) < 0 ||
		    store_usage(r->store, r->arena, row.limit->name, key, &row.usage, e) < 0)
			n = -1;
		else
			json_array_append_new(list, row_json(r, &row, from));
	}
	if (n < 0) {
		json_decref(list);
		return NULL;
	}
	return list;
}
