/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * report - finds in a complaint what can lead back to the sender: stamps, tokens, Message-IDs.
 *
 * Two ways to read lines: as a header section, where folds are known, and as text, where somebody
 * pasted a header behind "> ", lost its folds, or wrapped it anew. MIME and JSON are taken apart by the
 * files beside this one, which come back here with each piece and the place where it was.
 *
 * It opens nothing and believes nothing: what a candidate is worth is for the caller to find out.
 */
#include "lib/report.h"

#include <string.h>

#include "lib/report_private.h"
#include "lib/stamp.h"
#include "lib/str.h"

#include "lib/banned.h"

#define VALUE_MOST 4096u	/* bytes of one field's value */
#define LINES_MOST 32u		/* lines that a pasted stamp may be wrapped to */
#define STAMP_MOST 2000u
#define ID_MOST 250u
#define AGAIN_MOST 100000u	/* bytes of what is read as text when nothing was found in it */
#define WORDS_MOST 200u		/* bytes of what the report says of itself */

#define ORIGINAL (1u << REPORT_IN_ORIGINAL)
#define HEADER (1u << REPORT_IN_HEADER)
#define FIELDS (1u << REPORT_IN_FIELDS)
#define TEXT (1u << REPORT_IN_TEXT)
#define OUTER (1u << REPORT_IN_OUTER)
#define ANY (ORIGINAL | HEADER | FIELDS | TEXT | OUTER)

static const char *const kind_texts[] = { "nothing", "text", "header", "message", "forward", "jmrp", "arf",
	"x-arf", "xarf3", "xarf4" };
static const char *const place_texts[] = { "original", "header", "fields", "text", "report" };

const char *
report_kind_text(enum report_kind k)
{
	return kind_texts[k];
}

const char *
report_place_text(enum report_place p)
{
	return place_texts[p];
}

bool
report_may(struct report_reader *r, size_t n)
{
	if (n > REPORT_DECODED - r->decoded) {
		r->to->cut = true;
		return false;
	}
	r->decoded += n;
	return true;
}

void
report_is(struct report_reader *r, enum report_kind k)
{
	if (k > r->to->kind)
		r->to->kind = k;
}

/* ---- candidates -------------------------------------------------------------------------- */

static bool
blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Without blanks at both ends. */
static const char *
trim(const char *text, size_t *n)
{
	while (*n > 0 && blank(*text)) {
		text++;
		(*n)--;
	}
	while (*n > 0 && blank(text[*n - 1]))
		(*n)--;
	return text;
}

void
report_set(struct report_reader *r, const char **to, const char *text, size_t n, size_t most)
{
	const char *end = n == 0 ? NULL : memchr(text, '\0', n);

	if (end != NULL)
		n = (size_t)(end - text);
	text = trim(text, &n);
	if (*to == NULL && n > 0)
		*to = arena_strndup(r->arena, text, n < most ? n : most);
}

/* The list stays in the order of places, within a place in the order of the report. */
static void
add(struct report_reader *r, struct report_list *list, const char *text, enum report_place place)
{
	size_t i, at;

	for (i = 0; i < list->n; i++) {
		if (strcmp(list->at[i].text, text) != 0)
			continue;
		if (list->at[i].place <= place)
			return;
		/* Known from a worse place: it goes to the better one. */
		memmove(&list->at[i], &list->at[i + 1], (--list->n - i) * sizeof(list->at[0]));
		break;
	}
	for (at = list->n; at > 0 && list->at[at - 1].place > place; at--)
		;
	if (list->n == REPORT_ITEMS) {
		r->to->cut = true;
		if (at == list->n)
			return;
		list->n--;
	}
	memmove(&list->at[at + 1], &list->at[at], (list->n - at) * sizeof(list->at[0]));
	list->at[at] = (struct report_item){ text, place, r->message };
	list->n++;
}

/* One blank for each run of them; not longer than most, else NULL. */
static const char *
squeeze(struct arena *a, const char *text, size_t n, size_t most)
{
	char *to;
	size_t i, k = 0;

	text = trim(text, &n);
	if (n == 0 || memchr(text, '\0', n) != NULL)
		return NULL;
	to = arena_alloc(a, n + 1);
	for (i = 0; i < n; i++)
		if (!blank(text[i]))
			to[k++] = text[i];
		else if (!blank(text[i - 1]))
			to[k++] = ' ';
	to[k] = '\0';
	return k <= most ? to : NULL;
}

