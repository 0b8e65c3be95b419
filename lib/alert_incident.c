/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * alert_incident - which events belong together, and which of them are worth
 * another alert.
 *
 * An incident is one (kind, limit, subject) from its first event until it has
 * been quiet. Found by key and by id through balanced trees (no hash that a sender could
 * flood), and by the time at which something is due through a heap. One lock, held for
 * a few comparisons; only alert_incidents_name meets it from a message's thread.
 *
 * Bounded: of ALERT_INCIDENTS_MOST, the one that is quiet and nearest its end makes room; when all
 * are busy, further events share one incident, alert.overflow.
 *
 * Relays that share a store give an incident the same name without asking each other: it follows from what
 * the incident is about and from the day. What is left (midnight, a name taken already) the first to tell
 * decides, see alert_incidents_rename.
 *
 * It deliberately tells nobody and writes nowhere: alert.c does.
 */
#include "lib/alert_private.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <xxhash.h>

#include "lib/banned.h"

#define ALERT_KEY 400		/* room for kind, limit and subject */
#define ALERT_SUBJECT_MOST 320
#define ALERT_QUIET 60000u	/* ms without an event after which an incident may be given up for room */
#define ALERT_LOOK 31		/* incidents looked at for room */
#define ALERT_RANDOM 128	/* random bytes fetched at once */
#define ALERT_KEEP_VERSION 1
#define ALERT_DAY UINT64_C(86400000)
#define ALERT_SHARED_DIGITS 6	/* of a name that relays share: 30 bits */

struct incident {
	const char *key;		/* into text */
	char id[ALERT_ID];
	size_t at;			/* place in the heap */
	uint64_t due;
	uint64_t first, last, told;	/* told 0: never */
	uint64_t retry_at;
	uint64_t count, suppressed;	/* suppressed: since told */
	bool exceeded;			/* limit.exceeded was seen, not only limit.warning */
	bool shared;			/* alert.overflow */
	bool changed;			/* in the list of those to be kept */
	bool kept;			/* the store knows it */
	bool gone;			/* out of trees and heap; freed when the store has forgotten it */
	struct incident *next_changed;
	struct alert_item *latest;	/* freed by the alert thread only; NULL before the first event */
	char text[];
};

struct alert_incidents {
	pthread_mutex_t lock;		/* everything below */
	uint64_t repeat;
	void *by_key, *by_id;
	struct incident **heap;
	size_t n, room;
	struct incident *changed, **changed_tail;
	unsigned char random[ALERT_RANDOM];
	size_t random_left;
	bool by_content;		/* names follow from what it is about; never changes once in use */
};

/* Crockford: none is read as another. */
static const char alert_digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

void *
alert_alloc(size_t n)
{
	void *p = malloc(n);

	if (p == NULL)
		abort();
	return p;
}

/* ---- the heap ---------------------------------------------------------- */

static void
heap_place(struct alert_incidents *t, size_t at, struct incident *i)
{
	t->heap[at] = i;
	i->at = at;
}

/* Moves i from place at to where its due time belongs. */
static void
heap_settle(struct alert_incidents *t, size_t at, struct incident *i)
{
	size_t child;

	for (; at > 0 && t->heap[(at - 1) / 2]->due > i->due; at = (at - 1) / 2)
		heap_place(t, at, t->heap[(at - 1) / 2]);
	for (; (child = 2 * at + 1) < t->n; at = child) {
		if (child + 1 < t->n && t->heap[child + 1]->due < t->heap[child]->due)
			child++;
		if (t->heap[child]->due >= i->due)
			break;
		heap_place(t, at, t->heap[child]);
	}
	heap_place(t, at, i);
}

static void
heap_add(struct alert_incidents *t, struct incident *i)
{
	if (t->n == t->room) {
		t->room = t->room == 0 ? 64 : 2 * t->room;
		t->heap = realloc(t->heap, t->room * sizeof(struct incident *));
		if (t->heap == NULL)
			abort();
	}
	t->n++;
	heap_settle(t, t->n - 1, i);
}

