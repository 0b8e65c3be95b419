/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * test_store_memory - what only the embedded store promises: nothing is lost by SIGKILL or a
 * restart, memory stays within its cap whatever comes, one process at a time, and
 * a damaged file does no harm.
 */
#include "lib/store.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "t/unit/clock_fake.h"
#include "t/unit/store_fixture.h"

#include "lib/banned.h"

#define MINUTE UINT64_C(60000)
#define HOUR UINT64_C(3600000)
#define DAY (24 * HOUR)
#define CAP_SMALLEST (UINT64_C(4) << 20)

static int
setup(void **state)
{
	static struct fixture f;

	clock_fake_set(CLOCK_FAKE_START);
	fixture_open(&f, "memory");
	*state = &f;
	return 0;
}

static int
teardown(void **state)
{
	fixture_close(*state);
	return 0;
}

static void
reopen_with(struct fixture *f, uint64_t memory)
{
	f->settings.memory = memory;
	fixture_reopen(f);
}

static void
suspend(struct fixture *f, const char *subject, uint64_t until)
{
	struct store_suspension w = { .kind = "customer", .subject = subject, .action = "reject",
	    .reason = "r\n\"x\"", .by = "uid 0", .since = clock_now(), .until = until };

	assert_int_equal(store_suspend(f->store, &w, NULL), STORE_DONE);
}

static const char *
path_of(struct fixture *f, const char *suffix)
{
	static char path[400];

	(void)snprintf(path, sizeof(path), "%s%s", f->file, suffix);
	return path;
}

/* ---- restart ---- */

static void
test_restart_keeps_windows(void **state)
{
	struct fixture *f = *state;
	static const char *const values[] = { "a", "b" };
	struct store_item i = fixture_distinct("spread", "acme", values, 2, "3/1h 5/1d");
	struct store_numbers n;
	char key[32];
	int k;

	assert_true(fixture_judge(f, &i, 1, "message"));
	for (k = 0; k < 3000; k++) {
		(void)snprintf(key, sizeof(key), "c%d", k);
		assert_true(fixture_take(f, "customer", key, (uint32_t)(k % 10 + 1), "10/1h 100/1d"));
	}
	clock_fake_advance(MINUTE);
	fixture_reopen(f);
	store_numbers(f->store, &n);
	assert_true(n.keys == 3001 && n.values == 2 && n.digests == 1);
	for (k = 0; k < 3000; k++) {
		(void)snprintf(key, sizeof(key), "c%d", k);
		assert_int_equal(fixture_used(f, "customer", key, DAY), k % 10 + 1);
		assert_false(fixture_take(f, "customer", key, (uint32_t)(10 - k % 10), "10/1h 100/1d"));
	}
	/* Values are known, and so is the message. */
	assert_true(fixture_judge(f, &i, 1, NULL));
	assert_int_equal(i.used, 2);
	assert_true(fixture_judge(f, &i, 1, "message"));
	assert_int_equal(fixture_used(f, "spread", "acme", HOUR), 2);
}

static void
test_restart_forgets_what_is_over(void **state)
{
	struct fixture *f = *state;
	struct store_numbers n;

	assert_true(fixture_take(f, "customer", "acme", 1, "10/1h"));
	assert_true(fixture_take(f, "customer", "other", 1, "10/1d"));
	clock_fake_advance(2 * HOUR);
	fixture_reopen(f);
	store_numbers(f->store, &n);
	assert_true(n.keys == 1);
	assert_true(n.evicted == 0);
	assert_int_equal(fixture_used(f, "customer", "other", DAY), 1);
}

