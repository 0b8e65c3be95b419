/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * seal: what is sealed opens with its own key, purpose and bound data alone; key files that must be
 * refused; the life of a key from new to removed.
 */
#include "lib/seal.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define SECRET_A "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define SECRET_B "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
#define DAY " 2026-11-01T08:00:00Z "

static char folder[] = "/tmp/gatepost-seal-XXXXXX";
static char path[64];

static int
set_up(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/trace.keys", folder);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

static void
put(const char *text, mode_t mode)
{
	int fd;

	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static struct seal_keys *
load(const char *text)
{
	struct seal_keys *k;
	struct err e;

	put(text, 0400);
	err_clear(&e);
	k = seal_keys_load(path, &e);
	if (k == NULL)
		fail_msg("%s: %s", e.where, e.text);
	return k;
}

static void
opens(void **state)
{
	struct seal_keys *k = load("# a comment\n\na active" DAY SECRET_A "\nb retired" DAY SECRET_B "\n");
	static const size_t lengths[] = { 0, 1, 2, 3, 16, 100, SEAL_PLAIN_MAX };
	char text[SEAL_TEXT(SEAL_PLAIN_MAX)], again[SEAL_TEXT(SEAL_PLAIN_MAX)];
	unsigned char plain[SEAL_PLAIN_MAX], got[SEAL_PLAIN_MAX];
	size_t i, len;
	struct err e;

	(void)state;
	memset(plain, 'x', sizeof(plain));
	for (i = 0; i < COUNT(lengths); i++) {
		assert_int_equal(seal_close(k, SEAL_STAMP, "r=out1", 6, plain, lengths[i], text,
		    SEAL_TEXT(lengths[i]), &e), 0);
		assert_int_equal(strlen(text) + 1, SEAL_TEXT(lengths[i]));
		assert_int_equal(strspn(text,
		    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
		    strlen(text));
		assert_int_equal(seal_open(k, SEAL_STAMP, "a", "r=out1", 6, text, strlen(text), got, &len),
		    SEAL_OPENED);
		assert_int_equal(len, lengths[i]);
		assert_memory_equal(got, plain, len);
		assert_int_equal(seal_close(k, SEAL_STAMP, "r=out1", 6, plain, lengths[i], again,
		    sizeof(again), &e), 0);
		assert_string_not_equal(text, again);
	}
	assert_int_equal(seal_close(k, SEAL_STAMP, NULL, 0, plain, SEAL_PLAIN_MAX + 1, text,
	    sizeof(text) + 99, &e), -1);
	assert_int_equal(seal_close(k, SEAL_STAMP, NULL, 0, plain, 10, text, SEAL_TEXT(10) - 1, &e), -1);
	seal_keys_unref(&k);
	assert_null(k);
	seal_keys_unref(&k);
}

static void
does_not_open(void **state)
{
	struct seal_keys *k = load("a active" DAY SECRET_A "\nb retired" DAY SECRET_B "\n");
	char text[SEAL_TEXT(8)], changed[SEAL_TEXT(8)], longer[4096];
	static const char *const odd[] = { "", "a", "====", "not base64!", "AAAA", " ", "\n" };
	unsigned char got[SEAL_PLAIN_MAX];
	size_t i, len, n;
	struct err e;
	int bit;

	(void)state;
	assert_int_equal(seal_close(k, SEAL_STAMP, "bound", 5, "12345678", 8, text, sizeof(text), &e), 0);
	n = strlen(text);
	assert_int_equal(seal_open(k, SEAL_STAMP, "c", "bound", 5, text, n, got, &len), SEAL_UNKNOWN_KEY);
	assert_int_equal(seal_open(k, SEAL_STAMP, "", "bound", 5, text, n, got, &len), SEAL_UNKNOWN_KEY);
	assert_int_equal(seal_open(k, SEAL_STAMP, "b", "bound", 5, text, n, got, &len), SEAL_FORGED);
	assert_int_equal(seal_open(k, SEAL_TICKET, "a", "bound", 5, text, n, got, &len), SEAL_FORGED);
	assert_int_equal(seal_open(k, SEAL_WEB, "a", "bound", 5, text, n, got, &len), SEAL_FORGED);
	assert_int_equal(seal_open(k, SEAL_STAMP, "a", "bounD", 5, text, n, got, &len), SEAL_FORGED);
	assert_int_equal(seal_open(k, SEAL_STAMP, "a", "bound", 4, text, n, got, &len), SEAL_FORGED);
	assert_int_equal(seal_open(k, SEAL_STAMP, "a", NULL, 0, text, n, got, &len), SEAL_FORGED);
	for (i = 0; i < n; i++)
		for (bit = 0; bit < 8; bit++) {
			memcpy(changed, text, n + 1);
			changed[i] = (char)(changed[i] ^ (1 << bit));
			assert_int_not_equal(seal_open(k, SEAL_STAMP, "a", "bound", 5, changed, n, got, &len),
			    SEAL_OPENED);
			assert_int_equal(len, 0);
		}
	for (i = 0; i < n; i++)
		assert_int_not_equal(seal_open(k, SEAL_STAMP, "a", "bound", 5, text, i, got, &len),
		    SEAL_OPENED);
	for (i = 0; i < COUNT(odd); i++)
		assert_int_equal(seal_open(k, SEAL_STAMP, "a", "bound", 5, odd[i], strlen(odd[i]), got, &len),
		    SEAL_MALFORMED);
	memset(longer, 'A', sizeof(longer));
	assert_int_equal(seal_open(k, SEAL_STAMP, "a", "bound", 5, longer, sizeof(longer), got, &len),
	    SEAL_MALFORMED);
	assert_int_equal(seal_open(k, SEAL_STAMP, "a", "bound", 5, longer, SEAL_TEXT(SEAL_PLAIN_MAX) - 1,
	    got, &len),
	    SEAL_FORGED);
	seal_keys_unref(&k);
}

static void
files(void **state)
{
	static const struct { const char *name, *text; mode_t mode; const char *says, *where; } cases[] = {
		{ "others may read", "a active" DAY SECRET_A "\n", 0444, "mode 0444", "" },
		{ "the group may read", "a active" DAY SECRET_A "\n", 0440, "mode 0440", "" },
		{ "others may write", "a active" DAY SECRET_A "\n", 0602, "mode 0602", "" },
		{ "empty", "", 0400, "no key in it", "" },
		{ "comments", "# none\n", 0400, "no key in it", "" },
		{ "none active", "a new" DAY SECRET_A "\n", 0400, "no key is active", "" },
		{ "two active", "a active" DAY SECRET_A "\nb active" DAY SECRET_B "\n", 0400,
		    "2 keys are active", "" },
		{ "twice", "a active" DAY SECRET_A "\n\na new" DAY SECRET_B "\n", 0400, "key a", ":3" },
		{ "a word less", "a active" DAY "\n", 0400, "four words", ":1" },
		{ "a word more", "a active" DAY SECRET_A " b\n", 0400, "four words", ":1" },
		{ "id in capitals", "A active" DAY SECRET_A "\n", 0400, "no key id", ":1" },
		{ "id too long", "abcdefghijklmnopq active" DAY SECRET_A "\n", 0400, "no key id", ":1" },
		{ "state", "a old" DAY SECRET_A "\n", 0400, "state", ":1" },
		{ "time", "a active 2026-11-31T08:00:00Z " SECRET_A "\n", 0400, "time", ":1" },
		{ "hour", "a active 2026-11-01T24:00:00Z " SECRET_A "\n", 0400, "time", ":1" },
		{ "no zone", "a active 2026-11-01T08:00:00 " SECRET_A "\n", 0400, "time", ":1" },
		{ "secret too short", "a active" DAY "AAAA\n", 0400, "secret", ":1" },
		{ "secret too long", "a active" DAY SECRET_A "AAAA\n", 0400, "secret", ":1" },
		{ "secret changed", "a active" DAY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB\n", 0400,
		    "secret", ":1" },
	};
	struct seal_keys *k;
	struct err e;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		put(cases[i].text, cases[i].mode);
		err_clear(&e);
		k = seal_keys_load(path, &e);
		if (k != NULL || strstr(e.text, cases[i].says) == NULL || strstr(e.where, path) == NULL ||
		    strstr(e.where, cases[i].where) == NULL)
			fail_msg("%s: %s: %s", cases[i].name, e.where, k == NULL ? e.text : "loaded");
		if (strstr(e.text, "AAAA") != NULL)
			fail_msg("%s: tells a secret: %s", cases[i].name, e.text);
	}
	unlink(path);
	assert_null(seal_keys_load(path, &e));
	assert_non_null(strstr(e.text, "No such file"));
	assert_null(seal_keys_load(folder, &e));
	assert_non_null(strstr(e.text, "not a file"));
	assert_null(seal_keys_load(path, NULL));
}

static void
put_bytes(const char *bytes, size_t n)
{
	int fd;

	put("", 0600);
	fd = open(path, O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), (ssize_t)n);
	assert_int_equal(fchmod(fd, 0400), 0);
	close(fd);
}

static void
odd_files(void **state)
{
	static char large[40000];
	struct seal_keys *k;
	struct err e;
	size_t n;
	int i;

	(void)state;
	k = load("\r\n  \t\r\n\ta\tactive" DAY SECRET_A "\r\n# end");
	seal_keys_unref(&k);
	put_bytes("a active" DAY SECRET_A "\0\n", sizeof("a active" DAY SECRET_A "\0\n") - 1);
	assert_null(seal_keys_load(path, &e));
	assert_non_null(strstr(e.text, "NUL"));
	memset(large, '#', sizeof(large));
	put_bytes(large, sizeof(large));
	assert_null(seal_keys_load(path, &e));
	assert_non_null(strstr(e.text, "larger than"));
	put_bytes(large, 16384);
	assert_null(seal_keys_load(path, &e));
	assert_non_null(strstr(e.text, "no key in it"));
	for (i = 0, n = 0; i <= SEAL_KEYS_MAX; i++)
		n += (size_t)snprintf(large + n, sizeof(large) - n, "k%d %s" DAY SECRET_A "\n", i,
		    i == 0 ? "active" : "retired");
	put_bytes(large, n);
	assert_null(seal_keys_load(path, &e));
	assert_non_null(strstr(e.text, "more than 64 keys"));
	unlink(path);
	assert_int_equal(mkfifo(path, 0400), 0);
	assert_null(seal_keys_load(path, &e));
	assert_non_null(strstr(e.text, "not a file"));
	assert_int_equal(seal_keys_retire(path, "a", &e), -1);
	unlink(path);
}

static enum seal_state
state_of(const char *want)
{
	struct err e;
	struct seal_keys *k = seal_keys_load(path, &e);
	enum seal_state state;
	uint64_t made;
	const char *id;
	size_t i;

	assert_non_null(k);
	for (i = 0; seal_keys_at(k, i, &id, &state, &made); i++)
		if (strcmp(id, want) == 0) {
			assert_true(made > 1700000000000u);
			assert_true((state == SEAL_KEY_ACTIVE) == (strcmp(seal_keys_active(k), id) == 0));
			seal_keys_unref(&k);
			return state;
		}
	seal_keys_unref(&k);
	return (enum seal_state)-1;
}

static void
life_of_a_key(void **state)
{
	char first[SEAL_KEY_ID_MAX + 1], second[SEAL_KEY_ID_MAX + 1], text[SEAL_TEXT(3)],
	    name[SEAL_PSEUDONYM],
	    later[SEAL_PSEUDONYM];
	unsigned char got[SEAL_PLAIN_MAX];
	struct seal_keys *k;
	struct stat st;
	struct err e;
	size_t len;

	(void)state;
	unlink(path);
	assert_int_equal(seal_keys_activate(path, "a", &e), -1);
	assert_int_equal(seal_keys_new(path, NULL, 65534, 65534, first, &e), 0);
	assert_int_equal(strlen(first), 8);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0400);
	if (geteuid() == 0)
		assert_int_equal(st.st_uid, 65534);
	assert_int_equal(state_of(first), SEAL_KEY_ACTIVE);
	k = seal_keys_load(path, &e);
	assert_int_equal(seal_close(k, SEAL_STAMP, NULL, 0, "abc", 3, text, sizeof(text), &e), 0);
	seal_pseudonym(k, "acme", name);
	seal_keys_unref(&k);

	assert_int_equal(seal_keys_new(path, NULL, 0, 0, second, &e), 0);
	assert_int_equal(strlen(second), 9);
	assert_int_equal(second[8], 'b');
	assert_int_equal(seal_keys_new(path, "2027a", 0, 0, second, &e), 0);
	assert_string_equal(second, "2027a");
	assert_int_equal(seal_keys_new(path, "2027a", 0, 0, second, &e), -1);
	assert_int_equal(seal_keys_new(path, "2027-a", 0, 0, second, &e), -1);
	assert_int_equal(seal_keys_new(path, "", 0, 0, second, &e), -1);
	assert_int_equal(state_of("2027a"), SEAL_KEY_NEW);
	assert_int_equal(stat(path, &st), 0);
	if (geteuid() == 0)
		assert_int_equal(st.st_uid, 65534);

	assert_int_equal(seal_keys_retire(path, first, &e), -1);
	assert_int_equal(seal_keys_activate(path, first, &e), -1);
	assert_int_equal(seal_keys_activate(path, "2027a", &e), 0);
	assert_int_equal(state_of(first), SEAL_KEY_RETIRED);
	assert_int_equal(seal_keys_activate(path, first, &e), -1);
	k = seal_keys_load(path, &e);
	assert_int_equal(seal_open(k, SEAL_STAMP, first, NULL, 0, text, strlen(text), got, &len),
	    SEAL_OPENED);
	seal_pseudonym(k, "acme", later);
	assert_string_equal(name, later);
	seal_pseudonym(k, "acmf", later);
	assert_string_not_equal(name, later);
	seal_keys_unref(&k);

	assert_int_equal(seal_keys_retire(path, "none", &e), -1);
	assert_int_equal(seal_keys_retire(path, "2027a", &e), -1);
	assert_int_equal(seal_keys_retire(path, first, &e), 0);
	assert_int_equal(state_of(first), (enum seal_state)-1);
	k = seal_keys_load(path, &e);
	assert_int_equal(seal_open(k, SEAL_STAMP, first, NULL, 0, text, strlen(text), got, &len),
	    SEAL_UNKNOWN_KEY);
	seal_keys_unref(&k);
}

