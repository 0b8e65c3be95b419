/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef MILTER_API_PRIVATE_H
#define MILTER_API_PRIVATE_H
/*
 * api_private - one request of the API, between its files.
 *
 *     api.c          HTTP, who asks, bodies
 *     api_routes.c   the table of routes, what is asked
 *     api_look.c     answers that change nothing
 *     api_act.c      what people do
 *     api_explain.c  what would happen to this message
 *     api_trace.c    whose message a complaint is about
 *     api_limits.c   one limit for one subject
 *     api_mailers.c  mailers that were seen
 *
 * A handler reads what is asked with api_in_*() (types and lengths are checked before it is called), puts its
 * answer in r->out and returns the HTTP status. Everything it needs lives in r->arena or in r until it
 * returns.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/store.h"
#include "milter/api.h"
#include "milter/check.h"
#include "milter/customer.h"
#include "milter/limit_key.h"

struct json_t;

#define API_BODY_MOST ((size_t)64 << 10)
#define API_BODY_MOST_MESSAGE ((size_t)1 << 20)
#define API_TEXT_MOST 1000u		/* bytes of one text that is not a message */
#define API_LIST_MOST 50000u
#define API_ITEM_MOST 2000u		/* bytes of one text in a list: a stamp of many recipients is long */

struct api_request {
	struct arena *arena;
	struct chain *chain;
	const struct services *services;
	const struct conf *conf;
	struct store *store;
	struct alerts *alerts;
	const struct api_hooks *hooks;
	const char *by;			/* "uid 0 (root)" */
	uint64_t now;
	uint64_t deadline;		/* clock_mono_us, for tables and store */
	struct json_t *in;		/* an object */
	struct json_t *out;		/* the answer, an object */
	const char *text;		/* or: the answer as plain text */
};

/* ---- api_routes.c: what is asked -------------------------------------------------- */

/* The most bytes that a body of this route may have; 0 = it takes none. */
size_t api_route_body(const char *method, const char *path);
/* Finds the route, checks r->in, calls the handler. Returns the HTTP status. */
unsigned api_route(struct api_request *r, const char *method, const char *path);

/* Puts a refusal in r->out. allowed may be NULL. Returns status. */
unsigned api_refuse(struct api_request *r, unsigned status, const char *allowed, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The refusal for a store or table that did not answer as it should. */
unsigned api_refuse_err(struct api_request *r, const char *what, const struct err *e);

const char *api_in_text(const struct api_request *r, const char *name);		/* NULL = not given */
bool api_in_flag(const struct api_request *r, const char *name);
uint64_t api_in_number(const struct api_request *r, const char *name, uint64_t missing);
/* How many texts; they live as long as r->in. */
size_t api_in_list(const struct api_request *r, const char *name, const char *const **to);
/* A whole text that may hold anything but NUL, with its length. */
const char *api_in_raw(const struct api_request *r, const char *name, size_t *n);

/* Text as JSON: bytes that are not UTF-8 become \xNN. NULL gives null. */
struct json_t *api_json_text(struct arena *a, const char *text);
/* Milliseconds; UINT64_MAX (= for ever) gives null. */
struct json_t *api_json_time(uint64_t ms);
/* Sets a member; a NULL value (out of memory) ends the process like every failed allocation. */
void api_put(struct json_t *object, const char *name, struct json_t *take_value);

/* Whose. */
struct api_subject {
	struct limit_subject parts;	/* as limit_key wants them */
	bool everyone;
	size_t n;			/* parts given, everyone included */
	struct customer customer;	/* filled by api_subject_plan */
	bool read;
};
/* Reads the kinds that are given ("customer", "account"...) in the form that keys have. 0, or the status of a
 * refusal. */
unsigned api_in_subject(struct api_request *r, struct api_subject *to);
/* One kind's text in the form that keys and suspensions have; NULL when it is none. A client for suspensions
 * is one address, for limits what one host can use (net_host_text). */
const char *api_canonical(struct arena *a, const char *kind, const char *text, bool host);

/* ---- api_limits.c -------------------------------------------------------------------- */

/* Which ceilings hold for the subject without overrides, and by what ("plan standard"). 1, or -1 (e
 * filled). */
int api_limit_ceilings(struct api_request *r, const struct conf_limit *l, struct api_subject *s,
    struct limit_ceilings *to, const char **from, struct err *e);
/* True when every part of l.per is given (and, exact, nothing else). */
bool api_limit_matches(const struct conf_limit *l, const struct api_subject *s, bool exact);
/* "customer and submitter", for people. */
const char *api_limit_per(struct arena *a, const struct conf_limit *l);
/* The names of all limits, for a refusal; with "all" before them. */
const char *api_limit_names(const struct api_request *r, bool all);
/* Every limit that matches, with what is used, left, raised; an array, or NULL with e filled. */
struct json_t *api_limits(struct api_request *r, struct api_subject *s, struct err *e);
bool api_limit_monitor(const struct conf *c, const struct conf_limit *l);

/* ---- the handlers ----------------------------------------------------------------------- */

unsigned api_look_status(struct api_request *r);
unsigned api_look_metrics(struct api_request *r);
unsigned api_look_top(struct api_request *r);
unsigned api_look_show(struct api_request *r);
unsigned api_look_limits(struct api_request *r);
unsigned api_look_suspensions(struct api_request *r);
unsigned api_look_overrides(struct api_request *r);
unsigned api_look_mailers(struct api_request *r);
unsigned api_act_suspend(struct api_request *r);
unsigned api_act_release(struct api_request *r);
unsigned api_act_override(struct api_request *r);
unsigned api_act_lower(struct api_request *r);
unsigned api_act_reset(struct api_request *r);
unsigned api_act_reload(struct api_request *r);
unsigned api_explain(struct api_request *r);
unsigned api_trace(struct api_request *r);
unsigned api_complaint(struct api_request *r);

/* What mailer_seen.h knows of a customer; an array. */
struct json_t *api_mailers_of(struct api_request *r, const char *customer);
/* A suspension as JSON. */
struct json_t *api_json_suspension(struct arena *a, const struct store_suspension *w);

#endif
