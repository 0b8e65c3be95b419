/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * preflight - puts SPF, DKIM and DMARC together, and keeps the verdicts.
 *
 * SPF is computed once for (domain, egress addresses, HELO name), DMARC once for (From domain, what SPF
 * says, what signs); the addresses and the name are the same for all messages of a configuration, and so is
 * the cache. A record that asks for the local part is computed for every message. How long a verdict is
 * kept follows from the records it came from, and is short where somebody is about to mend something.
 *
 * The rule that nothing is refused because of DNS trouble begins here: what could not be asked is never
 * taken for "not there". A key that could not be asked for counts as published, SPF that could not be
 * computed as what might have aligned.
 */
#include "milter/preflight.h"

#include <stdlib.h>
#include <string.h>

#include "lib/str.h"
#include "milter/check.h"

#include "lib/banned.h"

#define TTL_MOST 3600u
#define TTL_BAD 300u		/* of what the customer should mend, and then wants to see mended */
#define TTL_UNSURE 10u		/* of DNS trouble, */
#define TTL_UNSURE_LEAST 3u	/* so that not every message of a burst waits for it */
#define TTL_SIGNING 300u	/* tables and OpenDKIM's files change without a reload */
#define TTL_FOREIGN 30u		/* a domain that was just added to the table */

struct preflight {
	const struct services *services;
	struct net_addr egress[PREFLIGHT_EGRESS_MAX];
	size_t n_egress;
	char *helo;
	struct cache *cache;	/* NULL: keep nothing */
};

const char *
preflight_signing_text(enum preflight_signing s)
{
	static const char *const texts[] = { "unknown", "expected", "certain" };

	return texts[s];
}

static int
take_egress(struct preflight *p, const struct conf_strings *list, struct err *e)
{
	size_t i;

	for (i = 0; i < list->n && i < PREFLIGHT_EGRESS_MAX; i++)
		if (net_parse(list->at[i], &p->egress[p->n_egress++]) != 1)
			return err_set(e, ERR_INPUT, "%.100s is no address", list->at[i]);
	return 0;
}

struct preflight *
preflight_open(const struct services *s, const struct preflight_as *as, size_t cache, struct err *e)
{
	struct preflight *p = calloc(1, sizeof(*p));

	if (p == NULL)
		abort();
	p->services = s;
	p->helo = strdup(as != NULL && as->helo != NULL ? as->helo : s->conf->preflight.helo);
	if (p->helo == NULL)
		abort();
	if (as != NULL && as->n_egress > 0) {
		p->n_egress = as->n_egress < PREFLIGHT_EGRESS_MAX ? as->n_egress : PREFLIGHT_EGRESS_MAX;
		memcpy(p->egress, as->egress, p->n_egress * sizeof(p->egress[0]));
	} else if (take_egress(p, &s->conf->preflight.egress, e) < 0) {
		preflight_close(&p);
		return NULL;
	}
	if (cache > 0)
		p->cache = cache_open(cache);
	return p;
}

void
preflight_close(struct preflight **p)
{
	if (*p == NULL)
		return;
	cache_close(&(*p)->cache);
	free((*p)->helo);
	free(*p);
	*p = NULL;
}

size_t
preflight_egress(const struct preflight *p, const struct net_addr **to)
{
	*to = p->egress;
	return p->n_egress;
}

void
preflight_count(struct preflight *p, struct cache_counts *to)
{
	memset(to, 0, sizeof(*to));
	if (p->cache != NULL)
		cache_count(p->cache, to);
}

static uint32_t
least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static uint32_t
unsure_ttl(uint32_t ttl)
{
	return ttl < TTL_UNSURE_LEAST ? TTL_UNSURE_LEAST : least(ttl, TTL_UNSURE);
}

static void want_dmarc(struct preflight *p, const struct preflight_question *q, struct arena *a);

/* ---- SPF ------------------------------------------------------------------------------ */

static uint32_t
spf_ttl(const struct spf_verdict *v)
{
	switch (v->result) {
	case SPF_IS_TEMPERROR:	return unsure_ttl(v->ttl);
	case SPF_IS_PASS:	return least(v->ttl, TTL_MOST);
	default:		return least(v->ttl, TTL_BAD);
	}
}

