/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_REDIS_CLUSTER_H
#define LIB_REDIS_CLUSTER_H
/*
 * redis_cluster - who owns which slot, as a node of a Redis Cluster tells it (CLUSTER SLOTS).
 *
 * Reads a reply; asks nobody and connects to nobody. Any thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/redis.h"
#include "lib/redis_slot.h"

#define REDIS_CLUSTER_NODES 256u

struct redis_cluster_map {
	size_t n;					/* nodes, masters and replicas */
	char address[REDIS_CLUSTER_NODES][REDIS_ADDRESS];
	bool master[REDIS_CLUSTER_NODES];		/* owns slots */
	uint16_t owner[REDIS_SLOTS];			/* 1 + number of the node; 0: nobody */
	size_t owned;					/* slots that have an owner */
};

/* Reads the reply. asked is the address that gave it: a node that does not know its own name leaves it
 * out. -1 with e when the reply is none of a Cluster, or breaks a bound; the map is then not to be used. */
int redis_cluster_read(const struct redis_reply *slots, const char *asked, struct redis_cluster_map *to,
    struct err *e);
/* Writes the address of a redirection (redis_slot.h), where an empty host means the one that was asked. */
bool redis_cluster_address(const char *host, size_t n, unsigned port, const char *asked,
    char to[REDIS_ADDRESS]);

#endif
