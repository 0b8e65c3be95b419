/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * mail_text - what a header value says once it is unfolded and its RFC 2047
 * encoded words are decoded: for signatures, and for mail.c to see what a display name shows.
 *
 * It reads generously, because here the sender gains by being unreadable: blanks
 * inside a word, words longer than 75 bytes, a language tag and missing base64
 * padding are all accepted, as mail programs accept them. Whether a From field that
 * needs such generosity is still free of doubt is decided in mail.c.
 *
 * GMime's decoder is not used. It keeps every character set name that it ever met
 * (about 80 bytes each, measured with 3.2.13; the names come from the sender), and
 * decodes text of an unknown character set in ways that vary with the locale. Here
 * only the character sets of the table below reach iconv(3), each at most once a value.
 */
#include "lib/mail_private.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/arena.h"
#include "lib/mail.h"

#include "lib/banned.h"

#define CHARSET_NAME_MOST 60	/* bytes of "charset*language"; the longest registered name has 45 */
#define CHARSET_BYTES (-1)	/* no conversion */
#define CHARSET_UNKNOWN (-2)	/* nor that, and nobody knows what it says */

/* Names as mail carries them, and what iconv(3) reads them with: supersets where mail
 * programs use those (a "gb2312" message holds GBK, an "iso-8859-1" one windows-1252); NULL means that
 * the bytes stay. No UTF-16, UTF-32, EBCDIC: mail holds none of them, and they would hide ASCII. */
static const struct {
	const char *name;
	const char *iconv;
} charsets[] = {
	{ "utf-8", NULL }, { "utf8", NULL }, { "us-ascii", NULL }, { "ascii", NULL },
	{ "ansi_x3.4-1968", NULL }, { "unknown-8bit", NULL }, { "x-unknown", NULL }, { "unknown", NULL },
	{ "iso-8859-1", "CP1252" }, { "iso_8859-1", "CP1252" }, { "latin1", "CP1252" },
	{ "iso-8859-2", "ISO-8859-2" }, { "latin2", "ISO-8859-2" }, { "iso-8859-3", "ISO-8859-3" },
	{ "iso-8859-4", "ISO-8859-4" }, { "iso-8859-5", "ISO-8859-5" }, { "iso-8859-6", "ISO-8859-6" },
	{ "iso-8859-7", "ISO-8859-7" }, { "iso-8859-8", "ISO-8859-8" }, { "iso-8859-8-i", "ISO-8859-8" },
	{ "iso-8859-9", "CP1254" }, { "iso-8859-10", "ISO-8859-10" }, { "iso-8859-11", "CP874" },
	{ "iso-8859-13", "ISO-8859-13" }, { "iso-8859-14", "ISO-8859-14" },
	{ "iso-8859-15", "ISO-8859-15" }, { "iso-8859-16", "ISO-8859-16" }, { "windows-874", "CP874" },
	{ "tis-620", "CP874" }, { "windows-1250", "CP1250" }, { "windows-1251", "CP1251" },
	{ "cp1251", "CP1251" }, { "windows-1252", "CP1252" }, { "cp1252", "CP1252" },
	{ "windows-1253", "CP1253" }, { "windows-1254", "CP1254" }, { "windows-1255", "CP1255" },
	{ "windows-1256", "CP1256" }, { "windows-1257", "CP1257" }, { "windows-1258", "CP1258" },
	{ "ibm850", "CP850" }, { "cp866", "CP866" }, { "ibm866", "CP866" }, { "koi8-r", "KOI8-R" },
	{ "koi8-u", "KOI8-U" }, { "macintosh", "MACINTOSH" }, { "gb2312", "GB18030" },
	{ "gbk", "GB18030" }, { "gb18030", "GB18030" }, { "cp936", "GB18030" }, { "big5", "BIG5-HKSCS" },
	{ "big5-hkscs", "BIG5-HKSCS" }, { "euc-tw", "EUC-TW" }, { "iso-2022-jp", "ISO-2022-JP" },
	{ "shift_jis", "CP932" }, { "shift-jis", "CP932" }, { "sjis", "CP932" },
	{ "windows-31j", "CP932" }, { "euc-jp", "EUC-JP" }, { "iso-2022-kr", "ISO-2022-KR" },
	{ "euc-kr", "CP949" }, { "ks_c_5601-1987", "CP949" }, { "cp949", "CP949" }, { "utf-7", "UTF-7" },
	{ "utf7", "UTF-7" }, { "unicode-1-1-utf-7", "UTF-7" }, { "csunicode11utf7", "UTF-7" },
	{ "iso8859-1", "CP1252" }, { "latin-1", "CP1252" }, { "iso8859-2", "ISO-8859-2" },
	{ "cp1250", "CP1250" }, { "x-sjis", "CP932" }, { "x-gbk", "GB18030" }, { "cn-gb", "GB18030" },
	{ "gb_2312-80", "GB18030" }, { "iso-2022-jp-2", "ISO-2022-JP-2" }, { "x-mac-roman", "MACINTOSH" },
};
_Static_assert(sizeof(charsets) / sizeof(charsets[0]) <= MAIL_TEXT_CHARSETS, "a converter for each");

