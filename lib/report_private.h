/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_REPORT_PRIVATE_H
#define LIB_REPORT_PRIVATE_H
/*
 * report_private - what the files of report share.
 *
 *   report.c        fields and text: what is a candidate
 *   report_mail.c   MIME (the only one that knows GMime)
 *   report_json.c   XARF (the only one that knows jansson)
 */
#include <stdbool.h>
#include <stddef.h>

#include "lib/report.h"

#define REPORT_DEPTH 4u			/* reports within reports, and what JSON holds */
#define REPORT_PARTS 200u		/* MIME parts in all */
#define REPORT_DECODED (2 * REPORT_MOST)	/* bytes in all that nested parts may come to */

struct report_reader {
	struct arena *arena;
	struct report *to;
	const char *stamp_header;	/* "" = none of its own */
	unsigned depth, parts;
	size_t decoded;			/* bytes of nested parts so far */
	bool x_arf;			/* the message says that it is an X-ARF report */
	bool machine;			/* what is attached is what is complained about, whatever it is */
	struct report_message *message;	/* whose header is being read; NULL = none, or no room */
};

/* True when n more bytes of a nested part may be read; counts them. */
bool report_may(struct report_reader *r, size_t n);
/* The more telling of what it was taken for and what it turns out to be. */
void report_is(struct report_reader *r, enum report_kind k);
/* Sets *to unless it is set: text trimmed, cut at most bytes; "" sets nothing. */
void report_set(struct report_reader *r, const char **to, const char *text, size_t n, size_t most);
void report_message_id(struct report_reader *r, const char *text, size_t n, enum report_place place);

/* A header section, or lines of the same form ("Feedback-Type: abuse"); ends at an empty line. */
void report_fields(struct report_reader *r, const char *data, size_t n, enum report_place place);
/* Text as people write, quote and paste it. */
void report_text(struct report_reader *r, const char *data, size_t n, enum report_place place);
/* The message complained about, or its header: only the header counts. In what a person forwards it may be a
 * report itself; in what a machine reports it is not taken for one, or a spammer who shapes his message as a
 * report about somebody else's would have that one blamed. */
void report_original(struct report_reader *r, const char *data, size_t n);
/* Whatever it is: JSON, a message, text. */
void report_any(struct report_reader *r, const char *data, size_t n);

/* report_mail.c */
void report_mail(struct report_reader *r, const char *data, size_t n);
/* True when the message is itself a report. */
bool report_mail_is_report(const char *data, size_t n);
/* Lenient: what is no base64 is passed over. */
char *report_base64(struct arena *a, const char *text, size_t n, size_t *size);

/* report_json.c: true when it was JSON. */
bool report_json(struct report_reader *r, const char *data, size_t n);

#endif
