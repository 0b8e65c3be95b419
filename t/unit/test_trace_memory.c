/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * trace_memory: what is put is found again, also after a restart and a crash; bounds in size and time;
 * damaged files; a disk that takes nothing; many threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "lib/trace_memory.h"

#define MIB ((uint64_t)1 << 20)
#define DAY ((uint64_t)86400000)

struct fixture {
	char dir[64], file[96];
	struct trace_memory *t;
	struct arena *arena;
	struct trace_memory_entry *found;
};

static void
reopen(struct fixture *f, uint64_t size)
{
	struct err e;

	err_clear(&e);
	trace_memory_close(&f->t);
	f->t = trace_memory_open(f->file, "out1", size, 30 * DAY, &e);
	if (f->t == NULL)
		fail_msg("%s", e.text);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	(void)snprintf(f->dir, sizeof(f->dir), "%.40s/gatepost-memory.XXXXXX",
	    getenv("TMPDIR") == NULL ? "/tmp" : getenv("TMPDIR"));
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->file, sizeof(f->file), "%s/state.db", f->dir);
	f->arena = arena_new(ARENA_DEFAULT_CAP);
	reopen(f, 64 * MIB);
	*state = f;
	return 0;
}

/* Calls each() for each file; returns how many, and their bytes. */
static size_t
files(const struct fixture *f, uint64_t *bytes, void (*each)(const char *path))
{
	DIR *d = opendir(f->dir);
	struct dirent *entry;
	char path[400];
	struct stat st;
	size_t n = 0;

	assert_non_null(d);
	*bytes = 0;
	while ((entry = readdir(d)) != NULL) {
		(void)snprintf(path, sizeof(path), "%s/%s", f->dir, entry->d_name);
		if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
			continue;
		n++;
		*bytes += (uint64_t)st.st_size;
		if (each != NULL)
			each(path);
	}
	(void)closedir(d);
	return n;
}

static void
remove_file(const char *path)
{
	(void)unlink(path);
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	uint64_t bytes;

	trace_memory_close(&f->t);
	(void)files(f, &bytes, remove_file);
	(void)rmdir(f->dir);
	arena_free(&f->arena);
	free(f);
	return 0;
}

static void
put(struct fixture *f, const char *id, const char *queue_id, uint64_t when)
{
	const struct trace_memory_entry v = { .when = when, .message_id = id, .queue_id = queue_id,
	    .customer = "acme", .account = "bob@acme.example", .client = "192.0.2.7", .port = 4711,
	    .submitter = "203.0.113.9", .quality = "app", .return_path = "bob@acme.example",
	    .action = "accept", .recipients = 3 };

	trace_memory_put(f->t, &v);
}

static int
look(struct fixture *f, const char *id, const char *queue_id)
{
	const struct trace_memory_question q = { .file = f->file, .message_id = id, .queue_id = queue_id,
	    .since = 1, .most = 5, .deadline = UINT64_MAX };
	struct err e;
	int n;

	err_clear(&e);
	assert_int_equal(trace_memory_flush(f->t, 10000), 1);
	n = trace_memory_find(&q, f->arena, &f->found, &e);
	if (n < 0)
		fail_msg("%s", e.text);
	return n;
}

static void
what_is_put_is_found(void **state)
{
	struct fixture *f = *state;

	put(f, "<one@acme.example>", "4AbC", 1000);
	put(f, " two@acme.example\r\n", "4DeF", 2000);
	put(f, NULL, "4GhI", 3000);
	assert_int_equal(look(f, "one@acme.example", NULL), 1);
	assert_string_equal(f->found[0].message_id, "one@acme.example");
	assert_string_equal(f->found[0].queue_id, "4AbC");
	assert_string_equal(f->found[0].relay, "out1");
	assert_string_equal(f->found[0].customer, "acme");
	assert_string_equal(f->found[0].account, "bob@acme.example");
	assert_string_equal(f->found[0].client, "192.0.2.7");
	assert_string_equal(f->found[0].submitter, "203.0.113.9");
	assert_string_equal(f->found[0].quality, "app");
	assert_string_equal(f->found[0].return_path, "bob@acme.example");
	assert_string_equal(f->found[0].action, "accept");
	assert_int_equal(f->found[0].port, 4711);
	assert_int_equal(f->found[0].recipients, 3);
	assert_int_equal(f->found[0].when, 1000);
	assert_int_equal(look(f, "<two@acme.example>", NULL), 1);
	assert_int_equal(look(f, "<two@acme.example>", "4DeF"), 1);
	assert_int_equal(look(f, "<two@acme.example>", "4AbC"), 0);
	assert_int_equal(look(f, NULL, "4GhI"), 1);
	assert_string_equal(f->found[0].message_id, "");
	assert_int_equal(look(f, "<none@acme.example>", NULL), 0);
	assert_int_equal(look(f, "", ""), 0);
}

