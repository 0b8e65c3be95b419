/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * redis_listener - a thread that hears what is published, over a connection of its own.
 *
 * What was published while nobody listened is lost: so connected() is called each time, and its owner
 * fetches the whole. A connection that hangs is noticed by a PING that is not answered.
 */
#include "lib/redis.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/redis_private.h"

#include "lib/banned.h"

#define LISTENER_PING_MS 1000
#define LISTENER_BACKOFF_LEAST 50
#define LISTENER_BACKOFF_MOST 1000

struct redis_listener {
	struct redis_settings settings;
	const char **args;		/* SUBSCRIBE and the channels */
	size_t n_args;
	struct redis_news news;
	pthread_t thread;
	int wake[2];
	atomic_bool stop;
};

/* Waits: 1 something to read, 0 the time is over, -1 woken up. */
static int
listener_wait(struct redis_listener *l, int fd, int ms)
{
	struct pollfd p[2] = { { .fd = l->wake[0], .events = POLLIN }, { .fd = fd, .events = POLLIN } };
	char drained[16];
	int n;

	do
		n = poll(p, 2, ms);
	while (n < 0 && errno == EINTR);
	if (n > 0 && p[0].revents != 0) {
		while (read(l->wake[0], drained, sizeof(drained)) > 0)
			;
		return -1;
	}
	return n > 0;
}

static void
listener_hear(struct redis_listener *l, const struct redis_reply *r)
{
	const struct redis_reply *channel, *text;

	if (r->type != REDIS_ARRAY || r->n != 3 || !redis_reply_is(r->at[0], "message"))
		return;
	channel = r->at[1];
	text = r->at[2];
	if (channel->text != NULL && text->text != NULL)
		l->news.message(l->news.cookie, channel->text, text->text, text->n);
}

/* True when anything came, false when the connection is to be given up. */
static bool
listener_take(struct redis_listener *l, struct redis_conn *c)
{
	struct redis_reply *r;
	int done = redis_conn_read(c);

	while (done >= 0 && (done = redis_conn_reply(c, &r)) == 1) {
		if (r->type == REDIS_ERROR)
			done = -1;
		else
			listener_hear(l, r);
		redis_reply_free(&r);
	}
	return done >= 0;
}

static void
listener_session(struct redis_listener *l, struct redis_conn *c)
{
	static const char *const ping[] = { "PING" };
	bool asked = false;
	int got;

	while (!atomic_load(&l->stop)) {
		got = listener_wait(l, redis_conn_fd(c), LISTENER_PING_MS);
		if (got < 0 || (got == 0 && asked))
			return;
		if (got == 0) {
			redis_conn_put(c, ping, NULL, 1);
			if (redis_conn_flush(c) != 1)
				return;
		} else if (!listener_take(l, c)) {
			return;
		}
		asked = got == 0;
	}
}

/* True when it was subscribed. */
static bool
listener_try(struct redis_listener *l)
{
	char address[REDIS_ADDRESS];
	uint64_t deadline = redis_deadline(l->settings.connect_ms);
	struct redis_reply *r = NULL;
	struct redis_conn *c = NULL;
	bool subscribed;
	struct err e;

	if (l->news.address(l->news.cookie, address))
		c = redis_conn_open(&l->settings, address, deadline, &e);
	if (c != NULL)
		r = redis_conn_ask(c, l->args, l->n_args, deadline, &e);
	subscribed = r != NULL && r->type == REDIS_ARRAY;
	redis_reply_free(&r);
	if (subscribed) {
		l->news.connected(l->news.cookie);
		listener_session(l, c);
	}
	redis_conn_close(&c);
	return subscribed;
}

static void *
listener_run(void *cookie)
{
	struct redis_listener *l = cookie;
	int backoff = LISTENER_BACKOFF_LEAST;

	while (!atomic_load(&l->stop)) {
		if (listener_try(l))
			backoff = LISTENER_BACKOFF_LEAST;
		if (atomic_load(&l->stop))
			break;
		(void)listener_wait(l, -1, backoff);
		backoff = backoff * 2 > LISTENER_BACKOFF_MOST ? LISTENER_BACKOFF_MOST : backoff * 2;
	}
	return NULL;
}

struct redis_listener *
redis_listener_new(const struct redis_settings *s, const char *const *channels, size_t n_channels,
    const struct redis_news *news)
{
	struct redis_listener *l = calloc(1, sizeof(*l));
	sigset_t all, old;

	if (l == NULL || (l->args = calloc(n_channels + 1, sizeof(*l->args))) == NULL)
		abort();
	l->settings = *s;
	l->news = *news;
	l->n_args = n_channels + 1;
	l->args[0] = "SUBSCRIBE";
	memcpy(l->args + 1, channels, n_channels * sizeof(*channels));
	if (pipe2(l->wake, O_NONBLOCK | O_CLOEXEC) != 0)
		abort();
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	if (pthread_create(&l->thread, NULL, listener_run, l) != 0)
		abort();
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	return l;
}

void
redis_listener_break(struct redis_listener *l)
{
	ssize_t ignored = write(l->wake[1], "", 1);

	(void)ignored;
}

void
redis_listener_free(struct redis_listener **l)
{
	if (*l == NULL)
		return;
	atomic_store(&(*l)->stop, true);
	redis_listener_break(*l);
	(void)pthread_join((*l)->thread, NULL);
	(void)close((*l)->wake[0]);
	(void)close((*l)->wake[1]);
	free((*l)->args);
	free(*l);
	*l = NULL;
}
