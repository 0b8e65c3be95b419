/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * trace_memory - remembers who sent which message: records in a buffer, a thread that appends them to
 * segment files, and a search through these.
 *
 * A database would find a Message-ID in no time, and cost every message what the whole judgement costs
 * (SQLite with two indexes: 8 us of CPU an insert, batched; more once the indexes leave the cache). Messages
 * come by the million and questions by the dozen, so here the question pays.
 *
 * A record stands in the byte order of the machine, with its size and a check sum in front: after a crash
 * the last segment is cut behind its last whole record. A segment that is damaged in the middle is read up to
 * there. Deliberately without compression, without an index, and without fsync.
 */
#include "lib/trace_memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <xxhash.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/str.h"

#include "lib/banned.h"

#define MAGIC "GPtrace1"
#define ORDER UINT32_C(0x01020304)	/* the machine's byte order */
#define BUFFER ((size_t)1 << 20)	/* two of them: what the disk may be behind */
#define WRITE_MS 250u			/* how often the buffer is written */
#define TIDY_MS 60000u			/* how often old segments are looked for */
#define PARTS 16u			/* segments that the size is divided into */
#define SEGMENT_LEAST ((uint64_t)64 << 10)
#define SEGMENT_MOST ((uint64_t)64 << 20)
#define DIGITS 8u			/* of a segment's number */
#define CHUNK ((size_t)256 << 10)	/* read at once */

/* The texts of a record, in this order, each with its NUL. */
static const struct {
	size_t offset;
	size_t most;
} texts[] = {
	{ offsetof(struct trace_memory_entry, message_id), 250 },
	{ offsetof(struct trace_memory_entry, queue_id), 64 },
	{ offsetof(struct trace_memory_entry, customer), 128 },
	{ offsetof(struct trace_memory_entry, account), 260 },
	{ offsetof(struct trace_memory_entry, client), 46 },
	{ offsetof(struct trace_memory_entry, submitter), 46 },
	{ offsetof(struct trace_memory_entry, quality), 16 },
	{ offsetof(struct trace_memory_entry, return_path), 320 },
	{ offsetof(struct trace_memory_entry, action), 16 },
};
#define TEXTS (sizeof(texts) / sizeof(texts[0]))
#define TEXTS_MOST 1160u

struct record {
	uint32_t size;			/* of the whole record, a multiple of 8 */
	uint32_t check;			/* of all that follows */
	uint64_t when;
	uint64_t message, queue;	/* hashes of the ids; 0 = none */
	uint32_t recipients, port;
	char texts[TEXTS_MOST];
};
#define RECORD_HEAD offsetof(struct record, texts)

struct segment_head {
	char magic[8];
	uint32_t order, bytes;		/* bytes: of this head */
	char relay[64];
};

struct segment { uint64_t number, bytes; };

struct buffer { char *data; size_t n, records; };

struct trace_memory {
	char *prefix;			/* "/var/lib/gatepost/state.db-trace-" */
	char relay[64];
	atomic_uint_fast64_t size, keep;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake, flushed;	/* on CLOCK_MONOTONIC */
	struct buffer filling;		/* lock */
	bool stop;			/* lock */
	uint64_t flush_asked, flush_done;	/* lock */

	/* only the thread, once it runs */
	struct buffer writing;
	int fd;				/* of the last segment; -1 = none is open */
	struct segment *segments;	/* oldest first */
	size_t n_segments, space;
	uint64_t began;			/* when what the last segment begins with was written; 0 = it is empty */
	uint64_t tidied;
	bool failing;			/* the last write failed, which was said */

	atomic_uint_fast64_t written, dropped, bytes;
};

/* ---- records ------------------------------------------------------------------------------ */

/* What is between the angle brackets, or the whole without blanks around it. */
static const char *
bare_id(const char *text, size_t *n)
{
	const char *open, *end;

	*n = 0;
	if (text == NULL)
		return "";
	open = strchr(text, '<');
	end = open == NULL ? NULL : strchr(open, '>');
	if (end != NULL) {
		*n = (size_t)(end - open) - 1;
		return open + 1;
	}
	while (*text == ' ' || *text == '\t' || *text == '\r' || *text == '\n')
		text++;
	*n = strlen(text);
	while (*n > 0 && strchr(" \t\r\n", text[*n - 1]) != NULL)
		(*n)--;
	return text;
}

