/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * identity - which account, which customer?
 *
 * Sources in the order of identity.sources, the first that knows wins: the SASL login in the accounts
 * table, a ticket's user in the users table, the client's address in the networks table. Never the
 * return-path or From: who can choose his key can choose someone else's. Writes the identity part of the
 * facts; every later check builds on it.
 *
 * A message from our own hosts may be one that left a relay before and comes back (content filter,
 * second relay, list server): what its stamp says then holds (reentry.h). Or a local user's, with a
 * ticket. Only the header tells, so such a client's identity is settled at the end of the message
 * (facts.own), and sources from "ticket" on are not asked before (facts.identity_late).
 */
#include "milter/check.h"

#include <stdlib.h>
#include <string.h>

#include "lib/str.h"
#include "milter/customer.h"
#include "milter/local_user.h"
#include "milter/prefixes.h"
#include "milter/reentry.h"

#include "lib/banned.h"

#define NAME_MAX_BYTES 128	/* of a customer or account name */

static enum check_answer identity_run(void *state, enum stage stage, struct message *m, struct err *e);
static void *identity_init(const struct services *s, const struct table_report *report, bool *ok);
static void identity_free(void *state);

static unsigned
identity_needs(const void *state, const struct conf *c)
{
	(void)state;
	return (c->identity.login ? NEED_LOGIN : 0) |
	    (reentry_on(c) ? NEED_HEADERS | NEED_RECIPIENTS : 0);
}

static enum conf_mode
identity_mode(const struct conf *c)
{
	return c->identity.mode;
}

static enum conf_action
identity_unsure(const struct conf *c)
{
	return c->identity.unsure;
}

const struct check check_identity = {
	.name = "identity",
	.summary = "which account, which customer",
	.stages = 1u << STAGE_MAIL | 1u << STAGE_END,
	.init = identity_init,
	.needs = identity_needs,
	.run = identity_run,
	.free = identity_free,
	.mode = identity_mode,
	.unsure = identity_unsure,
};

struct hosts {
	struct prefixes *relays, *expands;
};

static void *
identity_init(const struct services *s, const struct table_report *report, bool *ok)
{
	struct hosts *h = calloc(1, sizeof(*h));

	(void)report;
	(void)ok;
	if (h == NULL)
		abort();
	h->relays = prefixes_new(&s->conf->identity.relays);
	h->expands = prefixes_new(&s->conf->trace.reentry.expands);
	return h;
}

static void
identity_free(void *state)
{
	struct hosts *h = state;

	prefixes_free(h->relays);
	prefixes_free(h->expands);
	free(h);
}

/* A table's answer "CUSTOMER [ACCOUNT]": names are printable and short, so that they can be keys, headers and
 * log values. */
static int
read_owner(struct facts *f, const char *value, const char *account, struct err *e)
{
	size_t n = strcspn(value, " \t"), i;
	const char *rest = value + n + strspn(value + n, " \t");

	if (n == 0 || n > NAME_MAX_BYTES || strlen(rest) > NAME_MAX_BYTES || strpbrk(rest, " \t") != NULL)
		return err_set(e, ERR_INPUT, "\"%.80s\" is not CUSTOMER or CUSTOMER ACCOUNT", value);
	for (i = 0; value[i] != '\0'; i++)
		if ((unsigned char)value[i] < 0x20 || (unsigned char)value[i] > 0x7e)
			return err_set(e, ERR_INPUT, "customer names are printable ASCII");
	f->customer = str_lower(arena_strndup(f->arena, value, n));
	f->account = str_lower(arena_strdup(f->arena, *rest == '\0' ? account : rest));
	f->class = CLASS_CUSTOMER;
	return 1;
}

static int
look_up(struct message *m, struct table *t, const char *key, const char *account, struct err *e)
{
	const char *value;
	int r = table_lookup(t, key, m->facts.arena, m->deadline, &value, e);

	return r == 1 ? read_owner(&m->facts, value, account, e) : r;
}

/* SASL back ends differ in what case they report (Dovecot lowers, Cyrus does not): one account must have one
 * name. */
static int
by_login(struct message *m, struct err *e)
{
	char *login;

	if (m->facts.login == NULL || strlen(m->facts.login) > 320)
		return 0;
	login = str_lower(arena_strdup(m->facts.arena, m->facts.login));
	return look_up(m, m->services->accounts, login, login, e);
}

