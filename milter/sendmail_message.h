/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef MILTER_SENDMAIL_MESSAGE_H
#define MILTER_SENDMAIL_MESSAGE_H
/*
 * sendmail_message - the message on its way through gatepost-sendmail.
 *
 *     struct sendmail_message *m = sendmail_message_new(ignore_dots);
 *     r = sendmail_message_read(m, STDIN_FILENO, &err);      0: all of it is here; 1: no room for the rest
 *     ... now a ticket is asked for: it is fresh when the message leaves ...
 *     sendmail_message_write(m, out, value, &err);           the ticket (or NULL), then what is here
 *     if (r == 1) sendmail_message_pass(m, STDIN_FILENO, out, &err);
 *     sendmail_message_free(&m);
 *
 * The first 256 KiB are kept in memory, more in a file without a name in /tmp or /var/tmp; where there is none
 * (a chroot), the rest is passed on as it comes. On the way every field that has the ticket's name, and mbox lines
 * ("From ") on top, are left out.
 */
#include <stdbool.h>

#include "lib/err.h"

struct sendmail_message;

struct sendmail_message *sendmail_message_new(bool ignore_dots);
void sendmail_message_free(struct sendmail_message **m);
/* 0 or 1 as above; -1 with e: it could not be read, nothing may be sent. */
int sendmail_message_read(struct sendmail_message *m, int in, struct err *e);
/* 0, or -1 with e (ERR_GONE: the reader has closed its end, which is for its exit status to explain). */
int sendmail_message_write(struct sendmail_message *m, int out, const char *ticket, struct err *e);
int sendmail_message_pass(struct sendmail_message *m, int in, int out, struct err *e);

#endif
