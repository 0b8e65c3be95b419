/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * conf_check - what only two settings together can get wrong, and what is no mistake
 * but hardly wanted. Runs last, also after other mistakes, so that one run tells all.
 */
#include "lib/conf_private.h"

#include <string.h>

#include "lib/net.h"
#include "lib/banned.h"

/* Where a row was set; line 0 when it was not. */
static struct conf_place
check_place(const struct conf_reader *r, const char *path)
{
	size_t i = conf_table_find(path);

	return i == SIZE_MAX ? (struct conf_place){ NULL, 0, 0 } : r->place[i];
}

/* The member of a group; NULL when it has none of that name. */
static const struct conf_node *
check_member(const struct conf_node *n, const char *name)
{
	size_t i;

	for (i = 0; n != NULL && n->kind == CONF_NODE_GROUP && i < n->n; i++)
		if (strcmp(n->child[i].name, name) == 0)
			return &n->child[i];
	return NULL;
}

/* True when a table is not named: left out, or "". One that was named wrongly has been told already. */
static bool
check_no_table(const struct conf_reader *r, const char *name, const char *value)
{
	const struct conf_node *n = check_member(check_member(r->root, "tables"), name);

	return value[0] == '\0' && (n == NULL || (n->kind == CONF_NODE_TEXT && n->text[0] == '\0'));
}

static void
check_sources(struct conf_reader *r, struct conf *c)
{
	size_t i;

	for (i = 0; i < c->identity.sources.n; i++) {
		if (strcmp(c->identity.sources.at[i], "login") == 0)
			c->identity.login = true;
		else if (strcmp(c->identity.sources.at[i], "ticket") == 0)
			c->identity.ticket = true;
		else
			c->identity.network = true;
	}
	if (c->identity.login && check_no_table(r, "accounts", c->tables.accounts))
		conf_problem_at(r, check_place(r, "tables.accounts"), "tables.accounts",
		    "missing; allowed: a table of logins, or identity.sources without \"login\"");
	if (c->identity.network && check_no_table(r, "networks", c->tables.networks))
		conf_problem_at(r, check_place(r, "tables.networks"), "tables.networks",
		    "missing; allowed: a table of client addresses, or identity.sources without \"network\"");
}

static void
check_users(struct conf_reader *r, const struct conf *c)
{
	if (c->tables.users[0] != '\0' && !c->identity.ticket)
		conf_warn_at(r, check_place(r, "tables.users"), "tables.users",
		    "no source of identity reads this table");
	if ((c->submission.socket[0] != '\0' || c->identity.userid_from.n > 0) && c->identity.ticket &&
	    check_no_table(r, "users", c->tables.users))
		conf_problem_at(r, check_place(r, "tables.users"), "tables.users",
		    "missing; allowed: a table of local users, or identity.sources without \"ticket\"");
}

static void
check_ownership(struct conf_reader *r, const struct conf *c)
{
	if (c->ownership.return_path == CONF_ACCEPT && c->ownership.from == CONF_ACCEPT &&
	    c->ownership.sender == CONF_ACCEPT)
		return;
	if (check_no_table(r, "domains", c->tables.domains))
		conf_problem_at(r, check_place(r, "tables.domains"), "tables.domains",
		    "missing; allowed: a table of domains, or \"accept\" for ownership.return_path, from and "
		    "sender");
}

