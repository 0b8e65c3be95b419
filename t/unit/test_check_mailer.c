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

static char kept[20][100];
static size_t n_kept;
static pthread_mutex_t kept_lock = PTHREAD_MUTEX_INITIALIZER;
static enum store_result keep_result = STORE_DONE;

enum store_result
store_keep(struct store *s, const char *space, const char *name, const char *value, struct err *e)
{
	(void)s;
	assert_string_equal(space, "mailers");
	assert_non_null(value);
	if (keep_result != STORE_DONE) {
		(void)err_set(e, ERR_FULL, "the disk is full");
		return keep_result;
	}
	(void)pthread_mutex_lock(&kept_lock);
	assert_true(n_kept < 20);
	(void)snprintf(kept[n_kept++], sizeof(kept[0]), "%s", name);
	(void)pthread_mutex_unlock(&kept_lock);
	return STORE_DONE;
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
		each(cookie, kept[i], "1767225600000");
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

static struct { const char *kind; enum conf_action action; } actions[] = {
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
	conf.mailers.actions = (void *)actions;
	conf.mailers.n_actions = sizeof(actions) / sizeof(actions[0]);
	services = (struct services){ .conf = &conf, .store = (struct store *)&n_kept,
	    .alerts = (struct alerts *)&alerted };
	n_kept = 0;
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

/* One message of a customer through run and finish. */
static void
pass(const char *customer, const char *mailer)
{
	struct err e;

	facts_begin(&message.facts, arena_new(ARENA_DEFAULT_CAP));
	verdict_begin(&message.verdict, message.facts.arena);
	message.services = &services;
	message.mode = conf.mailers.mode;
	message.facts.customer = customer;
	facts_add_header(&message.facts, "From", "a@acme.example");
	facts_add_header(&message.facts, "X-Mailer", mailer);
	assert_int_equal(check_mailer.run(state, STAGE_END, &message, &e), CHECK_DONE);
	check_mailer.finish(state, &message);
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
		if (mailer_seen_first(cookie, customer, "sender"))
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
		n += mailer_seen_first(m, customer, "sender");
	}
	assert_int_equal(n, MAILER_SEEN_MAX);
	assert_int_equal(logged, 1);
	assert_false(mailer_seen_first(m, "c1", "sender"));
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
