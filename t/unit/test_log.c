/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * The log against a real datagram socket: form of a line, levels, hostile
 * text, a syslog daemon that is missing, restarted, or does not read.
 */
#include "lib/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 10000

static char folder[128];
static char path[160];

static int
receiver_open(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_true(strlen(path) < sizeof(at.sun_path));
	memcpy(at.sun_path, path, strlen(path) + 1);
	(void)unlink(path);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

/* Waits for one line. */
static void
receive(int fd, char *to, size_t size)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;

	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	n = recv(fd, to, size - 1, 0);
	assert_true(n >= 0);
	to[n] = '\0';
}

static void
open_log(enum log_level most)
{
	struct log_settings s = { .ident = "gatepost", .facility = "mail", .socket = path, .most = most };

	log_open(&s);
}

static int
setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	(void)snprintf(folder, sizeof(folder), "%.80s/gatepost-log-XXXXXX", tmp != NULL ? tmp : "/tmp");
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/log", folder);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	log_close();
	(void)unlink(path);
	(void)rmdir(folder);
	return 0;
}

static void
a_line_has_the_form_of_rfc_3164(void **state)
{
	int fd = receiver_open();
	char got[4096], tail[64], month[4];
	unsigned priority, day, hour, minute, second;

	(void)state;
	open_log(LOG_LEVEL_INFO);
	log_line(LOG_LEVEL_INFO, "hello customer=acme");
	receive(fd, got, sizeof(got));
	assert_int_equal(
	    sscanf(got, "<%u>%3s %2u %2u:%2u:%2u", &priority, month, &day, &hour, &minute, &second), 6);
	assert_int_equal(priority, 2 * 8 + 6);
	(void)snprintf(tail, sizeof(tail), " gatepost[%ld]: hello customer=acme", (long)getpid());
	assert_non_null(strstr(got, tail));
	assert_string_equal(strstr(got, tail), tail);
	/* The day is padded with a blank: everything before the name has one length. */
	assert_int_equal(strstr(got, tail) - strchr(got, '>'), 16);
	(void)close(fd);
}

static void
levels_and_facilities(void **state)
{
	int fd = receiver_open();
	char got[4096];

	(void)state;
	open_log(LOG_LEVEL_NOTICE);
	log_line(LOG_LEVEL_INFO, "left out");
	log_printf(LOG_LEVEL_DEBUG, "left %s", "out");
	log_printf(LOG_LEVEL_ERROR, "error %d", 7);
	log_line_facility(LOG_LEVEL_INFO, "local3", "an alert is never left out");
	log_line_facility(LOG_LEVEL_WARNING, "", "ours");

	receive(fd, got, sizeof(got));
	assert_memory_equal(got, "<19>", 4);
	assert_non_null(strstr(got, ": error 7"));
	receive(fd, got, sizeof(got));
	assert_memory_equal(got, "<158>", 5);
	assert_non_null(strstr(got, ": an alert is never left out"));
	receive(fd, got, sizeof(got));
	assert_memory_equal(got, "<20>", 4);

	assert_true(log_facility_known("mail"));
	assert_true(log_facility_known("LOCAL7"));
	assert_false(log_facility_known("local8"));
	assert_false(log_facility_known(""));
	assert_false(log_facility_known(NULL));
	(void)close(fd);
}

static void
hostile_text_stays_one_line(void **state)
{
	int fd = receiver_open();
	char got[4096], longer[5000];
	const char *text;

	(void)state;
	open_log(LOG_LEVEL_INFO);
	log_line(LOG_LEVEL_INFO, "a\nb\r\x1b[2Jc\x7f" "d\tt");
	receive(fd, got, sizeof(got));
	assert_non_null(strstr(got, ": a?b??[2Jc?d?t"));
	log_printf(LOG_LEVEL_INFO, "%s", "%n%s%d");
	receive(fd, got, sizeof(got));
	assert_non_null(strstr(got, ": %n%s%d"));

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	memcpy(longer + 1999, "\xc3\xa4", 2);
	log_line(LOG_LEVEL_INFO, longer);
	receive(fd, got, sizeof(got));
	text = strstr(got, ": ") + 2;
	assert_int_equal(strlen(text), 1999);
	assert_int_equal(text[1998], 'x');
	(void)close(fd);
}

