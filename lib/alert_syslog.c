/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * alert_syslog - the sink that is always there: one line of key=value to the
 * facility that the desk reads.
 *
 * A sender controls several of the values. They are escaped (str_kv), and
 * shortened when the line would grow too long for the log: no long value pushes a
 * later key out of the line.
 */
#include "lib/alert_private.h"

#include <stdlib.h>
#include <string.h>

#include "lib/conf.h"
#include "lib/log.h"

#include "lib/banned.h"

#define ALERT_SYSLOG_LINE 2000	/* what log.h takes */

static int alert_syslog_open(const struct conf *c, void **self_r, struct err *e);
static void alert_syslog_tell(void *self, const struct alert_told *t);
static void alert_syslog_close(void *self);

const struct alert_sink alert_syslog = {
	.name = "syslog",
	.open = alert_syslog_open,
	.tell = alert_syslog_tell,
	.close = alert_syslog_close
};

static const struct { const char *severity; enum log_level level; } alert_syslog_levels[] = {
	{ "info", LOG_LEVEL_INFO }, { "notice", LOG_LEVEL_NOTICE }, { "warning", LOG_LEVEL_WARNING },
	{ "critical", LOG_LEVEL_ERROR }
};

static int
alert_syslog_open(const struct conf *c, void **self_r, struct err *e)
{
	const char *facility = c->alerts.facility == NULL ? "" : c->alerts.facility;

	if (facility[0] != '\0' && !log_facility_known(facility))
		return err_set(e, ERR_INPUT, "alerts.syslog.facility: no syslog facility: %s", facility);
	*self_r = strdup(facility);
	return *self_r == NULL ? err_set(e, ERR_SYSTEM, "out of memory") : 1;
}

static void
alert_syslog_close(void *self)
{
	free(self);
}

static enum log_level
alert_syslog_level(const char *severity)
{
	size_t i;

	for (i = 0; i < sizeof(alert_syslog_levels) / sizeof(alert_syslog_levels[0]); i++)
		if (strcmp(severity, alert_syslog_levels[i].severity) == 0)
			return alert_syslog_levels[i].level;
	return LOG_LEVEL_WARNING;
}

/* The line with no value longer than most bytes; false when it is still too long. */
static bool
alert_syslog_line(struct str *s, const struct alert_told *t, size_t most)
{
	char value[260];
	size_t i;

	str_cat(s, "alert");
	for (i = 0; i < t->n; i++) {
		if (most >= sizeof(value) || strlen(t->fields[i].value) <= most) {
			str_kv(s, t->fields[i].key, t->fields[i].value);
			continue;
		}
		(void)str_copy(value, most - 2, t->fields[i].value);
		memcpy(value + strlen(value), "...", sizeof("..."));
		str_kv(s, t->fields[i].key, value);
	}
	return !s->cut;
}

static void
alert_syslog_tell(void *self, const struct alert_told *t)
{
	static const size_t most[] = { 260, 100, 48, 24 };
	char line[ALERT_SYSLOG_LINE + 1];
	size_t i;

	for (i = 0; i < sizeof(most) / sizeof(most[0]); i++) {
		struct str s = STR_IN(line);

		if (alert_syslog_line(&s, t, most[i]))
			break;
	}
	log_line_facility(alert_syslog_level(t->severity), self, line);
}
