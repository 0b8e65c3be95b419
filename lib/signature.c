/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * signature - compares the header of one message with a set of signatures.
 *
 * Three steps. The fields that any signature mentions are sorted by name; nothing is decoded yet. Then
 * the tests that hang on a name present are tried against its fields, which are decoded when
 * a test first reads them. Last, the signatures whose tests held are looked at. The start of the body, when
 * a signature asks for it, is one more field.
 *
 * Whoever writes the header is an adversary, so all of it is bounded: fields, bytes, what patterns may
 * read, how often one may run into its limit. What is past a bound counts as not there, and the field
 * "@flood" then exists: a signature can ask for it, so hiding behind a flood shows.
 *
 * What is in the file is signature_file.c's business, what a value means signature_text.c's, what to do about
 * a match the caller's.
 */
#include "lib/signature.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/signature_private.h"
#include "lib/str.h"

#include "lib/banned.h"

#define EVIDENCE_MAX 400u	/* all lines */
#define EVIDENCE_VALUE_MAX 100u	/* one value */
#define NO_FIELD UINT16_MAX

/* In the order of the manual page. */
static const char *const signature_kinds[] = {
	"bulk", "webshell", "desktop", "newsletter", "crm", "list", "library"
};
#define SIGNATURE_KINDS (sizeof(signature_kinds) / sizeof(signature_kinds[0]))

struct field {
	const struct signature_header *header;
	char name[SIGNATURE_FIELD_NAME_MAX + 1];	/* lower case, trimmed */
	size_t position;		/* in the message */
	const char *text;		/* NULL until a test reads it */
	char *lower;			/* NULL until a test without case reads it */
	uint64_t *pairs;		/* NULL until a test asks: the pairs of letters that it holds */
	size_t length;
	unsigned first_name;		/* of the names that it stands for */
};

/* A field under one of the names it stands for. */
struct node {
	uint16_t field, next;
};

struct matching {
	const struct signature_set *set;
	const struct signature_header *headers;
	size_t n_headers;
	struct arena *scratch;
	struct pattern_work *work;
	struct field *fields;
	size_t n_fields, fields_space;	/* one more place is kept for the body */
	struct node *nodes;
	size_t n_nodes, nodes_space;
	uint16_t *first, *last;		/* nodes of each name, NO_FIELD when there is none */
	uint16_t *same;			/* how many of each name */
	uint16_t *read;			/* bytes read of each name */
	uint16_t *present;		/* names that have nodes */
	size_t n_present;
	uint16_t *hit;			/* for each test the field that made it hold, plus 1; 0 = none */
	uint16_t *held;			/* tests that hold */
	size_t n_held;
	size_t text_left, scan_left;
	unsigned given_up;
	bool flood;
};

/* ---- kinds and the set ------------------------------------------------------ */

bool
signature_kind_known(const char *kind)
{
	size_t i;

	for (i = 0; i < SIGNATURE_KINDS; i++)
		if (strcmp(signature_kinds[i], kind) == 0)
			return true;
	return false;
}

const char *
signature_kind(size_t n)
{
	return n < SIGNATURE_KINDS ? signature_kinds[n] : NULL;
}

