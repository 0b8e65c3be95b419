/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * store_redis_desk - what people decide and look at, who of many tells, and what relays tell of
 * themselves. Nothing here is on a message's way.
 *
 * What is decided is in force on this relay when the call returns, and on the others when they have heard of
 * it (well within a second), or at their next message, whichever is first.
 *
 * Looking at all keys (top, numbers) goes through them in pages, so that messages are judged in between.
 */
#include "lib/store_redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/str.h"

#include "lib/banned.h"

#define DESK_ROUNDS 6u
#define DESK_PAGE "500"			/* keys of a page of top */
#define DESK_TOP_MS 20000u
#define DESK_TOP_MOST 10000u
#define NUMBERS_PAGE "1000"
#define NUMBERS_PAGES 20u		/* beyond that, the whole is estimated */
#define NUMBERS_EVERY UINT64_C(10000000)	/* us */
#define NUMBERS_MS 200u
#define LEAVE_MS 500u

/* ---- the script ---- */

struct desk_args {
	const char **args;
	size_t *lens;
	size_t n;
};

static void
desk_arg(struct desk_args *a, const char *text, size_t len)
{
	a->args[a->n] = text;
	a->lens[a->n++] = len;
}

static void
desk_build(struct store_redis *s, const char *verb, const struct desk_call *c, struct arena *a,
    struct desk_args *to, unsigned *slot)
{
	char name[STORE_REDIS_NAME], number[24];
	size_t i, len;

	to->args = arena_alloc(a, (c->n_keys + c->n_args + 5) * sizeof(*to->args));
	to->lens = arena_alloc(a, (c->n_keys + c->n_args + 5) * sizeof(*to->lens));
	to->n = 0;
	*slot = 0;
	desk_arg(to, "EVALSHA", 7);
	desk_arg(to, store_redis_desk_script.digest, 40);
	desk_arg(to, arena_printf(a, "%zu", c->n_keys), 1);
	for (i = 0; i < c->n_keys; i++) {
		if (c->whole)
			len = (size_t)snprintf(name, sizeof(name), "%s", c->keys[i]);
		else
			len = store_redis_key(s, name, "house", c->keys[i], "");
		if (i == 0)
			*slot = redis_slot(name, len);
		desk_arg(to, arena_strndup(a, name, len), len);
	}
	store_redis_now(s, number);
	desk_arg(to, verb, strlen(verb));
	desk_arg(to, arena_strdup(a, number), strlen(number));
	for (i = 0; i < c->n_args; i++)
		desk_arg(to, c->args[i], c->lens != NULL ? c->lens[i] : strlen(c->args[i]));
}

static bool
desk_noscript(struct redis_call *wire, struct desk_args *args)
{
	if (wire->reply == NULL || !redis_reply_is_error(wire->reply, "NOSCRIPT"))
		return false;
	args->args[0] = "EVAL";
	args->lens[0] = 4;
	args->args[1] = store_redis_desk_script.text;
	args->lens[1] = strlen(store_redis_desk_script.text);
	redis_reply_free(&wire->reply);
	return true;
}

static struct redis_reply *
desk_travel(struct store_redis *s, struct desk_call *c, struct desk_args *args, unsigned slot, struct err *e)
{
	struct redis_call wire = { .node = c->node != NULL ? c->node : redis_topology_node(s->topology, slot),
	    .args = args->args, .lens = args->lens, .n = args->n };
	enum redis_verdict verdict = REDIS_REFUSE;
	unsigned round;

	for (round = 0; round < DESK_ROUNDS; round++) {
		(void)redis_calls(&wire, 1, c->deadline);
		if (desk_noscript(&wire, args))
			continue;
		verdict = redis_topology_answer(s->topology, slot, &wire);
		if (verdict != REDIS_AGAIN)
			break;
	}
	c->result = wire.result == REDIS_UNCERTAIN ? STORE_UNCERTAIN : STORE_FAILED;
	if (verdict == REDIS_TAKE && wire.reply != NULL && wire.reply->type == REDIS_ARRAY &&
	    wire.reply->n > 0)
		return wire.reply;
	if (wire.reply != NULL && wire.reply->type == REDIS_ERROR)
		(void)err_set(e, ERR_GONE, "Redis: %.300s", wire.reply->text);
	else
		(void)err_set(e, ERR_GONE, "Redis does not answer");
	redis_reply_free(&wire.reply);
	return NULL;
}

