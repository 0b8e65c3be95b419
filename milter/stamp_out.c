/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * stamp_out - writes what a stamp says into the headers that the configuration asks for.
 *
 * In the order in which they stand in the message: customer, submitter, sealed, extras, trace.also. What
 * must not be read by everybody is a pseudonym (opaque) or sealed. It decides nothing: what came with the
 * message is check_trace.c's business.
 */
#include "milter/stamp_out.h"

#include <string.h>
#include <strings.h>

#include "lib/stamp.h"
#include "lib/str.h"
#include "milter/reentry.h"

#include "lib/banned.h"

#define TOKEN_PIECE 60		/* so that lines stay short: blanks in a CFBL-Feedback-ID count for nothing */

struct output {
	const char *name, *value;
	bool there;		/* the message has it */
	struct output *next;
};

struct stamp_out {
	struct message *m;
	const struct stamp_content *content;
	const char *value;	/* of the sealed header, as it stands or will stand there */
	struct output *first, **end;
};

static void
put(struct stamp_out *o, const char *name, const char *value)
{
	struct output *out;

	if (*name == '\0' || value == NULL || *value == '\0')
		return;
	out = arena_zalloc(o->m->facts.arena, sizeof(*out));
	out->name = name;
	out->value = value;
	*o->end = out;
	o->end = &out->next;
}

/* ---- parts of values ---------------------------------------------------------------------------- */

static const char *
pseudonym(const struct message *m, const char *name)
{
	char text[SEAL_PSEUDONYM];

	if (m->services->keys == NULL || name == NULL || *name == '\0')
		return NULL;
	seal_pseudonym(m->services->keys, name, text);
	return arena_strdup(m->facts.arena, text);
}

static const char *
in_form(const struct message *m, enum conf_form form, const char *text)
{
	return form == CONF_FORM_PLAIN ? text : form == CONF_FORM_OPAQUE ? pseudonym(m, text) : NULL;
}

static const char *
address(const struct stamp_out *o, const struct net_addr *a)
{
	char text[NET_TEXT];

	if (a->bits == 0)
		return NULL;
	net_text(a, text);
	return arena_strdup(o->m->facts.arena, text);
}

/* Only a visitor of a form: for mail that a client hands over itself he is no news. */
static const char *
form_submitter(const struct stamp_out *o)
{
	enum facts_quality q = facts_quality_of(o->content->quality);

	return q == QUALITY_NONE || q == QUALITY_SMTP ? NULL : address(o, &o->content->submitter);
}

static const char *
short_token(const struct stamp_out *o)
{
	char text[STAMP_SHORT];

	stamp_short(o->m->services->keys, o->content, text);
	return arena_strdup(o->m->facts.arena, text);
}

/* In pieces with blanks between. */
static const char *
token(const struct stamp_out *o)
{
	char text[STAMP_TOKEN], space[STAMP_TOKEN + STAMP_TOKEN / TOKEN_PIECE + 1];
	struct str s = STR_IN(space);
	size_t i, n;

	if (!stamp_token(o->value, text))
		return NULL;
	for (i = 0, n = strlen(text); i < n; i += TOKEN_PIECE) {
		str_cat(&s, i == 0 ? "" : " ");
		str_catn(&s, text + i, n - i < TOKEN_PIECE ? n - i : TOKEN_PIECE);
	}
	return arena_strdup(o->m->facts.arena, space);
}

/* ---- the headers ------------------------------------------------------------------------------------ */

static void
put_extras(struct stamp_out *o)
{
	const struct conf *c = o->m->services->conf;
	struct arena *a = o->m->facts.arena;
	const char *at = strchr(c->trace.extras.report_abuse, '@');
	const char *who;

	if (at != NULL)
		put(o, "X-Report-Abuse", arena_printf(a, "<%.*s+%s%s>",
		    (int)(at - c->trace.extras.report_abuse), c->trace.extras.report_abuse, short_token(o),
		    at));
	if (*c->trace.extras.cfbl_address != '\0') {
		put(o, "CFBL-Address", arena_printf(a, "%s; report=arf", c->trace.extras.cfbl_address));
		put(o, "CFBL-Feedback-ID", token(o));
	}
	if (*c->trace.extras.feedback_id != '\0' && (who = pseudonym(o->m, o->m->facts.customer)) != NULL)
		put(o, "Feedback-ID", arena_printf(a, "%s:%s:%s", who, o->content->relay,
		    c->trace.extras.feedback_id));
	/* "auth" is about the client of the server that reports: only who logged in here passes. */
	if (*c->trace.extras.authserv_id != '\0' && o->content->login && o->m->facts.account != NULL)
		put(o, "Authentication-Results", arena_printf(a, "%s; auth=pass smtp.auth=%s",
		    c->trace.extras.authserv_id, pseudonym(o->m, o->m->facts.account)));
}

