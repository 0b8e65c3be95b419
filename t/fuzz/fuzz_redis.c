/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * fuzz_redis - what a Redis server may say, and somebody in its place. The first letter says what the rest
 * is:
 *
 *     r    an error reply, read as a redirection
 *     m    the reply to CLUSTER SLOTS, in few letters: lists in [ ], numbers, texts in ' ', _ for nil
 *     a    the packed answer of the judging script, for a message with a sum and distinct values
 *     u    windows as they are kept
 *     w    bytes as they come from the server, read as replies
 *
 * Beyond not crashing: an owner is always a node of the map, an address can be connected to, nothing is used
 * of what was not all there.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/redis_cluster.h"
#include "lib/redis_private.h"
#include "lib/redis_slot.h"
#include "lib/store_redis.h"

#include "lib/banned.h"

#define DEPTH_MOST 6u
#define LIST_MOST 2000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
must(bool holds)
{
	if (!holds)
		abort();
}

/* ---- redirections ---- */

static void
fuzz_redirect(const char *text, size_t n)
{
	char host[REDIS_HOST_MAX], address[REDIS_ADDRESS];
	unsigned slot = REDIS_SLOTS, port = 0;

	if (redis_redirect(text, n, &slot, host, &port) == REDIS_REDIRECT_NONE)
		return;
	must(slot < REDIS_SLOTS && port > 0 && port < 65536);
	must(memchr(host, '\0', sizeof(host)) != NULL);
	if (redis_cluster_address(host, strlen(host), port, "inet:7000@192.0.2.1", address))
		must(strlen(address) < sizeof(address));
}

/* ---- maps ---- */

struct reading {
	const char *at, *end;
	unsigned depth, left;
};

static struct redis_reply *
fuzz_reply(struct reading *r)
{
	struct redis_reply *to = calloc(1, sizeof(*to));
	const char *begin;

	must(to != NULL);
	while (r->at < r->end && *r->at == ' ')
		r->at++;
	to->type = REDIS_NIL;
	if (r->at == r->end || r->left == 0)
		return to;
	r->left--;
	if (*r->at == '[' && r->depth < DEPTH_MOST) {
		r->at++;
		r->depth++;
		to->type = REDIS_ARRAY;
		to->at = calloc(LIST_MOST, sizeof(struct redis_reply *));
		must(to->at != NULL);
		while (r->at < r->end && *r->at != ']' && to->n < LIST_MOST && r->left > 0)
			to->at[to->n++] = fuzz_reply(r);
		r->at += r->at < r->end;
		r->depth--;
	} else if (*r->at == '\'') {
		for (begin = ++r->at; r->at < r->end && *r->at != '\''; r->at++)
			;
		to->type = REDIS_STRING;
		to->n = (size_t)(r->at - begin);
		to->text = strndup(begin, to->n);
		must(to->text != NULL);
		to->n = strlen(to->text);
		r->at += r->at < r->end;
	} else if (*r->at == '-' || (*r->at >= '0' && *r->at <= '9')) {
		char number[24];
		size_t len = 0;

		while (r->at < r->end && len < 20 && (*r->at == '-' || (*r->at >= '0' && *r->at <= '9')))
			number[len++] = *r->at++;
		number[len] = '\0';
		to->type = REDIS_INTEGER;
		to->integer = strtoll(number, NULL, 10);
	} else {
		r->at++;
	}
	return to;
}

static void
fuzz_map(const char *text, size_t n)
{
	static struct redis_cluster_map map;
	struct reading r = { .at = text, .end = text + n, .left = LIST_MOST };
	struct redis_reply *reply = fuzz_reply(&r);
	struct err e = { .text = "" };
	size_t i, owned = 0;

	if (redis_cluster_read(reply, "inet:7000@192.0.2.1", &map, &e) == 1) {
		for (i = 0; i < REDIS_SLOTS; i++) {
			must(map.owner[i] <= map.n);
			must(map.owner[i] == 0 || map.master[map.owner[i] - 1]);
			owned += map.owner[i] != 0;
		}
		must(owned == map.owned);
		for (i = 0; i < map.n; i++)
			must(memchr(map.address[i], '\0', REDIS_ADDRESS) != NULL && map.address[i][0] != '\0');
	} else {
		must(e.text[0] != '\0');
	}
	redis_reply_free(&reply);
}