static void
heap_remove(struct alert_incidents *t, struct incident *i)
{
	struct incident *last = t->heap[--t->n];

	if (last != i)
		heap_settle(t, i->at, last);
}

/* ---- one incident ------------------------------------------------------------ */

static int
incident_compare_key(const void *a, const void *b)
{
	return strcmp(((const struct incident *)a)->key, ((const struct incident *)b)->key);
}

static int
incident_compare_id(const void *a, const void *b)
{
	return strcmp(((const struct incident *)a)->id, ((const struct incident *)b)->id);
}

static uint64_t
later(uint64_t when, uint64_t by)
{
	return by > UINT64_MAX - when ? UINT64_MAX : when + by;
}

/* When the incident is over unless something happens. */
static uint64_t
incident_end(const struct alert_incidents *t, const struct incident *i)
{
	uint64_t quiet = later(i->last, t->repeat);

	return i->retry_at > quiet ? i->retry_at : quiet;
}

static void
incident_set_due(struct alert_incidents *t, struct incident *i)
{
	i->due = i->suppressed > 0 ? later(i->told, t->repeat) : incident_end(t, i);
	heap_settle(t, i->at, i);
}

static void
incident_changed(struct alert_incidents *t, struct incident *i)
{
	if (i->changed)
		return;
	i->changed = true;
	i->next_changed = NULL;
	*t->changed_tail = i;
	t->changed_tail = &i->next_changed;
}

static void
incident_remove(struct alert_incidents *t, struct incident *i)
{
	(void)tdelete(i, &t->by_key, incident_compare_key);
	(void)tdelete(i, &t->by_id, incident_compare_id);
	heap_remove(t, i);
	i->gone = true;
	incident_changed(t, i);
}

static unsigned char
alert_random(struct alert_incidents *t)
{
	if (t->random_left == 0) {
		/* Up to 256 bytes come whole and at once, once the system has any at all. */
		if (getrandom(t->random, sizeof(t->random), 0) != (ssize_t)sizeof(t->random))
			abort();
		t->random_left = sizeof(t->random);
	}
	return t->random[--t->random_left];
}

/* The same on every relay; false when another incident here has that name. */
static bool
incident_name_by_content(struct alert_incidents *t, struct incident *i, uint64_t now)
{
	uint64_t bits = XXH3_64bits_withSeed(i->key, strlen(i->key), now / ALERT_DAY);
	size_t length, k;

	for (length = ALERT_SHARED_DIGITS; length < ALERT_ID; length++) {
		for (k = 0; k < length; k++)
			i->id[k] = alert_digits[bits >> (5 * k) & 31];
		i->id[length] = '\0';
		if (tfind(i, &t->by_id, incident_compare_id) == NULL)
			return true;
	}
	return false;
}

/* Short enough to be read out on the telephone; longer only if it has to be. */
static void
incident_name(struct alert_incidents *t, struct incident *i, uint64_t now)
{
	size_t length, k;
	unsigned tries;

	if (t->by_content && incident_name_by_content(t, i, now))
		return;
	for (tries = 0;; tries++) {
		length = tries < 8 ? 5 : tries < 16 ? 6 : 7;
		for (k = 0; k < length; k++)
			i->id[k] = alert_digits[alert_random(t) & 31];
		i->id[length] = '\0';
		if (tfind(i, &t->by_id, incident_compare_id) == NULL)
			return;
	}
}

/* With an id of its own when id is NULL. */
static struct incident *
incident_add(struct alert_incidents *t, const char *key, const char *id, uint64_t now)
{
	size_t n = strlen(key);
	struct incident *i = alert_alloc(sizeof(*i) + n + 1);

	memset(i, 0, sizeof(*i));
	memcpy(i->text, key, n + 1);
	i->key = i->text;
	i->first = i->last = now;
	if (id == NULL)
		incident_name(t, i, now);
	else
		(void)str_copy(i->id, sizeof(i->id), id);
	if (tsearch(i, &t->by_key, incident_compare_key) == NULL ||
	    tsearch(i, &t->by_id, incident_compare_id) == NULL)
		abort();
	i->due = later(now, t->repeat);
	heap_add(t, i);
	return i;
}

