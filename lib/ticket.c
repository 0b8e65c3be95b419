/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * ticket - writes and reads tickets and web tokens, and counts their uses.
 *
 * Called by the daemon's ticket socket (which makes them) and by check_ticket.c (which reads them); what
 * stands between the two is a customer's program, so everything that is read is read as hostile: one
 * form, exact lengths, bounded texts. The cryptography is lib/seal.c's. Here is no policy: who may have
 * a ticket, and what comes of a bad one, others decide.
 */
#include "lib/ticket.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/seal.h"
#include "lib/str.h"

#include "lib/banned.h"

#define VERSION 1
static const char bound_ticket[] = "ticket 1", bound_web[] = "web 1";

const char *
ticket_result_text(enum ticket_result r)
{
	static const char *const text[] = { "good", "malformed", "foreign", "forged", "expired" };

	return text[r];
}

static char
printable(char c)
{
	return (unsigned char)c < 0x20 || (unsigned char)c > 0x7e ? '?' : c;
}

void
ticket_put(char *to, size_t size, const char *text)
{
	size_t n, i;
	bool cut;

	if (text == NULL)
		text = "";
	n = strlen(text);
	cut = n >= size;
	if (cut)
		text += n - (size - 1);
	for (i = 0; text[i] != '\0'; i++)
		to[i] = cut && i < 3 ? '.' : printable(text[i]);
	to[i] = '\0';
}

/* ---- the sealed bytes --------------------------------------------------------------------------- */

struct writer {
	uint8_t to[SEAL_PLAIN_MAX];
	size_t n;
};

/* Lengths are those of our own fixed fields: it always fits. */
static void
put_bytes(struct writer *w, const void *from, size_t n)
{
	memcpy(w->to + w->n, from, n);
	w->n += n;
}

static void
put_number(struct writer *w, uint64_t value, unsigned bytes)
{
	while (bytes-- > 0)
		w->to[w->n++] = (uint8_t)(value >> 8 * bytes);
}

static void
put_text(struct writer *w, const char *text)
{
	size_t n = strlen(text);

	put_number(w, n, 1);
	put_bytes(w, text, n);
}

static void
put_address(struct writer *w, const struct net_addr *a)
{
	put_number(w, a->bits, 1);
	put_bytes(w, a->byte, a->bits / 8u);
}

struct reader {
	const uint8_t *at, *end;
	bool bad;
};

static void
get_bytes(struct reader *r, void *to, size_t n)
{
	if (r->bad || (size_t)(r->end - r->at) < n) {
		r->bad = true;
		memset(to, 0, n);
		return;
	}
	memcpy(to, r->at, n);
	r->at += n;
}

static uint64_t
get_number(struct reader *r, unsigned bytes)
{
	uint64_t value = 0;
	uint8_t byte;

	while (bytes-- > 0) {
		get_bytes(r, &byte, 1);
		value = value << 8 | byte;
	}
	return value;
}

static void
get_text(struct reader *r, char *to, size_t size)
{
	size_t n = (size_t)get_number(r, 1), i;

	to[0] = '\0';
	if (n >= size) {
		r->bad = true;
		return;
	}
	get_bytes(r, to, n);
	to[n] = '\0';
	for (i = 0; i < n; i++)
		if (to[i] != printable(to[i]))
			r->bad = true;
}

static void
get_address(struct reader *r, struct net_addr *to)
{
	memset(to, 0, sizeof(*to));
	to->bits = (uint8_t)get_number(r, 1);
	if (to->bits != 0 && to->bits != 32 && to->bits != 128)
		r->bad = true;
	else
		get_bytes(r, to->byte, to->bits / 8u);
}

static bool
finished(const struct reader *r)
{
	return !r->bad && r->at == r->end;
}

/* Of our time: clocks of two relays may differ by as much as a ticket is valid. */
static bool
timely(uint64_t time, uint64_t now, uint64_t valid)
{
	return (now >= time ? now - time : time - now) <= valid;
}

/* ---- the text around them ----------------------------------------------------------------------- */

static bool
is_key_id(const char *id)
{
	size_t n = strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789");

	return n > 0 && n <= SEAL_KEY_ID_MAX && id[n] == '\0';
}

static enum ticket_result
open_sealed(const struct seal_keys *k, enum seal_purpose purpose, const char *key, const char *bound,
    const char *text, uint8_t plain[SEAL_PLAIN_MAX], struct reader *r)
{
	size_t len = 0;

	if (!is_key_id(key))
		return TICKET_MALFORMED;
	switch (seal_open(k, purpose, key, bound, strlen(bound), text, strlen(text), plain, &len)) {
	case SEAL_OPENED:
		*r = (struct reader){ plain, plain + len, false };
		return TICKET_GOOD;
	case SEAL_UNKNOWN_KEY:
		return TICKET_FOREIGN;
	case SEAL_FORGED:
		return TICKET_FORGED;
	case SEAL_MALFORMED:
		break;
	}
	return TICKET_MALFORMED;
}

