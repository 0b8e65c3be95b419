/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * sendmail_options - the command line of sendmail(1), as PHP, cron and thirty years of scripts write it.
 *
 * Letters may stand together (-ti), arguments may be joined (-fbob) or not (-f bob), recipients may
 * stand between options. Each letter has a row below: passed on, understood here, dropped because no MTA
 * of today heeds it, or refused with the reason. Nothing that is not in the table gets through.
 */
#include "milter/sendmail_options.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/banned.h"

#define TEXT_MOST 1000u		/* bytes of one argument */

enum what {
	PASS,		/* checked, then handed on */
	DROP,		/* of no meaning any more */
	REFUSE,		/* why says so */
	TASK,		/* -b */
	SET,		/* -o */
	QUEUE,		/* -q */
	DOTS,		/* -i */
	HEADER		/* -t */
};

struct reading {
	struct sendmail_options *to;
	size_t n_options;
	struct err *e;
};

/* Why the text cannot be the option's argument, or NULL. */
typedef const char *check_text(const char *text);

static const char *
plain_text(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return "control characters";
	return NULL;
}

static const char *
sender_text(const char *text)
{
	return text[0] == '-' ? "an address that begins with -" : plain_text(text);
}

static const char *
body_text(const char *text)
{
	return strcasecmp(text, "7BIT") == 0 || strcasecmp(text, "8BITMIME") == 0 ? NULL :
	    "neither 7BIT nor 8BITMIME";
}

static const char *
notify_text(const char *text)
{
	static const char *const words[] = { "success", "failure", "delay" };
	size_t n, i;

	if (strcasecmp(text, "never") == 0)
		return NULL;
	for (;; text += n + 1) {
		n = strcspn(text, ",");
		for (i = 0; i < 3; i++)
			if (strlen(words[i]) == n && strncasecmp(words[i], text, n) == 0)
				break;
		if (i == 3)
			return "neither never nor of success, failure, delay";
		if (text[n] == '\0')
			return NULL;
	}
}

static const char *
return_text(const char *text)
{
	return strcasecmp(text, "full") == 0 || strcasecmp(text, "hdrs") == 0 ? NULL :
	    "neither full nor hdrs";
}

/* RFC 3461 4.4: xtext. */
static const char *
envelope_text(const char *text)
{
	if (*text == '\0' || strlen(text) > 100)
		return "not of 1 to 100 characters";
	for (; *text != '\0'; text++)
		if (*text < '!' || *text > '~')
			return "not printable";
	return NULL;
}

struct row {
	char letter;
	bool argument;		/* has one: it is never NULL then, but may be "" for QUEUE */
	enum what what;
	const char *as;		/* PASS: how the real sendmail gets it */
	check_text *check;
	const char *why;	/* REFUSE */
};

static const struct row rows[] = {
	{ 'A', true, DROP, NULL, NULL,
	    NULL },		/* which configuration of Sendmail: never the caller's choice */
	{ 'B', true, PASS, "-B", body_text, NULL },
	{ 'b', true, TASK, NULL, NULL, NULL },
	{ 'C', true, REFUSE, NULL, NULL, "another configuration can run programs" },
	{ 'D', true, REFUSE, NULL, NULL, "it writes files" },
	{ 'd', true, REFUSE, NULL, NULL, "debugging shows and writes more than mail" },
	{ 'e', true, DROP, NULL, NULL, NULL },		/* where errors go */
	{ 'F', true, PASS, "-F", plain_text, NULL },
	{ 'f', true, PASS, "-f", sender_text, NULL },
	{ 'G', false, DROP, NULL, NULL, NULL },
	{ 'h', true, DROP, NULL, NULL, NULL },
	{ 'I', false, REFUSE, NULL, NULL, "call newaliases" },
	{ 'i', false, DOTS, NULL, NULL, NULL },
	{ 'L', true, REFUSE, NULL, NULL, "the log tells the truth" },
	{ 'M', true, REFUSE, NULL, NULL, "macros are not the caller's" },
	{ 'm', false, DROP, NULL, NULL, NULL },
	{ 'N', true, PASS, "-N", notify_text, NULL },
	{ 'n', false, DROP, NULL, NULL, NULL },
	{ 'O', true, REFUSE, NULL, NULL, "settings of the MTA are not the caller's" },
	{ 'o', true, SET, NULL, NULL, NULL },
	{ 'p', true, DROP, NULL, NULL, NULL },
	{ 'Q', true, REFUSE, NULL, NULL, "the queue is not the caller's" },
	{ 'q', true, QUEUE, NULL, NULL, NULL },
	{ 'R', true, PASS, "-R", return_text, NULL },
	{ 'r', true, PASS, "-f", sender_text, NULL },
	{ 't', false, HEADER, NULL, NULL, NULL },
	{ 'U', false, DROP, NULL, NULL, NULL },
	{ 'V', true, PASS, "-V", envelope_text, NULL },
	{ 'v', false, DROP, NULL, NULL, NULL },
	{ 'X', true, REFUSE, NULL, NULL, "it writes files" },
};

