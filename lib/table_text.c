/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * table_text - what the file and cidr tables share: the file, its lines, and the
 * exchange of one good content for the next.
 *
 * A message only ever sees a whole, checked content. A changed file is loaded
 * aside by the maintenance thread; lookups go on in the old content and are held
 * up for no longer than the exchange of one pointer. A file with one bad line is
 * not taken at all: half a table of customers refuses the other half's mail.
 *
 * It deliberately does not watch the file through inotify (symbolic links, network
 * file systems and a directory mounted later all get past that), and it does not
 * know what keys mean.
 */
#include "lib/table_text.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/str.h"

#include "lib/banned.h"

#define LINE_MAX_BYTES 4096u		/* of a line, and of lines joined by continuation */
#define FILE_MAX_BYTES ((uint64_t)1 << 30)	/* keeps every offset in 32 bits */
#define CHUNK_BYTES ((size_t)64 << 10)

/* What tells one state of the file from the next. Wrong is an errno when it could not be seen. */
struct file_state {
	dev_t device;
	ino_t inode;
	mode_t mode;
	uid_t owner;
	off_t size;
	struct timespec changed;	/* mtime */
	struct timespec touched;	/* ctime: also moves with chmod, rename and a restored mtime */
	int wrong;
};

struct table_text {
	const struct table_text_kind *kind;
	char *path;

	pthread_rwlock_t content_lock;
	void *content;			/* under content_lock */

	/* Of the thread that polls alone. */
	struct file_state tried;	/* what the last attempt read, good or bad */
	struct file_state seen;		/* at the last poll */
};

/* --- lines --------------------------------------------------------------- */

struct reader {
	int fd;
	char *chunk;
	size_t at, filled;
	uint64_t total;
	unsigned line;		/* number of the line last read */
	int wrong;		/* errno, EFBIG for too large */
};

struct line {
	char text[LINE_MAX_BYTES + 1];	/* without line end and blanks before it */
	size_t len;
	bool cut;		/* it was longer than this */
};

static bool
line_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
reader_fill(struct reader *r)
{
	ssize_t n;

	do {
		n = read(r->fd, r->chunk, CHUNK_BYTES);
	} while (n == -1 && errno == EINTR);
	r->at = 0;
	r->filled = n > 0 ? (size_t)n : 0;
	r->total += r->filled;
	if (n == -1)
		r->wrong = errno;
	/* It was small enough when opened, but may still be growing. */
	else if (r->total > FILE_MAX_BYTES)
		r->wrong = EFBIG;
	return n > 0 && r->wrong == 0;
}

static void
line_append(struct line *line, const char *text, size_t n)
{
	if (n > LINE_MAX_BYTES - line->len) {
		n = LINE_MAX_BYTES - line->len;
		line->cut = true;
	}
	memcpy(line->text + line->len, text, n);
	line->len += n;
}

static void
line_trim(struct line *line)
{
	/* A '\r' before the line end: files that a control panel wrote elsewhere. */
	while (line->len > 0 && (line_blank(line->text[line->len - 1]) || line->text[line->len - 1] == '\r'))
		line->len--;
	line->text[line->len] = '\0';
}

/* Reads up to the next line end. Returns 1, or 0 at the end or when r->wrong is set. */
static int
reader_line(struct reader *r, struct line *line)
{
	const char *from, *end;
	bool any = false;

	line->len = 0;
	line->cut = false;
	for (;;) {
		if (r->at == r->filled && !reader_fill(r))
			break;
		any = true;
		from = r->chunk + r->at;
		end = memchr(from, '\n', r->filled - r->at);
		if (end != NULL) {
			line_append(line, from, (size_t)(end - from));
			r->at += (size_t)(end - from) + 1;
			break;
		}
		line_append(line, from, r->filled - r->at);
		r->at = r->filled;
	}
	if (!any || r->wrong != 0)
		return 0;
	r->line++;
	line_trim(line);
	return 1;
}

/* --- entries ------------------------------------------------------------- */

struct loader {
	const struct table_text_kind *kind;
	const char *file;
	void *content;
	struct table_errors *errors;
	unsigned entries;

	/* The entry that following lines may continue. */
	char text[LINE_MAX_BYTES + 1];
	size_t len;		/* 0: there is none */
	unsigned line;		/* where it began */
	bool bad;		/* an error was said: it is not added */
};

