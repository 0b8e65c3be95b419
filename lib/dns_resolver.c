/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * dns_resolver - libunbound, and the thread in which it lives; the only file that knows it (and libevent,
 * whose loop it wants).
 *
 * Its synchronous calls block for many seconds when a forwarder is silent, so that only the event interface
 * is used: questions come over a queue, and everything of libunbound's runs in one thread. It forwards, it
 * does not walk from the root. What it is told here: short retries, no zones of its own (it would answer for
 * test. and the reverse of private addresses itself, and wrongly), and validation only with a trust anchor,
 * since a forwarder without DNSSEC makes everything bogus.
 *
 * A forwarder that was away is not asked again by libunbound for longer than we can wait. When nothing but
 * failures came for two seconds, a new context without that memory takes over at the next question.
 *
 * What an answer means, who waits for it and what is kept is dns.c's business.
 */
#include "lib/dns_private.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <event2/event.h>
#include <unbound-event.h>
#include <unbound.h>

#include "lib/clock.h"

#include "lib/banned.h"

#define DEAF_US UINT64_C(2000000)	/* failures alone for so long: a new context */
/* Not more often: names that always fail must not look like one outage after the other. */
#define RECOVER_US UINT64_C(5000000)
#define OUTAGE 4			/* failures in a row: the resolver's fault, not the names' */
#define CLASS_IN 1
#define BOGUS 1
#define SECURE 2

struct dns_resolver {
	pthread_t thread;
	int wake_fd;
	struct event_base *base;
	struct event *wake, *tick;
	pthread_mutex_t lock;		/* guards the queue and stop */
	struct dns_question *queue, **queue_end;
	bool stop;
	/* never changed */
	char *forwarder[DNS_FORWARDERS_MAX];
	size_t n_forwarders;
	char *trust_anchor;		/* or NULL */
	unsigned waiting;
	uint64_t longest;
	void (*answered)(void *, struct dns_question *, struct dns_said *);
	void (*recovered)(void *);
	void *cookie;
	/* the thread's alone */
	struct ub_ctx *ctx;
	struct dns_question *oldest, *newest;	/* given to libunbound */
	struct dns_question *asking;	/* while libunbound is being asked: it may answer on the spot */
	unsigned failures;		/* since the forwarder was heard */
	bool suspicious;		/* the context has had one of them */
	uint64_t failing;		/* when it had the first */
	uint64_t recover;		/* not before this */
	bool forget;			/* a new context before the next question */
};

static void on_answer(void *cookie, int rcode, void *packet, int n, int sec, char *why, int ratelimited);

/* ---- a context ---- */

struct option {
	const char *name, *value;
};

/*
 * A question is sent two or three times, the first two 400 ms apart, and given up after about 3 s; with the
 * defaults a silent forwarder holds it for 17. The first wait is not shorter, however fast the forwarder was
 * before: it may have to walk from the root, and libunbound does not hear an answer to a query that it has
 * repeated. The largest wait is above the last of those, or names whose own servers are silent would make the
 * forwarder look dead for all others.
 */
static const struct option options[] = {
	{ "outbound-msg-retry:", "2" },
	{ "unknown-server-time-limit:", "400" },
	{ "infra-cache-min-rtt:", "400" },
	{ "infra-cache-max-rtt:", "3000" },
	{ "infra-host-ttl:", "10" },
	{ "infra-keep-probing:", "yes" },
	{ "outgoing-range:", "256" },
	{ "do-not-query-localhost:", "no" },
	{ "unblock-lan-zones:", "yes" },
	{ "insecure-lan-zones:", "yes" },
	{ "rrset-roundrobin:", "no" },
	{ "msg-cache-slabs:", "1" },
	{ "rrset-cache-slabs:", "1" },
	{ "infra-cache-slabs:", "1" },
	{ "key-cache-slabs:", "1" },
};

/* Zones that libunbound would answer itself, beyond those of addresses, though a forwarder may have them.
 * That of onion. stays: such names are not to be asked (RFC 7686). */
