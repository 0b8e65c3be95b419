/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_CONF_H
#define LIB_CONF_H
/*
 * conf - gatepost.conf as an immutable snapshot.
 *
 *     struct conf_problems p = { .say = print_problem };
 *     struct conf *c = conf_load("/etc/gatepost/gatepost.conf", &p);
 *     if (c == NULL) -> every mistake was told, as file:line: path.to.setting: problem; allowed: ...
 *     conf_unref(&c);
 *
 * Every setting is one row of conf_table.c (path, type, range, default, help, whether a reload
 * applies it). A new setting = one row there and one field here; the parser, `gatepost -t`, the sample
 * file's and the manual page's tests follow from the row. The few lists of groups (limits, plans,
 * escalate) have a row too, with a reader of their own.
 *
 * A snapshot never changes and is counted; sessions keep the one they began with. Thread safe.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/limit.h"
#include "lib/net.h"

/* What to do with a message, weakest first (product order). */
enum conf_action { CONF_ACCEPT, CONF_TAG, CONF_SLOW, CONF_HOLD, CONF_DEFER, CONF_REJECT };
enum conf_mode { CONF_ENFORCE, CONF_MONITOR };
enum conf_form { CONF_FORM_PLAIN, CONF_FORM_OPAQUE, CONF_FORM_OFF };
/* What a header of trace.also says. */
enum conf_also { CONF_ALSO_CUSTOMER, CONF_ALSO_ACCOUNT, CONF_ALSO_CLIENT, CONF_ALSO_SUBMITTER,
	CONF_ALSO_DOMAIN, CONF_ALSO_RELAY, CONF_ALSO_QUEUE_ID, CONF_ALSO_TOKEN };
enum conf_signed { CONF_SIGNED_IGNORE, CONF_SIGNED_EXPECTED, CONF_SIGNED_CERTAIN };

const char *conf_action_text(enum conf_action a);	/* "accept"... */
bool conf_action_parse(const char *text, enum conf_action *to);

struct conf_strings { size_t n; const char **at; };

/* A kind of mailer, or a trait, and what is done about it. */
struct conf_mailer_action { const char *kind; enum conf_action action; };
struct conf_mailer_plan { const char *plan; struct conf_mailer_action *actions; size_t n_actions; };

enum conf_per { CONF_PER_CUSTOMER, CONF_PER_ACCOUNT, CONF_PER_CLIENT, CONF_PER_SUBMITTER,
	CONF_PER_RETURN_PATH, CONF_PER_RECIPIENT_DOMAIN, CONF_PER_MAILER, CONF_PER_EVERYONE };
/* "customer" "account" "client" "submitter" "return-path" "recipient-domain" "mailer" "everyone" */
const char *conf_per_text(enum conf_per p);
bool conf_per_parse(const char *text, enum conf_per *to);
#define CONF_PER_MAX 4

enum conf_count { CONF_COUNT_MESSAGES, CONF_COUNT_RECIPIENTS, CONF_COUNT_EXTERNAL, CONF_COUNT_BYTES,
	CONF_COUNT_DISTINCT, CONF_COUNT_NETWORKS, CONF_COUNT_REFUSALS };
/* "messages" "recipients" "external-recipients" "bytes" "distinct-recipients" "networks" "refusals" */
const char *conf_count_text(enum conf_count c);

struct conf_limit {
	const char *name;		/* [a-z0-9-]{1,32}, unique */
	enum conf_per per[CONF_PER_MAX];	/* a tuple; duplicates are errors */
	size_t n_per;
	enum conf_count count;
	bool by_plan;			/* ceilings = "plan" (needs customer in per) */
	struct limit_ceilings ceilings;	/* else these */
	enum conf_action action;	/* for "suspend 24h": CONF_DEFER and suspend set */
	uint64_t suspend;		/* ms; 0 = no suspension. What is suspended: the account if per has
					 * it, else the customer */
	enum conf_mode mode;
	struct conf_strings when_mailer;	/* kinds or names; empty = always */
	int when_null_sender;		/* -1 whatever, 0 only with a return-path, 1 only the null one */
	unsigned line;			/* in the file, for messages */
};

struct conf_plan { const char *name; struct limit_ceilings ceilings; };

