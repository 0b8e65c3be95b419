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

#include <string.h>
#include <time.h>

#include <jansson.h>

#include "lib/alert.h"
#include "lib/log.h"
#include "lib/str.h"
#include "lib/trace_memory.h"
#include "milter/trace.h"

#include "lib/banned.h"

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
	    type == NULL ? "" : " (", type == NULL ? "" : type, type == NULL ? "" : ")", by == NULL ? "" : " by ", by == NULL ? "" : by,
	    when_text(r->arena, when < 0 ? 0 : (uint64_t)when), relay == NULL ? "" : " on ",
	    relay == NULL ? "" : relay);
}

static void
tell(struct api_request *r, const char *subject, const char *reason)
{
	const struct alert_event v = { .kind = "complaint.received", .severity = "warning",
	    .customer = out_text(r, "customer"), .account = out_text(r, "account"),
	    .client = out_text(r, "client"), .submitter = out_text(r, "submitter"),
	    .sender = out_text(r, "return_path"), .queue_id = out_text(r, "queue_id"),
	    .message_id = out_text(r, "message_id"),
	    .reason = reason };
	char id[ALERT_ID], space[900];
	struct str s = STR_IN(space);

	alert_incident(r->alerts, v.kind, NULL, subject, id);
	alert_post(r->alerts, subject, &v);
	str_cat(&s, "api did=complaint");
	str_kv(&s, "by", r->by);
	str_kv(&s, "subject", subject);
	str_kv(&s, "incident", id);
	str_kv(&s, "reason", reason);
	log_line(LOG_LEVEL_NOTICE, s.data);
	api_put(r->out, "incident", json_string(id));
	api_put(r->out, "subject", api_json_text(r->arena, subject));
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
