/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * spf_suggest - the SPF record that would mend a domain: what it publishes, read word by word, with the
 * smallest change that lets every egress address pass.
 *
 * A word that breaks the grammar is mended where it is clear what was meant ("ipv4:", "-all.", an address
 * behind "a:", a dash from a word processor), else taken out and named. Then places for our own term are
 * tried, the most ordinary first, and each candidate is evaluated for every egress address: what is proposed
 * has been proven, or says that it has not. A record that asks the DNS too often cannot be repaired without
 * knowing whose mail it is for; there our term goes to the front, where it decides before the limit is met,
 * and people are told what each include costs.
 *
 * It deliberately does not harden ("+all" stays, with a remark), resolve a name to addresses (they change),
 * or drop an include that is not there any more.
 */
#include "lib/spf.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/spf_private.h"
#include "lib/spf_record.h"
#include "lib/str.h"

#include "lib/banned.h"

#define WORDS_MAX 500u
#define NOTES_SIZE 4096u
#define STRING_MAX 255u		/* of one string of a TXT record (RFC 1035, 3.3) */
#define LONG_RECORD 450u	/* beyond it an answer may not fit in a packet of 512 bytes (RFC 7208, 3.4) */

struct draft {
	struct spf *s;
	struct arena *a;
	const char *domain, *helo, *include;
	const struct net_addr *egress;
	size_t n_egress;
	uint64_t deadline;
	const char *word[WORDS_MAX];	/* mechanisms, without "all" */
	size_t n;
	const char *redirect, *exp;	/* as written, or NULL */
	const char *other[WORDS_MAX];	/* modifiers that mean nothing to us */
	size_t n_other;
	const char *all;		/* the strictest one, or NULL */
	size_t words;
	bool changed;		/* it is not the record that was read: mended, merged, or the first */
	struct str notes;
};

static void
note(struct draft *d, const char *text)
{
	if (d->notes.len > 0)
		str_cat(&d->notes, " ");
	str_cat(&d->notes, text);
}

/* ---- what a wrong word may have meant ---- */

static const struct {
	const char *wrong, *right;
} beginnings[] = {
	{ "ipv4:", "ip4:" },
	{ "ipv6:", "ip6:" },
	{ "ip4=", "ip4:" },
	{ "ip6=", "ip6:" },
	{ "include=", "include:" },
	{ "a=", "a:" },
	{ "mx=", "mx:" },
	{ "ptr=", "ptr:" },
	{ "exists=", "exists:" },
	{ "redirect:", "redirect=" },
	{ "exp:", "exp=" },
	{ "includes:", "include:" },
	{ "inlcude:", "include:" },
	/* Dashes of word processors: U+2013, U+2014, U+2212. */
	{ "\xe2\x80\x93", "-" },
	{ "\xe2\x80\x94", "-" },
	{ "\xe2\x88\x92", "-" },
};

static bool
is_right(const char *word)
{
	struct spf_term t;

	return spf_record_term(word, strlen(word), &t, NULL) == 1;
}

/* An address wherever it stands, alone or behind a name that wants another thing, is an ip4 or ip6. NULL when
 * it is none. */
static const char *
as_network(struct arena *a, const char *word)
{
	static const char *const names[] = { "", "a:", "mx:", "include:", "ip4:", "ip6:", "ip:" };
	const char *qualifier = memchr("+-~?", *word, 4) != NULL ? word++ : "";
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const size_t n = strlen(names[i]);
		const char *four, *six;

		if (strncasecmp(word, names[i], n) != 0)
			continue;
		four = arena_printf(a, "%.1sip4:%s", qualifier, word + n);
		six = arena_printf(a, "%.1sip6:%s", qualifier, word + n);
		if (is_right(four))
			return four;
		if (is_right(six))
			return six;
	}
	return NULL;
}

