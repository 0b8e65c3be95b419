/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * stamp: what goes in comes out, in all three spellings and however it was folded; nothing else opens; what a
 * stamp is bound to.
 */
#include "lib/stamp.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/str.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define NOW UINT64_C(1795600000000)
#define DAY " 2026-11-01T08:00:00Z "
#define KEYS_1 "a active" DAY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n"
#define KEYS_2 "a retired" DAY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n" \
	"b active" DAY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
#define KEYS_3 "b active" DAY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
#define KEYS_4 "a active" DAY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"

static struct seal_keys *
load(const char *text)
{
	char path[] = "/tmp/gatepost-stamp-XXXXXX";
	struct seal_keys *k;
	struct err e;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	k = seal_keys_load(path, &e);
	unlink(path);
	assert_non_null(k);
	return k;
}

#define DATE "Wed, 25 Nov 2026 12:00:00 +0000"

static const char *const from[] = { "bob@acme.example" };
static const char *const recipients[] = { "ann@example.com", "carl@example.net" };
static const struct stamp_bound bound = { "<1@acme.example>", DATE, from, 1, recipients, 2 };

static struct stamp_content
usual(const struct seal_keys *k)
{
	struct stamp_content c = { .relay = "out1", .queue_id = "4jXnkJ57mZz1bvrP", .time = NOW,
	    .port = 54321,
	    .quality = "smtp", .login = true };

	net_parse("192.0.2.7", &c.client);
	c.submitter = c.client;
	stamp_customer(k, "acme", &c);
	stamp_account(k, "bob@acme.example", &c);
	stamp_bind(k, &bound, &c);
	return c;
}

static void
same(const struct stamp_content *a, const struct stamp_content *b)
{
	assert_string_equal(a->key, b->key);
	assert_string_equal(a->relay, b->relay);
	assert_string_equal(a->queue_id, b->queue_id);
	assert_int_equal(a->time, b->time);
	assert_string_equal(a->customer, b->customer);
	assert_string_equal(a->account, b->account);
	assert_memory_equal(&a->client, &b->client, sizeof(a->client));
	assert_int_equal(a->port, b->port);
	assert_memory_equal(&a->submitter, &b->submitter, sizeof(a->submitter));
	assert_string_equal(a->quality, b->quality);
	assert_int_equal(a->local, b->local);
	assert_int_equal(a->login, b->login);
	assert_int_equal(a->no_message_id, b->no_message_id);
	assert_int_equal(a->no_date, b->no_date);
	assert_memory_equal(a->bound, b->bound, sizeof(a->bound));
	assert_int_equal(a->recipients, b->recipients);
	assert_memory_equal(a->filter, b->filter, sizeof(a->filter));
	assert_int_equal(a->mark, b->mark);
}

/* The longest line, with the name before the first; *lines gets how many. */
static size_t
longest(const char *value, unsigned *lines)
{
	size_t most = 0, n = strlen("Gatepost-Trace: ");

	for (*lines = 1; *value != '\0'; value++) {
		n++;
		if (*value == '\n') {
			++*lines;
			n = 0;
		}
		if (n > most)
			most = n;
	}
	return most;
}

static void
in_and_out(void **state)
{
	struct seal_keys *k = load(KEYS_1);
	struct stamp_content c, got;
	char value[STAMP_VALUE], again[STAMP_VALUE], token[STAMP_TOKEN], text[2048];
	unsigned lines;
	struct err e;

	(void)state;
	c = usual(k);
	assert_int_equal(stamp_make(k, &c, value, &e), 0);
	assert_int_equal(stamp_open(k, value, NOW, 1000, &got), STAMP_OPENED);
	same(&c, &got);
	assert_true(longest(value, &lines) <= 78);
	assert_int_equal(lines, 3);
	assert_null(strchr(value, '@'));
	assert_null(strstr(value, "=="));
	assert_null(strstr(value, "acme"));
	snprintf(text, sizeof(text), "gatepost-TRACE :\r\n %s\r\n", value);
	assert_int_equal(stamp_open(k, text, NOW, 1000, &got), STAMP_OPENED);
	same(&c, &got);
	assert_true(stamp_token(value, token));
	assert_int_equal(strncmp(token, "gp1:a:out1:4jXnkJ57mZz1bvrP:", 28), 0);
	assert_int_equal(stamp_open(k, token, NOW, 1000, &got), STAMP_OPENED);
	same(&c, &got);
	snprintf(text, sizeof(text), "CFBL-Feedback-ID: %.30s\r\n\t%.50s\r\n %s\r\n", token, token + 30,
	    token + 80);
	assert_int_equal(stamp_open(k, text, NOW, 1000, &got), STAMP_OPENED);
	same(&c, &got);
	assert_int_equal(stamp_make(k, &c, again, &e), 0);
	assert_string_not_equal(value, again);
	seal_keys_unref(&k);
}