static const struct row *
find_row(char letter)
{
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].letter == letter)
			return &rows[i];
	return NULL;
}

static int
refuse(struct reading *r, char letter, const char *argument, const char *why)
{
	return err_set(r->e, ERR_INPUT, "option -%c%.20s is refused: %s", letter,
	    argument != NULL && plain_text(argument) == NULL ? argument : "", why);
}

/* ---- options with a meaning of their own -------------------------------------------------------- */

static int
read_task(struct reading *r, const char *argument)
{
	static const struct { const char *name; enum sendmail_task task; const char *why; } tasks[] = {
		{ "m", SENDMAIL_SEND, NULL },
		{ "p", SENDMAIL_LIST, NULL },
		{ "i", SENDMAIL_ALIASES, NULL },
		{ "s", SENDMAIL_SEND,
		    "SMTP on standard input has no ticket; call it with -t -i, or use SMTP to a port" },
		{ "d", SENDMAIL_SEND, "this is no daemon" },
		{ "D", SENDMAIL_SEND, "this is no daemon" },
		{ "l", SENDMAIL_SEND, "this is no daemon" },
		{ "v", SENDMAIL_SEND, "addresses are not verified here" },
		{ "t", SENDMAIL_SEND, "addresses are not tested here" },
	};
	size_t i;

	for (i = 0; i < sizeof(tasks) / sizeof(tasks[0]); i++) {
		if (strcmp(argument, tasks[i].name) != 0)
			continue;
		if (tasks[i].why != NULL)
			return refuse(r, 'b', argument, tasks[i].why);
		r->to->task = tasks[i].task;
		return 0;
	}
	return refuse(r, 'b', argument, "there is no such mode here");
}

/* -oi, and settings that no longer matter; everything else could change what the MTA does. */
static int
read_set(struct reading *r, const char *argument)
{
	if (strcmp(argument, "i") == 0) {
		r->to->ignore_dots = true;
		return 0;
	}
	if (strcmp(argument, "7") == 0 || strcmp(argument, "8") == 0 || strcmp(argument, "m") == 0 ||
	    ((argument[0] == 'e' || argument[0] == 'd') && strlen(argument) <= 2))
		return 0;
	return refuse(r, 'o', argument, "settings of the MTA are not the caller's");
}

static int
read_queue(struct reading *r, const char *argument)
{
	if (*argument != '\0')
		return refuse(r, 'q', argument, "only the whole queue can be tried, once");
	r->to->task = SENDMAIL_RUN;
	return 0;
}

static int
take(struct reading *r, const struct row *row, const char *argument)
{
	const char *why;

	switch (row->what) {
	case PASS:
		why = strlen(argument) > TEXT_MOST ? "too long" : row->check(argument);
		if (why != NULL)
			return refuse(r, row->letter, NULL, why);
		r->to->pass[r->to->n_pass++] = row->as;
		r->to->pass[r->to->n_pass++] = argument;
		return 0;
	case DROP:
		return 0;
	case REFUSE:
		return refuse(r, row->letter, NULL, row->why);
	case TASK:
		return read_task(r, argument);
	case SET:
		return read_set(r, argument);
	case QUEUE:
		return read_queue(r, argument);
	case DOTS:
		r->to->ignore_dots = true;
		return 0;
	case HEADER:
		r->to->from_header = true;
		return 0;
	}
	return -1;
}

