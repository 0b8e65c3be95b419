/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * stamp - the format of the seal that every message carries, in its three spellings.
 *
 * The header value is "v=1; k=KEY; r=RELAY; q=QUEUE; t=TIME; c=SEALED", and everything before c is bound to
 * the seal as it stands there. The token is "gp1:KEY:RELAY:QUEUE:TIME:SEALED" with '~' for '.', which an
 * atext has not. What is sealed is a row of fixed fields, then the recipients' filter, then two names
 * (put_content).
 *
 * Cryptography is seal.c's; what a stamp is for, and which headers it goes into, is check_trace.c's.
 */
#include "lib/stamp.h"

#include <ctype.h>
#include <string.h>

#include "lib/str.h"

#include "lib/banned.h"

#define EXACT_MAX 16u		/* recipients told apart by three bytes each */
#define FILTER_LEAST 48u	/* bytes of a filter, which has 12 bits for each recipient as long as it may grow */
#define FILTER_HASHES 4u
#define FUTURE_MS (10u * 60 * 1000)	/* relays' clocks may differ by this */
#define SQUEEZED 1600		/* longest text that can be a stamp, without blanks */
#define LINE 76			/* columns of a line of the value, where names allow */

static const char told_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_";
/* base64url, in its order */
static const char sealed_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char short_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz234567";

/* Part of the format: only ever added to. */
static const char *const qualities[] = { "none", "smtp", "app", "claimed", "cgi", "web" };
#define N_QUALITIES (sizeof(qualities) / sizeof(qualities[0]))

const char *
stamp_result_text(enum stamp_result r)
{
	static const char *const texts[] = { "opened", "forged", "foreign", "expired", "malformed" };

	return texts[r];
}

static uint8_t
quality_code(const char *word)
{
	uint8_t i;

	for (i = 0; word != NULL && i < N_QUALITIES; i++)
		if (strcmp(qualities[i], word) == 0)
			return i;
	return 0;
}

const char *
stamp_quality(const char *word)
{
	return qualities[quality_code(word)];
}

/* ---- names ----------------------------------------------------------------- */

static void
put_name(const struct seal_keys *k, const char *name, char *to, size_t most)
{
	char pseudonym[SEAL_PSEUDONYM];
	struct str s = { to, 0, most + 1, false };

	if (strlen(name) <= most) {
		str_copy(to, most + 1, name);
		return;
	}
	seal_pseudonym(k, name, pseudonym);
	str_catn(&s, name, most - SEAL_PSEUDONYM);
	str_catf(&s, "~%s", pseudonym);
}

void
stamp_customer(const struct seal_keys *k, const char *name, struct stamp_content *to)
{
	put_name(k, name, to->customer, STAMP_CUSTOMER_MAX);
}

void
stamp_account(const struct seal_keys *k, const char *name, struct stamp_content *to)
{
	put_name(k, name, to->account, STAMP_ACCOUNT_MAX);
}

/* ---- what it is bound to ------------------------------------------------------- */

/* What is digested, gathered without blanks: a filter may fold a line anew. */
struct gathered {
	const struct seal_keys *k;
	const char *key;
	uint8_t digest[16];	/* of what did not fit */
	uint8_t data[1000];
	size_t n;
};

static void
gather_flush(struct gathered *g)
{
	seal_digest(g->k, g->key, g->data, g->n, g->digest);
	memcpy(g->data, g->digest, sizeof(g->digest));
	g->n = sizeof(g->digest);
}

/* what: a letter that tells kinds of pieces apart; no text holds the byte that parts them. */
static void
gather(struct gathered *g, char what, const char *piece)
{
	for (g->data[g->n++] = (uint8_t)what; *piece != '\0'; piece++) {
		if (strchr(" \t\r\n", *piece) != NULL)
			continue;
		if (g->n >= sizeof(g->data) - 2)
			gather_flush(g);
		g->data[g->n++] = (uint8_t)*piece;
	}
	g->data[g->n++] = 0;
	if (g->n >= sizeof(g->data) - 2)
		gather_flush(g);
}

