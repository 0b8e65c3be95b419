/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * mailer - does the message carry the signature of a bulk mailer or of a hacked site's script?
 *
 * Asked at the end of the message, when all of its header is known. The best match becomes a fact, which
 * limits and the log use; what else happens follows from its kind: the action in mailers.actions, the header
 * that names it, and one alert when a customer uses it for the first time. A hint (confidence below
 * SIGNATURE_HINT) is told and counted like any match, but never does more than tag.
 *
 * Lists and libraries are recognised and let alone: no header, no alert, and no action unless one is
 * configured. Copies of our header that the sender wrote are removed by check_trace.c.
 */
#include "milter/check.h"

#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/signature.h"
#include "milter/mailer_seen.h"

#include "lib/banned.h"

static void *mailer_init(const struct services *s, const struct table_report *report, bool *ok);
static enum check_answer mailer_run(void *state, enum stage stage, struct message *m, struct err *e);
static void mailer_finish(void *state, struct message *m);
static void mailer_free(void *state);

static unsigned
mailer_needs(const void *state, const struct conf *c)
{
	(void)c;
	return state == NULL ? 0 : NEED_HEADERS;
}

static enum conf_mode
mailer_mode(const struct conf *c)
{
	return c->mailers.mode;
}

static enum conf_action
mailer_unsure(const struct conf *c)
{
	(void)c;
	return CONF_ACCEPT;	/* never asked: a signature matches or it does not */
}

const struct check check_mailer = {
	.name = "mailer",
	.summary = "does it carry the signature of a bulk or web-shell mailer",
	.stages = 1u << STAGE_END,
	.init = mailer_init,
	.needs = mailer_needs,
	.run = mailer_run,
	.finish = mailer_finish,
	.free = mailer_free,
	.mode = mailer_mode,
	.unsure = mailer_unsure,
};

struct mailer {
	struct signature_set *set;
	struct mailer_seen *seen;
};

/* What is said and done about a kind beyond its configured action. */
static const struct {
	const char *kind;
	bool named;		/* gets the header and an alert at first use */
	const char *severity;	/* of that alert */
	const char *reply;
} kinds[] = {
	{ "bulk", true, "notice", "mail made by bulk mailing software is not accepted here" },
	{ "webshell", true, "warning", "this message was made by a script known from hacked web sites" },
	{ "desktop", true, "notice", "mail made by mass mailing software is not accepted here" },
	{ "newsletter", true, "notice", "mail made by newsletter software is not accepted here" },
	{ "crm", true, "notice", "mass mailings are not accepted here" },
	{ "list", false, NULL, "mail of mailing lists is not accepted here" },
	{ "library", false, NULL, "mail made by this kind of software is not accepted here" },
};

static size_t
kind_of(const char *kind)
{
	size_t i;

	for (i = 0; i + 1 < sizeof(kinds) / sizeof(kinds[0]) && strcmp(kinds[i].kind, kind) != 0; i++)
		;
	return i;
}

static void *
mailer_init(const struct services *s, const struct table_report *report, bool *ok)
{
	struct signature_set *set;
	struct mailer *state;

	if (*s->conf->mailers.signatures == '\0')
		return NULL;
	/* Bad entries are told and left out: one mistake in a long file is no reason to watch for nothing. */
	set = signature_load(s->conf->mailers.signatures, report, NULL);
	if (set == NULL) {
		*ok = false;
		return NULL;
	}
	state = calloc(1, sizeof(*state));
	if (state == NULL)
		abort();
	state->set = set;
	state->seen = mailer_seen_open(s->store);
	return state;
}

static void
mailer_free(void *cookie)
{
	struct mailer *state = cookie;

	if (state == NULL)
		return;
	signature_unref(&state->set);
	mailer_seen_close(&state->seen);
	free(state);
}