/* The warning and the excess of one limit are one incident. */
static void
incident_key(const char *kind, const char *limit, const char *subject, char key[ALERT_KEY])
{
	if (strcmp(kind, "limit.warning") == 0 || strcmp(kind, "limit.exceeded") == 0)
		kind = "limit";
	/* kind and limit are ours and hold no such byte, so no subject can pass for another key. */
	(void)snprintf(key, ALERT_KEY, "%.32s\x1f%.32s\x1f%.*s", kind, limit == NULL ? "" : limit,
	    ALERT_SUBJECT_MOST, subject == NULL ? "" : subject);
}

static struct incident *
incident_lookup(struct alert_incidents *t, const char *key)
{
	struct incident probe = { .key = key };
	struct incident **found = tfind(&probe, &t->by_key, incident_compare_key);

	return found == NULL ? NULL : *found;
}

static bool
incident_quiet(const struct incident *i, uint64_t now)
{
	return !i->shared && i->suppressed == 0 && (i->latest == NULL || later(i->last, ALERT_QUIET) <= now);
}

/* Gives up a quiet incident near its end: the heap begins with those. */
static bool
incidents_make_room(struct alert_incidents *t, uint64_t now)
{
	size_t n;

	if (t->n < ALERT_INCIDENTS_MOST)
		return true;
	for (n = 0; n < ALERT_LOOK && n < t->n; n++) {
		if (incident_quiet(t->heap[n], now)) {
			incident_remove(t, t->heap[n]);
			return true;
		}
	}
	return false;
}

static struct incident *
incident_find(struct alert_incidents *t, const char *kind, const char *limit, const char *subject,
    uint64_t now)
{
	struct incident *i;
	char key[ALERT_KEY];

	incident_key(kind, limit, subject, key);
	i = incident_lookup(t, key);
	if (i != NULL)
		return i;
	if (incidents_make_room(t, now))
		return incident_add(t, key, NULL, now);

	incident_key("alert.overflow", NULL, NULL, key);
	i = incident_lookup(t, key);
	if (i == NULL) {
		i = incident_add(t, key, NULL, now);
		i->shared = true;
	}
	return i;
}

static void
incident_view(const struct incident *i, uint64_t more, struct alert_view *to)
{
	memcpy(to->id, i->id, sizeof(to->id));
	to->first = i->first;
	to->count = i->count;
	to->more = more;
	to->latest = i->latest;
}

/* ---- from any thread ------------------------------------------------------------ */

struct alert_incidents *
alert_incidents_new(uint64_t repeat, struct err *e)
{
	struct alert_incidents *t = alert_alloc(sizeof(*t));

	memset(t, 0, sizeof(*t));
	if (getrandom(t->random, sizeof(t->random), 0) != (ssize_t)sizeof(t->random)) {
		(void)err_set(e, ERR_SYSTEM, "getrandom: %s", strerror(errno));
		free(t);
		return NULL;
	}
	t->random_left = sizeof(t->random);
	t->repeat = repeat;
	t->changed_tail = &t->changed;
	(void)pthread_mutex_init(&t->lock, NULL);
	return t;
}

static void
incident_free(struct incident *i)
{
	free(i->latest);
	free(i);
}

static void
incident_free_nothing(void *node)
{
	(void)node;
}

void
alert_incidents_free(struct alert_incidents **t)
{
	struct incident *i, *next;
	size_t n;

	if (*t == NULL)
		return;
	for (i = (*t)->changed; i != NULL; i = next) {
		next = i->next_changed;
		if (i->gone)
			incident_free(i);
	}
	tdestroy((*t)->by_key, incident_free_nothing);
	tdestroy((*t)->by_id, incident_free_nothing);
	for (n = 0; n < (*t)->n; n++)
		incident_free((*t)->heap[n]);
	free((*t)->heap);
	(void)pthread_mutex_destroy(&(*t)->lock);
	free(*t);
	*t = NULL;
}

void
alert_incidents_share(struct alert_incidents *t)
{
	t->by_content = true;
}

