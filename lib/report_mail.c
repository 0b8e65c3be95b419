/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * report_mail - takes a complaint's MIME apart, and knows GMime.
 *
 * Reports are often broken: a missing boundary, a part that is announced and not there, an original in base64
 * (GMime hands that over undecoded as a message, so it is decoded and read again). Nothing is an error
 * here: what is there is read.
 *
 * GMime 3.2.13 needs some seconds for the worst 10 MiB that we could think of (a part in every line), and
 * parses addresses only when asked, which we never do.
 */
#include "lib/report_private.h"

#include <pthread.h>
#include <string.h>

#include <gmime/gmime.h>

#include "lib/banned.h"

#define HTML_TAG_MOST 2000u	/* bytes of a tag; a '<' with no end is text */

static void visit(struct report_reader *r, GMimeObject *o, unsigned level);
static void walk(struct report_reader *r, GMimeMessage *m);

#define LEVELS 20u		/* of multiparts in one message */

/* GMime registers its types on first use, without a lock: so use them once, here. */
static void
mail_start(void)
{
	g_mime_init();
}

static GMimeMessage *
parse(const char *data, size_t n)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	GMimeStream *stream;
	GMimeParser *parser;
	GMimeMessage *m;

	(void)pthread_once(&once, mail_start);
	stream = g_mime_stream_mem_new_with_buffer(data, n);
	parser = g_mime_parser_new_with_stream(stream);
	m = g_mime_parser_construct_message(parser, NULL);
	g_object_unref(parser);
	g_object_unref(stream);
	return m;
}

char *
report_base64(struct arena *a, const char *text, size_t n, size_t *size)
{
	char *to = arena_alloc(a, n / 4 * 3 + 6);
	gint state = 0;
	guint save = 0;

	*size = g_base64_decode_step(text, n, (guchar *)to, &state, &save);
	return to;
}

/* ---- HTML ------------------------------------------------------------------------------------- */

static const struct { const char *name; char is; } entities[] = {
	{ "&lt;", '<' }, { "&gt;", '>' }, { "&amp;", '&' }, { "&quot;", '"' }, { "&nbsp;", ' ' },
	{ "&#43;", '+' }, { "&#64;", '@' }, { "&#61;", '=' },
};

/* Length of the entity at p, and what it is; 0 when it is none of those. */
static size_t
entity_at(const char *p, size_t n, char *is)
{
	size_t i, length;

	for (i = 0; i < sizeof(entities) / sizeof(entities[0]); i++) {
		length = strlen(entities[i].name);
		if (length <= n && memcmp(p, entities[i].name, length) == 0) {
			*is = entities[i].is;
			return length;
		}
	}
	return 0;
}

/* Length of the tag at p, and whether a new line begins with it; 0 when it is none. */
static size_t
tag_at(const char *p, size_t n, bool *line)
{
	const char *end = memchr(p, '>', n < HTML_TAG_MOST ? n : HTML_TAG_MOST);
	size_t at = n > 1 && p[1] == '/' ? 2 : 1;

	if (end == NULL || n <= at)
		return 0;
	/* br, p, div, tr, table, li, pre, h1, blockquote: not b, i, a, span, code */
	*line = strchr("pdtlhPDTLH", p[at]) != NULL || ((p[at] | 0x20) == 'b' && (p[at + 1] | 0x20) != '>');
	return (size_t)(end - p) + 1;
}

/* Enough to find a pasted header in it. */
static const char *
html_text(struct arena *a, const char *data, size_t n, size_t *size)
{
	char *to = arena_alloc(a, n + 1), is = '\0';
	size_t i, skip;
	bool line = false;

	for (*size = 0, i = 0; i < n; i += skip) {
		if (data[i] == '<' && (skip = tag_at(data + i, n - i, &line)) > 0) {
			if (line)
				to[(*size)++] = '\n';
			/* "<br>" at the end of a line is one end of line, not two. */
			skip += line && i + skip < n && data[i + skip] == '\n';
		} else if (data[i] == '&' && (skip = entity_at(data + i, n - i, &is)) > 0)
			to[(*size)++] = is;
		else {
			to[(*size)++] = data[i];
			skip = 1;
		}
	}
	return to;
}

/* ---- parts --------------------------------------------------------------------------------------- */

static bool
ends_with(const char *text, const char *end)
{
	size_t n = text == NULL ? 0 : strlen(text), k = strlen(end);

	return n >= k && g_ascii_strcasecmp(text + n - k, end) == 0;
}

static void
read_text(struct report_reader *r, GMimeObject *o, const char *name, const char *data, size_t n)
{
	const char *text = data;

	/* The header alone makes no report: a spammer could write it, to pass for the one who complains. */
	if (r->x_arf && (ends_with(name, "report.txt") || memmem(data, n, "Reported-From:", 14) != NULL)) {
		report_is(r, REPORT_XARF_MAIL);
		report_fields(r, data, n, REPORT_IN_FIELDS);
		return;
	}
	if (g_mime_content_type_is_type(g_mime_object_get_content_type(o), "text", "html"))
		text = html_text(r->arena, data, n, &n);
	else if (n > 0 && (*data == '{' || *data == '[') && report_json(r, data, n))
		return;
	report_text(r, text, n, REPORT_IN_TEXT);
}