struct redis_reply *
store_redis_desk(struct store_redis *s, const char *verb, struct desk_call *c, struct err *e)
{
	struct arena *a = arena_new(ARENA_DEFAULT_CAP);
	struct desk_args args;
	struct redis_reply *r;
	unsigned slot;

	desk_build(s, verb, c, a, &args, &slot);
	r = desk_travel(s, c, &args, slot, e);
	arena_free(&a);
	return r;
}

/* ---- decisions ---- */

/* The name of a decision: its two words with a NUL between. */
static size_t
desk_name(char to[STORE_REDIS_NAME], const char *one, const char *two)
{
	size_t n = strlen(one) + 1, m = strlen(two);

	memcpy(to, one, n);
	memcpy(to + n, two, m + 1);
	return n + m;
}

/* A decision bears a generation, and where there is one nobody puts back what was lost: so that is looked for
 * first. */
static void
desk_look(struct store_redis *s)
{
	(void)store_redis_sync(s, NULL, clock_deadline(STORE_REDIS_DESK_MS), NULL);
}

/* Known to us at once, whether or not the news comes by. */
static void
desk_decided(struct store_redis *s)
{
	(void)store_redis_sync(s, NULL, clock_deadline(STORE_REDIS_DESK_MS), NULL);
}

static enum store_result
desk_decide(struct store_redis *s, const char *hash, const char *one, const char *two, const char *rest,
    size_t rest_len, uint64_t since, uint64_t until, struct err *e)
{
	char name[STORE_REDIS_NAME], lasts[24], ago[24];
	const char *args[] = { s->channel, name, lasts, ago, rest };
	size_t lens[5];
	struct desk_call c = { .keys = { "generation", hash }, .n_keys = 2, .args = args, .lens = lens,
	    .n_args = 5, .deadline = clock_deadline(STORE_REDIS_DESK_MS) };
	uint64_t now = clock_now();
	struct redis_reply *r;

	lens[0] = strlen(s->channel);
	lens[1] = desk_name(name, one, two);
	lens[2] = (size_t)(until == UINT64_MAX ? snprintf(lasts, sizeof(lasts), "-1") :
	    snprintf(lasts, sizeof(lasts), "%llu", (unsigned long long)(until - now)));
	lens[3] = (size_t)snprintf(ago, sizeof(ago), "%lld", (long long)(now - since));
	lens[4] = rest_len;
	desk_look(s);
	r = store_redis_desk(s, "decide", &c, e);
	if (r == NULL)
		return c.result;
	redis_reply_free(&r);
	desk_decided(s);
	return STORE_DONE;
}

static enum store_result
desk_undecide(struct store_redis *s, const char *hash, const char *one, const char *two, struct err *e)
{
	char name[STORE_REDIS_NAME];
	const char *args[] = { s->channel, name };
	size_t lens[2];
	struct desk_call c = { .keys = { "generation", hash }, .n_keys = 2, .args = args, .lens = lens,
	    .n_args = 2, .deadline = clock_deadline(STORE_REDIS_DESK_MS) };
	struct redis_reply *r;
	bool there;

	lens[0] = strlen(s->channel);
	lens[1] = desk_name(name, one, two);
	desk_look(s);
	r = store_redis_desk(s, "undecide", &c, e);
	if (r == NULL)
		return c.result;
	there = r->n >= 2 && r->at[1]->integer == 1;
	redis_reply_free(&r);
	desk_decided(s);
	return there ? STORE_DONE : STORE_REFUSED;
}

