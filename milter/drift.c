/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * drift - looks at a domain as preflight would, and remembers how it was.
 *
 * The memory is a text file, one domain a line: domain, MX was ours, SPF was good, MX lost since, SPF lost
 * since (ms), with tabs between. It is written anew beside the old one and renamed, so that a reader never
 * sees half of it. It is no state that anything depends on: without it, nothing has drifted yet.
 */
#include "milter/drift.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/str.h"
#include "milter/check.h"
#include "milter/preflight.h"

#include "lib/banned.h"

#define LINES_MAX 4000000u
#define LINE_MAX_BYTES 400
#define PROBES 3u
#define PROBE_MS 1000u

/* ---- which domains ------------------------------------------------------------------------ */

struct collecting {
	struct arena *arena;
	struct drift_domain *at;
	size_t n, space;
};

static void
collect(void *cookie, const char *key, const char *value)
{
	struct collecting *c = cookie;
	const char *at = strrchr(key, '@');

	key = at != NULL ? at + 1 : key;
	/* ".sub.domain" is about names that nobody can list. */
	if (*key == '.' || *key == '[' || strchr(key, '.') == NULL)
		return;
	if (c->n == c->space) {
		c->space = c->space * 2 + 256;
		c->at = realloc(c->at, c->space * sizeof(*c->at));
		if (c->at == NULL)
			abort();
	}
	c->at[c->n++] = (struct drift_domain){ .domain = arena_strdup(c->arena, key),
		.customer = arena_strndup(c->arena, value, strcspn(value, ", \t")), .mx = "", .problem = "" };
}

static int
by_domain(const void *a, const void *b)
{
	return strcmp(((const struct drift_domain *)a)->domain, ((const struct drift_domain *)b)->domain);
}

long
drift_domains(const struct services *s, struct arena *a, struct drift_domain **to, struct err *e)
{
	struct collecting c = { .arena = a };
	size_t i, n = 0;

	*to = NULL;
	if (s->domains == NULL)
		return err_set(e, ERR_INPUT, "tables.domains is not set");
	if (table_each(s->domains, collect, &c, e) < 0)
		return -1;
	if (c.n > 0)
		qsort(c.at, c.n, sizeof(*c.at), by_domain);
	for (i = 0; i < c.n; i++)
		if (n == 0 || strcmp(c.at[n - 1].domain, c.at[i].domain) != 0)
			c.at[n++] = c.at[i];
	*to = arena_alloc(a, n * sizeof(**to));
	if (n > 0)
		memcpy(*to, c.at, n * sizeof(**to));
	free(c.at);
	return (long)n;
}

/* ---- one domain ------------------------------------------------------------------------------ */

static bool
is_ours(const struct conf_strings *ours, const char *name)
{
	size_t i, n = strlen(name), k;

	for (i = 0; i < ours->n; i++) {
		k = strlen(ours->at[i]);
		if (ours->at[i][0] == '.' ? n > k && str_ieq(name + n - k, ours->at[i]) :
		    str_ieq(name, ours->at[i]))
			return true;
	}
	return false;
}

static void
look_mx(const struct services *s, struct drift_domain *d, uint64_t deadline, struct arena *a)
{
	char space[300];
	struct str names = STR_IN(space);
	struct dns_records r;
	size_t i;

	space[0] = '\0';
	dns_ask(s->dns, d->domain, DNS_MX, deadline, a, &r);
	if (r.answer == DNS_FAILED || r.answer == DNS_LATE) {
		d->unsure = true;
		return;
	}
	d->mx_asked = true;
	for (i = 0; r.answer == DNS_FOUND && i < r.n; i++) {
		d->mx_ours |= is_ours(&s->conf->preflight.drift.mx, (const char *)r.at[i].data);
		str_cat(&names, i == 0 ? "" : ", ");
		str_cat_safe(&names, (const char *)r.at[i].data);
	}
	d->mx = arena_strdup(a, space);
}

static void
add_problem(struct str *s, const char *text)
{
	if (s->len > 0)
		str_cat(s, "; ");
	str_cat_safe(s, text);
}