static void
check_plans(struct conf_reader *r, struct conf *c)
{
	struct conf_place set = check_place(r, "default_plan");
	bool by_plan = false, known = conf_plan_find(c, c->default_plan) != NULL;
	size_t i;

	for (i = 0; i < c->n_limits; i++)
		by_plan |= c->limits[i].by_plan;
	if (by_plan && c->n_plans == 0)
		conf_problem_at(r, check_place(r, "plans"), "plans",
		    "a limit goes by plan, and there is no plan; allowed: "
		    "plans = { standard = [ \"250/1h\" ]; }");
	else if (!known && (by_plan || set.line != 0))
		conf_problem_at(r, set, "default_plan",
		    "\"%s\"%s is no plan; allowed: the name of one of plans", c->default_plan,
		    set.line == 0 ? " (the default)" : "");
	if (!known)
		c->default_plan = "";
	if (c->probation.days > 0 && conf_plan_find(c, c->probation.plan) == NULL)
		conf_problem_at(r,
		    check_place(r, c->probation.plan[0] == '\0' ? "probation.days" : "probation.plan"),
		    "probation.plan", "\"%s\" is no plan; allowed: the name of one of plans",
		    c->probation.plan);
	if (c->probation.days > 0 && check_no_table(r, "customers", c->tables.customers))
		conf_warn_at(r, check_place(r, "probation.days"), "probation.days",
		    "has no effect without tables.customers, which says since when a customer is one");
}

static void
check_same_name(struct conf_reader *r, const char *path, const char *other, const char *name)
{
	struct conf_place place = check_place(r, path);

	conf_problem_at(r, place.line != 0 ? place : check_place(r, other), path,
	    "\"%s\" is the name of %s too; allowed: a name of its own", name, other);
}

/* Two of our header fields under one name would be taken for one another, or remove each other. */
static void
check_headers(struct conf_reader *r, const struct conf *c)
{
	const struct { const char *path, *name; } h[] = {
		{ "trace.customer.header",
		    c->trace.customer.form == CONF_FORM_OFF ? "" : c->trace.customer.header },
		{ "trace.submitter.header",
		    c->trace.submitter.form == CONF_FORM_OFF ? "" : c->trace.submitter.header },
		{ "trace.sealed.header", c->trace.sealed.header },
		{ "mailers.header", c->mailers.header },
		{ "preflight.header", c->preflight.header },
		{ "tag_header", c->tag_header },
		{ "slow_header", c->slow_header },
	};
	size_t i, j;

	for (i = 0; i < sizeof(h) / sizeof(h[0]); i++)
		for (j = 0; j < i; j++)
			if (h[i].name[0] != '\0' && str_ieq(h[i].name, h[j].name))
				check_same_name(r, h[i].path, h[j].path, h[i].name);
}

/* Smaller segments than 64 KiB would be mostly file names. */
static void
check_memory(struct conf_reader *r, const struct conf *c)
{
	if (c->trace.memory.size > 0 && c->trace.memory.size < (UINT64_C(1) << 20))
		conf_problem_at(r, check_place(r, "trace.memory.size"), "trace.memory.size",
		    "is too little; allowed: 0, or a size from 1M");
}

/* Further headers beside those of our own names, and a pseudonym without a key. */
static void
check_trace(struct conf_reader *r, const struct conf *c)
{
	const struct { const char *path; bool asks; } k[] = {
		{ "trace.customer.form", c->trace.customer.form == CONF_FORM_OPAQUE },
		{ "trace.submitter.form", c->trace.submitter.form == CONF_FORM_OPAQUE },
		{ "trace.extras.report_abuse", *c->trace.extras.report_abuse != '\0' },
		{ "trace.extras.cfbl_address", *c->trace.extras.cfbl_address != '\0' },
		{ "trace.extras.feedback_id", *c->trace.extras.feedback_id != '\0' },
		{ "trace.extras.authserv_id", *c->trace.extras.authserv_id != '\0' },
	};
	const char *const ours[] = { c->trace.customer.header, c->trace.submitter.header,
	    c->trace.sealed.header,
	    c->mailers.header, c->preflight.header, c->tag_header, c->slow_header, "X-Report-Abuse",
	    "CFBL-Address",
	    "CFBL-Feedback-ID", "Feedback-ID", "Authentication-Results" };
	struct conf_place also = check_place(r, "trace.also");
	size_t i, j;

	for (i = 0; i < sizeof(k) / sizeof(k[0]); i++)
		if (k[i].asks && *c->trace.sealed.keys == '\0')
			conf_problem_at(r, check_place(r, k[i].path), k[i].path,
			    "needs a key; allowed: with trace.sealed.keys only");
	for (i = 0; i < c->trace.n_also; i++) {
		for (j = 0; j < sizeof(ours) / sizeof(ours[0]); j++)
			if (str_ieq(c->trace.also[i].name, ours[j]))
				conf_problem_at(r, also, "trace.also",
				    "\"%s\" is written by us already; allowed: another name", ours[j]);
		for (j = 0; j < i; j++)
			if (str_ieq(c->trace.also[i].name, c->trace.also[j].name))
				conf_problem_at(r, also, "trace.also", "\"%s\" stands twice; allowed: once",
				    c->trace.also[i].name);
		if (c->trace.also[i].what == CONF_ALSO_TOKEN &&
		    (*c->trace.sealed.keys == '\0' || *c->trace.sealed.header == '\0'))
			conf_problem_at(r, also, "trace.also",
			    "a token needs a key; allowed: with trace.sealed.keys and header only");
	}
}

