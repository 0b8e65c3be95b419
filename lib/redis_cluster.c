/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * redis_cluster - reads the reply to CLUSTER SLOTS:
 *
 *     [ [ first slot, last slot, [ host, port, id, ... ] of the master, [ ... ] of a replica ... ] ... ]
 *
 * A host may be empty, nil, or "?" (Redis 7, cluster-preferred-endpoint-type): the node does not know
 * under which name we reach it, and means the one that we used. Whatever else is odd makes the whole
 * reply void; half a map would send keys to where they are not.
 */
#include "lib/redis_cluster.h"

#include <string.h>

#include "lib/banned.h"

/* The host of "inet:6379@r1.example". A unix socket has none. */
static const char *
cluster_host(const char *address)
{
	const char *at = strchr(address, '@');

	if (at == NULL || strncmp(address, "unix:", 5) == 0)
		return NULL;
	return at + 1;
}

bool
redis_cluster_address(const char *host, size_t n, unsigned port, const char *asked, char to[REDIS_ADDRESS])
{
	if (n == 0 || (n == 1 && *host == '?')) {
		host = cluster_host(asked);
		if (host == NULL)
			return false;
		n = strlen(host);
		if (n > 2 && *host == '[' && host[n - 1] == ']') {
			host++;
			n -= 2;
		}
	}
	if (port == 0 || port > 65535 || memchr(host, '\0', n) != NULL)
		return false;
	return redis_address_make(host, n, port, to);
}

/* Its number in the map, where it is added when it is new; -1 when it cannot be read. */
static int
cluster_node(const struct redis_reply *r, const char *asked, struct redis_cluster_map *to, struct err *e)
{
	char address[REDIS_ADDRESS];
	const struct redis_reply *host, *port;
	size_t i;

	if (r->type != REDIS_ARRAY || r->n < 2)
		return err_set(e, ERR_INPUT, "CLUSTER SLOTS: a node that is no list");
	host = r->at[0];
	port = r->at[1];
	if ((host->type != REDIS_STRING && host->type != REDIS_NIL) || port->type != REDIS_INTEGER ||
	    port->integer < 1 || port->integer > 65535)
		return err_set(e, ERR_INPUT, "CLUSTER SLOTS: a node without a port");
	if (!redis_cluster_address(host->type == REDIS_STRING ? host->text : "",
	    host->type == REDIS_STRING ? host->n : 0, (unsigned)port->integer, asked, address))
		return err_set(e, ERR_INPUT, "CLUSTER SLOTS: a node without a usable address");
	for (i = 0; i < to->n; i++) {
		if (strcmp(to->address[i], address) == 0)
			return (int)i;
	}
	if (to->n == REDIS_CLUSTER_NODES)
		return err_set(e, ERR_FULL, "CLUSTER SLOTS: more than %u nodes", REDIS_CLUSTER_NODES);
	memcpy(to->address[to->n], address, sizeof(address));
	return (int)to->n++;
}

static int
cluster_range(const struct redis_reply *r, const char *asked, struct redis_cluster_map *to, struct err *e)
{
	int64_t first, last, slot;
	int node;
	size_t i;

	if (r->type != REDIS_ARRAY || r->n < 3 || r->at[0]->type != REDIS_INTEGER ||
	    r->at[1]->type != REDIS_INTEGER)
		return err_set(e, ERR_INPUT, "CLUSTER SLOTS: a range that is none");
	first = r->at[0]->integer;
	last = r->at[1]->integer;
	if (first < 0 || last < first || last >= (int64_t)REDIS_SLOTS)
		return err_set(e, ERR_INPUT, "CLUSTER SLOTS: a range outside of the slots");
	for (i = 2; i < r->n; i++) {
		node = cluster_node(r->at[i], asked, to, e);
		if (node < 0)
			return -1;
		if (i > 2)
			continue;
		to->master[node] = true;
		for (slot = first; slot <= last; slot++) {
			to->owned += to->owner[slot] == 0;
			to->owner[slot] = (uint16_t)(node + 1);
		}
	}
	return 1;
}

int
redis_cluster_read(const struct redis_reply *slots, const char *asked, struct redis_cluster_map *to,
    struct err *e)
{
	size_t i;

	memset(to, 0, sizeof(*to));
	if (slots->type == REDIS_ERROR)
		return err_set(e, ERR_GONE, "CLUSTER SLOTS: %.200s", slots->text);
	if (slots->type != REDIS_ARRAY)
		return err_set(e, ERR_INPUT, "CLUSTER SLOTS: no list");
	for (i = 0; i < slots->n; i++) {
		if (cluster_range(slots->at[i], asked, to, e) < 0)
			return -1;
	}
	return 1;
}
