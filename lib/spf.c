/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * spf - SPF as the recipient will compute it: the only file that knows libspf2.
 *
 * libspf2 judges: it goes through the mechanisms, includes and redirects and compares addresses. It is never
 * shown what stands in the DNS. For each record that it asks for, the strict front (spf_record.c) reads the
 * real one, and a new one is written here in which each term has a name of ours:
 *
 *     v=spf1 ip4:198.51.100.0/24 a:%{d} include:_spf.host.example exp=why.example ~all
 *     v=spf1 a:t1.gp include:t2.gp ~exists:t3.gp
 *
 * When libspf2 looks up t1.gp, it is known which term is being judged: it is counted, its macros are
 * expanded, the DNS is asked for the real name, and its addresses are what libspf2 gets. Networks are
 * compared here (one that holds the client becomes an exists: that is found), and so is ptr. What follows
 * from this:
 * - nothing that a customer wrote reaches libspf2's parser and expander (CVE-2023-42118, lost first
 *   characters, /0);
 * - limits hold for the whole evaluation: libspf2 counts anew in every include, and void look-ups not at all;
 * - records stay far below the 511 bytes beyond which libspf2 drops mechanisms without a word: of each record
 *   at most 11 terms that ask the DNS are of use, and nothing behind a term that always matches;
 * - the term that decided is known: the last one asked for.
 * An error ends it: it is noted here, every further look-up fails, and what libspf2 makes of that is
 * overruled. libspf2 aborts the process when a look-up returns NULL; ours never does while there is memory.
 *
 * exp= is checked and never fetched. Type 99 is never asked (section 3.1).
 */
#include "lib/spf.h"

#include <sys/types.h>

#include <netinet/in.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <spf2/spf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/mail.h"
#include "lib/spf_macro.h"
#include "lib/spf_private.h"
#include "lib/spf_record.h"
#include "lib/str.h"

#include "lib/banned.h"

/* Section 4.6.4. */
#define TERMS_MOST 10u
#define VOIDS_MOST 2u
#define MX_MOST 10u
#define PTR_MOST 10u
/* Ten mx of ten hosts each, the record itself, and the client's names: nothing right asks more. */
#define LOOKUPS_MOST 128u
/* Each of at most 11 records gives libspf2 at most 11 terms that count and one that always matches. */
#define TOKENS_MOST 144u
#define RECORD_SIZE 512u
#define NAME_SIZE 32u		/* of a name of ours */

#define RECORD_SHOWN 4096u	/* bytes of a record that people are shown: more is not published */
#define CHAIN_SHOWN 4u		/* records that are named on the way to a term */

#define TTL_TEMPERROR 30u
#define TTL_PERMERROR 300u
#define TTL_NO_DOMAIN 3600u

struct spf {
	struct dns *dns;
	SPF_server_t *server;
};

/* A record that was entered, and from where. */
struct frame {
	const char *domain;
	const struct token *through;	/* the include or redirect; NULL at the root */
};

/* A term that libspf2 knows by a name of ours. */
struct token {
	struct spf_term term;
	const struct frame *in;
	bool fixed;		/* it matches, whatever the DNS says */
	bool counted;
};

struct walk {
	SPF_dns_server_t layer;		/* its hook is the walk */
	struct dns *dns;
	struct arena *a;
	uint64_t deadline;
	struct net_addr client;
	uint8_t flip;			/* see walk_flip */
	struct spf_macro_values values;
	const char *record;		/* the root's, rewritten */
	struct token *token[TOKENS_MOST];
	size_t n_tokens;
	const struct token *last;	/* asked for last */
	const struct token *mx_of;	/* the mx whose hosts these are */
	const char *host[MX_MOST];
	size_t n_hosts;
	bool foreign;			/* see token_name */
	bool named;			/* the client's names were asked for */
	const char *name[PTR_MOST];	/* those that are really its own */
	size_t n_names;
	bool over;			/* an error was met: to->result, decided and why say which */
	struct spf_verdict *to;
};

const char *
spf_result_text(enum spf_result r)
{
	static const char *const text[] = { "none", "pass", "fail", "softfail", "neutral", "temperror",
		"permerror" };

	return (size_t)r < sizeof(text) / sizeof(text[0]) ? text[r] : "?";
}

