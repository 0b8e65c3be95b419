/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * store_windows_file - the file that the windows live in: locked, checked, mapped, grown.
 *
 *     FILE-lock      held by the process that owns FILE and FILE-windows; its pid is inside
 *     FILE-windows   head (4096 bytes), chunks of 1024 x 320 bytes, the first 320 of each its own head
 *
 * The whole cap is mapped at once, beyond the end of the file: Linux lets pages be
 * used as soon as the file has grown over them, so that nothing ever moves.
 *
 * What is read back is not trusted: a head of another layout sets the file aside, a slot
 * whose bounds are wrong or whose name does not match its hash is dropped, and both are logged
 * here, because opening goes on and has no other way to tell. Counts are taken as they are; no
 * check sum stands over them, for a process killed between count and sum would lose both.
 */
#include "lib/store_windows.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/store_private.h"

#include "lib/banned.h"

#define FILE_VERSION 1u
#define FILE_ORDER UINT32_C(0x01020304)		/* the machine's byte order */
#define CHUNK_MAGIC UINT64_C(0x6b6e756863706721)
#define CHUNK_RECORDS (WINDOWS_CHUNK / WINDOWS_RECORD)
#define CHUNK_RECORDS_HEAD (WINDOWS_SLOT / WINDOWS_RECORD)
/* An index is at worst 7/16 full when it has just grown: 18.3 bytes an entry. */
#define INDEX_WORST 19u
#define SLOTS_COST (WINDOWS_CHUNK + (uint64_t)(WINDOWS_CHUNK_SLOTS - 1) * INDEX_WORST)
#define RECORDS_COST (WINDOWS_CHUNK + (uint64_t)(CHUNK_RECORDS - CHUNK_RECORDS_HEAD) * INDEX_WORST)

struct file_head {
	char magic[16];
	uint32_t version, order, slot, record, chunk_slots, slices;
	uint64_t seed, seed_check;
};

struct chunk_head {
	uint64_t magic;
	uint32_t number;
	uint32_t records;	/* 1: of records, 0: of slots */
};

/* What opening found. */
struct windows_found {
	uint64_t bad, without_room;
};

static const char file_magic[16] = "gatepost-window";

/* ---- lock ---- */

static int
windows_lock(struct windows *w, const char *file, struct err *e)
{
	char path[4096], pid[32];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%s-lock", file);
	w->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (w->lock_fd < 0)
		return err_set(e, ERR_SYSTEM,
		    "%s: %s; the folder of store.file must be there, and the daemon's user be able to write in it", path,
		    strerror(errno));
	if (flock(w->lock_fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK)
			return err_set(e, ERR_SYSTEM, "%s: %s", path, strerror(errno));
		n = pread(w->lock_fd, pid, sizeof(pid) - 1, 0);
		pid[n > 0 ? n : 0] = '\0';
		pid[strspn(pid, "0123456789")] = '\0';
		return err_set(e, ERR_DENIED, "%s is in use by process %s", file,
		    pid[0] != '\0' ? pid : "(unknown)");
	}
	n = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
	if (ftruncate(w->lock_fd, 0) != 0 || pwrite(w->lock_fd, pid, (size_t)n, 0) != n)
		return err_set(e, ERR_SYSTEM, "%s: %s", path, strerror(errno));
	return 1;
}

/* ---- head ---- */

static void
windows_head_fill(struct file_head *h)
{
	memset(h, 0, sizeof(*h));
	memcpy(h->magic, file_magic, sizeof(h->magic));
	h->version = FILE_VERSION;
	h->order = FILE_ORDER;
	h->slot = WINDOWS_SLOT;
	h->record = WINDOWS_RECORD;
	h->chunk_slots = WINDOWS_CHUNK_SLOTS;
	h->slices = LIMIT_SLICES;
}

static int
windows_head_write(struct windows *w, struct err *e)
{
	struct file_head h;

	windows_head_fill(&h);
	h.seed = store_hash_random();
	h.seed_check = ~h.seed;
	if (ftruncate(w->fd, 0) != 0 || posix_fallocate(w->fd, 0, (off_t)WINDOWS_HEAD) != 0 ||
	    pwrite(w->fd, &h, sizeof(h), 0) != (ssize_t)sizeof(h))
		return err_set(e, ERR_SYSTEM, "%s: cannot be written: %s", w->file, strerror(errno));
	w->seed = h.seed;
	return 1;
}

