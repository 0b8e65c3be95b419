/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * test_api - the API as a script sees it: real requests over its socket, to real tables, store and checks.
 */
#include "milter/api.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cmocka.h>
#include <jansson.h>

#include "lib/alert.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/store.h"
#include "milter/chain.h"
#include "milter/mailer_seen.h"

static char dir[200];
static struct sockaddr_un where = { .sun_family = AF_UNIX };
static struct store *store;
static struct alerts *alerts;
static struct chain *chain;
static struct api *api;
static int reload_result = 1;

/* ---- the house ----------------------------------------------------------------------------- */

static void
put_file(const char *name, const char *text)
{
	char path[300];
	FILE *f;

	assert_in_range(snprintf(path, sizeof(path), "%s/%s", dir, name), 1, sizeof(path) - 1);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void
say(void *cookie, const struct err *e)
{
	(void)cookie;
	print_error("%s: %s\n", e->where, e->text);
}

static struct chain *
current_chain(void *cookie)
{
	(void)cookie;
	return chain_ref(chain);
}

static int
reload(void *cookie, struct arena *a, const char **problems)
{
	(void)cookie;
	*problems = reload_result == 1 ? NULL :
	    arena_strdup(a, "gatepost.conf:3: mode: bad\ngatepost.conf:9: api: bad\n");
	return reload_result;
}

static uint64_t
sessions(void *cookie)
{
	(void)cookie;
	return 7;
}

static const char conf_text[] =
    "relay = \"out1\";\n"
    "listen = \"unix:%1$s/milter.sock\"; api = \"unix:%1$s/api.sock\"; user = \"\";\n"
    "store : { file = \"%1$s/state.db\"; };\n"
    "tables : { accounts = \"file:%1$s/accounts\"; domains = \"file:%1$s/domains\";\n"
    "  customers = \"file:%1$s/customers\"; };\n"
    "identity : { sources = [ \"login\" ]; };\nmailers : { signatures = \"\"; };\n"
    "log : { socket = \"%1$s/no-log\"; };\n"
    "limits = ( { name = \"customer\"; per = \"customer\"; count = \"recipients\"; ceilings = \"plan\";\n"
    "    action = \"defer\"; },\n"
    "  { name = \"burst\"; per = \"account\"; count = \"messages\"; ceilings = [ \"60/1m\" ];\n"
    "    action = \"defer\"; },\n"
    "  { name = \"pair\"; per = [ \"customer\", \"submitter\" ]; count = \"messages\";\n"
    "    ceilings = [ \"5/1h\" ]; action = \"tag\"; },\n"
    "  { name = \"total\"; per = \"everyone\"; count = \"messages\"; ceilings = [ \"1000/1h\" ];\n"
    "    action = \"defer\"; } );\n"
    "plans = { small = [ \"3/1h\", \"20/1d\" ]; standard = [ \"250/1h\", \"2000/1d\" ]; };\n"
    "default_plan = \"standard\";\n";

static int
listen_here(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_in_range(snprintf(where.sun_path, sizeof(where.sun_path), "%s/api.sock", dir), 1,
	    sizeof(where.sun_path) - 1);
	assert_int_equal(bind(fd, (const struct sockaddr *)&where, sizeof(where)), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(chmod(where.sun_path, 0666), 0);
	return fd;
}

static void
open_services(const char *conf_path)
{
	struct conf_problems problems = { .say = say };
	static const struct table_report report = { say, NULL };
	struct conf *c = conf_load(conf_path, &problems);
	struct store_settings s = { 0 };
	struct err e;

	assert_non_null(c);
	s = (struct store_settings){ .type = c->store.type, .file = c->store.file, .memory = c->store.memory,
	    .relay = c->relay };
	store = store_open(&s, &e);
	if (store == NULL)
		fail_msg("%s", e.text);
	alerts = alert_open(c, store, &e);
	assert_non_null(alerts);
	chain = chain_new(c, store, alerts, &report);
	assert_non_null(chain);
}

static int
setup(void **state)
{
	const char *tmp = getenv("TMPDIR");
	struct api_hooks hooks = { current_chain, reload, sessions, 0, NULL };
	struct log_settings quiet = { "gatepost", "mail", NULL, false, LOG_LEVEL_ERROR };
	char text[4000], path[300];
	struct err e;

	(void)state;
	snprintf(dir, sizeof(dir), "%.100s/gatepost-api-XXXXXX", tmp == NULL ? "/tmp" : tmp);
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chmod(dir, 0711), 0);
	snprintf(path, sizeof(path), "%s/no-log", dir);
	quiet.socket = path;
	log_open(&quiet);
	put_file("accounts", "bob@acme.example acme\nann@small.example small\n");
	put_file("domains", "acme.example acme\nsmall.example small\n");
	put_file("customers", "acme plan=standard name=\"Acme Ltd\" contact=desk@acme.example\n"
	    "small plan=small\nodd plan=gone\n");
	snprintf(text, sizeof(text), conf_text, dir);
	put_file("gatepost.conf", text);
	snprintf(path, sizeof(path), "%s/gatepost.conf", dir);
	open_services(path);
	hooks.started = clock_now();
	api = api_open(listen_here(), &chain_conf(chain)->api_allow, store, alerts, &hooks, &e);
	assert_non_null(api);
	return 0;
}

static int
teardown(void **state)
{
	static const char *const files[] = { "accounts", "domains", "customers", "gatepost.conf", "state.db",
		"state.db-wal", "state.db-shm", "state.db-windows", "state.db-lock", "api.sock" };
	char path[300];
	size_t i;

	(void)state;
	api_close(&api);
	chain_unref(&chain);
	alert_close(&alerts);
	store_close(&store);
	log_close();
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		(void)unlink(path);
	}
	return rmdir(dir);
}