/* ---- answers of the scripts ---- */

static struct redis_reply *
fuzz_text(const char *text, size_t n)
{
	struct redis_reply *r = calloc(1, sizeof(*r));

	must(r != NULL);
	r->type = REDIS_STRING;
	r->n = n;
	/* No byte more, so that reading past the end shows. */
	r->text = malloc(n > 0 ? n : 1);
	must(r->text != NULL);
	memcpy(r->text, text, n);
	return r;
}

static void
fuzz_answer(const char *text, size_t n)
{
	static const char values[2 * STORE_REDIS_VALUE];
	static const struct limit_ceilings ceilings = { .n = 2, .at = { { 100, 3600000 }, { 1000, 86400000 } } };
	struct store_item items[2] = {
		{ .limit = "a", .key = "a", .kind = STORE_SUM, .amount = 1, .ceilings = ceilings },
		{ .limit = "b", .key = "b", .kind = STORE_DISTINCT, .n_values = 2, .ceilings = ceilings },
	};
	struct packed_item packed[2] = {
		{ .item = &items[0], .ceilings = ceilings },
		{ .item = &items[1], .ceilings = ceilings, .values = values, .n_values = 2 },
	};
	struct packed_item *all[2] = { &packed[0], &packed[1] };
	struct packed_part part = { .items = all, .n = 2, .digest = "" };
	struct redis_reply *r = fuzz_text(text, n);

	if (pack_answer(&part, r, UINT64_C(1767225600000), true)) {
		must(part.done && packed[1].before != NULL);
		must(items[0].tight < 2 && items[1].tight < 2);
	} else {
		must(!part.done);
	}
	redis_reply_free(&r);
}

static void
fuzz_usage(const char *text, size_t n)
{
	struct redis_reply *r = fuzz_text(text, n);
	struct store_usage u;

	if (pack_usage(r, NULL, UINT64_C(1767225600000), &u))
		must(u.n <= LIMIT_WINDOWS_MAX);
	redis_reply_free(&r);
}

/* ---- off the wire ---- */

static void
wire_whole(const struct redis_reply *r)
{
	size_t i;

	must(r != NULL);
	must((r->type == REDIS_STRING || r->type == REDIS_ERROR || r->type == REDIS_STATUS) ==
	    (r->text != NULL && r->text[r->n] == '\0'));
	for (i = 0; r->type == REDIS_ARRAY && i < r->n; i++)
		wire_whole(r->at[i]);
}

static void
fuzz_wire(const char *text, size_t n)
{
	struct redis_reply *r = NULL;
	struct redis_conn *c;
	int fds[2], done = 0;

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
	(void)send(fds[1], text, n, MSG_NOSIGNAL);
	(void)close(fds[1]);
	c = redis_conn_adopt(fds[0]);
	while (done >= 0 && redis_conn_read(c) == 1) {
		while ((done = redis_conn_reply(c, &r)) == 1) {
			wire_whole(r);
			redis_reply_free(&r);
		}
	}
	redis_conn_close(&c);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *text = (const char *)data;

	if (n == 0)
		return 0;
	switch (*text) {
	case 'r':
		fuzz_redirect(text + 1, n - 1);
		break;
	case 'm':
		fuzz_map(text + 1, n - 1);
		break;
	case 'a':
		fuzz_answer(text + 1, n - 1);
		break;
	case 'u':
		fuzz_usage(text + 1, n - 1);
		break;
	case 'w':
		fuzz_wire(text + 1, n - 1);
		break;
	default:
		break;
	}
	return 0;
}