static void
compute_spf(struct preflight *p, const struct preflight_question *q, struct arena *a,
    struct preflight_spf *spf, struct spf_verdict *full, uint32_t *ttl)
{
	struct spf_question ask = { .sender = q->sender, .helo = p->helo };
	size_t i;

	*ttl = TTL_MOST;
	for (i = 0; i < p->n_egress; i++) {
		ask.client = p->egress[i];
		spf_check(p->services->spf, &ask, q->deadline, a, &full[i]);
		spf[i].result = full[i].result;
		(void)str_copy(spf[i].decided, sizeof(spf[i].decided),
		    full[i].decided == NULL ? "" : full[i].decided);
		(void)str_copy(spf[i].why, sizeof(spf[i].why), full[i].why == NULL ? "" : full[i].why);
		*ttl = full[i].personal ? 0 : least(*ttl, spf_ttl(&full[i]));
	}
}

static void
ask_spf(struct preflight *p, const struct preflight_question *q, struct arena *a, struct preflight_answer *to)
{
	const size_t size = p->n_egress * sizeof(struct preflight_spf);
	char space[280];
	struct str key = STR_IN(space);
	struct preflight_spf *spf;
	struct spf_verdict *full;
	uint32_t ttl;
	size_t i;

	to->null = *q->sender == '\0';
	to->spf_domain = to->null || q->domain == NULL ? p->helo : q->domain;
	str_catf(&key, "%c%s", to->null ? 'h' : 's', to->spf_domain);
	spf = p->cache == NULL || key.cut ? NULL : cache_get(p->cache, key.data, key.len, a);
	if (spf == NULL) {
		want_dmarc(p, q, a);
		spf = arena_zalloc(a, size);
		to->spf_full = full = arena_zalloc(a, p->n_egress * sizeof(*full));
		compute_spf(p, q, a, spf, full, &ttl);
		if (p->cache != NULL && !key.cut && ttl > 0)
			cache_put(p->cache, key.data, key.len, spf, size, ttl);
	}
	to->spf = spf;
	to->n_spf = p->n_egress;
	for (i = 0; i < p->n_egress; i++)
		to->of[spf[i].result]++;
}

/* ---- DKIM ------------------------------------------------------------------------------- */

struct signing {
	struct preflight_signers signers;
	struct dkim_key_answer *keys;
	const char **domains;		/* whose signatures will verify */
	size_t n_domains;
	bool known_there;
	uint32_t ttl;
};

/* The first key of ours that is not there is told, when no other is. */
static void
judge_key(struct signing *g, size_t i, struct preflight_from *to)
{
	enum dkim_key key = g->keys[i].key;

	if (i >= g->signers.n_known)
		return;
	if (key == DKIM_KEY_THERE || key == DKIM_KEY_UNSURE)
		g->known_there = true;
	else if (to->key == DKIM_KEY_THERE) {
		to->key = key;
		(void)str_copy(to->key_name, sizeof(to->key_name), g->keys[i].name);
	}
}

static void
ask_keys(struct preflight *p, const struct preflight_question *q, struct arena *a, struct signing *g,
    struct preflight_from *to)
{
	const struct dkim_signer *signer;
	size_t i;

	g->keys = arena_zalloc(a, g->signers.n * sizeof(*g->keys));
	g->domains = arena_alloc(a, g->signers.n * sizeof(*g->domains));
	g->ttl = TTL_MOST;
	for (i = 0; i < g->signers.n; i++) {
		signer = &g->signers.at[i];
		if (signer->selector == NULL || *signer->selector == '\0') {
			g->known_there |= i < g->signers.n_known;
			g->domains[g->n_domains++] = signer->domain;
			continue;
		}
		dkim_key(p->services->dns, signer, q->deadline, a, &g->keys[i]);
		g->ttl = least(g->ttl, g->keys[i].key == DKIM_KEY_THERE ? g->keys[i].ttl :
		    g->keys[i].key == DKIM_KEY_UNSURE ? TTL_UNSURE : least(g->keys[i].ttl, TTL_BAD));
		judge_key(g, i, to);
		if (g->keys[i].key == DKIM_KEY_THERE || g->keys[i].key == DKIM_KEY_UNSURE)
			g->domains[g->n_domains++] = signer->domain;
	}
	if (g->known_there)
		to->key = DKIM_KEY_THERE;
}

