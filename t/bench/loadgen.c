/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * loadgen - loads a milter as many Postfix processes would, checks every reply, and measures.
 *
 *     loadgen [options] SOCKET
 *       -n N        sessions at once (8)              -t SECONDS  how long (5)
 *       -m N        messages a session (10)           -w SECONDS  not counted at the start (1)
 *       -r N        recipients (1)                    -H N        header fields, the least is 5 (16)
 *       -b N        body bytes, sent if wanted (4000) -i N        identities cycled through (1000)
 *       -R RATE     open loop: messages begin at this rate whatever happens; latency counts from when due
 *       -p PID      the filter: its CPU time a message, and resident memory
 *       -I N        no load: N idle sessions; prints memory before and with them
 *       -P N        processes sharing the sessions (1)
 *       -S          no load: SOCKET is a syslog socket whose lines are read and dropped until SIGTERM
 *       -c N        stop after N messages; with -1 in identity order (fills a store); no warming up
 *       -L, -D      login and domain patterns with %lu (u%lu@d%lu.example: identity, identity / 10)
 *
 * A closed loop over sessions in one epoll thread: each session sends its next message when the last was
 * answered. Latency runs from MAIL to the answer at end of message. One line of name=value comes out. An
 * answer other than acceptance, or a broken session, counts as an error and makes the exit status 1.
 *
 * Deliberately not here: Postfix itself (run-postfix), the judgment of figures (run).
 */
#include "t/milter/mta.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum phase { WAITING, NEGOTIATING, AT_CONNECT, AT_HELO, OPENED, AT_MAIL, AT_RCPT, AT_DATA, AT_HEADER,
	AT_EOH, AT_BODY, AT_END };

struct session {
	struct mta mta;
	enum phase phase;
	unsigned step;			/* recipient or header number within the phase */
	unsigned messages;		/* done in this session */
	unsigned long identity, serial;
	uint64_t began;			/* ns; when due, in the open loop */
	bool writing;			/* epoll also waits for room to write */
	struct session *next_free;
};

/* Latency in buckets 2 % wide from 1 us: exact enough for a p99, constant in memory. */
#define BUCKETS 1024
#define BUCKET_STEP 1.02

struct tally {
	uint64_t messages, errors, sessions;
	uint64_t buckets[BUCKETS];
	double cpu;			/* the generator's own */
	char error[300];
};

static struct {
	unsigned sessions, per_session, recipients, headers, body, idle, processes;
	unsigned long identities, count;
	double seconds, warm, rate;
	pid_t pid;
	const char *socket, *login, *domain;
	bool in_order, sink;
} opt = { .sessions = 8, .per_session = 10, .recipients = 1, .headers = 20, .body = 4000, .processes = 1,
	.identities = 1000, .seconds = 5, .warm = 1, .login = "u%lu", .domain = "d%lu.example" };

static struct tally *tally;		/* this process's, in shared memory */
static uint64_t counting_from, stop_at;
static unsigned long serial, serial_step = 1;
static int epoll;
static char body_bytes[65535];

static uint64_t
now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void
note(uint64_t ns)
{
	double us = (double)ns / 1000.0;
	int at = us <= 1 ? 0 : (int)(log(us) / log(BUCKET_STEP));

	tally->buckets[at >= BUCKETS ? BUCKETS - 1 : at]++;
}

static double
percentile(const struct tally *t, double share)
{
	uint64_t want = (uint64_t)((double)t->messages * share), seen = 0;

	for (int i = 0; i < BUCKETS; i++) {
		seen += t->buckets[i];
		if (seen > want)
			return pow(BUCKET_STEP, i + 0.5);
	}
	return 0;
}

/* ---- what a message consists of ---- */

