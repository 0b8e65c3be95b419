/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_SPF_PRIVATE_H
#define LIB_SPF_PRIVATE_H
/*
 * spf_private - between the evaluator (spf.c) and what proposes records (spf_suggest.c).
 */
#include <stddef.h>

#include "lib/spf.h"

/* spf_check, as if the domain asked published this record alone. instead NULL: what the DNS says. */
void spf_check_instead(struct spf *s, const struct spf_question *q, const char *instead, uint64_t deadline,
    struct arena *a, struct spf_verdict *to);
/* The name as it is asked: lower-case A-labels; NULL when SPF asks nothing for it (section 4.3). */
const char *spf_domain(struct arena *a, const char *text);
/* The look-up itself: all TXT records of one domain. */
void spf_ask(struct spf *s, const char *domain, uint64_t deadline, struct arena *a, struct dns_records *to);
/* n bytes of anything, escaped for people. */
const char *spf_shown(struct arena *a, const void *data, size_t n);

#endif