/* What is kept of an id, and so what is compared. */
static const char *
kept_id(const char *text, size_t most, size_t *n)
{
	text = bare_id(text, n);
	if (*n > most)
		*n = most;
	return text;
}

static uint64_t
id_hash(const char *text, size_t most)
{
	size_t n;
	uint64_t hash;

	text = kept_id(text, most, &n);
	hash = n == 0 ? 0 : XXH3_64bits(text, n);
	return n > 0 && hash == 0 ? 1 : hash;
}

static uint32_t
record_check(const struct record *r)
{
	return (uint32_t)XXH3_64bits(&r->when, r->size - offsetof(struct record, when));
}

static const char **
text_of(struct trace_memory_entry *v, size_t n)
{
	return (const char **)(void *)((char *)v + texts[n].offset);
}

static void
record_make(const struct trace_memory_entry *from, struct record *r)
{
	struct trace_memory_entry v = *from;
	const char *text;
	size_t i, n;
	char *to;

	r->when = v.when;
	r->message = id_hash(v.message_id, texts[0].most);
	r->queue = id_hash(v.queue_id, texts[1].most);
	r->recipients = v.recipients;
	r->port = v.port;
	to = r->texts;
	for (i = 0; i < TEXTS; i++) {
		text = *text_of(&v, i);
		if (i < 2)
			text = kept_id(text, texts[i].most, &n);
		else
			n = text == NULL ? 0 : strnlen(text, texts[i].most);
		if (n > 0)
			memcpy(to, text, n);
		to[n] = '\0';
		to += n + 1;
	}
	while ((to - (char *)r) % 8 != 0)
		*to++ = '\0';
	r->size = (uint32_t)(to - (char *)r);
	r->check = record_check(r);
}

/* A record that begins at data, of which n bytes are there: its size, or 0 when it is none (or not whole). */
static size_t
record_at(const char *data, size_t n, struct record *r)
{
	if (n < RECORD_HEAD)
		return 0;
	memcpy(r, data, RECORD_HEAD);
	if (r->size < RECORD_HEAD + TEXTS || r->size > sizeof(*r) || r->size % 8 != 0 || r->size > n)
		return 0;
	memcpy(r->texts, data + RECORD_HEAD, r->size - RECORD_HEAD);
	return record_check(r) == r->check ? r->size : 0;
}

/* False when its texts are not as they should be. */
static bool
record_read(const struct record *r, struct arena *a, struct trace_memory_entry *to)
{
	size_t left = r->size - RECORD_HEAD, n, i;
	const char *at = r->texts;

	memset(to, 0, sizeof(*to));
	to->when = r->when;
	to->recipients = r->recipients;
	to->port = r->port;
	for (i = 0; i < TEXTS; i++) {
		n = strnlen(at, left);
		if (n == left)
			return false;
		*text_of(to, i) = arena_strndup(a, at, n);
		at += n + 1;
		left -= n + 1;
	}
	return true;
}

/* ---- the message's side ----------------------------------------------------------------------- */

void
trace_memory_put(struct trace_memory *t, const struct trace_memory_entry *v)
{
	struct record r;
	bool full, wake = false;
	size_t before;

	if (t == NULL || atomic_load_explicit(&t->size, memory_order_relaxed) == 0)
		return;
	record_make(v, &r);
	(void)pthread_mutex_lock(&t->lock);
	full = r.size > BUFFER - t->filling.n;
	if (!full) {
		before = t->filling.n;
		memcpy(t->filling.data + before, &r, r.size);
		t->filling.n += r.size;
		t->filling.records++;
		/* The thread looks by itself; it is called only when it might be late. */
		wake = before < BUFFER / 2 && t->filling.n >= BUFFER / 2;
	}
	(void)pthread_mutex_unlock(&t->lock);
	if (full)
		atomic_fetch_add_explicit(&t->dropped, 1, memory_order_relaxed);
	if (wake)
		(void)pthread_cond_signal(&t->wake);
}

/* ---- segments --------------------------------------------------------------------------------- */

