/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * fuzz_spf - TXT records through the whole front and libspf2. The first byte of the input picks the client
 * and the sender; each line behind it is a TXT record: of acme.example the first, of b.example, c.example...
 * those that follow; a line that begins with '+' belongs to the same name as the one before. Verdicts are
 * well formed and within the limits, and a record that is proposed as proven is right by the grammar and
 * passes.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/spf_private.h"
#include "lib/spf_record.h"
#include "t/unit/dns_zone.h"

#define RECORDS_MAX 16

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char zone[] =
    "_spf.host.example TXT \"v=spf1 ip4:198.51.100.0/24 ip6:2001:db8::/64 ~all\"\n"
    "acme.example A 203.0.113.1\nacme.example AAAA 2001:db8:1::1\nacme.example MX 10 mail.acme.example\n"
    "acme.example MX 20 .\nmail.acme.example A 198.51.100.7\nb.example MX 0 nowhere.example\n"
    "7.100.51.198.in-addr.arpa PTR mail.acme.example\n7.100.51.198.in-addr.arpa PTR other.example\n"
    "slow.example TIMEOUT\nbroken.example SERVFAIL\nloop.example CNAME loop.example\n";
static const char *const clients[] = { "198.51.100.7", "2001:db8::7", "127.0.0.1", "192.0.2.99" };
static const char *const senders[] = { "bob@acme.example", "", "a-b+c.d@acme.example",
	"b\xc3\xbc\xff@acme.example", "\"x y%{d}\\\"@acme.example", "@acme.example", "acme.example",
	"x@c.example" };
static struct dns *dns;
static struct spf *spf;

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static void
readable(const char *text)
{
	must(text != NULL);
	for (; *text != '\0'; text++)
		must((unsigned char)*text >= 0x20 && *text != 0x7f);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	dns = dns_open(&(struct dns_options){ 0 }, NULL);
	spf = spf_open(dns, NULL);
	must(spf != NULL);
	return 0;
}

static void
publish(const uint8_t *data, size_t n)
{
	char name[] = "acme.example", next[] = "b.example";
	const uint8_t *end;
	size_t size;
	int i;

	dns_zone_set(zone);
	for (i = 0; i < RECORDS_MAX && n > 0; i++) {
		end = memchr(data, '\n', n);
		size = end == NULL ? n : (size_t)(end - data);
		if (i > 0 && size > 0 && *data == '+')
			dns_zone_record(i == 1 ? name : next, 300, DNS_TXT, 0, data + 1, size - 1);
		else
			dns_zone_record(i == 0 ? name : next, 300, DNS_TXT, 0, data, size);
		*next = (char)('b' + i);
		size += end != NULL;
		data += size;
		n -= size;
	}
}

static void
judge(const struct spf_question *q, struct arena *a)
{
	struct spf_verdict v;

	spf_check(spf, q, clock_deadline(60000), a, &v);
	must(strcmp(spf_result_text(v.result), "?") != 0);
	readable(v.domain);
	readable(v.decided);
	readable(v.why);
	if (v.record != NULL)
		readable(v.record);
	must(*v.decided != '\0' && strcmp(v.decided, "libspf2") != 0);
	must((*v.why != '\0') == (v.result == SPF_IS_PERMERROR || v.result == SPF_IS_TEMPERROR));
	must(v.terms <= 11 && v.voids <= 3 && v.lookups <= 129 && v.ttl <= 3600);
}

static void
mend(const struct spf_question *q, const char *include, struct arena *a)
{
	struct spf_repair r;
	struct spf_verdict v;
	struct spf_reader reader;
	struct spf_term t;
	struct err e;
	int rc;

	spf_suggest(spf, "acme.example", q->helo, &q->client, 1, include, clock_deadline(60000), a, &r);
	readable(r.why);
	if (r.record == NULL)
		return;
	readable(r.record);
	readable(r.zone);
	must(spf_record_begins(r.record, strlen(r.record)));
	spf_record_start(&reader, r.record, strlen(r.record));
	while ((rc = spf_record_next(&reader, &t, &e)) == 1)
		;
	must(rc == 0);
	spf_check_instead(spf,
	    &(struct spf_question){
		.client = q->client, .sender = "postmaster@acme.example", .helo = q->helo },
	    r.record, clock_deadline(60000), a, &v);
	must(!r.proven || v.result == SPF_IS_PASS);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena *a = arena_new(ARENA_DEFAULT_CAP);
	struct spf_question q = { .helo = "out1.host.example" };

	if (n == 0) {
		arena_free(&a);
		return 0;
	}
	publish(data + 1, n - 1);
	must(net_parse(clients[*data & 3], &q.client) == 1);
	q.sender = senders[*data >> 2 & 7];
	if ((*data & 64) != 0)
		q.helo = "%{h}.b..example";
	judge(&q, a);
	if ((*data & 128) == 0)
		mend(&q, (*data & 32) == 0 ? "_spf.host.example" : NULL, a);
	arena_free(&a);
	return 0;
}
