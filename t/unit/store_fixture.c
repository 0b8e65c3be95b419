/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * store_fixture - see the header. A driver that needs a server starts it here.
 */
#include "t/unit/store_fixture.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/banned.h"

void
fixture_open(struct fixture *f, const char *type)
{
	const char *tmp = getenv("TMPDIR");
	struct err e = { .text = "" };

	memset(f, 0, sizeof(*f));
	(void)snprintf(f->dir, sizeof(f->dir), "%s/store.XXXXXX", tmp != NULL ? tmp : "/tmp");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->file, sizeof(f->file), "%s/state.db", f->dir);
	f->settings = (struct store_settings){ .type = type, .file = f->file, .memory = 64 << 20,
	    .relay = "out1" };
	f->store = store_open(&f->settings, &e);
	if (f->store == NULL)
		fail_msg("%s", e.text);
	f->arena = arena_new(ARENA_DEFAULT_CAP);
}

void
fixture_reopen(struct fixture *f)
{
	struct err e = { .text = "" };

	store_close(&f->store);
	f->store = store_open(&f->settings, &e);
	if (f->store == NULL)
		fail_msg("%s", e.text);
}

void
fixture_close(struct fixture *f)
{
	char path[600];
	struct dirent *entry;
	DIR *d;

	store_close(&f->store);
	arena_free(&f->arena);
	d = opendir(f->dir);
	while (d != NULL && (entry = readdir(d)) != NULL) {
		(void)snprintf(path, sizeof(path), "%s/%s", f->dir, entry->d_name);
		(void)unlink(path);
	}
	if (d != NULL)
		(void)closedir(d);
	assert_int_equal(rmdir(f->dir), 0);
}

struct limit_ceilings
fixture_ceilings(const char *text)
{
	struct limit_ceilings all = { .n = 0 };
	struct limit_ceiling c;
	char copy[256], *word, *rest = NULL;

	(void)snprintf(copy, sizeof(copy), "%s", text);
	for (word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
		assert_int_equal(limit_ceiling_parse(word, false, &c), 1);
		assert_true(limit_ceilings_add(&all, &c));
	}
	return all;
}

struct store_item
fixture_item(const char *limit, const char *key, uint32_t amount, const char *ceilings)
{
	return (struct store_item){ .limit = limit, .key = key, .kind = STORE_SUM, .amount = amount,
	    .ceilings = fixture_ceilings(ceilings) };
}

struct store_item
fixture_distinct(const char *limit, const char *key, const char *const *values, size_t n,
    const char *ceilings)
{
	return (struct store_item){ .limit = limit, .key = key, .kind = STORE_DISTINCT, .values = values,
	    .n_values = n, .ceilings = fixture_ceilings(ceilings) };
}

bool
fixture_judge(struct fixture *f, struct store_item *items, size_t n, const char *message)
{
	struct store_request r = { .items = items, .n = n, .message = message, .warn_at = 80 };
	struct err e = { .text = "" };

	if (store_judge(f->store, &r, UINT64_MAX, &e) != 1)
		fail_msg("%s", e.text);
	return r.taken;
}

bool
fixture_take(struct fixture *f, const char *limit, const char *key, uint32_t amount, const char *ceilings)
{
	struct store_item i = fixture_item(limit, key, amount, ceilings);

	return fixture_judge(f, &i, 1, NULL);
}

uint32_t
fixture_used(struct fixture *f, const char *limit, const char *key, uint64_t length)
{
	struct store_usage u;
	struct err e = { .text = "" };
	size_t i;
	int found = store_usage(f->store, f->arena, limit, key, &u, &e);

	if (found < 0)
		fail_msg("%s", e.text);
	for (i = 0; found == 1 && i < u.n; i++) {
		if (u.at[i].length == length)
			return u.at[i].used;
	}
	return 0;
}
