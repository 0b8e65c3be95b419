/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef MILTER_CTL_GRID_H
#define MILTER_CTL_GRID_H
/*
 * ctl_grid - a table of short texts with columns that line up.
 *
 *     struct ctl_grid g;
 *     ctl_grid_begin(&g, arena, "limit used>");      '>' after a name: its numbers stand at the right
 *     ctl_grid_row(&g, (const char *[]){ "customer", "12" });
 *     ctl_grid_print(&g);                            a column that is empty in every row is left out
 *
 * Texts must be safe for a terminal already (ctl_safe) and live as long as the grid.
 */
#include <stdbool.h>
#include <stddef.h>

#include "lib/arena.h"

#define CTL_GRID_COLUMNS 10

struct ctl_grid {
	struct arena *arena;
	size_t columns;
	const char *head[CTL_GRID_COLUMNS];	/* '_' shows as a blank */
	bool right[CTL_GRID_COLUMNS];
	const char **cells;		/* row by row */
	size_t rows, space;
};

void ctl_grid_begin(struct ctl_grid *g, struct arena *a, const char *heads);
/* cells: one for each column; NULL = empty. */
void ctl_grid_row(struct ctl_grid *g, const char *const *cells);
void ctl_grid_print(const struct ctl_grid *g);

#endif
