/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * hammer_store - several relays with several sessions each at one store, while tests take its servers away.
 *
 *     hammer_store [-r RELAYS] [-s SESSIONS] [-n MESSAGES | -t SECONDS] [-b BUDGET] [-p PAUSE] [-k KEYS]
 *         [-c SKEW]
 *         KIND SERVERS MASTER CEILING...
 *
 * Each relay is a process with a store of its own, each session a thread in it. A message has one limit for
 * each CEILING ("1000/1h"), all with different keys (so that in a Cluster they lie on different servers): the
 * first counts the customer, the others accounts; -k spreads messages over that many customers. KIND is
 * single, sentinel or cluster; SERVERS are addresses with commas between them; BUDGET and PAUSE (between two
 * messages of a session) are in ms; SKEW is by how many seconds the clock of each relay is ahead of that of
 * the one before.
 *
 * All begin at the same time. "ready" is said when all stores are open. SIGTERM ends it before its time. At
 * the end one line, and the same with "now" before it twenty times a second, for a test that waits for
 * something to happen:
 *
 *     passed=N refused=N failed=N alone=N alone_passed=N shared=N longest_us=N most=N [why=...]
 *
 * HAMMER_USER, HAMMER_PASSWORD and HAMMER_SENTINEL_USER (the same password) are in the environment, if any;
 * so is HAMMER_RELAYS, how many relays each takes for granted (store.relays_least).
 *
 * longest: of one store_judge(); most: passed for the customer of whom most passed. failed are the calls that
 * answered -1: with a store that keeps its promise there are none. alone: judged by the relay's share,
 * without Redis; shared: by Redis.
 */
#include "lib/store.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/limit.h"

#include "t/redis/clock_ahead.h"
#include "t/redis/hammer_open.h"

#include "lib/banned.h"

#define RELAYS_MOST 16u
#define SESSIONS_MOST 128u
#define CUSTOMERS_MOST 1024u
#define ITEMS_MOST 16u

struct shared {
	atomic_uint ready, go, stop;
	atomic_uint_fast64_t passed, refused, failed, alone, alone_passed, longest;
	atomic_uint_fast64_t of[CUSTOMERS_MOST];
	char why[480];
};

static struct shared *shared;
static struct hammer_open how;
static unsigned relays = 4, sessions = 16, customers = 1;
static uint64_t messages = 100, seconds, budget = 50, pause_ms;
static int64_t skew;			/* ms, of each relay against the one before */
static struct limit_ceiling ceilings[ITEMS_MOST];
static size_t n_items;
static struct store *store;
static unsigned relay;

/* ---- one session ---- */

static void
at_least(atomic_uint_fast64_t *to, uint64_t value)
{
	uint64_t now = atomic_load(to);

	while (value > now && !atomic_compare_exchange_weak(to, &now, value))
		;
}

static void
sleep_ms(uint64_t ms)
{
	struct timespec t = { .tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000 };

	(void)nanosleep(&t, NULL);
}

static void
judge(unsigned session, uint64_t number)
{
	char keys[ITEMS_MOST][64], digest[64];
	struct store_item items[ITEMS_MOST];
	struct store_request r = { .items = items, .n = n_items, .message = digest, .warn_at = 80 };
	unsigned customer = (unsigned)((session + number * 7) % customers);
	struct err e = { .text = "" };
	uint64_t before;
	size_t i;
	int done;

	memset(items, 0, sizeof(items));
	for (i = 0; i < n_items; i++) {
		if (i == 0)
			(void)snprintf(keys[i], sizeof(keys[i]), "customer-%u", customer);
		else
			(void)snprintf(keys[i], sizeof(keys[i]), "account-%u-%zu", customer, i);
		items[i] = (struct store_item){ .limit = i == 0 ? "customer" : "account", .key = keys[i],
		    .kind = STORE_SUM, .amount = 1, .ceilings = { .n = 1, .at = { ceilings[i] } } };
	}
	(void)snprintf(digest, sizeof(digest), "%u-%u-%" PRIu64 "-%d", relay, session, number, (int)getpid());
	before = clock_mono_us();
	done = store_judge(store, &r, clock_deadline(budget), &e);
	at_least(&shared->longest, clock_mono_us() - before);
	(void)atomic_fetch_add(&shared->alone, done == 1 && r.local);
	if (done != 1) {
		(void)snprintf(shared->why, sizeof(shared->why), "%s", e.text);
		(void)atomic_fetch_add(&shared->failed, 1);
	} else if (r.taken) {
		(void)atomic_fetch_add(&shared->passed, 1);
		(void)atomic_fetch_add(&shared->alone_passed, r.local);
		(void)atomic_fetch_add(&shared->of[customer], 1);
	} else {
		(void)atomic_fetch_add(&shared->refused, 1);
	}
}

static void *
session(void *cookie)
{
	unsigned me = *(unsigned *)cookie;
	uint64_t number, until;

	while (atomic_load(&shared->go) == 0)
		sleep_ms(1);
	until = clock_mono_us() + seconds * 1000000;
	for (number = 0; atomic_load(&shared->stop) == 0 &&
	    (seconds > 0 ? clock_mono_us() < until : number < messages); number++) {
		judge(me, number);
		if (pause_ms > 0)
			sleep_ms(pause_ms);
	}
	return NULL;
}

