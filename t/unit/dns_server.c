/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * dns_server - answers as the name asked for tells it to. One thread, one poll loop: a UDP socket, a TCP
 * socket of the same port, a handful of connections, and answers that wait for their time.
 */
#include "t/unit/dns_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/banned.h"

#define CONNECTIONS 32
#define WAITING 2048
#define ANSWER_MAX 65535
#define UDP_MAX 1232

enum { A = 1, CNAME = 5, SOA = 6, PTR = 12, MX = 15, TXT = 16, AAAA = 28 };

struct answer {
	uint8_t data[ANSWER_MAX];
	size_t n;
};
struct query {
	const uint8_t *data;
	size_t n;
	size_t question;	/* bytes of the question, from offset 12 on */
	unsigned type;
	bool tcp;
	char label[64];		/* the first */
};
struct waiting {
	uint64_t when;		/* ms; 0 = free */
	struct sockaddr_in to;
	uint8_t data[512];
	size_t n;
};
struct dns_server {
	pthread_t thread;
	int udp, tcp, stop[2];
	int connection[CONNECTIONS];
	char address[32];
	atomic_bool deaf;
	atomic_uint seen;
	struct waiting waiting[WAITING];
	struct answer answer;
};

static void
must(bool ok, const char *what)
{
	if (!ok) {
		perror(what);
		exit(2);
	}
}

static uint64_t
now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- building an answer ---- */

static void
put(struct answer *a, const void *data, size_t n)
{
	must(a->n + n <= sizeof(a->data), "answer");
	memcpy(a->data + a->n, data, n);
	a->n += n;
}

static void
put2(struct answer *a, unsigned v)
{
	const uint8_t b[2] = { (uint8_t)(v >> 8), (uint8_t)v };

	put(a, b, 2);
}

static void
put4(struct answer *a, uint32_t v)
{
	put2(a, v >> 16);
	put2(a, v & 0xffff);
}

static void
put_name(struct answer *a, const char *name)
{
	while (*name != '\0') {
		size_t n = strcspn(name, ".");
		uint8_t length = (uint8_t)n;

		put(a, &length, 1);
		put(a, name, n);
		name += n + (name[n] == '.');
	}
	put(a, "", 1);
}

/* An RR of the name asked for (owner NULL) or another; its data follow, then rr_end(). */
static size_t
rr_begin(struct answer *a, const char *owner, unsigned type, uint32_t ttl)
{
	if (owner == NULL)
		put2(a, 0xc00c);
	else
		put_name(a, owner);
	put2(a, type);
	put2(a, 1);
	put4(a, ttl);
	put2(a, 0);
	a->data[7]++;
	if (a->data[7] == 0)
		a->data[6]++;
	return a->n;
}

static void
rr_end(struct answer *a, size_t from)
{
	a->data[from - 2] = (uint8_t)((a->n - from) >> 8);
	a->data[from - 1] = (uint8_t)(a->n - from);
}

static void
rr(struct answer *a, const char *owner, unsigned type, uint32_t ttl, const void *data, size_t n)
{
	size_t from = rr_begin(a, owner, type, ttl);

	put(a, data, n);
	rr_end(a, from);
}

static void
rr_alias(struct answer *a, const char *owner, const char *target)
{
	size_t from = rr_begin(a, owner, CNAME, 300);

	put_name(a, target);
	rr_end(a, from);
}

static void
rr_plain(struct answer *a, const char *owner, unsigned type, uint32_t ttl)
{
	size_t from = rr_begin(a, owner, type, ttl);

	if (type == A)
		put(a, "\300\0\2\1", 4);
	else if (type == AAAA)
		put(a, "\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\1", 16);
	else if (type == TXT)
		put(a, "\2ok", 3);
	else if (type == MX)
		put2(a, 10);
	if (type == MX || type == PTR)
		put_name(a, "Host.Example");
	rr_end(a, from);
}

static void
rcode(struct answer *a, unsigned code)
{
	a->data[3] = (uint8_t)((a->data[3] & 0xf0) | code);
}

/* ---- what the labels mean. False: nothing is sent ---- */

static bool
do_ok(struct answer *a, const struct query *q)
{
	rr_plain(a, NULL, q->type, 300);
	return true;
}

static bool
do_silent(struct answer *a, const struct query *q)
{
	(void)a;
	(void)q;
	return false;
}

static bool
do_servfail(struct answer *a, const struct query *q)
{
	(void)q;
	rcode(a, 2);
	return true;
}

static bool
do_refused(struct answer *a, const struct query *q)
{
	(void)q;
	rcode(a, 5);
	return true;
}

static bool
do_nxdomain(struct answer *a, const struct query *q)
{
	(void)q;
	rcode(a, 3);
	return true;
}

