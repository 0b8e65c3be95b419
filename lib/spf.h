/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_SPF_H
#define LIB_SPF_H
/*
 * spf - SPF (RFC 7208) as the recipient will compute it.
 *
 *     struct spf_question q = { .client = egress, .sender = "bob@acme.example",
 *         .helo = "out1.host.example" };
 *     spf_check(spf, &q, deadline, arena, &verdict);
 *
 * libspf2 evaluates; it is given only records that the strict front has read and rewritten (grammar, exp and
 * unknown modifiers dropped, redirect last, macros expanded, ip4, ip6 and ptr decided in place), its DNS is
 * lib/dns.h, and limits that hold for the whole evaluation (10 terms, 2 void look-ups) are counted here.
 * Thread safe.
 */
#include <stdbool.h>
#include <stdint.h>

#include "lib/arena.h"
#include "lib/dns.h"
#include "lib/err.h"
#include "lib/net.h"

enum spf_result { SPF_IS_NONE, SPF_IS_PASS, SPF_IS_FAIL, SPF_IS_SOFTFAIL,
	SPF_IS_NEUTRAL, SPF_IS_TEMPERROR, SPF_IS_PERMERROR };
/* "none" "pass" "fail" "softfail" "neutral" "temperror" "permerror" */
const char *spf_result_text(enum spf_result r);

struct spf;
struct spf *spf_open(struct dns *d, struct err *e);
void spf_close(struct spf **s);

struct spf_question {
	struct net_addr client;		/* the egress address */
	const char *sender;		/* return-path; "" = null: postmaster@helo is taken (section 2.4) */
	const char *helo;		/* never empty: the name that the relay says at EHLO */
};
struct spf_verdict {
	enum spf_result result;
	const char *domain;		/* that was asked, A-labels, lower case */
	const char *record;		/* the SPF record found there, escaped for people; NULL when none */
	const char *decided;		/* the mechanism or limit that decided, as written: "ip4:192.0.2.0/24
					 * (include _spf.host.example)", "no term matched", "more than 10
					 * terms ask the DNS" */
	const char *why;		/* of permerror and temperror, for people; else "" */
	unsigned terms, voids, lookups;	/* DNS terms and void look-ups counted, raw questions asked */
	uint32_t ttl;			/* seconds that the verdict may be kept */
	bool personal;			/* %{l} or %{s} was expanded: keep it for no other sender */
};
/* Never fails otherwise than in to->result. All texts go to the arena, and so do the records that were asked
 * for: an arena of the call's own is better than a message's. */
void spf_check(struct spf *s, const struct spf_question *q, uint64_t deadline, struct arena *a,
    struct spf_verdict *to);

struct spf_repair {
	const char *record;	/* the whole new record; NULL when nothing has to change, or none is known */
	const char *zone;	/* it as a zone file has it: quoted strings of 255 bytes at most */
	const char *why;	/* for people, what is changed and what stays to be done; never NULL */
	bool proven;		/* evaluated with it, every egress address passes */
};
/* The SPF record that makes mail of domain pass from each egress address: the one it has with the smallest
 * change, or a first one. Keeps what the customer wrote and softens nothing; mistakes of spelling are mended,
 * several records become one. include is the name whose record lists the egress addresses
 * ("_spf.host.example"; NULL or "" = there is none: the addresses themselves are written). helo as in
 * spf_question. Evaluates the candidates, and so asks the DNS until deadline. */
void spf_suggest(struct spf *s, const char *domain, const char *helo, const struct net_addr *egress, size_t n,
    const char *include, uint64_t deadline, struct arena *a, struct spf_repair *to);

#endif
