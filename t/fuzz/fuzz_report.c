/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * fuzz_report - complaints: any bytes, and what must hold of what is found in them.
 *
 * Lists are within their bounds and in the order of places, no candidate is empty or longer than it may
 * be, tokens hold nothing that an address could not, Message-IDs no blanks, and a report in which something
 * was found is of some kind.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(int ok)
{
	if (!ok)
		abort();
}

static void
check_list(const struct report_list *list, size_t most, const char *not)
{
	size_t i;

	must(list->n <= REPORT_ITEMS);
	for (i = 0; i < list->n; i++) {
		must(list->at[i].text[0] != '\0' && strlen(list->at[i].text) <= most);
		must(strcspn(list->at[i].text, not) == strlen(list->at[i].text));
		must(list->at[i].place <= REPORT_IN_OUTER);
		must(i == 0 || list->at[i - 1].place <= list->at[i].place);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new(ARENA_DEFAULT_CAP);
	char *copy = malloc(size == 0 ? 1 : size);	/* of its exact size, so that a read beyond shows */
	struct report r;

	must(copy != NULL);
	memcpy(copy, data, size);
	report_read(a, copy, size, NULL, &r);
	free(copy);
	check_list(&r.stamps, 1500, "\n\r\t");
	check_list(&r.tokens, 1000, " @+\n\r\t<>");
	check_list(&r.message_ids, 250, " \n\r\t");
	must(r.kind != REPORT_NOTHING || r.stamps.n + r.tokens.n + r.message_ids.n == 0);
	arena_free(&a);
	return 0;
}
