/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * str - bounded text: every log line, alert and reply is put together here.
 *
 * The one rule that the rest relies on: whatever a client puts in a value, the
 * reader of a key=value line sees that value under its own key and no other key. Hence
 * quoting, escapes, and pairs that are appended whole or not at all.
 *
 * It deliberately knows no locale (ASCII case only, RFC 5321 and IDNA A-labels
 * need no more) and allocates nothing.
 */
#include "lib/str.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/banned.h"

#define STR_VALUE_MOST 256	/* bytes of a value that str_kv takes */

/* Length of the UTF-8 sequence at p, 0 when there is none (RFC 3629 section 4). */
static size_t
str_utf8_at(const unsigned char *p, size_t n, uint32_t *code)
{
	static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len, i;

	if (n == 0)
		return 0;
	*code = p[0];
	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		len = 2;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
		len = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		len = 4;
	else
		return 0;
	if (len > n)
		return 0;

	*code = p[0] & (0x7fu >> len);
	for (i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (p[i] & 0x3fu);
	}
	if (*code < least[len] || *code > 0x10ffff || (*code >= 0xd800 && *code <= 0xdfff))
		return 0;
	return len;
}

bool
str_utf8(const char *text, size_t n)
{
	const unsigned char *p = (const unsigned char *)text;
	uint32_t code;
	size_t len;

	for (; n > 0; p += len, n -= len) {
		len = str_utf8_at(p, n, &code);
		if (len == 0)
			return false;
	}
	return true;
}

/* How many of n bytes may stay when the text is cut there: a character is kept whole or goes. */
static size_t
str_cut_at(const char *text, size_t n)
{
	const unsigned char *p = (const unsigned char *)text;
	uint32_t code;
	size_t start = n, back;

	for (back = 1; back <= 4 && back <= n; back++) {
		if ((p[n - back] & 0xc0) != 0x80) {
			start = n - back;
			break;
		}
	}
	/* Only a character that was begun and not finished goes; other bytes were no UTF-8 to begin with. */
	if (start < n && p[start] >= 0xc2 && str_utf8_at(p + start, n - start, &code) == 0)
		return start;
	return n;
}

void
str_catn(struct str *s, const char *text, size_t n)
{
	size_t left;

	if (text == NULL || n == 0)
		return;
	if (s->data == NULL || s->size == 0) {
		s->cut = true;
		return;
	}
	left = s->size - 1 - s->len;
	if (n > left) {
		n = str_cut_at(text, left);
		s->cut = true;
	}
	memcpy(s->data + s->len, text, n);
	s->len += n;
	s->data[s->len] = '\0';
}

void
str_cat(struct str *s, const char *text)
{
	if (text != NULL)
		str_catn(s, text, strlen(text));
}

void
str_catf(struct str *s, const char *fmt, ...)
{
	size_t left;
	va_list ap;
	int n;

	if (s->data == NULL || s->size == 0) {
		s->cut = true;
		return;
	}
	left = s->size - s->len;
	va_start(ap, fmt);
	n = vsnprintf(s->data + s->len, left, fmt, ap);
	va_end(ap);
	if (n < 0) {
		s->data[s->len] = '\0';
		s->cut = true;
	} else if ((size_t)n >= left) {
		s->len += str_cut_at(s->data + s->len, left - 1);
		s->data[s->len] = '\0';
		s->cut = true;
	} else {
		s->len += (size_t)n;
	}
}

/* Characters that end a line, move the cursor or turn the direction of what
 * follows on somebody's screen: C0, DEL, C1, line and paragraph separators, bidi controls. */
static bool
str_code_unsafe(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code <= 0x9f) || code == 0x200e || code == 0x200f ||
	    code == 0x2028 || code == 0x2029 || (code >= 0x202a && code <= 0x202e) ||
	    (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}

/* Writes n bytes as \xNN. */
static size_t
str_escape(const unsigned char *p, size_t n, char *to)
{
	static const char digits[] = "0123456789abcdef";
	size_t i, len = 0;

	for (i = 0; i < n; i++) {
		to[len++] = '\\';
		to[len++] = 'x';
		to[len++] = digits[p[i] >> 4];
		to[len++] = digits[p[i] & 15];
	}
	return len;
}

/* The character at p in its safe form, at most 16 bytes; *taken: how many bytes of p it was. */
static size_t
str_safe_at(const unsigned char *p, size_t n, char to[16], size_t *taken)
{
	uint32_t code = 0;
	size_t len = str_utf8_at(p, n, &code);

	*taken = len == 0 ? 1 : len;
	if (len == 0 || str_code_unsafe(code))
		return str_escape(p, *taken, to);
	memcpy(to, p, len);
	return len;
}

void
str_cat_safe(struct str *s, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t n, len, taken;
	char safe[16];

	if (text == NULL)
		return;
	for (n = strlen(text); n > 0 && !s->cut; p += taken, n -= taken) {
		len = str_safe_at(p, n, safe, &taken);
		/* Half an escape would be read as something else. */
		if (s->size == 0 || len > s->size - 1 - s->len)
			s->cut = true;
		else
			str_catn(s, safe, len);
	}
}

/* Appends the whole pair, or nothing: a value cut short could be taken for another one. */
static void
str_pair(struct str *s, const char *key, const char *value, size_t n)
{
	size_t key_len = strlen(key), blank = s->len > 0 ? 1 : 0;

	if (s->size == 0 || blank + key_len + 1 + n > s->size - 1 - s->len) {
		s->cut = true;
		return;
	}
	str_catn(s, " ", blank);
	str_catn(s, key, key_len);
	str_catn(s, "=", 1);
	str_catn(s, value, n);
}

