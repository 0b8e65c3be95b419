/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * bench_store - what the store costs for a message: two keys of three windows each, and the message
 * itself, as the milter asks. Prints one line per figure.
 *
 *     bench_store [IDENTITIES...]       default: 1000 1000000
 *
 * Every identity is a key; a message takes two of them at random. Also: memory and
 * resident size per identity, two threads, the question at MAIL, and how long a restart takes.
 */
#include "lib/store.h"

#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"

#include "lib/banned.h"

#define BENCH_SECONDS 2
#define BENCH_BATCH 1000u

struct bench {
	struct store *store;
	uint64_t keys;
	bool messages;
	uint64_t seed;
	uint64_t done, ns, cpu;		/* answered by a worker; cpu: ns of its own time */
	uint32_t *spent;		/* ns of single messages, when asked for */
	uint64_t n_spent;
};

static uint64_t
bench_ns(clockid_t id)
{
	struct timespec t;

	(void)clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t
bench_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void
bench_die(const char *what)
{
	(void)fprintf(stderr, "bench_store: %s\n", what);
	exit(1);
}

static void
bench_message(struct bench *b, uint64_t one, uint64_t two, uint64_t serial)
{
	static const struct limit_ceilings ceilings = { 3, { { 1000000, 60000 }, { 10000000, 3600000 },
	    { 100000000, 86400000 } } };
	char key[2][48], message[64];
	struct store_item items[2] = {
		{ .limit = "customer", .key = key[0], .amount = 1, .ceilings = ceilings },
		{ .limit = "account", .key = key[1], .amount = 1, .ceilings = ceilings },
	};
	struct store_request r = {
		.items = items, .n = 2, .message = b->messages ? message : NULL, .warn_at = 80
	};

	(void)snprintf(key[0], sizeof(key[0]), "customer-%" PRIu64, one);
	(void)snprintf(key[1], sizeof(key[1]), "user-%" PRIu64 "@customer.example", two);
	if (b->messages)
		(void)snprintf(message, sizeof(message), "%016" PRIx64 "%016" PRIx64,
		    serial * 0x9e3779b97f4a7c15u, serial);
	if (store_judge(b->store, &r, UINT64_MAX, NULL) != 1 || !r.taken)
		bench_die("not taken");
}

static void *
bench_work(void *cookie)
{
	struct bench *b = cookie;
	uint64_t rng = b->seed, start = bench_ns(CLOCK_MONOTONIC), half = b->keys / 2, before;
	uint64_t cpu = bench_ns(CLOCK_THREAD_CPUTIME_ID), done = 0, ns;
	unsigned i;

	do {
		for (i = 0; i < BENCH_BATCH; i++, done++) {
			before = b->spent != NULL ? bench_ns(CLOCK_MONOTONIC) : 0;
			bench_message(
			    b, bench_random(&rng) % half, bench_random(&rng) % half, b->seed << 40 | done);
			if (b->spent != NULL && done < b->n_spent)
				b->spent[done] = (uint32_t)(bench_ns(CLOCK_MONOTONIC) - before);
		}
		ns = bench_ns(CLOCK_MONOTONIC) - start;
	} while (ns < BENCH_SECONDS * UINT64_C(1000000000));
	b->done = done;
	b->ns = ns;
	b->cpu = bench_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
	return NULL;
}

/* What the bench itself costs: the texts. */
static uint64_t
bench_texts(uint64_t half)
{
	uint64_t rng = 5, start = bench_ns(CLOCK_MONOTONIC);
	volatile char sink;
	char text[160];
	int i;

	for (i = 0; i < 200000; i++) {
		(void)snprintf(text, 48, "customer-%" PRIu64, bench_random(&rng) % half);
		(void)snprintf(text + 48, 48, "user-%" PRIu64 "@customer.example", bench_random(&rng) % half);
		(void)snprintf(text + 96, 64, "%016" PRIx64 "%016" PRIx64, rng, rng);
		sink = text[rng % 160];
		(void)sink;
	}
	return (bench_ns(CLOCK_MONOTONIC) - start) / 200000;
}

static int
bench_u32_order(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t
bench_resident(void)
{
	unsigned long long pages = 0, all = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f == NULL || fscanf(f, "%llu %llu", &all, &pages) != 2)
		bench_die("no /proc");
	(void)fclose(f);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void
bench_remove(const char *dir)
{
	char path[600];
	struct dirent *entry;
	DIR *d = opendir(dir);

	while (d != NULL && (entry = readdir(d)) != NULL) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		(void)unlink(path);
	}
	if (d != NULL)
		(void)closedir(d);
	(void)rmdir(dir);
}

static void
bench_threads(struct store *s, uint64_t keys, bool messages, unsigned n, uint64_t texts)
{
	struct bench b[2] = { { .store = s, .keys = keys, .messages = messages, .seed = 11 },
		{ .store = s, .keys = keys, .messages = messages, .seed = 12 } };
	pthread_t t[2];
	double rate = 0, cpu = 0;
	unsigned i;

	for (i = 0; i < n; i++)
		(void)pthread_create(&t[i], NULL, bench_work, &b[i]);
	for (i = 0; i < n; i++) {
		(void)pthread_join(t[i], NULL);
		rate += (double)b[i].done * 1e9 / (double)b[i].ns;
		cpu += (double)b[i].cpu / (double)b[i].done / n;
	}
	(void)printf("%8" PRIu64 " identities, %u thread%s, %s: %.0f ns of CPU a message, %" PRIu64
	    " of them the bench's texts; %.2f M/s\n", keys, n, n > 1 ? "s" : "",
	    messages ? "6 windows + message" : "6 windows", cpu, texts, rate / 1e6);
}

static void
bench_percentiles(struct store *s, uint64_t keys)
{
	struct bench b = { .store = s, .keys = keys, .seed = 13, .n_spent = 1000000 };

	b.spent = calloc(b.n_spent, sizeof(*b.spent));
	if (b.spent == NULL)
		bench_die("memory");
	(void)bench_work(&b);
	b.n_spent = b.done < b.n_spent ? b.done : b.n_spent;
	qsort(b.spent, b.n_spent, sizeof(*b.spent), bench_u32_order);
	(void)printf("%8" PRIu64
		     " identities, p50 %u ns, p99 %u ns, p99.9 %u ns, largest %u us (with texts)\n",
	    keys, b.spent[b.n_spent / 2], b.spent[b.n_spent / 100 * 99], b.spent[b.n_spent / 1000 * 999],
	    b.spent[b.n_spent - 1] / 1000);
	free(b.spent);
}

static void
bench_at_mail(struct store *s, uint64_t keys)
{
	uint64_t start = bench_ns(CLOCK_MONOTONIC), i;

	for (i = 0; i < 1000000; i++) {
		if (store_over_until(s, "customer", "acme", NULL) != 0)
			bench_die("over");
	}
	(void)printf("%8" PRIu64 " identities, at MAIL, nobody over: %" PRIu64 " ns\n", keys,
	    (bench_ns(CLOCK_MONOTONIC) - start) / 1000000);
}

static void
bench_size(uint64_t keys)
{
	const char *tmp = getenv("TMPDIR");
	char dir[256], file[300];
	struct store_settings settings = {
		.type = "memory", .file = file, .memory = UINT64_C(4) << 30, .relay = "out1"
	};
	struct bench b = { .keys = keys };
	struct store_numbers before, after;
	struct err e = { .text = "" };
	uint64_t i, resident, start, texts = bench_texts(keys / 2);

	(void)snprintf(dir, sizeof(dir), "%s/bench.XXXXXX", tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(dir) == NULL)
		bench_die("no directory");
	(void)snprintf(file, sizeof(file), "%s/state.db", dir);
	b.store = store_open(&settings, &e);
	if (b.store == NULL)
		bench_die(e.text);
	resident = bench_resident();
	store_numbers(b.store, &before);
	start = bench_ns(CLOCK_MONOTONIC);
	for (i = 0; i < keys / 2; i++)
		bench_message(&b, i, i, i);
	start = bench_ns(CLOCK_MONOTONIC) - start;
	store_numbers(b.store, &after);
	(void)printf("%8" PRIu64 " identities, %.0f bytes each by store_numbers, %.0f resident; %" PRIu64
		     " ns to make one\n",
	    after.keys, (double)(after.bytes - before.bytes) / (double)after.keys,
	    (double)(bench_resident() - resident) / (double)after.keys, start / keys);
	bench_threads(b.store, keys, false, 1, texts);
	bench_threads(b.store, keys, false, 2, texts);
	bench_percentiles(b.store, keys);
	b.messages = true;
	bench_threads(b.store, keys, true, 1, texts);
	bench_at_mail(b.store, keys);
	store_close(&b.store);
	start = bench_ns(CLOCK_MONOTONIC);
	b.store = store_open(&settings, &e);
	if (b.store == NULL)
		bench_die(e.text);
	store_numbers(b.store, &after);
	(void)printf("%8" PRIu64 " identities, %" PRIu64 " messages: opened again in %" PRIu64 " ms\n",
	    after.keys, after.digests, (bench_ns(CLOCK_MONOTONIC) - start) / 1000000);
	start = bench_ns(CLOCK_MONOTONIC);
	for (i = 0; i < 32; i++)
		store_poll(b.store);
	(void)printf("%8" PRIu64 " identities, a poll takes %" PRIu64 " us\n", after.keys,
	    (bench_ns(CLOCK_MONOTONIC) - start) / 32000);
	store_close(&b.store);
	bench_remove(dir);
}

int
main(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		bench_size(strtoull(argv[i], NULL, 10));
	if (argc == 1) {
		bench_size(1000);
		bench_size(1000000);
	}
	return 0;
}
