/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * redis - nodes with their connections, the circuit breaker, and calls to several nodes at once.
 *
 * A message's thread never connects, resolves a name nor retries: it takes a connection that is there,
 * writes, and reads until its deadline. Whatever goes wrong takes the node down, with all its idle
 * connections, so that the next message does not wait for the same thing again. Bringing a node up is
 * redis_node_keep()'s, in a thread of its own.
 *
 * A connection whose answer did not come in time is closed: the answer may still come, and would be
 * taken for that of the next call.
 */
#include "lib/redis.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/redis_private.h"
#include "lib/str.h"

#include "lib/banned.h"

#define NODE_CONNECTIONS_MOST 64u
#define NODE_PROBE_EVERY UINT64_C(1000000)	/* us, of a node that is up */
#define NODE_BACKOFF_LEAST UINT64_C(100000)	/* us */
#define NODE_BACKOFF_MOST UINT64_C(1000000)
#define CALLS_NODES 64u				/* of one round trip */

struct redis_node {
	struct redis_settings settings;
	char address[REDIS_ADDRESS];
	pthread_mutex_t lock;			/* all that follows */
	pthread_cond_t freed;
	struct redis_conn *idle[NODE_CONNECTIONS_MOST];
	unsigned n_idle, n_open;		/* open: idle and in use */
	unsigned epoch;				/* goes up as it goes down: older ones are not put back */
	atomic_bool up;				/* written under lock */
	uint64_t next_try, backoff;
	struct err why;
};

static atomic_uint_fast64_t calls_trips, calls_sent;

/* ---- nodes ---- */

struct redis_node *
redis_node_new(const struct redis_settings *s, const char *address)
{
	struct redis_node *n = calloc(1, sizeof(*n));
	pthread_condattr_t attr;

	if (n == NULL)
		abort();
	n->settings = *s;
	if (n->settings.connections == 0)
		n->settings.connections = 1;
	if (n->settings.connections > NODE_CONNECTIONS_MOST)
		n->settings.connections = NODE_CONNECTIONS_MOST;
	(void)str_copy(n->address, sizeof(n->address), address);
	(void)pthread_mutex_init(&n->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&n->freed, &attr);
	(void)pthread_condattr_destroy(&attr);
	(void)err_set(&n->why, ERR_GONE, "not connected yet");
	return n;
}

void
redis_node_free(struct redis_node **n)
{
	if (*n == NULL)
		return;
	while ((*n)->n_idle > 0)
		redis_conn_close(&(*n)->idle[--(*n)->n_idle]);
	(void)pthread_cond_destroy(&(*n)->freed);
	(void)pthread_mutex_destroy(&(*n)->lock);
	free(*n);
	*n = NULL;
}

const char *
redis_node_address(const struct redis_node *n)
{
	return n->address;
}

bool
redis_node_up(const struct redis_node *n)
{
	return atomic_load(&n->up);
}

bool
redis_node_why(struct redis_node *n, struct err *e)
{
	bool down;

	(void)pthread_mutex_lock(&n->lock);
	down = !atomic_load(&n->up);
	if (down)
		(void)err_set(e, n->why.code, "%s: %s", n->address, n->why.text);
	(void)pthread_mutex_unlock(&n->lock);
	return down;
}

/* Under the lock. */
static void
node_down(struct redis_node *n, const struct err *why)
{
	n->why = *why;
	if (atomic_load(&n->up)) {
		n->backoff = NODE_BACKOFF_LEAST;
		n->next_try = redis_now();
	}
	atomic_store(&n->up, false);
	n->epoch++;
	while (n->n_idle > 0) {
		redis_conn_close(&n->idle[--n->n_idle]);
		n->n_open--;
	}
	(void)pthread_cond_broadcast(&n->freed);
}

void
redis_node_fail(struct redis_node *n, const char *why)
{
	struct err e;

	(void)err_set(&e, ERR_GONE, "%s", why);
	(void)pthread_mutex_lock(&n->lock);
	if (atomic_load(&n->up))
		node_down(n, &e);
	(void)pthread_mutex_unlock(&n->lock);
}

/* ---- taking and giving back ---- */