struct conf_escalation {
	const char *when;		/* a check's name ("ownership", "limit", "mailer", "trace") or a
					 * whole code ("ownership.from") */
	unsigned times;
	uint64_t within;		/* ms */
	bool customer;			/* suspend the customer, else the account */
	uint64_t suspend;		/* ms */
};

struct conf {
	const char *file;
	struct conf_strings listen;	/* "unix:/path", "inet:port@host", "inet6:port@host", "fd:N" */
	const char *listen_mode;	/* "0660" */
	const char *listen_group;	/* "" = the user's own */
	const char *api;
	struct conf_strings api_allow;	/* user names, "@group" */
	const char *user;		/* "" = stay who we are */
	const char *relay;		/* never empty: host name filled in */
	enum conf_mode mode;
	uint64_t drain;			/* ms that SIGTERM waits for open sessions */
	const char *tag_header;		/* "X-Gatepost-Tag" */
	const char *slow_header;	/* "X-Gatepost-Lane" */
	struct { const char *facility, *socket, *level; } log;
	struct {
		const char *type, *file;
		uint64_t memory, budget;
		/* redis */
		struct conf_strings servers;
		const char *topology;		/* "single", "sentinel", "cluster" */
		const char *master, *user, *password_file, *sentinel_user, *sentinel_password_file;
		unsigned database;
		const char *prefix;
		unsigned connections, relays_least;
		bool tls;			/* never true: it is refused */
	} store;
	struct {			/* "" = none */
		const char *accounts, *networks, *users, *domains, *customers, *also, *mailers;
	} tables;
	struct {
		bool login, ticket, network;	/* sources, in their order */
		struct conf_strings sources;
		enum conf_action unidentified, local, unsure;
		struct conf_strings relays;	/* addresses or prefixes */
		struct conf_strings userid_from;	/* the same: the MTA, handing on local mail */
		struct conf_strings bounce_domains;	/* our own bounces are From; empty = relay's name */
		enum conf_mode mode;
	} identity;
	struct { enum conf_mode mode; } suspension;
	struct {
		enum conf_action return_path, from, sender, unsure;
		bool subdomains;
		enum conf_mode mode;
	} ownership;
	struct {
		struct { const char *header; enum conf_form form; } customer, submitter;
		struct { const char *header, *keys; } sealed;	/* "" = off; keys: the key file */
		/* accept, tag, hold or reject a message with a stamp that our key did not make, of a key that
		 * is not ours, with one of our plain headers, with another message's genuine stamp */
		enum conf_action forged, foreign, copied, replayed;
		struct {
			uint64_t fresh;		/* ms */
			unsigned times;
			struct conf_strings expands;	/* addresses or prefixes */
		} reentry;
		struct {			/* "" = off */
			const char *report_abuse, *cfbl_address, *feedback_id, *authserv_id;
		} extras;
		struct { const char *name; enum conf_also what; } *also;	/* further headers to write */
		size_t n_also;
		struct conf_strings strip;	/* further header names to remove */
		struct { uint64_t size, keep; } memory;	/* size 0 = off; keep: ms */
		enum conf_mode mode;
	} trace;
	struct { struct conf_strings trusted; const char *header; bool remove; } submitter;
	struct {			/* mail of local users, by gatepost-sendmail */
		const char *socket, *web;	/* "" = none */
		struct conf_strings web_allow;	/* user names, "@group" */
		uint64_t valid;			/* ms, of tickets and web tokens */
		unsigned mails;			/* for one web token */
		enum conf_action forged, expired;
		enum conf_mode mode;
	} submission;
	struct {
		const char *signatures;		/* "" = off */
		const char *directory;		/* the operator's own signatures; "" = none */
		const char *header;		/* "" = none */
		bool first_seen_alert;		/* first_seen = "alert" | "off" */
		struct conf_mailer_action *actions;
		size_t n_actions;
		struct conf_mailer_plan *plans;	/* what is done otherwise under a plan */
		size_t n_plans;
		struct conf_mailer_action *traits;	/* kind: the trait */
		size_t n_traits;
		unsigned volume;		/* recipients that make a message bulk; 0 = none do */
		enum conf_action unsure;
		enum conf_mode mode;
	} mailers;
	struct {
		struct conf_strings egress;	/* addresses; empty = off */
		const char *helo;		/* "" = relay */
		const char *include;		/* name whose SPF record lists egress; "" = none */
		struct conf_strings signing;	/* "none", "own", "opendkim:/path", tables; empty = unknown */
		struct conf_strings selectors;	/* of "own", and of table rows that name none */
		enum conf_signed is_signed;	/* what a DKIM-Signature on the message is worth */
		enum conf_action spf_fail, spf_fail_some, spf_softfail, spf_neutral, spf_none, spf_permerror;
		enum conf_action dmarc_fail, dmarc_fail_unknown, dmarc_foreign, dmarc_quarantine, dmarc_none;
		enum conf_action dkim_key, unsure;
		uint64_t budget;		/* ms a message */
		const char *header;		/* "" = none */
		const char *exempt;		/* a table; "" = none */
		uint64_t cache;			/* bytes of verdicts */
		struct {
			struct conf_strings servers;	/* ADDRESS or ADDRESS@PORT; empty = resolv.conf */
			const char *trust_anchor;	/* "" = no validation */
			uint64_t cache;			/* bytes */
		} dns;
		struct {
			uint64_t interval;		/* ms; 0 = off */
			unsigned rate;			/* domains a second */
			const char *file;
			struct conf_strings mx;		/* names of our mail exchangers, ".suffix" too */
		} drift;
		enum conf_mode mode;
	} preflight;
	struct conf_limit *limits;
	size_t n_limits;
	enum conf_mode limits_mode;	/* limits_mode = "enforce": all limits at once */
	enum conf_action limits_unsure;	/* the store cannot tell: limits_unsure = "defer" */
	struct conf_plan *plans;
	size_t n_plans;
	const char *default_plan;	/* "" when there is no such plan (then no limit goes by plan) */
	struct { unsigned days; const char *plan; } probation;	/* days 0 = off */
	struct {
		unsigned warn_at;
		uint64_t repeat;
		const char *facility;
		struct conf_escalation *escalate;
		size_t n_escalate;
	} alerts;
};