static void
most_keys(void **state)
{
	char id[SEAL_KEY_ID_MAX + 1], want[16];
	struct seal_keys *k;
	struct err e;
	int i;

	(void)state;
	unlink(path);
	for (i = 0; i < SEAL_KEYS_MAX; i++) {
		snprintf(want, sizeof(want), "k%014d", i);
		assert_int_equal(seal_keys_new(path, want, 0, 0, id, &e), 0);
	}
	assert_int_equal(seal_keys_new(path, "more", 0, 0, id, &e), -1);
	assert_int_equal(e.code, ERR_FULL);
	k = seal_keys_load(path, &e);
	assert_non_null(k);
	seal_keys_unref(&k);
}

static void
digests(void **state)
{
	struct seal_keys *k = load("a active" DAY SECRET_A "\nb new" DAY SECRET_B "\n");
	char name[SEAL_PSEUDONYM];
	uint8_t one[16], two[16];

	(void)state;
	seal_pseudonym(k, "acme", name);
	assert_int_equal(strlen(name), 12);
	assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz234567"), 12);
	/* Part of the format: customers' pseudonyms must not change with a release. */
	assert_string_equal(name, "tdue3dt52a7d");
	seal_digest(k, "a", "x", 1, one);
	seal_digest(k, "a", "x", 1, two);
	assert_memory_equal(one, two, 16);
	seal_digest(k, "b", "x", 1, two);
	assert_memory_not_equal(one, two, 16);
	seal_digest(k, "a", "y", 1, two);
	assert_memory_not_equal(one, two, 16);
	seal_digest(k, "none", "x", 1, one);
	seal_digest(k, "none", "x", 1, two);
	assert_memory_not_equal(one, two, 16);
	seal_random(one, sizeof(one));
	seal_random(two, sizeof(two));
	assert_memory_not_equal(one, two, 16);
	seal_keys_unref(&k);
}

/* What was sealed by an older release still opens. */
static void
format_stays(void **state)
{
	struct seal_keys *k = load("a active" DAY SECRET_B "\n");
	static const char text[] = "wMcjKbB-3NhKHTJxEdaOYek3xF_M9stx72yvFrXioEgWthOpW7mAYO2cY2YMKuEH";
	unsigned char got[SEAL_PLAIN_MAX];
	size_t len;

	(void)state;
	assert_int_equal(seal_open(k, SEAL_STAMP, "a", "bound", 5, text, strlen(text), got, &len),
	    SEAL_OPENED);
	assert_int_equal(len, 8);
	assert_memory_equal(got, "12345678", 8);
	seal_keys_unref(&k);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens),
		cmocka_unit_test(does_not_open),
		cmocka_unit_test(files),
		cmocka_unit_test(odd_files),
		cmocka_unit_test(life_of_a_key),
		cmocka_unit_test(most_keys),
		cmocka_unit_test(digests),
		cmocka_unit_test(format_stays),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