static void
digest_message(const struct seal_keys *k, const char *key, const struct stamp_bound *b, bool message_id,
    bool date, uint8_t to[8])
{
	struct gathered g = { .k = k, .key = key, .n = 0 };
	size_t i;

	if (message_id)
		gather(&g, 'm', b->message_id == NULL ? "" : b->message_id);
	if (date)
		gather(&g, 'd', b->date == NULL ? "" : b->date);
	for (i = 0; i < b->n_from; i++)
		gather(&g, 'f', b->from[i]);
	gather_flush(&g);
	memcpy(to, g.digest, 8);
}

static size_t
filter_size(size_t n)
{
	return n * 3 / 2 < FILTER_LEAST ? FILTER_LEAST : n * 3 / 2 > STAMP_FILTER ? STAMP_FILTER : n * 3 / 2;
}

/* How much is kept of n recipients. */
static size_t
filter_bytes(size_t n)
{
	return n <= EXACT_MAX ? 3 * n : n > STAMP_RECIPIENTS ? 0 : filter_size(n);
}

static size_t
filter_bit(size_t n, const uint8_t digest[16], size_t i)
{
	return (size_t)(digest[2 * i] << 8 | digest[2 * i + 1]) % (filter_size(n) * 8);
}

/* Keeps the at-th recipient of n. */
static void
filter_put(uint8_t *filter, size_t n, const uint8_t digest[16], size_t at)
{
	size_t i, bit;

	if (n <= EXACT_MAX) {
		memcpy(filter + 3 * at, digest, 3);
		return;
	}
	for (i = 0; i < FILTER_HASHES; i++) {
		bit = filter_bit(n, digest, i);
		filter[bit / 8] = (uint8_t)(filter[bit / 8] | 1u << bit % 8);
	}
}

static bool
filter_has(const uint8_t *filter, size_t n, const uint8_t digest[16])
{
	size_t i, bit;

	for (i = 0; n <= EXACT_MAX && i < n; i++)
		if (memcmp(filter + 3 * i, digest, 3) == 0)
			return true;
	for (i = 0; n > EXACT_MAX && i < FILTER_HASHES; i++) {
		bit = filter_bit(n, digest, i);
		if ((filter[bit / 8] >> bit % 8 & 1) == 0)
			return false;
	}
	return n > EXACT_MAX;
}

static void
digest_recipient(const struct seal_keys *k, const char *key, const char *recipient, uint8_t to[16])
{
	struct gathered g = { .k = k, .key = key, .n = 0 };

	gather(&g, 'r', recipient);
	gather_flush(&g);
	memcpy(to, g.digest, 16);
}

void
stamp_bind(const struct seal_keys *k, const struct stamp_bound *b, struct stamp_content *to)
{
	const char *key = seal_keys_active(k);
	uint8_t digest[16];
	size_t i;

	to->no_message_id = b->message_id == NULL;
	to->no_date = b->date == NULL;
	digest_message(k, key, b, !to->no_message_id, !to->no_date, to->bound);
	to->recipients = b->n_recipients > UINT16_MAX ? UINT16_MAX : (uint32_t)b->n_recipients;
	memset(to->filter, 0, sizeof(to->filter));
	for (i = 0; i < b->n_recipients && b->n_recipients <= STAMP_RECIPIENTS; i++) {
		digest_recipient(k, key, b->recipients[i], digest);
		filter_put(to->filter, b->n_recipients, digest, i);
	}
}

