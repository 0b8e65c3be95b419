/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * ctl_trace - gatepostctl trace and complaint: reads what somebody complains about, asks who sent it, says
 * the answer.
 *
 * The report is read here, in the process of the person who asks: it was written by strangers, and the
 * daemon has better things to do than parse MIME. The daemon opens the stamps, since those who ask need not
 * be able to read the keys. When no daemon answers, or a key file is named, they are opened here.
 */
#include "milter/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "lib/clock.h"
#include "lib/conf.h"
#include "lib/report.h"
#include "lib/seal.h"
#include "lib/str.h"
#include "milter/trace.h"

#include "lib/banned.h"

/* Besides those of ctl.h. */
enum { EXIT_FORGED = 5, EXIT_FOREIGN = 6, EXIT_DOUBT = 7 };

static void
complain(struct arena *a, const char *text)
{
	fprintf(stderr, "gatepostctl: %s\n", ctl_safe(a, text));
}

/* ---- the report ----------------------------------------------------------------------------- */

/* All of it, or as much as is read of a report. NULL after saying why. */
static char *
read_file(struct arena *a, const char *file, size_t *n)
{
	bool standard = file == NULL || strcmp(file, "-") == 0;
	int fd = standard ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC), error = errno;
	char *data = malloc(REPORT_MOST + 1);
	ssize_t got = fd < 0 ? -1 : 1;

	if (data == NULL)
		abort();
	*n = 0;
	while (got > 0 && *n <= REPORT_MOST) {
		got = read(fd, data + *n, REPORT_MOST + 1 - *n);
		if (got < 0 && errno == EINTR)
			got = 1;
		else if (got < 0)
			error = errno;
		else
			*n += (size_t)got;
	}
	if (fd >= 0 && !standard)
		close(fd);
	if (got >= 0)
		return data;
	complain(a, arena_printf(a, "%.200s: %s", standard ? "standard input" : file, strerror(error)));
	free(data);
	return NULL;
}

/* JSON carries UTF-8 only; a stamp or an id that is none is not ours. */
static void
add(json_t *list, const char *text)
{
	if (*text != '\0' && strlen(text) <= TRACE_TEXT_MOST && str_utf8(text, strlen(text)))
		json_array_append_new(list, json_string(text));
}

/* A report's own header says who complains, not who sent; only a token there is the message's (its To,
 * RFC 9477). In what a person forwards or pastes that cannot be told apart: a spammer can make his message look
 * like a report. And where the header of the message is there, the text beside it says nothing: it may quote the
 * message, in which a spammer can write what he likes. */
static bool
counts(const struct report *r, const struct report_list *from, const struct report_item *i, bool complaint)
{
	if (!complaint)
		return true;
	if (i->place == REPORT_IN_TEXT)
		return !r->original;
	return i->place != REPORT_IN_OUTER || from == &r->tokens || r->kind <= REPORT_FORWARD;
}

static void
put_header(json_t *in, struct arena *a, const struct report_message *m)
{
	const char *text = "";
	size_t i;

	if (m->message_id != NULL)
		text = arena_printf(a, "Message-ID: %s\n", m->message_id);
	if (m->date != NULL)
		text = arena_printf(a, "%sDate: %s\n", text, m->date);
	for (i = 0; i < m->n_from; i++)
		text = arena_printf(a, "%sFrom: %s\n", text, m->from[i]);
	if (*text != '\0' && str_utf8(text, strlen(text)))
		json_object_set_new(in, "header", json_string(text));
}

/* Stamps of the first message go with its header; the others and all tokens may be of any message. */
static void
put_items(json_t *in, const struct report *r, const struct report_list *from, bool complaint)
{
	const struct report_message *first = r->n_messages == 0 ? NULL : &r->messages[0];
	size_t i;

	for (i = 0; i < from->n; i++) {
		const struct report_item *item = &from->at[i];

		add(json_object_get(in, !counts(r, from, item, complaint) ? "aside" : item->message != NULL &&
		    item->message == first ? "stamps" : "tokens"), item->text);
	}
}