/* ---- tickets ------------------------------------------------------------------------------------ */

void
ticket_begin(struct ticket *t)
{
	seal_random(t->nonce, sizeof(t->nonce));
}

int
ticket_close(const struct seal_keys *k, const struct ticket *t, char *value, size_t size, struct err *e)
{
	char text[TICKET_VALUE];
	struct writer w;
	int n;

	w.n = 0;
	put_number(&w, VERSION, 1);
	put_number(&w, t->uid, 4);
	put_number(&w, t->time, 8);
	put_bytes(&w, t->nonce, sizeof(t->nonce));
	put_number(&w, t->quality, 1);
	put_address(&w, &t->submitter);
	put_text(&w, t->user);
	put_text(&w, t->relay);
	put_text(&w, t->script);
	if (seal_close(k, SEAL_TICKET, bound_ticket, strlen(bound_ticket), w.to, w.n, text, sizeof(text),
	    e) < 0)
		return -1;
	n = snprintf(value, size, "v=%d; k=%s; t=%s", VERSION, seal_keys_active(k), text);
	return n > 0 && (size_t)n < size ? 0 : err_set(e, ERR_FULL, "the ticket does not fit");
}

static bool
read_ticket(struct reader *r, struct ticket *to)
{
	uint64_t quality;

	memset(to, 0, sizeof(*to));
	if (get_number(r, 1) != VERSION)
		return false;
	to->uid = (uint32_t)get_number(r, 4);
	to->time = get_number(r, 8);
	get_bytes(r, to->nonce, sizeof(to->nonce));
	quality = get_number(r, 1);
	get_address(r, &to->submitter);
	get_text(r, to->user, sizeof(to->user));
	get_text(r, to->relay, sizeof(to->relay));
	get_text(r, to->script, sizeof(to->script));
	if (!finished(r) || quality > TICKET_WEB || (quality == TICKET_NONE) != (to->submitter.bits == 0))
		return false;
	to->quality = (enum ticket_quality)quality;
	return true;
}

/* Copies without blanks and line ends, which relays on the way may have changed; false when it is too
 * long. */
static bool
squeeze(char *to, size_t size, const char *from)
{
	size_t n = 0;

	for (; *from != '\0'; from++) {
		if (*from == ' ' || *from == '\t' || *from == '\r' || *from == '\n')
			continue;
		if (n + 1 >= size)
			return false;
		to[n++] = *from;
	}
	to[n] = '\0';
	return true;
}

enum ticket_result
ticket_open(const struct seal_keys *k, const char *value, uint64_t now, uint64_t valid, struct ticket *to)
{
	char text[TICKET_VALUE], *key, *sealed;
	uint8_t plain[SEAL_PLAIN_MAX];
	enum ticket_result result;
	struct reader r;

	if (!squeeze(text, sizeof(text), value) || strncmp(text, "v=1;k=", 6) != 0)
		return TICKET_MALFORMED;
	key = text + 6;
	if ((sealed = strstr(key, ";t=")) == NULL)
		return TICKET_MALFORMED;
	*sealed = '\0';
	result = open_sealed(k, SEAL_TICKET, key, bound_ticket, sealed + 3, plain, &r);
	if (result != TICKET_GOOD)
		return result;
	if (!read_ticket(&r, to))
		return TICKET_MALFORMED;
	return timely(to->time, now, valid) ? TICKET_GOOD : TICKET_EXPIRED;
}

/* ---- web tokens --------------------------------------------------------------------------------- */

int
ticket_web_close(const struct seal_keys *k, struct ticket_web *w, char *token, size_t size, struct err *e)
{
	char text[TICKET_TOKEN];
	struct writer to;
	int n;

	seal_random(w->nonce, sizeof(w->nonce));
	to.n = 0;
	put_number(&to, VERSION, 1);
	put_number(&to, w->time, 8);
	put_bytes(&to, w->nonce, sizeof(w->nonce));
	put_address(&to, &w->visitor);
	put_text(&to, w->vhost);
	put_text(&to, w->request);
	if (seal_close(k, SEAL_WEB, bound_web, strlen(bound_web), to.to, to.n, text, sizeof(text), e) < 0)
		return -1;
	n = snprintf(token, size, "%d.%s.%s", VERSION, seal_keys_active(k), text);
	return n > 0 && (size_t)n < size ? 0 : err_set(e, ERR_FULL, "the token does not fit");
}

