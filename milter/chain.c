/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * chain - runs the checks in their order and tells what came of it.
 *
 * The only place that turns "cannot tell" into an action, and the only one that
 * emits events: one summary line a message, and an alert for each finding that deserves one.
 * It knows neither libmilter nor any check's insides.
 */
#include "milter/chain.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/str.h"
#include "lib/trace_memory.h"
#include "milter/local_user.h"
#include "milter/preflight.h"
#include "milter/resolver.h"

#include "lib/banned.h"

/*
 * Identity reads what ticket found. Submitter and mailer stand before trace, whose stamp shows what they
 * found; limits come last, since they take nothing for a message that is refused anyway.
 */
static const struct check *const checks[] = {
	&check_ticket,
	&check_identity,
	&check_suspension,
	&check_ownership,
	&check_submitter,
	&check_mailer,
	&check_trace,
	&check_preflight,
	&check_limits,
	NULL
};
#define N_CHECKS (sizeof(checks) / sizeof(checks[0]) - 1)

/* Far below the MTA's 30 s for a command; every wait inside has its own, shorter budget. */
#define MESSAGE_BUDGET_MS 5000
#define TABLES_MAX 16

struct chain {
	atomic_uint refs;
	struct conf *conf;
	struct services services;
	struct seal_keys *keys;
	struct resolver *resolver;
	const struct table_report *report;	/* of rereads */
	void *state[N_CHECKS];
	unsigned needs;
};

static struct {
	atomic_uint_fast64_t messages, by_action[6], aborted, unsure, would;
} counted;

const struct check *
chain_check(size_t n)
{
	return n < N_CHECKS ? checks[n] : NULL;
}

/* ---- making and ending a chain ------------------------------------------- */

static bool
open_table(struct table **to, const char *spec, const struct table_report *report)
{
	if (spec == NULL || *spec == '\0')
		return true;
	*to = table_open(spec, report);
	return *to != NULL;
}

static bool
open_tables(struct services *s, const struct conf *c, const struct table_report *report)
{
	bool ok = true;

	ok &= open_table(&s->accounts, c->tables.accounts, report);
	ok &= open_table(&s->networks, c->tables.networks, report);
	ok &= open_table(&s->users, c->tables.users, report);
	ok &= open_table(&s->domains, c->tables.domains, report);
	ok &= open_table(&s->customers, c->tables.customers, report);
	ok &= open_table(&s->also, c->tables.also, report);
	ok &= open_table(&s->mailers, c->tables.mailers, report);
	return ok;
}

/* ---- preflight's services ---------------------------------------------------- */

/* Nothing of it is opened while preflight is off. */
static bool
open_preflight(struct chain *ch, const struct conf *c, const struct table_report *report)
{
	struct services *s = &ch->services;
	struct err e;
	bool ok;

	if (c->preflight.egress.n == 0)
		return true;
	err_clear(&e);
	ch->resolver = resolver_get(c, &e);
	if (ch->resolver == NULL) {
		report->say(report->cookie, &e);
		return false;
	}
	s->dns = ch->resolver->dns;
	s->spf = ch->resolver->spf;
	s->dmarc = ch->resolver->dmarc;
	ok = open_table(&s->exempt, c->preflight.exempt, report);
	ok &= preflight_signing_open(s, c, report);
	return ok;
}

static void
close_preflight(struct chain *ch)
{
	preflight_signing_close(&ch->services);
	table_close(&ch->services.exempt);
	resolver_unref(&ch->resolver);
}

static bool
open_keys(struct chain *ch, const struct table_report *report)
{
	const char *file = ch->conf->trace.sealed.keys;
	struct err e;

	if (*file == '\0')
		return true;
	err_clear(&e);
	ch->services.keys = ch->keys = seal_keys_load(file, &e);
	if (ch->keys == NULL) {
		if (access(file, F_OK) != 0 && errno == ENOENT) {
			err_set(&e, ERR_INPUT, "there is no key file; make one: gatepostctl keys new");
			err_at(&e, file, 0);
		}
		if (report != NULL && report->say != NULL)
			report->say(report->cookie, &e);
	}
	return ch->keys != NULL;
}

