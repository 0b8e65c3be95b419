/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * conf_source - the bytes of gatepost.conf, with those of the files it includes
 * in their places, and where each line came from.
 *
 * libconfig could follow @include itself, but it follows absolute names and
 * loops, ends the process when one names a directory, and has no bound on what
 * nine levels of includes multiply to. So the directive is resolved here, and libconfig sees one text.
 * To know a directive from a comment or a text that looks like one, this file scans
 * as libconfig's lexer does. On the way it finds two mistakes that libconfig 1.5 lets pass in silence:
 * a comment without an end, and an integer that does not fit (it would wrap around).
 *
 * It deliberately knows nothing of settings.
 */
#include "lib/conf_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/banned.h"

#define CONF_INCLUDE "@include"
#define CONF_DIGITS_MAX 9	/* 999999999 fits in libconfig's int, whatever the sign */

enum scan_state { SCAN_PLAIN, SCAN_TEXT, SCAN_LINE_COMMENT, SCAN_COMMENT };

/* One file being scanned; included_by forms the chain that a loop would close. */
struct scan {
	const char *name;
	const char *at, *end;
	unsigned line;
	enum scan_state state;
	unsigned opened;	/* line where the text or comment began */
	unsigned depth;
	dev_t device;
	ino_t inode;
	const struct scan *included_by;
};

struct scanner {
	struct conf_reader *r;
	struct conf_source *s;
	size_t bytes;		/* read so far */
	unsigned files;
	bool may_include;
};

static bool scan_file(struct scanner *c, const char *name, const struct scan *by);

/* Tells a mistake that belongs to no setting. Always false. */
static bool __attribute__((format(printf, 4, 5)))
scan_refuse(struct scanner *c, const char *file, unsigned line, const char *fmt, ...)
{
	/* what has been scanned so far says where in the whole text this is */
	struct conf_place place = { file, line, line == 0 ? 0 : (unsigned)c->s->n_lines };
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	conf_problem_at(c->r, place, NULL, "%s", text);
	return false;
}

static void *
source_grow(void *old, size_t size)
{
	void *p = realloc(old, size);

	if (p == NULL)
		abort();
	return p;
}

static void
source_put(struct conf_source *s, char byte)
{
	if (s->len + 2 > s->space) {
		s->space = s->space == 0 ? 8192 : s->space * 2;
		s->text = source_grow(s->text, s->space);
	}
	s->text[s->len++] = byte;
	s->text[s->len] = '\0';
}

/* The text's line that begins now came from here. */
static void
source_line(struct conf_source *s, const char *file, unsigned line)
{
	if (s->n_lines == s->lines_space) {
		s->lines_space = s->lines_space == 0 ? 256 : s->lines_space * 2;
		s->lines = source_grow(s->lines, s->lines_space * sizeof(*s->lines));
	}
	s->lines[s->n_lines] = (struct conf_place){ file, line, (unsigned)s->n_lines + 1 };
	s->n_lines++;
}

static bool
source_at_line_start(const struct conf_source *s)
{
	size_t i = s->len;

	while (i > 0 && (s->text[i - 1] == ' ' || s->text[i - 1] == '\t'))
		i--;
	return i == 0 || s->text[i - 1] == '\n';
}

/* Takes one byte over. */
static void
scan_take(struct scanner *c, struct scan *f)
{
	char byte = *f->at++;

	source_put(c->s, byte);
	if (byte == '\n')
		source_line(c->s, f->name, ++f->line);
}

static bool
scan_sees(const struct scan *f, const char *what)
{
	size_t n = strlen(what);

	return (size_t)(f->end - f->at) >= n && memcmp(f->at, what, n) == 0;
}

static bool
scan_is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
	    c == '-' || c == '*' || c == '.' || c == '+';
}

/* A word or number. libconfig 1.5 takes an integer's lowest 32 bits, so that 4294967376 would be 80. */
static bool
scan_word(struct scanner *c, struct scan *f)
{
	const char *begin = f->at, *p = begin;
	size_t digits = 0;
	const char *set;
	bool hex;

	while (f->at < f->end && scan_is_word(*f->at))
		scan_take(c, f);
	if (p < f->at && (*p == '-' || *p == '+'))
		p++;
	hex = f->at - p > 2 && p[0] == '0' && (p[1] == 'x' || p[1] == 'X');
	set = hex ? "0123456789abcdefABCDEF" : "0123456789";
	for (p += hex ? 2 : 0; p < f->at && strchr(set, *p) != NULL; p++)
		digits += digits > 0 || *p != '0';
	if (p < f->at || digits <= (hex ? 7 : CONF_DIGITS_MAX))
		return true;
	return scan_refuse(c, f->name, f->line,
	    "the number %.*s is too large; allowed: at most %d digits, or a text such as \"64M\"",
	    (int)(f->at - begin > 40 ? 40 : f->at - begin), begin, CONF_DIGITS_MAX);
}

