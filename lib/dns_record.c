/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * dns_record - names as they are asked, and what an answer's packet says, as it is kept.
 *
 * libunbound has looked at the packet before (its scrubber drops what was not asked for), but whoever
 * publishes a record chooses its bytes: everything is bounded here again, and a packet of which any part that
 * matters cannot be read counts as no answer. Names inside become text in lower case; a name that no host can
 * have (a dot, a blank or a control character within a label) is left out.
 *
 * It asks nothing, waits for nothing and knows no resolver.
 */
#include "lib/dns_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/banned.h"

#define HEADER 12
#define RR_FIXED 10		/* type, class, ttl, length */
#define CNAME 5
#define SOA 6
#define CLASS_IN 1
#define ALIASES_MAX 16
#define LABEL_MAX 63
#define TEXT_MAX (DNS_NAME_MAX + 1)
#define SEEN_MAX 1024		/* records of one packet that are looked at */

/* ---- names ---- */

bool
dns_name_plain(const char *name, char to[DNS_NAME_MAX + 1])
{
	size_t i, label = 0;

	for (i = 0; name[i] != '\0'; i++) {
		char c = name[i];

		if (i == DNS_NAME_MAX) {
			/* Only the dot at the end has room no more. */
			to[i] = '\0';
			return c == '.' && name[i + 1] == '\0' && label > 0;
		}
		if (c == '.') {
			if (label == 0)
				return false;
			label = 0;
		} else if (++label > LABEL_MAX)
			return false;
		to[i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
	}
	if (label == 0 && i > 0)
		i--;
	to[i] = '\0';
	return i > 0;
}

static bool
name_byte_plain(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' ||
	    c == '/';
}

void
dns_name_escape(const char *plain, char to[DNS_NAME_ESCAPED])
{
	size_t n = 0;

	for (; *plain != '\0' && n + 5 <= DNS_NAME_ESCAPED; plain++) {
		unsigned char c = (unsigned char)*plain;

		if (name_byte_plain(c)) {
			to[n++] = (char)c;
			continue;
		}
		to[n++] = '\\';
		to[n++] = (char)('0' + c / 100);
		to[n++] = (char)('0' + c / 10 % 10);
		to[n++] = (char)('0' + c % 10);
	}
	to[n] = '\0';
}

/* ---- packets ---- */

struct packet {
	const uint8_t *data;
	size_t n;
};
struct rr {
	size_t owner, data;	/* where they begin */
	uint16_t type, size;
	uint32_t ttl;
};

static unsigned
two(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static uint32_t
four(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

enum name_is { NAME_BROKEN, NAME_ODD, NAME_FINE };

static enum name_is
add_label(const uint8_t *label, unsigned n, char to[TEXT_MAX], size_t *used, enum name_is is)
{
	unsigned i;

	if (*used + n + (*used > 0) > DNS_NAME_MAX)
		return NAME_BROKEN;
	if (*used > 0)
		to[(*used)++] = '.';
	for (i = 0; i < n; i++) {
		uint8_t c = label[i];

		if (c <= ' ' || c >= 0x7f || c == '.')
			is = NAME_ODD;
		/* What text cannot hold becomes a capital letter, which no plain name has: it equals none. */
		if (c == '\0' || c == '.')
			c = 'X';
		else if (c >= 'A' && c <= 'Z')
			c = (uint8_t)(c + ('a' - 'A'));
		to[(*used)++] = (char)c;
	}
	return is;
}

/* The name at `at` as text; *end is what comes behind it there. Pointers (RFC 1035, 4.1.4) only lead back, so
 * that the walk ends. ODD: readable, but a label holds what is not printable ASCII, or a dot. */
static enum name_is
read_name(const struct packet *p, size_t at, char to[TEXT_MAX], size_t *end)
{
	size_t used = 0, before = at;
	bool jumped = false;
	enum name_is is = NAME_FINE;

	for (;;) {
		unsigned n;

		if (at >= p->n)
			return NAME_BROKEN;
		n = p->data[at];
		if (n >= 0xc0) {
			size_t target;

			if (at + 2 > p->n)
				return NAME_BROKEN;
			target = two(p->data + at) & 0x3fff;
			if (!jumped)
				*end = at + 2;
			jumped = true;
			if (target >= before)
				return NAME_BROKEN;
			at = before = target;
			continue;
		}
		if (n > LABEL_MAX || at + 1 + n > p->n)
			return NAME_BROKEN;
		if (n == 0)
			break;
		is = add_label(p->data + at + 1, n, to, &used, is);
		if (is == NAME_BROKEN)
			return is;
		at += 1 + n;
	}
	if (!jumped)
		*end = at + 1;
	to[used] = '\0';
	return is;
}

static bool
read_rr(const struct packet *p, size_t *at, struct rr *rr)
{
	char skipped[TEXT_MAX];

	rr->owner = *at;
	if (read_name(p, *at, skipped, at) == NAME_BROKEN || p->n - *at < RR_FIXED)
		return false;
	rr->type = two(p->data + *at + 2) == CLASS_IN ? (uint16_t)two(p->data + *at) : 0;
	rr->ttl = four(p->data + *at + 4);
	/* RFC 2181, 8: with the top bit set it is 0. */
	if (rr->ttl > INT32_MAX)
		rr->ttl = 0;
	rr->size = (uint16_t)two(p->data + *at + 8);
	rr->data = *at + RR_FIXED;
	if (p->n - rr->data < rr->size)
		return false;
	*at = rr->data + rr->size;
	return true;
}

static bool
skip_questions(const struct packet *p, size_t *at)
{
	unsigned n = two(p->data + 4);
	char skipped[TEXT_MAX];

	for (*at = HEADER; n > 0; n--) {
		if (read_name(p, *at, skipped, at) == NAME_BROKEN || p->n - *at < 4)
			return false;
		*at += 4;
	}
	return true;
}

/* ---- one record's data ---- */

/* Written behind one another into a buffer that has room for all. */
struct reading {
	const struct packet *p;
	enum dns_type type;
	char *bytes;
	size_t used, room;
	unsigned n;
	struct dns_kept at[DNS_RECORDS_MAX];
};

/* TXT: length, bytes, again and again. */
static bool
read_strings(struct reading *to, const uint8_t *data, size_t n, size_t *size)
{
	if (n == 0)
		return false;
	while (n > 0) {
		size_t m = data[0];

		if (m + 1 > n || to->room - to->used - *size < m + 1)
			return false;
		if (m > 0)
			memcpy(to->bytes + to->used + *size, data + 1, m);
		*size += m;
		data += m + 1;
		n -= m + 1;
	}
	return true;
}

/* 1 read, 0 to be left out, -1 broken. */
static int
read_target(struct reading *to, const struct rr *rr, size_t skip, size_t *size)
{
	size_t end = 0;
	char text[TEXT_MAX];
	enum name_is is;

	if (rr->size <= skip)
		return -1;
	is = read_name(to->p, rr->data + skip, text, &end);
	if (is == NAME_BROKEN || end != rr->data + rr->size)
		return -1;
	if (is == NAME_ODD)
		return 0;
	*size = strlen(text);
	if (to->room - to->used < *size + 1)
		return -1;
	memcpy(to->bytes + to->used, text, *size);
	return 1;
}

static int
read_data(struct reading *to, const struct rr *rr, size_t *size)
{
	const uint8_t *data = to->p->data + rr->data;

	switch (to->type) {
	case DNS_A:
	case DNS_AAAA:
		*size = to->type == DNS_A ? 4 : 16;
		if (rr->size != *size || to->room - to->used < *size + 1)
			return -1;
		memcpy(to->bytes + to->used, data, *size);
		return 1;
	case DNS_TXT:
		return read_strings(to, data, rr->size, size) ? 1 : -1;
	case DNS_MX:
		return read_target(to, rr, 2, size);
	case DNS_PTR:
		return read_target(to, rr, 0, size);
	}
	return -1;
}

static const char *
take_record(struct reading *to, const struct rr *rr)
{
	size_t size = 0;
	int r = read_data(to, rr, &size);
	struct dns_kept *k;

	if (r <= 0)
		return r == 0 ? NULL : "a record cannot be read";
	if (to->n == DNS_RECORDS_MAX)
		return "too many records";
	k = &to->at[to->n++];
	k->at = (uint32_t)to->used;
	k->size = (uint32_t)size;
	k->preference = to->type == DNS_MX ? (uint16_t)two(to->p->data + rr->data) : 0;
	to->bytes[to->used + size] = '\0';
	to->used += size + 1;
	return NULL;
}

/* ---- the answer ---- */

static struct dns_said *
said_new(enum dns_answer answer, unsigned n, size_t bytes)
{
	size_t size = sizeof(struct dns_said) + n * sizeof(struct dns_kept) + bytes;
	struct dns_said *s = calloc(1, size);

	if (s == NULL)
		abort();
	atomic_init(&s->refs, 1);
	s->answer = answer;
	s->n = n;
	s->size = size;
	s->bytes = (char *)(s->at + n);
	return s;
}

struct dns_said *
dns_said_failed(const char *why)
{
	struct dns_said *s = said_new(DNS_FAILED, 0, strlen(why) + 1);

	memcpy(s->bytes, why, strlen(why) + 1);
	s->ttl = DNS_TTL_FAILED;
	return s;
}

/* The same records are the same answer in whatever order they come: resolvers rotate them. */
static bool
sorts_after(const struct reading *r, const struct dns_kept *a, const struct dns_kept *b)
{
	size_t least = a->size < b->size ? a->size : b->size;
	int c;

	if (a->preference != b->preference)
		return a->preference > b->preference;
	c = memcmp(r->bytes + a->at, r->bytes + b->at, least);
	return c != 0 ? c > 0 : a->size > b->size;
}

static void
sort_records(struct reading *r)
{
	unsigned i, j;

	for (i = 1; i < r->n; i++) {
		struct dns_kept k = r->at[i];

		for (j = i; j > 0 && sorts_after(r, &r->at[j - 1], &k); j--)
			r->at[j] = r->at[j - 1];
		r->at[j] = k;
	}
}

/* The time that the absence of something may be kept: RFC 2308, 5. */
static void
read_negative_ttl(const struct packet *p, size_t at, unsigned n, struct dns_said *s)
{
	struct rr rr;
	bool told = false;

	s->ttl = DNS_TTL_UNTOLD;
	for (; n > 0 && read_rr(p, &at, &rr); n--) {
		uint32_t least;

		if (rr.type != SOA || rr.size < 22)
			continue;
		least = four(p->data + rr.data + rr.size - 4);
		if (!told || s->ttl > (least < rr.ttl ? least : rr.ttl))
			s->ttl = least < rr.ttl ? least : rr.ttl;
		told = true;
	}
}

/* Takes the records of the type at name. NULL, or why the whole answer does not count. */
static const char *
take_at(struct reading *to, const struct rr *seen, unsigned n, const char *name, uint32_t *ttl)
{
	char owner[TEXT_MAX];
	size_t end;
	unsigned i;

	for (i = 0; i < n; i++) {
		const char *why;

		if (seen[i].type != to->type || read_name(to->p, seen[i].owner, owner, &end) == NAME_BROKEN ||
		    strcmp(owner, name) != 0)
			continue;
		why = take_record(to, &seen[i]);
		if (why != NULL)
			return why;
		if (seen[i].ttl < *ttl)
			*ttl = seen[i].ttl;
	}
	return NULL;
}

static bool
follow_alias(const struct packet *p, const struct rr *seen, unsigned n, char name[TEXT_MAX], uint32_t *ttl)
{
	char owner[TEXT_MAX];
	size_t end;
	unsigned i;

	for (i = 0; i < n; i++)
		if (seen[i].type == CNAME && read_name(p, seen[i].owner, owner, &end) != NAME_BROKEN &&
		    strcmp(owner, name) == 0 &&
		    read_name(p, seen[i].data, name, &end) != NAME_BROKEN) {
			if (seen[i].ttl < *ttl)
				*ttl = seen[i].ttl;
			return true;
		}
	return false;
}

/* From the name along its aliases to the records. */
static const char *
take_answer(struct reading *to, const struct rr *seen, unsigned n, const char *asked, uint32_t *ttl)
{
	char name[TEXT_MAX];
	const char *why;
	unsigned aliases = 0;

	(void)snprintf(name, sizeof(name), "%s", asked);
	for (;;) {
		why = take_at(to, seen, n, name, ttl);
		if (why != NULL || to->n > 0 || !follow_alias(to->p, seen, n, name, ttl))
			return why;
		if (++aliases > ALIASES_MAX)
			return "aliases in a loop";
	}
}

static const char *
rcode_text(unsigned rcode)
{
	static const char *const texts[] = {
		"no error", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"
	};

	return rcode < sizeof(texts) / sizeof(texts[0]) ? texts[rcode] : "an error code that is unknown";
}

/* The answer section from *at on. NULL, or why not. */
static const char *
read_answers(struct reading *to, size_t *at, const char *name, uint32_t *ttl)
{
	unsigned answers = two(to->p->data + 6), n = 0;
	struct rr *seen;
	const char *why = NULL;

	if (answers > SEEN_MAX)
		return "too many records";
	seen = calloc(answers + 1, sizeof(*seen));
	if (seen == NULL)
		abort();
	while (n < answers && read_rr(to->p, at, &seen[n]))
		n++;
	why = n < answers ? "the answer cannot be read" : take_answer(to, seen, n, name, ttl);
	free(seen);
	return why;
}

static struct dns_said *
said_found(struct reading *r, uint32_t ttl)
{
	struct dns_said *s = said_new(DNS_FOUND, r->n, r->used);

	sort_records(r);
	memcpy(s->at, r->at, r->n * sizeof(r->at[0]));
	memcpy(s->bytes, r->bytes, r->used);
	s->ttl = ttl;
	return s;
}

static struct dns_said *
said_read(struct reading *r, const char *name)
{
	const struct packet *p = r->p;
	unsigned rcode = p->data[3] & 0xf;
	uint32_t ttl = UINT32_MAX;
	size_t at;
	const char *why;
	struct dns_said *s;

	if (rcode != 0 && rcode != 3)
		return dns_said_failed(rcode_text(rcode));
	if (!skip_questions(p, &at))
		return dns_said_failed("the answer cannot be read");
	why = read_answers(r, &at, name, &ttl);
	if (why != NULL)
		return dns_said_failed(why);
	if (r->n > 0)
		return said_found(r, ttl);
	s = said_new(rcode == 3 ? DNS_NO_NAME : DNS_NO_DATA, 0, 1);
	read_negative_ttl(p, at, two(p->data + 8), s);
	/* An alias on the way may change before the absence behind it does. */
	if (ttl < s->ttl)
		s->ttl = ttl;
	return s;
}

struct dns_said *
dns_said_read(const uint8_t *packet, size_t n, const char *name, enum dns_type type, bool secure)
{
	struct packet p = { packet, n };
	struct reading *r;
	struct dns_said *s;

	if (n < HEADER || n > UINT16_MAX || (packet[2] & 0x80) == 0)
		return dns_said_failed("the answer cannot be read");
	r = calloc(1, sizeof(*r));
	/* Names unfold: each takes up to 255 bytes, whatever it took in the packet. */
	if (r == NULL || (r->bytes = malloc(n + (size_t)DNS_RECORDS_MAX * (TEXT_MAX + 1))) == NULL)
		abort();
	r->room = n + (size_t)DNS_RECORDS_MAX * (TEXT_MAX + 1);
	r->p = &p;
	r->type = type;
	s = said_read(r, name);
	s->secure = secure && s->answer != DNS_FAILED;
	free(r->bytes);
	free(r);
	return s;
}

void
dns_said_clamp(struct dns_said *s, uint32_t least, uint32_t most)
{
	if (s->answer == DNS_FAILED)
		return;
	if (s->answer != DNS_FOUND && most > DNS_TTL_NEGATIVE)
		most = DNS_TTL_NEGATIVE;
	if (s->ttl > most)
		s->ttl = most;
	if (s->ttl < least)
		s->ttl = least;
}

struct dns_said *
dns_said_ref(struct dns_said *s)
{
	(void)atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void
dns_said_unref(struct dns_said **s)
{
	if (*s != NULL && atomic_fetch_sub_explicit(&(*s)->refs, 1, memory_order_acq_rel) == 1)
		free(*s);
	*s = NULL;
}

void
dns_said_give(const struct dns_said *s, struct arena *a, struct dns_records *out)
{
	size_t heads = s->n * sizeof(struct dns_record);
	size_t bytes = s->size - (size_t)(s->bytes - (const char *)s);
	struct dns_record *at;
	char *data;
	unsigned i;

	*out = (struct dns_records){ .answer = s->answer, .ttl = s->ttl, .secure = s->secure };
	if (s->answer == DNS_FAILED)
		(void)snprintf(out->why, sizeof(out->why), "%s", s->bytes);
	if (s->n == 0)
		return;
	/* One piece: the records first, which want the alignment, then what they point to. */
	at = arena_alloc(a, heads + bytes);
	data = (char *)at + heads;
	memcpy(data, s->bytes, bytes);
	for (i = 0; i < s->n; i++)
		at[i] = (struct dns_record){ (const uint8_t *)data + s->at[i].at, s->at[i].size,
		    s->at[i].preference };
	out->at = at;
	out->n = s->n;
}
