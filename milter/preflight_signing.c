/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * preflight_signing - what is known of the DKIM signatures that a message will carry.
 *
 * Three sources: preflight.signing says what the signer behind us does ("own": it signs for every domain of
 * a customer; OpenDKIM's own configuration; tables); and fields that are on the message already. None of
 * them is proof: whether the key is published is asked by preflight.c. A domain of no customer is never
 * signed for by "own", which is what makes mail in the name of a free mailer fail.
 */
#include "milter/preflight.h"

#include <string.h>

#include "milter/check.h"

#include "lib/banned.h"

#define SIGNERS_MAX 16u
#define FIELDS_MOST 4u		/* signatures on the message that are asked for: each is a question to the DNS */

bool
preflight_signing_open(struct services *s, const struct conf *c, const struct table_report *report)
{
	static const char opendkim[] = "opendkim:";
	bool ok = true;
	size_t i;

	for (i = 0; i < c->preflight.signing.n && i < SERVICES_SIGNING_MAX; i++) {
		const char *source = c->preflight.signing.at[i];

		if (strncmp(source, opendkim, sizeof(opendkim) - 1) == 0) {
			s->opendkim[i] = dkim_opendkim_open(source + sizeof(opendkim) - 1, report->say,
			    report->cookie);
			ok &= s->opendkim[i] != NULL;
		} else if (strchr(source, ':') != NULL) {
			s->signing[i] = table_open(source, report);
			ok &= s->signing[i] != NULL;
		}
	}
	return ok;
}

void
preflight_signing_close(struct services *s)
{
	size_t i;

	for (i = 0; i < SERVICES_SIGNING_MAX; i++) {
		table_close(&s->signing[i]);
		dkim_opendkim_close(&s->opendkim[i]);
	}
}

struct asking {
	const struct services *s;
	const struct mail_address *from;
	struct arena *arena;
	uint64_t deadline;
	struct preflight_signers *to;
	struct err *e;
};

static void
add(struct asking *q, const char *domain, const char *selector)
{
	size_t i;

	for (i = 0; i < q->to->n; i++)
		if (strcmp(q->to->at[i].domain, domain) == 0 && (selector == NULL ||
		    (q->to->at[i].selector != NULL && strcmp(q->to->at[i].selector, selector) == 0)))
			return;
	if (q->to->n < SIGNERS_MAX)
		q->to->at[q->to->n++] = (struct dkim_signer){ domain, selector };
}

static void
add_all(struct asking *q, const struct dkim_signer *list, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		add(q, list[i].domain, list[i].selector);
}

/* The longest entry for a domain: itself, then for each parent ".parent", and "parent" where parents count.
 * 1 with *entry, 0, -1. */
static int
find_entry(struct asking *q, struct table *t, bool parents, const char **entry, const char **value)
{
	const char *domain = q->from->domain, *dot;
	int r;

	*entry = domain;
	if ((r = table_lookup(t, domain, q->arena, q->deadline, value, q->e)) != 0)
		return r;
	for (dot = *domain == '[' ? NULL : strchr(domain, '.'); dot != NULL; dot = strchr(dot + 1, '.')) {
		*entry = dot + 1;
		if ((r = table_lookup(t, dot, q->arena, q->deadline, value, q->e)) != 0)
			return r;
		if (parents && (r = table_lookup(t, dot + 1, q->arena, q->deadline, value, q->e)) != 0)
			return r;
	}
	return 0;
}

/* Whether the domain is any customer's; *entry is the domain of the row. */
static int
find_owner(struct asking *q, const char **entry)
{
	const char *value;

	if (q->s->domains == NULL) {
		*entry = q->from->domain;
		return 1;
	}
	return find_entry(q, q->s->domains, q->s->conf->ownership.subdomains, entry, &value);
}

static void
add_own(struct asking *q, const char *entry)
{
	const struct conf_strings *selectors = &q->s->conf->preflight.selectors;
	size_t i;

	if (selectors->n == 0)
		add(q, q->from->domain, NULL);
	for (i = 0; i < selectors->n; i++) {
		add(q, q->from->domain, selectors->at[i]);
		/* Signers with one key for a domain and all below it. */
		if (strcmp(entry, q->from->domain) != 0)
			add(q, entry, selectors->at[i]);
	}
}

static int
ask_table(struct asking *q, struct table *t)
{
	const struct conf_strings *selectors = &q->s->conf->preflight.selectors;
	const char *entry, *value;
	struct dkim_signer *list;
	int r = find_entry(q, t, false, &entry, &value);
	size_t n = 0;

	if (r == 1)
		n = dkim_signers_parse(q->arena, value, selectors->at, selectors->n, &list);
	if (r == 1)
		add_all(q, list, n);
	return r < 0 ? -1 : 0;
}

static int
ask_sources(struct asking *q, const char *entry)
{
	const struct conf_strings *sources = &q->s->conf->preflight.signing;
	struct dkim_signer *list;
	size_t i, n;

	for (i = 0; i < sources->n && i < SERVICES_SIGNING_MAX; i++) {
		q->to->signing = PREFLIGHT_CERTAIN;
		if (strcmp(sources->at[i], "own") == 0 && q->to->ours)
			add_own(q, entry);
		else if (q->s->opendkim[i] != NULL) {
			n = dkim_opendkim_ask(q->s->opendkim[i], q->from->local == NULL ? "" : q->from->local,
			    q->from->domain, q->arena, &list);
			add_all(q, list, n);
		} else if (q->s->signing[i] != NULL && ask_table(q, q->s->signing[i]) < 0)
			return -1;
	}
	return 0;
}

/* Only what could align: the sender writes these fields, and should not choose whom we ask. */
static void
add_fields(struct asking *q, const char *const *signatures, size_t n)
{
	struct dkim_signer signer;
	size_t i;

	if (q->s->conf->preflight.is_signed == CONF_SIGNED_CERTAIN)
		q->to->signing = PREFLIGHT_CERTAIN;
	if (q->s->conf->preflight.is_signed == CONF_SIGNED_IGNORE)
		return;
	for (i = 0; i < n && q->to->n < q->to->n_known + FIELDS_MOST; i++) {
		if (!dkim_field_parse(q->arena, signatures[i], &signer))
			continue;
		if (q->to->signing == PREFLIGHT_UNKNOWN)
			q->to->signing = PREFLIGHT_EXPECTED;
		if (dmarc_aligned(q->s->dmarc, q->from->domain, signer.domain, false, q->arena))
			add(q, signer.domain, signer.selector);
	}
}

int
preflight_signers(const struct services *s, const struct mail_address *from, const char *const *signatures,
    size_t n_signatures, struct arena *a, uint64_t deadline, struct preflight_signers *to, struct err *e)
{
	struct asking q = { s, from, a, deadline, to, e };
	const char *entry;
	int r;

	*to = (struct preflight_signers){ .signing = PREFLIGHT_UNKNOWN };
	to->at = arena_alloc(a, SIGNERS_MAX * sizeof(*to->at));
	r = find_owner(&q, &entry);
	to->ours = r != 0;
	if (r < 0 || ask_sources(&q, entry) < 0)
		return -1;
	to->n_known = to->n;
	add_fields(&q, signatures, n_signatures);
	return 0;
}