const char *
spf_shown(struct arena *a, const void *data, size_t n)
{
	const size_t size = 4 * n + 8;
	const char *text = data, *copy, *end = text + n;
	struct str s;

	while (text < end && *text >= 0x20 && *text < 0x7f)
		text++;
	if (text == end)
		return arena_strndup(a, data, n);	/* nearly always */
	text = data;
	s = (struct str){ arena_alloc(a, size), 0, size, false };
	*s.data = '\0';
	while (text < end) {
		copy = arena_strndup(a, text, (size_t)(end - text));	/* ends at a NUL */
		str_cat_safe(&s, copy);
		text += strlen(copy);
		for (; text < end && *text == '\0'; text++)
			str_cat(&s, "\\x00");
	}
	return s.data;
}

/* ---- the end of a walk ---- */

/* "ip4:192.0.2.0/24 (include _spf.host.example)": the term, and through which records it was reached. */
static const char *
term_shown(struct arena *a, const struct token *t)
{
	char space[1024];
	struct str s = STR_IN(space);
	const struct token *through;
	unsigned shown = 0;

	str_catn(&s, t->term.text, t->term.size < 256 ? t->term.size : 256);
	for (through = t->in->through; through != NULL; through = through->in->through) {
		str_cat(&s, shown == 0 ? " (" : " of ");
		if (++shown > CHAIN_SHOWN) {
			str_cat(&s, "...");
			break;
		}
		if (through->term.qualifier != '+')
			str_catn(&s, &through->term.qualifier, 1);
		str_cat(&s, through->term.kind == SPF_REDIRECT ? "redirect " : "include ");
		str_catn(&s, through->term.domain,
		    through->term.domain_size < 256 ? through->term.domain_size : 256);
	}
	if (t->in->through != NULL)
		str_cat(&s, ")");
	return arena_strdup(a, space);
}

static const char *
domain_shown(struct arena *a, const struct frame *in)
{
	return spf_shown(a, in->domain, strlen(in->domain));
}

static void
walk_over(struct walk *w, enum spf_result r, const char *decided, const char *why)
{
	if (w->over)
		return;
	w->over = true;
	w->to->result = r;
	w->to->decided = decided;
	w->to->why = why;
}

/* A limit of section 4.6.4. */
static void
walk_limit(struct walk *w, const struct token *t, const char *limit)
{
	walk_over(w, SPF_IS_PERMERROR, limit,
	    arena_printf(w->a, "%s (RFC 7208, 4.6.4): reached at %s", limit, term_shown(w->a, t)));
}

static void
walk_failed(struct walk *w, const char *name, const char *type, const struct dns_records *r)
{
	const char *shown = spf_shown(w->a, name, strlen(name)), *why = r->why;

	if (*why == '\0')
		why = r->answer == DNS_LATE ? "no answer in time" : "it failed";
	walk_over(w, SPF_IS_TEMPERROR,
	    r->answer == DNS_LATE ? "the DNS did not answer in time" : "the DNS failed",
	    arena_printf(w->a, "%s %s: %s", shown, type, why));
}

/* ---- asking ---- */

static const char *
address_text(enum dns_type type)
{
	return type == DNS_A ? "A" : "AAAA";
}

/* What no DNS name can be is not there, and asking would be pointless. Labels that are empty or too long are
 * for lib/dns.c. */
static bool
name_askable(const char *name)
{
	const char *c;

	for (c = name; *c != '\0'; c++)
		if (*c < 0x20 || *c > 0x7e)
			return false;
	return *name != '\0';
}

/* Asks for real. A failure is in to->answer only: the caller knows whether it ends the walk. */
static void
walk_ask(struct walk *w, const char *name, enum dns_type type, struct dns_records *to)
{
	if (++w->to->lookups > LOOKUPS_MOST) {
		*to = (struct dns_records){ .answer = DNS_FAILED, .ttl = TTL_TEMPERROR,
			.why = "too many look-ups" };
		return;
	}
	dns_ask(w->dns, name, type, w->deadline, w->a, to);
	if (to->ttl < w->to->ttl)
		w->to->ttl = to->ttl;
}

static enum dns_type
address_type(const struct walk *w)
{
	return w->client.bits == 32 ? DNS_A : DNS_AAAA;
}

/* ---- the client's own names: ptr and %{p} ---- */

/* By preference, then by name: resolvers turn the records of an answer round, and a verdict must not. */
static int
record_order(const void *a, const void *b)
{
	const struct dns_record *x = a, *y = b;

	if (x->preference != y->preference)
		return x->preference < y->preference ? -1 : 1;
	return strcmp((const char *)x->data, (const char *)y->data);
}

