/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * seal - sealing and opening with XChaCha20-Poly1305, keyed digests with BLAKE2b, all of libsodium.
 *
 * A sealed text is base64url(nonce, 24 bytes | ciphertext | tag, 16 bytes). The nonce is long enough to be
 * random for as many messages as there will ever be. From the master key of a key id a key of its own is
 * derived for each purpose, so that purpose and key id are bound without being told.
 *
 * Secrets lie in pages of their own (sodium_malloc: guarded, kept out of core files, locked where the system
 * allows it), which become read-only once they are filled.
 */
#include "lib/seal_private.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "lib/banned.h"

/* Which key is derived; the numbers are part of the format and never change. */
enum derived { DERIVED_STAMP, DERIVED_TICKET, DERIVED_WEB, DERIVED_DIGEST, DERIVED_PSEUDONYM,
	DERIVED_SHORT_TAG, DERIVED_SHORT_STREAM, DERIVED_N };
static const char derive_context[crypto_kdf_CONTEXTBYTES + 1] = "gatepost";

#define NONCE crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG crypto_aead_xchacha20poly1305_ietf_ABYTES
_Static_assert(NONCE + TAG == SEAL_OVERHEAD, "seal.h tells the overhead");
_Static_assert(crypto_aead_xchacha20poly1305_ietf_KEYBYTES == SEAL_SECRET, "a derived key is as long");
_Static_assert(crypto_kdf_KEYBYTES == SEAL_SECRET, "a master key is what the derivation takes");
_Static_assert(sodium_base64_ENCODED_LEN(SEAL_SECRET, sodium_base64_VARIANT_URLSAFE_NO_PADDING) ==
    SEAL_SECRET_TEXT, "a secret's text");

typedef uint8_t derived_key[SEAL_SECRET];

struct seal_keys {
	atomic_uint refs;
	size_t n, active, oldest;
	struct {
		char id[SEAL_KEY_ID_MAX + 1];
		enum seal_state state;
		uint64_t made;
	} at[SEAL_KEYS_MAX];
	derived_key (*secret)[DERIVED_N];	/* n of them, in guarded pages */
};

int
seal_ready(struct err *e)
{
	return sodium_init() < 0 ? err_set(e, ERR_SYSTEM, "libsodium found no randomness") : 0;
}

void
seal_wipe(void *secret, size_t n)
{
	sodium_memzero(secret, n);
}

void
seal_random(void *to, size_t n)
{
	if (seal_ready(NULL) < 0)
		abort();
	randombytes_buf(to, n);
}

/* libsodium 1.0.18 takes every byte from 0x80 up for a '_': a second way to write a text would open too. */
static int
decode(const char *text, size_t n, uint8_t *to, size_t size, size_t *len)
{
	unsigned char high = 0;
	size_t i;

	for (i = 0; i < n; i++)
		high |= (unsigned char)text[i];
	return (high & 0x80) == 0 ? sodium_base642bin(to, size, text, n, NULL, len, NULL,
	    sodium_base64_VARIANT_URLSAFE_NO_PADDING) : -1;
}

int
seal_secret_read(const char *text, uint8_t to[SEAL_SECRET])
{
	size_t len;

	return decode(text, strlen(text), to, SEAL_SECRET, &len) == 0 && len == SEAL_SECRET ? 0 : -1;
}

