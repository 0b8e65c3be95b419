/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_STORE_HASH_H
#define LIB_STORE_HASH_H
/*
 * store_hash - 128-bit names for keys. With 2^40 keys two of them share a name with a chance of 2^-49; the
 * seed is random, so that nobody outside can look for two that do. For stores only.
 */
#include <stdbool.h>
#include <stdint.h>

struct store_hash {
	uint64_t lo, hi;	/* never both 0 */
};

/* Of a text, and of a pair (NUL between them, so that "a","bc" is not "ab","c"). */
struct store_hash store_hash_text(uint64_t seed, const char *text);
struct store_hash store_hash_pair(uint64_t seed, const char *a, const char *b);
/* 64 bits that nobody can guess. */
uint64_t store_hash_random(void);

static inline bool
store_hash_same(struct store_hash a, struct store_hash b)
{
	return a.lo == b.lo && a.hi == b.hi;
}

#endif
