/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * play - plays the MTA's part from a script and says in TAP whether the filter did as expected.
 *
 *     play [-n FIRST] [-t SECONDS] SOCKET [SCRIPT]     script from standard input by default
 *     play --wait SOCKET [SECONDS]                     until the filter answers a negotiation
 *
 * The language, one command a line ("#" begins a comment; \n \t \\ \xHH in header and raw):
 *
 *     test WORDS                       what follows, up to the next test, is one TAP result
 *     session NAME                     goes on in another session (at first there is "main")
 *     connect HOST ADDRESS PORT        or "connect pickup": local mail
 *                                      (by default client.example 192.0.2.1 40000)
 *     login NAME | login -             {auth_type} and {auth_authen}
 *     macro NAME=VALUE, id QUEUEID     what the MTA knows (id -: no more); set before mail
 *     helo mail rcpt data eoh eom abort quit unknown     events; mail and rcpt take ESMTP words
 *     header NAME: VALUE               headers N NAME: VALUE: so many times; long N NAME: one of N bytes
 *     text LINE, body FILE             the body
 *     deliver LOGIN MAIL RCPT FROM     a whole small message; stops where it is refused
 *     packet C BYTES, raw BYTES        a packet with its length; bytes without
 *     show reply|edits|message|negotiation               as TAP comments
 *     shell COMMAND                    its exit status is an expectation
 *     expect ...                       see the table of expectations below
 *
 * A broken session fails the running test and is opened anew by the next test. Exit status 1 if a test
 * failed.
 */
#include "t/milter/mta.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SESSIONS_MAX 8

struct session {
	char name[32];
	struct mta mta;
	bool open, connected, applied;
	char login[256];
};

static struct session sessions[SESSIONS_MAX];
static struct session *now = &sessions[0];
static const char *socket_address;
static int timeout_ms = 10000;
static unsigned number = 1, failed;
static char test_name[256], why[1024];
static bool in_test, test_failed;
static unsigned line_number;

static void __attribute__((format(printf, 1, 2)))
not_ok(const char *fmt, ...)
{
	va_list ap;

	test_failed = true;
	if (why[0] != '\0')
		return;
	int n = snprintf(why, sizeof why, "line %u: ", line_number);
	va_start(ap, fmt);
	(void)vsnprintf(why + n, sizeof why - (size_t)n, fmt, ap);
	va_end(ap);
	for (char *p = why; *p != '\0'; p++)
		if ((unsigned char)*p < 32)
			*p = '.';
}

static void
test_end(void)
{
	if (!in_test && !test_failed)
		return;
	printf("%s %u - %s\n", test_failed ? "not ok" : "ok", number++, in_test ? test_name : "script");
	if (test_failed) {
		printf("# %s\n", why);
		failed++;
	}
	(void)fflush(stdout);
	in_test = test_failed = false;
	why[0] = '\0';
}

/* Undoes escapes in place; returns the length. */
static size_t
unescape(char *text)
{
	char *to = text;

	for (char *p = text; *p != '\0'; p++) {
		if (*p != '\\' || p[1] == '\0') {
			*to++ = *p;
			continue;
		}
		p++;
		if (*p == 'x' && isxdigit((unsigned char)p[1]) && isxdigit((unsigned char)p[2])) {
			char hex[3] = { p[1], p[2], '\0' };
			*to++ = (char)strtoul(hex, NULL, 16);
			p += 2;
		} else {
			*to++ = *p == 'n' ? '\n' : *p == 't' ? '\t' : *p == '0' ? '\0' : *p;
		}
	}
	*to = '\0';
	return (size_t)(to - text);
}

/* The first word, cut off; rest moves on. */
static char *
word(char **rest)
{
	char *at = *rest + strspn(*rest, " \t");
	size_t n = strcspn(at, " \t");

	*rest = at + n;
	if (**rest != '\0')
		*(*rest)++ = '\0';
	*rest += strspn(*rest, " \t");
	return at;
}

/* ---- sessions ---- */

static void
session_shut(struct session *s)
{
	mta_close(&s->mta);
	s->open = s->connected = false;
}

