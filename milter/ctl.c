/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * gatepostctl - the desk's hands: makes a question of the command line, asks the daemon, says the answer.
 *
 * A command is one row of `commands`: the route it asks, the words and options it takes, who prints the
 * answer. The daemon judges what is asked; here only the form is checked. Everything printed is made safe for
 * a terminal, since much of it was written by spammers. check-config and keys need no daemon.
 */
#include "milter/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "lib/conf.h"
#include "lib/net.h"
#include "lib/signature.h"
#include "lib/str.h"
#include "milter/ctl_preflight.h"
#include "milter/message_file.h"

#include "lib/banned.h"

#ifndef GATEPOST_CONF
#define GATEPOST_CONF "/etc/gatepost/gatepost.conf"
#endif
#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif
#define DEFAULT_SOCKET "/run/gatepost/api.sock"
#define HEADERS_MOST ((size_t)512 << 10)	/* so that it fits a question in base64 */

enum { EXIT_DONE = CTL_DONE, EXIT_REFUSED = CTL_REFUSED, EXIT_USAGE = CTL_USAGE, EXIT_GONE = CTL_GONE,
	EXIT_DENIED = CTL_DENIED };

/* What stands on the command line. */
struct asked {
	const char *socket, *config;
	bool json;
	const char *limit, *n, *duration, *reason, *action, *login, *client, *sender, *user;
	bool local, force;
	const char *keys;
	json_t *to, *recipients, *message_ids, *queue_ids;
	const char *from, *helo, *dns;
	const char *ips[32];
	size_t n_ips;
	bool all;
	char **words;
	int n_words;
	char given[32];		/* letters of the options that were given */
};

/* FILLED_NOT: the words are not what the usage says. FILLED_FAILED: why was said already. */
enum filled { FILLED, FILLED_NOT, FILLED_FAILED };

struct command {
	const char *name;
	const char *method, *path;
	/* Fills in. NULL: the command stands in `own` and does it all itself. */
	enum filled (*fill)(struct arena *a, const struct asked *q, json_t *in);
	void (*print)(struct arena *a, const struct json_t *answer);	/* NULL: the text as it came */
	const char *takes;	/* letters of its own options */
	const char *usage;
};

static int check_config(struct arena *a, const struct asked *q, const struct command *c);
static int preflight(struct arena *a, const struct asked *q, const struct command *c);
static enum filled fill_nothing(struct arena *a, const struct asked *q, json_t *in);
static enum filled fill_top(struct arena *a, const struct asked *q, json_t *in);
static enum filled fill_whose(struct arena *a, const struct asked *q, json_t *in);
static enum filled fill_mailers(struct arena *a, const struct asked *q, json_t *in);
static enum filled fill_exempt(struct arena *a, const struct asked *q, json_t *in);
static enum filled fill_suspend(struct arena *a, const struct asked *q, json_t *in);
static enum filled fill_explain(struct arena *a, const struct asked *q, json_t *in);