static void
segment_path(const char *prefix, uint64_t number, char *to, size_t size)
{
	(void)snprintf(to, size, "%s%0*" PRIu64, prefix, (int)DIGITS, number);
}

static void
segments_add(struct trace_memory *t, uint64_t number, uint64_t bytes)
{
	if (t->n_segments == t->space) {
		t->space = t->space == 0 ? PARTS * 2 : t->space * 2;
		t->segments = realloc(t->segments, t->space * sizeof(*t->segments));
		if (t->segments == NULL)
			abort();
	}
	t->segments[t->n_segments++] = (struct segment){ number, bytes };
}

static int
compare_numbers(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The numbers of the segments there are, ascending; freed by the caller. -1 when the directory cannot be
 * read. */
static int
segments_list(const char *prefix, uint64_t **to, size_t *n, struct err *e)
{
	const char *slash = strrchr(prefix, '/'), *base = slash == NULL ? prefix : slash + 1;
	size_t base_n = strlen(base), space = 0;
	char dir[4096];
	struct dirent *d;
	DIR *open_dir;

	*to = NULL;
	*n = 0;
	(void)snprintf(dir, sizeof(dir), "%.*s", slash == NULL ? 1 : (int)(slash - prefix) + 1,
	    slash == NULL ? "." : prefix);
	if ((open_dir = opendir(dir)) == NULL)
		return err_set(e, errno == EACCES ? ERR_DENIED : ERR_SYSTEM, "%s: %s", dir, strerror(errno));
	while ((d = readdir(open_dir)) != NULL) {
		const char *digits = d->d_name + base_n;

		if (strncmp(d->d_name, base, base_n) != 0 || strlen(digits) < DIGITS ||
		    strlen(digits) > 18 || strspn(digits, "0123456789") != strlen(digits))
			continue;
		if (*n == space) {
			space = space == 0 ? 64 : space * 2;
			*to = realloc(*to, space * sizeof(**to));
			if (*to == NULL)
				abort();
		}
		(*to)[(*n)++] = strtoull(digits, NULL, 10);
	}
	(void)closedir(open_dir);
	if (*n > 0)
		qsort(*to, *n, sizeof(**to), compare_numbers);
	return 0;
}

/* Calls each() for each record of a segment, until it says false or a record is none. end_r: where the last
 * whole one ends; 0 when it is no segment of ours. -1 when it cannot be read. */
static int
segment_walk(int fd, struct segment_head *head, bool (*each)(void *cookie, const struct record *r),
    void *cookie, uint64_t *end_r, struct err *e)
{
	char *chunk = malloc(CHUNK);
	size_t have = 0, at, size;
	uint64_t offset = sizeof(*head);
	struct record r;
	ssize_t got;
	bool go = true;

	*end_r = 0;
	if (chunk == NULL)
		abort();
	got = pread(fd, head, sizeof(*head), 0);
	if (got == (ssize_t)sizeof(*head) && memcmp(head->magic, MAGIC, 8) == 0 && head->order == ORDER &&
	    head->bytes == sizeof(*head))
		*end_r = offset;
	else
		go = false;
	head->relay[sizeof(head->relay) - 1] = '\0';
	while (go && (got = pread(fd, chunk + have, CHUNK - have, (off_t)(offset + have))) > 0) {
		have += (size_t)got;
		for (at = 0; go && (size = record_at(chunk + at, have - at, &r)) > 0; at += size)
			go = each(cookie, &r);
		offset += at;
		have -= at;
		memmove(chunk, chunk + at, have);
		if (at == 0 && have >= sizeof(r))
			go = false;	/* what stands here is none */
		*end_r = offset;
	}
	free(chunk);
	return got < 0 ? err_set(e, ERR_SYSTEM, "%s", strerror(errno)) : 0;
}

static bool
keep_first(void *cookie, const struct record *r)
{
	uint64_t *began = cookie;

	if (*began == 0)
		*began = r->when;
	return true;
}

/* Goes on with the segment that was written last, behind its last whole record. */
static int
segment_resume(struct trace_memory *t, uint64_t number, struct err *e)
{
	struct segment_head head;
	char path[4200];
	uint64_t end;
	bool cut;

	segment_path(t->prefix, number, path, sizeof(path));
	t->fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
	if (t->fd < 0)
		return err_set(e, ERR_SYSTEM, "%s: %s", path, strerror(errno));
	if (segment_walk(t->fd, &head, keep_first, &t->began, &end, e) < 0)
		return -1;
	/* Cutting nothing would make it look young. */
	cut = end != t->segments[t->n_segments - 1].bytes;
	if (end == 0 || strcmp(head.relay, t->relay) != 0) {
		/* Nothing that we can go on with: the next one begins. */
		(void)close(t->fd);
		t->fd = -1;
	} else if (cut && ftruncate(t->fd, (off_t)end) < 0)
		return err_set(e, ERR_SYSTEM, "%s: %s", path, strerror(errno));
	else
		t->segments[t->n_segments - 1].bytes = end;
	return 0;
}

static int
segments_open(struct trace_memory *t, struct err *e)
{
	uint64_t *numbers;
	char path[4200];
	struct stat st;
	size_t n, i;

	if (segments_list(t->prefix, &numbers, &n, e) < 0)
		return -1;
	for (i = 0; i < n; i++) {
		segment_path(t->prefix, numbers[i], path, sizeof(path));
		segments_add(t, numbers[i], stat(path, &st) == 0 ? (uint64_t)st.st_size : 0);
	}
	free(numbers);
	return n == 0 ? 0 : segment_resume(t, t->segments[n - 1].number, e);
}

static uint64_t
segment_room(const struct trace_memory *t)
{
	uint64_t room = atomic_load(&t->size) / PARTS;

	return room < SEGMENT_LEAST ? SEGMENT_LEAST : room > SEGMENT_MOST ? SEGMENT_MOST : room;
}

static uint64_t
segments_bytes(const struct trace_memory *t)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < t->n_segments; i++)
		sum += t->segments[i].bytes;
	return sum;
}

