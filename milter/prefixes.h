/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef MILTER_PREFIXES_H
#define MILTER_PREFIXES_H
/*
 * prefixes - a short list of addresses and networks from the configuration, read once.
 */
#include <stdbool.h>

#include "lib/conf.h"
#include "lib/net.h"

struct prefixes;

/* From texts that conf.c has checked. Never NULL; freed by prefixes_free (NULL allowed). */
struct prefixes *prefixes_new(const struct conf_strings *texts);
void prefixes_free(struct prefixes *p);
/* True when the address lies in one of them. Thread safe. */
bool prefixes_have(const struct prefixes *p, const struct net_addr *a);

#endif
