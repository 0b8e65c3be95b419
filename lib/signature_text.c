/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * signature_text - the value of a header field as signatures see it.
 *
 * mail_header_text() unfolds and decodes. What remains is what people who do not want to be recognised
 * write on purpose: letters of other alphabets that look the same, characters that show nothing, the
 * field's own name once more in front, blanks and percent signs inside a URL. All of it is undone
 * here, for comparing only: nothing of this ever reaches the message.
 *
 * It deliberately knows no signature. Every step reads a bounded text once and makes it no longer.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "lib/mail.h"
#include "lib/signature_private.h"
#include "lib/str.h"

#include "lib/banned.h"

/* Letters drawn like ASCII ones, in order of their code points. Only those that a reader would take for the
 * ASCII letter: an honest word in another alphabet stays mostly itself, and signatures go through the same
 * table. */
static const struct { uint16_t point; char ascii; } signature_alike[] = {
	{ 0x00a0, ' ' }, { 0x0131, 'i' }, { 0x0251, 'a' }, { 0x0261, 'g' },
	{ 0x0391, 'A' }, { 0x0392, 'B' }, { 0x0395, 'E' }, { 0x0396, 'Z' }, { 0x0397, 'H' }, { 0x0399, 'I' },
	{ 0x039a, 'K' }, { 0x039c, 'M' }, { 0x039d, 'N' }, { 0x039f, 'O' }, { 0x03a1, 'P' }, { 0x03a4, 'T' },
	{ 0x03a5, 'Y' }, { 0x03a7, 'X' }, { 0x03b1, 'a' }, { 0x03b9, 'i' }, { 0x03ba, 'k' }, { 0x03bd, 'v' },
	{ 0x03bf, 'o' }, { 0x03c1, 'p' }, { 0x03c4, 't' }, { 0x03c5, 'u' }, { 0x03c7, 'x' }, { 0x03f2, 'c' },
	{ 0x03f3, 'j' }, { 0x03f9, 'C' },
	{ 0x0405, 'S' }, { 0x0406, 'I' }, { 0x0408, 'J' }, { 0x0410, 'A' }, { 0x0412, 'B' }, { 0x0415, 'E' },
	{ 0x041a, 'K' }, { 0x041c, 'M' }, { 0x041d, 'H' }, { 0x041e, 'O' }, { 0x0420, 'P' }, { 0x0421, 'C' },
	{ 0x0422, 'T' }, { 0x0423, 'Y' }, { 0x0425, 'X' }, { 0x0430, 'a' }, { 0x0435, 'e' }, { 0x043a, 'k' },
	{ 0x043c, 'm' }, { 0x043e, 'o' }, { 0x0440, 'p' }, { 0x0441, 'c' }, { 0x0442, 't' }, { 0x0443, 'y' },
	{ 0x0445, 'x' }, { 0x0455, 's' }, { 0x0456, 'i' }, { 0x0458, 'j' }, { 0x04ae, 'Y' }, { 0x04ba, 'h' },
	{ 0x04bb, 'h' }, { 0x04c0, 'I' }, { 0x04cf, 'l' }, { 0x0501, 'd' }, { 0x051a, 'Q' }, { 0x051b, 'q' },
	{ 0x051c, 'W' }, { 0x051d, 'w' },
	{ 0x2010, '-' }, { 0x2011, '-' }, { 0x2012, '-' }, { 0x2013, '-' }, { 0x2014, '-' }, { 0x2018, '\'' },
	{ 0x2019, '\'' }, { 0x201c, '"' }, { 0x201d, '"' }, { 0x2024, '.' }, { 0x202f, ' ' }, { 0x2044, '/' },
	{ 0x205f, ' ' }, { 0x2212, '-' }, { 0x2215, '/' }, { 0x3000, ' ' },
};

/* Characters that take no room on a screen (categories Cf and some of Mn). */
static const struct { uint32_t from, to; } signature_unseen[] = {
	{ 0x00ad, 0x00ad }, { 0x034f, 0x034f }, { 0x061c, 0x061c }, { 0x115f, 0x1160 }, { 0x17b4, 0x17b5 },
	{ 0x180b, 0x180f }, { 0x200b, 0x200f }, { 0x202a, 0x202e }, { 0x2060, 0x206f }, { 0x3164, 0x3164 },
	{ 0xfe00, 0xfe0f }, { 0xfeff, 0xfeff }, { 0xffa0, 0xffa0 }, { 0xfff9, 0xfffb }, { 0xe0000, 0xe0fff },
};

/* One UTF-8 character at text: its length, 0 when there is none. */
static size_t
signature_point(const char *text, uint32_t *point)
{
	const unsigned char *c = (const unsigned char *)text;
	size_t n = c[0] >= 0xf0 ? 4 : c[0] >= 0xe0 ? 3 : 2, i;

	if (c[0] < 0xc2 || c[0] > 0xf4)
		return 0;
	*point = c[0] & (0xffu >> (n + 1));
	for (i = 1; i < n; i++) {
		if ((c[i] & 0xc0) != 0x80)	/* also the NUL at the end */
			return 0;
		*point = *point << 6 | (c[i] & 0x3fu);
	}
	return n;
}

static bool
signature_is_unseen(uint32_t point)
{
	size_t i;

	for (i = 0; i < sizeof(signature_unseen) / sizeof(signature_unseen[0]); i++)
		if (point >= signature_unseen[i].from && point <= signature_unseen[i].to)
			return true;
	return false;
}

