/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * conf: a file is a snapshot or a list of all its mistakes, in the words that a postmaster reads.
 *
 * The mistakes stand in t/unit/conf: NAME.conf beside NAME.expect, which holds every message to the letter.
 * The names that begin with good- load, with warnings at most. A new case is two files.
 */
#include "lib/conf_private.h"

#include <dirent.h>
#include <grp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/banned.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define TABLES "tables : { accounts = \"file:/a\"; networks = \"cidr:/n\"; " \
	"domains = \"file:/d\"; customers = \"file:/c\"; };\n"

static char told[131072];	/* what the last load said, a line each */

static void
tell(const char *kind, const struct err *e)
{
	size_t n = strlen(told);

	snprintf(told + n, sizeof(told) - n, "%s: %s%s\n", e->where, kind, e->text);
}

static void
say(void *cookie, const struct err *e)
{
	(void)cookie;
	tell("", e);
}

static void
warn(void *cookie, const struct err *e)
{
	(void)cookie;
	tell("warning: ", e);
}

static struct conf *
load_text(const char *text, struct conf_problems *p)
{
	*p = (struct conf_problems){ .say = say, .warn = warn };
	told[0] = '\0';
	return conf_load_bytes("x.conf", text, strlen(text), p);
}

static struct conf *
load_good(const char *text)
{
	struct conf_problems p;
	struct conf *c = load_text(text, &p);

	if (c == NULL)
		fail_msg("refused: %s", told);
	return c;
}

/* ---- the corpus -------------------------------------------------------------- */

static void
read_file(const char *name, char *to, size_t size)
{
	FILE *f = fopen(name, "r");
	size_t n;

	if (f == NULL)
		fail_msg("%s cannot be read", name);
	n = fread(to, 1, size - 1, f);
	to[n] = '\0';
	fclose(f);
}

static void
corpus_case(const char *name)
{
	static char expect[65536];
	struct conf_problems p = { .say = say, .warn = warn };
	bool good = strncmp(name, "good-", 5) == 0;
	char file[300];
	struct conf *c;

	snprintf(file, sizeof(file), "%s.expect", name);
	read_file(file, expect, sizeof(expect));
	snprintf(file, sizeof(file), "%s.conf", name);
	told[0] = '\0';
	c = conf_load(file, &p);
	if (strcmp(told, expect) != 0)
		fail_msg("%s\n--- expected:\n%s--- told:\n%s", file, expect, told);
	if ((c != NULL) != good || (p.count == 0) != good)
		fail_msg("%s: %s", file, c == NULL ? "refused" : "loaded");
	conf_unref(&c);
}

static void
every_mistake_is_told(void **state)
{
	const char *top = getenv("GATEPOST_SRC") != NULL ? getenv("GATEPOST_SRC") : getenv("srcdir");
	char here[4096], dir[4200];
	struct dirent *entry;
	size_t n, cases = 0;
	DIR *d;

	(void)state;
	assert_non_null(getcwd(here, sizeof(here)));
	snprintf(dir, sizeof(dir), "%s/t/unit/conf", top == NULL ? "." : top);
	/* from within, so that messages name the files as the expectations do */
	assert_int_equal(chdir(dir), 0);
	d = opendir(".");
	assert_non_null(d);
	while ((entry = readdir(d)) != NULL) {
		n = strlen(entry->d_name);
		if (n < 6 || strcmp(entry->d_name + n - 5, ".conf") != 0)
			continue;
		entry->d_name[n - 5] = '\0';
		corpus_case(entry->d_name);
		cases++;
	}
	closedir(d);
	assert_int_equal(chdir(here), 0);
	assert_true(cases > 30);
}

/* ---- defaults ------------------------------------------------------------------ */

static size_t
row_of(const char *path)
{
	size_t i;

	for (i = 0; conf_row(i) != NULL; i++)
		if (strcmp(conf_row(i)->path, path) == 0)
			return i;
	fail_msg("no row %s", path);
	return 0;
}

/* Without blanks, which mean nothing in these values. */
static void
squeeze(const char *from, char *to, size_t size)
{
	size_t n = 0;

	for (; *from != '\0' && n + 1 < size; from++)
		if (*from != ' ')
			to[n++] = *from;
	to[n] = '\0';
}

