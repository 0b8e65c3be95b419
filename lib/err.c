/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * err - fills a struct err. Every layer below the one that decides passes
 * its reason up in this form.
 *
 * It deliberately does not log, translate or chain: whoever wants to add
 * context formats a new text that contains the old one, which is why the new
 * text is finished before the old one is touched.
 */
#include "lib/err.h"

#include <stdio.h>
#include <string.h>

#include "lib/banned.h"

int
err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
	char text[sizeof(e->text)];
	va_list ap;

	if (e == NULL)
		return -1;
	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	va_end(ap);
	memcpy(e->text, text, strlen(text) + 1);
	e->code = code;
	e->where[0] = '\0';
	return -1;
}

int
err_at(struct err *e, const char *file, unsigned line)
{
	/* Of a path that is too long, the end says more than the beginning. */
	const size_t room = sizeof(e->where) - sizeof(":4294967295");
	char name[sizeof(e->where)];
	size_t n;

	if (e == NULL)
		return -1;
	if (file == NULL) {
		e->where[0] = '\0';
		return -1;
	}
	n = strlen(file);
	if (n > room) {
		file += n - room;
		n = room;
	}
	memcpy(name, file, n);
	name[n] = '\0';
	if (line == 0)
		memcpy(e->where, name, n + 1);
	else
		(void)snprintf(e->where, sizeof(e->where), "%.*s:%u", (int)room, name, line);
	return -1;
}

void
err_clear(struct err *e)
{
	if (e == NULL)
		return;
	e->code = ERR_NONE;
	e->text[0] = '\0';
	e->where[0] = '\0';
}
