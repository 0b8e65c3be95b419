/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef MILTER_PEER_H
#define MILTER_PEER_H
/*
 * peer - who is at the other end of a unix socket, by the kernel's word.
 *
 *     struct peer p;
 *     if (!peer_read(fd, &p)) ...      the system does not say
 *     if (!peer_listed(&p, list)) ...  "root", "www-data", "@abuse"
 *
 * The kernel notes the effective user at connect(), as seen from our user namespace: root of a namespace
 * of his own is the user who made it. Where we cannot see a user, because we run in a namespace that
 * does not map him, the kernel says its overflow uid (peer_nobody). Thread safe.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/conf.h"

struct peer {
	uid_t uid;
	gid_t gid;
	pid_t pid;		/* as we see it; 0 = not to be seen from here */
	char name[64];		/* "" = the system knows no such user */
	gid_t primary;
};

/* Who it is, with his name; peer_see leaves the name out, for which the system may have to ask others. False
 * when the kernel does not say. */
bool peer_read(int fd, struct peer *p);
bool peer_see(int fd, struct peer *p);
/* Fills in name and primary from the uid, as the system knows them. */
void peer_name(struct peer *p);
/* In the list by user name, or by a group as "@group": the one that the peer's process had, or any that
 * its user is in. */
bool peer_listed(const struct peer *p, const struct conf_strings *list);
/* "uid 1001 (bob)" */
void peer_text(const struct peer *p, char *to, size_t size);
/* True for the overflow uid: nobody in particular. */
bool peer_nobody(const struct peer *p);
/* A descriptor that stands for the peer's process, however its number is reused; -1 when it cannot be
 * had. It is readable when the process is gone. The caller closes it. */
int peer_process(int fd, const struct peer *p);

#endif