bool
stamp_matches(const struct seal_keys *k, const struct stamp_content *c, const struct stamp_bound *b,
    bool others_too)
{
	uint8_t digest[16], bound[8];
	size_t i;

	if (c->brief)
		return false;
	digest_message(k, c->key, b, !c->no_message_id, !c->no_date, bound);
	if (memcmp(bound, c->bound, sizeof(bound)) != 0)
		return false;
	if (others_too)
		return true;
	if (b->n_recipients > c->recipients || c->recipients > STAMP_RECIPIENTS)
		return false;
	for (i = 0; i < b->n_recipients; i++) {
		digest_recipient(k, c->key, b->recipients[i], digest);
		if (!filter_has(c->filter, c->recipients, digest))
			return false;
	}
	return true;
}

/* ---- the sealed bytes -------------------------------------------------------------- */

enum { HAS_CLIENT = 1, CLIENT_6 = 2, HAS_SUBMITTER = 4, SUBMITTER_6 = 8, IS_LOCAL = 16, NO_MESSAGE_ID = 32,
	NO_DATE = 64, HAS_LOGIN = 128 };
enum { SAME_ACCOUNT = 16, SAME_SUBMITTER = 32 };	/* beside the quality */

/* flags, quality, recipients; client and port; submitter; bound; filter; customer; account */
#define CONTENT_MAX (4 + 18 + 16 + 8 + STAMP_FILTER + 1 + STAMP_CUSTOMER_MAX + 1 + STAMP_ACCOUNT_MAX)
_Static_assert(CONTENT_MAX <= SEAL_PLAIN_MAX, "it can be sealed");
/* "v=1; k=; r=; q=; t=; " and the names, folds, "c=" */
_Static_assert(32 + SEAL_KEY_ID_MAX + STAMP_RELAY_MAX + STAMP_QUEUE_MAX + 12 + 8 + SEAL_TEXT(CONTENT_MAX) <=
    STAMP_VALUE, "a value has room");
_Static_assert(STAMP_VALUE <= STAMP_TOKEN && STAMP_VALUE <= SQUEEZED, "a token has room");

static size_t
address_bytes(const struct net_addr *a)
{
	return a->bits / 8;
}

static uint8_t *
put_bytes(uint8_t *p, const void *from, size_t n)
{
	memcpy(p, from, n);
	return p + n;
}

static uint8_t *
put_16(uint8_t *p, uint32_t v)
{
	*p++ = (uint8_t)(v >> 8);
	*p++ = (uint8_t)v;
	return p;
}

static uint8_t *
put_text(uint8_t *p, const char *text)
{
	*p++ = (uint8_t)strlen(text);
	return put_bytes(p, text, strlen(text));
}

static size_t
put_content(const struct stamp_content *c, uint8_t to[CONTENT_MAX])
{
	bool same_submitter = c->submitter.bits != 0 && net_eq(&c->submitter, &c->client),
	    same_account = strcmp(c->account, c->customer) == 0;
	uint8_t *p = to;

	*p++ = (uint8_t)((c->client.bits != 0 ? HAS_CLIENT : 0) | (c->client.bits == 128 ? CLIENT_6 : 0) |
	    (c->submitter.bits != 0 ? HAS_SUBMITTER : 0) | (c->submitter.bits == 128 ? SUBMITTER_6 : 0) |
	    (c->local ? IS_LOCAL : 0) | (c->no_message_id ? NO_MESSAGE_ID : 0) | (c->no_date ? NO_DATE : 0) |
	    (c->login ? HAS_LOGIN : 0));
	*p++ = (uint8_t)(quality_code(c->quality) | (same_account ? SAME_ACCOUNT : 0) |
	    (same_submitter ? SAME_SUBMITTER : 0));
	p = put_16(p, c->recipients);
	if (c->client.bits != 0)
		p = put_16(put_bytes(p, c->client.byte, address_bytes(&c->client)), c->port);
	if (!same_submitter)
		p = put_bytes(p, c->submitter.byte, address_bytes(&c->submitter));
	p = put_bytes(p, c->bound, sizeof(c->bound));
	p = put_bytes(p, c->filter, filter_bytes(c->recipients));
	p = put_text(p, c->customer);
	if (!same_account)
		p = put_text(p, c->account);
	return (size_t)(p - to);
}