static void
test_restart_keeps_decisions(void **state)
{
	struct fixture *f = *state;
	struct store_override o = { .limit = "customer", .key = "acme", .reason = "", .by = "uid 0",
	    .ceilings = fixture_ceilings("30/1h 300/1d"), .since = clock_now(), .until = clock_now() + HOUR };
	struct store_suspension s;

	suspend(f, "bad", UINT64_MAX);
	suspend(f, "worse", clock_now() + HOUR);
	assert_int_equal(store_raise(f->store, &o, NULL), STORE_DONE);
	o = (struct store_override){ .limit = "*", .key = "free", .exempt = true, .until = UINT64_MAX };
	assert_int_equal(store_raise(f->store, &o, NULL), STORE_DONE);
	fixture_reopen(f);
	assert_int_equal(store_suspended(f->store, "customer", "bad", f->arena, &s), 1);
	assert_string_equal(s.reason, "r\n\"x\"");
	assert_string_equal(s.by, "uid 0");
	assert_true(s.until == UINT64_MAX && s.since == CLOCK_FAKE_START);
	assert_true(fixture_take(f, "customer", "acme", 30, "10/1h"));
	assert_true(fixture_take(f, "customer", "free", 30, "10/1h"));
	clock_fake_advance(2 * HOUR);
	fixture_reopen(f);
	assert_int_equal(store_suspended(f->store, "customer", "bad", f->arena, &s), 1);
	assert_int_equal(store_suspended(f->store, "customer", "worse", f->arena, &s), 0);
	assert_false(fixture_take(f, "customer", "acme", 30, "10/1h"));
	assert_true(fixture_take(f, "customer", "free", 30, "10/1h"));
}

/* A restart with the clock set back: the promise holds, and nothing lasts for ever. */
static void
test_restart_with_the_clock_set_back(void **state)
{
	struct fixture *f = *state;
	static const char *const a[] = { "a" }, *const b[] = { "b" };
	struct store_item i = fixture_distinct("spread", "acme", a, 1, "2/1h 2/1d");

	clock_fake_advance(400 * DAY);
	assert_true(fixture_take(f, "customer", "acme", 10, "10/1h 100/1d"));
	assert_true(fixture_judge(f, &i, 1, "m"));
	clock_fake_set(CLOCK_FAKE_START);
	fixture_reopen(f);
	assert_false(fixture_take(f, "customer", "acme", 1, "10/1h 100/1d"));
	i.values = b;
	assert_true(fixture_judge(f, &i, 1, NULL));
	assert_int_equal(i.used, 2);
	clock_fake_advance(HOUR + 2 * HOUR / 10);
	assert_true(fixture_take(f, "customer", "acme", 10, "10/1h 100/1d"));
	clock_fake_advance(DAY + DAY / 10 * 2);
	assert_true(fixture_judge(f, &i, 1, NULL));
	assert_int_equal(i.used, 1);
}

/* ---- SIGKILL ---- */

/* Charges, and says so after each; never returns. */
static void
charge_until_killed(struct fixture *f, int to)
{
	static const char byte = '+';
	struct store_item items[2];
	const char *values[1];
	char value[24];
	unsigned i;

	store_close(&f->store);
	f->store = store_open(&f->settings, NULL);
	if (f->store == NULL)
		_exit(2);
	suspend(f, "bad", UINT64_MAX);
	for (i = 0; ; i++) {
		(void)snprintf(value, sizeof(value), "v%u", i);
		values[0] = value;
		items[0] = fixture_item("customer", "acme", 1, "1000000000/1h 1000000000/1d");
		items[1] = fixture_distinct("spread", "acme", values, 1, "1000000000/1h");
		if (!fixture_judge(f, items, 2, value) || write(to, &byte, 1) != 1)
			_exit(3);
	}
}

static unsigned
drain(int from)
{
	char buffer[4096];
	unsigned n = 0;
	ssize_t got;

	while ((got = read(from, buffer, sizeof(buffer))) > 0)
		n += (unsigned)got;
	return n;
}

