/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
/*
 * ctl_grid - lines up columns for gatepostctl's lists.
 *
 * Widths are counted in characters of UTF-8; wide and combining ones are not known here and shift
 * their line by a column, no more.
 */
#include "milter/ctl_grid.h"

#include <stdio.h>
#include <string.h>

#include "lib/banned.h"

void
ctl_grid_begin(struct ctl_grid *g, struct arena *a, const char *heads)
{
	memset(g, 0, sizeof(*g));
	g->arena = a;
	while (*heads != '\0' && g->columns < CTL_GRID_COLUMNS) {
		size_t n = strcspn(heads, " "), i;
		bool right = n > 0 && heads[n - 1] == '>';
		char *name = arena_strndup(a, heads, right ? n - 1 : n);

		for (i = 0; name[i] != '\0'; i++)
			if (name[i] == '_')
				name[i] = ' ';
		g->head[g->columns] = name;
		g->right[g->columns++] = right;
		heads += n + (heads[n] == ' ');
	}
}

void
ctl_grid_row(struct ctl_grid *g, const char *const *cells)
{
	const char **more;
	size_t i;

	if (g->rows == g->space) {
		g->space = g->space == 0 ? 32 : g->space * 2;
		more = arena_alloc(g->arena, g->space * g->columns * sizeof(*more));
		if (g->rows > 0)
			memcpy(more, g->cells, g->rows * g->columns * sizeof(*more));
		g->cells = more;
	}
	for (i = 0; i < g->columns; i++)
		g->cells[g->rows * g->columns + i] = cells[i] == NULL ? "" : cells[i];
	g->rows++;
}

static size_t
characters(const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static void
print_line(const struct ctl_grid *g, const char *const *cells, const size_t *width)
{
	size_t i, pad, last = 0;

	for (i = 0; i < g->columns; i++)
		if (width[i] > 0 && *cells[i] != '\0')
			last = i;
	for (i = 0; i <= last; i++) {
		if (width[i] == 0)
			continue;
		pad = width[i] - characters(cells[i]);
		printf("%*s%s%*s", g->right[i] ? (int)pad : 0, "", cells[i],
		    g->right[i] || i == last ? 0 : (int)pad, "");
		fputs(i == last ? "\n" : "  ", stdout);
	}
}

void
ctl_grid_print(const struct ctl_grid *g)
{
	size_t width[CTL_GRID_COLUMNS] = { 0 }, i, n;

	for (i = 0; i < g->rows * g->columns; i++) {
		n = characters(g->cells[i]);
		if (n > width[i % g->columns])
			width[i % g->columns] = n;
	}
	for (i = 0; i < g->columns; i++)
		if (width[i] > 0 && characters(g->head[i]) > width[i])
			width[i] = characters(g->head[i]);
	if (g->rows == 0)
		return;
	print_line(g, g->head, width);
	for (i = 0; i < g->rows; i++)
		print_line(g, g->cells + i * g->columns, width);
}
