/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * gatepost - arguments, privileges, and the order of start and stop.
 *
 * The sockets are made as root where that is needed, then root is given up for good. The main thread keeps
 * the signals: libmilter's own signal thread would end the daemon on SIGHUP, and could not drain; so
 * smfi_main runs in a thread of its own with HUP, TERM and INT blocked, and Linux hands a signal of the
 * process to the main thread first as long as that does not block it.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "lib/alert.h"
#include "lib/clock.h"
#include "lib/conf.h"
#include "lib/log.h"
#include "lib/store.h"
#include "lib/str.h"
#include "lib/table.h"
#include "milter/daemon.h"
#include "milter/listen.h"
#include "milter/notify.h"
#include "milter/session.h"

#include "lib/banned.h"

#ifndef GATEPOST_CONF
#define GATEPOST_CONF "/etc/gatepost/gatepost.conf"
#endif
#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

#define TICK_MS 1000

struct arguments {
	const char *file;
	const char *pid_file;
	bool foreground, check, version;
};

static int signal_pipe[2];

/* ---- arguments ------------------------------------------------------------------ */

static void
usage(void)
{
	fprintf(stderr, "usage: gatepost [-f] [-c FILE] [-p PIDFILE]\n"
	    "       gatepost -t [-c FILE]\n"
	    "       gatepost -V\n");
	exit(2);
}

static void
read_arguments(int argc, char **argv, struct arguments *a)
{
	int c;

	a->file = GATEPOST_CONF;
	while ((c = getopt(argc, argv, "c:fp:tV")) != -1) {
		switch (c) {
		case 'c':
			a->file = optarg;
			break;
		case 'f':
			a->foreground = true;
			break;
		case 'p':
			a->pid_file = optarg;
			break;
		case 't':
			a->check = true;
			break;
		case 'V':
			a->version = true;
			break;
		default:
			usage();
		}
	}
	if (optind != argc)
		usage();
}

static int
print_version(void)
{
	char milter[40];
	const struct check *c;
	size_t i;

	session_version(milter, sizeof(milter));
	printf("gatepost %s\nlibmilter %s\ntables: %s\nstores: %s\nchecks:\n", PACKAGE_VERSION, milter, table_types(),
	    store_types());
	for (i = 0; (c = chain_check(i)) != NULL; i++)
		printf("  %-11s %s\n", c->name, c->summary);
	return 0;
}

/* ---- errors at the start go to the terminal, one line each ----------------------------- */

static void
complain(const struct err *e)
{
	fprintf(stderr, "gatepost: %s%s%s\n", e->where, *e->where == '\0' ? "" : ": ", e->text);
}

static void
complain_to(void *cookie, const struct err *e)
{
	(void)cookie;
	complain(e);
}

static void
warn_to(void *cookie, const struct err *e)
{
	(void)cookie;
	fprintf(stderr, "gatepost: %s%swarning: %s\n", e->where, *e->where == '\0' ? "" : ": ", e->text);
}

static int
check_configuration(const char *file)
{
	const struct table_report report = { complain_to, NULL };
	struct conf_problems problems = { .say = complain_to, .warn = warn_to };
	struct conf *c = conf_load(file, &problems);
	struct chain *ch;

	if (c == NULL)
		return 1;
	ch = chain_new(c, NULL, NULL, &report);
	if (ch == NULL) {
		conf_unref(&c);
		return 1;
	}
	chain_unref(&ch);
	printf("%s: ok\n", file);
	return 0;
}

/* ---- privileges ----------------------------------------------------------------------- */

struct identity {
	const char *name;
	uid_t uid;
	gid_t gid, socket_gid;
};

static int
find_identity(const struct conf *c, struct identity *to, struct err *e)
{
	struct passwd *pw;
	struct group *gr;

	to->name = NULL;
	to->uid = (uid_t)-1;
	to->gid = to->socket_gid = (gid_t)-1;
	if (*c->listen_group != '\0') {
		if ((gr = getgrnam(c->listen_group)) == NULL)
			return err_set(e, ERR_INPUT, "listen_group: there is no group \"%s\"", c->listen_group);
		to->socket_gid = gr->gr_gid;
	}
	if (geteuid() != 0)
		return 0;
	if (*c->user == '\0')
		return err_set(e, ERR_INPUT, "user: empty, but gatepost does not run as root; name an own user");
	if ((pw = getpwnam(c->user)) == NULL)
		return err_set(e, ERR_INPUT, "user: there is no user \"%s\"", c->user);
	if (pw->pw_uid == 0)
		return err_set(e, ERR_INPUT, "user: gatepost does not run as root; name an own user");
	to->name = c->user;
	to->uid = pw->pw_uid;
	to->gid = pw->pw_gid;
	if (to->socket_gid == (gid_t)-1)
		to->socket_gid = pw->pw_gid;
	return 0;
}

