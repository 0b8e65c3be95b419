/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * hammer - many sessions at once against one identity, counting what was accepted.
 *
 *     hammer [-n sessions] [-m messages-a-session] [-c messages | -t seconds] [-l login] [-R] SOCKET
 *
 * Each thread plays one Postfix process: connect, -m messages, quit, again. Every message has a Message-ID of
 * its own, so none is a retry. A session that breaks counts as one error and is opened anew after 10 ms, as
 * the MTA's next client would. With -R the answers at MAIL are not followed by RSET. One line of name=value
 * comes out; exit status 1 if there were errors.
 *
 * The tests judge the numbers: accepted against a ceiling, errors against zero over a restart.
 */
#include "t/milter/mta.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct {
	unsigned sessions, per_session;
	unsigned long count;
	double seconds;
	const char *login, *socket;
	bool no_reset;
} opt = { .sessions = 8, .per_session = 10, .login = "bob@acme.example" };

static atomic_ulong taken, accepted, held, deferred, rejected, at_mail, errors;
static _Atomic double longest;
static double deadline;
static pthread_mutex_t error_lock = PTHREAD_MUTEX_INITIALIZER;
static char first_error[300];		/* error_lock */

static double
now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static bool
more(unsigned long *number)
{
	*number = atomic_fetch_add(&taken, 1);
	return opt.count > 0 ? *number < opt.count : now() < deadline;
}

static void
count(const struct mta *m)
{
	if (mta_passed(m)) {
		(void)atomic_fetch_add(mta_quarantine(m) != NULL ? &held : &accepted, 1);
		return;
	}
	bool temporary = m->reply.code == 't' || (m->reply.code == 'y' && m->reply.text[0] == '4');
	(void)atomic_fetch_add(temporary ? &deferred : &rejected, 1);
	if (m->verdict_at == 'M')
		(void)atomic_fetch_add(&at_mail, 1);
}

static int
message(struct mta *m, unsigned long number)
{
	char address[200], id[100];
	double began = now();

	(void)snprintf(address, sizeof address, "<%.190s>", opt.login);
	(void)snprintf(id, sizeof id, "<%lu.%d.%ld@client.example>", number, (int)getpid(), (long)time(NULL));
	(void)snprintf(m->queue_id, sizeof m->queue_id, "4H%lX", number);
	mta_macro(m, "{auth_type}", "PLAIN");
	mta_macro(m, "{auth_authen}", opt.login);
	if (mta_mail(m, address, NULL, 0) < 0)
		return -1;
	if (m->over) {
		count(m);
		return opt.no_reset ? 0 : mta_abort(m);
	}
	if (mta_rcpt(m, "<someone@dest.example>", NULL, 0) < 0 ||
	    mta_header(m, "From", address) < 0 || mta_header(m, "Message-ID", id) < 0 ||
	    mta_header(m, "Date", "Thu, 15 Jan 2026 10:00:00 +0000") < 0 || mta_end(m) < 0)
		return -1;
	count(m);
	if (now() - began > atomic_load(&longest))
		atomic_store(&longest, now() - began);
	return 0;
}

static void
session(void)
{
	struct mta m;
	struct timespec pause = { 0, 10 * 1000 * 1000 };
	unsigned long number;

	mta_init(&m);
	if (mta_open(&m, opt.socket) == 0 && mta_connect(&m, "client.example", "192.0.2.1", 40000) == 0 &&
	    mta_helo(&m, "client.example") == 0) {
		for (unsigned i = 0; i < opt.per_session && more(&number); i++)
			if (message(&m, number) < 0)
				break;
		if (!m.failed)
			(void)mta_quit(&m);
	}
	if (m.failed) {
		(void)atomic_fetch_add(&errors, 1);
		(void)pthread_mutex_lock(&error_lock);
		if (first_error[0] == '\0')
			(void)snprintf(first_error, sizeof first_error, "%s", m.error);
		(void)pthread_mutex_unlock(&error_lock);
		(void)nanosleep(&pause, NULL);
	}
	mta_close(&m);
}

static void *
thread(void *unused)
{
	(void)unused;
	while (opt.count > 0 ? atomic_load(&taken) < opt.count : now() < deadline)
		session();
	return NULL;
}

static int
usage(void)
{
	fputs("usage: hammer [-R] [-n sessions] [-m messages] [-c count | -t seconds] [-l login] socket\n",
	    stderr);
	return 2;
}

int
main(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "Rn:m:c:t:l:")) != -1) {
		switch (c) {
		case 'R': opt.no_reset = true; break;
		case 'n': opt.sessions = (unsigned)strtoul(optarg, NULL, 10); break;
		case 'm': opt.per_session = (unsigned)strtoul(optarg, NULL, 10); break;
		case 'c': opt.count = strtoul(optarg, NULL, 10); break;
		case 't': opt.seconds = strtod(optarg, NULL); break;
		case 'l': opt.login = optarg; break;
		default: return usage();
		}
	}
	if (optind + 1 != argc || opt.sessions == 0 || opt.sessions > 1000 ||
	    (opt.count == 0 && opt.seconds <= 0))
		return usage();
	opt.socket = argv[optind];
	deadline = now() + (opt.count > 0 ? 120 : opt.seconds);

	pthread_t *threads = calloc(opt.sessions, sizeof *threads);
	if (threads == NULL)
		return 1;
	for (unsigned i = 0; i < opt.sessions; i++)
		if (pthread_create(&threads[i], NULL, thread, NULL) != 0)
			return 1;
	for (unsigned i = 0; i < opt.sessions; i++)
		(void)pthread_join(threads[i], NULL);
	free(threads);
	printf("accepted=%lu held=%lu deferred=%lu rejected=%lu at_mail=%lu errors=%lu longest_ms=%.0f\n",
	    atomic_load(&accepted), atomic_load(&held), atomic_load(&deferred), atomic_load(&rejected),
	    atomic_load(&at_mail), atomic_load(&errors), atomic_load(&longest) * 1000);
	if (first_error[0] != '\0')
		fprintf(stderr, "hammer: first error: %s\n", first_error);
	return atomic_load(&errors) > 0;
}
