/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * test_check_mailer - what follows from a recognised mailer: facts, finding, header, and the alert at
 * first use.
 *
 * The check, its memory and the signatures are the real ones; store, alerts, log and the chain's
 * check_find are stood in for here, so that what they are told can be looked at.
 */
#include "milter/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>

#include "lib/log.h"
#include "milter/mailer_seen.h"

/* ---- stand-ins ------------------------------------------------------------------- */

static char kept[20][100], kept_value[20][100];
static size_t n_kept, n_keeps;
static pthread_mutex_t kept_lock = PTHREAD_MUTEX_INITIALIZER;
static enum store_result keep_result = STORE_DONE;

enum store_result
store_keep(struct store *s, const char *space, const char *name, const char *value, struct err *e)
{
	size_t i;

	(void)s;
	assert_string_equal(space, "mailers");
	assert_non_null(value);
	if (keep_result != STORE_DONE) {
		(void)err_set(e, ERR_FULL, "the disk is full");
		return keep_result;
	}
	(void)pthread_mutex_lock(&kept_lock);
	for (i = 0; i < n_kept && strcmp(kept[i], name) != 0; i++)
		;
	assert_true(i < 20);
	n_kept += i == n_kept;
	n_keeps++;
	(void)snprintf(kept[i], sizeof(kept[0]), "%s", name);
	(void)snprintf(kept_value[i], sizeof(kept_value[0]), "%s", value);
	(void)pthread_mutex_unlock(&kept_lock);
	return STORE_DONE;
}

enum store_result
store_tally(struct store *s, const char *space, const char *name, const struct store_tally *t, struct err *e)
{
	char value[160];

	assert_true(t->more > 0 && t->more <= t->count);
	(void)snprintf(value, sizeof(value), "%llu %llu %llu %s", (unsigned long long)t->first,
	    (unsigned long long)t->last, (unsigned long long)t->count, t->rest);
	return store_keep(s, space, name, value, e);
}

bool
store_health(struct store *s, struct store_health *to)
{
	(void)s;
	(void)to;
	return false;
}

int
store_kept(struct store *s, const char *space, void (*each)(void *, const char *, const char *), void *cookie,
    struct err *e)
{
	size_t i;

	(void)s;
	(void)e;
	assert_string_equal(space, "mailers");
	for (i = 0; i < n_kept; i++)
		each(cookie, kept[i], kept_value[i]);
	return 0;
}

/* The table of what is allowed: one row for each of who. */
static struct { const char *who, *list; } rows[4];
static bool table_fails;

int
table_lookup(struct table *t, const char *key, struct arena *a, uint64_t deadline, const char **value,
    struct err *e)
{
	size_t i;

	(void)t;
	(void)deadline;
	if (table_fails)
		return err_set(e, ERR_SYSTEM, "the server is away");
	for (i = 0; i < 4; i++)
		if (rows[i].who != NULL && strcmp(rows[i].who, key) == 0) {
			*value = arena_strdup(a, rows[i].list);
			return 1;
		}
	return 0;
}

static struct {
	unsigned n;
	char kind[40], subject[100], severity[20], reason[600], mailer[40], action[20];
	bool monitor;
} alerted;

void
alert_post(struct alerts *a, const char *subject, const struct alert_event *v)
{
	(void)a;
	alerted.n++;
	(void)snprintf(alerted.kind, sizeof(alerted.kind), "%s", v->kind);
	(void)snprintf(alerted.subject, sizeof(alerted.subject), "%s", subject);
	(void)snprintf(alerted.severity, sizeof(alerted.severity), "%s", v->severity);
	(void)snprintf(alerted.reason, sizeof(alerted.reason), "%s", v->reason);
	(void)snprintf(alerted.mailer, sizeof(alerted.mailer), "%s", v->mailer);
	(void)snprintf(alerted.action, sizeof(alerted.action), "%s", v->action);
	alerted.monitor = v->monitor;
}

struct finding *
check_find(struct message *m, const struct check *c, const struct finding *what)
{
	struct finding *f = verdict_add(&m->verdict, what);

	f->check = c->name;
	f->monitor = m->mode == CONF_MONITOR;
	return f;
}

const char *
conf_action_text(enum conf_action a)
{
	static const char *const text[] = { "accept", "tag", "slow", "hold", "defer", "reject" };

	return text[a];
}