static void
short_tokens(void **state)
{
	struct seal_keys *k = load(KEYS_1), *other = load(KEYS_4), *foreign = load(KEYS_3);
	struct stamp_content c, got;
	char value[STAMP_VALUE], token[STAMP_SHORT], text[200], pseudonym[SEAL_PSEUDONYM];
	struct err e;
	size_t i;

	(void)state;
	c = usual(k);
	assert_int_equal(stamp_make(k, &c, value, &e), 0);
	stamp_short(k, &c, token);
	assert_int_equal(strlen(token), STAMP_SHORT - 1);
	snprintf(text, sizeof(text), "X-Report-Abuse: <abuse+%s@host.example>", token);
	assert_true(strchr(text, '@') - strchr(text, '<') - 1 <= 64);
	assert_int_equal(stamp_open(k, text, NOW, 0, &got), STAMP_OPENED);
	assert_string_equal(got.customer, "acme");
	assert_string_equal(got.key, "a");
	assert_int_equal(got.time, c.time);
	assert_int_equal(got.mark, c.mark);
	assert_true(got.brief);
	assert_false(got.pseudonym);
	assert_false(stamp_matches(k, &got, &bound, true));
	for (i = 0; text[i] != '\0'; i++)
		if (text[i] >= 'a' && text[i] <= 'z')
			text[i] = (char)(text[i] - 32);
	assert_int_equal(stamp_open(k, text, NOW, 0, &got), STAMP_OPENED);
	assert_int_equal(stamp_open(other, token, NOW, 0, &got), STAMP_FORGED);
	assert_int_equal(stamp_open(foreign, token, NOW, 0, &got), STAMP_FOREIGN);
	assert_int_equal(stamp_open(k, token, NOW + 5000, 1000, &got), STAMP_EXPIRED);
	for (i = 1; i < STAMP_SHORT - 1; i++) {
		str_copy(text, sizeof(text), token);
		text[i] = text[i] == 'a' ? 'b' : 'a';
		if (stamp_open(k, text, NOW, 0, &got) == STAMP_OPENED)
			fail_msg("%s opens", text);
		str_copy(text, sizeof(text), token);
		text[i] = '\0';
		assert_int_equal(stamp_open(k, text, NOW, 0, &got), STAMP_MALFORMED);
	}
	stamp_customer(k, "thirteen-byte", &c);
	stamp_short(k, &c, token);
	assert_int_equal(stamp_open(k, token, NOW, 0, &got), STAMP_OPENED);
	assert_string_equal(got.customer, "thirteen-byte");
	stamp_customer(k, "fourteen-bytes", &c);
	stamp_short(k, &c, token);
	assert_int_equal(stamp_open(k, token, NOW, 0, &got), STAMP_OPENED);
	seal_pseudonym(k, "fourteen-bytes", pseudonym);
	assert_string_equal(got.customer, pseudonym);
	assert_true(got.pseudonym);
	seal_keys_unref(&k);
	seal_keys_unref(&other);
	seal_keys_unref(&foreign);
}

