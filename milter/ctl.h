/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef MILTER_CTL_H
#define MILTER_CTL_H
/*
 * ctl - between the files of gatepostctl: ctl.c reads arguments and makes a question of them,
 * ctl_http.c asks the daemon, ctl_print.c says the answer to people; ctl_trace.c is trace and complaint.
 */
#include <stdbool.h>

#include "lib/arena.h"
#include "lib/err.h"

struct json_t;

struct ctl_answer {
	unsigned status;	/* of HTTP */
	struct json_t *json;	/* an object, or NULL */
	char *text;		/* as it came; freed by ctl_answer_free */
};

/* Asks the daemon behind the unix socket. in: names and texts, for GET and DELETE the query, else the body.
 * Returns 1, or -1 (e filled, ERR_GONE) when no daemon answered. */
int ctl_ask(const char *socket, const char *method, const char *path, const struct json_t *in,
    struct ctl_answer *to, struct err *e);
void ctl_answer_free(struct ctl_answer *a);

/* What gatepostctl exits with. */
enum { CTL_DONE = 0, CTL_REFUSED = 1, CTL_USAGE = 2, CTL_GONE = 3, CTL_DENIED = 4 };

struct ctl_trace {
	const char *socket, *config;
	const char *keys;	/* NULL = those of the configuration, when no daemon answers */
	const char *file;	/* NULL = standard input, unless ids are given */
	const struct json_t *message_ids, *queue_ids;
	bool json;
	bool complaint;		/* record it on the customer's incident */
};
/* Returns what to exit with. */
int ctl_trace(struct arena *a, const struct ctl_trace *q);

struct ctl_keys {
	const char *config, *file;	/* file NULL: the one that the configuration names */
	bool json, force;
	char **words;			/* list | new [ID] | activate ID | retire ID */
	int n_words;
};
/* The key file, without a daemon. Returns what to exit with, or -1 when the words are none of these. */
int ctl_keys(struct arena *a, const struct ctl_keys *q);

/* Text for a terminal: what could move the cursor is escaped. "" for NULL. */
const char *ctl_safe(struct arena *a, const char *text);

/* One answer in words, on standard output. */
void ctl_print_status(struct arena *a, const struct json_t *j);
void ctl_print_top(struct arena *a, const struct json_t *j);
void ctl_print_show(struct arena *a, const struct json_t *j);
void ctl_print_limits(struct arena *a, const struct json_t *j);
void ctl_print_mailers(struct arena *a, const struct json_t *j);
void ctl_print_suspended(struct arena *a, const struct json_t *j);
void ctl_print_released(struct arena *a, const struct json_t *j);
void ctl_print_suspensions(struct arena *a, const struct json_t *j);
void ctl_print_overrides(struct arena *a, const struct json_t *j);
void ctl_print_raised(struct arena *a, const struct json_t *j);
void ctl_print_exempt(struct arena *a, const struct json_t *j);
void ctl_print_lowered(struct arena *a, const struct json_t *j);
void ctl_print_reset(struct arena *a, const struct json_t *j);
void ctl_print_reloaded(struct arena *a, const struct json_t *j);
void ctl_print_explain(struct arena *a, const struct json_t *j);

#endif
