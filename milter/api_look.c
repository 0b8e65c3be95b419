/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * api_look - the answers that change nothing: status, metrics, top, show, limits, suspensions, overrides.
 *
 * Each reads what the modules know of themselves and writes it down as JSON. Numbers are
 * numbers and times are milliseconds since 1970: how they look is gatepostctl's business.
 */
#include "milter/api_private.h"

#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "lib/alert.h"
#include "lib/log.h"
#include "lib/str.h"
#include "lib/trace_memory.h"
#include "milter/chain.h"
#include "milter/metrics.h"

#include "lib/banned.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

#define TOP_MOST 1000u

static void
put_number(json_t *j, const char *name, uint64_t n)
{
	api_put(j, name, json_integer((json_int_t)n));
}

/* ---- status ------------------------------------------------------------------------------ */

static json_t *
messages_json(void)
{
	struct chain_numbers n;
	json_t *j = json_object();
	size_t i;

	chain_numbers(&n);
	put_number(j, "total", n.messages);
	for (i = 0; i < 6; i++)
		put_number(j, conf_action_text((enum conf_action)i), n.by_action[i]);
	put_number(j, "aborted", n.aborted);
	put_number(j, "would", n.would);
	put_number(j, "unsure", n.unsure);
	return j;
}

static json_t *
store_json(const struct api_request *r)
{
	struct store_numbers n;
	json_t *j = json_object();

	store_numbers(r->store, &n);
	api_put(j, "type", api_json_text(r->arena, r->conf->store.type));
	put_number(j, "keys", n.keys);
	put_number(j, "values", n.values);
	put_number(j, "digests", n.digests);
	put_number(j, "bytes", n.bytes);
	put_number(j, "bytes_most", n.bytes_most);
	put_number(j, "evicted", n.evicted);
	put_number(j, "judged", n.judged);
	put_number(j, "taken", n.taken);
	put_number(j, "refused", n.refused);
	put_number(j, "suspensions", n.suspensions);
	put_number(j, "overrides", n.overrides);
	return j;
}

/* The relays that share the store, when it is shared. */
static json_t *
relays_json(const struct api_request *r)
{
	struct store_relay *w = NULL;
	json_t *list = json_array(), *j;
	struct err e;
	int n = store_relays(r->store, r->arena, &w, &e), i;

	for (i = 0; i < n; i++) {
		j = json_object();
		api_put(j, "relay", api_json_text(r->arena, w[i].name));
		api_put(j, "version", api_json_text(r->arena, w[i].version));
		put_number(j, "seen", w[i].seen);
		put_number(j, "lag_us", w[i].lag);
		put_number(j, "degraded_ms", w[i].degraded);
		put_number(j, "judged", w[i].judged);
		put_number(j, "taken", w[i].taken);
		put_number(j, "refused", w[i].refused);
		put_number(j, "judged_alone", w[i].local);
		json_array_append_new(list, j);
	}
	return list;
}

static void
put_shared(struct api_request *r, json_t *j)
{
	struct store_health h;

	if (!store_health(r->store, &h))
		return;
	api_put(j, "degraded", json_boolean(h.degraded));
	if (h.degraded) {
		put_number(j, "degraded_since", h.since);
		api_put(j, "why", api_json_text(r->arena, h.why));
	}
	put_number(j, "relays_alive", h.relays);
	put_number(j, "judged_alone", h.local);
	put_number(j, "to_fold_back", h.waiting);
	put_number(j, "folded_back", h.folded);
	put_number(j, "given_up", h.lost);
	api_put(j, "relays", relays_json(r));
}

static json_t *
alerts_json(const struct api_request *r)
{
	struct alert_numbers n = { 0 };
	json_t *j = json_object();

	if (r->alerts != NULL)
		alert_numbers(r->alerts, &n);
	put_number(j, "posted", n.posted);
	put_number(j, "told", n.told);
	put_number(j, "suppressed", n.suppressed);
	put_number(j, "dropped", n.dropped);
	put_number(j, "open", n.open);
	return j;
}