static void
extremes(void **state)
{
	struct seal_keys *k = load(KEYS_1);
	struct stamp_content c = { .quality = "nonsense" }, got;
	char value[STAMP_VALUE], token[STAMP_TOKEN], name[200], *many[STAMP_RECIPIENTS + 1];
	struct stamp_bound b = { NULL, NULL, NULL, 0, (const char *const *)many, 0 };
	struct err e;
	unsigned lines;
	size_t i;

	(void)state;
	assert_int_equal(stamp_make(k, &c, value, &e), 0);
	assert_string_equal(c.queue_id, "-");
	assert_int_equal(stamp_open(k, value, NOW, 0, &got), STAMP_OPENED);
	assert_string_equal(got.quality, "none");
	assert_int_equal(got.client.bits, 0);
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	memset(c.relay, 'r', STAMP_RELAY_MAX);
	memcpy(c.relay, "a;b=c@d .e", 10);
	memset(c.queue_id, 'q', STAMP_QUEUE_MAX);
	stamp_customer(k, name, &c);
	stamp_account(k, name, &c);
	assert_int_equal(strlen(c.customer), STAMP_CUSTOMER_MAX);
	assert_int_equal(c.customer[STAMP_CUSTOMER_MAX - 13], '~');
	assert_int_equal(strlen(c.account), STAMP_ACCOUNT_MAX);
	net_parse("2001:db8::7", &c.client);
	net_parse("2001:db8::8", &c.submitter);
	c.quality = "cgi";
	c.time = NOW;
	c.local = true;
	for (i = 0; i < COUNT(many); i++) {
		many[i] = malloc(40);
		snprintf(many[i], 40, "r%zu@example.com", i);
	}
	for (b.n_recipients = 0; b.n_recipients <= COUNT(many); b.n_recipients++) {
		stamp_bind(k, &b, &c);
		assert_int_equal(stamp_make(k, &c, value, &e), 0);
		assert_int_equal(stamp_open(k, value, NOW, 1000, &got), STAMP_OPENED);
		same(&c, &got);
		(void)longest(value, &lines);
		assert_true(lines <= 3);
		assert_int_equal(stamp_matches(k, &got, &b, false), b.n_recipients <= STAMP_RECIPIENTS);
		assert_true(stamp_matches(k, &got, &b, true));
		if (b.n_recipients % 16 == 0) {
			assert_true(stamp_token(value, token));
			assert_int_equal(stamp_open(k, token, NOW, 1000, &got), STAMP_OPENED);
			same(&c, &got);
			assert_true(longest(value, &lines) <= 750);
		}
	}
	assert_string_equal(got.quality, "cgi");
	assert_int_equal(strncmp(got.relay, "a_b_c_d_.e", 10), 0);
	for (i = 0; i < COUNT(many); i++)
		free(many[i]);
	seal_keys_unref(&k);
}

static void
does_not_open(void **state)
{
	static const char *const odd[] = { "", ":", "@", "+@", "v=1", "v=2; k=a; r=o; q=q; t=1; c=AAAA",
	    "gp1:", "g",
	    "gp1:a:o:q:t", "v=1; k=a; r=o; q=q; t=1; c=", "v=1; k=; r=o; q=q; t=1; c=AAAA", "acme",
	    "\xff\xfe",
	    "v=1; k=a; r=o; q=q; t=aaaaaaaa; c=AAAA", "v=1; k=abcdefghijklmnopq; r=o; q=q; t=1; c=AAAA",
	    "v=1; r=o; k=a; q=q; t=1; c=AAAA", "v=1; k=a; r=o; q=q; t=1; c=AAAA; x=1" };
	struct seal_keys *k = load(KEYS_1);
	struct stamp_content c, got;
	char value[STAMP_VALUE], token[STAMP_TOKEN], *text[2] = { value, token }, changed[STAMP_TOKEN],
	    *large;
	struct err e;
	size_t i, t, n;

	(void)state;
	c = usual(k);
	assert_int_equal(stamp_make(k, &c, value, &e), 0);
	assert_true(stamp_token(value, token));
	for (t = 0; t < 2; t++)
		for (i = 0; i < strlen(text[t]); i++) {
			if (strchr(" \n\t", text[t][i]) != NULL)
				continue;
			str_copy(changed, sizeof(changed), text[t]);
			changed[i] = changed[i] == 'x' ? 'y' : 'x';
			if (stamp_open(k, changed, NOW, 0, &got) == STAMP_OPENED)
				fail_msg("%s opens", changed);
			assert_int_equal(got.customer[0], '\0');
			changed[i] = '\0';
			assert_int_not_equal(stamp_open(k, changed, NOW, 0, &got), STAMP_OPENED);
		}
	for (i = 0; i < COUNT(odd); i++) {
		if (stamp_open(k, odd[i], NOW, 0, &got) != STAMP_MALFORMED)
			fail_msg("%s is not malformed", odd[i]);
		assert_string_equal(got.key, "");
		assert_string_equal(got.relay, "");
		assert_string_equal(got.quality, "none");
	}
	n = 100000;
	large = malloc(n + 1);
	memset(large, 'g', n);
	large[n] = '\0';
	assert_int_equal(stamp_open(k, large, NOW, 0, &got), STAMP_MALFORMED);
	assert_null(stamp_find(large, &i));
	memset(large, ' ', n);
	memcpy(large + n - strlen(value), value, strlen(value));
	assert_int_equal(stamp_open(k, large, NOW, 0, &got), STAMP_OPENED);
	free(large);
	seal_keys_unref(&k);
}

