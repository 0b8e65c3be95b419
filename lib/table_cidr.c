/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * table_cidr - "cidr:/path": networks from a text file, the longest prefix wins.
 *
 * The prefixes of a family are sorted by address, then by length, and each knows
 * the nearest one around it. A lookup finds by halving the last prefix that begins
 * at or before the address: it, or one of those around it, is the longest match
 * (whatever else contains the address began earlier and so is around it too).
 *
 * Unlike Postfix's cidr tables the order of lines does not count, and there are no
 * negations and no IF blocks: the answer for an address can be read off by eye.
 *
 * Lines, rereading and locks are table_text.c's business.
 */
#include "lib/table_private.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/net.h"
#include "lib/str.h"
#include "lib/table_text.h"

#include "lib/banned.h"

#define NO_PARENT 0xffffffu	/* TABLE_ENTRIES_MAX is below */

/* 24 bytes: this is what a million entries pay for. */
struct prefix {
	uint64_t high, low;	/* the address; IPv4 in the upper half of high */
	uint32_t value;		/* in the heap */
	uint32_t parent_length;	/* index of the prefix around it << 8 | length */
};

/* Needed until the prefixes stand. */
struct source {
	struct prefix prefix;
	uint32_t line;
};

struct family {
	struct prefix *prefixes;
	uint32_t n;
	struct source *sources;
	size_t sources_size;
};

struct cidr_content {
	struct table_heap heap;
	struct family four, six;
};

static void *cidr_new(void);
static void cidr_add(void *content, const struct table_entry *entry, struct table_errors *errors);
static void cidr_finish(void *content, const char *file, struct table_errors *errors);
static const char *cidr_find(const void *content, const char *key);
static size_t cidr_entries(const void *content);
static size_t cidr_bytes(const void *content);
static void cidr_free(void *content);

static const struct table_text_kind cidr_kind = {
	.new = cidr_new,
	.add = cidr_add,
	.finish = cidr_finish,
	.find = cidr_find,
	.entries = cidr_entries,
	.bytes = cidr_bytes,
	.free = cidr_free,
};

static void *
table_cidr_open(const char *where, struct table_errors *errors)
{
	return table_text_open(&cidr_kind, where, errors);
}

const struct table_driver table_cidr = {
	.type = "cidr",
	.open = table_cidr_open,
	.close = table_text_close,
	.lookup = table_text_lookup,
	.poll = table_text_poll,
	.entries = table_text_entries,
	.bytes = table_text_bytes,
};

static void *
cidr_new(void)
{
	struct cidr_content *c = table_alloc(NULL, sizeof(*c));

	*c = (struct cidr_content){ .four = { .n = 0 } };
	return c;
}

static uint64_t
cidr_word(const uint8_t *bytes)
{
	uint64_t word = 0;
	unsigned i;

	for (i = 0; i < 8; i++)
		word = word << 8 | bytes[i];
	return word;
}

/* The network that a key with bits beyond its prefix probably means. False for any other key. */
static bool
cidr_meant(const char *key, char *to, size_t size)
{
	char copy[TABLE_KEY_MAX + 1], network[NET_TEXT];
	struct net_addr address;
	char *slash;
	unsigned length;

	if (!str_copy(copy, sizeof(copy), key) || (slash = strchr(copy, '/')) == NULL)
		return false;
	*slash = '\0';
	if (net_parse(copy, &address) == 0)
		return false;
	net_mask(&address, (unsigned)strtoul(slash + 1, NULL, 10));
	net_text(&address, network);
	(void)snprintf(to, size, "%s/%s", network, slash + 1);
	return net_parse_prefix(to, &address, &length) == 1;
}

/* Says what is wrong with a key that net_parse_prefix refused. */
static void
cidr_refuse(const struct table_entry *entry, struct table_errors *errors)
{
	char network[NET_TEXT + TABLE_KEY_MAX];

	if (cidr_meant(entry->key, network, sizeof(network)))
		table_error(errors, ERR_INPUT, entry->file, entry->line,
		    "\"%.80s\" has bits set beyond the prefix; the network is %s", entry->key, network);
	else
		table_error(errors, ERR_INPUT, entry->file, entry->line,
		    "\"%.80s\" is no address and no network such as 192.0.2.0/24 or 2001:db8::/32",
		    entry->key);
}

static void
cidr_add(void *content, const struct table_entry *entry, struct table_errors *errors)
{
	struct cidr_content *c = content;
	struct net_addr address;
	struct family *f;
	struct source *s;
	unsigned length;

	if (net_parse_prefix(entry->key, &address, &length) == 0) {
		cidr_refuse(entry, errors);
		return;
	}
	f = address.bits == 32 ? &c->four : &c->six;
	if (f->n == f->sources_size) {
		f->sources_size += f->sources_size / 2 + 256;
		f->sources = table_alloc(f->sources, f->sources_size * sizeof(*f->sources));
	}
	s = &f->sources[f->n++];
	*s = (struct source){ .line = entry->line };
	s->prefix.high = cidr_word(address.byte);
	s->prefix.low = cidr_word(address.byte + 8);
	s->prefix.value = table_heap_add(&c->heap, entry->value);
	s->prefix.parent_length = length;
}

