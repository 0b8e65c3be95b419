/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * log - lines to syslog, sent by a thread of their own.
 *
 * A message's thread copies its line into a queue and goes on; it wakes the
 * writer only when that sleeps. The writer takes everything queued at once,
 * sends it in batches (sendmmsg), then rests for LOG_REST so that the next
 * batch is worth a wake-up. Lines that syslogd does not take wait, in order and
 * bounded, while the socket is tried again; a daemon that was restarted is
 * found at the next line.
 *
 * It deliberately does not use syslog(3): that blocks the caller when the
 * daemon hangs. And it asks the wall clock itself (not clock.c), since people
 * compare these time stamps with those of the MTA.
 */
#include "lib/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "lib/banned.h"

#define LOG_LINE_MOST 2000	/* bytes of a line */
#define LOG_QUEUE_MOST 4096	/* lines waiting to be taken; and as many again waiting to be sent */
#define LOG_BATCH 32		/* datagrams of one system call */
#define LOG_DATAGRAM (LOG_LINE_MOST + 160)
#define LOG_REST 10		/* ms between two batches */
#define LOG_RETRY 1000		/* ms between two attempts to connect */
#define LOG_CLOSE_MOST 2000	/* ms that log_close may take */

struct log_entry {
	struct log_entry *next;
	time_t when;
	unsigned short priority;	/* facility and severity, as in <PRI> */
	unsigned short len;
	char text[];
};

struct log_list {
	struct log_entry *head, **tail;
	size_t n;
};

