/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * fuzz_conf - any bytes as gatepost.conf: a snapshot, or at least one mistake with its place; never
 * anything else. What loads is written back value by value and compared with itself.
 * The file is written by the operator, so this looks for crashes after a slip, not for an attacker.
 *
 * libconfig 1.5 loses the text that it has just read when it finds a syntax error behind it: a few bytes
 * for each refused file, which its lexer allocated. Those leaks are not reported, ours are.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lib/conf_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

const char *
__lsan_default_suppressions(void)
{
	return "leak:libconfig\n";
}

static void
say(void *cookie, const struct err *e)
{
	const unsigned char *p;

	(void)cookie;
	assert(e->where[0] != '\0' && e->text[0] != '\0');
	for (p = (const unsigned char *)e->text; *p != '\0'; p++)
		assert(*p >= 0x20 && *p != 0x7f);
}

static void
look_at(struct conf *c)
{
	char space[4096];
	size_t i;

	for (i = 0; conf_row(i) != NULL; i++) {
		struct str s = STR_IN(space);

		conf_row_value(c, i, &s);
	}
	for (i = 0; i < c->n_limits; i++)
		assert(conf_limit_find(c, c->limits[i].name) == &c->limits[i]);
	assert(conf_compare_fixed(c, c, NULL) == 0);
	assert(c->relay[0] != '\0' && c->listen.n > 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_problems p = { .say = say, .warn = say };
	struct conf *c = conf_load_bytes("fuzz.conf", (const char *)data, size, &p);

	assert((c == NULL) == (p.count > 0));
	if (c != NULL)
		look_at(c);
	conf_unref(&c);
	return 0;
}
