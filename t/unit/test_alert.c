/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * alert, from the event to the finished line. The linker puts stand-ins in place
 * of the clock, the log and the store; the thread, the incidents and the syslog
 * sink are the real ones.
 */
#include "lib/alert.h"

#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/alert_private.h"
#include "lib/conf.h"
#include "lib/log.h"
#include "lib/store.h"
#include "t/unit/clock_fake.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define MINUTE ((uint64_t)60 * 1000)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define FLUSH_MS 20000

/* ---- the log's stand-in: remembers lines ------------------------------------- */

static pthread_mutex_t heard_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t heard_go = PTHREAD_COND_INITIALIZER;
static char heard[64][2100];
static size_t n_heard;
static char heard_facility[32];
static enum log_level heard_level;
static bool heard_hold, heard_waiting;	/* the sink hangs while hold is set */

bool
log_facility_known(const char *name)
{
	return strcmp(name, "mail") == 0 || strcmp(name, "local3") == 0;
}

void
log_line_facility(enum log_level level, const char *facility, const char *line)
{
	(void)pthread_mutex_lock(&heard_lock);
	(void)snprintf(heard[n_heard++ % COUNT(heard)], sizeof(heard[0]), "%s", line);
	(void)snprintf(heard_facility, sizeof(heard_facility), "%s", facility);
	heard_level = level;
	heard_waiting = true;
	(void)pthread_cond_broadcast(&heard_go);
	while (heard_hold)
		(void)pthread_cond_wait(&heard_go, &heard_lock);
	heard_waiting = false;
	(void)pthread_mutex_unlock(&heard_lock);
}

/* ---- the store's stand-in ------------------------------------------------------ */

struct store {
	pthread_mutex_t lock;
	struct { char kind[16], subject[64], action[16], reason[256], by[64]; uint64_t until; } suspended[8];
	size_t n_suspended;
	struct { char name[16], value[8192]; } kept[64];
	size_t n_kept;
	unsigned writes;
	bool broken;
	bool claimed;			/* by another relay */
	bool shared;
	const char *note;		/* the other's, or NULL */
	uint64_t claim_time;		/* of the last claim */
};

static struct store store = { .lock = PTHREAD_MUTEX_INITIALIZER };

int
store_suspended(struct store *s, const char *kind, const char *subject, struct arena *a,
    struct store_suspension *to)
{
	size_t n;
	int found = 0;

	(void)a;
	(void)to;
	(void)pthread_mutex_lock(&s->lock);
	for (n = 0; n < s->n_suspended; n++)
		if (strcmp(s->suspended[n].kind, kind) == 0 &&
		    strcmp(s->suspended[n].subject, subject) == 0 && s->suspended[n].until > clock_now())
			found = 1;
	(void)pthread_mutex_unlock(&s->lock);
	return found;
}

enum store_result
store_suspend(struct store *s, const struct store_suspension *w, struct err *e)
{
	size_t n;

	if (s->broken) {
		(void)err_set(e, ERR_GONE, "disk full");
		return STORE_FAILED;
	}
	(void)pthread_mutex_lock(&s->lock);
	n = s->n_suspended++;
	assert_true(n < COUNT(s->suspended));
	(void)snprintf(s->suspended[n].kind, sizeof(s->suspended[n].kind), "%s", w->kind);
	(void)snprintf(s->suspended[n].subject, sizeof(s->suspended[n].subject), "%s", w->subject);
	(void)snprintf(s->suspended[n].action, sizeof(s->suspended[n].action), "%s", w->action);
	(void)snprintf(s->suspended[n].reason, sizeof(s->suspended[n].reason), "%s", w->reason);
	(void)snprintf(s->suspended[n].by, sizeof(s->suspended[n].by), "%s", w->by);
	s->suspended[n].until = w->until;
	(void)pthread_mutex_unlock(&s->lock);
	return STORE_DONE;
}

enum store_result
store_keep(struct store *s, const char *space, const char *name, const char *value, struct err *e)
{
	size_t n;

	assert_string_equal(space, "incidents");
	s->writes++;
	if (s->broken) {
		(void)err_set(e, ERR_GONE, "disk full");
		return STORE_FAILED;
	}
	for (n = 0; n < s->n_kept && strcmp(s->kept[n].name, name) != 0; n++)
		;
	if (value == NULL) {
		if (n < s->n_kept)
			s->kept[n] = s->kept[--s->n_kept];
		return STORE_DONE;
	}
	assert_true(n < COUNT(s->kept));
	if (n == s->n_kept)
		s->n_kept++;
	(void)snprintf(s->kept[n].name, sizeof(s->kept[n].name), "%s", name);
	(void)snprintf(s->kept[n].value, sizeof(s->kept[n].value), "%s", value);
	return STORE_DONE;
}

int
store_kept(struct store *s, const char *space, void (*each)(void *, const char *, const char *), void *cookie,
    struct err *e)
{
	size_t n;

	(void)e;
	assert_string_equal(space, "incidents");
	for (n = 0; n < s->n_kept; n++)
		each(cookie, s->kept[n].name, s->kept[n].value);
	return 1;
}

/* Only what was refused to us in advance is somebody else's. */
int
store_claim(struct store *s, const char *space, const char *name, uint64_t time, char note[STORE_NOTE],
    struct err *e)
{
	(void)e;
	assert_string_equal(space, "alerts");
	assert_true(*name != '\0' && time > 0);
	s->claim_time = time;
	if (s->claimed && s->note != NULL && note != NULL)
		(void)snprintf(note, STORE_NOTE, "%s", s->note);
	return s->broken ? -1 : !s->claimed;
}

