/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef T_UNIT_DNS_ZONE_H
#define T_UNIT_DNS_ZONE_H
/*
 * dns_zone - stands in for lib/dns.c in tests: a zone that the test writes down. Link it as a source of the
 * test program; dns_open, dns_ask, dns_count and dns_close are then these.
 *
 *     dns_zone_set(
 *         "acme.example         TXT  \"v=spf1 ip4:192.0.2.7 \" \"-all\"\n"
 *         "acme.example    60   MX   10 mail.acme.example\n"
 *         "www.acme.example     CNAME acme.example\n"
 *         "slow.example         TIMEOUT\n"
 *         "broken.example  TXT  SERVFAIL\n");
 *     struct dns *d = dns_open(&(struct dns_options){ 0 }, NULL);
 *
 * One zone a process, for every struct dns. A line is: name, TTL in seconds (300 when left out), type, data;
 * ";" begins a comment. Types: A AAAA MX TXT PTR CNAME. TXT is one or more quoted strings, which are joined;
 * \" \\ and \DDD (decimal) stand in them for any byte. In the place of a type, or of the data behind one:
 *   TIMEOUT    DNS_LATE                    SERVFAIL   DNS_FAILED
 *   NODATA     the name alone is there     NXDOMAIN   it is not, even with records
 * Behind no type they mean every type of which the name has no record (NXDOMAIN: all). A name that has no
 * line is there (DNS_NO_DATA) when another below it is, else DNS_NO_NAME. Aliases are followed, 8 at most:
 * beyond that DNS_FAILED. ttl comes back as the real one gives it: clamped to 30 and 3600, 300 for no data
 * and no name, 15 for failed, 0 for late. A mistake in the text ends the test program with the line. Callable
 * from any thread.
 */
#include <stddef.h>
#include <stdint.h>

#include "lib/dns.h"

/* Forgets the zone, the counts and the hook; text may be NULL or "". */
void dns_zone_set(const char *text);
/* Adds lines to it. */
void dns_zone_add(const char *text);
/* Adds one record whose name and data may hold blanks and any bytes: A 4, AAAA 16, TXT as it is; MX and PTR
 * the name as text. */
void dns_zone_record(const char *name, uint32_t ttl, enum dns_type type, uint16_t preference,
    const void *data, size_t size);
/* Questions asked so far, malformed names not counted; of this name and type alone when name is not NULL. */
unsigned dns_zone_asked(const char *name, enum dns_type type);
/* Called before each question, without a lock held: to count, to let the (fake) clock run. A deadline that
 * has passed when it returns makes the answer DNS_LATE. NULL = none. */
void dns_zone_hook(void (*before)(void *cookie, const char *name, enum dns_type type), void *cookie);

#endif
