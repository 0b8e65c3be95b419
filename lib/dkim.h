/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_DKIM_H
#define LIB_DKIM_H
/*
 * dkim - which DKIM signatures a message will carry when it reaches the recipient.
 *
 * Gatepost signs nothing and verifies nothing. It knows what the signer behind it does, from its own
 * configuration: OpenDKIM's (SigningTable, KeyTable, Domain, Selector) is read as it stands.
 *
 *     struct dkim_opendkim *o = dkim_opendkim_open("/etc/opendkim.conf", say, cookie);
 *     n = dkim_opendkim_ask(o, "bob", "acme.example", arena, &signers);
 *     dkim_key(dns, signers[0].domain, signers[0].selector, deadline, arena, &key);
 *
 * Thread safe.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/arena.h"
#include "lib/dns.h"
#include "lib/err.h"

struct dkim_signer {
	const char *domain;	/* d=, A-labels, lower case */
	const char *selector;	/* s=; NULL when not known */
};

/* "acme.example:2026a other.example": each domain with its selector, or with each of the default ones where
 * it names none (the selector is NULL when there are none). What is no domain is left out. Returns how
 * many. */
size_t dkim_signers_parse(struct arena *a, const char *text, const char *const *selectors, size_t n_selectors,
    struct dkim_signer **to);
/* d= and s= of a DKIM-Signature field's value. False when it has no d= that is a domain. */
bool dkim_field_parse(struct arena *a, const char *value, struct dkim_signer *to);

enum dkim_key { DKIM_KEY_THERE, DKIM_KEY_MISSING, DKIM_KEY_REVOKED, DKIM_KEY_BAD, DKIM_KEY_UNSURE };
/* "there" "missing" "revoked" "bad" "unsure" */
const char *dkim_key_text(enum dkim_key k);
struct dkim_key_answer {
	enum dkim_key key;
	const char *name;	/* "2026a._domainkey.acme.example" */
	uint32_t ttl;
};
/* Asks for the key record (RFC 6376 section 3.6). */
void dkim_key(struct dns *d, const struct dkim_signer *s, uint64_t deadline, struct arena *a,
    struct dkim_key_answer *to);

/* ---- OpenDKIM's configuration ------------------------------------------------------ */

struct dkim_opendkim;

/* Reads opendkim.conf and the tables that it names (plain, refile). NULL after a mistake; each was told. */
struct dkim_opendkim *dkim_opendkim_open(const char *file, void (*say)(void *cookie, const struct err *e),
    void *cookie);
void dkim_opendkim_close(struct dkim_opendkim **o);
/* What OpenDKIM would sign a message of this From mailbox with: local part as written, domain in lower-case
 * A-labels. Returns how many (0 = it signs nothing). */
size_t dkim_opendkim_ask(struct dkim_opendkim *o, const char *local, const char *domain, struct arena *a,
    struct dkim_signer **to);
/* Rereads the files when one changed; about once a second from one thread. What cannot be read leaves the
 * old in force, and is told once. Returns 1 reread, 0 nothing done, -1 bad. */
int dkim_opendkim_poll(struct dkim_opendkim *o, void (*say)(void *cookie, const struct err *e), void *cookie);
size_t dkim_opendkim_entries(struct dkim_opendkim *o);

#endif
