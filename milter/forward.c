/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * forward - passes on what comes in at the second and further listening sockets.
 *
 * One thread, one epoll. Each connection is a pair of sockets with a buffer for each direction; a side is
 * read only while its buffer is empty, so memory is bounded by the number of pairs. It understands
 * nothing of what it carries.
 */
#include "milter/forward.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "lib/log.h"

#include "lib/banned.h"

#define PAIRS_MOST 4096
#define BUFFER 16384
#define EVENTS 64

struct pair;

/* One side of a pair, or a listening socket (pair NULL). What was read here waits for the other side. */
struct side {
	int fd;
	struct pair *pair;
	struct side *other;
	uint32_t asked;		/* epoll events asked for now */
	bool closed;		/* no more comes from here */
	size_t from, to;	/* data[from..to) waits to be written to the other side */
	char *data;		/* BUFFER bytes, while something waits */
};

struct pair {
	struct side side[2];
	bool dead;
	TAILQ_ENTRY(pair) all;
};

struct forward {
	int epoll, wake;
	struct sockaddr_storage first;
	socklen_t first_size;
	struct side *listening;
	size_t n_listening;
	TAILQ_HEAD(pair_list, pair) pairs;
	size_t n_pairs;
	pthread_t thread;
	pthread_mutex_t lock;	/* guards deaf, stop */
	bool deaf, stop;
};

static void
ask(struct forward *w, struct side *s, uint32_t events, int how)
{
	struct epoll_event ev = { .events = events, .data.ptr = s };

	if (how == EPOLL_CTL_MOD && s->asked == events)
		return;
	s->asked = events;
	(void)epoll_ctl(w->epoll, how, s->fd, &ev);
}

/* ---- pairs ----------------------------------------------------------------------- */

static void
pair_free(struct forward *w, struct pair *p)
{
	int i;

	for (i = 0; i < 2; i++) {
		if (p->side[i].fd >= 0)
			close(p->side[i].fd);
		free(p->side[i].data);
	}
	TAILQ_REMOVE(&w->pairs, p, all);
	w->n_pairs--;
	free(p);
}

/* A side is read while its buffer is empty, and written to while the other's is not. */
static void
pair_ask(struct forward *w, struct pair *p)
{
	int i;

	for (i = 0; i < 2; i++) {
		struct side *s = &p->side[i];
		uint32_t events = 0;

		if (!s->closed && s->from == s->to)
			events |= EPOLLIN;
		if (s->other->from != s->other->to)
			events |= EPOLLOUT;
		ask(w, s, events, EPOLL_CTL_MOD);
	}
}

static bool
side_read(struct side *s)
{
	ssize_t n;

	if (s->data == NULL && (s->data = malloc(BUFFER)) == NULL)
		return false;
	n = read(s->fd, s->data, BUFFER);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	s->from = 0;
	s->to = (size_t)n;
	s->closed = n == 0;
	return true;
}

/* Writes what waits from s to the other side. An idle pair holds no buffer. */
static bool
side_pass(struct side *s)
{
	ssize_t n;

	while (s->from != s->to) {
		n = send(s->other->fd, s->data + s->from, s->to - s->from, MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		s->from += (size_t)n;
	}
	free(s->data);
	s->data = NULL;
	s->from = s->to = 0;
	if (s->closed)
		(void)shutdown(s->other->fd, SHUT_WR);
	return true;
}

static void
pair_serve(struct side *s, uint32_t events)
{
	struct pair *p = s->pair;
	bool ok = true;

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR) && !s->closed && s->from == s->to)
		ok = side_read(s);
	if (ok)
		ok = side_pass(s);
	if (ok && events & EPOLLOUT)
		ok = side_pass(s->other);
	if (!ok || (events & EPOLLERR) || (s->closed && s->other->closed && s->from == s->to &&
	    s->other->from == s->other->to))
		p->dead = true;
}

/* ---- accepting -------------------------------------------------------------------------- */