enum store_result
store_redis_suspend(struct store *store, const struct store_suspension *w, struct err *e)
{
	char rest[3 * STORE_TEXT_MAX];
	size_t n = book_pack(rest, sizeof(rest), w->action, w->by, w->reason);

	return desk_decide(store_redis_of(store), "suspensions", w->kind, w->subject, rest, n, w->since,
	    w->until, e);
}

enum store_result
store_redis_release(struct store *store, const char *kind, const char *subject, struct err *e)
{
	return desk_undecide(store_redis_of(store), "suspensions", kind, subject, e);
}

enum store_result
store_redis_raise(struct store *store, const struct store_override *w, struct err *e)
{
	char rest[3 * STORE_TEXT_MAX], terms[256];
	size_t n;

	book_override_text(w, terms, sizeof(terms));
	n = book_pack(rest, sizeof(rest), terms, w->by, w->reason);
	return desk_decide(store_redis_of(store), "overrides", w->limit, w->key, rest, n, w->since, w->until,
	    e);
}

enum store_result
store_redis_lower(struct store *store, const char *limit, const char *key, struct err *e)
{
	return desk_undecide(store_redis_of(store), "overrides", limit, key, e);
}

/* Newest first; of the same time, by name. */
static int
desk_order(uint64_t since_a, uint64_t since_b, const char *a, const char *b)
{
	if (since_a != since_b)
		return since_a > since_b ? -1 : 1;
	return strcmp(a, b);
}

static int
desk_suspension_order(const void *a, const void *b)
{
	const struct store_suspension *x = a, *y = b;

	return desk_order(x->since, y->since, x->subject, y->subject);
}

static int
desk_override_order(const void *a, const void *b)
{
	const struct store_override *x = a, *y = b;

	return desk_order(x->since, y->since, x->key, y->key);
}

/* From the copy, made current when Redis answers: a desk wants to see what is in force also when it does
 * not. */
static struct book *
desk_book(struct store_redis *s)
{
	if (redis_topology_up(s->topology))
		(void)store_redis_sync(s, NULL, clock_deadline(STORE_REDIS_DESK_MS), NULL);
	return store_redis_book(s);
}

int
store_redis_suspensions(struct store *store, struct arena *a, struct store_suspension **to, struct err *e)
{
	struct book *b = desk_book(store_redis_of(store));
	size_t i, n = 0;

	(void)e;
	*to = arena_alloc(a, b->n_suspensions * sizeof(**to));
	for (i = 0; i < b->n_suspensions; i++) {
		if (b->suspensions[i].until > clock_now())
			book_to_suspension(a, &b->suspensions[i], &(*to)[n++]);
	}
	book_unref(&b);
	if (n > 0)
		qsort(*to, n, sizeof(**to), desk_suspension_order);
	return (int)n;
}

int
store_redis_overrides(struct store *store, struct arena *a, struct store_override **to, struct err *e)
{
	struct book *b = desk_book(store_redis_of(store));
	size_t i, n = 0;

	(void)e;
	*to = arena_alloc(a, b->n_overrides * sizeof(**to));
	for (i = 0; i < b->n_overrides; i++) {
		if (b->overrides[i].until > clock_now() && book_to_override(a, &b->overrides[i], &(*to)[n]))
			n++;
	}
	book_unref(&b);
	if (n > 0)
		qsort(*to, n, sizeof(**to), desk_override_order);
	return (int)n;
}

/* ---- looking at one key ---- */

static bool
desk_is_used(const struct store_usage *u)
{
	size_t i;

	for (i = 0; i < u->n; i++) {
		if (u->at[i].used > 0)
			return true;
	}
	return false;
}

