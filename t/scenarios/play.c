/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * play - runs scenario files: a configuration, tables, messages, and what must come of them.
 *
 * The chain, tables, store, alerts and log are the real ones; only the MTA is played (the facts
 * are set directly) and the clock is the fake one. Format: t/scenarios/README. Output is TAP, one line
 * for each `expect`.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "lib/alert.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/store.h"
#include "lib/str.h"
#include "milter/chain.h"
#include "t/unit/clock_fake.h"
#include "t/unit/dns_zone.h"

#define LINES_MAX 4000
#define START_MS 1780000000000ull	/* 2026-05-28 */

static struct {
	char dir[90];
	int log_fd;
	struct store *store;
	struct alerts *alerts;
	struct chain *chain;
	struct message message;
	bool open, sent;
	enum conf_action action;
	struct reply reply;
	char *lines[LINES_MAX];		/* what was logged since the message began */
	size_t n_lines;
	unsigned serial;
} now;

static const char *file;
static unsigned line_no, tests, failures;

static void
die(const char *what)
{
	printf("Bail out! %s:%u: %s\n", file, line_no, what);
	exit(1);
}

static void
result(bool ok, const char *what)
{
	tests++;
	failures += !ok;
	printf("%sok %u - %s:%u: %s\n", ok ? "" : "not ", tests, file, line_no, what);
}

/* ---- the world around the chain ----------------------------------------------------- */

static void
say(void *cookie, const struct err *e)
{
	(void)cookie;
	printf("# %s: %s\n", e->where, e->text);
}

static const struct table_report report = { say, NULL };

static void
write_file(const char *name, const char *text)
{
	char path[300];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", now.dir, name);
	f = fopen(path, "w");
	if (f == NULL)
		die("cannot write a file");
	for (; *text != '\0'; text++) {
		if (strncmp(text, "@dir@", 5) == 0) {
			fputs(now.dir, f);
			text += 4;
		} else
			fputc(*text, f);
	}
	fclose(f);
	chmod(path, strstr(name, ".keys") == NULL ? 0644 : 0400);
}

static void
open_log_socket(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct log_settings s = { .ident = "gatepost", .facility = "mail", .socket = sun.sun_path, .most = LOG_LEVEL_INFO };
	int big = 4 << 20;

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/log", now.dir);
	now.log_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	setsockopt(now.log_fd, SOL_SOCKET, SO_RCVBUF, &big, sizeof(big));
	if (now.log_fd < 0 || bind(now.log_fd, (struct sockaddr *)&sun, sizeof(sun)) < 0)
		die("cannot bind the log socket");
	log_open(&s);
}

static struct chain *
load(void)
{
	struct conf_problems p = { .say = say };
	char path[300];
	struct conf *c;
	struct chain *ch;

	snprintf(path, sizeof(path), "%s/gatepost.conf", now.dir);
	c = conf_load(path, &p);
	if (c == NULL)
		die("the configuration has mistakes");
	ch = chain_new(c, now.store, now.alerts, &report);
	if (ch == NULL)
		die("a table or check cannot be had");
	return ch;
}

static void
open_world(void)
{
	struct conf_problems p = { .say = say };
	struct store_settings s = { .type = "memory", .memory = 64 << 20, .relay = "test" };
	char path[300], db[300];
	struct conf *c;
	struct err e;

	open_log_socket();
	snprintf(path, sizeof(path), "%s/gatepost.conf", now.dir);
	snprintf(db, sizeof(db), "%s/state.db", now.dir);
	s.file = db;
	if ((now.store = store_open(&s, &e)) == NULL)
		die(e.text);
	if ((c = conf_load(path, &p)) == NULL)
		die("the configuration has mistakes");
	if ((now.alerts = alert_open(c, now.store, &e)) == NULL)
		die(e.text);
	conf_unref(&c);
	now.chain = load();
}

static void
close_world(void)
{
	pid_t child;
	size_t i;

	if (now.open)
		facts_end(&now.message.facts);
	chain_unref(&now.chain);
	alert_close(&now.alerts);
	store_close(&now.store);
	log_close();
	close(now.log_fd);
	for (i = 0; i < now.n_lines; i++)
		free(now.lines[i]);
	/* Only files of ours stand there. */
	if ((child = fork()) == 0) {
		execlp("rm", "rm", "-rf", "--", now.dir, (char *)NULL);
		_exit(127);
	}
	waitpid(child, NULL, 0);
	memset(&now, 0, sizeof(now));
}

