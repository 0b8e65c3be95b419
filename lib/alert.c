/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * alert - the alert thread: takes events from a bounded queue, decides with
 * alert_incident.c which are told, suspends where a limit or an escalation
 * says so, hands the alert to every sink, and keeps the incidents in the store.
 *
 * A message's thread only copies its event into the queue. Everything that may
 * take time (sinks, the store's disk) happens in this one thread; when it falls behind,
 * events are dropped and counted, and the count is told.
 *
 * Waits on the condition variable run on the real clock; everything else asks clock.h, so that
 * a test decides how late it is.
 */
#include "lib/alert.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/alert_private.h"
#include "lib/arena.h"
#include "lib/clock.h"
#include "lib/conf.h"
#include "lib/store.h"
#include "lib/str.h"

#include "lib/banned.h"

#define ALERT_QUEUE_MOST 10000u
#define ALERT_CLOSE_MOST 2000u	/* ms */
#define ALERT_REST 20u		/* ms between two looks into the queue: events come in batches */
#define ALERT_TICK 1000u	/* ms: how often the store is written and drops are told */
#define ALERT_SUBJECT_ROOM 324
#define ALERT_FIELDS 32
#define ALERT_SPACE "incidents"	/* in store_keep */
#define ALERT_FIRST_SEEN (UINT64_C(366) * 86400000)	/* ms: what was seen before on some relay is not new */

static const struct alert_sink *const alert_sinks[] = { &alert_syslog };
#define ALERT_SINKS (sizeof(alert_sinks) / sizeof(alert_sinks[0]))

/* What a snapshot says, copied: an alert outlives the snapshot it was posted under. */
struct alert_settings {
	char relay[256];
	uint64_t repeat;
	uint64_t walk;				/* time between two walks of drift */
	struct conf_escalation *escalate;
	size_t n_escalate;
	void *sink[ALERT_SINKS];
	bool sink_open[ALERT_SINKS];
};

struct alerts {
	struct store *store;			/* may be NULL */
	struct alert_incidents *incidents;
	pthread_t thread;

	pthread_mutex_t lock;			/* the queue and what the thread is asked to do */
	pthread_cond_t wake, flushed;		/* on CLOCK_MONOTONIC */
	struct alert_item *head, **tail;	/* lock */
	size_t queued;				/* lock */
	bool asleep, stop;			/* lock */
	uint64_t stop_by;			/* lock; alert_real_ms */
	uint64_t flush_asked, flush_done;	/* lock */
	struct alert_settings *next_settings;	/* lock */

	/* only the thread, once it runs */
	struct alert_settings *settings;
	struct alert_escalations *escalations;
	uint64_t ticked;			/* clock_now of the last tick */
	uint64_t dropped_told;

	atomic_uint_fast64_t posted, told, suppressed, dropped;
};

/* What an alert says besides its event. */
struct alert_extra {
	const char *kind, *severity;	/* instead of the event's; NULL = as it is */
	const char *id;
	uint64_t more;
	uint64_t count, since;		/* 0 = left out */
	uint64_t until;			/* 0 = left out */
};

/* ---- events ---------------------------------------------------------- */

#define ALERT_TEXT(member, most) { offsetof(struct alert_event, member), (most) }

/* str_kv takes 256 bytes of a value; a longer one has to stay recognisable as such. */
const struct alert_text alert_texts[ALERT_TEXTS] = {
	ALERT_TEXT(kind, 64), ALERT_TEXT(severity, 16), ALERT_TEXT(customer, 128), ALERT_TEXT(account, 260),
	ALERT_TEXT(limit, 40), ALERT_TEXT(client, 64), ALERT_TEXT(submitter, 64), ALERT_TEXT(script, 260),
	ALERT_TEXT(sender, 260),
	ALERT_TEXT(from, 260), ALERT_TEXT(mailer, 64), ALERT_TEXT(transaction, 64), ALERT_TEXT(queue_id, 64),
	ALERT_TEXT(message_id, 260), ALERT_TEXT(action, 16), ALERT_TEXT(reason, 260),
	ALERT_TEXT(suspend_kind, 16), ALERT_TEXT(suspend_subject, 320)
};

const char **
alert_text_of(struct alert_event *v, size_t n)
{
	return (const char **)(void *)((char *)v + alert_texts[n].offset);
}

static size_t
alert_text_size(const char *text, size_t most)
{
	return text == NULL ? 1 : strnlen(text, most) + 1;
}

/* Copies text to *at, which it moves on. */
static const char *
alert_text_put(char **at, const char *text, size_t most)
{
	char *to = *at;
	size_t size = alert_text_size(text, most);

	(void)str_copy(to, size, text);
	*at += size;
	return to;
}

struct alert_item *
alert_item_new(const char *subject, const struct alert_event *v)
{
	struct alert_event from = *v;
	size_t size = alert_text_size(subject, ALERT_SUBJECT_ROOM), n;
	struct alert_item *i;
	char *at;

	for (n = 0; n < ALERT_TEXTS; n++)
		size += alert_text_size(*alert_text_of(&from, n), alert_texts[n].most);
	i = alert_alloc(sizeof(*i) + size);
	i->next = NULL;
	i->event = *v;
	at = i->data;
	i->subject = alert_text_put(&at, subject, ALERT_SUBJECT_ROOM);
	for (n = 0; n < ALERT_TEXTS; n++)
		*alert_text_of(&i->event, n) =
		    alert_text_put(&at, *alert_text_of(&from, n), alert_texts[n].most);
	return i;
}

/* ---- the caller's side -------------------------------------------------- */

void
alert_incident(struct alerts *a, const char *kind, const char *limit, const char *subject, char id[ALERT_ID])
{
	id[0] = '\0';
	if (a != NULL)
		alert_incidents_name(a->incidents, kind, limit, subject, clock_now(), id);
}

void
alert_post(struct alerts *a, const char *subject, const struct alert_event *v)
{
	struct alert_item *i;
	bool full, wake;

	if (a == NULL)
		return;
	i = alert_item_new(subject, v);
	(void)pthread_mutex_lock(&a->lock);
	full = a->queued >= ALERT_QUEUE_MOST || a->stop;
	if (!full) {
		*a->tail = i;
		a->tail = &i->next;
		a->queued++;
	}
	wake = a->asleep;
	a->asleep = false;
	(void)pthread_mutex_unlock(&a->lock);

	if (wake)
		(void)pthread_cond_signal(&a->wake);
	if (full)
		free(i);
	atomic_fetch_add(full ? &a->dropped : &a->posted, 1);
}

void
alert_numbers(struct alerts *a, struct alert_numbers *to)
{
	memset(to, 0, sizeof(*to));
	if (a == NULL)
		return;
	to->posted = atomic_load(&a->posted);
	to->told = atomic_load(&a->told);
	to->suppressed = atomic_load(&a->suppressed);
	to->dropped = atomic_load(&a->dropped);
	to->open = alert_incidents_open(a->incidents);
}

/* ---- telling -------------------------------------------------------------- */

struct alert_fields {
	struct alert_field at[ALERT_FIELDS];
	size_t n;
	char numbers[6][24], window[24], retry[24], since[24], until[24];
	size_t n_numbers;
};

static void
field_add(struct alert_fields *f, const char *key, const char *value)
{
	if (value[0] == '\0' || f->n == ALERT_FIELDS)
		return;
	f->at[f->n].key = key;
	f->at[f->n++].value = value;
}

static void
field_add_number(struct alert_fields *f, const char *key, uint64_t value)
{
	char *text = f->numbers[f->n_numbers++];

	(void)snprintf(text, sizeof(f->numbers[0]), "%llu", (unsigned long long)value);
	field_add(f, key, text);
}

/* "2026-01-31T12:00:00Z"; nothing for a time that is none. */
static void
field_add_time(struct alert_fields *f, const char *key, uint64_t ms, char to[24])
{
	time_t t = (time_t)(ms / 1000);
	struct tm tm;

	if (ms == 0 || ms / 1000 > UINT64_C(253402300799) || gmtime_r(&t, &tm) == NULL ||
	    strftime(to, 24, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		return;
	field_add(f, key, to);
}

static void
fields_of_limit(struct alert_fields *f, const struct alert_event *v)
{
	if (v->limit[0] == '\0')
		return;
	field_add(f, "limit", v->limit);
	field_add_number(f, "used", v->used);
	field_add_number(f, "ceiling", v->ceiling);
	if (v->window > 0) {
		str_duration_text(v->window, f->window, sizeof(f->window));
		field_add(f, "window", f->window);
	}
}

/* The key of a limit that no other field shows, such as a recipient domain. */
static const char *
subject_to_show(const struct alert_item *i)
{
	const struct alert_event *v = &i->event;

	if (str_ieq(i->subject, v->customer) || str_ieq(i->subject, v->account) ||
	    str_ieq(i->subject, v->client) || str_ieq(i->subject, v->submitter))
		return "";
	return i->subject;
}

static const char *
severity_of(const struct alert_item *i, const struct alert_extra *x)
{
	if (x->severity != NULL)
		return x->severity;
	return i->event.severity[0] != '\0' ? i->event.severity : "warning";
}

/* The order of this list is what the desk's scripts rely on (product.md section 10). */
static void
fields_fill(struct alert_fields *f, const struct alert_item *i, const struct alert_extra *x,
    const char *relay)
{
	const struct alert_event *v = &i->event;

	f->n = f->n_numbers = 0;
	field_add(f, "kind", x->kind != NULL ? x->kind : v->kind);
	field_add(f, "incident", x->id);
	field_add(f, "severity", severity_of(i, x));
	field_add(f, "customer", v->customer);
	field_add(f, "account", v->account);
	fields_of_limit(f, v);
	field_add(f, "client", v->client);
	field_add(f, "submitter", v->submitter);
	field_add(f, "script", v->script);
	field_add(f, "sender", v->sender);
	field_add(f, "from", v->from);
	field_add(f, "mailer", v->mailer);
	field_add(f, "txn", v->transaction);
	field_add(f, "qid", v->queue_id);
	field_add(f, "msgid", v->message_id);
	field_add(f, "action", v->monitor ? "accept" : v->action);
	field_add(f, "would", v->monitor && strcmp(v->action, "accept") != 0 ? v->action : "");
	field_add(f, "mode", v->monitor ? "monitor" : "enforce");
	field_add_time(f, "retry", v->retry_at, f->retry);
	if (x->count > 0)
		field_add_number(f, "count", x->count);
	field_add_time(f, "since", x->since, f->since);
	field_add_time(f, "until", x->until, f->until);
	field_add(f, "subject", subject_to_show(i));
	field_add(f, "reason", v->reason);
	field_add(f, "relay", relay);
	field_add_number(f, "more", x->more);
}

static void
alert_tell(struct alerts *a, const struct alert_item *i, const struct alert_extra *x)
{
	struct alert_fields f;
	struct alert_told t = { .fields = f.at };
	size_t n;

	fields_fill(&f, i, x, a->settings->relay);
	t.severity = severity_of(i, x);
	t.n = f.n;
	for (n = 0; n < ALERT_SINKS; n++)
		if (a->settings->sink_open[n])
			alert_sinks[n]->tell(a->settings->sink[n], &t);
	atomic_fetch_add(&a->told, 1);
}

/* A name as we would have made it. */
static bool
alert_is_id(const char *text)
{
	size_t n = strspn(text, "0123456789ABCDEFGHJKMNPQRSTVWXYZ");

	return n >= 5 && n < ALERT_ID && text[n] == '\0';
}

/* For how long a relay that meets it again leaves it to the one that told: what each relay finds out on its
 * own, at its own time, for as long as that takes all of them. */
static uint64_t
alert_claim_time(const struct alerts *a, const char *kind)
{
	uint64_t repeat = a->settings->repeat;

	if (strcmp(kind, "mailer.first-seen") == 0)
		return ALERT_FIRST_SEEN;
	if (strcmp(kind, "preflight.drift") == 0 && a->settings->walk > repeat)
		return a->settings->walk;
	return repeat;
}

/* Of the relays that share a store one tells an incident; the others take its name. When the store does not
 * answer all do: better twice than never. What relays say of themselves each says for itself. */
static bool
alert_is_ours(struct alerts *a, const char *phase, const struct alert_item *i, const char *id)
{
	static const char *const own[] = { "store.", "alert.", "config." };
	const struct alert_event *v = &i->event;
	char name[ALERT_SUBJECT_ROOM + 200], note[STORE_NOTE];
	bool ours;
	size_t n;

	for (n = 0; n < sizeof(own) / sizeof(own[0]); n++) {
		if (strncmp(v->kind, own[n], strlen(own[n])) == 0)
			return true;
	}
	(void)snprintf(name, sizeof(name), "%s %.64s %.64s %s %.*s", phase, v->kind, v->limit,
	    v->monitor ? "monitor" : "", ALERT_SUBJECT_ROOM, i->subject);
	(void)str_copy(note, sizeof(note), id);
	ours = a->store == NULL ||
	    store_claim(a->store, "alerts", name, alert_claim_time(a, v->kind), note, NULL) != 0;
	if (!ours && strcmp(note, id) != 0 && alert_is_id(note))
		alert_incidents_rename(a->incidents, id, note);
	return ours;
}

/* Counts an event under its incident and tells it if it is worth it: true when it was told. id: of the
 * incident. */
static bool
alert_count(struct alerts *a, struct alert_item *take_item, bool always, uint64_t until, char id[ALERT_ID])
{
	struct alert_view view;
	struct alert_extra x = { .until = until };
	bool tell = alert_incidents_event(a->incidents, take_item, always, clock_now(), &view);

	memcpy(id, view.id, ALERT_ID);
	x.id = view.id;
	x.more = view.more;
	tell = tell && (always || alert_is_ours(a, "first", view.latest, view.id));
	if (tell)
		alert_tell(a, view.latest, &x);
	else
		atomic_fetch_add(&a->suppressed, 1);
	return tell;
}

/* An alert of our own making. */
static void
alert_say(struct alerts *a, const char *kind, const char *severity, const char *reason, bool always)
{
	const struct alert_event v = { .kind = kind, .severity = severity, .reason = reason };
	char id[ALERT_ID];

	(void)alert_count(a, alert_item_new("", &v), always, 0, id);
}

/* ---- suspending -------------------------------------------------------------- */

struct alert_suspension {
	const char *kind, *subject;
	uint64_t time;			/* ms */
	const char *by, *reason;
	bool pretend;			/* monitor mode */
};

static bool
already_suspended(struct alerts *a, const struct alert_suspension *w)
{
	struct arena *arena = arena_new(ARENA_DEFAULT_CAP);
	struct store_suspension found;
	bool yes = store_suspended(a->store, w->kind, w->subject, arena, &found) == 1;

	arena_free(&arena);
	return yes;
}

/* Suspends unless that is so already, and says what was done, with the facts of the last straw. */
static void
alert_suspend(struct alerts *a, const struct alert_event *cause, const struct alert_suspension *w)
{
	uint64_t now = clock_now(), until = w->time > UINT64_MAX - now ? UINT64_MAX : now + w->time;
	const struct store_suspension s = { w->kind, w->subject, "reject", w->reason, w->by, now, until };
	struct alert_event v = *cause;
	char text[480], id[ALERT_ID];
	struct err e;

	if (a->store == NULL || w->subject[0] == '\0' || already_suspended(a, w))
		return;
	err_clear(&e);
	v.kind = "suspension.added";
	v.severity = "warning";
	v.action = "suspend";
	v.reason = w->reason;
	v.monitor = w->pretend;
	v.retry_at = 0;
	if (!w->pretend && store_suspend(a->store, &s, &e) != STORE_DONE) {
		(void)snprintf(text, sizeof(text), "%s %.100s could not be suspended: %.160s; %.160s",
		    w->kind, w->subject, e.text, w->reason);
		v.kind = "suspension.failed";
		v.severity = "critical";
		v.action = "";
		v.reason = text;
		until = 0;
	}
	/* In monitor mode nothing ends the matter, so it is told like any other event. */
	(void)alert_count(a, alert_item_new(w->subject, &v), !w->pretend && until != 0, until, id);
}

/* The store knows subjects in lower case. */
static const char *
lower_copy(char to[ALERT_SUBJECT_ROOM], const char *subject)
{
	(void)str_copy(to, ALERT_SUBJECT_ROOM, subject);
	return str_lower(to);
}

/* A limit's own "suspend 24h". */
static void
suspend_by_limit(struct alerts *a, const struct alert_item *cause)
{
	const struct alert_event *v = &cause->event;
	char subject[ALERT_SUBJECT_ROOM], by[64], reason[256], window[24], id[ALERT_ID];
	struct alert_suspension w = { .kind = v->suspend_kind, .time = v->suspend_for, .by = by,
		.reason = reason, .pretend = v->monitor };

	if (v->suspend_kind[0] == '\0' || v->suspend_for == 0)
		return;
	alert_incidents_name(a->incidents, v->kind, v->limit, cause->subject, clock_now(), id);
	w.subject = lower_copy(subject, v->suspend_subject);
	str_duration_text(v->window, window, sizeof(window));
	(void)snprintf(by, sizeof(by), "limit %.40s", v->limit);
	(void)snprintf(reason, sizeof(reason), "limit %.40s: %u of %u per %s (incident %s)", v->limit,
	    v->used, v->ceiling, window, id);
	alert_suspend(a, v, &w);
}

static void
suspend_by_escalation(struct alerts *a, const struct alert_event *v, const struct conf_escalation *rule,
    const char *id)
{
	char subject[ALERT_SUBJECT_ROOM], reason[256], within[24];
	struct alert_suspension w = { .kind = rule->customer ? "customer" : "account", .time = rule->suspend,
		.by = "escalation", .reason = reason, .pretend = v->monitor };

	w.subject = lower_copy(subject, rule->customer ? v->customer : v->account);
	if (w.subject[0] == '\0' ||
	    !alert_escalations_hit(a->escalations, rule, w.subject, v->monitor, clock_now()))
		return;
	str_duration_text(rule->within, within, sizeof(within));
	(void)snprintf(reason, sizeof(reason), "escalation: %u x %.64s within %s (incident %s)", rule->times,
	    rule->when, within, id);
	alert_suspend(a, v, &w);
}

/* An excess counts as often as the desk is told of it: a client that tries again every second
 * against a deferring limit is one that waits, not one that attacks. Everything else counts each time. */
static bool
escalates_when_told(const struct alert_event *v)
{
	return v->limit[0] != '\0';
}

static void
alert_escalate(struct alerts *a, const struct alert_event *v, const char *id)
{
	size_t n;

	for (n = 0; n < a->settings->n_escalate; n++)
		if (alert_escalation_wants(&a->settings->escalate[n], v->kind))
			suspend_by_escalation(a, v, &a->settings->escalate[n], id);
}

/* What people did is told each time: a second suspension within the hour is news. */
static bool
by_people(const char *kind)
{
	static const char *const kinds[] = { "suspension.added", "suspension.released", "config.reloaded",
		"config.rejected" };
	size_t n;

	for (n = 0; n < sizeof(kinds) / sizeof(kinds[0]); n++)
		if (strcmp(kind, kinds[n]) == 0)
			return true;
	return false;
}

/* The same of an item that belongs to an incident, which what follows may change. */
static void
alert_escalate_copy(struct alerts *a, const struct alert_item *i, const char *incident)
{
	struct alert_item *cause = alert_item_new(i->subject, &i->event);
	char id[ALERT_ID];

	(void)str_copy(id, sizeof(id), incident);
	alert_escalate(a, &cause->event, id);
	free(cause);
}

/* One event from the queue. It is copied before it is handed over, since what follows from it may
 * belong to the same incident. */
static void
alert_handle(struct alerts *a, struct alert_item *take_item)
{
	struct alert_item *cause = alert_item_new(take_item->subject, &take_item->event);
	char id[ALERT_ID];
	bool told;

	suspend_by_limit(a, cause);
	told = alert_count(a, take_item, by_people(cause->event.kind), 0, id);
	if (told || !escalates_when_told(&cause->event))
		alert_escalate(a, &cause->event, id);
	free(cause);
}

/* ---- what time brings ------------------------------------------------------- */

static void
alert_tell_due(struct alerts *a)
{
	struct alert_view view;
	enum alert_due due;

	while ((due = alert_incidents_due(a->incidents, clock_now(), &view)) != ALERT_DUE_NOTHING) {
		struct alert_extra x = { .id = view.id, .more = view.more, .count = view.count,
			.since = view.first };

		if (due == ALERT_DUE_RESOLVED) {
			x.kind = "limit.resolved";
			x.severity = "info";
		}
		if (!alert_is_ours(a, due == ALERT_DUE_RESOLVED ? "resolved" : "more", view.latest, view.id))
			continue;
		alert_tell(a, view.latest, &x);
		if (due != ALERT_DUE_RESOLVED && escalates_when_told(&view.latest->event))
			alert_escalate_copy(a, view.latest, view.id);
	}
}

static void
alert_tell_dropped(struct alerts *a)
{
	uint64_t dropped = atomic_load(&a->dropped), n = dropped - a->dropped_told;
	char reason[128];

	if (n == 0)
		return;
	a->dropped_told = dropped;
	(void)snprintf(reason, sizeof(reason), "%llu events dropped: more came than could be told",
	    (unsigned long long)n);
	alert_say(a, "alert.dropped", "critical", reason, true);
}

/* Writes the incidents that changed to the store, or forgets those that are over. */
static void
alert_keep(struct alerts *a)
{
	char id[ALERT_ID], space[ALERT_KEEP_TEXT];
	bool failed = false;
	struct err e;

	err_clear(&e);
	for (;;) {
		struct str text = STR_IN(space);

		space[0] = '\0';
		if (!alert_incidents_unkept(a->incidents, id, &text))
			break;
		if (a->store != NULL && !failed)
			failed = store_keep(a->store, ALERT_SPACE, id, text.len > 0 ? text.data : NULL,
			    &e) != STORE_DONE;
	}
	if (failed)
		alert_say(a, "alert.memory-failed", "warning", e.text, false);
}

/* ---- the thread ----------------------------------------------------------------- */

static uint64_t
alert_real_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Waits on c until until (alert_real_ms); false when the time is over. The lock is held. */
static bool
alert_wait_until(struct alerts *a, pthread_cond_t *c, uint64_t until)
{
	struct timespec t = { .tv_sec = (time_t)(until / 1000), .tv_nsec = (long)(until % 1000) * 1000000 };

	return pthread_cond_timedwait(c, &a->lock, &t) == 0;
}

/* The lock is held. */
static bool
alert_asked(const struct alerts *a)
{
	return a->stop || a->flush_asked != a->flush_done || a->next_settings != NULL;
}

/* How long the thread may sleep; UINT64_MAX: until somebody wakes it. */
static uint64_t
alert_sleep(struct alerts *a)
{
	uint64_t due = alert_incidents_next(a->incidents), now = clock_now();

	if (due == UINT64_MAX && atomic_load(&a->dropped) == a->dropped_told &&
	    !alert_incidents_changed(a->incidents))
		return UINT64_MAX;
	return due <= now ? 1 : due - now < ALERT_TICK ? due - now : ALERT_TICK;
}

/* Sleeps until there is something to do; takes the queue and new settings. Returns the flush to confirm. */
static uint64_t
alert_await(struct alerts *a, uint64_t sleep, struct alert_item **items, struct alert_settings **settings)
{
	uint64_t until = sleep == UINT64_MAX ? UINT64_MAX : alert_real_ms() + sleep, flush;
	bool on = true;

	(void)pthread_mutex_lock(&a->lock);
	while (on && a->queued == 0 && !alert_asked(a)) {
		a->asleep = true;
		if (until == UINT64_MAX)
			(void)pthread_cond_wait(&a->wake, &a->lock);
		else
			on = alert_wait_until(a, &a->wake, until);
	}
	a->asleep = false;
	*items = a->head;
	a->head = NULL;
	a->tail = &a->head;
	a->queued = 0;
	*settings = a->next_settings;
	a->next_settings = NULL;
	flush = a->flush_asked;
	(void)pthread_mutex_unlock(&a->lock);
	return flush;
}

/* Confirms a flush, then rests; true when it is time to stop. */
static bool
alert_rest(struct alerts *a, uint64_t flush)
{
	uint64_t until = alert_real_ms() + ALERT_REST;
	bool stop;

	(void)pthread_mutex_lock(&a->lock);
	if (a->flush_done != flush) {
		a->flush_done = flush;
		(void)pthread_cond_broadcast(&a->flushed);
	}
	while (!alert_asked(a) && alert_wait_until(a, &a->wake, until))
		;
	stop = a->stop && a->queued == 0;
	(void)pthread_mutex_unlock(&a->lock);
	return stop;
}

static void
alert_settings_free(struct alert_settings *s)
{
	size_t n;

	if (s == NULL)
		return;
	for (n = 0; n < s->n_escalate; n++)
		free((void *)(uintptr_t)s->escalate[n].when);
	for (n = 0; n < ALERT_SINKS; n++)
		if (s->sink_open[n])
			alert_sinks[n]->close(s->sink[n]);
	free(s->escalate);
	free(s);
}

static bool
alert_out_of_time(struct alerts *a)
{
	bool out;

	(void)pthread_mutex_lock(&a->lock);
	out = a->stop && alert_real_ms() >= a->stop_by;
	(void)pthread_mutex_unlock(&a->lock);
	return out;
}

static void
alert_handle_all(struct alerts *a, struct alert_item *items)
{
	struct alert_item *next;

	for (; items != NULL; items = next) {
		next = items->next;
		if (!alert_out_of_time(a)) {
			alert_handle(a, items);
		} else {
			free(items);
			atomic_fetch_add(&a->dropped, 1);
		}
	}
}

static void *
alert_main(void *cookie)
{
	struct alerts *a = cookie;
	struct alert_settings *settings;
	struct alert_item *items;
	uint64_t flush, now;
	bool stop = false;

	while (!stop) {
		flush = alert_await(a, alert_sleep(a), &items, &settings);
		if (settings != NULL) {
			alert_settings_free(a->settings);
			a->settings = settings;
			alert_incidents_repeat(a->incidents, settings->repeat);
		}
		alert_handle_all(a, items);
		alert_tell_due(a);
		now = clock_now();
		if (now >= a->ticked + ALERT_TICK || now < a->ticked) {
			a->ticked = now;
			alert_tell_dropped(a);
			alert_keep(a);
		}
		stop = alert_rest(a, flush);
	}
	alert_tell_dropped(a);
	alert_keep(a);
	return NULL;
}

/* ---- opening and closing ---------------------------------------------------------- */

static struct alert_settings *
alert_settings_new(const struct conf *c, struct err *e)
{
	struct alert_settings *s = alert_alloc(sizeof(*s));
	size_t n;
	int r;

	memset(s, 0, sizeof(*s));
	(void)str_copy(s->relay, sizeof(s->relay), c->relay);
	s->repeat = c->alerts.repeat;
	s->walk = c->preflight.drift.interval;
	s->escalate = alert_alloc((c->alerts.n_escalate + 1) * sizeof(*s->escalate));
	for (n = 0; n < c->alerts.n_escalate; n++) {
		s->escalate[n] = c->alerts.escalate[n];
		s->escalate[n].when = strdup(c->alerts.escalate[n].when);
		if (s->escalate[n].when == NULL)
			abort();
		s->n_escalate++;
	}
	for (n = 0; n < ALERT_SINKS; n++) {
		r = alert_sinks[n]->open(c, &s->sink[n], e);
		if (r < 0) {
			alert_settings_free(s);
			return NULL;
		}
		s->sink_open[n] = r == 1;
	}
	return s;
}

static void
alert_recall(void *cookie, const char *name, const char *value)
{
	struct alerts *a = cookie;

	/* One that cannot be read is an incident told twice: no reason not to start. */
	(void)alert_incidents_restore(a->incidents, name, value, clock_now());
}

static int
alert_start(struct alerts *a, struct err *e)
{
	sigset_t all, before;
	int r;

	/* Signals belong to the main thread. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&a->thread, NULL, alert_main, a);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r == 0 ? 0 : err_set(e, ERR_SYSTEM, "alert thread: %s", strerror(r));
}

static void
alert_free(struct alerts *a)
{
	alert_settings_free(a->settings);
	alert_settings_free(a->next_settings);
	alert_incidents_free(&a->incidents);
	alert_escalations_free(&a->escalations);
	(void)pthread_cond_destroy(&a->wake);
	(void)pthread_cond_destroy(&a->flushed);
	(void)pthread_mutex_destroy(&a->lock);
	free(a);
}

static struct alerts *
alert_new(struct store *s)
{
	struct alerts *a = alert_alloc(sizeof(*a));
	pthread_condattr_t attr;

	memset(a, 0, sizeof(*a));
	a->store = s;
	a->tail = &a->head;
	a->escalations = alert_escalations_new();
	(void)pthread_mutex_init(&a->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&a->wake, &attr);
	(void)pthread_cond_init(&a->flushed, &attr);
	(void)pthread_condattr_destroy(&attr);
	return a;
}

struct alerts *
alert_open(const struct conf *c, struct store *s, struct err *e)
{
	struct alerts *a = alert_new(s);
	struct store_health health;

	a->settings = alert_settings_new(c, e);
	if (a->settings != NULL)
		a->incidents = alert_incidents_new(a->settings->repeat, e);
	if (a->incidents != NULL && s != NULL && store_health(s, &health))
		alert_incidents_share(a->incidents);
	if (a->incidents == NULL || (s != NULL && store_kept(s, ALERT_SPACE, alert_recall, a, e) < 0) ||
	    alert_start(a, e) != 0) {
		alert_free(a);
		return NULL;
	}
	return a;
}

void
alert_configure(struct alerts *a, const struct conf *c)
{
	struct alert_settings *next, *old;
	struct err e;

	err_clear(&e);
	next = alert_settings_new(c, &e);
	if (next == NULL) {
		const struct alert_event v = { .kind = "alert.settings-refused", .severity = "warning",
			.reason = e.text };

		alert_post(a, "", &v);
		return;
	}
	(void)pthread_mutex_lock(&a->lock);
	old = a->next_settings;
	a->next_settings = next;
	a->asleep = false;
	(void)pthread_mutex_unlock(&a->lock);
	(void)pthread_cond_signal(&a->wake);
	alert_settings_free(old);
}

int
alert_flush(struct alerts *a, uint64_t ms)
{
	uint64_t until = alert_real_ms(), mine;
	int done;

	if (a == NULL)
		return 1;
	until = ms > UINT32_MAX ? until + UINT32_MAX : until + ms;
	(void)pthread_mutex_lock(&a->lock);
	mine = ++a->flush_asked;
	a->asleep = false;
	(void)pthread_cond_signal(&a->wake);
	while (a->flush_done < mine && alert_wait_until(a, &a->flushed, until))
		;
	done = a->flush_done >= mine ? 1 : 0;
	(void)pthread_mutex_unlock(&a->lock);
	return done;
}

void
alert_close(struct alerts **a)
{
	if (a == NULL || *a == NULL)
		return;
	(void)pthread_mutex_lock(&(*a)->lock);
	(*a)->stop = true;
	(*a)->stop_by = alert_real_ms() + ALERT_CLOSE_MOST;
	(void)pthread_mutex_unlock(&(*a)->lock);
	(void)pthread_cond_signal(&(*a)->wake);
	(void)pthread_join((*a)->thread, NULL);
	alert_free(*a);
	*a = NULL;
}
