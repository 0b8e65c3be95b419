/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef MILTER_FORWARD_H
#define MILTER_FORWARD_H
/*
 * forward - further listening sockets.
 *
 * libmilter serves one socket in a process. The others of `listen` are served here: what connects to
 * them is passed on, byte by byte, to the first one. It costs two copies a packet, so the first one should be
 * the busy one.
 *
 *     struct forward *w = forward_open(extra, n, &first, &err);
 *     ...
 *     forward_deafen(w);      at the drain: nothing more is accepted, what runs goes on
 *     forward_close(&w);
 */
#include <stddef.h>

#include "lib/err.h"
#include "milter/listen.h"

struct forward;

/* Starts the thread. Takes the listeners' sockets over when it succeeds (their paths stay the caller's). NULL
 * with e filled. */
struct forward *forward_open(struct listener *extra, size_t n, const struct listener *first, struct err *e);
/* Accepts nothing more. From any thread. */
void forward_deafen(struct forward *w);
/* Ends everything; *w may be NULL. */
void forward_close(struct forward **w);

#endif
