/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * gatepost-sendmail: command lines as people write them and as attackers do; messages of every shape,
 * whole behind their ticket; its configuration.
 */
#include "milter/sendmail_options.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "lib/str.h"
#include "milter/sendmail_conf.h"
#include "milter/sendmail_message.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- options: what the real one gets, "|" between words; a '-' alone in front of recipients ----- */

static const struct { const char *line, *want; } good[] = {
	{ "x -t -i", "t i" },
	{ "x -ti", "t i" },
	{ "x -it", "t i" },
	{ "x -oi -t", "t i" },
	{ "x -t", "t" },
	{ "x a@b.example", "a@b.example" },
	{ "x -fbob@acme.example a@b.example", "-f|bob@acme.example a@b.example" },
	{ "x -f bob@acme.example a@b.example", "-f|bob@acme.example a@b.example" },
	{ "x -r bob@acme.example -t", "-f|bob@acme.example t" },
	{ "x -f <> -t", "-f|<> t" },
	{ "x -ifbob@acme.example a@b.example", "-f|bob@acme.example i a@b.example" },
	{ "x a@b.example -i c@d.example", "i a@b.example c@d.example" },
	{ "x -F Bob -t", "-F|Bob t" },
	{ "x -B8BITMIME -t", "-B|8BITMIME t" },
	{ "x -B 7bit -t", "-B|7bit t" },
	{ "x -N never -t", "-N|never t" },
	{ "x -Nfailure,delay -t", "-N|failure,delay t" },
	{ "x -R hdrs -V abc -t", "-R|hdrs|-V|abc t" },
	{ "x -odb -oem -om -o7 -em -G -v -U -n -m -h 3 -Am -p smtp -t", "t" },
	{ "x -bm -t", "t" },
	{ "x -t -- a@b.example", "t a@b.example" },
	{ "x -bp", "list" },
	{ "mailq", "list" },
	{ "/usr/bin/mailq", "list" },
	{ "x -q", "run" },
	{ "newaliases", "aliases" },
	{ "x -bi", "aliases" },
};

static const char *const bad[] = {
	"x", "x -i", "x -bs", "x -bd", "x -bD", "x -bt", "x -bv a@b.example", "x -bz", "x -b",
	"x -C/tmp/evil -t",
	"x -t -C /tmp/evil", "x -X/tmp/log -t", "x -t -X", "x -X /tmp/log a@b.example", "x -tX/tmp/log",
	"x -OQueueDirectory=/tmp -t", "x -O QueueDirectory=/tmp -t", "x -oQ/tmp -t", "x -oX -t", "x -o",
	"x -oiQ -t",
	"x -d99 -t", "x -D/tmp/x -t", "x -MsX -t", "x -L evil -t", "x -I", "x -QQ -t", "x -qR.example",
	"x -q30m -bd",
	"x -q -t", "x -bp a@b.example", "x -bp -q", "x -Z -t", "x -N sometimes -t", "x -N never,delay -t",
	"x -N -t",
	"x -R some -t", "x -B9BIT -t", "x -f", "x -t -f", "x -f -X/tmp/log a@b.example", "x -- -X/tmp/log",
	"x -t -- -t", "x -", "x --config=/tmp/evil -t", "x --help",
};

/* Splits at blanks; texts live in copy. */
static int
split(char *copy, char **argv, int most)
{
	int n = 0;
	char *word, *rest = copy;

	while (n < most && (word = strsep(&rest, " ")) != NULL)
		argv[n++] = word;
	argv[n] = NULL;
	return n;
}

static void
write_down(const struct sendmail_options *o, struct str *to)
{
	static const char *const tasks[] = { "", "list", "run", "aliases" };
	size_t i;

	str_cat(to, tasks[o->task]);
	for (i = 0; i < o->n_pass; i++)
		str_catf(to, "%s%s", i == 0 ? "" : "|", o->pass[i]);
	str_cat(to, o->from_header ? " t" : "");
	str_cat(to, o->ignore_dots ? " i" : "");
	for (i = 0; i < o->n_recipients; i++)
		str_catf(to, " %s", o->recipients[i]);
}