static void
check_socket(struct conf_reader *r, const struct conf *c, const char *path, const char *value,
    const char *other)
{
	size_t i;

	for (i = 0; i < c->listen.n; i++)
		if (strcmp(c->listen.at[i], value) == 0)
			other = value;
	if (value[0] != '\0' && (strcmp(value, c->api) == 0 || strcmp(value, other) == 0))
		conf_problem_at(r, check_place(r, path), path,
		    "\"%s\" is another socket too; allowed: a socket of its own", value);
}

static void
check_submission(struct conf_reader *r, const struct conf *c)
{
	check_socket(r, c, "submission.socket", c->submission.socket, "");
	check_socket(r, c, "submission.web", c->submission.web, c->submission.socket);
	if ((c->submission.socket[0] != '\0' || c->submission.web[0] != '\0') &&
	    c->trace.sealed.keys[0] == '\0')
		conf_problem_at(r, check_place(r, c->submission.socket[0] != '\0' ? "submission.socket" :
		    "submission.web"), "trace.sealed.keys",
		    "missing; allowed: the key file that seals tickets (gatepostctl keys new)");
	if (c->submission.web[0] != '\0' && c->submission.socket[0] == '\0')
		conf_warn_at(r, check_place(r, "submission.web"), "submission.web",
		    "tokens are of no use without submission.socket, which reads them");
	if (c->submission.expired == CONF_ACCEPT)
		conf_warn_at(r, check_place(r, "submission.expired"), "submission.expired",
		    "\"accept\" lets whoever kept a ticket send as its user for ever");
}

static bool
check_listed(const struct conf_strings *list, const char *text)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		if (strcmp(list->at[i], text) == 0)
			return true;
	return false;
}

static void
check_preflight(struct conf_reader *r, struct conf *c)
{
	struct conf_place place = check_place(r, "preflight.signing");

	if (*c->preflight.helo == '\0')
		c->preflight.helo = c->relay;
	if (check_listed(&c->preflight.signing, "none") && c->preflight.signing.n > 1)
		conf_problem_at(r, place, "preflight.signing",
		    "\"none\" beside others; allowed: \"none\" alone, or what signs");
	if (check_listed(&c->preflight.signing, "own") && check_no_table(r, "domains", c->tables.domains))
		conf_problem_at(r, place, "preflight.signing",
		    "\"own\" needs the customers' domains; allowed: tables.domains too, or a table that "
		    "says what is signed");
	if (c->preflight.egress.n > 0 && strchr(c->preflight.helo, '.') == NULL)
		conf_warn_at(r, check_place(r, "preflight.helo"), "preflight.helo",
		    "\"%s\" is no full host name: set what the MTA says at EHLO", c->preflight.helo);
	if (c->preflight.egress.n > 0 && check_listed(&c->preflight.signing, "own") &&
	    c->preflight.selectors.n == 0)
		conf_warn_at(r, place, "preflight.signing",
		    "\"own\" without preflight.selectors: it cannot be seen whether a domain's key is there");
}

