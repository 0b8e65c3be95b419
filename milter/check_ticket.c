/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * ticket - did gatepost-sendmail say, on the daemon's word, which local user sends this?
 *
 * Reads the ticket in the header, counts its use, and removes the header whatever it says. A ticket is
 * believed where our own hosts hand mail over (sendmail(1), identity.relays): elsewhere nobody can have
 * come by one rightly. Writes the ticket part of the facts; whose customer that user is, identity says.
 *
 * Where the MTA is set up to hand on local mail with its user's id in the first Received field
 * (identity.userid_from), that id stands in for a missing ticket, and a ticket of another user's is a
 * stolen one.
 *
 * A ticket is good for one message. The MTA may offer that message again (the filter was gone), or in
 * several parts (many recipients), so what counts as the same message is its return-path and header,
 * without what the MTA adds anew each time. That is looked up in two places. The book of this process says
 * at once what it knows, and bounds how often the same message may come. The store, which relays share and
 * which outlives a restart, is asked by check_limits with everything else of the message: there a ticket is
 * a set that may have one member.
 */
#include "milter/check.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/clock.h"
#include "lib/str.h"
#include "milter/local_user.h"
#include "milter/prefixes.h"

#include "lib/banned.h"

#define BOOK_MOST 65536u	/* tickets remembered at a time: a thousand messages a second for a minute */
#define USES_MOST 20u		/* of one ticket by its message: retries, and parts of many recipients */

static void *ticket_init(const struct services *s, const struct table_report *report, bool *ok);
static enum check_answer ticket_run(void *state, enum stage stage, struct message *m, struct err *e);
static void ticket_free(void *state);

static unsigned
ticket_needs(const void *state, const struct conf *c)
{
	(void)state;
	(void)c;
	return NEED_HEADERS;
}

static enum conf_mode
ticket_mode(const struct conf *c)
{
	return c->submission.mode;
}

static enum conf_action
ticket_unsure(const struct conf *c)
{
	(void)c;
	return CONF_DEFER;
}

const struct check check_ticket = {
	.name = "ticket",
	.summary = "which local user sent it, on the daemon's word",
	.stages = 1u << STAGE_MAIL | 1u << STAGE_END,
	.init = ticket_init,
	.needs = ticket_needs,
	.run = ticket_run,
	.free = ticket_free,
	.mode = ticket_mode,
	.unsure = ticket_unsure,
};

/* One for the process: what was used under one configuration is used under the next. */
static struct ticket_book *book;
static pthread_once_t book_once = PTHREAD_ONCE_INIT;

static void
make_book(void)
{
	book = ticket_book_new(BOOK_MOST);
}

struct hosts {
	struct prefixes *relays, *userid_from;
};

static void *
ticket_init(const struct services *s, const struct table_report *report, bool *ok)
{
	struct hosts *h;

	(void)report;
	(void)ok;
	pthread_once(&book_once, make_book);
	h = calloc(1, sizeof(*h));
	if (h == NULL)
		abort();
	h->relays = prefixes_new(&s->conf->identity.relays);
	h->userid_from = prefixes_new(&s->conf->identity.userid_from);
	return h;
}

static void
ticket_free(void *state)
{
	struct hosts *h = state;

	prefixes_free(h->relays);
	prefixes_free(h->userid_from);
	free(h);
}

/* ---- what makes a message the same -------------------------------------------------------------- */

static void
digest_text(uint64_t *digest, const char *text)
{
	do
		*digest = (*digest ^ (unsigned char)*text) * 1099511628211u;	/* FNV-1a */
	while (*text++ != '\0');
}

/* What differs when the same message is offered again. For a local one cleanup(8) writes a new Date, and
 * where there was none a new Message-ID, with its queue id in it. */
static bool
changes(const struct facts *f, const struct header *h)
{
	static const char *const always[] = { TICKET_HEADER, "Received", "Return-Path", NULL };
	size_t i;

	for (i = 0; always[i] != NULL; i++)
		if (strcasecmp(h->name, always[i]) == 0)
			return true;
	if (!f->local)
		return false;
	return strcasecmp(h->name, "Date") == 0 || (strcasecmp(h->name, "Message-ID") == 0 &&
	    f->queue_id != NULL && strstr(h->value, f->queue_id) != NULL);
}

static uint64_t
digest_of(const struct facts *f)
{
	uint64_t digest = 14695981039346656037u;
	size_t i;

	digest_text(&digest, f->sender);
	/* On its way over SMTP a message of many recipients may come in parts. */
	for (i = 0; f->local && i < f->n_recipients; i++)
		digest_text(&digest, f->recipients[i]);
	for (i = 0; i < f->n_headers; i++) {
		if (changes(f, &f->headers[i]))
			continue;
		digest_text(&digest, f->headers[i].name);
		digest_text(&digest, f->headers[i].value);
	}
	return digest;
}

