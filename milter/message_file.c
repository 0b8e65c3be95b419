/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * message_file - splits a saved message into header fields, for `gatepostctl explain`.
 *
 * It imitates the MTA, not a mail reader: the point is to hand the checks the same bytes that a
 * milter would get. It decodes nothing, understands no MIME and never looks at the body.
 */
#include "milter/message_file.h"

#include <stdbool.h>
#include <string.h>

#include "lib/banned.h"

/* One line without its end; next is where the following one begins. */
struct line {
	const char *text;
	size_t n;
	size_t next;
};

static struct line
line_at(const char *data, size_t size, size_t at)
{
	struct line l = { data + at, size - at, size };
	const char *end = memchr(l.text, '\n', l.n);

	if (end != NULL) {
		l.n = (size_t)(end - l.text);
		l.next = at + l.n + 1;
	}
	if (l.n > 0 && l.text[l.n - 1] == '\r')
		l.n--;
	return l;
}

static bool
blank(char c)
{
	return c == ' ' || c == '\t';
}

/* A line that starts with a stray CR is a continuation too: the MTA has made it a blank. */
static bool
is_continuation(const struct line *l)
{
	return l->n > 0 && (blank(l->text[0]) || l->text[0] == '\r');
}

/* RFC 5322 section 3.6.8, with the blanks before the colon of section 4.5.3. Returns the
 * length of the name and the colon's place, or 0 when the line begins no field. */
static size_t
field_name(const struct line *l, size_t *colon)
{
	size_t n = 0, i;

	while (n < l->n && l->text[n] > ' ' && l->text[n] < 127 && l->text[n] != ':')
		n++;
	for (i = n; i < l->n && (blank(l->text[i]) || l->text[i] == '\r'); i++)
		;
	if (n == 0 || i == l->n || l->text[i] != ':')
		return 0;
	*colon = i;
	return n;
}

/* "From someone Sat Jan 31 12:00:00 2026", but not "From : a field". */
static bool
is_mbox_line(const struct line *l)
{
	size_t colon;

	return l->n > 5 && memcmp(l->text, "From ", 5) == 0 && field_name(l, &colon) == 0;
}

/* Appends n bytes of a line at *to as the MTA would have them. */
static void
take(char **to, const char *text, size_t n)
{
	const char *end = memchr(text, '\0', n);
	size_t i;

	if (end != NULL)
		n = (size_t)(end - text);
	for (i = 0; i < n; i++) {
		**to = text[i];
		if (text[i] == '\r')
			**to = ' ';
		(*to)++;
	}
}

static struct message_field *
add_field(struct arena *a, struct message_file *m)
{
	struct message_field *bigger;

	if (m->n == m->space) {
		m->space = m->space == 0 ? 32 : m->space * 2;
		bigger = arena_alloc(a, m->space * sizeof(*bigger));
		if (m->n > 0)
			memcpy(bigger, m->fields, m->n * sizeof(*bigger));
		m->fields = bigger;
	}
	return &m->fields[m->n++];
}

/* Where the field that begins with line l ends: its continuations belong to it. */
static size_t
field_end(const char *data, size_t size, const struct line *l)
{
	size_t at = l->next;

	while (at < size) {
		struct line more = line_at(data, size, at);

		if (!is_continuation(&more))
			break;
		at = more.next;
	}
	return at;
}

static size_t
read_field(struct arena *a, const char *data, size_t size, const struct line *l, struct message_file *to)
{
	size_t colon = 0, name = field_name(l, &colon), value = colon + 1, end, at;
	struct message_field *f;
	char *p;

	end = field_end(data, size, l);
	f = add_field(a, to);
	f->name = arena_strndup(a, l->text, name);
	p = arena_alloc(a, end - (size_t)(l->text - data) + 2);
	f->value = p;
	if (value < l->n && l->text[value] == ' ')
		value++;
	take(&p, l->text + value, l->n - value);
	for (at = l->next; at < end; ) {
		struct line more = line_at(data, size, at);

		*p++ = '\n';
		take(&p, more.text, more.n);
		at = more.next;
	}
	*p = '\0';
	return end;
}

void
message_file_parse(struct arena *a, const char *data, size_t size, struct message_file *to)
{
	struct line l;
	size_t at = 0, colon;

	memset(to, 0, sizeof(*to));
	if (size > 0) {
		l = line_at(data, size, 0);
		if (is_mbox_line(&l))
			at = l.next;
	}
	while (at < size) {
		l = line_at(data, size, at);
		if (l.n == 0) {
			at = l.next;
			break;
		}
		if (field_name(&l, &colon) == 0)
			break;
		at = read_field(a, data, size, &l, to);
	}
	to->body = at;
}

size_t
message_file_header_size(const char *data, size_t size)
{
	size_t at = 0;

	while (at < size && memchr(data + at, '\n', size - at) != NULL) {
		struct line l = line_at(data, size, at);

		at = l.next;
		if (l.n == 0)
			return at;
	}
	return 0;
}