static const char *
reverse_name(struct arena *a, const struct net_addr *addr)
{
	static const char hex[] = "0123456789abcdef";
	char name[65];
	size_t i;

	if (addr->bits == 32)
		return arena_printf(a, "%u.%u.%u.%u.in-addr.arpa", addr->byte[3], addr->byte[2],
		    addr->byte[1], addr->byte[0]);
	for (i = 0; i < 16; i++) {
		name[4 * i] = hex[addr->byte[15 - i] & 15];
		name[4 * i + 2] = hex[addr->byte[15 - i] >> 4];
		name[4 * i + 1] = name[4 * i + 3] = '.';
	}
	name[64] = '\0';
	return arena_printf(a, "%sip6.arpa", name);
}

static bool
has_client(const struct walk *w, const struct dns_records *r)
{
	size_t i;

	for (i = 0; i < r->n; i++)
		if (r->at[i].size == w->client.bits / 8u &&
		    memcmp(r->at[i].data, w->client.byte, r->at[i].size) == 0)
			return true;
	return false;
}

/* Fills w->name. Of more than ten names only ten count (4.6.4): the first in the alphabet.
 * A failure means fewer names, never an error (5.5). Returns
 * whether there was a PTR record. */
static bool
walk_names(struct walk *w)
{
	struct dns_records ptr, addresses;
	size_t i;

	walk_ask(w, reverse_name(w->a, &w->client), DNS_PTR, &ptr);
	w->named = true;
	if (ptr.answer != DNS_FOUND)
		return ptr.answer != DNS_NO_DATA && ptr.answer != DNS_NO_NAME;
	if (ptr.n > 1)
		qsort(ptr.at, ptr.n, sizeof(*ptr.at), record_order);
	for (i = 0; i < ptr.n && i < PTR_MOST; i++) {
		if (!name_askable((const char *)ptr.at[i].data))
			continue;
		walk_ask(w, (const char *)ptr.at[i].data, address_type(w), &addresses);
		if (addresses.answer == DNS_FOUND && has_client(w, &addresses))
			w->name[w->n_names++] = (const char *)ptr.at[i].data;
	}
	return true;
}

/* name is domain, or ends in a dot and domain. */
static bool
is_below(const char *name, const char *domain)
{
	const size_t n = strlen(name), d = strlen(domain);

	return n >= d && strcasecmp(name + n - d, domain) == 0 && (n == d || name[n - d - 1] == '.');
}

/* %{p} (7.3): the domain itself when it is among the client's names, else a name below it, else any. */
static const char *
walk_validated(void *cookie)
{
	struct walk *w = cookie;
	const char *below = NULL;
	size_t i;

	if (!w->named)
		(void)walk_names(w);
	for (i = 0; i < w->n_names; i++) {
		if (strcasecmp(w->name[i], w->values.domain) == 0)
			return w->name[i];
		if (below == NULL && is_below(w->name[i], w->values.domain))
			below = w->name[i];
	}
	return below != NULL ? below : w->n_names > 0 ? w->name[0] : "unknown";
}

/* ---- terms as libspf2 comes to them ---- */

/* Counts the term the first time it is asked for. False when the walk is over. */
static bool
walk_count(struct walk *w, struct token *t)
{
	w->last = t;
	if (t->counted || t->fixed)
		return !w->over;
	t->counted = true;
	if (++w->to->terms > TERMS_MOST) {
		w->to->terms = TERMS_MOST + 1;
		walk_limit(w, t, "more than 10 terms ask the DNS");
	}
	return !w->over;
}

/* A term whose own look-up found nothing (4.6.4). The hosts of an mx are not looked at for this: a domain
 * with IPv4 hosts alone would be in error for every IPv6 client, and the order of its hosts would matter. */
static void
walk_void(struct walk *w, const struct token *t)
{
	if (++w->to->voids > VOIDS_MOST)
		walk_limit(w, t, "more than 2 look-ups find nothing");
}

/* The name that a term speaks of; NULL when it is one that the DNS cannot have: the term does not match then.
 * A local part beyond ASCII is such a case (RFC 8616, section 4); w->foreign says so. */
static const char *
token_name(struct walk *w, const struct token *t)
{
	const char *name;

	w->values.domain = t->in->domain;
	w->foreign = false;
	if (t->term.domain == NULL)
		return t->in->domain;
	name = spf_macro_expand(t->term.domain, t->term.domain_size, &w->values, w->a, &w->to->personal,
	    &w->foreign);
	return w->foreign || !name_askable(name) ? NULL : name;
}