static struct redis_reply *
desk_windows(struct store_redis *s, const char *limit, const char *key, bool empty, struct store_usage *to,
    enum store_result *result, struct err *e)
{
	char windows[STORE_REDIS_NAME], values[STORE_REDIS_NAME];
	const char *args[] = { empty ? "1" : "0" };
	struct desk_call c = { .keys = { windows, values }, .n_keys = 2, .args = args, .n_args = 1,
	    .whole = true, .deadline = clock_deadline(STORE_REDIS_DESK_MS) };
	struct redis_reply *r;

	(void)store_redis_key(s, windows, key, "w", limit);
	(void)store_redis_key(s, values, key, "v", limit);
	r = store_redis_desk(s, "usage", &c, e);
	*result = c.result;
	if (r == NULL)
		return NULL;
	if (r->n < 3 || !pack_usage(r->at[1], r->at[2], (uint64_t)r->at[0]->integer, to))
		to->n = 0;
	return r;
}

int
store_redis_usage(struct store *store, struct arena *a, const char *limit, const char *key,
    struct store_usage *to, struct err *e)
{
	enum store_result result;
	struct redis_reply *r;

	memset(to, 0, sizeof(*to));
	r = desk_windows(store_redis_of(store), limit, key, false, to, &result, e);
	if (r == NULL)
		return -1;
	redis_reply_free(&r);
	to->limit = arena_strdup(a, limit);
	to->key = arena_strdup(a, key);
	return desk_is_used(to);
}

enum store_result
store_redis_reset(struct store *store, const char *limit, const char *key, struct err *e)
{
	struct store_redis *s = store_redis_of(store);
	const char *args[] = { s->channel };
	struct desk_call c = { .keys = { "generation" }, .n_keys = 1, .args = args, .n_args = 1,
	    .deadline = clock_deadline(STORE_REDIS_DESK_MS) };
	struct store_usage usage = { .n = 0 };
	enum store_result result;
	struct redis_reply *r;

	desk_look(s);
	r = desk_windows(s, limit, key, true, &usage, &result, e);
	if (r == NULL)
		return result;
	redis_reply_free(&r);
	(void)store_reset(s->alone, limit, key, NULL);
	/* The others know it to be full: another generation makes them forget. */
	r = store_redis_desk(s, "bear", &c, NULL);
	redis_reply_free(&r);
	store_full_forget(s->full);
	desk_decided(s);
	return desk_is_used(&usage) ? STORE_DONE : STORE_REFUSED;
}

/* ---- looking at all keys ---- */

struct desk_top {
	struct arena *arena;
	const char *limit;		/* NULL: all */
	size_t n, most;
	struct desk_fill {
		uint32_t fill;
		struct store_usage usage;
	} *at;
};

/* Limit and key out of "PREFIX:{KEY}w1:LIMIT"; false when it is none. */
static bool
top_names(const struct store_redis *s, const struct redis_reply *name, struct arena *a,
    struct store_usage *to)
{
	size_t skip = strlen(s->prefix) + 2;
	const char *end, *at;

	if (name->text == NULL || name->n <= skip || memchr(name->text, '\0', name->n) != NULL)
		return false;
	end = strrchr(name->text, '}');
	if (end == NULL || end < name->text + skip || strncmp(end, "}w1:", 4) != 0)
		return false;
	at = name->text + skip;
	to->key = arena_strndup(a, at, (size_t)(end - at));
	to->limit = arena_strdup(a, end + 4);
	return true;
}

static uint32_t
top_fill(const struct store_usage *u)
{
	uint64_t fill, most = 0;
	size_t i;

	for (i = 0; i < u->n; i++) {
		fill = (uint64_t)u->at[i].used * 1000000 / u->at[i].most;
		most = fill > most ? fill : most;
	}
	return most > UINT32_MAX ? UINT32_MAX : (uint32_t)most;
}