/* The To of a complaint may hold the token of the message complained about, and its own Message-ID names
 * itself. */
static void
put_report(json_t *in, struct arena *a, const struct report *r, bool complaint)
{
	size_t i;

	put_items(in, r, &r->stamps, complaint);
	put_items(in, r, &r->tokens, complaint);
	for (i = 0; i < r->message_ids.n; i++)
		if (r->message_ids.at[i].place != REPORT_IN_OUTER)
			add(json_object_get(in, "message_ids"), r->message_ids.at[i].text);
	if (r->n_messages > 0)
		put_header(in, a, &r->messages[0]);
}

static void
put_safe(json_t *j, struct arena *a, const char *name, const char *text)
{
	if (text != NULL && *text != '\0')
		json_object_set_new(j, name, json_string(ctl_safe(a, text)));
}

/* What the report says of itself: for the answer. */
static json_t *
report_json(struct arena *a, const struct report *r)
{
	json_t *j = json_object();

	put_safe(j, a, "form", report_kind_text(r->kind));
	put_safe(j, a, "type", r->feedback_type);
	put_safe(j, a, "source", r->source);
	put_safe(j, a, "source_port", r->source_port);
	put_safe(j, a, "arrival", r->arrival);
	put_safe(j, a, "reporter", r->reporter);
	put_safe(j, a, "return_path", r->return_path);
	if (r->cut)
		json_object_set_new(j, "cut", json_true());
	return j;
}

/* Where the n-th of found stood. */
static const char *
place_of(const struct report *r, const char *text)
{
	size_t i;

	for (i = 0; i < r->stamps.n; i++)
		if (strcmp(r->stamps.at[i].text, text) == 0)
			return report_place_text(r->stamps.at[i].place);
	for (i = 0; i < r->tokens.n; i++)
		if (strcmp(r->tokens.at[i].text, text) == 0)
			return report_place_text(r->tokens.at[i].place);
	return NULL;
}

static void
put_places(json_t *answer, const struct report *r)
{
	const json_t *found = json_object_get(answer, "found");
	const char *place;
	size_t i;

	for (i = 0; i < json_array_size(found); i++) {
		json_t *j = json_array_get(found, i);
		const char *text = json_string_value(json_object_get(j, "text"));

		if (text != NULL && (place = place_of(r, text)) != NULL)
			json_object_set_new(j, "place", json_string(place));
	}
}

/* ---- without a daemon --------------------------------------------------------------------------- */

/* True when the configuration names keys or a memory. */
static bool
can_answer(const struct conf *c)
{
	return c != NULL && (*c->trace.sealed.keys != '\0' || c->trace.memory.size > 0);
}

/* An answer as the daemon's, made here. -1 after saying why not. */
static int
answer_here(struct arena *a, const struct ctl_trace *q, const struct conf *c, const json_t *in,
    struct ctl_answer *to)
{
	const char *file = q->keys != NULL ? q->keys : c == NULL ? "" : c->trace.sealed.keys;
	struct trace_question t = { .stamps = json_object_get(in, "stamps"),
	    .tokens = json_object_get(in, "tokens"), .aside = json_object_get(in, "aside"),
	    .message_ids = json_object_get(in, "message_ids"), .queue_ids = json_object_get(in, "queue_ids"),
	    .header = json_string_value(json_object_get(in, "header")),
	    .header_size = json_string_length(json_object_get(in, "header")),
	    .now = clock_now(), .deadline = UINT64_MAX };
	struct seal_keys *keys = NULL;
	struct err e;

	err_clear(&e);
	if (*file != '\0' && (keys = seal_keys_load(file, &e)) == NULL) {
		complain(a, arena_printf(a, "%s%s%s", e.where, *e.where == '\0' ? "" : ": ", e.text));
		return -1;
	}
	t.keys = keys;
	if (c != NULL && c->trace.memory.size > 0) {
		t.memory = c->store.file;
		t.keep = c->trace.memory.keep;
	}
	memset(to, 0, sizeof(*to));
	to->status = 200;
	to->json = trace_answer(a, &t);
	seal_keys_unref(&keys);
	return 1;
}