/* Visits identities in no order, so that neither tables nor stores profit from neighbours. */
static unsigned long
next_identity(void)
{
	unsigned long n = serial;

	serial += serial_step;
	return opt.in_order ? n % opt.identities :
	    (unsigned long)((n * 0x9e3779b97f4a7c15ull >> 16) % opt.identities);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void
put_sender(struct session *s, bool mail, bool *awaited)
{
	char local[64], domain[80], address[200], login[160];

	(void)snprintf(local, sizeof local, opt.login, s->identity);
	(void)snprintf(domain, sizeof domain, opt.domain, s->identity / 10);
	(void)snprintf(login, sizeof login, "%.63s@%.79s", local, domain);
	(void)snprintf(address, sizeof address, "<%s>", login);
	if (mail) {
		mta_macro(&s->mta, "{auth_type}", "PLAIN");
		mta_macro(&s->mta, "{auth_authen}", login);
		*awaited = mta_put_mail(&s->mta, address, NULL, 0);
	} else {
		*awaited = mta_put_header(&s->mta, "From", address);
	}
}
#pragma GCC diagnostic pop

static bool
put_header(struct session *s, unsigned n)
{
	static const char *const fixed[][2] = {
		{ "Date", "Thu, 15 Jan 2026 10:00:00 +0000" }, { "To", "someone@dest.example" },
		{ "Subject", "The weekly figures, as promised on the telephone" },
	};
	char name[32], value[120];
	bool awaited;

	if (n == 0) {
		put_sender(s, false, &awaited);
		return awaited;
	}
	if (n == 1) {
		(void)snprintf(value, sizeof value, "<%lx.%lx.%d@client.example>", s->identity, s->serial,
		    (int)getpid());
		return mta_put_header(&s->mta, "Message-ID", value);
	}
	if (n < 5)
		return mta_put_header(&s->mta, fixed[n - 2][0], fixed[n - 2][1]);
	(void)snprintf(name, sizeof name, "X-Field-%u", n);
	return mta_put_header(&s->mta, name, "a value of the usual length, such as programs like to write");
}

static bool
put_recipient(struct session *s, unsigned n)
{
	char address[80];

	(void)snprintf(address, sizeof address, "<r%u.%lu@dest.example>", n, s->identity);
	return mta_put_rcpt(&s->mta, address, NULL, 0);
}

/* ---- sessions ---- */

static void
watch(struct session *s, bool writing)
{
	struct epoll_event e = { .events = EPOLLIN | (writing ? EPOLLOUT : 0u), .data.ptr = s };

	if (s->writing != writing)
		(void)epoll_ctl(epoll, EPOLL_CTL_MOD, s->mta.fd, &e);
	s->writing = writing;
}

static bool
open_session(struct session *s)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = s };

	mta_init(&s->mta);
	s->messages = 0;
	s->writing = false;
	s->phase = NEGOTIATING;
	if (mta_dial(&s->mta, opt.socket) < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, s->mta.fd, &e) < 0)
		return false;
	tally->sessions++;
	mta_put_negotiate(&s->mta);
	return mta_flush_try(&s->mta) >= 0;
}

static void
broken(struct session *s, const char *what)
{
	tally->errors++;
	if (tally->error[0] == '\0')
		(void)snprintf(tally->error, sizeof tally->error, "%s", what);
	mta_close(&s->mta);
	s->phase = WAITING;
}

static void
begin_message(struct session *s, uint64_t due)
{
	s->serial = serial;
	s->identity = next_identity();
	s->began = due;
	s->phase = AT_MAIL;
	s->step = 0;
	(void)snprintf(s->mta.queue_id, sizeof s->mta.queue_id, "4%lX", s->serial & 0xffffffffff);
}

/* Puts the next event. 1: a reply is awaited, 0: go on, -1: the message is over. */
static int
put_next(struct session *s)
{
	struct mta *m = &s->mta;
	bool awaited = false;

	switch (s->phase) {
	case AT_CONNECT:
		s->phase = AT_HELO;
		return mta_put_connect(m, "client.example", "192.0.2.1", 40000);
	case AT_HELO:
		s->phase = OPENED;
		return mta_put_helo(m, "client.example");
	case OPENED:
		begin_message(s, s->began);
		return 0;
	case AT_MAIL:
		s->phase = AT_RCPT;
		put_sender(s, true, &awaited);
		return awaited;
	case AT_RCPT:
		if (s->step < opt.recipients)
			return put_recipient(s, s->step++);
		s->phase = AT_DATA;
		return 0;
	case AT_DATA:
		s->step = 0;
		s->phase = AT_HEADER;
		awaited = mta_put_data(m);
		(void)mta_flush_try(m);		/* smtpd hands over to cleanup */
		return awaited;
	case AT_HEADER:
		if (s->step < opt.headers)
			return put_header(s, s->step++);
		s->phase = AT_EOH;
		return 0;
	case AT_EOH:
		s->phase = AT_BODY;
		return mta_put_eoh(m);
	case AT_BODY:
		s->phase = AT_END;
		return mta_put_body(m, body_bytes, opt.body);
	case AT_END:
		s->phase = WAITING;
		return mta_put_end(m);
	default:
		return -1;
	}
}

