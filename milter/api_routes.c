/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * api_routes - what can be asked of the API, and the checking of what is asked.
 *
 * A new question is one row in `routes`; a new name in it is one row in `members`. Types, lengths and
 * control characters are checked here, before any handler runs, and an unknown name is a mistake: a mistyped
 * "limt" must not raise everything. Knows nothing of HTTP beyond method, path and status.
 */
#include "milter/api_private.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "lib/net.h"
#include "lib/str.h"

#include "lib/banned.h"

#define KINDS "customer account client submitter return-path recipient-domain mailer everyone"
#define TRACES "stamps tokens aside message_ids queue_ids header"

struct route {
	const char *method, *path;
	unsigned (*answer)(struct api_request *r);
	const char *takes;		/* names, with a blank between */
	size_t body;			/* most bytes of a body; 0 = none */
};

static const struct route routes[] = {
	{ "GET", "/status", api_look_status, "", 0 },
	{ "GET", "/metrics", api_look_metrics, "", 0 },
	{ "GET", "/top", api_look_top, "limit n", 0 },
	{ "GET", "/show", api_look_show, "customer account", 0 },
	{ "GET", "/limits", api_look_limits, KINDS, 0 },
	{ "GET", "/mailers", api_look_mailers, "mailer n", 0 },
	{ "GET", "/suspensions", api_look_suspensions, "", 0 },
	{ "POST", "/suspensions", api_act_suspend, "subject customer account domain client for reason action",
	    API_BODY_MOST },
	{ "DELETE", "/suspensions", api_act_release, "subject customer account domain client", 0 },
	{ "GET", "/overrides", api_look_overrides, "", 0 },
	{ "POST", "/overrides", api_act_override, KINDS " limit to exempt for reason", API_BODY_MOST },
	{ "DELETE", "/overrides", api_act_lower, KINDS " limit", 0 },
	{ "POST", "/reset", api_act_reset, KINDS " limit", API_BODY_MOST },
	{ "POST", "/explain", api_explain,
	    "login client user sender recipients message message_base64 bytes local", API_BODY_MOST_MESSAGE },
	{ "POST", "/trace", api_trace, TRACES, API_BODY_MOST_MESSAGE },
	{ "POST", "/complaints", api_complaint, TRACES " type reporter", API_BODY_MOST_MESSAGE },
	{ "POST", "/reload", api_act_reload, "", API_BODY_MOST },
};
#define N_ROUTES (sizeof(routes) / sizeof(routes[0]))

enum type { TEXT, TEXT_OR_NOTHING, NUMBER, FLAG, LIST, RAW };

static const struct member {
	const char *name;
	enum type type;
	const char *what;	/* for people */
} members[] = {
	{ "customer", TEXT, "a customer" },
	{ "account", TEXT, "an account" },
	{ "client", TEXT, "an address" },
	{ "submitter", TEXT, "an address" },
	{ "return-path", TEXT, "a domain" },
	{ "recipient-domain", TEXT, "a domain" },
	{ "mailer", TEXT, "the name of a mailer" },
	{ "everyone", FLAG, "true" },
	{ "domain", TEXT, "a domain" },
	{ "subject", TEXT, "a customer, account, domain or address" },
	{ "limit", TEXT, "the name of a limit" },
	{ "n", NUMBER, "a number" },
	{ "for", TEXT, "a duration such as 6h" },
	{ "reason", TEXT, "a sentence" },
	{ "action", TEXT, "reject, defer or hold" },
	{ "to", LIST, "ceilings such as 2000/1h" },
	{ "exempt", FLAG, "true" },
	{ "login", TEXT, "a login" },
	{ "sender", TEXT_OR_NOTHING, "an address" },
	{ "recipients", LIST, "addresses" },
	{ "message", RAW, "a message" },
	{ "message_base64", RAW, "a message in base64" },
	{ "bytes", NUMBER, "a number of bytes" },
	{ "local", FLAG, "true" },
	{ "stamps", LIST, "stamps or tokens" },
	{ "tokens", LIST, "stamps or tokens" },
	{ "aside", LIST, "stamps or tokens" },
	{ "message_ids", LIST, "Message-IDs" },
	{ "queue_ids", LIST, "queue ids" },
	{ "header", RAW, "header fields" },
	{ "type", TEXT, "what sort of complaint" },
	{ "reporter", TEXT, "who complains" },
	{ "user", TEXT, "a local user or uid" },
};
#define N_MEMBERS (sizeof(members) / sizeof(members[0]))

/* ---- answers ------------------------------------------------------------------------------ */

void
api_put(struct json_t *object, const char *name, struct json_t *take_value)
{
	if (take_value == NULL || json_object_set_new(object, name, take_value) != 0)
		abort();
}