/* ptr (5.5): one of the client's names is the domain or below it. */
static bool
walk_ptr(struct walk *w, const struct token *t)
{
	const char *domain = token_name(w, t);
	size_t i;

	if (!w->named && !walk_names(w))
		walk_void(w, t);
	for (i = 0; domain != NULL && i < w->n_names; i++)
		if (is_below(w->name[i], domain))
			return true;
	return false;
}

/* ---- records for libspf2 ---- */

static const char *
name_of(char kind, size_t i, char to[NAME_SIZE])
{
	(void)snprintf(to, NAME_SIZE, "%c%zu.gp", kind, i);
	return to;
}

/* The number in a name of ours. */
static bool
number_of(const char *name, char kind, size_t below, size_t *i)
{
	char *end;

	if (name[0] != kind)
		return false;
	*i = strtoul(name + 1, &end, 10);
	return *i < below && strcmp(end, ".gp") == 0;
}

static struct token *
walk_token(struct walk *w, const struct spf_term *term, const struct frame *in, bool fixed)
{
	struct token *t = arena_alloc(w->a, sizeof(*t));

	if (w->n_tokens == TOKENS_MOST)
		abort();
	*t = (struct token){ .term = *term, .in = in, .fixed = fixed };
	w->token[w->n_tokens++] = t;
	return t;
}

/* " ~include:t7.gp" */
static void
write_term(struct walk *w, struct str *to, const struct spf_term *term, const struct frame *in, bool fixed)
{
	static const char *const word[] = { [SPF_INCLUDE] = "include:", [SPF_A] = "a:", [SPF_MX] = "mx:",
		[SPF_REDIRECT] = "redirect=" };
	const bool known = !fixed && term->kind != SPF_EXISTS && term->kind != SPF_PTR;
	char name[NAME_SIZE];

	str_cat(to, " ");
	if (term->kind != SPF_REDIRECT)
		str_catn(to, &term->qualifier, 1);
	str_cat(to, known ? word[term->kind] : "exists:");
	str_cat(to, name_of('t', w->n_tokens, name));
	(void)walk_token(w, term, in, fixed);
	if (fixed || (term->kind != SPF_A && term->kind != SPF_MX))
		return;
	/* /0 and the full length are libspf2's default: see answer_addresses. */
	if (w->client.bits == 32 && term->length4 > 0 && term->length4 < 32)
		str_catf(to, "/%u", term->length4);
	else if (w->client.bits == 128 && term->length6 > 0 && term->length6 < 128)
		str_catf(to, "//%u", term->length6);
}

static bool
always_matches(const struct walk *w, const struct spf_term *t)
{
	if (t->kind == SPF_ALL)
		return true;
	if (t->kind != SPF_IP4 && t->kind != SPF_IP6)
		return false;
	return t->net.bits == w->client.bits &&
	    net_in(&w->client, &t->net, t->kind == SPF_IP4 ? t->length4 : t->length6);
}

/* Reads the whole record, for any error in it counts (4.6), and writes what matters of it. NULL when the walk
 * is over. */
static const char *
walk_rewrite(struct walk *w, const char *text, size_t n, const struct frame *in)
{
	char space[RECORD_SIZE];
	struct str s = STR_IN(space);
	struct spf_reader r;
	struct spf_term t, redirect = { .kind = SPF_OTHER };
	unsigned asking = 0;
	bool ended = false, all = false;
	struct err e;
	int rc;

	str_cat(&s, "v=spf1");
	spf_record_start(&r, text, n);
	while ((rc = spf_record_next(&r, &t, &e)) == 1) {
		if (t.kind == SPF_REDIRECT)
			redirect = t;
		all = all || t.kind == SPF_ALL;
		/* The 11th ends the walk when it is asked for; what stands behind is never come to. */
		if (ended || asking > TERMS_MOST || (!always_matches(w, &t) && !spf_record_counts(t.kind)) ||
		    t.kind == SPF_REDIRECT)
			continue;
		ended = always_matches(w, &t);
		asking += ended ? 0 : 1;
		write_term(w, &s, &t, in, ended);
	}
	/* A redirect comes last, and not at all when there is an "all" (6.1). */
	if (rc == 0 && redirect.kind == SPF_REDIRECT && !all && !ended && asking <= TERMS_MOST)
		write_term(w, &s, &redirect, in, false);
	if (rc == -1)
		walk_over(w, SPF_IS_PERMERROR, "the record breaks the grammar",
		    arena_printf(w->a, "%s: %s", domain_shown(w->a, in), e.text));
	return rc == -1 ? NULL : arena_strdup(w->a, space);
}

