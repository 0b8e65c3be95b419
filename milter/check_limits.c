/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * limits - does the message fit every limit that applies?
 *
 * Runs last: a message that is refused anyway takes nothing. Builds one request with every limit's
 * key and amount, and the use of its ticket, and lets the store judge and take it, all or nothing, in one
 * round trip. At MAIL it only asks what the store knows without waiting: a sender found to be over is
 * refused there until its retry time. The arithmetic of windows is lib/limit.c's, the keys are limit_key.c's.
 */
#include "milter/check.h"

#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/stamp.h"
#include "lib/str.h"
#include "milter/limit_key.h"

#include "lib/banned.h"

static enum check_answer limits_run(void *state, enum stage stage, struct message *m, struct err *e);
static void limits_finish(void *state, struct message *m);

static unsigned
limits_needs(const void *state, const struct conf *c)
{
	unsigned needs = 0;
	size_t i;

	(void)state;
	for (i = 0; i < c->n_limits; i++) {
		/* What tells a retry: Message-ID, Date, recipients. */
		needs |= NEED_RECIPIENTS | NEED_HEADERS;
		if (c->limits[i].count == CONF_COUNT_BYTES)
			needs |= NEED_BODY;
	}
	return needs;
}

static enum conf_mode
limits_mode(const struct conf *c)
{
	return c->limits_mode;
}

static enum conf_action
limits_unsure(const struct conf *c)
{
	return c->limits_unsure;
}

const struct check check_limits = {
	.name = "limit",
	.summary = "does it fit every limit that applies",
	.stages = 1u << STAGE_MAIL | 1u << STAGE_END,
	.needs = limits_needs,
	.run = limits_run,
	.finish = limits_finish,
	.mode = limits_mode,
	.unsure = limits_unsure,
};

/* ---- which limits, which keys -------------------------------------------------- */

struct asking {
	struct message *m;
	struct limit_subject subject;
	char client[NET_PREFIX_TEXT], submitter[LIMIT_SUBMITTER_TEXT];
	struct store_item *items;
	const struct conf_limit **limit_of;	/* beside each item; NULL: the ticket's */
	size_t n, space;
};

static void
fill_subject(struct asking *q, struct message *m)
{
	const struct facts *f = &m->facts;

	memset(q, 0, sizeof(*q));
	q->m = m;
	q->subject.customer = f->customer;
	q->subject.account = f->account;
	q->subject.mailer = f->mailer;
	if (f->client.bits != 0) {
		net_host_text(&f->client, q->client);
		q->subject.client = q->client;
	}
	if (f->quality != QUALITY_NONE) {
		limit_submitter_text(&f->submitter_addr, f->quality == QUALITY_CLAIMED, q->submitter);
		q->subject.submitter = q->submitter;
	}
	if (f->sender_ok && !f->return_path.null)
		q->subject.return_path = f->return_path.domain;
}

static bool
has_per(const struct conf_limit *l, enum conf_per per)
{
	size_t i;

	for (i = 0; i < l->n_per; i++)
		if (l->per[i] == per)
			return true;
	return false;
}

/* True when list, words with commas between, has the word. */
static bool
in_list(const char *list, const char *word)
{
	const size_t n = strlen(word);

	for (; list != NULL; list = strchr(list, ','), list += list != NULL)
		if (strncmp(list, word, n) == 0 && (list[n] == ',' || list[n] == '\0'))
			return true;
	return false;
}

static bool
mailer_is(const struct conf_limit *l, const struct facts *f)
{
	size_t i;

	for (i = 0; i < l->when_mailer.n; i++)
		if ((f->mailer != NULL && strcmp(l->when_mailer.at[i], f->mailer) == 0) ||
		    (f->mailer_kind != NULL && strcmp(l->when_mailer.at[i], f->mailer_kind) == 0) ||
		    in_list(f->mailer_traits, l->when_mailer.at[i]))
			return true;
	return false;
}

