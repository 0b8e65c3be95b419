/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef T_REDIS_HAMMER_OPEN_H
#define T_REDIS_HAMMER_OPEN_H
/*
 * hammer_open - opens a store over the servers that a test names in a few words.
 */
#include "lib/store.h"

struct hammer_open {
	const char *kind;	/* single, sentinel, cluster; memory */
	char *servers;		/* with commas between them; is cut up */
	const char *master;
	unsigned sessions;	/* threads that will use it */
	bool own_clock;
};

/* A store for relay "out1", "out2"...; its file is in a new directory below TMPDIR, or in that of
 * HAMMER_DIR which it had the last time. NULL with e. */
struct store *hammer_open(const struct hammer_open *how, unsigned relay, struct err *e);

#endif
