/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * api_act - what people do: suspend, release, raise, exempt, lower, reset, reload.
 *
 * Every deed is one line in the log with who did it; a suspension and its release are told to the desk as
 * well. What is said to be done has been made to last by the store. A name that nobody knows
 * is not guessed at: suspending a misspelt customer would stop nothing, and look done.
 */
#include "milter/api_private.h"

#include <string.h>

#include <jansson.h>

#include "lib/alert.h"
#include "lib/log.h"
#include "lib/net.h"
#include "lib/str.h"

#include "lib/banned.h"

#define FOR_MOST LIMIT_LENGTH_MAX

static void
log_deed(const struct api_request *r, const char *deed, const char *kind, const char *subject,
    const char *limit, uint64_t until)
{
	char space[1200], left[32] = "";
	struct str s = STR_IN(space);

	if (until > r->now && until != UINT64_MAX)
		str_duration_text((until - r->now + 999) / 1000 * 1000, left, sizeof(left));
	str_cat(&s, "api");
	str_kv(&s, "did", deed);
	str_kv(&s, "by", r->by);
	str_kv(&s, "kind", kind);
	str_kv(&s, "subject", subject);
	str_kv(&s, "limit", limit);
	str_kv(&s, "for", left);
	str_kv(&s, "reason", api_in_text(r, "reason"));
	log_line(LOG_LEVEL_NOTICE, s.data);
}

/* 0, or the status of the refusal. */
static unsigned
judge_result(struct api_request *r, enum store_result result, const char *refused, const struct err *e)
{
	switch (result) {
	case STORE_DONE:
		return 0;
	case STORE_REFUSED:
		return *e->text == '\0' ? api_refuse(r, 404, NULL, "%s", refused) :
		    api_refuse(r, 404, NULL, "%s: %s", refused, e->text);
	case STORE_UNCERTAIN:
		return api_refuse_err(r, "it is not certain that this was done", e);
	case STORE_FAILED:
		break;
	}
	return api_refuse_err(r, "not done", e);
}

/* "for": *until stays as it is when it is not given. */
static unsigned
read_for(struct api_request *r, uint64_t *until)
{
	const char *text = api_in_text(r, "for");
	uint64_t ms;

	if (text == NULL)
		return 0;
	if (str_duration(text, &ms) != 1 || ms < 1000 || ms > FOR_MOST)
		return api_refuse(r, 400, "1s to 366d, such as 30m, 6h or 7d", "\"%.60s\" is no duration",
		    text);
	*until = r->now + ms;
	return 0;
}

/* ---- suspend, release ------------------------------------------------------------------- */

static const char *const suspend_kinds[] = { "customer", "account", "domain", "client" };
#define SUSPEND_KINDS "customer, account, domain or client"

static int
in_table(struct api_request *r, struct table *t, const char *key, struct err *e)
{
	const char *value;

	return t == NULL ? 0 : table_lookup(t, key, r->arena, r->deadline, &value, e);
}

/* What a bare name is: an address is a client, something with '@' an account, else what the tables know it
 * as. */
static const char *
guess_kind(struct api_request *r, const char *text)
{
	const struct services *v = r->services;
	const char *key = str_lower(arena_strdup(r->arena, text));
	struct net_addr addr;
	struct err e;

	err_clear(&e);
	if (net_parse(text, &addr) == 1)
		return "client";
	if (strchr(text, '@') != NULL)
		return "account";
	if (in_table(r, v->customers, key, &e) == 1)
		return "customer";
	if (in_table(r, v->accounts, key, &e) == 1)
		return "account";
	if (in_table(r, v->domains, key, &e) == 1)
		return "domain";
	/* Without a customers table nobody can say that a customer is unknown. */
	return v->customers == NULL && e.code == ERR_NONE ? "customer" : NULL;
}