static void
check_listen(struct conf_reader *r, const struct conf *c)
{
	const char *host;
	size_t i;

	for (i = 0; i < c->listen.n; i++) {
		if (strcmp(c->listen.at[i], c->api) == 0)
			conf_problem_at(r, check_place(r, "api"), "api",
			    "\"%s\" is a socket of listen too; allowed: a socket of its own", c->api);
		host = strchr(c->listen.at[i], '@');
		if (strncmp(c->listen.at[i], "inet", 4) == 0 && host != NULL &&
		    (strcmp(host, "@0.0.0.0") == 0 || strcmp(host, "@::") == 0))
			conf_warn_at(r, check_place(r, "listen"), "listen",
			    "\"%s\" lets whoever reaches this port speak for the MTA", c->listen.at[i]);
	}
	if (strchr("2367", c->listen_mode[3]) != NULL)
		conf_warn_at(r, check_place(r, "listen_mode"), "listen_mode",
		    "\"%s\" lets every local user speak for the MTA", c->listen_mode);
}

/* A plan that is mistyped would leave its customers under the strict rule in silence. */
static void
check_mailer_plans(struct conf_reader *r, const struct conf *c)
{
	size_t i;

	for (i = 0; i < c->mailers.n_plans; i++)
		if (conf_plan_find(c, c->mailers.plans[i].plan) == NULL)
			conf_problem_at(r, check_place(r, "mailers.plans"), "mailers.plans",
			    "\"%s\" is no plan; allowed: names of plans", c->mailers.plans[i].plan);
}

static void
check_limits(struct conf_reader *r, const struct conf *c)
{
	const struct conf_node *list = check_member(r->root, "limits");
	size_t i;

	if (c->n_limits == 0)
		conf_warn_at(r, check_place(r, "limits"), "limits", "there are none: nothing is limited");
	for (i = 0; i < c->n_limits && c->mailers.signatures[0] == '\0'; i++)
		if (c->limits[i].when_mailer.n > 0)
			conf_warn_at(r, list->child[i].place, "limits",
			    "\"%s\" never applies without mailers.signatures", c->limits[i].name);
}

static void
check_store(struct conf_reader *r, const struct conf *c)
{
	bool redis = strcmp(c->store.type, "redis") == 0;

	if (redis && c->store.servers.n == 0)
		conf_problem_at(r, check_place(r, "store.servers"), "store.servers",
		    "missing; allowed: where Redis is, such as [ \"inet:6379@192.0.2.1\" ]");
	if (redis && strcmp(c->store.topology, "single") == 0 && c->store.servers.n > 1)
		conf_problem_at(r, check_place(r, "store.servers"), "store.servers",
		    "several; allowed: one, or store.topology = \"sentinel\" or \"cluster\"");
	if (redis && strcmp(c->store.topology, "cluster") == 0 && c->store.database != 0)
		conf_problem_at(r, check_place(r, "store.database"), "store.database",
		    "a Cluster has no databases; allowed: 0");
	if (c->store.tls)
		conf_problem_at(r, check_place(r, "store.tls"), "store.tls",
		    "the hiredis of this build knows no TLS; allowed: false, and stunnel(8) as gatepost.conf(5) "
		    "shows");
	if (!redis && c->store.servers.n > 0)
		conf_warn_at(r, check_place(r, "store.servers"), "store.servers",
		    "has no effect without store.type = \"redis\"");
}

void
conf_check(struct conf_reader *r, struct conf *c)
{
	check_listen(r, c);
	check_submission(r, c);
	check_sources(r, c);
	check_users(r, c);
	check_ownership(r, c);
	check_headers(r, c);
	check_trace(r, c);
	check_preflight(r, c);
	check_plans(r, c);
	check_mailer_plans(r, c);
	check_memory(r, c);
	check_limits(r, c);
	check_store(r, c);
}
