/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * dkim_opendkim - what OpenDKIM would sign, read from its own configuration.
 *
 * SigningTable as opendkim.conf(5) has it: of a plain file the keys user@host, host, user@.domain, .domain,
 * user@* and * are tried in this order; of a refile every pattern in the order of the file. KeyTable then
 * says domain and selector. Without a SigningTable, Domain, SubDomains and Selector hold. Tables of other
 * kinds (db, dsn, ldap, lua...) are refused: what cannot be read must not be taken for "unsigned".
 *
 * A hosting company has 100,000 lines here: those that are one address or "*@domain" are found by a search,
 * only other patterns are tried one by one. Private keys are never opened.
 */
#include "lib/dkim.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/mail.h"
#include "lib/str.h"

#include "lib/banned.h"

#define FILE_MOST ((size_t)64 << 20)
#define FILES_MAX 4u		/* opendkim.conf, SigningTable, KeyTable, Domain */
#define SIGNERS_MAX 16u
#define CONTENT_CAP ((size_t)1 << 30)

struct rule {
	const char *key, *value;	/* key is lower case */
	size_t order;			/* line in its file */
};

struct rules {
	struct rule *at;
	size_t n, space;
};

struct stamp {
	const char *path;
	time_t seconds;
	long nanoseconds;
	off_t size;
	ino_t inode;
};

struct content {
	struct arena *arena;
	struct stamp files[FILES_MAX];
	size_t n_files;
	bool has_table, patterns;	/* there is a SigningTable; it is a refile */
	struct rules exact;		/* of the SigningTable, sorted by key */
	struct rules loose;		/* patterns that are neither address nor *@domain, in order */
	struct rules keys;		/* of the KeyTable, sorted */
	struct rules domains;		/* of Domain, sorted */
	const char *selector;
	bool subdomains, many;
	bool verifier;			/* Mode v: signs nothing */
};

struct telling {
	void (*say)(void *cookie, const struct err *e);
	void *cookie;
	size_t n;
};

struct dkim_opendkim {
	char *file;
	pthread_rwlock_t lock;		/* guards now */
	struct content *now;
	struct stamp bad[FILES_MAX];	/* what was told as bad already */
	size_t n_bad;
};

static void __attribute__((format(printf, 4, 5)))
tell(struct telling *t, const char *file, unsigned line, const char *fmt, ...)
{
	char text[400];
	struct err e;
	va_list ap;

	t->n++;
	if (t->say == NULL || t->n > 20)
		return;
	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	va_end(ap);
	err_clear(&e);
	(void)err_set(&e, ERR_INPUT, "%s", text);
	(void)err_at(&e, file, line);
	t->say(t->cookie, &e);
}

/* ---- files ---------------------------------------------------------------------------- */

static void
take_stamp(struct content *c, const char *path, const struct stat *st)
{
	if (c->n_files < FILES_MAX)
		c->files[c->n_files++] = (struct stamp){ arena_strdup(c->arena, path), st->st_mtim.tv_sec,
			st->st_mtim.tv_nsec, st->st_size, st->st_ino };
}

/* The whole file in the arena; NULL after it was told why not. */
static char *
slurp(struct content *c, struct telling *t, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	char *text = NULL;
	size_t n = 0;
	ssize_t got = 0;

	if (fd < 0 || fstat(fd, &st) < 0) {
		tell(t, path, 0, "%s", strerror(errno));
		memset(&st, 0, sizeof(st));
		take_stamp(c, path, &st);	/* of what is not there */
	} else if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > FILE_MOST) {
		tell(t, path, 0, "is no file of at most 64 MB");
	} else {
		take_stamp(c, path, &st);
		text = arena_alloc(c->arena, (size_t)st.st_size + 1);
		while (n < (size_t)st.st_size && (got = read(fd, text + n, (size_t)st.st_size - n)) > 0)
			n += (size_t)got;
		text[n] = '\0';
		if (got < 0 || strlen(text) != n) {
			tell(t, path, 0, "%s", got < 0 ? strerror(errno) : "holds a NUL");
			text = NULL;
		}
	}
	if (fd >= 0)
		close(fd);
	return text;
}

