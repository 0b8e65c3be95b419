/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_REDIS_SENTINEL_H
#define LIB_REDIS_SENTINEL_H
/*
 * redis_sentinel - asks Sentinels who is master.
 *
 * Sentinels may disagree for a while: one that was cut off still names the old master. So the
 * answer of the highest configuration epoch is taken, an older one than we follow already only when more than
 * half of the Sentinels have spoken and none knows better, and the server itself has to say that it is a
 * master.
 *
 * Waits for the network: only from a thread that no message waits for.
 */
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/redis.h"

struct redis_sentinels {
	/* asked */
	const char *const *at;		/* addresses */
	size_t n;
	const char *master;		/* its name */
	const struct redis_settings *settings;	/* to speak to Sentinels */
	const struct redis_settings *node;	/* to speak to the master */
	/* kept from one time to the next; all zero at first */
	size_t first;			/* the Sentinel that answered last */
	int64_t epoch;			/* that we follow */
	char address[REDIS_ADDRESS];	/* the master that we follow, "" = none yet */
};

/* 1: s->address is the master, whether new or not. -1 with e: nobody knows one, or it is no master (yet);
 * s->address is what it was. */
int redis_sentinels_ask(struct redis_sentinels *s, struct err *e);

#endif
