/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * fuzz_dns - packets as libunbound hands them over, whose records a stranger wrote, and names that a
 * stranger's record made. The first byte picks the type, the rest is the answer to acme.example; the same
 * bytes are then tried as a name. Whatever comes out stays within its bounds, is terminated, sorted, and of
 * the right size.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/arena.h"
#include "lib/dns_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static void
must_be_name(const struct dns_record *r)
{
	size_t i;

	must(r->size <= DNS_NAME_MAX && strlen((const char *)r->data) == r->size);
	for (i = 0; i < r->size; i++)
		must(r->data[i] > ' ' && r->data[i] < 0x7f && !(r->data[i] >= 'A' && r->data[i] <= 'Z'));
}

static void
must_be_right(const struct dns_records *r, enum dns_type type)
{
	size_t i;

	must(r->n <= DNS_RECORDS_MAX && (r->n > 0) == (r->answer == DNS_FOUND));
	must((r->why[0] != '\0') == (r->answer == DNS_FAILED));
	must(r->answer == DNS_FAILED ? r->ttl == 15 : r->ttl >= 30 && r->ttl <= (r->n > 0 ? 3600u : 300u));
	for (i = 0; i < r->n; i++) {
		must(r->at[i].data[r->at[i].size] == '\0');
		must(i == 0 || r->at[i - 1].preference <= r->at[i].preference);
		must(type != DNS_A || r->at[i].size == 4);
		must(type != DNS_AAAA || r->at[i].size == 16);
		if (type == DNS_MX || type == DNS_PTR)
			must_be_name(&r->at[i]);
	}
}

static void
try_name(const uint8_t *data, size_t n)
{
	char plain[DNS_NAME_MAX + 1], again[DNS_NAME_MAX + 1], escaped[DNS_NAME_ESCAPED];
	char *name = malloc(n + 1);

	must(name != NULL);
	memcpy(name, data, n);
	name[n] = '\0';
	if (dns_name_plain(name, plain)) {
		must(plain[0] != '\0' && strlen(plain) <= DNS_NAME_MAX);
		must(dns_name_plain(plain, again) && strcmp(plain, again) == 0);
		dns_name_escape(plain, escaped);
		must(strlen(escaped) >= strlen(plain));
	}
	free(name);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const enum dns_type types[] = { DNS_A, DNS_PTR, DNS_MX, DNS_TXT, DNS_AAAA };
	enum dns_type type;
	struct dns_records r;
	struct dns_said *s;
	struct arena *a;

	if (n == 0)
		return 0;
	type = types[data[0] % 5];
	s = dns_said_read(data + 1, n - 1, "acme.example", type, false);
	dns_said_clamp(s, DNS_TTL_LEAST, DNS_TTL_MOST);
	a = arena_new(ARENA_DEFAULT_CAP);
	dns_said_give(s, a, &r);
	dns_said_unref(&s);
	must_be_right(&r, type);
	arena_free(&a);
	try_name(data + 1, n - 1);
	return 0;
}
