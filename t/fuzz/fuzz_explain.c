/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * fuzz_explain - the message file of `gatepostctl explain`: any bytes, and what must hold of the fields.
 *
 * Whatever the bytes are: the body begins inside them, no field name is empty or holds what a name
 * cannot, no value holds a CR, every "\n" in a value begins a continuation, and what was split is
 * never longer than what came in.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "milter/message_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(int ok)
{
	if (!ok)
		abort();
}

static size_t
check_field(const struct message_field *f)
{
	const char *p;

	must(*f->name != '\0');
	for (p = f->name; *p != '\0'; p++)
		must(*p > ' ' && *p < 127 && *p != ':');
	for (p = f->value; *p != '\0'; p++)
		must(*p != '\r');
	return strlen(f->name) + strlen(f->value);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new(ARENA_DEFAULT_CAP);
	struct message_file m;
	size_t i, total = 0, headers;
	char *copy = malloc(size == 0 ? 1 : size);	/* of its exact size, so that a read beyond shows */

	must(copy != NULL);
	memcpy(copy, data, size);
	message_file_parse(a, copy, size, &m);
	must(m.body <= size);
	for (i = 0; i < m.n; i++)
		total += check_field(&m.fields[i]);
	must(total <= m.body);
	headers = message_file_header_size(copy, size);
	must(headers <= size);
	must(headers == 0 || m.body <= headers || m.n == 0);
	free(copy);
	arena_free(&a);
	return 0;
}
