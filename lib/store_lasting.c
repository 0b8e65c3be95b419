/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * store_lasting - suspensions, overrides and what store_keep() keeps.
 *
 * Suspensions and overrides are two books of the same form: two names (kind and subject, limit and
 * key), terms, reason, span. Each is a table in SQLite, written in one transaction that is on
 * disk (synchronous=FULL) before the copy in memory changes; every question is answered from the
 * copy, under a lock that is held for a lookup only.
 *
 * What store_keep() keeps is written through a second connection without waiting for the disk
 * (synchronous=NORMAL): it survives SIGKILL, and a power failure may take the last moments.
 *
 * Deliberately without a cache of statements to be invalidated, without an own thread, and without repair:
 * a damaged file is reported, and a person decides.
 */
#include "lib/store_lasting.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/store_hash.h"
#include "lib/store_private.h"
#include "lib/str.h"

#include "lib/banned.h"

#define LASTING_APPLICATION 0x47617465	/* "Gate" in the file's head */
#define LASTING_VERSION 1
#define LASTING_BUSY_MS 2000		/* somebody looks at the file with sqlite3(1) */
#define LASTING_ENTRIES_MAX 200000u	/* per book */
#define LASTING_CEILINGS_TEXT 160	/* "4294967295/366d" four times */

/* One line of a book. The texts follow in the same allocation. */
struct lasting_entry {
	struct lasting_entry *next;
	struct store_hash hash;
	uint64_t since, until;
	bool exempt;
	struct limit_ceilings ceilings;
	const char *one, *two;		/* kind and subject, or limit and key */
	const char *action;		/* of a suspension */
	const char *reason, *by;
};

enum lasting_verb { LASTING_PUT, LASTING_DELETE, LASTING_EXPIRE, LASTING_VERBS };

struct lasting_book {
	const char *const *sql;		/* by verb */
	const char *what;		/* for messages */
	sqlite3_stmt *verbs[LASTING_VERBS];	/* db_lock */
	struct lasting_entry **buckets;	/* in_force */
	size_t n_buckets;		/* in_force; a power of 2 */
	atomic_size_t n;		/* changed under in_force */
};

struct store_lasting {
	pthread_mutex_t db_lock;	/* one writer at a time: both connections, first disk, then memory */
	sqlite3 *hard, *soft;		/* db_lock */
	sqlite3_stmt *keep, *drop;	/* db_lock */
	char *relay;
	uint64_t seed;
	pthread_rwlock_t in_force;	/* the books in memory */
	struct lasting_book suspensions, overrides;
};

static const char lasting_schema[] =
    "CREATE TABLE IF NOT EXISTS suspensions (kind TEXT NOT NULL, subject TEXT NOT NULL, action TEXT NOT NULL,"
    " reason TEXT NOT NULL, by TEXT NOT NULL, relay TEXT NOT NULL, since INTEGER NOT NULL,"
    " until INTEGER NOT NULL, PRIMARY KEY (kind, subject)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS overrides (\"limit\" TEXT NOT NULL, key TEXT NOT NULL, terms TEXT NOT NULL,"
    " reason TEXT NOT NULL, by TEXT NOT NULL, relay TEXT NOT NULL, since INTEGER NOT NULL,"
    " until INTEGER NOT NULL, PRIMARY KEY (\"limit\", key)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS kept (space TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,"
    " PRIMARY KEY (space, name)) WITHOUT ROWID;";

static const char *const lasting_suspension_sql[LASTING_VERBS] = {
	[LASTING_PUT] = "REPLACE INTO suspensions VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
	[LASTING_DELETE] = "DELETE FROM suspensions WHERE kind = ?1 AND subject = ?2",
	[LASTING_EXPIRE] = "DELETE FROM suspensions WHERE until <= ?1",
};

static const char *const lasting_override_sql[LASTING_VERBS] = {
	[LASTING_PUT] = "REPLACE INTO overrides VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
	[LASTING_DELETE] = "DELETE FROM overrides WHERE \"limit\" = ?1 AND key = ?2",
	[LASTING_EXPIRE] = "DELETE FROM overrides WHERE until <= ?1",
};