/* The word with a known wrong beginning set right and without what a list or a sentence leaves at its end. */
static const char *
respelled(struct arena *a, const char *word)
{
	char *to = arena_strdup(a, word);
	size_t i, n = strlen(to);

	while (n > 0 && memchr(".,;\"'", to[n - 1], 5) != NULL)
		to[--n] = '\0';
	while (*to == '"' || *to == '\'')
		to++;
	for (i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
		n = strlen(beginnings[i].wrong);
		if (strncasecmp(to, beginnings[i].wrong, n) == 0)
			return arena_printf(a, "%s%s", beginnings[i].right, to + n);
	}
	return to;
}

/* The right word for a wrong one; NULL when nobody can know. */
static const char *
mended(struct arena *a, const char *word)
{
	const char *to = respelled(a, word);

	return *to != '\0' && is_right(to) ? to : as_network(a, to);
}

/* ---- reading what is published ---- */

/* "include=x" is a modifier that nobody knows: right by the grammar, and surely not what was meant. */
static bool
is_mistaken(const struct spf_term *t)
{
	size_t i;

	for (i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++)
		if (t->kind == SPF_OTHER &&
		    strncasecmp(t->text, beginnings[i].wrong, strlen(beginnings[i].wrong)) == 0)
			return true;
	return false;
}

static unsigned
strictness(const char *all)
{
	return *all == '-' ? 3 : *all == '~' ? 2 : *all == '?' ? 1 : 0;
}

static void
add_unique(const char **list, size_t *n, const char *word)
{
	size_t i;

	for (i = 0; i < *n; i++)
		if (strcasecmp(list[i], word) == 0)
			return;
	if (*n < WORDS_MAX)
		list[(*n)++] = word;
}

static void
add_term(struct draft *d, const struct spf_term *t, const char *word)
{
	switch (t->kind) {
	case SPF_ALL:
		if (d->all == NULL || strictness(word) > strictness(d->all))
			d->all = word;
		break;
	case SPF_REDIRECT:
		if (d->redirect == NULL)
			d->redirect = word;
		break;
	case SPF_EXP:
		if (d->exp == NULL)
			d->exp = word;
		break;
	case SPF_OTHER:
		add_unique(d->other, &d->n_other, word);
		break;
	default:
		add_unique(d->word, &d->n, word);
	}
}

/* Takes the word in, mended if need be; *ended: it stands behind the record's "all" and is never read. */
static void
take_word(struct draft *d, const char *word, bool *ended)
{
	struct spf_term t;
	struct err e;
	const char *right, *shown = spf_shown(d->a, word, strlen(word));
	bool bad;

	if (spf_record_begins(word, strlen(word))) {
		/* Two records pasted together: for recipients an unknown modifier, and what follows is meant
		 * to be read. */
		d->changed = true;
		*ended = false;
		return;
	}
	bad = spf_record_term(word, strlen(word), &t, &e) == -1;
	right = bad || is_mistaken(&t) ? mended(d->a, word) : NULL;
	d->changed = d->changed || bad || right != NULL;
	if (bad && right == NULL) {
		note(d, arena_printf(d->a, "Taken out, for no recipient can read it: %s.", e.text));
		return;
	}
	if (right != NULL) {
		(void)spf_record_term(right, strlen(right), &t, NULL);
		/* Nobody meant the whole world by a slip. What stands behind it was meant to be read. */
		if (t.kind == SPF_ALL && t.qualifier == '+')
			right = "~all";
		note(d, arena_printf(d->a, "\"%s\" is written as \"%s\".", shown, right));
		add_term(d, &t, right);
		return;
	}
	if (*ended && t.kind != SPF_EXP && t.kind != SPF_OTHER && t.kind != SPF_REDIRECT) {
		note(d, arena_printf(d->a, "\"%s\" stands behind \"all\": it is never read.", shown));
		return;
	}
	*ended = *ended || t.kind == SPF_ALL;
	add_term(d, &t, word);
}

