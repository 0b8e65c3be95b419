/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * peer - asks the kernel who connected, and the system what his name and groups are.
 *
 * Shared by the API, which lets some in, and the ticket socket, which attests to all. It decides nothing.
 */
#include "milter/peer.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/str.h"

#include "lib/banned.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77		/* Linux 6.5 */
#endif
#define GROUPS_MOST 1024
#define OVERFLOW_UID 65534	/* Linux' default; /proc/sys/kernel/overflowuid may say another */

void
peer_name(struct peer *p)
{
	struct passwd pw, *found = NULL;
	char space[4096];

	if (getpwuid_r(p->uid, &pw, space, sizeof(space), &found) == 0 && found != NULL &&
	    str_copy(p->name, sizeof(p->name), pw.pw_name))
		p->primary = pw.pw_gid;
	else
		p->name[0] = '\0';
}

bool
peer_see(int fd, struct peer *p)
{
	struct ucred cred;
	socklen_t n = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) != 0 || n != sizeof(cred))
		return false;
	memset(p, 0, sizeof(*p));
	p->uid = cred.uid;
	p->gid = p->primary = cred.gid;
	p->pid = cred.pid;
	return true;
}

bool
peer_read(int fd, struct peer *p)
{
	if (!peer_see(fd, p))
		return false;
	peer_name(p);
	return true;
}

static bool
in_group(const struct peer *p, const char *name)
{
	struct group gr, *found = NULL;
	char space[32768];
	gid_t groups[GROUPS_MOST];
	int n = GROUPS_MOST, i;

	if (getgrnam_r(name, &gr, space, sizeof(space), &found) != 0 || found == NULL)
		return false;
	if (gr.gr_gid == p->gid)
		return true;
	if (p->name[0] == '\0')
		return false;
	if (getgrouplist(p->name, p->primary, groups, &n) < 0)
		n = GROUPS_MOST;	/* in more groups than that: the first count */
	for (i = 0; i < n; i++)
		if (groups[i] == gr.gr_gid)
			return true;
	return false;
}

bool
peer_listed(const struct peer *p, const struct conf_strings *list)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		if (list->at[i][0] == '@' ? in_group(p, list->at[i] + 1) :
		    p->name[0] != '\0' && strcmp(list->at[i], p->name) == 0)
			return true;
	return false;
}

void
peer_text(const struct peer *p, char *to, size_t size)
{
	struct str s = { to, 0, size, false };

	str_catf(&s, "uid %u", (unsigned)p->uid);
	if (p->name[0] != '\0') {
		str_cat(&s, " (");
		str_cat_safe(&s, p->name);
		str_cat(&s, ")");
	}
}

bool
peer_nobody(const struct peer *p)
{
	FILE *f = fopen("/proc/sys/kernel/overflowuid", "re");
	char text[20] = "";
	bool same = false;

	if (f != NULL) {
		if (fgets(text, sizeof(text), f) != NULL)
			same = strtoul(text, NULL, 10) == p->uid;
		fclose(f);
	}
	return same || p->uid == OVERFLOW_UID;
}

int
peer_process(int fd, const struct peer *p)
{
	int process = -1;
	socklen_t n = sizeof(process);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &process, &n) == 0)
		return process;
	/* Before Linux 6.5 the number alone: its process may be another already. Who reads more of it
	 * must look whose it is. */
	return p->pid <= 0 ? -1 : (int)syscall(SYS_pidfd_open, p->pid, 0);
}
