/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef MILTER_ANCESTRY_H
#define MILTER_ANCESTRY_H
/*
 * ancestry - what a web server put into the environment of a CGI program, read from the process tree.
 *
 *     struct ancestry_found found;
 *     if (ancestry_find(process, pid, uid, is_server, cookie, &found)) ... found.visitor ...
 *
 * A program can change its environment for its children, but not what /proc/PID/environ shows of how it
 * was started itself. So the ancestors of the one who asks are walked up as long as they are his, and
 * what a web server's user began counts, if it was begun as a CGI program. Needs
 * CAP_SYS_PTRACE, to look at other users' processes; without it nothing is ever found. A program that
 * starts itself anew (execve) with another environment, or writes over its own, is believed: this is
 * better than the sender's own word, and no proof.
 */
#include <stdbool.h>
#include <sys/types.h>

#include "lib/net.h"
#include "lib/ticket.h"

struct ancestry_found {
	struct net_addr visitor;
	char script[TICKET_SCRIPT_MAX + 1];	/* "" when it was not told */
};

/* process: a descriptor that stands for pid (peer.h). is_server: is this user the web server's? Takes a
 * fifth of a second at most. Thread safe. */
bool ancestry_find(int process, pid_t pid, uid_t uid, bool (*is_server)(void *cookie, uid_t uid),
    void *cookie,
    struct ancestry_found *to);

/* The two variables of an environment block (n bytes, texts that end in NUL): true when it is a CGI
 * program's and names an address. */
bool ancestry_read(const char *block, size_t n, struct ancestry_found *to);

#endif