/* ---- in words ------------------------------------------------------------------------------------ */

static const char *
text_of(struct arena *a, const json_t *j, const char *name)
{
	return ctl_safe(a, json_string_value(json_object_get(j, name)));
}

static bool
is(const json_t *j, const char *name, const char *text)
{
	const char *value = json_string_value(json_object_get(j, name));

	return value != NULL && strcmp(value, text) == 0;
}

static uint64_t
number_of(const json_t *j, const char *name)
{
	json_int_t n = json_integer_value(json_object_get(j, name));

	return n < 0 ? 0 : (uint64_t)n;
}

static void
print_pair(const char *name, const char *value)
{
	if (*value != '\0')
		printf("%-12s%s\n", name, value);
}

/* "2026-11-25 14:03:22 CET, 13:03:22 UTC (2 h ago)" */
static const char *
sent_text(struct arena *a, uint64_t ms, uint64_t now)
{
	time_t t = (time_t)(ms / 1000);
	char here[64], there[64], ago[40];
	struct tm local, utc;

	if (localtime_r(&t, &local) == NULL || gmtime_r(&t, &utc) == NULL ||
	    strftime(here, sizeof(here), "%Y-%m-%d %H:%M:%S %Z, ", &local) == 0 ||
	    strftime(there, sizeof(there), "%Y-%m-%d %H:%M:%S UTC", &utc) == 0)
		return "?";
	if (now < ms)
		return arena_printf(a, "%s%s", strstr(here, " UTC") != NULL ? "" : here, there);
	if (now - ms >= 2 * UINT64_C(86400000))
		(void)snprintf(ago, sizeof(ago), "%" PRIu64 " d", (now - ms) / 86400000);
	else
		str_wait_text(now - ms, ago, sizeof(ago));
	return arena_printf(a, "%s%s (%s ago)", strstr(here, " UTC") != NULL ? "" : here, there, ago);
}

static const char *
client_text(struct arena *a, const json_t *j)
{
	const char *client = text_of(a, j, "client");
	uint64_t port = number_of(j, "port");

	if (*client == '\0')
		return "";
	return arena_printf(a, "%s%s%s%s", client, port == 0 ? "" : arena_printf(a, " port %" PRIu64, port),
	    json_is_true(json_object_get(j, "login")) ? ", logged in" : "",
	    json_is_true(json_object_get(j, "local")) ? ", by sendmail(1) on the relay" : "");
}

static const char *
submitter_text(struct arena *a, const json_t *j)
{
	static const struct { const char *quality, *means; } known[] = {
		{ "web", "the web server says so" }, { "cgi", "from the CGI process" },
		{ "claimed", "only the program that sent it says so" },
		{ "app", "a trusted web host says so" }, { "smtp", "the client itself" },
	};
	const char *submitter = text_of(a, j, "submitter"), *quality = text_of(a, j, "quality");
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]) && *submitter != '\0'; i++)
		if (strcmp(quality, known[i].quality) == 0)
			return arena_printf(a, "%s (%s: %s)", submitter, quality, known[i].means);
	return submitter;
}

static const char *
relay_text(struct arena *a, const json_t *j)
{
	const char *relay = text_of(a, j, "relay"), *id = text_of(a, j, "queue_id");

	return arena_printf(a, "%s%s%s", relay, *id == '\0' || *relay == '\0' ? "" : ", ",
	    *id == '\0' ? "" : arena_printf(a, "queue id %s", id));
}

