/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef MILTER_FACTS_H
#define MILTER_FACTS_H
/*
 * facts - what is known of this message, growing stage by stage.
 *
 * Facts are only added, never changed. Who writes which part:
 *   envelope and headers   session.c (or explain, from a file); facts_settle() reads From and Sender
 *   ticket                 check_ticket.c
 *   identity               check_identity.c
 *   mailer                 check_mailer.c
 *   submitter              check_submitter.c
 * All others read. All strings live in the message's arena, those of the connection in the session.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/arena.h"
#include "lib/mail.h"
#include "lib/net.h"
#include "lib/ticket.h"

/* When checks run; facts of RCPT and headers are there at STAGE_END. */
enum stage { STAGE_MAIL, STAGE_END };

struct header {
	const char *name;
	const char *value;	/* as the MTA hands it over: folds as "\n" and white space */
};

/* CLASS_REENTERED: a message that left one of our relays before, come back with the stamp it got there. */
enum facts_class { CLASS_UNKNOWN, CLASS_CUSTOMER, CLASS_BOUNCE, CLASS_REENTERED };
const char *facts_class_text(enum facts_class c);

/* How the submitter is known, least trusted first. */
enum facts_quality { QUALITY_NONE, QUALITY_SMTP, QUALITY_APP, QUALITY_CLAIMED, QUALITY_CGI, QUALITY_WEB };
const char *facts_quality_text(enum facts_quality q);
/* Of a text that is none: QUALITY_NONE. */
enum facts_quality facts_quality_of(const char *text);

struct stamp_content;

struct facts {
	struct arena *arena;

	/* connection: written once a session */
	struct net_addr client;
	char client_text[NET_TEXT];
	uint16_t client_port;		/* 0 = unknown */
	bool local;			/* did not come over SMTP: sendmail(1), pickup */

	/* envelope, written at MAIL and RCPT */
	const char *transaction;	/* our own id, from MAIL on */
	const char *queue_id;		/* NULL until the MTA tells it */
	uint64_t began;			/* clock_now() at MAIL */
	const char *login;		/* SASL login as the MTA says it, NULL without AUTH */
	const char *sender;		/* MAIL argument as it came */
	bool sender_ok;			/* it is one address: return_path is set */
	struct mail_address return_path;
	const char **recipients;	/* bare, lower case; sorted and each once from STAGE_END on */
	size_t n_recipients, recipients_space;
	uint64_t bytes;			/* body and headers seen; only when a limit counts bytes */
	char *body_start;		/* the first bytes of the body; NULL unless a check needs them */
	size_t n_body_start;

	/* headers, in the order of the message */
	struct header *headers;
	size_t n_headers, headers_space;
	bool cut;			/* more headers or recipients than the bounds below */
	const char *message_id;		/* first Message-ID, trimmed; NULL */

	/* ticket */
	bool ticket_place;		/* known at MAIL: a ticket that comes with it can be believed */
	bool handed_on;			/* local mail, over SMTP from identity.userid_from */
	const struct ticket *ticket;	/* genuine, and this message's to use; NULL without one. Of mail
					 * handed on without one: what the MTA tells, its user alone */
	const char *ticket_use;		/* what message uses it, as text for the store; NULL: no use */
	const char *script;		/* path of the program that sent, as it said; NULL */

	/* identity */
	bool identity_late;		/* not known before STAGE_END: it waits for a ticket */
	bool by_ticket;			/* the ticket's user is of this customer */
	enum facts_class class;
	const char *account;		/* lower case; NULL when unknown */
	const char *customer;		/* NULL when unknown */
	const char *plan;		/* effective plan, probation applied; NULL when none */
	bool probation;
	bool own_bounce;		/* null return-path, no login, our own host: maybe a bounce that it wrote */
	bool own;			/* from our own hosts, without login: it may be a message that comes
					 * back, which only its header tells at STAGE_END. Until then nobody
					 * judges whose it is. */
	const struct stamp_content *reentered;	/* CLASS_REENTERED: what its stamp says */
	size_t reentered_at;		/* index of that stamp in headers */
	bool expanded;			/* and goes to recipients that it had not then (trace.reentry.expands) */
	const char *not_known;		/* own, and not known again for a reason that may pass: which; or NULL */

	/* trace */
	const char *stamp;		/* mark of the stamp that it leaves with; NULL when none */

	/* every mailbox of every From field, and of Sender: read by facts_settle before STAGE_END */
	struct mail_address *from;
	size_t n_from;
	unsigned from_fields, sender_fields;
	const char *from_why, *sender_why;	/* why a field cannot be read without doubt; else NULL */
	struct mail_address *sender_box;
	size_t n_sender_box;

	/* submitter */
	const char *submitter;		/* address as text, NULL when none */
	struct net_addr submitter_addr;
	enum facts_quality quality;

	/* mailer */
	const char *mailer, *mailer_kind;
	bool mailer_allowed;		/* to this customer, by tables.mailers */
	const char *mailer_traits;	/* "precedence,no-one-click"; NULL when none */
};

#define FACTS_BODY_START ((size_t)4096)

#define FACTS_HEADERS_MAX 5000u
#define FACTS_RECIPIENTS_MAX 50000u
#define FACTS_FROM_FIELDS_MAX 20u	/* more From fields are not read: the message is not owned */

/* Begins a message: clears all but the connection's facts; the arena is taken over from then on. */
void facts_begin(struct facts *f, struct arena *take_arena);
/* Ends it: frees the arena; the connection's facts stay. Safe to call twice. */
void facts_end(struct facts *f);
void facts_set_client(struct facts *f, const struct net_addr *client);
/* Parses and keeps the MAIL argument. */
void facts_set_sender(struct facts *f, const char *argument);
void facts_set_login(struct facts *f, const char *login);
/* Past a bound nothing more is kept and facts_over() is true: the message is deferred. */
void facts_add_recipient(struct facts *f, const char *argument);
void facts_add_header(struct facts *f, const char *name, const char *value);
/* Keeps what of the chunk belongs to the first bytes of the body. */
void facts_keep_body(struct facts *f, const void *chunk, size_t n);
bool facts_over(const struct facts *f);
/* Called once before STAGE_END: sorts the recipients and removes duplicates; reads From and Sender. */
void facts_settle(struct facts *f);
/* The n-th header of that name (n from 1), without case; NULL when there are fewer. */
const struct header *facts_header(const struct facts *f, const char *name, unsigned n);
/* How many of that name. */
unsigned facts_header_count(const struct facts *f, const char *name);

#endif
