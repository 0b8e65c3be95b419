/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_MAIL_H
#define LIB_MAIL_H
/*
 * mail - what an address is, whose it is, and what a header says.
 *
 * Everything here reads hostile input. The rule is that a field which two
 * readers could read differently is not read at all: ownership is refused for it.
 *
 *     struct mail_mailboxes from;
 *     if (!mail_mailboxes_parse(arena, value, &from))
 *         -> refuse, tell the desk from.why
 *     for each from.at[i]: look up .text, then .domain
 *
 * Results live in the arena passed. All functions are thread safe.
 */
#include <stdbool.h>
#include <stddef.h>

#include "lib/arena.h"

#define MAIL_ADDRESS_MAX 320	/* bytes: 64 + '@' + 255 of RFC 5321 section 4.5.3.1 */

struct mail_address {
	bool null;		/* the null return-path <> */
	const char *local;	/* local part, unquoted, case kept; NULL when null */
	const char *domain;	/* lower-case A-labels (IDNA2008, RFC 5891), or "[192.0.2.1]" for a literal;
				 * NULL when null */
	const char *text;	/* lower-case local@domain: the key for tables; "" when null. A local part
				 * that needs quotes has them here: nobody finds a second '@' in it. */
	const char *base;	/* like text, with BATV (prvs=tag=local@), VERP and +detail taken off the
				 * local part: the mailbox a bounce is about. Equal to text where there
				 * is none. */
};

struct mail_mailboxes {
	size_t n;
	struct mail_address *at;
	const char *why;	/* when refused: what could not be read, for the desk; plain ASCII */
	const char *display_address;	/* an address that a display name or comment shows, of another domain
				 * than the mailbox it belongs to ("ceo@bank.example" <bob@acme.example>);
				 * NULL when none. The field is read without doubt all the same. It is
				 * UTF-8 from the sender: escape it. */
};

/* An envelope address as MTAs hand it over: "<a@b>", "a@b", "<>", "". RFC 5321 with RFC 6531.
 * Refused: source routes, several '@' outside quotes, a missing domain, control characters,
 * invalid UTF-8, a domain that IDNA refuses, more than 320 bytes (longer than RFC 5321 allows).
 * Returns 1, or 0 when it is not one address; *to is unset then. */
int mail_address_parse(struct arena *a, const char *text, struct mail_address *to);

/* Every mailbox of one From or Sender field value (as a milter sees it: folds as "\n" and
 * white space). RFC 5322 section 3.4 with RFC 6532 and RFC 6854: groups, several mailboxes, comments,
 * quoted strings, encoded words (in display names only). At most MAIL_MAILBOXES_MAX.
 * Returns 1 with n >= 0 (an empty group gives 0), or 0 when it cannot be read without doubt: to->why says
 * why. An empty field is not readable. All of *to is set in both cases; at is NULL where n is 0. */
#define MAIL_MAILBOXES_MAX 100
int mail_mailboxes_parse(struct arena *a, const char *value, struct mail_mailboxes *to);

/* A domain name as a table key: lower-case A-labels without a trailing dot. NULL when it is none. */
const char *mail_domain(struct arena *a, const char *text);

/* A header value for matching: unfolded (each fold with its blanks becomes one blank), RFC 2047 words
 * decoded (B and Q; adjacent words joined; unknown character set or bad encoding = the bytes as they are),
 * invisible characters (U+00AD, U+200B...) dropped, runs of blanks of any width made one, trimmed; cut after
 * max bytes of input. NULL is an empty value. Never NULL. */
const char *mail_header_text(struct arena *a, const char *value, size_t max);

/* True when name is a header field name we would write: 1-76 printable ASCII without ':' and blank
 * (RFC 5322 section 3.6.8). */
bool mail_header_name_ok(const char *name);

#endif
