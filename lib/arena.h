/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_ARENA_H
#define LIB_ARENA_H
/*
 * arena - memory that dies with one message.
 *
 *     struct arena *a = arena_new(ARENA_DEFAULT_CAP);
 *     char *s = arena_strdup(a, value);
 *     ...
 *     if (arena_over(a)) -> this message is deferred
 *     arena_free(&a);
 *
 * The cap is soft: an allocation always succeeds, so callers need no error
 * path, but past the cap arena_over() is true and the session defers the
 * message and stores no more of it. A single callback hands over at most
 * 64 kB, so what an arena can hold past its cap is bounded too.
 * An arena belongs to one message and is used by one thread at a time.
 */
#include <stdbool.h>
#include <stddef.h>

#define ARENA_DEFAULT_CAP ((size_t)4 << 20)

struct arena;

/* A new arena that calls itself over beyond cap bytes. Never NULL (running out
 * of process memory ends the process: the MTA's default action speaks then). */
struct arena *arena_new(size_t cap);
/* Frees everything in *a and clears the pointer; *a may be NULL. */
void arena_free(struct arena **a);
/* n bytes aligned for any type, not zeroed. Never NULL; n may be 0. */
void *arena_alloc(struct arena *a, size_t n);
/* The same, zeroed. */
void *arena_zalloc(struct arena *a, size_t n);
/* Copies; the results are NUL-terminated. s may be NULL: the result is NULL. */
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t n);
/* A formatted string. */
char *arena_printf(struct arena *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* True once more than the cap was asked for. */
bool arena_over(const struct arena *a);
/* Bytes handed out so far. */
size_t arena_used(const struct arena *a);

#endif
