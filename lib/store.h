/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_STORE_H
#define LIB_STORE_H
/*
 * store - the one owner of state: windows, suspensions, overrides, retries already charged.
 *
 * For each message one call, store_judge(): every limit of the message is judged, and all of them are
 * taken or none. What the store knows without asking anyone (suspensions, keys known to be
 * over) answers store_suspended() and store_over_until() at MAIL, without waiting.
 * People's actions (suspend, raise...) last: when they return STORE_DONE they survive SIGKILL, and a power
 * failure. Counting survives SIGKILL and a restart without loss; when the machine itself crashes, what the
 * kernel had not yet written (about 30 s) is gone.
 *
 * Callable from any thread. Drivers: store_memory (embedded); proven by t/unit/test_store_contract.c.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/arena.h"
#include "lib/err.h"
#include "lib/limit.h"

struct store;

/* For "redis". */
struct store_redis_settings {
	const char *const *servers;	/* lib/redis.h: "inet:6379@host"... */
	size_t n_servers;
	const char *kind;	/* "single", "sentinel", "cluster" */
	const char *master;	/* Sentinel: name of the master */
	const char *user, *password, *sentinel_user, *sentinel_password;	/* "" = none */
	unsigned database;
	const char *prefix;	/* of all keys: "gatepost" */
	unsigned connections;	/* to each server, for messages */
	unsigned relays_least;	/* how many relays share at least; 0 = 1 */
	bool own_clock;		/* for tests: the time is clock_now(), not the server's */
};

struct store_settings {
	const char *type;	/* "memory", "redis" */
	const char *file;	/* SQLite file for what lasts; beside it FILE-windows, and FILE-lock, held.
				 * redis: FILE-local with these, for when no server answers */
	uint64_t memory;	/* bytes that windows may use, 4 MiB at least; a key of 3 windows takes 340 */
	const char *relay;	/* our name, for the record of who did what */
	const char *version;	/* ours, for the list of relays; may be NULL */
	struct store_redis_settings redis;
};

enum store_result { STORE_DONE, STORE_REFUSED, STORE_FAILED, STORE_UNCERTAIN };

/* NULL with e filled when it cannot be opened (file locked by another process, unwritable directory...). */
struct store *store_open(const struct store_settings *s, struct err *e);
/* Writes what must last and closes; *s may be NULL. */
void store_close(struct store **s);
/* Housekeeping (expired keys, expired suspensions): about once a second from one thread. */
void store_poll(struct store *s);
const char *store_types(void);		/* "memory, redis" */

/* ---- one message ---------------------------------------------------- */

enum store_kind {
	STORE_SUM,		/* amount units are added */
	STORE_DISTINCT		/* values not seen in the window are counted */
};

struct store_item {
	/* asked */
	const char *limit;	/* name of the limit, at most 32 bytes */
	const char *key;	/* whose, at most 320 bytes; never empty */
	enum store_kind kind;
	uint32_t amount;	/* STORE_SUM; 0 = only judge: refused when the ceiling is already reached */
	const char *const *values;	/* STORE_DISTINCT: n_values texts */
	size_t n_values;
	struct limit_ceilings ceilings;	/* as configured; overrides are applied by the store */
	bool soft;		/* over its ceiling it is not charged, but refuses nothing (tag, slow, hold,
				 * monitor) */
	bool always;		/* charged whatever this or another ceiling says (count = refusals); when
				 * over and not soft, it refuses the others all the same */
	/* answered */
	bool over;		/* it does not fit (or, amount 0: the ceiling is reached) */
	bool exempt;		/* an override lets it pass; it is counted all the same, so that top shows
				 * it and the end of the exemption does not begin at zero */
	bool warned;		/* this message took it past warn_at per cent of a ceiling */
	size_t tight;		/* index of the ceiling that the following speak of: the refusing one, else
				 * the fullest */
	struct limit_ceiling ceiling;	/* that ceiling, overrides applied */
	uint32_t used;		/* units in that window: before, when over; else with this message */
	uint64_t retry_at;	/* over: when it would fit (ms); UINT64_MAX = never, being larger than the
				 * ceiling */
};

struct store_request {
	struct store_item *items;
	size_t n;
	const char *message;	/* digest text of the message, or NULL: the same one is charged once an
				 * hour, at most STORE_RETRIES_MAX times free */
	unsigned warn_at;	/* per cent */
	bool dry;		/* answer what would be; take nothing, remember nothing (explain) */
	/* Asked when suspensions turn out to have changed since the caller looked at them: true = it is
	 * suspended now, and nothing is taken. From the caller's thread. May be NULL. */
	bool (*recheck)(void *cookie);
	void *cookie;
	/* answered */
	bool withdrawn;		/* recheck() said so: nothing else is answered */
	bool local;		/* the shared store did not answer: judged by this relay's share */
	bool taken;		/* not refused: all was charged (or free), but soft items that are over */
	bool repeated;		/* charged before: passes free */
};

#define STORE_RETRIES_MAX 5u
#define STORE_RETRY_TIME (3600u * 1000)

/* Judges and takes. Waits no longer than the deadline (clock_mono_us). Returns 1 (answers filled), or -1 (e
 * filled: nothing was taken, as far as is known). Items with the same limit and key must not occur twice. */
int store_judge(struct store *s, struct store_request *r, uint64_t deadline, struct err *e);

/* Until when (ms) this key of this limit is known to be full, from an earlier refusal of a STORE_SUM item
 * that was not soft, at the full ceiling; 0 = not known to be. Never waits. ceiling may be NULL.
 * Raise, exempt, lower and reset clear it; so does store_forget_over() after a change of configuration. */
uint64_t store_over_until(struct store *s, const char *limit, const char *key, struct limit_ceiling *ceiling);
void store_forget_over(struct store *s);