/* The kind and subject of a suspension, from what is asked. */
static unsigned
read_whose(struct api_request *r, const char **kind, const char **subject)
{
	const char *text = NULL, *given = api_in_text(r, "subject");
	size_t i, n = given != NULL;

	*kind = NULL;
	for (i = 0; i < sizeof(suspend_kinds) / sizeof(suspend_kinds[0]); i++)
		if (api_in_text(r, suspend_kinds[i]) != NULL) {
			*kind = suspend_kinds[i];
			text = api_in_text(r, *kind);
			n++;
		}
	if (n != 1)
		return api_refuse(r, 400, SUSPEND_KINDS, "say one customer, account, domain or client");
	if (given != NULL) {
		text = given;
		*kind = guess_kind(r, text);
	}
	if (*kind == NULL)
		return api_refuse(r, 409, SUSPEND_KINDS,
		    "nothing is known by the name \"%.200s\": say what it is", text);
	*subject = api_canonical(r->arena, *kind, text, false);
	return *subject != NULL ? 0 : api_refuse(r, 400, NULL, "\"%.200s\" is no %s", text, *kind);
}

/* What the desk should know beside "done". */
static const char *
note_of(struct api_request *r, const char *kind, const char *subject)
{
	struct table *t = strcmp(kind, "customer") == 0 ? r->services->customers :
	    strcmp(kind, "account") == 0 ? r->services->accounts :
	    strcmp(kind, "domain") == 0 ? r->services->domains : NULL;
	struct err e;

	if (r->conf->mode == CONF_MONITOR || r->conf->suspension.mode == CONF_MONITOR)
		return "suspensions are in monitor mode: the mail still passes";
	if (t != NULL && in_table(r, t, subject, &e) == 0)
		return arena_printf(r->arena, "there is no such %s in %s", kind, table_spec(t));
	return NULL;
}

static void
tell_desk(struct api_request *r, const char *event, const char *action, const char *kind, const char *subject)
{
	const char *reason = api_in_text(r, "reason");
	struct alert_event v = { .kind = event, .severity = "notice", .action = action };

	if (r->alerts == NULL)
		return;
	if (strcmp(kind, "customer") == 0)
		v.customer = subject;
	else if (strcmp(kind, "account") == 0)
		v.account = subject;
	else if (strcmp(kind, "client") == 0)
		v.client = subject;
	v.reason = arena_printf(r->arena, "%s %s %s by %s%s%s", kind, subject,
	    strcmp(event, "suspension.added") == 0 ? "suspended" : "released", r->by,
	    reason == NULL ? "" : ": ", reason == NULL ? "" : reason);
	alert_post(r->alerts, subject, &v);
}

unsigned
api_act_suspend(struct api_request *r)
{
	const char *action = api_in_text(r, "action"), *reason = api_in_text(r, "reason"), *note;
	struct store_suspension w = { .action = action == NULL ? "reject" : action, .by = r->by,
	    .since = r->now, .reason = reason == NULL ? "" : reason, .until = UINT64_MAX };
	struct store_health health;
	unsigned status;
	struct err e;

	if (strcmp(w.action, "reject") != 0 && strcmp(w.action, "defer") != 0 &&
	    strcmp(w.action, "hold") != 0)
		return api_refuse(r, 400, "reject, defer or hold", "\"%.40s\" is no action of a suspension",
		    w.action);
	if ((status = read_for(r, &w.until)) != 0 || (status = read_whose(r, &w.kind, &w.subject)) != 0)
		return status;
	err_clear(&e);
	status = judge_result(r, store_suspend(r->store, &w, &e), "the suspension is refused", &e);
	if (status != 0)
		return status;
	log_deed(r, "suspend", w.kind, w.subject, NULL, w.until);
	tell_desk(r, "suspension.added", w.action, w.kind, w.subject);
	api_put(r->out, "now", api_json_time(r->now));
	api_put(r->out, "relay", api_json_text(r->arena, r->conf->relay));
	if (store_health(r->store, &health))
		api_put(r->out, "shared", json_true());
	api_put(r->out, "suspended", api_json_suspension(r->arena, &w));
	note = note_of(r, w.kind, w.subject);
	if (note != NULL)
		api_put(r->out, "note", api_json_text(r->arena, note));
	return 200;
}