struct json_t *
api_json_text(struct arena *a, const char *text)
{
	struct str s;

	if (text == NULL)
		return json_null();
	if (str_utf8(text, strlen(text)))
		return json_string(text);
	s = (struct str){ .size = strlen(text) * 4 + 1 };
	s.data = arena_alloc(a, s.size);
	str_cat_safe(&s, text);
	return json_string(s.data);
}

struct json_t *
api_json_time(uint64_t ms)
{
	return ms == UINT64_MAX ? json_null() : json_integer((json_int_t)ms);
}

unsigned
api_refuse(struct api_request *r, unsigned status, const char *allowed, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	va_end(ap);
	json_object_clear(r->out);
	api_put(r->out, "error", api_json_text(r->arena, text));
	if (allowed != NULL)
		api_put(r->out, "allowed", api_json_text(r->arena, allowed));
	return status;
}

unsigned
api_refuse_err(struct api_request *r, const char *what, const struct err *e)
{
	return api_refuse(r, 503, NULL, "%s: %s%s%s", what, e->where, *e->where == '\0' ? "" : ": ", e->text);
}

/* ---- checking what is asked -------------------------------------------------------------- */

/* True when name is one of the words of list. */
static bool
listed(const char *list, const char *name)
{
	size_t n = strlen(name);
	const char *at = list;

	while (n > 0 && (at = strstr(at, name)) != NULL) {
		if ((at == list || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0'))
			return true;
		at += n;
	}
	return false;
}

static const struct member *
member_find(const char *name)
{
	size_t i;

	for (i = 0; i < N_MEMBERS; i++)
		if (strcmp(members[i].name, name) == 0)
			return &members[i];
	return NULL;
}

static bool
is_text(const json_t *v, size_t most, bool may_be_empty)
{
	const char *text = json_string_value(v);
	size_t n = json_string_length(v), i;

	if (text == NULL || n > most || strlen(text) != n || (n == 0 && !may_be_empty))
		return false;
	for (i = 0; i < n; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	return true;
}

static bool
is_list(const json_t *v)
{
	size_t i;

	if (!json_is_array(v))
		return is_text(v, API_ITEM_MOST, false);
	if (json_array_size(v) > API_LIST_MOST)
		return false;
	for (i = 0; i < json_array_size(v); i++)
		if (!is_text(json_array_get(v, i), API_ITEM_MOST, false))
			return false;
	return true;
}

/* Digits as JSON has them, or as a query has them. */
static bool
is_number(const json_t *v, uint64_t *to)
{
	const char *text = json_string_value(v);
	char *end;

	if (json_is_integer(v) && json_integer_value(v) >= 0) {
		*to = (uint64_t)json_integer_value(v);
		return true;
	}
	if (text == NULL || *text < '0' || *text > '9' || strlen(text) > 15)
		return false;
	*to = strtoull(text, &end, 10);
	return *end == '\0';
}

static bool
is_flag(const json_t *v)
{
	const char *text = json_string_value(v);

	return json_is_boolean(v) ||
	    (text != NULL && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0));
}

static bool
is_type(const json_t *v, enum type type)
{
	uint64_t n;

	switch (type) {
	case TEXT:		return is_text(v, API_TEXT_MOST, false);
	case TEXT_OR_NOTHING:	return is_text(v, API_TEXT_MOST, true);
	case NUMBER:		return is_number(v, &n);
	case FLAG:		return is_flag(v);
	case LIST:		return is_list(v);
	case RAW:		return json_is_string(v);
	}
	return false;
}

static unsigned
check_members(struct api_request *r, const struct route *route)
{
	const struct member *m;
	const char *name;
	json_t *v;

	json_object_foreach(r->in, name, v) {
		if (!listed(route->takes, name) || (m = member_find(name)) == NULL)
			return api_refuse(r, 400, *route->takes == '\0' ? "nothing" : route->takes,
			    "%s %s takes no \"%.100s\"", route->method, route->path, name);
		if (!is_type(v, m->type))
			return api_refuse(r, 400, m->what, "\"%s\" is not what it should be", name);
	}
	return 0;
}

static const struct route *
route_find(const char *method, const char *path)
{
	size_t i;

	for (i = 0; i < N_ROUTES; i++)
		if (strcmp(routes[i].method, method) == 0 && strcmp(routes[i].path, path) == 0)
			return &routes[i];
	return NULL;
}

static unsigned
no_route(struct api_request *r, const char *method, const char *path)
{
	char space[200];
	struct str s = STR_IN(space);
	size_t i;

	space[0] = '\0';
	for (i = 0; i < N_ROUTES; i++)
		if (strcmp(routes[i].path, path) == 0)
			str_catf(&s, "%s%s", s.len == 0 ? "" : ", ", routes[i].method);
	if (s.len > 0)
		return api_refuse(r, 405, space, "%.20s cannot be done to %s", method, path);
	for (i = 0; i < N_ROUTES; i++)
		if (i == 0 || strcmp(routes[i].path, routes[i - 1].path) != 0)
			str_catf(&s, "%s%s", s.len == 0 ? "" : " ", routes[i].path);
	return api_refuse(r, 404, space, "there is no %.100s", path);
}

size_t
api_route_body(const char *method, const char *path)
{
	const struct route *route = route_find(method, path);

	return route == NULL ? 0 : route->body;
}

unsigned
api_route(struct api_request *r, const char *method, const char *path)
{
	const struct route *route = route_find(method, path);
	unsigned status;

	if (route == NULL)
		return no_route(r, method, path);
	status = check_members(r, route);
	return status != 0 ? status : route->answer(r);
}

/* ---- reading what is asked ---------------------------------------------------------------- */

const char *
api_in_text(const struct api_request *r, const char *name)
{
	return json_string_value(json_object_get(r->in, name));
}

const char *
api_in_raw(const struct api_request *r, const char *name, size_t *n)
{
	const json_t *v = json_object_get(r->in, name);

	*n = json_string_length(v);
	return json_string_value(v);
}

bool
api_in_flag(const struct api_request *r, const char *name)
{
	const json_t *v = json_object_get(r->in, name);
	const char *text = json_string_value(v);

	return text != NULL ? strcmp(text, "true") == 0 : json_is_true(v);
}

uint64_t
api_in_number(const struct api_request *r, const char *name, uint64_t missing)
{
	uint64_t n;

	return is_number(json_object_get(r->in, name), &n) ? n : missing;
}

size_t
api_in_list(const struct api_request *r, const char *name, const char *const **to)
{
	const json_t *v = json_object_get(r->in, name);
	size_t n = v == NULL ? 0 : json_is_array(v) ? json_array_size(v) : 1, i;
	const char **list = arena_alloc(r->arena, n * sizeof(*list));

	for (i = 0; i < n; i++)
		list[i] = json_string_value(json_is_array(v) ? json_array_get(v, i) : v);
	*to = list;
	return n;
}

const char *
api_canonical(struct arena *a, const char *kind, const char *text, bool host)
{
	struct net_addr addr;
	char *space;
	bool claimed = host && strcmp(kind, "submitter") == 0 &&
	    strncmp(text, LIMIT_CLAIMED, strlen(LIMIT_CLAIMED)) == 0;

	if (claimed)
		text += strlen(LIMIT_CLAIMED);
	if (strcmp(kind, "client") == 0 || strcmp(kind, "submitter") == 0) {
		if (net_parse(text, &addr) != 1)
			return NULL;
		space = arena_alloc(a, LIMIT_SUBMITTER_TEXT);
		if (host)
			limit_submitter_text(&addr, claimed, space);
		else
			net_text(&addr, space);
		return space;
	}
	if (strcmp(kind, "domain") == 0 || strcmp(kind, "return-path") == 0 ||
	    strcmp(kind, "recipient-domain") == 0)
		return mail_domain(a, text);
	return strlen(text) > 320 ? NULL : str_lower(arena_strdup(a, text));
}

unsigned
api_in_subject(struct api_request *r, struct api_subject *to)
{
	static const enum conf_per order[] = { CONF_PER_CUSTOMER, CONF_PER_ACCOUNT, CONF_PER_CLIENT,
		CONF_PER_SUBMITTER, CONF_PER_RETURN_PATH, CONF_PER_RECIPIENT_DOMAIN, CONF_PER_MAILER };
	const char **part[] = { &to->parts.customer, &to->parts.account, &to->parts.client,
		&to->parts.submitter, &to->parts.return_path, &to->parts.recipient_domain,
		&to->parts.mailer };
	size_t i;

	memset(to, 0, sizeof(*to));
	for (i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		const char *kind = conf_per_text(order[i]), *text = api_in_text(r, kind);

		if (text == NULL)
			continue;
		*part[i] = api_canonical(r->arena, kind, text, true);
		if (*part[i] == NULL)
			return api_refuse(r, 400, member_find(kind)->what, "\"%.100s\" is no %s", text, kind);
		to->n++;
	}
	to->everyone = api_in_flag(r, "everyone");
	to->n += to->everyone;
	return to->n > 0 ? 0 : api_refuse(r, 400, KINDS, "whose? nobody is named");
}
