/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * ancestry: environment blocks of every shape; our own process tree.
 */
#include "milter/ancestry.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define SITE 5		/* a user who is not the one who began his programs */
#define BLOCK(text) text, sizeof(text)
#define CGI "GATEWAY_INTERFACE=CGI/1.1\0"

static const struct { const char *name, *block; size_t n; const char *address, *script; } cases[] = {
	{ "a CGI program", BLOCK(CGI "REMOTE_ADDR=203.0.113.9\0SCRIPT_FILENAME=/srv/a.php"), "203.0.113.9", "/srv/a.php" },
	{ "in any order, over IPv6", BLOCK("PATH=/bin\0REMOTE_ADDR=2001:db8::1\0" CGI "A="), "2001:db8::1", "" },
	{ "the first of two counts", BLOCK(CGI "REMOTE_ADDR=203.0.113.9\0REMOTE_ADDR=203.0.113.10"), "203.0.113.9", "" },
	{ "no CGI program", BLOCK("REMOTE_ADDR=203.0.113.9"), NULL, NULL },
	{ "no address", BLOCK(CGI), NULL, NULL },
	{ "none that can be read", BLOCK(CGI "REMOTE_ADDR=203.0.113.9, 10.0.0.1"), NULL, NULL },
	{ "a name that only ends so", BLOCK(CGI "HTTP_REMOTE_ADDR=203.0.113.9"), NULL, NULL },
	{ "cut off in the middle", CGI "REMOTE_ADDR=203.0.113.9", sizeof(CGI "REMOTE_ADDR=203.0.113.9") - 1, NULL, NULL },
	{ "nothing", "", 0, NULL, NULL },
	{ "only NULs", "\0\0\0", 3, NULL, NULL },
	{ "control characters in the script", BLOCK(CGI "REMOTE_ADDR=203.0.113.9\0SCRIPT_FILENAME=/a\nb"), "203.0.113.9", "/a?b" },
};

static void
blocks(void **state)
{
	struct ancestry_found found;
	char text[NET_TEXT];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		print_message("%s\n", cases[i].name);
		assert_int_equal(ancestry_read(cases[i].block, cases[i].n, &found), cases[i].address != NULL);
		if (cases[i].address == NULL)
			continue;
		net_text(&found.visitor, text);
		assert_string_equal(text, cases[i].address);
		assert_string_equal(found.script, cases[i].script);
	}
}

static bool
is_server(void *cookie, uid_t uid)
{
	(void)uid;
	return *(bool *)cookie;
}

/* A grandchild of a program that was started as CGI programs are; of one that was not. */
static bool
found_below(char *const *environment, bool server, struct ancestry_found *to)
{
	static char sh[] = "sh", c[] = "-c", script[] = "REMOTE_ADDR=198.51.100.66 sh -c 'echo $$; read x; :'; :";
	char *const argv[] = { sh, c, script, NULL };
	int out[2], in[2], process;
	char line[40] = "";
	bool found;
	pid_t pid, below;

	assert_int_equal(pipe(out), 0);
	assert_int_equal(pipe(in), 0);
	if ((pid = fork()) == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		close(in[1]);
		if (setgid(SITE) < 0 || setuid(SITE) < 0)
			_exit(126);
		execve("/bin/sh", argv, environment);
		_exit(127);
	}
	assert_true(read(out[0], line, sizeof(line) - 1) > 0);
	below = (pid_t)strtol(line, NULL, 10);
	process = (int)syscall(SYS_pidfd_open, below, 0);
	found = ancestry_find(process, below, SITE, is_server, &server, to);
	close(in[1]);
	waitpid(pid, NULL, 0);
	/* When the process is gone, whatever is read is another's. */
	assert_false(ancestry_find(process, below, SITE, is_server, &server, to));
	close(process);
	close(in[0]);
	close(out[0]);
	close(out[1]);
	return found;
}

static void
own_tree(void **state)
{
	static char path[] = "PATH=/usr/bin:/bin", interface[] = "GATEWAY_INTERFACE=CGI/1.1", address[] = "REMOTE_ADDR=203.0.113.9";
	char *const cgi[] = { path, interface, address, NULL }, *const plain[] = { path, address, NULL };
	struct ancestry_found found;
	char text[NET_TEXT];

	(void)state;
	if (getuid() != 0)
		skip();		/* whose line ends with us, who began it, must be another's */
	assert_true(found_below(cgi, true, &found));
	net_text(&found.visitor, text);
	assert_string_equal(text, "203.0.113.9");
	assert_false(found_below(cgi, false, &found));
	assert_false(found_below(plain, true, &found));
}

static void
others_and_nobody(void **state)
{
	struct ancestry_found found;
	bool server = true;

	(void)state;
	assert_false(ancestry_find(-1, 0, getuid(), is_server, &server, &found));
	assert_false(ancestry_find(-1, 1, getuid(), is_server, &server, &found));
	assert_false(ancestry_find(-1, getpid(), getuid() + 1, is_server, &server, &found));
	assert_false(ancestry_find(-1, 0x3fffffff, getuid(), is_server, &server, &found));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks),
		cmocka_unit_test(own_tree),
		cmocka_unit_test(others_and_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
