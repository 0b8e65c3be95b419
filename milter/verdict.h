/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef MILTER_VERDICT_H
#define MILTER_VERDICT_H
/*
 * verdict - what becomes of the message: findings, and the header edits that ride on them.
 *
 * Checks add findings; verdict_action() is the one place where the strongest wins
 * (accept < tag < slow < hold < defer < reject). A finding in monitor mode is kept,
 * logged as would=..., and changes nothing.
 */
#include <stdbool.h>
#include <stddef.h>

#include "lib/alert.h"
#include "lib/arena.h"
#include "lib/conf.h"

struct finding {
	const char *check;		/* who found it */
	const char *code;		/* "ownership.return-path": stable */
	enum conf_action action;
	bool monitor;			/* judged, counted, told; not done */
	const char *reply;		/* a sentence for the sender, without code; printable ASCII */
	const char *status;		/* enhanced status code without class: "7.1" */
	const char *desk;		/* a sentence for the desk */
	const char *incident;		/* id, or NULL */
	bool quiet;			/* told in the summary line only, alerts nobody */
	const char *subject;		/* whose incident; NULL = account, customer or client */
	const struct alert_event *event;	/* what the alert adds to the facts (limit, used), or NULL */
	struct finding *next;
};

enum edit_kind { EDIT_REMOVE, EDIT_INSERT };
struct edit {
	enum edit_kind kind;
	const char *name;
	const char *value;		/* INSERT: without leading blank, may hold "\n\t" folds */
	unsigned index;			/* REMOVE: which of that name */
	struct edit *next;
};

struct verdict {
	struct arena *arena;
	struct finding *findings, **findings_end;
	struct edit *removes;		/* highest index first for each name: right for both MTAs */
	struct edit *inserts, **inserts_end;
};

void verdict_begin(struct verdict *v, struct arena *a);
/* Adds a copy of f. Returns the copy. */
struct finding *verdict_add(struct verdict *v, const struct finding *f);
/* The strongest action of findings that are enforced; CONF_ACCEPT when none. */
enum conf_action verdict_action(const struct verdict *v);
/* The finding that decided, NULL when accepted without one. */
const struct finding *verdict_decider(const struct verdict *v);
/* The strongest action that monitor mode kept from being done, when stronger than verdict_action; else
 * CONF_ACCEPT. */
enum conf_action verdict_would(const struct verdict *v, const struct finding **decider);
void verdict_remove_header(struct verdict *v, const char *name, unsigned index);
/* Inserted at the top of the message, in the order of calls. The value is made safe: control characters and
 * bytes beyond ASCII become '?', and it is folded so that no line passes 78 where it can. */
void verdict_insert_header(struct verdict *v, const char *name, const char *value);
/* The same of a value that is safe and folded ("\n\t") by the caller. */
void verdict_insert_folded(struct verdict *v, const char *name, const char *value);

/* The SMTP reply of a refusal: code "451" or "550", xcode "4.7.1" or "5.7.1", text (one line, '%' NOT yet
 * doubled, less than 420 bytes, printable ASCII). */
struct reply { char code[4]; char xcode[12]; char text[420]; };
void verdict_reply(const struct finding *f, enum conf_action action, struct reply *to);

#endif