static int
by_ticket(struct message *m, struct err *e)
{
	const char *value, *key;
	int r;

	if (m->facts.ticket == NULL)
		return 0;
	r = local_user_find(m->services, m->facts.ticket, m->facts.arena, m->deadline, &value, &key, e);
	return r == 1 ? read_owner(&m->facts, value, key, e) : r;
}

static int
by_network(struct message *m, struct err *e)
{
	if (m->facts.client.bits == 0)
		return 0;
	return look_up(m, m->services->networks, m->facts.client_text, m->facts.client_text, e);
}

static int
ask_source(struct message *m, const char *source, enum stage stage, struct err *e)
{
	int r;

	if (strcmp(source, "login") == 0)
		return stage == STAGE_MAIL ? by_login(m, e) : 0;
	if (strcmp(source, "network") == 0)
		return by_network(m, e);
	if (stage == STAGE_MAIL) {
		m->facts.identity_late = m->facts.own && m->facts.ticket_place;
		return 0;
	}
	r = by_ticket(m, e);
	m->facts.by_ticket = r == 1;
	return r;
}

/* 1 found, 0 not, or not yet (identity_late), -1 cannot tell */
static int
find_owner(struct message *m, enum stage stage, struct err *e)
{
	const struct conf_strings *sources = &m->services->conf->identity.sources;
	bool asked = stage == STAGE_MAIL;
	size_t i;
	int r;

	for (i = 0; i < sources->n; i++) {
		asked |= strcmp(sources->at[i], "ticket") == 0;
		if (!asked)
			continue;	/* said at MAIL that it does not know */
		r = ask_source(m, sources->at[i], stage, e);
		if (r != 0 || (stage == STAGE_MAIL && m->facts.identity_late))
			return r;
	}
	return 0;
}

static void
find_bad_customer(struct message *m, const char *problem)
{
	static const struct alert_event plain = { .severity = "warning" };
	struct finding f = { .code = "identity.customer", .action = CONF_ACCEPT, .desk = problem,
	    .event = &plain };

	f.subject = m->facts.customer;
	check_find(m, &check_identity, &f);
}

/* The plan decides ceilings. A customer that the customers table does not know gets the default plan. */
static int
read_plan(struct message *m, struct err *e)
{
	struct facts *f = &m->facts;
	struct customer c;

	if (customer_read(m->services, f->customer, f->began, f->arena, m->deadline, &c, e) < 0)
		return -1;
	if (c.problem != NULL)
		find_bad_customer(m, c.problem);
	f->plan = c.plan;
	f->probation = c.probation;
	return 1;
}

static const char *
unknown_text(const struct facts *f)
{
	if (f->login != NULL)
		return arena_printf(f->arena, "login %.100s is in no table, nor is the client's address",
		    f->login);
	if (f->ticket != NULL && f->ticket->uid == UINT32_MAX)
		return arena_printf(f->arena, "local user %.100s is in no table",
		    local_user_text(f->arena, f->ticket));
	if (f->ticket != NULL)
		return arena_printf(f->arena, "local user %.40s (uid %u) on %.60s is in no table",
		    f->ticket->user, (unsigned)f->ticket->uid, f->ticket->relay);
	if ((f->local || f->handed_on) && facts_header(f, TICKET_HEADER, 1) != NULL)
		return "local mail with a ticket that names nobody: another finding says why";
	if (f->local || f->handed_on)
		return "local mail without a ticket: not sent with gatepost-sendmail, or that got none";
	return "no login, and the client's address is in no table";
}

/* A key that was activated before it was copied here must not make our relays bounce each other's mail. */
static void
wait_for_it(struct message *m, struct finding *f)
{
	if (m->facts.not_known == NULL || f->action != CONF_REJECT)
		return;
	f->action = CONF_DEFER;
	f->desk = arena_printf(m->facts.arena, "%s; %s", f->desk, m->facts.not_known);
}

