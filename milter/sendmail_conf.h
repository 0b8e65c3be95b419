/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef MILTER_SENDMAIL_CONF_H
#define MILTER_SENDMAIL_CONF_H
/*
 * sendmail_conf - /etc/gatepost/sendmail.conf: lines "name = value", documented in gatepost-sendmail(1).
 *
 * Its own small form, not gatepost.conf's: it is read for every local mail, and by every local user.
 */
#include <stdbool.h>

#include "lib/err.h"

#ifndef REAL_SENDMAIL
#define REAL_SENDMAIL "/usr/sbin/sendmail"
#endif

#define SENDMAIL_PATH_MOST 108		/* room for a path; that of a socket is no longer */

struct sendmail_conf {
	char sendmail[SENDMAIL_PATH_MOST];	/* the real one */
	char socket[SENDMAIL_PATH_MOST];	/* the daemon's submission.socket */
	bool queue;				/* without a ticket: send all the same, else EX_TEMPFAIL */
	unsigned timeout;			/* ms that the daemon may take */
};

/* Reads file over the defaults; without one the defaults stand. 0, or -1 with e (file:line in e->where). */
int sendmail_conf_read(const char *file, struct sendmail_conf *to, struct err *e);
const char *sendmail_conf_place(void);

#endif