/* True when all in it is older than keep: its file was last written that long ago. */
static bool
segment_old(const struct trace_memory *t, const char *path)
{
	uint64_t now = clock_now(), keep = atomic_load(&t->keep);
	struct stat st;

	if (stat(path, &st) < 0)
		return errno == ENOENT;
	return now > keep && (uint64_t)st.st_mtim.tv_sec * 1000 < now - keep;
}

/* On a quiet relay a segment would take years to fill, and none of it would ever be old enough to go. */
static bool
segment_stale(const struct trace_memory *t)
{
	uint64_t now = clock_now();

	return t->began != 0 && now > t->began && now - t->began > atomic_load(&t->keep) / PARTS;
}

/* Removes the oldest segments until want more bytes fit, and those whose time is over. */
static void
segments_tidy(struct trace_memory *t, uint64_t want)
{
	uint64_t size = atomic_load(&t->size);
	size_t gone = 0;
	char path[4200];

	while (gone < t->n_segments) {
		segment_path(t->prefix, t->segments[gone].number, path, sizeof(path));
		if (segments_bytes(t) + want <= size && !segment_old(t, path))
			break;
		if (gone == t->n_segments - 1 && t->fd >= 0) {
			(void)close(t->fd);
			t->fd = -1;
		}
		(void)unlink(path);
		t->segments[gone++].bytes = 0;
	}
	if (gone > 0) {
		t->n_segments -= gone;
		memmove(t->segments, t->segments + gone, t->n_segments * sizeof(*t->segments));
	}
	t->tidied = clock_mono_us();
	atomic_store(&t->bytes, segments_bytes(t));
}

/* Somebody removed the file that is being written: what would go there could never be found. */
static void
segment_check(struct trace_memory *t)
{
	struct stat st;

	if (t->fd < 0 || fstat(t->fd, &st) < 0 || st.st_nlink > 0)
		return;
	(void)close(t->fd);
	t->fd = -1;
}

static int
write_all(int fd, const char *data, size_t n)
{
	ssize_t done;

	for (; n > 0; data += done, n -= (size_t)done) {
		done = write(fd, data, n);
		if (done < 0 && errno == EINTR)
			done = 0;
		else if (done <= 0)
			return -1;
	}
	return 0;
}

