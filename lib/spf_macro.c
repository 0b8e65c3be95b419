/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * spf_macro - checks and expands the macros of RFC 7208 section 7.
 *
 * libspf2 has an expander too, but Debian's overruns its memory on a record made for that (CVE-2023-42118)
 * and loses the first character where a transformer keeps as many labels as there are. So macros are expanded
 * here, and libspf2 never sees one.
 *
 * Of a long result only the end counts (section 7.3: labels are dropped at the left until 253 characters
 * remain), so only the end is kept: space is constant whatever a record asks for. What exp= would say is not
 * expanded: nobody here reads explanations.
 */
#include "lib/spf_macro.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/dns.h"

#include "lib/banned.h"

#define DELIMITERS ".-+,/_="

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c);
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* ---- one macro as written ---- */

struct macro {
	char letter;		/* lower case */
	bool escape;		/* it was written in upper case: URL escapes */
	bool reverse;
	unsigned keep;		/* right-hand parts to keep; 0 = all */
	const char *delimiters;
	size_t n_delimiters;	/* 0: a dot */
};

/* Reads "%{...}", "%%", "%_" or "%-" at text. Returns its bytes; 0 with *why when it is none. letter is '\0'
 * of the short ones. */
static size_t
read_macro(const char *text, size_t n, struct macro *m, const char **why)
{
	size_t i = 3, digits;

	*m = (struct macro){ 0 };
	if (n >= 2 && memchr("%_-", text[1], 3) != NULL)
		return 2;
	if (n < 2 || text[1] != '{') {
		*why = "a '%' must begin a macro such as %{d}, or be written %%";
		return 0;
	}
	m->letter = n > 2 ? lower(text[2]) : '\0';
	if (m->letter == '\0' || memchr("slodiphcrtv", m->letter, 11) == NULL) {
		*why = "there is no macro of this letter";
		return 0;
	}
	m->escape = text[2] != m->letter;
	for (digits = i; i < n && is_digit(text[i]); i++)
		m->keep = m->keep > 1000 ? 1000 : m->keep * 10 + (unsigned)(text[i] - '0');
	if (i > digits && m->keep == 0) {
		*why = "a macro cannot keep 0 parts";
		return 0;
	}
	if (i < n && (text[i] == 'r' || text[i] == 'R')) {
		m->reverse = true;
		i++;
	}
	m->delimiters = text + i;
	while (i < n && memchr(DELIMITERS, text[i], sizeof(DELIMITERS) - 1) != NULL)
		i++;
	m->n_delimiters = (size_t)(text + i - m->delimiters);
	if (i >= n || text[i] != '}') {
		*why = "a macro is not closed by '}' where it must be";
		return 0;
	}
	return i + 1;
}

/* ---- whether a text is right ---- */

/* toplabel: letters, digits and hyphens, neither hyphen first or last, not digits alone. */
static bool
is_toplabel(const char *text, size_t n)
{
	bool other = false;
	size_t i;

	if (n == 0 || text[0] == '-' || text[n - 1] == '-')
		return false;
	for (i = 0; i < n; i++) {
		if (!is_alnum(text[i]) && text[i] != '-')
			return false;
		other = other || !is_digit(text[i]);
	}
	return other;
}

/* domain-end: the literal text behind the last macro ends in "." toplabel [ "." ]. */
static const char *
end_wrong(const char *text, size_t n)
{
	size_t from;

	if (n > 0 && text[n - 1] == '.')
		n--;
	for (from = n; from > 0 && text[from - 1] != '.';)
		from--;
	if (from == 0)
		return "the domain must end in a dot and a top-level name, or in a macro";
	if (!is_toplabel(text + from, n - from))
		return "its domain ends in no top-level name (an address belongs behind ip4: or ip6:)";
	return NULL;
}

const char *
spf_macro_wrong(const char *text, size_t n, bool domain)
{
	size_t i = 0, taken, literal = 0;
	const char *why = NULL;
	struct macro m;

	if (domain && n == 0)
		return "a domain must follow";
	while (i < n) {
		if (text[i] < 0x21 || text[i] > 0x7e)
			return "only visible ASCII characters may stand in a record";
		if (text[i] != '%') {
			i++;
			continue;
		}
		taken = read_macro(text + i, n - i, &m, &why);
		if (taken == 0)
			return why;
		if (domain && m.letter != '\0' && memchr("crt", m.letter, 3) != NULL)
			return "the macros c, r and t may stand in an explanation only";
		i += taken;
		literal = i;
	}
	return domain && literal < n ? end_wrong(text + literal, n - literal) : NULL;
}

/* ---- what comes of it ---- */

/* The end of a text that grows. */
#define TAIL_KEPT 512u		/* more than a name can have */
struct tail {
	char data[4 * TAIL_KEPT];
	size_t n;
};

