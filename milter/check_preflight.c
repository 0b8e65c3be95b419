/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * preflight - would the recipient's SPF and DMARC let this message in?
 *
 * At MAIL it only asks for the SPF record, which is there by the end of most messages then. It judges at the
 * end of the message, when From is known, and before limits, so that what is refused here is not
 * charged. preflight.c says what recipients will compute; here each outcome becomes a finding with its
 * configured action (rows of conf_table.c). Everything together waits no longer than preflight.budget.
 *
 * DNS trouble never does more than preflight.unsure says. What our own name gets wrong (SPF of the HELO
 * name, for the null return-path) and what our own bounces get wrong never does more than tag: refusing
 * would punish the wrong one. An exempt customer, domain or address is judged and told as in monitor mode.
 */
#include "milter/check.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/clock.h"
#include "lib/date.h"
#include "lib/str.h"
#include "milter/preflight.h"

#include "lib/banned.h"

#define SIGNATURES_MAX 16u	/* DKIM-Signature fields that are read */

static void *preflight_init(const struct services *s, const struct table_report *report, bool *ok);
static enum check_answer preflight_run(void *state, enum stage stage, struct message *m, struct err *e);
static void preflight_free(void *state);

static unsigned
preflight_needs(const void *state, const struct conf *c)
{
	(void)c;
	return state == NULL ? 0 : NEED_HEADERS;
}

static enum conf_mode
preflight_mode(const struct conf *c)
{
	return c->preflight.mode;
}

static enum conf_action
preflight_unsure(const struct conf *c)
{
	return c->preflight.unsure;
}

const struct check check_preflight = {
	.name = "preflight",
	.summary = "would SPF and DMARC pass at the recipient",
	.stages = 1u << STAGE_MAIL | 1u << STAGE_END,
	.init = preflight_init,
	.needs = preflight_needs,
	.run = preflight_run,
	.free = preflight_free,
	.mode = preflight_mode,
	.unsure = preflight_unsure,
	.unsure_subject = "dns",	/* one incident, not one for each sender */
};

static void *
preflight_init(const struct services *s, const struct table_report *report, bool *ok)
{
	struct preflight *p;
	struct err e;

	/* Off, or its services could not be had: chain.c told it. */
	if (s->conf->preflight.egress.n == 0 || s->dns == NULL)
		return NULL;
	err_clear(&e);
	p = preflight_open(s, NULL, (size_t)s->conf->preflight.cache, &e);
	if (p == NULL) {
		*ok = false;
		report->say(report->cookie, &e);
	}
	return p;
}

static void
preflight_free(void *state)
{
	struct preflight *p = state;

	preflight_close(&p);
}

/* One message in this check. */
struct judging {
	struct message *m;
	const struct conf *c;
	struct preflight *p;
	struct preflight_answer answer;
	bool exempt;
};

/* ---- exemptions ---------------------------------------------------------------------- */

/* "yes", or "until=2027-01-31" with that day included. */
static bool
in_force(const char *value, uint64_t now)
{
	uint64_t day;

	if (strncmp(value, "until=", 6) != 0)
		return strcasecmp(value, "yes") == 0;
	return date_parse(value + 6, strlen(value + 6), &day) == 1 && now < day + DATE_DAY_MS;
}

static int
exempt_key(struct message *m, const char *key, struct err *e)
{
	const char *value;
	int r;

	if (key == NULL || *key == '\0')
		return 0;
	r = table_lookup(m->services->exempt, key, m->facts.arena, m->deadline, &value, e);
	return r == 1 ? in_force(value, m->facts.began) : r;
}

/* 1, 0, -1 */
static int
exempt(struct message *m, struct err *e)
{
	const struct facts *f = &m->facts;
	bool sender = f->sender_ok && !f->return_path.null;
	size_t i;
	int r = 0;

	if (m->services->exempt == NULL)
		return 0;
	if ((r = exempt_key(m, f->customer, e)) != 0 ||
	    (r = exempt_key(m, sender ? f->return_path.text : NULL, e)) != 0 ||
	    (r = exempt_key(m, sender ? f->return_path.domain : NULL, e)) != 0)
		return r;
	/* One of several From mailboxes does not cover the others. */
	for (i = 0; i < f->n_from && (i == 0 || r == 1); i++)
		if ((r = exempt_key(m, f->from[i].text, e)) == 0)
			r = exempt_key(m, f->from[i].domain, e);
	return r;
}

/* ---- findings ---------------------------------------------------------------------------- */