static void
the_newest_come_first(void **state)
{
	struct fixture *f = *state;
	uint64_t i;

	for (i = 1; i <= 7; i++)
		put(f, "<same@acme.example>", "4AbC", i);
	reopen(f, 64 * MIB);
	put(f, "<same@acme.example>", "4AbC", 8);
	assert_int_equal(look(f, "same@acme.example", NULL), 5);
	for (i = 0; i < 5; i++)
		assert_int_equal(f->found[i].when, 8 - i);
}

static void
hostile_texts_are_cut(void **state)
{
	struct fixture *f = *state;
	char long_id[5000];

	memset(long_id, 'x', sizeof(long_id) - 1);
	long_id[sizeof(long_id) - 1] = '\0';
	put(f, long_id, long_id, 1);
	assert_int_equal(look(f, long_id, NULL), 1);
	assert_int_equal(strlen(f->found[0].message_id), 250);
	assert_int_equal(look(f, NULL, long_id), 1);
}

static void
a_restart_forgets_nothing(void **state)
{
	struct fixture *f = *state;
	uint64_t bytes, now = clock_now();

	put(f, "<one@acme.example>", "4AbC", now);
	reopen(f, 64 * MIB);
	put(f, "<two@acme.example>", "4DeF", now + 1);
	assert_int_equal(look(f, "one@acme.example", NULL), 1);
	assert_int_equal(look(f, "two@acme.example", NULL), 1);
	assert_int_equal(files(f, &bytes, NULL), 1);
}

static void
add_half(const char *path)
{
	int fd = open(path, O_WRONLY | O_APPEND);

	assert_int_equal(write(fd, "half a record", 13), 13);
	(void)close(fd);
}

static void
what_a_crash_left_is_cut_off(void **state)
{
	struct fixture *f = *state;
	uint64_t bytes;

	put(f, "<one@acme.example>", "4AbC", 1);
	trace_memory_close(&f->t);
	(void)files(f, &bytes, add_half);
	reopen(f, 64 * MIB);
	put(f, "<two@acme.example>", "4DeF", 2);
	assert_int_equal(look(f, "one@acme.example", NULL), 1);
	assert_int_equal(look(f, "two@acme.example", NULL), 1);
}

static void
spoil(const char *path)
{
	struct stat st;
	int fd = open(path, O_WRONLY);

	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(pwrite(fd, "spoilt", 6, st.st_size / 2), 6);
	(void)close(fd);
}

static void
empty(const char *path)
{
	assert_int_equal(truncate(path, 3), 0);
}

static void
damage_is_read_around(void **state)
{
	struct fixture *f = *state;
	uint64_t bytes;
	unsigned i;

	for (i = 0; i < 100; i++)
		put(f, i == 0 ? "<first@acme.example>" : "<other@acme.example>", "4AbC", 1);
	trace_memory_close(&f->t);
	(void)files(f, &bytes, spoil);
	reopen(f, 64 * MIB);
	put(f, "<later@acme.example>", "4DeF", 2);
	assert_int_equal(look(f, "first@acme.example", NULL), 1);
	assert_int_equal(look(f, "later@acme.example", NULL), 1);
	trace_memory_close(&f->t);
	(void)files(f, &bytes, empty);
	reopen(f, 64 * MIB);
	put(f, "<last@acme.example>", "4DeF", 3);
	assert_int_equal(look(f, "first@acme.example", NULL), 0);
	assert_int_equal(look(f, "last@acme.example", NULL), 1);
}

static void
the_size_holds(void **state)
{
	struct fixture *f = *state;
	struct trace_memory_numbers n;
	uint64_t bytes;
	char id[64];
	unsigned i;

	reopen(f, 2 * MIB);
	for (i = 1; i <= 40000; i++) {
		(void)snprintf(id, sizeof(id), "<%u@acme.example>", i);
		put(f, id, "4AbC", i);
		if (i % 4000 == 0)
			assert_int_equal(trace_memory_flush(f->t, 10000), 1);
	}
	assert_true(files(f, &bytes, NULL) > 8);
	assert_true(bytes <= 2 * MIB);
	assert_true(bytes >= 3 * MIB / 2);
	trace_memory_numbers(f->t, &n);
	assert_int_equal(n.bytes, bytes);
	assert_int_equal(n.written, 40000);
	assert_int_equal(n.dropped, 0);
	assert_int_equal(look(f, "40000@acme.example", NULL), 1);
	assert_int_equal(look(f, "1@acme.example", NULL), 0);
	/* Smaller: at the next look the oldest go. Nothing: all goes. */
	reopen(f, 1 * MIB);
	(void)files(f, &bytes, NULL);
	assert_true(bytes <= 1 * MIB);
	assert_int_equal(look(f, "40000@acme.example", NULL), 1);
	trace_memory_configure(f->t, 0, DAY);
	put(f, "<off@acme.example>", "4AbC", 1);
	assert_int_equal(look(f, "40000@acme.example", NULL), 0);
	assert_int_equal(look(f, "off@acme.example", NULL), 0);
	assert_int_equal(files(f, &bytes, NULL), 0);
	trace_memory_configure(f->t, MIB, DAY);
	put(f, "<on@acme.example>", "4AbC", 1);
	assert_int_equal(look(f, "on@acme.example", NULL), 1);
}