static void
top_offer(const struct store_redis *s, struct desk_top *t, const struct redis_reply *name,
    const struct redis_reply *value, const struct redis_reply *counts, uint64_t now)
{
	struct desk_fill f = { .fill = 0 };
	size_t i;

	if (!pack_usage(value, counts, now, &f.usage))
		return;
	f.fill = top_fill(&f.usage);
	if (f.fill == 0 || (t->n == t->most && f.fill <= t->at[t->n - 1].fill))
		return;
	if (!top_names(s, name, t->arena, &f.usage) || (t->limit != NULL ?
	    strcmp(t->limit, f.usage.limit) != 0 : strchr(f.usage.limit, '.') != NULL))
		return;
	/* A page may hold a key twice. */
	for (i = 0; i < t->n; i++) {
		if (strcmp(t->at[i].usage.key, f.usage.key) == 0 &&
		    strcmp(t->at[i].usage.limit, f.usage.limit) == 0)
			return;
	}
	if (t->n < t->most)
		t->n++;
	for (i = t->n - 1; i > 0 && t->at[i - 1].fill < f.fill; i--)
		t->at[i] = t->at[i - 1];
	t->at[i] = f;
}

/* One page; false when it was the last, or there is no answer (then *failed). */
static bool
top_page(struct store_redis *s, struct redis_node *node, struct desk_top *t, char cursor[24],
    uint64_t deadline, bool *failed, struct err *e)
{
	char pattern[STORE_REDIS_PREFIX + 8], least[24];
	const char *args[] = { cursor, pattern, DESK_PAGE, least };
	struct desk_call c = { .node = node, .args = args, .n_args = 4, .deadline = deadline };
	struct redis_reply *r;
	bool more;
	size_t i;

	(void)snprintf(pattern, sizeof(pattern), "%s:{*}w1:*", s->prefix);
	(void)snprintf(least, sizeof(least), "%u", t->n == t->most && t->at[t->n - 1].fill > 1000 ?
	    t->at[t->n - 1].fill / 1000 - 1 : 0);
	r = store_redis_desk(s, "top", &c, e);
	*failed = r == NULL || r->n < 2 || r->at[1]->text == NULL;
	if (*failed) {
		redis_reply_free(&r);
		return false;
	}
	for (i = 2; i + 2 < r->n; i += 3)
		top_offer(s, t, r->at[i], r->at[i + 1], r->at[i + 2], (uint64_t)r->at[0]->integer);
	(void)str_copy(cursor, 24, r->at[1]->text);
	more = strcmp(cursor, "0") != 0;
	redis_reply_free(&r);
	return more;
}

int
store_redis_top(struct store *store, struct arena *a, const char *limit, size_t n, struct store_usage **to,
    struct err *e)
{
	struct store_redis *s = store_redis_of(store);
	struct desk_top t = { .arena = a, .limit = limit, .most = n < DESK_TOP_MOST ? n : DESK_TOP_MOST };
	uint64_t deadline = clock_deadline(DESK_TOP_MS);
	struct redis_node *node;
	char cursor[24];
	bool failed = false;
	size_t i;

	t.at = store_alloc(t.most * sizeof(*t.at));
	for (i = 0; !failed && (node = redis_topology_nth(s->topology, i)) != NULL; i++) {
		(void)str_copy(cursor, sizeof(cursor), "0");
		while (top_page(s, node, &t, cursor, deadline, &failed, e))
			;
	}
	if (i == 0)
		failed = err_set(e, ERR_GONE, "Redis does not answer") < 0;
	*to = arena_zalloc(a, t.n * sizeof(**to));
	for (i = 0; i < t.n; i++)
		(*to)[i] = t.at[i].usage;
	free(t.at);
	return failed ? -1 : (int)t.n;
}

struct desk_count {
	uint64_t seen, windows, values, digests, all;
};

