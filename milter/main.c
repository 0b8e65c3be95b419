/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * gatepost - arguments, privileges, and the order of start and stop.
 *
 * The sockets are made as root where that is needed, then root is given up for good. What happens between
 * start and stop is serve.c's; what lives in the meantime is daemon.c's.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "lib/alert.h"
#include "lib/conf.h"
#include "lib/log.h"
#include "lib/store.h"
#include "lib/str.h"
#include "lib/table.h"
#include "milter/daemon.h"
#include "milter/forward.h"
#include "milter/listen.h"
#include "milter/notify.h"
#include "milter/serve.h"
#include "milter/session.h"

#include "lib/banned.h"

#ifndef GATEPOST_CONF
#define GATEPOST_CONF "/etc/gatepost/gatepost.conf"
#endif
#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif


#define LISTEN_MOST 16	/* as in lib/conf_table.c */

struct arguments {
	const char *file;
	const char *pid_file;
	bool foreground, check, verbose, version;
};

/* ---- arguments ------------------------------------------------------------------ */

static void
usage(void)
{
	fprintf(stderr, "usage: gatepost [-f] [-c FILE] [-p PIDFILE]\n"
	    "       gatepost -t [-v] [-c FILE]\n"
	    "       gatepost -V\n");
	exit(2);
}

static void
read_arguments(int argc, char **argv, struct arguments *a)
{
	int c;

	a->file = GATEPOST_CONF;
	while ((c = getopt(argc, argv, "c:fp:tvV")) != -1) {
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
		case 'v':
			a->verbose = true;
			break;
		case 'V':
			a->version = true;
			break;
		default:
			usage();
		}
	}
	if (optind != argc || (a->verbose && !a->check))
		usage();
}

