/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * script - the judging script by itself, in a real server and by a time that the test gives: what is taken
 * back after another slot of a Cluster refused.
 *
 *     script ADDRESS lib/store_redis_judge.lua
 *
 * Prints TAP.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/store_redis.h"

#include "lib/banned.h"

#define START UINT64_C(1767225600000)	/* a border of all slices */
#define SLICE UINT64_C(360000)		/* of an hour's window */
#define HOUR (10 * SLICE)

static struct redis_node *node;
static char *script;
static unsigned number, failed;

static void
ok(bool good, const char *what)
{
	(void)printf("%sok %u - %s\n", good ? "" : "not ", ++number, what);
	failed += !good;
}

static struct redis_reply *
ask(const char *const *args, const size_t *lens, size_t n)
{
	struct redis_call call = { .node = node, .args = args, .lens = lens, .n = n };

	if (!redis_calls(&call, 1, clock_deadline(5000)) || call.reply->type == REDIS_ERROR) {
		(void)printf("Bail out! %s\n", call.reply != NULL ? call.reply->text : "no answer");
		exit(1);
	}
	return call.reply;
}

static int64_t
ask_number(const char *command, const char *key)
{
	const char *const args[] = { command, key };
	struct redis_reply *r = ask(args, NULL, command[0] == 'D' ? 1 : 2);
	int64_t value = r->integer;

	redis_reply_free(&r);
	return value;
}

static void
flush(void)
{
	static const char *const args[] = { "FLUSHALL" };
	struct redis_reply *r = ask(args, NULL, 1);

	redis_reply_free(&r);
}

/* ---- one message with one limit ---- */

struct asked {
	struct store_item item;
	struct packed_item packed, *all[1];
	struct packed_part part;
	char before[64];		/* of distinct values: outlives the reply */
};

static void
asked_sum(struct asked *a, const char *digest, uint32_t amount)
{
	memset(a, 0, sizeof(*a));
	a->item = (struct store_item){ .limit = "l", .key = "k", .kind = STORE_SUM, .amount = amount,
	    .ceilings = { .n = 1, .at = { { 100, HOUR } } } };
	a->packed = (struct packed_item){ .item = &a->item, .ceilings = a->item.ceilings };
	a->all[0] = &a->packed;
	a->part = (struct packed_part){ .items = a->all, .n = 1, .digest = digest };
}

static void
asked_distinct(struct asked *a, const char *digest, const char *values)
{
	asked_sum(a, digest, 0);
	a->item.kind = STORE_DISTINCT;
	a->packed.values = values;
	a->item.n_values = a->packed.n_values = strlen(values) / STORE_REDIS_VALUE;
}

/* True when it is taken (or taken back). */
static bool
call_script(struct asked *a, unsigned flags, uint64_t now)
{
	struct arena *arena = arena_new(ARENA_DEFAULT_CAP);
	const char *args[12] = { "EVAL", script };
	size_t lens[12], n = 3, keys, i, len;
	char count[8], time[24];
	struct redis_reply *r;
	char *blob = pack_part(arena, &a->part, flags | PACK_TELL, &len);

	if (*a->part.digest != '\0')
		args[n++] = a->part.digest;
	args[n++] = "{k}w1:l";
	if (a->item.kind == STORE_DISTINCT)
		args[n++] = "{k}v1:l";
	keys = n - 3;
	(void)snprintf(count, sizeof(count), "%zu", keys);
	(void)snprintf(time, sizeof(time), "%" PRIu64, now);
	args[2] = count;
	args[n++] = time;
	args[n++] = "";
	for (i = 0; i < n; i++)
		lens[i] = strlen(args[i]);
	args[n] = blob;
	lens[n++] = len;
	r = ask(args, lens, n);
	if ((flags & PACK_UNDO) == 0 && (r->n != 2 || !pack_answer(&a->part, r->at[1], now, true))) {
		(void)printf("Bail out! an answer that cannot be read\n");
		exit(1);
	}
	if (a->packed.before != NULL && a->packed.n_values * 8 <= sizeof(a->before)) {
		memmove(a->before, a->packed.before, a->packed.n_values * 8);
		a->packed.before = (const unsigned char *)a->before;
	}
	redis_reply_free(&r);
	arena_free(&arena);
	return !a->part.refused;
}

static uint32_t
used(uint64_t now)
{
	struct asked a;

	asked_sum(&a, "", 0);
	(void)call_script(&a, PACK_DRY, now);
	return a.packed.used[0];
}

static uint32_t
used_distinct(uint64_t now)
{
	struct asked a;

	asked_distinct(&a, "", "");
	(void)call_script(&a, PACK_DRY, now);
	return a.packed.used[0];
}

/* ---- sums ---- */

static void
test_at_once(void)
{
	struct asked a, b;

	flush();
	asked_sum(&a, "d1", 7);
	asked_sum(&b, "d2", 5);
	(void)call_script(&a, 0, START);
	(void)call_script(&b, 0, START + 1);
	ok(used(START + 1) == 12, "two are taken");
	(void)call_script(&a, PACK_UNDO, START + 2);
	ok(used(START + 2) == 5, "one is given back");
	ok(used(START + HOUR + SLICE - 1) == 5 && used(START + HOUR + SLICE) == 0,
	    "the other one leaves in its time");
	ok(ask_number("EXISTS", "d1") == 0 && ask_number("EXISTS", "d2") == 1,
	    "its digest is forgotten, the other's not");
	(void)call_script(&a, 0, START + 3);
	ok(!a.part.repeated && used(START + 3) == 12, "tried again, it is charged");
	ok(ask_number("PTTL", "{k}w1:l") > 0 && ask_number("PTTL", "d1") > 0, "all keys end");
}

