/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_ALERT_H
#define LIB_ALERT_H
/*
 * alert - tells the abuse desk, once, what happened.
 *
 * The chain posts at most a few events a message. An event belongs to an incident: one
 * (kind, limit, subject) from its first event until it has been quiet. alert_incident() names
 * it at once (its id goes into the SMTP reply); everything else - deduplication ("more=N"), sinks,
 * escalation, resolved notices, memory across restarts - happens in the alert thread. A full queue drops
 * events and counts them: no message ever waits for an alert.
 *
 * Sinks are drivers (struct alert_sink in alert_private.h): alert_syslog here.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

struct alerts;
struct conf;
struct store;

#define ALERT_ID 8	/* room for an incident id: 5-7 characters (Crockford base 32) and a NUL */

/* What happened. Texts are copied by alert_post and may hold anything: they are escaped when written. NULL or
 * "" = left out. */
struct alert_event {
	const char *kind;	/* "limit.exceeded", "limit.warning", "ownership.from", "suspension.added",
				 * "mailer.first-seen", "config.rejected"... */
	const char *severity;	/* "info", "notice", "warning", "critical" */
	const char *customer, *account;
	const char *limit;
	uint32_t used, ceiling;	/* shown when limit is set */
	uint64_t window;	/* ms */
	uint64_t retry_at;	/* ms; for limit.exceeded: when the incident can be over; 0 = unknown */
	const char *client, *submitter, *script, *sender, *from, *mailer;
	const char *transaction, *queue_id, *message_id;
	const char *action;	/* what was done: "defer"... */
	bool monitor;		/* mode=monitor: nothing was done */
	const char *reason;	/* a sentence for the desk */
	/* a limit's action "suspend 24h": done by the alert thread before it alerts */
	const char *suspend_kind, *suspend_subject;	/* "account", "bob@acme.example" */
	uint64_t suspend_for;
};

/* Starts the thread; c gives relay, repeat, facility, escalation. The store is borrowed and must outlive
 * it. */
struct alerts *alert_open(const struct conf *c, struct store *s, struct err *e);
/* New settings after a reload. */
void alert_configure(struct alerts *a, const struct conf *c);
/* Tells what is queued (at most 2 s) and ends; *a may be NULL. */
void alert_close(struct alerts **a);

/* The id of the incident that an event of this kind, limit and subject belongs to; opens one when there is
 * none. limit may be NULL. "limit.warning" and "limit.exceeded" of one limit and subject are one incident.
 * Never waits for more than a short lock. */
void alert_incident(struct alerts *a, const char *kind, const char *limit, const char *subject,
    char id[ALERT_ID]);
/* Queues the event; subject as in alert_incident. Never waits.
 * Escalation (alerts.escalate): every posted event counts whose kind is the rule's `when`, or begins with it
 * and a dot; in the latter case *.warning, *.unsure and *.first-seen do not, being no offence (yet).
 * Events in monitor mode are counted apart and suspend nobody. */
void alert_post(struct alerts *a, const char *subject, const struct alert_event *v);

struct alert_numbers { uint64_t posted, told, suppressed, dropped, open; };
void alert_numbers(struct alerts *a, struct alert_numbers *to);

/* Waits until all that was posted before is told, at most ms. For shutdown and tests. Returns 1, or 0 when
 * time ran out. */
int alert_flush(struct alerts *a, uint64_t ms);

#endif
