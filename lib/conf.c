/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * conf - loads gatepost.conf into a counted snapshot, and compares two of them.
 *
 * Everything a snapshot holds lies in one arena, which goes with the last reference. Reading it needs no
 * lock, since nothing in it ever changes; only the count does.
 * What is deliberately not done here: to open anything that the file names. A table that is missing or a
 * socket that cannot be bound is found by those who use it.
 */
#include "lib/conf_private.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/banned.h"

#define CONF_ARENA_CAP (SIZE_MAX / 2)	/* bounded by CONF_FILE_MAX instead */
#define CONF_VALUE_MOST 160		/* of a value in a message */

struct conf_holder {
	struct conf conf;	/* first: what conf_load returns */
	atomic_uint references;
	struct arena *arena;	/* the holder itself lies in it */
	struct conf_place place[CONF_RULES_MAX];	/* of each row of conf_table_main */
};

static struct conf_holder *
conf_holder_of(struct conf *c)
{
	return (struct conf_holder *)c;
}

/* ---- load -------------------------------------------------------------------------- */

/* "" would make every relay the same one in stamps and alerts. */
static const char *
conf_host_name(struct conf_reader *r)
{
	char name[256];
	struct str ignored = { NULL, 0, 0, false };

	if (gethostname(name, sizeof(name)) != 0)
		return "localhost";
	name[sizeof(name) - 1] = '\0';
	if (name[0] == '\0' || !conf_check_relay(name, &ignored))
		return "localhost";
	return arena_strdup(r->keep, name);
}

static struct conf *
conf_build(struct conf_reader *r, bool (*get)(struct conf_reader *, struct conf_source *, void *),
    void *cookie)
{
	struct conf_holder *h = arena_zalloc(r->keep, sizeof(*h));
	struct conf_source s;
	bool ok;

	atomic_init(&h->references, 1);
	h->arena = r->keep;
	h->conf.file = r->file;
	r->place = h->place;
	ok = get(r, &s, cookie);
	if (ok)
		r->root = conf_parse(r, &s);
	conf_source_free(&s);
	if (r->root == NULL)
		return &h->conf;
	conf_read_group(r, &conf_table_main, r->root, &h->conf, r->place);
	conf_check(r, &h->conf);
	if (h->conf.relay[0] == '\0')
		h->conf.relay = conf_host_name(r);
	return &h->conf;
}

static struct conf *
conf_start(const char *file, struct conf_problems *p,
    bool (*get)(struct conf_reader *, struct conf_source *, void *), void *cookie)
{
	struct conf_problems mine = { .say = NULL };
	struct conf_reader r = { .p = p == NULL ? &mine : p };
	struct conf *c;

	r.keep = arena_new(CONF_ARENA_CAP);
	r.scratch = arena_new(CONF_ARENA_CAP);
	r.file = arena_strdup(r.keep, file);
	c = conf_build(&r, get, cookie);
	conf_tell(&r);
	if (r.mistakes > 0)
		conf_unref(&c);
	arena_free(&r.scratch);
	return c;
}

static bool
conf_get_file(struct conf_reader *r, struct conf_source *s, void *cookie)
{
	(void)cookie;
	return conf_source_read(r, s);
}

struct conf *
conf_load(const char *file, struct conf_problems *p)
{
	return conf_start(file, p, conf_get_file, NULL);
}

struct conf_bytes {
	const char *bytes;
	size_t n;
};

static bool
conf_get_bytes(struct conf_reader *r, struct conf_source *s, void *cookie)
{
	const struct conf_bytes *b = cookie;

	return conf_source_bytes(r, s, b->bytes, b->n);
}

struct conf *
conf_load_bytes(const char *name, const char *bytes, size_t n, struct conf_problems *p)
{
	struct conf_bytes b = { bytes, n };

	return conf_start(name, p, conf_get_bytes, &b);
}

struct conf *
conf_ref(struct conf *c)
{
	if (c != NULL)
		atomic_fetch_add_explicit(&conf_holder_of(c)->references, 1, memory_order_relaxed);
	return c;
}

void
conf_unref(struct conf **c)
{
	struct arena *a;

	if (c == NULL || *c == NULL)
		return;
	a = conf_holder_of(*c)->arena;
	/* acq_rel: what any thread read of the snapshot happened before it is freed */
	if (atomic_fetch_sub_explicit(&conf_holder_of(*c)->references, 1, memory_order_acq_rel) == 1)
		arena_free(&a);
	*c = NULL;
}

/* ---- questions ------------------------------------------------------------------------ */

const struct conf_plan *
conf_plan_find(const struct conf *c, const char *name)
{
	size_t i;

	for (i = 0; name != NULL && i < c->n_plans; i++)
		if (strcmp(c->plans[i].name, name) == 0)
			return &c->plans[i];
	return NULL;
}

const struct conf_limit *
conf_limit_find(const struct conf *c, const char *name)
{
	size_t i;

	for (i = 0; name != NULL && i < c->n_limits; i++)
		if (strcmp(c->limits[i].name, name) == 0)
			return &c->limits[i];
	return NULL;
}

void
conf_row_value(const struct conf *c, size_t n, struct str *to)
{
	const struct conf_rule *u;

	if (n >= conf_table_main.n)
		return;
	u = &conf_table_main.rules[n];
	u->type->write(to, u, (const char *)c + u->at);
}

char *
conf_row_value_new(const struct conf *c, size_t row)
{
	struct str s = { NULL, 0, 256, false };

	do {
		free(s.data);
		s = (struct str){ malloc(s.size * 2), 0, s.size * 2, false };
		if (s.data == NULL)
			abort();
		s.data[0] = '\0';
		conf_row_value(c, row, &s);
	} while (s.cut);
	return s.data;
}

size_t
conf_compare_fixed(const struct conf *now, const struct conf *next, struct conf_problems *p)
{
	const struct conf_holder *h = (const struct conf_holder *)next;
	struct conf_problems mine = { .say = NULL };
	struct conf_reader r = {
		.p = p == NULL ? &mine : p, .file = next->file, .scratch = arena_new(CONF_ARENA_CAP)
	};
	char *a, *b;
	size_t i, differ = 0;

	for (i = 0; i < conf_table_main.n; i++) {
		if (conf_table_main.rules[i].row.reloadable)
			continue;
		a = conf_row_value_new(now, i);
		b = conf_row_value_new(next, i);
		if (strcmp(a, b) != 0) {
			differ++;
			conf_problem_at(&r, h->place[i], conf_table_main.rules[i].row.path,
			    "%.*s differs from %.*s, which is in force; allowed: a restart", CONF_VALUE_MOST,
			    b, CONF_VALUE_MOST, a);
		}
		free(a);
		free(b);
	}
	conf_tell(&r);
	arena_free(&r.scratch);
	return differ;
}