static json_t *
tables_json(const struct api_request *r)
{
	const struct services *v = r->services;
	const struct { const char *name; const struct table *table; } t[] = {
		{ "accounts", v->accounts }, { "networks", v->networks }, { "users", v->users },
		{ "domains", v->domains }, { "customers", v->customers }, { "also", v->also },
		{ "mailers", v->mailers }, { "exempt", v->exempt },
	};
	json_t *list = json_array(), *j;
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		if (t[i].table == NULL)
			continue;
		j = json_object();
		api_put(j, "table", json_string(t[i].name));
		api_put(j, "spec", api_json_text(r->arena, table_spec(t[i].table)));
		put_number(j, "entries", table_entries(t[i].table));
		put_number(j, "bytes", table_bytes(t[i].table));
		json_array_append_new(list, j);
	}
	return list;
}

/* Of preflight. */
static json_t *
dns_json(struct dns *dns)
{
	struct dns_counts n;
	json_t *j = json_object();

	dns_count(dns, &n);
	put_number(j, "asked", n.asked);
	put_number(j, "hits", n.hits);
	put_number(j, "failed", n.failed);
	put_number(j, "late", n.late);
	put_number(j, "stale", n.stale);
	return j;
}

/* What is remembered of messages for complaints. */
static json_t *
memory_json(const struct api_request *r)
{
	struct trace_memory_numbers n;
	json_t *j = json_object();

	trace_memory_numbers(r->services->memory, &n);
	put_number(j, "written", n.written);
	put_number(j, "dropped", n.dropped);
	put_number(j, "bytes", n.bytes);
	return j;
}

/* Which keys this relay has loaded: a new one may be activated when all relays show it. */
static json_t *
keys_json(const struct api_request *r)
{
	json_t *list = json_array();
	enum seal_state state;
	const char *id;
	uint64_t made;
	size_t i;

	for (i = 0; r->services->keys != NULL && seal_keys_at(r->services->keys, i, &id, &state, &made); i++)
		json_array_append_new(list, json_pack("{s:s,s:s,s:I}", "id", id, "state",
		    seal_state_text(state),
		    "made", (json_int_t)made));
	return list;
}

unsigned
api_look_status(struct api_request *r)
{
	const struct api_hooks *h = r->hooks;
	json_t *store;

	api_put(r->out, "version", json_string(PACKAGE_VERSION));
	put_number(r->out, "pid", (uint64_t)getpid());
	api_put(r->out, "relay", api_json_text(r->arena, r->conf->relay));
	api_put(r->out, "config", api_json_text(r->arena, r->conf->file));
	api_put(r->out, "mode", json_string(r->conf->mode == CONF_MONITOR ? "monitor" : "enforce"));
	put_number(r->out, "now", r->now);
	put_number(r->out, "started", h->started);
	put_number(r->out, "sessions", h->sessions == NULL ? 0 : h->sessions(h->cookie));
	api_put(r->out, "messages", messages_json());
	store = store_json(r);
	put_shared(r, store);
	api_put(r->out, "store", store);
	api_put(r->out, "alerts", alerts_json(r));
	api_put(r->out, "memory", memory_json(r));
	if (r->services->dns != NULL)
		api_put(r->out, "dns", dns_json(r->services->dns));
	api_put(r->out, "tables", tables_json(r));
	api_put(r->out, "keys", keys_json(r));
	put_number(r->out, "log_dropped", log_dropped());
	return 200;
}

unsigned
api_look_metrics(struct api_request *r)
{
	const struct api_hooks *h = r->hooks;
	struct metrics m = { PACKAGE_VERSION, r->services, r->store, r->alerts,
	    h->sessions == NULL ? 0 : h->sessions(h->cookie), h->started };

	r->text = metrics_text(r->arena, &m);
	return 200;
}

/* ---- top ----------------------------------------------------------------------------------- */