/* Reads bytes that our key has sealed, and all the same trusts no length in them. */
struct reader {
	const uint8_t *at;
	size_t left;
	bool bad;
};

static void
get_bytes(struct reader *r, void *to, size_t n)
{
	if (n > r->left) {
		r->bad = true;
		return;
	}
	memcpy(to, r->at, n);
	r->at += n;
	r->left -= n;
}

static unsigned
get_8(struct reader *r)
{
	uint8_t v = 0;

	get_bytes(r, &v, 1);
	return v;
}

static unsigned
get_16(struct reader *r)
{
	unsigned high = get_8(r);

	return high << 8 | get_8(r);
}

static void
get_text(struct reader *r, char *to, size_t most)
{
	size_t n = get_8(r);

	if (n > most)
		r->bad = true;
	else
		get_bytes(r, to, n);
}

static void
get_address(struct reader *r, bool six, struct net_addr *to)
{
	to->bits = six ? 128 : 32;
	get_bytes(r, to->byte, address_bytes(to));
}

static bool
get_content(const uint8_t *from, size_t n, struct stamp_content *c)
{
	struct reader r = { from, n, false };
	unsigned flags = get_8(&r), quality = get_8(&r);

	c->local = (flags & IS_LOCAL) != 0;
	c->login = (flags & HAS_LOGIN) != 0;
	c->no_message_id = (flags & NO_MESSAGE_ID) != 0;
	c->no_date = (flags & NO_DATE) != 0;
	c->quality = qualities[(quality & 15) < N_QUALITIES ? quality & 15 : 0];
	c->recipients = get_16(&r);
	if (flags & HAS_CLIENT) {
		get_address(&r, flags & CLIENT_6, &c->client);
		c->port = (uint16_t)get_16(&r);
	}
	if (quality & SAME_SUBMITTER)
		c->submitter = c->client;
	else if (flags & HAS_SUBMITTER)
		get_address(&r, flags & SUBMITTER_6, &c->submitter);
	get_bytes(&r, c->bound, sizeof(c->bound));
	get_bytes(&r, c->filter, filter_bytes(c->recipients));
	get_text(&r, c->customer, STAMP_CUSTOMER_MAX);
	if (quality & SAME_ACCOUNT)
		memcpy(c->account, c->customer, sizeof(c->customer));
	else
		get_text(&r, c->account, STAMP_ACCOUNT_MAX);
	return !r.bad && r.left == 0;
}

/* ---- the told fields --------------------------------------------------------------------- */

/* The five fields of either spelling, as they stand there. */
struct fields {
	char key[SEAL_KEY_ID_MAX + 1], relay[STAMP_RELAY_MAX + 1], queue_id[STAMP_QUEUE_MAX + 1], time[12];
	const char *sealed;
	size_t sealed_len;
};

static void
clean(char *text)
{
	if (*text == '\0')
		str_copy(text, 2, "-");
	for (; *text != '\0'; text++)
		if (strchr(told_letters, *text) == NULL)
			*text = '_';
}

static void
write_time(uint64_t seconds, char to[12])
{
	char digits[12];
	size_t n = 0, i;

	do
		digits[n++] = "0123456789abcdefghijklmnopqrstuvwxyz"[seconds % 36];
	while ((seconds /= 36) > 0 && n < 11);
	for (i = 0; i < n; i++)
		to[i] = digits[n - 1 - i];
	to[n] = '\0';
}

/* At most 7 digits: until the year 4453. */
static bool
read_time(const char *text, uint64_t *ms)
{
	uint64_t v = 0;
	size_t n;

	for (n = 0; text[n] != '\0'; n++) {
		if (!isdigit((unsigned char)text[n]) && !islower((unsigned char)text[n]))
			return false;
		v = v * 36 + (uint64_t)(isdigit((unsigned char)text[n]) ? text[n] - '0' : text[n] - 'a' + 10);
	}
	*ms = v * 1000;
	return n >= 1 && n <= 7;
}