static const struct command commands[] = {
	{ "status", "GET", "/status", fill_nothing, ctl_print_status, "", "" },
	{ "top", "GET", "/top", fill_top, ctl_print_top, "ln", "[--limit NAME] [-n COUNT]" },
	{ "show", "GET", "/show", fill_whose, ctl_print_show, "", "[customer|account] NAME" },
	{ "limits", "GET", "/limits", fill_whose, ctl_print_limits, "", "[KIND] NAME [KIND NAME ...]" },
	{ "mailers", "GET", "/mailers", fill_mailers, ctl_print_mailers, "n", "[-n COUNT] [MAILER]" },
	{ "overrides", "GET", "/overrides", fill_nothing, ctl_print_overrides, "", "" },
	{ "raise", "POST", "/overrides", fill_whose, ctl_print_raised, "ltfr",
	    "[KIND] NAME [KIND NAME ...] --limit NAME --to CEILING ... --for TIME [--reason TEXT]" },
	{ "exempt", "POST", "/overrides", fill_exempt, ctl_print_exempt, "lfr",
	    "[KIND] NAME [KIND NAME ...] --limit NAME|all --for TIME [--reason TEXT]" },
	{ "lower", "DELETE", "/overrides", fill_whose, ctl_print_lowered, "l",
	    "[KIND] NAME [KIND NAME ...] --limit NAME|all" },
	{ "reset", "POST", "/reset", fill_whose, ctl_print_reset, "l",
	    "[KIND] NAME [KIND NAME ...] --limit NAME|all" },
	{ "suspend", "POST", "/suspensions", fill_suspend, ctl_print_suspended, "fra",
	    "[customer|account|domain|client] NAME [--for TIME] [--reason TEXT] "
	    "[--action reject|defer|hold]" },
	{ "release", "DELETE", "/suspensions", fill_suspend, ctl_print_released, "",
	    "[customer|account|domain|client] NAME" },
	{ "suspensions", "GET", "/suspensions", fill_nothing, ctl_print_suspensions, "", "" },
	{ "explain", "POST", "/explain", fill_explain, ctl_print_explain, "uisRLw",
	    "[--login LOGIN] [--client ADDRESS] [--local] [--user USER] "
	    "--sender ADDRESS --recipient ADDRESS ... [FILE]" },
	{ "trace", NULL, NULL, NULL, NULL, "KMQ",
	    "[--keys FILE] [--message-id ID ...] [--queue-id ID ...] [FILE]" },
	{ "complaint", NULL, NULL, NULL, NULL, "", "[FILE]" },
	{ "keys", NULL, NULL, NULL, NULL, "KF",
	    "list | new [ID] | activate ID | retire ID [--force] [--keys FILE]" },
	{ "preflight", NULL, NULL, NULL, NULL, "OIHDA",
	    "DOMAIN|ADDRESS|--all [--from ADDRESS] [--ip ADDRESS] ... [--helo NAME] [--dns ADDRESS[@PORT]]" },
	{ "check-config", NULL, NULL, NULL, NULL, "", "[FILE]" },
	{ "reload", "POST", "/reload", fill_nothing, ctl_print_reloaded, "", "" },
	{ "metrics", "GET", "/metrics", fill_nothing, NULL, "", "" },
};
#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct option options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "socket", required_argument, NULL, 'S' },
	{ "config", required_argument, NULL, 'c' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ "limit", required_argument, NULL, 'l' },
	{ "to", required_argument, NULL, 't' },
	{ "for", required_argument, NULL, 'f' },
	{ "reason", required_argument, NULL, 'r' },
	{ "action", required_argument, NULL, 'a' },
	{ "login", required_argument, NULL, 'u' },
	{ "client", required_argument, NULL, 'i' },
	{ "sender", required_argument, NULL, 's' },
	{ "recipient", required_argument, NULL, 'R' },
	{ "local", no_argument, NULL, 'L' },
	{ "user", required_argument, NULL, 'w' },
	{ "keys", required_argument, NULL, 'K' },
	{ "message-id", required_argument, NULL, 'M' },
	{ "queue-id", required_argument, NULL, 'Q' },
	{ "force", no_argument, NULL, 'F' },
	{ "from", required_argument, NULL, 'O' },
	{ "ip", required_argument, NULL, 'I' },
	{ "helo", required_argument, NULL, 'H' },
	{ "dns", required_argument, NULL, 'D' },
	{ "all", no_argument, NULL, 'A' },
	{ NULL, 0, NULL, 0 }
};

/* ---- complaints ------------------------------------------------------------------------------ */

static void
complain(struct arena *a, const char *text)
{
	fprintf(stderr, "gatepostctl: %s\n", ctl_safe(a, text));
}

static void
usage(FILE *to)
{
	size_t i;

	fputs("usage: gatepostctl [-c FILE] [--socket PATH] [--json] COMMAND ...\n", to);
	for (i = 0; i < N_COMMANDS; i++)
		fprintf(to, "       gatepostctl %s%s%s\n", commands[i].name,
		    *commands[i].usage == '\0' ? "" : " ", commands[i].usage);
	fputs("KIND: customer account client submitter return-path recipient-domain mailer everyone\n", to);
}

