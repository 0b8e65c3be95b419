/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * test_redis_conn - what a server says, read off a socket: good replies, and those of somebody who wants our
 * memory.
 */
#include "lib/redis_private.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/banned.h"

static void
pair(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
}

/* Reads a text as from a server that hangs up behind it: 1 with a reply, 0 hung up before there was one,
 * -1. */
static int
read_text(const char *text, struct redis_reply **reply)
{
	struct redis_conn *c;
	int fds[2], done = 0;

	pair(fds);
	assert_int_equal(write(fds[1], text, strlen(text)), (ssize_t)strlen(text));
	(void)close(fds[1]);
	c = redis_conn_adopt(fds[0]);
	*reply = NULL;
	while (done == 0 && redis_conn_read(c) == 1)
		done = redis_conn_reply(c, reply);
	redis_conn_close(&c);
	return done;
}

static void
test_good(void **state)
{
	struct redis_reply *r;

	(void)state;
	assert_int_equal(read_text("*3\r\n$2\r\nab\r\n:-7\r\n*2\r\n$-1\r\n+OK\r\n", &r), 1);
	assert_int_equal(r->type, REDIS_ARRAY);
	assert_int_equal(r->n, 3);
	assert_string_equal(r->at[0]->text, "ab");
	assert_int_equal(r->at[1]->integer, -7);
	assert_int_equal(r->at[2]->n, 2);
	assert_int_equal(r->at[2]->at[0]->type, REDIS_NIL);
	assert_true(redis_reply_is(r->at[2]->at[1], "OK"));
	redis_reply_free(&r);
	assert_int_equal(read_text("*0\r\n", &r), 1);
	assert_int_equal(r->n, 0);
	redis_reply_free(&r);
	assert_int_equal(read_text("-MOVED 1 192.0.2.1:6379\r\n", &r), 1);
	assert_true(redis_reply_is_error(r, "MOVED"));
	redis_reply_free(&r);
}

static void
test_many(void **state)
{
	static char text[20 * 4 + 16];
	struct redis_reply *r;
	size_t n = (size_t)snprintf(text, sizeof(text), "*20\r\n"), i;

	(void)state;
	for (i = 0; i < 20; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, ":%zu\r\n", i % 10);
	assert_int_equal(read_text(text, &r), 1);
	assert_int_equal(r->n, 20);
	assert_int_equal(r->at[19]->integer, 9);
	redis_reply_free(&r);
}

/* Announced and never sent: no memory is taken for it. */
static void
test_announced(void **state)
{
	static const char *const texts[] = { "*2147483647\r\n", "*2147483647\r\n*2147483647\r\n*2147483647\r\n:1\r\n",
	    "$9223372036854775806\r\nab", "$2147483647\r\nab", "*-1\r\n*", "*5\r\n$1\r\na\r\n" };
	struct redis_reply *r;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (read_text(texts[i], &r) == 1) {
			assert_int_equal(r->type, REDIS_NIL);
			redis_reply_free(&r);
		}
	}
	assert_int_equal(read_text("*-2\r\n", &r), -1);
	assert_int_equal(read_text("$-2\r\n", &r), -1);
	assert_int_equal(read_text("*9223372036854775807\r\n", &r), -1);
	assert_int_equal(read_text("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", &r), -1);
	assert_int_equal(read_text("HTTP/1.1 400 Bad Request\r\n\r\n", &r), -1);
}

/* ---- somebody who sends without end ---- */

struct flood {
	int fd;
	const char *head, *again;
	size_t sent;
};

static void *
flood(void *cookie)
{
	struct flood *f = cookie;
	static const size_t most = (size_t)1 << 30;
	char block[8192];
	size_t n = strlen(f->again), filled = 0;
	ssize_t done = send(f->fd, f->head, strlen(f->head), MSG_NOSIGNAL);

	while (filled + n <= sizeof(block)) {
		memcpy(block + filled, f->again, n);
		filled += n;
	}
	while (done > 0 && f->sent < most) {
		done = send(f->fd, block, filled, MSG_NOSIGNAL);
		f->sent += done > 0 ? (size_t)done : 0;
	}
	(void)close(f->fd);
	return NULL;
}

static void
test_flood(void **state)
{
	static const struct { const char *head, *again; size_t most; } cases[] = {
		{ "*2147483647\r\n", "*0\r\n", 32 << 20 },	/* each takes more than it is long */
		{ "*2147483647\r\n", "$3\r\nabc\r\n", 64 << 20 },
		{ "$2147483647\r\n", "a", 80 << 20 },
		{ "+", "a", 1 << 20 },
		{ "*", "1", 1 << 20 },
		{ "$", "0", 1 << 20 },
	};
	struct redis_reply *r = NULL;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct flood f = { .head = cases[i].head, .again = cases[i].again };
		struct redis_conn *c;
		pthread_t thread;
		int fds[2], done = 0, got;

		pair(fds);
		f.fd = fds[1];
		assert_int_equal(pthread_create(&thread, NULL, flood, &f), 0);
		c = redis_conn_adopt(fds[0]);
		while (done == 0 && (got = redis_conn_read(c)) >= 0)
			done = got == 1 ? redis_conn_reply(c, &r) : 0;
		redis_conn_close(&c);
		(void)pthread_join(thread, NULL);
		assert_int_equal(done, -1);
		assert_true(f.sent < cases[i].most);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_announced),
		cmocka_unit_test(test_flood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
