/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef MILTER_SESSION_H
#define MILTER_SESSION_H
/*
 * session - the only file that knows libmilter.
 *
 *     session_setup(&hooks)         registers the callbacks
 *     session_listen("fd:5")        or a path; once, before any thread
 *     session_serve()               returns after session_stop()
 *
 * Callbacks run on libmilter's threads, and in its worker-pool build a session hops between
 * them: nothing here is thread-local.
 */
#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"

struct chain;

struct session_hooks {
	/* The chain in force: a reference that the session gives back at its end. */
	struct chain *(*chain)(void *cookie);
	void *cookie;
};

/* Registers Gatepost with libmilter. Returns 0, or -1 with e filled. */
int session_setup(const struct session_hooks *hooks, struct err *e);
/* Opens libmilter's side of the listening socket: "fd:N" (Debian's libmilter), or what smfi_setconn takes.
 * Returns 0, or -1: this libmilter does not take it. */
int session_listen(const char *where);
/* Serves until session_stop; 0, or -1 when libmilter gave up. */
int session_serve(void);
/* Asks session_serve to return; sessions still open are cut off. */
void session_stop(void);
/* Sessions open now. */
uint64_t session_count(void);
/* libmilter's version at run time, for -V. */
void session_version(char *to, unsigned long size);

#endif