/* Reads log lines until the mark that this call itself logs comes back. */
static void
gather(void)
{
	struct pollfd p = { .fd = now.log_fd, .events = POLLIN };
	char line[4096], mark[40];
	ssize_t n;

	if (alert_flush(now.alerts, 5000) != 1)
		die("alerts are not told");
	snprintf(mark, sizeof(mark), "mark-%u", ++now.serial);
	log_line(LOG_LEVEL_ERROR, mark);
	for (;;) {
		if (poll(&p, 1, 5000) != 1 || (n = recv(now.log_fd, line, sizeof(line) - 1, 0)) < 0)
			die("the log is silent");
		line[n] = '\0';
		if (strstr(line, mark) != NULL)
			return;
		if (now.n_lines < LINES_MAX)
			now.lines[now.n_lines++] = strdup(line);
	}
}

static void
forget_lines(void)
{
	while (now.n_lines > 0)
		free(now.lines[--now.n_lines]);
}

/* ---- one message ---------------------------------------------------------------------- */

static void
finish(enum stage stage)
{
	const struct finding *f = verdict_decider(&now.message.verdict);

	memset(&now.reply, 0, sizeof(now.reply));
	if (now.action >= CONF_DEFER && f != NULL)
		verdict_reply(f, now.action, &now.reply);
	chain_finish(now.chain, &now.message, stage, false);
	now.sent = true;
}

static void
step_mail(const char *argument)
{
	struct facts *f = &now.message.facts;
	const char *login = f->login != NULL ? strdup(f->login) : NULL;

	gather();
	forget_lines();
	chain_begin(now.chain, &now.message, arena_new(ARENA_DEFAULT_CAP));
	f->transaction = arena_printf(f->arena, "test-%u", ++now.serial);
	facts_set_sender(f, argument);
	facts_set_login(f, login);
	free((void *)(uintptr_t)login);
	now.open = true;
	now.sent = false;
	now.action = chain_run(now.chain, &now.message, STAGE_MAIL);
	if (now.action >= CONF_DEFER)
		finish(STAGE_MAIL);
}

static void
unescape(char *to, size_t size, const char *from)
{
	size_t n = 0;

	for (; *from != '\0' && n + 1 < size; from++) {
		if (from[0] == '\\' && from[1] == 'n') {
			to[n++] = '\n';
			from++;
		} else if (from[0] == '\\' && from[1] == 't') {
			to[n++] = '\t';
			from++;
		} else if (from[0] == '\\' && from[1] == 'x' && from[2] != '\0' && from[3] != '\0') {
			char hex[3] = { from[2], from[3], '\0' };

			to[n++] = (char)strtoul(hex, NULL, 16);
			from += 3;
		} else
			to[n++] = *from;
	}
	to[n] = '\0';
}

/* What the last `capture` took. */
static char captured[4000];

static void
step_capture(const char *name)
{
	const struct edit *e;

	for (e = now.message.verdict.inserts; e != NULL; e = e->next)
		if (strcasecmp(e->name, name) == 0) {
			str_copy(captured, sizeof(captured), e->value);
			return;
		}
	die("no such header was inserted");
}

static void
step_header(char *text)
{
	char value[4000], *colon = strchr(text, ':');

	if (colon == NULL)
		die("header NAME: VALUE is wanted");
	*colon++ = '\0';
	unescape(value, sizeof(value), colon + (*colon == ' '));
	if (strcmp(value, "@captured@") == 0)
		str_copy(value, sizeof(value), captured);
	if (!now.sent)
		facts_add_header(&now.message.facts, text, value);
}

static void
step_end(void)
{
	if (now.sent)
		return;
	now.message.facts.queue_id = "4QueueId";
	now.action = chain_run(now.chain, &now.message, STAGE_END);
	finish(STAGE_END);
}

