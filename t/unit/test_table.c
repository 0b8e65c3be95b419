/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * What is special to the table types and to the file they read: syntax, limits,
 * what is refused and how it is said, longest prefix, attributes. What holds for
 * every type is in test_table_contract.c.
 */
#include "lib/table.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/banned.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define FOREVER UINT64_MAX
#define SAID_MAX 32

static char folder[256], path[280];
static struct arena *arena;
static struct err said[SAID_MAX];
static size_t n_said;

static void
hear(void *cookie, const struct err *e)
{
	(void)cookie;
	if (n_said < SAID_MAX)
		said[n_said] = *e;
	n_said++;
}

static const struct table_report report = { hear, NULL };

static int
setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	(void)snprintf(folder, sizeof(folder), "%s/gatepost-table.XXXXXX", tmp == NULL ? "/tmp" : tmp);
	if (mkdtemp(folder) == NULL)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/table", folder);
	arena = arena_new(ARENA_DEFAULT_CAP);
	n_said = 0;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	arena_free(&arena);
	(void)unlink(path);
	return rmdir(folder);
}

/* In place, as an editor may do it. */
static void
write_bytes(const char *bytes, size_t n)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static void
write_text(const char *text)
{
	write_bytes(text, strlen(text));
}

static struct table *
open_as(const char *type)
{
	char spec[320];

	(void)snprintf(spec, sizeof(spec), "%s:%s", type, path);
	n_said = 0;
	return table_open(spec, &report);
}

/* The value of key, or NULL. */
static const char *
value_of(struct table *t, const char *key)
{
	const char *value;
	struct err e;
	int result = table_lookup(t, key, arena, FOREVER, &value, &e);

	assert_int_not_equal(result, -1);
	assert_true((result == 1) == (value != NULL));
	return value;
}

/* --- lines --------------------------------------------------------------- */

struct lines_case {
	const char *name;
	const char *type;
	const char *text;
	const char *key;	/* looked up; NULL: the text must be refused */
	const char *value;	/* expected; NULL: not found */
	const char *where;	/* of the refusal: ":line" */
	const char *why;	/* and a part of its text */
};

