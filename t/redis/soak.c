/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * soak - days of messages in minutes: the same ones to the embedded store and to Redis, by one fake clock.
 *
 *     soak KIND SERVERS MASTER FROM HOURS SEED
 *
 * FROM is in seconds since 1970, so that a test can walk over a day's border or a change to summer time.
 * After each message both stores must have given the same answer in everything: whether it was taken, which
 * ceiling speaks, how much was used, when to try again. Besides, what was taken is kept here in full, and no
 * window of any length, wherever it begins, may hold more than its ceiling: that is checked for the window
 * that ends with each message.
 *
 * Prints messages=N taken=N refused=N over=0 differ=0, the first differences before that, and ends with 1
 * when there are any.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/limit.h"
#include "lib/store.h"

#include "t/redis/hammer_open.h"

#include "lib/banned.h"

#define KEYS 4u
#define LIMITS 3u
#define TAKEN_MOST 400000u
#define VALUES 12u

/* What a limit's windows are. The last counts distinct values. */
static const struct {
	const char *name;
	enum store_kind kind;
	struct limit_ceilings ceilings;
} limits[LIMITS] = {
	{ "customer", STORE_SUM, { .n = 3, .at = { { 300, 3600000 }, { 1500, 86400000 }, { 40, 60000 } } } },
	{ "account", STORE_SUM, { .n = 2, .at = { { 90, 600000 }, { 700, 43200000 } } } },
	{ "spread", STORE_DISTINCT, { .n = 2, .at = { { 6, 3600000 }, { 9, 86400000 } } } },
};

struct charge {
	uint64_t at;
	uint32_t amount;
	unsigned char limit, key;
};

static struct charge *taken;
static size_t n_taken;
static unsigned seed;
static unsigned long messages, passed, over, differ;

/* ---- a day in seconds: what time it is, is ours; how long an answer takes, is not ---- */

static _Atomic uint64_t today;		/* ms */

uint64_t
clock_now(void)
{
	return today;
}

uint64_t
clock_mono_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint64_t
clock_deadline(uint64_t ms)
{
	return clock_mono_us() + ms * 1000;
}

uint64_t
clock_left(uint64_t deadline)
{
	uint64_t now = clock_mono_us();

	return deadline <= now ? 0 : (deadline - now - 1) / 1000 + 1;
}

/* The same on every machine. */
static unsigned
chance(unsigned most)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 16 & 0x7fff) % most;
}

/* ---- one message ---- */

struct message {
	struct store_item items[LIMITS];
	const char *values[2];
	char value[2][16], keys[LIMITS][16], digest[64];
	unsigned key[LIMITS];
	size_t n;
};

static void
message_make(struct message *m)
{
	unsigned i, first = chance(LIMITS);

	memset(m, 0, sizeof(*m));
	m->n = 1 + chance(LIMITS);
	for (i = 0; i < m->n; i++) {
		unsigned l = (first + i) % LIMITS;

		m->key[i] = chance(KEYS);
		(void)snprintf(m->keys[i], sizeof(m->keys[i]), "key-%u", m->key[i]);
		m->items[i] = (struct store_item){ .limit = limits[l].name, .key = m->keys[i],
		    .kind = limits[l].kind, .ceilings = limits[l].ceilings };
		if (limits[l].kind == STORE_SUM) {
			m->items[i].amount = chance(20) == 0 ? 25 : chance(4);
			continue;
		}
		m->items[i].n_values = 1 + chance(2);
		m->items[i].values = m->values;
		(void)snprintf(m->value[0], sizeof(m->value[0]), "192.0.2.%u", chance(VALUES));
		(void)snprintf(m->value[1], sizeof(m->value[1]), "192.0.2.%u", chance(VALUES));
		m->values[0] = m->value[0];
		m->values[1] = m->value[1];
	}
	/* The same message has the same limits and keys, as a client's retry has. */
	if (chance(3) == 0)
		(void)snprintf(m->digest, sizeof(m->digest), "%u %u %zu %u%u%u", chance(2), first, m->n, m->key[0],
		    m->key[1], m->key[2]);
}

static bool
judge(struct store *s, struct message *m, struct store_request *r)
{
	struct err e = { .text = "" };

	*r = (struct store_request){ .items = m->items, .n = m->n,
	    .message = m->digest[0] != '\0' ? m->digest : NULL, .warn_at = 80 };
	if (store_judge(s, r, UINT64_MAX, &e) == 1 && !r->local)
		return true;
	(void)printf("# not judged: %s\n", r->local ? "alone" : e.text);
	differ++;
	return false;
}

static bool
same_item(const struct store_item *a, const struct store_item *b)
{
	return a->over == b->over && a->warned == b->warned && a->tight == b->tight && a->used == b->used &&
	    a->retry_at == b->retry_at && a->ceiling.most == b->ceiling.most &&
	    a->ceiling.length == b->ceiling.length;
}

