/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * api_trace - POST /trace and POST /complaints: who sent the message that somebody complains about?
 *
 * The desk may ask and need not read the keys. It is asked with stamps, tokens and ids; the complaint
 * itself, which anybody could have written, is taken apart by gatepostctl and never comes here. What a
 * stamp is worth is weighed in trace.c.
 */
#include "milter/api_private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "lib/alert.h"
#include "lib/log.h"
#include "lib/str.h"
#include "lib/trace_memory.h"
#include "milter/trace.h"

#include "lib/banned.h"

#define KNOWN_SPACE "complaints"	/* in store_keep */
#define KNOWN_MS (UINT64_C(30) * 86400000)
#define KNOWN_MOST 10000u
#define RECIPIENTS_UNTOLD 5u	/* a token alone does not tell how many the message had */
#define FLUSH_MS 1000u	/* so that the message of a moment ago is found too */

/* The answer in r->out. 0, or the status of a refusal. */
static unsigned
ask(struct api_request *r)
{
	static const char *const lists[] = { "stamps", "tokens", "aside", "message_ids", "queue_ids" };
	struct trace_question q = { .stamps = json_object_get(r->in, "stamps"),
	    .tokens = json_object_get(r->in, "tokens"), .aside = json_object_get(r->in, "aside"),
	    .message_ids = json_object_get(r->in, "message_ids"),
	    .queue_ids = json_object_get(r->in, "queue_ids"), .keys = r->services->keys, .now = r->now,
	    .keep = r->conf->trace.memory.keep, .deadline = r->deadline };
	size_t i, n = 0;
	json_t *answer;

	for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		const json_t *list = json_object_get(r->in, lists[i]);

		n += json_is_array(list) ? json_array_size(list) : list != NULL;
		if (json_is_array(list) && json_array_size(list) > TRACE_ITEMS)
			return api_refuse(r, 400, "100", "too many %s", lists[i]);
	}
	if (n == 0)
		return api_refuse(r, 400, "stamps tokens message_ids queue_ids", "there is nothing to trace");
	q.header = api_in_raw(r, "header", &q.header_size);
	if (r->conf->trace.memory.size > 0) {
		q.memory = r->conf->store.file;
		(void)trace_memory_flush(r->services->memory, FLUSH_MS);
	}
	answer = trace_answer(r->arena, &q);
	json_object_update(r->out, answer);
	json_decref(answer);
	api_put(r->out, "asked", api_json_text(r->arena, r->conf->relay));
	return 0;
}

unsigned
api_trace(struct api_request *r)
{
	unsigned status = ask(r);

	return status != 0 ? status : 200;
}

/* ---- a complaint becomes an incident ------------------------------------------------------------- */

static const char *
out_text(const struct api_request *r, const char *name)
{
	return json_string_value(json_object_get(r->out, name));
}