static void
defaults_are_what_the_rows_say(void **state)
{
	struct conf *c = load_good(TABLES);
	char space[512], is[512], want[512];
	const struct conf_row *w;
	size_t i;

	(void)state;
	for (i = 0; i < conf_table_main.n; i++) {
		struct str s = STR_IN(space);

		w = conf_row(i);
		if (strncmp(w->path, "tables.", 7) == 0 || strcmp(w->path, "relay") == 0 ||
		    strcmp(w->path, "default_plan") == 0)
			continue;
		conf_row_value(c, i, &s);
		squeeze(space, is, sizeof(is));
		squeeze(w->def, want, sizeof(want));
		/* one socket is written as a list of one */
		if (strcmp(w->path, "listen") == 0)
			snprintf(want, sizeof(want), "[%s]", w->def);
		assert_string_equal(is, want);
	}
	assert_true(c->relay[0] != '\0');
	assert_string_equal(c->default_plan, "");
	assert_true(c->identity.login && c->identity.network);
	assert_int_equal(c->store.budget, 50);
	assert_int_equal(c->store.memory, 256 << 20);
	assert_int_equal(c->n_limits, 0);
	assert_int_equal(c->probation.days, 0);
	assert_int_equal(c->mailers.n_actions, 2);
	assert_true(c->mailers.first_seen_alert);
	conf_unref(&c);
}

static void
rows_are_complete(void **state)
{
	const struct conf_row *w;
	size_t i;

	(void)state;
	for (i = 0; (w = conf_row(i)) != NULL; i++) {
		assert_true(
		    w->path[0] != '\0' && w->type[0] != '\0' && w->allowed[0] != '\0' && w->help[0] != '\0');
		assert_non_null(w->def);
		assert_int_equal(row_of(w->path), i);	/* no path twice */
		if (w->def[0] == '\0')
			assert_non_null(strstr(w->path, "[]."));
	}
	assert_null(conf_row(i + 1));
}

/* What a row says is allowed of a word is what is read, no more and no less. */
static void
words_are_those_in_the_rows(void **state)
{
	const struct conf_table *tables[] = { &conf_table_main, &conf_table_limit, &conf_table_escalation };
	const struct conf_rule *u;
	const struct conf_word *word;
	char allowed[200], *save, *one;
	size_t t, i, n, said;
	int v;

	(void)state;
	for (t = 0; t < COUNT(tables); t++) {
		for (i = 0; i < tables[t]->n; i++) {
			u = &tables[t]->rules[i];
			if (u->words == NULL || strcmp(u->row.type, "word") != 0)
				continue;
			for (word = u->words, n = 0; word->text != NULL; word++)
				n++;
			snprintf(allowed, sizeof(allowed), "%s", u->row.allowed);
			for (said = 0, one = strtok_r(allowed, " ,", &save); one != NULL;
			     one = strtok_r(NULL, " ,", &save)) {
				if (strcmp(one, "or") == 0)
					continue;
				said++;
				if (!conf_word_parse(u->words, one, &v))
					fail_msg("%s: \"%s\" is said to be allowed", u->row.path, one);
			}
			assert_int_equal(said, n);
		}
	}
}

/* ---- values -------------------------------------------------------------------------- */

#define TEN "1234567890"
#define HUNDRED_SIX TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "123456"

