/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef MILTER_PREFLIGHT_H
#define MILTER_PREFLIGHT_H
/*
 * preflight - what recipients will compute of a message: SPF from each of our addresses, the signatures
 * that it will carry, DMARC of each From domain.
 *
 *     struct preflight *p = preflight_open(services, NULL, 16 << 20, &err);
 *     preflight_ask(p, &question, arena, &answer, &err);
 *     preflight_close(&p);
 *
 * It says what is; what is done about it is check_preflight.c's business, how it is told to people
 * ctl_preflight.c's. Verdicts are kept under what they depend on (domain, signatures), so that most
 * messages cost two look-ups in memory. Never waits beyond the question's deadline. Thread safe.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/arena.h"
#include "lib/cache.h"
#include "lib/dkim.h"
#include "lib/dmarc.h"
#include "lib/err.h"
#include "lib/mail.h"
#include "lib/net.h"
#include "lib/spf.h"

struct conf;
struct services;
struct table_report;
struct preflight;

#define PREFLIGHT_EGRESS_MAX 32u
#define PREFLIGHT_FROM_MAX 8u		/* of more From domains the first count */
#define PREFLIGHT_SPF_RESULTS 7

/* Whom to ask about, when not the configuration's. */
struct preflight_as {
	const struct net_addr *egress;
	size_t n_egress;
	const char *helo;
};

struct preflight_question {
	const char *sender;		/* return-path; "" = null */
	const char *domain;		/* its domain, NULL with the null one */
	const struct mail_address *from;	/* n_from 0 = no DMARC */
	size_t n_from;
	const char *const *signatures;	/* values of DKIM-Signature fields on the message */
	size_t n_signatures;
	uint64_t deadline;		/* clock_mono_us, of everything together */
};

/* One egress address. */
struct preflight_spf {
	enum spf_result result;
	char decided[160], why[160];	/* as in struct spf_verdict, perhaps cut */
};

enum preflight_signing {
	PREFLIGHT_UNKNOWN,		/* nobody said how our mail is signed */
	PREFLIGHT_EXPECTED,		/* nor that, but signatures are on the message */
	PREFLIGHT_CERTAIN		/* the configuration says it */
};
const char *preflight_signing_text(enum preflight_signing s);

/* One From domain. */
struct preflight_from {
	char domain[256];
	enum preflight_signing signing;
	bool ours;			/* a customer's, or there is no table that says whose */
	enum dkim_key key;		/* THERE when one of our keys is published, or none is known */
	char key_name[256];		/* else: whose record that is */
	enum dmarc_policy policy, published;	/* as in struct dmarc_verdict */
	bool aligned, by_spf, by_dkim, differ;
	bool unsure;			/* SPF would align, and could not be computed: it is not known */
	char record_at[264], why[320];
	/* What is not kept: NULL when the answer came from the cache. */
	const struct dmarc_verdict *verdict;
	const struct dkim_signer *signers;
	const struct dkim_key_answer *keys;	/* beside each signer; name NULL = not asked */
	size_t n_signers;
};

struct preflight_answer {
	const char *spf_domain;		/* the return-path's, or the HELO name */
	bool null;
	const struct preflight_spf *spf;	/* for each egress address, in their order */
	const struct spf_verdict *spf_full;	/* the same; NULL when it came from the cache */
	size_t n_spf;
	unsigned of[PREFLIGHT_SPF_RESULTS];	/* how many addresses have each result */
	const struct preflight_from *from;
	size_t n_from;
};

/* cache: bytes; 0 = keep nothing. as may be NULL. NULL with e when an egress address is none. The services
 * are borrowed and must outlive it. */
struct preflight *preflight_open(const struct services *s, const struct preflight_as *as, size_t cache,
    struct err *e);
void preflight_close(struct preflight **p);
size_t preflight_egress(const struct preflight *p, const struct net_addr **to);
/* A message with this return-path domain is on its way (NULL: the null one): asks for its SPF record, and
 * waits for nothing. */
void preflight_foresee(struct preflight *p, const char *domain, struct arena *a);
/* Returns 0, or -1 (e filled) when a table could not answer: what was found out is in *to all the same. */
int preflight_ask(struct preflight *p, const struct preflight_question *q, struct arena *a,
    struct preflight_answer *to, struct err *e);
void preflight_count(struct preflight *p, struct cache_counts *to);

/* ---- preflight_signing.c ---------------------------------------------------------- */

/* Opens what preflight.signing names (s->signing, s->opendkim). False when something could not be had: it
 * was told, the rest is open. */
bool preflight_signing_open(struct services *s, const struct conf *c, const struct table_report *report);
void preflight_signing_close(struct services *s);

struct preflight_signers {
	enum preflight_signing signing;
	bool ours;
	struct dkim_signer *at;
	size_t n, n_known;		/* the first n_known are the configuration's word */
};
/* What will sign a message with this From mailbox. Returns 0, or -1 (e filled). */
int preflight_signers(const struct services *s, const struct mail_address *from,
    const char *const *signatures,
    size_t n_signatures, struct arena *a, uint64_t deadline, struct preflight_signers *to, struct err *e);

#endif
