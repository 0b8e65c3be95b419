/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * ctl_preflight - asks preflight.c about one domain or address, and says the answer with the records that
 * would mend what is wrong.
 *
 * The same code and the same configuration as the daemon's check, but a resolver of its own, nothing kept,
 * and five seconds' patience. A table that cannot be read by whoever asks is told and done without. The
 * answer is made once, as JSON; what people read is printed from it. Everything in it came from strangers,
 * so it all goes through ctl_safe().
 */
#include "milter/ctl_preflight.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "lib/clock.h"
#include "lib/str.h"
#include "milter/check.h"
#include "milter/ctl.h"
#include "milter/ctl_grid.h"
#include "milter/drift.h"
#include "milter/preflight.h"
#include "milter/resolver.h"

#include "lib/banned.h"

#define PATIENCE_MS 5000

struct work {
	struct arena *a;
	const struct ctl_preflight *q;
	struct conf conf;		/* a copy, with what the command line says instead */
	struct services services;
	struct resolver *resolver;
	struct preflight *preflight;
	struct net_addr egress[PREFLIGHT_EGRESS_MAX];
	size_t n_egress;
	const char *helo;
	const char *sender, *domain;	/* of the return-path; "" and NULL for the null one */
	struct mail_address from;
	bool has_from;
	struct preflight_answer answer;
	json_t *mend;
	bool bad, unsure;
};

static void
complain(struct work *w, const char *text)
{
	fprintf(stderr, "gatepostctl: %s\n", ctl_safe(w->a, text));
}

static void
complain_err(void *cookie, const struct err *e)
{
	struct work *w = cookie;

	complain(w, arena_printf(w->a, "%s%s%s", e->where, *e->where == '\0' ? "" : ": ", e->text));
}

/* ---- what is asked, and of whom ------------------------------------------------------------ */

static bool
take_ips(struct work *w)
{
	const struct ctl_preflight *q = w->q;
	const struct conf_strings *egress = &w->conf.preflight.egress;
	const char *const *list = q->n_ips > 0 ? q->ips : egress->at;
	size_t n = q->n_ips > 0 ? q->n_ips : egress->n, i;

	if (n == 0) {
		complain(w,
		    "from which address? give --ip ADDRESS, or set preflight.egress in the configuration");
		return false;
	}
	for (i = 0; i < n && i < PREFLIGHT_EGRESS_MAX; i++)
		if (net_parse(list[i], &w->egress[w->n_egress++]) != 1) {
			complain(w, arena_printf(w->a, "\"%.100s\" is no address", list[i]));
			return false;
		}
	return true;
}

static const char *
host_name(struct arena *a)
{
	char name[256] = "";

	return gethostname(name, sizeof(name) - 1) == 0 && *name != '\0' ? arena_strdup(a, name) :
	    "localhost";
}

/* The resolver alone is needed; tables and OpenDKIM's configuration make the answer better. */
static bool
open_services(struct work *w)
{
	const struct table_report report = { complain_err, w };
	struct services *s = &w->services;
	struct err e;

	err_clear(&e);
	if (w->q->conf != NULL)
		w->conf = *w->q->conf;
	if (w->q->dns != NULL) {
		const char **server = arena_alloc(w->a, sizeof(*server));

		*server = w->q->dns;
		w->conf.preflight.dns.servers = (struct conf_strings){ 1, server };
	}
	if (w->conf.preflight.dns.trust_anchor == NULL)
		w->conf.preflight.dns.trust_anchor = "";
	if (w->conf.preflight.include == NULL)
		w->conf.preflight.include = "";
	w->helo = w->q->helo != NULL && *w->q->helo != '\0' ? w->q->helo : w->q->conf != NULL ?
	    w->conf.preflight.helo : host_name(w->a);
	s->conf = &w->conf;
	if ((w->resolver = resolver_get(&w->conf, &e)) == NULL) {
		complain_err(w, &e);
		return false;
	}
	s->dns = w->resolver->dns;
	s->spf = w->resolver->spf;
	s->dmarc = w->resolver->dmarc;
	if (w->conf.tables.domains != NULL && *w->conf.tables.domains != '\0')
		s->domains = table_open(w->conf.tables.domains, &report);
	if (w->q->conf != NULL)
		(void)preflight_signing_open(s, &w->conf, &report);
	return true;
}

