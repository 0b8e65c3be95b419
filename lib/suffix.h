/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_SUFFIX_H
#define LIB_SUFFIX_H
/*
 * suffix - where one owner's domain begins, by the public suffix list.
 *
 *     struct suffix *s = suffix_open();
 *     suffix_org(s, "www.city.kawasaki.jp")  -> "city.kawasaki.jp"
 *     suffix_org(s, "co.uk")                 -> NULL: nobody's
 *     suffix_close(&s);
 *
 * The list is that of the system (Debian's package publicsuffix) where it is newer than libpsl's own. Names
 * are lower-case A-labels (mail_domain); a top-level domain that the list does not know is a public suffix.
 * Thread safe.
 */
struct suffix;

/* NULL when libpsl has no list at all. */
struct suffix *suffix_open(void);
void suffix_close(struct suffix **s);
/* The organisational domain: the end of domain itself, one label longer than its public suffix. NULL when
 * domain is a public suffix, or empty. */
const char *suffix_org(const struct suffix *s, const char *domain);

#endif
