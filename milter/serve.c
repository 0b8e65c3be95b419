/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * serve - signals, and how libmilter is started, drained and stopped.
 *
 * The main thread keeps the signals: libmilter's own signal thread would end the daemon on SIGHUP, and could
 * not drain. smfi_main runs in a thread of its own with HUP, TERM and INT blocked, and what its signal thread
 * waits in is our sigwait below.
 */
#include "milter/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "milter/notify.h"
#include "milter/session.h"

#include "lib/banned.h"

#define TICK_MS 1000
#define DRAIN_TICK_MS 20
#define DRAIN_QUIET_TICKS 10
#define STOP_TRIES 300		/* of a tick: libmilter looks up from its poll within 5 s by itself */

static int signal_pipe[2];
static atomic_bool gave_up;	/* smfi_main has returned */

/* ---- signals ------------------------------------------------------------------ */

static void
on_signal(int sig)
{
	int saved = errno;
	char c = (char)sig;

	(void)!write(signal_pipe[1], &c, 1);
	errno = saved;
}

/* Ends the listener's poll; see stop_libmilter. */
static void
wake_up(int sig)
{
	(void)sig;
}

int
serve_catch_signals(struct err *e)
{
	static const int caught[] = { SIGHUP, SIGTERM, SIGINT };
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART | SA_NODEFER };
	size_t i;

	if (pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_set(e, ERR_SYSTEM, "pipe: %s", strerror(errno));
	sigemptyset(&sa.sa_mask);
	for (i = 0; i < sizeof(caught) / sizeof(caught[0]); i++)
		sigaction(caught[i], &sa, NULL);
	sa.sa_handler = wake_up;
	sa.sa_flags = 0;
	sigaction(SIGUSR1, &sa, NULL);
	sa.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &sa, NULL);
	return 0;
}

/* libmilter's signal thread calls this one, and so gets no signal. By the C library's it would take one that comes
 * while it begins to wait, before the main thread is there: the daemon would end at once, even for SIGHUP. */
int
sigwait(const sigset_t *set, int *sig)
{
	(void)set;
	(void)sig;
	for (;;)
		(void)pause();
}

/* Starts a thread with every signal blocked: only the main thread takes them. */
static void
start_thread(pthread_t *to, void *(*run)(void *))
{
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (pthread_create(to, NULL, run, NULL) != 0)
		abort();
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* A caught signal, or 0 when none came in ms. */
static int
wait_signal(int ms)
{
	struct pollfd p = { .fd = signal_pipe[0], .events = POLLIN };
	char c;

	if (poll(&p, 1, ms) == 1 && read(signal_pipe[0], &c, 1) == 1)
		return c;
	return 0;
}

/* ---- libmilter ------------------------------------------------------------------- */

static void *
run_libmilter(void *unused)
{
	sigset_t wake;

	(void)unused;
	sigemptyset(&wake);
	sigaddset(&wake, SIGUSR1);
	pthread_sigmask(SIG_UNBLOCK, &wake, NULL);
	if (session_serve() < 0)
		log_line(LOG_LEVEL_ERROR, "libmilter gave up");
	gave_up = true;
	on_signal(SIGTERM);
	return NULL;
}

/* Accepts nothing more, and waits until the sessions have ended by themselves. A connection that libmilter
 * has accepted counts only once it has negotiated, so none may show for a while. */
static void
drain(struct listener *milter, struct forward *further, uint64_t ms)
{
	uint64_t deadline = clock_deadline(ms);
	unsigned quiet = 0;
	struct err e;

	log_printf(LOG_LEVEL_NOTICE, "stopping: %llu sessions open", (unsigned long long)session_count());
	forward_deafen(further);
	if (milter->fd >= 0 && listen_deafen(milter, &e) < 0)
		log_line(LOG_LEVEL_ERROR, e.text);
	while (quiet < DRAIN_QUIET_TICKS && clock_left(deadline) > 0) {
		if (wait_signal(DRAIN_TICK_MS) == SIGTERM)
			break;
		quiet = session_count() > 0 ? 0 : quiet + 1;
	}
	if (session_count() > 0)
		log_printf(LOG_LEVEL_WARNING, "stopping: %llu sessions cut off",
		    (unsigned long long)session_count());
}

static void *
run_stop(void *unused)
{
	(void)unused;
	session_stop();
	return NULL;
}

/* True when the thread has ended within a tick. */
static bool
joined(pthread_t thread)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += DRAIN_TICK_MS * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_nsec -= 1000000000L;
		until.tv_sec++;
	}
	return pthread_timedjoin_np(thread, NULL, &until) == 0;
}

/* smfi_stop waits for the listener's lock, and the listener sits in a poll of up to 5 s on a socket that
 * nobody connects to any more: so it runs beside us, while a signal that does nothing ends that poll. Both
 * threads must be gone before the process ends in order, since libmilter then destroys its locks. False when
 * they are not. */
static bool
stop_libmilter(pthread_t libmilter, struct listener *milter)
{
	bool serving = true, stopping = !gave_up;
	pthread_t stopper;
	unsigned tries;

	if (stopping)
		start_thread(&stopper, run_stop);
	for (tries = 0; tries < STOP_TRIES; tries++) {
		if (serving && joined(libmilter)) {
			serving = false;
			milter->fd = -1;	/* libmilter has closed it; the number may be another's by now */
		}
		if (!serving && (!stopping || joined(stopper)))
			return true;
		if (serving)
			pthread_kill(libmilter, SIGUSR1);
	}
	log_line(LOG_LEVEL_WARNING, "libmilter did not return; leaving without it");
	return false;
}

bool
serve(struct daemon *d, struct listener *milter, struct forward *further, bool *failed)
{
	pthread_t libmilter;
	int sig;

	start_thread(&libmilter, run_libmilter);
	for (;;) {
		sig = wait_signal(TICK_MS);
		if (sig == SIGHUP)
			(void)daemon_reload(d, NULL, NULL);
		else if (sig != 0)
			break;
	}
	*failed = gave_up;
	notify_send("STOPPING=1");
	if (!*failed)
		drain(milter, further, daemon_drain_time(d));
	return stop_libmilter(libmilter, milter) && session_count() == 0;
}
