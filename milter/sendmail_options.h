/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef MILTER_SENDMAIL_OPTIONS_H
#define MILTER_SENDMAIL_OPTIONS_H
/*
 * sendmail_options - what gatepost-sendmail is called with, and what of it the real sendmail gets.
 *
 *     struct sendmail_options o;
 *     if (sendmail_options_read(argc, argv, &o, &err) < 0) -> usage: err.text says which option, and why
 *     ... o.pass ...           options for the real one, then o.recipients
 *     sendmail_options_free(&o);
 *
 * Only options known to be harmless are let through: programs such as PHP's mail() append to the command line
 * what a visitor of a badly written form chose. The texts are argv's own.
 */
#include <stdbool.h>
#include <stddef.h>

#include "lib/err.h"

enum sendmail_task {
	SENDMAIL_SEND,
	SENDMAIL_LIST,		/* -bp, mailq: show the queue */
	SENDMAIL_RUN,		/* -q: try the queue now */
	SENDMAIL_ALIASES	/* newaliases, -bi */
};

struct sendmail_options {
	enum sendmail_task task;
	bool from_header;	/* -t */
	bool ignore_dots;	/* -i: a line with a dot alone ends nothing */
	const char **pass;	/* for the real sendmail, in order */
	size_t n_pass;
	const char **recipients;
	size_t n_recipients;
};

int sendmail_options_read(int argc, char *const *argv, struct sendmail_options *to, struct err *e);
void sendmail_options_free(struct sendmail_options *o);

#endif