/* ---- the command line --------------------------------------------------------------------------- */

/* One word that begins with '-'. Returns how many words it took, or -1. */
static int
read_word(struct reading *r, const char *word, const char *next)
{
	const struct row *row;
	const char *argument;

	for (word++; *word != '\0'; word++) {
		row = find_row(*word);
		if (row == NULL)
			return refuse(r, *word >= ' ' && *word <= '~' ? *word : '?', NULL, "not known here");
		r->n_options++;
		if (!row->argument) {
			if (take(r, row, "") < 0)
				return -1;
			continue;
		}
		argument = word + 1;
		/* -q alone means all of the queue; all other arguments may stand apart. */
		if (*argument != '\0' || row->what == QUEUE)
			return take(r, row, argument) < 0 ? -1 : 1;
		if (row->what == REFUSE)
			return take(r, row, "");
		if (next == NULL)
			return refuse(r, row->letter, NULL, "its argument is missing");
		return take(r, row, next) < 0 ? -1 : 2;
	}
	return 1;
}

static int
add_recipient(struct reading *r, const char *word)
{
	const char *why = strlen(word) > TEXT_MOST ? "too long" : sender_text(word);

	if (*word == '\0' || why != NULL)
		return err_set(r->e, ERR_INPUT, "a recipient is refused: %s", *word == '\0' ? "empty" : why);
	r->to->recipients[r->to->n_recipients++] = word;
	return 0;
}

/* Some call us by what they want. */
static enum sendmail_task
task_of_name(const char *name)
{
	const char *slash = name == NULL ? NULL : strrchr(name, '/');

	if (slash != NULL)
		name = slash + 1;
	if (name != NULL && strcmp(name, "mailq") == 0)
		return SENDMAIL_LIST;
	return name != NULL && strcmp(name, "newaliases") == 0 ? SENDMAIL_ALIASES : SENDMAIL_SEND;
}

static int
finish(struct reading *r)
{
	struct sendmail_options *to = r->to;

	if (to->task == SENDMAIL_SEND)
		return to->from_header || to->n_recipients > 0 ? 0 :
		    err_set(r->e, ERR_INPUT, "no recipients: name them, or use -t");
	/* The queue and the aliases are asked about alone: nothing else goes along to the real one. */
	if (r->n_options > 1 || to->n_recipients > 0)
		return err_set(r->e, ERR_INPUT, "-bp, -bi and -q stand alone");
	return 0;
}

int
sendmail_options_read(int argc, char *const *argv, struct sendmail_options *to, struct err *e)
{
	struct reading r;
	bool options = true;
	int i, n;

	memset(to, 0, sizeof(*to));
	r = (struct reading){ to, 0, e };
	to->pass = calloc(2 * (size_t)argc + 1, sizeof(*to->pass));
	to->recipients = calloc((size_t)argc + 1, sizeof(*to->recipients));
	if (to->pass == NULL || to->recipients == NULL)
		abort();
	to->task = task_of_name(argc > 0 ? argv[0] : NULL);
	for (i = 1; i < argc; i += n) {
		n = 1;
		if (options && strcmp(argv[i], "--") == 0)
			options = false;
		else if (options && argv[i][0] == '-' && argv[i][1] != '\0')
			n = read_word(&r, argv[i], i + 1 < argc ? argv[i + 1] : NULL);
		else if (add_recipient(&r, argv[i]) < 0)
			n = -1;
		if (n < 0)
			break;
	}
	if (i >= argc && finish(&r) == 0)
		return 0;
	sendmail_options_free(to);
	return -1;
}

void
sendmail_options_free(struct sendmail_options *o)
{
	free(o->pass);
	free(o->recipients);
	memset(o, 0, sizeof(*o));
}