/* The ASCII character that this one looks like, or NUL. */
static char
signature_look(uint32_t point)
{
	size_t low = 0, high = sizeof(signature_alike) / sizeof(signature_alike[0]), middle;

	if (point >= 0xff01 && point <= 0xff5e)		/* full-width forms */
		return (char)(point - 0xff01 + 0x21);
	if (point >= 0x2000 && point <= 0x200a)		/* blanks of all widths */
		return ' ';
	if (point >= 0x1d400 && point <= 0x1d6a3) {	/* mathematical alphabets: 13 of 52 letters */
		point = (point - 0x1d400) % 52;
		return (char)(point < 26 ? 'A' + point : 'a' + point - 26);
	}
	if (point >= 0x1d7ce && point <= 0x1d7ff)
		return (char)('0' + (point - 0x1d7ce) % 10);
	while (low < high) {
		middle = (low + high) / 2;
		if (signature_alike[middle].point == point)
			return signature_alike[middle].ascii;
		if (signature_alike[middle].point < point)
			low = middle + 1;
		else
			high = middle;
	}
	return '\0';
}

static bool
signature_is_ascii(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text >= 0x80)
			return false;
	return true;
}

char *
signature_plain(struct arena *a, const char *text)
{
	char *out = arena_alloc(a, strlen(text) + 1), *to = out, look;
	uint32_t point;
	size_t n;

	while (*text != '\0') {
		n = (unsigned char)*text < 0x80 ? 0 : signature_point(text, &point);
		if (n == 0) {
			*to++ = *text++;
		} else if (signature_is_unseen(point)) {
			text += n;
		} else if ((look = signature_look(point)) != '\0') {
			*to++ = look;
			text += n;
		} else {
			memcpy(to, text, n);
			to += n;
			text += n;
		}
	}
	*to = '\0';
	return out;
}

/* One blank for a run of them, none at the ends: looking alike may have made new ones. */
static void
signature_squeeze(char *text)
{
	char *to = text;
	const char *from;

	for (from = text; *from != '\0'; from++) {
		if (*from != ' ' && *from != '\t')
			*to++ = *from;
		else if (to > text && to[-1] != ' ')
			*to++ = ' ';
	}
	while (to > text && to[-1] == ' ')
		to--;
	*to = '\0';
}

/* Steps over a name and its colon, or over a lone colon; at itself when neither stands there. */
static const char *
signature_skip_one(const char *name, const char *at)
{
	const size_t n = strlen(name);
	const char *c = strncasecmp(at, name, n) == 0 ? at + n : at;

	while (*c == ' ')
		c++;
	if (*c != ':')
		return at;
	for (c++; *c == ' '; c++)
		;
	return c;
}

/* "X-Mailer: X-Mailer: name" and "X-Mailer: : name": steps over what repeats the field's own name, or that of
 * the field from which a program's name was moved here. */
static const char *
signature_skip_name(const char *name, const char *value)
{
	const bool mailer = strcmp(name, "user-agent") == 0;
	const char *at = value, *next;

	for (;; at = next) {
		next = signature_skip_one(name, at);
		if (next == at && mailer)
			next = signature_skip_one("x-mailer", at);
		if (next == at)
			return at;
	}
}

static int
signature_hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 :
	    c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* %2F and its like; only what becomes a visible ASCII character, so that nothing new is hidden by it. */
static char
signature_percent(const char *at)
{
	int high, low, c;

	if (at[0] != '%' || (high = signature_hex(at[1])) < 0 || (low = signature_hex(at[2])) < 0)
		return '\0';
	c = high << 4 | low;
	return c > 0x20 && c < 0x7f ? (char)c : '\0';
}

/* Inside <...>: blanks left by folding go, and in a URL percent-encoding is undone. */
static void
signature_clean_brackets(char *text)
{
	char *to = text, *from = text, c;
	bool inside = false, url = false;

	for (; *from != '\0'; from++) {
		if (*from == '<') {
			inside = true;
			url = false;
		} else if (*from == '>') {
			inside = false;
		} else if (inside && *from == ':') {
			url = true;
		} else if (inside && (*from == ' ' || *from == '\t')) {
			continue;
		} else if (inside && url && (c = signature_percent(from)) != '\0') {
			*to++ = c;
			from += 2;
			continue;
		}
		*to++ = *from;
	}
	*to = '\0';
}

const char *
signature_text(struct arena *a, const char *name, const char *value, size_t max, size_t *bytes)
{
	const char *text = mail_header_text(a, value, max);
	char *copy;

	if (!signature_is_ascii(text)) {
		copy = signature_plain(a, text);
		signature_squeeze(copy);
		text = copy;
	}
	text = signature_skip_name(name, text);
	if (strchr(text, '<') != NULL && strpbrk(text, " %") != NULL) {
		copy = arena_strdup(a, text);
		signature_clean_brackets(copy);
		text = copy;
	}
	*bytes = strlen(text);
	return text;
}

/* Most bodies with a URL in them are quoted-printable (RFC 2045 6.7): of it, the soft line ends and "=3D" are
 * what stands within one. The rest stays as it came. */
const char *
signature_body_text(struct arena *a, const char *body, size_t n, size_t *bytes)
{
	char *text = arena_alloc(a, n + 1), *to = text;
	size_t i;

	for (i = 0; i < n; i++) {
		if (body[i] == '=' && i + 2 < n && body[i + 1] == '3' && (body[i + 2] | 0x20) == 'd') {
			*to++ = '=';
			i += 2;
		} else if (body[i] == '=' && i + 1 < n && body[i + 1] == '\n') {
			i += 1;
		} else if (body[i] == '=' && i + 2 < n && body[i + 1] == '\r' && body[i + 2] == '\n') {
			i += 2;
		} else {
			*to++ = body[i] == '\0' ? ' ' : body[i];
		}
	}
	*to = '\0';
	*bytes = (size_t)(to - text);
	return text;
}
