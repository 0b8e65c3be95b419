/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * ancestry - walks up /proc from a process and reads environments on the way.
 *
 * Called from the ticket socket's thread, for a process that a hostile user may own: everything is
 * bounded (generations, bytes, time), and what was read counts only if the processes it was read from were
 * the same before and after. It changes nothing and keeps nothing.
 *
 * Who owns a process can put a file system of his own (FUSE) under its memory, and never answer: who reads
 * there hangs for as long as he likes. So only a web server's programs are looked into at all, by a thread
 * for each question, which is left behind when it takes too long.
 */
#include "milter/ancestry.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/uio.h>

#include "lib/clock.h"

#include "lib/banned.h"

#define GENERATIONS 16
#define ENVIRON_MOST ((size_t)64 << 10)
#define READ_MS 200u		/* of one user's processes: others wait meanwhile */
#define SLOW_MS 20u		/* longer than memory takes */
#define REST 100u		/* who was slow is not read for so many times as long */
#define READERS_MOST 8u		/* threads, with those left behind, and users who rest */

struct process {
	pid_t pid, parent;
	uid_t uid;
};

/* Reads at most size - 1 bytes of /proc/PID/NAME and a NUL; -1 when it cannot be had. */
static ssize_t
read_file(pid_t pid, const char *name, char *to, size_t size)
{
	char path[64];
	size_t n = 0;
	ssize_t r = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	while (n < size - 1 && (r = read(fd, to + n, size - 1 - n)) > 0)
		n += (size_t)r;
	close(fd);
	to[n] = '\0';
	return r < 0 ? -1 : (ssize_t)n;
}

static bool
number_after(const char *text, const char *name, long skip, long *to)
{
	const char *at = strstr(text, name);
	char *end;

	if (at == NULL)
		return false;
	for (at += strlen(name); skip >= 0; skip--, at = end) {
		*to = strtol(at, &end, 10);
		if (end == at)
			return false;
	}
	return *to >= 0;
}

/* From status: "PPid:\t1", "Uid:\treal effective saved filesystem". The name, which the process chose, stands
 * before them on a line of its own, with line ends escaped. */
static bool
look(pid_t pid, struct process *to)
{
	char text[4096];
	long parent, uid;

	if (read_file(pid, "status", text, sizeof(text)) <= 0 || !number_after(text, "\nPPid:", 0, &parent) ||
	    !number_after(text, "\nUid:", 1, &uid))
		return false;
	to->pid = pid;
	to->parent = (pid_t)parent;
	to->uid = (uid_t)uid;
	return true;
}

bool
ancestry_read(const char *block, size_t n, struct ancestry_found *to)
{
	const char *end = block + n, *at, *next, *address = NULL, *script = NULL;
	bool cgi = false;

	for (at = block; at < end; at = next) {
		next = memchr(at, '\0', (size_t)(end - at));
		if (next == NULL)
			break;
		next++;
		if (strncmp(at, "GATEWAY_INTERFACE=CGI/", 22) == 0)
			cgi = true;
		else if (strncmp(at, "REMOTE_ADDR=", 12) == 0 && address == NULL)
			address = at + 12;
		else if (strncmp(at, "SCRIPT_FILENAME=", 16) == 0 && script == NULL)
			script = at + 16;
	}
	if (!cgi || address == NULL || net_parse(address, &to->visitor) != 1)
		return false;
	ticket_put(to->script, sizeof(to->script), script);
	return true;
}

/* Where a process has its environment: fields 50 and 51 of stat (proc(5)), behind its name, which may hold
 * anything. */
static bool
find_block(pid_t pid, uintptr_t *start, size_t *n)
{
	char text[2048], *at;
	unsigned long long from, end;
	int field;

	if (read_file(pid, "stat", text, sizeof(text)) <= 0 || (at = strrchr(text, ')')) == NULL)
		return false;
	for (field = 2; field < 50 && at != NULL; field++)
		at = strchr(at + 1, ' ');
	if (at == NULL)
		return false;
	from = strtoull(at, &at, 10);
	end = strtoull(at, NULL, 10);
	if (from == 0 || end <= from)
		return false;
	*start = (uintptr_t)from;
	*n = end - from < ENVIRON_MOST ? (size_t)(end - from) : ENVIRON_MOST;
	return true;
}

/* /proc/PID/environ is its owner's to open, whatever else one may: with CAP_SYS_PTRACE alone, the memory
 * is read. */
static ssize_t
read_block(pid_t pid, char *to)
{
	struct iovec here = { .iov_base = to }, there;
	uintptr_t start;
	ssize_t n = read_file(pid, "environ", to, ENVIRON_MOST);

	if (n >= 0 || !find_block(pid, &start, &here.iov_len))
		return n;
	there.iov_base = (void *)start;
	there.iov_len = here.iov_len;
	return process_vm_readv(pid, &here, 1, &there, 1, 0);
}

static bool
read_environ(pid_t pid, struct ancestry_found *to)
{
	char *block = malloc(ENVIRON_MOST);
	struct ancestry_found found;
	bool ok = false;
	ssize_t n;

	if (block == NULL)
		abort();
	n = read_block(pid, block);
	if (n > 0 && ancestry_read(block, (size_t)n, &found)) {
		*to = found;
		ok = true;
	}
	free(block);
	return ok;
}

/* ---- reading, in a thread of its own ------------------------------------------------------------ */

struct reading {
	struct reading *next;
	uid_t uid;
	pid_t pid[GENERATIONS];
	int n;
	/* under readings_lock */
	bool done, left;		/* left: nobody waits for it any more */
	uint64_t took, until;		/* us; until then (clock_mono_us) its user rests, 0 = under way */
	bool ok;
	struct ancestry_found found;
};

