/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * ancestry: environment blocks of every shape; our own process tree; memory that never comes.
 */
#include "milter/ancestry.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <stdatomic.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "lib/str.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define SITE 5		/* a user who is not the one who began his programs */
#define BLOCK(text) text, sizeof(text)
#define CGI "GATEWAY_INTERFACE=CGI/1.1\0"

static const struct { const char *name, *block; size_t n; const char *address, *script; } cases[] = {
	{ "a CGI program", BLOCK(CGI "REMOTE_ADDR=203.0.113.9\0SCRIPT_FILENAME=/srv/a.php"), "203.0.113.9",
	    "/srv/a.php" },
	{ "in any order, over IPv6", BLOCK("PATH=/bin\0REMOTE_ADDR=2001:db8::1\0" CGI "A="), "2001:db8::1",
	    "" },
	{ "the first of two counts", BLOCK(CGI "REMOTE_ADDR=203.0.113.9\0REMOTE_ADDR=203.0.113.10"),
	    "203.0.113.9", "" },
	{ "no CGI program", BLOCK("REMOTE_ADDR=203.0.113.9"), NULL, NULL },
	{ "no address", BLOCK(CGI), NULL, NULL },
	{ "none that can be read", BLOCK(CGI "REMOTE_ADDR=203.0.113.9, 10.0.0.1"), NULL, NULL },
	{ "a name that only ends so", BLOCK(CGI "HTTP_REMOTE_ADDR=203.0.113.9"), NULL, NULL },
	{ "cut off in the middle", CGI "REMOTE_ADDR=203.0.113.9", sizeof(CGI "REMOTE_ADDR=203.0.113.9") - 1,
	    NULL, NULL },
	{ "nothing", "", 0, NULL, NULL },
	{ "only NULs", "\0\0\0", 3, NULL, NULL },
	{ "control characters in the script", BLOCK(CGI "REMOTE_ADDR=203.0.113.9\0SCRIPT_FILENAME=/a\nb"),
	    "203.0.113.9", "/a?b" },
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
	return uid != SITE && *(bool *)cookie;
}

/* A program, begun by another user than its own as web servers begin them, and its grandchild. */
struct family {
	pid_t top, below;
	int process;		/* stands for the grandchild */
	int in[2], out[2];
};

/* What the program begins, with what it likes to say of itself. */
#define PLAIN "REMOTE_ADDR=198.51.100.66 sh -c 'echo $$; read x; :'; :"
#define FORGED "GATEWAY_INTERFACE=CGI/1.1 REMOTE_ADDR=198.51.100.66 " \
	"sh -c 'sh -c \"echo \\$\\$; read x; :\"; :'; :"

static void
begin_family(struct family *f, char *const *environment, const char *program)
{
	static char sh[] = "sh", c[] = "-c";
	char script[200], *const argv[] = { sh, c, script, NULL };
	char line[40] = "";

	assert_true(str_copy(script, sizeof(script), program));

	assert_int_equal(pipe(f->out), 0);
	assert_int_equal(pipe(f->in), 0);
	if ((f->top = fork()) == 0) {
		dup2(f->in[0], 0);
		dup2(f->out[1], 1);
		close(f->in[1]);
		if (setgid(SITE) < 0 || setuid(SITE) < 0)
			_exit(126);
		execve("/bin/sh", argv, environment);
		_exit(127);
	}
	assert_true(read(f->out[0], line, sizeof(line) - 1) > 0);
	f->below = (pid_t)strtol(line, NULL, 10);
	f->process = (int)syscall(SYS_pidfd_open, f->below, 0);
}

static void
end_family(struct family *f)
{
	close(f->in[1]);
	waitpid(f->top, NULL, 0);
	close(f->process);
	close(f->in[0]);
	close(f->out[0]);
	close(f->out[1]);
}

static bool
find(const struct family *f, bool server, struct ancestry_found *to)
{
	return ancestry_find(f->process, f->below, SITE, is_server, &server, to);
}

