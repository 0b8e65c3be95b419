/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * api - the HTTP server: connections, who is at the other end, bodies, and the answer's way back.
 *
 * One thread of libmicrohttpd serves everything, so answers need no locks among themselves; the only thing
 * shared is the list of who may ask, which a reload can change. What is asked and answered
 * stands in api_routes.c and the files it names. Nothing a client sends is kept before it is known
 * to be allowed, and never more than the route's bound.
 */
#include "milter/api.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <jansson.h>
#include <microhttpd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/str.h"
#include "milter/api_private.h"
#include "milter/chain.h"
#include "milter/peer.h"

#include "lib/banned.h"

#define CONNECTIONS 32u
#define TIMEOUT_S 10u
#define STRANGERS 4u			/* connections that those who may not ask can hold between them */
#define LOOK_MS 2000u			/* how long tables and store may take for one answer */
#define ARENA_CAP ((size_t)64 << 20)

struct api {
	struct MHD_Daemon *daemon;
	struct store *store;
	struct alerts *alerts;
	struct api_hooks hooks;
	uid_t self;
	unsigned strangers;		/* connections of theirs; the server's thread only */
	pthread_mutex_t allow_lock;	/* guards allow */
	char **allow;			/* user names and "@group", NULL at the end */
};

/* ---- who may ask --------------------------------------------------------------------------- */

static char **
copy_strings(const struct conf_strings *from)
{
	char **to = calloc(from->n + 1, sizeof(*to));
	size_t i;

	for (i = 0; to != NULL && i < from->n; i++)
		if ((to[i] = strdup(from->at[i])) == NULL)
			abort();
	if (to == NULL)
		abort();
	return to;
}

static void
free_strings(char **list)
{
	size_t i;

	for (i = 0; list[i] != NULL; i++)
		free(list[i]);
	free(list);
}

void
api_configure(struct api *api, const struct conf_strings *allow)
{
	char **next, **old;

	if (api == NULL)
		return;
	next = copy_strings(allow);
	pthread_mutex_lock(&api->allow_lock);
	old = api->allow;
	api->allow = next;
	pthread_mutex_unlock(&api->allow_lock);
	free_strings(old);
}

/* The list as it is now: names are asked of the system without the lock. */
static char **
allow_snapshot(struct api *api)
{
	struct conf_strings now = { 0 };
	char **copy;

	pthread_mutex_lock(&api->allow_lock);
	while (api->allow[now.n] != NULL)
		now.n++;
	now.at = (const char **)api->allow;
	copy = copy_strings(&now);
	pthread_mutex_unlock(&api->allow_lock);
	return copy;
}

static bool
peer_allowed(struct api *api, const struct peer *p)
{
	char **allow;
	struct conf_strings list = { 0 };
	bool ok;

	if (p->uid == 0 || p->uid == api->self)
		return true;
	allow = allow_snapshot(api);
	while (allow[list.n] != NULL)
		list.n++;
	list.at = (const char **)allow;
	ok = peer_listed(p, &list);
	free_strings(allow);
	return ok;
}

/* ---- one request --------------------------------------------------------------------------- */

/* Lives from a request's first line to its end. */
struct call {
	char by[100];
	size_t most;		/* bytes that the body may have */
	char *body;
	size_t n, space;
	bool too_large;
};

