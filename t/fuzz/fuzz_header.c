/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * fuzz_header - header values made ready for matching: whatever the encoded words
 * say, the result is one line, trimmed, without runs of blanks, and of bounded length.
 * The first byte picks where the value is cut.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/arena.h"
#include "lib/mail.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
must(bool holds)
{
	if (!holds)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena *a;
	size_t max, len;
	const char *text;

	if (n == 0)
		return 0;
	a = arena_new(ARENA_DEFAULT_CAP);
	max = data[0] < 0x80 ? 8192 : data[0];
	text = mail_header_text(a, arena_strndup(a, (const char *)data + 1, n - 1), max);
	len = strlen(text);
	must(len <= 4 * max);
	must(strpbrk(text, "\t\n\v\f\r") == NULL && strstr(text, "  ") == NULL);
	must(len == 0 || (text[0] != ' ' && text[len - 1] != ' '));
	(void)mail_header_name_ok(text);
	arena_free(&a);
	return 0;
}
