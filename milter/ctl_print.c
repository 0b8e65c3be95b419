/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * ctl_print - the daemon's answers in words.
 *
 * One function for each answer, and a few for what they share: times (UTC, and how far from now), limits.
 * Nothing reaches the terminal but through ctl_safe() or as a number. What has no words here
 * is still in --json.
 */
#include "milter/ctl.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "lib/str.h"
#include "milter/ctl_grid.h"

#include "lib/banned.h"

/* ---- members -------------------------------------------------------------------------------- */

const char *
ctl_safe(struct arena *a, const char *text)
{
	struct str s;

	if (text == NULL)
		return "";
	s = (struct str){ .size = strlen(text) * 4 + 1 };
	s.data = arena_alloc(a, s.size);
	s.data[0] = '\0';
	str_cat_safe(&s, text);
	return s.data;
}

/* The text, safe; "" when it is not there. */
static const char *
text_of(struct arena *a, const json_t *j, const char *name)
{
	return ctl_safe(a, json_string_value(json_object_get(j, name)));
}

static uint64_t
number_of(const json_t *j, const char *name)
{
	json_int_t n = json_integer_value(json_object_get(j, name));

	return n < 0 ? 0 : (uint64_t)n;
}

static bool
flag_of(const json_t *j, const char *name)
{
	return json_is_true(json_object_get(j, name));
}

static bool
has(const json_t *j, const char *name)
{
	const json_t *v = json_object_get(j, name);

	return v != NULL && !json_is_null(v);
}

static const char *
number_text(struct arena *a, const json_t *j, const char *name)
{
	return has(j, name) ? arena_printf(a, "%" PRIu64, number_of(j, name)) : "";
}

/* "customer, bulk" */
static const char *
list_text(struct arena *a, const json_t *list)
{
	const char *text = "";
	size_t i;

	for (i = 0; i < json_array_size(list); i++)
		text = arena_printf(a, "%s%s%s", text, i == 0 ? "" : ", ",
		    ctl_safe(a, json_string_value(json_array_get(list, i))));
	return text;
}

/* "2026-01-31 12:00 UTC" */
static const char *
time_text(struct arena *a, uint64_t ms)
{
	time_t t = (time_t)(ms / 1000);
	char text[40];
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL || strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &tm) == 0)
		return "?";
	return arena_strdup(a, text);
}

/* "7 min", "2 h", "3 d" */
static const char *
span_text(struct arena *a, uint64_t ms)
{
	char text[40];

	if (ms >= 2 * 86400000ull)
		return arena_printf(a, "%" PRIu64 " d", ms / 86400000);
	str_wait_text(ms, text, sizeof(text));
	return arena_strdup(a, text);
}

/* "2026-01-31 12:00 UTC (in 6 h)" */
static const char *
when_text(struct arena *a, uint64_t ms, uint64_t now)
{
	return ms >= now ? arena_printf(a, "%s (in %s)", time_text(a, ms), span_text(a, ms - now)) :
	    arena_printf(a, "%s (%s ago)", time_text(a, ms), span_text(a, now - ms));
}

static const char *
until_text(struct arena *a, const json_t *j, uint64_t now)
{
	return has(j, "until") ? arena_printf(a, "until %s", when_text(a, number_of(j, "until"), now)) :
	    "until released";
}

/* " by uid 0 (root): stolen password" */
static const char *
by_text(struct arena *a, const json_t *j)
{
	const char *by = text_of(a, j, "by"), *reason = text_of(a, j, "reason");

	return arena_printf(a, "%s%s%s%s", *by == '\0' ? "" : " by ", by, *reason == '\0' ? "" : ": ",
	    reason);
}

/* ---- status, top ------------------------------------------------------------------------------ */