/* The name of an include, or NULL after the mistake was told. f stands behind the opening quote. */
static const char *
scan_include_name(struct scanner *c, struct scan *f)
{
	const char *begin = f->at, *name;
	size_t n;

	while (f->at < f->end && *f->at != '"' && *f->at != '\n' && *f->at != '\\')
		f->at++;
	if (f->at == f->end || *f->at != '"') {
		scan_refuse(c, f->name, f->line, "@include needs a file name in quotes, without backslashes");
		return NULL;
	}
	n = (size_t)(f->at++ - begin);
	name = arena_strndup(c->r->keep, begin, n);
	if (n == 0 || n > 255 || name[0] == '/' || strcmp(name, "..") == 0 || strncmp(name, "../", 3) == 0 ||
	    strstr(name, "/../") != NULL || (n >= 3 && strcmp(name + n - 3, "/..") == 0)) {
		scan_refuse(c, f->name, f->line,
		    "@include takes a name relative to the directory of gatepost.conf and within it");
		return NULL;
	}
	return name;
}

/* Puts the included file in the directive's place. */
static bool
scan_include(struct scanner *c, struct scan *f)
{
	const char *name, *slash = strrchr(c->r->file, '/');

	while (*f->at != '"')
		f->at++;
	f->at++;
	name = scan_include_name(c, f);
	if (name == NULL)
		return false;
	if (!c->may_include)
		return scan_refuse(c, f->name, f->line, "@include is not possible here");
	if (f->depth >= CONF_DEPTH_MAX)
		return scan_refuse(c, f->name, f->line,
		    "@include is nested too deep; allowed: %u levels", CONF_DEPTH_MAX);
	if (slash != NULL)
		name = arena_printf(c->r->keep, "%.*s/%s", (int)(slash - c->r->file), c->r->file, name);
	return scan_file(c, name, f);
}

/* libconfig: ^[ \t]*@include[ \t]+\" */
static bool
scan_is_include(const struct scanner *c, const struct scan *f)
{
	const char *p = f->at + strlen(CONF_INCLUDE);

	if (!scan_sees(f, CONF_INCLUDE) || !source_at_line_start(c->s) || p == f->end ||
	    (*p != ' ' && *p != '\t'))
		return false;
	while (p < f->end && (*p == ' ' || *p == '\t'))
		p++;
	return p < f->end && *p == '"';
}

static bool
scan_plain(struct scanner *c, struct scan *f)
{
	f->opened = f->line;
	if (scan_is_include(c, f))
		return scan_include(c, f);
	if (scan_is_word(*f->at))
		return scan_word(c, f);
	if (*f->at == '"')
		f->state = SCAN_TEXT;
	else if (*f->at == '#' || scan_sees(f, "//"))
		f->state = SCAN_LINE_COMMENT;
	else if (scan_sees(f, "/*")) {
		f->state = SCAN_COMMENT;
		scan_take(c, f);
	}
	scan_take(c, f);
	return true;
}

/* Inside a text or a comment. */
static void
scan_inside(struct scanner *c, struct scan *f)
{
	if (f->state == SCAN_TEXT) {
		if (*f->at == '"')
			f->state = SCAN_PLAIN;
		else if (*f->at == '\\' && f->end - f->at > 1)
			scan_take(c, f);
	} else if (f->state == SCAN_LINE_COMMENT) {
		if (*f->at == '\n')
			f->state = SCAN_PLAIN;
	} else if (scan_sees(f, "*/")) {
		f->state = SCAN_PLAIN;
		scan_take(c, f);
	}
	scan_take(c, f);
}

/* The line of the directive goes on behind what was included. */
static void
scan_resume(struct scanner *c, const struct scan *by)
{
	if (c->s->len > 0 && c->s->text[c->s->len - 1] != '\n')
		source_put(c->s, '\n');
	else
		c->s->n_lines--;	/* the empty line behind its last newline is the directive's again */
	source_line(c->s, by->name, by->line);
}