/* ---- DMARC --------------------------------------------------------------------------------- */

/* What SPF gives to DMARC: a domain for which it passes wherever the message leaves from. */
static const char *
spf_for_dmarc(const struct preflight_answer *answer, bool *unsure)
{
	*unsure = answer->of[SPF_IS_TEMPERROR] > 0 &&
	    answer->of[SPF_IS_TEMPERROR] + answer->of[SPF_IS_PASS] == answer->n_spf;
	return answer->n_spf > 0 && answer->of[SPF_IS_PASS] == answer->n_spf ? answer->spf_domain : NULL;
}

static void
copy_verdict(const struct dmarc_verdict *v, struct preflight_from *to)
{
	to->policy = v->policy;
	to->published = v->published;
	to->aligned = v->aligned;
	to->by_spf = v->by_spf;
	to->by_dkim = v->by_dkim;
	to->differ = v->methods_differ;
	(void)str_copy(to->record_at, sizeof(to->record_at), v->domain == NULL ? "" : v->domain);
	(void)str_copy(to->why, sizeof(to->why), v->why == NULL ? "" : v->why);
}

static void
ask_dmarc(struct preflight *p, const struct preflight_question *q, const struct preflight_answer *answer,
    const struct signing *g, struct arena *a, struct preflight_from *to, uint32_t *ttl)
{
	bool unsure;
	struct dmarc_question ask = { .from = to->domain, .spf_domain = spf_for_dmarc(answer, &unsure),
		.dkim = g->domains, .n_dkim = g->n_domains, .spf_some = answer->of[SPF_IS_PASS] > 0 };
	struct dmarc_verdict *v = arena_alloc(a, sizeof(*v)), with;

	dmarc_check(p->services->dmarc, &ask, q->deadline, a, v);
	copy_verdict(v, to);
	to->verdict = v;
	*ttl = least(*ttl, v->policy == DMARC_UNSURE ? unsure_ttl(v->ttl) :
	    v->aligned ? v->ttl : least(v->ttl, TTL_BAD));
	if (v->aligned || !unsure || v->policy == DMARC_UNSURE)
		return;
	ask.spf_domain = answer->spf_domain;
	dmarc_check(p->services->dmarc, &ask, q->deadline, a, &with);
	to->unsure = with.aligned;
	*ttl = least(*ttl, TTL_UNSURE);
}

/* Everything that the answer for a From domain depends on. False when that is too much to be kept. */
static bool
from_key(const struct preflight *p, const struct preflight_question *q, const struct preflight_answer *answer,
    const struct mail_address *from, struct arena *a, struct str *key)
{
	bool unsure, by_address = false;
	const char *spf = spf_for_dmarc(answer, &unsure);
	struct dkim_signer signer;
	size_t i;

	for (i = 0; i < SERVICES_SIGNING_MAX; i++)
		by_address |= p->services->opendkim[i] != NULL;
	str_catf(key, "f%s\n%c%s\n", from->domain, unsure ? '?' : answer->of[SPF_IS_PASS] > 0 ? '+' : '-',
	    spf == NULL && !unsure ? "" : answer->spf_domain);
	if (by_address)
		str_catf(key, "%s\n", from->local == NULL ? "" : from->local);
	for (i = 0; i < q->n_signatures; i++)
		if (dkim_field_parse(a, q->signatures[i], &signer))
			str_catf(key, "%s %s\n", signer.domain,
			    signer.selector == NULL ? "" : signer.selector);
	return p->cache != NULL && !key->cut;
}

