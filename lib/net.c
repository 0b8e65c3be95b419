/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * net - network addresses as values: what the client, a networks table entry and
 * a limit key are compared by.
 *
 * An IPv4-mapped IPv6 address becomes the IPv4 address wherever one comes in, so
 * that a dual-stack socket gives a client no second name. Zone ids and host
 * names are deliberately not understood: neither may name a customer.
 */
#include "lib/net.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "lib/banned.h"

#define NET_MAPPED_BITS 96u

static const uint8_t net_mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static void
net_set4(struct net_addr *to, const void *bytes)
{
	memset(to, 0, sizeof(*to));
	to->bits = 32;
	memcpy(to->byte, bytes, 4);
}

/* True when it was an IPv4-mapped address. */
static bool
net_set6(struct net_addr *to, const void *bytes)
{
	const uint8_t *b = bytes;

	if (memcmp(b, net_mapped, sizeof(net_mapped)) == 0) {
		net_set4(to, b + sizeof(net_mapped));
		return true;
	}
	to->bits = 128;
	memcpy(to->byte, b, 16);
	return false;
}

/* The n characters at text. *mapped: it was written as an IPv4-mapped address. */
static int
net_parse_n(const char *text, size_t n, struct net_addr *to, bool *mapped)
{
	static const char tag[] = "IPv6:";
	const size_t tag_len = sizeof(tag) - 1;
	char plain[NET_TEXT];
	uint8_t bytes[16];
	bool tagged = false;

	*mapped = false;
	if (n >= 2 && text[0] == '[' && text[n - 1] == ']') {
		text++;
		n -= 2;
	}
	if (n > tag_len && strncasecmp(text, tag, tag_len) == 0) {
		text += tag_len;
		n -= tag_len;
		tagged = true;
	}
	if (n == 0 || n >= sizeof(plain))
		return 0;
	memcpy(plain, text, n);
	plain[n] = '\0';

	if (!tagged && inet_pton(AF_INET, plain, bytes) == 1) {
		net_set4(to, bytes);
		return 1;
	}
	if (inet_pton(AF_INET6, plain, bytes) != 1)
		return 0;
	*mapped = net_set6(to, bytes);
	return 1;
}

int
net_parse(const char *text, struct net_addr *to)
{
	bool mapped;

	memset(to, 0, sizeof(*to));
	return text == NULL ? 0 : net_parse_n(text, strlen(text), to, &mapped);
}

/* One to three digits without a leading zero, at most most. */
static bool
net_parse_length(const char *text, unsigned most, unsigned *length)
{
	size_t n = strspn(text, "0123456789");
	unsigned value = 0;

	if (n == 0 || n > 3 || text[n] != '\0' || (n > 1 && text[0] == '0'))
		return false;
	for (; *text != '\0'; text++)
		value = value * 10 + (unsigned)(*text - '0');
	*length = value;
	return value <= most;
}

int
net_parse_prefix(const char *text, struct net_addr *to, unsigned *length)
{
	const char *slash;
	struct net_addr masked;
	bool mapped;

	memset(to, 0, sizeof(*to));
	*length = 0;
	if (text == NULL)
		return 0;
	slash = strchr(text, '/');
	if (net_parse_n(text, slash == NULL ? strlen(text) : (size_t)(slash - text), to, &mapped) == 0)
		return 0;
	*length = to->bits;
	if (slash == NULL)
		return 1;

	if (!net_parse_length(slash + 1, mapped ? 128 : to->bits, length))
		return 0;
	if (mapped) {
		/* A shorter prefix has bits of ffff beyond it. */
		if (*length < NET_MAPPED_BITS)
			return 0;
		*length -= NET_MAPPED_BITS;
	}
	masked = *to;
	net_mask(&masked, *length);
	return net_eq(&masked, to) ? 1 : 0;
}

bool
net_from_sockaddr(const struct sockaddr *from, struct net_addr *to)
{
	memset(to, 0, sizeof(*to));
	if (from == NULL)
		return false;
	/* Copied, since libmilter's pointer need not be aligned for the larger type. */
	if (from->sa_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, from, sizeof(in));
		net_set4(to, &in.sin_addr);
		return true;
	}
	if (from->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, from, sizeof(in6));
		(void)net_set6(to, &in6.sin6_addr);
		return true;
	}
	return false;
}

void
net_text(const struct net_addr *a, char to[NET_TEXT])
{
	to[0] = '\0';
	if (a->bits == 32)
		(void)inet_ntop(AF_INET, a->byte, to, NET_TEXT);
	else if (a->bits == 128)
		(void)inet_ntop(AF_INET6, a->byte, to, NET_TEXT);
}

static void
net_prefix_text(const struct net_addr *a, unsigned length, char to[NET_PREFIX_TEXT])
{
	struct net_addr masked = *a;
	char text[NET_TEXT];

	net_mask(&masked, length);
	net_text(&masked, text);
	(void)snprintf(to, NET_PREFIX_TEXT, "%.45s/%u", text, length % 1000);
}

void
net_network_text(const struct net_addr *a, char to[NET_PREFIX_TEXT])
{
	to[0] = '\0';
	if (a->bits != 0)
		net_prefix_text(a, a->bits == 32 ? 24 : 48, to);
}

void
net_host_text(const struct net_addr *a, char to[NET_PREFIX_TEXT])
{
	if (a->bits == 128)
		net_prefix_text(a, 64, to);
	else
		net_text(a, to);
}

void
net_mask(struct net_addr *a, unsigned length)
{
	unsigned i, keep;

	for (i = 0; i < sizeof(a->byte); i++) {
		keep = length > i * 8 ? length - i * 8 : 0;
		if (keep < 8)
			a->byte[i] &= (uint8_t)(0xff00u >> keep);
	}
}

bool
net_in(const struct net_addr *a, const struct net_addr *prefix, unsigned length)
{
	struct net_addr x = *a, y = *prefix;

	if (a->bits == 0 || a->bits != prefix->bits)
		return false;
	net_mask(&x, length);
	net_mask(&y, length);
	return net_eq(&x, &y);
}

bool
net_eq(const struct net_addr *a, const struct net_addr *b)
{
	return a->bits == b->bits && memcmp(a->byte, b->byte, sizeof(a->byte)) == 0;
}
