/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_STORE_LASTING_H
#define LIB_STORE_LASTING_H
/*
 * store_lasting - what people decided, in SQLite and in memory: suspensions, overrides, and
 * the small things that store_keep() keeps. For store_memory.c.
 *
 * Writes go to disk first and then into force: a STORE_DONE survives SIGKILL and a power failure. They are
 * for threads of the API and of alerts, not of the milter. Questions are answered from memory.
 * Callable from any thread.
 */
#include "lib/store.h"

struct store_lasting;

/* What an override says of a key. */
struct store_terms {
	bool exempt;
	struct limit_ceilings ceilings;
};

struct store_lasting *store_lasting_open(const char *file, const char *relay, struct err *e);
void store_lasting_close(struct store_lasting **l);
/* Deletes what is over. */
void store_lasting_poll(struct store_lasting *l, uint64_t now);

int store_lasting_suspended(struct store_lasting *l, const char *kind, const char *subject, uint64_t now,
    struct arena *a, struct store_suspension *to);
enum store_result store_lasting_suspend(struct store_lasting *l, const struct store_suspension *w,
    struct err *e);
enum store_result store_lasting_release(struct store_lasting *l, const char *kind, const char *subject,
    uint64_t now, struct err *e);
int store_lasting_suspensions(struct store_lasting *l, uint64_t now, struct arena *a,
    struct store_suspension **to);

enum store_result store_lasting_raise(struct store_lasting *l, const struct store_override *w, struct err *e);
enum store_result store_lasting_lower(struct store_lasting *l, const char *limit, const char *key,
    uint64_t now, struct err *e);
int store_lasting_overrides(struct store_lasting *l, uint64_t now, struct arena *a,
    struct store_override **to);
/* False, without taking a lock, while there are no overrides at all. */
bool store_lasting_any_terms(struct store_lasting *l);
/* What is in force for this key: the override of the limit, and of "*". False when there is none. */
bool store_lasting_terms(struct store_lasting *l, const char *limit, const char *key, uint64_t now,
    struct store_terms *to);

enum store_result store_lasting_keep(struct store_lasting *l, const char *space, const char *name,
    const char *value, struct err *e);
int store_lasting_kept(struct store_lasting *l, const char *space,
    void (*each)(void *, const char *, const char *), void *cookie, struct err *e);

void store_lasting_numbers(struct store_lasting *l, uint64_t *suspensions, uint64_t *overrides);

#endif
