/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * date - reads YYYY-MM-DD and nothing else: no times, no zones, no short forms.
 */
#include "lib/date.h"

#include <stdbool.h>
#include <time.h>

#include "lib/banned.h"

static bool
has_form(const char *text, size_t n)
{
	static const char form[] = "dddd-dd-dd";
	size_t i;

	if (n != sizeof(form) - 1)
		return false;
	for (i = 0; i < n; i++)
		if (form[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
			return false;
	return true;
}

static int
number(const char *digit, size_t n)
{
	int value = 0;

	while (n-- > 0)
		value = value * 10 + (*digit++ - '0');
	return value;
}

int
date_parse(const char *text, size_t n, uint64_t *ms)
{
	struct tm tm = { 0 }, again;
	time_t t;

	if (!has_form(text, n))
		return 0;
	tm.tm_year = number(text, 4) - 1900;
	tm.tm_mon = number(text + 5, 2) - 1;
	tm.tm_mday = number(text + 8, 2);
	again = tm;
	t = timegm(&again);
	/* timegm makes the 31st of February a day in March; such a date is a mistake. */
	if (t < 0 || again.tm_mon != tm.tm_mon || again.tm_mday != tm.tm_mday)
		return 0;
	*ms = (uint64_t)t * 1000;
	return 1;
}
