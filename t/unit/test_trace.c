/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * trace: what is made of stamps, tokens and ids - traced, in doubt, forged, foreign or unknown.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "lib/stamp.h"
#include "lib/trace_memory.h"
#include "milter/trace.h"

#define NOW UINT64_C(1800000000000)
#define DAY ((uint64_t)86400000)
#define ID "<one@acme.example>"
#define HEADER "From: Bob <Bob@acme.example>\nDate: Wed, 25 Nov 2026 12:00:00 +0000\n" \
	"Message-ID: <one@acme.example>\n"

struct fixture {
	char dir[80], keys_file[120], other_file[120], store[120];
	struct seal_keys *keys, *other;
	struct trace_memory *memory;
	struct arena *arena;
	char copied[STAMP_VALUE], copied_brief[STAMP_SHORT], nobody[STAMP_VALUE], acme[STAMP_VALUE],
	    carol[STAMP_VALUE], old[STAMP_VALUE],
	    forged[STAMP_VALUE],
	    foreign[STAMP_VALUE];
	char token[STAMP_TOKEN], brief[STAMP_SHORT], brief_long[STAMP_SHORT];
};

static void
stamp(const struct seal_keys *k, const char *id, const char *customer, uint64_t time, char value[STAMP_VALUE],
    char brief[STAMP_SHORT])
{
	static const char *const from[] = { "bob@acme.example" };
	const struct stamp_bound b = { .message_id = id,
	    .date = "Wed, 25 Nov 2026 12:00:00 +0000", .from = from, .n_from = 1 };
	struct stamp_content c = { .time = time, .relay = "out1", .queue_id = "4AbC", .quality = "app",
	    .port = 4711,
	    .login = true, .recipients = 1 };
	struct err e;

	err_clear(&e);
	(void)net_parse("192.0.2.7", &c.client);
	(void)net_parse("203.0.113.9", &c.submitter);
	stamp_customer(k, customer, &c);
	stamp_account(k, "bob@acme.example", &c);
	stamp_bind(k, &b, &c);
	if (stamp_make(k, &c, value, &e) < 0)
		fail_msg("%s", e.text);
	if (brief != NULL)
		stamp_short(k, &c, brief);
}

static struct seal_keys *
make_keys(const char *file, const char *id)
{
	char made[SEAL_KEY_ID_MAX + 1];
	struct seal_keys *k = NULL;
	struct err e;

	err_clear(&e);
	if (seal_keys_new(file, id, getuid(), getgid(), made, &e) < 0 || (k = seal_keys_load(file, &e)) ==
	    NULL)
		fail_msg("%s", e.text);
	return k;
}

