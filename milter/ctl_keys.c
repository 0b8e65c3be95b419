/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * gatepostctl keys - the key file of the trace stamps: list, new, activate, retire.
 *
 * Works on the file; no daemon is asked or needed. A key reaches all relays before any of them seals with
 * it, else one relay's stamps would be foreign to the next: so each change ends in saying what to do now.
 * How the file is read and written is lib/seal_file.c's business.
 */
#include "milter/ctl.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "lib/conf.h"
#include "lib/seal.h"
#include "lib/str.h"

#include "lib/banned.h"

#define DEFAULT_USER "gatepost"
/* What is left to do after every change. */
#define COPY "Copy the file to every relay (same owner, mode 0400), and reload each: gatepostctl reload\n"

struct keys {
	struct arena *a;
	const char *file;
	const char *id;		/* NULL when none was given */
	uid_t uid;		/* of a new file */
	gid_t gid;
	const char *missing;	/* user whose it should be, who is not there; or NULL */
	bool json, force;
};

static int
complain(struct keys *k, const struct err *e)
{
	fprintf(stderr, "gatepostctl: %s%s%s\n", ctl_safe(k->a, e->where), *e->where == '\0' ? "" : ": ",
	    ctl_safe(k->a, e->text));
	return 1;
}

static void
say_problem(void *cookie, const struct err *e)
{
	if (cookie != NULL)
		complain(cookie, e);
}

/* ---- which file, and whose ------------------------------------------------------------------- */

static void
find_owner(struct keys *k, const char *user)
{
	const struct passwd *pw = *user == '\0' ? NULL : getpwnam(user);

	k->uid = geteuid();
	k->gid = getegid();
	if (k->uid == 0 && pw != NULL) {
		k->uid = pw->pw_uid;
		k->gid = pw->pw_gid;
	}
	k->missing = k->uid == 0 && pw == NULL && *user != '\0' ? arena_strdup(k->a, user) : NULL;
}

/* With --keys the configuration is asked for the owner alone, and need not be there. */
static int
find_file(struct keys *k, const struct ctl_keys *q)
{
	struct conf_problems p = { .say = say_problem, .cookie = q->file == NULL ? k : NULL };
	struct conf *c = conf_load(q->config, &p);

	k->file = q->file;
	find_owner(k, c == NULL ? DEFAULT_USER : c->user);
	if (k->file == NULL && c != NULL && *c->trace.sealed.keys != '\0')
		k->file = arena_strdup(k->a, c->trace.sealed.keys);
	if (k->file == NULL && c != NULL)
		fprintf(stderr,
		    "gatepostctl: %s does not set trace.sealed.keys; set it, or give --keys FILE\n",
		    ctl_safe(k->a, q->config));
	conf_unref(&c);
	return k->file == NULL ? -1 : 0;
}

/* ---- the actions ------------------------------------------------------------------------------- */

static const char *
time_text(struct arena *a, uint64_t ms)
{
	const time_t t = (time_t)(ms / 1000);
	char text[32];
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return arena_strdup(a, text);
}

static int
list(struct keys *k)
{
	static const char *const does[] = { "opens, seals nothing yet", "opens and seals", "opens only" };
	struct seal_keys *keys;
	json_t *out, *all;
	struct err e;
	const char *id;
	enum seal_state state;
	uint64_t made;
	size_t i;

	err_clear(&e);
	if ((keys = seal_keys_load(k->file, &e)) == NULL)
		return complain(k, &e);
	out = json_object();
	all = json_array();
	for (i = 0; seal_keys_at(keys, i, &id, &state, &made); i++) {
		if (!k->json)
			printf("%-16s %-8s %s  %s\n", id, seal_state_text(state), time_text(k->a, made),
			    does[state]);
		json_array_append_new(all, json_pack("{s:s,s:s,s:s}", "id", id, "state",
		    seal_state_text(state),
		    "made", time_text(k->a, made)));
	}
	json_object_set_new(out, "file", json_string(k->file));
	json_object_set_new(out, "keys", all);
	if (k->json) {
		json_dumpf(out, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
		putchar('\n');
	}
	json_decref(out);
	seal_keys_unref(&keys);
	return 0;
}

static int
make(struct keys *k)
{
	const bool first = access(k->file, F_OK) != 0;
	char id[SEAL_KEY_ID_MAX + 1];
	struct err e;

	err_clear(&e);
	if (seal_keys_new(k->file, k->id, k->uid, k->gid, id, &e) < 0)
		return complain(k, &e);
	if (first && k->missing != NULL)
		fprintf(stderr, "gatepostctl: there is no user %s: the file is root's; chown it when there is\n",
		    ctl_safe(k->a, k->missing));
	if (first)
		printf("%s: made, with key %s, which is active.\n" COPY, k->file, id);
	else
		printf("%s: key %s is there. It opens stamps, and seals none yet.\n"
		    COPY "When all have it (gatepostctl status): gatepostctl keys activate %s\n",
		    k->file, id, id);
	return 0;
}

static int
activate(struct keys *k)
{
	struct err e;

	err_clear(&e);
	if (seal_keys_activate(k->file, k->id, &e) < 0)
		return complain(k, &e);
	printf("%s: key %s seals from now on; the one before opens still.\n" COPY,
	    k->file,
	    k->id);
	return 0;
}

/* The key's state, and whether it is the oldest of the file, by which names get their pseudonyms. */
static enum seal_state
look_at(struct keys *k, bool *oldest)
{
	struct seal_keys *keys = seal_keys_load(k->file, NULL);
	enum seal_state state, found = SEAL_KEY_NEW;
	uint64_t made, mine = 0, least = UINT64_MAX;
	const char *id;
	size_t i;

	for (i = 0; keys != NULL && seal_keys_at(keys, i, &id, &state, &made); i++) {
		if (made < least)
			least = made;
		if (strcmp(id, k->id) == 0) {
			mine = made;
			found = state;
		}
	}
	seal_keys_unref(&keys);
	*oldest = mine == least;
	return found;
}

static int
retire(struct keys *k)
{
	bool oldest;
	enum seal_state state = look_at(k, &oldest);
	struct err e;

	err_clear(&e);
	if (state == SEAL_KEY_RETIRED && oldest && !k->force) {
		err_set(&e, ERR_DENIED, "key %.20s is the oldest: without it every pseudonym changes (opaque "
		    "headers, Feedback-ID), and what it sealed is foreign; if you want that, add --force",
		    k->id);
		return complain(k, &e);
	}
	if (seal_keys_retire(k->file, k->id, &e) < 0)
		return complain(k, &e);
	printf("%s: key %s %s.\n" COPY,
	    k->file,
	    k->id, state == SEAL_KEY_RETIRED ? "is removed: what it sealed is foreign from now on" :
	    "is retired: it will never seal; retire it once more to remove it");
	return 0;
}

int
ctl_keys(struct arena *a, const struct ctl_keys *q)
{
	static const struct { const char *name; int least, most; int (*run)(struct keys *); } actions[] = {
		{ "list", 1, 1, list }, { "new", 1, 2, make }, { "activate", 2, 2, activate },
		{ "retire", 2, 2, retire },
	};
	struct keys k = { .a = a, .json = q->json, .force = q->force };
	size_t i;

	for (i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (q->n_words > 0 && strcmp(q->words[0], actions[i].name) == 0 &&
		    q->n_words >= actions[i].least && q->n_words <= actions[i].most) {
			k.id = q->n_words > 1 ? q->words[1] : NULL;
			return find_file(&k, q) < 0 ? 1 : actions[i].run(&k);
		}
	return -1;
}