bool
store_health(struct store *s, struct store_health *to)
{
	memset(to, 0, sizeof(*to));
	return s->shared;
}

/* ---- the stage -------------------------------------------------------------------- */

static struct conf_escalation rules[] = {
	{ "ownership", 5, 10 * MINUTE, false, 24 * HOUR },
	{ "limit", 3, HOUR, true, 4 * HOUR }
};
static struct conf conf;
static struct alerts *alerts;

static void
start(struct store *s)
{
	struct err e;

	err_clear(&e);
	alerts = alert_open(&conf, s, &e);
	if (alerts == NULL)
		fail_msg("%s", e.text);
}

static int
setup(void **state)
{
	(void)state;
	memset(&conf, 0, sizeof(conf));
	conf.relay = "out1";
	conf.alerts.repeat = 15 * MINUTE;
	conf.alerts.facility = "mail";
	n_heard = 0;
	store.n_suspended = store.n_kept = 0;
	store.writes = 0;
	store.broken = store.claimed = store.shared = false;
	store.note = NULL;
	clock_fake_set(CLOCK_FAKE_START);
	start(&store);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	alert_close(&alerts);
	assert_null(alerts);
	alert_close(&alerts);
	return 0;
}

static void
restart(struct store *s)
{
	alert_close(&alerts);
	start(s);
}

static struct alert_event
exceeded(void)
{
	return (struct alert_event){ .kind = "limit.exceeded", .severity = "warning", .customer = "acme",
		.account = "bob@acme.example", .limit = "customer", .used = 501, .ceiling = 500,
		.window = HOUR, .client = "192.0.2.7", .submitter = "203.0.113.9", .queue_id = "4XyZ",
		.message_id = "<1@acme.example>", .action = "defer" };
}

static struct alert_event
stolen(void)
{
	return (struct alert_event){ .kind = "ownership.from", .severity = "warning", .customer = "acme",
		.account = "Bob@acme.example", .from = "boss@other.example", .action = "reject" };
}

static void
flush(void)
{
	assert_int_equal(alert_flush(alerts, FLUSH_MS), 1);
}

static void
post(const char *subject, const struct alert_event *v)
{
	alert_post(alerts, subject, v);
	flush();
}

static void
later_by(uint64_t ms)
{
	clock_fake_advance(ms);
	flush();
}

/* The value of a key in line n: the text behind " key=" up to the next blank outside quotes. */
static const char *
value(size_t n, const char *key)
{
	static char found[2100];
	size_t len = strlen(key), i;
	const char *p;
	bool quoted;

	assert_true(n < n_heard);
	for (p = heard[n]; *p != '\0'; p += *p != '\0') {
		bool here = strncmp(p, key, len) == 0 && p[len] == '=';

		for (i = 0, quoted = false; *p != '\0' && (quoted || *p != ' '); p++) {
			if (*p == '\\' && p[1] != '\0')
				found[i++] = *p++;
			else if (*p == '"')
				quoted = !quoted;
			found[i++] = *p;
		}
		found[i] = '\0';
		if (here)
			return found + len + 1;
	}
	return "(none)";
}

#define assert_value(n, key, want) assert_string_equal(value((n), (key)), (want))

/* ---- several relays ---- */

static void
another_relay_tells_it(void **state)
{
	struct alert_event v = exceeded(), own = { .kind = "store.degraded", .severity = "critical" };
	struct alert_numbers n;

	(void)state;
	store.claimed = true;
	post("acme", &v);
	assert_int_equal(n_heard, 0);
	alert_numbers(alerts, &n);
	assert_int_equal(n.suppressed, 1);
	/* What a relay says of itself nobody else says. */
	post("store", &own);
	assert_int_equal(n_heard, 1);
	/* A store that does not answer silences nobody. */
	store.broken = true;
	post("other", &v);
	assert_int_equal(n_heard, 2);
}

/* What each relay finds out on its own, at its own time, is claimed until all have. */
static void
what_is_claimed_for_longer(void **state)
{
	struct alert_event limit = exceeded(), drift = { .kind = "preflight.drift" }, first = {
		.kind = "mailer.first-seen" };

	(void)state;
	conf.preflight.drift.interval = DAY;
	restart(&store);
	post("acme", &limit);
	assert_int_equal(store.claim_time, 15 * MINUTE);
	post("acme.example", &drift);
	assert_int_equal(store.claim_time, DAY);
	post("acme interspire", &first);
	assert_int_equal(store.claim_time, 366 * DAY);
	assert_int_equal(n_heard, 3);
}

/* Two relays that share a store and never spoke. */
static void
relays_name_an_incident_alike(void **state)
{
	struct alert_incidents *t[2];
	char id[2][ALERT_ID], other[ALERT_ID], next[ALERT_ID];
	struct err e;
	size_t n;

	(void)state;
	for (n = 0; n < 2; n++) {
		t[n] = alert_incidents_new(15 * MINUTE, &e);
		assert_non_null(t[n]);
		alert_incidents_share(t[n]);
	}
	alert_incidents_name(t[0], "limit.warning", "customer", "acme", CLOCK_FAKE_START, id[0]);
	alert_incidents_name(t[1], "mailer.bulk", NULL, "acme", CLOCK_FAKE_START + 100, other);
	alert_incidents_name(t[1], "limit.exceeded", "customer", "acme", CLOCK_FAKE_START + 1000, id[1]);
	assert_string_equal(id[0], id[1]);
	assert_int_equal(strlen(id[0]), 6);
	assert_string_not_equal(id[0], other);
	/* The one who tells first decides; later replies name what he told. */
	alert_incidents_rename(t[1], id[1], "ZZZZZ");
	alert_incidents_name(t[1], "limit.exceeded", "customer", "acme", CLOCK_FAKE_START + 2000, next);
	assert_string_equal(next, "ZZZZZ");
	/* Not by the name of another one. */
	alert_incidents_rename(t[1], "ZZZZZ", other);
	alert_incidents_name(t[1], "limit.exceeded", "customer", "acme", CLOCK_FAKE_START + 3000, next);
	assert_string_equal(next, "ZZZZZ");
	for (n = 0; n < 2; n++)
		alert_incidents_free(&t[n]);
}

