/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * store_memory_judge - one message against all its limits: everything is judged, then everything
 * is taken or nothing.
 *
 *     prepare   names and overrides, without a lock
 *     lock      the stripes of all keys, in ascending order; then the clock is read, so that for
 *               each key time goes the way its charges do
 *     find      slots, values, the message itself
 *     judge     every item; refused when one that is not soft does not fit
 *     room      places for all that is new, before anything changes; without, let go, make room, start over
 *     charge    which cannot fail any more
 *
 * Distinct values: a window's ring counts each value in the slice in which it was last seen. Seen
 * again, it moves to the newest slice; so the sum is the number of values seen in the window, for one
 * small record a value.
 *
 * A process may be killed between any two stores: counts go up before records change and down after, so
 * that what is left behind is stricter, never laxer.
 */
#include "lib/store_memory.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"

#include "lib/banned.h"

#define JUDGE_FEW 16u			/* items and values that need no allocation */
#define JUDGE_FEW_VALUES 64u
#define JUDGE_ROUNDS 100u		/* of making room */
#define JUDGE_EPOCH_MOST (UINT8_MAX - LIMIT_WINDOWS_MAX)
#define JUDGE_MESSAGE_SEED UINT64_C(0x6d65737361676573)

struct judged_value {
	struct store_hash hash;		/* of the text alone */
	struct windows_record *record;	/* NULL: never seen, or forgotten */
};

/* One item on its way. Arrays of four go by ceiling. */
struct judged {
	struct store_item *item;
	struct store_hash hash;
	struct windows_stripe *stripe;
	struct windows_slot *slot;	/* NULL: nothing counted yet */
	struct limit_ceilings ceilings;	/* overrides applied */
	struct judged_value *values;	/* each once */
	size_t n_values, n_new;
	bool charge;
	uint32_t used[LIMIT_WINDOWS_MAX], add[LIMIT_WINDOWS_MAX];
	uint64_t full_until;		/* 0: the refusal was not at the full ceiling */
	struct limit_ceiling full;
};

struct judging {
	struct store_memory *m;
	struct windows *w;
	struct store_request *r;
	struct judged *items;
	struct judged_value *values;
	uint64_t stripes[WINDOWS_STRIPES / 64];
	uint64_t now;
	uint32_t generation;		/* of what is known to be full */
	struct store_hash message;
	struct windows_stripe *message_stripe;	/* NULL: no message to remember */
	struct windows_record *message_record;
	bool refused;
	struct judged few[JUDGE_FEW];
	struct judged_value few_values[JUDGE_FEW_VALUES];
};

/* ---- prepare ---- */

static void
judge_want_stripe(struct judging *j, unsigned stripe)
{
	j->stripes[stripe / 64] |= UINT64_C(1) << stripe % 64;
}

static bool
judge_value_known(const struct judged *it, struct store_hash h)
{
	size_t i;

	for (i = 0; i < it->n_values; i++) {
		if (store_hash_same(it->values[i].hash, h))
			return true;
	}
	return false;
}

/* Many values: each once, by way of a table. */
static void
judge_many_values(struct judging *j, struct judged *it)
{
	const struct store_item *item = it->item;
	struct store_hash h;
	uint32_t *table;
	size_t size = 64, i, at;

	while (size < item->n_values * 2)
		size *= 2;
	table = store_alloc(size * sizeof(*table));
	for (i = 0; i < item->n_values; i++) {
		h = store_hash_text(j->w->seed, item->values[i]);
		at = h.lo & (size - 1);
		while (table[at] != 0 && !store_hash_same(it->values[table[at] - 1].hash, h))
			at = (at + 1) & (size - 1);
		if (table[at] != 0)
			continue;
		it->values[it->n_values++] = (struct judged_value){ .hash = h };
		table[at] = (uint32_t)it->n_values;
	}
	free(table);
}

static void
judge_prepare_values(struct judging *j, struct judged *it)
{
	struct store_hash h;
	size_t i;

	if (it->item->n_values > JUDGE_FEW) {
		judge_many_values(j, it);
		return;
	}
	for (i = 0; i < it->item->n_values; i++) {
		h = store_hash_text(j->w->seed, it->item->values[i]);
		if (!judge_value_known(it, h))
			it->values[it->n_values++] = (struct judged_value){ .hash = h };
	}
}

