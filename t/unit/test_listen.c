/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * listen: sockets as they are wanted, never taken from a running daemon, never missed by a successor.
 */
#include "milter/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "lib/banned.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define FIRST_FD 3	/* sd_listen_fds(3) */

static const struct listen_want as_we_are = { 0600, (uid_t)-1, (gid_t)-1 };

static char folder[60], path[90], where[100];
static struct listener listener;
static struct err err;

static int
setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	/* A socket's path is short. */
	if (tmp == NULL || strlen(tmp) > sizeof(folder) - 30)
		tmp = "/tmp";
	(void)snprintf(folder, sizeof(folder), "%s/gatepost-listen.XXXXXX", tmp);
	if (mkdtemp(folder) == NULL)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/sock", folder);
	(void)snprintf(where, sizeof(where), "unix:%s", path);
	listener.fd = -1;
	err_clear(&err);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	listen_close(&listener);
	if (unlink(path) < 0 && errno == EISDIR)
		(void)rmdir(path);
	return rmdir(folder);
}

static struct sockaddr_un
address(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	(void)snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	return sun;
}

/* A socket at path that listens, or is bound only (backlog -1). */
static int
bind_path(int type, int backlog)
{
	const struct sockaddr_un sun = address();
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&sun, sizeof(sun)), 0);
	if (backlog >= 0)
		assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

/* 0, or the errno. */
static int
connect_path(void)
{
	const struct sockaddr_un sun = address();
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

	assert_true(fd >= 0);
	r = connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) == 0 ? 0 : errno;
	close(fd);
	return r;
}

static void
open_path(void)
{
	if (listen_open(&listener, where, &as_we_are, &err) != 0)
		fail_msg("%s", err.text);
}

static ino_t
inode(void)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_ino;
}

/* ---- unix ------------------------------------------------------------------------ */

static void
a_unix_socket_has_its_mode_at_once(void **state)
{
	static const mode_t modes[] = { 0600, 0660, 0666, 0000 }, masks[] = { 0022, 0077, 0000 };
	struct stat st;
	mode_t old;
	size_t i, k;

	(void)state;
	for (i = 0; i < COUNT(modes); i++) {
		for (k = 0; k < COUNT(masks); k++) {
			const struct listen_want want = { modes[i], (uid_t)-1, (gid_t)-1 };

			old = umask(masks[k]);
			assert_int_equal(listen_open(&listener, where, &want, &err), 0);
			assert_int_equal(umask(old), masks[k]);
			assert_int_equal(stat(path, &st), 0);
			assert_true(S_ISSOCK(st.st_mode));
			assert_int_equal(st.st_mode & 07777, modes[i]);
			assert_int_equal(st.st_uid, geteuid());
			listen_close(&listener);
			assert_int_equal(listener.fd, -1);
			assert_int_equal(lstat(path, &st), -1);
		}
	}
}

static void
a_unix_socket_has_its_owner(void **state)
{
	/* Without root the only owner that can be given is oneself. */
	const bool root = geteuid() == 0;
	const struct listen_want want = { 0660, root ? 12345 : geteuid(), root ? 12346 : getegid() };
	const struct listen_want group = { 0660, (uid_t)-1, want.gid };
	struct stat st;

	(void)state;
	assert_int_equal(listen_open(&listener, where, &want, &err), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, want.uid);
	assert_int_equal(st.st_gid, want.gid);
	assert_int_equal(st.st_mode & 07777, 0660);
	listen_close(&listener);
	assert_int_equal(listen_open(&listener, where, &group, &err), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, geteuid());
	assert_int_equal(st.st_gid, want.gid);
}