static bool
init_checks(struct chain *ch, const struct table_report *report)
{
	bool all = true, ok;
	size_t i;

	for (i = 0; i < N_CHECKS; i++) {
		ok = true;
		if (checks[i]->init != NULL)
			ch->state[i] = checks[i]->init(&ch->services, report, &ok);
		if (ok && checks[i]->needs != NULL)
			ch->needs |= checks[i]->needs(ch->state[i], ch->conf);
		all &= ok;
	}
	return all;
}

static void
chain_free(struct chain *ch)
{
	size_t i;

	for (i = 0; i < N_CHECKS; i++)
		if (checks[i]->free != NULL && ch->state[i] != NULL)
			checks[i]->free(ch->state[i]);
	table_close(&ch->services.accounts);
	table_close(&ch->services.networks);
	table_close(&ch->services.users);
	table_close(&ch->services.domains);
	table_close(&ch->services.customers);
	table_close(&ch->services.also);
	table_close(&ch->services.mailers);
	seal_keys_unref(&ch->keys);
	close_preflight(ch);
	conf_unref(&ch->conf);
	free(ch);
}

struct chain *
chain_new(struct conf *take_c, struct store *s, struct alerts *a, const struct table_report *report)
{
	struct chain *ch = calloc(1, sizeof(*ch));

	if (ch == NULL)
		abort();
	atomic_init(&ch->refs, 1);
	ch->conf = conf_ref(take_c);
	ch->services.conf = take_c;
	ch->services.store = s;
	ch->services.alerts = a;
	if (!open_tables(&ch->services, take_c, report) || !open_keys(ch, report) ||
	    !open_preflight(ch, take_c, report) || !init_checks(ch, report)) {
		chain_free(ch);
		return NULL;
	}
	conf_unref(&take_c);	/* ours now: the reference taken above stays */
	return ch;
}

void
chain_remember(struct chain *ch, struct trace_memory *memory)
{
	ch->services.memory = memory;
}

struct chain *
chain_ref(struct chain *ch)
{
	atomic_fetch_add_explicit(&ch->refs, 1, memory_order_relaxed);
	return ch;
}

void
chain_unref(struct chain **ch)
{
	if (*ch != NULL && atomic_fetch_sub_explicit(&(*ch)->refs, 1, memory_order_acq_rel) == 1)
		chain_free(*ch);
	*ch = NULL;
}

const struct conf *
chain_conf(const struct chain *ch)
{
	return ch->conf;
}

const struct services *
chain_services(const struct chain *ch)
{
	return &ch->services;
}

unsigned
chain_needs(const struct chain *ch)
{
	return ch->needs;
}

/* The configured tables, to do the same with each. */
static size_t
all_tables(const struct chain *ch, struct table *to[TABLES_MAX])
{
	const struct services *s = &ch->services;
	struct table *const t[] = { s->accounts, s->networks, s->users, s->domains, s->customers, s->also,
	    s->mailers, s->exempt, s->signing[0], s->signing[1], s->signing[2], s->signing[3] };
	size_t i, n = 0;

	_Static_assert(sizeof(t) / sizeof(t[0]) <= TABLES_MAX, "room for each");
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		if (t[i] != NULL)
			to[n++] = t[i];
	return n;
}

void
chain_keep_report(struct chain *ch, const struct table_report *report)
{
	struct table *t[TABLES_MAX];
	size_t n = all_tables(ch, t), i;

	ch->report = report;
	for (i = 0; i < n; i++)
		table_report_to(t[i], report);
}

