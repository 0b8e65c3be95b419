/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_PATTERN_H
#define LIB_PATTERN_H
/*
 * pattern - regular expressions (PCRE2) that cannot run long.
 *
 *     struct pattern *p = pattern_new("^Smart_Send_\\d+", &e);	NULL: e says what is wrong with it
 *     struct pattern_work *w = pattern_work_new();			one for each message
 *     switch (pattern_match(p, w, text, strlen(text), &part)) ...
 *     pattern_work_free(&w);
 *     pattern_free(&p);
 *
 * Bytes are matched, not characters: what came over SMTP need not be valid UTF-8.
 * Each match has a limit on steps, depth and heap. A pattern never changes and may be used from any
 * thread; the work memory belongs to one thread at a time.
 */
#include <stddef.h>

#include "lib/err.h"

#define PATTERN_LENGTH_MAX 1024u

struct pattern;
struct pattern_work;

/* What the first pair of parentheses matched; length 0 when it matched nothing. */
struct pattern_part { size_t start, length; };

struct pattern *pattern_new(const char *text, struct err *e);
void pattern_free(struct pattern **p);
/* How many pairs of parentheses capture. */
unsigned pattern_parts(const struct pattern *p);

struct pattern_work *pattern_work_new(void);
void pattern_work_free(struct pattern_work **w);

/* 1 it matches (*part filled unless NULL), 0 it does not, -1 it was given up at a limit. */
int pattern_match(const struct pattern *p, struct pattern_work *w, const char *text, size_t n,
    struct pattern_part *part);

#endif
