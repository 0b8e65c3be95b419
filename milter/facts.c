/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * facts - collects what the MTA says of one message.
 *
 * Called by session.c (and explain.c) with untrusted text of any length; keeps
 * bounded copies in the message's arena. It judges nothing: what the text means is
 * the checks' business.
 */
#include "milter/facts.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/clock.h"
#include "lib/str.h"

#include "lib/banned.h"

const char *
facts_class_text(enum facts_class c)
{
	static const char *const text[] = { "unknown", "customer", "bounce", "re-entered" };

	return text[c];
}

static const char *const qualities[] = { "none", "smtp", "app", "claimed", "cgi", "web" };

const char *
facts_quality_text(enum facts_quality q)
{
	return qualities[q];
}

enum facts_quality
facts_quality_of(const char *text)
{
	size_t i;

	for (i = 0; i < sizeof(qualities) / sizeof(qualities[0]); i++)
		if (strcmp(qualities[i], text) == 0)
			return (enum facts_quality)i;
	return QUALITY_NONE;
}

/* The part of struct facts that belongs to the connection stays. */
struct connection {
	struct net_addr client;
	char client_text[NET_TEXT];
	uint16_t client_port;
	bool local;
};

void
facts_begin(struct facts *f, struct arena *take_arena)
{
	struct connection c;

	c.client = f->client;
	memcpy(c.client_text, f->client_text, sizeof(c.client_text));
	c.client_port = f->client_port;
	c.local = f->local;
	facts_end(f);
	memset(f, 0, sizeof(*f));
	f->client = c.client;
	memcpy(f->client_text, c.client_text, sizeof(f->client_text));
	f->client_port = c.client_port;
	f->local = c.local;
	f->arena = take_arena;
	f->began = clock_now();
}

void
facts_end(struct facts *f)
{
	arena_free(&f->arena);
}

void
facts_set_client(struct facts *f, const struct net_addr *client)
{
	f->client = *client;
	net_text(client, f->client_text);
}

void
facts_set_sender(struct facts *f, const char *argument)
{
	f->sender = arena_strdup(f->arena, argument);
	f->sender_ok = mail_address_parse(f->arena, argument, &f->return_path) == 1;
}

void
facts_set_login(struct facts *f, const char *login)
{
	if (login != NULL && *login != '\0')
		f->login = arena_strdup(f->arena, login);
}

/* Room for one more in an array that doubles; arena memory is not given back, so the waste is at most the
 * array's own size. */
static void *
grow(struct arena *a, void *old, size_t n, size_t *space, size_t size)
{
	size_t more;
	void *bigger;

	if (n < *space)
		return old;
	more = *space == 0 ? 32 : *space * 2;
	bigger = arena_alloc(a, more * size);
	if (n > 0)
		memcpy(bigger, old, n * size);
	*space = more;
	return bigger;
}

void
facts_add_recipient(struct facts *f, const char *argument)
{
	size_t n = strlen(argument);
	char *copy;

	if (facts_over(f) || f->n_recipients >= FACTS_RECIPIENTS_MAX) {
		f->cut = true;
		return;
	}
	if (n >= 2 && argument[0] == '<' && argument[n - 1] == '>') {
		argument++;
		n -= 2;
	}
	f->recipients = grow(f->arena, f->recipients, f->n_recipients, &f->recipients_space,
	    sizeof(*f->recipients));
	copy = arena_strndup(f->arena, argument, n);
	f->recipients[f->n_recipients++] = str_lower(copy);
}

void
facts_add_header(struct facts *f, const char *name, const char *value)
{
	struct header *h;

	if (facts_over(f) || f->n_headers >= FACTS_HEADERS_MAX) {
		f->cut = true;
		return;
	}
	f->headers = grow(f->arena, f->headers, f->n_headers, &f->headers_space, sizeof(*f->headers));
	h = &f->headers[f->n_headers++];
	h->name = arena_strdup(f->arena, name);
	h->value = arena_strdup(f->arena, value);
	f->bytes += strlen(name) + strlen(value) + 4;
	if (f->message_id == NULL && strcasecmp(name, "Message-ID") == 0) {
		const char *id = mail_header_text(f->arena, value, 1000);

		if (*id != '\0')
			f->message_id = id;
	}
}

