/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * mailer - does the message carry the signature of a bulk mailer or of a hacked site's script?
 *
 * Asked at the end of the message, when all of its header is known. The best match becomes a fact, which
 * limits and the log use; what else happens follows from its kind: the action in mailers.plans or
 * mailers.actions, the header that names it, and one alert when a customer uses it for the first time. A hint
 * (confidence below SIGNATURE_HINT) is told and counted like any match, but never does more than tag. What
 * tables.mailers allows a customer is counted and named, and has no other consequence.
 *
 * Beside it stand the traits of mailer_traits.c, each a finding of its own, quiet unless mailers.traits says
 * more.
 *
 * Lists and libraries are recognised and let alone: no header, no alert, and no action unless one is
 * configured. Copies of our header that the sender wrote are removed by check_trace.c.
 */
#include "milter/check.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/date.h"
#include "lib/log.h"
#include "lib/signature.h"
#include "lib/str.h"
#include "milter/mailer_seen.h"
#include "milter/mailer_traits.h"

#include "lib/banned.h"

static void *mailer_init(const struct services *s, const struct table_report *report, bool *ok);
static enum check_answer mailer_run(void *state, enum stage stage, struct message *m, struct err *e);
static void mailer_finish(void *state, struct message *m);
static void mailer_free(void *state);

struct mailer {
	struct signature_set *set;
	struct mailer_seen *seen;
};

static unsigned
mailer_needs(const void *cookie, const struct conf *c)
{
	const struct mailer *state = cookie;
	unsigned needs = NEED_HEADERS;

	if (state == NULL)
		return 0;
	if (c->mailers.volume > 0)
		needs |= NEED_RECIPIENTS;
	if (signature_wants_body(state->set))
		needs |= NEED_BODY_START;
	return needs;
}

static enum conf_mode
mailer_mode(const struct conf *c)
{
	return c->mailers.mode;
}

static enum conf_action
mailer_unsure(const struct conf *c)
{
	return c->mailers.unsure;
}

const struct check check_mailer = {
	.name = "mailer",
	.summary = "does it carry the signature of a bulk or web-shell mailer",
	.stages = 1u << STAGE_END,
	.init = mailer_init,
	.needs = mailer_needs,
	.run = mailer_run,
	.finish = mailer_finish,
	.free = mailer_free,
	.mode = mailer_mode,
	.unsure = mailer_unsure,
};

/* What is said and done about a kind beyond its configured action. */
static const struct {
	const char *kind;
	bool named;		/* gets the header and an alert at first use */
	const char *severity;	/* of that alert */
	const char *reply;
} kinds[] = {
	{ "bulk", true, "notice", "mail made by bulk mailing software is not accepted here" },
	{ "webshell", true, "warning", "this message was made by a script known from hacked web sites" },
	{ "desktop", true, "notice", "mail made by mass mailing software is not accepted here" },
	{ "newsletter", true, "notice", "mail made by newsletter software is not accepted here" },
	{ "crm", true, "notice", "mass mailings are not accepted here" },
	{ "list", false, NULL, "mail of mailing lists is not accepted here" },
	{ "library", false, NULL, "mail made by this kind of software is not accepted here" },
};

static size_t
kind_of(const char *kind)
{
	size_t i;

	for (i = 0; i + 1 < sizeof(kinds) / sizeof(kinds[0]) && strcmp(kinds[i].kind, kind) != 0; i++)
		;
	return i;
}

static void *
mailer_init(const struct services *s, const struct table_report *report, bool *ok)
{
	struct signature_set *set;
	struct mailer *state;

	if (*s->conf->mailers.signatures == '\0')
		return NULL;
	/* Bad entries are told and left out: one mistake in a long file is no reason to watch for nothing. */
	set = signature_load_all(s->conf->mailers.signatures, s->conf->mailers.directory, report, NULL);
	if (set == NULL) {
		*ok = false;
		return NULL;
	}
	state = calloc(1, sizeof(*state));
	if (state == NULL)
		abort();
	state->set = set;
	state->seen = mailer_seen_open(s->store);
	return state;
}

static void
mailer_free(void *cookie)
{
	struct mailer *state = cookie;

	if (state == NULL)
		return;
	signature_unref(&state->set);
	mailer_seen_close(&state->seen);
	free(state);
}

/* ---- what it is ---------------------------------------------------------------------- */

static struct signature_message
question(const struct facts *f)
{
	struct signature_header *headers = arena_alloc(f->arena, (f->n_headers + 1) * sizeof(*headers));
	size_t i;

	for (i = 0; i < f->n_headers; i++)
		headers[i] = (struct signature_header){ f->headers[i].name, f->headers[i].value };
	return (struct signature_message){ headers, f->n_headers, f->body_start, f->n_body_start };
}

static bool
best_match(struct mailer *state, const struct facts *f, const struct signature_message *q,
    struct signature_match *to)
{
	size_t n = signature_match_message(state->set, q, f->arena, to, 1);
	struct err e;

