/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef MILTER_NOTIFY_H
#define MILTER_NOTIFY_H
/*
 * notify - tells the service manager how we are (sd_notify(3)'s protocol, which needs no library).
 */
#include <stdint.h>

/* Sends "READY=1", "RELOADING=1", "STOPPING=1", "WATCHDOG=1", "STATUS=..."; nothing happens without a
 * manager. */
void notify_send(const char *state);
/* Milliseconds between two WATCHDOG=1, half of what the manager allows; 0 = it does not watch. */
uint64_t notify_watchdog(void);

#endif
