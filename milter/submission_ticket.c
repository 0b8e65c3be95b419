/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * submission_ticket - reads what gatepost-sendmail says, weighs it, and seals the ticket.
 *
 * The user is the kernel's word. The visitor is, in this order: what the web server's token says, what a
 * web server put into the environment of an ancestor, what the sender says himself; the ticket tells
 * which. A token that names a site of another customer, or was used too often, is not believed, and the
 * desk is told. Nobody is refused a ticket for that: it attests the user all the same.
 */
#include "milter/submission.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "lib/alert.h"
#include "lib/arena.h"
#include "lib/clock.h"
#include "lib/seal.h"
#include "lib/str.h"
#include "milter/ancestry.h"
#include "milter/check.h"
#include "milter/local_user.h"

#include "lib/banned.h"

#define LOOK_MS 500u		/* for tables: others wait meanwhile */
#define ARENA_CAP ((size_t)1 << 20)

static struct { atomic_uint_fast64_t given[TICKET_WEB + 1], refused; } counted;

void
submission_numbers(struct submission_numbers *to)
{
	size_t i;

	for (i = 0; i <= TICKET_WEB; i++)
		to->given[i] = atomic_load_explicit(&counted.given[i], memory_order_relaxed);
	to->refused = atomic_load_explicit(&counted.refused, memory_order_relaxed);
}

/* ---- the question ------------------------------------------------------------------------------- */

struct said { const char *token, *address, *script; };

/* Each name once; a name that we do not know is a newer client's, and does not matter. */
static bool
read_line(char *line, struct said *to)
{
	const struct { const char *name; const char **value; } known[] = {
		{ "token", &to->token }, { "address", &to->address }, { "script", &to->script },
	};
	char *value = strchr(line, '=');
	size_t i;

	if (value == NULL)
		return false;
	*value++ = '\0';
	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(line, known[i].name) != 0)
			continue;
		if (*known[i].value != NULL)
			return false;
		*known[i].value = value;
	}
	return true;
}

static bool
read_question(char *text, struct said *to)
{
	char *line, *rest = text;

	memset(to, 0, sizeof(*to));
	line = strsep(&rest, "\n");
	if (strcmp(line, SUBMISSION_HELLO) != 0)
		return false;
	while ((line = strsep(&rest, "\n")) != NULL)
		if (*line != '\0' && !read_line(line, to))
			return false;
	return true;
}

/* ---- the visitor -------------------------------------------------------------------------------- */

struct asking {
	const struct submission_question *q;
	struct ticket ticket;
	struct arena *arena;
	uint64_t deadline;
};

/* Named as his mail is, so that the desk finds one by the other, and escalation the right account. */
static void
name_owner(struct asking *k, struct alert_event *v)
{
	const char *value, *key, *rest;
	size_t n;

	v->account = local_user_text(k->arena, &k->ticket);
	if (local_user_find(k->q->services, &k->ticket, k->arena, k->deadline, &value, &key, NULL) != 1)
		return;
	n = strcspn(value, " \t");
	rest = value + n + strspn(value + n, " \t");
	v->customer = str_lower(arena_strndup(k->arena, value, n));
	v->account = str_lower(arena_strdup(k->arena, *rest != '\0' ? rest : key));
}

static void
tell_token(struct asking *k, const char *kind, const struct ticket_web *w, const char *reason)
{
	const struct services *s = k->q->services;
	struct alert_event v = { .kind = kind, .severity = "notice", .action = "accept", .reason = reason };
	char visitor[NET_TEXT];

	net_text(&w->visitor, visitor);
	v.submitter = visitor;
	v.script = k->ticket.script;
	name_owner(k, &v);
	if (s->alerts != NULL)
		alert_post(s->alerts, v.account, &v);
}

/* A visitor of this user's site? One that the tables do not know cannot be told from a stolen token's. */
static bool
own_site(struct asking *k, const struct ticket_web *w)
{
	const char *value, *key;
	int r = local_user_find(k->q->services, &k->ticket, k->arena, k->deadline, &value, &key, NULL);

	if (r == 1)
		r = local_user_has_site(k->q->services, value, w->vhost, k->arena, k->deadline, NULL);
	if (r == 0)
		tell_token(k, "ticket.token-foreign", w, arena_printf(k->arena,
		    "a web token for %.100s, which is no site of this user's customer", w->vhost));
	return r == 1;
}