static void
take_stamp(struct report_reader *r, const char *value, size_t n, enum report_place place)
{
	const char *text = squeeze(r->arena, value, n, STAMP_MOST);

	if (text != NULL)
		add(r, &r->to->stamps, text, place);
}

/* Every word that looks like a token. */
static void
take_tokens(struct report_reader *r, const char *value, size_t n, enum report_place place)
{
	const char *at = arena_strndup(r->arena, value, n);
	size_t length;

	while ((at = stamp_find(at, &length)) != NULL) {
		add(r, &r->to->tokens, arena_strndup(r->arena, at, length), place);
		at += length;
	}
}

/* RFC 9477 section 3.2: blanks and folds within the value are no part of it. */
static void
take_feedback_id(struct report_reader *r, const char *value, size_t n, enum report_place place)
{
	char text[VALUE_MOST];
	size_t i, k = 0;

	for (i = 0; i < n && k < sizeof(text); i++)
		if (!blank(value[i]))
			text[k++] = value[i];
	take_tokens(r, text, k, place);
}

void
report_message_id(struct report_reader *r, const char *text, size_t n, enum report_place place)
{
	const char *open = n == 0 ? NULL : memchr(text, '<', n), *end;
	size_t i;

	if (open != NULL && (end = memchr(open, '>', n - (size_t)(open - text))) != NULL) {
		text = open + 1;
		n = (size_t)(end - text);
	}
	text = trim(text, &n);
	for (i = 0; i < n; i++)
		if ((unsigned char)text[i] <= ' ' || text[i] == 0x7f)
			return;
	if (n > 0 && n <= ID_MOST)
		add(r, &r->to->message_ids, arena_strndup(r->arena, text, n), place);
}

/* ---- what a stamp is bound to ----------------------------------------------------------------- */

static void
keep_message_id(struct report_reader *r, const char *value, size_t n, enum report_place place)
{
	if (r->message != NULL)
		report_set(r, &r->message->message_id, value, n, VALUE_MOST);
	report_message_id(r, value, n, place);
}

static void
keep_date(struct report_reader *r, const char *value, size_t n, enum report_place place)
{
	(void)place;
	if (r->message != NULL)
		report_set(r, &r->message->date, value, n, VALUE_MOST);
}

static void
keep_from(struct report_reader *r, const char *value, size_t n, enum report_place place)
{
	(void)place;
	if (r->message != NULL && r->message->n_from < REPORT_FROM)
		report_set(r, &r->message->from[r->message->n_from++], value, n, VALUE_MOST);
}

static void
take_jmrp(struct report_reader *r, const char *value, size_t n, enum report_place place)
{
	(void)value;
	(void)n;
	(void)place;
	report_is(r, REPORT_JMRP);
}

#define KEEP(member) offsetof(struct report, member)

static const struct field {
	const char *name;
	void (*take)(struct report_reader *r, const char *value, size_t n, enum report_place place);
	unsigned places;
	size_t keep;		/* with take NULL: where the first value is kept; what the report says of itself */
} fields[] = {
	{ "Gatepost-Trace", take_stamp, ANY, 0 },
	{ "CFBL-Feedback-ID", take_feedback_id, ANY, 0 },
	{ "X-Report-Abuse", take_tokens, ANY, 0 },
	{ "X-Report-Abuse-To", take_tokens, ANY, 0 },
	{ "Message-ID", keep_message_id, ANY, 0 },
	{ "Date", keep_date, ORIGINAL | HEADER, 0 },
	{ "From", keep_from, ORIGINAL | HEADER, 0 },
	/* A person's complaint comes to the address that the message named. */
	{ "To", take_tokens, OUTER | HEADER, 0 },
	{ "Cc", take_tokens, OUTER | HEADER, 0 },
	{ "Delivered-To", take_tokens, OUTER | HEADER, 0 },
	{ "X-Original-To", take_tokens, OUTER | HEADER, 0 },
	{ "From", NULL, OUTER, KEEP(reporter) },
	{ "X-HmXmrOriginalRecipient", take_jmrp, ORIGINAL | HEADER | OUTER | TEXT, 0 },
	{ "Feedback-Type", NULL, FIELDS, KEEP(feedback_type) },
	{ "Report-Type", NULL, FIELDS, KEEP(feedback_type) },
	{ "Arrival-Date", NULL, FIELDS, KEEP(arrival) },
	{ "Received-Date", NULL, FIELDS, KEEP(arrival) },
	{ "Date", NULL, FIELDS, KEEP(arrival) },
	{ "Source-IP", NULL, FIELDS, KEEP(source) },
	{ "Source", NULL, FIELDS, KEEP(source) },
	{ "Source-Port", NULL, FIELDS, KEEP(source_port) },
	{ "Port", NULL, FIELDS, KEEP(source_port) },
	{ "Original-Mail-From", NULL, FIELDS, KEEP(return_path) },
	{ "Reported-From", NULL, FIELDS, KEEP(reporter) },
};
#define N_FIELDS (sizeof(fields) / sizeof(fields[0]))

