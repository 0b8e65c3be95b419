/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * submission - the ticket socket: one thread, many short connections.
 *
 * Any local user may connect, so what one user can hold is bounded: connections, time, bytes. When all places
 * are taken, the user who holds most loses his oldest. Who somebody is, is read when he is accepted, before a
 * byte of his. What is answered is submission_ticket.c's.
 */
#include "milter/submission.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/str.h"
#include "milter/chain.h"

#include "lib/banned.h"

#define PLACES 256u
#define PLACES_OF_ONE 16u	/* one user's */
#define PATIENCE_MS 5000u	/* for a whole connection */
#define REST_MS 100		/* when no descriptor is to be had */
#define TOKENS_MOST 16384u	/* web tokens remembered at a time */

struct guest {
	int fd, process;
	struct peer peer;
	uint64_t deadline;		/* clock_mono_us */
	size_t n_in, n_out, sent;
	char in[SUBMISSION_QUESTION_MOST + 1];
	char out[SUBMISSION_ANSWER_MOST];
};

struct submission {
	struct submission_hooks hooks;
	struct ticket_book *tokens;
	pthread_t thread;
	int listen_fd, stop_fd;
	bool resting;			/* no descriptors: nobody is let in for a moment */
	size_t n;
	struct guest *guests[PLACES];	/* oldest first */
};

/* ---- coming and going ------------------------------------------------------------------------- */

static void
leave(struct submission *s, size_t i)
{
	struct guest *g = s->guests[i];

	close(g->fd);
	if (g->process >= 0)
		close(g->process);
	free(g);
	s->n--;
	memmove(&s->guests[i], &s->guests[i + 1], (s->n - i) * sizeof(s->guests[0]));
}

/* Connections of that user; *oldest is the first of them. */
static size_t
places_of(const struct submission *s, uid_t uid, size_t *oldest)
{
	size_t i, n = 0;

	for (i = 0; i < s->n; i++)
		if (s->guests[i]->peer.uid == uid && n++ == 0)
			*oldest = i;
	return n;
}

static void
make_room(struct submission *s)
{
	size_t i, oldest = 0, most = 0, first = 0, n;

	for (i = 0; i < s->n; i++) {
		n = places_of(s, s->guests[i]->peer.uid, &first);
		if (n > most) {
			most = n;
			oldest = first;
		}
	}
	leave(s, oldest);
}

/* The client goes on without a ticket, or tries again later, as it is configured. */
static void
come(struct submission *s, int take_fd)
{
	struct guest *g = calloc(1, sizeof(*g));
	size_t oldest;

	if (g == NULL)
		abort();
	g->fd = take_fd;
	g->process = -1;
	if (!peer_see(take_fd, &g->peer) || places_of(s, g->peer.uid, &oldest) >= PLACES_OF_ONE) {
		close(take_fd);
		free(g);
		return;
	}
	if (s->n == PLACES)
		make_room(s);
	g->process = peer_process(take_fd, &g->peer);
	g->deadline = clock_deadline(PATIENCE_MS);
	s->guests[s->n++] = g;
}

static void
let_in(struct submission *s)
{
	int fd, i;

	/* A few at a time: those inside are served in between. */
	for (i = 0; i < 16; i++) {
		fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0) {
			s->resting = errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
			    errno == ENOBUFS;
			return;
		}
		come(s, fd);
	}
}

/* ---- one guest ---------------------------------------------------------------------------------- */

static void
answer(struct submission *s, struct guest *g)
{
	struct submission_question q = { .tokens = s->tokens, .peer = &g->peer, .process = g->process,
	    .text = g->in, .now = clock_now() };
	struct chain *ch = s->hooks.chain(s->hooks.cookie);
	struct str out = STR_IN(g->out);

	if (ch != NULL) {
		peer_name(&g->peer);
		q.services = chain_services(ch);
		submission_answer(&q, &out);
		chain_unref(&ch);
	} else
		str_cat(&out, "later the daemon is not ready\n");
	g->n_out = out.len;
}

/* Where the question ends: behind an empty line. 0 = not yet. */
static size_t
end_of(const char *text, size_t n)
{
	const char *end = memmem(text, n, "\n\n", 2);

	return end == NULL ? 0 : (size_t)(end - text) + 1;
}

