/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * suffix - the public suffix list, through libpsl.
 *
 * The only file that knows libpsl. libopendmarc has a reader of its own for the list, which is not
 * used: it collapses wildcard rules, does not know IDN rules written as U-labels, and loses
 * one-letter labels.
 *
 * It does not lower or convert: libpsl answers wrongly for "Example.COM", so callers hand over what
 * mail_domain() made.
 */
#include "lib/suffix.h"

#include <stddef.h>
#include <stdlib.h>

#include <libpsl.h>

#include "lib/banned.h"

struct suffix {
	psl_ctx_t *list;
};

struct suffix *
suffix_open(void)
{
	struct suffix *s = calloc(1, sizeof(*s));

	if (s == NULL)
		abort();
	s->list = psl_latest(NULL);
	if (s->list == NULL) {
		free(s);
		return NULL;
	}
	return s;
}

void
suffix_close(struct suffix **s)
{
	if (*s == NULL)
		return;
	psl_free((*s)->list);
	free(*s);
	*s = NULL;
}

const char *
suffix_org(const struct suffix *s, const char *domain)
{
	return *domain == '\0' ? NULL : psl_registrable_domain(s->list, domain);
}