static unsigned logged;
static char log_last[600];

void
log_printf(enum log_level level, const char *fmt, ...)
{
	va_list args;

	(void)level;
	va_start(args, fmt);
	(void)vsnprintf(log_last, sizeof(log_last), fmt, args);
	va_end(args);
	logged++;
}

/* ---- one message --------------------------------------------------------------------- */

static char file[300];
static struct conf conf;
static struct services services;
static struct message message;
static void *state;
static const char *plan;
static bool local;
static size_t recipients;

static struct conf_mailer_action actions[] = {
	{ "bulk", CONF_TAG }, { "webshell", CONF_HOLD }, { "desktop", CONF_REJECT }
};

static const char signatures[] =
    "gatepost-signatures 1\n"
    "signature sender\ntitle The Sender\nkind bulk\nconfidence 90\nall X-Mailer starts Sender\n"
    "signature shell\ntitle The Shell\nkind webshell\nconfidence 90\nall X-Mailer starts Shell\n"
    "signature shell-hint\ntitle Some Shell\nkind webshell\nconfidence 49\nall X-Mailer starts Perhaps\n"
    "signature desk\ntitle The Desk\nkind desktop\nconfidence 50\nall X-Mailer starts Desk\n"
    "signature members\ntitle Members\nkind crm\nconfidence 90\nall X-Mailer starts Members\n"
    "signature talk\ntitle Talk\nkind list\nconfidence 90\nall X-Mailer starts Talk\n"
    "signature tool\ntitle Tool\nkind library\nconfidence 20\nall X-Mailer starts Tool\n"
    "signature slow\ntitle Slow\nkind bulk\nconfidence 90\nall X-Slow matches ^(?:a+)+[xy]\n";

static unsigned reported;

static void
report_say(void *cookie, const struct err *e)
{
	(void)cookie;
	(void)e;
	reported++;
}

static const struct table_report report = { report_say, NULL };

