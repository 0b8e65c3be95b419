/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * trace - opens what a complaint holds, looks up what cannot be opened, and weighs it.
 *
 * A seal proves that one of our relays wrote it, not that it belongs to the message it stands in: a
 * customer can copy the stamp of a message that he got from another. So a stamp is compared with the
 * message's Message-ID, Date and From, and two customers in one complaint are a doubt, which is for people to
 * resolve. A Message-ID proves least: anybody can write it.
 */
#include "milter/trace.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "lib/mail.h"
#include "lib/net.h"
#include "lib/stamp.h"
#include "lib/str.h"
#include "lib/trace_memory.h"
#include "milter/message_file.h"

#include "lib/banned.h"

#define REMEMBERED_MOST 20u
#define FROM_MOST 100u
#define HEADER_MOST 32768u
#define LOOK_UPS_MOST 10u	/* of each sort: every one is a search through all that is remembered */

/* The message that carried the stamps, as stamp_matches wants it. */
struct original {
	bool known;
	const char *message_id, *date;
	const char *from[FROM_MOST];
	size_t n_from;
};

struct weigh {
	struct arena *arena;
	const struct trace_question *q;
	struct original original;
	json_t *found, *remembered;
	const char *doubt;
	const json_t *decided;		/* of found or remembered */
	bool forged, foreign;
};

static void
put(json_t *object, const char *name, json_t *take_value)
{
	if (take_value == NULL || json_object_set_new(object, name, take_value) != 0)
		abort();
}

/* Left out when there is nothing; bytes that are not UTF-8 become \xNN. */
static void
put_text(json_t *object, struct arena *a, const char *name, const char *text)
{
	struct str s;

	if (text == NULL || *text == '\0')
		return;
	if (!str_utf8(text, strlen(text))) {
		s = (struct str){ .size = strlen(text) * 4 + 1 };
		s.data = arena_alloc(a, s.size);
		str_cat_safe(&s, text);
		text = s.data;
	}
	put(object, name, json_string(text));
}

static void
put_number(json_t *object, const char *name, uint64_t n)
{
	put(object, name, json_integer((json_int_t)n));
}

static void
put_address(json_t *object, const char *name, const struct net_addr *addr)
{
	char text[NET_TEXT];

	if (addr->bits == 0)
		return;
	net_text(addr, text);
	put(object, name, json_string(text));
}

static const char *
text_of(const json_t *j, const char *name)
{
	const char *text = json_string_value(json_object_get(j, name));

	return text == NULL ? "" : text;
}

static size_t
list_size(const json_t *list)
{
	size_t n = json_is_array(list) ? json_array_size(list) : json_is_string(list) ? 1 : 0;

	return n < TRACE_ITEMS ? n : TRACE_ITEMS;
}

static const char *
list_text(const json_t *list, size_t n)
{
	const json_t *v = json_is_array(list) ? json_array_get(list, n) : list;

	return json_string_length(v) > TRACE_TEXT_MOST ? NULL : json_string_value(v);
}

/* ---- the message that carried the stamp -------------------------------------------------------- */

/* As facts_settle reads From; what cannot be read without doubt was refused, so it was never stamped. */
static void
read_from(struct arena *a, const char *value, struct original *to)
{
	struct mail_mailboxes boxes;
	size_t i;

	if (mail_mailboxes_parse(a, value, &boxes) != 1)
		return;
	for (i = 0; i < boxes.n && to->n_from < FROM_MOST; i++)
		to->from[to->n_from++] = boxes.at[i].text;
}

static void
read_original(struct arena *a, const struct trace_question *q, struct original *to)
{
	struct message_file m;
	size_t i;

	if (q->header == NULL || q->header_size > HEADER_MOST)
		return;
	message_file_parse(a, q->header, q->header_size, &m);
	for (i = 0; i < m.n; i++) {
		const struct message_field *f = &m.fields[i];

		if (str_ieq(f->name, "Message-ID") && to->message_id == NULL)
			to->message_id = f->value;
		else if (str_ieq(f->name, "Date") && to->date == NULL)
			to->date = f->value;
		else if (str_ieq(f->name, "From"))
			read_from(a, f->value, to);
	}
	/* Without a From it is a header that somebody shortened: nothing can be compared. */
	to->known = to->n_from > 0;
}