static void
print_sender(struct arena *a, const json_t *j, uint64_t now)
{
	const char *customer = text_of(a, j, "customer");

	if (json_is_true(json_object_get(j, "pseudonym")))
		customer = arena_printf(a, "%s (a pseudonym: the token had no room for the name)", customer);
	print_pair("customer", *customer == '\0' ? "none: it was our own mail, such as a bounce" : customer);
	print_pair("account", text_of(a, j, "account"));
	print_pair("sent", sent_text(a, number_of(j, "time"), now));
	print_pair("relay", relay_text(a, j));
	print_pair("client", client_text(a, j));
	print_pair("submitter", submitter_text(a, j));
	print_pair("return-path", text_of(a, j, "return_path"));
	print_pair("message-id", text_of(a, j, "message_id"));
	if (number_of(j, "recipients") > 0)
		printf("%-12s%" PRIu64 "\n", "recipients", number_of(j, "recipients"));
	if (is(j, "action", "hold"))
		print_pair("action", "hold: it was put into the hold queue");
	print_pair("key", text_of(a, j, "key"));
	print_pair("stamp", text_of(a, j, "stamp"));
}

static const char *
place_text(const json_t *j)
{
	static const struct { const char *place, *means; } known[] = {
		{ "original", "in the header of the message complained about" },
		{ "header", "in the header" },
		{ "fields", "in the report's fields" }, { "text", "in the text" },
		{ "report", "in the header of the report itself" },
	};
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (is(j, "place", known[i].place))
			return known[i].means;
	return "";
}

/* The same stamp in another spelling. */
static bool
is_same(const json_t *j, const json_t *item)
{
	return item != NULL && !is(j, "result", "forged") && json_object_get(j, "time") != NULL &&
	    json_equal(json_object_get(j, "time"), json_object_get(item, "time")) &&
	    json_equal(json_object_get(j, "key"), json_object_get(item, "key")) &&
	    (json_is_true(json_object_get(j, "brief")) || json_is_true(json_object_get(item, "brief")) ||
	    json_equal(json_object_get(j, "queue_id"), json_object_get(item, "queue_id")));
}

/* One stamp that did not decide. */
static void
print_other(struct arena *a, const json_t *j)
{
	const char *place = place_text(j), *key = text_of(a, j, "key");
	const char *says = *text_of(a, j, "relay") == '\0' ? "" :
	    arena_printf(a, "; it says: %s", relay_text(a, j));

	printf("%-12s%s%s", "stamp", place, *place == '\0' ? "" : ": ");
	if (is(j, "result", "forged"))
		printf("forged: not made with our key %s, or changed since%s\n", key, says);
	else if (is(j, "result", "foreign"))
		printf("foreign: %s is no key of ours, or one that was removed%s\n",
		    *key == '\0' ? "its key" : key, says);
	else if (is(j, "result", "malformed"))
		puts("no stamp that can be read");
	else if (is(j, "result", "no-keys"))
		puts("cannot be opened without keys");
	else
		printf("%s of %s%s\n",
		    !json_is_true(json_object_get(j, "aside")) ? "a message" : is(j, "place", "text") ?
		    "not counted, since the message is there:" : "of the one who complains",
		    *text_of(a, j, "customer") == '\0' ? "no customer" : text_of(a, j, "customer"), says);
}

static void
print_report(struct arena *a, const json_t *r)
{
	const char *type = text_of(a, r, "type"), *by = text_of(a, r, "reporter");
	const char *source = text_of(a, r, "source"), *port = text_of(a, r, "source_port");

	if (*type != '\0' || *by != '\0')
		printf("%-12s%s%s%s (%s)\n", "complaint", type,
		    *by == '\0' ? "" : *type == '\0' ? "by " : " by ", by, text_of(a, r, "form"));
	if (*source != '\0')
		printf("%-12s%s%s%s\n", "about", source, *port == '\0' ? "" : " port ", port);
	print_pair("arrived", text_of(a, r, "arrival"));
	if (json_is_true(json_object_get(r, "cut")))
		print_pair("note", "the report is larger than what is read of one");
}

