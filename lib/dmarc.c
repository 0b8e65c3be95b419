/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * dmarc - finds the record, finds the organisational domains, and says whether a message would align.
 *
 * Two kinds of receivers are out there. By RFC 7489 the record is that of the From domain, else of its
 * organisational domain by the public suffix list; by RFC 9989 a walk up the tree finds both. The first is
 * always asked, the second where it can say something else: where the From domain has no record, or where
 * relaxed alignment depends on who is whose. The worse of both is the verdict.
 *
 * What a record says is dmarc_record.c's business, the suffix list suffix.c's. Nothing is cached here:
 * records are in lib/dns.h's cache, verdicts in the caller's.
 */
#include "lib/dmarc.h"

#include <stdlib.h>
#include <string.h>

#include "lib/dmarc_record.h"
#include "lib/mail.h"
#include "lib/str.h"
#include "lib/suffix.h"

#include "lib/banned.h"

#define WALK_LABELS 8u		/* RFC 9989 section 4.10: of a longer name the last 7 are walked */
#define TTL_MOST 86400u

struct dmarc {
	struct dns *dns;
	struct suffix *suffixes;
};

const char *
dmarc_policy_text(enum dmarc_policy p)
{
	static const char *const texts[] = { "no record", "none", "quarantine", "reject", "unsure" };

	return texts[p];
}

struct dmarc *
dmarc_open(struct dns *d, struct err *e)
{
	struct dmarc *m = calloc(1, sizeof(*m));

	if (m == NULL)
		abort();
	m->dns = d;
	m->suffixes = suffix_open();
	if (m->suffixes == NULL) {
		free(m);
		(void)err_set(e, ERR_SYSTEM, "libpsl has no public suffix list; install publicsuffix");
		return NULL;
	}
	return m;
}

void
dmarc_close(struct dmarc **m)
{
	if (*m == NULL)
		return;
	suffix_close(&(*m)->suffixes);
	free(*m);
	*m = NULL;
}

/* ---- by the suffix list ---------------------------------------------------------- */

static const char *
org_of(const struct dmarc *m, const char *domain)
{
	const char *org = suffix_org(m->suffixes, domain);

	return org == NULL ? domain : org;
}

const char *
dmarc_org_domain(struct dmarc *m, const char *domain, struct arena *a)
{
	const char *plain = mail_domain(a, domain);

	return plain == NULL ? NULL : org_of(m, plain);
}

bool
dmarc_aligned(struct dmarc *m, const char *from, const char *authenticated, bool strict, struct arena *a)
{
	const char *x = mail_domain(a, from), *y = mail_domain(a, authenticated);

	if (x == NULL || y == NULL)
		return false;
	return strcmp(x, y) == 0 || (!strict && strcmp(org_of(m, x), org_of(m, y)) == 0);
}

/* ---- one record -------------------------------------------------------------------- */

enum lookup { LOOKUP_NONE, LOOKUP_FOUND, LOOKUP_MANY, LOOKUP_FAILED };

struct found {
	enum lookup how;
	const char *domain;
	struct dmarc_record record;	/* FOUND; of MANY the mildest */
	const uint8_t *data;
	size_t size;
};

/* One check in progress. */
struct asking {
	struct dmarc *m;
	const struct dmarc_question *q;
	uint64_t deadline;
	struct arena *arena;
	struct dmarc_verdict *to;
	const char *from;		/* A-labels */
	const char *spf;		/* A-labels or NULL */
	const char **dkim;
	size_t n_dkim;
	struct found at_from;
};

static void
ask(struct asking *k, const char *name, enum dns_type type, struct dns_records *to)
{
	dns_ask(k->m->dns, name, type, k->deadline, k->arena, to);
	if (to->ttl < k->to->ttl)
		k->to->ttl = to->ttl;
}

/* RFC 7489 section 6.6.3: of the TXT records those that begin with v=DMARC1 count, and only one may. */
static void
look_up(struct asking *k, const char *domain, struct found *to)
{
	const char *name = arena_printf(k->arena, "_dmarc.%s", domain);
	struct dns_records records;
	struct dmarc_record record;
	size_t i, n = 0;

	*to = (struct found){ .how = LOOKUP_NONE, .domain = domain };
	ask(k, name, DNS_TXT, &records);
	if (records.answer == DNS_FAILED || records.answer == DNS_LATE) {
		to->how = LOOKUP_FAILED;
		k->to->why = arena_printf(k->arena, "%.255s: %s", name,
		    *records.why == '\0' ? "the DNS does not answer" : records.why);
		return;
	}
	for (i = 0; records.answer == DNS_FOUND && i < records.n; i++) {
		if (!dmarc_record_is(records.at[i].data, records.at[i].size))
			continue;
		dmarc_record_read(k->arena, records.at[i].data, records.at[i].size, &record);
		/* Of several, which come in any order, the mildest is proposed: it can do the least harm. */
		if (n++ == 0 || record.p < to->record.p) {
			to->data = records.at[i].data;
			to->size = records.at[i].size;
			to->record = record;
		}
	}
	to->how = n == 0 ? LOOKUP_NONE : n == 1 ? LOOKUP_FOUND : LOOKUP_MANY;
}

