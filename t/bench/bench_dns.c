/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * What a record costs that is known already: time a question, alone and from two threads at once; and memory
 * an entry. Names are asked in random order, ten to an arena, as a message does. The records come from a
 * server in this process (t/unit/dns_server.c), once.
 *
 *     bench_dns [names]		(20,000 when not given)
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/dns.h"
#include "t/unit/dns_server.h"

#include "lib/banned.h"

#define QUESTIONS 2000000u
#define LOT 1000u
#define THREADS_MAX 2u

struct run {
	struct dns *dns;
	unsigned names, questions, seed;
	uint64_t ns;		/* of this thread's processor time */
};

static uint64_t
thread_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void
ask_lot(struct run *r, char (*names)[64])
{
	uint64_t from = thread_ns();
	struct arena *a = NULL;
	unsigned i;

	for (i = 0; i < LOT; i++) {
		struct dns_records out;

		if (i % 10 == 0) {
			arena_free(&a);
			a = arena_new(ARENA_DEFAULT_CAP);
		}
		dns_ask(r->dns, names[i], DNS_TXT, UINT64_MAX, a, &out);
		if (out.answer != DNS_FOUND || !out.cached) {
			(void)fprintf(stderr, "%s: %u %s\n", names[i], out.answer, out.why);
			exit(1);
		}
	}
	arena_free(&a);
	r->ns += thread_ns() - from;
}

static void *
run_main(void *cookie)
{
	static const size_t size = LOT * sizeof(char[64]);
	struct run *r = cookie;
	char (*names)[64] = malloc(size);
	unsigned done, i;

	if (names == NULL)
		exit(1);
	for (done = 0; done < r->questions; done += LOT) {
		for (i = 0; i < LOT; i++) {
			r->seed = r->seed * 1664525u + 1013904223u;
			(void)snprintf(names[i], sizeof(names[i]), "ok.customer%u.example",
			    (unsigned)((uint64_t)r->seed * r->names >> 32));
		}
		ask_lot(r, names);
	}
	free(names);
	return NULL;
}

static void
bench(struct dns *d, unsigned names, unsigned threads)
{
	struct run runs[THREADS_MAX];
	pthread_t ids[THREADS_MAX];
	uint64_t ns = 0;
	unsigned i;

	for (i = 0; i < threads; i++) {
		runs[i] = (struct run){ d, names, QUESTIONS / threads, i + 1, 0 };
		if (pthread_create(&ids[i], NULL, run_main, &runs[i]) != 0)
			exit(1);
	}
	for (i = 0; i < threads; i++) {
		(void)pthread_join(ids[i], NULL);
		ns += runs[i].ns;
	}
	(void)printf("  known, %u thread%s  %6.0f ns a question\n", threads, threads == 1 ? ": " : "s:",
	    (double)ns / QUESTIONS);
}

static void
fill(struct dns *d, unsigned names)
{
	uint64_t from = clock_mono_us();
	unsigned i;

	for (i = 0; i < names; i++) {
		struct arena *a = arena_new(ARENA_DEFAULT_CAP);
		struct dns_records out;
		char name[64];

		(void)snprintf(name, sizeof(name), "ok.customer%u.example", i);
		dns_ask(d, name, DNS_TXT, UINT64_MAX, a, &out);
		if (out.answer != DNS_FOUND)
			exit(1);
		arena_free(&a);
	}
	(void)printf("  unknown, one at a time: %4.0f us a question\n",
	    (double)(clock_mono_us() - from) / names);
}

int
main(int argc, char **argv)
{
	unsigned names = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 20000;
	struct dns_server *server = dns_server_start();
	const char *forwarder = dns_server_address(server);
	struct dns_options o = { .forwarders = &forwarder, .n_forwarders = 1, .ttl_least = 3600 };
	struct dns *d = dns_open(&o, NULL);
	struct dns_counts c;

	if (d == NULL || names == 0 || names > 100000) {
		(void)fputs("usage: bench_dns [names, 1 to 100000]\n", stderr);
		return 1;
	}
	(void)printf("dns, %u names\n", names);
	fill(d, names);
	dns_count(d, &c);
	(void)printf("  memory: %.1f MB, %.0f bytes an entry (one short TXT)\n", (double)c.bytes / 1e6,
	    (double)c.bytes / (double)c.entries);
	bench(d, names, 1);
	bench(d, names, 2);
	dns_close(&d);
	dns_server_stop(&server);
	return 0;
}
