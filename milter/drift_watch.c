/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * drift_watch - one thread, one domain at a time, so that a walk over 100,000 domains is no load on
 * anybody's DNS.
 *
 * The file of the last walk says by its age when the next is due, also across restarts. Each domain is
 * looked at under the configuration then in force, so that a reload is not held up. When one mistake of
 * ours makes all domains drift at once, the desk gets the first twenty alerts and one that counts the rest.
 * When the DNS does not answer for many domains in a row, nor for some elsewhere in the list, the walk is
 * given up, and what it has not met stays as it was. Once an hour our own EHLO name is looked at too, for
 * bounces.
 */
#include "milter/drift_watch.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "milter/drift.h"
#include "milter/preflight.h"

#include "lib/banned.h"

#define PATIENCE_MS 3000u	/* for one domain */
#define ALERTS_MOST 20u		/* in one walk */
#define HELO_MS (60 * 60 * UINT64_C(1000))	/* how often our own name is looked at */
#define AGAIN_MS (10 * 60 * UINT64_C(1000))	/* after a walk that was given up */

struct drift_watch {
	struct chain *(*chain)(void *cookie);
	void *cookie;
	struct alerts *alerts;
	pthread_t thread;
	pthread_mutex_t lock;		/* guards stopping */
	pthread_cond_t wake;
	bool stopping;
};

/* Sleeps; false when it is time to end. */
static bool
pause_for(struct drift_watch *w, uint64_t ms)
{
	struct timespec until;
	bool go_on;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(ms / 1000);
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	pthread_mutex_lock(&w->lock);
	while (!w->stopping && pthread_cond_timedwait(&w->wake, &w->lock, &until) == 0)
		;
	go_on = !w->stopping;
	pthread_mutex_unlock(&w->lock);
	return go_on;
}

/* ---- one walk --------------------------------------------------------------------------- */

struct walk {
	struct drift_watch *w;
	struct drift_memory *memory;
	struct drift_domain *list;
	size_t n;
	size_t looked, broken, drifted, alerts, unsure;	/* unsure: in a row */
};

static void
tell(struct walk *k, const char *subject, const char *customer, const char *reason)
{
	const struct alert_event v = { .kind = "preflight.drift", .severity = "warning", .customer = customer,
		.reason = reason };

	log_printf(LOG_LEVEL_WARNING, "drift: %.900s", reason);
	if (k->alerts++ < ALERTS_MOST || strcmp(subject, "domains") == 0)
		alert_post(k->w->alerts, subject, &v);
}

static void
judge(struct walk *k, struct drift_domain *d, struct arena *a)
{
	const char *reason;

	drift_compare(k->memory, d, clock_now());
	k->looked++;
	k->unsure = d->unsure ? k->unsure + 1 : 0;
	k->broken += !d->unsure && *d->problem != '\0';
	k->drifted += d->mx_lost != 0 || d->spf_lost != 0;
	if (!d->mx_news && !d->spf_news)
		return;
	/* One incident a domain, so one alert. */
	reason = !d->mx_news ? "" : arena_printf(a, "MX of %.253s no longer names our servers: %.300s",
	    d->domain, *d->mx == '\0' ? "it has none" : d->mx);
	if (d->spf_news)
		reason = arena_printf(a, "%s%sSPF of %.253s no longer lets our servers through: %.300s",
		    reason, *reason == '\0' ? "" : "; ", d->domain, d->problem);
	tell(k, d->domain, d->customer, reason);
}

/* False when the walk is to end. */
static bool
look(struct walk *k, struct drift_domain *d)
{
	struct chain *ch = k->w->chain(k->w->cookie);
	const struct services *s = ch == NULL ? NULL : chain_services(ch);
	struct arena *a = arena_new(ARENA_DEFAULT_CAP);
	uint64_t pause = 0;

	if (s != NULL && s->dns != NULL) {
		drift_look(s, d, clock_deadline(PATIENCE_MS), a);
		judge(k, d, a);
		if (k->unsure >= DRIFT_UNSURE_MOST && !drift_dns_is_away(s, k->list, k->n, k->looked, a))
			k->unsure = 0;
		pause = 1000 / s->conf->preflight.drift.rate;
	}
	arena_free(&a);
	chain_unref(&ch);
	return pause > 0 && k->unsure < DRIFT_UNSURE_MOST && pause_for(k->w, pause);
}

/* Milliseconds since 1970 of the last whole walk; 0 = never. */
static uint64_t
last_walk(const char *file)
{
	struct stat st;

	return stat(file, &st) < 0 ? 0 : (uint64_t)st.st_mtim.tv_sec * 1000 +
	    (uint64_t)st.st_mtim.tv_nsec / 1000000;
}

/* What was found out is kept, but it was no whole walk. */
static void
set_back(const char *file, uint64_t last)
{
	const struct timespec at = { .tv_sec = (time_t)(last / 1000),
		.tv_nsec = (long)(last % 1000) * 1000000 };

	(void)utimensat(AT_FDCWD, file, (const struct timespec[]){ at, at }, 0);
}