static void
take_record(struct draft *d, const char *text, size_t n)
{
	char *copy = arena_alloc(d->a, n + 1), *at, *word, *next;
	bool ended = false;
	size_t i;

	for (i = 0; i < n; i++)
		copy[i] = memchr("\0\t\r\n", text[i], 4) != NULL ? ' ' : text[i];
	copy[n] = '\0';
	at = copy + strlen("v=spf1");
	while ((word = strsep(&at, " ")) != NULL) {
		if (*word == '\0')
			continue;
		if (++d->words > WORDS_MAX)
			return;
		/* "include: _spf.host.example" */
		if (at != NULL && (next = at + strspn(at, " ")) != at + strlen(at) &&
		    memchr(":=", word[strlen(word) - 1], 2) != NULL && !is_right(word)) {
			at = next;
			word = (char *)(uintptr_t)arena_printf(d->a, "%s%s", word, strsep(&at, " "));
			d->changed = true;
			note(d, arena_printf(d->a, "No blank may stand within \"%s\".",
			    spf_shown(d->a, word, strlen(word))));
		}
		take_word(d, word, &ended);
	}
}

/* ---- writing one ---- */

static bool
has_word(const char *const *list, size_t n, const char *word)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (strcasecmp(list[i], word) == 0)
			return true;
	return false;
}

/* The record with these terms added, before what always matches or at the front; those that it has are
 * moved. */
static const char *
compose(const struct draft *d, const char *const *add, size_t n_add, bool front)
{
	size_t size = 64, i;
	struct str s;

	for (i = 0; i < d->n; i++)
		size += strlen(d->word[i]) + 1;
	for (i = 0; i < n_add; i++)
		size += strlen(add[i]) + 1;
	for (i = 0; i < d->n_other; i++)
		size += strlen(d->other[i]) + 1;
	size += d->redirect == NULL ? 0 : strlen(d->redirect);
	size += d->exp == NULL ? 0 : strlen(d->exp);
	s = (struct str){ arena_alloc(d->a, size), 0, size, false };
	str_cat(&s, "v=spf1");
	for (i = 0; front && i < n_add; i++)
		str_catf(&s, " %s", add[i]);
	for (i = 0; i < d->n; i++)
		if (!has_word(add, n_add, d->word[i]))
			str_catf(&s, " %s", d->word[i]);
	for (i = 0; !front && i < n_add; i++)
		str_catf(&s, " %s", add[i]);
	if (d->all != NULL)
		str_catf(&s, " %s", d->all);
	else if (d->redirect != NULL)
		str_catf(&s, " %s", d->redirect);
	if (d->exp != NULL)
		str_catf(&s, " %s", d->exp);
	for (i = 0; i < d->n_other; i++)
		str_catf(&s, " %s", d->other[i]);
	return s.data;
}

/* Quoted strings of 255 bytes at most, broken behind a blank where there is one. */
static const char *
zone_text(struct arena *a, const char *record)
{
	const size_t size = 2 * strlen(record) + 16 + 4 * (strlen(record) / (STRING_MAX / 2));
	struct str s = { arena_alloc(a, size), 0, size, false };
	size_t n, cut, i;

	for (; *record != '\0'; record += cut) {
		n = strlen(record);
		cut = n <= STRING_MAX ? n : STRING_MAX;
		for (i = cut; cut < n && i > STRING_MAX / 2; i--)
			if (record[i - 1] == ' ') {
				cut = i;
				break;
			}
		str_cat(&s, s.len > 0 ? " \"" : "\"");
		for (i = 0; i < cut; i++) {
			if (record[i] == '"' || record[i] == '\\')
				str_cat(&s, "\\");
			str_catn(&s, record + i, 1);
		}
		str_cat(&s, "\"");
	}
	return s.data;
}

/* ---- trying ---- */

static void
try_one(const struct draft *d, const char *record, const struct net_addr *client, struct spf_verdict *v)
{
	const struct spf_question q = { .client = *client, .helo = d->helo,
		.sender = arena_printf(d->a, "postmaster@%s", d->domain) };

	spf_check_instead(d->s, &q, record, d->deadline, d->a, v);
}

/* How many egress addresses do not pass; fills failing with their terms, and *why with what happened to the
 * first. */
