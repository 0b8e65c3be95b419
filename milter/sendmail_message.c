/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * sendmail_message - reads a message line by line, keeps it, and writes it behind its ticket.
 *
 * What a line is, is decided from its first bytes, so a line of any length takes no memory. The whole message is
 * read before it is sent on, since programs such as cron write theirs over hours, and a ticket is good for a minute.
 * Nothing else of the message is looked at or changed: line ends, NULs and 8-bit text go through.
 */
#include "milter/sendmail_message.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "lib/str.h"
#include "lib/ticket.h"

#include "lib/banned.h"

#define MEMORY ((size_t)256 << 10)
#define HEAD 256u		/* bytes of a line that decide what it is */
#define BLOCK 65536u

struct sendmail_message {
	bool ignore_dots;
	/* the line being read */
	char head[HEAD];
	size_t n_head;
	bool decided, keep;		/* head is gone; the rest of the line is kept or not */
	/* what came so far */
	bool begun;			/* a line of the message itself was seen */
	bool headless;			/* the first one was no header field */
	bool crlf;			/* and ended so */
	bool body, left_out, done;	/* left_out: the field being read is */
	/* where it goes */
	char *memory;
	size_t n_memory;
	int file, out;			/* -1: none */
	bool full;			/* memory is, and there is no file */
	struct err *e;
	bool failed;
};

struct sendmail_message *
sendmail_message_new(bool ignore_dots)
{
	struct sendmail_message *m = calloc(1, sizeof(*m));

	if (m == NULL || (m->memory = malloc(MEMORY + BLOCK + HEAD)) == NULL)
		abort();
	m->ignore_dots = ignore_dots;
	m->file = m->out = -1;
	return m;
}

void
sendmail_message_free(struct sendmail_message **m)
{
	if (*m == NULL)
		return;
	if ((*m)->file >= 0)
		close((*m)->file);
	free((*m)->memory);
	free(*m);
	*m = NULL;
}

/* ---- keeping ---------------------------------------------------------------------------------- */

static int
write_all(int fd, const char *data, size_t n, struct err *e)
{
	ssize_t r;

	for (; n > 0; data += r, n -= (size_t)r) {
		r = write(fd, data, n);
		if (r < 0 && errno == EINTR)
			r = 0;
		else if (r < 0)
			return err_set(e, errno == EPIPE ? ERR_GONE : ERR_SYSTEM, "cannot write the message: %s",
			    strerror(errno));
	}
	return 0;
}

static int
open_file(void)
{
	static const char *const dirs[] = { "/tmp", "/var/tmp" };
	char name[40];
	size_t i;
	int fd;

	for (i = 0; i < 2; i++)
		if ((fd = open(dirs[i], O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)) >= 0)
			return fd;
	/* A file system without such files. */
	for (i = 0; i < 2; i++) {
		(void)str_copy(name, sizeof(name), dirs[i][1] == 't' ? "/tmp/gatepost.XXXXXX" :
		    "/var/tmp/gatepost.XXXXXX");
		if ((fd = mkostemp(name, O_CLOEXEC)) >= 0) {
			unlink(name);
			return fd;
		}
	}
	return -1;
}

/* From memory to the file, when there is more than memory should hold. */
static void
spill(struct sendmail_message *m)
{
	if (m->file < 0 && !m->full && (m->file = open_file()) < 0)
		m->full = true;
	if (m->file < 0)
		return;
	if (write_all(m->file, m->memory, m->n_memory, m->e) < 0)
		m->failed = true;
	m->n_memory = 0;
}

static void
keep(struct sendmail_message *m, const char *data, size_t n)
{
	if (n == 0 || m->failed)
		return;
	if (m->out >= 0) {
		m->failed = write_all(m->out, data, n, m->e) < 0;
		return;
	}
	/* At most one block and one line's head beyond the mark: the buffer has room for both. */
	memcpy(m->memory + m->n_memory, data, n);
	m->n_memory += n;
	if (m->n_memory >= MEMORY)
		spill(m);
}

/* ---- lines ------------------------------------------------------------------------------------- */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* RFC 5322 2.2: the name is printable without colon; blanks may stand before the colon (obsolete, still read). */
static bool
is_field(const char *line, size_t n)
{
	size_t i = 0;

	while (i < n && line[i] > ' ' && line[i] < 0x7f && line[i] != ':')
		i++;
	if (i == 0)
		return false;
	while (i < n && is_blank(line[i]))
		i++;
	/* A name that fills all that we look at may be one. */
	return i == n ? n == HEAD : line[i] == ':';
}

static bool
is_ticket(const char *line, size_t n)
{
	const size_t len = strlen(TICKET_HEADER);
	size_t i = len;

	if (n < len || strncasecmp(line, TICKET_HEADER, len) != 0)
		return false;
	while (i < n && is_blank(line[i]))
		i++;
	return i == n ? n == HEAD : line[i] == ':';
}

static size_t
without_end(const char *line, size_t n)
{
	if (n > 0 && line[n - 1] == '\n')
		n--;
	if (n > 0 && line[n - 1] == '\r')
		n--;
	return n;
}

/* "From bob Tue ..." above a message is what mailboxes have, not mail: MTAs drop it, but only on top. */
static bool
is_mbox(const char *line, size_t n)
{
	return (n >= 5 && memcmp(line, "From ", 5) == 0) || (n >= 6 && memcmp(line, ">From ", 6) == 0);
}

