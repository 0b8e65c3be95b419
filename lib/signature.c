/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * signature - compares the header of one message with a set of signatures.
 *
 * Three steps. The fields that any signature mentions are sorted by name; nothing is decoded yet. Then
 * each test that hangs on a name present is tried against its fields, which are decoded when
 * a test first reads them. Last, the signatures whose tests held are looked at.
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
	size_t length;
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
	size_t n_fields, fields_space;
	struct node *nodes;
	size_t n_nodes, nodes_space;
	uint16_t *first, *last;		/* nodes of each name, NO_FIELD when there is none */
	uint16_t *same;			/* how many of each name */
	unsigned *present;		/* names that have nodes */
	size_t n_present;
	uint16_t *hit;			/* for each test the field that made it hold, plus 1; 0 = none */
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
		(void)err_at(e, s->file, s->tests[i].line);
		return 1;
	}
	return 0;
}

/* ---- the index ------------------------------------------------------------------ */

/* Fields in which a program says what it is. Those who are recognised by one move to the other. */
static const char *const signature_mailer_fields[] = { "x-mailer", "user-agent" };

uint64_t
signature_hash(const char *text, size_t n)
{
	uint64_t h = UINT64_C(14695981039346656037);
	size_t i;

	for (i = 0; i < n; i++)
		h = (h ^ (unsigned char)text[i]) * UINT64_C(1099511628211);
	return h ^ h >> 32;	/* the index takes the low bits */
}

static struct signature_slot *
signature_slot(const struct signature_set *s, const char *text, uint64_t hash)
{
	size_t i = hash & (s->n_slots - 1);

	while (s->slots[i].n > 0 && (s->slots[i].hash != hash || strcmp(s->slots[i].text, text) != 0))
		i = (i + 1) & (s->n_slots - 1);
	return &s->slots[i];
}

static void
signature_slot_add(struct signature_set *s, const char *text, unsigned name)
{
	const uint64_t hash = signature_hash(text, strlen(text));
	struct signature_slot *slot = signature_slot(s, text, hash);

	slot->text = text;
	slot->hash = hash;
	slot->names[slot->n++] = name;
}

void
signature_index(struct signature_set *s)
{
	size_t i, k;

	s->flood = -1;
	for (s->n_slots = 16; s->n_slots < 2 * (s->n_names + 2); s->n_slots *= 2)
		;
	s->slots = arena_zalloc(s->memory, s->n_slots * sizeof(*s->slots));
	s->wild = arena_alloc(s->memory, (s->n_names + 1) * sizeof(*s->wild));
	for (i = 0; i < s->n_names; i++) {
		if (s->names[i].wild)
			s->wild[s->n_wild++] = (unsigned)i;
		else if (strcmp(s->names[i].text, "@flood") == 0)
			s->flood = (int)i;
		else if (strcmp(s->names[i].text, "@mailer") == 0)
			for (k = 0; k < 2; k++)
				signature_slot_add(s, signature_mailer_fields[k], (unsigned)i);
		else
			signature_slot_add(s, s->names[i].text, (unsigned)i);
	}
}