/* True when the file is ours and of this layout. */
static bool
windows_head_read(struct windows *w)
{
	struct file_head h, want;

	windows_head_fill(&want);
	if (pread(w->fd, &h, sizeof(h), 0) != (ssize_t)sizeof(h) || h.seed_check != ~h.seed)
		return false;
	w->seed = want.seed = h.seed;
	want.seed_check = h.seed_check;
	return memcmp(&h, &want, sizeof(h)) == 0;
}

static int
windows_open_fd(struct windows *w, struct err *e)
{
	struct stat st;

	w->fd = open(w->file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (w->fd < 0 || fstat(w->fd, &st) != 0)
		return err_set(e, ERR_SYSTEM, "%s: %s", w->file, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_INPUT, "%s: not a regular file", w->file);
	return 1;
}

static int
windows_set_aside(struct windows *w, struct err *e)
{
	char aside[4096 + 16];

	(void)snprintf(aside, sizeof(aside), "%s.old", w->file);
	if (rename(w->file, aside) != 0)
		return err_set(e, ERR_SYSTEM, "%s: cannot be renamed to %s: %s", w->file, aside,
		    strerror(errno));
	log_printf(LOG_LEVEL_WARNING,
	    "%s: written by another version, or damaged; kept as %s, counting starts anew", w->file, aside);
	(void)close(w->fd);
	return windows_open_fd(w, e);
}

/* Leaves w->chunks at the number of whole chunks in the file. */
static int
windows_open_file(struct windows *w, struct err *e)
{
	struct stat st;

	if (windows_open_fd(w, e) != 1)
		return -1;
	if (fstat(w->fd, &st) == 0 && st.st_size > 0 && !windows_head_read(w) && windows_set_aside(w, e) != 1)
		return -1;
	if (fstat(w->fd, &st) != 0)
		return err_set(e, ERR_SYSTEM, "%s: %s", w->file, strerror(errno));
	if (st.st_size < (off_t)WINDOWS_HEAD) {
		w->chunks = 0;
		return windows_head_write(w, e);
	}
	w->chunks = ((uint64_t)st.st_size - WINDOWS_HEAD) / WINDOWS_CHUNK;
	return 1;
}

static int
windows_map(struct windows *w, struct err *e)
{
	uint64_t chunks = w->chunks > w->chunks_most ? w->chunks : w->chunks_most;

	if (w->chunks > UINT32_MAX / CHUNK_RECORDS)
		return err_set(e, ERR_INPUT, "%s: too large to be ours", w->file);
	w->mapped = WINDOWS_HEAD + (size_t)chunks * WINDOWS_CHUNK;
	w->map = mmap(NULL, w->mapped, PROT_READ | PROT_WRITE, MAP_SHARED, w->fd, 0);
	if (w->map == MAP_FAILED) {
		w->map = NULL;
		return err_set(e, ERR_SYSTEM, "%s: cannot be mapped: %s", w->file, strerror(errno));
	}
	w->base = w->map + WINDOWS_HEAD;
	return 1;
}

/* ---- growing ---- */

/* Memory with every index at its worst: growing stops in time for them. */
static uint64_t
windows_planned(const struct windows *w)
{
	return w->slots.chunks * SLOTS_COST + w->records.chunks * RECORDS_COST;
}

/* Keys leave room for one chunk of records and an eighth of the cap; records leave half of it, and one chunk
 * of keys. So neither can starve the other. */
static bool
windows_may_grow(const struct windows *w, const struct windows_pool *pool, uint64_t room)
{
	uint64_t plan = windows_planned(w);

	if (pool == &w->slots) {
		if (w->records.chunks == 0)
			plan += RECORDS_COST;
		return plan + SLOTS_COST <= room &&
		    (w->slots.chunks == 0 || (w->slots.chunks + 1) * SLOTS_COST <= room / 8 * 7);
	}
	if (w->slots.chunks == 0)
		plan += SLOTS_COST;
	return plan + RECORDS_COST <= room &&
	    (w->records.chunks == 0 || (w->records.chunks + 1) * RECORDS_COST <= room / 2);
}

static uint64_t
windows_room(const struct windows *w)
{
	uint64_t fixed = WINDOWS_HEAD + sizeof(*w) + w->other_bytes;

	return w->cap > fixed ? w->cap - fixed : 0;
}

static void
windows_chunk_head(struct windows *w, uint64_t chunk, bool records)
{
	struct chunk_head h = { CHUNK_MAGIC, (uint32_t)chunk, records };

	memcpy(w->base + chunk * WINDOWS_CHUNK, &h, sizeof(h));
}

/* The places of a new chunk: given out one after the other. */
static void
windows_chunk_fresh(struct windows_pool *pool, uint64_t chunk, uint32_t places, uint32_t head)
{
	pool->fresh = (uint32_t)chunk * places + head;
	pool->fresh_end = (uint32_t)chunk * places + places;
	pool->left += places - head;
	pool->places += places - head;
	pool->chunks++;
}

/* A pool may have to grow for a reservation while fresh places are left: they go with the free ones. */
static void
windows_link_fresh(struct windows *w, struct windows_pool *pool)
{
	for (; pool->fresh < pool->fresh_end; pool->fresh++) {
		if (pool == &w->slots)
			windows_slot_at(w, pool->fresh)->salt = pool->free_head;
		else
			windows_record_at(w, pool->fresh)->seen = pool->free_head;
		pool->free_head = pool->fresh + 1;
	}
}

bool
windows_grow(struct windows *w, struct windows_pool *pool)
{
	bool records = pool == &w->records;
	off_t end = (off_t)(WINDOWS_HEAD + w->chunks * WINDOWS_CHUNK);

	if (w->disk_full || w->chunks >= w->chunks_most || !windows_may_grow(w, pool, windows_room(w)))
		return false;
	if (posix_fallocate(w->fd, end, (off_t)WINDOWS_CHUNK) != 0) {
		w->disk_full = true;
		return false;
	}
	windows_link_fresh(w, pool);
	windows_chunk_head(w, w->chunks, records);
	windows_chunk_fresh(pool, w->chunks, records ? (uint32_t)CHUNK_RECORDS : WINDOWS_CHUNK_SLOTS,
	    records ? CHUNK_RECORDS_HEAD : 1);
	w->chunks++;
	(void)atomic_fetch_add(&w->bytes, WINDOWS_CHUNK);
	return true;
}

/* ---- reading back ---- */

static bool
windows_parts_sane(const struct windows_slot *s)
{
	unsigned i, j;

	if (s->n == 0 || s->n > LIMIT_WINDOWS_MAX || s->kind > STORE_DISTINCT)
		return false;
	for (i = 0; i < s->n; i++) {
		if (s->part[i].window.length == 0 || s->part[i].window.length > LIMIT_LENGTH_MAX / 1000)
			return false;
		for (j = 0; j < i; j++) {
			if (s->part[i].window.length == s->part[j].window.length)
				return false;
		}
	}
	return true;
}

static bool
windows_slot_sane(const struct windows *w, struct windows_slot *s)
{
	char limit[STORE_LIMIT_MAX + 1], key[UINT8_MAX + 1];
	const char *text;

	if (!windows_parts_sane(s) || s->limit_len == 0 || s->limit_len > STORE_LIMIT_MAX ||
	    (size_t)s->limit_len + s->key_len > windows_text_room(s->n))
		return false;
	if (s->cut)
		return true;
	text = windows_text(s);
	memcpy(limit, text, s->limit_len);
	limit[s->limit_len] = '\0';
	memcpy(key, text + s->limit_len, s->key_len);
	key[s->key_len] = '\0';
	return store_hash_same(store_hash_pair(w->seed, limit, key), s->hash);
}

static bool
windows_is_free(struct store_hash h)
{
	return h.lo == 0 && h.hi == 0;
}

/* True when the slot is somebody's: sane, not over, and in its index. */
static bool
windows_load_slot(struct windows *w, uint32_t number, uint64_t now, struct windows_found *found)
{
	static const uint64_t longest = LIMIT_LENGTH_MAX / LIMIT_SLICES * (LIMIT_SLICES + 2);
	struct windows_slot *s = windows_slot_at(w, number);

	if (windows_is_free(s->hash))
		return false;
	if (!windows_slot_sane(w, s)) {
		found->bad++;
		return false;
	}
	if (s->expires <= now)
		return false;
	if (s->expires > now + longest)		/* the clock was set back */
		s->expires = now + longest;
	if (windows_adopt(w, number))
		return true;
	found->without_room++;
	return false;
}

static bool
windows_load_record(struct windows *w, uint32_t number, uint64_t now, struct windows_found *found)
{
	struct windows_record *r = windows_record_at(w, number);

	if (windows_is_free(r->hash))
		return false;
	if ((r->kind != WINDOWS_VALUE && r->kind != WINDOWS_MESSAGE) ||
	    r->keep > LIMIT_LENGTH_MAX / 1000 * 2) {
		found->bad++;
		return false;
	}
	if (r->seen > now)
		r->seen = now;
	if (r->seen + r->keep * UINT64_C(1000) <= now)
		return false;
	if (windows_adopt_record(w, number))
		return true;
	found->without_room++;
	return false;
}

static void
windows_load_chunk(struct windows *w, uint64_t chunk, bool records, uint64_t now, struct windows_found *found)
{
	uint32_t per = records ? (uint32_t)CHUNK_RECORDS : WINDOWS_CHUNK_SLOTS;
	uint32_t at = (uint32_t)chunk * per + (records ? CHUNK_RECORDS_HEAD : 1);
	uint32_t end = (uint32_t)(chunk + 1) * per;

	for (; at < end; at++) {
		if (records && !windows_load_record(w, at, now, found))
			windows_give_back_record(w, at);
		else if (!records && !windows_load_slot(w, at, now, found))
			windows_give_back(w, at);
	}
}

/* -1 when the chunk's head is not ours, else whether it is of records. */
static int
windows_chunk_kind(const struct windows *w, uint64_t chunk)
{
	struct chunk_head h;

	memcpy(&h, w->base + chunk * WINDOWS_CHUNK, sizeof(h));
	return h.magic == CHUNK_MAGIC && h.number == chunk && h.records <= 1 ? (int)h.records : -1;
}

/* How many chunks from the front fit the cap; counts them into the pools. A chunk
 * that cannot be read becomes an empty one. */
static uint64_t
windows_accept(struct windows *w, struct windows_found *found)
{
	uint64_t chunk, room = windows_room(w);
	struct windows_pool *pool;
	int records;

	for (chunk = 0; chunk < w->chunks; chunk++) {
		records = windows_chunk_kind(w, chunk);
		if (windows_planned(w) + (records == 1 ? RECORDS_COST : SLOTS_COST) > room)
			break;
		if (records < 0) {
			found->bad += WINDOWS_CHUNK_SLOTS - 1;
			memset(w->base + chunk * WINDOWS_CHUNK, 0, WINDOWS_CHUNK);
			windows_chunk_head(w, chunk, false);
		}
		pool = records == 1 ? &w->records : &w->slots;
		pool->chunks++;
		pool->places += records == 1 ? CHUNK_RECORDS - CHUNK_RECORDS_HEAD : WINDOWS_CHUNK_SLOTS - 1;
		(void)atomic_fetch_add(&w->bytes, WINDOWS_CHUNK);
	}
	return chunk;
}

/* A key of a chunk beyond the cap moves into a free place. */
static void
windows_move_slot(struct windows *w, uint32_t number, uint64_t now, struct windows_found *found)
{
	struct windows_slot *from = windows_slot_at(w, number), *to;
	struct store_hash h = from->hash;

	if (windows_is_free(h) || from->expires <= now)
		return;
	if (!windows_slot_sane(w, from)) {
		found->bad++;
		return;
	}
	if (!windows_reserve(w, 1, 0)) {
		found->without_room++;
		return;
	}
	to = windows_make(w);
	*to = *from;
	number = (uint32_t)((size_t)((unsigned char *)to - w->base) / WINDOWS_SLOT);
	if (!windows_load_slot(w, number, now, found))
		windows_give_back(w, number);
}

/* The cap was lowered: keys of what lies beyond it move as far as there is room. Their values and
 * the messages are given up, which makes limits stricter, and a retry may be charged again. */
static void
windows_move_rest(struct windows *w, uint64_t from, uint64_t to, uint64_t now, struct windows_found *found)
{
	uint32_t i;

	w->disk_full = true;	/* no growing over what is being moved */
	for (; from < to; from++) {
		for (i = 1; i < WINDOWS_CHUNK_SLOTS && windows_chunk_kind(w, from) == 0; i++)
			windows_move_slot(w, (uint32_t)from * WINDOWS_CHUNK_SLOTS + i, now, found);
	}
	w->disk_full = false;
}

/* Chunks at the end that nobody uses; after a flood the file becomes small again at the next start. */
static bool
windows_chunk_empty(const struct windows *w, uint64_t chunk)
{
	int records = windows_chunk_kind(w, chunk);
	uint32_t i;

	for (i = records == 1 ? CHUNK_RECORDS_HEAD : 1; records == 1 && i < CHUNK_RECORDS; i++) {
		if (!windows_is_free(windows_record_at(w, (uint32_t)(chunk * CHUNK_RECORDS) + i)->hash))
			return false;
	}
	for (i = 1; records == 0 && i < WINDOWS_CHUNK_SLOTS; i++) {
		if (!windows_is_free(windows_slot_at(w, (uint32_t)(chunk * WINDOWS_CHUNK_SLOTS) + i)->hash))
			return false;
	}
	return true;
}

static int
windows_load(struct windows *w, uint64_t now, struct err *e)
{
	struct windows_found found = { 0, 0 };
	uint64_t i, in_file;

	while (w->chunks > 0 && windows_chunk_empty(w, w->chunks - 1))
		w->chunks--;
	in_file = w->chunks;
	w->chunks = windows_accept(w, &found);
	for (i = 0; i < w->chunks; i++)
		windows_load_chunk(w, i, windows_chunk_kind(w, i) == 1, now, &found);
	windows_move_rest(w, w->chunks, in_file, now, &found);
	if (ftruncate(w->fd, (off_t)(WINDOWS_HEAD + w->chunks * WINDOWS_CHUNK)) != 0)
		return err_set(e, ERR_SYSTEM, "%s: %s", w->file, strerror(errno));
	(void)atomic_fetch_add(&w->evicted, found.without_room);
	if (found.bad > 0)
		log_printf(LOG_LEVEL_WARNING, "%s: %" PRIu64 " damaged places dropped", w->file, found.bad);
	if (found.without_room > 0)
		log_printf(LOG_LEVEL_WARNING,
		    "%s: %" PRIu64 " keys given up, store.memory is too small for them", w->file,
		    found.without_room);
	return 1;
}

/* ---- opening and closing ---- */

static int
windows_open_all(struct windows *w, const char *file, uint64_t now, struct err *e)
{
	unsigned i;

	if (strlen(file) > 4000)
		return err_set(e, ERR_INPUT, "store.file: path too long");
	if (w->cap < WINDOWS_CAP_MIN)
		return err_set(e, ERR_INPUT, "store.memory: at least %" PRIu64 "M", WINDOWS_CAP_MIN >> 20);
	if (windows_lock(w, file, e) != 1 || windows_open_file(w, e) != 1)
		return -1;
	w->chunks_most = windows_room(w) / WINDOWS_CHUNK;
	if (w->chunks_most > UINT32_MAX / CHUNK_RECORDS)
		w->chunks_most = UINT32_MAX / CHUNK_RECORDS;
	if (windows_map(w, e) != 1)
		return -1;
	for (i = 0; i < WINDOWS_STRIPES; i++)
		(void)windows_index_room(w, &w->stripe[i], 1, 1);
	return windows_load(w, now, e);
}

struct windows *
windows_open(const char *file, uint64_t cap, uint64_t other_bytes, uint64_t now, struct err *e)
{
	size_t n = strlen(file) + sizeof("-windows");
	struct windows *w = store_alloc_lines(sizeof(*w));
	unsigned i;

	w->fd = w->lock_fd = -1;
	w->cap = cap;
	w->other_bytes = other_bytes;
	w->file = store_alloc(n);
	(void)snprintf(w->file, n, "%s-windows", file);
	atomic_store(&w->bytes, WINDOWS_HEAD + sizeof(*w) + other_bytes);
	atomic_store(&w->next_salt, store_hash_random());
	(void)pthread_mutex_init(&w->pool_lock, NULL);
	for (i = 0; i < WINDOWS_STRIPES; i++)
		(void)pthread_mutex_init(&w->stripe[i].lock, NULL);
	if (windows_open_all(w, file, now, e) != 1)
		windows_close(&w);
	return w;
}

void
windows_close(struct windows **w)
{
	unsigned i;

	if (*w == NULL)
		return;
	for (i = 0; i < WINDOWS_STRIPES; i++) {
		free((*w)->stripe[i].keys.at);
		free((*w)->stripe[i].records.at);
		(void)pthread_mutex_destroy(&(*w)->stripe[i].lock);
	}
	(void)pthread_mutex_destroy(&(*w)->pool_lock);
	if ((*w)->map != NULL)
		(void)munmap((*w)->map, (*w)->mapped);
	if ((*w)->fd >= 0)
		(void)close((*w)->fd);
	if ((*w)->lock_fd >= 0)
		(void)close((*w)->lock_fd);
	free((*w)->file);
	free(*w);
	*w = NULL;
}
