/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * redis_sentinel - SENTINEL MASTER at each of them, and ROLE at whom they name.
 *
 * The Sentinel that answered last is asked first, and a newer epoch than ours is followed at once: the
 * machine of a master that died often took a Sentinel with it, and every attempt to reach that one costs time
 * in which messages are judged without the others.
 *
 * ROLE may be forbidden to our user (NOPERM): then the probe of the node (redis.h), which writes, has to
 * tell.
 */
#include "lib/redis_sentinel.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/str.h"

#include "lib/banned.h"

struct sentinel_said {
	char address[REDIS_ADDRESS];
	int64_t epoch;
};

/* The value of a field in the flat list of names and values; NULL when it is not there. */
static const struct redis_reply *
sentinel_field(const struct redis_reply *r, const char *name)
{
	size_t i;

	for (i = 0; i + 1 < r->n; i += 2) {
		if (redis_reply_is(r->at[i], name) && r->at[i + 1]->type == REDIS_STRING)
			return r->at[i + 1];
	}
	return NULL;
}

static int
sentinel_read(const struct redis_reply *r, struct sentinel_said *to, struct err *e)
{
	const struct redis_reply *ip, *port, *epoch;
	unsigned long number;

	if (r->type == REDIS_ERROR)
		return err_set(e, ERR_GONE, "%.200s", r->text);
	if (r->type != REDIS_ARRAY)
		return err_set(e, ERR_INPUT, "SENTINEL MASTER: no list");
	ip = sentinel_field(r, "ip");
	port = sentinel_field(r, "port");
	epoch = sentinel_field(r, "config-epoch");
	if (ip == NULL || port == NULL)
		return err_set(e, ERR_INPUT, "SENTINEL MASTER: no address");
	number = strtoul(port->text, NULL, 10);
	if (ip->n == 0 || number == 0 || number > 65535 ||
	    !redis_address_make(ip->text, ip->n, (unsigned)number, to->address))
		return err_set(e, ERR_INPUT, "SENTINEL MASTER: no usable address");
	to->epoch = epoch != NULL ? (int64_t)strtoll(epoch->text, NULL, 10) : 0;
	return 1;
}

static int
sentinel_ask_one(const struct redis_sentinels *s, const char *at, struct sentinel_said *to, struct err *e)
{
	const char *const args[] = { "SENTINEL", "MASTER", s->master };
	struct redis_reply *r = redis_ask(s->settings, at, args, 3, e);
	int found;

	if (r == NULL)
		return -1;
	found = sentinel_read(r, to, e);
	redis_reply_free(&r);
	return found;
}

/* Whether the server calls itself a master. */
static int
sentinel_check_role(const struct redis_sentinels *s, const char *address, struct err *e)
{
	static const char *const args[] = { "ROLE" };
	struct redis_reply *r = redis_ask(s->node, address, args, 1, e);
	int found = 1;

	if (r == NULL)
		return -1;
	if (r->type == REDIS_ERROR && !redis_reply_is_error(r, "NOPERM"))
		found = err_set(e, ERR_GONE, "%s: %.200s", address, r->text);
	else if (r->type != REDIS_ERROR && (r->type != REDIS_ARRAY || r->n == 0 ||
	    !redis_reply_is(r->at[0], "master")))
		found = err_set(e, ERR_GONE, "%s is named as master, but is none", address);
	redis_reply_free(&r);
	return found;
}

/* Follows what was said. A master that we follow already is not asked for its role again: its node's probe
 * does that, all the time. */
static int
sentinel_follow(struct redis_sentinels *s, const struct sentinel_said *said, struct err *e)
{
	if (strcmp(said->address, s->address) != 0) {
		if (sentinel_check_role(s, said->address, e) < 0)
			return -1;
		(void)str_copy(s->address, sizeof(s->address), said->address);
	}
	s->epoch = said->epoch;
	return 1;
}

int
redis_sentinels_ask(struct redis_sentinels *s, struct err *e)
{
	struct sentinel_said said = { .epoch = -1 }, best = said;
	size_t i, at, begin = s->first, heard = 0;

	for (i = 0; i < s->n; i++) {
		at = (begin + i) % s->n;
		if (sentinel_ask_one(s, s->at[at], &said, e) < 0)
			continue;
		if (heard++ == 0)
			s->first = at;
		if ((*s->address == '\0' || said.epoch > s->epoch) && sentinel_follow(s, &said, e) == 1)
			return 1;
		if (said.epoch > best.epoch)
			best = said;
	}
	if (heard == 0)
		return -1;
	/* What is older than what we follow counts only if it is what most of them know. */
	if (best.epoch == s->epoch || (best.epoch < s->epoch && heard > s->n / 2))
		return sentinel_follow(s, &best, e);
	if (best.epoch > s->epoch || *s->address == '\0')
		return -1;
	return 1;
}