static void
say_problems(struct drift_domain *d, const struct preflight_answer *answer, struct arena *a)
{
	char space[600];
	struct str s = STR_IN(space);
	const struct preflight_from *from = answer->from;
	size_t i, worst = 0;

	space[0] = '\0';
	for (i = 0; i < answer->n_spf; i++)
		if (answer->spf[i].result != SPF_IS_PASS)
			worst = i;
	if (!d->spf_passes)
		add_problem(&s, arena_printf(a, "SPF %s%s: %s",
		    spf_result_text(answer->spf[worst].result),
		    answer->of[SPF_IS_PASS] > 0 ? " from some addresses" : "",
		    *answer->spf[worst].why != '\0' ? answer->spf[worst].why : answer->spf[worst].decided));
	if (from->key != DKIM_KEY_THERE)
		add_problem(&s, arena_printf(a, "DKIM key %s is %s", from->key_name,
		    dkim_key_text(from->key)));
	if (!from->aligned && from->policy >= DMARC_QUARANTINE)
		add_problem(&s, arena_printf(a, "DMARC %s: %s", dmarc_policy_text(from->policy), from->why));
	d->problem = arena_strdup(a, space);
}

void
drift_look(const struct services *s, struct drift_domain *d, uint64_t deadline, struct arena *a)
{
	const struct mail_address from = { .local = "postmaster", .domain = d->domain, .text = d->domain,
		.base = d->domain };
	struct preflight_question q = { .domain = d->domain, .from = &from, .n_from = 1,
		.deadline = deadline };
	struct preflight_answer answer;
	struct preflight *p;
	struct err e;

	d->unsure = d->mx_asked = d->mx_ours = d->spf_passes = false;
	err_clear(&e);
	p = preflight_open(s, NULL, 0, &e);
	if (p == NULL) {
		d->unsure = true;
		return;
	}
	q.sender = arena_printf(a, "postmaster@%s", d->domain);
	if (preflight_ask(p, &q, a, &answer, &e) < 0 || answer.of[SPF_IS_TEMPERROR] > 0 ||
	    answer.from->policy == DMARC_UNSURE)
		d->unsure = true;
	else {
		d->spf_passes = answer.of[SPF_IS_PASS] == answer.n_spf;
		say_problems(d, &answer, a);
	}
	preflight_close(&p);
	if (s->conf->preflight.drift.mx.n > 0 && !d->unsure)
		look_mx(s, d, deadline, a);
}

bool
drift_dns_is_away(const struct services *s, const struct drift_domain *list, size_t n, size_t at,
    struct arena *a)
{
	struct drift_domain d;
	size_t i;

	for (i = 1; i <= PROBES; i++) {
		d = list[(at + i * n / (PROBES + 1)) % n];
		drift_look(s, &d, clock_deadline(PROBE_MS), a);
		if (!d.unsure)
			return false;
	}
	return true;
}

/* ---- memory ----------------------------------------------------------------------------------- */

struct line {
	const char *domain;
	bool mx, spf;			/* it was good once */
	uint64_t mx_lost, spf_lost;
	bool met;			/* compared since it was loaded */
};

struct drift_memory {
	struct arena *arena;
	struct line *old;		/* sorted */
	size_t n_old;
	struct line *new;		/* not in old */
	size_t n_new, new_space;
};

static int
by_line(const void *a, const void *b)
{
	return strcmp(((const struct line *)a)->domain, ((const struct line *)b)->domain);
}

static bool
read_line(struct drift_memory *m, char *text, struct line *to)
{
	char *tab = strchr(text, '\t');
	uint64_t n[4];
	size_t i;

	if (tab == NULL || tab == text || tab - text > 255)
		return false;
	to->domain = arena_strndup(m->arena, text, (size_t)(tab - text));
	for (i = 0; i < 4; i++) {
		if (*tab != '\t' || tab[1] < '0' || tab[1] > '9')
			return false;
		n[i] = strtoull(tab + 1, &tab, 10);
	}
	to->mx = n[0] == 1;
	to->spf = n[1] == 1;
	to->mx_lost = n[2];
	to->spf_lost = n[3];
	to->met = false;
	return true;
}