/* What no line may hold: a value ends up in headers and log lines. NULL when it is clean. */
static const char *
line_fault(const struct line *line)
{
	size_t i;
	unsigned char c;

	if (line->cut)
		return "the line is longer than 4096 bytes";
	for (i = 0; i < line->len; i++) {
		c = (unsigned char)line->text[i];
		if (c == '\0')
			return "the line holds a NUL byte";
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return "the line holds a control character";
		/* U+0080 to U+009F: control characters of terminals too. */
		if (c == 0xc2 && (unsigned char)line->text[i + 1] < 0xa0)
			return "the line holds a control character (U+0080 to U+009F) or is not UTF-8";
	}
	return str_utf8(line->text, line->len) ? NULL : "the line is not UTF-8";
}

static const char *
key_fault(const char *key, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if ((unsigned char)key[i] >= 0x80)
			return "keys are ASCII: write an international domain as its A-labels (xn--...)";
	return len > TABLE_KEY_MAX ? "the key is longer than 320 bytes" : NULL;
}

/* The entry is complete: takes it apart and hands it to the kind. */
static void
loader_flush(struct loader *l)
{
	struct table_entry entry = { .key = l->text, .file = l->file, .line = l->line };
	size_t key_len = strcspn(l->text, " ");
	const char *value = l->text + key_len + strspn(l->text + key_len, " "), *fault;
	bool skip = l->len == 0 || l->bad;

	l->len = 0;
	if (skip)
		return;
	fault = key_fault(l->text, key_len);
	if (fault == NULL && *value == '\0')
		fault = "there is no value behind the key";
	if (fault == NULL && strlen(value) > TABLE_VALUE_MAX)
		fault = "the value is longer than 2048 bytes";
	l->text[key_len] = '\0';
	if (fault != NULL) {
		table_error(l->errors, ERR_INPUT, l->file, l->line, "\"%.80s\": %s", l->text, fault);
		return;
	}
	str_lower(l->text);
	entry.value = value;
	l->entries++;
	l->kind->add(l->content, &entry, l->errors);
}

/* Adds one line's text to the entry. The pieces of a continued entry are joined by one blank. */
static void
loader_append(struct loader *l, const char *text, size_t len)
{
	size_t i, blank = l->len > 0 ? 1 : 0;

	if (l->bad)
		return;
	if (l->len + blank + len > LINE_MAX_BYTES) {
		table_error(l->errors, ERR_INPUT, l->file, l->line,
		    "with the lines that continue it, the entry is longer than 4096 bytes");
		l->bad = true;
		return;
	}
	if (blank == 1)
		l->text[l->len++] = ' ';
	for (i = 0; i < len; i++)
		l->text[l->len++] = text[i] == '\t' ? ' ' : text[i];
	l->text[l->len] = '\0';
}

static void
loader_line(struct loader *l, const struct line *line, unsigned number)
{
	size_t blanks = 0;
	const char *fault;
	bool continues;

	/* An editor's byte order mark is no part of the first key. */
	if (number == 1 && line->len >= 3 && memcmp(line->text, "\xef\xbb\xbf", 3) == 0)
		blanks = 3;
	continues = line_blank(line->text[blanks]);
	while (line_blank(line->text[blanks]))
		blanks++;
	/* As in Postfix, neither a comment nor an empty line ends an entry. */
	if (line->text[blanks] == '#' || blanks == line->len)
		return;

	if (!continues) {
		loader_flush(l);
		l->line = number;
		l->bad = false;
	} else if (l->len == 0 && !l->bad) {
		table_error(l->errors, ERR_INPUT, l->file, number,
		    "the line begins with a blank, but there is no entry before it to continue");
		l->bad = true;
	}
	fault = line_fault(line);
	if (fault != NULL) {
		table_error(l->errors, ERR_INPUT, l->file, number, "%s", fault);
		l->bad = true;
	}
	loader_append(l, line->text + blanks, line->len - blanks);
}

static void
loader_run(struct loader *l, struct reader *r)
{
	struct line line;

	while (reader_line(r, &line) == 1) {
		loader_line(l, &line, r->line);
		if (l->entries > TABLE_ENTRIES_MAX) {
			table_error(l->errors, ERR_FULL, l->file, r->line, "more than %u entries",
			    TABLE_ENTRIES_MAX);
			return;
		}
	}
	loader_flush(l);
	if (r->wrong == EFBIG)
		table_error(l->errors, ERR_FULL, l->file, 0, "larger than 1 GiB");
	else if (r->wrong != 0)
		table_error(l->errors, ERR_SYSTEM, l->file, 0, "cannot be read: %s", strerror(r->wrong));
}

/* --- the file ------------------------------------------------------------ */

