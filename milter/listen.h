/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef MILTER_LISTEN_H
#define MILTER_LISTEN_H
/*
 * listen - the sockets: made by us (mode, group, no race with umask), or inherited from systemd.
 *
 *     struct listener l;
 *     if (listen_open(&l, "unix:/run/gatepost/milter.sock", &want, &err) < 0) ...
 *     ... l.fd ...
 *     listen_close(&l);       removes the path if it is still ours
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/err.h"

struct listener {
	int fd;			/* -1 = none */
	bool inherited;		/* from the service manager: lives on without us */
	char path[108];		/* of a unix socket that we made, else "" */
	dev_t dev;		/* of that path, to know it again */
	ino_t ino;
};

struct listen_want {
	mode_t mode;		/* of a unix socket */
	uid_t uid;		/* its owner; (uid_t)-1 = as we are */
	gid_t gid;		/* its group; (gid_t)-1 = as we are */
};

/* "unix:/path", "inet:PORT@HOST", "inet6:PORT@HOST", "fd:N". A stale unix socket is replaced; one that
 * answers is not (another daemon is running). Returns 0, or -1 with e filled. */
int listen_open(struct listener *l, const char *where, const struct listen_want *w, struct err *e);
/* Takes a socket from the service manager (sd_listen_fds(3)) by its name ("milter", "api"); a single unnamed
 * one is the milter's. Returns 0, or -1: there is none of that name. */
int listen_inherit(struct listener *l, const char *name);
/* Stops accepting in this process without closing the socket for others who hold it: a dead socket takes its
 * number. */
int listen_deafen(struct listener *l, struct err *e);
void listen_close(struct listener *l);

#endif