static void
find(struct judging *j, const char *code, enum conf_action action, const char *status, const char *subject,
    const char *reply, const char *desk)
{
	struct finding f = { .code = code, .action = action, .status = status, .subject = subject,
		.reply = reply, .desk = desk, .monitor = j->exempt };

	if (j->exempt)
		f.desk = arena_printf(j->m->facts.arena, "%.400s (exempt: only told)", desk);
	/* Our own bounces are nobody's to refuse. */
	if (j->m->facts.class == CLASS_BOUNCE && f.action > CONF_TAG)
		f.action = CONF_TAG;
	/* Half of all domains have something to be mended: that is for the log, and for preflight --all. */
	f.quiet = f.action < CONF_HOLD;
	check_find(j->m, &check_preflight, &f);
}

/* "192.0.2.7, 2001:db8::7" of the addresses with that result; with terms, "ip4:192.0.2.7 ip6:2001:db8::7", or
 * the include that stands for all of ours. */
static const char *
addresses(const struct judging *j, enum spf_result result, bool terms)
{
	const struct net_addr *egress;
	size_t n = preflight_egress(j->p, &egress), i, shown = 0;
	char space[220], text[NET_TEXT];
	struct str s = STR_IN(space);

	if (terms && *j->c->preflight.include != '\0')
		return arena_printf(j->m->facts.arena, "include:%s", j->c->preflight.include);
	space[0] = '\0';
	for (i = 0; i < n; i++) {
		if (j->answer.spf[i].result != result)
			continue;
		if (shown++ == 3) {
			str_cat(&s, terms ? " ..." : ", ...");
			break;
		}
		net_text(&egress[i], text);
		str_cat(&s, shown == 1 ? "" : terms ? " " : ", ");
		if (terms)
			str_cat(&s, egress[i].bits == 32 ? "ip4:" : "ip6:");
		str_cat(&s, text);
	}
	return arena_strdup(j->m->facts.arena, s.data);
}

static const struct preflight_spf *
first_with(const struct judging *j, enum spf_result result)
{
	size_t i;

	for (i = 0; i + 1 < j->answer.n_spf && j->answer.spf[i].result != result; i++)
		;
	return &j->answer.spf[i];
}

/* ---- SPF -------------------------------------------------------------------------------------- */

/* True when every From domain is expected to align by a signature. */
static bool
dkim_carries(const struct judging *j)
{
	size_t i;

	for (i = 0; i < j->answer.n_from && j->answer.from[i].by_dkim; i++)
		;
	return j->answer.n_from > 0 && i == j->answer.n_from;
}

static const struct spf_row {
	enum spf_result result;
	const char *code, *status;
	const char *reply;		/* with the domain, and the terms that are missing */
	bool unless_signed;		/* an aligned signature makes it none of our business */
	size_t action;			/* the row of conf */
} spf_rows[] = {
#define ACTION(name) offsetof(struct conf, preflight.name)
	{ SPF_IS_PERMERROR, "preflight.spf-permerror", "7.24",
	    "the SPF record of %.253s has a mistake: %.120s", false, ACTION(spf_permerror) },
	{ SPF_IS_SOFTFAIL, "preflight.spf-softfail", "7.23",
	    "the SPF record of %.253s does not name our servers; add %.200s to it", true,
	    ACTION(spf_softfail) },
	{ SPF_IS_NEUTRAL, "preflight.spf-neutral", "7.23",
	    "the SPF record of %.253s does not name our servers; add %.200s to it", true,
	    ACTION(spf_neutral) },
	{ SPF_IS_NONE, "preflight.spf-none", "7.23",
	    "%.253s has no SPF record; publish \"v=spf1 %.200s ~all\"", false, ACTION(spf_none) },
};

static enum conf_action
action_of(const struct conf *c, size_t at)
{
	return *(const enum conf_action *)(const void *)((const char *)c + at);
}

static void
judge_spf_row(struct judging *j, const struct spf_row *row)
{
	struct arena *a = j->m->facts.arena;
	const struct preflight_spf *first = first_with(j, row->result);
	const char *domain = j->answer.spf_domain, *reply, *desk, *where;

	if (j->answer.of[row->result] == 0 || (row->unless_signed && dkim_carries(j)))
		return;
	where = j->answer.of[row->result] == j->answer.n_spf ? "all our addresses" :
	    addresses(j, row->result, false);
	reply = arena_printf(a, row->reply, domain, row->result == SPF_IS_PERMERROR ? first->why :
	    addresses(j, row->result, true));
	desk = arena_printf(a, "SPF of %.253s says %s for %.200s: %.150s%s%.150s", domain,
	    spf_result_text(row->result), where, first->decided, *first->why == '\0' ? "" : ": ", first->why);
	find(j, row->code, action_of(j->c, row->action), row->status, domain, reply, desk);
}

