/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * What a large table costs: time to load, memory an entry, time a lookup, alone and
 * from several threads at once. The figures in gatepost-tables(5) come from here.
 *
 *     bench_table [entries]		(1,000,000 when not given)
 */
#include "lib/table.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"

#include "lib/banned.h"

#define LOOKUPS 2000000u
#define THREADS_MAX 4u

struct kind {
	const char *name, *type;
	void (*entry)(char *to, size_t size, unsigned i);	/* a line */
	void (*known)(char *to, size_t size, unsigned i);	/* a key of line i */
	void (*unknown)(char *to, size_t size, unsigned i);
};

static void
domain_known(char *to, size_t size, unsigned i)
{
	(void)snprintf(to, size, "customer%u.example", i);
}

static void
domain_unknown(char *to, size_t size, unsigned i)
{
	(void)snprintf(to, size, "stranger%u.example", i);
}

static void
domain_entry(char *to, size_t size, unsigned i)
{
	(void)snprintf(to, size, "customer%u.example acme%u\n", i, i / 4);
}

/* Single addresses and /28s in turn, scattered over 16.0.0.0 and up: a made-up address space. */
static void
four_known(char *to, size_t size, unsigned i)
{
	uint32_t a = 0x10000000u + i * 64u + (i % 2 == 0 ? 0 : 7);

	(void)snprintf(to, size, "%u.%u.%u.%u", a >> 24, a >> 16 & 0xff, a >> 8 & 0xff, a & 0xff);
}

static void
four_unknown(char *to, size_t size, unsigned i)
{
	uint32_t a = 0x10000000u + i * 64u + 32;

	(void)snprintf(to, size, "%u.%u.%u.%u", a >> 24, a >> 16 & 0xff, a >> 8 & 0xff, a & 0xff);
}

static void
four_entry(char *to, size_t size, unsigned i)
{
	uint32_t a = 0x10000000u + i * 64u;

	(void)snprintf(to, size, "%u.%u.%u.%u%s acme%u\n", a >> 24, a >> 16 & 0xff, a >> 8 & 0xff, a & 0xff,
	    i % 2 == 0 ? "" : "/28", i / 4);
}

static void
six_known(char *to, size_t size, unsigned i)
{
	(void)snprintf(to, size, "2001:db8:%x:%x::1", i >> 16, i & 0xffff);
}

static void
six_unknown(char *to, size_t size, unsigned i)
{
	(void)snprintf(to, size, "2001:db9:%x:%x::1", i >> 16, i & 0xffff);
}

static void
six_entry(char *to, size_t size, unsigned i)
{
	(void)snprintf(to, size, "2001:db8:%x:%x::/64 acme%u\n", i >> 16, i & 0xffff, i / 4);
}

static const struct kind kinds[] = {
	{ "file, domains", "file", domain_entry, domain_known, domain_unknown },
	{ "cidr, IPv4", "cidr", four_entry, four_known, four_unknown },
	{ "cidr, IPv6", "cidr", six_entry, six_known, six_unknown },
};

static void
say(void *cookie, const struct err *e)
{
	(void)cookie;
	(void)fprintf(stderr, "%s: %s\n", e->where, e->text);
}

static const struct table_report report = { say, NULL };

static void
make_file(const struct kind *k, const char *path, unsigned entries)
{
	FILE *f = fopen(path, "w");
	char line[128];
	unsigned i;

	if (f == NULL) {
		perror(path);
		exit(1);
	}
	for (i = 0; i < entries; i++) {
		/* Out of order: times a prime larger than entries, this meets every number once. */
		k->entry(line, sizeof(line), (unsigned)((uint64_t)i * 2654435761u % entries));
		(void)fputs(line, f);
	}
	if (fclose(f) != 0) {
		perror(path);
		exit(1);
	}
}

struct run {
	const struct kind *kind;
	struct table *t;
	unsigned entries, lookups, seed;
	int want;		/* what every lookup must return */
	uint64_t ns;		/* of this thread's processor time */
};