static size_t
try_all(const struct draft *d, const char *record, const char **failing, const char **why)
{
	struct spf_verdict v;
	char text[NET_TEXT];
	size_t n = 0, i;

	for (i = 0; i < d->n_egress; i++) {
		try_one(d, record, &d->egress[i], &v);
		if (v.result == SPF_IS_PASS)
			continue;
		net_text(&d->egress[i], text);
		if (n == 0)
			*why = arena_printf(d->a, "%s: %s, %s", text, spf_result_text(v.result),
			    *v.why != '\0' ? v.why : v.decided);
		failing[n++] = arena_printf(d->a, "%s%s", d->egress[i].bits == 32 ? "ip4:" : "ip6:", text);
	}
	return n;
}

/* Whether the include alone lets every address pass: else it is the host's own record that must be mended. */
static bool
include_works(struct draft *d, const char *include)
{
	const char **left = arena_alloc(d->a, d->n_egress * sizeof(*left)), *why = "";

	if (try_all(d, arena_printf(d->a, "v=spf1 %s -all", include), left, &why) == 0)
		return true;
	note(d, arena_printf(d->a, "%s does not let all of our addresses pass (%s): mend that record first.",
	    include, why));
	return false;
}

/* The most ordinary candidate with which every address passes; else the first one, unproven. */
static const char *
choose(struct draft *d, const char *const *failing, size_t n_failing, struct spf_repair *to)
{
	const char *include = d->include == NULL || *d->include == '\0' ? NULL :
	    arena_printf(d->a, "include:%s", d->include);
	const bool usable = include != NULL && include_works(d, include);
	const char *first = NULL, *record, *why = "", **left = arena_alloc(d->a, d->n_egress * sizeof(*left));
	unsigned i;

	for (i = 0; i < 4; i++) {
		if (i % 2 == 0 && !usable)
			continue;
		record = i % 2 == 0 ? compose(d, &include, 1, i >= 2) :
		    compose(d, failing, n_failing, i >= 2);
		if (first == NULL)
			first = record;
		if (try_all(d, record, left, &why) > 0)
			continue;
		to->proven = true;
		if (i >= 2)
			note(d, "Our own term stands first, for behind the others it is not come to.");
		return record;
	}
	note(d, arena_printf(d->a, "This could not be proven to be enough (%s).", why));
	return first;
}

/* ---- remarks ---- */

/* What each term that asks the DNS costs of the ten. */
static void
note_costs(struct draft *d)
{
	static const struct net_addr nobody = { .bits = 32 };
	char space[1024] = "";
	struct str s = STR_IN(space);
	const char *word;
	struct spf_verdict v;
	struct spf_term t;
	size_t i;

	for (i = 0; i <= d->n; i++) {
		word = i < d->n ? d->word[i] : d->redirect;
		if (word == NULL || spf_record_term(word, strlen(word), &t, NULL) != 1 ||
		    !spf_record_counts(t.kind))
			continue;
		try_one(d, arena_printf(d->a, "v=spf1 %s", word), &nobody, &v);
		str_catf(&s, "%s%s %u%s", s.len > 0 ? ", " : "", word, v.terms,
		    v.terms > 10 ? " or more" : "");
	}
	note(d, arena_printf(d->a, "Of the ten look-ups that are allowed these take: %s. Take out what "
	    "is not used any more, or write networks as ip4 and ip6, which take none.", space));
}

/* What stays wrong for all other senders of the domain. */
static void
note_rest(struct draft *d, const char *record)
{
	static const struct net_addr nobody = { .bits = 32 };	/* 0.0.0.0: in nobody's record */
	struct spf_verdict v;
	struct spf_term t;
	size_t i;

	try_one(d, record, &nobody, &v);
	if (v.result == SPF_IS_PERMERROR)
		note(d, arena_printf(d->a, "For other senders of this domain it stays in error: %s.", v.why));
	if (v.terms > 10)
		note_costs(d);
	if (d->all != NULL && strictness(d->all) == 0)
		note(d, "\"all\" lets the whole world send in this name: end the record in ~all or -all.");
	if (d->all == NULL && d->redirect == NULL)
		note(d, "The record ends without \"all\", so it forbids nothing: end it in ~all or -all.");
	for (i = 0; i < d->n; i++)
		if (spf_record_term(d->word[i], strlen(d->word[i]), &t, NULL) == 1 && t.kind == SPF_PTR)
			note(d, "\"ptr\" should not be used (RFC 7208, 5.5).");
	if (strlen(record) > LONG_RECORD)
		note(d, "The record is long: answers over 512 bytes do not reach every recipient.");
}