static int
segment_begin(struct trace_memory *t)
{
	struct segment_head head = { .order = ORDER, .bytes = sizeof(head) };
	uint64_t number = t->n_segments == 0 ? 1 : t->segments[t->n_segments - 1].number + 1;
	char path[4200];

	if (t->fd >= 0)
		(void)close(t->fd);
	t->fd = -1;
	t->began = 0;
	segments_tidy(t, segment_room(t));
	segment_path(t->prefix, number, path, sizeof(path));
	t->fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (t->fd < 0)
		return -1;
	memcpy(head.magic, MAGIC, sizeof(head.magic));
	(void)str_copy(head.relay, sizeof(head.relay), t->relay);
	if (write_all(t->fd, (const char *)&head, sizeof(head)) < 0)
		return -1;
	segments_add(t, number, sizeof(head));
	return 0;
}

/* ---- the thread ------------------------------------------------------------------------------- */

/* How many bytes of whole records fit into room. */
static size_t
fitting(const struct buffer *b, size_t at, uint64_t room, size_t *records)
{
	size_t n = 0;
	uint32_t size;

	*records = 0;
	while (at + n < b->n) {
		memcpy(&size, b->data + at + n, sizeof(size));
		if (n + size > room)
			break;
		n += size;
		(*records)++;
	}
	return n;
}

static int
write_some(struct trace_memory *t, size_t *at)
{
	uint64_t room = segment_room(t), used;
	struct segment *s;
	size_t n, records;

	used = t->fd < 0 || segment_stale(t) ? room : t->segments[t->n_segments - 1].bytes;
	n = fitting(&t->writing, *at, used >= room ? 0 : room - used, &records);
	if (n == 0) {
		if (segment_begin(t) < 0)
			return -1;
		room -= sizeof(struct segment_head);
		n = fitting(&t->writing, *at, room, &records);
	}
	s = &t->segments[t->n_segments - 1];
	if (write_all(t->fd, t->writing.data + *at, n) < 0) {
		/* A part of it may stand there. It must not hide what comes after. */
		if (ftruncate(t->fd, (off_t)s->bytes) < 0) {
			(void)close(t->fd);
			t->fd = -1;
		}
		return -1;
	}
	if (t->began == 0)
		t->began = clock_now();
	s->bytes += n;
	*at += n;
	t->writing.records -= records;
	atomic_fetch_add(&t->written, records);
	return 0;
}

static void
write_buffer(struct trace_memory *t)
{
	size_t at = 0;
	int error = 0;

	while (at < t->writing.n && error == 0)
		if (write_some(t, &at) < 0)
			error = errno == 0 ? EIO : errno;
	if (error != 0 && !t->failing)
		log_printf(LOG_LEVEL_ERROR, "%s...: %s: messages are let through and not remembered",
		    t->prefix, strerror(error));
	else if (error == 0 && t->failing && t->writing.n > 0)
		log_printf(LOG_LEVEL_NOTICE, "%s...: can be written again", t->prefix);
	if (t->writing.n > 0)
		t->failing = error != 0;
	atomic_fetch_add(&t->dropped, t->writing.records);
	t->writing.n = t->writing.records = 0;
	atomic_store(&t->bytes, segments_bytes(t));
}

static struct timespec
real_deadline(uint64_t ms)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	now.tv_sec += (time_t)(ms / 1000);
	now.tv_nsec += (long)(ms % 1000) * 1000000;
	if (now.tv_nsec >= 1000000000) {
		now.tv_sec++;
		now.tv_nsec -= 1000000000;
	}
	return now;
}

/* lock is held. */
static void
wait_for_work(struct trace_memory *t)
{
	struct timespec until = real_deadline(WRITE_MS);

	if (t->stop || t->flush_asked != t->flush_done || t->filling.n >= BUFFER / 2)
		return;
	if (atomic_load(&t->size) == 0 && t->filling.n == 0 && t->n_segments == 0)
		(void)pthread_cond_wait(&t->wake, &t->lock);
	else
		(void)pthread_cond_timedwait(&t->wake, &t->lock, &until);
}