/* ---- a client ------------------------------------------------------------------------------------ */

static int
connect_api(void)
{
	const struct timeval patience = { .tv_sec = 8 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0 ||
	    connect(fd, (const struct sockaddr *)&where, sizeof(where)) != 0)
		return -1;
	return fd;
}

static void
send_all(int fd, const char *data, size_t n)
{
	ssize_t sent;

	while (n > 0 && (sent = send(fd, data, n, MSG_NOSIGNAL)) > 0) {
		data += sent;
		n -= (size_t)sent;
	}
}

/* Sends what is given and reads to the end; text is malloced. Returns the status, 0 without
 * an answer. */
static unsigned
raw(const char *head, const char *body, size_t n, char **text)
{
	int fd = connect_api();
	char *to = NULL, *start;
	size_t have = 0;
	unsigned status = 0;
	ssize_t got;

	if (fd < 0)
		return 0;
	send_all(fd, head, strlen(head));
	send_all(fd, body, n);
	do {
		to = realloc(to, have + 65536 + 1);
		if (to == NULL)
			abort();
		got = recv(fd, to + have, 65536, 0);
		if (got > 0)
			have += (size_t)got;
	} while (got > 0);
	to[have] = '\0';
	close(fd);
	(void)sscanf(to, "HTTP/1.%*1[01] %u", &status);
	start = strstr(to, "\r\n\r\n");
	*text = strdup(start == NULL ? "" : start + 4);
	free(to);
	return status;
}

static unsigned
request(const char *method, const char *path, const char *body, size_t n, char **text)
{
	char head[1500];

	snprintf(head, sizeof(head), "%s %s HTTP/1.0\r\nHost: gatepost\r\nContent-Length: %zu\r\n\r\n",
	    method, path, n);
	return raw(head, body, n, text);
}

/* The answer as JSON, which the caller gives back; fails when the status is another one. */
static json_t *
ask(unsigned want, const char *method, const char *path, const char *body)
{
	char *text = NULL;
	unsigned status =
	    request(method, path, body == NULL ? "" : body, body == NULL ? 0 : strlen(body), &text);
	json_t *j;

	if (status != want)
		fail_msg("%s %s %s: %u, not %u: %s", method, path, body == NULL ? "" : body, status, want,
		    text);
	j = json_loads(text, 0, NULL);
	assert_true(json_is_object(j));
	free(text);
	return j;
}

