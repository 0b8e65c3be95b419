/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef MILTER_MAILER_TRAITS_H
#define MILTER_MAILER_TRAITS_H
/*
 * mailer_traits - what a message's header says of how it was made, whatever program made it.
 *
 *     struct mailer_trait found[TRAITS];
 *     n = mailer_traits(facts, conf, match, found);
 *     for (i = 0; i < n; i++) -> found[i].trait, because found[i].why
 *
 * Only what is known of this one message counts: its envelope and its header. Whether its sender sends much
 * of the kind is for limits to say, which can ask for a trait (when.mailer). Thread safe.
 */
#include <stddef.h>

#include "lib/conf.h"
#include "lib/signature.h"
#include "lib/trait.h"
#include "milter/facts.h"

struct mailer_trait {
	enum trait trait;
	const char *why;	/* for the desk; printable */
};

/* match: the signature that was found, NULL when none. Returns how many; one of each at most. */
size_t mailer_traits(const struct facts *f, const struct conf *c, const struct signature_match *match,
    struct mailer_trait to[TRAITS]);

#endif
