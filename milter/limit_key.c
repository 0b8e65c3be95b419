/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * limit_key - builds the store's key of a limit from what is known of a message or said by a person.
 *
 * A key is read by people (gatepostctl top) and compared by the store of every relay, so the same
 * subject must give the same bytes everywhere: ASCII lower case, one order, one escape. Two subjects
 * never share a key, short of a collision of the 64-bit digest in a key that had to be cut; there
 * they would share a window, which is strict, never loose.
 */
#include "milter/limit_key.h"

#include <stdint.h>
#include <string.h>

#include "lib/banned.h"

#define DIGEST_TEXT 18	/* "%~" and 16 digits */

static const char digits[] = "0123456789abcdef";

/* Writes into to what fits and digests everything. */
struct writer {
	char *to;
	size_t size, len;
	uint64_t digest;
};

static void
put(struct writer *w, char c)
{
	if (w->len + 1 < w->size)
		w->to[w->len] = c;
	w->len++;
	w->digest = (w->digest ^ (unsigned char)c) * 1099511628211u;	/* FNV-1a */
}

static void
put_part(struct writer *w, const char *part)
{
	for (; *part != '\0'; part++) {
		unsigned char c = (unsigned char)*part;

		if (c == '|' || c == '%' || c < 0x20 || c == 0x7f) {
			put(w, '%');
			put(w, digits[c >> 4]);
			put(w, digits[c & 15]);
		} else {
			if (c >= 'A' && c <= 'Z')
				c = (unsigned char)(c + ('a' - 'A'));
			put(w, (char)c);
		}
	}
}

/* Ends the text; one that does not fit gets the digest as its tail. */
static void
finish(struct writer *w)
{
	char *tail;
	int i;

	if (w->len < w->size) {
		w->to[w->len] = '\0';
		return;
	}
	tail = w->to + w->size - 1 - DIGEST_TEXT;
	*tail++ = '%';
	*tail++ = '~';
	for (i = 60; i >= 0; i -= 4)
		*tail++ = digits[w->digest >> i & 15];
	*tail = '\0';
}

void
limit_submitter_text(const struct net_addr *a, bool claimed, char to[LIMIT_SUBMITTER_TEXT])
{
	size_t n = claimed ? strlen(LIMIT_CLAIMED) : 0;

	memcpy(to, LIMIT_CLAIMED, n);
	net_host_text(a, to + n);
}

const char *
limit_key_part(const struct limit_subject *s, enum conf_per per)
{
	const char *part = NULL;

	switch (per) {
	case CONF_PER_CUSTOMER:		part = s->customer; break;
	case CONF_PER_ACCOUNT:		part = s->account; break;
	case CONF_PER_CLIENT:		part = s->client; break;
	case CONF_PER_SUBMITTER:	part = s->submitter; break;
	case CONF_PER_RETURN_PATH:	part = s->return_path; break;
	case CONF_PER_RECIPIENT_DOMAIN:	part = s->recipient_domain; break;
	case CONF_PER_MAILER:		part = s->mailer; break;
	case CONF_PER_EVERYONE:		part = "everyone"; break;
	}
	return part != NULL && *part != '\0' ? part : NULL;
}

bool
limit_key(const struct conf_limit *l, const struct limit_subject *s, char *to, size_t size)
{
	struct writer w = { to, size, 0, 14695981039346656037u };
	size_t i;

	if (l->n_per == 0 || size < 64)
		return false;
	for (i = 0; i < l->n_per; i++) {
		const char *part = limit_key_part(s, l->per[i]);

		if (part == NULL)
			return false;
		if (i > 0)
			put(&w, '|');
		put_part(&w, part);
	}
	finish(&w);
	return true;
}
