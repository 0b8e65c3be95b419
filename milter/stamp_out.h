/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef MILTER_STAMP_OUT_H
#define MILTER_STAMP_OUT_H
/*
 * stamp_out - the headers that a message leaves with: customer, submitter, sealed stamp, extras, trace.also.
 *
 * Each follows from the sealed stamp and the configuration alone (but for the return-path's domain in
 * trace.also), so that the headers of a message that comes back can be told from forged ones.
 * Used by check_trace alone. Lives in the message's arena.
 */
#include <stdbool.h>

#include "milter/check.h"

struct stamp_content;
struct stamp_out;

/* Makes the stamp, or takes the one that the message came back with. NULL with e when it cannot be sealed. */
struct stamp_out *stamp_out_new(struct message *m, struct err *e);
/* True when name: value is one of these headers, blanks aside; then it will not be inserted. A second
 * one is none. */
bool stamp_out_keep(struct stamp_out *o, const char *name, const char *value);
/* Inserts those that are not there. */
void stamp_out_insert(struct stamp_out *o);
/* True when value is how the customer header would show the customer of that stamp. */
bool stamp_out_names(const struct message *m, const struct stamp_content *c, const char *value);

#endif
