/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_STORE_PRIVATE_H
#define LIB_STORE_PRIVATE_H
/*
 * store_private - what a store driver is.
 *
 * A driver embeds struct store as the first member of its own and fills in the table.
 * store.c has checked the arguments before a driver sees them: names are not empty and fit
 * the bounds below, subjects are lower case, ceilings are in range, time spans are not over. A driver
 * copies results into the arena it is given, is callable from any thread, and proves itself
 * against t/unit/test_store_contract.c.
 */
#include "lib/store.h"

#define STORE_LIMIT_MAX 32u		/* bytes of a limit's name */
#define STORE_KEY_MAX 320u		/* bytes of a key or subject */
#define STORE_TEXT_MAX 1000u		/* bytes of a reason, or of who did it */
#define STORE_KEEP_MAX 65536u		/* bytes of a value kept */
#define STORE_ITEMS_MAX 8192u		/* limits of one message */
#define STORE_VALUES_MAX 65536u		/* distinct values of one message, over all its limits */

#define STORE_TALLY 160u		/* bytes of a tally as it is kept, with its NUL */

struct store_driver {
	const char *type;
	struct store *(*open)(const struct store_settings *, struct err *);
	void (*close)(struct store *);
	void (*poll)(struct store *);

	int (*judge)(struct store *, struct store_request *, uint64_t deadline, struct err *);
	uint64_t (*over_until)(struct store *, const char *limit, const char *key, struct limit_ceiling *);
	void (*forget_over)(struct store *);

	int (*suspended)(struct store *, const char *kind, const char *subject, struct arena *,
	    struct store_suspension *);
	enum store_result (*suspend)(struct store *, const struct store_suspension *, struct err *);
	enum store_result (*release)(struct store *, const char *kind, const char *subject, struct err *);
	int (*suspensions)(struct store *, struct arena *, struct store_suspension **, struct err *);

	enum store_result (*raise)(struct store *, const struct store_override *, struct err *);
	enum store_result (*lower)(struct store *, const char *limit, const char *key, struct err *);
	int (*overrides)(struct store *, struct arena *, struct store_override **, struct err *);
	enum store_result (*reset)(struct store *, const char *limit, const char *key, struct err *);

	int (*top)(struct store *, struct arena *, const char *limit, size_t n, struct store_usage **,
	    struct err *);
	int (*usage)(struct store *, struct arena *, const char *limit, const char *key, struct store_usage *,
	    struct err *);
	void (*numbers)(struct store *, struct store_numbers *);

	enum store_result (*keep)(struct store *, const char *space, const char *name, const char *value,
	    struct err *);
	int (*kept)(struct store *, const char *space, void (*each)(void *, const char *, const char *),
	    void *cookie, struct err *);

	/* NULL: not shared with other relays. */
	enum store_result (*tally)(struct store *, const char *space, const char *name,
	    const struct store_tally *, struct err *);
	int (*claim)(struct store *, const char *space, const char *name, uint64_t time, char note[STORE_NOTE],
	    struct err *);
	int (*relays)(struct store *, struct arena *, struct store_relay **, struct err *);
	bool (*health)(struct store *, struct store_health *);
	void (*leave)(struct store *);
};

struct store {
	const struct store_driver *driver;
};

bool store_tally_text(const struct store_tally *t, uint64_t count, char to[STORE_TALLY]);

extern const struct store_driver store_memory_driver;
extern const struct store_driver store_redis_driver;

/* n zeroed bytes; running out of memory ends the process, as in lib/arena.h. */
void *store_alloc(size_t n);
/* The same, beginning at a cache line (64 bytes). */
void *store_alloc_lines(size_t n);

#endif