/* `again N ACTION`: the same message with Message-IDs of their own; `again N ACTION same`: with its own. */
static void
step_again(const char *text)
{
	struct facts *f = &now.message.facts, was = *f;
	unsigned n, i, good = 0;
	char want[20], same[8] = "", id[60];
	size_t k;

	if (sscanf(text, "%u %19s %7s", &n, want, same) < 2)
		die("again N ACTION is wanted");
	for (i = 0; i < n; i++) {
		if (i == 0)
			f->arena = NULL;	/* the message repeated stays until the end */
		chain_begin(now.chain, &now.message, arena_new(ARENA_DEFAULT_CAP));
		f->transaction = arena_printf(f->arena, "test-%u", ++now.serial);
		facts_set_sender(f, was.sender);
		facts_set_login(f, was.login);
		now.sent = false;
		now.action = chain_run(now.chain, &now.message, STAGE_MAIL);
		if (now.action >= CONF_DEFER)
			finish(STAGE_MAIL);
		for (k = 0; k < was.n_recipients; k++)
			facts_add_recipient(f, was.recipients[k]);
		for (k = 0; k < was.n_headers; k++)
			if (*same != '\0' || strcasecmp(was.headers[k].name, "Message-ID") != 0)
				facts_add_header(f, was.headers[k].name, was.headers[k].value);
		snprintf(id, sizeof(id), "<%u@again.example>", now.serial);
		if (*same == '\0')
			facts_add_header(f, "Message-ID", id);
		step_end();
		good += strcmp(conf_action_text(now.action), want) == 0;
	}
	arena_free(&was.arena);
	result(good == n, text);
	if (good != n)
		printf("# %u of %u\n", good, n);
}

/* ---- people's actions -------------------------------------------------------------------- */

static uint64_t
from_now(const char *text)
{
	uint64_t ms;

	if (str_duration(text, &ms) != 1)
		die("a duration is wanted");
	return clock_now() + ms;
}

static void
step_suspend(const char *text)
{
	char kind[20], subject[200], time[20], action[20] = "reject";
	struct store_suspension w = { .kind = kind, .subject = subject, .action = action, .reason = "test", .by = "test" };
	struct err e;

	if (sscanf(text, "%19s %199s %19s %19s", kind, subject, time, action) < 3)
		die("suspend KIND SUBJECT TIME [ACTION] is wanted");
	w.since = clock_now();
	w.until = from_now(time);
	if (store_suspend(now.store, &w, &e) != STORE_DONE)
		die(e.text);
}

static void
step_release(const char *text)
{
	char kind[20], subject[200];
	struct err e;

	if (sscanf(text, "%19s %199s", kind, subject) != 2 || store_release(now.store, kind, subject, &e) != STORE_DONE)
		die("release KIND SUBJECT failed");
}

static void
step_raise(const char *text)
{
	char limit[40], key[300], ceiling[40], time[20];
	struct store_override w = { .limit = limit, .key = key, .reason = "test", .by = "test" };
	struct limit_ceiling c;
	struct err e;

	if (sscanf(text, "%39s %299s %39s %19s", limit, key, ceiling, time) != 4)
		die("raise LIMIT KEY CEILING|exempt TIME is wanted");
	w.exempt = strcmp(ceiling, "exempt") == 0;
	if (!w.exempt && (limit_ceiling_parse(ceiling, false, &c) != 1 || !limit_ceilings_add(&w.ceilings, &c)))
		die("no ceiling");
	w.since = clock_now();
	w.until = from_now(time);
	if (store_raise(now.store, &w, &e) != STORE_DONE)
		die(e.text);
}

static void
step_reset(const char *text)
{
	char limit[40], key[300];
	struct err e;

	if (sscanf(text, "%39s %299s", limit, key) != 2 || store_reset(now.store, limit, key, &e) != STORE_DONE)
		die("reset LIMIT KEY failed");
}

static void
step_advance(const char *text)
{
	clock_fake_advance(from_now(text) - clock_now());
	store_poll(now.store);
	chain_poll(now.chain);
}

/* ---- expectations ---------------------------------------------------------------------------- */

static bool
logged(const char *prefix, const char *parts)
{
	char copy[1000], *part, *rest;
	size_t i;
	bool all;

	for (i = 0; i < now.n_lines; i++) {
		const char *line = strstr(now.lines[i], prefix);

		if (line == NULL)
			continue;
		str_copy(copy, sizeof(copy), parts);
		for (all = true, rest = copy; all && (part = strsep(&rest, " ")) != NULL;)
			all = *part == '\0' || strstr(line, part) != NULL;
		if (all)
			return true;
	}
	return false;
}

static bool
expect_action(const char *text)
{
	char want[20], code[80] = "";
	const struct finding *f = verdict_decider(&now.message.verdict);

	if (sscanf(text, "%19s %79s", want, code) < 1 || strcmp(conf_action_text(now.action), want) != 0)
		return false;
	return *code == '\0' || (f != NULL && strcmp(f->code, code) == 0);
}

static bool
has_finding(const char *code)
{
	const struct finding *f;

	for (f = now.message.verdict.findings; f != NULL; f = f->next)
		if (strcmp(f->code, code) == 0)
			return true;
	return false;
}

