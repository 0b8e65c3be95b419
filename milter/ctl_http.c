/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * ctl_http - asks the daemon over its unix socket, and takes no more than it can hold.
 *
 * The only file of gatepostctl that knows libcurl. It decides nothing: what a status means is
 * ctl.c's business.
 */
#include "milter/ctl.h"

#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>
#include <jansson.h>

#include "lib/str.h"

#include "lib/banned.h"

#define ANSWER_MOST ((size_t)64 << 20)
#define CONNECT_MS 5000L
#define ANSWER_MS 60000L	/* an explain may wait for DNS and tables */
#define HOST "http://gatepost"

struct buffer { char *data; size_t n; };

static size_t
take(char *data, size_t one, size_t n, void *cookie)
{
	struct buffer *b = cookie;
	char *bigger;

	n *= one;
	if (n > ANSWER_MOST - b->n)
		return 0;
	bigger = realloc(b->data, b->n + n + 1);
	if (bigger == NULL)
		return 0;
	b->data = bigger;
	memcpy(b->data + b->n, data, n);
	b->n += n;
	b->data[b->n] = '\0';
	return n;
}

static void
append(struct buffer *b, const char *text)
{
	/* take() copies; a full buffer shows as a URL that the daemon refuses */
	union { const char *from; char *to; } u = { text };

	(void)take(u.to, 1, strlen(text), b);
}

static void
append_member(CURL *c, struct buffer *url, const char *name, const json_t *v)
{
	const char *text = json_is_true(v) ? "true" : json_string_value(v);
	char *safe_name, *safe;

	if (text == NULL)
		return;
	safe_name = curl_easy_escape(c, name, 0);
	safe = curl_easy_escape(c, text, 0);
	if (safe_name != NULL && safe != NULL) {
		append(url, url->data == NULL || strchr(url->data, '?') == NULL ? "?" : "&");
		append(url, safe_name);
		append(url, "=");
		append(url, safe);
	}
	curl_free(safe_name);
	curl_free(safe);
}

static char *
make_url(CURL *c, const char *path, const json_t *query)
{
	struct buffer url = { NULL, 0 };
	const char *name;
	json_t *v;

	append(&url, HOST);
	append(&url, path);
	if (query != NULL) {
		json_object_foreach((json_t *)(uintptr_t)query, name, v) {
			append_member(c, &url, name, v);
		}
	}
	return url.data;
}

static int
no_answer(CURL *c, CURLcode code, const char *socket, struct err *e)
{
	long number = 0;

	curl_easy_getinfo(c, CURLINFO_OS_ERRNO, &number);
	if (code == CURLE_COULDNT_CONNECT)
		return err_set(e, ERR_GONE, "no answer at %s: is gatepost running? (connect: %s)", socket,
		    number == 0 ? "failed" : strerror((int)number));
	return err_set(e, ERR_GONE, "no answer at %s: %s", socket, curl_easy_strerror(code));
}

static int
perform(CURL *c, const char *socket, struct buffer *body, struct ctl_answer *to, struct err *e)
{
	CURLcode code;
	long status = 0;

	curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, socket);
	curl_easy_setopt(c, CURLOPT_NOPROXY, "*"); /* http_proxy of the environment is not meant for this */
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, ANSWER_MS);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, body);
	code = curl_easy_perform(c);
	if (code != CURLE_OK)
		return no_answer(c, code, socket, e);
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	to->status = (unsigned)status;
	return 1;
}

int
ctl_ask(const char *socket, const char *method, const char *path, const struct json_t *in,
    struct ctl_answer *to, struct err *e)
{
	bool post = strcmp(method, "POST") == 0;
	char *url, *sent = post ? json_dumps(in, JSON_COMPACT) : NULL;
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	struct buffer body = { NULL, 0 };
	CURL *c = curl_easy_init();
	int r = -1;

	memset(to, 0, sizeof(*to));
	url = c == NULL ? NULL : make_url(c, path, post ? NULL : in);
	if (url == NULL || headers == NULL || (post && sent == NULL)) {
		err_set(e, ERR_SYSTEM, "out of memory");
		goto out;
	}
	headers = curl_slist_append(headers, "Expect:");
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method);
	if (post) {
		curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
		curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(sent));
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, sent);
	}
	r = perform(c, socket, &body, to, e);
	if (r == 1) {
		to->text = body.data;
		body.data = NULL;
		to->json = to->text == NULL ? NULL : json_loads(to->text, 0, NULL);
		if (!json_is_object(to->json)) {
			json_decref(to->json);
			to->json = NULL;
		}
	}
out:
	free(body.data);
	free(url);
	free(sent);
	curl_slist_free_all(headers);
	curl_easy_cleanup(c);
	return r;
}

void
ctl_answer_free(struct ctl_answer *a)
{
	json_decref(a->json);
	free(a->text);
	memset(a, 0, sizeof(*a));
}
