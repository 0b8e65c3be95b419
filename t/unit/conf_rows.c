/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * conf_rows - shows the table of settings to shell tests, and what a file makes of it.
 *
 *     conf_rows rows           every row, tabs between: path, type, default, allowed, restart or reload,
 *                              example or default
 *     conf_rows set FILE       the paths of the settings that stand in FILE
 *     conf_rows values FILE    path = value of every setting with FILE loaded
 *     conf_rows check FILE     mistakes and warnings as the daemon would tell them
 *
 * Exit status 0, or 1 when FILE holds a mistake.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/conf_private.h"
#include "lib/banned.h"

static void
say(void *cookie, const struct err *e)
{
	(void)cookie;
	printf("%s: %s\n", e->where, e->text);
}

static void
warn(void *cookie, const struct err *e)
{
	(void)cookie;
	printf("%s: warning: %s\n", e->where, e->text);
}

static int
rows(void)
{
	const struct conf_row *w;
	size_t i;

	for (i = 0; (w = conf_row(i)) != NULL; i++)
		printf("%s\t%s\t%s\t%s\t%s\t%s\n", w->path, w->type, w->def, w->allowed,
		    w->reloadable ? "reload" : "restart", w->example ? "example" : "default");
	return 0;
}

static bool
is_row(const char *path)
{
	const struct conf_row *w;
	size_t i;

	for (i = 0; (w = conf_row(i)) != NULL; i++)
		if (strcmp(w->path, path) == 0)
			return true;
	return false;
}

static void
show_set(const struct conf_node *n, const char *path)
{
	char space[256];
	size_t i;

	for (i = 0; i < n->n; i++) {
		if (n->child[i].name == NULL)
			snprintf(space, sizeof(space), "%s[]", path);
		else
			snprintf(space, sizeof(space), "%s%s%s", path, path[0] == '\0' ? "" : ".",
			    n->child[i].name);
		if (is_row(space))
			printf("%s\n", space);
		show_set(&n->child[i], space);
	}
}

static int
set(const char *file)
{
	struct conf_problems p = { .say = say };
	struct conf_reader r = { .p = &p, .keep = arena_new(SIZE_MAX / 2), .scratch = arena_new(SIZE_MAX / 2),
		.file = file };
	struct conf_source s;
	const struct conf_node *root = NULL;

	if (conf_source_read(&r, &s))
		root = conf_parse(&r, &s);
	conf_source_free(&s);
	conf_tell(&r);
	if (root != NULL)
		show_set(root, "");
	arena_free(&r.keep);
	arena_free(&r.scratch);
	return root == NULL;
}

static int
load(const char *file, bool values)
{
	struct conf_problems p = { .say = say, .warn = values ? NULL : warn };
	struct conf *c = conf_load(file, &p);
	char space[8192];
	size_t i;

	for (i = 0; c != NULL && values && i < conf_table_main.n; i++) {
		struct str s = STR_IN(space);

		conf_row_value(c, i, &s);
		printf("%s = %s\n", conf_row(i)->path, space);
	}
	conf_unref(&c);
	return p.count > 0;
}

int
main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "rows") == 0)
		return rows();
	if (argc == 3 && strcmp(argv[1], "set") == 0)
		return set(argv[2]);
	if (argc == 3 && strcmp(argv[1], "values") == 0)
		return load(argv[2], true);
	if (argc == 3 && strcmp(argv[1], "check") == 0)
		return load(argv[2], false);
	fprintf(stderr, "usage: conf_rows rows | set FILE | values FILE | check FILE\n");
	return 2;
}