static void
test_sigkill_loses_nothing(void **state)
{
	struct fixture *f = *state;
	struct store_suspension s;
	unsigned round, said, used, day = 0;
	char first[2000];
	int ends[2], status;
	pid_t child;

	for (round = 0; round < 5; round++) {
		store_close(&f->store);
		assert_int_equal(pipe(ends), 0);
		child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			(void)close(ends[0]);
			charge_until_killed(f, ends[1]);
		}
		(void)close(ends[1]);
		/* In full swing, and not at the same place each time. */
		for (said = 0; said < 1000 + round * 317; )
			said += (unsigned)read(ends[0], first, sizeof(first));
		assert_int_equal(kill(child, SIGKILL), 0);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
		said += drain(ends[0]);
		(void)close(ends[0]);
		f->store = store_open(&f->settings, NULL);
		assert_non_null(f->store);
		used = fixture_used(f, "customer", "acme", HOUR);
		/* At most the one that was charged and not yet told. */
		assert_in_range(used, said, said + 1);
		used = fixture_used(f, "customer", "acme", DAY);
		assert_in_range(used, day + said, day + said + 1);
		day = used;
		assert_true(fixture_used(f, "spread", "acme", HOUR) >= said);
		assert_int_equal(store_suspended(f->store, "customer", "bad", f->arena, &s), 1);
		clock_fake_advance(2 * HOUR);
		fixture_reopen(f);
	}
}

/* ---- one process at a time ---- */

static void
test_locked(void **state)
{
	struct fixture *f = *state;
	struct err e = { .text = "" };
	char pid[32];

	(void)snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
	assert_null(store_open(&f->settings, &e));
	assert_int_equal(e.code, ERR_DENIED);
	assert_non_null(strstr(e.text, pid));
	assert_non_null(strstr(e.text, f->file));
	fixture_reopen(f);
}

static void
test_private_files(void **state)
{
	static const char *const suffixes[] = { "", "-windows", "-lock", "-wal" };
	struct stat st;
	size_t i;

	suspend(*state, "bad", UINT64_MAX);
	for (i = 0; i < 4; i++) {
		assert_int_equal(stat(path_of(*state, suffixes[i]), &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
	}
}

static void
test_cannot_be_opened(void **state)
{
	struct fixture *f = *state;
	struct store_settings s = { .type = "memory", .file = "/nonexistent/state.db", .memory = 64 << 20 };
	struct err e = { .text = "" };

	assert_null(store_open(&s, &e));
	assert_non_null(strstr(e.text, "/nonexistent/state.db"));
	s.file = "";
	assert_null(store_open(&s, &e));
	s.file = path_of(f, "2");
	s.memory = CAP_SMALLEST - 1;
	assert_null(store_open(&s, &e));
	assert_non_null(strstr(e.text, "store.memory"));
	(void)unlink(path_of(f, "2-lock"));
}

/* ---- files that are not as we left them ---- */

static void
write_at(const char *path, off_t at, const void *data, size_t n)
{
	int fd = open(path, O_WRONLY);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, data, n, at), (ssize_t)n);
	(void)close(fd);
}

static void
test_other_version_is_set_aside(void **state)
{
	struct fixture *f = *state;
	uint32_t version = 99;
	struct stat st;

	assert_true(fixture_take(f, "customer", "acme", 1, "10/1h"));
	store_close(&f->store);
	write_at(path_of(f, "-windows"), 16, &version, sizeof(version));
	fixture_reopen(f);
	assert_int_equal(fixture_used(f, "customer", "acme", HOUR), 0);
	assert_int_equal(stat(path_of(f, "-windows.old"), &st), 0);
	assert_true(fixture_take(f, "customer", "acme", 1, "10/1h"));
	fixture_reopen(f);
	assert_int_equal(fixture_used(f, "customer", "acme", HOUR), 1);
}

static void
test_foreign_windows_are_set_aside(void **state)
{
	struct fixture *f = *state;

	store_close(&f->store);
	assert_int_equal(truncate(path_of(f, "-windows"), 0), 0);
	write_at(path_of(f, "-windows"), 0, "hello", 5);
	fixture_reopen(f);
	assert_true(fixture_take(f, "customer", "acme", 1, "10/1h"));
}

static void
test_foreign_state_file(void **state)
{
	struct fixture *f = *state;
	struct err e = { .text = "" };
	char garbage[4096];

	store_close(&f->store);
	memset(garbage, 'x', sizeof(garbage));
	write_at(f->file, 0, garbage, sizeof(garbage));
	assert_null(store_open(&f->settings, &e));
	assert_non_null(strstr(e.text, f->file));
	assert_int_equal(truncate(f->file, 0), 0);
	(void)unlink(path_of(f, "-wal"));
	(void)unlink(path_of(f, "-shm"));
	fixture_reopen(f);
}