static void
expect_text(const json_t *j, const char *name, const char *value)
{
	const char *text = json_string_value(json_object_get(j, name));

	if (text == NULL || strcmp(text, value) != 0)
		fail_msg("%s is \"%s\", not \"%s\"", name, text == NULL ? "(none)" : text, value);
}

static void
expect_number(const json_t *j, const char *name, json_int_t value)
{
	assert_int_equal(json_integer_value(json_object_get(j, name)), value);
}

/* The row of a list whose member name is value. */
static json_t *
row(const json_t *list, const char *name, const char *value)
{
	size_t i;

	for (i = 0; i < json_array_size(list); i++) {
		const char *text = json_string_value(json_object_get(json_array_get(list, i), name));

		if (text != NULL && strcmp(text, value) == 0)
			return json_array_get(list, i);
	}
	fail_msg("no row with %s=%s", name, value);
	return NULL;
}

/* The first window of a limit in an answer. */
static json_t *
window_of(const json_t *j, const char *limit)
{
	const json_t *l = row(json_object_get(j, "limits"), "limit", limit);

	return json_array_get(json_object_get(l, "windows"), 0);
}

/* ---- what is refused ----------------------------------------------------------------------------------- */

static void
refusals(void **state)
{
	static const struct { const char *name, *method, *path, *body; unsigned status;
	} cases[] = {
		{ "no such route", "GET", "/nothing", NULL, 404 },
		{ "a route with a slash too many", "GET", "/status/", NULL, 404 },
		{ "wrong method", "POST", "/status", NULL, 405 },
		{ "unknown member in a query", "GET", "/top?limt=customer", NULL, 400 },
		{ "unknown member in a body", "POST", "/overrides", "{\"customr\":\"acme\"}", 400 },
		{ "no JSON", "POST", "/overrides", "{", 400 },
		{ "an array", "POST", "/overrides", "[]", 400 },
		{ "a name twice", "POST", "/overrides", "{\"limit\":\"a\",\"limit\":\"b\"}", 400 },
		{ "a number where a text should be", "POST", "/suspensions", "{\"customer\":5}", 400 },
		{ "an empty text", "GET", "/limits?customer=", NULL, 400 },
		{ "a control character", "GET", "/limits?customer=a%0ab", NULL, 400 },
		{ "a NUL in a query", "GET", "/limits?customer=a%00b", NULL, 400 },
		{ "no UTF-8 in a query", "GET", "/limits?customer=%ff", NULL, 400 },
		{ "no UTF-8 in a body", "POST", "/suspensions", "{\"customer\":\"\xff\"}", 400 },
		{ "a name twice in a query", "GET", "/limits?customer=a&customer=b", NULL, 400 },
		{ "nobody named", "GET", "/limits", NULL, 400 },
		{ "n too large", "GET", "/top?n=100000", NULL, 400 },
		{ "n no number", "GET", "/top?n=-1", NULL, 400 },
		{ "n too large for mailers", "GET", "/mailers?n=1001", NULL, 400 },
		{ "mailers of a customer", "GET", "/mailers?customer=acme", NULL, 400 },
		{ "unknown limit", "GET", "/top?limit=none", NULL, 404 },
		{ "a client that is no address", "GET", "/limits?client=300.1.1.1", NULL, 400 },
		{ "a body for a question without", "GET", "/status", "{}", 413 },
		{ "unknown name", "POST", "/suspensions", "{\"subject\":\"acmee\"}", 409 },
		{ "two kinds", "POST", "/suspensions",
		    "{\"customer\":\"acme\",\"account\":\"x@acme.example\"}", 400 },
		{ "bad duration", "POST", "/suspensions", "{\"customer\":\"acme\",\"for\":\"soon\"}", 400 },
		{ "bad action", "POST", "/suspensions", "{\"customer\":\"acme\",\"action\":\"explode\"}",
		    400 },
		{ "release of nobody", "DELETE", "/suspensions?customer=acme", NULL, 404 },
		{ "raise without time", "POST", "/overrides",
		    "{\"customer\":\"acme\",\"limit\":\"customer\",\"to\":\"9/1h\"}", 400 },
		{ "raise to nothing", "POST", "/overrides",
		    "{\"customer\":\"acme\",\"limit\":\"customer\",\"for\":\"1h\"}", 400 },
		{ "raise of a window that is not there", "POST", "/overrides",
		    "{\"customer\":\"acme\",\"limit\":\"customer\",\"to\":\"9/2h\",\"for\":\"1h\"}", 400 },
		{ "raise for another kind", "POST", "/overrides",
		    "{\"account\":\"acme\",\"limit\":\"customer\",\"to\":\"9/1h\",\"for\":\"1h\"}", 400 },
		{ "raise of half a tuple", "POST", "/overrides",
		    "{\"customer\":\"acme\",\"limit\":\"pair\",\"to\":\"9/1h\",\"for\":\"1h\"}", 400 },
		{ "raise of all", "POST", "/overrides",
		    "{\"customer\":\"acme\",\"limit\":\"all\",\"to\":\"9/1h\",\"for\":\"1h\"}", 404 },
		{ "lower of nothing", "DELETE", "/overrides?customer=acme&limit=customer", NULL, 404 },
		{ "explain without sender", "POST", "/explain", "{\"message\":\"x\"}", 400 },
		{ "explain without message", "POST", "/explain", "{\"sender\":\"<>\"}", 400 },
		{ "explain with bad base64", "POST", "/explain",
		    "{\"sender\":\"<>\",\"message_base64\":\"a\"}", 400 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *j;

		print_message("%s\n", cases[i].name);
		j = ask(cases[i].status, cases[i].method, cases[i].path, cases[i].body);
		assert_true(json_is_string(json_object_get(j, "error")));
		json_decref(j);
	}
}

static void
too_large_a_body(void **state)
{
	size_t n = (64 << 10) + 1;
	char *body = malloc(n), *text = NULL;

	(void)state;
	assert_non_null(body);
	memset(body, ' ', n);
	assert_int_equal(request("POST", "/overrides", body, n, &text), 413);
	assert_non_null(strstr(text, "64 KiB"));
	free(text);
	free(body);
}

static void
garbage_is_survived(void **state)
{
	static const char *const heads[] = { "\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n",
		"\x16\x03\x01\x02", "POST /explain HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n",
		"POST /explain HTTP/1.0\r\nContent-Length: 99999999999999999999\r\n\r\n" };
	json_t *j;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		int fd = connect_api();

		assert_true(fd >= 0);
		send_all(fd, heads[i], strlen(heads[i]));
		shutdown(fd, SHUT_WR);
		close(fd);
	}
	j = ask(200, "GET", "/status", NULL);
	json_decref(j);
}

