/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * fuzz_from - From fields and envelope addresses. Beyond not crashing, whatever is
 * read must be fit to be a table key: a key reads back as itself, its domain is
 * canonical, and the bounds that lib/mail.h promises hold.
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

static void
check_address(struct arena *a, const struct mail_address *address)
{
	struct mail_address again;

	if (address->null) {
		must(*address->text == '\0' && *address->base == '\0');
		return;
	}
	must(*address->local != '\0' && *address->domain != '\0');
	must(mail_address_parse(a, address->text, &again) == 1 || strlen(address->text) > MAIL_ADDRESS_MAX);
	if (strlen(address->text) <= MAIL_ADDRESS_MAX) {
		must(strcmp(again.text, address->text) == 0);
		must(strcmp(again.domain, address->domain) == 0);
		must(strcmp(again.base, address->base) == 0);
		must(mail_address_parse(a, address->base, &again) == 1);
		must(strcmp(again.domain, address->domain) == 0);
	}
	if (*address->domain != '[') {
		const char *domain = mail_domain(a, address->domain);

		must(domain != NULL && strcmp(domain, address->domain) == 0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena *a = arena_new(ARENA_DEFAULT_CAP);
	char *value = arena_strndup(a, (const char *)data, n);
	struct mail_mailboxes boxes;
	struct mail_address address;

	if (mail_mailboxes_parse(a, value, &boxes)) {
		must(boxes.why == NULL && boxes.n <= MAIL_MAILBOXES_MAX);
		for (size_t i = 0; i < boxes.n; i++)
			check_address(a, &boxes.at[i]);
	} else {
		must(boxes.why != NULL && boxes.n == 0 && boxes.display_address == NULL);
	}
	if (mail_address_parse(a, value, &address))
		check_address(a, &address);
	arena_free(&a);
	return 0;
}
