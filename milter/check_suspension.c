/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * suspension - has the desk (or an escalation) suspended the account, customer, client or domain?
 *
 * Asked at MAIL, so that a suspended sender hears it before it sends its data, and once more at the end for
 * the From domains, and for who is known only then. The store answers from what it knows: nothing waits here.
 */
#include "milter/check.h"

#include <string.h>

#include "lib/banned.h"

static enum check_answer suspension_run(void *state, enum stage stage, struct message *m, struct err *e);

static enum conf_mode
suspension_mode(const struct conf *c)
{
	return c->suspension.mode;
}

static enum conf_action
suspension_unsure(const struct conf *c)
{
	(void)c;
	return CONF_DEFER;
}

const struct check check_suspension = {
	.name = "suspension",
	.summary = "is the account, customer, client or domain suspended",
	.stages = 1u << STAGE_MAIL | 1u << STAGE_END,
	.run = suspension_run,
	.mode = suspension_mode,
	.unsure = suspension_unsure,
};

/* At MAIL, say, by a suspension that only tags or is monitored: the message went on. */
static bool
found_already(const struct message *m, const struct finding *what)
{
	const struct finding *f;

	for (f = m->verdict.findings; f != NULL; f = f->next)
		if (f->check == check_suspension.name && strcmp(f->code, what->code) == 0 &&
		    strcmp(f->subject, what->subject) == 0 && f->action == what->action)
			return true;
	return false;
}

static void
find_suspended(struct message *m, const struct store_suspension *w)
{
	struct arena *a = m->facts.arena;
	struct finding f = { .status = "7.1", .subject = w->subject };

	f.code = arena_printf(a, "suspension.%s", w->kind);
	if (!conf_action_parse(w->action, &f.action))
		f.action = CONF_REJECT;
	if (found_already(m, &f))
		return;
	f.reply = arena_printf(a, "sending is suspended for this %s; please contact your provider", w->kind);
	f.desk = arena_printf(a, "%s %s suspended by %s: %s", w->kind, w->subject, w->by, w->reason);
	check_find(m, &check_suspension, &f);
}

static void
ask(struct message *m, const char *kind, const char *subject)
{
	struct store_suspension w;

	if (subject != NULL && *subject != '\0' &&
	    store_suspended(m->services->store, kind, subject, m->facts.arena, &w) == 1)
		find_suspended(m, &w);
}

/* A suspended domain takes everything below it along. */
static void
ask_domain(struct message *m, const char *domain)
{
	while (domain != NULL && *domain != '\0') {
		ask(m, "domain", domain);
		domain = strchr(domain, '.');
		if (domain != NULL)
			domain++;
	}
}

static bool
asked_already(const struct facts *f, size_t n)
{
	size_t i;

	if (f->class != CLASS_REENTERED && f->sender_ok && !f->return_path.null &&
	    strcmp(f->from[n].domain, f->return_path.domain) == 0)
		return true;
	for (i = 0; i < n; i++)
		if (strcmp(f->from[i].domain, f->from[n].domain) == 0)
			return true;
	return false;
}

static void
ask_envelope(struct message *m)
{
	const struct facts *f = &m->facts;

	ask(m, "account", f->account);
	ask(m, "customer", f->customer);
	/* What comes back has a filter's address, and a return-path of its choice. */
	if (f->class == CLASS_REENTERED)
		return;
	ask(m, "client", f->client_text);
	if (f->sender_ok && !f->return_path.null)
		ask_domain(m, f->return_path.domain);
}

static void
ask_from(struct message *m)
{
	const struct facts *f = &m->facts;
	size_t i;

	for (i = 0; i < f->n_from; i++)
		if (!asked_already(f, i))
			ask_domain(m, f->from[i].domain);
}

static enum check_answer
suspension_run(void *state, enum stage stage, struct message *m, struct err *e)
{
	(void)state;
	(void)e;
	/* Whose a message of our own hosts is, is known at its end only. One that comes back is asked for again:
	 * with the stamps that he saw, a suspended customer could go on sending. */
	if (stage == (m->facts.own ? STAGE_END : STAGE_MAIL))
		ask_envelope(m);
	if (stage == STAGE_END)
		ask_from(m);
	return CHECK_DONE;
}

bool
check_suspension_again(struct message *m)
{
	const enum conf_mode asking = m->mode;

	if (verdict_action(&m->verdict) >= CONF_DEFER)
		return true;
	/* It is the limits that run; what is found here is ours. */
	m->mode = check_mode(&check_suspension, m->services->conf);
	ask_envelope(m);
	ask_from(m);
	m->mode = asking;
	return verdict_action(&m->verdict) >= CONF_DEFER;
}