static void
write_file(const char *text)
{
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	(void)fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void
open_check(void)
{
	bool ok = true;

	state = check_mailer.init(&services, &report, &ok);
	assert_true(ok);
}

static int
setup(void **unused)
{
	const char *tmp = getenv("TMPDIR");
	int fd;

	(void)unused;
	(void)snprintf(file, sizeof(file), "%s/check_mailer.XXXXXX", tmp == NULL ? "/tmp" : tmp);
	fd = mkstemp(file);
	assert_true(fd >= 0);
	(void)close(fd);
	write_file(signatures);
	memset(&conf, 0, sizeof(conf));
	conf.mailers.signatures = file;
	conf.mailers.header = "X-Bulk-Mailer";
	conf.mailers.first_seen_alert = true;
	conf.mailers.directory = "";
	conf.mailers.unsure = CONF_DEFER;
	conf.mailers.actions = actions;
	conf.mailers.n_actions = sizeof(actions) / sizeof(actions[0]);
	services = (struct services){ .conf = &conf, .store = (struct store *)&n_kept,
	    .alerts = (struct alerts *)&alerted };
	n_kept = n_keeps = recipients = 0;
	plan = NULL;
	local = false;
	memset(rows, 0, sizeof(rows));
	table_fails = false;
	logged = reported = 0;
	keep_result = STORE_DONE;
	memset(&alerted, 0, sizeof(alerted));
	open_check();
	return 0;
}

static int
teardown(void **unused)
{
	(void)unused;
	facts_end(&message.facts);
	if (state != NULL)
		check_mailer.free(state);
	state = NULL;
	(void)unlink(file);
	return 0;
}

static enum check_answer answered;
static struct err error;

/* One message through run and finish; header lines with "\n" between. */
static void
pass_header(const char *customer, const char *lines)
{
	char copy[2000], *line, *at = copy;

	facts_begin(&message.facts, arena_new(ARENA_DEFAULT_CAP));
	verdict_begin(&message.verdict, message.facts.arena);
	message.services = &services;
	message.mode = conf.mailers.mode;
	message.facts.customer = customer;
	message.facts.account = customer == NULL ? NULL : "bob";
	message.facts.plan = plan;
	message.facts.local = local;
	message.facts.n_recipients = recipients;
	facts_add_header(&message.facts, "From", "a@acme.example");
	(void)snprintf(copy, sizeof(copy), "%s", lines);
	while ((line = strsep(&at, "\n")) != NULL) {
		char *colon = strstr(line, ": ");

		assert_non_null(colon);
		*colon = '\0';
		facts_add_header(&message.facts, line, colon + 2);
	}
	err_clear(&error);
	answered = check_mailer.run(state, STAGE_END, &message, &error);
	check_mailer.finish(state, &message);
}

#define WHOLE "Date: Mon, 2 Mar 2026 08:12:10 +0100\nMessage-ID: <1@acme.example>\n"

/* One whole message of a customer. */
static void
pass(const char *customer, const char *mailer)
{
	struct arena *a = arena_new(ARENA_DEFAULT_CAP);
	char *value = arena_strdup(a, mailer), *c;

	for (c = value; (c = strchr(c, '\n')) != NULL; c++)	/* a fold, not another field */
		*c = ' ';
	pass_header(customer, arena_printf(a, WHOLE "X-Mailer: %s", value));
	assert_int_equal(answered, CHECK_DONE);
	arena_free(&a);
}

static const struct {
	const char *name, *mailer;
	const char *found, *kind;	/* facts; NULL = none */
	enum conf_action action;
	bool header;
	const char *severity;		/* of the alert at first use; NULL = none */
} cases[] = {
	{ "nothing", "Mutt 2", NULL, NULL, CONF_ACCEPT, false, NULL },
	{ "bulk is tagged", "Sender 1", "sender", "bulk", CONF_TAG, true, "notice" },
	{ "web shell is held", "Shell 1", "shell", "webshell", CONF_HOLD, true, "warning" },
	{ "a hint is at most tagged", "Perhaps 1", "shell-hint", "webshell", CONF_TAG, true, "warning" },
	{ "50 is no hint", "Desk 1", "desk", "desktop", CONF_REJECT, true, "notice" },
	{ "a kind without action", "Members 1", "members", "crm", CONF_ACCEPT, true, "notice" },
	{ "list", "Talk 1", "talk", "list", CONF_ACCEPT, false, NULL },
	{ "library", "Tool 1", "tool", "library", CONF_ACCEPT, false, NULL },
};

static void
each_kind_has_its_consequence(void **unused)
{
	const struct edit *insert;
	size_t i;

	(void)unused;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(&alerted, 0, sizeof(alerted));
		pass("acme", cases[i].mailer);
		insert = message.verdict.inserts;
		if (verdict_action(&message.verdict) != cases[i].action)
			fail_msg("%s: action %s", cases[i].name, conf_action_text(verdict_action(&message.verdict)));
		if ((insert != NULL) != cases[i].header)
			fail_msg("%s: header", cases[i].name);
		if (insert != NULL) {
			assert_string_equal(insert->name, "X-Bulk-Mailer");
			assert_string_equal(insert->value, cases[i].found);
		}
		assert_int_equal(alerted.n, cases[i].severity != NULL);
		if (cases[i].severity != NULL)
			assert_string_equal(alerted.severity, cases[i].severity);
		if (cases[i].found == NULL) {
			assert_null(message.facts.mailer);
			assert_null(message.verdict.findings);
			continue;
		}
		assert_string_equal(message.facts.mailer, cases[i].found);
		assert_string_equal(message.facts.mailer_kind, cases[i].kind);
		assert_int_equal(message.verdict.findings->quiet, cases[i].action < CONF_HOLD);
		assert_non_null(strstr(message.verdict.findings->desk, cases[i].mailer));
	}
}

static void
finding_says_what_and_why(void **unused)
{
	const struct finding *f;

	(void)unused;
	pass("acme", "Shell\n\t9\x1b");
	f = message.verdict.findings;
	assert_string_equal(f->check, "mailer");
	assert_string_equal(f->code, "mailer.webshell");
	assert_string_equal(f->status, "7.1");
	assert_string_equal(f->desk, "made by The Shell (shell, confidence 90): X-Mailer: Shell 9\\x1b");
	assert_string_equal(alerted.kind, "mailer.first-seen");
	assert_string_equal(alerted.subject, "acme shell");
	assert_string_equal(alerted.mailer, "shell");
	assert_string_equal(alerted.action, "hold");
	assert_string_equal(alerted.reason,
	    "first message of customer acme made by The Shell (shell, confidence 90): X-Mailer: Shell 9\\x1b");
	assert_false(alerted.monitor);
}

