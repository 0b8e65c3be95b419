/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef MILTER_API_H
#define MILTER_API_H
/*
 * api - HTTP over a unix socket: the only door for people and scripts.
 *
 *     struct api_hooks hooks = { .chain = current_chain, .reload = reload, .sessions = count, ... };
 *     struct api *api = api_open(fd, &conf->api_allow, store, alerts, &hooks, &err);
 *     ...
 *     api_configure(api, &next->api_allow);      after a reload
 *     api_close(&api);
 *
 * One thread answers one request at a time; no mail waits for it. Who asks is known from the kernel
 * (SO_PEERCRED): uid 0 and the daemon's own user always may, others when api_allow names their user or, as
 * "@group", one of their groups. Everything that changes something is logged with who did it.
 *
 * The routes stand in api_routes.c, one row each. A request carries flat names and texts, in the
 * query (GET, DELETE) or as a JSON object (POST); whose thing it is about is said by the kind's own name:
 *
 *     GET    /limits?customer=acme
 *     POST   /suspensions   { "account": "bob@acme.example", "for": "24h", "reason": "stolen password" }
 *     DELETE /suspensions?account=bob@acme.example
 *
 * Answers are JSON objects; times in them are milliseconds since 1970. A refusal is
 * { "error": "...", "allowed": "..." } with 400 (cannot be right), 403 (not allowed), 404 (no such route or
 * thing), 405, 409 (refused as things stand), 413 (too large) or 503 (cannot be told or done now).
 */
#include <stdint.h>

#include "lib/conf.h"
#include "lib/err.h"

struct alerts;
struct api;
struct arena;
struct chain;
struct store;

/* What the program does for the API. Called from the API's thread. */
struct api_hooks {
	/* The chain in force now: a reference that the API gives back. NULL while there is none. */
	struct chain *(*chain)(void *cookie);
	/* Rereads the configuration: 1, or 0 when it is refused. *problems, in the arena: one line for each
	 * mistake, or NULL. */
	int (*reload)(void *cookie, struct arena *a, const char **problems);
	uint64_t (*sessions)(void *cookie);	/* open now */
	uint64_t started;			/* clock_now() of the start */
	void *cookie;
};

/* Starts to answer on listen_fd, a bound and listening unix socket, which it takes over when it succeeds.
 * allow and hooks are copied; store and alerts are borrowed. NULL with e filled. */
struct api *api_open(int take_listen_fd, const struct conf_strings *allow, struct store *s, struct alerts *al,
    const struct api_hooks *hooks, struct err *e);
/* Who may ask from now on. From any thread, also from within the reload hook. api may be NULL. */
void api_configure(struct api *api, const struct conf_strings *allow);
/* Ends it: waits for the request being answered. *api may be NULL. */
void api_close(struct api **api);

#endif
