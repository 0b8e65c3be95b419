/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * bench_trace_memory - what remembering costs the thread of a message, what it costs the machine (the writer
 * included), and how long a question takes.
 *
 *     bench_trace_memory [MESSAGES] [DIRECTORY]
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/resource.h>

#include "lib/clock.h"
#include "lib/trace_memory.h"

#define DAY ((uint64_t)86400000)
#define THREADS_MOST 16u

struct load {
	struct trace_memory *t;
	unsigned long n, from;
	uint64_t paced_us;		/* between two messages; 0 = as fast as it goes */
	uint64_t spent_ns;		/* in put alone */
};

static uint64_t
now_ns(clockid_t clock)
{
	struct timespec t;

	(void)clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void *
run(void *arg)
{
	struct load *l = arg;
	char id[80], queue_id[40];
	struct trace_memory_entry v = { .message_id = id, .queue_id = queue_id, .customer = "customer-1234",
	    .account = "bob@customer-1234.example", .client = "192.0.2.7", .port = 4711,
	    .submitter = "203.0.113.9", .quality = "app", .return_path = "bob@customer-1234.example",
	    .action = "accept", .recipients = 1 };
	unsigned long i;
	uint64_t began;

	for (i = l->from; i < l->from + l->n; i++) {
		(void)snprintf(id, sizeof(id), "<20261125120000.%010lu.abcdef@customer-1234.example>", i);
		(void)snprintf(queue_id, sizeof(queue_id), "4jZL%010lu", i);
		v.when = 1800000000000u + i;
		began = now_ns(CLOCK_MONOTONIC);
		trace_memory_put(l->t, &v);
		l->spent_ns += now_ns(CLOCK_MONOTONIC) - began;
		if (l->paced_us > 0)
			(void)usleep((useconds_t)l->paced_us);
		else if (i % 500 == 0)		/* no mail comes that fast: nothing shall be dropped */
			(void)trace_memory_flush(l->t, 60000);
	}
	return NULL;
}

static uint64_t
cpu_us(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
	    (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/* Several threads, each its share. */
static void
put(struct trace_memory *t, unsigned threads, unsigned long n, unsigned long from, uint64_t paced_us)
{
	struct load l[THREADS_MOST];
	pthread_t id[THREADS_MOST];
	struct trace_memory_numbers before, after;
	uint64_t cpu, spent = 0;
	unsigned i;

	trace_memory_numbers(t, &before);
	cpu = cpu_us();
	for (i = 0; i < threads; i++) {
		l[i] = (struct load){ .t = t, .n = n / threads, .from = from + n / threads * i, .paced_us =
		    paced_us };
		if (pthread_create(&id[i], NULL, run, &l[i]) != 0)
			abort();
	}
	for (i = 0; i < threads; i++) {
		(void)pthread_join(id[i], NULL);
		spent += l[i].spent_ns;
	}
	(void)trace_memory_flush(t, 60000);
	cpu = cpu_us() - cpu;
	trace_memory_numbers(t, &after);
	printf("put       %2u threads %8lu messages%s: %6.3f us each on their thread; %6.3f us CPU each in all; "
	    "%" PRIu64 " dropped\n", threads, n, paced_us > 0 ? ", paced" : "",
	    (double)spent / 1000 / (double)n,
	    (double)cpu / (double)n, after.dropped - before.dropped);
}

static void
ask(const char *file, const char *id, const char *what)
{
	const struct trace_memory_question q = { .file = file, .message_id = id, .since = 0, .most = 5,
	    .deadline = UINT64_MAX };
	struct arena *a = arena_new(ARENA_DEFAULT_CAP);
	struct trace_memory_entry *found;
	uint64_t began = now_ns(CLOCK_MONOTONIC);
	struct err e;
	int n = trace_memory_find(&q, a, &found, &e);

	printf("find      %-12s %d found in %.1f ms\n", what, n,
	    (double)(now_ns(CLOCK_MONOTONIC) - began) / 1e6);
	arena_free(&a);
}

int
main(int argc, char **argv)
{
	unsigned long n = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
	char dir[200], file[240];
	struct trace_memory_numbers numbers;
	struct trace_memory *t;
	struct err e;

	(void)snprintf(dir, sizeof(dir), "%.150s/bench-memory.XXXXXX", argc > 2 ? argv[2] : "/tmp");
	if (mkdtemp(dir) == NULL)
		return 1;
	(void)snprintf(file, sizeof(file), "%s/state.db", dir);
	err_clear(&e);
	t = trace_memory_open(file, "out1", (uint64_t)4 << 30, 30 * DAY, &e);
	if (t == NULL) {
		fprintf(stderr, "%s\n", e.text);
		return 1;
	}
	put(t, 1, 20000, 0, 100);
	put(t, 16, 20000, 20000, 1000);
	put(t, 1, n, 100000, 0);
	put(t, 4, n, 100000 + n, 0);
	trace_memory_numbers(t, &numbers);
	printf("disk      %" PRIu64 " messages, %.1f bytes each\n", numbers.written,
	    (double)numbers.bytes / (double)numbers.written);
	ask(file, "20261125120000.0000000000.abcdef@customer-1234.example", "the oldest");
	ask(file, "none@customer-1234.example", "none");
	trace_memory_configure(t, 0, DAY);
	(void)trace_memory_flush(t, 60000);
	trace_memory_close(&t);
	return rmdir(dir) == 0 ? 0 : 1;
}