/* What decided: the same time, and the same queue id unless a brief stamp got that from the memory. */
static const json_t *
decided(const json_t *j)
{
	const json_t *list = json_object_get(j, is(j, "by", "stamp") ? "found" : "remembered"), *near = NULL;
	size_t i;

	for (i = 0; i < json_array_size(list); i++) {
		const json_t *item = json_array_get(list, i);

		if (!json_equal(json_object_get(item, "time"), json_object_get(j, "time")) ||
		    !(is(item, "result", "opened") || is(item, "result", "expired") || is(j, "by", "memory")))
			continue;
		if (json_equal(json_object_get(item, "queue_id"), json_object_get(j, "queue_id")))
			return item;
		if (near == NULL)
			near = item;
	}
	return near;
}

static void
print_verdict(struct arena *a, const json_t *j, const json_t *item)
{
	if (is(j, "verdict", "doubtful"))
		print_pair("DOUBT", text_of(a, j, "doubt"));
	else if (is(j, "verdict", "forged"))
		puts("forged: somebody wrote a stamp of ours without the key");
	else if (is(j, "verdict", "foreign"))
		puts("foreign: the stamp is another system's, or its key was removed here");
	else if (is(j, "verdict", "unknown") &&
	    is(json_array_get(json_object_get(j, "found"), 0), "result", "no-keys"))
		puts("not known: stamps cannot be opened here without trace.sealed.keys");
	else if (is(j, "verdict", "unknown"))
		puts("not ours: nothing in it leads to a message of ours");
	if (is(j, "by", "memory"))
		printf("%-12s%s, which %s remembers\n", "found by",
		    is(item, "by", "queue-id") ? "its queue id" : "its Message-ID (that anybody can copy)",
		    *text_of(a, item, "relay") == '\0' ? "the relay" : text_of(a, item, "relay"));
	else if (item != NULL && *place_text(item) != '\0')
		print_pair("found", place_text(item));
	print_pair("note", text_of(a, j, "memory_problem"));
}

static void
print_answer(struct arena *a, const json_t *j)
{
	const json_t *item = decided(j), *list = json_object_get(j, "found");
	uint64_t now = number_of(j, "now");
	json_t *whole;
	size_t i;

	if (item != NULL) {
		/* The item with what the memory added to it. */
		whole = json_copy((json_t *)(uintptr_t)item);
		json_object_update_missing(whole, (json_t *)(uintptr_t)j);
		print_sender(a, whole, now);
		json_decref(whole);
	}
	print_verdict(a, j, item);
	for (i = 0; i < json_array_size(list); i++)
		if (json_array_get(list, i) != item && !is_same(json_array_get(list, i), item))
			print_other(a, json_array_get(list, i));
	list = json_object_get(j, "remembered");
	for (i = 0; i < json_array_size(list); i++) {
		const json_t *r = json_array_get(list, i);

		if (r != item && (item == NULL || !is(j, "by", "stamp")))
			printf("%-12s%s %s %s, %s\n", "also", text_of(a, r, "customer"),
			    text_of(a, r, "account"), relay_text(a, r),
			    sent_text(a, number_of(r, "time"), now));
	}
	print_report(a, json_object_get(j, "report"));
	if (*text_of(a, j, "incident") != '\0')
		printf("%-12s%s of %s%s\n", "incident", text_of(a, j, "incident"), text_of(a, j, "subject"),
		    json_is_true(json_object_get(j, "repeated")) ? " (counted already: this complaint, "
		    "or as many as the message had recipients)" : "");
}

/* ---- all together --------------------------------------------------------------------------------- */

static int
exit_code(const struct ctl_answer *answer)
{
	static const struct { const char *verdict; int code; } codes[] = {
		{ "traced", CTL_DONE }, { "doubtful", EXIT_DOUBT }, { "forged", EXIT_FORGED },
		{ "foreign", EXIT_FOREIGN },
	};
	size_t i;

	for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (is(answer->json, "verdict", codes[i].verdict))
			return answer->status != 200 && codes[i].code == CTL_DONE ? CTL_REFUSED :
			    codes[i].code;
	return answer->status == 400 ? CTL_USAGE : answer->status == 403 ? CTL_DENIED : CTL_REFUSED;
}