static void
the_name_of_who_told_it(void **state)
{
	struct alert_event v = exceeded();
	char id[ALERT_ID];

	(void)state;
	store.claimed = true;
	store.note = "7KQ2XM";
	post("acme", &v);
	assert_int_equal(n_heard, 0);
	alert_incident(alerts, "limit.exceeded", v.limit, "acme", id);
	assert_string_equal(id, "7KQ2XM");
	/* Nothing that somebody else may have put there. */
	store.note = "x y";
	post("other", &v);
	alert_incident(alerts, "limit.exceeded", v.limit, "other", id);
	assert_int_equal(strlen(id), 5);
}

/* ---- the line ------------------------------------------------------------------------ */

static void
a_line_says_it_all_in_one_order(void **state)
{
	struct alert_event v = exceeded();
	char id[ALERT_ID], want[1000];

	(void)state;
	alert_incident(alerts, v.kind, v.limit, "acme", id);
	assert_in_range(strlen(id), 5, 7);
	assert_int_equal(strspn(id, "0123456789ABCDEFGHJKMNPQRSTVWXYZ"), strlen(id));
	post("acme", &v);
	assert_int_equal(n_heard, 1);
	(void)snprintf(want, sizeof(want),
	    "alert kind=limit.exceeded incident=%s severity=warning customer=acme "
	    "account=bob@acme.example limit=customer used=501 ceiling=500 window=1h client=192.0.2.7 "
	    "submitter=203.0.113.9 qid=4XyZ msgid=<1@acme.example> action=defer mode=enforce "
	    "relay=out1 more=0",
	    id);
	assert_string_equal(heard[0], want);
	assert_string_equal(heard_facility, "mail");
	assert_int_equal(heard_level, LOG_LEVEL_WARNING);

	v.sender = "bounce@acme.example";
	v.from = "bob@acme.example";
	v.mailer = "interspire";
	v.transaction = "t1";
	v.reason = "used up";
	v.retry_at = CLOCK_FAKE_START + 7 * MINUTE;
	v.monitor = true;
	v.severity = "critical";
	alert_incident(alerts, v.kind, v.limit, "other", id);
	post("other", &v);
	(void)snprintf(want, sizeof(want),
	    "alert kind=limit.exceeded incident=%s severity=critical customer=acme "
	    "account=bob@acme.example limit=customer used=501 ceiling=500 window=1h client=192.0.2.7 "
	    "submitter=203.0.113.9 sender=bounce@acme.example from=bob@acme.example mailer=interspire "
	    "txn=t1 qid=4XyZ msgid=<1@acme.example> action=accept would=defer mode=monitor "
	    "retry=2026-01-01T00:07:00Z subject=other "
	    "reason=\"used up\" relay=out1 more=0",
	    id);
	assert_string_equal(heard[1], want);
	assert_int_equal(heard_level, LOG_LEVEL_ERROR);
}

static void
nothing_in_a_value_forges_a_key(void **state)
{
	static const char *const evil[] = {
		"x customer=evil", "x\" customer=evil y=\"", "x\\\" customer=evil", "x\ncustomer=evil",
		"x\r\nalert customer=evil", "x\tcustomer=evil", "\"", "\\", "\\\"", "=customer=evil",
		"\x1b]0;customer=evil\x07", "\xff\xfe customer=evil",
		"\xe2\x80\xa8 customer=evil", "customer=evil"
	};
	size_t n;

	(void)state;
	for (n = 0; n < COUNT(evil); n++) {
		struct alert_event v = exceeded();
		char subject[32];
		const char *p;

		v.account = v.submitter = v.sender = v.from = v.mailer = v.queue_id = v.message_id =
		    v.reason = evil[n];
		(void)snprintf(subject, sizeof(subject), "s%zu", n);
		post(subject, &v);
		assert_int_equal(n_heard, n + 1);
		assert_value(n, "customer", "acme");
		assert_value(n, "action", "defer");
		assert_value(n, "more", "0");
		for (p = heard[n]; *p != '\0'; p++)
			assert_true((unsigned char)*p >= 0x20 && *p != 0x7f);
	}
}