static bool
do_nodata(struct answer *a, const struct query *q)
{
	(void)a;
	(void)q;
	return true;
}

static bool
negative(struct answer *a, uint32_t ttl, uint32_t least)
{
	size_t from = rr_begin(a, "example", SOA, ttl);

	put_name(a, "ns.example");
	put_name(a, "root.example");
	put4(a, 1);
	put4(a, 2);
	put4(a, 3);
	put4(a, 4);
	put4(a, least);
	rr_end(a, from);
	/* It belongs to the authority section. */
	a->data[7]--;
	a->data[9]++;
	return true;
}

static bool
do_absent90(struct answer *a, const struct query *q)
{
	(void)q;
	rcode(a, 3);
	return negative(a, 7200, 90);
}

static bool
do_absent9000(struct answer *a, const struct query *q)
{
	(void)q;
	return negative(a, 9000, 9000);
}

static bool
do_wrongid(struct answer *a, const struct query *q)
{
	a->data[0] ^= 0x5a;
	return do_ok(a, q);
}

static bool
do_wrongname(struct answer *a, const struct query *q)
{
	a->data[13] = 'x';
	return do_ok(a, q);
}

/* Says something of a name that nobody asked for. */
static bool
do_liar(struct answer *a, const struct query *q)
{
	rr_plain(a, "victim.example", q->type, 86400);
	return true;
}

static bool
do_besides(struct answer *a, const struct query *q)
{
	rr_plain(a, NULL, q->type, 300);
	rr(a, "ok.victim.example", A, 86400, "\300\0\2\102", 4);
	return true;
}

static bool
do_garbage(struct answer *a, const struct query *q)
{
	size_t i;

	(void)q;
	for (i = 2; i < 200; i++)
		a->data[i] = (uint8_t)(i * 151 + a->data[0]);
	a->data[2] |= 0x80;
	a->n = 200;
	return true;
}

static bool
do_short(struct answer *a, const struct query *q)
{
	(void)q;
	a->n = 3;
	return true;
}

static bool
do_cut(struct answer *a, const struct query *q)
{
	rr_plain(a, NULL, q->type, 300);
	a->n -= 2;
	return true;
}

static bool
do_tcp(struct answer *a, const struct query *q)
{
	if (q->tcp)
		return do_ok(a, q);
	a->data[2] |= 0x02;
	return true;
}

static bool
do_tcpsilent(struct answer *a, const struct query *q)
{
	a->data[2] |= 0x02;
	return !q->tcp;
}

static bool
do_nul(struct answer *a, const struct query *q)
{
	(void)q;
	rr(a, NULL, TXT, 300, "\21v=spf1 -all\0 +all", 18);
	return true;
}

static bool
do_badtxt(struct answer *a, const struct query *q)
{
	(void)q;
	rr(a, NULL, TXT, 300, "\377v=spf1", 7);
	return true;
}

static bool
do_badmx(struct answer *a, const struct query *q)
{
	(void)q;
	rr(a, NULL, MX, 300, "\0", 1);
	return true;
}

static bool
do_odd(struct answer *a, const struct query *q)
{
	(void)q;
	rr(a, NULL, MX, 300, "\0\1\5a.b c\7example\0", 17);
	rr(a, NULL, MX, 300, "\0\2\4fine\7example\0", 16);
	return true;
}

static bool
do_long(struct answer *a, const struct query *q)
{
	char text[256];
	size_t from;
	int i;

	if (!q->tcp)
		return do_tcp(a, q);
	memset(text, 'x', sizeof(text));
	text[0] = (char)255;
	from = rr_begin(a, NULL, TXT, 300);
	for (i = 0; i < 200; i++)
		put(a, text, sizeof(text));
	rr_end(a, from);
	return true;
}

static bool
do_flood(struct answer *a, const struct query *q)
{
	int i;

	if (!q->tcp)
		return do_tcp(a, q);
	for (i = 0; i < 400; i++) {
		const uint8_t address[4] = { 192, 0, (uint8_t)(i >> 8), (uint8_t)i };

		rr(a, NULL, A, 300, address, 4);
	}
	return true;
}

static bool
do_loop(struct answer *a, const struct query *q)
{
	(void)q;
	rr_alias(a, NULL, "loop2.example");
	rr_alias(a, "loop2.example", "loop.example");
	return true;
}

static bool
do_alias(struct answer *a, const struct query *q)
{
	rr_alias(a, NULL, "ok.step.example");
	rr_alias(a, "ok.step.example", "ok.example");
	rr_plain(a, "ok.example", q->type, 40);
	return true;
}

static bool
do_ttl0(struct answer *a, const struct query *q)
{
	rr_plain(a, NULL, q->type, 0);
	return true;
}