/* The one record among the TXT records: 1, 0 none, -1 several. */
static int
pick_record(const struct dns_records *r, const struct dns_record **one)
{
	size_t i, found = 0;

	for (i = 0; i < r->n; i++)
		if (spf_record_begins((const char *)r->at[i].data, r->at[i].size) && found++ == 0)
			*one = &r->at[i];
	return found > 1 ? -1 : (int)found;
}

/* Fetches the record of a domain and rewrites it. NULL when the walk is over: also where there is none, which
 * only the root makes a result of its own. */
static const char *
walk_fetch(struct walk *w, const struct frame *in, const char *instead)
{
	const struct dns_record given = { .data = (const uint8_t *)instead,
		.size = instead == NULL ? 0 : strlen(instead) };
	const struct dns_record *one = &given;
	struct dns_records r = { .answer = DNS_FOUND };
	int found = 1;

	if (instead == NULL) {
		walk_ask(w, in->domain, DNS_TXT, &r);
		found = r.answer == DNS_FOUND ? pick_record(&r, &one) : 0;
	}
	if (r.answer == DNS_FAILED || r.answer == DNS_LATE)
		walk_failed(w, in->domain, "TXT", &r);
	else if (found == -1)
		walk_over(w, SPF_IS_PERMERROR, "several SPF records",
		    arena_printf(w->a, "%s has several SPF records, not one (RFC 7208, 4.5)",
			domain_shown(w->a, in)));
	else if (found == 0 && in->through == NULL)
		walk_over(w, SPF_IS_NONE, "no SPF record", "");
	else if (found == 0)
		walk_over(w, SPF_IS_PERMERROR, term_shown(w->a, in->through),
		    arena_printf(w->a, "%s has no SPF record%s", domain_shown(w->a, in),
			r.answer == DNS_NO_NAME ? ": there is no such name" : ""));
	if (w->over)
		return NULL;
	if (in->through == NULL)
		w->to->record = spf_shown(w->a, one->data,
		    one->size < RECORD_SHOWN ? one->size : RECORD_SHOWN);
	return walk_rewrite(w, (const char *)one->data, one->size, in);
}

/* The record behind an include or redirect. */
static const char *
walk_enter(struct walk *w, struct token *t)
{
	struct frame *in;
	const char *name;

	if (!walk_count(w, t))
		return NULL;
	name = token_name(w, t);
	if (name == NULL && w->foreign)
		return "v=spf1";	/* it matches nothing, and is no error */
	if (name == NULL) {
		walk_over(w, SPF_IS_PERMERROR, term_shown(w->a, t), "its macros give no domain name");
		return NULL;
	}
	in = arena_alloc(w->a, sizeof(*in));
	*in = (struct frame){ .domain = str_lower(arena_strdup(w->a, name)), .through = t };
	return walk_fetch(w, in, NULL);
}

/* libspf2 wants the record of cur_dom, which is a name of ours. */
static SPF_errcode_t
layer_record(SPF_server_t *server, SPF_request_t *request, SPF_response_t *response, SPF_record_t **record)
{
	struct walk *w = server->resolver->hook;
	const char *text = NULL;
	size_t i;

	*record = NULL;
	if (!w->over && number_of(request->cur_dom, 't', w->n_tokens, &i))
		text = i == 0 ? w->record : walk_enter(w, w->token[i]);
	return text == NULL ? SPF_E_NOT_SPF : SPF_record_compile(server, response, record, text);
}

/* ---- answers for libspf2 ---- */

static SPF_dns_rr_t *
answer_new(struct walk *w, const char *name, ns_type type, size_t n)
{
	const SPF_dns_stat_t status = n > 0 ? NETDB_SUCCESS : NO_DATA;
	SPF_dns_rr_t *rr = SPF_dns_rr_new_init(&w->layer, name, type, 0, w->over ? TRY_AGAIN : status);

	if (rr == NULL ||
	    (n > 0 && SPF_dns_rr_buf_realloc(rr, (int)n - 1, sizeof(SPF_dns_rr_data_t)) != SPF_E_SUCCESS))
		abort();
	return rr;
}

static void
answer_add(SPF_dns_rr_t *rr, const void *data, size_t n)
{
	if (SPF_dns_rr_buf_realloc(rr, rr->num_rr, n) != SPF_E_SUCCESS)
		abort();
	memcpy(rr->rr[rr->num_rr++], data, n);
}

/* libspf2 lets 127.0.0.0/8 and ::1 pass unasked, which RFC 7208 does not. Such a client, and each address
 * that it is compared with, is given to it with its first bit turned round: all prefixes compare as
 * before. */