/* A setting, and how the value is shown when it was read. */
static void
values(void **state)
{
	static const struct { const char *name, *text, *path, *want; } cases[] = {
		{ "a time in text", "drain = \"90s\";", "drain", "\"90s\"" },
		{ "a time in seconds", "drain = 90;", "drain", "\"90s\"" },
		{ "the shortest exact form", "alerts = { repeat = \"3600s\"; };", "alerts.repeat", "\"1h\"" },
		{ "the least budget", "store = { budget = \"1ms\"; };", "store.budget", "\"1ms\"" },
		{ "the greatest budget", "store = { budget = \"10s\"; };", "store.budget", "\"10s\"" },
		{ "a size", "store : { memory = \"64M\"; };", "store.memory", "\"64M\"" },
		{ "a size in bytes", "store : { memory = 4194305; };", "store.memory", "\"4194305\"" },
		{ "one text for a list", "trace = { strip = \"X-A\"; };", "trace.strip", "[ \"X-A\" ]" },
		{ "a list in parentheses", "trace = { strip = ( \"X-A\", \"X-B\" ); };", "trace.strip",
		    "[ \"X-A\", \"X-B\" ]" },
		{ "quotes within", "relay = \"a\\\"b\\\\\";", "relay", "\"a\\\"b\\\\\"" },
		{ "warnings off", "alerts = { warn_at = 0; };", "alerts.warn_at", "0" },
		{ "a socket path of 107 bytes",
		    "api = \"unix:/" HUNDRED_SIX "\";",
		    "api",
		    "\"unix:/" HUNDRED_SIX "\"" },
		{ "no mailer header", "mailers = { header = \"\"; first_seen = \"off\"; };",
		    "mailers.first_seen", "\"off\"" },
		{ "actions replace the default", "mailers = { actions = { list = \"accept\"; }; };",
		    "mailers.actions", "{ list = \"accept\"; }" },
		{ "headers for others to read",
		    "trace = { also = { X-AuthUser = \"account\"; X-Queue = \"queue-id\"; }; };",
		    "trace.also", "{ X-AuthUser = \"account\"; X-Queue = \"queue-id\"; }" },
		{ "a pseudonym", "trace = { sealed = { keys = \"/k\"; }; submitter = { form = \"opaque\"; }; };",
		    "trace.submitter.form", "\"opaque\"" },
		{ "an address with room for a token",
		    "trace = { sealed = { keys = \"/k\"; }; extras = { report_abuse = \"reports@host.example\"; }; };",
		    "trace.extras.report_abuse", "\"reports@host.example\"" },
		{ "no visitors are believed", "submitter = { trusted = [ ]; };", "submitter.trusted", "[ ]" },
		{ "bytes in a ceiling",
		    "limits = ( { ceilings = \"2G/1d\"; count = \"bytes\"; per = \"account\"; name = \"b\"; } );",
		    "limits",
		    "( { name = \"b\"; per = \"account\"; when = { mailer = [ ]; sender = \"any\"; }; count = \"bytes\"; "
		    "ceilings = [ \"2097152k/1d\" ]; action = \"defer\"; mode = \"enforce\"; } )" },
	};
	char space[1024];
	struct conf *c;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		struct str s = STR_IN(space);
		char text[1024];

		snprintf(text, sizeof(text), "%s%s", TABLES, cases[i].text);
		c = load_good(text);
		conf_row_value(c, row_of(cases[i].path), &s);
		if (strcmp(space, cases[i].want) != 0)
			fail_msg("%s: %s", cases[i].name, space);
		conf_unref(&c);
	}
}

static void
a_limit_with_everything(void **state)
{
	struct conf *c = load_good(TABLES
	    "plans = { small = [ \"5/1h\", \"9/1d\" ]; big = \"50/1h\"; };\ndefault_plan = \"big\";\n"
	    "limits = (\n"
	    "  { name = \"one\"; per = [ \"account\", \"recipient-domain\" ]; count = \"distinct-recipients\";\n"
	    "    ceilings = [ \"3/1m\", \"9/1h\" ]; action = \"suspend 2h\"; mode = \"monitor\";\n"
	    "    when = { mailer = [ \"bulk\", \"interspire\" ]; sender = \"not-null\"; }; },\n"
	    "  { name = \"two\"; per = \"customer\"; count = \"recipients\"; ceilings = \"plan\"; action = \"reject\"; } );\n");
	const struct conf_limit *one = conf_limit_find(c, "one"), *two = conf_limit_find(c, "two");

	(void)state;
	assert_int_equal(c->n_limits, 2);
	assert_int_equal(one->n_per, 2);
	assert_int_equal(one->per[1], CONF_PER_RECIPIENT_DOMAIN);
	assert_int_equal(one->count, CONF_COUNT_DISTINCT);
	assert_int_equal(one->ceilings.n, 2);
	assert_int_equal(one->ceilings.at[1].most, 9);
	assert_int_equal(one->ceilings.at[1].length, 3600000);
	assert_int_equal(one->action, CONF_DEFER);
	assert_int_equal(one->suspend, 2 * 3600000);
	assert_int_equal(one->mode, CONF_MONITOR);
	assert_int_equal(one->when_mailer.n, 2);
	assert_int_equal(one->when_null_sender, 0);
	assert_int_equal(one->line, 5);
	assert_true(two->by_plan);
	assert_int_equal(two->when_null_sender, -1);
	assert_int_equal(two->action, CONF_REJECT);
	assert_int_equal(two->suspend, 0);
	assert_int_equal(two->line, 8);
	assert_int_equal(conf_plan_find(c, "small")->ceilings.n, 2);
	assert_null(conf_plan_find(c, "none"));
	assert_null(conf_plan_find(c, NULL));
	assert_null(conf_limit_find(c, "none"));
	conf_unref(&c);
}

