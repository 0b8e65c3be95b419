/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_SPF_MACRO_H
#define LIB_SPF_MACRO_H
/*
 * spf_macro - the macros of RFC 7208 section 7: whether a text uses them rightly, and what comes of them.
 * Thread safe.
 */
#include <stdbool.h>
#include <stddef.h>

#include "lib/arena.h"
#include "lib/net.h"

#define SPF_MACRO_VALUE_MAX 512	/* bytes of the longest value; what is longer counts as empty */

struct spf_macro_values {
	const char *local, *sender_domain;	/* %{l} %{o}, together %{s} */
	const char *domain;			/* %{d} */
	const char *helo;			/* %{h} */
	const struct net_addr *client;		/* %{i} %{v} */
	const char *(*validated)(void *cookie);	/* %{p}: called only where it is used */
	void *cookie;
};

/* Whether text is a macro-string, or with domain a domain-spec. NULL when it is, else what is wrong. */
const char *spf_macro_wrong(const char *text, size_t n, bool domain);
/* Expands a right domain-spec to a name: no dot at the end, at most 253 characters (labels at the left are
 * dropped). *personal is set when the local part is in it; *foreign when that local part is not ASCII. */
const char *spf_macro_expand(const char *text, size_t n, const struct spf_macro_values *v, struct arena *a,
    bool *personal, bool *foreign);

#endif