static void
message_done(struct session *s)
{
	uint64_t now = now_ns();

	s->messages++;
	if (now < counting_from)
		return;
	tally->messages++;
	note(now - s->began);
}

static struct session *free_sessions, **free_end = &free_sessions;

static void
rest(struct session *s)
{
	s->next_free = NULL;
	*free_end = s;
	free_end = &s->next_free;
}

static struct session *
take_free(void)
{
	struct session *s = free_sessions;

	if (s != NULL && (free_sessions = s->next_free) == NULL)
		free_end = &free_sessions;
	return s;
}

/* Drives a session until it waits for something. */
static void
advance(struct session *s)
{
	for (;;) {
		int answer = put_next(s);
		if (answer == 0)
			continue;
		if (s->mta.failed || mta_flush_try(&s->mta) < 0) {
			broken(s, s->mta.error);
			rest(s);
			return;
		}
		watch(s, s->mta.out.used > 0);
		if (answer < 0)
			rest(s);
		return;
	}
}

static void
start_message(struct session *s, uint64_t due)
{
	if (s->mta.fd >= 0 && s->messages >= opt.per_session) {
		(void)mta_quit(&s->mta);
		mta_close(&s->mta);
	}
	if (s->mta.fd < 0) {
		s->began = due;
		if (!open_session(s)) {
			broken(s, s->mta.error);
			rest(s);
		}
		return;
	}
	begin_message(s, due);
	advance(s);
}

static void
answered(struct session *s)
{
	char text[300];

	if (s->phase == NEGOTIATING) {
		s->phase = AT_CONNECT;
		advance(s);
	} else if (!mta_passed(&s->mta) || mta_quarantine(&s->mta) != NULL) {
		(void)snprintf(text, sizeof text, "answer %c %.250s", s->mta.reply.code, s->mta.reply.text);
		broken(s, text);
		rest(s);
	} else if (s->phase == WAITING) {
		message_done(s);
		rest(s);
	} else {
		advance(s);
	}
}

static void
readable(struct session *s)
{
	int answer;

	if (s->mta.fd < 0)
		return;
	if (s->mta.out.used > 0) {
		if (mta_flush_try(&s->mta) < 0) {
			broken(s, s->mta.error);
			rest(s);
			return;
		}
		watch(s, s->mta.out.used > 0);
	}
	answer = mta_reply_try(&s->mta);
	if (answer < 0) {
		bool idle = s->phase == WAITING && s->mta.event == 0;
		broken(s, s->mta.error);
		if (!idle)
			rest(s);	/* an idle one is on the free list already */
	} else if (answer > 0) {
		answered(s);
	}
}

/* ---- the loop ---- */

static unsigned long
wanted_now(uint64_t now, uint64_t start, unsigned long begun)
{
	if (opt.count > 0)
		return opt.count > begun ? opt.count - begun : 0;
	if (opt.rate <= 0)
		return ULONG_MAX;
	unsigned long due = (unsigned long)((double)(now - start) * 1e-9 * opt.rate) + 1;
	return due > begun ? due - begun : 0;
}

static void
begin_due(uint64_t start, unsigned long *begun)
{
	uint64_t now = now_ns();
	unsigned long n = wanted_now(now, start, *begun);
	struct session *s;

	if (now >= stop_at)
		return;
	/* At most all sessions once: one that cannot be opened must not be tried in a tight loop. */
	for (unsigned tries = 0; n-- > 0 && tries < opt.sessions && (s = take_free()) != NULL; tries++) {
		uint64_t due = opt.rate > 0 ? start + (uint64_t)((double)*begun * 1e9 / opt.rate) : now;
		(*begun)++;
		start_message(s, due);
	}
}

static unsigned
count_free(void)
{
	unsigned n = 0;

	for (const struct session *s = free_sessions; s != NULL; s = s->next_free)
		n++;
	return n;
}