static void
first_use_is_told_once(void **unused)
{
	(void)unused;
	pass("acme", "Sender 1");
	pass("acme", "Sender 2");
	assert_int_equal(alerted.n, 1);
	pass("other", "Sender 1");
	assert_int_equal(alerted.n, 2);
	pass("acme", "Shell 1");
	assert_int_equal(alerted.n, 3);
	pass(NULL, "Sender 1");			/* nobody known: nobody's first use */
	assert_int_equal(alerted.n, 3);
	assert_int_equal(n_kept, 3);
	assert_string_equal(kept[0], "acme/sender");
}

static void
what_was_seen_is_listed_with_times_and_counts(void **unused)
{
	struct arena *a = arena_new(ARENA_DEFAULT_CAP);
	struct mailer_sighting *w;
	unsigned long long first, last, count;
	char kind[20];

	(void)unused;
	pass("acme", "Sender 1");
	pass("acme", "Sender 2");
	pass("acme", "Sender 3");
	pass("acme", "Shell 1");
	pass("a/b", "Sender 1");
	pass("acme", "Tool 1");		/* a library is nothing to remember */
	assert_int_equal(n_keeps, 3);	/* written once each, not for every message */
	assert_int_equal(mailer_seen_list(services.store, NULL, NULL, a, &w), 3);
	assert_int_equal(mailer_seen_list(services.store, "b", NULL, a, &w), 0);
	assert_int_equal(mailer_seen_list(services.store, "a/b", NULL, a, &w), 1);
	assert_string_equal(w[0].mailer, "sender");
	assert_int_equal(mailer_seen_list(services.store, "acme", "sender", a, &w), 1);
	assert_string_equal(w[0].customer, "acme");
	assert_string_equal(w[0].kind, "bulk");
	assert_int_equal(w[0].count, 3);
	assert_true(w[0].first > 0 && w[0].last >= w[0].first);
	check_mailer.free(state);	/* what was not written yet is now */
	state = NULL;
	assert_int_equal(sscanf(kept_value[0], "%llu %llu %llu %19s", &first, &last, &count, kind), 4);
	assert_int_equal(count, 3);
	assert_string_equal(kind, "bulk");
	assert_int_equal(mailer_seen_list(services.store, "acme", "sender", a, &w), 1);	/* from the store */
	assert_int_equal(w[0].count, 3);
	(void)snprintf(kept_value[0], sizeof(kept_value[0]), "1767225600000");	/* of an earlier version */
	assert_int_equal(mailer_seen_list(services.store, "acme", "sender", a, &w), 1);
	assert_int_equal(w[0].first, 1767225600000);
	assert_int_equal(w[0].last, 1767225600000);
	assert_string_equal(w[0].kind, "");
	arena_free(&a);
}

static void
a_plan_has_actions_of_its_own(void **unused)
{
	static struct conf_mailer_action business[] = { { "bulk", CONF_ACCEPT }, { "crm", CONF_HOLD } };
	static struct conf_mailer_plan plans[] = { { "business", business, 2 } };

	(void)unused;
	conf.mailers.plans = plans;
	conf.mailers.n_plans = 1;
	pass("acme", "Sender 1");
	assert_int_equal(verdict_action(&message.verdict), CONF_TAG);
	plan = "business";
	pass("acme", "Sender 1");
	assert_int_equal(verdict_action(&message.verdict), CONF_ACCEPT);
	pass("acme", "Members 1");
	assert_int_equal(verdict_action(&message.verdict), CONF_HOLD);
	pass("acme", "Shell 1");		/* a kind that the plan does not name: as for all */
	assert_int_equal(verdict_action(&message.verdict), CONF_HOLD);
}

