/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * dkim - reads what says how a message is signed, and whether the key that would verify it is published.
 *
 * Tag lists are read leniently here: a field on the message is the sender's or the signer's word, and what
 * it is worth is decided by the caller. A key record counts as there when it has a key; whether the key
 * fits the signer's private one cannot be seen from here.
 */
#include "lib/dkim.h"

#include <string.h>
#include <strings.h>

#include "lib/mail.h"

#include "lib/banned.h"

#define SIGNERS_MAX 16u
#define FIELD_MAX 8192u

static bool
blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* ---- lists of ours ----------------------------------------------------------------- */

static void
add(struct dkim_signer *list, size_t *n, const char *domain, const char *selector)
{
	if (*n < SIGNERS_MAX)
		list[(*n)++] = (struct dkim_signer){ domain, selector };
}

static void
add_item(struct arena *a, const char *at, size_t len, const char *const *selectors, size_t n_selectors,
    struct dkim_signer *list, size_t *n)
{
	const char *colon = memchr(at, ':', len);
	size_t name = colon == NULL ? len : (size_t)(colon - at), i;
	const char *domain = mail_domain(a, arena_strndup(a, at, name));

	if (domain == NULL)
		return;
	if (colon != NULL && len > name + 1)
		add(list, n, domain, arena_strndup(a, colon + 1, len - name - 1));
	else if (n_selectors == 0)
		add(list, n, domain, NULL);
	else
		for (i = 0; i < n_selectors; i++)
			add(list, n, domain, selectors[i]);
}

size_t
dkim_signers_parse(struct arena *a, const char *text, const char *const *selectors, size_t n_selectors,
    struct dkim_signer **to)
{
	size_t n = 0, len;

	*to = arena_alloc(a, SIGNERS_MAX * sizeof(**to));
	for (; *text != '\0'; text += len) {
		text += strspn(text, ", \t");
		len = strcspn(text, ", \t");
		if (len > 0)
			add_item(a, text, len, selectors, n_selectors, *to, &n);
	}
	return n;
}

/* ---- tag lists (RFC 6376 section 3.2) -------------------------------------------------- */

/* The value of a tag, blanks within it dropped; NULL when it is not there. */
static char *
tag_value(struct arena *a, const char *text, size_t size, char name)
{
	const char *end = text + size, *stop, *p = text;
	char *value;
	size_t n = 0;

	for (; p < end; p = stop + 1) {
		stop = memchr(p, ';', (size_t)(end - p));
		if (stop == NULL)
			stop = end;
		for (; p < stop && blank(*p); p++)
			;
		if (p == stop || *p != name)
			continue;
		for (p++; p < stop && blank(*p); p++)
			;
		if (p == stop || *p != '=')
			continue;
		value = arena_alloc(a, (size_t)(stop - p) + 1);
		for (p++; p < stop; p++)
			if (!blank(*p))
				value[n++] = *p;
		value[n] = '\0';
		return value;
	}
	return NULL;
}

bool
dkim_field_parse(struct arena *a, const char *value, struct dkim_signer *to)
{
	size_t n = strnlen(value, FIELD_MAX);
	const char *d = tag_value(a, value, n, 'd');

	to->domain = d == NULL ? NULL : mail_domain(a, d);
	to->selector = tag_value(a, value, n, 's');
	return to->domain != NULL;
}

/* ---- keys ----------------------------------------------------------------------------------- */

const char *
dkim_key_text(enum dkim_key k)
{
	static const char *const texts[] = { "there", "missing", "revoked", "bad", "unsure" };

	return texts[k];
}

/* RFC 6376 section 3.6.1: v, when there, comes first and is DKIM1; p is the key, and empty when it was
 * revoked. */
static enum dkim_key
judge_key(struct arena *a, const struct dns_record *r)
{
	const char *text = (const char *)r->data;
	const char *v = tag_value(a, text, r->size, 'v'), *p = tag_value(a, text, r->size, 'p');

	if (p == NULL || (v != NULL && strcmp(v, "DKIM1") != 0))
		return DKIM_KEY_BAD;
	if (*p == '\0')
		return DKIM_KEY_REVOKED;
	return p[strspn(p, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")] == '\0' ?
	    DKIM_KEY_THERE : DKIM_KEY_BAD;
}

void
dkim_key(struct dns *d, const struct dkim_signer *s, uint64_t deadline, struct arena *a,
    struct dkim_key_answer *to)
{
	struct dns_records r;
	size_t i;

	to->name = arena_printf(a, "%s._domainkey.%s", s->selector, s->domain);
	dns_ask(d, to->name, DNS_TXT, deadline, a, &r);
	to->ttl = r.ttl;
	to->key = DKIM_KEY_MISSING;
	if (r.answer == DNS_FAILED || r.answer == DNS_LATE)
		to->key = DKIM_KEY_UNSURE;
	/* Verifiers may try each record; one good one is enough (section 3.6.2.2). */
	for (i = 0; r.answer == DNS_FOUND && i < r.n && to->key != DKIM_KEY_THERE; i++)
		to->key = judge_key(a, &r.at[i]);
}
