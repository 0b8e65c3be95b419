/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * date: YYYY-MM-DD and nothing else, in UTC whatever the time zone is.
 */
#include "lib/date.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define UNTOUCHED UINT64_C(4711)

static const struct {
	const char *name, *text;
	uint64_t day;		/* since 1970 */
} dates[] = {
	{ "first day", "1970-01-01", 0 },
	{ "second day", "1970-01-02", 1 },
	{ "of this century", "2000-03-01", 11017 },
	{ "leap day", "2024-02-29", 19782 },
	{ "leap day of a 400th year", "2000-02-29", 11016 },
	{ "last of January", "2026-01-31", 20484 },
	{ "beyond 32 bits of seconds", "2038-01-20", 24856 },
	{ "last day", "9999-12-31", 2932896 },
};

static const struct {
	const char *name, *text;
} none[] = {
	{ "empty", "" },
	{ "before 1970", "1969-12-31" },
	{ "year 0", "0000-01-01" },
	{ "month 0", "2026-00-10" },
	{ "month 13", "2026-13-10" },
	{ "day 0", "2026-01-00" },
	{ "day 32", "2026-01-32" },
	{ "31st of a short month", "2026-04-31" },
	{ "31st of February", "2026-02-31" },
	{ "no leap year", "2026-02-29" },
	{ "no leap year, a 100th", "2100-02-29" },
	{ "one digit", "2026-1-31" },
	{ "two digits of the year", "26-01-31" },
	{ "five digits of the year", "12026-01-31" },
	{ "slashes", "2026/01/31" },
	{ "other way round", "31-01-2026" },
	{ "without hyphens", "20260131" },
	{ "with a time", "2026-01-31T00:00" },
	{ "blank before", " 2026-01-31" },
	{ "blank behind", "2026-01-31 " },
	{ "sign", "+026-01-31" },
	{ "blank for a digit", "2026-01- 1" },
	{ "letter", "2026-0a-31" },
	{ "digits of another script", "2026-01-\xd9\xa3" },
};

static void
dates_are_days(void **state)
{
	uint64_t ms;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(dates) / sizeof(dates[0]); i++) {
		print_message("%s\n", dates[i].name);
		assert_int_equal(date_parse(dates[i].text, strlen(dates[i].text), &ms), 1);
		assert_int_equal(ms, dates[i].day * DATE_DAY_MS);
	}
}

static void
anything_else_is_no_date(void **state)
{
	uint64_t ms = UNTOUCHED;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		print_message("%s\n", none[i].name);
		assert_int_equal(date_parse(none[i].text, strlen(none[i].text), &ms), 0);
		assert_int_equal(ms, UNTOUCHED);
	}
}

/* A table's value goes on behind the date: what stands there is not read. */
static void
text_need_not_end(void **state)
{
	static const char text[] = { '1', '9', '7', '0', '-', '0', '1', '-', '0', '2' };
	uint64_t ms = UNTOUCHED;

	(void)state;
	assert_int_equal(date_parse(text, sizeof(text), &ms), 1);
	assert_int_equal(ms, DATE_DAY_MS);
	assert_int_equal(date_parse("1970-01-02 plan=small", 10, &ms), 1);
	assert_int_equal(date_parse("1970-01-02", 9, &ms), 0);
	assert_int_equal(date_parse("1970-01-0\0", 10, &ms), 0);
}

static void
the_time_zone_does_not_matter(void **state)
{
	static const char *const zones[] = { "UTC", "Pacific/Kiritimati", "America/Los_Angeles", "XXX-14",
	    "XXX+12" };
	uint64_t ms;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
		assert_int_equal(setenv("TZ", zones[i], 1), 0);
		tzset();
		assert_int_equal(date_parse("1970-01-02", 10, &ms), 1);
		assert_int_equal(ms, DATE_DAY_MS);
		assert_int_equal(date_parse("1970-01-01", 10, &ms), 1);
		assert_int_equal(ms, 0);
	}
	assert_int_equal(unsetenv("TZ"), 0);
	tzset();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dates_are_days),
		cmocka_unit_test(anything_else_is_no_date),
		cmocka_unit_test(text_need_not_end),
		cmocka_unit_test(the_time_zone_does_not_matter),
	};

	return cmocka_run_group_tests_name("date", tests, NULL, NULL);
}