/* The next line, its comment and blanks taken off; NULL at the end. */
static char *
next_line(char **text, unsigned *line)
{
	char *at = *text, *end;
	size_t n = 0;

	if (at == NULL || *at == '\0')
		return NULL;
	++*line;
	end = strchr(at, '\n');
	*text = end == NULL ? NULL : end + 1;
	if (end != NULL)
		*end = '\0';
	at += strspn(at, " \t");
	/* A '#' within a word belongs to it, as in a key's path. */
	while (at[n] != '\0' && !(at[n] == '#' && (n == 0 || at[n - 1] == ' ' || at[n - 1] == '\t')))
		n++;
	while (n > 0 && strchr(" \t\r", at[n - 1]) != NULL)
		n--;
	at[n] = '\0';
	return at;
}

/* Cuts a line into key and value; value is "" when there is none. */
static char *
cut(char *line)
{
	char *value = line + strcspn(line, " \t");

	if (*value == '\0')
		return value;
	*value++ = '\0';
	return value + strspn(value, " \t");
}

static void
push(struct rules *r, const char *key, const char *value, size_t order)
{
	if (r->n == r->space) {
		r->space = r->space * 2 + 64;
		r->at = realloc(r->at, r->space * sizeof(*r->at));
		if (r->at == NULL)
			abort();
	}
	r->at[r->n++] = (struct rule){ key, value, order };
}

static int
by_key(const void *a, const void *b)
{
	const struct rule *x = a, *y = b;
	int r = strcmp(x->key, y->key);

	return r != 0 ? r : x->order < y->order ? -1 : x->order > y->order;
}

static void
sort(struct rules *r)
{
	if (r->n > 1)
		qsort(r->at, r->n, sizeof(*r->at), by_key);
}

