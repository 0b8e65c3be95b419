/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * trace - removes every copy of our stamps that the sender wrote, and stamps our own.
 *
 * Counts each name over the whole header, without case, and removes from the last to the first:
 * the only order right for Postfix (which renumbers after each removal) and Sendmail (which does not).
 * Runs after submitter and mailer, whose facts it stamps; mailer's and the chain's own marks are
 * removed here too, and inserted by them.
 */
#include "milter/check.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/banned.h"

static void *trace_init(const struct services *s, const struct table_report *report, bool *ok);
static enum check_answer trace_run(void *state, enum stage stage, struct message *m, struct err *e);
static void trace_free(void *state);

static unsigned
trace_needs(const void *state, const struct conf *c)
{
	(void)state;
	(void)c;
	return NEED_HEADERS;
}

static enum conf_mode
trace_mode(const struct conf *c)
{
	return c->trace.mode;
}

static enum conf_action
trace_unsure(const struct conf *c)
{
	(void)c;
	return CONF_DEFER;
}

const struct check check_trace = {
	.name = "trace",
	.summary = "remove forged stamps, stamp our own",
	.stages = 1u << STAGE_END,
	.init = trace_init,
	.needs = trace_needs,
	.run = trace_run,
	.free = trace_free,
	.mode = trace_mode,
	.unsure = trace_unsure,
};

/* The names that only we may write, and those that the operator wants gone. */
struct names {
	size_t n, n_ours;	/* the first n_ours are our stamps: a copy of them is a forgery */
	const char *at[];
};

static void
add(struct names *list, const char *name)
{
	size_t i;

	if (name == NULL || *name == '\0')
		return;
	for (i = 0; i < list->n; i++)
		if (strcasecmp(list->at[i], name) == 0)
			return;
	list->at[list->n++] = name;
}

static void *
trace_init(const struct services *s, const struct table_report *report, bool *ok)
{
	const struct conf *c = s->conf;
	struct names *list = calloc(1, sizeof(*list) + (c->trace.strip.n + 9) * sizeof(list->at[0]));
	size_t i;

	(void)report;
	(void)ok;
	if (list == NULL)
		abort();
	add(list, c->trace.customer.header);
	add(list, c->trace.submitter.header);
	add(list, c->mailers.header);
	add(list, c->preflight.header);
	add(list, c->tag_header);
	add(list, c->slow_header);
	list->n_ours = list->n;
	for (i = 0; i < c->trace.strip.n; i++)
		add(list, c->trace.strip.at[i]);
	return list;
}

static void
trace_free(void *state)
{
	free(state);
}

/* Which of our names it is; list->n when none. The first letter sorts out nearly all. */
static size_t
which(const struct names *list, const char *name)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		if ((list->at[i][0] | 0x20) == (name[0] | 0x20) && strcasecmp(list->at[i], name) == 0)
			return i;
	return list->n;
}

static void
find_forged(struct message *m, const struct header *h, unsigned copies)
{
	struct arena *a = m->facts.arena;
	struct finding f = { .code = "trace.forged", .status = "7.1" };

	f.action = m->services->conf->trace.forged;
	f.reply = arena_printf(a, "the message carries a header that only our mail system may write: %.60s",
	    h->name);
	f.desk = arena_printf(a, "%u cop%s of %.60s came with the message, the first saying %.200s", copies,
	    copies == 1 ? "y" : "ies", h->name, mail_header_text(a, h->value, 200));
	check_find(m, &check_trace, &f);
}

static void
strip(const struct names *list, struct message *m)
{
	struct facts *f = &m->facts;
	unsigned *seen = arena_zalloc(f->arena, (list->n + 1) * sizeof(*seen)), forged = 0;
	const struct header *first = NULL;
	size_t i, k;

	for (i = 0; i < f->n_headers; i++) {
		k = which(list, f->headers[i].name);
		if (k == list->n)
			continue;
		verdict_remove_header(&m->verdict, list->at[k], ++seen[k]);
		if (k < list->n_ours && forged++ == 0)
			first = &f->headers[i];
	}
	if (forged > 0)
		find_forged(m, first, forged);
}

static enum check_answer
trace_run(void *state, enum stage stage, struct message *m, struct err *e)
{
	const struct conf *c = m->services->conf;
	const struct facts *f = &m->facts;

	(void)stage;
	(void)e;
	strip(state, m);
	if (c->trace.customer.form == CONF_FORM_PLAIN && f->customer != NULL)
		verdict_insert_header(&m->verdict, c->trace.customer.header, f->customer);
	if (c->trace.submitter.form == CONF_FORM_PLAIN && f->quality == QUALITY_APP)
		verdict_insert_header(&m->verdict, c->trace.submitter.header, f->submitter);
	return CHECK_DONE;
}