void
alert_incidents_name(struct alert_incidents *t, const char *kind, const char *limit, const char *subject,
    uint64_t now, char id[ALERT_ID])
{
	struct incident *i;

	(void)pthread_mutex_lock(&t->lock);
	i = incident_find(t, kind, limit, subject, now);
	/* It must not end between the reply that names it and its event. */
	i->last = now;
	incident_set_due(t, i);
	memcpy(id, i->id, ALERT_ID);
	(void)pthread_mutex_unlock(&t->lock);
}

void
alert_incidents_repeat(struct alert_incidents *t, uint64_t repeat)
{
	size_t n;

	(void)pthread_mutex_lock(&t->lock);
	if (t->repeat != repeat) {
		t->repeat = repeat;
		/* What has its new time sinks below those that have none yet: the top is one of these. */
		for (n = 0; n < t->n; n++)
			t->heap[n]->due = 0;
		for (n = 0; n < t->n; n++)
			incident_set_due(t, t->heap[0]);
	}
	(void)pthread_mutex_unlock(&t->lock);
}

size_t
alert_incidents_open(struct alert_incidents *t)
{
	size_t n;

	(void)pthread_mutex_lock(&t->lock);
	n = t->n;
	(void)pthread_mutex_unlock(&t->lock);
	return n;
}

/* ---- the alert thread -------------------------------------------------------------- */

bool
alert_incidents_event(struct alert_incidents *t, struct alert_item *take_item, bool always, uint64_t now,
    struct alert_view *to)
{
	const struct alert_event *v = &take_item->event;
	bool exceeded = strcmp(v->kind, "limit.exceeded") == 0, tell;
	struct incident *i;

	(void)pthread_mutex_lock(&t->lock);
	i = incident_find(t, v->kind, v->limit, take_item->subject, now);
	free(i->latest);
	i->latest = take_item;
	i->last = now;
	i->count++;
	/* UINT64_MAX: the message alone is larger than the ceiling; that says nothing of when it is over. */
	if (v->retry_at != 0 && v->retry_at != UINT64_MAX)
		i->retry_at = v->retry_at;
	tell = always || i->told == 0 || (exceeded && !i->exceeded) || now >= later(i->told, t->repeat);
	i->exceeded = i->exceeded || exceeded;
	incident_view(i, tell ? i->suppressed : 0, to);
	if (tell) {
		i->suppressed = 0;
		i->told = now;
	} else {
		i->suppressed++;
	}
	incident_set_due(t, i);
	incident_changed(t, i);
	(void)pthread_mutex_unlock(&t->lock);
	return tell;
}

void
alert_incidents_rename(struct alert_incidents *t, const char *from, const char *to)
{
	struct incident probe, **found, *i;

	(void)pthread_mutex_lock(&t->lock);
	(void)str_copy(probe.id, sizeof(probe.id), to);
	found = tfind(&probe, &t->by_id, incident_compare_id);
	if (found == NULL) {
		(void)str_copy(probe.id, sizeof(probe.id), from);
		found = tfind(&probe, &t->by_id, incident_compare_id);
		/* One that is kept is known by its name there. */
		if (found != NULL && !(*found)->kept) {
			i = *found;
			(void)tdelete(i, &t->by_id, incident_compare_id);
			(void)str_copy(i->id, sizeof(i->id), to);
			if (tsearch(i, &t->by_id, incident_compare_id) == NULL)
				abort();
		}
	}
	(void)pthread_mutex_unlock(&t->lock);
}

/* What is due for the first of the heap, if anything. */
static enum alert_due
incidents_due(struct alert_incidents *t, uint64_t now, struct alert_view *to)
{
	struct incident *i = t->heap[0];
	bool limit = strncmp(i->key, "limit\x1f", 6) == 0;

	incident_view(i, i->suppressed, to);
	/* When it is over as well, the notice of that carries the rest. */
	if (i->suppressed > 0 && !(limit && incident_end(t, i) <= now)) {
		i->suppressed = 0;
		i->told = now;
		incident_set_due(t, i);
		incident_changed(t, i);
		return ALERT_DUE_MORE;
	}
	incident_remove(t, i);
	return limit && i->latest != NULL ? ALERT_DUE_RESOLVED : ALERT_DUE_NOTHING;
}

