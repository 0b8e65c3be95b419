/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * redis_topology - keeps the nodes connected and knows which of them to ask.
 *
 *     the map's thread      every tick: reports what came up or went down; when it is time, or somebody saw a
 *                           sign of change, asks Sentinels or nodes and applies what they say
 *     a keeper per node     connects and probes it (redis_node_keep): one that hangs holds up no other
 *     a listener            Sentinel only: +switch-master makes the map's thread ask at once
 *     messages              read owner[] without a lock, and report what a reply says
 *
 * In a Cluster the replicas are kept connected as well: when one is promoted, the next message finds a
 * connection. A MOVED corrects the one slot at once; the rest of the map follows with the next reply
 * of CLUSTER SLOTS. Nothing here sends a command of the store or knows one.
 *
 * Time is counted in ticks of waiting, not read from a clock: nothing here depends on when it is.
 */
#include "lib/redis_topology.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/redis_cluster.h"
#include "lib/redis_sentinel.h"
#include "lib/store_private.h"
#include "lib/str.h"

#include "lib/banned.h"

#define TOPOLOGY_TICK 100u		/* ms */
#define TOPOLOGY_ASK 50u		/* ticks between two times of asking, when all is well */
#define TOPOLOGY_ASK_SOON 2u		/* and when something is not */
#define TOPOLOGY_PAUSE 20		/* ms, after asking */
#define TOPOLOGY_GONE 6000u		/* ticks after which a node that is not needed is let go */
#define TOPOLOGY_LAST 600u		/* and then ticks until it is freed: longer than any call */
#define TOPOLOGY_NODES (2 * REDIS_CLUSTER_NODES)

struct topology_node {
	struct redis_topology *topology;
	struct redis_node *node;
	pthread_t keeper;
	bool wanted;			/* topology.lock */
	bool master;			/* topology.lock */
	bool stop;			/* topology.lock */
	bool was_up;			/* map's thread: as last reported */
	unsigned unwanted;		/* map's thread: ticks */
};

struct redis_topology {
	struct redis_topology_settings settings;
	pthread_mutex_t lock;		/* nodes, their flags, asked, stop, sentinel, problem; taken before a
					 * node's own */
	pthread_cond_t wake;		/* keepers */
	pthread_cond_t ask;		/* the map's thread */
	struct topology_node *nodes[TOPOLOGY_NODES];	/* no gaps */
	size_t n_nodes;
	bool asked;			/* somebody wants the map anew */
	bool stop;
	char sentinel[REDIS_ADDRESS];	/* that answered last: whom to listen to */
	struct err problem;		/* why the map is not known, or not to be trusted */
	_Atomic(struct redis_node *) owner[REDIS_SLOTS];	/* owner[0] alone when not slotted */
	pthread_t thread;
	struct redis_listener *listener;
	struct redis_sentinels sentinels;	/* map's thread */
	struct redis_cluster_map *map;		/* map's thread: room for a reply */
};

/* ---- waiting ---- */

/* Until woken or for a tick; the lock is held. */
static void
topology_tick(struct redis_topology *t, pthread_cond_t *wake)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)TOPOLOGY_TICK * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	(void)pthread_cond_timedwait(wake, &t->lock, &until);
}

/* ---- nodes ---- */

static void *
topology_keep(void *cookie)
{
	struct topology_node *n = cookie;
	struct redis_topology *t = n->topology;

	(void)pthread_mutex_lock(&t->lock);
	while (!n->stop) {
		if (n->wanted) {
			(void)pthread_mutex_unlock(&t->lock);
			(void)redis_node_keep(n->node);
			(void)pthread_mutex_lock(&t->lock);
			if (n->stop)
				break;
		}
		topology_tick(t, &t->wake);
	}
	(void)pthread_mutex_unlock(&t->lock);
	return NULL;
}

/* Signals are the main thread's. */
static bool
topology_thread(pthread_t *thread, void *(*body)(void *), void *cookie)
{
	sigset_t all, old;
	int r;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(thread, NULL, body, cookie);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	return r == 0;
}