/* One call for each mistake, in the order of the file. e->where = "file:line", or "file" alone for what is
 * not in it; e->text = "path.to.setting: problem; allowed: ...". warn (may be NULL) gets what is no mistake
 * but hardly wanted, such as a file without limits; it refuses nothing, and is told only when there is no
 * mistake. */
struct conf_problems {
	void (*say)(void *cookie, const struct err *e);
	void *cookie;
	size_t count;
	void (*warn)(void *cookie, const struct err *e);
	size_t warnings;
};

/* Reads and checks everything that can be checked without opening what it names. NULL after any mistake.
 * Unknown settings are mistakes. */
struct conf *conf_load(const char *file, struct conf_problems *p);
struct conf *conf_ref(struct conf *c);
void conf_unref(struct conf **c);

const struct conf_plan *conf_plan_find(const struct conf *c, const char *name);
const struct conf_limit *conf_limit_find(const struct conf *c, const char *name);

/* Settings that differ and that a reload cannot apply (listen, api, user, store...): says each to p as a
 * mistake; returns how many. */
size_t conf_compare_fixed(const struct conf *now, const struct conf *next, struct conf_problems *p);

/* The table's rows, for `gatepost -t -v`, the tests of sample and manual page. NULL at the end. */
struct conf_row {
	const char *path;	/* "store.budget" */
	const char *type;	/* "duration" */
	const char *def;	/* default as it would be written in the file */
	const char *allowed;	/* for people: "1ms to 10s", "enforce | monitor" */
	const char *help;
	bool reloadable;
	bool example;		/* the sample file sets an example here, not the default */
};
/* Members of a list of groups are rows of their own, after all others: "limits[].per". Those that must be
 * given have def "". */
const struct conf_row *conf_row(size_t n);
/* The value that row n has in c, as it would be written in the file; "" for a member of a list of groups. */
struct str;
void conf_row_value(const struct conf *c, size_t n, struct str *to);
/* The same, however long it is; the caller frees it. */
char *conf_row_value_new(const struct conf *c, size_t n);

#endif