struct log_target {
	char ident[48];
	char socket[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	bool to_stderr;
	unsigned generation;	/* 0 = never opened */
};

static const struct { const char *name; unsigned code; } log_facilities[] = {
	{ "kern", 0 }, { "user", 1 }, { "mail", 2 }, { "daemon", 3 }, { "auth", 4 }, { "syslog", 5 },
	{ "lpr", 6 }, { "news", 7 }, { "uucp", 8 }, { "cron", 9 }, { "authpriv", 10 }, { "ftp", 11 },
	{ "local0", 16 }, { "local1", 17 }, { "local2", 18 }, { "local3", 19 }, { "local4", 20 },
	{ "local5", 21 }, { "local6", 22 }, { "local7", 23 }
};

static const unsigned char log_severity[] = { 3, 4, 5, 6, 7 };	/* of enum log_level */

static pthread_mutex_t log_open_lock = PTHREAD_MUTEX_INITIALIZER;	/* one open or close at a time */
static pthread_t log_thread;		/* log_open_lock */

static pthread_mutex_t log_queue_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t log_once = PTHREAD_ONCE_INIT;
/* On CLOCK_MONOTONIC. Made by log_once and never destroyed: a late line may still signal it. */
static pthread_cond_t log_queue_wake;
static struct log_list log_queue;	/* log_queue_lock */
static struct log_target log_target;	/* log_queue_lock; the writer works with a copy */
static bool log_asleep, log_stop;	/* log_queue_lock */

static atomic_bool log_running;
static atomic_int log_most = LOG_LEVEL_INFO;
static atomic_uint log_facility = 2;
static atomic_uint_fast64_t log_lost;

/* What only the writer touches; set up before it starts. */
static struct {
	struct log_target target;
	struct log_list unsent;
	int fd;			/* -1: not connected */
	uint64_t next_try;	/* log_clock() */
	uint64_t told_lost;
	time_t stamp_of;	/* the second that stamp says */
	char stamp[96];		/* "Jan  1 00:00:00 ident[pid]: " */
	size_t stamp_len;
	char space[LOG_BATCH][LOG_DATAGRAM];
} log_writer;

static uint64_t
log_clock(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int
log_facility_code(const char *name)
{
	size_t i;

	for (i = 0; name != NULL && i < sizeof(log_facilities) / sizeof(log_facilities[0]); i++)
		if (strcasecmp(name, log_facilities[i].name) == 0)
			return (int)log_facilities[i].code;
	return -1;
}

bool
log_facility_known(const char *name)
{
	return log_facility_code(name) >= 0;
}

/* ---- the caller's side ---------------------------------------------- */

/* Copies a line, harmless and of bounded length; returns its length. */
static size_t
log_copy(char *to, const char *line, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		to[i] = (unsigned char)line[i] < 0x20 || line[i] == 0x7f ? '?' : line[i];
	to[n] = '\0';
	return n;
}

static size_t
log_length(const char *line)
{
	size_t n = strnlen(line, LOG_LINE_MOST + 1);

	if (n <= LOG_LINE_MOST)
		return n;
	/* No half of a UTF-8 character at the end. */
	for (n = LOG_LINE_MOST; n > LOG_LINE_MOST - 3 && ((unsigned char)line[n] & 0xc0) == 0x80; n--)
		;
	return n;
}

static void
log_to_stderr_now(const char *line)
{
	char text[LOG_LINE_MOST + 2];
	size_t n = log_copy(text, line, log_length(line));
	ssize_t ignored;

	text[n++] = '\n';
	ignored = write(STDERR_FILENO, text, n);
	(void)ignored;
}

static void
log_list_clear(struct log_list *l)
{
	l->head = NULL;
	l->tail = &l->head;
	l->n = 0;
}

static void
log_list_add(struct log_list *l, struct log_entry *e)
{
	e->next = NULL;
	*l->tail = e;
	l->tail = &e->next;
	l->n++;
}

static struct log_entry *
log_list_take(struct log_list *l)
{
	struct log_entry *e = l->head;

	if (e != NULL) {
		l->head = e->next;
		if (l->head == NULL)
			l->tail = &l->head;
		l->n--;
	}
	return e;
}

static struct log_entry *
log_entry_new(unsigned facility, enum log_level level, const char *line)
{
	size_t n = log_length(line);
	struct log_entry *e = malloc(sizeof(*e) + n + 1);

	if (e == NULL)
		return NULL;
	e->when = time(NULL);
	e->priority = (unsigned short)(facility * 8 + log_severity[level]);
	e->len = (unsigned short)log_copy(e->text, line, n);
	return e;
}

/* False when the writer has been stopped meanwhile: the line is the caller's again. */
static bool
log_queue_add(struct log_entry *e)
{
	bool wake, full;

	(void)pthread_mutex_lock(&log_queue_lock);
	if (log_stop) {
		(void)pthread_mutex_unlock(&log_queue_lock);
		return false;
	}
	full = log_queue.n >= LOG_QUEUE_MOST;
	if (!full)
		log_list_add(&log_queue, e);
	wake = log_asleep;
	log_asleep = false;
	(void)pthread_mutex_unlock(&log_queue_lock);

	if (wake)
		(void)pthread_cond_signal(&log_queue_wake);
	if (full) {
		free(e);
		atomic_fetch_add(&log_lost, 1);
	}
	return true;
}

static void
log_put(unsigned facility, enum log_level level, const char *line)
{
	struct log_entry *e;

	if (!atomic_load(&log_running)) {
		log_to_stderr_now(line);
		return;
	}
	e = log_entry_new(facility, level, line);
	if (e == NULL) {
		atomic_fetch_add(&log_lost, 1);
	} else if (!log_queue_add(e)) {
		log_to_stderr_now(e->text);
		free(e);
	}
}

void
log_line(enum log_level level, const char *line)
{
	if ((int)level <= atomic_load_explicit(&log_most, memory_order_relaxed))
		log_put(atomic_load_explicit(&log_facility, memory_order_relaxed), level, line);
}

void
log_line_facility(enum log_level level, const char *facility, const char *line)
{
	int code = log_facility_code(facility);

	log_put(code >= 0 ? (unsigned)code : atomic_load(&log_facility), level, line);
}

void
log_printf(enum log_level level, const char *fmt, ...)
{
	char line[LOG_LINE_MOST + 1];
	va_list ap;

	if ((int)level > atomic_load_explicit(&log_most, memory_order_relaxed))
		return;
	va_start(ap, fmt);
	if (vsnprintf(line, sizeof(line), fmt, ap) < 0)
		line[0] = '\0';
	va_end(ap);
	log_line(level, line);
}

uint64_t
log_dropped(void)
{
	return atomic_load(&log_lost);
}

/* ---- the writer ------------------------------------------------------ */

/* "Jan  1 00:00:00 gatepost[4711]: " (RFC 3164 section 4.1.2; names of months are never translated). */
static void
log_writer_stamp(time_t when)
{
	static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep",
		"Oct", "Nov", "Dec" };
	struct tm t;
	int n;

	if (when == log_writer.stamp_of && log_writer.stamp_len > 0)
		return;
	if (localtime_r(&when, &t) == NULL)
		memset(&t, 0, sizeof(t));
	n = snprintf(log_writer.stamp, sizeof(log_writer.stamp),
	    "%s %2d %02d:%02d:%02d %s[%ld]: ", months[t.tm_mon % 12], t.tm_mday, t.tm_hour, t.tm_min,
	    t.tm_sec, log_writer.target.ident, (long)getpid());
	log_writer.stamp_len = n < 0 ? 0 : strlen(log_writer.stamp);
	log_writer.stamp_of = when;
}

/* One line as it is sent; priority false leaves <PRI> out. Returns its length. */
static size_t
log_writer_format(const struct log_entry *e, bool priority, char to[LOG_DATAGRAM])
{
	size_t n = 0;

	if (priority)
		n = (size_t)snprintf(to, LOG_DATAGRAM, "<%u>", (unsigned)e->priority);
	log_writer_stamp(e->when);
	memcpy(to + n, log_writer.stamp, log_writer.stamp_len);
	n += log_writer.stamp_len;
	memcpy(to + n, e->text, e->len);
	return n + e->len;
}

/* A pipe that poll calls writable takes PIPE_BUF bytes without blocking, and no line
 * is longer: whoever reads standard error cannot hold up the log. */
static void
log_writer_stderr(const struct log_entry *e)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };
	char *text = log_writer.space[0];
	size_t n = log_writer_format(e, false, text);
	ssize_t ignored;

	_Static_assert(LOG_DATAGRAM < PIPE_BUF, "a line is one write");
	text[n++] = '\n';
	if (poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) != 0) {
		ignored = write(STDERR_FILENO, text, n);
		(void)ignored;
	}
}