static const struct {
	const char *name, *who, *list;
	bool allowed;
} allow_cases[] = {
	{ "by name", "acme", "shell", true },
	{ "by kind", "acme", "crm, webshell", true },
	{ "of the account", "bob", "shell", true },
	{ "with capitals", "acme", "Shell", true },
	{ "until a day to come", "acme", "other;until=2020-01-01, shell;until=9999-12-31", true },
	{ "no more", "acme", "shell;until=2020-12-31", false },
	{ "a date that is none", "acme", "shell;until=tomorrow", false },
	{ "no date", "acme", "shell;until=", false },
	{ "something else behind it", "acme", "shell;since=2020-12-31", false },
	{ "another mailer", "acme", "sender, shell-hint", false },
	{ "another customer", "zenith", "shell", false },
	{ "nothing", "acme", ",", false },
};

static void
a_table_allows_mailers(void **unused)
{
	size_t i;

	(void)unused;
	services.mailers = (struct table *)rows;
	for (i = 0; i < sizeof(allow_cases) / sizeof(allow_cases[0]); i++) {
		rows[0].who = allow_cases[i].who;
		rows[0].list = allow_cases[i].list;
		pass("acme", "Shell 1");
		if (verdict_action(&message.verdict) != (allow_cases[i].allowed ? CONF_ACCEPT : CONF_HOLD))
			fail_msg("%s: %s", allow_cases[i].name, conf_action_text(verdict_action(&message.verdict)));
		assert_int_equal(message.facts.mailer_allowed, allow_cases[i].allowed);
		assert_string_equal(message.facts.mailer, "shell");	/* limits and the log know it all the same */
		assert_non_null(message.verdict.inserts);
		if (allow_cases[i].allowed)
			assert_non_null(strstr(message.verdict.findings->desk, "allowed by tables.mailers, "));
	}
}

static void
what_is_allowed_alerts_nobody_and_is_remembered(void **unused)
{
	(void)unused;
	services.mailers = (struct table *)rows;
	rows[0].who = "acme";
	rows[0].list = "sender";
	pass("acme", "Sender 1");
	assert_int_equal(alerted.n, 0);
	assert_int_equal(n_kept, 1);
}

static void
a_table_that_cannot_tell_makes_unsure(void **unused)
{
	(void)unused;
	services.mailers = (struct table *)rows;
	table_fails = true;
	pass_header("acme", WHOLE "X-Mailer: Sender 1");
	assert_int_equal(answered, CHECK_UNSURE);
	assert_non_null(strstr(error.text, "the server is away"));
	assert_int_equal(check_mailer.unsure(&conf), CONF_DEFER);
	assert_int_equal(alerted.n, 0);
	pass("acme", "Tool 1");			/* nothing to ask about */
	pass("acme", "Mutt");
}

/* ---- traits ------------------------------------------------------------------------------- */

#define BULK "Precedence: bulk\n"
#define OUT "List-Unsubscribe: <https://acme.example/out?id=7>\n"
#define CLICK "List-Unsubscribe-Post: List-Unsubscribe=One-Click\n"
#define END "Subject: s"

