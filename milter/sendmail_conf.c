/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * sendmail_conf - reads sendmail.conf. A mistake in it stops all local mail, so each is told with its line.
 */
#include "milter/sendmail_conf.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "lib/str.h"

#include "lib/banned.h"

#define LINE 512

static char *
trim(char *text)
{
	size_t n;

	text += strspn(text, " \t");
	for (n = strlen(text); n > 0 && strchr(" \t\r\n", text[n - 1]) != NULL; n--)
		;
	text[n] = '\0';
	return text;
}

static int
read_path(const char *value, char *to, struct err *e)
{
	if (value[0] != '/' || !str_copy(to, SENDMAIL_PATH_MOST, value))
		return err_set(e, ERR_INPUT, "an absolute path of at most %d bytes is wanted",
		    SENDMAIL_PATH_MOST - 1);
	return 0;
}

static int
read_value(const char *name, const char *value, struct sendmail_conf *to, struct err *e)
{
	uint64_t ms;

	if (strcmp(name, "sendmail") == 0)
		return read_path(value, to->sendmail, e);
	if (strcmp(name, "socket") == 0)
		return read_path(value, to->socket, e);
	if (strcmp(name, "without_ticket") == 0) {
		to->queue = strcmp(value, "queue") == 0;
		return to->queue || strcmp(value, "tempfail") == 0 ? 0 :
		    err_set(e, ERR_INPUT, "without_ticket: queue or tempfail is wanted");
	}
	if (strcmp(name, "timeout") == 0) {
		if (str_duration(value, &ms) != 1 || ms < 10 || ms > 60000)
			return err_set(e, ERR_INPUT, "timeout: a time from 10ms to 60s is wanted");
		to->timeout = (unsigned)ms;
		return 0;
	}
	return err_set(e, ERR_INPUT, "\"%.40s\" is no setting; allowed: sendmail, socket, without_ticket, timeout",
	    name);
}

static int
read_line(char *line, struct sendmail_conf *to, struct err *e)
{
	char *value;

	line = trim(line);
	if (*line == '\0' || *line == '#')
		return 0;
	value = strchr(line, '=');
	if (value == NULL)
		return err_set(e, ERR_INPUT, "NAME = VALUE is wanted");
	*value++ = '\0';
	return read_value(trim(line), trim(value), to, e);
}

int
sendmail_conf_read(const char *file, struct sendmail_conf *to, struct err *e)
{
	char line[LINE];
	unsigned n = 0;
	FILE *f;
	int r = 0;

	memset(to, 0, sizeof(*to));
	(void)str_copy(to->sendmail, sizeof(to->sendmail), REAL_SENDMAIL);
	(void)str_copy(to->socket, sizeof(to->socket), "/run/gatepost/submission.sock");
	to->queue = true;
	to->timeout = 3000;
	if ((f = fopen(file, "re")) == NULL)
		return errno == ENOENT ? 0 : err_set(e, ERR_SYSTEM, "%s: %s", file, strerror(errno));
	while (r == 0 && fgets(line, sizeof(line), f) != NULL) {
		n++;
		r = strchr(line, '\n') == NULL && !feof(f) ? err_set(e, ERR_INPUT, "the line is too long") :
		    read_line(line, to, e);
	}
	fclose(f);
	return r == 0 ? 0 : err_at(e, file, n);
}