static void
begin(struct sendmail_message *m, const char *line, size_t n)
{
	m->begun = true;
	m->crlf = n >= 2 && line[n - 2] == '\r' && line[n - 1] == '\n';
	m->headless = m->body = without_end(line, n) > 0 && !is_field(line, n);
}

/* Decides what becomes of the line. */
static void
decide(struct sendmail_message *m)
{
	const char *line = m->head;
	size_t n = m->n_head, len = without_end(line, n);

	m->decided = m->keep = true;
	if (!m->ignore_dots && len == 1 && line[0] == '.' && n <= 3) {
		m->done = true;
		m->keep = false;
		return;
	}
	if (!m->begun && is_mbox(line, n)) {
		m->keep = false;
		return;
	}
	if (!m->begun)
		begin(m, line, n);
	if (m->body)
		return;
	if (len == 0)
		m->body = true;
	else if (is_blank(line[0]))
		m->keep = !m->left_out;
	else {
		m->left_out = is_ticket(line, n);
		m->keep = !m->left_out;
	}
}

static void
end_head(struct sendmail_message *m)
{
	decide(m);
	if (m->keep)
		keep(m, m->head, m->n_head);
	m->n_head = 0;
}

/* Takes what of the data belongs to the line; returns how much. */
static size_t
feed_line(struct sendmail_message *m, const char *data, size_t n)
{
	const char *end = memchr(data, '\n', n);
	size_t line = end == NULL ? n : (size_t)(end - data) + 1, part;

	if (!m->decided) {
		part = line < HEAD - m->n_head ? line : HEAD - m->n_head;
		memcpy(m->head + m->n_head, data, part);
		m->n_head += part;
		if (m->n_head < HEAD && (end == NULL || part < line))
			return part;
		end_head(m);
		if (part < line || end == NULL)
			return part;
	} else {
		part = line;
		if (m->keep)
			keep(m, data, line);
		if (end == NULL)
			return part;
	}
	m->decided = false;
	return part;
}

static void
feed(struct sendmail_message *m, const char *data, size_t n)
{
	size_t part;

	while (n > 0 && !m->done && !m->failed) {
		/* Nothing in a body is ours to look at. */
		if (m->body && m->ignore_dots && m->n_head == 0) {
			keep(m, data, n);
			return;
		}
		part = feed_line(m, data, n);
		data += part;
		n -= part;
	}
}

/* Reads until the end, or until memory is full and there is no file. 0, 1, -1. */
static int
read_on(struct sendmail_message *m, int in, struct err *e)
{
	static char block[BLOCK];
	ssize_t r;

	m->e = e;
	while (!m->done) {
		if (m->out < 0 && m->full && m->n_memory >= MEMORY)
			return 1;
		r = read(in, block, sizeof(block));
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return err_set(e, ERR_SYSTEM, "cannot read the message: %s", strerror(errno));
		if (r == 0)
			break;
		feed(m, block, (size_t)r);
		if (m->failed)
			return -1;
	}
	/* A last line without its end. */
	if (!m->done && m->n_head > 0)
		end_head(m);
	m->done = true;
	return m->failed ? -1 : 0;
}

int
sendmail_message_read(struct sendmail_message *m, int in, struct err *e)
{
	int r = read_on(m, in, e);

	if (r == 0 && m->file >= 0) {
		spill(m);
		if (m->failed || lseek(m->file, 0, SEEK_SET) < 0)
			return m->failed ? -1 : err_set(e, ERR_SYSTEM, "cannot read the message again: %s",
			    strerror(errno));
	}
	return r;
}

/* ---- sending on ----------------------------------------------------------------------------------- */

static int
copy_file(int from, int out, struct err *e)
{
	char *block = malloc(BLOCK);
	ssize_t r;
	int result = 0;

	if (block == NULL)
		abort();
	while (result == 0 && (r = read(from, block, BLOCK)) != 0) {
		if (r > 0)
			result = write_all(out, block, (size_t)r, e);
		else if (errno != EINTR)
			result = err_set(e, ERR_SYSTEM, "cannot read the message again: %s", strerror(errno));
	}
	free(block);
	return result;
}

/* The message's own line end, since some MTAs tell from the first line what the others have. What begins without
 * a header would else be read as the ticket's. */
static int
write_ticket(const struct sendmail_message *m, int out, const char *ticket, struct err *e)
{
	char line[TICKET_VALUE + 64];
	const char *end = m->crlf ? "\r\n" : "\n";
	struct str s = STR_IN(line);

	str_catf(&s, "%s: %s%s%s", TICKET_HEADER, ticket, end, m->headless || !m->begun ? end : "");
	return write_all(out, s.data, s.len, e);
}

int
sendmail_message_write(struct sendmail_message *m, int out, const char *ticket, struct err *e)
{
	if (ticket != NULL && write_ticket(m, out, ticket, e) < 0)
		return -1;
	if (m->file >= 0)
		return copy_file(m->file, out, e);
	return write_all(out, m->memory, m->n_memory, e);
}

int
sendmail_message_pass(struct sendmail_message *m, int in, int out, struct err *e)
{
	m->out = out;
	return read_on(m, in, e);
}
