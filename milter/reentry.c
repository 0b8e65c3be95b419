/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * reentry - finds the stamp of a message that comes back, and restores what it knows.
 *
 * Called by check_identity alone, at the end of the message; check_trace binds new stamps to the same things.
 * It looks at a few copies of the header only, so that a thousand forged ones cost nothing.
 */
#include "milter/reentry.h"

#include <string.h>
#include <strings.h>

#include "lib/banned.h"

#define LOOK_AT_MAX 20u

bool
reentry_on(const struct conf *c)
{
	return *c->trace.sealed.header != '\0' && *c->trace.sealed.keys != '\0';
}

void
reentry_bound(const struct facts *f, struct stamp_bound *to)
{
	const struct header *date = facts_header(f, "Date", 1);
	const char **from = arena_alloc(f->arena, f->n_from * sizeof(*from));
	size_t i;

	for (i = 0; i < f->n_from; i++)
		from[i] = f->from[i].text;
	to->message_id = f->message_id;
	to->date = date == NULL ? NULL : date->value;
	to->from = from;
	to->n_from = f->n_from;
	to->recipients = f->recipients;
	to->n_recipients = f->n_recipients;
}

static void
restore(struct facts *f, const struct stamp_content *c, size_t at)
{
	f->class = CLASS_REENTERED;
	f->customer = *c->customer == '\0' ? NULL : c->customer;
	f->account = *c->account == '\0' ? NULL : c->account;
	f->plan = NULL;
	f->probation = false;
	f->reentered = c;
	f->reentered_at = at;
}

/* Why a stamp that looks like ours says nothing here; NULL when it is none of ours, or another message's. */
static const char *
doubt_of(const struct message *m, enum stamp_result r, const struct stamp_content *c,
    const struct stamp_bound *b)
{
	const struct conf *conf = m->services->conf;

	if (r == STAMP_FOREIGN)
		return arena_printf(m->facts.arena,
		    "its stamp is of a key that is not in %.200s: is that file the same on all relays?",
		    conf->trace.sealed.keys);
	if (r == STAMP_OPENED && c->recipients > STAMP_RECIPIENTS &&
	    stamp_matches(m->services->keys, c, b, true))
		return arena_printf(m->facts.arena, "its stamp is genuine, but of a message to %s%u "
		    "recipients, and more than %u cannot be told apart: let the MTA take fewer at once",
		    c->recipients == UINT16_MAX ? "at least " : "", c->recipients, STAMP_RECIPIENTS);
	return NULL;
}

bool
reentry_find(struct message *m, bool others_too)
{
	const struct conf *conf = m->services->conf;
	const struct seal_keys *keys = m->services->keys;
	struct facts *f = &m->facts;
	struct stamp_content *c = arena_alloc(f->arena, sizeof(*c));
	struct stamp_bound b;
	enum stamp_result r;
	size_t i, seen = 0;

	reentry_bound(f, &b);
	for (i = 0; i < f->n_headers && seen < LOOK_AT_MAX; i++) {
		if (strcasecmp(f->headers[i].name, conf->trace.sealed.header) != 0)
			continue;
		seen++;
		r = stamp_open(keys, f->headers[i].value, f->began, conf->trace.reentry.fresh, c);
		if (r == STAMP_OPENED && strcmp(c->queue_id, REENTRY_NEVER) != 0 &&
		    stamp_matches(keys, c, &b, others_too)) {
			restore(f, c, i);
			f->expanded = others_too && !stamp_matches(keys, c, &b, false);
			return true;
		}
		if (f->not_known == NULL)
			f->not_known = doubt_of(m, r, c, &b);
	}
	return false;
}
