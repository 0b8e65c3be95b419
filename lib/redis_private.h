/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_REDIS_PRIVATE_H
#define LIB_REDIS_PRIVATE_H
/*
 * redis_private - one connection to a server: for redis*.c only.
 *
 * Used by one thread at a time. After -1 it can only be closed.
 * Deadlines here are on redis_now(): what poll() waits is the kernel's time, also in a test that sets
 * clock_mono_us() by hours while a background thread waits for an answer.
 */
#include "lib/redis.h"

struct redis_conn;

/* Connects and introduces itself (AUTH, SELECT, CLIENT SETNAME). NULL with e. Waits for DNS besides. */
struct redis_conn *redis_conn_open(const struct redis_settings *s, const char *address, uint64_t deadline,
    struct err *e);
/* The same of a socket that is connected already, without introduction. */
struct redis_conn *redis_conn_adopt(int take_fd);
void redis_conn_close(struct redis_conn **c);
int redis_conn_fd(const struct redis_conn *c);

/* Adds a command to what is to be sent. */
void redis_conn_put(struct redis_conn *c, const char *const *args, const size_t *lens, size_t n);
/* Sends what can be sent: 1 all is, 0 not yet all, -1. */
int redis_conn_flush(struct redis_conn *c);
/* Bytes sent since the connection was opened. */
uint64_t redis_conn_sent(const struct redis_conn *c);
/* Takes what has arrived: 1, 0 nothing there, -1. */
int redis_conn_read(struct redis_conn *c);
/* The next reply: 1, 0 not all there, -1. */
int redis_conn_reply(struct redis_conn *c, struct redis_reply **reply);
/* One command and its reply; NULL with e. */
struct redis_reply *redis_conn_ask(struct redis_conn *c, const char *const *args, size_t n, uint64_t deadline,
    struct err *e);
/* Microseconds of the kernel's monotonic clock, and a deadline on it. */
uint64_t redis_now(void);
uint64_t redis_deadline(uint64_t ms);
/* Milliseconds for poll() until the deadline: -1 never, and at least 1 while it has not passed. */
int redis_poll_ms(uint64_t deadline);

#endif