static void
options_that_are_taken(void **state)
{
	struct sendmail_options o;
	char copy[300], text[300], *argv[40];
	struct err e;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(good); i++) {
		struct str s = STR_IN(text);
		int argc;

		print_message("%s\n", good[i].line);
		assert_true(str_copy(copy, sizeof(copy), good[i].line));
		argc = split(copy, argv, 38);
		assert_int_equal(sendmail_options_read(argc, argv, &o, &e), 0);
		write_down(&o, &s);
		assert_string_equal(text[0] == ' ' ? text + 1 : text, good[i].want);
		sendmail_options_free(&o);
	}
}

static void
options_that_are_refused(void **state)
{
	struct sendmail_options o;
	char copy[300], *argv[40];
	struct err e;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(bad); i++) {
		int argc;

		print_message("%s\n", bad[i]);
		assert_true(str_copy(copy, sizeof(copy), bad[i]));
		argc = split(copy, argv, 38);
		err_clear(&e);
		assert_int_equal(sendmail_options_read(argc, argv, &o, &e), -1);
		assert_true(e.text[0] != '\0');
	}
}

static void
hostile_arguments(void **state)
{
	char name[] = "x", t[] = "-t", option[] = "-f", lines[] = "bob\nX: y",
	    full[] = "-FBob\r\nBcc: all@b.example";
	char longer[1200], none[] = "";
	char *const cases[][5] = {
		{ name, t, option, lines, NULL }, { name, t, full, NULL }, { name, lines, NULL },
		{ name, t, option, longer, NULL }, { name, longer, NULL }, { name, none, NULL },
	};
	static const int n[] = { 4, 3, 2, 4, 2, 2 };
	struct sendmail_options o;
	struct err e;
	size_t i;

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	for (i = 0; i < COUNT(cases); i++)
		assert_int_equal(sendmail_options_read(n[i], cases[i], &o, &e), -1);
}

/* ---- messages ------------------------------------------------------------------------------------ */

static const struct { const char *name, *in, *out; bool dots; } messages[] = {
	{ "plain", "Subject: x\n\ntext\n", "Gatepost-Ticket: T\nSubject: x\n\ntext\n", false },
	{ "line ends of the message", "Subject: x\r\n\r\ntext\r\n",
	    "Gatepost-Ticket: T\r\nSubject: x\r\n\r\ntext\r\n", false },
	{ "empty", "", "Gatepost-Ticket: T\n\n", false },
	{ "no header", "hello\nworld\n", "Gatepost-Ticket: T\n\nhello\nworld\n", false },
	{ "no header, first line indented", " hello\n", "Gatepost-Ticket: T\n\n hello\n", false },
	{ "no header, an empty line first", "\nhello\n", "Gatepost-Ticket: T\n\nhello\n", false },
	{ "no end of line", "Subject: x", "Gatepost-Ticket: T\nSubject: x", false },
	{ "a copy of the ticket", "Gatepost-Ticket: forged\nSubject: x\n\nt\n",
	    "Gatepost-Ticket: T\nSubject: x\n\nt\n", false },
	{ "copies in any case, folded, with blanks",
	    "A: b\ngatepost-ticket : x\n y\n\tz\nGATEPOST-TICKET\t:\nC: d\n\nt\n",
	    "Gatepost-Ticket: T\nA: b\nC: d\n\nt\n", false },
	{ "what only begins so", "Gatepost-Tickets: 1\nGatepost-Ticke: 2\n\nt\n",
	    "Gatepost-Ticket: T\nGatepost-Tickets: 1\nGatepost-Ticke: 2\n\nt\n", false },
	{ "a body is nobody's business", "A: b\n\nGatepost-Ticket: x\n",
	    "Gatepost-Ticket: T\nA: b\n\nGatepost-Ticket: x\n",
	    false },
	{ "mbox lines on top", "From bob Mon\n>From x\nA: b\n\nt\n", "Gatepost-Ticket: T\nA: b\n\nt\n",
	    false },
	{ "mbox lines further down", "A: b\n\nFrom bob\n", "Gatepost-Ticket: T\nA: b\n\nFrom bob\n", false },
	{ "a lone dot ends", "A: b\n\nt\n.\nmore\n", "Gatepost-Ticket: T\nA: b\n\nt\n", true },
	{ "with CRLF too", "A: b\r\n\r\nt\r\n.\r\nmore\r\n", "Gatepost-Ticket: T\r\nA: b\r\n\r\nt\r\n",
	    true },
	{ "and as the last line", "A: b\n\nt\n.", "Gatepost-Ticket: T\nA: b\n\nt\n", true },
	{ "and in the header", "A: b\n.\n", "Gatepost-Ticket: T\nA: b\n", true },
	{ "with -i it does not", "A: b\n\n.\nmore\n", "Gatepost-Ticket: T\nA: b\n\n.\nmore\n", false },
	{ "two dots are none", "A: b\n\n..\n. \n", "Gatepost-Ticket: T\nA: b\n\n..\n. \n", true },
	{ "8-bit", "A: \xff\xfe\n\n\x80\n", "Gatepost-Ticket: T\nA: \xff\xfe\n\n\x80\n", false },
};