/* A raise replaces the ceiling of the same length and adds none. */
static void
judge_prepare_terms(struct judging *j, struct judged *it)
{
	struct store_terms terms;
	size_t i, k;

	it->ceilings = it->item->ceilings;
	it->item->exempt = false;
	if (!store_lasting_any_terms(j->m->lasting) ||
	    !store_lasting_terms(j->m->lasting, it->item->limit, it->item->key, clock_now(), &terms))
		return;
	it->item->exempt = terms.exempt;
	for (i = 0; i < it->ceilings.n; i++) {
		for (k = 0; k < terms.ceilings.n; k++) {
			if (terms.ceilings.at[k].length == it->ceilings.at[i].length)
				it->ceilings.at[i].most = terms.ceilings.at[k].most;
		}
	}
}

static int
judge_prepare(struct judging *j, struct err *e)
{
	struct judged_value *values = j->values;
	struct judged *it;
	size_t i, k;

	for (i = 0; i < j->r->n; i++) {
		it = &j->items[i];
		*it = (struct judged){ .item = &j->r->items[i], .values = values };
		it->hash = store_hash_pair(j->w->seed, it->item->limit, it->item->key);
		it->stripe = &j->w->stripe[windows_stripe_of(it->hash)];
		for (k = 0; k < i; k++) {
			if (store_hash_same(j->items[k].hash, it->hash))
				return err_set(e, ERR_INPUT, "store: limit %s twice for the same key",
				    it->item->limit);
		}
		judge_want_stripe(j, windows_stripe_of(it->hash));
		judge_prepare_terms(j, it);
		if (it->item->kind == STORE_DISTINCT) {
			judge_prepare_values(j, it);
			values += it->n_values;
		}
	}
	if (j->r->message != NULL && j->r->n > 0) {
		j->message = store_hash_text(j->w->seed ^ JUDGE_MESSAGE_SEED, j->r->message);
		j->message_stripe = &j->w->stripe[windows_stripe_of(j->message)];
		judge_want_stripe(j, windows_stripe_of(j->message));
	}
	return 1;
}

/* ---- lock ---- */

/* The stripe of the lowest bit. */
static pthread_mutex_t *
judge_stripe_lock(struct judging *j, unsigned word, uint64_t bits)
{
	return &j->w->stripe[word * 64 + (unsigned)__builtin_ctzll(bits)].lock;
}

static void
judge_lock(struct judging *j)
{
	uint64_t left;
	unsigned i;

	for (i = 0; i < WINDOWS_STRIPES / 64; i++) {
		for (left = j->stripes[i]; left != 0; left &= left - 1)
			(void)pthread_mutex_lock(judge_stripe_lock(j, i, left));
	}
	j->now = clock_now();
}

static void
judge_unlock(struct judging *j)
{
	uint64_t left;
	unsigned i;

	for (i = 0; i < WINDOWS_STRIPES / 64; i++) {
		for (left = j->stripes[i]; left != 0; left &= left - 1)
			(void)pthread_mutex_unlock(judge_stripe_lock(j, i, left));
	}
}

/* ---- find ---- */

static void
judge_find_values(struct judging *j, struct judged *it)
{
	struct windows_slot *s = it->slot;
	size_t i;

	/* Before the epoch runs out all values are forgotten: they are counted again when seen again. */
	if (s != NULL && s->epoch > JUDGE_EPOCH_MOST) {
		s->salt = windows_new_salt(j->w);
		s->epoch = 0;
		memset(s->since, 0, sizeof(s->since));
	}
	it->n_new = 0;
	for (i = 0; i < it->n_values; i++) {
		it->values[i].record = s == NULL ? NULL :
		    windows_find_record(j->w, it->stripe, windows_value_name(s->salt, it->values[i].hash));
		it->n_new += it->values[i].record == NULL;
	}
}

