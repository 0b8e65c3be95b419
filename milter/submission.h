/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef MILTER_SUBMISSION_H
#define MILTER_SUBMISSION_H
/*
 * submission - the socket where a local user's gatepost-sendmail asks for a ticket.
 *
 *     struct submission_hooks hooks = { .chain = current_chain };
 *     struct submission *s = submission_open(fd, &hooks, &err);
 *     ...
 *     submission_close(&s);
 *
 * Every local user may ask, so every local user may be hostile: one thread serves all in turns, connections are
 * few for each user and short-lived, and nothing a user sends is more than text for his own ticket.
 *
 * The protocol is one question and one answer, in lines:
 *
 *     gatepost-ticket 1             ticket v=1; k=2026a; t=...
 *     token=1.2026a....             or: refused WORDS (it is no use to ask again)
 *     address=203.0.113.9           or: later WORDS
 *     script=/srv/www/form.php
 *     (an empty line)
 *
 * All but the first line and the empty one may be left out. token is a web token, address what the sender says
 * the visitor's is.
 */
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/ticket.h"
#include "milter/peer.h"

struct alerts;
struct chain;
struct services;
struct str;
struct submission;

#define SUBMISSION_HELLO "gatepost-ticket 1"
#define SUBMISSION_QUESTION_MOST 4096u
#define SUBMISSION_ANSWER_MOST 1024u

struct submission_hooks {
	/* The chain in force now: a reference that is given back. NULL while there is none. */
	struct chain *(*chain)(void *cookie);
	void *cookie;
};

/* Starts to answer on a listening unix socket, which it takes over when it succeeds. hooks are copied. NULL with
 * e filled. */
struct submission *submission_open(int take_listen_fd, const struct submission_hooks *hooks, struct err *e);
/* Ends it; *s may be NULL. */
void submission_close(struct submission **s);

/* ---- one answer (submission_ticket.c) ------------------------------------------------------------------ */

struct submission_question {
	const struct services *services;
	struct ticket_book *tokens;	/* how often each web token was used */
	const struct peer *peer;
	int process;			/* a descriptor that stands for the peer's process, or -1 */
	char *text;			/* up to the empty line, NUL-terminated; is cut to pieces */
	uint64_t now;
};

/* Writes the answer, one line with its end. Waits for tables half a second at most. */
void submission_answer(const struct submission_question *q, struct str *to);

struct submission_numbers { uint64_t given[TICKET_WEB + 1], refused; };
void submission_numbers(struct submission_numbers *to);

#endif