static bool
scan_bytes(struct scanner *c, struct scan *f)
{
	bool ok = true;

	if (f->at < f->end && memchr(f->at, '\0', (size_t)(f->end - f->at)) != NULL)
		return scan_refuse(c, f->name, 0, "holds a NUL byte: not a text file");
	if (f->included_by != NULL)
		c->s->n_lines--;	/* the line of the directive begins with the file's first */
	source_line(c->s, f->name, f->line);
	while (f->at < f->end) {
		if (f->state != SCAN_PLAIN)
			scan_inside(c, f);
		else if (!scan_plain(c, f))
			ok = false;	/* go on: the others want to be told too */
	}
	if (f->state == SCAN_TEXT || f->state == SCAN_COMMENT)
		ok = scan_refuse(c, f->name, f->opened, "a %s begins here and has no end",
		    f->state == SCAN_TEXT ? "text in quotes" : "comment");
	if (f->included_by != NULL)
		scan_resume(c, f->included_by);
	return ok;
}

/* Reads an open file whole into the scratch arena. NULL, or why it cannot be used. */
static const char *
scan_slurp(struct scanner *c, int fd, struct scan *f)
{
	char *bytes;
	size_t n = 0;
	struct stat st;
	ssize_t got;

	if (fstat(fd, &st) != 0)
		return strerror(errno);
	if (!S_ISREG(st.st_mode))
		return "is no regular file";
	if (st.st_mode & S_IWOTH)
		return "is writable by everyone; allowed: a mode without o+w";
	if (st.st_size < 0 || (uint64_t)st.st_size > CONF_FILE_MAX - c->bytes)
		return "is too long; allowed: 1 MB with all that is included";
	bytes = arena_alloc(c->r->scratch, (size_t)st.st_size + 1);
	while (n < (size_t)st.st_size) {
		got = read(fd, bytes + n, (size_t)st.st_size - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return strerror(errno);
		if (got == 0)
			break;
		n += (size_t)got;
	}
	c->bytes += n;
	f->at = bytes;
	f->end = bytes + n;
	f->device = st.st_dev;
	f->inode = st.st_ino;
	return NULL;
}

static const char *
scan_open(struct scanner *c, const char *name, struct scan *f)
{
	const struct scan *up;
	const char *why;
	int fd;

	if (c->files++ > CONF_FILES_MAX)
		return "is one include too many; allowed: 64 in all";
	/* O_NONBLOCK: a FIFO must not hang the start; it is refused as no regular file. */
	fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return strerror(errno);
	why = scan_slurp(c, fd, f);
	close(fd);
	for (up = f->included_by; why == NULL && up != NULL; up = up->included_by)
		if (up->device == f->device && up->inode == f->inode)
			return "includes itself";
	return why;
}

static bool
scan_file(struct scanner *c, const char *name, const struct scan *by)
{
	struct scan f = { .name = name, .line = 1, .depth = by == NULL ? 0 : by->depth + 1,
		.included_by = by };
	const char *why = scan_open(c, name, &f);

	if (why != NULL && by == NULL)
		return scan_refuse(c, name, 0, "cannot be used: %s", why);
	if (why != NULL)
		return scan_refuse(c, by->name, by->line, "@include: %s: %s", name, why);
	return scan_bytes(c, &f);
}

bool
conf_source_read(struct conf_reader *r, struct conf_source *s)
{
	struct scanner c = { .r = r, .s = s, .may_include = true };
	bool ok;

	*s = (struct conf_source){ .len = 0 };
	ok = scan_file(&c, r->file, NULL);
	source_put(s, '\n');
	return ok;
}

bool
conf_source_bytes(struct conf_reader *r, struct conf_source *s, const char *bytes, size_t n)
{
	struct scanner c = { .r = r, .s = s };
	struct scan f = { .name = r->file, .at = bytes, .end = bytes + n, .line = 1 };
	bool ok;

	*s = (struct conf_source){ .len = 0 };
	ok = n <= CONF_FILE_MAX && scan_bytes(&c, &f);
	source_put(s, '\n');
	return ok;
}

void
conf_source_free(struct conf_source *s)
{
	free(s->text);
	free(s->lines);
	*s = (struct conf_source){ .len = 0 };
}