static void
judge_find(struct judging *j)
{
	struct judged *it;
	size_t i;

	for (i = 0; i < j->r->n; i++)
		windows_prefetch_index(j->items[i].stripe, j->items[i].hash);
	for (i = 0; i < j->r->n; i++)
		windows_prefetch_slot(j->w, j->items[i].stripe, j->items[i].hash);
	for (i = 0; i < j->r->n; i++) {
		it = &j->items[i];
		it->slot = windows_find(j->w, it->stripe, it->hash);
		/* The limit counts something else than before: what it counted means nothing now. */
		if (it->slot != NULL && it->slot->kind != (uint8_t)it->item->kind) {
			if (!j->r->dry)
				windows_drop(j->w, it->stripe, it->slot);
			it->slot = NULL;
		}
		if (it->slot != NULL)
			windows_advance(j->w, it->slot, j->now);
		if (it->item->kind == STORE_DISTINCT)
			judge_find_values(j, it);
	}
	j->message_record = j->message_stripe == NULL ? NULL :
	    windows_find_record(j->w, j->message_stripe, j->message);
}

/* Charged within the hour, and not too often repeated since. */
static bool
judge_is_repeated(const struct judging *j)
{
	const struct windows_record *r = j->message_record;

	return r != NULL && r->uses < STORE_RETRIES_MAX && j->now < r->seen + STORE_RETRY_TIME;
}

/* ---- judge ---- */

static int
judge_part(const struct windows_slot *s, uint64_t length)
{
	unsigned i;

	for (i = 0; s != NULL && i < s->n; i++) {
		if (s->part[i].window.length == length / 1000)
			return (int)i;
	}
	return -1;
}

/* Whether a value is counted in this part's ring. */
static bool
judge_is_counted(const struct windows_slot *s, unsigned part, const struct windows_record *r, uint64_t now)
{
	uint64_t slice = s->part[part].window.length * UINT64_C(1000) / LIMIT_SLICES;

	/* A window lasts a second at least. NOLINTNEXTLINE(clang-analyzer-core.DivideZero) */
	return r->epoch >= s->since[part] && r->seen / slice <= now / slice &&
	    now / slice - r->seen / slice <= LIMIT_SLICES;
}

/* What the item would add to a part's window; part -1: to an empty one. */
static uint32_t
judge_add(const struct judging *j, const struct judged *it, int part)
{
	size_t i, n = it->n_new;

	if (it->item->kind == STORE_SUM)
		return it->item->amount;
	if (part < 0)
		return (uint32_t)it->n_values;
	for (i = 0; n < it->n_values && i < it->n_values; i++) {
		if (it->values[i].record != NULL)
			n += !judge_is_counted(it->slot, (unsigned)part, it->values[i].record, j->now);
	}
	return (uint32_t)n;
}

/* Nothing to add to a sum: the question is whether the ceiling is reached. A set that adds nothing
 * fits as long as it is not beyond its ceiling (one that was lowered): it would keep old values inside. */
static bool
judge_is_over(const struct judged *it, size_t c)
{
	if (it->item->kind == STORE_SUM && it->add[c] == 0)
		return it->used[c] >= it->ceilings.at[c].most;
	return (uint64_t)it->used[c] + it->add[c] > it->ceilings.at[c].most;
}

static uint64_t
judge_fits_at(const struct judging *j, const struct judged *it, size_t c, uint32_t amount)
{
	static const struct limit_window empty;
	int part = judge_part(it->slot, it->ceilings.at[c].length);

	return limit_window_fits_at(part < 0 ? &empty : &it->slot->part[part].window, j->now,
	    it->ceilings.at[c].most, amount);
}

/* It does not fit this ceiling: of several the one that takes longest is told. */
static void
judge_over(const struct judging *j, struct judged *it, size_t c)
{
	struct store_item *item = it->item;
	uint32_t amount = item->kind == STORE_SUM && it->add[c] == 0 ? 1 : it->add[c];
	uint64_t at = judge_fits_at(j, it, c, amount);

	if (!item->over || at > item->retry_at) {
		item->tight = c;
		item->retry_at = at;
	}
	item->over = true;
	if (item->kind != STORE_SUM || it->used[c] < it->ceilings.at[c].most)
		return;
	at = judge_fits_at(j, it, c, 1);
	if (at > it->full_until) {
		it->full_until = at;
		it->full = it->ceilings.at[c];
	}
}