static json_t *
usage_json(struct arena *a, const struct store_usage *u)
{
	json_t *j = json_object(), *windows = json_array(), *w;
	char text[32];
	size_t i;

	api_put(j, "limit", api_json_text(a, u->limit));
	api_put(j, "key", api_json_text(a, u->key));
	for (i = 0; i < u->n; i++) {
		w = json_object();
		str_duration_text(u->at[i].length, text, sizeof(text));
		api_put(w, "window", json_string(text));
		put_number(w, "length", u->at[i].length);
		put_number(w, "used", u->at[i].used);
		put_number(w, "ceiling", u->at[i].most);
		json_array_append_new(windows, w);
	}
	api_put(j, "windows", windows);
	return j;
}

unsigned
api_look_top(struct api_request *r)
{
	const char *limit = api_in_text(r, "limit");
	uint64_t n = api_in_number(r, "n", 20);
	struct store_usage *u = NULL;
	json_t *list;
	struct err e;
	int found, i;

	if (limit != NULL && conf_limit_find(r->conf, limit) == NULL)
		return api_refuse(r, 404, api_limit_names(r, false), "no limit is named \"%.40s\"", limit);
	if (n == 0 || n > TOP_MOST)
		return api_refuse(r, 400, "1 to 1000", "n is out of range");
	err_clear(&e);
	found = store_top(r->store, r->arena, limit, (size_t)n, &u, &e);
	if (found < 0)
		return api_refuse_err(r, "the store cannot tell", &e);
	list = json_array();
	for (i = 0; i < found; i++)
		json_array_append_new(list, usage_json(r->arena, &u[i]));
	api_put(r->out, "top", list);
	return 200;
}

/* ---- limits, show --------------------------------------------------------------------------- */

unsigned
api_look_limits(struct api_request *r)
{
	struct api_subject s;
	unsigned status = api_in_subject(r, &s);
	json_t *list;
	struct err e;

	if (status != 0)
		return status;
	err_clear(&e);
	list = api_limits(r, &s, &e);
	if (list == NULL)
		return api_refuse_err(r, "the limits cannot be told", &e);
	put_number(r->out, "now", r->now);
	api_put(r->out, "limits", list);
	return 200;
}

struct json_t *
api_json_suspension(struct arena *a, const struct store_suspension *w)
{
	json_t *j = json_object();

	api_put(j, "kind", api_json_text(a, w->kind));
	api_put(j, "subject", api_json_text(a, w->subject));
	api_put(j, "action", api_json_text(a, w->action));
	api_put(j, "since", api_json_time(w->since));
	api_put(j, "until", api_json_time(w->until));
	api_put(j, "by", api_json_text(a, w->by));
	api_put(j, "reason", api_json_text(a, w->reason));
	return j;
}

static void
add_suspension(struct api_request *r, json_t *list, const char *kind, const char *subject)
{
	struct store_suspension w;

	if (subject != NULL && store_suspended(r->store, kind, subject, r->arena, &w) == 1)
		json_array_append_new(list, api_json_suspension(r->arena, &w));
}

/* The accounts table's row: "CUSTOMER" or "CUSTOMER ACCOUNT", as check_identity reads it. */
static int
read_account(struct api_request *r, const char *login, struct api_subject *s, struct err *e)
{
	const char *value, *rest;
	size_t n;
	int found;

	s->parts.account = login;
	if (r->services->accounts == NULL)
		return 0;
	found = table_lookup(r->services->accounts, login, r->arena, r->deadline, &value, e);
	if (found <= 0)
		return found;
	n = strcspn(value, " \t");
	rest = value + n + strspn(value + n, " \t");
	s->parts.customer = str_lower(arena_strndup(r->arena, value, n));
	if (*rest != '\0')
		s->parts.account = str_lower(arena_strdup(r->arena, rest));
	return 1;
}

