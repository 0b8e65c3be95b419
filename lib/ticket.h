/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_TICKET_H
#define LIB_TICKET_H
/*
 * ticket - what the kernel attested of a local submitter, sealed so that any relay with the same keys
 * can read it.
 *
 * A ticket is made by the daemon for one message of one local user and travels in the message's header:
 *
 *     struct ticket t = { .uid = uid, .time = clock_now() };
 *     ticket_begin(&t);                                     a nonce of its own
 *     ticket_close(keys, &t, value, sizeof(value), &err);   "v=1; k=2026a; t=..."
 *     ticket_open(keys, value, clock_now(), 60000, &t) == TICKET_GOOD
 *     ticket_book_use(book, t.nonce, digest, 20, until, now) == TICKET_FIRST
 *
 * A web token says which visitor a web server saw, before any code of the customer ran; the daemon that
 * gives out tickets reads it. Both are opaque to those who carry them.
 *
 * Whoever holds one can use it, for as long as it is valid and as often as the book lets him: it is
 * bound to its user, not to its bearer. Nothing here keeps state but the book; all functions are thread
 * safe.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/net.h"

struct seal_keys;

#define TICKET_HEADER "Gatepost-Ticket"
#define TICKET_USER_MAX 32u	/* bytes of a user's name */
#define TICKET_RELAY_MAX 64u
#define TICKET_SCRIPT_MAX 200u	/* bytes of a path kept as evidence: its end, which tells most */
#define TICKET_NONCE 16u
#define TICKET_VALUE 768u	/* room for a header value, with the NUL */
#define TICKET_VHOST_MAX 253u
#define TICKET_REQUEST_MAX 64u
#define TICKET_TOKEN 640u	/* room for a web token, with the NUL */

/* How a form's visitor is known, least trusted first. */
enum ticket_quality { TICKET_NONE, TICKET_CLAIMED, TICKET_CGI, TICKET_WEB };

struct ticket {
	uint32_t uid;
	char user[TICKET_USER_MAX + 1];		/* "" = the host knows no name for it */
	char relay[TICKET_RELAY_MAX + 1];	/* who gave it out */
	enum ticket_quality quality;
	struct net_addr submitter;		/* bits 0 with TICKET_NONE */
	char script[TICKET_SCRIPT_MAX + 1];	/* "" = not known */
	uint64_t time;				/* ms since 1970 */
	uint8_t nonce[TICKET_NONCE];
};

struct ticket_web {
	struct net_addr visitor;
	char vhost[TICKET_VHOST_MAX + 1];	/* lower case */
	char request[TICKET_REQUEST_MAX + 1];
	uint64_t time;
	uint8_t nonce[TICKET_NONCE];
};

enum ticket_result {
	TICKET_GOOD,
	TICKET_MALFORMED,	/* not of that form */
	TICKET_FOREIGN,		/* a key that we do not have */
	TICKET_FORGED,		/* our key's name, but not sealed with it */
	TICKET_EXPIRED		/* ours (the ticket is filled in), but of another time */
};
const char *ticket_result_text(enum ticket_result r);	/* "good", "malformed"... */

/* Copies text into a field of a ticket: other than printable ASCII becomes '?'; of what is too long the
 * end is kept, behind "...". text may be NULL. */
void ticket_put(char *to, size_t size, const char *text);
/* Gives it a nonce. */
void ticket_begin(struct ticket *t);
/* The header's value, one line. 0, or -1 with e. */
int ticket_close(const struct seal_keys *k, const struct ticket *t, char *value, size_t size, struct err *e);
/* Reads a value as it came (blanks and folds within do not matter). valid: ms; a ticket from the future is
 * valid as long as one from the past, since clocks differ. */
enum ticket_result ticket_open(const struct seal_keys *k, const char *value, uint64_t now, uint64_t valid,
    struct ticket *to);

/* "1.KEY.TEXT", for a header of the web server and an environment variable: [0-9A-Za-z._-]. w's nonce is
 * chosen here. 0, or -1 with e. */
int ticket_web_close(const struct seal_keys *k, struct ticket_web *w, char *token, size_t size,
    struct err *e);
enum ticket_result ticket_web_open(const struct seal_keys *k, const char *token, uint64_t now, uint64_t valid,
    struct ticket_web *to);

/* ---- how often one was used --------------------------------------------------------------------- */

struct ticket_book;

enum ticket_use {
	TICKET_FIRST,
	TICKET_AGAIN,		/* the same message once more: the MTA's retry, or a part of its recipients */
	TICKET_SPENT		/* another message, or too often */
};

/* Remembers at least `most` nonces at a time; beyond that the one nearest its end is forgotten, and
 * could be used once more in what time it has left. Fixed in size (48 bytes a nonce), never NULL. */
struct ticket_book *ticket_book_new(size_t most);
void ticket_book_free(struct ticket_book **b);
/* Counts a use of nonce by the message of that digest; at most `times` in all, until then (ms). take
 * false: only tells what it would be. */
enum ticket_use ticket_book_use(struct ticket_book *b, const uint8_t nonce[TICKET_NONCE], uint64_t digest,
    unsigned times, uint64_t until, uint64_t now, bool take);
/* Takes the first use by the message of that digest back. */
void ticket_book_take_back(struct ticket_book *b, const uint8_t nonce[TICKET_NONCE], uint64_t digest,
    uint64_t now);

#endif
