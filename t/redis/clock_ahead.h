/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef T_REDIS_CLOCK_AHEAD_H
#define T_REDIS_CLOCK_AHEAD_H
/*
 * clock_ahead - lib/clock.h with a clock that is wrong by so much; link it before the library.
 */
#include <stdint.h>

#include "lib/clock.h"

/* ms that clock_now() is ahead. Set while no thread reads it. */
extern int64_t clock_ahead;

#endif