/* Processor time, not the clock on the wall: other programs of the machine do not count. Fights
 * over the table's lock are in it, sleep is not. */
static uint64_t
thread_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Keys are made ahead in small lots, so that only the lookup is timed. */
static void *
run_lookups(void *cookie)
{
	static const unsigned lot = 1000;
	struct run *r = cookie;
	char (*keys)[64] = malloc(lot * sizeof(*keys));
	unsigned done, i, seed = r->seed;

	if (keys == NULL)
		exit(1);
	for (done = 0; done < r->lookups; done += lot) {
		struct arena *a = arena_new(ARENA_DEFAULT_CAP);
		uint64_t from;

		for (i = 0; i < lot; i++) {
			seed = seed * 1664525u + 1013904223u;
			(r->want == 1 ? r->kind->known : r->kind->unknown)(keys[i], sizeof(keys[i]),
			    (unsigned)((uint64_t)seed * r->entries >> 32));
		}
		from = thread_ns();
		for (i = 0; i < lot; i++) {
			const char *value;

			if (table_lookup(r->t, keys[i], a, UINT64_MAX, &value, NULL) != r->want) {
				(void)fprintf(stderr, "wrong answer for %s\n", keys[i]);
				exit(1);
			}
		}
		r->ns += thread_ns() - from;
		arena_free(&a);
	}
	free(keys);
	return NULL;
}

static void
bench_threads(const struct kind *k, struct table *t, unsigned entries, unsigned threads, int want)
{
	struct run runs[THREADS_MAX];
	pthread_t ids[THREADS_MAX];
	uint64_t ns = 0;
	unsigned i;

	for (i = 0; i < threads; i++) {
		runs[i] = (struct run){ k, t, entries, LOOKUPS / threads, i + 1, want, 0 };
		if (pthread_create(&ids[i], NULL, run_lookups, &runs[i]) != 0)
			exit(1);
	}
	for (i = 0; i < threads; i++) {
		(void)pthread_join(ids[i], NULL);
		ns += runs[i].ns;
	}
	(void)printf("  lookup, %-9s %u thread%s  %6.0f ns\n", want == 1 ? "found" : "not found", threads,
	    threads == 1 ? ": " : "s:", (double)ns / LOOKUPS);
}

static void
bench_kind(const struct kind *k, const char *path, unsigned entries)
{
	char spec[300];
	struct table *t;
	uint64_t from;

	make_file(k, path, entries);
	(void)snprintf(spec, sizeof(spec), "%s:%s", k->type, path);
	from = clock_mono_us();
	t = table_open(spec, &report);
	if (t == NULL)
		exit(1);
	(void)printf("%s, %zu entries\n  load %26.2f s\n", k->name, table_entries(t),
	    (double)(clock_mono_us() - from) / 1e6);
	(void)printf("  memory %24.1f MB, %.1f bytes per entry\n", (double)table_bytes(t) / 1e6,
	    (double)table_bytes(t) / entries);
	bench_threads(k, t, entries, 1, 1);
	bench_threads(k, t, entries, 1, 0);
	bench_threads(k, t, entries, 2, 1);
	bench_threads(k, t, entries, THREADS_MAX, 1);
	bench_threads(k, t, entries, THREADS_MAX, 0);
	table_close(&t);
	(void)unlink(path);
}

int
main(int argc, char **argv)
{
	const char *tmp = getenv("TMPDIR");
	unsigned entries = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1000000;
	char folder[200], path[220];
	size_t i;

	(void)snprintf(folder, sizeof(folder), "%s/gatepost-bench.XXXXXX", tmp == NULL ? "/tmp" : tmp);
	if (entries == 0 || entries > 4000000 || mkdtemp(folder) == NULL) {
		(void)fputs("usage: bench_table [entries, 1 to 4000000]\n", stderr);
		return 1;
	}
	(void)snprintf(path, sizeof(path), "%s/table", folder);
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		bench_kind(&kinds[i], path, entries);
	(void)rmdir(folder);
	return 0;
}
