/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * spf_record - the strict front: reads an SPF record term by term, by the grammar of RFC 7208 section 12
 * and nothing wider.
 *
 * Debian's libspf2 takes what the RFC forbids, refuses some that it allows, and can be crashed by a record.
 * It is never shown one: what stands in the DNS is read here, and lib/spf.c writes new records for it
 * from these terms.
 *
 * Deliberately no tree and no list of terms: a record may be 64 kB of them, and the reader keeps none.
 */
#include "lib/spf_record.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "lib/spf_macro.h"
#include "lib/str.h"

#include "lib/banned.h"

#define SHOWN_MAX 80	/* bytes of a term that an error shows */

static const char version[] = "v=spf1";
#define VERSION_SIZE (sizeof(version) - 1)

enum wants { NO_DOMAIN, MAY_DOMAIN, NEEDS_DOMAIN, NEEDS_NETWORK };
static const struct mechanism {
	const char *name;
	enum spf_kind kind;
	enum wants wants;
	bool cidr, counts;
} mechanisms[] = {
	{ "all", SPF_ALL, NO_DOMAIN, false, false },
	{ "include", SPF_INCLUDE, NEEDS_DOMAIN, false, true },
	{ "a", SPF_A, MAY_DOMAIN, true, true },
	{ "mx", SPF_MX, MAY_DOMAIN, true, true },
	{ "ptr", SPF_PTR, MAY_DOMAIN, false, true },
	{ "ip4", SPF_IP4, NEEDS_NETWORK, true, false },
	{ "ip6", SPF_IP6, NEEDS_NETWORK, true, false },
	{ "exists", SPF_EXISTS, NEEDS_DOMAIN, false, true },
};

static bool
is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool
spf_record_counts(enum spf_kind kind)
{
	size_t i;

	for (i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++)
		if (mechanisms[i].kind == kind)
			return mechanisms[i].counts;
	return kind == SPF_REDIRECT;
}

bool
spf_record_begins(const char *text, size_t n)
{
	return n >= VERSION_SIZE && strncasecmp(text, version, VERSION_SIZE) == 0 &&
	    (n == VERSION_SIZE || text[VERSION_SIZE] == ' ');
}

void
spf_record_start(struct spf_reader *r, const char *text, size_t n)
{
	*r = (struct spf_reader){ .at = text + VERSION_SIZE, .end = text + n };
}

/* Returns -1, like err_set. */
static int
wrong(struct err *e, const struct spf_term *t, const char *why)
{
	char shown[4 * SHOWN_MAX + 8], one[2] = "";
	const size_t n = t->size < SHOWN_MAX ? t->size : SHOWN_MAX;
	struct str s = STR_IN(shown);
	size_t i;

	for (i = 0; i < n; i++) {
		*one = t->text[i];
		if (*one == '\0')
			str_cat(&s, "\\x00");
		else
			str_cat_safe(&s, one);	/* no term that is right has UTF-8 in it */
	}
	if (n < t->size)
		str_cat(&s, "...");
	return err_set(e, ERR_INPUT, "the term \"%s\": %s", n == 0 ? "" : shown, why);
}

/* Takes "/digits" off the end of the n bytes: *length is its value; -1 when it is not written as one. Returns
 * what remains. An empty length is left to the caller, which finds the '/' where none may be. */
static size_t
take_length(const char *text, size_t n, int *length)
{
	size_t at = n;

	while (at > 0 && is_digit(text[at - 1]))
		at--;
	if (at == n || at == 0 || text[at - 1] != '/')
		return n;
	*length = -1;
	if (n - at <= 3 && (text[at] != '0' || n - at == 1)) {
		*length = text[at] - '0';
		while (++at < n)
			*length = *length * 10 + (text[at] - '0');
	}
	while (text[--at] != '/')
		;
	return at;
}

/* [ "/" ip4-cidr-length ] [ "//" ip6-cidr-length ] at the end of the n bytes; returns what remains. */
static size_t
take_lengths(const char *text, size_t n, struct spf_term *to, const char **why)
{
	int length4 = 32, length6 = 128, last = -2;
	size_t left = take_length(text, n, &last);

	if (left < n && left > 0 && text[left - 1] == '/') {
		length6 = last;
		n = --left;
		left = take_length(text, n, &length4);
	} else if (left < n) {
		length4 = last;
	}
	if (length4 < 0 || length4 > 32 || length6 < 0 || length6 > 128) {
		*why = length4 < 0 || length4 > 32 ?
		    "the prefix length of IPv4 is 0 to 32, without leading zeros" :
		    "the prefix length of IPv6 is 0 to 128, without leading zeros";
		return left;
	}
	to->length4 = (unsigned)length4;
	to->length6 = (unsigned)length6;
	return left;
}

static const char *
read_domain(const char *text, size_t n, struct spf_term *to)
{
	to->domain = text;
	to->domain_size = n;
	return spf_macro_wrong(text, n, true);
}