static bool
node_wait(struct redis_node *n, uint64_t deadline)
{
	struct timespec until;
	int ms = redis_poll_ms(deadline);

	if (ms == 0)
		return false;
	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms < 0 ? 3600 : ms / 1000;
	until.tv_nsec += ms < 0 ? 0 : ms % 1000 * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	return pthread_cond_timedwait(&n->freed, &n->lock, &until) == 0;
}

/* A connection for our use; NULL when it is down, or all are in use until the deadline. */
static struct redis_conn *
node_take(struct redis_node *n, uint64_t deadline, unsigned *epoch)
{
	struct redis_conn *c = NULL;

	(void)pthread_mutex_lock(&n->lock);
	while (atomic_load(&n->up) && n->n_idle == 0 && node_wait(n, deadline))
		;
	if (atomic_load(&n->up) && n->n_idle > 0)
		c = n->idle[--n->n_idle];
	*epoch = n->epoch;
	(void)pthread_mutex_unlock(&n->lock);
	return c;
}

static void
node_give(struct redis_node *n, struct redis_conn *c, unsigned epoch)
{
	(void)pthread_mutex_lock(&n->lock);
	if (epoch == n->epoch && n->n_idle < NODE_CONNECTIONS_MOST) {
		n->idle[n->n_idle++] = c;
		c = NULL;
		(void)pthread_cond_signal(&n->freed);
	} else {
		n->n_open--;
	}
	(void)pthread_mutex_unlock(&n->lock);
	redis_conn_close(&c);
}

/* It broke, or did not answer in time. */
static void
node_broke(struct redis_node *n, struct redis_conn *c, unsigned epoch, const struct err *why)
{
	(void)pthread_mutex_lock(&n->lock);
	n->n_open--;
	if (epoch == n->epoch)
		node_down(n, why);
	(void)pthread_mutex_unlock(&n->lock);
	redis_conn_close(&c);
}

/* ---- keeping ---- */

static bool
node_probe_good(const struct redis_reply *r, struct err *e)
{
	if (r == NULL)
		return false;
	if (r->type != REDIS_ERROR || redis_reply_is_error(r, "MOVED") || redis_reply_is_error(r, "ASK"))
		return true;
	(void)err_set(e, ERR_GONE, "%s", r->text);
	return false;
}

static bool
node_probe(struct redis_node *n, struct redis_conn *c, struct err *e)
{
	static const char *const ping[] = { "PING" };
	const struct redis_settings *s = &n->settings;
	struct redis_reply *r = redis_conn_ask(c, s->probe != NULL ? s->probe : ping,
	    s->probe != NULL ? s->n_probe : 1, redis_deadline(s->answer_ms), e);
	bool good = node_probe_good(r, e);

	redis_reply_free(&r);
	return good;
}

/* Another connection for the pool; without the lock held. */
static bool
node_connect(struct redis_node *n, struct err *e)
{
	struct redis_conn *c = redis_conn_open(&n->settings, n->address,
	    redis_deadline(n->settings.connect_ms), e);

	if (c == NULL || !node_probe(n, c, e)) {
		redis_conn_close(&c);
		return false;
	}
	(void)pthread_mutex_lock(&n->lock);
	n->idle[n->n_idle++] = c;
	n->n_open++;
	atomic_store(&n->up, true);
	n->backoff = NODE_BACKOFF_LEAST;
	n->next_try = redis_now() + NODE_PROBE_EVERY;
	(void)pthread_cond_signal(&n->freed);
	(void)pthread_mutex_unlock(&n->lock);
	return true;
}

/* It is down, or cannot take more connections: later, and later again. */
static void
node_put_off(struct redis_node *n, const struct err *why)
{
	(void)pthread_mutex_lock(&n->lock);
	n->next_try = redis_now() + n->backoff;
	n->backoff = n->backoff * 2 > NODE_BACKOFF_MOST ? NODE_BACKOFF_MOST : n->backoff * 2;
	if (!atomic_load(&n->up))
		n->why = *why;
	(void)pthread_mutex_unlock(&n->lock);
}

