/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_STORE_MEMORY_H
#define LIB_STORE_MEMORY_H
/*
 * store_memory - the embedded store, put together from its three parts. Seen only by its own files.
 */
#include "lib/store_full.h"
#include "lib/store_lasting.h"
#include "lib/store_private.h"
#include "lib/store_windows.h"

struct store_memory {
	struct store store;
	struct windows *windows;
	struct store_lasting *lasting;
	struct store_full *full;
};

/* store_judge() of this driver: store_memory_judge.c. */
int store_memory_judge(struct store *s, struct store_request *r, uint64_t deadline, struct err *e);

#endif
