/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef MILTER_MAILER_SEEN_H
#define MILTER_MAILER_SEEN_H
/*
 * mailer_seen - which customer was seen with which mailer, since when, how often.
 *
 * One memory for each store, shared by all configuration snapshots, filled from the store when it is
 * opened and written through to it (space "mailers"): at once what is new, a count at most once a minute for
 * each pair, and the rest when the last one closes. Messages never wait for the store; a list of what relays
 * that share have seen may. Callable from any thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/arena.h"
#include "lib/store.h"

struct mailer_seen;

struct mailer_sighting {
	const char *customer, *mailer;
	const char *kind;		/* "" when it is not known */
	uint64_t first, last;		/* ms */
	uint64_t count;			/* messages */
};

/* Never NULL: what cannot be read is logged and counts as not seen. */
struct mailer_seen *mailer_seen_open(struct store *s);
void mailer_seen_close(struct mailer_seen **m);
/* Counts a message; true when the pair is new. Past MAILER_SEEN_MAX pairs nothing is new any more: logged
 * once. kind lives as long as the process (signature_kind). */
bool mailer_seen_first(struct mailer_seen *m, const char *customer, const char *mailer, const char *kind);
/* What the store's memory holds of a customer, or of a mailer, or with both NULL all; the latest first.
 * Returns how many; texts are in the arena. */
size_t mailer_seen_list(struct store *s, const char *customer, const char *mailer, struct arena *a,
    struct mailer_sighting **to);

#define MAILER_SEEN_MAX (1u << 18)

#endif
