/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef MILTER_DAEMON_H
#define MILTER_DAEMON_H
/*
 * daemon - what lives as long as the process: log, store, alerts, API, the chain in force, and the
 * thread that keeps house once a second.
 */
#include <stdbool.h>
#include <stdint.h>

#include "lib/arena.h"
#include "lib/conf.h"
#include "milter/chain.h"
#include "milter/listen.h"

struct daemon;

/* Sockets that the daemon serves itself. fd -1: not configured. */
struct daemon_sockets { struct listener api, submission, web; };

/* Starts everything but libmilter; takes over c. NULL when something cannot be had; each reason was said.
 * The sockets are taken over (each fd becomes -1; the paths stay the caller's to remove). */
struct daemon *daemon_open(struct conf *take_c, const char *file, bool foreground,
    struct daemon_sockets *sockets,
    void (*say)(void *cookie, const struct err *e), void *cookie);
void daemon_close(struct daemon **d);
/* Whether the files of passwords that the store needs can be read, without keeping what is in them: 0, or -1. */
int daemon_check_passwords(const struct conf *c, struct err *e);
/* Writes what must last and ends the process without freeing anything: for when libmilter's threads may still
 * be in a callback. */
void daemon_abandon(struct daemon *d) __attribute__((noreturn));

/* Rereads the configuration file. 1, or 0 when it is refused: the old one stays in force, every reason is
 * logged, an alert goes out, and *problems (with a != NULL) holds the reasons, one a line. From any
 * thread. */
int daemon_reload(struct daemon *d, struct arena *a, const char **problems);

/* The chain in force: a reference. The cookie is not used: there is one daemon in a process, as there is one
 * libmilter. */
struct chain *daemon_chain(void *cookie);
/* drain, of the configuration in force (ms). */
uint64_t daemon_drain_time(struct daemon *d);

#endif