/* Takes what is queued: to standard error at once, and behind what is still unsent. */
static void
log_writer_accept(struct log_list *l)
{
	struct log_entry *e;

	while ((e = log_list_take(l)) != NULL) {
		if (log_writer.target.to_stderr)
			log_writer_stderr(e);
		if (log_writer.target.socket[0] == '\0') {
			free(e);
		} else if (log_writer.unsent.n >= LOG_QUEUE_MOST) {
			free(e);
			atomic_fetch_add(&log_lost, 1);
		} else {
			log_list_add(&log_writer.unsent, e);
		}
	}
}

static void
log_writer_disconnect(void)
{
	if (log_writer.fd >= 0)
		(void)close(log_writer.fd);
	log_writer.fd = -1;
}

static bool
log_writer_connect(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	uint64_t now = log_clock();

	if (log_writer.fd >= 0)
		return true;
	if (now < log_writer.next_try)
		return false;
	log_writer.next_try = now + LOG_RETRY;
	log_writer.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (log_writer.fd < 0)
		return false;
	_Static_assert(sizeof(to.sun_path) == sizeof(log_writer.target.socket), "same room");
	memcpy(to.sun_path, log_writer.target.socket, sizeof(to.sun_path));
	if (connect(log_writer.fd, (const struct sockaddr *)&to, sizeof(to)) != 0) {
		log_writer_disconnect();
		return false;
	}
	return true;
}

/* Frees the first n unsent lines. */
static void
log_writer_sent(size_t n)
{
	for (; n > 0; n--)
		free(log_list_take(&log_writer.unsent));
}

