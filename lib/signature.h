/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the Gatepost authors */
#ifndef LIB_SIGNATURE_H
#define LIB_SIGNATURE_H
/*
 * signature - recognises mailing software by the headers it writes.
 *
 * The file (gatepost-signatures(5)) holds signatures; signature_load() compiles them into an immutable set,
 * indexed by header name, so that the cost follows the headers present and not the number of signatures.
 * Patterns are PCRE2 with match limits. A set may be matched from any thread.
 *
 *     s = signature_load_all("/etc/gatepost/signatures.conf", "/etc/gatepost/signatures.d", &report, &bad);
 *     n = signature_match_message(s, &message, arena, found, 4);
 *     if (n > 0) found[0] is the software, found[0].confidence < SIGNATURE_HINT only a hint of it
 *     while (signature_slow(s, &e)) log e
 *     signature_unref(&s);
 */
#include <stdbool.h>
#include <stddef.h>

#include "lib/arena.h"
#include "lib/err.h"
#include "lib/table.h"	/* struct table_report: how errors are told */

struct signature_set;

struct signature_header {
	const char *name;	/* as it came */
	const char *value;	/* as it came: folded, encoded */
};

/* Bytes of the body that a signature can ask for. */
#define SIGNATURE_BODY_MAX ((size_t)4096)

struct signature_message {
	const struct signature_header *headers;
	size_t n;
	const char *body;	/* its first bytes as they came; NULL when not known */
	size_t body_bytes;
};

struct signature_match {
	const char *name;	/* "interspire" */
	const char *kind;	/* "bulk", "webshell", "desktop", "library", "newsletter", "list", "crm" */
	const char *title;	/* "Interspire Email Marketer" */
	unsigned confidence;	/* 1-100 */
	const char *evidence;	/* the header lines that decided, decoded and cut; for the desk */
	const char *where;	/* "file:line" of the signature */
};

/* A signature that did not match, but nearly. */
struct signature_near {
	struct signature_match it;	/* evidence: what of it is there */
	const char *missing;		/* the conditions that do not hold */
};

/* Below this confidence a match is a hint: worth counting and telling, not worth stopping mail for. */
#define SIGNATURE_HINT 50u

/* Loads a file. A bad entry is reported with file:line and left out, the rest goes on; NULL only when the
 * file cannot be read or is no signature file at all. *bad (may be NULL) counts the entries left out. */
struct signature_set *signature_load(const char *file, const struct table_report *report, size_t *bad);
/* The same with the operator's own files: every NAME.conf in the directory, which need not be there ("" =
 * none). What a file says of a name replaces all that files before it say, in the order of their names, the
 * shipped one being the first. A file that cannot be read, or is none, is reported and left out. */
struct signature_set *signature_load_all(const char *file, const char *directory,
    const struct table_report *report, size_t *bad);
/* Sets are immutable and counted; freed with the last unref. *s may be NULL. */
struct signature_set *signature_ref(struct signature_set *s);
void signature_unref(struct signature_set **s);
size_t signature_count(const struct signature_set *s);
/* Best first (highest confidence, then file order); at most n_most. Returns how many it wrote. Texts live
 * in the arena. */
size_t signature_match(const struct signature_set *s, const struct signature_header *headers, size_t n,
    struct arena *a, struct signature_match *to, size_t n_most);
size_t signature_match_message(const struct signature_set *s, const struct signature_message *m,
    struct arena *a, struct signature_match *to, size_t n_most);
/* For people who ask why nothing was found: which signature came closest. False when none has anything in
 * common with the message. */
bool signature_closest(const struct signature_set *s, const struct signature_message *m, struct arena *a,
    struct signature_near *to);
/* True when kind is one of the kinds above; n = 0.. lists them, NULL at the end. */
bool signature_kind_known(const char *kind);
const char *signature_kind(size_t n);
/* True when header name is mentioned by any signature (case-blind): others need not be kept. */
bool signature_wants(const struct signature_set *s, const char *name);
/* True when a signature asks for the body: only then need anybody keep its start. */
bool signature_wants_body(const struct signature_set *s);
/* 1 once for each condition whose pattern ran into its limit (it then counts as no match): e says which. 0
 * when there is nothing new to tell. Costs nothing when there never was one. */
int signature_slow(struct signature_set *s, struct err *e);

#endif
