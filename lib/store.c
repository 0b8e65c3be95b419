/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * store - the door to the drivers: finds the one that the settings name and checks what is
 * asked before it gets there, once for all of them.
 *
 * A request that breaks the bounds is a mistake of the caller, not of a client (keys are cut and
 * digested by limit_key.c, recipients are bounded by the session), and is answered with -1:
 * the check then does what its `unsure` says. Nothing is shortened here, since two
 * customers whose keys were cut would share a window.
 *
 * Holds no state and no locks.
 */
#include "lib/store.h"
#include "lib/store_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/str.h"

#include "lib/banned.h"

static const struct store_driver *const store_drivers[] = {
	&store_memory_driver,
	&store_redis_driver,
};

#define STORE_DRIVERS (sizeof(store_drivers) / sizeof(store_drivers[0]))

static void
store_out_of_memory(void)
{
	static const char text[] = "gatepost: out of memory\n";
	ssize_t ignored = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)ignored;
	abort();
}

void *
store_alloc(size_t n)
{
	void *p = calloc(1, n > 0 ? n : 1);

	if (p == NULL)
		store_out_of_memory();
	return p;
}

void *
store_alloc_lines(size_t n)
{
	void *p = NULL;

	if (posix_memalign(&p, 64, n) != 0)
		store_out_of_memory();
	return memset(p, 0, n);
}

/* ---- opening ---- */

const char *
store_types(void)
{
	return "memory, redis";
}

struct store *
store_open(const struct store_settings *s, struct err *e)
{
	size_t i;

	for (i = 0; i < STORE_DRIVERS; i++) {
		if (s->type != NULL && strcmp(s->type, store_drivers[i]->type) == 0)
			return store_drivers[i]->open(s, e);
	}
	(void)err_set(e, ERR_INPUT, "store.type: unknown type \"%s\"; allowed: %s",
	    s->type != NULL ? s->type : "", store_types());
	return NULL;
}

void
store_close(struct store **s)
{
	if (*s != NULL)
		(*s)->driver->close(*s);
	*s = NULL;
}

void
store_poll(struct store *s)
{
	s->driver->poll(s);
}

/* ---- checking what is asked ---- */

static int
store_check_text(const char *what, const char *text, size_t most, struct err *e)
{
	if (text == NULL || *text == '\0')
		return err_set(e, ERR_INPUT, "store: empty %s", what);
	if (strnlen(text, most + 1) > most)
		return err_set(e, ERR_INPUT, "store: %s longer than %zu bytes", what, most);
	return 1;
}

static int
store_check_key(const char *limit, const char *key, struct err *e)
{
	if (store_check_text("limit", limit, STORE_LIMIT_MAX, e) != 1)
		return -1;
	return store_check_text("key", key, STORE_KEY_MAX, e);
}

static int
store_check_ceilings(const struct limit_ceilings *c, struct err *e)
{
	size_t i, j;

	if (c->n > LIMIT_WINDOWS_MAX)
		return err_set(e, ERR_INPUT, "store: more than %d ceilings", LIMIT_WINDOWS_MAX);
	for (i = 0; i < c->n; i++) {
		if (c->at[i].length < LIMIT_LENGTH_MIN || c->at[i].length > LIMIT_LENGTH_MAX ||
		    c->at[i].length % 1000 != 0)
			return err_set(e, ERR_INPUT, "store: a window has 1 s to 366 d, in whole seconds");
		if (c->at[i].most == 0 || c->at[i].most > LIMIT_CEILING_MAX)
			return err_set(e, ERR_INPUT, "store: a ceiling has to be 1 to %u", LIMIT_CEILING_MAX);
		for (j = 0; j < i; j++) {
			if (c->at[j].length == c->at[i].length)
				return err_set(e, ERR_INPUT, "store: two ceilings for the same window");
		}
	}
	return 1;
}

static int
store_check_item(const struct store_item *i, struct err *e)
{
	size_t v;

	if (store_check_key(i->limit, i->key, e) != 1 || store_check_ceilings(&i->ceilings, e) != 1)
		return -1;
	if (i->ceilings.n == 0)
		return err_set(e, ERR_INPUT, "store: limit %s has no ceiling", i->limit);
	if (i->kind == STORE_SUM)
		return 1;
	for (v = 0; v < i->n_values; v++) {
		if (i->values[v] == NULL)
			return err_set(e, ERR_INPUT, "store: limit %s: a value is missing", i->limit);
	}
	return 1;
}

static void
store_item_clear(struct store_item *i)
{
	i->over = i->exempt = i->warned = false;
	i->tight = 0;
	i->ceiling = (struct limit_ceiling){ 0, 0 };
	i->used = 0;
	i->retry_at = 0;
}