static bool
belongs(const struct weigh *w, const struct stamp_content *c)
{
	const struct original *o = &w->original;
	const struct stamp_bound b = { .message_id = o->message_id, .date = o->date, .from = o->from,
	    .n_from = o->n_from };

	return stamp_matches(w->q->keys, c, &b, true);
}

/* ---- one stamp ------------------------------------------------------------------------------ */

/* What it says openly, and what was sealed. */
static void
put_content(json_t *j, struct arena *a, const struct stamp_content *c, uint64_t now, bool opened)
{
	put_text(j, a, "key", c->key);
	put_text(j, a, "relay", c->relay);
	put_text(j, a, "queue_id", c->queue_id);
	if (c->time > 0)
		put_number(j, "time", c->time);
	if (!opened)
		return;
	put_number(j, "age", now > c->time ? now - c->time : 0);
	put_text(j, a, "stamp", arena_printf(a, "%08" PRIx32, c->mark));
	put_text(j, a, "customer", c->customer);
	if (c->pseudonym)
		put(j, "pseudonym", json_true());
	if (c->brief) {
		put(j, "brief", json_true());
		return;
	}
	put_text(j, a, "account", c->account);
	put_address(j, "client", &c->client);
	if (c->port > 0)
		put_number(j, "port", c->port);
	put_address(j, "submitter", &c->submitter);
	put_text(j, a, "quality", c->quality);
	put(j, "local", json_boolean(c->local));
	put(j, "login", json_boolean(c->login));
	put_number(j, "recipients", c->recipients);
}

/* The first decides, unless that one was copied and this one was not. */
static void
decide(struct weigh *w, const json_t *j, bool expired, bool same)
{
	if (w->decided != NULL && !(json_is_true(json_object_get(j, "same_message")) &&
	    json_is_false(json_object_get(w->decided, "same_message"))))
		return;
	w->decided = j;
	w->doubt = !same ? "the stamp was made for a message with another Message-ID, Date or From: it was "
	    "copied, or the report was edited" : expired ?
	    "the stamp is more than a year old, or from the future" : NULL;
}

static void
open_one(struct weigh *w, const char *text, bool carried, bool aside)
{
	struct stamp_content c = { .quality = "none" };
	enum stamp_result r = STAMP_MALFORMED;
	bool opened, same = true;
	json_t *j = json_object();

	if (w->q->keys != NULL)
		r = stamp_open(w->q->keys, text, w->q->now, TRACE_FRESH_MS, &c);
	opened = r == STAMP_OPENED || r == STAMP_EXPIRED;
	put_text(j, w->arena, "text", text);
	put(j, "result", json_string(w->q->keys == NULL ? "no-keys" : stamp_result_text(r)));
	put_content(j, w->arena, &c, w->q->now, opened);
	if (aside)
		put(j, "aside", json_true());
	if (opened && carried && !c.brief && w->original.known) {
		same = belongs(w, &c);
		put(j, "same_message", json_boolean(same));
	}
	json_array_append_new(w->found, j);
	if (aside)
		return;
	w->forged |= r == STAMP_FORGED;
	w->foreign |= r == STAMP_FOREIGN;
	if (opened)
		decide(w, j, r == STAMP_EXPIRED, same);
}

/* A brief stamp beside a whole one says nothing more; its customer may be a pseudonym. */
static bool
same_customer(const struct weigh *w, const json_t *a, const json_t *b)
{
	const char *x = text_of(a, "customer"), *y = text_of(b, "customer");
	bool px = json_is_true(json_object_get(a, "pseudonym"));
	bool py = json_is_true(json_object_get(b, "pseudonym"));
	char pseudonym[SEAL_PSEUDONYM];

	if (px == py || w->q->keys == NULL)
		return strcmp(x, y) == 0;
	seal_pseudonym(w->q->keys, px ? y : x, pseudonym);
	return strcmp(px ? x : y, pseudonym) == 0;
}

