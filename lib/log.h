/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_LOG_H
#define LIB_LOG_H
/*
 * log - lines to syslog (RFC 3164 form over a datagram socket) or, in the
 * foreground, to standard error as well.
 *
 * A line is put in a bounded queue and sent by an own thread: a syslog
 * daemon that hangs never holds up a message. When the queue is full the line
 * is dropped and counted; the count is logged once there is room.
 * Callable from any thread. Lines must be free of control characters: build them
 * with str_kv / str_cat_safe. As a second belt, log_line replaces control characters by '?'.
 */
#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_NOTICE, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Before log_open, lines go to standard error at once. */
struct log_settings {
	const char *ident;	/* "gatepost" */
	const char *facility;	/* "mail", "local0"..., "daemon" */
	const char *socket;	/* "/dev/log"; "" = none */
	bool to_stderr;		/* also write to standard error */
	enum log_level most;	/* lines of a higher level are left out */
};

/* True when name is a syslog facility. */
bool log_facility_known(const char *name);
/* Starts the writer thread, or changes the settings of a running one. The strings are copied. */
void log_open(const struct log_settings *s);
/* Sends what is queued (at most 2 s) and stops the thread. */
void log_close(void);
/* Queues one line of at most 2,000 bytes. */
void log_line(enum log_level level, const char *line);
void log_printf(enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* For alerts, which may go to a facility of their own ("" = the one of log_open): queued whatever
 * the most level says, since an alert is not a log line that one may turn down. */
void log_line_facility(enum log_level level, const char *facility, const char *line);
/* Lines dropped since the start. */
uint64_t log_dropped(void);

#endif