static const char *jail;	/* where the message is read, when not NULL: no /tmp is there */

/* What comes out for the n bytes of in, given in pieces. */
static size_t
run(const char *in, size_t n, size_t piece, bool dots, const char *ticket, char *out, size_t size)
{
	struct sendmail_message *m = sendmail_message_new(!dots);
	int from[2], to[2], status, r;
	size_t got = 0;
	ssize_t k;
	struct err e;
	pid_t writer, reader;

	assert_int_equal(pipe(from), 0);
	assert_int_equal(pipe(to), 0);
	if ((writer = fork()) == 0) {
		size_t at;

		close(from[0]);
		for (at = 0; at < n; at += piece)
			if (write(from[1], in + at, n - at < piece ? n - at : piece) < 0)
				break;
		_exit(0);
	}
	close(from[1]);
	if ((reader = fork()) == 0) {
		close(to[0]);
		if (jail != NULL && chroot(jail) < 0)
			_exit(2);
		r = sendmail_message_read(m, from[0], &e);
		if (r >= 0 && sendmail_message_write(m, to[1], ticket, &e) == 0 && r == 1)
			r = sendmail_message_pass(m, from[0], to[1], &e);
		_exit(r < 0);
	}
	close(from[0]);
	close(to[1]);
	while (got < size && (k = read(to[0], out + got, size - got)) > 0)
		got += (size_t)k;
	close(to[0]);
	waitpid(writer, &status, 0);
	waitpid(reader, &status, 0);
	assert_int_equal(status, 0);
	sendmail_message_free(&m);
	return got;
}

static void
messages_go_through(void **state)
{
	static const size_t pieces[] = { 1, 7, 4096 };
	char out[1000];
	size_t i, k, n;

	(void)state;
	for (i = 0; i < COUNT(messages); i++)
		for (k = 0; k < COUNT(pieces); k++) {
			n = run(messages[i].in, strlen(messages[i].in), pieces[k], messages[i].dots, "T", out,
			    sizeof(out) - 1);
			out[n] = '\0';
			print_message("%s\n", messages[i].name);
			assert_string_equal(out, messages[i].out);
		}
}

static void
without_a_ticket_nothing_is_added(void **state)
{
	static const char in[] = "Subject: x\nGatepost-Ticket: y\n\ntext\n";
	char out[200];
	size_t n;

	(void)state;
	n = run(in, strlen(in), 4096, false, NULL, out, sizeof(out) - 1);
	out[n] = '\0';
	assert_string_equal(out, "Subject: x\n\ntext\n");
}

/* Larger than memory keeps, with NULs and lines of any length. */
static void
large_messages_are_whole(void **state)
{
	static const size_t sizes[] = { 262144 - 30, 262144, 262145, 400000, 3000000 };
	char *in = malloc(3000000), *out = malloc(3001000);
	const size_t extra = strlen("Gatepost-Ticket: T\n");
	size_t i, k, n;

	(void)state;
	assert_true(in != NULL && out != NULL);
	for (k = 0; k < 3000000; k++)
		in[k] = (char)(k * 2654435761u >> 13);
	memcpy(in, "A: b\n", 5);
	for (k = 5; k < 2000; k++)
		in[k] = 'x';	/* a long line in the header */
	memcpy(in + 5, "B: ", 3);
	memcpy(in + 2000, "\n\n", 2);
	for (i = 0; i < COUNT(sizes); i++)
		for (k = 0; k < 2; k++) {
			/* with and without a look at lone dots */
			n = run(in, sizes[i], 65536, k == 1, "T", out, 3001000);
			if (k == 0 || n == sizes[i] + extra) {
				assert_int_equal(n, sizes[i] + extra);
				assert_memory_equal(out + extra, in, sizes[i]);
			}
		}
	free(in);
	free(out);
}

