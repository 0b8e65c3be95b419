/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * What a customer's programs can put before the daemon: tickets and tokens (none opens that we did not
 * seal), the ticket socket's question, environment blocks; and a message on its way through
 * gatepost-sendmail.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "lib/seal.h"
#include "lib/str.h"
#include "lib/ticket.h"
#include "milter/ancestry.h"
#include "milter/check.h"
#include "milter/sendmail_message.h"
#include "milter/submission.h"

#define NOW UINT64_C(1780000000000)
#define MOST 20000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static struct seal_keys *
test_keys(void)
{
	static const char line[] = "test active 2026-01-31T00:00:00Z "
	    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n";
	char path[] = "/tmp/gatepost-fuzz-XXXXXX";
	int fd = mkstemp(path);
	struct seal_keys *k;

	must(fd >= 0 && write(fd, line, sizeof(line) - 1) == (ssize_t)sizeof(line) - 1 && fchmod(fd,
	    0400) == 0);
	close(fd);
	k = seal_keys_load(path, NULL);
	unlink(path);
	must(k != NULL);
	return k;
}

static void
try_seals(const struct seal_keys *k, const char *text)
{
	struct ticket_web w;
	struct ticket t;

	must(ticket_open(k, text, NOW, UINT64_MAX, &t) != TICKET_GOOD);
	must(ticket_web_open(k, text, NOW, UINT64_MAX, &w) != TICKET_GOOD);
}

/* The answer is one line, and a ticket of nobody else's. */
static void
try_question(const struct seal_keys *k, char *text)
{
	static struct conf conf = { .relay = "out1", .submission = { .valid = 60000, .mails = 20 } };
	static struct ticket_book *tokens;
	struct services s = { .conf = &conf, .keys = k };
	struct peer p = { .uid = 1001, .name = "web1" };
	struct submission_question q = { .services = &s, .peer = &p, .process = -1, .text = text,
	    .now = NOW };
	char space[SUBMISSION_ANSWER_MOST];
	struct str out = STR_IN(space);
	struct ticket t;

	if (tokens == NULL)
		tokens = ticket_book_new(16);
	q.tokens = tokens;
	submission_answer(&q, &out);
	must(!out.cut && out.len > 0 && strchr(out.data, '\n') == out.data + out.len - 1);
	if (strncmp(out.data, "ticket ", 7) != 0)
		return;
	must(ticket_open(k, out.data + 7, NOW, 60000, &t) == TICKET_GOOD);
	must(t.uid == 1001 && strcmp(t.user, "web1") == 0 && t.quality <= TICKET_CLAIMED);
}

static int
memory_file(const void *data, size_t n)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	must(fd >= 0 && write(fd, data, n) == (ssize_t)n && lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

/* The ticket is the first field and the only one of its name. */
static void
try_message(const char *data, size_t n)
{
	static char out[MOST + 1000];
	static const char top[] = "Gatepost-Ticket: v=1";
	int from = memory_file(data, n), to = memory_file("", 0);
	struct sendmail_message *m = sendmail_message_new(n % 2 == 0);
	struct err e;
	ssize_t got;
	char *line;

	must(sendmail_message_read(m, from, &e) == 0 && sendmail_message_write(m, to, "v=1", &e) == 0);
	must(lseek(to, 0, SEEK_SET) == 0);
	got = read(to, out, sizeof(out) - 1);
	must(got >= (ssize_t)sizeof(top) && (size_t)got <= n + sizeof(top) + 8 && memcmp(out, top,
	    sizeof(top) - 1) == 0);
	out[got] = '\0';
	for (line = strchr(out, '\n'); line != NULL && line[1] != '\n' &&
	    line[1] != '\r'; line = strchr(line + 1, '\n'))
		must(strncasecmp(line + 1, "Gatepost-Ticket:", 16) != 0);
	sendmail_message_free(&m);
	close(from);
	close(to);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct seal_keys *k;
	struct ancestry_found found;
	char *text;

	if (n == 0 || n > MOST)
		return 0;
	if (k == NULL)
		k = test_keys();
	text = malloc(n);
	must(text != NULL);
	memcpy(text, data + 1, n - 1);
	text[n - 1] = '\0';
	switch (data[0]) {
	case 't':
		try_seals(k, text);
		break;
	case 'q':
		try_question(k, text);
		break;
	case 'e':
		(void)ancestry_read((const char *)data + 1, n - 1, &found);
		break;
	default:
		try_message((const char *)data + 1, n - 1);
		break;
	}
	free(text);
	return 0;
}