/* The node of this address, which is made when it is new and wanted from now on. NULL: too many, or no
 * thread to be had. The lock is held. */
static struct topology_node *
topology_use(struct redis_topology *t, const char *address)
{
	struct topology_node *n;
	size_t i;

	for (i = 0; i < t->n_nodes; i++) {
		if (strcmp(redis_node_address(t->nodes[i]->node), address) == 0) {
			t->nodes[i]->wanted = true;
			return t->nodes[i];
		}
	}
	if (t->n_nodes == TOPOLOGY_NODES)
		return NULL;
	n = store_alloc(sizeof(*n));
	n->topology = t;
	n->wanted = true;
	n->node = redis_node_new(&t->settings.node, address);
	if (n->node == NULL || !topology_thread(&n->keeper, topology_keep, n)) {
		redis_node_free(&n->node);
		free(n);
		return NULL;
	}
	t->nodes[t->n_nodes++] = n;
	return n;
}

/* Its keeper has been told to stop. Without the lock, since the keeper wants it. */
static void
topology_node_end(struct topology_node *n)
{
	(void)pthread_join(n->keeper, NULL);
	redis_node_free(&n->node);
	free(n);
}

/* Nobody is sent to it any more. A slot without an owner stays with whom it was, also for good. The lock is
 * held. */
static void
topology_disown(struct redis_topology *t, const struct redis_node *node)
{
	unsigned slot;

	for (slot = 0; slot < REDIS_SLOTS; slot++) {
		if (atomic_load(&t->owner[slot]) == node)
			atomic_store(&t->owner[slot], NULL);
	}
}

/* Lets go of nodes that nobody has needed for long: in some clusters every restart brings a new address.
 * Calls under way may hold on to one for a while after nobody is sent there. */
static void
topology_let_go(struct redis_topology *t)
{
	struct topology_node *n, *gone = NULL;
	size_t i;

	(void)pthread_mutex_lock(&t->lock);
	for (i = 0; i < t->n_nodes; i++) {
		n = t->nodes[i];
		n->unwanted = n->wanted ? 0 : n->unwanted + 1;
		if (n->unwanted == TOPOLOGY_GONE)
			topology_disown(t, n->node);
		if (n->unwanted > TOPOLOGY_GONE + TOPOLOGY_LAST && gone == NULL) {
			gone = n;
			n->stop = true;
			t->nodes[i] = t->nodes[--t->n_nodes];
		}
	}
	if (gone != NULL)
		(void)pthread_cond_broadcast(&t->wake);
	(void)pthread_mutex_unlock(&t->lock);
	if (gone != NULL)
		topology_node_end(gone);
}

/* ---- asking who owns what ---- */

static void
topology_problem(struct redis_topology *t, const struct err *e)
{
	(void)pthread_mutex_lock(&t->lock);
	t->problem = *e;
	(void)pthread_mutex_unlock(&t->lock);
}

/* Sets an owner; true when it is another one. The lock is held. */
static bool
topology_own(struct redis_topology *t, unsigned slot, struct redis_node *node)
{
	return atomic_exchange(&t->owner[slot], node) != node;
}

static bool
topology_follow_master(struct redis_topology *t, const char *address)
{
	struct topology_node *n, *before = NULL;
	size_t i;
	bool new;

	(void)pthread_mutex_lock(&t->lock);
	for (i = 0; i < t->n_nodes; i++) {
		if (t->nodes[i]->master)
			before = t->nodes[i];
	}
	n = topology_use(t, address);
	if (n == NULL) {
		(void)err_set(&t->problem, ERR_FULL, "too many servers: %s is left out", address);
		(void)pthread_mutex_unlock(&t->lock);
		return false;
	}
	if (before != NULL && before != n)
		before->wanted = before->master = false;
	n->master = true;
	new = topology_own(t, 0, n->node);
	err_clear(&t->problem);
	(void)pthread_cond_broadcast(&t->wake);
	(void)pthread_mutex_unlock(&t->lock);
	return new;
}

