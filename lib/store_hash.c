/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * store_hash - names keys for the stores; the only file that knows xxHash. A pair
 * is joined in a buffer and hashed in one go, which is faster than streaming it.
 *
 * Not for secrets: who knows the seed can find two texts with the same hash.
 */
#include "lib/store_hash.h"

#include <stddef.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "lib/banned.h"

static struct store_hash
store_hash_from(XXH128_hash_t h)
{
	struct store_hash to = { h.low64, h.high64 };

	/* All zero marks free space in tables. */
	if (to.lo == 0 && to.hi == 0)
		to.lo = 1;
	return to;
}

struct store_hash
store_hash_text(uint64_t seed, const char *text)
{
	return store_hash_from(XXH3_128bits_withSeed(text, strlen(text), seed));
}

struct store_hash
store_hash_pair(uint64_t seed, const char *a, const char *b)
{
	char both[512];		/* limit and key at their longest are 353 */
	size_t n = strlen(a) + 1, m = strlen(b);

	if (n + m > sizeof(both))
		return store_hash_text(seed ^ XXH3_64bits_withSeed(a, n, seed), b);
	memcpy(both, a, n);
	memcpy(both + n, b, m);
	return store_hash_from(XXH3_128bits_withSeed(both, n + m, seed));
}

uint64_t
store_hash_random(void)
{
	struct timespec t = { 0, 0 };
	uint64_t r = 0;

	/* Before the kernel's generator is ready (early boot) time and process will have to do. */
	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) != (ssize_t)sizeof(r)) {
		(void)clock_gettime(CLOCK_REALTIME, &t);
		r = (uint64_t)t.tv_sec * 1000000007u ^ (uint64_t)t.tv_nsec << 20 ^ (uint64_t)getpid() << 48;
	}
	return r;
}