static void
rotation(void **state)
{
	struct seal_keys *one = load(KEYS_1), *two = load(KEYS_2), *three = load(KEYS_3),
	    *four = load(KEYS_4);
	struct stamp_content c, got;
	char value[STAMP_VALUE];
	struct err e;

	(void)state;
	c = usual(one);
	assert_int_equal(stamp_make(one, &c, value, &e), 0);
	assert_int_equal(stamp_open(two, value, NOW, 0, &got), STAMP_OPENED);
	assert_true(stamp_matches(two, &got, &bound, false));
	assert_int_equal(stamp_open(three, value, NOW, 0, &got), STAMP_FOREIGN);
	assert_string_equal(got.relay, "out1");
	assert_string_equal(got.queue_id, "4jXnkJ57mZz1bvrP");
	assert_string_equal(got.customer, "");
	assert_int_equal(stamp_open(four, value, NOW, 0, &got), STAMP_FORGED);
	assert_int_equal(stamp_open(one, value, NOW + 1001, 1000, &got), STAMP_EXPIRED);
	assert_string_equal(got.customer, "acme");
	assert_int_equal(stamp_open(one, value, NOW - 3600000, 1000, &got), STAMP_EXPIRED);
	assert_int_equal(stamp_open(one, value, NOW - 60000, 1000, &got), STAMP_OPENED);
	assert_int_equal(stamp_open(one, value, NOW + 1001, 0, &got), STAMP_OPENED);
	seal_keys_unref(&one);
	seal_keys_unref(&two);
	seal_keys_unref(&three);
	seal_keys_unref(&four);
}

static void
bound_to(void **state)
{
	static const char *const two[] = { "bob@acme.example", "eve@acme.example" };
	static const char *const stranger[] = { "ann@example.com", "dora@example.org" };
	static const char *const three[] = { "ann@example.com", "carl@example.net", "dora@example.org" };
	static const struct { const char *name; struct stamp_bound b; bool matches, others; } cases[] = {
		{ "the same", { "<1@acme.example>", DATE, from, 1, recipients, 2 }, true, true },
		{ "folded anew", { "<1@acme.example>", "Wed, 25 Nov\n 2026  12:00:00 +0000", from, 1,
		    recipients, 2 }, true, true },
		{ "one recipient less", { "<1@acme.example>", DATE, from, 1, recipients + 1, 1 }, true,
		    true },
		{ "another recipient", { "<1@acme.example>", DATE, from, 1, stranger, 2 }, false, true },
		{ "one recipient more", { "<1@acme.example>", DATE, from, 1, three, 3 }, false, true },
		{ "another Message-ID", { "<2@acme.example>", DATE, from, 1, recipients, 2 }, false, false },
		{ "no Message-ID", { NULL, DATE, from, 1, recipients, 2 }, false, false },
		{ "another Date", { "<1@acme.example>", "Wed, 25 Nov 2026 12:00:01 +0000", from, 1,
		    recipients, 2 }, false, false },
		{ "another From", { "<1@acme.example>", DATE, two + 1, 1, recipients, 2 }, false, false },
		{ "a From more", { "<1@acme.example>", DATE, two, 2, recipients, 2 }, false, false },
		{ "no From", { "<1@acme.example>", DATE, two, 0, recipients, 2 }, false, false },
	};
	struct seal_keys *k = load(KEYS_1);
	struct stamp_content c;
	char value[STAMP_VALUE];
	struct err e;
	size_t i;

	(void)state;
	c = usual(k);
	assert_int_equal(stamp_make(k, &c, value, &e), 0);
	for (i = 0; i < COUNT(cases); i++)
		if (stamp_matches(k, &c, &cases[i].b, false) != cases[i].matches ||
		    stamp_matches(k, &c, &cases[i].b, true) != cases[i].others)
			fail_msg("%s", cases[i].name);
	/* What it had not when it was stamped, a filter may add. */
	stamp_bind(k, &cases[6].b, &c);
	assert_true(stamp_matches(k, &c, &cases[0].b, false));
	assert_true(stamp_matches(k, &c, &cases[5].b, false));
	assert_false(stamp_matches(k, &c, &cases[7].b, false));
	seal_keys_unref(&k);
}

