/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_TABLE_TEXT_H
#define LIB_TABLE_TEXT_H
/*
 * table_text - a table that is a text file: everything but what its keys mean.
 *
 * table_file and table_cidr each describe their content in one constant struct
 * table_text_kind and have the rest done here: reading and checking lines, noticing
 * a change, loading it aside, exchanging the contents under running lookups.
 *
 *     new, add (for each entry), finish, then only find from many threads, free
 *
 * A content is never changed after finish. One that met errors is freed unseen.
 */
#include <stdint.h>
#include <stddef.h>

#include "lib/arena.h"
#include "lib/err.h"
#include "lib/table_private.h"

#define TABLE_ENTRIES_MAX 16000000u	/* fits the 24-bit index of table_cidr */

struct table_entry {
	const char *key;	/* lower-case ASCII, 1 to TABLE_KEY_MAX bytes, no blank */
	const char *value;	/* UTF-8 without control characters, 1 to TABLE_VALUE_MAX bytes */
	const char *file;	/* where it stands, for errors */
	unsigned line;
};

struct table_text_kind {
	void *(*new)(void);
	/* Copies one entry; what is wrong with the key goes to errors. */
	void (*add)(void *content, const struct table_entry *entry, struct table_errors *errors);
	/* All entries are in: makes them searchable; duplicates go to errors. */
	void (*finish)(void *content, const char *file, struct table_errors *errors);
	/* The value inside content, or NULL. */
	const char *(*find)(const void *content, const char *key);
	size_t (*entries)(const void *content);
	size_t (*bytes)(const void *content);
	void (*free)(void *content);
	void (*each)(const void *content, void (*each)(void *cookie, const char *key, const char *value),
	    void *cookie);		/* NULL: cannot be walked */
};

/* The functions of struct table_driver; self is what table_text_open returned. */
void *table_text_open(const struct table_text_kind *kind, const char *path, struct table_errors *errors);
void table_text_close(void *self);
int table_text_lookup(void *self, const char *key, struct arena *a, uint64_t deadline, const char **value,
    struct err *e);
int table_text_poll(void *self, struct table_errors *errors);
size_t table_text_entries(void *self);
size_t table_text_bytes(void *self);
int table_text_each(void *self, void (*each)(void *cookie, const char *key, const char *value), void *cookie,
    struct err *e);

/* Text put one behind the other: the strings of a content, named by their offset (never 0). */
struct table_heap {
	char *text;
	size_t len, size;
};

/* Copies s with its NUL and returns its offset. */
uint32_t table_heap_add(struct table_heap *heap, const char *s);
/* Gives back the space kept for more. */
void table_heap_end(struct table_heap *heap);
void table_heap_free(struct table_heap *heap);

#endif
