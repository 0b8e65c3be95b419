/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef MILTER_REENTRY_H
#define MILTER_REENTRY_H
/*
 * reentry - is this a message that left one of our relays before?
 *
 * It is, when it comes from our own hosts and carries a genuine stamp, fresh, of the same Message-ID, Date
 * and From, and goes to nobody but recipients that it had then. A content filter and a second relay change
 * none of these (what they change is body, Subject, Received, and the envelope's sender). A list server
 * changes the recipients: only hosts of trace.reentry.expands may.
 *
 * Such a message keeps the customer and submitter that it had. It has been judged, so it is neither judged
 * nor charged again (only suspensions hold for it too), and keeps its stamp. Who can replay a stamp from one of
 * our own hosts reaches the same recipients again, and them a bounded number of times: check_limits counts.
 */
#include <stdbool.h>

#include "lib/stamp.h"
#include "milter/check.h"

/* The queue id in a stamp that explain shows: it never left, so it never comes back. */
#define REENTRY_NEVER "explain"

/* True when the configuration seals stamps, so that they can be known again. */
bool reentry_on(const struct conf *c);
/* What the message in f would be bound to. */
void reentry_bound(const struct facts *f, struct stamp_bound *to);
/* Looks for the stamp, and writes what it says into the facts. False when there is none. others_too: the
 * host may send to further recipients. */
bool reentry_find(struct message *m, bool others_too);

#endif