static void
test_cut_short(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	int i;

	for (i = 0; i < 3; i++) {
		assert_true(fixture_take(f, "customer", "acme", 1, "10/1h"));
		store_close(&f->store);
		assert_int_equal(stat(path_of(f, "-windows"), &st), 0);
		assert_int_equal(truncate(path_of(f, "-windows"), st.st_size - 5000), 0);
		fixture_reopen(f);
	}
	assert_true(fixture_take(f, "customer", "acme", 7, "10/1h"));
}

static uint64_t
random_next(uint64_t *rng)
{
	*rng ^= *rng << 13;
	*rng ^= *rng >> 7;
	*rng ^= *rng << 17;
	return *rng;
}

/* Garbage all over the file, again and again: it opens, judges, and never lets more through. */
static void
test_damaged_everywhere(void **state)
{
	struct fixture *f = *state;
	static const char *const values[] = { "a", "b", "c" };
	struct store_item item = fixture_distinct("spread", "acme", values, 3, "9/1h");
	struct store_usage *top;
	uint64_t rng = 77, junk[8];
	char key[32];
	struct stat st;
	int round, i;

	for (round = 0; round < 30; round++) {
		for (i = 0; i < 500; i++) {
			(void)snprintf(key, sizeof(key), "r%d-c%d", round, i);
			(void)fixture_take(f, "customer", key, 1, "10/1h 20/1d 30/7d 40/30d");
		}
		(void)fixture_judge(f, &item, 1, "m");
		store_close(&f->store);
		assert_int_equal(stat(path_of(f, "-windows"), &st), 0);
		for (i = 0; i < 300; i++) {
			junk[0] = random_next(&rng);
			junk[1] = round % 2 == 0 ? UINT64_MAX : random_next(&rng);
			write_at(path_of(f, "-windows"),
			    (off_t)(4096 + random_next(&rng) % ((uint64_t)st.st_size - 4200)), junk,
			    random_next(&rng) % 16 + 1);
		}
		clock_fake_advance(MINUTE);
		fixture_reopen(f);
		assert_true(store_top(f->store, f->arena, NULL, 50, &top, NULL) >= 0);
		for (i = 0; i < 50; i++)
			store_poll(f->store);
		for (i = 0; i < 10; i++)
			(void)fixture_take(f, "customer", "mine", 1, "10/1h");
		assert_false(fixture_take(f, "customer", "mine", 1, "10/1h"));
		(void)store_reset(f->store, "customer", "mine", NULL);
	}
}

/* ---- memory ---- */

static void
expect_within_cap(struct fixture *f)
{
	struct store_numbers n;
	struct stat st;

	store_numbers(f->store, &n);
	assert_true(n.bytes <= n.bytes_most);
	assert_int_equal(stat(path_of(f, "-windows"), &st), 0);
	assert_true((uint64_t)st.st_size <= n.bytes_most);
}

static void
test_flood_of_keys(void **state)
{
	struct fixture *f = *state;
	struct store_numbers n;
	char key[48];
	unsigned i;

	reopen_with(f, CAP_SMALLEST);
	/* Ten that are near their ceilings, before the flood. */
	for (i = 0; i < 10; i++) {
		(void)snprintf(key, sizeof(key), "near%u", i);
		assert_true(fixture_take(f, "customer", key, 95, "100/1h 1000/1d"));
	}
	for (i = 0; i < 60000; i++) {
		(void)snprintf(key, sizeof(key), "203.0.113.%u flood", i);
		assert_true(fixture_take(f, "visitor", key, 1, "10/10m 40/1d"));
	}
	store_numbers(f->store, &n);
	assert_true(n.evicted > 40000);
	assert_true(n.keys > 4000);
	expect_within_cap(f);
	for (i = 0; i < 10; i++) {
		(void)snprintf(key, sizeof(key), "near%u", i);
		assert_int_equal(fixture_used(f, "customer", key, HOUR), 95);
	}
	fixture_reopen(f);
	expect_within_cap(f);
	assert_int_equal(fixture_used(f, "customer", "near7", HOUR), 95);
	assert_true(fixture_take(f, "customer", "late", 1, "1/1h"));
	assert_false(fixture_take(f, "customer", "late", 1, "1/1h"));
}