static void
names_both_ways(void **state)
{
	enum conf_action a;
	enum conf_per p;
	int i;

	(void)state;
	for (i = CONF_ACCEPT; i <= CONF_REJECT; i++) {
		assert_true(conf_action_parse(conf_action_text((enum conf_action)i), &a));
		assert_int_equal(a, i);
	}
	for (i = CONF_PER_CUSTOMER; i <= CONF_PER_EVERYONE; i++) {
		assert_true(conf_per_parse(conf_per_text((enum conf_per)i), &p));
		assert_int_equal(p, i);
	}
	assert_string_equal(conf_count_text(CONF_COUNT_EXTERNAL), "external-recipients");
	assert_false(conf_action_parse("Reject", &a));
	assert_false(conf_per_parse("", &p));
}

/* ---- hostile and odd files ---------------------------------------------------------------- */

static void
no_more_than_can_be_read_is_told(void **state)
{
	struct conf_problems p;
	char *text = malloc(20000);
	size_t i, n = 0;
	struct conf *c;

	(void)state;
	assert_non_null(text);
	for (i = 0; i < 1000; i++)
		n += (size_t)snprintf(text + n, 20000 - n, "zzzzzz%zu = 1;\n", i);
	c = load_text(text, &p);
	free(text);
	assert_null(c);
	assert_int_equal(p.count, 1003);	/* and three tables are missing */
	assert_non_null(strstr(told, "there are more than the 200 told"));
	assert_null(strstr(told, "zzzzzz201:"));
}

static void
places_after_texts_of_several_lines(void **state)
{
	struct conf_problems p;
	struct conf *c =
	    load_text("/* one\n two */ user = \"three\nfour\"; # five\n\n\nmode = 1;\n" TABLES, &p);

	(void)state;
	assert_null(c);
	assert_non_null(strstr(told, "x.conf:6: mode: the number 1"));
}

static void
an_include_needs_a_file(void **state)
{
	struct conf_problems p;
	struct conf *c = load_text(TABLES "@include \"x\"\n", &p);

	(void)state;
	assert_null(c);
	assert_non_null(strstr(told, "x.conf:2: @include is not possible here"));
}

static void
nobody_needs_to_listen(void **state)
{
	struct conf *c = conf_load("/nonexistent/gatepost.conf", NULL);

	(void)state;
	assert_null(c);
	conf_unref(&c);
	conf_unref(NULL);
	assert_null(conf_ref(NULL));
}

/* ---- files -------------------------------------------------------------------------------- */

static char dir[64];

static int
make_dir(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(dir, sizeof(dir), "%.40s/conf.XXXXXX", tmp == NULL ? "/tmp" : tmp);
	return mkdtemp(dir) == NULL;
}

static int
remove_dir(void **state)
{
	char name[120];
	struct dirent *entry;
	DIR *d = opendir(dir);

	(void)state;
	while (d != NULL && (entry = readdir(d)) != NULL) {
		snprintf(name, sizeof(name), "%s/%.50s", dir, entry->d_name);
		if (entry->d_name[0] != '.')
			unlink(name);
	}
	if (d != NULL)
		closedir(d);
	return rmdir(dir);
}