static const char *const own_zones[] = { "test.", "home.arpa." };

static int
ctx_say(struct err *e, const char *what, int r)
{
	return err_set(e, ERR_INPUT, "%s: %s", what, ub_strerror(r));
}

static int
ctx_options(struct dns_resolver *r, struct ub_ctx *ctx, struct err *e)
{
	char number[16];
	size_t i;
	int bad;

	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		bad = ub_ctx_set_option(ctx, options[i].name, options[i].value);
		if (bad != 0)
			return ctx_say(e, options[i].name, bad);
	}
	(void)snprintf(number, sizeof(number), "%u", 2 * r->waiting);
	bad = ub_ctx_set_option(ctx, "num-queries-per-thread:", number);
	if (bad != 0)
		return ctx_say(e, "num-queries-per-thread", bad);
	if (r->trust_anchor == NULL)
		bad = ub_ctx_set_option(ctx, "module-config:", "iterator");
	else
		bad = ub_ctx_add_ta_file(ctx, r->trust_anchor);
	return bad == 0 ? 0 : ctx_say(e, r->trust_anchor == NULL ? "module-config" : r->trust_anchor, bad);
}

static int
ctx_fill(struct dns_resolver *r, struct ub_ctx *ctx, struct err *e)
{
	size_t i;

	/* It would write to standard error, which is not ours. */
	(void)ub_ctx_debugout(ctx, NULL);
	(void)ub_ctx_debuglevel(ctx, 0);
	if (ctx_options(r, ctx, e) < 0)
		return -1;
	for (i = 0; i < r->n_forwarders; i++)
		if (ub_ctx_set_fwd(ctx, r->forwarder[i]) != 0)
			return err_set(e, ERR_INPUT, "%s is no address of a resolver", r->forwarder[i]);
	/* The first of these ends the settings: what is wrong with them shows here. */
	for (i = 0; i < sizeof(own_zones) / sizeof(own_zones[0]); i++) {
		int bad = ub_ctx_zone_remove(ctx, own_zones[i]);

		if (bad != 0)
			return ctx_say(e, r->trust_anchor == NULL ? "libunbound" : r->trust_anchor, bad);
	}
	return 0;
}

static struct ub_ctx *
ctx_new(struct dns_resolver *r, struct err *e)
{
	struct ub_ctx *ctx = ub_ctx_create_event(r->base);

	if (ctx == NULL) {
		(void)err_set(e, ERR_SYSTEM, "libunbound: %s", strerror(errno));
		return NULL;
	}
	if (ctx_fill(r, ctx, e) < 0) {
		ub_ctx_delete(ctx);
		return NULL;
	}
	return ctx;
}

/* ---- questions, in the thread ---- */

static void
link_in(struct dns_resolver *r, struct dns_question *q)
{
	q->after = NULL;
	q->before = r->newest;
	*(r->newest != NULL ? &r->newest->after : &r->oldest) = q;
	r->newest = q;
}

static void
link_out(struct dns_resolver *r, struct dns_question *q)
{
	*(q->before != NULL ? &q->before->after : &r->oldest) = q->after;
	*(q->after != NULL ? &q->after->before : &r->newest) = q->before;
}

/* Keeps account of whether the forwarder is there. What libunbound says at once comes from its own cache. */
static void
listen_to(struct dns_resolver *r, enum dns_answer answer, bool at_once)
{
	uint64_t now;

	if (answer == DNS_FAILED) {
		r->failures++;
		if (!r->suspicious)
			r->failing = clock_mono_us();
		r->suspicious = true;
		return;
	}
	if (at_once)
		return;
	now = clock_mono_us();
	if (r->failures >= OUTAGE && now >= r->recover) {
		r->recover = now + RECOVER_US;
		/* libunbound says for five seconds more that those failed, unless it forgets. */
		r->forget = true;
		r->recovered(r->cookie);
	}
	r->failures = 0;
	r->suspicious = false;
}