static void
poll_opendkim(struct chain *ch)
{
	struct dkim_opendkim *o;
	size_t i;

	for (i = 0; i < SERVICES_SIGNING_MAX; i++)
		if ((o = ch->services.opendkim[i]) != NULL && dkim_opendkim_poll(o,
		    ch->report == NULL ? NULL : ch->report->say,
		    ch->report == NULL ? NULL : ch->report->cookie) == 1)
			log_printf(LOG_LEVEL_NOTICE, "OpenDKIM's tables reread: %zu entries",
			    dkim_opendkim_entries(o));
}

void
chain_poll(struct chain *ch)
{
	struct table *t[TABLES_MAX];
	size_t n = all_tables(ch, t), i;

	for (i = 0; i < n; i++)
		if (table_poll(t[i]) == 1)
			log_printf(LOG_LEVEL_NOTICE, "table reread: %s, %zu entries", table_spec(t[i]),
			    table_entries(t[i]));
	poll_opendkim(ch);
}

/* ---- one message ----------------------------------------------------------- */

void
chain_begin(struct chain *ch, struct message *m, struct arena *take_arena)
{
	facts_begin(&m->facts, take_arena);
	verdict_begin(&m->verdict, take_arena);
	m->services = &ch->services;
	m->deadline = clock_deadline(MESSAGE_BUDGET_MS);
	m->judged = NULL;
	m->spent_us = 0;
}

/* Whose incident a finding is, when the check does not say. */
static const char *
subject_of(const struct facts *f)
{
	return f->account != NULL ? f->account : f->customer != NULL ? f->customer : f->client_text;
}

struct finding *
check_find(struct message *m, const struct check *c, const struct finding *what)
{
	struct finding *f = verdict_add(&m->verdict, what);
	char id[ALERT_ID];

	f->check = c->name;
	f->monitor = f->monitor || m->mode == CONF_MONITOR;
	if (f->subject == NULL)
		f->subject = subject_of(&m->facts);
	if (f->action >= CONF_HOLD && !f->quiet && !m->dry && m->services->alerts != NULL) {
		alert_incident(m->services->alerts, f->code, f->event == NULL ? NULL : f->event->limit,
		    f->subject, id);
		f->incident = arena_strdup(m->facts.arena, id);
	}
	return f;
}

static void
find_unsure(struct message *m, const struct check *c, const struct err *e)
{
	struct finding f = { .status = "3.0", .reply = "temporary problem on our side; try again later" };

	f.code = arena_printf(m->facts.arena, "%s.unsure", c->name);
	f.action = c->unsure(m->services->conf);
	f.subject = c->unsure_subject;
	f.desk = arena_printf(m->facts.arena, "%s%s%s", e->where, *e->where == '\0' ? "" : ": ", e->text);
	check_find(m, c, &f);
	if (!m->dry)
		atomic_fetch_add_explicit(&counted.unsure, 1, memory_order_relaxed);
}

enum conf_mode
check_mode(const struct check *c, const struct conf *conf)
{
	return conf->mode == CONF_MONITOR || (c->mode != NULL && c->mode(conf) == CONF_MONITOR) ?
	    CONF_MONITOR : CONF_ENFORCE;
}

static void
run_check(struct message *m, const struct check *c, void *state, enum stage stage)
{
	struct err e;

	err_clear(&e);
	m->mode = check_mode(c, m->services->conf);
	if (c->run(state, stage, m, &e) == CHECK_UNSURE)
		find_unsure(m, c, &e);
}

static void
find_over(struct message *m)
{
	struct finding f = { .check = "message", .code = "message.too-large", .action = CONF_DEFER,
	    .status = "3.4", .reply = "too many headers or recipients in one message" };

	f.desk = arena_printf(m->facts.arena, "%zu headers, %zu recipients, %zu bytes of them",
	    m->facts.n_headers, m->facts.n_recipients, arena_used(m->facts.arena));
	f.subject = subject_of(&m->facts);
	f.monitor = m->services->conf->mode == CONF_MONITOR;
	verdict_add(&m->verdict, &f);
}

