/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * redis_conn - one connection to a server: sockets, and the protocol by hiredis.
 *
 * Of hiredis only the reader is used. Its contexts block with a time limit for each read, so that a server
 * which dribbles its answer holds a message for as long as it likes; and they look names up while a message
 * waits. Here every wait has one deadline.
 *
 * What a server announces is not believed: memory is taken as elements arrive, and one reply may take so much
 * of it and no more. Who answers beyond that is no Redis of ours; the connection is given up.
 *
 * The file knows nothing of pools nor of which server is the right one.
 */
#include "lib/redis_private.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <hiredis/hiredis.h>

#include "lib/str.h"

#include "lib/banned.h"

#define CONN_READ 16384u
#define CONN_KEEPALIVE 15		/* seconds */
#define CONN_REPLY_MOST ((size_t)64 << 20)	/* bytes of one reply, as it comes and as it is kept */
#define CONN_LINE_MOST ((size_t)64 << 10)	/* of a line: a length, a number, an error */

struct redis_conn {
	int fd;
	redisReader *reader;
	char *out;			/* bytes [out_at, out_len) are to be sent */
	size_t out_at, out_len, out_size;
	uint64_t sent;
	size_t kept;			/* bytes that the reply which is being read takes so far */
};

static void *
conn_alloc(size_t n)
{
	void *p = calloc(1, n);

	if (p == NULL)
		abort();
	return p;
}

/* ---- replies, made by hiredis' reader --------------------------------------- */

/* A reply as it grows: how many elements its array has room for. */
struct reply_growing {
	struct redis_reply reply;
	size_t room;
};

/* Counts what a reply takes; false when it is too much. hiredis then ends with an error, and frees the
 * whole. */
static bool
reply_affords(const redisReadTask *task, size_t n)
{
	struct redis_conn *c = task->privdata;

	if (n > CONN_REPLY_MOST - c->kept)
		return false;
	c->kept += n;
	return true;
}

/* An array has as many elements as have arrived, whatever was announced. */
static bool
reply_add(const redisReadTask *task, struct reply_growing *to, struct redis_reply *r)
{
	size_t room = to->room == 0 ? 8 : to->room * 2;

	if (to->reply.n == to->room) {
		if (!reply_affords(task, (room - to->room) * sizeof(*to->reply.at)))
			return false;
		to->reply.at = realloc(to->reply.at, room * sizeof(*to->reply.at));
		if (to->reply.at == NULL)
			abort();
		to->room = room;
	}
	to->reply.at[to->reply.n++] = r;
	return true;
}

static void *
reply_new(const redisReadTask *task, enum redis_type type)
{
	struct reply_growing *r;

	if (!reply_affords(task, sizeof(*r)))
		return NULL;
	r = conn_alloc(sizeof(*r));
	r->reply.type = type;
	if (task->parent != NULL && !reply_add(task, task->parent->obj, &r->reply)) {
		free(r);
		return NULL;
	}
	return r;
}

static void *
reply_string(const redisReadTask *task, char *text, size_t n)
{
	struct redis_reply *r;

	if (!reply_affords(task, n + 1))
		return NULL;
	r = reply_new(task, task->type == REDIS_REPLY_ERROR ? REDIS_ERROR :
	    task->type == REDIS_REPLY_STATUS ? REDIS_STATUS : REDIS_STRING);
	if (r == NULL)
		return NULL;
	r->text = conn_alloc(n + 1);
	memcpy(r->text, text, n);
	r->n = n;
	return r;
}

static void *
reply_array(const redisReadTask *task, int n)
{
	(void)n;
	return reply_new(task, REDIS_ARRAY);
}

static void *
reply_integer(const redisReadTask *task, long long value)
{
	struct redis_reply *r = reply_new(task, REDIS_INTEGER);

	if (r != NULL)
		r->integer = value;
	return r;
}

static void *
reply_nil(const redisReadTask *task)
{
	return reply_new(task, REDIS_NIL);
}

static void
reply_free(void *object)
{
	struct redis_reply *r = object;
	size_t i;

	for (i = 0; r != NULL && r->at != NULL && i < r->n; i++)
		reply_free(r->at[i]);
	if (r != NULL) {
		free(r->at);
		free(r->text);
	}
	free(r);
}

void
redis_reply_free(struct redis_reply **r)
{
	reply_free(*r);
	*r = NULL;
}

bool
redis_reply_is_error(const struct redis_reply *r, const char *word)
{
	size_t n = strlen(word);

	return r != NULL && r->type == REDIS_ERROR && strncmp(r->text, word, n) == 0 &&
	    (r->text[n] == ' ' || r->text[n] == '\0');
}