static void
close_services(struct work *w)
{
	preflight_close(&w->preflight);
	preflight_signing_close(&w->services);
	table_close(&w->services.domains);
	resolver_unref(&w->resolver);
}

/* The From mailbox: as said, else the domain of the return-path. */
static bool
take_from(struct work *w)
{
	const char *from = w->q->from, *domain;

	if (from != NULL && strchr(from, '@') != NULL) {
		if (mail_address_parse(w->a, from, &w->from) != 1 || w->from.null) {
			complain(w, arena_printf(w->a, "\"%.200s\" is no address", from));
			return false;
		}
		w->has_from = true;
		return true;
	}
	domain = from != NULL ? from : w->domain;
	domain = domain == NULL ? NULL : mail_domain(w->a, domain);
	if (domain == NULL && from != NULL) {
		complain(w, arena_printf(w->a, "\"%.200s\" is no domain", from));
		return false;
	}
	w->has_from = domain != NULL;
	w->from = (struct mail_address){ .local = "postmaster", .domain = domain, .text = domain,
	    .base = domain };
	return true;
}

/* Whatever stands before the last '@' is taken as it is: that is what SPF macros see. */
static void
take_sender(struct work *w)
{
	const char *what = w->q->what, *at;
	size_t n = strlen(what);

	if (n >= 2 && what[0] == '<' && what[n - 1] == '>')
		what = arena_strndup(w->a, what + 1, n - 2);
	if (*what == '\0') {
		w->sender = "";
		return;
	}
	at = strrchr(what, '@');
	w->domain = mail_domain(w->a, at == NULL ? what : at + 1);
	if (w->domain == NULL)
		w->domain = at == NULL ? what : at + 1;
	w->sender = at == NULL ? arena_printf(w->a, "postmaster@%s", what) : what;
}

/* ---- the answer ---------------------------------------------------------------------------------- */

static json_t *
text(struct work *w, const char *s)
{
	return s == NULL ? json_null() : json_string(ctl_safe(w->a, s));
}

static void
put(json_t *j, const char *name, json_t *take_value)
{
	json_object_set_new(j, name, take_value);
}

static json_t *
spf_json(struct work *w, const struct spf_verdict *v)
{
	json_t *j = json_object();

	put(j, "result", json_string(spf_result_text(v->result)));
	put(j, "domain", text(w, v->domain));
	put(j, "record", text(w, v->record));
	put(j, "decided", text(w, v->decided));
	put(j, "why", text(w, v->why));
	put(j, "terms", json_integer(v->terms));
	put(j, "voids", json_integer(v->voids));
	put(j, "lookups", json_integer(v->lookups));
	put(j, "ttl", json_integer(v->ttl));
	return j;
}

static json_t *
results_json(struct work *w)
{
	json_t *list = json_array(), *j;
	char address[NET_TEXT];
	size_t i;

	for (i = 0; i < w->answer.n_spf; i++) {
		j = json_object();
		net_text(&w->egress[i], address);
		put(j, "ip", json_string(address));
		put(j, "spf", spf_json(w, &w->answer.spf_full[i]));
		json_array_append_new(list, j);
		w->bad |= w->answer.spf[i].result != SPF_IS_PASS &&
		    w->answer.spf[i].result != SPF_IS_TEMPERROR;
		w->unsure |= w->answer.spf[i].result == SPF_IS_TEMPERROR;
	}
	return list;
}

static const char *
dmarc_result(const struct preflight_from *from)
{
	if (from->policy == DMARC_UNSURE || from->unsure)
		return "temperror";
	if (from->policy == DMARC_NO_RECORD)
		return "none";
	return from->aligned ? "pass" : "fail";
}

static json_t *
dmarc_json(struct work *w, const struct preflight_from *from)
{
	const struct dmarc_verdict *v = from->verdict;
	json_t *j = json_object();

	put(j, "domain", text(w, from->domain));
	put(j, "result", json_string(dmarc_result(from)));
	put(j, "policy", json_string(dmarc_policy_text(v->policy)));
	put(j, "published", json_string(dmarc_policy_text(v->published)));
	put(j, "aligned", json_boolean(v->aligned));
	put(j, "by_spf", json_boolean(v->by_spf));
	put(j, "by_dkim", json_boolean(v->by_dkim));
	put(j, "methods_differ", json_boolean(v->methods_differ));
	put(j, "organization", text(w, v->org));
	put(j, "name", text(w, v->domain));
	put(j, "record", text(w, v->record));
	put(j, "why", text(w, v->why));
	if (v->policy == DMARC_UNSURE || from->unsure)
		w->unsure = true;
	else if (!v->aligned && v->policy >= DMARC_QUARANTINE)
		w->bad = true;
	return j;
}

