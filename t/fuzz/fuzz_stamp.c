/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * fuzz_stamp - stamps, tokens and short tokens as anybody could write them: nothing opens but what we have
 * sealed, and that says what we sealed.
 *
 * The first byte says what is tried: below 0x40 the rest as it is; else a genuine header value, token or
 * short token, changed as the rest says: three bytes each for where, how (replace, insert, remove) and with
 * what.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/stamp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct seal_keys *keys;
static struct stamp_content content;
static char genuine[3][STAMP_TOKEN];

static void
must(bool holds)
{
	if (!holds)
		abort();
}

static void
prepare(void)
{
	static const char *const from[] = { "bob@acme.example" }, *const to[] = { "x@dest.example" };
	const struct stamp_bound b = { "<1@acme.example>", "Wed, 25 Nov 2026 12:00:00 +0000", from, 1, to,
	    1 };
	char folder[] = "/tmp/gatepost-fuzz-XXXXXX", path[60], id[SEAL_KEY_ID_MAX + 1];
	struct err e;

	must(mkdtemp(folder) != NULL);
	snprintf(path, sizeof(path), "%s/keys", folder);
	must(seal_keys_new(path, "a", (unsigned)geteuid(), (unsigned)getegid(), id, &e) == 0);
	must((keys = seal_keys_load(path, &e)) != NULL);
	must(unlink(path) == 0 && rmdir(folder) == 0);
	content = (struct stamp_content){ .relay = "out1.host.example", .queue_id = "4jXnkJ57mZz1bvrP",
	    .time = clock_now(), .quality = "web", .port = 4711 };
	net_parse("192.0.2.7", &content.client);
	net_parse("2001:db8::1", &content.submitter);
	stamp_customer(keys, "acme", &content);
	stamp_account(keys, "bob@acme.example", &content);
	stamp_bind(keys, &b, &content);
	must(stamp_make(keys, &content, genuine[0], &e) == 0 && stamp_token(genuine[0], genuine[1]));
	stamp_short(keys, &content, genuine[2]);
	must(*genuine[2] != '\0');
}

static size_t
change(const uint8_t *how, char *text, size_t n, size_t size)
{
	size_t at = n == 0 ? 0 : how[0] % (n + 1);

	switch (how[1] % 3) {
	case 0:
		if (at < n)
			text[at] = (char)how[2];
		return n;
	case 1:
		if (n + 1 >= size)
			return n;
		memmove(text + at + 1, text + at, n - at);
		text[at] = (char)how[2];
		return n + 1;
	default:
		if (at < n)
			memmove(text + at, text + at + 1, n - at - 1);
		return at < n ? n - 1 : n;
	}
}

static void
try(const char *text)
{
	struct stamp_content got;
	enum stamp_result r = stamp_open(keys, text, content.time, 1000, &got);

	if (r != STAMP_OPENED && r != STAMP_EXPIRED) {
		must(*got.customer == '\0' && *got.account == '\0' && got.client.bits == 0 &&
		    got.recipients == 0);
		return;
	}
	must(r == STAMP_OPENED && got.mark == content.mark && strcmp(got.customer, "acme") == 0);
	must(got.brief || (strcmp(got.account, "bob@acme.example") == 0 && got.port == 4711 &&
	    strcmp(got.relay, content.relay) == 0 && strcmp(got.queue_id, content.queue_id) == 0 &&
	    memcmp(got.bound, content.bound, sizeof(got.bound)) == 0 && net_eq(&got.client,
	    &content.client)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const uint8_t unchanged[1];
	char text[4096], *free_text;
	const char *at;
	size_t len, i;

	if (keys == NULL)
		prepare();
	if (n == 0)
		data = unchanged;
	free_text = malloc(n + 1);
	must(free_text != NULL);
	memcpy(free_text, data, n);
	free_text[n] = '\0';
	for (at = free_text; (at = stamp_find(at, &len)) != NULL; at += len)
		must(len > 0 && at + len <= free_text + strlen(free_text));
	if (*data < 0x40) {
		try(free_text);
	} else {
		len = strlen(genuine[*data % 3]);
		memcpy(text, genuine[*data % 3], len);
		for (i = 1; i + 3 <= n; i += 3)
			len = change(data + i, text, len, sizeof(text) - 1);
		text[len] = '\0';
		try(text);
	}
	free(free_text);
	return 0;
}
