/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * gatepost-sendmail - stands in for sendmail(1) where PHP, cron and scripts call it.
 *
 * Reads the message, asks the daemon for a ticket (the kernel tells the daemon who we are), and hands both to
 * the real sendmail, whose exit status is ours. It has no rights that its caller lacks, and must never be
 * given any: setuid it would ask as somebody else. Whoever goes around it gets no ticket; that is all that it
 * enforces.
 */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sysexits.h>
#include <unistd.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "lib/str.h"
#include "lib/ticket.h"
#include "milter/sendmail_conf.h"
#include "milter/sendmail_message.h"
#include "milter/sendmail_options.h"
#include "milter/sendmail_ticket.h"

#include "lib/banned.h"

extern char **environ;

static void
complain(const char *where, const char *text)
{
	char space[700];
	struct str s = STR_IN(space);

	str_cat_safe(&s, where);
	str_cat(&s, *where == '\0' ? "" : ": ");
	str_cat_safe(&s, text);
	fprintf(stderr, "gatepost-sendmail: %s\n", s.data);
}

/* Set up as the real one (sendmail = /usr/sbin/sendmail, and that is us), we would call ourselves for
 * ever. */
static int
check_real(const char *real)
{
	struct stat it, we;

	if (stat(real, &it) < 0) {
		complain(real, strerror(errno));
		return EX_OSFILE;
	}
	if (stat("/proc/self/exe", &we) == 0 && it.st_dev == we.st_dev && it.st_ino == we.st_ino) {
		complain(real, "this is gatepost-sendmail itself; name the MTA's in sendmail.conf");
		return EX_CONFIG;
	}
	return EX_OK;
}

/* ---- the real sendmail -------------------------------------------------------------------------- */

static char **
command(const struct sendmail_conf *c, const struct sendmail_options *o)
{
	const char **argv = calloc(o->n_pass + o->n_recipients + 4, sizeof(*argv));
	size_t n = 0;

	if (argv == NULL)
		abort();
	argv[n++] = c->sendmail;
	argv[n++] = "-i";	/* the lone dot was ours to look for */
	if (o->from_header)
		argv[n++] = "-t";
	memcpy(argv + n, o->pass, o->n_pass * sizeof(*argv));
	n += o->n_pass;
	memcpy(argv + n, o->recipients, o->n_recipients * sizeof(*argv));
	return (char **)argv;
}

/* What would end us alone, with half of the message handed over, waits until all of it is. */
static void
hold_signals(sigset_t *old)
{
	sigset_t some;

	sigemptyset(&some);
	sigaddset(&some, SIGHUP);
	sigaddset(&some, SIGINT);
	sigaddset(&some, SIGQUIT);
	sigaddset(&some, SIGTERM);
	sigprocmask(SIG_BLOCK, &some, old);
}

/* Its standard input is a pipe that we write to; its signals are those in old. */
static pid_t
start(const struct sendmail_conf *c, const struct sendmail_options *o, const sigset_t *old, int *to)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t how;
	char **argv = command(c, o);
	sigset_t pipe_signal;
	int ends[2], r;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0) {
		complain("pipe", strerror(errno));
		free(argv);
		return -1;
	}
	sigemptyset(&pipe_signal);
	sigaddset(&pipe_signal, SIGPIPE);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, ends[0], STDIN_FILENO);
	posix_spawnattr_init(&how);
	posix_spawnattr_setsigdefault(&how, &pipe_signal);
	posix_spawnattr_setsigmask(&how, old);
	posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	r = posix_spawn(&pid, c->sendmail, &files, &how, argv, environ);
	posix_spawnattr_destroy(&how);
	posix_spawn_file_actions_destroy(&files);
	free(argv);
	close(ends[0]);
	if (r != 0) {
		complain(c->sendmail, strerror(r));
		close(ends[1]);
		return -1;
	}
	*to = ends[1];
	return pid;
}

static int
status_of(pid_t pid, const char *real)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return EX_OSERR;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	complain(real, "ended by a signal");
	return EX_SOFTWARE;
}