static void
load(void)
{
	struct session *all = calloc(opt.sessions, sizeof *all);
	struct epoll_event events[64];
	unsigned long begun = 0;
	uint64_t start = now_ns();
	struct timespec cpu;

	if (all == NULL)
		return;
	epoll = epoll_create1(EPOLL_CLOEXEC);
	for (unsigned i = 0; i < opt.sessions; i++) {
		all[i].mta.fd = -1;
		rest(&all[i]);
	}
	while (now_ns() < stop_at || count_free() < opt.sessions) {
		begin_due(start, &begun);
		if (opt.count > 0 && begun >= opt.count && count_free() == opt.sessions)
			break;
		if (now_ns() > stop_at + 10000000000u)
			break;			/* someone never answered: counted below */
		int n = epoll_wait(epoll, events, 64, opt.rate > 0 ? 1 : 100);
		for (int i = 0; i < n; i++)
			readable(events[i].data.ptr);
	}
	for (unsigned i = 0; i < opt.sessions; i++) {
		if (all[i].mta.event != 0)
			broken(&all[i], "no answer in time");
		else if (all[i].mta.fd >= 0)
			(void)mta_quit(&all[i].mta);
		mta_close(&all[i].mta);
	}
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	tally->cpu = (double)cpu.tv_sec + (double)cpu.tv_nsec * 1e-9;
	free(all);
}

/* ---- the filter's costs ---- */