static bool
session_open(void)
{
	if (now->open && !now->mta.failed)
		return true;
	session_shut(now);
	mta_init(&now->mta);
	now->mta.keep = true;
	now->mta.timeout = timeout_ms;
	if (mta_open(&now->mta, socket_address) < 0) {
		not_ok("%s", now->mta.error);
		return false;
	}
	now->open = true;
	if (now->login[0] != '\0') {
		mta_macro(&now->mta, "{auth_type}", "PLAIN");
		mta_macro(&now->mta, "{auth_authen}", now->login);
	}
	return true;
}

static bool
session_ready(void)
{
	if (!session_open())
		return false;
	if (!now->connected) {
		now->connected = true;
		if (mta_connect(&now->mta, "client.example", "192.0.2.1", 40000) < 0 ||
		    mta_helo(&now->mta, "client.example") < 0)
			not_ok("%s", now->mta.error);
	}
	return !now->mta.failed;
}

static void
outcome(int answer)
{
	if (answer < 0)
		not_ok("%s", now->mta.error);
}

/* ---- commands ---- */

static void
do_test(char *rest)
{
	test_end();
	in_test = true;
	(void)snprintf(test_name, sizeof test_name, "%s", rest);
}

static void
do_session(char *rest)
{
	for (size_t i = 0; i < SESSIONS_MAX; i++) {
		if (strcmp(sessions[i].name, rest) != 0 && sessions[i].name[0] != '\0')
			continue;
		now = &sessions[i];
		(void)snprintf(now->name, sizeof now->name, "%s", rest);
		return;
	}
	not_ok("too many sessions");
}

static void
do_connect(char *rest)
{
	char *host = word(&rest), *address = word(&rest);

	session_shut(now);
	if (!session_open())
		return;
	now->connected = true;
	if (strcmp(host, "pickup") == 0) {
		now->mta.local = true;
		outcome(mta_connect(&now->mta, "localhost", "127.0.0.1", 0));
		outcome(mta_helo(&now->mta, "localhost"));
	} else {
		outcome(mta_connect(&now->mta, host, address, (unsigned)strtoul(rest, NULL, 10)));
	}
}

static void
do_login(char *rest)
{
	(void)snprintf(now->login, sizeof now->login, "%s", strcmp(rest, "-") == 0 ? "" : rest);
	if (!now->open)
		return;
	mta_macro(&now->mta, "{auth_type}", now->login[0] != '\0' ? "PLAIN" : NULL);
	mta_macro(&now->mta, "{auth_authen}", now->login[0] != '\0' ? now->login : NULL);
}

static void
do_macro(char *rest)
{
	char *value = strchr(rest, '=');

	if (value == NULL || !session_open())
		return;
	*value++ = '\0';
	mta_macro(&now->mta, rest, value);
}

static void
do_id(char *rest)
{
	if (session_open())
		(void)snprintf(now->mta.queue_id, sizeof now->mta.queue_id, "%s",
		    strcmp(rest, "-") == 0 ? "" : rest);
}

static void
do_helo(char *rest)
{
	if (session_ready())
		outcome(mta_helo(&now->mta, rest));
}

static void
do_envelope(char *rest, int (*event)(struct mta *, const char *, const char *const *, size_t))
{
	const char *esmtp[16];
	size_t n = 0;
	char *address = word(&rest);

	if (!session_ready())
		return;
	while (*rest != '\0' && n < 16)
		esmtp[n++] = word(&rest);
	outcome(event(&now->mta, strcmp(address, "-") == 0 ? "" : address, esmtp, n));
}

static void
do_mail(char *rest)
{
	now->applied = false;
	do_envelope(rest, mta_mail);
}

static void
do_rcpt(char *rest)
{
	do_envelope(rest, mta_rcpt);
}

static void
header_times(unsigned long times, char *rest)
{
	char *value = strchr(rest, ':');

	if (value == NULL) {
		not_ok("header without a colon");
		return;
	}
	*value++ = '\0';
	(void)unescape(rest);
	(void)unescape(value);
	if (*value == ' ')
		value++;
	while (times-- > 0 && session_ready())
		outcome(mta_header(&now->mta, rest, value));
}

static void
do_header(char *rest)
{
	header_times(1, rest);
}

static void
do_headers(char *rest)
{
	unsigned long times = strtoul(word(&rest), NULL, 10);

	header_times(times, rest);
}

