/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef MILTER_WEB_TOKEN_H
#define MILTER_WEB_TOKEN_H
/*
 * web_token - HTTP over a unix socket, where the web server gets a token for a request before PHP runs.
 *
 *     struct web_token *w = web_token_open(fd, current_chain, cookie, &err);
 *     ...
 *     web_token_close(&w);
 *
 * A GET of any path, with the headers that the web server sets:
 *
 *     X-Gatepost-Address: 203.0.113.9     204 No Content
 *     X-Gatepost-Host: www.acme.example   Gatepost-Token: 1.2026a....
 *     X-Gatepost-Request: 5f1c...
 *
 * The address is taken as it is said, so only the web server's user (submission.web_allow) may ask: for anyone else
 * the connection is closed. It must be what the web server itself resolved, never X-Forwarded-For.
 */
#include "lib/err.h"

struct chain;
struct web_token;

/* Starts to answer on a listening unix socket, which it takes over when it succeeds. chain gives a reference that
 * is given back, or NULL. NULL with e filled. */
struct web_token *web_token_open(int take_listen_fd, struct chain *(*chain)(void *cookie), void *cookie,
    struct err *e);
/* Ends it; *w may be NULL. */
void web_token_close(struct web_token **w);

#endif