/* The rates that stamp.h states for strangers. */
static void
strangers(void **state)
{
	static const struct { size_t n; unsigned most; } cases[] = { { 1, 0 }, { 16, 0 }, { 17, 20 }, { 32, 20 },
	    { 64, 20 }, { 128, 20 }, { 256, 20 }, { 512, 20 }, { STAMP_RECIPIENTS, 85 },
	    { STAMP_RECIPIENTS + 1, 0 } };
	struct seal_keys *k = load(KEYS_1);
	struct stamp_content c = { .quality = "none" };
	struct stamp_bound b = { "m", "d", NULL, 0, NULL, 0 };
	char space[STAMP_RECIPIENTS + 1][32], one[32];
	const char *many[STAMP_RECIPIENTS + 1], *stranger[1] = { one };
	unsigned taken;
	size_t i, j;

	(void)state;
	for (i = 0; i < COUNT(many); i++) {
		snprintf(space[i], sizeof(space[i]), "r%zu@example.com", i);
		many[i] = space[i];
	}
	str_copy(c.key, sizeof(c.key), "a");
	for (i = 0; i < COUNT(cases); i++) {
		b.recipients = many;
		b.n_recipients = cases[i].n;
		stamp_bind(k, &b, &c);
		b.recipients = stranger;
		b.n_recipients = 1;
		for (j = 0, taken = 0; j < 1000; j++) {
			snprintf(one, sizeof(one), "s%zu@example.com", j);
			taken += stamp_matches(k, &c, &b, false);
		}
		if (taken > cases[i].most)
			fail_msg("%u of 1000 strangers pass for one of %zu", taken, cases[i].n);
	}
	seal_keys_unref(&k);
}

static void
finding(void **state)
{
	struct seal_keys *k = load(KEYS_1);
	struct stamp_content c, got;
	char value[STAMP_VALUE], token[STAMP_TOKEN], brief[STAMP_SHORT], text[4096], word[2048];
	const char *at;
	struct err e;
	unsigned n = 0;
	size_t len;

	(void)state;
	c = usual(k);
	str_copy(c.relay, sizeof(c.relay), "out1.host.example");
	assert_int_equal(stamp_make(k, &c, value, &e), 0);
	assert_true(stamp_token(value, token));
	stamp_short(k, &c, brief);
	snprintf(text, sizeof(text),
	    "Dear abuse+team, see <abuse+%s@host.example>, mailto:abuse+%s@host.example. Or "
	    "(%s).\n> gp1:\nTo: bob@acme.example g%s\n%s", brief, brief, token, brief, brief);
	for (at = text; (at = stamp_find(at, &len)) != NULL; at += len, n++) {
		memcpy(word, at, len);
		word[len] = '\0';
		assert_int_equal(stamp_open(k, word, NOW, 0, &got), STAMP_OPENED);
		assert_string_equal(got.customer, "acme");
	}
	assert_int_equal(n, 4);
	assert_null(stamp_find("", &len));
	assert_null(stamp_find(".:+@", &len));
	seal_keys_unref(&k);
}

static void
format_stays(void **state)
{
	struct seal_keys *k = load(KEYS_1);
	static const char stamp[] = "gp1:a:out1:4jXnkJ57mZz1bvrP:tp1xts:7tQcwCym5-FHlUUGR069csviFUvml9H8SvK"
	    "gkalVJXehim8J5BqpWJHWFLQeTV-6AG567y63Dn56lx7gYjxpKvhDKw5bFvl8fcLiI3E0oklQHiCr1as";
	static const char brief[] = "ge73vrikpxdv7gjejfmwcwk7xtnttukg4kbtoixasuepp7k5dkmr2xiq";
	struct stamp_content got;

	(void)state;
	assert_int_equal(stamp_open(k, stamp, NOW, 0, &got), STAMP_OPENED);
	assert_string_equal(got.account, "bob@acme.example");
	assert_int_equal(got.port, 54321);
	assert_true(stamp_matches(k, &got, &bound, false));
	assert_int_equal(stamp_open(k, brief, NOW, 0, &got), STAMP_OPENED);
	assert_string_equal(got.customer, "acme");
	seal_keys_unref(&k);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_and_out),
		cmocka_unit_test(short_tokens),
		cmocka_unit_test(extremes),
		cmocka_unit_test(does_not_open),
		cmocka_unit_test(rotation),
		cmocka_unit_test(bound_to),
		cmocka_unit_test(strangers),
		cmocka_unit_test(finding),
		cmocka_unit_test(format_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