static struct file_state
file_state_of(const struct stat *st)
{
	return (struct file_state){ st->st_dev, st->st_ino, st->st_mode, st->st_uid, st->st_size, st->st_mtim,
	    st->st_ctim, 0 };
}

static struct file_state
file_state_at(const char *path)
{
	struct stat st;

	if (stat(path, &st) == -1)
		return (struct file_state){ .wrong = errno };
	return file_state_of(&st);
}

static bool
time_same(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool
file_state_same(const struct file_state *a, const struct file_state *b)
{
	return a->wrong == b->wrong && a->device == b->device && a->inode == b->inode && a->mode == b->mode &&
	    a->owner == b->owner && a->size == b->size && time_same(&a->changed, &b->changed) &&
	    time_same(&a->touched, &b->touched);
}

/* Who can write this file decides whose mail is whose. */
static const char *
file_fault(const struct stat *st)
{
	if (S_ISDIR(st->st_mode))
		return "is a directory";
	if (!S_ISREG(st->st_mode))
		return "is not a regular file";
	if ((st->st_mode & S_IWOTH) != 0)
		return "may be written by everybody: take that right away (chmod o-w)";
	if (geteuid() != 0 && st->st_uid != 0 && st->st_uid != geteuid())
		return "belongs neither to root nor to the user gatepost runs as";
	return (uint64_t)st->st_size > FILE_MAX_BYTES ? "is larger than 1 GiB" : NULL;
}

/* Opens the file; *st is what was opened. Returns the descriptor, or -1 after an error. */
static int
file_open(const char *path, struct stat *st, struct table_errors *errors)
{
	/* O_NONBLOCK: opening a named pipe would wait for a writer for ever. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	const char *fault;

	if (fd == -1) {
		table_error(errors, ERR_SYSTEM, path, 0, "cannot be opened: %s", strerror(errno));
		return -1;
	}
	if (fstat(fd, st) == -1) {
		table_error(errors, ERR_SYSTEM, path, 0, "cannot be examined: %s", strerror(errno));
	} else if ((fault = file_fault(st)) != NULL) {
		table_error(errors, ERR_INPUT, path, 0, "%s", fault);
	} else {
		return fd;
	}
	(void)close(fd);
	return -1;
}

/* Loads the file as it is now. Returns the content or NULL after an error; *state is what was read. */
static void *
table_text_load(const struct table_text *t, struct file_state *state, struct table_errors *errors)
{
	struct loader *l;
	struct reader r = { .fd = -1 };
	struct stat st;
	void *content;

	*state = file_state_at(t->path);
	r.fd = file_open(t->path, &st, errors);
	if (r.fd == -1)
		return NULL;
	*state = file_state_of(&st);

	r.chunk = table_alloc(NULL, CHUNK_BYTES);
	l = table_alloc(NULL, sizeof(*l));
	*l = (struct loader){ .kind = t->kind, .file = t->path, .content = t->kind->new(), .errors = errors };
	loader_run(l, &r);
	t->kind->finish(l->content, t->path, errors);
	content = l->content;
	free(l);
	free(r.chunk);
	(void)close(r.fd);
	if (errors->n > 0) {
		t->kind->free(content);
		return NULL;
	}
	return content;
}

/* --- open, reread, close ------------------------------------------------- */

static void
table_text_lock_init(pthread_rwlock_t *lock)
{
	pthread_rwlockattr_t attributes;

	(void)pthread_rwlockattr_init(&attributes);
#ifdef __GLIBC__
	/* By default lookups that follow one another closely could keep the new content out for ever. */
	(void)pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
#endif
	(void)pthread_rwlock_init(lock, &attributes);
	(void)pthread_rwlockattr_destroy(&attributes);
}

void *
table_text_open(const struct table_text_kind *kind, const char *path, struct table_errors *errors)
{
	struct table_text *t;
	size_t size = strlen(path) + 1;

	if (path[0] != '/') {
		table_error(errors, ERR_INPUT, NULL, 0,
		    "table file \"%.200s\": the path must begin with \"/\"", path);
		return NULL;
	}
	t = table_alloc(NULL, sizeof(*t));
	*t = (struct table_text){ .kind = kind, .path = table_alloc(NULL, size) };
	memcpy(t->path, path, size);
	t->content = table_text_load(t, &t->tried, errors);
	t->seen = t->tried;
	if (t->content == NULL) {
		free(t->path);
		free(t);
		return NULL;
	}
	table_text_lock_init(&t->content_lock);
	return t;
}

void
table_text_close(void *self)
{
	struct table_text *t = self;

	(void)pthread_rwlock_destroy(&t->content_lock);
	t->kind->free(t->content);
	free(t->path);
	free(t);
}

int
table_text_lookup(void *self, const char *key, struct arena *a, uint64_t deadline, const char **value,
    struct err *e)
{
	struct table_text *t = self;
	char copy[TABLE_VALUE_MAX + 1];
	const char *found;

	/* Memory answers at once, so no deadline can pass and nothing can fail. */
	(void)deadline;
	(void)e;
	(void)pthread_rwlock_rdlock(&t->content_lock);
	found = t->kind->find(t->content, key);
	if (found != NULL)
		(void)str_copy(copy, sizeof(copy), found);
	(void)pthread_rwlock_unlock(&t->content_lock);
	if (found == NULL)
		return 0;
	*value = arena_strdup(a, copy);
	return 1;
}

/* Exchanges the contents. Nobody looks into the old one once the lock was held alone. */
static void
table_text_exchange(struct table_text *t, void *take_content)
{
	void *old;

	(void)pthread_rwlock_wrlock(&t->content_lock);
	old = t->content;
	t->content = take_content;
	(void)pthread_rwlock_unlock(&t->content_lock);
	t->kind->free(old);
}

/* Says that the old content stays, once for this state of the file. */
static int
table_text_keep(struct table_text *t, struct table_errors *errors)
{
	table_remark(errors, t->path,
	    "not taken (%zu error%s): the last good content, %zu entries, stays in force",
	    errors->n, errors->n == 1 ? "" : "s", table_text_entries(t));
	return -1;
}

int
table_text_poll(void *self, struct table_errors *errors)
{
	struct table_text *t = self;
	struct file_state now = file_state_at(t->path), before = t->seen;
	void *content;

	t->seen = now;
	/* Changed since the last poll: somebody may still be writing, so the next poll reads it. */
	if (file_state_same(&now, &t->tried) || !file_state_same(&now, &before))
		return 0;
	/* Opened for writing and left empty, or not yet written: no customer at all is no good guess. */
	if (now.wrong == 0 && now.size == 0 && table_text_entries(t) > 0) {
		table_error(errors, ERR_INPUT, t->path, 0,
		    "has become empty; to empty a table, leave a comment line in it");
		t->tried = now;
		return table_text_keep(t, errors);
	}
	content = table_text_load(t, &t->tried, errors);
	if (content == NULL)
		return table_text_keep(t, errors);
	now = file_state_at(t->path);
	if (!file_state_same(&now, &t->tried)) {
		/* Written to meanwhile: this may be half of the old and half of the new. */
		t->kind->free(content);
		return 0;
	}
	table_text_exchange(t, content);
	return 1;
}

size_t
table_text_entries(void *self)
{
	struct table_text *t = self;
	size_t n;

	(void)pthread_rwlock_rdlock(&t->content_lock);
	n = t->kind->entries(t->content);
	(void)pthread_rwlock_unlock(&t->content_lock);
	return n;
}

int
table_text_each(void *self, void (*each)(void *cookie, const char *key, const char *value), void *cookie,
    struct err *e)
{
	struct table_text *t = self;

	if (t->kind->each == NULL)
		return err_set(e, ERR_INPUT, "%s cannot be walked through", t->path);
	(void)pthread_rwlock_rdlock(&t->content_lock);
	t->kind->each(t->content, each, cookie);
	(void)pthread_rwlock_unlock(&t->content_lock);
	return 1;
}

size_t
table_text_bytes(void *self)
{
	struct table_text *t = self;
	size_t n;

	(void)pthread_rwlock_rdlock(&t->content_lock);
	n = t->kind->bytes(t->content);
	(void)pthread_rwlock_unlock(&t->content_lock);
	return n + sizeof(*t);
}

/* --- heap ---------------------------------------------------------------- */

uint32_t
table_heap_add(struct table_heap *heap, const char *s)
{
	size_t n = strlen(s) + 1, at = heap->len > 0 ? heap->len : 1;

	if (at + n > heap->size) {
		heap->size = (at + n) + (at + n) / 2 + 4096;
		heap->text = table_alloc(heap->text, heap->size);
	}
	heap->text[0] = '\0';
	memcpy(heap->text + at, s, n);
	heap->len = at + n;
	return (uint32_t)at;
}

void
table_heap_end(struct table_heap *heap)
{
	heap->size = heap->len;
	heap->text = table_alloc(heap->text, heap->size);
}

void
table_heap_free(struct table_heap *heap)
{
	free(heap->text);
	*heap = (struct table_heap){ .text = NULL };
}
