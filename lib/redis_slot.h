/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_REDIS_SLOT_H
#define LIB_REDIS_SLOT_H
/*
 * redis_slot - which of the 16,384 slots of a Redis Cluster a key lives on, and what a
 * node says when it is asked for one that it does not have.
 *
 * Pure functions; any thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REDIS_SLOTS 16384u
#define REDIS_HOST_MAX 254u	/* a name or an address, with the NUL */

/* CRC16 (XMODEM) of the hash tag: what stands between the first '{' and the next '}', when that is not
 * empty; else of the whole key. */
unsigned redis_slot(const char *key, size_t n);

enum redis_redirect { REDIS_REDIRECT_NONE, REDIS_REDIRECT_MOVED, REDIS_REDIRECT_ASK };

/* Reads "MOVED 3999 192.0.2.7:6381" (or ASK; [v6]:port and v6:port too). A node that does not know its own
 * address leaves it out (":6381"): host is then empty, and means the host that was asked. What is not
 * exactly of this form is REDIS_REDIRECT_NONE. */
enum redis_redirect redis_redirect(const char *text, size_t n, unsigned *slot, char host[REDIS_HOST_MAX],
    unsigned *port);

#endif
