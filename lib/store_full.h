/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_STORE_FULL_H
#define LIB_STORE_FULL_H
/*
 * store_full - keys that are known to be full, and until when: what lets a sender over its limit
 * be refused at MAIL without asking the store. For drivers only.
 *
 *     generation = store_full_generation(f);      before the overrides are read
 *     ... judge: refused, used >= ceiling ...
 *     store_full_add(f, generation, limit, key, until, &ceiling);
 *
 * A bounded memory that may forget: what it does not know costs one question to the store. A
 * raise or a reset forgets everything at once by moving the generation on, so a refusal that was judged
 * by the old ceilings, and is noted a moment later, counts no more.
 * Callable from any thread; never waits for anything but a few instructions of another.
 */
#include <stdint.h>

#include "lib/limit.h"

struct store_full;

struct store_full *store_full_new(void);
void store_full_free(struct store_full **f);
size_t store_full_bytes(void);

uint32_t store_full_generation(struct store_full *f);
void store_full_forget(struct store_full *f);
void store_full_add(struct store_full *f, uint32_t generation, const char *limit, const char *key,
    uint64_t until, const struct limit_ceiling *ceiling);
/* Until when (ms), 0 = not known to be full. ceiling may be NULL. */
uint64_t store_full_until(struct store_full *f, const char *limit, const char *key, uint64_t now,
    struct limit_ceiling *ceiling);

#endif
