/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_TABLE_H
#define LIB_TABLE_H
/*
 * table - who is whose: key to value, from "type:where".
 *
 *     struct table *t = table_open("file:/etc/gatepost/domains", &errs);
 *     switch (table_lookup(t, "acme.example", arena, deadline, &value, &err)) {
 *     case 1: value is a copy in the arena    case 0: there is no such key
 *     case -1: it cannot be told now (err): the message is deferred, never taken for "not found"
 *     }
 *     table_close(&t);
 *
 * Keys are ASCII lower case on both sides: table_lookup lowers what it is
 * asked for, drivers lower what they hold. A table may be asked from any thread
 * at any time, also while it is being reread. Drivers: table_file, table_cidr;
 * each is one struct table_driver (table_private.h) in table.c's list, and
 * proves itself by t/unit/test_table_contract.c.
 */
#include <stdint.h>
#include <stddef.h>

#include "lib/arena.h"
#include "lib/err.h"

#define TABLE_KEY_MAX 320	/* bytes of the longest key, without the NUL */
#define TABLE_VALUE_MAX 2048	/* and of the longest value */

struct table;

/* Where open and reread errors go: one call for each bad line, from the thread that called table_open or
 * table_poll. cookie is the caller's. The text is safe to log. */
struct table_report {
	void (*say)(void *cookie, const struct err *e);
	void *cookie;
};

/* Opens "type:where" and loads it. NULL when it could not be opened or holds a bad line; every
 * reason went to report (at most 20, then a count). The report is kept for later rereads and
 * must outlive the table; NULL: nobody listens. */
struct table *table_open(const char *spec, const struct table_report *report);
/* Closes *t, which no other thread may still be using, and clears the pointer; *t may be NULL. */
void table_close(struct table **t);

/* Returns 1 found (*value in the arena), 0 not found, -1 cannot tell (e filled). Waits no longer than the
 * deadline (clock_mono_us). An empty key is never looked up: -1, ERR_INPUT. A key longer than
 * TABLE_KEY_MAX or with a control character is in no table: 0. e may be NULL. */
int table_lookup(struct table *t, const char *key, struct arena *a, uint64_t deadline,
    const char **value, struct err *e);

/* Rereads what changed, keeping the old content when the new one is bad or gone (reported once for
 * each change). A change is taken up when two calls in a row saw the same file: one that is still
 * being written is let finish. Called about once a second from one maintenance thread.
 * Returns 1 reread, 0 nothing done, -1 bad. */
int table_poll(struct table *t);

/* From now on rereads are told there (it must outlive the table). Before the table is shared
 * between threads. */
void table_report_to(struct table *t, const struct table_report *report);

/* Calls each() for all keys, in no order; it must be short, and must not use the table. Returns 1, or -1 (e
 * filled) when a table of this type cannot be walked. */
int table_each(struct table *t, void (*each)(void *cookie, const char *key, const char *value), void *cookie,
    struct err *e);

/* What it is, for people: "file:/etc/gatepost/domains", its number of entries, its bytes of memory. */
const char *table_spec(const struct table *t);
size_t table_entries(const struct table *t);
size_t table_bytes(const struct table *t);

/* True when "type:" of spec is built in; else the list of types goes to allowed ("file, cidr"). */
int table_spec_ok(const char *spec, char *allowed, size_t size);
/* The types built in, as "file, cidr". */
const char *table_types(void);

/* Reads attribute name from a value like `plan=standard since=2026-01-31 name="Acme Ltd"`.
 * Returns 1 with a copy in the arena, 0 when it is not there, -1 when value is not of that form. */
int table_attribute(struct arena *a, const char *value, const char *name, const char **to);

#endif