static int
usage_of(const struct command *c)
{
	fprintf(stderr, "usage: gatepostctl %s%s%s\n", c->name, *c->usage == '\0' ? "" : " ", c->usage);
	return EXIT_USAGE;
}

/* ---- the question -------------------------------------------------------------------------------- */

/* False, after saying so, when text is not UTF-8: JSON can carry nothing else. */
static bool
put_text(struct arena *a, json_t *in, const char *name, const char *text)
{
	if (text == NULL || json_object_set_new(in, name, json_string(text)) == 0)
		return true;
	complain(a, arena_printf(a, "\"%.200s\" is not UTF-8", text));
	return false;
}

static enum filled
fill_nothing(struct arena *a, const struct asked *q, json_t *in)
{
	(void)a;
	(void)in;
	return q->n_words == 0 ? FILLED : FILLED_NOT;
}

static enum filled
fill_top(struct arena *a, const struct asked *q, json_t *in)
{
	if (q->n_words > 0)
		return FILLED_NOT;
	return put_text(a, in, "limit", q->limit) && put_text(a, in, "n", q->n) ? FILLED : FILLED_FAILED;
}

static enum filled
fill_mailers(struct arena *a, const struct asked *q, json_t *in)
{
	if (q->n_words > 1)
		return FILLED_NOT;
	if (!put_text(a, in, "mailer", q->n_words == 1 ? q->words[0] : NULL) || !put_text(a, in, "n", q->n))
		return FILLED_FAILED;
	return FILLED;
}

static const char *
guess_kind(const char *text)
{
	struct net_addr addr;

	return net_parse(text, &addr) == 1 ? "client" : strchr(text, '@') != NULL ? "account" : "customer";
}

/* "KIND NAME" pairs, "everyone", or one bare name. */
static enum filled
put_whose(struct arena *a, const struct asked *q, json_t *in)
{
	enum conf_per per;
	int i;

	for (i = 0; i < q->n_words; i++) {
		const char *kind = q->words[i];

		if (strcmp(kind, "everyone") == 0) {
			json_object_set_new(in, kind, json_true());
			continue;
		}
		if (q->n_words == 1)
			kind = guess_kind(q->words[0]);
		else if (!conf_per_parse(kind, &per) || ++i == q->n_words)
			return FILLED_NOT;
		if (!put_text(a, in, kind, q->words[i]))
			return FILLED_FAILED;
	}
	return q->n_words > 0 ? FILLED : FILLED_NOT;
}

static enum filled
put_options(struct arena *a, const struct asked *q, json_t *in)
{
	if (json_array_size(q->to) > 0)
		json_object_set(in, "to", q->to);
	return put_text(a, in, "limit", q->limit) && put_text(a, in, "for", q->duration) &&
	    put_text(a, in, "reason", q->reason) && put_text(a, in, "action", q->action) ?
	    FILLED : FILLED_FAILED;
}

static enum filled
fill_whose(struct arena *a, const struct asked *q, json_t *in)
{
	enum filled filled = put_whose(a, q, in);

	return filled == FILLED ? put_options(a, q, in) : filled;
}

static enum filled
fill_exempt(struct arena *a, const struct asked *q, json_t *in)
{
	json_object_set_new(in, "exempt", json_true());
	return fill_whose(a, q, in);
}

/* What a bare name is, the daemon's tables know better than we do. */
static enum filled
fill_suspend(struct arena *a, const struct asked *q, json_t *in)
{
	static const char *const kinds[] = { "customer", "account", "domain", "client" };
	const char *kind = q->n_words == 1 ? "subject" : NULL;
	size_t i;

	for (i = 0; q->n_words == 2 && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(q->words[0], kinds[i]) == 0)
			kind = kinds[i];
	if (kind == NULL)
		return FILLED_NOT;
	return put_text(a, in, kind, q->words[q->n_words - 1]) ? put_options(a, q, in) : FILLED_FAILED;
}

/* ---- explain: the file ------------------------------------------------------------------------ */