static bool
do_ttlhuge(struct answer *a, const struct query *q)
{
	rr_plain(a, NULL, q->type, 0x7fffffff);
	return true;
}

static bool
do_ttl30(struct answer *a, const struct query *q)
{
	rr_plain(a, NULL, q->type, 30);
	return true;
}

static const struct {
	const char *label;
	bool (*make)(struct answer *a, const struct query *q);
} labels[] = {
	{ "ok", do_ok }, { "silent", do_silent }, { "servfail", do_servfail }, { "refused", do_refused },
	{ "nxdomain", do_nxdomain }, { "nodata", do_nodata }, { "absent90", do_absent90 },
	{ "absent9000", do_absent9000 }, { "wrongid", do_wrongid }, { "wrongname", do_wrongname },
	{ "liar", do_liar },
	{ "besides", do_besides }, { "garbage", do_garbage }, { "short", do_short }, { "cut", do_cut },
	{ "tcp", do_tcp }, { "tcpsilent", do_tcpsilent }, { "nul", do_nul }, { "badtxt", do_badtxt },
	{ "badmx", do_badmx }, { "odd", do_odd }, { "long", do_long }, { "flood", do_flood },
	{ "loop", do_loop },
	{ "loop2", do_loop }, { "alias", do_alias }, { "ttl0", do_ttl0 }, { "ttlhuge", do_ttlhuge },
	{ "ttl30", do_ttl30 },
};

/* ---- the server ---- */

static bool
read_query(const uint8_t *data, size_t n, bool tcp, struct query *q)
{
	size_t at = 12;

	*q = (struct query){ .data = data, .n = n, .tcp = tcp };
	if (n < 17 || (data[2] & 0x80) != 0 || data[12] == 0 || data[12] > 63 || 13u + data[12] > n)
		return false;
	memcpy(q->label, data + 13, data[12]);
	while (at < n && data[at] != 0)
		at += 1u + data[at];
	if (at + 5 > n)
		return false;
	q->type = (unsigned)data[at + 1] << 8 | data[at + 2];
	q->question = at + 5 - 12;
	return true;
}

/* Fills s->answer. False: none is to be sent. *delay: ms. */
static bool
make_answer(struct dns_server *s, const struct query *q, unsigned *delay)
{
	struct answer *a = &s->answer;
	size_t i;

	(void)atomic_fetch_add(&s->seen, 1);
	if (atomic_load(&s->deaf))
		return false;
	memset(a->data, 0, 12);
	a->n = 0;
	put(a, q->data, 12 + q->question);
	memset(a->data + 6, 0, 6);
	a->data[2] = (uint8_t)(0x80 | (q->data[2] & 0x01));
	a->data[3] = 0x80;
	*delay = 0;
	if (sscanf(q->label, "slow%u", delay) == 1)
		return do_ok(a, q);
	for (i = 0; i < sizeof(labels) / sizeof(labels[0]); i++)
		if (strcasecmp(labels[i].label, q->label) == 0)
			return labels[i].make(a, q);
	return do_ok(a, q);
}

static void
later(struct dns_server *s, const struct sockaddr_in *to, unsigned delay)
{
	unsigned i;

	for (i = 0; i < WAITING; i++) {
		struct waiting *w = &s->waiting[i];

		if (w->when != 0 || s->answer.n > sizeof(w->data))
			continue;
		w->when = now_ms() + delay;
		w->to = *to;
		w->n = s->answer.n;
		memcpy(w->data, s->answer.data, w->n);
		return;
	}
}

static void
serve_udp(struct dns_server *s)
{
	uint8_t data[2048];
	struct sockaddr_in from;
	socklen_t size = sizeof(from);
	ssize_t n = recvfrom(s->udp, data, sizeof(data), 0, (struct sockaddr *)&from, &size);
	struct query q;
	unsigned delay;

	if (n < 0 || !read_query(data, (size_t)n, false, &q) || !make_answer(s, &q, &delay))
		return;
	if (delay > 0)
		later(s, &from, delay);
	else
		(void)sendto(s->udp, s->answer.data, s->answer.n < UDP_MAX ? s->answer.n : UDP_MAX, 0,
		    (struct sockaddr *)&from, size);
}

static bool
read_all(int fd, uint8_t *to, size_t n)
{
	while (n > 0) {
		ssize_t r = read(fd, to, n);

		if (r <= 0)
			return false;
		to += r;
		n -= (size_t)r;
	}
	return true;
}