/* In a chroot there may be no /tmp: what memory does not hold goes on at once. */
static void
large_messages_without_a_file(void **state)
{
	char folder[] = "/tmp/gatepost-jail-XXXXXX", *in = malloc(3000000), *out = malloc(3001000);
	const size_t extra = strlen("Gatepost-Ticket: T\n");
	size_t n;

	(void)state;
	if (getuid() != 0)
		skip();
	assert_true(in != NULL && out != NULL && mkdtemp(folder) != NULL);
	memset(in, 'x', 3000000);
	memcpy(in, "A: b\n\n", 6);
	memcpy(in + 1000000, "\nGatepost-Ticket: body\n", 24);
	jail = folder;
	n = run(in, 3000000, 65536, false, "T", out, 3001000);
	assert_int_equal(n, 3000000 + extra);
	assert_memory_equal(out + extra, in, 3000000);
	memset(in + 6, '\n', 2999994);
	memcpy(in + 2000000, "\n.\n", 3);
	n = run(in, 3000000, 4096, true, "T", out, 3001000);
	assert_int_equal(n, 2000001 + extra);
	jail = NULL;
	rmdir(folder);
	free(in);
	free(out);
}

/* ---- its configuration -------------------------------------------------------------------------- */

static int
read_conf(const char *text, struct sendmail_conf *c, struct err *e)
{
	char path[] = "/tmp/gatepost-sendmail-XXXXXX";
	int fd = mkstemp(path), r;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	err_clear(e);
	r = sendmail_conf_read(path, c, e);
	unlink(path);
	return r;
}

static void
configuration(void **state)
{
	static const char *const wrong[] = { "x\n", "sendmail\n", "sendmail = relative\n", "socket =\n",
	    "without_ticket = no\n",
		"timeout = 0\n", "timeout = 2h\n", "unknown = 1\n" };
	struct sendmail_conf c;
	char line[700];
	struct err e;
	size_t i;

	(void)state;
	assert_int_equal(sendmail_conf_read("/nonexistent/sendmail.conf", &c, &e), 0);
	assert_string_equal(c.socket, "/run/gatepost/submission.sock");
	assert_true(c.queue);
	assert_int_equal(read_conf("# comment\n\n sendmail = /usr/sbin/sendmail.mta \r\n"
	    "without_ticket=tempfail\ntimeout = 500ms",
	    &c, &e), 0);
	assert_string_equal(c.sendmail, "/usr/sbin/sendmail.mta");
	assert_false(c.queue);
	assert_int_equal(c.timeout, 500);
	for (i = 0; i < COUNT(wrong); i++) {
		assert_int_equal(read_conf(wrong[i], &c, &e), -1);
		assert_non_null(strstr(e.where, ":1"));
	}
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	assert_int_equal(read_conf(line, &c, &e), -1);
}

/* The sample says what holds without it. */
static void
sample_is_the_defaults(void **state)
{
	const char *src = getenv("GATEPOST_SRC");
	struct sendmail_conf sample, defaults;
	char path[500];
	struct err e;

	(void)state;
	snprintf(path, sizeof(path), "%s/etc/sendmail.conf", src == NULL ? "." : src);
	assert_int_equal(sendmail_conf_read(path, &sample, &e), 0);
	assert_int_equal(sendmail_conf_read("/nonexistent/sendmail.conf", &defaults, &e), 0);
	assert_memory_equal(&sample, &defaults, sizeof(sample));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_that_are_taken),
		cmocka_unit_test(options_that_are_refused),
		cmocka_unit_test(hostile_arguments),
		cmocka_unit_test(messages_go_through),
		cmocka_unit_test(without_a_ticket_nothing_is_added),
		cmocka_unit_test(large_messages_are_whole),
		cmocka_unit_test(large_messages_without_a_file),
		cmocka_unit_test(configuration),
		cmocka_unit_test(sample_is_the_defaults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
