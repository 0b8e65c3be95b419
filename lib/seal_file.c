/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * seal_file - the key file: reading, checking, and changing it in one step.
 *
 *     # id       state    made                  secret
 *     20261001   retired  2026-10-01T08:00:00Z  (43 characters of base64url)
 *     20261101   active   2026-11-01T08:00:00Z  ...
 *     20261125   new      2026-11-25T08:00:00Z  ...
 *
 * A file that others than its owner may read is refused, since whoever reads it can write our stamps. A
 * change is made under a lock on the folder and shows at once and whole, or not at all. No error text holds
 * a secret.
 */
#include "lib/seal_private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/date.h"
#include "lib/str.h"

#include "lib/banned.h"

#define FILE_MAX 16384		/* bytes: 64 keys and room for comments */

static const char *const states[] = { "new", "active", "retired" };

const char *
seal_state_text(enum seal_state s)
{
	return states[s];
}

/* ---- reading ------------------------------------------------------------------- */

static bool
id_ok(const char *id)
{
	size_t n = strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789");

	return n >= 1 && n <= SEAL_KEY_ID_MAX && id[n] == '\0';
}

/* Two digits below most. */
static bool
read_two(const char *text, unsigned most, unsigned *to)
{
	if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9')
		return false;
	*to = (unsigned)(text[0] - '0') * 10 + (unsigned)(text[1] - '0');
	return *to < most;
}

/* "2026-11-25T08:00:00Z" */
static bool
read_time(const char *text, uint64_t *ms)
{
	unsigned h, m, s;

	if (strlen(text) != 20 || !date_parse(text, 10, ms) || text[10] != 'T' || text[13] != ':' ||
	    text[16] != ':' || text[19] != 'Z' || !read_two(text + 11, 24, &h) || !read_two(text + 14, 60, &m) ||
	    !read_two(text + 17, 61, &s))
		return false;
	*ms += (uint64_t)(h * 3600 + m * 60 + s) * 1000;
	return true;
}

