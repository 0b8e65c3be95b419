/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * ownership - are the return-path, every From mailbox and Sender the customer's own?
 *
 * The domains table says who owns what; the longest entry decides: the full address, then the
 * domain, then for each parent ".parent" and, with ownership.subdomains, "parent". What another customer
 * owns by a longer entry is his alone. The also table lends foreign addresses to a customer or
 * account, with an expiry. A field that cannot be read without doubt is owned by nobody.
 * It does not look at display names, and judges SRS, BATV and VERP forms by their domain.
 */
#include "milter/check.h"

#include <string.h>
#include <strings.h>

#include "lib/date.h"

#include "lib/banned.h"

static enum check_answer ownership_run(void *state, enum stage stage, struct message *m, struct err *e);

static unsigned
ownership_needs(const void *state, const struct conf *c)
{
	(void)state;
	return c->ownership.from != CONF_ACCEPT || c->ownership.sender != CONF_ACCEPT ? NEED_HEADERS : 0;
}

static enum conf_mode
ownership_mode(const struct conf *c)
{
	return c->ownership.mode;
}

static enum conf_action
ownership_unsure(const struct conf *c)
{
	return c->ownership.unsure;
}

const struct check check_ownership = {
	.name = "ownership",
	.summary = "are return-path, From and Sender the customer's own",
	.stages = 1u << STAGE_MAIL | 1u << STAGE_END,
	.needs = ownership_needs,
	.run = ownership_run,
	.mode = ownership_mode,
	.unsure = ownership_unsure,
};

/* True when customer stands in a list such as "acme, beta". */
static bool
listed(const char *list, const char *customer)
{
	size_t n = strlen(customer), k;

	while (*list != '\0') {
		list += strspn(list, ", \t");
		k = strcspn(list, ", \t");
		if (k == n && strncasecmp(list, customer, n) == 0)
			return true;
		list += k;
	}
	return false;
}

struct question {
	struct message *m;
	struct err *e;
	const char *owner;	/* who owns it, once found */
};

/* 1 = an entry stands there (q->owner), 0 = none, -1 = cannot tell */
static int
entry(struct question *q, const char *key)
{
	return table_lookup(q->m->services->domains, key, q->m->facts.arena, q->m->deadline, &q->owner, q->e);
}

static int
entry_of_parents(struct question *q, const char *domain)
{
	const bool subdomains = q->m->services->conf->ownership.subdomains;
	const char *parent;
	int r;

	/* A domain literal [192.0.2.1] has dots but no parents. */
	if (*domain == '[')
		return 0;
	for (parent = strchr(domain, '.'); parent != NULL; parent = strchr(parent + 1, '.')) {
		if ((r = entry(q, parent)) != 0)
			return r;
		if (subdomains && (r = entry(q, parent + 1)) != 0)
			return r;
	}
	return 0;
}

/* The longest entry for the address. */
static int
find_entry(struct question *q, const struct mail_address *a)
{
	int r;

	if (q->m->services->domains == NULL)
		return 0;
	if ((r = entry(q, a->text)) != 0)
		return r;
	if (strcmp(a->base, a->text) != 0 && (r = entry(q, a->base)) != 0)
		return r;
	if ((r = entry(q, a->domain)) != 0)
		return r;
	return entry_of_parents(q, a->domain);
}

/* "2027-01-31", that day included (UTC). A date that cannot be read has passed. */
static bool
expired(const char *until, size_t n, uint64_t now)
{
	uint64_t day;

	return date_parse(until, n, &day) != 1 || now >= day + DATE_DAY_MS;
}

/* One entry of the also table: ADDRESS or DOMAIN, perhaps ;until=DATE */
static bool
lent(const char *item, size_t n, const struct mail_address *a, uint64_t now)
{
	static const char until[] = ";until=";
	const char *semi = memchr(item, ';', n);
	size_t len = semi == NULL ? n : (size_t)(semi - item);

	if (semi != NULL && (n - len < sizeof(until) || strncmp(semi, until, sizeof(until) - 1) != 0 ||
	    expired(semi + sizeof(until) - 1, n - len - (sizeof(until) - 1), now)))
		return false;
	return (len == strlen(a->text) && strncasecmp(item, a->text, len) == 0) ||
	    (len == strlen(a->base) && strncasecmp(item, a->base, len) == 0) ||
	    (len == strlen(a->domain) && strncasecmp(item, a->domain, len) == 0);
}

