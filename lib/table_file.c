/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * table_file - "file:/path": exact keys from a text file, for a million entries.
 *
 * The text of all entries lies in one piece ("key\0value\0" behind one another);
 * an index of eight bytes a slot leads there. A slot keeps half of the hash beside
 * the offset, so that a search that ends in "not found" seldom touches the text,
 * which is where the processor would have to wait for memory.
 *
 * Two lines with the same key are an error: whose a domain is must not depend on
 * which line stands first.
 *
 * Lines, rereading and locks are table_text.c's business.
 */
#include "lib/table_private.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <xxhash.h>

#include "lib/net.h"
#include "lib/table_text.h"

#include "lib/banned.h"

struct slot {
	uint32_t tag;		/* low half of the hash; the high half chose the slot */
	uint32_t at;		/* of the key in the heap; 0 is a free slot */
};

/* Needed until the index stands: where each entry came from. */
struct source {
	uint32_t at;
	uint32_t line;
};

struct file_content {
	struct table_heap heap;
	struct slot *slots;
	uint32_t n_slots;
	uint32_t n;
	uint64_t seed;		/* random, so that nobody can choose keys that collide */
	struct source *sources;
	size_t sources_size;
};

static void *file_new(void);
static void file_add(void *content, const struct table_entry *entry, struct table_errors *errors);
static void file_finish(void *content, const char *file, struct table_errors *errors);
static const char *file_find(const void *content, const char *key);
static size_t file_entries(const void *content);
static size_t file_bytes(const void *content);
static void file_free(void *content);
static void file_each(const void *content, void (*each)(void *cookie, const char *key, const char *value),
    void *cookie);

static const struct table_text_kind file_kind = {
	.new = file_new,
	.add = file_add,
	.finish = file_finish,
	.find = file_find,
	.entries = file_entries,
	.bytes = file_bytes,
	.free = file_free,
	.each = file_each,
};

static void *
table_file_open(const char *where, struct table_errors *errors)
{
	return table_text_open(&file_kind, where, errors);
}

const struct table_driver table_file = {
	.type = "file",
	.open = table_file_open,
	.close = table_text_close,
	.lookup = table_text_lookup,
	.poll = table_text_poll,
	.entries = table_text_entries,
	.bytes = table_text_bytes,
	.each = table_text_each,
};

static void *
file_new(void)
{
	struct file_content *c = table_alloc(NULL, sizeof(*c));

	*c = (struct file_content){ .n = 0 };
	/* Without random bytes (no such call) the search is as right, only its worst case can be forced. */
	if (getrandom(&c->seed, sizeof(c->seed), GRND_NONBLOCK) != (ssize_t)sizeof(c->seed))
		c->seed = (uint64_t)(uintptr_t)c;
	return c;
}

/* "acme:" comes from an aliases file. An address such as 2001:db8:: ends in ':' by right. */
static int
file_key_of_aliases(const char *key)
{
	struct net_addr address;

	return key[strlen(key) - 1] == ':' && net_parse(key, &address) == 0;
}

static void
file_add(void *content, const struct table_entry *entry, struct table_errors *errors)
{
	struct file_content *c = content;

	if (file_key_of_aliases(entry->key)) {
		table_error(errors, ERR_INPUT, entry->file, entry->line,
		    "\"%.80s\": a ':' ends the key; this is no aliases file, write the key alone",
		    entry->key);
		return;
	}
	if (c->n == c->sources_size) {
		c->sources_size += c->sources_size / 2 + 256;
		c->sources = table_alloc(c->sources, c->sources_size * sizeof(*c->sources));
	}
	c->sources[c->n].at = table_heap_add(&c->heap, entry->key);
	c->sources[c->n].line = entry->line;
	(void)table_heap_add(&c->heap, entry->value);
	c->n++;
}

/* The slot that holds key, or the free one where it belongs. There is always a free one. */
static struct slot *
file_slot(const struct file_content *c, const char *key, uint32_t *tag)
{
	uint64_t hash = XXH3_64bits_withSeed(key, strlen(key), c->seed);
	uint32_t i = (uint32_t)(((hash >> 32) * c->n_slots) >> 32);

	*tag = (uint32_t)hash;
	for (;;) {
		struct slot *s = &c->slots[i];

		if (s->at == 0 || (s->tag == *tag && strcmp(c->heap.text + s->at, key) == 0))
			return s;
		i = i + 1 == c->n_slots ? 0 : i + 1;
	}
}

static int
source_order(const void *a, const void *b)
{
	const struct source *x = a, *y = b;

	return x->at < y->at ? -1 : x->at > y->at;
}

static uint32_t
file_line_of(const struct file_content *c, uint32_t at)
{
	const struct source wanted = { .at = at }, *found;

	/* Entries were added in the order of their offsets. */
	found = bsearch(&wanted, c->sources, c->n, sizeof(wanted), source_order);
	return found == NULL ? 0 : found->line;
}

static void
file_finish(void *content, const char *file, struct table_errors *errors)
{
	struct file_content *c = content;
	uint32_t i, tag;

	/* Three quarters full at most. */
	c->n_slots = c->n + c->n / 3 + 1;
	c->slots = table_alloc(NULL, c->n_slots * sizeof(*c->slots));
	memset(c->slots, 0, c->n_slots * sizeof(*c->slots));
	for (i = 0; i < c->n; i++) {
		const char *key = c->heap.text + c->sources[i].at;
		struct slot *s = file_slot(c, key, &tag);

		if (s->at == 0)
			*s = (struct slot){ tag, c->sources[i].at };
		else
			table_error(errors, ERR_INPUT, file, c->sources[i].line,
			    "\"%.80s\" is already on line %u; a key may stand only once", key,
			    file_line_of(c, s->at));
	}
	free(c->sources);
	c->sources = NULL;
	table_heap_end(&c->heap);
}

static const char *
file_find(const void *content, const char *key)
{
	const struct file_content *c = content;
	uint32_t tag;
	const struct slot *s = file_slot(c, key, &tag);
	const char *found;

	if (s->at == 0)
		return NULL;
	found = c->heap.text + s->at;
	return found + strlen(found) + 1;
}

static size_t
file_entries(const void *content)
{
	return ((const struct file_content *)content)->n;
}

static size_t
file_bytes(const void *content)
{
	const struct file_content *c = content;

	return sizeof(*c) + c->heap.size + c->n_slots * sizeof(*c->slots);
}

static void
file_free(void *content)
{
	struct file_content *c = content;

	free(c->sources);
	free(c->slots);
	table_heap_free(&c->heap);
	free(c);
}

static void
file_each(const void *content, void (*each)(void *cookie, const char *key, const char *value), void *cookie)
{
	const struct file_content *c = content;
	uint32_t i;

	for (i = 0; i < c->n_slots; i++) {
		const char *key = c->heap.text + c->slots[i].at;

		if (c->slots[i].at != 0)
			each(cookie, key, key + strlen(key) + 1);
	}
}
