/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_SEAL_H
#define LIB_SEAL_H
/*
 * seal - the key file, and the one door to libsodium: what is sealed here can be read and made by
 * nobody without the key.
 *
 *     struct seal_keys *k = seal_keys_load("/etc/gatepost/trace.keys", &err);
 *     seal_close(k, SEAL_STAMP, bound, bound_len, plain, len, text, sizeof(text), &err);
 *     seal_open(k, SEAL_STAMP, key_id, bound, bound_len, text, text_len, plain, &len) == SEAL_OPENED
 *     seal_keys_unref(&k);
 *
 * Each purpose has a key of its own, derived from the master key of a key id, so that a ticket can never be
 * taken for a stamp. A nonce is random for each sealing: two stamps of one customer have nothing in common.
 * Keys go through states: new (opens, seals nothing: every relay must have it first), active (the one that
 * seals), retired (opens still). A key set never changes once loaded, is counted, and is thread safe.
 */
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

#define SEAL_KEY_ID_MAX 16	/* bytes of the longest key id, [a-z0-9]+ */
#define SEAL_KEYS_MAX 64	/* keys in one file */
#define SEAL_PLAIN_MAX 1024	/* bytes that can be sealed at once */
#define SEAL_OVERHEAD 40	/* bytes that sealing adds: nonce 24, tag 16 */
/* Characters of base64url (no padding) of n sealed bytes, with the NUL. */
#define SEAL_TEXT(n) ((((n) + SEAL_OVERHEAD) * 4 + 2) / 3 + 1)

enum seal_purpose { SEAL_STAMP, SEAL_TICKET, SEAL_WEB };
enum seal_result {
	SEAL_OPENED,
	SEAL_UNKNOWN_KEY,	/* no key of that id: foreign, not ours */
	SEAL_FORGED,		/* our key id, but not made with it, or changed since */
	SEAL_MALFORMED		/* no sealed text at all */
};
enum seal_state { SEAL_KEY_NEW, SEAL_KEY_ACTIVE, SEAL_KEY_RETIRED };
const char *seal_state_text(enum seal_state s);	/* "new" "active" "retired" */

struct seal_keys;

/* Reads and checks a key file: at least one key, exactly one active, ids once each; readable by nobody
 * but its owner. NULL with e (file:line, what was expected; never the key). */
struct seal_keys *seal_keys_load(const char *path, struct err *e);
struct seal_keys *seal_keys_ref(struct seal_keys *k);
void seal_keys_unref(struct seal_keys **k);	/* wipes the keys with the last reference */
/* Id of the active key; lives as long as k. */
const char *seal_keys_active(const struct seal_keys *k);
/* The n-th key from 0, in the order of the file: its id, state, ms since 1970 when it was made. 0 past
 * the last, else 1. */
int seal_keys_at(const struct seal_keys *k, size_t n, const char **id, enum seal_state *state,
    uint64_t *made);

/* Seals len bytes (at most SEAL_PLAIN_MAX) with the active key into text (base64url, NUL-terminated,
 * SEAL_TEXT(len) bytes needed). bound (may be empty) is not in the text but must be the same when it is
 * opened. 0, or -1 with e (no room; no randomness to be had). */
int seal_close(const struct seal_keys *k, enum seal_purpose purpose, const void *bound, size_t bound_len,
    const void *plain, size_t len, char *text, size_t size, struct err *e);
/* Opens text of text_len characters; plain has room for SEAL_PLAIN_MAX bytes. Constant in time but for
 * lengths. */
enum seal_result seal_open(const struct seal_keys *k, enum seal_purpose purpose, const char *key_id,
    const void *bound, size_t bound_len, const char *text, size_t text_len, void *plain, size_t *len);
/* A stable keyed pseudonym of name, 12 characters of a-z2-7: the same as long as the file's oldest key
 * stays in it; nobody without the file can compute it or lead it back. */
#define SEAL_PSEUDONYM 13
void seal_pseudonym(const struct seal_keys *k, const char *name, char to[SEAL_PSEUDONYM]);
/* Cryptographic randomness. */
void seal_random(void *to, size_t n);
/* Keyed digest of data, 16 bytes, for things that must be told apart but not be read (nonces, recipients). */
void seal_digest(const struct seal_keys *k, const char *key_id, const void *data, size_t len, uint8_t to[16]);

/* Sealing for places with little room (the local part of an address): exactly SEAL_SHORT_PLAIN bytes become
 * SEAL_SHORT_TEXT - 1 characters of a-z2-7, read without case. The tag has 96 bits. There is no nonce: the
 * same bytes under the same key give the same text, so put what differs into them. 0, or -1: no such key. */
#define SEAL_SHORT_PLAIN 21
#define SEAL_SHORT_TEXT 56
int seal_short(const struct seal_keys *k, const char *key_id, const uint8_t plain[SEAL_SHORT_PLAIN],
    char to[SEAL_SHORT_TEXT]);
/* The text tells of the key's id only one byte: another's text can be taken for a forgery of ours, in few
 * of a hundred cases. key_id lives as long as k. */
enum seal_result seal_short_open(const struct seal_keys *k, const char *text, uint8_t plain[SEAL_SHORT_PLAIN],
    const char **key_id);

/* The key file's hands, for `gatepostctl keys`: each rewrites the file in one step (temporary file, fsync,
 * rename; mode 0400, owner kept, or uid/gid given for a new file). id NULL: one is chosen from the date
 * ("20261125", then "20261125b"...). What cannot be (activating a retired key, removing the active one,
 * retiring the last) is refused with e. */
int seal_keys_new(const char *path, const char *id, unsigned uid, unsigned gid,
    char to_id[SEAL_KEY_ID_MAX + 1], struct err *e);
/* The one active before is retired. */
int seal_keys_activate(const char *path, const char *id, struct err *e);
/* A new one is never used then; a retired one is removed. */
int seal_keys_retire(const char *path, const char *id, struct err *e);

#endif
