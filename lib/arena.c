/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * arena - memory that dies with one message: the facts, answers of tables and
 * the verdict of one message are all allocated here and freed at once.
 *
 * Blocks grow from 4 kB (the ordinary message fits in one or two) to 64 kB. An
 * allocation larger than a quarter of the next block gets a block of its own
 * behind the current one, so that one long header wastes no space.
 *
 * It deliberately does not free single allocations and does not fail: the
 * session asks arena_over() and stops.
 */
#include "lib/arena.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/banned.h"

#define ARENA_FIRST ((size_t)4096 - 32)	/* malloc's own words kept within the page */
#define ARENA_BLOCK_MOST ((size_t)64 << 10)
#define ARENA_ALIGN _Alignof(max_align_t)

struct arena_block {
	struct arena_block *next;
	size_t size;		/* usable bytes at data */
	max_align_t data[];
};

struct arena {
	struct arena_block *full;	/* blocks besides the first, current one at the head */
	char *at;		/* free space of the current block */
	size_t left;
	size_t next_size;
	size_t used, cap;
};

/* No message and no log line can be built any more. The MTA sees the closed
 * connection and does what milter_default_action says. */
static _Noreturn void
arena_out_of_memory(void)
{
	static const char text[] = "gatepost: out of memory\n";
	ssize_t ignored = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)ignored;
	abort();
}

static size_t
arena_round(size_t n)
{
	return (n + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
}

struct arena *
arena_new(size_t cap)
{
	const size_t head = arena_round(sizeof(struct arena));
	struct arena *a = malloc(ARENA_FIRST);

	if (a == NULL)
		arena_out_of_memory();
	*a = (struct arena){ .at = (char *)a + head, .left = ARENA_FIRST - head,
		.next_size = 2 * ARENA_FIRST, .cap = cap };
	return a;
}

void
arena_free(struct arena **a)
{
	struct arena_block *b, *next;

	if (a == NULL || *a == NULL)
		return;
	for (b = (*a)->full; b != NULL; b = next) {
		next = b->next;
		free(b);
	}
	free(*a);
	*a = NULL;
}

static struct arena_block *
arena_block_new(size_t size)
{
	struct arena_block *b = malloc(sizeof(*b) + size);

	if (b == NULL)
		arena_out_of_memory();
	b->next = NULL;
	b->size = size;
	return b;
}

/* A block for this allocation alone; the current one stays current. */
static void *
arena_alloc_large(struct arena *a, size_t n)
{
	struct arena_block *b = arena_block_new(n);

	if (a->full == NULL) {
		a->full = b;
	} else {
		b->next = a->full->next;
		a->full->next = b;
	}
	return b->data;
}

static void
arena_grow(struct arena *a)
{
	struct arena_block *b = arena_block_new(a->next_size);

	b->next = a->full;
	a->full = b;
	a->at = (char *)b->data;
	a->left = b->size;
	if (a->next_size <= ARENA_BLOCK_MOST / 2)
		a->next_size *= 2;
}

void *
arena_alloc(struct arena *a, size_t n)
{
	void *p;

	if (n > SIZE_MAX / 2)
		arena_out_of_memory();
	a->used += n;
	n = arena_round(n == 0 ? 1 : n);
	if (n > a->left) {
		if (n > a->next_size / 4)
			return arena_alloc_large(a, n);
		arena_grow(a);
	}
	p = a->at;
	a->at += n;
	a->left -= n;
	return p;
}

void *
arena_zalloc(struct arena *a, size_t n)
{
	void *p = arena_alloc(a, n);

	memset(p, 0, n);
	return p;
}

char *
arena_strdup(struct arena *a, const char *s)
{
	return s == NULL ? NULL : arena_strndup(a, s, strlen(s));
}

char *
arena_strndup(struct arena *a, const char *s, size_t n)
{
	char *copy;

	if (s == NULL)
		return NULL;
	n = strnlen(s, n);
	copy = arena_alloc(a, n + 1);
	memcpy(copy, s, n);
	copy[n] = '\0';
	return copy;
}

char *
arena_printf(struct arena *a, const char *fmt, ...)
{
	char small[256];
	char *text;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(small, sizeof(small), fmt, ap);
	va_end(ap);
	if (n < 0)
		return arena_strndup(a, "", 0);
	if ((size_t)n < sizeof(small))
		return arena_strndup(a, small, (size_t)n);

	text = arena_alloc(a, (size_t)n + 1);
	va_start(ap, fmt);
	(void)vsnprintf(text, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return text;
}

bool
arena_over(const struct arena *a)
{
	return a->used > a->cap;
}

size_t
arena_used(const struct arena *a)
{
	return a->used;
}
