/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef MILTER_METRICS_H
#define MILTER_METRICS_H
/*
 * metrics - what is counted, in the text format of Prometheus (version 0.0.4).
 *
 * The modules count for themselves; this only writes their numbers down, so that a scrape
 * costs the messages nothing.
 */
#include <stdint.h>

#include "lib/arena.h"

struct alerts;
struct services;
struct store;

struct metrics {
	const char *version;
	const struct services *services;	/* for relay, mode and tables */
	struct store *store;
	struct alerts *alerts;			/* may be NULL */
	uint64_t sessions;
	uint64_t started;			/* ms */
};

/* The whole page, in the arena. */
const char *metrics_text(struct arena *a, const struct metrics *m);

#endif
