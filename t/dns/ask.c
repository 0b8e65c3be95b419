/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * ask - what lib/dns.h says, a line a question. For t/e2e/dns.t, and for looking by hand.
 *
 *     ask ADDRESS@PORT [MS [ANCHOR]]	reads lines "NAME TYPE" (TYPE: A AAAA MX TXT PTR)
 *
 * Prints "NAME TYPE found TTL DATA | DATA", "NAME TYPE no-data TTL", no-name, failed WHY, late. Bytes of TXT
 * that are no printable ASCII come as \DDD.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/dns.h"

#include "lib/banned.h"

static const struct {
	const char *text;
	enum dns_type type;
} types[] = {
	{ "A", DNS_A }, { "AAAA", DNS_AAAA }, { "MX", DNS_MX }, { "TXT", DNS_TXT }, { "PTR", DNS_PTR }
};

static const char *const answers[] = { "found", "no-data", "no-name", "failed", "late" };

static void
print_text(const struct dns_record *r)
{
	size_t i;

	(void)putchar('"');
	for (i = 0; i < r->size; i++)
		if (r->data[i] < ' ' || r->data[i] > '~')
			(void)printf("\\%03u", r->data[i]);
		else
			(void)putchar(r->data[i]);
	(void)putchar('"');
}

static void
print_record(enum dns_type type, const struct dns_record *r)
{
	char address[INET6_ADDRSTRLEN];

	switch (type) {
	case DNS_A:
	case DNS_AAAA:
		(void)printf("%s", inet_ntop(type == DNS_A ? AF_INET : AF_INET6, r->data, address,
		    sizeof(address)));
		break;
	case DNS_TXT:
		print_text(r);
		break;
	case DNS_MX:
		(void)printf("%u ", r->preference);
		/* fall through */
	case DNS_PTR:
		(void)printf("%s", r->size == 0 ? "." : (const char *)r->data);
		break;
	}
}

static void
ask(struct dns *d, const char *name, const char *type_text, enum dns_type type, uint64_t ms)
{
	struct arena *a = arena_new(ARENA_DEFAULT_CAP);
	struct dns_records r;
	size_t i;

	dns_ask(d, name, type, clock_deadline(ms), a, &r);
	(void)printf("%s %s %s", name, type_text, answers[r.answer]);
	if (r.answer != DNS_LATE)
		(void)printf(" %u", r.ttl);
	if (r.why[0] != '\0')
		(void)printf(" %s", r.why);
	for (i = 0; i < r.n; i++) {
		(void)printf(i == 0 ? " " : " | ");
		print_record(type, &r.at[i]);
	}
	(void)printf("%s%s\n", r.stale ? " (stale)" : "", r.secure ? " (secure)" : "");
	arena_free(&a);
}

int
main(int argc, char **argv)
{
	const char *forwarder = argc > 1 ? argv[1] : "";
	struct dns_options o = { .forwarders = &forwarder, .n_forwarders = 1,
	    .trust_anchor = argc > 3 ? argv[3] : NULL };
	uint64_t ms = argc > 2 ? strtoul(argv[2], NULL, 10) : 5000;
	char line[1100], name[1000], type[8];
	struct err e;
	struct dns *d = dns_open(&o, &e);

	if (d == NULL) {
		(void)fprintf(stderr, "ask: %s\n", e.text);
		return 2;
	}
	while (fgets(line, sizeof(line), stdin) != NULL) {
		size_t i;

		if (sscanf(line, "%999s %7s", name, type) != 2)
			continue;
		for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
			if (strcmp(types[i].text, type) == 0)
				ask(d, name, type, types[i].type, ms);
	}
	dns_close(&d);
	return 0;
}
