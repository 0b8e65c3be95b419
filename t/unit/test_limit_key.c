/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * test_limit_key - the key of a limit: one subject, one key; two subjects, two keys.
 */
#include "milter/limit_key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct limit_subject full = {
	.customer = "acme", .account = "Bob@Acme.Example", .client = "192.0.2.7", .submitter = "203.0.113.9",
	.return_path = "acme.example", .recipient_domain = "example.com", .mailer = "interspire",
};

static const struct {
	const char *name;
	enum conf_per per[CONF_PER_MAX];
	size_t n;
	const char *key;
} cases[] = {
	{ "customer alone", { CONF_PER_CUSTOMER }, 1, "acme" },
	{ "lower case", { CONF_PER_ACCOUNT }, 1, "bob@acme.example" },
	{ "client", { CONF_PER_CLIENT }, 1, "192.0.2.7" },
	{ "return-path", { CONF_PER_RETURN_PATH }, 1, "acme.example" },
	{ "everyone", { CONF_PER_EVERYONE }, 1, "everyone" },
	{ "a tuple in its order", { CONF_PER_SUBMITTER, CONF_PER_CUSTOMER }, 2, "203.0.113.9|acme" },
	{ "four parts", { CONF_PER_CUSTOMER, CONF_PER_MAILER, CONF_PER_RECIPIENT_DOMAIN, CONF_PER_EVERYONE },
	    4, "acme|interspire|example.com|everyone" },
};

static void
keys(void **state)
{
	char key[LIMIT_KEY_SIZE];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct conf_limit l = { .n_per = cases[i].n };

		print_message("%s\n", cases[i].name);
		memcpy(l.per, cases[i].per, sizeof(l.per));
		assert_true(limit_key(&l, &full, key, sizeof(key)));
		assert_string_equal(key, cases[i].key);
	}
}

static void
missing_part_is_no_key(void **state)
{
	const struct conf_limit l = { .n_per = 2, .per = { CONF_PER_CUSTOMER, CONF_PER_SUBMITTER } };
	struct limit_subject s = { .customer = "acme" };
	char key[LIMIT_KEY_SIZE];

	(void)state;
	assert_false(limit_key(&l, &s, key, sizeof(key)));
	s.submitter = "";
	assert_false(limit_key(&l, &s, key, sizeof(key)));
}

/* A name that holds the separator must not pass for two names. */
static void
separator_in_a_part(void **state)
{
	const struct conf_limit l = { .n_per = 2, .per = { CONF_PER_CUSTOMER, CONF_PER_ACCOUNT } };
	const struct limit_subject one = { .customer = "a|b", .account = "c" };
	const struct limit_subject two = { .customer = "a", .account = "b|c" };
	const struct limit_subject odd = { .customer = "100%\n", .account = "\x7f" };
	char key[LIMIT_KEY_SIZE], other[LIMIT_KEY_SIZE];

	(void)state;
	assert_true(limit_key(&l, &one, key, sizeof(key)) && limit_key(&l, &two, other, sizeof(other)));
	assert_string_equal(key, "a%7cb|c");
	assert_string_equal(other, "a|b%7cc");
	assert_true(limit_key(&l, &odd, key, sizeof(key)));
	assert_string_equal(key, "100%25%0a|%7f");
}

/* Long names share no window by being cut, and none escapes the limit. */
static void
long_keys(void **state)
{
	const struct conf_limit l = { .n_per = 1, .per = { CONF_PER_ACCOUNT } };
	char account[1000], key[LIMIT_KEY_SIZE], other[LIMIT_KEY_SIZE];
	struct limit_subject s = { .account = account };

	(void)state;
	memset(account, 'a', sizeof(account));
	account[320] = '\0';
	assert_true(limit_key(&l, &s, key, sizeof(key)));
	assert_int_equal(strlen(key), 320);
	assert_string_equal(key, account);
	account[320] = 'a';
	account[998] = 'b';
	account[999] = '\0';
	assert_true(limit_key(&l, &s, key, sizeof(key)));
	assert_int_equal(strlen(key), 320);
	account[998] = 'c';
	assert_true(limit_key(&l, &s, other, sizeof(other)));
	assert_string_not_equal(key, other);
	assert_memory_equal(key, other, 302);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys),
		cmocka_unit_test(missing_part_is_no_key),
		cmocka_unit_test(separator_in_a_part),
		cmocka_unit_test(long_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
