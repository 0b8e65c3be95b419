/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * metrics - writes counters and gauges for Prometheus.
 *
 * Names follow its conventions: base units, _total for what only grows. A metric is one row of a
 * table; those with labels (actions, tables) have a function of their own. Not a history: what is
 * here begins at zero with each start.
 */
#include "milter/metrics.h"

#include <inttypes.h>
#include <string.h>

#include "lib/log.h"
#include "lib/str.h"
#include "lib/trace_memory.h"
#include "milter/chain.h"
#include "milter/submission.h"

#include "lib/banned.h"

#define PAGE_BYTES 16384

struct row { const char *name, *type, *help; uint64_t value; };

static void
head(struct str *s, const char *name, const char *type, const char *help)
{
	str_catf(s, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
rows(struct str *s, const struct row *r, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		head(s, r[i].name, r[i].type, r[i].help);
		str_catf(s, "%s %" PRIu64 "\n", r[i].name, r[i].value);
	}
}

/* A label's value: '"', '\' and line ends are escaped. */
static void
label(struct str *s, const char *name, const char *value)
{
	str_catf(s, "%s=\"", name);
	for (; *value != '\0'; value++) {
		if (*value == '"' || *value == '\\')
			str_cat(s, "\\");
		if ((unsigned char)*value >= 0x20)
			str_catn(s, value, 1);
	}
	str_cat(s, "\"");
}

static void
about(struct str *s, const struct metrics *m)
{
	head(s, "gatepost_info", "gauge", "Always 1; says what runs here.");
	str_cat(s, "gatepost_info{");
	label(s, "version", m->version);
	str_cat(s, ",");
	label(s, "relay", m->services->conf->relay);
	str_cat(s, ",");
	label(s, "mode", m->services->conf->mode == CONF_MONITOR ? "monitor" : "enforce");
	str_cat(s, "} 1\n");
	head(s, "gatepost_start_time_seconds", "gauge", "When the daemon started, in seconds since 1970.");
	str_catf(s, "gatepost_start_time_seconds %" PRIu64 "\n", m->started / 1000);
}

static void
messages(struct str *s)
{
	struct chain_numbers n;
	size_t i;

	chain_numbers(&n);
	head(s, "gatepost_messages_total", "counter", "Messages by what was done with them.");
	for (i = 0; i < 6; i++)
		str_catf(s, "gatepost_messages_total{action=\"%s\"} %" PRIu64 "\n",
		    conf_action_text((enum conf_action)i), n.by_action[i]);
	rows(s, (const struct row[]) {
		{ "gatepost_messages_aborted_total", "counter",
		    "Messages whose client went away before the end.", n.aborted },
		{ "gatepost_messages_would_total", "counter", "Messages that only monitor mode let pass.",
		    n.would },
		{ "gatepost_checks_unsure_total", "counter", "Checks that could not tell.", n.unsure },
	}, 3);
}

/* Only of a store that relays share. */
static void
shared(struct str *s, const struct metrics *m)
{
	struct store_health h;

	if (!store_health(m->store, &h))
		return;
	rows(s, (const struct row[]) {
		{ "gatepost_store_degraded", "gauge", "1 while the shared store does not answer.", h.degraded },
		{ "gatepost_store_relays", "gauge", "Relays alive, this one among them.", h.relays },
		{ "gatepost_store_alone_total", "counter", "Messages judged without the shared store.", h.local },
		{ "gatepost_store_to_fold_back", "gauge", "Of these, still to be counted in.", h.waiting },
		{ "gatepost_store_folded_back_total", "counter", "Of these, counted in since.", h.folded },
		{ "gatepost_store_given_up_total", "counter", "Of these, given up for want of room.", h.lost },
	}, 6);
}

static void
store(struct str *s, const struct metrics *m)
{
	struct store_numbers n;

	store_numbers(m->store, &n);
	rows(s, (const struct row[]) {
		{ "gatepost_store_keys", "gauge", "Keys of limits with a window.", n.keys },
		{ "gatepost_store_values", "gauge", "Distinct values remembered.", n.values },
		{ "gatepost_store_digests", "gauge", "Messages remembered as charged.", n.digests },
		{ "gatepost_store_bytes", "gauge", "Memory that windows use.", n.bytes },
		{ "gatepost_store_bytes_most", "gauge", "Memory that windows may use.", n.bytes_most },
		{ "gatepost_store_evicted_total", "counter", "Keys given up for room.", n.evicted },
		{ "gatepost_store_judged_total", "counter", "Requests judged.", n.judged },
		{ "gatepost_store_taken_total", "counter", "Requests charged.", n.taken },
		{ "gatepost_store_refused_total", "counter", "Requests refused.", n.refused },
		{ "gatepost_suspensions", "gauge", "Suspensions in force.", n.suspensions },
		{ "gatepost_overrides", "gauge", "Raised limits and exemptions in force.", n.overrides },
	}, 11);
	shared(s, m);
}

static void
alerts(struct str *s, const struct metrics *m)
{
	struct alert_numbers n = { 0 };

	if (m->alerts != NULL)
		alert_numbers(m->alerts, &n);
	rows(s, (const struct row[]) {
		{ "gatepost_alerts_posted_total", "counter", "Events handed to the alert thread.", n.posted },
		{ "gatepost_alerts_told_total", "counter", "Alerts told.", n.told },
		{ "gatepost_alerts_suppressed_total", "counter", "Events counted under an alert told before.",
		    n.suppressed },
		{ "gatepost_alerts_dropped_total", "counter", "Events dropped, the queue being full.",
		    n.dropped },
		{ "gatepost_incidents_open", "gauge", "Incidents that are open.", n.open },
	}, 5);
}

/* Nothing while preflight is off. */
static void
dns(struct str *s, const struct services *v)
{
	struct dns_counts n;

	if (v->dns == NULL)
		return;
	dns_count(v->dns, &n);
	rows(s, (const struct row[]) {
		{ "gatepost_dns_asked_total", "counter", "Questions about records, also those answered from memory.",
		    n.asked },
		{ "gatepost_dns_hits_total", "counter", "Questions answered from memory.", n.hits },
		{ "gatepost_dns_sent_total", "counter", "Questions sent to the resolver.", n.sent },
		{ "gatepost_dns_failed_total", "counter", "Answers that say that the DNS failed.", n.failed },
		{ "gatepost_dns_late_total", "counter", "Questions whose deadline came first.", n.late },
		{ "gatepost_dns_stale_total", "counter", "Answers older than they should be, the resolver failing.",
		    n.stale },
		{ "gatepost_dns_records", "gauge", "Names and types remembered.", n.entries },
		{ "gatepost_dns_bytes", "gauge", "Memory that records use.", n.bytes },
		{ "gatepost_dns_under_way", "gauge", "Questions that wait for the resolver.", n.under_way },
	}, 9);
}

static void
memory(struct str *s, const struct metrics *m)
{
	struct trace_memory_numbers n;

	trace_memory_numbers(m->services->memory, &n);
	rows(s, (const struct row[]) {
		{ "gatepost_trace_memory_written_total", "counter", "Messages remembered for complaints.",
		    n.written },
		{ "gatepost_trace_memory_dropped_total", "counter",
		    "Messages let through and not remembered, the disk being slow or full.", n.dropped },
		{ "gatepost_trace_memory_bytes", "gauge", "Disk that what is remembered uses.", n.bytes },
	}, 3);
}

static void
tickets(struct str *s)
{
	static const char *const quality[] = { "none", "claimed", "cgi", "web" };
	struct submission_numbers n;
	size_t i;

	submission_numbers(&n);
	head(s, "gatepost_tickets_total", "counter",
	    "Tickets given to local users, by how their visitor is known.");
	for (i = 0; i <= TICKET_WEB; i++)
		str_catf(s, "gatepost_tickets_total{quality=\"%s\"} %" PRIu64 "\n", quality[i], n.given[i]);
	rows(s, (const struct row[]) {
		{ "gatepost_tickets_refused_total", "counter", "Questions for a ticket that got none.",
		    n.refused },
	}, 1);
}

static void
tables(struct str *s, const struct services *v)
{
	const struct { const char *name; const struct table *table; } t[] = {
		{ "accounts", v->accounts }, { "networks", v->networks }, { "users", v->users },
		{ "domains", v->domains }, { "customers", v->customers }, { "also", v->also },
		{ "mailers", v->mailers },
		{ "exempt", v->exempt },
	};
	size_t i;

	head(s, "gatepost_table_entries", "gauge", "Entries of a table.");
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		if (t[i].table != NULL)
			str_catf(s, "gatepost_table_entries{table=\"%s\"} %zu\n", t[i].name,
			    table_entries(t[i].table));
}

const char *
metrics_text(struct arena *a, const struct metrics *m)
{
	struct str s = { .size = PAGE_BYTES };

	s.data = arena_alloc(a, s.size);
	s.data[0] = '\0';
	about(&s, m);
	messages(&s);
	rows(&s, (const struct row[]) {
		{ "gatepost_sessions", "gauge", "Milter sessions open.", m->sessions },
		{ "gatepost_log_dropped_total", "counter", "Log lines dropped.", log_dropped() },
	}, 2);
	store(&s, m);
	alerts(&s, m);
	memory(&s, m);
	dns(&s, m->services);
	tickets(&s);
	tables(&s, m->services);
	return s.data;
}
