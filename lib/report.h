/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_REPORT_H
#define LIB_REPORT_H
/*
 * report - reads a complaint, whatever it looks like, for what can lead back to the sender.
 *
 *     struct report r;
 *     report_read(arena, data, size, NULL, &r);
 *     for (i = 0; i < r.stamps.n; i++)
 *             open r.stamps.at[i].text ...
 *
 * Understood are: a bare header line or token, a pasted or quoted header, a whole message, ARF (RFC 5965,
 * with the original or its header only, encoded or not, parts missing), a message forwarded as an attachment
 * (Outlook's JMRP too), X-ARF mail, XARF 3 and 4 as a file or in a mail, CFBL reports (RFC 9477).
 *
 * Candidates come best first. A spammer writes what he likes into a message that he sends, so places are not
 * equal: the header of the message complained about counts most; what its body or its own attachments
 * say is not looked at. Then come the report's fields, its text (people paste), and last the
 * header of the report itself, which says who complains.
 *
 * Everything here reads hostile input: depth, parts, candidates and bytes decoded are bounded. No signature
 * of the report is verified. Thread safe; results live in the arena.
 */
#include <stdbool.h>
#include <stddef.h>

#include "lib/arena.h"

#define REPORT_MOST ((size_t)10 << 20)	/* bytes that are read; what is longer is cut */
#define REPORT_ITEMS 32u		/* candidates of each sort */
#define REPORT_MESSAGES 16u		/* headers whose Message-ID, Date and From are kept */
#define REPORT_FROM 20u			/* From fields of each */

enum report_kind {
	REPORT_NOTHING,		/* empty, or nothing that we know */
	REPORT_TEXT,		/* a line, a token, a pasted header */
	REPORT_HEADER,		/* a header section alone */
	REPORT_MESSAGE,		/* a message, none attached */
	REPORT_FORWARD,		/* a message with the one complained about attached */
	REPORT_JMRP,		/* the same as Outlook sends it */
	REPORT_ARF, REPORT_XARF_MAIL, REPORT_XARF3, REPORT_XARF4
};
const char *report_kind_text(enum report_kind k);	/* "text"... "arf", "x-arf", "xarf3", "xarf4" */

/* Best first. */
enum report_place {
	REPORT_IN_ORIGINAL,	/* header of the message complained about */
	REPORT_IN_HEADER,	/* header of the message, which is no report */
	REPORT_IN_FIELDS,	/* the report's fields for machines */
	REPORT_IN_TEXT,
	REPORT_IN_OUTER		/* header of the report itself, as it reached us */
};
/* "original", "header", "fields", "text", "report" */
const char *report_place_text(enum report_place p);

/* What a stamp is bound to, as the header has it: does a stamp belong to the message it stands in? */
struct report_message {
	const char *message_id, *date;	/* NULL = not there */
	const char *from[REPORT_FROM];
	size_t n_from;
};
struct report_item {
	const char *text;
	enum report_place place;
	const struct report_message *message;	/* in whose header it stands; NULL = in none */
};
struct report_list { size_t n; struct report_item at[REPORT_ITEMS]; };

struct report {
	enum report_kind kind;
	struct report_list stamps;	/* values of Gatepost-Trace, unfolded */
	struct report_list tokens;	/* as stamp_find() finds them: words, or addresses that hold one */
	struct report_list message_ids;	/* without <> */
	struct report_message messages[REPORT_MESSAGES];
	size_t n_messages;
	bool original;			/* the message complained about is there, or its header */
	bool cut;			/* longer than REPORT_MOST, or more than the other bounds allow */
	/* what the report says of itself; unproven, may hold anything; NULL = nothing */
	const char *feedback_type;	/* "abuse", "messaging/spam" */
	const char *source, *source_port;	/* the address complained about */
	const char *arrival;		/* when it came there, as the report writes it */
	const char *reporter;		/* From of the report, or the organisation that XARF names */
	const char *return_path;	/* Original-Mail-From */
};

/* Always succeeds; what cannot be read is left out. stamp_header: the name that our stamps have beside
 * Gatepost-Trace; may be NULL. */
void report_read(struct arena *a, const char *data, size_t size, const char *stamp_header, struct report *to);

#endif
