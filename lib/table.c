/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * table - the common door to all table types: identity, ownership and limits ask
 * here who is whose, and know no driver.
 *
 * The list of types below is the only place that names the drivers. What holds
 * for every type is done here once: the spec is taken apart, keys are checked and
 * lowered, errors are counted and made safe to print, attributes are read.
 *
 * It deliberately keeps no cache and does not decide what an answer means: -1
 * goes back to the check, and the chain defers the message.
 */
#include "lib/table.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "lib/str.h"
#include "lib/table_private.h"

#include "lib/banned.h"

struct table {
	const struct table_driver *driver;
	void *self;
	char *spec;
	const struct table_report *report;
};

static const struct table_driver *const table_drivers[] = { &table_file, &table_cidr };

#define TABLE_DRIVERS (sizeof(table_drivers) / sizeof(table_drivers[0]))

static char table_types_text[128];	/* written once, under the pthread_once below */

static void
table_types_once(void)
{
	struct str s = STR_IN(table_types_text);
	size_t i;

	for (i = 0; i < TABLE_DRIVERS; i++) {
		str_cat(&s, i == 0 ? "" : ", ");
		str_cat(&s, table_drivers[i]->type);
	}
}

const char *
table_types(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, table_types_once);
	return table_types_text;
}

static const struct table_driver *
table_driver_of(const char *spec)
{
	size_t i, n;

	for (i = 0; spec != NULL && i < TABLE_DRIVERS; i++) {
		n = strlen(table_drivers[i]->type);
		if (strncmp(spec, table_drivers[i]->type, n) == 0 && spec[n] == ':')
			return table_drivers[i];
	}
	return NULL;
}

int
table_spec_ok(const char *spec, char *allowed, size_t size)
{
	if (table_driver_of(spec) != NULL)
		return 1;
	if (size > 0)
		(void)str_copy(allowed, size, table_types());
	return 0;
}

/* A bad line is quoted as it stands, so whatever it holds must not reach a log or terminal raw. */
static void __attribute__((format(printf, 5, 0)))
table_say(struct table_errors *to, enum err_code code, const char *file, unsigned line, const char *fmt,
    va_list args)
{
	char raw[sizeof(((struct err *)0)->text)], space[sizeof(raw)];
	struct str safe = STR_IN(space);
	struct err e;

	if (to->report == NULL || to->report->say == NULL)
		return;
	(void)vsnprintf(raw, sizeof(raw), fmt, args);
	str_cat_safe(&safe, raw);
	err_clear(&e);
	(void)err_set(&e, code, "%s", safe.data);
	(void)err_at(&e, file, line);
	to->report->say(to->report->cookie, &e);
}

void
table_error(struct table_errors *to, enum err_code code, const char *file, unsigned line,
    const char *fmt, ...)
{
	va_list args;

	to->n++;
	if (to->n > TABLE_ERRORS_SHOWN)
		return;
	va_start(args, fmt);
	table_say(to, code, file, line, fmt, args);
	va_end(args);
}

void
table_remark(struct table_errors *to, const char *file, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	table_say(to, ERR_INPUT, file, 0, fmt, args);
	va_end(args);
}

static void
table_errors_end(struct table_errors *errors, const char *spec)
{
	if (errors->n > TABLE_ERRORS_SHOWN)
		table_remark(errors, NULL, "%s: %zu more errors are not shown", spec,
		    errors->n - TABLE_ERRORS_SHOWN);
}

void *
table_alloc(void *old, size_t n)
{
	static const char text[] = "gatepost: out of memory for a table\n";
	void *p = realloc(old, n == 0 ? 1 : n);
	ssize_t ignored;

	if (p != NULL)
		return p;
	ignored = write(STDERR_FILENO, text, sizeof(text) - 1);
	(void)ignored;
	abort();
}

static void *
table_open_driver(const struct table_driver *driver, const char *spec, struct table_errors *errors)
{
	char allowed[128];
	void *self;

	if (driver == NULL) {
		(void)table_spec_ok(spec, allowed, sizeof(allowed));
		table_error(errors, ERR_INPUT, NULL, 0,
		    "table \"%.200s\": not \"type:where\" with a known type; allowed: %s", spec, allowed);
		return NULL;
	}
	self = driver->open(spec + strlen(driver->type) + 1, errors);
	table_errors_end(errors, spec);
	return self;
}

struct table *
table_open(const char *spec, const struct table_report *report)
{
	struct table_errors errors = { .report = report };
	const struct table_driver *driver = table_driver_of(spec);
	void *self = table_open_driver(driver, spec == NULL ? "" : spec, &errors);
	struct table *t;
	size_t size;

	if (self == NULL)
		return NULL;
	size = strlen(spec) + 1;
	t = table_alloc(NULL, sizeof(*t));
	*t = (struct table){ driver, self, table_alloc(NULL, size), report };
	memcpy(t->spec, spec, size);
	return t;
}