static int
print_version(void)
{
	char milter[40];
	const struct check *c;
	size_t i;

	session_version(milter, sizeof(milter));
	printf("gatepost %s\nlibmilter %s\ntables: %s\nstores: %s\nchecks:\n", PACKAGE_VERSION, milter,
	    table_types(), store_types());
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

/* Root, who asks here, can read every key file; the daemon reads it as its own user, and again at a
 * reload. */
static bool
keys_readable(const struct conf *c)
{
	const struct passwd *pw;
	struct stat st;
	struct err e;

	if (geteuid() != 0 || *c->trace.sealed.keys == '\0' || *c->user == '\0' ||
	    (pw = getpwnam(c->user)) == NULL || stat(c->trace.sealed.keys, &st) < 0 ||
	    st.st_uid == pw->pw_uid)
		return true;
	err_set(&e, ERR_DENIED, "does not belong to user %s, as whom gatepost reads it; chown %s", c->user,
	    c->user);
	err_at(&e, c->trace.sealed.keys, 0);
	complain(&e);
	return false;
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
			return err_set(e, ERR_INPUT, "listen_group: there is no group \"%s\"",
			    c->listen_group);
		to->socket_gid = gr->gr_gid;
	}
	if (geteuid() != 0)
		return 0;
	if (*c->user == '\0')
		return err_set(e, ERR_INPUT,
		    "user: empty, but gatepost does not run as root; name an own user");
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

/* ---- -t --------------------------------------------------------------------------------- */

/* The members of limits and escalations, rows of their own, stand in the values of these. */
static void
print_settings(const struct conf *c)
{
	const struct conf_row *row;
	char *value;
	size_t i;

	for (i = 0; (row = conf_row(i)) != NULL; i++) {
		if (strstr(row->path, "[]") != NULL)
			continue;
		value = conf_row_value_new(c, i);
		printf("%s = %s;\n", row->path, value);
		free(value);
	}
}

/* From here on files are opened as the daemon opens them at a reload. A user that is not there (yet) is no
 * mistake of the file: it may be checked on another host. */
static bool
become_user(const struct conf *c)
{
	struct identity id;
	struct err e;

	err_clear(&e);
	if (find_identity(c, &id, &e) < 0)
		warn_to(NULL, &e);
	else if (drop_privileges(&id, &e) < 0) {
		complain(&e);
		return false;
	}
	return true;
}

static int
check_configuration(const struct arguments *a)
{
	const struct table_report report = { complain_to, NULL };
	struct conf_problems problems = { .say = complain_to, .warn = warn_to };
	struct conf *c = conf_load(a->file, &problems);
	struct chain *ch;
	struct err e;
	bool ok;

	if (c == NULL)
		return 1;
	ok = keys_readable(c) && become_user(c);
	err_clear(&e);
	if (daemon_check_passwords(c, &e) < 0) {
		complain(&e);
		ok = false;
	}
	ch = chain_new(c, NULL, NULL, &report);
	if (ch == NULL) {
		conf_unref(&c);
		return 1;
	}
	if (ok && a->verbose)
		print_settings(chain_conf(ch));
	chain_unref(&ch);
	if (ok)
		printf("%s: ok\n", a->file);
	return ok ? 0 : 1;
}

/* ---- sockets ------------------------------------------------------------------------------ */

static mode_t
read_mode(const char *octal)
{
	return (mode_t)(strtoul(octal, NULL, 8) & 0777);
}

struct sockets {
	struct listener milter;
	struct daemon_sockets own;
	struct listener further[LISTEN_MOST];	/* of `listen`, after the first */
	size_t n_further;
};

static void
close_sockets(struct sockets *s)
{
	size_t i;

	listen_close(&s->milter);
	listen_close(&s->own.api);
	listen_close(&s->own.submission);
	listen_close(&s->own.web);
	for (i = 0; i < s->n_further; i++)
		listen_close(&s->further[i]);
}

/* Who may use them is decided by the peer's uid, not by the socket's mode. */
static int
open_own_sockets(const struct conf *c, const struct identity *id, struct daemon_sockets *s, struct err *e)
{
	const struct listen_want want = { 0666, id->uid, id->gid };
	const struct { struct listener *l; const char *name, *where; } own[] = {
		{ &s->api, "api", c->api },
		{ &s->submission, "submission", c->submission.socket },
		{ &s->web, "web", c->submission.web },
	};
	size_t i;

	for (i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (*own[i].where != '\0' && listen_inherit(own[i].l, own[i].name) < 0 &&
		    listen_open(own[i].l, own[i].where, &want, e) < 0)
			return -1;
	return 0;
}

static int
open_sockets(const struct conf *c, const struct identity *id, struct sockets *s, struct err *e)
{
	const struct listen_want want = { read_mode(c->listen_mode), id->uid, id->socket_gid };
	size_t i;

	memset(s, 0, sizeof(*s));
	s->milter.fd = s->own.api.fd = s->own.submission.fd = s->own.web.fd = -1;
	if (listen_inherit(&s->milter, "milter") < 0 &&
	    listen_open(&s->milter, c->listen.at[0], &want, e) < 0)
		return -1;
	if (open_own_sockets(c, id, &s->own, e) < 0) {
		close_sockets(s);
		return -1;
	}
	for (i = 1; i < c->listen.n && s->n_further < LISTEN_MOST; i++) {
		if (listen_open(&s->further[s->n_further], c->listen.at[i], &want, e) < 0) {
			close_sockets(s);
			return -1;
		}
		s->n_further++;
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
	if (strncmp(path, "unix:", 5) == 0 && id->uid != (uid_t)-1 &&
	    chown(path + 5, id->uid, id->socket_gid) < 0)
		return err_set(e, ERR_SYSTEM, "%s: cannot set its owner: %s", path, strerror(errno));
	return 0;
}

/* ---- going into the background ---------------------------------------------------------------- */

/* The parent leaves when the child says it is ready, with the child's exit status when it dies before.
 * Returns the child's end of the pipe. */
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

/* ---- the order of it all ---------------------------------------------------------------------- */

static int
prepare(const struct conf *c, struct sockets *s, struct err *e)
{
	const struct session_hooks hooks = { daemon_chain, NULL };
	struct identity id;

	if (find_identity(c, &id, e) < 0 || open_sockets(c, &id, s, e) < 0)
		return -1;
	if (session_setup(&hooks, e) < 0 || hand_to_libmilter(&s->milter, c, &id, e) < 0 ||
	    drop_privileges(&id, e) < 0 || serve_catch_signals(e) < 0) {
		close_sockets(s);
		return -1;
	}
	return 0;
}

/* From here on there are threads. */
static int
run(const struct arguments *a, struct conf *take_c, struct sockets *s, int ready)
{
	struct daemon *d = daemon_open(take_c, a->file, a->foreground, &s->own, complain_to, NULL);
	struct forward *further = NULL;
	struct err e;
	bool quiet, failed;

	if (d == NULL)
		return 1;
	if (s->n_further > 0 && (further = forward_open(s->further, s->n_further, &s->milter, &e)) == NULL) {
		complain(&e);
		daemon_close(&d);
		return 1;
	}
	say_ready(ready);
	quiet = serve(d, &s->milter, further, &failed);
	forward_close(&further);
	close_sockets(s);
	if (!quiet)
		daemon_abandon(d);
	daemon_close(&d);
	return failed ? 1 : 0;
}

int
main(int argc, char **argv)
{
	struct conf_problems problems = { .say = complain_to, .warn = warn_to };
	struct arguments a = { 0 };
	struct sockets sockets;
	struct conf *c;
	struct err e;
	int ready = -1, pid_fd, status;

	read_arguments(argc, argv, &a);
	if (a.version)
		return print_version();
	if (a.check)
		return check_configuration(&a);
	if ((c = conf_load(a.file, &problems)) == NULL)
		return 1;
	err_clear(&e);
	pid_fd = open_pid_file(a.pid_file);
	if (a.pid_file != NULL && pid_fd < 0)
		return 1;
	if (prepare(c, &sockets, &e) < 0) {
		complain(&e);
		conf_unref(&c);
		return 1;
	}
	raise_files();
	if (!a.foreground)
		ready = go_background();
	if (pid_fd >= 0) {
		dprintf(pid_fd, "%ld\n", (long)getpid());
		close(pid_fd);
	}
	status = run(&a, c, &sockets, ready);
	close_sockets(&sockets);
	return status;
}