static bool
best_match(struct mailer *state, const struct facts *f, struct signature_match *to)
{
	struct signature_header *headers = arena_alloc(f->arena, f->n_headers * sizeof(*headers));
	struct err e;
	size_t i, n;

	for (i = 0; i < f->n_headers; i++)
		headers[i] = (struct signature_header){ f->headers[i].name, f->headers[i].value };
	n = signature_match(state->set, headers, f->n_headers, f->arena, to, 1);
	while (signature_slow(state->set, &e) == 1)
		log_printf(LOG_LEVEL_WARNING, "%s: %s", e.where, e.text);
	return n > 0;
}

static enum conf_action
action_for(const struct conf *c, const struct signature_match *match)
{
	enum conf_action action = CONF_ACCEPT;
	size_t i;

	for (i = 0; i < c->mailers.n_actions; i++)
		if (strcmp(c->mailers.actions[i].kind, match->kind) == 0)
			action = c->mailers.actions[i].action;
	if (match->confidence < SIGNATURE_HINT && action > CONF_TAG)
		action = CONF_TAG;
	return action;
}

static enum check_answer
mailer_run(void *cookie, enum stage stage, struct message *m, struct err *e)
{
	const struct conf *c = m->services->conf;
	struct facts *f = &m->facts;
	struct signature_match match;
	struct finding found = { .status = "7.1" };
	size_t kind;

	(void)stage;
	(void)e;
	/* What comes back was judged, and perhaps released from hold, before. */
	if (cookie == NULL || f->class == CLASS_REENTERED || !best_match(cookie, f, &match))
		return CHECK_DONE;
	kind = kind_of(match.kind);
	f->mailer = match.name;
	f->mailer_kind = kinds[kind].kind;
	found.code = arena_printf(f->arena, "mailer.%s", match.kind);
	found.action = action_for(c, &match);
	found.reply = kinds[kind].reply;
	found.desk = arena_printf(f->arena, "made by %s (%s, %s %u): %s", match.title, match.name,
	    match.confidence < SIGNATURE_HINT ? "a hint," : "confidence", match.confidence, match.evidence);
	found.quiet = found.action < CONF_HOLD;	/* the alert at first use is enough */
	check_find(m, &check_mailer, &found);
	if (kinds[kind].named && *c->mailers.header != '\0')
		verdict_insert_header(&m->verdict, c->mailers.header, match.name);
	return CHECK_DONE;
}

static const struct finding *
our_finding(const struct verdict *v)
{
	const struct finding *f;

	for (f = v->findings; f != NULL; f = f->next)
		if (f->check == check_mailer.name)
			return f;
	return NULL;
}

static void
tell_first_use(struct message *m, const struct finding *found, const char *severity)
{
	const struct facts *f = &m->facts;
	struct alert_event v = { .kind = "mailer.first-seen", .severity = severity };

	v.customer = f->customer;
	v.account = f->account;
	v.client = f->client_text;
	v.submitter = f->submitter;
	v.sender = f->sender_ok && !f->return_path.null ? f->return_path.text : f->sender;
	v.from = f->n_from > 0 ? f->from[0].text : NULL;
	v.mailer = f->mailer;
	v.transaction = f->transaction;
	v.queue_id = f->queue_id;
	v.message_id = f->message_id;
	v.action = conf_action_text(verdict_action(&m->verdict));
	v.monitor = found->monitor;
	v.reason = arena_printf(f->arena, "first message of customer %s %s", f->customer, found->desk);
	alert_post(m->services->alerts, arena_printf(f->arena, "%s %s", f->customer, f->mailer), &v);
}

/* Also for a message that was refused: that somebody tried is what the desk wants to know. */
static void
mailer_finish(void *cookie, struct message *m)
{
	struct mailer *state = cookie;
	const struct finding *found = our_finding(&m->verdict);
	size_t kind;

	if (state == NULL || found == NULL || m->dry || m->facts.customer == NULL)
		return;
	kind = kind_of(m->facts.mailer_kind);
	if (!kinds[kind].named || !mailer_seen_first(state->seen, m->facts.customer, m->facts.mailer))
		return;
	if (m->services->conf->mailers.first_seen_alert && m->services->alerts != NULL)
		tell_first_use(m, found, kinds[kind].severity);
}