static bool
is_opened(const json_t *j)
{
	return strcmp(text_of(j, "result"), "opened") == 0 || strcmp(text_of(j, "result"), "expired") == 0;
}

/* Beside a stamp that belongs to the message: one that does not, or that cannot be compared. A spammer can
 * copy such a token into his header, so that the complaint would be in doubt. */
static bool
is_copied(const struct weigh *w, const json_t *j)
{
	return json_is_true(json_object_get(w->decided, "same_message")) &&
	    (json_is_true(json_object_get(j, "brief")) || json_is_false(json_object_get(j, "same_message")));
}

/* Prefers a whole stamp of the same customer to a brief one, and looks for another customer's. */
static void
weigh_found(struct weigh *w)
{
	size_t i;

	for (i = 0; i < json_array_size(w->found) && w->decided != NULL; i++) {
		const json_t *j = json_array_get(w->found, i);

		if (j == w->decided || !is_opened(j) || json_is_true(json_object_get(j, "aside")))
			continue;
		if (!same_customer(w, w->decided, j)) {
			if (w->doubt == NULL && !is_copied(w, j))
				w->doubt = "the report holds stamps of more than one customer";
		} else if (json_is_true(json_object_get(w->decided, "brief")) &&
		    !json_is_true(json_object_get(j, "brief")))
			w->decided = j;
	}
}

/* ---- the memory -------------------------------------------------------------------------------- */

static json_t *
remembered_json(struct arena *a, const struct trace_memory_entry *v, const char *by)
{
	json_t *j = json_object();

	put_number(j, "time", v->when);
	put_text(j, a, "relay", v->relay);
	put_text(j, a, "queue_id", v->queue_id);
	put_text(j, a, "message_id", v->message_id);
	put_text(j, a, "customer", v->customer);
	put_text(j, a, "account", v->account);
	put_text(j, a, "client", v->client);
	if (v->port > 0)
		put_number(j, "port", v->port);
	put_text(j, a, "submitter", v->submitter);
	put_text(j, a, "quality", v->quality);
	put_text(j, a, "return_path", v->return_path);
	put_text(j, a, "action", v->action);
	put(j, "by", json_string(by));
	put_number(j, "recipients", v->recipients);
	return j;
}

/* 1 and a number of entries, or -1 with e. */
static int
ask_memory(struct weigh *w, const char *message_id, const char *queue_id, struct err *e)
{
	const struct trace_memory_question q = { .file = w->q->memory, .message_id = message_id,
	    .queue_id = queue_id, .since = w->q->now > w->q->keep ? w->q->now - w->q->keep : 0,
	    .most = REMEMBERED_MOST, .deadline = w->q->deadline };
	struct trace_memory_entry *v;
	int n = trace_memory_find(&q, w->arena, &v, e), i;

	for (i = 0; i < n && json_array_size(w->remembered) < REMEMBERED_MOST; i++)
		json_array_append_new(w->remembered, remembered_json(w->arena, &v[i],
		    message_id != NULL ? "message-id" : "queue-id"));
	return n < 0 ? -1 : 1;
}

static void
look_up(struct weigh *w, json_t *out)
{
	size_t n = list_size(w->q->message_ids), m = list_size(w->q->queue_ids), i;
	const char *text;
	struct err e;
	int r = 1;

	err_clear(&e);
	for (i = 0; r > 0 && i < n && i < LOOK_UPS_MOST; i++)
		if ((text = list_text(w->q->message_ids, i)) != NULL)
			r = ask_memory(w, text, NULL, &e);
	for (i = 0; r > 0 && i < m && i < LOOK_UPS_MOST; i++)
		if ((text = list_text(w->q->queue_ids, i)) != NULL)
			r = ask_memory(w, NULL, text, &e);
	if (r < 0)
		put_text(out, w->arena, "memory_problem", e.text);
}