static void
long_values_push_nothing_out(void **state)
{
	struct alert_event v = exceeded();
	char longer[5000], subject[400];

	(void)state;
	memset(longer, '\x01', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	memset(subject, 's', sizeof(subject) - 1);
	subject[sizeof(subject) - 1] = '\0';
	v.account = v.client = v.submitter = v.sender = v.from = v.mailer = v.transaction = v.queue_id =
	    v.message_id = v.reason = longer;
	post(subject, &v);
	assert_value(0, "customer", "acme");
	assert_value(0, "action", "defer");
	assert_value(0, "mode", "enforce");
	assert_value(0, "relay", "out1");
	assert_value(0, "more", "0");
	assert_true(strlen(heard[0]) <= 2000);
	assert_non_null(strstr(heard[0], "...\""));
}

static void
what_is_not_given_is_left_out(void **state)
{
	const struct alert_event v = { .kind = "config.rejected" };

	(void)state;
	post(NULL, &v);
	assert_value(0, "severity", "warning");
	assert_value(0, "customer", "(none)");
	assert_value(0, "limit", "(none)");
	assert_value(0, "used", "(none)");
	assert_value(0, "retry", "(none)");
	assert_value(0, "more", "0");
}

/* ---- incidents ---------------------------------------------------------------------------- */

static void
one_alert_per_incident_and_time(void **state)
{
	struct alert_event v = exceeded();
	struct alert_numbers n;
	char id[ALERT_ID];
	int i;

	(void)state;
	for (i = 0; i < 5; i++)
		post("acme", &v);
	assert_int_equal(n_heard, 1);
	alert_numbers(alerts, &n);
	assert_int_equal(n.posted, 5);
	assert_int_equal(n.told, 1);
	assert_int_equal(n.suppressed, 4);
	assert_int_equal(n.open, 1);

	/* The next event after the time carries what was not told, and is not one of them. */
	(void)snprintf(id, sizeof(id), "%s", value(0, "incident"));
	clock_fake_advance(14 * MINUTE);
	flush();
	assert_int_equal(n_heard, 1);
	clock_fake_advance(MINUTE);
	post("acme", &v);
	assert_int_equal(n_heard, 2);
	assert_value(1, "more", "4");
	assert_value(1, "incident", id);
	assert_value(1, "count", "(none)");
	post("acme", &v);
	assert_int_equal(n_heard, 2);
}

static void
others_are_incidents_of_their_own(void **state)
{
	struct alert_event v = exceeded(), w = stolen();
	char a[ALERT_ID], b[ALERT_ID];

	(void)state;
	post("acme", &v);
	post("other", &v);
	v.limit = "burst";
	post("acme", &v);
	post("acme", &w);
	w.kind = "ownership.return-path";
	post("acme", &w);
	assert_int_equal(n_heard, 5);
	alert_incident(alerts, "limit.exceeded", "customer", "acme", a);
	assert_value(0, "incident", a);
	alert_incident(alerts, "limit.exceeded", "customer", "acme", b);
	assert_string_equal(a, b);
	alert_incident(alerts, "limit.exceeded", NULL, "acme", b);
	assert_string_not_equal(a, b);
	/* No subject passes for limit and subject of another. */
	alert_incident(alerts, "limit.exceeded", "", "customer\x1f" "acme", b);
	assert_string_not_equal(a, b);
}

static void
nobody_waits_for_another_event(void **state)
{
	struct alert_event v = exceeded();
	int i;

	(void)state;
	for (i = 0; i < 4; i++) {
		v.used = (uint32_t)(501 + i);
		post("acme", &v);
		clock_fake_advance(MINUTE);
	}
	later_by(11 * MINUTE - 1);
	assert_int_equal(n_heard, 1);
	later_by(1);
	assert_int_equal(n_heard, 2);
	assert_value(1, "kind", "limit.exceeded");
	assert_value(1, "more", "3");
	assert_value(1, "count", "4");
	assert_value(1, "used", "504");
	assert_value(1, "since", "2026-01-01T00:00:00Z");
}

static void
exceeded_is_told_at_once_after_a_warning(void **state)
{
	struct alert_event v = exceeded();
	char id[ALERT_ID];

	(void)state;
	v.kind = "limit.warning";
	v.severity = "notice";
	v.used = 401;
	post("acme", &v);
	post("acme", &v);
	assert_int_equal(n_heard, 1);
	assert_int_equal(heard_level, LOG_LEVEL_NOTICE);
	(void)snprintf(id, sizeof(id), "%s", value(0, "incident"));
	v = exceeded();
	post("acme", &v);
	assert_int_equal(n_heard, 2);
	assert_value(1, "kind", "limit.exceeded");
	assert_value(1, "incident", id);
	assert_value(1, "more", "1");
	post("acme", &v);
	assert_int_equal(n_heard, 2);
}

static void
a_quiet_limit_is_resolved(void **state)
{
	struct alert_event v = exceeded();
	char id[ALERT_ID];

	(void)state;
	v.retry_at = CLOCK_FAKE_START + 40 * MINUTE;
	post("acme", &v);
	later_by(39 * MINUTE);
	assert_int_equal(n_heard, 1);
	later_by(MINUTE);
	assert_int_equal(n_heard, 2);
	(void)snprintf(id, sizeof(id), "%s", value(0, "incident"));
	assert_value(1, "kind", "limit.resolved");
	assert_value(1, "severity", "info");
	assert_value(1, "incident", id);
	assert_value(1, "customer", "acme");
	assert_value(1, "limit", "customer");
	assert_value(1, "count", "1");
	assert_value(1, "since", "2026-01-01T00:00:00Z");

	/* What comes now is a new one. */
	post("acme", &v);
	assert_int_equal(n_heard, 3);
	assert_string_not_equal(value(2, "incident"), id);
}

static void
the_end_carries_what_was_not_told(void **state)
{
	struct alert_event v = exceeded();

	(void)state;
	post("acme", &v);
	post("acme", &v);
	post("acme", &v);
	later_by(15 * MINUTE);
	assert_int_equal(n_heard, 2);
	assert_value(1, "kind", "limit.resolved");
	assert_value(1, "count", "3");
	assert_value(1, "more", "2");
}

static void
a_message_larger_than_the_ceiling_resolves_too(void **state)
{
	struct alert_event v = exceeded();

	(void)state;
	v.retry_at = UINT64_MAX;
	post("acme", &v);
	assert_value(0, "retry", "(none)");
	later_by(15 * MINUTE);
	assert_int_equal(n_heard, 2);
	assert_value(1, "kind", "limit.resolved");
}

static void
other_incidents_end_in_silence(void **state)
{
	struct alert_event v = stolen();
	struct alert_numbers n;

	(void)state;
	post("bob", &v);
	later_by(15 * MINUTE);
	assert_int_equal(n_heard, 1);
	alert_numbers(alerts, &n);
	assert_int_equal(n.open, 0);

	/* Not before what was only counted is told. */
	post("bob", &v);
	post("bob", &v);
	later_by(15 * MINUTE);
	assert_int_equal(n_heard, 3);
	assert_value(2, "more", "1");
	later_by(15 * MINUTE);
	assert_int_equal(n_heard, 3);
	alert_numbers(alerts, &n);
	assert_int_equal(n.open, 0);
}

static void
a_new_repeat_counts_for_open_incidents(void **state)
{
	struct alert_event v = exceeded();
	char subject[8];
	int i;

	(void)state;
	for (i = 0; i < 20; i++) {
		(void)snprintf(subject, sizeof(subject), "s%d", i);
		post(subject, &v);
		clock_fake_advance(1000);
	}
	conf.alerts.repeat = MINUTE;
	conf.alerts.facility = "local3";
	conf.relay = "out2";
	alert_configure(alerts, &conf);
	later_by(30 * 1000);
	assert_int_equal(n_heard, 20);
	later_by(MINUTE);
	assert_int_equal(n_heard, 40);
	assert_value(39, "kind", "limit.resolved");
	assert_value(39, "relay", "out2");
	assert_string_equal(heard_facility, "local3");

	conf.alerts.facility = "nonsense";
	alert_configure(alerts, &conf);
	flush();
	assert_value(40, "kind", "alert.settings-refused");
	assert_string_equal(heard_facility, "local3");
}

/* ---- suspensions ------------------------------------------------------------------------------ */

static void
with_rules(void)
{
	conf.alerts.escalate = rules;
	conf.alerts.n_escalate = COUNT(rules);
	alert_configure(alerts, &conf);
}

static void
five_thefts_suspend_the_account(void **state)
{
	struct alert_event v = stolen();
	char reason[128];
	int i;

	(void)state;
	with_rules();
	for (i = 0; i < 4; i++)
		post("bob", &v);
	assert_int_equal(store.n_suspended, 0);
	v.kind = "ownership.return-path";
	post("bob", &v);
	assert_int_equal(store.n_suspended, 1);
	assert_string_equal(store.suspended[0].kind, "account");
	assert_string_equal(store.suspended[0].subject, "bob@acme.example");
	assert_string_equal(store.suspended[0].action, "reject");
	assert_string_equal(store.suspended[0].by, "escalation");
	assert_int_equal(store.suspended[0].until, CLOCK_FAKE_START + 24 * HOUR);
	assert_int_equal(n_heard, 3);
	(void)snprintf(reason, sizeof(reason), "escalation: 5 x ownership within 10m (incident %s)",
	    value(1, "incident"));
	assert_string_equal(store.suspended[0].reason, reason);
	assert_value(2, "kind", "suspension.added");
	assert_value(2, "customer", "acme");
	assert_value(2, "account", "Bob@acme.example");
	assert_value(2, "action", "suspend");
	assert_value(2, "until", "2026-01-02T00:00:00Z");
	assert_non_null(strstr(heard[2], reason));

	/* Never twice while it is in force. */
	for (i = 0; i < 10; i++)
		post("bob", &v);
	assert_int_equal(store.n_suspended, 1);
	assert_int_equal(n_heard, 3);
}

/* A mail client that tries again every second against a limit that defers is told about once a
 * quarter of an hour, and only what is told counts. */
static void
retries_against_a_limit_do_not_suspend(void **state)
{
	struct alert_event v = { .kind = "limit.exceeded", .customer = "acme", .limit = "customer", .used = 500,
		.ceiling = 500, .window = HOUR, .action = "defer" };
	int i;

	(void)state;
	with_rules();
	for (i = 0; i < 500; i++)
		post("acme", &v);
	assert_int_equal(store.n_suspended, 0);
	later_by(16 * MINUTE);
	post("acme", &v);
	later_by(10 * MINUTE);
	post("acme", &v);
	assert_int_equal(store.n_suspended, 0);
	later_by(6 * MINUTE);
	assert_int_equal(store.n_suspended, 1);
	assert_string_equal(store.suspended[0].kind, "customer");
	assert_string_equal(store.suspended[0].subject, "acme");
}

static void
slow_thefts_do_not(void **state)
{
	struct alert_event v = stolen();
	int i;

	(void)state;
	with_rules();
	for (i = 0; i < 12; i++) {
		post("bob", &v);
		clock_fake_advance(151 * 1000);
	}
	assert_int_equal(store.n_suspended, 0);
	/* Five in exactly the time do. */
	clock_fake_advance(HOUR);
	for (i = 0; i < 5; i++) {
		post("bob", &v);
		clock_fake_advance(150 * 1000);
	}
	assert_int_equal(store.n_suspended, 1);
}

static void
only_offences_of_the_rule_count(void **state)
{
	static const struct { const char *kind; bool counts; } kinds[] = {
		{ "ownership.from", true }, { "ownership.return-path", true }, { "ownership.unsure", false },
		{ "ownershipx.from", false }, { "ownership", true }, { "identity.unknown", false },
		{ "limit.exceeded", false }
	};
	static const struct conf_escalation whole = { "ownership.unsure", 1, HOUR, false, HOUR };
	static const struct conf_escalation trace = { "trace", 1, HOUR, false, HOUR };
	size_t n;

	(void)state;
	for (n = 0; n < COUNT(kinds); n++)
		if (alert_escalation_wants(&rules[0], kinds[n].kind) != kinds[n].counts)
			fail_msg("%s", kinds[n].kind);
	assert_false(alert_escalation_wants(&rules[1], "limit.warning"));
	assert_true(alert_escalation_wants(&rules[1], "limit.exceeded"));
	assert_true(alert_escalation_wants(&trace, "trace.copied"));
	assert_true(alert_escalation_wants(&trace, "trace.forged"));
	assert_false(alert_escalation_wants(&trace, "trace.foreign"));
	assert_false(alert_escalation_wants(&trace, "trace.replayed"));
	assert_true(alert_escalation_wants(&whole, "ownership.unsure"));
	assert_false(alert_escalation_wants(&whole, "ownership.from"));
}

static void
each_account_is_counted_for_itself(void **state)
{
	struct alert_event v = stolen();
	char account[32];
	int i;

	(void)state;
	with_rules();
	for (i = 0; i < 20; i++) {
		(void)snprintf(account, sizeof(account), "a%d@acme.example", i % 5);
		v.account = account;
		post("x", &v);
	}
	assert_int_equal(store.n_suspended, 0);
	v.account = NULL;
	for (i = 0; i < 10; i++)
		post("x", &v);
	assert_int_equal(store.n_suspended, 0);
}

static void
monitor_mode_only_says_so(void **state)
{
	struct alert_event v = stolen();
	int i;

	(void)state;
	with_rules();
	v.monitor = true;
	for (i = 0; i < 20; i++)
		post("bob", &v);
	assert_int_equal(store.n_suspended, 0);
	assert_int_equal(n_heard, 2);
	assert_value(1, "kind", "suspension.added");
	assert_value(1, "action", "accept");
	assert_value(1, "would", "suspend");
	assert_value(1, "mode", "monitor");

	/* Events in monitor mode are no part of a real count. */
	v.monitor = false;
	for (i = 0; i < 4; i++)
		post("bob", &v);
	assert_int_equal(store.n_suspended, 0);
}

static void
a_limit_suspends_by_itself(void **state)
{
	struct alert_event v = exceeded();

	(void)state;
	v.limit = "spread";
	v.suspend_kind = "account";
	v.suspend_subject = "BOB@acme.example";
	v.suspend_for = 24 * HOUR;
	v.monitor = true;
	post("bob@acme.example", &v);
	assert_int_equal(store.n_suspended, 0);
	assert_value(0, "would", "suspend");
	v.monitor = false;
	post("bob@acme.example", &v);
	post("bob@acme.example", &v);
	assert_int_equal(store.n_suspended, 1);
	assert_string_equal(store.suspended[0].subject, "bob@acme.example");
	assert_string_equal(store.suspended[0].by, "limit spread");
	assert_memory_equal(store.suspended[0].reason, "limit spread: 501 of 500 per 1h (incident ", 42);
	assert_value(2, "kind", "suspension.added");
	assert_int_equal(n_heard, 3);

	/* When it is over, the next excess suspends again. */
	clock_fake_advance(25 * HOUR);
	post("bob@acme.example", &v);
	assert_int_equal(store.n_suspended, 2);
}

static void
a_failed_suspension_is_told(void **state)
{
	struct alert_event v = stolen();
	int i;

	(void)state;
	with_rules();
	for (i = 0; i < 4; i++)
		post("bob", &v);
	store.broken = true;
	post("bob", &v);
	assert_value(1, "kind", "suspension.failed");
	assert_value(1, "severity", "critical");
	assert_non_null(strstr(heard[1], "disk full"));
}

static void
without_a_store_nothing_is_suspended(void **state)
{
	struct alert_event v = stolen();
	int i;

	(void)state;
	restart(NULL);
	with_rules();
	for (i = 0; i < 10; i++)
		post("bob", &v);
	assert_int_equal(n_heard, 1);
}

/* ---- memory ------------------------------------------------------------------------------------- */

static void
a_restart_tells_nothing_twice(void **state)
{
	struct alert_event v = exceeded();
	char id[ALERT_ID];

	(void)state;
	v.message_id = "<a\tb\\n\nc@acme.example>";
	v.retry_at = CLOCK_FAKE_START + 2 * HOUR;
	post("acme", &v);
	post("acme", &v);
	(void)snprintf(id, sizeof(id), "%s", value(0, "incident"));
	restart(&store);
	assert_int_equal(store.n_kept, 1);
	assert_string_equal(store.kept[0].name, id);
	post("acme", &v);
	assert_int_equal(n_heard, 1);
	later_by(15 * MINUTE);
	assert_int_equal(n_heard, 2);
	assert_value(1, "incident", id);
	assert_value(1, "more", "2");
	assert_value(1, "count", "3");

	/* Nor is what ended while we were away forgotten. */
	alert_close(&alerts);
	clock_fake_advance(2 * HOUR);
	start(&store);
	flush();
	assert_int_equal(n_heard, 3);
	assert_value(2, "kind", "limit.resolved");
	assert_value(2, "count", "3");
	assert_value(2, "msgid", "\"<a\\x09b\\\\n\\x0ac@acme.example>\"");
	later_by(1000);
	assert_int_equal(store.n_kept, 0);
}

static void
the_store_is_written_once_a_second(void **state)
{
	struct alert_event v = exceeded();
	int i;

	(void)state;
	later_by(1000);
	post("acme", &v);
	for (i = 0; i < 100; i++)
		post("acme", &v);
	assert_true(store.writes <= 1);
	later_by(1000);
	assert_int_equal(store.n_kept, 1);
	assert_true(store.writes <= 2);
}

static void
a_store_that_fails_is_told_once(void **state)
{
	struct alert_event v = exceeded();
	int i;

	(void)state;
	store.broken = true;
	for (i = 0; i < 10; i++) {
		post("acme", &v);
		later_by(1000);
	}
	assert_int_equal(n_heard, 2);
	assert_value(1, "kind", "alert.memory-failed");
	assert_value(1, "reason", "\"disk full\"");
}

#define NO_TEXTS "\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t"

static void
damaged_memory_is_passed_over(void **state)
{
	static const struct { const char *name, *value; } bad[] = {
		{ "8F3K2", "" }, { "8F3K3", "1" },
		{ "8F3K4", "2 0 1 1 1 1 1 0 1 1 1 0\ts\tk" NO_TEXTS },
		{ "8F3K5", "1 0 1 1 1 1 1 0 1 1 1 0\ts\tk" }, { "low", "x" }, { "8f3k6", "x" },
		{ "8F3K7TOOLONG", "x" },
		{ "8F3K8", "1 0 1 1 1 1 1 0 1 1 1 0\ts\tk" NO_TEXTS "\tmore" },
		{ "8F3K9", "1 0 x 1 1 1 1 0 1 1 1 0\ts\tk" NO_TEXTS },
		{ "8F3KA", "\t\t\t\t\\" }
	};
	struct alert_numbers n;
	size_t i;

	(void)state;
	alert_close(&alerts);
	for (i = 0; i < COUNT(bad); i++) {
		(void)snprintf(store.kept[i].name, sizeof(store.kept[i].name), "%s", bad[i].name);
		(void)snprintf(store.kept[i].value, sizeof(store.kept[i].value), "%s", bad[i].value);
	}
	/* And a good one, from a clock that ran ahead. */
	(void)snprintf(store.kept[i].name, sizeof(store.kept[i].name), "8F3KB");
	(void)snprintf(store.kept[i].value, sizeof(store.kept[i].value),
	    "1 0 9999999999999 9999999999999 9999999999999 0 7 0 1 1 1 0\ts\tk" NO_TEXTS);
	store.n_kept = i + 1;
	start(&store);
	alert_numbers(alerts, &n);
	assert_int_equal(n.open, 1);
	later_by(15 * MINUTE);
	alert_numbers(alerts, &n);
	assert_int_equal(n.open, 0);
}

/* ---- bounds ---------------------------------------------------------------------------------------- */

static void
the_queue_is_bounded_and_drops_are_told(void **state)
{
	struct alert_event v = exceeded();
	struct alert_numbers n;
	int i;

	(void)state;
	(void)pthread_mutex_lock(&heard_lock);
	heard_hold = true;
	(void)pthread_mutex_unlock(&heard_lock);
	alert_post(alerts, "acme", &v);
	(void)pthread_mutex_lock(&heard_lock);
	while (!heard_waiting)
		(void)pthread_cond_wait(&heard_go, &heard_lock);
	(void)pthread_mutex_unlock(&heard_lock);

	/* The sink hangs; nobody else does. */
	for (i = 0; i < 10500; i++)
		alert_post(alerts, "acme", &v);
	alert_numbers(alerts, &n);
	assert_int_equal(n.posted, 10001);
	assert_int_equal(n.dropped, 500);
	assert_int_equal(alert_flush(alerts, 1), 0);

	(void)pthread_mutex_lock(&heard_lock);
	heard_hold = false;
	(void)pthread_cond_broadcast(&heard_go);
	(void)pthread_mutex_unlock(&heard_lock);
	flush();
	later_by(1000);
	assert_int_equal(n_heard, 2);
	assert_value(1, "kind", "alert.dropped");
	assert_non_null(strstr(heard[1], "\"500 events dropped"));
	later_by(5000);
	assert_int_equal(n_heard, 2);
}

static void
incidents_are_bounded(void **state)
{
	struct alert_event v = stolen();
	struct alert_numbers n;
	char subject[32], id[ALERT_ID], shared[ALERT_ID];
	struct err e;
	unsigned i;

	(void)state;
	restart(NULL);
	err_clear(&e);
	for (i = 0; i < ALERT_INCIDENTS_MOST; i++) {
		(void)snprintf(subject, sizeof(subject), "s%u", i);
		alert_post(alerts, subject, &v);
		if (i % 5000 == 0)
			flush();
	}
	flush();
	alert_numbers(alerts, &n);
	assert_int_equal(n.open, ALERT_INCIDENTS_MOST);
	assert_int_equal(n.told, ALERT_INCIDENTS_MOST);

	/* All are busy: what comes shares one incident, and is told. */
	post("new", &v);
	post("newer", &v);
	alert_incident(alerts, v.kind, NULL, "new", shared);
	alert_incident(alerts, v.kind, NULL, "newest", id);
	assert_string_equal(id, shared);
	alert_numbers(alerts, &n);
	assert_int_equal(n.open, ALERT_INCIDENTS_MOST + 1);
	assert_int_equal(n.told, ALERT_INCIDENTS_MOST + 1);

	/* Some are quiet: those make room. */
	later_by(2 * MINUTE);
	alert_incident(alerts, v.kind, NULL, "newest", id);
	assert_string_not_equal(id, shared);
	alert_numbers(alerts, &n);
	assert_true(n.open <= ALERT_INCIDENTS_MOST + 1);
	later_by(30 * MINUTE);
	later_by(30 * MINUTE);
	alert_numbers(alerts, &n);
	assert_int_equal(n.open, 0);
}

static void
ids_are_unique(void **state)
{
	struct alert_incidents *t;
	char (*ids)[ALERT_ID] = calloc(20000, sizeof(*ids)), subject[32];
	struct err e;
	unsigned i;

	(void)state;
	assert_non_null(ids);
	t = alert_incidents_new(MINUTE, &e);
	assert_non_null(t);
	for (i = 0; i < 20000; i++) {
		(void)snprintf(subject, sizeof(subject), "s%u", i);
		alert_incidents_name(t, "k", NULL, subject, CLOCK_FAKE_START, ids[i]);
	}
	qsort(ids, 20000, sizeof(*ids), (int (*)(const void *, const void *))strcmp);
	for (i = 1; i < 20000; i++)
		assert_string_not_equal(ids[i - 1], ids[i]);
	free(ids);
	alert_incidents_free(&t);
}

static void
escalation_counts_are_bounded(void **state)
{
	static const struct conf_escalation rule = { "k", 2, HOUR, false, HOUR };
	struct alert_escalations *x = alert_escalations_new();
	char subject[32];
	unsigned i;

	(void)state;
	for (i = 0; i < 2 * ALERT_ESCALATIONS_MOST; i++) {
		(void)snprintf(subject, sizeof(subject), "s%u", i);
		assert_false(alert_escalations_hit(x, &rule, subject, false, 1000 + i));
	}
	/* The first was forgotten, the last not. */
	assert_false(alert_escalations_hit(x, &rule, "s0", false, 90000));
	assert_true(alert_escalations_hit(x, &rule, subject, false, 90000));
	assert_false(alert_escalations_hit(x, &rule, subject, false, 90001));
	alert_escalations_free(&x);
	assert_null(x);
}

/* ---- threads ----------------------------------------------------------------------------------------- */

static void *
sessions(void *cookie)
{
	struct alert_event v = exceeded();
	char subject[32], id[ALERT_ID];
	int i;

	for (i = 0; i < 400; i++) {
		(void)snprintf(subject, sizeof(subject), "s%d", (i + *(int *)cookie) % 7);
		alert_incident(alerts, v.kind, v.limit, subject, id);
		alert_post(alerts, subject, &v);
	}
	return NULL;
}

static void
many_threads(void **state)
{
	int id[4] = { 0, 1, 2, 3 }, i;
	struct alert_numbers n;
	pthread_t t[4];

	(void)state;
	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, sessions, &id[i]), 0);
	for (i = 0; i < 10; i++) {
		alert_configure(alerts, &conf);
		clock_fake_advance(100);
		alert_numbers(alerts, &n);
	}
	for (i = 0; i < 4; i++)
		(void)pthread_join(t[i], NULL);
	flush();
	alert_numbers(alerts, &n);
	assert_int_equal(n.posted, 1600);
	assert_int_equal(n.told, 7);
	assert_int_equal(n.suppressed, 1593);
	assert_int_equal(n.open, 7);
}