	while (signature_slow(state->set, &e) == 1)
		log_printf(LOG_LEVEL_WARNING, "%s: %s", e.where, e.text);
	return n > 0;
}

/* For explain: why nothing was found. */
static void
find_closest(struct mailer *state, struct message *m, const struct signature_message *q)
{
	struct arena *a = m->facts.arena;
	struct finding f = { .code = "mailer.none", .action = CONF_ACCEPT, .quiet = true };
	struct signature_near near;

	if (!signature_closest(state->set, q, a, &near))
		f.desk = arena_printf(a, "none of %zu signatures has anything in common with it",
		    signature_count(state->set));
	else
		f.desk = arena_printf(a, "closest of %zu signatures: %s (%s, %s); %s%s%snot there: %s",
		    signature_count(state->set), near.it.title, near.it.name, near.it.where,
		    *near.it.evidence == '\0' ? "" : "it has ", near.it.evidence,
		    *near.it.evidence == '\0' ? "" : "; ", near.missing);
	check_find(m, &check_mailer, &f);
}

/* ---- what is done about it --------------------------------------------------------------- */

static void
look_for(const struct conf_mailer_action *list, size_t n, const char *kind, enum conf_action *to)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (strcmp(list[i].kind, kind) == 0)
			*to = list[i].action;
}

/* The plan's action when it names the kind, else that of all. */
static enum conf_action
action_for(const struct conf *c, const char *plan, const struct signature_match *match)
{
	enum conf_action action = CONF_ACCEPT;
	size_t i;

	look_for(c->mailers.actions, c->mailers.n_actions, match->kind, &action);
	for (i = 0; plan != NULL && i < c->mailers.n_plans; i++)
		if (strcmp(c->mailers.plans[i].plan, plan) == 0)
			look_for(c->mailers.plans[i].actions, c->mailers.plans[i].n_actions, match->kind, &action);
	if (match->confidence < SIGNATURE_HINT && action > CONF_TAG)
		action = CONF_TAG;
	return action;
}

/* One entry of tables.mailers: NAME or KIND, perhaps ;until=DATE. The last day is included; a date that
 * cannot be read has passed. */
static bool
allows(const char *item, size_t n, const struct signature_match *match, uint64_t now)
{
	static const char until[] = ";until=";
	const char *semi = memchr(item, ';', n);
	size_t length = semi == NULL ? n : (size_t)(semi - item), rest = n - length;
	uint64_t day;

	if (semi != NULL && (rest < sizeof(until) || strncmp(semi, until, sizeof(until) - 1) != 0 ||
	    date_parse(semi + sizeof(until) - 1, rest - (sizeof(until) - 1), &day) != 1 ||
	    now >= day + DATE_DAY_MS))
		return false;
	return (length == strlen(match->name) && strncasecmp(item, match->name, length) == 0) ||
	    (length == strlen(match->kind) && strncasecmp(item, match->kind, length) == 0);
}

/* 1 with what allows it, 0, -1 cannot tell */
static int
allowed_to(struct message *m, const char *who, const struct signature_match *match, const char **by,
    struct err *e)
{
	const char *list;
	size_t n;
	int r;

	if (who == NULL)
		return 0;
	r = table_lookup(m->services->mailers, who, m->facts.arena, m->deadline, &list, e);
	if (r <= 0)
		return r;
	for (; *list != '\0'; list += n) {
		list += strspn(list, ", \t");
		n = strcspn(list, ", \t");
		if (n > 0 && allows(list, n, match, m->facts.began)) {
			*by = arena_printf(m->facts.arena, "%s: %.*s", who, (int)(n < 100 ? n : 100), list);
			return 1;
		}
	}
	return 0;
}

static int
allowed(struct message *m, const struct signature_match *match, const char **by, struct err *e)
{
	int r;

	if (m->services->mailers == NULL)
		return 0;
	r = allowed_to(m, m->facts.account, match, by, e);
	return r != 0 ? r : allowed_to(m, m->facts.customer, match, by, e);
}

static const char *
desk_text(const struct message *m, const struct signature_match *match, const char *by)
{
	return arena_printf(m->facts.arena, "made by %s (%s, %s %u%s%s): %s%s%s", match->title, match->name,
	    match->confidence < SIGNATURE_HINT ? "a hint," : "confidence", match->confidence,
	    m->dry ? ", " : "", m->dry ? match->where : "", match->evidence,
	    by == NULL ? "" : "; allowed by tables.mailers, ", by == NULL ? "" : by);
}

