/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * ticket: what was sealed is read again, by the same keys, in time, as what it was; nothing else opens;
 * a nonce is counted.
 */
#include "lib/ticket.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/seal.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define NOW UINT64_C(1780000000000)
#define VALID 60000u

static struct seal_keys *ours, *theirs;

static struct seal_keys *
keys_of(const char *id, const char *secret)
{
	char path[] = "/tmp/gatepost-ticket-XXXXXX";
	int fd = mkstemp(path);
	struct seal_keys *k;
	struct err e;

	assert_true(fd >= 0);
	dprintf(fd, "%s active 2026-01-31T00:00:00Z %s\n", id, secret);
	assert_int_equal(fchmod(fd, 0400), 0);
	close(fd);
	k = seal_keys_load(path, &e);
	unlink(path);
	assert_non_null(k);
	return k;
}

static int
set_up(void **state)
{
	(void)state;
	ours = keys_of("test", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
	theirs = keys_of("other", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	seal_keys_unref(&ours);
	seal_keys_unref(&theirs);
	return 0;
}

static struct ticket
sample(void)
{
	struct ticket t = { .uid = 1001, .user = "web1", .relay = "out1", .quality = TICKET_WEB,
	    .script = "/srv/www/form.php", .time = NOW };

	assert_int_equal(net_parse("2001:db8::7", &t.submitter), 1);
	ticket_begin(&t);
	return t;
}

static void
a_ticket_is_read_again(void **state)
{
	struct ticket t = sample(), back;
	char value[TICKET_VALUE];
	struct err e;

	(void)state;
	assert_int_equal(ticket_close(ours, &t, value, sizeof(value), &e), 0);
	assert_memory_equal(value, "v=1; k=test; t=", 15);
	assert_null(strpbrk(value, "\r\n"));
	assert_int_equal(ticket_open(ours, value, NOW + 10, VALID, &back), TICKET_GOOD);
	assert_int_equal(back.uid, 1001);
	assert_string_equal(back.user, "web1");
	assert_string_equal(back.relay, "out1");
	assert_string_equal(back.script, "/srv/www/form.php");
	assert_int_equal(back.quality, TICKET_WEB);
	assert_true(net_eq(&back.submitter, &t.submitter));
	assert_memory_equal(back.nonce, t.nonce, TICKET_NONCE);
}

static void
the_largest_one_fits(void **state)
{
	struct ticket t = sample(), back;
	char value[TICKET_VALUE], line[2000];
	struct err e;

	(void)state;
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	ticket_put(t.user, sizeof(t.user), line);
	ticket_put(t.relay, sizeof(t.relay), line);
	ticket_put(t.script, sizeof(t.script), line);
	assert_memory_equal(t.script, "...x", 4);
	assert_int_equal(strlen(t.script), TICKET_SCRIPT_MAX);
	assert_int_equal(ticket_close(ours, &t, value, sizeof(value), &e), 0);
	assert_true(strlen(value) + strlen(TICKET_HEADER) + 2 < 998);
	assert_int_equal(ticket_open(ours, value, NOW, VALID, &back), TICKET_GOOD);
	assert_string_equal(back.script, t.script);
}

static void
relays_may_fold_it(void **state)
{
	struct ticket t = sample(), back;
	char value[TICKET_VALUE], folded[TICKET_VALUE * 2];
	size_t i, n = 0;
	struct err e;

	(void)state;
	assert_int_equal(ticket_close(ours, &t, value, sizeof(value), &e), 0);
	for (i = 0; value[i] != '\0'; i++) {
		folded[n++] = value[i];
		if (i % 60 == 59)
			n += (size_t)snprintf(folded + n, 4, "\n\t ");
	}
	folded[n] = '\0';
	assert_int_equal(ticket_open(ours, folded, NOW, VALID, &back), TICKET_GOOD);
}

static void
time_runs_out_both_ways(void **state)
{
	static const struct { int64_t age; enum ticket_result result; } cases[] = {
		{ 0, TICKET_GOOD }, { 60000, TICKET_GOOD }, { 60001, TICKET_EXPIRED }, { -60000,
		    TICKET_GOOD },
		{ -60001, TICKET_EXPIRED }, { (int64_t)86400000, TICKET_EXPIRED },
	};
	struct ticket t = sample(), back;
	char value[TICKET_VALUE];
	struct err e;
	size_t i;

	(void)state;
	assert_int_equal(ticket_close(ours, &t, value, sizeof(value), &e), 0);
	for (i = 0; i < COUNT(cases); i++) {
		memset(&back, 0, sizeof(back));
		assert_int_equal(ticket_open(ours, value, (uint64_t)((int64_t)NOW + cases[i].age), VALID,
		    &back),
		    cases[i].result);
		assert_int_equal(back.uid, 1001);
	}
}

static void
others_keys_do_not_open_it(void **state)
{
	struct ticket t = sample(), back;
	char value[TICKET_VALUE], renamed[TICKET_VALUE + 8];
	struct err e;

	(void)state;
	assert_int_equal(ticket_close(theirs, &t, value, sizeof(value), &e), 0);
	assert_int_equal(ticket_open(ours, value, NOW, VALID, &back), TICKET_FOREIGN);
	snprintf(renamed, sizeof(renamed), "v=1; k=test; t=%s", strstr(value, "t=") + 2);
	assert_int_equal(ticket_open(ours, renamed, NOW, VALID, &back), TICKET_FORGED);
}

static void
other_forms_are_none(void **state)
{
	static const char *const cases[] = { "", "v=1", "v=1; k=test", "v=1; k=test; t=",
	    "v=2; k=test; t=AAAA",
		"v=1; k=; t=AAAA", "v=1; k=TEST; t=AAAA", "v=1; k=a-b; t=AAAA", "k=test; v=1; t=AAAA",
		"v=1; k=averyverylongkeyid; t=AAAA", "v=1; k=test; t=A", "v=1; k=test; t=!!!!",
		"v=1;k=test;t=\x80",
		"v=1; k=test; t=AAAA; x=1" };
	struct ticket back;
	char big[5000];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		print_message("%s\n", cases[i]);
		assert_int_equal(ticket_open(ours, cases[i], NOW, VALID, &back), TICKET_MALFORMED);
	}
	memset(big, 'A', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	memcpy(big, "v=1;k=test;t=", 13);
	assert_int_equal(ticket_open(ours, big, NOW, VALID, &back), TICKET_MALFORMED);
}

/* A million here; the fuzz target goes on from there. */
static void
changed_ones_do_not_open(void **state)
{
	struct ticket t = sample(), back;
	char value[TICKET_VALUE], changed[TICKET_VALUE];
	size_t n, at;
	unsigned i, seed = 1;
	struct err e;

	(void)state;
	assert_int_equal(ticket_close(ours, &t, value, sizeof(value), &e), 0);
	n = strlen(value);
	for (i = 0; i < 1000000; i++) {
		memcpy(changed, value, n + 1);
		seed = seed * 1103515245u + 12345u;
		at = seed / 65536u % n;
		changed[at] = (char)(1 + (seed >> 8 & 0x7f) % 0x7f);
		if (strcmp(changed, value) == 0 || changed[at] == ' ' || changed[at] == '\t' ||
		    changed[at] == '\n' || changed[at] == '\r' || value[at] == ' ')
			continue;
		assert_int_not_equal(ticket_open(ours, changed, NOW, VALID, &back), TICKET_GOOD);
	}
}

static void
a_token_is_no_ticket(void **state)
{
	struct ticket_web w = { .vhost = "www.acme.example", .request = "5f1c", .time = NOW }, back;
	char token[TICKET_TOKEN], value[TICKET_VALUE];
	struct ticket t;
	struct err e;

	(void)state;
	assert_int_equal(net_parse("203.0.113.9", &w.visitor), 1);
	assert_int_equal(ticket_web_close(ours, &w, token, sizeof(token), &e), 0);
	assert_int_equal(strspn(token, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"),
	    strlen(token));
	assert_int_equal(ticket_web_open(ours, token, NOW, VALID, &back), TICKET_GOOD);
	assert_string_equal(back.vhost, "www.acme.example");
	assert_string_equal(back.request, "5f1c");
	assert_true(net_eq(&back.visitor, &w.visitor));
	assert_int_equal(ticket_web_open(ours, token, NOW + VALID + 1, VALID, &back), TICKET_EXPIRED);
	assert_int_equal(ticket_web_open(theirs, token, NOW, VALID, &back), TICKET_FOREIGN);
	snprintf(value, sizeof(value), "v=1; k=test; t=%s", strchr(token + 2, '.') + 1);
	assert_int_equal(ticket_open(ours, value, NOW, VALID, &t), TICKET_FORGED);
}

static void
other_tokens_are_none(void **state)
{
	static const char *const cases[] = { "", "1", "1.", "1.test", "1.test.", "2.test.AAAA", "1..AAAA",
		"1.Test.AAAA", "1.test.AA AA", " 1.test.AAAA" };
	struct ticket_web w = { .time = NOW }, back;
	char token[TICKET_TOKEN], big[3000];
	struct err e;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++)
		assert_int_equal(ticket_web_open(ours, cases[i], NOW, VALID, &back), TICKET_MALFORMED);
	memset(big, 'A', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	memcpy(big, "1.test.", 7);
	assert_int_equal(ticket_web_open(ours, big, NOW, VALID, &back), TICKET_MALFORMED);
	/* One without a visitor says nothing. */
	assert_int_equal(ticket_web_close(ours, &w, token, sizeof(token), &e), 0);
	assert_int_equal(ticket_web_open(ours, token, NOW, VALID, &back), TICKET_MALFORMED);
}

static void
texts_are_made_safe(void **state)
{
	char to[12];

	(void)state;
	ticket_put(to, sizeof(to), "a\nb\x80\x7f");
	assert_string_equal(to, "a?b??");
	ticket_put(to, sizeof(to), NULL);
	assert_string_equal(to, "");
	ticket_put(to, sizeof(to), "0123456789abcdef");
	assert_string_equal(to, "...89abcdef");
}

static void
uses_are_counted(void **state)
{
	static const struct { uint64_t digest, now; enum ticket_use use; } steps[] = {
		{ 7, 0, TICKET_FIRST }, { 7, 1, TICKET_AGAIN }, { 8, 2, TICKET_SPENT }, { 7, 3,
		    TICKET_AGAIN },
		{ 7, 4, TICKET_SPENT }, { 8, 100, TICKET_FIRST }, { 7, 101, TICKET_SPENT },
	};
	struct ticket_book *b = ticket_book_new(1000);
	uint8_t nonce[TICKET_NONCE] = { 1, 2, 3 };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(steps); i++) {
		print_message("step %zu\n", i);
		/* Asking alone changes nothing. */
		assert_int_equal(ticket_book_use(b, nonce, steps[i].digest, 3, NOW + steps[i].now + 100,
		    NOW + steps[i].now, false), steps[i].use);
		assert_int_equal(ticket_book_use(b, nonce, steps[i].digest, 3, NOW + 100 + (i > 4 ? 100 : 0),
		    NOW + steps[i].now, true), steps[i].use);
	}
	ticket_book_free(&b);
	assert_null(b);
}

static void
a_use_can_be_taken_back(void **state)
{
	static const uint8_t nonce[TICKET_NONCE] = { 1 };
	struct ticket_book *b = ticket_book_new(8);

	(void)state;
	ticket_book_take_back(b, nonce, 1, NOW);
	assert_int_equal(ticket_book_use(b, nonce, 1, 3, NOW + 100, NOW, true), TICKET_FIRST);
	ticket_book_take_back(b, nonce, 2, NOW);	/* not that message's */
	assert_int_equal(ticket_book_use(b, nonce, 2, 3, NOW + 100, NOW, true), TICKET_SPENT);
	ticket_book_take_back(b, nonce, 1, NOW);
	assert_int_equal(ticket_book_use(b, nonce, 2, 3, NOW + 100, NOW, true), TICKET_FIRST);
	ticket_book_free(&b);
}

static void
as_many_as_promised_are_remembered(void **state)
{
	enum { MOST = 20000 };
	struct ticket_book *b = ticket_book_new(MOST);
	uint8_t (*nonces)[TICKET_NONCE] = calloc(MOST, TICKET_NONCE);
	size_t i, lost = 0;

	(void)state;
	assert_non_null(nonces);
	for (i = 0; i < MOST; i++) {
		seal_random(nonces[i], TICKET_NONCE);
		assert_int_equal(ticket_book_use(b, nonces[i], 1, 1, NOW + 60000 + i, NOW, true),
		    TICKET_FIRST);
	}
	for (i = 0; i < MOST; i++)
		lost += ticket_book_use(b, nonces[i], 2, 1, NOW + 1, NOW, false) != TICKET_SPENT;
	/* Sets fill by chance: a few in a thousand may go before the others. */
	assert_true(lost < MOST / 100);
	free(nonces);
	ticket_book_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ticket_is_read_again),
		cmocka_unit_test(the_largest_one_fits),
		cmocka_unit_test(relays_may_fold_it),
		cmocka_unit_test(time_runs_out_both_ways),
		cmocka_unit_test(others_keys_do_not_open_it),
		cmocka_unit_test(other_forms_are_none),
		cmocka_unit_test(changed_ones_do_not_open),
		cmocka_unit_test(a_token_is_no_ticket),
		cmocka_unit_test(other_tokens_are_none),
		cmocka_unit_test(texts_are_made_safe),
		cmocka_unit_test(uses_are_counted),
		cmocka_unit_test(a_use_can_be_taken_back),
		cmocka_unit_test(as_many_as_promised_are_remembered),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
