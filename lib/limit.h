/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_LIMIT_H
#define LIB_LIMIT_H
/*
 * limit - ceilings and the arithmetic of windows, the same for every store.
 *
 * A ceiling "500/1h" promises: in any hour, whichever millisecond it begins, no
 * more than 500 pass. A window is kept as a ring of LIMIT_SLICES+1 slices of
 * length/LIMIT_SLICES each; a slice that is only partly inside the window counts in full. So the ring
 * never lets too much through, and a steady sender may get up to a tenth less than
 * the ceiling in the worst phase. "Exactly N" holds for any N units after a quiet time of the window
 * and one slice: a unit is counted for 1 to 1.1 lengths.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIMIT_SLICES 10
#define LIMIT_WINDOWS_MAX 4		/* ceilings of one limit */
#define LIMIT_LENGTH_MIN 1000u		/* ms */
#define LIMIT_LENGTH_MAX (366ull * 86400 * 1000)
#define LIMIT_CEILING_MAX 1000000000u

struct limit_ceiling {
	uint32_t most;		/* units (bytes are counted in KiB, rounded up) */
	uint64_t length;	/* ms */
};

struct limit_ceilings {
	size_t n;
	struct limit_ceiling at[LIMIT_WINDOWS_MAX];
};

/* "500/1h": 1, or 0. With kib, the count may carry a size suffix ("2G/1d") and becomes KiB. The count is at
 * least 1 (a zero could mean none or no limit), the length whole seconds. */
int limit_ceiling_parse(const char *text, bool kib, struct limit_ceiling *to);
/* Writes "500/1h". */
void limit_ceiling_text(const struct limit_ceiling *c, char *to, size_t size);
/* Adds one ceiling; false when full or the length is there already. */
bool limit_ceilings_add(struct limit_ceilings *to, const struct limit_ceiling *c);

/* One window's ring. Lives in stores' memory; all zero = empty. */
struct limit_window {
	uint32_t length;			/* seconds; 0 = unused */
	uint32_t newest;			/* the newest slice (now / slice length), modulo 2^32 */
	uint32_t slice[LIMIT_SLICES + 1];	/* slice[number % (LIMIT_SLICES+1)] */
};

/* Moves the ring to now (ms), dropping what left the window. A ring from the future is moved back (its two
 * newest slices become now's): after a clock was set back nothing leaves before its time, and nothing stays
 * for longer than 1.2 lengths. */
void limit_window_advance(struct limit_window *w, uint64_t now);
/* Units inside the window; call advance first. */
uint32_t limit_window_used(const struct limit_window *w);
/* Adds to the newest slice (saturating). */
void limit_window_add(struct limit_window *w, uint64_t now, uint32_t amount);
/* The first time (ms) when `amount` more units fit under most; now when they fit already;
 * UINT64_MAX when amount > most. */
uint64_t limit_window_fits_at(const struct limit_window *w, uint64_t now, uint32_t most, uint32_t amount);

#endif