static void
what_is_opened_accepts(void **state)
{
	int fd;

	(void)state;
	open_path();
	assert_false(listener.inherited);
	assert_int_equal(fcntl(listener.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(connect_path(), 0);
	fd = accept(listener.fd, NULL, NULL);
	assert_true(fd >= 0);
	close(fd);
}

static void
a_stale_socket_is_replaced(void **state)
{
	(void)state;
	close(bind_path(SOCK_STREAM, 5));
	assert_int_equal(connect_path(), ECONNREFUSED);
	open_path();
	assert_int_equal(connect_path(), 0);
}

static void
expect_refused(enum err_code code, const char *why)
{
	const ino_t before = inode();

	assert_int_equal(listen_open(&listener, where, &as_we_are, &err), -1);
	assert_int_equal(listener.fd, -1);
	assert_int_equal(err.code, code);
	assert_int_equal(strncmp(err.text, where, strlen(where)), 0);
	if (strstr(err.text, why) == NULL)
		fail_msg("%s: %s", why, err.text);
	listen_close(&listener);
	assert_int_equal(inode(), before);
}

static void
a_running_daemon_is_left_alone(void **state)
{
	int fd = bind_path(SOCK_STREAM, 5);

	(void)state;
	expect_refused(ERR_DENIED, "another daemon answers there");
	assert_int_equal(connect_path(), 0);
	close(fd);
}

/* One that hangs with a full queue answers nobody either, but it is there; asking it must not hang us. */
static void
a_busy_daemon_is_left_alone(void **state)
{
	const struct sockaddr_un sun = address();
	int fd = bind_path(SOCK_STREAM, 0), waiting[8];
	size_t n;

	(void)state;
	for (n = 0; n < COUNT(waiting); n++) {
		waiting[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (connect(waiting[n], (const struct sockaddr *)&sun, sizeof(sun)) < 0)
			break;
	}
	assert_true(n < COUNT(waiting));
	assert_int_equal(errno, EAGAIN);
	expect_refused(ERR_DENIED, "another daemon answers there");
	do
		close(waiting[n]);
	while (n-- > 0);
	close(fd);
}

static void
what_is_no_socket_of_ours_is_left_alone(void **state)
{
	int fd;

	(void)state;
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
	expect_refused(ERR_INPUT, "no socket");
	assert_int_equal(unlink(path), 0);

	assert_int_equal(symlink("/nowhere", path), 0);
	expect_refused(ERR_INPUT, "no socket");
	assert_int_equal(unlink(path), 0);

	assert_int_equal(mkdir(path, 0700), 0);
	expect_refused(ERR_INPUT, "no socket");
	assert_int_equal(rmdir(path), 0);

	/* syslog's, say. */
	fd = bind_path(SOCK_DGRAM, -1);
	expect_refused(ERR_SYSTEM, "cannot ask who answers there");
	close(fd);
}

static void
a_successor_keeps_its_socket(void **state)
{
	ino_t theirs;
	int fd;

	(void)state;
	open_path();
	assert_int_equal(unlink(path), 0);
	fd = bind_path(SOCK_STREAM, 5);
	theirs = inode();
	listen_close(&listener);
	assert_int_equal(inode(), theirs);
	assert_int_equal(connect_path(), 0);
	close(fd);
}

/* ---- places that cannot be ---------------------------------------------------------- */

static const struct {
	const char *name, *where;
	enum err_code code;
	const char *why;
} wrongs[] = {
	{ "unknown kind", "tcp:8891@127.0.0.1", ERR_INPUT, "is wanted" },
	{ "nothing", "", ERR_INPUT, "is wanted" },
	{ "no folder", "unix:/nowhere/at/all", ERR_SYSTEM, "cannot bind" },
	{ "path too long", "unix:/0123456789012345678901234567890123456789012345678901234567890123456789"
	    "0123456789012345678901234567890123456789", ERR_INPUT, "too long" },
	{ "no host", "inet:8891", ERR_INPUT, "PORT@HOST" },
	{ "no port", "inet:@127.0.0.1", ERR_INPUT, "PORT@HOST" },
	{ "long port", "inet:00000008891@127.0.0.1", ERR_INPUT, "PORT@HOST" },
	{ "port is no number", "inet:x!@127.0.0.1", ERR_INPUT, "an address is wanted" },
	{ "a name would want DNS", "inet:8891@mx.acme.example", ERR_INPUT, "an address is wanted" },
	{ "the other family", "inet:8891@::1", ERR_INPUT, "an address is wanted" },
	{ "the other family, 6", "inet6:8891@127.0.0.1", ERR_INPUT, "an address is wanted" },
	{ "an address of others", "inet:8891@192.0.2.1", ERR_SYSTEM, "cannot listen" },
	{ "no descriptor", "fd:", ERR_INPUT, "no listening socket" },
	{ "descriptor is no number", "fd:3x", ERR_INPUT, "no listening socket" },
	{ "negative descriptor", "fd:-1", ERR_INPUT, "no listening socket" },
	{ "closed descriptor", "fd:999999", ERR_INPUT, "no listening socket" },
	{ "descriptor beyond all", "fd:99999999999999999999", ERR_INPUT, "no listening socket" },
};

static void
places_that_cannot_be(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(wrongs); i++) {
		print_message("%s\n", wrongs[i].name);
		assert_int_equal(listen_open(&listener, wrongs[i].where, &as_we_are, &err), -1);
		assert_int_equal(listener.fd, -1);
		assert_int_equal(err.code, wrongs[i].code);
		if (strstr(err.text, wrongs[i].why) == NULL)
			fail_msg("%s: %s", wrongs[i].why, err.text);
	}
}

/* ---- TCP --------------------------------------------------------------------------- */

static void
tcp_sends_without_delay(void **state)
{
	struct sockaddr_in in;
	socklen_t n = sizeof(in);
	int from, fd, on = 0;

	(void)state;
	assert_int_equal(listen_open(&listener, "inet:0@127.0.0.1", &as_we_are, &err), 0);
	assert_string_equal(listener.path, "");
	assert_int_equal(getsockname(listener.fd, (struct sockaddr *)&in, &n), 0);
	from = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(from >= 0);
	assert_int_equal(connect(from, (const struct sockaddr *)&in, n), 0);
	fd = accept(listener.fd, NULL, NULL);
	assert_true(fd >= 0);
	n = sizeof(on);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &n), 0);
	assert_int_not_equal(on, 0);
	close(fd);
	close(from);
}