enum alert_due
alert_incidents_due(struct alert_incidents *t, uint64_t now, struct alert_view *to)
{
	enum alert_due due = ALERT_DUE_NOTHING;

	(void)pthread_mutex_lock(&t->lock);
	while (due == ALERT_DUE_NOTHING && t->n > 0 && t->heap[0]->due <= now)
		due = incidents_due(t, now, to);
	(void)pthread_mutex_unlock(&t->lock);
	return due;
}

uint64_t
alert_incidents_next(struct alert_incidents *t)
{
	uint64_t due;

	(void)pthread_mutex_lock(&t->lock);
	due = t->n == 0 ? UINT64_MAX : t->heap[0]->due;
	(void)pthread_mutex_unlock(&t->lock);
	return due;
}

bool
alert_incidents_changed(struct alert_incidents *t)
{
	bool changed;

	(void)pthread_mutex_lock(&t->lock);
	changed = t->changed != NULL;
	(void)pthread_mutex_unlock(&t->lock);
	return changed;
}

/* ---- memory across a restart --------------------------------------------------------- */

/* Texts are separated by tabs; a tab, new line or backslash within one is written with a backslash. */
static void
kept_text(struct str *s, const char *text)
{
	static const char plain[] = "\t\n\\", coded[] = "tn\\";
	const char *p;

	str_catn(s, "\t", 1);
	for (; *text != '\0'; text++) {
		p = strchr(plain, *text);
		if (p == NULL) {
			str_catn(s, text, 1);
		} else {
			str_catn(s, "\\", 1);
			str_catn(s, coded + (p - plain), 1);
		}
	}
}

static void
incident_write(const struct incident *i, struct str *s)
{
	struct alert_event *v = &i->latest->event;
	size_t n;

	str_catf(s, "%d %d %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64,
	    ALERT_KEEP_VERSION, i->exceeded, i->first, i->last, i->told, i->retry_at, i->count,
	    i->suppressed);
	str_catf(s, " %" PRIu32 " %" PRIu32 " %" PRIu64 " %d", v->used, v->ceiling, v->window, v->monitor);
	kept_text(s, i->latest->subject);
	for (n = 0; n < ALERT_TEXTS; n++)
		kept_text(s, *alert_text_of(v, n));
}

bool
alert_incidents_unkept(struct alert_incidents *t, char id[ALERT_ID], struct str *text)
{
	struct incident *i;
	bool found = false;

	(void)pthread_mutex_lock(&t->lock);
	while (!found && (i = t->changed) != NULL) {
		t->changed = i->next_changed;
		if (t->changed == NULL)
			t->changed_tail = &t->changed;
		i->changed = false;
		found = i->kept || (!i->gone && !i->shared && i->latest != NULL);
		if (found) {
			memcpy(id, i->id, ALERT_ID);
			if (!i->gone)
				incident_write(i, text);
			i->kept = true;
		}
		if (i->gone)
			incident_free(i);
	}
	(void)pthread_mutex_unlock(&t->lock);
	return found;
}

/* Cuts the next text off *rest and decodes it in place; NULL when there is none. */
static char *
kept_next(char **rest)
{
	char *text = *rest, *from, *to;

	if (text == NULL)
		return NULL;
	*rest = strchr(text, '\t');
	if (*rest != NULL)
		*(*rest)++ = '\0';
	for (from = to = text; *from != '\0'; from++) {
		if (*from != '\\' || from[1] == '\0')
			*to++ = *from;
		else if (*++from == 't' || *from == 'n')
			*to++ = *from == 't' ? '\t' : '\n';
		else
			*to++ = *from;
	}
	*to = '\0';
	return text;
}