/* ---- looking ------------------------------------------------------------------------------------------- */

static void
status(void **state)
{
	json_t *j = ask(200, "GET", "/status", NULL), *t;

	(void)state;
	expect_text(j, "relay", "out1");
	expect_text(j, "mode", "enforce");
	expect_number(j, "pid", getpid());
	expect_number(j, "sessions", 7);
	assert_true(json_is_integer(json_object_get(json_object_get(j, "messages"), "reject")));
	t = row(json_object_get(j, "tables"), "table", "customers");
	expect_number(t, "entries", 3);
	json_decref(j);
}

static void
metrics(void **state)
{
	char *text = NULL;

	(void)state;
	assert_int_equal(request("GET", "/metrics", "", 0, &text), 200);
	assert_non_null(strstr(text, "gatepost_info{version=\""));
	assert_non_null(strstr(text, "gatepost_messages_total{action=\"defer\"} "));
	assert_non_null(strstr(text, "# TYPE gatepost_sessions gauge\ngatepost_sessions 7\n"));
	assert_non_null(strstr(text, "gatepost_table_entries{table=\"domains\"} 2\n"));
	assert_true(text[strlen(text) - 1] == '\n');
	free(text);
}

static void
charge(const char *limit, const char *key, uint32_t amount, uint32_t most, uint64_t length)
{
	struct store_item item = { .limit = limit, .key = key, .kind = STORE_SUM, .amount = amount,
	    .ceilings = { 1, { { most, length } } } };
	struct store_request r = { .items = &item, .n = 1, .warn_at = 80 };
	struct err e;

	assert_int_equal(store_judge(store, &r, clock_deadline(5000), &e), 1);
	assert_true(r.taken);
}