static int
drop_privileges(const struct identity *id, struct err *e)
{
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (id->name == NULL)
		return 0;
	if (initgroups(id->name, id->gid) < 0 || setresgid(id->gid, id->gid, id->gid) < 0 ||
	    setresuid(id->uid, id->uid, id->uid) < 0)
		return err_set(e, ERR_SYSTEM, "cannot become user %s: %s", id->name, strerror(errno));
	if (setuid(0) == 0)
		return err_set(e, ERR_SYSTEM, "root could be had again after becoming %s", id->name);
	return 0;
}

/* At its limit of descriptors libmilter spins without a word, so we take all that we may. */
static void
raise_files(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &r);
	}
}

/* ---- sockets ------------------------------------------------------------------------------ */

static mode_t
read_mode(const char *octal)
{
	return (mode_t)(strtoul(octal, NULL, 8) & 0777);
}

static int
open_sockets(const struct conf *c, const struct identity *id, struct listener *milter, struct listener *api, struct err *e)
{
	struct listen_want want = { read_mode(c->listen_mode), id->uid, id->socket_gid };

	if (listen_inherit(milter, "milter") < 0 && listen_open(milter, c->listen.at[0], &want, e) < 0)
		return -1;
	/* Who may ask is decided by the peer's uid, not by the mode. */
	want.mode = 0666;
	want.gid = id->gid;
	if (listen_inherit(api, "api") < 0 && listen_open(api, c->api, &want, e) < 0) {
		listen_close(milter);
		return -1;
	}
	return 0;
}

/* Debian's libmilter takes "fd:N". Another one gets the path itself: it works, but a restart shows. */
static int
hand_to_libmilter(struct listener *l, const struct conf *c, const struct identity *id, struct err *e)
{
	char where[32];
	const char *path;
	mode_t old;
	int r;

	snprintf(where, sizeof(where), "fd:%d", l->fd);
	if (session_listen(where) == 0)
		return 0;
	if (l->inherited)
		return err_set(e, ERR_SYSTEM, "this libmilter takes no inherited socket (fd:N)");
	listen_close(l);
	path = c->listen.at[0];
	old = umask((mode_t)(~read_mode(c->listen_mode) & 0777));
	r = session_listen(path);
	umask(old);
	if (r < 0)
		return err_set(e, ERR_SYSTEM, "%s: libmilter cannot listen there", path);
	if (strncmp(path, "unix:", 5) == 0 && id->uid != (uid_t)-1 && chown(path + 5, id->uid, id->socket_gid) < 0)
		return err_set(e, ERR_SYSTEM, "%s: cannot set its owner: %s", path, strerror(errno));
	return 0;
}

/* ---- going into the background ---------------------------------------------------------------- */

/* The parent leaves when the child says it is ready, with the child's exit status when it dies before. Returns the child's end of the pipe. */
static int
go_background(void)
{
	int ready[2], null;
	char byte;
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		fprintf(stderr, "gatepost: cannot fork: %s\n", strerror(errno));
		exit(1);
	}
	if (pid > 0) {
		close(ready[1]);
		_exit(read(ready[0], &byte, 1) == 1 ? 0 : 1);
	}
	close(ready[0]);
	setsid();
	if (chdir("/") == 0 && (null = open("/dev/null", O_RDWR | O_CLOEXEC)) >= 0) {
		dup2(null, 0);
		dup2(null, 1);
	}
	return ready[1];
}

static void
say_ready(int ready)
{
	int null;

	notify_send("READY=1");
	if (ready < 0)
		return;
	if ((null = open("/dev/null", O_RDWR | O_CLOEXEC)) >= 0)
		dup2(null, 2);
	(void)!write(ready, "", 1);
	close(ready);
}

static int
open_pid_file(const char *path)
{
	int fd;

	if (path == NULL)
		return -1;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		fprintf(stderr, "gatepost: %s: %s\n", path, strerror(errno));
	return fd;
}

/* ---- signals ---------------------------------------------------------------------------------- */

static void
on_signal(int sig)
{
	int saved = errno;
	char c = (char)sig;

	(void)!write(signal_pipe[1], &c, 1);
	errno = saved;
}

static void
catch_signals(void)
{
	static const int caught[] = { SIGHUP, SIGTERM, SIGINT };
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART | SA_NODEFER };
	size_t i;

	if (pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) < 0) {
		fprintf(stderr, "gatepost: pipe: %s\n", strerror(errno));
		exit(1);
	}
	sigemptyset(&sa.sa_mask);
	for (i = 0; i < sizeof(caught) / sizeof(caught[0]); i++)
		sigaction(caught[i], &sa, NULL);
	sa.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &sa, NULL);
}

/* Threads begin with every signal blocked; only the main thread takes them. */
static void
block_signals(sigset_t *old)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, old);
}