static void
write_told(const struct fields *f, struct str *to)
{
	str_catf(to, "v=1; k=%s; r=%s; q=%s; t=%s", f->key, f->relay, f->queue_id, f->time);
}

static void
fields_of(const struct stamp_content *c, struct fields *f)
{
	str_copy(f->key, sizeof(f->key), c->key);
	str_copy(f->relay, sizeof(f->relay), c->relay);
	str_copy(f->queue_id, sizeof(f->queue_id), c->queue_id);
	write_time(c->time / 1000, f->time);
}

/* The first bits of the nonce, which is random, and cannot be another's in a stamp that opens. */
static uint32_t
mark_of(const char *sealed)
{
	uint64_t v = 0;
	size_t i;

	for (i = 0; i < 6; i++)
		v = v << 6 | (uint64_t)(strchr(sealed_letters, sealed[i]) - sealed_letters);
	return (uint32_t)(v >> 4);
}

/* ---- making -------------------------------------------------------------------------------- */

/* The sealed part on one line, or on two. */
static void
fold_sealed(const char *sealed, struct str *to)
{
	size_t n = strlen(sealed), first = LINE - 2;

	if (n > first + LINE)
		first = (n + 1) / 2;
	str_cat(to, "\n\tc=");
	str_catn(to, sealed, n < first ? n : first);
	if (n > first) {
		str_cat(to, "\n\t");
		str_cat(to, sealed + first);
	}
}

int
stamp_make(const struct seal_keys *k, struct stamp_content *c, char value[STAMP_VALUE], struct err *e)
{
	char told[STAMP_VALUE], sealed[SEAL_TEXT(CONTENT_MAX)];
	struct str bound = STR_IN(told), to = { value, 0, STAMP_VALUE, false };
	uint8_t plain[CONTENT_MAX];
	struct fields f;
	size_t n;

	str_copy(c->key, sizeof(c->key), seal_keys_active(k));
	c->time -= c->time % 1000;
	clean(c->relay);
	clean(c->queue_id);
	fields_of(c, &f);
	write_told(&f, &bound);
	n = put_content(c, plain);
	if (seal_close(k, SEAL_STAMP, told, bound.len, plain, n, sealed, sizeof(sealed), e) < 0)
		return -1;
	c->mark = mark_of(sealed);
	str_cat(&to, told);
	str_cat(&to, ";");
	fold_sealed(sealed, &to);
	return 0;
}

void
stamp_short(const struct seal_keys *k, const struct stamp_content *c, char to[STAMP_SHORT])
{
	uint8_t plain[SEAL_SHORT_PLAIN] = { 0 };
	uint32_t seconds = (uint32_t)(c->time / 1000);
	char pseudonym[SEAL_PSEUDONYM];
	size_t n = strlen(c->customer), i;

	for (i = 0; i < 4; i++) {
		plain[i] = (uint8_t)(seconds >> (24 - 8 * i));
		plain[4 + i] = (uint8_t)(c->mark >> (24 - 8 * i));
	}
	if (n <= SEAL_SHORT_PLAIN - 8) {
		memcpy(plain + 8, c->customer, n);
	} else {
		/* No name holds a control character. */
		plain[8] = 1;
		seal_pseudonym(k, c->customer, pseudonym);
		memcpy(plain + 9, pseudonym, SEAL_PSEUDONYM - 1);
	}
	to[0] = 'g';
	if (c->brief || seal_short(k, c->key, plain, to + 1) < 0)
		to[0] = '\0';
}
_Static_assert(SEAL_SHORT_PLAIN == 8 + 1 + SEAL_PSEUDONYM - 1, "a pseudonym has room");

/* ---- reading ---------------------------------------------------------------------------------- */