static void
lines_wait_for_a_missing_daemon(void **state)
{
	char got[4096], want[32];
	int fd, i;

	(void)state;
	open_log(LOG_LEVEL_INFO);
	for (i = 0; i < 20; i++)
		log_printf(LOG_LEVEL_INFO, "early %d", i);
	fd = receiver_open();
	for (i = 0; i < 20; i++) {
		receive(fd, got, sizeof(got));
		(void)snprintf(want, sizeof(want), ": early %d", i);
		assert_non_null(strstr(got, want));
	}
	(void)close(fd);
}

static void
a_restarted_daemon_is_found_again(void **state)
{
	int fd = receiver_open();
	char got[4096];

	(void)state;
	open_log(LOG_LEVEL_INFO);
	log_line(LOG_LEVEL_INFO, "one");
	receive(fd, got, sizeof(got));
	(void)close(fd);
	fd = receiver_open();
	log_line(LOG_LEVEL_INFO, "two");
	receive(fd, got, sizeof(got));
	assert_non_null(strstr(got, ": two"));
	(void)close(fd);
}

static void
settings_change_while_running(void **state)
{
	struct log_settings s = { .ident = "other", .facility = "daemon", .socket = path,
		.most = LOG_LEVEL_DEBUG };
	int fd = receiver_open();
	char got[4096];

	(void)state;
	open_log(LOG_LEVEL_INFO);
	log_line(LOG_LEVEL_INFO, "one");
	receive(fd, got, sizeof(got));
	log_open(&s);
	log_line(LOG_LEVEL_DEBUG, "two");
	receive(fd, got, sizeof(got));
	assert_memory_equal(got, "<31>", 4);
	assert_non_null(strstr(got, " other["));
	(void)close(fd);
}

static void
a_daemon_that_does_not_read_holds_up_nobody(void **state)
{
	int fd = receiver_open();
	uint64_t before = log_dropped(), lost = 0, n;
	struct timespec start, end;
	char got[4096], *at;
	unsigned lines = 0;
	int i;

	(void)state;
	open_log(LOG_LEVEL_INFO);
	(void)clock_gettime(CLOCK_MONOTONIC, &start);
	for (i = 0; i < 30000; i++)
		log_printf(LOG_LEVEL_INFO, "line %d", i);
	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	assert_true(end.tv_sec - start.tv_sec < 5);
	assert_true(log_dropped() > before);

	/* It reads again: what is left arrives in order, and the loss is told once. */
	while (lost == 0) {
		receive(fd, got, sizeof(got));
		at = strstr(got, ": log: ");
		if (at != NULL && sscanf(at, ": log: %lu lines dropped", &n) == 1)
			lost += n;
		else
			lines++;
	}
	assert_int_equal(lines + lost, 30000);
	assert_int_equal(log_dropped() - before, lost);
	(void)close(fd);
}

static void
close_sends_what_is_queued(void **state)
{
	int fd = receiver_open(), i;
	char got[4096];

	(void)state;
	open_log(LOG_LEVEL_INFO);
	for (i = 0; i < 5; i++)
		log_printf(LOG_LEVEL_INFO, "last %d", i);
	log_close();
	for (i = 0; i < 5; i++) {
		assert_true(recv(fd, got, sizeof(got), MSG_DONTWAIT) > 0);
		got[100] = '\0';
		assert_non_null(strstr(got, "last"));
	}
	assert_int_equal(recv(fd, got, sizeof(got), MSG_DONTWAIT), -1);

	/* A second life. */
	open_log(LOG_LEVEL_INFO);
	log_line(LOG_LEVEL_INFO, "again");
	receive(fd, got, sizeof(got));
	assert_non_null(strstr(got, ": again"));
	log_close();
	log_close();
	(void)close(fd);
}