static const char *
when_text(struct arena *a, uint64_t ms)
{
	time_t t = (time_t)(ms / 1000);
	char text[32];
	struct tm tm;

	if (ms == 0 || gmtime_r(&t, &tm) == NULL ||
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		return "unknown time";
	return arena_strdup(a, text);
}

/* "complaint (abuse) by fbl@mbox.example about a message of 2026-11-25T12:00:00Z on out1" */
static const char *
reason_text(const struct api_request *r)
{
	const char *type = api_in_text(r, "type"), *by = api_in_text(r, "reporter");
	const char *relay = out_text(r, "relay");
	json_int_t when = json_integer_value(json_object_get(r->out, "time"));

	return arena_printf(r->arena, "complaint%s%.40s%s%s%.80s about a message of %s%s%.64s",
	    type == NULL ? "" : " (", type == NULL ? "" : type, type == NULL ? "" : ")", 
	    by == NULL ? "" : " by ", by == NULL ? "" : by,
	    when_text(r->arena, when < 0 ? 0 : (uint64_t)when), relay == NULL ? "" : " on ",
	    relay == NULL ? "" : relay);
}

/* ---- the same complaint again ---------------------------------------------------------------------- */

/* Known complaints, for as long as they can be repeated by mistake or malice: name -> "TIME INCIDENT". */
struct known {
	struct api_request *r;
	const char *message, *name;	/* looked for: about this message, and by this reporter too */
	const char *incident;		/* found under that name */
	const char *other;		/* found under another reporter's */
	size_t about;			/* complaints about the message */
	const char *oldest;
	uint64_t oldest_time;
	size_t n;
};

/* NULL when the message has no name of its own. */
static const char *
message_name(const struct api_request *r)
{
	const char *relay = out_text(r, "relay"), *queue_id = out_text(r, "queue_id");

	if (queue_id == NULL)
		queue_id = out_text(r, "stamp");
	return queue_id == NULL ? NULL : arena_printf(r->arena, "%.64s %.64s %" JSON_INTEGER_FORMAT " ",
	    relay == NULL ? "" : relay, queue_id, json_integer_value(json_object_get(r->out, "time")));
}

/* One message and one reporter. */
static const char *
complaint_name(const struct api_request *r, const char *message)
{
	const char *by = api_in_text(r, "reporter");

	return message == NULL ? NULL : arena_printf(r->arena, "%s%.80s", message, by == NULL ? "" : by);
}

/* Who got a message may complain under many names: more complaints than it had recipients are none. */
static size_t
complaints_most(const struct api_request *r)
{
	json_int_t n = json_integer_value(json_object_get(r->out, "recipients"));

	return n > 0 ? (size_t)n : RECIPIENTS_UNTOLD;
}

static void
look_at_known(void *cookie, const char *name, const char *value)
{
	struct known *k = cookie;
	char *rest;
	uint64_t when = strtoull(value, &rest, 10);
	struct err e;

	if (when + KNOWN_MS < k->r->now) {
		(void)store_keep(k->r->store, KNOWN_SPACE, name, NULL, &e);
		return;
	}
	k->n++;
	rest += *rest == ' ';
	if (strcmp(name, k->name) == 0)
		k->incident = arena_strdup(k->r->arena, rest);
	if (strncmp(name, k->message, strlen(k->message)) == 0 && k->about++ == 0)
		k->other = arena_strdup(k->r->arena, rest);
	if (k->oldest == NULL || when < k->oldest_time) {
		k->oldest = arena_strdup(k->r->arena, name);
		k->oldest_time = when;
	}
}

/* The incident that this complaint went to before, or as many as there can be about the message; or NULL. */
static const char *
known_incident(struct api_request *r, const char *message, const char *name)
{
	struct known k = { .r = r, .message = message, .name = name };
	struct err e;

	if (message == NULL || store_kept(r->store, KNOWN_SPACE, look_at_known, &k, &e) < 0)
		return NULL;
	if (k.n >= KNOWN_MOST)
		(void)store_keep(r->store, KNOWN_SPACE, k.oldest, NULL, &e);
	return k.incident == NULL && k.about >= complaints_most(r) ? k.other : k.incident;
}

static void
keep_known(struct api_request *r, const char *name, const char *incident)
{
	struct err e;

	if (name != NULL)
		(void)store_keep(r->store, KNOWN_SPACE, name,
		    arena_printf(r->arena, "%" PRIu64 " %s", r->now, incident), &e);
}

/* ---- telling ----------------------------------------------------------------------------------------- */

static void
tell(struct api_request *r, const char *subject, const char *reason)
{
	const struct alert_event v = { .kind = "complaint.received", .severity = "warning",
	    .customer = out_text(r, "customer"), .account = out_text(r, "account"),
	    .client = out_text(r, "client"), .submitter = out_text(r, "submitter"),
	    .sender = out_text(r, "return_path"), .queue_id = out_text(r, "queue_id"),
	    .message_id = out_text(r, "message_id"),
	    .reason = reason };
	const char *message = message_name(r), *name = complaint_name(r, message);
	const char *before = known_incident(r, message, name);
	char id[ALERT_ID], space[900];
	struct str s = STR_IN(space);

	api_put(r->out, "subject", api_json_text(r->arena, subject));
	if (before != NULL) {
		api_put(r->out, "incident", api_json_text(r->arena, before));
		api_put(r->out, "repeated", json_true());
		return;
	}
	alert_incident(r->alerts, v.kind, NULL, subject, id);
	alert_post(r->alerts, subject, &v);
	str_cat(&s, "api did=complaint");
	str_kv(&s, "by", r->by);
	str_kv(&s, "subject", subject);
	str_kv(&s, "incident", id);
	str_kv(&s, "reason", reason);
	log_line(LOG_LEVEL_NOTICE, s.data);
	api_put(r->out, "incident", json_string(id));
	keep_known(r, name, id);
}

unsigned
api_complaint(struct api_request *r)
{
	unsigned status = ask(r);
	const char *verdict, *subject;

	if (status != 0)
		return status;
	verdict = out_text(r, "verdict");
	subject = out_text(r, "account") != NULL ? out_text(r, "account") : out_text(r, "customer");
	/* What is in doubt is put on nobody's account: people look at it. The answer says what was found. */
	if (strcmp(verdict, "traced") == 0 && subject != NULL) {
		tell(r, subject, reason_text(r));
		return 200;
	}
	api_put(r->out, "error", json_string(strcmp(verdict, "doubtful") == 0 ?
	    "it is in doubt whose message this is: nothing is recorded" : strcmp(verdict, "traced") == 0 ?
	    "the message is no customer's: nothing is recorded" :
	    "the complaint leads to nobody here: nothing is recorded"));
	return strcmp(verdict, "doubtful") == 0 ? 409 : 404;
}