static bool
found_below(char *const *environment, const char *program, bool server, struct ancestry_found *to)
{
	struct family f;
	bool found;

	begin_family(&f, environment, program);
	found = find(&f, server, to);
	/* When the process is gone, whatever is read is another's. */
	kill(f.below, SIGKILL);
	waitpid(f.top, NULL, 0);
	assert_false(find(&f, server, to));
	end_family(&f);
	return found;
}

static void
own_tree(void **state)
{
	static char path[] = "PATH=/usr/bin:/bin", interface[] = "GATEWAY_INTERFACE=CGI/1.1",
	    address[] = "REMOTE_ADDR=203.0.113.9";
	char *const cgi[] = { path, interface, address, NULL }, *const plain[] = { path, address, NULL };
	struct ancestry_found found;
	char text[NET_TEXT];

	(void)state;
	if (getuid() != 0)
		skip();		/* whose line ends with us, who began it, must be another's */
	assert_true(found_below(cgi, PLAIN, true, &found));
	net_text(&found.visitor, text);
	assert_string_equal(text, "203.0.113.9");
	assert_true(found_below(cgi, FORGED, true, &found));
	net_text(&found.visitor, text);
	assert_string_equal(text, "203.0.113.9");
	assert_false(found_below(cgi, PLAIN, false, &found));
	assert_false(found_below(plain, PLAIN, true, &found));
	/* A server begun by the web server (mod_fcgid) has no visitor; what it begins is no CGI program. */
	assert_false(found_below(plain, FORGED, true, &found));
}

/* In place of libc's: as it is for memory that its owner has put on a file system of his, which does not
 * answer. */
static atomic_bool hangs;
static atomic_uint asked;

ssize_t
process_vm_readv(pid_t pid, const struct iovec *here, unsigned long n_here, const struct iovec *there,
    unsigned long n_there, unsigned long flags)
{
	atomic_fetch_add(&asked, 1);
	while (atomic_load(&hangs))
		usleep(1000);
	return syscall(SYS_process_vm_readv, pid, here, n_here, there, n_there, flags);
}

/* As the daemon is: no user that the system gives anything, with CAP_SYS_PTRACE. */
static bool
become_daemon(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2] = { { .effective = 1u << CAP_SYS_PTRACE,
	    .permitted = 1u << CAP_SYS_PTRACE } };

	return prctl(PR_SET_KEEPCAPS, 1) == 0 && setgid(SITE + 1) == 0 && setuid(SITE + 1) == 0 &&
	    syscall(SYS_capset, &head, caps) == 0;
}

/* Which of the following went wrong; 0 = none. */
static int
try_hanging(const struct family *f)
{
	uint64_t from = clock_mono_us();
	struct ancestry_found found;
	int i;

	if (!become_daemon())
		return 1;
	if (find(f, false, &found) || atomic_load(&asked) != 0)
		return 2;	/* no web server's program: its memory is none of ours */
	atomic_store(&hangs, true);
	if (find(f, true, &found) || atomic_load(&asked) != 1)
		return 3;
	if (find(f, true, &found) || atomic_load(&asked) != 1)
		return 4;	/* a second reader for the same user */
	if (clock_mono_us() - from > 5000000)
		return 5;
	/* It answers again: else who lets go and hangs again would hold us up with each question. */
	atomic_store(&hangs, false);
	for (i = 0; i < 20; i++) {
		if (find(f, true, &found) || atomic_load(&asked) != 1)
			return 6;
		usleep(10000);
	}
	return 0;
}

static void
memory_that_never_comes(void **state)
{
	static char interface[] = "GATEWAY_INTERFACE=CGI/1.1", address[] = "REMOTE_ADDR=203.0.113.9";
	char *const cgi[] = { interface, address, NULL };
	struct family f;
	int status;
	pid_t pid;

	(void)state;
	if (getuid() != 0)
		skip();
	begin_family(&f, cgi, PLAIN);
	if ((pid = fork()) == 0)
		_exit(try_hanging(&f));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	end_family(&f);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
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
		cmocka_unit_test(memory_that_never_comes),
		cmocka_unit_test(others_and_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