static bool
topology_ask_sentinels(struct redis_topology *t)
{
	struct redis_sentinels *s = &t->sentinels;
	struct err e = { .text = "" };
	int found = redis_sentinels_ask(s, &e);

	(void)pthread_mutex_lock(&t->lock);
	(void)str_copy(t->sentinel, sizeof(t->sentinel), s->at[s->first]);
	(void)pthread_mutex_unlock(&t->lock);
	if (found != 1) {
		topology_problem(t, &e);
		return false;
	}
	return topology_follow_master(t, s->address);
}

/* True when an owner changed. */
static bool
topology_follow_map(struct redis_topology *t, const struct redis_cluster_map *map)
{
	struct topology_node *of[REDIS_CLUSTER_NODES];
	bool new = false;
	unsigned slot;
	size_t i;

	(void)pthread_mutex_lock(&t->lock);
	for (i = 0; i < t->n_nodes; i++)
		t->nodes[i]->wanted = t->nodes[i]->master = false;
	err_clear(&t->problem);
	if (map->owned < REDIS_SLOTS)
		(void)err_set(&t->problem, ERR_GONE, "%zu slots of the cluster have no owner",
		    REDIS_SLOTS - map->owned);
	for (i = 0; i < map->n; i++) {
		of[i] = topology_use(t, map->address[i]);
		if (of[i] == NULL)
			(void)err_set(&t->problem, ERR_FULL, "too many servers: %s is left out",
			    map->address[i]);
		else
			of[i]->master = map->master[i];
	}
	for (slot = 0; slot < REDIS_SLOTS; slot++) {
		struct topology_node *n = map->owner[slot] != 0 ? of[map->owner[slot] - 1] : NULL;

		/* A slot that nobody claims for a moment stays with whom it was: he says MOVED if not. */
		if (n != NULL && topology_own(t, slot, n->node))
			new = true;
	}
	(void)pthread_cond_broadcast(&t->wake);
	(void)pthread_mutex_unlock(&t->lock);
	return new;
}

/* 1: the map has been read from this address. */
static int
topology_ask_node(struct redis_topology *t, const char *address, struct err *e)
{
	static const char *const args[] = { "CLUSTER", "SLOTS" };
	struct redis_reply *r = redis_ask(&t->settings.node, address, args, 2, e);
	int found;

	if (r == NULL)
		return -1;
	found = redis_cluster_read(r, address, t->map, e);
	redis_reply_free(&r);
	/* A node that was reset and belongs to no cluster knows nothing. */
	if (found == 1 && t->map->owned == 0)
		return err_set(e, ERR_GONE, "%s owns nothing and knows nobody who does", address);
	return found;
}

/* The address of node i if it is up; false at the end. */
static bool
topology_up_address(struct redis_topology *t, size_t i, char to[REDIS_ADDRESS], bool *up)
{
	bool found;

	(void)pthread_mutex_lock(&t->lock);
	found = i < t->n_nodes;
	if (found) {
		*up = t->nodes[i]->wanted && redis_node_up(t->nodes[i]->node);
		(void)str_copy(to, REDIS_ADDRESS, redis_node_address(t->nodes[i]->node));
	}
	(void)pthread_mutex_unlock(&t->lock);
	return found;
}

/* Whoever is up is asked before those that we were told at the start, since one that hangs takes time. */
static bool
topology_ask_cluster(struct redis_topology *t)
{
	struct err e = { .text = "" };
	char address[REDIS_ADDRESS];
	bool up;
	size_t i;

	for (i = 0; topology_up_address(t, i, address, &up); i++) {
		if (up && topology_ask_node(t, address, &e) == 1)
			return topology_follow_map(t, t->map);
	}
	for (i = 0; i < t->settings.n_servers; i++) {
		if (topology_ask_node(t, t->settings.servers[i], &e) == 1)
			return topology_follow_map(t, t->map);
	}
	topology_problem(t, &e);
	return false;
}