/* What tag and slow write into the message. */
static void
mark(struct message *m, enum conf_action action)
{
	const struct conf *conf = m->services->conf;
	const struct finding *f;
	char space[400];
	struct str codes = STR_IN(space);

	for (f = m->verdict.findings; f != NULL; f = f->next)
		if (!f->monitor && f->action >= CONF_TAG && f->action <= CONF_HOLD)
			str_catf(&codes, "%s%s", codes.len == 0 ? "" : ", ", f->code);
	if (codes.len > 0 && *conf->tag_header != '\0')
		verdict_insert_header(&m->verdict, conf->tag_header, codes.data);
	if (action == CONF_SLOW)
		verdict_insert_header(&m->verdict, conf->slow_header, "slow");
}

enum conf_action
chain_run(struct chain *ch, struct message *m, enum stage stage)
{
	uint64_t from = clock_mono_us();
	enum conf_action action;
	size_t i;

	if (stage == STAGE_END) {
		facts_settle(&m->facts);
		if (facts_over(&m->facts))
			find_over(m);
	}
	for (i = 0; i < N_CHECKS; i++)
		if (checks[i]->stages & 1u << stage)
			run_check(m, checks[i], ch->state[i], stage);
	action = verdict_action(&m->verdict);
	if (stage == STAGE_END && action < CONF_DEFER)
		mark(m, action);
	m->spent_us += clock_mono_us() - from;
	return chain_action(m, stage);
}

enum conf_action
chain_action(const struct message *m, enum stage stage)
{
	enum conf_action action = verdict_action(&m->verdict);

	if (!m->facts.local)
		return action;
	/* sendmail(1) has gone away: what is deferred here would be replayed for ever from the maildrop
	 * (Postfix), so it waits in hold instead; and nothing is said before the end. */
	if (stage == STAGE_MAIL)
		return CONF_ACCEPT;
	return action == CONF_DEFER ? CONF_HOLD : action;
}

/* ---- telling ------------------------------------------------------------------ */

static const char *
severity(const struct finding *f)
{
	if (f->event != NULL && f->event->severity != NULL)
		return f->event->severity;
	return f->action >= CONF_HOLD ? "warning" : f->action >= CONF_TAG ? "notice" : "info";
}

static void
tell_finding(struct message *m, const struct finding *f)
{
	const struct facts *facts = &m->facts;
	struct alert_event v = { 0 };

	if (f->event != NULL)
		v = *f->event;
	v.kind = f->code;
	v.severity = severity(f);
	v.customer = facts->customer;
	v.account = facts->account;
	v.client = facts->client_text;
	v.submitter = facts->submitter;
	v.script = facts->script;
	v.sender = facts->sender_ok && !facts->return_path.null ? facts->return_path.text : facts->sender;
	v.from = facts->n_from > 0 ? facts->from[0].text : NULL;
	v.mailer = facts->mailer;
	v.transaction = facts->transaction;
	v.queue_id = facts->queue_id;
	v.message_id = facts->message_id;
	v.action = conf_action_text(f->action);
	v.monitor = f->monitor;
	v.reason = f->desk;
	alert_post(m->services->alerts, f->subject, &v);
}

static void
tell_findings(struct message *m)
{
	const struct finding *f;

	for (f = m->verdict.findings; f != NULL; f = f->next)
		if (!f->quiet && (f->action > CONF_ACCEPT || f->event != NULL))
			tell_finding(m, f);
}