/* Without blanks and folds. False when it is too long for a stamp. */
static bool
squeeze(const char *text, char to[SQUEEZED])
{
	size_t n = 0;

	for (; *text != '\0'; text++) {
		if (strchr(" \t\r\n", *text) != NULL)
			continue;
		if (n == SQUEEZED - 1)
			return false;
		to[n++] = *text;
	}
	to[n] = '\0';
	return true;
}

/* Takes lead, then one to size - 1 letters into to, then end (or, end 0, the end of text). */
static bool
take(const char **p, const char *lead, const char *letters, char *to, size_t size, char end)
{
	size_t n;

	if (strncmp(*p, lead, strlen(lead)) != 0)
		return false;
	*p += strlen(lead);
	n = strspn(*p, letters);
	if (n == 0 || n >= size || (*p)[n] != end)
		return false;
	memcpy(to, *p, n);
	to[n] = '\0';
	*p += n + (end != '\0');
	return true;
}

static bool
take_sealed(const char *p, const char *lead, struct fields *f)
{
	if (strncmp(p, lead, strlen(lead)) != 0)
		return false;
	f->sealed = p + strlen(lead);
	f->sealed_len = strspn(f->sealed, sealed_letters);
	/* A ';' may end the last field, as in other headers of that kind. */
	p = f->sealed + f->sealed_len;
	return f->sealed_len > 0 && p[*p == ';'] == '\0';
}

static bool
read_value(const char *p, struct fields *f)
{
	char version[2];

	return take(&p, "v=", "1", version, sizeof(version), ';') &&
	    take(&p, "k=", told_letters, f->key, sizeof(f->key), ';') &&
	    take(&p, "r=", told_letters, f->relay, sizeof(f->relay), ';') &&
	    take(&p, "q=", told_letters, f->queue_id, sizeof(f->queue_id), ';') &&
	    take(&p, "t=", told_letters, f->time, sizeof(f->time), ';') && take_sealed(p, "c=", f);
}

#define TOKEN_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789~-_"

static void
swap(char *text, char from, char to)
{
	while ((text = strchr(text, from)) != NULL)
		*text = to;
}

static bool
read_token(const char *p, struct fields *f)
{
	if (!take(&p, "gp1:", TOKEN_LETTERS, f->key, sizeof(f->key), ':') ||
	    !take(&p, "", TOKEN_LETTERS, f->relay, sizeof(f->relay), ':') ||
	    !take(&p, "", TOKEN_LETTERS, f->queue_id, sizeof(f->queue_id), ':') ||
	    !take(&p, "", TOKEN_LETTERS, f->time, sizeof(f->time), ':') || !take_sealed(p, "", f))
		return false;
	swap(f->relay, '~', '.');
	swap(f->queue_id, '~', '.');
	return true;
}

bool
stamp_token(const char *value, char to[STAMP_TOKEN])
{
	char text[SQUEEZED];
	struct fields f;
	struct str s = { to, 0, STAMP_TOKEN, false };

	if (!squeeze(value, text) || !read_value(text, &f))
		return false;
	swap(f.relay, '.', '~');
	swap(f.queue_id, '.', '~');
	str_catf(&s, "gp1:%s:%s:%s:%s:", f.key, f.relay, f.queue_id, f.time);
	str_catn(&s, f.sealed, f.sealed_len);
	return !s.cut;
}

/* "X-Report-Abuse:<abuse+TOKEN@host>" -> "TOKEN"; all else loses only the name before it. Changes text. */
static char *
bare(char *text)
{
	char *colon = strchr(text, ':'), *at;

	if (colon != NULL && strncmp(text, "gp1:", 4) != 0 && strncmp(text, "v=", 2) != 0)
		text = colon + 1;
	if ((at = strrchr(text, '@')) != NULL) {
		*at = '\0';
		if ((at = strrchr(text, '+')) != NULL)
			text = at + 1;
	}
	return text;
}

static enum stamp_result
result_of(enum seal_result r)
{
	return r == SEAL_OPENED ? STAMP_OPENED : r == SEAL_UNKNOWN_KEY ? STAMP_FOREIGN :
	    r == SEAL_FORGED ? STAMP_FORGED : STAMP_MALFORMED;
}