/* Compares with "x-*-campaign-uid"; at most two '*' (signature_file.c), so this is short. */
static bool
signature_wild(const char *pattern, const char *name)
{
	const char *star = NULL, *retry = NULL;

	while (*name != '\0') {
		if (*pattern == '*') {
			star = ++pattern;
			retry = name;
		} else if (*pattern == *name) {
			pattern++;
			name++;
		} else if (star != NULL) {
			pattern = star;
			name = ++retry;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

/* A field name in lower case, without the blanks that obsolete syntax allows before the colon (RFC 5322 4.5).
 * Returns its length, 0 when it is none that a signature can name. */
static size_t
signature_lower_name(const char *name, char to[SIGNATURE_FIELD_NAME_MAX + 1])
{
	size_t n = 0;

	while (*name == ' ' || *name == '\t')
		name++;
	for (; name[n] != '\0'; n++) {
		if (n == SIGNATURE_FIELD_NAME_MAX)
			return 0;
		to[n] = name[n];
	}
	while (n > 0 && (to[n - 1] == ' ' || to[n - 1] == '\t'))
		n--;
	to[n] = '\0';
	(void)str_lower(to);
	return n;
}

bool
signature_wants(const struct signature_set *s, const char *name)
{
	char lower[SIGNATURE_FIELD_NAME_MAX + 1];
	size_t n, i;

	if (s == NULL || (n = signature_lower_name(name, lower)) == 0)
		return false;
	if (signature_slot(s, lower, signature_hash(lower, n))->n > 0)
		return true;
	for (i = 0; i < s->n_wild; i++)
		if (signature_wild(s->names[s->wild[i]].text, lower))
			return true;
	return false;
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
		w->present[w->n_present++] = name;
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
		if (signature_wild(s->names[s->wild[i]].text, f->name))
			names[n++] = s->wild[i];
	if (n == 0)
		return;
	f->header = &w->headers[position];
	f->position = position;
	f->text = NULL;
	f->lower = NULL;
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
	const size_t length = strnlen(value, SIGNATURE_VALUE_MAX + 1);

	if (f->text != NULL)
		return;
	if (length > SIGNATURE_VALUE_MAX && !matching_may_be_long(f->name))
		w->flood = true;
	if (length > w->text_left) {
		w->flood = true;
		f->text = "";
		f->length = 0;
		return;
	}
	w->text_left -= length;
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

static bool
matching_holds(struct matching *w, const struct signature_test *t, struct field *f)
{
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
matching_try(struct matching *w, unsigned name)
{
	const struct signature_name *n = &w->set->names[name];
	const struct signature_test *t;
	uint16_t node;
	size_t i;

	for (i = 0; i < n->n_tests; i++) {
		t = &w->set->tests[n->tests[i]];
		for (node = w->first[name]; node != NO_FIELD; node = w->nodes[node].next)
			if (matching_holds(w, t, &w->fields[w->nodes[node].field])) {
				w->hit[n->tests[i]] = (uint16_t)(w->nodes[node].field + 1);
				break;
			}
	}
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
	for (i = 0; i < flood->n_tests; i++)
		if (w->set->tests[flood->tests[i]].op == SIGNATURE_PRESENT)
			w->hit[flood->tests[i]] = NO_FIELD;	/* holds, by no field */
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

/* All signatures that hold, best first, into found; returns how many. */
static size_t
matching_find(struct matching *w, const struct signature_entry **found)
{
	const struct signature_set *s = w->set;
	unsigned char *seen = arena_zalloc(w->scratch, s->n_entries);
	size_t n = 0, name, i, k;
	const struct signature_test *t;
	const struct signature_name *names;

	/* The names that are there, and "@flood", which always is asked. */
	for (name = 0; name <= w->n_present; name++) {
		if (name == w->n_present && s->flood < 0)
			break;
		names = &s->names[name < w->n_present ? w->present[name] : (unsigned)s->flood];
		for (i = 0; i < names->n_tests; i++) {
			t = &s->tests[names->tests[i]];
			for (k = 0; w->hit[names->tests[i]] != 0 && k < t->n_entries; k++) {
				if (seen[t->entries[k]]++ == 0 &&
				    matching_entry(w, &s->entries[t->entries[k]]))
					found[n++] = &s->entries[t->entries[k]];
				seen[t->entries[k]] = 1;
			}
		}
	}
	qsort(found, n, sizeof(*found), matching_order);
	return n;
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
		to[n].name = arena_strdup(a, found[i]->name);
		to[n].kind = found[i]->kind;
		to[n].title = arena_strdup(a, found[i]->title);
		to[n].confidence = found[i]->confidence;
		to[n].evidence = matching_evidence(w, found[i], a);
		n++;
	}
	return n;
}

static void
matching_begin(struct matching *w, const struct signature_set *s, const struct signature_header *headers,
    size_t n)
{
	struct arena *a = arena_new(ARENA_DEFAULT_CAP);

	*w = (struct matching){ .set = s, .headers = headers, .n_headers = n, .scratch = a };
	w->text_left = SIGNATURE_TEXT_MAX;
	w->scan_left = SIGNATURE_SCAN_MAX;
	w->fields_space = n < SIGNATURE_FIELDS_MAX ? n : SIGNATURE_FIELDS_MAX;
	w->fields = arena_alloc(a, w->fields_space * sizeof(*w->fields));
	w->nodes_space = 4 * w->fields_space;
	w->nodes = arena_alloc(a, w->nodes_space * sizeof(*w->nodes));
	w->first = arena_alloc(a, s->n_names * sizeof(*w->first));
	memset(w->first, 0xff, s->n_names * sizeof(*w->first));
	w->last = arena_alloc(a, s->n_names * sizeof(*w->last));
	w->same = arena_zalloc(a, s->n_names * sizeof(*w->same));
	w->present = arena_alloc(a, s->n_names * sizeof(*w->present));
	w->hit = arena_zalloc(a, s->n_tests * sizeof(*w->hit));
}

size_t
signature_match(const struct signature_set *s, const struct signature_header *headers, size_t n,
    struct arena *a, struct signature_match *to, size_t n_most)
{
	const struct signature_entry **found;
	struct matching w;
	size_t n_found;

	if (s == NULL || s->n_entries == 0 || n == 0 || n_most == 0)
		return 0;
	matching_begin(&w, s, headers, n);
	matching_sort(&w);
	matching_try_all(&w);
	found = arena_alloc(w.scratch, s->n_entries * sizeof(*found));
	n_found = matching_find(&w, found);
	n_found = matching_tell(&w, found, n_found, a, to, n_most);
	pattern_work_free(&w.work);
	arena_free(&w.scratch);
	return n_found;
}
