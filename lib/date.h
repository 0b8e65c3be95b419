/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_DATE_H
#define LIB_DATE_H
/*
 * date - days as people write them in tables: "2026-01-31", in UTC.
 */
#include <stddef.h>
#include <stdint.h>

#define DATE_DAY_MS 86400000u

/* The first millisecond of that day. text need not end after its n bytes. Returns 1, or 0 when it is no date
 * of 1970 to 9999 (the 31st of February is none). Thread safe. */
int date_parse(const char *text, size_t n, uint64_t *ms);

#endif