int
store_judge(struct store *s, struct store_request *r, uint64_t deadline, struct err *e)
{
	size_t i, values = 0;

	r->taken = r->repeated = r->withdrawn = r->local = false;
	if (r->n > STORE_ITEMS_MAX)
		return err_set(e, ERR_FULL, "store: more than %u limits for one message", STORE_ITEMS_MAX);
	for (i = 0; i < r->n; i++) {
		store_item_clear(&r->items[i]);
		if (store_check_item(&r->items[i], e) != 1)
			return -1;
		if (r->items[i].kind == STORE_DISTINCT && r->items[i].n_values > STORE_VALUES_MAX - values)
			return err_set(e, ERR_FULL, "store: more than %u values for one message",
			    STORE_VALUES_MAX);
		values += r->items[i].kind == STORE_DISTINCT ? r->items[i].n_values : 0;
	}
	return s->driver->judge(s, r, deadline, e);
}

uint64_t
store_over_until(struct store *s, const char *limit, const char *key, struct limit_ceiling *ceiling)
{
	if (store_check_key(limit, key, NULL) != 1)
		return 0;
	return s->driver->over_until(s, limit, key, ceiling);
}

void
store_forget_over(struct store *s)
{
	s->driver->forget_over(s);
}

/* ---- suspensions ---- */

/* A subject in other letters would be suspended on paper only. */
static int
store_subject(const char *kind, const char *subject, char to[STORE_KEY_MAX + 1], struct err *e)
{
	if (store_check_text("kind", kind, STORE_LIMIT_MAX, e) != 1 ||
	    store_check_text("subject", subject, STORE_KEY_MAX, e) != 1)
		return -1;
	(void)str_copy(to, STORE_KEY_MAX + 1, subject);
	(void)str_lower(to);
	return 1;
}

int
store_suspended(struct store *s, const char *kind, const char *subject, struct arena *a,
    struct store_suspension *to)
{
	char lower[STORE_KEY_MAX + 1];

	if (store_subject(kind, subject, lower, NULL) != 1)
		return 0;
	return s->driver->suspended(s, kind, lower, a, to);
}

static int
store_check_span(uint64_t since, uint64_t until, struct err *e)
{
	if (until <= clock_now() || until <= since)
		return err_set(e, ERR_INPUT, "store: it would be over before it begins");
	return 1;
}

/* Reasons and names are optional; a driver never sees NULL. */
static int
store_check_why(const char **reason, const char **by, struct err *e)
{
	if (*reason == NULL)
		*reason = "";
	if (*by == NULL)
		*by = "";
	if (strnlen(*reason, STORE_TEXT_MAX + 1) > STORE_TEXT_MAX ||
	    strnlen(*by, STORE_TEXT_MAX + 1) > STORE_TEXT_MAX)
		return err_set(e, ERR_INPUT, "store: reason longer than %u bytes", STORE_TEXT_MAX);
	return 1;
}

enum store_result
store_suspend(struct store *s, const struct store_suspension *w, struct err *e)
{
	static const char *const actions[] = { "reject", "defer", "hold" };
	char lower[STORE_KEY_MAX + 1];
	struct store_suspension checked = *w;
	size_t i;

	for (i = 0; w->action != NULL && i < 3 && strcmp(w->action, actions[i]) != 0; i++)
		;
	if (w->action == NULL || i == 3) {
		(void)err_set(e, ERR_INPUT, "store: unknown action; allowed: reject, defer, hold");
		return STORE_FAILED;
	}
	if (checked.since == 0)
		checked.since = clock_now();
	if (store_subject(w->kind, w->subject, lower, e) != 1 ||
	    store_check_why(&checked.reason, &checked.by, e) != 1 ||
	    store_check_span(checked.since, checked.until, e) != 1)
		return STORE_FAILED;
	checked.subject = lower;
	return s->driver->suspend(s, &checked, e);
}

enum store_result
store_release(struct store *s, const char *kind, const char *subject, struct err *e)
{
	char lower[STORE_KEY_MAX + 1];

	if (store_subject(kind, subject, lower, e) != 1)
		return STORE_FAILED;
	return s->driver->release(s, kind, lower, e);
}

int
store_suspensions(struct store *s, struct arena *a, struct store_suspension **to, struct err *e)
{
	return s->driver->suspensions(s, a, to, e);
}

/* ---- overrides ---- */

enum store_result
store_raise(struct store *s, const struct store_override *w, struct err *e)
{
	struct store_override checked = *w;

	if (checked.since == 0)
		checked.since = clock_now();
	if (store_check_key(w->limit, w->key, e) != 1 || store_check_ceilings(&w->ceilings, e) != 1 ||
	    store_check_why(&checked.reason, &checked.by, e) != 1 ||
	    store_check_span(checked.since, checked.until, e) != 1)
		return STORE_FAILED;
	if (!w->exempt && w->ceilings.n == 0) {
		(void)err_set(e, ERR_INPUT, "store: nothing to raise %s to", w->limit);
		return STORE_FAILED;
	}
	if (!w->exempt && strcmp(w->limit, "*") == 0) {
		(void)err_set(e, ERR_INPUT, "store: raise needs the name of a limit; \"*\" is for exempt");
		return STORE_FAILED;
	}
	return s->driver->raise(s, &checked, e);
}