static const struct {
	const char *name, *lines;
	size_t recipients;
	bool local;
	const char *traits;		/* NULL = none */
} trait_cases[] = {
	{ "an ordinary message", WHOLE "X-Mailer: Mutt", 1, false, NULL },
	{ "many recipients", WHOLE END, 50, false, "no-list-unsubscribe" },
	{ "not quite so many", WHOLE END, 49, false, NULL },
	{ "many, and no one-click", WHOLE OUT END, 50, false, "no-one-click" },
	{ "many, and all that is asked", WHOLE OUT CLICK END, 50, false, NULL },
	{ "one-click by mail only", WHOLE "List-Unsubscribe: <mailto:out@acme.example>\n" CLICK END, 50, false,
	    "no-one-click" },
	{ "one-click with another value", WHOLE OUT "List-Unsubscribe-Post: One-Click\n" END, 50, false,
	    "no-one-click" },
	{ "one-click in other capitals", WHOLE OUT "list-unsubscribe-post: list-unsubscribe=one-click\n" END, 50,
	    false, NULL },
	{ "bulk by its own word", WHOLE BULK END, 1, false, "no-list-unsubscribe,precedence" },
	{ "list by its own word", WHOLE "Precedence: list\n" END, 1, false, NULL },
	{ "an answer of a machine", WHOLE BULK "Auto-Submitted: auto-replied\n" END, 1, false, NULL },
	{ "a ticket", WHOLE BULK "X-RT-Ticket: acme #12\n" END, 1, false, NULL },
	{ "a discussion", WHOLE BULK OUT "List-Post: <mailto:talk@acme.example>\n" END, 99, false, NULL },
	{ "an announcement list", WHOLE BULK OUT CLICK "List-Id: <n.acme.example>\nList-Post: NO\n" END, 1, false,
	    "precedence,campaign" },
	{ "made by bulk software", WHOLE "X-Mailer: Sender 1", 1, false, "no-list-unsubscribe" },
	{ "made by a list manager", WHOLE "X-Mailer: Talk 1", 99, false, NULL },
	{ "made by a library", WHOLE "X-Mailer: Tool 1", 1, false, NULL },
	{ "a campaign", WHOLE OUT CLICK "X-Foo-Campaign-Id: 7\n" END, 1, false, "campaign" },
	{ "a subscriber", WHOLE OUT CLICK "x-acme-subscriber-key: 7\n" END, 1, false, "campaign" },
	{ "Exchange's own", WHOLE "X-MS-Exchange-Tracking-Id: 7\n" END, 1, false, NULL },
	{ "no Message-ID, no Date", "Subject: s", 1, false, "no-message-id,no-date" },
	{ "the same from sendmail(1)", "Subject: s", 1, true, NULL },
	{ "a script among uploads", WHOLE "X-PHP-Script: acme.example/uploads/a.php for 192.0.2.7\n" END, 1, false,
	    "script-path" },
	{ "only the visitor is odd", WHOLE "X-PHP-Script: acme.example/a.php for /tmp/x\n" END, 1, false, NULL },
	{ "a hidden script", WHOLE "X-PHP-Filename: /home/acme/.x/a.php\n" END, 1, false, "script-path" },
	{ "a certificate's place", WHOLE "X-PHP-Filename: /home/acme/.well-known/a.php\n" END, 1, false, NULL },
	{ "cPanel's directory", WHOLE "X-Source-Dir: acme.example:/public_html/tmp\n" END, 1, false, "script-path" },
	{ "code made at run time", WHOLE "X-PHP-Originating-Script: 33:a.php(1) : eval()'d code\n" END, 1, false,
	    "eval" },
};

static void
traits_are_found(void **unused)
{
	const char *found;
	size_t i;

	(void)unused;
	conf.mailers.volume = 50;
	for (i = 0; i < sizeof(trait_cases) / sizeof(trait_cases[0]); i++) {
		recipients = trait_cases[i].recipients;
		local = trait_cases[i].local;
		pass_header("acme", trait_cases[i].lines);
		found = message.facts.mailer_traits;
		if (found == NULL ? trait_cases[i].traits != NULL :
		    trait_cases[i].traits == NULL || strcmp(found, trait_cases[i].traits) != 0)
			fail_msg("%s: %s", trait_cases[i].name, found == NULL ? "none" : found);
	}
}

static void
traits_are_quiet_unless_told_otherwise(void **unused)
{
	static struct conf_mailer_action traits[] = { { "precedence", CONF_TAG }, { "no-date", CONF_HOLD } };

	(void)unused;
	pass_header("acme", WHOLE BULK OUT END);
	assert_int_equal(verdict_action(&message.verdict), CONF_ACCEPT);
	assert_string_equal(message.verdict.findings->code, "mailer.no-one-click");
	assert_true(message.verdict.findings->quiet);
	assert_non_null(strstr(message.verdict.findings->desk, "Precedence says bulk"));
	conf.mailers.traits = traits;
	conf.mailers.n_traits = 2;
	pass_header("acme", WHOLE BULK OUT CLICK END);
	assert_int_equal(verdict_action(&message.verdict), CONF_TAG);
	assert_true(message.verdict.findings->quiet);
	assert_string_equal(message.verdict.findings->desk, "Precedence: bulk");
	pass_header("acme", "Message-ID: <1@acme.example>");
	assert_int_equal(verdict_action(&message.verdict), CONF_HOLD);
	assert_false(message.verdict.findings->quiet);
	assert_int_equal(alerted.n, 0);		/* a trait is no mailer seen for the first time */
}

/* ---- explain -------------------------------------------------------------------------------- */