static void
find_unknown(struct message *m)
{
	struct finding f = { .code = "identity.unknown", .status = "7.1",
	    .reply = "sender not identified; log in (SMTP AUTH) or ask your provider to register this host" };

	f.action = m->facts.local || m->facts.handed_on ? m->services->conf->identity.local :
	    m->services->conf->identity.unidentified;
	f.desk = unknown_text(&m->facts);
	wait_for_it(m, &f);
	check_find(m, &check_identity, &f);
}

/* With a login of one customer and the ticket of another's user, the login is whose mail it is; the
 * visitor that the ticket names is none of his. */
static enum check_answer
compare_ticket(struct message *m, struct err *e)
{
	struct finding f = { .code = "identity.ticket", .status = "7.1",
	    .reply = "the message carries another user's ticket" };
	const struct ticket *t = m->facts.ticket;
	struct message other = *m;
	int r;

	if (m->facts.customer == NULL)
		return CHECK_DONE;
	r = by_ticket(&other, e);
	if (r < 0)
		return CHECK_UNSURE;
	m->facts.by_ticket = r == 1 && strcmp(other.facts.customer, m->facts.customer) == 0;
	if (m->facts.by_ticket)
		return CHECK_DONE;
	f.action = m->services->conf->submission.forged;
	f.desk = arena_printf(m->facts.arena,
	    "sent as customer %.100s with the ticket of %.100s, of %s%.100s", m->facts.customer,
	    local_user_text(m->facts.arena, t), r == 1 ? "customer " : "no customer",
	    r == 1 ? other.facts.customer : "");
	check_find(m, &check_identity, &f);
	return CHECK_DONE;
}

/* From where bounces that our hosts wrote come. Where local users have tickets, what they hand to sendmail(1)
 * is theirs: Postfix shows its own bounces to no milter (internal_mail_filter_classes). */
static bool
bounces_from(const struct hosts *h, const struct message *m)
{
	const struct conf *c = m->services->conf;

	if (m->facts.local)
		return !c->identity.ticket || *c->submission.socket == '\0';
	return prefixes_have(h->relays, &m->facts.client);
}

/* Our own host, as far as the connection tells: no login, and an address of ours. */
static bool
from_us(const struct hosts *h, const struct facts *f)
{
	return f->login == NULL && (f->local || f->handed_on || prefixes_have(h->relays, &f->client) ||
	    prefixes_have(h->expands, &f->client));
}

/* Bounces that our own relays write belong to nobody; anyone else's null return-path is just unidentified. */
static void
settle_unknown(struct message *m)
{
	if (m->facts.own_bounce)
		m->facts.class = CLASS_BOUNCE;
	else
		find_unknown(m);
}

/* 1 known, 0 not, -1 cannot tell */
static int
settle(struct message *m, enum stage stage, struct err *e)
{
	int r = find_owner(m, stage, e);

	return r == 1 ? read_plan(m, e) : r;
}

static enum check_answer
at_mail(const struct hosts *h, struct message *m, struct err *e)
{
	struct facts *f = &m->facts;
	const struct conf *c = m->services->conf;
	int r;

	f->own_bounce = f->sender_ok && f->return_path.null && f->login == NULL && bounces_from(h, m);
	f->own = (reentry_on(c) || (c->identity.ticket && f->ticket_place)) && from_us(h, f);
	r = settle(m, STAGE_MAIL, e);
	if (r < 0)
		return CHECK_UNSURE;
	if (r == 0 && !f->own)
		settle_unknown(m);
	return CHECK_DONE;
}

static enum check_answer
at_end(const struct hosts *h, struct message *m, struct err *e)
{
	struct facts *f = &m->facts;
	int r;

	if (f->own && reentry_on(m->services->conf) &&
	    reentry_find(m, prefixes_have(h->expands, &f->client)))
		return CHECK_DONE;
	if (f->identity_late) {
		r = settle(m, STAGE_END, e);
		if (r != 0)
			return r < 0 ? CHECK_UNSURE : CHECK_DONE;
	}
	if (f->own && f->class == CLASS_UNKNOWN)
		settle_unknown(m);
	return f->ticket != NULL ? compare_ticket(m, e) : CHECK_DONE;
}

static enum check_answer
identity_run(void *state, enum stage stage, struct message *m, struct err *e)
{
	return stage == STAGE_MAIL ? at_mail(state, m, e) : at_end(state, m, e);
}