static bool
has_insert(const char *text)
{
	const struct edit *e;
	char have[1200], want[1200];

	unescape(want, sizeof(want), text);
	for (e = now.message.verdict.inserts; e != NULL; e = e->next) {
		snprintf(have, sizeof(have), "%s: %s", e->name, e->value);
		if (strcmp(have, want) == 0 || (strchr(text, ':') == NULL && strcmp(e->name, text) == 0))
			return true;
	}
	return false;
}

static bool
has_removed(const char *text)
{
	const struct edit *e;
	char name[80];
	unsigned want, n = 0;

	if (sscanf(text, "%79s %u", name, &want) != 2)
		die("expect removed NAME N is wanted");
	for (e = now.message.verdict.removes; e != NULL; e = e->next)
		n += strcasecmp(e->name, name) == 0;
	return n == want;
}

static bool
expect_would(const char *text)
{
	char want[20], code[80] = "";
	const struct finding *f;
	enum conf_action a = verdict_would(&now.message.verdict, &f);

	if (sscanf(text, "%19s %79s", want, code) < 1 || strcmp(conf_action_text(a), want) != 0)
		return false;
	return *code == '\0' || (f != NULL && strcmp(f->code, code) == 0);
}

static bool
expect_reply(const char *text)
{
	char have[500];

	snprintf(have, sizeof(have), "%s %s %s", now.reply.code, now.reply.xcode, now.reply.text);
	if (strstr(have, text) != NULL)
		return true;
	printf("# reply: %s\n", have);
	return false;
}

static bool
expect_alert(const char *text)
{
	gather();
	return logged(" alert ", text);
}

static bool
expect_summary(const char *text)
{
	gather();
	return logged(" message ", text);
}

static bool
expect_fact(const char *text)
{
	const struct facts *f = &now.message.facts;
	const struct { const char *name, *value; } known[] = {
		{ "customer", f->customer }, { "account", f->account }, { "plan", f->plan }, { "submitter", f->submitter },
		{ "mailer", f->mailer }, { "traits", f->mailer_traits }, { "class", facts_class_text(f->class) },
		{ "quality", facts_quality_text(f->quality) },
	};
	size_t i, n;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		n = strlen(known[i].name);
		if (strncmp(text, known[i].name, n) == 0 && text[n] == ' ')
			return strcmp(text + n + 1, known[i].value == NULL ? "none" : known[i].value) == 0;
	}
	die("no such fact");
	return false;
}

static const struct {
	const char *word;
	bool (*test)(const char *text);
} expectations[] = {
	{ "would ", expect_would },
	{ "reply ", expect_reply },
	{ "header ", has_insert },
	{ "removed ", has_removed },
	{ "finding ", has_finding },
	{ "alert ", expect_alert },
	{ "summary ", expect_summary },
	{ "fact ", expect_fact },
	{ "", expect_action },
};

static void
show(void)
{
	const struct finding *f;
	const struct edit *e;
	size_t i;

	printf("# action %s\n", conf_action_text(now.action));
	for (f = now.message.verdict.findings; f != NULL; f = f->next)
		printf("# finding %s %s%s: %s\n", f->code, conf_action_text(f->action), f->monitor ? " (monitor)" : "",
		    f->desk == NULL ? "" : f->desk);
	for (e = now.message.verdict.inserts; e != NULL; e = e->next)
		printf("# insert %s: %s\n", e->name, e->value);
	for (i = 0; i < now.n_lines; i++)
		printf("# log %s\n", now.lines[i]);
}

static void
step_expect(const char *text)
{
	bool no = strncmp(text, "no ", 3) == 0, ok = false;
	const char *rest = no ? text + 3 : text;
	size_t i, n;

	for (i = 0; i < sizeof(expectations) / sizeof(expectations[0]); i++) {
		n = strlen(expectations[i].word);
		if (strncmp(rest, expectations[i].word, n) == 0) {
			ok = expectations[i].test(rest + n) != no;
			break;
		}
	}
	result(ok, text);
	if (!ok)
		show();
}

/* ---- steps -------------------------------------------------------------------------------------- */

static void
step_client(const char *text)
{
	struct net_addr a;

	if (net_parse(text, &a) != 1)
		die("an address is wanted");
	facts_set_client(&now.message.facts, &a);
	now.message.facts.local = false;
	now.message.facts.login = NULL;
}

static void
step_local(const char *text)
{
	(void)text;
	step_client("127.0.0.1");
	now.message.facts.local = true;
}

static char login_kept[200];

static void
step_login(const char *text)
{
	str_copy(login_kept, sizeof(login_kept), text);
	now.message.facts.login = *text == '\0' || strcmp(text, "none") == 0 ? NULL : login_kept;
}

