/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_DMARC_RECORD_H
#define LIB_DMARC_RECORD_H
/*
 * dmarc_record - what one DMARC record says.
 *
 *     if (!dmarc_record_is(data, size))  -> some other TXT record: it does not count
 *     dmarc_record_read(arena, data, size, &record)
 *
 * A strict front reads the tags first (RFC 7489 section 6.3, RFC 9989), and hands libopendmarc a record of
 * its own making: known tags with whole, valid values, each once. What libopendmarc does not know (np, psd,
 * t) is read here. Thread safe.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/arena.h"
#include "lib/dmarc.h"

struct dmarc_record {
	enum dmarc_policy p, sp, np;	/* as they apply: sp where np is missing, p where sp is */
	bool has_np;
	bool strict_dkim, strict_spf;
	unsigned pct;			/* 0 to 100 */
	bool testing;			/* t=y */
	char psd;			/* 'y', 'n' or 'u' */
	bool valid;			/* false: receivers apply no policy; why says it */
	const char *why;		/* what is wrong, for people; "" */
	const char *mended;		/* the record with what is wrong left out or set right */
};

/* True for a TXT record that begins with v=DMARC1, and so is meant to be one. */
bool dmarc_record_is(const uint8_t *data, size_t size);
void dmarc_record_read(struct arena *a, const uint8_t *data, size_t size, struct dmarc_record *to);

#endif
