/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef MILTER_SERVE_H
#define MILTER_SERVE_H
/*
 * serve - from the start to the stop: signals, libmilter's thread, the drain.
 *
 *     serve_catch_signals()         before any thread
 *     quiet = serve(daemon, &milter, further, &failed)
 */
#include <stdbool.h>

#include "lib/err.h"
#include "milter/daemon.h"
#include "milter/forward.h"
#include "milter/listen.h"

/* HUP, TERM and INT are the main thread's from now on. Returns 0, or -1 with e filled. */
int serve_catch_signals(struct err *e);
/* Serves until TERM or INT, drains, and stops libmilter. further may be NULL. *failed: libmilter
 * gave up by itself. True when no session is left that could still
 * be in a callback; smfi_main returns without waiting for those. Called by the main thread. */
bool serve(struct daemon *d, struct listener *milter, struct forward *further, bool *failed);

#endif