/* An address with its one length: "/24" of ip4, "/64" of ip6. */
static const char *
read_network(const char *text, size_t n, struct spf_term *to)
{
	const bool four = to->kind == SPF_IP4;
	const int most = four ? 32 : 128;
	char plain[NET_TEXT];
	int length = most;

	n = take_length(text, n, &length);
	if (length < 0 || length > most)
		return four ? "the prefix length of IPv4 is 0 to 32, without leading zeros" :
		    "the prefix length of IPv6 is 0 to 128, without leading zeros";
	if (n == 0 || n >= sizeof(plain))
		return four ? "this is no IPv4 address" : "this is no IPv6 address";
	memcpy(plain, text, n);
	plain[n] = '\0';
	to->net = (struct net_addr){ .bits = (uint8_t)most };
	if (inet_pton(four ? AF_INET : AF_INET6, plain, to->net.byte) != 1)
		return four ? "this is no IPv4 address" : "this is no IPv6 address";
	if (four)
		to->length4 = (unsigned)length;
	else
		to->length6 = (unsigned)length;
	return NULL;
}

/* What stands behind a mechanism's name. */
static const char *
read_argument(const struct mechanism *m, const char *text, size_t n, struct spf_term *to)
{
	const char *why = NULL;

	if (m->wants == NEEDS_NETWORK) {
		if (n < 2 || *text != ':')
			return "an address must follow";
		return read_network(text + 1, n - 1, to);
	}
	if (m->cidr) {
		n = take_lengths(text, n, to, &why);
		if (why != NULL)
			return why;
	}
	if (n == 0)
		return m->wants == NEEDS_DOMAIN ? "a domain must follow" : NULL;
	if (*text != ':' || m->wants == NO_DOMAIN)
		return m->wants == NO_DOMAIN ? "nothing may follow" : "this is not how it is written";
	return read_domain(text + 1, n - 1, to);
}

static const char *
read_mechanism(const char *text, size_t n, struct spf_term *to)
{
	size_t i, name;

	if (n > 0 && memchr("+-~?", *text, 4) != NULL) {
		to->qualifier = *text++;
		n--;
	}
	for (name = 0; name < n && text[name] != ':' && text[name] != '/'; name++)
		;
	for (i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++) {
		if (strlen(mechanisms[i].name) != name || strncasecmp(mechanisms[i].name, text, name) != 0)
			continue;
		to->kind = mechanisms[i].kind;
		return read_argument(&mechanisms[i], text + name, n - name, to);
	}
	return "there is no such mechanism";
}

static const char *
read_modifier(const char *text, size_t name, struct spf_term *to)
{
	const char *value = text + name + 1;
	const size_t n = to->size - name - 1;

	if (name == 8 && strncasecmp(text, "redirect", 8) == 0)
		to->kind = SPF_REDIRECT;
	else if (name == 3 && strncasecmp(text, "exp", 3) == 0)
		to->kind = SPF_EXP;
	else
		return spf_macro_wrong(value, n, false);
	return read_domain(value, n, to);
}

int
spf_record_term(const char *text, size_t n, struct spf_term *to, struct err *e)
{
	const char *why;
	size_t i;

	*to = (struct spf_term){ .kind = SPF_OTHER, .qualifier = '+', .text = text, .size = n,
		.length4 = 32, .length6 = 128 };
	if (n > SPF_TERM_MAX)
		return wrong(e, to, "it is longer than 1500 bytes");
	for (i = 0; i < n; i++)
		if (text[i] < 0x21 || text[i] > 0x7e)
			return wrong(e, to, "only visible ASCII characters may stand in a record");
	/* name = ALPHA *( ALPHA / DIGIT / "-" / "_" / "." ), then '=': a modifier. */
	for (i = 0; i < n &&
	     (is_alpha(text[i]) || (i > 0 && (is_digit(text[i]) || memchr("-_.", text[i], 3) != NULL)));)
		i++;
	why = i > 0 && i < n && text[i] == '=' ? read_modifier(text, i, to) : read_mechanism(text, n, to);
	return why == NULL ? 1 : wrong(e, to, why);
}

int
spf_record_next(struct spf_reader *r, struct spf_term *to, struct err *e)
{
	const char *from;

	while (r->at < r->end && *r->at == ' ')
		r->at++;
	if (r->at == r->end)
		return 0;
	for (from = r->at; r->at < r->end && *r->at != ' ';)
		r->at++;
	if (spf_record_term(from, (size_t)(r->at - from), to, e) == -1)
		return -1;
	if ((to->kind == SPF_REDIRECT && r->redirect) || (to->kind == SPF_EXP && r->exp))
		return wrong(e, to, "it stands there twice");
	r->redirect = r->redirect || to->kind == SPF_REDIRECT;
	r->exp = r->exp || to->kind == SPF_EXP;
	return 1;
}