static bool
topology_ask(struct redis_topology *t)
{
	switch (t->settings.kind) {
	case REDIS_SENTINEL:
		return topology_ask_sentinels(t);
	case REDIS_CLUSTER:
		return topology_ask_cluster(t);
	case REDIS_SINGLE:
		break;
	}
	return topology_follow_master(t, t->settings.servers[0]);
}

/* ---- the map's thread ---- */

/* Whether a node that keeps data came up or went down since the last time. */
static bool
topology_moved(struct redis_topology *t)
{
	bool moved = false, up;
	size_t i;

	(void)pthread_mutex_lock(&t->lock);
	for (i = 0; i < t->n_nodes; i++) {
		up = redis_node_up(t->nodes[i]->node);
		if (up != t->nodes[i]->was_up && t->nodes[i]->master)
			moved = true;
		t->nodes[i]->was_up = up;
	}
	(void)pthread_mutex_unlock(&t->lock);
	return moved;
}

/* Takes the wish for a new map; true when there was one. */
static bool
topology_take_asked(struct redis_topology *t)
{
	bool asked;

	(void)pthread_mutex_lock(&t->lock);
	asked = t->asked;
	t->asked = false;
	(void)pthread_mutex_unlock(&t->lock);
	return asked;
}

static bool
topology_wait(struct redis_topology *t)
{
	bool go_on;

	(void)pthread_mutex_lock(&t->lock);
	if (!t->stop && !t->asked)
		topology_tick(t, &t->ask);
	go_on = !t->stop;
	(void)pthread_mutex_unlock(&t->lock);
	return go_on;
}

static void *
topology_run(void *cookie)
{
	struct redis_topology *t = cookie;
	unsigned since = 0;
	bool new;

	while (topology_wait(t)) {
		new = false;
		since++;
		if (topology_take_asked(t) || since >= TOPOLOGY_ASK ||
		    (since >= TOPOLOGY_ASK_SOON && !redis_topology_up(t))) {
			new = topology_ask(t);
			since = 0;
			/* However many messages want it, it is not asked without a pause. */
			(void)nanosleep(&(struct timespec){ .tv_nsec = TOPOLOGY_PAUSE * 1000000L }, NULL);
		}
		if ((topology_moved(t) || new) && t->settings.changed != NULL)
			t->settings.changed(t->settings.cookie);
		topology_let_go(t);
	}
	return NULL;
}

/* ---- listening to Sentinels ---- */

static bool
topology_news_address(void *cookie, char to[REDIS_ADDRESS])
{
	struct redis_topology *t = cookie;

	(void)pthread_mutex_lock(&t->lock);
	(void)str_copy(to, REDIS_ADDRESS, t->sentinel);
	(void)pthread_mutex_unlock(&t->lock);
	return *to != '\0';
}

static void
topology_news_connected(void *cookie)
{
	redis_topology_refresh(cookie);
}

static void
topology_news_message(void *cookie, const char *channel, const char *text, size_t n)
{
	(void)channel;
	(void)text;
	(void)n;
	redis_topology_refresh(cookie);
}

static void
topology_listen(struct redis_topology *t)
{
	static const char *const channels[] = { "+switch-master" };
	const struct redis_news news = {
		.address = topology_news_address,
		.connected = topology_news_connected,
		.message = topology_news_message,
		.cookie = t,
	};

	t->listener = redis_listener_new(&t->settings.sentinel, channels, 1, &news);
}

/* ---- opening ---- */