/* A caught signal, or 0 when none came in ms. */
static int
wait_signal(int ms)
{
	struct pollfd p = { .fd = signal_pipe[0], .events = POLLIN };
	char c;

	if (poll(&p, 1, ms) == 1 && read(signal_pipe[0], &c, 1) == 1)
		return c;
	return 0;
}

/* ---- serving -------------------------------------------------------------------------------------- */

static void *
serve(void *gave_up)
{
	if (session_serve() < 0)
		log_line(LOG_LEVEL_ERROR, "libmilter gave up");
	*(bool *)gave_up = true;
	on_signal(SIGTERM);
	return NULL;
}

/* Accepts nothing more, and waits until the sessions have ended by themselves. */
static void
drain(struct listener *milter, uint64_t ms)
{
	uint64_t deadline = clock_deadline(ms);
	struct err e;

	log_printf(LOG_LEVEL_NOTICE, "stopping: %llu sessions open", (unsigned long long)session_count());
	if (milter->fd >= 0 && listen_deafen(milter, &e) < 0)
		log_line(LOG_LEVEL_ERROR, e.text);
	while (session_count() > 0 && clock_left(deadline) > 0)
		if (wait_signal(20) == SIGTERM)
			break;
	if (session_count() > 0)
		log_printf(LOG_LEVEL_WARNING, "stopping: %llu sessions cut off", (unsigned long long)session_count());
}

/* False when libmilter did not return. */
static bool
stop_serving(pthread_t thread, struct listener *milter, const bool *gave_up)
{
	struct timespec until;

	if (!*gave_up) {
		session_stop();
		listen_poke(milter);
	}
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 6;	/* libmilter looks up from its poll within 5 s */
	if (pthread_timedjoin_np(thread, NULL, &until) == 0)
		return true;
	log_line(LOG_LEVEL_WARNING, "libmilter did not return; leaving without it");
	return false;
}

/* Serves until a signal ends it. True when no session is left that could still be in a callback: smfi_main returns
 * without waiting for those. */
static bool
run(struct daemon *d, struct listener *milter)
{
	static bool gave_up;
	pthread_t thread;
	sigset_t old;
	int sig;

	block_signals(&old);
	if (pthread_create(&thread, NULL, serve, &gave_up) != 0)
		abort();
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	for (;;) {
		sig = wait_signal(TICK_MS);
		if (sig == SIGHUP)
			(void)daemon_reload(d, NULL, NULL);
		else if (sig != 0)
			break;
	}
	notify_send("STOPPING=1");
	if (!gave_up)
		drain(milter, daemon_drain_time(d));
	return stop_serving(thread, milter, &gave_up) && session_count() == 0;
}

/* ---- the order of it all -------------------------------------------------------------------------------- */

static int
prepare(const struct conf *c, struct listener *milter, struct listener *api, struct err *e)
{
	const struct session_hooks hooks = { daemon_chain, NULL };
	struct identity id;

	if (find_identity(c, &id, e) < 0 || open_sockets(c, &id, milter, api, e) < 0)
		return -1;
	if (session_setup(&hooks, e) < 0 || hand_to_libmilter(milter, c, &id, e) < 0 || drop_privileges(&id, e) < 0) {
		listen_close(milter);
		listen_close(api);
		return -1;
	}
	return 0;
}

int
main(int argc, char **argv)
{
	struct conf_problems problems = { .say = complain_to, .warn = warn_to };
	struct arguments a = { 0 };
	struct listener milter, api;
	struct daemon *d;
	struct conf *c;
	struct err e;
	int ready = -1, pid_fd;
	bool quiet;

	read_arguments(argc, argv, &a);
	if (a.version)
		return print_version();
	if (a.check)
		return check_configuration(a.file);
	if ((c = conf_load(a.file, &problems)) == NULL)
		return 1;
	err_clear(&e);
	pid_fd = open_pid_file(a.pid_file);
	if (a.pid_file != NULL && pid_fd < 0)
		return 1;
	if (prepare(c, &milter, &api, &e) < 0) {
		complain(&e);
		return 1;
	}
	raise_files();
	if (!a.foreground)
		ready = go_background();
	if (pid_fd >= 0) {
		dprintf(pid_fd, "%ld\n", (long)getpid());
		close(pid_fd);
	}
	catch_signals();
	d = daemon_open(c, a.file, a.foreground, &api, complain_to, NULL);
	if (d == NULL) {
		listen_close(&milter);
		listen_close(&api);
		return 1;
	}
	say_ready(ready);
	quiet = run(d, &milter);
	listen_close(&milter);
	if (!quiet) {
		listen_close(&api);
		daemon_abandon(d);
	}
	daemon_close(&d);
	listen_close(&api);
	return 0;
}