/* ---- given --------------------------------------------------------------------------- */

static void
a_given_descriptor_is_used_as_it_is(void **state)
{
	int fd = bind_path(SOCK_STREAM, 5);
	char text[20];
	ino_t before = inode();

	(void)state;
	(void)snprintf(text, sizeof(text), "fd:%d", fd);
	assert_int_equal(listen_open(&listener, text, &as_we_are, &err), 0);
	assert_int_equal(listener.fd, fd);
	assert_true(listener.inherited);
	assert_int_equal(connect_path(), 0);
	listen_close(&listener);
	assert_int_equal(connect_path(), ECONNREFUSED);
	assert_int_equal(inode(), before);
}

static const struct {
	const char *name, *pid, *fds, *names;	/* pid "": our own */
	const char *asked;
	int got;				/* which of the descriptors; -1: none */
} manager[] = {
	{ "the first of two", "", "2", "milter:api", "milter", 0 },
	{ "the second of two", "", "2", "milter:api", "api", 1 },
	{ "the other order", "", "2", "api:milter", "milter", 1 },
	{ "no such name", "", "2", "milter:api", "metrics", -1 },
	{ "a name that begins alike", "", "2", "milterx:api", "milter", -1 },
	{ "a name cut short", "", "2", "milt:api", "milter", -1 },
	{ "one without names", "", "1", NULL, "milter", 0 },
	{ "one with an empty name", "", "1", "", "milter", 0 },
	{ "one that systemd cannot name", "", "1", "unknown", "milter", 0 },
	{ "one without names is not the api's", "", "1", NULL, "api", -1 },
	{ "two without names", "", "2", NULL, "milter", -1 },
	{ "fewer names than sockets", "", "2", "api", "milter", -1 },
	{ "more names than sockets", "", "1", "api:milter", "milter", -1 },
	{ "what does not listen", "", "3", "x:y:milter", "milter", -1 },
	{ "what is not open", "", "4", "x:y:z:milter", "milter", -1 },
	{ "more than there can be", "", "2000000000", "x:api", "api", 1 },
	{ "none", "", "0", "milter", "milter", -1 },
	{ "less than none", "", "-1", "milter", "milter", -1 },
	{ "no number", "", "", "milter", "milter", -1 },
	{ "for another process", "1", "2", "milter:api", "milter", -1 },
	{ "no process", NULL, "2", "milter:api", "milter", -1 },
	{ "no sockets", "", NULL, "milter:api", "milter", -1 },
};

static void
set_or_not(const char *name, const char *value)
{
	if (value == NULL)
		(void)unsetenv(name);
	else
		(void)setenv(name, value, 1);
}

/* In a process of its own the descriptors from 3 on are the manager's: two that listen, one that is bound
 * only, none. */