static void
do_long(char *rest)
{
	size_t n = strtoul(word(&rest), NULL, 10);
	char *value = malloc(n + 1);

	if (value == NULL || !session_ready()) {
		free(value);
		return;
	}
	memset(value, 'x', n);
	value[n] = '\0';
	rest[strcspn(rest, ":")] = '\0';
	outcome(mta_header(&now->mta, rest, value));
	free(value);
}

static void
do_data(char *rest)
{
	(void)rest;
	if (session_ready())
		outcome(mta_data(&now->mta));
}

static void
do_eoh(char *rest)
{
	(void)rest;
	if (session_ready())
		outcome(mta_eoh(&now->mta));
}

static void
do_text(char *rest)
{
	if (!session_ready())
		return;
	size_t n = unescape(rest);
	outcome(mta_body(&now->mta, rest, n));
	outcome(mta_body(&now->mta, "\r\n", 2));
}

static void
do_body(char *rest)
{
	FILE *f = fopen(rest, "r");
	char bytes[65535];
	size_t n;

	if (f == NULL) {
		not_ok("cannot read %s", rest);
		return;
	}
	while ((n = fread(bytes, 1, sizeof bytes, f)) > 0 && session_ready())
		outcome(mta_body(&now->mta, bytes, n));
	(void)fclose(f);
}

static void
do_eom(char *rest)
{
	(void)rest;
	if (session_ready())
		outcome(mta_end(&now->mta));
}

static void
do_deliver(char *rest)
{
	static unsigned serial;
	char *login = word(&rest), *sender = word(&rest), *rcpt = word(&rest), id[64];
	struct mta *m = &now->mta;

	do_login(login);
	if (!session_ready())
		return;
	now->applied = false;
	(void)snprintf(id, sizeof id, "<%u.%ld@client.example>", ++serial, (long)getpid());
	outcome(mta_mail(m, sender, NULL, 0));
	outcome(mta_rcpt(m, rcpt, NULL, 0));
	outcome(mta_header(m, "Date", "Thu, 15 Jan 2026 10:00:00 +0000"));
	outcome(mta_header(m, "Message-ID", id));
	if (strcmp(rest, "-") != 0)
		outcome(mta_header(m, "From", rest));
	outcome(mta_header(m, "To", rcpt));
	outcome(mta_header(m, "Subject", "hello"));
	outcome(mta_body(m, "hello\r\n", 7));
	outcome(mta_end(m));
}

static void
do_abort(char *rest)
{
	(void)rest;
	if (session_ready())
		outcome(mta_abort(&now->mta));
}

static void
do_quit(char *rest)
{
	(void)rest;
	if (now->open && !now->mta.failed)
		outcome(mta_quit(&now->mta));
	session_shut(now);
}

static void
do_unknown(char *rest)
{
	if (session_ready())
		outcome(mta_unknown(&now->mta, rest));
}

static void
do_packet(char *rest)
{
	if (!session_open())
		return;
	now->connected = true;
	size_t n = unescape(rest + 1);
	mta_put_packet(&now->mta, *rest, rest + 1 + (rest[1] == ' '), n - (rest[1] == ' '));
	(void)mta_flush(&now->mta);
}

static void
do_raw(char *rest)
{
	if (!session_open())
		return;
	now->connected = true;
	size_t n = unescape(rest);
	mta_put_raw(&now->mta, rest, n);
	(void)mta_flush(&now->mta);
}

static void
do_shell(char *rest)
{
	int status = 0;

	(void)fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		(void)execl("/bin/sh", "sh", "-c", rest, (char *)NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		not_ok("shell: status %d: %s", WEXITSTATUS(status), rest);
}

static void
print_safe(const char *label, const char *text)
{
	printf("# %s", label);
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < 32 || (unsigned char)*text > 126)
			printf("\\x%02x", (unsigned char)*text);
		else
			(void)putchar(*text);
	(void)putchar('\n');
}