/* Cuts the next number off *rest, up to a blank or the end; false when there is none, or one above most. */
static bool
kept_number(const char **rest, uint64_t most, uint64_t *to)
{
	char *end;

	if (**rest < '0' || **rest > '9')	/* strtoull takes blanks and signs */
		return false;
	errno = 0;
	*to = strtoull(*rest, &end, 10);
	if (errno != 0 || *to > most || (*end != ' ' && *end != '\0'))
		return false;
	*rest = *end == ' ' ? end + 1 : end;
	return true;
}

/* The numbers at the head of a kept text; false when they are none of ours. */
static bool
kept_numbers(const char *text, struct incident *i, struct alert_event *v)
{
	uint64_t version, exceeded, used, ceiling, monitor;
	const struct {
		uint64_t most, *to;
	} numbers[] = {
		{ ALERT_KEEP_VERSION, &version }, { 1, &exceeded }, { UINT64_MAX, &i->first },
		{ UINT64_MAX, &i->last }, { UINT64_MAX, &i->told }, { UINT64_MAX, &i->retry_at },
		{ UINT64_MAX, &i->count }, { UINT64_MAX, &i->suppressed }, { UINT32_MAX, &used },
		{ UINT32_MAX, &ceiling }, { UINT64_MAX, &v->window }, { 1, &monitor },
	};
	size_t n;

	for (n = 0; n < sizeof(numbers) / sizeof(numbers[0]); n++)
		if (!kept_number(&text, numbers[n].most, numbers[n].to))
			return false;
	if (*text != '\0' || version != ALERT_KEEP_VERSION)
		return false;
	i->exceeded = exceeded != 0;
	v->used = (uint32_t)used;
	v->ceiling = (uint32_t)ceiling;
	v->monitor = monitor != 0;
	return true;
}

static bool
kept_id_ok(const char *id)
{
	size_t n = strlen(id);

	return n >= 5 && n < ALERT_ID && strspn(id, alert_digits) == n;
}

static uint64_t
not_after(uint64_t when, uint64_t now)
{
	return when > now ? now : when;
}

static void
incident_restore(struct alert_incidents *t, const char *id, const struct incident *kept,
    struct alert_item *take_item, uint64_t now)
{
	const struct alert_event *v = &take_item->event;
	struct incident probe = { .gone = false }, *i;
	char key[ALERT_KEY];

	incident_key(v->kind, v->limit, take_item->subject, key);
	(void)str_copy(probe.id, sizeof(probe.id), id);
	(void)pthread_mutex_lock(&t->lock);
	if (t->n >= ALERT_INCIDENTS_MOST || incident_lookup(t, key) != NULL ||
	    tfind(&probe, &t->by_id, incident_compare_id) != NULL) {
		(void)pthread_mutex_unlock(&t->lock);
		free(take_item);
		return;
	}
	i = incident_add(t, key, id, now);
	/* The clock may have been set back while we were away. */
	i->first = not_after(kept->first, now);
	i->last = not_after(kept->last, now);
	i->told = not_after(kept->told, now);
	i->retry_at = kept->retry_at;
	i->count = kept->count;
	i->suppressed = kept->suppressed;
	i->exceeded = kept->exceeded;
	i->kept = true;
	i->latest = take_item;
	incident_set_due(t, i);
	(void)pthread_mutex_unlock(&t->lock);
}

bool
alert_incidents_restore(struct alert_incidents *t, const char *id, const char *text, uint64_t now)
{
	struct incident kept = { .gone = false };
	struct alert_event v;
	char space[ALERT_KEEP_TEXT], *rest = space, *numbers, *subject;
	size_t n;

	memset(&v, 0, sizeof(v));
	if (!kept_id_ok(id) || !str_copy(space, sizeof(space), text))
		return false;
	numbers = kept_next(&rest);
	subject = kept_next(&rest);
	for (n = 0; n < ALERT_TEXTS; n++) {
		const char *value = kept_next(&rest);

		if (value == NULL)
			return false;
		*alert_text_of(&v, n) = value;
	}
	if (subject == NULL || rest != NULL || v.kind[0] == '\0' || !kept_numbers(numbers, &kept, &v))
		return false;
	incident_restore(t, id, &kept, alert_item_new(subject, &v), now);
	return true;
}