static char *
base64(struct arena *a, const char *data, size_t n)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *to = arena_alloc(a, (n + 2) / 3 * 4 + 1), *p = to;
	size_t i;

	for (i = 0; i < n; i += 3) {
		unsigned long bits = (unsigned long)(unsigned char)data[i] << 16;

		if (i + 1 < n)
			bits |= (unsigned long)(unsigned char)data[i + 1] << 8;
		if (i + 2 < n)
			bits |= (unsigned char)data[i + 2];
		*p++ = digits[bits >> 18 & 63];
		*p++ = digits[bits >> 12 & 63];
		*p++ = digits[bits >> 6 & 63];
		*p++ = digits[bits & 63];
	}
	/* The last group may lack one byte or two. */
	for (i = n % 3; i == 1 || i == 2; i = (i + 1) % 3)
		p[-(ptrdiff_t)(3 - i)] = '=';
	*p = '\0';
	return to;
}

/* Reads what fits into data, and counts the rest. */
static int
read_all(int fd, char *data, size_t size, size_t *n, uint64_t *bytes)
{
	char rest[16384];
	ssize_t got;

	*n = 0;
	*bytes = 0;
	for (;;) {
		bool room = *n < size;

		got = read(fd, room ? data + *n : rest, room ? size - *n : sizeof(rest));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return (int)got;
		if (room)
			*n += (size_t)got;
		*bytes += (uint64_t)got;
	}
}

/* The header section is sent, and of the body what a signature can ask for: the rest is nobody's business,
 * its size is enough. */
static bool
put_message(struct arena *a, const char *file, json_t *in)
{
	bool standard = file == NULL || strcmp(file, "-") == 0;
	int fd = standard ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
	char *data = arena_alloc(a, HEADERS_MOST);
	size_t n = 0, headers;
	uint64_t bytes = 0;

	if (fd < 0 || read_all(fd, data, HEADERS_MOST, &n, &bytes) < 0) {
		complain(a, arena_printf(a, "%.200s: %s", standard ? "standard input" : file,
		    strerror(errno)));
		if (fd >= 0 && !standard)
			close(fd);
		return false;
	}
	if (!standard)
		close(fd);
	headers = message_file_header_size(data, n);
	if (headers == 0 && bytes > n) {
		complain(a, "the message's header section is larger than 512 KiB");
		return false;
	}
	headers = headers == 0 || n - headers < SIGNATURE_BODY_MAX ? n : headers + SIGNATURE_BODY_MAX;
	json_object_set_new(in, "message_base64", json_string(base64(a, data, headers)));
	json_object_set_new(in, "bytes", json_integer((json_int_t)bytes));
	return true;
}

static enum filled
fill_explain(struct arena *a, const struct asked *q, json_t *in)
{
	if (q->n_words > 1 || q->sender == NULL || json_array_size(q->recipients) == 0)
		return FILLED_NOT;
	json_object_set(in, "recipients", q->recipients);
	if (q->local)
		json_object_set_new(in, "local", json_true());
	return put_text(a, in, "login", q->login) && put_text(a, in, "user", q->user) &&
	    put_text(a, in, "client", q->client) &&
	    put_text(a, in, "sender", q->sender) &&
	    put_message(a, q->n_words == 1 ? q->words[0] : NULL, in) ? FILLED : FILLED_FAILED;
}

/* ---- configuration ------------------------------------------------------------------------------- */

struct problems { struct arena *arena; json_t *list, *warnings; };

static void
keep(struct arena *a, json_t *list, const struct err *e)
{
	json_t *j = json_object();

	json_object_set_new(j, "where", json_string(ctl_safe(a, e->where)));
	json_object_set_new(j, "problem", json_string(ctl_safe(a, e->text)));
	json_array_append_new(list, j);
}

static void
keep_problem(void *cookie, const struct err *e)
{
	struct problems *p = cookie;

	keep(p->arena, p->list, e);
}

static void
keep_warning(void *cookie, const struct err *e)
{
	struct problems *p = cookie;

	keep(p->arena, p->warnings, e);
}

/* Reads the configuration; its problems and warnings stay in kept, whose lists the caller gives back. */
static struct conf *
load(struct arena *a, const char *file, struct problems *kept)
{
	struct conf_problems p = { .say = keep_problem, .warn = keep_warning, .cookie = kept };

	*kept = (struct problems){ a, json_array(), json_array() };
	return conf_load(file, &p);
}