/* ---- books in memory ---- */

static struct lasting_entry **
lasting_seek(struct lasting_book *b, struct store_hash h)
{
	struct lasting_entry **at = &b->buckets[h.lo & (b->n_buckets - 1)];

	while (*at != NULL && !store_hash_same((*at)->hash, h))
		at = &(*at)->next;
	return at;
}

static void
lasting_widen(struct lasting_book *b)
{
	struct lasting_entry **old = b->buckets, *e, *next;
	size_t n = b->n_buckets, i;

	b->n_buckets = n * 2;
	b->buckets = store_alloc(b->n_buckets * sizeof(*b->buckets));
	for (i = 0; i < n; i++) {
		for (e = old[i]; e != NULL; e = next) {
			next = e->next;
			e->next = b->buckets[e->hash.lo & (b->n_buckets - 1)];
			b->buckets[e->hash.lo & (b->n_buckets - 1)] = e;
		}
	}
	free(old);
}

static void
lasting_insert(struct lasting_book *b, struct lasting_entry *take_e)
{
	struct lasting_entry **at = lasting_seek(b, take_e->hash), *old = *at;

	take_e->next = old != NULL ? old->next : NULL;
	*at = take_e;
	if (old != NULL) {
		free(old);
		return;
	}
	if (atomic_fetch_add(&b->n, 1) + 1 > b->n_buckets)
		lasting_widen(b);
}

static void
lasting_unlink(struct lasting_book *b, struct lasting_entry **at)
{
	struct lasting_entry *e = *at;

	*at = e->next;
	free(e);
	(void)atomic_fetch_sub(&b->n, 1);
}

static const char *
lasting_text(char **at, const char *from)
{
	size_t n = strlen(from) + 1;
	char *to = *at;

	memcpy(to, from, n);
	*at += n;
	return to;
}

/* The entry with copies of its texts. */
static struct lasting_entry *
lasting_copy(const struct store_lasting *l, const struct lasting_entry *from)
{
	size_t n = strlen(from->one) + strlen(from->two) + strlen(from->action) + strlen(from->reason) +
	    strlen(from->by) + 5;
	struct lasting_entry *e = store_alloc(sizeof(*e) + n);
	char *text = (char *)(e + 1);

	*e = *from;
	e->hash = store_hash_pair(l->seed, from->one, from->two);
	e->one = lasting_text(&text, from->one);
	e->two = lasting_text(&text, from->two);
	e->action = lasting_text(&text, from->action);
	e->reason = lasting_text(&text, from->reason);
	e->by = lasting_text(&text, from->by);
	return e;
}

/* ---- opening ---- */

static int
lasting_fail(sqlite3 *db, struct err *e, const char *what)
{
	return err_set(e, ERR_SYSTEM, "state file: %s: %s", what, sqlite3_errmsg(db));
}

/* SQLite would create the file with the process's umask; its -wal and -shm take the mode from it. */
static int
lasting_create(const char *file, struct err *e)
{
	int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_set(e, ERR_SYSTEM, "%s: %s", file, strerror(errno));
	(void)close(fd);
	return 1;
}