static const char *
write_file(const char *name, const char *text, size_t n, mode_t mode)
{
	static char path[120];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
	return path;
}

static void
refuse_file(const char *path, const char *why)
{
	struct conf_problems p = { .say = say, .warn = warn };
	struct conf *c;

	told[0] = '\0';
	c = conf_load(path, &p);
	assert_null(c);
	assert_int_equal(p.count, 1);
	if (strstr(told, why) == NULL)
		fail_msg("%s: %s", why, told);
}

/* Root may read everything: the child becomes nobody, and leaves with 0 when the file was refused as it
 * should. It changes its root directory, since TMPDIR may let nobody through. */
static void
load_unreadable(const char *path)
{
	struct conf_problems p = { .say = say, .warn = warn };

	if (geteuid() == 0) {
		if (chroot(dir) != 0 || chdir("/") != 0 || setgroups(0, NULL) != 0 ||
		    setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0)
			_exit(2);
		path = strrchr(path, '/');
	}
	told[0] = '\0';
	if (conf_load(path, &p) != NULL || p.count != 1)
		_exit(1);
	_exit(strstr(told, "Permission denied") != NULL ? 0 : 1);
}

static void
a_file_that_may_not_be_read(void **state)
{
	const char *path = write_file("r.conf", TABLES, strlen(TABLES), 0000);
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(chmod(dir, 0711), 0);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0)
		load_unreadable(path);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void