/* ---- one relay ---- */

static void *
housekeep(void *cookie)
{
	const atomic_bool *stop = cookie;

	while (!atomic_load(stop)) {
		store_poll(store);
		sleep_ms(200);
	}
	return NULL;
}

static int
run_relay(unsigned number)
{
	static unsigned numbers[SESSIONS_MOST];
	pthread_t threads[SESSIONS_MOST], keeper;
	atomic_bool stop = false;
	struct err e = { .text = "" };
	unsigned i;

	relay = number;
	clock_ahead = (int64_t)number * skew;
	store = hammer_open(&how, number, &e);
	if (store == NULL) {
		(void)fprintf(stderr, "relay %u: %s\n", number, e.text);
		return 1;
	}
	if (pthread_create(&keeper, NULL, housekeep, &stop) != 0)
		return 1;
	for (i = 0; i < sessions; i++) {
		numbers[i] = i;
		if (pthread_create(&threads[i], NULL, session, &numbers[i]) != 0)
			return 1;
	}
	(void)atomic_fetch_add(&shared->ready, 1);
	for (i = 0; i < sessions; i++)
		(void)pthread_join(threads[i], NULL);
	atomic_store(&stop, true);
	(void)pthread_join(keeper, NULL);
	store_close(&store);
	return 0;
}

/* ---- all of them ---- */

static int
usage(void)
{
	(void)fprintf(stderr, "usage: hammer_store [-r relays] [-s sessions] [-n messages | -t seconds] [-b budget] "
	    "[-p pause] [-k customers] [-c skew] kind servers master ceiling...\n");
	return 2;
}

static unsigned
number(const char *text, unsigned most)
{
	unsigned long value = strtoul(text, NULL, 10);

	if (value == 0 || value > most)
		exit(usage());
	return (unsigned)value;
}

static int
arguments(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "r:s:n:t:b:p:k:c:")) != -1) {
		switch (option) {
		case 'r':
			relays = number(optarg, RELAYS_MOST);
			break;
		case 's':
			sessions = number(optarg, SESSIONS_MOST);
			break;
		case 'n':
			messages = number(optarg, 1000000000);
			break;
		case 't':
			seconds = number(optarg, 100000);
			break;
		case 'b':
			budget = number(optarg, 10000);
			break;
		case 'p':
			pause_ms = number(optarg, 10000);
			break;
		case 'k':
			customers = number(optarg, CUSTOMERS_MOST);
			break;
		case 'c':
			skew = (int64_t)number(optarg, 86400) * 1000;
			break;
		default:
			return usage();
		}
	}
	if (argc - optind < 4 || (size_t)(argc - optind - 3) > ITEMS_MOST)
		return usage();
	how = (struct hammer_open){ .kind = argv[optind], .servers = argv[optind + 1],
	    .master = argv[optind + 2], .sessions = sessions };
	for (optind += 3; optind < argc; optind++) {
		if (limit_ceiling_parse(argv[optind], false, &ceilings[n_items++]) != 1)
			return usage();
	}
	return 0;
}

static void
stop(int number)
{
	(void)number;
	atomic_store(&shared->stop, 1);
}

static void
say(const char *head)
{
	unsigned i, most = 0;
	uint64_t passed = atomic_load(&shared->passed), refused = atomic_load(&shared->refused),
	    alone = atomic_load(&shared->alone);

	for (i = 0; i < customers; i++) {
		if (atomic_load(&shared->of[i]) > most)
			most = (unsigned)atomic_load(&shared->of[i]);
	}
	(void)printf("%spassed=%" PRIu64 " refused=%" PRIu64 " failed=%" PRIuFAST64 " alone=%" PRIu64
	    " alone_passed=%" PRIuFAST64 " shared=%" PRIu64 " longest_us=%" PRIuFAST64 " most=%u%s%s\n", head,
	    passed, refused, atomic_load(&shared->failed), alone, atomic_load(&shared->alone_passed),
	    passed + refused > alone ? passed + refused - alone : 0, atomic_load(&shared->longest), most,
	    shared->why[0] != '\0' ? " why=" : "", shared->why);
	(void)fflush(stdout);
}

/* Waits for all; 1 when one ended badly. */
static int
await_all(unsigned left)
{
	int status, bad = 0;
	pid_t pid;

	while (left > 0 && (pid = waitpid(-1, &status, WNOHANG)) >= 0) {
		if (pid > 0) {
			left--;
			bad |= status != 0;
		} else {
			sleep_ms(50);
			say("now ");
		}
	}
	return bad || left > 0;
}

int
main(int argc, char **argv)
{
	unsigned i;
	int bad;

	if (arguments(argc, argv) != 0)
		return 2;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	(void)signal(SIGTERM, stop);
	for (i = 0; i < relays; i++) {
		if (fork() == 0)
			exit(run_relay(i));
	}
	while (atomic_load(&shared->ready) < relays && waitpid(-1, NULL, WNOHANG) == 0)
		sleep_ms(5);
	(void)printf("ready\n");
	(void)fflush(stdout);
	atomic_store(&shared->go, 1);
	bad = await_all(relays);
	say("");
	return bad;
}
