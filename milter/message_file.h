/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef MILTER_MESSAGE_FILE_H
#define MILTER_MESSAGE_FILE_H
/*
 * message_file - the header fields of a message that somebody saved.
 *
 *     struct message_file m;
 *     message_file_parse(arena, data, size, &m);
 *     for (i = 0; i < m.n; i++)
 *             facts_add_header(facts, m.fields[i].name, m.fields[i].value);
 *
 * Takes what people have: LF or CRLF, an mbox "From " line before it, a missing body.
 * Fields come out as Postfix 3.7 would hand them to a milter, so that explain judges what the daemon
 * would judge: folds as "\n" and their blanks, one blank after the colon eaten, a stray CR
 * turned into a blank, a line cut at NUL. Reads hostile input; time and memory grow with the size only.
 */
#include <stddef.h>

#include "lib/arena.h"

struct message_field { const char *name, *value; };

struct message_file {
	struct message_field *fields;	/* in the order of the message */
	size_t n, space;
	size_t body;			/* where the body begins in data; the size when there is none */
};

/* Always succeeds: what is no header field begins the body, as it does for the MTA. */
void message_file_parse(struct arena *a, const char *data, size_t size, struct message_file *to);

/* Bytes of the header section with its empty line, or 0 when data does not hold its end yet. */
size_t message_file_header_size(const char *data, size_t size);

#endif