void
facts_keep_body(struct facts *f, const void *chunk, size_t n)
{
	size_t room = FACTS_BODY_START - f->n_body_start;

	if (f->body_start == NULL)
		f->body_start = arena_alloc(f->arena, FACTS_BODY_START);
	if (n > room)
		n = room;
	if (n > 0)
		memcpy(f->body_start + f->n_body_start, chunk, n);
	f->n_body_start += n;
}

bool
facts_over(const struct facts *f)
{
	return f->cut || arena_over(f->arena);
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* One recipient must have one name: a domain written in U-labels or with its last dot becomes the A-label
 * form. (Plain ones, nearly all, are that already.) */
static const char *
plain_recipient(struct facts *f, const char *recipient)
{
	const char *at = strrchr(recipient, '@'), *domain;
	size_t n = strlen(recipient), i;

	if (at == NULL)
		return recipient;
	for (i = 0; i < n && (unsigned char)recipient[i] < 0x80; i++)
		;
	if (i == n && recipient[n - 1] != '.')
		return recipient;
	domain = mail_domain(f->arena, at + 1);
	if (domain == NULL)
		return recipient;
	return arena_printf(f->arena, "%.*s@%s", (int)(at - recipient), recipient, domain);
}

static void
settle_recipients(struct facts *f)
{
	size_t i, n = 0;

	for (i = 0; i < f->n_recipients; i++)
		f->recipients[i] = plain_recipient(f, f->recipients[i]);
	if (f->n_recipients < 2)
		return;
	qsort(f->recipients, f->n_recipients, sizeof(*f->recipients), by_text);
	for (i = 0; i < f->n_recipients; i++)
		if (n == 0 || strcmp(f->recipients[n - 1], f->recipients[i]) != 0)
			f->recipients[n++] = f->recipients[i];
	f->n_recipients = n;
}

/* All mailboxes of all fields of one name. A field that cannot be read sets *why; those that can are kept all
 * the same. */
static unsigned
read_mailboxes(struct facts *f, const char *name, struct mail_address **to, size_t *n, const char **why)
{
	struct mail_mailboxes boxes;
	unsigned fields = 0;
	size_t i, k, space = 0;

	for (i = 0; i < f->n_headers; i++) {
		if (strcasecmp(f->headers[i].name, name) != 0)
			continue;
		if (++fields > FACTS_FROM_FIELDS_MAX) {
			*why = "too many fields of this name";
			break;
		}
		if (mail_mailboxes_parse(f->arena, f->headers[i].value, &boxes) != 1) {
			*why = boxes.why;
			continue;
		}
		for (k = 0; k < boxes.n; k++) {
			*to = grow(f->arena, *to, *n, &space, sizeof(**to));
			(*to)[(*n)++] = boxes.at[k];
		}
	}
	return fields;
}

void
facts_settle(struct facts *f)
{
	settle_recipients(f);
	f->from_fields = read_mailboxes(f, "From", &f->from, &f->n_from, &f->from_why);
	f->sender_fields = read_mailboxes(f, "Sender", &f->sender_box, &f->n_sender_box, &f->sender_why);
}

const struct header *
facts_header(const struct facts *f, const char *name, unsigned n)
{
	size_t i;

	for (i = 0; i < f->n_headers; i++)
		if (strcasecmp(f->headers[i].name, name) == 0 && --n == 0)
			return &f->headers[i];
	return NULL;
}

unsigned
facts_header_count(const struct facts *f, const char *name)
{
	unsigned n = 0;
	size_t i;

	for (i = 0; i < f->n_headers; i++)
		if (strcasecmp(f->headers[i].name, name) == 0)
			n++;
	return n;
}
