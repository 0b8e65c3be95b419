/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * verdict: which finding wins, what monitor mode keeps from being done, what the sender hears, and header
 * edits that are right for both MTAs and safe in any message.
 */
#include "milter/verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/banned.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define LINE_MOST 78

static struct verdict verdict;

static int
begin(void **state)
{
	(void)state;
	verdict_begin(&verdict, arena_new(ARENA_DEFAULT_CAP));
	return 0;
}

static int
end(void **state)
{
	(void)state;
	arena_free(&verdict.arena);
	return 0;
}

/* ---- who wins ------------------------------------------------------------ */

static const struct {
	const char *name;
	struct { enum conf_action action; bool monitor; } found[4];
	size_t n;
	enum conf_action action;
	int decider;			/* which of found; -1: none */
	enum conf_action would;
	int would_decider;
} orders[] = {
	{ "nothing found", { { CONF_ACCEPT, false } }, 0, CONF_ACCEPT, -1, CONF_ACCEPT, -1 },
	{ "only told", { { CONF_ACCEPT, false } }, 1, CONF_ACCEPT, -1, CONF_ACCEPT, -1 },
	{ "tag", { { CONF_ACCEPT, false }, { CONF_TAG, false } }, 2, CONF_TAG, 1, CONF_ACCEPT, -1 },
	{ "slow over tag", { { CONF_SLOW, false }, { CONF_TAG, false } }, 2, CONF_SLOW, 0, CONF_ACCEPT, -1 },
	{ "hold over slow", { { CONF_SLOW, false }, { CONF_HOLD, false } }, 2, CONF_HOLD, 1,
	    CONF_ACCEPT, -1 },
	{ "defer over hold", { { CONF_DEFER, false }, { CONF_HOLD, false } }, 2, CONF_DEFER, 0,
	    CONF_ACCEPT, -1 },
	{ "reject over all", { { CONF_DEFER, false }, { CONF_REJECT, false }, { CONF_HOLD, false } }, 3,
	    CONF_REJECT, 1, CONF_ACCEPT, -1 },
	{ "the first of equals", { { CONF_TAG, false }, { CONF_DEFER, false }, { CONF_DEFER, false } }, 3,
	    CONF_DEFER, 1, CONF_ACCEPT, -1 },
	{ "monitor alone", { { CONF_REJECT, true } }, 1, CONF_ACCEPT, -1, CONF_REJECT, 0 },
	{ "monitor is stronger", { { CONF_TAG, false }, { CONF_DEFER, true } }, 2, CONF_TAG, 0,
	    CONF_DEFER, 1 },
	{ "monitor is weaker", { { CONF_REJECT, false }, { CONF_DEFER, true } }, 2, CONF_REJECT, 0,
	    CONF_ACCEPT, -1 },
	{ "monitor is equal", { { CONF_DEFER, true }, { CONF_DEFER, false } }, 2, CONF_DEFER, 1,
	    CONF_ACCEPT, -1 },
	{ "monitor, only told", { { CONF_ACCEPT, true } }, 1, CONF_ACCEPT, -1, CONF_ACCEPT, -1 },
	{ "the strongest of monitor", { { CONF_TAG, true }, { CONF_REJECT, true }, { CONF_SLOW, false },
	    { CONF_HOLD, true } }, 4, CONF_SLOW, 2, CONF_REJECT, 1 },
};

static void
the_strongest_wins(void **state)
{
	size_t i, k;

	for (i = 0; i < COUNT(orders); i++) {
		const struct finding *found[5] = { NULL }, **at = found + 1, *would = (const void *)"x";

		print_message("%s\n", orders[i].name);
		assert_int_equal(begin(state), 0);
		for (k = 0; k < orders[i].n; k++) {
			const struct finding f = { .check = "test", .code = "test.case",
			    .action = orders[i].found[k].action, .monitor = orders[i].found[k].monitor };

			at[k] = verdict_add(&verdict, &f);
		}
		assert_int_equal(verdict_action(&verdict), orders[i].action);
		assert_ptr_equal(verdict_decider(&verdict), at[orders[i].decider]);
		assert_int_equal(verdict_would(&verdict, &would), orders[i].would);
		assert_ptr_equal(would, at[orders[i].would_decider]);
		assert_int_equal(verdict_would(&verdict, NULL), orders[i].would);
		(void)end(state);
	}
}

static void
findings_are_copies_in_their_order(void **state)
{
	struct finding f = { .code = "test.first", .action = CONF_TAG }, stray = { .code = "test.stray" };
	const struct finding *first, *second;

	(void)state;
	f.next = &stray;
	first = verdict_add(&verdict, &f);
	f.code = "test.second";
	f.action = CONF_REJECT;
	second = verdict_add(&verdict, &f);
	assert_ptr_equal(verdict.findings, first);
	assert_ptr_equal(first->next, second);
	assert_null(second->next);
	assert_string_equal(first->code, "test.first");
	assert_int_equal(first->action, CONF_TAG);
	assert_string_equal(second->code, "test.second");
}