static void
finish(struct dns_resolver *r, struct dns_question *q, struct dns_said *said)
{
	link_out(r, q);
	listen_to(r, said->answer, r->asking == q);
	if (r->asking == q)
		r->asking = NULL;
	r->answered(r->cookie, q, said);
}

static void
hand_over(struct dns_resolver *r, struct dns_question *q)
{
	char name[DNS_NAME_ESCAPED];
	int id = 0, bad;

	dns_name_escape(dns_key_name(&q->key), name);
	q->given = false;
	r->asking = q;
	bad = ub_resolve_event(r->ctx, name, (int)q->type, CLASS_IN, q, on_answer, &id);
	if (bad != 0)
		finish(r, q, dns_said_failed(ub_strerror(bad)));
	else if (r->asking == q) {
		q->id = id;
		q->given = true;
	}
	r->asking = NULL;
}

static void
on_answer(void *cookie, int rcode, void *packet, int n, int sec, char *why, int ratelimited)
{
	struct dns_question *q = cookie;
	struct dns_said *said;
	char text[96];

	(void)ratelimited;
	if (sec == BOGUS) {
		(void)snprintf(text, sizeof(text), "bogus: %s", why == NULL ? "DNSSEC" : why);
		said = dns_said_failed(text);
	} else if (rcode != 0 || packet == NULL || n <= 0)
		/* libunbound says the same of both. */
		said = dns_said_failed("SERVFAIL or no answer");
	else
		said = dns_said_read(packet, (size_t)n, dns_key_name(&q->key), q->type, sec == SECURE);
	finish(q->resolver, q, said);
}

static void
expire(struct dns_resolver *r, uint64_t now)
{
	while (r->oldest != NULL && now - r->oldest->since >= r->longest) {
		struct dns_question *q = r->oldest;

		if (q->given)
			(void)ub_cancel(r->ctx, q->id);
		finish(r, q, dns_said_failed("no answer"));
	}
}

/* A new context, which gets what the old one has not answered. Never from within a call of libunbound. */
static void
start_over(struct dns_resolver *r)
{
	struct dns_question *q, *after;
	struct err ignored;
	struct ub_ctx *ctx = ctx_new(r, &ignored);

	if (ctx == NULL)
		return;
	ub_ctx_delete(r->ctx);
	r->ctx = ctx;
	r->suspicious = r->forget = false;
	q = r->oldest;
	r->oldest = r->newest = NULL;
	for (; q != NULL; q = after) {
		after = q->after;
		link_in(r, q);
		hand_over(r, q);
	}
}

static void
arm(struct dns_resolver *r)
{
	static const struct timeval second = { 1, 0 };

	if (r->oldest != NULL && !evtimer_pending(r->tick, NULL))
		(void)evtimer_add(r->tick, &second);
}

static void
on_tick(evutil_socket_t fd, short what, void *cookie)
{
	struct dns_resolver *r = cookie;

	(void)fd;
	(void)what;
	expire(r, clock_mono_us());
	arm(r);
}

static void
on_wake(evutil_socket_t fd, short what, void *cookie)
{
	struct dns_resolver *r = cookie;
	struct dns_question *q, *next;
	uint64_t n, now;
	bool stop;

	(void)what;
	if (read((int)fd, &n, sizeof(n)) < 0 && errno != EAGAIN && errno != EINTR)
		abort();
	(void)pthread_mutex_lock(&r->lock);
	q = r->queue;
	r->queue = NULL;
	r->queue_end = &r->queue;
	stop = r->stop;
	(void)pthread_mutex_unlock(&r->lock);
	if (stop) {
		(void)event_base_loopbreak(r->base);
		return;
	}
	now = clock_mono_us();
	if (r->forget || (r->suspicious && now - r->failing >= DEAF_US))
		start_over(r);
	for (; q != NULL; q = next) {
		next = q->queue;
		q->resolver = r;
		q->since = now;
		link_in(r, q);
		hand_over(r, q);
	}
	arm(r);
}