static void
inherit_as(size_t i, const int given[3])
{
	char pid[20];
	int high[3], k;
	bool right;

	(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
	for (k = 0; k < 3; k++)
		high[k] = fcntl(given[k], F_DUPFD, 100);
	for (k = 0; k < 3; k++)
		if (dup2(high[k], FIRST_FD + k) < 0)
			_exit(2);
	close(FIRST_FD + 3);
	set_or_not("LISTEN_PID", manager[i].pid != NULL && *manager[i].pid == '\0' ? pid : manager[i].pid);
	set_or_not("LISTEN_FDS", manager[i].fds);
	set_or_not("LISTEN_FDNAMES", manager[i].names);
	if (manager[i].got < 0) {
		right = listen_inherit(&listener, manager[i].asked) == -1 && listener.fd == -1;
	} else {
		right = listen_inherit(&listener, manager[i].asked) == 0 && listener.inherited &&
		    listener.fd == FIRST_FD + manager[i].got && *listener.path == '\0' &&
		    fcntl(listener.fd, F_GETFD) == FD_CLOEXEC;
	}
	_exit(right ? 0 : 1);
}

static void
sockets_of_the_service_manager(void **state)
{
	int given[3], status;
	size_t i;
	pid_t pid;

	(void)state;
	given[2] = bind_path(SOCK_STREAM, -1);
	assert_int_equal(unlink(path), 0);
	given[1] = bind_path(SOCK_STREAM, 5);
	assert_int_equal(unlink(path), 0);
	given[0] = bind_path(SOCK_STREAM, 5);
	for (i = 0; i < COUNT(manager); i++) {
		print_message("%s\n", manager[i].name);
		pid = fork();
		assert_int_not_equal(pid, -1);
		if (pid == 0)
			inherit_as(i, given);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
	}
	for (i = 0; i < COUNT(given); i++)
		close(given[i]);
}

/* ---- retiring --------------------------------------------------------------------------- */

static bool
somebody_waits(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void
the_deaf_are_refused(void **state)
{
	int number;

	(void)state;
	open_path();
	number = listener.fd;
	assert_int_equal(listen_deafen(&listener, &err), 0);
	assert_int_equal(listener.fd, number);
	assert_int_equal(fcntl(number, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(connect_path(), ECONNREFUSED);
	/* libmilter polls and accepts on, with its lock held: that must not block. */
	assert_int_equal(accept(listener.fd, NULL, NULL), -1);
	assert_int_equal(errno, EAGAIN);
	listen_close(&listener);
	assert_int_equal(access(path, F_OK), -1);
}

/* Accepts one connection on the socket of its own, and leaves with 0. */
static void
accept_elsewhere(int fd)
{
	(void)alarm(60);	/* outlives no failed test for long */
	_exit(accept(fd, NULL, NULL) >= 0 ? 0 : 1);
}

static void
who_else_holds_it_still_accepts(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	open_path();
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0)
		accept_elsewhere(listener.fd);
	assert_int_equal(listen_deafen(&listener, &err), 0);
	assert_int_equal(connect_path(), 0);
	assert_false(somebody_waits(listener.fd));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	/* It was the last to hold it. */
	assert_int_equal(connect_path(), ECONNREFUSED);
}

static void
deafening_none_and_twice(void **state)
{
	struct listener none = { .fd = -1 };

	(void)state;
	assert_int_equal(listen_deafen(&none, &err), -1);
	assert_int_equal(err.code, ERR_SYSTEM);
	open_path();
	assert_int_equal(listen_deafen(&listener, &err), 0);
	assert_int_equal(listen_deafen(&listener, &err), 0);
	assert_int_equal(connect_path(), ECONNREFUSED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_unix_socket_has_its_mode_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(a_unix_socket_has_its_owner, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_opened_accepts, setup, teardown),
		cmocka_unit_test_setup_teardown(a_stale_socket_is_replaced, setup, teardown),
		cmocka_unit_test_setup_teardown(a_running_daemon_is_left_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(a_busy_daemon_is_left_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_socket_of_ours_is_left_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(a_successor_keeps_its_socket, setup, teardown),
		cmocka_unit_test_setup_teardown(places_that_cannot_be, setup, teardown),
		cmocka_unit_test_setup_teardown(tcp_sends_without_delay, setup, teardown),
		cmocka_unit_test_setup_teardown(a_given_descriptor_is_used_as_it_is, setup, teardown),
		cmocka_unit_test_setup_teardown(sockets_of_the_service_manager, setup, teardown),
		cmocka_unit_test_setup_teardown(the_deaf_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(who_else_holds_it_still_accepts, setup, teardown),
		cmocka_unit_test_setup_teardown(deafening_none_and_twice, setup, teardown),
	};

	return cmocka_run_group_tests_name("listen", tests, NULL, NULL);
}