void
seal_secret_write(const uint8_t secret[SEAL_SECRET], char to[SEAL_SECRET_TEXT])
{
	sodium_bin2base64(to, SEAL_SECRET_TEXT, secret, SEAL_SECRET,
	    sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

/* ---- the set of keys ------------------------------------------------------- */

static int
derive_all(struct seal_keys *k, const struct seal_lines *lines, struct err *e)
{
	size_t i;
	unsigned d;

	k->secret = sodium_allocarray(lines->n, sizeof(*k->secret));
	if (k->secret == NULL)
		return err_set(e, ERR_SYSTEM, "no memory for keys");
	for (i = 0; i < lines->n; i++)
		for (d = 0; d < DERIVED_N; d++)
			crypto_kdf_derive_from_key(k->secret[i][d], SEAL_SECRET, d + 1, derive_context,
			    lines->at[i].secret);
	sodium_mprotect_readonly(k->secret);
	return 0;
}

struct seal_keys *
seal_keys_load(const char *path, struct err *e)
{
	struct seal_keys *k;
	struct seal_lines lines;
	size_t i;

	if (seal_ready(e) < 0 || seal_file_read(path, &lines, e) < 0)
		return NULL;
	if ((k = calloc(1, sizeof(*k))) == NULL)
		abort();
	atomic_init(&k->refs, 1);
	k->n = lines.n;
	for (i = 0; i < lines.n; i++) {
		memcpy(k->at[i].id, lines.at[i].id, sizeof(k->at[i].id));
		k->at[i].state = lines.at[i].state;
		k->at[i].made = lines.at[i].made;
		if (lines.at[i].state == SEAL_KEY_ACTIVE)
			k->active = i;
		if (lines.at[i].made < lines.at[k->oldest].made)
			k->oldest = i;
	}
	if (derive_all(k, &lines, e) < 0)
		seal_keys_unref(&k);
	seal_wipe(&lines, sizeof(lines));
	return k;
}

struct seal_keys *
seal_keys_ref(struct seal_keys *k)
{
	atomic_fetch_add_explicit(&k->refs, 1, memory_order_relaxed);
	return k;
}

void
seal_keys_unref(struct seal_keys **k)
{
	if (*k != NULL && atomic_fetch_sub_explicit(&(*k)->refs, 1, memory_order_acq_rel) == 1) {
		sodium_free((*k)->secret);	/* wipes */
		free(*k);
	}
	*k = NULL;
}

const char *
seal_keys_active(const struct seal_keys *k)
{
	return k->at[k->active].id;
}

int
seal_keys_at(const struct seal_keys *k, size_t n, const char **id, enum seal_state *state, uint64_t *made)
{
	if (n >= k->n)
		return 0;
	*id = k->at[n].id;
	*state = k->at[n].state;
	*made = k->at[n].made;
	return 1;
}

/* Ids are no secret: an ordinary comparison. */
static int
find_key(const struct seal_keys *k, const char *id, size_t *at)
{
	size_t i;

	for (i = 0; i < k->n; i++)
		if (strcmp(k->at[i].id, id) == 0) {
			*at = i;
			return 1;
		}
	return 0;
}

/* ---- sealing and opening ----------------------------------------------------- */

int
seal_close(const struct seal_keys *k, enum seal_purpose purpose, const void *bound, size_t bound_len,
    const void *plain, size_t len, char *text, size_t size, struct err *e)
{
	uint8_t sealed[SEAL_PLAIN_MAX + SEAL_OVERHEAD];

	if (len > SEAL_PLAIN_MAX || size < SEAL_TEXT(len))
		return err_set(e, ERR_FULL, "%zu bytes are too much to seal here", len);
	randombytes_buf(sealed, NONCE);
	crypto_aead_xchacha20poly1305_ietf_encrypt(sealed + NONCE, NULL, plain, len, bound, bound_len, NULL,
	    sealed, k->secret[k->active][purpose]);
	sodium_bin2base64(text, size, sealed, len + SEAL_OVERHEAD, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	return 0;
}

enum seal_result
seal_open(const struct seal_keys *k, enum seal_purpose purpose, const char *key_id, const void *bound,
    size_t bound_len, const char *text, size_t text_len, void *plain, size_t *len)
{
	uint8_t sealed[SEAL_PLAIN_MAX + SEAL_OVERHEAD];
	size_t n, at;

	*len = 0;
	if (!find_key(k, key_id, &at))
		return SEAL_UNKNOWN_KEY;
	if (text_len > SEAL_TEXT(SEAL_PLAIN_MAX) || decode(text, text_len, sealed, sizeof(sealed), &n) < 0 ||
	    n < SEAL_OVERHEAD)
		return SEAL_MALFORMED;
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(plain, NULL, NULL, sealed + NONCE, n - NONCE, bound,
	    bound_len, sealed, k->secret[at][purpose]) < 0)
		return SEAL_FORGED;
	*len = n - SEAL_OVERHEAD;
	return SEAL_OPENED;
}

/* ---- short texts ----------------------------------------------------------------- */

/*
 * hint (1 byte) | tag (12) | plain (21), in base32. The tag is a keyed digest of the plain bytes and serves
 * as the nonce of the stream that hides them (the SIV construction): no room for a random one, and none
 * needed.
 */
#define SHORT_TAG 12
#define SHORT_SEALED (1 + SHORT_TAG + SEAL_SHORT_PLAIN)
_Static_assert((SHORT_SEALED * 8 + 4) / 5 + 1 == SEAL_SHORT_TEXT, "seal.h tells the length");

static const char base32[] = "abcdefghijklmnopqrstuvwxyz234567";

static void
base32_write(const uint8_t *from, size_t n, char *to)
{
	unsigned bits = 0, have = 0;

	for (; n > 0; n--) {
		bits = bits << 8 | *from++;
		for (have += 8; have >= 5; have -= 5)
			*to++ = base32[bits >> (have - 5) & 31];
		bits &= 31;	/* fewer than five are left */
	}
	if (have > 0)
		*to++ = base32[bits << (5 - have) & 31];
	*to = '\0';
}

/* Bits that lie past the last byte must be zero: one text, one spelling (but for case). */
static bool
base32_read(const char *text, uint8_t *to, size_t n)
{
	unsigned bits = 0, have = 0, v;

	for (; *text != '\0'; text++) {
		if ((*text | 0x20) >= 'a' && (*text | 0x20) <= 'z')
			v = (unsigned)((*text | 0x20) - 'a');
		else if (*text >= '2' && *text <= '7')
			v = (unsigned)(*text - '2' + 26);
		else
			return false;
		bits = (bits << 5 | v) & 0xfff;
		have += 5;
		if (have >= 8) {
			if (n-- == 0)
				return false;
			have -= 8;
			*to++ = (uint8_t)(bits >> have);
		}
	}
	return n == 0 && have < 5 && (bits & ((1u << have) - 1)) == 0;
}

static uint8_t
hint_of(const char *key_id)
{
	uint8_t digest[crypto_generichash_BYTES_MIN];

	crypto_generichash(digest, sizeof(digest), (const uint8_t *)key_id, strlen(key_id), NULL, 0);
	return digest[0];
}

static void
short_tag(const struct seal_keys *k, size_t at, const uint8_t plain[SEAL_SHORT_PLAIN], uint8_t to[SHORT_TAG])
{
	uint8_t tag[crypto_generichash_BYTES_MIN];

	crypto_generichash(tag, sizeof(tag), plain, SEAL_SHORT_PLAIN,
	    k->secret[at][DERIVED_SHORT_TAG], SEAL_SECRET);
	memcpy(to, tag, SHORT_TAG);
}

static void
short_stream(const struct seal_keys *k, size_t at, const uint8_t tag[SHORT_TAG], const uint8_t *from,
    uint8_t *to)
{
	uint8_t nonce[crypto_stream_xchacha20_NONCEBYTES] = { 0 };

	memcpy(nonce, tag, SHORT_TAG);
	crypto_stream_xchacha20_xor(to, from, SEAL_SHORT_PLAIN, nonce, k->secret[at][DERIVED_SHORT_STREAM]);
}

int
seal_short(const struct seal_keys *k, const char *key_id, const uint8_t plain[SEAL_SHORT_PLAIN],
    char to[SEAL_SHORT_TEXT])
{
	uint8_t sealed[SHORT_SEALED];
	size_t at;

	if (!find_key(k, key_id, &at))
		return -1;
	sealed[0] = hint_of(key_id);
	short_tag(k, at, plain, sealed + 1);
	short_stream(k, at, sealed + 1, plain, sealed + 1 + SHORT_TAG);
	base32_write(sealed, sizeof(sealed), to);
	return 0;
}

enum seal_result
seal_short_open(const struct seal_keys *k, const char *text, uint8_t plain[SEAL_SHORT_PLAIN],
    const char **key_id)
{
	uint8_t sealed[SHORT_SEALED], tag[SHORT_TAG];
	enum seal_result r = SEAL_UNKNOWN_KEY;
	size_t at;

	if (strlen(text) != SEAL_SHORT_TEXT - 1 || !base32_read(text, sealed, sizeof(sealed)))
		return SEAL_MALFORMED;
	for (at = 0; at < k->n; at++) {
		if (hint_of(k->at[at].id) != sealed[0])
			continue;
		short_stream(k, at, sealed + 1, sealed + 1 + SHORT_TAG, plain);
		short_tag(k, at, plain, tag);
		if (sodium_memcmp(tag, sealed + 1, SHORT_TAG) == 0) {
			*key_id = k->at[at].id;
			return SEAL_OPENED;
		}
		r = SEAL_FORGED;
	}
	sodium_memzero(plain, SEAL_SHORT_PLAIN);
	return r;
}

/* ---- digests -------------------------------------------------------------------- */

void
seal_pseudonym(const struct seal_keys *k, const char *name, char to[SEAL_PSEUDONYM])
{
	uint8_t digest[16];
	uint64_t bits = 0;
	size_t i;

	crypto_generichash(digest, sizeof(digest), (const uint8_t *)name, strlen(name),
	    k->secret[k->oldest][DERIVED_PSEUDONYM], SEAL_SECRET);
	for (i = 0; i < 8; i++)
		bits = bits << 8 | digest[i];
	for (i = 0; i < SEAL_PSEUDONYM - 1; i++, bits <<= 5)
		to[i] = base32[bits >> 59];
	to[SEAL_PSEUDONYM - 1] = '\0';
}

void
seal_digest(const struct seal_keys *k, const char *key_id, const void *data, size_t len, uint8_t to[16])
{
	size_t at;

	if (find_key(k, key_id, &at))
		crypto_generichash(to, 16, data, len, k->secret[at][DERIVED_DIGEST], SEAL_SECRET);
	else
		randombytes_buf(to, 16);
}