static void
show_and_limits(void **state)
{
	json_t *j, *l, *w;

	(void)state;
	charge("burst", "bob@acme.example", 12, 60, 60000);
	j = ask(200, "GET", "/show?account=Bob@Acme.Example", NULL);
	expect_text(j, "account", "bob@acme.example");
	expect_text(j, "customer", "acme");
	expect_text(j, "name", "Acme Ltd");
	expect_text(j, "plan", "standard");
	l = row(json_object_get(j, "limits"), "limit", "burst");
	w = json_array_get(json_object_get(l, "windows"), 0);
	expect_number(w, "used", 12);
	expect_number(w, "left", 48);
	expect_text(w, "window", "1m");
	l = row(json_object_get(j, "limits"), "limit", "customer");
	expect_text(l, "from", "plan standard");
	json_decref(j);

	j = ask(200, "GET", "/limits?customer=acme&submitter=203.0.113.9", NULL);
	expect_text(row(json_object_get(j, "limits"), "limit", "pair"), "key", "acme|203.0.113.9");
	assert_int_equal(json_array_size(json_object_get(j, "limits")), 2);
	json_decref(j);

	j = ask(200, "GET", "/limits?everyone=true", NULL);
	expect_text(row(json_object_get(j, "limits"), "limit", "total"), "key", "everyone");
	json_decref(j);

	j = ask(200, "GET", "/show?customer=odd", NULL);
	assert_non_null(strstr(json_string_value(json_object_get(j, "problem")), "gone"));
	expect_text(j, "plan", "standard");
	json_decref(j);
}

static void
top(void **state)
{
	json_t *j = ask(200, "GET", "/top?limit=burst&n=5", NULL);

	(void)state;
	expect_text(json_array_get(json_object_get(j, "top"), 0), "key", "bob@acme.example");
	json_decref(j);
}

/* ---- doing
 * --------------------------------------------------------------------------------------------------- */

static void
suspend_and_release(void **state)
{
	struct arena *a = arena_new(ARENA_DEFAULT_CAP);
	struct store_suspension w;
	json_t *j, *s;

	(void)state;
	j = ask(200, "POST", "/suspensions",
	    "{\"subject\":\"ACME\",\"for\":\"24h\",\"reason\":\"phish \\u202e\"}");
	s = json_object_get(j, "suspended");
	expect_text(s, "kind", "customer");
	expect_text(s, "subject", "acme");
	expect_text(s, "action", "reject");
	expect_number(s, "until", json_integer_value(json_object_get(s, "since")) + 86400000);
	assert_null(json_object_get(j, "note"));
	json_decref(j);
	assert_int_equal(store_suspended(store, "customer", "acme", a, &w), 1);
	assert_non_null(strstr(w.by, "uid "));

	j = ask(200, "POST", "/suspensions", "{\"customer\":\"unheard-of\",\"action\":\"hold\"}");
	assert_non_null(strstr(json_string_value(json_object_get(j, "note")), "no such customer"));
	assert_true(json_is_null(json_object_get(json_object_get(j, "suspended"), "until")));
	json_decref(j);
	j = ask(200, "POST", "/suspensions", "{\"subject\":\"2001:DB8::7\",\"for\":\"1h\"}");
	expect_text(json_object_get(j, "suspended"), "kind", "client");
	expect_text(json_object_get(j, "suspended"), "subject", "2001:db8::7");
	json_decref(j);

	j = ask(200, "GET", "/suspensions", NULL);
	assert_int_equal(json_array_size(json_object_get(j, "suspensions")), 3);
	json_decref(j);
	json_decref(ask(200, "DELETE", "/suspensions?subject=Acme", NULL));
	json_decref(ask(200, "DELETE", "/suspensions?client=2001:db8:0::7", NULL));
	json_decref(ask(200, "DELETE", "/suspensions?customer=unheard-of", NULL));
	json_decref(ask(404, "DELETE", "/suspensions?subject=acme", NULL));
	assert_int_equal(store_suspended(store, "customer", "acme", a, &w), 0);
	arena_free(&a);
}

