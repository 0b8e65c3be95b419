/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef MILTER_SENDMAIL_TICKET_H
#define MILTER_SENDMAIL_TICKET_H
/*
 * sendmail_ticket - asks the daemon for a ticket (the protocol is told in submission.h).
 */
#include <stddef.h>

#include "lib/err.h"

/* What the sender has to say; NULL = nothing. What holds control characters is left out. */
struct sendmail_says { const char *token, *address, *script; };

/* Waits timeout ms in all, also for a daemon that is not there. 0 with the header's value, or -1 with e
 * (ERR_DENIED: the daemon gives none). */
int sendmail_ticket_get(const char *socket, unsigned timeout, const struct sendmail_says *says, char *value,
    size_t size, struct err *e);

#endif