/* ---- findings ----------------------------------------------------------------------------------- */

static void
find_bad(struct message *m, const char *code, enum conf_action action, const char *subject, const char *desk)
{
	struct finding f = { .code = code, .action = action, .status = "7.1", .subject = subject,
	    .desk = desk,
	    .reply = "the message's local ticket is not valid" };

	check_find(m, &check_ticket, &f);
}

static const char *
shown(struct message *m, const struct header *h)
{
	return mail_header_text(m->facts.arena, h->value, 80);
}

/* What could not be opened. The first of several counts: gatepost-sendmail puts its own on top. */
static void
find_unopened(struct message *m, enum ticket_result result, const struct header *h)
{
	struct arena *a = m->facts.arena;
	enum conf_action action = m->services->conf->submission.forged;

	if (result == TICKET_FOREIGN)
		find_bad(m, "ticket.foreign", action, NULL,
		    arena_printf(a, "a ticket under a key that this relay does not have: %.80s", shown(m,
		    h)));
	else
		find_bad(m, "ticket.forged", action, NULL,
		    arena_printf(a, "a %s ticket: %.80s", ticket_result_text(result), shown(m, h)));
}

static void
find_copies(struct message *m, unsigned copies)
{
	find_bad(m, "ticket.forged", m->services->conf->submission.forged, NULL,
	    arena_printf(m->facts.arena, "%u tickets in one message", copies));
}

static void
find_late(struct message *m, const struct ticket *t, uint64_t now)
{
	struct arena *a = m->facts.arena;
	char age[32];

	str_wait_text(now > t->time ? now - t->time : t->time - now, age, sizeof(age));
	find_bad(m, "ticket.expired", m->services->conf->submission.expired, local_user_text(a, t),
	    arena_printf(a, "the ticket of user %.100s is of %s %s", local_user_text(a, t), age,
	    now > t->time ? "ago" : "ahead"));
}

/* ---- the ticket --------------------------------------------------------------------------------- */

static enum ticket_use
use(struct message *m, const struct ticket *t, uint64_t now)
{
	uint64_t until = (t->time > now ? t->time : now) + m->services->conf->submission.valid;

	return ticket_book_use(book, t->nonce, digest_of(&m->facts), USES_MOST, until, now, !m->dry);
}

/* Keys of the store are text. */
static const char *
hex(struct arena *a, const uint8_t *from, size_t n)
{
	static const char digit[] = "0123456789abcdef";
	char *text = arena_alloc(a, 2 * n + 1);
	size_t i;

	for (i = 0; i < n; i++) {
		text[2 * i] = digit[from[i] >> 4];
		text[2 * i + 1] = digit[from[i] & 15];
	}
	text[2 * n] = '\0';
	return text;
}

static void
find_replayed(struct message *m, enum conf_action action, const struct ticket *t)
{
	struct arena *a = m->facts.arena;

	find_bad(m, "ticket.replayed", action, local_user_text(a, t), arena_printf(a,
	    "the ticket of user %.100s was used before, by another message", local_user_text(a, t)));
}

static void
take(struct message *m, const struct ticket *t)
{
	struct facts *f = &m->facts;

	f->ticket = t;
	if (*t->script != '\0')
		f->script = t->script;
}

/* "by mx.example (Postfix, from userid 33)\n\tid ...": on top of the message, above whatever the sender
 * wrote. */
static bool
read_userid(const struct facts *f, uint32_t *to)
{
	static const char words[] = ", from userid ";
	const char *at;
	char *end;
	unsigned long uid;

	if (!f->handed_on || f->n_headers == 0 || strcasecmp(f->headers[0].name, "Received") != 0)
		return false;
	at = strstr(f->headers[0].value, words);
	if (at == NULL)
		return false;
	at += strlen(words);
	uid = strtoul(at, &end, 10);
	if (*at < '0' || *at > '9' || *end != ')' || uid >= UINT32_MAX)
		return false;
	*to = (uint32_t)uid;
	return true;
}

/* Not a ticket, but what it would say of the user. */
static void
take_userid(struct message *m)
{
	struct ticket *t;
	uint32_t uid;

	if (m->facts.ticket != NULL || !read_userid(&m->facts, &uid))
		return;
	t = arena_zalloc(m->facts.arena, sizeof(*t));
	t->uid = uid;
	ticket_put(t->relay, sizeof(t->relay), m->services->conf->relay);
	t->time = m->facts.began;
	take(m, t);
}