static enum MHD_Result
send_answer(struct MHD_Connection *c, unsigned status, const char *type, const char *text)
{
	struct MHD_Response *answer;
	enum MHD_Result result;

	answer = MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text,
	    MHD_RESPMEM_MUST_COPY);
	if (answer == NULL)
		return MHD_NO;
	MHD_add_response_header(answer, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(answer, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	result = MHD_queue_response(c, status, answer);
	MHD_destroy_response(answer);
	return result;
}

static enum MHD_Result
send_json(struct MHD_Connection *c, unsigned status, const json_t *j)
{
	char *text = json_dumps(j, JSON_ENSURE_ASCII | JSON_COMPACT);
	enum MHD_Result result;

	if (text == NULL)
		abort();
	result = send_answer(c, status, "application/json", text);
	free(text);
	return result;
}

static enum MHD_Result
send_error(struct MHD_Connection *c, unsigned status, const char *error, const char *allowed)
{
	json_t *j = json_object();
	enum MHD_Result result;

	api_put(j, "error", json_string(error));
	if (allowed != NULL)
		api_put(j, "allowed", json_string(allowed));
	result = send_json(c, status, j);
	json_decref(j);
	return result;
}

/* The query as an object of texts; a name that comes again makes a list. */
struct query { json_t *to; bool bad; };

static enum MHD_Result
take_argument(void *cookie, enum MHD_ValueKind kind, const char *name, size_t name_size, const char *value,
    size_t value_size)
{
	struct query *q = cookie;
	json_t *text, *now;

	(void)kind;
	text = value == NULL ? NULL : json_stringn(value, value_size);
	/* %00, %ff and the like: no name or text of ours */
	if (text == NULL || strlen(name) != name_size || strlen(value) != value_size ||
	    !str_utf8(name, name_size)) {
		json_decref(text);
		q->bad = true;
		return MHD_NO;
	}
	now = json_object_get(q->to, name);
	if (json_is_array(now))
		json_array_append_new(now, text);
	else if (now != NULL) {
		json_t *list = json_array();

		json_array_append(list, now);
		json_array_append_new(list, text);
		api_put(q->to, name, list);
	} else
		api_put(q->to, name, text);
	return MHD_YES;
}

/* What is asked, from query or body. NULL after an error was sent (*result). */
static json_t *
read_asked(struct MHD_Connection *c, const struct call *call, enum MHD_Result *result)
{
	struct query q = { json_object(), false };
	json_error_t why;
	char text[200];
	json_t *body;

	MHD_get_connection_values_n(c, MHD_GET_ARGUMENT_KIND, take_argument, &q);
	if (q.bad || (call->most > 0 && json_object_size(q.to) > 0)) {
		json_decref(q.to);
		*result = send_error(c, 400, "the query cannot be read",
		    call->most > 0 ? "a JSON body" : "text in UTF-8");
		return NULL;
	}
	if (call->most == 0 || call->n == 0)
		return q.to;
	json_decref(q.to);
	body = json_loadb(call->body, call->n, JSON_REJECT_DUPLICATES, &why);
	if (json_is_object(body))
		return body;
	snprintf(text, sizeof(text), "the body is no JSON object%s%.120s", body != NULL ? "" : ": ",
	    body != NULL ? "" : why.text);
	json_decref(body);
	/* why.text may quote what was sent */
	*result = send_error(c, 400, str_utf8(text, strlen(text)) ? text : "the body is no JSON object",
	    NULL);
	return NULL;
}

static enum MHD_Result
answer_asked(struct api *api, struct MHD_Connection *c, const char *method, const char *path,
    struct call *call)
{
	struct api_request r = { .store = api->store, .alerts = api->alerts, .hooks = &api->hooks,
	    .by = call->by };
	enum MHD_Result result = MHD_NO;
	unsigned status;

	r.in = read_asked(c, call, &result);
	if (r.in == NULL)
		return result;
	r.chain = api->hooks.chain(api->hooks.cookie);
	if (r.chain == NULL) {
		json_decref(r.in);
		return send_error(c, 503, "the daemon is not ready", NULL);
	}
	r.arena = arena_new(ARENA_CAP);
	r.services = chain_services(r.chain);
	r.conf = chain_conf(r.chain);
	r.now = clock_now();
	r.deadline = clock_deadline(LOOK_MS);
	r.out = json_object();
	status = api_route(&r, method, path);
	result = r.text != NULL && status == 200 ?
	    send_answer(c, status, "text/plain; version=0.0.4; charset=utf-8", r.text) :
	    send_json(c, status, r.out);
	json_decref(r.out);
	json_decref(r.in);
	chain_unref(&r.chain);
	arena_free(&r.arena);
	return result;
}

/* ---- libmicrohttpd's callbacks ----------------------------------------------------------------- */

static void
take_body(struct call *call, const char *data, size_t n)
{
	char *bigger;

	if (call->too_large || n > call->most - call->n) {
		call->too_large = true;
		return;
	}
	if (call->n + n > call->space) {
		call->space = (call->n + n) * 2 > call->most ? call->most : (call->n + n) * 2;
		bigger = realloc(call->body, call->space);
		if (bigger == NULL)
			abort();
		call->body = bigger;
	}
	memcpy(call->body + call->n, data, n);
	call->n += n;
}

/* A connection and who is at its other end: lives as long as the connection. */
struct visitor {
	struct peer peer;
	bool known, stranger;
};

/* Anyone on the host may connect, so those who may not ask get room for a few refusals only: else they could
 * hold every connection, and the desk could not stop a customer. */
static void
visitor_come(struct api *api, struct MHD_Connection *c, void **context)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct visitor *v = calloc(1, sizeof(*v));

	if (v == NULL)
		abort();
	v->known = info != NULL && peer_read(info->connect_fd, &v->peer);
	v->stranger = !v->known || !peer_allowed(api, &v->peer);
	if (v->stranger && api->strangers++ >= STRANGERS && info != NULL)
		shutdown(info->connect_fd, SHUT_RDWR);
	*context = v;
}