static bool
read_state(const char *text, enum seal_state *to)
{
	unsigned i;

	for (i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (strcmp(text, states[i]) == 0) {
			*to = (enum seal_state)i;
			return true;
		}
	return false;
}

static int
add_line(char *text, struct seal_lines *to, struct err *e)
{
	struct seal_line *l = &to->at[to->n];
	char *save, *word[5];
	size_t n = 0, i;

	for (word[0] = strtok_r(text, " \t\r", &save); n < 4 && word[n] != NULL;)
		word[++n] = strtok_r(NULL, " \t\r", &save);
	if (n == 0 || *word[0] == '#')
		return 0;
	if (to->n == SEAL_KEYS_MAX)
		return err_set(e, ERR_FULL, "more than %d keys; remove old ones with gatepostctl keys retire",
		    SEAL_KEYS_MAX);
	if (n != 4 || word[4] != NULL)
		return err_set(e, ERR_INPUT, "not four words: id, state, time, secret");
	if (!id_ok(word[0]))
		return err_set(e, ERR_INPUT, "the first word is no key id: 1 to %d of a-z and 0-9",
		    SEAL_KEY_ID_MAX);
	str_copy(l->id, sizeof(l->id), word[0]);
	if (!read_state(word[1], &l->state))
		return err_set(e, ERR_INPUT, "key %s: its state is none of new, active, retired", l->id);
	if (!read_time(word[2], &l->made))
		return err_set(e, ERR_INPUT, "key %s: no time such as 2026-11-25T08:00:00Z", l->id);
	if (seal_secret_read(word[3], l->secret) < 0)
		return err_set(e, ERR_INPUT, "key %s: its secret is not 43 characters of base64url", l->id);
	for (i = 0; i < to->n; i++)
		if (strcmp(to->at[i].id, l->id) == 0)
			return err_set(e, ERR_INPUT, "key %s: this id stands in the file before", l->id);
	to->n++;
	return 0;
}

static int
read_lines(const char *path, char *text, struct seal_lines *to, struct err *e)
{
	char *line = text, *end;
	unsigned n = 1, active = 0;
	size_t i;

	for (; line != NULL; line = end, n++) {
		if ((end = strchr(line, '\n')) != NULL)
			*end++ = '\0';
		if (add_line(line, to, e) < 0)
			return err_at(e, path, n);
	}
	for (i = 0; i < to->n; i++)
		active += to->at[i].state == SEAL_KEY_ACTIVE;
	if (active != 1) {
		err_set(e, ERR_INPUT, to->n == 0 ? "no key in it; make one with gatepostctl keys new" :
		    active == 0 ? "no key is active; exactly one must be" :
		    "%u keys are active; exactly one must be", active);
		return err_at(e, path, 0);
	}
	return 0;
}

/* Through a descriptor from here on: what was checked is what is read. */
static int
check_file(int fd, struct stat *st, struct err *e)
{
	if (fstat(fd, st) < 0)
		return err_set(e, ERR_SYSTEM, "%s", strerror(errno));
	if (!S_ISREG(st->st_mode))
		return err_set(e, ERR_INPUT, "not a file");
	if ((st->st_mode & 077) != 0)
		return err_set(e, ERR_DENIED, "mode %04o lets others read the keys; chmod 0400",
		    (unsigned)(st->st_mode & 07777));
	if (st->st_size > FILE_MAX)
		return err_set(e, ERR_FULL, "larger than %d bytes: no key file", FILE_MAX);
	return 0;
}

static int
slurp(const char *path, char *text, struct stat *st, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	ssize_t n = 0;
	size_t len = 0;

	if (fd < 0)
		err_set(e, ERR_SYSTEM, errno == EACCES ?
		    "%s; it must belong to the user that gatepost runs as, mode 0400" : "%s",
		    strerror(errno));
	else if (check_file(fd, st, e) == 0) {
		while (len < FILE_MAX && (n = read(fd, text + len, FILE_MAX - len)) > 0)
			len += (size_t)n;
		if (n < 0)
			err_set(e, ERR_SYSTEM, "%s", strerror(errno));
		else if (memchr(text, '\0', len) != NULL)
			err_set(e, ERR_INPUT, "holds a NUL byte: no key file");
	}
	text[len] = '\0';
	if (fd >= 0)
		close(fd);
	return e->code != ERR_NONE ? err_at(e, path, 0) : 0;
}

static int
read_all(const char *path, struct seal_lines *to, struct stat *st, struct err *caller)
{
	char text[FILE_MAX + 1];
	struct err e;
	int r;

	err_clear(&e);
	to->n = 0;
	r = slurp(path, text, st, &e) < 0 || read_lines(path, text, to, &e) < 0 ? -1 : 0;
	seal_wipe(text, sizeof(text));
	if (r < 0)
		seal_wipe(to, sizeof(*to));
	if (r < 0 && caller != NULL)
		*caller = e;
	return r;
}

int
seal_file_read(const char *path, struct seal_lines *to, struct err *e)
{
	struct stat st;

	return read_all(path, to, &st, e);
}

/* ---- writing --------------------------------------------------------------------- */

static void
put_line(struct str *s, const struct seal_line *l)
{
	const time_t at = (time_t)(l->made / 1000);
	char when[32], secret[SEAL_SECRET_TEXT];
	struct tm tm;

	gmtime_r(&at, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	seal_secret_write(l->secret, secret);
	str_catf(s, "%-16s %-8s %s %s\n", l->id, states[l->state], when, secret);
	seal_wipe(secret, sizeof(secret));
}

static int
write_fd(int fd, const char *text, size_t len)
{
	ssize_t n;

	for (; len > 0; text += n, len -= (size_t)n)
		if ((n = write(fd, text, len)) < 0)
			return -1;
	return fsync(fd);
}

static int
write_file(const char *path, const struct seal_lines *lines, uid_t uid, gid_t gid, struct err *e)
{
	char text[FILE_MAX], temporary[PATH_MAX];
	struct str s = STR_IN(text);
	size_t i;
	int fd, r = -1;

	str_cat(&s, "# Gatepost's keys: who reads this file can read and write our stamps. Change it with\n"
	    "# gatepostctl keys, then copy it to every relay and reload (gatepostctl(8)).\n"
	    "# id             state    made                 secret\n");
	for (i = 0; i < lines->n; i++)
		put_line(&s, &lines->at[i]);
	if (snprintf(temporary, sizeof(temporary), "%s.tmp", path) >= (int)sizeof(temporary) || s.cut)
		return err_set(e, ERR_FULL, "%.300s: too long", path);
	unlink(temporary);	/* of a change that was cut off: we hold the folder's lock */
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0400);
	if (fd >= 0 && (geteuid() != 0 || fchown(fd, uid, gid) == 0) && fchmod(fd, 0400) == 0 &&
	    write_fd(fd, text, s.len) == 0 && rename(temporary, path) == 0)
		r = 0;
	else {
		err_set(e, ERR_SYSTEM, "%.300s: %s", fd < 0 ? temporary : path, strerror(errno));
		if (fd >= 0)
			unlink(temporary);
	}
	if (fd >= 0)
		close(fd);
	seal_wipe(text, sizeof(text));
	return r;
}

/* Opens and locks the folder of path, so that two changes come one after the other. */
static int
lock_folder(const char *path, struct err *e)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');
	int fd;

	if (slash == NULL)
		str_copy(folder, sizeof(folder), ".");
	else if (!str_copy(folder, sizeof(folder), path))
		return err_set(e, ERR_FULL, "%.300s: too long", path);
	else
		folder[slash == path ? 1 : slash - path] = '\0';
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX) < 0) {
		err_set(e, ERR_SYSTEM, "%.300s: %s", folder, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

/* ---- the changes -------------------------------------------------------------------- */

static struct seal_line *
find_line(struct seal_lines *lines, const char *id)
{
	size_t i;

	for (i = 0; i < lines->n; i++)
		if (strcmp(lines->at[i].id, id) == 0)
			return &lines->at[i];
	return NULL;
}

/* "20261125", and "20261125b"... when it is taken. */
static int
choose_id(struct seal_lines *lines, uint64_t now, char to[SEAL_KEY_ID_MAX + 1], struct err *e)
{
	const time_t at = (time_t)(now / 1000);
	struct tm tm;
	size_t n;
	char c;

	gmtime_r(&at, &tm);
	n = strftime(to, SEAL_KEY_ID_MAX, "%Y%m%d", &tm);
	to[n + 1] = '\0';
	for (c = 'b'; find_line(lines, to) != NULL; c++) {
		if (c > 'z')
			return err_set(e, ERR_FULL, "too many keys of one day; give an id");
		to[n] = c;
	}
	return 0;
}

static int
make_key(struct seal_lines *lines, const char *id, char to_id[SEAL_KEY_ID_MAX + 1], struct err *e)
{
	struct seal_line *l = &lines->at[lines->n];
	char chosen[SEAL_KEY_ID_MAX + 1];

	if (lines->n == SEAL_KEYS_MAX)
		return err_set(e, ERR_FULL, "the file holds %d keys, the most; retire old ones first",
		    SEAL_KEYS_MAX);
	if (id == NULL && choose_id(lines, clock_now(), chosen, e) < 0)
		return -1;
	if (id == NULL)
		id = chosen;
	if (!id_ok(id))
		return err_set(e, ERR_INPUT, "\"%.40s\" is no key id: 1 to %d of a-z and 0-9", id,
		    SEAL_KEY_ID_MAX);
	if (find_line(lines, id) != NULL)
		return err_set(e, ERR_INPUT, "key %s is there already", id);
	str_copy(l->id, sizeof(l->id), id);
	/* The first key of a file seals at once: a file without an active key could not be loaded. */
	l->state = lines->n == 0 ? SEAL_KEY_ACTIVE : SEAL_KEY_NEW;
	l->made = clock_now();
	seal_random(l->secret, sizeof(l->secret));
	lines->n++;
	str_copy(to_id, SEAL_KEY_ID_MAX + 1, id);
	return 0;
}

int
seal_keys_new(const char *path, const char *id, unsigned uid, unsigned gid, char to_id[SEAL_KEY_ID_MAX + 1],
    struct err *e)
{
	struct seal_lines lines = { .n = 0 };
	struct stat st = { .st_uid = uid, .st_gid = gid };
	int lock, r;

	if (seal_ready(e) < 0 || (lock = lock_folder(path, e)) < 0)
		return -1;
	r = access(path, F_OK) < 0 && errno == ENOENT ? 0 : read_all(path, &lines, &st, e);
	if (r == 0)
		r = make_key(&lines, id, to_id, e);
	if (r == 0)
		r = write_file(path, &lines, st.st_uid, st.st_gid, e);
	seal_wipe(&lines, sizeof(lines));
	fsync(lock);	/* the renaming too */
	close(lock);
	return r;
}

/* Applies one change to a key of an existing file. */
static int
change(const char *path, const char *id, int (*apply)(struct seal_lines *, struct seal_line *, struct err *),
    struct err *e)
{
	struct seal_lines lines = { .n = 0 };
	struct seal_line *l;
	struct stat st = { 0 };
	int lock, r;

	if (seal_ready(e) < 0 || (lock = lock_folder(path, e)) < 0)
		return -1;
	r = read_all(path, &lines, &st, e);
	if (r == 0) {
		l = find_line(&lines, id);
		r = l == NULL ? err_set(e, ERR_INPUT, "there is no key \"%.40s\" in %.200s", id, path) :
		    apply(&lines, l, e);
	}
	if (r == 0)
		r = write_file(path, &lines, st.st_uid, st.st_gid, e);
	seal_wipe(&lines, sizeof(lines));
	fsync(lock);	/* the renaming too */
	close(lock);
	return r;
}

static int
activate(struct seal_lines *lines, struct seal_line *l, struct err *e)
{
	size_t i;

	if (l->state == SEAL_KEY_ACTIVE)
		return err_set(e, ERR_INPUT, "key %s is active already", l->id);
	if (l->state == SEAL_KEY_RETIRED)
		return err_set(e, ERR_INPUT, "key %s is retired and does not come back; make a new one",
		    l->id);
	for (i = 0; i < lines->n; i++)
		if (lines->at[i].state == SEAL_KEY_ACTIVE)
			lines->at[i].state = SEAL_KEY_RETIRED;
	l->state = SEAL_KEY_ACTIVE;
	return 0;
}

int
seal_keys_activate(const char *path, const char *id, struct err *e)
{
	return change(path, id, activate, e);
}

static int
retire(struct seal_lines *lines, struct seal_line *l, struct err *e)
{
	size_t at = (size_t)(l - lines->at);

	if (l->state == SEAL_KEY_ACTIVE)
		return err_set(e, ERR_INPUT, "key %s is the active one: activate another first", l->id);
	if (l->state == SEAL_KEY_NEW) {
		l->state = SEAL_KEY_RETIRED;
		return 0;
	}
	memmove(l, l + 1, (lines->n - at - 1) * sizeof(*l));
	lines->n--;
	return 0;
}

int
seal_keys_retire(const char *path, const char *id, struct err *e)
{
	return change(path, id, retire, e);
}