/* Values and messages cannot take the room of keys, nor the other way round. */
static void
test_flood_of_values_and_messages(void **state)
{
	struct fixture *f = *state;
	const char *values[200];
	static char text[200][32];
	struct store_item item;
	struct store_numbers n;
	char message[32], key[32];
	unsigned i, k;

	reopen_with(f, CAP_SMALLEST);
	for (i = 0; i < 600; i++) {
		for (k = 0; k < 200; k++) {
			(void)snprintf(text[k], sizeof(text[k]), "%u-%u", i, k);
			values[k] = text[k];
		}
		item = fixture_distinct("spread", "acme", values, 200, "1000000/1h");
		(void)snprintf(message, sizeof(message), "m%u", i);
		assert_true(fixture_judge(f, &item, 1, message));
		/* What is forgotten is never counted less. */
		assert_int_equal(item.used, (i + 1) * 200);
	}
	for (i = 0; i < 20000; i++) {
		(void)snprintf(key, sizeof(key), "k%u", i);
		(void)snprintf(message, sizeof(message), "n%u", i);
		item = fixture_item("customer", key, 1, "10/1h");
		assert_true(fixture_judge(f, &item, 1, message));
	}
	store_numbers(f->store, &n);
	assert_true(n.keys > 3000);
	assert_true(n.values + n.digests > 5000);
	expect_within_cap(f);
	fixture_reopen(f);
	expect_within_cap(f);
	assert_true(fixture_take(f, "customer", "late", 1, "1/1h"));
}

/* More values at once than memory can ever hold: an answer, and soon. */
static void
test_more_values_than_memory(void **state)
{
	enum { MANY = 60000 };
	struct fixture *f = *state;
	static char text[MANY][12];
	static const char *values[MANY];
	struct store_item item;
	struct store_request r = { .items = &item, .n = 1 };
	struct err e = { .text = "" };
	int i;

	reopen_with(f, CAP_SMALLEST);
	for (i = 0; i < MANY; i++) {
		(void)snprintf(text[i], sizeof(text[i]), "%d", i);
		values[i] = text[i];
	}
	item = fixture_distinct("spread", "acme", values, MANY, "1000000/1h");
	assert_int_equal(store_judge(f->store, &r, UINT64_MAX, &e), -1);
	assert_int_equal(e.code, ERR_FULL);
	assert_false(r.taken);
	assert_int_equal(fixture_used(f, "spread", "acme", HOUR), 0);
	item.n_values = 5000;
	assert_int_equal(store_judge(f->store, &r, UINT64_MAX, &e), 1);
	assert_true(r.taken);
	expect_within_cap(f);
}

static void
test_expired_keys_go_by_themselves(void **state)
{
	struct fixture *f = *state;
	static const char *const values[] = { "a", "b", "c" };
	struct store_item item = fixture_distinct("spread", "acme", values, 3, "10/1h");
	struct store_numbers n;
	char key[32];
	int i;

	for (i = 0; i < 5000; i++) {
		(void)snprintf(key, sizeof(key), "k%d", i);
		assert_true(fixture_take(f, "customer", key, 1, i % 2 == 0 ? "10/1h" : "10/7d"));
	}
	assert_true(fixture_judge(f, &item, 1, "m"));
	clock_fake_advance(2 * HOUR);
	for (i = 0; i < 32; i++) {
		clock_fake_advance(1000);
		store_poll(f->store);
	}
	store_numbers(f->store, &n);
	assert_true(n.keys == 2500);
	assert_true(n.values == 0 && n.digests == 0);
	assert_true(n.evicted == 0);
	assert_int_equal(fixture_used(f, "customer", "k1", 7 * DAY), 1);
	/* Their places are used again: the file does not grow. */
	for (i = 0; i < 2500; i++) {
		(void)snprintf(key, sizeof(key), "l%d", i);
		assert_true(fixture_take(f, "customer", key, 1, "10/1h"));
	}
	expect_within_cap(f);
}