/* The ceiling of which the greatest part is used. */
static size_t
judge_fullest(const struct judged *it)
{
	size_t c, best = 0;
	uint64_t used, best_used;

	for (c = 1; c < it->ceilings.n; c++) {
		used = (uint64_t)it->used[c] + it->add[c];
		best_used = (uint64_t)it->used[best] + it->add[best];
		if (used * it->ceilings.at[best].most > best_used * it->ceilings.at[c].most)
			best = c;
	}
	return best;
}

static void
judge_item(const struct judging *j, struct judged *it)
{
	struct store_item *item = it->item;
	size_t c;
	int part;

	item->over = item->warned = false;
	item->retry_at = 0;
	it->full_until = 0;
	for (c = 0; c < it->ceilings.n; c++) {
		part = judge_part(it->slot, it->ceilings.at[c].length);
		it->used[c] = part < 0 ? 0 : limit_window_used(&it->slot->part[part].window);
		it->add[c] = j->r->repeated ? 0 : judge_add(j, it, part);
		if (!j->r->repeated && !item->exempt && judge_is_over(it, c))
			judge_over(j, it, c);
	}
	if (!item->over)
		item->tight = judge_fullest(it);
	item->ceiling = it->ceilings.at[item->tight];
	item->used = it->used[item->tight];
	if (!item->over)
		item->used = it->add[item->tight] > UINT32_MAX - item->used ? UINT32_MAX :
		    item->used + it->add[item->tight];
}

static bool
judge_is_warned(const struct judging *j, const struct judged *it)
{
	uint64_t before, line;
	size_t c;

	if (j->r->warn_at == 0 || it->item->exempt)
		return false;
	for (c = 0; c < it->ceilings.n; c++) {
		before = (uint64_t)it->used[c] * 100;
		line = (uint64_t)it->ceilings.at[c].most * j->r->warn_at;
		if (before < line && before + (uint64_t)it->add[c] * 100 >= line)
			return true;
	}
	return false;
}

static void
judge_all(struct judging *j)
{
	struct judged *it;
	size_t i;

	j->r->repeated = judge_is_repeated(j);
	j->refused = false;
	for (i = 0; i < j->r->n; i++) {
		it = &j->items[i];
		judge_item(j, it);
		j->refused = j->refused || (it->item->over && !it->item->soft);
	}
	j->r->taken = !j->refused;
	for (i = 0; i < j->r->n; i++) {
		it = &j->items[i];
		it->charge = !j->r->repeated &&
		    (it->item->kind == STORE_SUM ? it->item->amount : it->n_values) > 0 &&
		    (it->item->always || (!j->refused && !it->item->over));
		it->item->warned = it->charge && judge_is_warned(j, it);
		it->charge = it->charge && !j->r->dry;
	}
}

/* ---- room ---- */

struct judge_need {
	size_t slots, records;
	int stripe;		/* whose indexes are full, -1 */
};

/* What the items up to this one, of the same stripe, put into its indexes. */
static bool
judge_index_room(struct judging *j, size_t upto, struct windows_stripe *t, size_t keys, size_t records,
    struct judge_need *need)
{
	size_t i;

	for (i = 0; i < upto; i++) {
		if (j->items[i].stripe != t || !j->items[i].charge)
			continue;
		keys += j->items[i].slot == NULL;
		records += j->items[i].n_new;
	}
	if (windows_index_room(j->w, t, keys, records))
		return true;
	need->stripe = (int)(t - j->w->stripe);
	return false;
}

static bool
judge_remembers(const struct judging *j)
{
	return j->message_stripe != NULL && !j->r->dry && !j->r->repeated && !j->refused;
}

/* Everything that charging will need. False: nothing is held, and need says what for. */
static bool
judge_room(struct judging *j, struct judge_need *need)
{
	const struct judged *it;
	bool room = true;
	size_t i;

	*need = (struct judge_need){ 0, 0, -1 };
	for (i = 0; i < j->r->n; i++) {
		it = &j->items[i];
		if (!it->charge || (it->slot != NULL && it->n_new == 0))
			continue;
		need->slots += it->slot == NULL;
		need->records += it->n_new;
		room = room && judge_index_room(j, i, it->stripe, it->slot == NULL, it->n_new, need);
	}
	if (judge_remembers(j) && j->message_record == NULL) {
		need->records++;
		room = room && judge_index_room(j, j->r->n, j->message_stripe, 0, 1, need);
	}
	return room && windows_reserve(j->w, need->slots, need->records);
}