/* ---- what the sender hears -------------------------------------------------- */

static const struct {
	const char *name;
	struct finding f;
	enum conf_action action;
	const char *code, *xcode, *text;
} replies[] = {
	{ "reject", { .reply = "no", .status = "7.1" }, CONF_REJECT, "550", "5.7.1", "no" },
	{ "defer", { .reply = "later", .status = "3.4" }, CONF_DEFER, "451", "4.3.4", "later" },
	{ "no status", { .reply = "no" }, CONF_REJECT, "550", "5.7.1", "no" },
	{ "no status, deferred", { .reply = "no" }, CONF_DEFER, "451", "4.7.1", "no" },
	{ "deferred where it would be rejected", { .reply = "no", .action = CONF_REJECT }, CONF_DEFER,
	    "451", "4.7.1", "no" },
	{ "incident", { .reply = "no", .incident = "7Q2KX" }, CONF_REJECT, "550", "5.7.1",
	    "no (incident 7Q2KX)" },
	{ "percent is the session's business", { .reply = "100% no" }, CONF_REJECT, "550", "5.7.1",
	    "100% no" },
	{ "two lines", { .reply = "no\r\n250 ok" }, CONF_REJECT, "550", "5.7.1", "no\\x0d\\x0a250 ok" },
	{ "escape sequence", { .reply = "\x1b[2J" }, CONF_REJECT, "550", "5.7.1", "\\x1b[2J" },
	{ "UTF-8", { .reply = "From \xc3\xbc@x.example" }, CONF_REJECT, "550", "5.7.1", "From ??@x.example" },
	{ "no UTF-8", { .reply = "\xff" }, CONF_REJECT, "550", "5.7.1", "\\xff" },
	{ "no text", { .reply = NULL, .incident = "7Q2KX" }, CONF_REJECT, "550", "5.7.1",
	    " (incident 7Q2KX)" },
};

static void
replies_say_why(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(replies); i++) {
		struct reply r;

		print_message("%s\n", replies[i].name);
		memset(&r, 'x', sizeof(r));
		verdict_reply(&replies[i].f, replies[i].action, &r);
		assert_string_equal(r.code, replies[i].code);
		assert_string_equal(r.xcode, replies[i].xcode);
		assert_string_equal(r.text, replies[i].text);
	}
}

/* The incident is what the customer reads to the desk over the telephone. */
static void
a_long_reply_keeps_its_incident(void **state)
{
	static char text[2000];
	struct finding f = { .reply = text, .incident = "7Q2KXYZ" };
	struct reply r;
	size_t n;

	(void)state;
	for (n = 370; n < sizeof(text); n += n < 430 ? 1 : 500) {
		memset(text, n % 2 == 0 ? 'a' : '\x01', n);
		text[n] = '\0';
		verdict_reply(&f, CONF_REJECT, &r);
		assert_true(strlen(r.text) < sizeof(r.text));
		assert_non_null(strstr(r.text, " (incident 7Q2KXYZ)"));
		assert_string_equal(strstr(r.text, " (incident "), " (incident 7Q2KXYZ)");
	}
}

/* ---- removing headers ------------------------------------------------------------ */

/* Postfix counts anew after each removal, Sendmail does not: only from the last to the first both remove the
 * same. */
static void
removals_go_downwards(void **state)
{
	static const struct { const char *name; unsigned index; } want[] = {
		{ "X-Other", 2 }, { "X-Trace", 3 }, { "X-Other", 1 }, { "X-Trace", 2 }, { "X-Trace", 1 },
	};
	char name[] = "X-Trace";
	const struct edit *e;
	size_t i;

	(void)state;
	verdict_remove_header(&verdict, name, 1);
	verdict_remove_header(&verdict, name, 2);
	verdict_remove_header(&verdict, "X-Other", 1);
	verdict_remove_header(&verdict, name, 3);
	verdict_remove_header(&verdict, "X-Other", 2);
	memset(name, '?', sizeof(name) - 1);	/* names are copied */
	for (i = 0, e = verdict.removes; i < COUNT(want); i++, e = e->next) {
		assert_non_null(e);
		assert_int_equal(e->kind, EDIT_REMOVE);
		assert_string_equal(e->name, want[i].name);
		assert_int_equal(e->index, want[i].index);
	}
	assert_null(e);
	assert_null(verdict.inserts);
}

/* ---- inserting headers ----------------------------------------------------------- */

static const char *
inserted(const char *name, const char *value)
{
	const struct edit *e;

	verdict_insert_header(&verdict, name, value);
	for (e = verdict.inserts; e->next != NULL; e = e->next)
		;
	assert_int_equal(e->kind, EDIT_INSERT);
	assert_string_equal(e->name, name);
	return e->value;
}

