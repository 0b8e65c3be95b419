/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef MILTER_DRIFT_H
#define MILTER_DRIFT_H
/*
 * drift - how all customers' domains stand, and which have moved away since they were good.
 *
 *     n = drift_domains(services, arena, &domains, &err);
 *     memory = drift_memory_load(file);
 *     for each: drift_look(services, &domains[i], deadline, arena)
 *               drift_compare(memory, &domains[i], now)
 *     drift_memory_save(memory, file, &err);
 *     drift_memory_free(&memory);
 *
 * A domain drifts when its MX named our mail exchangers, or its SPF let all our addresses through, and no
 * longer does. It stays listed as drifted, since that day, until it is good again or leaves the domains
 * table. drift_watch.c does this in the background, `gatepostctl preflight --all` on demand.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/arena.h"
#include "lib/err.h"

struct services;

struct drift_domain {
	const char *domain, *customer;
	/* drift_look */
	bool unsure;			/* the DNS did not answer: nothing is said */
	bool mx_asked, mx_ours;		/* asked: there are names to compare with */
	const char *mx;			/* its exchangers, for people: "mx1.host.example, mx2..." */
	bool spf_passes;		/* from all our addresses */
	const char *problem;		/* what is broken, for people; "" = nothing */
	/* drift_compare: since when (ms), 0 = it has not drifted */
	uint64_t mx_lost, spf_lost;
	bool mx_news, spf_news;		/* found just now */
};

/* All domains of the domains table, sorted, each once; addresses count as their domain, ".sub.domain"
 * entries not at all. Returns how many, or -1 (e filled). */
long drift_domains(const struct services *s, struct arena *a, struct drift_domain **to, struct err *e);
/* Asks the DNS. Texts go to the arena. */
void drift_look(const struct services *s, struct drift_domain *d, uint64_t deadline, struct arena *a);
/* So many in a row without an answer ask for this: have domains from elsewhere in the list none either? The
 * first may all be one customer's, whose name servers are gone. Waits three seconds at most. */
#define DRIFT_UNSURE_MOST 20u
bool drift_dns_is_away(const struct services *s, const struct drift_domain *list, size_t n, size_t at,
    struct arena *a);

struct drift_memory;
/* Never NULL: a file that is not there, or cannot be read, is an empty memory. */
struct drift_memory *drift_memory_load(const char *file);
/* Sets what has drifted, and remembers how the domain is now. An unsure one stays as it was. */
void drift_compare(struct drift_memory *m, struct drift_domain *d, uint64_t now);
/* Writes what was compared since it was loaded; with whole false, what was not met is kept too. */
int drift_memory_save(struct drift_memory *m, const char *file, bool whole, struct err *e);
void drift_memory_free(struct drift_memory **m);

#endif