static void
raise_and_lower(void **state)
{
	json_t *j, *l, *w;

	(void)state;
	j = ask(200, "POST", "/overrides",
	    "{\"customer\":\"small\",\"limit\":\"customer\",\"to\":[\"30/1h\"],\"for\":\"6h\","
	    "\"reason\":\"fair\"}");
	expect_text(j, "key", "small");
	assert_string_equal(json_string_value(json_array_get(json_object_get(j, "stays"), 0)), "20/1d");
	json_decref(j);
	j = ask(200, "GET", "/limits?customer=small", NULL);
	l = row(json_object_get(j, "limits"), "limit", "customer");
	w = row(json_object_get(l, "windows"), "window", "1h");
	expect_number(w, "ceiling", 30);
	expect_number(w, "configured", 3);
	expect_text(json_object_get(l, "raised"), "reason", "fair");
	json_decref(j);
	j = ask(200, "GET", "/overrides", NULL);
	expect_text(json_array_get(json_object_get(j, "overrides"), 0), "limit", "customer");
	json_decref(j);
	json_decref(ask(200, "DELETE", "/overrides?customer=small&limit=customer", NULL));

	j = ask(200, "POST", "/overrides",
	    "{\"customer\":\"small\",\"limit\":\"all\",\"exempt\":true,\"for\":\"6h\"}");
	assert_int_equal(json_array_size(json_object_get(j, "limits")), 1);
	json_decref(j);
	json_decref(ask(200, "DELETE", "/overrides?customer=small&limit=all", NULL));
	json_decref(ask(404, "DELETE", "/overrides?customer=small&limit=all", NULL));
}

static void
reset(void **state)
{
	json_t *j;

	(void)state;
	charge("customer", "acme", 5, 250, 3600000);
	json_decref(ask(200, "POST", "/reset", "{\"customer\":\"acme\",\"limit\":\"customer\"}"));
	j = ask(200, "GET", "/limits?customer=acme", NULL);
	expect_number(window_of(j, "customer"), "used", 0);
	json_decref(j);
}

static void
reload_tells_problems(void **state)
{
	json_t *j;

	(void)state;
	json_decref(ask(200, "POST", "/reload", NULL));
	reload_result = 0;
	j = ask(409, "POST", "/reload", "{}");
	assert_int_equal(json_array_size(json_object_get(j, "problems")), 2);
	json_decref(j);
	reload_result = 1;
}

/* ---- explain
 * ----------------------------------------------------------------------------------------------------- */

static json_t *
explain(const char *login, const char *sender, const char *from, const char *recipients)
{
	json_t *q = json_pack("{s:s, s:s, s:s, s:o, s:o}", "login", login, "client", "192.0.2.7", "sender",
	    sender, "recipients", json_loads(recipients, 0, NULL), "message",
	    json_sprintf("From: %s\nX-Customer-ID: forged\nMessage-ID: <1@acme.example>\n\nbody\n", from));
	char *body = json_dumps(q, 0);
	json_t *j;

	assert_non_null(body);
	j = ask(200, "POST", "/explain", body);
	json_decref(q);
	free(body);
	return j;
}

static void
explain_a_good_message(void **state)
{
	struct chain_numbers before, after;
	json_t *j, *l, *f;

	(void)state;
	chain_numbers(&before);
	j = explain("ann@small.example", "<ann@small.example>", "Ann <ann@small.example>",
	    "[\"x@y.example\"]");
	f = json_object_get(j, "facts");
	expect_text(f, "customer", "small");
	assert_string_equal(json_string_value(json_array_get(json_object_get(f, "from"), 0)),
	    "ann@small.example");
	expect_text(row(json_object_get(j, "inserted"), "name", "X-Customer-ID"), "value", "small");
	expect_text(row(json_object_get(j, "removed"), "name", "X-Customer-ID"), "value", "forged");
	l = row(json_object_get(j, "limits"), "limit", "customer");
	expect_number(l, "adds", 1);
	expect_number(l, "left", 2);
	assert_false(json_is_true(json_object_get(l, "over")));
	l = row(json_object_get(j, "checks"), "check", "suspension");
	assert_int_equal(json_array_size(json_object_get(l, "findings")), 0);
	json_decref(j);
	/* It was only asked: nothing is counted. */
	chain_numbers(&after);
	assert_int_equal(after.messages, before.messages);
	j = ask(200, "GET", "/limits?customer=small", NULL);
	expect_number(window_of(j, "customer"), "used", 0);
	json_decref(j);
}

