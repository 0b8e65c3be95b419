/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * store_fixture - see the header. A driver that needs a server starts it here.
 */
#include "t/unit/store_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/str.h"

#include "lib/banned.h"

/* ---- a Redis server of our own: one for all tests of the program, a prefix for each ---- */

static char server_dir[256], server_address[300];
static pid_t server_pid;

static void
server_stop(void)
{
	char path[300];

	if (server_pid > 0) {
		(void)kill(server_pid, SIGKILL);
		(void)waitpid(server_pid, NULL, 0);
	}
	(void)snprintf(path, sizeof(path), "%s/socket", server_dir);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/conf", server_dir);
	(void)unlink(path);
	(void)rmdir(server_dir);
}

static bool
server_answers(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool up;

	assert_true(str_copy(un.sun_path, sizeof(un.sun_path), path));
	up = connect(fd, (const struct sockaddr *)(const void *)&un, sizeof(un)) == 0;
	(void)close(fd);
	return up;
}

/* The rules that gatepost.conf(5) gives, for any prefix: what needs another command does not work here
 * either. */
static void
server_rules(char *to, size_t size)
{
	static const char begin[] = "\nuser gatepost on >PASSWORD ~gatepost:* &gatepost:* ", end[] = "\n.Ed";
	const char *src = getenv("GATEPOST_SRC");
	char name[4096], *text = calloc(1, 1 << 20), *at, *stop;
	FILE *f;

	(void)snprintf(name, sizeof(name), "%s/etc/gatepost.conf.5", src != NULL ? src : ".");
	f = fopen(name, "re");
	assert_non_null(f);
	assert_non_null(text);
	(void)fread(text, 1, (1 << 20) - 1, f);
	(void)fclose(f);
	at = strstr(text, begin);
	stop = at == NULL ? NULL : strstr(at, end);
	assert_non_null(stop);
	*stop = '\0';
	for (at += sizeof(begin) - 1, stop = at; (stop = strchr(stop, '\n')) != NULL;)
		*stop = ' ';
	(void)snprintf(to, size, "gatepost on >" FIXTURE_PASSWORD " ~[rt]*:* &[rt]*:* %s", at);
	free(text);
}

static void
server_configure(const char *path, const char *socket)
{
	char rules[4096];
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	server_rules(rules, sizeof(rules));
	(void)fprintf(f, "port 0\nunixsocket %s\nsave \"\"\nappendonly no\ndir %s\nuser %s\n", socket, server_dir, rules);
	(void)fclose(f);
}

static void
server_run(const char *path)
{
	const char *server = getenv("REDIS_SERVER");
	int null = open("/dev/null", O_RDWR);

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)dup2(null, 0);
	(void)dup2(null, 1);
	if (server == NULL)
		server = "redis-server";
	(void)execlp(server, server, path, (char *)NULL);
	_exit(127);
}

static void
server_start(void)
{
	static const struct timespec tick = { 0, 10000000 };
	const char *tmp = getenv("TMPDIR");
	char path[290], conf[290];
	int left;

	if (server_pid > 0)
		return;
	if (*server_dir == '\0') {
		(void)snprintf(server_dir, sizeof(server_dir), "%s/redis.XXXXXX", tmp != NULL ? tmp : "/tmp");
		assert_non_null(mkdtemp(server_dir));
		(void)atexit(server_stop);
	}
	(void)snprintf(path, sizeof(path), "%s/socket", server_dir);
	(void)snprintf(server_address, sizeof(server_address), "unix:%s", path);
	(void)snprintf(conf, sizeof(conf), "%s/conf", server_dir);
	server_configure(conf, path);
	server_pid = fork();
	assert_true(server_pid >= 0);
	if (server_pid == 0)
		server_run(conf);
	for (left = 1000; left > 0 && !server_answers(path); left--) {
		if (waitpid(server_pid, NULL, WNOHANG) == server_pid) {
			server_pid = -1;
			fail_msg("redis-server cannot be started (contrib/deps test installs it)");
		}
		(void)nanosleep(&tick, NULL);
	}
}

const char *
fixture_redis_server(pid_t *pid)
{
	server_start();
	if (pid != NULL)
		*pid = server_pid;
	return server_address;
}

void
fixture_redis_kill(void)
{
	(void)kill(server_pid, SIGKILL);
	(void)waitpid(server_pid, NULL, 0);
	server_pid = 0;
}

void
fixture_redis_again(void)
{
	server_start();
}