bool
redis_reply_is(const struct redis_reply *r, const char *text)
{
	return r != NULL && (r->type == REDIS_STRING || r->type == REDIS_STATUS) &&
	    strcmp(r->text, text) == 0;
}

static redisReplyObjectFunctions reply_functions = {
	.createString = reply_string,
	.createArray = reply_array,
	.createInteger = reply_integer,
	.createNil = reply_nil,
	.freeObject = reply_free,
};

/* ---- addresses ------------------------------------------------------------------ */

struct conn_address {
	int family;			/* AF_UNIX, AF_INET, AF_INET6 */
	char host[254], port[6];
	const char *path;
};

static int
conn_address_host(const char *text, struct conn_address *to, struct err *e)
{
	const char *at = strchr(text, '@');
	size_t digits = strspn(text, "0123456789"), n;
	unsigned long port;

	if (at == NULL || text + digits != at || digits == 0 || digits > 5 || at[1] == '\0')
		return err_set(e, ERR_INPUT, "has to be port@host");
	port = strtoul(text, NULL, 10);
	if (port == 0 || port > 65535)
		return err_set(e, ERR_INPUT, "the port has to be 1 to 65535");
	(void)snprintf(to->port, sizeof(to->port), "%lu", port);
	at++;
	n = strlen(at);
	if (*at == '[' && at[n - 1] == ']') {
		at++;
		n -= 2;
	}
	if (n == 0 || n >= sizeof(to->host) || strcspn(at, "[]@ \t") < n)
		return err_set(e, ERR_INPUT, "has no good host name");
	memcpy(to->host, at, n);
	to->host[n] = '\0';
	return 1;
}