static uint8_t
walk_flip(const struct net_addr *client)
{
	static const uint8_t one[16] = { [15] = 1 };

	if (client->bits == 32)
		return client->byte[0] == 127 ? 0x80 : 0;
	return memcmp(client->byte, one, sizeof(one)) == 0 ? 0x80 : 0;
}

static SPF_dns_rr_t *
answer_client(struct walk *w, const char *name, ns_type type)
{
	SPF_dns_rr_t *rr = answer_new(w, name, type, 1);
	struct net_addr c = w->client;

	c.byte[0] ^= w->flip;
	answer_add(rr, c.byte, type == ns_t_a ? 4 : 16);
	return rr;
}

/* The addresses of a name for "a" and "mx". A prefix of length 0 matches if there is any (libspf2 knows no
 * /0): then the client's own address stands for them. */
static SPF_dns_rr_t *
answer_addresses(struct walk *w, const struct token *t, const char *real, const char *name, ns_type type,
    const struct dns_records *r)
{
	const size_t size = w->client.bits / 8u;
	SPF_dns_rr_t *rr;
	uint8_t byte[16];
	size_t i;

	if (r->answer == DNS_FAILED || r->answer == DNS_LATE)
		walk_failed(w, real, address_text(address_type(w)), r);
	if (w->over || r->answer != DNS_FOUND)
		return answer_new(w, name, type, 0);
	if (r->n > 0 && (w->client.bits == 32 ? t->term.length4 : t->term.length6) == 0)
		return answer_client(w, name, type);
	rr = answer_new(w, name, type, r->n);
	for (i = 0; i < r->n; i++) {
		if (r->at[i].size != size)
			continue;
		memcpy(byte, r->at[i].data, size);
		byte[0] ^= w->flip;
		answer_add(rr, byte, size);
	}
	return rr;
}

/* Whether an exists of ours is found: a network that holds the client, all, ptr, or a real exists. */
static SPF_dns_rr_t *
answer_exists(struct walk *w, struct token *t, const char *name)
{
	struct dns_records r = { .answer = DNS_NO_NAME };
	const char *real;
	bool found = t->fixed;

	if (t->term.kind == SPF_PTR) {
		found = walk_ptr(w, t);
	} else if (!t->fixed && (real = token_name(w, t)) != NULL) {
		walk_ask(w, real, DNS_A, &r);
		found = r.answer == DNS_FOUND;
		if (r.answer == DNS_FAILED || r.answer == DNS_LATE)
			walk_failed(w, real, "A", &r);
		else if (!found)
			walk_void(w, t);
	}
	if (w->over || !found)
		return answer_new(w, name, ns_t_a, 0);
	/* The address itself says nothing; of an exists, libspf2 asks type A of an IPv6 client too. */
	return answer_client(w, name, ns_t_a);
}

static SPF_dns_rr_t *
answer_a(struct walk *w, struct token *t, const char *name, ns_type type)
{
	struct dns_records r = { .answer = DNS_NO_NAME };
	const char *real = token_name(w, t);

	if (real != NULL) {
		walk_ask(w, real, address_type(w), &r);
		if (r.answer == DNS_NO_DATA || r.answer == DNS_NO_NAME)
			walk_void(w, t);
	}
	return answer_addresses(w, t, real, name, type, &r);
}

/* The hosts of an mx under names of ours. More than ten are an error whichever would match (4.6.4), and the
 * root as a host is none (RFC 7505). */
static SPF_dns_rr_t *
answer_mx(struct walk *w, struct token *t, const char *name)
{
	struct dns_records r = { .answer = DNS_NO_NAME };
	const char *real = token_name(w, t);
	SPF_dns_rr_t *rr;
	char host[NAME_SIZE];
	size_t i;

	if (real != NULL) {
		walk_ask(w, real, DNS_MX, &r);
		if (r.answer == DNS_FAILED || r.answer == DNS_LATE)
			walk_failed(w, real, "MX", &r);
		else if (r.answer != DNS_FOUND)
			walk_void(w, t);
	}
	if (r.answer == DNS_FOUND && r.n > MX_MOST)
		walk_limit(w, t, "more than 10 mail exchangers");
	w->mx_of = t;
	w->n_hosts = 0;
	if (r.n > 1)
		qsort(r.at, r.n, sizeof(*r.at), record_order);
	for (i = 0; !w->over && r.answer == DNS_FOUND && i < r.n; i++)
		if (name_askable((const char *)r.at[i].data))
			w->host[w->n_hosts++] = (const char *)r.at[i].data;
	rr = answer_new(w, name, ns_t_mx, w->n_hosts);
	for (i = 0; i < w->n_hosts; i++)
		answer_add(rr, name_of('m', i, host), strlen(name_of('m', i, host)) + 1);
	return rr;
}