static void
explain_says_where_and_what_came_closest(void **unused)
{
	(void)unused;
	message.dry = true;
	pass("acme", "Sender 1");
	assert_non_null(strstr(message.verdict.findings->desk, ":2): X-Mailer: Sender 1"));
	pass_header("acme", WHOLE "X-Slow: b");
	assert_string_equal(message.verdict.findings->code, "mailer.none");
	assert_int_equal(message.verdict.findings->action, CONF_ACCEPT);
	assert_non_null(strstr(message.verdict.findings->desk, "Slow (slow, "));
	assert_non_null(strstr(message.verdict.findings->desk, "not there: x-slow matches ^(?:a+)+[xy]"));
	pass_header("acme", WHOLE "X-Other: b");
	assert_non_null(strstr(message.verdict.findings->desk, "none of 8 signatures has anything in common"));
	message.dry = false;
	pass_header("acme", WHOLE "X-Slow: b");
	assert_null(message.verdict.findings);
}

static void
first_use_is_remembered_over_reload_and_restart(void **unused)
{
	void *old;

	(void)unused;
	pass("acme", "Sender 1");
	old = state;				/* a reload: the old snapshot still has sessions */
	open_check();
	pass("acme", "Sender 1");
	check_mailer.free(old);
	pass("acme", "Sender 1");
	check_mailer.free(state);		/* a restart: only the store remembers */
	open_check();
	pass("acme", "Sender 1");
	assert_int_equal(alerted.n, 1);
	pass("acme", "Desk 1");
	assert_int_equal(alerted.n, 2);
}

static void
explain_tells_and_remembers_nothing(void **unused)
{
	(void)unused;
	message.dry = true;
	pass("acme", "Sender 1");
	message.dry = false;
	assert_int_equal(alerted.n, 0);
	assert_int_equal(n_kept, 0);
	pass("acme", "Sender 1");
	assert_int_equal(alerted.n, 1);
}

static void
first_seen_off_is_silent_but_remembers(void **unused)
{
	(void)unused;
	conf.mailers.first_seen_alert = false;
	pass("acme", "Sender 1");
	conf.mailers.first_seen_alert = true;
	pass("acme", "Sender 1");
	assert_int_equal(alerted.n, 0);
}

static void
monitor_stamps_and_alerts_and_lets_pass(void **unused)
{
	const struct finding *would;

	(void)unused;
	conf.mailers.mode = CONF_MONITOR;
	pass("acme", "Shell 1");
	assert_int_equal(verdict_action(&message.verdict), CONF_ACCEPT);
	assert_int_equal(verdict_would(&message.verdict, &would), CONF_HOLD);
	assert_non_null(message.verdict.inserts);
	assert_true(alerted.monitor);
	assert_string_equal(alerted.action, "accept");
}

static void
no_header_name_no_header(void **unused)
{
	(void)unused;
	conf.mailers.header = "";
	pass("acme", "Sender 1");
	assert_null(message.verdict.inserts);
}

static void
a_store_that_cannot_keep_is_logged(void **unused)
{
	(void)unused;
	keep_result = STORE_FAILED;
	pass("acme", "Sender 1");
	pass("acme", "Sender 1");
	assert_int_equal(alerted.n, 1);		/* remembered until a restart */
	assert_int_equal(logged, 1);
	assert_non_null(strstr(log_last, "the disk is full"));
}

