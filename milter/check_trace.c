/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * trace - removes every copy of our stamps that the sender wrote, and stamps our own.
 *
 * Counts each name over the whole header, without case, and removes from the last to the first:
 * the only order right for Postfix (which renumbers after each removal) and Sendmail (which does not).
 * Runs after submitter and mailer, whose facts it stamps; mailer's and the chain's own marks are
 * removed here too, and inserted by them.
 *
 * All that we write follows from the sealed stamp (stamp_out.h). So a message that comes back (reentry.h)
 * keeps what it has, as far as it says what we would write now, and a signature over it stays good.
 */
#include "milter/check.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/stamp.h"
#include "milter/reentry.h"
#include "milter/stamp_out.h"

#include "lib/banned.h"

static void *trace_init(const struct services *s, const struct table_report *report, bool *ok);
static enum check_answer trace_run(void *state, enum stage stage, struct message *m, struct err *e);
static void trace_free(void *state);

static unsigned
trace_needs(const void *state, const struct conf *c)
{
	(void)state;
	return NEED_HEADERS | (*c->trace.sealed.keys != '\0' ? NEED_RECIPIENTS : 0);
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

/* ---- which names are ours -------------------------------------------------------------- */

/* What a copy that came with the message is. */
enum whose {
	OUR_STAMP,	/* the sealed header */
	OUR_OUTPUT,	/* another that this check writes */
	OUR_MARK,	/* one that mailer or the chain writes */
	OUR_RESULTS,	/* Authentication-Results: ours when it bears our name */
	UNWANTED	/* trace.strip: not ours, but removed */
};

struct names {
	size_t n;
	struct { const char *name; enum whose whose; } at[];
};

static void
add(struct names *list, const char *name, enum whose whose)
{
	size_t i;

	if (name == NULL || *name == '\0')
		return;
	for (i = 0; i < list->n; i++)
		if (strcasecmp(list->at[i].name, name) == 0)
			return;
	list->at[list->n].name = name;
	list->at[list->n++].whose = whose;
}

static void *
trace_init(const struct services *s, const struct table_report *report, bool *ok)
{
	const struct conf *c = s->conf;
	struct names *list = calloc(1, sizeof(*list) + (c->trace.strip.n + c->trace.n_also + 17) *
	    sizeof(list->at[0]));
	size_t i;

	(void)report;
	(void)ok;
	if (list == NULL)
		abort();
	add(list, c->trace.sealed.header, OUR_STAMP);
	add(list, c->trace.customer.header, OUR_OUTPUT);
	add(list, c->trace.submitter.header, OUR_OUTPUT);
	if (*c->trace.extras.report_abuse != '\0')
		add(list, "X-Report-Abuse", OUR_OUTPUT);
	if (*c->trace.extras.cfbl_address != '\0') {
		add(list, "CFBL-Address", OUR_OUTPUT);
		add(list, "CFBL-Feedback-ID", OUR_OUTPUT);
	}
	if (*c->trace.extras.feedback_id != '\0')
		add(list, "Feedback-ID", OUR_OUTPUT);
	if (*c->trace.extras.authserv_id != '\0')
		add(list, "Authentication-Results", OUR_RESULTS);
	for (i = 0; i < c->trace.n_also; i++)
		add(list, c->trace.also[i].name, OUR_OUTPUT);
	add(list, c->mailers.header, OUR_MARK);
	add(list, c->preflight.header, OUR_MARK);
	add(list, c->tag_header, OUR_MARK);
	add(list, c->slow_header, OUR_MARK);
	for (i = 0; i < c->trace.strip.n; i++)
		add(list, c->trace.strip.at[i], UNWANTED);
	return list;
}

static void
trace_free(void *state)
{
	free(state);
}

/* Which of our names it is; list->n when none. The first letter sorts out nearly all. Blanks before the colon
 * count for nothing: Postfix takes them off, another MTA may not. */
static size_t
which(const struct names *list, const char *name)
{
	size_t i, n;

	for (i = 0; i < list->n; i++) {
		if ((list->at[i].name[0] | 0x20) != (name[0] | 0x20))
			continue;
		n = strlen(list->at[i].name);
		if (strncasecmp(list->at[i].name, name, n) == 0 && name[n + strspn(name + n, " \t")] == '\0')
			return i;
	}
	return list->n;
}

/* Behind blanks and comments. */
static const char *
skip_cfws(const char *value)
{
	unsigned depth = 0;

	for (; *value != '\0'; value++) {
		if (*value == '(')
			depth++;
		else if (*value == ')' && depth > 0)
			depth--;
		else if (*value == '\\' && depth > 0 && value[1] != '\0')
			value++;
		else if (depth == 0 && strchr(" \t\r\n", *value) == NULL)
			break;
	}
	return value;
}

/* RFC 8601 2.2: [CFWS] authserv-id [CFWS version] ... The id is a token, or a quoted string, in which any
 * letter may stand behind a backslash. */
static bool
bears_our_name(const char *value, const char *authserv_id)
{
	bool quoted;

	value = skip_cfws(value);
	quoted = *value == '"';
	if (quoted)
		value += 1 + strspn(value + 1, " \t\r\n");
	for (; *authserv_id != '\0'; authserv_id++, value++) {
		if (quoted && *value == '\\')
			value++;
		if (strncasecmp(value, authserv_id, 1) != 0)
			return false;
	}
	return *value == '\0' || strchr(" \t\r\n\";(", *value) != NULL;
}

/* ---- what came with the message ----------------------------------------------------------- */

/* The kinds of copies, each with its code and action. */
enum kind { COPIED, FORGED, FOREIGN, REPLAYED, N_KINDS };

struct stripping {
	struct message *m;
	const struct names *names;
	struct stamp_out *out;
	unsigned *seen;			/* of each name, so far */
	bool *kept;			/* of each mark, in a message that comes back */
	unsigned found[N_KINDS];
	const struct header *first[N_KINDS];
	const char *what[N_KINDS];	/* what the first one's seal tells */
	struct stamp_content genuine;	/* of the first REPLAYED */
	const struct header *nonsense;	/* the first in the sealed header's name that is no stamp */
	unsigned opened;		/* stamps that were tried */
};

#define OPEN_MAX 20u	/* stamps opened in a message: more of them are no more evidence */

static const char *
told(struct arena *a, const struct stamp_content *c)
{
	return *c->relay == '\0' ? "" : arena_printf(a, " (key %s, relay %s, queue id %s)", c->key, c->relay,
	    c->queue_id);
}

static enum kind
kind_of_stamp(struct stripping *s, const struct header *h, const char **what)
{
	struct message *m = s->m;
	struct arena *a = m->facts.arena;
	struct stamp_content c;

	*what = "";
	if (m->services->keys == NULL || s->opened++ >= OPEN_MAX)
		return COPIED;
	switch (stamp_open(m->services->keys, h->value, m->facts.began, 0, &c)) {
	case STAMP_OPENED:
	case STAMP_EXPIRED:
		if (s->found[REPLAYED] == 0)
			s->genuine = c;
		*what = arena_printf(a, " (of customer %.64s, account %.96s, relay %s, queue id %s)",
		    c.customer, c.account, c.relay, c.queue_id);
		return REPLAYED;
	case STAMP_FORGED:
		*what = told(a, &c);
		return FORGED;
	case STAMP_FOREIGN:
		*what = told(a, &c);
		return FOREIGN;
	case STAMP_MALFORMED:
		break;
	}
	if (s->nonsense == NULL)
		s->nonsense = h;
	return COPIED;
}

static void
note(struct stripping *s, const struct header *h, enum kind kind, const char *what)
{
	if (s->found[kind]++ > 0)
		return;
	s->first[kind] = h;
	s->what[kind] = what;
}

/* In a message that comes back, what says what we would write is left where it is. */
static bool
keep(struct stripping *s, size_t at, size_t name)
{
	const struct facts *f = &s->m->facts;

	if (f->class != CLASS_REENTERED)
		return false;
	if (s->names->at[name].whose == OUR_MARK) {
		if (s->kept[name])
			return false;
		return s->kept[name] = true;
	}
	if (s->names->at[name].whose == OUR_STAMP)
		return at == f->reentered_at;
	return stamp_out_keep(s->out, s->names->at[name].name, f->headers[at].value);
}

static void
strip_one(struct stripping *s, size_t at)
{
	const struct header *h = &s->m->facts.headers[at];
	size_t name = which(s->names, h->name);
	const char *what = "";
	enum kind kind = COPIED;

	if (name == s->names->n)
		return;
	++s->seen[name];
	if (s->names->at[name].whose == OUR_RESULTS &&
	    !bears_our_name(h->value, s->m->services->conf->trace.extras.authserv_id))
		return;
	if (keep(s, at, name))
		return;
	verdict_remove_header(&s->m->verdict, s->names->at[name].name, s->seen[name]);
	if (s->names->at[name].whose == OUR_STAMP)
		kind = kind_of_stamp(s, h, &what);
	if (s->names->at[name].whose != UNWANTED)
		note(s, h, kind, what);
}

static enum conf_action
action_of(const struct conf *c, enum kind k)
{
	return k == COPIED ? c->trace.copied : k == FORGED ? c->trace.forged :
	    k == FOREIGN ? c->trace.foreign : c->trace.replayed;
}

static void
find(struct stripping *s, enum kind kind)
{
	static const char *const code[] = { "trace.copied", "trace.forged", "trace.foreign",
	    "trace.replayed" };
	static const char *const desk[] = { "came with the message", "names our key, which did not make it",
	    "names a key that is not ours", "is genuine, but another message's" };
	/* Accepted or not, the desk wants to know who tries this. */
	static const struct alert_event plain = { .severity = "notice" };
	struct arena *a = s->m->facts.arena;
	const struct header *h = s->first[kind];
	struct finding f = { .code = code[kind], .status = "7.1", .action = action_of(s->m->services->conf,
	    kind) };

	f.reply = arena_printf(a, "the message carries a header that only our mail system may write: %.60s",
	    h->name);
	f.desk = arena_printf(a, "%.60s %s%s%s, saying %.200s", h->name, desk[kind], s->what[kind],
	    s->found[kind] > 1 ? arena_printf(a, ", the first of %u", s->found[kind]) : "",
	    mail_header_text(a, h->value, 200));
	if (f.action == CONF_ACCEPT)
		f.event = &plain;
	check_find(s->m, &check_trace, &f);
}

/* A message that is forwarded (by a customer who received it from another, or from another Gatepost) brings
 * all of its stamps: one finding is enough. Unless the customer that it shows is not the one that is
 * sealed. */
static void
find_all(struct stripping *s)
{
	const struct conf *c = s->m->services->conf;
	const struct facts *f = &s->m->facts;
	enum kind k;
	size_t i;

	if (s->found[COPIED] > 0 && s->found[REPLAYED] > 0 && s->found[FORGED] == 0) {
		s->found[COPIED] = 0;
		if (s->nonsense != NULL)
			note(s, s->nonsense, COPIED, "");
		for (i = 0; i < f->n_headers; i++)
			if (strcasecmp(f->headers[i].name, c->trace.customer.header) == 0 &&
			    !stamp_out_names(s->m, &s->genuine, f->headers[i].value))
				note(s, &f->headers[i], COPIED, "");
	}
	for (k = COPIED; k < N_KINDS; k++)
		if (s->found[k] > 0)
			find(s, k);
}

/* ---- the stage ------------------------------------------------------------------------------ */

static enum check_answer
trace_run(void *state, enum stage stage, struct message *m, struct err *e)
{
	struct facts *f = &m->facts;
	struct stripping s = { .m = m, .names = state };
	size_t i;

	(void)stage;
	if ((s.out = stamp_out_new(m, e)) == NULL)
		return CHECK_UNSURE;
	s.seen = arena_zalloc(f->arena, (s.names->n + 1) * sizeof(*s.seen));
	s.kept = arena_zalloc(f->arena, (s.names->n + 1) * sizeof(*s.kept));
	for (i = 0; i < f->n_headers; i++)
		strip_one(&s, i);
	find_all(&s);
	stamp_out_insert(s.out);
	return CHECK_DONE;
}