static json_t *
dkim_json(struct work *w, const struct preflight_from *from)
{
	json_t *j = json_object(), *list = json_array(), *one;
	size_t i;

	put(j, "signing", json_string(preflight_signing_text(from->signing)));
	for (i = 0; i < from->n_signers; i++) {
		one = json_object();
		put(one, "domain", text(w, from->signers[i].domain));
		put(one, "selector", text(w, from->signers[i].selector));
		put(one, "name", text(w, from->keys[i].name));
		put(one, "key", from->keys[i].name == NULL ? json_null() :
		    json_string(dkim_key_text(from->keys[i].key)));
		json_array_append_new(list, one);
	}
	put(j, "signatures", list);
	w->bad |= from->key != DKIM_KEY_THERE;
	return j;
}

/* ---- what would mend it ------------------------------------------------------------------------------ */

static void
add_mend(struct work *w, const char *name, const char *value, const char *zone, const char *why)
{
	json_t *j = json_object();

	put(j, "name", text(w, name));
	put(j, "type", json_string("TXT"));
	put(j, "value", text(w, value));
	put(j, "zone", text(w, zone));
	put(j, "why", text(w, why));
	json_array_append_new(w->mend, j);
}

static void
mend_spf(struct work *w)
{
	const char *domain = mail_domain(w->a, w->answer.spf_domain);
	struct spf_repair r;

	if (domain == NULL || w->answer.of[SPF_IS_TEMPERROR] > 0)
		return;
	spf_suggest(w->resolver->spf, domain, w->helo, w->egress, w->n_egress, w->conf.preflight.include,
	    clock_deadline(PATIENCE_MS), w->a, &r);
	if (r.record != NULL || *r.why != '\0')
		add_mend(w, domain, r.record, r.zone, r.proven || r.record == NULL ? r.why :
		    arena_printf(w->a, "%s%sNot proven: with it some of the addresses still do not pass.",
		    r.why,
		    *r.why == '\0' ? "" : " "));
}

static void
mend_from(struct work *w, const struct preflight_from *from)
{
	const struct dmarc_verdict *v = from->verdict;
	size_t i;

	if (v->mend != NULL)
		add_mend(w, v->mend_name, v->mend, arena_printf(w->a, "\"%s\"", v->mend),
		    v->record == NULL ? "A first DMARC record: it only asks for reports." : v->why);
	for (i = 0; i < from->n_signers; i++)
		if (from->keys[i].name != NULL && from->keys[i].key != DKIM_KEY_THERE &&
		    from->keys[i].key != DKIM_KEY_UNSURE && from->key != DKIM_KEY_THERE)
			add_mend(w, from->keys[i].name, "v=DKIM1; k=rsa; p=PUBLIC-KEY",
			    "\"v=DKIM1; k=rsa; p=PUBLIC-KEY\"",
			    arena_printf(w->a,
			    "The key record is %s; PUBLIC-KEY is what the signer's key file "
			    "%s.txt holds.", dkim_key_text(from->keys[i].key), from->signers[i].selector));
	if (!v->aligned && v->policy != DMARC_UNSURE && from->n_signers == 0 && v->policy >= DMARC_QUARANTINE)
		add_mend(w, NULL, NULL, NULL, arena_printf(w->a,
		    "Sign mail of %s with DKIM (d=%s), or send it with a return-path of that domain.",
		    from->domain,
		    from->domain));
}

