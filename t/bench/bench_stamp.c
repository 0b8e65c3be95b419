/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * What a stamp costs: sealing it (all that a message pays), opening it, its short token, looking at a copy
 * that a stranger wrote; and that of a million stamps changed in one character none opens.
 *
 *     bench_stamp [CHANGED]
 */
#include "lib/stamp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/str.h"

#include "lib/banned.h"

#define RUN_US 500000u		/* how long each case runs at least */

static struct seal_keys *keys;
static struct stamp_content content;
static char value[STAMP_VALUE], token[STAMP_TOKEN], brief[STAMP_SHORT], foreign[STAMP_VALUE];

/* Processor time: other work on the machine is not ours. */
static uint64_t
spent_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void
seal(void)
{
	static const char *const from[] = { "bob@acme.example" }, *const to[] = { "x@dest.example",
	    "y@dest.example" };
	const struct stamp_bound b = { "<1@acme.example>", "Wed, 25 Nov 2026 12:00:00 +0000", from, 1, to,
	    2 };
	struct stamp_content c = content;
	struct err e;

	stamp_customer(keys, "acme", &c);
	stamp_account(keys, "bob@acme.example", &c);
	stamp_bind(keys, &b, &c);
	if (stamp_make(keys, &c, value, &e) < 0)
		abort();
	content = c;
}

static void
open_value(void)
{
	struct stamp_content c;

	if (stamp_open(keys, value, content.time, 0, &c) != STAMP_OPENED)
		abort();
}

static void
make_short(void)
{
	stamp_short(keys, &content, brief);
}

static void
open_short(void)
{
	struct stamp_content c;

	if (stamp_open(keys, brief, content.time, 0, &c) != STAMP_OPENED)
		abort();
}

static void
open_foreign(void)
{
	struct stamp_content c;

	if (stamp_open(keys, foreign, content.time, 0, &c) != STAMP_FOREIGN)
		abort();
}

static void
measure(const char *what, void (*run)(void))
{
	uint64_t from = spent_us(), now = from, n = 0;
	unsigned i;

	while (now - from < RUN_US) {
		for (i = 0; i < 1000; i++)
			run();
		n += i;
		now = spent_us();
	}
	printf("%-40s %6.2f us\n", what, (double)(now - from) / (double)n);
}

static unsigned long
changed(unsigned long n)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=;:~. \xff";
	const char *const text[] = { value, token, brief };
	char copy[STAMP_TOKEN];
	struct stamp_content c;
	unsigned long i, opened = 0;
	size_t len, at;
	char with;

	for (i = 0; i < n; i++) {
		str_copy(copy, sizeof(copy), text[i % 3]);
		len = strlen(copy);
		do {
			at = (size_t)random() % len;
			with = letters[(size_t)random() % (sizeof(letters) - 1)];
			/* Blanks do not count, nor does case in a short token. */
		} while (copy[at] == with || strchr(" \n\t", copy[at]) != NULL ||
		    (i % 3 == 2 && ((copy[at] ^ with) & 0xff) == 0x20));
		copy[at] = with;
		opened += stamp_open(keys, copy, content.time, 0, &c) == STAMP_OPENED;
	}
	return opened;
}

int
main(int argc, char **argv)
{
	char path[] = "/tmp/gatepost-bench-XXXXXX", file[60], id[SEAL_KEY_ID_MAX + 1];
	unsigned long n = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000, opened;
	struct err e;

	if (mkdtemp(path) == NULL)
		abort();
	snprintf(file, sizeof(file), "%s/keys", path);
	if (seal_keys_new(file, "20261125", (unsigned)geteuid(), (unsigned)getegid(), id, &e) < 0 ||
	    (keys = seal_keys_load(file, &e)) == NULL)
		abort();
	unlink(file);
	rmdir(path);
	content = (struct stamp_content){ .relay = "out1", .queue_id = "4jXnkJ57mZz1bvrP",
	    .time = clock_now(),
	    .quality = "smtp", .port = 54321 };
	net_parse("192.0.2.7", &content.client);
	content.submitter = content.client;
	measure("sealing (5 us at most)", seal);
	str_copy(foreign, sizeof(foreign), value);
	foreign[7] = 'x';
	make_short();
	measure("opening", open_value);
	measure("looking at another's", open_foreign);
	measure("short token", make_short);
	measure("opening a short token", open_short);
	if (!stamp_token(value, token))
		abort();
	opened = changed(n);
	printf("%lu changed in one character, %lu open\n", n, opened);
	seal_keys_unref(&keys);
	return opened == 0 ? 0 : 1;
}