static void
explain_refusals(void **state)
{
	json_t *j, *l;

	(void)state;
	j = explain("ann@small.example", "ann@small.example", "boss@acme.example", "[\"x@y.example\"]");
	expect_text(j, "action", "reject");
	expect_text(j, "refused_at", "end of message");
	expect_text(j, "decided_by", "ownership.from");
	assert_true(strncmp(json_string_value(json_object_get(j, "reply")), "550 5.7.1 ", 10) == 0);
	json_decref(j);

	/* Larger than the ceiling: waiting would not help. */
	j = explain("ann@small.example", "ann@small.example", "ann@small.example",
	    "[\"a@y.example\",\"b@y.example\",\"c@y.example\",\"d@y.example\"]");
	expect_text(j, "action", "reject");
	l = row(json_object_get(j, "limits"), "limit", "customer");
	assert_true(json_is_true(json_object_get(l, "over")) && json_is_null(json_object_get(l, "retry_at")));
	json_decref(j);

	charge("customer", "small", 2, 3, 3600000);
	j = explain("ann@small.example", "ann@small.example", "ann@small.example",
	    "[\"a@y.example\",\"b@y.example\"]");
	expect_text(j, "action", "defer");
	l = row(json_object_get(j, "limits"), "limit", "customer");
	assert_true(json_is_true(json_object_get(l, "over")));
	expect_number(l, "left", 1);
	assert_true(json_is_integer(json_object_get(l, "retry_at")));
	json_decref(j);

	json_decref(ask(200, "POST", "/suspensions", "{\"customer\":\"small\",\"for\":\"1h\"}"));
	j = explain("ann@small.example", "ann@small.example", "ann@small.example", "[\"x@y.example\"]");
	expect_text(j, "refused_at", "MAIL");
	expect_text(j, "decided_by", "suspension.customer");
	json_decref(j);
	json_decref(ask(200, "DELETE", "/suspensions?customer=small", NULL));

	j = explain("nobody", "x@other.example", "x@other.example", "[\"x@y.example\"]");
	expect_text(j, "decided_by", "identity.unknown");
	json_decref(j);
}

static void
explain_base64_and_hostile_bytes(void **state)
{
	json_t *j;

	(void)state;
	/* "From: ann@small.example\nX-Customer-ID: \xff\x1b[2J\n\n" */
	j = ask(200, "POST", "/explain",
	    "{\"login\":\"ann@small.example\",\"sender\":\"<ann@small.example>\","
	    "\"recipients\":\"x@y.example\",\"bytes\":5000,\"message_base64\":"
	    "\"RnJvbTogYW5uQHNtYWxsLmV4YW1wbGUKWC1DdXN0b21lci1JRDog/xtbMkoKCg==\"}");
	expect_text(row(json_object_get(j, "removed"), "name", "X-Customer-ID"), "value", "\\xff\\x1b[2J");
	json_decref(j);
}

/* ---- who may ask
 * --------------------------------------------------------------------------------------------------- */

/* The status that uid 65534, in no group but its own, gets. */
static unsigned
ask_as_nobody(void)
{
	int st = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		char *text = NULL;

		if (setgid(65534) != 0 || setuid(65534) != 0)
			_exit(0);
		_exit((int)(request("GET", "/status", "", 0, &text) / 100 * 10 + 3));
	}
	assert_int_equal(waitpid(pid, &st, 0), pid);
	assert_true(WIFEXITED(st));
	return (unsigned)WEXITSTATUS(st) / 10 * 100;
}

static void
peers(void **state)
{
	static const char *nobody[] = { "nobody" }, *group[] = { "@nogroup" },
			  *others[] = { "@root", "daemon", "@no-such" };
	const struct conf_strings by_name = { 1, nobody }, by_group = { 1, group }, not_me = { 3, others };

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(ask_as_nobody(), 400);
	api_configure(api, &by_name);
	assert_int_equal(ask_as_nobody(), 200);
	api_configure(api, &by_group);
	assert_int_equal(ask_as_nobody(), 200);
	api_configure(api, &not_me);
	assert_int_equal(ask_as_nobody(), 400);
	json_decref(ask(200, "GET", "/status", NULL));
}

