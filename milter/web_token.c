/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * web_token - answers the web server's question for a token.
 *
 * Apart from the API: another socket, other people who may ask, nothing that it could change. One thread of
 * libmicrohttpd; each answer is a microsecond of sealing, and a visitor waits for it.
 */
#include "milter/web_token.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <microhttpd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/net.h"
#include "lib/seal.h"
#include "lib/str.h"
#include "lib/ticket.h"
#include "milter/chain.h"
#include "milter/peer.h"

#include "lib/banned.h"

#define CONNECTIONS 512u
#define TIMEOUT_S 10u
#define TELL_MS 60000u		/* a stranger is told of once in this time */

struct web_token {
	struct MHD_Daemon *daemon;
	struct chain *(*chain)(void *cookie);
	void *cookie;
	uint64_t told;		/* clock_now() when a stranger was last told of; the server's thread only */
};

static enum MHD_Result
send_answer(struct MHD_Connection *c, unsigned status, const char *token)
{
	struct MHD_Response *answer = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
	enum MHD_Result result;

	if (answer == NULL)
		return MHD_NO;
	if (token != NULL)
		MHD_add_response_header(answer, "Gatepost-Token", token);
	MHD_add_response_header(answer, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	result = MHD_queue_response(c, status, answer);
	MHD_destroy_response(answer);
	return result;
}

static const char *
said(struct MHD_Connection *c, const char *name)
{
	return MHD_lookup_connection_value(c, MHD_HEADER_KIND, name);
}

/* "WWW.Acme.example:8443": the name alone. */
static void
put_host(char *to, size_t size, const char *host)
{
	char name[300];
	size_t n;

	if (host == NULL || !str_copy(name, sizeof(name), host))
		return;
	n = name[0] == '[' ? strlen(name) : strcspn(name, ":");
	name[n] = '\0';
	ticket_put(to, size, str_lower(name));
}

static enum MHD_Result
answer_asked(const struct services *s, struct MHD_Connection *c)
{
	const char *address = said(c, "X-Gatepost-Address");
	struct ticket_web w = { .time = clock_now() };
	char token[TICKET_TOKEN];
	struct err e;

	if (address == NULL || net_parse(address, &w.visitor) != 1)
		return send_answer(c, 400, NULL);
	if (s->keys == NULL)
		return send_answer(c, 503, NULL);
	put_host(w.vhost, sizeof(w.vhost), said(c, "X-Gatepost-Host"));
	ticket_put(w.request, sizeof(w.request), said(c, "X-Gatepost-Request"));
	if (ticket_web_close(s->keys, &w, token, sizeof(token), &e) < 0) {
		log_printf(LOG_LEVEL_ERROR, "web token: %s", e.text);
		return send_answer(c, 503, NULL);
	}
	return send_answer(c, 204, token);
}

static enum MHD_Result
on_request(void *cookie, struct MHD_Connection *c, const char *path, const char *method, const char *version,
    const char *data, size_t *n, void **request)
{
	struct web_token *w = cookie;
	enum MHD_Result result;
	struct chain *ch;

	(void)path;
	(void)version;
	(void)data;
	if (*request == NULL) {
		*request = w;		/* first the header alone */
		return MHD_YES;
	}
	if (*n > 0) {
		*n = 0;			/* a body is nothing to us */
		return MHD_YES;
	}
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return send_answer(c, 405, NULL);
	if ((ch = w->chain(w->cookie)) == NULL)
		return send_answer(c, 503, NULL);
	result = answer_asked(chain_services(ch), c);
	chain_unref(&ch);
	return result;
}

static bool
allowed(struct web_token *w, int fd)
{
	struct chain *ch;
	struct peer p;
	char who[100];
	bool ok;

	if (!peer_read(fd, &p) || (ch = w->chain(w->cookie)) == NULL)
		return false;
	ok = peer_listed(&p, &chain_conf(ch)->submission.web_allow);
	chain_unref(&ch);
	if (!ok && clock_now() >= w->told + TELL_MS) {
		w->told = clock_now();
		peer_text(&p, who, sizeof(who));
		log_printf(LOG_LEVEL_WARNING, "web token refused: %s is not in submission.web_allow", who);
	}
	return ok;
}

/* Not even an answer for strangers: they could hold every connection while they read it. */
static void
on_connection(void *cookie, struct MHD_Connection *c, void **context,
    enum MHD_ConnectionNotificationCode what)
{
	const union MHD_ConnectionInfo *info;

	(void)context;
	if (what != MHD_CONNECTION_NOTIFY_STARTED)
		return;
	info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
	if (info != NULL && !allowed(cookie, info->connect_fd))
		shutdown(info->connect_fd, SHUT_RDWR);
}

static void
on_log(void *cookie, const char *fmt, va_list ap)
{
	char text[400];

	(void)cookie;
	if (vsnprintf(text, sizeof(text), fmt, ap) > 0)
		log_printf(LOG_LEVEL_DEBUG, "web token: %s", text);
}

struct web_token *
web_token_open(int take_listen_fd, struct chain *(*chain)(void *cookie), void *cookie, struct err *e)
{
	static const unsigned flags =
	    MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC | MHD_USE_ERROR_LOG;
	struct web_token *w = calloc(1, sizeof(*w));

	if (w == NULL)
		abort();
	w->chain = chain;
	w->cookie = cookie;
	errno = 0;
	w->daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_request, w,
	    MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
	    MHD_OPTION_LISTEN_SOCKET, take_listen_fd,
	    MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS,
	    MHD_OPTION_CONNECTION_TIMEOUT, TIMEOUT_S,
	    MHD_OPTION_NOTIFY_CONNECTION, on_connection, w,
	    MHD_OPTION_END);
	if (w->daemon != NULL)
		return w;
	err_set(e, ERR_SYSTEM, "the web token socket cannot be served: %s",
	    errno == 0 ? "libmicrohttpd refused" : strerror(errno));
	free(w);
	return NULL;
}

void
web_token_close(struct web_token **w)
{
	if (*w == NULL)
		return;
	MHD_stop_daemon((*w)->daemon);	/* closes the socket too */
	free(*w);
	*w = NULL;
}
