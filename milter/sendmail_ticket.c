/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * sendmail_ticket - the client's end of the ticket socket. It believes the daemon as little as it must:
 * what it takes for a ticket is one printable line, since it goes into a message's header.
 */
#include "milter/sendmail_ticket.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/str.h"

#include "lib/banned.h"

#define QUESTION 4000
#define ANSWER 1024
#define PAUSE_LEAST 20		/* ms between two attempts */
#define PAUSE_MOST 320

static void
say(struct str *to, const char *name, const char *value, size_t most)
{
	size_t i, n;

	if (value == NULL || *value == '\0')
		return;
	n = strlen(value);
	for (i = 0; i < n; i++)
		if ((unsigned char)value[i] < 0x20 || value[i] == 0x7f)
			return;
	/* The end of a path tells most; a longer token or address is none. */
	if (n > most) {
		if (strcmp(name, "script") != 0)
			return;
		value += n - most;
	}
	str_catf(to, "%s=%s\n", name, value);
}

static int
wait_for(int fd, short events, uint64_t deadline, struct err *e)
{
	struct pollfd p = { .fd = fd, .events = events };
	int r;

	do
		r = poll(&p, 1, (int)clock_left(deadline));
	while (r < 0 && errno == EINTR);
	if (r > 0)
		return 0;
	return r == 0 ? err_set(e, ERR_TIMEOUT, "the daemon does not answer in time") :
	    err_set(e, ERR_SYSTEM, "poll: %s", strerror(errno));
}

/* With its queue full (EAGAIN), a unix socket cannot be waited for: so this blocks, for as long as we
 * have. */
static int
call(const char *path, uint64_t deadline, struct err *e)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	uint64_t left = clock_left(deadline) + 1;
	struct timeval most = { .tv_sec = (time_t)(left / 1000),
	    .tv_usec = (suseconds_t)(left % 1000 * 1000) };
	int fd;

	if (!str_copy(sun.sun_path, sizeof(sun.sun_path), path))
		return err_set(e, ERR_INPUT, "%s: path too long for a socket", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof(most)) < 0 ||
	    connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0) {
		err_set(e, errno == ENOENT || errno == ECONNREFUSED ? ERR_GONE : ERR_SYSTEM, "%s: %s", path,
		    strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

static int
ask(int fd, const struct str *question, char answer[ANSWER], uint64_t deadline, struct err *e)
{
	size_t n = 0;
	ssize_t r;

	/* Smaller than any socket's buffer: it goes at once or not at all. */
	if (send(fd, question->data, question->len, MSG_NOSIGNAL) != (ssize_t)question->len)
		return err_set(e, ERR_GONE, "the daemon takes no question: %s", strerror(errno));
	while (memchr(answer, '\n', n) == NULL) {
		if (n == ANSWER - 1)
			return err_set(e, ERR_INPUT, "the daemon's answer cannot be read");
		if (wait_for(fd, POLLIN, deadline, e) < 0)
			return -1;
		r = recv(fd, answer + n, ANSWER - 1 - n, MSG_DONTWAIT);
		if (r == 0 || (r < 0 && errno != EAGAIN && errno != EINTR))
			return err_set(e, ERR_GONE, "the daemon went away");
		n += r < 0 ? 0 : (size_t)r;
	}
	*(char *)memchr(answer, '\n', n) = '\0';
	return 0;
}

static int
read_answer(const char *answer, char *value, size_t size, struct err *e)
{
	const char *c;

	for (c = answer; *c != '\0'; c++)
		if (*c < 0x20 || *c > 0x7e)
			return err_set(e, ERR_INPUT, "the daemon's answer cannot be read");
	if (strncmp(answer, "ticket ", 7) != 0)
		return err_set(e, strncmp(answer, "later ", 6) == 0 ? ERR_GONE : ERR_DENIED,
		    "the daemon gives no ticket: %.100s", answer);
	return str_copy(value, size, answer + 7) ? 0 : err_set(e, ERR_INPUT, "the ticket is too long");
}

static int
try(const char *path, const struct str *question, uint64_t deadline, char *value, size_t size, struct err *e)
{
	char answer[ANSWER] = "";
	int fd = call(path, deadline, e), r;

	if (fd < 0)
		return -1;
	r = ask(fd, question, answer, deadline, e);
	close(fd);
	return r < 0 ? -1 : read_answer(answer, value, size, e);
}

/* A daemon that starts anew is gone for a moment, and one of whom this user asks too much at a time hangs up.
 * Without a ticket the mail may be refused for good: so it is worth the time that we have. */
int
sendmail_ticket_get(const char *path, unsigned timeout, const struct sendmail_says *says, char *value,
    size_t size, struct err *e)
{
	uint64_t deadline = clock_deadline(timeout), left;
	char question[QUESTION];
	struct str q = STR_IN(question);
	int pause = PAUSE_LEAST;

	str_cat(&q, "gatepost-ticket 1\n");
	say(&q, "token", says->token, 1000);
	say(&q, "address", says->address, 100);
	say(&q, "script", says->script, 1000);
	str_cat(&q, "\n");
	while (try(path, &q, deadline, value, size, e) < 0) {
		left = clock_left(deadline);
		if (e->code != ERR_GONE || left <= (uint64_t)pause)
			return -1;
		(void)poll(NULL, 0, pause);
		if (pause < PAUSE_MOST)
			pause *= 2;
	}
	return 0;
}
