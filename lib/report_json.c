/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * report_json - reads XARF 3 and 4, and knows jansson.
 *
 * Two versions, and several texts of the older one that name the same thing differently ("SourceIp",
 * "Source": { "IP" }); so members are found by name at any depth, without case, blanks, '_' and '-', and each
 * evidence is whatever has a payload. Nothing is validated: a report that breaks the schema still names a
 * message.
 */
#include "lib/report_private.h"

#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "lib/str.h"

#include "lib/banned.h"

#define LEVELS 12u
#define MEMBERS_MOST 5000u	/* in all: of arrays of arrays too */
#define WORDS_MOST 200u

struct walk {
	struct report_reader *r;
	unsigned members;
};

static void walk_value(struct walk *w, const char *name, const json_t *v, unsigned level);

/* "source_port" -> "sourceport" */
static void
plain_name(const char *name, char *to, size_t size)
{
	size_t n = 0;

	for (; *name != '\0' && n + 1 < size; name++)
		if (*name != '_' && *name != '-' && *name != ' ')
			to[n++] = *name;
	to[n] = '\0';
	(void)str_lower(to);
}

static const json_t *
member(const json_t *object, const char *name)
{
	const char *key;
	char plain[64];
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)object, key, v) {
		plain_name(key, plain, sizeof(plain));
		if (strcmp(plain, name) == 0)
			return v;
	}
	return NULL;
}

static const char *
member_text(const json_t *object, const char *name)
{
	return json_string_value(member(object, name));
}

/* Base64 and nothing else: a header always has a colon. */
static bool
is_base64(const char *text, size_t n)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=-_\r\n";

	return n >= 8 && strspn(text, digits) == n;
}

static void
read_evidence(struct walk *w, const json_t *object, const json_t *payload)
{
	const char *type = member_text(object, "contenttype"), *data = json_string_value(payload);
	size_t n = json_string_length(payload);
	bool machine = w->r->machine;

	if (!report_may(w->r, n) || w->r->depth >= REPORT_DEPTH)
		return;
	if (is_base64(data, n))
		data = report_base64(w->r->arena, data, n, &n);
	w->r->depth++;
	w->r->machine = true;
	if (type == NULL || str_ieq(type, "application/octet-stream") || strncmp(type, "message/", 8) == 0 ||
	    strstr(type, "rfc822") != NULL)
		report_original(w->r, data, n);
	else if (strncmp(type, "text/", 5) == 0)
		report_text(w->r, data, n, REPORT_IN_TEXT);
	w->r->depth--;
	w->r->machine = machine;
}

/* What a member's text says, by its plain name. */
static void
read_member(struct walk *w, const char *name, const json_t *v)
{
	struct report *to = w->r->to;
	const struct { const char *name; const char **field; } known[] = {
		{ "sourceidentifier", &to->source }, { "sourceip", &to->source }, { "ip", &to->source },
		{ "sourceport", &to->source_port }, { "port", &to->source_port },
		{ "timestamp", &to->arrival }, { "date", &to->arrival }, { "reporttype", &to->feedback_type },
		{ "reporterorg", &to->reporter }, { "smtpfrom", &to->return_path },
		{ "smtpmailfromaddress", &to->return_path },
	};
	const char *text = json_string_value(v);
	char number[32];
	size_t i;

	if (json_is_integer(v)) {
		(void)snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(v));
		text = number;
	}
	if (text == NULL)
		return;
	if (strcmp(name, "messageid") == 0 || strcmp(name, "smtpmessageid") == 0)
		report_message_id(w->r, text, strlen(text), REPORT_IN_FIELDS);
	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(name, known[i].name) == 0)
			report_set(w->r, known[i].field, text, strlen(text), WORDS_MOST);
	/* Headers, a log line: a report may carry the message's header as a text. */
	if (strchr(text, '\n') != NULL || strchr(text, ':') != NULL || strchr(text, '+') != NULL)
		report_text(w->r, text, strlen(text), REPORT_IN_FIELDS);
}

static void
walk_object(struct walk *w, const json_t *object, unsigned level)
{
	const json_t *payload = member(object, "payload");
	const char *key;
	char plain[64];
	json_t *v;

	if (!json_is_string(payload))
		payload = member(object, "data");
	if (json_is_string(payload)) {
		read_evidence(w, object, payload);
		return;
	}
	json_object_foreach((json_t *)(uintptr_t)object, key, v) {
		plain_name(key, plain, sizeof(plain));
		walk_value(w, plain, v, level + 1);
	}
}

static void
walk_value(struct walk *w, const char *name, const json_t *v, unsigned level)
{
	size_t i;

	if (level > LEVELS || w->members++ > MEMBERS_MOST) {
		w->r->to->cut = true;
		return;
	}
	if (json_is_object(v))
		walk_object(w, v, level);
	else if (json_is_array(v))
		for (i = 0; i < json_array_size(v) && w->members <= MEMBERS_MOST; i++)
			walk_value(w, name, json_array_get(v, i), level + 1);
	else
		read_member(w, name, v);
}

/* Which version, and what its head says. */
static void
read_head(struct report_reader *r, const json_t *top)
{
	const char *category = member_text(top, "category"), *type = member_text(top, "type");
	const json_t *reporter = member(top, "reporter");
	const char *org = json_is_object(reporter) ? member_text(reporter, "org") : NULL, *both;

	if (member(top, "xarfversion") != NULL)
		report_is(r, REPORT_XARF4);
	else if (member(top, "reporterinfo") != NULL || (member(top, "version") != NULL &&
	    member(top, "report") != NULL))
		report_is(r, REPORT_XARF3);
	else
		return;
	if (org != NULL)
		report_set(r, &r->to->reporter, org, strlen(org), WORDS_MOST);
	if (type != NULL) {
		both = category == NULL ? type : arena_printf(r->arena, "%.90s/%.90s", category, type);
		report_set(r, &r->to->feedback_type, both, strlen(both), WORDS_MOST);
	}
}

bool
report_json(struct report_reader *r, const char *data, size_t n)
{
	struct walk w = { .r = r };
	/* A mail program's footer may follow an object; what begins with '[' may be anything. */
	json_t *top = json_loadb(data, n, *data == '{' ? JSON_DISABLE_EOF_CHECK : 0, NULL);
	const json_t *first = json_is_array(top) ? json_array_get(top, 0) : top;

	if (top == NULL)
		return false;
	if (json_is_object(first))
		read_head(r, first);
	walk_value(&w, "", top, 0);
	json_decref(top);
	return true;
}
