/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef MILTER_EXPLAIN_H
#define MILTER_EXPLAIN_H
/*
 * explain - what would happen to this message, now, under this configuration.
 *
 *     struct explain_question q = { .login = "bob", .sender = "bob@acme.example", ... };
 *     struct explain_answer a;
 *     explain_run(chain, &q, &a);
 *     ... a.message.verdict, a.message.facts, a.message.judged ...
 *     explain_end(&a);
 *
 * Runs the real checks of the chain with the real tables and windows, but takes nothing, remembers nothing
 * and tells nobody. Both stages run, also when the first refuses, so that everything there is to say is said.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/net.h"
#include "milter/chain.h"

struct explain_question {
	const char *login;		/* NULL = none */
	struct net_addr client;		/* bits 0 = none */
	bool local;			/* by sendmail(1), not over SMTP */
	const char *user;		/* with his ticket: NAME or UID, perhaps @RELAY; NULL = none */
	const char *sender;		/* MAIL argument, with or without <> */
	const char *const *recipients;
	size_t n_recipients;
	const char *text;		/* the message, or its header section */
	size_t size;
	uint64_t bytes;			/* size of the whole message; 0 = that of text */
};

struct explain_answer {
	struct message message;
	enum conf_action at_mail;	/* what MAIL would hear */
	enum conf_action action;	/* what the end of the message would hear */
};

void explain_run(struct chain *ch, const struct explain_question *q, struct explain_answer *to);
/* Frees what the answer holds. */
void explain_end(struct explain_answer *a);

#endif