static int
lasting_connect(const char *file, const char *synchronous, sqlite3 **to, struct err *e)
{
	static const char pragmas[] =
	    "PRAGMA journal_mode = WAL; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON";
	static const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;

	if (sqlite3_open_v2(file, to, flags, NULL) != SQLITE_OK)
		return lasting_fail(*to, e, file);
	(void)sqlite3_busy_timeout(*to, LASTING_BUSY_MS);
	if (sqlite3_exec(*to, pragmas, NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_exec(*to, synchronous, NULL, NULL, NULL) != SQLITE_OK)
		return lasting_fail(*to, e, file);
	return 1;
}

static int
lasting_pragma(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *q = NULL;
	int value = -1;

	if (sqlite3_prepare_v2(db, sql, -1, &q, NULL) == SQLITE_OK && sqlite3_step(q) == SQLITE_ROW)
		value = sqlite3_column_int(q, 0);
	(void)sqlite3_finalize(q);
	return value;
}

static int
lasting_version(sqlite3 *db, const char *file, struct err *e)
{
	int application = lasting_pragma(db, "PRAGMA application_id");
	int version = lasting_pragma(db, "PRAGMA user_version");
	int tables = lasting_pragma(db, "SELECT count(*) FROM sqlite_master");

	if (tables < 0)
		return lasting_fail(db, e, file);
	if (tables > 0 && application != LASTING_APPLICATION)
		return err_set(e, ERR_INPUT, "%s: not a state file of Gatepost", file);
	if (version > LASTING_VERSION)
		return err_set(e, ERR_INPUT, "%s: written by a newer Gatepost (version %d, known is %d)",
		    file, version, LASTING_VERSION);
	return 1;
}

static int
lasting_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **to, struct err *e)
{
	if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, to, NULL) != SQLITE_OK)
		return lasting_fail(db, e, sql);
	return 1;
}

static int
lasting_prepare_all(struct store_lasting *l, struct err *e)
{
	unsigned v;

	for (v = 0; v < LASTING_VERBS; v++) {
		if (lasting_prepare(l->hard, l->suspensions.sql[v], &l->suspensions.verbs[v], e) != 1 ||
		    lasting_prepare(l->hard, l->overrides.sql[v], &l->overrides.verbs[v], e) != 1)
			return -1;
	}
	if (lasting_prepare(l->soft, "REPLACE INTO kept VALUES (?1, ?2, ?3)", &l->keep, e) != 1)
		return -1;
	return lasting_prepare(l->soft, "DELETE FROM kept WHERE space = ?1 AND name = ?2", &l->drop, e);
}