/* The promise would break if the units were taken from whom they do not belong to. */
static void
test_over_a_border(void)
{
	struct asked a, b;

	flush();
	asked_sum(&a, "", 1);
	asked_sum(&b, "", 60);
	(void)call_script(&a, 0, START + SLICE - 1);
	(void)call_script(&b, 0, START + SLICE);
	(void)call_script(&a, PACK_UNDO, START + SLICE + 1);
	ok(used(START + SLICE + 1) == 60, "a slice later: given back");
	ok(used(START + HOUR + SLICE) == 60, "as its slice leaves, nothing of others' leaves with it");
	ok(used(START + HOUR + 2 * SLICE - 1) == 60 && used(START + HOUR + 2 * SLICE) == 0,
	    "which stay for their time");
}

static void
test_wide_slices(void)
{
	struct asked a, b;

	flush();
	asked_sum(&a, "", 1);
	a.packed.ceilings.at[0].most = a.item.ceilings.at[0].most = 1000000;
	b = a;
	b.all[0] = &b.packed;
	b.part.items = b.all;
	b.packed.item = &b.item;
	b.item.amount = 70000;
	(void)call_script(&b, 0, START);
	(void)call_script(&a, 0, START);
	(void)call_script(&b, 0, START + 3 * SLICE);
	(void)call_script(&a, PACK_UNDO, START + 3 * SLICE);
	ok(used(START + 3 * SLICE) == 140000, "large slices keep their width");
	ok(used(START + HOUR + SLICE) == 70000, "and their places");
}

static void
test_too_late(void)
{
	struct asked a, b;

	flush();
	asked_sum(&a, "", 9);
	asked_sum(&b, "", 4);
	(void)call_script(&a, 0, START);
	(void)call_script(&b, 0, START + HOUR + SLICE);
	(void)call_script(&a, PACK_UNDO, START + HOUR + SLICE + 1);
	ok(used(START + HOUR + SLICE + 1) == 4, "what has left already is not given back from others'");
	flush();
	(void)call_script(&a, 0, START);
	flush();
	(void)call_script(&a, PACK_UNDO, START);
	ok(ask_number("DBSIZE", NULL) == 0, "nothing there: no key is made");
}

static void
test_clock_back(void)
{
	struct asked a;

	flush();
	asked_sum(&a, "", 9);
	(void)call_script(&a, 0, START + SLICE);
	(void)call_script(&a, PACK_UNDO, START);
	ok(used(START) == 0, "the server's clock was set back meanwhile");
}

/* ---- distinct values ---- */

static void
test_distinct(void)
{
	static const char one[] = "value-000001", two[] = "value-000001value-000002";
	struct asked a, b;

	flush();
	asked_distinct(&a, "d1", two);
	(void)call_script(&a, 0, START);
	ok(used_distinct(START) == 2 && a.packed.before != NULL, "two values");
	(void)call_script(&a, PACK_UNDO, START + 5);
	ok(used_distinct(START + 5) == 0, "given back");
	ok(ask_number("EXISTS", "d1") == 0, "with the digest");

	(void)call_script(&a, 0, START + 10);
	asked_distinct(&b, "", one);
	(void)call_script(&b, 0, START + 20);
	ok(b.packed.add[0] == 0, "another message has one of them: it is not new");
	(void)call_script(&a, PACK_UNDO, START + 30);
	ok(used_distinct(START + 30) == 1, "and stays, since it is his as well");

	flush();
	(void)call_script(&a, 0, START);
	(void)call_script(&b, 0, START);
	(void)call_script(&a, PACK_UNDO, START);
	ok(used_distinct(START) == 1, "also in the same millisecond");

	flush();
	(void)call_script(&b, 0, START);
	(void)call_script(&a, 0, START + HOUR);
	ok(a.packed.add[0] == 1, "one is known, one is new");
	(void)call_script(&a, PACK_UNDO, START + HOUR + 1);
	ok(used_distinct(START + HOUR + SLICE - 1) == 1, "given back, the known one stays");
	ok(used_distinct(START + HOUR + SLICE) == 0, "for no longer than it would have");
	(void)call_script(&a, 0, START + HOUR);
	ok(ask_number("PTTL", "{k}w1:l") > 0 && ask_number("PTTL", "{k}v1:l") > 0, "all keys end");
}

int
main(int argc, char **argv)
{
	const struct redis_settings s = { .user = "", .password = "", .connections = 1, .connect_ms = 1000,
	    .answer_ms = 1000 };
	unsigned tries;
	size_t size;
	FILE *f;

	if (argc != 3 || (f = fopen(argv[2], "r")) == NULL)
		return 2;
	script = calloc(1, 1 << 20);
	if (script == NULL)
		return 2;
	size = fread(script, 1, (1 << 20) - 1, f);
	(void)fclose(f);
	if (size == 0)
		return 2;
	node = redis_node_new(&s, argv[1]);
	for (tries = 0; tries < 50 && !redis_node_keep(node); tries++)
		(void)nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
	test_at_once();
	test_over_a_border();
	test_wide_slices();
	test_too_late();
	test_clock_back();
	test_distinct();
	(void)printf("1..%u\n", number);
	redis_node_free(&node);
	free(script);
	return failed > 0;
}