static bool
counts(const struct found *f)
{
	return f->how == LOOKUP_FOUND && f->record.valid;
}

/* ---- the walk up the tree (RFC 9989 section 4.10) ------------------------------------- */

struct walk {
	const char *org;
	struct found policy;	/* the record that holds for what has none of its own */
	bool failed;
};

static unsigned
labels_of(const char *domain)
{
	unsigned n = 1;

	for (; *domain != '\0'; domain++)
		n += *domain == '.';
	return n;
}

/* The next name up; NULL at the top. */
static const char *
parent_of(const char *domain)
{
	unsigned n = labels_of(domain), drop = n >= WALK_LABELS ? n - (WALK_LABELS - 1) : 1;

	for (; drop > 0 && domain != NULL; drop--) {
		domain = strchr(domain, '.');
		if (domain != NULL)
			domain++;
	}
	return domain;
}

/* start is what is found at domain itself, if that was asked already. */
static void
walk_up(struct asking *k, const char *domain, const struct found *start, struct walk *to)
{
	const char *name, *below = domain;
	struct found f;

	*to = (struct walk){ .org = domain };
	for (name = domain; name != NULL; below = name, name = parent_of(name)) {
		if (name == domain && start != NULL)
			f = *start;
		else
			look_up(k, name, &f);
		if (f.how == LOOKUP_FAILED) {
			to->failed = true;
			return;
		}
		if (!counts(&f))
			continue;
		if (f.record.psd == 'y' && name != domain) {
			/* A public suffix speaks for those below who have no record. */
			if (to->policy.how == LOOKUP_NONE) {
				to->policy = f;
			}
			to->org = below;
			return;
		}
		to->org = name;
		to->policy = f;
		if (f.record.psd == 'n')
			return;
	}
}

/* ---- what a receiver of either kind would say -------------------------------------------- */

struct opinion {
	bool unsure;
	enum dmarc_policy published, policy;
	bool by_spf, by_dkim, aligned;
	const struct found *found;	/* NULL when none */
};

static enum dmarc_policy
weaker(enum dmarc_policy p, const struct dmarc_record *r)
{
	if (r->pct == 100 && !r->testing)
		return p;
	return p == DMARC_REJECT ? DMARC_QUARANTINE : p == DMARC_QUARANTINE ? DMARC_NONE : p;
}

static void
set_policy(struct opinion *o, const struct found *f, enum dmarc_policy p)
{
	o->found = f;
	o->published = f->record.valid ? p : DMARC_NO_RECORD;
	o->policy = f->record.valid ? weaker(p, &f->record) : DMARC_NO_RECORD;
}

/* How bad it is for the message. */
static unsigned
weight(const struct opinion *o)
{
	if (o->aligned || o->policy == DMARC_NO_RECORD)
		return 0;
	return (unsigned)o->policy;
}

static bool
aligned_by_list(const struct asking *k, const char *domain, bool strict)
{
	return strcmp(k->from, domain) == 0 ||
	    (!strict && strcmp(org_of(k->m, k->from), org_of(k->m, domain)) == 0);
}

static void
opinion_by_list(struct asking *k, struct found *above, struct opinion *o)
{
	const char *org = org_of(k->m, k->from);
	bool strict_spf = false, strict_dkim = false;
	size_t i;

	*o = (struct opinion){ .policy = DMARC_NO_RECORD, .published = DMARC_NO_RECORD };
	if (k->at_from.how == LOOKUP_FOUND)
		set_policy(o, &k->at_from, k->at_from.record.p);
	else if (k->at_from.how == LOOKUP_NONE && strcmp(org, k->from) != 0) {
		look_up(k, org, above);
		if (above->how == LOOKUP_FOUND)
			set_policy(o, above, above->record.sp);
		o->unsure = above->how == LOOKUP_FAILED;
	}
	if (o->found != NULL && o->found->record.valid) {
		strict_spf = o->found->record.strict_spf;
		strict_dkim = o->found->record.strict_dkim;
	}
	o->by_spf = k->spf != NULL && aligned_by_list(k, k->spf, strict_spf);
	for (i = 0; i < k->n_dkim && !o->by_dkim; i++)
		o->by_dkim = aligned_by_list(k, k->dkim[i], strict_dkim);
	o->aligned = o->by_spf || o->by_dkim;
}

