/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef MILTER_LIMIT_KEY_H
#define MILTER_LIMIT_KEY_H
/*
 * limit_key - whose window a limit counts in.
 *
 *     struct limit_subject s = { .customer = "acme", .submitter = "203.0.113.9" };
 *     char key[LIMIT_KEY_SIZE];
 *     if (limit_key(limit, &s, key, sizeof(key)))
 *             per = "customer"                    -> acme
 *             per = [ "customer", "submitter" ]   -> acme|203.0.113.9
 *
 * check_limits.c builds the key of a message with it and the API the key that a person means, so
 * that `gatepostctl raise` and the message always speak of the same window. Pure and thread safe.
 */
#include <stdbool.h>
#include <stddef.h>

#include "lib/conf.h"
#include "lib/net.h"

#define LIMIT_KEY_SIZE 321	/* the store takes keys of 320 bytes */

/* What is known. NULL or "" = not known. Case does not matter: keys are ASCII lower case. */
struct limit_subject {
	const char *customer;
	const char *account;
	const char *client;		/* net_host_text */
	const char *submitter;		/* limit_submitter_text */
	const char *return_path;	/* the domain */
	const char *recipient_domain;
	const char *mailer;
};

/* Writes the key of l for s. False when a part that l asks for is not known: the limit does not apply.
 * The parts of a tuple are joined by '|' in the order of per; '|', '%' and control characters inside a
 * part become %XX. The part "everyone" is always "everyone". A key that does not fit is cut and ends
 * in "%~" and a digest of the whole, so that a long key never escapes its limit. size >= 64. */
bool limit_key(const struct conf_limit *l, const struct limit_subject *s, char *to, size_t size);

#define LIMIT_CLAIMED "claimed:"
#define LIMIT_SUBMITTER_TEXT (sizeof(LIMIT_CLAIMED) + NET_PREFIX_TEXT)
/* A submitter's part of a key. One that is only claimed has a window of its own: else a script could
 * fill a real visitor's. */
void limit_submitter_text(const struct net_addr *a, bool claimed, char to[LIMIT_SUBMITTER_TEXT]);

/* The part of s that per names: what limit_key reads. NULL when not known. */
const char *limit_key_part(const struct limit_subject *s, enum conf_per per);

#endif