static void
print_messages(struct arena *a, const json_t *m)
{
	static const char *const actions[] = { "accept", "tag", "slow", "hold", "defer", "reject" };
	size_t i;

	printf("messages  %" PRIu64, number_of(m, "total"));
	for (i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		printf("%s %s %s", i == 0 ? ":" : ",", actions[i], number_text(a, m, actions[i]));
	printf(", aborted %" PRIu64 "\n", number_of(m, "aborted"));
	if (number_of(m, "would") > 0)
		printf("          %" PRIu64 " more would have been stopped, but monitor mode let them pass\n",
		    number_of(m, "would"));
	if (number_of(m, "unsure") > 0)
		printf("          a check could not tell %" PRIu64 " times\n", number_of(m, "unsure"));
}

static void
print_store(struct arena *a, const json_t *s)
{
	printf("store     %s: %" PRIu64 " keys, %" PRIu64 " of %" PRIu64 " KiB; judged %" PRIu64
	       ", taken %" PRIu64 ", refused %" PRIu64 "\n",
	    text_of(a, s, "type"), number_of(s, "keys"), number_of(s, "bytes") / 1024,
	    number_of(s, "bytes_most") / 1024, number_of(s, "judged"), number_of(s, "taken"),
	    number_of(s, "refused"));
	if (number_of(s, "evicted") > 0)
		printf("          %" PRIu64 " keys were given up for room: raise store.memory\n",
		    number_of(s, "evicted"));
	printf("          %" PRIu64 " suspensions, %" PRIu64 " limits raised or exempt\n",
	    number_of(s, "suspensions"), number_of(s, "overrides"));
}

/* The relays that share the store. */
static void
print_relays(struct arena *a, const json_t *s, uint64_t now)
{
	const json_t *list = json_object_get(s, "relays");
	size_t i;

	if (flag_of(s, "degraded"))
		printf("          DEGRADED for %s (%s): judging alone, %" PRIu64 " messages so far\n",
		    span_text(a, now - number_of(s, "degraded_since")), text_of(a, s, "why"),
		    number_of(s, "judged_alone"));
	if (number_of(s, "to_fold_back") > 0)
		printf("          %" PRIu64 " messages judged alone are still to be counted\n",
		    number_of(s, "to_fold_back"));
	for (i = 0; i < json_array_size(list); i++) {
		const json_t *w = json_array_get(list, i);
		uint64_t seen = number_of(w, "seen"), degraded = number_of(w, "degraded_ms");

		printf("%s%s %s, heard of %s ago, lag %" PRIu64 " us, %s%s; judged %" PRIu64 " (%" PRIu64
		    " alone), refused %" PRIu64 "\n", i == 0 ? "relays    " : "          ",
		    text_of(a, w, "relay"), text_of(a, w, "version"),
		    span_text(a, now > seen ? now - seen : 0),
		    number_of(w, "lag_us"), degraded > 0 ? "degraded for " : "never degraded",
		    degraded > 0 ? span_text(a, degraded) : "", number_of(w, "judged"),
		    number_of(w, "judged_alone"), number_of(w, "refused"));
	}
}

static void
print_dns(const json_t *d)
{
	if (d == NULL)
		return;
	printf("dns       %" PRIu64 " questions, %" PRIu64 " answered from memory; %" PRIu64 " failed, %" PRIu64
	       " came too late\n", number_of(d, "asked"), number_of(d, "hits"), number_of(d, "failed"),
	    number_of(d, "late"));
}

static void
print_memory(const json_t *m)
{
	if (number_of(m, "written") + number_of(m, "bytes") == 0)
		return;
	printf("memory    %" PRIu64 " messages written down for complaints, %" PRIu64 " KiB\n",
	    number_of(m, "written"), number_of(m, "bytes") / 1024);
	if (number_of(m, "dropped") > 0)
		printf("          %" PRIu64 " were not: the disk is slow or full\n", number_of(m, "dropped"));
}

void
ctl_print_status(struct arena *a, const struct json_t *j)
{
	const json_t *alerts = json_object_get(j, "alerts"), *tables = json_object_get(j, "tables");
	const json_t *keys = json_object_get(j, "keys");
	uint64_t now = number_of(j, "now"), started = number_of(j, "started");
	size_t i;

	printf("gatepost  %s on %s, pid %" PRIu64 ", running for %s%s\n", text_of(a, j, "version"),
	    text_of(a, j, "relay"), number_of(j, "pid"), span_text(a, now > started ? now - started : 0),
	    strcmp(text_of(a, j, "mode"), "monitor") == 0 ? ", mode monitor: nothing is refused" : "");
	printf("config    %s\n", text_of(a, j, "config"));
	printf("sessions  %" PRIu64 " open\n", number_of(j, "sessions"));
	print_messages(a, json_object_get(j, "messages"));
	print_store(a, json_object_get(j, "store"));
	print_relays(a, json_object_get(j, "store"), now);
	printf("alerts    %" PRIu64 " told, %" PRIu64 " counted under one told before, %" PRIu64
	       " dropped; %" PRIu64 " incidents open\n",
	    number_of(alerts, "told"), number_of(alerts, "suppressed"), number_of(alerts, "dropped"),
	    number_of(alerts, "open"));
	print_memory(json_object_get(j, "memory"));
	print_dns(json_object_get(j, "dns"));
	for (i = 0; i < json_array_size(tables); i++) {
		const json_t *t = json_array_get(tables, i);

		printf("%s%s: %s, %" PRIu64 " entries\n", i == 0 ? "tables    " : "          ",
		    text_of(a, t, "table"), text_of(a, t, "spec"), number_of(t, "entries"));
	}
	for (i = 0; i < json_array_size(keys); i++) {
		const json_t *k = json_array_get(keys, i);

		printf("%s%s, %s\n", i == 0 ? "keys      " : "          ", text_of(a, k, "id"),
		    text_of(a, k, "state"));
	}
	if (number_of(j, "log_dropped") > 0)
		printf("log       %" PRIu64 " lines dropped: the syslog daemon does not keep up\n",
		    number_of(j, "log_dropped"));
}

static const char *
percent_text(struct arena *a, const json_t *w)
{
	uint64_t most = number_of(w, "ceiling");

	return most == 0 ? "" : arena_printf(a, "%" PRIu64 "%%", number_of(w, "used") * 100 / most);
}

void
ctl_print_top(struct arena *a, const struct json_t *j)
{
	const json_t *top = json_object_get(j, "top");
	struct ctl_grid g;
	size_t i, k;

	ctl_grid_begin(&g, a, "limit key window used> ceiling> full>");
	for (i = 0; i < json_array_size(top); i++) {
		const json_t *u = json_array_get(top, i), *windows = json_object_get(u, "windows");

		for (k = 0; k < json_array_size(windows); k++) {
			const json_t *w = json_array_get(windows, k);

			ctl_grid_row(&g, (const char *[]){ k == 0 ? text_of(a, u, "limit") : "",
			    k == 0 ? text_of(a, u, "key") : "", text_of(a, w, "window"),
			    number_text(a, w, "used"), number_text(a, w, "ceiling"), percent_text(a, w) });
		}
	}
	if (g.rows == 0)
		puts("nothing is counted yet");
	ctl_grid_print(&g);
}

/* ---- limits, show -------------------------------------------------------------------------------- */

static const char *
action_text(struct arena *a, const json_t *l)
{
	const char *suspend = text_of(a, l, "suspend");

	return arena_printf(a, "%s%s%s%s", text_of(a, l, "action"), *suspend == '\0' ? "" : " and suspend ",
	    suspend, strcmp(text_of(a, l, "mode"), "monitor") == 0 ? " (monitor)" : "");
}

static void
add_windows(struct ctl_grid *g, struct arena *a, const json_t *l)
{
	const json_t *windows = json_object_get(l, "windows");
	size_t i;

	for (i = 0; i < json_array_size(windows); i++) {
		const json_t *w = json_array_get(windows, i);
		bool raised = number_of(w, "ceiling") != number_of(w, "configured"), first = i == 0;
		const char *from = !raised ? text_of(a, l, "from") :
		    arena_printf(a, "raised from %s", number_text(a, w, "configured"));

		ctl_grid_row(g, (const char *[]){ first ? text_of(a, l, "limit") : "",
		    first ? text_of(a, l, "key") : "", text_of(a, w, "window"), number_text(a, w, "used"),
		    number_text(a, w, "ceiling"), number_text(a, w, "left"),
		    first ? text_of(a, l, "unit") : "", from, first ? action_text(a, l) : "" });
	}
}

static void
print_limit_notes(struct arena *a, const json_t *l, uint64_t now)
{
	const json_t *raised = json_object_get(l, "raised"), *exempt = json_object_get(l, "exempt");

	if (has(l, "full_until"))
		printf("%s: full; room again %s\n", text_of(a, l, "limit"),
		    when_text(a, number_of(l, "full_until"), now));
	if (raised != NULL)
		printf("%s: raised %s%s\n", text_of(a, l, "limit"), until_text(a, raised, now),
		    by_text(a, raised));
	if (exempt != NULL)
		printf("%s: exempt %s%s\n", text_of(a, l, "limit"), until_text(a, exempt, now),
		    by_text(a, exempt));
}

void
ctl_print_limits(struct arena *a, const struct json_t *j)
{
	const json_t *limits = json_object_get(j, "limits");
	uint64_t now = number_of(j, "now");
	struct ctl_grid g;
	size_t i;

	ctl_grid_begin(&g, a, "limit key window used> ceiling> left> unit from over_it");
	for (i = 0; i < json_array_size(limits); i++)
		add_windows(&g, a, json_array_get(limits, i));
	if (g.rows == 0)
		puts("no limit counts per what you say");
	ctl_grid_print(&g);
	for (i = 0; i < json_array_size(limits); i++)
		print_limit_notes(a, json_array_get(limits, i), now);
}

static void
print_pair(const char *name, const char *value)
{
	if (*value != '\0')
		printf("%-12s%s\n", name, value);
}

static const char *
effect_text(const char *action)
{
	return strcmp(action, "hold") == 0 ? "mail is held in the queue" :
	    strcmp(action, "defer") == 0 ? "mail is deferred at MAIL" : "mail is refused at MAIL";
}

static void
print_mailers_of(struct arena *a, const json_t *list)
{
	struct ctl_grid g;
	size_t i;

	ctl_grid_begin(&g, a, "mailer kind messages> first last");
	for (i = 0; i < json_array_size(list); i++) {
		const json_t *w = json_array_get(list, i);

		ctl_grid_row(&g, (const char *[]){ text_of(a, w, "mailer"), text_of(a, w, "kind"),
		    number_text(a, w, "messages"), time_text(a, number_of(w, "first")),
		    time_text(a, number_of(w, "last")) });
	}
	if (g.rows == 0)
		return;
	putchar('\n');
	ctl_grid_print(&g);
}

/* All mailers with how many customers use them, or the customers of one. */
void
ctl_print_mailers(struct arena *a, const struct json_t *j)
{
	const json_t *list = json_object_get(j, "mailers");
	struct ctl_grid g;
	size_t i;

	ctl_grid_begin(&g, a, "mailer kind customer customers> messages> first last");
	for (i = 0; i < json_array_size(list); i++) {
		const json_t *w = json_array_get(list, i);

		ctl_grid_row(&g, (const char *[]){ text_of(a, w, "mailer"), text_of(a, w, "kind"),
		    text_of(a, w, "customer"), has(w, "customers") ? number_text(a, w, "customers") : "",
		    number_text(a, w, "messages"), time_text(a, number_of(w, "first")),
		    time_text(a, number_of(w, "last")) });
	}
	if (g.rows == 0)
		puts("no mailer was seen");
	ctl_grid_print(&g);
	if (number_of(j, "found") > g.rows)
		printf("%zu of %" PRIu64 " are shown\n", g.rows, number_of(j, "found"));
}

void
ctl_print_show(struct arena *a, const struct json_t *j)
{
	const json_t *suspensions = json_object_get(j, "suspensions");
	uint64_t now = number_of(j, "now");
	size_t i;

	if (has(j, "account"))
		printf("%-12s%s%s\n", "account", text_of(a, j, "account"),
		    flag_of(j, "account_known") ? "" : " (not in the accounts table)");
	if (has(j, "customer"))
		printf("%-12s%s%s\n", "customer", text_of(a, j, "customer"),
		    flag_of(j, "known") ? "" : " (not in the customers table)");
	print_pair("name", text_of(a, j, "name"));
	print_pair("contact", text_of(a, j, "contact"));
	print_pair("since", text_of(a, j, "since"));
	if (flag_of(j, "probation"))
		printf("%-12s%s: probation until %s, then %s\n", "plan", text_of(a, j, "plan"),
		    when_text(a, number_of(j, "probation_until"), now), text_of(a, j, "later_plan"));
	else
		print_pair("plan", text_of(a, j, "plan"));
	print_pair("problem", text_of(a, j, "problem"));
	for (i = 0; i < json_array_size(suspensions); i++) {
		const json_t *w = json_array_get(suspensions, i);

		printf("%-12s%s %s %s%s; %s\n", "suspended", text_of(a, w, "kind"), text_of(a, w, "subject"),
		    until_text(a, w, now), by_text(a, w), effect_text(text_of(a, w, "action")));
	}
	print_mailers_of(a, json_object_get(j, "mailers"));
	if (json_array_size(json_object_get(j, "limits")) > 0) {
		putchar('\n');
		ctl_print_limits(a, j);
	}
}

/* ---- what was done ------------------------------------------------------------------------------ */

void
ctl_print_suspended(struct arena *a, const struct json_t *j)
{
	const json_t *w = json_object_get(j, "suspended");
	const char *kind = text_of(a, w, "kind"), *subject = text_of(a, w, "subject");

	if (has(w, "until"))
		printf("%s %s suspended for %s (until %s)", kind, subject,
		    span_text(a, number_of(w, "until") - number_of(j, "now")),
		    time_text(a, number_of(w, "until")));
	else
		printf("%s %s suspended until released", kind, subject);
	if (flag_of(j, "shared"))
		printf(" on all relays");
	else
		printf(" on this relay (%s)", text_of(a, j, "relay"));
	printf(": %s; release with: gatepostctl release %s %s\n",
	    effect_text(text_of(a, w, "action")), kind, subject);
	if (has(j, "note"))
		printf("note: %s\n", text_of(a, j, "note"));
}

void
ctl_print_released(struct arena *a, const struct json_t *j)
{
	printf("%s %s released\n", text_of(a, j, "kind"), text_of(a, j, "released"));
}

void
ctl_print_suspensions(struct arena *a, const struct json_t *j)
{
	const json_t *list = json_object_get(j, "suspensions");
	uint64_t now = number_of(j, "now");
	struct ctl_grid g;
	size_t i;

	ctl_grid_begin(&g, a, "kind subject action since until by reason");
	for (i = 0; i < json_array_size(list); i++) {
		const json_t *w = json_array_get(list, i);

		ctl_grid_row(&g, (const char *[]){ text_of(a, w, "kind"), text_of(a, w, "subject"),
		    text_of(a, w, "action"), time_text(a, number_of(w, "since")),
		    has(w, "until") ? when_text(a, number_of(w, "until"), now) : "no end",
		    text_of(a, w, "by"), text_of(a, w, "reason") });
	}
	if (g.rows == 0)
		puts("nobody is suspended");
	ctl_grid_print(&g);
}

void
ctl_print_overrides(struct arena *a, const struct json_t *j)
{
	const json_t *list = json_object_get(j, "overrides");
	uint64_t now = number_of(j, "now");
	struct ctl_grid g;
	size_t i;

	ctl_grid_begin(&g, a, "limit key to until by reason");
	for (i = 0; i < json_array_size(list); i++) {
		const json_t *w = json_array_get(list, i);

		ctl_grid_row(&g, (const char *[]){ text_of(a, w, "limit"), text_of(a, w, "key"),
		    flag_of(w, "exempt") ? "exempt" : list_text(a, json_object_get(w, "to")),
		    when_text(a, number_of(w, "until"), now), text_of(a, w, "by"), text_of(a, w, "reason") });
	}
	if (g.rows == 0)
		puts("no limit is raised, nobody is exempt");
	ctl_grid_print(&g);
}

void
ctl_print_raised(struct arena *a, const struct json_t *j)
{
	const json_t *stays = json_object_get(j, "stays");

	printf("limit %s of %s set to %s until %s; then %s again", text_of(a, j, "limit"),
	    text_of(a, j, "key"), list_text(a, json_object_get(j, "to")),
	    when_text(a, number_of(j, "until"), number_of(j, "now")),
	    list_text(a, json_object_get(j, "instead_of")));
	if (json_array_size(stays) > 0)
		printf("; %s stays", list_text(a, stays));
	putchar('\n');
}

static void
print_limits_of(struct arena *a, const json_t *j)
{
	const json_t *limits = json_object_get(j, "limits");

	printf("%s: limit%s %s ", text_of(a, j, "key"), json_array_size(limits) == 1 ? "" : "s",
	    list_text(a, limits));
}

void
ctl_print_exempt(struct arena *a, const struct json_t *j)
{
	print_limits_of(a, j);
	printf("not counted until %s\n", when_text(a, number_of(j, "until"), number_of(j, "now")));
}

void
ctl_print_lowered(struct arena *a, const struct json_t *j)
{
	print_limits_of(a, j);
	puts("as configured again");
}

void
ctl_print_reset(struct arena *a, const struct json_t *j)
{
	print_limits_of(a, j);
	puts("counted from zero again");
}

void
ctl_print_reloaded(struct arena *a, const struct json_t *j)
{
	const json_t *problems = json_object_get(j, "problems");
	size_t i;

	printf("%s reloaded\n", text_of(a, j, "config"));
	for (i = 0; i < json_array_size(problems); i++)
		printf("%s\n", ctl_safe(a, json_string_value(json_array_get(problems, i))));
}

/* ---- explain ------------------------------------------------------------------------------------ */

static void
print_facts(struct arena *a, const json_t *f)
{
	const char *plan = text_of(a, f, "plan"), *customer = text_of(a, f, "customer");
	const json_t *from = json_object_get(f, "from");

	print_pair("login", text_of(a, f, "login"));
	print_pair("client", flag_of(f, "local") ? "this host, by sendmail(1)" : text_of(a, f, "client"));
	print_pair("sender", text_of(a, f, "sender"));
	if (!flag_of(f, "sender_ok"))
		puts("            which is no address");
	if (json_array_size(from) > 0)
		print_pair("from", list_text(a, from));
	printf("%-12s%" PRIu64 ", %" PRIu64 " headers, %" PRIu64 " bytes\n", "recipients",
	    number_of(f, "recipients"), number_of(f, "headers"), number_of(f, "bytes"));
	if (strcmp(text_of(a, f, "class"), "re-entered") == 0)
		print_pair("came back", "with the stamp of one of our relays: not judged or charged again");
	if (*customer == '\0')
		print_pair("customer",
		    strcmp(text_of(a, f, "class"), "bounce") == 0 ? "none: a bounce" : "unknown");
	else
		printf("%-12s%s, account %s, plan %s%s\n", "customer", customer, text_of(a, f, "account"),
		    *plan == '\0' ? "none" : plan, flag_of(f, "probation") ? " (probation)" : "");
	if (has(f, "user") && !has(f, "uid"))
		printf("%-12s%s on %s\n", "user", text_of(a, f, "user"), text_of(a, f, "ticket_relay"));
	else if (has(f, "uid"))
		printf("%-12s%s (uid %s), attested on %s\n", "user", text_of(a, f, "user"), number_text(a,
		    f, "uid"),
		    text_of(a, f, "ticket_relay"));
	if (has(f, "script"))
		printf("%-12s%s\n", "script", text_of(a, f, "script"));
	if (has(f, "submitter"))
		printf("%-12s%s (%s)\n", "submitter", text_of(a, f, "submitter"), text_of(a, f, "quality"));
	if (has(f, "mailer"))
		printf("%-12s%s (%s)%s\n", "mailer", text_of(a, f, "mailer"), text_of(a, f, "mailer_kind"),
		    flag_of(f, "mailer_allowed") ? ", allowed" : "");
	print_pair("traits", text_of(a, f, "mailer_traits"));
}

static void
print_finding(struct arena *a, const json_t *f)
{
	const char *desk = text_of(a, f, "desk"), *reply = text_of(a, f, "reply");

	printf("%s%s: %s\n", text_of(a, f, "action"),
	    strcmp(text_of(a, f, "mode"), "monitor") == 0 ? " (monitor: not done)" : "",
	    text_of(a, f, "code"));
	if (*desk != '\0')
		printf("              %s\n", desk);
	/* Only a refusal is said to anyone. */
	if (*reply != '\0' && (strcmp(text_of(a, f, "action"), "reject") == 0 ||
	    strcmp(text_of(a, f, "action"), "defer") == 0))
		printf("              to the sender: %s\n", reply);
}

static void
print_checks(struct arena *a, const json_t *checks)
{
	size_t i, k;

	for (i = 0; i < json_array_size(checks); i++) {
		const json_t *c = json_array_get(checks, i), *findings = json_object_get(c, "findings");

		if (json_array_size(findings) == 0)
			printf("%-12s  %s%s\n", text_of(a, c, "check"), has(c, "off") ? "off: " : "no objection",
			    text_of(a, c, "off"));
		for (k = 0; k < json_array_size(findings); k++) {
			printf("%-12s  ", k == 0 ? text_of(a, c, "check") : "");
			print_finding(a, json_array_get(findings, k));
		}
	}
}

static const char *
verdict_of_limit(struct arena *a, const json_t *l, uint64_t now)
{
	if (flag_of(l, "exempt"))
		return "exempt";
	if (!flag_of(l, "over"))
		return "fits";
	if (!has(l, "retry_at"))
		return "never fits";
	return arena_printf(a, "%s until %s", action_text(a, l), when_text(a, number_of(l, "retry_at"), now));
}

static void
print_judged(struct arena *a, const json_t *j)
{
	const json_t *limits = json_object_get(j, "limits");
	struct ctl_grid g;
	size_t i;

	if (flag_of(j, "repeated"))
		puts("\nThis message was charged before: it passes the limits free.");
	ctl_grid_begin(&g, a, "limit key adds> window used> ceiling> left> unit result");
	for (i = 0; i < json_array_size(limits); i++) {
		const json_t *l = json_array_get(limits, i);

		ctl_grid_row(&g, (const char *[]){ text_of(a, l, "limit"), text_of(a, l, "key"),
		    number_text(a, l, "adds"), text_of(a, l, "window"), number_text(a, l, "used"),
		    number_text(a, l, "ceiling"), number_text(a, l, "left"), text_of(a, l, "unit"),
		    verdict_of_limit(a, l, number_of(j, "now")) });
	}
	if (g.rows == 0) {
		puts("\nNo limit applies.");
		return;
	}
	puts("\nLimits, with this message counted where it fits:");
	ctl_grid_print(&g);
}

/* Folds keep their place, indented below the name. */
static void
print_header(struct arena *a, const char *mark, const json_t *h)
{
	const char *line = json_string_value(json_object_get(h, "value")), *end;
	bool first = true;

	printf("%s %s:", mark, text_of(a, h, "name"));
	if (line == NULL)
		putchar('\n');
	for (; line != NULL; line = end == NULL ? NULL : end + 1, first = false) {
		line += strspn(line, " \t");
		end = strchr(line, '\n');
		printf("%s%s\n", first ? " " : "      ",
		    ctl_safe(a, end == NULL ? line : arena_strndup(a, line, (size_t)(end - line))));
	}
}

static void
print_edits(struct arena *a, const json_t *j)
{
	const json_t *removed = json_object_get(j, "removed"), *inserted = json_object_get(j, "inserted");
	size_t i;

	if (json_array_size(removed) + json_array_size(inserted) > 0)
		puts("\nHeaders:");
	for (i = 0; i < json_array_size(removed); i++)
		print_header(a, "-", json_array_get(removed, i));
	for (i = 0; i < json_array_size(inserted); i++)
		print_header(a, "+", json_array_get(inserted, i));
}

void
ctl_print_explain(struct arena *a, const struct json_t *j)
{
	print_facts(a, json_object_get(j, "facts"));
	putchar('\n');
	print_checks(a, json_object_get(j, "checks"));
	print_judged(a, j);
	print_edits(a, j);
	printf("\n%s%s%s%s%s", text_of(a, j, "action"), has(j, "refused_at") ? " at " : "",
	    text_of(a, j, "refused_at"), has(j, "decided_by") ? ", because of " : "",
	    text_of(a, j, "decided_by"));
	if (has(j, "would"))
		printf("; without monitor mode: %s, because of %s", text_of(a, j, "would"),
		    text_of(a, j, "would_by"));
	putchar('\n');
	if (has(j, "reply"))
		printf("%s\n", text_of(a, j, "reply"));
}