static bool
applies(const struct conf_limit *l, const struct facts *f)
{
	bool null = f->sender_ok && f->return_path.null;

	if (l->when_null_sender >= 0 && (l->when_null_sender == 1) != null)
		return false;
	return l->when_mailer.n == 0 || mailer_is(l, f);
}

static bool
soft(const struct message *m, const struct conf_limit *l)
{
	return l->action < CONF_DEFER || l->mode == CONF_MONITOR || m->mode == CONF_MONITOR;
}

static const struct limit_ceilings *
ceilings_of(const struct conf_limit *l, const struct message *m)
{
	const struct conf_plan *plan;

	if (!l->by_plan)
		return &l->ceilings;
	plan = m->facts.plan == NULL ? NULL : conf_plan_find(m->services->conf, m->facts.plan);
	return plan == NULL ? NULL : &plan->ceilings;
}

/* ---- the request --------------------------------------------------------------- */

/* Room for one more. */
static struct store_item *
next_item(struct asking *q)
{
	struct arena *a = q->m->facts.arena;

	if (q->n == q->space) {
		size_t more = q->space == 0 ? 16 : q->space * 2;
		struct store_item *items = arena_alloc(a, more * sizeof(*items));
		const struct conf_limit **limit_of = arena_alloc(a, more * sizeof(*limit_of));

		if (q->n > 0) {
			memcpy(items, q->items, q->n * sizeof(*items));
			memcpy(limit_of, q->limit_of, q->n * sizeof(*limit_of));
		}
		q->items = items;
		q->limit_of = limit_of;
		q->space = more;
	}
	return &q->items[q->n];
}

static struct store_item *
add_item(struct asking *q, const struct conf_limit *l)
{
	struct arena *a = q->m->facts.arena;
	const struct limit_ceilings *ceilings = ceilings_of(l, q->m);
	char key[LIMIT_KEY_SIZE];
	struct store_item *item;

	if (ceilings == NULL || !limit_key(l, &q->subject, key, sizeof(key)))
		return NULL;
	item = next_item(q);
	memset(item, 0, sizeof(*item));
	item->limit = l->name;
	item->key = arena_strdup(a, key);
	item->ceilings = *ceilings;
	item->soft = soft(q->m, l);
	q->limit_of[q->n++] = l;
	return item;
}

static const char *
domain_of(const char *recipient)
{
	const char *at = strrchr(recipient, '@');

	return at == NULL ? "" : at + 1;
}

/* Recipients outside every customer's domains. 0 = counted, -1 = cannot tell. */
static int
count_external(const struct message *m, uint32_t *to, struct err *e)
{
	const struct facts *f = &m->facts;
	const char *value, *domain;
	size_t i;
	int r;

	for (*to = 0, i = 0; i < f->n_recipients; i++) {
		domain = mail_domain(f->arena, domain_of(f->recipients[i]));
		r = domain == NULL || m->services->domains == NULL ? 0 :
		    table_lookup(m->services->domains, domain, f->arena, m->deadline, &value, e);
		if (r < 0)
			return -1;
		*to += r == 0;
	}
	return 0;
}

static uint32_t
kib(uint64_t bytes)
{
	uint64_t k = (bytes + 1023) / 1024;

	return k > UINT32_MAX ? UINT32_MAX : (uint32_t)k;
}

/* Fills in what the item counts, over the recipients from..from+n. 0: the item asks for nothing; -1: e is
 * filled. */
static int
fill_amount(struct asking *q, const struct conf_limit *l, struct store_item *item, size_t from, size_t n,
    struct err *e)
{
	const struct facts *f = &q->m->facts;
	const char **value;
	char network[NET_PREFIX_TEXT];