static void
a_slow_signature_is_logged_once(void **unused)
{
	char value[300];
	struct err e;
	int i;

	(void)unused;
	memset(value, 'a', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	pass("acme", "Mutt");
	for (i = 0; i < 3; i++) {
		facts_add_header(&message.facts, "X-Slow", value);
		(void)check_mailer.run(state, STAGE_END, &message, &e);
	}
	assert_int_equal(logged, 1);
	assert_non_null(strstr(log_last, "signature slow: a pattern ran into its limit"));
}

static void
configuration_decides_what_is_needed(void **unused)
{
	bool ok = true;
	struct err e;

	(void)unused;
	assert_int_equal(check_mailer.needs(state, &conf), NEED_HEADERS);
	conf.mailers.volume = 50;
	assert_int_equal(check_mailer.needs(state, &conf), NEED_HEADERS | NEED_RECIPIENTS);
	conf.mailers.volume = 0;
	check_mailer.free(state);
	write_file("gatepost-signatures 1\nsignature body\ntitle B\nkind bulk\nconfidence 80\n"
	    "all @body contains x=1\n");
	open_check();
	assert_int_equal(check_mailer.needs(state, &conf), NEED_HEADERS | NEED_BODY_START);
	pass("acme", "Mutt");
	facts_keep_body(&message.facts, "<a href=3D\"http://a/?", 21);
	facts_keep_body(&message.facts, "x=\r\n=3D1\">", 11);
	assert_int_equal(check_mailer.run(state, STAGE_END, &message, &e), CHECK_DONE);
	assert_string_equal(message.facts.mailer, "body");
	check_mailer.free(state);
	conf.mailers.signatures = "";
	state = check_mailer.init(&services, &report, &ok);
	assert_true(ok);
	assert_null(state);
	assert_int_equal(check_mailer.needs(state, &conf), 0);
	pass("acme", "Sender 1");
	assert_null(message.facts.mailer);
	conf.mailers.signatures = "/nonexistent/signatures.conf";
	assert_null(check_mailer.init(&services, &report, &ok));
	assert_false(ok);
	assert_int_equal(reported, 1);
	conf.mailers.signatures = file;
	write_file("gatepost-signatures 1\nsignature a\nkind nonsense\nsignature sender\ntitle S\nkind bulk\n"
	    "confidence 80\nall X-Mailer\n");
	ok = true;
	state = check_mailer.init(&services, &report, &ok);	/* a bad entry is told and left out */
	assert_true(ok);
	assert_int_equal(reported, 2);
	assert_int_equal(check_mailer.run(state, STAGE_END, &message, &e), CHECK_DONE);
	assert_string_equal(message.facts.mailer, "sender");
}

/* ---- many at once ------------------------------------------------------------------------ */

static atomic_uint firsts;

static void *
see(void *cookie)
{
	char customer[20];
	int i;

	for (i = 0; i < 2000; i++) {
		(void)snprintf(customer, sizeof(customer), "c%d", i % 10);
		if (mailer_seen_first(cookie, customer, "sender", "bulk"))
			atomic_fetch_add(&firsts, 1);
	}
	return NULL;
}

static void
one_of_many_threads_is_the_first(void **unused)
{
	struct mailer_seen *m = mailer_seen_open(services.store);
	pthread_t thread[4];
	size_t i;

	(void)unused;
	atomic_store(&firsts, 0);
	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, see, m), 0);
	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	assert_int_equal(atomic_load(&firsts), 10);
	assert_int_equal(n_kept, 10);
	mailer_seen_close(&m);
	assert_null(m);
	mailer_seen_close(&m);
}

static void
memory_of_first_uses_is_bounded(void **unused)
{
	struct mailer_seen *m = mailer_seen_open(NULL);
	char customer[20];
	size_t i, n = 0;

	(void)unused;
	for (i = 0; i < MAILER_SEEN_MAX + 100; i++) {
		(void)snprintf(customer, sizeof(customer), "c%zu", i);
		n += mailer_seen_first(m, customer, "sender", "bulk");
	}
	assert_int_equal(n, MAILER_SEEN_MAX);
	assert_int_equal(logged, 1);
	assert_false(mailer_seen_first(m, "c1", "sender", "bulk"));
	mailer_seen_close(&m);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_kind_has_its_consequence),
		TEST(finding_says_what_and_why),
		TEST(first_use_is_told_once),
		TEST(what_was_seen_is_listed_with_times_and_counts),
		TEST(a_plan_has_actions_of_its_own),
		TEST(a_table_allows_mailers),
		TEST(what_is_allowed_alerts_nobody_and_is_remembered),
		TEST(a_table_that_cannot_tell_makes_unsure),
		TEST(traits_are_found),
		TEST(traits_are_quiet_unless_told_otherwise),
		TEST(explain_says_where_and_what_came_closest),
		TEST(first_use_is_remembered_over_reload_and_restart),
		TEST(explain_tells_and_remembers_nothing),
		TEST(first_seen_off_is_silent_but_remembers),
		TEST(monitor_stamps_and_alerts_and_lets_pass),
		TEST(no_header_name_no_header),
		TEST(a_store_that_cannot_keep_is_logged),
		TEST(a_slow_signature_is_logged_once),
		TEST(configuration_decides_what_is_needed),
		TEST(one_of_many_threads_is_the_first),
		TEST(memory_of_first_uses_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
