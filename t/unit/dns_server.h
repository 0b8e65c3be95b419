/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef T_UNIT_DNS_SERVER_H
#define T_UNIT_DNS_SERVER_H
/*
 * dns_server - a name server in a thread of the test, on a loopback port of its own, that does what the
 * first label of the name says: answers, is silent, is slow, lies. Its table is the list of what it can.
 *
 *     struct dns_server *s = dns_server_start();
 *     ... dns_open() with the forwarder dns_server_address(s) ... ask for "slow300.example"
 *     dns_server_deaf(s, true);	-> nothing is answered, as when the host is gone
 *     dns_server_stop(&s);
 */
#include <stdbool.h>

struct dns_server;

struct dns_server *dns_server_start(void);
void dns_server_stop(struct dns_server **s);
/* "127.0.0.1@PORT". */
const char *dns_server_address(const struct dns_server *s);
void dns_server_deaf(struct dns_server *s, bool deaf);
/* Queries that came, over UDP and TCP, also while deaf. */
unsigned dns_server_seen(struct dns_server *s);

#endif
