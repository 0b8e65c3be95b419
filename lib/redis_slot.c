/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * redis_slot - the arithmetic of Redis Cluster: key to slot, and the words of a redirection.
 *
 * What comes from a server is read as strictly as what comes from a client: a reply that is not
 * quite a redirection is an error like any other, never a new place to connect to.
 */
#include "lib/redis_slot.h"

#include <string.h>

#include "lib/banned.h"

/* CRC16 with polynomial 0x1021, start 0, not reflected: four bits at a time, which needs no table of 256. */
static unsigned
slot_crc(const char *text, size_t n)
{
	static const uint16_t table[16] = {
		0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
		0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef,
	};
	unsigned crc = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		unsigned byte = (unsigned char)text[i];

		crc = (crc << 4 & 0xffffu) ^ table[(crc >> 12 ^ byte >> 4) & 0xf];
		crc = (crc << 4 & 0xffffu) ^ table[(crc >> 12 ^ byte) & 0xf];
	}
	return crc;
}

unsigned
redis_slot(const char *key, size_t n)
{
	const char *open = memchr(key, '{', n), *close;

	if (open != NULL) {
		close = memchr(open + 1, '}', n - (size_t)(open + 1 - key));
		if (close != NULL && close > open + 1)
			return slot_crc(open + 1, (size_t)(close - open - 1)) % REDIS_SLOTS;
	}
	return slot_crc(key, n) % REDIS_SLOTS;
}

/* Digits up to the end of the text; false when there are none, anything else, or more than most. */
static bool
slot_number(const char *text, const char *end, unsigned most, unsigned *to)
{
	unsigned value = 0;

	if (text == end)
		return false;
	for (; text < end; text++) {
		if (*text < '0' || *text > '9')
			return false;
		value = value * 10 + (unsigned)(*text - '0');
		if (value > most)
			return false;
	}
	*to = value;
	return true;
}

/* "192.0.2.7:6381", "2001:db8::1:6381", "[2001:db8::1]:6381", ":6381" */
static bool
slot_address(const char *text, const char *end, char host[REDIS_HOST_MAX], unsigned *port)
{
	const char *colon = end;
	size_t n;

	while (colon > text && colon[-1] != ':')
		colon--;
	if (colon == text || !slot_number(colon, end, 65535, port) || *port == 0)
		return false;
	colon--;
	if (colon - text >= 2 && *text == '[' && colon[-1] == ']') {
		text++;
		colon--;
	}
	n = (size_t)(colon - text);
	if (n >= REDIS_HOST_MAX || memchr(text, ' ', n) != NULL || memchr(text, '\0', n) != NULL)
		return false;
	memcpy(host, text, n);
	host[n] = '\0';
	return true;
}

enum redis_redirect
redis_redirect(const char *text, size_t n, unsigned *slot, char host[REDIS_HOST_MAX], unsigned *port)
{
	const char *end = text + n, *blank;
	enum redis_redirect kind;

	if (n > 6 && memcmp(text, "MOVED ", 6) == 0) {
		kind = REDIS_REDIRECT_MOVED;
		text += 6;
	} else if (n > 4 && memcmp(text, "ASK ", 4) == 0) {
		kind = REDIS_REDIRECT_ASK;
		text += 4;
	} else {
		return REDIS_REDIRECT_NONE;
	}
	blank = memchr(text, ' ', (size_t)(end - text));
	if (blank == NULL || !slot_number(text, blank, REDIS_SLOTS - 1, slot) ||
	    !slot_address(blank + 1, end, host, port))
		return REDIS_REDIRECT_NONE;
	return kind;
}
