/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * facts: what is kept of a message, and where hostile ones run into their bounds.
 */
#include "milter/facts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/banned.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct facts facts;

static int
begin(void **state)
{
	(void)state;
	facts_begin(&facts, arena_new(ARENA_DEFAULT_CAP));
	return 0;
}

static int
end(void **state)
{
	(void)state;
	facts_end(&facts);
	return 0;
}

/* ---- one message after another --------------------------------------------- */

static void
the_connection_outlives_the_message(void **state)
{
	struct net_addr client;

	(void)state;
	assert_int_equal(net_parse("2001:db8::25", &client), 1);
	facts_set_client(&facts, &client);
	facts.local = true;
	facts_set_login(&facts, "bob");
	facts_set_sender(&facts, "<bob@acme.example>");
	facts_add_recipient(&facts, "<ann@home.example>");
	facts_add_header(&facts, "From", "bob@acme.example");
	facts_settle(&facts);

	facts_begin(&facts, arena_new(ARENA_DEFAULT_CAP));
	assert_string_equal(facts.client_text, "2001:db8::25");
	assert_memory_equal(&facts.client, &client, sizeof(client));
	assert_true(facts.local);
	assert_true(facts.began > 0);
	assert_null(facts.login);
	assert_null(facts.sender);
	assert_false(facts.sender_ok);
	assert_int_equal(facts.n_recipients, 0);
	assert_int_equal(facts.n_headers, 0);
	assert_int_equal(facts.bytes, 0);
	assert_int_equal(facts.n_from, 0);
	assert_int_equal(facts.from_fields, 0);
	assert_false(facts_over(&facts));
	facts_end(&facts);
	facts_end(&facts);
	assert_string_equal(facts.client_text, "2001:db8::25");
}

static const struct {
	const char *name, *argument;
	bool ok, null;
	const char *text;
} senders[] = {
	{ "in brackets", "<Bob@Acme.Example>", true, false, "bob@acme.example" },
	{ "bare", "bob@acme.example", true, false, "bob@acme.example" },
	{ "bounce", "<>", true, true, "" },
	{ "empty", "", true, true, "" },
	{ "no domain", "<bob>", false, false, NULL },
	{ "control character", "<bob\x01@acme.example>", false, false, NULL },
	{ "two addresses", "<bob@acme.example,eve@evil.example>", false, false, NULL },
};

static void
the_sender_is_one_address_or_none(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(senders); i++) {
		print_message("%s\n", senders[i].name);
		facts_set_sender(&facts, senders[i].argument);
		assert_string_equal(facts.sender, senders[i].argument);
		assert_int_equal(facts.sender_ok, senders[i].ok);
		if (!senders[i].ok)
			continue;
		assert_int_equal(facts.return_path.null, senders[i].null);
		assert_string_equal(facts.return_path.text, senders[i].text);
	}
}

static void
an_empty_login_is_none(void **state)
{
	(void)state;
	facts_set_login(&facts, NULL);
	assert_null(facts.login);
	facts_set_login(&facts, "");
	assert_null(facts.login);
	facts_set_login(&facts, "Bob");
	assert_string_equal(facts.login, "Bob");
}

/* ---- recipients ------------------------------------------------------------- */

static void
recipients_are_sorted_and_counted_once(void **state)
{
	static const char *const given[] = {
		"<zoe@home.example>", "<ann@home.example>", "ZOE@home.example", "<zoe@HOME.example>",
		"<ann@home.example.>", "<m\xc3\xbcller@m\xc3\xbcller.example>",
		"<m\xc3\xbcller@xn--mller-kva.example>", "<>", "", "<", "postmaster", "<bob+1@home.example>",
	};
	static const char *const want[] = {
		"", "<", "ann@home.example", "bob+1@home.example", "m\xc3\xbcller@xn--mller-kva.example",
		"postmaster", "zoe@home.example",
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(given); i++)
		facts_add_recipient(&facts, given[i]);
	assert_int_equal(facts.n_recipients, COUNT(given));
	facts_settle(&facts);
	assert_int_equal(facts.n_recipients, COUNT(want));
	for (i = 0; i < COUNT(want); i++)
		assert_string_equal(facts.recipients[i], want[i]);
}

static void
one_recipient_and_none(void **state)
{
	facts_settle(&facts);
	assert_int_equal(facts.n_recipients, 0);
	(void)end(state);
	(void)begin(state);
	facts_add_recipient(&facts, "<Ann@home.example>");
	facts_settle(&facts);
	assert_int_equal(facts.n_recipients, 1);
	assert_string_equal(facts.recipients[0], "ann@home.example");
}

static void
recipients_have_a_bound(void **state)
{
	char text[40];
	size_t i;

	(void)state;
	for (i = 0; i < FACTS_RECIPIENTS_MAX; i++) {
		(void)snprintf(text, sizeof(text), "<r%zu@x.example>", i / 2);
		facts_add_recipient(&facts, text);
	}
	assert_false(facts_over(&facts));
	facts_add_recipient(&facts, "<one@more.example>");
	assert_true(facts_over(&facts));
	assert_true(facts.cut);
	assert_int_equal(facts.n_recipients, FACTS_RECIPIENTS_MAX);
	facts_settle(&facts);
	assert_int_equal(facts.n_recipients, FACTS_RECIPIENTS_MAX / 2);
}