static json_t *
answer_json(struct work *w)
{
	const struct preflight_from *from = w->answer.n_from > 0 ? &w->answer.from[0] : NULL;
	json_t *j = json_object();

	w->mend = json_array();
	put(j, "sender", text(w, w->sender));
	put(j, "domain", text(w, w->answer.spf_domain));
	put(j, "helo", text(w, w->helo));
	put(j, "results", results_json(w));
	mend_spf(w);
	put(j, "dkim", from == NULL ? json_null() : dkim_json(w, from));
	put(j, "dmarc", from == NULL ? json_null() : dmarc_json(w, from));
	if (from != NULL)
		mend_from(w, from);
	put(j, "mend", w->mend);
	put(j, "verdict", json_string(w->bad ? "problem" : w->unsure ? "unsure" : "good"));
	return j;
}

/* ---- for people ------------------------------------------------------------------------------ */

static const char *
get(const json_t *j, const char *name)
{
	const char *s = json_string_value(json_object_get(j, name));

	return s == NULL ? "" : s;
}

static void
print_spf(struct work *w, const json_t *j)
{
	const json_t *list = json_object_get(j, "results"), *one, *spf = NULL;
	struct ctl_grid g;
	size_t i;

	printf("SPF of %s, EHLO %s:\n", get(j, "domain"), get(j, "helo"));
	ctl_grid_begin(&g, w->a, "from result decided_by");
	for (i = 0; i < json_array_size(list); i++) {
		one = json_array_get(list, i);
		spf = json_object_get(one, "spf");
		ctl_grid_row(&g, (const char *[]){ get(one, "ip"), get(spf, "result"),
		    *get(spf, "why") != '\0' ? get(spf, "why") : get(spf, "decided") });
	}
	ctl_grid_print(&g);
	if (spf != NULL)
		printf("record: %s\n", *get(spf, "record") != '\0' ? get(spf, "record") :
		    strcmp(get(spf, "result"), "none") == 0 ? "none" :
		    strcmp(get(spf, "result"), "temperror") == 0 ? "not known" : "none that counts");
}

static void
print_dkim(const json_t *j)
{
	const json_t *list = json_object_get(j, "signatures"), *one;
	size_t i;

	printf("\nDKIM: signing is %s%s\n", get(j, "signing"), json_array_size(list) > 0 ? ":" :
	    strcmp(get(j, "signing"), "certain") == 0 ? ", and nothing signs this mail" :
	    " (preflight.signing says nothing)");
	for (i = 0; i < json_array_size(list); i++) {
		one = json_array_get(list, i);
		if (*get(one, "name") == '\0')
			printf("  d=%s, selector not known\n", get(one, "domain"));
		else
			printf("  d=%s s=%s: key %s\n", get(one, "domain"), get(one, "selector"),
			    get(one, "key"));
	}
}

static void
print_dmarc(const json_t *j)
{
	const char *result = get(j, "result"), *published = get(j, "published"), *policy = get(j, "policy");
	bool by_spf = json_is_true(json_object_get(j, "by_spf"));
	bool by_dkim = json_is_true(json_object_get(j, "by_dkim"));

	printf("\nDMARC of %s: %s", get(j, "domain"), result);
	if (*get(j, "name") != '\0' && strcmp(published, "no record") != 0)
		printf(", policy %s%s%s (%s)", published, strcmp(policy, published) == 0 ? "" :
		    ", treated as ", strcmp(policy, published) == 0 ? "" : policy, get(j, "name"));
	printf("%s\n", by_spf && by_dkim ? ", aligned by SPF and DKIM" : by_spf ? ", aligned by SPF alone" :
	    by_dkim ? ", aligned by DKIM" : "");
	if (*get(j, "why") != '\0')
		printf("%s\n", get(j, "why"));
	if (json_is_true(json_object_get(j, "methods_differ")))
		puts("Receivers by RFC 7489 and by RFC 9989 come to different answers; this is the worse.");
	printf("record: %s\n", *get(j, "record") != '\0' ? get(j, "record") :
	    strcmp(result, "temperror") == 0 ? "not known" : "none");
}

static void
print_mend(const json_t *list)
{
	const json_t *one;
	size_t i;

	if (json_array_size(list) > 0)
		printf("\nTo mend it:\n");
	for (i = 0; i < json_array_size(list); i++) {
		one = json_array_get(list, i);
		if (*get(one, "value") != '\0')
			printf(*get(one, "zone") != '\0' ? "  %s. IN TXT %s\n" : "  %s. IN TXT \"%s\"\n",
			    get(one, "name"), get(one, *get(one, "zone") != '\0' ? "zone" : "value"));
		if (*get(one, "why") != '\0')
			printf("%s%s\n", *get(one, "value") != '\0' ? "    " : "  ", get(one, "why"));
	}
}