struct word {
	const char *charset, *charset_end;
	char encoding;			/* 'q' or 'b', or something that is neither */
	const char *text, *text_end;	/* text_end is set by word_read only */
};

void
mail_text_begin(struct mail_text *t)
{
	memset(t, 0, sizeof(*t));
	mail_text_add(t, "", 0);	/* so that data is never NULL */
}

void
mail_text_end(struct mail_text *t)
{
	for (size_t i = 0; i < MAIL_TEXT_CHARSETS; i++) {
		if (t->open[i] != NULL && t->open[i] != (iconv_t)-1)
			(void)iconv_close(t->open[i]);
	}
	free(t->data);
	memset(t, 0, sizeof(*t));
}

void
mail_text_add(struct mail_text *t, const char *p, size_t n)
{
	if (t->data == NULL || n > t->size - t->len) {
		t->size = (t->len + n) * 2 + 256;
		t->data = realloc(t->data, t->size);
		if (t->data == NULL)
			abort();	/* as arena_new(): the MTA's default action speaks then */
	}
	memcpy(t->data + t->len, p, n);
	t->len += n;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* A byte of a character set name; what may stand in one (RFC 2978 section 2.3) and what does. */
static bool
is_charset_byte(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
	    c == '-' || c == '_' || c == '.' || c == ':' || c == '+';
}

static bool
word_opens(const char *p, const char *end, struct word *w)
{
	const char *q;

	if (end - p < 6 || p[0] != '=' || p[1] != '?')
		return false;
	w->charset = w->charset_end = NULL;
	for (q = p + 2; q < end && q - p <= CHARSET_NAME_MOST; q++) {
		if (*q == '*' && w->charset_end == NULL)
			w->charset_end = q;	/* RFC 2231 section 5: a language follows */
		else if (!is_charset_byte(*q))
			break;
	}
	if (end - q < 3 || q == p + 2 || q[0] != '?' || q[2] != '?')
		return false;
	w->charset = p + 2;
	if (w->charset_end == NULL)
		w->charset_end = q;
	w->encoding = (char)(q[1] | 0x20);
	w->text = q + 3;
	return true;
}

static bool
word_read(const char *p, const char *end, struct word *w)
{
	if (!word_opens(p, end, w))
		return false;
	/* RFC 2047 section 2: the text holds no '?'. This keeps us linear, too: each look
	 * ahead stops where the next may begin. */
	w->text_end = memchr(w->text, '?', (size_t)(end - w->text));
	return w->text_end != NULL && end - w->text_end >= 2 && w->text_end[1] == '=';
}

bool
mail_text_opens(const char *p, const char *end)
{
	struct word w;

	return word_opens(p, end, &w);
}

const char *
mail_text_closes(const char *p, const char *end)
{
	struct word w;

	return word_read(p, end, &w) ? w.text_end + 2 : NULL;
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
decode_q(struct mail_text *to, const char *p, const char *end)
{
	for (; p < end; p++) {
		char c = *p;

		if (c == '_') {
			c = ' ';
		} else if (c == '=') {
			int high = end - p > 2 ? hex_value(p[1]) : -1;
			int low = end - p > 2 ? hex_value(p[2]) : -1;

			if (high < 0 || low < 0)
				return false;
			c = (char)(high << 4 | low);
			p += 2;
		}
		mail_text_add(to, &c, 1);
	}
	return true;
}

static int
base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static bool
decode_b(struct mail_text *to, const char *p, const char *end)
{
	uint32_t bits = 0;
	unsigned have = 0;

	for (; p < end && *p != '='; p++) {
		int value = base64_value(*p);
		char c;

		if (is_blank(*p))
			continue;
		if (value < 0)
			return false;
		bits = (bits << 6 | (uint32_t)value) & 0xffff;
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		c = (char)(bits >> have & 0xff);
		mail_text_add(to, &c, 1);
	}
	/* Only padding may follow; whether it is complete matters to nobody. */
	for (; p < end; p++) {
		if (*p != '=' && !is_blank(*p))
			return false;
	}
	return true;
}

static bool
word_decode(struct mail_text *to, const struct word *w)
{
	if (w->encoding == 'q')
		return decode_q(to, w->text, w->text_end);
	if (w->encoding == 'b')
		return decode_b(to, w->text, w->text_end);
	return false;
}

static int
charset_find(const struct word *w)
{
	const size_t n = (size_t)(w->charset_end - w->charset);

	for (size_t i = 0; i < sizeof(charsets) / sizeof(charsets[0]); i++) {
		const char *name = charsets[i].name;

		if (name[0] == (w->charset[0] | 0x20) && strncasecmp(name, w->charset, n) == 0 && name[n] == '\0')
			return charsets[i].iconv == NULL ? CHARSET_BYTES : (int)i;
	}
	return CHARSET_UNKNOWN;
}

/*
 * A converter. glibc loads a character set's module for the first and unloads it some time after the last:
 * 40 us each time, and a header can name sixty character sets over and over. So one of each stays open for
 * the life of the process, unused, and opening another costs less than 1 us.
 */
static iconv_t
open_converter(int charset)
{
	static _Atomic(iconv_t) kept[MAIL_TEXT_CHARSETS];	/* NULL = none yet */
	iconv_t none = NULL, first;

	if (atomic_load_explicit(&kept[charset], memory_order_acquire) == NULL) {
		first = iconv_open("UTF-8", charsets[charset].iconv);
		if (first != (iconv_t)-1 && !atomic_compare_exchange_strong(&kept[charset], &none, first))
			(void)iconv_close(first);	/* another thread was first */
	}
	return iconv_open("UTF-8", charsets[charset].iconv);
}

/* Turns what stands in t from the offset on into UTF-8, or leaves it when it is not of that character set. */
static void
convert(struct mail_text *t, size_t from, int charset)
{
	char space[1024], *raw, *in, *out;
	size_t in_left = t->len - from, out_left;
	bool ok = true;
	iconv_t c;

	if (charset < 0 || in_left == 0)
		return;
	if (t->open[charset] == NULL)
		t->open[charset] = open_converter(charset);
	c = t->open[charset];
	if (c == (iconv_t)-1)
		return;

	raw = malloc(in_left);
	if (raw == NULL)
		abort();
	memcpy(raw, t->data + from, in_left);
	in = raw;
	(void)iconv(c, NULL, NULL, NULL, NULL);
	t->len = from;
	while (ok && in_left > 0) {
		const size_t before = in_left;
		size_t done;

		out = space;
		out_left = sizeof(space);
		done = iconv(c, &in, &in_left, &out, &out_left);
		if (in_left == 0)	/* some converters hold a character back (CP1258, BIG5-HKSCS) */
			(void)iconv(c, NULL, NULL, &out, &out_left);
		mail_text_add(t, space, sizeof(space) - out_left);
		ok = done != (size_t)-1 || in_left < before;	/* full space is no error, no progress is */
	}
	if (!ok) {
		t->len = from;
		mail_text_add(t, raw, (size_t)(in - raw) + in_left);
	}
	free(raw);
}

const char *
mail_text_run(struct mail_text *t, const char *p, const char *end)
{
	size_t from = t->len;		/* where the bytes begin that are not converted yet */
	int charset = CHARSET_BYTES;
	const char *next = p;
	struct word w;

	while (word_read(next, end, &w)) {
		const int its = charset_find(&w);
		size_t before;

		/* Words of one character set are converted together: senders split characters. */
		if (its != charset) {
			convert(t, from, charset);
			from = t->len;
			charset = its;
		}
		before = t->len;
		if (!word_decode(t, &w)) {
			t->len = before;
			break;
		}
		for (size_t i = before; its == CHARSET_UNKNOWN && i < t->len; i++)
			t->unknown |= (unsigned char)t->data[i] >= 0x80;
		p = next = w.text_end + 2;
		while (next < end && is_blank(*next))
			next++;
	}
	convert(t, from, charset);
	return p;
}

void
mail_text_decode(struct mail_text *t, const char *p, const char *end)
{
	while (p < end) {
		const char *mark = memchr(p, '=', (size_t)(end - p));
		const char *after;

		if (mark == NULL)
			mark = end;
		mail_text_add(t, p, (size_t)(mark - p));
		if (mark == end)
			return;
		after = mail_text_run(t, mark, end);
		if (after == mark) {
			mail_text_add(t, mark, 1);
			after++;
		}
		p = after;
	}
}

/* Characters that look like a blank, or like nothing, in UTF-8. Put between letters they would
 * hide a word from a pattern. */
static const struct {
	char bytes[4];
	unsigned char last;	/* the last byte may go on to this one */
	bool blank;
} odd[] = {
	{ "\xc2\xa0", 0xa0, true }, { "\xc2\xad", 0xad, false }, { "\xe2\x80\x80", 0x8a, true },
	{ "\xe2\x80\x8b", 0x8f, false }, { "\xe2\x80\xa8", 0xa9, true }, { "\xe2\x80\xaa", 0xae, false },
	{ "\xe2\x80\xaf", 0xaf, true }, { "\xe2\x81\xa0", 0xaf, false }, { "\xe3\x80\x80", 0x80, true },
	{ "\xef\xbb\xbf", 0xbf, false },
};

/* The length of an odd character at p, or 0. */
static size_t
odd_at(const char *p, const char *end, bool *blank)
{
	if ((unsigned char)*p < 0xc2)
		return 0;
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		const size_t n = strlen(odd[i].bytes);
		const unsigned char first = (unsigned char)odd[i].bytes[n - 1];

		if ((size_t)(end - p) < n || memcmp(p, odd[i].bytes, n - 1) != 0)
			continue;
		if ((unsigned char)p[n - 1] < first || (unsigned char)p[n - 1] > odd[i].last)
			continue;
		*blank |= odd[i].blank;
		return n;
	}
	return 0;
}

/* Copies with every run of blanks made one and none at either end. A NUL that a word decodes to is
 * a blank as well: it must not end the text that is searched. */
static const char *
squeeze(struct arena *a, const char *p, size_t n)
{
	const char *const end = p + n;
	char *text = arena_alloc(a, n + 1), *to = text;
	bool blank = false;

	while (p < end) {
		const size_t skip = odd_at(p, end, &blank);

		if (skip > 0) {
			p += skip;
			continue;
		}
		if (*p == ' ' || *p == '\0' || (*p >= '\t' && *p <= '\r')) {
			blank = true;
			p++;
			continue;
		}
		if (blank && to > text)
			*to++ = ' ';
		blank = false;
		*to++ = *p++;
	}
	*to = '\0';
	return text;
}

const char *
mail_header_text(struct arena *a, const char *value, size_t max)
{
	const size_t n = value == NULL ? 0 : strnlen(value, max);
	struct mail_text t;
	const char *text;

	if (n == 0)
		return arena_strdup(a, "");
	if (memmem(value, n, "=?", 2) == NULL)
		return squeeze(a, value, n);
	mail_text_begin(&t);
	mail_text_decode(&t, value, value + n);
	text = squeeze(a, t.data, t.len);
	mail_text_end(&t);
	return text;
}