static pthread_mutex_t readings_lock = PTHREAD_MUTEX_INITIALIZER;	/* guards readings */
static pthread_cond_t readings_done;
static pthread_once_t readings_once = PTHREAD_ONCE_INIT;
static struct reading *readings;	/* under way, and those that were slow */

static void
readings_begin(void)
{
	pthread_condattr_t attr;

	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&readings_done, &attr);
	(void)pthread_condattr_destroy(&attr);
}

/* Under the lock. */
static void
forget(struct reading *r)
{
	struct reading **at = &readings;

	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	free(r);
}

/* Under the lock: it is done, and nobody needs it. */
static void
settle(struct reading *r)
{
	if (r->took > SLOW_MS * 1000)
		r->until = clock_mono_us() + REST * r->took;
	else
		forget(r);
}

static void *
read_all(void *arg)
{
	struct reading *r = arg;
	struct ancestry_found found;
	uint64_t began = clock_mono_us();
	bool ok = false;
	int i;

	/* The highest counts. */
	for (i = 0; i < r->n; i++)
		ok |= read_environ(r->pid[i], &found);
	(void)pthread_mutex_lock(&readings_lock);
	r->done = true;
	r->took = clock_mono_us() - began;
	r->ok = ok;
	if (ok)
		r->found = found;
	if (r->left)
		settle(r);
	(void)pthread_cond_broadcast(&readings_done);
	(void)pthread_mutex_unlock(&readings_lock);
	return NULL;
}

/* Under the lock. A user whose last reading hangs, or was slow, is not read again yet: others would wait for
 * each. */
static bool
may_read(uid_t uid)
{
	uint64_t now = clock_mono_us();
	struct reading *r, *next;
	unsigned n = 0;

	for (r = readings; r != NULL; r = next) {
		next = r->next;
		if (r->until != 0 && r->until <= now) {
			forget(r);
			continue;
		}
		n++;
		if (r->uid == uid)
			return false;
	}
	return n < READERS_MOST;
}

static bool
begin(struct reading *r)
{
	pthread_attr_t attr;
	pthread_t thread;
	int failed;

	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	failed = pthread_create(&thread, &attr, read_all, r);
	(void)pthread_attr_destroy(&attr);
	return failed == 0;
}

/* Under the lock. */
static bool
await(struct reading *r, struct ancestry_found *to)
{
	uint64_t deadline = clock_deadline(READ_MS);
	struct timespec until = { (time_t)(deadline / 1000000), (long)(deadline % 1000000) * 1000 };
	bool ok;

	while (!r->done && pthread_cond_timedwait(&readings_done, &readings_lock, &until) != ETIMEDOUT)
		;
	if (!r->done) {
		r->left = true;
		return false;
	}
	ok = r->ok;
	if (ok)
		*to = r->found;
	settle(r);
	return ok;
}

/* What the environments of those n processes say; false also when they cannot be had in time. */
static bool
read_apart(const struct process *line, int n, struct ancestry_found *to)
{
	struct reading *r = calloc(1, sizeof(*r));
	bool ok = false;

	if (r == NULL)
		abort();
	for (r->uid = line[0].uid; r->n < n; r->n++)
		r->pid[r->n] = line[r->n].pid;
	(void)pthread_once(&readings_once, readings_begin);
	(void)pthread_mutex_lock(&readings_lock);
	if (!may_read(r->uid)) {
		free(r);
	} else {
		r->next = readings;
		readings = r;
		if (begin(r))
			ok = await(r, to);
		else
			forget(r);
	}
	(void)pthread_mutex_unlock(&readings_lock);
	return ok;
}

/* ---- the tree ----------------------------------------------------------------------------------- */

static bool
alive(int process)
{
	struct pollfd p = { .fd = process, .events = POLLIN };

	return process >= 0 && poll(&p, 1, 0) == 0;
}

/* From pid upwards, as long as they are this user's; 0 when there is no end to them. */
static int
climb(pid_t pid, uid_t uid, struct process line[GENERATIONS])
{
	int n;

	if (pid <= 1 || !look(pid, &line[0]) || line[0].uid != uid)
		return 0;
	for (n = 1; n < GENERATIONS; n++)
		if (line[n - 1].parent <= 1 || !look(line[n - 1].parent, &line[n]) || line[n].uid != uid)
			return n;
	return 0;
}

bool
ancestry_find(int process, pid_t pid, uid_t uid, bool (*is_server)(void *cookie, uid_t uid), void *cookie,
    struct ancestry_found *to)
{
	struct process line[GENERATIONS], again;
	int n = climb(pid, uid, line), from, i;
	bool own;

	if (n < 2 || line[n - 1].parent <= 1)
		return false;
	/* What a web server has begun stands where the line ends, and only that was told a visitor: what it
	 * began itself, it told what it liked. The server's own user may run CGI programs as himself; then it is
	 * somewhere between. The one who asks is none of his ancestors. */
	own = is_server(cookie, uid);
	from = own ? 1 : n - 1;
	if (!own && (!look(line[n - 1].parent, &again) || !is_server(cookie, again.uid)))
		return false;
	if (!read_apart(line + from, n - from, to))
		return false;
	/* A number that was given anew in between has another parent, or its child has. */
	for (i = 0; i < n; i++)
		if (!look(line[i].pid, &again) || again.parent != line[i].parent || again.uid != line[i].uid)
			return false;
	return alive(process);
}
