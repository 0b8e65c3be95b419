/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_STR_H
#define LIB_STR_H
/*
 * str - bounded text: a buffer that never overflows, key=value lines that
 * cannot be forged by what is put in them, durations, sizes, ASCII case.
 *
 *     char space[512];
 *     struct str s = STR_IN(space);
 *     str_kv(&s, "customer", "acme");        -> customer=acme
 *     str_kv(&s, "subject", "a \"b\"\n");    -> subject="a \"b\"\x0a"
 *
 * All functions are thread safe; nothing here allocates.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct str {
	char *data;	/* always NUL-terminated once written to */
	size_t len;	/* without the NUL */
	size_t size;	/* space, with the NUL */
	bool cut;	/* something did not fit and was left out */
};

#define STR_IN(array) { (array), 0, sizeof(array), false }

/* Appends; what does not fit is left out and s->cut is set. */
void str_cat(struct str *s, const char *text);
void str_catn(struct str *s, const char *text, size_t n);
void str_catf(struct str *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Appends " key=value" (the blank only where something stands before). A value
 * with anything but printable ASCII other than blank, '"', '\\', '=' is put in quotes; '"' and
 * '\\' get a backslash, every control character and every byte that is not part of valid
 * UTF-8 becomes \xNN; in a value with a blank '=' does too, so that a script that knows nothing of quotes
 * finds no key in it. An empty or NULL value appends nothing. At most 256 bytes of
 * the value are taken; a longer one ends in "...". */
void str_kv(struct str *s, const char *key, const char *value);
/* The same, of a number. */
void str_kvu(struct str *s, const char *key, uint64_t value);
/* Appends text with what is not printable ASCII or valid UTF-8 as \xNN; for messages to people. */
void str_cat_safe(struct str *s, const char *text);

/* ASCII-only lower case, in place; other bytes stay. Returns text. */
char *str_lower(char *text);
/* ASCII-only comparison without case. */
bool str_ieq(const char *a, const char *b);
/* Copies into a fixed buffer; false when it had to be cut. */
bool str_copy(char *to, size_t size, const char *from);

/* "90s" "15m" "2h" "7d" "400d" "50ms", a bare number = seconds: milliseconds in *ms.
 * Returns 1, or 0 when text is no duration or does not fit. */
int str_duration(const char *text, uint64_t *ms);
/* Writes the shortest exact form: 3600000 -> "1h", 90000 -> "90s", 50 -> "50ms". */
void str_duration_text(uint64_t ms, char *to, size_t size);
/* "10k" "64M" "2G" (powers of 1024), or bytes. Returns 1, or 0. */
int str_size(const char *text, uint64_t *bytes);
/* For people: "7 min", "2 h", "45 s" - rounded up, never "0". */
void str_wait_text(uint64_t ms, char *to, size_t size);

/* True when the n bytes are valid UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool str_utf8(const char *text, size_t n);

#endif