/* Never NULL. */
static SPF_dns_rr_t *
layer_lookup(SPF_dns_server_t *layer, const char *name, ns_type type, int unused)
{
	struct walk *w = layer->hook;
	struct dns_records r;
	struct token *t;
	size_t i;

	(void)unused;
	if (!w->over && number_of(name, 'm', w->n_hosts, &i)) {
		walk_ask(w, w->host[i], address_type(w), &r);
		return answer_addresses(w, w->mx_of, w->host[i], name, type, &r);
	}
	if (w->over || !number_of(name, 't', w->n_tokens, &i) || !walk_count(w, t = w->token[i])) {
		walk_over(w, SPF_IS_TEMPERROR, "libspf2", "libspf2 asked for a name that it was not given");
		return answer_new(w, name, type, 0);
	}
	if (!t->fixed && t->term.kind == SPF_A)
		return answer_a(w, t, name, type);
	if (!t->fixed && t->term.kind == SPF_MX)
		return answer_mx(w, t, name);
	return answer_exists(w, t, name);
}

/* ---- one evaluation ---- */

/* What libspf2 found, unless an error overrules it. */
static void
walk_result(struct walk *w, SPF_response_t *response)
{
	static const enum spf_result of[] = {
		[SPF_RESULT_NEUTRAL] = SPF_IS_NEUTRAL, [SPF_RESULT_PASS] = SPF_IS_PASS,
		[SPF_RESULT_FAIL] = SPF_IS_FAIL, [SPF_RESULT_SOFTFAIL] = SPF_IS_SOFTFAIL,
	};
	const SPF_result_t r = SPF_response_result(response);

	if (r < SPF_RESULT_NEUTRAL || r > SPF_RESULT_SOFTFAIL) {
		walk_over(w, SPF_IS_PERMERROR, "libspf2", SPF_strerror(SPF_response_errcode(response)));
	} else if (!w->over) {
		w->to->result = of[r];
		w->to->decided = SPF_response_reason(response) == SPF_REASON_MECH && w->last != NULL ?
		    term_shown(w->a, w->last) : "no term matched";
	}
}

/* libspf2 is told nothing of the sender: what it would do with it is done here. */
static void
walk_run(struct spf *s, struct walk *w)
{
	/* A copy with a layer of its own: evaluations share nothing that changes. */
	SPF_server_t server = *s->server;
	SPF_response_t *response = NULL;
	struct net_addr c = w->client;
	SPF_request_t *request;
	struct in6_addr six;
	struct in_addr four;

	server.resolver = &w->layer;
	request = SPF_request_new(&server);
	if (request == NULL || SPF_request_set_helo_dom(request, "gp") != SPF_E_SUCCESS ||
	    SPF_request_set_env_from(request, "x@t0.gp") != SPF_E_SUCCESS)
		abort();
	c.byte[0] ^= w->flip;
	memcpy(&four, c.byte, sizeof(four));
	memcpy(&six, c.byte, sizeof(six));
	if (c.bits == 32)
		(void)SPF_request_set_ipv4(request, four);
	else
		(void)SPF_request_set_ipv6(request, six);
	(void)SPF_request_query_mailfrom(request, &response);
	if (response == NULL)
		abort();
	walk_result(w, response);
	SPF_response_free(response);
	SPF_request_free(request);
}

/* Section 4.3: an address literal, a single label, an empty or overlong label are no domain. */
const char *
spf_domain(struct arena *a, const char *text)
{
	const char *c, *label = text;
	size_t n = strlen(text), dots = 0;
	bool ascii = true;

	for (c = text; *c != '\0'; c++)
		ascii = ascii && *c > 0x20 && *c < 0x7f;
	if (!ascii)
		return mail_domain(a, text);
	if (n > 0 && text[n - 1] == '.')
		n--;
	if (n == 0 || n > DNS_NAME_MAX)
		return NULL;
	for (c = text; c <= text + n; c++) {
		if (c < text + n && *c != '.')
			continue;
		if (c == label || c - label > 63)
			return NULL;
		if (c < text + n) {
			dots++;
			label = c + 1;
		}
	}
	/* Address literals in brackets, and addresses without them. */
	if (dots == 0 || strpbrk(text, "[]:\\@") != NULL ||
	    strspn(label, "0123456789") >= (size_t)(text + n - label))
		return NULL;
	return str_lower(arena_strndup(a, text, n));
}

