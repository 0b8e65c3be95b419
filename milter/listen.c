/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * listen - makes, inherits and retires listening sockets.
 *
 * libmilter would bind under the process's umask and unlink whatever stands at its path when it ends, also
 * a successor's socket; so the sockets are ours, and libmilter gets "fd:N".
 */
#include "milter/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "lib/str.h"

#include "lib/banned.h"

#define BACKLOG 1024
#define FIRST_FD 3	/* sd_listen_fds(3) */

static int
fail(struct err *e, int fd, const char *where, const char *what)
{
	int saved = errno;

	if (fd >= 0)
		close(fd);
	return err_set(e, ERR_SYSTEM, "%s: %s: %s", where, what, strerror(saved));
}

/* ---- unix --------------------------------------------------------------------- */

/* A socket left behind by a killed daemon refuses everybody; one that does anything else may be a running
 * one's: busy (EAGAIN), or not ours to ask (EACCES). */
static int
clear_path(const struct sockaddr_un *sun, const char *where, struct err *e)
{
	struct stat st;
	int fd, r;

	if (lstat(sun->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : fail(e, -1, where, "cannot look at it");
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, ERR_INPUT, "%s: something that is no socket stands there", where);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fail(e, -1, where, "socket");
	r = connect(fd, (const struct sockaddr *)sun, sizeof(*sun));
	if (r < 0 && errno != ECONNREFUSED && errno != EAGAIN)
		return fail(e, fd, where, "cannot ask who answers there");
	if (r == 0 || errno == EAGAIN) {
		close(fd);
		return err_set(e, ERR_DENIED, "%s: another daemon answers there", where);
	}
	close(fd);
	if (unlink(sun->sun_path) < 0)
		return fail(e, -1, where, "cannot replace it");
	return 0;
}

static int
open_unix(struct listener *l, const char *path, const char *where, const struct listen_want *w, struct err *e)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct stat st;
	mode_t old;
	int fd, r;

	if (!str_copy(sun.sun_path, sizeof(sun.sun_path), path))
		return err_set(e, ERR_INPUT, "%s: path too long for a socket", where);
	if (clear_path(&sun, where, e) < 0)
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fail(e, -1, where, "socket");
	old = umask(0177);
	r = bind(fd, (const struct sockaddr *)&sun, sizeof(sun));
	umask(old);
	if (r < 0)
		return fail(e, fd, where, "cannot bind");
	if ((w->uid != (uid_t)-1 || w->gid != (gid_t)-1) && chown(path, w->uid, w->gid) < 0)
		return fail(e, fd, where, "cannot set its owner");
	if (chmod(path, w->mode) < 0)
		return fail(e, fd, where, "cannot set its mode");
	if (listen(fd, BACKLOG) < 0 || stat(path, &st) < 0)
		return fail(e, fd, where, "cannot listen");
	l->fd = fd;
	str_copy(l->path, sizeof(l->path), path);
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	return 0;
}

/* ---- TCP ------------------------------------------------------------------------ */

/* Accepted sockets inherit TCP_NODELAY. Without it the verdict waits for a delayed ACK of the header edit
 * before it: 40 ms a message. */
static int
open_inet(struct listener *l, const char *spec, int family, const char *where, struct err *e)
{
	const char *at = strchr(spec, '@');
	struct addrinfo hints = { .ai_family = family, .ai_socktype = SOCK_STREAM,
	    .ai_flags = AI_PASSIVE | AI_NUMERICHOST }, *ai;
	char port[8];
	int fd, one = 1, r;

	if (at == NULL || at == spec || (size_t)(at - spec) >= sizeof(port))
		return err_set(e, ERR_INPUT, "%s: PORT@HOST is wanted", where);
	memcpy(port, spec, (size_t)(at - spec));
	port[at - spec] = '\0';
	if (strcmp(at + 1, "localhost") == 0)
		hints.ai_flags &= ~AI_NUMERICHOST;
	r = getaddrinfo(at + 1, port, &hints, &ai);
	if (r != 0)
		return err_set(e, ERR_INPUT, "%s: %s (an address is wanted)", where, gai_strerror(r));
	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0 ||
	    bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0) {
		r = fail(e, fd, where, "cannot listen");
		freeaddrinfo(ai);
		return r;
	}
	freeaddrinfo(ai);
	l->fd = fd;
	return 0;
}

