/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef MILTER_TRACE_H
#define MILTER_TRACE_H
/*
 * trace - from what a complaint holds to the customer: opens stamps, asks the memory, and says what to
 * think of it.
 *
 * The same for the daemon (api_trace.c) and for gatepostctl without one (ctl_trace.c), so the question
 * and the answer are JSON, as the API has them. What reads the complaint itself is lib/report.c, and
 * never the daemon: it is asked with texts only.
 */
#include <stddef.h>
#include <stdint.h>

#include "lib/arena.h"
#include "lib/seal.h"

struct json_t;

#define TRACE_ITEMS 100u	/* texts of one list of the question */
#define TRACE_TEXT_MOST 2000u	/* bytes of each */
/* A stamp that is older says so. Complaints come within days, courts within months. */
#define TRACE_FRESH_MS (UINT64_C(366) * 86400000)

struct trace_question {
	/* best first; a lone text is a list of one; each may be NULL */
	const struct json_t *stamps;	/* from the header of the message complained about, tokens too */
	const struct json_t *tokens;	/* those from elsewhere in the report */
	const struct json_t *aside;	/* those that are opened and shown, and prove nothing */
	const struct json_t *message_ids, *queue_ids;
	/* Message-ID, Date and From of the message that carried `stamps`; NULL = unknown. */
	const char *header;
	size_t header_size;
	const struct seal_keys *keys;	/* NULL = there are none */
	const char *memory;		/* the store's file, beside which the memory lies; NULL = none */
	uint64_t now, keep;		/* ms; keep: how far back the memory is asked */
	uint64_t deadline;		/* clock_mono_us */
};

/* The answer, an object:
 *   verdict     "traced", "doubtful" (doubt says why), "forged", "foreign", "unknown"
 *   customer, account...   of what decided, which is also found[decided] or remembered[decided]
 *   by          "stamp" or "memory"
 *   found       each text of stamps, tokens, aside in that order, with what became of it
 *   remembered  what the memory holds of the Message-IDs and queue ids
 * Never NULL; the caller's. */
struct json_t *trace_answer(struct arena *a, const struct trace_question *q);

#endif