static int
topology_check(const struct redis_topology_settings *s, struct err *e)
{
	size_t i;

	if (s->n_servers == 0)
		return err_set(e, ERR_INPUT, "redis: no server is named");
	if (s->kind == REDIS_SINGLE && s->n_servers > 1)
		return err_set(e, ERR_INPUT, "redis: a single server has one address, not %zu", s->n_servers);
	if (s->kind == REDIS_SENTINEL && (s->master == NULL || *s->master == '\0'))
		return err_set(e, ERR_INPUT, "redis: Sentinels have to be told the name of the master");
	if (s->kind == REDIS_CLUSTER && s->node.database != 0)
		return err_set(e, ERR_INPUT, "redis: a cluster has database 0 only");
	for (i = 0; i < s->n_servers; i++) {
		if (redis_address_check(s->servers[i], e) != 1)
			return -1;
	}
	return 1;
}

static void
topology_init(struct redis_topology *t, const struct redis_topology_settings *s)
{
	pthread_condattr_t attr;

	t->settings = *s;
	(void)pthread_mutex_init(&t->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&t->wake, &attr);
	(void)pthread_cond_init(&t->ask, &attr);
	(void)pthread_condattr_destroy(&attr);
	t->asked = true;
	(void)err_set(&t->problem, ERR_GONE, "no server has answered yet");
	if (s->kind == REDIS_CLUSTER)
		t->map = store_alloc(sizeof(*t->map));
	t->sentinels = (struct redis_sentinels){ .at = s->servers, .n = s->n_servers, .master = s->master,
	    .settings = &t->settings.sentinel, .node = &t->settings.node };
}

static void
topology_free(struct redis_topology *t)
{
	(void)pthread_cond_destroy(&t->wake);
	(void)pthread_cond_destroy(&t->ask);
	(void)pthread_mutex_destroy(&t->lock);
	free(t->map);
	free(t);
}

struct redis_topology *
redis_topology_open(const struct redis_topology_settings *s, uint64_t wait_ms, struct err *e)
{
	struct redis_topology *t;
	uint64_t waited;

	if (topology_check(s, e) != 1)
		return NULL;
	t = store_alloc(sizeof(*t));
	topology_init(t, s);
	if (!topology_thread(&t->thread, topology_run, t)) {
		(void)err_set(e, ERR_SYSTEM, "redis: no thread to be had");
		topology_free(t);
		return NULL;
	}
	if (s->kind == REDIS_SENTINEL)
		topology_listen(t);
	for (waited = 0; waited < wait_ms && !redis_topology_up(t); waited += 10)
		(void)nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	return t;
}

void
redis_topology_close(struct redis_topology **topology)
{
	struct redis_topology *t = *topology;
	size_t i;

	if (t == NULL)
		return;
	redis_listener_free(&t->listener);
	(void)pthread_mutex_lock(&t->lock);
	t->stop = true;
	(void)pthread_cond_broadcast(&t->ask);
	(void)pthread_mutex_unlock(&t->lock);
	(void)pthread_join(t->thread, NULL);
	/* From here on nobody adds a node. */
	(void)pthread_mutex_lock(&t->lock);
	for (i = 0; i < t->n_nodes; i++)
		t->nodes[i]->stop = true;
	(void)pthread_cond_broadcast(&t->wake);
	(void)pthread_mutex_unlock(&t->lock);
	for (i = 0; i < t->n_nodes; i++)
		topology_node_end(t->nodes[i]);
	topology_free(t);
	*topology = NULL;
}

/* ---- for messages ---- */

bool
redis_topology_slotted(const struct redis_topology *t)
{
	return t->settings.kind == REDIS_CLUSTER;
}

struct redis_node *
redis_topology_node(struct redis_topology *t, unsigned slot)
{
	return atomic_load(&t->owner[redis_topology_slotted(t) ? slot % REDIS_SLOTS : 0]);
}

struct redis_node *
redis_topology_nth(struct redis_topology *t, size_t number)
{
	struct redis_node *found = NULL;
	size_t i;

	(void)pthread_mutex_lock(&t->lock);
	for (i = 0; i < t->n_nodes && found == NULL; i++) {
		if (t->nodes[i]->master && number-- == 0)
			found = t->nodes[i]->node;
	}
	(void)pthread_mutex_unlock(&t->lock);
	return found;
}

