/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * What an SPF evaluation costs when all records are in memory: one record, chains of includes, long records,
 * two egress addresses. The zone here is found by hash, as the cache of lib/dns.c is; processor time.
 *
 *     bench_spf
 */
#include "lib/spf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/str.h"

#include "lib/banned.h"

#define RUN_US 500000u		/* how long each case runs at least */
#define ZONE_SIZE 4096u

struct dns {
	int nothing;
};
static struct record {
	char name[64];
	enum dns_type type;
	struct dns_record data;
} zone[ZONE_SIZE];

static struct record *
zone_find(const char *name, enum dns_type type)
{
	uint32_t h = (uint32_t)type;
	const char *c;

	for (c = name; *c != '\0'; c++)
		h = h * 31 + (unsigned char)*c;
	for (h %= ZONE_SIZE; zone[h].name[0] != '\0'; h = (h + 1) % ZONE_SIZE)
		if (zone[h].type == type && strcmp(zone[h].name, name) == 0)
			break;
	return &zone[h];
}

static void
zone_put(const char *name, enum dns_type type, const void *data, size_t n)
{
	struct record *r = zone_find(name, type);
	uint8_t *copy = calloc(1, n + 1);

	if (copy == NULL)
		abort();
	memcpy(copy, data, n);
	(void)snprintf(r->name, sizeof(r->name), "%s", name);
	r->type = type;
	r->data = (struct dns_record){ .data = copy, .size = n };
}

static void
zone_txt(const char *name, const char *text)
{
	zone_put(name, DNS_TXT, text, strlen(text));
}

/* lib/dns.h's, over the table. */
struct dns *
dns_open(const struct dns_options *o, struct err *e)
{
	(void)o;
	(void)e;
	return calloc(1, sizeof(struct dns));
}

void
dns_close(struct dns **d)
{
	free(*d);
	*d = NULL;
}

void
dns_ask(struct dns *d, const char *name, enum dns_type type, uint64_t deadline, struct arena *a,
    struct dns_records *out)
{
	const struct record *r = zone_find(name, type);

	(void)d;
	(void)deadline;
	*out = (struct dns_records){ .answer = DNS_NO_NAME, .ttl = 300 };
	if (r->name[0] == '\0')
		return;
	out->answer = DNS_FOUND;
	out->n = 1;
	out->at = arena_alloc(a, sizeof(*out->at));
	*out->at = r->data;
}

static uint64_t
spent_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void
run(struct spf *s, const char *what, const char *sender, const char *const *client, size_t n)
{
	struct spf_question q = { .sender = sender, .helo = "out1.host.example" };
	const uint64_t from = spent_us(), deadline = clock_deadline(3600000);
	struct spf_verdict v = { 0 };
	struct net_addr addr[2];
	size_t rounds = 0, used = 0, i;
	struct arena *a;
	uint64_t took;

	for (i = 0; i < n; i++)
		if (net_parse(client[i], &addr[i]) != 1)
			abort();
	do {
		a = arena_new(ARENA_DEFAULT_CAP);
		for (i = 0; i < n; i++) {
			q.client = addr[i];
			spf_check(s, &q, deadline, a, &v);
		}
		used = arena_used(a);
		arena_free(&a);
		rounds++;
	} while ((took = spent_us() - from) < RUN_US);
	(void)printf("%-44s %8.2f us a message  (%s, %zu bytes of arena)\n", what,
	    (double)took / (double)rounds, spf_result_text(v.result), used);
}

static void
fill(void)
{
	static const uint8_t other[4] = { 203, 0, 113, 1 };
	char name[64], text[8192];
	struct str s;
	int i;

	zone_txt("single.example", "v=spf1 ip4:192.0.2.0/28 ip4:198.51.100.7 -all");
	zone_txt("ordinary.example", "v=spf1 a mx include:_spf.host.example ~all");
	zone_put("ordinary.example", DNS_A, other, 4);
	zone_put("ordinary.example", DNS_AAAA, "0123456789abcdef", 16);
	zone_put("ordinary.example", DNS_MX, "mx.ordinary.example", 19);
	zone_put("mx.ordinary.example", DNS_A, other, 4);
	zone_put("mx.ordinary.example", DNS_AAAA, "0123456789abcdef", 16);
	zone_txt("_spf.host.example", "v=spf1 ip4:192.0.2.0/24 ip4:198.51.100.0/24 ip6:2001:db8::/32 ~all");
	for (i = 10; i > 0; i--) {
		(void)snprintf(name, sizeof(name), "chain%d.example", i);
		(void)snprintf(text, sizeof(text), i == 1 ? "v=spf1 include:_spf.host.example -all" :
		    "v=spf1 include:chain%d.example ip4:203.0.113.%d -all", i - 1, i);
		zone_txt(name, text);
	}
	s = (struct str)STR_IN(text);
	str_cat(&s, "v=spf1");
	for (i = 0; i < 10; i++) {
		(void)snprintf(name, sizeof(name), "flat%d.example", i);
		zone_txt(name, "v=spf1 ip4:203.0.113.0/26 ip4:203.0.113.128/26 ?all");
		str_catf(&s, " include:%s", name);
	}
	str_cat(&s, " -all");
	zone_txt("flat.example", text);
	s = (struct str)STR_IN(text);
	str_cat(&s, "v=spf1");
	for (i = 0; i < 150; i++)
		str_catf(&s, " ip4:203.0.113.%d", i);
	str_cat(&s, " -all");
	zone_txt("long.example", text);
	zone_txt("macro.example", "v=spf1 exists:%{ir}.%{v}.%{l1r-}._spf.%{d2} -all");
}

int
main(void)
{
	static const char *const one[] = { "198.51.100.7" }, *const two[] = { "198.51.100.7", "2001:db8::7" };
	struct dns *d = dns_open(NULL, NULL);
	struct spf *s = spf_open(d, NULL);

	fill();
	run(s, "no record", "bob@none.example", one, 1);
	run(s, "one record", "bob@single.example", one, 1);
	run(s, "a mx include", "bob@ordinary.example", one, 1);
	run(s, "chain of 1 include", "bob@chain1.example", one, 1);
	run(s, "chain of 5 includes", "bob@chain5.example", one, 1);
	run(s, "chain of 10 includes", "bob@chain10.example", one, 1);
	run(s, "10 includes that do not match", "bob@flat.example", one, 1);
	run(s, "150 ip4", "bob@long.example", one, 1);
	run(s, "macros", "bob-x@macro.example", one, 1);
	run(s, "two egress addresses, one record", "bob@single.example", two, 2);
	run(s, "two egress addresses, a mx include", "bob@ordinary.example", two, 2);
	run(s, "two egress addresses, chain of 5", "bob@chain5.example", two, 2);
	run(s, "two egress addresses, chain of 10", "bob@chain10.example", two, 2);
	spf_close(&s);
	dns_close(&d);
	return 0;
}
