/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_REDIS_H
#define LIB_REDIS_H
/*
 * redis - servers that speak the Redis protocol: connections, calls with a deadline, news.
 *
 *     struct redis_node *n = redis_node_new(&settings, "inet:6379@192.0.2.1");
 *     redis_node_keep(n);                                     from a background thread, every 100 ms
 *     struct redis_call call = { .node = n, REDIS_ARGS(args) };
 *     redis_calls(&call, 1, clock_deadline(50));
 *     if (call.result == REDIS_ANSWERED && call.reply->type != REDIS_ERROR) ...
 *     redis_calls_free(&call, 1);
 *
 * A node has a bounded pool of connections. Only redis_node_keep() connects (it may wait for DNS and for
 * the server, at most connect_ms for a connection); a call takes what is connected and never waits for longer
 * than its deadline. A node is up or down (circuit breaker): it goes down when a call finds no answer,
 * or by redis_node_fail(), and while it is down calls fail at once, unsent. keep() brings it up again: when
 * the probe is answered in time and without an error. Between attempts it waits longer and longer, up to 1 s.
 *
 * Nothing here knows what the commands mean. Callable from any thread; only redis_conn.c includes hiredis.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

struct redis_settings {
	const char *user, *password;	/* "" = none; a password without a user is for "default" */
	unsigned database;
	unsigned connections;		/* most for each node */
	uint64_t connect_ms;		/* for one connection, with all that comes before it can be used */
	uint64_t answer_ms;		/* how soon a probe has to be answered */
	const char *const *probe;	/* command that must be answered without an error (MOVED is none)
					 * before a node counts as up; NULL: PING */
	size_t n_probe;
	const char *name;		/* for CLIENT SETNAME; NULL or "" = none */
};

#define REDIS_ADDRESS 300u		/* bytes of an address, with its NUL */

/* "unix:/path", "inet:port@host", "inet6:port@host" (a name or an address; host may stand in brackets). 1, or
 * -1 with e. */
int redis_address_check(const char *address, struct err *e);
/* Writes the address of a host and port as servers name them; "inet6:" when host holds a colon. False: too
 * long. */
bool redis_address_make(const char *host, size_t host_len, unsigned port, char to[REDIS_ADDRESS]);

/* ---- replies ------------------------------------------------------------ */

enum redis_type { REDIS_NIL, REDIS_ERROR, REDIS_STATUS, REDIS_STRING, REDIS_INTEGER, REDIS_ARRAY };

struct redis_reply {
	enum redis_type type;
	int64_t integer;
	size_t n;			/* bytes of text, or elements */
	char *text;			/* ERROR, STATUS, STRING: NUL behind it; else NULL */
	struct redis_reply **at;	/* ARRAY */
};

void redis_reply_free(struct redis_reply **r);
/* Whether an error's first word is this ("MOVED"). */
bool redis_reply_is_error(const struct redis_reply *r, const char *word);
/* Whether a STRING or STATUS is this. */
bool redis_reply_is(const struct redis_reply *r, const char *text);

/* ---- nodes ---------------------------------------------------------------- */

struct redis_node;

struct redis_node *redis_node_new(const struct redis_settings *s, const char *address);
void redis_node_free(struct redis_node **n);
const char *redis_node_address(const struct redis_node *n);
/* Connects what is missing, probes what is down, and once a second what is up. True when it is up. */
bool redis_node_keep(struct redis_node *n);
bool redis_node_up(const struct redis_node *n);
/* Takes it down until the next probe: it answered, but what it said was LOADING, READONLY, OOM... */
void redis_node_fail(struct redis_node *n, const char *why);
/* Why it is down (last error), into e; false when it is up. */
bool redis_node_why(struct redis_node *n, struct err *e);

/* ---- calls ----------------------------------------------------------------- */

enum redis_result {
	REDIS_UNSENT,		/* certainly not done: no connection, or down */
	REDIS_ANSWERED,		/* reply is there; it may be an error */
	REDIS_UNCERTAIN		/* sent, in part at least, and no answer: it may have been done, or be yet */
};

struct redis_call {
	/* asked */
	struct redis_node *node;	/* NULL: UNSENT */
	const char *const *args;
	const size_t *lens;		/* NULL: the args are texts */
	size_t n;
	bool asking;			/* ASKING before it (Cluster) */
	/* answered */
	enum redis_result result;
	struct redis_reply *reply;	/* NULL unless ANSWERED */
};

#define REDIS_ARGS(array) .args = (array), .n = sizeof(array) / sizeof((array)[0])

/* One parallel round trip: sends all calls, those for one node down one connection in their order, then waits
 * for all answers, until the deadline (clock_mono_us). True when all were ANSWERED. */
bool redis_calls(struct redis_call *calls, size_t n, uint64_t deadline);
void redis_calls_free(struct redis_call *calls, size_t n);
/* One call outside the pool, over a connection of its own that is closed again, whether the node is up or
 * not: for asking Sentinels, and nodes that are not known yet. Waits for DNS; at most connect_ms. NULL with
 * e; an error reply is a reply. */
struct redis_reply *redis_ask(const struct redis_settings *s, const char *address, const char *const *args,
    size_t n, struct err *e);

/* How many round trips were made, and calls sent, since the start: for the bench and metrics. */
void redis_counts(uint64_t *trips, uint64_t *calls);

/* ---- news (publish/subscribe) -------------------------------------------------- */

struct redis_listener;

struct redis_news {
	/* All from the listener's thread. address() writes whom to subscribe at (asked before each attempt);
	 * false: nobody known, ask later. connected(): subscribed from now on, so whatever was missed before
	 * has to be fetched. message(): something was published. */
	bool (*address)(void *cookie, char to[REDIS_ADDRESS]);
	void (*connected)(void *cookie);
	void (*message)(void *cookie, const char *channel, const char *text, size_t n);
	void *cookie;
};

/* Starts a thread that subscribes to the channels, again and again as connections break. The connection is
 * probed by a PING every second; one second without an answer is a break. */
struct redis_listener *redis_listener_new(const struct redis_settings *s, const char *const *channels,
    size_t n_channels, const struct redis_news *news);
/* Breaks the connection: address() is asked anew (a failover). Any thread. */
void redis_listener_break(struct redis_listener *l);
void redis_listener_free(struct redis_listener **l);

#endif
