/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * topology - calls to servers through lib/redis_topology.h while tests take them away.
 *
 *     topology KIND SERVERS MASTER THREADS SECONDS BUDGET
 *
 * KIND is single, sentinel or cluster; SERVERS are addresses with commas between them; BUDGET is in ms; in
 * the environment, TOPOLOGY_OPEN (5000) is for how many ms it looks for servers. Each thread
 * increments keys of its own, spread over the slots, one after the other. It says "up", or "down: " and why,
 * and at the end
 *
 *     answered=N refused=N uncertain=N again=N longest_us=N longest_gap_ms=N changes=N up=0|1
 *
 * where longest is that of one call, with all redirections, and the gap is the longest time in which no
 * thread had an answer. SIGTERM ends it before its time. Twenty times a second it says the same with "now"
 * before it.
 */
#include "lib/redis_topology.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"

#include "lib/banned.h"

#define THREADS_MOST 64
#define AGAIN_MOST 5

static struct redis_topology *topology;
static uint64_t budget;
static atomic_uint_fast64_t until;
static atomic_uint_fast64_t answered, refused, uncertain, again, longest, last_answer, longest_gap, changes;

static void
at_least(atomic_uint_fast64_t *to, uint64_t value)
{
	uint64_t now = atomic_load(to);

	while (value > now && !atomic_compare_exchange_weak(to, &now, value))
		;
}

static bool
increment(unsigned me, unsigned number)
{
	char key[64];
	const char *const args[] = { "INCR", key };
	struct redis_call call = { REDIS_ARGS(args) };
	uint64_t deadline = clock_deadline(budget);
	enum redis_verdict verdict = REDIS_AGAIN;
	unsigned slot, tries;
	bool good;

	(void)snprintf(key, sizeof(key), "t:{%u-%u}", me, number % 100);
	slot = redis_slot(key, strlen(key));
	call.node = redis_topology_node(topology, slot);
	for (tries = 0; tries < AGAIN_MOST && verdict == REDIS_AGAIN; tries++) {
		(void)redis_calls(&call, 1, deadline);
		verdict = redis_topology_answer(topology, slot, &call);
		if (verdict == REDIS_AGAIN)
			(void)atomic_fetch_add(&again, 1);
	}
	good = verdict == REDIS_TAKE && call.reply->type == REDIS_INTEGER;
	if (verdict == REDIS_TAKE && !good)
		(void)fprintf(stderr, "%s\n", call.reply->text);
	if (call.result == REDIS_UNCERTAIN)
		(void)atomic_fetch_add(&uncertain, 1);
	redis_calls_free(&call, 1);
	return good;
}

static void *
run(void *cookie)
{
	unsigned me = *(unsigned *)cookie, number = 0;
	uint64_t before, now, before_last;

	while ((before = clock_mono_us()) < atomic_load(&until)) {
		if (increment(me, number++)) {
			now = clock_mono_us();
			(void)atomic_fetch_add(&answered, 1);
			before_last = atomic_exchange(&last_answer, now);
			at_least(&longest_gap, now > before_last ? now - before_last : 0);
		} else {
			now = clock_mono_us();
			(void)atomic_fetch_add(&refused, 1);
			(void)nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
		}
		at_least(&longest, now - before);
		(void)nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	return NULL;
}

static void
changed(void *cookie)
{
	(void)cookie;
	(void)atomic_fetch_add(&changes, 1);
}

static void
stop(int number)
{
	(void)number;
	atomic_store(&until, 0);
}

static void
say(const char *head)
{
	(void)printf("%sanswered=%" PRIuFAST64 " refused=%" PRIuFAST64 " uncertain=%" PRIuFAST64 " again=%" PRIuFAST64
	    " longest_us=%" PRIuFAST64 " longest_gap_ms=%" PRIuFAST64 " changes=%" PRIuFAST64 " up=%d\n", head,
	    atomic_load(&answered), atomic_load(&refused), atomic_load(&uncertain), atomic_load(&again),
	    atomic_load(&longest), atomic_load(&longest_gap) / 1000, atomic_load(&changes),
	    redis_topology_up(topology));
	(void)fflush(stdout);
}

static size_t
split(char *text, const char **to, size_t most)
{
	char *rest = NULL, *word;
	size_t n = 0;

	for (word = strtok_r(text, ",", &rest); word != NULL && n < most; word = strtok_r(NULL, ",", &rest))
		to[n++] = word;
	return n;
}

int
main(int argc, char **argv)
{
	static const char *const probe[] = { "SET", "t:{probe}", "1", "PX", "1000" };
	static unsigned numbers[THREADS_MOST];
	const char *servers[16];
	struct redis_topology_settings s = { .kind = REDIS_SINGLE };
	struct err e = { .text = "" };
	pthread_t threads[THREADS_MOST];
	unsigned n, i;

	if (argc != 7)
		return 2;
	s.kind = strcmp(argv[1], "cluster") == 0 ? REDIS_CLUSTER :
	    strcmp(argv[1], "sentinel") == 0 ? REDIS_SENTINEL : REDIS_SINGLE;
	s.servers = servers;
	s.n_servers = split(argv[2], servers, 16);
	s.master = argv[3];
	s.node = (struct redis_settings){ .user = "", .password = "", .connections = 4, .connect_ms = 1000,
	    .answer_ms = 50, .probe = probe, .n_probe = 5, .name = "topology" };
	s.sentinel = (struct redis_settings){ .user = "", .password = "", .connections = 1, .connect_ms = 500,
	    .answer_ms = 500 };
	s.changed = changed;
	n = (unsigned)strtoul(argv[4], NULL, 10);
	budget = strtoul(argv[6], NULL, 10);
	topology = redis_topology_open(&s, getenv("TOPOLOGY_OPEN") == NULL ? 5000 :
	    (unsigned)strtoul(getenv("TOPOLOGY_OPEN"), NULL, 10), &e);
	if (topology == NULL || !redis_topology_up(topology)) {
		if (topology != NULL)
			redis_topology_why(topology, &e);
		(void)printf("down: %s\n", e.text);
		redis_topology_close(&topology);
		return 1;
	}
	(void)printf("up\n");
	(void)fflush(stdout);
	atomic_store(&until, clock_mono_us() + strtoul(argv[5], NULL, 10) * 1000000);
	(void)signal(SIGTERM, stop);
	atomic_store(&last_answer, clock_mono_us());
	for (i = 0; i < n && i < THREADS_MOST; i++) {
		numbers[i] = i;
		if (pthread_create(&threads[i], NULL, run, &numbers[i]) != 0)
			return 2;
	}
	while (clock_mono_us() < atomic_load(&until)) {
		(void)nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
		say("now ");
	}
	while (i-- > 0)
		(void)pthread_join(threads[i], NULL);
	say("");
	redis_topology_close(&topology);
	return 0;
}