static void
one_round(struct trace_memory *t)
{
	struct buffer full = t->filling;
	uint64_t asked = t->flush_asked;

	t->filling = t->writing;
	t->writing = full;
	(void)pthread_mutex_unlock(&t->lock);
	write_buffer(t);
	if (clock_mono_us() - t->tidied > (uint64_t)TIDY_MS * 1000 ||
	    (atomic_load(&t->size) == 0 && t->n_segments > 0)) {
		segment_check(t);
		segments_tidy(t, 0);
	}
	(void)pthread_mutex_lock(&t->lock);
	if (t->flush_done != asked) {
		t->flush_done = asked;
		(void)pthread_cond_broadcast(&t->flushed);
	}
}

static void *
writer(void *arg)
{
	struct trace_memory *t = arg;

	(void)pthread_mutex_lock(&t->lock);
	while (!t->stop || t->filling.n > 0) {
		wait_for_work(t);
		one_round(t);
	}
	(void)pthread_mutex_unlock(&t->lock);
	return NULL;
}

/* ---- opening and closing ---------------------------------------------------------------------- */

static char *
make_prefix(const char *file)
{
	size_t size = strlen(file) + sizeof("-trace-");
	char *prefix = malloc(size);

	if (prefix == NULL)
		abort();
	(void)snprintf(prefix, size, "%s-trace-", file);
	return prefix;
}

static void
memory_free(struct trace_memory *t)
{
	if (t->fd >= 0)
		(void)close(t->fd);
	(void)pthread_cond_destroy(&t->wake);
	(void)pthread_cond_destroy(&t->flushed);
	(void)pthread_mutex_destroy(&t->lock);
	free(t->filling.data);
	free(t->writing.data);
	free(t->segments);
	free(t->prefix);
	free(t);
}

static struct trace_memory *
memory_new(const char *file, const char *relay, uint64_t size, uint64_t keep)
{
	struct trace_memory *t = calloc(1, sizeof(*t));
	pthread_condattr_t monotonic;

	if (t == NULL || (t->filling.data = malloc(BUFFER)) == NULL ||
	    (t->writing.data = malloc(BUFFER)) == NULL)
		abort();
	t->prefix = make_prefix(file);
	(void)str_copy(t->relay, sizeof(t->relay), relay);
	t->fd = -1;
	atomic_init(&t->size, size);
	atomic_init(&t->keep, keep);
	(void)pthread_condattr_init(&monotonic);
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&t->wake, &monotonic);
	(void)pthread_cond_init(&t->flushed, &monotonic);
	(void)pthread_condattr_destroy(&monotonic);
	(void)pthread_mutex_init(&t->lock, NULL);
	return t;
}

static int
start(struct trace_memory *t)
{
	sigset_t all, old;
	int r;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&t->thread, NULL, writer, t);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	return r;
}

struct trace_memory *
trace_memory_open(const char *file, const char *relay, uint64_t size, uint64_t keep, struct err *e)
{
	struct trace_memory *t = memory_new(file, relay, size, keep);
	int r;

	if (segments_open(t, e) < 0) {
		memory_free(t);
		return NULL;
	}
	segments_tidy(t, 0);
	if ((r = start(t)) != 0) {
		err_set(e, ERR_SYSTEM, "no thread can be had: %s", strerror(r));
		memory_free(t);
		return NULL;
	}
	return t;
}

void
trace_memory_configure(struct trace_memory *t, uint64_t size, uint64_t keep)
{
	if (t == NULL)
		return;
	(void)pthread_mutex_lock(&t->lock);
	atomic_store(&t->size, size);
	atomic_store(&t->keep, keep);
	(void)pthread_mutex_unlock(&t->lock);
	(void)pthread_cond_signal(&t->wake);
}

int
trace_memory_flush(struct trace_memory *t, uint64_t ms)
{
	struct timespec until = real_deadline(ms);
	uint64_t mine;
	int r = 0;

	if (t == NULL)
		return 1;
	(void)pthread_mutex_lock(&t->lock);
	mine = ++t->flush_asked;
	(void)pthread_cond_signal(&t->wake);
	while (t->flush_done < mine && r == 0)
		r = pthread_cond_timedwait(&t->flushed, &t->lock, &until);
	r = t->flush_done >= mine;
	(void)pthread_mutex_unlock(&t->lock);
	return r;
}

