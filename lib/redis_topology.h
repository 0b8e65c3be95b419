/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_REDIS_TOPOLOGY_H
#define LIB_REDIS_TOPOLOGY_H
/*
 * redis_topology - which server to ask: one, the master that Sentinels name, or a Cluster's owner of a slot.
 *
 *     struct redis_topology *t = redis_topology_open(&settings, &e);
 *     node = redis_topology_node(t, redis_slot(key, len));
 *     ... redis_calls ...
 *     switch (redis_topology_answer(t, slot, &call)) {
 *     case REDIS_TAKE:     the reply is the answer
 *     case REDIS_AGAIN:    call.node and call.asking say where to: same call, once more
 *     case REDIS_REFUSE:   the server cannot serve now (it is down from here on)
 *     }
 *
 * A thread of its own keeps the nodes connected (redis_node_keep) and the map current: it asks Sentinels or a
 * node of the Cluster at the start, every few seconds, and at once after redis_topology_answer() saw a sign
 * of change (MOVED, READONLY, a node down). Callable from any thread. A node that is no longer needed lives
 * on for ten minutes, so that a pointer to it may be used for the length of a message, not kept for longer.
 *
 * The user needs, besides what the store calls: Sentinel: +role at the servers (without it the probe, which
 * has to write, tells a master), and +sentinel|master +subscribe +ping, &+switch-master at the Sentinels.
 * Cluster: +cluster|slots.
 */
#include <stdbool.h>
#include <stddef.h>

#include "lib/err.h"
#include "lib/redis.h"
#include "lib/redis_slot.h"

struct redis_topology;

enum redis_kind { REDIS_SINGLE, REDIS_SENTINEL, REDIS_CLUSTER };

struct redis_topology_settings {
	enum redis_kind kind;
	const char *const *servers;	/* single: one. Sentinel: the Sentinels. Cluster: some of its nodes */
	size_t n_servers;
	const char *master;		/* Sentinel: name of the master */
	struct redis_settings node;	/* for the servers that keep our data */
	struct redis_settings sentinel;	/* for the Sentinels */
	/* A node came up or went down, or the master or map changed; from the topology's thread. May be
	 * NULL. */
	void (*changed)(void *cookie);
	void *cookie;
	/* All texts, probes included, have to live until the topology is closed. */
};

/* Starts; waits at most wait_ms for the servers, and starts all the same when they do not answer. NULL only
 * for settings that cannot be right. */
struct redis_topology *redis_topology_open(const struct redis_topology_settings *s, uint64_t wait_ms,
    struct err *e);
void redis_topology_close(struct redis_topology **t);

/* Whether several keys may only be named in one call when they have the same slot. */
bool redis_topology_slotted(const struct redis_topology *t);

/* The owner of a slot (any slot when not slotted); NULL when it is not known. */
struct redis_node *redis_topology_node(struct redis_topology *t, unsigned slot);
/* Node number i that keeps data of its own (masters), NULL at the end: to look at all keys. */
struct redis_node *redis_topology_nth(struct redis_topology *t, size_t i);
/* True when all that keep data are known and up. */
bool redis_topology_up(struct redis_topology *t);
/* Why not: into e. */
void redis_topology_why(struct redis_topology *t, struct err *e);

enum redis_verdict { REDIS_TAKE, REDIS_AGAIN, REDIS_REFUSE };
/* What a finished call means: see above. An error that is the command's own (NOSCRIPT, ERR, WRONGTYPE) is to
 * TAKE. UNSENT and UNCERTAIN are REFUSE. LOADING, READONLY, OOM, MISCONF, MASTERDOWN, NOAUTH, WRONGPASS,
 * NOPERM, NOREPLICAS, BUSY, CLUSTERDOWN are REFUSE, and the node is down until its probe succeeds. TRYAGAIN
 * is AGAIN at the same node. With AGAIN the reply has been freed. After a few times (5) the caller gives up:
 * two nodes may name each other for a while. */
enum redis_verdict redis_topology_answer(struct redis_topology *t, unsigned slot, struct redis_call *call);
/* Ask who is master, or who owns what, now. Never waits. */
void redis_topology_refresh(struct redis_topology *t);

#endif
