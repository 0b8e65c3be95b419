/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_MAIL_PRIVATE_H
#define LIB_MAIL_PRIVATE_H
/*
 * mail_private - what mail.c (domains, addresses), mail_from.c (From fields) and
 * mail_text.c (encoded words, header values) need of each other. Nobody else includes it.
 *
 *     struct mail_text t;
 *     mail_text_begin(&t);
 *     mail_text_decode(&t, from, end);
 *     ... t.data, t.len ...
 *     mail_text_end(&t);
 */
#include <iconv.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/arena.h"
#include "lib/mail.h"

#define MAIL_DOMAIN_MAX 253	/* RFC 1035 section 2.3.4, without the trailing dot */

#define MAIL_ATEXT 1u	/* RFC 5322 section 3.2.3 with RFC 6532 section 3.2 */
#define MAIL_LDH 2u			/* in a domain; with '_', which hosts do have in mail from cron(8) */
#define MAIL_PHRASE 4u		/* in an unquoted display name: atext, '.' '[' ']' as everybody reads them */
#define MAIL_BLANK 8u

extern const unsigned char mail_byte_is[256];

static inline bool
mail_is(char c, unsigned what)
{
	return (mail_byte_is[(unsigned char)c] & what) != 0;
}

/* A piece of the text being read. */
struct mail_span {
	const char *at, *end;
};

extern const char mail_why_local[];

/* The table key of a domain; one trailing dot is allowed and goes. Returns its length, 0 when it is none. */
size_t mail_domain_write(const char *p, size_t n, char to[MAIL_DOMAIN_MAX + 1]);
/* Builds an address from its two halves as they were written. Returns NULL, or what is wrong. */
const char *mail_address_set(struct arena *a, struct mail_span local, struct mail_span domain,
    struct mail_address *to);
/* The end of the quoted string that begins at p, or NULL. */
const char *mail_quotes_end(const char *p, const char *end);

#define MAIL_TEXT_CHARSETS 96	/* at least as many as mail_text.c knows */

/* Decoded text on the heap, and the converters opened for it so far. */
struct mail_text {
	char *data;		/* never NULL between begin and end; not NUL-terminated, may hold NUL */
	size_t len, size;
	bool unknown;		/* a word held 8-bit text of a character set that is not known */
	iconv_t open[MAIL_TEXT_CHARSETS];	/* NULL = not opened yet */
};

void mail_text_begin(struct mail_text *t);
void mail_text_end(struct mail_text *t);
void mail_text_add(struct mail_text *t, const char *p, size_t n);

/* True when an encoded word begins at p: "=?charset?x?". It may lack its end. */
bool mail_text_opens(const char *p, const char *end);
/* Where the encoded word that begins at p ends (behind its "?="), or NULL. */
const char *mail_text_closes(const char *p, const char *end);
/* Appends the encoded word at p and those behind it that only blanks separate, decoded, as UTF-8
 * where the character set is known. Returns where it stopped; p itself when nothing could be decoded. */
const char *mail_text_run(struct mail_text *t, const char *p, const char *end);
/* Appends all of p..end with its encoded words decoded. */
void mail_text_decode(struct mail_text *t, const char *p, const char *end);

#endif