/* ---- charge ---- */

/* What is asked of the window of this length (s) now; 0 = nothing any more. */
static uint32_t
judge_ceiling(const struct judged *it, uint32_t length)
{
	size_t c;

	for (c = 0; c < it->ceilings.n; c++)
		if (it->ceilings.at[c].length / 1000 == length)
			return it->ceilings.at[c].most;
	return 0;
}

/* A window for every ceiling. What is not asked for any more is counted on, without a ceiling, until its
 * place is needed: sessions may still be judged by the configuration of before. */
static bool
judge_set_parts(struct judged *it, struct windows_slot *s)
{
	struct windows_part *p;
	bool grown = false;
	unsigned i, epoch = s->epoch;
	size_t c;

	/* Never 0 in passing: killed there, the count would be kept and not shown. */
	for (i = 0; i < s->n; i++)
		s->part[i].most = judge_ceiling(it, s->part[i].window.length);
	for (c = 0; c < it->ceilings.n; c++) {
		if (judge_part(s, it->ceilings.at[c].length) >= 0)
			continue;
		for (i = 0; i < s->n && (s->n < LIMIT_WINDOWS_MAX || s->part[i].most != 0); i++)
			;
		if (i == s->n) {
			/* Killed from here on, the text is not to be held against the hash. */
			s->cut = 1;
			s->key_len = 0;
			s->n++;
			grown = true;
		}
		p = &s->part[i];
		*p = (struct windows_part){ .most = it->ceilings.at[c].most };
		p->window.length = (uint32_t)(it->ceilings.at[c].length / 1000);
		s->epoch = (uint8_t)(epoch + 1);
		s->since[i] = s->epoch;
	}
	return grown;
}

static uint64_t
judge_longest(const struct windows_slot *s)
{
	uint64_t longest = 0;
	unsigned i;

	for (i = 0; i < s->n; i++)
		longest = s->part[i].window.length > longest ? s->part[i].window.length : longest;
	return longest * (LIMIT_SLICES + 1) * 1000 / LIMIT_SLICES;
}

/* A value that was counted in other slices is counted there no more. */
static void
judge_uncount(struct windows_slot *s, const struct windows_record *was, uint64_t now)
{
	struct limit_window *w;
	uint64_t number;
	uint32_t *slice;
	unsigned i;

	for (i = 0; i < s->n; i++) {
		if (!judge_is_counted(s, i, was, now))
			continue;
		w = &s->part[i].window;
		number = was->seen / (w->length * UINT64_C(1000) / LIMIT_SLICES);
		slice = &w->slice[number % (LIMIT_SLICES + 1)];
		*slice -= *slice > 0;
	}
}

static void
judge_charge_values(struct judging *j, struct judged *it, struct windows_slot *s)
{
	struct windows_record *r, was;
	uint32_t keep = (uint32_t)(judge_longest(s) / 1000 + 1);
	size_t i;

	for (i = 0; i < it->n_values; i++) {
		r = it->values[i].record;
		if (r == NULL) {
			r = windows_make_record(j->w);
			*r = (struct windows_record){ .seen = j->now, .keep = keep, .kind = WINDOWS_VALUE,
			    .stripe = (uint8_t)(it->stripe - j->w->stripe), .epoch = s->epoch };
			windows_publish_record(j->w, it->stripe, r,
			    windows_value_name(s->salt, it->values[i].hash));
			continue;
		}
		was = *r;
		r->seen = j->now;
		r->keep = keep;
		r->epoch = s->epoch;
		atomic_signal_fence(memory_order_seq_cst);
		judge_uncount(s, &was, j->now);
	}
}