static void
judge_spf_fail(struct judging *j)
{
	const unsigned n = j->answer.of[SPF_IS_FAIL];
	struct arena *a = j->m->facts.arena;
	const char *domain = j->answer.spf_domain, *reply, *desk;
	bool all = n == j->answer.n_spf;

	if (n == 0)
		return;
	reply = arena_printf(a,
	    "the SPF record of %.200s forbids our servers to send its mail; add %.200s to it", domain,
	    addresses(j, SPF_IS_FAIL, true));
	desk = arena_printf(a, "SPF of %.253s fails from %.200s: %.150s", domain,
	    all ? "all our addresses" : addresses(j, SPF_IS_FAIL, false),
	    first_with(j, SPF_IS_FAIL)->decided);
	find(j, all ? "preflight.spf-fail" : "preflight.spf-fail-some",
	    all ? j->c->preflight.spf_fail : j->c->preflight.spf_fail_some, "7.23", domain, reply, desk);
}

/* The null return-path: what is wrong is the postmaster's. */
static void
judge_helo(struct judging *j)
{
	struct arena *a = j->m->facts.arena;
	enum spf_result worst = j->answer.of[SPF_IS_FAIL] > 0 ? SPF_IS_FAIL : SPF_IS_PERMERROR;
	const char *desk;

	if (j->answer.of[worst] == 0)
		return;
	desk = arena_printf(a, "SPF of our own EHLO name %.253s says %s for %.200s: %.150s",
	    j->answer.spf_domain, spf_result_text(worst), addresses(j, worst, false),
	    first_with(j, worst)->decided);
	find(j, "preflight.helo", CONF_TAG, "7.23", j->answer.spf_domain, "our own SPF record has a mistake",
	    desk);
}

static void
judge_spf(struct judging *j)
{
	size_t i;

	if (j->answer.null) {
		judge_helo(j);
		return;
	}
	judge_spf_fail(j);
	for (i = 0; i < sizeof(spf_rows) / sizeof(spf_rows[0]); i++)
		judge_spf_row(j, &spf_rows[i]);
}

/* ---- DMARC ------------------------------------------------------------------------------------------ */

static const char *
what_to_do(const struct judging *j, const struct preflight_from *from)
{
	struct arena *a = j->m->facts.arena;

	if (!from->ours)
		return "send it with a From address of a domain of your own";
	if (*from->key_name != '\0' && from->key != DKIM_KEY_THERE)
		return arena_printf(a, "publish the DKIM key %.120s", from->key_name);
	return "have your domain's DKIM signing set up, or send with a return-path of that domain";
}

static void
judge_alignment(struct judging *j, const struct preflight_from *from)
{
	struct arena *a = j->m->facts.arena;
	const char *code = "preflight.dmarc-none", *reply, *desk;
	enum conf_action action = j->c->preflight.dmarc_none;

	if (!from->ours && from->policy >= DMARC_QUARANTINE) {
		code = "preflight.dmarc-foreign";
		action = j->c->preflight.dmarc_foreign;
	} else if (from->policy == DMARC_REJECT && from->signing == PREFLIGHT_CERTAIN) {
		code = "preflight.dmarc-fail";
		action = j->c->preflight.dmarc_fail;
	} else if (from->policy == DMARC_REJECT) {
		code = "preflight.dmarc-fail-unknown";
		action = j->c->preflight.dmarc_fail_unknown;
	} else if (from->policy == DMARC_QUARANTINE) {
		code = "preflight.dmarc-quarantine";
		action = j->c->preflight.dmarc_quarantine;
	}
	if (action == CONF_ACCEPT)
		return;
	reply = arena_printf(a, "DMARC of %.160s would have recipients %s; %.180s", from->domain,
	    from->policy == DMARC_REJECT ? "refuse this message" : from->policy == DMARC_QUARANTINE ?
	    "take this message for spam" : "distrust this message", what_to_do(j, from));
	desk = arena_printf(a, "DMARC of %.253s has policy %s%s%s, signing %s: %.300s", from->domain,
	    dmarc_policy_text(from->published),
	    from->published == from->policy ? "" : " (one step weaker by pct or t)",
	    from->differ ? " (receivers by RFC 7489 and RFC 9989 differ)" : "",
	    preflight_signing_text(from->signing), from->why);
	find(j, code, action, "7.26", from->domain, reply, desk);
}

static void
judge_key(struct judging *j, const struct preflight_from *from)
{
	struct arena *a = j->m->facts.arena;

	if (from->key == DKIM_KEY_THERE)
		return;
	find(j, "preflight.dkim-key", j->c->preflight.dkim_key, "7.20", from->domain,
	    arena_printf(a, "the DKIM key %.250s is %s; publish it", from->key_name,
	    dkim_key_text(from->key)),
	    arena_printf(a, "mail of %.253s is signed with a key whose record %.250s is %s", from->domain,
	    from->key_name, dkim_key_text(from->key)));
}