/* A bare name is what is suspended by it; two kinds of the same name must be told apart by the caller. */
static unsigned
find_suspended(struct api_request *r, const char *text, const char **kind, const char **subject)
{
	struct store_suspension *w = NULL;
	const char *kinds = "";
	struct err e;
	int n, i, found = 0;

	err_clear(&e);
	n = store_suspensions(r->store, r->arena, &w, &e);
	if (n < 0)
		return api_refuse_err(r, "the store cannot tell", &e);
	for (i = 0; i < n; i++) {
		const char *mine = api_canonical(r->arena, w[i].kind, text, false);

		if (mine == NULL || strcmp(mine, w[i].subject) != 0)
			continue;
		*kind = w[i].kind;
		*subject = w[i].subject;
		kinds = arena_printf(r->arena, "%s%s%s", kinds, found++ == 0 ? "" : " or ", w[i].kind);
	}
	if (found == 0)
		return api_refuse(r, 404, NULL, "nothing by the name \"%.200s\" is suspended", text);
	return found == 1 ? 0 :
	    api_refuse(r, 409, kinds, "more than one \"%.200s\" is suspended: say which", text);
}

unsigned
api_act_release(struct api_request *r)
{
	const char *kind = "", *subject = "", *text = api_in_text(r, "subject");
	unsigned status = text != NULL && json_object_size(r->in) == 1 ?
	    find_suspended(r, text, &kind, &subject) : read_whose(r, &kind, &subject);
	struct err e;

	if (status != 0)
		return status;
	err_clear(&e);
	status = judge_result(r, store_release(r->store, kind, subject, &e),
	    arena_printf(r->arena, "%s %s is not suspended", kind, subject), &e);
	if (status != 0)
		return status;
	log_deed(r, "release", kind, subject, NULL, 0);
	tell_desk(r, "suspension.released", "release", kind, subject);
	api_put(r->out, "kind", api_json_text(r->arena, kind));
	api_put(r->out, "released", api_json_text(r->arena, subject));
	return 200;
}

/* ---- raise, exempt, lower, reset ------------------------------------------------------------ */

/* The limits that a deed is about: the one that is named, or with "all" each that counts per this subject. */
struct aims {
	struct api_subject subject;
	const struct conf_limit **limit;
	size_t n;
};

static unsigned
read_aims(struct api_request *r, bool may_be_all, struct aims *to)
{
	const char *name = api_in_text(r, "limit");
	unsigned status = api_in_subject(r, &to->subject);
	const struct conf_limit *one;
	size_t i;

	if (status != 0)
		return status;
	if (name == NULL)
		return api_refuse(r, 400, api_limit_names(r, may_be_all), "which limit?");
	to->limit = arena_zalloc(r->arena, (r->conf->n_limits + 1) * sizeof(const struct conf_limit *));
	to->n = 0;
	if (!may_be_all || strcmp(name, "all") != 0) {
		one = conf_limit_find(r->conf, name);
		if (one == NULL)
			return api_refuse(r, 404, api_limit_names(r, may_be_all),
			    "no limit is named \"%.40s\"", name);
		if (!api_limit_matches(one, &to->subject, true))
			return api_refuse(r, 400, api_limit_per(r->arena, one),
			    "limit %s counts per %s: say just that", one->name, api_limit_per(r->arena, one));
		to->limit[to->n++] = one;
		return 0;
	}
	for (i = 0; i < r->conf->n_limits; i++)
		if (api_limit_matches(&r->conf->limits[i], &to->subject, true))
			to->limit[to->n++] = &r->conf->limits[i];
	return to->n > 0 ? 0 : api_refuse(r, 404, NULL, "no limit counts per what you say");
}

static json_t *
ceilings_json(const struct limit_ceilings *c)
{
	json_t *list = json_array();
	char text[48];
	size_t i;

	for (i = 0; i < c->n; i++) {
		limit_ceiling_text(&c->at[i], text, sizeof(text));
		json_array_append_new(list, json_string(text));
	}
	return list;
}