/* Strangers who connect and say nothing must not keep the desk out. */
static void
strangers_cannot_hold_every_connection(void **state)
{
	int st = 0, pipe_fd[2], i;
	char c;
	pid_t pid;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(pipe(pipe_fd), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(pipe_fd[0]);
		alarm(30);	/* outlives no failed test for long */
		if (setgid(65534) != 0 || setuid(65534) != 0)
			_exit(1);
		for (i = 0; i < 40; i++)
			(void)connect_api();
		_exit(write(pipe_fd[1], "x", 1) == 1 && pause() == 0 ? 0 : 1);
	}
	close(pipe_fd[1]);
	assert_int_equal(read(pipe_fd[0], &c, 1), 1);
	for (i = 0; i < 5; i++)
		json_decref(ask(200, "GET", "/status", NULL));
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &st, 0), pid);
	close(pipe_fd[0]);
}

/* ---- mailers ----------------------------------------------------------------------------------- */

static void
mailers_that_were_seen(void **state)
{
	struct mailer_seen *m = mailer_seen_open(store);
	json_t *j, *list;

	(void)state;
	assert_true(mailer_seen_first(m, "acme", "phplist", "bulk"));
	assert_false(mailer_seen_first(m, "acme", "phplist", "bulk"));
	assert_true(mailer_seen_first(m, "small", "phplist", "bulk"));
	assert_true(mailer_seen_first(m, "small", "mailpoet", "newsletter"));
	j = ask(200, "GET", "/mailers", NULL);
	list = json_object_get(j, "mailers");
	assert_int_equal(json_array_size(list), 2);
	expect_text(json_array_get(list, 0), "mailer", "phplist");	/* the most messages first */
	expect_number(json_array_get(list, 0), "customers", 2);
	expect_number(json_array_get(list, 0), "messages", 3);
	expect_text(json_array_get(list, 1), "kind", "newsletter");
	json_decref(j);
	j = ask(200, "GET", "/mailers?mailer=phplist", NULL);
	list = json_object_get(j, "mailers");
	assert_int_equal(json_array_size(list), 2);
	expect_number(row(list, "customer", "acme"), "messages", 2);
	json_decref(j);
	j = ask(200, "GET", "/mailers?n=1", NULL);
	assert_int_equal(json_array_size(json_object_get(j, "mailers")), 1);
	expect_number(j, "found", 2);
	json_decref(j);
	j = ask(200, "GET", "/show?customer=acme", NULL);
	list = json_object_get(j, "mailers");
	assert_int_equal(json_array_size(list), 1);
	expect_text(json_array_get(list, 0), "mailer", "phplist");
	assert_true(json_integer_value(json_object_get(json_array_get(list, 0), "first")) > 0);
	json_decref(j);
	mailer_seen_close(&m);
	j = ask(200, "GET", "/mailers", NULL);		/* nothing in memory: the store knows */
	expect_number(j, "found", 2);
	json_decref(j);
	j = ask(200, "GET", "/show?account=nobody", NULL);
	assert_int_equal(json_array_size(json_object_get(j, "mailers")), 0);
	json_decref(j);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refusals),
		cmocka_unit_test(too_large_a_body),
		cmocka_unit_test(garbage_is_survived),
		cmocka_unit_test(status),
		cmocka_unit_test(metrics),
		cmocka_unit_test(show_and_limits),
		cmocka_unit_test(mailers_that_were_seen),
		cmocka_unit_test(top),
		cmocka_unit_test(suspend_and_release),
		cmocka_unit_test(raise_and_lower),
		cmocka_unit_test(reset),
		cmocka_unit_test(reload_tells_problems),
		cmocka_unit_test(explain_a_good_message),
		cmocka_unit_test(explain_refusals),
		cmocka_unit_test(explain_base64_and_hostile_bytes),
		cmocka_unit_test(peers),
		cmocka_unit_test(strangers_cannot_hold_every_connection),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
