/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * outage - the resolver is stopped while 64 threads ask, and comes back. TAP on standard output.
 *
 *     outage ADDRESS@PORT PID		the process group of the resolver, which has *.wild.example A
 *
 * Proves that nobody waits more than 50 ms beyond its deadline of 200 (a plain sleep beside them is the
 * measure of what the machine adds), that memory and threads stay bounded, and that names that failed
 * meanwhile are found within 30 seconds of its return.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/dns.h"

#include "lib/banned.h"

#define THREADS 64
#define DEADLINE 200		/* ms */
#define GRACE 50000		/* us beyond it */
#define OUTAGE 5000000		/* us */

static struct dns *dns;
static atomic_bool stop;
static atomic_uint asked, found, known_missed;
static atomic_ullong worst, nap_worst;
static int tests, failed;

static void
check(bool ok, const char *what)
{
	tests++;
	failed += !ok;
	(void)printf("%sok %d - %s\n", ok ? "" : "not ", tests, what);
}

static void
keep_worst(atomic_ullong *to, uint64_t deadline)
{
	uint64_t now = clock_mono_us();
	unsigned long long before = atomic_load(to);

	while (now > deadline && now - deadline > before &&
	    !atomic_compare_exchange_weak(to, &before, now - deadline))
		continue;
}

static enum dns_answer
ask(const char *name, uint64_t ms)
{
	struct arena *a = arena_new(ARENA_DEFAULT_CAP);
	uint64_t deadline = clock_deadline(ms);
	struct dns_records r;

	dns_ask(dns, name, DNS_A, deadline, a, &r);
	keep_worst(&worst, deadline);
	arena_free(&a);
	return r.answer;
}

/* What the machine makes of a plain sleep, as often and by as many: a busy one is not our delay. */
static void
nap(void)
{
	uint64_t until = clock_mono_us() + 2000;

	(void)usleep(2000);
	keep_worst(&nap_worst, until);
}

static void *
asker(void *cookie)
{
	unsigned me = *(unsigned *)cookie, i;
	char name[64];

	for (i = 0; !atomic_load(&stop); i++) {
		(void)snprintf(name, sizeof(name), "n%ut%u.wild.example", i, me);
		if (ask(name, DEADLINE) == DNS_FOUND)
			(void)atomic_fetch_add(&found, 1);
		if (ask("known.wild.example", DEADLINE) != DNS_FOUND)
			(void)atomic_fetch_add(&known_missed, 1);
		(void)atomic_fetch_add(&asked, 1);
		nap();
	}
	return NULL;
}

/* A number of /proc/self/status: VmRSS in kB, Threads. */
static unsigned long
status(const char *field)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[200];
	unsigned long n = 0;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, field, strlen(field)) == 0)
			n = strtoul(line + strlen(field) + 1, NULL, 10);
	if (f != NULL)
		(void)fclose(f);
	return n;
}

static void
during(void)
{
	static unsigned me[THREADS];
	pthread_t threads[THREADS];
	unsigned long rss = status("VmRSS");
	struct dns_counts c;
	unsigned i;

	for (i = 0; i < THREADS; i++) {
		me[i] = i;
		if (pthread_create(&threads[i], NULL, asker, &me[i]) != 0)
			exit(1);
	}
	(void)usleep(OUTAGE);
	check(status("Threads") == THREADS + 2, "no thread but the askers', the main and one more");
	dns_count(dns, &c);
	check(c.under_way <= 512, "at most 512 questions are under way");
	check(status("VmRSS") < rss + 65536, "memory grows by less than 64 MB");
	atomic_store(&stop, true);
	for (i = 0; i < THREADS; i++)
		(void)pthread_join(threads[i], NULL);
	(void)printf("# %u asked, %u sent, %u under way, %u us beyond the deadline (a sleep: %u), +%lu kB\n",
	    atomic_load(&asked), (unsigned)c.sent, (unsigned)c.under_way, (unsigned)atomic_load(&worst),
	    (unsigned)atomic_load(&nap_worst), status("VmRSS") - rss);
	check(atomic_load(&found) == 0 && atomic_load(&asked) >= THREADS, "nothing new is found");
	check(atomic_load(&known_missed) == 0, "what is known is found");
	check(atomic_load(&worst) <= GRACE + atomic_load(&nap_worst),
	    "nobody waits longer than its deadline and 50 ms");
}

int
main(int argc, char **argv)
{
	const char *forwarder = argc > 1 ? argv[1] : "";
	struct dns_options o = { .forwarders = &forwarder, .n_forwarders = 1 };
	int group = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 0;
	uint64_t from, took;
	struct err e;
	unsigned i;

	if (group <= 1 || (dns = dns_open(&o, &e)) == NULL) {
		(void)fprintf(stderr, "usage: outage ADDRESS@PORT PID; %s\n", group <= 1 ? "" : e.text);
		return 2;
	}
	check(ask("known.wild.example", 10000) == DNS_FOUND, "the resolver is there");
	(void)kill(-group, SIGSTOP);
	during();
	(void)kill(-group, SIGCONT);
	from = clock_mono_us();
	/* One that failed in the outage, asked for as messages do. */
	while (ask("n0t0.wild.example", DEADLINE) != DNS_FOUND && clock_mono_us() - from < 40000000)
		(void)usleep(50000);
	took = clock_mono_us() - from;
	(void)printf("# back after %u ms\n", (unsigned)(took / 1000));
	check(took < 30000000, "it recovers within 30 seconds");
	for (i = 0; i < THREADS; i++) {
		char name[64];

		(void)snprintf(name, sizeof(name), "n0t%u.wild.example", i);
		if (ask(name, 10000) != DNS_FOUND)
			break;
	}
	check(i == THREADS, "all that failed is found");
	from = clock_mono_us();
	dns_close(&dns);
	check(clock_mono_us() - from < 500000, "it is closed at once");
	(void)printf("1..%d\n", tests);
	return failed > 0;
}