struct drift_memory *
drift_memory_load(const char *file)
{
	struct drift_memory *m = calloc(1, sizeof(*m));
	char text[LINE_MAX_BYTES];
	size_t space = 0;
	FILE *f;

	if (m == NULL)
		abort();
	m->arena = arena_new((size_t)1 << 30);
	f = fopen(file, "re");
	while (f != NULL && m->n_old < LINES_MAX && fgets(text, sizeof(text), f) != NULL) {
		if (m->n_old == space) {
			space = space * 2 + 256;
			m->old = realloc(m->old, space * sizeof(*m->old));
			if (m->old == NULL)
				abort();
		}
		m->n_old += read_line(m, text, &m->old[m->n_old]);
	}
	if (f != NULL)
		fclose(f);
	if (m->n_old > 0)
		qsort(m->old, m->n_old, sizeof(*m->old), by_line);
	return m;
}

void
drift_memory_free(struct drift_memory **m)
{
	if (*m == NULL)
		return;
	free((*m)->old);
	free((*m)->new);
	arena_free(&(*m)->arena);
	free(*m);
	*m = NULL;
}

static struct line *
line_of(struct drift_memory *m, const char *domain)
{
	struct line wanted = { .domain = domain }, *found;

	found = m->n_old == 0 ? NULL : bsearch(&wanted, m->old, m->n_old, sizeof(wanted), by_line);
	if (found != NULL)
		return found;
	if (m->n_new == m->new_space) {
		m->new_space = m->new_space * 2 + 256;
		m->new = realloc(m->new, m->new_space * sizeof(*m->new));
		if (m->new == NULL)
			abort();
	}
	m->new[m->n_new] = (struct line){ .domain = arena_strdup(m->arena, domain) };
	return &m->new[m->n_new++];
}

/* good: it was once. Returns whether it was lost just now. */
static bool
compare(bool now_good, bool *good, uint64_t *lost, uint64_t now)
{
	if (now_good) {
		*good = true;
		*lost = 0;
		return false;
	}
	if (!*good || *lost != 0)
		return false;
	*lost = now;
	return true;
}

void
drift_compare(struct drift_memory *m, struct drift_domain *d, uint64_t now)
{
	struct line *l = line_of(m, d->domain);

	l->met = true;
	d->mx_news = !d->unsure && d->mx_asked && compare(d->mx_ours, &l->mx, &l->mx_lost, now);
	d->spf_news = !d->unsure && compare(d->spf_passes, &l->spf, &l->spf_lost, now);
	d->mx_lost = l->mx_lost;
	d->spf_lost = l->spf_lost;
}

static void
write_line(FILE *f, const struct line *l)
{
	fprintf(f, "%s\t%d\t%d\t%" PRIu64 "\t%" PRIu64 "\n", l->domain, l->mx, l->spf, l->mx_lost,
	    l->spf_lost);
}

int
drift_memory_save(struct drift_memory *m, const char *file, bool whole, struct err *e)
{
	char path[4200];
	struct str s = STR_IN(path);
	FILE *f;
	size_t i;
	bool ok;
	int fd;

	str_catf(&s, "%s.new", file);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	f = fd < 0 ? NULL : fdopen(fd, "w");
	if (f == NULL)
		return err_set(e, ERR_SYSTEM, "%.300s: %s", path, strerror(errno));
	for (i = 0; i < m->n_old; i++)
		if (m->old[i].met || !whole)
			write_line(f, &m->old[i]);
	for (i = 0; i < m->n_new; i++)
		write_line(f, &m->new[i]);
	ok = ferror(f) == 0;
	if (fclose(f) != 0 || !ok || rename(path, file) != 0) {
		(void)err_set(e, ERR_SYSTEM, "%.300s: %s", path, strerror(errno));
		(void)unlink(path);
		return -1;
	}
	return 0;
}
