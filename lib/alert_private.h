/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_ALERT_PRIVATE_H
#define LIB_ALERT_PRIVATE_H
/*
 * alert_private - the insides of alert: for alert*.c and their tests only.
 *
 *     alert_post -> queue -> the alert thread (alert.c)
 *                               |- alert_incidents_event: told, or only counted?   (alert_incident.c)
 *                               |- alert_escalations_hit: often enough to suspend? (alert_escalate.c)
 *                               '- each sink's tell                               (alert_syslog.c)
 *
 * A new sink: write a struct alert_sink in alert_NAME.c, list it in alert_sinks (alert.c), add
 * its settings to conf.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/alert.h"
#include "lib/err.h"
#include "lib/str.h"

struct conf;

/* ---- sinks ------------------------------------------------------------- */

/* One alert: the fields that have a value, always in the same order; values are not escaped. */
struct alert_field { const char *key, *value; };

struct alert_told {
	const char *severity;		/* "info", "notice", "warning", "critical" */
	const struct alert_field *fields;
	size_t n;
};

struct alert_sink {
	const char *name;
	/* Takes its settings out of a snapshot: 1 and *self_r, 0 not configured, -1 with e. Any thread. */
	int (*open)(const struct conf *c, void **self_r, struct err *e);
	/* Tells one alert. Only from the alert thread; must not wait long: nobody is told meanwhile. */
	void (*tell)(void *self, const struct alert_told *t);
	void (*close)(void *self);
};

extern const struct alert_sink alert_syslog;

/* ---- one event on its way ---------------------------------------------------- */

/* One allocation; every text is bounded. No text of event is NULL: "" = not given. */
struct alert_item {
	struct alert_item *next;
	struct alert_event event;
	const char *subject;
	char data[];
};

#define ALERT_TEXTS 18			/* texts of a struct alert_event */
struct alert_text { size_t offset; size_t most; };
extern const struct alert_text alert_texts[ALERT_TEXTS];

const char **alert_text_of(struct alert_event *v, size_t n);
struct alert_item *alert_item_new(const char *subject, const struct alert_event *v);
/* Ends the process when there is no memory. */
void *alert_alloc(size_t n);

/* ---- incidents ------------------------------------------------------------------ */

struct alert_incidents;

#define ALERT_INCIDENTS_MOST 50000u	/* open at once; about 1 kB each */
#define ALERT_KEEP_TEXT 8192		/* room for an incident as it is kept in the store */

/* What is told of an incident. latest is valid until the alert thread next calls
 * alert_incidents_event or alert_incidents_unkept. */
struct alert_view {
	char id[ALERT_ID];
	uint64_t first, count, more;
	const struct alert_item *latest;
};

/* NULL with e when the system has no random numbers. */
struct alert_incidents *alert_incidents_new(uint64_t repeat, struct err *e);
void alert_incidents_free(struct alert_incidents **t);

/* Before anybody asks for a name: relays share the store, and shall name the same incident alike. */
void alert_incidents_share(struct alert_incidents *t);

/* These three from any thread. */
void alert_incidents_name(struct alert_incidents *t, const char *kind, const char *limit, const char *subject,
    uint64_t now, char id[ALERT_ID]);
void alert_incidents_repeat(struct alert_incidents *t, uint64_t repeat);
size_t alert_incidents_open(struct alert_incidents *t);

/* The rest only from the alert thread (and before it starts). */

/* Counts an event, which it takes over. True: tell it now; to->more events were not told before it. */
bool alert_incidents_event(struct alert_incidents *t, struct alert_item *take_item, bool always, uint64_t now,
    struct alert_view *to);

/* Another relay told this incident, by another name: from now on it is ours as well. */
void alert_incidents_rename(struct alert_incidents *t, const char *from, const char *to);

enum alert_due { ALERT_DUE_NOTHING, ALERT_DUE_MORE, ALERT_DUE_RESOLVED };
/* The next thing that time alone brings: more to tell, or an incident that is over. */
enum alert_due alert_incidents_due(struct alert_incidents *t, uint64_t now, struct alert_view *to);
/* When that will be (ms); UINT64_MAX: no incident is open. */
uint64_t alert_incidents_next(struct alert_incidents *t);

/* True when some changed since they were kept. */
bool alert_incidents_changed(struct alert_incidents *t);
/* One incident that changed since it was kept: true, its id, and its text; an empty text = forget it. */
bool alert_incidents_unkept(struct alert_incidents *t, char id[ALERT_ID], struct str *text);
/* Puts a kept one back; false when the text is none of ours. */
bool alert_incidents_restore(struct alert_incidents *t, const char *id, const char *text, uint64_t now);

/* ---- escalation -------------------------------------------------------------------- */

struct alert_escalations;
struct conf_escalation;

#define ALERT_ESCALATIONS_MOST 20000u	/* subjects counted at once, the least recent one goes */
#define ALERT_ESCALATION_TIMES 1000u

struct alert_escalations *alert_escalations_new(void);
void alert_escalations_free(struct alert_escalations **x);
/* True when the rule speaks of such events. */
bool alert_escalation_wants(const struct conf_escalation *rule, const char *kind);
/* Counts one; true when that makes `times` within `within`: the count then begins anew. */
bool alert_escalations_hit(struct alert_escalations *x, const struct conf_escalation *rule,
    const char *subject, bool monitor, uint64_t now);

#endif