static bool
has_length(const struct limit_ceilings *c, uint64_t length)
{
	size_t i;

	for (i = 0; i < c->n; i++)
		if (c->at[i].length == length)
			return true;
	return false;
}

static const char *
ceilings_text(struct arena *a, const struct limit_ceilings *c)
{
	const char *text = "";
	char one[48];
	size_t i;

	for (i = 0; i < c->n; i++) {
		limit_ceiling_text(&c->at[i], one, sizeof(one));
		text = arena_printf(a, "%s%s%s", text, i == 0 ? "" : ", ", one);
	}
	return text;
}

/* "to": ceilings for windows that the limit has. A raise of a window that it has not would do nothing. */
static unsigned
read_to(struct api_request *r, const struct conf_limit *l, const struct limit_ceilings *now,
    struct limit_ceilings *to)
{
	const char *const *text;
	size_t n = api_in_list(r, "to", &text), i;
	struct limit_ceiling c;

	to->n = 0;
	if (n == 0)
		return api_refuse(r, 400, "a ceiling such as 2000/1h, or exempt", "raised to what?");
	for (i = 0; i < n; i++) {
		if (limit_ceiling_parse(text[i], l->count == CONF_COUNT_BYTES, &c) != 1)
			return api_refuse(r, 400, "such as 2000/1h", "\"%.60s\" is no ceiling", text[i]);
		if (!has_length(now, c.length))
			return api_refuse(r, 400, ceilings_text(r->arena, now),
			    "limit %s has no window of the length of %.60s", l->name, text[i]);
		if (!limit_ceilings_add(to, &c))
			return api_refuse(r, 400, NULL, "\"%.60s\": this window is there already", text[i]);
	}
	return 0;
}

static unsigned
raise_one(struct api_request *r, struct aims *aims, struct store_override *w)
{
	const struct conf_limit *l = aims->limit[0];
	struct limit_ceilings now, stays = { 0 }, instead = { 0 };
	const char *from;
	unsigned status;
	struct err e;
	size_t i;

	err_clear(&e);
	if (api_limit_ceilings(r, l, &aims->subject, &now, &from, &e) < 0)
		return api_refuse_err(r, "the limit's ceilings cannot be told", &e);
	if ((status = read_to(r, l, &now, &w->ceilings)) != 0)
		return status;
	status = judge_result(r, store_raise(r->store, w, &e), "the raise is refused", &e);
	if (status != 0)
		return status;
	for (i = 0; i < now.n; i++)
		(void)limit_ceilings_add(has_length(&w->ceilings, now.at[i].length) ? &instead : &stays,
		    &now.at[i]);
	api_put(r->out, "to", ceilings_json(&w->ceilings));
	api_put(r->out, "stays", ceilings_json(&stays));
	api_put(r->out, "instead_of", ceilings_json(&instead));
	return 0;
}

typedef enum store_result act_function(struct api_request *r, const char *limit, const char *key,
    void *cookie, struct err *e);

/* Each limit in turn; a failure says which were done before. */
static unsigned
for_each_limit(struct api_request *r, struct aims *aims, const char *deed, const char *refused,
    uint64_t until, act_function *act, void *cookie)
{
	json_t *done = json_array();
	char key[LIMIT_KEY_SIZE];
	unsigned status = 0;
	struct err e;
	size_t i;

	for (i = 0; i < aims->n && status == 0; i++) {
		enum store_result result;

		err_clear(&e);
		if (!limit_key(aims->limit[i], &aims->subject.parts, key, sizeof(key)))
			continue;
		result = act(r, aims->limit[i]->name, key, cookie, &e);
		/* With "all", a limit that has nothing to take back is no failure. */
		if (result == STORE_REFUSED && aims->n > 1)
			continue;
		status = judge_result(r, result, refused, &e);
		if (status != 0)
			break;
		log_deed(r, deed, api_limit_per(r->arena, aims->limit[i]), key, aims->limit[i]->name, until);
		json_array_append_new(done, json_string(aims->limit[i]->name));
		api_put(r->out, "key", api_json_text(r->arena, key));
	}
	if (status == 0 && json_array_size(done) == 0)
		status = api_refuse(r, 404, NULL, "%s", refused);
	api_put(r->out, status == 0 ? "limits" : "done_before", done);
	return status == 0 ? 200 : status;
}

