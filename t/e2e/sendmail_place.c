/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * sendmail_place - for tests: gatepost-sendmail's configuration is beside the program, so that each test has its own.
 */
#include "milter/sendmail_conf.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *
sendmail_conf_place(void)
{
	static const char name[] = "sendmail.conf";
	static char place[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", place, sizeof(place) - sizeof(name));

	while (n > 0 && place[n - 1] != '/')
		n--;
	if (n <= 0)
		abort();
	memcpy(place + n, name, sizeof(name));
	return place;
}