void
table_close(struct table **t)
{
	if (t == NULL || *t == NULL)
		return;
	(*t)->driver->close((*t)->self);
	free((*t)->spec);
	free(*t);
	*t = NULL;
}

/* Copies key in lower case. False when no table can hold it: such a key never reaches a driver,
 * so none has to think of a line end inside it. */
static bool
table_key(const char *key, char to[TABLE_KEY_MAX + 1])
{
	const char *p;

	if (!str_copy(to, TABLE_KEY_MAX + 1, key))
		return false;
	for (p = to; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
	str_lower(to);
	return true;
}

int
table_lookup(struct table *t, const char *key, struct arena *a, uint64_t deadline, const char **value,
    struct err *e)
{
	char lower[TABLE_KEY_MAX + 1];

	*value = NULL;
	/* An empty key would make one shared entry of everybody who is not known. */
	if (key == NULL || key[0] == '\0')
		return err_set(e, ERR_INPUT, "%s: an empty key is never looked up", t->spec);
	if (!table_key(key, lower))
		return 0;
	return t->driver->lookup(t->self, lower, a, deadline, value, e);
}

int
table_poll(struct table *t)
{
	struct table_errors errors = { .report = t->report };
	int result = t->driver->poll(t->self, &errors);

	table_errors_end(&errors, t->spec);
	return result;
}

void
table_report_to(struct table *t, const struct table_report *report)
{
	t->report = report;
}

const char *
table_spec(const struct table *t)
{
	return t->spec;
}

int
table_each(struct table *t, void (*each)(void *cookie, const char *key, const char *value), void *cookie,
    struct err *e)
{
	if (t->driver->each == NULL)
		return err_set(e, ERR_INPUT, "%s cannot be walked through; a file can", t->spec);
	return t->driver->each(t->self, each, cookie, e);
}

size_t
table_entries(const struct table *t)
{
	return t->driver->entries(t->self);
}

size_t
table_bytes(const struct table *t)
{
	return t->driver->bytes(t->self);
}

/* --- attributes ---------------------------------------------------------- */

struct table_pair {
	const char *name;
	size_t name_len;
	const char *value;	/* without its quotes, backslashes still in */
	size_t value_len;
	bool quoted;
};

static bool
table_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	    c == '-' || c == '_';
}

/* The end of a quoted value that begins at p (behind its '"'); NULL when it has none. */
static const char *
table_quoted_end(const char *p)
{
	for (; *p != '"'; p++) {
		if (*p == '\\')
			p++;
		if (*p == '\0')
			return NULL;
	}
	return p;
}

/* Takes the next name=value off *at. Returns 1, 0 at the end, -1 when it is none. */
static int
table_pair_next(const char **at, struct table_pair *to)
{
	const char *p = *at + strspn(*at, " \t"), *end;

	if (*p == '\0')
		return 0;
	to->name = p;
	while (table_name_char(*p))
		p++;
	to->name_len = (size_t)(p - to->name);
	if (to->name_len == 0 || *p++ != '=')
		return -1;

	to->quoted = *p == '"';
	if (to->quoted) {
		to->value = p + 1;
		end = table_quoted_end(p + 1);
		if (end == NULL)
			return -1;
		*at = end + 1;
	} else {
		to->value = p;
		end = p + strcspn(p, " \t\"");
		*at = end;
		/* `plan= standard` is a slip, and no way to say "no plan": that is plan="". */
		if (end == p)
			return -1;
	}
	to->value_len = (size_t)(end - to->value);
	return **at == '\0' || **at == ' ' || **at == '\t' ? 1 : -1;
}

static const char *
table_pair_value(struct arena *a, const struct table_pair *pair)
{
	char *to = arena_strndup(a, pair->value, pair->value_len), *write = to;
	const char *read;

	if (!pair->quoted)
		return to;
	for (read = to; *read != '\0'; read++) {
		if (*read == '\\')
			read++;
		*write++ = *read;
	}
	*write = '\0';
	return to;
}

int
table_attribute(struct arena *a, const char *value, const char *name, const char **to)
{
	struct table_pair pair, hit = { .name = NULL };
	size_t len = strlen(name);
	int more;

	*to = NULL;
	/* Read to the end even after a hit: half a value that makes sense is not a value that does. */
	while ((more = table_pair_next(&value, &pair)) == 1) {
		if (pair.name_len != len || strncasecmp(pair.name, name, len) != 0)
			continue;
		if (hit.name != NULL)
			return -1;
		hit = pair;
	}
	if (more == -1)
		return -1;
	if (hit.name == NULL)
		return 0;
	*to = table_pair_value(a, &hit);
	return 1;
}