static void *
resolver_main(void *cookie)
{
	struct dns_resolver *r = cookie;

	(void)event_base_dispatch(r->base);
	ub_ctx_delete(r->ctx);
	r->ctx = NULL;
	return NULL;
}

/* ---- from outside ---- */

static void
wake(struct dns_resolver *r)
{
	static const uint64_t one = 1;

	/* Only a counter that is full already is refused. */
	if (write(r->wake_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		abort();
}

void
dns_resolver_ask(struct dns_resolver *r, struct dns_question *q)
{
	bool first;

	q->queue = NULL;
	(void)pthread_mutex_lock(&r->lock);
	first = r->queue == NULL;
	*r->queue_end = q;
	r->queue_end = &q->queue;
	(void)pthread_mutex_unlock(&r->lock);
	if (first)
		wake(r);
}

static void
resolver_free(struct dns_resolver *r)
{
	size_t i;

	if (r->ctx != NULL)
		ub_ctx_delete(r->ctx);
	if (r->wake != NULL)
		event_free(r->wake);
	if (r->tick != NULL)
		event_free(r->tick);
	if (r->base != NULL)
		event_base_free(r->base);
	if (r->wake_fd >= 0)
		(void)close(r->wake_fd);
	for (i = 0; i < r->n_forwarders; i++)
		free(r->forwarder[i]);
	free(r->trust_anchor);
	(void)pthread_mutex_destroy(&r->lock);
	free(r);
}

static char *
copy(const char *text)
{
	char *s = strdup(text);

	if (s == NULL)
		abort();
	return s;
}

static struct dns_resolver *
resolver_new(const struct dns_resolver_options *o)
{
	struct dns_resolver *r = calloc(1, sizeof(*r));
	size_t i;

	if (r == NULL)
		abort();
	(void)pthread_mutex_init(&r->lock, NULL);
	r->queue_end = &r->queue;
	for (i = 0; i < o->n_forwarders; i++)
		r->forwarder[r->n_forwarders++] = copy(o->forwarders[i]);
	if (o->trust_anchor != NULL && o->trust_anchor[0] != '\0')
		r->trust_anchor = copy(o->trust_anchor);
	r->waiting = o->waiting;
	r->longest = o->longest;
	r->answered = o->answered;
	r->recovered = o->recovered;
	r->cookie = o->cookie;
	r->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return r;
}

static int
resolver_prepare(struct dns_resolver *r, struct err *e)
{
	if (r->wake_fd < 0 || (r->base = event_base_new()) == NULL ||
	    (r->wake = event_new(r->base, r->wake_fd, EV_READ | EV_PERSIST, on_wake, r)) == NULL ||
	    (r->tick = evtimer_new(r->base, on_tick, r)) == NULL || event_add(r->wake, NULL) != 0)
		return err_set(e, ERR_SYSTEM, "the resolver's thread: %s", strerror(errno));
	r->ctx = ctx_new(r, e);
	return r->ctx == NULL ? -1 : 0;
}

static int
resolver_run(struct dns_resolver *r, struct err *e)
{
	sigset_t all, before;
	int bad;

	/* Signals belong to the main thread. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	bad = pthread_create(&r->thread, NULL, resolver_main, r);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return bad == 0 ? 0 : err_set(e, ERR_SYSTEM, "the resolver's thread: %s", strerror(bad));
}

struct dns_resolver *
dns_resolver_start(const struct dns_resolver_options *o, struct err *e)
{
	struct dns_resolver *r = resolver_new(o);

	if (resolver_prepare(r, e) == 0 && resolver_run(r, e) == 0)
		return r;
	resolver_free(r);
	return NULL;
}

void
dns_resolver_stop(struct dns_resolver **r)
{
	if (*r == NULL)
		return;
	(void)pthread_mutex_lock(&(*r)->lock);
	(*r)->stop = true;
	(void)pthread_mutex_unlock(&(*r)->lock);
	wake(*r);
	(void)pthread_join((*r)->thread, NULL);
	resolver_free(*r);
	*r = NULL;
}