	switch (l->count) {
	case CONF_COUNT_MESSAGES:
		item->amount = 1;
		return 1;
	case CONF_COUNT_RECIPIENTS:
		item->amount = (uint32_t)n;
		return n > 0;
	case CONF_COUNT_EXTERNAL:
		return count_external(q->m, &item->amount, e) < 0 ? -1 : item->amount > 0;
	case CONF_COUNT_BYTES:
		item->amount = kib(f->bytes);
		return 1;
	case CONF_COUNT_DISTINCT:
		item->kind = STORE_DISTINCT;
		item->values = f->recipients + from;
		item->n_values = n;
		return n > 0;
	case CONF_COUNT_NETWORKS:
		if (f->client.bits == 0 || f->local)
			return 0;
		net_network_text(&f->client, network);
		value = arena_alloc(f->arena, sizeof(*value));
		*value = arena_strdup(f->arena, network);
		item->kind = STORE_DISTINCT;
		item->values = value;
		item->n_values = 1;
		return 1;
	case CONF_COUNT_REFUSALS:
		item->amount = 0;	/* only asks whether the ceiling is reached; limits_finish charges */
		return 1;
	}
	return 0;
}

static int
add_filled(struct asking *q, const struct conf_limit *l, size_t from, size_t n, struct err *e)
{
	struct store_item *item = add_item(q, l);
	int r;

	if (item == NULL)
		return 0;
	r = fill_amount(q, l, item, from, n, e);
	if (r <= 0)
		q->n--;
	return r;
}

static int
by_domain(const void *a, const void *b)
{
	return strcmp(domain_of(*(const char *const *)a), domain_of(*(const char *const *)b));
}

/* One item for each recipient domain, with its share of the recipients. */
static int
add_by_domain(struct asking *q, const struct conf_limit *l, struct err *e)
{
	struct facts *f = &q->m->facts;
	size_t i, k;

	qsort(f->recipients, f->n_recipients, sizeof(*f->recipients), by_domain);
	for (i = 0; i < f->n_recipients; i = k) {
		for (k = i + 1; k < f->n_recipients; k++)
			if (by_domain(&f->recipients[i], &f->recipients[k]) != 0)
				break;
		q->subject.recipient_domain = domain_of(f->recipients[i]);
		if (add_filled(q, l, i, k - i, e) < 0)
			return -1;
	}
	q->subject.recipient_domain = NULL;
	return 0;
}

/* What makes a retry the same message: account, Message-ID, Date, recipients. NULL without a Message-ID. */
static const char *
digest_text(const struct facts *f)
{
	const struct header *date = facts_header(f, "Date", 1);
	size_t size = 0, i;
	struct str s;

	if (f->message_id == NULL || f->account == NULL)
		return NULL;
	for (i = 0; i < f->n_recipients; i++)
		size += strlen(f->recipients[i]) + 1;
	size += strlen(f->account) + strlen(f->message_id) + strlen(f->sender) +
	    (date == NULL ? 0 : strlen(date->value)) + 8;
	s = (struct str){ arena_alloc(f->arena, size), 0, size, false };
	str_cat(&s, f->account);
	str_catn(&s, "\n", 1);
	str_cat(&s, f->message_id);
	str_catn(&s, "\n", 1);
	str_cat(&s, date == NULL ? "" : date->value);
	str_catn(&s, "\n", 1);
	str_cat(&s, f->sender);
	for (i = 0; i < f->n_recipients; i++) {
		str_catn(&s, "\n", 1);
		str_cat(&s, f->recipients[i]);
	}
	return s.data;
}

static int
fill_request(struct asking *q, struct err *e)
{
	const struct conf *c = q->m->services->conf;
	const struct facts *f = &q->m->facts;
	size_t i;
	int r;

	for (i = 0; i < c->n_limits; i++) {
		const struct conf_limit *l = &c->limits[i];

		if (!applies(l, f))
			continue;
		r = has_per(l, CONF_PER_RECIPIENT_DOMAIN) ? add_by_domain(q, l, e) :
		    add_filled(q, l, 0, f->n_recipients, e);
		if (r < 0)
			return -1;
	}
	if (check_ticket_item(q->m, next_item(q)))
		q->limit_of[q->n++] = NULL;
	return 0;
}

