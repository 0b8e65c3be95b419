/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef MILTER_DRIFT_WATCH_H
#define MILTER_DRIFT_WATCH_H
/*
 * drift_watch - the thread that walks all domains every preflight.drift.interval, slowly, and alerts the
 * desk of those that moved away (preflight.drift).
 */
#include "lib/alert.h"
#include "lib/err.h"
#include "milter/chain.h"

struct drift_watch;

/* chain gives a reference to the chain in force. NULL with e when there is no thread. */
struct drift_watch *drift_watch_open(struct chain *(*chain)(void *cookie), void *cookie,
    struct alerts *alerts,
    struct err *e);
/* Ends it, within a second or the time of a few questions; *w may be NULL. */
void drift_watch_close(struct drift_watch **w);

#endif