static void
close_tells_what_is_queued(void **state)
{
	struct alert_event v = exceeded();
	char subject[32];
	int i;

	(void)state;
	for (i = 0; i < 30; i++) {
		(void)snprintf(subject, sizeof(subject), "s%d", i);
		alert_post(alerts, subject, &v);
	}
	alert_close(&alerts);
	assert_int_equal(n_heard, 30);
	assert_int_equal(store.n_kept, 30);

	/* Without alerts there is nothing to do, and nothing to crash on. */
	alert_post(NULL, "x", &v);
	alert_incident(NULL, v.kind, NULL, "x", subject);
	assert_string_equal(subject, "");
	assert_int_equal(alert_flush(NULL, 1), 1);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_is_claimed_for_longer),
		CASE(another_relay_tells_it),
		CASE(relays_name_an_incident_alike),
		CASE(the_name_of_who_told_it),
		CASE(a_line_says_it_all_in_one_order),
		CASE(nothing_in_a_value_forges_a_key),
		CASE(long_values_push_nothing_out),
		CASE(what_is_not_given_is_left_out),
		CASE(one_alert_per_incident_and_time),
		CASE(others_are_incidents_of_their_own),
		CASE(nobody_waits_for_another_event),
		CASE(exceeded_is_told_at_once_after_a_warning),
		CASE(a_quiet_limit_is_resolved),
		CASE(the_end_carries_what_was_not_told),
		CASE(a_message_larger_than_the_ceiling_resolves_too),
		CASE(other_incidents_end_in_silence),
		CASE(a_new_repeat_counts_for_open_incidents),
		CASE(five_thefts_suspend_the_account),
		CASE(retries_against_a_limit_do_not_suspend),
		CASE(slow_thefts_do_not),
		CASE(only_offences_of_the_rule_count),
		CASE(each_account_is_counted_for_itself),
		CASE(monitor_mode_only_says_so),
		CASE(a_limit_suspends_by_itself),
		CASE(a_failed_suspension_is_told),
		CASE(without_a_store_nothing_is_suspended),
		CASE(a_restart_tells_nothing_twice),
		CASE(the_store_is_written_once_a_second),
		CASE(a_store_that_fails_is_told_once),
		CASE(damaged_memory_is_passed_over),
		CASE(the_queue_is_bounded_and_drops_are_told),
		CASE(incidents_are_bounded),
		CASE(ids_are_unique),
		CASE(escalation_counts_are_bounded),
		CASE(many_threads),
		CASE(close_tells_what_is_queued),
	};

	return cmocka_run_group_tests_name("alert", tests, NULL, NULL);
}
