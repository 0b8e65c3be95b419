/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * bench_redis - what the shared store costs for a message: two keys of three windows each, and the message
 * itself, as the milter asks.
 *
 *     bench_redis ADDRESS [THREADS [IDENTITIES [SECONDS [CONNECTIONS]]]]
 *     bench_redis ADDRESS fill CUSTOMERS ACCOUNTS [ROUNDS]
 *
 * Prints messages/s, p50 and p99, the server's CPU and our own for each message, round trips for each
 * message, and the server's memory for each identity. A suspension and an override are in force, of other
 * keys. The server should hold nothing else: its memory is compared with that at the start.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "lib/redis.h"
#include "lib/store.h"

#include "t/redis/clock_ahead.h"

#include "lib/banned.h"

#define SPENT_MOST 400000u

static struct store *store;
static uint64_t identities = 10000;
static unsigned seconds = 3;
static const char *address;

struct worker {
	pthread_t thread;
	uint64_t seed, done, alone;
	uint32_t *spent;
};

static void
die(const char *what)
{
	(void)fprintf(stderr, "bench_redis: %s\n", what);
	exit(1);
}

static uint64_t
random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static bool
message(uint64_t one, uint64_t two, uint64_t serial, bool *local)
{
	static const struct limit_ceilings ceilings = { 3, { { 1000000, 60000 }, { 10000000, 3600000 },
	    { 100000000, 86400000 } } };
	char key[2][48], text[64];
	struct store_item items[2] = {
		{ .limit = "customer", .key = key[0], .amount = 1, .ceilings = ceilings },
		{ .limit = "account", .key = key[1], .amount = 1, .ceilings = ceilings },
	};
	struct store_request r = { .items = items, .n = 2, .message = text, .warn_at = 80 };

	(void)snprintf(key[0], sizeof(key[0]), "customer-%" PRIu64, one);
	(void)snprintf(key[1], sizeof(key[1]), "u%" PRIu64 "@c%" PRIu64 ".example", two, two % 1000);
	(void)snprintf(text, sizeof(text), "%016" PRIx64 "%016" PRIx64, serial * 0x9e3779b97f4a7c15u, serial);
	if (store_judge(store, &r, clock_deadline(50), NULL) != 1)
		return false;
	*local = r.local;
	return r.taken;
}

static void *
work(void *cookie)
{
	struct worker *w = cookie;
	uint64_t rng = w->seed * 7919 + 1, half = identities / 2, end = clock_mono_us() + seconds * 1000000u, before;
	bool local;

	do {
		before = clock_mono_us();
		local = false;
		if (!message(random_next(&rng) % half, random_next(&rng) % half, w->seed << 40 | w->done, &local))
			die("not taken");
		w->alone += local;
		if (w->done < SPENT_MOST)
			w->spent[w->done] = (uint32_t)(clock_mono_us() - before);
		w->done++;
	} while (clock_mono_us() < end);
	return NULL;
}

/* A number of INFO. */
static double
info(const char *section, const char *name)
{
	const struct redis_settings s = { .connect_ms = 2000 };
	const char *args[] = { "INFO", section }, *at;
	struct redis_reply *r = redis_ask(&s, address, args, 2, NULL);
	double value;

	at = r == NULL || r->text == NULL ? NULL : strstr(r->text, name);
	if (at == NULL)
		die("no INFO");
	value = strtod(at + strlen(name), NULL);
	redis_reply_free(&r);
	return value;
}

static double
server_cpu(void)
{
	return info("cpu", "used_cpu_user:") + info("cpu", "used_cpu_sys:");
}