/* ---- the answer ------------------------------------------------------------------ */

static const char *
unit_text(const struct conf_limit *l, uint32_t n)
{
	static const char *const one[] = { "message", "recipient", "external recipient", "KiB",
	    "different recipient", "client network", "refusal" };
	static const char *const many[] = { "messages", "recipients", "external recipients", "KiB",
	    "different recipients", "client networks", "refusals" };

	return n == 1 ? one[l->count] : many[l->count];
}

static const char *
reply_text(struct arena *a, const struct conf_limit *l, const struct limit_ceiling *c, uint64_t retry_at,
    uint64_t now)
{
	char window[32], wait[32];

	str_duration_text(c->length, window, sizeof(window));
	if (retry_at == UINT64_MAX)
		return arena_printf(a,
		    "limit %s allows %u %s per %s, this message alone has more; send it in smaller parts",
		    l->name, c->most, unit_text(l, c->most), window);
	str_wait_text(retry_at > now ? retry_at - now : 1000, wait, sizeof(wait));
	return arena_printf(a, "limit %s reached: %u %s per %s; try again in %s", l->name, c->most,
	    unit_text(l, c->most), window, wait);
}

static struct alert_event *
event_of(struct arena *a, const struct conf_limit *l, const struct limit_ceiling *c, uint32_t used,
    uint64_t retry_at)
{
	struct alert_event *v = arena_zalloc(a, sizeof(*v));

	v->limit = l->name;
	v->used = used;
	v->ceiling = c->most;
	v->window = c->length;
	v->retry_at = retry_at;
	return v;
}

static void
add_suspension(const struct facts *f, const struct conf_limit *l, struct alert_event *v)
{
	bool account = has_per(l, CONF_PER_ACCOUNT) && f->account != NULL;

	if (l->suspend == 0 || (!account && f->customer == NULL))
		return;
	v->suspend_kind = account ? "account" : "customer";
	v->suspend_subject = account ? f->account : f->customer;
	v->suspend_for = l->suspend;
}

struct excess {
	const struct conf_limit *limit;
	const char *key;
	struct limit_ceiling ceiling;
	uint32_t used;
	uint64_t retry_at;
	uint32_t asked;
};

static void
find_exceeded(struct message *m, const struct excess *x)
{
	struct arena *a = m->facts.arena;
	struct finding f = { .code = "limit.exceeded", .status = "7.1", .subject = x->key };
	struct alert_event *v = event_of(a, x->limit, &x->ceiling, x->used, x->retry_at);
	char window[32];

	/* What can never fit must not be tried for days. */
	f.action = x->retry_at == UINT64_MAX && x->limit->action == CONF_DEFER ?
	    CONF_REJECT : x->limit->action;
	f.monitor = x->limit->mode == CONF_MONITOR;
	f.reply = reply_text(a, x->limit, &x->ceiling, x->retry_at, m->facts.began);
	str_duration_text(x->ceiling.length, window, sizeof(window));
	f.desk = x->asked == 0 ?
	    arena_printf(a, "%s %.100s has used %u of %u %s per %s", x->limit->name, x->key, x->used,
	    x->ceiling.most, unit_text(x->limit, x->ceiling.most), window) :
	    arena_printf(a, "%s %.100s has used %u of %u %s per %s and asked for %u more", x->limit->name,
	    x->key, x->used, x->ceiling.most, unit_text(x->limit, x->ceiling.most), window, x->asked);
	if (!f.monitor && m->mode != CONF_MONITOR)
		add_suspension(&m->facts, x->limit, v);
	f.event = v;
	check_find(m, &check_limits, &f);
}