static bool
str_plain(const char *value, size_t n)
{
	const unsigned char *p = (const unsigned char *)value;
	size_t i;

	for (i = 0; i < n; i++)
		if (p[i] <= 0x20 || p[i] >= 0x7f || p[i] == '"' || p[i] == '\\' || p[i] == '=')
			return false;
	return true;
}

void
str_kv(struct str *s, const char *key, const char *value)
{
	char text[4 * STR_VALUE_MOST + sizeof("\"...\"")];
	const unsigned char *p = (const unsigned char *)value;
	size_t n, len = 0, taken;
	bool more, quote, blank;

	if (value == NULL || value[0] == '\0')
		return;
	n = strnlen(value, STR_VALUE_MOST + 1);
	more = n > STR_VALUE_MOST;
	if (more)
		n = str_cut_at(value, STR_VALUE_MOST);

	quote = !str_plain(value, n);
	/* Scripts that split lines at blanks or grep for " customer=acme" know nothing of quotes: where a
	 * value holds a blank, it may hold no '='. */
	blank = memchr(value, ' ', n) != NULL;
	if (quote)
		text[len++] = '"';
	for (; n > 0; p += taken, n -= taken) {
		if (*p == '=' && blank) {
			memcpy(text + len, "\\x3d", 4);
			len += 4;
			taken = 1;
			continue;
		}
		if (*p == '"' || *p == '\\')
			text[len++] = '\\';
		len += str_safe_at(p, n, text + len, &taken);
	}
	if (more) {
		memcpy(text + len, "...", 3);
		len += 3;
	}
	if (quote)
		text[len++] = '"';
	str_pair(s, key, text, len);
}

void
str_kvu(struct str *s, const char *key, uint64_t value)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%" PRIu64, value);

	str_pair(s, key, text, (size_t)n);
}

char *
str_lower(char *text)
{
	char *p;

	for (p = text; *p != '\0'; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p + ('a' - 'A'));
	return text;
}

static unsigned char
str_lower_char(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

bool
str_ieq(const char *a, const char *b)
{
	for (; str_lower_char(*a) == str_lower_char(*b); a++, b++)
		if (*a == '\0')
			return true;
	return false;
}

bool
str_copy(char *to, size_t size, const char *from)
{
	size_t n = from == NULL ? 0 : strlen(from), keep = n;

	if (size == 0)
		return false;
	if (n >= size)
		keep = str_cut_at(from, size - 1);
	if (keep > 0)
		memcpy(to, from, keep);
	to[keep] = '\0';
	return keep == n;
}

struct str_unit {
	const char *name;
	uint64_t factor;
};

/* Largest first: the text form takes the first that divides. "" reads as seconds. */
static const struct str_unit str_durations[] = {
	{ "d", (uint64_t)24 * 3600 * 1000 },
	{ "h", (uint64_t)3600 * 1000 },
	{ "m", (uint64_t)60 * 1000 },
	{ "s", 1000 },
	{ "ms", 1 },
	{ "", 1000 },
	{ NULL, 0 }
};

static const struct str_unit str_sizes[] = {
	{ "", 1 },
	{ "k", (uint64_t)1 << 10 },
	{ "m", (uint64_t)1 << 20 },
	{ "g", (uint64_t)1 << 30 },
	{ NULL, 0 }
};

/* Digits and a unit, nothing else: no sign, no blank, no fraction. */
static int
str_number(const char *text, const struct str_unit *units, bool any_case, uint64_t *to)
{
	const struct str_unit *u;
	uint64_t value = 0;
	unsigned digit;

	if (text == NULL || *text < '0' || *text > '9')
		return 0;
	for (; *text >= '0' && *text <= '9'; text++) {
		digit = (unsigned)(*text - '0');
		if (value > (UINT64_MAX - digit) / 10)
			return 0;
		value = value * 10 + digit;
	}
	for (u = units; u->name != NULL; u++) {
		if (any_case ? !str_ieq(text, u->name) : strcmp(text, u->name) != 0)
			continue;
		if (value > UINT64_MAX / u->factor)
			return 0;
		*to = value * u->factor;
		return 1;
	}
	return 0;
}

int
str_duration(const char *text, uint64_t *ms)
{
	return str_number(text, str_durations, false, ms);
}

void
str_duration_text(uint64_t ms, char *to, size_t size)
{
	const struct str_unit *u = str_durations;

	if (ms == 0) {
		(void)snprintf(to, size, "0s");
		return;
	}
	while (ms % u->factor != 0)
		u++;
	(void)snprintf(to, size, "%" PRIu64 "%s", ms / u->factor, u->name);
}

int
str_size(const char *text, uint64_t *bytes)
{
	return str_number(text, str_sizes, true, bytes);
}

static uint64_t
str_round_up(uint64_t n, uint64_t by)
{
	return n / by + (n % by != 0 ? 1 : 0);
}

void
str_wait_text(uint64_t ms, char *to, size_t size)
{
	uint64_t s = ms == 0 ? 1 : str_round_up(ms, 1000);

	/* "2 min" for 66 s would double a short wait. */
	if (s < 120 && s != 60)
		(void)snprintf(to, size, "%" PRIu64 " s", s);
	else if (s <= 90 * 60 && s != 3600)
		(void)snprintf(to, size, "%" PRIu64 " min", str_round_up(s, 60));
	else if (s <= 48 * 3600)
		(void)snprintf(to, size, "%" PRIu64 " h", str_round_up(s, 3600));
	else
		(void)snprintf(to, size, "%" PRIu64 " d", str_round_up(s, 24 * 3600));
}
