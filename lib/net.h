/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_NET_H
#define LIB_NET_H
/*
 * net - network addresses as values. An IPv4-mapped IPv6 address is an IPv4
 * address here, so that one client never has two names.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sockaddr;

#define NET_TEXT 46	/* room for any address as text, with the NUL */
#define NET_PREFIX_TEXT 50

struct net_addr {
	uint8_t bits;		/* 32, 128, or 0: no address */
	uint8_t byte[16];	/* network order; IPv4 uses the first 4 */
};

/* "192.0.2.7", "2001:db8::1", also in brackets or with an "IPv6:" before it.
 * No zone ids, no short IPv4 forms. Returns 1, or 0. */
int net_parse(const char *text, struct net_addr *to);
/* "192.0.2.0/24", or an address alone (= its full length). Bits beyond the prefix must be 0. Returns 1, or
 * 0. */
int net_parse_prefix(const char *text, struct net_addr *to, unsigned *length);
/* From a socket; false for anything but IPv4 and IPv6. */
bool net_from_sockaddr(const struct sockaddr *from, struct net_addr *to);
/* As text (RFC 5952 for IPv6); "" for no address. */
void net_text(const struct net_addr *a, char to[NET_TEXT]);
/* The network that stands for one site: the /24 or the /48, as "192.0.2.0/24". */
void net_network_text(const struct net_addr *a, char to[NET_PREFIX_TEXT]);
/* What one host can use as its own: the IPv4 address, or the IPv6 /64, as text. A limit
 * keyed on a client uses this, since an IPv6 client has 2^64 addresses to itself. */
void net_host_text(const struct net_addr *a, char to[NET_PREFIX_TEXT]);
/* Clears the bits beyond length. */
void net_mask(struct net_addr *a, unsigned length);
/* True when a lies in the prefix. */
bool net_in(const struct net_addr *a, const struct net_addr *prefix, unsigned length);
bool net_eq(const struct net_addr *a, const struct net_addr *b);

#endif