static void
find_warning(struct message *m, const struct conf_limit *l, const struct store_item *item)
{
	struct arena *a = m->facts.arena;
	struct finding f = { .code = "limit.warning", .action = CONF_ACCEPT, .subject = item->key };
	struct alert_event *v = event_of(a, l, &item->ceiling, item->used, 0);

	v->severity = "notice";
	f.event = v;
	f.monitor = l->mode == CONF_MONITOR;
	f.desk = arena_printf(a, "%s %.100s has used %u of %u %s", l->name, item->key, item->used,
	    item->ceiling.most, unit_text(l, item->ceiling.most));
	check_find(m, &check_limits, &f);
}

static void
read_answers(struct asking *q, const struct store_request *r)
{
	struct message *m = q->m;
	size_t i;

	if (r->repeated)
		return;
	for (i = 0; i < r->n; i++) {
		const struct store_item *item = &r->items[i];
		struct excess x = { q->limit_of[i], item->key, item->ceiling, item->used, item->retry_at,
		    item->kind == STORE_SUM ? item->amount : (uint32_t)item->n_values };

		if (x.limit == NULL)
			check_ticket_answer(m, item);
		else if (item->over && !item->exempt)
			find_exceeded(m, &x);
		else if (item->warned && r->taken)
			find_warning(m, q->limit_of[i], item);
	}
}

/* ---- the stages -------------------------------------------------------------------- */

static bool
known_at_mail(const struct conf_limit *l)
{
	return l->action >= CONF_DEFER && l->mode != CONF_MONITOR && l->when_mailer.n == 0 &&
	    l->count != CONF_COUNT_EXTERNAL && l->count != CONF_COUNT_DISTINCT &&
	    l->count != CONF_COUNT_NETWORKS &&
	    !has_per(l, CONF_PER_RECIPIENT_DOMAIN) && !has_per(l, CONF_PER_MAILER);
}

static enum check_answer
ask_known(struct message *m)
{
	const struct conf *c = m->services->conf;
	struct asking q;
	char key[LIMIT_KEY_SIZE];
	size_t i;

	if (m->mode == CONF_MONITOR || m->facts.local || m->facts.own)
		return CHECK_DONE;
	fill_subject(&q, m);
	for (i = 0; i < c->n_limits; i++) {
		struct excess x = { .limit = &c->limits[i] };

		if (!known_at_mail(x.limit) || !applies(x.limit, &m->facts) ||
		    !limit_key(x.limit, &q.subject, key, sizeof(key)))
			continue;
		x.retry_at = store_over_until(m->services->store, x.limit->name, key, &x.ceiling);
		if (x.retry_at == 0)
			continue;
		x.key = arena_strdup(m->facts.arena, key);
		x.used = x.ceiling.most;
		find_exceeded(m, &x);
		break;
	}
	return CHECK_DONE;
}

/* The store asks when what people decided has changed since the suspension check looked. */
static bool
suspended_now(void *cookie)
{
	struct message *m = cookie;

	return !m->dry && check_suspension_again(m);
}

static enum check_answer
judge(struct message *m, struct err *e)
{
	const struct conf *c = m->services->conf;
	struct store_request *r = arena_zalloc(m->facts.arena, sizeof(*r));
	struct asking q;

	fill_subject(&q, m);
	if (fill_request(&q, e) < 0)
		return CHECK_UNSURE;
	r->items = q.items;
	r->n = q.n;
	r->message = digest_text(&m->facts);
	r->warn_at = c->alerts.warn_at;
	r->dry = m->dry;
	r->recheck = suspended_now;
	r->cookie = m;
	m->judged = r;
	if (r->n == 0)
		return CHECK_DONE;
	if (store_judge(m->services->store, r, clock_deadline(c->store.budget), e) < 0)
		return CHECK_UNSURE;
	if (r->withdrawn)
		return CHECK_DONE;
	read_answers(&q, r);
	return CHECK_DONE;
}

/* ---- messages that come back ------------------------------------------------------- */

#define REENTRY_LIMIT "trace.reentry"	/* no configured limit has a '.' in its name */
#define REENTRY_WINDOW UINT64_C(21600000)	/* longer ones cost a key in the store for each message */