static int
compute_from(struct preflight *p, const struct preflight_question *q, const struct preflight_answer *answer,
    const struct mail_address *from, struct arena *a, struct preflight_from *to, uint32_t *ttl, struct err *e)
{
	struct signing g = { .n_domains = 0 };

	(void)str_copy(to->domain, sizeof(to->domain), from->domain);
	if (preflight_signers(p->services, from, q->signatures, q->n_signatures, a, q->deadline,
	    &g.signers, e) < 0)
		return -1;
	to->signing = g.signers.signing;
	to->ours = g.signers.ours;
	ask_keys(p, q, a, &g, to);
	to->signers = g.signers.at;
	to->n_signers = g.signers.n;
	to->keys = g.keys;
	*ttl = least(g.ttl, to->ours ? TTL_SIGNING : TTL_FOREIGN);
	ask_dmarc(p, q, answer, &g, a, to, ttl);
	return 0;
}

static int
ask_from(struct preflight *p, const struct preflight_question *q, const struct preflight_answer *answer,
    const struct mail_address *from, struct arena *a, struct preflight_from *to, struct err *e)
{
	char space[CACHE_KEY_MAX];
	struct str key = STR_IN(space);
	bool kept = from_key(p, q, answer, from, a, &key);
	const struct preflight_from *known = kept ? cache_get(p->cache, key.data, key.len, a) : NULL;
	struct preflight_from plain;
	uint32_t ttl = TTL_MOST;

	if (known != NULL) {
		*to = *known;
		return 0;
	}
	memset(to, 0, sizeof(*to));
	if (compute_from(p, q, answer, from, a, to, &ttl, e) < 0)
		return -1;
	if (!kept)
		return 0;
	plain = *to;
	plain.verdict = NULL;
	plain.signers = NULL;
	plain.keys = NULL;
	plain.n_signers = 0;
	cache_put(p->cache, key.data, key.len, &plain, sizeof(plain), ttl);
	return 0;
}

/* ---- ahead of time ---------------------------------------------------------------------------------- */

void
preflight_foresee(struct preflight *p, const char *domain, struct arena *a)
{
	char space[280];
	struct str key = STR_IN(space);

	str_catf(&key, "%c%s", domain == NULL ? 'h' : 's', domain == NULL ? p->helo : domain);
	if (p->cache == NULL || cache_get(p->cache, key.data, key.len, a) == NULL)
		dns_want(p->services->dns, domain == NULL ? p->helo : domain, DNS_TXT, a);
}

/* While SPF is computed, what DMARC will want is fetched too: one after the other they might not fit the deadline. */
static void
want_dmarc(struct preflight *p, const struct preflight_question *q, struct arena *a)
{
	const struct conf_strings *selectors = &p->services->conf->preflight.selectors;
	struct dns *dns = p->services->dns;
	const char *domain;
	size_t i, k;

	for (i = 0; i < q->n_from && i < 2; i++) {
		if ((domain = q->from[i].domain) == NULL)
			continue;
		dns_want(dns, arena_printf(a, "_dmarc.%s", domain), DNS_TXT, a);
		for (k = 0; k < selectors->n; k++)
			dns_want(dns, arena_printf(a, "%s._domainkey.%s", selectors->at[k], domain), DNS_TXT,
			    a);
	}
}

/* ---- all of it ------------------------------------------------------------------------------------ */

static bool
asked_already(const struct preflight_question *q, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (q->from[i].domain != NULL && strcmp(q->from[i].domain, q->from[n].domain) == 0)
			return true;
	return false;
}

int
preflight_ask(struct preflight *p, const struct preflight_question *q, struct arena *a,
    struct preflight_answer *to, struct err *e)
{
	struct preflight_from *from = arena_alloc(a, PREFLIGHT_FROM_MAX * sizeof(*from));
	int r = 0;
	size_t i;

	memset(to, 0, sizeof(*to));
	ask_spf(p, q, a, to);
	for (i = 0; i < q->n_from && to->n_from < PREFLIGHT_FROM_MAX; i++) {
		if (q->from[i].domain == NULL || asked_already(q, i))
			continue;
		if (ask_from(p, q, to, &q->from[i], a, &from[to->n_from], e) < 0)
			r = -1;
		else
			to->n_from++;
	}
	to->from = from;
	return r;
}