static const struct lines_case lines_cases[] = {
	{ "plain", "file", "acme.example acme\n", "acme.example", "acme", NULL, NULL },
	{ "no line end", "file", "acme.example acme", "acme.example", "acme", NULL, NULL },
	{ "empty file", "file", "", "acme.example", NULL, NULL, NULL },
	{ "comments only", "file", "# a\n\n   # b\n \t \n", "# a", NULL, NULL, NULL },
	{ "tabs and blanks between", "file", "acme.example \t \t acme\n", "acme.example", "acme", NULL,
	    NULL },
	{ "blanks behind", "file", "acme.example acme  \t \n", "acme.example", "acme", NULL, NULL },
	{ "CR LF", "file", "acme.example acme\r\nb.example b\r\n", "acme.example", "acme", NULL, NULL },
	{ "byte order mark", "file", "\xef\xbb\xbf" "acme.example acme\n", "acme.example", "acme", NULL,
	    NULL },
	{ "mark and comment", "file", "\xef\xbb\xbf# c\na.example a\n", "a.example", "a", NULL, NULL },
	{ "key in capitals", "file", "ACME.Example Acme\n", "acme.example", "Acme", NULL, NULL },
	{ "value of several words", "file", "acme plan=a  name=\"A B\"\n", "acme", "plan=a  name=\"A B\"",
	    NULL, NULL },
	{ "tab in a value", "file", "acme a\tb\n", "acme", "a b", NULL, NULL },
	{ "UTF-8 in a value", "file", "acme name=\"M\xc3\xbcller\"\n", "acme", "name=\"M\xc3\xbcller\"",
	    NULL, NULL },
	{ "# inside a value", "file", "acme a # b\n", "acme", "a # b", NULL, NULL },
	{ "# inside a key", "file", "a#b c\n", "a#b", "c", NULL, NULL },
	{ "continued", "file", "acme a,\n  b,\n\tc\nb.example b\n", "acme", "a, b, c", NULL, NULL },
	{ "continued, key alone", "file", "acme\n  plan=a\n", "acme", "plan=a", NULL, NULL },
	{ "continued over a comment", "file", "acme a\n# c\n\n  b\n", "acme", "a b", NULL, NULL },
	{ "continued at the end", "file", "acme a\n  b", "acme", "a b", NULL, NULL },
	{ "IPv6 key ending in ':'", "file", "2001:db8:: acme\n", "2001:db8::", "acme", NULL, NULL },
	{ "key of one byte", "file", "a b\n", "a", "b", NULL, NULL },
	{ "key that begins like another", "file", "acme.example a\nacme b\n", "acme", "b", NULL, NULL },

	{ "no value", "file", "a b\nacme.example\n", NULL, NULL, ":2", "no value" },
	{ "no value but blanks", "file", "acme.example  \n", NULL, NULL, ":1", "no value" },
	{ "aliases style", "file", "acme.example: acme\n", NULL, NULL, ":1", "':' ends the key" },
	{ "continues nothing", "file", "# c\n a b\n", NULL, NULL, ":2", "no entry before it" },
	{ "duplicate", "file", "a 1\nb 2\n\nA 3\n", NULL, NULL, ":4", "\"a\" is already on line 1" },
	{ "duplicate, same value", "file", "a 1\na 1\n", NULL, NULL, ":2", "\"a\" is already on line 1" },
	{ "U-label", "file", "m\xc3\xbcller.example m\n", NULL, NULL, ":1", "xn--" },
	{ "control character", "file", "a b\x01\n", NULL, NULL, ":1", "control character" },
	{ "escape sequence", "file", "a \x1b[31mb\n", NULL, NULL, ":1", "control character" },
	{ "CR inside", "file", "a b\rc d\n", NULL, NULL, ":1", "control character" },
	{ "DEL", "file", "a b\x7f\n", NULL, NULL, ":1", "control character" },
	{ "C1 control", "file", "a b\xc2\x9b" "c\n", NULL, NULL, ":1", "control character" },
	{ "not UTF-8", "file", "a b\xff\n", NULL, NULL, ":1", "not UTF-8" },
	{ "cut UTF-8", "file", "a b\xc3\n", NULL, NULL, ":1", "not UTF-8" },
	{ "control in a continuation", "file", "a b\n  c\n  \x02\n", NULL, NULL, ":3", "control character" },

	{ "address", "cidr", "192.0.2.7 acme\n", "192.0.2.7", "acme", NULL, NULL },
	{ "address beside", "cidr", "192.0.2.7 acme\n", "192.0.2.6", NULL, NULL, NULL },
	{ "network, first", "cidr", "192.0.2.0/24 acme\n", "192.0.2.0", "acme", NULL, NULL },
	{ "network, last", "cidr", "192.0.2.0/24 acme\n", "192.0.2.255", "acme", NULL, NULL },
	{ "network, before", "cidr", "192.0.2.0/24 acme\n", "192.0.1.255", NULL, NULL, NULL },
	{ "network, behind", "cidr", "192.0.2.0/24 acme\n", "192.0.3.0", NULL, NULL, NULL },
	{ "IPv6 network", "cidr", "2001:DB8::/32 acme\n", "2001:db8:ffff::1", "acme", NULL, NULL },
	{ "IPv6 behind", "cidr", "2001:db8::/32 acme\n", "2001:db9::", NULL, NULL, NULL },
	{ "IPv6 beyond 64", "cidr", "2001:db8::10/124 a\n", "2001:db8::1f", "a", NULL, NULL },
	{ "IPv6 beyond 64, behind", "cidr", "2001:db8::10/124 a\n", "2001:db8::20", NULL, NULL, NULL },
	{ "IPv6 /64 exactly", "cidr", "2001:db8::/64 a\n", "2001:db8::ffff:1:1:1", "a", NULL, NULL },
	{ "mapped lookup", "cidr", "192.0.2.0/24 acme\n", "::ffff:192.0.2.1", "acme", NULL, NULL },
	{ "mapped entry", "cidr", "::ffff:192.0.2.0/120 acme\n", "192.0.2.1", "acme", NULL, NULL },
	{ "all IPv4", "cidr", "0.0.0.0/0 a\n", "203.0.113.9", "a", NULL, NULL },
	{ "all IPv4 is not IPv6", "cidr", "0.0.0.0/0 a\n", "2001:db8::1", NULL, NULL, NULL },
	{ "all IPv6 is not IPv4", "cidr", "::/0 a\n", "203.0.113.9", NULL, NULL, NULL },
	{ "no address", "cidr", "::/0 a\n0.0.0.0/0 a\n", "unknown", NULL, NULL, NULL },
	{ "a network is no address", "cidr", "192.0.2.0/24 a\n", "192.0.2.0/24", NULL, NULL, NULL },
	{ "longest wins, wide first", "cidr", "192.0.2.0/24 a\n192.0.2.128/25 b\n", "192.0.2.200", "b",
	    NULL, NULL },
	{ "longest wins, wide last", "cidr", "192.0.2.128/25 b\n192.0.2.0/24 a\n", "192.0.2.200", "b",
	    NULL, NULL },
	{ "around a longer one", "cidr", "192.0.2.0/24 a\n192.0.2.4/30 b\n", "192.0.2.9", "a", NULL, NULL },
	{ "around two", "cidr", "192.0.2.0/24 a\n192.0.2.0/26 b\n192.0.2.0/30 c\n", "192.0.2.77", "a",
	    NULL, NULL },
	{ "same start", "cidr", "192.0.2.0/24 a\n192.0.2.0/32 b\n", "192.0.2.0", "b", NULL, NULL },

	{ "host bits", "cidr", "192.0.2.1/24 a\n", NULL, NULL, ":1", "the network is 192.0.2.0/24" },
	{ "IPv6 host bits", "cidr", "2001:db8:0:1::/48 a\n", NULL, NULL, ":1",
	    "the network is 2001:db8::/48" },
	{ "no network", "cidr", "acme.example a\n", NULL, NULL, ":1", "no address" },
	{ "length too long", "cidr", "192.0.2.0/33 a\n", NULL, NULL, ":1", "no address" },
	{ "length no number", "cidr", "192.0.2.1/2x a\n", NULL, NULL, ":1", "no address" },
	{ "length empty", "cidr", "192.0.2.0/ a\n", NULL, NULL, ":1", "no address" },
	{ "length with a zero", "cidr", "192.0.2.1/024 a\n", NULL, NULL, ":1", "no address" },
	{ "netmask", "cidr", "192.0.2.0/255.255.255.0 a\n", NULL, NULL, ":1", "no address" },
	{ "short form", "cidr", "192.0.2 a\n", NULL, NULL, ":1", "no address" },
	{ "Postfix negation", "cidr", "!192.0.2.0/24 a\n", NULL, NULL, ":1", "no address" },
	{ "duplicate network", "cidr", "192.0.2.0/24 a\n2001:db8::/32 b\n192.0.2.0/24 c\n", NULL, NULL, ":3",
	    "192.0.2.0/24 is already on line 1" },
	{ "duplicate under two names", "cidr", "2001:db8:0::/48 a\n2001:DB8::/48 b\n", NULL, NULL, ":2",
	    "2001:db8::/48 is already on line 1" },
	{ "duplicate address", "cidr", "192.0.2.1 a\n192.0.2.1/32 b\n", NULL, NULL, ":2",
	    "192.0.2.1/32 is already on line 1" },
};

