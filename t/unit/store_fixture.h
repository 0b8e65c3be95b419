/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef T_UNIT_STORE_FIXTURE_H
#define T_UNIT_STORE_FIXTURE_H
/*
 * store_fixture - a store in a directory of its own, and requests in few words; for the tests of
 * stores.
 *
 *     struct fixture f;
 *     fixture_open(&f, "memory");
 *     assert_true(fixture_take(&f, "customer", "acme", 1, "500/1h"));
 *     fixture_close(&f);
 */
#include <sys/types.h>

#include "lib/store.h"

#define FIXTURE_PASSWORD "not-a-secret"	/* of the user "gatepost" */

struct fixture {
	char dir[256];
	char file[300];
	struct store_settings settings;
	struct store *store;
	struct arena *arena;
};

/* Fails the test when something cannot be had. */
void fixture_open(struct fixture *f, const char *type);
/* The Redis server of this program, started when it is not running; its address, and its process. Stores use
 * the ACL user that gatepost.conf(5) describes, so that each test shows that its rules are enough. */
const char *fixture_redis_server(pid_t *pid);
/* A "redis" store of the prefix of f, for another relay; by the server's clock. The caller closes it. */
struct store *fixture_redis_relay(struct fixture *f, const char *prefix, const char *relay);
/* Ends the server and starts an empty one at the same address. */
void fixture_redis_kill(void);
void fixture_redis_again(void);
/* The store goes and comes back: what lasts is still there. */
void fixture_reopen(struct fixture *f);
/* Closes, and removes the directory. */
void fixture_close(struct fixture *f);

/* "500/1h 2000/1d" */
struct limit_ceilings fixture_ceilings(const char *text);
struct store_item fixture_item(const char *limit, const char *key, uint32_t amount, const char *ceilings);
struct store_item fixture_distinct(const char *limit, const char *key, const char *const *values, size_t n,
    const char *ceilings);
/* Judges items as one message, warning at 80; fails the test on -1. True when taken. */
bool fixture_judge(struct fixture *f, struct store_item *items, size_t n, const char *message);
/* One unit item. */
bool fixture_take(struct fixture *f, const char *limit, const char *key, uint32_t amount,
    const char *ceilings);
/* What is used in the window of this length (ms), 0 when unknown. */
uint32_t fixture_used(struct fixture *f, const char *limit, const char *key, uint64_t length);

#endif