static bool
numbers_page(struct store_redis *s, struct redis_node *node, struct desk_count *n, char cursor[24],
    uint64_t deadline)
{
	const char *args[] = { cursor, s->prefix, NUMBERS_PAGE };
	struct desk_call c = { .node = node, .args = args, .n_args = 3, .deadline = deadline };
	struct redis_reply *r = store_redis_desk(s, "numbers", &c, NULL);
	bool more = r != NULL && r->n >= 7 && r->at[1]->text != NULL;

	if (more) {
		n->seen += (uint64_t)r->at[2]->integer;
		n->windows += (uint64_t)r->at[3]->integer;
		n->values += (uint64_t)r->at[4]->integer;
		n->digests += (uint64_t)r->at[5]->integer;
		n->all = (uint64_t)r->at[6]->integer;
		(void)str_copy(cursor, 24, r->at[1]->text);
		more = strcmp(cursor, "0") != 0;
	}
	redis_reply_free(&r);
	return more;
}

/* Where keys stand says nothing of what they are: a part speaks for the whole. */
static void
numbers_node(struct store_redis *s, struct redis_node *node, struct store_numbers *to)
{
	uint64_t deadline = clock_deadline(NUMBERS_MS);
	struct desk_count n = { 0 };
	char cursor[24] = "0";
	double scale = 1;
	unsigned page;

	for (page = 0; page < NUMBERS_PAGES && numbers_page(s, node, &n, cursor, deadline); page++)
		;
	if (page == NUMBERS_PAGES && n.seen > 0 && n.all > n.seen)
		scale = (double)n.all / (double)n.seen;
	to->keys += (uint64_t)((double)n.windows * scale);
	to->values += (uint64_t)((double)n.values * scale);
	to->digests += (uint64_t)((double)n.digests * scale);
}

void
store_redis_numbers(struct store *store, struct store_numbers *to)
{
	struct store_redis *s = store_redis_of(store);
	struct redis_node *node;
	struct store_numbers own;
	struct book *b;
	size_t i;

	(void)pthread_mutex_lock(&s->numbers_lock);
	if (s->numbers_at == 0 || clock_mono_us() - s->numbers_at > NUMBERS_EVERY) {
		memset(&s->numbers, 0, sizeof(s->numbers));
		for (i = 0; (node = redis_topology_nth(s->topology, i)) != NULL; i++)
			numbers_node(s, node, &s->numbers);
		s->numbers_at = clock_mono_us();
	}
	*to = s->numbers;
	(void)pthread_mutex_unlock(&s->numbers_lock);
	to->judged = atomic_load(&s->judged);
	to->taken = atomic_load(&s->taken);
	to->refused = atomic_load(&s->refused);
	memset(&own, 0, sizeof(own));
	store_numbers(s->alone, &own);
	to->bytes = own.bytes;
	to->bytes_most = own.bytes_most;
	b = store_redis_book(s);
	for (i = 0; i < b->n_suspensions; i++)
		to->suspensions += b->suspensions[i].until > clock_now();
	for (i = 0; i < b->n_overrides; i++)
		to->overrides += b->overrides[i].until > clock_now();
	book_unref(&b);
}

/* ---- who tells ---- */

/* Who holds a claim, and behind a NUL the note: true when it is we; otherwise the note is the holder's. */
static bool
claim_read(const struct store_redis *s, const struct redis_reply *holder, char note[STORE_NOTE])
{
	size_t n;

	if (holder->text == NULL || strcmp(holder->text, s->relay) == 0)
		return holder->text != NULL;
	n = strlen(holder->text);
	if (note != NULL)
		(void)str_copy(note, STORE_NOTE, n < holder->n ? holder->text + n + 1 : "");
	return false;
}