static void
on_connection(void *cookie, struct MHD_Connection *c, void **context,
    enum MHD_ConnectionNotificationCode what)
{
	struct api *api = cookie;
	struct visitor *v = *context;

	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		visitor_come(api, c, context);
		return;
	}
	if (v != NULL && v->stranger)
		api->strangers--;
	free(v);
	*context = NULL;
}

/* The first sight of a request, before its body: who is it? */
static enum MHD_Result
greet(struct api *api, struct MHD_Connection *c, const char *method, const char *path, void **cookie)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	const struct visitor *v = info == NULL ? NULL : info->socket_context;
	struct call *call;
	char by[100], text[160];

	if (v == NULL || !v->known) {
		log_line(LOG_LEVEL_WARNING, "api refused: the system does not say who asks");
		return send_error(c, 403, "the system does not say who you are", NULL);
	}
	peer_text(&v->peer, by, sizeof(by));
	/* Asked again: a connection may be older than the last reload. */
	if (!peer_allowed(api, &v->peer)) {
		log_printf(LOG_LEVEL_WARNING, "api refused: %s may not ask", by);
		snprintf(text, sizeof(text), "%s may not ask", by);
		return send_error(c, 403, text, "root, and the users and groups in api_allow");
	}
	call = calloc(1, sizeof(*call));
	if (call == NULL)
		abort();
	(void)str_copy(call->by, sizeof(call->by), by);
	call->most = api_route_body(method, path);
	*cookie = call;
	return MHD_YES;
}

static enum MHD_Result
on_request(void *cookie, struct MHD_Connection *c, const char *path, const char *method, const char *version,
    const char *data, size_t *n, void **request)
{
	struct api *api = cookie;
	struct call *call = *request;

	(void)version;
	if (call == NULL)
		return greet(api, c, method, path, request);
	if (*n > 0) {
		take_body(call, data, *n);
		*n = 0;
		return MHD_YES;
	}
	if (call->too_large)
		return send_error(c, 413, "too large", call->most == 0 ? "no body" :
		    call->most == API_BODY_MOST ? "64 KiB" : "1 MiB");
	return answer_asked(api, c, method, path, call);
}

static void
on_completed(void *cookie, struct MHD_Connection *c, void **request, enum MHD_RequestTerminationCode why)
{
	struct call *call = *request;

	(void)cookie;
	(void)c;
	(void)why;
	if (call != NULL) {
		free(call->body);
		free(call);
	}
	*request = NULL;
}

/* libmicrohttpd's own complaints (a client that went away in mid-sentence) are noise for a postmaster. */
static void
on_log(void *cookie, const char *fmt, va_list ap)
{
	char text[400];

	(void)cookie;
	if (vsnprintf(text, sizeof(text), fmt, ap) > 0)
		log_printf(LOG_LEVEL_DEBUG, "api: %s", text);
}

/* ---- open, close ---------------------------------------------------------------------------------- */

static void
api_free(struct api *api)
{
	free_strings(api->allow);
	pthread_mutex_destroy(&api->allow_lock);
	free(api);
}

struct api *
api_open(int take_listen_fd, const struct conf_strings *allow, struct store *s, struct alerts *al,
    const struct api_hooks *hooks, struct err *e)
{
	static const unsigned flags =
	    MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC | MHD_USE_ERROR_LOG;
	struct api *api = calloc(1, sizeof(*api));

	if (api == NULL)
		abort();
	api->store = s;
	api->alerts = al;
	api->hooks = *hooks;
	api->self = geteuid();
	api->allow = copy_strings(allow);
	pthread_mutex_init(&api->allow_lock, NULL);
	errno = 0;
	api->daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_request, api,
	    MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
	    MHD_OPTION_LISTEN_SOCKET, take_listen_fd,
	    MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS,
	    MHD_OPTION_CONNECTION_TIMEOUT, TIMEOUT_S,
	    MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
	    MHD_OPTION_NOTIFY_CONNECTION, on_connection, api,
	    MHD_OPTION_END);
	if (api->daemon != NULL)
		return api;
	err_set(e, ERR_SYSTEM, "the API cannot be started: %s",
	    errno == 0 ? "libmicrohttpd refused" : strerror(errno));
	api_free(api);
	return NULL;
}

void
api_close(struct api **api)
{
	if (api == NULL || *api == NULL)
		return;
	MHD_stop_daemon((*api)->daemon);	/* closes the socket too */
	api_free(*api);
	*api = NULL;
}
