/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_CACHE_H
#define LIB_CACHE_H
/*
 * cache - answers that hold for a while, within bounded memory.
 *
 *     struct cache *c = cache_open(16 << 20);
 *     if ((v = cache_get(c, key, n, arena)) == NULL) {
 *         ... find out ...
 *         cache_put(c, key, n, &answer, sizeof(answer), ttl);
 *     }
 *     cache_close(&c);
 *
 * Keys and values are bytes; a value is copied in and out. What was not asked for longest goes first when
 * memory is full. It knows nothing of what it keeps, and asks nobody. Thread safe.
 */
#include <stddef.h>
#include <stdint.h>

#include "lib/arena.h"

struct cache;

#define CACHE_KEY_MAX 2048u	/* a longer key is kept nowhere */

/* bytes: most memory of all entries. */
struct cache *cache_open(size_t bytes);
void cache_close(struct cache **c);
/* A copy of the value in the arena; NULL when there is none, or it has expired. */
void *cache_get(struct cache *c, const void *key, size_t n, struct arena *a);
/* ttl: seconds from now; 0 keeps nothing. */
void cache_put(struct cache *c, const void *key, size_t n, const void *value, size_t size, uint32_t ttl);

struct cache_counts { uint64_t hits, misses, evicted; size_t entries, bytes; };
void cache_count(struct cache *c, struct cache_counts *to);

#endif