/* ---- headers ------------------------------------------------------------------ */

static void
headers_are_found_without_case(void **state)
{
	(void)state;
	facts_add_header(&facts, "Received", "first");
	facts_add_header(&facts, "X-Mailer", "Tool");
	facts_add_header(&facts, "RECEIVED", "second");
	assert_int_equal(facts.n_headers, 3);
	assert_int_equal(facts.bytes, strlen("Receivedfirst") + strlen("X-MailerTool") +
	    strlen("RECEIVEDsecond") + 3 * 4);
	assert_int_equal(facts_header_count(&facts, "received"), 2);
	assert_int_equal(facts_header_count(&facts, "Receive"), 0);
	assert_string_equal(facts_header(&facts, "received", 1)->value, "first");
	assert_string_equal(facts_header(&facts, "received", 2)->value, "second");
	assert_null(facts_header(&facts, "received", 3));
	assert_null(facts_header(&facts, "", 1));
}

static void
the_first_message_id_that_says_something(void **state)
{
	(void)state;
	facts_add_header(&facts, "Message-ID", " \n\t");
	assert_null(facts.message_id);
	facts_add_header(&facts, "message-id", "\n <1@acme.example> ");
	facts_add_header(&facts, "Message-ID", "<2@acme.example>");
	assert_string_equal(facts.message_id, "<1@acme.example>");
}

static void
headers_have_a_bound(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < FACTS_HEADERS_MAX; i++)
		facts_add_header(&facts, i % 2 == 0 ? "X-A" : "X-B", "v");
	assert_false(facts_over(&facts));
	assert_int_equal(facts.n_headers, 5000);
	facts_add_header(&facts, "From", "bob@acme.example");	/* the 5001st */
	assert_true(facts_over(&facts));
	assert_true(facts.cut);
	assert_int_equal(facts.n_headers, 5000);
	facts_add_recipient(&facts, "<ann@home.example>");
	assert_int_equal(facts.n_recipients, 0);
	facts_settle(&facts);
	assert_int_equal(facts.from_fields, 0);
	assert_string_equal(facts_header(&facts, "x-b", 2500)->value, "v");
}

/* The MTA's own bound of a header is far above what one message may hold here. */
static void
the_arena_has_a_cap(void **state)
{
	const size_t cap = 100000;
	char *value = malloc(65536);
	size_t i, kept;

	assert_non_null(value);
	memset(value, 'v', 65535);
	value[65535] = '\0';
	(void)end(state);
	facts_begin(&facts, arena_new(cap));
	for (i = 0; i < 100; i++)
		facts_add_header(&facts, "X-Large", value);
	assert_true(facts_over(&facts));
	assert_true(facts.cut);
	kept = facts.n_headers;
	assert_int_equal(kept, 2);	/* the one that passed the cap is the last */
	assert_true(arena_used(facts.arena) < cap + 2 * 65536);
	for (i = 0; i < 1000; i++)
		facts_add_recipient(&facts, value);
	assert_int_equal(facts.n_recipients, 0);
	assert_int_equal(facts.n_headers, kept);
	facts_settle(&facts);
	free(value);
}

/* ---- From and Sender ------------------------------------------------------------ */

static const struct {
	const char *name;
	const char *fields[4];		/* each "From", but those that begin with '!' are "Sender" */
	unsigned from_fields, sender_fields;
	const char *from[4], *sender[2];
	bool from_doubt, sender_doubt;
} authors[] = {
	{ "one", { "Bob <Bob@Acme.example>" }, 1, 0, { "bob@acme.example" }, { NULL }, false, false },
	{ "none", { NULL }, 0, 0, { NULL }, { NULL }, false, false },
	{ "two mailboxes", { "bob@acme.example,\n eve@evil.example" }, 1, 0,
	    { "bob@acme.example", "eve@evil.example" }, { NULL }, false, false },
	{ "two fields", { "bob@acme.example", "eve@evil.example" }, 2, 0,
	    { "bob@acme.example", "eve@evil.example" }, { NULL }, false, false },
	{ "the second cannot be read", { "bob@acme.example", "eve@" }, 2, 0, { "bob@acme.example" },
	    { NULL }, true, false },
	{ "the first cannot be read", { "<eve", "bob@acme.example" }, 2, 0, { "bob@acme.example" },
	    { NULL }, true, false },
	{ "empty", { "" }, 1, 0, { NULL }, { NULL }, true, false },
	{ "a group of nobody", { "undisclosed:;" }, 1, 0, { NULL }, { NULL }, false, false },
	{ "Sender apart", { "bob@acme.example", "!ann@acme.example" }, 1, 1, { "bob@acme.example" },
	    { "ann@acme.example" }, false, false },
	{ "Sender in doubt", { "bob@acme.example", "!ann" }, 1, 1, { "bob@acme.example" }, { NULL },
	    false, true },
	{ "two Senders", { "!ann@acme.example", "!eve@evil.example" }, 0, 2, { NULL },
	    { "ann@acme.example", "eve@evil.example" }, false, false },
};