static void
read_leaf(struct report_reader *r, GMimeObject *o, const char *data, size_t n)
{
	GMimeContentType *type = g_mime_object_get_content_type(o);
	const char *name = GMIME_IS_PART(o) ? g_mime_part_get_filename(GMIME_PART(o)) : NULL;
	const char *major = g_mime_content_type_get_media_type(type);
	const char *minor = g_mime_content_type_get_media_subtype(type);

	if (g_mime_content_type_is_type(type, "message", "feedback-report")) {
		report_is(r, REPORT_ARF);
		report_fields(r, data, n, REPORT_IN_FIELDS);
	} else if (g_mime_content_type_is_type(type, "message", "*") || ends_with(name, ".eml") ||
	    ends_with(minor, "rfc822-headers") || ends_with(minor, "rfc822-header")) {
		report_is(r, REPORT_FORWARD);
		report_original(r, data, n);
	} else if (ends_with(minor, "json") || ends_with(name, ".json"))
		(void)report_json(r, data, n);
	else if (major == NULL || g_ascii_strcasecmp(major, "text") == 0)
		read_text(r, o, name, data, n);
}

static void
visit_leaf(struct report_reader *r, GMimePart *part)
{
	GMimeDataWrapper *content = g_mime_part_get_content(part);
	GMimeStream *stream;
	GByteArray *bytes;

	if (content == NULL)
		return;
	stream = g_mime_stream_mem_new();
	(void)g_mime_data_wrapper_write_to_stream(content, stream);
	bytes = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(stream));
	if (bytes->len > 0 && report_may(r, bytes->len))
		read_leaf(r, GMIME_OBJECT(part), (const char *)bytes->data, bytes->len);
	g_object_unref(stream);
}

static bool
is_x_arf(GMimeMessage *m)
{
	return g_mime_object_get_header(GMIME_OBJECT(m), "X-XARF") != NULL ||
	    g_mime_object_get_header(GMIME_OBJECT(m), "X-ARF") != NULL;
}

/* Outlook's, of a person's complaint. */
static bool
is_jmrp(GMimeMessage *m)
{
	return g_mime_object_get_header(GMIME_OBJECT(m), "X-HmXmrOriginalRecipient") != NULL;
}

/* A report, so that the message complained about lies deeper. */
static bool
is_report(GMimeMessage *m)
{
	GMimeObject *part = g_mime_message_get_mime_part(m);

	return (part != NULL && GMIME_IS_MULTIPART(part) &&
	    g_mime_content_type_is_type(g_mime_object_get_content_type(part), "multipart", "report")) ||
	    is_x_arf(m);
}

static void
read_header(struct report_reader *r, GMimeMessage *m, enum report_place place)
{
	char *text = g_mime_object_get_headers(GMIME_OBJECT(m), NULL);

	if (text != NULL)
		report_fields(r, text, strlen(text), place);
	g_free(text);
}

static void
visit_attached(struct report_reader *r, GMimeMessage *m)
{
	report_is(r, REPORT_FORWARD);
	if (!r->machine && r->depth < REPORT_DEPTH && is_report(m) && !is_jmrp(m)) {
		r->depth++;
		walk(r, m);
		r->depth--;
		return;
	}
	r->to->original = true;
	read_header(r, m, REPORT_IN_ORIGINAL);
}

static void
visit(struct report_reader *r, GMimeObject *o, unsigned level)
{
	int i, n;

	if (o == NULL)
		return;
	if (level > LEVELS || r->parts++ >= REPORT_PARTS) {
		r->to->cut = true;
		return;
	}
	if (GMIME_IS_MULTIPART(o)) {
		n = g_mime_multipart_get_count(GMIME_MULTIPART(o));
		for (i = 0; i < n && r->parts < REPORT_PARTS; i++)
			visit(r, g_mime_multipart_get_part(GMIME_MULTIPART(o), i), level + 1);
	} else if (GMIME_IS_MESSAGE_PART(o)) {
		if (g_mime_message_part_get_message(GMIME_MESSAGE_PART(o)) != NULL)
			visit_attached(r, g_mime_message_part_get_message(GMIME_MESSAGE_PART(o)));
	} else if (GMIME_IS_PART(o))
		visit_leaf(r, GMIME_PART(o));
}

/* ---- one message ---------------------------------------------------------------------------------- */

static void
walk(struct report_reader *r, GMimeMessage *m)
{
	bool outside = r->to->original, x_arf = r->x_arf, machine = r->machine;
	enum report_place place = REPORT_IN_HEADER;

	r->to->original = false;
	r->x_arf = is_x_arf(m);
	r->machine = is_report(m) || is_jmrp(m);
	visit(r, g_mime_message_get_mime_part(m), 0);
	/* A report within a report may be the message complained about, shaped to look so. */
	if (r->depth <= 1 && (r->to->original || r->to->kind >= REPORT_ARF))
		place = REPORT_IN_OUTER;
	read_header(r, m, place);
	r->to->original = r->to->original || outside;
	r->x_arf = x_arf;
	r->machine = machine;
}

/* True when something stands behind the header section. */
static bool
has_body(const char *data, size_t n)
{
	const char *p = data, *end = data + n;

	while (p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		p++;
		if (p < end && (*p == '\n' || (*p == '\r' && p + 1 < end && p[1] == '\n'))) {
			while (p < end && (*p == '\n' || *p == '\r' || *p == ' '))
				p++;
			return p < end;
		}
	}
	return false;
}

void
report_mail(struct report_reader *r, const char *data, size_t n)
{
	GMimeMessage *m = parse(data, n);

	if (m == NULL)
		return;
	report_is(r, has_body(data, n) ? REPORT_MESSAGE : REPORT_HEADER);
	walk(r, m);
	g_object_unref(m);
}

bool
report_mail_is_report(const char *data, size_t n)
{
	GMimeMessage *m = parse(data, n);
	bool yes = m != NULL && is_report(m);

	if (m != NULL)
		g_object_unref(m);
	return yes;
}
