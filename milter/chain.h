/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef MILTER_CHAIN_H
#define MILTER_CHAIN_H
/*
 * chain - the checks in their order, under one configuration snapshot.
 *
 * A chain is made from a conf (tables opened, checks initialised), counted, and never changes. At a reload a
 * new one takes its place; sessions finish on theirs.
 *
 *     chain_begin(ch, &m, arena)         at MAIL
 *     chain_run(ch, &m, STAGE_MAIL)      a verdict of hold or weaker goes on
 *     chain_run(ch, &m, STAGE_END)
 *     chain_finish(ch, &m, STAGE_END, false)   exactly once a message: events, alerts, summary line
 */
#include <stdbool.h>
#include <stddef.h>

#include "lib/conf.h"
#include "milter/check.h"

struct chain;

/* Takes over c's reference when it succeeds. NULL when a table or check cannot be had; all reasons went to
 * report. */
struct chain *chain_new(struct conf *take_c, struct store *s, struct alerts *a,
    const struct table_report *report);
/* Where rereads of tables are told from now on (it must outlive the chain). Before the chain is shared. */
void chain_keep_report(struct chain *ch, const struct table_report *report);
/* Where messages that are let through are remembered, borrowed; before the first message. */
void chain_remember(struct chain *ch, struct trace_memory *memory);
struct chain *chain_ref(struct chain *ch);
void chain_unref(struct chain **ch);
const struct conf *chain_conf(const struct chain *ch);
const struct services *chain_services(const struct chain *ch);
/* The union of what the checks need. */
unsigned chain_needs(const struct chain *ch);
/* Rereads tables that changed. Once a second from the maintenance thread. */
void chain_poll(struct chain *ch);

/* m->facts' connection part is kept; everything else begins anew. */
void chain_begin(struct chain *ch, struct message *m, struct arena *take_arena);
/* Runs the stage's checks and returns what is to be done. */
enum conf_action chain_run(struct chain *ch, struct message *m, enum stage stage);
/* What is to be done after that stage, without running anything. A local message (sendmail(1)) is never
 * refused at STAGE_MAIL (its finding waits for the end), and held where others are deferred. */
enum conf_action chain_action(const struct message *m, enum stage stage);
/* The message's end, after its last stage, exactly once: events, alerts, the summary line. aborted: the
 * client went away before a verdict. */
void chain_finish(struct chain *ch, struct message *m, enum stage stage, bool aborted);

/* The table of checks, NULL at the end. */
const struct check *chain_check(size_t n);

struct chain_numbers { uint64_t messages, by_action[6], aborted, unsure; uint64_t would; };
void chain_numbers(struct chain_numbers *to);

#endif