/* Beside "all" a redirect is ignored. Of one record that was so before, of several it was not. */
static void
settle_redirect(struct draft *d, size_t records)
{
	if (records > 1)
		add_unique(d->word, &d->n,
		    arena_printf(d->a, "include:%s", d->redirect + strlen("redirect=")));
	note(d, arena_printf(d->a, "\"%s\" %s", d->redirect, records > 1 ?
	    "becomes an include, for beside \"all\" it would not be read." :
	    "stands beside \"all\": it is never read."));
	d->redirect = NULL;
}

/* Reads all records of the domain. False when the DNS did not say. */
static bool
load(struct draft *d, struct dns_records *r)
{
	size_t i, n = 0;

	spf_ask(d->s, d->domain, d->deadline, d->a, r);
	if (r->answer == DNS_FAILED || r->answer == DNS_LATE) {
		note(d, arena_printf(d->a, "The DNS did not say what %s publishes: %s.", d->domain,
		    *r->why != '\0' ? r->why : "no answer"));
		return false;
	}
	for (i = 0; i < r->n; i++) {
		const char *text = (const char *)r->at[i].data;

		if (spf_record_begins(text, r->at[i].size)) {
			take_record(d, text, r->at[i].size);
			n++;
		} else if (strncasecmp(text + strspn(text, " \t\"'"), "v=spf", 5) == 0) {
			note(d, arena_printf(d->a, "This is not read as an SPF record: \"%s\".",
			    spf_shown(d->a, text, r->at[i].size < 80 ? r->at[i].size : 80)));
		}
	}
	if (n > 1)
		note(d, arena_printf(d->a, "%zu SPF records become one: several are an error.", n));
	if (n == 0)
		d->all = "~all";
	if (n == 0)
		note(d, "A first record: add whatever else sends mail for this domain before ~all.");
	if (d->all != NULL && d->redirect != NULL)
		settle_redirect(d, n);
	d->changed = d->changed || n != 1;
	return true;
}

static void
suggest(struct draft *d, struct spf_repair *to)
{
	const char **failing = arena_alloc(d->a, (d->n_egress + 1) * sizeof(*failing)), *why = "", *record;
	struct dns_records r;
	size_t n;

	if (!load(d, &r))
		return;
	if (d->words > WORDS_MAX) {
		note(d, "The record has too many terms to be mended here.");
		return;
	}
	record = compose(d, NULL, 0, false);
	n = try_all(d, d->changed ? record : NULL, failing, &why);
	to->proven = n == 0;
	if (n > 0)
		record = choose(d, failing, n, to);
	if (n > 0 || d->changed) {
		to->record = record;
		to->zone = zone_text(d->a, record);
	}
	note_rest(d, record);
}

void
spf_suggest(struct spf *s, const char *domain, const char *helo, const struct net_addr *egress, size_t n,
    const char *include, uint64_t deadline, struct arena *a, struct spf_repair *to)
{
	struct draft *d = arena_zalloc(a, sizeof(*d));

	*to = (struct spf_repair){ .why = "" };
	*d = (struct draft){ .s = s, .a = a, .domain = spf_domain(a, domain), .helo = helo,
		.include = include, .egress = egress, .n_egress = n, .deadline = deadline,
		.notes = { arena_zalloc(a, NOTES_SIZE), 0, NOTES_SIZE, false } };
	if (d->domain == NULL)
		note(d, "This is no domain name.");
	else
		suggest(d, to);
	to->why = d->notes.data;
}
