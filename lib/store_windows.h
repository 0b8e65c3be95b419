/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_STORE_WINDOWS_H
#define LIB_STORE_WINDOWS_H
/*
 * store_windows - the windows of the memory store: a file mapped into memory.
 *
 * A change is in the kernel's page cache the moment it is made, so SIGKILL loses nothing; a machine that
 * crashes loses what the kernel had not written back (30 s by default on Linux).
 *
 * The file is a head and chunks of one size, each of slots (a key with up to four windows) or
 * of records (a distinct value, or a message charged already). It grows up to the cap and
 * never beyond; its space on disk is taken when it grows, so that a full disk is an answer and not a
 * SIGBUS. Which slot is whose stands in indexes in memory, made when the file is opened, in stripes with a
 * lock each.
 *
 * Bound: bytes <= cap, where bytes counts the head, the chunks, the indexes, the stripes and the table of
 * store_full. A key costs its slot (320 bytes) and 9 to 19 bytes of index.
 * At the cap a key is given up for a new one: one that is over, else the least filled of 16.
 *
 * Order of locks: stripes in ascending order, then the pool. Nothing is called outside with either held, but
 * for growing the file, and reading the clock.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/limit.h"
#include "lib/store_hash.h"

#define WINDOWS_STRIPES 256u		/* a record's stripe fits its byte */
#define WINDOWS_SLOT 320u
#define WINDOWS_RECORD 32u
#define WINDOWS_CHUNK_SLOTS 1024u
#define WINDOWS_CHUNK ((size_t)WINDOWS_SLOT * WINDOWS_CHUNK_SLOTS)
#define WINDOWS_HEAD ((size_t)4096)
#define WINDOWS_CAP_MIN ((uint64_t)4 << 20)

/* One window and the ceiling that it was last judged against; 0 = no ceiling any more, counted but
 * not shown (a change of configuration that is taken back finds the count complete). */
struct windows_part {
	struct limit_window window;
	uint32_t most;
};

/* A key. All zero hash = free. The limit's name and the key follow part[n - 1], without
 * NUL, the key cut when there is no room: it is for people, the hash decides. */
struct windows_slot {
	struct store_hash hash;
	uint64_t salt;			/* goes into the names of its values; next free slot while free */
	uint64_t expires;		/* ms */
	uint8_t n;			/* parts */
	uint8_t kind;			/* enum store_kind */
	uint8_t limit_len, key_len;
	uint8_t cut;			/* the key is not all there */
	uint8_t epoch;			/* goes up with every window added */
	uint8_t since[LIMIT_WINDOWS_MAX];	/* the epoch in which a window began: no older values in it */
	uint8_t reserved[2];
	struct windows_part part[LIMIT_WINDOWS_MAX];
	uint8_t more[WINDOWS_SLOT - 44 - LIMIT_WINDOWS_MAX * sizeof(struct windows_part)];
};

enum windows_record_kind { WINDOWS_VALUE = 1, WINDOWS_MESSAGE = 2 };

struct windows_record {
	struct store_hash hash;
	uint64_t seen;			/* ms; next free record while free */
	uint32_t keep;			/* seconds from seen */
	uint8_t kind;
	uint8_t stripe;
	uint8_t epoch;			/* of its slot when seen */
	uint8_t uses;			/* of a message: passed free so often */
};

_Static_assert(sizeof(struct windows_slot) == WINDOWS_SLOT, "slot: layout of the file");
_Static_assert(sizeof(struct windows_record) == WINDOWS_RECORD, "record: layout of the file");

/* Open addressing; an entry is the upper half of the hash's hi beside the number + 1. */
struct windows_index {
	uint64_t *at;
	uint32_t mask;
	uint32_t n;
};

/* A message without distinct values touches the first cache line only. */
struct windows_stripe {
	_Alignas(64) pthread_mutex_t lock;	/* the indexes, all that they point to, the counts */
	struct windows_index keys;
	uint64_t taken;

	struct windows_index records;
	uint64_t messages;		/* records that are messages */
	uint64_t refused;
};

/* Free places of one kind. Fresh ones, not used since the file grew, are not linked, to touch no page. */
struct windows_pool {
	uint32_t free_head;		/* number + 1; linked through salt, or seen */
	uint32_t fresh, fresh_end;
	uint64_t places;		/* in all its chunks */
	uint64_t left;			/* free and fresh */
	uint64_t reserved;		/* of these, promised */
	uint64_t chunks;
};