static void
field_take(struct report_reader *r, const struct field *f, const char *value, size_t n, enum report_place place)
{
	if (f->take != NULL)
		f->take(r, value, n, place);
	else
		report_set(r, (const char **)(void *)((char *)r->to + f->keep), value, n, WORDS_MOST);
}

/* ---- lines ----------------------------------------------------------------------------------- */

struct lines { const char *at, *end; };

/* The next line without its end; false when there is none. */
static bool
next_line(struct lines *l, const char **line, size_t *n)
{
	const char *end;

	if (l->at >= l->end)
		return false;
	*line = l->at;
	end = memchr(l->at, '\n', (size_t)(l->end - l->at));
	*n = (size_t)((end == NULL ? l->end : end) - l->at);
	l->at = end == NULL ? l->end : end + 1;
	if (*n > 0 && (*line)[*n - 1] == '\r')
		(*n)--;
	return true;
}

/* Length of the field name that the line begins with, and where its value begins; 0 when none. */
static size_t
field_name(const char *line, size_t n, size_t *value)
{
	size_t name = 0, i;

	while (name < n && line[name] > ' ' && line[name] < 127 && line[name] != ':')
		name++;
	for (i = name; i < n && (line[i] == ' ' || line[i] == '\t'); i++)
		;
	if (name == 0 || name > 76 || i == n || line[i] != ':')
		return 0;
	*value = i + 1;
	return name;
}

static const struct field *
field_find(const struct report_reader *r, const char *name, size_t n, enum report_place place)
{
	char text[80];
	size_t i;

	if (n >= sizeof(text))
		return NULL;
	memcpy(text, name, n);
	text[n] = '\0';
	if (str_ieq(text, r->stamp_header))
		return &fields[0];
	for (i = 0; i < N_FIELDS; i++)
		if (fields[i].places & 1u << place && (text[0] | 0x20) == (fields[i].name[0] | 0x20) &&
		    str_ieq(text, fields[i].name))
			return &fields[i];
	return NULL;
}

/* Without an mbox line, empty lines and a byte order mark before it. */
static const char *
skip_before(const char *data, size_t *n)
{
	struct lines l;
	const char *line;
	size_t length, rest, value;

	if (*n >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0) {
		data += 3;
		*n -= 3;
	}
	l = (struct lines){ data, data + *n };
	while (next_line(&l, &line, &length)) {
		rest = length;
		(void)trim(line, &rest);
		if (rest == 0 || (length > 5 && memcmp(line, "From ", 5) == 0 &&
		    field_name(line, length, &value) == 0))
			continue;
		*n -= (size_t)(line - data);
		return line;
	}
	*n = 0;
	return data;
}

void
report_fields(struct report_reader *r, const char *data, size_t n, enum report_place place)
{
	char value[VALUE_MOST];
	const struct field *f = NULL;
	const char *line;
	size_t length, name, at, have = 0;
	struct lines l;

	if (place <= REPORT_IN_HEADER && r->to->n_messages < REPORT_MESSAGES)
		r->message = &r->to->messages[r->to->n_messages++];
	data = skip_before(data, &n);
	l = (struct lines){ data, data + n };
	while (next_line(&l, &line, &length) && length > 0) {
		if (line[0] == ' ' || line[0] == '\t')
			at = 0;
		else {
			if (f != NULL)
				field_take(r, f, value, have, place);
			have = 0;
			name = field_name(line, length, &at);
			f = name == 0 ? NULL : field_find(r, line, name, place);
		}
		if (f != NULL && length - at <= sizeof(value) - have) {
			memcpy(value + have, line + at, length - at);
			have += length - at;
		}
	}
	if (f != NULL)
		field_take(r, f, value, have, place);
	r->message = NULL;
}

/* ---- text ------------------------------------------------------------------------------------ */