static bool
by_token(struct asking *k, const char *token)
{
	const struct services *s = k->q->services;
	struct ticket_web w;
	enum ticket_result result;

	if (token == NULL || *token == '\0')
		return false;
	result = ticket_web_open(s->keys, token, k->q->now, s->conf->submission.valid, &w);
	if (result == TICKET_EXPIRED)
		return false;		/* a program that runs for long */
	if (result != TICKET_GOOD) {
		memset(&w, 0, sizeof(w));
		tell_token(k, "ticket.token-forged", &w,
		    arena_printf(k->arena, "a %s web token", ticket_result_text(result)));
		return false;
	}
	if (!own_site(k, &w))
		return false;
	if (ticket_book_use(k->q->tokens, w.nonce, 0, s->conf->submission.mails,
	    w.time + 2 * s->conf->submission.valid, k->q->now, true) == TICKET_SPENT) {
		tell_token(k, "ticket.token-spent", &w, arena_printf(k->arena,
		    "a web token for %.100s was used for more than %u mails", w.vhost,
		    s->conf->submission.mails));
		return false;
	}
	k->ticket.submitter = w.visitor;
	k->ticket.quality = TICKET_WEB;
	return true;
}

static bool
is_server(void *cookie, uid_t uid)
{
	const struct conf_strings *list = cookie;
	struct peer p = { .uid = uid, .gid = (gid_t)-1, .primary = (gid_t)-1 };

	peer_name(&p);
	return peer_listed(&p, list);
}

static bool
by_ancestry(struct asking *k)
{
	const struct peer *p = k->q->peer;
	struct conf_strings list = k->q->services->conf->submission.web_allow;
	struct ancestry_found found;

	if (!ancestry_find(k->q->process, p->pid, p->uid, is_server, &list, &found))
		return false;
	k->ticket.submitter = found.visitor;
	k->ticket.quality = TICKET_CGI;
	if (*found.script != '\0')
		memcpy(k->ticket.script, found.script, sizeof(k->ticket.script));
	return true;
}

static bool
by_claim(struct asking *k, const char *address)
{
	if (address == NULL || net_parse(address, &k->ticket.submitter) != 1)
		return false;
	k->ticket.quality = TICKET_CLAIMED;
	return true;
}

/* ---- the answer --------------------------------------------------------------------------------- */

static void
refuse(struct str *to, const char *word, const char *why)
{
	atomic_fetch_add_explicit(&counted.refused, 1, memory_order_relaxed);
	str_catf(to, "%s %s\n", word, why);
}

static void
give(struct asking *k, const struct said *said, struct str *to)
{
	struct ticket *t = &k->ticket;
	char value[TICKET_VALUE];
	struct err e;

	t->uid = (uint32_t)k->q->peer->uid;
	if (strlen(k->q->peer->name) <= TICKET_USER_MAX)
		ticket_put(t->user, sizeof(t->user), k->q->peer->name);
	ticket_put(t->relay, sizeof(t->relay), k->q->services->conf->relay);
	ticket_put(t->script, sizeof(t->script), said->script);
	t->time = k->q->now;
	ticket_begin(t);
	if (!by_token(k, said->token) && !by_ancestry(k) && !by_claim(k, said->address)) {
		memset(&t->submitter, 0, sizeof(t->submitter));
		t->quality = TICKET_NONE;
	}
	if (ticket_close(k->q->services->keys, t, value, sizeof(value), &e) < 0) {
		refuse(to, "later", "it cannot be sealed now");
		return;
	}
	atomic_fetch_add_explicit(&counted.given[t->quality], 1, memory_order_relaxed);
	str_catf(to, "ticket %s\n", value);
}

void
submission_answer(const struct submission_question *q, struct str *to)
{
	struct asking k = { .q = q };
	struct said said;

	if (!read_question(q->text, &said)) {
		refuse(to, "refused", "the question cannot be read");
		return;
	}
	if (peer_nobody(q->peer)) {
		refuse(to, "refused", "the system does not say who you are");
		return;
	}
	if (q->services->keys == NULL) {
		refuse(to, "refused", "no keys are configured");
		return;
	}
	k.arena = arena_new(ARENA_CAP);
	k.deadline = clock_deadline(LOOK_MS);
	give(&k, &said, to);
	arena_free(&k.arena);
}