static double
own_cpu(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	    (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static int
order(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void
run(struct worker *w, unsigned n)
{
	uint64_t trips[2], calls[2], done = 0, alone = 0, kept = 0;
	double cpu = server_cpu(), own = own_cpu();
	uint32_t *all;
	unsigned i;

	redis_counts(&trips[0], &calls[0]);
	for (i = 0; i < n; i++)
		(void)pthread_create(&w[i].thread, NULL, work, &w[i]);
	for (i = 0; i < n; i++)
		(void)pthread_join(w[i].thread, NULL);
	redis_counts(&trips[1], &calls[1]);
	cpu = server_cpu() - cpu;
	own = own_cpu() - own;
	for (i = 0; i < n; i++) {
		done += w[i].done;
		alone += w[i].alone;
		kept += w[i].done < SPENT_MOST ? w[i].done : SPENT_MOST;
	}
	all = malloc(kept * sizeof(*all));
	if (all == NULL)
		die("memory");
	for (i = 0, kept = 0; i < n; i++) {
		uint64_t m = w[i].done < SPENT_MOST ? w[i].done : SPENT_MOST;

		memcpy(all + kept, w[i].spent, m * sizeof(*all));
		kept += m;
	}
	qsort(all, kept, sizeof(*all), order);
	printf("threads=%u messages/s=%.0f p50_us=%u p99_us=%u redis_cpu_us=%.1f own_cpu_us=%.1f trips=%.3f alone=%" PRIu64
	    "\n", n, (double)done / seconds, all[kept / 2], all[kept * 99 / 100], cpu * 1e6 / (double)done,
	    own * 1e6 / (double)done, (double)(trips[1] - trips[0]) / (double)done, alone);
	free(all);
}

static void
decide(void)
{
	const struct store_suspension w = { .kind = "account", .subject = "mallory@c1.example", .action = "reject",
	    .until = UINT64_MAX };
	const struct store_override o = { .limit = "customer", .key = "customer-x", .exempt = true,
	    .until = clock_now() + 3600000 };

	if (store_suspend(store, &w, NULL) != STORE_DONE || store_raise(store, &o, NULL) != STORE_DONE)
		die("cannot decide");
}

/* ---- memory ---- */

static void
fill_one(uint64_t customers, uint64_t i)
{
	static const struct limit_ceilings ceilings = { 3, { { 1000000, 60000 }, { 10000000, 3600000 },
	    { 100000000, 86400000 } } };
	char key[2][48];
	struct store_item items[2] = {
		{ .limit = "customer", .key = key[0], .amount = (uint32_t)(i % 3 + 1), .ceilings = ceilings },
		{ .limit = "account", .key = key[1], .amount = (uint32_t)(i % 3 + 1), .ceilings = ceilings },
	};
	struct store_request r = { .items = items, .n = 2, .warn_at = 80 };

	(void)snprintf(key[0], sizeof(key[0]), "customer-%" PRIu64, i % customers);
	(void)snprintf(key[1], sizeof(key[1]), "u%" PRIu64 "@c%" PRIu64 ".example", i, i % customers);
	if (store_judge(store, &r, clock_deadline(5000), NULL) != 1 || !r.taken || r.local)
		die("not taken");
}

struct filler {
	pthread_t thread;
	uint64_t customers, from, to;
};

static void *
fill_some(void *cookie)
{
	const struct filler *f = cookie;
	uint64_t i;

	for (i = f->from; i < f->to; i++)
		fill_one(f->customers, i);
	return NULL;
}

static void
fill_all(uint64_t customers, uint64_t accounts)
{
	enum { FILLERS = 16 };
	struct filler f[FILLERS];
	unsigned i;

	for (i = 0; i < FILLERS; i++) {
		f[i] = (struct filler){ .customers = customers, .from = accounts * i / FILLERS,
		    .to = accounts * (i + 1) / FILLERS };
		(void)pthread_create(&f[i].thread, NULL, fill_some, &f[i]);
	}
	for (i = 0; i < FILLERS; i++)
		(void)pthread_join(f[i].thread, NULL);
}

/* Messages without a name are remembered for an hour like those with one, and counted no more than those. The
 * server then takes a moment to give back the room of its table. */
static void
forget_messages(void)
{
	static const char script[] = "local cursor = '0' repeat "
	    "local page = redis.call('SCAN', cursor, 'MATCH', '*:{~*', 'COUNT', 1000) "
	    "if #page[2] > 0 then redis.call('DEL', unpack(page[2])) end "
	    "cursor = page[1] until cursor == '0'";
	const struct redis_settings s = { .connect_ms = 60000 };
	const char *args[] = { "EVAL", script, "0" };
	struct redis_reply *r = redis_ask(&s, address, args, 3, NULL);

	if (r == NULL || r->type == REDIS_ERROR)
		die("cannot forget");
	redis_reply_free(&r);
	(void)nanosleep(&(struct timespec){ .tv_sec = 3 }, NULL);
}

static void
fill(uint64_t customers, uint64_t accounts, unsigned rounds, double before)
{
	/* Slices are a tenth of a window: eleven of each length. */
	static const int64_t steps[] = { 8640000, 360000, 6000 };
	uint64_t keys = customers + accounts;
	double bytes;
	unsigned round;

	fill_all(customers, accounts);
	for (round = 0; round < rounds; round++) {
		clock_ahead += steps[round / 11 % 3];
		fill_all(customers, accounts);
	}
	forget_messages();
	bytes = info("memory", "used_memory:") - before;
	printf("customers=%" PRIu64 " accounts=%" PRIu64 " windows=%" PRIu64 " rounds=%u megabytes=%.1f "
	    "bytes_per_identity=%.0f\n", customers, accounts, keys * 3, rounds, bytes / 1e6, bytes / (double)keys);
}

int
main(int argc, char **argv)
{
	unsigned threads = argc > 2 ? (unsigned)atoi(argv[2]) : 8, i;
	char file[64] = "/tmp/bench-redis.XXXXXX", path[100];
	struct store_settings s = { .type = "redis", .memory = 64 << 20, .relay = "bench", .version = "bench" };
	const char *servers[1];
	struct worker *w;
	struct err e;
	double memory, digests;

	if (argc < 2 || mkdtemp(file) == NULL)
		die("usage: bench_redis ADDRESS [THREADS [IDENTITIES [SECONDS [CONNECTIONS]]]], or ADDRESS fill "
		    "CUSTOMERS ACCOUNTS [ROUNDS]");
	address = servers[0] = argv[1];
	threads = threads > 0 ? threads : 1;
	identities = argc > 3 ? (uint64_t)atoll(argv[3]) : identities;
	seconds = argc > 4 ? (unsigned)atoi(argv[4]) : seconds;
	(void)snprintf(path, sizeof(path), "%s/state.db", file);
	s.file = path;
	s.redis = (struct store_redis_settings){ .servers = servers, .n_servers = 1, .kind = "single",
	    .prefix = "gatepost", .connections = argc > 5 && strcmp(argv[2], "fill") != 0 ? (unsigned)atoi(argv[5]) : 4 };
	s.redis.own_clock = argc > 2 && strcmp(argv[2], "fill") == 0;
	memory = info("memory", "used_memory:");
	store = store_open(&s, &e);
	if (store == NULL)
		die(e.text);
	if (s.redis.own_clock && argc > 4) {
		fill((uint64_t)atoll(argv[3]), (uint64_t)atoll(argv[4]), argc > 5 ? (unsigned)atoi(argv[5]) : 0,
		    memory);
		goto out;
	}
	decide();
	w = calloc(threads, sizeof(*w));
	for (i = 0; w != NULL && i < threads; i++) {
		w[i].seed = i + 1 + (uint64_t)getpid();
		w[i].spent = malloc(SPENT_MOST * sizeof(*w[i].spent));
		if (w[i].spent == NULL)
			die("memory");
	}
	if (w == NULL)
		die("memory");
	run(w, threads);
	{
		struct store_numbers n;

		store_numbers(store, &n);
		digests = (double)n.digests;
		memory = info("memory", "used_memory:") - memory;
		printf("keys=%" PRIu64 " digests=%.0f bytes=%.0f\n", n.keys, digests, memory);
	}
out:
	store_close(&store);
	(void)fflush(stdout);
	(void)execlp("rm", "rm", "-r", file, (char *)NULL);
	return 1;
}