/* What stands before a line that was quoted or pasted. */
static const char *
unquote(const char *line, size_t *n)
{
	while (*n > 0 && (blank(*line) || *line == '>' || *line == '|' || *line == '*')) {
		line++;
		(*n)--;
	}
	while (*n > 0 && (blank(line[*n - 1]) || line[*n - 1] == '*'))
		(*n)--;
	return line;
}

/* Collects the lines that belong to a pasted field: up to an empty one, or one that begins another field. */
static size_t
gather(struct lines *l, char value[VALUE_MOST], size_t have)
{
	const char *line;
	size_t n, at, i;

	for (i = 1; i < LINES_MOST; i++) {
		struct lines before = *l;

		if (!next_line(l, &line, &n))
			break;
		line = unquote(line, &n);
		if (n == 0 || field_name(line, n, &at) > 0 || n + 1 > VALUE_MOST - have) {
			*l = before;
			break;
		}
		value[have++] = ' ';
		memcpy(value + have, line, n);
		have += n;
	}
	return have;
}

static void
text_line(struct report_reader *r, struct lines *l, const char *line, size_t n, enum report_place place)
{
	size_t at = 0, name = field_name(line, n, &at), have, said;
	const struct field *f = name == 0 ? NULL : field_find(r, line, name, place);
	char value[VALUE_MOST];

	if (f == NULL)
		take_tokens(r, line, n, place);
	if (f == NULL || n - at > sizeof(value))
		return;
	while (at < n && (line[at] == '*' || blank(line[at])))	/* what was bold: "*Name:* value" */
		at++;
	memcpy(value, line + at, n - at);
	have = said = n - at;
	(void)trim(value, &said);
	/* A Message-ID has one line, unless its name stands alone; a stamp or token may have several. */
	if (f->take != keep_message_id || said == 0)
		have = gather(l, value, have);
	field_take(r, f, value, have, place);
}

void
report_text(struct report_reader *r, const char *data, size_t n, enum report_place place)
{
	struct lines l = { data, data + n };
	const char *line;
	size_t length;

	while (next_line(&l, &line, &length)) {
		line = unquote(line, &length);
		if (length > 0)
			text_line(r, &l, line, length, place);
	}
}

/* ---- the whole ---------------------------------------------------------------------------------- */

void
report_original(struct report_reader *r, const char *data, size_t n)
{
	if (!r->machine && r->depth < REPORT_DEPTH && report_mail_is_report(data, n)) {
		r->depth++;
		report_mail(r, data, n);
		r->depth--;
		return;
	}
	r->to->original = true;
	report_fields(r, data, n, REPORT_IN_ORIGINAL);
}

void
report_any(struct report_reader *r, const char *data, size_t n)
{
	const char *line;
	size_t length, at;
	struct lines l;

	data = skip_before(data, &n);
	l = (struct lines){ data, data + n };
	if (n == 0 || ((*data == '{' || *data == '[') && report_json(r, data, n)))
		return;
	if (next_line(&l, &line, &length) && field_name(line, length, &at) > 0 && r->depth < REPORT_DEPTH) {
		r->depth++;
		report_mail(r, data, n);
		r->depth--;
		return;
	}
	report_text(r, data, n, REPORT_IN_TEXT);
}

/* What looked like something better: a token alone passes for a field of the name "gp1", and a Message-ID
 * alone for nothing. */
static void
read_again(struct report_reader *r, const char *data, size_t n)
{
	const char *text = trim(data, &n);

	if (n <= AGAIN_MOST)
		report_text(r, data, n, REPORT_IN_TEXT);
	if (n > 2 && n <= ID_MOST + 2 && text[0] == '<' && text[n - 1] == '>' && memchr(text, '@', n) != NULL)
		report_message_id(r, text, n, REPORT_IN_TEXT);
}

static size_t
found(const struct report *to)
{
	return to->stamps.n + to->tokens.n + to->message_ids.n;
}

void
report_read(struct arena *a, const char *data, size_t size, const char *stamp_header, struct report *to)
{
	struct report_reader r = { .arena = a, .to = to,
	    .stamp_header = stamp_header == NULL ? "" : stamp_header };

	memset(to, 0, sizeof(*to));
	if (size > REPORT_MOST) {
		size = REPORT_MOST;
		to->cut = true;
	}
	report_any(&r, data, size);
	if (found(to) == 0) {
		read_again(&r, data, size);
		if (found(to) > 0)
			to->kind = REPORT_TEXT;
	}
	if (found(to) > 0)
		report_is(&r, REPORT_TEXT);
}