/* One query; false when the connection is over. */
static bool
serve_tcp(struct dns_server *s, int fd)
{
	uint8_t data[2048], length[2];
	size_t n;
	struct query q;
	unsigned delay;

	if (!read_all(fd, length, 2))
		return false;
	n = (size_t)length[0] << 8 | length[1];
	if (n > sizeof(data) || !read_all(fd, data, n) || !read_query(data, n, true, &q))
		return false;
	if (!make_answer(s, &q, &delay))
		return true;
	length[0] = (uint8_t)(s->answer.n >> 8);
	length[1] = (uint8_t)s->answer.n;
	return send(fd, length, 2, MSG_NOSIGNAL | MSG_MORE) == 2 &&
	    send(fd, s->answer.data, s->answer.n, MSG_NOSIGNAL) == (ssize_t)s->answer.n;
}

/* Sends what is due; the ms until the next. */
static int
send_due(struct dns_server *s)
{
	uint64_t now = now_ms(), next = now + 1000;
	unsigned i;

	for (i = 0; i < WAITING; i++) {
		struct waiting *w = &s->waiting[i];

		if (w->when == 0)
			continue;
		if (w->when <= now) {
			(void)sendto(s->udp, w->data, w->n, 0, (struct sockaddr *)&w->to, sizeof(w->to));
			w->when = 0;
		} else if (w->when < next)
			next = w->when;
	}
	return (int)(next - now);
}

static void
accept_one(struct dns_server *s)
{
	int fd = accept(s->tcp, NULL, NULL);
	unsigned i;

	for (i = 0; i < CONNECTIONS && fd >= 0; i++)
		if (s->connection[i] < 0) {
			s->connection[i] = fd;
			return;
		}
	if (fd >= 0)
		(void)close(fd);
}

static void *
server_main(void *cookie)
{
	struct dns_server *s = cookie;
	struct pollfd p[3 + CONNECTIONS];
	unsigned i;

	for (;;) {
		p[0] = (struct pollfd){ .fd = s->udp, .events = POLLIN };
		p[1] = (struct pollfd){ .fd = s->tcp, .events = POLLIN };
		p[2] = (struct pollfd){ .fd = s->stop[0], .events = POLLIN };
		for (i = 0; i < CONNECTIONS; i++)
			p[3 + i] = (struct pollfd){ .fd = s->connection[i], .events = POLLIN };
		if (poll(p, 3 + CONNECTIONS, send_due(s)) < 0)
			continue;
		if (p[2].revents != 0)
			return NULL;
		if (p[0].revents != 0)
			serve_udp(s);
		for (i = 0; i < CONNECTIONS; i++)
			if (s->connection[i] >= 0 && p[3 + i].revents != 0 &&
			    !serve_tcp(s, s->connection[i])) {
				(void)close(s->connection[i]);
				s->connection[i] = -1;
			}
		if (p[1].revents != 0)
			accept_one(s);
	}
}

/* A port that is free for both. */
static bool
bind_both(struct dns_server *s)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t n = sizeof(a);

	s->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	s->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(s->udp >= 0 && s->tcp >= 0, "socket");
	must(bind(s->udp, (struct sockaddr *)&a, sizeof(a)) == 0, "bind");
	must(getsockname(s->udp, (struct sockaddr *)&a, &n) == 0, "getsockname");
	if (bind(s->tcp, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(s->tcp, CONNECTIONS) != 0) {
		(void)close(s->udp);
		(void)close(s->tcp);
		return false;
	}
	(void)snprintf(s->address, sizeof(s->address), "127.0.0.1@%u", ntohs(a.sin_port));
	return true;
}

struct dns_server *
dns_server_start(void)
{
	struct dns_server *s = calloc(1, sizeof(*s));
	unsigned i;

	must(s != NULL && pipe(s->stop) == 0, "start");
	while (!bind_both(s))
		continue;
	for (i = 0; i < CONNECTIONS; i++)
		s->connection[i] = -1;
	atomic_init(&s->deaf, false);
	atomic_init(&s->seen, 0);
	must(pthread_create(&s->thread, NULL, server_main, s) == 0, "thread");
	return s;
}

void
dns_server_stop(struct dns_server **s)
{
	unsigned i;

	if (*s == NULL)
		return;
	must(write((*s)->stop[1], "", 1) == 1, "stop");
	(void)pthread_join((*s)->thread, NULL);
	for (i = 0; i < CONNECTIONS; i++)
		if ((*s)->connection[i] >= 0)
			(void)close((*s)->connection[i]);
	(void)close((*s)->udp);
	(void)close((*s)->tcp);
	(void)close((*s)->stop[0]);
	(void)close((*s)->stop[1]);
	free(*s);
	*s = NULL;
}

const char *
dns_server_address(const struct dns_server *s)
{
	return s->address;
}

void
dns_server_deaf(struct dns_server *s, bool deaf)
{
	atomic_store(&s->deaf, deaf);
}

unsigned
dns_server_seen(struct dns_server *s)
{
	return atomic_load(&s->seen);
}