static void
judge_from(struct judging *j)
{
	const struct preflight_from *from;
	size_t i;

	for (i = 0; i < j->answer.n_from; i++) {
		from = &j->answer.from[i];
		judge_key(j, from);
		if (from->policy != DMARC_UNSURE && !from->aligned && !from->unsure)
			judge_alignment(j, from);
	}
}

/* ---- all together --------------------------------------------------------------------- */

static void
write_header(struct judging *j)
{
	char space[900];
	struct str s = STR_IN(space);
	const struct preflight_from *from;
	size_t i;

	for (i = 0; i < PREFLIGHT_SPF_RESULTS; i++)
		if (j->answer.of[i] > 0)
			str_catf(&s, "%sspf=%s from %u of %zu (%.253s)", s.len == 0 ? "" : "; ",
			    spf_result_text((enum spf_result)i), j->answer.of[i], j->answer.n_spf,
			    j->answer.spf_domain);
	for (i = 0; i < j->answer.n_from && i < 3; i++) {
		from = &j->answer.from[i];
		str_catf(&s, "%sdmarc=%s (%.253s, policy %s%s%s)", s.len == 0 ? "" : "; ",
		    from->policy == DMARC_UNSURE || from->unsure ? "unsure" : from->aligned ? "pass" : "fail",
		    from->domain, dmarc_policy_text(from->policy), from->by_spf ? ", by SPF" : "",
		    from->by_dkim ? ", by DKIM" : "");
	}
	if (s.len > 0)
		verdict_insert_header(&j->m->verdict, j->c->preflight.header, s.data);
}

/* The DNS did not tell something that matters: true, with e saying what. */
static bool
unsure(const struct judging *j, struct err *e)
{
	const struct preflight_from *from;
	size_t i;

	for (i = 0; i < j->answer.n_from; i++) {
		from = &j->answer.from[i];
		if (from->policy == DMARC_UNSURE || from->unsure) {
			(void)err_set(e, ERR_TIMEOUT, "DMARC of %.253s cannot be told: %.200s", from->domain,
			    from->unsure ? "SPF cannot" : from->why);
			return true;
		}
	}
	if (j->answer.of[SPF_IS_TEMPERROR] == 0 || j->answer.null)
		return false;
	(void)err_set(e, ERR_TIMEOUT, "SPF of %.253s cannot be told: %.200s", j->answer.spf_domain,
	    first_with(j, SPF_IS_TEMPERROR)->why);
	return true;
}

static const char **
signatures(const struct facts *f, size_t *n)
{
	const char **list = arena_alloc(f->arena, SIGNATURES_MAX * sizeof(*list));
	size_t i;

	*n = 0;
	for (i = 0; i < f->n_headers && *n < SIGNATURES_MAX; i++)
		if (strcasecmp(f->headers[i].name, "DKIM-Signature") == 0)
			list[(*n)++] = f->headers[i].value;
	return list;
}

static enum check_answer
preflight_run(void *cookie, enum stage stage, struct message *m, struct err *e)
{
	struct judging j = { .m = m, .c = m->services->conf, .p = cookie };
	const struct facts *f = &m->facts;
	struct preflight_question q = { .from = f->from, .n_from = f->n_from };
	int answered, is_exempt;

	/* What is refused already needs no questions; nor does what cannot be read. */
	if (cookie == NULL || !f->sender_ok || (!m->dry && verdict_action(&m->verdict) >= CONF_DEFER))
		return CHECK_DONE;
	if (stage == STAGE_MAIL) {
		preflight_foresee(j.p, f->return_path.domain, f->arena);
		return CHECK_DONE;
	}
	/* What comes back was judged, and has our header; a list server's return-path says nothing of it. */
	if (f->class == CLASS_REENTERED)
		return CHECK_DONE;
	q.sender = f->return_path.null ? "" : f->return_path.text;
	q.domain = f->return_path.domain;
	q.signatures = signatures(f, &q.n_signatures);
	q.deadline = clock_deadline(j.c->preflight.budget);
	if (q.deadline > m->deadline)
		q.deadline = m->deadline;
	answered = preflight_ask(j.p, &q, f->arena, &j.answer, e);
	is_exempt = exempt(m, e);
	j.exempt = is_exempt == 1;
	judge_spf(&j);
	judge_from(&j);
	if (*j.c->preflight.header != '\0')
		write_header(&j);
	if (answered < 0 || is_exempt < 0)
		return CHECK_UNSURE;
	return unsure(&j, e) && !j.exempt ? CHECK_UNSURE : CHECK_DONE;
}