/* Nobody can have come by it rightly: out of its place, or another user hands it in. */
static bool
misplaced(struct message *m, const struct ticket *t)
{
	struct arena *a = m->facts.arena;
	enum conf_action action = m->services->conf->submission.forged;
	const char *user = local_user_text(a, t);
	uint32_t uid;

	if (!m->facts.ticket_place)
		find_bad(m, "ticket.misplaced", action, user, arena_printf(a,
		    "the ticket of user %.100s came from %.60s, which is none of our hosts", user,
		    m->facts.client_text));
	else if (read_userid(&m->facts, &uid) && uid != t->uid)
		find_bad(m, "ticket.misplaced", action, user, arena_printf(a,
		    "the ticket of user %.100s came with mail of uid %u", user, (unsigned)uid));
	else
		return false;
	return true;
}

static void
judge(struct message *m, const struct header *h)
{
	struct arena *a = m->facts.arena;
	struct ticket *t = arena_zalloc(a, sizeof(*t));
	uint64_t now = clock_now();
	enum ticket_result result = ticket_open(m->services->keys, h->value, now,
	    m->services->conf->submission.valid, t);

	if (result != TICKET_GOOD && result != TICKET_EXPIRED) {
		find_unopened(m, result, h);
		return;
	}
	if (misplaced(m, t))
		return;
	/* Late, it says all the same whose it was: the message is held in his name. */
	if (result == TICKET_EXPIRED)
		find_late(m, t, now);
	else if (use(m, t, now) == TICKET_SPENT) {
		find_replayed(m, m->services->conf->submission.forged, t);
		return;
	} else
		m->facts.ticket_use = arena_printf(a, "%016llx", (unsigned long long)digest_of(&m->facts));
	take(m, t);
}

static void
at_mail(const struct hosts *h, struct message *m)
{
	struct facts *f = &m->facts;

	f->handed_on = !f->local && prefixes_have(h->userid_from, &f->client);
	f->ticket_place = f->handed_on || (m->services->keys != NULL &&
	    (f->local || prefixes_have(h->relays, &f->client)));
}

static enum check_answer
ticket_run(void *state, enum stage stage, struct message *m, struct err *e)
{
	struct facts *f = &m->facts;
	unsigned copies, i;

	(void)e;
	if (stage == STAGE_MAIL) {
		at_mail(state, m);
		return CHECK_DONE;
	}
	copies = facts_header_count(f, TICKET_HEADER);
	for (i = 1; i <= copies; i++)
		verdict_remove_header(&m->verdict, TICKET_HEADER, i);
	if (copies > 0 && m->services->keys != NULL) {
		judge(m, facts_header(f, TICKET_HEADER, 1));
		if (copies > 1)
			find_copies(m, copies);
	}
	take_userid(m);
	return CHECK_DONE;
}

/* ---- with the store ----------------------------------------------------------------------------- */

#define TICKET_LIMIT "submission.ticket"	/* no configured limit has a '.' in its name */

/* What such a message comes to: a spent ticket names nobody, so where nothing else did, it is unidentified
 * too. */
static enum conf_action
replayed_action(const struct message *m)
{
	const struct conf *c = m->services->conf;
	const struct facts *f = &m->facts;
	enum conf_action nobody = f->local || f->handed_on ? c->identity.local : c->identity.unidentified;

	if (!f->identity_late || !f->by_ticket || c->identity.mode == CONF_MONITOR)
		nobody = CONF_ACCEPT;

	return nobody > c->submission.forged ? nobody : c->submission.forged;
}

static bool
only_told(const struct message *m)
{
	return m->services->conf->mode == CONF_MONITOR || m->services->conf->submission.mode == CONF_MONITOR;
}

bool
check_ticket_item(const struct message *m, struct store_item *to)
{
	const struct facts *f = &m->facts;
	/* For as long as it can be good anywhere, clocks being as different as it lasts; whole seconds. */
	struct limit_ceiling one = { .most = 1,
	    .length = (2 * m->services->conf->submission.valid + 999) / 1000 * 1000 };

	if (f->ticket_use == NULL)
		return false;
	memset(to, 0, sizeof(*to));
	to->limit = TICKET_LIMIT;
	to->key = hex(f->arena, f->ticket->nonce, sizeof(f->ticket->nonce));
	to->kind = STORE_DISTINCT;
	to->values = &f->ticket_use;
	to->n_values = 1;
	limit_ceilings_add(&to->ceilings, &one);
	to->soft = only_told(m) || replayed_action(m) < CONF_DEFER;
	return true;
}

void
check_ticket_answer(struct message *m, const struct store_item *item)
{
	enum conf_mode mode = m->mode;

	if (!item->over)
		return;
	/* It was not the first after all; the message that was may still come here again. */
	if (!m->dry)
		ticket_book_take_back(book, m->facts.ticket->nonce, digest_of(&m->facts), clock_now());
	m->facts.ticket_use = NULL;	/* so limits_finish does not ask again */
	m->mode = only_told(m) ? CONF_MONITOR : CONF_ENFORCE;
	find_replayed(m, replayed_action(m), m->facts.ticket);
	m->mode = mode;
}