static const struct {
	const char *name, *value, *safe;
} values[] = {
	{ "plain", "acme", "acme" },
	{ "empty", "", "" },
	{ "blanks stay", "a  b ", "a  b " },
	{ "printable stays", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~" },
	{ "another header", "a\r\nBcc: eve@evil.example", "a??Bcc: eve@evil.example" },
	{ "end of the header", "a\n\nbody", "a??body" },
	{ "a fold of the sender's", "a\n\tb", "a??b" },
	{ "carriage return", "a\rb", "a?b" },
	{ "tab", "a\tb", "a?b" },
	{ "escape and DEL", "\x1b\x7f", "??" },
	{ "UTF-8", "\xc3\xbc", "??" },
	{ "no UTF-8", "\xff\x80", "??" },
};

static void
values_are_made_safe(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(values); i++) {
		print_message("%s\n", values[i].name);
		assert_string_equal(inserted("X-Customer-ID", values[i].value), values[i].safe);
	}
}

static void
inserts_keep_their_order(void **state)
{
	static const char *const want[] = { "X-One", "X-Two", "X-One" };
	const struct edit *e;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(want); i++)
		verdict_insert_header(&verdict, want[i], "v");
	for (i = 0, e = verdict.inserts; i < COUNT(want); i++, e = e->next)
		assert_string_equal(e->name, want[i]);
	assert_null(e);
	assert_null(verdict.removes);
}

/* What stands on the lines of a folded value: unfolded it is the value, no line is too long where a blank
 * would have shortened it, none is of blanks alone. */
static void
check_folds(const char *name, const char *value, const char *folded)
{
	char plain[4096];
	size_t n = 0, column = strlen(name) + 2, seen = 0, words = 0;
	const char *p;

	for (p = folded;; p++) {
		if (*p == '\0' || *p == '\n') {
			assert_true(column <= LINE_MOST || words <= 1);
			assert_true(seen > 0 || p == folded || *p == '\n');
			if (*p == '\0')
				break;
			assert_int_equal(p[1], '\t');
			p++;
			plain[n++] = ' ';
			column = 8;
			seen = words = 0;
			assert_int_not_equal(p[1], '\0');
			assert_int_not_equal(p[1], ' ');
			assert_int_not_equal(p[1], '\n');
			continue;
		}
		assert_true(n < sizeof(plain) - 1);
		if (*p != ' ') {
			words += seen == 0 || p[-1] == ' ';
			seen++;
		}
		plain[n++] = *p;
		column++;
	}
	plain[n] = '\0';
	assert_string_equal(plain, value);
}

static void
long_values_are_folded(void **state)
{
	static const char name[] = "X-Gatepost-Tag";
	char value[2001];
	size_t every, n, i;

	(void)state;
	for (every = 2; every < 120; every += 7) {
		for (n = 1; n < sizeof(value); n += 97) {
			for (i = 0; i < n; i++)
				value[i] = i % every == every - 1 ? ' ' : 'w';
			value[n] = '\0';
			check_folds(name, value, inserted(name, value));
		}
	}
	assert_string_equal(inserted("X-Lane", "slow"), "slow");
}

/* Blanks in a row, at both ends and alone, around the place where a fold is due. */
static void
no_line_is_blank(void **state)
{
	char value[400];
	size_t word, blanks;

	(void)state;
	for (word = 55; word < 75; word++) {
		for (blanks = 1; blanks < 90; blanks += 11) {
			const char *folded;

			(void)snprintf(value, sizeof(value), "%*s%*s%*s", (int)word, "w", (int)blanks, "",
			    (int)blanks + 60, "w");
			memset(value, 'w', word);
			folded = inserted("X-Tag", value);
			assert_null(strstr(folded, "\n\t\n"));
			assert_null(strstr(folded, "\n\t "));
			value[word + blanks] = '\0';
			folded = inserted("X-Tag", value);
			assert_null(strstr(folded, "\n"));
		}
	}
}

static void
a_long_word_is_not_cut(void **state)
{
	char value[1001];

	(void)state;
	memset(value, 'w', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	assert_string_equal(inserted("X-Customer-ID", value), value);
	value[10] = value[990] = ' ';
	assert_memory_equal(inserted("X-Customer-ID", value), "wwwwwwwwww\n\tw", 13);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_strongest_wins),
		cmocka_unit_test_setup_teardown(findings_are_copies_in_their_order, begin, end),
		cmocka_unit_test(replies_say_why),
		cmocka_unit_test(a_long_reply_keeps_its_incident),
		cmocka_unit_test_setup_teardown(removals_go_downwards, begin, end),
		cmocka_unit_test_setup_teardown(values_are_made_safe, begin, end),
		cmocka_unit_test_setup_teardown(inserts_keep_their_order, begin, end),
		cmocka_unit_test_setup_teardown(long_values_are_folded, begin, end),
		cmocka_unit_test_setup_teardown(no_line_is_blank, begin, end),
		cmocka_unit_test_setup_teardown(a_long_word_is_not_cut, begin, end),
	};

	return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}