static void
step_rcpt(const char *text)
{
	if (!now.sent)
		facts_add_recipient(&now.message.facts, text);
}

static void
step_rcpts(const char *text)
{
	unsigned long i, n = strtoul(text, NULL, 10);
	char one[64];

	for (i = 1; i <= n; i++) {
		snprintf(one, sizeof(one), "<r%lu@dest.example>", i);
		step_rcpt(one);
	}
}

static void
step_body(const char *text)
{
	if (!now.sent)
		now.message.facts.bytes += strtoull(text, NULL, 10);
}

/* `dns NAME ...`: one more line of the zone; `dns` alone: the zone is empty. */
static void
step_dns(const char *text)
{
	if (*text == '\0')
		dns_zone_set("");
	else
		dns_zone_add(text + (*text == ' '));
}

static void
step_text(const char *text)
{
	if (now.sent)
		return;
	now.message.facts.bytes += strlen(text);
	if (chain_needs(now.chain) & NEED_BODY_START)
		facts_keep_body(&now.message.facts, text, strlen(text));
}

static void
step_reload(const char *text)
{
	struct chain *next;

	(void)text;
	if (now.open)
		facts_end(&now.message.facts);
	next = load();
	chain_unref(&now.chain);
	now.chain = next;
	store_forget_over(now.store);
}

static void
run_step(char *text)
{
	static const struct {
		const char *word;
		void (*step)(const char *text);
	} steps[] = {
		{ "client ", step_client }, { "local", step_local }, { "login ", step_login }, { "mail ", step_mail },
		{ "rcpt ", step_rcpt }, { "rcpts ", step_rcpts }, { "body ", step_body }, { "text ", step_text }, { "again ", step_again }, { "suspend ", step_suspend },
		{ "release ", step_release }, { "raise ", step_raise }, { "reset ", step_reset },
		{ "advance ", step_advance }, { "capture ", step_capture }, { "expect ", step_expect }, { "reload", step_reload },
		{ "dns", step_dns },
	};
	size_t i, n;

	if (strncmp(text, "header ", 7) == 0) {
		step_header(text + 7);
		return;
	}
	if (strcmp(text, "end") == 0) {
		step_end();
		return;
	}
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		n = strlen(steps[i].word);
		if (strncmp(text, steps[i].word, n) == 0) {
			steps[i].step(text + n);
			return;
		}
	}
	die("no such step");
}

/* "--- NAME" ends the section before it and begins one: config, steps, or a file's name. */
static void
end_section(const char *name, const char *text)
{
	if (*name == '\0')
		return;
	if (strcmp(name, "zone") == 0)
		dns_zone_set(text);
	else if (strcmp(name, "steps") != 0)
		write_file(strcmp(name, "config") == 0 ? "gatepost.conf" : name, text);
}

static void
run_file(const char *path)
{
	char line[5000], name[80] = "", *text = calloc(1, 200000);
	bool world = false;
	FILE *f = fopen(path, "r");

	file = strrchr(path, '/') == NULL ? path : strrchr(path, '/') + 1;
	line_no = 0;
	if (f == NULL || text == NULL)
		die("cannot read it");
	snprintf(now.dir, sizeof(now.dir), "%s/gatepost-scenario.XXXXXX", getenv("TMPDIR") == NULL ? "/tmp" : getenv("TMPDIR"));
	if (mkdtemp(now.dir) == NULL)
		die("mkdtemp");
	clock_fake_set(START_MS);
	while (fgets(line, sizeof(line), f) != NULL) {
		line_no++;
		if (strncmp(line, "--- ", 4) == 0) {
			end_section(name, text);
			line[strcspn(line, "\n")] = '\0';
			str_copy(name, sizeof(name), line + 4);
			*text = '\0';
			if (strcmp(name, "steps") == 0 && !world) {
				open_world();
				world = true;
			}
		} else if (strcmp(name, "steps") == 0) {
			char *s = line + strspn(line, " \t");

			s[strcspn(s, "\n")] = '\0';
			if (*s != '\0' && *s != '#')
				run_step(s);
		} else if (strlen(text) + strlen(line) < 199999)
			memcpy(text + strlen(text), line, strlen(line) + 1);
	}
	fclose(f);
	free(text);
	if (world)
		close_world();
}

int
main(int argc, char **argv)
{
	int i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (i = 1; i < argc; i++)
		run_file(argv[i]);
	printf("1..%u\n", tests);
	return failures == 0 ? 0 : 1;
}