/* Notices a server that stands still, or has turned into a replica, before a message does. */
static void
node_look_after(struct redis_node *n)
{
	struct redis_conn *c = NULL;
	struct err e = { .code = ERR_NONE };
	unsigned epoch;

	(void)pthread_mutex_lock(&n->lock);
	n->next_try = redis_now() + NODE_PROBE_EVERY;
	if (n->n_idle > 0)
		c = n->idle[--n->n_idle];
	epoch = n->epoch;
	(void)pthread_mutex_unlock(&n->lock);
	if (c == NULL)
		return;
	if (node_probe(n, c, &e))
		node_give(n, c, epoch);
	else
		node_broke(n, c, epoch, &e);
}

bool
redis_node_keep(struct redis_node *n)
{
	struct err e = { .code = ERR_NONE };
	bool up, due;
	unsigned missing;

	(void)pthread_mutex_lock(&n->lock);
	up = atomic_load(&n->up);
	due = redis_now() >= n->next_try;
	missing = n->n_open < n->settings.connections ? n->settings.connections - n->n_open : 0;
	if (n->backoff == 0)
		n->backoff = NODE_BACKOFF_LEAST;
	(void)pthread_mutex_unlock(&n->lock);
	if (!up && (!due || missing == 0))
		return false;
	if (up && due && missing == 0)
		node_look_after(n);
	for (; missing > 0 && (due || up); missing--) {
		if (!node_connect(n, &e)) {
			node_put_off(n, &e);
			break;
		}
	}
	return redis_node_up(n);
}

/* ---- calls ---- */

/* What goes to one node. */
struct lane {
	struct redis_node *node;
	struct redis_conn *conn;
	unsigned epoch;
	size_t next;			/* the call whose answer comes next */
	uint64_t sent_before;
	bool flushed, done;
};

struct trip {
	struct redis_call *calls;
	size_t n;
	struct lane lanes[CALLS_NODES];
	struct pollfd polled[CALLS_NODES];
	size_t n_lanes, busy;
};

static size_t
trip_next(const struct trip *t, const struct lane *l, size_t from)
{
	while (from < t->n && t->calls[from].node != l->node)
		from++;
	return from;
}

/* The lane is over; what is not answered is unsent, or uncertain. */
static void
lane_break(struct trip *t, struct lane *l, enum err_code code, const char *why)
{
	enum redis_result result = REDIS_UNSENT;
	struct err e;

	if (l->conn != NULL && redis_conn_sent(l->conn) > l->sent_before)
		result = REDIS_UNCERTAIN;
	for (; l->next < t->n; l->next = trip_next(t, l, l->next + 1))
		t->calls[l->next].result = result;
	if (l->conn != NULL) {
		(void)err_set(&e, code, "%s", why);
		node_broke(l->node, l->conn, l->epoch, &e);
	}
	l->conn = NULL;
	l->done = true;
	t->busy--;
}

static void
lane_write(struct trip *t, struct lane *l)
{
	int sent = redis_conn_flush(l->conn);

	l->flushed = sent == 1;
	if (sent < 0)
		lane_break(t, l, ERR_GONE, "the connection broke");
}

static void
lane_read(struct trip *t, struct lane *l)
{
	struct redis_reply *reply;
	int got = redis_conn_read(l->conn), there = 0;

	while (got >= 0 && l->next < t->n && (there = redis_conn_reply(l->conn, &reply)) == 1) {
		/* The answer to ASKING, which is not a call of its own. */
		if (t->calls[l->next].asking) {
			t->calls[l->next].asking = false;
			redis_reply_free(&reply);
			continue;
		}
		t->calls[l->next].result = REDIS_ANSWERED;
		t->calls[l->next].reply = reply;
		l->next = trip_next(t, l, l->next + 1);
	}
	if (got < 0 || there < 0) {
		lane_break(t, l, ERR_GONE, "the connection broke");
	} else if (l->next == t->n) {
		node_give(l->node, l->conn, l->epoch);
		l->conn = NULL;
		l->done = true;
		t->busy--;
	}
}

