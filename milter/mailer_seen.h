/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef MILTER_MAILER_SEEN_H
#define MILTER_MAILER_SEEN_H
/*
 * mailer_seen - which customer was seen with which mailer before.
 *
 * One memory for each store, shared by all configuration snapshots, filled from the store when it is
 * opened and written through to it (space "mailers"). Looking never waits for the store. Callable from any
 * thread.
 */
#include <stdbool.h>

#include "lib/store.h"

struct mailer_seen;

/* Never NULL: what cannot be read is logged and counts as not seen. */
struct mailer_seen *mailer_seen_open(struct store *s);
void mailer_seen_close(struct mailer_seen **m);
/* Remembers the pair; true when it is new. Past MAILER_SEEN_MAX pairs nothing is new any more: logged
 * once. */
bool mailer_seen_first(struct mailer_seen *m, const char *customer, const char *mailer);

#define MAILER_SEEN_MAX (1u << 19)

#endif