static void
remember(struct fixture *f, const char *id, const char *queue_id, const char *customer)
{
	const struct trace_memory_entry v = { .when = NOW - 1000, .message_id = id, .queue_id = queue_id,
	    .customer = customer, .account = "bob@acme.example", .client = "192.0.2.7", .return_path =
	    "bob@acme.example",
	    .action = "accept", .recipients = 1 };

	trace_memory_put(f->memory, &v);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char unused[STAMP_VALUE], *c;
	struct err e;

	assert_non_null(f);
	(void)snprintf(f->dir, sizeof(f->dir), "%.40s/gatepost-trace.XXXXXX",
	    getenv("TMPDIR") == NULL ? "/tmp" : getenv("TMPDIR"));
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->keys_file, sizeof(f->keys_file), "%s/keys", f->dir);
	(void)snprintf(f->other_file, sizeof(f->other_file), "%s/other", f->dir);
	(void)snprintf(f->store, sizeof(f->store), "%s/state.db", f->dir);
	f->keys = make_keys(f->keys_file, "2026a");
	f->other = make_keys(f->other_file, "other");
	f->memory = trace_memory_open(f->store, "out1", 1 << 20, 30 * DAY, &e);
	assert_non_null(f->memory);
	f->arena = arena_new(ARENA_DEFAULT_CAP);
	stamp(f->keys, ID, "acme", NOW - DAY, f->acme, f->brief);
	stamp(f->keys, ID, "", NOW - DAY, f->nobody, NULL);
	stamp(f->keys, ID, "carol", NOW - DAY, f->carol, NULL);
	stamp(f->keys, ID, "acme", NOW - 400 * DAY, f->old, NULL);
	stamp(f->other, ID, "acme", NOW - DAY, f->foreign, NULL);
	stamp(f->keys, ID, "a-name-of-more-than-13-bytes", NOW - DAY, unused, f->brief_long);
	stamp(f->keys, "<two@other.example>", "carol", NOW - DAY, f->copied, f->copied_brief);
	assert_true(stamp_token(f->acme, f->token));
	memcpy(f->forged, f->acme, sizeof(f->forged));
	c = strstr(f->forged, "c=");
	assert_non_null(c);
	c[10] = c[10] == 'A' ? 'B' : 'A';
	remember(f, "<one@acme.example>", "4AbC", "acme");
	remember(f, "<shared@acme.example>", "4DeF", "acme");
	remember(f, "<shared@acme.example>", "4GhI", "carol");
	remember(f, "<long@acme.example>", "4JkL", "a-name-of-more-than-13-bytes");
	assert_int_equal(trace_memory_flush(f->memory, 10000), 1);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	trace_memory_configure(f->memory, 0, DAY);
	(void)trace_memory_flush(f->memory, 10000);
	trace_memory_close(&f->memory);
	seal_keys_unref(&f->keys);
	seal_keys_unref(&f->other);
	(void)unlink(f->keys_file);
	(void)unlink(f->other_file);
	(void)rmdir(f->dir);
	arena_free(&f->arena);
	free(f);
	return 0;
}

enum what { NONE, ACME, CAROL, OLD, FORGED, FOREIGN, TOKEN, BRIEF, BRIEF_LONG, JUNK, NOBODY, COPIED,
	COPIED_BRIEF };

static const char *
text_of(struct fixture *f, enum what w)
{
	const char *const texts[] = { NULL, f->acme, f->carol, f->old, f->forged, f->foreign, f->token,
	    f->brief,
	    f->brief_long, "v=1; nonsense", f->nobody, f->copied, f->copied_brief };

	return texts[w];
}