static void
lane_start(struct trip *t, struct lane *l, uint64_t deadline)
{
	static const char *const asking[] = { "ASKING" };
	const struct redis_call *c;
	size_t i;

	l->conn = node_take(l->node, deadline, &l->epoch);
	if (l->conn == NULL) {
		lane_break(t, l, ERR_GONE, "");
		return;
	}
	l->sent_before = redis_conn_sent(l->conn);
	for (i = l->next; i < t->n; i = trip_next(t, l, i + 1)) {
		c = &t->calls[i];
		if (c->asking)
			redis_conn_put(l->conn, asking, NULL, 1);
		redis_conn_put(l->conn, c->args, c->lens, c->n);
		(void)atomic_fetch_add(&calls_sent, 1);
	}
	lane_write(t, l);
}

static void
trip_sort(struct trip *t)
{
	struct redis_call *c;
	size_t i, k;

	for (i = 0; i < t->n; i++) {
		c = &t->calls[i];
		c->result = REDIS_UNSENT;
		c->reply = NULL;
		if (c->node == NULL)
			continue;
		for (k = 0; k < t->n_lanes && t->lanes[k].node != c->node; k++)
			;
		if (k < t->n_lanes || k == CALLS_NODES)
			continue;
		t->lanes[k] = (struct lane){ .node = c->node, .next = i };
		t->n_lanes++;
	}
	t->busy = t->n_lanes;
}

/* Everywhere in the same order: who holds a connection of one node and waits for one of another would else
 * wait for somebody who does the reverse. */
static int
lane_order(const void *a, const void *b)
{
	const struct lane *x = a, *y = b;

	return x->node < y->node ? -1 : x->node > y->node;
}

/* Waits for the lanes that are under way; false when the deadline has passed. */
static bool
trip_wait(struct trip *t, uint64_t deadline)
{
	size_t i;
	int n;

	for (i = 0; i < t->n_lanes; i++) {
		struct lane *l = &t->lanes[i];

		t->polled[i].fd = l->done ? -1 : redis_conn_fd(l->conn);
		t->polled[i].events = l->flushed ? POLLIN : POLLIN | POLLOUT;
		t->polled[i].revents = 0;
	}
	n = poll(t->polled, t->n_lanes, redis_poll_ms(deadline));
	return n > 0 || (n < 0 && errno == EINTR);
}

static void
trip_step(struct trip *t)
{
	size_t i;

	for (i = 0; i < t->n_lanes; i++) {
		struct lane *l = &t->lanes[i];

		if (!l->done && !l->flushed && (t->polled[i].revents & POLLOUT) != 0)
			lane_write(t, l);
		if (!l->done && (t->polled[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0)
			lane_read(t, l);
	}
}

bool
redis_calls(struct redis_call *calls, size_t n, uint64_t deadline)
{
	struct trip t = { .calls = calls, .n = n };
	uint64_t left = deadline == UINT64_MAX ? UINT64_MAX : clock_left(deadline);
	bool all = true;
	size_t i;

	trip_sort(&t);
	/* Too late to begin: nothing is sent, and no server is blamed. */
	if (left == 0)
		return false;
	deadline = left == UINT64_MAX ? UINT64_MAX : redis_deadline(left);
	if (t.n_lanes > 1)
		qsort(t.lanes, t.n_lanes, sizeof(t.lanes[0]), lane_order);
	for (i = 0; i < t.n_lanes; i++)
		lane_start(&t, &t.lanes[i], deadline);
	if (t.busy > 0)
		(void)atomic_fetch_add(&calls_trips, 1);
	while (t.busy > 0 && trip_wait(&t, deadline))
		trip_step(&t);
	for (i = 0; i < t.n_lanes; i++) {
		if (!t.lanes[i].done)
			lane_break(&t, &t.lanes[i], ERR_TIMEOUT, "no answer in time");
	}
	for (i = 0; i < n; i++)
		all = all && calls[i].result == REDIS_ANSWERED;
	return all;
}

void
redis_calls_free(struct redis_call *calls, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		redis_reply_free(&calls[i].reply);
}

void
redis_counts(uint64_t *trips, uint64_t *calls)
{
	*trips = atomic_load(&calls_trips);
	*calls = atomic_load(&calls_sent);
}