/* Whether the walk can say anything else. */
static bool
walk_wanted(const struct asking *k)
{
	const struct dmarc_record *r = &k->at_from.record;
	size_t i;

	if (k->at_from.how != LOOKUP_FOUND)
		return true;
	if (!r->valid)
		return false;
	if (k->spf != NULL && !r->strict_spf && strcmp(k->spf, k->from) != 0)
		return true;
	for (i = 0; i < k->n_dkim; i++)
		if (!r->strict_dkim && strcmp(k->dkim[i], k->from) != 0)
			return true;
	return false;
}

/* 1, 0, or -1 when the DNS failed. */
static int
aligned_by_walk(struct asking *k, const char *org, const char *domain, bool strict)
{
	struct walk w;

	if (strcmp(k->from, domain) == 0)
		return 1;
	if (strict)
		return 0;
	/* Names that share no top-level domain need no questions. */
	if (strcmp(strrchr(domain, '.') == NULL ? domain : strrchr(domain, '.'),
	    strrchr(org, '.') == NULL ? org : strrchr(org, '.')) != 0)
		return 0;
	walk_up(k, domain, NULL, &w);
	return w.failed ? -1 : strcmp(w.org, org) == 0;
}

/* RFC 9989: np holds for a name that is not there (RFC 8020: NXDOMAIN). */
static enum dmarc_policy
policy_from_above(struct asking *k, const struct dmarc_record *r)
{
	struct dns_records records;

	if (!r->has_np || r->np == r->sp)
		return r->sp;
	ask(k, k->from, DNS_A, &records);
	return records.answer == DNS_NO_NAME ? r->np : r->sp;
}

static void
opinion_by_walk(struct asking *k, struct walk *w, struct opinion *o)
{
	bool strict_spf = false, strict_dkim = false;
	size_t i;
	int r;

	*o = (struct opinion){ .policy = DMARC_NO_RECORD, .published = DMARC_NO_RECORD };
	walk_up(k, k->from, &k->at_from, w);
	o->unsure = w->failed;
	if (k->at_from.how == LOOKUP_FOUND)
		set_policy(o, &k->at_from, k->at_from.record.p);
	else if (!w->failed && w->policy.how == LOOKUP_FOUND)
		set_policy(o, &w->policy, policy_from_above(k, &w->policy.record));
	if (w->failed)
		return;
	if (o->found != NULL && o->found->record.valid) {
		strict_spf = o->found->record.strict_spf;
		strict_dkim = o->found->record.strict_dkim;
	}
	if (k->spf != NULL) {
		r = aligned_by_walk(k, w->org, k->spf, strict_spf);
		o->by_spf = r == 1;
		o->unsure |= r < 0;
	}
	for (i = 0; i < k->n_dkim && !o->by_dkim; i++) {
		r = aligned_by_walk(k, w->org, k->dkim[i], strict_dkim);
		o->by_dkim = r == 1;
		o->unsure |= r < 0;
	}
	o->aligned = o->by_spf || o->by_dkim;
}

/* ---- the verdict --------------------------------------------------------------------------- */

static void
say_not_aligned(struct asking *k, const struct opinion *o)
{
	char space[600];
	struct str s = STR_IN(space);
	const struct dmarc_record *r = &o->found->record;
	size_t i;

	str_catf(&s, "nothing aligns with %.253s: ", k->from);
	if (k->spf == NULL)
		str_cat(&s, k->q->spf_some ? "SPF passes from some addresses only" : "SPF does not pass");
	else
		str_catf(&s, "SPF passes for %.253s%s", k->spf, r->strict_spf ? " (aspf=s)" : "");
	if (k->n_dkim == 0)
		str_cat(&s, ", no DKIM signature of it");
	for (i = 0; i < k->n_dkim && i < 4; i++)
		str_catf(&s, "%s%.100s%s", i == 0 ? ", signed by " : " ", k->dkim[i],
		    r->strict_dkim ? " (adkim=s)" : "");
	k->to->why = arena_strdup(k->arena, s.data);
}

static const char *
escaped(struct arena *a, const uint8_t *data, size_t size)
{
	struct str s = { .size = size * 4 + 1 };
	const char *text = (const char *)data, *nul;

	s.data = arena_alloc(a, s.size);
	s.data[0] = '\0';
	/* The data is NUL-terminated (lib/dns.h), and may hold more of them. */
	for (; (nul = memchr(text, '\0', size)) != NULL; text = nul + 1) {
		str_cat_safe(&s, text);
		str_cat(&s, "\\x00");
		size -= (size_t)(nul + 1 - text);
	}
	str_cat_safe(&s, text);
	return s.data;
}

