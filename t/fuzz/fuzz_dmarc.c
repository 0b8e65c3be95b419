/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * A DMARC record, as anybody can publish it, through the front and libopendmarc; the same bytes as a
 * DKIM-Signature field and as a key record, whose tag lists are alike.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/dkim.h"
#include "lib/dmarc_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
must(bool holds)
{
	if (!holds)
		abort();
}

/* What is proposed as mended must be a record itself, and say the same. */
static void
check_mended(struct arena *a, const struct dmarc_record *r)
{
	struct dmarc_record again;
	const uint8_t *mended = (const uint8_t *)r->mended;
	size_t n = strlen(r->mended);

	must(dmarc_record_is(mended, n));
	dmarc_record_read(a, mended, n, &again);
	must(again.valid || n > 4096);
	if (again.valid)
		must(again.p == r->p && again.sp == r->sp && again.np == r->np && again.pct == r->pct &&
		    again.strict_dkim == r->strict_dkim && again.strict_spf == r->strict_spf);
}

static void
check_record(struct arena *a, const uint8_t *data, size_t n)
{
	struct dmarc_record r;

	dmarc_record_read(a, data, n, &r);
	must(r.pct <= 100 && (r.psd == 'y' || r.psd == 'n' || r.psd == 'u'));
	must(r.p >= DMARC_NONE && r.p <= DMARC_REJECT && r.sp >= DMARC_NONE && r.sp <= DMARC_REJECT &&
	    r.np >= DMARC_NONE && r.np <= DMARC_REJECT);
	must(r.valid || *r.why != '\0');
	check_mended(a, &r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena *a = arena_new(ARENA_DEFAULT_CAP);
	char *text = arena_strndup(a, (const char *)data, n);
	uint8_t *copy = arena_alloc(a, n + 1);
	struct dkim_signer signer, *list;

	/* As lib/dns.h hands it over: any byte may be in it, and a NUL stands behind it. */
	if (n > 0)
		memcpy(copy, data, n);
	copy[n] = '\0';
	if (dmarc_record_is(data, n))
		check_record(a, copy, n);
	if (dkim_field_parse(a, text, &signer))
		must(*signer.domain != '\0' && strlen(signer.domain) <= 253);
	must(dkim_signers_parse(a, text, NULL, 0, &list) <= 16);
	arena_free(&a);
	return 0;
}