static void
tail_add(struct tail *t, char c)
{
	if (t->n == sizeof(t->data)) {
		memcpy(t->data, t->data + t->n - TAIL_KEPT, TAIL_KEPT);
		t->n = TAIL_KEPT;
	}
	t->data[t->n++] = c;
}

static void
tail_value(struct tail *t, const char *text, size_t n, bool escape)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t i;

	for (i = 0; i < n; i++) {
		if (!escape || is_alnum(text[i]) || memchr("-._~", text[i], 4) != NULL) {
			tail_add(t, text[i]);
			continue;
		}
		tail_add(t, '%');
		tail_add(t, hex[(unsigned char)text[i] >> 4]);
		tail_add(t, hex[(unsigned char)text[i] & 15]);
	}
}

/* 192.0.2.1, or of IPv6 each half byte with dots between (section 7.3). */
static void
address_text(const struct net_addr *a, char to[64])
{
	static const char hex[] = "0123456789abcdef";
	size_t i;

	if (a->bits == 32) {
		(void)inet_ntop(AF_INET, a->byte, to, 64);
		return;
	}
	for (i = 0; i < 16; i++) {
		to[4 * i] = hex[a->byte[i] >> 4];
		to[4 * i + 1] = to[4 * i + 3] = '.';
		to[4 * i + 2] = hex[a->byte[i] & 15];
	}
	to[63] = '\0';
}

/* The value of a letter; joined is room for what is put together. c, r and t stand in no domain-spec. */
static const char *
value_of(char letter, const struct spf_macro_values *v, char *joined, size_t size)
{
	switch (letter) {
	case 's':
		(void)snprintf(joined, size, "%s@%s", v->local, v->sender_domain);
		return joined;
	case 'l':
		return v->local;
	case 'o':
		return v->sender_domain;
	case 'd':
		return v->domain;
	case 'h':
		return v->helo;
	case 'p':
		return v->validated(v->cookie);
	case 'v':
		return v->client->bits == 32 ? "in-addr" : "ip6";
	case 'i':
		address_text(v->client, joined);
		return joined;
	default:
		return "";
	}
}

/* The value's parts, turned round and cut as the macro says, joined by dots. */
static void
tail_macro(struct tail *t, const struct macro *m, const char *value)
{
	uint16_t from[SPF_MACRO_VALUE_MAX + 2];
	const char *delimiters = m->n_delimiters > 0 ? m->delimiters : ".";
	const size_t n_delimiters = m->n_delimiters > 0 ? m->n_delimiters : 1;
	size_t length = strlen(value), n = 0, i, k;

	if (length > SPF_MACRO_VALUE_MAX)
		return;
	from[n++] = 0;
	for (i = 0; i < length; i++)
		if (memchr(delimiters, value[i], n_delimiters) != NULL)
			from[n++] = (uint16_t)(i + 1);
	from[n] = (uint16_t)(length + 1);
	for (i = m->keep > 0 && m->keep < n ? n - m->keep : 0; i < n; i++) {
		k = m->reverse ? n - 1 - i : i;
		tail_value(t, value + from[k], (size_t)(from[k + 1] - from[k]) - 1, m->escape);
		if (i + 1 < n)
			tail_add(t, '.');
	}
}

/* Section 7.3: the left side is dropped label by label until 253 characters remain. */
static const char *
tail_name(const struct tail *t, struct arena *a)
{
	const char *from = t->data, *dot;
	size_t n = t->n;

	if (n > 0 && from[n - 1] == '.')
		n--;
	while (n > DNS_NAME_MAX && (dot = memchr(from, '.', n)) != NULL) {
		n -= (size_t)(dot + 1 - from);
		from = dot + 1;
	}
	return arena_strndup(a, from, n);
}

static bool
is_ascii(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text > 0x7e)
			return false;
	return true;
}

const char *
spf_macro_expand(const char *text, size_t n, const struct spf_macro_values *v, struct arena *a,
    bool *personal, bool *foreign)
{
	char joined[SPF_MACRO_VALUE_MAX + 1];
	const char *why;
	struct tail t;
	struct macro m;
	size_t i = 0, taken;

	t.n = 0;
	while (i < n) {
		if (text[i] != '%') {
			tail_add(&t, text[i++]);
			continue;
		}
		taken = read_macro(text + i, n - i, &m, &why);
		if (taken == 0)
			break;	/* spf_macro_wrong has seen to it */
		if (m.letter != '\0') {
			tail_macro(&t, &m, value_of(m.letter, v, joined, sizeof(joined)));
			if (m.letter == 'l' || m.letter == 's') {
				*personal = true;
				*foreign = *foreign || !is_ascii(v->local);
			}
		} else if (text[i + 1] == '-') {
			tail_value(&t, " ", 1, true);
		} else {
			tail_add(&t, text[i + 1] == '_' ? ' ' : '%');
		}
		i += taken;
	}
	return tail_name(&t, a);
}
