/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * prefixes - identity.relays and submitter.trusted. A handful of entries, searched in order;
 * what may hold thousands is a cidr table.
 */
#include "milter/prefixes.h"

#include <stdlib.h>

#include "lib/banned.h"

struct prefixes {
	size_t n;
	struct {
		struct net_addr addr;
		unsigned length;
	} at[];
};

struct prefixes *
prefixes_new(const struct conf_strings *texts)
{
	struct prefixes *p = calloc(1, sizeof(*p) + texts->n * sizeof(p->at[0]));
	size_t i;

	if (p == NULL)
		abort();
	for (i = 0; i < texts->n; i++)
		if (net_parse_prefix(texts->at[i], &p->at[p->n].addr, &p->at[p->n].length) == 1)
			p->n++;
	return p;
}

void
prefixes_free(struct prefixes *p)
{
	free(p);
}

bool
prefixes_have(const struct prefixes *p, const struct net_addr *a)
{
	size_t i;

	for (i = 0; i < p->n; i++)
		if (net_in(a, &p->at[i].addr, p->at[i].length))
			return true;
	return false;
}