/* ---- suspensions ------------------------------------------------------ */

struct store_suspension {
	const char *kind;	/* "customer", "account", "domain", "client" */
	const char *subject;	/* lower case */
	const char *action;	/* "reject", "defer", "hold" */
	const char *reason;	/* for the desk */
	const char *by;		/* who did it: "uid 0", "escalation", ... */
	uint64_t since, until;	/* ms; until UINT64_MAX = until released */
};

/* Known without waiting: 1 (filled, texts in the arena) or 0. An expired one is not found. */
int store_suspended(struct store *s, const char *kind, const char *subject, struct arena *a,
    struct store_suspension *to);
enum store_result store_suspend(struct store *s, const struct store_suspension *w, struct err *e);
/* STORE_REFUSED when there was none. */
enum store_result store_release(struct store *s, const char *kind, const char *subject, struct err *e);
/* All, newest first, into the arena; returns how many, -1 on failure. */
int store_suspensions(struct store *s, struct arena *a, struct store_suspension **to, struct err *e);

/* ---- overrides -------------------------------------------------------- */

struct store_override {
	const char *limit;	/* name; "*" with exempt: every limit */
	const char *key;
	bool exempt;
	struct limit_ceilings ceilings;	/* raise: replaces the ceiling of the same length, adds none */
	const char *reason, *by;
	uint64_t since, until;	/* falls back by itself */
};

enum store_result store_raise(struct store *s, const struct store_override *w, struct err *e);
/* Takes an override back; STORE_REFUSED when there was none. */
enum store_result store_lower(struct store *s, const char *limit, const char *key, struct err *e);
int store_overrides(struct store *s, struct arena *a, struct store_override **to, struct err *e);
/* Empties the windows of limit and key; STORE_REFUSED when there were none. */
enum store_result store_reset(struct store *s, const char *limit, const char *key, struct err *e);

/* ---- looking ------------------------------------------------------------ */

struct store_usage {
	const char *limit, *key;
	size_t n;		/* windows */
	struct {
		uint64_t length;	/* ms */
		uint32_t used;
		uint32_t most;		/* the ceiling last judged against, overrides applied */
	} at[LIMIT_WINDOWS_MAX];
};
/* The keys that fill the greatest part of a ceiling, fullest first; at most n. limit NULL = all, but those with
 * a '.' in their name: these are no limits of the postmaster's. */
int store_top(struct store *s, struct arena *a, const char *limit, size_t n, struct store_usage **to,
    struct err *e);
/* One key; 1, 0 unknown (= nothing used), -1. */
int store_usage(struct store *s, struct arena *a, const char *limit, const char *key, struct store_usage *to,
    struct err *e);

struct store_numbers {
	uint64_t keys, values, digests;	/* live now */
	uint64_t bytes, bytes_most;	/* memory of windows and its cap */
	uint64_t evicted;		/* keys given up for room since start */
	uint64_t judged, taken, refused;
	uint64_t suspensions, overrides;
};
void store_numbers(struct store *s, struct store_numbers *to);

/* ---- small things that last (alert memory): name -> bytes ------------------ */

/* Survives a restart, not necessarily SIGKILL within the last second. value NULL deletes. */
enum store_result store_keep(struct store *s, const char *space, const char *name, const char *value,
    struct err *e);
/* The same of something that is counted, kept as "FIRST LAST COUNT REST" (in decimal; REST may be empty). */
struct store_tally {
	uint64_t first, last;	/* ms */
	uint64_t count;		/* in all, as far as we know */
	uint64_t more;		/* of these, what we have not told yet: relays that share add up theirs */
	const char *rest;
};
enum store_result store_tally(struct store *s, const char *space, const char *name,
    const struct store_tally *t, struct err *e);
/* Calls each() for all of a space, by name; it may call the store. Returns how many, or -1. */
int store_kept(struct store *s, const char *space,
    void (*each)(void *cookie, const char *name, const char *value), void *cookie, struct err *e);

#define STORE_NOTE 16
/* True for the first who asks within that time (ms): so one relay of many tells an incident. 1, 0 somebody
 * else did, -1. note may be NULL: what is to be known of ours (a word); on 0, what is known of the
 * holder's. */
int store_claim(struct store *s, const char *space, const char *name, uint64_t time, char note[STORE_NOTE],
    struct err *e);

/* ---- relays that share a store --------------------------------------------- */

struct store_relay {
	const char *name, *version;
	uint64_t seen;			/* ms: when it last told */
	uint64_t lag;			/* us that its last word took to the store and back */
	uint64_t degraded;		/* ms in all that it had to judge alone, since its start */
	uint64_t judged, taken, refused, local;
};
/* Those heard of within the hour, by name; 0 for a store that is not shared. */
int store_relays(struct store *s, struct arena *a, struct store_relay **to, struct err *e);

/* How the shared store is. */
struct store_health {
	bool degraded;			/* it does not answer */
	uint64_t since;			/* ms; 0 = it answers */
	char why[256];
	unsigned relays;		/* alive when last known, we among them; or the setting, if more */
	unsigned rank;			/* how many of them come before us by name: 0 speaks for all */
	char alive[512];		/* their names, each with a blank behind it; as many as fit */
	char missing[512];		/* gone without a good-bye, but for the first by name */
	bool settled;			/* it has answered for so long that who is missing is missing */
	uint64_t local;			/* messages judged alone since the start */
	uint64_t waiting;		/* of these, what is still to be folded back in */
	uint64_t folded, lost;		/* folded back; given up for want of room */
};
/* False for a store that is not shared. Never waits. */
bool store_health(struct store *s, struct store_health *to);
/* Says good-bye to the other relays, who then do not miss us. store_close() does it as well. */
void store_leave(struct store *s);

#endif