static unsigned
prefix_length(const struct prefix *p)
{
	return p->parent_length & 0xff;
}

/* By address, the wider prefix first, then by line. */
static int
source_order(const void *a, const void *b)
{
	const struct source *x = a, *y = b;
	const struct prefix *p = &x->prefix, *q = &y->prefix;

	if (p->high != q->high)
		return p->high < q->high ? -1 : 1;
	if (p->low != q->low)
		return p->low < q->low ? -1 : 1;
	if (prefix_length(p) != prefix_length(q))
		return prefix_length(p) < prefix_length(q) ? -1 : 1;
	return x->line < y->line ? -1 : x->line > y->line;
}

static bool
prefix_same(const struct prefix *a, const struct prefix *b)
{
	return a->high == b->high && a->low == b->low && prefix_length(a) == prefix_length(b);
}

/* True when the address high, low lies in p. */
static bool
prefix_holds(const struct prefix *p, uint64_t high, uint64_t low)
{
	unsigned length = prefix_length(p);

	if (length == 0)
		return true;
	if (length <= 64)
		return ((high ^ p->high) >> (64 - length)) == 0;
	return high == p->high && ((low ^ p->low) >> (128 - length)) == 0;
}

/* The prefix i or the nearest around it that holds the address; NO_PARENT when none does. */
static uint32_t
family_around(const struct family *f, uint32_t i, uint64_t high, uint64_t low)
{
	while (i != NO_PARENT && !prefix_holds(&f->prefixes[i], high, low))
		i = f->prefixes[i].parent_length >> 8;
	return i;
}

static void
family_duplicate(const struct source *s, uint8_t bits, const char *file, struct table_errors *errors)
{
	struct net_addr address = { .bits = bits };
	char network[NET_TEXT];
	unsigned i;

	for (i = 0; i < 8; i++) {
		address.byte[i] = (uint8_t)(s->prefix.high >> (56 - 8 * i));
		address.byte[8 + i] = (uint8_t)(s->prefix.low >> (56 - 8 * i));
	}
	net_text(&address, network);
	table_error(errors, ERR_INPUT, file, s->line,
	    "%s/%u is already on line %u; a network may stand only once", network,
	    prefix_length(&s->prefix), s[-1].line);
}

static void
family_finish(struct family *f, uint8_t bits, const char *file, struct table_errors *errors)
{
	uint32_t i, parent;

	if (f->n > 0)
		qsort(f->sources, f->n, sizeof(*f->sources), source_order);
	f->prefixes = table_alloc(NULL, f->n * sizeof(*f->prefixes));
	for (i = 0; i < f->n; i++) {
		struct prefix *p = &f->prefixes[i];

		*p = f->sources[i].prefix;
		if (i > 0 && prefix_same(p, &f->sources[i - 1].prefix))
			family_duplicate(&f->sources[i], bits, file, errors);
		/* The one before, or one around that, is what this one lies in. */
		parent = family_around(f, i == 0 ? NO_PARENT : i - 1, p->high, p->low);
		p->parent_length |= parent << 8;
	}
	free(f->sources);
	f->sources = NULL;
}

static void
cidr_finish(void *content, const char *file, struct table_errors *errors)
{
	struct cidr_content *c = content;

	family_finish(&c->four, 32, file, errors);
	family_finish(&c->six, 128, file, errors);
	table_heap_end(&c->heap);
}

/* The last prefix that begins at or before the address, or NO_PARENT. */
static uint32_t
family_last(const struct family *f, uint64_t high, uint64_t low)
{
	uint32_t from = 0, to = f->n, middle;

	while (from < to) {
		const struct prefix *p;

		middle = from + (to - from) / 2;
		p = &f->prefixes[middle];
		if (p->high < high || (p->high == high && p->low <= low))
			from = middle + 1;
		else
			to = middle;
	}
	return from == 0 ? NO_PARENT : from - 1;
}

static const char *
cidr_find(const void *content, const char *key)
{
	const struct cidr_content *c = content;
	const struct family *f;
	struct net_addr address;
	uint64_t high, low;
	uint32_t i;

	/* A client without an address ("local", "unknown") is in no network. */
	if (net_parse(key, &address) == 0)
		return NULL;
	f = address.bits == 32 ? &c->four : &c->six;
	high = cidr_word(address.byte);
	low = cidr_word(address.byte + 8);
	i = family_around(f, family_last(f, high, low), high, low);
	return i == NO_PARENT ? NULL : c->heap.text + f->prefixes[i].value;
}

static size_t
cidr_entries(const void *content)
{
	const struct cidr_content *c = content;

	return (size_t)c->four.n + c->six.n;
}

static size_t
cidr_bytes(const void *content)
{
	const struct cidr_content *c = content;

	return sizeof(*c) + c->heap.size + cidr_entries(c) * sizeof(struct prefix);
}

static void
family_free(struct family *f)
{
	free(f->sources);
	free(f->prefixes);
}

static void
cidr_free(void *content)
{
	struct cidr_content *c = content;

	family_free(&c->four);
	family_free(&c->six);
	table_heap_free(&c->heap);
	free(c);
}
