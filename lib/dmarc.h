/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_DMARC_H
#define LIB_DMARC_H
/*
 * dmarc - DMARC policy and alignment as the recipient will see them (RFC 7489, RFC 9989).
 *
 * The record is fetched here through lib/dns.h (exactly one counts) and read by libopendmarc;
 * organisational domains and alignment come from libpsl and from the tree walk of RFC 9989, since receivers
 * of both kinds are out there: where they differ, the worse counts. Thread safe.
 */
#include <stdbool.h>
#include <stdint.h>

#include "lib/arena.h"
#include "lib/dns.h"
#include "lib/err.h"

enum dmarc_policy { DMARC_NO_RECORD, DMARC_NONE, DMARC_QUARANTINE, DMARC_REJECT,
	DMARC_UNSURE };		/* the DNS failed */
const char *dmarc_policy_text(enum dmarc_policy p);

struct dmarc;
struct dmarc *dmarc_open(struct dns *d, struct err *e);
void dmarc_close(struct dmarc **m);

/* The organisational domain by the public suffix list (RFC 7489, 3.2), lower-case A-labels, into the arena;
 * domain itself when it is a public suffix or unknown below one. domain may be written in U-labels or any
 * case; NULL when it is no domain. */
const char *dmarc_org_domain(struct dmarc *m, const char *domain, struct arena *a);
/* Alignment by the public suffix list: equal when strict, same organisational domain when relaxed. Public
 * suffixes align with nothing but themselves. */
bool dmarc_aligned(struct dmarc *m, const char *from, const char *authenticated, bool strict,
    struct arena *a);

struct dmarc_question {
	const char *from;		/* domain of From */
	const char *spf_domain;		/* for which SPF passes at the recipient; NULL when it does not */
	const char *const *dkim;	/* domains whose signature will be there and verify */
	size_t n_dkim;
	bool spf_some;			/* for the words: it passes, but not from all addresses */
};
struct dmarc_verdict {
	enum dmarc_policy policy;	/* for this From domain: p, sp or np; one step weaker by pct or t */
	enum dmarc_policy published;	/* the same before pct and t */
	bool aligned, by_spf, by_dkim;	/* by either method of finding the organisational domain: the worse */
	bool methods_differ;		/* suffix list and tree walk say different things */
	const char *domain;		/* where the record is: "_dmarc.acme.example"; NULL when none */
	const char *record;		/* escaped for people; NULL when none */
	const char *org;		/* organisational domain (suffix list) */
	const char *why;		/* for people: why not aligned, why no record counts...; "" */
	uint32_t ttl;
	const char *mend;		/* the TXT record that mends what is wrong with this one; NULL when
					 * nothing is (not being aligned is mended by signing, or by SPF) */
	const char *mend_name;		/* its name: "_dmarc.acme.example" */
};
void dmarc_check(struct dmarc *m, const struct dmarc_question *q, uint64_t deadline, struct arena *a,
    struct dmarc_verdict *to);

#endif