static void
close_is_bounded_when_nobody_listens(void **state)
{
	struct timespec start, end;

	(void)state;
	open_log(LOG_LEVEL_INFO);
	log_line(LOG_LEVEL_INFO, "nobody hears this");
	(void)clock_gettime(CLOCK_MONOTONIC, &start);
	log_close();
	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	assert_true(end.tv_sec - start.tv_sec <= 3);
}

static void
standard_error_gets_lines_without_a_socket(void **state)
{
	struct log_settings s = { .ident = "gatepost", .facility = "mail", .socket = "", .to_stderr = true,
		.most = LOG_LEVEL_INFO };
	int end[2], keep = dup(STDERR_FILENO);
	char got[4096];
	ssize_t n;

	(void)state;
	assert_int_equal(pipe(end), 0);
	assert_true(dup2(end[1], STDERR_FILENO) >= 0);
	log_line(LOG_LEVEL_WARNING, "before it is open");
	n = read(end[0], got, sizeof(got) - 1);
	log_open(&s);
	log_line(LOG_LEVEL_INFO, "to a terminal");
	log_close();
	assert_true(dup2(keep, STDERR_FILENO) >= 0);
	(void)close(keep);
	(void)close(end[1]);

	assert_true(n > 0);
	got[n] = '\0';
	assert_string_equal(got, "before it is open\n");
	n = read(end[0], got, sizeof(got) - 1);
	assert_true(n > 0);
	got[n] = '\0';
	assert_non_null(strstr(got, "]: to a terminal\n"));
	assert_int_not_equal(got[0], '<');
	(void)close(end[0]);
}

static void *
shout(void *cookie)
{
	int i;

	for (i = 0; i < 500; i++)
		log_printf(LOG_LEVEL_INFO, "thread %d line %d", *(int *)cookie, i);
	return NULL;
}

static void
many_threads(void **state)
{
	int fd = receiver_open(), id[4] = { 0, 1, 2, 3 }, next[4] = { 0 }, i, who, line;
	pthread_t t[4];
	char got[4096];

	(void)state;
	open_log(LOG_LEVEL_INFO);
	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, shout, &id[i]), 0);
	for (i = 0; i < 2000; i++) {
		receive(fd, got, sizeof(got));
		assert_int_equal(sscanf(strstr(got, "]: "), "]: thread %d line %d", &who, &line), 2);
		assert_int_equal(line, next[who]++);
	}
	for (i = 0; i < 4; i++)
		(void)pthread_join(t[i], NULL);
	(void)close(fd);
}

static sig_atomic_t volatile signal_in_main;
static pthread_t main_thread;

static void
on_signal(int number)
{
	(void)number;
	signal_in_main = pthread_equal(pthread_self(), main_thread) ? 1 : 2;
}

static void
signals_stay_with_the_main_thread(void **state)
{
	sigset_t term, before;

	(void)state;
	main_thread = pthread_self();
	(void)signal(SIGTERM, on_signal);
	open_log(LOG_LEVEL_INFO);
	/* Blocked here, it would go to the writer if that took signals. */
	(void)sigemptyset(&term);
	(void)sigaddset(&term, SIGTERM);
	(void)pthread_sigmask(SIG_BLOCK, &term, &before);
	(void)kill(getpid(), SIGTERM);
	log_close();
	assert_int_equal(signal_in_main, 0);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	assert_int_equal(signal_in_main, 1);
	(void)signal(SIGTERM, SIG_DFL);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_line_has_the_form_of_rfc_3164),
		CASE(levels_and_facilities),
		CASE(hostile_text_stays_one_line),
		CASE(lines_wait_for_a_missing_daemon),
		CASE(a_restarted_daemon_is_found_again),
		CASE(settings_change_while_running),
		CASE(a_daemon_that_does_not_read_holds_up_nobody),
		CASE(close_sends_what_is_queued),
		CASE(close_is_bounded_when_nobody_listens),
		CASE(standard_error_gets_lines_without_a_socket),
		CASE(many_threads),
		CASE(signals_stay_with_the_main_thread),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
