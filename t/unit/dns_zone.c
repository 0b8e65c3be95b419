/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * dns_zone - the functions of lib/dns.h over a zone in the test's text. Linked instead of lib/dns.c;
 * the linker is the seam. A list of lines, searched from its beginning: zones of tests are small.
 *
 * It caches nothing and waits for nothing.
 */
#include "t/unit/dns_zone.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/clock.h"

#include "lib/banned.h"

#define ALIASES_MAX 8
#define CNAME 5
#define ANY 255		/* a line without a type */
#define TTL_DEFAULT 300
#define TTL_FAILED 15

enum kind { RECORD, TIMEOUT, SERVFAIL, NODATA, NXDOMAIN };

struct line {
	struct line *next;
	char *name;		/* lower case, no dot at the end */
	enum kind kind;
	unsigned type;
	uint32_t ttl;
	uint16_t preference;
	size_t size;
	uint8_t *data;
};
struct asked {
	struct asked *next;
	char *name;
	enum dns_type type;
	unsigned times;
};
struct dns {
	int nothing;
};

static pthread_mutex_t zone_lock = PTHREAD_MUTEX_INITIALIZER;
static struct line *zone;		/* in the order written; zone_lock, as all below */
static struct asked *zone_asked;
static struct dns_counts zone_counts;
static void (*zone_before)(void *, const char *, enum dns_type);
static void *zone_cookie;

static const struct {
	const char *text;
	unsigned type;
} types[] = {
	{ "A", DNS_A }, { "AAAA", DNS_AAAA }, { "MX", DNS_MX }, { "TXT", DNS_TXT }, { "PTR", DNS_PTR },
	{ "CNAME", CNAME },
};
static const struct {
	const char *text;
	enum kind kind;
} kinds[] = {
	{ "TIMEOUT", TIMEOUT }, { "SERVFAIL", SERVFAIL }, { "NODATA", NODATA }, { "NXDOMAIN", NXDOMAIN },
};

static void *
need(void *p)
{
	if (p == NULL)
		abort();
	return p;
}

static void
die(const char *line, const char *why)
{
	(void)fprintf(stderr, "dns_zone: %s: %.*s\n", why, (int)strcspn(line, "\n"), line);
	exit(2);
}

/* Lower case, without the dot at the end. */
static char *
plain(const char *name, size_t n)
{
	char *to = need(malloc(n + 1));
	size_t i;

	for (i = 0; i < n; i++)
		to[i] = (char)tolower((unsigned char)name[i]);
	if (n > 1 && to[n - 1] == '.')
		n--;
	to[n] = '\0';
	return to;
}

/* ---- reading the text ---- */

/* The next word of the line at *at; its length, 0 at the end. */
static size_t
word(const char **at)
{
	*at += strspn(*at, " \t");
	return **at == ';' ? 0 : strcspn(*at, " \t\n");
}

static bool
word_is(const char *at, size_t n, const char *text)
{
	return n == strlen(text) && strncasecmp(at, text, n) == 0;
}

static bool
word_kind(const char *at, size_t n, enum kind *to)
{
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (word_is(at, n, kinds[i].text)) {
			*to = kinds[i].kind;
			return true;
		}
	return false;
}

static bool
word_type(const char *at, size_t n, unsigned *to)
{
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (word_is(at, n, types[i].text)) {
			*to = types[i].type;
			return true;
		}
	return false;
}

static uint32_t
word_number(const char *line, const char *at, size_t n, unsigned long most)
{
	char *end;
	unsigned long v = strtoul(at, &end, 10);

	if (n == 0 || end != at + n || v > most)
		die(line, "a number is wrong");
	return (uint32_t)v;
}