static int
connect_first(const struct forward *w)
{
	int fd = socket(w->first.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0)
		return -1;
	/* The first socket is our own: its backlog answers at once. */
	if (connect(fd, (const struct sockaddr *)&w->first, w->first_size) < 0) {
		close(fd);
		return -1;
	}
	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	if (w->first.ss_family != AF_UNIX)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static void
pair_new(struct forward *w, int in)
{
	struct pair *p = calloc(1, sizeof(*p));
	int i;

	if (p == NULL)
		abort();
	p->side[0].fd = in;
	p->side[1].fd = connect_first(w);
	TAILQ_INSERT_TAIL(&w->pairs, p, all);
	w->n_pairs++;
	if (p->side[1].fd < 0) {
		pair_free(w, p);
		return;
	}
	for (i = 0; i < 2; i++) {
		p->side[i].pair = p;
		p->side[i].other = &p->side[1 - i];
		ask(w, &p->side[i], EPOLLIN, EPOLL_CTL_ADD);
	}
}

static void
accept_one(struct forward *w, const struct side *listening)
{
	int fd = accept4(listening->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (w->n_pairs >= PAIRS_MOST) {
		log_line(LOG_LEVEL_WARNING,
		    "too many connections at a further listening socket; one is closed");
		close(fd);
		return;
	}
	pair_new(w, fd);
}

/* ---- the thread --------------------------------------------------------------------------- */

static void
stop_listening(struct forward *w)
{
	size_t i;

	for (i = 0; i < w->n_listening; i++) {
		if (w->listening[i].fd >= 0)
			close(w->listening[i].fd);
		w->listening[i].fd = -1;
	}
}

/* False when it is over. */
static bool
look_around(struct forward *w)
{
	bool deaf, stop;

	pthread_mutex_lock(&w->lock);
	deaf = w->deaf;
	stop = w->stop;
	pthread_mutex_unlock(&w->lock);
	if (deaf)
		stop_listening(w);
	return !stop;
}

static void
bury(struct forward *w)
{
	struct pair *p, *next;

	for (p = TAILQ_FIRST(&w->pairs); p != NULL; p = next) {
		next = TAILQ_NEXT(p, all);
		if (p->dead)
			pair_free(w, p);
	}
}

static void *
forward_run(void *arg)
{
	struct forward *w = arg;
	struct epoll_event ev[EVENTS];
	bool dead;
	int n, i;

	while (look_around(w)) {
		n = epoll_wait(w->epoll, ev, EVENTS, -1);
		for (dead = false, i = 0; i < n; i++) {
			struct side *s = ev[i].data.ptr;

			if (s == NULL) {
				uint64_t woken;

				(void)!read(w->wake, &woken, sizeof(woken));
			} else if (s->pair == NULL)
				accept_one(w, s);
			else if (!s->pair->dead) {
				pair_serve(s, ev[i].events);
				if (s->pair->dead)
					dead = true;
				else
					pair_ask(w, s->pair);
			}
		}
		/* Only after the whole batch: a later event of it may speak of the pair. */
		if (dead)
			bury(w);
	}
	return NULL;
}

static void
wake(struct forward *w, bool stop)
{
	const uint64_t one = 1;

	pthread_mutex_lock(&w->lock);
	w->deaf = true;
	w->stop |= stop;
	pthread_mutex_unlock(&w->lock);
	(void)!write(w->wake, &one, sizeof(one));
}

void
forward_deafen(struct forward *w)
{
	if (w != NULL)
		wake(w, false);
}

static void
forward_free(struct forward *w)
{
	struct pair *p, *next;

	for (p = TAILQ_FIRST(&w->pairs); p != NULL; p = next) {
		next = TAILQ_NEXT(p, all);
		pair_free(w, p);
	}
	if (w->epoll >= 0)
		close(w->epoll);
	if (w->wake >= 0)
		close(w->wake);
	pthread_mutex_destroy(&w->lock);
	free(w->listening);
	free(w);
}

void
forward_close(struct forward **w)
{
	if (*w == NULL)
		return;
	wake(*w, true);
	pthread_join((*w)->thread, NULL);
	stop_listening(*w);
	forward_free(*w);
	*w = NULL;
}

static int
start(struct forward *w)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&w->thread, NULL, forward_run, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return r;
}

struct forward *
forward_open(struct listener *extra, size_t n, const struct listener *first, struct err *e)
{
	struct forward *w = calloc(1, sizeof(*w));
	struct epoll_event ev = { .events = EPOLLIN };
	size_t i;

	if (w == NULL || (w->listening = calloc(n, sizeof(*w->listening))) == NULL)
		abort();
	TAILQ_INIT(&w->pairs);
	pthread_mutex_init(&w->lock, NULL);
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	w->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	w->first_size = sizeof(w->first);
	if (w->epoll < 0 || w->wake < 0 ||
	    getsockname(first->fd, (struct sockaddr *)&w->first, &w->first_size) < 0 ||
	    epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->wake, &ev) < 0) {
		(void)err_set(e, ERR_SYSTEM, "further listening sockets: %s", strerror(errno));
		forward_free(w);
		return NULL;
	}
	for (i = 0; i < n; i++) {
		w->listening[i].fd = extra[i].fd;
		ask(w, &w->listening[i], EPOLLIN, EPOLL_CTL_ADD);
	}
	w->n_listening = n;
	if (start(w) != 0) {
		(void)err_set(e, ERR_SYSTEM, "further listening sockets: no thread");
		forward_free(w);
		return NULL;
	}
	for (i = 0; i < n; i++)
		extra[i].fd = -1;
	return w;
}
