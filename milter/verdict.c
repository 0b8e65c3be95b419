/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * verdict - keeps findings and edits, and decides which finding wins.
 *
 * The order of severity lives in enum conf_action and is used here only.
 * Nothing here talks to the MTA: session.c applies what stands in a verdict.
 */
#include "milter/verdict.h"

#include <stdio.h>
#include <string.h>

#include "lib/str.h"

#include "lib/banned.h"

#define LINE_SOFT 76	/* RFC 5322 2.1.1: lines should not pass 78 */
#define INCIDENT_ROOM (sizeof(" (incident )") + ALERT_ID)	/* no text is so long that the id gets lost */

void
verdict_begin(struct verdict *v, struct arena *a)
{
	memset(v, 0, sizeof(*v));
	v->arena = a;
	v->findings_end = &v->findings;
	v->inserts_end = &v->inserts;
}

struct finding *
verdict_add(struct verdict *v, const struct finding *f)
{
	struct finding *copy = arena_alloc(v->arena, sizeof(*copy));

	*copy = *f;
	copy->next = NULL;
	*v->findings_end = copy;
	v->findings_end = &copy->next;
	return copy;
}

static const struct finding *
strongest(const struct verdict *v, bool monitor)
{
	const struct finding *f, *best = NULL;

	for (f = v->findings; f != NULL; f = f->next)
		if (f->monitor == monitor && (best == NULL || f->action > best->action))
			best = f;
	return best;
}

const struct finding *
verdict_decider(const struct verdict *v)
{
	const struct finding *f = strongest(v, false);

	return f != NULL && f->action > CONF_ACCEPT ? f : NULL;
}

enum conf_action
verdict_action(const struct verdict *v)
{
	const struct finding *f = verdict_decider(v);

	return f == NULL ? CONF_ACCEPT : f->action;
}

enum conf_action
verdict_would(const struct verdict *v, const struct finding **decider)
{
	const struct finding *f = strongest(v, true);

	if (f == NULL || f->action <= verdict_action(v))
		f = NULL;
	if (decider != NULL)
		*decider = f;
	return f == NULL ? CONF_ACCEPT : f->action;
}

void
verdict_remove_header(struct verdict *v, const char *name, unsigned index)
{
	struct edit *e = arena_zalloc(v->arena, sizeof(*e));

	/* Kept in call order reversed: callers count upwards, removal must go downwards,
	 * since Postfix renumbers after each removal and Sendmail does not. */
	e->kind = EDIT_REMOVE;
	e->name = arena_strdup(v->arena, name);
	e->index = index;
	e->next = v->removes;
	v->removes = e;
}

/* Neither MTA checks what we write: a control character or CR would reach the recipient, so none is let
 * through. */
static char *
safe_value(struct arena *a, const char *value)
{
	char *copy = arena_strdup(a, value), *c;

	for (c = copy; *c != '\0'; c++)
		if ((unsigned char)*c < 0x20 || (unsigned char)*c > 0x7e)
			*c = '?';
	return copy;
}

/* Turns blanks into folds so that lines stay short; a blank with nothing behind it stays, since RFC 5322
 * 3.2.2 wants no line of blanks alone. */
static void
fold(char *value, size_t name_length, struct arena *a, const char **to)
{
	size_t n = strlen(value), column = name_length + 2, i, start = 0;
	char *out = arena_alloc(a, 2 * n + 1);
	size_t used = 0;

	while (start < n) {
		for (i = start + 1; i < n && value[i] != ' '; i++)
			;
		if (column + (i - start) > LINE_SOFT && value[start] == ' ' && i > start + 1) {
			out[used++] = '\n';
			out[used++] = '\t';
			column = 8;
			start++;
		}
		memcpy(out + used, value + start, i - start);
		used += i - start;
		column += i - start;
		start = i;
	}
	out[used] = '\0';
	*to = out;
}

void
verdict_insert_header(struct verdict *v, const char *name, const char *value)
{
	const char *folded;

	fold(safe_value(v->arena, value), strlen(name), v->arena, &folded);
	verdict_insert_folded(v, name, folded);
}

void
verdict_insert_folded(struct verdict *v, const char *name, const char *value)
{
	struct edit *e = arena_zalloc(v->arena, sizeof(*e));

	e->kind = EDIT_INSERT;
	e->name = arena_strdup(v->arena, name);
	e->value = arena_strdup(v->arena, value);
	*v->inserts_end = e;
	v->inserts_end = &e->next;
}

void
verdict_reply(const struct finding *f, enum conf_action action, struct reply *to)
{
	bool permanent = action == CONF_REJECT;
	struct str s = { to->text, 0, sizeof(to->text) - INCIDENT_ROOM, false };
	char *c;

	snprintf(to->code, sizeof(to->code), "%s", permanent ? "550" : "451");
	snprintf(to->xcode, sizeof(to->xcode), "%c.%s", permanent ? '5' : '4',
	    f->status == NULL ? "7.1" : f->status);
	str_cat_safe(&s, f->reply);
	s.size = sizeof(to->text);
	if (f->incident != NULL)
		str_catf(&s, " (incident %s)", f->incident);
	/* Not every client has announced SMTPUTF8: replies are ASCII (RFC 6531 section 3.7.4.1). */
	for (c = to->text; *c != '\0'; c++)
		if ((unsigned char)*c > 0x7e)
			*c = '?';
}
