/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * submitter - which visitor's address submitted the form?
 *
 * A ticket may say it: what the web server saw (quality "web"), what stood in the environment of a CGI program's
 * ancestors ("cgi") or in the sender's own ("claimed"). A web host in submitter.trusted may name the visitor in one
 * header ("app"); from anyone else that header is not believed. For mail that a client hands over itself, the
 * client is the submitter ("smtp"). The address is a limit key across customers and evidence; it never exonerates.
 */
#include "milter/check.h"

#include <stdlib.h>
#include <string.h>

#include "lib/stamp.h"
#include "milter/prefixes.h"

#include "lib/banned.h"

static void *submitter_init(const struct services *s, const struct table_report *report, bool *ok);
static enum check_answer submitter_run(void *state, enum stage stage, struct message *m, struct err *e);
static void submitter_free(void *state);

static unsigned
submitter_needs(const void *state, const struct conf *c)
{
	(void)state;
	return c->submitter.trusted.n > 0 ? NEED_HEADERS : 0;
}

static enum conf_action
submitter_unsure(const struct conf *c)
{
	(void)c;
	return CONF_DEFER;
}

const struct check check_submitter = {
	.name = "submitter",
	.summary = "which visitor's address submitted the form",
	.stages = 1u << STAGE_MAIL | 1u << STAGE_END,
	.init = submitter_init,
	.needs = submitter_needs,
	.run = submitter_run,
	.free = submitter_free,
	.unsure = submitter_unsure,
};

static void *
submitter_init(const struct services *s, const struct table_report *report, bool *ok)
{
	(void)report;
	(void)ok;
	return prefixes_new(&s->conf->submitter.trusted);
}

static void
submitter_free(void *state)
{
	prefixes_free(state);
}

static void
set(struct facts *f, const struct net_addr *a, enum facts_quality quality)
{
	char text[NET_TEXT];

	net_text(a, text);
	f->submitter_addr = *a;
	f->submitter = arena_strdup(f->arena, text);
	f->quality = quality;
}

/* Web programs write "[203.0.113.9]" or "203.0.113.9". Two fields, or a list, name nobody. */
static void
read_named(struct facts *f, const char *name)
{
	const struct header *h = facts_header(f, name, 1);
	struct net_addr a;

	if (h == NULL || facts_header(f, name, 2) != NULL)
		return;
	if (net_parse(mail_header_text(f->arena, h->value, 200), &a) == 1)
		set(f, &a, QUALITY_APP);
}

static enum facts_quality
ticket_quality(const struct ticket *t)
{
	static const enum facts_quality quality[] = {
		[TICKET_NONE] = QUALITY_NONE, [TICKET_CLAIMED] = QUALITY_CLAIMED,
		[TICKET_CGI] = QUALITY_CGI, [TICKET_WEB] = QUALITY_WEB,
	};

	return quality[t->quality];
}

/* A message that comes back has the submitter that its stamp names, whoever handed it over now. */
static void
restore(struct facts *f)
{
	f->submitter = NULL;
	f->quality = QUALITY_NONE;
	if (f->reentered->submitter.bits != 0)
		set(f, &f->reentered->submitter, facts_quality_of(f->reentered->quality));
}

static void
remove_named(struct message *m, const char *name)
{
	unsigned n = facts_header_count(&m->facts, name), i;

	for (i = 1; i <= n; i++)
		verdict_remove_header(&m->verdict, name, i);
}

static enum check_answer
submitter_run(void *state, enum stage stage, struct message *m, struct err *e)
{
	const struct conf *c = m->services->conf;
	struct facts *f = &m->facts;
	bool trusted = f->local || prefixes_have(state, &f->client);

	(void)e;
	/* Known at MAIL already, so that a visitor over his limit is refused there. */
	if (stage == STAGE_MAIL) {
		if (!trusted && !f->ticket_place && f->client.bits != 0)
			set(f, &f->client, QUALITY_SMTP);
		return CHECK_DONE;
	}
	if (f->class == CLASS_REENTERED)
		restore(f);
	else if (f->ticket != NULL && (f->by_ticket || f->customer == NULL) && f->ticket->quality != TICKET_NONE)
		set(f, &f->ticket->submitter, ticket_quality(f->ticket));
	if (trusted && *c->submitter.header != '\0') {
		if (f->class != CLASS_REENTERED && f->quality == QUALITY_NONE)
			read_named(f, c->submitter.header);
		if (c->submitter.remove)
			remove_named(m, c->submitter.header);
	}
	if (!trusted && f->class != CLASS_REENTERED && f->quality == QUALITY_NONE && f->client.bits != 0)
		set(f, &f->client, QUALITY_SMTP);
	return CHECK_DONE;
}