static int
lasting_schema_make(sqlite3 *db, const char *file, struct err *e)
{
	char *pragmas;
	int done;

	pragmas = sqlite3_mprintf(
	    "BEGIN IMMEDIATE; PRAGMA application_id = %d; PRAGMA user_version = %d; %s COMMIT",
	    LASTING_APPLICATION, LASTING_VERSION, lasting_schema);
	if (pragmas == NULL)
		return err_set(e, ERR_SYSTEM, "%s: out of memory", file);
	done = sqlite3_exec(db, pragmas, NULL, NULL, NULL);
	sqlite3_free(pragmas);
	if (done != SQLITE_OK) {
		(void)lasting_fail(db, e, file);
		(void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
		return -1;
	}
	return 1;
}

/* ---- reading the books ---- */

/* "500/1h 2000/1d", or "exempt". */
static void
lasting_terms_text(const struct lasting_entry *o, char *to, size_t size)
{
	struct str s = { to, 0, size, false };
	char one[48];
	size_t i;

	to[0] = '\0';
	if (o->exempt)
		str_cat(&s, "exempt");
	for (i = 0; i < o->ceilings.n; i++) {
		limit_ceiling_text(&o->ceilings.at[i], one, sizeof(one));
		str_catf(&s, "%s%s", s.len > 0 ? " " : "", one);
	}
}

static bool
lasting_terms_parse(const char *text, struct lasting_entry *to)
{
	char copy[LASTING_CEILINGS_TEXT], *word, *rest = NULL;
	struct limit_ceiling c;

	if (!str_copy(copy, sizeof(copy), text))
		return false;
	for (word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
		if (strcmp(word, "exempt") == 0)
			to->exempt = true;
		else if (limit_ceiling_parse(word, false, &c) != 1 || !limit_ceilings_add(&to->ceilings, &c))
			return false;
	}
	return to->exempt || to->ceilings.n > 0;
}

static const char *
lasting_column(sqlite3_stmt *q, int i)
{
	const unsigned char *text = sqlite3_column_text(q, i);

	return text != NULL ? (const char *)text : "";
}

/* The row is made of what people (or a hand with sqlite3(1)) wrote: checked like any input. */
static bool
lasting_row(sqlite3_stmt *q, bool suspension, struct lasting_entry *to)
{
	*to = (struct lasting_entry){ .one = lasting_column(q, 0), .two = lasting_column(q, 1),
	    .action = "", .reason = lasting_column(q, 3), .by = lasting_column(q, 4) };
	to->since = (uint64_t)sqlite3_column_int64(q, 6);
	to->until = (uint64_t)sqlite3_column_int64(q, 7);
	if (to->until == INT64_MAX)
		to->until = UINT64_MAX;
	if (*to->one == '\0' || strlen(to->one) > STORE_LIMIT_MAX || *to->two == '\0' ||
	    strlen(to->two) > STORE_KEY_MAX)
		return false;
	if (!suspension)
		return lasting_terms_parse(lasting_column(q, 2), to);
	to->action = lasting_column(q, 2);
	return *to->action != '\0';
}

static int
lasting_load(struct store_lasting *l, struct lasting_book *b, const char *sql, struct err *e)
{
	struct lasting_entry row;
	sqlite3_stmt *q = NULL;
	unsigned bad = 0;
	int step;

	b->n_buckets = 64;
	b->buckets = store_alloc(b->n_buckets * sizeof(*b->buckets));
	if (lasting_prepare(l->hard, sql, &q, e) != 1)
		return -1;
	while ((step = sqlite3_step(q)) == SQLITE_ROW) {
		if (lasting_row(q, b == &l->suspensions, &row))
			lasting_insert(b, lasting_copy(l, &row));
		else
			bad++;
	}
	(void)sqlite3_finalize(q);
	if (step != SQLITE_DONE)
		return lasting_fail(l->hard, e, b->what);
	if (bad > 0)
		log_printf(LOG_LEVEL_WARNING, "state file: %u %s cannot be read and are left out", bad,
		    b->what);
	return 1;
}

static int
lasting_open_all(struct store_lasting *l, const char *file, struct err *e)
{
	if (lasting_create(file, e) != 1 ||
	    lasting_connect(file, "PRAGMA synchronous = FULL", &l->hard, e) != 1 ||
	    lasting_version(l->hard, file, e) != 1 || lasting_schema_make(l->hard, file, e) != 1 ||
	    lasting_connect(file, "PRAGMA synchronous = NORMAL", &l->soft, e) != 1 ||
	    lasting_prepare_all(l, e) != 1 ||
	    lasting_load(l, &l->suspensions, "SELECT * FROM suspensions", e) != 1)
		return -1;
	return lasting_load(l, &l->overrides, "SELECT * FROM overrides", e);
}

struct store_lasting *
store_lasting_open(const char *file, const char *relay, struct err *e)
{
	struct store_lasting *l = store_alloc(sizeof(*l));

	(void)pthread_mutex_init(&l->db_lock, NULL);
	(void)pthread_rwlock_init(&l->in_force, NULL);
	l->seed = store_hash_random();
	l->relay = strdup(relay != NULL ? relay : "");
	if (l->relay == NULL)
		abort();
	l->suspensions.sql = lasting_suspension_sql;
	l->suspensions.what = "suspensions";
	l->overrides.sql = lasting_override_sql;
	l->overrides.what = "overrides";
	if (lasting_open_all(l, file, e) != 1)
		store_lasting_close(&l);
	return l;
}

static void
lasting_book_free(struct lasting_book *b)
{
	struct lasting_entry *e, *next;
	size_t i;

	for (i = 0; b->buckets != NULL && i < b->n_buckets; i++) {
		for (e = b->buckets[i]; e != NULL; e = next) {
			next = e->next;
			free(e);
		}
	}
	free(b->buckets);
	for (i = 0; i < LASTING_VERBS; i++)
		(void)sqlite3_finalize(b->verbs[i]);
}

void
store_lasting_close(struct store_lasting **l)
{
	if (*l == NULL)
		return;
	lasting_book_free(&(*l)->suspensions);
	lasting_book_free(&(*l)->overrides);
	(void)sqlite3_finalize((*l)->keep);
	(void)sqlite3_finalize((*l)->drop);
	(void)sqlite3_close((*l)->soft);
	(void)sqlite3_close((*l)->hard);
	(void)pthread_rwlock_destroy(&(*l)->in_force);
	(void)pthread_mutex_destroy(&(*l)->db_lock);
	free((*l)->relay);
	free(*l);
	*l = NULL;
}

/* ---- writing ---- */

/* Runs a bound statement: DONE with the number of rows changed. A write that broke off while
 * it was being made durable may be there after a restart, or not. */
static enum store_result
lasting_run(sqlite3 *db, sqlite3_stmt *q, int *changed, struct err *e)
{
	int done = sqlite3_step(q);

	if (done == SQLITE_DONE) {
		*changed = sqlite3_changes(db);
		(void)sqlite3_reset(q);
		return STORE_DONE;
	}
	(void)lasting_fail(db, e, "cannot be written");
	(void)sqlite3_reset(q);
	return (done & 0xff) == SQLITE_IOERR ? STORE_UNCERTAIN : STORE_FAILED;
}

static int
lasting_bind(sqlite3_stmt *q, int i, const char *text)
{
	return sqlite3_bind_text(q, i, text, -1, SQLITE_STATIC);
}

static int
lasting_bind_time(sqlite3_stmt *q, int i, uint64_t ms)
{
	return sqlite3_bind_int64(q, i, ms > INT64_MAX ? INT64_MAX : (sqlite3_int64)ms);
}

static enum store_result
lasting_put_disk(struct store_lasting *l, struct lasting_book *b, const struct lasting_entry *w,
    struct err *e)
{
	sqlite3_stmt *q = b->verbs[LASTING_PUT];
	char terms[LASTING_CEILINGS_TEXT];
	enum store_result result;
	int changed;

	lasting_terms_text(w, terms, sizeof(terms));
	if (lasting_bind(q, 1, w->one) != SQLITE_OK || lasting_bind(q, 2, w->two) != SQLITE_OK ||
	    lasting_bind(q, 3, b == &l->suspensions ? w->action : terms) != SQLITE_OK ||
	    lasting_bind(q, 4, w->reason) != SQLITE_OK || lasting_bind(q, 5, w->by) != SQLITE_OK ||
	    lasting_bind(q, 6, l->relay) != SQLITE_OK || lasting_bind_time(q, 7, w->since) != SQLITE_OK ||
	    lasting_bind_time(q, 8, w->until) != SQLITE_OK) {
		(void)lasting_fail(l->hard, e, "cannot be written");
		return STORE_FAILED;
	}
	result = lasting_run(l->hard, q, &changed, e);
	(void)sqlite3_clear_bindings(q);
	return result;
}

static enum store_result
lasting_put(struct store_lasting *l, struct lasting_book *b, const struct lasting_entry *w, struct err *e)
{
	struct lasting_entry *copy;
	enum store_result result;

	(void)pthread_mutex_lock(&l->db_lock);
	if (atomic_load(&b->n) >= LASTING_ENTRIES_MAX) {
		(void)pthread_mutex_unlock(&l->db_lock);
		(void)err_set(e, ERR_FULL, "there are %u %s already", LASTING_ENTRIES_MAX, b->what);
		return STORE_FAILED;
	}
	result = lasting_put_disk(l, b, w, e);
	if (result == STORE_DONE) {
		copy = lasting_copy(l, w);
		(void)pthread_rwlock_wrlock(&l->in_force);
		lasting_insert(b, copy);
		(void)pthread_rwlock_unlock(&l->in_force);
	}
	(void)pthread_mutex_unlock(&l->db_lock);
	return result;
}

static enum store_result
lasting_remove_disk(struct store_lasting *l, struct lasting_book *b, const char *one, const char *two,
    struct err *e)
{
	sqlite3_stmt *q = b->verbs[LASTING_DELETE];
	enum store_result result;
	int changed;

	if (lasting_bind(q, 1, one) != SQLITE_OK || lasting_bind(q, 2, two) != SQLITE_OK) {
		(void)lasting_fail(l->hard, e, "cannot be written");
		return STORE_FAILED;
	}
	result = lasting_run(l->hard, q, &changed, e);
	(void)sqlite3_clear_bindings(q);
	return result;
}

/* Takes the line out; one that is over already was none. */
static enum store_result
lasting_remove(struct store_lasting *l, struct lasting_book *b, const char *one, const char *two,
    uint64_t now, struct err *e)
{
	struct lasting_entry **at;
	enum store_result result;
	bool there = false;

	(void)pthread_mutex_lock(&l->db_lock);
	result = lasting_remove_disk(l, b, one, two, e);
	if (result == STORE_DONE) {
		(void)pthread_rwlock_wrlock(&l->in_force);
		at = lasting_seek(b, store_hash_pair(l->seed, one, two));
		if (*at != NULL) {
			there = (*at)->until > now;
			lasting_unlink(b, at);
		}
		(void)pthread_rwlock_unlock(&l->in_force);
	}
	(void)pthread_mutex_unlock(&l->db_lock);
	return result == STORE_DONE && !there ? STORE_REFUSED : result;
}

/* ---- expiry ---- */

static size_t
lasting_over(struct store_lasting *l, struct lasting_book *b, uint64_t now)
{
	const struct lasting_entry *e;
	size_t i, n = 0;

	if (atomic_load(&b->n) == 0)
		return 0;
	(void)pthread_rwlock_rdlock(&l->in_force);
	for (i = 0; i < b->n_buckets; i++) {
		for (e = b->buckets[i]; e != NULL; e = e->next)
			n += e->until <= now;
	}
	(void)pthread_rwlock_unlock(&l->in_force);
	return n;
}

static void
lasting_expire(struct store_lasting *l, struct lasting_book *b, uint64_t now)
{
	struct lasting_entry **at;
	int changed;
	size_t i;

	if (lasting_over(l, b, now) == 0)
		return;
	(void)pthread_mutex_lock(&l->db_lock);
	/* When the disk refuses, the lines stay, are not found, and are tried again at the next poll. */
	if (lasting_bind_time(b->verbs[LASTING_EXPIRE], 1, now) == SQLITE_OK &&
	    lasting_run(l->hard, b->verbs[LASTING_EXPIRE], &changed, NULL) == STORE_DONE) {
		(void)pthread_rwlock_wrlock(&l->in_force);
		for (i = 0; i < b->n_buckets; i++) {
			for (at = &b->buckets[i]; *at != NULL; ) {
				if ((*at)->until <= now)
					lasting_unlink(b, at);
				else
					at = &(*at)->next;
			}
		}
		(void)pthread_rwlock_unlock(&l->in_force);
	}
	(void)pthread_mutex_unlock(&l->db_lock);
}

void
store_lasting_poll(struct store_lasting *l, uint64_t now)
{
	lasting_expire(l, &l->suspensions, now);
	lasting_expire(l, &l->overrides, now);
}

/* ---- suspensions ---- */

static void
lasting_to_suspension(struct arena *a, const struct lasting_entry *e, struct store_suspension *to)
{
	*to = (struct store_suspension){
	    .kind = arena_strdup(a, e->one), .subject = arena_strdup(a, e->two),
	    .action = arena_strdup(a, e->action), .reason = arena_strdup(a, e->reason),
	    .by = arena_strdup(a, e->by), .since = e->since, .until = e->until };
}

int
store_lasting_suspended(struct store_lasting *l, const char *kind, const char *subject, uint64_t now,
    struct arena *a, struct store_suspension *to)
{
	const struct lasting_entry *e;
	struct store_hash h;
	int found = 0;

	if (atomic_load(&l->suspensions.n) == 0)
		return 0;
	h = store_hash_pair(l->seed, kind, subject);
	(void)pthread_rwlock_rdlock(&l->in_force);
	e = *lasting_seek(&l->suspensions, h);
	if (e != NULL && e->until > now) {
		lasting_to_suspension(a, e, to);
		found = 1;
	}
	(void)pthread_rwlock_unlock(&l->in_force);
	return found;
}

enum store_result
store_lasting_suspend(struct store_lasting *l, const struct store_suspension *w, struct err *e)
{
	struct lasting_entry entry = { .one = w->kind, .two = w->subject, .action = w->action,
	    .reason = w->reason, .by = w->by, .since = w->since, .until = w->until };

	return lasting_put(l, &l->suspensions, &entry, e);
}

enum store_result
store_lasting_release(struct store_lasting *l, const char *kind, const char *subject, uint64_t now,
    struct err *e)
{
	return lasting_remove(l, &l->suspensions, kind, subject, now, e);
}

/* Newest first; of the same time, by name. Both structures are compared by their own function. */
static int
lasting_order(uint64_t since_a, uint64_t since_b, const char *a, const char *b)
{
	if (since_a != since_b)
		return since_a > since_b ? -1 : 1;
	return strcmp(a, b);
}

static int
lasting_suspension_order(const void *a, const void *b)
{
	const struct store_suspension *x = a, *y = b;

	return lasting_order(x->since, y->since, x->subject, y->subject);
}

static int
lasting_override_order(const void *a, const void *b)
{
	const struct store_override *x = a, *y = b;

	return lasting_order(x->since, y->since, x->key, y->key);
}

int
store_lasting_suspensions(struct store_lasting *l, uint64_t now, struct arena *a,
    struct store_suspension **to)
{
	const struct lasting_book *b = &l->suspensions;
	const struct lasting_entry *e;
	size_t i, n = 0;

	(void)pthread_rwlock_rdlock(&l->in_force);
	*to = arena_alloc(a, atomic_load(&b->n) * sizeof(**to));
	for (i = 0; i < b->n_buckets; i++) {
		for (e = b->buckets[i]; e != NULL; e = e->next) {
			if (e->until > now)
				lasting_to_suspension(a, e, &(*to)[n++]);
		}
	}
	(void)pthread_rwlock_unlock(&l->in_force);
	if (n > 0)
		qsort(*to, n, sizeof(**to), lasting_suspension_order);
	return (int)n;
}

/* ---- overrides ---- */

enum store_result
store_lasting_raise(struct store_lasting *l, const struct store_override *w, struct err *e)
{
	struct lasting_entry entry = { .one = w->limit, .two = w->key, .action = "", .exempt = w->exempt,
	    .ceilings = w->ceilings, .reason = w->reason, .by = w->by, .since = w->since, .until = w->until };

	return lasting_put(l, &l->overrides, &entry, e);
}

enum store_result
store_lasting_lower(struct store_lasting *l, const char *limit, const char *key, uint64_t now, struct err *e)
{
	return lasting_remove(l, &l->overrides, limit, key, now, e);
}

static void
lasting_to_override(struct arena *a, const struct lasting_entry *e, struct store_override *to)
{
	*to = (struct store_override){
	    .limit = arena_strdup(a, e->one), .key = arena_strdup(a, e->two), .exempt = e->exempt,
	    .ceilings = e->ceilings, .reason = arena_strdup(a, e->reason), .by = arena_strdup(a, e->by),
	    .since = e->since, .until = e->until };
}

int
store_lasting_overrides(struct store_lasting *l, uint64_t now, struct arena *a, struct store_override **to)
{
	const struct lasting_book *b = &l->overrides;
	const struct lasting_entry *e;
	size_t i, n = 0;

	(void)pthread_rwlock_rdlock(&l->in_force);
	*to = arena_alloc(a, atomic_load(&b->n) * sizeof(**to));
	for (i = 0; i < b->n_buckets; i++) {
		for (e = b->buckets[i]; e != NULL; e = e->next) {
			if (e->until > now)
				lasting_to_override(a, e, &(*to)[n++]);
		}
	}
	(void)pthread_rwlock_unlock(&l->in_force);
	if (n > 0)
		qsort(*to, n, sizeof(**to), lasting_override_order);
	return (int)n;
}

bool
store_lasting_any_terms(struct store_lasting *l)
{
	return atomic_load(&l->overrides.n) > 0;
}

bool
store_lasting_terms(struct store_lasting *l, const char *limit, const char *key, uint64_t now,
    struct store_terms *to)
{
	struct store_hash own = store_hash_pair(l->seed, limit, key);
	struct store_hash all = store_hash_pair(l->seed, "*", key);
	const struct lasting_entry *e;

	*to = (struct store_terms){ .exempt = false };
	(void)pthread_rwlock_rdlock(&l->in_force);
	e = *lasting_seek(&l->overrides, own);
	if (e != NULL && e->until > now) {
		to->exempt = e->exempt;
		to->ceilings = e->ceilings;
	}
	e = *lasting_seek(&l->overrides, all);
	if (e != NULL && e->until > now)
		to->exempt = to->exempt || e->exempt;
	(void)pthread_rwlock_unlock(&l->in_force);
	return to->exempt || to->ceilings.n > 0;
}

/* ---- small things that last ---- */

enum store_result
store_lasting_keep(struct store_lasting *l, const char *space, const char *name, const char *value,
    struct err *e)
{
	sqlite3_stmt *q;
	enum store_result result = STORE_FAILED;
	int changed;

	(void)pthread_mutex_lock(&l->db_lock);
	q = value != NULL ? l->keep : l->drop;
	if (lasting_bind(q, 1, space) == SQLITE_OK && lasting_bind(q, 2, name) == SQLITE_OK &&
	    (value == NULL || lasting_bind(q, 3, value) == SQLITE_OK))
		result = lasting_run(l->soft, q, &changed, e);
	else
		(void)lasting_fail(l->soft, e, "cannot be written");
	(void)sqlite3_clear_bindings(q);
	(void)pthread_mutex_unlock(&l->db_lock);
	return result;
}

/* Reads a space into the arena as name, value, name, value...; how many pairs. */
static int
lasting_kept_read(struct store_lasting *l, const char *space, struct arena *a, const char ***to,
    struct err *e)
{
	static const char sql[] = "SELECT name, value FROM kept WHERE space = ?1 ORDER BY name";
	sqlite3_stmt *q = NULL;
	const char **list = NULL;
	size_t n = 0, room = 0;
	int step = SQLITE_ERROR;

	if (lasting_prepare(l->soft, sql, &q, e) != 1)
		return -1;
	(void)lasting_bind(q, 1, space);
	while ((step = sqlite3_step(q)) == SQLITE_ROW) {
		if (n + 2 > room) {
			const char **more = arena_alloc(a, (room * 2 + 64) * sizeof(*more));

			if (n > 0)
				memcpy(more, list, n * sizeof(*more));
			list = more;
			room = room * 2 + 64;
		}
		list[n++] = arena_strdup(a, lasting_column(q, 0));
		list[n++] = arena_strdup(a, lasting_column(q, 1));
	}
	(void)sqlite3_finalize(q);
	*to = list;
	return step == SQLITE_DONE ? (int)(n / 2) : lasting_fail(l->soft, e, "cannot be read");
}

int
store_lasting_kept(struct store_lasting *l, const char *space,
    void (*each)(void *, const char *, const char *), void *cookie, struct err *e)
{
	struct arena *a = arena_new(ARENA_DEFAULT_CAP);
	const char **list = NULL;
	int n, i;

	(void)pthread_mutex_lock(&l->db_lock);
	n = lasting_kept_read(l, space, a, &list, e);
	(void)pthread_mutex_unlock(&l->db_lock);
	for (i = 0; list != NULL && i < n; i++)
		each(cookie, list[2 * i], list[2 * i + 1]);
	arena_free(&a);
	return n < 0 ? -1 : n;
}

void
store_lasting_numbers(struct store_lasting *l, uint64_t *suspensions, uint64_t *overrides)
{
	*suspensions = atomic_load(&l->suspensions.n);
	*overrides = atomic_load(&l->overrides.n);
}
