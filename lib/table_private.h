/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_TABLE_PRIVATE_H
#define LIB_TABLE_PRIVATE_H
/*
 * table_private - what a table driver provides. Only table*.c include this.
 *
 * A new type is one file table_NAME.c with one constant struct table_driver, and
 * one word in the list at the head of table.c. It must pass
 * t/unit/test_table_contract.c, which runs over that list.
 *
 * lookup, entries and bytes come from any thread at any time, also during poll.
 * open, poll and close come from one thread at a time; close comes last.
 */
#include <stddef.h>
#include <stdint.h>

#include "lib/arena.h"
#include "lib/err.h"
#include "lib/table.h"

/* The errors of one open or one poll: the first TABLE_ERRORS_SHOWN are said, the others counted. */
#define TABLE_ERRORS_SHOWN 20
struct table_errors {
	const struct table_report *report;	/* NULL: nobody listens */
	size_t n;
};

/* Says (or counts) one error. file may be NULL. What is not printable in the text is escaped here. */
void table_error(struct table_errors *to, enum err_code code, const char *file, unsigned line,
    const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* Says a remark that is no error of its own, whatever was said before. */
void table_remark(struct table_errors *to, const char *file, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

struct table_driver {
	const char *type;	/* what stands before the ':' */

	/* where is what stands after the ':'. Returns the driver's own state, or NULL after an error. */
	void *(*open)(const char *where, struct table_errors *errors);
	void (*close)(void *self);

	/* As table_lookup. key is lower case, 1 to TABLE_KEY_MAX bytes, without control characters. */
	int (*lookup)(void *self, const char *key, struct arena *a, uint64_t deadline, const char **value,
	    struct err *e);

	/* As table_poll. */
	int (*poll)(void *self, struct table_errors *errors);

	size_t (*entries)(void *self);
	size_t (*bytes)(void *self);

	/* As table_each. NULL: cannot be walked. */
	int (*each)(void *self, void (*each)(void *cookie, const char *key, const char *value), void *cookie,
	    struct err *e);
};

extern const struct table_driver table_file, table_cidr;

/* Memory that does not come back empty: without it the process ends, as everywhere (lib/arena.h).
 * A fresh allocation when old is NULL. */
void *table_alloc(void *old, size_t n);

#endif
