/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * fuzz_table - table files and attribute values. The first line says what to do, the
 * rest is the text:
 *
 *     file acme.example         load the rest as a file table, look the key up
 *     cidr 192.0.2.7            the same as a cidr table
 *     attribute plan            read the attribute from the rest
 *
 * Beyond not crashing: a table that does not open says why in printable words, a
 * value that is found is fit for a header, and rereading the same text changes nothing.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/arena.h"
#include "lib/str.h"
#include "lib/table.h"

#include "lib/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static void
must_be_printable(const char *text)
{
	const char *p;

	for (p = text; *p != '\0'; p++)
		must((unsigned char)*p >= 0x20 && *p != 0x7f);
	must(str_utf8(text, strlen(text)));
}

static void
hear(void *cookie, const struct err *e)
{
	++*(unsigned *)cookie;
	must(e->code != ERR_NONE && e->text[0] != '\0');
	must_be_printable(e->text);
}

/* The table's file, made once: in memory, and written anew for each input. */
static const char *
file_with(const char *text, size_t n)
{
	static char path[40];
	static int fd = -1;

	if (fd == -1) {
		fd = memfd_create("table", MFD_CLOEXEC);
		must(fd != -1 && fchmod(fd, 0600) == 0);
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	must(ftruncate(fd, 0) == 0);
	must(pwrite(fd, text, n, 0) == (ssize_t)n);
	return path;
}

static void
check_lookup(struct arena *a, struct table *t, const char *key)
{
	const char *value, *again;
	struct err e;
	int result = table_lookup(t, key, a, UINT64_MAX, &value, &e);

	must((result == 1) == (value != NULL));
	must((result == -1) == (key[0] == '\0'));
	if (result == 1) {
		must(value[0] != '\0' && value[0] != ' ' && strlen(value) <= TABLE_VALUE_MAX);
		must_be_printable(value);
		must(table_entries(t) > 0);
		must(table_lookup(t, key, a, UINT64_MAX, &again, &e) == 1 && strcmp(value, again) == 0);
	}
}

static void
try_table(struct arena *a, const char *type, const char *key, const char *text, size_t n)
{
	unsigned said = 0;
	const struct table_report report = { hear, &said };
	char spec[64];
	struct table *t;
	size_t entries;

	(void)snprintf(spec, sizeof(spec), "%s:%s", type, file_with(text, n));
	t = table_open(spec, &report);
	must((t == NULL) == (said > 0) && said <= 21);
	if (t == NULL)
		return;
	check_lookup(a, t, key);
	entries = table_entries(t);
	must(entries <= n / 3 + 1);	/* "a b" and a line end */
	(void)file_with(text, n);
	must(table_poll(t) == 0);
	must(table_poll(t) != -1 || n == 0);
	must(table_entries(t) == entries);
	check_lookup(a, t, key);
	table_close(&t);
}

static void
try_attribute(struct arena *a, const char *name, const char *value)
{
	const char *to;
	int result = table_attribute(a, value, name, &to);

	must(result >= -1 && result <= 1);
	must((result == 1) == (to != NULL));
	if (result == 1)
		must(strlen(to) < strlen(value));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena *a = arena_new(ARENA_DEFAULT_CAP);
	char *first = arena_strndup(a, (const char *)data, n);
	size_t len = strcspn(first, "\n"), rest = len < n ? len + 1 : n;
	const char *text = (const char *)data + rest;

	first[len] = '\0';
	if (strncmp(first, "file ", 5) == 0)
		try_table(a, "file", first + 5, text, n - rest);
	else if (strncmp(first, "cidr ", 5) == 0)
		try_table(a, "cidr", first + 5, text, n - rest);
	else if (strncmp(first, "attribute ", 10) == 0)
		try_attribute(a, first + 10, arena_strndup(a, text, n - rest));
	arena_free(&a);
	return 0;
}
