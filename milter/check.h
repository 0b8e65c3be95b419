/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef MILTER_CHECK_H
#define MILTER_CHECK_H
/*
 * check - one question asked of every message.
 *
 * A check is one constant struct at the head of its file, listed in chain.c. The story of one use:
 *
 *   init     once for each configuration snapshot: opens what it needs, returns its state; NULL + errors =
 *            bad configuration
 *   needs    what it wants of the MTA under this configuration; the union of all checks' needs is
 *            negotiated, nothing else crosses the socket
 *   run      at each stage in .stages, with everything known so far. It reads facts, writes the
 *            facts that are its own (facts.h), adds findings and edits to the verdict. It answers
 *              CHECK_DONE    it had its say (findings or none)
 *              CHECK_UNSURE  it cannot tell; e says why: the chain applies the check's unsure action
 *   finish   after the verdict is final (also for refused messages): counts, events. May be NULL
 *   free     when the last session of the snapshot is gone
 *
 * run and finish are called from many threads at once, for different messages; state is read-only to them.
 * A check never calls another check and names no driver. It never waits without msg->deadline.
 */
#include <stdbool.h>
#include <stdint.h>

#include "lib/alert.h"
#include "lib/conf.h"
#include "lib/dkim.h"
#include "lib/dmarc.h"
#include "lib/dns.h"
#include "lib/err.h"
#include "lib/seal.h"
#include "lib/spf.h"
#include "lib/store.h"
#include "lib/table.h"
#include "milter/facts.h"
#include "milter/verdict.h"

enum check_answer { CHECK_DONE, CHECK_UNSURE };

enum check_needs { NEED_RECIPIENTS = 1, NEED_HEADERS = 2, NEED_BODY = 4, NEED_LOGIN = 8,
	NEED_BODY_START = 16 };		/* NEED_BODY: its size; NEED_BODY_START: its first bytes (facts.h) */

#define SERVICES_SIGNING_MAX 4u

/* What all checks share under one configuration. Opened by chain.c. */
struct services {
	const struct conf *conf;
	struct store *store;		/* process-wide */
	struct alerts *alerts;		/* process-wide */
	struct trace_memory *memory;	/* process-wide; NULL = nothing is remembered */
	const struct seal_keys *keys;	/* of trace.sealed.keys; NULL when not configured */
	struct table *accounts, *networks, *users, *domains, *customers, *also, *mailers;	/* NULL when not configured */
	/* of preflight; NULL when it is off */
	struct dns *dns;
	struct spf *spf;
	struct dmarc *dmarc;
	struct table *exempt;
	/* beside conf's preflight.signing: what is a table, what is OpenDKIM's configuration */
	struct table *signing[SERVICES_SIGNING_MAX];
	struct dkim_opendkim *opendkim[SERVICES_SIGNING_MAX];
};

struct message {
	const struct services *services;
	struct facts facts;
	struct verdict verdict;
	uint64_t deadline;		/* clock_mono_us: when the answer must stand */
	enum conf_mode mode;		/* of the check now running: global monitor applied */
	bool dry;			/* explain: take nothing, tell nobody */
	const struct store_request *judged;	/* what check_limits asked the store, answered; NULL before */
	uint64_t spent_us;		/* time in checks so far */
};

struct check {
	const char *name;		/* "ownership"; the first word of its codes */
	const char *summary;		/* for -V and explain */
	unsigned stages;		/* 1u << STAGE_MAIL | ... */
	void *(*init)(const struct services *s, const struct table_report *report, bool *ok);
	unsigned (*needs)(const void *state, const struct conf *c);
	enum check_answer (*run)(void *state, enum stage stage, struct message *m, struct err *e);
	void (*finish)(void *state, struct message *m);
	void (*free)(void *state);
	enum conf_mode (*mode)(const struct conf *c);
	enum conf_action (*unsure)(const struct conf *c);
	const char *unsure_subject;	/* whose incident "cannot tell" is; NULL = the sender's */
};

/* Adds a finding of the running check: check name, monitor mode, subject and incident id are filled in; the
 * rest is the caller's (struct finding in verdict.h). Texts must live in the message's arena or be constants.
 * Returns the copy. */
struct finding *check_find(struct message *m, const struct check *c, const struct finding *what);

/* Whether what this check finds counts, or is only told. */
enum conf_mode check_mode(const struct check *c, const struct conf *conf);

/* For check_limits, when the store says that suspensions have changed since check_suspension looked: looks
 * again, and adds what it finds. True when the message is not to go through. */
bool check_suspension_again(struct message *m);

/* For check_limits, which alone asks the store: the use of the message's ticket is counted there too, for all
 * relays together. False: there is nothing to count. */
bool check_ticket_item(const struct message *m, struct store_item *to);
/* Adds what the answered item says: nothing, or that another message has used the ticket. */
void check_ticket_answer(struct message *m, const struct store_item *item);

extern const struct check check_ticket, check_identity, check_suspension, check_ownership, check_trace,
    check_submitter, check_mailer, check_preflight, check_limits;

#endif