static void
do_show(char *rest)
{
	const struct mta *m = &now->mta;
	char label[64];

	if (strcmp(rest, "negotiation") == 0 && session_open())
		printf("# actions %#x protocol %#x\n", m->actions, m->protocol);
	else if (strcmp(rest, "reply") == 0)
		printf("# reply %c %s\n", m->reply.code == 0 ? '-' : m->reply.code, m->reply.text);
	for (size_t i = 0; i < m->n_edits && strcmp(rest, "edits") == 0; i++) {
		(void)snprintf(label, sizeof label, "%c %u %.40s: ", m->edits[i].kind, m->edits[i].index,
		    m->edits[i].name == NULL ? "" : m->edits[i].name);
		print_safe(label, m->edits[i].value);
	}
	for (size_t i = 0; i < m->n_lines && strcmp(rest, "message") == 0; i++) {
		(void)snprintf(label, sizeof label, "%.60s: ", m->lines[i].name);
		print_safe(label, m->lines[i].value);
	}
}

/* ---- expectations ---- */

static const struct { const char *name; uint32_t bit; } flag_names[] = {
	{ "NOCONNECT", MTA_P_NOCONNECT }, { "NOHELO", MTA_P_NOHELO }, { "NOMAIL", MTA_P_NOMAIL },
	{ "NORCPT", MTA_P_NORCPT }, { "NOBODY", MTA_P_NOBODY }, { "NOHDRS", MTA_P_NOHDRS },
	{ "NOEOH", MTA_P_NOEOH },
	{ "NR_HDR", MTA_P_NR_HDR }, { "NOUNKNOWN", MTA_P_NOUNKNOWN }, { "NODATA", MTA_P_NODATA },
	{ "SKIP", MTA_P_SKIP },
	{ "RCPT_REJ", MTA_P_RCPT_REJ }, { "NR_CONN", MTA_P_NR_CONN }, { "NR_HELO", MTA_P_NR_HELO },
	{ "NR_MAIL", MTA_P_NR_MAIL }, { "NR_RCPT", MTA_P_NR_RCPT }, { "NR_DATA", MTA_P_NR_DATA },
	{ "NR_UNKN", MTA_P_NR_UNKN }, { "NR_EOH", MTA_P_NR_EOH }, { "NR_BODY", MTA_P_NR_BODY },
	{ "HDR_LEADSPC", MTA_P_HDR_LEADSPC }, { NULL, 0 }
};

static void
expect_bits(char *rest, bool wanted)
{
	while (session_open() && *rest != '\0') {
		const char *name = word(&rest);
		size_t i = 0;
		while (flag_names[i].name != NULL && strcmp(flag_names[i].name, name) != 0)
			i++;
		if (flag_names[i].name == NULL || ((now->mta.protocol & flag_names[i].bit) != 0) != wanted)
			not_ok("protocol is %#x; expected %s%s", now->mta.protocol,
			    wanted ? "" : "no ", name);
	}
}

static void
expect_flags(char *rest)
{
	expect_bits(rest, true);
}

static void
expect_noflags(char *rest)
{
	expect_bits(rest, false);
}

static void
expect_skipped(char *rest)
{
	(void)rest;
	if (!now->mta.skip_body)
		not_ok("the filter did not ask to be spared the rest of the body");
}

static void
wrong_verdict(const char *wanted)
{
	const struct mta_reply *r = &now->mta.reply;

	not_ok("expected %s; the answer is %c %s%s%s", wanted, r->code == 0 ? '-' : r->code, r->text,
	    mta_quarantine(&now->mta) ? " with quarantine" : "", now->mta.failed ? " (session broken)" : "");
}

static void
expect_pass(char *rest)
{
	(void)rest;
	if (!mta_passed(&now->mta) || mta_quarantine(&now->mta) != NULL)
		wrong_verdict("pass");
}

static void
expect_hold(char *rest)
{
	if (!mta_passed(&now->mta) || mta_quarantine(&now->mta) == NULL ||
	    strstr(mta_quarantine(&now->mta), rest) == NULL)
		wrong_verdict("hold");
}

/* An SMTP reply that begins with the first two words and contains the rest. */
static void
expect_reply(char *rest)
{
	char all[1024], head[32];
	const struct mta_reply *r = &now->mta.reply;

	(void)snprintf(all, sizeof all, "reply %s", rest);
	char *code = word(&rest), *status = word(&rest);
	(void)snprintf(head, sizeof head, "%.8s %.16s ", code, status);
	if (r->code != 'y' || strncmp(r->text, head, strlen(head)) != 0 || strstr(r->text, rest) == NULL)
		wrong_verdict(all);
}