static void
set_mend(struct asking *k, const struct found *f, const char *record)
{
	k->to->mend = record;
	k->to->mend_name = arena_printf(k->arena, "_dmarc.%s", f == NULL ? k->to->org : f->domain);
}

static void
say_record(struct asking *k, const struct opinion *o, const struct found *above)
{
	struct dmarc_verdict *to = k->to;
	const struct found *f = o->found;

	if (f == NULL && k->at_from.how == LOOKUP_MANY)
		f = &k->at_from;
	else if (f == NULL && above->how == LOOKUP_MANY)
		f = above;
	if (f == NULL) {
		to->why = arena_printf(k->arena, "no DMARC record at _dmarc.%.253s%s%.253s", k->from,
		    strcmp(to->org, k->from) == 0 ? "" : " or _dmarc.",
		    strcmp(to->org, k->from) == 0 ? "" : to->org);
		if (suffix_org(k->m->suffixes, k->from) != NULL)
			set_mend(k, NULL, arena_printf(k->arena,
			    "v=DMARC1; p=none; rua=mailto:postmaster@%s", to->org));
		return;
	}
	to->domain = arena_printf(k->arena, "_dmarc.%s", f->domain);
	to->record = escaped(k->arena, f->data, f->size);
	if (f->how == LOOKUP_MANY)
		to->why = arena_printf(k->arena, "several DMARC records at %.260s: none counts until one is left",
		    to->domain);
	else if (!f->record.valid)
		to->why = arena_printf(k->arena, "the DMARC record at %.260s does not count: %s", to->domain,
		    f->record.why);
	else if (!o->aligned)
		say_not_aligned(k, o);
	else if (*f->record.why != '\0')
		to->why = f->record.why;
	if (f->how == LOOKUP_MANY || *f->record.why != '\0')
		set_mend(k, f, f->record.mended);
}

static void
conclude(struct asking *k, const struct opinion *o, const struct found *above, bool differ)
{
	struct dmarc_verdict *to = k->to;
	const char *trouble = to->why;

	if (o->unsure) {
		to->policy = to->published = DMARC_UNSURE;
		return;
	}
	to->why = "";
	to->policy = o->policy;
	to->published = o->published;
	to->aligned = o->aligned;
	to->by_spf = o->by_spf;
	to->by_dkim = o->by_dkim;
	to->methods_differ = differ;
	say_record(k, o, above);
	if (*to->why == '\0')
		to->why = trouble;
}

static bool
plain_domains(struct asking *k)
{
	const struct dmarc_question *q = k->q;
	const char *domain;
	size_t i;

	k->from = mail_domain(k->arena, q->from);
	if (k->from == NULL)
		return false;
	if (q->spf_domain != NULL)
		k->spf = mail_domain(k->arena, q->spf_domain);
	k->dkim = arena_alloc(k->arena, q->n_dkim * sizeof(*k->dkim));
	for (i = 0; i < q->n_dkim; i++)
		if ((domain = mail_domain(k->arena, q->dkim[i])) != NULL)
			k->dkim[k->n_dkim++] = domain;
	return true;
}

void
dmarc_check(struct dmarc *m, const struct dmarc_question *q, uint64_t deadline, struct arena *a,
    struct dmarc_verdict *to)
{
	struct asking k = { .m = m, .q = q, .deadline = deadline, .arena = a, .to = to };
	struct opinion list, walk;
	struct found above = { .how = LOOKUP_NONE };
	struct walk w;
	bool second = false;

	*to = (struct dmarc_verdict){ .policy = DMARC_NO_RECORD, .published = DMARC_NO_RECORD, .why = "",
		.ttl = TTL_MOST };
	if (!plain_domains(&k)) {
		to->why = "the From domain is no domain";
		return;
	}
	to->org = org_of(m, k.from);
	look_up(&k, k.from, &k.at_from);
	if (k.at_from.how == LOOKUP_FAILED) {
		to->policy = to->published = DMARC_UNSURE;
		return;
	}
	opinion_by_list(&k, &above, &list);
	if (!list.unsure && walk_wanted(&k)) {
		opinion_by_walk(&k, &w, &walk);
		/* A second opinion that cannot be had is none. */
		second = !walk.unsure;
	}
	if (second && weight(&walk) > weight(&list))
		conclude(&k, &walk, &above, true);
	else
		conclude(&k, &list, &above, second &&
		    (walk.policy != list.policy || walk.aligned != list.aligned));
}