static int
tell(struct work *w, json_t *take_j)
{
	if (w->q->json) {
		json_dumpf(take_j, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
		putchar('\n');
	} else {
		print_spf(w, take_j);
		if (json_is_object(json_object_get(take_j, "dkim")))
			print_dkim(json_object_get(take_j, "dkim"));
		if (json_is_object(json_object_get(take_j, "dmarc")))
			print_dmarc(json_object_get(take_j, "dmarc"));
		print_mend(json_object_get(take_j, "mend"));
	}
	json_decref(take_j);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		complain(w, arena_printf(w->a, "standard output: %s", strerror(errno)));
		return CTL_PREFLIGHT_BAD;
	}
	return w->bad ? CTL_PREFLIGHT_BAD : w->unsure ? CTL_PREFLIGHT_UNSURE : CTL_PREFLIGHT_GOOD;
}

static int
ask(struct work *w)
{
	const struct preflight_as as = { w->egress, w->n_egress, w->helo };
	struct preflight_question q = { .sender = w->sender, .domain = w->domain, .from = &w->from,
		.n_from = w->has_from, .deadline = clock_deadline(PATIENCE_MS) };
	struct err e;

	err_clear(&e);
	w->preflight = preflight_open(&w->services, &as, 0, &e);
	if (w->preflight == NULL || preflight_ask(w->preflight, &q, w->a, &w->answer, &e) < 0) {
		complain_err(w, &e);
		w->unsure = true;
	}
	return w->preflight == NULL ? CTL_PREFLIGHT_USAGE : tell(w, answer_json(w));
}

/* ---- all domains ------------------------------------------------------------------------------- */

static const char *
day(struct arena *a, uint64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;
	char to[16];

	if (ms == 0 || gmtime_r(&seconds, &tm) == NULL || strftime(to, sizeof(to), "%Y-%m-%d", &tm) == 0)
		return "";
	return arena_strdup(a, to);
}

static json_t *
domain_json(struct work *w, const struct drift_domain *d)
{
	json_t *j = json_object();

	put(j, "domain", text(w, d->domain));
	put(j, "customer", text(w, d->customer));
	put(j, "unsure", json_boolean(d->unsure));
	put(j, "problem", text(w, d->problem));
	put(j, "mx", d->mx_asked ? text(w, d->mx) : json_null());
	put(j, "mx_ours", d->mx_asked ? json_boolean(d->mx_ours) : json_null());
	put(j, "spf_passes", json_boolean(d->spf_passes));
	put(j, "mx_lost", d->mx_lost == 0 ? json_null() : json_integer((json_int_t)d->mx_lost));
	put(j, "spf_lost", d->spf_lost == 0 ? json_null() : json_integer((json_int_t)d->spf_lost));
	return j;
}

static void
grid_domain(struct work *w, struct ctl_grid *g, const struct drift_domain *d)
{
	const char *drift = "";

	if (d->mx_lost != 0)
		drift = arena_printf(w->a, "MX since %s", day(w->a, d->mx_lost));
	if (d->spf_lost != 0)
		drift = arena_printf(w->a, "%s%sSPF since %s", drift, *drift == '\0' ? "" : ", ",
		    day(w->a, d->spf_lost));
	ctl_grid_row(g, (const char *[]){ ctl_safe(w->a, d->domain), ctl_safe(w->a, d->customer), drift,
	    ctl_safe(w->a, d->unsure ? "the DNS does not answer" : *d->problem != '\0' ? d->problem :
	    d->mx_lost != 0 ? arena_printf(w->a, "MX is %s", *d->mx == '\0' ? "none" : d->mx) : "") });
}

/* The daemon keeps the memory; where it does not walk, whoever asks here does. */
static void
keep_memory(struct work *w, struct drift_memory *m, bool whole)
{
	struct err e;

	err_clear(&e);
	if (w->conf.preflight.drift.interval == 0 &&
	    drift_memory_save(m, w->conf.preflight.drift.file, whole, &e) < 0)
		complain_err(w, &e);
}