static const struct {
	const char *name;
	enum what stamps[2], tokens[2], aside[1];
	const char *message_id, *queue_id, *header;
	bool no_keys;
	const char *verdict, *by, *customer, *doubt;	/* doubt: words of it */
} cases[] = {
	{ "nothing", { NONE }, { NONE }, { NONE }, NULL, NULL, NULL, false, "unknown", NULL, NULL, NULL },
	{ "a stamp", { ACME }, { NONE }, { NONE }, NULL, NULL, HEADER, false, "traced", "stamp", "acme",
	    NULL },
	{ "a stamp of an unknown message", { ACME }, { NONE }, { NONE }, NULL, NULL, NULL, false, "traced",
	    "stamp",
	    "acme", NULL },
	{ "a bounce of our own", { NOBODY }, { NONE }, { NONE }, NULL, NULL, HEADER, false, "traced", "stamp",
	    NULL, NULL },
	{ "a token", { NONE }, { TOKEN }, { NONE }, NULL, NULL, NULL, false, "traced", "stamp", "acme",
	    NULL },
	{ "a short token", { NONE }, { BRIEF }, { NONE }, NULL, NULL, NULL, false, "traced", "stamp", "acme",
	    NULL },
	{ "all spellings of one", { ACME, BRIEF }, { TOKEN, BRIEF }, { NONE }, NULL, NULL, HEADER, false,
	    "traced",
	    "stamp", "acme", NULL },
	{ "a stamp in another message", { ACME }, { NONE }, { NONE }, NULL, NULL,
	    "From: x@other.example\nMessage-ID: <two@other.example>\n", false, "doubtful", "stamp", "acme",
	    "was copied" },
	{ "a header without From tells nothing", { ACME }, { NONE }, { NONE }, NULL, NULL,
	    "Message-ID: <two@other.example>\n", false, "traced", "stamp", "acme", NULL },
	{ "an old stamp", { OLD }, { NONE }, { NONE }, NULL, NULL, HEADER, false, "doubtful", "stamp", "acme",
	    "more than a year old" },
	{ "two customers", { ACME }, { CAROL }, { NONE }, NULL, NULL, HEADER, false, "doubtful", "stamp",
	    "acme",
	    "more than one customer" },
	{ "a copied one in the same header", { ACME, COPIED }, { NONE }, { NONE }, NULL, NULL, HEADER, false,
	    "traced",
	    "stamp", "acme", NULL },
	{ "and a copied short token", { ACME, COPIED_BRIEF }, { NONE }, { NONE }, NULL, NULL, HEADER, false,
	    "traced",
	    "stamp", "acme", NULL },
	{ "a copied one in a header that is not all there", { ACME, COPIED }, { NONE }, { NONE }, NULL, NULL,
	    NULL,
	    false, "doubtful", "stamp", "acme", "more than one customer" },
	{ "a copied one first", { COPIED, ACME }, { NONE }, { NONE }, NULL, NULL, HEADER, false, "traced",
	    "stamp", "acme", NULL },
	{ "a copied one alone", { COPIED }, { NONE }, { NONE }, NULL, NULL, HEADER, false, "doubtful",
	    "stamp",
	    "carol", "was copied" },
	{ "the other one's only in the report's own header", { ACME }, { NONE }, { CAROL }, NULL, NULL,
	    HEADER, false,
	    "traced", "stamp", "acme", NULL },
	{ "nothing else than that", { NONE }, { NONE }, { CAROL }, NULL, NULL, NULL, false, "unknown", NULL,
	    NULL, NULL },
	{ "forged", { FORGED }, { NONE }, { NONE }, NULL, NULL, HEADER, false, "forged", NULL, NULL, NULL },
	{ "forged, and a genuine one", { FORGED }, { ACME }, { NONE }, NULL, NULL, HEADER, false, "traced",
	    "stamp",
	    "acme", NULL },
	{ "forged, and a Message-ID that is known", { FORGED }, { NONE }, { NONE }, "one@acme.example", NULL,
	    HEADER,
	    false, "doubtful", "memory", "acme", "forged" },
	{ "foreign", { FOREIGN }, { NONE }, { NONE }, NULL, NULL, HEADER, false, "foreign", NULL, NULL,
	    NULL },
	{ "junk", { JUNK }, { JUNK }, { NONE }, NULL, NULL, HEADER, false, "unknown", NULL, NULL, NULL },
	{ "a Message-ID", { NONE }, { NONE }, { NONE }, "<one@acme.example>", NULL, NULL, false, "traced",
	    "memory", "acme",
	    NULL },
	{ "a Message-ID of two customers", { NONE }, { NONE }, { NONE }, "<shared@acme.example>", NULL, NULL,
	    false,
	    "doubtful", "memory", "carol", "more than one customer" },
	{ "a queue id", { NONE }, { NONE }, { NONE }, NULL, "4DeF", NULL, false, "traced", "memory", "acme",
	    NULL },
	{ "a stamp and a queue id of another", { CAROL }, { NONE }, { NONE }, NULL, "4DeF", HEADER, false,
	    "doubtful",
	    "stamp", "carol", "different customers" },
	{ "a pseudonym that the memory resolves", { NONE }, { BRIEF_LONG }, { NONE }, "long@acme.example",
	    NULL, NULL, false,
	    "traced", "stamp", "a-name-of-more-than-13-bytes", NULL },
	{ "no keys", { ACME }, { NONE }, { NONE }, NULL, NULL, HEADER, true, "unknown", NULL, NULL, NULL },
	{ "no keys, but a memory", { ACME }, { NONE }, { NONE }, "one@acme.example", NULL, HEADER, true,
	    "traced",
	    "memory", "acme", NULL },
};

static json_t *
list(struct fixture *f, const enum what *w, size_t n)
{
	json_t *to = json_array();
	size_t i;

	for (i = 0; i < n && w[i] != NONE; i++)
		json_array_append_new(to, json_string(text_of(f, w[i])));
	return to;
}

static bool
same(const json_t *j, const char *name, const char *want)
{
	const char *got = json_string_value(json_object_get(j, name));

	return want == NULL ? got == NULL : got != NULL && strcmp(got, want) == 0;
}