static void
expect_refused(const struct lines_case *c, struct table *t)
{
	size_t where = strlen(said[0].where), tail = strlen(c->where);

	assert_null(t);
	assert_int_equal(n_said, 1);
	assert_int_equal(said[0].code, ERR_INPUT);
	assert_non_null(strstr(said[0].text, c->why));
	assert_true(where > tail && strcmp(said[0].where + where - tail, c->where) == 0);
}

static void
lines(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(lines_cases); i++) {
		const struct lines_case *c = &lines_cases[i];
		struct table *t;

		print_message("    %s\n", c->name);
		write_text(c->text);
		t = open_as(c->type);
		if (c->key == NULL) {
			expect_refused(c, t);
			continue;
		}
		assert_non_null(t);
		assert_int_equal(n_said, 0);
		if (c->value == NULL)
			assert_null(value_of(t, c->key));
		else
			assert_string_equal(value_of(t, c->key), c->value);
		table_close(&t);
	}
}

static void
nul_bytes_are_refused(void **state)
{
	static const char text[] = "a b\nc d\0e\nf g\n";
	struct table *t;

	(void)state;
	write_bytes(text, sizeof(text) - 1);
	t = open_as("file");
	assert_null(t);
	assert_int_equal(n_said, 1);
	assert_non_null(strstr(said[0].text, "NUL"));
	assert_non_null(strstr(said[0].where, ":2"));
}