static void
tell_all(struct work *w, const struct drift_domain *list, size_t n)
{
	json_t *all = json_array(), *j;
	size_t broken = 0, drifted = 0, unsure = 0, i;
	struct ctl_grid g;

	ctl_grid_begin(&g, w->a, "domain customer drifted problem");
	for (i = 0; i < n; i++) {
		const struct drift_domain *d = &list[i];

		broken += *d->problem != '\0';
		drifted += d->mx_lost != 0 || d->spf_lost != 0;
		unsure += d->unsure;
		if (w->q->json)
			json_array_append_new(all, domain_json(w, d));
		else if (d->unsure || *d->problem != '\0' || d->mx_lost != 0 || d->spf_lost != 0)
			grid_domain(w, &g, d);
	}
	w->bad = broken > 0 || drifted > 0;
	w->unsure = unsure > 0;
	if (w->q->json) {
		j = json_pack("{s:o, s:I, s:I, s:I, s:I}", "domains", all, "looked_at", (json_int_t)n,
		    "broken", (json_int_t)broken, "drifted", (json_int_t)drifted, "unsure",
		    (json_int_t)unsure);
		json_dumpf(j, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
		putchar('\n');
		json_decref(j);
		return;
	}
	json_decref(all);
	ctl_grid_print(&g);
	printf("%s%zu domains: %zu with problems, %zu drifted, %zu without an answer of the DNS\n",
	    g.rows > 0 ? "\n" : "", n, broken, drifted, unsure);
}

/* As --ip and --helo say, for the walk as for a single domain. */
static void
say_instead(struct work *w)
{
	const char **list = arena_alloc(w->a, w->q->n_ips * sizeof(*list));
	size_t i;

	for (i = 0; i < w->q->n_ips; i++)
		list[i] = w->q->ips[i];
	if (w->q->n_ips > 0)
		w->conf.preflight.egress = (struct conf_strings){ w->q->n_ips, list };
	w->conf.preflight.helo = w->helo;
}

/* Looks at all; returns how many, fewer when the DNS is away. */
static size_t
look_at_all(struct work *w, struct drift_memory *memory, struct drift_domain *list, size_t n)
{
	size_t unsure = 0, i;

	for (i = 0; i < n && unsure < DRIFT_UNSURE_MOST; i++) {
		struct arena *a = arena_new(ARENA_DEFAULT_CAP);

		drift_look(&w->services, &list[i], clock_deadline(PATIENCE_MS), a);
		drift_compare(memory, &list[i], clock_now());
		unsure = list[i].unsure ? unsure + 1 : 0;
		if (unsure == DRIFT_UNSURE_MOST && !drift_dns_is_away(&w->services, list, n, i, a))
			unsure = 0;
		list[i].mx = arena_strdup(w->a, list[i].mx);
		list[i].problem = arena_strdup(w->a, list[i].problem);
		arena_free(&a);
	}
	return i;
}

static int
walk(struct work *w)
{
	struct drift_memory *memory;
	struct drift_domain *list;
	struct err e;
	long n;
	size_t looked;

	err_clear(&e);
	n = drift_domains(&w->services, w->a, &list, &e);
	if (n < 0) {
		complain_err(w, &e);
		return CTL_PREFLIGHT_USAGE;
	}
	say_instead(w);
	memory = drift_memory_load(w->conf.preflight.drift.file);
	looked = look_at_all(w, memory, list, (size_t)n);
	keep_memory(w, memory, looked == (size_t)n);
	drift_memory_free(&memory);
	tell_all(w, list, looked);
	if (looked < (size_t)n)
		complain(w, arena_printf(w->a, "the DNS does not answer: given up, %zu domains are not looked at",
		    (size_t)n - looked));
	return w->bad ? CTL_PREFLIGHT_BAD : w->unsure ? CTL_PREFLIGHT_UNSURE : CTL_PREFLIGHT_GOOD;
}

int
ctl_preflight(struct arena *a, const struct ctl_preflight *q)
{
	struct work w = { .a = a, .q = q };
	int code = CTL_PREFLIGHT_USAGE;

	if (open_services(&w) && take_ips(&w)) {
		if (q->all)
			code = walk(&w);
		else {
			take_sender(&w);
			if (take_from(&w))
				code = ask(&w);
		}
	}
	close_services(&w);
	return code;
}
