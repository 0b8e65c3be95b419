/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_TRAIT_H
#define LIB_TRAIT_H
/*
 * trait - what can be said of how a message was made, whatever program made it: the names.
 *
 * They stand in mailers.traits and limits[].when.mailer, and in codes ("mailer.no-date"). What makes a trait
 * is milter/mailer_traits.c's business.
 */
#include <stdbool.h>

enum trait {
	TRAIT_NO_LIST_UNSUBSCRIBE,	/* bulk, and nowhere to unsubscribe */
	TRAIT_NO_ONE_CLICK,		/* bulk, and not as RFC 8058 wants it */
	TRAIT_PRECEDENCE,		/* calls itself bulk */
	TRAIT_CAMPAIGN,			/* has fields of marketing systems, or an announcement list's */
	TRAIT_NO_MESSAGE_ID,
	TRAIT_NO_DATE,
	TRAIT_SCRIPT_PATH,		/* a script among visitors' files, pictures, hidden things */
	TRAIT_EVAL			/* code made at run time */
};
#define TRAITS 8

const char *trait_text(enum trait t);	/* "no-list-unsubscribe" */
bool trait_known(const char *text);

#endif
