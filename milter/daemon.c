/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * daemon - opens and closes what the process owns, swaps the chain at a reload, keeps house.
 *
 * A reload builds everything new beside the old; only when all of it stands does the pointer change. Sessions
 * hold a reference to the chain they began with, so nothing is ever taken from under them.
 */
#include "milter/daemon.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/alert.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/store.h"
#include "lib/str.h"
#include "milter/api.h"
#include "milter/drift_watch.h"
#include "milter/notify.h"
#include "milter/session.h"

#include "lib/banned.h"

#define HOUSE_MS 1000

struct daemon {
	const char *file;
	bool to_stderr;
	struct store *store;
	struct alerts *alerts;
	struct api *api;
	struct drift_watch *drift;
	pthread_mutex_t reload_lock;	/* one reload at a time */
	pthread_t house;
	pthread_mutex_t house_lock;	/* guards stopping */
	pthread_cond_t house_wake;
	bool house_runs, stopping;
};

static pthread_mutex_t chain_lock = PTHREAD_MUTEX_INITIALIZER;	/* guards chain_now */
static struct chain *chain_now;

struct chain *
daemon_chain(void *cookie)
{
	struct chain *ch;

	(void)cookie;
	pthread_mutex_lock(&chain_lock);
	ch = chain_now == NULL ? NULL : chain_ref(chain_now);
	pthread_mutex_unlock(&chain_lock);
	return ch;
}

static void
set_chain(struct chain *take_ch)
{
	struct chain *old;

	pthread_mutex_lock(&chain_lock);
	old = chain_now;
	chain_now = take_ch;
	pthread_mutex_unlock(&chain_lock);
	chain_unref(&old);
}

uint64_t
daemon_drain_time(struct daemon *d)
{
	struct chain *ch = daemon_chain(d);
	uint64_t ms = chain_conf(ch)->drain;

	chain_unref(&ch);
	return ms;
}

/* ---- telling problems ------------------------------------------------------------- */

/* Tables keep this report for their rereads: a bad file is logged, the old content stays in force. */
static void
log_problem(void *cookie, const struct err *e)
{
	(void)cookie;
	log_printf(LOG_LEVEL_ERROR, "%s%s%s", e->where, *e->where == '\0' ? "" : ": ", e->text);
}

static const struct table_report to_log = { log_problem, NULL };

struct collector {
	struct arena *arena;
	const char *text;
	size_t n;
};

static void
collect(void *cookie, const struct err *e)
{
	struct collector *c = cookie;

	log_problem(NULL, e);
	c->n++;
	if (c->arena != NULL && c->n <= 50)
		c->text = arena_printf(c->arena, "%s%s%s%s\n", c->text, e->where,
		    *e->where == '\0' ? "" : ": ", e->text);
}

static enum log_level
level_of(const char *name)
{
	static const char *const names[] = { "error", "warning", "notice", "info", "debug" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], name) == 0)
			return (enum log_level)i;
	return LOG_LEVEL_INFO;
}

static void
open_log(const struct daemon *d, const struct conf *c)
{
	const struct log_settings s = { .ident = "gatepost", .facility = c->log.facility,
	    .socket = c->log.socket, .to_stderr = d->to_stderr, .most = level_of(c->log.level) };

	log_open(&s);
}

/* ---- reload -------------------------------------------------------------------------- */

static void
tell_reload(struct daemon *d, bool done, const char *reason)
{
	const struct alert_event v = { .kind = done ? "config.reloaded" : "config.rejected",
	    .severity = done ? "info" : "warning", .action = done ? "accept" : "reject", .reason = reason };

	alert_post(d->alerts, "configuration", &v);
}

static struct chain *
build(struct daemon *d, struct conf_problems *problems, struct collector *to)
{
	struct chain *now = daemon_chain(d), *next = NULL;
	struct table_report report = { collect, to };
	struct conf *c = conf_load(d->file, problems);

	if (c != NULL && conf_compare_fixed(chain_conf(now), c, problems) == 0)
		next = chain_new(c, d->store, d->alerts, &report);
	if (next == NULL)
		conf_unref(&c);
	chain_unref(&now);
	return next;
}

static void
take(struct daemon *d, struct chain *take_next)
{
	const struct conf *c = chain_conf(take_next);

	chain_keep_report(take_next, &to_log);
	open_log(d, c);
	alert_configure(d->alerts, c);
	api_configure(d->api, &c->api_allow);
	store_forget_over(d->store);
	set_chain(take_next);
}

int
daemon_reload(struct daemon *d, struct arena *a, const char **problems)
{
	struct collector to = { a, "", 0 };
	struct conf_problems p = { .say = collect, .warn = log_problem, .cookie = &to };
	struct chain *next;

	pthread_mutex_lock(&d->reload_lock);
	notify_send("RELOADING=1");
	next = build(d, &p, &to);
	if (next != NULL)
		take(d, next);
	notify_send("READY=1");
	pthread_mutex_unlock(&d->reload_lock);
	if (problems != NULL)
		*problems = to.n == 0 ? NULL : to.text;
	log_line(next != NULL ? LOG_LEVEL_NOTICE : LOG_LEVEL_ERROR, next != NULL ? "configuration reloaded" :
	    "configuration refused; the old one stays in force");
	tell_reload(d, next != NULL, next != NULL ? "configuration reloaded" :
	    "the new configuration has mistakes; the old one stays in force");
	return next != NULL;
}