static int
customer_json(struct api_request *r, struct api_subject *s, json_t *j, struct err *e)
{
	const struct customer *c = &s->customer;
	int known = customer_read(r->services, s->parts.customer, r->now, r->arena, r->deadline,
	    &s->customer, e);

	if (known < 0)
		return -1;
	s->read = true;
	api_put(j, "customer", api_json_text(r->arena, s->parts.customer));
	api_put(j, "known", json_boolean(known));
	api_put(j, "name", api_json_text(r->arena, c->name));
	api_put(j, "contact", api_json_text(r->arena, c->contact));
	api_put(j, "since", api_json_text(r->arena, c->since));
	api_put(j, "plan", api_json_text(r->arena, c->plan));
	api_put(j, "probation", json_boolean(c->probation));
	if (c->probation) {
		api_put(j, "probation_until", api_json_time(c->probation_until));
		api_put(j, "later_plan", api_json_text(r->arena, c->row_plan != NULL ? c->row_plan :
		    r->conf->default_plan));
	}
	if (c->problem != NULL)
		api_put(j, "problem", api_json_text(r->arena, c->problem));
	return 1;
}

unsigned
api_look_show(struct api_request *r)
{
	json_t *suspensions, *limits;
	struct api_subject s;
	unsigned status = api_in_subject(r, &s);
	bool account;
	struct err e;
	int known = 1;

	if (status != 0)
		return status;
	if (s.n != 1)
		return api_refuse(r, 400, "customer account", "say one: a customer or an account");
	err_clear(&e);
	account = s.parts.account != NULL;
	if (account) {
		api_put(r->out, "login", api_json_text(r->arena, s.parts.account));
		known = read_account(r, s.parts.account, &s, &e);
		api_put(r->out, "account", api_json_text(r->arena, s.parts.account));
		api_put(r->out, "account_known", json_boolean(known > 0));
	}
	if (known < 0 || (s.parts.customer != NULL && customer_json(r, &s, r->out, &e) < 0))
		return api_refuse_err(r, "the tables cannot tell", &e);
	limits = api_limits(r, &s, &e);
	if (limits == NULL)
		return api_refuse_err(r, "the limits cannot be told", &e);
	suspensions = json_array();
	add_suspension(r, suspensions, "account", s.parts.account);
	add_suspension(r, suspensions, "customer", s.parts.customer);
	put_number(r->out, "now", r->now);
	api_put(r->out, "suspensions", suspensions);
	api_put(r->out, "mailers", api_mailers_of(r, s.parts.customer));
	api_put(r->out, "limits", limits);
	return 200;
}

/* ---- lists ----------------------------------------------------------------------------------- */

unsigned
api_look_suspensions(struct api_request *r)
{
	struct store_suspension *w = NULL;
	json_t *list;
	struct err e;
	int n, i;

	err_clear(&e);
	n = store_suspensions(r->store, r->arena, &w, &e);
	if (n < 0)
		return api_refuse_err(r, "the store cannot tell", &e);
	list = json_array();
	for (i = 0; i < n; i++)
		json_array_append_new(list, api_json_suspension(r->arena, &w[i]));
	put_number(r->out, "now", r->now);
	api_put(r->out, "suspensions", list);
	return 200;
}

static json_t *
override_json(struct arena *a, const struct store_override *w)
{
	json_t *j = json_object(), *to = json_array();
	char text[48];
	size_t i;

	api_put(j, "limit", api_json_text(a, w->limit));
	api_put(j, "key", api_json_text(a, w->key));
	api_put(j, "exempt", json_boolean(w->exempt));
	for (i = 0; !w->exempt && i < w->ceilings.n; i++) {
		limit_ceiling_text(&w->ceilings.at[i], text, sizeof(text));
		json_array_append_new(to, json_string(text));
	}
	api_put(j, "to", to);
	api_put(j, "since", api_json_time(w->since));
	api_put(j, "until", api_json_time(w->until));
	api_put(j, "by", api_json_text(a, w->by));
	api_put(j, "reason", api_json_text(a, w->reason));
	return j;
}

unsigned
api_look_overrides(struct api_request *r)
{
	struct store_override *w = NULL;
	json_t *list;
	struct err e;
	int n, i;

	err_clear(&e);
	n = store_overrides(r->store, r->arena, &w, &e);
	if (n < 0)
		return api_refuse_err(r, "the store cannot tell", &e);
	list = json_array();
	for (i = 0; i < n; i++)
		json_array_append_new(list, override_json(r->arena, &w[i]));
	put_number(r->out, "now", r->now);
	api_put(r->out, "overrides", list);
	return 200;
}