struct windows {
	unsigned char *base;		/* first chunk */
	unsigned char *map;
	size_t mapped;
	int fd, lock_fd;
	char *file;
	uint64_t seed;
	uint64_t cap, other_bytes;	/* other: what the owner uses beside us, within the cap */
	_Atomic uint64_t bytes;
	_Atomic uint64_t evicted;
	_Atomic uint64_t next_salt, next_victim;
	pthread_mutex_t pool_lock;	/* the following; taken last */
	struct windows_pool slots, records;
	uint64_t chunks, chunks_most;
	bool disk_full;			/* until the next poll */
	atomic_uint sweep_next;
	struct windows_stripe stripe[WINDOWS_STRIPES];
};

/* ---- the file: store_windows_file.c ---- */

struct windows *windows_open(const char *file, uint64_t cap, uint64_t other_bytes, uint64_t now,
    struct err *e);
void windows_close(struct windows **w);
/* Another chunk for a pool of w's; under pool_lock. False at the cap or when the disk is full. */
bool windows_grow(struct windows *w, struct windows_pool *pool);

/* For opening: puts a slot or record of the file into its index; false when it is there or has no room. */
bool windows_adopt(struct windows *w, uint32_t number);
bool windows_adopt_record(struct windows *w, uint32_t number);
/* Clears it and puts it with the free ones. */
void windows_give_back(struct windows *w, uint32_t number);
void windows_give_back_record(struct windows *w, uint32_t number);

/* ---- keys and records: store_windows.c. All under the stripe's lock ---- */

static inline struct windows_slot *
windows_slot_at(const struct windows *w, uint32_t number)
{
	return (struct windows_slot *)(void *)(w->base + (size_t)number * WINDOWS_SLOT);
}

static inline struct windows_record *
windows_record_at(const struct windows *w, uint32_t number)
{
	return (struct windows_record *)(void *)(w->base + (size_t)number * WINDOWS_RECORD);
}

static inline unsigned
windows_stripe_of(struct store_hash h)
{
	return (unsigned)(h.lo >> 56);
}

static inline size_t
windows_text_room(unsigned n)
{
	return WINDOWS_SLOT - offsetof(struct windows_slot, part) - n * sizeof(struct windows_part);
}

static inline char *
windows_text(struct windows_slot *s)
{
	return (char *)s + offsetof(struct windows_slot, part) + s->n * sizeof(struct windows_part);
}

/* Start reading what a find will look at: the place in the index; and, once that is here, the slot. */
void windows_prefetch_index(const struct windows_stripe *t, struct store_hash h);
void windows_prefetch_slot(const struct windows *w, const struct windows_stripe *t, struct store_hash h);
struct windows_slot *windows_find(const struct windows *w, const struct windows_stripe *t,
    struct store_hash h);
struct windows_record *windows_find_record(const struct windows *w, const struct windows_stripe *t,
    struct store_hash h);

/* The name of a value of this slot. */
struct store_hash windows_value_name(uint64_t salt, struct store_hash value);
uint64_t windows_new_salt(struct windows *w);

/* Room for so many more in the stripe's indexes. False: windows_make_room, without the lock. */
bool windows_index_room(struct windows *w, struct windows_stripe *t, size_t keys, size_t records);
/* Promises places, so that the next so many makes cannot fail. False: windows_make_room. */
bool windows_reserve(struct windows *w, size_t slots, size_t records);

/* A new slot or record of a reserved place, zero but for its hash; it is not in the index, nor would a
 * restart find it, until it is published. */
struct windows_slot *windows_make(struct windows *w);
void windows_publish(struct windows *w, struct windows_stripe *t, struct windows_slot *s,
    struct store_hash h);
struct windows_record *windows_make_record(struct windows *w);
void windows_publish_record(struct windows *w, struct windows_stripe *t, struct windows_record *r,
    struct store_hash h);
void windows_drop(struct windows *w, struct windows_stripe *t, struct windows_slot *s);

/* Writes the limit and the key behind the parts; after n has changed. */
void windows_write_text(struct windows_slot *s, const char *limit, const char *key);
/* Moves all windows to now. */
void windows_advance(struct windows *w, struct windows_slot *s, uint64_t now);
/* The same, and the fullest window in thousandths of its ceiling. */
uint32_t windows_fill(struct windows *w, struct windows_slot *s, uint64_t now);

/* ---- without any lock held ---- */

/* Gives up keys and records so that so many of each are free, and entries of this stripe's
 * indexes when stripe >= 0. Others may take them before the caller does. False when there can never be so
 * many. */
bool windows_make_room(struct windows *w, size_t slots, size_t records, int stripe, uint64_t now);
/* A bounded part of the search for keys that are over; all of them within half a minute of calls once a
 * second. */
void windows_sweep(struct windows *w, uint64_t now);

#endif