static void
verdicts(void **state)
{
	struct fixture *f = *state;
	size_t i, bad = 0;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *stamps = list(f, cases[i].stamps, 2), *tokens = list(f, cases[i].tokens, 2);
		json_t *aside = list(f, cases[i].aside, 1), *answer;
		json_t *id = cases[i].message_id == NULL ? NULL : json_string(cases[i].message_id);
		json_t *queue_id = cases[i].queue_id == NULL ? NULL : json_string(cases[i].queue_id);
		const struct trace_question q = { .stamps = stamps, .tokens = tokens, .aside = aside,
		    .message_ids = id,
		    .queue_ids = queue_id, .header = cases[i].header,
		    .header_size = cases[i].header == NULL ? 0 : strlen(cases[i].header),
		    .keys = cases[i].no_keys ? NULL : f->keys, .memory = f->store, .now = NOW, .keep =
		    30 * DAY,
		    .deadline = UINT64_MAX };
		const char *doubt;

		answer = trace_answer(f->arena, &q);
		doubt = json_string_value(json_object_get(answer, "doubt"));
		if (!same(answer, "verdict", cases[i].verdict) || !same(answer, "by", cases[i].by) ||
		    !same(answer, "customer", cases[i].customer) || (cases[i].doubt == NULL) != (doubt ==
		    NULL) ||
		    (doubt != NULL && strstr(doubt, cases[i].doubt) == NULL)) {
			char *text = json_dumps(answer, JSON_INDENT(1));

			print_error("%s: %s\n", cases[i].name, text);
			free(text);
			bad++;
		}
		json_decref(answer);
		json_decref(stamps);
		json_decref(tokens);
		json_decref(aside);
		json_decref(id);
		json_decref(queue_id);
	}
	assert_int_equal(bad, 0);
}

static void
what_a_stamp_says(void **state)
{
	struct fixture *f = *state;
	json_t *stamps = json_string(f->acme), *answer;
	const struct trace_question q = { .stamps = stamps, .header = HEADER, .header_size = strlen(HEADER),
	    .keys = f->keys, .now = NOW };

	answer = trace_answer(f->arena, &q);
	assert_true(same(answer, "account", "bob@acme.example"));
	assert_true(same(answer, "client", "192.0.2.7"));
	assert_true(same(answer, "submitter", "203.0.113.9"));
	assert_true(same(answer, "quality", "app"));
	assert_true(same(answer, "relay", "out1"));
	assert_true(same(answer, "queue_id", "4AbC"));
	assert_true(same(answer, "key", "2026a"));
	assert_int_equal(json_integer_value(json_object_get(answer, "port")), 4711);
	assert_int_equal(json_integer_value(json_object_get(answer, "time")), NOW - DAY);
	json_decref(answer);
	json_decref(stamps);
}

static void
hostile_questions(void **state)
{
	struct fixture *f = *state;
	char *long_text = malloc(100000);
	json_t *many = json_array(), *answer;
	struct trace_question q = { .stamps = many, .tokens = many, .message_ids = many, .queue_ids = many,
	    .keys = f->keys, .memory = f->store, .now = NOW, .keep = DAY, .deadline = UINT64_MAX };
	size_t i;

	assert_non_null(long_text);
	memset(long_text, 'x', 99999);
	long_text[99999] = '\0';
	for (i = 0; i < 300; i++)
		json_array_append_new(many, i % 3 == 0 ? json_string(long_text) : i % 3 == 1 ? json_null() :
		    json_string("\n\t<>;=:@+"));
	q.header = long_text;
	q.header_size = 99999;
	answer = trace_answer(f->arena, &q);
	assert_true(same(answer, "verdict", "unknown"));
	assert_true(json_array_size(json_object_get(answer, "found")) <= 200);
	json_decref(answer);
	json_decref(many);
	free(long_text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(verdicts, setup, teardown),
		cmocka_unit_test_setup_teardown(what_a_stamp_says, setup, teardown),
		cmocka_unit_test_setup_teardown(hostile_questions, setup, teardown),
	};

	return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