/* The first rule of that key in the order of the file; NULL. */
static const struct rule *
find(const struct rules *r, const char *key)
{
	size_t low = 0, high = r->n, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (strcmp(r->at[middle].key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < r->n && strcmp(r->at[low].key, key) == 0 ? &r->at[low] : NULL;
}

/* ---- reading the configuration ------------------------------------------------------------ */

struct settings {
	const char *signing_table, *key_table, *domain, *selector;
	bool subdomains, many, verifier;
};

static bool
yes(const char *value)
{
	return *value == '1' || *value == 'y' || *value == 'Y' || *value == 't' || *value == 'T';
}

static void
set(struct settings *s, const char *name, const char *value)
{
	if (strcasecmp(name, "SigningTable") == 0)
		s->signing_table = value;
	else if (strcasecmp(name, "KeyTable") == 0)
		s->key_table = value;
	else if (strcasecmp(name, "Domain") == 0)
		s->domain = value;
	else if (strcasecmp(name, "Selector") == 0)
		s->selector = value;
	else if (strcasecmp(name, "SubDomains") == 0)
		s->subdomains = yes(value);
	else if (strcasecmp(name, "MultipleSignatures") == 0)
		s->many = yes(value);
	else if (strcasecmp(name, "Mode") == 0)
		s->verifier = strchr(value, 's') == NULL;
}

/* The path of a table; *patterns for a refile. NULL after it was told that it is of another kind. */
static const char *
table_path(struct telling *t, const char *file, const char *name, const char *spec, bool *patterns)
{
	*patterns = strncmp(spec, "refile:", 7) == 0;
	if (*patterns)
		return spec + 7;
	if (strncmp(spec, "file:", 5) == 0)
		return spec + 5;
	if (*spec == '/')
		return spec;
	tell(t, file, 0, "%s %.100s: only files can be read here; allowed: /path, file:/path, refile:/path",
	    name, spec);
	return NULL;
}

static bool
is_loose(const char *pattern)
{
	const char *star = strchr(pattern, '*');

	return star != NULL && (strncmp(pattern, "*@", 2) != 0 || strchr(pattern + 1, '*') != NULL);
}

static void
read_signing_table(struct content *c, struct telling *t, const char *file, const char *spec)
{
	const char *path = table_path(t, file, "SigningTable", spec, &c->patterns);
	char *text = path == NULL ? NULL : slurp(c, t, path), *at, *value;
	unsigned line = 0;

	c->has_table = true;
	while ((at = next_line(&text, &line)) != NULL) {
		if (*at == '\0')
			continue;
		value = cut(at);
		if (*value == '\0')
			tell(t, path, line, "\"%.80s\" has no key's name", at);
		else
			push(c->patterns && is_loose(at) ? &c->loose : &c->exact, str_lower(at), value, line);
	}
	sort(&c->exact);
}

static void
read_key_table(struct content *c, struct telling *t, const char *file, const char *spec)
{
	bool patterns;
	const char *path = table_path(t, file, "KeyTable", spec, &patterns);
	char *text = path == NULL ? NULL : slurp(c, t, path), *at, *value;
	unsigned line = 0;

	while ((at = next_line(&text, &line)) != NULL) {
		if (*at == '\0')
			continue;
		value = cut(at);
		if (strchr(value, ':') == NULL)
			tell(t, path, line, "\"%.80s\" is no DOMAIN:SELECTOR:KEY", value);
		else
			push(&c->keys, at, value, line);
	}
	sort(&c->keys);
}

static void
read_domains(struct content *c, struct telling *t, const char *spec)
{
	char *text, *at;
	unsigned line = 0;
	size_t n;

	if (*spec == '/' || strncmp(spec, "file:", 5) == 0) {
		text = slurp(c, t, *spec == '/' ? spec : spec + 5);
		while ((at = next_line(&text, &line)) != NULL)
			if (*at != '\0')
				push(&c->domains, str_lower(at), "", line);
	} else {
		for (; *spec != '\0'; spec += n) {
			spec += strspn(spec, ", \t");
			n = strcspn(spec, ", \t");
			if (n > 0)
				push(&c->domains, str_lower(arena_strndup(c->arena, spec, n)), "", 0);
		}
	}
	sort(&c->domains);
}

static void
content_free(struct content *c)
{
	if (c == NULL)
		return;
	free(c->exact.at);
	free(c->loose.at);
	free(c->keys.at);
	free(c->domains.at);
	arena_free(&c->arena);
	free(c);
}

static struct content *
content_new(void)
{
	struct content *c = calloc(1, sizeof(*c));

	if (c == NULL)
		abort();
	c->arena = arena_new(CONTENT_CAP);
	return c;
}

static void
content_read(struct content *c, struct telling *t, const char *file)
{
	struct settings s = { 0 };
	char *text = slurp(c, t, file), *at;
	unsigned line = 0;

	if (text == NULL)
		return;
	while ((at = next_line(&text, &line)) != NULL)
		if (*at != '\0')
			set(&s, at, cut(at));
	c->subdomains = s.subdomains;
	c->many = s.many;
	c->verifier = s.verifier;
	c->selector = s.selector;
	if (s.verifier)
		return;
	if (s.signing_table != NULL && s.key_table == NULL)
		tell(t, file, 0, "has a SigningTable and no KeyTable");
	else if (s.signing_table != NULL) {
		read_signing_table(c, t, file, s.signing_table);
		read_key_table(c, t, file, s.key_table);
	} else if (s.domain != NULL && s.selector != NULL)
		read_domains(c, t, s.domain);
	else
		tell(t, file, 0, "says neither SigningTable and KeyTable nor Domain and Selector");
}

/* ---- asking ------------------------------------------------------------------------------------- */

struct asking {
	const struct content *c;
	struct arena *arena;
	const char *domain;		/* of From */
	struct dkim_signer *to;
	size_t n;
};

/* keyname[:signer] -> d= and s= of the KeyTable's DOMAIN:SELECTOR:KEY; '%' stands for the From domain. */
static void
add_signer(struct asking *q, const char *value)
{
	size_t n = strcspn(value, ": \t");
	const char *name = n == 1 && *value == '%' ? q->domain : arena_strndup(q->arena, value, n);
	const struct rule *key = find(&q->c->keys, name);
	const char *selector, *domain;

	if (key == NULL || q->n == SIGNERS_MAX)
		return;
	n = strcspn(key->value, ":");
	domain = n == 1 && *key->value == '%' ? q->domain :
	    mail_domain(q->arena, arena_strndup(q->arena, key->value, n));
	selector = key->value + n + 1;
	if (domain != NULL)
		q->to[q->n++] = (struct dkim_signer){ domain,
			arena_strndup(q->arena, selector, strcspn(selector, ":")) };
}

/* True when one signature is enough, and there is one. */
static bool
try_key(struct asking *q, const char *key)
{
	const struct rule *r = find(&q->c->exact, key);

	if (r != NULL)
		add_signer(q, r->value);
	return r != NULL && !q->c->many;
}

static void
ask_plain(struct asking *q, const char *local)
{
	const char *dot;

	if (try_key(q, arena_printf(q->arena, "%s@%s", local, q->domain)) || try_key(q, q->domain))
		return;
	for (dot = strchr(q->domain, '.'); dot != NULL; dot = strchr(dot + 1, '.'))
		if (try_key(q, arena_printf(q->arena, "%s@%s", local, dot)))
			return;
	for (dot = strchr(q->domain, '.'); dot != NULL; dot = strchr(dot + 1, '.'))
		if (try_key(q, dot))
			return;
	if (!try_key(q, arena_printf(q->arena, "%s@*", local)))
		(void)try_key(q, "*");
}

/* '*' is any text. Both are lower case. */
static bool
matches(const char *pattern, const char *text)
{
	const char *star = NULL, *from = NULL;

	while (*text != '\0') {
		if (*pattern == '*') {
			star = ++pattern;
			from = text;
		} else if (*pattern == *text) {
			pattern++;
			text++;
		} else if (star != NULL) {
			pattern = star;
			text = ++from;
		} else
			return false;
	}
	return pattern[strspn(pattern, "*")] == '\0';
}

static int
by_order(const void *a, const void *b)
{
	const struct rule *x = *(const struct rule *const *)a, *y = *(const struct rule *const *)b;

	return x->order < y->order ? -1 : x->order > y->order;
}

static void
ask_patterns(struct asking *q, const char *local)
{
	const char *address = arena_printf(q->arena, "%s@%s", local, q->domain);
	const struct rule *found[SIGNERS_MAX + 2], *r;
	size_t n = 0, i;

	if ((r = find(&q->c->exact, address)) != NULL)
		found[n++] = r;
	if ((r = find(&q->c->exact, arena_printf(q->arena, "*@%s", q->domain))) != NULL)
		found[n++] = r;
	for (i = 0; i < q->c->loose.n && n < SIGNERS_MAX; i++)
		if (matches(q->c->loose.at[i].key, address))
			found[n++] = &q->c->loose.at[i];
	qsort(found, n, sizeof(found[0]), by_order);
	for (i = 0; i < n && (i == 0 || q->c->many); i++)
		add_signer(q, found[i]->value);
}

static void
ask_domains(struct asking *q)
{
	const char *domain = q->domain;

	while (find(&q->c->domains, domain) == NULL) {
		domain = q->c->subdomains ? strchr(domain, '.') : NULL;
		if (domain == NULL)
			return;
		domain++;
	}
	q->to[q->n++] = (struct dkim_signer){ arena_strdup(q->arena, domain),
		arena_strdup(q->arena, q->c->selector) };
}

size_t
dkim_opendkim_ask(struct dkim_opendkim *o, const char *local, const char *domain, struct arena *a,
    struct dkim_signer **to)
{
	struct asking q = { .arena = a, .domain = domain };
	const char *lower = str_lower(arena_strdup(a, local));

	q.to = *to = arena_alloc(a, SIGNERS_MAX * sizeof(**to));
	pthread_rwlock_rdlock(&o->lock);
	q.c = o->now;
	if (q.c->verifier)
		q.n = 0;
	else if (!q.c->has_table)
		ask_domains(&q);
	else if (q.c->patterns)
		ask_patterns(&q, lower);
	else
		ask_plain(&q, lower);
	pthread_rwlock_unlock(&o->lock);
	return q.n;
}

size_t
dkim_opendkim_entries(struct dkim_opendkim *o)
{
	size_t n;

	pthread_rwlock_rdlock(&o->lock);
	n = o->now->exact.n + o->now->loose.n + o->now->domains.n;
	pthread_rwlock_unlock(&o->lock);
	return n;
}

/* ---- opening, rereading ---------------------------------------------------------------------------- */

struct dkim_opendkim *
dkim_opendkim_open(const char *file, void (*say)(void *cookie, const struct err *e), void *cookie)
{
	struct telling t = { say, cookie, 0 };
	struct content *c = content_new();
	struct dkim_opendkim *o;

	content_read(c, &t, file);
	if (t.n > 0) {
		content_free(c);
		return NULL;
	}
	o = calloc(1, sizeof(*o));
	if (o == NULL || (o->file = strdup(file)) == NULL)
		abort();
	pthread_rwlock_init(&o->lock, NULL);
	o->now = c;
	return o;
}

void
dkim_opendkim_close(struct dkim_opendkim **o)
{
	struct dkim_opendkim *p = *o;
	size_t i;

	if (p == NULL)
		return;
	content_free(p->now);
	for (i = 0; i < p->n_bad; i++)
		free((void *)(uintptr_t)p->bad[i].path);
	pthread_rwlock_destroy(&p->lock);
	free(p->file);
	free(p);
	*o = NULL;
}

static bool
same_stamp(const struct stamp *s, const struct stat *st)
{
	return s->seconds == st->st_mtim.tv_sec && s->nanoseconds == st->st_mtim.tv_nsec &&
	    s->size == st->st_size && s->inode == st->st_ino;
}

/* True when none of the files is another than when it was read; what could not be read is still away. */
static bool
unchanged(const struct stamp *s, size_t n)
{
	struct stat st;
	size_t i;

	for (i = 0; i < n; i++) {
		if (stat(s[i].path, &st) < 0)
			memset(&st, 0, sizeof(st));
		if (!same_stamp(&s[i], &st))
			return false;
	}
	return true;
}

static void
remember_bad(struct dkim_opendkim *o, const struct content *c)
{
	size_t i;

	for (i = 0; i < o->n_bad; i++)
		free((void *)(uintptr_t)o->bad[i].path);
	o->n_bad = c->n_files;
	for (i = 0; i < c->n_files; i++) {
		o->bad[i] = c->files[i];
		o->bad[i].path = strdup(c->files[i].path);
		if (o->bad[i].path == NULL)
			abort();
	}
}

int
dkim_opendkim_poll(struct dkim_opendkim *o, void (*say)(void *cookie, const struct err *e), void *cookie)
{
	struct telling t = { say, cookie, 0 };
	struct content *c, *old;

	/* Only this thread changes o->now, so it may be read here without the lock. */
	if (unchanged(o->now->files, o->now->n_files) || (o->n_bad > 0 && unchanged(o->bad, o->n_bad)))
		return 0;
	c = content_new();
	content_read(c, &t, o->file);
	if (t.n > 0) {
		remember_bad(o, c);
		content_free(c);
		return -1;
	}
	pthread_rwlock_wrlock(&o->lock);
	old = o->now;
	o->now = c;
	pthread_rwlock_unlock(&o->lock);
	content_free(old);
	return 1;
}