enum store_result
store_lower(struct store *s, const char *limit, const char *key, struct err *e)
{
	if (store_check_key(limit, key, e) != 1)
		return STORE_FAILED;
	return s->driver->lower(s, limit, key, e);
}

int
store_overrides(struct store *s, struct arena *a, struct store_override **to, struct err *e)
{
	return s->driver->overrides(s, a, to, e);
}

enum store_result
store_reset(struct store *s, const char *limit, const char *key, struct err *e)
{
	if (store_check_key(limit, key, e) != 1)
		return STORE_FAILED;
	return s->driver->reset(s, limit, key, e);
}

/* ---- looking ---- */

int
store_top(struct store *s, struct arena *a, const char *limit, size_t n, struct store_usage **to,
    struct err *e)
{
	*to = NULL;
	if (n == 0)
		return 0;
	if (limit != NULL && store_check_text("limit", limit, STORE_LIMIT_MAX, e) != 1)
		return -1;
	return s->driver->top(s, a, limit, n, to, e);
}

int
store_usage(struct store *s, struct arena *a, const char *limit, const char *key, struct store_usage *to,
    struct err *e)
{
	if (store_check_key(limit, key, e) != 1)
		return -1;
	return s->driver->usage(s, a, limit, key, to, e);
}

void
store_numbers(struct store *s, struct store_numbers *to)
{
	memset(to, 0, sizeof(*to));
	s->driver->numbers(s, to);
}

/* ---- small things that last ---- */

enum store_result
store_keep(struct store *s, const char *space, const char *name, const char *value, struct err *e)
{
	if (store_check_text("space", space, STORE_LIMIT_MAX, e) != 1 ||
	    store_check_text("name", name, STORE_TEXT_MAX, e) != 1)
		return STORE_FAILED;
	if (value != NULL && strnlen(value, STORE_KEEP_MAX + 1) > STORE_KEEP_MAX) {
		(void)err_set(e, ERR_FULL, "store: value of %s longer than %u bytes", name, STORE_KEEP_MAX);
		return STORE_FAILED;
	}
	return s->driver->keep(s, space, name, value, e);
}

/* What a driver keeps of it; false when it is too long. */
bool
store_tally_text(const struct store_tally *t, uint64_t count, char to[STORE_TALLY])
{
	int n = snprintf(to, STORE_TALLY, "%llu %llu %llu%s%s", (unsigned long long)t->first,
	    (unsigned long long)t->last, (unsigned long long)count, *t->rest == '\0' ? "" : " ", t->rest);

	return n > 0 && n < (int)STORE_TALLY;
}

enum store_result
store_tally(struct store *s, const char *space, const char *name, const struct store_tally *t, struct err *e)
{
	char value[STORE_TALLY];

	if (!store_tally_text(t, t->count, value)) {
		(void)err_set(e, ERR_FULL, "store: value of %s longer than %u bytes", name, STORE_TALLY);
		return STORE_FAILED;
	}
	if (s->driver->tally == NULL)
		return store_keep(s, space, name, value, e);
	if (store_check_text("space", space, STORE_LIMIT_MAX, e) != 1 ||
	    store_check_text("name", name, STORE_TEXT_MAX, e) != 1)
		return STORE_FAILED;
	return s->driver->tally(s, space, name, t, e);
}

int
store_kept(struct store *s, const char *space, void (*each)(void *, const char *, const char *),
    void *cookie, struct err *e)
{
	if (store_check_text("space", space, STORE_LIMIT_MAX, e) != 1)
		return -1;
	return s->driver->kept(s, space, each, cookie, e);
}

int
store_claim(struct store *s, const char *space, const char *name, uint64_t time, char note[STORE_NOTE],
    struct err *e)
{
	if (store_check_text("space", space, STORE_LIMIT_MAX, e) != 1 ||
	    store_check_text("name", name, STORE_TEXT_MAX, e) != 1)
		return -1;
	return s->driver->claim == NULL ? 1 : s->driver->claim(s, space, name, time > 0 ? time : 1, note, e);
}

/* ---- relays that share a store ---- */

int
store_relays(struct store *s, struct arena *a, struct store_relay **to, struct err *e)
{
	*to = NULL;
	return s->driver->relays == NULL ? 0 : s->driver->relays(s, a, to, e);
}

bool
store_health(struct store *s, struct store_health *to)
{
	memset(to, 0, sizeof(*to));
	return s->driver->health != NULL && s->driver->health(s, to);
}

void
store_leave(struct store *s)
{
	if (s != NULL && s->driver->leave != NULL)
		s->driver->leave(s);
}