static void
what_is_quoted_is_safe_to_print(void **state)
{
	size_t i;

	(void)state;
	write_text("\xc3\xbc\xc3\xbc\xc3\xbc%s%n m\n");
	assert_null(open_as("file"));
	assert_int_equal(n_said, 1);
	write_text("a:\xe2\x80\xa8:: m\nx\xc3\xa9y:\n");
	assert_null(open_as("cidr"));
	for (i = 0; i < n_said; i++)
		assert_null(strpbrk(said[i].text, "\n\r\x1b"));
}

/* --- limits -------------------------------------------------------------- */

struct length_case {
	const char *name;
	size_t key, value;	/* bytes */
	bool ok;
};

static void
lengths(void **state)
{
	static const struct length_case cases[] = {
		{ "longest key", TABLE_KEY_MAX, 10, true },
		{ "key too long", TABLE_KEY_MAX + 1, 10, false },
		{ "longest value", 10, TABLE_VALUE_MAX, true },
		{ "value too long", 10, TABLE_VALUE_MAX + 1, false },
		{ "both at their longest", TABLE_KEY_MAX, TABLE_VALUE_MAX, true },
		{ "line too long", 10, 5000, false },
		{ "line over the read buffer", 10, 200000, false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		size_t n = cases[i].key + cases[i].value + 2;
		char *text = malloc(n + 1), key[TABLE_KEY_MAX + 2];
		struct table *t;

		print_message("    %s\n", cases[i].name);
		assert_non_null(text);
		memset(text, 'k', cases[i].key);
		text[cases[i].key] = ' ';
		memset(text + cases[i].key + 1, 'v', cases[i].value);
		text[n - 1] = '\n';
		write_bytes(text, n);
		t = open_as("file");
		assert_true((t != NULL) == cases[i].ok);
		if (t != NULL) {
			memset(key, 'k', cases[i].key);
			key[cases[i].key] = '\0';
			assert_int_equal(strlen(value_of(t, key)), cases[i].value);
		} else {
			assert_int_equal(n_said, 1);
			assert_non_null(strstr(said[0].text, "longer than"));
		}
		table_close(&t);
		free(text);
	}
}

static void
a_long_continuation_is_refused_once(void **state)
{
	FILE *f = fopen(path, "w");
	int i;

	(void)state;
	assert_non_null(f);
	(void)fputs("acme a\n", f);
	for (i = 0; i < 1000; i++)
		(void)fputs("  and more and more\n", f);
	(void)fputs("next b\n", f);
	assert_int_equal(fclose(f), 0);
	assert_null(open_as("file"));
	assert_int_equal(n_said, 1);
	assert_non_null(strstr(said[0].where, ":1"));
}

static void
a_long_comment_is_no_error(void **state)
{
	FILE *f = fopen(path, "w");
	struct table *t;
	int i;

	(void)state;
	assert_non_null(f);
	(void)fputs("#", f);
	for (i = 0; i < 100000; i++)
		(void)fputc('-', f);
	(void)fputs("\nacme b\n", f);
	assert_int_equal(fclose(f), 0);
	t = open_as("file");
	assert_non_null(t);
	assert_string_equal(value_of(t, "acme"), "b");
	table_close(&t);
}

static void
twenty_errors_are_said_and_the_rest_counted(void **state)
{
	FILE *f = fopen(path, "w");
	int i;

	(void)state;
	assert_non_null(f);
	for (i = 0; i < 1000; i++)
		(void)fprintf(f, "novalue%d\n", i);
	assert_int_equal(fclose(f), 0);
	assert_null(open_as("file"));
	assert_int_equal(n_said, 21);
	assert_non_null(strstr(said[19].where, ":20"));
	assert_non_null(strstr(said[20].text, "980 more errors"));
}

static void
every_bad_line_is_said(void **state)
{
	(void)state;
	write_text("a\nb c\nd: e\nb f\n");
	assert_null(open_as("file"));
	assert_int_equal(n_said, 3);
	assert_non_null(strstr(said[0].where, ":1"));
	assert_non_null(strstr(said[1].where, ":3"));
	assert_non_null(strstr(said[2].where, ":4"));
}

/* --- many entries: every one of them must be found ------------------------ */

#define MANY 20000u

static void
many_keys(void **state)
{
	FILE *f = fopen(path, "w");
	struct table *t;
	char key[64], value[64];
	unsigned i;

	(void)state;
	assert_non_null(f);
	for (i = 0; i < MANY; i++)
		(void)fprintf(f, "c%u.example customer%u\n", i, i / 3);
	assert_int_equal(fclose(f), 0);
	t = open_as("file");
	assert_non_null(t);
	assert_int_equal(table_entries(t), MANY);
	for (i = 0; i < MANY; i++) {
		(void)snprintf(key, sizeof(key), "c%u.example", i);
		(void)snprintf(value, sizeof(value), "customer%u", i / 3);
		assert_string_equal(value_of(t, key), value);
		(void)snprintf(key, sizeof(key), "d%u.example", i);
		assert_null(value_of(t, key));
	}
	table_close(&t);
}

/* Compares the search with a plain walk over all prefixes, which overlap a lot in this small space. */
#define NETS 300u

struct net {
	unsigned start, length;	/* within 192.0.2.0/24: start is the last byte, length 24..32 */
};

static const struct net *
longest(const struct net *nets, size_t n, unsigned byte)
{
	const struct net *best = NULL;
	size_t i;

	for (i = 0; i < n; i++)
		if (byte >> (32 - nets[i].length) == nets[i].start >> (32 - nets[i].length) &&
		    (best == NULL || nets[i].length > best->length))
			best = &nets[i];
	return best;
}

static size_t
nets_make(struct net *to, unsigned seed)
{
	bool taken[33][256] = { { false } };
	size_t n = 0;
	unsigned i;

	for (i = 0; i < NETS; i++) {
		unsigned length, start;

		seed = seed * 1103515245u + 12345u;
		length = 24 + (seed >> 16) % 9;
		start = (seed >> 20 & 0xff) >> (32 - length) << (32 - length);
		if (!taken[length][start])
			to[n++] = (struct net){ start, length };
		taken[length][start] = true;
	}
	return n;
}

static void
overlapping_networks(void **state)
{
	/* As IPv4, and as IPv6 on either side of the 64th bit and across it. */
	static const struct {
		const char *network, *address;
		unsigned length;
	} forms[] = {
		{ "192.0.2.%u/%u n%u-%u\n", "192.0.2.%u", 0 },
		{ "2001:db8:%x::/%u n%u-%u\n", "2001:db8:%x::1", 16 },
		{ "2001:db8::%x/%u n%u-%u\n", "2001:db8::%x", 96 },
		{ "2001:db8:0:%x::/%u n%u-%u\n", "2001:db8:0:%x:ffff::", 32 },
	};
	struct net nets[NETS];
	char key[64], value[32];
	size_t form, i, n;
	unsigned byte;

	(void)state;
	for (form = 0; form < COUNT(forms); form++) {
		FILE *f = fopen(path, "w");
		struct table *t;

		assert_non_null(f);
		n = nets_make(nets, (unsigned)form + 1);
		for (i = 0; i < n; i++)
			(void)fprintf(f, forms[form].network, nets[i].start,
			    nets[i].length + forms[form].length, nets[i].start, nets[i].length);
		assert_int_equal(fclose(f), 0);
		t = open_as("cidr");
		assert_non_null(t);
		assert_int_equal(table_entries(t), n);
		for (byte = 0; byte < 256; byte++) {
			const struct net *best = longest(nets, n, byte);

			(void)snprintf(key, sizeof(key), forms[form].address, byte);
			if (best == NULL) {
				assert_null(value_of(t, key));
				continue;
			}
			(void)snprintf(value, sizeof(value), "n%u-%u", best->start, best->length);
			assert_string_equal(value_of(t, key), value);
		}
		table_close(&t);
	}
}

/* --- the file ------------------------------------------------------------ */

static void
expect_one_refusal(const char *type, enum err_code code, const char *why)
{
	assert_null(open_as(type));
	assert_int_equal(n_said, 1);
	assert_int_equal(said[0].code, code);
	assert_non_null(strstr(said[0].text, why));
	assert_string_equal(said[0].where, path);
}

static void
files_that_are_refused(void **state)
{
	(void)state;
	expect_one_refusal("file", ERR_SYSTEM, "cannot be opened");

	assert_int_equal(mkdir(path, 0755), 0);
	expect_one_refusal("cidr", ERR_INPUT, "is a directory");
	assert_int_equal(rmdir(path), 0);

	/* Nobody writes to it: opening must not wait. */
	assert_int_equal(mkfifo(path, 0600), 0);
	expect_one_refusal("file", ERR_INPUT, "not a regular file");
	assert_int_equal(unlink(path), 0);

	write_text("acme a\n");
	assert_int_equal(chmod(path, 0646), 0);
	expect_one_refusal("file", ERR_INPUT, "written by everybody");
	assert_int_equal(chmod(path, 0664), 0);
	{
		struct table *t = open_as("file");

		assert_non_null(t);
		table_close(&t);
	}
}

/* Exits 0 when a table whose file belongs to somebody else is refused, 2 when nobody cannot be had. It
 * changes its root directory, since TMPDIR may let nobody through. */
static void
open_as_nobody(void)
{
	struct table *t;

	if (chroot(folder) != 0 || chdir("/") != 0 || setgid(65534) != 0 || setuid(65534) != 0)
		_exit(2);
	(void)snprintf(path, sizeof(path), "/table");
	if (access(path, R_OK) != 0)
		_exit(2);
	t = open_as("file");
	_exit(t == NULL && n_said == 1 && strstr(said[0].text, "belongs neither") != NULL ? 0 : 1);
}

static void
a_stranger_s_file_is_refused(void **state)
{
	pid_t pid;
	int status;

	(void)state;
	if (geteuid() != 0)
		skip();		/* only root can give a file away */
	write_text("acme a\n");
	assert_int_equal(chmod(folder, 0755), 0);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(chown(path, 12345, 0), 0);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0)
		open_as_nobody();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void
specs(void **state)
{
	static const struct {
		const char *spec;
		bool known;
		const char *why;
	} cases[] = {
		{ "file:/nowhere", true, "cannot be opened" },
		{ "file:relative", true, "must begin with" },
		{ "file:", true, "must begin with" },
		{ "cidr:./x", true, "must begin with" },
		{ "hash:/etc/gatepost/x", false, "allowed: file, cidr" },
		{ "files:/x", false, "allowed: file, cidr" },
		{ "fil:/x", false, "allowed: file, cidr" },
		{ "FILE:/x", false, "allowed: file, cidr" },
		{ "/etc/gatepost/domains", false, "allowed: file, cidr" },
		{ "", false, "allowed: file, cidr" },
		{ "\x1b[31m:/x", false, "\\x1b[31m" },
	};
	char allowed[64];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		allowed[0] = '\0';
		assert_int_equal(table_spec_ok(cases[i].spec, allowed, sizeof(allowed)), cases[i].known);
		assert_string_equal(allowed, cases[i].known ? "" : "file, cidr");
		n_said = 0;
		assert_null(table_open(cases[i].spec, &report));
		assert_int_equal(n_said, 1);
		assert_non_null(strstr(said[0].text, cases[i].why));
	}
	assert_int_equal(table_spec_ok(NULL, allowed, sizeof(allowed)), 0);
	assert_null(table_open(NULL, &report));
	assert_string_equal(table_types(), "file, cidr");
}