/* Splits the sender as section 2.4 and 4.3 say. False when there is no domain to ask. */
static bool
walk_sender(struct walk *w, const struct spf_question *q)
{
	const char *helo = q->helo == NULL || *q->helo == '\0' ? "unknown" : q->helo;
	const char *sender = q->sender == NULL ? "" : q->sender, *at = strrchr(sender, '@');
	const char *domain = *sender == '\0' ? helo : at != NULL ? at + 1 : sender;

	w->values = (struct spf_macro_values){ .local = at == NULL || at == sender ? "postmaster" :
	    arena_strndup(w->a, sender, (size_t)(at - sender)), .helo = helo, .client = &w->client,
	    .validated = walk_validated, .cookie = w };
	w->to->domain = spf_shown(w->a, domain, strlen(domain));
	w->values.sender_domain = strlen(sender) > MAIL_ADDRESS_MAX ? NULL : spf_domain(w->a, domain);
	if (w->values.sender_domain == NULL)
		return false;
	w->to->domain = w->values.sender_domain;
	return true;
}

static void
walk_clamp(struct spf_verdict *to)
{
	const uint32_t most = to->result == SPF_IS_TEMPERROR ? TTL_TEMPERROR :
	    to->result == SPF_IS_PERMERROR ? TTL_PERMERROR : TTL_NO_DOMAIN;

	if (to->ttl > most)
		to->ttl = most;
}

void
spf_check_instead(struct spf *s, const struct spf_question *q, const char *instead, uint64_t deadline,
    struct arena *a, struct spf_verdict *to)
{
	static const struct spf_term root = { .kind = SPF_OTHER };
	struct walk *w = arena_zalloc(a, sizeof(*w));
	struct frame in;

	*to = (struct spf_verdict){ .result = SPF_IS_NONE, .decided = "no domain", .why = "",
		.ttl = UINT32_MAX };
	w->dns = s->dns;
	w->a = a;
	w->deadline = deadline;
	w->client = q->client;
	w->flip = walk_flip(&w->client);
	w->to = to;
	w->layer = (SPF_dns_server_t){ .lookup = layer_lookup, .get_spf = layer_record, .name = "gatepost",
		.hook = w };
	if (q->client.bits == 0) {
		walk_over(w, SPF_IS_PERMERROR, "no client address", "there is no address to ask for");
	} else if (walk_sender(w, q)) {
		in = (struct frame){ .domain = w->values.sender_domain };
		(void)walk_token(w, &root, &in, false);
		w->record = walk_fetch(w, &in, instead);
		if (w->record != NULL)
			walk_run(s, w);
	}
	walk_clamp(to);
}

void
spf_check(struct spf *s, const struct spf_question *q, uint64_t deadline, struct arena *a,
    struct spf_verdict *to)
{
	spf_check_instead(s, q, NULL, deadline, a, to);
}

void
spf_ask(struct spf *s, const char *domain, uint64_t deadline, struct arena *a, struct dns_records *to)
{
	dns_ask(s->dns, domain, DNS_TXT, deadline, a, to);
}

/* ---- opening ---- */

struct spf *
spf_open(struct dns *d, struct err *e)
{
	static SPF_dns_server_t none = { .lookup = layer_lookup, .get_spf = layer_record,
		.name = "gatepost" };
	struct spf *s = calloc(1, sizeof(*s));
	SPF_response_t *response = NULL;

	if (s == NULL)
		abort();
	s->dns = d;
	s->server = SPF_server_new_dns(&none, 0);
	/* Each result that is not a pass gets an explanation made: a constant one, no macros. */
	if (s->server == NULL || SPF_server_set_explanation(s->server, "no", &response) != SPF_E_SUCCESS ||
	    SPF_server_set_rec_dom(s->server, "gp") != SPF_E_SUCCESS) {
		(void)err_set(e, ERR_SYSTEM, "libspf2 cannot be started");
		spf_close(&s);
	} else {
		/* The limits are counted here, over all includes. */
		(void)SPF_server_set_max_dns_mech(s->server, 1000);
		(void)SPF_server_set_max_dns_mx(s->server, (int)MX_MOST);
	}
	if (response != NULL)
		SPF_response_free(response);
	return s;
}

void
spf_close(struct spf **s)
{
	if (s == NULL || *s == NULL)
		return;
	if ((*s)->server != NULL)
		SPF_server_free((*s)->server);
	free(*s);
	*s = NULL;
}