static void
judge_charge(struct judging *j, struct judged *it)
{
	struct windows_slot *s = it->slot;
	uint32_t amount = it->item->kind == STORE_SUM ? it->item->amount : (uint32_t)it->n_values;
	unsigned i;

	if (s == NULL) {
		s = windows_make(j->w);
		s->kind = (uint8_t)it->item->kind;
		s->salt = windows_new_salt(j->w);
	}
	if (judge_set_parts(it, s))
		windows_write_text(s, it->item->limit, it->item->key);
	for (i = 0; i < s->n; i++)
		limit_window_add(&s->part[i].window, j->now, amount);
	s->expires = j->now + judge_longest(s);
	if (it->slot == NULL)
		windows_publish(j->w, it->stripe, s, it->hash);
	atomic_signal_fence(memory_order_seq_cst);
	if (it->item->kind == STORE_DISTINCT)
		judge_charge_values(j, it, s);
}

static void
judge_remember(struct judging *j)
{
	struct windows_record *r = j->message_record;

	if (r != NULL) {
		r->seen = j->now;
		r->uses = 0;
		return;
	}
	r = windows_make_record(j->w);
	*r = (struct windows_record){ .seen = j->now, .keep = STORE_RETRY_TIME / 1000,
	    .kind = WINDOWS_MESSAGE, .stripe = (uint8_t)(j->message_stripe - j->w->stripe) };
	windows_publish_record(j->w, j->message_stripe, r, j->message);
}

static void
judge_charge_all(struct judging *j)
{
	struct windows_stripe *t = NULL;
	size_t i;

	for (i = 0; i < j->r->n; i++) {
		if (j->items[i].charge)
			judge_charge(j, &j->items[i]);
	}
	if (judge_remembers(j))
		judge_remember(j);
	else if (j->r->repeated && !j->r->dry)
		j->message_record->uses++;
	if (j->r->n > 0)
		t = j->items[0].stripe;
	if (t == NULL || j->r->dry)
		return;
	t->taken += j->r->taken;
	t->refused += !j->r->taken;
}

/* ---- the whole ---- */

static void
judge_tell_full(struct judging *j)
{
	const struct judged *it;
	size_t i;

	for (i = 0; i < j->r->n && !j->r->dry; i++) {
		it = &j->items[i];
		if (it->item->over && !it->item->soft && it->full_until > 0)
			store_full_add(j->m->full, j->generation, it->item->limit, it->item->key,
			    it->full_until, &it->full);
	}
}

static int
judge_rounds(struct judging *j, struct err *e)
{
	struct judge_need need;
	unsigned round;
	bool room;

	for (round = 0; round < JUDGE_ROUNDS; round++) {
		judge_lock(j);
		judge_find(j);
		judge_all(j);
		room = judge_room(j, &need);
		if (room)
			judge_charge_all(j);
		judge_unlock(j);
		if (room) {
			judge_tell_full(j);
			return 1;
		}
		if (!windows_make_room(j->w, need.slots, need.records, need.stripe, j->now))
			break;
	}
	j->r->taken = j->r->repeated = false;
	return err_set(e, ERR_FULL, "store: no room for %zu keys and %zu values within store.memory",
	    need.slots, need.records);
}

int
store_memory_judge(struct store *s, struct store_request *r, uint64_t deadline, struct err *e)
{
	struct judging j;
	size_t i, values = 0;
	int done;

	(void)deadline;		/* nothing here waits for longer than other threads hold a stripe */
	j.m = (struct store_memory *)s;
	j.w = j.m->windows;
	j.r = r;
	j.generation = store_full_generation(j.m->full);
	j.message_stripe = NULL;
	memset(j.stripes, 0, sizeof(j.stripes));
	for (i = 0; i < r->n; i++)
		values += r->items[i].kind == STORE_DISTINCT ? r->items[i].n_values : 0;
	j.items = r->n <= JUDGE_FEW ? j.few : store_alloc(r->n * sizeof(*j.items));
	j.values = values <= JUDGE_FEW_VALUES ? j.few_values : store_alloc(values * sizeof(*j.values));
	done = judge_prepare(&j, e);
	if (done == 1)
		done = judge_rounds(&j, e);
	if (j.items != j.few)
		free(j.items);
	if (j.values != j.few_values)
		free(j.values);
	return done;
}