static void
find_worn(struct message *m, const struct store_item *item)
{
	/* It may be a message that the MTA cannot get rid of, and tries again and again: then it is not lost. */
	struct finding f = { .code = "trace.replayed", .status = "7.1", .action = CONF_DEFER };

	f.reply = "this message has come back too often";
	f.desk = arena_printf(m->facts.arena,
	    "stamp %s came back for %u recipients in six hours, and once more for %u",
	    item->key, item->used, item->amount);
	f.subject = m->facts.client_text;
	check_find(m, &check_limits, &f);
}

/* It was charged when it was stamped. What is counted is the stamp: each recipient that it had then may be
 * reached a few times (filter, second relay, retries), so that a captured one is not worth having. */
static enum check_answer
judge_reentered(struct message *m, struct err *e)
{
	const struct conf *c = m->services->conf;
	const struct stamp_content *s = m->facts.reentered;
	struct store_item *item = arena_zalloc(m->facts.arena, sizeof(*item));
	struct store_request *r = arena_zalloc(m->facts.arena, sizeof(*r));
	struct limit_ceiling most = { .length = REENTRY_WINDOW };

	/* A list server sends to whom it will, to each alone if it likes. */
	if (m->facts.expanded)
		return CHECK_DONE;
	most.most = c->trace.reentry.times * s->recipients;
	item->limit = REENTRY_LIMIT;
	item->key = arena_printf(m->facts.arena, "%08x-%s-%s", s->mark, s->relay, s->queue_id);
	item->amount = (uint32_t)m->facts.n_recipients;
	limit_ceilings_add(&item->ceilings, &most);
	r->items = item;
	r->n = 1;
	r->dry = m->dry;
	r->recheck = suspended_now;
	r->cookie = m;
	if (store_judge(m->services->store, r, clock_deadline(c->store.budget), e) < 0)
		return CHECK_UNSURE;
	if (item->over)
		find_worn(m, item);
	return CHECK_DONE;
}

static enum check_answer
limits_run(void *state, enum stage stage, struct message *m, struct err *e)
{
	bool back = m->facts.class == CLASS_REENTERED;

	(void)state;
	if (stage == STAGE_MAIL)
		return ask_known(m);
	/* Explain shows the limits of a refused message too: it takes nothing. */
	if (verdict_action(&m->verdict) >= CONF_DEFER && !m->dry)
		return CHECK_DONE;
	return back ? judge_reentered(m, e) : judge(m, e);
}

/* Refusals, and the refused message's ticket, are charged when all is over: by other checks only, else a limit
 * would keep itself full. */
static bool
refused_by_others(const struct message *m)
{
	const struct finding *f = verdict_decider(&m->verdict);

	return f != NULL && f->action >= CONF_DEFER && strcmp(f->check, check_limits.name) != 0;
}

static void
limits_finish(void *state, struct message *m)
{
	const struct conf *c = m->services->conf;
	struct store_request r = { 0 };
	struct asking q;
	struct err e;
	size_t i;

	(void)state;
	if (!refused_by_others(m) || m->facts.class == CLASS_REENTERED)
		return;
	fill_subject(&q, m);
	for (i = 0; i < c->n_limits; i++) {
		struct store_item *item;

		if (c->limits[i].count != CONF_COUNT_REFUSALS || !applies(&c->limits[i], &m->facts))
			continue;
		item = add_item(&q, &c->limits[i]);
		if (item == NULL)
			continue;
		item->amount = 1;
		item->always = true;
	}
	/* A bounce shows the ticket to whoever gets it: so it is spent, if it was not. */
	if (check_ticket_item(m, next_item(&q)))
		q.limit_of[q.n++] = NULL;
	r.items = q.items;
	r.n = q.n;
	/* Nobody waits for the answer: a store that cannot take it now loses one refusal's count, no mail. */
	if (r.n > 0)
		(void)store_judge(m->services->store, &r, clock_deadline(c->store.budget), &e);
}
