/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * sendmail_place - where gatepost-sendmail's configuration is: built in, so that no caller can choose another.
 *
 * A file of its own because tests link t/e2e/sendmail_place.c in its place.
 */
#include "milter/sendmail_conf.h"

#include "lib/banned.h"

const char *
sendmail_conf_place(void)
{
	return SENDMAIL_CONF;
}