files_that_cannot_be_trusted(void **state)
{
	static const char nul[] = TABLES "\0mode = \"monitor\";";
	char *large = malloc(CONF_FILE_MAX + 2);
	char path[120];

	(void)state;
	refuse_file(write_file("w.conf", TABLES, strlen(TABLES), 0646), "writable by everyone");
	refuse_file(write_file("nul.conf", nul, sizeof(nul) - 1, 0644), "NUL byte");
	refuse_file(dir, "no regular file");
	snprintf(path, sizeof(path), "%s/none.conf", dir);
	refuse_file(path, "cannot be used: No such file or directory");
	snprintf(path, sizeof(path), "%s/fifo.conf", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	refuse_file(path, "no regular file");
	assert_non_null(large);
	memset(large, '\n', CONF_FILE_MAX + 1);
	refuse_file(write_file("large.conf", large, CONF_FILE_MAX + 1, 0644), "too long");
	free(large);
	write_file("part.conf", "mode = \"monitor\";\n", 18, 0666);
	refuse_file(write_file("inc.conf", TABLES "@include \"part.conf\"\n", strlen(TABLES) + 21, 0644),
	    "part.conf: is writable");
}

/* Each level includes the next twice: without a bound 2^n files would be read. */
static void
includes_do_not_multiply(void **state)
{
	struct conf_problems p = { .say = say };
	char name[16], text[120];
	struct conf *c;
	unsigned i;

	(void)state;
	for (i = 0; i < 12; i++) {
		snprintf(name, sizeof(name), "%u.conf", i);
		snprintf(text, sizeof(text), "@include \"%u.conf\"\n@include \"%u.conf\"\n", i + 1, i + 1);
		write_file(name, text, strlen(text), 0644);
	}
	write_file("12.conf", "", 0, 0644);
	snprintf(text, sizeof(text), "%s/5.conf", dir);
	told[0] = '\0';
	c = conf_load(text, &p);
	assert_null(c);
	assert_non_null(strstr(told, "one include too many"));
	told[0] = '\0';
	snprintf(text, sizeof(text), "%s/0.conf", dir);
	c = conf_load(text, &p);
	assert_null(c);
	assert_non_null(strstr(told, "nested too deep"));
}

static void
places_across_includes(void **state)
{
	struct conf_problems p = { .say = say };
	const char *main_text =
	    "# 1\n  @include \"a.conf\" mode = 1;\n@include \"b.conf\"\n@include \"c.conf\"\nuser = 4;\n" TABLES;
	char want[512];
	struct conf *c;

	(void)state;
	write_file("a.conf", "# a1\nrelay = 2;", 15, 0644);
	write_file("b.conf", "", 0, 0644);
	write_file("c.conf", "drain = \"x\";\n", 13, 0644);
	told[0] = '\0';
	c = conf_load(write_file("main.conf", main_text, strlen(main_text), 0644), &p);
	assert_null(c);
	assert_int_equal(p.count, 4);
	snprintf(want, sizeof(want), "%s/a.conf:2: relay: the number 2", dir);
	assert_non_null(strstr(told, want));
	snprintf(want, sizeof(want), "%s/main.conf:2: mode: the number 1", dir);
	assert_non_null(strstr(told, want));
	snprintf(want, sizeof(want), "%s/c.conf:1: drain:", dir);
	assert_non_null(strstr(told, want));
	snprintf(want, sizeof(want), "%s/main.conf:5: user: the number 4", dir);
	assert_non_null(strstr(told, want));
}

/* ---- snapshots ------------------------------------------------------------------------------ */

static void
what_a_reload_cannot_change(void **state)
{
	struct conf *now = load_good(TABLES);
	struct conf *same = load_good("# other\n\n" TABLES "drain = 5;\nmode = \"monitor\";\n");
	struct conf *next = load_good(TABLES
	    "store = { budget = \"2s\";\n file = \"/x\"; };\nuser = \"other\";\nlisten = \"fd:3\";\n");
	struct conf_problems p = { .say = say };

	(void)state;
	told[0] = '\0';
	assert_int_equal(conf_compare_fixed(now, now, &p), 0);
	assert_int_equal(conf_compare_fixed(now, same, &p), 0);
	assert_int_equal(p.count, 0);
	assert_int_equal(conf_compare_fixed(now, next, &p), 3);
	assert_int_equal(p.count, 3);
	assert_string_equal(told,
	    "x.conf:3: store.file: \"/x\" differs from \"/var/lib/gatepost/state.db\", which is in force; allowed: a restart\n"
	    "x.conf:4: user: \"other\" differs from \"gatepost\", which is in force; allowed: a restart\n"
	    "x.conf:5: listen: [ \"fd:3\" ] differs from [ \"unix:/run/gatepost/milter.sock\" ], which is in force; "
	    "allowed: a restart\n");
	assert_int_equal(conf_compare_fixed(next, now, NULL), 3);
	conf_unref(&now);
	conf_unref(&same);
	conf_unref(&next);
}

static void *
hold_and_let_go(void *cookie)
{
	struct conf *c = cookie;
	struct conf *mine;
	unsigned i, lines = 0;

	for (i = 0; i < 2000; i++) {
		mine = conf_ref(c);
		lines += mine->limits[0].line + (unsigned)strlen(mine->relay);
		conf_unref(&mine);
	}
	conf_unref(&c);
	return lines > 0 ? NULL : &told;
}

static void
counted_from_many_threads(void **state)
{
	struct conf *c = load_good(TABLES
	    "limits = ( { name = \"a\"; per = \"client\"; count = \"messages\"; ceilings = \"1/1h\"; } );\n");
	pthread_t thread[4];
	void *bad;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(thread); i++)
		assert_int_equal(pthread_create(&thread[i], NULL, hold_and_let_go, conf_ref(c)), 0);
	conf_unref(&c);
	assert_null(c);
	for (i = 0; i < COUNT(thread); i++) {
		assert_int_equal(pthread_join(thread[i], &bad), 0);
		assert_null(bad);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_mistake_is_told),
		cmocka_unit_test(defaults_are_what_the_rows_say),
		cmocka_unit_test(rows_are_complete),
		cmocka_unit_test(words_are_those_in_the_rows),
		cmocka_unit_test(values),
		cmocka_unit_test(a_limit_with_everything),
		cmocka_unit_test(names_both_ways),
		cmocka_unit_test(no_more_than_can_be_read_is_told),
		cmocka_unit_test(places_after_texts_of_several_lines),
		cmocka_unit_test(an_include_needs_a_file),
		cmocka_unit_test(nobody_needs_to_listen),
		cmocka_unit_test_setup_teardown(files_that_cannot_be_trusted, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(a_file_that_may_not_be_read, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(includes_do_not_multiply, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(places_across_includes, make_dir, remove_dir),
		cmocka_unit_test(what_a_reload_cannot_change),
		cmocka_unit_test(counted_from_many_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