static int
reload_hook(void *cookie, struct arena *a, const char **problems)
{
	return daemon_reload(cookie, a, problems);
}

static uint64_t
sessions_hook(void *cookie)
{
	(void)cookie;
	return session_count();
}

/* ---- the house ------------------------------------------------------------------------- */

static void
keep_house(struct daemon *d)
{
	struct chain *ch = daemon_chain(d);

	if (ch != NULL)
		chain_poll(ch);
	chain_unref(&ch);
	store_poll(d->store);
	/* The watchdog is fed from here: a house that stands still is a daemon that should be restarted. */
	if (notify_watchdog() > 0)
		notify_send("WATCHDOG=1");
}

static void *
house(void *arg)
{
	struct daemon *d = arg;
	struct timespec until;

	pthread_mutex_lock(&d->house_lock);
	while (!d->stopping) {
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += HOUSE_MS / 1000;
		pthread_cond_timedwait(&d->house_wake, &d->house_lock, &until);
		if (d->stopping)
			break;
		pthread_mutex_unlock(&d->house_lock);
		keep_house(d);
		pthread_mutex_lock(&d->house_lock);
	}
	pthread_mutex_unlock(&d->house_lock);
	return NULL;
}

static int
start_house(struct daemon *d)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&d->house, NULL, house, d);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	d->house_runs = r == 0;
	return r == 0 ? 0 : -1;
}

static void
stop_house(struct daemon *d)
{
	if (!d->house_runs)
		return;
	pthread_mutex_lock(&d->house_lock);
	d->stopping = true;
	pthread_cond_signal(&d->house_wake);
	pthread_mutex_unlock(&d->house_lock);
	pthread_join(d->house, NULL);
}

/* ---- opening and closing ------------------------------------------------------------------ */

static int
open_services(struct daemon *d, const struct conf *c, struct err *e)
{
	const struct store_settings s = { .type = c->store.type, .file = c->store.file,
	    .memory = c->store.memory, .relay = c->relay };

	d->store = store_open(&s, e);
	if (d->store == NULL)
		return -1;
	d->alerts = alert_open(c, d->store, e);
	return d->alerts == NULL ? -1 : 0;
}

static int
open_api(struct daemon *d, struct listener *api, const struct conf *c, struct err *e)
{
	const struct api_hooks hooks = { .chain = daemon_chain, .reload = reload_hook,
	    .sessions = sessions_hook, .started = clock_now(), .cookie = d };

	d->api = api_open(api->fd, &c->api_allow, d->store, d->alerts, &hooks, e);
	if (d->api == NULL)
		return -1;
	api->fd = -1;
	return 0;
}

struct daemon *
daemon_open(struct conf *take_c, const char *file, bool foreground, struct listener *api,
    void (*say)(void *cookie, const struct err *e), void *cookie)
{
	const struct table_report report = { say, cookie };
	struct daemon *d = calloc(1, sizeof(*d));
	struct chain *ch = NULL;
	struct err e;

	if (d == NULL)
		abort();
	err_clear(&e);
	d->file = file;
	/* Under systemd standard error goes to the journal, where syslog's lines stand already. */
	d->to_stderr = foreground && getenv("INVOCATION_ID") == NULL;
	pthread_mutex_init(&d->reload_lock, NULL);
	pthread_mutex_init(&d->house_lock, NULL);
	pthread_cond_init(&d->house_wake, NULL);
	open_log(d, take_c);
	if (open_services(d, take_c, &e) == 0 &&
	    (ch = chain_new(take_c, d->store, d->alerts, &report)) != NULL) {
		chain_keep_report(ch, &to_log);
		set_chain(ch);
		if (open_api(d, api, chain_conf(ch), &e) == 0 && start_house(d) == 0 &&
		    (d->drift = drift_watch_open(daemon_chain, d, d->alerts, &e)) != NULL) {
			log_printf(LOG_LEVEL_NOTICE, "started: configuration %s, relay %s, mode %s", file,
			    chain_conf(ch)->relay,
			    chain_conf(ch)->mode == CONF_MONITOR ? "monitor" : "enforce");
			return d;
		}
	}
	if (*e.text != '\0')
		say(cookie, &e);
	if (ch == NULL)
		conf_unref(&take_c);
	daemon_close(&d);
	return NULL;
}

void
daemon_close(struct daemon **d)
{
	struct daemon *p = *d;

	if (p == NULL)
		return;
	stop_house(p);
	drift_watch_close(&p->drift);
	api_close(&p->api);
	alert_close(&p->alerts);
	set_chain(NULL);
	store_close(&p->store);
	log_close();
	free(p);
	*d = NULL;
}

void
daemon_abandon(struct daemon *d)
{
	stop_house(d);
	drift_watch_close(&d->drift);
	api_close(&d->api);
	alert_flush(d->alerts, 2000);
	store_poll(d->store);
	log_close();
	_exit(0);
}