void
trace_memory_close(struct trace_memory **t)
{
	if (*t == NULL)
		return;
	(void)pthread_mutex_lock(&(*t)->lock);
	(*t)->stop = true;
	(void)pthread_cond_signal(&(*t)->wake);
	(void)pthread_mutex_unlock(&(*t)->lock);
	(void)pthread_join((*t)->thread, NULL);
	memory_free(*t);
	*t = NULL;
}

void
trace_memory_numbers(struct trace_memory *t, struct trace_memory_numbers *to)
{
	memset(to, 0, sizeof(*to));
	if (t == NULL)
		return;
	to->written = atomic_load(&t->written);
	to->dropped = atomic_load(&t->dropped);
	to->bytes = atomic_load(&t->bytes);
}

/* ---- searching -------------------------------------------------------------------------------- */

struct search {
	const struct trace_memory_question *q;
	struct arena *arena;
	uint64_t message, queue;		/* hashes; 0 = whatever */
	const char *message_text, *queue_text;
	size_t message_n, queue_n;
	const char *relay;			/* of the segment */
	struct trace_memory_entry *found;	/* a ring of q->most: the last ones of this segment */
	size_t n;				/* in all */
	unsigned looked;
	bool late;
};

static bool
same_text(const char *text, const char *want, size_t n)
{
	return strlen(text) == n && memcmp(text, want, n) == 0;
}

static bool
search_record(void *cookie, const struct record *r)
{
	struct search *s = cookie;
	struct trace_memory_entry v;

	if (++s->looked % 1024 == 0 && s->q->deadline != UINT64_MAX && clock_left(s->q->deadline) == 0) {
		s->late = true;
		return false;
	}
	if ((s->message != 0 && r->message != s->message) || (s->queue != 0 && r->queue != s->queue) ||
	    r->when < s->q->since || !record_read(r, s->arena, &v) ||
	    (s->message != 0 && !same_text(v.message_id, s->message_text, s->message_n)) ||
	    (s->queue != 0 && !same_text(v.queue_id, s->queue_text, s->queue_n)))
		return true;
	s->found[s->n++ % s->q->most] = v;
	return true;
}

/* Adds what the segment holds, newest first. */
static int
search_segment(struct search *s, const char *path, struct trace_memory_entry *to, size_t *n, struct err *e)
{
	struct segment_head head;
	uint64_t end;
	size_t k;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), r;

	if (fd < 0)
		return errno == ENOENT ? 0 : err_set(e, errno == EACCES ? ERR_DENIED : ERR_SYSTEM, "%s: %s",
		    path, strerror(errno));
	s->n = 0;
	r = segment_walk(fd, &head, search_record, s, &end, e);
	(void)close(fd);
	if (s->n > 0)
		s->relay = arena_strdup(s->arena, head.relay);
	for (k = s->n; k > 0 && s->n - k < s->q->most && *n < s->q->most; (*n)++) {
		to[*n] = s->found[--k % s->q->most];
		to[*n].relay = s->relay;
	}
	if (s->late)
		return err_set(e, ERR_TIMEOUT, "the search takes too long");
	return r;
}

int
trace_memory_find(const struct trace_memory_question *q, struct arena *a, struct trace_memory_entry **to,
    struct err *e)
{
	struct search s = { .q = q, .arena = a, .message = id_hash(q->message_id, texts[0].most),
	    .queue = id_hash(q->queue_id, texts[1].most) };
	char *prefix, path[4200];
	uint64_t *numbers;
	size_t n_numbers, n = 0;
	int r;

	*to = arena_alloc(a, q->most * sizeof(**to));
	if (q->most == 0 || (s.message == 0 && s.queue == 0))
		return 0;
	s.message_text = kept_id(q->message_id, texts[0].most, &s.message_n);
	s.queue_text = kept_id(q->queue_id, texts[1].most, &s.queue_n);
	s.found = arena_alloc(a, q->most * sizeof(*s.found));
	prefix = make_prefix(q->file);
	r = segments_list(prefix, &numbers, &n_numbers, e);
	while (r == 0 && n_numbers > 0 && n < q->most) {
		segment_path(prefix, numbers[--n_numbers], path, sizeof(path));
		r = search_segment(&s, path, *to, &n, e);
	}
	free(numbers);
	free(prefix);
	return r < 0 ? -1 : (int)n;
}