bool
redis_topology_up(struct redis_topology *t)
{
	size_t i, masters = 0;
	bool up;

	(void)pthread_mutex_lock(&t->lock);
	up = t->problem.code == ERR_NONE;
	for (i = 0; i < t->n_nodes && up; i++) {
		masters += t->nodes[i]->master;
		up = !t->nodes[i]->master || redis_node_up(t->nodes[i]->node);
	}
	(void)pthread_mutex_unlock(&t->lock);
	return up && masters > 0;
}

void
redis_topology_why(struct redis_topology *t, struct err *e)
{
	size_t i;

	(void)pthread_mutex_lock(&t->lock);
	*e = t->problem;
	for (i = 0; i < t->n_nodes; i++) {
		if (t->nodes[i]->master && redis_node_why(t->nodes[i]->node, e))
			break;
	}
	(void)pthread_mutex_unlock(&t->lock);
}

void
redis_topology_refresh(struct redis_topology *t)
{
	(void)pthread_mutex_lock(&t->lock);
	t->asked = true;
	(void)pthread_cond_signal(&t->ask);
	(void)pthread_mutex_unlock(&t->lock);
}

/* ---- what a reply means ---- */

/* The slot's keys are elsewhere: for good (MOVED), or this one is, for now (ASK). */
static enum redis_verdict
topology_redirected(struct redis_topology *t, struct redis_call *call, enum redis_redirect kind,
    const char *host, unsigned slot, unsigned port)
{
	char address[REDIS_ADDRESS];
	struct topology_node *n = NULL;

	if (redis_cluster_address(host, strlen(host), port, redis_node_address(call->node), address)) {
		(void)pthread_mutex_lock(&t->lock);
		n = topology_use(t, address);
		if (n != NULL && kind == REDIS_REDIRECT_MOVED) {
			n->master = true;
			(void)topology_own(t, slot, n->node);
			t->asked = true;
			(void)pthread_cond_signal(&t->ask);
		}
		(void)pthread_mutex_unlock(&t->lock);
	}
	if (n == NULL)
		return REDIS_REFUSE;
	call->node = n->node;
	call->asking = kind == REDIS_REDIRECT_ASK;
	return REDIS_AGAIN;
}

/* What a server says that cannot serve, whatever the command. */
static bool
topology_cannot_serve(const struct redis_reply *r)
{
	static const char *const words[] = { "LOADING", "READONLY", "OOM", "MISCONF", "MASTERDOWN", "NOAUTH",
		"WRONGPASS", "NOPERM", "NOREPLICAS", "BUSY", "CLUSTERDOWN" };
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (redis_reply_is_error(r, words[i]))
			return true;
	}
	return false;
}

enum redis_verdict
redis_topology_answer(struct redis_topology *t, unsigned slot, struct redis_call *call)
{
	enum redis_verdict verdict = REDIS_TAKE;
	enum redis_redirect kind;
	char host[REDIS_HOST_MAX];
	unsigned port;

	if (call->result != REDIS_ANSWERED) {
		/* UNSENT: it was known to be down, and the map's thread is at it. */
		if (call->result == REDIS_UNCERTAIN)
			redis_topology_refresh(t);
		return REDIS_REFUSE;
	}
	if (call->reply->type != REDIS_ERROR)
		return REDIS_TAKE;
	kind = redis_redirect(call->reply->text, call->reply->n, &slot, host, &port);
	if (kind != REDIS_REDIRECT_NONE && redis_topology_slotted(t)) {
		verdict = topology_redirected(t, call, kind, host, slot, port);
	} else if (kind != REDIS_REDIRECT_NONE || topology_cannot_serve(call->reply)) {
		redis_node_fail(call->node, call->reply->text);
		redis_topology_refresh(t);
		verdict = REDIS_REFUSE;
	} else if (redis_reply_is_error(call->reply, "TRYAGAIN")) {
		verdict = REDIS_AGAIN;
	}
	if (verdict == REDIS_AGAIN)
		redis_reply_free(&call->reply);
	return verdict;
}
