/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * daemon - opens and closes what the process owns, swaps the chain at a reload, keeps house.
 *
 * A reload builds everything new beside the old; only when all of it stands does the pointer change. Sessions
 * hold a reference to the chain they began with, so nothing is ever taken from under them.
 */
#include "milter/daemon.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/alert.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/store.h"
#include "lib/str.h"
#include "lib/trace_memory.h"
#include "milter/api.h"
#include "milter/drift_watch.h"
#include "milter/notify.h"
#include "milter/session.h"
#include "milter/submission.h"
#include "milter/web_token.h"

#include "lib/banned.h"

#define HOUSE_MS 1000
#define DEGRADED_MS 1000
#define RESTORED_MS 60000	/* within it all relays have noticed that it is back */

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

struct daemon {
	const char *file;
	bool to_stderr;
	struct store *store;
	struct alerts *alerts;
	struct trace_memory *memory;
	struct api *api;
	struct submission *submission;
	struct web_token *web;
	struct drift_watch *drift;
	pthread_mutex_t reload_lock;	/* one reload at a time */
	pthread_t house;
	pthread_mutex_t house_lock;	/* guards stopping */
	pthread_cond_t house_wake;
	bool house_runs, stopping;
	/* the house's, of a shared store: */
	bool degraded, told_degraded;	/* for long enough; and the alert is out */
	uint64_t local_before;		/* messages judged alone before it was */
	bool knows_missing;
	char missing[512];		/* relays, as in struct store_health */
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
	trace_memory_configure(d->memory, c->trace.memory.size, c->trace.memory.keep);
	chain_remember(take_next, d->memory);
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
tell_store(struct daemon *d, const char *kind, const char *subject, const char *reason)
{
	bool degraded = strcmp(kind, "store.degraded") == 0;
	const struct alert_event v = { .kind = kind, .severity = degraded ? "critical" : "notice",
	    .action = "accept", .reason = reason };

	alert_post(d->alerts, subject, &v);
}

/* While the store is gone relays cannot agree on who tells. So the first of them by name does, and every
 * alerts.repeat the next one, should the first have gone with it: told too late by one is better than
 * never. */
static void
tell_degraded(struct daemon *d, const struct store_health *h, uint64_t repeat)
{
	uint64_t now = clock_now(), gone = now > h->since ? now - h->since : 0;
	char reason[480];

	/* A server that is back before anybody had to notice is nobody's alert: the log has it. */
	if (gone < DEGRADED_MS)
		return;
	d->degraded = true;
	if (d->told_degraded || (gone - DEGRADED_MS) / (repeat > 0 ? repeat : 1) < h->rank)
		return;
	(void)snprintf(reason, sizeof(reason), "the shared store does not answer (%s); relays judge alone, "
	    "by their share of the ceilings (1/%u)", h->why, h->relays);
	d->told_degraded = true;
	tell_store(d, "store.degraded", "store", reason);
}

/* That it is back the relays can agree on. */
static void
tell_restored(struct daemon *d, const struct store_health *h)
{
	char reason[480];
	int ours = store_claim(d->store, "alerts", "store.restored", RESTORED_MS, NULL, NULL);

	if (ours < 0)
		return;
	(void)snprintf(reason, sizeof(reason), "the shared store answers again; %llu messages judged alone "
	    "here, %llu of them still to be counted", (unsigned long long)(h->local - d->local_before),
	    (unsigned long long)h->waiting);
	d->degraded = d->told_degraded = false;
	if (ours == 1)
		tell_store(d, "store.restored", "store", reason);
}

/* Whether a name is among others, each with a blank behind it. */
static bool
is_among(const char *names, const char *name, size_t n)
{
	const char *at;

	for (at = names; (at = strstr(at, name)) != NULL; at += n)
		if ((at == names || at[-1] == ' ') && at[n] == ' ')
			return true;
	return false;
}

static void
tell_missing(struct daemon *d, const char *name, bool back, uint64_t repeat)
{
	char claim[200], reason[400];

	(void)snprintf(claim, sizeof(claim), "store.missing %.150s", name);
	/* That it is back it may tell itself. */
	if ((back ? store_claim(d->store, "alerts", "store.restored", RESTORED_MS, NULL, NULL) :
	    store_claim(d->store, "alerts", claim, repeat, NULL, NULL)) != 1)
		return;
	(void)snprintf(reason, sizeof(reason), "relay %.200s is %s", name, back ? "heard of again" :
	    "not heard of any more: it ended without a word, or the shared store does not answer it");
	tell_store(d, back ? "store.restored" : "store.degraded", name, reason);
}

/* For relays that are cut off, or gone: one of those that are not tells. */
static void
watch_relays(struct daemon *d, const struct store_health *h, uint64_t repeat)
{
	const char *at;
	char name[256];
	size_t n;

	if (!h->settled)
		return;
	for (at = h->missing; d->knows_missing && (n = strcspn(at, " ")) > 0; at += n + 1) {
		(void)snprintf(name, sizeof(name), "%.*s", (int)n, at);
		if (!is_among(d->missing, name, n))
			tell_missing(d, name, false, repeat);
	}
	for (at = d->missing; (n = strcspn(at, " ")) > 0; at += n + 1) {
		(void)snprintf(name, sizeof(name), "%.*s", (int)n, at);
		if (!is_among(h->missing, name, n) && is_among(h->alive, name, n))
			tell_missing(d, name, true, repeat);
	}
	(void)str_copy(d->missing, sizeof(d->missing), h->missing);
	d->knows_missing = true;
}

static void
tell_health(struct daemon *d, uint64_t repeat)
{
	struct store_health h;

	if (!store_health(d->store, &h))
		return;
	if (h.degraded) {
		tell_degraded(d, &h, repeat);
		return;
	}
	if (d->degraded)
		tell_restored(d, &h);
	else
		d->local_before = h.local;
	watch_relays(d, &h, repeat);
}

static void
keep_house(struct daemon *d)
{
	struct chain *ch = daemon_chain(d);

	if (ch != NULL) {
		chain_poll(ch);
		tell_health(d, chain_conf(ch)->alerts.repeat);
	}
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

/* The first line of a file that only we should be able to read; "" without a file. */
static int
read_password(const char *setting, const char *file, char *to, size_t size, struct err *e)
{
	FILE *f;

	to[0] = '\0';
	if (*file == '\0')
		return 0;
	f = fopen(file, "re");
	if (f == NULL)
		return err_set(e, ERR_SYSTEM, "%s: %s: %s", setting, file, strerror(errno));
	if (fgets(to, (int)size, f) == NULL)
		to[0] = '\0';
	fclose(f);
	to[strcspn(to, "\r\n")] = '\0';
	return *to != '\0' ? 0 :
	    err_set(e, ERR_INPUT, "%s: %s has no password in its first line", setting, file);
}

/* Room for the two of Redis and Sentinel. */
struct passwords { char store[512], sentinel[512]; };

static int
read_passwords(const struct conf *c, struct passwords *to, struct err *e)
{
	if (read_password("store.password_file", c->store.password_file, to->store, sizeof(to->store), e) < 0 ||
	    read_password("store.sentinel_password_file", c->store.sentinel_password_file, to->sentinel,
	    sizeof(to->sentinel), e) < 0)
		return -1;
	return 0;
}

int
daemon_check_passwords(const struct conf *c, struct err *e)
{
	struct passwords p;
	int r = read_passwords(c, &p, e);

	explicit_bzero(&p, sizeof(p));
	return r;
}

static int
open_store(struct daemon *d, const struct conf *c, struct err *e)
{
	struct passwords password;
	struct store_settings s = { .type = c->store.type, .file = c->store.file, .memory = c->store.memory,
	    .relay = c->relay, .version = PACKAGE_VERSION };

	if (read_passwords(c, &password, e) < 0)
		return -1;
	s.redis = (struct store_redis_settings){ .servers = c->store.servers.at,
	    .n_servers = c->store.servers.n, .kind = c->store.topology, .master = c->store.master,
	    .user = c->store.user, .password = password.store,
	    .sentinel_user = c->store.sentinel_user, .sentinel_password = password.sentinel,
	    .database = c->store.database, .prefix = c->store.prefix, .connections = c->store.connections,
	    .relays_least = c->store.relays_least };
	d->store = store_open(&s, e);
	explicit_bzero(&password, sizeof(password));
	return d->store == NULL ? -1 : 0;
}

static int
open_services(struct daemon *d, const struct conf *c, struct err *e)
{
	if (open_store(d, c, e) < 0)
		return -1;
	d->memory = trace_memory_open(c->store.file, c->relay, c->trace.memory.size, c->trace.memory.keep, e);
	if (d->memory == NULL)
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

static int
open_submission(struct daemon *d, struct daemon_sockets *s, struct err *e)
{
	const struct submission_hooks hooks = { .chain = daemon_chain, .cookie = d };

	if (s->submission.fd >= 0) {
		d->submission = submission_open(s->submission.fd, &hooks, e);
		if (d->submission == NULL)
			return -1;
		s->submission.fd = -1;
	}
	if (s->web.fd >= 0) {
		d->web = web_token_open(s->web.fd, daemon_chain, d, e);
		if (d->web == NULL)
			return -1;
		s->web.fd = -1;
	}
	return 0;
}

struct daemon *
daemon_open(struct conf *take_c, const char *file, bool foreground, struct daemon_sockets *sockets,
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
		chain_remember(ch, d->memory);
		set_chain(ch);
		if (open_api(d, &sockets->api, chain_conf(ch), &e) == 0 && open_submission(d, sockets,
		    &e) == 0 && start_house(d) == 0 &&
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
	submission_close(&p->submission);
	web_token_close(&p->web);
	api_close(&p->api);
	alert_close(&p->alerts);
	set_chain(NULL);
	trace_memory_close(&p->memory);
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
	submission_close(&d->submission);
	web_token_close(&d->web);
	api_close(&d->api);
	alert_flush(d->alerts, 2000);
	(void)trace_memory_flush(d->memory, 2000);
	store_poll(d->store);
	store_leave(d->store);
	log_close();
	_exit(0);
}