static int
say(struct arena *a, const struct ctl_trace *q, struct ctl_answer *answer, const struct report *r)
{
	const char *error = json_string_value(json_object_get(answer->json, "error"));

	if (answer->json == NULL) {
		complain(a, arena_printf(a, "the daemon answers with status %u", answer->status));
		return CTL_REFUSED;
	}
	json_object_set_new(answer->json, "report", report_json(a, r));
	put_places(answer->json, r);
	if (q->json) {
		json_dumpf(answer->json, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
		putchar('\n');
	} else if (json_object_get(answer->json, "verdict") != NULL)
		print_answer(a, answer->json);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		complain(a, arena_printf(a, "standard output: %s", strerror(errno)));
		return CTL_REFUSED;
	}
	if (error != NULL && !q->json)
		complain(a, error);
	return exit_code(answer);
}

static int
ask(struct arena *a, const struct ctl_trace *q, const struct conf *c, json_t *in, const struct report *r)
{
	const char *path = q->complaint ? "/complaints" : "/trace";
	struct ctl_answer answer;
	struct err e;
	int code;

	err_clear(&e);
	if (q->complaint) {
		put_safe(in, a, "type", r->feedback_type);
		put_safe(in, a, "reporter", r->reporter);
	}
	if (q->keys != NULL || ctl_ask(q->socket, "POST", path, in, &answer, &e) < 0) {
		if (q->complaint || (q->keys == NULL && !can_answer(c))) {
			complain(a, q->complaint && q->keys != NULL ?
			    "a complaint is recorded by the daemon" : e.text);
			return CTL_GONE;
		}
		if (answer_here(a, q, c, in, &answer) < 0) {
			if (q->keys == NULL)
				complain(a, e.text);
			return q->keys == NULL ? CTL_GONE : CTL_REFUSED;
		}
	}
	code = say(a, q, &answer, r);
	ctl_answer_free(&answer);
	return code;
}

static void
ignore(void *cookie, const struct err *e)
{
	(void)cookie;
	(void)e;
}

static json_t *
question(void)
{
	return json_pack("{s:[], s:[], s:[], s:[], s:[]}", "stamps", "tokens", "aside", "message_ids",
	    "queue_ids");
}

int
ctl_trace(struct arena *a, const struct ctl_trace *q)
{
	struct conf_problems p = { .say = ignore, .warn = ignore };
	struct conf *c = conf_load(q->config, &p);
	json_t *in = question();
	struct report *r = arena_zalloc(a, sizeof(*r));
	char *data = NULL;
	size_t n = 0, i;
	int code = CTL_REFUSED;

	for (i = 0; i < json_array_size(q->message_ids); i++)
		add(json_object_get(in, "message_ids"), json_string_value(json_array_get(q->message_ids, i)));
	for (i = 0; i < json_array_size(q->queue_ids); i++)
		add(json_object_get(in, "queue_ids"), json_string_value(json_array_get(q->queue_ids, i)));
	if (q->file == NULL && json_array_size(q->message_ids) + json_array_size(q->queue_ids) > 0)
		code = ask(a, q, c, in, r);
	else if ((data = read_file(a, q->file, &n)) != NULL) {
		report_read(a, data, n, c == NULL ? NULL : c->trace.sealed.header, r);
		free(data);
		put_report(in, a, r, q->complaint);
		code = r->stamps.n + r->tokens.n + r->message_ids.n +
		    json_array_size(json_object_get(in, "queue_ids")) == 0 ? -1 : ask(a, q, c, in, r);
	}
	if (code < 0) {
		complain(a, "there is no stamp, no token and no Message-ID in it");
		code = CTL_REFUSED;
	}
	json_decref(in);
	conf_unref(&c);
	return code;
}
