/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef MILTER_CTL_PREFLIGHT_H
#define MILTER_CTL_PREFLIGHT_H
/*
 * ctl_preflight - `gatepostctl preflight`: what recipients would make of a domain's mail, and the records
 * that would mend it. Asks the DNS itself; no daemon is needed.
 */
#include <stdbool.h>
#include <stddef.h>

#include "lib/arena.h"
#include "lib/conf.h"

struct ctl_preflight {
	const struct conf *conf;	/* NULL: there is none to be read */
	const char *what;		/* DOMAIN, ADDRESS, "" or "<>"; NULL with all */
	const char *from, *helo, *dns;	/* NULL = not given */
	const char *const *ips;
	size_t n_ips;
	bool all, json;
};

enum { CTL_PREFLIGHT_GOOD = 0, CTL_PREFLIGHT_BAD = 1, CTL_PREFLIGHT_USAGE = 2, CTL_PREFLIGHT_UNSURE = 5 };
/* Prints the answer; returns the exit code. */
int ctl_preflight(struct arena *a, const struct ctl_preflight *q);

#endif
