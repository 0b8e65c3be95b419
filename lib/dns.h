/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_DNS_H
#define LIB_DNS_H
/*
 * dns - what the DNS says, within a deadline.
 *
 *     struct dns *d = dns_open(&options, &err);
 *     dns_ask(d, "acme.example", DNS_TXT, deadline, arena, &records);
 *     switch (records.answer) { case DNS_FOUND: records.at[0].data ... }
 *     dns_close(&d);
 *
 * One cache of records stands before libunbound, so that a warm question costs a look-up and no call
 * of the resolver. Many askers of one name wait for one question. A resolver that is silent costs no asker
 * more than its deadline; the question goes on without it, and its answer is kept for the next.
 * Thread safe. Tests link a zone in its place (t/unit/dns_zone.c).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/arena.h"
#include "lib/err.h"

enum dns_type { DNS_A = 1, DNS_PTR = 12, DNS_MX = 15, DNS_TXT = 16, DNS_AAAA = 28 };
enum dns_answer {
	DNS_FOUND,
	DNS_NO_DATA,		/* the name is there, no record of this type */
	DNS_NO_NAME,		/* NXDOMAIN */
	DNS_FAILED,		/* SERVFAIL, bogus, refused, a loop of aliases */
	DNS_LATE		/* the deadline came first, or too many questions are under way */
};
#define DNS_NAME_MAX 253	/* characters of the longest name, without a dot at the end */
#define DNS_RECORDS_MAX 256	/* more records of one name are DNS_FAILED */

struct dns_record {
	const uint8_t *data;	/* A: 4 bytes. AAAA: 16. TXT: its strings joined, NUL-terminated besides, may
				 * hold any byte. MX, PTR: the name as text, lower case, NUL-terminated (""
				 * for the root); names that no host can have are left out */
	size_t size;		/* bytes of data, without that NUL */
	uint16_t preference;	/* MX only; records come sorted by it, then by their bytes */
};
struct dns_records {
	enum dns_answer answer;
	size_t n;
	struct dns_record *at;	/* in the arena */
	uint32_t ttl;		/* seconds that this may be kept, clamped; also for no data, no name, failed;
				 * 0 for late: the answer may be here the next moment */
	bool stale;		/* outlived its ttl: the resolver fails, and this is what it said last */
	bool cached;		/* no question was sent for it */
	bool secure;		/* DNSSEC proved it */
	char why[96];		/* of FAILED and LATE, for people: "SERVFAIL or no answer", ... ; else "" */
};

struct dns_options {
	const char *const *forwarders;	/* "192.0.2.53", "192.0.2.53@5300", "2001:db8::53@5300"; n 0 = of
					 * resolv.conf */
	size_t n_forwarders;
	const char *resolv_conf;	/* NULL = /etc/resolv.conf */
	const char *trust_anchor;	/* file of a DNSSEC trust anchor; NULL or "" = no validation */
	size_t cache_bytes;		/* most memory of the record cache; 0 = 32 MiB */
	uint32_t ttl_least, ttl_most;	/* seconds; 0 = 30 and 3600 */
	uint32_t stale;			/* seconds that an outlived answer may serve; 0 = 86400 */
	unsigned waiting;		/* most questions under way at once; 0 = 512 */
};
struct dns;

/* NULL with e when an option cannot be. Starts one thread. */
struct dns *dns_open(const struct dns_options *o, struct err *e);
/* Ends it. No other thread may be asking. *d may be NULL. */
void dns_close(struct dns **d);
/* Never fails otherwise than in out->answer. name is ASCII (A-labels), case does not matter, one dot at the
 * end is allowed; what is no name (an empty label, more than 63 or 253 characters) is DNS_NO_NAME without a
 * question. deadline is on clock_mono_us. */
void dns_ask(struct dns *d, const char *name, enum dns_type type, uint64_t deadline, struct arena *a,
    struct dns_records *out);
/* Sends the question, if the answer is not known, and waits for nothing: for what will be asked soon. The
 * arena is scratch. */
void dns_want(struct dns *d, const char *name, enum dns_type type, struct arena *a);
/* For metrics and people: questions asked, answered from the cache, sent, failed, late; entries, bytes. */
struct dns_counts { uint64_t asked, hits, sent, failed, late, stale; size_t entries, bytes, under_way; };
void dns_count(struct dns *d, struct dns_counts *to);

#endif