/* ---- given ----------------------------------------------------------------------- */

static bool
is_listening(int fd)
{
	int yes = 0;
	socklen_t n = sizeof(yes);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &n) == 0 && yes != 0;
}

static int
open_fd(struct listener *l, const char *spec, const char *where, struct err *e)
{
	char *end;
	long fd = strtol(spec, &end, 10);

	if (*spec == '\0' || *end != '\0' || fd < 0 || fd > 1000000 || !is_listening((int)fd))
		return err_set(e, ERR_INPUT, "%s: no listening socket has that number", where);
	l->fd = (int)fd;
	l->inherited = true;
	return 0;
}

int
listen_open(struct listener *l, const char *where, const struct listen_want *w, struct err *e)
{
	memset(l, 0, sizeof(*l));
	l->fd = -1;
	if (strncmp(where, "unix:", 5) == 0)
		return open_unix(l, where + 5, where, w, e);
	if (strncmp(where, "inet6:", 6) == 0)
		return open_inet(l, where + 6, AF_INET6, where, e);
	if (strncmp(where, "inet:", 5) == 0)
		return open_inet(l, where + 5, AF_INET, where, e);
	if (strncmp(where, "fd:", 3) == 0)
		return open_fd(l, where + 3, where, e);
	return err_set(e, ERR_INPUT, "%s: unix:, inet:, inet6: or fd: is wanted", where);
}

/* The n-th of the colon-separated names in LISTEN_FDNAMES. */
static bool
name_is(const char *names, int n, const char *name)
{
	size_t len = strlen(name);

	while (n-- > 0 && names != NULL) {
		names = strchr(names, ':');
		if (names != NULL)
			names++;
	}
	return names != NULL && strncmp(names, name, len) == 0 && (names[len] == ':' || names[len] == '\0');
}

int
listen_inherit(struct listener *l, const char *name)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	const char *names = getenv("LISTEN_FDNAMES");
	int n, i;

	memset(l, 0, sizeof(*l));
	l->fd = -1;
	if (pid == NULL || fds == NULL || strtol(pid, NULL, 10) != (long)getpid())
		return -1;
	n = (int)strtol(fds, NULL, 10);
	for (i = 0; i < n && i < 16; i++) {
		bool only = names == NULL || *names == '\0' || name_is(names, i, "unknown");

		if (!is_listening(FIRST_FD + i) || !(name_is(names, i, name) ||
		    (only && n == 1 && strcmp(name, "milter") == 0)))
			continue;
		l->fd = FIRST_FD + i;
		l->inherited = true;
		fcntl(l->fd, F_SETFD, FD_CLOEXEC);
		return 0;
	}
	return -1;
}

/* ---- retiring ------------------------------------------------------------------------ */

int
listen_deafen(struct listener *l, struct err *e)
{
	struct sockaddr_un none = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	/* Bound to no name (Linux picks an abstract one), so nobody connects; non-blocking, since libmilter
	 * would otherwise sit in accept() with its lock held. */
	if (fd < 0 || bind(fd, (struct sockaddr *)&none, sizeof(sa_family_t)) < 0 || listen(fd, 1) < 0)
		return fail(e, fd, "listening socket", "cannot be replaced");
	if (dup3(fd, l->fd, O_CLOEXEC) < 0)
		return fail(e, fd, "listening socket", "cannot be replaced");
	close(fd);
	return 0;
}

void
listen_close(struct listener *l)
{
	struct stat st;

	/* A successor may have put its own socket there already. */
	if (*l->path != '\0' && stat(l->path, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino)
		unlink(l->path);
	*l->path = '\0';
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}