struct store *
fixture_redis_relay(struct fixture *f, const char *prefix, const char *relay)
{
	const char *servers[1];
	struct store_settings s = { .type = "redis", .memory = 64 << 20, .relay = relay, .version = "1.0" };
	struct store *store;
	struct err e = { .text = "" };
	char file[400];

	server_start();
	servers[0] = server_address;
	(void)snprintf(file, sizeof(file), "%s/%s.db", f->dir, relay);
	s.file = file;
	s.redis = (struct store_redis_settings){ .servers = servers, .n_servers = 1, .kind = "single",
	    .prefix = prefix, .connections = 2, .user = "gatepost", .password = FIXTURE_PASSWORD };
	store = store_open(&s, &e);
	if (store == NULL)
		fail_msg("%s", e.text);
	return store;
}

static void
fixture_redis(struct fixture *f)
{
	static const char *servers[1];
	static char prefix[32];
	static unsigned serial;

	server_start();
	servers[0] = server_address;
	(void)snprintf(prefix, sizeof(prefix), "t%u", ++serial);
	f->settings.redis = (struct store_redis_settings){ .servers = servers, .n_servers = 1, .kind = "single",
	    .prefix = prefix, .connections = 2, .own_clock = true, .user = "gatepost",
	    .password = FIXTURE_PASSWORD };
}

void
fixture_open(struct fixture *f, const char *type)
{
	const char *tmp = getenv("TMPDIR");
	struct err e = { .text = "" };

	memset(f, 0, sizeof(*f));
	(void)snprintf(f->dir, sizeof(f->dir), "%s/store.XXXXXX", tmp != NULL ? tmp : "/tmp");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->file, sizeof(f->file), "%s/state.db", f->dir);
	f->settings = (struct store_settings){ .type = type, .file = f->file, .memory = 64 << 20,
	    .relay = "out1" };
	if (strcmp(type, "redis") == 0)
		fixture_redis(f);
	f->store = store_open(&f->settings, &e);
	if (f->store == NULL)
		fail_msg("%s", e.text);
	f->arena = arena_new(ARENA_DEFAULT_CAP);
}

void
fixture_reopen(struct fixture *f)
{
	struct err e = { .text = "" };

	store_close(&f->store);
	f->store = store_open(&f->settings, &e);
	if (f->store == NULL)
		fail_msg("%s", e.text);
}

void
fixture_close(struct fixture *f)
{
	char path[600];
	struct dirent *entry;
	DIR *d;

	store_close(&f->store);
	arena_free(&f->arena);
	d = opendir(f->dir);
	while (d != NULL && (entry = readdir(d)) != NULL) {
		(void)snprintf(path, sizeof(path), "%s/%s", f->dir, entry->d_name);
		(void)unlink(path);
	}
	if (d != NULL)
		(void)closedir(d);
	assert_int_equal(rmdir(f->dir), 0);
}

struct limit_ceilings
fixture_ceilings(const char *text)
{
	struct limit_ceilings all = { .n = 0 };
	struct limit_ceiling c;
	char copy[256], *word, *rest = NULL;

	(void)snprintf(copy, sizeof(copy), "%s", text);
	for (word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
		assert_int_equal(limit_ceiling_parse(word, false, &c), 1);
		assert_true(limit_ceilings_add(&all, &c));
	}
	return all;
}

struct store_item
fixture_item(const char *limit, const char *key, uint32_t amount, const char *ceilings)
{
	return (struct store_item){ .limit = limit, .key = key, .kind = STORE_SUM, .amount = amount,
	    .ceilings = fixture_ceilings(ceilings) };
}

struct store_item
fixture_distinct(const char *limit, const char *key, const char *const *values, size_t n,
    const char *ceilings)
{
	return (struct store_item){ .limit = limit, .key = key, .kind = STORE_DISTINCT, .values = values,
	    .n_values = n, .ceilings = fixture_ceilings(ceilings) };
}

bool
fixture_judge(struct fixture *f, struct store_item *items, size_t n, const char *message)
{
	struct store_request r = { .items = items, .n = n, .message = message, .warn_at = 80 };
	struct err e = { .text = "" };

	if (store_judge(f->store, &r, UINT64_MAX, &e) != 1)
		fail_msg("%s", e.text);
	return r.taken;
}

bool
fixture_take(struct fixture *f, const char *limit, const char *key, uint32_t amount, const char *ceilings)
{
	struct store_item i = fixture_item(limit, key, amount, ceilings);

	return fixture_judge(f, &i, 1, NULL);
}

uint32_t
fixture_used(struct fixture *f, const char *limit, const char *key, uint64_t length)
{
	struct store_usage u;
	struct err e = { .text = "" };
	size_t i;
	int found = store_usage(f->store, f->arena, limit, key, &u, &e);

	if (found < 0)
		fail_msg("%s", e.text);
	for (i = 0; found == 1 && i < u.n; i++) {
		if (u.at[i].length == length)
			return u.at[i].used;
	}
	return 0;
}