static int
lent_to(struct question *q, const char *who, const struct mail_address *a)
{
	const char *list;
	size_t n;
	int r;

	if (who == NULL)
		return 0;
	r = table_lookup(q->m->services->also, who, q->m->facts.arena, q->m->deadline, &list, q->e);
	if (r <= 0)
		return r;
	for (; *list != '\0'; list += n) {
		list += strspn(list, ", \t");
		n = strcspn(list, ", \t");
		if (n > 0 && lent(list, n, a, q->m->facts.began))
			return 1;
	}
	return 0;
}

/* 1 owned, 0 not, -1 cannot tell */
static int
owned(struct question *q, const struct mail_address *a)
{
	const struct facts *f = &q->m->facts;
	int r = find_entry(q, a);

	if (r < 0)
		return -1;
	if (r == 1 && listed(q->owner, f->customer))
		return 1;
	if (r == 0)
		q->owner = NULL;
	if (q->m->services->also == NULL)
		return 0;
	r = lent_to(q, f->account, a);
	return r != 0 ? r : lent_to(q, f->customer, a);
}

static void
find_foreign(struct question *q, const char *code, const char *what, enum conf_action action,
    const char *address)
{
	struct message *m = q->m;
	struct arena *a = m->facts.arena;
	struct finding f = { .code = code, .action = action, .status = "7.1" };

	f.reply = arena_printf(a, "%s %.200s is not registered for your account", what, address);
	f.desk = arena_printf(a, "account %.100s of customer %.100s used %s %.200s, which %s%.100s",
	    m->facts.account, m->facts.customer, what, address,
	    q->owner == NULL ? "no customer owns" : "belongs to ", q->owner == NULL ? "" : q->owner);
	check_find(m, &check_ownership, &f);
}

static void
find_unreadable(struct message *m, const char *code, const char *what, enum conf_action action,
    const char *why)
{
	struct arena *a = m->facts.arena;
	struct finding f = { .code = code, .action = action, .status = "7.1" };

	f.reply = arena_printf(a, "%s cannot be read without doubt (%.120s)", what, why);
	f.desk = arena_printf(a, "account %.100s of customer %.100s: %s: %.200s", m->facts.account,
	    m->facts.customer, what, why);
	check_find(m, &check_ownership, &f);
}

static enum check_answer
judge_return_path(struct question *q)
{
	const struct facts *f = &q->m->facts;
	enum conf_action action = q->m->services->conf->ownership.return_path;
	int r;

	if (action == CONF_ACCEPT || (f->sender_ok && f->return_path.null))
		return CHECK_DONE;
	if (!f->sender_ok) {
		find_unreadable(q->m, "ownership.return-path", "the return-path", action, "not one address");
		return CHECK_DONE;
	}
	if ((r = owned(q, &f->return_path)) < 0)
		return CHECK_UNSURE;
	if (r == 0)
		find_foreign(q, "ownership.return-path", "return-path", action, f->return_path.text);
	return CHECK_DONE;
}

/* One finding for the first foreign mailbox is enough: it refuses the message, and the desk sees the rest in
 * the evidence. */
static enum check_answer
judge_boxes(struct question *q, const char *code, const char *what, enum conf_action action,
    const struct mail_address *box, size_t n)
{
	size_t i;
	int r;

	for (i = 0; i < n; i++) {
		if ((r = owned(q, &box[i])) < 0)
			return CHECK_UNSURE;
		if (r == 0) {
			find_foreign(q, code, what, action, box[i].text);
			return CHECK_DONE;
		}
	}
	return CHECK_DONE;
}