/* ---- one message -------------------------------------------------------------------------------- */

/* What the web server's prepend file put there; whoever wants can put something else there. */
static int
get_ticket(const struct sendmail_conf *c, char *value, size_t size)
{
	const struct sendmail_says says = { .token = getenv("GATEPOST_TOKEN"),
	    .address = getenv("REMOTE_ADDR"),
	    .script = getenv("SCRIPT_FILENAME") };
	struct err e;

	if (sendmail_ticket_get(c->socket, c->timeout, &says, value, size, &e) == 0)
		return 0;
	if (!c->queue)
		complain("no ticket", e.text);
	return -1;
}

static int
hand_over(const struct sendmail_conf *c, const struct sendmail_options *o, struct sendmail_message *m,
    bool more)
{
	char value[TICKET_VALUE];
	bool ticket = get_ticket(c, value, sizeof(value)) == 0;
	struct err e;
	sigset_t old;
	pid_t pid;
	int to, r, status;

	if (!ticket && !c->queue)
		return EX_TEMPFAIL;
	hold_signals(&old);
	if ((pid = start(c, o, &old, &to)) < 0)
		return EX_OSERR;
	r = sendmail_message_write(m, to, ticket ? value : NULL, &e);
	if (r == 0 && more)
		r = sendmail_message_pass(m, STDIN_FILENO, to, &e);
	/* Half a message must not be sent: it is ended before it hears the end of its input. */
	if (r < 0 && e.code != ERR_GONE) {
		complain("", e.text);
		kill(pid, SIGKILL);
	}
	close(to);
	sigprocmask(SIG_SETMASK, &old, NULL);
	status = status_of(pid, c->sendmail);
	if (r < 0 && e.code != ERR_GONE)
		return EX_IOERR;
	/* It took less than there was, and was content: then the message is not whole. */
	return r < 0 && status == EX_OK ? EX_IOERR : status;
}

static int
send_message(const struct sendmail_conf *c, const struct sendmail_options *o)
{
	struct sendmail_message *m = sendmail_message_new(o->ignore_dots);
	struct err e;
	int r = sendmail_message_read(m, STDIN_FILENO, &e), status;

	if (r < 0) {
		complain("", e.text);
		status = EX_IOERR;
	} else
		status = hand_over(c, o, m, r == 1);
	sendmail_message_free(&m);
	return status;
}

/* The queue and the aliases are the real one's, and who may ask it decides itself. */
static int
call_real(const struct sendmail_conf *c, enum sendmail_task task)
{
	static const char *const option[] = { [SENDMAIL_LIST] = "-bp", [SENDMAIL_RUN] = "-q",
	    [SENDMAIL_ALIASES] = "-bi" };

	execl(c->sendmail, c->sendmail, option[task], (char *)NULL);
	complain(c->sendmail, strerror(errno));
	return EX_OSFILE;
}

int
main(int argc, char **argv)
{
	struct sendmail_options o = { 0 };
	struct sendmail_conf c;
	struct err e;
	int status;

	err_clear(&e);
	if (getauxval(AT_SECURE) != 0) {
		complain("", "must be neither setuid nor setgid: remove the bit");
		return EX_CONFIG;
	}
	if (sendmail_options_read(argc, argv, &o, &e) < 0) {
		complain("", e.text);
		return EX_USAGE;
	}
	if (sendmail_conf_read(sendmail_conf_place(), &c, &e) < 0) {
		complain(e.where, e.text);
		status = EX_CONFIG;
	} else if ((status = check_real(c.sendmail)) == EX_OK) {
		signal(SIGPIPE, SIG_IGN);
		/* A caller that ignores it hands that on, and the real one's status would be lost. */
		signal(SIGCHLD, SIG_DFL);
		status = o.task == SENDMAIL_SEND ? send_message(&c, &o) : call_real(&c, o.task);
	}
	sendmail_options_free(&o);
	return status;
}
