/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * activate - what a socket unit does, small: holds the listening socket while the daemon comes and goes.
 *
 *     activate SOCKET PIDFILE COMMAND [ARGUMENT...]
 *
 * Listens on the unix socket and runs COMMAND with it as descriptor 3 and LISTEN_FDS=1, LISTEN_PID
 * (sd_listen_fds(3)). The daemon's process id is written to PIDFILE at each start, by rename, so that a
 * reader never sees half of it.
 *
 *     SIGUSR1   restart: SIGTERM to the daemon, wait for its end, start anew
 *     SIGUSR2   SIGKILL to the daemon, start anew at once
 *     SIGTERM   SIGTERM to the daemon, wait, end with its status
 *
 * A daemon that ends by itself ends this program too. Connections made meanwhile wait in the kernel's queue.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static const int signals[] = { SIGUSR1, SIGUSR2, SIGTERM, SIGINT, SIGCHLD };

static int
listen_on(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof a.sun_path)
		return -1;
	memcpy(a.sun_path, path, strlen(path) + 1);
	(void)unlink(path);
	if (bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || chmod(path, 0660) < 0 || listen(fd, 4096) < 0)
		return -1;
	return fd;
}

static void
write_pid(const char *file, pid_t pid)
{
	char temporary[4096];
	FILE *f;

	(void)snprintf(temporary, sizeof temporary, "%s.new", file);
	if ((f = fopen(temporary, "w")) == NULL)
		return;
	fprintf(f, "%d\n", (int)pid);
	(void)fclose(f);
	(void)rename(temporary, file);
}

static pid_t
start(int fd, const char *pidfile, char **command)
{
	char text[32];
	sigset_t none;
	pid_t pid = fork();

	if (pid != 0) {
		write_pid(pidfile, pid);
		return pid;
	}
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (fd == 3)
		(void)fcntl(3, F_SETFD, 0);
	else
		(void)dup2(fd, 3);
	(void)snprintf(text, sizeof text, "%d", (int)getpid());
	(void)setenv("LISTEN_PID", text, 1);
	(void)setenv("LISTEN_FDS", "1", 1);
	(void)execvp(command[0], command);
	perror(command[0]);
	_exit(127);
}

/* The daemon is gone. Its status is ours unless a restart was asked for. */
static int
status_of(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int
main(int argc, char **argv)
{
	sigset_t set;
	bool again = false, stopping = false;
	int fd, got, status = 0;

	if (argc < 4) {
		fputs("usage: activate socket pidfile command [argument...]\n", stderr);
		return 2;
	}
	(void)sigemptyset(&set);
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
		(void)sigaddset(&set, signals[i]);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	if ((fd = listen_on(argv[1])) < 0) {
		perror(argv[1]);
		return 1;
	}
	pid_t pid = start(fd, argv[2], argv + 3);
	while (sigwait(&set, &got) == 0) {
		if (got == SIGCHLD) {
			if (waitpid(pid, &status, WNOHANG) != pid)
				continue;
			if (!again || stopping)
				break;
			again = false;
			pid = start(fd, argv[2], argv + 3);
		} else {
			again = got == SIGUSR1 || got == SIGUSR2;
			stopping = stopping || !again;
			(void)kill(pid, got == SIGUSR2 ? SIGKILL : SIGTERM);
		}
	}
	(void)unlink(argv[1]);
	return status_of(status);
}