/* One byte of a quoted string. */
static uint8_t
quoted_byte(const char *line, const char **at)
{
	const unsigned char *s = (const unsigned char *)*at;
	unsigned v;

	if (s[0] == '\0' || s[0] == '\n')
		die(line, "a quote is not closed");
	if (s[0] != '\\') {
		*at += 1;
		return s[0];
	}
	if (!isdigit(s[1])) {
		*at += 2;
		return s[1];
	}
	if (!isdigit(s[2]) || !isdigit(s[3]))
		die(line, "\\DDD wants three digits");
	v = (unsigned)(s[1] - '0') * 100 + (unsigned)(s[2] - '0') * 10 + (unsigned)(s[3] - '0');
	if (v > 255)
		die(line, "\\DDD is more than 255");
	*at += 4;
	return (uint8_t)v;
}

static void
read_strings(const char *line, const char **at, struct line *l)
{
	l->data = need(malloc(strcspn(*at, "\n") + 1));
	if (word(at) == 0)
		die(line, "TXT has no string");
	while (word(at) > 0) {
		if (**at != '"')
			die(line, "TXT wants quoted strings");
		for (++*at; **at != '"';)
			l->data[l->size++] = quoted_byte(line, at);
		++*at;
	}
}

static void
read_data(const char *line, const char **at, struct line *l)
{
	size_t n = word(at);
	char text[300];

	if (word_kind(*at, n, &l->kind)) {
		*at += n;
		return;
	}
	if (l->type == DNS_TXT) {
		read_strings(line, at, l);
		return;
	}
	if (l->type == DNS_MX) {
		l->preference = (uint16_t)word_number(line, *at, n, UINT16_MAX);
		*at += n;
		n = word(at);
	}
	if (n == 0 || n >= sizeof(text))
		die(line, "the data are missing or too long");
	memcpy(text, *at, n);
	text[n] = '\0';
	*at += n;
	if (l->type == DNS_A || l->type == DNS_AAAA) {
		l->size = l->type == DNS_A ? 4 : 16;
		l->data = need(malloc(l->size));
		if (inet_pton(l->type == DNS_A ? AF_INET : AF_INET6, text, l->data) != 1)
			die(line, "that is no address");
		return;
	}
	l->data = (uint8_t *)plain(text, n);
	l->size = strcmp((char *)l->data, ".") == 0 ? 0 : strlen((char *)l->data);
}

static void
add(struct line *l)
{
	struct line **end;

	(void)pthread_mutex_lock(&zone_lock);
	for (end = &zone; *end != NULL;)
		end = &(*end)->next;
	*end = l;
	(void)pthread_mutex_unlock(&zone_lock);
}

static void
read_line(const char *line)
{
	struct line *l = need(calloc(1, sizeof(*l)));
	const char *at = line;
	size_t n = word(&at);

	l->name = plain(at, n);
	l->ttl = TTL_DEFAULT;
	at += n;
	n = word(&at);
	if (n > 0 && isdigit((unsigned char)*at)) {
		l->ttl = word_number(line, at, n, UINT32_MAX);
		at += n;
		n = word(&at);
	}
	if (word_kind(at, n, &l->kind)) {
		l->type = ANY;
		at += n;
	} else if (word_type(at, n, &l->type)) {
		at += n;
		read_data(line, &at, l);
	} else
		die(line, "the type is unknown");
	if (word(&at) != 0)
		die(line, "too much on the line");
	add(l);
}