/* False when it cannot be remembered. */
static bool
end_walk(struct walk *k, const char *file, bool whole, struct arena *a)
{
	bool kept;
	struct err e;

	err_clear(&e);
	kept = drift_memory_save(k->memory, file, whole, &e) == 0;
	if (!kept)
		log_printf(LOG_LEVEL_ERROR, "drift: %s", e.text);
	if (k->alerts > ALERTS_MOST)
		tell(k, "domains", NULL, arena_printf(a, "%zu domains drifted since the last walk; see "
		    "gatepostctl preflight --all", k->alerts));
	log_printf(LOG_LEVEL_NOTICE, "drift: walk %s: %zu domains, %zu with problems, %zu drifted",
	    whole ? "done" : "given up", k->looked, k->broken, k->drifted);
	return kept;
}

/* Lets go of the chain as soon as it has its list. Returns for how long (ms) there shall be no other walk,
 * whatever the file says. */
static uint64_t
walk(struct drift_watch *w, struct chain *take_ch)
{
	const struct services *s = chain_services(take_ch);
	const uint64_t interval = s->conf->preflight.drift.interval;
	struct arena *a = arena_new((size_t)1 << 30);
	const char *file = arena_strdup(a, s->conf->preflight.drift.file);
	struct walk k = { .w = w, .memory = drift_memory_load(file) };
	const uint64_t last = last_walk(file);
	uint64_t pause = interval;
	struct err e;
	bool whole;
	long n, i;

	err_clear(&e);
	n = drift_domains(s, a, &k.list, &e);
	if (n < 0)
		log_printf(LOG_LEVEL_WARNING, "drift: %s", e.text);
	k.n = n < 0 ? 0 : (size_t)n;
	chain_unref(&take_ch);
	for (i = 0; i < n && look(&k, &k.list[i]); i++)
		;
	/* The pause behind the last one may be what ended it. */
	whole = n >= 0 && k.looked == (size_t)n && k.unsure < DRIFT_UNSURE_MOST;
	if (n >= 0 && end_walk(&k, file, whole, a))
		pause = whole ? 0 : AGAIN_MS;
	if (pause == AGAIN_MS)
		set_back(file, last);
	drift_memory_free(&k.memory);
	arena_free(&a);
	return pause;
}

/* ---- our own name ----------------------------------------------------------------------------- */

/* SPF of the EHLO name, by which bounces are judged: what is wrong there is the postmaster's. */
static void
look_at_helo(struct drift_watch *w, const struct services *s)
{
	struct arena *a = arena_new(ARENA_DEFAULT_CAP);
	struct preflight_question q = { .sender = "", .deadline = clock_deadline(PATIENCE_MS) };
	struct alert_event v = { .kind = "preflight.helo", .severity = "warning" };
	struct preflight_answer answer;
	struct preflight *p;
	struct err e;

	err_clear(&e);
	p = preflight_open(s, NULL, 0, &e);
	if (p != NULL && preflight_ask(p, &q, a, &answer, &e) == 0 &&
	    answer.of[SPF_IS_FAIL] + answer.of[SPF_IS_SOFTFAIL] + answer.of[SPF_IS_PERMERROR] > 0) {
		v.reason = arena_printf(a, "SPF of our own EHLO name %.253s does not let all our addresses "
		    "through; see gatepostctl preflight \"<>\"", answer.spf_domain);
		alert_post(w->alerts, answer.spf_domain, &v);
	}
	preflight_close(&p);
	arena_free(&a);
}

/* ---- when ------------------------------------------------------------------------------------ */

static bool
due(const struct services *s, uint64_t not_before)
{
	const struct conf *c = s->conf;
	uint64_t now = clock_now();

	return s->dns != NULL && c->preflight.drift.interval > 0 && now >= not_before &&
	    now >= last_walk(c->preflight.drift.file) + c->preflight.drift.interval;
}

static void *
watch(void *arg)
{
	struct drift_watch *w = arg;
	struct chain *ch;
	uint64_t not_before = 0, helo = 0;

	while (pause_for(w, 1000)) {
		ch = w->chain(w->cookie);
		if (ch == NULL)
			continue;
		if (chain_services(ch)->dns != NULL && clock_now() >= helo) {
			look_at_helo(w, chain_services(ch));
			helo = clock_now() + HELO_MS;
		}
		if (due(chain_services(ch), not_before))
			not_before = walk(w, ch) + clock_now();
		else
			chain_unref(&ch);
	}
	return NULL;
}

struct drift_watch *
drift_watch_open(struct chain *(*chain)(void *cookie), void *cookie, struct alerts *alerts, struct err *e)
{
	struct drift_watch *w = calloc(1, sizeof(*w));
	pthread_condattr_t attributes;
	sigset_t all, old;
	int r;

	if (w == NULL)
		abort();
	w->chain = chain;
	w->cookie = cookie;
	w->alerts = alerts;
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&w->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&w->thread, NULL, watch, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r != 0) {
		free(w);
		(void)err_set(e, ERR_SYSTEM, "no thread for drift: %s", strerror(r));
		return NULL;
	}
	return w;
}

void
drift_watch_close(struct drift_watch **w)
{
	if (*w == NULL)
		return;
	pthread_mutex_lock(&(*w)->lock);
	(*w)->stopping = true;
	pthread_cond_signal(&(*w)->wake);
	pthread_mutex_unlock(&(*w)->lock);
	pthread_join((*w)->thread, NULL);
	pthread_cond_destroy(&(*w)->wake);
	pthread_mutex_destroy(&(*w)->lock);
	free(*w);
	*w = NULL;
}