static void
summarise(struct message *m, const char *final)
{
	const struct facts *f = &m->facts;
	const struct finding *decider, *would;
	char space[1900];
	struct str s = STR_IN(space);

	decider = verdict_decider(&m->verdict);
	(void)verdict_would(&m->verdict, &would);
	str_cat(&s, "message");
	str_kv(&s, "txn", f->transaction);
	str_kv(&s, "qid", f->queue_id);
	str_kv(&s, "verdict", final);
	str_kv(&s, "code", decider == NULL ? NULL : decider->code);
	str_kv(&s, "incident", decider == NULL ? NULL : decider->incident);
	str_kv(&s, "would", would == NULL ? NULL : conf_action_text(would->action));
	str_kv(&s, "would_code", would == NULL ? NULL : would->code);
	str_kv(&s, "class", facts_class_text(f->class));
	str_kv(&s, "customer", f->customer);
	str_kv(&s, "account", f->account);
	str_kv(&s, "client", f->client_text);
	if (f->ticket != NULL)
		str_kv(&s, "user", local_user_text(f->arena, f->ticket));
	str_kv(&s, "script", f->script);
	if (f->quality != QUALITY_NONE) {
		str_kv(&s, "submitter", f->submitter);
		str_kv(&s, "quality", facts_quality_text(f->quality));
	}
	str_kv(&s, "sender", f->sender_ok && f->return_path.null ? "<>" : f->sender);
	str_kv(&s, "from", f->n_from > 0 ? f->from[0].text : NULL);
	if (f->n_recipients > 0)
		str_kvu(&s, "rcpts", f->n_recipients);
	str_kv(&s, "msgid", f->message_id);
	str_kv(&s, "stamp", f->stamp);
	str_kv(&s, "mailer", f->mailer);
	str_kv(&s, "traits", f->mailer_traits);
	str_kv(&s, "reason", decider != NULL ? decider->desk : would != NULL ? would->desk : NULL);
	str_kvu(&s, "us", m->spent_us);
	log_line(LOG_LEVEL_INFO, s.data);
}

static const char *
sender_text(const struct facts *f)
{
	return f->sender_ok && f->return_path.null ? "<>" : f->sender_ok ? f->return_path.text : f->sender;
}

/* For complaints that come without a stamp. */
static void
remember(const struct message *m, enum conf_action action)
{
	const struct facts *f = &m->facts;
	const struct trace_memory_entry v = { .when = clock_now(), .message_id = f->message_id,
	    .queue_id = f->queue_id, .customer = f->customer, .account = f->account, .client = f->client_text,
	    .port = f->client_port, .submitter = f->submitter, .quality = facts_quality_text(f->quality),
	    .return_path = sender_text(f), .action = conf_action_text(action),
	    .recipients = (uint32_t)f->n_recipients };

	trace_memory_put(m->services->memory, &v);
}

static void
count(const struct message *m, enum conf_action action, bool aborted)
{
	atomic_fetch_add_explicit(&counted.messages, 1, memory_order_relaxed);
	if (aborted)
		atomic_fetch_add_explicit(&counted.aborted, 1, memory_order_relaxed);
	else
		atomic_fetch_add_explicit(&counted.by_action[action], 1, memory_order_relaxed);
	if (verdict_would(&m->verdict, NULL) != CONF_ACCEPT)
		atomic_fetch_add_explicit(&counted.would, 1, memory_order_relaxed);
}

void
chain_finish(struct chain *ch, struct message *m, enum stage stage, bool aborted)
{
	enum conf_action action = chain_action(m, stage);
	size_t i;

	for (i = 0; i < N_CHECKS; i++)
		if (checks[i]->finish != NULL)
			checks[i]->finish(ch->state[i], m);
	if (m->services->alerts != NULL)
		tell_findings(m);
	if (stage == STAGE_END && !aborted && action < CONF_DEFER)
		remember(m, action);
	summarise(m, aborted ? "aborted" : conf_action_text(action));
	count(m, action, aborted);
}

void
chain_numbers(struct chain_numbers *to)
{
	size_t i;

	to->messages = atomic_load_explicit(&counted.messages, memory_order_relaxed);
	for (i = 0; i < 6; i++)
		to->by_action[i] = atomic_load_explicit(&counted.by_action[i], memory_order_relaxed);
	to->aborted = atomic_load_explicit(&counted.aborted, memory_order_relaxed);
	to->unsure = atomic_load_explicit(&counted.unsure, memory_order_relaxed);
	to->would = atomic_load_explicit(&counted.would, memory_order_relaxed);
}
