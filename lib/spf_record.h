/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_SPF_RECORD_H
#define LIB_SPF_RECORD_H
/*
 * spf_record - an SPF record as RFC 7208 section 12 writes it: the strict front.
 *
 *     struct spf_reader r;
 *     if (spf_record_begins(text, n)) {
 *         spf_record_start(&r, text, n);
 *         while ((rc = spf_record_next(&r, &term, &err)) == 1)
 *             ... term
 *         rc == 0: the whole record is right; -1: it is a permanent error, err.text says why
 *     }
 *
 * Terms point into the text and live as long as it does. Nothing here allocates or asks the DNS. Thread safe.
 */
#include <stdbool.h>
#include <stddef.h>

#include "lib/err.h"
#include "lib/net.h"

#define SPF_TERM_MAX 1500	/* bytes of the longest term that is read */

enum spf_kind { SPF_ALL, SPF_INCLUDE, SPF_A, SPF_MX, SPF_PTR, SPF_IP4, SPF_IP6, SPF_EXISTS, SPF_REDIRECT,
	SPF_EXP, SPF_OTHER /* a modifier that means nothing to us */ };

struct spf_term {
	enum spf_kind kind;
	char qualifier;		/* '+' '-' '~' '?'; '+' when none was written, and of modifiers */
	const char *text;	/* as written */
	size_t size;
	const char *domain;	/* the domain-spec, macros and all; NULL when none was written */
	size_t domain_size;
	struct net_addr net;	/* of ip4 and ip6; an ip6 stays IPv6, also a mapped IPv4 */
	unsigned length4, length6;	/* prefix lengths; 32 and 128 when none was written */
};

struct spf_reader {
	const char *at, *end;
	bool redirect, exp;	/* seen: neither may stand twice */
};

/* True when the n bytes are an SPF record by section 4.5: "v=spf1" in any case, then a blank or nothing. */
bool spf_record_begins(const char *text, size_t n);
/* Begins to read such a record. */
void spf_record_start(struct spf_reader *r, const char *text, size_t n);
/* The next term, also those behind "all". 1, 0 at the end, -1 with e when the record breaks the grammar:
 * there is no going on then. */
int spf_record_next(struct spf_reader *r, struct spf_term *to, struct err *e);
/* One term alone: 1, or -1 with e. */
int spf_record_term(const char *text, size_t n, struct spf_term *to, struct err *e);
/* True when judging the term asks the DNS and counts among the ten (section 4.6.4). */
bool spf_record_counts(enum spf_kind kind);

#endif
