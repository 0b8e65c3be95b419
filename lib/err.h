/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_ERR_H
#define LIB_ERR_H
/*
 * err - why a question could not be answered or an effect not be had.
 *
 * Low layers fill a struct err and return -1; they neither log nor decide.
 * The caller that decides logs it once, with its own context (queue id...).
 * A struct err lives on the caller's stack; nothing in it is allocated.
 */
#include <stdarg.h>

enum err_code {
	ERR_NONE = 0,
	ERR_INPUT,	/* what was given cannot be right (a bad line, a bad setting) */
	ERR_SYSTEM,	/* the operating system refused; text holds strerror */
	ERR_TIMEOUT,	/* the deadline passed first */
	ERR_GONE,	/* a service that should answer does not */
	ERR_FULL,	/* a bound was reached */
	ERR_DENIED	/* not allowed */
};

struct err {
	enum err_code code;
	char text[480];
	char where[160];	/* "file:line" of the setting or line involved, or "" */
};

/* Fills e (NULL is allowed: nothing happens). Always returns -1, so that
 * `return err_set(e, ERR_INPUT, "...")` reads as one step. */
int err_set(struct err *e, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Says where the mistake stands; file may be NULL, line 0 = unknown. Returns -1. */
int err_at(struct err *e, const char *file, unsigned line);
/* Empties e. */
void err_clear(struct err *e);

#endif