static void
expect_at(char *rest)
{
	static const struct { const char *name; char event; } stages[] = {
	    { "CONNECT", 'C' }, { "HELO", 'H' }, { "MAIL", 'M' }, { "RCPT", 'R' }, { "DATA", 'T' }, { "HEADER", 'L' },
	    { "EOM", 'E' } };

	for (size_t i = 0; i < sizeof stages / sizeof *stages; i++)
		if (strcmp(stages[i].name, rest) == 0 && stages[i].event == now->mta.verdict_at)
			return;
	not_ok("the verdict fell at event '%c'; expected %s",
	    now->mta.verdict_at ? now->mta.verdict_at : '-', rest);
}

static void
apply_once(void)
{
	if (!now->applied)
		mta_apply(&now->mta);
	now->applied = true;
}

static void
expect_field(char *rest)
{
	char *value = strchr(rest, ':');

	apply_once();
	if (value == NULL)
		return;
	*value++ = '\0';
	(void)unescape(value);
	value += *value == ' ';
	const char *got = mta_delivered(&now->mta, rest, 1);
	if (got == NULL || strcmp(got, value) != 0)
		not_ok("delivered %s is \"%s\"; expected \"%s\"", rest, got == NULL ? "(none)" : got, value);
}

static void
expect_fields(char *rest)
{
	char *name = word(&rest);
	unsigned n = 0;

	apply_once();
	while (mta_delivered(&now->mta, name, n + 1) != NULL)
		n++;
	if (n != strtoul(rest, NULL, 10))
		not_ok("%u fields %s are delivered; expected %s", n, name, rest);
}

static void
expect_edits(char *rest)
{
	if (now->mta.n_edits != strtoul(rest, NULL, 10))
		not_ok("%zu edits; expected %s", now->mta.n_edits, rest);
}

/* Deletions of one name must go from the highest index down: the only order right on both MTAs. */
static void
expect_descending(char *rest)
{
	uint32_t last = UINT32_MAX;
	unsigned n = 0;

	for (size_t i = 0; i < now->mta.n_edits; i++) {
		const struct mta_edit *e = &now->mta.edits[i];
		if (e->kind != 'm' || *e->value != '\0' || strcasecmp(e->name, rest) != 0)
			continue;
		if (e->index >= last)
			not_ok("deletion of %s %u after %u", rest, e->index, last);
		last = e->index;
		n++;
	}
	if (n == 0)
		not_ok("no deletion of %s", rest);
}

static void
expect_lists(char *rest)
{
	static const char *const stages[MTA_STAGES] = {
	    "CONNECT", "HELO", "MAIL", "RCPT", "DATA", "EOM", "EOH" };
	char *name = word(&rest);

	for (size_t s = 0; session_open() && s < MTA_STAGES; s++) {
		if (strcmp(stages[s], name) != 0)
			continue;
		const struct mta_list *l = &now->mta.lists[s];
		if (!now->mta.list_asked[s])
			not_ok("no macro list was asked for at %s", name);
		while (*rest != '\0') {
			const char *want = word(&rest);
			size_t i = 0;
			while (i < l->n && strcmp(now->mta.macros[l->at[i]].name, want) != 0)
				i++;
			if (i == l->n)
				not_ok("macro %s was not asked for at %s", want, name);
		}
		return;
	}
	not_ok("unknown stage %s", name);
}

static void
expect_closed(char *rest)
{
	int wait = *rest == '\0' ? timeout_ms : (int)strtol(rest, NULL, 10);

	if (now->open && mta_closed(&now->mta, wait) != 1)
		not_ok("the session is still open");
	session_shut(now);
}

static void
expect_broken(char *rest)
{
	(void)rest;
	if (!now->mta.failed)
		not_ok("the session is not broken");
	session_shut(now);
}

struct command {
	const char *name;
	void (*run)(char *rest);
};