static void
problems_free(struct problems *kept)
{
	json_decref(kept->list);
	json_decref(kept->warnings);
}

static void
print_problems(const json_t *list, const char *before, FILE *to)
{
	size_t i;

	for (i = 0; i < json_array_size(list); i++) {
		const json_t *j = json_array_get(list, i);
		const char *where = json_string_value(json_object_get(j, "where"));

		fprintf(to, "%s%s%s%s\n", before, where, *where == '\0' ? "" : ": ",
		    json_string_value(json_object_get(j, "problem")));
	}
}

static int
check_config(struct arena *a, const struct asked *q, const struct command *c)
{
	const char *file = q->n_words == 1 ? q->words[0] : q->config != NULL ? q->config : GATEPOST_CONF;
	struct problems kept;
	struct conf *conf;
	json_t *j;
	bool ok;

	if (q->n_words > 1)
		return usage_of(c);
	conf = load(a, file, &kept);
	ok = conf != NULL;
	conf_unref(&conf);
	if (q->json) {
		j = json_pack("{s:s, s:b, s:O, s:O}", "config", ctl_safe(a, file), "ok", ok, "problems",
		    kept.list, "warnings", kept.warnings);
		json_dumpf(j, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
		putchar('\n');
		json_decref(j);
	} else {
		print_problems(kept.list, "", stderr);
		print_problems(kept.warnings, "warning: ", stderr);
		if (ok)
			printf("%s: no mistakes\n", ctl_safe(a, file));
	}
	problems_free(&kept);
	return ok ? EXIT_DONE : EXIT_REFUSED;
}

/* ---- preflight ------------------------------------------------------------------------------------ */

/* A default file that is not there is no mistake; one that cannot be used is worth a word. */
static void
tell_unread(struct arena *a, const struct problems *kept)
{
	const json_t *first = json_array_get(kept->list, 0);

	if (first == NULL || (access(GATEPOST_CONF, F_OK) != 0 && errno == ENOENT))
		return;
	complain(a, arena_printf(a, "%s: %.300s", json_string_value(json_object_get(first, "where")),
	    json_string_value(json_object_get(first, "problem"))));
	complain(a, "going on without this configuration, by the command line alone");
}

static int
preflight(struct arena *a, const struct asked *q, const struct command *c)
{
	struct ctl_preflight p = { .from = q->from, .helo = q->helo, .dns = q->dns, .ips = q->ips,
		.n_ips = q->n_ips, .all = q->all, .json = q->json };
	struct problems kept;
	struct conf *conf;
	int code;

	if (q->n_words != (q->all ? 0 : 1))
		return usage_of(c);
	conf = load(a, q->config != NULL ? q->config : GATEPOST_CONF, &kept);
	if (conf == NULL && (q->config != NULL || q->all)) {
		print_problems(kept.list, "", stderr);
		complain(a, "the configuration cannot be read");
		code = EXIT_USAGE;
	} else {
		if (conf == NULL)
			tell_unread(a, &kept);
		p.conf = conf;
		p.what = q->all ? NULL : q->words[0];
		code = ctl_preflight(a, &p);
	}
	conf_unref(&conf);
	problems_free(&kept);
	return code;
}

/* The socket: as said, else as the configuration says, else where it is by default. NULL when a file that was
 * named cannot be read. */
static const char *
find_socket(struct arena *a, const struct asked *q)
{
	const char *path = DEFAULT_SOCKET;
	struct problems kept;
	struct conf *c;

	if (q->socket != NULL)
		return strncmp(q->socket, "unix:", 5) == 0 ? q->socket + 5 : q->socket;
	c = load(a, q->config != NULL ? q->config : GATEPOST_CONF, &kept);
	if (c != NULL && strncmp(c->api, "unix:", 5) == 0)
		path = arena_strdup(a, c->api + 5);
	else if (q->config != NULL && c == NULL) {
		print_problems(kept.list, "", stderr);
		complain(a, "the configuration cannot be read; --socket finds the daemon without it");
		path = NULL;
	}
	/* Not everyone who may ask may read the default file: then the default socket is right more often
	 * than not. */
	conf_unref(&c);
	problems_free(&kept);
	return path;
}

static int
run_trace(struct arena *a, const struct asked *q, const struct command *c)
{
	struct ctl_trace t = { .config = q->config != NULL ? q->config : GATEPOST_CONF, .keys = q->keys,
	    .file = q->n_words == 1 ? q->words[0] : NULL, .message_ids = q->message_ids,
	    .queue_ids = q->queue_ids, .json = q->json, .complaint = strcmp(c->name, "complaint") == 0 };

	if (q->n_words > 1)
		return usage_of(c);
	t.socket = find_socket(a, q);
	return t.socket == NULL && t.keys == NULL ? EXIT_REFUSED : ctl_trace(a, &t);
}

static int
run_keys(struct arena *a, const struct asked *q, const struct command *c)
{
	const struct ctl_keys k = { .config = q->config != NULL ? q->config : GATEPOST_CONF, .file = q->keys,
	    .json = q->json, .force = q->force, .words = q->words, .n_words = q->n_words };
	int code = ctl_keys(a, &k);

	return code < 0 ? usage_of(c) : code;
}

/* The commands that are no mere question to the daemon. */
static int
run_here(struct arena *a, const struct asked *q, const struct command *c)
{
	static const struct {
		const char *name;
		int (*run)(struct arena *a, const struct asked *q, const struct command *c);
	} here[] = { { "trace", run_trace }, { "complaint", run_trace },
	    { "keys", run_keys }, { "preflight", preflight }, { "check-config", check_config } };
	size_t i;

	for (i = 0; strcmp(here[i].name, c->name) != 0; i++)
		;
	return here[i].run(a, q, c);
}

/* ---- the answer --------------------------------------------------------------------------------- */

static int
exit_code(unsigned status)
{
	switch (status) {
	case 200:	return EXIT_DONE;
	case 400:	return EXIT_USAGE;
	case 403:	return EXIT_DENIED;
	default:	return EXIT_REFUSED;
	}
}

static void
print_refusal(struct arena *a, const struct ctl_answer *answer)
{
	const char *error = json_string_value(json_object_get(answer->json, "error"));
	const char *allowed = json_string_value(json_object_get(answer->json, "allowed"));
	const json_t *problems = json_object_get(answer->json, "problems");
	size_t i;

	if (error == NULL)
		error = arena_printf(a, "the daemon answers with status %u", answer->status);
	complain(a, allowed == NULL ? error : arena_printf(a, "%s; allowed: %s", error, allowed));
	for (i = 0; i < json_array_size(problems); i++)
		fprintf(stderr, "%s\n", ctl_safe(a, json_string_value(json_array_get(problems, i))));
}

static int
say(struct arena *a, const struct asked *q, const struct command *c, const struct ctl_answer *answer)
{
	if (q->json && answer->json != NULL) {
		json_dumpf(answer->json, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
		putchar('\n');
	} else if (answer->status != 200)
		print_refusal(a, answer);
	else if (c->print == NULL)
		fputs(answer->text == NULL ? "" : answer->text, stdout);
	else if (answer->json == NULL) {
		complain(a, "the daemon's answer cannot be read");
		return EXIT_REFUSED;
	} else
		c->print(a, answer->json);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		complain(a, arena_printf(a, "standard output: %s", strerror(errno)));
		return EXIT_REFUSED;
	}
	return exit_code(answer->status);
}

static int
ask(struct arena *a, const struct asked *q, const struct command *c)
{
	struct ctl_answer answer;
	const char *socket;
	json_t *in = json_object();
	struct err e;
	int code;

	switch (c->fill(a, q, in)) {
	case FILLED:
		break;
	case FILLED_NOT:
		json_decref(in);
		return usage_of(c);
	case FILLED_FAILED:
		json_decref(in);
		return EXIT_REFUSED;
	}
	socket = find_socket(a, q);
	err_clear(&e);
	if (socket == NULL)
		code = EXIT_REFUSED;
	else if (ctl_ask(socket, c->method, c->path, in, &answer, &e) < 0) {
		complain(a, e.text);
		code = EXIT_GONE;
	} else {
		code = say(a, q, c, &answer);
		ctl_answer_free(&answer);
	}
	json_decref(in);
	return code;
}

/* ---- arguments --------------------------------------------------------------------------------- */

static const struct command *
command_find(const char *name)
{
	size_t i;

	for (i = 0; i < N_COMMANDS; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static bool
add_text(json_t *list, const char *text)
{
	return json_array_append_new(list, json_string(text)) == 0;
}

static bool
take_ip(struct asked *q, const char *value)
{
	if (q->n_ips == sizeof(q->ips) / sizeof(q->ips[0])) {
		fputs("gatepostctl: at most 32 --ip\n", stderr);
		return false;
	}
	q->ips[q->n_ips++] = value;
	return true;
}

/* False when it is no option or no text. */
static bool
take_option(struct asked *q, int letter, const char *value)
{
	size_t n = strlen(q->given);

	if (strchr("lntfrauisRLKFMQOIHDA", letter) != NULL && strchr(q->given, letter) == NULL &&
	    n + 1 < sizeof(q->given)) {
		q->given[n] = (char)letter;
		q->given[n + 1] = '\0';
	}
	switch (letter) {
	case 'j': q->json = true; return true;
	case 'S': q->socket = value; return true;
	case 'c': q->config = value; return true;
	case 'l': q->limit = value; return true;
	case 'n': q->n = value; return true;
	case 'f': q->duration = value; return true;
	case 'r': q->reason = value; return true;
	case 'a': q->action = value; return true;
	case 'u': q->login = value; return true;
	case 'i': q->client = value; return true;
	case 's': q->sender = value; return true;
	case 'L': q->local = true; return true;
	case 'w': q->user = value; return true;
	case 'K': q->keys = value; return true;
	case 'M': return add_text(q->message_ids, value);
	case 'Q': return add_text(q->queue_ids, value);
	case 'F': q->force = true; return true;
	case 'O': q->from = value; return true;
	case 'H': q->helo = value; return true;
	case 'D': q->dns = value; return true;
	case 'A': q->all = true; return true;
	case 'I': return take_ip(q, value);
	case 't': return add_text(q->to, value);
	case 'R': return add_text(q->recipients, value);
	default: return false;
	}
}

static int
run(struct arena *a, struct asked *q)
{
	const struct command *c;

	if (q->n_words == 0 || (c = command_find(q->words[0])) == NULL) {
		if (q->n_words > 0)
			complain(a, arena_printf(a, "no command is named \"%.60s\"; gatepostctl -h lists all",
			    q->words[0]));
		else
			usage(stderr);
		return EXIT_USAGE;
	}
	q->words++;
	q->n_words--;
	if (strspn(q->given, c->takes) != strlen(q->given)) {
		complain(a, arena_printf(a, "%s does not take one of these options", c->name));
		return usage_of(c);
	}
	return c->fill == NULL ? run_here(a, q, c) : ask(a, q, c);
}

int
main(int argc, char **argv)
{
	struct asked q = { 0 };
	struct arena *a = arena_new(ARENA_DEFAULT_CAP);
	int letter, code = -1;

	q.to = json_array();
	q.recipients = json_array();
	q.message_ids = json_array();
	q.queue_ids = json_array();
	while (code < 0 && (letter = getopt_long(argc, argv, "c:hjn:V", options, NULL)) != -1) {
		if (letter == 'h') {
			usage(stdout);
			code = EXIT_DONE;
		} else if (letter == 'V') {
			printf("gatepostctl %s\n", PACKAGE_VERSION);
			code = EXIT_DONE;
		} else if (!take_option(&q, letter, optarg)) {
			usage(stderr);
			code = EXIT_USAGE;
		}
	}
	if (code < 0) {
		q.words = argv + optind;
		q.n_words = argc - optind;
		code = run(a, &q);
	}
	json_decref(q.to);
	json_decref(q.recipients);
	json_decref(q.message_ids);
	json_decref(q.queue_ids);
	arena_free(&a);
	return code;
}