static bool
read_web(struct reader *r, struct ticket_web *to)
{
	memset(to, 0, sizeof(*to));
	if (get_number(r, 1) != VERSION)
		return false;
	to->time = get_number(r, 8);
	get_bytes(r, to->nonce, sizeof(to->nonce));
	get_address(r, &to->visitor);
	get_text(r, to->vhost, sizeof(to->vhost));
	get_text(r, to->request, sizeof(to->request));
	return finished(r) && to->visitor.bits != 0;
}

enum ticket_result
ticket_web_open(const struct seal_keys *k, const char *token, uint64_t now, uint64_t valid,
    struct ticket_web *to)
{
	char text[TICKET_TOKEN], *dot;
	uint8_t plain[SEAL_PLAIN_MAX];
	enum ticket_result result;
	struct reader r;

	if (!str_copy(text, sizeof(text), token) || strncmp(text, "1.", 2) != 0 ||
	    (dot = strchr(text + 2, '.')) == NULL)
		return TICKET_MALFORMED;
	*dot = '\0';
	result = open_sealed(k, SEAL_WEB, text + 2, bound_web, dot + 1, plain, &r);
	if (result != TICKET_GOOD)
		return result;
	if (!read_web(&r, to))
		return TICKET_MALFORMED;
	return timely(to->time, now, valid) ? TICKET_GOOD : TICKET_EXPIRED;
}

/* ---- the book ----------------------------------------------------------------------------------- */

#define WAYS 8u		/* entries that one nonce can stand in */
#define SPARE 2u	/* times as many as promised, so that few sets fill up before others */

struct entry {
	uint8_t nonce[TICKET_NONCE];
	uint64_t digest, until;		/* until 0: free */
	uint32_t uses;
};

struct ticket_book {
	pthread_mutex_t lock;		/* guards entries */
	size_t sets;			/* a power of two */
	struct entry entries[];
};

struct ticket_book *
ticket_book_new(size_t most)
{
	struct ticket_book *b;
	size_t sets = 1;

	while (sets * WAYS < most * SPARE)
		sets *= 2;
	/* Large ones come from the kernel as untouched pages: what is never used costs no memory. */
	b = calloc(1, sizeof(*b) + sets * WAYS * sizeof(b->entries[0]));
	if (b == NULL)
		abort();
	pthread_mutex_init(&b->lock, NULL);
	b->sets = sets;
	return b;
}

void
ticket_book_free(struct ticket_book **b)
{
	if (*b == NULL)
		return;
	pthread_mutex_destroy(&(*b)->lock);
	free(*b);
	*b = NULL;
}

/* Its entry, else the one to take for it: free, past, or nearest its end. Nonces are random (a sealed
 * one was made by us), so their first bytes are a hash. */
static struct entry *
find_entry(struct ticket_book *b, const uint8_t nonce[TICKET_NONCE], uint64_t now, bool *found)
{
	struct entry *set, *best;
	uint64_t hash;
	size_t i;

	memcpy(&hash, nonce, sizeof(hash));
	set = b->entries + (size_t)(hash & (b->sets - 1)) * WAYS;
	best = set;
	*found = false;
	for (i = 0; i < WAYS; i++) {
		if (set[i].until > now && memcmp(set[i].nonce, nonce, TICKET_NONCE) == 0) {
			*found = true;
			return &set[i];
		}
		if (set[i].until < best->until)
			best = &set[i];
	}
	return best;
}

enum ticket_use
ticket_book_use(struct ticket_book *b, const uint8_t nonce[TICKET_NONCE], uint64_t digest, unsigned times,
    uint64_t until, uint64_t now, bool take)
{
	enum ticket_use use;
	struct entry *entry;
	bool found;

	pthread_mutex_lock(&b->lock);
	entry = find_entry(b, nonce, now, &found);
	if (!found)
		use = TICKET_FIRST;
	else
		use = entry->digest == digest && entry->uses < times ? TICKET_AGAIN : TICKET_SPENT;
	if (take && use == TICKET_FIRST) {
		memcpy(entry->nonce, nonce, TICKET_NONCE);
		entry->digest = digest;
		entry->until = until;
		entry->uses = 1;
	} else if (take && use == TICKET_AGAIN)
		entry->uses++;
	pthread_mutex_unlock(&b->lock);
	return use;
}

void
ticket_book_take_back(struct ticket_book *b, const uint8_t nonce[TICKET_NONCE], uint64_t digest, uint64_t now)
{
	struct entry *entry;
	bool found;

	pthread_mutex_lock(&b->lock);
	entry = find_entry(b, nonce, now, &found);
	if (found && entry->digest == digest)
		entry->until = 0;
	pthread_mutex_unlock(&b->lock);
}
