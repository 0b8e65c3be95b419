/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * mail - domains and addresses as table keys: whatever form a customer's program
 * writes, one mailbox has one key, and no two readers take a key for two addresses.
 *
 * ASCII domains, nearly all there are, are read here in one pass (0.05 us an address); only labels
 * with 8-bit characters or "xn--" go to libidn2 (2 us). IDNA is taken strictly: of what UTS 46
 * would map, only case and NFC are accepted, because mail programs differ in the rest.
 *
 * It deliberately allows what MTAs allow in an envelope (quoted local parts, careless dots,
 * underscores in host names) and knows no tables. From fields are read in mail_from.c.
 */
#include "lib/mail.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include <glib.h>
#include <idn2.h>

#include "lib/mail_private.h"
#include "lib/str.h"

#include "lib/banned.h"

#define LABEL_MAX 63
#define HEADER_NAME_MAX 76	/* so that a value still fits on the 78 of RFC 5322 section 2.1.1 */

#define ATOM (MAIL_ATEXT | MAIL_PHRASE)
#define HOST (ATOM | MAIL_LDH)

const unsigned char mail_byte_is[256] = {
	['\t'] = MAIL_BLANK, ['\n'] = MAIL_BLANK, ['\r'] = MAIL_BLANK, [' '] = MAIL_BLANK,
	['a' ... 'z'] = HOST, ['A' ... 'Z'] = HOST, ['0' ... '9'] = HOST, ['-'] = HOST, ['_'] = HOST,
	['!'] = ATOM, ['#'] = ATOM, ['$'] = ATOM, ['%'] = ATOM, ['&'] = ATOM, ['\''] = ATOM, ['*'] = ATOM,
	['+'] = ATOM, ['/'] = ATOM, ['='] = ATOM, ['?'] = ATOM, ['^'] = ATOM, ['`'] = ATOM, ['{'] = ATOM,
	['|'] = ATOM, ['}'] = ATOM, ['~'] = ATOM, [0x80 ... 0xff] = ATOM,
	['.'] = MAIL_PHRASE, ['['] = MAIL_PHRASE, [']'] = MAIL_PHRASE,
};

const char mail_why_local[] = "an address has a local part that is not valid";

static bool
is_ascii(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)p[i] >= 0x80)
			return false;
	}
	return true;
}

/* Lower case and NFC without a locale. The caller frees it with g_free. NULL when text is not
 * UTF-8 or is longer than an address. */
static char *
fold_utf8(const char *text)
{
	char lower[6 * MAIL_ADDRESS_MAX + 1];
	const size_t n = strlen(text);
	size_t len = 0;

	if (n > MAIL_ADDRESS_MAX || !str_utf8(text, n))
		return NULL;
	for (const char *p = text; *p != '\0'; p = g_utf8_next_char(p))
		len += (size_t)g_unichar_to_utf8(g_unichar_tolower(g_utf8_get_char(p)), lower + len);
	return g_utf8_normalize(lower, (gssize)len, G_NORMALIZE_NFC);
}

/* True when the A-label stands for just this label, apart from case and NFC. UTS 46 maps much more
 * (full width letters and dots, letters in circles, invisible characters): a reader without that
 * table takes the same label for another name. */
static bool
label_says(const char *alabel, const char *label)
{
	char *shown = NULL, *left, *right;
	bool same;

	if (idn2_to_unicode_8z8z(alabel, &shown, 0) != IDN2_OK)
		return false;
	left = fold_utf8(shown);	/* Cherokee is the script whose A-labels hold capitals */
	right = fold_utf8(label);
	same = left != NULL && right != NULL && strcmp(left, right) == 0;
	g_free(left);
	g_free(right);
	idn2_free(shown);
	return same;
}

/* One label with 8-bit characters, or one that begins with "xn--". Returns the length of the
 * A-label, 0 when IDNA2008 refuses it. */