static enum check_answer
find_mailer(struct message *m, const struct signature_match *match, struct err *e)
{
	const struct conf *c = m->services->conf;
	struct facts *f = &m->facts;
	struct finding found = { .status = "7.1" };
	const size_t kind = kind_of(match->kind);
	const char *by = NULL;

	f->mailer = match->name;
	f->mailer_kind = kinds[kind].kind;
	found.code = arena_printf(f->arena, "mailer.%s", match->kind);
	found.action = action_for(c, f->plan, match);
	if ((found.action > CONF_ACCEPT || kinds[kind].named) && allowed(m, match, &by, e) < 0)
		return CHECK_UNSURE;
	if (by != NULL) {
		found.action = CONF_ACCEPT;
		f->mailer_allowed = true;
	}
	if (found.action > CONF_TAG)
		found.reply = kinds[kind].reply;
	found.desk = desk_text(m, match, by);
	found.quiet = found.action < CONF_HOLD;	/* the alert at first use is enough */
	check_find(m, &check_mailer, &found);
	if (kinds[kind].named && *c->mailers.header != '\0')
		verdict_insert_header(&m->verdict, c->mailers.header, match->name);
	return CHECK_DONE;
}

static void
find_traits(struct message *m, const struct signature_match *match)
{
	const struct conf *c = m->services->conf;
	struct mailer_trait traits[TRAITS];
	const char *name, *list = NULL;
	struct finding f;
	size_t n = mailer_traits(&m->facts, c, match, traits), i;

	for (i = 0; i < n; i++) {
		name = trait_text(traits[i].trait);
		list = list == NULL ? name : arena_printf(m->facts.arena, "%s,%s", list, name);
		f = (struct finding){ .status = "7.1", .desk = traits[i].why };
		f.code = arena_printf(m->facts.arena, "mailer.%s", name);
		look_for(c->mailers.traits, c->mailers.n_traits, name, &f.action);
		if (f.action > CONF_TAG)
			f.reply = "this message is not made as mail to many should be";
		f.quiet = f.action < CONF_HOLD;
		check_find(m, &check_mailer, &f);
	}
	m->facts.mailer_traits = list;
}

static enum check_answer
mailer_run(void *cookie, enum stage stage, struct message *m, struct err *e)
{
	enum check_answer answer = CHECK_DONE;
	struct mailer *state = cookie;
	struct signature_message q;
	struct signature_match match;
	bool found;

	(void)stage;
	/* What comes back was judged, and perhaps released from hold, before. */
	if (state == NULL || m->facts.class == CLASS_REENTERED)
		return CHECK_DONE;
	q = question(&m->facts);
	found = best_match(state, &m->facts, &q, &match);
	if (found)
		answer = find_mailer(m, &match, e);
	else if (m->dry)
		find_closest(state, m, &q);
	find_traits(m, found ? &match : NULL);
	return answer;
}

/* ---- what is remembered and told ---------------------------------------------------------- */

/* What find_mailer found; NULL when it found nothing, or could not tell what is allowed. */
static const struct finding *
our_finding(const struct message *m)
{
	const struct finding *f;

	if (m->facts.mailer_kind == NULL)
		return NULL;
	for (f = m->verdict.findings; f != NULL; f = f->next)
		if (f->check == check_mailer.name && strncmp(f->code, "mailer.", 7) == 0 &&
		    strcmp(f->code + 7, m->facts.mailer_kind) == 0)
			return f;
	return NULL;
}

static void
tell_first_use(struct message *m, const struct finding *found, const char *severity)
{
	const struct facts *f = &m->facts;
	struct alert_event v = { .kind = "mailer.first-seen", .severity = severity };

	v.customer = f->customer;
	v.account = f->account;
	v.client = f->client_text;
	v.submitter = f->submitter;
	v.sender = f->sender_ok && !f->return_path.null ? f->return_path.text : f->sender;
	v.from = f->n_from > 0 ? f->from[0].text : NULL;
	v.mailer = f->mailer;
	v.transaction = f->transaction;
	v.queue_id = f->queue_id;
	v.message_id = f->message_id;
	v.action = conf_action_text(verdict_action(&m->verdict));
	v.monitor = found->monitor;
	v.reason = arena_printf(f->arena, "first message of customer %s %s", f->customer, found->desk);
	alert_post(m->services->alerts, arena_printf(f->arena, "%s %s", f->customer, f->mailer), &v);
}

/* Also for a message that was refused: that somebody tried is what the desk wants to know. */
static void
mailer_finish(void *cookie, struct message *m)
{
	struct mailer *state = cookie;
	const struct finding *found = our_finding(m);
	size_t kind;

	if (state == NULL || found == NULL || m->dry || m->facts.customer == NULL)
		return;
	kind = kind_of(m->facts.mailer_kind);
	if (!kinds[kind].named ||
	    !mailer_seen_first(state->seen, m->facts.customer, m->facts.mailer, kinds[kind].kind))
		return;
	if (m->services->conf->mailers.first_seen_alert && m->services->alerts != NULL &&
	    !m->facts.mailer_allowed)
		tell_first_use(m, found, kinds[kind].severity);
}
