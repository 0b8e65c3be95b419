/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * local_user - asks the users table for a ticket's user, and the domains table for a web site's owner.
 *
 * Shared by check_identity.c and submission_ticket.c. What a customer that is found may do, others judge.
 */
#include "milter/local_user.h"

#include <string.h>
#include <strings.h>

#include "milter/check.h"

#include "lib/banned.h"

const char *
local_user_text(struct arena *a, const struct ticket *t)
{
	return *t->user != '\0' ? arena_printf(a, "%s@%s", t->user, t->relay) :
	    arena_printf(a, "%u@%s", (unsigned)t->uid, t->relay);
}

int
local_user_find(const struct services *s, const struct ticket *t, struct arena *a, uint64_t deadline,
    const char **value, const char **key, struct err *e)
{
	const char *keys[4];
	size_t n = 0, i;
	int r = 0;

	if (s->users == NULL)
		return 0;
	if (*t->user != '\0')
		keys[n++] = arena_printf(a, "%s@%s", t->user, t->relay);
	keys[n++] = arena_printf(a, "%u@%s", (unsigned)t->uid, t->relay);
	if (*t->user != '\0')
		keys[n++] = arena_strdup(a, t->user);
	keys[n++] = arena_printf(a, "%u", (unsigned)t->uid);
	for (i = 0; i < n && r == 0; i++) {
		*key = keys[i];
		r = table_lookup(s->users, keys[i], a, deadline, value, e);
	}
	return r;
}

/* True when the user's customer (the first word of his row) stands in a list such as "acme, beta". */
static bool
owner_listed(const char *list, const char *value)
{
	size_t n = strcspn(value, " \t"), k;

	for (; *list != '\0'; list += k) {
		list += strspn(list, ", \t");
		k = strcspn(list, ", \t");
		if (k == n && strncasecmp(list, value, n) == 0)
			return true;
	}
	return false;
}

int
local_user_has_site(const struct services *s, const char *value, const char *site, struct arena *a,
    uint64_t deadline, struct err *e)
{
	const bool subdomains = s->conf->ownership.subdomains;
	const char *owner, *dot;
	int r;

	if (s->domains == NULL || *site == '\0')
		return 0;
	r = table_lookup(s->domains, site, a, deadline, &owner, e);
	for (dot = strchr(site, '.'); r == 0 && dot != NULL && dot[1] != '\0'; dot = strchr(dot + 1, '.')) {
		r = table_lookup(s->domains, dot, a, deadline, &owner, e);
		if (r == 0 && subdomains)
			r = table_lookup(s->domains, dot + 1, a, deadline, &owner, e);
	}
	return r <= 0 ? r : owner_listed(owner, value);
}