/* --- rereading ----------------------------------------------------------- */

/* While the file still changes between polls it is let alone. */
static void
a_file_being_written_is_let_finish(void **state)
{
	struct table *t;
	FILE *f;

	(void)state;
	write_text("acme a\nzenith z\n");
	t = open_as("file");
	assert_non_null(t);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(table_poll(t), 0);
	(void)fputs("acme ", f);
	assert_int_equal(fflush(f), 0);
	assert_int_equal(table_poll(t), 0);
	(void)fputs("b\nzenith", f);
	assert_int_equal(fflush(f), 0);
	assert_int_equal(table_poll(t), 0);
	(void)fputs(" y\n", f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(table_poll(t), 0);
	assert_string_equal(value_of(t, "acme"), "a");
	assert_int_equal(table_poll(t), 1);
	assert_string_equal(value_of(t, "acme"), "b");
	assert_string_equal(value_of(t, "zenith"), "y");
	assert_int_equal(n_said, 0);
	table_close(&t);
}

static void
a_file_become_empty_is_not_taken(void **state)
{
	struct table *t;

	(void)state;
	write_text("acme a\n");
	t = open_as("file");
	assert_non_null(t);
	write_text("");
	assert_int_equal(table_poll(t), 0);
	assert_int_equal(table_poll(t), -1);
	assert_int_equal(table_poll(t), 0);
	assert_int_equal(n_said, 2);
	assert_non_null(strstr(said[0].text, "has become empty"));
	assert_non_null(strstr(said[1].text, "1 entries, stays in force"));
	assert_string_equal(value_of(t, "acme"), "a");
	write_text("# nobody any more\n");
	assert_int_equal(table_poll(t), 0);
	assert_int_equal(table_poll(t), 1);
	assert_null(value_of(t, "acme"));
	assert_int_equal(table_entries(t), 0);
	table_close(&t);
}

static void
count(void *cookie, const struct err *e)
{
	(void)e;
	++*(unsigned *)cookie;
}

static void
rereads_can_be_told_elsewhere(void **state)
{
	unsigned counted = 0;
	const struct table_report elsewhere = { count, &counted };
	struct table *t;

	(void)state;
	write_text("acme a\n");
	t = open_as("file");
	assert_non_null(t);
	table_report_to(t, &elsewhere);
	write_text("acme\n");
	assert_int_equal(table_poll(t), 0);
	assert_int_equal(table_poll(t), -1);
	assert_int_equal(counted, 2);
	assert_int_equal(n_said, 0);
	table_close(&t);
}

static void
a_right_given_to_everybody_is_noticed(void **state)
{
	struct table *t;

	(void)state;
	write_text("acme a\n");
	t = open_as("file");
	assert_non_null(t);
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(table_poll(t), 0);
	assert_int_equal(table_poll(t), -1);
	assert_non_null(strstr(said[0].text, "written by everybody"));
	assert_string_equal(value_of(t, "acme"), "a");
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(table_poll(t), 0);
	assert_int_equal(table_poll(t), 1);
	table_close(&t);
}

static void
a_symbolic_link_is_followed(void **state)
{
	char real[300], next[300];
	struct table *t;

	(void)state;
	(void)snprintf(real, sizeof(real), "%s.a", path);
	(void)snprintf(next, sizeof(next), "%s.b", path);
	write_text("acme a\n");
	assert_int_equal(rename(path, real), 0);
	write_text("acme b\n");
	assert_int_equal(rename(path, next), 0);
	assert_int_equal(symlink(real, path), 0);
	t = open_as("file");
	assert_non_null(t);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink(next, path), 0);
	assert_int_equal(table_poll(t), 0);
	assert_int_equal(table_poll(t), 1);
	assert_string_equal(value_of(t, "acme"), "b");
	table_close(&t);
	assert_int_equal(unlink(real), 0);
	assert_int_equal(unlink(next), 0);
}