static size_t
label_idn(const char *p, size_t n, char to[LABEL_MAX + 1])
{
	char label[256];
	uint8_t *alabel = NULL;
	size_t len = 0;

	if (n >= sizeof(label))
		return 0;
	memcpy(label, p, n);
	label[n] = '\0';
	if (!str_utf8(label, n))
		return 0;
	if (idn2_lookup_u8((const uint8_t *)label, &alabel, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
		return 0;
	len = strlen((const char *)alabel);
	if (len > LABEL_MAX || strncmp((const char *)alabel, "xn--", 4) != 0)
		len = 0;
	for (size_t i = 0; i < len; i++) {
		if (!mail_is((char)alabel[i], MAIL_LDH) || alabel[i] == '_')
			len = 0;
	}
	if (len > 0 && !is_ascii(label, n) && !label_says((const char *)alabel, label))
		len = 0;
	memcpy(to, alabel, len);
	idn2_free(alabel);
	return len;
}

static size_t
label_ascii(const char *p, size_t n, char to[LABEL_MAX + 1])
{
	if (n > LABEL_MAX || p[0] == '-' || p[n - 1] == '-')
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (!mail_is(p[i], MAIL_LDH))
			return 0;
		to[i] = p[i] >= 'A' && p[i] <= 'Z' ? (char)(p[i] | 0x20) : p[i];
	}
	return n;
}

/* The table key of a domain; one trailing dot is allowed and goes. Returns its length, 0 when it is none. */
size_t
mail_domain_write(const char *p, size_t n, char to[MAIL_DOMAIN_MAX + 1])
{
	const char *end = p + n;
	size_t len = 0;

	if (n > 0 && end[-1] == '.')
		end--;
	for (;;) {
		const char *dot = memchr(p, '.', (size_t)(end - p));
		size_t label_n = (size_t)((dot == NULL ? end : dot) - p), got;
		char label[LABEL_MAX + 1];

		if (label_n == 0)
			return 0;
		if ((label_n >= 4 && strncasecmp(p, "xn--", 4) == 0) || !is_ascii(p, label_n))
			got = label_idn(p, label_n, label);
		else
			got = label_ascii(p, label_n, label);
		if (got == 0 || len + got + 1 > MAIL_DOMAIN_MAX + 1)
			return 0;
		memcpy(to + len, label, got);
		len += got;
		if (dot == NULL)
			break;
		to[len++] = '.';
		p = dot + 1;
	}
	to[len] = '\0';
	return len > MAIL_DOMAIN_MAX ? 0 : len;
}

const char *
mail_domain(struct arena *a, const char *text)
{
	char domain[MAIL_DOMAIN_MAX + 1];
	size_t n;

	if (text == NULL)
		return NULL;
	n = strnlen(text, 4 * MAIL_DOMAIN_MAX);
	n = mail_domain_write(text, n, domain);
	return n == 0 ? NULL : arena_strndup(a, domain, n);
}

/* "[192.0.2.1]" or "[IPv6:2001:db8::1]" (RFC 5321 section 4.1.3) in its one lower-case form.
 * Returns the length, or 0. */
static size_t
literal_write(const char *p, size_t n, char to[MAIL_DOMAIN_MAX + 1])
{
	char text[INET6_ADDRSTRLEN + 8], canonical[INET6_ADDRSTRLEN];
	struct str out = { to, 0, MAIL_DOMAIN_MAX + 1, false };
	unsigned char raw[16];
	bool v6;

	if (n < 3 || p[n - 1] != ']' || n - 2 >= sizeof(text))
		return 0;
	memcpy(text, p + 1, n - 2);
	text[n - 2] = '\0';
	v6 = strncasecmp(text, "IPv6:", 5) == 0;
	if (inet_pton(v6 ? AF_INET6 : AF_INET, v6 ? text + 5 : text, raw) != 1)
		return 0;
	if (inet_ntop(v6 ? AF_INET6 : AF_INET, raw, canonical, sizeof(canonical)) == NULL)
		return 0;
	str_catf(&out, "[%s%s]", v6 ? "ipv6:" : "", canonical);
	return out.len;
}

/* Characters that nobody sees, that turn the writing round, or that are '@' in another width:
 * no mailbox is called so, and some reader drops or maps them. */
static const struct {
	gunichar from, to;
} unfit[] = {
	{ 0x80, 0xa0 }, { 0xad, 0xad }, { 0x34f, 0x34f }, { 0x61c, 0x61c }, { 0x115f, 0x1160 },
	{ 0x17b4, 0x17b5 }, { 0x180b, 0x180f }, { 0x2000, 0x200f }, { 0x2028, 0x202f }, { 0x205f, 0x206f },
	{ 0x3000, 0x3000 }, { 0x3164, 0x3164 }, { 0xfe00, 0xfe0f }, { 0xfe6b, 0xfe6b }, { 0xfeff, 0xfeff },
	{ 0xff20, 0xff20 }, { 0xffa0, 0xffa0 }, { 0xfff0, 0xffff }, { 0xe0000, 0xe0fff },
};

static bool
local_is_fit(const char *text)
{
	if (!str_utf8(text, strlen(text)))
		return false;
	for (const char *p = text; *p != '\0'; p = g_utf8_next_char(p)) {
		gunichar c = g_utf8_get_char(p);

		for (size_t i = 0; i < G_N_ELEMENTS(unfit); i++) {
			if (c >= unfit[i].from && c <= unfit[i].to)
				return false;
		}
	}
	return true;
}

/* Reads a local part, dot-atom or quoted string, into to without its quotes. Dots may stand
 * anywhere: MTAs let them through and nobody reads another domain. Returns its length, 0 when it is
 * none or empty; *quoted says whether it needs quotes. */
static size_t
local_read(struct mail_span raw, char to[MAIL_ADDRESS_MAX + 1], bool *quoted)
{
	const bool in_quotes = raw.at < raw.end && *raw.at == '"';
	size_t n = 0;
	bool high = false;

	*quoted = false;
	if (raw.end - raw.at > MAIL_ADDRESS_MAX)
		return 0;
	if (in_quotes && (raw.end - raw.at < 3 || raw.end[-1] != '"'))
		return 0;
	if (in_quotes) {
		raw.at++;
		raw.end--;
	}
	for (const char *p = raw.at; p < raw.end; p++) {
		if (in_quotes && *p == '"')
			return 0;
		if (in_quotes && *p == '\\' && ++p == raw.end)
			return 0;
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return 0;
		if (!mail_is(*p, MAIL_ATEXT) && *p != '.') {
			if (!in_quotes)
				return 0;
			*quoted = true;
		}
		high |= (unsigned char)*p >= 0x80;
		to[n++] = *p;
	}
	to[n] = '\0';
	return high && !local_is_fit(to) ? 0 : n;
}

/* Appends the local part as it stands in a table key: lower case, with quotes where it needs them. */
static void
local_write_key(struct str *to, const char *local, size_t n, bool quoted)
{
	char *folded = NULL;

	if (!is_ascii(local, n))
		folded = fold_utf8(local);
	if (folded != NULL)
		local = folded;
	if (!quoted) {
		str_cat(to, local);
	} else {
		str_cat(to, "\"");
		for (const char *p = local; *p != '\0'; p++) {
			if (*p == '"' || *p == '\\')
				str_cat(to, "\\");
			str_catn(to, p, 1);
		}
		str_cat(to, "\"");
	}
	g_free(folded);
	str_lower(to->data);
}

/* The part of a lower-case local part that names the mailbox. BATV: prvs=tag=local
 * (draft-levine-smtp-batv). VERP and detail begin at the first '+'; other VERP forms cannot be told
 * from names. SRS addresses are the forwarder's own. */
static struct mail_span
local_base(struct mail_span key)
{
	const char *p;

	if (*key.at == '"')
		return key;
	if (key.end - key.at > 5 && (memcmp(key.at, "srs0", 4) == 0 || memcmp(key.at, "srs1", 4) == 0) &&
	    (key.at[4] == '=' || key.at[4] == '+' || key.at[4] == '-'))
		return key;
	if (key.end - key.at > 5 && memcmp(key.at, "prvs=", 5) == 0) {
		p = memchr(key.at + 5, '=', (size_t)(key.end - key.at - 5));
		if (p != NULL && p > key.at + 5 && p + 1 < key.end)
			key.at = p + 1;
	}
	p = memchr(key.at, '+', (size_t)(key.end - key.at));
	if (p != NULL && p > key.at)
		key.end = p;
	return key;
}

static void
address_set_base(struct arena *a, struct mail_address *to, size_t local_n)
{
	struct mail_span whole = { to->text, to->text + local_n }, base = local_base(whole);

	if (base.at == whole.at && base.end == whole.end)
		to->base = to->text;
	else
		to->base = arena_printf(a, "%.*s@%s", (int)(base.end - base.at), base.at, to->domain);
}

/* Builds an address from its two halves as they were written. Returns NULL, or what is wrong. */
const char *
mail_address_set(struct arena *a, struct mail_span local, struct mail_span domain, struct mail_address *to)
{
	char plain[MAIL_ADDRESS_MAX + 1], lower[2 * MAIL_ADDRESS_MAX + 8], name[MAIL_DOMAIN_MAX + 1];
	struct str key = STR_IN(lower);
	size_t plain_n, name_n;
	bool quoted;
	char *block;

	if (domain.end - local.at > MAIL_ADDRESS_MAX)
		return "an address is too long";
	plain_n = local_read(local, plain, &quoted);
	if (plain_n == 0)
		return mail_why_local;
	if (*domain.at == '[')
		name_n = literal_write(domain.at, (size_t)(domain.end - domain.at), name);
	else
		name_n = mail_domain_write(domain.at, (size_t)(domain.end - domain.at), name);
	if (name_n == 0)
		return "an address has a domain that is not valid";
	local_write_key(&key, plain, plain_n, quoted);

	block = arena_alloc(a, plain_n + 1 + key.len + 1 + name_n + 1);
	memcpy(block, plain, plain_n + 1);
	to->null = false;
	to->local = block;
	block += plain_n + 1;
	memcpy(block, key.data, key.len);
	block[key.len] = '@';
	memcpy(block + key.len + 1, name, name_n + 1);
	to->text = block;
	to->domain = block + key.len + 1;
	address_set_base(a, to, key.len);
	return NULL;
}

/* The end of a quoted string that begins at p, or NULL. */
const char *
mail_quotes_end(const char *p, const char *end)
{
	for (p++; p < end; p++) {
		if (*p == '"')
			return p + 1;
		if (*p == '\\')
			p++;
	}
	return NULL;
}

int
mail_address_parse(struct arena *a, const char *text, struct mail_address *to)
{
	struct mail_span local, domain;
	size_t n = text == NULL ? 0 : strnlen(text, MAIL_ADDRESS_MAX + 3);

	if (n >= 2 && text[0] == '<' && text[n - 1] == '>') {
		text++;
		n -= 2;
	}
	if (n == 0) {
		*to = (struct mail_address){ .null = true, .text = "", .base = "" };
		return 1;
	}
	local.at = text;
	domain.end = text + n;
	if (*text == '"')
		local.end = mail_quotes_end(text, domain.end);
	else
		local.end = memchr(text, '@', n);
	if (local.end == NULL || local.end == domain.end || *local.end != '@')
		return 0;
	domain.at = local.end + 1;
	return domain.at < domain.end && mail_address_set(a, local, domain, to) == NULL;
}

bool
mail_header_name_ok(const char *name)
{
	size_t n = 0;

	if (name == NULL)
		return false;
	for (; name[n] != '\0'; n++) {
		if (n == HEADER_NAME_MAX || name[n] <= ' ' || name[n] > '~' || name[n] == ':')
			return false;
	}
	return n > 0;
}