static const struct command expectations[] = {
	{ "pass", expect_pass },		/* accepted, not into quarantine */
	{ "hold", expect_hold },		/* accepted into quarantine; WORDS in the reason */
	{ "reply", expect_reply },		/* CODE STATUS words of the text */
	{ "at", expect_at },			/* where the last verdict fell: MAIL, EOM... */
	{ "field", expect_field },		/* NAME: VALUE of the first such field as delivered */
	{ "fields", expect_fields },		/* NAME N: how many are delivered */
	{ "edits", expect_edits },		/* N */
	{ "descending", expect_descending },	/* NAME: deletions, highest index first */
	{ "flags", expect_flags },		/* protocol bits that are set */
	{ "noflags", expect_noflags },		/* and those that are not */
	{ "list", expect_lists },		/* STAGE NAMES: macros asked for */
	{ "skipped", expect_skipped },		/* the rest of the body was not wanted */
	{ "closed", expect_closed },		/* [MS] the filter closes the connection */
	{ "broken", expect_broken },		/* it already has, in the middle of things */
	{ NULL, NULL }
};

static void
run(const struct command *table, char *line)
{
	char *rest = line, *name = word(&rest);

	for (const struct command *c = table; c->name != NULL; c++)
		if (strcmp(c->name, name) == 0) {
			c->run(rest);
			return;
		}
	not_ok("unknown command %s", name);
}

static void
do_expect(char *rest)
{
	run(expectations, rest);
}

static const struct command commands[] = {
	{ "test", do_test }, { "session", do_session }, { "connect", do_connect }, { "login", do_login },
	{ "macro", do_macro }, { "id", do_id }, { "helo", do_helo }, { "mail", do_mail }, { "rcpt", do_rcpt },
	{ "data", do_data }, { "header", do_header }, { "headers", do_headers }, { "long", do_long },
	{ "eoh", do_eoh }, { "text", do_text }, { "body", do_body }, { "eom", do_eom },
	{ "deliver", do_deliver },
	{ "abort", do_abort }, { "quit", do_quit }, { "unknown", do_unknown }, { "packet", do_packet },
	{ "raw", do_raw }, { "shell", do_shell }, { "show", do_show }, { "expect", do_expect }, { NULL, NULL }
};

/* ---- the program ---- */

static int
wait_until_answers(const char *address, unsigned seconds)
{
	struct mta m;
	struct timespec pause = { 0, 20 * 1000 * 1000 };

	for (unsigned tries = 0; tries < seconds * 50; tries++) {
		mta_init(&m);
		m.timeout = 2000;
		if (mta_open(&m, address) == 0) {
			(void)mta_quit(&m);
			mta_close(&m);
			return 0;
		}
		(void)nanosleep(&pause, NULL);
		if (tries + 1 == seconds * 50)
			fprintf(stderr, "play: %s\n", m.error);
		mta_close(&m);
	}
	return 1;
}

static int
play(FILE *script)
{
	char *line = NULL;
	size_t space = 0;

	for (line_number = 1; getline(&line, &space, script) >= 0; line_number++) {
		line[strcspn(line, "\r\n")] = '\0';
		char *at = line + strspn(line, " \t");
		if (*at != '\0' && *at != '#')
			run(commands, at);
	}
	test_end();
	free(line);
	for (size_t i = 0; i < SESSIONS_MAX; i++)
		session_shut(&sessions[i]);
	return failed > 0;
}

static int
usage(void)
{
	fputs("usage: play [-n first-number] [-t seconds] socket [script]\n"
	    "       play --wait socket [seconds]\n", stderr);
	return 2;
}

int
main(int argc, char **argv)
{
	int c;

	if (argc >= 3 && strcmp(argv[1], "--wait") == 0)
		return wait_until_answers(argv[2], argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 10);
	while ((c = getopt(argc, argv, "n:t:")) != -1) {
		if (c == 'n')
			number = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 't')
			timeout_ms = (int)strtol(optarg, NULL, 10) * 1000;
		else
			return usage();
	}
	if (optind >= argc)
		return usage();
	socket_address = argv[optind];
	for (size_t i = 0; i < SESSIONS_MAX; i++)
		sessions[i].mta.fd = -1;
	(void)snprintf(now->name, sizeof now->name, "main");
	FILE *script = optind + 1 < argc ? fopen(argv[optind + 1], "r") : stdin;
	if (script == NULL) {
		perror(argv[optind + 1]);
		return 2;
	}
	return play(script);
}
