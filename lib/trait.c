/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * trait - see the header.
 */
#include "lib/trait.h"

#include <stddef.h>
#include <string.h>

#include "lib/banned.h"

static const char *const names[TRAITS] = { "no-list-unsubscribe", "no-one-click", "precedence", "campaign",
	"no-message-id", "no-date", "script-path", "eval" };

const char *
trait_text(enum trait t)
{
	return names[t];
}

bool
trait_known(const char *text)
{
	size_t i;

	for (i = 0; i < TRAITS; i++)
		if (strcmp(names[i], text) == 0)
			return true;
	return false;
}