/* --- the tables as installed ---------------------------------------------- */

/* Copies the lines of a shipped table with the '#' taken off its examples ("#acme ..."). */
static void
uncomment(const char *name)
{
	const char *top = getenv("GATEPOST_SRC") != NULL ? getenv("GATEPOST_SRC") : getenv("srcdir");
	char from[512], line[512];
	FILE *in, *out;

	(void)snprintf(from, sizeof(from), "%s/etc/%s", top == NULL ? "." : top, name);
	in = fopen(from, "r");
	if (in == NULL)
		fail_msg("%s cannot be read: say where the sources are in GATEPOST_SRC", from);
	out = fopen(path, "w");
	assert_non_null(out);
	while (fgets(line, sizeof(line), in) != NULL)
		(void)fputs(line[0] == '#' && strchr("# \n", line[1]) == NULL ? line + 1 : line, out);
	assert_int_equal(fclose(out), 0);
	(void)fclose(in);
}

static void
shipped_tables_are_right(void **state)
{
	static const struct {
		const char *name, *type, *key, *value;
	} cases[] = {
		{ "accounts", "file", "news@acme.example", "acme    newsletter@acme.example" },
		{ "networks", "cidr", "192.0.2.200", "zenith" },
		{ "domains", "file", "shared.example", "acme, zenith" },
		{ "customers", "file", "acme", NULL },
		{ "also", "file", "bob@acme.example", "bob@home.example" },
	};
	const char *value, *plan;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		struct table *t;

		uncomment(cases[i].name);
		t = open_as(cases[i].type);
		assert_non_null(t);
		value = value_of(t, cases[i].key);
		assert_non_null(value);
		if (cases[i].value != NULL)
			assert_string_equal(value, cases[i].value);
		else
			assert_int_equal(table_attribute(arena, value, "plan", &plan), 1);
		table_close(&t);
	}
}