static int
conn_address_parse(const char *text, struct conn_address *to, struct err *e)
{
	memset(to, 0, sizeof(*to));
	if (strlen(text) >= REDIS_ADDRESS)
		return err_set(e, ERR_INPUT, "is too long");
	if (strncmp(text, "unix:", 5) == 0) {
		to->family = AF_UNIX;
		to->path = text + 5;
		if (*to->path != '/' || strlen(to->path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
			return err_set(e, ERR_INPUT, "unix: wants an absolute path of at most 107 bytes");
		return 1;
	}
	to->family = strncmp(text, "inet6:", 6) == 0 ? AF_INET6 : AF_INET;
	if (to->family == AF_INET && strncmp(text, "inet:", 5) != 0)
		return err_set(e, ERR_INPUT, "has to begin with unix:, inet: or inet6:%s",
		    strncmp(text, "tls:", 4) == 0 || strncmp(text, "rediss:", 7) == 0 ?
		    "; TLS is not built in: use stunnel, as gatepost.conf(5) shows" : "");
	return conn_address_host(strchr(text, ':') + 1, to, e);
}

int
redis_address_check(const char *address, struct err *e)
{
	struct conn_address to;

	return conn_address_parse(address, &to, e);
}

bool
redis_address_make(const char *host, size_t host_len, unsigned port, char to[REDIS_ADDRESS])
{
	const char *kind = memchr(host, ':', host_len) != NULL ? "inet6" : "inet";
	int n = snprintf(to, REDIS_ADDRESS, "%s:%u@%.*s", kind, port, (int)host_len, host);

	return n > 0 && (size_t)n < REDIS_ADDRESS;
}

/* ---- waiting ---------------------------------------------------------------------- */

uint64_t
redis_now(void)
{
	struct timespec t = { 0, 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint64_t
redis_deadline(uint64_t ms)
{
	return redis_now() + ms * 1000;
}

int
redis_poll_ms(uint64_t deadline)
{
	uint64_t now, left;

	if (deadline == UINT64_MAX)
		return -1;
	now = redis_now();
	left = deadline <= now ? 0 : (deadline - now - 1) / 1000 + 1;
	return left > 3600000 ? 3600000 : (int)left;
}

static int
conn_wait(int fd, short events, uint64_t deadline, struct err *e)
{
	struct pollfd p = { .fd = fd, .events = events };
	int n;

	do
		n = poll(&p, 1, redis_poll_ms(deadline));
	while (n < 0 && errno == EINTR);
	if (n > 0)
		return 1;
	return n == 0 ? err_set(e, ERR_TIMEOUT, "no answer in time") :
	    err_set(e, ERR_SYSTEM, "poll: %s", strerror(errno));
}

/* ---- connecting ---------------------------------------------------------------------- */

static int
conn_connect_to(const struct sockaddr *sa, socklen_t n, uint64_t deadline, struct err *e)
{
	int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), error = 0;
	socklen_t size = sizeof(error);

	if (fd < 0)
		return err_set(e, ERR_SYSTEM, "socket: %s", strerror(errno));
	if (connect(fd, sa, n) == 0)
		return fd;
	/* A unix socket whose queue is full says EAGAIN: it is not under way. */
	if (errno != EINPROGRESS)
		error = errno;
	else if (conn_wait(fd, POLLOUT, deadline, e) != 1)
		error = -1;
	else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
		error = errno;
	if (error == 0)
		return fd;
	(void)close(fd);
	return error < 0 ? -1 : err_set(e, ERR_GONE, "%s", strerror(error));
}

static void
conn_tcp_options(int fd)
{
	static const int on = 1, seconds = CONN_KEEPALIVE;

	/* Without them: a second small write waits for the server's delayed ACK, a dead peer is never
	 * noticed. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof(seconds));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &seconds, sizeof(seconds));
}

static int
conn_connect_host(const struct conn_address *a, uint64_t deadline, struct err *e)
{
	struct addrinfo hints = { .ai_family = a->family, .ai_socktype = SOCK_STREAM }, *all = NULL, *i;
	int r = getaddrinfo(a->host, a->port, &hints, &all), fd = -1;

	if (r != 0)
		return err_set(e, ERR_GONE, "%s: %s", a->host, gai_strerror(r));
	for (i = all; i != NULL && fd < 0; i = i->ai_next)
		fd = conn_connect_to(i->ai_addr, i->ai_addrlen, deadline, e);
	freeaddrinfo(all);
	if (fd >= 0)
		conn_tcp_options(fd);
	return fd;
}

static int
conn_connect(const char *address, uint64_t deadline, struct err *e)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct conn_address a;

	if (conn_address_parse(address, &a, e) != 1)
		return -1;
	if (a.family != AF_UNIX)
		return conn_connect_host(&a, deadline, e);
	(void)str_copy(un.sun_path, sizeof(un.sun_path), a.path);
	return conn_connect_to((const struct sockaddr *)(const void *)&un, sizeof(un), deadline, e);
}

static bool
conn_given(const char *text)
{
	return text != NULL && *text != '\0';
}

/* One step of the introduction; an error reply ends it. */
static int
conn_say(struct redis_conn *c, const char *const *args, size_t n, uint64_t deadline, struct err *e)
{
	struct redis_reply *r = redis_conn_ask(c, args, n, deadline, e);
	int done = 1;

	if (r == NULL)
		return -1;
	/* Never the arguments: the password is among them. */
	if (r->type == REDIS_ERROR)
		done = err_set(e, ERR_DENIED, "%s: %s", args[0], r->text);
	redis_reply_free(&r);
	return done;
}

static int
conn_introduce(struct redis_conn *c, const struct redis_settings *s, uint64_t deadline, struct err *e)
{
	const char *const alone[] = { "AUTH", s->password }, *const auth[] = { "AUTH", s->user, s->password };
	char database[12];
	const char *const pick[] = { "SELECT", database }, *const name[] = { "CLIENT", "SETNAME", s->name };

	if (conn_given(s->user) && conn_say(c, auth, 3, deadline, e) != 1)
		return -1;
	if (!conn_given(s->user) && conn_given(s->password) && conn_say(c, alone, 2, deadline, e) != 1)
		return -1;
	(void)snprintf(database, sizeof(database), "%u", s->database);
	if (s->database != 0 && conn_say(c, pick, 2, deadline, e) != 1)
		return -1;
	/* A name for CLIENT LIST is a courtesy: an ACL may forbid it. */
	if (conn_given(s->name)) {
		struct redis_reply *r = redis_conn_ask(c, name, 3, deadline, e);

		if (r == NULL)
			return -1;
		redis_reply_free(&r);
	}
	return 1;
}

struct redis_conn *
redis_conn_adopt(int take_fd)
{
	struct redis_conn *c = conn_alloc(sizeof(*c));

	c->fd = take_fd;
	c->reader = redisReaderCreateWithFunctions(&reply_functions);
	if (c->reader == NULL)
		abort();
	c->reader->privdata = c;
	return c;
}

struct redis_conn *
redis_conn_open(const struct redis_settings *s, const char *address, uint64_t deadline, struct err *e)
{
	struct redis_conn *c;
	int fd = conn_connect(address, deadline, e);

	if (fd < 0)
		return NULL;
	c = redis_conn_adopt(fd);
	if (conn_introduce(c, s, deadline, e) != 1)
		redis_conn_close(&c);
	return c;
}

void
redis_conn_close(struct redis_conn **c)
{
	if (*c == NULL)
		return;
	(void)close((*c)->fd);
	redisReaderFree((*c)->reader);
	free((*c)->out);
	free(*c);
	*c = NULL;
}

int
redis_conn_fd(const struct redis_conn *c)
{
	return c->fd;
}

/* ---- talking ---------------------------------------------------------------------------- */

static char *
conn_room(struct redis_conn *c, size_t n)
{
	char *at;

	if (c->out_at == c->out_len)
		c->out_at = c->out_len = 0;
	if (c->out_len + n > c->out_size) {
		c->out_size = (c->out_len + n) * 2;
		c->out = realloc(c->out, c->out_size);
		if (c->out == NULL)
			abort();
	}
	at = c->out + c->out_len;
	c->out_len += n;
	return at;
}

static void
conn_put_head(struct redis_conn *c, char kind, size_t n)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "%c%zu\r\n", kind, n);

	memcpy(conn_room(c, (size_t)len), text, (size_t)len);
}

void
redis_conn_put(struct redis_conn *c, const char *const *args, const size_t *lens, size_t n)
{
	size_t i, len;
	char *at;

	conn_put_head(c, '*', n);
	for (i = 0; i < n; i++) {
		len = lens != NULL ? lens[i] : strlen(args[i]);
		conn_put_head(c, '$', len);
		at = conn_room(c, len + 2);
		memcpy(at, args[i], len);
		memcpy(at + len, "\r\n", 2);
	}
}

int
redis_conn_flush(struct redis_conn *c)
{
	ssize_t n;

	while (c->out_at < c->out_len) {
		n = send(c->fd, c->out + c->out_at, c->out_len - c->out_at, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
		c->out_at += (size_t)n;
		c->sent += (uint64_t)n;
	}
	return 1;
}

uint64_t
redis_conn_sent(const struct redis_conn *c)
{
	return c->sent;
}

/* A line without an end is looked through from its beginning whenever more of it comes. */
static bool
conn_is_too_long(const redisReader *r)
{
	size_t n = r->len - r->pos;

	return n > CONN_REPLY_MOST ||
	    (n > CONN_LINE_MOST && memchr(r->buf + r->pos, '\n', CONN_LINE_MOST) == NULL);
}

int
redis_conn_read(struct redis_conn *c)
{
	char data[CONN_READ];
	ssize_t n;

	do
		n = recv(c->fd, data, sizeof(data), 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
	if (n == 0 || redisReaderFeed(c->reader, data, (size_t)n) != REDIS_OK)
		return -1;
	return 1;
}

int
redis_conn_reply(struct redis_conn *c, struct redis_reply **reply)
{
	void *object = NULL;

	if (redisReaderGetReply(c->reader, &object) != REDIS_OK)
		return -1;
	if (object != NULL)
		c->kept = 0;
	else if (conn_is_too_long(c->reader))
		return -1;
	*reply = object;
	return object != NULL;
}

struct redis_reply *
redis_conn_ask(struct redis_conn *c, const char *const *args, size_t n, uint64_t deadline, struct err *e)
{
	struct redis_reply *reply = NULL;
	int done = 0, sent;

	redis_conn_put(c, args, NULL, n);
	while ((sent = redis_conn_flush(c)) == 0) {
		if (conn_wait(c->fd, POLLOUT, deadline, e) != 1)
			return NULL;
	}
	while (sent == 1 && done == 0) {
		done = redis_conn_reply(c, &reply);
		if (done != 0)
			break;
		if (conn_wait(c->fd, POLLIN, deadline, e) != 1)
			return NULL;
		if (redis_conn_read(c) < 0)
			done = -1;
	}
	if (sent != 1 || done != 1) {
		(void)err_set(e, ERR_GONE, "the connection broke");
		return NULL;
	}
	return reply;
}

struct redis_reply *
redis_ask(const struct redis_settings *s, const char *address, const char *const *args, size_t n,
    struct err *e)
{
	uint64_t deadline = redis_deadline(s->connect_ms);
	struct redis_conn *c = redis_conn_open(s, address, deadline, e);
	struct redis_reply *reply;

	if (c == NULL)
		return NULL;
	reply = redis_conn_ask(c, args, n, deadline, e);
	redis_conn_close(&c);
	return reply;
}