static void
make_old(const char *path)
{
	const struct timespec old[2] = { { 1000000000, 0 }, { 1000000000, 0 } };

	assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
}

static void
what_is_older_than_keep_goes(void **state)
{
	struct fixture *f = *state;
	uint64_t bytes;

	put(f, "<old@acme.example>", "4AbC", 1);
	trace_memory_close(&f->t);
	(void)files(f, &bytes, make_old);
	reopen(f, 64 * MIB);
	assert_int_equal(files(f, &bytes, NULL), 0);
	put(f, "<new@acme.example>", "4AbC", 1);
	assert_int_equal(look(f, "old@acme.example", NULL), 0);
	assert_int_equal(look(f, "new@acme.example", NULL), 1);
}

/* A quiet relay's segment never fills up: it must end before it holds what is far too old beside what is new. */
static void
what_is_new_begins_a_segment_in_time(void **state)
{
	struct fixture *f = *state;
	uint64_t bytes, now = clock_now();

	put(f, "<young@acme.example>", "4AbC", now - DAY);
	reopen(f, 64 * MIB);
	put(f, "<new@acme.example>", "4AbC", now);
	assert_int_equal(look(f, "young@acme.example", NULL), 1);
	assert_int_equal(files(f, &bytes, NULL), 1);
	trace_memory_close(&f->t);
	(void)files(f, &bytes, remove_file);
	reopen(f, 64 * MIB);
	put(f, "<old@acme.example>", "4AbC", now - 2 * DAY);
	reopen(f, 64 * MIB);
	put(f, "<new@acme.example>", "4AbC", now);
	assert_int_equal(look(f, "old@acme.example", NULL), 1);
	assert_int_equal(look(f, "new@acme.example", NULL), 1);
	assert_int_equal(files(f, &bytes, NULL), 2);
	put(f, "<newer@acme.example>", "4AbC", now);
	assert_int_equal(look(f, "newer@acme.example", NULL), 1);
	assert_int_equal(files(f, &bytes, NULL), 2);
}

static void
a_question_has_its_bounds(void **state)
{
	struct fixture *f = *state;
	struct trace_memory_question q = { .file = f->file, .message_id = "a@acme.example", .since = 6,
	    .most = 5,
	    .deadline = UINT64_MAX };
	struct err e;
	unsigned i;

	for (i = 0; i < 3000; i++)
		put(f, i == 0 ? "<a@acme.example>" : "<b@acme.example>", "4AbC", 5);
	assert_int_equal(trace_memory_flush(f->t, 10000), 1);
	assert_int_equal(trace_memory_find(&q, f->arena, &f->found, &e), 0);
	q.since = 5;
	assert_int_equal(trace_memory_find(&q, f->arena, &f->found, &e), 1);
	q.deadline = 1;
	assert_int_equal(trace_memory_find(&q, f->arena, &f->found, &e), -1);
	assert_int_equal(e.code, ERR_TIMEOUT);
	q.file = "/nonexistent/gatepost/state.db";
	assert_int_equal(trace_memory_find(&q, f->arena, &f->found, &e), -1);
	assert_null(trace_memory_open(q.file, "out1", MIB, DAY, &e));
}

static void
nothing_is_no_memory(void **state)
{
	struct trace_memory_numbers n;

	(void)state;
	trace_memory_put(NULL, &(struct trace_memory_entry){ .when = 1 });
	assert_int_equal(trace_memory_flush(NULL, 1), 1);
	trace_memory_configure(NULL, 1, 1);
	trace_memory_numbers(NULL, &n);
	assert_int_equal(n.written + n.dropped + n.bytes, 0);
}

#define THREADS 8
#define EACH 2000

static void *
put_many(void *arg)
{
	struct fixture *f = arg;
	unsigned i;

	for (i = 0; i < EACH; i++)
		put(f, "<many@acme.example>", "4AbC", i);
	return NULL;
}

static void
many_threads(void **state)
{
	struct fixture *f = *state;
	struct trace_memory_numbers n;
	pthread_t t[THREADS];
	size_t i;

	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, put_many, f), 0);
	assert_int_equal(trace_memory_flush(f->t, 10000), 1);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(t[i], NULL), 0);
	assert_int_equal(look(f, "many@acme.example", "4AbC"), 5);
	trace_memory_numbers(f->t, &n);
	assert_int_equal(n.written + n.dropped, THREADS * EACH);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_put_is_found), TEST(the_newest_come_first), TEST(hostile_texts_are_cut),
		TEST(a_restart_forgets_nothing), TEST(what_a_crash_left_is_cut_off),
		TEST(damage_is_read_around), TEST(the_size_holds), TEST(what_is_older_than_keep_goes),
		TEST(what_is_new_begins_a_segment_in_time),
		TEST(a_question_has_its_bounds), TEST(nothing_is_no_memory), TEST(many_threads),
	};

	return cmocka_run_group_tests_name("trace_memory", tests, NULL, NULL);
}