/* --- attributes ---------------------------------------------------------- */

static void
attributes(void **state)
{
	static const struct {
		const char *value, *name;
		int result;
		const char *to;
	} cases[] = {
		{ "plan=standard since=2026-01-31 name=\"Acme Ltd\"", "plan", 1, "standard" },
		{ "plan=standard since=2026-01-31 name=\"Acme Ltd\"", "since", 1, "2026-01-31" },
		{ "plan=standard since=2026-01-31 name=\"Acme Ltd\"", "name", 1, "Acme Ltd" },
		{ "plan=standard since=2026-01-31 name=\"Acme Ltd\"", "contact", 0, NULL },
		{ "plan=standard since=2026-01-31 name=\"Acme Ltd\"", "pla", 0, NULL },
		{ "plan=standard since=2026-01-31 name=\"Acme Ltd\"", "", 0, NULL },
		{ "", "plan", 0, NULL },
		{ "  \t ", "plan", 0, NULL },
		{ "\tplan=a\t", "plan", 1, "a" },
		{ "Plan=a", "plan", 1, "a" },
		{ "name=\"plan=b\" plan=a", "plan", 1, "a" },
		{ "name=\"\"", "name", 1, "" },
		{ "name=\"a \\\"b\\\" c\\\\\"", "name", 1, "a \"b\" c\\" },
		{ "contact=a=b", "contact", 1, "a=b" },
		{ "contact=a\\b", "contact", 1, "a\\b" },
		{ "name=M\xc3\xbcller", "name", 1, "M\xc3\xbcller" },
		{ "plan=a plan=b", "plan", -1, NULL },
		{ "plan=a plan=a", "plan", -1, NULL },
		{ "standard", "plan", -1, NULL },
		{ "plan=a loose", "plan", -1, NULL },
		{ "plan= a", "plan", -1, NULL },
		{ "plan=", "plan", -1, NULL },
		{ "plan =a", "plan", -1, NULL },
		{ "=a", "plan", -1, NULL },
		{ "plan=a name=\"open", "plan", -1, NULL },
		{ "plan=a name=\"open\\", "plan", -1, NULL },
		{ "plan=a name=\"open\\\"", "plan", -1, NULL },
		{ "name=\"a\"b", "name", -1, NULL },
		{ "name=a\"b\"", "name", -1, NULL },
		{ "n\xc3\xa4me=a", "plan", -1, NULL },
		{ "plan=a,since=b", "plan", 1, "a,since=b" },
	};
	const char *to;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		print_message("    <%s> %s\n", cases[i].value, cases[i].name);
		to = "before";
		assert_int_equal(table_attribute(arena, cases[i].value, cases[i].name, &to), cases[i].result);
		if (cases[i].to == NULL)
			assert_null(to);
		else
			assert_string_equal(to, cases[i].to);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lines),
		TEST(nul_bytes_are_refused),
		TEST(what_is_quoted_is_safe_to_print),
		TEST(lengths),
		TEST(a_long_continuation_is_refused_once),
		TEST(a_long_comment_is_no_error),
		TEST(twenty_errors_are_said_and_the_rest_counted),
		TEST(every_bad_line_is_said),
		TEST(many_keys),
		TEST(overlapping_networks),
		TEST(files_that_are_refused),
		TEST(a_stranger_s_file_is_refused),
		TEST(specs),
		TEST(a_file_being_written_is_let_finish),
		TEST(a_file_become_empty_is_not_taken),
		TEST(rereads_can_be_told_elsewhere),
		TEST(a_right_given_to_everybody_is_noticed),
		TEST(a_symbolic_link_is_followed),
		TEST(shipped_tables_are_right),
		TEST(attributes),
	};

	return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