static const char *
also_value(const struct stamp_out *o, enum conf_also what)
{
	const struct facts *f = &o->m->facts;
	const struct stamp_content *c = o->content;

	switch (what) {
	case CONF_ALSO_CUSTOMER:
		return f->customer;
	case CONF_ALSO_ACCOUNT:
		return f->account;
	case CONF_ALSO_CLIENT:
		return address(o, &c->client);
	case CONF_ALSO_SUBMITTER:
		return form_submitter(o);
	case CONF_ALSO_DOMAIN:
		return f->sender_ok && !f->return_path.null ? f->return_path.domain : NULL;
	case CONF_ALSO_RELAY:
		return c->relay;
	case CONF_ALSO_QUEUE_ID:
		return c->queue_id;
	case CONF_ALSO_TOKEN:
		return token(o);
	}
	return NULL;
}

static void
put_all(struct stamp_out *o)
{
	const struct conf *c = o->m->services->conf;
	const char *submitter = form_submitter(o);
	size_t i;

	put(o, c->trace.customer.header, in_form(o->m, c->trace.customer.form, o->m->facts.customer));
	if (submitter != NULL)
		put(o, c->trace.submitter.header, in_form(o->m, c->trace.submitter.form, submitter));
	if (o->m->services->keys != NULL) {
		put(o, c->trace.sealed.header, o->value);
		put_extras(o);
	}
	for (i = 0; i < c->trace.n_also; i++)
		put(o, c->trace.also[i].name, also_value(o, c->trace.also[i].what));
}

/* ---- the stamp --------------------------------------------------------------------------------------- */

/* Names and what it is bound to are for the seal alone. */
static void
fill(const struct message *m, struct stamp_content *c)
{
	const struct facts *f = &m->facts;
	const struct seal_keys *keys = m->services->keys;
	struct stamp_bound b;

	memset(c, 0, sizeof(*c));
	str_copy(c->relay, sizeof(c->relay), m->services->conf->relay);
	str_copy(c->queue_id, sizeof(c->queue_id), m->dry ? REENTRY_NEVER : f->queue_id == NULL ? "-" :
	    f->queue_id);
	c->time = f->began;
	c->client = f->client;
	c->port = f->client_port;
	c->local = f->local;
	c->login = f->login != NULL;
	c->quality = stamp_quality(facts_quality_text(f->quality));
	if (f->quality != QUALITY_NONE)
		c->submitter = f->submitter_addr;
	if (keys == NULL)
		return;
	stamp_customer(keys, f->customer == NULL ? "" : f->customer, c);
	stamp_account(keys, f->account == NULL ? "" : f->account, c);
	reentry_bound(f, &b);
	stamp_bind(keys, &b, c);
}

static int
make(struct stamp_out *o, struct err *e)
{
	struct message *m = o->m;
	struct facts *f = &m->facts;
	struct stamp_content *c = arena_alloc(f->arena, sizeof(*c));
	char value[STAMP_VALUE];

	fill(m, c);
	o->content = c;
	if (m->services->keys == NULL)
		return 0;
	if (stamp_make(m->services->keys, c, value, e) < 0)
		return -1;
	o->value = arena_strdup(f->arena, value);
	return 0;
}

struct stamp_out *
stamp_out_new(struct message *m, struct err *e)
{
	struct stamp_out *o = arena_zalloc(m->facts.arena, sizeof(*o));
	struct facts *f = &m->facts;

	o->m = m;
	o->end = &o->first;
	if (f->class == CLASS_REENTERED) {
		o->content = f->reentered;
		o->value = f->headers[f->reentered_at].value;
	} else if (make(o, e) < 0) {
		return NULL;
	}
	if (m->services->keys != NULL)
		f->stamp = arena_printf(f->arena, "%08x", o->content->mark);
	put_all(o);
	return o;
}

/* ---- those of a message that comes back ------------------------------------------------------------- */

static bool
same_text(const char *a, const char *b)
{
	static const char blanks[] = " \t\r\n";

	for (;; a++, b++) {
		a += strspn(a, blanks);
		b += strspn(b, blanks);
		if (*a != *b)
			return false;
		if (*a == '\0')
			return true;
	}
}

bool
stamp_out_keep(struct stamp_out *o, const char *name, const char *value)
{
	struct output *out;

	for (out = o->first; out != NULL; out = out->next)
		if (!out->there && strcasecmp(out->name, name) == 0)
			return out->there = same_text(out->value, value);
	return false;
}

bool
stamp_out_names(const struct message *m, const struct stamp_content *c, const char *value)
{
	const char *shown = in_form(m, m->services->conf->trace.customer.form, c->customer);

	return shown != NULL && same_text(shown, value);
}

void
stamp_out_insert(struct stamp_out *o)
{
	const struct output *out;

	for (out = o->first; out != NULL; out = out->next) {
		if (out->there || (out->value == o->value && o->m->facts.class == CLASS_REENTERED))
			continue;
		if (out->value == o->value)
			verdict_insert_folded(&o->m->verdict, out->name, out->value);
		else
			verdict_insert_header(&o->m->verdict, out->name, out->value);
	}
}
