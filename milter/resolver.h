/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef MILTER_RESOLVER_H
#define MILTER_RESOLVER_H
/*
 * resolver - the DNS, SPF and DMARC objects of a configuration.
 *
 *     struct resolver *r = resolver_get(conf, &err);
 *     ... r->dns, r->spf, r->dmarc ...
 *     resolver_unref(&r);
 *
 * Configurations with the same DNS settings share one, so that a reload keeps the cache; with others a new
 * one is opened beside the old, which ends with the last session that uses it. Thread safe.
 */
#include "lib/conf.h"
#include "lib/dmarc.h"
#include "lib/dns.h"
#include "lib/err.h"
#include "lib/spf.h"

struct resolver {
	struct dns *dns;
	struct spf *spf;
	struct dmarc *dmarc;
	unsigned refs;		/* guarded by resolver.c's lock */
	char *settings;		/* what it was opened with */
	struct resolver *next;
};

/* NULL with e when it cannot be had. */
struct resolver *resolver_get(const struct conf *c, struct err *e);
void resolver_unref(struct resolver **r);

#endif