void
dns_zone_add(const char *text)
{
	while (text != NULL && *text != '\0') {
		const char *at = text;

		if (word(&at) > 0)
			read_line(text);
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
}

void
dns_zone_record(const char *name, uint32_t ttl, enum dns_type type, uint16_t preference, const void *data,
    size_t size)
{
	struct line *l = need(calloc(1, sizeof(*l)));

	l->name = plain(name, strlen(name));
	l->type = type;
	l->ttl = ttl;
	l->preference = preference;
	if (type == DNS_MX || type == DNS_PTR) {
		l->data = (uint8_t *)plain(data, size);
		l->size = strcmp((char *)l->data, ".") == 0 ? 0 : strlen((char *)l->data);
	} else {
		l->data = need(malloc(size + 1));
		if (size > 0)
			memcpy(l->data, data, size);
		l->size = size;
	}
	add(l);
}

void
dns_zone_set(const char *text)
{
	(void)pthread_mutex_lock(&zone_lock);
	while (zone != NULL) {
		struct line *l = zone;

		zone = l->next;
		free(l->name);
		free(l->data);
		free(l);
	}
	while (zone_asked != NULL) {
		struct asked *a = zone_asked;

		zone_asked = a->next;
		free(a->name);
		free(a);
	}
	zone_counts = (struct dns_counts){ 0 };
	zone_before = NULL;
	(void)pthread_mutex_unlock(&zone_lock);
	dns_zone_add(text);
}

unsigned
dns_zone_asked(const char *name, enum dns_type type)
{
	struct asked *a;
	unsigned n = 0;

	(void)pthread_mutex_lock(&zone_lock);
	for (a = zone_asked; a != NULL; a = a->next)
		if (name == NULL || (a->type == type && strcasecmp(a->name, name) == 0))
			n += a->times;
	(void)pthread_mutex_unlock(&zone_lock);
	return n;
}

void
dns_zone_hook(void (*before)(void *, const char *, enum dns_type), void *cookie)
{
	(void)pthread_mutex_lock(&zone_lock);
	zone_before = before;
	zone_cookie = cookie;
	(void)pthread_mutex_unlock(&zone_lock);
}

/* ---- answering ---- */

static bool
name_ok(const char *name)
{
	size_t n = strlen(name), label = 0, i;

	if (n == 0 || n > DNS_NAME_MAX)
		return false;
	for (i = 0; i < n; i++) {
		label = name[i] == '.' ? 0 : label + 1;
		if (label > 63 || (label == 0 && (i == 0 || name[i - 1] == '.')))
			return false;
	}
	return label > 0;
}

static void
note_asked(const char *name, enum dns_type type)
{
	struct asked *a;

	for (a = zone_asked; a != NULL; a = a->next)
		if (a->type == type && strcmp(a->name, name) == 0)
			break;
	if (a == NULL) {
		a = need(calloc(1, sizeof(*a)));
		a->name = plain(name, strlen(name));
		a->type = type;
		a->next = zone_asked;
		zone_asked = a;
	}
	a->times++;
	zone_counts.asked++;
	zone_counts.sent++;
}

static bool
is_below(const char *name, const char *top)
{
	size_t n = strlen(name), m = strlen(top);

	return n > m && name[n - m - 1] == '.' && strcmp(name + n - m, top) == 0;
}

static void
fail(struct dns_records *out, enum dns_answer answer, const char *why)
{
	out->answer = answer;
	out->ttl = answer == DNS_LATE ? 0 : TTL_FAILED;
	(void)snprintf(out->why, sizeof(out->why), "%s", why);
}

/* As the real one sorts: by preference, then by the bytes. */
static bool
sorts_after(const struct dns_record *a, const struct line *b)
{
	size_t least = a->size < b->size ? a->size : b->size;
	int c;

	if (a->preference != b->preference)
		return a->preference > b->preference;
	c = least == 0 ? 0 : memcmp(a->data, b->data, least);
	return c != 0 ? c > 0 : a->size > b->size;
}

static void
take(struct dns_records *out, const struct line *l, struct arena *a)
{
	struct dns_record *r;
	uint8_t *data = arena_alloc(a, l->size + 1);
	size_t i;

	if (out->n == 0) {
		out->at = arena_alloc(a, sizeof(*out->at) * DNS_RECORDS_MAX);
		out->answer = DNS_FOUND;
		out->ttl = l->ttl < 30 ? 30 : l->ttl > 3600 ? 3600 : l->ttl;
	} else if (l->ttl < out->ttl)
		out->ttl = l->ttl < 30 ? 30 : l->ttl;
	if (l->size > 0)
		memcpy(data, l->data, l->size);
	data[l->size] = '\0';
	for (i = out->n; i > 0 && sorts_after(&out->at[i - 1], l); i--)
		out->at[i] = out->at[i - 1];
	r = &out->at[i];
	r->data = data;
	r->size = l->size;
	r->preference = l->preference;
	out->n++;
}

/* What stands at name. Returns the alias to follow, or NULL when out is the answer. */
static const char *
look(const char *name, enum dns_type type, struct arena *a, struct dns_records *out)
{
	enum kind kind = RECORD;
	bool there = false;
	const char *alias = NULL;
	const struct line *l;

	for (l = zone; l != NULL; l = l->next) {
		there = there || is_below(l->name, name);
		if (strcmp(l->name, name) != 0)
			continue;
		there = true;
		if (l->kind != RECORD) {
			if (l->type == type || l->type == ANY)
				kind = l->kind;
		} else if (l->type == CNAME)
			alias = (const char *)l->data;
		else if (l->type == (unsigned)type && out->n <= DNS_RECORDS_MAX) {
			if (out->n == DNS_RECORDS_MAX) {
				out->n = 0;
				fail(out, DNS_FAILED, "too many records");
				return NULL;
			}
			take(out, l, a);
		}
	}
	if (kind == NXDOMAIN || !there) {
		out->n = 0;
		out->answer = DNS_NO_NAME;
	} else if (out->n > 0)
		return NULL;
	else if (kind == TIMEOUT)
		fail(out, DNS_LATE, "no answer in time");
	else if (kind == SERVFAIL)
		fail(out, DNS_FAILED, "SERVFAIL");
	else if (alias != NULL)
		return alias;
	else
		out->answer = DNS_NO_DATA;
	return NULL;
}

static void
answer(const char *name, enum dns_type type, struct arena *a, struct dns_records *out)
{
	unsigned aliases = 0;

	out->ttl = TTL_DEFAULT;
	while ((name = look(name, type, a, out)) != NULL)
		if (++aliases > ALIASES_MAX) {
			fail(out, DNS_FAILED, "SERVFAIL (aliases in a loop)");
			return;
		}
}

struct dns *
dns_open(const struct dns_options *o, struct err *e)
{
	(void)o;
	(void)e;
	return need(calloc(1, sizeof(struct dns)));
}

void
dns_close(struct dns **d)
{
	free(*d);
	*d = NULL;
}

void
dns_ask(struct dns *d, const char *name, enum dns_type type, uint64_t deadline, struct arena *a,
    struct dns_records *out)
{
	char *asked = plain(name, strlen(name));
	void (*before)(void *, const char *, enum dns_type);
	void *cookie;

	(void)d;
	*out = (struct dns_records){ .answer = DNS_NO_NAME, .ttl = TTL_DEFAULT };
	if (!name_ok(asked)) {
		free(asked);
		return;
	}
	(void)pthread_mutex_lock(&zone_lock);
	before = zone_before;
	cookie = zone_cookie;
	note_asked(asked, type);
	(void)pthread_mutex_unlock(&zone_lock);
	if (before != NULL)
		before(cookie, asked, type);
	(void)pthread_mutex_lock(&zone_lock);
	if (clock_left(deadline) == 0)
		fail(out, DNS_LATE, "no answer in time");
	else
		answer(asked, type, a, out);
	zone_counts.failed += out->answer == DNS_FAILED;
	zone_counts.late += out->answer == DNS_LATE;
	(void)pthread_mutex_unlock(&zone_lock);
	free(asked);
}

void
dns_count(struct dns *d, struct dns_counts *to)
{
	(void)d;
	(void)pthread_mutex_lock(&zone_lock);
	*to = zone_counts;
	(void)pthread_mutex_unlock(&zone_lock);
}

/* A zone knows everything at once. */
void
dns_want(struct dns *d, const char *name, enum dns_type type, struct arena *a)
{
	(void)d;
	(void)name;
	(void)type;
	(void)a;
}
