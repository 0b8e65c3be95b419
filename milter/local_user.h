/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef MILTER_LOCAL_USER_H
#define MILTER_LOCAL_USER_H
/*
 * local_user - whose customer a local user is, by the users table.
 *
 * One table can serve many hosts whose users differ, so the user on that host is asked for first: "web1@out1",
 * "1001@out1", "web1", "1001". One place for the rule: the daemon that gives a ticket and the check that reads it
 * must mean the same. Thread safe.
 */
#include <stdint.h>

#include "lib/arena.h"
#include "lib/err.h"
#include "lib/ticket.h"

struct services;

/* Returns 1 (*value: "CUSTOMER" or "CUSTOMER ACCOUNT"; *key: which of the names it was, both in the arena), 0 when
 * the table has none of them or there is no table, -1 when it cannot tell (e filled). */
int local_user_find(const struct services *s, const struct ticket *t, struct arena *a, uint64_t deadline,
    const char **value, const char **key, struct err *e);
/* May a site of this name be that user's? 1 when the domains table gives it (or what it lies below) to his
 * customer, 0 when to another's or to nobody, -1 cannot tell. value as from local_user_find. */
int local_user_has_site(const struct services *s, const char *value, const char *site, struct arena *a,
    uint64_t deadline, struct err *e);
/* "web1@out1"; "1001@out1" where the host knows no name. In the arena. */
const char *local_user_text(struct arena *a, const struct ticket *t);

#endif