static void
test_cap_is_lowered(void **state)
{
	struct fixture *f = *state;
	struct store_numbers n;
	char key[32];
	int i;

	for (i = 0; i < 20000; i++) {
		(void)snprintf(key, sizeof(key), "k%d", i);
		assert_true(fixture_take(f, "customer", key, 1, "10/1h"));
	}
	reopen_with(f, CAP_SMALLEST);
	store_numbers(f->store, &n);
	assert_true(n.keys > 4000 && n.keys + n.evicted == 20000);
	expect_within_cap(f);
	assert_true(fixture_take(f, "customer", "new", 1, "10/1h"));
	reopen_with(f, 64 << 20);
	assert_int_equal(fixture_used(f, "customer", "new", HOUR), 1);
}

static void
test_file_shrinks_at_a_restart(void **state)
{
	struct fixture *f = *state;
	struct stat before, after;
	char key[32];
	int i;

	for (i = 0; i < 20000; i++) {
		(void)snprintf(key, sizeof(key), "k%d", i);
		assert_true(fixture_take(f, "customer", key, 1, "10/1h"));
	}
	clock_fake_advance(2 * HOUR);
	for (i = 0; i < 32; i++)
		store_poll(f->store);
	assert_int_equal(stat(path_of(f, "-windows"), &before), 0);
	fixture_reopen(f);
	assert_int_equal(stat(path_of(f, "-windows"), &after), 0);
	assert_true(after.st_size < before.st_size / 10);
}

static void
test_bytes_of_a_key(void **state)
{
	struct fixture *f = *state;
	struct store_numbers before, after;
	char key[48];
	int i;

	store_numbers(f->store, &before);
	for (i = 0; i < 50000; i++) {
		(void)snprintf(key, sizeof(key), "customer-%d@x.example", i);
		assert_true(fixture_take(f, "customer", key, 1, "50/1m 250/1h 2000/1d"));
	}
	store_numbers(f->store, &after);
	assert_true((after.bytes - before.bytes) / 50000 <= 350);
}

static void
test_long_keys_are_shown_cut(void **state)
{
	struct fixture *f = *state;
	struct store_usage *top;
	char key[321];

	memset(key, 'k', 320);
	key[320] = '\0';
	assert_true(fixture_take(f, "customer", key, 10, "10/1m 20/1h 30/1d 40/7d"));
	fixture_reopen(f);
	assert_int_equal(store_top(f->store, f->arena, NULL, 5, &top, NULL), 1);
	assert_string_equal(top[0].limit, "customer");
	assert_int_equal(strncmp(top[0].key, key, 40), 0);
	assert_string_equal(top[0].key + strlen(top[0].key) - 3, "...");
	assert_false(fixture_take(f, "customer", key, 1, "10/1m 20/1h 30/1d 40/7d"));
	assert_int_equal(store_reset(f->store, "customer", key, NULL), STORE_DONE);
}

#define MEMORY(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		MEMORY(test_restart_keeps_windows),
		MEMORY(test_restart_forgets_what_is_over),
		MEMORY(test_restart_keeps_decisions),
		MEMORY(test_restart_with_the_clock_set_back),
		MEMORY(test_sigkill_loses_nothing),
		MEMORY(test_locked),
		MEMORY(test_private_files),
		MEMORY(test_cannot_be_opened),
		MEMORY(test_other_version_is_set_aside),
		MEMORY(test_foreign_windows_are_set_aside),
		MEMORY(test_foreign_state_file),
		MEMORY(test_cut_short),
		MEMORY(test_damaged_everywhere),
		MEMORY(test_flood_of_keys),
		MEMORY(test_flood_of_values_and_messages),
		MEMORY(test_more_values_than_memory),
		MEMORY(test_expired_keys_go_by_themselves),
		MEMORY(test_cap_is_lowered),
		MEMORY(test_file_shrinks_at_a_restart),
		MEMORY(test_bytes_of_a_key),
		MEMORY(test_long_keys_are_shown_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