struct signature_set *
signature_ref(struct signature_set *s)
{
	if (s != NULL)
		atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void
signature_unref(struct signature_set **s)
{
	struct arena *memory;
	size_t i;

	if (*s != NULL && atomic_fetch_sub_explicit(&(*s)->refs, 1, memory_order_acq_rel) == 1) {
		for (i = 0; i < (*s)->n_tests; i++)
			pattern_free(&(*s)->tests[i].pattern);
		memory = (*s)->memory;	/* the set itself lies in it */
		arena_free(&memory);
	}
	*s = NULL;
}

size_t
signature_count(const struct signature_set *s)
{
	return s == NULL ? 0 : s->n_entries;
}

int
signature_slow(struct signature_set *s, struct err *e)
{
	unsigned char was;
	size_t i;

	if (s == NULL || atomic_load_explicit(&s->n_slow, memory_order_relaxed) == 0)
		return 0;
	for (i = 0; i < s->n_tests; i++) {
		was = 1;
		if (!atomic_compare_exchange_strong(&s->tests[i].slow, &was, 2))
			continue;
		atomic_fetch_sub_explicit(&s->n_slow, 1, memory_order_relaxed);
		(void)err_set(e, ERR_FULL,
		    "signature %s: a pattern ran into its limit and counts as no match: %s",
		    s->tests[i].owner, s->tests[i].text);
		(void)err_at(e, s->tests[i].file, s->tests[i].line);
		return 1;
	}
	return 0;
}

/* ---- step one: the fields, by name ------------------------------------------------ */

static void
matching_add_node(struct matching *w, unsigned name, uint16_t field)
{
	const uint16_t node = (uint16_t)w->n_nodes;

	if (w->n_nodes == w->nodes_space || w->same[name] == SIGNATURE_SAME_MAX) {
		w->flood |= w->set->names[name].values;
		return;
	}
	w->nodes[w->n_nodes++] = (struct node){ field, NO_FIELD };
	if (w->same[name]++ == 0) {
		w->first[name] = node;
		w->present[w->n_present++] = (uint16_t)name;
	} else {
		w->nodes[w->last[name]].next = node;
	}
	w->last[name] = node;
}

static void
matching_add_field(struct matching *w, size_t position)
{
	const struct signature_set *s = w->set;
	struct field *f = &w->fields[w->n_fields];
	const struct signature_slot *slot;
	unsigned names[2 + SIGNATURE_WILD_MAX];
	size_t length, n = 0, i;

	length = signature_lower_name(w->headers[position].name, f->name);
	if (length == 0)
		return;
	slot = signature_slot(s, f->name, signature_hash(f->name, length));
	for (i = 0; i < slot->n; i++)
		names[n++] = slot->names[i];
	for (i = 0; i < s->n_wild; i++)
		if (signature_wild(&s->names[s->wild[i]], f->name, length))
			names[n++] = s->wild[i];
	if (n == 0)
		return;
	f->header = &w->headers[position];
	f->position = position;
	f->text = NULL;
	f->lower = NULL;
	f->pairs = NULL;
	f->first_name = names[0];
	for (i = 0; i < n; i++)
		matching_add_node(w, names[i], (uint16_t)w->n_fields);
	w->n_fields++;
}

static void
matching_sort(struct matching *w)
{
	size_t i;

	for (i = 0; i < w->n_headers; i++) {
		if (w->n_fields < w->fields_space)
			matching_add_field(w, i);
		else if (!w->flood)
			w->flood = signature_wants(w->set, w->headers[i].name);
		else
			break;
	}
}

/* ---- step two: the tests ------------------------------------------------------------ */

/* Long by nature: many recipients are no flood. */
static bool
matching_may_be_long(const char *name)
{
	static const char *const names[] = { "to", "cc", "bcc", "references", "received", "dkim-signature" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static void
matching_read(struct matching *w, struct field *f)
{
	const char *value = f->header->value;
	size_t length, cost;
	bool room;

	if (f->text != NULL)
		return;
	length = cost = strnlen(value, SIGNATURE_VALUE_MAX + 1);
	if (length > SIGNATURE_VALUE_MAX && !matching_may_be_long(f->name))
		w->flood = true;
	room = length <= w->text_left && w->read[f->first_name] + length <= SIGNATURE_VALUES_MAX;
	if (room && memmem(value, length, "=?", 2) != NULL)
		cost *= 2;	/* decoding takes the most time */
	if (!room || cost > w->text_left) {
		w->flood = true;
		f->text = "";
		f->length = 0;
		return;
	}
	w->text_left -= cost;
	w->read[f->first_name] = (uint16_t)(w->read[f->first_name] + length);
	f->text = signature_text(w->scratch, f->name, value, SIGNATURE_VALUE_MAX, &f->length);
}

static const char *
matching_lower(struct matching *w, struct field *f)
{
	matching_read(w, f);
	if (f->lower == NULL)
		f->lower = str_lower(arena_strndup(w->scratch, f->text, f->length));
	return f->lower;
}

static unsigned char
matching_lower_byte(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

/* Reading costs; false when the message has used up what it may cost. */
static bool
matching_pay(struct matching *w, size_t bytes)
{
	if (w->scan_left < bytes + 16) {
		w->flood = true;
		return false;
	}
	w->scan_left -= bytes + 16;
	return true;
}

static bool
matching_literal(struct matching *w, const struct signature_test *t, struct field *f)
{
	const char *text = matching_lower(w, f);

	if (f->length < t->length || !matching_pay(w, t->op == SIGNATURE_CONTAINS ? f->length : t->length))
		return false;
	switch (t->op) {
	case SIGNATURE_IS:
		return f->length == t->length && memcmp(text, t->text, t->length) == 0;
	case SIGNATURE_STARTS:
		return memcmp(text, t->text, t->length) == 0;
	case SIGNATURE_ENDS:
		return memcmp(text + f->length - t->length, t->text, t->length) == 0;
	default:
		return memmem(text, f->length, t->text, t->length) != NULL;
	}
}

static void
matching_gave_up(struct matching *w, const struct signature_test *t)
{
	/* The set is shared and constant but for these two counters. */
	struct signature_test *slow = (struct signature_test *)(uintptr_t)t;
	struct signature_set *set = (struct signature_set *)(uintptr_t)w->set;
	unsigned char was = 0;

	w->given_up++;
	w->flood = true;
	if (atomic_compare_exchange_strong(&slow->slow, &was, 1))
		atomic_fetch_add_explicit(&set->n_slow, 1, memory_order_relaxed);
}

static bool
matching_pattern(struct matching *w, const struct signature_test *t, struct field *f,
    struct pattern_part *part)
{
	int rc;

	matching_read(w, f);
	if (w->given_up >= SIGNATURE_GIVEN_UP_MAX || !matching_pay(w, f->length))
		return false;
	if (w->work == NULL)
		w->work = pattern_work_new();
	rc = pattern_match(t->pattern, w->work, f->text, f->length, part);
	if (rc < 0)
		matching_gave_up(w, t);
	return rc == 1;
}

/* What the pattern's first part matched, in lower case, must stand in one of the other fields too. */
static bool
matching_repeats(struct matching *w, const struct signature_test *t, struct field *f)
{
	struct pattern_part part = { 0, 0 };
	const char *text;
	struct field *other;
	uint16_t node;

	if (w->first[t->other] == NO_FIELD || !matching_pattern(w, t, f, &part) || part.length < 3)
		return false;
	text = matching_lower(w, f);
	for (node = w->first[t->other]; node != NO_FIELD; node = w->nodes[node].next) {
		other = &w->fields[w->nodes[node].field];
		if (other != f && matching_lower(w, other) != NULL && matching_pay(w, other->length) &&
		    memmem(other->lower, other->length, text + part.start, part.length) != NULL)
			return true;
	}
	return false;
}

static bool
matching_before(const struct matching *w, const struct signature_test *t, const struct field *f)
{
	return w->first[t->other] != NO_FIELD &&
	    f->position < w->fields[w->nodes[w->first[t->other]].field].position;
}

static bool
matching_differs(struct matching *w, const struct signature_test *t, struct field *f)
{
	struct field *first = &w->fields[w->nodes[w->first[t->name]].field];

	if (f == first || strcmp(f->name, first->name) != 0 || !matching_pay(w, SIGNATURE_VALUE_MAX))
		return false;
	return strcmp(matching_lower(w, first), matching_lower(w, f)) != 0;
}

/* The message has a field whose name is X- and this value. */
static bool
matching_twin(struct matching *w, struct field *f)
{
	const char *text = matching_lower(w, f);
	char name[SIGNATURE_FIELD_NAME_MAX + 1];
	size_t i, most = w->n_headers < 4 * SIGNATURE_FIELDS_MAX ? w->n_headers : 4 * SIGNATURE_FIELDS_MAX;

	if (f->length == 0 || f->length > SIGNATURE_FIELD_NAME_MAX - 2 || !matching_pay(w, 16 * most))
		return false;
	for (i = 0; i < most; i++)
		if ((w->headers[i].name[0] | 0x20) == 'x' &&
		    signature_lower_name(w->headers[i].name, name) > 2 &&
		    name[1] == '-' && strcmp(name + 2, text) == 0)
			return true;
	return false;
}

static const uint64_t *
matching_pairs(struct matching *w, struct field *f)
{
	unsigned pair;
	size_t i;

	matching_read(w, f);
	if (f->pairs != NULL)
		return f->pairs;
	f->pairs = arena_zalloc(w->scratch, SIGNATURE_PAIRS / 8);
	for (i = 0; i + 1 < f->length; i++) {
		pair = signature_pair(matching_lower_byte(f->text[i]), matching_lower_byte(f->text[i + 1]));
		f->pairs[pair / 64] |= UINT64_C(1) << pair % 64;
	}
	return f->pairs;
}

/* False when the value lacks what every match of the test holds. Costs next to nothing where there are many
 * tests and one value. */
static bool
matching_may_hold(struct matching *w, const struct signature_test *t, struct field *f)
{
	const uint64_t *pairs;
	size_t i;

	if (t->n_need == 0)
		return true;
	matching_read(w, f);
	if (t->need_first)
		return f->length >= t->n_need && strncasecmp(f->text, t->need, t->n_need) == 0;
	pairs = matching_pairs(w, f);
	for (i = 0; i < SIGNATURE_NEED_PAIRS; i++)
		if ((pairs[t->pairs[i] / 64] & UINT64_C(1) << t->pairs[i] % 64) == 0)
			return false;
	return true;
}

static bool
matching_holds(struct matching *w, const struct signature_test *t, struct field *f)
{
	if (!matching_may_hold(w, t, f))
		return false;
	switch (t->op) {
	case SIGNATURE_PRESENT:
		return true;
	case SIGNATURE_MATCHES:
		return matching_pattern(w, t, f, NULL);
	case SIGNATURE_REPEATS:
		return matching_repeats(w, t, f);
	case SIGNATURE_BEFORE:
		return matching_before(w, t, f);
	case SIGNATURE_DIFFERS:
		return matching_differs(w, t, f);
	case SIGNATURE_TWIN:
		return matching_twin(w, f);
	default:
		return matching_literal(w, t, f);
	}
}

static void
matching_try_test(struct matching *w, unsigned test, uint16_t field)
{
	if (w->hit[test] != 0 || !matching_holds(w, &w->set->tests[test], &w->fields[field]))
		return;
	w->hit[test] = (uint16_t)(field + 1);
	w->held[w->n_held++] = (uint16_t)test;
}

/* Tries the tests in a part of the name's list that have this key. */
static void
matching_try_key(struct matching *w, const struct signature_name *n, size_t low, size_t end, unsigned key,
    uint16_t field)
{
	size_t high = end, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (n->key[middle] < key)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < end && n->key[low] == key; low++)
		matching_try_test(w, n->tests[low], field);
}

static void
matching_try_field(struct matching *w, const struct signature_name *n, uint16_t field)
{
	struct field *f = &w->fields[field];
	const uint64_t *pairs;
	uint64_t both;
	size_t i;

	for (i = 0; i < n->n_free; i++)
		matching_try_test(w, n->tests[i], field);
	if (n->n_free < n->n_held) {
		pairs = matching_pairs(w, f);
		for (i = 0; i < SIGNATURE_PAIRS / 64; i++)
			for (both = pairs[i] & n->pairs[i]; both != 0; both &= both - 1)
				matching_try_key(w, n, n->n_free, n->n_held,
				    (unsigned)(64 * i) + (unsigned)__builtin_ctzll(both), field);
	}
	if (n->n_held < n->n_tests) {
		matching_read(w, f);
		matching_try_key(w, n, n->n_held, n->n_tests, matching_lower_byte(*f->text), field);
	}
}

static void
matching_try(struct matching *w, unsigned name)
{
	uint16_t node;

	for (node = w->first[name]; node != NO_FIELD; node = w->nodes[node].next)
		matching_try_field(w, &w->set->names[name], w->nodes[node].field);
}

static void
matching_try_all(struct matching *w)
{
	const struct signature_name *flood;
	size_t i;

	for (i = 0; i < w->n_present; i++)
		matching_try(w, w->present[i]);
	if (!w->flood || w->set->flood < 0)
		return;
	flood = &w->set->names[w->set->flood];
	for (i = 0; i < flood->n_tests; i++) {
		w->hit[flood->tests[i]] = NO_FIELD;	/* holds, by no field */
		w->held[w->n_held++] = (uint16_t)flood->tests[i];
	}
}

/* ---- step three: the signatures -------------------------------------------------------- */

static bool
matching_entry(const struct matching *w, const struct signature_entry *e)
{
	bool any = false, any_holds = false, holds;
	size_t i;

	for (i = 0; i < e->n; i++) {
		holds = w->hit[e->conditions[i].test] != 0;
		if (e->conditions[i].how == SIGNATURE_ANY) {
			any = true;
			any_holds |= holds;
		} else if (holds == (e->conditions[i].how == SIGNATURE_NONE)) {
			return false;
		}
	}
	return !any || any_holds;
}

static const char *
matching_evidence(struct matching *w, const struct signature_entry *e, struct arena *a)
{
	char space[EVIDENCE_MAX], cut[EVIDENCE_VALUE_MAX + 1];
	struct str s = STR_IN(space);
	struct field *f;
	uint16_t hit;
	size_t i, k;

	*space = '\0';
	for (i = 0; i < e->n && !s.cut; i++) {
		hit = w->hit[e->conditions[i].test];
		for (k = 0; k < i && w->hit[e->conditions[k].test] != hit; k++)
			;
		if (e->conditions[i].how == SIGNATURE_NONE || hit == 0 || hit == NO_FIELD || k < i)
			continue;
		f = &w->fields[hit - 1];
		matching_read(w, f);
		(void)str_copy(cut, sizeof(cut), f->text);
		str_cat(&s, s.len == 0 ? "" : "; ");
		str_cat_safe(&s, f->header->name);
		str_cat(&s, ": ");
		str_cat_safe(&s, cut);
		str_cat(&s, f->length > EVIDENCE_VALUE_MAX ? "..." : "");
	}
	if (s.len == 0)
		str_cat(&s, "header beyond the bounds of matching");
	return arena_strdup(a, s.data);
}

/* Better ones first: higher confidence, then the order of the file. */
static int
matching_order(const void *a, const void *b)
{
	const struct signature_entry *x = *(const struct signature_entry *const *)a;
	const struct signature_entry *y = *(const struct signature_entry *const *)b;

	if (x->confidence != y->confidence)
		return x->confidence < y->confidence ? 1 : -1;
	return x < y ? -1 : x > y;
}

/* All signatures that hold, best first; returns how many. */
static size_t
matching_find(struct matching *w, const struct signature_entry ***to)
{
	const struct signature_set *s = w->set;
	unsigned char *seen = arena_zalloc(w->scratch, s->n_entries);
	const struct signature_entry **found;
	const struct signature_test *t;
	size_t n = 0, most = 0, i, k;

	for (i = 0; i < w->n_held; i++)
		most += s->tests[w->held[i]].n_entries;
	*to = found = arena_alloc(w->scratch, (most + 1) * sizeof(*found));
	for (i = 0; i < w->n_held; i++) {
		t = &s->tests[w->held[i]];
		for (k = 0; k < t->n_entries; k++) {
			if (seen[t->entries[k]] == 0 && matching_entry(w, &s->entries[t->entries[k]]))
				found[n++] = &s->entries[t->entries[k]];
			seen[t->entries[k]] = 1;
		}
	}
	qsort(found, n, sizeof(const struct signature_entry *), matching_order);
	return n;
}

static void
matching_say(struct matching *w, const struct signature_entry *e, struct arena *a, struct signature_match *to)
{
	to->name = arena_strdup(a, e->name);
	to->kind = e->kind;
	to->title = arena_strdup(a, e->title);
	to->confidence = e->confidence;
	to->evidence = matching_evidence(w, e, a);
	to->where = arena_printf(a, "%s:%u", e->file, e->line);
}

static size_t
matching_tell(struct matching *w, const struct signature_entry **found, size_t n_found, struct arena *a,
    struct signature_match *to, size_t n_most)
{
	size_t n = 0, i, k;

	for (i = 0; i < n_found && n < n_most; i++) {
		/* Several signatures may bear one name: shapes of the same program. */
		for (k = 0; k < n && strcmp(to[k].name, found[i]->name) != 0; k++)
			;
		if (k < n)
			continue;
		matching_say(w, found[i], a, &to[n++]);
	}
	return n;
}

static void
matching_begin(struct matching *w, const struct signature_set *s, const struct signature_message *m)
{
	struct arena *a = arena_new(ARENA_DEFAULT_CAP);

	*w = (struct matching){ .set = s, .headers = m->headers, .n_headers = m->n, .scratch = a };
	w->text_left = SIGNATURE_TEXT_MAX;
	w->scan_left = SIGNATURE_SCAN_MAX;
	w->fields_space = m->n < SIGNATURE_FIELDS_MAX ? m->n : SIGNATURE_FIELDS_MAX;
	w->fields = arena_alloc(a, (w->fields_space + 1) * sizeof(*w->fields));
	w->nodes_space = 4 * w->fields_space;
	w->nodes = arena_alloc(a, (w->nodes_space + 1) * sizeof(*w->nodes));
	w->first = arena_alloc(a, s->n_names * sizeof(*w->first));
	memset(w->first, 0xff, s->n_names * sizeof(*w->first));
	w->last = arena_alloc(a, s->n_names * sizeof(*w->last));
	w->same = arena_zalloc(a, 2 * s->n_names * sizeof(*w->same));
	w->read = w->same + s->n_names;
	w->present = arena_alloc(a, s->n_names * sizeof(*w->present));
	w->hit = arena_zalloc(a, s->n_tests * sizeof(*w->hit));
	w->held = arena_alloc(a, s->n_tests * sizeof(*w->held));
}

/* The start of the body is a field of its own, named as no field can be asked for otherwise. */
static void
matching_add_body(struct matching *w, const struct signature_message *m)
{
	static const struct signature_header header = { "body", "" };
	struct field *f = &w->fields[w->n_fields];
	const unsigned name = (unsigned)w->set->body;

	if (w->set->body < 0 || m->body == NULL)
		return;
	*f = (struct field){ .header = &header, .position = w->n_headers, .first_name = name };
	f->text = signature_body_text(w->scratch, m->body,
	    m->body_bytes < SIGNATURE_BODY_MAX ? m->body_bytes : SIGNATURE_BODY_MAX, &f->length);
	w->nodes[w->n_nodes] = (struct node){ (uint16_t)w->n_fields++, NO_FIELD };
	w->first[name] = (uint16_t)w->n_nodes++;
	w->present[w->n_present++] = (uint16_t)name;
}

static void
matching_run(struct matching *w, const struct signature_set *s, const struct signature_message *m)
{
	matching_begin(w, s, m);
	matching_sort(w);
	matching_add_body(w, m);
	matching_try_all(w);
}

static void
matching_end(struct matching *w)
{
	pattern_work_free(&w->work);
	arena_free(&w->scratch);
}

size_t
signature_match_message(const struct signature_set *s, const struct signature_message *m, struct arena *a,
    struct signature_match *to, size_t n_most)
{
	const struct signature_entry **found;
	struct matching w;
	size_t n_found;

	if (s == NULL || s->n_entries == 0 || (m->n == 0 && m->body == NULL) || n_most == 0)
		return 0;
	matching_run(&w, s, m);
	n_found = matching_find(&w, &found);
	n_found = matching_tell(&w, found, n_found, a, to, n_most);
	matching_end(&w);
	return n_found;
}

size_t
signature_match(const struct signature_set *s, const struct signature_header *headers, size_t n,
    struct arena *a, struct signature_match *to, size_t n_most)
{
	const struct signature_message m = { .headers = headers, .n = n };

	return signature_match_message(s, &m, a, to, n_most);
}

/* ---- what came closest ---------------------------------------------------------------------- */

#define MISSING_MAX 400u
#define OWN_NAME_TESTS 3u	/* a field that so few conditions are about says something by being there */

/* Every message has these: that one is there, with another value, is no likeness. */
static bool
is_everyones(const char *name)
{
	static const char *const names[] = { "bcc", "cc", "content-transfer-encoding", "content-type", "date",
		"from", "message-id", "mime-version", "received", "reply-to", "return-path", "sender", "subject",
		"to" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_ieq(name, names[i]))
			return true;
	return false;
}

struct closeness {
	unsigned missing;	/* things that would have to change */
	unsigned held;		/* conditions that hold */
	unsigned near;		/* fields that are there, with another value */
};

static struct closeness
closeness_of(const struct matching *w, const struct signature_entry *e)
{
	struct closeness c = { 0, 0, 0 };
	bool any = false, any_holds = false, holds;
	const struct signature_test *t;
	size_t i;

	for (i = 0; i < e->n; i++) {
		t = &w->set->tests[e->conditions[i].test];
		holds = w->hit[e->conditions[i].test] != 0;
		if (e->conditions[i].how == SIGNATURE_NONE) {
			c.missing += holds;
			continue;
		}
		c.held += holds;
		c.near += !holds && w->first[t->name] != NO_FIELD &&
		    w->set->names[t->name].n_tests <= OWN_NAME_TESTS &&
		    !is_everyones(w->set->names[t->name].text);
		if (e->conditions[i].how == SIGNATURE_ANY) {
			any = true;
			any_holds |= holds;
		} else {
			c.missing += !holds;
		}
	}
	c.missing += any && !any_holds;
	return c;
}

static bool
closeness_better(const struct closeness *c, const struct closeness *best)
{
	const unsigned found = 2 * c->held + c->near, most = 2 * best->held + best->near;

	if (found == 0 || c->missing == 0)
		return false;
	if (most == 0 || (c->held > 0) != (best->held > 0))
		return most == 0 || c->held > 0;
	return c->missing != best->missing ? c->missing < best->missing : found > most;
}

static void
missing_add(struct str *s, const struct matching *w, const struct signature_condition *c)
{
	const struct signature_test *t = &w->set->tests[c->test];

	str_cat(s, s->len == 0 ? "" : c->how == SIGNATURE_ANY ? ", or " : "; ");
	str_cat(s, c->how == SIGNATURE_NONE ? "no " : "");
	str_cat(s, w->set->names[t->name].text);
	if (t->op == SIGNATURE_PRESENT)
		return;
	str_catf(s, " %s", signature_op_word(t->op));
	if (t->op == SIGNATURE_REPEATS || t->op == SIGNATURE_BEFORE)
		str_catf(s, " %s", w->set->names[t->other].text);
	if (t->text != NULL) {
		str_cat(s, " ");
		str_cat_safe(s, t->text);
	}
}

static const char *
closest_missing(struct matching *w, const struct signature_entry *e, struct arena *a)
{
	char space[MISSING_MAX];
	struct str s = STR_IN(space);
	bool any_holds = false, holds;
	size_t i;

	*space = '\0';
	for (i = 0; i < e->n; i++)
		any_holds |= e->conditions[i].how == SIGNATURE_ANY && w->hit[e->conditions[i].test] != 0;
	for (i = 0; i < e->n && !s.cut; i++) {
		holds = w->hit[e->conditions[i].test] != 0;
		if (holds == (e->conditions[i].how == SIGNATURE_NONE) &&
		    (e->conditions[i].how != SIGNATURE_ANY || !any_holds))
			missing_add(&s, w, &e->conditions[i]);
	}
	return arena_strdup(a, s.data);
}

bool
signature_closest(const struct signature_set *s, const struct signature_message *m, struct arena *a,
    struct signature_near *to)
{
	const struct signature_entry *closest = NULL;
	struct closeness best = { 0, 0, 0 }, c;
	struct matching w;
	size_t i;

	if (s == NULL || s->n_entries == 0)
		return false;
	matching_run(&w, s, m);
	for (i = 0; i < s->n_entries; i++) {
		c = closeness_of(&w, &s->entries[i]);
		if (!closeness_better(&c, &best))
			continue;
		best = c;
		closest = &s->entries[i];
	}
	if (closest != NULL) {
		matching_say(&w, closest, a, &to->it);
		if (best.held == 0)
			to->it.evidence = "";
		to->missing = closest_missing(&w, closest, a);
	}
	matching_end(&w);
	return closest != NULL;
}