static enum stamp_result
open_short(const struct seal_keys *k, const char *text, struct stamp_content *to)
{
	uint8_t plain[SEAL_SHORT_PLAIN];
	const char *key;
	enum stamp_result r = result_of(seal_short_open(k, text, plain, &key));
	size_t i;

	if (r != STAMP_OPENED)
		return r;
	to->brief = true;
	str_copy(to->key, sizeof(to->key), key);
	for (i = 0; i < 4; i++) {
		to->time = to->time << 8 | plain[i];
		to->mark = to->mark << 8 | plain[4 + i];
	}
	to->time *= 1000;
	to->pseudonym = plain[8] == 1;
	memcpy(to->customer, plain + 8 + to->pseudonym, (size_t)(SEAL_SHORT_PLAIN - 8 - to->pseudonym));
	return r;
}

static enum stamp_result
open_fields(const struct seal_keys *k, const struct fields *f, struct stamp_content *to)
{
	char told[STAMP_VALUE];
	struct str bound = STR_IN(told);
	uint8_t plain[SEAL_PLAIN_MAX];
	enum stamp_result r;
	size_t n;

	if (!read_time(f->time, &to->time))
		return STAMP_MALFORMED;
	str_copy(to->key, sizeof(to->key), f->key);
	str_copy(to->relay, sizeof(to->relay), f->relay);
	str_copy(to->queue_id, sizeof(to->queue_id), f->queue_id);
	write_told(f, &bound);
	r = result_of(seal_open(k, SEAL_STAMP, f->key, told, bound.len, f->sealed, f->sealed_len, plain, &n));
	if (r != STAMP_OPENED)
		return r;
	to->mark = mark_of(f->sealed);
	return get_content(plain, n, to) ? STAMP_OPENED : STAMP_MALFORMED;
}

static void
forget(struct stamp_content *c)
{
	memset(c, 0, sizeof(*c));
	c->quality = qualities[0];
}

enum stamp_result
stamp_open(const struct seal_keys *k, const char *text, uint64_t now, uint64_t fresh,
    struct stamp_content *to)
{
	char squeezed[SQUEEZED] = "", *p;
	enum stamp_result r = STAMP_MALFORMED;
	struct fields f;

	forget(to);
	if (!squeeze(text, squeezed))
		return STAMP_MALFORMED;
	p = bare(squeezed);
	if (*p == 'g' || *p == 'G')
		r = read_token(p, &f) ? open_fields(k, &f, to) : open_short(k, p + 1, to);
	else if (read_value(p, &f))
		r = open_fields(k, &f, to);
	if (r == STAMP_MALFORMED)
		forget(to);
	if (r == STAMP_OPENED && fresh > 0 && (to->time > now + FUTURE_MS || now > to->time + fresh))
		r = STAMP_EXPIRED;
	return r;
}

/* A word of free text: whether it could open. */
static bool
looks_like(const char *word, size_t n)
{
	char text[SQUEEZED], *p;
	struct fields f;

	if (n >= sizeof(text))
		return false;
	memcpy(text, word, n);
	text[n] = '\0';
	p = bare(text);
	return read_token(p, &f) || ((*p == 'g' || *p == 'G') && strlen(p) == STAMP_SHORT - 1 &&
	    strspn(p + 1, short_letters) == STAMP_SHORT - 2);
}

const char *
stamp_find(const char *text, size_t *len)
{
	static const char letters[] = TOKEN_LETTERS ":.+@";
	size_t n;

	for (; *(text += strcspn(text, letters)) != '\0'; text += n) {
		n = strspn(text, letters);
		*len = n;
		/* The full stop of a sentence is none of it. */
		while (*len > 0 && strchr(".:", text[*len - 1]) != NULL)
			--*len;
		if (looks_like(text, *len))
			return text;
	}
	return NULL;
}