/* Sends one batch. Returns how many went, -1 with errno. */
static int
log_writer_batch(void)
{
	struct mmsghdr m[LOG_BATCH];
	struct iovec v[LOG_BATCH];
	struct log_entry *e = log_writer.unsent.head;
	unsigned n;

	memset(m, 0, sizeof(m));
	for (n = 0; n < LOG_BATCH && e != NULL; n++, e = e->next) {
		v[n].iov_base = log_writer.space[n];
		v[n].iov_len = log_writer_format(e, true, log_writer.space[n]);
		m[n].msg_hdr.msg_iov = &v[n];
		m[n].msg_hdr.msg_iovlen = 1;
	}
	return sendmmsg(log_writer.fd, m, n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

enum log_sent { LOG_ALL_SENT, LOG_SOCKET_FULL, LOG_SOCKET_GONE };

/* Sends until nothing is left, the socket is full, or nobody is there. */
static enum log_sent
log_writer_send(void)
{
	bool again = true;
	int n;

	while (log_writer.unsent.n > 0) {
		if (!log_writer_connect())
			return LOG_SOCKET_GONE;
		n = log_writer_batch();
		if (n > 0) {
			log_writer_sent((size_t)n);
		} else if (n < 0 && errno == EMSGSIZE) {
			log_writer_sent(1);
			atomic_fetch_add(&log_lost, 1);
		} else if (n == 0 || errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM) {
			return LOG_SOCKET_FULL;
		} else if (errno != EINTR) {
			/* The daemon was restarted: its new socket stands under the old name. */
			log_writer_disconnect();
			if (again)
				log_writer.next_try = 0;
			again = false;
		}
	}
	return LOG_ALL_SENT;
}

/* Says how many lines were lost, once there is room again. */
static void
log_writer_tell_lost(void)
{
	uint64_t lost = atomic_load(&log_lost);
	struct log_list one;
	struct log_entry *e;
	char line[128];

	if (lost == log_writer.told_lost)
		return;
	(void)snprintf(line, sizeof(line),
	    "log: %llu lines dropped: the syslog daemon did not take them in time",
	    (unsigned long long)(lost - log_writer.told_lost));
	e = log_entry_new(atomic_load(&log_facility), LOG_LEVEL_WARNING, line);
	if (e == NULL)
		return;
	log_writer.told_lost = lost;
	log_list_clear(&one);
	log_list_add(&one, e);
	log_writer_accept(&one);
}

/* Waits for lines, new settings or the stop, unless until (log_clock) comes first;
 * takes what is there. Returns true when it is time to stop. */
static bool
log_writer_wait(uint64_t until, struct log_list *to)
{
	struct timespec t = { .tv_sec = (time_t)(until / 1000), .tv_nsec = (long)(until % 1000) * 1000000 };
	bool stop;
	int r = 0;

	log_list_clear(to);
	(void)pthread_mutex_lock(&log_queue_lock);
	while (log_queue.n == 0 && !log_stop && log_target.generation == log_writer.target.generation &&
	    r == 0) {
		log_asleep = true;
		if (until == 0)
			r = ETIMEDOUT;
		else if (until == UINT64_MAX)
			r = pthread_cond_wait(&log_queue_wake, &log_queue_lock);
		else
			r = pthread_cond_timedwait(&log_queue_wake, &log_queue_lock, &t);
	}
	log_asleep = false;
	if (log_target.generation != log_writer.target.generation) {
		log_writer.target = log_target;
		log_writer.stamp_len = 0;
		log_writer.next_try = 0;
		log_writer_disconnect();
	}
	if (log_queue.n > 0) {
		*to = log_queue;
		log_list_clear(&log_queue);
	}
	stop = log_stop;
	(void)pthread_mutex_unlock(&log_queue_lock);
	return stop;
}

/* Rests so that lines come in batches; or, the socket being full, until it is not. */
static void
log_writer_rest(enum log_sent how)
{
	struct pollfd p = { .fd = how == LOG_SOCKET_FULL ? log_writer.fd : -1, .events = POLLOUT };

	(void)poll(&p, 1, LOG_REST);
}

/* The last lines, for LOG_CLOSE_MOST at most; not worth waiting when nobody is there. */
static void
log_writer_finish(void)
{
	uint64_t until = log_clock() + LOG_CLOSE_MOST;
	enum log_sent how;

	log_writer.next_try = 0;
	log_writer_tell_lost();
	while ((how = log_writer_send()) == LOG_SOCKET_FULL && log_clock() < until)
		log_writer_rest(how);
	atomic_fetch_add(&log_lost, log_writer.unsent.n);
	log_writer_sent(log_writer.unsent.n);
	log_writer_disconnect();
}

static void *
log_writer_main(void *unused)
{
	enum log_sent how = LOG_ALL_SENT;
	struct log_list taken;
	uint64_t until;
	bool stop = false;

	(void)unused;
	while (!stop) {
		until = how == LOG_ALL_SENT ? UINT64_MAX : how == LOG_SOCKET_GONE ? log_writer.next_try : 0;
		stop = log_writer_wait(until, &taken);
		log_writer_accept(&taken);
		how = log_writer_send();
		if (how == LOG_ALL_SENT) {
			log_writer_tell_lost();
			how = log_writer_send();
		}
		if (!stop)
			log_writer_rest(how);
	}
	log_writer_finish();
	return NULL;
}

/* ---- start and stop ---------------------------------------------------- */

static void
log_prepare(void)
{
	pthread_condattr_t attr;

	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&log_queue_wake, &attr);
	(void)pthread_condattr_destroy(&attr);
	log_list_clear(&log_queue);
	log_list_clear(&log_writer.unsent);
}

static bool
log_start(void)
{
	sigset_t all, before;
	int r;

	log_writer.fd = -1;
	log_writer.next_try = 0;
	log_writer.stamp_len = 0;
	log_writer.told_lost = atomic_load(&log_lost);
	log_writer.target = log_target;

	/* Signals belong to the main thread. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&log_thread, NULL, log_writer_main, NULL);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r == 0;
}

static void
log_text_copy(char *to, size_t size, const char *from)
{
	size_t n = from == NULL ? 0 : strnlen(from, size - 1);

	if (n > 0)
		memcpy(to, from, n);
	memset(to + n, 0, size - n);
}

void
log_open(const struct log_settings *s)
{
	int code = log_facility_code(s->facility);
	bool running;

	(void)pthread_once(&log_once, log_prepare);
	(void)pthread_mutex_lock(&log_open_lock);
	tzset();
	running = atomic_load(&log_running);
	atomic_store(&log_most, (int)s->most);
	if (code >= 0)
		atomic_store(&log_facility, (unsigned)code);

	(void)pthread_mutex_lock(&log_queue_lock);
	log_text_copy(log_target.ident, sizeof(log_target.ident), s->ident);
	log_text_copy(log_target.socket, sizeof(log_target.socket), s->socket);
	log_target.to_stderr = s->to_stderr;
	log_target.generation++;
	if (!running)
		log_stop = false;
	(void)pthread_mutex_unlock(&log_queue_lock);

	if (running)
		(void)pthread_cond_signal(&log_queue_wake);
	else if (log_start())
		atomic_store(&log_running, true);
	else
		log_to_stderr_now("log: cannot start the writer thread; lines go to standard error");
	(void)pthread_mutex_unlock(&log_open_lock);
}

void
log_close(void)
{
	(void)pthread_mutex_lock(&log_open_lock);
	if (atomic_load(&log_running)) {
		(void)pthread_mutex_lock(&log_queue_lock);
		log_stop = true;
		(void)pthread_mutex_unlock(&log_queue_lock);
		(void)pthread_cond_signal(&log_queue_wake);
		(void)pthread_join(log_thread, NULL);
		atomic_store(&log_running, false);
	}
	(void)pthread_mutex_unlock(&log_open_lock);
}