static void
weigh_remembered(struct weigh *w)
{
	const json_t *first = json_array_get(w->remembered, 0);
	size_t i;

	if (first == NULL)
		return;
	for (i = 1; i < json_array_size(w->remembered); i++)
		if (!same_customer(w, first, json_array_get(w->remembered, i)) && w->doubt == NULL)
			w->doubt = "messages of more than one customer are remembered by this";
	if (w->decided != NULL && !same_customer(w, w->decided, first) && w->doubt == NULL)
		w->doubt = "the stamp and what is remembered name different customers";
	if (w->decided == NULL && (w->forged || w->foreign) && w->doubt == NULL)
		w->doubt = w->forged ? "the report holds a forged stamp: only the Message-ID leads here" :
		    "the report holds a stamp that is not ours: only the Message-ID leads here";
	if (w->decided == NULL)
		w->decided = first;
}

/* ---- the answer ---------------------------------------------------------------------------------- */

static void
put_decided(json_t *out, const json_t *decided, bool stamp)
{
	static const char *const names[] = { "customer", "pseudonym", "account", "client", "port",
	    "submitter",
		"quality", "relay", "queue_id", "time", "key", "stamp", "return_path", "message_id",
		"recipients" };
	json_t *v;
	size_t i;

	put(out, "by", json_string(stamp ? "stamp" : "memory"));
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if ((v = json_object_get(decided, names[i])) != NULL)
			json_object_set(out, names[i], v);
}

/* What a brief stamp or a pseudonym does not say, the memory may. */
static void
complete(struct weigh *w, json_t *out)
{
	const json_t *first = json_array_get(w->remembered, 0);
	const char *name;
	json_t *v;

	if (first == NULL || first == w->decided || w->doubt != NULL)
		return;
	if (json_is_true(json_object_get(out, "pseudonym")) && json_object_get(first, "customer") != NULL) {
		json_object_del(out, "pseudonym");
		json_object_del(out, "customer");
	}
	json_object_foreach((json_t *)(uintptr_t)first, name, v) {
		if (json_object_get(out, name) == NULL)
			json_object_set(out, name, v);
	}
}

static void
open_list(struct weigh *w, const json_t *list, bool carried, bool aside)
{
	size_t n = list_size(list), i;
	const char *text;

	for (i = 0; i < n; i++)
		if ((text = list_text(list, i)) != NULL)
			open_one(w, text, carried, aside);
}

struct json_t *
trace_answer(struct arena *a, const struct trace_question *q)
{
	struct weigh w = { .arena = a, .q = q, .found = json_array(), .remembered = json_array() };
	json_t *out = json_object();
	bool whole;

	read_original(a, q, &w.original);
	open_list(&w, q->stamps, true, false);
	open_list(&w, q->tokens, false, false);
	open_list(&w, q->aside, false, true);
	weigh_found(&w);
	whole = w.decided != NULL && !json_is_true(json_object_get(w.decided, "brief"));
	if (q->memory != NULL && (!whole || list_size(q->queue_ids) > 0))
		look_up(&w, out);
	else if (q->memory == NULL && w.decided == NULL &&
	    list_size(q->message_ids) + list_size(q->queue_ids) > 0)
		put_text(out, a, "memory_problem", "nothing is remembered here (trace.memory.size)");
	put_number(out, "now", q->now);
	put(out, "found", w.found);
	put(out, "remembered", w.remembered);
	whole = w.decided != NULL;
	weigh_remembered(&w);
	put(out, "verdict", json_string(w.decided != NULL ? w.doubt != NULL ? "doubtful" : "traced" :
	    w.forged ? "forged" : w.foreign ? "foreign" : "unknown"));
	if (w.doubt != NULL && w.decided != NULL)
		put(out, "doubt", json_string(w.doubt));
	if (w.decided != NULL) {
		put_decided(out, w.decided, whole);
		complete(&w, out);
	}
	if (q->keys != NULL)
		put(out, "keys", json_string(seal_keys_active(q->keys)));
	return out;
}