int
store_redis_claim(struct store *store, const char *space, const char *name, uint64_t time,
    char note[STORE_NOTE], struct err *e)
{
	struct store_redis *s = store_redis_of(store);
	char key[STORE_REDIS_NAME], digest[STORE_REDIS_DIGEST], lasts[24];
	char full[STORE_LIMIT_MAX + STORE_REDIS_DIGEST + 2];
	char who[sizeof(s->relay) + STORE_NOTE + 1];
	const char *args[] = { who, lasts };
	size_t lens[2];
	struct desk_call c = { .keys = { key }, .n_keys = 1, .args = args, .lens = lens, .n_args = 2,
	    .whole = true, .deadline = clock_deadline(STORE_REDIS_DESK_MS) };
	struct book *b = store_redis_book(s);
	struct redis_reply *r;
	int ours;

	pack_digest(name, b->seed, digest);
	book_unref(&b);
	(void)snprintf(full, sizeof(full), "%s:%s", space, digest);
	(void)store_redis_key(s, key, "house", "claim", full);
	lens[0] = (size_t)snprintf(who, sizeof(who), "%s%c%s", s->relay, 0, note != NULL ? note : "");
	lens[1] = (size_t)snprintf(lasts, sizeof(lasts), "%llu", (unsigned long long)time);
	r = store_redis_desk(s, "claim", &c, e);
	if (r == NULL)
		return -1;
	ours = r->n >= 2 && claim_read(s, r->at[1], note);
	redis_reply_free(&r);
	return ours;
}

/* ---- relays ---- */

/* The next of the texts that a relay tells. */
static const char *
relay_next(const char **at, const char *end)
{
	const char *text = *at;

	if (text >= end)
		return "";
	*at = text + strlen(text) + 1;
	return text;
}

static bool
relay_read(struct arena *a, const struct redis_reply *name, const struct redis_reply *value, uint64_t now,
    struct store_relay *to)
{
	const char *at = value->text, *end = at == NULL ? NULL : at + value->n;

	if (name->text == NULL || at == NULL)
		return false;
	to->name = arena_strdup(a, name->text);
	to->seen = strtoull(relay_next(&at, end), NULL, 10) - now + clock_now();
	to->version = arena_strdup(a, relay_next(&at, end));
	to->lag = strtoull(relay_next(&at, end), NULL, 10);
	to->degraded = strtoull(relay_next(&at, end), NULL, 10);
	to->judged = strtoull(relay_next(&at, end), NULL, 10);
	to->taken = strtoull(relay_next(&at, end), NULL, 10);
	to->refused = strtoull(relay_next(&at, end), NULL, 10);
	to->local = strtoull(relay_next(&at, end), NULL, 10);
	return true;
}

/* What we tell of ourselves: texts with a NUL between. */
static size_t
relay_write(struct store_redis *s, char *to, size_t size)
{
	uint64_t degraded, lag;

	(void)pthread_mutex_lock(&s->relays_lock);
	degraded = s->degraded_total;
	lag = s->lag;
	(void)pthread_mutex_unlock(&s->relays_lock);
	return (size_t)snprintf(to, size, "%s%c%llu%c%llu%c%llu%c%llu%c%llu%c%llu", s->version, 0,
	    (unsigned long long)lag, 0, (unsigned long long)degraded, 0,
	    (unsigned long long)atomic_load(&s->judged), 0, (unsigned long long)atomic_load(&s->taken), 0,
	    (unsigned long long)atomic_load(&s->refused), 0,
	    (unsigned long long)atomic_load(&s->judged_alone));
}

static struct redis_reply *
relay_beat(struct store_redis *s, bool clean, struct err *e)
{
	char text[256];
	const char *args[] = { s->relay, text, clean ? "1" : "0" };
	size_t lens[3];
	struct desk_call c = { .keys = { "generation", "suspensions", "overrides", "relays", "seed" },
	    .n_keys = 5, .args = args, .lens = lens, .n_args = 3,
	    .deadline = clock_deadline(STORE_REDIS_DESK_MS) };
	struct redis_reply *r;

	lens[0] = strlen(s->relay);
	lens[1] = relay_write(s, text, sizeof(text));
	lens[2] = 1;
	r = store_redis_desk(s, "beat", &c, e);
	if (r != NULL && (r->n < 4 || r->at[1]->text == NULL || r->at[2]->type != REDIS_ARRAY ||
	    r->at[3]->text == NULL))
		redis_reply_free(&r);
	return r;
}

/* Who is heard of. Names are few, and in no order. */
struct beat_names {
	uint64_t now;
	const char *least;		/* the first of those alive, by name */
	unsigned alive, rank;
	char present[512], missing[512];
};