static double
filter_cpu(void)
{
	clockid_t id;
	struct timespec t;

	if (opt.pid == 0 || clock_getcpuclockid(opt.pid, &id) != 0 || clock_gettime(id, &t) < 0)
		return 0;
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static unsigned long
filter_memory(const char *field)
{
	char path[64], line[256];
	unsigned long kb = 0;
	FILE *f;

	(void)snprintf(path, sizeof path, "/proc/%d/status", (int)opt.pid);
	if (opt.pid == 0 || (f = fopen(path, "r")) == NULL)
		return 0;
	while (fgets(line, sizeof line, f) != NULL)
		if (strncmp(line, field, strlen(field)) == 0)
			kb = strtoul(line + strlen(field), NULL, 10);
	(void)fclose(f);
	return kb;
}

static int
idle(void)
{
	struct mta *all = calloc(opt.idle, sizeof *all);
	unsigned long before = filter_memory("VmRSS:");
	unsigned broken_ones = 0;
	struct timespec settle = { 1, 0 };

	if (all == NULL)
		return 1;
	for (unsigned i = 0; i < opt.idle; i++) {
		mta_init(&all[i]);
		if (mta_open(&all[i], opt.socket) < 0 ||
		    mta_connect(&all[i], "client.example", "192.0.2.1", 40000) < 0 ||
		    mta_helo(&all[i], "client.example") < 0 || mta_flush(&all[i]) < 0)
			broken_ones++;
	}
	(void)nanosleep(&settle, NULL);
	unsigned long with = filter_memory("VmRSS:");
	for (unsigned i = 0; i < opt.idle; i++) {	/* each must still be served */
		if (!all[i].failed && (mta_abort(&all[i]) < 0 || mta_closed(&all[i], 0) != 0))
			broken_ones++;
		(void)mta_quit(&all[i]);
		mta_close(&all[i]);
	}
	printf("idle=%u rss_kb=%lu rss_idle_kb=%lu per_session_kb=%.2f errors=%u\n", opt.idle, before, with,
	    (double)(with - before) / (double)opt.idle, broken_ones);
	free(all);
	return broken_ones > 0;
}

/* Sleeps to the moment when counting begins, and returns the filter's CPU then. */
static double
cpu_at_start(void)
{
	uint64_t now = now_ns();

	if (counting_from > now) {
		struct timespec t = { (time_t)((counting_from - now) / 1000000000u),
			(long)((counting_from - now) % 1000000000u) };
		(void)nanosleep(&t, NULL);
	}
	return filter_cpu();
}

static int
report(const struct tally *all, double elapsed, double cpu)
{
	struct tally sum = { 0 };

	for (unsigned p = 0; p < opt.processes; p++) {
		sum.messages += all[p].messages;
		sum.errors += all[p].errors;
		sum.sessions += all[p].sessions;
		sum.cpu += all[p].cpu;
		for (int i = 0; i < BUCKETS; i++)
			sum.buckets[i] += all[p].buckets[i];
		if (all[p].error[0] != '\0')
			fprintf(stderr, "loadgen: first error: %s\n", all[p].error);
	}
	printf("messages=%lu rate=%.1f p50_us=%.0f p99_us=%.0f cpu_us=%.1f sessions=%lu errors=%lu rss_kb=%lu"
	    " generator_cpu_s=%.2f\n", (unsigned long)sum.messages, (double)sum.messages / elapsed,
	    percentile(&sum, 0.5), percentile(&sum, 0.99),
	    sum.messages > 0 ? cpu * 1e6 / (double)sum.messages : 0, (unsigned long)sum.sessions,
	    (unsigned long)sum.errors, filter_memory("VmRSS:"), sum.cpu);
	return sum.errors > 0 || sum.messages == 0;
}

static int
run(void)
{
	struct tally *all = mmap(NULL, opt.processes * sizeof *all, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t start = now_ns();

	if (all == MAP_FAILED)
		return 1;
	counting_from = start + (uint64_t)(opt.warm * 1e9);
	stop_at = counting_from + (uint64_t)(opt.seconds * 1e9);
	opt.sessions /= opt.processes;
	opt.rate /= opt.processes;
	opt.count /= opt.processes;
	serial_step = opt.processes;
	for (unsigned p = 0; p < opt.processes; p++) {
		pid_t child = fork();
		if (child == 0) {
			tally = &all[p];
			serial = p + (opt.in_order ? 0 : (unsigned long)(start >> 10));
			load();
			_exit(0);
		}
	}
	double cpu = cpu_at_start();
	while (wait(NULL) > 0 || errno == EINTR)
		;
	/* Messages under way at stop_at were waited for and counted, so time counts to here. */
	return report(all, (double)(now_ns() - counting_from) * 1e-9, filter_cpu() - cpu);
}

/* A daemon that logs must not profit from there being no syslog daemon. */
static int
sink(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char line[8192];

	(void)snprintf(a.sun_path, sizeof a.sun_path, "%s", opt.socket);
	(void)unlink(opt.socket);
	(void)umask(0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) < 0) {
		perror(opt.socket);
		return 1;
	}
	for (;;)
		(void)recv(fd, line, sizeof line, 0);
}

static int
usage(void)
{
	fputs("usage: loadgen [-1S] [-n sessions] [-m messages] [-t seconds] [-w seconds] [-r recipients]\n"
	    "               [-H headers] [-b bytes] [-i identities] [-R rate] [-p pid] [-I idle] [-P processes]\n"
	    "               [-c messages] [-L login] [-D domain] socket\n", stderr);
	return 2;
}

int
main(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "1Sn:m:t:w:r:H:b:i:R:p:I:P:c:L:D:")) != -1) {
		unsigned long n = optarg != NULL ? strtoul(optarg, NULL, 10) : 0;
		switch (c) {
		case '1': opt.in_order = true; break;
		case 'S': opt.sink = true; break;
		case 'n': opt.sessions = (unsigned)n; break;
		case 'm': opt.per_session = (unsigned)n; break;
		case 't': opt.seconds = strtod(optarg, NULL); break;
		case 'w': opt.warm = strtod(optarg, NULL); break;
		case 'r': opt.recipients = (unsigned)n; break;
		case 'H': opt.headers = (unsigned)n; break;
		case 'b': opt.body = n > sizeof body_bytes ? sizeof body_bytes : (unsigned)n; break;
		case 'i': opt.identities = n; break;
		case 'R': opt.rate = strtod(optarg, NULL); break;
		case 'p': opt.pid = (pid_t)n; break;
		case 'I': opt.idle = (unsigned)n; break;
		case 'P': opt.processes = (unsigned)n; break;
		case 'c': opt.count = n; break;
		case 'L': opt.login = optarg; break;
		case 'D': opt.domain = optarg; break;
		default: return usage();
		}
	}
	if (optind + 1 != argc || opt.identities == 0 || opt.processes == 0 || opt.sessions < opt.processes ||
	    opt.per_session == 0 || opt.headers < 5)
		return usage();
	opt.socket = argv[optind];
	if (opt.count > 0) {
		opt.warm = 0;
		opt.seconds = 3600;
	}
	memset(body_bytes, 'x', sizeof body_bytes);
	if (opt.sink)
		return sink();
	return opt.idle > 0 ? idle() : run();
}
