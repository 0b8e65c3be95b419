/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef MILTER_CUSTOMER_H
#define MILTER_CUSTOMER_H
/*
 * customer - what the customers table says of one customer, and which plan that means today.
 *
 *     struct customer c;
 *     if (customer_read(services, "acme", clock_now(), arena, deadline, &c, &err) < 0)
 *             -> the table cannot answer
 *     c.plan is the name of the plan whose ceilings hold now
 *
 * One place for the rule, so that `gatepostctl show` never names another plan than the one
 * that a message is judged by. Thread safe.
 */
#include <stdbool.h>
#include <stdint.h>

#include "lib/arena.h"
#include "lib/err.h"

struct services;

struct customer {
	const char *plan;		/* in force now: of the row, of probation, or the default plan */
	const char *row_plan;		/* as the row says, NULL when it does not */
	bool probation;
	uint64_t probation_until;	/* ms; with probation */
	const char *since, *name, *contact;	/* of the row; NULL when not there */
	const char *problem;		/* what is wrong in the row, or NULL; plan is the best guess then */
};

/* Returns 1 when the table has the customer, 0 when not (or there is no table): the default plan holds; -1
 * when the table cannot tell (e filled). Texts are in the arena or live as long as the configuration. */
int customer_read(const struct services *s, const char *name, uint64_t now, struct arena *a,
    uint64_t deadline, struct customer *to, struct err *e);

#endif