static enum store_result
exempt_one(struct api_request *r, const char *limit, const char *key, void *cookie, struct err *e)
{
	struct store_override *w = cookie;

	w->limit = limit;
	w->key = key;
	return store_raise(r->store, w, e);
}

unsigned
api_act_override(struct api_request *r)
{
	const char *reason = api_in_text(r, "reason");
	bool exempt = api_in_flag(r, "exempt");
	struct store_override w = { .exempt = exempt, .by = r->by, .reason = reason == NULL ? "" : reason,
	    .since = r->now, .until = 0 };
	char key[LIMIT_KEY_SIZE];
	struct aims aims;
	unsigned status;

	if ((status = read_for(r, &w.until)) != 0 || (status = read_aims(r, exempt, &aims)) != 0)
		return status;
	if (w.until == 0)
		return api_refuse(r, 400, "a duration such as 6h", "for how long?");
	api_put(r->out, "now", api_json_time(r->now));
	api_put(r->out, "until", api_json_time(w.until));
	if (exempt)
		return for_each_limit(r, &aims, "exempt", "the exemption is refused", w.until,
		    exempt_one, &w);
	if (!limit_key(aims.limit[0], &aims.subject.parts, key, sizeof(key)))
		return api_refuse(r, 400, NULL, "limit %s does not apply to that", aims.limit[0]->name);
	w.limit = aims.limit[0]->name;
	w.key = key;
	if ((status = raise_one(r, &aims, &w)) != 0)
		return status;
	log_deed(r, "raise", api_limit_per(r->arena, aims.limit[0]), key, w.limit, w.until);
	api_put(r->out, "limit", json_string(w.limit));
	api_put(r->out, "key", api_json_text(r->arena, key));
	return 200;
}

static enum store_result
lower_one(struct api_request *r, const char *limit, const char *key, void *cookie, struct err *e)
{
	(void)cookie;
	return store_lower(r->store, limit, key, e);
}

unsigned
api_act_lower(struct api_request *r)
{
	struct aims aims;
	unsigned status = read_aims(r, true, &aims);

	return status != 0 ? status :
	    for_each_limit(r, &aims, "lower", "nothing is raised or exempt there", 0, lower_one, NULL);
}

static enum store_result
reset_one(struct api_request *r, const char *limit, const char *key, void *cookie, struct err *e)
{
	(void)cookie;
	return store_reset(r->store, limit, key, e);
}

unsigned
api_act_reset(struct api_request *r)
{
	struct aims aims;
	unsigned status = read_aims(r, true, &aims);

	return status != 0 ? status :
	    for_each_limit(r, &aims, "reset", "nothing is counted there", 0, reset_one, NULL);
}

/* ---- reload -------------------------------------------------------------------------------- */

static json_t *
lines_json(struct arena *a, const char *text)
{
	json_t *list = json_array();

	while (text != NULL && *text != '\0') {
		size_t n = strcspn(text, "\n");

		if (n > 0)
			json_array_append_new(list, api_json_text(a, arena_strndup(a, text, n)));
		text += n + (text[n] == '\n');
	}
	return list;
}

unsigned
api_act_reload(struct api_request *r)
{
	const char *problems = NULL;
	unsigned status = 200;

	if (r->hooks->reload == NULL)
		return api_refuse(r, 503, NULL, "this daemon cannot reload");
	log_deed(r, "reload", NULL, NULL, NULL, 0);
	if (r->hooks->reload(r->hooks->cookie, r->arena, &problems) != 1)
		status = api_refuse(r, 409, NULL,
		    "the new configuration is refused; the old one stays in force");
	api_put(r->out, "config", api_json_text(r->arena, r->conf->file));
	api_put(r->out, "problems", lines_json(r->arena, problems));
	return status;
}