static bool
bounce_domain(const struct conf *c, const char *domain)
{
	size_t i;

	if (c->identity.bounce_domains.n == 0)
		return strcasecmp(domain, c->relay) == 0;
	for (i = 0; i < c->identity.bounce_domains.n; i++)
		if (strcasecmp(domain, c->identity.bounce_domains.at[i]) == 0)
			return true;
	return false;
}

/* How many mailboxes of From, counted from the first, are what our own hosts' bounces come from. */
static size_t
bounce_boxes(const struct message *m)
{
	size_t i;

	for (i = 0; i < m->facts.n_from && bounce_domain(m->services->conf, m->facts.from[i].domain); i++)
		;
	return i;
}

static enum check_answer
judge_from(struct question *q)
{
	const struct facts *f = &q->m->facts;
	enum conf_action action = q->m->services->conf->ownership.from;

	if (action == CONF_ACCEPT)
		return CHECK_DONE;
	/* Sendmail's submission queue sends its bounces as it sends local users' mail, over SMTP: a host whose
	 * address is in the networks table writes bounces all the same. */
	if (f->own_bounce && f->from_why == NULL && f->n_from > 0 && bounce_boxes(q->m) == f->n_from)
		return CHECK_DONE;
	if (f->from_why != NULL || f->n_from == 0) {
		find_unreadable(q->m, "ownership.from", "the From field", action,
		    f->from_why != NULL ? f->from_why :
		    f->from_fields == 0 ? "there is none" : "it names nobody");
		return CHECK_DONE;
	}
	return judge_boxes(q, "ownership.from", "From address", action, f->from, f->n_from);
}

static enum check_answer
judge_sender(struct question *q)
{
	const struct facts *f = &q->m->facts;
	enum conf_action action = q->m->services->conf->ownership.sender;

	if (action == CONF_ACCEPT || f->sender_fields == 0)
		return CHECK_DONE;
	if (f->sender_why != NULL) {
		find_unreadable(q->m, "ownership.sender", "the Sender field", action, f->sender_why);
		return CHECK_DONE;
	}
	return judge_boxes(q, "ownership.sender", "Sender address", action, f->sender_box, f->n_sender_box);
}

/* The null return-path is no pass for a foreign From: any script on our hosts can use it. */
static void
judge_bounce(struct message *m)
{
	const struct conf *c = m->services->conf;
	const struct facts *f = &m->facts;
	struct finding what = { .code = "ownership.from", .action = c->ownership.from, .status = "7.1" };
	size_t i;

	if (what.action == CONF_ACCEPT)
		return;
	if (f->from_why != NULL || f->n_from == 0) {
		what.reply = "the From field of a bounce must be readable";
		what.desk = f->from_why != NULL ? f->from_why : "a bounce from our own host without From";
		check_find(m, &check_ownership, &what);
		return;
	}
	if ((i = bounce_boxes(m)) == f->n_from)
		return;
	what.reply = arena_printf(f->arena,
	    "From address %.200s is not of a domain that our bounces come from", f->from[i].text);
	what.desk = arena_printf(f->arena,
	    "null return-path from our own host %.60s, but From %.200s is not in identity.bounce_domains",
	    f->client_text, f->from[i].text);
	check_find(m, &check_ownership, &what);
}

static enum check_answer
ownership_run(void *state, enum stage stage, struct message *m, struct err *e)
{
	struct question q = { .m = m, .e = e };

	(void)state;
	if (m->facts.class == CLASS_BOUNCE && stage == STAGE_END)
		judge_bounce(m);
	/* Strangers (identity.unidentified = accept) own nothing that could be asked about. */
	if (m->facts.class != CLASS_CUSTOMER)
		return CHECK_DONE;
	/* Whether a message of our own hosts comes back is known at its end only. */
	if (stage == STAGE_MAIL)
		return m->facts.own ? CHECK_DONE : judge_return_path(&q);
	if (m->facts.own && judge_return_path(&q) == CHECK_UNSURE)
		return CHECK_UNSURE;
	if (judge_from(&q) == CHECK_UNSURE || judge_sender(&q) == CHECK_UNSURE)
		return CHECK_UNSURE;
	return CHECK_DONE;
}