static void
say_item(const char *who, const struct store_item *i)
{
	(void)printf("#   %s %s %s: over=%d warned=%d tight=%zu used=%u retry_at=%" PRIu64 " ceiling=%u\n", who,
	    i->limit,
	    i->key, i->over, i->warned, i->tight, i->used, i->retry_at, i->ceiling.most);
}

static void
compare(const struct message *a, const struct store_request *ra, const struct message *b,
    const struct store_request *rb)
{
	bool same = ra->taken == rb->taken && ra->repeated == rb->repeated;
	size_t i;

	for (i = 0; i < a->n; i++)
		same = same && same_item(&a->items[i], &b->items[i]);
	if (same)
		return;
	if (++differ > 5)
		return;
	(void)printf("# message %lu at %" PRIu64 ": taken %d %d repeated %d %d\n", messages, clock_now(), ra->taken,
	    rb->taken, ra->repeated, rb->repeated);
	for (i = 0; i < a->n; i++) {
		say_item("memory", &a->items[i]);
		say_item("redis ", &b->items[i]);
	}
}

/* ---- the promise, by counting ---- */

static void
check_windows(unsigned limit, unsigned key)
{
	uint64_t now = clock_now(), sum;
	size_t c, i;

	for (c = 0; c < limits[limit].ceilings.n; c++) {
		sum = 0;
		for (i = n_taken; i-- > 0 && now - taken[i].at < limits[limit].ceilings.at[c].length;) {
			if (taken[i].limit == limit && taken[i].key == key)
				sum += taken[i].amount;
		}
		if (sum > limits[limit].ceilings.at[c].most && ++over <= 5)
			(void)printf("# %s key-%u: %" PRIu64 " of %u\n", limits[limit].name, key, sum,
			    limits[limit].ceilings.at[c].most);
	}
}

static void
write_down(const struct message *m)
{
	unsigned l;
	size_t i;

	for (i = 0; i < m->n; i++) {
		if (m->items[i].kind != STORE_SUM || n_taken == TAKEN_MOST)
			continue;
		for (l = 0; strcmp(limits[l].name, m->items[i].limit) != 0; l++)
			;
		taken[n_taken++] = (struct charge){ clock_now(), m->items[i].amount, (unsigned char)l,
		    (unsigned char)m->key[i] };
		check_windows(l, m->key[i]);
	}
}

static void
step(struct store *memory, struct store *redis)
{
	struct message a, b;
	struct store_request ra, rb;
	size_t i;

	message_make(&a);
	b = a;
	for (i = 0; i < a.n; i++) {
		a.items[i].key = a.keys[i];
		b.items[i].key = b.keys[i];
	}
	messages++;
	if (!judge(memory, &a, &ra) || !judge(redis, &b, &rb))
		return;
	compare(&a, &ra, &b, &rb);
	passed += rb.taken;
	if (rb.taken && !rb.repeated)
		write_down(&b);
}

/* Quiet hours, steady ones, and bursts. */
static uint64_t
pause_next(void)
{
	static unsigned mood, left;

	if (left-- == 0) {
		mood = chance(4);
		left = 20 + chance(200);
	}
	switch (mood) {
	case 0:
		return 50 + chance(500);
	case 1:
		return 1000 + chance(9000);
	case 2:
		return chance(30) * 1000;
	default:
		return chance(20) == 0 ? chance(1800) * 1000 : 2000;
	}
}

int
main(int argc, char **argv)
{
	struct hammer_open how = { .own_clock = true }, alone = { .kind = "memory" };
	struct err e = { .text = "" };
	struct store *memory, *redis;
	char none[] = "";
	uint64_t until;

	if (argc != 7)
		return 2;
	how.kind = argv[1];
	how.servers = argv[2];
	how.master = argv[3];
	alone.servers = none;
	today = strtoull(argv[4], NULL, 10) * 1000;
	until = clock_now() + strtoull(argv[5], NULL, 10) * 3600000;
	seed = (unsigned)strtoul(argv[6], NULL, 10);
	taken = calloc(TAKEN_MOST, sizeof(*taken));
	memory = hammer_open(&alone, 0, &e);
	redis = memory != NULL && taken != NULL ? hammer_open(&how, 1, &e) : NULL;
	if (redis == NULL) {
		(void)printf("# %s\n", e.text);
		return 2;
	}
	(void)printf("ready\n");
	(void)fflush(stdout);
	while (clock_now() < until && differ < 100) {
		step(memory, redis);
		today += pause_next();
	}
	(void)printf("messages=%lu taken=%lu refused=%lu over=%lu differ=%lu\n", messages, passed,
	    messages - passed, over, differ);
	store_close(&redis);
	store_close(&memory);
	free(taken);
	return over > 0 || differ > 0;
}