static bool
beat_is_alive(const struct beat_names *n, const struct redis_reply *value)
{
	return value->text != NULL && strtoull(value->text, NULL, 10) + STORE_REDIS_ALIVE >= n->now;
}

static void
beat_add(char to[512], const char *name)
{
	size_t at = strlen(to);

	if (at + strlen(name) + 2 <= 512)
		(void)snprintf(to + at, 512 - at, "%s ", name);
}

static void
beat_read(const struct store_redis *s, const struct redis_reply *all, struct beat_names *to)
{
	const char *name;
	size_t i;

	for (i = 0; i + 1 < all->n; i += 2) {
		name = all->at[i]->text;
		if (name == NULL || !beat_is_alive(to, all->at[i + 1]))
			continue;
		to->alive++;
		to->rank += strcmp(name, s->relay) < 0;
		if (to->least == NULL || strcmp(name, to->least) < 0)
			to->least = name;
		beat_add(to->present, name);
	}
	/* The first of all speaks for itself when it hears no Redis. */
	for (i = 0; i + 1 < all->n; i += 2) {
		name = all->at[i]->text;
		if (name != NULL && !beat_is_alive(to, all->at[i + 1]) && to->least != NULL &&
		    strcmp(name, to->least) > 0)
			beat_add(to->missing, name);
	}
}

int
store_redis_beat(struct store_redis *s, bool clean, struct err *e)
{
	uint64_t before = clock_mono_us();
	struct redis_reply *r = relay_beat(s, clean, e);
	struct beat_names names = { .least = NULL };
	struct book *b;

	if (r == NULL)
		return -1;
	names.now = (uint64_t)r->at[0]->integer;
	beat_read(s, r->at[2], &names);
	store_redis_alive(s, names.alive, names.rank);
	(void)pthread_mutex_lock(&s->relays_lock);
	(void)str_copy(s->present, sizeof(s->present), names.present);
	(void)str_copy(s->missing, sizeof(s->missing), names.missing);
	s->lag = clock_mono_us() - before;
	(void)pthread_mutex_unlock(&s->relays_lock);
	/* News may get lost; and of keys that are lost, the seed with them, there is no news. */
	b = store_redis_book(s);
	if (strcmp(b->generation, r->at[1]->text) != 0 || book_seed(r->at[3]->text) != b->seed)
		atomic_store(&s->book_old, true);
	book_unref(&b);
	redis_reply_free(&r);
	return 1;
}

void
store_redis_leave(struct store *store)
{
	struct store_redis *s = store_redis_of(store);
	const char *args[] = { s->relay };
	struct desk_call c = { .keys = { "relays" }, .n_keys = 1, .args = args, .n_args = 1,
	    .deadline = clock_deadline(LEAVE_MS) };
	struct redis_reply *r;

	if (!redis_topology_up(s->topology))
		return;
	r = store_redis_desk(s, "leave", &c, NULL);
	redis_reply_free(&r);
}

static int
relay_order(const void *a, const void *b)
{
	return strcmp(((const struct store_relay *)a)->name, ((const struct store_relay *)b)->name);
}

int
store_redis_relays(struct store *store, struct arena *a, struct store_relay **to, struct err *e)
{
	struct redis_reply *r = relay_beat(store_redis_of(store), false, e);
	size_t i, n = 0;

	if (r == NULL)
		return -1;
	*to = arena_zalloc(a, (r->at[2]->n / 2 + 1) * sizeof(**to));
	for (i = 0; i + 1 < r->at[2]->n; i += 2) {
		if (relay_read(a, r->at[2]->at[i], r->at[2]->at[i + 1], (uint64_t)r->at[0]->integer,
		    &(*to)[n]))
			n++;
	}
	redis_reply_free(&r);
	if (n > 0)
		qsort(*to, n, sizeof(**to), relay_order);
	return (int)n;
}