/* False when he has said all that he will, or too much. */
static bool
listen_to(struct submission *s, struct guest *g)
{
	ssize_t r = recv(g->fd, g->in + g->n_in, SUBMISSION_QUESTION_MOST - g->n_in, 0);
	size_t end;

	if (r <= 0)
		return r < 0 && (errno == EAGAIN || errno == EINTR);
	g->n_in += (size_t)r;
	end = end_of(g->in, g->n_in);
	if (end == 0)
		return g->n_in < SUBMISSION_QUESTION_MOST;
	/* What stands behind a NUL would not be read. */
	if (memchr(g->in, '\0', end) != NULL)
		return false;
	g->in[end] = '\0';
	answer(s, g);
	return true;
}

static bool
speak(struct guest *g)
{
	ssize_t r = send(g->fd, g->out + g->sent, g->n_out - g->sent, MSG_NOSIGNAL);

	if (r < 0)
		return errno == EAGAIN || errno == EINTR;
	g->sent += (size_t)r;
	return g->sent < g->n_out;
}

static bool
serve(struct submission *s, struct guest *g, short events)
{
	if (g->n_out == 0 && events & (POLLIN | POLLHUP | POLLERR) && !listen_to(s, g))
		return false;
	if (g->n_out > 0 && !speak(g))
		return false;
	return true;
}

/* ---- the thread --------------------------------------------------------------------------------- */

static int
wait_for(const struct submission *s, struct pollfd *p)
{
	uint64_t left, least = s->resting ? REST_MS : UINT64_MAX;
	size_t i;

	p[0] = (struct pollfd){ .fd = s->stop_fd, .events = POLLIN };
	p[1] = (struct pollfd){ .fd = s->resting ? -1 : s->listen_fd, .events = POLLIN };
	for (i = 0; i < s->n; i++) {
		p[2 + i] = (struct pollfd){ .fd = s->guests[i]->fd,
		    .events = s->guests[i]->n_out > 0 ? POLLOUT : POLLIN };
		left = clock_left(s->guests[i]->deadline) + 1;
		if (left < least)
			least = left;
	}
	return poll(p, s->n + 2, least == UINT64_MAX ? -1 : (int)least);
}

static void
serve_all(struct submission *s, const struct pollfd *p)
{
	size_t n = s->n, i;

	/* From the last to the first: who leaves moves only those already served. */
	for (i = n; i-- > 0; )
		if ((p[2 + i].revents != 0 && !serve(s, s->guests[i], p[2 + i].revents)) ||
		    clock_left(s->guests[i]->deadline) == 0)
			leave(s, i);
}

static void *
work(void *arg)
{
	struct submission *s = arg;
	struct pollfd p[PLACES + 2];

	for (;;) {
		if (wait_for(s, p) < 0 && errno != EINTR) {
			log_printf(LOG_LEVEL_ERROR, "ticket socket: poll: %s", strerror(errno));
			return NULL;
		}
		if (p[0].revents != 0)
			return NULL;
		serve_all(s, p);
		if (s->resting || p[1].revents != 0) {
			s->resting = false;
			let_in(s);
		}
	}
}

static int
start(struct submission *s)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&s->thread, NULL, work, s);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return r;
}

struct submission *
submission_open(int take_listen_fd, const struct submission_hooks *hooks, struct err *e)
{
	struct submission *s = calloc(1, sizeof(*s));
	int r;

	if (s == NULL)
		abort();
	s->hooks = *hooks;
	s->listen_fd = take_listen_fd;
	/* Who has gone away again must not hold us in accept(). */
	fcntl(take_listen_fd, F_SETFL, fcntl(take_listen_fd, F_GETFL) | O_NONBLOCK);
	s->stop_fd = eventfd(0, EFD_CLOEXEC);
	s->tokens = ticket_book_new(TOKENS_MOST);
	if (s->stop_fd >= 0 && (r = start(s)) == 0)
		return s;
	err_set(e, ERR_SYSTEM, "the ticket socket cannot be served: %s",
	    strerror(s->stop_fd < 0 ? errno : r));
	if (s->stop_fd >= 0)
		close(s->stop_fd);
	ticket_book_free(&s->tokens);
	free(s);
	return NULL;
}

void
submission_close(struct submission **s)
{
	struct submission *p = *s;

	if (p == NULL)
		return;
	(void)eventfd_write(p->stop_fd, 1);
	pthread_join(p->thread, NULL);
	while (p->n > 0)
		leave(p, p->n - 1);
	close(p->listen_fd);
	close(p->stop_fd);
	ticket_book_free(&p->tokens);
	free(p);
	*s = NULL;
}