static void
expect_boxes(const struct mail_address *at, size_t n, const char *const *want, size_t most)
{
	size_t i;

	for (i = 0; i < most && want[i] != NULL; i++) {
		assert_true(i < n);
		assert_string_equal(at[i].text, want[i]);
	}
	assert_int_equal(n, i);
}

static void
all_mailboxes_of_all_fields(void **state)
{
	size_t i, k;

	for (i = 0; i < COUNT(authors); i++) {
		print_message("%s\n", authors[i].name);
		(void)begin(state);
		for (k = 0; k < COUNT(authors[i].fields) && authors[i].fields[k] != NULL; k++) {
			const char *value = authors[i].fields[k];

			facts_add_header(&facts, *value == '!' ? "SENDER" : k == 0 ? "From" : "from",
			    *value == '!' ? value + 1 : value);
		}
		facts_settle(&facts);
		assert_int_equal(facts.from_fields, authors[i].from_fields);
		assert_int_equal(facts.sender_fields, authors[i].sender_fields);
		expect_boxes(facts.from, facts.n_from, authors[i].from, COUNT(authors[i].from));
		expect_boxes(facts.sender_box, facts.n_sender_box, authors[i].sender,
		    COUNT(authors[i].sender));
		assert_int_equal(facts.from_why != NULL, authors[i].from_doubt);
		assert_int_equal(facts.sender_why != NULL, authors[i].sender_doubt);
		(void)end(state);
	}
}

/* One field above the bound: no mailbox gets through unread without a doubt being told. */
static void
from_fields_have_a_bound(void **state)
{
	unsigned n;

	for (n = FACTS_FROM_FIELDS_MAX; n <= FACTS_FROM_FIELDS_MAX + 2; n++) {
		unsigned i;

		(void)begin(state);
		for (i = 1; i < n; i++)
			facts_add_header(&facts, "From", "bob@acme.example");
		facts_add_header(&facts, "From", "eve@evil.example");
		facts_settle(&facts);
		assert_true(facts.from_fields > 1);
		if (n <= FACTS_FROM_FIELDS_MAX) {
			assert_null(facts.from_why);
			assert_int_equal(facts.n_from, n);
			assert_string_equal(facts.from[n - 1].text, "eve@evil.example");
		} else {
			assert_non_null(facts.from_why);
			assert_int_equal(facts.n_from, FACTS_FROM_FIELDS_MAX);
		}
		(void)end(state);
	}
}

/* Fields that cannot be read count towards the bound: each costs time too. */
static void
unreadable_fields_end_too(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < FACTS_HEADERS_MAX; i++)
		facts_add_header(&facts, "From", "<");
	facts_settle(&facts);
	assert_non_null(facts.from_why);
	assert_int_equal(facts.n_from, 0);
	assert_int_equal(facts.from_fields, FACTS_FROM_FIELDS_MAX + 1);
}

static void
words_for_people(void **state)
{
	(void)state;
	assert_string_equal(facts_class_text(CLASS_UNKNOWN), "unknown");
	assert_string_equal(facts_class_text(CLASS_CUSTOMER), "customer");
	assert_string_equal(facts_class_text(CLASS_BOUNCE), "bounce");
	assert_string_equal(facts_quality_text(QUALITY_NONE), "none");
	assert_string_equal(facts_quality_text(QUALITY_SMTP), "smtp");
	assert_string_equal(facts_quality_text(QUALITY_APP), "app");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_connection_outlives_the_message, begin, end),
		cmocka_unit_test_setup_teardown(the_sender_is_one_address_or_none, begin, end),
		cmocka_unit_test_setup_teardown(an_empty_login_is_none, begin, end),
		cmocka_unit_test_setup_teardown(recipients_are_sorted_and_counted_once, begin, end),
		cmocka_unit_test_setup_teardown(one_recipient_and_none, begin, end),
		cmocka_unit_test_setup_teardown(recipients_have_a_bound, begin, end),
		cmocka_unit_test_setup_teardown(headers_are_found_without_case, begin, end),
		cmocka_unit_test_setup_teardown(the_first_message_id_that_says_something, begin, end),
		cmocka_unit_test_setup_teardown(headers_have_a_bound, begin, end),
		cmocka_unit_test_setup_teardown(the_arena_has_a_cap, begin, end),
		cmocka_unit_test(all_mailboxes_of_all_fields),
		cmocka_unit_test(from_fields_have_a_bound),
		cmocka_unit_test_setup_teardown(unreadable_fields_end_too, begin, end),
		cmocka_unit_test(words_for_people),
	};

	return cmocka_run_group_tests_name("facts", tests, NULL, NULL);
}
