/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * hammer_open - see the header.
 */
#include "t/redis/hammer_open.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/banned.h"

#define SERVERS_MOST 16

static int
hammer_directory(unsigned relay, char *to, size_t size, struct err *e)
{
	const char *base = getenv("HAMMER_DIR"), *tmp = getenv("TMPDIR");

	/* One that is named stays, and with it what the relay knew when it ran last. */
	if (base != NULL)
		(void)snprintf(to, size, "%s/relay-%u", base, relay);
	else
		(void)snprintf(to, size, "%s/relay-%u.XXXXXX", tmp != NULL ? tmp : "/tmp", relay);
	if (base != NULL ? mkdir(to, 0700) != 0 && errno != EEXIST : mkdtemp(to) == NULL)
		return err_set(e, ERR_SYSTEM, "%s: %s", to, strerror(errno));
	return 1;
}

static const char *
hammer_env(const char *name)
{
	const char *value = getenv(name);

	return value != NULL ? value : "";
}

struct store *
hammer_open(const struct hammer_open *how, unsigned relay, struct err *e)
{
	const char *servers[SERVERS_MOST], *word;
	char name[16], dir[256], file[300], *rest = NULL, *text = how->servers;
	struct store_settings s;
	size_t n = 0;

	while (n < SERVERS_MOST && (word = strtok_r(text, ",", &rest)) != NULL) {
		servers[n++] = word;
		text = NULL;
	}
	if (hammer_directory(relay, dir, sizeof(dir), e) != 1)
		return NULL;
	(void)snprintf(file, sizeof(file), "%s/state.db", dir);
	(void)snprintf(name, sizeof(name), "out%u", relay + 1);
	s = (struct store_settings){ .type = strcmp(how->kind, "memory") == 0 ? "memory" : "redis", .file = file,
	    .memory = 64 << 20, .relay = name, .version = "test" };
	s.redis = (struct store_redis_settings){ .servers = servers, .n_servers = n, .kind = how->kind,
	    .master = how->master, .user = hammer_env("HAMMER_USER"), .password = hammer_env("HAMMER_PASSWORD"),
	    .sentinel_user = hammer_env("HAMMER_SENTINEL_USER"),
	    .sentinel_password = *hammer_env("HAMMER_SENTINEL_USER") != '\0' ? hammer_env("HAMMER_PASSWORD") : "",
	    .database = 0, .prefix = "gatepost",
	    .relays_least = (unsigned)strtoul(hammer_env("HAMMER_RELAYS"), NULL, 10), .connections = 8,
	    .own_clock = how->own_clock };
	return store_open(&s, e);
}
